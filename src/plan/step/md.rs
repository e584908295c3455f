//! Acts on an array in the kernel, and the names that steps have for arrays and members.

use std::fmt;

use superblock::{Bytes, Kib, Level, MdUuid, Sectors};

use crate::words::{ArrayAttr, ArrayState, DevId, MemberAttr};

/// An array as steps name it: the kernel's name, and the path that people use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrayName {
    /// Kernel name (`md127`).
    pub kernel: String,
    /// The path to show and, without udev, to make (`/dev/md/home`, `/dev/md0`).
    pub path: String,
}

impl fmt::Display for ArrayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kernel)
    }
}

/// An array that has no metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegacyShape {
    /// The level.
    pub level: Level,
    /// Layout number.
    pub layout: u32,
    /// Chunk; 0 where the level has none.
    pub chunk: Bytes,
    /// Used size of each member; 0 for what the smallest has.
    pub size: Kib,
    /// Slots.
    pub raid_disks: u32,
    /// The members are equal: no resync.
    pub clean: bool,
}

/// A member as steps name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberName {
    /// As it is shown.
    pub shown: String,
    /// Its number; `None` once the device is gone.
    pub dev: Option<DevId>,
    /// Its name in sysfs, where that is how it was found.
    pub link: Option<String>,
}

/// A member as a plan saw it, as far as decisions depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenMember {
    /// Its number in the metadata.
    pub number: i32,
    /// The device.
    pub dev: DevId,
    /// It has failed.
    pub faulty: bool,
    /// The slot in which it is up to date.
    pub serves: Option<i32>,
}

/// MD_DISK_* bits of `mdu_disk_info_t.state` (`md_p.h`).
pub mod disk_state {
    /// In a slot.
    pub const ACTIVE: u32 = 1 << 1;
    /// Up to date.
    pub const SYNC: u32 = 1 << 2;
    /// Another node of the cluster asked whether we see it.
    pub const CANDIDATE: u32 = 1 << 5;
    /// Read only when there is no other.
    pub const WRITE_MOSTLY: u32 = 1 << 9;
    /// Not retried.
    pub const FAIL_FAST: u32 = 1 << 10;
    /// The write journal.
    pub const JOURNAL: u32 = 1 << 18;
}

/// How ADD_NEW_DISK introduces a member (`mdu_disk_info_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskInfo {
    /// Index in the metadata.
    pub number: i32,
    /// Slot; −1 for a spare.
    pub raid_disk: i32,
    /// MD_DISK_* bits.
    pub state: u32,
}

/// One act on an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MdStep {
    /// Look again under the lock: the array must be as the plan saw it. Somebody else was quicker otherwise, and what
    /// follows was decided on what is not so any more.
    Expect {
        /// The array.
        array: ArrayName,
        /// Its identity: under another name it must not be there either. Where no array is expected none may have its path.
        uuid: Option<MdUuid>,
        /// The members it had; `None`: there was no such array.
        members: Option<Vec<DevId>>,
    },
    /// Look again under the lock: each member must be in the state in which the plan saw it. Others decide by the same
    /// states, and two that were right alone may together take the only good copy.
    ExpectStates {
        /// The array.
        array: ArrayName,
        /// Its members. One that has come since takes nothing away.
        members: Vec<SeenMember>,
    },
    /// Make an empty array in the kernel.
    NewArray {
        /// The array.
        array: ArrayName,
        /// Its device number where the name gives one, for kernels without `new_array`.
        id: Option<DevId>,
    },
    /// Say which metadata the members carry (SET_ARRAY_INFO with nothing but the version).
    SetVersion {
        /// The array.
        array: ArrayName,
        /// Major and minor version.
        version: (i32, i32),
    },
    /// Say what an array without metadata is (SET_ARRAY_INFO with everything).
    SetShape {
        /// The array.
        array: ArrayName,
        /// All that the kernel cannot read from the members.
        shape: LegacyShape,
    },
    /// Write an attribute of an array that this plan made, or after the commit.
    SetAttr {
        /// The array.
        array: ArrayName,
        /// Which.
        attr: ArrayAttr,
        /// Text to write.
        value: String,
        /// An attribute that this kernel may lack without harm.
        optional: bool,
    },
    /// Change an attribute of an array that is there already.
    Change {
        /// The array.
        array: ArrayName,
        /// Which.
        attr: ArrayAttr,
        /// What it was; `None` where the kernel does not say it, or does not take it back.
        from: Option<String>,
        /// Text to write.
        to: String,
    },
    /// Give a member to the array; its claim passes to the kernel.
    AddDisk {
        /// The array.
        array: ArrayName,
        /// Path of the member.
        device: String,
        /// Its number, slot and flags.
        info: DiskInfo,
    },
    /// Give a member to an array that runs, or that others count on: it does not go away with the command that gives it.
    HotAdd {
        /// The array.
        array: ArrayName,
        /// Path of the member.
        device: String,
        /// Its number, slot and flags.
        info: DiskInfo,
    },
    /// Tell the cluster that we do not see the device that another node wants to add.
    DenyDevice {
        /// The array.
        array: ArrayName,
    },
    /// Mark a member as failed.
    Fail {
        /// The array.
        array: ArrayName,
        /// The member.
        member: MemberName,
    },
    /// Take a member out of the array.
    Remove {
        /// The array.
        array: ArrayName,
        /// The member.
        member: MemberName,
        /// Wait for the kernel to let it go.
        patient: bool,
    },
    /// Take a member out of an array that waits for its start; its undo gives it back.
    Withdraw {
        /// The array.
        array: ArrayName,
        /// Path of the member.
        device: String,
        /// Its number.
        dev: DevId,
    },
    /// Write an attribute of a member.
    SetMember {
        /// The array.
        array: ArrayName,
        /// The member.
        member: MemberName,
        /// Which.
        attr: MemberAttr,
        /// Text to write.
        value: String,
    },
    /// Say where the data of a member is going to begin, once it is laid out anew.
    Shift {
        /// The array.
        array: ArrayName,
        /// The member.
        member: MemberName,
        /// Where it begins.
        from: Sectors,
        /// Where it is to begin.
        to: Sectors,
    },
    /// Keep recovery from starting.
    Freeze {
        /// The array.
        array: ArrayName,
    },
    /// Let recovery start.
    Thaw {
        /// The array.
        array: ArrayName,
    },
    /// Start the array.
    Run {
        /// The array.
        array: ArrayName,
    },
    /// Make an array writable that the kernel started read-auto.
    MakeWritable {
        /// The array.
        array: ArrayName,
    },
    /// Make an array read-only.
    MakeReadonly {
        /// The array.
        array: ArrayName,
    },
    /// Stop the array; returns when its device is gone.
    Stop {
        /// The array.
        array: ArrayName,
    },
    /// Write an attribute that the configuration names. After the commit: it is an addition.
    Configure {
        /// The array.
        array: ArrayName,
        /// Name below `md/`, without `..`.
        attr: String,
        /// Text to write.
        value: String,
    },
    /// Have the kernel's own detection assemble what it found at boot (RAID_AUTORUN).
    AutoDetect,
}

impl MdStep {
    /// Its undo, of the same family: that of [`MdStep::NewArray`] stops the array.
    ///
    /// `None`: `Stop` comes last in its plan, after the commit or as an undo; `DenyDevice`, `Fail` and `Remove` are each the
    /// last act of their plan, `Thaw` is an undo itself; `Expect` and `ExpectStates` change nothing; `SetVersion`, `SetShape`, `SetAttr`,
    /// `AddDisk`, `Run` and the read-only switches change an array that `NewArray`'s undo stops as a whole; detected arrays
    /// cannot be told from others; `Configure` comes after the commit.
    #[must_use]
    pub fn undo(&self) -> Option<Self> {
        Some(match self {
            Self::NewArray { array, .. } => Self::Stop { array: array.clone() },
            Self::HotAdd { array, device, .. } => Self::Remove {
                array: array.clone(),
                member: MemberName { shown: device.clone(), dev: None, link: None },
                patient: true,
            },
            // The kernel reads slot and number from the superblock, of one that it has had before as well.
            Self::Withdraw { array, device, .. } => Self::HotAdd {
                array: array.clone(),
                device: device.clone(),
                info: DiskInfo { number: -1, raid_disk: -1, state: 0 },
            },
            Self::SetMember { array, member, attr, value } => Self::SetMember {
                array: array.clone(),
                member: member.clone(),
                attr: *attr,
                value: unset(*attr, value)?.to_owned(),
            },
            Self::Change { array, attr, from, to } => {
                Self::Change { array: array.clone(), attr: *attr, from: Some(to.clone()), to: from.clone()? }
            }
            Self::Shift { array, member, from, .. } => {
                Self::Shift { array: array.clone(), member: member.clone(), from: *from, to: *from }
            }
            Self::Freeze { array } => Self::Thaw { array: array.clone() },
            Self::Expect { .. }
            | Self::ExpectStates { .. }
            | Self::DenyDevice { .. }
            | Self::Fail { .. }
            | Self::Remove { .. }
            | Self::Thaw { .. }
            | Self::SetVersion { .. }
            | Self::SetShape { .. }
            | Self::SetAttr { .. }
            | Self::AddDisk { .. }
            | Self::Run { .. }
            | Self::MakeWritable { .. }
            | Self::MakeReadonly { .. }
            | Self::Stop { .. }
            | Self::Configure { .. }
            | Self::AutoDetect => return None,
        })
    }
}

/// Whether somebody else changed an attribute since it was seen, so that a change of it was decided on what is not so any more.
///
/// Compared are words that change only when somebody has them changed: what an array does, for a check that was seen may be a
/// recovery by now; that it is not started yet; the end of a check, unless it is where it is to be. The kernel goes from
/// `clean` to `active` and on by itself, and it rounds a check's beginning and puts it back at its end.
#[must_use]
pub fn is_another(attr: ArrayAttr, (from, to): (Option<&str>, &str), now: Option<&str>) -> bool {
    let (Some(from), Some(now)) = (from, now) else { return false };
    let tells = match attr {
        ArrayAttr::SyncAction => true,
        ArrayAttr::ArrayState => from == ArrayState::Inactive.word(),
        ArrayAttr::SyncMax => now != to,
        _ => false,
    };
    tells && now != from
}

/// What takes an attribute of a member back.
fn unset(attr: MemberAttr, value: &str) -> Option<&'static str> {
    match (attr, value) {
        (MemberAttr::State, "want_replacement") => Some("-want_replacement"),
        (MemberAttr::Slot, _) => Some("none"),
        _ => None,
    }
}

impl fmt::Display for MdStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expect { array, members: None, .. } => write!(f, "check that {array} is still free"),
            Self::Expect { array, members: Some(_), .. } => {
                write!(f, "check that {array} still has the members that were seen")
            }
            Self::ExpectStates { array, .. } => {
                write!(f, "check that the members of {array} are in the states that were seen")
            }
            Self::NewArray { array, .. } => write!(f, "new array {array}"),
            Self::SetVersion { array, version: (major, minor) } => {
                write!(f, "set {array} to metadata {major}.{minor}")
            }
            Self::SetShape { array, shape } => {
                let level = shape.level.name().unwrap_or("unknown level");
                write!(f, "make {array} a {level} of {} slots without metadata", shape.raid_disks)
            }
            Self::SetAttr { array, attr, value, .. } | Self::Change { array, attr, to: value, .. } => {
                write!(f, "set {attr} of {array} to {value}")
            }
            Self::AddDisk { array, device, info } | Self::HotAdd { array, device, info } => {
                match info.raid_disk {
                    slot if slot >= 0 => write!(f, "add {device} to {array} as slot {slot}"),
                    _ => write!(f, "add {device} to {array} as number {}", info.number),
                }
            }
            Self::DenyDevice { array } => write!(f, "deny the device that the cluster of {array} asks about"),
            Self::Fail { array, member } => write!(f, "mark {} in {array} as failed", member.shown),
            Self::Remove { array, member, .. } => write!(f, "take {} out of {array}", member.shown),
            Self::Withdraw { array, device, .. } => write!(f, "take {device} out of {array}"),
            Self::SetMember { array, member, attr, value } => {
                write!(f, "set {attr} of {} in {array} to {value}", member.shown)
            }
            Self::Shift { array, member, from, to } => {
                write!(f, "move the data of {} in {array} from sector {} to {}", member.shown, from.0, to.0)
            }
            Self::Freeze { array } => write!(f, "keep recovery of {array} from starting"),
            Self::Thaw { array } => write!(f, "let recovery of {array} start"),
            Self::Run { array } => write!(f, "run {array}"),
            Self::MakeWritable { array } => write!(f, "make {array} writable"),
            Self::MakeReadonly { array } => write!(f, "make {array} read-only"),
            Self::Stop { array } => write!(f, "stop {array}"),
            Self::Configure { array, attr, value } => write!(f, "set {attr} of {array} to {value}"),
            Self::AutoDetect => write!(f, "have the kernel detect arrays"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_changes_by_itself_is_nobodys_change() {
        use ArrayAttr::{ArrayState, SyncAction, SyncMax, SyncMin};
        for (attr, from, to, now, another) in [
            (SyncAction, Some("check"), "idle", Some("recover"), true),
            (SyncAction, Some("idle"), "check", Some("check"), true),
            (SyncAction, Some("check"), "idle", Some("check"), false),
            (SyncAction, None, "idle", Some("recover"), false),
            (SyncAction, Some("check"), "idle", None, false),
            (ArrayState, Some("inactive"), "read-auto", Some("clean"), true),
            (ArrayState, Some("inactive"), "read-auto", Some("inactive"), false),
            (ArrayState, Some("clean"), "readonly", Some("active"), false),
            (ArrayState, Some("write-pending"), "readonly", Some("clean"), false),
            (SyncMax, Some("max"), "4096", Some("8192"), true),
            (SyncMax, Some("4096"), "max", Some("max"), false),
            (SyncMin, Some("4095"), "0", Some("4088"), false),
        ] {
            assert_eq!(is_another(attr, (from, to), now), another, "{attr} {from:?} {to} {now:?}");
        }
    }
}
