//! What udev and /dev make of arrays.

use std::{path::Path, time::Duration};

use anyhow::{Result, anyhow};

use super::live::{Live, UDEV_WAIT};
use crate::{
    kernel::{Deadline, Machine, appear, host, node},
    plan::ArrayName,
};

/// What is said where udev takes long.
pub(super) fn waits_for_udev(device: &str) -> String {
    format!("waiting for udev to be done with {device} (for at most {} s)", UDEV_WAIT.as_secs())
}

impl Live {
    pub(super) fn uevent(&mut self, array: &ArrayName) -> Result<()> {
        // Nobody may hold the members or the array when udev looks at them.
        self.arrays.remove(&array.kernel);
        self.hidden.clear();
        let [a, b, c, d] = host::random_bytes::<16>().map(|bytes| superblock::MdUuid(bytes).words())?;
        let (b1, b2, c1, c2) = (b >> 16, b & 0xffff, c >> 16, c & 0xffff);
        let token = format!("{a:08x}-{b1:04x}-{b2:04x}-{c1:04x}-{c2:04x}{d:08x}");
        let told = || self.machine.meanwhile.say(&waits_for_udev(&array.path));
        let Machine { sysfs, udev, .. } = &self.machine;
        appear::change_and_wait(sysfs, &array.kernel, &token, *udev, (UDEV_WAIT, told))?;
        Ok(())
    }

    /// The node and the link. udev makes them; where it does not run, or did not, we do.
    pub(super) fn node(&mut self, array: &ArrayName) -> Result<()> {
        let dev = self.machine.sysfs.array(&array.kernel).dev()?;
        let dev = dev.ok_or_else(|| anyhow!("{}: there is no such array", array.kernel))?;
        let path = Path::new(&array.path);
        let (places, udev) = (&self.machine.places, self.machine.udev);
        if udev && appear::wait_for_node(places, path, dev, Deadline::after(Duration::from_secs(1))).is_ok() {
            return Ok(());
        }
        let node = places.dev.join(&array.kernel);
        node::make_node(&node, dev, 0o660)?;
        if path != node {
            node::make_link(places, path, &array.kernel)?;
        }
        Ok(())
    }

    pub(super) fn remove_node(&mut self, array: &ArrayName) -> Result<()> {
        let path = Path::new(&array.path);
        if path != self.machine.places.dev.join(&array.kernel) {
            node::remove_link(path, &array.kernel)?;
        }
        Ok(())
    }
}
