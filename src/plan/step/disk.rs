//! Acts on a device and the bytes on it.

use std::{fmt, sync::Arc};

use superblock::{Bytes, Sectors, Write, delta::Header, window::Seen};

use crate::model::delta::Begun;

/// One act on devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskStep {
    /// Take a device exclusively and keep udev from probing it.
    Claim {
        /// Path of the device.
        device: String,
    },
    /// Open a device that others may have open too, even the kernel.
    Share {
        /// Path of the device.
        device: String,
    },
    /// Let a claimed device go.
    Release {
        /// Path of the device.
        device: String,
    },
    /// Write metadata and sync it. The host keeps the bytes that were there, so this can be undone.
    Write {
        /// Path of the device.
        device: String,
        /// What it is, for people: "superblock 1.2 at 8 sectors (slot 0)".
        what: String,
        /// The bytes.
        writes: Vec<Write>,
    },
    /// Read back what was written and compare.
    Verify {
        /// Path of the device.
        device: String,
        /// What has to be there.
        writes: Vec<Write>,
    },
    /// Look again once the device is claimed: it must hold what the plan saw there. Somebody else was quicker otherwise.
    Unchanged {
        /// Path of the device.
        device: String,
        /// What was seen.
        seen: Arc<[Seen]>,
    },
    /// Set a range of several members to zero, all at once. No undo: it is data that was asked to be destroyed.
    Zero {
        /// Path, start and length of each range.
        ranges: Vec<(String, Sectors, Sectors)>,
    },
    /// Put a stream of a snapshot's changes on a copy that was found to be its base.
    PutStream {
        /// The stream's file.
        stream: String,
        /// The device, or an image.
        target: String,
        /// The stream's header, as it was seen.
        header: Box<Header>,
        /// Bytes of data in it.
        bytes: Bytes,
        /// What is noted of it until it is done.
        begun: Begun,
    },
}

impl DiskStep {
    /// The step that takes this one back. `saved` is what the host kept when it carried out a [`DiskStep::Write`].
    ///
    /// `None`: `Release` comes last in its plan; `Verify` and `Unchanged` change nothing; `Zero` destroys on request;
    /// of `PutStream` each range was compared with what the stream knows of it before, and the same again goes on where it stopped.
    #[must_use]
    pub fn undo(&self, saved: Vec<Write>) -> Option<Self> {
        Some(match self {
            Self::Claim { device } | Self::Share { device } => Self::Release { device: device.clone() },
            Self::Write { device, what, .. } => Self::Write {
                device: device.clone(),
                what: format!("the bytes that were there before {what}"),
                writes: saved,
            },
            Self::Release { .. }
            | Self::Verify { .. }
            | Self::Unchanged { .. }
            | Self::Zero { .. }
            | Self::PutStream { .. } => return None,
        })
    }
}

impl fmt::Display for DiskStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim { device } => write!(f, "open {device} exclusively"),
            Self::Share { device } => write!(f, "open {device}"),
            Self::Release { device } => write!(f, "release {device}"),
            Self::Write { device, what, .. } => write!(f, "write {what} to {device}"),
            Self::Verify { device, .. } => write!(f, "compare what {device} has now"),
            Self::Unchanged { device, .. } => write!(f, "check that {device} is still as it was seen"),
            Self::PutStream { stream, target, .. } => write!(f, "put {stream} on {target}"),
            Self::Zero { ranges } => {
                write!(f, "write zeroes to")?;
                ranges.iter().try_for_each(|(device, start, length)| {
                    write!(f, " {device} ({} sectors from sector {})", length.0, start.0)
                })
            }
        }
    }
}
