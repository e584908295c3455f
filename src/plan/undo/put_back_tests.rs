use super::*;
use crate::{
    plan::{
        course::{
            Answer,
            twin::{self, Outcome},
        },
        undo::bench::{Before, CHANGES, Table},
    },
    words::Errno,
};

fn run(table: &Table) -> (Outcome<Table>, String) {
    let mut course = PutBack::new(table.id().as_str());
    let outcome = twin::drive(&mut course, table.clone(), Answer::Nobody, None, None);
    (outcome, course.came().unwrap_or_default().to_owned())
}

#[test]
fn a_second_run_changes_nothing_and_says_so() {
    let (table, Before { old, new }) = Table::new();
    let (first, came) = run(&table);
    assert_eq!((first.status(), &first.scene.disks.0), (0, &old), "{}", first.text());
    assert_eq!(came, "the metadata from before is back on /dev/a, /dev/b");
    let (second, came) = run(&first.scene);
    assert_eq!((second.status(), &second.scene.disks.0), (0, &old), "{}", second.text());
    assert_eq!(came, "what it was to overwrite on /dev/a, /dev/b is as it was before");
    assert_eq!(second.scene.entries.len(), 2, "nothing was kept for it");
    // The first one was killed half way: its entry is there, and not all of the bytes.
    let mut half = first.scene.clone();
    half.disks.0[1] = new[1].clone();
    let (second, came) = run(&half);
    assert_eq!((second.status(), &second.scene.disks.0), (0, &old), "{}", second.text());
    assert_eq!(came, "the metadata from before is back on /dev/b");
}

#[test]
fn what_never_came_about_leaves_no_entry() {
    let (mut table, Before { old, .. }) = Table::new();
    table.disks.0.clone_from(&old);
    let (outcome, came) = run(&table);
    assert_eq!((outcome.status(), &outcome.scene.disks.0), (0, &old), "{}", outcome.text());
    assert_eq!(came, "what it was to overwrite on /dev/a, /dev/b is as it was before");
    assert_eq!(outcome.scene.entries.len(), 0);
}

#[test]
fn what_became_of_a_change_of_a_group_is_said() {
    use superblock::lvm::{Group, LvmUuid};

    use crate::{archive::GroupChange, model::volume::FoundGroup};
    let mut group = Group::empty("vg".into());
    (group.id, group.seqno) = (LvmUuid::from_random([9; 32]), 5);
    group.written.description = "mdctl volume create vg/a 4M".into();
    let mut about = Table::new().0.entries[0].about.clone();
    about.command = ["mdctl", "volume", "create", "vg/a", "4M"].map(str::to_owned).to_vec();
    let id = group.id.to_string();
    about.group = Some(GroupChange {
        group: "vg".into(),
        id,
        before: Some(4),
        after: Some(5),
        back: None,
        no_way: None,
    });
    let ask = |group: &Group| {
        let found = FoundGroup { group: group.clone(), ..FoundGroup::default() };
        became(&about, &Groups { groups: vec![found], ..Groups::default() })
    };
    assert_eq!(ask(&group), Became::Done("its change of group vg was made, and stays".into()));
    let Became::Done(since) = ask(&Group { seqno: 7, ..group.clone() }) else { panic!("not known") };
    assert!(since.contains("is not known: the group was changed 2 times since"), "{since}");
    // lvm2 made the change that has the number.
    group.written.description = "lvcreate".into();
    assert_eq!(ask(&group), Became::Nothing);
}

#[test]
fn what_was_never_kept_was_never_overwritten() {
    let (mut table, Before { new, .. }) = Table::new();
    let id = table.id();
    table.entries.clear();
    let mut course = PutBack::new(id.as_str());
    let outcome = twin::drive(&mut course, table, Answer::Nobody, None, None);
    assert_eq!((outcome.status(), outcome.scene.disks.0), (0, new));
    assert_eq!(course.came(), None);
}

/// All of it or nothing, and never a byte of somebody else's. After a failure the next command tries again.
#[test]
fn it_ends_whatever_fails_and_whoever_comes_between() {
    let (table, Before { old, new }) = Table::new();
    let id = table.id();
    let check = |outcome: &Outcome<Table>, what: &str| {
        if CHANGES.iter().any(|(name, _)| what.starts_with(name)) {
            return;
        }
        let done = outcome.status() == 0;
        let (disks, text) = (&outcome.scene.disks.0, outcome.text());
        assert_eq!(disks, if done { &old } else { &new }, "{what}: {text}");
        assert!(done || text.starts_with("what it left could not be taken back: "), "{what}: {text}");
        let (again, came) = run(&outcome.scene);
        assert_eq!((again.status(), &again.scene.disks.0), (0, &old), "{what}, then again: {came}");
    };
    let errors = [Errno::EIO, Errno::EBUSY];
    let tally = twin::everything(|| PutBack::new(id.as_str()), &table, &errors, CHANGES, check);
    assert!(tally.reaches(6, 28, 48), "{tally:?}");
}
