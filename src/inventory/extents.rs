//! The bytes of a volume read from the devices of its group, around everything that stands in between: also where it is not
//! active, and where the kernel refuses it.

use std::io;

use superblock::{
    Bytes, Media,
    lvm::{Group, LogicalVolume},
};

use crate::{
    kernel::{Access, BlockDevice, KernelError},
    model::{extents::locate, volume::FoundGroup},
};

/// A volume's own extents.
#[derive(Debug)]
pub struct Extents<'a> {
    group: &'a Group,
    volume: &'a LogicalVolume,
    devices: Vec<Option<BlockDevice>>,
}

impl<'a> Extents<'a> {
    /// Opens the devices that it lies on.
    ///
    /// # Errors
    /// One cannot be opened. One that is missing is an error where it is read.
    pub fn open(found: &'a FoundGroup, volume: &'a LogicalVolume) -> Result<Self, KernelError> {
        let used = |pv: usize| {
            let mut legs = volume.segments.iter().flat_map(crate::model::extents::on_devices);
            legs.any(|(on, ..)| on == pv)
        };
        let open = |(pv, device): (usize, &Option<crate::model::volume::PvDevice>)| match device {
            Some(device) if used(pv) => BlockDevice::open(device.path.as_ref(), Access::Read).map(Some),
            _ => Ok(None),
        };
        let devices = found.devices.iter().enumerate().map(open).collect::<Result<_, _>>()?;
        Ok(Self { group: &found.group, volume, devices })
    }
}

impl Media for Extents<'_> {
    fn len(&self) -> Bytes {
        self.group.sectors(self.volume.extents()).bytes()
    }

    fn read_at(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<()> {
        let (mut at, mut rest) = (offset, buf);
        while !rest.is_empty() {
            let run = locate(self.group, self.volume, at).ok_or(io::ErrorKind::UnexpectedEof)?;
            let length = usize::try_from(run.length.0).unwrap_or(usize::MAX).min(rest.len());
            let (piece, after) = rest.split_at_mut(length);
            let device = self.devices.get(run.pv).and_then(Option::as_ref);
            device.ok_or_else(|| io::Error::other("the device is missing"))?.read_at(run.at, piece)?;
            at = at.saturating_add(Bytes(u64::try_from(length).unwrap_or(u64::MAX)));
            rest = after;
        }
        Ok(())
    }
}
