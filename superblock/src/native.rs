//! A superblock of either native format, as one: what both say, asked once.
//!
//! Whoever needs more than both have matches on [`Native`]; a question that a third format will answer, too, belongs here.

use crate::{
    Damage, Endian, Events, Judge, Level, MdUuid, Membership, Role, Sectors, Write, v0,
    v1::{self, Minor},
};

/// A native format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// 0.90.
    V0,
    /// 1.x.
    V1(Minor),
}

impl Format {
    /// As users write it: "0.90", "1.2".
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V0 => "0.90",
            Self::V1(minor) => minor.name(),
        }
    }

    /// From that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if matches!(name, "0" | "0.90") {
            return Some(Self::V0);
        }
        Minor::ALL.into_iter().find(|minor| minor.name() == name).map(Self::V1)
    }
}

/// A native superblock. Between [`Unverified`](crate::Unverified) and this stands [`Judge`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Native {
    /// 0.90.
    V0(v0::Superblock),
    /// 1.0, 1.1, 1.2.
    V1(v1::Superblock),
}

impl Judge for Native {
    fn judge_checksum(&self) -> Result<(), Damage> {
        match self {
            Self::V0(superblock) => superblock.judge_checksum(),
            Self::V1(superblock) => superblock.judge_checksum(),
        }
    }

    fn judge_bounds(&self, device: Sectors) -> Result<(), Damage> {
        match self {
            Self::V0(superblock) => superblock.judge_bounds(device),
            Self::V1(superblock) => superblock.judge_bounds(device),
        }
    }
}

impl Native {
    /// Its format.
    #[must_use]
    pub fn format(&self) -> Format {
        match self {
            Self::V0(_) => Format::V0,
            Self::V1(superblock) => Format::V1(superblock.minor()),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn at(&self) -> Sectors {
        match self {
            Self::V0(superblock) => superblock.at(),
            Self::V1(superblock) => superblock.at(),
        }
    }

    /// When the array was created, seconds since 1970.
    #[must_use]
    pub fn created(&self) -> u64 {
        match self {
            Self::V0(superblock) => superblock.ctime().into(),
            Self::V1(superblock) => superblock.ctime().seconds,
        }
    }

    /// Whether its checksum fits.
    #[must_use]
    pub fn checksum_ok(&self) -> bool {
        match self {
            Self::V0(sb) => sb.checksum_ok(),
            Self::V1(sb) => sb.checksum_ok(),
        }
    }

    /// The array.
    #[must_use]
    pub fn array(&self) -> MdUuid {
        match self {
            Self::V0(superblock) => superblock.set_uuid(),
            Self::V1(superblock) => superblock.set_uuid(),
        }
    }

    /// How often the array changed, as this device knows it.
    #[must_use]
    pub fn events(&self) -> Events {
        match self {
            Self::V0(superblock) => superblock.events(),
            Self::V1(superblock) => superblock.events(),
        }
    }

    /// The array's level.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::V0(superblock) => superblock.level(),
            Self::V1(superblock) => superblock.level(),
        }
    }

    /// Where its bitmap is, where it names one.
    #[must_use]
    pub fn bitmap_at(&self) -> Option<Sectors> {
        match self {
            Self::V0(superblock) => superblock.bitmap_at(),
            Self::V1(superblock) => superblock.bitmap_at(),
        }
    }

    /// The array's UUID as its bitmap is to have it.
    #[must_use]
    pub fn bitmap_uuid(&self) -> [u8; 16] {
        match self {
            Self::V0(superblock) => superblock.uuid_bytes(),
            Self::V1(superblock) => superblock.set_uuid().0,
        }
    }

    /// Whether its byte order is this machine's. 0.90 alone is written in that of the machine that made it.
    #[must_use]
    pub fn is_of_this_machine(&self) -> bool {
        match self {
            Self::V0(superblock) => superblock.order() == Endian::HOST,
            Self::V1(_) => true,
        }
    }

    /// Whether the array was made on this host: its name begins with the host's, or (0.90) its UUID ends in its hash.
    #[must_use]
    pub fn is_local_to(&self, host: &[u8]) -> bool {
        match self {
            Self::V0(superblock) => superblock.is_local_to(host),
            Self::V1(superblock) => superblock.is_local_to(host),
        }
    }

    /// Major and minor version as SET_ARRAY_INFO takes them.
    #[must_use]
    pub fn version(&self) -> (i32, i32) {
        match self {
            Self::V0(superblock) => (0, i32::try_from(superblock.minor_version()).unwrap_or(90)),
            Self::V1(superblock) => (1, superblock.minor().number()),
        }
    }

    /// What it says of its device and its array.
    #[must_use]
    pub fn membership(&self) -> Membership {
        match self {
            Self::V0(superblock) => superblock.membership(),
            Self::V1(superblock) => superblock.membership(),
        }
    }

    /// Which slots have a working holder, as this device knows it. Bounded by what the format can hold.
    #[must_use]
    pub fn working_slots(&self, slots: u32) -> Vec<bool> {
        let mut working = vec![false; usize::try_from(slots.min(v1::MAX_DEVICES)).unwrap_or(0)];
        match self {
            Self::V0(superblock) => {
                for disk in superblock.disks() {
                    let Role::Slot { slot, .. } = disk.role() else { continue };
                    let nth = usize::try_from(slot).unwrap_or(usize::MAX);
                    if let Some(slot) = working.get_mut(nth) {
                        *slot = true;
                    }
                }
            }
            Self::V1(superblock) => {
                for role in superblock.roles() {
                    if let Some(slot) = working.get_mut(usize::from(role)) {
                        *slot = true;
                    }
                }
            }
        }
        working
    }

    /// How many devices this one counts on: those in slots.
    #[must_use]
    pub fn working_devices(&self, slots: u32) -> usize {
        self.working_slots(slots).iter().filter(|working| **working).count()
    }

    /// Slots, and slots before the reshape where one changes their number.
    #[must_use]
    pub fn slots_before(&self) -> u32 {
        match self {
            Self::V0(superblock) if self.is_reshaping() => {
                superblock.raid_disks().saturating_add_signed(superblock.delta_disks().saturating_neg())
            }
            Self::V0(superblock) => superblock.raid_disks(),
            Self::V1(superblock) if self.is_reshaping() => {
                superblock.raid_disks().saturating_add_signed(superblock.delta_disks().saturating_neg())
            }
            Self::V1(superblock) => superblock.raid_disks(),
        }
    }

    /// Whether a reshape is under way.
    #[must_use]
    pub fn is_reshaping(&self) -> bool {
        match self {
            Self::V0(superblock) => superblock.reshape_position().is_some(),
            Self::V1(superblock) => superblock.feature_map().contains(v1::FeatureMap::RESHAPE_ACTIVE),
        }
    }

    /// Where a reshape stands, and whether it goes from the end to the beginning; `None` where none is under way.
    #[must_use]
    pub fn reshape_at(&self) -> Option<(Sectors, bool)> {
        match self {
            Self::V0(superblock) => {
                superblock.reshape_position().map(|at| (at, superblock.delta_disks() < 0))
            }
            Self::V1(superblock) => {
                let features = superblock.feature_map();
                let delta = superblock.delta_disks();
                let back = delta < 0 || delta == 0 && features.contains(v1::FeatureMap::RESHAPE_BACKWARDS);
                let at = superblock.reshape_position();
                features.contains(v1::FeatureMap::RESHAPE_ACTIVE).then_some((at, back))
            }
        }
    }

    /// Whether a reshape is under way whose data does not move: what is written may lie over what is still to be read.
    #[must_use]
    pub fn is_laid_where_it_lies(&self) -> bool {
        match self {
            Self::V0(_) => self.is_reshaping(),
            Self::V1(superblock) => {
                self.is_reshaping() && !superblock.feature_map().contains(v1::FeatureMap::NEW_OFFSET)
            }
        }
    }

    /// The shape that a reshape makes: level, layout, chunk, slots; `None` where none is under way.
    #[must_use]
    pub fn goal(&self) -> Option<(Level, u32, Sectors, u32)> {
        self.is_reshaping().then(|| match self {
            Self::V0(superblock) => {
                let chunk = superblock.new_chunk().sectors();
                (superblock.new_level(), superblock.new_layout(), chunk, superblock.raid_disks())
            }
            Self::V1(superblock) => (
                superblock.new_level(),
                superblock.new_layout(),
                superblock.new_chunk(),
                superblock.raid_disks(),
            ),
        })
    }

    /// Sets how far a reshape is.
    pub fn set_reshape_position(&mut self, position: Sectors) {
        match self {
            Self::V0(superblock) => superblock.set_reshape_position(position),
            Self::V1(superblock) => drop(superblock.edit(v1::Edit::ReshapePosition(position))),
        }
    }

    /// A reshape that has laid nothing out anew is forgotten.
    ///
    /// # Errors
    /// It has, or there is none.
    pub fn forget_reshape(&mut self) -> Result<(), v1::NotReverted> {
        match self {
            Self::V0(superblock) => superblock.forget_reshape(),
            Self::V1(superblock) => superblock.revert_reshape(true),
        }
    }

    /// A reshape is over: the shape that it was to make is the shape that there is.
    pub fn end_reshape(&mut self) {
        match self {
            Self::V0(superblock) => superblock.end_reshape(),
            Self::V1(superblock) => drop(superblock.edit(v1::Edit::Reshaped)),
        }
    }

    /// Whether a reshape is under way that cannot go on without the data that was set aside in a file.
    #[must_use]
    pub fn needs_backup(&self) -> bool {
        match self {
            Self::V0(superblock) => self.is_reshaping() && superblock.delta_disks() <= 0,
            Self::V1(superblock) => {
                self.is_reshaping()
                    && !superblock.feature_map().contains(v1::FeatureMap::NEW_OFFSET)
                    && superblock.delta_disks() <= 0
            }
        }
    }

    /// How far a resync of the array came; `None`: none is due. 0 also while the array is being written to.
    #[must_use]
    pub fn resync_offset(&self) -> Option<Sectors> {
        match self {
            Self::V0(superblock) if superblock.state().contains(v0::ArrayState::CLEAN) => None,
            Self::V0(superblock) => Some(superblock.recovery_cp()),
            Self::V1(superblock) => superblock.resync_offset(),
        }
    }

    /// Whether the array has a write journal, without which it must not be written.
    #[must_use]
    pub fn wants_journal(&self) -> bool {
        match self {
            Self::V0(_) => false,
            Self::V1(superblock) => superblock.feature_map().contains(v1::FeatureMap::JOURNAL),
        }
    }

    /// Whether it says which of two layouts a RAID0 of unequal members has.
    #[must_use]
    pub fn has_raid0_layout(&self) -> bool {
        match self {
            Self::V0(_) => false,
            Self::V1(superblock) => {
                superblock.feature_map().contains(v1::FeatureMap::RAID0_LAYOUT)
                    && matches!(superblock.layout(), 1 | 2)
            }
        }
    }

    /// Whether a partial parity log closes the write hole: such an array counts as clean.
    #[must_use]
    pub fn has_ppl(&self) -> bool {
        match self {
            Self::V0(_) => false,
            Self::V1(superblock) => {
                superblock.feature_map().intersects(v1::FeatureMap::PPL | v1::FeatureMap::MULTIPLE_PPLS)
            }
        }
    }

    /// So many numbers of devices its table has.
    #[must_use]
    pub fn numbers(&self) -> u32 {
        match self {
            Self::V0(_) => v0::MAX_DISKS,
            Self::V1(superblock) => superblock.max_dev().min(v1::MAX_DEVICES),
        }
    }

    /// What device `number` is in this device's copy.
    #[must_use]
    pub fn role_of(&self, number: u32) -> Role {
        match self {
            Self::V0(superblock) => {
                let nth = usize::try_from(number).unwrap_or(usize::MAX);
                superblock.disks().nth(nth).map_or(Role::Spare, |disk| disk.role())
            }
            Self::V1(superblock) => match superblock.role_of(number) {
                v1::ROLE_SPARE => Role::Spare,
                v1::ROLE_FAULTY => Role::Faulty,
                v1::ROLE_JOURNAL => Role::Journal,
                slot => Role::Slot { slot: slot.into(), replacement: false },
            },
        }
    }

    /// The event count changed.
    pub fn set_events(&mut self, events: Events) {
        match self {
            Self::V0(superblock) => force(superblock.edit(v0::Edit::Events(events))),
            Self::V1(superblock) => force(superblock.edit(v1::Edit::Events(events))),
        }
    }

    /// It was last written at this time.
    pub fn set_updated(&mut self, seconds: u64) {
        match self {
            Self::V0(superblock) => {
                let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
                force(superblock.edit(v0::Edit::Updated(seconds)));
            }
            Self::V1(superblock) => force(superblock.edit(v1::Edit::Updated(seconds))),
        }
    }

    /// No resync needed.
    pub fn mark_clean(&mut self) {
        match self {
            Self::V0(superblock) => force(superblock.edit(v0::Edit::MarkClean)),
            Self::V1(superblock) => force(superblock.edit(v1::Edit::MarkClean)),
        }
    }

    /// Device `number` is again in `slot`.
    pub fn set_slot(&mut self, number: u32, slot: u32) {
        match self {
            Self::V0(superblock) => {
                let nth = usize::try_from(number).unwrap_or(usize::MAX);
                let Some(disk) = superblock.disks().nth(nth) else { return };
                let state = v0::DiskState::ACTIVE | v0::DiskState::SYNC;
                force(superblock.edit(v0::Edit::Disk(v0::Disk { number, raid_disk: slot, state, ..disk })));
            }
            Self::V1(superblock) => {
                let role = Role::Slot { slot, replacement: false };
                force(superblock.edit(v1::Edit::Role { number, role }));
            }
        }
    }

    /// The bytes to write, with a right checksum.
    #[must_use]
    pub fn encode(&self) -> Write {
        match self {
            Self::V0(superblock) => superblock.encode(),
            Self::V1(superblock) => superblock.encode(),
        }
    }
}

/// The numbers come from superblocks that were read, so they are within the format.
fn force<E: std::fmt::Debug>(done: Result<bool, E>) {
    debug_assert!(done.is_ok(), "{done:?}");
}
