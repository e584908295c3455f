//! Members that are gone.

use superblock::Level;

use super::{Leaving, LeavingJob};
use crate::{
    plan::{
        course::{
            Answer,
            twin::{self, Change, Outcome},
        },
        manage::{bench::Bench, tests::array},
    },
    words::Errno,
};

const ERRORS: &[Errno] = &[Errno::EBUSY, Errno::EIO];

const OTHERS: &[Change<Bench>] = &[
    ("the array is stopped", |bench| bench.array = None),
    ("another member failed", |bench| bench.lose(2)),
    ("it was taken out by hand", |bench| {
        if let Some(array) = &mut bench.array {
            array.links.retain(|link| link.name != "ram1");
            array.detail.members.retain(|member| member.dev.minor != 1);
        }
    }),
];

fn job(name: &str, force: bool) -> LeavingJob {
    let path = Some("pci-1".to_owned());
    LeavingJob { name: name.to_owned(), path, force, slots: "/run/mdadm/failed-slots".to_owned() }
}

fn gone(bench: &Bench, name: &str, force: bool) -> Outcome<Bench> {
    twin::drive(&mut Leaving::new(job(name, force)), bench.clone(), Answer::Yes, None, None)
}

#[test]
fn a_member_that_is_gone_is_failed_and_taken_out() {
    let bench = Bench::new(array(Level::Raid5, "UUU"), &[]);
    let outcome = gone(&bench, "ram1", false);
    assert_eq!(outcome.status(), 0, "{}", outcome.text());
    assert_eq!(outcome.scene.array.as_ref().unwrap().present(None), [true, false, true]);
    assert!(outcome.scene.array.as_ref().unwrap().links.iter().all(|link| link.name != "ram1"));
    let unknown = gone(&bench, "ram7", false);
    assert_eq!(
        (unknown.status(), unknown.text().as_str()),
        (0, "ram7 does not appear to be a component of any array")
    );
}

#[test]
fn the_last_good_member_breaks_nothing_unless_somebody_insists() {
    for (level, state) in [(Level::Raid1, "UF"), (Level::Raid5, "UUF"), (Level::Raid0, "UU")] {
        let bench = Bench::new(array(level, state), &[]);
        let outcome = gone(&bench, "ram0", false);
        assert_eq!(outcome.status(), 1);
        assert!(
            outcome.text().starts_with("Cannot fail member device ram0 in array md0"),
            "{}",
            outcome.text()
        );
        assert!(outcome.scene.array.as_ref().unwrap().present(None)[0], "{level:?}");
        let forced = gone(&bench, "ram0", true);
        assert_eq!(forced.status(), 0, "{}", forced.text());
        assert!(!forced.scene.array.as_ref().unwrap().present(None)[0], "{level:?}");
    }
}

#[test]
fn it_ends_whatever_fails_and_whoever_is_quicker() {
    let bench = Bench::new(array(Level::Raid6, "UUUU"), &[]);
    let tally = twin::everything(|| Leaving::new(job("ram1", false)), &bench, ERRORS, OTHERS, Bench::check);
    assert!(tally.reaches(5, 8, 15), "{tally:?}");
}
