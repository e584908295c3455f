//! What windows decide, played on members in memory: a kernel that writes as far as it may, a process that looks and acts, users who
//! write, and a power cut anywhere. After each cut every sector is what was written to it last, and in the end the array has its shape.

use raid::{Reshape, Stripes, reshape::Way};
use superblock::{
    Level, Sectors,
    backup::{Backup, Part},
};

use super::windows::{self, Next};
use crate::{
    model::{
        Geometry,
        grow::{WindowNote, WindowSight},
    },
    plan::{ArrayName, MdStep, Step, assemble::resume::covering, window::WindowStep},
    words::ArrayAttr,
};

/// Numbers that look like chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most.max(1)
    }

    fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }
}

/// What outlives a power cut.
#[derive(Clone)]
struct Disks {
    /// By slot and sector: whose data, and which version of it.
    cells: Vec<Vec<u64>>,
    /// How far the reshape is by the superblocks; `None`: over.
    at: Option<u64>,
    backup: Backup,
    /// What is set aside, by part.
    aside: [Vec<u64>; 2],
}

struct Machine {
    reshape: Reshape,
    /// Where data begins on each member, before and after.
    bases: (u64, u64),
    note: WindowNote,
    disks: Disks,
    /// What was written to each sector last.
    truth: Vec<u64>,
    versions: u64,
    /// What the kernel knows.
    live: u64,
    sync_max: Option<u64>,
    held: (u64, u64),
}

fn stripes(shape: Geometry) -> Stripes {
    Stripes::new(shape, &[]).expect("a shape")
}

impl Machine {
    fn new(reshape: Reshape, length: u64, shift: u64, up: bool) -> Self {
        let (before, width) = reshape.widths().expect("widths");
        let course = reshape.course().expect("a course");
        let size = reshape.size().expect("a size").0.min(reshape.before.array_size().expect("a size").0);
        let (critical, unit) =
            (reshape.critical().expect("numbers").0, reshape.window_unit().expect("a unit").0);
        let backwards = if shift > 0 { up } else { course == Way::Gathers };
        let length = if course == Way::Gathers { critical } else { length * unit };
        let chunks = Reshape::common_multiple(reshape.before.chunk, reshape.after.chunk).expect("chunks").0;
        let note = WindowNote {
            store: if shift > 0 { String::new() } else { "/store".to_owned() },
            at: 0,
            length: if shift > 0 { chunks * width } else { length.min(critical) },
            until: critical,
            width,
            size: reshape.size().expect("a size").0,
            backwards,
            before: if shift > 0 { before } else { 0 },
            shift,
        };
        let bases = if up { (0, shift) } else { (shift, 0) };
        let slots = usize::try_from(reshape.before.raid_disks.max(reshape.after.raid_disks)).expect("few");
        let room = usize::try_from(reshape.before.component_size.0 + shift).expect("small");
        let backup = Backup {
            uuid: [0; 16],
            written: 0,
            at: Sectors(8),
            second: Sectors(length),
            parts: [Part::default(); 2],
        };
        let start = if backwards { note.size } else { 0 };
        let disks = Disks {
            cells: vec![vec![0; room]; slots],
            at: Some(start),
            backup,
            aside: [Vec::new(), Vec::new()],
        };
        let truth: Vec<u64> = (0..size).map(|sector| sector + 1).collect();
        let mut machine = Self {
            reshape,
            bases,
            note,
            disks,
            versions: size + 1,
            truth,
            live: start,
            sync_max: Some(0),
            held: (0, 0),
        };
        machine.fill();
        machine.sync_max = match machine.note.store.is_empty() {
            true => {
                windows::reach(&machine.note, Sectors(start)).map(|to| windows::stop_at(&machine.note, to).0)
            }
            false if course == Way::Gathers => {
                Some(windows::stop_at(&machine.note, Sectors(machine.note.until)).0)
            }
            false => Some(0),
        };
        machine
    }

    fn fill(&mut self) {
        for (sector, value) in (0..).zip(self.truth.clone()) {
            let (slot, cell) = self.place(sector, false);
            self.disks.cells[slot][cell] = value;
        }
    }

    /// Where a sector of the array is, in the new shape or in the old one.
    fn place(&self, sector: u64, new: bool) -> (usize, usize) {
        let (shape, base) =
            if new { (self.reshape.after, self.bases.1) } else { (self.reshape.before, self.bases.0) };
        let place = stripes(shape).at(sector).expect("a place").place;
        (place.slot, usize::try_from(base + place.sector).expect("small"))
    }

    fn is_new(&self, sector: u64) -> bool {
        let Some(_) = self.disks.at else { return true };
        if self.note.backwards { sector >= self.live } else { sector < self.live }
    }

    fn read(&self, sector: u64) -> u64 {
        let (slot, cell) = self.place(sector, self.is_new(sector));
        self.disks.cells[slot][cell]
    }

    /// How far the kernel may go.
    fn limit(&self) -> u64 {
        let way = self.sync_max.map_or(u64::MAX, |max| max.saturating_mul(self.note.width));
        if self.note.backwards { self.note.size.saturating_sub(way) } else { way.min(self.note.size) }
    }

    /// It lays one step out, whole or in part; `false` where it stands.
    fn kernel(&mut self, torn: Option<&mut Chance>) -> bool {
        let step = self.reshape.before.chunk.0.max(self.reshape.after.chunk.0) * self.note.width;
        let (limit, size) = (self.limit(), self.note.size);
        let stands = if self.note.backwards { self.live <= limit } else { self.live >= limit };
        if self.disks.at.is_none() || stands {
            self.record();
            return false;
        }
        let (from, to) = match self.note.backwards {
            true => (self.live.saturating_sub(step).max(limit), self.live),
            false => (self.live, (self.live + step).min(limit)),
        };
        let known = u64::try_from(self.truth.len()).expect("small");
        let sectors: Vec<u64> = (from..to.min(known)).collect();
        let data: Vec<u64> = sectors.iter().map(|sector| self.read(*sector)).collect();
        let places: Vec<_> = sectors.iter().map(|sector| self.place(*sector, true)).collect();
        if self.helps_itself() && self.would_lose(&sectors) {
            self.record();
        }
        match torn {
            Some(chance) => {
                for ((slot, cell), value) in places.iter().zip(&data) {
                    if chance.one_in(2) {
                        self.disks.cells[*slot][*cell] = *value;
                    }
                }
            }
            None => {
                for ((slot, cell), value) in places.iter().zip(&data) {
                    self.disks.cells[*slot][*cell] = *value;
                }
                self.live = if self.note.backwards { from } else { to };
                if self.live == if self.note.backwards { 0 } else { size } {
                    self.disks.at = None;
                }
            }
        }
        true
    }

    /// Where old and new places are far apart, md writes down how far it is before it writes over what it would need again.
    fn helps_itself(&self) -> bool {
        let far = self.live >= self.note.until;
        far && self.reshape.course() != Some(Way::InPlace)
    }

    /// It does not count with the distance by which data moves.
    fn would_lose(&self, sectors: &[u64]) -> bool {
        let there = |sector: u64, shape| {
            let place = stripes(shape).at(sector).expect("a place").place;
            (place.slot, place.sector)
        };
        let places: Vec<_> = sectors.iter().map(|sector| there(*sector, self.reshape.after)).collect();
        let at = self.disks.at.unwrap_or(0);
        let (from, to) = if self.note.backwards { (self.live, at) } else { (at, self.live) };
        let known = u64::try_from(self.truth.len()).expect("small");
        (from..to.min(known))
            .map(|sector| there(sector, self.reshape.before))
            .any(|old| places.contains(&old))
    }

    fn record(&mut self) {
        if self.disks.at.is_some() {
            self.disks.at = Some(self.live);
        }
    }

    /// A user's write.
    fn write(&mut self, chance: &mut Chance) {
        let sector = chance.below(u64::try_from(self.truth.len()).expect("small"));
        if (self.held.0..self.held.1).contains(&sector) {
            return;
        }
        // Behind what is written down, md waits until it is.
        let recorded = self.disks.at.unwrap_or(self.live);
        let (low, high) = (recorded.min(self.live), recorded.max(self.live));
        if (low..high).contains(&sector) {
            self.record();
        }
        self.versions += 1;
        self.truth[usize::try_from(sector).expect("small")] = self.versions;
        let (slot, cell) = self.place(sector, self.is_new(sector));
        self.disks.cells[slot][cell] = self.versions;
    }

    /// One look and what comes of it; `up_to` steps of it are carried out. Whether nothing more comes.
    fn act(&mut self, ends: bool, up_to: u64) -> bool {
        let sight = WindowSight {
            kernel: "md0".to_owned(),
            action: None,
            state: None,
            position: self.disks.at.map(Sectors),
            sync_max: self.sync_max.map(Sectors),
            held: (Sectors(self.held.0), Sectors(self.held.1)),
            backup: Ok(self.disks.backup),
            now: 1,
        };
        let array = ArrayName { kernel: "md0".to_owned(), path: "/dev/md0".to_owned() };
        let next = match (self.note.store.is_empty(), ends) {
            (true, _) => windows::step(&self.note, &sight, &array),
            (false, true) => windows::ending(&self.note, &sight, &self.disks.backup, &array),
            (false, false) => windows::next(&self.note, &sight, &self.disks.backup, &array),
        };
        match next {
            Next::Do(_, steps) => {
                for step in steps.iter().take(usize::try_from(up_to).expect("few")) {
                    self.carry_out(step, up_to > 8);
                }
                false
            }
            Next::Wait => false,
            Next::Over => true,
        }
    }

    fn carry_out(&mut self, step: &Step, whole: bool) {
        match step {
            Step::Md(MdStep::SetAttr { attr: ArrayAttr::SyncMax, value, .. }) => {
                self.sync_max = value.parse().ok();
            }
            Step::Window(step) => match &**step {
                WindowStep::Hold { range, .. } => self.held = (range.0.0, range.1.0),
                WindowStep::Say { backup, .. } => self.disks.backup = *backup,
                WindowStep::Save { part, backup, .. } => {
                    let parts = backup.parts.iter().filter(|part| !part.is_empty());
                    let start = parts.clone().map(|part| part.start.0).min().expect("a part");
                    let end = parts.map(|part| part.end().0).max().expect("a part");
                    self.held = (start, end);
                    let saved = backup.parts[*part];
                    let known = u64::try_from(self.truth.len()).expect("small");
                    let data = (saved.start.0..saved.end().0.min(known)).map(|sector| self.read(sector));
                    let data: Vec<u64> = data.collect();
                    self.disks.aside[*part] = data;
                    if whole {
                        self.disks.backup = *backup;
                    }
                }
                other => panic!("{other}"),
            },
            other => panic!("{other}"),
        }
    }

    /// The machine starts again: what was set aside goes back.
    fn starts_again(&mut self) {
        self.held = (0, 0);
        let Some(at) = self.disks.at else { return };
        self.live = at;
        let (parts, to) = match self.note.store.is_empty() {
            true => (Vec::new(), Sectors(at)),
            false => covering(&self.disks.backup.parts, Sectors(at), self.note.backwards),
        };
        for (nth, part) in parts {
            for (sector, value) in (part.start.0..).zip(self.disks.aside[nth].clone()) {
                let (slot, cell) = self.place(sector, true);
                self.disks.cells[slot][cell] = value;
            }
        }
        self.live = to.0;
        self.disks.at = Some(to.0).filter(|to| *to != if self.note.backwards { 0 } else { self.note.size });
        let stands = match (self.note.backwards, self.reshape.course()) {
            _ if self.note.store.is_empty() => {
                let reach = windows::reach(&self.note, to);
                self.sync_max = reach.map(|to| windows::stop_at(&self.note, to).0);
                return;
            }
            (true, Some(Way::Gathers)) => to.max(Sectors(self.note.until)),
            _ => to,
        };
        self.sync_max = Some(windows::stop_at(&self.note, stands).0);
    }

    #[track_caller]
    fn is_sound(&self, what: &str) {
        for (sector, truth) in (0u64..).zip(&self.truth) {
            assert_eq!(
                self.read(sector),
                *truth,
                "{what}: sector {sector}, {:?} at {:?}",
                self.note,
                self.disks.at
            );
        }
    }

    /// The same the other way, from where nothing is set aside.
    fn turned(&mut self) {
        let Reshape { before, after } = self.reshape;
        let reshape = Reshape { before: after, after: before };
        let critical = reshape.critical().expect("numbers").0;
        let course = reshape.course().expect("a course");
        self.bases = (self.bases.1, self.bases.0);
        let length = match course {
            Way::Gathers => critical,
            Way::Spreads | Way::InPlace => {
                let unit = reshape.window_unit().expect("a unit").0;
                (self.note.length / unit).max(1) * unit
            }
        };
        self.note = WindowNote {
            length,
            until: critical,
            width: reshape.widths().expect("widths").1,
            size: reshape.size().expect("a size").0,
            backwards: !self.note.backwards,
            ..self.note.clone()
        };
        self.reshape = reshape;
        self.starts_again();
    }
}

fn shape(level: Level, raid_disks: u32, layout: u32, chunk: u64, component: u64) -> Geometry {
    Geometry { level, layout, chunk: Sectors(chunk), raid_disks, component_size: Sectors(component) }
}

fn roads() -> Vec<(Geometry, Geometry)> {
    let (five, six) = (Level::Raid5, Level::Raid6);
    vec![
        (shape(five, 3, 2, 8, 96), shape(five, 3, 2, 16, 96)),
        (shape(five, 3, 2, 16, 96), shape(five, 3, 0, 8, 96)),
        (shape(six, 4, 2, 8, 96), shape(six, 4, 18, 8, 96)),
        (shape(five, 3, 2, 8, 192), shape(five, 4, 2, 8, 192)),
        (shape(five, 3, 5, 8, 192), shape(five, 5, 2, 16, 192)),
        (shape(five, 4, 2, 8, 192), shape(five, 3, 2, 8, 192)),
        (shape(six, 6, 2, 8, 192), shape(six, 4, 2, 16, 192)),
    ]
}

/// One life of an array, with cuts; it may be turned round once.
fn live(mut machine: Machine, seed: u64, turns: bool) {
    let mut chance = Chance(seed);
    let (mut cuts, mut turned) = (0, !turns);
    for moment in 0..20_000 {
        let what = format!("seed {seed}, moment {moment}");
        match chance.below(8) {
            0..=2 => drop(machine.kernel(None)),
            3 if chance.one_in(2) => machine.record(),
            3 | 4 => machine.write(&mut chance),
            _ if machine.act(false, u64::MAX) && machine.disks.at.is_none() => {
                machine.is_sound(&what);
                assert_eq!(machine.held, (0, 0), "{what}");
                return;
            }
            _ => {}
        }
        if chance.one_in(12) && cuts < 30 {
            cuts += 1;
            match chance.below(3) {
                0 => drop(machine.kernel(Some(&mut chance))),
                1 => drop(machine.act(false, chance.below(3))),
                _ => {}
            }
            machine.starts_again();
            machine.is_sound(&what);
        }
        if !turned && chance.one_in(20) && machine.disks.at.is_some() {
            turned = true;
            while !machine.disks.backup.parts.iter().all(Part::is_empty) || machine.held != (0, 0) {
                machine.act(true, u64::MAX);
                machine.kernel(None);
            }
            let unit = machine.reshape.window_unit().expect("a unit").0;
            machine.record();
            if machine.disks.at.is_some_and(|at| at % unit == 0) {
                machine.turned();
                machine.is_sound(&what);
            }
        }
    }
    panic!(
        "seed {seed}: it never ends: {:?} at {:?}, {:?}",
        machine.note, machine.disks.at, machine.sync_max
    );
}

#[test]
fn what_is_set_aside_saves_every_sector() {
    for (before, after) in roads() {
        for length in [1, 2, 3] {
            for seed in 0..40 {
                live(Machine::new(Reshape { before, after }, length, 0, false), seed, false);
            }
        }
    }
}

#[test]
fn a_reshape_that_is_turned_round_loses_nothing() {
    for (before, after) in roads() {
        for seed in 0..60 {
            live(Machine::new(Reshape { before, after }, 1 + seed % 3, 0, false), seed, true);
        }
    }
}

#[test]
fn where_data_moves_every_cut_can_begin_again() {
    for (before, after) in roads() {
        let reshape = Reshape { before, after };
        let least = reshape.least_shift().expect("a shift").0;
        let ways: &[bool] = match reshape.course() {
            Some(Way::Spreads) => &[false],
            Some(Way::Gathers) => &[true],
            _ => &[false, true],
        };
        for up in ways {
            for (seed, shift) in
                (0..40).flat_map(|seed| [(seed, least), (seed, least + 8), (seed, least * 3)])
            {
                live(Machine::new(reshape, 1, shift, *up), seed, false);
            }
        }
    }
}
