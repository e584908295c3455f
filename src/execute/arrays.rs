//! Arrays of the live machine: making, configuring, filling, starting and stopping them.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use nix::errno::Errno;

use super::{
    live::{BUSY_WAIT, Live, UDEV_WAIT, held},
    nodes::waits_for_udev,
};
use crate::{
    kernel::{
        self, Access, BlockDevice, KernelError, MdDevice, appear::Disappearance, md, module, node, wait,
    },
    plan::{ArrayName, DiskInfo, is_another, run::Outdated},
    words::{ArrayAttr, DevId, MD_MAJOR},
};

impl Live {
    /// Both doors. An array that is there already is refused: nothing is adopted by accident.
    pub(super) fn new_array(&mut self, array: &ArrayName, id: Option<DevId>) -> Result<()> {
        let sysfs = &self.machine.sysfs;
        module::ensure_md(sysfs).context("the md driver is not in this kernel")?;
        // From 6.18: the device is gone when STOP_ARRAY returns. Elsewhere we wait for it.
        if let Err(error) = module::remove_at_once(sysfs) {
            tracing::debug!(%error, "legacy_async_del_gendisk stays");
        }
        let by_name = node::new_array(sysfs, &array.kernel);
        let made = match by_name {
            Ok(made) => made,
            Err(error) if error.is(Errno::EEXIST) => false,
            Err(error) => return Err(error.into()),
        };
        let dev = match (made, sysfs.array(&array.kernel).dev().ok().flatten(), id) {
            (_, Some(dev), _) => dev,
            (false, None, Some(id)) => id,
            _ => bail!("{}: this kernel makes no array of that name", array.kernel),
        };
        let opened = self.open_new(array, dev);
        if opened.is_err() && made {
            self.clear(array);
        }
        self.arrays.insert(array.kernel.clone(), opened?);
        Ok(())
    }

    fn open_new(&self, array: &ArrayName, dev: DevId) -> Result<MdDevice> {
        let open = || node::open_number(&self.machine.places, dev, Access::WriteExclusive, &array.path);
        let told = || self.waits_for(&array.path, &self.holders_of(dev));
        let device = wait::retry(BUSY_WAIT, open, |error| error.is(Errno::EBUSY), told)?;
        match device.array_info() {
            Err(error) if error.is(Errno::ENODEV) => Ok(device),
            Err(error) => Err(error.into()),
            Ok(_) => bail!("{} is already in use.", array.path),
        }
    }

    /// Takes an empty array away again; there is nothing to say if that fails.
    fn clear(&self, array: &ArrayName) {
        let below = format!("block/{}/md/array_state", array.kernel);
        if let Err(error) = self.machine.sysfs.write(below, "clear") {
            tracing::debug!(%error, "an empty array stays");
        }
    }

    pub(super) fn set(
        &mut self,
        array: &ArrayName,
        attr: ArrayAttr,
        value: &str,
        optional: bool,
    ) -> Result<()> {
        match self.machine.sysfs.array(&array.kernel).write(attr, value) {
            Err(error) if optional && error.is(Errno::ENOENT) => Ok(()),
            Err(error) => Err(self.with_log(array, error)),
            Ok(()) => Ok(()),
        }
    }

    /// Whether an attribute is what it was when its change was decided.
    pub(super) fn still(
        &self,
        array: &ArrayName,
        attr: ArrayAttr,
        (from, to): (Option<&str>, &str),
    ) -> Result<()> {
        let now = self.machine.sysfs.array(&array.kernel).read(attr)?;
        if is_another(attr, (from, to), now.as_deref()) {
            let (now, from) = (now.unwrap_or_default(), from.unwrap_or_default());
            bail!(Outdated(format!("{array}: {attr} is {now} by now, and was {from}")));
        }
        Ok(())
    }

    /// What the configuration names may be an attribute that we do not know.
    pub(super) fn configure(&mut self, array: &ArrayName, attr: &str, value: &str) -> Result<()> {
        let written = self.machine.sysfs.write(format!("block/{}/md/{attr}", array.kernel), value);
        written.map_err(|error| self.with_log(array, error))
    }

    /// Any array's node takes the request; 9:0 is what everybody uses.
    pub(super) fn auto_detect(&self) -> Result<()> {
        let first = DevId { major: MD_MAJOR, minor: 0 };
        let opened = node::open_number(&self.machine.places, first, Access::Read, "md0")?;
        Ok(opened.raid_autorun()?)
    }

    /// The kernel claims the member itself, so our claim ends just before.
    pub(super) fn add_disk(&mut self, array: &ArrayName, path: &str, info: DiskInfo) -> Result<()> {
        let dev = match self.claims.remove(path) {
            Some(claimed) => {
                self.forget_partitions(&claimed.device);
                claimed.device.dev()
            }
            None => node::number_of(Path::new(path))?,
        };
        let dev = dev.ok_or_else(|| anyhow!("{path} is not a block device."))?;
        let flags = md::DiskFlags::from_bits_retain(i32::try_from(info.state).unwrap_or(0));
        let disk = md::MduDiskInfo::of(dev, info.number, info.raid_disk, flags);
        self.array(array)?.add_new_disk(&disk).map_err(|error| {
            let error = KernelError { device: path.to_owned(), ..error };
            if error.is(Errno::EBUSY) { self.explain_busy(path, error) } else { self.with_log(array, error) }
        })
    }

    /// A member's old partitions must not stay visible beside the array.
    fn forget_partitions(&self, device: &BlockDevice) {
        let entry = device.dev().and_then(|dev| self.machine.sysfs.name_of(dev));
        let entry = entry.and_then(|name| self.machine.sysfs.block(&name).ok().flatten());
        let Some(kernel::sysfs::Shape::Whole { partitions }) = entry.map(|e| e.shape) else { return };
        for name in partitions {
            let Ok(Some(part)) = self.machine.sysfs.block(&name) else { continue };
            let kernel::sysfs::Shape::Partition { number, .. } = part.shape else { continue };
            let Ok(number) = u16::try_from(number) else { continue };
            if let Err(error) = device.delete_partition(number) {
                tracing::debug!(%error, "a partition stays");
            }
        }
    }

    pub(super) fn run(&mut self, array: &ArrayName) -> Result<()> {
        let started = self.array(array)?.run_array();
        started.map_err(|error| self.with_log(array, error))
    }

    pub(super) fn make_readonly(&mut self, array: &ArrayName) -> Result<()> {
        match self.array(array)?.stop_array_ro() {
            // Read-only already: the kernel answers as if it were not there.
            Err(error) if error.is(Errno::ENXIO) && self.is_readonly(array) => Ok(()),
            Err(error) if error.is(Errno::EBUSY) => Err(self.explain_busy(&array.path, error)),
            other => Ok(other?),
        }
    }

    fn is_readonly(&self, array: &ArrayName) -> bool {
        let state = self.machine.sysfs.array(&array.kernel).state();
        matches!(state, Ok(Some(kernel::sysfs::ArrayState::ReadOnly)))
    }

    pub(super) fn make_writable(&mut self, array: &ArrayName) -> Result<()> {
        match self.array(array)?.restart_array_rw() {
            // It was not read-only.
            Err(error) if error.is(Errno::EBUSY) => Ok(()),
            other => Ok(other?),
        }
    }

    /// STOP_ARRAY, and then the device must go: from /sys, from /dev, and from udev's work list.
    pub(super) fn stop(&mut self, array: &ArrayName) -> Result<()> {
        let sysfs = self.machine.sysfs.clone();
        let gone = Disappearance::listen(&sysfs, &self.machine.places, &array.kernel, self.machine.udev)?;
        // Whoever made the array may not have asked for it.
        if let Err(error) = module::remove_at_once(&sysfs) {
            tracing::debug!(%error, "legacy_async_del_gendisk stays");
        }
        let opened = match self.arrays.remove(&array.kernel) {
            Some(device) => device,
            None => {
                let dev = self.number(&array.kernel)?;
                let open =
                    || node::open_number(&self.machine.places, dev, Access::ReadExclusive, &array.path);
                let again = |error: &KernelError| error.is(Errno::EBUSY) && self.only_processes_hold_md(dev);
                let told = || self.waits_for(&array.path, &self.holders_of(dev));
                wait::retry(BUSY_WAIT, open, again, told)
                    .map_err(|error| self.explain_busy(&array.path, error))
                    .with_context(|| format!("Cannot get exclusive access to {}", array.path))?
            }
        };
        let told = || {
            let dev = sysfs.array(&array.kernel).dev().ok().flatten();
            self.waits_for(&array.path, &dev.map(|dev| self.holders_of(dev)).unwrap_or_default());
        };
        let busy = |error: &KernelError| error.is(Errno::EBUSY);
        wait::retry(BUSY_WAIT, || opened.stop_array(), busy, told)
            .map_err(|error| self.explain_busy(&array.path, error))
            .with_context(|| format!("failed to stop array {}", array.path))?;
        drop(opened);
        let told = || self.machine.meanwhile.say(&waits_for_udev(&array.path));
        let Err(late) = gone.wait(UDEV_WAIT, told) else { return Ok(()) };
        // The driver lets an empty device stay as long as somebody has it open, and makes it again for who opens its node.
        match sysfs.array(&array.kernel).state() {
            Ok(None | Some(kernel::sysfs::ArrayState::Clear)) => {
                let dev = sysfs.array(&array.kernel).dev().ok().flatten();
                let by = |dev| kernel::holders::holders(&sysfs, &self.machine.procfs, dev).ok();
                let holders = dev.and_then(by).unwrap_or_default();
                let by = match holders.as_slice() {
                    [] => String::new(),
                    some => format!(" (held by {})", held(some)),
                };
                self.remarks.push(format!("{} is stopped; its empty device is still there{by}", array.path));
                Ok(())
            }
            Ok(Some(_)) | Err(_) => Err(late.into()),
        }
    }

    pub(super) fn number(&self, kernel: &str) -> Result<DevId> {
        let dev = self.machine.sysfs.array(kernel).dev()?;
        dev.ok_or_else(|| anyhow!("{kernel}: no such array"))
    }

    fn only_processes_hold_md(&self, dev: DevId) -> bool {
        self.holders_of(dev).iter().all(kernel::Holder::is_process)
    }

    fn holders_of(&self, dev: DevId) -> Vec<kernel::Holder> {
        kernel::holders::holders(&self.machine.sysfs, &self.machine.procfs, dev).unwrap_or_default()
    }
}
