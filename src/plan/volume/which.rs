//! Which of a group's earlier states is meant, and what number comes after all that are known.

use std::iter;

use superblock::lvm::{Group, LvmUuid, group::PvStatus};

use super::{
    former,
    way_back::{self, GroupWayBack, Made},
};
use crate::{
    model::volume::{AreaSeen, FoundGroup, Groups, KeptState, Traces},
    plan::Refusal,
};

/// Which state is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// None is named: the newest, for a group that lacks a device, or of which nothing is left. A group that is whole is not
    /// changed by that: run twice, a command that repairs would take a change back.
    Last,
    /// The one in this file.
    OfFile(String),
    /// After this change.
    At(u32),
}

/// The state that is asked for. Several files may have the same change: they must agree. Only states of the group that is there
/// count: one of the same name may have been there before.
///
/// # Errors
/// There is none, or two that differ.
pub fn choose<'a>(
    name: &str,
    groups: &Groups,
    kept: &'a [KeptState],
    which: &Which,
) -> Result<&'a KeptState, Refusal> {
    let kept = of_this(name, groups, kept)?;
    match which {
        Which::OfFile(file) => kept
            .first()
            .copied()
            .ok_or_else(|| Refusal::new(format!("{file} does not have a state of group {name}"))),
        Which::Last => match groups.group(name).filter(|found| found.devices.iter().all(Option::is_some)) {
            Some(found) => Err(lacks_nothing(found, before(found, &kept)?)),
            None => {
                let newest = kept.into_iter().max_by_key(|kept| (kept.group.seqno, kept.group.written.time));
                newest.ok_or_else(|| none(name, format!("no state of group {name} is kept")))
            }
        },
        Which::At(seqno) => after_change(name, &kept, *seqno),
    }
}

/// What is kept, and the text of the group itself: where a device of it is missing, that is what its label and its area are
/// written again from, and it is newer than a backup that was not made.
#[must_use]
pub fn with_its_own(kept: &[KeptState], found: Option<&FoundGroup>, which: &Which) -> Vec<KeptState> {
    let mut all = kept.to_vec();
    let is_file = matches!(which, Which::OfFile(_));
    let lacking = found.filter(|found| !is_file && !found.gone().is_empty());
    all.extend(
        lacking.map(|found| KeptState { path: "its own metadata".into(), group: found.group.clone() }),
    );
    all
}

fn none(name: &str, what: String) -> Refusal {
    Refusal::new(what).hint(format!("`mdctl volume restore --list {name}` shows what is kept"))
}

fn after_change<'a>(name: &str, kept: &[&'a KeptState], seqno: u32) -> Result<&'a KeptState, Refusal> {
    let mut same = kept.iter().copied().filter(|kept| kept.group.seqno == seqno);
    let first = same
        .next()
        .ok_or_else(|| none(name, format!("no state of group {name} after change {seqno} is kept")))?;
    match same.find(|other| !alike(&other.group, &first.group)) {
        Some(other) => Err(none(
            name,
            format!(
                "change {seqno} of group {name} is kept twice and differently, in {} and {}; name one with --file",
                first.path, other.path
            ),
        )),
        None => Ok(first),
    }
}

fn lacks_nothing(found: &FoundGroup, before: &KeptState) -> Refusal {
    let Group { name, seqno, written, .. } = &found.group;
    let command = match written.description.as_str() {
        "" => String::new(),
        words => format!(", `{}`", words.escape_debug()),
    };
    let words: Vec<String> = written.description.split_whitespace().map(str::to_owned).collect();
    let back = match way_back::of(&before.group, &found.group, Made { words: &words, at_once: false }) {
        GroupWayBack::Command(back) => {
            format!("`{back}` takes its newest change ({seqno}{command}) back")
        }
        GroupWayBack::Nothing(why) => {
            format!("nothing takes its newest change ({seqno}{command}) back: {why}")
        }
    };
    Refusal::new(format!("group {name} lacks nothing: there is nothing to repair"))
        .hint(format!("{back}; `mdctl volume restore --list {name}` shows all states"))
}

/// The state before the newest change. Where lvm2 put an old one back, numbers that were given before are higher than the
/// present one.
fn before<'a>(found: &FoundGroup, kept: &[&'a KeptState]) -> Result<&'a KeptState, Refusal> {
    let (name, now) = (&found.group.name, found.group.seqno);
    let numbers =
        || kept.iter().filter(|kept| !alike(&kept.group, &found.group)).map(|kept| kept.group.seqno);
    match numbers().filter(|seqno| *seqno < now).max().or_else(|| numbers().max()) {
        Some(seqno) => after_change(name, kept, seqno),
        None => Err(none(
            name,
            format!("no other state of group {name} is kept than the one of now, after change {now}"),
        )),
    }
}

/// Whether two states are the same but for their number, who wrote them, and where devices were seen.
pub(super) fn alike(a: &Group, b: &Group) -> bool {
    let plain = |group: &Group| {
        let mut plain = Group { seqno: 0, written: Default::default(), ..group.clone() };
        for pv in &mut plain.pvs {
            pv.device.clear();
            pv.device_id = None;
            pv.status.remove(PvStatus::MISSING);
        }
        plain
    };
    plain(a) == plain(b)
}

/// The states of the group that is there, by its UUID; where its metadata is gone, those of which a physical volume is there.
fn of_this<'a>(name: &str, groups: &Groups, kept: &'a [KeptState]) -> Result<Vec<&'a KeptState>, Refusal> {
    let is_there = |id: LvmUuid| groups.lone.iter().any(|lone| lone.label.id == id);
    let known = groups.group(name).map(|found| found.group.id);
    let fits = |kept: &&KeptState| match known {
        Some(id) => kept.group.id == id,
        None => kept.group.pvs.iter().any(|pv| is_there(pv.id)),
    };
    let fitting: Vec<&KeptState> = kept.iter().filter(fits).collect();
    let all = if fitting.is_empty() { kept.iter().collect() } else { fitting };
    let other =
        all.iter().skip(1).find(|kept| all.first().is_some_and(|first| first.group.id != kept.group.id));
    match (all.first(), other) {
        (Some(first), Some(other)) => Err(Refusal::new(format!(
            "there have been several groups called {name}: {} has the one with UUID {}, {} that with {}",
            first.path, first.group.id, other.path, other.group.id
        ))
        .hint(format!("mdctl volume restore {name} --file FILE names one"))),
        _ => Ok(all),
    }
}

/// The highest number of a change of this group that anybody knows: the state that comes back, the group itself, texts that are
/// left on its devices, and what is kept. The change that brings the state back has to be above it: of two texts of one
/// number nobody can say which is meant.
#[must_use]
pub fn highest(old: &Group, groups: &Groups, kept: &[KeptState], traces: &Traces) -> u32 {
    let held = |areas: &[AreaSeen]| {
        let of_it = areas.iter().filter_map(|seen| seen.holds).filter(|(id, _)| *id == old.id);
        of_it.map(|(_, seqno)| seqno).max()
    };
    let found = groups.groups.iter().filter(|found| found.group.id == old.id);
    let found = found.flat_map(|found| {
        let areas = found.present().filter_map(|(_, device)| held(&device.areas));
        iter::once(found.group.seqno).chain(areas)
    });
    let lone = groups.lone.iter().filter_map(|device| held(&device.areas));
    let of_it = kept.iter().filter(|kept| kept.group.id == old.id);
    let heads = traces.devices.iter().map(|bare| &bare.head).chain(&traces.lone);
    let remains = heads.flat_map(|head| former::numbers(head, old.id));
    let all = found.chain(lone).chain(of_it.map(|kept| kept.group.seqno)).chain(remains);
    all.fold(old.seqno, u32::max)
}

#[cfg(test)]
mod tests {
    use super::{
        super::restore::tests::{device, group, id, kept, world},
        *,
    };

    #[test]
    fn which_state() {
        let all = [
            kept(4, &["a", "b"], "new"),
            kept(3, &["a"], "one"),
            kept(3, &["a"], "same"),
            kept(2, &[], "x"),
            kept(2, &["c"], "y"),
        ];
        let none = Groups::default();
        assert_eq!(choose("vg", &none, &all, &Which::Last).unwrap().path, "new");
        assert_eq!(choose("vg", &none, &all, &Which::At(3)).unwrap().path, "one");
        assert!(
            choose("vg", &none, &all, &Which::At(2))
                .unwrap_err()
                .text
                .contains("kept twice and differently, in x and y")
        );
        assert!(
            choose("vg", &none, &all, &Which::At(9))
                .unwrap_err()
                .text
                .contains("no state of group vg after change 9")
        );
        assert!(choose("vg", &none, &[], &Which::Last).is_err());
    }

    #[test]
    fn of_groups_of_one_name_the_one_that_is_there() {
        let mut other = kept(9, &["b"], "other");
        other.group.id = id(200);
        let all = [other, kept(3, &["a"], "one")];
        let there = world(group(4, &["a", "b"]));
        assert!(
            choose("vg", &there, &all, &Which::Last).unwrap_err().hint.unwrap().contains("restore vg --at 3")
        );
        assert!(
            choose("vg", &there, &all, &Which::At(9))
                .unwrap_err()
                .text
                .contains("no state of group vg after")
        );
        // Nothing tells which.
        let refusal = choose("vg", &Groups::default(), &all, &Which::Last).unwrap_err();
        assert!(
            refusal.text.contains("there have been several groups called vg: other has"),
            "{}",
            refusal.text
        );
        assert!(refusal.hint.unwrap().contains("--file"));
    }

    #[test]
    fn of_a_whole_group_only_a_state_that_is_named() {
        // Before the removal it was archived, after it backed up.
        let all = [kept(5, &["a"], "backup"), kept(4, &["a", "b"], "archive"), kept(3, &["a"], "older")];
        let offered = |there: &Groups, all: &[KeptState]| {
            let refusal = choose("vg", there, all, &Which::Last).unwrap_err();
            assert_eq!(refusal.text, "group vg lacks nothing: there is nothing to repair");
            refusal.hint.unwrap()
        };
        let hint = offered(&world(group(5, &["a"])), &all);
        assert!(hint.starts_with("`mdctl volume restore vg --at 4` takes its newest change (5"), "{hint}");
        // What that did is taken back in the same way.
        let all =
            [kept(6, &["a", "b"], "backup"), kept(5, &["a"], "archived"), kept(4, &["a", "b"], "archive")];
        assert!(offered(&world(group(6, &["a", "b"])), &all).contains("restore vg --at 5`"));
        // Where lvm2 has gone back, what is kept has higher numbers.
        assert!(offered(&world(group(2, &["c"])), &all).contains("restore vg --at 6`"));
        // Other paths of its devices are not another state.
        let mut moved = kept(5, &["a"], "backup");
        moved.group.pvs[0].device = "/dev/elsewhere".into();
        let refusal = choose("vg", &world(group(5, &["a"])), &[moved.clone()], &Which::Last).unwrap_err();
        assert_eq!(refusal.text, "no other state of group vg is kept than the one of now, after change 5");
        assert!(refusal.hint.unwrap().contains("restore --list vg"));
        let same = [moved, kept(5, &["a"], "archive")];
        assert_eq!(choose("vg", &Groups::default(), &same, &Which::At(5)).unwrap().path, "backup");
        // Of a group that lacks a device the newest one: it gets its label again.
        let mut half = world(group(5, &["a"]));
        half.groups[0].devices[1] = None;
        let all = [kept(5, &["a"], "backup"), kept(4, &["a", "b"], "archive")];
        assert_eq!(choose("vg", &half, &all, &Which::Last).unwrap().path, "backup");
        // A file that was named is meant, whatever is there.
        let file = [kept(5, &["a"], "f")];
        let of_file = Which::OfFile("f".into());
        assert_eq!(choose("vg", &world(group(5, &["a"])), &file, &of_file).unwrap().path, "f");
        assert_eq!(
            choose("vg", &half, &[], &of_file).unwrap_err().text,
            "f does not have a state of group vg"
        );
    }

    #[test]
    fn a_partial_group_is_restored_from_its_own_text() {
        let mut half = world(group(5, &["a"]));
        assert!(with_its_own(&[], half.group("vg"), &Which::Last).is_empty(), "a whole one needs none");
        half.groups[0].devices[1] = None;
        for kept in [Vec::new(), vec![kept(4, &["a", "b"], "old")], vec![kept(5, &["a"], "backup")]] {
            let states = with_its_own(&kept, half.group("vg"), &Which::Last);
            assert_eq!(choose("vg", &half, &states, &Which::Last).unwrap().group.seqno, 5);
        }
        let of_file = Which::OfFile("f".into());
        assert!(with_its_own(&[], half.group("vg"), &of_file).is_empty(), "the file is meant");
    }

    #[test]
    fn a_number_is_given_once() {
        let old = group(3, &["a"]);
        let ask = |groups: &Groups, kept: &[KeptState], traces: &Traces| highest(&old, groups, kept, traces);
        let (nobody, nothing) = (Groups::default(), Traces::default());
        // Of the text itself, where nothing else is known.
        assert_eq!(ask(&nobody, &[], &nothing), 3);
        // Of the archive; another group of the name does not count.
        let mut other = kept(90, &["a"], "other");
        other.group.id = id(200);
        assert_eq!(ask(&nobody, &[kept(8, &["b"], "x"), other], &nothing), 8);
        // Of the group that is there, and of a device's area that is ahead of it.
        let mut there = world(group(7, &["a", "b"]));
        assert_eq!(ask(&there, &[], &nothing), 7);
        there.groups[0].devices[1].as_mut().unwrap().areas[0].holds = Some((id(9), 11));
        assert_eq!(ask(&there, &[], &nothing), 11);
        // Of an area of a device that is of no group now.
        let mut lone = device(1, true);
        lone.areas[0].holds = Some((id(9), 12));
        assert_eq!(ask(&Groups { lone: vec![lone], ..Groups::default() }, &[], &nothing), 12);
        // Of texts that are left where no label is, and in areas that no header speaks of.
        let head = |seqno| {
            let mut head = vec![0; 1 << 16];
            for (at, seqno) in [(9, seqno), (20, 5), (30, u32::MAX)] {
                let text = group(seqno, &["a"]).raw(&Default::default());
                head[at * 512..][..text.len()].copy_from_slice(&text);
            }
            head
        };
        let traces = Traces { lone: vec![head(13), head(4)], ..Traces::default() };
        assert_eq!(ask(&nobody, &[kept(8, &["b"], "x")], &traces), 13);
    }
}
