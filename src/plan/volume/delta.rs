//! What `snapshot diff` can be asked about.

use superblock::{
    Sectors,
    cow::{Start, Store},
    lvm::LogicalVolume,
};

use super::shift::GroupScene;
use crate::{
    model::volume::FoundGroup,
    plan::Refusal,
    request::volume::{DiffRequest, VolumeName},
};

/// The two sides of a difference.
#[derive(Clone, Copy, Debug)]
pub struct Sides<'a> {
    /// The volume.
    pub origin: &'a LogicalVolume,
    /// The volume that has the snapshot's store.
    pub snapshot: &'a LogicalVolume,
    /// What the snapshot covers.
    pub size: Sectors,
}

/// The snapshot of this name and its origin.
///
/// # Errors
/// There is none such.
pub fn sides<'a>(found: &'a FoundGroup, name: &VolumeName) -> Result<Sides<'a>, Refusal> {
    let group = &found.group;
    let Some(snapshot) = group.snapshot_in(&name.volume) else {
        return Err(Refusal::new(match group.volume(&name.volume) {
            Some(_) => format!("{name} is not a snapshot"),
            None => format!("there is no volume {name}"),
        }));
    };
    let missing = || Refusal::new(format!("{name}: the metadata of its group contradicts itself"));
    let origin = group.volume(snapshot.origin).ok_or_else(missing)?;
    let size = group.sectors(snapshot.row.extents());
    let snapshot = group.volume(snapshot.cow).ok_or_else(missing)?;
    Ok(Sides { origin, snapshot, size })
}

/// The store that the snapshot's volume begins with.
///
/// # Errors
/// It has none.
pub fn store(start: Start, name: &VolumeName) -> Result<Store, Refusal> {
    match start {
        Start::Store(store) => Ok(store),
        Start::Fresh => Err(Refusal::new(format!("{name} has never been active: nothing was kept in it"))),
        Start::Foreign => {
            Err(Refusal::new(format!("{name}: what its volume begins with is not a store of a snapshot")))
        }
    }
}

/// Another snapshot of the same volume, for `--to`.
///
/// # Errors
/// It is not one.
pub fn later(found: &FoundGroup, sides: &Sides<'_>, name: &VolumeName) -> Result<(), Refusal> {
    let group = &found.group;
    let snapshot = group.snapshot_in(&name.volume).filter(|one| one.origin == sides.origin.name);
    if snapshot.is_none() || name.group != group.name || name.volume == sides.snapshot.name {
        let why = format!("{name} is not another snapshot of {}/{}", group.name, sides.origin.name);
        return Err(Refusal::new(why));
    }
    Ok(())
}

/// What should be known of a stream that is written while somebody uses the volume.
#[must_use]
pub fn no_one_moment(scene: &GroupScene<'_>, request: &DiffRequest, sides: &Sides<'_>) -> Option<String> {
    let by = scene.open_by(&sides.origin.name).filter(|_| request.to.is_none())?;
    Some(format!(
        "{}/{} is in use ({by}): the stream has what is there while it is written, not one moment; a second snapshot and \
         --to give one",
        request.name.group, sides.origin.name
    ))
}

#[cfg(test)]
mod tests {
    use superblock::Sectors;

    use super::*;
    use crate::plan::volume::verbs_tests::{active, id, stamp, volume, with_volumes};

    #[test]
    fn only_a_snapshot_has_two_sides() {
        let mut found = with_volumes();
        let why = |found: &FoundGroup, name: &str| sides(found, &volume(name)).unwrap_err().text;
        assert_eq!(why(&found, "w"), "vg/w is not a snapshot");
        assert_eq!(why(&found, "x"), "there is no volume vg/x");
        found.group.make_snapshot("a", "w", Sectors(8), id(60)).unwrap();
        let both = sides(&found, &volume("w")).unwrap();
        assert_eq!((both.origin.name.as_str(), both.snapshot.name.as_str()), ("a", "w"));
        assert_eq!(
            later(&found, &both, &volume("w")).unwrap_err().text,
            "vg/w is not another snapshot of vg/a"
        );
        assert!(later(&found, &both, &volume("a")).is_err());
        let name = volume("w");
        assert!(store(Start::Fresh, &name).unwrap_err().text.contains("has never been active"));
        assert!(store(Start::Foreign, &name).unwrap_err().text.contains("not a store of a snapshot"));
    }

    #[test]
    fn what_is_written_to_meanwhile_has_no_one_moment() {
        let mut found = with_volumes();
        let (_, mut there) = active(&found);
        found.group.make_snapshot("a", "w", Sectors(8), id(60)).unwrap();
        there.devices.iter_mut().for_each(|device| device.holders = vec!["mount /mnt".into()]);
        let stamp = stamp();
        let scene = GroupScene { found: &found, active: &there, stamp: &stamp };
        let both = sides(&found, &volume("w")).unwrap();
        let mut request = DiffRequest { name: volume("w"), stream: None, to: None, reverse: false };
        let said = no_one_moment(&scene, &request, &both).unwrap();
        assert!(said.starts_with("vg/a is in use (mount /mnt): "), "{said}");
        request.to = Some(volume("z"));
        assert_eq!(no_one_moment(&scene, &request, &both), None);
    }
}
