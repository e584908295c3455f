//! The version-1 superblock: 1.0, 1.1 and 1.2, which differ only in where they are.
//!
//! *Where*: 1.0 on the 4 KiB boundary that is 8 to 12 KiB before the end, 1.1 at the start, 1.2 at 4 KiB.
//! The structure says itself where it is (`super_offset`); one that was read elsewhere is not this device's
//! and counts as absent, as it does for the kernel and for mdadm.
//! *Byte order*: little. *Checksum*: [`crate::checksum::md1_sum`] over `256 + 2 * max_dev` bytes.
//! *Written by*: mdadm at creation, then by the kernel at every change of state. Both write only the whole
//! sectors that `max_dev` needs; what lies behind them in the page is kept by us and never written.
//! *Source*: `include/uapi/linux/raid/md_p.h`, `drivers/md/md.c` (`super_1_load`, `super_1_validate`).
//!
//! *Quirks*: mdadm does not verify the checksum on load, the kernel does; hence two types. [`Unverified`] is
//! what was read, fit for a report; [`Unverified::verify`] makes the [`Superblock`] that decisions use.

mod bounds;
mod create;
mod edit;
mod fields;
mod join;
mod raw;
mod update;

use std::fmt;

use zerocopy::{FromZeros, IntoBytes};

use crate::{
    Damage, Media, Membership, Role, What, Write,
    checksum::md1_sum,
    units::{Bytes, Sectors},
};

pub use create::{NewArray, NewBitmap, NewMember, NotPossible, set_name};
pub use edit::{Edit, NoSuchNumber};
pub use fields::{BadBlockLog, Ppl};
pub use join::Newcomer;
pub use raw::{
    DevFlags, FeatureMap, MAGIC, MAX_DEVICES, ROLE_FAULTY, ROLE_JOURNAL, ROLE_MAX, ROLE_SPARE, SIZE, Stamp,
};

pub(crate) use update::aligned;
pub use update::{NoPpl, NotReverted};

use fields::COMPLETE;
use raw::Page;

/// Smaller devices are refused by mdadm and by the kernel.
pub const MIN_DEVICE: Sectors = Sectors(24);

/// The minor version, which is the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Minor {
    /// Near the end.
    V1_0,
    /// At the start.
    V1_1,
    /// 4 KiB from the start.
    V1_2,
}

impl Minor {
    /// In the order in which they are looked for.
    pub const ALL: [Self; 3] = [Self::V1_0, Self::V1_1, Self::V1_2];

    /// As the user writes it: "1.2".
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        }
    }

    /// The kernel's `minor_version`.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::V1_0 => 0,
            Self::V1_1 => 1,
            Self::V1_2 => 2,
        }
    }

    /// Where the superblock of this version is on a device of `len`; `None` where the device is too small.
    #[must_use]
    pub fn place(self, len: Bytes) -> Option<Sectors> {
        let device = len.sectors();
        if device < MIN_DEVICE {
            return None;
        }
        Some(match self {
            Self::V1_0 => device.saturating_sub(Sectors(16)).round_down(Sectors(8)),
            Self::V1_1 => Sectors(0),
            Self::V1_2 => Sectors(8),
        })
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where superblocks may be on a device of `len`, in the order in which they are looked for.
pub fn places(len: Bytes) -> impl Iterator<Item = (Minor, Sectors)> {
    Minor::ALL.into_iter().filter_map(move |minor| Some((minor, minor.place(len)?)))
}

/// A version-1 superblock. Holds the whole page as read, so what we do not know survives a rewrite.
#[derive(Clone)]
pub struct Superblock {
    minor: Minor,
    page: Box<Page>,
}

/// A superblock in its place that was not judged.
pub type Unverified = crate::Unverified<Superblock>;

/// Looks for the superblock of one minor version. `None` where it is not here.
///
/// # Errors
/// [`Damage::Corrupt`] where `max_dev` is beyond the page, so that not even the checksum has a meaning;
/// [`Damage::Unsupported`] for a later major version; [`Damage::Io`].
pub fn read(media: &dyn Media, minor: Minor) -> Result<Option<Unverified>, Damage> {
    let format = minor.name();
    let Some(at) = minor.place(media.len()) else { return Ok(None) };
    let mut page = Box::new(Page::new_zeroed());
    media.read_at(at.bytes(), page.as_mut_bytes()).map_err(|source| Damage::Io { format, at, source })?;
    let head = &page.head;
    if head.magic.get() != MAGIC || head.super_offset.get() != at.0 {
        return Ok(None);
    }
    match head.major_version.get() {
        0 => return Ok(None),
        1 => {}
        later => return Err(Damage::Unsupported { format, at, why: format!("major version {later}") }),
    }
    if head.max_dev.get() > MAX_DEVICES {
        let what = What::Field { field: "max_dev", value: head.max_dev.get().into(), rule: "at most 1920" };
        return Err(Damage::Corrupt { format, at, what });
    }
    Ok(Some(Unverified::new(Superblock { minor, page }, media.len().sectors())))
}

impl Superblock {
    /// The minor version: where it is.
    #[must_use]
    pub fn minor(&self) -> Minor {
        self.minor
    }

    /// Where it is, in sectors from the start of the device.
    #[must_use]
    pub fn at(&self) -> Sectors {
        Sectors(self.page.head.super_offset.get())
    }

    /// All bytes of the page, including those behind the roles that are never written.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.page.as_bytes()
    }

    /// The checksum of the bytes as they stand.
    #[must_use]
    pub fn computed_csum(&self) -> u32 {
        md1_sum(self.used(self.used_len()))
    }

    /// Whether the stored checksum is the computed one.
    #[must_use]
    pub fn checksum_ok(&self) -> bool {
        self.sb_csum() == self.computed_csum()
    }

    /// `256 + 2 * max_dev`.
    fn used_len(&self) -> usize {
        usize::try_from(self.max_dev()).unwrap_or(SIZE).saturating_mul(2).saturating_add(256)
    }

    fn used(&self, len: usize) -> &[u8] {
        let bytes = self.page.as_bytes();
        bytes.get(..len).unwrap_or(bytes)
    }

    /// What goes to the device: the whole sectors that `max_dev` needs, with the checksum filled in.
    ///
    /// On a device with larger logical blocks the rest of the last block is to be kept as it is.
    #[must_use]
    pub fn encode(&self) -> Write {
        let mut page = self.page.clone();
        page.head.sb_csum.set(self.computed_csum());
        let len = self.used_len().next_multiple_of(512);
        let bytes = page.as_bytes();
        Write { at: self.at().bytes(), data: bytes.get(..len).unwrap_or(bytes).to_vec() }
    }

    /// The common view.
    #[must_use]
    pub fn membership(&self) -> Membership {
        let features = self.feature_map();
        let role = self.role();
        let recovering = features.contains(FeatureMap::RECOVERY_OFFSET) && role != Role::Journal;
        Membership {
            array: self.set_uuid(),
            member: Some(self.device_uuid()),
            name: Some(self.set_name().to_vec()),
            minor: None,
            level: self.level(),
            raid_disks: self.raid_disks(),
            layout: self.layout(),
            chunk: self.chunksize(),
            component_size: self.size(),
            data_offset: self.data_offset(),
            data_size: self.data_size(),
            events: self.events(),
            role,
            dev_number: self.dev_number(),
            created: self.ctime().seconds,
            updated: self.utime().seconds,
            clean: self.is_clean(),
            recovery_offset: recovering.then(|| self.recovery_offset()),
            reshape_position: features.contains(FeatureMap::RESHAPE_ACTIVE).then(|| self.reshape_position()),
        }
    }

    /// What the kernel will refuse although the checksum is right (`super_1_load`): features that we do not
    /// know either, padding with a value, offsets that contradict each other.
    ///
    /// A logical block size is accepted here; kernels before 6.19 see it as padding and refuse it.
    ///
    /// # Errors
    /// The first objection.
    pub fn kernel_objection(&self) -> Result<(), Damage> {
        let features = self.feature_map();
        if features.unknown() != 0 {
            let why = format!("feature bits {:#x} that no known kernel accepts", features.unknown());
            return Err(Damage::Unsupported { format: self.minor.name(), at: self.at(), why });
        }
        let field = |field, value: i128, rule| Err(self.corrupt(What::Field { field, value, rule }));
        if self.data_size().0 < 10 {
            return field("data_size", self.data_size().0.into(), "at least 10 sectors");
        }
        let padding = self.page.head.pad3.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        if self.page.head.pad0.get() != 0 || padding != 0 {
            return field("pad3", padding.into(), "0 in every known version");
        }
        let room = Sectors(u64::try_from(self.used_len().div_ceil(512)).unwrap_or(u64::MAX));
        if self.minor != Minor::V1_0 && self.data_offset() < self.at().saturating_add(room) {
            return field("data_offset", self.data_offset().0.into(), "behind the superblock");
        }
        let ppl = FeatureMap::PPL | FeatureMap::MULTIPLE_PPLS;
        if features.contains(FeatureMap::BITMAP_OFFSET) && features.intersects(ppl) {
            return field("feature_map", features.bits().into(), "a bitmap or a PPL, not both");
        }
        if features.contains(FeatureMap::BAD_BLOCKS) {
            let log = self.bad_block_log().unwrap_or_default();
            if log.offset == 0 || log.size > 8 {
                return field("bblog_size", log.size.into(), "1 to 8 sectors where bad blocks are present");
            }
        }
        Ok(())
    }

    fn corrupt(&self, what: What) -> Damage {
        Damage::Corrupt { format: self.minor.name(), at: self.at(), what }
    }
}

impl PartialEq for Superblock {
    fn eq(&self, other: &Self) -> bool {
        self.minor == other.minor && self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Superblock {}

impl fmt::Debug for Superblock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minor, array, member) = (self.minor, self.set_uuid(), self.device_uuid());
        write!(f, "{minor} superblock of {member}, a member of {array}")
    }
}

#[cfg(test)]
mod tests;
