//! Bitmaps and bad-block logs of members, for reports.

use std::path::Path;

use superblock::{
    Bytes, Damage, MdUuid, Media, Native, Sectors,
    badblocks::{self, Log},
    bitmap::{self, MAX_AREA, Version, lockless},
    window::{Width, Window},
};

use super::superblocks::{Format, SuperblockMissing, shown, why};
use crate::{
    config::Metadata,
    kernel::{self, Access},
    model::{
        bitmap::{Content, MemberBitmap, NodeBitmap},
        detail::MemberSuperblock,
    },
};

/// More nodes than any cluster has; a damaged bitmap may name any number.
const MOST_NODES: usize = 64;

/// Why there is no bitmap to show.
#[derive(Debug)]
pub enum NoBitmap {
    /// It could not be opened: the kernel's words.
    Unopened(String),
    /// A file, not a device.
    NotBlock,
    /// No format that we know is on it.
    NoSuperblock(Vec<String>),
    /// The format has no bitmaps: its name.
    NotPossible(String),
    /// There is no bitmap; where the superblock names one, what is wrong with it.
    Absent(Option<String>),
    /// It could not be read, or makes no sense.
    Damaged(String),
}

/// The bitmap of one device that was asked about.
pub struct SeenBitmap {
    /// As it was named.
    pub path: String,
    /// What was found.
    pub found: Result<MemberBitmap, NoBitmap>,
}

/// Why there is no bad-block log to show.
#[derive(Debug)]
pub enum NoLog {
    /// It could not be opened: the kernel's words.
    Unopened(String),
    /// No superblock is on it.
    NoSuperblock(Vec<String>),
    /// The format has none: its name.
    NotPossible(String),
    /// It could not be read, or makes no sense.
    Damaged(String),
}

/// The bad-block log of one device that was asked about.
pub struct SeenLog {
    /// As it was named.
    pub path: String,
    /// What was found.
    pub found: Result<Log, NoLog>,
}

/// The bitmaps of these devices; without the bits where `brief`.
#[must_use]
pub fn bitmaps(paths: &[String], asked: Option<Metadata>, brief: bool) -> Vec<SeenBitmap> {
    let seen = |path: &String| SeenBitmap { path: path.clone(), found: bitmap_on(path, asked, brief) };
    paths.iter().map(seen).collect()
}

/// The bad-block logs of these devices.
#[must_use]
pub fn bad_blocks(paths: &[String], asked: Option<Metadata>) -> Vec<SeenLog> {
    paths.iter().map(|path| SeenLog { path: path.clone(), found: log_on(path, asked) }).collect()
}

fn bitmap_on(path: &str, asked: Option<Metadata>, brief: bool) -> Result<MemberBitmap, NoBitmap> {
    let opened = kernel::BlockDevice::open(Path::new(path), Access::Read);
    let device = opened.map_err(|error| NoBitmap::Unopened(why(&error)))?;
    if device.dev().is_none() {
        return Err(NoBitmap::NotBlock);
    }
    bitmap_of(&device, path, asked, brief)
}

/// The bitmap that a medium has.
pub(super) fn bitmap_of(
    media: &dyn Media,
    path: &str,
    asked: Option<Metadata>,
    brief: bool,
) -> Result<MemberBitmap, NoBitmap> {
    if let Some(name) = asked.and_then(without_bitmaps) {
        return Err(NoBitmap::NotPossible(name.to_owned()));
    }
    let (at, array, uuid) = match superblock_of(media, path, asked) {
        Ok(MemberSuperblock { native, .. }) => (native.bitmap_at(), native.array(), native.bitmap_uuid()),
        Err(Missing::Foreign(name)) => return Err(NoBitmap::NotPossible(name.to_owned())),
        Err(Missing::NotAsAsked(_)) => return Err(NoBitmap::Absent(None)),
        Err(Missing::Nothing(texts)) => return Err(NoBitmap::NoSuperblock(texts)),
    };
    let Some(at) = at else { return Err(NoBitmap::Absent(None)) };
    if at.bytes().saturating_add(Bytes(512)) > media.len() {
        let text = format!("its superblock places one at sector {}, where the device has ended", at.0);
        return Err(NoBitmap::Absent(Some(text)));
    }
    let superblock = load(media, at)?;
    if superblock.magic() != bitmap::MAGIC {
        let text = format!("its superblock names one, but there is magic {:#010x}", superblock.magic());
        return Err(NoBitmap::Absent(Some(text)));
    }
    if superblock.uuid() != uuid {
        return Err(NoBitmap::Absent(Some(
            "the one that its superblock names is another array's".to_owned(),
        )));
    }
    if superblock.chunksize() == 0 && superblock.version().is_some() {
        return Err(NoBitmap::Damaged(format!("the bitmap at sector {} has a chunk size of 0", at.0)));
    }
    with_content(media, at, array, superblock, brief)
}

fn with_content(
    media: &dyn Media,
    at: Sectors,
    array: MdUuid,
    superblock: bitmap::Superblock,
    brief: bool,
) -> Result<MemberBitmap, NoBitmap> {
    let mut nodes = Vec::new();
    for at in superblock.places(at).take(MOST_NODES) {
        if at.bytes().saturating_add(Bytes(512)) > media.len() {
            break;
        }
        let node = load(media, at)?;
        let content = if brief { None } else { Some(content(media, at, &node)?) };
        nodes.push(NodeBitmap { superblock: node, content });
    }
    let found = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
    let missing_nodes = superblock.nodes().saturating_sub(found);
    Ok(MemberBitmap { array, superblock, nodes, missing_nodes })
}

fn load(media: &dyn Media, at: Sectors) -> Result<bitmap::Superblock, NoBitmap> {
    bitmap::load(media, at).map_err(|damage| damaged(&damage))
}

fn content(media: &dyn Media, at: Sectors, superblock: &bitmap::Superblock) -> Result<Content, NoBitmap> {
    let counted = if superblock.version() == Some(Version::Lockless) {
        lockless::count(media, at, superblock).map(Content::States)
    } else {
        bitmap::count(media, at, superblock, MAX_AREA).map(Content::Bits)
    };
    counted.map_err(|damage| damaged(&damage))
}

fn damaged(damage: &Damage) -> NoBitmap {
    NoBitmap::Damaged(damage.to_string())
}

fn without_bitmaps(asked: Metadata) -> Option<&'static str> {
    match asked {
        Metadata::Ddf => Some("ddf"),
        Metadata::Imsm => Some("imsm"),
        Metadata::Gpt => Some("gpt"),
        Metadata::Mbr => Some("mbr"),
        Metadata::V0 | Metadata::V1(_) | Metadata::Default => None,
    }
}

/// Why there is no superblock of an md member.
enum Missing {
    /// Something else: its name.
    Foreign(&'static str),
    /// Not in the format that was asked for.
    NotAsAsked(Vec<String>),
    /// Nothing, or nothing that can be used.
    Nothing(Vec<String>),
}

fn superblock_of(
    media: &dyn Media,
    path: &str,
    asked: Option<Metadata>,
) -> Result<MemberSuperblock, Missing> {
    match shown(&Window::new(media, Width::Narrow), path, asked) {
        Ok(seen) => match seen.format {
            Format::Md(superblock) => Ok(superblock),
            Format::Mbr(_) => Err(Missing::Foreign("mbr")),
        },
        Err(SuperblockMissing::NotAsAsked(texts)) => Err(Missing::NotAsAsked(texts)),
        Err(SuperblockMissing::Damaged(texts) | SuperblockMissing::Unread(texts)) => {
            Err(Missing::Nothing(texts))
        }
        Err(SuperblockMissing::Absent | SuperblockMissing::Unopened(_) | SuperblockMissing::Silent(_)) => {
            Err(Missing::Nothing(vec![format!("No md superblock detected on {path}")]))
        }
    }
}

fn log_on(path: &str, asked: Option<Metadata>) -> Result<Log, NoLog> {
    let opened = kernel::BlockDevice::open(Path::new(path), Access::Read);
    let device = opened.map_err(|error| NoLog::Unopened(why(&error)))?;
    log_of(&device, path, asked)
}

/// The bad-block log that a medium has.
pub(super) fn log_of(media: &dyn Media, path: &str, asked: Option<Metadata>) -> Result<Log, NoLog> {
    if let Some(name) = asked.and_then(without_bitmaps) {
        return Err(NoLog::NotPossible(name.to_owned()));
    }
    match superblock_of(media, path, asked) {
        Ok(MemberSuperblock { native: Native::V1(superblock), .. }) => {
            badblocks::read(media, &superblock).map_err(|damage| NoLog::Damaged(damage.to_string()))
        }
        Ok(MemberSuperblock { native: Native::V0(_), .. }) => Err(NoLog::NotPossible("0.90".to_owned())),
        Err(Missing::Foreign(name)) => Err(NoLog::NotPossible(name.to_owned())),
        Err(Missing::NotAsAsked(texts) | Missing::Nothing(texts)) => Err(NoLog::NoSuperblock(texts)),
    }
}

#[cfg(test)]
mod tests {
    use superblock::sectors::SectorMap;

    use super::*;
    use crate::report::bitmap::{BadBlocks, BitmapOfMember};

    macro_rules! device {
        ($name:literal) => {{
            let text = include_str!(concat!("../../superblock/tests/fixtures/", $name, ".sectors"));
            let first = text.split("device ").nth(1).and_then(|part| part.split_once('\n'));
            let map: SectorMap = first.unwrap().1.parse().unwrap();
            map
        }};
    }

    fn bitmap_text(media: &dyn Media) -> String {
        match bitmap_of(media, "DEV", None, false) {
            Ok(found) => BitmapOfMember::of("DEV", &found).text(),
            Err(why) => format!("{why:?}"),
        }
    }

    const INTERNAL: &str = "        Filename : DEV
           Magic : 6d746962
         Version : 4
            UUID : 00112233:44556677:8899aabb:ccddeeff
          Events : 0
  Events Cleared : 0
           State : OK
       Chunksize : 64 MB
          Daemon : 5s flush period
      Write Mode : Normal
       Sync Size : 64512 (63.00 MiB 66.06 MB)
          Bitmap : 1 bits (chunks), 1 dirty (100.0%)
";

    #[test]
    fn texts_of_fixtures() {
        assert_eq!(bitmap_text(&device!("raid1b-1.2")), INTERNAL);
        let at_the_end = INTERNAL.replace("64512 (63.00 MiB 66.06 MB)", "65472 (63.94 MiB 67.04 MB)");
        assert_eq!(bitmap_text(&device!("raid1b-1.0")), at_the_end);
        assert_eq!(bitmap_text(&device!("raid1b-0.90")), at_the_end, "words of the host's order");
        let lockless = bitmap_text(&device!("lockless-1.2"));
        assert!(lockless.contains("Version : 6\n") && lockless.ends_with("66.06 MB)\n"), "{lockless}");
        assert_eq!(bitmap_text(&device!("raid1-1.2")), "Absent(None)");
        let log = log_of(&device!("ran-badblock"), "DEV", None).unwrap();
        let text = "Bad-blocks on DEV:\n                5000 for 16 sectors\n";
        assert_eq!(BadBlocks::of("DEV", &log).text(), text);
        let log = log_of(&device!("raid1-1.2"), "DEV", None).unwrap();
        assert_eq!(BadBlocks::of("DEV", &log).text(), "Bad-blocks list is empty in DEV\n");
        assert!(matches!(log_of(&device!("raid1-0.90"), "DEV", None), Err(NoLog::NotPossible(_))));
    }
}
