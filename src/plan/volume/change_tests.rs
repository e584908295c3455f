//! A change while lvm2 changes the same group.

use superblock::lvm::{LogicalVolume, Stamp, Wish};

use super::{
    super::{
        groups::named,
        lab::{Lab, id},
        metadata,
    },
    *,
};
use crate::{
    model::volume::Groups,
    plan::{
        Step, Warning,
        course::{
            Answer,
            twin::{self, Outcome},
        },
    },
    words::Errno,
};

/// Makes a volume; asks first where that is wanted.
fn make(groups: &Groups, asks: bool) -> Decided {
    let found = named(groups, "vg")?;
    let mut after = found.group.clone();
    if after.volume("new").is_some() {
        return Ok(None);
    }
    let room = after.allocate(&Wish { extents: 2, ..Wish::default() });
    let segments = room.map_err(|why| Refusal::new(why.to_string()))?.segments;
    let volume = LogicalVolume { id: id(77), segments, ..LogicalVolume::empty("new".into()) };
    after.add(volume).map_err(|why| Refusal::new(why.to_string()))?;
    let change = metadata::change(found, &after, &Stamp::default(), false)?;
    let mut steps = change.before;
    steps.extend([change.commit, Step::Commit]);
    steps.extend(change.after);
    let warnings = asks.then(|| Warning::ask("sure?")).into_iter().collect();
    Ok(Some(Plan { summary: "make vg/new".into(), steps, warnings }))
}

fn look() -> GroupLook {
    GroupLook { name: "vg".into(), ..GroupLook::default() }
}

fn course(asks: bool) -> ChangeCourse<impl Decide> {
    ChangeCourse::new(look(), move |seen: &GroupSeen| make(&seen.groups, asks), ChangeManner::Carry)
}

#[test]
fn whatever_happens_the_volume_is_there_or_nothing_was_done() {
    let check = |outcome: &Outcome<Lab>, what: &str| {
        let group = &outcome.scene.group;
        let said = outcome.text();
        let is_made = group.volume("new").is_some();
        assert!(outcome.status() != 0 || is_made, "{what}: {said}");
        // After the commit it is made, and the status says that something is left.
        let is_incomplete = said.contains("not all is done");
        assert_eq!(is_made, outcome.status() == 0 || is_incomplete, "{what}: {said}");
        assert_eq!(
            said.lines().any(|line| line == "done: make vg/new"),
            outcome.status() == 0,
            "{what}: {said}"
        );
        // What lvm2 made is never lost.
        let seqno = if what.starts_with("lvm2 makes") { 6 } else { 5 };
        assert!(group.seqno >= seqno && (seqno == 5 || group.volume("lvm2s").is_some()), "{what}: {said}");
    };
    for asks in [false, true] {
        let tally = twin::everything(
            || course(asks),
            &Lab::new(&["a"]),
            &[Errno::EIO, Errno::ENOSPC],
            &[
                ("lvm2 makes a volume", Lab::lvm2_makes_a_volume),
                ("lvm2 removes a volume", Lab::lvm2_removes_a_volume),
                ("lvm2 exports the group", Lab::lvm2_exports_the_group),
                ("a device goes", Lab::a_device_goes),
                ("the configuration breaks", Lab::the_configuration_breaks),
            ],
            check,
        );
        assert!(tally.reaches(3, 15, 15), "{tally:?}");
        println!("change, asks {asks}: {tally:?}");
    }
}

#[test]
fn what_somebody_else_did_is_looked_at_again() {
    let go = |turn, change: fn(&mut Lab)| {
        twin::drive(&mut course(false), Lab::new(&["a"]), Answer::Yes, None, Some((turn, ("", change))))
    };
    let outcome = go(1, Lab::lvm2_makes_a_volume);
    assert_eq!((outcome.status(), outcome.turns), (0, 5), "{}", outcome.text());
    assert_eq!(outcome.scene.group.seqno, 7);
    let outcome = go(1, Lab::lvm2_exports_the_group);
    assert!(outcome.text().contains("the group is exported"), "{}", outcome.text());
    assert!(outcome.scene.group.volume("new").is_none());
}

#[test]
fn nobody_is_asked_twice_and_no_is_no() {
    let drive = |answer, change| twin::drive(&mut course(true), Lab::new(&["a"]), answer, None, change);
    let no = drive(Answer::No, None);
    assert_eq!((no.status(), no.scene.group.volume("new").is_some()), (1, false));
    let nobody = drive(Answer::Nobody, None);
    assert!(nobody.text().contains("nobody can be asked here"), "{}", nobody.text());
    let late: (&str, fn(&mut Lab)) = ("", Lab::lvm2_makes_a_volume);
    let again = drive(Answer::Yes, Some((2, late)));
    // Begin, look, ask, do, look again, do: the answer holds.
    assert_eq!((again.status(), again.turns), (0, 6), "{}", again.text());
    let mut there =
        ChangeCourse::new(look(), |seen: &GroupSeen| make(&seen.groups, false), ChangeManner::Carry);
    let outcome = twin::drive(&mut there, Lab::new(&["new"]), Answer::Yes, None, None);
    assert_eq!((outcome.status(), there.nothing().is_some()), (0, true));
}
