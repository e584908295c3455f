//! A 0.90 superblock, as one value and as the original prints it.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use jiff::tz::TimeZone;
use serde::Serialize;
use superblock::{
    Level,
    v0::{ArrayState, Disk, DiskState, MAGIC, MAX_DISKS, Superblock},
};

use super::{
    super::{
        text::{ctime, human_size},
        words,
    },
    Checksum,
    v1::array_bytes,
};
use crate::model::DevId;

/// A 0.90 superblock for a reader.
#[derive(Clone, Debug, Serialize)]
pub struct V0 {
    /// `0.90`, or `0.91` while a reshape runs.
    pub metadata: String,
    /// Whether this machine's kernel would take it.
    pub native_byte_order: bool,
    /// `0.90.00`.
    pub version: String,
    pub array_uuid: String,
    pub local_to_host: Option<String>,
    pub not_persistent: bool,
    pub created_unix_seconds: u32,
    pub level: Option<&'static str>,
    pub level_number: i32,
    pub used_dev_size_kib: u64,
    /// `null` where the level does not say.
    pub array_size_kib: Option<u64>,
    pub raid_devices: u32,
    pub total_devices: u32,
    pub preferred_minor: u32,
    pub reshape: Option<ReshapeV0>,
    pub updated_unix_seconds: u32,
    pub clean: bool,
    pub bitmap: bool,
    pub active_devices: u32,
    pub working_devices: u32,
    pub failed_devices: u32,
    pub spare_devices: u32,
    pub checksum: Checksum,
    pub events: u64,
    pub layout: Option<String>,
    pub layout_number: u32,
    pub chunk_bytes: u64,
    /// This device's entry.
    pub this_device: TableEntry,
    /// The table, as far as it is in use.
    pub devices: Vec<TableEntry>,
}

/// A reshape that is under way.
#[derive(Clone, Debug, Serialize)]
pub struct ReshapeV0 {
    pub position_sectors: u64,
    pub delta_devices: i32,
    pub new_level: Option<&'static str>,
    pub new_level_number: i32,
    pub new_layout: Option<String>,
    pub new_layout_number: u32,
    pub new_chunk_bytes: u64,
}

/// One entry of the table.
#[derive(Clone, Debug, Serialize)]
pub struct TableEntry {
    pub number: u32,
    pub major: u32,
    pub minor: u32,
    pub slot: u32,
    pub state: Vec<&'static str>,
    /// What has this number today.
    pub path: Option<String>,
}

impl V0 {
    /// From a superblock, the paths of block devices today, and the name of this host.
    #[must_use]
    pub fn of(sb: &Superblock, paths: &BTreeMap<DevId, String>, host: Option<&str>) -> Self {
        let level = sb.level();
        let bytes = array_bytes(level, sb.raid_disks(), sb.layout(), u128::from(sb.size().0) << 10);
        let reshape = reshape(sb);
        let shrinks = reshape.as_ref().map_or(0, |r| r.delta_devices.min(0).unsigned_abs());
        let rows = u64::from(sb.raid_disks()) + u64::from(sb.spare_disks()) + u64::from(shrinks);
        let rows = usize::try_from(rows.min(MAX_DISKS.into())).unwrap_or(0);
        let whole_uuid = sb.minor_version() >= 90;
        Self {
            metadata: format!("0.{}", sb.minor_version()),
            native_byte_order: sb.order() == superblock::Endian::HOST,
            version: format!("{}.{:02}.{:02}", sb.major_version(), sb.minor_version(), sb.patch_version()),
            array_uuid: if whole_uuid {
                sb.set_uuid().to_string()
            } else {
                let [first, ..] = sb.set_uuid().words();
                format!("{first:08x}")
            },
            local_to_host: host.filter(|host| sb.is_local_to(host.as_bytes())).map(str::to_owned),
            not_persistent: sb.not_persistent() != 0,
            created_unix_seconds: sb.ctime(),
            level: level.name(),
            level_number: level.number(),
            used_dev_size_kib: sb.size().0,
            array_size_kib: bytes.and_then(|bytes| u64::try_from(bytes >> 10).ok()),
            raid_devices: sb.raid_disks(),
            total_devices: sb.nr_disks(),
            preferred_minor: sb.md_minor(),
            reshape,
            updated_unix_seconds: sb.utime(),
            clean: sb.state().contains(ArrayState::CLEAN),
            bitmap: sb.state().contains(ArrayState::BITMAP_PRESENT),
            active_devices: sb.active_disks(),
            working_devices: sb.working_disks(),
            failed_devices: sb.failed_disks(),
            spare_devices: sb.spare_disks(),
            checksum: Checksum::of(sb.sb_csum(), sb.computed_csum()),
            events: sb.events().0,
            layout: if level == Level::Raid0 { None } else { words::layout(level, sb.layout()) },
            layout_number: sb.layout(),
            chunk_bytes: sb.chunk_size().0,
            this_device: entry(&sb.this_disk(), paths),
            devices: sb.disks().take(rows).map(|disk| entry(&disk, paths)).collect(),
        }
    }

    fn level(&self) -> Level {
        Level::from_number(self.level_number)
    }

    /// Whether this device holds data of the array; else the lists count it as a spare.
    pub(super) fn in_sync(&self) -> bool {
        self.this_device.state.contains(&"sync")
    }

    /// The full text, without the line that names the device.
    pub(super) fn text(&self, out: &mut String, zone: &TimeZone) -> fmt::Result {
        self.identity(out, zone)?;
        self.reshape_text(out)?;
        self.state(out, zone)?;
        let layout = (self.level() != Level::Raid0).then_some(self.layout_number);
        let chunk_kib = self.chunk_bytes / 1024;
        super::layout_and_chunk(out, &super::Striping { level: self.level(), layout, chunk_kib })?;
        writeln!(out, "      Number   Major   Minor   RaidDevice State")?;
        row(out, "this", &self.this_device)?;
        writeln!(out)?;
        for (number, entry) in self.devices.iter().enumerate() {
            row(out, &number.to_string(), entry)?;
        }
        Ok(())
    }

    fn identity(&self, out: &mut String, zone: &TimeZone) -> fmt::Result {
        writeln!(out, "          Magic : {MAGIC:08x}")?;
        writeln!(out, "        Version : {}", self.version)?;
        write!(out, "           UUID : {}", self.array_uuid)?;
        if let Some(host) = &self.local_to_host {
            write!(out, " (local to host {host})")?;
        }
        writeln!(out)?;
        if self.not_persistent {
            writeln!(out, "           Eedk : not persistent")?;
        }
        writeln!(out, "  Creation Time : {}", ctime(self.created_unix_seconds.into(), zone))?;
        writeln!(out, "     Raid Level : {}", self.level.unwrap_or(words::UNKNOWN))?;
        if self.level_number > 0 {
            let member = u128::from(self.used_dev_size_kib) << 10;
            writeln!(out, "  Used Dev Size : {}{}", self.used_dev_size_kib, human_size(member))?;
            if let Some(bytes) = array_bytes(self.level(), self.raid_devices, self.layout_number, member) {
                writeln!(out, "     Array Size : {}{}", bytes >> 10, human_size(bytes))?;
            }
        }
        writeln!(out, "   Raid Devices : {}", words::signed(self.raid_devices))?;
        writeln!(out, "  Total Devices : {}", words::signed(self.total_devices))?;
        writeln!(out, "Preferred Minor : {}\n", words::signed(self.preferred_minor))
    }

    fn reshape_text(&self, out: &mut String) -> fmt::Result {
        let Some(reshape) = &self.reshape else { return Ok(()) };
        let position = reshape.position_sectors;
        writeln!(out, "  Reshape pos'n : {}{}", position / 2, human_size(u128::from(position) << 9))?;
        if reshape.delta_devices != 0 {
            let now = words::signed(self.raid_devices);
            let before = now.wrapping_sub(reshape.delta_devices);
            writeln!(out, "  Delta Devices : {} ({before}->{now})", reshape.delta_devices)?;
        }
        if reshape.new_level_number != self.level_number {
            writeln!(out, "      New Level : {}", reshape.new_level.unwrap_or(words::UNKNOWN))?;
        }
        if reshape.new_layout_number != self.layout_number {
            match self.level() {
                level @ (Level::Raid5 | Level::Raid6) => {
                    writeln!(out, "     New Layout : {}", words::parity(level, reshape.new_layout_number))?;
                }
                Level::Raid10 => {
                    writeln!(out, "     New Layout : {}", words::raid10_in_full(reshape.new_layout_number))?;
                }
                _ => {}
            }
        }
        if reshape.new_chunk_bytes != self.chunk_bytes {
            writeln!(out, "  New Chunksize : {}", reshape.new_chunk_bytes)?;
        }
        writeln!(out)
    }

    fn state(&self, out: &mut String, zone: &TimeZone) -> fmt::Result {
        writeln!(out, "    Update Time : {}", ctime(self.updated_unix_seconds.into(), zone))?;
        writeln!(out, "          State : {}", if self.clean { "clean" } else { "active" })?;
        if self.bitmap {
            writeln!(out, "Internal Bitmap : present")?;
        }
        writeln!(out, " Active Devices : {}", words::signed(self.active_devices))?;
        writeln!(out, "Working Devices : {}", words::signed(self.working_devices))?;
        writeln!(out, " Failed Devices : {}", words::signed(self.failed_devices))?;
        writeln!(out, "  Spare Devices : {}", words::signed(self.spare_devices))?;
        super::checksum(out, self.checksum)?;
        writeln!(out, "         Events : {}\n", self.events)
    }

    /// The line for the configuration.
    pub(super) fn brief(&self, out: &mut String, verbose: bool) -> fmt::Result {
        write!(out, "ARRAY /dev/md{}", words::signed(self.preferred_minor))?;
        if verbose {
            let level = self.level.unwrap_or(words::UNKNOWN);
            write!(out, " level={level} num-devices={}", words::signed(self.raid_devices))?;
        }
        writeln!(out, " UUID={}", self.array_uuid)
    }

    /// The keys.
    pub(super) fn export(&self, out: &mut String) -> fmt::Result {
        if let Some(level) = self.level {
            writeln!(out, "MD_LEVEL={level}")?;
        }
        writeln!(out, "MD_DEVICES={}", words::signed(self.raid_devices))?;
        writeln!(out, "MD_UUID={}", self.array_uuid)?;
        writeln!(out, "MD_UPDATE_TIME={}", self.updated_unix_seconds)?;
        writeln!(out, "MD_EVENTS={}", self.events)
    }
}

fn reshape(sb: &Superblock) -> Option<ReshapeV0> {
    let position = sb.reshape_position()?;
    Some(ReshapeV0 {
        position_sectors: position.0,
        delta_devices: sb.delta_disks(),
        new_level: sb.new_level().name(),
        new_level_number: sb.new_level().number(),
        new_layout: words::layout(sb.level(), sb.new_layout()),
        new_layout_number: sb.new_layout(),
        new_chunk_bytes: sb.new_chunk().0,
    })
}

fn entry(disk: &Disk, paths: &BTreeMap<DevId, String>) -> TableEntry {
    let set = disk.state;
    let words = [
        (DiskState::FAULTY, "faulty"),
        (DiskState::ACTIVE, "active"),
        (DiskState::SYNC, "sync"),
        (DiskState::REMOVED, "removed"),
        (DiskState::WRITE_MOSTLY, "write-mostly"),
        (DiskState::FAIL_FAST, "failfast"),
    ];
    let mut state: Vec<&'static str> =
        words.into_iter().filter(|(flag, _)| set.contains(*flag)).map(|(_, word)| word).collect();
    if set.difference(DiskState::WRITE_MOSTLY | DiskState::FAIL_FAST).is_empty() {
        state.push("spare");
    }
    let id = DevId { major: disk.major, minor: disk.minor };
    let path = paths.get(&id).filter(|_| id != DevId::default()).cloned();
    TableEntry {
        number: disk.number,
        major: disk.major,
        minor: disk.minor,
        slot: disk.raid_disk,
        state,
        path,
    }
}

fn row(out: &mut String, head: &str, entry: &TableEntry) -> fmt::Result {
    let [number, major, minor, slot] =
        [entry.number, entry.major, entry.minor, entry.slot].map(words::signed);
    write!(out, "{head:>4} {number:5}   {major:5}    {minor:5}    {slot:5}     ")?;
    for word in &entry.state {
        write!(out, " {word}")?;
    }
    match &entry.path {
        Some(path) => writeln!(out, "   {path}"),
        None => writeln!(out),
    }
}
