//! What several reports share: sizes for people, dates as `ctime` has them, text that came from a disk.

use std::fmt;

pub(super) use crate::model::{
    clock::ctime,
    human::{duration, size},
};
use serde::{Serialize, Serializer};

/// Below this a size gets no translation.
const SMALL: u128 = 5000 * 1024;
/// From 2048 of one unit on, the next one is used.
const GIB2: u128 = 2 << 30;
const TIB2: u128 = 2 << 40;

/// Hundredths of `unit`, rounded the way the original rounds: in steps of half a hundredth.
fn hundredths(bytes: u128, unit: u128) -> u128 {
    (bytes.saturating_mul(200) / unit).saturating_add(1) / 2
}

/// The same for decimal units, where the original divides first.
fn hundredths_decimal(bytes: u128, unit: u128) -> u128 {
    (bytes / (unit / 200)).saturating_add(1) / 2
}

fn fixed(hundredths: u128) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// The binary and the decimal unit that fit a size.
fn units(bytes: u128) -> ((u128, &'static str), (u128, &'static str)) {
    match bytes {
        ..GIB2 => ((1 << 20, "MiB"), (1_000_000, "MB")),
        GIB2..TIB2 => ((1 << 30, "GiB"), (1_000_000_000, "GB")),
        TIB2.. => ((1 << 40, "TiB"), (1_000_000_000_000, "TB")),
    }
}

/// ` (30.00 MiB 31.46 MB)`; empty for a small size.
pub(super) fn human_size(bytes: u128) -> String {
    if bytes < SMALL {
        return String::new();
    }
    let ((binary, bi), (decimal, si)) = units(bytes);
    format!(" ({} {bi} {} {si})", fixed(hundredths(bytes, binary)), fixed(hundredths_decimal(bytes, decimal)))
}

/// `30.00MiB`; empty for a small size.
pub(super) fn brief_binary(bytes: u128) -> String {
    let ((unit, name), _) = units(bytes);
    if bytes < SMALL { String::new() } else { format!("{}{name}", fixed(hundredths(bytes, unit))) }
}

/// `31.46MB`; empty for a small size.
pub(super) fn brief_decimal(bytes: u128) -> String {
    let (_, (unit, name)) = units(bytes);
    if bytes < SMALL { String::new() } else { format!("{}{name}", fixed(hundredths_decimal(bytes, unit))) }
}

/// Text that came from a disk. Printed with everything escaped that could move a cursor, end a line or hide a
/// character; in JSON as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskText(Vec<u8>);

impl DiskText {
    /// From the bytes of the disk.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// One word of a configuration file that begins with `prefix`: quoted where it has blanks or quotes.
    pub(super) fn word(&self, prefix: &str) -> String {
        quoted(&format!("{prefix}{self}"))
    }
}

/// A word as mdadm.conf reads it back: in quotes where it holds a blank or a quote.
fn quoted(word: &str) -> String {
    if !word.contains([' ', '\'', '"']) {
        return word.to_owned();
    }
    let mut out = String::new();
    for part in word.split_inclusive('"') {
        // A double quote is quoted by single ones, everything else by double ones.
        let (text, quote) = part.strip_suffix('"').map_or((part, false), |text| (text, true));
        if !text.is_empty() {
            out.push_str(&format!("\"{text}\""));
        }
        if quote {
            out.push_str("'\"'");
        }
    }
    out
}

/// Lines that may have words of anybody in them: what would act on a terminal is escaped, and nothing else.
#[must_use]
pub fn harmless(text: &str) -> String {
    let escape = |c: char| unsafe_to_show(c) && !matches!(c, '\n' | '\t');
    if !text.contains(escape) {
        return text.to_owned();
    }
    text.chars().map(|c| if escape(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

/// Whether a character changes what is seen around it: control characters, line separators, direction marks.
fn unsafe_to_show(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Display for DiskText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if unsafe_to_show(c) { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for DiskText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn sizes_round_as_the_original() {
        for (bytes, full, binary, decimal) in [
            (0, "", "", ""),
            (5000 * 1024 - 1, "", "", ""),
            (5000 * 1024, " (4.88 MiB 5.12 MB)", "4.88MiB", "5.12MB"),
            (62_914_560, " (60.00 MiB 62.91 MB)", "60.00MiB", "62.91MB"),
            ((2 << 30) - 1, " (2048.00 MiB 2147.48 MB)", "2048.00MiB", "2147.48MB"),
            (2 << 30, " (2.00 GiB 2.15 GB)", "2.00GiB", "2.15GB"),
            (12_884_769_792 * 1024, " (12.00 TiB 13.19 TB)", "12.00TiB", "13.19TB"),
        ] {
            assert_eq!(human_size(bytes), full, "{bytes}");
            assert_eq!(brief_binary(bytes), binary, "{bytes}");
            assert_eq!(brief_decimal(bytes), decimal, "{bytes}");
        }
    }

    #[test]
    fn dates_of_any_number() {
        for (seconds, text) in [
            (0, "Thu Jan  1 00:00:00 1970"),
            (951_782_400, "Tue Feb 29 00:00:00 2000"),
            (1_795_333_013, "Sun Nov 22 07:36:53 2026"),
            (4_107_542_399, "Sun Feb 28 23:59:59 2100"),
            ((1 << 40) - 1, "Mon Feb 20 00:36:15 3681"),
        ] {
            assert_eq!(ctime(seconds, &TimeZone::UTC), text, "{seconds}");
        }
        let east = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(ctime(1_795_333_013, &east), "Sun Nov 22 09:36:53 2026");
    }

    #[test]
    fn text_from_a_disk_cannot_act() {
        for (bytes, shown) in [
            (&b"host:home"[..], "host:home"),
            (b"a\nARRAY b", "a\\nARRAY b"),
            (b"\x1b[2J\x7f", "\\u{1b}[2J\\u{7f}"),
            ("é\u{9b}\u{202e}".as_bytes(), "é\\u{9b}\\u{202e}"),
            (b"caf\xe9", "caf\\xe9"),
        ] {
            assert_eq!(DiskText::new(bytes).to_string(), shown);
        }
    }

    #[test]
    fn words_for_the_configuration() {
        for (name, word) in [
            ("home", "/dev/md/home"),
            ("my data", "\"/dev/md/my data\""),
            ("it's", "\"/dev/md/it's\""),
            ("a\"b c", "\"/dev/md/a\"'\"'\"b c\""),
        ] {
            assert_eq!(DiskText::new(name.as_bytes()).word("/dev/md/"), word);
        }
    }
}
