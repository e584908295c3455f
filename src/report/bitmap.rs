//! `--examine-bitmap` and `--examine-badblocks`.

use std::fmt::{self, Write};

use serde::Serialize;
use superblock::{
    badblocks::Log,
    bitmap::{self, State, Version, lockless::States},
};

use super::{DiskText, text::human_size, words::signed};
use crate::model::bitmap::{Content, MemberBitmap, NodeBitmap};

/// The bitmap of one member.
#[derive(Clone, Debug, Serialize)]
pub struct BitmapOfMember {
    /// As the user named the device.
    pub device: String,
    pub version: u32,
    pub uuid: String,
    pub chunk_bytes: u32,
    pub flush_seconds: u32,
    pub write_behind: u32,
    pub sync_size_sectors: u64,
    pub cluster: Option<Cluster>,
    /// One for each node of a cluster; otherwise one.
    pub nodes: Vec<Node>,
    /// What is wrong with it.
    pub defects: Vec<String>,
    #[serde(skip)]
    known: bool,
}

/// The cluster that shares it.
#[derive(Clone, Debug, Serialize)]
pub struct Cluster {
    pub nodes: u32,
    pub name: DiskText,
}

/// The bitmap of one node.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    pub events: u64,
    pub events_cleared: u64,
    /// `ok`, `out_of_date`, `unused` or `unknown`.
    pub state: BitmapCondition,
    pub state_bits: u32,
    pub chunks: Option<Chunks>,
}

/// The state of a bitmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BitmapCondition {
    Ok,
    OutOfDate,
    /// Lockless: not filled yet.
    Unused,
    Unknown,
}

/// How many chunks there are, and what is known of them.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub enum Chunks {
    Bits { total: u64, dirty: u64 },
    States { total: u64, unwritten: u64, clean: u64, dirty: u64, to_sync: u64, unknown: u64 },
}

/// What JSON says of all devices that were asked about.
#[derive(Debug, Serialize)]
pub struct BitmapReport<T> {
    pub schema: &'static str,
    pub devices: Vec<BitmapAnswer<T>>,
}

/// What JSON says of one device.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum BitmapAnswer<T> {
    Found(T),
    Not { device: String, error: String },
}

impl BitmapOfMember {
    /// From what was found on a device.
    #[must_use]
    pub fn of(device: &str, found: &MemberBitmap) -> Self {
        let head = &found.superblock;
        let clustered = head.nodes() > 0;
        let name = DiskText::new(head.cluster_name());
        Self {
            device: device.to_owned(),
            version: head.version_number(),
            uuid: found.array.to_string(),
            chunk_bytes: head.chunksize(),
            flush_seconds: head.daemon_sleep(),
            write_behind: head.write_behind(),
            sync_size_sectors: head.sync_size().0,
            cluster: clustered.then(|| Cluster { nodes: head.nodes(), name }),
            nodes: found.nodes.iter().map(Node::of).collect(),
            defects: defects(found),
            known: head.version().is_some(),
        }
    }

    /// Whether its version is one that we know; what stands behind the version is not shown otherwise.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.known
    }

    /// The full text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        let written = self.write(&mut out);
        debug_assert!(written.is_ok(), "a string takes everything");
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "        Filename : {}", self.device)?;
        writeln!(out, "           Magic : {:08x}", bitmap::MAGIC)?;
        writeln!(out, "         Version : {}", signed(self.version))?;
        if !self.known {
            return Ok(());
        }
        writeln!(out, "            UUID : {}", self.uuid)?;
        if let (None, Some(node)) = (&self.cluster, self.nodes.first()) {
            node.events(out)?;
        }
        writeln!(out, "       Chunksize : {}", chunk(self.chunk_bytes))?;
        writeln!(out, "          Daemon : {}s flush period", signed(self.flush_seconds))?;
        match signed(self.write_behind) {
            0 => writeln!(out, "      Write Mode : Normal")?,
            most => writeln!(out, "      Write Mode : Allow write behind, max {most}")?,
        }
        let size = u128::from(self.sync_size_sectors).saturating_mul(512);
        writeln!(out, "       Sync Size : {}{}", self.sync_size_sectors / 2, human_size(size))?;
        match &self.cluster {
            None => self.nodes.iter().try_for_each(|node| node.chunks(out)),
            Some(cluster) => self.cluster(out, cluster),
        }
    }

    fn cluster(&self, out: &mut String, cluster: &Cluster) -> fmt::Result {
        writeln!(out, "   Cluster nodes : {}", signed(cluster.nodes))?;
        writeln!(out, "    Cluster name : {:<64}", cluster.name.to_string())?;
        for (slot, node) in self.nodes.iter().enumerate() {
            writeln!(out, "       Node Slot : {slot}")?;
            node.events(out)?;
            node.chunks(out)?;
        }
        Ok(())
    }
}

impl Node {
    fn of(node: &NodeBitmap) -> Self {
        let head = &node.superblock;
        Self {
            events: head.events().0,
            events_cleared: head.events_cleared().0,
            state: condition(head),
            state_bits: head.state().bits(),
            chunks: node.content.map(|content| match content {
                Content::Bits(count) => Chunks::Bits { total: count.total, dirty: count.dirty },
                Content::States(States { total, unwritten, clean, dirty, to_sync, unknown }) => {
                    Chunks::States { total, unwritten, clean, dirty, to_sync, unknown }
                }
            }),
        }
    }

    fn events(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "          Events : {}", self.events)?;
        writeln!(out, "  Events Cleared : {}", self.events_cleared)?;
        let state = match self.state {
            BitmapCondition::Ok => "OK",
            BitmapCondition::OutOfDate => "Out of date",
            BitmapCondition::Unused => "Not used yet",
            BitmapCondition::Unknown => "Unknown",
        };
        writeln!(out, "           State : {state}")
    }

    fn chunks(&self, out: &mut String) -> fmt::Result {
        match self.chunks {
            None => Ok(()),
            Some(Chunks::Bits { total, dirty }) => {
                let percent = percent(dirty, total);
                writeln!(out, "          Bitmap : {total} bits (chunks), {dirty} dirty ({percent}%)")
            }
            Some(Chunks::States { .. }) if self.state == BitmapCondition::Unused => Ok(()),
            Some(Chunks::States { total, unwritten, clean, dirty, to_sync, unknown }) => {
                write!(out, "          Bitmap : {total} chunks, {unwritten} unwritten, {clean} clean, ")?;
                write!(out, "{dirty} dirty, {to_sync} to be synchronised")?;
                if unknown > 0 {
                    write!(out, ", {unknown} unknown")?;
                }
                writeln!(out)
            }
        }
    }
}

fn condition(head: &bitmap::Superblock) -> BitmapCondition {
    let state = head.state();
    if head.version() == Some(Version::Lockless) {
        return match state {
            _ if state.contains(State::FIRST_USE) => BitmapCondition::Unused,
            _ if state.contains(State::STALE) => BitmapCondition::OutOfDate,
            _ if state.contains(State::WRITE_ERROR) => BitmapCondition::Unknown,
            _ => BitmapCondition::Ok,
        };
    }
    match state.bits() {
        0 => BitmapCondition::Ok,
        2 => BitmapCondition::OutOfDate,
        _ => BitmapCondition::Unknown,
    }
}

fn defects(found: &MemberBitmap) -> Vec<String> {
    let head = &found.superblock;
    if head.version().is_none() {
        let version = signed(head.version_number());
        // As the original has it: the second line stands for itself.
        return vec![
            format!("unknown bitmap version {version}, either the bitmap file"),
            "is corrupted or you need to upgrade your tools".to_owned(),
        ];
    }
    let mut defects = Vec::new();
    for node in &found.nodes {
        let magic = node.superblock.magic();
        if magic != bitmap::MAGIC {
            defects.push(format!("invalid bitmap magic {magic:#x}, the bitmap file appears to be corrupted"));
        } else if !node.is_whole() {
            let size = node.superblock.sync_size().0;
            defects.push(format!("WARNING: bitmap file is not large enough for array size {size}!\n\n"));
        }
    }
    if found.missing_nodes > 0 && head.nodes() > 0 {
        let missing = found.missing_nodes;
        defects.push(format!("{missing} of its {} nodes have no room for a bitmap", head.nodes()));
    }
    defects
}

/// One digit behind the point, as printf rounds.
fn percent(part: u64, whole: u64) -> String {
    let tenths = u128::from(part).saturating_mul(2000) / u128::from(whole.max(1));
    let tenths = tenths.saturating_add(1) / 2;
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn chunk(bytes: u32) -> String {
    match bytes {
        ..0x400 => format!("{bytes} B"),
        0x400..0x10_0000 => format!("{} KB", bytes >> 10),
        0x10_0000..0x4000_0000 => format!("{} MB", bytes >> 20),
        _ => format!("{} GB", bytes >> 30),
    }
}

/// The bad-block log of one member.
#[derive(Clone, Debug, Serialize)]
pub struct BadBlocks {
    /// As the user named the device.
    pub device: String,
    /// Whether it has a log.
    pub configured: bool,
    pub ranges: Vec<Range>,
}

/// Sectors that are bad.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Range {
    pub start_sector: u64,
    pub sectors: u64,
}

impl BadBlocks {
    /// From what was found on a device.
    #[must_use]
    pub fn of(device: &str, log: &Log) -> Self {
        let ranges = match log {
            Log::Ranges(ranges) => ranges.as_slice(),
            Log::Absent | Log::Empty => &[],
        };
        let range = |range: &superblock::badblocks::Range| Range {
            start_sector: range.start.0,
            sectors: range.length.0,
        };
        Self {
            device: device.to_owned(),
            configured: *log != Log::Absent,
            ranges: ranges.iter().map(range).collect(),
        }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> String {
        let device = &self.device;
        if !self.configured {
            return format!("No bad-blocks list configured on {device}\n");
        }
        if self.ranges.is_empty() {
            return format!("Bad-blocks list is empty in {device}\n");
        }
        let line = |range: &Range| format!("{:20} for {} sectors\n", range.start_sector, range.sectors);
        let lines: String = self.ranges.iter().map(line).collect();
        format!("Bad-blocks on {device}:\n{lines}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_printf_has_them() {
        for (part, whole, text) in [
            (0, 0, "0.0"),
            (1, 1, "100.0"),
            (3839, 3840, "100.0"),
            (552_948, 134_150_144, "0.4"),
            (1, 8, "12.5"),
        ] {
            assert_eq!(percent(part, whole), text);
        }
        for (bytes, text) in
            [(0, "0 B"), (512, "512 B"), (3000, "2 KB"), (64 << 20, "64 MB"), (1 << 30, "1 GB")]
        {
            assert_eq!(chunk(bytes), text);
        }
    }
}
