//! The room that a move takes: an ordinary volume whose tag says for which volume it is, and which device is emptied.

use superblock::lvm::{Group, LogicalVolume, LvmUuid};

/// What the tag of the room begins with; the volume's name then follows, the device that is emptied, and the volume's identity.
pub(super) const TAG: &str = "mdt:move=";
/// Between name and device.
const FROM: &str = "&from=";
/// Between device and identity.
const ID: &str = "&id=";
/// What ends it where the volume was not active before.
const ASLEEP: &str = "&then=deactivate";

/// A move that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Underway {
    /// The volume that moves.
    pub volume: String,
    /// Its identity.
    pub id: LvmUuid,
    /// The volume that has the room.
    pub room: String,
    /// Index of the physical volume that is emptied.
    pub from: usize,
    /// It was not active before, and shall not be afterwards.
    pub asleep: bool,
}

/// What the tag of a room says.
pub(super) struct RoomTag<'a> {
    /// The volume's name when its move began.
    pub(super) volume: &'a str,
    /// Its identity; moves that began long ago do not say it.
    pub(super) id: Option<LvmUuid>,
    from: LvmUuid,
    asleep: bool,
}

impl<'a> RoomTag<'a> {
    pub(super) fn of(room: &'a LogicalVolume) -> Option<Self> {
        let tag = room.tags.iter().find_map(|tag| tag.strip_prefix(TAG))?;
        let (volume, rest) = tag.split_once(FROM)?;
        let (rest, asleep) = rest.strip_suffix(ASLEEP).map_or((rest, false), |rest| (rest, true));
        let (from, id) = rest.split_once(ID).map_or((rest, None), |(from, id)| (from, Some(id)));
        let id = id.map(str::parse).transpose().ok()?;
        Some(Self { volume, id, from: from.parse().ok()?, asleep })
    }

    /// The volume, whatever it is called now.
    pub(super) fn volume_in<'g>(&self, group: &'g Group) -> Option<&'g LogicalVolume> {
        match self.id {
            Some(id) => group.volumes.iter().find(|volume| volume.id == id),
            None => group.volume(self.volume),
        }
    }

    pub(super) fn is_of(&self, move_: &Underway) -> bool {
        self.id.map_or(self.volume == move_.volume, |id| id == move_.id)
    }
}

/// The moves of a group.
#[must_use]
pub fn underway(group: &Group) -> Vec<Underway> {
    let of = |room: &LogicalVolume| {
        let tag = RoomTag::of(room)?;
        let (from, _) = group.pv(tag.from)?;
        let volume = tag.volume_in(group)?;
        let (id, asleep) = (volume.id, tag.asleep);
        Some(Underway { volume: volume.name.clone(), id, room: room.name.clone(), from, asleep })
    };
    group.volumes.iter().filter_map(of).collect()
}

/// The same move with the names of now.
#[must_use]
pub fn current(group: &Group, move_: Underway) -> Underway {
    underway(group).into_iter().find(|one| one.id == move_.id).unwrap_or(move_)
}

/// Whether the volume got another name since its move began.
#[must_use]
pub fn is_renamed(group: &Group, move_: &Underway) -> bool {
    let tag = group.volume(&move_.room).and_then(RoomTag::of);
    tag.is_some_and(|tag| tag.is_of(move_) && tag.volume != move_.volume)
}

/// The room of a move whose volume is gone.
pub(super) fn orphan<'a>(group: &'a Group, move_: &Underway) -> Option<&'a LogicalVolume> {
    let is_it = |tag: RoomTag<'_>| tag.is_of(move_) && tag.volume_in(group).is_none();
    group.volumes.iter().find(|room| RoomTag::of(room).is_some_and(is_it))
}

/// The tag for the room of a volume, given by name and identity, of which a device is emptied.
pub(super) fn tag((name, id): (&str, LvmUuid), from: LvmUuid, asleep: bool) -> String {
    let then = if asleep { ASLEEP } else { "" };
    format!("{TAG}{name}{FROM}{}{ID}{}{then}", from.plain(), id.plain())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_says_what_it_was_made_of() {
        let [id, from] = [b'a', b'b'].map(|byte| LvmUuid::from_random([byte; 32]));
        let said = |text: String| {
            let mut room = LogicalVolume::empty("a_moves_here".into());
            room.tags = vec!["backup".into(), text];
            RoomTag::of(&room).map(|tag| (tag.volume.to_owned(), tag.id, tag.from, tag.asleep))
        };
        for asleep in [false, true] {
            assert_eq!(said(tag(("a", id), from, asleep)), Some(("a".into(), Some(id), from, asleep)));
        }
        // As it was written before volumes were known by their identities.
        let old = format!("{TAG}a{FROM}{}", from.plain());
        assert_eq!(said(old.clone()), Some(("a".into(), None, from, false)));
        assert_eq!(said(format!("{old}{ASLEEP}")), Some(("a".into(), None, from, true)));
        for bad in [format!("{old}{ID}no"), format!("{TAG}a"), "mdt:move".into()] {
            assert_eq!(said(bad.clone()), None, "{bad}");
        }
    }
}
