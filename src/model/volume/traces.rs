//! What tells which device was a physical volume whose label is gone.

use superblock::{Bytes, lvm::LvmUuid};

use crate::model::{Candidate, archive::Identity};

/// Of so much of a device the group's text is looked for.
pub const SEARCHED: Bytes = Bytes(1 << 20);

/// A device without a label that may have been a physical volume.
#[derive(Debug)]
pub struct Bare {
    /// The device.
    pub candidate: Candidate,
    /// What tells it from others.
    pub identity: Option<Identity>,
    /// How a devices file would know it.
    pub listed: Option<(String, String)>,
    /// Its first [`SEARCHED`] bytes.
    pub head: Vec<u8>,
}

/// What is known of physical volumes that are missing, and the devices that could be them.
#[derive(Debug, Default)]
pub struct Traces {
    /// The devices.
    pub devices: Vec<Bare>,
    /// Devices on which the archive has the label, oldest first.
    pub kept: Vec<(LvmUuid, Identity)>,
    /// The first [`SEARCHED`] bytes of the group's devices that have a label and are of no group now.
    pub lone: Vec<Vec<u8>>,
    /// Names that last, kind and name: the devices file's and the group's.
    pub names: Vec<(LvmUuid, (String, String))>,
}
