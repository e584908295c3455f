//! A stream on a copy, while others write to it, change the stream and fill the stores of its snapshots.

use crate::plan::DiskStep;
use std::collections::BTreeMap;

use anyhow::{bail, ensure};
use superblock::{Sectors, Write, delta::Header};

use super::*;
use crate::{
    model::volume::StoreSeen,
    plan::{
        course::{
            Answer, Unseen,
            twin::{self, Outcome, Scene},
        },
        run::Outdated,
        volume::verbs_tests::{id, with_volumes},
    },
    words::Errno,
};

/// A target of a few sectors, and streams that lead from one content to another.
#[derive(Clone, Debug)]
struct Copies {
    target: Vec<u8>,
    base: Vec<u8>,
    result: Vec<u8>,
    /// Streams are told apart by their times.
    time: u64,
    reverse: bool,
    size: u64,
    /// It is a volume, with a snapshot whose store has so much room.
    volume: Option<(String, String)>,
    room: u64,
    held: bool,
    taken: bool,
    /// It was written while nobody kept it.
    careless: bool,
}

impl Copies {
    fn new() -> Self {
        let base = vec![1, 2, 3, 4, 5, 6, 7, 8];
        let result = vec![1, 9, 3, 4, 5, 9, 7, 8];
        Self {
            target: base.clone(),
            base,
            result,
            time: 1,
            reverse: false,
            size: 8 * 512,
            volume: None,
            room: 1 << 20,
            held: false,
            taken: false,
            careless: false,
        }
    }

    fn on_a_volume() -> Self {
        let volume = with_volumes().group.volume("a").expect("it is there").id.plain().to_owned();
        Self { volume: Some((id(99).plain().to_owned(), volume)), ..Self::new() }
    }

    fn header(&self) -> Header {
        Header {
            size: Sectors(8),
            time: self.time,
            group: *id(98).stored(),
            volume: *id(97).stored(),
            snapshot: *id(96).stored(),
            reverse: self.reverse,
            records: 2,
            bytes: Bytes(1024),
        }
    }
}

impl Scene for Copies {
    fn act(&mut self, step: &Step) -> anyhow::Result<Vec<Write>> {
        match step {
            Step::Commit => {}
            Step::Disk(DiskStep::PutStream { header, .. }) => {
                let is_same = **header == self.header();
                ensure!(is_same, Outdated("somebody else changed the stream meanwhile".to_owned()));
                self.careless |= !self.held;
                self.target.clone_from(&self.result);
            }
            other => bail!("{other}: nothing here does that"),
        }
        Ok(Vec::new())
    }

    fn let_go(&mut self) {}

    fn hold(&mut self, hold: &Hold) -> anyhow::Result<()> {
        ensure!(!self.taken, "{hold}: Device or resource busy");
        self.held = true;
        Ok(())
    }

    fn ended(&mut self) {
        self.held = false;
    }

    fn see(&self, look: &Look) -> Result<View, Unseen> {
        Ok(match look {
            Look::DeltaHead { .. } => View::DeltaHead(Box::new(DeltaHead {
                header: self.header(),
                size: Bytes(self.size),
                volume: self.volume.clone(),
                identity: "file /dev/t 5".into(),
            })),
            Look::DeltaFit { .. } => {
                let mut all = self.target.iter().zip(self.base.iter().zip(&self.result));
                let wrong = all.position(|(is, (base, result))| is != base && is != result);
                View::DeltaFit(Compared {
                    records: 2,
                    bytes: Bytes(1024),
                    digest: 7,
                    done: self.target == self.result,
                    wrong: wrong.map(|at| Sectors(u64::try_from(at).expect("it is small"))),
                })
            }
            Look::KeptBy { .. } => {
                let mut group = with_volumes().group;
                group.make_snapshot("a", "w", Sectors(8), id(60)).expect("both are there");
                let free = Sectors(self.room);
                let store = StoreSeen { is_valid: true, chunk: Sectors(8), free, changed: Vec::new() };
                let stores = BTreeMap::from([("w".to_owned(), Ok(store))]);
                View::KeptBy(Some(Box::new(KeptBy { group, volume: "a".into(), stores })))
            }
            other => panic!("{other:?}"),
        })
    }

    fn sound(&self) -> Result<(), String> {
        match (self.held, self.careless) {
            (true, _) => Err("the target is held".to_owned()),
            (_, true) => Err("it was written while nobody kept it".to_owned()),
            (false, false) => Ok(()),
        }
    }
}

fn run(scene: &Copies) -> (Outcome<Copies>, Option<StreamCame>) {
    let mut course = Apply::new("/tmp/s", "/dev/t");
    let outcome = twin::drive(&mut course, scene.clone(), Answer::Nobody, None, None);
    (outcome, course.came().map(|(came, _)| came))
}

#[test]
fn what_is_not_its_base_is_refused() {
    let refused = |scene: &Copies| -> String {
        let (outcome, came) = run(scene);
        assert_eq!((outcome.status(), came, &outcome.scene.target), (1, None, &scene.target));
        outcome.text()
    };
    let mut other = Copies::new();
    other.target[4] = 0;
    assert_eq!(
        refused(&other),
        "/dev/t is not a copy of the snapshot that /tmp/s was made from: it has something else at sector 4; nothing was \
         written"
    );
    other.reverse = true;
    assert!(refused(&other).contains("is not a copy of the volume"));
    let small = refused(&Copies { size: 512, ..Copies::new() });
    assert_eq!(small, "/dev/t: it has 512 bytes, and the volume of the stream 4 KiB; nothing was written");
    let own = |n: u8| Some((id(98).plain().to_owned(), id(n).plain().to_owned()));
    let itself = Copies { volume: own(97), ..Copies::new() };
    assert!(refused(&itself).contains("it is the volume itself"));
    assert!(refused(&Copies { volume: own(96), ..Copies::new() }).contains("it is the snapshot itself"));
    assert!(refused(&Copies { taken: true, ..Copies::new() }).contains("busy"));
    assert!(refused(&Copies { room: 8, ..Copies::on_a_volume() }).contains("vg/w"));
    // Back to the snapshot it may go.
    let back = Copies { reverse: true, room: 1 << 20, ..itself };
    assert_eq!(run(&back).1, Some(StreamCame::Applied));
}

#[test]
fn what_was_begun_goes_on_and_what_is_there_is_not_written_again() {
    let mut half = Copies::new();
    half.target[1] = 9;
    let (outcome, came) = run(&half);
    assert_eq!((outcome.status(), came), (0, Some(StreamCame::Applied)));
    // Without a look at any store: nothing would be written.
    let full = Copies { target: half.result.clone(), room: 0, ..Copies::on_a_volume() };
    assert_eq!(run(&full).1, Some(StreamCame::AllThere));
}

#[test]
fn it_ends_whatever_fails_and_whoever_comes_between() {
    let changes: &[twin::Change<Copies>] = &[
        ("another stream is in its place", |copies| {
            copies.time = 2;
            copies.result[6] = 9;
        }),
        ("somebody writes to the target", |copies| {
            if !copies.held && copies.target == copies.base {
                copies.target[3] = 77;
            }
        }),
        ("somebody takes the target", |copies| copies.taken = !copies.held),
        ("its snapshot's store fills", |copies| copies.room = 8),
    ];
    let check = |outcome: &Outcome<Copies>, what: &str| {
        let (scene, text) = (&outcome.scene, outcome.text());
        let theirs = scene.target.contains(&77);
        // All of it; of the other stream or of this one.
        let whole = scene.target[1] == 9 && scene.target[5] == 9;
        assert!(whole || theirs || scene.target == scene.base, "{what}: {text}: {scene:?}");
        let late = what.starts_with("another") || what.starts_with("its snapshot");
        assert!(outcome.status() != 0 || whole || late, "{what}: {text}: {scene:?}");
    };
    for scene in [Copies::new(), Copies::on_a_volume()] {
        let make = || Apply::new("/tmp/s", "/dev/t");
        let tally = twin::everything(make, &scene, &[Errno::EIO, Errno::ENOSPC], changes, check);
        println!("snapshot apply: {tally:?}");
        assert!(tally.reaches(5, 8, 20), "{tally:?}");
    }
    // The stream is another by the time that it is put there: it is compared again.
    let late = Some((3, changes[0]));
    let mut course = Apply::new("/tmp/s", "/dev/t");
    let outcome = twin::drive(&mut course, Copies::new(), Answer::Nobody, None, late);
    assert_eq!((outcome.status(), outcome.turns, outcome.scene.target[6]), (0, 8, 9), "{}", outcome.text());
}
