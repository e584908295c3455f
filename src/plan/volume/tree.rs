//! The devices that a volume is made of, as LVM2 makes them: names, UUIDs, tables, what udev is asked; and how one such
//! set becomes another without a moment in which a write is lost.
//!
//! ```text
//! plain:      vg-data  linear or striped
//! snapshots:  vg-data  snapshot-origin → vg-data-real
//!             vg-snap  snapshot        → vg-data-real, vg-snap-cow
//! merging:    vg-data  snapshot-merge  → vg-data-real, vg-snap-cow
//!             vg-snap  error
//! partial:    vg-data  linear or striped, with vg-data-missing_S_L (error) for leg L of segment S
//! ```

use superblock::{
    Sectors,
    lvm::{Group, Kind, LogicalVolume, LvmUuid},
};

use crate::{
    model::dm::{Dev, Leg, Snapshot as SnapshotRow, Store, Table, Target, UdevFlags, name, uuid},
    plan::{
        Step,
        critical::{Commit, Critical, Resume, Suspend},
        dm::{DmStep, Quiesce},
    },
};

/// Stands for a device that is missing: reading and writing there gives errors.
pub(super) const MISSING: &str = "/dev/missing";
/// The layer of such a leg is called so, the segment's number and the leg's behind it.
const MISSING_LAYER: &str = "missing";

/// One volume's own extents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumePart {
    /// Its name in the group.
    pub name: String,
    /// Its identity.
    pub id: LvmUuid,
    /// Where its extents are.
    pub table: Table,
    /// It cannot be written to.
    pub read_only: bool,
}

/// A snapshot: its store, and how it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotPart {
    /// The store's extents.
    pub part: VolumePart,
    /// Its chunk.
    pub chunk: Sectors,
    /// What it covers of the origin.
    pub size: Sectors,
    /// It is being put back into its origin.
    pub merging: bool,
}

/// A volume with its snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// The group's name.
    pub group: String,
    /// The group's identity.
    pub group_id: LvmUuid,
    /// The volume.
    pub origin: VolumePart,
    /// Its snapshots.
    pub snapshots: Vec<SnapshotPart>,
}

/// Where a physical volume is, by its index in the group; `None` where it is missing.
pub type Find<'a> = &'a dyn Fn(usize) -> Option<Dev>;

/// Why a volume has no devices.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTree {
    /// Extents are on a device that is not there.
    #[error("{volume} needs the physical volume {pv}, which is missing")]
    Missing {
        /// The volume.
        volume: String,
        /// The device's identity in the group.
        pv: LvmUuid,
    },
    /// LVM2 is moving it.
    #[error("{0} is being moved by `pvmove`, which only lvm makes devices for")]
    OnMove(String),
    /// Not of a kind that we make.
    #[error("{volume} is of the kind \"{}\", which only lvm makes", .kind.escape_debug())]
    Kind {
        /// The volume.
        volume: String,
        /// What it is.
        kind: String,
    },
    /// There is no such volume.
    #[error("there is no volume {0}")]
    None(String),
}

/// The rows of a volume's own extents.
///
/// # Errors
/// [`NoTree`].
pub fn extents(group: &Group, volume: &LogicalVolume, find: Find<'_>) -> Result<Table, NoTree> {
    let mut parts = Vec::new();
    for (number, segment) in volume.segments.iter().enumerate() {
        let (chunk, legs) = match &segment.kind {
            Kind::Striped { stripe_size, legs } => (*stripe_size, legs),
            Kind::Snapshot { .. } => return Err(kind(volume, "snapshot")),
            Kind::OnMove { .. } => return Err(NoTree::OnMove(volume.name.clone())),
            Kind::Move { .. } => return Err(kind(volume, "mirror")),
            Kind::Other { kind: name } => return Err(kind(volume, name)),
        };
        let leg =
            |(nth, leg)| Ok(error_instead(group, volume, place(group, volume, leg, find)?, (number, nth)));
        let legs: Vec<Leg> = legs.iter().enumerate().map(leg).collect::<Result<_, _>>()?;
        let target = match legs.as_slice() {
            [only] => Target::Linear(only.clone()),
            _ => Target::Striped { chunk, legs },
        };
        parts.push((group.sectors(segment.len), target));
    }
    Ok(Table::concat(parts))
}

fn kind(volume: &LogicalVolume, kind: &str) -> NoTree {
    NoTree::Kind { volume: volume.name.clone(), kind: kind.to_owned() }
}

fn place(
    group: &Group,
    volume: &LogicalVolume,
    leg: &superblock::lvm::Leg,
    find: Find<'_>,
) -> Result<Leg, NoTree> {
    let pv = group.pvs.get(leg.pv).ok_or_else(|| kind(volume, "unknown"))?;
    let dev = find(leg.pv).ok_or_else(|| NoTree::Missing { volume: volume.name.clone(), pv: pv.id })?;
    Ok(Leg { dev, start: pv.pe_start.saturating_add(group.sectors(leg.extent)) })
}

/// A leg that is missing becomes a device of its own, so that the others go on.
fn error_instead(group: &Group, volume: &LogicalVolume, leg: Leg, (segment, nth): (usize, usize)) -> Leg {
    if leg.dev != Dev::Path(MISSING.to_owned()) {
        return leg;
    }
    let layer = format!("{MISSING_LAYER}_{segment}_{nth}");
    Leg { dev: Dev::Dm(name::join(&group.name, &volume.name, Some(&layer))), start: Sectors(0) }
}

/// A device as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: String,
    /// Its table.
    pub table: Table,
    /// What udev is asked.
    pub flags: UdevFlags,
    /// It takes no writes.
    pub read_only: bool,
}

impl Family {
    /// The family of a volume that is no snapshot.
    ///
    /// # Errors
    /// [`NoTree`].
    pub fn of(group: &Group, volume: &str, find: Find<'_>) -> Result<Self, NoTree> {
        let origin = group.volume(volume).ok_or_else(|| NoTree::None(volume.to_owned()))?;
        let part = |volume: &LogicalVolume| {
            let table = extents(group, volume, find)?;
            let (name, id) = (volume.name.clone(), volume.id);
            Ok::<_, NoTree>(VolumePart { name, id, table, read_only: !volume.is_writable() })
        };
        let size = group.sectors(origin.extents());
        let snapshots = group.snapshots_of(volume).map(|snapshot| {
            let cow = group.volume(snapshot.cow).ok_or_else(|| NoTree::None(snapshot.cow.to_owned()))?;
            let covered = snapshot.row.extents();
            let size = if covered == 0 { size } else { group.sectors(covered) };
            Ok(SnapshotPart { part: part(cow)?, chunk: snapshot.chunk, size, merging: snapshot.merging })
        });
        Ok(Self {
            group: group.name.clone(),
            group_id: group.id,
            origin: part(origin)?,
            snapshots: snapshots.collect::<Result<_, NoTree>>()?,
        })
    }

    /// The family of a volume that has no snapshots yet.
    ///
    /// # Errors
    /// [`NoTree`].
    pub fn alone(group: &Group, volume: &LogicalVolume, find: Find<'_>) -> Result<Self, NoTree> {
        let table = extents(group, volume, find)?;
        let (name, id) = (volume.name.clone(), volume.id);
        let origin = VolumePart { name, id, table, read_only: !volume.is_writable() };
        Ok(Self { group: group.name.clone(), group_id: group.id, origin, snapshots: Vec::new() })
    }

    /// The name of a volume's device, or of a layer of it.
    #[must_use]
    pub fn device(&self, volume: &str, layer: Option<&str>) -> String {
        name::join(&self.group, volume, layer)
    }

    fn part(&self, part: &VolumePart, layer: Option<&str>, flags: UdevFlags) -> Wanted {
        Wanted {
            name: self.device(&part.name, layer),
            uuid: uuid::lvm(self.group_id.plain(), part.id.plain(), layer),
            table: part.table.clone(),
            flags,
            // A store is written even where its snapshot is not.
            read_only: part.read_only && layer != Some("cow"),
        }
    }

    /// Devices in the place of missing ones.
    fn missing(&self, part: &VolumePart) -> Vec<Wanted> {
        let mut all = Vec::new();
        for row in &part.table.rows {
            let legs: &[Leg] = match &row.target {
                Target::Linear(leg) => std::slice::from_ref(leg),
                Target::Striped { legs, .. } => legs,
                _ => &[],
            };
            for leg in legs {
                let Dev::Dm(name) = &leg.dev else { continue };
                let (_, _, layer) = name::split(name);
                let uuid = uuid::lvm(self.group_id.plain(), part.id.plain(), Some(&layer));
                // lvm2 makes each as long as the whole segment.
                let table = Table::of(row.length, Target::Error);
                all.push(Wanted {
                    name: name.clone(),
                    uuid,
                    table,
                    flags: UdevFlags::HIDDEN,
                    read_only: false,
                });
            }
        }
        all
    }

    /// All devices, each after those that it stands on; the order in which they are made and resumed.
    #[must_use]
    pub fn wanted(&self) -> Vec<Wanted> {
        let stores = self.snapshots.iter().map(|one| &one.part);
        let mut all: Vec<Wanted> =
            std::iter::once(&self.origin).chain(stores).flat_map(|part| self.missing(part)).collect();
        all.extend(self.own());
        all
    }

    fn own(&self) -> Vec<Wanted> {
        let origin = self.part(&self.origin, None, UdevFlags::VISIBLE);
        if self.snapshots.is_empty() {
            return vec![origin];
        }
        let real = self.part(&self.origin, Some("real"), UdevFlags::REAL);
        let on = Dev::Dm(real.name.clone());
        let size = self.origin.table.size();
        let mut all = vec![real];
        all.extend(self.snapshots.iter().map(|one| self.part(&one.part, Some("cow"), UdevFlags::HIDDEN)));
        let kept = self.snapshots.iter().filter(|one| !one.merging);
        all.extend(kept.map(|one| {
            let table = Table::of(one.size, Target::Snapshot(self.row(one)));
            Wanted { table, ..self.part(&one.part, None, UdevFlags::SNAPSHOT) }
        }));
        let merging = self.snapshots.iter().find(|one| one.merging);
        let target = match merging {
            Some(one) => Target::SnapshotMerge(self.row(one)),
            None => Target::SnapshotOrigin(on),
        };
        all.push(Wanted { table: Table::of(size, target), ..origin });
        all.extend(merging.map(|one| {
            let parked = Table::of(one.size, Target::Error);
            Wanted { table: parked, ..self.part(&one.part, None, UdevFlags::HIDDEN) }
        }));
        all
    }

    fn row(&self, one: &SnapshotPart) -> SnapshotRow {
        SnapshotRow {
            origin: Dev::Dm(self.device(&self.origin.name, Some("real"))),
            cow: Dev::Dm(self.device(&one.part.name, Some("cow"))),
            store: Store::Persistent,
            chunk: one.chunk,
            features: Vec::new(),
        }
    }
}

/// How one set of devices becomes another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transition {
    /// Made and loaded while everything runs; all of it can be taken back.
    pub prepare: Vec<Step>,
    /// The moment.
    pub critical: Critical,
    /// What is gone; after the commit.
    pub cleanup: Vec<Step>,
}

/// What is asked of a transition.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    /// Devices that are held back although their tables stay.
    pub hold: Vec<String>,
    /// What is mounted is made consistent.
    pub freeze: bool,
    /// What makes it real.
    pub commit: Option<Commit>,
}

/// From one set to another; each as [`Family::wanted`] gives it. What is in neither is not touched.
#[must_use]
pub fn transition(before: &[Wanted], after: &[Wanted], moment: Moment) -> Transition {
    let old = |uuid: &str| before.iter().find(|one| one.uuid == uuid);
    let mut prepare = Vec::new();
    let mut resume = Vec::new();
    let mut suspend: Vec<String> = Vec::new();
    for one in after {
        match old(&one.uuid) {
            None => {
                prepare.push(Step::Dm(DmStep::Create {
                    name: one.name.clone(),
                    uuid: Some(one.uuid.clone()),
                    minor: None,
                }));
                prepare.push(load(one));
                if is_store(one) || is_room(one) {
                    // The kernel reads a store when the snapshot is loaded, and looks at the size of what a mirror stands on.
                    prepare.push(Step::Dm(DmStep::Resume {
                        name: one.name.clone(),
                        flags: one.flags,
                        quiesce: Quiesce::NO_FREEZE,
                        before: None,
                    }));
                    continue;
                }
                // A new layer under a device that is suspended: it is to be the last thing that happens.
                if is_layer(one) {
                    suspend.push(one.name.clone());
                }
            }
            Some(was) if was.table != one.table || was.read_only != one.read_only => {
                prepare.push(load(one));
                suspend.push(one.name.clone());
            }
            Some(_) if moment.hold.contains(&one.name) => suspend.push(one.name.clone()),
            Some(_) => continue,
        }
        resume.push(Resume { name: one.name.clone(), flags: one.flags });
    }
    // A device before those that it stands on.
    suspend.reverse();
    let cleanup = before.iter().rev().filter(|one| !after.iter().any(|other| other.uuid == one.uuid));
    let cleanup = cleanup.map(|one| Step::Dm(remove(one))).collect();
    let suspend = suspend.into_iter().map(|name| Suspend { name, freeze: moment.freeze }).collect();
    Transition { prepare, critical: Critical { suspend, commit: moment.commit, resume }, cleanup }
}

fn load(one: &Wanted) -> Step {
    Step::Dm(DmStep::Load { name: one.name.clone(), table: one.table.clone(), read_only: one.read_only })
}

fn remove(one: &Wanted) -> DmStep {
    DmStep::Remove { name: one.name.clone(), flags: one.flags, deferred: false }
}

fn is_store(one: &Wanted) -> bool {
    one.uuid.ends_with("-cow")
}

/// A volume's own device that only other devices use: where a move goes.
fn is_room(one: &Wanted) -> bool {
    let is_own = uuid::parse(&one.uuid).is_some_and(|parsed| parsed.layer.is_none());
    is_own && one.flags == UdevFlags::HIDDEN && !one.table.rows.iter().any(|row| row.target == Target::Error)
}

fn is_layer(one: &Wanted) -> bool {
    one.uuid.ends_with("-real") || super::pieces::is_layer(&one.uuid)
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
