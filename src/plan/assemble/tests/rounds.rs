//! Assembly over many looks, on machines that change under it.

use std::collections::BTreeMap;

use anyhow::ensure;
use superblock::{Bytes, Level, MdUuid, Media, Sectors, Write, v1};

use super::{UUID, array};
use crate::{
    config::{Config, conf},
    model::{DevId, Device, RunningArray, Sight, World},
    plan::{
        DiskStep, MdStep, Step,
        assemble::{
            AssembleTarget, GatherWish, Home, Options, Session, WantedIdentity,
            rounds::{AssembleJob, Rounds},
        },
        course::{
            Answer, Look, Unseen, View,
            twin::{self, Scene},
        },
        fake::{Fake, State},
    },
    words::{ArrayState, Errno},
};

const OTHER: MdUuid = MdUuid([0xaa; 16]);

/// A disk: its metadata and nothing else.
#[derive(Clone, Debug)]
struct Disk {
    minor: u32,
    writes: Vec<Write>,
}

impl Media for Disk {
    fn len(&self) -> Bytes {
        Sectors(65536).bytes()
    }

    fn read_at(&self, offset: Bytes, buf: &mut [u8]) -> std::io::Result<()> {
        buf.fill(0);
        for (at, byte) in self.writes.iter().flat_map(|write| (write.at.0..).zip(&write.data)) {
            let place = at.checked_sub(offset.0).and_then(|place| usize::try_from(place).ok());
            if let Some(place) = place.and_then(|place| buf.get_mut(place)) {
                *place = *byte;
            }
        }
        Ok(())
    }
}

/// A machine with disks, and what the kernel has of them.
#[derive(Clone, Debug, Default)]
struct Lab {
    disks: BTreeMap<String, Disk>,
    /// Disks that are not there yet.
    late: BTreeMap<String, Disk>,
    state: State,
}

impl Lab {
    /// Another program does it, where the kernel lets it.
    fn array(&mut self, name: &str, members: &[&str], runs: bool) {
        let taken = |path: &&str| self.state.arrays.values().any(|(members, _)| members.contains(*path));
        if self.state.arrays.contains_key(name) || members.iter().any(taken) {
            return;
        }
        let members = members.iter().map(|&member| member.to_owned()).collect();
        self.state.arrays.insert(name.to_owned(), (members, runs));
    }

    /// How many arrays run.
    fn running(&self) -> usize {
        self.state.arrays.values().filter(|(_, runs)| *runs).count()
    }
}

impl Scene for Lab {
    fn act(&mut self, step: &Step) -> anyhow::Result<Vec<Write>> {
        if let Step::Disk(DiskStep::Claim { device }) | Step::Md(MdStep::AddDisk { device, .. }) = step {
            ensure!(self.disks.contains_key(device), "{device}: there is no such device");
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
        Ok(match look {
            Look::World { .. } => {
                let id =
                    |path: &String| self.disks.get(path).map(|disk| DevId { major: 1, minor: disk.minor });
                let arrays = self.state.arrays.iter().map(|(name, (members, runs))| RunningArray {
                    name: name.clone(),
                    state: if *runs { ArrayState::Active } else { ArrayState::Inactive },
                    members: members.iter().filter_map(id).collect(),
                    ..RunningArray::default()
                });
                View::World(Box::new(World { udev: true, arrays: arrays.collect(), ..World::default() }))
            }
            Look::Candidates => View::Candidates(self.disks.keys().cloned().collect()),
            Look::Members { paths, .. } => View::Members(paths.iter().map(|path| self.sight(path)).collect()),
            other => return Err(Unseen { text: format!("nothing shows {other:?}"), errno: None }),
        })
    }

    fn sound(&self) -> Result<(), String> {
        let State { hidden, arrays, .. } = &self.state;
        if !hidden.is_empty() {
            return Err(format!("kept from udev: {hidden:?}"));
        }
        for path in self.disks.keys() {
            let users = arrays.values().filter(|(members, _)| members.contains(path)).count();
            if users > 1 {
                return Err(format!("{path} is in {users} arrays"));
            }
        }
        match arrays.iter().find(|(_, (members, _))| members.is_empty()) {
            Some((name, _)) => Err(format!("{name} is left, empty")),
            None => Ok(()),
        }
    }
}

impl Lab {
    fn sight(&self, path: &str) -> Sight {
        let found = self.disks.get(path).ok_or_else(|| crate::model::Unusable::Open("no such device".into()));
        let found = found.map(|disk| Device {
            path: path.to_owned(),
            kernel_name: path.trim_start_matches("/dev/").to_owned(),
            id: DevId { major: 1, minor: disk.minor },
            size: disk.len(),
            logical_block: 512,
            read_only: false,
            whole: None,
            busy: self.state.arrays.values().any(|(members, _)| members.contains(path)),
            holders: Vec::new(),
            unsearched: false,
            aside: None,
            probe: superblock::probe::probe(disk),
            foreign: Vec::new(),
            seen: [].into(),
        });
        Sight { path: path.to_owned(), found, magic: [None; 3], bare: false }
    }

    /// Members of an array, on disks from this letter on.
    fn put(&mut self, array: &v1::NewArray, first: u8, events: &[u64]) {
        for (number, events) in (0..).zip(events) {
            let claim = super::claim(array, number, *events, &[]);
            let minor = u32::from(first - b'a') + number;
            let path = format!("/dev/{}", char::from(first + u8::try_from(number).unwrap()));
            self.disks.insert(path, Disk { minor, writes: vec![claim.metadata.encode()] });
        }
    }

    /// This disk comes later.
    fn later(mut self, path: &str) -> Self {
        let disk = self.disks.remove(path).expect("there is such a disk");
        self.late.insert(path.to_owned(), disk);
        self
    }
}

fn named(uuid: MdUuid, name: &str, level: Level, layout: u32, disks: u32) -> v1::NewArray {
    v1::NewArray { uuid, name: v1::set_name(Some(b"guest"), name.as_bytes()), ..array(level, layout, disks) }
}

/// A mirror on a and b, a RAID5 on c, d and e.
fn two_arrays() -> Lab {
    let mut lab = Lab::default();
    lab.put(&named(UUID, "0", Level::Raid1, 0, 2), b'a', &[7, 7]);
    lab.put(&named(OTHER, "1", Level::Raid5, 2, 3), b'c', &[9, 9, 9]);
    lab
}

fn rounds<'a>(config: &'a Config, job: AssembleJob, options: Options) -> Rounds<'a> {
    let home = Home { host: Some("guest".into()), required: true };
    let session = Session { options, ..Session::new(config, home) };
    Rounds::new(session, job, 0)
}

/// What udev and other people do.
const OTHERS: &[twin::Change<Lab>] = &[
    ("udev assembled the mirror", |lab| lab.array("md0", &["/dev/a", "/dev/b"], true)),
    ("udev began the mirror", |lab| lab.array("md0", &["/dev/a"], false)),
    ("udev began the mirror under another name", |lab| lab.array("md126", &["/dev/b"], false)),
    ("another program took a member", |lab| lab.array("md9", &["/dev/d"], true)),
    ("a member was pulled out", |lab| drop(lab.disks.remove("/dev/b"))),
    ("both arrays came up", |lab| {
        lab.array("md0", &["/dev/a", "/dev/b"], true);
        lab.array("md1", &["/dev/c", "/dev/d", "/dev/e"], true);
    }),
    ("a disk came", |lab| {
        let late = std::mem::take(&mut lab.late);
        lab.disks.extend(late);
    }),
    ("a member was erased", |lab| {
        if let Some(disk) = lab.disks.get_mut("/dev/e") {
            disk.writes.clear();
        }
    }),
];

const ERRORS: &[Errno] = &[Errno::EBUSY, Errno::EIO, Errno::EINVAL];

/// A change may undo what this very step wanted, so only what holds always is asked for; a status of 0 with nothing
/// running is a lie.
fn honest(outcome: &twin::Outcome<Lab>, what: &str) {
    assert!(outcome.status() != 0 || outcome.scene.running() > 0, "{what}: {}", outcome.text());
}

#[test]
fn a_scan_ends_whatever_fails_and_whoever_is_quicker() {
    let config = Config::default();
    let scan = || {
        rounds(
            &config,
            AssembleJob::Scan(WantedIdentity::default()),
            Options { partial: true, ..Options::default() },
        )
    };
    let clean = twin::drive(&mut scan(), two_arrays(), Answer::Yes, None, None);
    assert_eq!((clean.status(), clean.scene.running()), (0, 2), "{}", clean.text());
    let tally = twin::everything(scan, &two_arrays(), ERRORS, OTHERS, honest);
    assert!(tally.reaches(6, 80, 48), "{tally:?}");
    let late = two_arrays().later("/dev/b");
    let tally = twin::everything(scan, &late, ERRORS, OTHERS, honest);
    assert!(tally.reaches(8, 76, 64), "{tally:?}");
}

#[test]
fn a_scan_for_an_identity_starts_nothing_degraded_without_a_word() {
    let config = Config::default();
    let mut mirror = Lab::default();
    mirror.put(&named(UUID, "0", Level::Raid1, 0, 2), b'a', &[7, 7]);
    mirror.disks.remove("/dev/b");
    let scan = |identity, options| {
        let mut scan = rounds(&config, AssembleJob::Scan(identity), Options { partial: true, ..options });
        twin::drive(&mut scan, mirror.clone(), Answer::Yes, None, None)
    };
    let asked = || WantedIdentity { uuid: Some(UUID), ..WantedIdentity::default() };
    let refused = scan(asked(), Options::default());
    assert_eq!((refused.status(), refused.scene.running()), (1, 0), "{}", refused.text());
    let text = refused.text();
    assert!(
        text.contains("assembled from 1 drive - need all 2 to start it (use --run to insist)."),
        "{text}"
    );
    assert!(text.contains("No arrays found in config file or automatically"), "{text}");
    for (identity, options) in [
        (WantedIdentity::default(), Options::default()),
        (asked(), Options { run: true, ..Options::default() }),
        (asked(), Options { force: true, ..Options::default() }),
    ] {
        let started = scan(identity, options);
        assert_eq!((started.status(), started.scene.running()), (0, 1), "{}", started.text());
    }
}

#[test]
fn one_array_of_listed_devices_ends_whatever_fails_and_whoever_is_quicker() {
    let config = Config::default();
    let listed: Vec<String> = ["/dev/a", "/dev/b"].map(str::to_owned).to_vec();
    let wish = GatherWish { listed: true, ..GatherWish::default() };
    let target = AssembleTarget::Wish(Box::new(wish), Some("/dev/md0".into()));
    let one = || rounds(&config, AssembleJob::One(target.clone(), listed.clone()), Options::default());
    let tally = twin::everything(one, &two_arrays(), ERRORS, OTHERS, honest);
    assert!(tally.reaches(4, 35, 32), "{tally:?}");
}

#[test]
fn arrays_of_the_configuration_end_whatever_fails_and_whoever_is_quicker() {
    let config = conf::parse([(
        "test",
        "ARRAY /dev/md0 UUID=11111111:11111111:11111111:11111111\n\
         ARRAY /dev/md1 UUID=aaaaaaaa:aaaaaaaa:aaaaaaaa:aaaaaaaa",
    )])
    .0;
    let partial = Options { partial: true, ..Options::default() };
    let words = || rounds(&config, AssembleJob::Lines(vec!["/dev/md0".into(), "/dev/md1".into()]), partial);
    let scan = || rounds(&config, AssembleJob::Scan(WantedIdentity::default()), partial);
    let tally = twin::everything(words, &two_arrays(), ERRORS, OTHERS, honest);
    assert!(tally.reaches(6, 80, 48), "{tally:?}");
    let tally = twin::everything(scan, &two_arrays(), ERRORS, OTHERS, honest);
    assert!(tally.reaches(6, 80, 48), "{tally:?}");
}

#[test]
fn what_another_program_began_meanwhile_is_adopted() {
    let config = Config::default();
    let began: twin::Change<Lab> = ("udev began it", |lab| lab.array("md0", &["/dev/a"], false));
    let mut mirror = Lab::default();
    mirror.put(&named(UUID, "0", Level::Raid1, 0, 2), b'a', &[7, 7]);
    let mut scan = rounds(
        &config,
        AssembleJob::Scan(WantedIdentity::default()),
        Options { partial: true, ..Options::default() },
    );
    // Before the turn that acts: it was decided on a machine without the array.
    let outcome = twin::drive(&mut scan, mirror, Answer::Yes, None, Some((3, began)));
    assert_eq!(outcome.status(), 0, "{}", outcome.text());
    let members = ["/dev/a", "/dev/b"].map(str::to_owned);
    assert_eq!(outcome.scene.state.arrays["md0"], (members.into(), true));
}
