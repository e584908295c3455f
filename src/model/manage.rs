//! An array whose members are about to change, and the devices that it is about.

use crate::words::{MemberState, SyncAction};
use superblock::{Kib, Level, Sectors, bitmap};

use super::{
    Candidate, DevId, Geometry,
    detail::{ArrayDetail, TableMember},
    world::LogLine,
};

/// Why there is no array to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It could not be opened: the kernel's words.
    Unopened(String),
    /// It is not an md device.
    NotMd,
    /// An md device without an array.
    Empty,
    /// The kernel did not answer: its words.
    Unanswered(String),
}

/// How closely a word is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Its number is enough.
    Number,
    /// What is on it counts, and whether it is free.
    Contents,
}

/// An array that runs, with what its members' changes depend on.
#[derive(Clone, Debug)]
pub struct Managed {
    /// As the report has it.
    pub detail: ArrayDetail,
    /// The members in sysfs; those of a device that is gone among them.
    pub links: Vec<Link>,
    /// `sync_action`; `None` where the level has none.
    pub sync_action: Option<SyncAction>,
    /// How far a resync came that is not finished, whether it runs or waits.
    pub resync_at: Option<Sectors>,
    /// Slots before the reshape that is not finished; the same as now where it changes something else.
    pub slots_before: Option<u32>,
    /// The array's logical block size in bytes.
    pub logical_block: u32,
    /// The bitmap of the member whose superblock was read.
    pub bitmap: Option<bitmap::Superblock>,
    /// Bits of that bitmap.
    pub bits: bitmap::Count,
    /// The kernel starts no recovery until we say so; we have asked for that.
    pub frozen: bool,
}

/// A member in sysfs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// The kernel's name of the device (`sda1`).
    pub name: String,
    /// Its number; `None` once the device is gone.
    pub dev: Option<DevId>,
    /// Its slot.
    pub slot: Option<u32>,
    /// Words of its `state`.
    pub states: Vec<MemberState>,
    /// Where its data begins.
    pub data_offset: Sectors,
    /// Sectors of the device that have no data of the array, as it could not be read when they were to be filled: first and
    /// length.
    pub bad: Vec<(Sectors, Sectors)>,
}

impl Link {
    /// Whether `state` has this word.
    #[must_use]
    pub fn is(&self, state: &MemberState) -> bool {
        self.states.contains(state)
    }
}

/// What a word on the command line turned out to be.
#[derive(Debug, Default)]
pub struct ManageSubject {
    /// The device's number.
    pub dev: Option<DevId>,
    /// The member's name in sysfs.
    pub link: Option<String>,
    /// Why there is no number: the system's words, or that it is no block device.
    pub unknown: Option<Unknown>,
    /// The device as it was opened and read, where that was needed.
    pub seen: Option<Candidate>,
    /// The member that it is a copy of: it has that one's identity.
    pub twin: Option<String>,
    /// The kernel's log lines about md, where the device's own metadata leaves open whether it failed in a resync.
    pub log: Vec<LogLine>,
    /// Bits of the device's own bitmap.
    pub bits: Option<bitmap::Count>,
    /// The superblock of that bitmap.
    pub bitmap: Option<bitmap::Superblock>,
    /// Its superblock is one that an undo brought back, without the data that belongs to it.
    pub written_over: Option<WrittenOver>,
}

/// What was written over a device's data before its superblock came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenOver {
    /// The identity of the array whose superblock it has again, as text.
    pub array: String,
    /// What wrote: `a resync of array …`.
    pub by: String,
}

/// Why a word is no device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// There is no such file: the system's words.
    NoFile(String),
    /// It is no block device.
    NotBlock,
}

impl Managed {
    /// The shape of the array.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        Geometry {
            level: self.detail.level,
            layout: self.detail.layout,
            chunk: self.detail.chunk.sectors(),
            raid_disks: self.detail.counts.raid_disks,
            component_size: self.component_size(),
        }
    }

    /// Used size of each member.
    #[must_use]
    pub fn component_size(&self) -> Sectors {
        self.detail.component_size.map(Kib::sectors).unwrap_or_default()
    }

    /// Which slots have a member that is in sync, `except` one device.
    #[must_use]
    pub fn present(&self, except: Option<DevId>) -> Vec<bool> {
        self.present_in(self.detail.counts.raid_disks, except)
    }

    /// The same of so many slots.
    #[must_use]
    pub fn present_in(&self, slots: u32, except: Option<DevId>) -> Vec<bool> {
        self.slots_of(slots, |member| Some(member.dev) != except)
    }

    /// Which slots have a member that is in sync and read first: those that are write-mostly only where there is no other.
    #[must_use]
    pub fn preferred(&self) -> Vec<bool> {
        let slots = self.detail.counts.raid_disks;
        let preferred = self.slots_of(slots, |member| !member.state.write_mostly);
        if preferred.contains(&true) { preferred } else { self.present(None) }
    }

    fn slots_of(&self, slots: u32, counts: impl Fn(&TableMember) -> bool) -> Vec<bool> {
        let mut present = vec![false; usize::try_from(slots).unwrap_or(0)];
        for member in &self.detail.members {
            let whole = member.state.sync && !member.state.faulty && counts(member);
            let slot = usize::try_from(member.raid_disk).ok().and_then(|slot| present.get_mut(slot));
            if let Some(slot) = slot.filter(|_| whole) {
                *slot = true;
            }
        }
        present
    }

    /// The member that is this device, in sysfs.
    #[must_use]
    pub fn link_of(&self, dev: DevId) -> Option<&Link> {
        self.links.iter().find(|link| link.dev == Some(dev))
    }

    /// Whether a number of the metadata is free.
    #[must_use]
    pub fn is_free(&self, number: u32) -> bool {
        let number = i32::try_from(number).ok();
        !self.detail.members.iter().any(|member| Some(member.number) == number)
    }

    /// Whether the level keeps copies or parity.
    #[must_use]
    pub fn is_redundant(&self) -> bool {
        self.detail.level.number() > 0 || self.detail.level == Level::Multipath
    }
}
