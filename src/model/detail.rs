//! One running array as a value, with everything that a report about it shows.

use crate::words::{ArrayState, ConsistencyPolicy, SyncKind};
use superblock::{Bytes, Kib, Level, MdUuid, Native, bitmap};

use super::DevId;

/// An array as the kernel, its members and the map file describe it.
#[derive(Clone, Debug)]
pub struct ArrayDetail {
    /// As the user or the scan named it.
    pub device: String,
    /// The kernel's name (`md127`).
    pub kernel_name: String,
    /// The size of the block device; 0 before the array is started.
    pub size: Bytes,
    /// `metadata_version`, as the kernel has it.
    pub metadata: MetadataVersion,
    /// `array_state`; `None` where sysfs has none.
    pub array_state: Option<ArrayState>,
    /// The level's number. 0 too where the array has not been started.
    pub level: Level,
    /// Layout number.
    pub layout: u32,
    /// Chunk; 0 where the level has none.
    pub chunk: Bytes,
    /// Used size of each member.
    pub component_size: Option<Kib>,
    /// How many devices there are, by kind.
    pub counts: Counts,
    /// Creation time, seconds since 1970; 0 where it is not known.
    pub created: u32,
    /// Last update; 0 where it is not known.
    pub updated: u32,
    /// The array has no superblocks.
    pub not_persistent: bool,
    /// Its minor number.
    pub minor: i32,
    /// The kernel's flags.
    pub flags: KernelFlags,
    /// An external bitmap's path; of kernels that still have such.
    pub bitmap_file: Option<String>,
    /// `consistency_policy`; `None` where the kernel has no such attribute.
    pub consistency_policy: Option<ConsistencyPolicy>,
    /// What runs, or waits to run.
    pub sync: Option<Sync>,
    /// The members with a number, as GET_DISK_INFO has them; of an array that has not been started, all with
    /// number −1.
    pub members: Vec<TableMember>,
    /// The members in sysfs, in the order of its directory.
    pub attached: Vec<Attached>,
    /// The superblock of a member, where one could be read that belongs to this array.
    pub superblock: Option<MemberSuperblock>,
    /// The array's line in the map file.
    pub map: Option<MapKnown>,
    /// The container, for a member of one.
    pub container: Option<ContainerPlace>,
    /// The arrays on a container, by path.
    pub member_arrays: Vec<String>,
}

/// `metadata_version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataVersion {
    /// No superblocks that the kernel manages.
    None,
    /// Superblocks managed in user space: the text after `external:`.
    External(String),
    /// The kernel's own: major, minor.
    Native(i32, i32),
}

/// Devices by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Slots; 0 before the array is started.
    pub raid_disks: u32,
    /// All.
    pub total: i32,
    /// In sync.
    pub active: i32,
    /// Not failed.
    pub working: i32,
    /// Failed.
    pub failed: i32,
    /// Neither failed nor in sync.
    pub spare: i32,
}

/// The kernel's flags of the array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelFlags {
    /// No write is under way.
    pub clean: bool,
    /// There is a bitmap.
    pub bitmap: bool,
    /// It is a cluster's.
    pub clustered: bool,
}

/// How far a synchronisation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncStage {
    /// Whole percents.
    Percent(u8),
    /// It waits for another array on the same devices.
    Delayed,
    /// It waits for the first write.
    Pending,
    /// Another node of the cluster does it.
    Remote,
}

/// A synchronisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sync {
    /// What.
    pub kind: SyncKind,
    /// How far.
    pub stage: SyncStage,
}

/// One member as the kernel's table has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableMember {
    /// Its number in the metadata; −1 where it has none.
    pub number: i32,
    /// Its device number.
    pub dev: DevId,
    /// Its slot; −1 where it has none.
    pub raid_disk: i32,
    /// The kernel's bits.
    pub state: MemberFlags,
    /// A path to it; `None` where there is no node, or no such device any more.
    pub path: Option<String>,
    /// Whether the device is still there.
    pub alive: bool,
}

/// A member's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberFlags {
    /// Failed.
    pub faulty: bool,
    /// In a slot.
    pub active: bool,
    /// Up to date.
    pub sync: bool,
    /// Gone.
    pub removed: bool,
    /// Read only when there is no other.
    pub write_mostly: bool,
    /// Not retried.
    pub failfast: bool,
    /// The write journal.
    pub journal: bool,
    /// Any further bit: replacement, clustered states.
    pub other: bool,
}

/// A member as sysfs has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// `dev-sda1`.
    pub sys_name: String,
    /// Its device number.
    pub dev: DevId,
    /// Its slot; `None` for what is no number there.
    pub slot: Option<u32>,
    /// A path to it.
    pub path: Option<String>,
}

/// A member's superblock.
#[derive(Clone, Debug)]
pub struct MemberSuperblock {
    /// The superblock.
    pub native: Native,
    /// The bitmap's superblock, where there is one.
    pub bitmap: Option<Box<bitmap::Superblock>>,
}

/// What the map file knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapKnown {
    /// The array.
    pub uuid: MdUuid,
    /// The chosen path.
    pub path: String,
}

/// A container and the place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPlace {
    /// A path to it.
    pub path: String,
    /// Which of its arrays.
    pub member: String,
}

/// What `--query` finds out about one device.
#[derive(Clone, Debug)]
pub struct Queried {
    /// As an array.
    pub array: QueriedArray,
    /// As a member, by its superblock.
    pub member: Option<QueriedMember>,
    /// Why nothing should be decided by that superblock.
    pub doubt: Option<String>,
    /// Why it was not read for a superblock: it does not answer.
    pub silent: Option<String>,
}

impl Queried {
    /// Why nothing can be said of the device at all.
    #[must_use]
    pub fn unknown(&self) -> Option<&str> {
        self.silent.as_deref().filter(|_| self.array == QueriedArray::No)
    }
}

/// A device as an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueriedArray {
    /// Nothing of md's.
    No,
    /// An md device whose array does not run.
    Inactive,
    /// An md device that does not answer: the kernel's words.
    Unanswered(String),
    /// An array that runs.
    Yes {
        /// Its size.
        size: Bytes,
        /// The kernel's word.
        level: String,
        /// Slots.
        raid_disks: u32,
        /// Members that are neither failed nor in sync.
        spares: u32,
    },
}

/// A device as a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueriedMember {
    /// Its number.
    pub number: u32,
    /// Slots of its array.
    pub raid_disks: u32,
    /// Its array's level.
    pub level: Level,
    /// What the array does.
    pub activity: Presence,
    /// A path to the array.
    pub path: Option<String>,
}

/// Whether an array runs and has a device that says it belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It runs with this device.
    Active,
    /// It runs, and has another device for this number.
    Mismatch,
    /// It is known and does not run.
    Undetected,
    /// It is not known.
    Inactive,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_answer_is_not_called_no_array() {
        let queried = |array| Queried { array, member: None, doubt: None, silent: Some("suspended".into()) };
        assert_eq!(queried(QueriedArray::No).unknown(), Some("suspended"));
        // The driver itself says what an array is, whatever is below it.
        assert_eq!(queried(QueriedArray::Inactive).unknown(), None);
        assert_eq!(Queried { silent: None, ..queried(QueriedArray::No) }.unknown(), None);
    }
}
