//! `--examine`: what the superblock on each device says.

mod v0;
mod v1;
mod v1_text;

use std::fmt::{self, Write};

use jiff::tz::TimeZone;
use serde::Serialize;
use superblock::Level;

use super::{DiskText, words};

pub use v0::V0;
pub use v1::{Checksum, Role, V1};

/// What the report says of roles that cannot all be true.
const INCONSISTENT: &str = "Array state is inconsistent - each number should appear only once";

/// One device that has a superblock.
#[derive(Clone, Debug, Serialize)]
pub struct Examined {
    /// As the user named it.
    pub device: String,
    pub size_bytes: u64,
    #[serde(flatten)]
    pub superblock: Superblock,
}

/// The superblock of a device, by format.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase", tag = "format")]
pub enum Superblock {
    V1(Box<V1>),
    V0(Box<V0>),
    Mbr(Mbr),
}

/// A partition table, which the original examines for want of anything better.
#[derive(Clone, Debug, Serialize)]
pub struct Mbr {
    /// The four entries; `null` where one is empty.
    pub partitions: [Option<PartitionEntry>; 4],
}

/// An entry of a partition table.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PartitionEntry {
    pub start_sectors: u32,
    pub size_sectors: u32,
    pub kind: u8,
}

/// What JSON says of all devices that were asked about.
#[derive(Debug, Serialize)]
pub struct ExamineReport {
    pub schema: &'static str,
    pub devices: Vec<ExamineAnswer>,
}

/// What JSON says of one device.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ExamineAnswer {
    Found(Box<Examined>),
    Not { device: String, error: String },
}

impl ExamineReport {
    /// The whole answer.
    #[must_use]
    pub fn new(devices: Vec<ExamineAnswer>) -> Self {
        Self { schema: "mdctl.examine.1", devices }
    }
}

impl Examined {
    /// The full text.
    #[must_use]
    pub fn text(&self, zone: &TimeZone) -> String {
        let mut out = format!("{}:\n", self.device);
        let written = match &self.superblock {
            Superblock::V1(v1) => v1.text(&mut out, zone),
            Superblock::V0(v0) => v0.text(&mut out, zone),
            Superblock::Mbr(mbr) => mbr.text(&mut out),
        };
        debug_assert!(written.is_ok(), "a string takes everything");
        out
    }

    /// The keys of `--export`.
    #[must_use]
    pub fn export(&self) -> String {
        let mut out = String::new();
        let written = match &self.superblock {
            Superblock::V1(v1) => v1.export(&mut out),
            Superblock::V0(v0) => v0.export(&mut out),
            Superblock::Mbr(_) => Ok(()),
        };
        debug_assert!(written.is_ok(), "a string takes everything");
        out
    }

    /// What is wrong with the metadata and could not be shown; for `keys`, also what has no name to export.
    #[must_use]
    pub fn refusals(&self, keys: bool) -> Vec<String> {
        let (mut found, level, number) = match &self.superblock {
            Superblock::V1(v1) => (v1.defects.clone(), v1.level, v1.level_number),
            Superblock::V0(v0) => (vec![], v0.level, v0.level_number),
            Superblock::Mbr(_) => return vec![],
        };
        found.retain(|defect| defect != INCONSISTENT);
        if keys && level.is_none() {
            found.push(format!("level {number} is unknown"));
        }
        found
    }

    /// Whether an array of this machine can have it: a 0.90 superblock in the other byte order is for another.
    #[must_use]
    pub fn is_of_this_machine(&self) -> bool {
        match &self.superblock {
            Superblock::V0(v0) => v0.native_byte_order,
            Superblock::V1(_) => true,
            Superblock::Mbr(_) => false,
        }
    }

    /// Whether both are members of one array. Where the UUID is the same and the rest is not, both are shown.
    fn same_array(&self, other: &Self) -> bool {
        match (&self.superblock, &other.superblock) {
            (Superblock::V1(a), Superblock::V1(b)) => {
                let key = |v: &V1| {
                    (
                        v.array_uuid.clone(),
                        v.created_unix_seconds,
                        (v.level_number, v.layout_number),
                        (v.used_dev_size_sectors, v.chunk_sectors, v.raid_devices),
                    )
                };
                key(a) == key(b)
            }
            (Superblock::V0(a), Superblock::V0(b)) => {
                let key = |v: &V0| {
                    let array = (v.array_uuid.clone(), v.version.clone());
                    (array, v.created_unix_seconds, v.level_number, v.used_dev_size_kib, v.raid_devices)
                };
                key(a) == key(b)
            }
            _ => false,
        }
    }

    /// Whether the lists count it as a spare.
    fn is_spare(&self) -> bool {
        match &self.superblock {
            Superblock::V1(v1) => !matches!(v1.role, Role::Active(_)),
            Superblock::V0(v0) => !v0.in_sync(),
            Superblock::Mbr(_) => false,
        }
    }
}

/// The lines for the configuration: one for each array, the array that was found last first.
#[must_use]
pub fn brief(devices: &[Examined], verbose: bool) -> String {
    let mut arrays: Vec<Vec<&Examined>> = vec![];
    for device in devices {
        let known =
            arrays.iter_mut().find(|array| array.first().is_some_and(|first| first.same_array(device)));
        match known {
            Some(array) => array.push(device),
            None => arrays.push(vec![device]),
        }
    }
    let mut out = String::new();
    for array in arrays.iter().rev() {
        let written = brief_array(&mut out, array, verbose);
        debug_assert!(written.is_ok(), "a string takes everything");
    }
    out
}

fn brief_array(out: &mut String, members: &[&Examined], verbose: bool) -> fmt::Result {
    let Some(first) = members.first() else { return Ok(()) };
    match &first.superblock {
        Superblock::V1(v1) => v1.brief(out, verbose)?,
        Superblock::V0(v0) => v0.brief(out, verbose)?,
        Superblock::Mbr(_) => return Ok(()),
    }
    let spares = members.iter().filter(|member| member.is_spare()).count();
    if spares > 0 {
        write!(out, "   spares={spares}")?;
    }
    if verbose {
        let names: Vec<&str> = members.iter().map(|member| member.device.as_str()).collect();
        write!(out, "   devices={}", names.join(","))?;
    }
    if spares > 0 || verbose {
        writeln!(out)?;
    }
    Ok(())
}

impl Mbr {
    fn text(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "   MBR Magic : aa55")?;
        for (number, partition) in self.partitions.iter().enumerate() {
            if let Some(PartitionEntry { start_sectors, size_sectors, kind }) = partition {
                writeln!(
                    out,
                    "Partition[{number}] : {size_sectors:12} sectors at {start_sectors:12} (type {kind:02x})"
                )?;
            }
        }
        Ok(())
    }
}

/// The checksum line, the same for both formats.
fn checksum(out: &mut String, sum: Checksum) -> fmt::Result {
    write!(out, "       Checksum : {:x} - ", sum.stored)?;
    if sum.correct { writeln!(out, "correct") } else { writeln!(out, "expected {:x}", sum.computed) }
}

/// How data is spread over the members.
struct Striping {
    level: Level,
    /// `None` where the number means nothing.
    layout: Option<u32>,
    chunk_kib: u64,
}

/// The lines about layout and chunk and the empty line after them, the same for both formats.
fn layout_and_chunk(out: &mut String, striping: &Striping) -> fmt::Result {
    let level = striping.level;
    if let Some(layout) = striping.layout {
        match level {
            Level::Raid0 | Level::Raid5 | Level::Raid6 => {
                writeln!(out, "         Layout : {}", words::parity(level, layout))?;
            }
            Level::Raid10 => writeln!(out, "         Layout :{}", words::raid10(layout))?,
            _ => {}
        }
    }
    match level {
        Level::Raid0 | Level::Raid4 | Level::Raid5 | Level::Raid6 | Level::Raid10 => {
            writeln!(out, "     Chunk Size : {}K", striping.chunk_kib)?;
        }
        Level::Linear => writeln!(out, "       Rounding : {}K", striping.chunk_kib)?,
        Level::Faulty | Level::Multipath | Level::Raid1 | Level::Container | Level::Other(_) => {}
    }
    writeln!(out)
}

/// A name for `--export`: up to the first line end; `None` where nothing is left.
pub(super) fn export_name(name: &DiskText) -> Option<DiskText> {
    let first = name.bytes().split(|byte| *byte == b'\n').next().unwrap_or_default();
    (!first.is_empty()).then(|| DiskText::new(first))
}
