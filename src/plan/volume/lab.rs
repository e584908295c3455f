//! A group as a value, on a machine that others change: for tests of courses.

use superblock::{
    Bytes, Sectors, Write,
    lvm::{
        Area, Extent, Group, Label, LogicalVolume, LvmUuid, PhysicalVolume, Slot, Wish, group::GroupStatus,
    },
};

use super::{metadata::LvmStep, siblings::Stores};
use crate::{
    model::{
        DevId,
        active::{Active, ActiveDevice},
        dm::{DeviceInfo, Listed, SnapshotStatus, Status},
        volume::{AreaSeen, FoundGroup, GroupSeen, Groups, PvDevice, StoreSeen, VolumesSeen, gather},
    },
    plan::{
        Step,
        course::{Look, Unseen, View, twin::Scene},
        fake::{Fake, State},
    },
};

pub(super) fn id(seed: u8) -> LvmUuid {
    LvmUuid::from_random([seed; 32])
}

/// One group on two devices, and what the kernel has of it.
#[derive(Clone, Debug)]
pub(super) struct Lab {
    /// As its committed text has it.
    pub(super) group: Group,
    /// As its pre-committed one has it.
    next: Option<Group>,
    /// As it was before the last commit.
    before: Option<Group>,
    /// The second device is not there.
    pub(super) is_half: bool,
    /// None is.
    pub(super) is_lost: bool,
    /// What of the configuration cannot be read.
    pub(super) fault: Option<String>,
    /// What the kernel says of what it puts back.
    merges: Option<SnapshotStatus>,
    /// What the snapshots' stores have.
    pub(super) stores: Stores,
    pub(super) state: State,
}

impl Lab {
    /// With a volume of each of these names.
    pub(super) fn new(volumes: &[&str]) -> Self {
        let mut group = Group::empty("vg".into());
        (group.id, group.seqno) = (id(99), 5);
        for seed in 1..=2u8 {
            let path = format!("/dev/d{seed}");
            let pv = PhysicalVolume::new(id(seed), path, Sectors(131_072), Sectors(2048), Sectors(8192));
            group.add_pv(pv.expect("room")).expect("another one");
        }
        let (next, before, fault, merges) = (None, None, None, None);
        let (is_half, is_lost) = (false, false);
        let (stores, state) = (Stores::default(), State::default());
        let mut lab = Self { group, next, before, is_half, is_lost, fault, merges, stores, state };
        volumes.iter().for_each(|name| lab.add(name));
        lab
    }

    fn add(&mut self, name: &str) {
        let Ok(room) = self.group.allocate(&Wish { extents: 2, ..Wish::default() }) else { return };
        let seed = name.bytes().fold(0, u8::wrapping_add);
        let volume =
            LogicalVolume { id: id(seed), segments: room.segments, ..LogicalVolume::empty(name.into()) };
        // It may be there already.
        let _ = self.group.add(volume);
    }

    fn place() -> Extent {
        Extent { start: Bytes(4096), size: Bytes((1 << 20) - 4096) }
    }

    fn area(&self, path: &str) -> Area {
        let kept = self.state.lvm.headers.get(&(path.to_owned(), Self::place().start.0));
        kept.cloned().unwrap_or_else(|| Area::new(Self::place()))
    }

    /// A volume that is rolled back to a snapshot.
    pub(super) fn with_a_rollback(status: SnapshotStatus) -> Self {
        let mut lab = Self::new(&["a", "s"]);
        lab.group.make_snapshot("a", "s", Sectors(8), id(60)).expect("both are there");
        lab.group.set_merging("s", true).expect("it is a snapshot");
        lab.merges = Some(status);
        lab
    }

    /// The same beside another snapshot of the volume, whose store has so much left for the 4 MiB that are put back, and beside
    /// another volume.
    pub(super) fn with_a_rollback_beside(free: Sectors) -> Self {
        let mut lab = Self::new(&["a", "s", "t", "z"]);
        for (name, seed) in [("s", 20), ("t", 21)] {
            lab.group.make_snapshot("a", name, Sectors(8), id(seed)).expect("both are there");
        }
        lab.group.set_merging("s", true).expect("it is a snapshot");
        let (allocated, total, metadata) = (Sectors(64), Sectors(128), Sectors(16));
        lab.merges = Some(SnapshotStatus::Usage { allocated, total, metadata });
        let store = |free, changed: &[(u64, u64)]| {
            Ok(StoreSeen { is_valid: true, chunk: Sectors(8), free, changed: changed.to_vec() })
        };
        lab.stores.insert("s".to_owned(), store(Sectors(64), &[(0, 1024)]));
        lab.stores.insert("t".to_owned(), store(free, &[]));
        lab
    }

    /// lvm2 changes the group, as it does: under its locks, which nobody holds between two turns.
    fn elsewhere(&mut self, change: impl FnOnce(&mut Self)) {
        change(self);
        self.group.seqno += 1;
        for path in ["/dev/d1", "/dev/d2"] {
            let slot = Slot {
                offset: 512 * u64::from(self.group.seqno),
                size: 900,
                crc: self.group.seqno,
                flags: 0,
            };
            let area = self.area(path).with_committed(slot);
            self.state.lvm.headers.insert((path.to_owned(), Self::place().start.0), area);
        }
    }

    pub(super) fn lvm2_makes_a_volume(&mut self) {
        self.elsewhere(|lab| lab.add("lvm2s"));
    }

    pub(super) fn lvm2_removes_a_volume(&mut self) {
        self.elsewhere(|lab| drop(lab.group.remove("a")));
    }

    pub(super) fn lvm2_exports_the_group(&mut self) {
        self.elsewhere(|lab| lab.group.status.insert(GroupStatus::EXPORTED));
    }

    pub(super) fn a_device_goes(&mut self) {
        self.is_half = true;
    }

    pub(super) fn the_configuration_breaks(&mut self) {
        self.fault = Some("/etc/lvm/lvm.conf: line 1: a value is missing".into());
    }

    /// Somebody activates a volume first.
    pub(super) fn lvm2_activates(&mut self) {
        use crate::plan::volume::devices;
        let groups = self.groups();
        let Some(found) = groups.group("vg") else { return };
        let Ok(done) =
            devices::activate(found, &self.active(), &Default::default(), &["a".to_owned()], false)
        else {
            return;
        };
        for step in done.plan.steps.iter().filter(|step| matches!(step, Step::Dm(_))) {
            let _ = self.act(step);
        }
    }

    fn pv(&self, seed: u8) -> PvDevice {
        let path = format!("/dev/d{seed}");
        let area = self.area(&path);
        let holds = Some((self.group.id, self.group.seqno));
        PvDevice {
            dev: DevId { major: 8, minor: seed.into() },
            size: Bytes(64 << 20),
            logical_block: 512,
            read_only: false,
            label: Label::new(id(seed), Bytes(64 << 20), Self::place(), Bytes(1 << 20)),
            areas: vec![AreaSeen { area, holds }],
            damaged: Vec::new(),
            twice: Vec::new(),
            stripe: Sectors(0),
            device_id: None,
            path,
        }
    }

    fn numbers(&self, paths: &[String]) -> Vec<(String, DevId)> {
        let number = |path: &String| Some((path.clone(), self.number(path)?));
        paths.iter().filter_map(number).collect()
    }

    fn number(&self, path: &str) -> Option<DevId> {
        let pvs = [Some(self.pv(1)), (!self.is_half).then(|| self.pv(2))];
        pvs.into_iter().flatten().find(|pv| pv.path == path).map(|pv| pv.dev)
    }

    pub(super) fn groups(&self) -> Groups {
        let devices = vec![Some(self.pv(1)), (!self.is_half).then(|| self.pv(2))];
        let mut found = FoundGroup { group: self.group.clone(), devices, ..FoundGroup::default() };
        let active = self.state.dm.devices.iter().map(|(name, device)| Listed {
            name: name.clone(),
            uuid: device.uuid.clone(),
            ..Listed::default()
        });
        let faults = self.fault.iter().cloned().collect();
        let mut groups = Groups { faults, active: active.collect(), ..Groups::default() };
        gather::judge(&mut found, &groups);
        if !self.is_lost {
            groups.groups.push(found);
        }
        groups
    }

    pub(super) fn active(&self) -> Active {
        let devices = self.state.dm.devices.iter().map(|(name, device)| ActiveDevice {
            info: DeviceInfo {
                name: name.clone(),
                uuid: device.uuid.clone(),
                live: device.live.is_some(),
                suspended: device.suspended,
                ..DeviceInfo::default()
            },
            table: device.live.clone().unwrap_or_default(),
            holders: Vec::new(),
            status: self.merges.into_iter().map(Status::Snapshot).collect(),
        });
        Active { devices: devices.collect() }
    }
}

impl Scene for Lab {
    fn act(&mut self, step: &Step) -> anyhow::Result<Vec<Write>> {
        let mut fake = Fake { state: std::mem::take(&mut self.state), ..Fake::default() };
        let done = fake.act(step);
        self.state = fake.state;
        if let (Step::Lvm(step), Ok(_)) = (step, &done) {
            match step {
                LvmStep::PreCommit { text, .. } => (self.next, self.before) = (Group::parse(text).ok(), None),
                LvmStep::Commit { .. } => {
                    if let Some(next) = self.next.take() {
                        self.before = Some(std::mem::replace(&mut self.group, next));
                    }
                }
                LvmStep::Revert { .. } => {
                    self.next = None;
                    if let Some(before) = self.before.take() {
                        self.group = before;
                    }
                }
                _ => {}
            }
        }
        done
    }

    fn let_go(&mut self) {
        self.state.let_go();
    }

    fn see(&self, look: &Look) -> Result<View, Unseen> {
        Ok(match look {
            Look::Groups => View::Groups(Box::new(self.groups())),
            Look::InPlace { .. } => View::InPlace(std::collections::BTreeMap::new()),
            Look::Traces { .. } => View::Traces(Box::default()),
            Look::Active { .. } => View::Active(self.active()),
            Look::Group(look) => View::Group(Box::new(GroupSeen {
                name: look.name.clone(),
                groups: self.groups(),
                active: self.active(),
                stores: self.stores.clone(),
                numbers: self.numbers(&look.paths),
                random: (100..).take(look.fresh).map(|byte| [byte; 32]).collect(),
                ..GroupSeen::default()
            })),
            Look::Volumes { .. } => View::Volumes(Box::new(VolumesSeen {
                groups: self.groups(),
                active: [(self.group.id.plain().to_owned(), self.active())].into(),
                stamp: superblock::lvm::Stamp::default(),
            })),
            other => return Err(Unseen { text: format!("nothing shows {other:?}"), errno: None }),
        })
    }

    fn sound(&self) -> Result<(), String> {
        let held = |what: &str, is: bool| if is { Err(what.to_owned()) } else { Ok(()) };
        held("a lock is held", !self.state.lvm.locks.is_empty())?;
        held("a device is claimed", !self.state.claims.is_empty())?;
        held("a change is half made", self.next.is_some())?;
        held("a device is suspended", self.state.dm.devices.values().any(|device| device.suspended))?;
        held(
            "a table waits for nobody",
            self.state.dm.devices.values().any(|device| device.waiting.is_some()),
        )?;
        match self.group.problems().first() {
            Some(problem) => Err(problem.clone()),
            None => Ok(()),
        }
    }
}
