//! Which device it was: enough to find it again under another name, and to see that it is another one.

use serde::{Deserialize, Serialize};
use superblock::probe::Found;

use crate::model::Device;

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
    /// The md superblocks that it carried.
    pub md: Vec<Carried>,
    /// What else was on it, by name.
    pub foreign: Vec<String>,
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
}

impl Carried {
    /// What a superblock says, its checksum not looked at.
    #[must_use]
    pub fn of(found: &Found) -> Self {
        let membership = match &found.superblock {
            superblock::probe::Native::V0(sb) => sb.fields().membership(),
            superblock::probe::Native::V1(sb) => sb.fields().membership(),
        };
        let name = membership.name.map(|name| String::from_utf8_lossy(&name).into_owned());
        Self {
            format: found.format().to_owned(),
            sector: found.at().0,
            array: membership.array.to_string(),
            member: membership.member.map(|uuid| uuid.to_string()),
            name: name.filter(|name| !name.is_empty()),
            events: membership.events.0,
            created: membership.created,
        }
    }

    /// Whether both are the same superblock, perhaps at different times: what the kernel changes does not count.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        let key = |it: &Self| (it.format.clone(), it.sector, it.array.clone(), it.member.clone(), it.created);
        key(self) == key(other)
    }
}

/// A device as it is, with what tells it from others.
#[derive(Debug)]
pub struct Sighted {
    /// The device.
    pub device: Device,
    /// Its identity.
    pub identity: Identity,
}

impl Sighted {
    /// `by_id`: names below `/dev/disk/by-id`.
    #[must_use]
    pub fn new(device: Device, by_id: Vec<String>, serial: Option<String>, wwn: Option<String>) -> Self {
        let identity = Identity {
            path: device.path.clone(),
            kernel_name: device.kernel_name.clone(),
            by_id,
            size: device.size.0,
            serial,
            wwn,
            md: device.probe.found.iter().map(Carried::of).collect(),
            foreign: device.foreign.iter().map(|foreign| foreign.kind.name().to_owned()).collect(),
        };
        Self { device, identity }
    }
}
