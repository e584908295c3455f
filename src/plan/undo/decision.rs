//! What of an entry is put back, look by look.

use std::path::PathBuf;

use superblock::{Bytes, Write, foreign::Kind};

use super::{
    DeviceTrust, Present, find, later,
    moved_on::{Around, around},
    plan,
};
use crate::{
    archive::{About, Entry, EntryId, Identity, Print, Shelf, data_changed, prints},
    model::{
        Unusable,
        archive::{Found, Spot},
        volume::Groups,
    },
    plan::{
        Plan, Refusal,
        course::{Look, Said, Unseen, View},
    },
};

/// On the way to a plan.
#[derive(Debug)]
pub(super) struct Decision {
    shelf: Shelf,
    about: About,
    file: PathBuf,
    known: Vec<Identity>,
    trust: DeviceTrust,
    stage: Stage,
    entry: Option<Entry>,
    present: Vec<Present>,
    /// What blocks of each hold now, and which were read.
    blocks: Vec<(Vec<Print>, Vec<Bytes>)>,
    /// What other devices say of arrays.
    around: Around,
    /// Some of its devices are not here.
    lacks: bool,
    /// What is to be said of it so far.
    pub(super) said: Vec<Said>,
}

/// What is looked at.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Entry,
    Here,
    Present,
    Groups,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Way {
    /// One look more.
    Look(Look),
    /// It is decided.
    Decided(Result<Plan, Refusal>),
}

impl Decision {
    /// Begins with one entry of the archive.
    ///
    /// # Errors
    /// There is none such.
    pub(super) fn begin(shelf: Shelf, id: &EntryId, trust: DeviceTrust) -> Result<Self, Refusal> {
        let shelved = shelf.entries.iter().find(|shelved| shelved.about.id == *id);
        let shelved = shelved.ok_or_else(|| Refusal::new("the entry is gone"))?.clone();
        Ok(Self {
            shelf,
            about: shelved.about,
            file: shelved.path,
            known: shelved.devices,
            trust,
            stage: Stage::Entry,
            entry: None,
            present: Vec::new(),
            blocks: Vec::new(),
            around: Around::new(),
            lacks: true,
            said: Vec::new(),
        })
    }

    /// The first look.
    pub(super) fn look(&self) -> Look {
        Look::Entry { file: self.file.clone() }
    }

    /// Goes on with what was seen.
    ///
    /// # Errors
    /// Something else was seen than was asked for.
    pub(super) fn next(&mut self, view: View) -> Result<Way, Unseen> {
        let way = match self.stage {
            Stage::Entry => self.read(view.entry()?),
            Stage::Here => self.find(&view.here()?),
            Stage::Present => self.see(view.present()?),
            Stage::Groups => Ok(self.in_groups(&*view.groups()?)),
        };
        Ok(way.unwrap_or_else(|refusal| Way::Decided(Err(refusal))))
    }

    fn read(&mut self, entry: Result<Box<Entry>, String>) -> Result<Way, Refusal> {
        let entry = entry.map_err(|why| Refusal::new(format!("{}: {why}", self.file.display())))?;
        self.entry = Some(*entry);
        self.stage = Stage::Here;
        Ok(Way::Look(Look::Here { known: self.known.clone() }))
    }

    fn find(&mut self, here: &[Identity]) -> Result<Way, Refusal> {
        let Some(entry) = &mut self.entry else { return Err(Refusal::new("the entry is gone")) };
        let earlier = self.shelf.entries.iter().filter(|other| other.about.order() <= self.about.order());
        let before: Vec<&Identity> = earlier.flat_map(|other| &other.devices).collect();
        let found = find(entry, (here, &before), self.trust)?;
        let places: Vec<usize> = found.places.iter().map(|(_, at)| *at).collect();
        self.around = around(here, &places);
        self.lacks = !found.left_out.is_empty();
        self.said.extend(found.left_out.iter().map(Said::warn));
        let mut spots = Vec::new();
        entry.devices.clear();
        self.blocks.clear();
        for (kept, at) in found.places {
            let range =
                |piece: &Write| (piece.at, Bytes(u64::try_from(piece.data.len()).unwrap_or(u64::MAX)));
            let path = here.get(at).map(|it| it.path.clone()).unwrap_or_default();
            let prints = here.get(at).map(|it| it.prints.clone()).unwrap_or_default();
            self.blocks.push((prints, prints::of_size(&self.known, kept.device.size)));
            spots.push(Spot { path, kept: kept.before.iter().map(range).collect() });
            entry.devices.push(kept);
        }
        self.stage = Stage::Present;
        Ok(Way::Look(Look::Present { spots }))
    }

    fn see(&mut self, found: Vec<Found>) -> Result<Way, Refusal> {
        for (path, found) in found {
            self.present.push(found.map_err(|why| Refusal::new(unusable(&path, why)))?);
        }
        let kept = self.entry.iter().flat_map(|entry| &entry.devices);
        for ((one, kept), (prints, read)) in self.present.iter_mut().zip(kept).zip(&self.blocks) {
            let now = (one.device.probe.found.as_slice(), prints.as_slice());
            one.changed = data_changed(kept, now, |at| read.contains(&Bytes(at)));
            let same = kept.device.prints.iter().filter(|print| prints.contains(print));
            one.unchanged = same.map(|print| Bytes(print.at)).collect();
        }
        let is_volume =
            |present: &Present| present.device.foreign.iter().any(|found| found.kind == Kind::Lvm2);
        if self.about.group.is_some() || self.present.iter().any(is_volume) {
            self.stage = Stage::Groups;
            return Ok(Way::Look(Look::Groups));
        }
        Ok(self.decide())
    }

    fn in_groups(&mut self, groups: &Groups) -> Way {
        for one in &mut self.present {
            let group = groups.on(one.device.id).and_then(|(found, _)| found).map(|found| &found.group);
            one.group = group.map(|group| (group.name.clone(), group.id.to_string(), group.seqno));
        }
        self.decide()
    }

    /// Whether nothing of what the entry is about came about: it was not put back either, and all that it kept was looked at.
    pub(super) fn never_came_about(&self) -> bool {
        let undone =
            self.shelf.entries.iter().any(|other| other.about.undoes.as_ref() == Some(&self.about.id));
        !self.lacks && !undone
    }

    fn decide(&self) -> Way {
        let entries = self.shelf.entries.iter();
        let all: Vec<(&About, &[Identity])> =
            entries.map(|other| (&other.about, other.devices.as_slice())).collect();
        let mut later = later(&self.about, &self.known, &all);
        if self.trust == DeviceTrust::Unbroken {
            // What put it back before may have been killed at that: what the devices hold says how far it came.
            later.retain(|other| other.undoes.as_ref() != Some(&self.about.id));
        }
        let gone = || Refusal::new("the entry is gone");
        let decided = self.entry.as_ref().ok_or_else(gone);
        Way::Decided(decided.and_then(|entry| plan(entry, &self.present, &later, (self.trust, &self.around))))
    }
}

fn unusable(path: &str, why: Unusable) -> String {
    match why {
        Unusable::Open(why) => format!("{path}: {why}"),
        Unusable::NotBlock => format!("{path} is not a block device"),
        Unusable::Broken(why) | Unusable::Silent(why) => why,
    }
}
