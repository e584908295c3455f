//! One group as a decision over many looks sees it.

use std::{collections::BTreeMap, time::Duration};

use superblock::{Bytes, Sectors, foreign::Kind, lvm::Stamp};

use super::{
    super::{Below, Candidate, DevId, active::Active},
    FoundGroup, Groups,
};

/// What is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupLook {
    /// The group's name.
    pub name: String,
    /// What is done, for the metadata.
    pub command: String,
    /// Also what the stores have of these snapshots and of the others of their origins.
    pub stores_of: Vec<String>,
    /// Paths whose devices' numbers are asked for.
    pub paths: Vec<String>,
    /// So many random identities.
    pub fresh: usize,
    /// Also what its devices are.
    pub below: bool,
    /// Devices that are to join it.
    pub joining: Vec<String>,
    /// Also what is in this volume.
    pub inside: Option<String>,
    /// Programs that may be missed.
    pub tools: Vec<String>,
}

/// All groups, and the devices of one.
#[derive(Debug, Default)]
pub struct GroupSeen {
    /// The name that was asked for.
    pub name: String,
    /// All groups.
    pub groups: Groups,
    /// The group's devices.
    pub active: Active,
    /// By the snapshots' names; why one could not be read.
    pub stores: BTreeMap<String, Result<StoreSeen, String>>,
    /// Numbers of the paths that were asked for.
    pub numbers: Vec<(String, DevId)>,
    /// Random bytes.
    pub random: Vec<[u8; 32]>,
    /// What the group's devices are.
    pub below: Vec<Below>,
    /// The devices that are to join it, in their order: what is on each, and what it is.
    pub joining: Vec<(Candidate, Below)>,
    /// What is in the volume that was asked for; `None` where the group does not have it.
    pub inside: Option<VolumeInside>,
    /// Those of the programs that are not there.
    pub absent: Vec<String>,
    /// Who would write now.
    pub stamp: Stamp,
    /// A clock that is only good for differences.
    pub clock: Duration,
}

impl GroupSeen {
    /// The group, if there is exactly one of the name.
    #[must_use]
    pub fn found(&self) -> Option<&FoundGroup> {
        self.groups.group(&self.name)
    }
}

/// All groups, and the devices of all.
#[derive(Clone, Debug, Default)]
pub struct VolumesSeen {
    /// All groups.
    pub groups: Groups,
    /// By the identity of the group, as device names have it.
    pub active: BTreeMap<String, Active>,
    /// Who would write now.
    pub stamp: Stamp,
}

/// A volume from inside.
#[derive(Debug)]
pub struct VolumeInside {
    /// What was recognised, and how large it says that it is; why its devices could not be read.
    pub content: Result<Option<(Kind, Option<Bytes>)>, String>,
    /// What its store has on its devices; `None` for what is not a snapshot, or is active, so that the driver knows it.
    pub store: Option<Result<StoreSeen, String>>,
}

/// What the store of a snapshot has on its devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSeen {
    /// The kernel did not give it up.
    pub is_valid: bool,
    /// Its chunk.
    pub chunk: Sectors,
    /// What of it is not in use.
    pub free: Sectors,
    /// Which chunks of the origin it has: first and count, in order.
    pub changed: Vec<(u64, u64)>,
}
