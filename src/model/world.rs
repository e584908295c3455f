//! The machine as one value. `inventory` makes it, `plan` decides on it, tests write it by hand.

use std::sync::Arc;

use superblock::{Bytes, Level, MdUuid, Sectors, foreign::Foreign, probe::Probe, window::Seen};

use super::grow::SetAside;
use crate::words::ArrayState;
pub use crate::words::DevId;

/// One block device that was opened and read.
#[derive(Debug)]
pub struct Device {
    /// As the user or the scan named it.
    pub path: String,
    /// The kernel's name (`sda1`).
    pub kernel_name: String,
    /// Device number.
    pub id: DevId,
    /// Size.
    pub size: Bytes,
    /// Logical block size in bytes.
    pub logical_block: u32,
    /// Whether the kernel refuses writes.
    pub read_only: bool,
    /// Where it is a partition: the kernel's name of the whole device.
    pub whole: Option<String>,
    /// It could not be opened exclusively.
    pub busy: bool,
    /// What holds it, in words ("array md0"); looked for when it is busy, and when it is going to be written: then it may
    /// also be used by those who do not claim it.
    pub holders: Vec<String>,
    /// Those who use it without claiming it were looked for, and not all processes could be looked through.
    pub unsearched: bool,
    /// What is set aside of its array's data, where that is being laid out anew where it lies.
    pub aside: Option<Arc<SetAside>>,
    /// md metadata on it.
    pub probe: Probe,
    /// What else is on it.
    pub foreign: Vec<Foreign>,
    /// The bytes of both its ends, where all of this was looked for, of a device that is going to be written: to be compared
    /// once it is claimed.
    pub seen: Arc<[Seen]>,
}

impl Device {
    /// That somebody uses it although the kernel would give it away, or may: the verb and by whom. `None` where nobody does.
    #[must_use]
    pub fn used(&self) -> Option<String> {
        match self.holders.as_slice() {
            _ if self.busy => None,
            [] if self.unsearched => {
                Some("may be in use: there was no time to look through all processes".to_owned())
            }
            [] => None,
            holders => Some(format!("is in use by {}", holders.join(", "))),
        }
    }

    /// The size in whole sectors.
    #[must_use]
    pub fn sectors(&self) -> Sectors {
        self.size.sectors()
    }
}

/// A device that was asked about: what it is, or why it cannot be used.
#[derive(Debug)]
pub struct Candidate {
    /// As the user or the scan named it.
    pub path: String,
    /// What was found.
    pub found: Result<Device, Unusable>,
}

/// Why a path gives no usable device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It could not be opened: the system's words ("No such file or directory").
    Open(String),
    /// It is not a block device.
    NotBlock,
    /// It was opened, and then could not be asked or read: the whole error.
    Broken(String),
    /// It does not answer, or would not: the whole error. Even where nobody named it, it is worth a line.
    Silent(String),
}

/// An array as the kernel knows it.
#[derive(Clone, Debug, Default)]
pub struct RunningArray {
    /// Kernel name (`md127`).
    pub name: String,
    /// Device number.
    pub id: DevId,
    /// `array_state`.
    pub state: ArrayState,
    /// Level, where the kernel says one.
    pub level: Option<Level>,
    /// Array UUID, from the map or a member.
    pub uuid: Option<MdUuid>,
    /// `metadata_version`.
    pub metadata: String,
    /// Number of slots.
    pub raid_disks: u32,
    /// Members' kernel device numbers.
    pub members: Vec<DevId>,
    /// Members' kernel names (`sda1`), those of devices that are gone among them.
    pub names: Vec<String>,
}

impl RunningArray {
    /// Whether the array serves data.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state.is_running()
    }

    /// The container that it is an array of, by the kernel's name: `metadata_version` is `external:/md127/0`, or with `-` in
    /// place of the first slash while nobody is to start anything in it.
    #[must_use]
    pub fn container(&self) -> Option<&str> {
        let place = self.metadata.strip_prefix("external:")?.strip_prefix(['/', '-'])?;
        place.split_once('/').map(|(container, _)| container)
    }
}

/// What the md driver of this kernel offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MdSupport {
    /// The driver is there.
    pub present: bool,
    /// The `new_array` parameter exists.
    pub new_array: bool,
    /// Opening a node makes an array.
    pub create_on_open: bool,
    /// `bitmap_type` knows llbitmap; found out on the array itself.
    pub lockless_bitmap: Option<bool>,
}

/// Seconds and microseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Whole seconds.
    pub seconds: u64,
    /// The rest.
    pub micros: u32,
}

/// One line of the kernel's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When, seconds since 1970, to a second or two.
    pub at: u64,
    /// What it says.
    pub text: String,
}

/// One line of the map file: which array has which kernel name and which name below /dev/md.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapEntry {
    /// Kernel name (`md127`).
    pub devnm: String,
    /// `1.2`, `0.90`, `imsm`, `/md127/0` for a member of a container, `none`.
    pub metadata: String,
    /// The array.
    pub uuid: MdUuid,
    /// The chosen path (`/dev/md/home`), empty where none was chosen.
    pub path: String,
}

/// Everything a plan may know.
#[derive(Debug, Default)]
pub struct World {
    /// The host's name.
    pub hostname: Option<String>,
    /// Now.
    pub now: Timestamp,
    /// Fresh random identities, taken from the front.
    pub fresh: Vec<MdUuid>,
    /// The md driver.
    pub md: MdSupport,
    /// Arrays in the kernel.
    pub arrays: Vec<RunningArray>,
    /// Names below /dev that exist as block nodes `mdN` (relevant without udev).
    pub nodes: Vec<String>,
    /// Paths that an array could be named by, and where something else stands: another device, a link to one, a file.
    pub others: Vec<String>,
    /// The map file.
    pub map: Vec<MapEntry>,
    /// udev is running.
    pub udev: bool,
    /// Devices that were asked about, in the order of the request.
    pub devices: Vec<Candidate>,
}
