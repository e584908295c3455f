//! How much of each device a new array uses.

use superblock::{Level, Sectors, placement, v0, v1::Minor};

use super::{
    CreateContext, Format, Listing,
    content::{self, Overwritten, Purpose},
};
use crate::{
    model::{Device, Unusable, World, layout},
    plan::{Refusal, Warning},
    request::{ConsistencyPolicy, CreateRequest, DataOffset, MemberSource, MemberWord, SizeOrMax},
};

/// The same in a line, for whoever is not asked.
pub(super) const BOOT_REMARK: &str =
    "a boot loader reads /boot from it only if it knows this metadata (--metadata=1.0: every one can)";
/// The original's remark on metadata where a boot loader does not look for it.
pub(super) const BOOT_NOTE: &str = "Note: this array has metadata at the start and
    may not be suitable as a boot device.  If you plan to
    store '/boot' on this device please ensure that
    your boot-loader understands md/v1.x metadata, or use
    --metadata=0.90";
/// Chunk of new arrays where the level has chunks and none was asked for: 512 KiB.
pub(super) const DEFAULT_CHUNK: Sectors = Sectors(1024);
/// RAID1 sizes are rounded to this, so that a later change to RAID5 finds a chunk that fits: 64 KiB.
const RAID1_ROUNDING: Sectors = Sectors(128);

/// Geometry and places, before any device got a role.
#[derive(Clone, Debug)]
pub(super) struct Sizing {
    /// Chunk; 0 where the level has none.
    pub(super) chunk: Sectors,
    /// Layout number.
    pub(super) layout: u32,
    /// Used size of each member; 0 where members use all they have.
    pub(super) size: Sectors,
    /// Where data begins, by index of what was listed.
    pub(super) data_offsets: Vec<Sectors>,
}

/// Whether all members use the same size, which the metadata records.
pub(super) fn has_common_size(level: Level) -> bool {
    !matches!(level, Level::Linear | Level::Raid0)
}

fn chunk_of(request: &CreateRequest, level: Level) -> Sectors {
    match level {
        Level::Raid0 | Level::Raid4 | Level::Raid5 | Level::Raid6 | Level::Raid10 => {
            request.chunk.unwrap_or(DEFAULT_CHUNK)
        }
        Level::Linear => request.chunk.unwrap_or(Sectors(0)),
        _ => Sectors(0),
    }
}

/// What was asked for, before any device is looked at.
pub(super) struct Wanted<'a> {
    pub(super) request: &'a CreateRequest,
    pub(super) context: &'a CreateContext,
    pub(super) level: Level,
    pub(super) raid_disks: u32,
    pub(super) format: Format,
    chunk: Sectors,
    /// The size that was given, in whole chunks.
    given: Option<Sectors>,
    ppl: bool,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(
        request: &'a CreateRequest,
        context: &'a CreateContext,
        (level, raid_disks): (Level, u32),
        format: Format,
    ) -> Result<Self, Refusal> {
        let chunk = chunk_of(request, level);
        let given = match request.size {
            Some(SizeOrMax::Size(size)) if chunk.0 > 0 => Some(size.round_down(chunk)),
            Some(SizeOrMax::Size(size)) => Some(size),
            Some(SizeOrMax::Max) | None => None,
        };
        if given.is_some_and(|size| size < chunk || size.0 == 0) {
            return Err(Refusal::new("Size cannot be smaller than chunk."));
        }
        let ppl = request.consistency_policy == Some(ConsistencyPolicy::Ppl);
        Ok(Self { request, context, level, raid_disks, format, chunk, given, ppl })
    }

    /// Says which defaults were taken; with `--verbose`.
    fn say_defaults(&self, said: &mut Vec<Warning>) {
        if self.context.verbose <= 0 {
            return;
        }
        let layout = layout::default_layout(self.level);
        if self.request.layout.is_none() {
            match self.level {
                Level::Raid5 | Level::Raid6 => said.extend(
                    layout::parity_layout_name(self.level, layout)
                        .map(|name| Warning::note(format!("layout defaults to {name}"))),
                ),
                Level::Raid10 => said.push(Warning::note("layout defaults to n2")),
                _ => {}
            }
        }
        if self.chunk.0 > 0 && self.request.chunk.is_none() {
            said.push(Warning::note(format!("chunk size defaults to {}K", self.chunk.kib().0)));
        }
    }

    /// Neither on the command line nor in the configuration.
    fn no_format_named(&self) -> bool {
        self.request.metadata.or(self.context.default_metadata).is_none()
    }
}

/// Who holds it, where that is known.
fn held(device: &Device) -> Option<Warning> {
    let who = device.holders.join(", ");
    (!who.is_empty()).then(|| Warning::note(format!("{} is held by {who}", device.path)))
}

/// Looks through the devices in the order in which they are listed, and chooses offsets and size. Remarks go to
/// `said` in the original's order: of each device first what is wrong with it, then what is on it.
pub(super) fn survey<'a>(
    wanted: &Wanted<'_>,
    world: &'a World,
    said: &mut Vec<Warning>,
) -> Result<(Vec<Listing<'a>>, Sizing), Refusal> {
    wanted.say_defaults(said);
    let mut listing: Vec<Listing<'a>> = Vec::new();
    let mut usable = Vec::new();
    let mut data_offsets = Vec::new();
    let mut failed = false;
    let mut noted = false;
    for word in &wanted.request.members {
        let item = find(&word.source, world)?;
        let offset = data_offset(wanted, word, item.device, &listing, &data_offsets);
        data_offsets.push(offset);
        if let Some(device) = item.device {
            if device.busy && wanted.no_format_named() && listing.iter().all(|item| item.device.is_none()) {
                // The original chooses its format by looking at the first device, and has none then.
                said.extend(held(device));
                let text = format!("cannot open {}: Device or resource busy", device.path);
                return Err(Refusal::new(text).status(2));
            }
            match fitness(wanted, device, item.journal, offset, &listing) {
                Err(complaints) => {
                    said.extend(complaints);
                    failed = true;
                }
                Ok(room) => {
                    said.extend(content(wanted, device, room, &mut noted));
                    if !item.journal {
                        usable.push((device.path.as_str(), room));
                    }
                }
            }
        }
        listing.push(item);
    }
    if listing.iter().all(|item| item.device.is_none()) {
        return Err(Refusal::new("Subdevs can't be all missing"));
    }
    if failed {
        return Err(Refusal::new("create aborted"));
    }
    layout_is_known(wanted, &usable)?;
    let size = common_size(wanted, &usable, said)?;
    let layout = wanted.request.layout.unwrap_or_else(|| layout::default_layout(wanted.level));
    Ok((listing, Sizing { chunk: wanted.chunk, layout, size, data_offsets }))
}

/// The room on a device, or all that keeps it from being a member.
fn fitness(
    wanted: &Wanted<'_>,
    device: &Device,
    journal: bool,
    offset: Sectors,
    before: &[Listing<'_>],
) -> Result<Sectors, Vec<Warning>> {
    let complain = |text: String| Err(vec![Warning::note(text)]);
    let path = &device.path;
    if before.iter().filter_map(|item| item.device).any(|other| other.id == device.id) {
        return complain(format!("{path} is listed twice"));
    }
    if device.busy {
        let format = if wanted.format == Format::V0 { "super0.90" } else { "super1.x" };
        let mut said = vec![Warning::note(format!("{format} cannot open {path}: Device or resource busy"))];
        said.extend(held(device));
        said.push(Warning::note(format!("{path} is not suitable for this array.")));
        return Err(said);
    }
    if device.read_only {
        return complain(format!("{path} is read-only"));
    }
    let room = room(wanted.format, device, offset, wanted.ppl);
    let room = if wanted.chunk.0 > 0 && !journal { room.round_down(wanted.chunk) } else { room };
    match wanted.given {
        _ if room.kib().0 == 0 => complain(format!("no free space left on {path}")),
        Some(size) if !journal && room.kib() < size.kib() => complain(format!(
            "{path} is smaller than given size. {}K < {}K + metadata",
            room.kib().0,
            size.kib().0
        )),
        _ => Ok(room),
    }
}

/// What is on the device; said unless the caller wants neither questions nor remarks.
fn content(wanted: &Wanted<'_>, device: &Device, room: Sectors, noted: &mut bool) -> Vec<Warning> {
    if wanted.request.run && wanted.context.verbose < 0 {
        return Vec::new();
    }
    let purpose = Purpose {
        level: wanted.level,
        raid_disks: wanted.raid_disks,
        format: wanted.format,
        room,
        size: wanted.given.unwrap_or_default(),
        zone: &wanted.context.zone,
        overwritten: Overwritten::of(wanted.request, wanted.context),
    };
    let mut said = content::warnings(device, purpose);
    let at_front = matches!(wanted.format, Format::V1(Minor::V1_1 | Minor::V1_2));
    if at_front && wanted.request.metadata.is_none() && wanted.level == Level::Raid1 && !*noted {
        *noted = true;
        said.push(Warning::ask(BOOT_NOTE));
    }
    said
}

/// 0.90 cannot record which layout a RAID0 has behind the end of its smallest member: another kernel, or another
/// default of this one, shows garbage there. Members of one size have nothing there.
fn layout_is_known(wanted: &Wanted<'_>, usable: &[(&str, Sectors)]) -> Result<(), Refusal> {
    let (Some((first, room)), None) = (usable.first(), wanted.request.layout) else { return Ok(()) };
    let unequal = usable.iter().find(|(_, other)| other != room);
    match unequal.filter(|_| wanted.format == Format::V0 && wanted.level == Level::Raid0) {
        None => Ok(()),
        Some((other, _)) => Err(Refusal::new(
            "Need explicit layout=dangerous to create 0.90 raid0 on non-uniform sized devices",
        )
        .hint(format!(
            "{first} and {other} differ in size, and 0.90 metadata cannot say which layout that means: --metadata=1.2 can"
        ))),
    }
}

/// The size that all members use.
fn common_size(
    wanted: &Wanted<'_>,
    usable: &[(&str, Sectors)],
    said: &mut Vec<Warning>,
) -> Result<Sectors, Refusal> {
    let smallest = usable.iter().map(|(_, room)| *room).min();
    let size = match (wanted.given, smallest) {
        (Some(size), _) => size,
        (None, None) => return Err(Refusal::new("no size and no drives given - aborting create.")),
        (None, Some(_)) if !has_common_size(wanted.level) => Sectors(0),
        (None, Some(room)) => {
            let room = room.kib().sectors();
            let size = if wanted.level == Level::Raid1 { room.round_down(RAID1_ROUNDING) } else { room };
            if wanted.context.verbose > 0 {
                said.push(Warning::note(format!("size set to {}K", size.kib().0)));
            }
            size
        }
    };
    // The first of the largest is named.
    let largest = usable.iter().rev().max_by_key(|(_, room)| *room).copied();
    warn_of_waste(wanted.level, size, largest, said);
    Ok(size)
}

/// Members that could give more than one percent more than they are asked for: probably a slip.
fn warn_of_waste(level: Level, size: Sectors, largest: Option<(&str, Sectors)>, said: &mut Vec<Warning>) {
    let Some((path, room)) = largest else { return };
    let (room, size) = (room.kib().0, size.kib().0);
    if level.number() > 0 && room.saturating_sub(size).saturating_mul(100) > room {
        said.push(Warning::ask(format!("largest drive ({path}) exceeds size ({size}K) by more than 1%")));
    }
}

/// Where data begins on a device. The default is computed on the first and used for all, as mdadm does.
fn data_offset(
    wanted: &Wanted<'_>,
    word: &MemberWord,
    device: Option<&Device>,
    before: &[Listing<'_>],
    offsets: &[Sectors],
) -> Sectors {
    let Format::V1(minor) = wanted.format else { return Sectors(0) };
    match wanted.request.data_offset {
        Some(DataOffset::Fixed(offset)) => return offset,
        Some(DataOffset::Variable) => {
            if let Some(offset) = word.data_offset {
                return offset;
            }
        }
        None => {}
    }
    let first = before.iter().zip(offsets).find(|(item, _)| item.device.is_some()).map(|(_, offset)| *offset);
    first.unwrap_or_else(|| match device {
        Some(device) => placement::default_data_offset(minor, device.sectors(), wanted.chunk, wanted.ppl),
        None => Sectors(0),
    })
}

/// The device that a word names. What cannot be opened ends the command, as in the original.
fn find<'a>(source: &MemberSource, world: &'a World) -> Result<Listing<'a>, Refusal> {
    let (path, journal) = match source {
        MemberSource::Path(path) => (path, false),
        MemberSource::Journal(path) => (path, true),
        MemberSource::Missing => return Ok(Listing { device: None, journal: false }),
    };
    let path = path.display().to_string();
    let refuse = |text: String| Err(Refusal::new(text).status(2));
    match world.devices.iter().find(|candidate| candidate.path == path).map(|candidate| &candidate.found) {
        Some(Ok(device)) => Ok(Listing { device: Some(device), journal }),
        Some(Err(Unusable::Open(why))) => refuse(format!("cannot open {path}: {why}")),
        Some(Err(Unusable::NotBlock)) => refuse(format!("{path} is not a block device.")),
        Some(Err(Unusable::Broken(why) | Unusable::Silent(why))) => refuse(why.clone()),
        None => refuse(format!("cannot open {path}: it was not looked at")),
    }
}

/// Room for data on a device.
fn room(format: Format, device: &Device, offset: Sectors, ppl: bool) -> Sectors {
    match format {
        Format::V1(minor @ (Minor::V1_0 | Minor::V1_1 | Minor::V1_2)) => {
            placement::usable_size(minor, device.sectors(), offset, ppl).unwrap_or_default()
        }
        // Up to its superblock.
        Format::V0 => v0::place(device.size).unwrap_or_default(),
    }
}
