//! Making an array while somebody else changes the machine between the look and the act.

use superblock::{Bytes, Write, foreign, window::Seen};

use super::{
    super::tests::world,
    tests::{disks, job},
    *,
};
use crate::{
    model::{
        RunningArray,
        view::{Unseen, View},
    },
    plan::{
        DiskStep, MdStep, Step,
        course::{
            Ending,
            twin::{self, Change, Outcome, Scene},
        },
        fake::{Fake, State},
        run::Outdated,
    },
    words::Errno,
};

/// Two disks, and arrays of others.
#[derive(Clone, Debug, Default)]
struct Desk {
    /// Somebody made a file system on the first one.
    ext4: bool,
    /// It was there when a plan began to write.
    overwritten: bool,
    others: Vec<String>,
    state: State,
}

impl Desk {
    /// What is at the beginning of the first disk.
    fn first(&self) -> Vec<Seen> {
        vec![Write { at: Bytes(0), data: vec![u8::from(self.ext4); 4096] }.into()]
    }
}

impl Scene for Desk {
    fn act(&mut self, step: &Step) -> anyhow::Result<Vec<Write>> {
        match step {
            Step::Disk(DiskStep::Unchanged { device, seen }) => {
                assert!(self.state.claims.contains(device), "compared before it was claimed");
                let same = device != "/dev/a" || seen[..] == self.first();
                anyhow::ensure!(same, Outdated(format!("somebody else changed {device} meanwhile")));
            }
            Step::Disk(DiskStep::Write { device, .. }) => {
                self.overwritten |= device == "/dev/a" && self.ext4;
            }
            Step::Md(MdStep::Expect { array, .. }) if self.others.contains(&array.kernel) => {
                anyhow::bail!(Outdated(format!("{array} is taken")));
            }
            Step::Md(MdStep::NewArray { array, .. }) => {
                assert!(!self.others.contains(&array.kernel), "{array} was seen to be taken");
            }
            _ => {}
        }
        let mut fake = Fake { state: std::mem::take(&mut self.state), ..Fake::default() };
        let done = fake.act(step);
        self.state = fake.state;
        done
    }

    fn let_go(&mut self) {
        self.state.let_go();
    }

    fn see(&self, look: &Look) -> Result<View, Unseen> {
        let other = |name: &String| RunningArray {
            name: name.clone(),
            state: "clean".into(),
            ..RunningArray::default()
        };
        Ok(match look {
            Look::ToWrite { .. } => {
                let mut disks = disks(self.ext4.then_some(foreign::Kind::Ext4));
                if let Ok(first) = &mut disks[0].found {
                    first.seen = self.first().into();
                }
                View::ToWrite(disks)
            }
            _ => View::World(Box::new(World {
                arrays: self.others.iter().map(other).collect(),
                ..world(Vec::new())
            })),
        })
    }

    fn sound(&self) -> Result<(), String> {
        if self.state.locked || !self.state.claims.is_empty() {
            return Err(format!("left behind: {:?}", self.state));
        }
        Ok(())
    }
}

fn go(job: &MakeJob, answer: Answer, change: Option<(usize, Change<Desk>)>) -> Outcome<Desk> {
    twin::drive(&mut Making::new(job.clone()), Desk::default(), answer, None, change)
}

const MADE: Change<Desk> = ("a file system is made", |desk| desk.ext4 = true);

#[test]
fn a_file_system_that_somebody_made_meanwhile_is_asked_about() {
    let job = job(|_| {});
    let clean = go(&job, Answer::No, None);
    assert!(clean.status() == 0 && clean.scene.state.arrays.contains_key("md0"), "{}", clean.text());
    // The last turn comes after the act.
    for turn in 0..clean.turns - 1 {
        let refused = go(&job, Answer::No, Some((turn, MADE)));
        assert!(!refused.scene.overwritten && refused.scene.state.arrays.is_empty(), "{turn}");
        assert!(matches!(refused.ending, Ending::Refused(_)), "{turn}: {}", refused.text());
        assert!(refused.text().contains("create aborted."), "{turn}: {}", refused.text());
        let agreed = go(&job, Answer::Yes, Some((turn, MADE)));
        assert!(agreed.scene.overwritten && agreed.status() == 0, "{turn}: {}", agreed.text());
    }
}

#[test]
fn a_name_that_somebody_took_first_is_seen() {
    let taken: &[Change<Desk>] = &[
        ("md0 is taken", |desk| desk.others.push("md0".to_owned())),
        ("md127 is taken", |desk| desk.others.push("md127".to_owned())),
        MADE,
    ];
    let named = job(|_| {});
    let free = job(|request| request.device = "/dev/md/home".into());
    for job in [&named, &free] {
        let make = || Making::new(job.clone());
        let tally = twin::everything(make, &Desk::default(), &[Errno::EBUSY], taken, |_, _| {});
        assert!(tally.reaches(4, 15, 12), "{tally:?}");
    }
    let act = go(&named, Answer::Yes, None).turns - 2;
    let outcome = go(&named, Answer::Yes, Some((act, taken[0])));
    assert_eq!((outcome.status(), outcome.text().as_str()), (1, "/dev/md0 is already in use."));
    let outcome = go(&free, Answer::Yes, Some((act, taken[1])));
    assert!(outcome.status() == 0 && outcome.scene.state.arrays.contains_key("md126"));
}
