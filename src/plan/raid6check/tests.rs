use anyhow::{bail, ensure};
use raid::{Geometry, Stripes, image};
use superblock::Level;

use super::*;
use crate::{
    model::raw::RawMember,
    plan::{
        course::{
            Answer, View,
            twin::{self, Change, Scene, Tally},
        },
        run::Outdated,
    },
    words::{DevId, Errno},
};

const CHUNK: usize = 8192;
const STRIPES: usize = 6;
const OFFSET: usize = 4096;

type Changes = fn(&mut RawArray);

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap()
}

fn narrow(bytes: Bytes) -> usize {
    usize::try_from(bytes.0).unwrap()
}

/// An array of four members, as bytes.
#[derive(Clone, Debug)]
struct Six {
    array: Result<Box<RawArray>, NotRaw>,
    members: Vec<Vec<u8>>,
    /// What was right at the beginning.
    right: Vec<Vec<u8>>,
    /// Others write to what is compared so many times more.
    writers: u32,
    written: usize,
}

impl Six {
    fn new(layout: u32) -> Self {
        let geometry = Geometry {
            level: Level::Raid6,
            layout,
            chunk: Bytes(wide(CHUNK)).sectors(),
            raid_disks: 4,
            component_size: Bytes(wide(CHUNK * STRIPES)).sectors(),
        };
        let stripes = Stripes::new(geometry, &[]).unwrap();
        let data: Vec<u8> = (0..CHUNK * STRIPES * 2).map(|at| u8::try_from(at / 3 % 251).unwrap()).collect();
        let members = image::members(&stripes, &data, CHUNK * STRIPES, OFFSET).unwrap();
        let member = |slot: usize| RawMember {
            path: format!("/dev/ram{slot}"),
            dev: DevId { major: 1, minor: u32::try_from(slot).unwrap() },
            data_offset: Bytes(wide(OFFSET)).sectors(),
            bad: Vec::new(),
        };
        let array = RawArray {
            kernel: "md0".into(),
            path: "/dev/md0".into(),
            geometry,
            members: (0..4).map(member).collect(),
            listed: vec![3, 2, 1, 0],
            syncing: None,
            unsynced: false,
            held: false,
        };
        Self { array: Ok(Box::new(array)), right: members.clone(), members, writers: 0, written: 0 }
    }

    fn array(&mut self) -> &mut RawArray {
        self.array.as_mut().unwrap()
    }

    /// A page of a member is another.
    fn spoil(mut self, slot: usize, stripe: usize, page: usize) -> Self {
        let at = OFFSET + stripe * CHUNK + page * PAGE;
        self.members[slot][at..at + 40].iter_mut().for_each(|byte| *byte ^= 0x5a);
        self
    }
}

impl Scene for Six {
    fn act(&mut self, step: &Step) -> anyhow::Result<Vec<Write>> {
        let mend = match step {
            Step::Commit => return Ok(Vec::new()),
            Step::Mend(mend) => mend,
            other => bail!("{other}: nothing else is done"),
        };
        ensure!(self.array.is_ok(), Outdated("degraded by now".into()));
        if self.writers > 0 {
            self.writers -= 1;
            bail!(Outdated("written to".into()));
        }
        for (held, member) in self.members.iter().zip(&mend.members) {
            let at = usize::try_from(member.seen.at.0)?;
            let same = held[at..at + member.seen.data.len()] == member.seen.data[..];
            ensure!(same, Outdated("written to".into()));
        }
        for (held, member) in self.members.iter_mut().zip(&mend.members) {
            for write in &member.right {
                let at = usize::try_from(write.at.0)?;
                held[at..at + write.data.len()].copy_from_slice(&write.data);
                self.written += write.data.len();
            }
        }
        Ok(Vec::new())
    }

    fn let_go(&mut self) {}

    fn see(&self, look: &Look) -> Result<View, Unseen> {
        let (array, range, all) = match look {
            Look::RawArray { .. } => return Ok(View::RawArray(self.array.clone())),
            Look::Stripes { array, range, all } => (array, range, *all),
            other => return Err(Unseen { text: format!("nothing shows {other:?}"), errno: None }),
        };
        if self.array.is_err() {
            return Err(Unseen { text: "a member is gone".into(), errno: None });
        }
        let mut seen = StripesSeen::default();
        let (from, up_to) =
            (narrow(range.from.bytes()), narrow(range.from.saturating_add(range.length).bytes()));
        for at in (from..up_to).step_by(CHUNK) {
            let length = CHUNK.min(up_to - at);
            let blocks: Vec<Vec<u8>> =
                self.members.iter().map(|member| member[OFFSET + at..][..length].to_vec()).collect();
            let part = StripePart { stripe: wide(at / CHUNK), at: Bytes(wide(at % CHUNK)), blocks };
            if all || !pages(array, &part).is_empty() {
                seen.parts.push(part);
            }
        }
        Ok(View::Stripes(Box::new(seen)))
    }

    fn sound(&self) -> Result<(), String> {
        Ok(())
    }
}

fn job(act: Raid6CheckVerb) -> Raid6CheckRequest {
    Raid6CheckRequest { array: "/dev/md0".into(), verb: act }
}

fn check(repair: bool) -> Raid6CheckVerb {
    Raid6CheckVerb::Check { from: 0, count: 0, repair }
}

fn went(act: Raid6CheckVerb, six: &Six) -> twin::Outcome<Six> {
    twin::drive(&mut SixCheck::new(job(act)), six.clone(), Answer::No, None, None)
}

#[test]
fn what_one_member_has_wrong_is_named_and_brought_back() {
    for layout in [0, 1, 2, 3, 4, 5, 8, 9, 10, 16, 17, 18, 19, 20] {
        let six = Six::new(layout).spoil(2, 1, 1).spoil(0, 4, 0);
        let outcome = went(check(false), &six);
        let text = outcome.text();
        let named = |stripe, page, slot| {
            text.lines().any(|line| {
                line.starts_with(&format!(
                    "Error detected at stripe {stripe}, page {page}: possible failed disk slot "
                )) && line.ends_with(&format!(": {slot} --> /dev/ram{slot}"))
            })
        };
        assert!(named(1, 1, 2) && named(4, 0, 0), "{layout}: {text}");
        assert_eq!(
            (text.matches("Error detected").count(), outcome.status(), outcome.scene.written),
            (2, 0, 0)
        );
        let outcome = went(check(true), &six);
        assert!(outcome.text().contains("Auto-repairing slot 2 (/dev/ram2)"), "{}", outcome.text());
        assert_eq!(outcome.scene.members, six.right, "{layout}");
        assert_eq!(outcome.scene.written, 2 * PAGE);
    }
}

#[test]
fn only_what_was_asked_for_is_looked_at() {
    let six = Six::new(2).spoil(2, 1, 1).spoil(0, 4, 0);
    let errors = |from, count| {
        let outcome = went(Raid6CheckVerb::Check { from, count, repair: false }, &six);
        (outcome.text().matches("Error detected").count(), outcome.status())
    };
    assert_eq!([errors(0, 1), errors(1, 1), errors(2, 0), errors(4, 99)], [(0, 0), (1, 0), (1, 0), (1, 0)]);
    let outcome = went(Raid6CheckVerb::Check { from: 99, count: 0, repair: false }, &six);
    assert!(outcome.text().contains("start beyond disks size") && outcome.status() == 0);
}

#[test]
fn two_that_are_named_are_brought_back_from_the_others() {
    let bad = Six::new(2).spoil(1, 3, 0).spoil(3, 3, 0);
    let outcome = went(check(true), &bad);
    assert!(
        outcome.text().contains("Error detected at stripe 3, page 0: disk slot unknown"),
        "{}",
        outcome.text()
    );
    assert_eq!(outcome.scene.written, 0, "nobody knows which");
    let outcome = went(Raid6CheckVerb::Repair { stripe: 3, slots: [1, 3] }, &bad);
    assert!(outcome.text().contains("Assuming slots 1 (/dev/ram1) and 3 (/dev/ram3) are incorrect"));
    assert_eq!((&outcome.scene.members, outcome.status()), (&bad.right, 0));
    for (stripe, slots, words) in [
        (3, [1, 4], "failed_slot_2 index is higher than number of devices in raid"),
        (3, [9, 4], "failed_slot_1 index is higher"),
        (3, [2, 2], "failed_slot_1 and failed_slot_2 are the same"),
        (6, [1, 2], "has 6 stripes, and no stripe 6"),
    ] {
        let outcome = went(Raid6CheckVerb::Repair { stripe, slots }, &bad);
        assert!(outcome.text().contains(words) && outcome.status() == 4, "{}", outcome.text());
        assert_eq!(outcome.scene.written, 0);
    }
}

#[test]
fn nothing_is_written_where_parity_is_not_to_be_believed() {
    let base = Six::new(2).spoil(0, 0, 0);
    let changes: [(Changes, u8); 3] = [
        (|array| array.unsynced = true, 7),
        (|array| array.syncing = Some(SyncKind::Check), 7),
        (|array| array.held = true, 9),
    ];
    for (change, status) in changes {
        let mut six = base.clone();
        change(six.array());
        for act in [check(true), Raid6CheckVerb::Repair { stripe: 0, slots: [0, 1] }] {
            let outcome = went(act, &six);
            assert_eq!((outcome.status(), outcome.scene.written), (status, 0), "{}", outcome.text());
        }
        assert!(went(check(false), &six).text().contains("0 --> /dev/ram0"), "looking is no harm");
    }
    for (no, status) in [
        (NotRaw::NoDevice("no such file".into()), 2),
        (NotRaw::OtherLevel, 3),
        (NotRaw::Degraded, 8),
        (NotRaw::Shape("odd".into()), 9),
    ] {
        assert_eq!(went(check(true), &Six { array: Err(no), ..base.clone() }).status(), status);
    }
}

#[test]
fn a_stripe_that_is_written_to_is_read_again_and_given_up_in_the_end() {
    let mut six = Six::new(2).spoil(0, 0, 0);
    six.writers = 3;
    let outcome = went(check(true), &six);
    assert_eq!((&outcome.scene.members, outcome.status()), (&six.right, 0));
    six.writers = 99;
    let outcome = went(check(true), &six);
    assert_eq!((outcome.scene.written, outcome.status()), (0, 7), "{}", outcome.text());
}

#[test]
fn whatever_happens_nothing_right_is_overwritten() {
    const CHANGES: &[Change<Six>] = &[
        ("somebody writes", |six| six.writers = 1),
        ("the array loses a member", |six| six.array = Err(NotRaw::Degraded)),
        ("a page is put right by somebody else", |six| six.members = six.right.clone()),
    ];
    let six = Six::new(2).spoil(2, 1, 1).spoil(0, 4, 0);
    let make = || SixCheck::new(job(check(true)));
    let sound = |outcome: &twin::Outcome<Six>, what: &str| {
        for (now, right) in outcome.scene.members.iter().zip(&six.right) {
            let (now, right) = (&now[OFFSET..], &right[OFFSET..]);
            for (nth, (now, right)) in now.chunks(PAGE).zip(right.chunks(PAGE)).enumerate() {
                let spoiled = nth == 3 || nth == 8;
                assert!(now == right || spoiled, "{what}: page {nth}");
            }
        }
    };
    let tally: Tally = twin::everything(make, &six, &[Errno::EIO], CHANGES, sound);
    println!("raid6check: {tally:?}");
    assert!(tally.reaches(5, 6, 9), "{tally:?}");
}
