//! What one device says of its array, in the form in which assembly looks at it, whatever the format.

use superblock::{
    Damage, Endian, Events, Membership, Role, Sectors, Write,
    bitmap::{self, Version},
    probe::{Found, Native},
    v0, v1,
};

use crate::{
    config::Metadata as Format,
    model::{DevId, Device},
};

/// A superblock of a native format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// 0.90.
    V0(v0::Superblock),
    /// 1.0, 1.1, 1.2.
    V1(v1::Superblock),
}

impl Metadata {
    /// As users name it.
    #[must_use]
    pub fn format(&self) -> &'static str {
        match self {
            Self::V0(_) => "0.90",
            Self::V1(superblock) => superblock.minor().name(),
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

    /// Whether it is of the format that is asked for.
    #[must_use]
    pub fn is_of(&self, asked: Option<Format>) -> bool {
        match asked {
            None | Some(Format::Default) => true,
            Some(Format::V0) => self.version().0 == 0,
            Some(Format::V1(None)) => self.version().0 == 1,
            Some(Format::V1(Some(minor))) => self.version() == (1, i32::from(minor)),
            Some(Format::Ddf | Format::Imsm | Format::Gpt | Format::Mbr) => false,
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
    pub(super) fn set_events(&mut self, events: Events) {
        match self {
            Self::V0(superblock) => force(superblock.edit(v0::Edit::Events(events))),
            Self::V1(superblock) => force(superblock.edit(v1::Edit::Events(events))),
        }
    }

    /// No resync needed.
    pub(super) fn mark_clean(&mut self) {
        match self {
            Self::V0(superblock) => force(superblock.edit(v0::Edit::MarkClean)),
            Self::V1(superblock) => force(superblock.edit(v1::Edit::MarkClean)),
        }
    }

    /// Device `number` is again in `slot`.
    pub(super) fn set_slot(&mut self, number: u32, slot: u32) {
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

/// One device with a superblock.
#[derive(Clone, Debug)]
pub struct Claim {
    /// As the user or the scan named it.
    pub path: String,
    /// Device number.
    pub id: DevId,
    /// The superblock.
    pub metadata: Metadata,
    /// What it says.
    pub facts: Membership,
    /// What is wrong with its bytes, where something is.
    pub damage: Option<String>,
    /// A number in it is out of bounds: not even force gives it to the kernel.
    pub impossible: bool,
    /// The array has a bitmap of the lockless kind.
    pub lockless: bool,
    /// Somebody has it.
    pub busy: bool,
    /// It is a partition.
    pub is_partition: bool,
    /// The device's size.
    pub device: Sectors,
    /// The device's logical block in bytes.
    pub logical_block: u32,
    /// The bitmap's superblock, where there is a sound one, and its place.
    pub bitmap: Option<(Sectors, bitmap::Superblock)>,
}

/// The damage of a superblock that is sound and not for this machine.
const SWAPPED: &str = "its byte order is not this machine's";

impl Claim {
    /// From what was read of a device: of several superblocks the one that was created last, or the one of the format
    /// that is asked for. `None` where there is none.
    #[must_use]
    pub fn of(device: &Device, asked: Option<Format>) -> Option<Self> {
        let claims = device.probe.found.iter().map(|found| Self::found(device, found));
        let wanted = claims.filter(|claim| claim.metadata.is_of(asked));
        // Sound ones first; of equals the first.
        wanted.reduce(|best, next| {
            let rank = |claim: &Self| (claim.damage.is_none(), claim.facts.created);
            if rank(&next) > rank(&best) { next } else { best }
        })
    }

    fn found(device: &Device, found: &Found) -> Self {
        let bounds = found.superblock.bounds().err();
        let impossible = bounds.is_some();
        let damage = bounds.or_else(|| found.verify().err()).map(|damage| in_short(&damage));
        let lockless = found.bitmap.is_some_and(|bitmap| bitmap.version() == Some(Version::Lockless));
        match &found.superblock {
            Native::V0(unverified) => {
                let superblock = unverified.fields().clone();
                let swapped = superblock.order() != Endian::HOST;
                let swapped = swapped.then(|| SWAPPED.to_owned());
                let facts = superblock.membership();
                let bitmap = superblock.bitmap_at().zip(found.bitmap);
                Self {
                    bitmap,
                    impossible,
                    ..Self::new(device, Metadata::V0(superblock), facts, damage.or(swapped))
                }
            }
            Native::V1(unverified) => {
                let superblock = unverified.fields().clone();
                let bitmap = superblock.bitmap_at().zip(found.bitmap);
                Self { lockless, bitmap, impossible, ..Self::from_v1(device, superblock, damage) }
            }
        }
    }

    /// From a device and a superblock that has been checked.
    #[must_use]
    pub fn from_v1(device: &Device, superblock: v1::Superblock, damage: Option<String>) -> Self {
        let facts = superblock.membership();
        Self::new(device, Metadata::V1(superblock), facts, damage)
    }

    /// From a device and the 0.90 superblock that was found on it.
    #[must_use]
    pub fn v0(device: &Device, found: v0::Unverified) -> Self {
        let bounds = found.bounds().err();
        let impossible = bounds.is_some();
        let mut damage = bounds.or_else(|| found.check().err()).map(|damage| in_short(&damage));
        let superblock = found.despite_checksum();
        if superblock.order() != Endian::HOST {
            damage = damage.or(Some(SWAPPED.to_owned()));
        }
        let facts = superblock.membership();
        Self { impossible, ..Self::new(device, Metadata::V0(superblock), facts, damage) }
    }

    fn new(device: &Device, metadata: Metadata, facts: Membership, damage: Option<String>) -> Self {
        Self {
            path: device.path.clone(),
            id: device.id,
            metadata,
            facts,
            damage,
            impossible: false,
            lockless: false,
            busy: device.busy,
            is_partition: device.whole.is_some(),
            device: device.sectors(),
            logical_block: device.logical_block,
            bitmap: None,
        }
    }

    /// Whether assembly may go by it. Force takes a wrong checksum, and nothing that the kernel would stumble over.
    #[must_use]
    pub fn is_usable(&self, force: bool) -> bool {
        self.damage.is_none() || (force && !self.impossible)
    }

    /// Whether it is sound and of a machine of the other byte order.
    pub(super) fn is_swapped(&self) -> bool {
        self.damage.as_deref() == Some(SWAPPED)
    }

    /// Reads the facts anew from the metadata, which changed; `mended`: nothing is wrong with it any more.
    pub(super) fn reread(&mut self, mended: bool) {
        self.facts = self.metadata.membership();
        if mended {
            self.damage = None;
        }
    }

    /// Slots that the array may have, during a reshape the larger number; bounded by the format.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.metadata.slots_before().max(self.facts.raid_disks).min(v1::MAX_DEVICES)
    }

    /// Whether the array was made on this host: its name begins with the host's, or (0.90) its UUID ends in its hash.
    #[must_use]
    pub fn is_local_to(&self, host: &[u8]) -> bool {
        match &self.metadata {
            Metadata::V0(superblock) => superblock.is_local_to(host),
            Metadata::V1(superblock) => superblock.is_local_to(host),
        }
    }

    /// The stored name; for 0.90, which has none, the preferred minor in decimal.
    #[must_use]
    pub fn name(&self) -> String {
        match (&self.facts.name, self.facts.minor) {
            (Some(name), _) => String::from_utf8_lossy(name).into_owned(),
            (None, Some(minor)) => minor.to_string(),
            (None, None) => String::new(),
        }
    }

    /// The slot that the device claims.
    #[must_use]
    pub fn slot(&self) -> Option<(u32, bool)> {
        match self.facts.role {
            Role::Slot { slot, replacement } => Some((slot, replacement)),
            Role::Spare | Role::Faulty | Role::Journal => None,
        }
    }

    /// Whether all of its data is there. While an array grows, the added slots are filled by the reshape itself.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let growing = self.metadata.is_reshaping()
            && self.slot().is_some_and(|(slot, _)| slot >= self.metadata.slots_before());
        self.facts.recovery_offset.is_none_or(|offset| offset == Sectors(u64::MAX)) || growing
    }
}

/// What is wrong, without the place, which the sentence around it names.
fn in_short(damage: &Damage) -> String {
    match damage {
        Damage::Corrupt { what, .. } => what.to_string(),
        Damage::Unsupported { why, .. } => why.clone(),
        Damage::Io { source, .. } => source.to_string(),
    }
}
