//! A machine of values, for tests: it does what the steps say and fails at the N-th call when told so.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail, ensure};
use superblock::Write;

use super::{
    ArrayName, DiskStep, MdStep, Step, SystemStep, TextChange, UnitVerb, is_another,
    overlay::OverlayStep,
    run::{Host, Outdated, Trouble},
    volume::fs::FsStep,
};

pub(crate) mod dm;
mod lvm;

use dm::FakeDm;
use lvm::FakeLvm;

/// Everything that steps can change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Claimed devices.
    pub(crate) claims: BTreeSet<String>,
    /// Bytes by device and 512-byte block.
    pub(crate) blocks: BTreeMap<(String, u64), Vec<u8>>,
    /// Devices and ranges set to zero.
    pub(crate) zeroed: BTreeSet<(String, u64, u64)>,
    /// The map's lock is held.
    pub(crate) locked: bool,
    /// The map's lines, by kernel name.
    pub(crate) map: BTreeMap<String, String>,
    /// `creating-` files.
    pub(crate) hidden: BTreeSet<String>,
    /// Arrays: members and whether they run.
    pub(crate) arrays: BTreeMap<String, (BTreeSet<String>, bool)>,
    /// Entries of the archive.
    pub(crate) archive: BTreeSet<String>,
    /// Attributes that were set: of an array by its kernel's name, of a member by its own name.
    pub(crate) attributes: BTreeMap<(String, String), String>,
    /// Text of the files that were written.
    pub(crate) texts: BTreeMap<String, String>,
    /// Units that are enabled, and those that are started.
    pub(crate) units: (BTreeSet<String>, BTreeSet<String>),
    /// Failed members.
    pub(crate) failed: BTreeSet<String>,
    /// Arrays whose recovery is kept from starting.
    pub(crate) frozen: BTreeSet<String>,
    /// Files that were saved.
    pub(crate) files: BTreeSet<String>,
    /// Nodes and links.
    pub(crate) nodes: BTreeSet<String>,
    /// device-mapper.
    pub(crate) dm: FakeDm,
    /// LVM2's metadata.
    pub(crate) lvm: FakeLvm,
    /// What was added to the notes of a killed command.
    pub(crate) notes: String,
    /// What is ended in the background, by the names of locks.
    pub(crate) followed: BTreeSet<String>,
    /// Devices whose file systems were made smaller.
    pub(crate) shrunk: BTreeSet<String>,
}

impl State {
    /// Whoever carried a plan out has ended: what it held by open files is free.
    pub(crate) fn let_go(&mut self) {
        self.claims.clear();
        self.locked = false;
        self.lvm.locks.clear();
    }

    fn change_texts(&mut self, files: &[TextChange]) -> Result<()> {
        for file in files {
            let now = self.texts.get(&file.path);
            ensure!(now == file.from.as_ref(), Outdated(format!("{} is another by now", file.path)));
        }
        for file in files {
            match &file.to {
                Some(text) => drop(self.texts.insert(file.path.clone(), text.clone())),
                None => drop(self.texts.remove(&file.path)),
            }
        }
        Ok(())
    }

    fn set(&mut self, array: &ArrayName, attr: &str, value: &str) -> Result<()> {
        ensure!(self.arrays.contains_key(&array.kernel), "no such array");
        self.attributes.insert((array.kernel.clone(), attr.to_owned()), value.to_owned());
        Ok(())
    }
}

/// The machine.
#[derive(Debug, Default)]
pub(crate) struct Fake {
    pub(crate) state: State,
    /// Steps taken so far, undo steps included.
    pub(crate) log: Vec<String>,
    /// The call that fails, counted from 0; later calls work again.
    pub(crate) fail_at: Option<usize>,
}

impl Fake {
    fn write(&mut self, device: &str, writes: &[Write]) -> Result<Vec<Write>> {
        let mut saved = Vec::new();
        for write in writes {
            ensure!(write.at.0 % 512 == 0 && write.data.len() % 512 == 0, "unaligned write");
            let mut old = Vec::new();
            for (index, block) in write.data.chunks(512).enumerate() {
                let key = (device.to_owned(), write.at.0 / 512 + u64::try_from(index)?);
                let before = if block.iter().all(|b| *b == 0) {
                    self.state.blocks.remove(&key)
                } else {
                    self.state.blocks.insert(key, block.to_vec())
                };
                old.extend(before.unwrap_or_else(|| vec![0; 512]));
            }
            saved.push(Write { at: write.at, data: old });
        }
        Ok(saved)
    }
}

impl Host for Fake {
    fn apply(&mut self, step: &Step) -> Result<Vec<Write>, Trouble> {
        Ok(self.act(step)?)
    }
}

impl Fake {
    #[expect(clippy::too_many_lines, reason = "one arm a step; the list is the point")]
    pub(crate) fn act(&mut self, step: &Step) -> Result<Vec<Write>> {
        let call = self.log.len();
        self.log.push(step.to_string());
        if self.fail_at == Some(call) {
            bail!("told to fail");
        }
        let state = &mut self.state;
        match step {
            Step::Disk(DiskStep::Claim { device }) => {
                ensure!(!state.arrays.values().any(|(members, _)| members.contains(device)), "busy");
                ensure!(state.claims.insert(device.clone()), "claimed twice");
            }
            Step::Disk(DiskStep::Share { device }) => {
                state.claims.insert(device.clone());
            }
            Step::Disk(DiskStep::Release { device }) => {
                state.claims.remove(device);
            }
            Step::System(SystemStep::Archive { record }) => {
                ensure!(state.archive.insert(record.about.id.to_string()), "kept twice");
            }
            Step::System(SystemStep::Discard { id }) => {
                ensure!(state.archive.remove(id.as_str()), "no such entry");
            }
            Step::System(SystemStep::SaveFile { file, .. })
            | Step::System(SystemStep::Link { name: file, .. }) => {
                ensure!(state.files.insert(file.clone()), "exists");
            }
            Step::System(SystemStep::RemoveFile { file }) => {
                state.files.remove(file);
                state.texts.remove(file);
            }
            Step::Disk(DiskStep::Write { device, writes, .. }) => return self.write(device, writes),
            Step::Disk(DiskStep::Zero { ranges }) => {
                state.zeroed.extend(ranges.iter().map(|(d, start, length)| (d.clone(), start.0, length.0)));
            }
            Step::System(SystemStep::LockMap) => {
                ensure!(!state.locked, "locked twice");
                state.locked = true;
            }
            Step::System(SystemStep::UnlockMap) => state.locked = false,
            Step::Md(MdStep::Expect { array, members, .. }) => {
                ensure!(state.locked, "looked at again without the lock");
                let now = state.arrays.get(&array.kernel).map(|(members, _)| members.len());
                let same = now.unwrap_or(0) == members.as_ref().map_or(0, Vec::len);
                ensure!(same, Outdated(format!("{array} was changed meanwhile")));
            }
            Step::Md(MdStep::ExpectStates { .. }) => {
                ensure!(state.locked, "looked at again without the lock");
            }
            Step::System(SystemStep::HideFromUdev { array }) => {
                state.hidden.insert(array.kernel.clone());
            }
            Step::System(SystemStep::ShowToUdev { array }) => {
                state.hidden.remove(&array.kernel);
            }
            Step::Md(MdStep::NewArray { array, .. }) => {
                ensure!(!state.arrays.contains_key(&array.kernel), "array exists");
                state.arrays.insert(array.kernel.clone(), (BTreeSet::new(), false));
            }
            Step::Md(MdStep::AddDisk { array, device, .. })
            | Step::Md(MdStep::HotAdd { array, device, .. }) => {
                let Some((members, _)) = state.arrays.get_mut(&array.kernel) else { bail!("no such array") };
                ensure!(members.insert(device.clone()), "added twice");
                state.claims.remove(device);
            }
            Step::Md(MdStep::Run { array }) => {
                let Some((_, running)) = state.arrays.get_mut(&array.kernel) else { bail!("no such array") };
                *running = true;
            }
            Step::Md(MdStep::Stop { array }) => {
                ensure!(state.arrays.remove(&array.kernel).is_some(), "no such array");
                state.attributes.retain(|(of, _), _| *of != array.kernel);
            }
            Step::System(SystemStep::MapAdd { entry }) => {
                ensure!(state.locked, "map changed without its lock");
                state.map.insert(entry.devnm.clone(), entry.path.clone());
            }
            Step::System(SystemStep::MapRemove { entry }) => {
                ensure!(state.locked, "map changed without its lock");
                state.map.remove(&entry.devnm);
            }
            Step::System(SystemStep::Node { array }) => {
                state.nodes.insert(array.path.clone());
            }
            Step::System(SystemStep::RemoveNode { array }) => {
                state.nodes.remove(&array.path);
            }
            Step::Md(MdStep::Fail { array, member }) => {
                let Some((members, _)) = state.arrays.get(&array.kernel) else { bail!("no such array") };
                ensure!(members.contains(&member.shown), "no such member");
                ensure!(state.failed.insert(member.shown.clone()), "failed already");
            }
            Step::Md(MdStep::Remove { array, member, .. }) => {
                let Some((members, _)) = state.arrays.get_mut(&array.kernel) else { bail!("no such array") };
                ensure!(members.remove(&member.shown), "no such member");
                state.failed.remove(&member.shown);
            }
            Step::Md(MdStep::Withdraw { array, device, .. }) => {
                let Some((members, running)) = state.arrays.get_mut(&array.kernel) else {
                    bail!("no such array")
                };
                ensure!(!*running, "it runs");
                ensure!(members.remove(device), "no such member");
            }
            Step::Md(MdStep::SetMember { array, member, attr, value }) => {
                let Some((members, _)) = state.arrays.get(&array.kernel) else { bail!("no such array") };
                ensure!(members.contains(&member.shown), "no such member");
                let key = (member.shown.clone(), attr.to_string());
                match value.as_str() {
                    "none" | "-want_replacement" => drop(state.attributes.remove(&key)),
                    _ => drop(state.attributes.insert(key, value.clone())),
                }
            }
            Step::Md(MdStep::Shift { array, member, from, to }) => {
                let Some((members, _)) = state.arrays.get(&array.kernel) else { bail!("no such array") };
                ensure!(members.contains(&member.shown), "no such member");
                let key = (member.shown.clone(), "new_offset".to_owned());
                match from == to {
                    true => drop(state.attributes.remove(&key)),
                    false => drop(state.attributes.insert(key, to.0.to_string())),
                }
            }
            Step::Md(MdStep::Freeze { array }) => {
                ensure!(state.frozen.insert(array.kernel.clone()), "frozen already");
            }
            Step::Md(MdStep::Thaw { array }) => {
                ensure!(state.frozen.remove(&array.kernel), "not frozen");
            }
            Step::Dm(step) => state.dm.apply(step)?,
            Step::Overlay(OverlayStep::Attach { file, device }) => {
                ensure!(state.files.contains(file), "no such file");
                ensure!(state.claims.insert(device.clone()), "busy");
            }
            Step::Overlay(OverlayStep::Detach { device, .. }) => {
                state.claims.remove(device);
            }
            Step::Overlay(OverlayStep::Store { file, .. }) => {
                ensure!(state.files.insert(file.clone()), "file exists");
            }
            Step::Overlay(OverlayStep::Forget { files, .. }) => {
                state.files.retain(|file| !files.contains(file));
            }
            Step::Critical(critical) => state.dm.critical(critical)?,
            Step::Lvm(step) => state.lvm.apply(step)?,
            Step::Fs(FsStep::ResizeExt { device, size: Some(_) }) => {
                state.shrunk.insert(device.clone());
            }
            Step::Fs(FsStep::ResizeExt { device, size: None }) => {
                state.shrunk.remove(device);
            }
            Step::Fs(_) => {}
            Step::Md(MdStep::SetVersion { array, version }) => {
                state.set(array, "metadata_version", &format!("{}.{}", version.0, version.1))?;
            }
            Step::Md(MdStep::SetShape { array, .. }) => state.set(array, "metadata_version", "none")?,
            Step::Md(MdStep::SetAttr { array, attr, value, .. }) => state.set(array, attr.path(), value)?,
            Step::Md(MdStep::Change { array, attr, from, to }) => {
                let key = (array.kernel.clone(), attr.to_string());
                let now = state.attributes.get(&key).map(String::as_str);
                let another = is_another(*attr, (from.as_deref(), to), now);
                ensure!(!another, Outdated(format!("{attr} of {array} is another by now")));
                state.set(array, attr.path(), to)?;
            }
            Step::Md(MdStep::Configure { array, attr, value }) => state.set(array, attr, value)?,
            Step::Md(MdStep::MakeWritable { array }) => state.set(array, "array_state", "active")?,
            Step::Md(MdStep::MakeReadonly { array }) => state.set(array, "array_state", "readonly")?,
            Step::Md(MdStep::DenyDevice { array }) | Step::System(SystemStep::Uevent { array }) => {
                ensure!(state.arrays.contains_key(&array.kernel), "no such array");
            }
            Step::Disk(DiskStep::PutStream { target, .. }) => drop(state.files.insert(target.clone())),
            Step::System(SystemStep::Note { note, .. }) => state.notes.push_str(&note.to_string()),
            Step::System(SystemStep::Follow { lock, .. }) => drop(state.followed.insert(lock.clone())),
            Step::System(SystemStep::EndFollow { lock }) => drop(state.followed.remove(lock)),
            Step::System(SystemStep::UnitFiles { files }) => state.change_texts(files)?,
            Step::System(SystemStep::EditFile { change, .. }) => {
                state.change_texts(std::slice::from_ref(change))?
            }
            Step::System(SystemStep::Units { verb, units }) => {
                for unit in units.iter().cloned() {
                    match verb {
                        UnitVerb::Enable => drop(state.units.0.insert(unit)),
                        UnitVerb::Disable => drop(state.units.0.remove(&unit)),
                        UnitVerb::Start => drop(state.units.1.insert(unit)),
                        UnitVerb::Stop => drop(state.units.1.remove(&unit)),
                    }
                }
            }
            Step::System(SystemStep::WriteFile { path, text, .. }) => {
                drop(state.texts.insert(path.clone(), text.clone()))
            }
            Step::Overlay(OverlayStep::Settled { .. })
            | Step::Alert(_)
            | Step::Mend(_)
            | Step::Window(_)
            | Step::Md(MdStep::AutoDetect)
            | Step::Commit
            | Step::Disk(DiskStep::Verify { .. })
            | Step::Disk(DiskStep::Unchanged { .. }) => {}
        }
        Ok(Vec::new())
    }
}
