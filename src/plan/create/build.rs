//! The bytes of every member, and the steps.

use superblock::{Bytes, Endian, Level, MdUuid, Sectors, Write, v0::uuid_at_home};

use super::{
    CreateContext, Format, Listing, bitmap_kind,
    content::Overwritten,
    is_redundant,
    size::Sizing,
    slots::{Placed, SlotPart, Slots},
    v0, v1,
};
use crate::{
    model::{Device, World, geometry::Copies, world::MapEntry},
    plan::{DiskInfo, DiskStep, MdStep, Plan, Refusal, Step, SystemStep, Warning, disk_state},
    request::{BitmapKind, ConsistencyPolicy, CreateRequest, MemberWord},
    words::ArrayAttr,
};

/// Seconds between bitmap flushes when nothing was asked.
pub(super) const BITMAP_DELAY: u32 = 5;

/// Everything that was decided before bytes are made.
pub(super) struct Decided<'a> {
    pub(super) request: &'a CreateRequest,
    pub(super) context: &'a CreateContext,
    pub(super) world: &'a World,
    pub(super) level: Level,
    pub(super) raid_disks: u32,
    pub(super) format: Format,
    pub(super) listing: Vec<Listing<'a>>,
    pub(super) sizing: Sizing,
    pub(super) slots: Slots,
}

/// One member: where it goes and what is written to it.
pub(super) struct Made<'a> {
    pub(super) device: &'a Device,
    pub(super) info: DiskInfo,
    pub(super) what: String,
    pub(super) writes: Vec<Write>,
    /// Where its data begins and how long it is.
    pub(super) data: (Sectors, Sectors),
}

impl<'a> Decided<'a> {
    pub(super) fn has_journal(&self) -> bool {
        self.slots.placed.iter().any(|p| p.part == SlotPart::Journal)
    }

    pub(super) fn has_ppl(&self) -> bool {
        self.request.consistency_policy == Some(ConsistencyPolicy::Ppl)
    }

    /// The UUID that was asked for, else a fresh one; in 0.90 half of a fresh one tells the host.
    pub(super) fn uuid(&self) -> Result<MdUuid, Refusal> {
        if let Some(uuid) = self.request.uuid {
            return Ok(uuid);
        }
        let fresh = self.world.fresh.first().copied();
        let fresh = fresh.ok_or_else(|| Refusal::new("no random bytes for the array's UUID"))?;
        Ok(match (self.format, &self.context.homehost) {
            (Format::V0, Some(host)) => uuid_at_home(fresh, host.as_bytes(), Endian::HOST),
            _ => fresh,
        })
    }

    pub(super) fn word(&self, placed: &Placed) -> Option<&MemberWord> {
        self.request.members.get(placed.listed)
    }

    pub(super) fn device(&self, placed: &Placed) -> Result<&'a Device, Refusal> {
        self.listing
            .get(placed.listed)
            .and_then(|item| item.device)
            .ok_or_else(|| Refusal::new("a device lost its place in the list"))
    }

    /// A random number for a journal's start, from the last of the fresh identities.
    pub(super) fn random(&self) -> Result<u64, Refusal> {
        let [high, low, ..] =
            self.world.fresh.last().ok_or_else(|| Refusal::new("no random bytes for the journal"))?.words();
        Ok((u64::from(high) << 32) | u64::from(low))
    }

    /// What ADD_NEW_DISK is told.
    pub(super) fn info(&self, placed: &Placed) -> DiskInfo {
        let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
        let (raid_disk, mut state) = match placed.part {
            SlotPart::Active(slot) => (number(slot), disk_state::ACTIVE | disk_state::SYNC),
            SlotPart::Spare(place) => (number(place), 0),
            SlotPart::Journal => (0xfffd, disk_state::JOURNAL),
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
    pub(super) fn sync_size(&self) -> Sectors {
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
    pub(super) fn spares(&self) -> u32 {
        let slots = usize::try_from(self.raid_disks).unwrap_or(usize::MAX);
        let devices = self.slots.placed.len();
        let first = self.listing.iter().take(slots).filter(|i| i.device.is_some() && !i.journal).count();
        let moved = usize::from(
            self.slots
                .placed
                .last()
                .is_some_and(|last| last.listed < slots && matches!(last.part, SlotPart::Spare(_))),
        );
        u32::try_from(devices.saturating_sub(first.saturating_sub(moved))).unwrap_or(u32::MAX)
    }
}

/// Zeroes over metadata that lies elsewhere on the device, so that nobody believes it instead of the new: md's, and the
/// anchors of firmware RAID. Metadata of other formats that a new superblock covers needs nothing.
pub(in crate::plan) fn wipes(device: &Device, new: &[Write]) -> Vec<Write> {
    let old = device.probe.found.iter().map(|found| found.at().bytes());
    let native = old
        .filter(|at| !new.iter().any(|write| write.at == *at))
        .map(|at| Write { at, data: vec![0; superblock_length(device, at)] });
    let firmware = device.foreign.iter().filter_map(|foreign| foreign.anchor(device.size));
    native.chain(firmware).collect()
}

/// What a superblock at `at` takes: 4 KiB, or less where the device ends.
fn superblock_length(device: &Device, at: Bytes) -> usize {
    let left = device.size.saturating_sub(at).round_down(Bytes(512)).min(Bytes(4096));
    usize::try_from(left.0).unwrap_or(0)
}

/// Makes the plan.
pub(super) fn build(decided: &Decided<'_>, said: &mut Vec<Warning>) -> Result<Plan, Refusal> {
    let uuid = decided.uuid()?;
    let made = match decided.format {
        Format::V1(minor) => v1::members(decided, minor, uuid)?,
        Format::V0 => v0::members(decided, uuid)?,
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

/// Once a device is claimed it is compared with what was seen of it: what came onto it since nobody was asked about. Where
/// others write to it and somebody insists, nothing of it stays as it was.
pub(in crate::plan) fn unchanged(device: &Device) -> Option<Step> {
    let rests = device.used().is_none() && !device.seen.is_empty();
    let (path, seen) = (device.path.clone(), device.seen.clone());
    rests.then_some(Step::Disk(DiskStep::Unchanged { device: path, seen }))
}

fn steps(decided: &Decided<'_>, made: &[Made<'_>], uuid: MdUuid) -> Vec<Step> {
    let array = decided.context.array.clone();
    let request = decided.request;
    let path = |m: &Made<'_>| m.device.path.clone();
    let mut steps: Vec<Step> = made.iter().map(|m| Step::Disk(DiskStep::Claim { device: path(m) })).collect();
    steps.extend(made.iter().filter_map(|m| unchanged(m.device)));
    // Before the map is locked: it may take hours, and nobody must wait for it.
    if request.write_zeroes {
        let data = made.iter().filter(|m| m.info.state & disk_state::JOURNAL == 0);
        let ranges = data.map(|m| (path(m), m.data.0, m.data.1)).collect();
        steps.push(Step::Disk(DiskStep::Zero { ranges }));
    }
    steps.push(Step::System(SystemStep::LockMap));
    // Its identity is a new one, or somebody wants it to be that of another array.
    steps.push(Step::Md(MdStep::Expect { array: array.clone(), uuid: None, members: None }));
    steps.push(Step::System(SystemStep::HideFromUdev { array: array.clone() }));
    steps.extend(made.iter().flat_map(written));
    steps.push(Step::Md(MdStep::NewArray { array: array.clone(), id: decided.context.id }));
    if bitmap_kind(request) == BitmapKind::Lockless {
        steps.push(attr(decided, ArrayAttr::BitmapType, "llbitmap"));
    }
    let version = match decided.format {
        Format::V0 => (0, 90),
        Format::V1(minor) => (1, minor.number()),
    };
    steps.push(Step::Md(MdStep::SetVersion { array: array.clone(), version }));
    steps.extend(
        made.iter()
            .map(|m| Step::Md(MdStep::AddDisk { array: array.clone(), device: path(m), info: m.info })),
    );
    steps.push(Step::System(SystemStep::MapAdd {
        entry: MapEntry {
            devnm: array.kernel.clone(),
            metadata: decided.format.name().to_owned(),
            uuid,
            path: array.path.clone(),
        },
    }));
    if let Some(size) = request.logical_block_size {
        steps.push(attr(decided, ArrayAttr::LogicalBlockSize, &size.to_string()));
    }
    let waits = waits(decided);
    match () {
        () if request.readonly => steps.push(attr(decided, ArrayAttr::ArrayState, "readonly")),
        () if waits => steps.push(attr(decided, ArrayAttr::ArrayState, WAITING)),
        () => steps.push(Step::Md(MdStep::Run { array: array.clone() })),
    }
    steps.push(Step::Commit);
    if !request.readonly && !waits {
        steps.push(Step::Md(MdStep::MakeWritable { array: array.clone() }));
    }
    steps.push(Step::System(SystemStep::UnlockMap));
    steps.push(Step::System(SystemStep::ShowToUdev { array: array.clone() }));
    steps.push(Step::System(SystemStep::Uevent { array: array.clone() }));
    steps.push(Step::System(SystemStep::Node { array }));
    steps
}

/// What is written to one member, older metadata first.
fn written(made: &Made<'_>) -> Vec<Step> {
    let write = |what: &str, writes: &[Write]| {
        let (device, what) = (made.device.path.clone(), what.to_owned());
        Step::Disk(DiskStep::Write { device, what, writes: writes.to_vec() })
    };
    let wipes = wipes(made.device, &made.writes);
    let older = (!wipes.is_empty()).then(|| write("zeroes over older metadata", &wipes));
    older.into_iter().chain([write(&made.what, &made.writes)]).collect()
}

/// The state in which nothing is resynced before somebody writes.
pub(super) const WAITING: &str = "read-auto";

/// Whether the array comes up without its resync until somebody writes: over members of other arrays, where a person
/// said yes to a question. A yes can be a mistake, and until then all that was overwritten is in the archive.
fn waits(decided: &Decided<'_>) -> bool {
    let request = decided.request;
    let overwritten = Overwritten::of(request, decided.context);
    let mut devices = decided.listing.iter().filter_map(|item| item.device);
    is_redundant(decided.level)
        && !(request.run || request.assume_clean || request.write_zeroes || request.readonly)
        && devices.any(|device| !overwritten.includes(device))
}

fn attr(decided: &Decided<'_>, attr: ArrayAttr, value: &str) -> Step {
    Step::Md(MdStep::SetAttr {
        array: decided.context.array.clone(),
        attr,
        value: value.to_owned(),
        optional: false,
    })
}
