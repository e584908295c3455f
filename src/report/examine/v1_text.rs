//! A version-1 superblock as the original prints it: in full, as a line for the configuration, as keys.

use std::fmt::{self, Write};

use jiff::tz::TimeZone;
use superblock::Level;

use super::{
    super::{
        text::{brief_decimal, ctime, human_size},
        words,
    },
    INCONSISTENT,
    v1::{Role, V1, array_bytes},
};

impl V1 {
    /// The full text, without the line that names the device.
    pub(super) fn text(&self, out: &mut String, zone: &TimeZone) -> fmt::Result {
        self.identity(out, zone)?;
        self.sizes(out)?;
        self.state(out)?;
        self.reshape_text(out)?;
        self.log(out, zone)?;
        self.geometry(out)?;
        self.roles(out)
    }

    fn identity(&self, out: &mut String, zone: &TimeZone) -> fmt::Result {
        writeln!(out, "          Magic : {:08x}", superblock::v1::MAGIC)?;
        writeln!(out, "        Version : {}", self.metadata)?;
        writeln!(out, "    Feature Map : 0x{:x}", self.feature_map)?;
        writeln!(out, "     Array UUID : {}", self.array_uuid)?;
        write!(out, "           Name : {}", self.name)?;
        if let Some(host) = &self.local_to_host {
            write!(out, "  (local to host {host})")?;
        }
        writeln!(out)?;
        if let Some(cluster) = &self.cluster_name {
            writeln!(out, "   Cluster Name : {:<64}", cluster.to_string())?;
        }
        writeln!(out, "  Creation Time : {}", ctime(self.created_unix_seconds, zone))?;
        writeln!(out, "     Raid Level : {}", self.level.unwrap_or(words::UNKNOWN))?;
        writeln!(out, "   Raid Devices : {}", words::signed(self.raid_devices))?;
        writeln!(out)
    }

    fn sizes(&self, out: &mut String) -> fmt::Result {
        let sectors = |sectors: u64| format!("{sectors} sectors{}", human_size(u128::from(sectors) << 9));
        writeln!(out, " Avail Dev Size : {}", sectors(self.avail_dev_size_sectors))?;
        // Negative levels too have a size of their own here; the original compares without a sign.
        if self.level() != Level::Raid0 {
            if let Some(bytes) = self.array_bytes() {
                writeln!(out, "     Array Size : {} KiB{}", bytes >> 10, human_size(bytes))?;
            }
            if self.used_dev_size_sectors != self.avail_dev_size_sectors {
                writeln!(out, "  Used Dev Size : {}", sectors(self.used_dev_size_sectors))?;
            }
        }
        if self.data_offset_sectors != 0 {
            writeln!(out, "    Data Offset : {} sectors", self.data_offset_sectors)?;
        }
        if let Some(offset) = self.new_data_offset_sectors {
            writeln!(out, "     New Offset : {offset} sectors")?;
        }
        writeln!(out, "   Super Offset : {} sectors", self.super_offset_sectors)?;
        if let Some(offset) = self.recovery_offset_sectors {
            writeln!(out, "Recovery Offset : {offset} sectors")?;
        }
        if let Some((before, after)) = self.space.shown {
            write!(out, "   Unused Space : before={before} sectors, ")?;
            if after < i64::MAX.unsigned_abs() {
                writeln!(out, "after={after} sectors")?;
            } else {
                // One less than is missing, as in the original.
                writeln!(out, "after=-{} sectors DEVICE TOO SMALL", u64::MAX - after)?;
            }
        }
        Ok(())
    }

    fn array_bytes(&self) -> Option<u128> {
        let member = u128::from(self.used_dev_size_sectors) << 9;
        array_bytes(self.level(), self.raid_devices, self.layout_number, member)
    }

    fn state(&self, out: &mut String) -> fmt::Result {
        let state = if self.clean { "clean" } else { "active" };
        let truncated = if self.space.truncated { " TRUNCATED DEVICE" } else { "" };
        writeln!(out, "          State : {state}{truncated}")?;
        writeln!(out, "    Device UUID : {}", self.device_uuid)?;
        writeln!(out)?;
        if let Some(bitmap) = self.bitmap {
            writeln!(out, "Internal Bitmap : {} sectors from superblock", bitmap.offset_sectors)?;
        } else if let Some(ppl) = self.ppl {
            // The original loses the sign of an offset before the superblock.
            let offset = words::unsigned16(ppl.offset_sectors);
            let size = ppl.size_sectors;
            writeln!(out, "            PPL : {size} sectors at offset {offset} sectors from superblock")?;
        }
        Ok(())
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
                    writeln!(out, "     New Layout :{}", words::raid10(reshape.new_layout_number))?
                }
                _ => {}
            }
        }
        if reshape.new_chunk_sectors != self.chunk_sectors {
            writeln!(out, "  New Chunksize : {}K", reshape.new_chunk_sectors / 2)?;
        }
        writeln!(out)
    }

    fn log(&self, out: &mut String, zone: &TimeZone) -> fmt::Result {
        if self.device_flags != 0 {
            let write_mostly = if self.write_mostly { " write-mostly" } else { "" };
            let failfast = if self.failfast { " failfast" } else { "" };
            writeln!(out, "          Flags :{write_mostly}{failfast}")?;
        }
        writeln!(out, "    Update Time : {}", ctime(self.updated_unix_seconds, zone))?;
        if let Some(log) = self.bad_block_log {
            let present = if log.has_bad_blocks { " - bad blocks present." } else { "" };
            let (entries, offset) = (log.entries, log.offset_sectors);
            writeln!(
                out,
                "  Bad Block Log : {entries} entries available at offset {offset} sectors{present}"
            )?;
        }
        super::checksum(out, self.checksum)?;
        writeln!(out, "         Events : {}\n", self.events)
    }

    fn geometry(&self, out: &mut String) -> fmt::Result {
        super::layout_and_chunk(
            out,
            &super::Striping {
                level: self.level(),
                layout: (self.level() != Level::Raid0
                    || self.feature_map & superblock::v1::FeatureMap::RAID0_LAYOUT.bits() != 0)
                    .then_some(self.layout_number),
                chunk_kib: self.chunk_sectors / 2,
            },
        )
    }

    fn roles(&self, out: &mut String) -> fmt::Result {
        match self.role {
            Role::Spare => writeln!(out, "   Device Role : spare")?,
            Role::Journal => writeln!(out, "   Device Role : Journal")?,
            Role::Replacement(slot) => writeln!(out, "   Device Role : Replacement device {slot}")?,
            Role::Active(slot) => writeln!(out, "   Device Role : Active device {slot}")?,
        }
        if self.devices_per_slot.is_empty() && self.raid_devices != 0 {
            let (slots, most) = (self.slot_count(), superblock::v1::MAX_DEVICES);
            writeln!(out, "   Array State : not shown: {slots} slots, but the metadata has room for {most}")?;
            return Ok(());
        }
        let letters = self.devices_per_slot.iter().map(|devices| match devices {
            0 => '.',
            1 => 'A',
            2 if self.level() != Level::Raid0 => 'R',
            _ => '?',
        });
        let letters: String = letters.collect();
        writeln!(out, "   Array State : {letters} ('A' == active, '.' == missing, 'R' == replacing)")?;
        if self.defects.iter().any(|defect| defect == INCONSISTENT) {
            writeln!(out, "WARNING {INCONSISTENT}")?;
            for (number, slot) in self.slots.iter().enumerate() {
                match slot {
                    Some(slot) => write!(out, " {number}:{slot}")?,
                    None => write!(out, " {number}:-")?,
                }
            }
            writeln!(out)?;
        }
        Ok(())
    }

    /// The name without its host, `None` where there is none.
    fn short_name(&self) -> Option<super::DiskText> {
        let bytes = self.name.bytes();
        let short = match bytes.iter().position(|byte| *byte == b':') {
            Some(colon) => bytes.get(colon + 1..).unwrap_or_default(),
            None if bytes.is_empty() => return None,
            None => bytes,
        };
        Some(super::DiskText::new(short))
    }

    /// The line for the configuration.
    pub(super) fn brief(&self, out: &mut String, verbose: bool) -> fmt::Result {
        write!(out, "ARRAY ")?;
        if let Some(name) = self.short_name() {
            write!(out, "{} ", name.word("/dev/md/"))?;
        }
        if let Some(level) = self.level.filter(|_| verbose) {
            write!(out, " level={level}")?;
        }
        write!(out, " metadata={} ", self.metadata)?;
        if verbose {
            write!(out, "num-devices={} ", words::signed(self.raid_devices))?;
        }
        writeln!(out, "UUID={}", self.array_uuid)
    }

    /// The keys.
    pub(super) fn export(&self, out: &mut String) -> fmt::Result {
        if let Some(level) = self.level {
            writeln!(out, "MD_LEVEL={level}")?;
        }
        writeln!(out, "MD_DEVICES={}", words::signed(self.raid_devices))?;
        if let Some(name) = super::export_name(&self.name) {
            writeln!(out, "MD_NAME={name}")?;
        }
        if let Some(bytes) = self.array_bytes() {
            writeln!(out, "MD_ARRAY_SIZE={}", brief_decimal(bytes))?;
        }
        writeln!(out, "MD_UUID={}", self.array_uuid)?;
        writeln!(out, "MD_UPDATE_TIME={}", self.updated_unix_seconds)?;
        writeln!(out, "MD_DEV_UUID={}", self.device_uuid)?;
        writeln!(out, "MD_EVENTS={}", self.events)
    }
}
