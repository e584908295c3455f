//! Devices that were members of an array until a command took their superblock, and are here.

use superblock::{Bytes, probe};

use super::{About, Carried, Entry, EntryId, Identity, Pieces, Sameness, undone};
use crate::model::order::InOrder as _;

/// Such a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// Where it is now.
    pub path: String,
    /// The array's UUID.
    pub array: String,
    /// The array's name, not to be trusted.
    pub name: Option<String>,
    /// When the superblock went, seconds since 1970.
    pub until: u64,
    /// The words of the command that took it.
    pub by: String,
    /// The entry that has it.
    pub id: EntryId,
    /// Whether the device has nothing on it that is known.
    pub blank: bool,
    /// The arrays whose superblocks it carries now.
    pub carries: Vec<String>,
    /// Its place in the entry.
    pub nth: usize,
    /// Whether that command took the superblock. One that left it there, as a start by force does, is only the last that is
    /// known to have seen it.
    pub taken: bool,
    /// Whether what the device carries now is what that command left on it.
    pub as_left: bool,
}

impl Former {
    /// Judges the command by the bytes of its entry.
    #[must_use]
    pub fn judged(self, entry: &Entry) -> Self {
        let Some(kept) = entry.devices.get(self.nth) else { return self };
        let after = kept.after();
        let left = probe::probe(&Pieces { size: Bytes(kept.device.size), pieces: &after }).found;
        let left: Vec<String> = left.iter().map(|found| Carried::of(found).array).collect();
        let taken = !left.contains(&self.array);
        let as_left = !self.carries.is_empty() && self.carries.iter().all(|array| left.contains(array));
        Self { taken, as_left, ..self }
    }

    /// Whether an undo of the command is the way to have the superblock back.
    #[must_use]
    pub fn is_undone_by_its_entry(&self) -> bool {
        self.taken && (self.blank || self.as_left)
    }
}

/// What the archive knows of devices that are here. Of each device the last array counts, and only while the device does not
/// carry its superblock. What was taken last comes first: it is what is undone first.
#[must_use]
pub fn former(entries: &[(&About, &[Identity])], here: &[Identity]) -> Vec<Former> {
    let undone = undone(entries.iter().map(|(about, _)| *about));
    let mut entries: Vec<&(&About, &[Identity])> = entries.iter().collect();
    entries.order_by(|a, b| b.0.order().cmp(&a.0.order()));
    let in_force = |about: &About| !undone.contains(&about.id) && about.undoes.is_none();
    let last = |now: &Identity| {
        let then = entries.iter().filter(|(about, _)| in_force(about)).find_map(|(about, devices)| {
            let before = || {
                let earlier = entries.iter().filter(|(other, _)| other.order() <= about.order());
                earlier.flat_map(|(_, devices)| devices.iter())
            };
            let was = |then: &Identity| {
                !then.md.is_empty()
                    && matches!(then.same(now), Sameness::Same(_))
                    && !then.is_only_like(now, before(), here)
            };
            let nth = devices.iter().position(was)?;
            Some((*about, nth, devices.get(nth)?))
        });
        let (about, nth, then) = then?;
        let sb = then.md.first()?;
        let carries_it = now.md.iter().any(|other| other.array == sb.array);
        let former = || Former {
            path: now.path.clone(),
            array: sb.array.clone(),
            name: sb.name.clone(),
            until: about.time,
            by: about.command.join(" "),
            id: about.id.clone(),
            blank: now.md.is_empty() && now.foreign.is_empty(),
            carries: now.md.iter().map(|sb| sb.array.clone()).collect(),
            nth,
            taken: true,
            as_left: false,
        };
        (!carries_it).then(|| (about.order(), former()))
    };
    let mut found: Vec<_> = here.iter().filter_map(last).collect();
    found.order_by(|(a, _), (b, _)| b.cmp(a));
    found.into_iter().map(|(_, former)| former).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{Carried, tests::about};

    fn disk(serial: &str, array: Option<&str>) -> Identity {
        let carried = |array: &str| Carried {
            format: "1.2".into(),
            sector: 8,
            array: array.into(),
            member: Some(format!("{array}-{serial}")),
            name: Some("home".into()),
            events: 1,
            created: 1,
            number: Some(0),
        };
        Identity {
            path: format!("/dev/{serial}"),
            serial: Some(serial.into()),
            md: array.map(carried).into_iter().collect(),
            ..Identity::default()
        }
    }

    #[test]
    fn erased_and_overwritten_members_are_known() {
        let entry = |seq: u64| About { seq, ..about(1_800_000_000 + seq) };
        let (zeroed, other) = (entry(1), entry(2));
        let then = [disk("a", Some("X")), disk("b", Some("X"))];
        let all: [(&About, &[Identity]); 2] = [(&zeroed, &then), (&other, &[disk("c", Some("Y"))])];
        let now = [disk("a", None), disk("b", Some("Z")), disk("c", Some("Y")), disk("d", None)];
        let known = former(&all, &now);
        let shown: Vec<_> =
            known.iter().map(|one| (one.path.as_str(), one.array.as_str(), one.blank)).collect();
        assert_eq!(shown, [("/dev/a", "X", true), ("/dev/b", "X", false)]);
        assert_eq!((known[0].until, &known[0].id), (zeroed.time, &zeroed.id));

        // It was undone, and somebody erased the device by other means: nothing to tell.
        let undo = About { undoes: Some(zeroed.id.clone()), ..entry(3) };
        let all: [(&About, &[Identity]); 2] = [(&zeroed, &then), (&undo, &then)];
        assert_eq!(former(&all, &now), []);
    }

    #[test]
    fn of_several_arrays_the_last_counts() {
        let entry = |seq: u64| About { seq, ..about(1_800_000_000 - seq) };
        let (first, second) = (entry(1), entry(2));
        let (x, y) = ([disk("a", Some("X"))], [disk("a", Some("Y"))]);
        let all: [(&About, &[Identity]); 2] = [(&first, &x), (&second, &y)];
        assert_eq!(former(&all, &[disk("a", None)])[0].array, "Y");
        assert_eq!(former(&all, &[disk("a", Some("Y"))]), [], "it is a member of what came last");
    }

    /// A start by force wrote the superblock and took none: what erased the device came later, from elsewhere.
    #[test]
    fn the_command_that_left_the_superblock_is_not_the_one_that_took_it() {
        let page = |byte: u8| superblock::Write { at: Bytes(4096), data: vec![byte; 4096] };
        let former = |carries: &[&str]| Former {
            path: "/dev/a".into(),
            array: "X".into(),
            name: None,
            until: 1,
            by: "mdctl".into(),
            id: about(1).id,
            blank: carries.is_empty(),
            carries: carries.iter().map(ToString::to_string).collect(),
            nth: 0,
            taken: true,
            as_left: false,
        };
        let entry = |left: superblock::Write| Entry {
            about: about(1),
            devices: vec![crate::archive::KeptDevice {
                device: Identity { size: 32 << 20, ..disk("a", Some("X")) },
                before: vec![page(1)],
                written: vec![left],
            }],
        };
        let (uuid, left) = crate::archive::tests::superblock();
        let of = |array: &str, carries: &[&str], left: &superblock::Write| {
            Former { array: array.into(), ..former(carries) }.judged(&entry(left.clone()))
        };
        assert!(!of(&uuid, &[], &left).is_undone_by_its_entry(), "it left the superblock there");
        assert!(of("X", &[], &page(0)).is_undone_by_its_entry(), "it erased it");
        assert!(of("X", &[&uuid], &left).is_undone_by_its_entry(), "it made another array of it");
        assert!(!of("X", &["Z"], &left).is_undone_by_its_entry(), "a third one is there now");
        assert!(!of("X", &["Z"], &page(0)).is_undone_by_its_entry(), "it serves another array now");
    }
}
