//! What is done to the members of an array that runs.

use std::{collections::BTreeSet, path::Path, time::Duration};

use anyhow::{Result, anyhow, bail};
use nix::errno::Errno;
use superblock::MdUuid;

use super::live::Live;
use crate::{
    config::map,
    kernel::{KernelError, files, host, md, node, wait},
    model::world::MapEntry,
    plan::{ArrayName, LegacyShape, MemberName, SeenMember, run::Outdated},
    words::{DevId, MemberAttr},
};

/// How long a member is given that the kernel is still letting go of.
const BRIEFLY: Duration = Duration::from_millis(50);
/// The same, where somebody insists.
const PATIENTLY: Duration = Duration::from_secs(5);
/// The most that a map file is believed to be.
const MAP_LIMIT: u64 = 1 << 20;

impl Live {
    /// By its number; a member whose device is gone by its name in sysfs.
    pub(super) fn fail(&mut self, array: &ArrayName, member: &MemberName) -> Result<()> {
        let failed = match member.dev {
            Some(dev) => self.array(array)?.set_disk_faulty(dev),
            None => return self.set_member(array, member, MemberAttr::State, "faulty"),
        };
        failed.map_err(|error| self.with_log(array, of(member, error)))
    }

    /// A member that has just failed is in use for a moment longer.
    pub(super) fn remove(&mut self, array: &ArrayName, member: &MemberName, patient: bool) -> Result<()> {
        let limit = if patient { PATIENTLY } else { BRIEFLY };
        let (meanwhile, shown) = (self.machine().meanwhile.clone(), member.shown.clone());
        let told = || {
            let limit = limit.as_secs();
            meanwhile.say(&format!("waiting for the kernel to let {shown} go (for at most {limit} s)"));
        };
        // What was just added is known by its path.
        let by_path = || node::number_of(Path::new(&member.shown)).ok().flatten();
        let dev = member.dev.or_else(|| member.link.is_none().then(by_path).flatten());
        let busy = |error: &KernelError| error.is(Errno::EBUSY);
        if let Some(dev) = dev {
            let opened = self.array(array)?;
            match wait::retry(limit, || opened.hot_remove_disk(dev), busy, told) {
                // It does not run: the ioctl knows no such array, its attributes do.
                Err(error) if error.is(Errno::ENODEV) => {}
                removed => return removed.map_err(|error| of(member, error).into()),
            }
        }
        let name = self.name_of(array, &MemberName { dev, ..member.clone() })?;
        let link = self.machine().sysfs.array(&array.kernel).member(&name);
        let removed = wait::retry(limit, || link.write(MemberAttr::State, "remove"), busy, told);
        removed.map_err(|error| of(member, error).into())
    }

    pub(super) fn set_member(
        &mut self,
        array: &ArrayName,
        member: &MemberName,
        attr: MemberAttr,
        value: &str,
    ) -> Result<()> {
        let name = self.name_of(array, member)?;
        let written = self.machine().sysfs.array(&array.kernel).member(&name).write(attr, value);
        written.map_err(|error| self.with_log(array, error))
    }

    /// Whether the array is as it was seen before the lock was ours.
    pub(super) fn expect(
        &self,
        array: &ArrayName,
        uuid: Option<MdUuid>,
        members: Option<&[DevId]>,
    ) -> Result<()> {
        let now = self.members_now(&array.kernel)?;
        let same = match (members, &now) {
            (None, None) => true,
            (None, Some(now)) => now.is_empty(),
            (Some(then), now) => now.as_ref().is_some_and(|now| {
                let sorted = |ids: &[DevId]| ids.iter().copied().collect::<BTreeSet<_>>();
                sorted(then) == sorted(now)
            }),
        };
        if !same {
            return Err(Outdated(format!("{array} was changed by another program meanwhile")).into());
        }
        if members.is_some() {
            return Ok(());
        }
        let path = self.machine().places.run.join("mdadm/map");
        let text = files::read(&path, MAP_LIMIT)?.unwrap_or_default();
        let entries = map::parse(&String::from_utf8_lossy(&text));
        let same = |entry: &&MapEntry| Some(entry.uuid) == uuid || entry.path == array.path;
        for entry in entries.iter().filter(|entry| entry.devnm != array.kernel).filter(same) {
            if self.members_now(&entry.devnm)?.is_some_and(|members| !members.is_empty()) {
                let text = if Some(entry.uuid) == uuid {
                    format!("{array} was assembled as {} by another program meanwhile", entry.devnm)
                } else {
                    format!("{} was given to {} by another program meanwhile", array.path, entry.devnm)
                };
                return Err(Outdated(text).into());
            }
        }
        Ok(())
    }

    /// Whether each member is in the state in which it was seen: by the same request by which it was.
    pub(super) fn expect_states(&mut self, array: &ArrayName, members: &[SeenMember]) -> Result<()> {
        for then in members {
            let now = self.array(array).ok().and_then(|opened| opened.disk_info(then.number).ok());
            let now = now.and_then(|disk| {
                let flags = disk.flags();
                let faulty = flags.contains(md::DiskFlags::FAULTY);
                let serves = flags.contains(md::DiskFlags::SYNC) && !faulty;
                let serves = serves.then_some(disk.raid_disk);
                Some(SeenMember { number: then.number, dev: disk.dev()?, faulty, serves })
            });
            if now != Some(*then) {
                bail!(Outdated(format!("the members of {array} were changed by another program meanwhile")));
            }
        }
        Ok(())
    }

    /// The members of an array in the kernel; `None` where there is no such array.
    fn members_now(&self, kernel: &str) -> Result<Option<Vec<DevId>>> {
        let array = self.machine().sysfs.array(kernel);
        if array.state()?.is_none() {
            return Ok(None);
        }
        let mut members = Vec::new();
        for member in array.members()? {
            members.extend(member.dev()?);
        }
        Ok(Some(members))
    }

    /// An array without metadata: the kernel is told everything.
    pub(super) fn set_shape(&mut self, array: &ArrayName, shape: LegacyShape) -> Result<()> {
        let number = |n: u64| i32::try_from(n).unwrap_or(0);
        let raid_disks = number(shape.raid_disks.into());
        let dev = self.machine().sysfs.array(&array.kernel).dev()?;
        let info = md::ArrayInfo {
            minor_version: 90,
            ctime: u32::try_from(host::now().0).unwrap_or(0),
            level: shape.level.number(),
            // What is too large for the old interface the kernel finds out by itself.
            size: number(shape.size.0),
            nr_disks: raid_disks,
            raid_disks,
            md_minor: dev.map_or(0, |dev| number(dev.minor.into())),
            not_persistent: 1,
            state: i32::from(shape.clean),
            active_disks: raid_disks,
            working_disks: raid_disks,
            layout: i32::from_ne_bytes(shape.layout.to_ne_bytes()),
            chunk_size: number(shape.chunk.0),
            ..md::ArrayInfo::default()
        };
        let told = self.array(array)?.set_array_info(&info);
        told.map_err(|error| self.with_log(array, error))
    }

    /// The member's name in sysfs.
    fn name_of(&self, array: &ArrayName, member: &MemberName) -> Result<String> {
        let known = member.link.clone();
        let found = || {
            let dev = member.dev?;
            let array = self.machine().sysfs.array(&array.kernel);
            Some(array.member_of(dev).ok()??.name().to_owned())
        };
        let name = known.or_else(found);
        name.ok_or_else(|| anyhow!("{} is not a member of {array}", member.shown))
    }
}

/// The member is what the error is about, not the array.
fn of(member: &MemberName, error: KernelError) -> KernelError {
    KernelError { device: member.shown.clone(), ..error }
}
