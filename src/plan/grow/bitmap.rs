//! A write-intent bitmap for an array that runs, and its removal.

use superblock::{
    Format, Level, Native, Sectors, Write, bitmap,
    placement::{self, NoBitmap},
    v1::Minor,
};

use super::{Act, GrowJob, members, name, set};
use crate::{
    model::grow::{Growing, GrowingMember},
    plan::{DiskStep, Refusal, Step},
    request::BitmapKind,
    words::{ArrayAttr, ConsistencyPolicy, Errno},
};

/// Seconds between flushes.
const DELAY: u32 = 5;
/// Where it is beside a superblock that lies before the data.
const BESIDE: Sectors = Sectors(8);

/// Decides.
///
/// # Errors
/// In the original's words.
pub(super) fn bitmap(job: &GrowJob, array: &Growing, kind: BitmapKind) -> Result<Act, Refusal> {
    let shown = &job.array.path;
    let refuse = |text: String| Err(Refusal::new(text));
    let has = array.managed.detail.flags.bitmap;
    if kind == BitmapKind::None {
        return if has { Ok(removal(job, array)) } else { refuse(format!("no bitmap found on {shown}")) };
    }
    if has {
        return refuse(format!("bitmap already present on {shown}"));
    }
    let level = array.managed.detail.level;
    if level.number() <= 0 {
        let level = level.name().unwrap_or("unknown");
        return refuse(format!("Bitmaps not meaningful with level {level} of this array"));
    }
    match array.managed.detail.consistency_policy {
        Some(ConsistencyPolicy::Ppl) => return refuse("Cannot add bitmap to array with PPL".to_owned()),
        Some(ConsistencyPolicy::Journal) => {
            return refuse(format!(
                "{shown} has a journal, which keeps it consistent: a bitmap would be of no use"
            ));
        }
        _ => {}
    }
    if array.managed.detail.container.is_some() {
        return refuse("Cannot add bitmaps to sub-arrays yet".to_owned());
    }
    if kind == BitmapKind::Clustered {
        return Err(Refusal::new("a bitmap for the nodes of a cluster is made with the array")
            .hint("mdctl create --bitmap=clustered"));
    }
    addition(job, array, kind)
}

fn addition(job: &GrowJob, array: &Growing, kind: BitmapKind) -> Result<Act, Refusal> {
    let shown = &job.array.path;
    let mut act = Act::new(format!("give {shown} a write-intent bitmap"));
    let mut location = None;
    for member in array.members.iter().filter(|member| members::counts(member)) {
        let place = place(job, array, member, kind)?;
        location = Some(place.offset);
        let device = members::shown(member);
        act.then(
            [
                Step::Disk(DiskStep::Share { device: device.clone() }),
                Step::Disk(DiskStep::Write {
                    device: device.clone(),
                    what: format!(
                        "a write-intent bitmap, all of it to be synchronised, at sector {}",
                        place.at.0
                    ),
                    writes: vec![place.write],
                }),
                Step::Disk(DiskStep::Release { device }),
            ],
            "",
        );
    }
    let Some(location) = location else { return Err(Refusal::new(format!("{shown} has no member"))) };
    let array_name = name(job, array);
    if kind == BitmapKind::Lockless {
        act.then(
            [set(&array_name, ArrayAttr::BitmapType, None, "llbitmap")],
            "this kernel has no lockless bitmap: ",
        );
    }
    act.then(
        [
            set(&array_name, ArrayAttr::BitmapLocation, Some("none".to_owned()), format!("{location:+}")),
            Step::Commit,
        ],
        "failed to set internal bitmap.",
    );
    let busy = "Cannot add bitmap while array is resyncing or reshaping etc.";
    act.because.push((Errno::EBUSY, busy.to_owned()));
    Ok(act)
}

fn removal(job: &GrowJob, array: &Growing) -> Act {
    let mut act = Act::new(format!("remove the bitmap of {}", job.array.path));
    act.then(remove(array, &name(job, array)), "failed to remove internal bitmap.");
    act.plan.steps.push(Step::Commit);
    let busy = "Cannot remove bitmap while array is resyncing or reshaping etc.";
    act.because.push((Errno::EBUSY, busy.to_owned()));
    act
}

/// Takes the bitmap away, where there is one.
pub(super) fn remove(array: &Growing, array_name: &crate::plan::ArrayName) -> Option<Step> {
    let has = array.managed.detail.flags.bitmap;
    let native = array.managed.detail.superblock.as_ref().map(|found| &found.native);
    let offset = match native {
        Some(Native::V1(superblock)) => superblock.bitmap_offset().unwrap_or(8),
        _ => 8,
    };
    has.then(|| set(array_name, ArrayAttr::BitmapLocation, Some(format!("{offset:+}")), "none"))
}

/// Where it goes on a member, and what is written.
struct Place {
    /// As the driver is told, from the superblock.
    offset: i32,
    at: Sectors,
    write: Write,
}

fn place(job: &GrowJob, array: &Growing, member: &GrowingMember, kind: BitmapKind) -> Result<Place, Refusal> {
    let shown = members::shown(member);
    let refuse = |text: String| Refusal::new(text);
    let Some(native) = &member.superblock else {
        return Err(refuse(format!("{shown}: its superblock cannot be read")));
    };
    let size = array.managed.component_size();
    let covers = match array.managed.detail.level {
        Level::Raid10 => array.geometry().array_size().unwrap_or(size),
        _ => size,
    };
    let wanted = job.request.bitmap_chunk;
    let (offset, chunk) = match native.format() {
        Format::V0 => (8, placement::bitmap_chunk_v0(covers, wanted).map_err(too_small)?),
        Format::V1(minor) => {
            let place = placement::internal_bitmap(minor, size, covers, wanted).map_err(too_small)?;
            (place.offset, place.chunk)
        }
    };
    let version = match kind {
        BitmapKind::Lockless => bitmap::Version::Lockless,
        _ => bitmap::Version::Plain,
    };
    let new = bitmap::NewSuperblock {
        version,
        uuid: native.bitmap_uuid(),
        sync_size: covers,
        chunk,
        daemon_sleep: job.request.delay.unwrap_or(DELAY),
        write_behind: job.request.write_behind.unwrap_or(0),
        sectors_reserved: match kind {
            BitmapKind::Lockless => u32::try_from(placement::LOCKLESS_ROOM.0).unwrap_or(u32::MAX),
            _ => 0,
        },
        nodes: 0,
        cluster_name: Vec::new(),
        assume_clean: false,
    };
    let at = native.at().0.checked_add_signed(offset.into()).map(Sectors);
    let write = at.and_then(|at| match native {
        Native::V0(_) => Some(new.build().initial_v0(at)),
        Native::V1(_) => new.build().initial(at),
    });
    let (Some(at), Some(write)) = (at, write) else { return Err(too_small(NoBitmap::NoRoom)) };
    if !fits(member, native, array, at, &write) {
        return Err(
            too_small(NoBitmap::NoRoom).hint(format!("{shown}: there is no room for it beside the data"))
        );
    }
    Ok(Place { offset, at, write })
}

/// Whether nothing else is where it goes: data, or the log of bad blocks.
fn fits(member: &GrowingMember, native: &Native, array: &Growing, at: Sectors, write: &Write) -> bool {
    let Native::V1(superblock) = native else { return true };
    let length = Sectors(u64::try_from(write.data.len()).unwrap_or(u64::MAX).div_ceil(512));
    let end = at.saturating_add(length);
    if let Some((log, size)) = superblock.bad_block_log_at().zip(superblock.bad_block_log()) {
        let behind = log.saturating_add(Sectors(size.size.into()));
        if at < behind && log < end {
            return false;
        }
    }
    match superblock.minor() {
        Minor::V1_0 => {
            let data = member.data_offset.saturating_add(array.managed.component_size());
            data <= at && end <= superblock.at()
        }
        Minor::V1_1 | Minor::V1_2 => {
            at >= superblock.at().saturating_add(BESIDE) && end <= member.data_offset
        }
    }
}

fn too_small(why: NoBitmap) -> Refusal {
    Refusal::new("failed to create internal bitmap - chunksize problem.").hint(why.to_string())
}
