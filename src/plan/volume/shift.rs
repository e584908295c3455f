//! One change of a volume and its snapshots: metadata and devices together, in the order in which nothing is lost.
//!
//! Metadata is written and pre-committed; new devices are made and new tables loaded while everything runs; then what changes is
//! suspended, the metadata committed, everything resumed; what is gone is removed. Where the volume is not active only the metadata
//! changes.

use superblock::{
    Sectors,
    lvm::{Group, Stamp},
};

use super::{
    metadata::{self, ChangeOfGroup, LvmStep},
    mover, pieces,
    tree::{Family, Find, Moment, Wanted, transition},
};
use crate::{
    model::{
        active::{Active, ActiveDevice},
        dm::{Dev, Table, UdevFlags, uuid},
        volume::FoundGroup,
    },
    plan::{DiskStep, Plan, Refusal, Step, Warning, critical::Commit, dm::DmStep},
};

/// What is there.
#[derive(Clone, Copy)]
pub struct GroupScene<'a> {
    /// The group.
    pub found: &'a FoundGroup,
    /// Its devices as the driver has them.
    pub active: &'a Active,
    /// Who writes.
    pub stamp: &'a Stamp,
}

/// What becomes of it.
pub struct Shift<'a> {
    /// The group as it shall be.
    pub group: &'a Group,
    /// The volume, which is no snapshot; in both groups.
    pub origin: &'a str,
    /// Its device is suspended with what is mounted there made consistent: for a snapshot.
    pub freeze: bool,
    /// It is suspended although its own table stays.
    pub hold: bool,
    /// Ranges that are zeroed before anything leads to them: a device's path, first sector, sectors.
    pub zero: Vec<(String, Sectors, Sectors)>,
    /// One line.
    pub summary: String,
}

impl GroupScene<'_> {
    /// Where a physical volume is.
    #[must_use]
    pub fn find(&self, pv: usize) -> Option<Dev> {
        let device = self.found.devices.get(pv)?.as_ref()?;
        Some(Dev::Number(device.dev))
    }

    /// Devices that should be there for a volume with its snapshots, by the metadata.
    ///
    /// # Errors
    /// It has none, or a physical volume is missing.
    pub fn wanted(&self, group: &Group, origin: &str) -> Result<Vec<Wanted>, Refusal> {
        let find: Find<'_> = &|pv| self.find(pv);
        let family = Family::of(group, origin, find);
        Ok(family.map_err(|why| super::devices::no_devices(self.found, &why))?.wanted())
    }

    /// Those that are there, with the tables that they really have.
    fn running(&self, wanted: Vec<Wanted>) -> Vec<Wanted> {
        let live = |one: Wanted| {
            let device = self.active.with(&one.uuid)?;
            let table = self.active.named(&device.table);
            Some(Wanted { name: device.info.name.clone(), table, read_only: device.info.read_only, ..one })
        };
        wanted.into_iter().filter_map(live).collect()
    }

    /// The devices that are there to copy what moves of a volume and its snapshots, each with the UUID of the device of whose
    /// move it is; rooms before the layers that stand on them. A layer to which nothing leads any more has to be loaded again: what
    /// it holds for copied may be old.
    pub(super) fn moving(&self, origin: &str) -> Vec<(String, Wanted)> {
        let group = &self.found.group;
        let ids = super::devices::family_ids(group, origin);
        let mut all: Vec<(String, Wanted)> = Vec::new();
        for device in &self.active.devices {
            let uuid = device.info.uuid.as_deref().filter(|uuid| pieces::is_layer(uuid));
            let Some(uuid) = uuid.filter(|uuid| uuid::parse(uuid).is_some_and(|it| ids.contains(&it.volume)))
            else {
                continue;
            };
            all.extend(self.rooms_of(device).into_iter().map(|room| (uuid.to_owned(), room)));
            let mut layer = self.below(device);
            if !self.active.lead_to(&layer.name) {
                layer.table = Table::default();
            }
            all.push((uuid.to_owned(), layer));
        }
        // Rooms to which no layer leads.
        for move_ in mover::underway(group) {
            let volume = group.volume(&move_.volume).filter(|volume| ids.contains(&volume.id.plain()));
            let Some((volume, room)) = volume.zip(group.volume(&move_.room)) else { continue };
            let room = self.active.with(&uuid::lvm(group.id.plain(), room.id.plain(), None));
            let Some(room) = room.map(|room| self.below(room)) else { continue };
            if !all.iter().any(|(_, one)| one.uuid == room.uuid) {
                all.insert(0, (pieces::layer_uuid(group, volume.id), room));
            }
        }
        all
    }

    /// A device as it is, which only other devices use.
    fn below(&self, device: &ActiveDevice) -> Wanted {
        Wanted {
            name: device.info.name.clone(),
            uuid: device.info.uuid.clone().unwrap_or_default(),
            table: self.active.named(&device.table),
            flags: UdevFlags::HIDDEN,
            read_only: device.info.read_only,
        }
    }

    /// The devices of the group on which a layer stands.
    pub(super) fn rooms_of(&self, layer: &ActiveDevice) -> Vec<Wanted> {
        let table = self.active.named(&layer.table);
        let is_below = |device: &&ActiveDevice| {
            table.devices().any(|dev| matches!(dev, Dev::Dm(name) if *name == device.info.name))
        };
        self.active.devices.iter().filter(is_below).map(|device| self.below(device)).collect()
    }

    /// Whether a volume's own device is there.
    #[must_use]
    pub fn is_active(&self, volume: &str) -> bool {
        let group = &self.found.group;
        let volume = group.volume(volume);
        volume.is_some_and(|volume| {
            self.active.with(&uuid::lvm(group.id.plain(), volume.id.plain(), None)).is_some()
        })
    }

    /// Who has a volume's device open, in words; `None` where nobody has.
    #[must_use]
    pub fn open_by(&self, volume: &str) -> Option<String> {
        let group = &self.found.group;
        let volume = group.volume(volume)?;
        let device = self.active.with(&uuid::lvm(group.id.plain(), volume.id.plain(), None))?;
        (!device.holders.is_empty()).then(|| device.holders.join(", "))
    }

    /// The steps of a shift.
    ///
    /// # Errors
    /// The group may only be read, or a physical volume is missing.
    pub fn plan(&self, shift: Shift<'_>) -> Result<Plan, Refusal> {
        let change = metadata::change(self.found, shift.group, self.stamp, false)?;
        let active = self.is_active(shift.origin);
        let before = self.running(self.wanted(&self.found.group, shift.origin)?);
        let after = if active { self.wanted(shift.group, shift.origin)? } else { Vec::new() };
        // What is written to a volume while its snapshots change would be in one of them and not in the other.
        let own = before.iter().filter(|one| self.is_own(shift.origin, &one.uuid));
        let hold = own.filter(|_| shift.hold || shift.freeze).map(|one| one.name.clone()).collect();
        let moment = Moment { hold, freeze: shift.freeze, commit: None };
        let turn = Turn { change: Some(change), active, before, after, zero: shift.zero, moment };
        Ok(turn.plan(shift.summary))
    }

    /// Metadata and the devices of a volume become what is given; without a change only the devices.
    ///
    /// # Errors
    /// A physical volume is missing.
    pub fn turn(
        &self,
        origin: &str,
        change: Option<ChangeOfGroup>,
        after: Vec<Wanted>,
        summary: String,
    ) -> Result<Plan, Refusal> {
        let active = self.is_active(origin);
        let mut before: Vec<Wanted> = self.moving(origin).into_iter().map(|(_, one)| one).collect();
        before.extend(self.running(self.wanted(&self.found.group, origin)?));
        let after = if active { after } else { Vec::new() };
        let turn = Turn { change, active, before, after, zero: Vec::new(), moment: Moment::default() };
        Ok(turn.plan(summary))
    }

    /// The devices become what the metadata says already.
    ///
    /// # Errors
    /// A physical volume is missing.
    pub fn devices_only(&self, origin: &str, summary: String) -> Result<Plan, Refusal> {
        self.turn(origin, None, self.wanted(&self.found.group, origin)?, summary)
    }

    /// The same under the group's lock, for a plan that does not change the metadata.
    #[must_use]
    pub fn locked(&self, mut plan: Plan) -> Plan {
        let group = self.found.group.name.clone();
        let areas = self.found.areas().map(|(path, area)| (path.to_owned(), area.clone())).collect();
        let lock = LvmStep::Lock { global: false, groups: vec![group.clone()] };
        plan.steps.splice(0..0, [lock, LvmStep::Check { group, areas }].map(Step::Lvm));
        plan.steps.push(Step::Lvm(LvmStep::Unlock));
        plan
    }

    fn is_own(&self, volume: &str, of: &str) -> bool {
        let group = &self.found.group;
        group.volume(volume).is_some_and(|volume| uuid::lvm(group.id.plain(), volume.id.plain(), None) == of)
    }
}

/// Everything that the steps are made of.
struct Turn {
    change: Option<ChangeOfGroup>,
    active: bool,
    before: Vec<Wanted>,
    after: Vec<Wanted>,
    zero: Vec<(String, Sectors, Sectors)>,
    moment: Moment,
}

impl Turn {
    fn plan(self, summary: String) -> Plan {
        let Self { change, active, before, after, zero, mut moment } = self;
        let mut change = change;
        let mut steps: Vec<Step> =
            change.iter_mut().flat_map(|change| std::mem::take(&mut change.before)).collect();
        if !zero.is_empty() {
            steps.push(Step::Disk(DiskStep::Zero { ranges: zero }));
        }
        if active {
            moment.commit = change.as_mut().map(|change| Commit {
                group: change.group.name.clone(),
                seqno: change.group.seqno.into(),
                writes: std::mem::take(&mut change.commit_writes),
            });
            let turned = transition(&before, &after, moment);
            steps.extend(turned.prepare);
            steps.push(Step::Critical(Box::new(turned.critical)));
            steps.push(Step::Commit);
            steps.extend(turned.cleanup);
            steps.push(Step::Dm(DmStep::WaitForUdev));
        } else {
            steps.extend(change.as_ref().map(|change| change.commit.clone()));
            steps.push(Step::Commit);
        }
        let (after, warnings) = change.map(|change| (change.after, change.warnings)).unwrap_or_default();
        steps.extend(after);
        Plan { summary, steps, warnings: warnings.into_iter().map(Warning::note).collect() }
    }
}
