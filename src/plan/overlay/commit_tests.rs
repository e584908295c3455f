//! Committing a set while others write through it, use it and discard it.

use crate::plan::DiskStep;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use anyhow::{bail, ensure};
use superblock::Bytes;

use super::*;
use crate::{
    model::{dm::SnapshotStatus, overlay::ChunkPrint},
    plan::{
        course::{
            Unseen,
            twin::{self, Fault, Outcome, Scene},
        },
        dm::DmStep,
        overlay::{description, discard},
        run::{Outdated, tests::every_failure_leaves_no_trace},
    },
    words::Errno,
};

const STORE: &str = "/run/mdctl/overlays";

fn overlay() -> Overlay {
    Overlay {
        set: "try".into(),
        device: None,
        id: None,
        member: "/dev/sda".into(),
        size: Bytes(1 << 20),
        file: format!("{STORE}/x.cow"),
        status: SnapshotStatus::Unknown,
        open: 0,
        holders: Vec::new(),
        noted: Vec::new(),
    }
}

#[test]
fn committing_writes_before_anything_is_forgotten() {
    let writes = vec![Write { at: Bytes(4096), data: vec![1; 4096] }];
    let one = |overlay: &Overlay, writes: &[Write]| Pending {
        overlay: overlay.clone(),
        writes: writes.to_vec(),
        prints: Vec::new(),
        now: Vec::new(),
        data: Vec::new(),
        superblocks: Vec::new(),
    };
    let plan = commit("try", &[one(&overlay(), &writes)], STORE, false).unwrap();
    assert_eq!(every_failure_leaves_no_trace(&plan), 4);
    assert!(plan.needs_consent());
    let full = Overlay { status: SnapshotStatus::Overflow, ..overlay() };
    assert!(commit("try", &[one(&full, &[])], "/run", false).is_err());
    let used = Overlay { holders: vec!["md9".into()], ..overlay() };
    assert!(discard("try", &[used], "/run").unwrap_err().text.contains("md9"));
}

#[test]
fn a_set_that_is_older_than_its_members_is_not_written() {
    let then = ChunkPrint::of(Bytes(4096), &[1; 4096]);
    let pending = |now: &[u8], writes: &[Write]| Pending {
        overlay: Overlay { noted: vec![then], ..overlay() },
        writes: writes.to_vec(),
        prints: Vec::new(),
        now: vec![ChunkPrint::of(Bytes(4096), now)],
        data: Vec::new(),
        superblocks: Vec::new(),
    };
    let write = |byte: u8| vec![Write { at: Bytes(4096), data: vec![byte; 8192] }];
    let ends = |one: Pending, force| commit("try", &[one], STORE, force);
    assert!(ends(pending(&[1; 4096], &write(3)), false).is_ok(), "as it was");
    assert!(ends(pending(&[3; 4096], &write(3)), false).is_ok(), "a commit that was interrupted goes on");
    for writes in [write(3), Vec::new(), vec![Write { at: Bytes(1 << 19), data: vec![2; 4096] }]] {
        let refused = ends(pending(&[2; 4096], &writes), false).unwrap_err();
        let told = "/dev/sda was written to since set try was made over it: old data would go over newer";
        assert_eq!(refused.text, told);
        assert!(refused.hint.unwrap().contains("mdctl overlay discard try"));
        let forced = ends(pending(&[2; 4096], &writes), true).unwrap();
        assert!(forced.warnings[0].text.contains("old data goes over newer"), "{:?}", forced.warnings);
    }
}

#[test]
fn what_would_change_is_told_by_the_superblocks() {
    let write = |at| Write { at: Bytes(at), data: vec![0; 4096] };
    let mut one = Pending {
        overlay: overlay(),
        writes: vec![write(4096), write(1 << 19)],
        prints: Vec::new(),
        now: Vec::new(),
        data: vec![(Bytes(1 << 18), Bytes(1 << 20))],
        superblocks: vec![Bytes(4096)],
    };
    let parts = |one: &Pending| -> Vec<ChangedPart> {
        let changes = changes(std::slice::from_ref(one)).swap_remove(0);
        assert_eq!(changes.0, "/dev/sda");
        changes.1.iter().map(|change| change.part).collect()
    };
    assert_eq!(parts(&one), [ChangedPart::Metadata, ChangedPart::Data]);
    one.data.clear();
    assert_eq!(parts(&one), [ChangedPart::Other; 2]);
}

/// By device: what a step writes, and whether these are only zeroes.
type Written = (String, Vec<(u64, usize)>, bool);

fn written(plan: &Plan) -> Vec<Written> {
    let one = |step: &Step| match step {
        Step::Disk(DiskStep::Write { device, writes, .. }) => {
            let places = writes.iter().map(|write| (write.at.0, write.data.len())).collect();
            let zero = writes.iter().all(|write| write.data.iter().all(|byte| *byte == 0));
            Some((device.clone(), places, zero))
        }
        _ => None,
    };
    plan.steps.iter().filter_map(one).collect()
}

#[test]
fn no_superblock_vouches_for_data_that_is_half_written() {
    let write = |at: u64, length: usize| Write { at: Bytes(at), data: vec![7; length] };
    let pending = |member: &str, writes: Vec<Write>, superblocks: &[u64]| Pending {
        overlay: Overlay { member: member.into(), ..overlay() },
        writes,
        prints: Vec::new(),
        now: Vec::new(),
        data: vec![(Bytes(1 << 18), Bytes(1 << 20))],
        superblocks: superblocks.iter().copied().map(Bytes).collect(),
    };
    // The superblock, the bitmap and the data in one chunk; the superblock at the end.
    let one = pending("/dev/sda", vec![write(0, 65536), write(1 << 18, 4096)], &[4096]);
    let two = pending("/dev/sdb", vec![write(1 << 18, 4096), write(0xf_0000, 4096)], &[0xf_0000]);
    let plan = commit("try", &[one, two], STORE, false).unwrap();
    let at = |member: &str, places: &[(u64, usize)], zero| (member.to_owned(), places.to_vec(), zero);
    let expected = [
        at("/dev/sda", &[(4096, 4096)], true),
        at("/dev/sdb", &[(0xf_0000, 4096)], true),
        at("/dev/sda", &[(0, 4096), (8192, 57344), (1 << 18, 4096)], false),
        at("/dev/sdb", &[(1 << 18, 4096)], false),
        at("/dev/sda", &[(4096, 4096)], false),
        at("/dev/sdb", &[(0xf_0000, 4096)], false),
    ];
    assert_eq!(written(&plan), expected);
    every_failure_leaves_no_trace(&plan);
    // Nothing but superblocks, and one that stays as it is: there is nothing to vouch for, or no bytes to put there.
    let only = commit("try", &[pending("/dev/sda", vec![write(4096, 4096)], &[4096])], STORE, false).unwrap();
    assert_eq!(written(&only), [at("/dev/sda", &[(4096, 4096)], false)]);
    let other = commit("try", &[pending("/dev/sda", vec![write(1 << 18, 4096)], &[4096])], STORE, false);
    assert_eq!(written(&other.unwrap()), [at("/dev/sda", &[(1 << 18, 4096)], false)]);
}

#[test]
fn a_commit_that_was_interrupted_has_not_used_its_members() {
    let superblock = |byte: u8| ChunkPrint::of(Bytes(4096), &[byte; 4096]);
    let pending = |now: u8, superblocks: Vec<Bytes>| Pending {
        overlay: Overlay { noted: vec![superblock(1)], ..overlay() },
        writes: vec![Write { at: Bytes(4096), data: vec![3; 4096] }],
        prints: Vec::new(),
        now: vec![superblock(now)],
        data: Vec::new(),
        superblocks,
    };
    assert!(!is_used(&pending(0, vec![Bytes(4096)])), "it was taken away for as long as the data is written");
    assert!(is_used(&pending(2, vec![Bytes(4096)])));
}

/// Two members, each with an overlay: chunks by place.
#[derive(Clone, Debug, Default)]
struct Set {
    above: BTreeMap<(String, u64), u8>,
    members: BTreeMap<(String, u64), u8>,
    devices: BTreeSet<String>,
    files: BTreeSet<String>,
    open: u32,
    busy: bool,
    discarded: bool,
    claims: BTreeSet<String>,
}

const MEMBERS: [&str; 2] = ["/dev/sda", "/dev/sdb"];

impl Set {
    fn new() -> Self {
        let mut set = Self::default();
        for (name, path) in MEMBERS.iter().enumerate() {
            set.devices.insert(format!("MDOV-try-{name}"));
            set.files.insert(format!("{STORE}/MDOV-try-{name}.cow"));
            set.above.insert(((*path).to_owned(), 8), 1);
        }
        set.files.insert(description(STORE, "try"));
        set
    }

    fn prints(&self, member: &str) -> Vec<ChunkPrint> {
        let own = self.above.iter().filter(|((path, _), _)| path == member);
        own.map(|((_, at), byte)| ChunkPrint::of(Bytes(*at), &[*byte])).collect()
    }

    fn write_through(&mut self, at: u64) {
        if self.devices.contains("MDOV-try-1") {
            self.above.insert(("/dev/sdb".into(), at), 7);
        }
    }
}

impl Scene for Set {
    fn act(&mut self, step: &Step) -> anyhow::Result<Vec<Write>> {
        match step {
            Step::Overlay(OverlayStep::Settled { file, prints }) => {
                ensure!(self.files.contains(file), "{file}: No such file or directory");
                let member = if file.ends_with("0.cow") { "/dev/sda" } else { "/dev/sdb" };
                ensure!(self.prints(member) == *prints, Outdated("somebody wrote through it".to_owned()));
            }
            Step::Dm(DmStep::Remove { name, .. }) => {
                ensure!(self.open == 0, "{name}: Device or resource busy");
                ensure!(self.devices.remove(name), "{name}: No such device");
            }
            Step::Disk(DiskStep::Claim { device }) => {
                ensure!(!self.busy, "{device}: Device or resource busy");
                self.claims.insert(device.clone());
            }
            Step::Disk(DiskStep::Release { device }) => drop(self.claims.remove(device)),
            Step::Disk(DiskStep::Write { device, writes, .. }) => {
                ensure!(self.claims.contains(device), "{device} is written to and not claimed");
                let mut saved = Vec::new();
                for write in writes {
                    let key = (device.clone(), write.at.0);
                    let old = self.members.insert(key, write.data[0]).unwrap_or(0);
                    saved.push(Write { at: write.at, data: vec![old] });
                }
                return Ok(saved);
            }
            Step::Overlay(OverlayStep::Forget { files, .. }) => {
                self.files.retain(|file| !files.contains(file))
            }
            Step::Commit | Step::Dm(DmStep::WaitForUdev) => {}
            other => bail!("{other}: nothing here does that"),
        }
        Ok(Vec::new())
    }

    fn let_go(&mut self) {
        self.claims.clear();
    }

    fn see(&self, look: &Look) -> Result<View, Unseen> {
        let all = MEMBERS.iter().enumerate().filter_map(|(name, path)| {
            let file = format!("{STORE}/MDOV-try-{name}.cow");
            let device = Some(format!("MDOV-try-{name}")).filter(|name| self.devices.contains(name));
            let (member, open) = ((*path).to_owned(), self.open);
            self.files.contains(&file).then(|| Overlay { file, device, member, open, ..overlay() })
        });
        Ok(match look {
            Look::Overlays { .. } => {
                View::Overlays(Overlays { all: all.collect(), store: STORE.into(), files: Vec::new() })
            }
            Look::Pending { overlays } => {
                let one = |overlay: &Overlay| {
                    let own = self.above.iter().filter(|((path, _), _)| *path == overlay.member);
                    let writes =
                        own.map(|((_, at), byte)| Write { at: Bytes(*at), data: vec![*byte] }).collect();
                    let prints = self.prints(&overlay.member);
                    Pending {
                        overlay: overlay.clone(),
                        writes,
                        prints,
                        now: Vec::new(),
                        data: Vec::new(),
                        superblocks: Vec::new(),
                    }
                };
                View::Pending(overlays.iter().map(one).collect())
            }
            other => panic!("{other:?}"),
        })
    }

    fn sound(&self) -> Result<(), String> {
        let lost = self.above.iter().find(|(key, byte)| self.members.get(*key) != Some(*byte));
        match lost {
            Some((key, _)) if self.files.is_empty() && !self.discarded => Err(format!("{key:?} is lost")),
            _ => Ok(()),
        }
    }
}

#[test]
fn nothing_that_was_written_through_it_is_lost_and_nothing_is_written_that_was_not_shown() {
    let changes: &[twin::Change<Set>] = &[
        ("somebody writes elsewhere through it", |set| set.write_through(16)),
        ("somebody writes again through it", |set| set.write_through(8)),
        ("somebody opens it", |set| set.open = u32::from(!set.devices.is_empty())),
        ("somebody uses a member", |set| set.busy = true),
        ("somebody discards it", |set| {
            set.discarded = true;
            set.files.clear();
            set.devices.clear();
        }),
    ];
    let shown = RefCell::new(Vec::new());
    let course =
        || CommitSet::new("try", None, false, false, |changes: &[_]| *shown.borrow_mut() = changes.to_vec());
    let check = |outcome: &Outcome<Set>, what: &str| {
        let (scene, text) = (&outcome.scene, outcome.text());
        if scene.discarded {
            return;
        }
        let written = scene.members.iter().filter(|(_, byte)| **byte != 0).count();
        let agreed: usize =
            shown.borrow().iter().map(|(_, changes): &(String, Vec<ChangedRange>)| changes.len()).sum();
        assert!([0, agreed].contains(&written), "{what}: {text}");
        if outcome.status() == 0 {
            assert_eq!((written, scene.files.len()), (scene.above.len(), 0), "{what}: {text}");
        }
    };
    let scene = Set::new();
    let tally = twin::everything(course, &scene, &[Errno::EIO, Errno::EBUSY], changes, check);
    println!("overlay commit: {tally:?}");
    assert!(tally.reaches(5, 30, 25), "{tally:?}");
    // What was written while somebody thought about the question is shown, and asked about again.
    let late = Some((2, changes[0]));
    let outcome = twin::drive(&mut course(), scene.clone(), Answer::Yes, None::<Fault>, late);
    assert_eq!((outcome.status(), outcome.turns), (0, 9), "{}", outcome.text());
    assert_eq!(outcome.scene.members.len(), 3);
    for (answer, status) in [(Answer::No, 1), (Answer::Nobody, 1)] {
        let outcome = twin::drive(&mut course(), scene.clone(), answer, None, None);
        assert_eq!((outcome.status(), outcome.scene.files.len()), (status, 3), "{}", outcome.text());
        assert!(outcome.text().starts_with("nothing was written"), "{}", outcome.text());
    }
}
