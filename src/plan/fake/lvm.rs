//! LVM2's metadata as a value, for tests: headers by device, what is locked, what files say.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail, ensure};
use superblock::lvm::Area;

use crate::plan::{run::Outdated, volume::metadata::LvmStep};

/// What is on the devices and in LVM2's directories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FakeLvm {
    pub(crate) locks: BTreeSet<String>,
    /// Headers that are not as the first step found them, by device and start.
    pub(crate) headers: BTreeMap<(String, u64), Area>,
    pub(crate) backups: BTreeMap<String, Vec<u8>>,
    pub(crate) listed: BTreeSet<String>,
}

fn key(device: &str, area: &Area) -> (String, u64) {
    (device.to_owned(), area.place.start.0)
}

impl FakeLvm {
    /// What the step does, refused where LVM2's protocol does not allow it.
    pub(crate) fn apply(&mut self, step: &LvmStep) -> Result<()> {
        match step {
            LvmStep::Lock { global, groups } => {
                ensure!(self.locks.is_empty(), "locked twice");
                self.locks.insert(if *global { "alone" } else { "together" }.to_owned());
                self.locks.extend(groups.iter().cloned());
            }
            LvmStep::Unlock => self.locks.clear(),
            LvmStep::Check { areas, .. } => {
                ensure!(!self.locks.is_empty(), "looked at without a lock");
                for (device, area) in areas {
                    let now = self.headers.get(&key(device, area));
                    if now.is_some_and(|now| now.committed != area.committed) {
                        bail!(Outdated(format!("{device}: changed")));
                    }
                }
            }
            LvmStep::PreCommit { group, targets, .. } => {
                ensure!(self.locks.contains(group), "not locked");
                for target in targets {
                    let area = Area { precommitted: Some(target.placed.slot), ..target.area.clone() };
                    self.headers.insert(key(&target.device, &target.area), area);
                }
            }
            LvmStep::Commit { group, targets, .. } => {
                ensure!(self.locks.contains(group), "not locked");
                for target in targets {
                    let header = self.headers.get_mut(&key(&target.device, &target.area));
                    let Some(header) = header.filter(|h| h.precommitted == Some(target.placed.slot)) else {
                        bail!("{}: committed without a pre-commit", target.device);
                    };
                    *header = header.with_committed(target.placed.slot);
                }
            }
            LvmStep::Revert { group, targets } => {
                ensure!(self.locks.contains(group), "not locked");
                for target in targets {
                    self.headers.remove(&key(&target.device, &target.area));
                }
            }
            LvmStep::Verify { areas, .. } => {
                for (device, area) in areas {
                    let now = self.headers.get(&key(device, area));
                    ensure!(
                        now.is_some_and(|now| now.committed == area.committed),
                        "{device}: not committed"
                    );
                }
            }
            LvmStep::Free { .. } => {
                ensure!(self.locks.contains("alone"), "others may be looking for devices");
            }
            LvmStep::Archive { .. } | LvmStep::ForgetHints => {}
            LvmStep::Backup { group, text } => drop(self.backups.insert(group.clone(), text.clone())),
            LvmStep::RemoveBackup { group } => drop(self.backups.remove(group)),
            LvmStep::Devices { add, remove } => {
                self.listed.retain(|pv| !remove.iter().any(|gone| gone.plain() == pv));
                self.listed.extend(add.iter().map(|device| device.pv.plain().to_owned()));
            }
        }
        Ok(())
    }
}
