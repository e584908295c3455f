//! The superblock that a report shows for a device: of all that are there, a sound one, and of those the one that was
//! created last.

use std::path::Path;

use superblock::{
    Bytes, Damage, Media, Sectors, What, bitmap, mbr,
    probe::{self, Found},
    v0,
    v1::{self, Minor},
    window::Width,
};

use crate::{
    config::Metadata,
    kernel::{self, Access, ErrorCause, KernelError, Machine},
    model::detail::MemberSuperblock,
};

/// One device that was read.
#[derive(Debug)]
pub struct SuperblockSeen {
    /// As it was named.
    pub path: String,
    /// What there is to show.
    pub found: Result<Shown, SuperblockMissing>,
}

impl SuperblockSeen {
    /// Whether its superblock speaks of other devices by their numbers: only 0.90 does.
    #[must_use]
    pub fn names_devices(&self) -> bool {
        let format = self.found.as_ref().map(|shown| &shown.format);
        matches!(format, Ok(Format::Md(member)) if member.native.format() == superblock::Format::V0)
    }
}

/// A superblock to show.
#[derive(Debug)]
pub struct Shown {
    /// The device's size.
    pub size: Bytes,
    /// The superblock.
    pub format: Format,
    /// Why nothing should be decided by it: its checksum, or a number out of bounds.
    pub doubt: Option<String>,
    /// What else was found wrong.
    pub notes: Vec<String>,
    /// Places that could not be read.
    pub unread: Vec<String>,
}

/// A superblock by format, its checksum not looked at.
#[derive(Debug)]
pub enum Format {
    /// Of an md member.
    Md(MemberSuperblock),
    /// A partition table.
    Mbr(mbr::Table),
}

/// Why there is none.
#[derive(Debug)]
pub enum SuperblockMissing {
    /// It could not be opened: the kernel's words.
    Unopened(String),
    /// It does not answer: the whole error.
    Silent(String),
    /// No format that we know.
    Absent,
    /// Not in the format that was asked for: one reason for each place.
    NotAsAsked(Vec<String>),
    /// There is one, and it cannot be shown.
    Damaged(Vec<String>),
    /// Where there may be one, the device could not be read.
    Unread(Vec<String>),
}

/// Reads all devices at once; the answers are in the order of the paths.
#[must_use]
pub fn superblocks(machine: &Machine, paths: &[String], asked: Option<Metadata>) -> Vec<SuperblockSeen> {
    super::devices::each(machine, paths, false, Width::Narrow, |path, opened| SuperblockSeen {
        path: path.to_owned(),
        found: opened.map_err(|error| unopened(&error)).and_then(|opened| shown(&opened.window, path, asked)),
    })
}

fn unopened(error: &KernelError) -> SuperblockMissing {
    match &error.cause {
        ErrorCause::Suspended(_) | ErrorCause::TimedOut(_) => SuperblockMissing::Silent(error.to_string()),
        _ => SuperblockMissing::Unopened(why(error)),
    }
}

/// The kernel's words for what a user would see of open(2).
pub(super) fn why(error: &KernelError) -> String {
    match &error.cause {
        ErrorCause::Errno(errno) => errno.desc().to_owned(),
        other => other.to_string(),
    }
}

fn is_checksum(damage: &Damage) -> bool {
    matches!(damage, Damage::Corrupt { what: What::Checksum { .. }, .. })
}

/// What a medium has to show, or why there is nothing: at most three reads.
pub(super) fn shown(
    media: &dyn Media,
    path: &str,
    asked: Option<Metadata>,
) -> Result<Shown, SuperblockMissing> {
    let probe = probe::probe(media);
    let (unread, notes): (Vec<&Damage>, Vec<&Damage>) =
        probe.damaged.iter().partition(|damage| matches!(damage, Damage::Io { .. }));
    let say = |damage: &&Damage| format!("{path}: {damage}");
    let (unread, notes): (Vec<String>, Vec<String>) =
        (unread.iter().map(say).collect(), notes.iter().map(say).collect());
    let (ours, other): (Vec<Found>, Vec<Found>) = probe.found.into_iter().partition(is_of_this_machine);
    let wanted = ours.into_iter().filter(|found| is_asked(found, asked));
    let best = latest(wanted.collect()).or_else(|| if asked.is_none() { latest(other) } else { None });
    let doubt = best.as_ref().and_then(|found| found.verify().err());
    // What else may be wrong with it is for whoever relies on it.
    let doubt = doubt.filter(is_checksum).map(|damage| say(&&damage));
    let format = match best {
        Some(found) => Some(Format::Md(member(found))),
        None if matches!(asked, None | Some(Metadata::Mbr)) => {
            // Of all that is no md metadata, the original shows this.
            mbr::read(media).ok().flatten().map(Format::Mbr)
        }
        None => None,
    };
    match (format, asked) {
        (Some(format), _) => Ok(Shown { size: media.len(), format, doubt, notes, unread }),
        (None, _) if !notes.is_empty() => Err(SuperblockMissing::Damaged(notes)),
        (None, _) if !unread.is_empty() => Err(SuperblockMissing::Unread(unread)),
        (None, None) => Err(SuperblockMissing::Absent),
        (None, Some(asked)) => Err(SuperblockMissing::NotAsAsked(reasons(media, path, asked))),
    }
}

/// A 0.90 superblock in the other byte order belongs to no array of this machine.
fn is_of_this_machine(found: &Found) -> bool {
    found.fields().is_of_this_machine()
}

fn is_asked(found: &Found, asked: Option<Metadata>) -> bool {
    asked.is_none_or(|asked| asked.takes(found.fields().format()))
}

fn minors(minor: Option<u8>) -> Vec<Minor> {
    let wanted = |candidate: &Minor| minor.is_none_or(|minor| candidate.number() == i32::from(minor));
    Minor::ALL.into_iter().filter(wanted).collect()
}

/// Of the sound ones, else of all, the one that was created last; of equals the first.
fn latest(found: Vec<Found>) -> Option<Found> {
    let ranked = found.into_iter().map(|found| ((found.verify().is_ok(), found.created()), found));
    ranked.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, found)| found)
}

fn member(found: Found) -> MemberSuperblock {
    MemberSuperblock { native: found.superblock.despite_checksum(), bitmap: found.bitmap.map(Box::new) }
}

/// The bitmap's superblock of a member, where there is a sound one.
pub(super) fn bitmap_of(media: &dyn Media, superblock: &v1::Superblock) -> Option<bitmap::Superblock> {
    let bitmap = bitmap::load(media, superblock.bitmap_at()?).ok()?;
    let ours = bitmap.magic() == bitmap::MAGIC && bitmap.uuid() == superblock.set_uuid().0;
    ours.then_some(bitmap)
}

/// Why a format that was asked for is not on a device, place by place. Nothing where the device
/// cannot be opened.
#[must_use]
pub fn missing(path: &str, asked: Metadata) -> Vec<String> {
    let Ok(device) = kernel::BlockDevice::open(Path::new(path), Access::Read) else { return vec![] };
    let found = probe::probe(&device).found;
    let wanted = |minor: Option<Minor>| {
        let format = minor.map_or(superblock::Format::V0, superblock::Format::V1);
        found.iter().any(|found| found.fields().format() == format && is_of_this_machine(found))
    };
    let tried = match asked {
        Metadata::V0 => vec![None],
        Metadata::V1(minor) => minors(minor).into_iter().map(Some).collect(),
        Metadata::Default => vec![Some(Minor::V1_2)],
        Metadata::Ddf | Metadata::Imsm | Metadata::Gpt | Metadata::Mbr => vec![],
    };
    let reasons = reasons(&device, path, asked).into_iter().zip(tried);
    reasons.filter(|(_, minor)| !wanted(*minor)).map(|(reason, _)| reason).collect()
}

/// Why a format that was asked for is not there, place by place, as the original says it.
fn reasons(media: &dyn Media, path: &str, asked: Metadata) -> Vec<String> {
    let device = media.len().sectors();
    let places: Vec<Option<Sectors>> = match asked {
        Metadata::V0 => vec![v0::place(media.len())],
        Metadata::V1(minor) => minors(minor).into_iter().map(|minor| minor.place(media.len())).collect(),
        Metadata::Default => vec![Minor::V1_2.place(media.len())],
        Metadata::Mbr => return vec![format!("No partition table found on {path}")],
        Metadata::Ddf | Metadata::Imsm | Metadata::Gpt => {
            return vec![format!("{path}: this metadata format is not supported yet")];
        }
    };
    let reason = |place: Option<Sectors>| {
        let Some(at) = place else {
            return format!("{path} is too small for md: size is {} sectors.", device.0);
        };
        let mut magic = [0; 4];
        if media.read_at(at.bytes(), &mut magic).is_err() {
            return format!("Cannot read superblock on {path}");
        }
        match u32::from_le_bytes(magic) {
            v1::MAGIC if asked != Metadata::V0 && version(media, at).is_some_and(|version| version != 1) => {
                let version = version(media, at).unwrap_or_default();
                format!("Cannot interpret superblock on {path} - version is {version}")
            }
            v1::MAGIC => format!("No superblock found on {path} (super_offset is wrong)"),
            other => {
                format!("No super block found on {path} (Expected magic {:08x}, got {other:08x})", v1::MAGIC)
            }
        }
    };
    places.into_iter().map(reason).collect()
}

/// The major version beside a magic.
fn version(media: &dyn Media, at: Sectors) -> Option<u32> {
    let mut version = [0; 8];
    media.read_at(at.bytes(), &mut version).ok()?;
    let [_, _, _, _, version @ ..] = version;
    Some(u32::from_le_bytes(version))
}
