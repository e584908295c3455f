//! An array as the original prints it: in full, as a line for the configuration, as keys.

use std::fmt::{self, Write};

use jiff::tz::TimeZone;
use superblock::Level;

use super::{
    super::{
        examine::export_name,
        text::{ctime, human_size},
        words,
    },
    Detail, DetailDevice, DetailIdentity, Form,
};
use crate::words::SyncKind;

/// The policies that the original has a word for; another one is not shown.
const POLICIES: [&str; 6] = ["unknown", "none", "resync", "bitmap", "journal", "ppl"];

impl Detail {
    /// The full text.
    #[must_use]
    pub fn text(&self, zone: &TimeZone, form: Form) -> String {
        let mut out = format!("{}:\n", self.device);
        let written = self
            .head(&mut out, zone)
            .and_then(|()| self.state_lines(&mut out, zone))
            .and_then(|()| self.geometry(&mut out))
            .and_then(|()| self.progress(&mut out))
            .and_then(|()| self.identity_lines(&mut out))
            .and_then(|()| if form.no_devices { Ok(()) } else { self.table(&mut out) });
        debug_assert!(written.is_ok(), "a string takes everything");
        out
    }

    fn head(&self, out: &mut String, zone: &TimeZone) -> fmt::Result {
        match &self.container {
            Some(c) => writeln!(out, "         Container : {}, member {}", c.device, c.member)?,
            None => writeln!(out, "           Version : {}", self.metadata)?,
        }
        if let Some(created) = self.created_unix_seconds {
            writeln!(out, "     Creation Time : {}", ctime(created.into(), zone))?;
        }
        if let Some(level) = self.level {
            writeln!(out, "        Raid Level : {level}")?;
        }
        if self.array_size_kib != 0 {
            let bytes = u128::from(self.array_size_kib) << 10;
            writeln!(out, "        Array Size : {}{}", self.array_size_kib, human_size(bytes))?;
        }
        if self.level_number >= 1 {
            let size = self.used_dev_size_kib.filter(|size| *size != 0);
            match size {
                Some(kib) => {
                    writeln!(out, "     Used Dev Size : {kib}{}", human_size(u128::from(kib) << 10))?;
                }
                None if self.preferred_minor.is_some() => writeln!(out, "     Used Dev Size : 0")?,
                None => writeln!(out, "     Used Dev Size : unknown")?,
            }
        }
        if self.raid_devices != 0 {
            writeln!(out, "      Raid Devices : {}", self.raid_devices)?;
        }
        writeln!(out, "     Total Devices : {}", self.total_devices)?;
        if let Some(minor) = self.preferred_minor {
            writeln!(out, "   Preferred Minor : {minor}")?;
        }
        if let Some(persistent) = self.persistent {
            let not = if persistent { "" } else { "not " };
            writeln!(out, "       Persistence : Superblock is {not}persistent")?;
        }
        writeln!(out)
    }

    fn state_lines(&self, out: &mut String, zone: &TimeZone) -> fmt::Result {
        if let Some(bitmap) = &self.intent_bitmap {
            writeln!(out, "     Intent Bitmap : {bitmap}\n")?;
        }
        if let Some(updated) = self.updated_unix_seconds {
            writeln!(out, "       Update Time : {}", ctime(updated.into(), zone))?;
        }
        if self.raid_devices != 0 {
            let waiting = match self.sync.map(|sync| sync.stage) {
                Some("delayed") => " (DELAYED)",
                Some("pending") => " (PENDING)",
                Some("remote") => " (REMOTE)",
                _ => "",
            };
            writeln!(out, "             State : {}{waiting} ", self.state.join(", "))?;
        } else if !self.state.is_empty() {
            writeln!(out, "             State : {}", self.state.join(", "))?;
        }
        writeln!(out, "    Active Devices : {}", self.active_devices)?;
        writeln!(out, "   Working Devices : {}", self.working_devices)?;
        writeln!(out, "    Failed Devices : {}", self.failed_devices)?;
        writeln!(out, "     Spare Devices : {}\n", self.spare_devices)
    }

    fn geometry(&self, out: &mut String) -> fmt::Result {
        let level = self.level();
        match level {
            Level::Raid0 if self.layout_number == 0 => {}
            Level::Raid0 | Level::Raid5 | Level::Raid6 => {
                writeln!(out, "            Layout : {}", words::parity(level, self.layout_number))?;
            }
            Level::Raid10 => writeln!(out, "            Layout :{}", words::raid10(self.layout_number))?,
            _ => {}
        }
        match level {
            Level::Raid0 | Level::Raid4 | Level::Raid5 | Level::Raid6 | Level::Raid10
                if self.chunk_kib != 0 =>
            {
                writeln!(out, "        Chunk Size : {}K\n", self.chunk_kib)?;
            }
            Level::Linear => writeln!(out, "          Rounding : {}K\n", self.chunk_kib)?,
            _ => {}
        }
        let policy = self.consistency_policy.as_deref().unwrap_or("unknown");
        if self.raid_devices != 0 && POLICIES.contains(&policy) {
            writeln!(out, "Consistency Policy : {policy}\n")?;
        }
        Ok(())
    }

    fn progress(&self, out: &mut String) -> fmt::Result {
        let percent = self.sync.and_then(|sync| Some((sync.kind, sync.done_percent?)));
        if let Some((kind, percent)) = percent {
            let word = match kind {
                SyncKind::Recovery => "Rebuild",
                SyncKind::Resync => "Resync",
                SyncKind::Reshape => "Reshape",
                SyncKind::Check => "Check",
                SyncKind::Repair => "Repair",
            };
            writeln!(out, "    {word:>7} Status : {percent}% complete")?;
        }
        let Some(reshape) = &self.reshape else {
            return if percent.is_some() { writeln!(out) } else { Ok(()) };
        };
        if reshape.delta_devices != 0 {
            let now = words::signed(self.raid_devices);
            let before = now.wrapping_sub(reshape.delta_devices);
            writeln!(out, "     Delta Devices : {}, ({before}->{now})", reshape.delta_devices)?;
        }
        let (new_level, layout) = (Level::from_number(reshape.new_level_number), reshape.new_layout_number);
        if new_level != self.level() {
            writeln!(out, "         New Level : {}", reshape.new_level.unwrap_or(words::UNKNOWN))?;
        }
        if new_level != self.level() || layout != self.layout_number {
            match new_level {
                Level::Raid5 | Level::Raid6 => {
                    writeln!(out, "        New Layout : {}", words::parity(new_level, layout))?;
                }
                Level::Raid10 => writeln!(out, "        New Layout : {}", words::raid10_in_full(layout))?,
                _ => {}
            }
        }
        if reshape.new_chunk_bytes != self.chunk_kib << 10 {
            writeln!(out, "     New Chunksize : {}K", reshape.new_chunk_bytes / 1024)?;
        }
        writeln!(out)
    }

    fn identity_lines(&self, out: &mut String) -> fmt::Result {
        if let Some(identity) = &self.identity {
            identity.text(out)?;
        }
        if let Some(arrays) = self.member_arrays.as_ref().filter(|_| !self.metadata.starts_with('/')) {
            write!(out, "     Member Arrays :")?;
            for array in arrays {
                write!(out, " {array}")?;
            }
            writeln!(out, "\n")?;
        }
        Ok(())
    }

    fn table(&self, out: &mut String) -> fmt::Result {
        let state = if self.raid_devices == 0 { "" } else { " State" };
        writeln!(out, "    Number   Major   Minor   RaidDevice{state}")?;
        let mut in_slots = true;
        for device in &self.devices {
            if device.extra && in_slots {
                writeln!(out)?;
                in_slots = false;
            }
            device.text(out)?;
        }
        Ok(())
    }

    /// The line for the configuration.
    #[must_use]
    pub fn brief(&self, form: Form) -> String {
        let mut out = String::new();
        let written = self.brief_line(&mut out, form);
        debug_assert!(written.is_ok(), "a string takes everything");
        out
    }

    fn brief_line(&self, out: &mut String, form: Form) -> fmt::Result {
        let inactive = if self.started || self.is_container { "" } else { "INACTIVE-" };
        write!(out, "{inactive}ARRAY {}", self.device)?;
        if form.verbose {
            match self.level {
                level if self.raid_devices != 0 => {
                    let level = level.unwrap_or(words::UNKNOWN);
                    write!(out, " level={level} num-devices={}", self.raid_devices)?;
                }
                _ if self.is_container => write!(out, " level=container num-devices={}", self.total_devices)?,
                _ => write!(out, " num-devices={}", self.total_devices)?,
            }
        }
        match &self.container {
            Some(c) => write!(out, " container={} member={}", c.device, c.member)?,
            None => write!(out, " metadata={}", self.metadata)?,
        }
        if let Some(path) = self.intent_bitmap.as_ref().filter(|text| text.starts_with('/')) {
            write!(out, " bitmap={path}")?;
        }
        let devices: &[DetailDevice] = if form.no_devices { &[] } else { &self.devices };
        let spares = devices.iter().filter(|device| device.plain_spare).count();
        if spares != 0 && self.raid_devices != 0 {
            write!(out, " spares={spares}")?;
        }
        if let Some(identity) = &self.identity {
            write!(out, " UUID={}", identity.uuid)?;
        }
        let mut paths: Vec<&str> = devices.iter().filter_map(|device| device.path.as_deref()).collect();
        if form.verbose && !paths.is_empty() {
            paths.sort_unstable();
            write!(out, "\n   devices={}", paths.join(","))?;
        }
        writeln!(out)
    }

    /// The keys of `--export`.
    #[must_use]
    pub fn export(&self, form: Form) -> String {
        let mut out = String::new();
        let written = self.export_keys(&mut out, form);
        debug_assert!(written.is_ok(), "a string takes everything");
        out
    }

    fn export_keys(&self, out: &mut String, form: Form) -> fmt::Result {
        if self.raid_devices != 0 {
            if let Some(level) = self.level {
                writeln!(out, "MD_LEVEL={level}")?;
            }
            writeln!(out, "MD_DEVICES={}", self.raid_devices)?;
        } else {
            if self.is_container {
                writeln!(out, "MD_LEVEL=container")?;
            }
            writeln!(out, "MD_DEVICES={}", self.total_devices)?;
        }
        match &self.container {
            Some(c) => writeln!(out, "MD_CONTAINER={}\nMD_MEMBER={}", c.device, c.member)?,
            None => writeln!(out, "MD_METADATA={}", self.metadata)?,
        }
        if let Some(map) = &self.map {
            writeln!(out, "MD_UUID={}", map.uuid)?;
            if let Some(name) = map.path.strip_prefix("/dev/md/") {
                writeln!(out, "MD_DEVNAME={name}")?;
            }
        }
        if let Some(identity) = &self.identity {
            let reshaping = if self.reshape.is_some() { "True" } else { "False" };
            writeln!(out, "MD_RESHAPE_ACTIVE={reshaping}")?;
            if let Some(name) = identity.name.as_ref().and_then(export_name) {
                writeln!(out, "MD_NAME={name}")?;
            }
        }
        for member in self.attached.iter().filter(|_| !form.no_devices) {
            let key = &member.key;
            match member.slot {
                Some(slot) => writeln!(out, "MD_DEVICE_{key}_ROLE={slot}")?,
                None => writeln!(out, "MD_DEVICE_{key}_ROLE=spare")?,
            }
            if let Some(path) = &member.path {
                writeln!(out, "MD_DEVICE_{key}_DEV={path}")?;
            }
        }
        Ok(())
    }
}

impl DetailIdentity {
    fn text(&self, out: &mut String) -> fmt::Result {
        let Some(name) = &self.name else {
            write!(out, "              UUID : {}", self.uuid)?;
            if let Some(host) = &self.local_to_host {
                write!(out, " (local to host {host})")?;
            }
            // 0.90 shows the halves of its count.
            let (high, low) = (self.events >> 32, self.events & 0xffff_ffff);
            return writeln!(out, "\n            Events : {high}.{low}\n");
        };
        write!(out, "              Name : {name}")?;
        if let Some(host) = &self.local_to_host {
            write!(out, "  (local to host {host})")?;
        }
        if let Some(cluster) = &self.cluster_name {
            write!(out, "\n      Cluster Name : {:<64}", cluster.to_string())?;
        }
        writeln!(out, "\n              UUID : {}", self.uuid)?;
        writeln!(out, "            Events : {}\n", self.events)
    }
}

impl DetailDevice {
    fn text(&self, out: &mut String) -> fmt::Result {
        match self.number {
            Some(number) => write!(out, "   {number:5}")?,
            None => write!(out, "       -")?,
        }
        write!(out, "   {:5}    {:5}    ", self.major, self.minor)?;
        match self.slot.filter(|_| !self.journal) {
            Some(slot) => write!(out, "{slot:5}     ")?,
            None => write!(out, "    -     ")?,
        }
        for word in &self.state {
            write!(out, " {word}")?;
        }
        match &self.path {
            Some(path) => write!(out, "   {path}")?,
            None if self.missing => write!(out, "   missing")?,
            None => {}
        }
        writeln!(out)
    }
}
