//! A machine made of values for the courses of the archive: two disks as bytes, and what is kept of them.

use std::{collections::BTreeSet, path::PathBuf};

use anyhow::{Result, bail, ensure};
use superblock::{Bytes, Level, MdUuid, Media as _, Write, foreign, sectors::SectorMap, window::Seen};

use super::{
    Present,
    tests::{Disks, PATHS, overwritten},
};
use crate::{
    archive::{
        About, Attributes, Entry, EntryId, Identity, KeptDevice, Shelf, Shelved, Sighted, tests::about,
    },
    model::{
        Device, Unusable,
        archive::{Found, Spot},
    },
    plan::{
        DiskStep, Plan, Step, SystemStep,
        course::{
            Look, Unseen, View,
            twin::{Change, Scene},
        },
        keep,
        run::Outdated,
    },
};

/// What the table's disks begin and end with, as far as signatures stand.
const END: Bytes = Bytes(64 << 10);

/// The scene.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Table {
    pub(in crate::plan) disks: Disks,
    pub(in crate::plan) entries: Vec<Entry>,
    /// The kernel's number of the first disk: it changes when another one is attached in its place.
    diskseq: u64,
    claimed: BTreeSet<String>,
    pub(in crate::plan) busy: bool,
    gone: bool,
    /// What was put on arrays since.
    pub(in crate::plan) inside: Vec<(MdUuid, String)>,
    /// What somebody else wrote, and on which disk.
    theirs: Vec<(usize, Write)>,
}

/// What the disks were before the command that is undone, and after it.
pub(in crate::plan) struct Before {
    pub(in crate::plan) old: Vec<SectorMap>,
    pub(in crate::plan) new: Vec<SectorMap>,
}

impl Table {
    /// An array, and another one over it: that is in the archive.
    pub(in crate::plan) fn new() -> (Self, Before) {
        let (disks, old, mut entry) = overwritten();
        let new = disks.0.clone();
        let mut table = Self {
            disks,
            entries: Vec::new(),
            diskseq: 1,
            claimed: BTreeSet::new(),
            busy: false,
            gone: false,
            inside: Vec::new(),
            theirs: Vec::new(),
        };
        for (n, kept) in entry.devices.iter_mut().enumerate() {
            let md = kept.device.md.clone();
            kept.device = Identity { md, ..table.sighted(n).identity };
        }
        entry.about.seq = 1;
        table.entries.push(entry);
        (table, Before { old, new })
    }

    pub(in crate::plan) fn id(&self) -> EntryId {
        self.entries[0].about.id.clone()
    }

    fn place(path: &str) -> Result<usize> {
        PATHS.iter().position(|known| *known == path).ok_or_else(|| anyhow::anyhow!("{path}: no such device"))
    }

    fn device(&self, n: usize) -> Device {
        Device {
            foreign: foreign::scan(&self.disks.0[n]).unwrap_or_default(),
            busy: self.busy && n == 1,
            ..self.disks.device(n)
        }
    }

    fn sighted(&self, n: usize) -> Sighted {
        let number = if n == 0 { self.diskseq } else { 7 };
        let attributes = Attributes {
            serial: Some(format!("serial {number}")),
            boot: Some("boot".into()),
            diskseq: Some(number),
            ..Attributes::default()
        };
        Sighted::new(self.device(n), attributes)
    }

    fn read(&self, n: usize, kept: &[(Bytes, Bytes)]) -> Vec<Write> {
        let one = |(at, length): &(Bytes, Bytes)| self.disks.read(n, *at, usize::try_from(length.0).unwrap());
        kept.iter().map(one).collect()
    }

    fn found(&self, spot: &Spot) -> Found {
        let n = Self::place(&spot.path).expect("a disk of the table");
        if self.gone && n == 0 {
            return (spot.path.clone(), Err(Unusable::Open("No such file or directory".into())));
        }
        let tail = self.disks.0[n].len().saturating_sub(END);
        let present = Present {
            now: self.read(n, &spot.kept),
            ends: self.read(n, &[(Bytes(0), END), (tail, END)]),
            changed: false,
            unchanged: Vec::new(),
            group: None,
            inside: self.inside.clone(),
            device: self.device(n),
        };
        (spot.path.clone(), Ok(present))
    }

    fn same(&self, device: &str, seen: &[Write]) -> Result<bool> {
        let n = Self::place(device)?;
        Ok(seen.iter().all(|piece| self.disks.read(n, piece.at, piece.data.len()) == *piece))
    }

    fn write(&mut self, device: &str, writes: &[Write]) -> Result<Vec<Write>> {
        ensure!(self.claimed.contains(device), "{device} is written to and not claimed");
        let n = Self::place(device)?;
        let saved = writes.iter().map(|write| self.disks.read(n, write.at, write.data.len())).collect();
        writes.iter().for_each(|write| self.disks.0[n].write(write));
        Ok(saved)
    }

    fn others_write(&mut self, n: usize, write: Write) {
        self.disks.0[n].write(&write);
        self.theirs.push((n, write));
    }
}

impl Scene for Table {
    fn act(&mut self, step: &Step) -> Result<Vec<Write>> {
        match step {
            Step::Disk(DiskStep::Claim { device }) => {
                let n = Self::place(device)?;
                ensure!(!(self.gone && n == 0), "{device}: No such file or directory");
                ensure!(!(self.busy && n == 1), "{device}: Device or resource busy");
                ensure!(self.claimed.insert(device.clone()), "claimed twice");
            }
            Step::Disk(DiskStep::Release { device }) => drop(self.claimed.remove(device)),
            Step::System(SystemStep::Archive { record }) => {
                let kept = record.devices.iter().map(|wanted| {
                    let n = Self::place(&wanted.device.path)?;
                    let before = self.read(n, &wanted.ranges);
                    Ok(KeptDevice { device: wanted.device.clone(), before, written: wanted.written.clone() })
                });
                let devices = kept.collect::<Result<_>>()?;
                let seq = self.entries.iter().map(|entry| entry.about.seq).max().unwrap_or(0) + 1;
                self.entries.push(Entry { about: About { seq, ..record.about.clone() }, devices });
            }
            Step::System(SystemStep::Discard { id }) => self.entries.retain(|entry| entry.about.id != *id),
            Step::Disk(DiskStep::Write { device, writes, .. }) => return self.write(device, writes),
            Step::Disk(DiskStep::Unchanged { device, seen }) => {
                ensure!(self.claimed.contains(device), "looked at again before it is claimed");
                let n = Self::place(device)?;
                let same = |seen: &Seen| self.disks.read(n, seen.at, seen.bytes().len()).data == seen.bytes();
                ensure!(seen.iter().all(same), Outdated(format!("somebody else changed {device} meanwhile")));
            }
            Step::Disk(DiskStep::Verify { device, writes }) => {
                ensure!(self.same(device, writes)?, "it is not there")
            }
            Step::Commit => {}
            other => bail!("{other}: nothing here does that"),
        }
        Ok(Vec::new())
    }

    fn keep(&self, plan: &Plan, undoes: Option<&EntryId>) -> Plan {
        let paths = keep::endangered(plan);
        let places = paths.iter().filter_map(|path| Self::place(path).ok());
        let sighted: Vec<Sighted> = places.map(|n| self.sighted(n)).collect();
        let nth = u64::try_from(self.entries.len()).unwrap();
        let about = About { undoes: undoes.cloned(), ..about(1_900_000_000 + nth) };
        keep::keep(plan, &sighted, about).0
    }

    fn let_go(&mut self) {
        self.claimed.clear();
    }

    fn see(&self, look: &Look) -> Result<View, Unseen> {
        let file = |entry: &Entry| PathBuf::from(format!("/archive/{}", entry.about.id));
        let unknown = || Unseen { text: format!("{look:?}: nothing here looks at that"), errno: None };
        Ok(match look {
            Look::Shelf => {
                let entries = self.entries.iter().map(|entry| Shelved {
                    about: entry.about.clone(),
                    devices: entry.devices.iter().map(|kept| kept.device.clone()).collect(),
                    path: file(entry),
                    size: 4096,
                });
                View::Shelf(Shelf { entries: entries.collect(), damaged: Vec::new() })
            }
            Look::Entry { file: wanted } => {
                let entry = self.entries.iter().find(|entry| file(entry) == *wanted).cloned();
                View::Entry(entry.map(Box::new).ok_or_else(|| "it is gone".to_owned()))
            }
            Look::Here { .. } => {
                let here = (0..PATHS.len()).filter(|n| !(self.gone && *n == 0));
                View::Here(here.map(|n| self.sighted(n).identity).collect())
            }
            Look::Present { spots } => View::Present(spots.iter().map(|spot| self.found(spot)).collect()),
            Look::Groups => View::Groups(Box::default()),
            _ => return Err(unknown()),
        })
    }

    fn sound(&self) -> Result<(), String> {
        if let Some(held) = self.claimed.first() {
            return Err(format!("{held} is still claimed"));
        }
        let there = |(n, write): &(usize, Write)| self.disks.read(*n, write.at, write.data.len()) == *write;
        match self.theirs.iter().find(|theirs| !there(theirs)) {
            Some((n, write)) => Err(format!("{} of somebody else's is gone from {}", write.at, PATHS[*n])),
            None => Ok(()),
        }
    }
}

/// A label of LVM2, outside of what was kept.
fn label() -> Write {
    let mut data = vec![0; 512];
    data[..8].copy_from_slice(b"LABELONE");
    data[24..32].copy_from_slice(b"LVM2 001");
    Write { at: Bytes(512), data }
}

/// What others do meanwhile.
pub(in crate::plan) const CHANGES: &[Change<Table>] = &[
    ("somebody made another array", |table| {
        let mut theirs = Disks::new();
        theirs.create(Level::Raid1, 2);
        let superblock = theirs.read(1, Bytes(4096), 4096);
        table.others_write(1, superblock);
    }),
    ("somebody made a physical volume", |table| table.others_write(1, label())),
    ("the kernel counted an event", |table| {
        let mut page = table.disks.read(1, Bytes(4096), 512);
        page.data[200..208].copy_from_slice(&1_u64.to_le_bytes());
        table.disks.0[1].write(&page);
    }),
    ("somebody assembled the array", |table| table.busy = true),
    ("a disk was detached", |table| table.gone = true),
    ("another disk is in its place", |table| {
        table.diskseq = 99;
        table.disks.0[0] = Disks::new().0.remove(0);
        let blank = table.disks.read(0, Bytes(0), 1 << 20);
        table.theirs.push((0, blank));
    }),
    ("the archive was emptied", |table| table.entries.clear()),
    ("somebody wrote to it in another way", |table| {
        let text = Write { at: Bytes(4096), data: vec![7; 4096] };
        table.others_write(1, text);
    }),
];
