//! A machine made of values: its volumes have contents, and its kernel copies while somebody waits.

use std::collections::BTreeMap;

use superblock::{
    Sectors, Write,
    lvm::{Group, Kind, Slot, Wish},
};

use crate::{
    model::{
        dm::{Dev, SnapshotStatus, Status, Table, Target},
        volume::{FoundGroup, GroupSeen, Groups, StoreSeen},
    },
    plan::{
        Step,
        course::{Look, Unseen, View, Wait, Woke, twin::Scene},
        fake::Fake,
        fake::State,
        volume::{
            devices,
            metadata::LvmStep,
            mover,
            mover_tests::seen,
            verbs_tests::{active, id},
        },
    },
};

/// Physical volume and extent.
pub(super) type Place = (usize, u64);

/// A machine with one group.
#[derive(Clone)]
pub(super) struct Lab {
    pub(super) state: State,
    pub(super) found: Option<FoundGroup>,
    pub(super) pending: Option<Group>,
    /// What each extent has.
    pub(super) contents: BTreeMap<Place, String>,
    /// How many extents each copying device has copied.
    pub(super) copied: BTreeMap<String, u64>,
    /// The disk that copies go to takes no writes any more.
    pub(super) is_dying: bool,
    /// Of what copies go from, this extent cannot be read.
    pub(super) unreadable: Option<u64>,
    /// Somebody suspended a device above a mirror that holds writes, and waits for ever.
    pub(super) is_hung: bool,
    /// The configuration cannot be read.
    pub(super) is_broken: bool,
    /// Extents that were written to while they were somebody else's.
    pub(super) spoiled: Vec<Place>,
    /// Chunks that are still to be put back, and free ones of the other snapshot's store.
    pub(super) merging: (u64, u64),
    pub(super) clock: u64,
    /// Somebody who has the lock of the group removes this volume from its metadata before letting it go.
    pub(super) removing: Option<&'static str>,
}

pub(super) const EXTENT: u64 = 8192;
pub(super) const START: u64 = 2048;

pub(super) fn places(group: &Group, name: &str) -> Vec<Place> {
    let segments = group.volume(name).into_iter().flat_map(|volume| &volume.segments);
    let mut all = Vec::new();
    for segment in segments {
        let Kind::Striped { legs, .. } = &segment.kind else { continue };
        let depth = segment.len / u64::try_from(legs.len()).unwrap();
        all.extend((0..depth).flat_map(|at| legs.iter().map(move |leg| (leg.pv, leg.extent + at))));
    }
    all
}

pub(super) fn place(dev: &Dev, start: Sectors) -> Place {
    let Dev::Number(number) = dev else { panic!("{dev} is not a physical volume") };
    (usize::try_from(number.minor).unwrap(), (start.0 - START) / EXTENT)
}

impl Lab {
    pub(super) fn new(found: FoundGroup) -> Self {
        let (up, _) = active(&found);
        let mut lab = Self {
            state: State::default(),
            found: None,
            pending: None,
            contents: BTreeMap::new(),
            copied: BTreeMap::new(),
            is_dying: false,
            unreadable: None,
            is_hung: false,
            is_broken: false,
            spoiled: Vec::new(),
            merging: (3, 100),
            clock: 0,
            removing: None,
        };
        for step in &up.steps {
            if let Step::Dm(step) = step {
                lab.state.dm.apply(step).unwrap();
            }
        }
        for volume in &found.group.volumes {
            for (nth, place) in places(&found.group, &volume.name).into_iter().enumerate() {
                lab.contents.insert(place, format!("{} {nth}", volume.id));
            }
        }
        lab.found = Some(found);
        lab.numbered();
        lab
    }

    pub(super) fn group(&mut self) -> &mut Group {
        &mut self.found.as_mut().unwrap().group
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.found.as_ref().is_some_and(|found| found.group.volume(name).is_some())
    }

    /// Somebody else committed: numbers and headers are others.
    pub(super) fn committed(&mut self) {
        if self.found.is_some() {
            self.group().seqno += 1;
        }
        self.numbered();
    }

    pub(super) fn numbered(&mut self) {
        let Some(found) = &mut self.found else { return };
        let seqno = found.group.seqno;
        for device in found.devices.iter_mut().flatten() {
            for seen in &mut device.areas {
                seen.area.committed = Some(Slot { offset: 512, size: 900, crc: seqno, flags: 0 });
            }
        }
        self.state.lvm.headers.clear();
    }

    /// What lvm2 gives a volume when it reloads it: its extents, and no layer of ours.
    pub(super) fn reload(&mut self, name: &str) {
        let Some(found) = self.found.clone() else { return };
        let device = format!("vg-{name}");
        if !self.state.dm.devices.contains_key(&device) {
            return;
        }
        let plan =
            devices::activate(&found, &Default::default(), &Default::default(), &[name.to_owned()], false)
                .unwrap()
                .plan;
        for step in plan.steps {
            if let Step::Dm(crate::plan::dm::DmStep::Load { name, table, .. }) = step {
                self.state.dm.devices.get_mut(&name).unwrap().live = Some(table);
            }
        }
    }

    pub(super) fn uses(&self, name: &str) -> bool {
        let leads = |table: &Table| table.devices().any(|dev| *dev == Dev::Dm(name.to_owned()));
        self.state.dm.devices.values().any(|device| device.live.as_ref().is_some_and(leads))
    }

    /// lvm2 takes a device away, if nobody uses it.
    pub(super) fn removed(&mut self, name: &str) -> bool {
        let free = !self.uses(name);
        if free {
            self.state.dm.devices.remove(name);
        }
        free
    }

    /// lvm2 gives free room to a new volume, which is written to.
    pub(super) fn allocated(&mut self, extents: u64) {
        if self.found.is_none() || self.has("other") {
            return;
        }
        let wish = Wish { extents, on: vec![(1, 0..12)], ..Wish::default() };
        let Ok(room) = self.group().allocate(&wish) else { return };
        let mut other = superblock::lvm::LogicalVolume::empty("other".into());
        (other.id, other.segments) = (id(90), room.segments);
        self.group().add(other).unwrap();
        let group = self.group().clone();
        for (nth, place) in places(&group, "other").into_iter().enumerate() {
            self.contents.insert(place, format!("{} {nth}", id(90)));
        }
        self.committed();
    }

    /// The kernel copies one more extent of everything that copies.
    pub(super) fn copies(&mut self) {
        let layers: Vec<(String, Table)> = self
            .state
            .dm
            .devices
            .iter()
            .filter_map(|(name, device)| Some((name.clone(), device.live.clone()?)))
            .collect();
        for (name, table) in layers {
            let done = *self.copied.get(&name).unwrap_or(&0);
            let mut at = 0;
            for row in &table.rows {
                let Target::Mirror { legs, .. } = &row.target else { continue };
                for nth in 0..row.length.0 / EXTENT {
                    if at == done && !self.is_dying && self.unreadable != Some(at) {
                        let old = place(&legs[0].dev, legs[0].start.saturating_add(Sectors(nth * EXTENT)));
                        self.write(&legs[1].dev, legs[1].start.0 + nth * EXTENT, old);
                        self.copied.insert(name.clone(), done + 1);
                    }
                    at += 1;
                }
            }
        }
    }

    /// Through the room's device, to where that leads now.
    pub(super) fn write(&mut self, room: &Dev, at: u64, old: Place) {
        let Dev::Dm(room) = room else { panic!("copied past the room's device") };
        let Some(table) = self.state.dm.devices.get(room).and_then(|device| device.live.clone()) else {
            return;
        };
        for row in &table.rows {
            let Target::Linear(leg) = &row.target else { continue };
            if (row.start.0..row.start.0 + row.length.0).contains(&at) {
                let to = place(&leg.dev, leg.start.saturating_add(Sectors(at - row.start.0)));
                let owner = self.found.as_ref().and_then(|found| {
                    let all = &found.group.volumes;
                    all.iter().find(|volume| places(&found.group, &volume.name).contains(&to))
                });
                if owner.is_some_and(|owner| !owner.name.ends_with("_moves_here")) {
                    self.spoiled.push(to);
                }
                let content = self.contents.get(&old).cloned().unwrap_or_default();
                self.contents.insert(to, content);
            }
        }
    }

    pub(super) fn status(&self, name: &str, table: &Table) -> Vec<Status> {
        let mut done = *self.copied.get(name).unwrap_or(&0);
        let one = |target: &Target, length: Sectors| match target {
            Target::Mirror { .. } => {
                let regions = length.0 / EXTENT;
                let in_sync = done.min(regions);
                done -= in_sync;
                let letter = |fails, letter| if fails { letter } else { 'A' };
                let old = letter(self.unreadable.is_some_and(|at| at <= in_sync), 'S');
                let new = letter(self.is_dying, 'D');
                Status::Mirror { legs: vec![("old".into(), old), ("new".into(), new)], in_sync, regions }
            }
            Target::SnapshotMerge(_) => Status::Snapshot(SnapshotStatus::Usage {
                allocated: Sectors(16 + self.merging.0),
                total: Sectors(1 << 14),
                metadata: Sectors(16),
            }),
            _ => Status::Nothing,
        };
        table
            .rows
            .iter()
            .map(|row| (&row.target, row.length))
            .map({
                let mut one = one;
                move |(target, length)| one(target, length)
            })
            .collect()
    }

    pub(super) fn merges(&self) -> bool {
        let merge = |row: &crate::model::dm::Row| matches!(row.target, Target::SnapshotMerge(_));
        let all = self.state.dm.devices.values().filter_map(|device| device.live.as_ref());
        all.flat_map(|table| &table.rows).any(merge)
    }
}

impl Scene for Lab {
    fn act(&mut self, step: &Step) -> anyhow::Result<Vec<Write>> {
        if let (Step::Lvm(LvmStep::Lock { .. }), Some(volume)) = (step, self.removing) {
            self.removing = None;
            if self.has(volume) {
                self.group().remove(volume).unwrap();
                self.committed();
            }
        }
        if let Step::Lvm(LvmStep::Check { areas, .. }) = step {
            let now: Vec<_> =
                self.found.iter().flat_map(|found| found.areas()).map(|(_, area)| area.clone()).collect();
            if areas.iter().map(|(_, area)| area.clone()).collect::<Vec<_>>() != now {
                return Err(crate::plan::run::Outdated("somebody else changed the group".into()).into());
            }
        }
        if let Step::Dm(crate::plan::dm::DmStep::Expect { name, state }) = step {
            let table =
                self.state.dm.devices.get(name).and_then(|device| device.live.clone()).unwrap_or_default();
            let status = self.status(name, &table);
            let Some((done, all)) = mover::progress(status.iter()) else {
                return Err(crate::plan::run::Outdated(format!("{name}: a device fails")).into());
            };
            let is_whole = *state == crate::plan::dm::Condition::Well || done == all && all > 0;
            anyhow::ensure!(is_whole, "{name}: not all of it is copied");
        }
        if let Step::Critical(_) = step {
            let holds = |(name, device): (&String, &crate::plan::fake::dm::FakeDevice)| {
                let table = device.live.clone().unwrap_or_default();
                mover::progress(self.status(name, &table).iter()).is_none()
            };
            self.is_hung |= self.state.dm.devices.iter().any(holds);
        }
        if let Step::Lvm(LvmStep::Verify { .. }) = step {
            return Ok(Vec::new());
        }
        let mut fake = Fake { state: std::mem::take(&mut self.state), ..Fake::default() };
        let done = fake.act(step);
        self.state = fake.state;
        if done.is_ok() {
            match step {
                Step::Lvm(LvmStep::PreCommit { text, .. }) => {
                    self.pending = Some(Group::parse(text).unwrap())
                }
                Step::Lvm(LvmStep::Revert { .. }) => self.pending = None,
                Step::Lvm(LvmStep::Commit { .. }) => self.real(),
                Step::Critical(critical) if critical.commit.is_some() => self.real(),
                Step::Dm(crate::plan::dm::DmStep::Create { name, .. }) => drop(self.copied.remove(name)),
                _ => {}
            }
        }
        done
    }

    fn let_go(&mut self) {
        self.state.let_go();
        self.pending = None;
    }

    fn see(&self, look: &Look) -> Result<View, Unseen> {
        let Look::Group(look) = look else { panic!("{look:?}") };
        let mut active = seen(&self.state.dm);
        for device in &mut active.devices {
            let table = self.state.dm.devices[&device.info.name].live.clone().unwrap_or_default();
            device.status = self.status(&device.info.name, &table);
        }
        let store = |free| {
            Ok(StoreSeen { is_valid: true, chunk: Sectors(8), free: Sectors(free), changed: vec![(0, 3)] })
        };
        let other = StoreSeen { changed: Vec::new(), ..store(self.merging.1 * 8).unwrap() };
        let numbers = self.found.iter().flat_map(|found| found.present());
        Ok(View::Group(Box::new(GroupSeen {
            name: look.name.clone(),
            groups: Groups {
                groups: self.found.iter().cloned().collect(),
                faults: self
                    .is_broken
                    .then(|| "lvm.conf: line 1: a value is missing".to_owned())
                    .into_iter()
                    .collect(),
                ..Groups::default()
            },
            active,
            stores: BTreeMap::from([("w".to_owned(), store(64)), ("t".to_owned(), Ok(other))]),
            numbers: numbers.map(|(_, pv)| (pv.path.clone(), pv.dev)).collect(),
            random: vec![[u8::try_from(100 + self.clock).unwrap(); 32]],
            clock: std::time::Duration::from_secs(self.clock),
            ..GroupSeen::default()
        })))
    }

    fn pass_time(&mut self, _: &Wait) -> Woke {
        self.clock += 1;
        self.copies();
        if self.merges() && self.merging.0 > 0 {
            self.merging.0 -= 1;
            self.merging.1 = self.merging.1.saturating_sub(1);
        }
        Woke::Changed
    }

    fn sound(&self) -> Result<(), String> {
        if !self.state.lvm.locks.is_empty() {
            return Err(format!("locked: {:?}", self.state.lvm.locks));
        }
        if let Some((name, _)) = self.state.dm.devices.iter().find(|(_, device)| device.suspended) {
            return Err(format!("{name} is suspended"));
        }
        if self.is_hung {
            return Err("a device is suspended above one that holds writes".into());
        }
        if !self.spoiled.is_empty() {
            return Err(format!("somebody else's extents were written: {:?}", self.spoiled));
        }
        let Some(found) = &self.found else { return Ok(()) };
        for volume in found.group.volumes.iter().filter(|volume| !volume.name.ends_with("_moves_here")) {
            for (nth, place) in places(&found.group, &volume.name).into_iter().enumerate() {
                let has = self.contents.get(&place).map_or("", String::as_str);
                // What was added since has nothing yet.
                if has != format!("{} {nth}", volume.id) && !has.is_empty() {
                    return Err(format!("{} has \"{has}\" at {nth}", volume.name));
                }
            }
        }
        let half = found.group.snapshot_in("w").is_none() && (1..3).contains(&self.merging.0);
        if half && found.group.volume("a").is_some() && self.has("t") {
            return Err("the volume is half of each".into());
        }
        Ok(())
    }
}

impl Lab {
    /// What was pre-committed counts from now on.
    pub(super) fn real(&mut self) {
        if let (Some(group), Some(found)) = (self.pending.take(), &mut self.found) {
            found.group = group;
        }
        self.numbered();
    }
}
