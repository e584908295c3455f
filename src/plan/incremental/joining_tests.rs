//! Devices that come, in every order, on machines that change under them.

use superblock::{Level, Role, v1};

use super::{
    Arrival, Leaving, LeavingJob, Started,
    bench::{Disk, Lab, joining, joining_with},
};
use crate::{
    config::{Config, conf},
    plan::{
        MdStep, Step, SystemStep,
        assemble::tests::{UUID, array, faulty},
        course::{
            Answer, Course, Event, Look, Then,
            twin::{self, Change, Outcome, Scene},
        },
    },
    words::Errno,
};

const ERRORS: &[Errno] = &[Errno::EBUSY, Errno::EIO, Errno::EINVAL];

/// One device comes; what became of it.
fn comes(lab: Lab, device: &str) -> (Outcome<Lab>, Option<Arrival>) {
    comes_with(&Config::default(), lab, device, false)
}

fn comes_with(config: &Config, lab: Lab, device: &str, run: bool) -> (Outcome<Lab>, Option<Arrival>) {
    let mut course = joining_with(config, device, |job| job.run = run);
    let outcome = twin::drive(&mut course, lab, Answer::Yes, None, None);
    (outcome, course.came())
}

fn started(came: &Option<Arrival>) -> Option<Started> {
    came.as_ref().and_then(|came| came.started)
}

fn mirror() -> Lab {
    let mut lab = Lab::default();
    lab.put(&array(Level::Raid1, 0, 2), b'a', &[7, 7]);
    lab
}

fn raid5() -> Lab {
    let mut lab = Lab::default();
    lab.put(&array(Level::Raid5, 2, 3), b'a', &[7, 7, 7]);
    lab
}

#[test]
fn members_come_one_by_one_in_every_order() {
    for order in [["a", "b", "c"], ["c", "b", "a"], ["b", "a", "c"]] {
        let mut lab = raid5();
        for (nth, device) in order.iter().enumerate() {
            let expected = [Started::No, Started::Unsafe, Started::Yes][nth];
            let (outcome, came) = comes(lab, &format!("/dev/{device}"));
            assert_eq!((outcome.status(), started(&came)), (0, Some(expected)), "{}", outcome.text());
            let came = came.unwrap();
            assert_eq!((came.array.path.as_str(), came.foreign), ("/dev/md/0", false));
            lab = outcome.scene;
        }
        assert_eq!(lab.state.arrays.len(), 1);
        assert_eq!(lab.state.arrays["md0"].0.len(), 3);
        assert!(lab.state.arrays["md0"].1);
        assert_eq!(lab.map["md0"].uuid, UUID);
    }
}

#[test]
fn what_is_said() {
    let (outcome, _) = comes(mirror(), "/dev/a");
    assert_eq!(outcome.text(), "/dev/a attached to /dev/md/0, not enough to start safely.");
    let (outcome, _) = comes(outcome.scene, "/dev/b");
    assert_eq!(outcome.text(), "/dev/b attached to /dev/md/0, which has been started.");
    let (outcome, _) = comes(raid5(), "/dev/a");
    assert_eq!(outcome.text(), "/dev/a attached to /dev/md/0, not enough to start (1).");
}

#[test]
fn an_event_that_comes_twice_is_answered_twice() {
    let (first, came) = comes(raid5(), "/dev/a");
    let (again, twice) = comes(first.scene, "/dev/a");
    assert_eq!((again.status(), &twice), (0, &came), "{}", again.text());
    let (second, came) = comes(again.scene, "/dev/b");
    let (again, twice) = comes(second.scene, "/dev/b");
    assert_eq!((again.status(), &twice), (0, &came), "{}", again.text());
    assert_eq!(started(&twice), Some(Started::Unsafe));
    let (third, _) = comes(again.scene, "/dev/c");
    let (again, twice) = comes(third.scene, "/dev/c");
    assert_eq!((again.status(), started(&twice)), (0, Some(Started::Already)), "{}", again.text());
    assert_eq!(again.scene.state.arrays["md0"].0.len(), 3);
}

#[test]
fn what_a_killed_process_left_is_finished_by_the_next_event() {
    // A member and no line in the map.
    let mut lab = mirror();
    lab.has("md9", &["/dev/a"], false, None);
    let (outcome, came) = comes(lab, "/dev/b");
    assert_eq!((outcome.status(), started(&came)), (0, Some(Started::Yes)), "{}", outcome.text());
    assert_eq!(outcome.scene.array_of("/dev/b"), Some(("md9", true)));
    assert_eq!(outcome.scene.map["md9"].uuid, UUID);
    assert_eq!(outcome.scene.map["md9"].path, "/dev/md/0");
    // All members and not started.
    let mut lab = mirror();
    lab.has("md9", &["/dev/a", "/dev/b"], false, None);
    let (outcome, came) = comes(lab, "/dev/b");
    assert_eq!((outcome.status(), started(&came)), (0, Some(Started::Yes)), "{}", outcome.text());
    assert_eq!(outcome.scene.map["md9"].uuid, UUID);
}

#[test]
fn a_member_of_an_array_that_others_count_on_is_not_noted_as_something_to_be_taken_back() {
    let lab = mirror();
    let config = Config::default();
    let mut course = joining(&config, "/dev/a");
    let mut event = Event::Begin;
    let steps = loop {
        event = match course.next(event).then {
            Then::Look(look) => Event::Seen(lab.see(&look).unwrap()),
            Then::Do(plans) => break plans.into_iter().flat_map(|plan| plan.steps).collect::<Vec<_>>(),
            then => panic!("{then:?}"),
        };
    };
    assert!(!steps.iter().any(|step| matches!(step, Step::Md(MdStep::AddDisk { .. }))));
    // From the commit on it is the others' array, and it comes right behind the member.
    let commit = steps.iter().position(|step| *step == Step::Commit).unwrap();
    assert!(matches!(steps[commit - 1], Step::Md(MdStep::HotAdd { .. })), "{steps:?}");
    assert_eq!(steps[0], Step::System(SystemStep::LockMap));
}

#[test]
fn a_line_of_an_array_that_was_there_before_is_put_right() {
    let mut lab = mirror();
    let other = v1::NewArray { uuid: superblock::MdUuid([0xaa; 16]), ..array(Level::Raid1, 0, 2) };
    lab.put(&other, b'c', &[3, 3]);
    lab.has("md5", &["/dev/c"], false, Some(UUID));
    let (outcome, came) = comes(lab, "/dev/a");
    assert_eq!((outcome.status(), started(&came)), (0, Some(Started::Unsafe)), "{}", outcome.text());
    assert_eq!(outcome.scene.array_of("/dev/a"), Some(("md0", false)));
    assert!(!outcome.scene.map.contains_key("md5"));
}

#[test]
fn a_stale_member_that_comes_first_never_wins() {
    let mirror = array(Level::Raid1, 0, 2);
    let mut lab = Lab::default();
    lab.put_one(&mirror, b'a', 0, 7, &[]);
    lab.put_one(&mirror, b'a', 1, 20, &[faulty(0)]);
    let (first, came) = comes(lab, "/dev/a");
    assert_eq!(started(&came), Some(Started::Unsafe), "{}", first.text());
    let (second, came) = comes(first.scene, "/dev/b");
    assert_eq!((second.status(), started(&came)), (0, Some(Started::Yes)), "{}", second.text());
    // The freshest is what counts, and who went on alone is not taken by a stale one.
    let mut parted = Lab::default();
    parted.put_one(&mirror, b'a', 0, 20, &[faulty(1)]);
    parted.put_one(&mirror, b'a', 1, 20, &[faulty(0)]);
    let (first, came) = comes(parted, "/dev/a");
    assert_eq!(started(&came), Some(Started::Yes), "{}", first.text());
    let (second, came) = comes(first.scene, "/dev/b");
    assert_eq!((second.status(), came), (2, None), "{}", second.text());
    assert_eq!(second.scene.array_of("/dev/b"), None);
}

#[test]
fn of_two_with_one_slot_the_fresher_stays_whatever_the_order() {
    let raid5 = array(Level::Raid5, 2, 3);
    for (first, second) in [("/dev/a", "/dev/f"), ("/dev/f", "/dev/a")] {
        let mut lab = Lab::default();
        lab.put(&raid5, b'a', &[7, 20, 20]);
        lab.put(&raid5, b'f', &[20]);
        let (one, _) = comes(lab, first);
        let (two, _) = comes(one.scene, "/dev/b");
        let (three, came) = comes(two.scene, second);
        let last = if second == "/dev/a" { (2, None) } else { (0, Some(Started::Unsafe)) };
        assert_eq!((three.status(), started(&came)), last, "{first}: {}", three.text());
        let (four, came) = comes(three.scene, "/dev/c");
        assert_eq!((four.status(), started(&came)), (0, Some(Started::Yes)), "{}", four.text());
        assert_eq!(four.scene.array_of("/dev/a"), None);
        assert_eq!(four.scene.array_of("/dev/f"), Some(("md0", true)));
    }
}

/// `/dev/f` by the superblock of another disk, with these events.
fn copy(lab: &mut Lab, array: &v1::NewArray, number: u32, events: u64, edits: &[v1::Edit]) {
    let mut other = Lab::default();
    other.put_one(array, b'a', number, events, edits);
    let (_, disk) = other.disks.pop_first().unwrap();
    lab.disks.insert("/dev/f".into(), Disk { minor: 5, ..disk });
}

#[test]
fn a_stale_copy_that_came_first_leaves() {
    let config = Config::default();
    for level in [Level::Raid1, Level::Raid5, Level::Raid10] {
        let array = array(level, if level == Level::Raid10 { 0x102 } else { 2 }, 3);
        let mut lab = Lab::default();
        lab.put(&array, b'a', &[20, 20, 20]);
        copy(&mut lab, &array, 1, 7, &[]);
        let (one, _) = comes(lab, "/dev/f");
        let twin = || joining(&config, "/dev/b");
        let in_one = |outcome: &Outcome<Lab>, what: &str| {
            let inside = ["/dev/b", "/dev/f"].map(|path| outcome.scene.array_of(path).is_some());
            assert!(inside.contains(&true), "{level:?}, {what}: {}", outcome.text());
            assert!(
                outcome.status() != 0 || inside == [true, false],
                "{level:?}, {what}: {}",
                outcome.text()
            );
        };
        twin::everything(twin, &one.scene, ERRORS, &[], in_one);
        let (two, _) = comes(one.scene, "/dev/b");
        assert_eq!(two.status(), 0, "{level:?}: {}", two.text());
        let (three, _) = comes(two.scene, "/dev/a");
        let (four, came) = comes(three.scene, "/dev/c");
        assert_eq!((four.status(), started(&came)), (0, Some(Started::Yes)), "{level:?}: {}", four.text());
        assert_eq!(four.scene.array_of("/dev/f"), None);
    }
}

#[test]
fn of_two_that_are_alike_the_first_one_stays() {
    let mut lab = mirror();
    copy(&mut lab, &array(Level::Raid1, 0, 2), 1, 7, &[]);
    for (first, second) in [("/dev/f", "/dev/b"), ("/dev/b", "/dev/f")] {
        let (one, _) = comes(lab.clone(), first);
        let (two, came) = comes(one.scene, second);
        let why = format!(
            "{second} is not added to /dev/md/0: it is a copy of {first}: both have the same device UUID"
        );
        assert_eq!((two.status(), came, two.text()), (2, None, why));
        let (three, came) = comes(two.scene, "/dev/a");
        assert_eq!((three.status(), started(&came)), (0, Some(Started::Yes)), "{}", three.text());
        assert_eq!(three.scene.array_of(first), Some(("md0", true)));
    }
}

/// A spare that was taken away comes back; the disk that came for it has its number and is in a slot.
#[test]
fn a_stale_spare_makes_way_for_who_has_its_number() {
    let mirror = array(Level::Raid1, 0, 2);
    let mut lab = Lab::default();
    let slot = v1::Edit::Role { number: 2, role: Role::Slot { slot: 1, replacement: false } };
    lab.put_one(&mirror, b'a', 0, 20, &[slot, faulty(1)]);
    lab.put_one(&mirror, b'a', 2, 20, &[slot, faulty(1), v1::Edit::DeviceUuid(superblock::MdUuid([9; 16]))]);
    copy(&mut lab, &mirror, 2, 7, &[]);
    for order in
        [["/dev/f", "/dev/c", "/dev/a"], ["/dev/f", "/dev/a", "/dev/c"], ["/dev/c", "/dev/f", "/dev/a"]]
    {
        let mut lab = lab.clone();
        let mut last = None;
        for device in order {
            let (outcome, came) = comes(lab, device);
            assert_eq!(
                outcome.status(),
                if device == "/dev/f" && device != order[0] { 2 } else { 0 },
                "{order:?}: {}",
                outcome.text()
            );
            last = started(&came);
            lab = outcome.scene;
        }
        assert_eq!((last, lab.array_of("/dev/f")), (Some(Started::Yes), None), "{order:?}");
    }
}

/// Who is counted: members of a RAID5 of three by their events, what the third one answers.
#[test]
fn votes() {
    for (events, expected) in [
        ([7, 7, 7], Started::Yes),
        // One event less is as good: it was cut off in an update.
        ([7, 7, 6], Started::Yes),
        ([6, 7, 7], Started::Yes),
        // More drops it, and the others wait for a fresh one.
        ([5, 7, 7], Started::Unsafe),
        ([7, 7, 5], Started::Unsafe),
        ([7, 5, 5], Started::No),
        ([7, 8, 9], Started::Unsafe),
    ] {
        let mut lab = Lab::default();
        lab.put(&array(Level::Raid5, 2, 3), b'a', &events);
        let mut last = None;
        for device in ["/dev/a", "/dev/b", "/dev/c"] {
            let (outcome, came) = comes(lab, device);
            last = started(&came);
            lab = outcome.scene;
        }
        assert_eq!(last, Some(expected), "{events:?}");
    }
}

#[test]
fn run_starts_what_is_there_and_takes_late_ones() {
    let config = Config::default();
    // Nothing can be done with too few.
    let (outcome, came) = comes_with(&config, raid5(), "/dev/a", true);
    assert_eq!((outcome.status(), started(&came)), (0, Some(Started::No)), "{}", outcome.text());
    let (outcome, came) = comes_with(&config, outcome.scene, "/dev/b", true);
    assert_eq!((outcome.status(), started(&came)), (0, Some(Started::Yes)), "{}", outcome.text());
    let (late, came) = comes(outcome.scene, "/dev/c");
    assert_eq!((late.status(), came), (2, None));
    assert_eq!(late.text(), "not adding /dev/c to active array (without --run) /dev/md/0");
}

#[test]
fn a_member_that_its_array_waited_for_in_vain_is_taken_back_unless_rules_speak_against_it() {
    let (first, _) = comes(mirror(), "/dev/a");
    let noted: Vec<_> =
        first.scene.state.texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    assert_eq!(noted, [(format!("/run/mdctl/awaited/{UUID}").as_str(), "7\n")]);
    let mut lab = first.scene;
    lab.state.arrays.get_mut("md0").unwrap().1 = true;
    // Whether manage's own look follows.
    let is_taken = |text: &str, events: Option<u64>| {
        let config = conf::parse([("test", text)]).0;
        let mut course = joining_with(&config, "/dev/b", |job| {
            job.awaited = events.map(|events| (UUID, superblock::Events(events))).into_iter().collect();
        });
        let mut event = Event::Begin;
        loop {
            event = match course.next(event).then {
                Then::Look(look @ (Look::World { .. } | Look::Members { .. })) => {
                    Event::Seen(lab.see(&look).unwrap())
                }
                Then::Look(_) => break true,
                Then::End(_) => break false,
                then => panic!("{then:?}"),
            };
        }
    };
    assert!(is_taken("", Some(7)));
    // Nobody waited; it missed something before that; somebody says what is to be done.
    assert!(!is_taken("", None));
    assert!(!is_taken("", Some(9)));
    assert!(!is_taken("POLICY action=include", Some(7)));
    assert!(is_taken("POLICY domain=here", Some(7)));
    // When the last one came in time, nobody waits any more.
    let (whole, came) = comes(comes(mirror(), "/dev/a").0.scene, "/dev/b");
    assert_eq!((started(&came), whole.scene.state.texts.len()), (Some(Started::Yes), 0));
}

#[test]
fn refusals() {
    let conf = |text: &str| conf::parse([("test", text)]).0;
    let mut lab = mirror();
    lab.put(&array(Level::Raid1, 0, 2), b'e', &[]);
    lab.disks.insert("/dev/z".into(), super::bench::Disk { minor: 25, writes: Vec::new() });
    for (text, device, status, said) in [
        ("", "/dev/y", 1, "stat failed for /dev/y: No such file or directory"),
        ("", "/dev/z", 1, "no recognisable superblock on /dev/z."),
        (
            "ARRAY <ignore> UUID=11111111:11111111:11111111:11111111",
            "/dev/a",
            1,
            "array containing /dev/a is explicitly ignored by mdadm.conf",
        ),
        ("AUTO -all", "/dev/a", 1, "/dev/a has metadata type 1.x for which auto-assembly is disabled"),
    ] {
        let (outcome, came) = comes_with(&conf(text), lab.clone(), device, false);
        assert_eq!((outcome.status(), outcome.text().as_str(), came), (status, said, None), "{text}");
        assert!(outcome.scene.state.arrays.is_empty());
    }
    let course = || joining_with(&Config::default(), "/dev/a", |job| job.permitted = false).came();
    assert_eq!(course(), None);
    let config = Config::default();
    let mut snapshot = joining_with(&config, "/dev/a", |job| job.origin = Some("/dev/mapper/o".into()));
    let outcome = twin::drive(&mut snapshot, mirror(), Answer::Yes, None, None);
    let came = snapshot.came();
    let text = "/dev/a is a snapshot of /dev/mapper/o: what is on it is that device's";
    assert_eq!((outcome.status(), outcome.text().lines().next(), came), (1, Some(text), None));
}

#[test]
fn a_device_that_comes_back_finds_its_array_under_its_name() {
    let mut lab = Lab::default();
    lab.put(&array(Level::Raid1, 0, 3), b'a', &[7, 7, 7]);
    let (first, came) = comes(lab, "/dev/a");
    let name = came.unwrap().array;
    let job =
        LeavingJob { name: "a".into(), path: None, force: false, slots: "/run/mdadm/failed-slots".into() };
    let left = twin::drive(&mut Leaving::new(job), first.scene, Answer::Yes, None, None);
    assert_eq!((left.status(), left.scene.array_of("/dev/a")), (0, None), "{}", left.text());
    let (second, came) = comes(left.scene, "/dev/b");
    assert_eq!(came.unwrap().array, name, "{}", second.text());
}

#[test]
fn arrays_of_others_are_foreign_and_wait_for_a_write() {
    let foreign = v1::NewArray { name: v1::set_name(Some(b"other"), b"far"), ..array(Level::Raid1, 0, 2) };
    let mut lab = Lab::default();
    lab.put(&foreign, b'a', &[7, 7]);
    let (first, came) = comes(lab, "/dev/a");
    assert_eq!(came.unwrap().array.path, "/dev/md/other:far");
    let (second, came) = comes(first.scene, "/dev/b");
    let came = came.unwrap();
    assert_eq!((came.foreign, came.started), (true, Some(Started::Yes)), "{}", second.text());
    let attributes = &second.scene.state.attributes;
    let read_auto = attributes.iter().any(|((_, attr), value)| attr == "array_state" && value == "read-auto");
    assert!(read_auto, "{attributes:?}");
}

/// What others do meanwhile.
const OTHERS: &[Change<Lab>] = &[
    ("the other member's process began the array", |lab| lab.has("md0", &["/dev/b"], false, Some(UUID))),
    ("it began it under another name", |lab| lab.has("md126", &["/dev/b"], false, Some(UUID))),
    ("it began it and was killed", |lab| lab.has("md126", &["/dev/b"], false, None)),
    ("a second event of this device was quicker", |lab| lab.has("md0", &["/dev/a"], false, Some(UUID))),
    ("the array was assembled by hand", |lab| lab.has("md0", &["/dev/a", "/dev/b"], true, Some(UUID))),
    ("the array was started without it", |lab| lab.has("md0", &["/dev/b"], true, Some(UUID))),
    ("another array took the number", |lab| lab.has("md0", &["/dev/z"], true, None)),
    ("the device was pulled out", |lab| drop(lab.disks.remove("/dev/a"))),
    ("the other device was pulled out", |lab| drop(lab.disks.remove("/dev/b"))),
    ("somebody holds it", |lab| lab.held.extend(["/dev/a".to_owned()])),
];

/// A success means that the device is in an array.
fn honest(outcome: &Outcome<Lab>, what: &str) {
    let inside = outcome.scene.array_of("/dev/a").is_some();
    assert!(outcome.status() != 0 || inside, "{what}: {}", outcome.text());
    assert!(
        outcome.scene.state.arrays.values().filter(|(members, _)| members.contains("/dev/b")).count() <= 1
    );
}

#[test]
fn it_ends_whatever_fails_and_whoever_is_quicker() {
    let config = Config::default();
    let mut other = Lab::default();
    other.put(&array(Level::Raid1, 0, 2), b'z', &[7]);
    let z = other.disks["/dev/z"].clone();
    let one = || joining(&config, "/dev/a");
    let mut alone = mirror();
    alone.disks.insert("/dev/z".into(), z);
    let tally = twin::everything(one, &alone, ERRORS, OTHERS, honest);
    assert!(tally.reaches(4, 25, 40), "{tally:?}");
    // The last one.
    let mut second = alone.clone();
    second.has("md0", &["/dev/b"], false, Some(UUID));
    let tally = twin::everything(one, &second, ERRORS, OTHERS, honest);
    assert!(tally.reaches(5, 20, 50), "{tally:?}");
    // After a kill.
    let mut killed = alone.clone();
    killed.has("md0", &["/dev/b"], false, None);
    let tally = twin::everything(one, &killed, ERRORS, OTHERS, honest);
    assert!(tally.reaches(5, 20, 50), "{tally:?}");
    // Unseen by the others.
    let mut third = raid5();
    third.put(&array(Level::Raid6, 2, 6), b'a', &[7, 7, 7, 7, 7, 7]);
    third.has("md0", &["/dev/c"], false, Some(UUID));
    let tally = twin::everything(one, &third, ERRORS, OTHERS, honest);
    assert!(tally.reaches(4, 15, 40), "{tally:?}");
}
