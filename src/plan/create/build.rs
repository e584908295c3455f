//! The bytes of every member, and the steps.

use superblock::{
    Events, MdUuid, Role, Sectors, Write, bitmap, placement,
    v1::{self, DevFlags, Minor, NewArray, NewBitmap, NewMember},
};

use super::{
    Context, Format, Listing, bitmap_kind, is_redundant,
    size::Sizing,
    slots::{Part, Placed, Slots},
};
use crate::{
    model::{Device, World, geometry::Copies, world::MapEntry},
    plan::{
        DiskInfo, Plan, Refusal, Step, Warning,
        request::{BitmapKind, ConsistencyPolicy, CreateRequest, MemberWord},
    },
};
use superblock::Level;

/// Seconds between bitmap flushes when nothing was asked.
const BITMAP_DELAY: u32 = 5;

/// MD_DISK_* bits of `mdu_disk_info_t.state` (`md_p.h`).
mod disk_state {
    pub(super) const ACTIVE: u32 = 1 << 1;
    pub(super) const SYNC: u32 = 1 << 2;
    pub(super) const WRITE_MOSTLY: u32 = 1 << 9;
    pub(super) const FAIL_FAST: u32 = 1 << 10;
    pub(super) const JOURNAL: u32 = 1 << 18;
}

/// Everything that was decided before bytes are made.
pub(super) struct Decided<'a> {
    pub(super) request: &'a CreateRequest,
    pub(super) context: &'a Context,
    pub(super) world: &'a World,
    pub(super) level: Level,
    pub(super) raid_disks: u32,
    pub(super) format: Format,
    pub(super) listing: Vec<Listing<'a>>,
    pub(super) sizing: Sizing,
    pub(super) slots: Slots,
}

/// One member: where it goes and what is written to it.
struct Made<'a> {
    device: &'a Device,
    info: DiskInfo,
    what: String,
    writes: Vec<Write>,
    data: (Sectors, Sectors),
}

impl<'a> Decided<'a> {
    fn has_journal(&self) -> bool {
        self.slots.placed.iter().any(|p| p.part == Part::Journal)
    }

    fn has_ppl(&self) -> bool {
        self.request.consistency_policy == Some(ConsistencyPolicy::Ppl)
    }

    fn uuid(&self) -> Result<MdUuid, Refusal> {
        self.request
            .uuid
            .or_else(|| self.world.fresh.first().copied())
            .ok_or_else(|| Refusal::new("no random bytes for the array's UUID"))
    }

    fn word(&self, placed: &Placed) -> Option<&MemberWord> {
        self.request.members.get(placed.listed)
    }

    fn device(&self, placed: &Placed) -> Result<&'a Device, Refusal> {
        self.listing
            .get(placed.listed)
            .and_then(|item| item.device)
            .ok_or_else(|| Refusal::new("a device lost its place in the list"))
    }

    /// What ADD_NEW_DISK is told.
    fn info(&self, placed: &Placed) -> DiskInfo {
        let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
        let (raid_disk, mut state) = match placed.part {
            Part::Active(slot) => (number(slot), disk_state::ACTIVE | disk_state::SYNC),
            Part::Spare(place) => (number(place), 0),
            Part::Journal => (0xfffd, disk_state::JOURNAL),
        };
        if self.word(placed).is_some_and(|w| w.write_mostly) {
            state |= disk_state::WRITE_MOSTLY;
        }
        if self.word(placed).is_some_and(|w| w.failfast) {
            state |= disk_state::FAIL_FAST;
        }
        DiskInfo { number: number(placed.number), raid_disk, state }
    }

    /// What a bitmap of this array covers: the members' used size, for RAID10 the whole array.
    fn sync_size(&self) -> Sectors {
        let size = self.sizing.size.0;
        let copies = u64::from(Copies::from_layout(self.sizing.layout).total());
        match self.level {
            Level::Raid10 if copies > 0 => {
                Sectors((size / 2).saturating_mul(self.raid_disks.into()) / copies * 2)
            }
            _ => Sectors(size),
        }
    }

    /// Devices beyond the filled slots, counted as the original counts them.
    fn spares(&self) -> u32 {
        let slots = usize::try_from(self.raid_disks).unwrap_or(usize::MAX);
        let devices = self.slots.placed.len();
        let first = self.listing.iter().take(slots).filter(|i| i.device.is_some() && !i.journal).count();
        let moved = usize::from(
            self.slots
                .placed
                .last()
                .is_some_and(|last| last.listed < slots && matches!(last.part, Part::Spare(_))),
        );
        u32::try_from(devices.saturating_sub(first.saturating_sub(moved))).unwrap_or(u32::MAX)
    }
}

/// Makes the plan.
pub(super) fn build(decided: &Decided<'_>, said: &mut Vec<Warning>) -> Result<Plan, Refusal> {
    let uuid = decided.uuid()?;
    let made = match decided.format {
        Format::V1(minor) => members_v1(decided, minor, uuid)?,
        Format::V0 => return Err(Refusal::new("0.90 metadata cannot be created yet")),
    };
    if decided.request.metadata.is_none() && decided.context.verbose >= 0 {
        said.push(Warning::out(format!("Defaulting to version {} metadata", decided.format.name())));
    }
    Ok(Plan { summary: summary(decided), steps: steps(decided, &made, uuid), warnings: std::mem::take(said) })
}

fn summary(decided: &Decided<'_>) -> String {
    let level = decided.level.name().unwrap_or("unknown level");
    let mut text = format!("create {}: {level}, {} members", decided.context.array.path, decided.raid_disks);
    if decided.request.spares > 0 {
        text += &format!(" and {} spares", decided.request.spares);
    }
    if decided.sizing.chunk.0 > 0 {
        text += &format!(", {} KiB chunks", decided.sizing.chunk.kib().0);
    }
    text + &format!(", metadata {}", decided.format.name())
}

/// Superblock, bitmap and logs of every member.
fn members_v1<'a>(decided: &Decided<'a>, minor: Minor, uuid: MdUuid) -> Result<Vec<Made<'a>>, Refusal> {
    let array = array_v1(decided, minor, uuid)?;
    let fresh = decided.world.fresh.get(1..).unwrap_or_default();
    decided
        .slots
        .placed
        .iter()
        .zip(fresh)
        .map(|(placed, device_uuid)| member_v1(decided, &array, placed, *device_uuid))
        .collect()
}

fn array_v1(decided: &Decided<'_>, minor: Minor, uuid: MdUuid) -> Result<NewArray, Refusal> {
    let context = decided.context;
    let host = context.homehost.as_deref().map(str::as_bytes);
    Ok(NewArray {
        minor,
        uuid,
        name: v1::set_name(host, context.name.as_bytes()),
        created: decided.world.now.seconds,
        level: decided.level,
        layout: decided.sizing.layout,
        size: decided.sizing.size,
        chunk: decided.sizing.chunk,
        raid_disks: decided.raid_disks,
        spares: decided.spares(),
        clean: decided.slots.clean,
        raid0_layout: decided.level == Level::Raid0 && decided.sizing.layout != 0,
        journal: decided.has_journal(),
        ppl: decided.has_ppl(),
        bitmap: new_bitmap(decided, minor, uuid)?,
        bad_block_log: context.bad_block_log,
        roles: roles(&decided.slots),
    })
}

/// Roles by device number; a number that nobody has is a spare.
fn roles(slots: &Slots) -> Vec<Role> {
    let last = slots.placed.iter().map(|p| p.number).max().unwrap_or(0);
    (0..=last)
        .map(|number| match slots.placed.iter().find(|p| p.number == number).map(|p| p.part) {
            Some(Part::Active(slot)) => Role::Slot { slot, replacement: false },
            Some(Part::Journal) => Role::Journal,
            Some(Part::Spare(_)) | None => Role::Spare,
        })
        .collect()
}

fn new_bitmap(decided: &Decided<'_>, minor: Minor, uuid: MdUuid) -> Result<Option<NewBitmap>, Refusal> {
    let request = decided.request;
    let (version, nodes) = match bitmap_kind(request) {
        BitmapKind::None => {
            if request.write_behind.is_some() && is_redundant(decided.level) {
                return Err(Refusal::new("write-behind mode requires a bitmap."));
            }
            return Ok(None);
        }
        BitmapKind::Internal => (bitmap::Version::Plain, 0),
        BitmapKind::Lockless => (bitmap::Version::Lockless, 0),
        BitmapKind::Clustered => (bitmap::Version::Clustered, request.nodes.unwrap_or(4)),
    };
    let size = decided.sizing.size;
    let place = placement::internal_bitmap(minor, size, decided.sync_size(), request.bitmap_chunk)
        .map_err(|why| Refusal::new("Given bitmap chunk size not supported.").hint(why.to_string()))?;
    let superblock = bitmap::NewSuperblock {
        version,
        uuid: uuid.0,
        sync_size: decided.sync_size(),
        chunk: place.chunk,
        daemon_sleep: request.delay.unwrap_or(BITMAP_DELAY),
        write_behind: request.write_behind.unwrap_or(0),
        sectors_reserved: if version == bitmap::Version::Lockless {
            u32::try_from(place.room.0).unwrap_or(u32::MAX)
        } else {
            0
        },
        nodes,
        cluster_name: request.home_cluster.clone().unwrap_or_default().into_bytes(),
        assume_clean: request.assume_clean || request.write_zeroes,
    }
    .build();
    Ok(Some(NewBitmap { offset: place.offset, superblock }))
}

fn member_v1<'a>(
    decided: &Decided<'a>,
    array: &NewArray,
    placed: &Placed,
    uuid: MdUuid,
) -> Result<Made<'a>, Refusal> {
    let device = decided.device(placed)?;
    let info = decided.info(placed);
    let data_offset = decided.sizing.data_offsets.get(placed.listed).copied().unwrap_or_default();
    let mut flags = DevFlags::empty();
    let word = decided.word(placed);
    flags.set(DevFlags::WRITE_MOSTLY, word.is_some_and(|w| w.write_mostly));
    flags.set(DevFlags::FAIL_FAST, word.is_some_and(|w| w.failfast));
    let member = NewMember {
        number: placed.number,
        uuid,
        events: Events(0),
        device: device.sectors(),
        data_offset,
        flags,
    };
    let superblock = array.member(&member).map_err(|why| Refusal::new(format!("{}: {why}", device.path)))?;
    let mut writes = Vec::new();
    if let (Some(bitmap), Some(at), false) =
        (&array.bitmap, superblock.bitmap_at(), placed.part == Part::Journal)
    {
        let initial = bitmap.superblock.initial(at);
        writes
            .push(initial.ok_or_else(|| Refusal::new(format!("{}: the bitmap is too large", device.path)))?);
    }
    writes.push(superblock.encode());
    let role = match placed.part {
        Part::Active(slot) => format!("slot {slot}"),
        Part::Spare(_) => "spare".to_owned(),
        Part::Journal => "journal".to_owned(),
    };
    let what = format!("superblock {} at {} ({role})", array.minor, superblock.at());
    let size = if decided.sizing.size.0 > 0 { decided.sizing.size } else { superblock.data_size() };
    Ok(Made { device, info, what, writes, data: (data_offset, size) })
}

fn steps(decided: &Decided<'_>, made: &[Made<'_>], uuid: MdUuid) -> Vec<Step> {
    let array = decided.context.array.clone();
    let request = decided.request;
    let path = |m: &Made<'_>| m.device.path.clone();
    let mut steps: Vec<Step> = made.iter().map(|m| Step::Claim { device: path(m) }).collect();
    steps.push(Step::LockMap);
    steps.push(Step::HideFromUdev { array: array.clone() });
    if request.write_zeroes {
        let data = made.iter().filter(|m| m.info.state & disk_state::JOURNAL == 0);
        let ranges = data.map(|m| (path(m), m.data.0, m.data.1)).collect();
        steps.push(Step::Zero { ranges });
    }
    steps.extend(made.iter().map(|m| Step::Write {
        device: path(m),
        what: m.what.clone(),
        writes: m.writes.clone(),
    }));
    steps.push(Step::NewArray { array: array.clone(), id: decided.context.id });
    if bitmap_kind(request) == BitmapKind::Lockless {
        steps.push(attr(decided, "bitmap_type", "llbitmap"));
    }
    let version = match decided.format {
        Format::V0 => (0, 90),
        Format::V1(minor) => (1, minor.number()),
    };
    steps.push(Step::SetVersion { array: array.clone(), version });
    steps.extend(made.iter().map(|m| Step::AddDisk { array: array.clone(), device: path(m), info: m.info }));
    steps.push(Step::MapAdd {
        entry: MapEntry {
            devnm: array.kernel.clone(),
            metadata: decided.format.name().to_owned(),
            uuid,
            path: array.path.clone(),
        },
    });
    if let Some(size) = request.logical_block_size {
        steps.push(attr(decided, "logical_block_size", &size.to_string()));
    }
    if request.readonly {
        steps.push(attr(decided, "array_state", "readonly"));
    } else {
        steps.push(Step::Run { array: array.clone() });
    }
    steps.push(Step::Commit);
    if !request.readonly {
        steps.push(Step::MakeWritable { array: array.clone() });
    }
    steps.push(Step::UnlockMap);
    steps.push(Step::ShowToUdev { array: array.clone() });
    steps.push(Step::Uevent { array: array.clone() });
    steps.push(Step::Node { array });
    steps
}

fn attr(decided: &Decided<'_>, attr: &'static str, value: &str) -> Step {
    Step::SetAttr { array: decided.context.array.clone(), attr, value: value.to_owned(), optional: false }
}
