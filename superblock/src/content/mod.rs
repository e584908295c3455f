//! What is inside of an array, and how well it hangs together: file systems, volumes, partition tables.
//!
//! A magic alone says that the first chunk is in its place. Each format here also has copies, checksums and back
//! references in other places; those that come out right and those that do not are counted, so that members in a
//! wrong order, or a wrong chunk, give fewer right ones than what was there. Everything is read through [`Media`];
//! how much is looked at is bounded by an effort, not by what the bytes claim.
//!
//! *Sources*: the kernel's on-disk headers (`ext4.h`, `xfs_format.h`, `btrfs_tree.h`), the LUKS2 and UEFI specifications,
//! and what LVM2 writes.

mod btrfs;
mod ext4;
mod gpt;
mod luks;
mod lvm;
mod sha256;
mod xfs;

use std::io;

use crate::{
    Bytes, Media,
    foreign::{self, Kind},
    probe,
    window::{Width, Window},
};

/// Where a btrfs has its first superblock; all others that are known can be recognised by where they begin.
pub const BTRFS_SUPERBLOCK: Bytes = Bytes(64 << 10);

/// So deep: a partition, a volume in it, a file system in that.
const DEPTH: u32 = 3;
/// The most partitions or volumes that are looked into.
const INSIDE: usize = 32;

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// What it is: `ext4`, `xfs`, `GPT partition table`.
    pub kind: String,
    /// Its UUID or name, in its owner's spelling. Not trusted.
    pub id: Option<String>,
    /// How much room it says that it takes.
    pub size: Option<Bytes>,
    /// What was compared.
    pub checks: Vec<Check>,
    /// What is in it.
    pub inside: Vec<Content>,
}

/// Places of one kind that were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// What they are, for people: "copies of the superblock".
    pub what: &'static str,
    /// So many are as they should be.
    pub right: u32,
    /// So many are not.
    pub wrong: u32,
}

impl Content {
    fn new(kind: &str) -> Self {
        Self { kind: kind.to_owned(), id: None, size: None, checks: Vec::new(), inside: Vec::new() }
    }

    /// Counts one place.
    fn note(&mut self, what: &'static str, right: bool) {
        let check = match self.checks.iter_mut().position(|check| check.what == what) {
            Some(at) => self.checks.get_mut(at),
            None => {
                self.checks.push(Check { what, right: 0, wrong: 0 });
                self.checks.last_mut()
            }
        };
        if let Some(check) = check {
            let count = if right { &mut check.right } else { &mut check.wrong };
            *count = count.saturating_add(1);
        }
    }

    /// Whether what it says of its size fits what it is in.
    fn note_size(&mut self, size: Option<Bytes>, media: &dyn Media) {
        self.size = size;
        if let Some(size) = size {
            self.note("size", size.0 > 0 && size <= media.len());
        }
    }

    /// All places that are right and all that are wrong, of what is inside too.
    #[must_use]
    pub fn tally(&self) -> (u32, u32) {
        let own = self.checks.iter().map(|check| (check.right, check.wrong));
        let inside = self.inside.iter().map(Self::tally);
        own.chain(inside).fold((0, 0), |sum, one| (sum.0.saturating_add(one.0), sum.1.saturating_add(one.1)))
    }
}

/// Looks for everything that is known. `effort`: the most places of one kind that are compared.
#[must_use]
pub fn find(media: &dyn Media, effort: u32) -> Vec<Content> {
    look(media, effort, DEPTH)
}

/// Whether the superblock of a btrfs stands just here: that is [`BTRFS_SUPERBLOCK`] into it, perhaps on another member
/// than where it begins.
#[must_use]
pub fn is_btrfs_superblock(media: &dyn Media, at: Bytes) -> bool {
    btrfs::is_first_at(&View { media, effort: 1 }, at)
}

/// What is at both ends is read at once: that is where most is looked for.
fn look(media: &dyn Media, effort: u32, depth: u32) -> Vec<Content> {
    let window = Window::new(media, Width::Wide);
    let media: &dyn Media = &window;
    let view = View { media, effort };
    let deep = [ext4::find, xfs::find, btrfs::find, luks::find];
    let mut found: Vec<Content> = deep.iter().filter_map(|find| find(&view)).collect();
    let nested: [Nested; 2] = [gpt::find, lvm::find];
    for find in nested {
        let Some((mut content, parts)) = find(&view) else { continue };
        if let Some(depth) = depth.checked_sub(1) {
            for part in parts.iter().take(INSIDE) {
                content.inside.extend(look(&part.on(media), effort, depth));
            }
        }
        found.push(content);
    }
    found.extend(others(media, &found));
    found
}

type Nested = fn(&View<'_>) -> Option<(Content, Vec<Inner>)>;

/// Formats of which only the magic is looked at, and md's own.
fn others(media: &dyn Media, found: &[Content]) -> Vec<Content> {
    let looked_at = |kind: Kind| {
        kind.is_ext()
            || matches!(
                kind,
                Kind::Xfs | Kind::Btrfs | Kind::Luks1 | Kind::Luks2 | Kind::Lvm2 | Kind::Gpt | Kind::Mbr
            )
    };
    let magic = |foreign: foreign::Foreign| {
        let mut content = Content::new(foreign.kind.name());
        content.id = foreign.uuid;
        content.note("magic", true);
        content.note_size(foreign.size, media);
        content
    };
    let foreign = foreign::scan(media).unwrap_or_default();
    let mut others: Vec<Content> =
        foreign.into_iter().filter(|foreign| !looked_at(foreign.kind)).map(magic).collect();
    for inner in probe::probe(media).found {
        let verified = inner.verify();
        let mut content = Content::new("md superblock");
        content.id = verified.as_ref().ok().map(|said| said.array.to_string());
        content.note("superblock", verified.is_ok());
        others.push(content);
    }
    // The first sector of a boot disk, of a file system that can boot, and of much else.
    let boot = foreign_mbr(media) && found.is_empty() && others.is_empty();
    others.extend(boot.then(|| {
        let mut content = Content::new(Kind::Mbr.name());
        content.note("magic", true);
        content
    }));
    others
}

fn foreign_mbr(media: &dyn Media) -> bool {
    let mut sector = [0; 512];
    media.read_at(Bytes(0), &mut sector).is_ok() && sector.ends_with(&[0x55, 0xaa])
}

/// A range that something inside lies on: pieces of the outer in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    pieces: Vec<(Bytes, Bytes)>,
}

impl Inner {
    fn on<'a>(&'a self, media: &'a dyn Media) -> Pieces<'a> {
        Pieces { media, pieces: &self.pieces }
    }
}

struct Pieces<'a> {
    media: &'a dyn Media,
    pieces: &'a [(Bytes, Bytes)],
}

impl Media for Pieces<'_> {
    fn len(&self) -> Bytes {
        self.pieces.iter().fold(Bytes(0), |sum, (_, length)| sum.saturating_add(*length))
    }

    fn read_at(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<()> {
        let mut skip = offset;
        let mut rest = buf;
        for (at, length) in self.pieces {
            if rest.is_empty() {
                break;
            }
            if skip >= *length {
                skip = skip.saturating_sub(*length);
                continue;
            }
            let room = usize::try_from(length.saturating_sub(skip).0).unwrap_or(usize::MAX);
            let (part, next) = rest.split_at_mut(room.min(rest.len()));
            self.media.read_at(at.saturating_add(skip), part)?;
            (rest, skip) = (next, Bytes(0));
        }
        if rest.is_empty() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// What the formats read through.
struct View<'a> {
    media: &'a dyn Media,
    effort: u32,
}

impl View<'_> {
    /// Bytes, or `None` where they cannot be read: beyond the end, or on a member that fails.
    fn bytes(&self, at: u64, len: usize) -> Option<Vec<u8>> {
        // Callers ask for blocks; nobody's block is larger.
        if len > 1 << 20 {
            return None;
        }
        let mut bytes = vec![0; len];
        self.media.read_at(Bytes(at), &mut bytes).ok()?;
        Some(bytes)
    }

    /// Up to `effort` of so many, evenly spread, the first and the last among them.
    fn some_of(&self, count: u64) -> Vec<u64> {
        let effort = u64::from(self.effort.max(2));
        if count <= effort {
            return (0..count).collect();
        }
        let last = u128::from(count.saturating_sub(1));
        let steps = effort.saturating_sub(1);
        let nth = |step: u64| {
            let at = last.saturating_mul(u128::from(step)).checked_div(u128::from(steps)).unwrap_or(0);
            u64::try_from(at).unwrap_or(0)
        };
        (0..effort).map(nth).collect()
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let range = at..at.saturating_add(N);
    bytes.get(range).and_then(|part| part.try_into().ok()).unwrap_or([0; N])
}

fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(array(bytes, at))
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array(bytes, at))
}

fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(array(bytes, at))
}

/// The bytes with a field taken as zeros, as checksums have their own.
fn without(bytes: &[u8], at: usize, len: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.iter_mut().skip(at).take(len).for_each(|byte| *byte = 0);
    bytes
}

/// Sixteen bytes spelled 8-4-4-4-12.
fn uuid(bytes: &[u8], at: usize) -> String {
    let mut text = String::new();
    for (nth, byte) in array::<16>(bytes, at).into_iter().enumerate() {
        if matches!(nth, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests;
