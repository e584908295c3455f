//! `raid6check`: which member of a RAID6 array has a wrong block, stripe by stripe, as a course.
//!
//! The array runs and may be written to. So a stripe is read as it comes, and only one that does not fit is compared once more
//! while writes to it are held back ([`Mend`]): what is still the same then is a finding, and put right in the same act.

mod texts;

use std::collections::VecDeque;

use raid::{
    blame::{Blame, Syndromes, bring_back},
    stripes::Row,
};
use superblock::{Bytes, Level, Sectors, Write};

use super::{
    ArrayName, Plan, Step,
    course::{Course, Deed, Event, Look, Said, Turn, Unseen},
    mend::{Mend, MendMember},
};
use crate::{
    model::raw::{NotRaw, RawArray, StripePart, StripeRange, StripesSeen},
    request::{Raid6CheckRequest, Raid6CheckVerb},
    words::SyncKind,
};

/// What the original compares at once.
const PAGE: usize = 4096;
/// What is read of all members together at a time.
const AT_ONCE: u64 = 32 << 20;
/// The most of one member.
const MOST_OF_ONE: u64 = 4 << 20;
/// A stripe that is written to all the time is given up after so many tries.
const MOST_TRIES: u32 = 8;

/// The course.
pub struct SixCheck {
    job: Raid6CheckRequest,
    array: Option<Box<RawArray>>,
    stage: Stage,
    /// What is left to be read, in sectors of the members: from, and up to.
    left: (u64, u64),
    /// What does not fit, of what was read last.
    parts: VecDeque<StripePart>,
    tries: u32,
    status: u8,
    say: Vec<Said>,
}

/// What is waited for.
enum Stage {
    Array,
    Reading,
    /// The first part of what was found is read again, because it changed.
    Again,
    /// It is compared, and put right.
    Mending,
}

impl Course for SixCheck {
    fn next(&mut self, event: Event) -> Turn {
        let turn = self.turn(event).unwrap_or_else(|unseen| {
            self.say.push(Said::error(unseen.text));
            self.say.push(Said::error(texts::stopped(status::STRIPES)));
            Turn::end(status::STRIPES)
        });
        turn.after(std::mem::take(&mut self.say))
    }
}

/// Exit statuses, as the original has them.
pub mod status {
    /// The command line.
    pub const USAGE: u8 = 1;
    /// The array cannot be opened.
    pub const NOT_OPENED: u8 = 2;
    /// Another level.
    pub const OTHER_LEVEL: u8 = 3;
    /// A number that is none, or out of bounds.
    pub const NUMBER: u8 = 4;
    /// A stripe could not be read or written.
    pub const STRIPES: u8 = 7;
    /// A member is missing.
    pub const DEGRADED: u8 = 8;
    /// md does not tell what is needed.
    pub const SYSFS: u8 = 9;
}

impl SixCheck {
    /// Before the first look.
    #[must_use]
    pub fn new(job: Raid6CheckRequest) -> Self {
        Self {
            job,
            array: None,
            stage: Stage::Array,
            left: (0, 0),
            parts: VecDeque::new(),
            tries: 0,
            status: 0,
            say: Vec::new(),
        }
    }

    fn turn(&mut self, event: Event) -> Result<Turn, Unseen> {
        Ok(match (&self.stage, event) {
            (_, Event::Begin) => {
                Turn::look(Look::RawArray { path: self.job.array.clone(), levels: &[Level::Raid6] })
            }
            (_, Event::Unseen(unseen)) => return Err(unseen),
            (Stage::Array, Event::Seen(view)) => self.begin(view.raw_array()?),
            (Stage::Reading, Event::Seen(view)) => self.read(*view.stripes()?),
            (Stage::Again, Event::Seen(view)) => self.read_again(*view.stripes()?),
            (Stage::Mending, Event::Done(deeds)) => self.done(deeds.into_iter().next()),
            (_, Event::Seen(_) | Event::Done(_) | Event::Woke(_) | Event::Answered(_)) => self.on(),
        })
    }

    fn begin(&mut self, seen: Result<Box<RawArray>, NotRaw>) -> Turn {
        let shown = &self.job.array;
        let array = match seen {
            Ok(array) => array,
            Err(no) => {
                let (text, status) = texts::not_raw(shown, &no);
                self.say.push(Said::error(text));
                return Turn::end(status);
            }
        };
        if let Some((text, status)) = self.refused(&array) {
            self.say.push(Said::error(text));
            return Turn::end(status);
        }
        self.say.extend(texts::header(&array).into_iter().map(Said::line));
        let (count, chunk) = (array.count(), array.geometry.chunk.0);
        let (first, last) = match self.job.verb {
            Raid6CheckVerb::Check { from, count: wanted, .. } => {
                if from > count {
                    self.say.push(Said::error("start beyond disks size"));
                }
                let from = from.min(count);
                let most = count.saturating_sub(from);
                (from, from.saturating_add(if wanted == 0 { most } else { wanted.min(most) }))
            }
            Raid6CheckVerb::Repair { stripe, slots } => {
                self.say.extend(texts::repairs(&array, stripe, slots).into_iter().map(Said::line));
                (stripe, stripe.saturating_add(1))
            }
        };
        self.left = (first.saturating_mul(chunk), last.saturating_mul(chunk));
        self.array = Some(array);
        self.on()
    }

    /// Why it is not done with this array as it is.
    fn refused(&self, array: &RawArray) -> Option<(String, u8)> {
        let shown = &self.job.array;
        let writes = match self.job.verb {
            Raid6CheckVerb::Check { repair, .. } => repair,
            Raid6CheckVerb::Repair { stripe, slots } => {
                let slot_count = array.geometry.raid_disks;
                let names = ["failed_slot_1", "failed_slot_2"];
                let mut beyond = names.iter().zip(slots).filter(|(_, slot)| *slot >= slot_count);
                if let Some((name, _)) = beyond.next() {
                    let text = format!("{name} index is higher than number of devices in raid");
                    return Some((text, status::NUMBER));
                }
                if slots[0] == slots[1] {
                    return Some(("failed_slot_1 and failed_slot_2 are the same".into(), status::NUMBER));
                }
                if stripe >= array.count() {
                    let count = array.count();
                    return Some((
                        format!("{shown} has {count} stripes, and no stripe {stripe}"),
                        status::NUMBER,
                    ));
                }
                true
            }
        };
        if array.held && writes {
            let text = format!("{shown}: writes to a part of it are held back by somebody else");
            return Some((text, status::SYSFS));
        }
        match array.syncing {
            // Where parity was not made yet a block that is newer than it looks like a wrong one.
            _ if array.unsynced && writes => {
                let text = format!(
                    "{shown}: a resync is not finished: parity that was not made yet would be believed more than data; mdctl wait {shown} waits for its end"
                );
                Some((text, status::STRIPES))
            }
            Some(kind) if writes => Some((
                format!("{shown}: a {kind} runs; mdctl wait {shown} waits for its end"),
                status::STRIPES,
            )),
            Some(SyncKind::Reshape) => Some((format!("{shown}: a reshape runs"), status::STRIPES)),
            _ => None,
        }
    }

    /// The next part of what was found, else the next to be read, else the end.
    fn on(&mut self) -> Turn {
        self.tries = 0;
        if !self.parts.is_empty() {
            return self.mend();
        }
        let (from, up_to) = self.left;
        let Some(array) = self.array.clone().filter(|_| from < up_to) else { return Turn::end(self.status) };
        let length = at_once(&array).min(up_to.saturating_sub(from));
        self.left.0 = from.saturating_add(length);
        self.stage = Stage::Reading;
        let range = StripeRange { from: Sectors(from), length: Sectors(length) };
        Turn::look(Look::Stripes {
            array,
            range,
            all: matches!(self.job.verb, Raid6CheckVerb::Repair { .. }),
        })
    }

    fn read(&mut self, seen: StripesSeen) -> Turn {
        self.unread(&seen);
        self.parts = seen.parts.into();
        self.on()
    }

    fn unread(&mut self, seen: &StripesSeen) {
        let Some(array) = &self.array else { return };
        for (stripe, slot, why) in &seen.unread {
            let path = array.members.get(*slot).map_or("", |member| member.path.as_str());
            self.say.push(Said::error(format!("stripe {stripe} is left out: {path}: {why}")));
            self.status = status::STRIPES;
        }
    }

    /// A stripe that had changed: it may fit by now.
    fn read_again(&mut self, seen: StripesSeen) -> Turn {
        self.unread(&seen);
        let tries = self.tries;
        self.parts.pop_front();
        match seen.parts.into_iter().next() {
            Some(part) => {
                self.parts.push_front(part);
                self.tries = tries;
                self.mend()
            }
            None => self.on(),
        }
    }

    fn mend(&mut self) -> Turn {
        let (Some(array), Some(part)) = (&self.array, self.parts.front()) else {
            return Turn::end(self.status);
        };
        let right = self.right(array, part);
        let Some(mend) = act(array, part, right) else {
            self.parts.pop_front();
            return self.on();
        };
        let summary = match mend.writes() {
            true => format!("put stripe {} of {} right", part.stripe, array.path),
            false => format!("compare stripe {} of {}", part.stripe, array.path),
        };
        self.stage = Stage::Mending;
        let steps = vec![Step::Mend(Box::new(mend)), Step::Commit];
        Turn::carry_out(Plan { summary, steps, warnings: Vec::new() })
    }

    /// What is to be written, by slot.
    fn right(&self, array: &RawArray, part: &StripePart) -> Vec<(usize, Bytes, Vec<u8>)> {
        match self.job.verb {
            Raid6CheckVerb::Check { repair: false, .. } => Vec::new(),
            Raid6CheckVerb::Check { repair: true, .. } => {
                let back = |page: Page| {
                    let Blame::Slot(slot) = page.blame else { return None };
                    let (row, blocks) = (row(array, part.stripe)?, page.of(part));
                    let block = bring_back(&row, &blocks, &[slot])?.pop()?;
                    Some((slot, page.at(), block))
                };
                pages(array, part).into_iter().filter_map(back).collect()
            }
            Raid6CheckVerb::Repair { slots, .. } => {
                let slots = slots.map(|slot| usize::try_from(slot).unwrap_or(usize::MAX));
                let blocks: Vec<&[u8]> = part.blocks.iter().map(Vec::as_slice).collect();
                let back = row(array, part.stripe).and_then(|row| bring_back(&row, &blocks, &slots));
                let back = back.unwrap_or_default();
                slots.into_iter().zip(back).map(|(slot, block)| (slot, Bytes(0), block)).collect()
            }
        }
    }

    fn done(&mut self, deed: Option<Deed>) -> Turn {
        match deed {
            Some(Deed::Failed(failure)) if failure.stale && self.tries < MOST_TRIES => {
                self.tries += 1;
                let (Some(array), Some(part)) = (&self.array, self.parts.front()) else { return self.on() };
                let from =
                    part.stripe.saturating_mul(array.geometry.chunk.0).saturating_add(part.at.sectors().0);
                let length = part.blocks.first().map_or(0, Vec::len);
                let length = Bytes(u64::try_from(length).unwrap_or(0)).sectors();
                let range = StripeRange { from: Sectors(from), length };
                let all = matches!(self.job.verb, Raid6CheckVerb::Repair { .. });
                let array = array.clone();
                self.stage = Stage::Again;
                return Turn::look(Look::Stripes { array, range, all });
            }
            Some(Deed::Failed(failure)) => {
                self.say.push(Said::error(failure.why()));
                self.say.push(Said::error(texts::stopped(status::STRIPES)));
                return Turn::end(status::STRIPES);
            }
            Some(Deed::Done | Deed::Shown) | None => {}
        }
        if let (Some(array), Some(part), Raid6CheckVerb::Check { repair, .. }) =
            (&self.array, self.parts.pop_front(), self.job.verb)
        {
            let found = pages(array, &part);
            self.say.extend(
                found.iter().filter_map(|page| texts::found(array, part.stripe, page)).map(Said::line),
            );
            if repair {
                self.say.extend(found.iter().filter_map(|page| texts::repaired(array, page)).map(Said::line));
            }
        }
        self.on()
    }
}

/// So much of each member at a time: whole chunks, or a power of two of one that is larger.
fn at_once(array: &RawArray) -> u64 {
    let members = u64::from(array.geometry.raid_disks).max(1);
    let most = Bytes(AT_ONCE.checked_div(members).unwrap_or(AT_ONCE).min(MOST_OF_ONE)).sectors().0;
    let chunk = array.geometry.chunk.0.max(1);
    match most.checked_div(chunk).unwrap_or(0) {
        0 => 1 << most.max(8).ilog2(),
        chunks => chunks.saturating_mul(chunk),
    }
}

fn row(array: &RawArray, stripe: u64) -> Option<Row> {
    array.stripes()?.row(stripe.checked_mul(array.geometry.chunk.0)?)
}

/// A page of a stripe that does not fit.
struct Page {
    /// Its number in the chunk.
    number: u64,
    /// Where it begins in the part that was read.
    from: usize,
    length: usize,
    blame: Blame,
}

impl Page {
    fn at(&self) -> Bytes {
        Bytes(u64::try_from(self.from).unwrap_or(0))
    }

    fn of<'a>(&self, part: &'a StripePart) -> Vec<&'a [u8]> {
        let range = self.from..self.from.saturating_add(self.length);
        part.blocks.iter().map(|block| block.get(range.clone()).unwrap_or_default()).collect()
    }
}

/// The pages of a stripe that do not fit.
fn pages(array: &RawArray, part: &StripePart) -> Vec<Page> {
    let Some(row) = row(array, part.stripe) else { return Vec::new() };
    let blocks: Vec<&[u8]> = part.blocks.iter().map(Vec::as_slice).collect();
    let mut syndromes = Syndromes::default();
    if syndromes.fit(&row, &blocks) != Some(false) {
        return Vec::new();
    }
    let length = blocks.first().map_or(0, |block| block.len());
    let before = part.at.0 / 4096;
    let page = |(number, from): (u64, usize)| {
        let length = PAGE.min(length.saturating_sub(from));
        let blame = syndromes.blame(&row, from, length);
        Page { number: before.saturating_add(number), from, length, blame }
    };
    let all = (0..).zip((0..length).step_by(PAGE)).map(page);
    all.filter(|page| page.blame != Blame::Nobody).collect()
}

/// The act on a part of a stripe.
fn act(array: &RawArray, part: &StripePart, right: Vec<(usize, Bytes, Vec<u8>)>) -> Option<Mend> {
    let start = Sectors(part.stripe.checked_mul(array.geometry.chunk.0)?).bytes();
    let mut members = Vec::new();
    for (slot, (member, block)) in array.members.iter().zip(&part.blocks).enumerate() {
        let at = member.data_offset.bytes().checked_add(start)?.checked_add(part.at)?;
        let own = right.iter().filter(|(of, ..)| *of == slot);
        let own =
            own.map(|(_, within, data)| Some(Write { at: at.checked_add(*within)?, data: data.clone() }));
        members.push(MendMember {
            path: member.path.clone(),
            dev: member.dev,
            seen: Write { at, data: block.clone() },
            right: own.collect::<Option<_>>()?,
        });
    }
    Some(Mend {
        array: ArrayName { kernel: array.kernel.clone(), path: array.path.clone() },
        stripe: part.stripe,
        sectors: array.sectors(part.stripe),
        members,
    })
}

#[cfg(test)]
mod tests;
