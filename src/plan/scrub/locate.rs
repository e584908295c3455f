//! Where the members of an array do not agree, as a course: it reads and writes nothing.
//!
//! The array runs and may be written to. What differs is read again when all has been read, and is a finding when three readings, a
//! second apart and more, show the same bytes on each member: what was on its way has arrived by then, and what is written to all
//! the time changes.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use superblock::{Bytes, Level, Sectors};

use super::ready::degraded;
use crate::{
    model::{
        order::InOrder as _,
        raw::{DifferencesSeen, Differing, NotRaw, RawArray, StripeRange},
        scrub::{Located, LocatedPlace, LocatedUnread, Piece, ScrubArray, ScrubSight, spots},
        view::View,
    },
    plan::{
        Refusal,
        course::{Bar, Course, Event, Look, Said, Then, Turn, Unseen, Wait, Woke},
    },
    words::SyncKind,
};

/// What is read of all members together at a time.
const AT_ONCE: u64 = 32 << 20;
/// The most of one member.
const MOST_OF_ONE: u64 = 4 << 20;
/// More pages than this are not kept: they are as good as everywhere.
const MOST_FOUND: usize = 16 << 10;
/// The longest range that is read again at a time.
const MOST_AGAIN: Sectors = Sectors(4096);
/// So many readings of the same bytes make a finding.
const READINGS: u32 = 3;
/// A page that changes with each reading is given up after this many.
const MOST_READINGS: u32 = 8;
/// Before what differs is read again. A disk may take a while for what others have already.
const A_MOMENT: Duration = Duration::from_secs(1);
/// Exit status of a failure.
const FAILED: u8 = 1;
/// Exit status where the user ended it.
const INTERRUPTED: u8 = 130;

/// The levels that have anything to compare.
const LEVELS: &[Level] = &[Level::Raid1, Level::Raid4, Level::Raid5, Level::Raid6, Level::Raid10];

/// The course.
pub struct Locate {
    words: Vec<String>,
    stage: Stage,
    left: VecDeque<ScrubArray>,
    current: Option<Current>,
    located: Vec<Located>,
    interrupted: bool,
    status: u8,
    say: Vec<Said>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Arrays,
    Array,
    Reading,
    Again,
    Contents,
}

/// The array at work.
struct Current {
    array: Box<RawArray>,
    next: u64,
    /// Where the range begins that was read last.
    last: u64,
    /// What differed in this turn, and how many readings showed the same bytes.
    found: Vec<(Differing, u32)>,
    /// The same of the turn before, by where it begins: the bytes' checksum, and how many readings.
    before: BTreeMap<Sectors, (u32, u32)>,
    /// What is still to be read in this turn.
    again: VecDeque<StripeRange>,
    turns: u32,
    certain: Vec<Differing>,
    more: bool,
    unread: Vec<LocatedUnread>,
}

impl Course for Locate {
    fn next(&mut self, event: Event) -> Turn {
        let turn = self.turn(event).unwrap_or_else(|unseen| self.unseen(unseen));
        turn.after(std::mem::take(&mut self.say))
    }

    fn stays(&self) -> bool {
        true
    }
}

impl Locate {
    /// Before the first look; without words, of every array.
    #[must_use]
    pub fn new(words: Vec<String>) -> Self {
        Self {
            words,
            stage: Stage::Arrays,
            left: VecDeque::new(),
            current: None,
            located: Vec::new(),
            interrupted: false,
            status: 0,
            say: Vec::new(),
        }
    }

    /// What came of each array.
    #[must_use]
    pub fn located(self) -> Vec<Located> {
        self.located
    }

    fn turn(&mut self, event: Event) -> Result<Turn, Unseen> {
        Ok(match (self.stage, event) {
            (_, Event::Begin) => Turn::look(Look::Scrub { words: self.words.clone() }),
            (_, Event::Unseen(unseen)) => return Err(unseen),
            (Stage::Arrays, Event::Seen(view)) => self.arrays(*view.scrub()?),
            (Stage::Array, Event::Seen(view)) => self.array(view.raw_array()?),
            (Stage::Reading, Event::Seen(view)) => self.read(*view.differences()?),
            (Stage::Again, Event::Seen(view)) => self.read_again(*view.differences()?),
            (Stage::Contents, Event::Seen(view)) => self.contents(view)?,
            (_, Event::Woke(woke)) => {
                self.interrupted |= woke == Woke::Interrupted;
                if self.interrupted { self.wind_up() } else { self.on() }
            }
            (_, Event::Done(_) | Event::Answered(_)) => self.on(),
        })
    }

    /// One array that fails does not take the others away.
    fn unseen(&mut self, unseen: Unseen) -> Turn {
        if self.stage == Stage::Arrays {
            return Turn::refuse(Refusal::new(unseen.text));
        }
        self.say.push(Said::error(unseen.text));
        self.status = FAILED;
        match self.stage {
            Stage::Reading | Stage::Again => {
                if let Some(current) = self.current.as_mut().filter(|_| self.stage == Stage::Reading) {
                    current.next = current.last;
                }
                self.wind_up()
            }
            Stage::Contents => self.end_of_array(&[]),
            Stage::Arrays | Stage::Array => {
                self.current = None;
                self.next_array()
            }
        }
    }

    fn arrays(&mut self, sight: ScrubSight) -> Turn {
        for word in &sight.absent {
            self.say.push(Said::error(format!("{word}: there is no such array in the kernel")));
            self.status = FAILED;
        }
        for array in sight.arrays {
            match left_out(&array) {
                None => self.left.push_back(array),
                Some(why) => {
                    let text = format!("{} is left out: {why}", array.status.shown());
                    let is_named = !self.words.is_empty();
                    self.say.push(if is_named { Said::error(text) } else { Said::note(text) });
                    self.status = if is_named { FAILED } else { self.status };
                }
            }
        }
        self.next_array()
    }

    fn next_array(&mut self) -> Turn {
        match self.left.front().filter(|_| !self.interrupted) {
            Some(array) => {
                self.stage = Stage::Array;
                let path = format!("/dev/{}", array.status.kernel_name);
                Turn::look(Look::RawArray { path, levels: LEVELS })
            }
            None => Turn::end(if self.interrupted { INTERRUPTED } else { self.status }),
        }
    }

    fn array(&mut self, seen: Result<Box<RawArray>, NotRaw>) -> Turn {
        let Some(array) = self.left.pop_front() else { return self.next_array() };
        let shown = array.status.shown();
        let why = match seen {
            Ok(raw) => match busy(&raw) {
                None => {
                    let raw = Box::new(RawArray { path: shown, ..*raw });
                    return self.begin(raw);
                }
                Some(why) => why,
            },
            Err(NotRaw::NoDevice(why) | NotRaw::Shape(why)) => why,
            Err(NotRaw::OtherLevel) => "it has no redundancy, or does not run".to_owned(),
            Err(NotRaw::Degraded) => "it is degraded: nothing is left to compare with".to_owned(),
        };
        self.say.push(Said::error(format!("{shown} is left out: {why}")));
        self.status = FAILED;
        self.next_array()
    }

    fn begin(&mut self, array: Box<RawArray>) -> Turn {
        self.current = Some(Current {
            array,
            next: 0,
            last: 0,
            found: Vec::new(),
            before: BTreeMap::new(),
            again: VecDeque::new(),
            turns: 0,
            certain: Vec::new(),
            more: false,
            unread: Vec::new(),
        });
        self.stage = Stage::Reading;
        self.on()
    }

    /// The next range; when all has been read, what differed once more.
    fn on(&mut self) -> Turn {
        let Some(current) = &mut self.current else { return self.next_array() };
        let length = current.array.length().0;
        if self.stage == Stage::Reading && current.next < length && !current.more {
            let step = at_once(&current.array).min(length - current.next);
            let range = StripeRange { from: Sectors(current.next), length: Sectors(step) };
            current.last = current.next;
            current.next = current.next.saturating_add(step);
            return Turn::look(Look::Differences { array: current.array.clone(), range });
        }
        self.stage = Stage::Again;
        if let Some(range) = current.again.pop_front() {
            return Turn::look(Look::Differences { array: current.array.clone(), range });
        }
        if current.turn_over() {
            return Then::Wait(Wait { on: Vec::new(), most: A_MOMENT, bar: None }).into();
        }
        self.wind_up()
    }

    /// What is there, where anything was found.
    fn wind_up(&mut self) -> Turn {
        let Some(current) = &mut self.current else { return self.next_array() };
        if current.certain.is_empty() {
            return self.end_of_array(&[]);
        }
        self.stage = Stage::Contents;
        let (array, path) = (current.array.kernel.clone(), current.array.path.clone());
        Turn::look(Look::Contents { array, path })
    }

    fn read(&mut self, seen: DifferencesSeen) -> Turn {
        let Some(current) = &mut self.current else { return self.next_array() };
        current.keep(seen);
        let total = current.array.length().bytes().0;
        let done = Sectors(current.next).bytes().0;
        let bar = Bar { what: format!("compare {}", current.array.path), done, total };
        Then::Wait(Wait { on: Vec::new(), most: Duration::ZERO, bar: Some(bar) }).into()
    }

    fn read_again(&mut self, seen: DifferencesSeen) -> Turn {
        if let Some(current) = &mut self.current {
            current.keep(seen);
        }
        self.on()
    }

    fn contents(&mut self, view: View) -> Result<Turn, Unseen> {
        let pieces = view.contents()?;
        Ok(self.end_of_array(&pieces))
    }

    fn end_of_array(&mut self, pieces: &[Piece]) -> Turn {
        if let Some(current) = self.current.take() {
            // A page that changes all the time is not a failure.
            if current.unread.iter().any(|unread| unread.member.is_some()) {
                self.status = FAILED;
            }
            self.located.push(current.located(pieces));
        }
        self.next_array()
    }
}

impl Current {
    fn keep(&mut self, seen: DifferencesSeen) {
        for one in seen.found {
            let readings = match self.before.get(&one.at.from) {
                Some((sum, readings)) if *sum == one.sum => readings.saturating_add(1),
                _ => 1,
            };
            if readings >= READINGS {
                self.certain.push(one);
            } else if self.found.len() < MOST_FOUND {
                self.found.push((one, readings));
            } else {
                self.more = true;
            }
        }
        for (range, slot, why) in seen.unread {
            let unread =
                LocatedUnread { from: range.from, length: range.length, member: Some(self.path(slot)), why };
            self.add_unread(unread);
        }
    }

    /// Adjacent places are joined, and each is reported once.
    fn add_unread(&mut self, one: LocatedUnread) {
        let end = |of: &LocatedUnread| of.from.saturating_add(of.length);
        let is_known = |of: &LocatedUnread| of.from <= one.from && end(&one) <= end(of);
        if self.unread.iter().any(is_known) {
            return;
        }
        let has_room = self.unread.len() < MOST_FOUND;
        match self.unread.last_mut() {
            Some(last) if end(last) == one.from && last.member == one.member && last.why == one.why => {
                last.length = last.length.saturating_add(one.length);
            }
            _ if has_room => self.unread.push(one),
            _ => self.more = true,
        }
    }

    /// What is left in doubt is to be read again; `false`: nothing is.
    fn turn_over(&mut self) -> bool {
        let found = std::mem::take(&mut self.found);
        self.turns += 1;
        if self.turns >= MOST_READINGS {
            for (one, _) in found {
                let why = "it is written to all the time".to_owned();
                self.add_unread(LocatedUnread {
                    from: one.at.from,
                    length: one.at.length,
                    member: None,
                    why,
                });
            }
            return false;
        }
        self.again.clear();
        for (one, _) in &found {
            match self.again.back_mut() {
                Some(last)
                    if last.length < MOST_AGAIN && last.from.saturating_add(last.length) == one.at.from =>
                {
                    last.length = last.length.saturating_add(one.at.length);
                }
                _ => self.again.push_back(one.at),
            }
        }
        self.before = found.into_iter().map(|(one, readings)| (one.at.from, (one.sum, readings))).collect();
        !self.again.is_empty()
    }

    fn path(&self, slot: usize) -> String {
        self.array.members.get(slot).map(|member| member.path.clone()).unwrap_or_default()
    }

    fn located(self, pieces: &[Piece]) -> Located {
        let place = |one: &Differing| LocatedPlace {
            length: one.at.length,
            spots: one.sectors.iter().flat_map(|range| spots(pieces, *range)).collect(),
            odd: one.odd.iter().map(|slot| self.path(*slot)).collect(),
        };
        // Where it was ended in the midst of that.
        let waits =
            self.found.iter().map(|(one, _)| one.at.length.0).chain(self.again.iter().map(|at| at.length.0));
        let doubtful = waits.fold(0, u64::saturating_add);
        let mut found: Vec<Differing> = Vec::new();
        let mut certain = self.certain.clone();
        certain.order_by_key(|one| one.at.from);
        for one in &certain {
            match found.last_mut() {
                Some(last) if goes_on(last, one) => join(last, one),
                _ => found.push(one.clone()),
            }
        }
        Located {
            places: found.iter().map(place).collect(),
            array: self.array.path.clone(),
            kernel: self.array.kernel.clone(),
            level: self.array.geometry.level,
            compared: Sectors(self.next.min(self.array.length().0)),
            length: self.array.length(),
            more: self.more,
            doubtful: Sectors(doubtful),
            unread: self.unread,
        }
    }
}

/// Whether a place is where the one before it ends, in the same chunk.
fn goes_on(last: &Differing, one: &Differing) -> bool {
    let follows = |(start, length): &(Sectors, Sectors), next: &(Sectors, Sectors)| {
        start.0.saturating_add(length.0) == next.0.0
    };
    let both = || last.sectors.iter().zip(&one.sectors);
    last.odd == one.odd
        && last.at.from.0.saturating_add(last.at.length.0) == one.at.from.0
        && last.sectors.len() == one.sectors.len()
        && both().all(|(before, after)| follows(before, after))
}

fn join(last: &mut Differing, one: &Differing) {
    last.at.length = last.at.length.saturating_add(one.at.length);
    for ((_, length), (_, more)) in last.sectors.iter_mut().zip(&one.sectors) {
        *length = length.saturating_add(*more);
    }
}

fn left_out(array: &ScrubArray) -> Option<String> {
    if !array.status.is_running() {
        return Some("it does not run".to_owned());
    }
    if !array.has_redundancy() {
        return Some("it has no redundancy: there is nothing to compare".to_owned());
    }
    degraded(array).map(|_| "it is degraded: nothing is left to compare with".to_owned())
}

/// What is being made or moved differs as long as that goes on.
fn busy(array: &RawArray) -> Option<String> {
    match array.syncing {
        Some(SyncKind::Check) | None if !array.unsynced => None,
        Some(SyncKind::Check) | None => {
            Some("a resync is not finished, so members differ where it was not yet".to_owned())
        }
        Some(kind) => Some(format!("a {kind} runs; mdctl wait {} waits for its end", array.path)),
    }
}

/// So much of the range at a time.
fn at_once(array: &RawArray) -> u64 {
    let members = u64::from(array.geometry.raid_disks).max(1);
    let of_each = AT_ONCE.checked_div(members).unwrap_or(AT_ONCE).min(MOST_OF_ONE);
    let most = match array.geometry.level {
        // The range is one of the array, which is spread over its members.
        Level::Raid10 => Bytes(of_each.saturating_mul(members) / 2),
        _ => Bytes(of_each),
    };
    let chunk = array.geometry.chunk.0.max(8);
    most.sectors().0.checked_div(chunk).unwrap_or(1).max(1).saturating_mul(chunk)
}

#[cfg(test)]
#[path = "locate_tests.rs"]
mod tests;
