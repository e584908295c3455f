//! A machine of values for incremental assembly: disks with metadata, arrays that have some of them, the map.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::ensure;
use jiff::tz::TimeZone;
use superblock::{Bytes, MdUuid, Media, Sectors, Write, v1};

use super::{IncrementalJob, Joining};
use crate::{
    config::Config,
    model::{DevId, Device, RunningArray, Sight, Unusable, World, world::MapEntry},
    plan::{
        DiskStep, MdStep, Step, SystemStep,
        assemble::{CandidatePath, Home, Session, tests::claim},
        course::{Look, Unseen, View, twin::Scene},
        fake::{Fake, State},
    },
    words::{ArrayState, Errno},
};

/// A disk: its metadata and nothing else.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    pub(super) minor: u32,
    pub(super) writes: Vec<Write>,
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

/// The machine.
#[derive(Clone, Debug, Default)]
pub(super) struct Lab {
    pub(super) disks: BTreeMap<String, Disk>,
    pub(super) map: BTreeMap<String, MapEntry>,
    pub(super) state: State,
    /// Devices that others hold.
    pub(super) held: BTreeSet<String>,
}

impl Lab {
    /// Members of an array, on disks from this letter on, each with these events.
    pub(super) fn put(&mut self, array: &v1::NewArray, first: u8, events: &[u64]) {
        for (number, events) in (0..).zip(events) {
            self.put_one(array, first, number, *events, &[]);
        }
    }

    /// One member with edits of its superblock.
    pub(super) fn put_one(
        &mut self,
        array: &v1::NewArray,
        first: u8,
        number: u32,
        events: u64,
        edits: &[v1::Edit],
    ) {
        let claim = claim(array, number, events, edits);
        let letter = first + u8::try_from(number).unwrap();
        let disk = Disk { minor: u32::from(letter - b'a'), writes: vec![claim.metadata.encode()] };
        self.disks.insert(format!("/dev/{}", char::from(letter)), disk);
    }

    /// Another program does it, where the kernel lets it.
    pub(super) fn has(&mut self, name: &str, members: &[&str], runs: bool, uuid: Option<MdUuid>) {
        let taken = |path: &&str| self.state.arrays.values().any(|(members, _)| members.contains(*path));
        if self.state.arrays.contains_key(name) || members.iter().any(taken) {
            return;
        }
        let members = members.iter().map(|&member| member.to_owned()).collect();
        self.state.arrays.insert(name.to_owned(), (members, runs));
        if let Some(uuid) = uuid {
            let path = format!("/dev/md/{name}");
            let entry = MapEntry { devnm: name.to_owned(), metadata: "1.2".into(), uuid, path };
            self.map.insert(name.to_owned(), entry);
        }
    }

    /// The array of a device and whether it runs.
    pub(super) fn array_of(&self, device: &str) -> Option<(&str, bool)> {
        let mut arrays = self.state.arrays.iter();
        arrays
            .find(|(_, (members, _))| members.contains(device))
            .map(|(name, (_, runs))| (name.as_str(), *runs))
    }

    /// The number that a member has in its array: the kernel takes one of each.
    fn number(&self, path: &str) -> Option<u32> {
        let candidate = CandidatePath::new(&self.sight(path), None);
        candidate.of(None).ok().map(|claim| claim.facts.dev_number)
    }

    fn sight(&self, path: &str) -> Sight {
        let found = self.disks.get(path).ok_or_else(|| Unusable::Open("No such file or directory".into()));
        let found = found.map(|disk| Device {
            path: path.to_owned(),
            kernel_name: path.trim_start_matches("/dev/").to_owned(),
            id: DevId { major: 1, minor: disk.minor },
            size: disk.len(),
            logical_block: 512,
            read_only: false,
            whole: None,
            busy: self.array_of(path).is_some(),
            holders: Vec::new(),
            unsearched: false,
            aside: None,
            probe: superblock::probe::probe(disk),
            foreign: Vec::new(),
            seen: [].into(),
        });
        Sight {
            path: path.to_owned(),
            found,
            magic: [None; 3],
            bare: self.disks.get(path).is_some_and(|disk| disk.writes.is_empty()),
        }
    }
}

impl Scene for Lab {
    fn act(&mut self, step: &Step) -> anyhow::Result<Vec<Write>> {
        match step {
            Step::Disk(DiskStep::Claim { device }) => {
                ensure!(self.disks.contains_key(device), "{device}: there is no such device");
                ensure!(!self.held.contains(device), "{device}: {}", Errno::EBUSY);
            }
            Step::Md(MdStep::HotAdd { array, device, .. }) => {
                ensure!(self.disks.contains_key(device), "{device}: there is no such device");
                let members =
                    self.state.arrays.get(&array.kernel).into_iter().flat_map(|(members, _)| members);
                let number = self.number(device);
                ensure!(
                    !members.into_iter().any(|path| self.number(path) == number),
                    "{device}: {}",
                    Errno::EBUSY
                );
            }
            Step::System(SystemStep::MapAdd { entry }) => {
                self.map.insert(entry.devnm.clone(), entry.clone());
            }
            Step::System(SystemStep::MapRemove { entry }) => {
                self.map.remove(&entry.devnm);
            }
            Step::Md(MdStep::SetAttr { array, value, .. }) if value == "read-auto" => {
                let array = self.state.arrays.get_mut(&array.kernel);
                array.ok_or_else(|| anyhow::anyhow!("no such array"))?.1 = true;
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
        Ok(match look {
            Look::World { .. } => {
                let id =
                    |path: &String| self.disks.get(path).map(|disk| DevId { major: 1, minor: disk.minor });
                let arrays = self.state.arrays.iter().map(|(name, (members, runs))| RunningArray {
                    name: name.clone(),
                    state: if *runs { ArrayState::Active } else { ArrayState::Inactive },
                    members: members.iter().filter_map(id).collect(),
                    names: members.iter().map(|path| path.trim_start_matches("/dev/").to_owned()).collect(),
                    metadata: "1.2".into(),
                    raid_disks: 3,
                    ..RunningArray::default()
                });
                let map = self.map.values().cloned().collect();
                View::World(Box::new(World { udev: true, arrays: arrays.collect(), map, ..World::default() }))
            }
            Look::Members { paths, .. } => View::Members(paths.iter().map(|path| self.sight(path)).collect()),
            other => return Err(Unseen { text: format!("nothing shows {other:?}"), errno: None }),
        })
    }

    fn sound(&self) -> Result<(), String> {
        if self.state.locked || !self.state.claims.is_empty() || !self.state.hidden.is_empty() {
            return Err("something is held".to_owned());
        }
        for path in self.disks.keys() {
            let users = self.state.arrays.values().filter(|(members, _)| members.contains(path)).count();
            if users > 1 {
                return Err(format!("{path} is in {users} arrays"));
            }
        }
        match self.state.arrays.iter().find(|(_, (members, _))| members.is_empty()) {
            Some((name, _)) => Err(format!("{name} is left, empty")),
            None => Ok(()),
        }
    }
}

/// The course of one device.
pub(super) fn joining<'a>(config: &'a Config, device: &str) -> Joining<'a> {
    joining_with(config, device, |_| {})
}

/// The same with changes of the request.
pub(super) fn joining_with<'a>(
    config: &'a Config,
    device: &str,
    change: impl Fn(&mut IncrementalJob),
) -> Joining<'a> {
    let mut job = IncrementalJob {
        device: device.to_owned(),
        permitted: true,
        origin: None,
        places: Vec::new(),
        heir_of: None,
        awaited: BTreeMap::new(),
        waits: "/run/mdctl/awaited".to_owned(),
        run: false,
        export: false,
        bad_block_log: true,
        zone: TimeZone::UTC,
    };
    change(&mut job);
    Joining::new(session(config), job)
}

pub(super) fn session(config: &Config) -> Session<'_> {
    Session::new(config, Home { host: Some("guest".into()), required: true })
}
