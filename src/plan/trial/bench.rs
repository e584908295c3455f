//! A machine made of values for trials: members that nobody may write to, overlays over them, arrays over these.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail, ensure};
use superblock::{
    Bytes, Level, Sectors, Write,
    content::{Check, Content},
    foreign::{Foreign, Kind},
    v1::Minor,
};

use super::{TrialBench, TrialDevice};
use crate::{
    config::Config,
    model::{
        Candidate, DevId, Device, Geometry, RunningArray, Unusable, World,
        dm::{Dev, SnapshotStatus, Target},
        overlay::{Overlay, Overlays, Underlay, Underlays, parts},
        trial::{Evidence, Format, Grounds, Hypothesis, Scored, Seat, ToolEnded},
        world::MdSupport,
    },
    plan::{
        DiskStep, MdStep, Step,
        course::{
            Look, Unseen, View,
            twin::{Change, Scene},
        },
        create::{CreateSettings, tests::device},
        dm::DmStep,
        fake::{Fake, State, dm::FakeDevice},
        overlay::{description, path_of},
        run::Outdated,
    },
};

pub(super) const STORE: &str = "/run/o";
/// How the sets of a trial are called here.
pub(super) const STEM: &str = "trial7";
const SIZE: Bytes = Bytes(64 << 20);
const MEMBERS: [&str; 3] = ["/dev/sda", "/dev/sdb", "/dev/sdc"];
/// A device of somebody else's.
const THEIRS: &str = "/dev/sdz";

/// The scene.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    fake: State,
    /// Members by path; those that are gone are not there.
    members: BTreeMap<String, DevId>,
    /// Numbers of device-mapper's devices.
    numbers: BTreeMap<String, u32>,
    /// Arrays that somebody has open.
    pub(super) held: BTreeSet<String>,
    /// Arrays of others, as they were made.
    theirs: BTreeMap<String, BTreeSet<String>>,
    /// What a tool says of an array on the overlays of a set.
    pub(super) tool: BTreeMap<String, ToolEnded>,
    /// The sets whose arrays the kernel does not start.
    pub(super) refuses: BTreeSet<String>,
    /// The sets whose files are too small.
    pub(super) small: BTreeSet<String>,
    /// Members that somebody else made a file system on.
    taken: BTreeSet<String>,
    /// The kernel has no device-mapper.
    pub(super) without_dm: bool,
    /// Members may be written to: a guess is carried out.
    pub(super) writable: bool,
    /// What nobody may do.
    wrong: Vec<String>,
}

fn named(set: &str) -> String {
    format!("MDOV-{set}-")
}

impl Machine {
    pub(super) fn new() -> Self {
        let number = |(nth, path): (u32, &&str)| ((*path).to_owned(), DevId { major: 8, minor: 16 * nth });
        Self {
            fake: State::default(),
            members: (0..).zip(&MEMBERS).map(number).collect(),
            numbers: BTreeMap::new(),
            held: BTreeSet::new(),
            theirs: BTreeMap::new(),
            tool: BTreeMap::new(),
            refuses: BTreeSet::new(),
            small: BTreeSet::new(),
            taken: BTreeSet::new(),
            without_dm: false,
            writable: false,
            wrong: Vec::new(),
        }
    }

    /// What all tries have here.
    pub(super) fn bench(&self) -> TrialBench {
        TrialBench { devices: devices(), store: STORE.to_owned(), store_size: Bytes(0), settings: settings() }
    }

    /// Sets of the trial of which something is there, each with the arrays on it.
    pub(super) fn left(&self) -> BTreeMap<String, Vec<String>> {
        let mut left: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let of_files = self.fake.files.iter().filter_map(|file| file.strip_prefix("/run/o/"));
        let of_files = of_files.filter_map(|name| match name.strip_suffix(".set") {
            Some(set) => Some(set),
            None => parts(name).map(|(set, _)| set),
        });
        let of_devices = self.fake.dm.devices.keys().filter_map(|name| parts(name)).map(|(set, _)| set);
        for set in of_files.chain(of_devices).filter(|set| set.starts_with(STEM)) {
            left.entry(set.to_owned()).or_insert_with(|| self.on(set));
        }
        left
    }

    /// Marks of arrays that are being created.
    pub(super) fn marks(&self) -> &BTreeSet<String> {
        &self.fake.hidden
    }

    pub(super) fn is_theirs(&self, kernel: &str) -> bool {
        self.theirs.contains_key(kernel)
    }

    pub(super) fn runs(&self, kernel: &str) -> bool {
        self.fake.arrays.get(kernel).is_some_and(|(members, _)| !members.is_empty())
    }

    /// Arrays that stand on overlays of a set.
    fn on(&self, set: &str) -> Vec<String> {
        let own = path_of(&named(set));
        let on = self
            .fake
            .arrays
            .iter()
            .filter(|(_, (members, _))| members.iter().any(|one| one.starts_with(&own)));
        on.map(|(name, _)| name.clone()).collect()
    }

    /// The set on which an array stands.
    fn set_of(&self, kernel: &str) -> Option<&str> {
        let (members, _) = self.fake.arrays.get(kernel)?;
        let name = members.iter().find_map(|path| path.strip_prefix("/dev/mapper/"))?;
        parts(name).map(|(set, _)| set)
    }

    fn id(&self, path: &str) -> Option<DevId> {
        if let Some(name) = path.strip_prefix("/dev/mapper/") {
            let there = self.fake.dm.devices.contains_key(name);
            let number = self.numbers.get(name).filter(|_| there)?;
            return Some(DevId { major: 253, minor: *number });
        }
        if path == THEIRS { Some(DevId { major: 8, minor: 400 }) } else { self.members.get(path).copied() }
    }

    /// Who has this as a member.
    fn holder(&self, path: &str) -> Option<&String> {
        self.fake.arrays.iter().find(|(_, (members, _))| members.contains(path)).map(|(name, _)| name)
    }

    fn candidate(&self, path: &str) -> Candidate {
        let gone = || Err(Unusable::Open("No such file or directory".to_owned()));
        let over = self.fake.dm.devices.values().any(|one| origin(one) == Some(path));
        let busy = over || self.holder(path).is_some();
        let Candidate { found, .. } = device(path, SIZE.0);
        let found = match self.id(path) {
            Some(id) => {
                let theirs = Foreign {
                    kind: Kind::Ext4,
                    at: Bytes(1080),
                    size: None,
                    label: None,
                    uuid: None,
                    mtime: None,
                    table: None,
                };
                let foreign = self.taken.contains(path).then_some(theirs).into_iter().collect();
                found.map(|found| Device { id, busy, foreign, ..found })
            }
            None => gone(),
        };
        Candidate { path: path.to_owned(), found }
    }

    fn underlay(&self, path: &str) -> Underlay {
        let over = self.fake.dm.devices.iter().filter(|(_, one)| origin(one) == Some(path));
        let over = over.map(|(name, _)| ("dm-1".to_owned(), Some(name.clone())));
        let held = self.holder(path).map(|name| (name.clone(), None));
        Underlay { device: self.candidate(path), holders: over.chain(held).collect(), prints: Vec::new() }
    }

    fn world(&self, fresh: usize) -> World {
        let array = |(name, (members, _)): (&String, &(BTreeSet<String>, bool))| RunningArray {
            name: name.clone(),
            id: DevId { major: 9, minor: name.trim_start_matches("md").parse().unwrap_or(0) },
            state: "clean".into(),
            members: members.iter().filter_map(|path| self.id(path)).collect(),
            ..RunningArray::default()
        };
        World {
            fresh: (1..=u8::try_from(fresh).unwrap()).map(|nth| superblock::MdUuid([nth; 16])).collect(),
            md: MdSupport { present: true, new_array: true, ..MdSupport::default() },
            arrays: self.fake.arrays.iter().map(array).collect(),
            udev: true,
            ..World::default()
        }
    }

    fn overlays(&self) -> Vec<Overlay> {
        let files = self.fake.files.iter().filter_map(|file| {
            let name = file.strip_prefix("/run/o/")?.strip_suffix(".cow")?;
            let (set, _) = parts(name)?;
            self.fake.files.contains(&description(STORE, set)).then(|| name.to_owned())
        });
        let names: BTreeSet<String> = files.chain(self.fake.dm.devices.keys().cloned()).collect();
        let one = |name: String| {
            let (set, member) = parts(&name)?;
            let there = self.fake.dm.devices.contains_key(&name);
            let holder = self.holder(&path_of(&name)).cloned();
            let small = self.small.contains(set) && there;
            Some(Overlay {
                set: set.to_owned(),
                id: self.id(&path_of(&name)),
                member: format!("/dev/{member}"),
                size: SIZE,
                file: format!("{STORE}/{name}.cow"),
                status: if small { SnapshotStatus::Overflow } else { SnapshotStatus::Unknown },
                open: u32::from(holder.is_some()),
                holders: holder.into_iter().collect(),
                device: there.then_some(name),
                noted: Vec::new(),
            })
        };
        names.into_iter().filter_map(one).collect()
    }

    /// Only overlays are written to, and only they become members.
    fn guard(&mut self, step: &Step) {
        let target = match step {
            Step::Disk(DiskStep::Claim { device })
            | Step::Disk(DiskStep::Share { device })
            | Step::Disk(DiskStep::Write { device, .. })
            | Step::Md(MdStep::AddDisk { device, .. })
            | Step::Md(MdStep::HotAdd { device, .. }) => Some(device),
            Step::Disk(DiskStep::Zero { ranges }) => ranges.first().map(|(device, ..)| device),
            _ => None,
        };
        let real = target.filter(|device| !device.starts_with(&path_of(&format!("MDOV-{STEM}"))));
        if let Some(device) = real.filter(|_| !self.writable) {
            self.wrong.push(format!("{step}: {device} is no overlay of ours"));
        }
        if let Step::Md(MdStep::Stop { array }) = step {
            if self.theirs.contains_key(&array.kernel) {
                self.wrong.push(format!("{array} of somebody else's was stopped"));
            }
        }
    }

    fn possible(&self, step: &Step) -> Result<()> {
        match step {
            Step::Disk(DiskStep::Claim { device })
            | Step::Disk(DiskStep::Write { device, .. })
            | Step::Md(MdStep::AddDisk { device, .. }) => {
                ensure!(self.id(device).is_some(), "{device}: No such device or address");
                let set = device.strip_prefix("/dev/mapper/").and_then(parts).map(|(set, _)| set);
                let full = matches!(step, Step::Disk(DiskStep::Write { .. }))
                    && set.is_some_and(|set| self.small.contains(set));
                ensure!(!full, "{device}: Input/output error");
            }
            Step::Dm(DmStep::Load { table, .. }) => {
                for dev in table.devices() {
                    if let Dev::Path(path) = dev {
                        let there = path.starts_with("/dev/loop") || self.id(path).is_some();
                        ensure!(there, "{path}: No such device or address");
                    }
                }
            }
            Step::Dm(DmStep::Create { .. }) => ensure!(!self.without_dm, "dm_mod: no such module"),
            Step::Dm(DmStep::Remove { name, .. }) => {
                ensure!(self.holder(&path_of(name)).is_none(), "{name}: Device or resource busy");
            }
            Step::Md(MdStep::Expect { array, members, .. }) => {
                let now = self.fake.arrays.get(&array.kernel);
                let now = now.map(|(members, _)| members.iter().filter_map(|path| self.id(path)).collect());
                let sorted = |ids: Vec<DevId>| ids.into_iter().collect::<BTreeSet<_>>();
                let same = now.map(sorted) == members.clone().map(sorted);
                ensure!(same, Outdated(format!("{array} was changed meanwhile")));
            }
            Step::Md(MdStep::Run { array }) | Step::Md(MdStep::SetAttr { array, .. }) => {
                let set = self.set_of(&array.kernel);
                ensure!(!set.is_some_and(|set| self.refuses.contains(set)), "{array}: Invalid argument");
            }
            Step::Md(MdStep::Stop { array }) => {
                ensure!(!self.held.contains(&array.kernel), "{array}: Device or resource busy");
            }
            _ => {}
        }
        Ok(())
    }

    /// Somebody else makes an array.
    fn others_make(&mut self, kernel: &str, members: &[String]) {
        if self.fake.arrays.contains_key(kernel) {
            return;
        }
        let members: BTreeSet<String> = members.iter().cloned().collect();
        self.theirs.insert(kernel.to_owned(), members.clone());
        self.fake.arrays.insert(kernel.to_owned(), (members, true));
    }

    /// Somebody else stops ours.
    fn others_stop(&mut self) {
        let all: Vec<String> = self.fake.arrays.keys().cloned().collect();
        for kernel in all.iter().filter(|kernel| !self.theirs.contains_key(*kernel)) {
            self.fake.arrays.remove(kernel);
        }
    }

    /// The overlays that nobody has as a member.
    fn free(&self) -> Vec<String> {
        let names = self.fake.dm.devices.keys().filter(|name| self.holder(&path_of(name)).is_none());
        names.cloned().collect()
    }
}

fn origin(one: &FakeDevice) -> Option<&str> {
    let table = one.live.as_ref().or(one.waiting.as_ref())?;
    table.rows.iter().find_map(|row| match &row.target {
        Target::Snapshot(snapshot) => match &snapshot.origin {
            Dev::Path(path) => Some(path.as_str()),
            Dev::Number(_) | Dev::Dm(_) => None,
        },
        _ => None,
    })
}

impl Scene for Machine {
    fn act(&mut self, step: &Step) -> Result<Vec<Write>> {
        self.guard(step);
        self.possible(step)?;
        if let Step::Dm(DmStep::Create { name, .. }) = step {
            let next = u32::try_from(self.numbers.len()).unwrap();
            self.numbers.entry(name.clone()).or_insert(next);
        }
        let mut fake = Fake { state: std::mem::take(&mut self.fake), ..Fake::default() };
        let done = match step {
            Step::Md(MdStep::Expect { .. }) if !fake.state.locked => {
                bail!("looked at again without the lock")
            }
            Step::Md(MdStep::Expect { .. }) => Ok(Vec::new()),
            step => fake.act(step),
        };
        self.fake = fake.state;
        done
    }

    fn let_go(&mut self) {
        self.fake.let_go();
    }

    fn see(&self, look: &Look) -> Result<View, Unseen> {
        Ok(match look {
            Look::Underlays { paths } => {
                let devices: Vec<Underlay> = paths.iter().map(|path| self.underlay(path)).collect();
                let loops = (0..).take(devices.len()).collect();
                View::Underlays(Underlays { devices, loops })
            }
            Look::World { fresh } => View::World(Box::new(self.world(*fresh))),
            Look::ToWrite { paths } => View::ToWrite(paths.iter().map(|path| self.candidate(path)).collect()),
            Look::Overlays { .. } => {
                let files = self.fake.files.iter().cloned().collect();
                View::Overlays(Overlays { all: self.overlays(), store: STORE.to_owned(), files })
            }
            Look::Tool { device, .. } => {
                let set = self.set_of(device.trim_start_matches("/dev/"));
                let ended = set.and_then(|set| self.tool.get(set)).cloned();
                View::Tool(ended.unwrap_or(ToolEnded::Ended(Some(0))))
            }
            look => {
                return Err(Unseen { text: format!("{look:?}: nothing here looks at that"), errno: None });
            }
        })
    }

    fn sound(&self) -> Result<(), String> {
        if let Some(wrong) = self.wrong.first() {
            return Err(wrong.clone());
        }
        if self.fake.locked || !self.fake.claims.is_empty() {
            return Err(format!("locked: {}, claimed: {:?}", self.fake.locked, self.fake.claims));
        }
        let there = |(kernel, members): &(&String, &BTreeSet<String>)| {
            self.fake.arrays.get(*kernel).is_some_and(|(now, _)| now == *members)
        };
        match self.theirs.iter().find(|theirs| !there(theirs)) {
            Some((kernel, _)) => Err(format!("{kernel} of somebody else's is not what it was")),
            None => Ok(()),
        }
    }
}

/// What others do meanwhile.
pub(super) const CHANGES: &[Change<Machine>] = &[
    ("an overlay was removed", |machine| {
        if let Some(name) = machine.free().first() {
            machine.fake.dm.devices.remove(name);
        }
    }),
    ("the array was stopped", Machine::others_stop),
    ("the number was taken", |machine| machine.others_make("md127", &[THEIRS.to_owned()])),
    ("the array was stopped, and its number taken", |machine| {
        machine.others_stop();
        machine.others_make("md127", &[THEIRS.to_owned()]);
    }),
    ("a member vanished", |machine| {
        machine.members.remove("/dev/sdb");
    }),
    ("another disk has a member's path", |machine| {
        machine.members.insert("/dev/sdb".to_owned(), DevId { major: 8, minor: 200 });
    }),
    ("somebody made a file system on a member", |machine| {
        machine.taken.insert("/dev/sdb".to_owned());
    }),
    ("somebody opened the array", |machine| {
        machine.held.insert("md127".to_owned());
    }),
    ("an overlay's file is full", |machine| machine.small.extend([format!("{STEM}_1"), STEM.to_owned()])),
    ("somebody made an array of an overlay", |machine| {
        if let Some(name) = machine.free().first() {
            machine.others_make("md9", &[path_of(name), THEIRS.to_owned()]);
        }
    }),
];

/// The devices of the guesses.
pub(super) fn devices() -> Vec<TrialDevice> {
    let device = |(nth, path): (u32, &&str)| TrialDevice {
        path: (*path).to_owned(),
        id: DevId { major: 8, minor: 16 * nth },
        size: SIZE,
        superblocks: Vec::new(),
        foreign: Vec::new(),
    };
    (0..).zip(&MEMBERS).map(device).collect()
}

pub(super) fn settings() -> CreateSettings {
    CreateSettings {
        config: Config::default(),
        homehost: None,
        verbose: 0,
        zone: jiff::tz::TimeZone::UTC,
        native: true,
    }
}

/// A RAID5 over these members with ext4 in it, of whose places so many are right.
pub(super) fn guess(order: [usize; 3], right: u32) -> Scored {
    let data_offset = Sectors(2048);
    let room = SIZE.sectors().saturating_sub(data_offset);
    let seat = |device: usize| Some(Seat { device, data_offset, room });
    let geometry = Geometry {
        level: Level::Raid5,
        layout: 2,
        chunk: Sectors(32),
        raid_disks: 3,
        component_size: Sectors(65536),
    };
    let content = Content {
        kind: "ext4".to_owned(),
        id: None,
        size: None,
        checks: vec![Check { what: "groups", right, wrong: 0 }],
        inside: Vec::new(),
    };
    Scored {
        hypothesis: Hypothesis {
            grounds: Grounds::Usual,
            differs: Vec::new(),
            format: Format::V1(Minor::V1_2),
            geometry,
            seats: order.map(seat).to_vec(),
            array: None,
            name: None,
            bitmap: false,
        },
        evidence: Evidence { parity: None, contents: vec![content] },
    }
}
