//! A device as it is now, with what tells it from others.

use super::{Carried, Identity, Partition, Print};
use crate::model::Device;

/// What the machine says of a device, besides its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Names below `/dev/disk/by-id`.
    pub by_id: Vec<String>,
    /// The serial number.
    pub serial: Option<String>,
    /// The world-wide name.
    pub wwn: Option<String>,
    /// The boot.
    pub boot: Option<String>,
    /// The kernel's number of the whole device.
    pub diskseq: Option<u64>,
    /// Where a partition lies.
    pub partition: Option<Partition>,
    /// md's or device-mapper's UUID.
    pub uuid: Option<String>,
    /// The file behind a loop device.
    pub backing: Option<String>,
    /// What blocks of it hold.
    pub prints: Vec<Print>,
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
    /// Of a device and what the machine says of it.
    #[must_use]
    pub fn new(device: Device, attributes: Attributes) -> Self {
        let identity = Identity {
            path: device.path.clone(),
            kernel_name: device.kernel_name.clone(),
            by_id: attributes.by_id,
            size: device.size.0,
            serial: attributes.serial,
            wwn: attributes.wwn,
            boot: attributes.boot,
            diskseq: attributes.diskseq,
            partition: attributes.partition,
            uuid: attributes.uuid,
            backing: attributes.backing,
            prints: attributes.prints,
            md: device.probe.found.iter().map(Carried::of).collect(),
            foreign: device.foreign.iter().map(|foreign| foreign.kind.name().to_owned()).collect(),
        };
        Self { device, identity }
    }
}
