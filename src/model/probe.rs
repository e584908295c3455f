//! A path that was looked at for a member of an array.

use super::{Device, Unusable};

/// What was found.
#[derive(Debug)]
pub struct Sight {
    /// As the user or the scan named it.
    pub path: String,
    /// The device and its metadata, nothing of it judged yet.
    pub found: Result<Device, Unusable>,
    /// What stands where the magic of 1.0, 1.1 and 1.2 would.
    pub magic: [Option<u32>; 3],
    /// Its first and its last 4 KiB are each one byte over and over, 00, 5a or ff: nobody wrote anything there;
    /// and nothing is recognised on it. Known only of a device that is looked at alone.
    pub bare: bool,
}
