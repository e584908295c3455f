//! Why a group may only be read: each reason one sentence.
//!
//! LVM2 keeps growing. What we do not know we would lose by writing, so one unknown word is enough to keep our hands off.

use super::group::{
    Group, GroupFlags, GroupStatus, Kind, LogicalVolume, PvStatus, VolumeFlags, VolumeStatus,
};

/// At most so many are told.
const MAX_OBJECTIONS: usize = 32;

impl Group {
    /// Every reason not to write it, for a machine with these system ids; nothing where it may be changed. What depends on
    /// the devices (missing ones, areas that disagree) is the caller's.
    #[must_use]
    pub fn objections(&self, local: &[String]) -> Vec<String> {
        let mut reasons = self.anothers(local);
        self.own(&mut reasons);
        reasons.extend(self.strange.iter().cloned());
        for (number, pv) in self.pvs.iter().enumerate() {
            if pv.status.contains(PvStatus::MISSING) {
                reasons.push(format!("pv{number} ({}) was missing at an earlier change", pv.id));
            }
            if pv.status.contains(PvStatus::EXPORTED) {
                reasons.push(format!("pv{number} ({}) is exported", pv.id));
            }
        }
        for volume in &self.volumes {
            of_volume(volume, &mut reasons);
        }
        reasons.extend(self.problems());
        reasons.truncate(MAX_OBJECTIONS);
        reasons
    }

    /// Every reason to leave its devices and volumes alone altogether, for a machine with these system ids: others may be using
    /// them now. What is only not understood is among them where it might say so.
    #[must_use]
    pub fn anothers(&self, local: &[String]) -> Vec<String> {
        let words = [
            (GroupStatus::EXPORTED, "the group is exported: `vgimport` takes it in"),
            (GroupStatus::CLUSTERED, "the group is shared by a cluster"),
            (GroupStatus::SHARED, "the group is shared by several machines"),
        ];
        let mut reasons: Vec<String> = words
            .iter()
            .filter(|(flag, _)| self.status.contains(*flag))
            .map(|(_, why)| (*why).to_owned())
            .collect();
        if let Some(kind) = self.lock_type.as_deref().filter(|kind| *kind != "none" && !kind.is_empty()) {
            reasons.push(format!(
                "machines that share the group are coordinated by \"{}\"",
                kind.escape_debug()
            ));
        }
        if let Some(owner) = self.system_id.as_deref().filter(|id| !id.is_empty()) {
            if !local.iter().any(|id| id == owner) {
                reasons.push(format!("the group belongs to the machine \"{}\"", owner.escape_debug()));
            }
        }
        if self.strange_itself {
            reasons.push("the group's own metadata has words that are not known to this program".into());
        }
        reasons
    }

    fn own(&self, reasons: &mut Vec<String>) {
        if self.status.contains(GroupStatus::PVMOVE) {
            reasons.push("extents are being moved by `pvmove`".into());
        }
        if !self.is_writable() {
            reasons.push("the group may only be read: `vgchange --permission rw` changes that".into());
        }
        let has_owner = self.system_id.as_deref().is_some_and(|id| !id.is_empty());
        if has_owner {
            return;
        }
        if self.flags.contains(GroupFlags::WRITE_LOCKED) && !self.status.contains(GroupStatus::WRITE) {
            reasons.push("the group is locked against writing".into());
        }
    }
}

fn of_volume(volume: &LogicalVolume, reasons: &mut Vec<String>) {
    let name = &volume.name;
    let words = [
        (VolumeStatus::PVMOVE, "is a move that goes on"),
        (VolumeStatus::LOCKED, "is being moved by `pvmove`"),
        (VolumeStatus::NOTSYNCED, "is a mirror that was never synchronised"),
        (VolumeStatus::REBUILD, "is a leg that is being rebuilt"),
        (VolumeStatus::WRITEMOSTLY, "is a leg of a mirror"),
    ];
    for (_, why) in words.iter().filter(|(flag, _)| volume.status.contains(*flag)) {
        reasons.push(format!("volume {name} {why}"));
    }
    if volume.flags.intersects(VolumeFlags::ERROR_WHEN_FULL | VolumeFlags::CACHE_VOL) {
        reasons.push(format!("volume {name} belongs to a thin pool or a cache"));
    }
    if volume.lock_args.as_ref().is_some_and(|args| !args.is_empty()) {
        reasons.push(format!("volume {name} is locked by a lock manager"));
    }
    if volume.segments.len() > 1 && volume.is_row() {
        reasons.push(format!("snapshot {name} has several segments"));
    }
    if volume.segments.iter().any(|segment| matches!(segment.kind, Kind::Other { .. })) {
        // Its kind is already among what is strange; this is the sentence for people.
        reasons.push(format!("volume {name} is of a kind that only lvm can change: use lvm for this group"));
    }
}
