//! An array whose size or shape is about to change, and what is noted of a change that goes on when its command is over.

use serde::{Deserialize, Serialize};
use superblock::{Kib, Level, MdUuid, Native, Sectors, backup::Backup, bitmap, v1::Minor};

use super::{DevId, Geometry, manage::Managed};
use crate::words::{ArrayState, MemberState, SyncAction};

/// The name of the note's form.
const SCHEMA: &str = "mdctl.reshape.1";
/// Bytes behind the start of a superblock of version 1 that are nobody else's: 36 KiB.
const BESIDE_SUPERBLOCK: Sectors = Sectors(72);

/// An array, with what changes of its shape depend on.
#[derive(Clone, Debug)]
pub struct Growing {
    /// As changes of its members see it.
    pub managed: Managed,
    /// Its members, in the order of sysfs.
    pub members: Vec<GrowingMember>,
    /// `array_size`, where somebody has bounded it.
    pub bounded: Option<Kib>,
    /// `stripe_cache_size`, in pages of each member.
    pub stripe_cache: Option<u64>,
    /// Where a reshape stands.
    pub reshape_at: Option<Sectors>,
    /// The shape before the reshape that is not finished, as far as it is another.
    pub before: Option<Geometry>,
    /// What is noted of a change that goes on.
    pub note: Option<ReshapeNote>,
    /// Where notes are.
    pub notes: String,
    /// A file into which data may be set aside, and what is known of its place.
    pub store: StorePlace,
}

/// Where data is set aside while it is laid out anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorePlace {
    /// The file.
    pub file: String,
    /// Something is there already.
    pub exists: bool,
    /// Its file system is in memory: after a start of the machine nothing of it is left.
    pub in_memory: bool,
    /// Its file system is on the array itself.
    pub on_the_array: bool,
}

/// A member.
#[derive(Clone, Debug)]
pub struct GrowingMember {
    /// The kernel's name of the device (`sda1`).
    pub name: String,
    /// Its number; `None` once the device is gone.
    pub dev: Option<DevId>,
    /// A path to it.
    pub path: Option<String>,
    /// Its slot.
    pub slot: Option<u32>,
    /// Words of its `state`.
    pub states: Vec<MemberState>,
    /// Where its data begins.
    pub data_offset: Sectors,
    /// How much of it the kernel uses at most.
    pub usable: Sectors,
    /// The size of the device.
    pub device: Sectors,
    /// Its superblock.
    pub superblock: Option<Native>,
    /// Its bitmap's.
    pub bitmap: Option<bitmap::Superblock>,
}

/// Room on a member in which nothing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Before its data.
    pub before: Sectors,
    /// Behind it.
    pub after: Sectors,
}

impl GrowingMember {
    /// Whether its `state` has this word.
    #[must_use]
    pub fn is(&self, state: &MemberState) -> bool {
        self.states.contains(state)
    }

    /// Whether it serves: it is in a slot and up to date.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.is(&MemberState::InSync) && self.slot.is_some()
    }

    /// Whether it waits to be needed.
    #[must_use]
    pub fn is_spare(&self) -> bool {
        self.slot.is_none() && !self.is(&MemberState::Faulty) && !self.is(&MemberState::Journal)
    }

    /// The room before and behind its data, where each member's used part is `used`. `None`: its format has no way to say that data
    /// lies elsewhere, or its superblock is not known.
    ///
    /// The kernel asks the same (`super_1_allow_new_offset` in `md.c`).
    #[must_use]
    pub fn room(&self, used: Sectors) -> Option<Room> {
        let Some(Native::V1(superblock)) = &self.superblock else { return None };
        let data = self.data_offset;
        let end = data.saturating_add(used);
        let bitmap = superblock.bitmap_at().zip(self.bitmap.as_ref());
        let bitmap = bitmap.map(|(at, bitmap)| (at, taken(bitmap)));
        let log = superblock
            .bad_block_log_at()
            .zip(superblock.bad_block_log())
            .map(|(at, log)| (at, Sectors(log.size.into())));
        let ppl = superblock.ppl_at().zip(superblock.ppl()).map(|(at, ppl)| (at, Sectors(ppl.size.into())));
        let areas = [bitmap, log, ppl];
        if superblock.minor() == Minor::V1_0 {
            let first = areas.iter().flatten().map(|(at, _)| *at).chain([superblock.at()]).min()?;
            return Some(Room { before: data, after: first.saturating_sub(end) });
        }
        let own = superblock.at().saturating_add(BESIDE_SUPERBLOCK);
        let last = areas.iter().flatten().map(|(at, size)| at.saturating_add(*size)).chain([own]).max()?;
        Some(Room { before: data.saturating_sub(last), after: self.device.saturating_sub(end) })
    }
}

/// Sectors that a bitmap has: what it reserves, or the pages of its bits.
fn taken(bitmap: &bitmap::Superblock) -> Sectors {
    let bits = bitmap.bits().unwrap_or(0).div_ceil(8).saturating_add(256);
    Sectors(bits.div_ceil(4096).saturating_mul(8)).max(Sectors(bitmap.sectors_reserved().into()))
}

impl Growing {
    /// The shape that it has.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.managed.geometry()
    }

    /// Its identity.
    #[must_use]
    pub fn uuid(&self) -> Option<MdUuid> {
        Some(self.managed.detail.superblock.as_ref()?.native.array())
    }

    /// Members that wait to be needed.
    #[must_use]
    pub fn spares(&self) -> u32 {
        let spares = self.members.iter().filter(|member| member.is_spare()).count();
        u32::try_from(spares).unwrap_or(u32::MAX)
    }

    /// The file of its note.
    #[must_use]
    pub fn note_file(&self) -> Option<String> {
        Some(note_file(&self.notes, self.uuid()?))
    }
}

/// The file of an array's note.
#[must_use]
pub fn note_file(notes: &str, uuid: MdUuid) -> String {
    format!("{notes}/{uuid}")
}

/// What is to be done once a reshape is over: nothing on the members says so, for the kernel refuses to assemble an array whose
/// superblocks name another level than it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReshapeNote {
    schema: String,
    /// When it was begun: seconds since 1970.
    pub begun: u64,
    /// The shape that the array has when the reshape is over.
    pub level: i32,
    /// Its layout.
    pub layout: u32,
    /// Its chunk, in sectors.
    pub chunk: u64,
    /// Its slots.
    pub devices: u32,
    /// Levels that it gets then, one after the other: the driver's words.
    pub levels: Vec<String>,
    /// The member with the parity leaves before the last of them.
    #[serde(default)]
    pub without_parity: bool,
    /// Levels that it gets instead, where the reshape is turned round.
    #[serde(default)]
    pub back: Vec<String>,
    /// The member with the parity leaves before the last of those.
    #[serde(default)]
    pub back_without_parity: bool,
    /// Data is set aside meanwhile.
    #[serde(default)]
    pub window: Option<WindowNote>,
}

/// How data is set aside, part by part, while it is laid out anew where it lies. Lengths and places in sectors of the array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowNote {
    /// The file or device; empty where the data moves: then nothing is set aside, and the kernel is only kept from going on before it
    /// has written down how far it is.
    pub store: String,
    /// Where its description is in it.
    #[serde(default)]
    pub at: u64,
    /// The most of a part.
    pub length: u64,
    /// Behind this, the kernel needs no help.
    pub until: u64,
    /// Members' worth of data afterwards.
    pub width: u64,
    /// The array's size afterwards.
    pub size: u64,
    /// From the end to the beginning.
    pub backwards: bool,
    /// Where data moves: members' worth of data before.
    #[serde(default)]
    pub before: u64,
    /// Where data moves: by how much on each member.
    #[serde(default)]
    pub shift: u64,
}

/// What is noted of an array that does not run: its reshape goes on, or what comes after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Where it is.
    pub store: String,
    /// What is noted of it; a file that somebody names has no note.
    pub note: Option<ReshapeNote>,
    /// What it says.
    pub backup: Result<Backup, String>,
    /// Where notes are.
    pub notes: String,
}

impl SetAside {
    /// How data is set aside.
    #[must_use]
    pub fn window(&self) -> Option<&WindowNote> {
        self.note.as_ref()?.window.as_ref()
    }

    /// Somebody has to go on with it: it gets another level when its reshape is over, or something is to be taken away.
    #[must_use]
    pub fn needs_somebody(&self) -> bool {
        self.note.as_ref().is_some_and(ReshapeNote::is_needed)
    }
}

/// One look at a reshape whose data is set aside.
#[derive(Clone, Debug)]
pub struct WindowSight {
    /// The kernel's name of the array.
    pub kernel: String,
    /// `sync_action`.
    pub action: Option<SyncAction>,
    /// `array_state`.
    pub state: Option<ArrayState>,
    /// How far it is by the superblocks of all members: what is before this need not be set aside any more. `None`: it is over.
    pub position: Option<Sectors>,
    /// `sync_max`; `None`: the end.
    pub sync_max: Option<Sectors>,
    /// What writes are held back from: first, and the first behind it.
    pub held: (Sectors, Sectors),
    /// What is set aside.
    pub backup: Result<Backup, String>,
    /// The time, in seconds since 1970.
    pub now: u64,
}

impl ReshapeNote {
    /// Of a reshape to `after`, and what comes then.
    #[must_use]
    pub fn new(begun: u64, after: &Geometry, levels: Vec<String>, without_parity: bool) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            begun,
            level: after.level.number(),
            layout: after.layout,
            chunk: after.chunk.0,
            devices: after.raid_disks,
            levels,
            without_parity,
            back: Vec::new(),
            back_without_parity: false,
            window: None,
        }
    }

    /// The same, with the levels that it gets where it is turned round.
    #[must_use]
    pub fn with_way_back(self, back: Vec<String>, back_without_parity: bool) -> Self {
        Self { back, back_without_parity, ..self }
    }

    /// Of the same reshape turned round: towards `after`, with nothing set aside.
    #[must_use]
    pub fn turned(&self, after: &Geometry) -> Self {
        Self::new(self.begun, after, self.back.clone(), self.back_without_parity)
            .with_way_back(self.levels.clone(), self.without_parity)
    }

    /// Whether anything is to be done when the reshape is over.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        !self.levels.is_empty() || !self.back.is_empty() || self.window.is_some()
    }

    /// The same with another way to set data aside, or without.
    #[must_use]
    pub fn with_window(self, window: Option<WindowNote>) -> Self {
        Self { window, ..self }
    }

    /// From the text of its file.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|note: &Self| note.schema == SCHEMA)
    }

    /// The text of its file.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).map(|text| text + "\n").unwrap_or_default()
    }

    /// Whether an array has the shape that it was to get by the reshape.
    #[must_use]
    pub fn is_reached(&self, shape: &Geometry) -> bool {
        let has = (shape.level, shape.layout, shape.chunk.0, shape.raid_disks);
        has == (Level::from_number(self.level), self.layout, self.chunk, self.devices)
    }

    /// The levels that are still to come, where the array has one on the way; `None` where it is none of them.
    #[must_use]
    pub fn left(&self, shape: &Geometry) -> Option<&[String]> {
        if self.is_reached(shape) {
            return Some(&self.levels);
        }
        let done = self.levels.iter().position(|level| Some(level.as_str()) == shape.level.name())?;
        self.levels.get(done.saturating_add(1)..)
    }
}
