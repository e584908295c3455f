//! The end of waiting, and the map made again.

use superblock::{Level, MdUuid, v1};

use super::{
    Rebuilding, Started, Starting,
    bench::{Lab, session},
};
use crate::{
    config::Config,
    plan::{
        assemble::tests::{UUID, array, faulty},
        course::{
            Answer,
            twin::{self, Change},
        },
    },
    words::Errno,
};

const ERRORS: &[Errno] = &[Errno::EBUSY, Errno::EIO, Errno::EINVAL];
const OTHER: MdUuid = MdUuid([0xaa; 16]);

/// A RAID5 with two of three, a mirror with one of two.
fn waiting() -> Lab {
    let mut lab = Lab::default();
    lab.put(&array(Level::Raid5, 2, 3), b'a', &[7, 7, 7]);
    lab.put(&v1::NewArray { uuid: OTHER, ..array(Level::Raid1, 0, 2) }, b'e', &[7, 7]);
    lab.has("md5", &["/dev/a", "/dev/b"], false, Some(UUID));
    lab.has("md6", &["/dev/e"], false, None);
    lab
}

#[test]
fn all_that_wait_are_started() {
    let config = Config::default();
    let mut course = Starting::new(session(&config));
    let outcome = twin::drive(&mut course, waiting(), Answer::Yes, None, None);
    assert_eq!(outcome.status(), 0, "{}", outcome.text());
    assert_eq!(outcome.text(), "started array /dev/md/md5\nstarted array /dev/md/0");
    assert!(outcome.scene.state.arrays.values().all(|(_, runs)| *runs));
    assert!(course.came().iter().all(|came| came.started == Some(Started::Yes)));
    assert_eq!(outcome.scene.map["md6"].uuid, OTHER);
    let again = twin::drive(&mut Starting::new(session(&config)), outcome.scene, Answer::Yes, None, None);
    assert_eq!((again.status(), again.text().as_str()), (0, ""));
}

#[test]
fn who_went_on_apart_leaves_before_the_start() {
    let mirror = array(Level::Raid1, 0, 2);
    let mut lab = Lab::default();
    lab.put_one(&mirror, b'a', 0, 7, &[faulty(1)]);
    lab.put_one(&mirror, b'a', 1, 20, &[faulty(0)]);
    lab.has("md5", &["/dev/a", "/dev/b"], false, Some(UUID));
    let config = Config::default();
    let outcome = twin::drive(&mut Starting::new(session(&config)), lab, Answer::Yes, None, None);
    assert_eq!(outcome.status(), 0, "{}", outcome.text());
    assert_eq!(outcome.scene.array_of("/dev/b"), Some(("md5", true)));
    assert_eq!(outcome.scene.array_of("/dev/a"), None);
}

const OTHERS: &[Change<Lab>] = &[
    ("the missing member came", |lab| {
        if let Some((members, _)) = lab.state.arrays.get_mut("md5") {
            members.insert("/dev/c".into());
        }
    }),
    ("another started it", |lab| {
        if let Some(array) = lab.state.arrays.get_mut("md5") {
            array.1 = true;
        }
    }),
    ("an array is stopped", |lab| drop(lab.state.arrays.remove("md6"))),
    ("a disk is gone", |lab| drop(lab.disks.remove("/dev/e"))),
];

#[test]
fn it_ends_whatever_fails_and_whoever_is_quicker() {
    let config = Config::default();
    let tally = twin::everything(
        || Starting::new(session(&config)),
        &waiting(),
        ERRORS,
        OTHERS,
        |outcome, what| {
            let there = outcome.scene.state.arrays.values();
            let all = there.into_iter().all(|(_, runs)| *runs);
            assert!(outcome.status() != 0 || all, "{what}: {}", outcome.text());
        },
    );
    assert!(tally.reaches(4, 30, 16), "{tally:?}");
    let tally = twin::everything(|| Rebuilding::new(session(&config)), &waiting(), ERRORS, OTHERS, |_, _| {});
    assert!(tally.reaches(4, 10, 16), "{tally:?}");
}

#[test]
fn the_map_is_made_of_what_is_there() {
    let config = Config::default();
    let mut lab = waiting();
    lab.has("md7", &["/dev/f"], true, Some(UUID));
    lab.state.arrays.remove("md6");
    lab.has("md8", &["/dev/z"], true, Some(OTHER));
    lab.state.arrays.remove("md8");
    let outcome = twin::drive(&mut Rebuilding::new(session(&config)), lab, Answer::Yes, None, None);
    assert_eq!(outcome.status(), 0, "{}", outcome.text());
    let lines: Vec<_> = outcome
        .scene
        .map
        .values()
        .map(|entry| (entry.devnm.as_str(), entry.uuid, entry.path.as_str()))
        .collect();
    assert_eq!(lines, [("md5", UUID, "/dev/md/md5"), ("md7", OTHER, "/dev/md/0")]);
}
