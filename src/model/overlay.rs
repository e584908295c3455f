//! Overlays: a member that may be written to, and is not. What is written goes to a file; the member below stays as it
//! is.

use superblock::{Bytes, Sectors, Write};

use super::{Candidate, DevId, dm::SnapshotStatus};

/// How names and UUIDs of overlays begin. No rule of udev knows it.
pub const PREFIX: &str = "MDOV-";
/// Chunks of overlays: 4 KiB, a superblock's size.
pub const CHUNK: Sectors = Sectors(8);
/// The longest block of a member that is noted.
const MOST_PRINTED: usize = 64 << 10;
/// So many blocks are noted of a member at most.
pub const MOST_PRINTS: usize = 64;
/// From so much of a store on its filling is told, in percent.
pub const NEARLY_FULL: u64 = 90;

/// The device-mapper name of a member's overlay in a set; its UUID is the same.
#[must_use]
pub fn name_of(set: &str, member: &str) -> String {
    let plain: String = member.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("{PREFIX}{set}-{plain}")
}

/// The set and the member that such a name speaks of.
#[must_use]
pub fn parts(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(PREFIX)?.split_once('-')
}

/// Whether this can be the name of a set: it becomes part of file names and of device names.
#[must_use]
pub fn is_set(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    (1..=32).contains(&name.len()) && name.chars().all(plain) && !name.starts_with('.')
}

/// One overlay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    /// Its set.
    pub set: String,
    /// Its device-mapper name; `None` where only the file is left.
    pub device: Option<String>,
    /// Its number.
    pub id: Option<DevId>,
    /// The member's path.
    pub member: String,
    /// The member's size.
    pub size: Bytes,
    /// The file with what was written.
    pub file: String,
    /// How full that is.
    pub status: SnapshotStatus,
    /// How many have it open.
    pub open: u32,
    /// Who stands on it, by the kernel's names.
    pub holders: Vec<String>,
    /// Blocks of the member when the set was made; none for a set that did not note them.
    pub noted: Vec<ChunkPrint>,
}

impl Overlay {
    /// How full its file is, in percent.
    #[must_use]
    pub fn filled(&self) -> Option<u64> {
        match self.status {
            SnapshotStatus::Usage { allocated, total, .. } => {
                allocated.0.saturating_mul(100).checked_div(total.0)
            }
            SnapshotStatus::Overflow | SnapshotStatus::Invalid => Some(100),
            SnapshotStatus::MergeFailed | SnapshotStatus::Unknown => None,
        }
    }

    /// Why what was written through it cannot be relied on.
    #[must_use]
    pub fn lost(&self) -> Option<&'static str> {
        match self.status {
            SnapshotStatus::Overflow => Some("its file is full: later writes failed"),
            SnapshotStatus::Invalid => Some("its file does not hold what it should"),
            _ => None,
        }
    }
}

/// All overlays of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlays {
    /// They, those of a set together.
    pub all: Vec<Overlay>,
    /// The directory for their files where none is named.
    pub store: String,
    /// The files in the directories that were looked into, also those that no set has.
    pub files: Vec<String>,
}

impl Overlays {
    /// The overlays of a set.
    #[must_use]
    pub fn of(&self, set: &str) -> Vec<Overlay> {
        self.all.iter().filter(|overlay| overlay.set == set).cloned().collect()
    }

    /// The names of the sets.
    #[must_use]
    pub fn sets(&self) -> Vec<String> {
        let mut sets: Vec<String> = self.all.iter().map(|overlay| overlay.set.clone()).collect();
        sets.dedup();
        sets
    }
}

/// A device that an overlay is to be put over.
#[derive(Debug)]
pub struct Underlay {
    /// What is there.
    pub device: Candidate,
    /// Who stands on it: the kernel's name, and device-mapper's where it is one of its devices.
    pub holders: Vec<(String, Option<String>)>,
    /// Superblocks and a few more blocks of it.
    pub prints: Vec<ChunkPrint>,
}

/// Devices that overlays are to be put over, and what they need.
#[derive(Debug, Default)]
pub struct Underlays {
    /// They, in the order in which they were named.
    pub devices: Vec<Underlay>,
    /// Numbers of loop devices that nobody had in use, one for each.
    pub loops: Vec<u32>,
}

/// What one overlay would write to its member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The overlay.
    pub overlay: Overlay,
    /// The bytes.
    pub writes: Vec<Write>,
    /// What its file was found to hold.
    pub prints: Vec<ChunkPrint>,
    /// What of the member was noted when the set was made, as it is now; without what cannot be read.
    pub now: Vec<ChunkPrint>,
    /// Where arrays have their data, by the superblocks on the overlay and on the member: start and end.
    pub data: Vec<(Bytes, Bytes)>,
    /// Where the overlay or the member has superblocks: the start of the page.
    pub superblocks: Vec<Bytes>,
}

/// A piece of an overlay's file, known by its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkPrint {
    /// Where in the file.
    pub at: Bytes,
    /// How long it is.
    pub length: usize,
    /// CRC-32 of it.
    pub crc32: u32,
}

impl ChunkPrint {
    /// Of these bytes.
    #[must_use]
    pub fn of(at: Bytes, data: &[u8]) -> Self {
        Self { at, length: data.len(), crc32: crc32fast::hash(data) }
    }
}

/// The blocks that are not as they were noted, as they are now.
pub fn changed<'a>(noted: &'a [ChunkPrint], now: &'a [ChunkPrint]) -> impl Iterator<Item = &'a ChunkPrint> {
    let was = |now: &&ChunkPrint| {
        noted.iter().any(|then| then.at == now.at && then.length == now.length && then != *now)
    };
    now.iter().filter(was)
}

/// The text of a set's own file: which members it is of, so that it is known without the kernel.
#[must_use]
pub fn describe(members: &[(String, Bytes, String)]) -> String {
    let line = |(member, size, file): &(String, Bytes, String)| {
        format!("overlay {} {} {}\n", size.0, file.escape_default(), member.escape_default())
    };
    members.iter().map(line).collect()
}

/// Lines of that text: blocks of a member when its overlay was made.
#[must_use]
pub fn describe_prints(file: &str, prints: &[ChunkPrint]) -> String {
    let line = |print: &ChunkPrint| {
        format!("print {} {} {:08x} {}\n", print.at.0, print.length, print.crc32, file.escape_default())
    };
    prints.iter().map(line).collect()
}

/// Reads those of a file.
#[must_use]
pub fn read_prints(text: &str, of: &str) -> Vec<ChunkPrint> {
    let line = |line: &str| {
        let mut words = line.strip_prefix("print ")?.splitn(4, ' ');
        let at = Bytes(words.next()?.parse().ok()?);
        let length = words.next()?.parse().ok().filter(|length| *length <= MOST_PRINTED)?;
        let crc32 = u32::from_str_radix(words.next()?, 16).ok()?;
        (words.next()? == of).then_some(ChunkPrint { at, length, crc32 })
    };
    text.lines().filter_map(line).take(MOST_PRINTS).collect()
}

/// Reads it: member, size, file. What is not understood is left out.
#[must_use]
pub fn read_description(text: &str) -> Vec<(String, Bytes, String)> {
    let line = |line: &str| {
        let mut words = line.strip_prefix("overlay ")?.splitn(3, ' ');
        let size = words.next()?.parse().ok()?;
        let (file, member) = (words.next()?, words.next()?);
        // Paths with other characters are nobody's.
        let plain = |path: &str| path.starts_with('/') && !path.contains('\\');
        (plain(file) && plain(member)).then(|| (member.to_owned(), Bytes(size), file.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

/// Where changes of a member lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangedPart {
    /// md's metadata: superblock, bitmap, logs.
    Metadata,
    /// The array's data.
    Data,
    /// Anything else.
    Other,
}

impl ChangedPart {
    /// For people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Data => "data",
            Self::Other => "other",
        }
    }
}

/// A range of a member that would change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangedRange {
    /// Where.
    pub at: Bytes,
    /// How much.
    pub length: Bytes,
    /// What it is.
    pub part: ChangedPart,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart_again() {
        assert_eq!(name_of("try", "cciss!c0d0"), "MDOV-try-cciss_c0d0");
        assert_eq!(parts("MDOV-try-sda1"), Some(("try", "sda1")));
        assert_eq!(parts("vg-try-sda1"), None);
        for bad in ["", "a-b", "../x", ".x", "a/b", "a b", &"x".repeat(33)] {
            assert!(!is_set(bad), "{bad}");
        }
        assert!(is_set("trial_17.2"));
    }

    #[test]
    fn what_was_noted_of_a_member_is_read_again() {
        let prints = [ChunkPrint::of(Bytes(4096), &[1; 4096]), ChunkPrint::of(Bytes(0), b"x")];
        let text = describe(&[("/dev/a".to_owned(), Bytes(4096), "/run/a.cow".to_owned())])
            + &describe_prints("/run/a.cow", &prints)
            + &describe_prints("/run/b.cow", &prints[..1]);
        assert_eq!(read_prints(&text, "/run/a.cow"), prints);
        assert_eq!(read_prints(&text, "/run/b.cow"), prints[..1]);
        assert_eq!(read_description(&text).len(), 1);
        assert!(read_prints("print 1 99999999 0 /a\nprint x 1 0 /a\nprint 1 1 g /a", "/a").is_empty());
    }

    #[test]
    fn a_description_is_read_and_nothing_else() {
        let members = vec![("/dev/sda1".to_owned(), Bytes(4096), "/run/x/sda1.cow".to_owned())];
        let text = describe(&members);
        assert_eq!(read_description(&text), members);
        assert!(read_description("overlay x /a /b\noverlay 1 a /b\nwhat\noverlay 1 /a").is_empty());
    }
}
