//! Which device it was: enough to find it again under another name, and to see that it is another one.

use serde::{Deserialize, Serialize};
use superblock::probe::Found;

/// What tells a device from others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The path by which the command knew it.
    pub path: String,
    /// The kernel's name then.
    pub kernel_name: String,
    /// Its names below `/dev/disk/by-id`.
    pub by_id: Vec<String>,
    /// Size in bytes.
    pub size: u64,
    /// The serial number that the kernel shows.
    pub serial: Option<String>,
    /// The world-wide name that the kernel shows.
    pub wwn: Option<String>,
    /// The boot in which it was seen.
    #[serde(default)]
    pub boot: Option<String>,
    /// The kernel's number of the whole device: in one boot no other gets it, nor the same one attached again.
    #[serde(default)]
    pub diskseq: Option<u64>,
    /// Where a partition lies.
    #[serde(default)]
    pub partition: Option<Partition>,
    /// The UUID that md or device-mapper gives the device itself.
    #[serde(default)]
    pub uuid: Option<String>,
    /// The file behind a loop device.
    #[serde(default)]
    pub backing: Option<String>,
    /// What blocks of it held that no command writes.
    #[serde(default)]
    pub prints: Vec<Print>,
    /// The md superblocks that it carried.
    pub md: Vec<Carried>,
    /// What else was on it, by name.
    pub foreign: Vec<String>,
}

/// A partition's place on its disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// First sector.
    pub start: u64,
    /// The UUID that the table gives it, where the kernel says it.
    pub uuid: Option<String>,
}

/// A superblock that a device carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// `0.90`, `1.2`.
    pub format: String,
    /// Where it is.
    pub sector: u64,
    /// The array's UUID.
    pub array: String,
    /// The member's own UUID.
    pub member: Option<String>,
    /// The array's name, not to be trusted.
    pub name: Option<String>,
    /// Event count.
    pub events: u64,
    /// When the array was created, seconds since 1970.
    pub created: u64,
    /// The member's number in the array, by which 0.90 knows it.
    #[serde(default)]
    pub number: Option<u32>,
}

impl Carried {
    /// What a superblock says, its checksum not looked at.
    #[must_use]
    pub fn of(found: &Found) -> Self {
        let membership = found.fields().membership();
        let name = membership.name.map(|name| String::from_utf8_lossy(&name).into_owned());
        Self {
            format: found.format().to_owned(),
            sector: found.at().0,
            array: membership.array.to_string(),
            member: membership.member.map(|uuid| uuid.to_string()),
            name: name.filter(|name| !name.is_empty()),
            events: membership.events.0,
            created: membership.created,
            number: Some(membership.dev_number),
        }
    }

    /// Whether both are the same superblock, perhaps at different times: what the kernel changes does not count.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        let key = |it: &Self| (it.format.clone(), it.sector, it.array.clone(), it.member.clone(), it.created);
        key(self) == key(other)
    }
}

/// A block, and the CRC-32 of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Print {
    /// Where it begins, in bytes.
    pub at: u64,
    /// Its checksum.
    pub crc32: u32,
}
