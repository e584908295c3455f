//! What one device says of its array, in the form in which assembly looks at it, whatever the format.

use std::sync::Arc;

use superblock::{
    Damage, Membership, Native, Role, Sectors, Unverified,
    bitmap::{self, Version},
    probe::Found,
    v1,
};

use crate::{
    config::Metadata as Format,
    model::{DevId, Device, grow::SetAside},
};

/// One device with a superblock.
#[derive(Clone, Debug)]
pub struct Claim {
    /// As the user or the scan named it.
    pub path: String,
    /// Device number.
    pub id: DevId,
    /// The superblock.
    pub metadata: Native,
    /// What it says.
    pub facts: Membership,
    /// What is wrong with its bytes, where something is.
    pub damage: Option<String>,
    /// A number in it is out of bounds: not even force gives it to the kernel.
    pub impossible: bool,
    /// The array has a bitmap of the lockless kind.
    pub lockless: bool,
    /// What is set aside of its array.
    pub aside: Option<Arc<SetAside>>,
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
        let all: Vec<Self> = Self::all(device).collect();
        Self::best(all.iter().filter(|claim| claim.is_of(asked))).cloned()
    }

    /// All superblocks of a device.
    pub fn all(device: &Device) -> impl Iterator<Item = Self> + '_ {
        device.probe.found.iter().map(|found| Self::found(device, found))
    }

    /// Of several superblocks of one device the one that counts: sound ones first, then the one that was created last;
    /// of equals the first.
    pub fn best<'a>(claims: impl Iterator<Item = &'a Self>) -> Option<&'a Self> {
        claims.reduce(|best, next| {
            let rank = |claim: &Self| (claim.damage.is_none(), claim.facts.created);
            if rank(next) > rank(best) { next } else { best }
        })
    }

    /// Whether it is of the format that is asked for; `default` is any format to assembly.
    #[must_use]
    pub fn is_of(&self, asked: Option<Format>) -> bool {
        asked.is_none_or(|asked| asked == Format::Default || asked.takes(self.metadata.format()))
    }

    fn found(device: &Device, found: &Found) -> Self {
        let lockless = found.bitmap.is_some_and(|bitmap| bitmap.version() == Some(Version::Lockless));
        let bitmap = found.fields().bitmap_at().zip(found.bitmap);
        Self { lockless, bitmap, ..Self::read(device, &found.superblock) }
    }

    /// From a device and the superblock that was read of it.
    #[must_use]
    pub fn read(device: &Device, superblock: &Unverified<Native>) -> Self {
        let bounds = superblock.bounds().err();
        let impossible = bounds.is_some();
        let damage = bounds.or_else(|| superblock.check().err()).map(|damage| in_short(&damage));
        let native = superblock.fields().clone();
        let swapped = (!native.is_of_this_machine()).then(|| SWAPPED.to_owned());
        Self { impossible, ..Self::new(device, native, damage.or(swapped)) }
    }

    /// From a device and a superblock that has been checked.
    #[must_use]
    pub fn from_v1(device: &Device, superblock: v1::Superblock, damage: Option<String>) -> Self {
        Self::new(device, Native::V1(superblock), damage)
    }

    fn new(device: &Device, metadata: Native, damage: Option<String>) -> Self {
        Self {
            facts: metadata.membership(),
            path: device.path.clone(),
            id: device.id,
            metadata,
            damage,
            impossible: false,
            lockless: false,
            aside: device.aside.clone(),
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
        self.metadata.is_local_to(host)
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
