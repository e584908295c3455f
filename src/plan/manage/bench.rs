//! A machine made of values for the courses of members: an array that runs, and disks beside it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};
use superblock::{Sectors, Write, v1};

use super::tests::{dev, disk, superblock};
use crate::{
    model::{
        Candidate, DevId, World,
        detail::{MemberFlags, TableMember},
        manage::{Absent, Depth, Link, ManageSubject, Managed, Unknown},
        world::RunningArray,
    },
    plan::{
        DiskInfo, DiskStep, MdStep, MemberName, SeenMember, Step,
        course::{
            Look, Unseen, View, Wait, Woke,
            twin::{Outcome, Scene},
        },
        fake::{Fake, State},
        run::Outdated,
    },
    words::{ArrayAttr, ArrayState, MemberAttr, MemberState, SyncAction},
};

/// A disk, by what is on it.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Disk {
    pub(in crate::plan) minor: u32,
    pub(in crate::plan) superblock: Option<v1::Superblock>,
    pub(in crate::plan) busy: bool,
}

/// The scene.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Bench {
    pub(in crate::plan) array: Option<Managed>,
    /// Devices by path; members of the array among them.
    pub(in crate::plan) disks: BTreeMap<String, Disk>,
    /// What is written, claimed and locked.
    pub(in crate::plan) state: State,
    pub(in crate::plan) frozen: bool,
    /// Every device that was ever in sync, and whatever became of it: overwritten with what?
    written: BTreeSet<String>,
    waited: u32,
    /// Places of a new member that cannot be filled.
    pub(in crate::plan) unreadable: Vec<(Sectors, Sectors)>,
    /// At one look while it recovers the members are not listed.
    pub(in crate::plan) blinks: bool,
}

impl Bench {
    /// An array, and empty disks beside it.
    pub(in crate::plan) fn new(mut array: Managed, free: &[u32]) -> Self {
        let mut disks = BTreeMap::new();
        let level = array.detail.level;
        let slots = array.detail.counts.raid_disks;
        let mut put = |minor: u32, superblock: Option<v1::Superblock>| {
            disks.insert(format!("/dev/ram{minor}"), Disk { minor, superblock, busy: false });
        };
        for member in &mut array.detail.members {
            let path = format!("/dev/ram{}", member.dev.minor);
            let number = u32::try_from(member.number).unwrap();
            put(member.dev.minor, Some(superblock(number, 20, level, slots)));
            member.path = Some(path);
        }
        free.iter().for_each(|minor| put(*minor, None));
        let (state, written) = (State::default(), BTreeSet::new());
        Self {
            array: Some(array),
            disks,
            state,
            frozen: false,
            written,
            waited: 0,
            unreadable: Vec::new(),
            blinks: false,
        }
    }

    fn dev_of(&self, path: &str) -> Option<DevId> {
        self.disks.get(path).map(|disk| dev(disk.minor))
    }

    fn array(&mut self) -> Result<&mut Managed> {
        self.array.as_mut().context("no such array")
    }

    fn find(&mut self, name: &MemberName) -> Result<(usize, usize)> {
        let array = self.array()?;
        let is = |link: &Link| link.dev == name.dev || Some(&link.name) == name.link.as_ref();
        let link = array.links.iter().position(is).context("no such member")?;
        let dev = array.links[link].dev;
        let member = array.detail.members.iter().position(|member| Some(member.dev) == dev);
        Ok((link, member.context("no such number")?))
    }

    fn is_inside(&self, dev: DevId) -> bool {
        self.array.as_ref().is_some_and(|array| array.link_of(dev).is_some())
    }

    /// Takes a device in: where it stood, or as a spare.
    pub(in crate::plan) fn hot_add(&mut self, path: &str, info: DiskInfo) -> Result<()> {
        let dev = self.dev_of(path).context("no such device")?;
        ensure!(!self.is_inside(dev), "busy");
        let written = self.written.contains(path);
        let array = self.array()?;
        let taken = array.detail.members.iter().any(|member| member.number == info.number);
        ensure!(!taken, "number {} is another's", info.number);
        let slot = u32::try_from(info.raid_disk).ok();
        let serves = slot.is_some() && !written;
        let free = slot.is_none_or(|slot| !array.links.iter().any(|link| link.slot == Some(slot)));
        ensure!(free, "the slot is taken");
        array.detail.members.push(TableMember {
            number: info.number,
            dev,
            raid_disk: if serves { info.raid_disk } else { -1 },
            state: MemberFlags { active: serves, sync: serves, ..MemberFlags::default() },
            path: Some(path.to_owned()),
            alive: true,
        });
        array.links.push(Link {
            name: path.trim_start_matches("/dev/").to_owned(),
            dev: Some(dev),
            slot: slot.filter(|_| serves),
            states: vec![if serves { MemberState::InSync } else { MemberState::Spare }],
            data_offset: Sectors(2048),
            bad: Vec::new(),
        });
        Ok(())
    }

    /// A member fails.
    pub(in crate::plan) fn lose(&mut self, minor: u32) {
        let Some(array) = &mut self.array else { return };
        for member in array.detail.members.iter_mut().filter(|member| member.dev.minor == minor) {
            member.raid_disk = -1;
            member.state = MemberFlags { faulty: true, ..MemberFlags::default() };
        }
        for link in array.links.iter_mut().filter(|link| link.dev.is_some_and(|dev| dev.minor == minor)) {
            link.slot = None;
            link.states = vec![MemberState::Faulty];
        }
    }

    fn set(&mut self, name: &MemberName, attr: MemberAttr, value: &str) -> Result<()> {
        let (link, member) = self.find(name)?;
        let array = self.array()?;
        let link = &mut array.links[link];
        match (attr, value) {
            (MemberAttr::State, "want_replacement") => {
                ensure!(link.is(&MemberState::InSync), "not in sync");
                link.states.push(value.into());
            }
            (MemberAttr::State, "-want_replacement") => {
                link.states.retain(|word| *word != MemberState::WantReplacement)
            }
            (MemberAttr::State, "re-add") => bail!("not possible"),
            (MemberAttr::Slot, "none") => {
                link.slot = None;
                link.states.retain(|word| *word != MemberState::Replacement);
            }
            (MemberAttr::Slot, slot) => {
                ensure!(link.slot.is_none() && link.is(&MemberState::Spare), "busy");
                link.slot = Some(slot.parse()?);
                link.states.push(MemberState::Replacement);
                array.detail.members[member].state.other = true;
            }
            _ => bail!("no such attribute"),
        }
        Ok(())
    }

    /// The kernel fills whoever waits for it.
    fn recover(&mut self) {
        let Some(array) = self.array.as_mut().filter(|_| !self.frozen) else { return };
        let unreadable = self.unreadable.clone();
        let serve = |array: &mut Managed, link: usize, slot: u32| {
            array.links[link].bad.clone_from(&unreadable);
            array.links[link].slot = Some(slot);
            array.links[link].states = vec![MemberState::InSync];
            let dev = array.links[link].dev;
            for member in array.detail.members.iter_mut().filter(|member| Some(member.dev) == dev) {
                member.raid_disk = i32::try_from(slot).unwrap();
                member.state = MemberFlags { active: true, sync: true, ..MemberFlags::default() };
            }
        };
        if let Some(nth) = array.links.iter().position(|link| link.is(&MemberState::Replacement)) {
            let slot = array.links[nth].slot.unwrap();
            let old = array
                .links
                .iter()
                .position(|link| link.slot == Some(slot) && !link.is(&MemberState::Replacement));
            serve(array, nth, slot);
            let old = old.and_then(|old| self.array.as_ref()?.links[old].dev);
            if let Some(old) = old {
                self.lose(old.minor);
            }
            return;
        }
        let present = array.present(None);
        let enough = array.geometry().enough(&present, true);
        let empty = present.iter().position(|present| !present).and_then(|slot| u32::try_from(slot).ok());
        let spare = array.links.iter().position(|link| link.is(&MemberState::Spare) && link.slot.is_none());
        if let (Some(slot), Some(spare), true) = (empty, spare, enough) {
            serve(array, spare, slot);
        }
    }

    /// What must be so however a course ended: the devices that serve are enough, and nothing is left frozen in silence.
    pub(in crate::plan) fn check(outcome: &Outcome<Self>, what: &str) {
        let text = outcome.text();
        assert!(!outcome.scene.frozen || text.contains("recovery"), "{what}: frozen in silence: {text}");
        if let Some(array) = &outcome.scene.array {
            let enough = array.geometry().enough(&array.present(None), true);
            assert!(enough, "{what}: the array was failed: {text}");
        }
    }
}

impl Scene for Bench {
    #[expect(clippy::too_many_lines, reason = "one arm a step; the list is the point")]
    fn act(&mut self, step: &Step) -> Result<Vec<Write>> {
        match step {
            Step::Disk(DiskStep::Claim { device }) => {
                let dev = self.dev_of(device).context("no such device")?;
                ensure!(!self.is_inside(dev) && !self.disks[device].busy, "busy");
            }
            Step::Disk(DiskStep::Write { device, .. }) => {
                ensure!(self.state.claims.contains(device), "written without a claim");
                self.written.insert(device.clone());
            }
            Step::Md(MdStep::ExpectStates { members, .. }) => {
                ensure!(self.state.locked, "looked at again without the lock");
                let now = self.array.as_ref().map_or(&[][..], |array| &array.detail.members);
                let stands = |then: &SeenMember| {
                    let now = now.iter().find(|now| (now.number, now.dev) == (then.number, then.dev));
                    now.is_some_and(|now| {
                        let serves = (now.state.sync && !now.state.faulty).then_some(now.raid_disk);
                        (now.state.faulty, serves) == (then.faulty, then.serves)
                    })
                };
                ensure!(
                    members.iter().all(stands),
                    Outdated("the members were changed meanwhile".to_owned())
                );
                return Ok(Vec::new());
            }
            Step::Md(MdStep::HotAdd { device, info, .. }) => {
                self.hot_add(device, *info)?;
                self.state.claims.remove(device);
                return Ok(Vec::new());
            }
            Step::Md(MdStep::Fail { member, .. }) => {
                let (link, _) = self.find(member)?;
                let dev = self.array()?.links[link].dev.context("gone")?;
                self.lose(dev.minor);
                return Ok(Vec::new());
            }
            Step::Md(MdStep::Remove { member, .. }) => {
                let (link, number) = self.find(member)?;
                let array = self.array()?;
                ensure!(array.links[link].slot.is_none(), "busy");
                array.links.remove(link);
                array.detail.members.remove(number);
                return Ok(Vec::new());
            }
            Step::Md(MdStep::SetMember { member, attr, value, .. }) => {
                self.set(member, *attr, value)?;
                return Ok(Vec::new());
            }
            Step::Md(MdStep::Freeze { .. }) => {
                ensure!(self.array.is_some() && !self.frozen, "frozen already");
                self.frozen = true;
                return Ok(Vec::new());
            }
            Step::Md(MdStep::Thaw { .. }) => {
                ensure!(self.frozen, "not frozen");
                self.frozen = false;
                return Ok(Vec::new());
            }
            Step::Md(MdStep::Stop { .. }) => {
                ensure!(self.array.take().is_some(), "no such array");
                self.frozen = false;
                return Ok(Vec::new());
            }
            Step::Md(MdStep::SetAttr { attr: ArrayAttr::ArrayState, value, .. }) => {
                self.array()?.detail.array_state = Some(value.as_str().into());
                return Ok(Vec::new());
            }
            Step::Md(MdStep::MakeReadonly { .. }) | Step::Md(MdStep::MakeWritable { .. }) => {
                let readonly = matches!(step, Step::Md(MdStep::MakeReadonly { .. }));
                let state = if readonly { ArrayState::ReadOnly } else { ArrayState::Clean };
                self.array()?.detail.array_state = Some(state);
                return Ok(Vec::new());
            }
            _ => {}
        }
        let mut fake = Fake { state: std::mem::take(&mut self.state), ..Fake::default() };
        let done = fake.act(step);
        self.state = fake.state;
        done
    }

    fn let_go(&mut self) {
        self.state.let_go();
    }

    fn see(&self, look: &Look) -> Result<View, Unseen> {
        Ok(match look {
            Look::Managed { .. } => {
                let mut array = self.array.clone().map(Box::new);
                if let Some(array) = array.as_mut().filter(|_| self.frozen) {
                    array.sync_action = Some(SyncAction::Frozen);
                }
                if let Some(array) = array.as_mut().filter(|_| self.blinks && self.waited == 2) {
                    array.links.clear();
                }
                View::Managed(array.ok_or(Absent::Empty))
            }
            Look::Subject { path, depth } => View::Subject(Box::new(match self.disks.get(path) {
                None => {
                    let unknown = Some(Unknown::NoFile("No such file or directory".to_owned()));
                    ManageSubject { unknown, ..ManageSubject::default() }
                }
                Some(found) => {
                    let mut subject = disk(found.minor, found.superblock.clone());
                    let busy = found.busy || self.is_inside(dev(found.minor));
                    if let Some(Candidate { found: Ok(device), .. }) = &mut subject.seen {
                        device.busy = busy;
                    }
                    let seen = subject.seen.filter(|_| *depth == Depth::Contents);
                    ManageSubject { seen, ..subject }
                }
            })),
            Look::Fresh { ids } => {
                let fresh = (0..*ids).map(|nth| superblock::MdUuid([u8::try_from(nth).unwrap() + 1; 16]));
                View::Fresh(fresh.collect())
            }
            Look::World { .. } => {
                let arrays = self.array.iter().map(|array| RunningArray {
                    name: array.detail.kernel_name.clone(),
                    state: array.detail.array_state.clone().unwrap_or_default(),
                    names: array.links.iter().map(|link| link.name.clone()).collect(),
                    ..RunningArray::default()
                });
                View::World(Box::new(World { arrays: arrays.collect(), ..World::default() }))
            }
            Look::Candidates => View::Candidates(self.disks.keys().cloned().collect()),
            Look::Free { arrays } => View::Free(arrays.clone()),
            other => {
                return Err(Unseen { text: format!("nobody looks at {other:?} here"), errno: None });
            }
        })
    }

    fn pass_time(&mut self, _wait: &Wait) -> Woke {
        self.waited += 1;
        if self.waited == 1 {
            return Woke::Armed;
        }
        self.recover();
        Woke::Changed
    }

    fn sound(&self) -> Result<(), String> {
        if self.state.locked || !self.state.claims.is_empty() {
            return Err(format!("left behind: locked {}, claims {:?}", self.state.locked, self.state.claims));
        }
        Ok(())
    }
}
