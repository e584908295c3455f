//! Devices that were members of an array until a command took their superblock, and are here.

use super::{About, EntryId, Identity, Sameness, undone};

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
}

/// What the archive knows of devices that are here. Of each device the last array counts, and only while the device does not
/// carry its superblock.
#[must_use]
pub fn former(entries: &[(&About, &[Identity])], here: &[Identity]) -> Vec<Former> {
    let undone = undone(entries.iter().map(|(about, _)| *about));
    let mut entries: Vec<&(&About, &[Identity])> = entries.iter().collect();
    entries.sort_by(|a, b| b.0.order().cmp(&a.0.order()));
    let in_force = |about: &About| !undone.contains(&about.id) && about.undoes.is_none();
    let last = |now: &Identity| {
        let then = entries.iter().filter(|(about, _)| in_force(about)).find_map(|(about, devices)| {
            let was = |then: &&Identity| !then.md.is_empty() && matches!(then.same(now), Sameness::Same(_));
            Some((*about, devices.iter().find(was)?))
        });
        let (about, then) = then?;
        let sb = then.md.first()?;
        let carries_it = now.md.iter().any(|other| other.array == sb.array);
        (!carries_it).then(|| Former {
            path: now.path.clone(),
            array: sb.array.clone(),
            name: sb.name.clone(),
            until: about.time,
            by: about.command.join(" "),
            id: about.id.clone(),
            blank: now.md.is_empty() && now.foreign.is_empty(),
        })
    };
    here.iter().filter_map(last).collect()
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
}
