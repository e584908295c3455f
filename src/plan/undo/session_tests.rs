use superblock::Bytes;

use super::*;
use crate::{
    plan::{
        course::{
            Answer, How,
            twin::{self, Outcome},
        },
        undo::bench::{Before, CHANGES, Table},
    },
    words::Errno,
};

fn job(id: Option<&EntryId>, agreed: bool) -> Job {
    let id = id.map(ToString::to_string);
    Job { id, force: false, agreed, dry_run: false, zone: TimeZone::UTC }
}

fn drive(job: Job, table: &Table, answer: Answer) -> Outcome<Table> {
    twin::drive(&mut Undo::new(job), table.clone(), answer, None, None)
}

#[test]
fn the_newest_is_named_asked_about_and_its_undo_has_a_name() {
    let (table, Before { old, new }) = Table::new();
    let id = table.id();
    let outcome = drive(job(None, false), &table, Answer::Yes);
    assert_eq!((outcome.status(), &outcome.scene.disks.0), (0, &old), "{}", outcome.text());
    let [_, undo] = &outcome.scene.entries[..] else { panic!("two entries") };
    let lines: Vec<String> = outcome.said.iter().map(|said| said.text.clone()).collect();
    let undone =
        format!("undid {id}: create /dev/md0; put back on /dev/a, /dev/b; `mdctl undo {}`", undo.about.id);
    assert!(lines[0].starts_with(&format!("this takes back {id}: mdctl --create /dev/md0 (")), "{lines:?}");
    assert!(lines.len() == 2 && lines[1].starts_with(&undone), "{lines:?}");

    let no = drive(job(None, false), &table, Answer::No);
    assert_eq!((no.status(), &no.scene.disks.0), (1, &new));
    assert!(no.text().ends_with("nothing was written"), "{}", no.text());
    let nobody = drive(job(None, false), &table, Answer::Nobody);
    assert_eq!((nobody.status(), &nobody.scene.disks.0), (1, &new));
    assert!(nobody.text().contains(&format!("name the entry (mdctl undo {id})")), "{}", nobody.text());
    // What is named is not asked about.
    let named = drive(job(Some(&id), false), &table, Answer::Nobody);
    assert_eq!((named.status(), &named.scene.disks.0), (0, &old), "{}", named.text());

    let twice = drive(job(None, true), &outcome.scene, Answer::Yes);
    assert!(twice.text().contains("the last change is an undo itself"), "{}", twice.text());
    let again = drive(job(Some(&undo.about.id), true), &outcome.scene, Answer::Yes);
    assert_eq!((again.status(), &again.scene.disks.0), (0, &new), "{}", again.text());
}

/// Also where nobody is asked.
#[test]
fn what_is_lost_is_said_to_those_who_agreed_beforehand() {
    let (mut table, Before { old, .. }) = Table::new();
    table.inside = vec![(superblock::MdUuid([3; 16]), "ext4 \"home\"".into())];
    for (agreed, how) in [(true, How::Warn), (false, How::Ask)] {
        let outcome = drive(job(Some(&table.id()), agreed), &table, Answer::Yes);
        let lost = outcome.said.iter().find(|said| said.text.contains("what is on it: ext4 \"home\""));
        assert_eq!(lost.map(|said| said.how), Some(how), "{}", outcome.text());
        assert_eq!((outcome.status(), &outcome.scene.disks.0), (0, &old));
    }
}

/// What somebody agreed to is what is done: what changed while he thought is asked about again.
#[test]
fn what_changes_over_a_question_is_asked_about_again() {
    let (table, Before { old, .. }) = Table::new();
    let mut undo = Undo::new(job(None, false));
    let mut events = vec![Event::Begin];
    let (mut scene, mut asked) = (table, 0);
    let status = loop {
        let turn = undo.next(events.remove(0));
        events.push(match turn.then {
            Then::Look(look) => twin::Scene::see(&scene, &look).map_or_else(Event::Unseen, Event::Seen),
            Then::Ask(_) => {
                asked += 1;
                if asked == 1 {
                    let mut page = scene.disks.read(1, Bytes(4096), 512);
                    page.data[200..208].copy_from_slice(&1_u64.to_le_bytes());
                    scene.disks.0[1].write(&page);
                }
                Event::Answered(Answer::Yes)
            }
            Then::Undo(plan, ..) => {
                for step in &plan.steps {
                    twin::Scene::act(&mut scene, step).expect("nothing fails");
                }
                Event::Done(vec![Deed::Done])
            }
            Then::End(ending) => break ending,
            other => panic!("{other:?}"),
        });
    };
    assert_eq!((asked, &scene.disks.0), (2, &old), "{status:?}");
}

/// All of it or nothing, and never a byte of somebody else's.
#[test]
fn it_ends_whatever_fails_and_whoever_comes_between() {
    let (table, Before { old, new }) = Table::new();
    let check = |outcome: &Outcome<Table>, what: &str| {
        let (scene, text) = (&outcome.scene, outcome.text());
        let alone = CHANGES.iter().all(|(name, _)| !what.starts_with(name));
        if outcome.status() == 0 {
            assert!(!alone || scene.disks.0 == old, "{what}: {text}");
            assert!(text.contains("put back on /dev/a, /dev/b"), "{what}: {text}");
        }
        if outcome.status() != 0 && alone {
            assert_eq!(scene.disks.0, new, "{what}: {text}");
            assert_eq!(scene.entries.len(), 1, "{what}: what did not happen is kept nowhere");
        }
        // The disk that nobody else touched is wholly the one or wholly the other.
        if !what.starts_with("another disk") {
            let whole = [&old[0], &new[0]].contains(&&scene.disks.0[0]);
            assert!(whole, "{what}: {text}");
            let is_old = scene.disks.0[0] == old[0];
            assert_eq!(is_old, outcome.status() == 0, "{what}: {text}");
        }
    };
    let errors = [Errno::EIO, Errno::EBUSY];
    let asked = twin::everything(|| Undo::new(job(None, false)), &table, &errors, CHANGES, check);
    assert!(asked.reaches(12, 33, 96), "{asked:?}");
    let named = twin::everything(|| Undo::new(job(None, true)), &table, &errors, CHANGES, check);
    assert!(named.reaches(8, 29, 64), "{named:?}");
}
