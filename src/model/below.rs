//! What a group's device is: an array, as a rule, with its own state and members.

use crate::words::{ArrayState, SyncAction};
use superblock::{Bytes, Sectors};

use super::DevId;

/// A block device that a group may stand on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Below {
    /// One path.
    pub path: String,
    /// Its number.
    pub dev: DevId,
    /// The kernel's name (`md127`).
    pub kernel_name: String,
    /// Its size.
    pub size: Bytes,
    /// The smallest write.
    pub logical_block: u32,
    /// The kernel refuses writes.
    pub read_only: bool,
    /// A full stripe; 0 where there is none.
    pub stripe: Sectors,
    /// By which a devices file of LVM2's knows it: kind and name.
    pub listed: Option<(String, String)>,
    /// Where it is an array.
    pub array: Option<BelowArray>,
}

/// An array's state in a few words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BelowArray {
    /// `raid5`.
    pub level: String,
    /// The kernel's `array_state`.
    pub state: ArrayState,
    /// Slots.
    pub slots: u64,
    /// Slots without a working member.
    pub degraded: u64,
    /// What runs on it: `resync`, `recovery`, …; `None` where nothing does.
    pub action: Option<SyncAction>,
    /// The kernel's names of its members.
    pub members: Vec<String>,
}

impl Below {
    /// What should be said before something new is put on it.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let array = self.array.as_ref().filter(|array| array.degraded > 0)?;
        let (path, level) = (&self.path, &array.level);
        Some(format!(
            "{path} is degraded: {} of {} members of the {level} are missing; what is written now is not protected as it should be",
            array.degraded, array.slots
        ))
    }
}
