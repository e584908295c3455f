//! LVM2's groups as they were found: which device has what, what is active, what was refused and why.

mod checked;
pub mod gather;
mod seen;
mod traces;

use std::{collections::BTreeMap, fmt};

pub use checked::{Checked, FormerLabel, KeptState, way_on};
pub use seen::{GroupLook, GroupSeen, StoreSeen, VolumeInside, VolumesSeen};
use superblock::{
    Bytes, Sectors,
    lvm::{Area, Group, Label, LvmUuid, area::Placed},
};
pub use traces::{Bare, SEARCHED, Traces};

use super::{DevId, dm::Listed};

/// Everything that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// Groups, by name. Two of one name stand one after the other; each has an objection.
    pub groups: Vec<FoundGroup>,
    /// Physical volumes that belong to no group.
    pub lone: Vec<PvDevice>,
    /// Physical volumes with an old state of a group that does not know them any more; they are among the refused ones, too.
    pub outdated: Vec<PvDevice>,
    /// Physical volumes of which no text can be read: the label is good, and there is a metadata area. They are among the refused
    /// ones, too.
    pub unread: Vec<PvDevice>,
    /// Devices that are physical volumes or look like it, and are left out.
    pub refused: Vec<RefusedDevice>,
    /// Devices that were not read: nobody can say what is on them.
    pub unopened: Vec<RefusedDevice>,
    /// The paths of all devices that were looked at.
    pub looked_at: Vec<String>,
    /// Active device-mapper devices of LVM2's.
    pub active: Vec<Listed>,
    /// The system ids of this machine.
    pub local: Vec<String>,
    /// What of LVM2's configuration cannot be read: then nothing is changed.
    pub faults: Vec<String>,
    /// Whether a group may be changed although a physical volume of it is there twice.
    pub change_with_duplicates: bool,
    /// The devices file, where there is one that counts.
    pub devices_file: Option<DevicesFile>,
}

/// A group, its devices, and what speaks against changing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundGroup {
    /// The newest committed text.
    pub group: Group,
    /// That text as it stands there, NUL at its end included.
    pub text: Vec<u8>,
    /// The device of each physical volume, in the group's order; `None` where it was not found.
    pub devices: Vec<Option<PvDevice>>,
    /// Of physical volumes without a device, by their index: the device that would be it, and why it does not count.
    pub absent: BTreeMap<usize, RefusedDevice>,
    /// Where its devices have two different states of the same number: in words. Each side was changed without the other.
    pub rival: Option<String>,
    /// Why its volumes are left alone altogether: others may use them, or the metadata says what is not understood.
    pub anothers: Vec<String>,
    /// Why it may only be read: first what the group itself says, then what its devices do.
    pub objections: Vec<String>,
    /// What is not as it should be and stops nothing: areas that lag behind or are damaged.
    pub remarks: Vec<String>,
}

/// A physical volume's device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PvDevice {
    /// Its path.
    pub path: String,
    /// Its number.
    pub dev: DevId,
    /// Its size now.
    pub size: Bytes,
    /// The unit of transfers.
    pub logical_block: u32,
    /// It takes no writes.
    pub read_only: bool,
    /// Its label.
    pub label: Label,
    /// Its metadata areas; those that could not be read are in `damaged`.
    pub areas: Vec<AreaSeen>,
    /// Why areas could not be read.
    pub damaged: Vec<String>,
    /// All devices that have the same label, this one included; none where it is the only one.
    pub twice: Vec<String>,
    /// A full stripe of the array below; 0 where there is none.
    pub stripe: Sectors,
    /// By which a devices file knows it: kind and name.
    pub device_id: Option<(String, String)>,
}

/// A metadata area that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AreaSeen {
    /// Its header.
    pub area: Area,
    /// The committed text's group and number; `None` where there is none.
    pub holds: Option<(LvmUuid, u32)>,
}

/// A device that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedDevice {
    /// Its path.
    pub path: String,
    /// Its number, where it is known.
    pub dev: Option<DevId>,
    /// The identity in its label, where that was read.
    pub pv: Option<LvmUuid>,
    /// The group that its metadata is of, where that much could be read.
    pub group: Option<String>,
    /// Why.
    pub cause: LeftOutCause,
}

/// Why a device is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeftOutCause {
    /// A filter turns it away.
    Filtered,
    /// The devices file does not have it.
    NotListed,
    /// It is held back in the driver.
    Suspended,
    /// It cannot be opened or read: in the system's words.
    Unreadable(String),
    /// Other devices have the same label.
    Twice {
        /// Their paths, its own among them.
        all: Vec<String>,
        /// The one that counts.
        chosen: Option<String>,
    },
    /// The one that counts stands on it, and so has the same label: that is as it should be.
    Below {
        /// Its path.
        above: String,
    },
    /// It is a part of something else that has the label, too: a sentence without its subject.
    Component(String),
    /// Its metadata was read and not understood, or could not be read.
    NotUnderstood {
        /// What is wrong.
        why: String,
    },
    /// It has an old state of a group that does not know it any more.
    Old {
        /// The group.
        group: String,
    },
    /// It has another state of a group than the one that counts, with the same number.
    Rival {
        /// The group.
        group: String,
        /// The number.
        seqno: u32,
    },
}

/// A sentence without its subject, which is the device.
impl fmt::Display for LeftOutCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filtered => f.write_str("is turned away by a filter of lvm.conf"),
            Self::NotListed => f.write_str("is not in the devices file"),
            Self::Suspended => f.write_str("is suspended and was not read; `dmsetup resume` lets it go on"),
            Self::Unreadable(why) => write!(f, "cannot be read: {why}"),
            Self::Twice { all, chosen: Some(chosen) } => {
                write!(f, "has the same physical volume as others ({}); {chosen} counts", all.join(", "))
            }
            Self::Twice { all, chosen: None } => {
                write!(
                    f,
                    "has the same physical volume as others ({}); {}",
                    all.join(", "),
                    gather::TAKE_AWAY
                )
            }
            Self::Below { above } => write!(f, "is below {above}, which counts in its place"),
            Self::Component(why) => f.write_str(why),
            Self::NotUnderstood { why } => write!(f, "has metadata that is not understood: {why}"),
            Self::Rival { group, seqno } => write!(
                f,
                "has another state {seqno} of group {group} than the one that counts: each was changed without the other"
            ),
            Self::Old { group } => {
                write!(f, "has an old state of group {group}, which does not know it any more")
            }
        }
    }
}

impl RefusedDevice {
    /// Whether the device belongs to somebody, or may: then it is not free to be taken.
    #[must_use]
    pub fn is_somebodys(&self) -> bool {
        match self.cause {
            LeftOutCause::Old { .. } => false,
            LeftOutCause::NotListed => self.group.is_some(),
            _ => true,
        }
    }
}

/// A sentence.
impl fmt::Display for RefusedDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.cause)
    }
}

/// `system.devices`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DevicesFile {
    /// Its path.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl Groups {
    /// The group of this name, if there is just one.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&FoundGroup> {
        let mut named = self.groups.iter().filter(|found| found.group.name == name);
        named.next().filter(|_| named.next().is_none())
    }

    /// Whether a device carries the label of this physical volume, whether it counts or not.
    #[must_use]
    pub fn has(&self, pv: LvmUuid) -> bool {
        let found = self.groups.iter().flat_map(FoundGroup::present).map(|(_, device)| device);
        found.chain(&self.lone).any(|device| device.label.id == pv)
            || self.refused.iter().any(|refused| refused.pv == Some(pv))
    }

    /// The left out or unread device of this number.
    #[must_use]
    pub fn left_out(&self, dev: DevId) -> Option<&RefusedDevice> {
        self.refused.iter().chain(&self.unopened).find(|refused| refused.dev == Some(dev))
    }

    /// Devices that answer no read: whatever is on them, nothing of it is known until they go on.
    pub fn held(&self) -> impl Iterator<Item = &RefusedDevice> {
        self.unopened.iter().filter(|unread| unread.cause == LeftOutCause::Suspended)
    }

    /// The physical volume on this device, with the group that it belongs to.
    #[must_use]
    pub fn on(&self, dev: DevId) -> Option<(Option<&FoundGroup>, &PvDevice)> {
        let lone = self.lone.iter().map(|pv| (None, pv));
        let used = self
            .groups
            .iter()
            .flat_map(|found| found.devices.iter().flatten().map(move |pv| (Some(found), pv)));
        lone.chain(used).find(|(_, pv)| pv.dev == dev)
    }
}

impl Default for FoundGroup {
    fn default() -> Self {
        Self {
            group: Group::empty(String::new()),
            text: Vec::new(),
            devices: Vec::new(),
            absent: BTreeMap::new(),
            rival: None,
            anothers: Vec::new(),
            objections: Vec::new(),
            remarks: Vec::new(),
        }
    }
}

impl FoundGroup {
    /// What is known of a physical volume that has no device: a sentence.
    #[must_use]
    pub fn why_absent(&self, index: usize) -> String {
        let (id, hint) =
            self.group.pvs.get(index).map_or_else(Default::default, |pv| {
                (pv.id.to_string(), pv.device.escape_debug().to_string())
            });
        let what = format!("pv{index} ({id})");
        match self.absent.get(&index) {
            None => format!("{what}, last seen as {hint}, is missing"),
            Some(RefusedDevice { cause: LeftOutCause::Twice { all, .. }, .. }) => {
                let count = if all.len() == 2 { "two".to_owned() } else { all.len().to_string() };
                format!("{what} is on {count} devices, {}: {}", all.join(" and "), gather::TAKE_AWAY)
            }
            Some(RefusedDevice { path, cause, .. }) => format!("{what} is left out: {path} {cause}"),
        }
    }

    /// The devices of a physical volume that is there more than once, where none of them counts.
    #[must_use]
    pub fn copies(&self, index: usize) -> &[String] {
        match self.absent.get(&index).map(|refused| &refused.cause) {
            Some(LeftOutCause::Twice { all, .. }) => all,
            Some(_) | None => &[],
        }
    }

    /// The physical volumes that are gone, by their index: no device is known that might be one of them.
    #[must_use]
    pub fn gone(&self) -> Vec<usize> {
        let absent = self.devices.iter().enumerate().filter(|(_, device)| device.is_none());
        absent.map(|(index, _)| index).filter(|index| !self.is_left_out(*index)).collect()
    }

    /// Whether a physical volume is there although no device of it counts.
    #[must_use]
    pub fn is_left_out(&self, index: usize) -> bool {
        self.absent.contains_key(&index)
    }

    /// The devices that are there, each with the index of its physical volume.
    pub fn present(&self) -> impl Iterator<Item = (usize, &PvDevice)> {
        self.devices.iter().enumerate().filter_map(|(index, device)| Some((index, device.as_ref()?)))
    }

    /// A full stripe of the array below each physical volume, as allocation wants it.
    #[must_use]
    pub fn stripes(&self) -> Vec<Sectors> {
        self.devices.iter().map(|device| device.as_ref().map_or(Sectors(0), |device| device.stripe)).collect()
    }

    /// The areas that a change is written to, with their devices' paths.
    pub fn areas(&self) -> impl Iterator<Item = (&str, &Area)> {
        self.devices.iter().flatten().flat_map(|device| {
            let areas = device.areas.iter().map(|seen| &seen.area).filter(|area| !area.ignored);
            areas.map(|area| (device.path.as_str(), area))
        })
    }
}

/// Where a new text goes in one area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AreaTarget {
    /// The device's path.
    pub device: String,
    /// The area as it is now.
    pub area: Area,
    /// The text's place.
    pub placed: Placed,
}

/// Groups for tests of other rooms.
#[cfg(test)]
pub(crate) mod fixture {
    use superblock::lvm::Group;

    /// A group of three physical volumes of 200 extents of 4 KiB, with the volumes of this text.
    pub(crate) fn group(name: &str, volumes: &str) -> Group {
        let pv = |n: u8| {
            let id = "000000-0000-0000-0000-0000-0000-000000".replace('0', &n.to_string());
            format!(
                "pv{n} {{ id = \"{id}\" device = \"/dev/md{n}\" status = [\"ALLOCATABLE\"] flags = [] \
                 dev_size = 4096 pe_start = 2048 pe_count = 200 }}"
            )
        };
        let text = format!(
            "{name} {{ id = \"abcdef-abcd-abcd-abcd-abcd-abcd-abcdef\" seqno = 5 format = \"lvm2\" \
             status = [\"RESIZEABLE\", \"READ\", \"WRITE\"] flags = [] extent_size = 8 max_lv = 0 max_pv = 0 \
             metadata_copies = 0 physical_volumes {{ {} {} {} }} logical_volumes {{ {volumes} }} }}\n\
             contents = \"Text Format Volume Group\" version = 1 description = \"\" creation_host = \"box\" \
             creation_time = 1",
            pv(0),
            pv(1),
            pv(2)
        );
        text.parse().unwrap()
    }
}
