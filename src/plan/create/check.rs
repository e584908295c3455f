//! What a create command must say, whatever the devices are.

use superblock::{Level, Sectors, v1::Minor};

use super::{Format, bitmap_kind, is_redundant, slots::ListedWords};
use crate::{
    model::geometry::Copies,
    plan::Refusal,
    request::{BitmapKind, CreateRequest, MemberSource, SizeOrMax},
};

/// The smallest size and chunk that is accepted.
const MIN_CHUNK: Sectors = Sectors(8);

/// What was listed, in order.
pub(super) fn listed(request: &CreateRequest) -> Vec<ListedWords> {
    let kind = |source: &MemberSource| match source {
        MemberSource::Path(_) => ListedWords::Device,
        MemberSource::Journal(_) => ListedWords::Journal,
        MemberSource::Missing => ListedWords::Missing,
    };
    request.members.iter().map(|word| kind(&word.source)).collect()
}

/// Level and number of slots, after the checks that need no device. The order is the original's.
pub(super) fn shape(request: &CreateRequest) -> Result<(Level, u32), Refusal> {
    cluster(request)?;
    let late = request.write_behind.is_some() && bitmap_kind(request) == BitmapKind::None;
    if late && request.level.is_some_and(is_redundant) {
        return Err(Refusal::new("write-behind mode requires a bitmap."));
    }
    let raid_disks =
        request.raid_devices.filter(|n| *n > 0).ok_or_else(|| Refusal::new("no raid-devices specified."))?;
    let level = request.level.ok_or_else(|| Refusal::new("a RAID level is needed to create an array."))?;
    let number = level.number();
    if level == Level::Raid6 && raid_disks < 4 {
        return Err(Refusal::new("at least 4 raid-devices needed for level 6"));
    }
    if level == Level::Raid6 && raid_disks > 256 {
        return Err(Refusal::new("no more than 256 raid-devices supported for level 6"));
    }
    if number >= 4 && raid_disks < 2 {
        return Err(Refusal::new(format!("at least 2 raid-devices needed for level {number}")));
    }
    if number <= 0 && request.spares > 0 {
        return Err(Refusal::new("This level does not support spare devices"));
    }
    counts(request, raid_disks)?;
    if number <= 0 && !matches!(request.bitmap, None | Some(BitmapKind::None)) {
        let name = level.name().unwrap_or("given");
        return Err(Refusal::new(format!("bitmaps not meaningful with level {name}")));
    }
    if let Some(layout) = request.layout.filter(|_| level == Level::Raid10) {
        let copies = Copies::from_layout(layout).total();
        if copies > raid_disks {
            return Err(Refusal::new(format!("that layout requires at least {copies} devices")));
        }
    }
    chunk(request, level)?;
    write_mostly(request)?;
    Ok((level, raid_disks))
}

/// What the kernel's clustered arrays can be.
fn cluster(request: &CreateRequest) -> Result<(), Refusal> {
    if request.bitmap != Some(BitmapKind::Clustered) {
        return match request.nodes {
            None => Ok(()),
            Some(_) => Err(Refusal::new("--nodes argument only compatible with --bitmap=clustered")),
        };
    }
    match request.level {
        Some(Level::Raid1) | None => Ok(()),
        Some(Level::Raid10) if request.layout.is_none_or(|layout| Copies::from_layout(layout).far == 1) => {
            Ok(())
        }
        Some(Level::Raid10) => Err(Refusal::new("only \"near\" layout is supported with clustered raid10")),
        Some(_) => Err(Refusal::new("--bitmap=clustered is currently supported with raid mirror only")),
    }
}

/// Which bitmaps a format has room for.
pub(super) fn bitmap_format(request: &CreateRequest, format: Format) -> Result<(), Refusal> {
    match bitmap_kind(request) {
        _ if format == Format::V1(Minor::V1_2) => Ok(()),
        BitmapKind::None | BitmapKind::Internal => Ok(()),
        BitmapKind::Lockless => {
            Err(Refusal::new("lockless bitmap is only supported with creating the array with 1.2 metadata"))
        }
        BitmapKind::Clustered => Err(Refusal::new("cluster md only works with superblock 1.2")),
    }
}

/// The nodes of a cluster would not agree about it.
fn write_mostly(request: &CreateRequest) -> Result<(), Refusal> {
    let mut members = request.members.iter().filter(|_| request.bitmap == Some(BitmapKind::Clustered));
    match members.find(|word| word.write_mostly).map(|word| &word.source) {
        Some(MemberSource::Path(path) | MemberSource::Journal(path)) => Err(Refusal::new(format!(
            "Can not set {} --write-mostly with a clustered bitmap",
            path.display()
        ))),
        Some(MemberSource::Missing) | None => Ok(()),
    }
}

fn counts(request: &CreateRequest, raid_disks: u32) -> Result<(), Refusal> {
    let listed = request.members.len();
    let journals = listed - request.members.iter().filter(|w| !is_journal(&w.source)).count();
    let wanted = u64::from(raid_disks) + u64::from(request.spares);
    let expected = wanted + u64::try_from(journals).unwrap_or(u64::MAX);
    match u64::try_from(listed).unwrap_or(u64::MAX).cmp(&expected) {
        std::cmp::Ordering::Greater => Err(Refusal::new(format!(
            "You have listed more devices ({listed}) than are in the array({wanted})!"
        ))),
        std::cmp::Ordering::Less => {
            Err(Refusal::new("You haven't given enough devices (real or missing) to create this array")
                .hint("add devices, or the word 'missing' for each slot that is to stay empty"))
        }
        std::cmp::Ordering::Equal => Ok(()),
    }
}

fn is_journal(source: &MemberSource) -> bool {
    matches!(source, MemberSource::Journal(_))
}

fn fits(chunk: Sectors, level: Level) -> bool {
    !matches!(level, Level::Raid4 | Level::Raid5 | Level::Raid6 | Level::Raid10) || chunk.0.is_power_of_two()
}

fn chunk(request: &CreateRequest, level: Level) -> Result<(), Refusal> {
    let forbidden = matches!(level, Level::Raid1 | Level::Faulty | Level::Multipath | Level::Container);
    match request.chunk {
        Some(_) if forbidden => Err(Refusal::new("specifying chunk size is forbidden for this level")),
        Some(chunk) if chunk < MIN_CHUNK => Err(Refusal::new("invalid chunk size").status(2)),
        // The kernel would say that the argument is invalid, when everything has been written.
        Some(chunk) if !fits(chunk, level) => Err(Refusal::new(format!(
            "invalid chunk size {}K: level {} needs a power of two, 4K or more",
            chunk.kib().0,
            level.name().unwrap_or("given")
        ))),
        Some(chunk) => match request.size {
            Some(SizeOrMax::Size(size)) if size < chunk => {
                Err(Refusal::new("Size cannot be smaller than chunk."))
            }
            _ => Ok(()),
        },
        None => Ok(()),
    }
}
