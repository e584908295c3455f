//! A [`Group`] into text, in the two forms that LVM2 writes: raw, for metadata areas, and with indentation and comments,
//! for files.

use std::fmt::Write as _;

use bitflags::Flags;

use super::{
    group::{Group, Kind, LogicalVolume, PhysicalVolume, Segment},
    text::{self, Entry, Value},
};

/// Who writes, where and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// The program's name and version.
    pub program: String,
    /// What is done, for people.
    pub description: String,
    /// The machine's name.
    pub host: String,
    /// The running system, as `uname -a` shows it.
    pub system: String,
    /// Seconds since 1970.
    pub time: i64,
    /// The same as people read it.
    pub date: String,
}

/// LVM2 begins comments here.
const COMMENT_COLUMN: usize = 40;

struct Out {
    text: String,
    /// Indentation; `None` in the raw form, which has neither that nor comments.
    depth: Option<usize>,
}

impl Out {
    fn line(&mut self, words: std::fmt::Arguments<'_>) {
        self.commented(words, "");
    }

    fn commented(&mut self, words: std::fmt::Arguments<'_>, comment: &str) {
        let from = self.text.len();
        for _ in 0..self.depth.unwrap_or(0) {
            self.text.push('\t');
        }
        // Writing to a string cannot fail.
        let _ = self.text.write_fmt(words);
        if self.depth.is_some() && !comment.is_empty() {
            let width = self.text.len().saturating_sub(from);
            let width = width.saturating_add(self.depth.unwrap_or(0).saturating_mul(7));
            let tabs = COMMENT_COLUMN.saturating_sub(width).div_ceil(8).max(1);
            self.text.extend(std::iter::repeat_n('\t', tabs));
            self.text.push_str("# ");
            self.text.push_str(comment);
        }
        self.text.push('\n');
    }

    fn blank(&mut self) {
        self.text.push('\n');
    }

    fn open(&mut self, name: std::fmt::Arguments<'_>) {
        self.line(format_args!("{name} {{"));
        self.depth = self.depth.map(|depth| depth.saturating_add(1));
    }

    fn close(&mut self) {
        self.depth = self.depth.map(|depth| depth.saturating_sub(1));
        self.line(format_args!("}}"));
    }

    fn string(&mut self, key: &str, value: &str) {
        let value = escaped(value);
        self.line(format_args!("{key} = \"{value}\""));
    }

    fn optional(&mut self, key: &str, value: Option<&String>) {
        if let Some(value) = value {
            self.string(key, value);
        }
    }

    fn words<F: Flags>(&mut self, key: &str, flags: &F) {
        let words: Vec<_> = flags.iter_names().map(|(name, _)| format!("\"{name}\"")).collect();
        self.line(format_args!("{key} = [{}]", words.join(", ")));
    }

    fn tags(&mut self, tags: &[String]) {
        if !tags.is_empty() {
            let words: Vec<_> = tags.iter().map(|tag| format!("\"{}\"", escaped(tag))).collect();
            self.line(format_args!("tags = [{}]", words.join(", ")));
        }
    }

    fn size(&mut self, key: &str, value: u64, sectors: u64) {
        let comment = if self.depth.is_some() { size_words(sectors) } else { String::new() };
        self.commented(format_args!("{key} = {value}"), &comment);
    }
}

fn escaped(text: &str) -> String {
    String::from_utf8_lossy(&text::escape(text.as_bytes())).into_owned()
}

/// As LVM2 comments sizes: six digits and a unit.
fn size_words(sectors: u64) -> String {
    const UNITS: [&str; 6] = ["Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Petabytes", "Exabytes"];
    let (mut unit, mut scale) = (0usize, 2u128);
    while u128::from(sectors) > scale.saturating_mul(1024) && unit < UNITS.len().saturating_sub(1) {
        scale = scale.saturating_mul(1024);
        unit = unit.saturating_add(1);
    }
    // Millionths, then as many of them as six digits have.
    let whole = u128::from(sectors).checked_div(scale).unwrap_or(0);
    let digits = u32::try_from(whole.to_string().len()).unwrap_or(6);
    let power = 10u128.pow(6u32.saturating_sub(digits));
    let half = scale / 2;
    let value =
        u128::from(sectors).saturating_mul(power).saturating_add(half).checked_div(scale).unwrap_or(0);
    let (whole, fraction) = (value.checked_div(power).unwrap_or(0), value.checked_rem(power).unwrap_or(0));
    let width = usize::try_from(6u32.saturating_sub(digits)).unwrap_or(0);
    let fraction = format!("{fraction:0width$}");
    let fraction = fraction.trim_end_matches('0');
    let name = UNITS.get(unit).copied().unwrap_or("");
    if fraction.is_empty() { format!("{whole} {name}") } else { format!("{whole}.{fraction} {name}") }
}

impl Group {
    /// The text for metadata areas, with the NUL at its end.
    #[must_use]
    pub fn raw(&self, stamp: &Stamp) -> Vec<u8> {
        let room = self.volumes.len().saturating_mul(320).saturating_add(4096);
        let mut out = Out { text: String::with_capacity(room), depth: None };
        self.put(&mut out);
        trailer(&mut out, stamp);
        out.blank();
        let mut text = out.text.into_bytes();
        text.push(0);
        text
    }

    /// The text for metadata areas, read again to see that it says the same.
    ///
    /// # Errors
    /// Why it would not be the group that this is.
    pub fn checked(&self, stamp: &Stamp) -> Result<Vec<u8>, String> {
        if let Some(strange) = self.strange.first() {
            return Err(strange.clone());
        }
        let text = self.raw(stamp);
        let again =
            Self::parse(&text).map_err(|bad| format!("the new metadata would not be readable: {bad}"))?;
        let again = Self { written: self.written.clone(), ..again };
        if again != *self {
            return Err("the new metadata would not say the same as the group".into());
        }
        match self.problems().into_iter().next() {
            Some(problem) => Err(format!("the group would contradict itself: {problem}")),
            None => Ok(text),
        }
    }

    /// The text for files.
    #[must_use]
    pub fn backup(&self, stamp: &Stamp) -> Vec<u8> {
        let mut out = Out { text: String::new(), depth: Some(0) };
        trailer(&mut out, stamp);
        out.blank();
        self.put(&mut out);
        out.text.into_bytes()
    }

    fn put(&self, out: &mut Out) {
        out.open(format_args!("{}", self.name));
        out.line(format_args!("id = \"{}\"", self.id));
        out.line(format_args!("seqno = {}", self.seqno));
        out.commented(format_args!("format = \"lvm2\""), "informational");
        out.words("status", &self.status);
        out.words("flags", &self.flags);
        out.tags(&self.tags);
        out.optional("system_id", self.system_id.as_ref());
        out.optional("lock_type", self.lock_type.as_ref());
        out.optional("lock_args", self.lock_args.as_ref());
        out.size("extent_size", self.extent_size.0, self.extent_size.0);
        out.line(format_args!("max_lv = {}", self.max_lv));
        out.line(format_args!("max_pv = {}", self.max_pv));
        if self.allocation.is_some() {
            out.blank();
            out.optional("allocation_policy", self.allocation.as_ref());
        }
        out.optional("profile", self.profile.as_ref());
        out.line(format_args!("metadata_copies = {}", self.metadata_copies));
        out.blank();
        out.open(format_args!("physical_volumes"));
        for (index, pv) in self.pvs.iter().enumerate() {
            self.put_pv(out, index, pv);
        }
        out.close();
        out.blank();
        if !self.volumes.is_empty() {
            out.open(format_args!("logical_volumes"));
            for volume in &self.volumes {
                self.put_volume(out, volume);
            }
            out.close();
        }
        out.blank();
        out.close();
    }

    fn put_pv(&self, out: &mut Out, index: usize, pv: &PhysicalVolume) {
        out.blank();
        out.open(format_args!("pv{index}"));
        out.line(format_args!("id = \"{}\"", pv.id));
        out.commented(format_args!("device = \"{}\"", escaped(&pv.device)), "Hint only");
        if let Some(device) = &pv.device_id {
            out.string("device_id_type", &device.kind);
            out.string("device_id", &device.id);
        }
        out.blank();
        out.words("status", &pv.status);
        out.line(format_args!("flags = []"));
        out.tags(&pv.tags);
        if pv.dev_size.0 > 0 {
            out.size("dev_size", pv.dev_size.0, pv.dev_size.0);
        }
        out.line(format_args!("pe_start = {}", pv.pe_start.0));
        out.size("pe_count", pv.pe_count, self.sectors(pv.pe_count).0);
        if let Some((start, size)) = pv.bootloader {
            out.line(format_args!("ba_start = {}", start.0));
            out.size("ba_size", size.0, size.0);
        }
        out.close();
    }

    fn put_volume(&self, out: &mut Out, volume: &LogicalVolume) {
        out.blank();
        out.open(format_args!("{}", volume.name));
        out.line(format_args!("id = \"{}\"", volume.id));
        out.words("status", &volume.status);
        out.words("flags", &volume.flags);
        out.tags(&volume.tags);
        if let Some(time) = volume.creation_time {
            let comment = if out.depth.is_some() { utc(time) } else { String::new() };
            out.commented(format_args!("creation_time = {time}"), &comment);
        }
        out.optional("creation_host", volume.creation_host.as_ref());
        out.optional("lock_args", volume.lock_args.as_ref());
        out.optional("allocation_policy", volume.allocation.as_ref());
        out.optional("profile", volume.profile.as_ref());
        for (key, value) in
            [("read_ahead", volume.read_ahead), ("major", volume.major), ("minor", volume.minor)]
        {
            if let Some(value) = value {
                out.line(format_args!("{key} = {value}"));
            }
        }
        out.line(format_args!("segment_count = {}", volume.segments.len()));
        out.blank();
        for (index, segment) in volume.segments.iter().enumerate() {
            self.put_segment(out, index.saturating_add(1), segment);
        }
        out.close();
    }

    fn put_segment(&self, out: &mut Out, number: usize, segment: &Segment) {
        out.open(format_args!("segment{number}"));
        out.line(format_args!("start_extent = {}", segment.start));
        out.size("extent_count", segment.len, self.sectors(segment.len).0);
        out.blank();
        match &segment.kind {
            Kind::Striped { stripe_size, legs } => {
                out.line(format_args!("type = \"striped\""));
                out.tags(&segment.tags);
                let comment = if legs.len() == 1 { "linear" } else { "" };
                out.commented(format_args!("stripe_count = {}", legs.len()), comment);
                if legs.len() > 1 {
                    out.size("stripe_size", stripe_size.0, stripe_size.0);
                }
                out.blank();
                out.line(format_args!("stripes = ["));
                out.depth = out.depth.map(|depth| depth.saturating_add(1));
                for (index, leg) in legs.iter().enumerate() {
                    let comma = if index.saturating_add(1) < legs.len() { "," } else { "" };
                    out.line(format_args!("\"pv{}\", {}{comma}", leg.pv, leg.extent));
                }
                out.depth = out.depth.map(|depth| depth.saturating_sub(1));
                out.line(format_args!("]"));
            }
            Kind::Snapshot { origin, cow, chunk, merging } => {
                out.line(format_args!("type = \"snapshot\""));
                out.tags(&segment.tags);
                out.line(format_args!("chunk_size = {}", chunk.0));
                out.string("origin", origin);
                out.string(if *merging { "merging_store" } else { "cow_store" }, cow);
            }
            // Never written: such a group has an objection.
            Kind::OnMove { .. } => out.string("type", "striped"),
            Kind::Move { .. } => out.string("type", "mirror"),
            Kind::Other { kind } => out.string("type", kind),
        }
        out.close();
    }
}

fn trailer(out: &mut Out, stamp: &Stamp) {
    let line = |text: &str| text.replace(['\n', '\r', '\0'], " ");
    let Stamp { time, .. } = stamp;
    out.line(format_args!("# Generated by {}: {}", line(&stamp.program), line(&stamp.date)));
    out.blank();
    out.line(format_args!("contents = \"Text Format Volume Group\""));
    out.line(format_args!("version = 1"));
    out.blank();
    out.string("description", &line(&stamp.description));
    out.blank();
    let host = escaped(&stamp.host);
    out.line(format_args!("creation_host = \"{host}\"\t# {}", line(&stamp.system)));
    out.line(format_args!("creation_time = {time}\t# {}", line(&stamp.date)));
}

/// A text of any group, also one that we do not understand, in the form for files: nothing is lost but comments.
///
/// # Errors
/// Where the text is not LVM2's.
pub fn as_file(raw: &[u8], stamp: &Stamp) -> Result<Vec<u8>, text::Fault> {
    let tree = text::parse(raw)?;
    let mut out = Out { text: String::new(), depth: Some(0) };
    trailer(&mut out, stamp);
    out.blank();
    for entry in tree.iter().filter(|entry| matches!(entry.value, Value::Section(_))) {
        put_entry(&mut out, entry);
    }
    Ok(out.text.into_bytes())
}

fn put_entry(out: &mut Out, entry: &Entry<'_>) {
    let key = String::from_utf8_lossy(entry.key);
    match &entry.value {
        Value::Section(entries) => {
            out.open(format_args!("{key}"));
            for entry in entries {
                put_entry(out, entry);
            }
            out.close();
        }
        Value::List(list) => {
            let items: Vec<_> = list.iter().map(scalar).collect();
            out.line(format_args!("{key} = [{}]", items.join(", ")));
        }
        value => out.line(format_args!("{key} = {}", scalar(value))),
    }
}

fn scalar(value: &Value<'_>) -> String {
    match value {
        Value::Text(text) => format!("\"{}\"", String::from_utf8_lossy(text)),
        Value::Number(number) => String::from_utf8_lossy(number).into_owned(),
        Value::List(_) | Value::Section(_) => String::new(),
    }
}

/// A time as LVM2 comments it, in UTC.
fn utc(time: i64) -> String {
    let days = time.div_euclid(86_400);
    let second = time.rem_euclid(86_400);
    // Days since 0000-03-01, in eras of 400 years.
    let shifted = days.saturating_add(719_468);
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let leap = day_of_era
        .saturating_sub(day_of_era / 1460)
        .saturating_add(day_of_era / 36_524)
        .saturating_sub(day_of_era / 146_096);
    let year_of_era = leap / 365;
    let before =
        year_of_era.saturating_mul(365).saturating_add(year_of_era / 4).saturating_sub(year_of_era / 100);
    let day_of_year = day_of_era.saturating_sub(before);
    let march = day_of_year.saturating_mul(5).saturating_add(2) / 153;
    let first = march.saturating_mul(153).saturating_add(2) / 5;
    let day = day_of_year.saturating_sub(first).saturating_add(1);
    let month = if march < 10 { march.saturating_add(3) } else { march.saturating_sub(9) };
    let year = era.saturating_mul(400).saturating_add(year_of_era).saturating_add(i64::from(month <= 2));
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} +0000")
}
