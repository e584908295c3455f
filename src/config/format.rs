//! Names of metadata formats and levels, as configuration and command line spell them.

use superblock::{Format, Level, v1::Minor};

/// A metadata format by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metadata {
    /// 0.90.
    V0,
    /// 1.x; without a minor version, any when reading and the default when creating.
    V1(Option<u8>),
    /// `default`: the first format that suits.
    Default,
    /// SNIA DDF.
    Ddf,
    /// Intel Matrix RAID.
    Imsm,
    /// A GPT, for examine only.
    Gpt,
    /// An MBR partition table, for examine only.
    Mbr,
}

impl Metadata {
    /// By name; leading zeros do not count.
    pub fn from_name(text: &str) -> Option<Self> {
        Some(match text {
            "default" => Self::Default,
            "ddf" => Self::Ddf,
            "imsm" => Self::Imsm,
            "gpt" => Self::Gpt,
            "mbr" => Self::Mbr,
            _ => match text.trim_start_matches('0') {
                "" if !text.is_empty() => Self::V0,
                ".9" | ".90" | ".91" => Self::V0,
                "1" => Self::V1(None),
                "1.0" | "1.00" => Self::V1(Some(0)),
                "1.1" | "1.01" => Self::V1(Some(1)),
                "1.2" | "1.02" => Self::V1(Some(2)),
                _ => return None,
            },
        })
    }
}

impl Metadata {
    /// Whether a native format is what the name asks for; `default` is 1.2.
    #[must_use]
    pub fn takes(self, format: Format) -> bool {
        match (self, format) {
            (Self::V0, Format::V0) => true,
            (Self::V1(minor), Format::V1(is)) => minor.is_none_or(|minor| is.number() == i32::from(minor)),
            (Self::Default, Format::V1(is)) => is == Minor::V1_2,
            _ => false,
        }
    }
}

/// A level by any of its names.
pub fn level(text: &str) -> Option<Level> {
    Some(match text {
        "linear" => Level::Linear,
        "raid0" | "0" | "stripe" => Level::Raid0,
        "raid1" | "1" | "mirror" => Level::Raid1,
        "raid4" | "4" => Level::Raid4,
        "raid5" | "5" => Level::Raid5,
        "raid6" | "6" => Level::Raid6,
        "raid10" | "10" => Level::Raid10,
        "multipath" | "mp" => Level::Multipath,
        "faulty" => Level::Faulty,
        "container" => Level::Container,
        _ => return None,
    })
}

/// A decimal number as C's strtol reads it: blanks and a sign before, nothing after.
pub fn number(text: &str) -> Option<i64> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    if text.starts_with("+-") {
        return None;
    }
    text.strip_prefix('+').unwrap_or(text).parse().ok()
}
