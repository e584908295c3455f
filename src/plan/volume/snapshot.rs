//! Snapshots: made, given more room, taken away.

use superblock::{
    Bytes, Sectors, cow,
    lvm::{Group, Kind, LogicalVolume, LvmUuid, Wish, group::VolumeStatus},
};

use super::{
    change::Decided,
    create::below,
    edit::{self, Means, existing},
    groups, mover,
    shift::{GroupScene, Shift},
};
use crate::{
    model::{
        dm::SnapshotStatus,
        human,
        volume::{GroupLook, GroupSeen, StoreSeen},
    },
    plan::{Plan, Refusal, Warning},
    request::volume::{Amount, NewSnapshot, PercentOf, VolumeName},
};

/// A chunk where nobody says how large, on an array: a smaller one costs as much there, and more of them.
const CHUNK_ON_ARRAY: Sectors = Sectors(64);
/// Random identities that a snapshot may need.
const IDENTITIES: usize = 2;
/// Part of its origin that a store has where nobody says how much.
const PERCENT: u64 = 20;

/// What the making of a snapshot looks at.
#[must_use]
pub fn look(new: &NewSnapshot, command: &str) -> GroupLook {
    GroupLook {
        name: new.origin.group.clone(),
        command: command.to_owned(),
        paths: edit::paths(new.on.iter()),
        fresh: IDENTITIES,
        below: true,
        ..GroupLook::default()
    }
}

/// Makes a snapshot of what was seen.
///
/// # Errors
/// As [`create`]; the group cannot be written.
pub fn decide(seen: &GroupSeen, new: &NewSnapshot) -> Decided {
    let found = groups::named(&seen.groups, &seen.name)?;
    let said = below(found, &seen.below)?;
    let pv_of = |path: &str| edit::pv_of(found, seen, path);
    let mut means = Means::of(seen, found, &pv_of);
    let scene = GroupScene { found, active: &seen.active, stamp: &seen.stamp };
    let mut plan = create(&scene, new, &mut means)?;
    plan.warnings.splice(0..0, said);
    Ok(Some(plan))
}

/// Makes a snapshot.
///
/// # Errors
/// The volume is none that can have one, or there is no room.
pub fn create(scene: &GroupScene<'_>, new: &NewSnapshot, means: &mut Means<'_>) -> Result<Plan, Refusal> {
    let mut group = scene.found.group.clone();
    let (name, mut warnings) = edit(&mut group, new, means)?;
    let zero = start_of(scene, &group, &name)?;
    let shift = Shift {
        group: &group,
        origin: &new.origin.volume,
        freeze: true,
        hold: true,
        zero,
        summary: format!("make snapshot {}/{name} of {}", group.name, new.origin),
    };
    let mut plan = scene.plan(shift)?;
    warnings.append(&mut plan.warnings);
    plan.warnings = warnings;
    Ok(plan)
}

/// The group with one snapshot more: its name, and what should be said.
fn edit(
    group: &mut Group,
    new: &NewSnapshot,
    means: &mut Means<'_>,
) -> Result<(String, Vec<Warning>), Refusal> {
    mover::refuse_moving(group, &new.origin.volume)?;
    let origin = existing(group, &new.origin)?;
    let (extents, what) = (origin.extents(), new.origin.to_string());
    let name = new.name.clone().unwrap_or_else(|| free_name(group, &new.origin.volume));
    let on_array = means.stripes.iter().any(|stripe| stripe.0 >= CHUNK_ON_ARRAY.0);
    let chunk = chunk(new.chunk, on_array)?;
    let size = group.sectors(extents);
    let most = in_extents(group, cow::max_size(size, chunk));
    let least = in_extents(group, cow::min_size(chunk));
    let places = means.places(group, &new.on)?;
    let asked = match new.size {
        None => extents.saturating_mul(PERCENT).div_ceil(100),
        Some(Amount::Bytes(bytes)) => in_extents(group, bytes.sectors()),
        Some(Amount::Extents(count)) => count,
        Some(Amount::Percent(percent, of)) => {
            let base = match of {
                PercentOf::Origin | PercentOf::Volume => extents,
                PercentOf::Free | PercentOf::Pvs => group.free_extents(),
                PercentOf::Group => group.pvs.iter().fold(0, |sum, pv| pv.pe_count.saturating_add(sum)),
            };
            base.saturating_mul(percent).div_ceil(100)
        }
    };
    let mut said = Vec::new();
    let count = asked.clamp(least, most.max(least));
    if new.size.is_some() && count != asked {
        let size = human::size(group.sectors(count).bytes().0);
        let why = if count < asked { "a store never needs more" } else { "the least that a store needs" };
        said.push(Warning::tell(format!("{what}: its store gets {size}, {why}")));
    }
    let wish = Wish { extents: count, on: places, align: means.stripes.clone(), ..Wish::default() };
    let found = group.allocate(&wish).map_err(|why| {
        Refusal::new(format!("{what}: no room for the snapshot's store: {why}"))
            .hint(format!("mdctl volume group extend {} DEVICE adds room", group.name))
    })?;
    let mut store = LogicalVolume::empty(name.clone());
    store.id = means.identity()?;
    store.creation_time = Some(means.now);
    store.creation_host = Some(means.host.clone());
    store.status.set(VolumeStatus::WRITE, !new.read_only);
    store.segments = found.segments;
    let row: LvmUuid = means.identity()?;
    let refused = |why| Refusal::new(format!("{what}: {why}"));
    group.add(store).map_err(refused)?;
    group.make_snapshot(&new.origin.volume, &name, chunk, row).map_err(refused)?;
    Ok((name, said))
}

fn free_name(group: &Group, origin: &str) -> String {
    let taken = |name: &String| group.volumes.iter().any(|volume| volume.name == *name);
    let first = format!("{origin}-snap");
    let names = std::iter::once(first.clone()).chain((2u32..).map(|n| format!("{first}{n}")));
    names.into_iter().find(|name| !taken(name)).unwrap_or(first)
}

fn in_extents(group: &Group, size: Sectors) -> u64 {
    size.0.div_ceil(group.extent_size.0.max(1))
}

fn chunk(wanted: Option<Bytes>, on_array: bool) -> Result<Sectors, Refusal> {
    let Some(bytes) = wanted else { return Ok(if on_array { CHUNK_ON_ARRAY } else { cow::MIN_CHUNK }) };
    let chunk = bytes.sectors();
    let fits = bytes.0 == chunk.bytes().0 && chunk.0.is_power_of_two();
    if fits && (cow::MIN_CHUNK..=cow::MAX_CHUNK).contains(&chunk) {
        return Ok(chunk);
    }
    Err(Refusal::new(format!("a chunk of {} bytes: it is a power of two from 4 KiB to 512 KiB", bytes.0)))
}

/// The start of a store: zeros there make the kernel take it for a new one.
fn start_of(
    scene: &GroupScene<'_>,
    group: &Group,
    store: &str,
) -> Result<Vec<(String, Sectors, Sectors)>, Refusal> {
    let none = || Refusal::new(format!("{}/{store}: its device is missing", group.name));
    let volume = group.volume(store).ok_or_else(none)?;
    let segment = volume.segments.first().ok_or_else(none)?;
    let Kind::Striped { legs, .. } = &segment.kind else { return Err(none()) };
    let leg = legs.first().ok_or_else(none)?;
    let pv = group.pvs.get(leg.pv).ok_or_else(none)?;
    let device = scene.found.devices.get(leg.pv).and_then(Option::as_ref).ok_or_else(none)?;
    let at = pv.pe_start.saturating_add(group.sectors(leg.extent));
    let length = Bytes(u64::try_from(cow::HEADER).unwrap_or(4096)).sectors();
    Ok(vec![(device.path.clone(), at, length)])
}

/// What is known of a snapshot's store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreState {
    /// So much of it is in use, as the driver says.
    Used(Sectors),
    /// How much is in use is not known.
    NotTold,
    /// It does not hold what it should any more.
    Lost,
    /// Nobody can tell: why it cannot be read.
    Unread(String),
}

impl StoreState {
    /// By what the driver says; of what is not active by what is on its devices, `None` for what is not a snapshot.
    #[must_use]
    pub fn of(driver: Option<SnapshotStatus>, read: Option<Result<StoreSeen, String>>) -> Self {
        match (driver, read) {
            (Some(SnapshotStatus::Usage { allocated, .. }), _) => Self::Used(allocated),
            (Some(SnapshotStatus::Invalid), _) => Self::Lost,
            (Some(SnapshotStatus::Overflow | SnapshotStatus::MergeFailed | SnapshotStatus::Unknown), _) => {
                Self::NotTold
            }
            (None, Some(Ok(store))) if !store.is_valid => Self::Lost,
            (None, Some(Err(why))) => Self::Unread(why),
            (None, Some(Ok(_)) | None) => Self::NotTold,
        }
    }
}

/// Whether the store of a snapshot may have another size; `group` has it already ([`super::edit::resize`]).
///
/// # Errors
/// It is lost already or cannot be read, or would be larger than it can ever need to be, or smaller than what is in use.
pub fn check_resized(
    before: &Group,
    group: &Group,
    name: &VolumeName,
    store: &StoreState,
) -> Result<(), Refusal> {
    let Some(snapshot) = group.snapshot_in(&name.volume) else { return Ok(()) };
    if snapshot.merging {
        return Err(Refusal::new(format!("{name} is being rolled back")));
    }
    let used = match store {
        StoreState::Used(used) => Some(*used),
        StoreState::NotTold => None,
        StoreState::Lost => {
            return Err(Refusal::new(format!(
                "{name} overflowed: more room does not bring back what it lost"
            ))
            .hint(format!("mdctl volume remove {name}")));
        }
        StoreState::Unread(why) => {
            return Err(Refusal::new(format!("{name}: its store cannot be read: {why}"))
                .hint(format!("mdctl volume remove {name} gives it up")));
        }
    };
    let now = existing(group, name)?.extents();
    let old = existing(before, name)?.extents();
    let covered = group.sectors(snapshot.row.extents());
    let most = in_extents(group, cow::max_size(covered, snapshot.chunk));
    if now > old && now > most {
        let most = human::size(group.sectors(most).bytes().0);
        return Err(Refusal::new(format!("{name}: its store never needs more than {most}")));
    }
    let least = used.unwrap_or(Sectors(0)).max(cow::min_size(snapshot.chunk));
    if now < old && used.is_none() {
        return Err(Refusal::new(format!(
            "{name} is not active: nobody can tell how much of its store is in use"
        ))
        .hint(format!("mdctl volume activate {name}")));
    }
    if now < old && group.sectors(now) < least {
        let least = human::size(least.bytes().0);
        return Err(Refusal::new(format!(
            "{name}: {least} of its store are in use; a smaller one would lose it"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_a_store() {
        let store =
            |is_valid| StoreSeen { is_valid, chunk: Sectors(8), free: Sectors(8), changed: Vec::new() };
        let usage =
            SnapshotStatus::Usage { allocated: Sectors(16), total: Sectors(64), metadata: Sectors(8) };
        for (driver, read, state) in [
            (Some(usage), None, StoreState::Used(Sectors(16))),
            (Some(SnapshotStatus::Invalid), None, StoreState::Lost),
            (Some(SnapshotStatus::Unknown), None, StoreState::NotTold),
            (None, Some(Ok(store(true))), StoreState::NotTold),
            (None, Some(Ok(store(false))), StoreState::Lost),
            // What cannot be read has not overflowed.
            (None, Some(Err("EIO".to_owned())), StoreState::Unread("EIO".to_owned())),
            (None, None, StoreState::NotTold),
        ] {
            assert_eq!(StoreState::of(driver, read.clone()), state, "{driver:?} {read:?}");
        }
    }
}
