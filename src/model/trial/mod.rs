//! Guesses about an array that does not come up, and what the bytes of its members say about each.

mod cache;
mod points;
mod score;
mod search;
mod tries;

use superblock::{Events, Level, MdUuid, Membership, Role, Sectors};

use super::{Geometry, stripes::Stripes};
use crate::model::order::InOrder as _;

pub use cache::Cached;
#[cfg(test)]
pub(crate) use score::assembled;
pub use score::{Effort, Evidence, Sums, anchored, examine};
pub use search::{GuessClass, Offer, Searched, Stopped, Take, search};
pub use superblock::Format;
pub use tries::{Checker, GuessVerdict, StandingGuess, ToolEnded, Tried, rank_tried};

/// A device in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat {
    /// Which of the devices.
    pub device: usize,
    /// Where its data begins.
    pub data_offset: Sectors,
    /// How much data it has room for.
    pub room: Sectors,
}

/// What a guess starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grounds {
    /// The superblocks on the devices.
    Superblocks,
    /// Those that were kept before a command overwrote them: the entry and the words of the command.
    Archive {
        /// The entry.
        id: String,
        /// What was run.
        command: String,
    },
    /// What was asked for, and what is usual.
    Usual,
}

/// A device that is to be a member.
#[derive(Clone, Debug)]
pub struct TrialSeen {
    /// As it was named.
    pub path: String,
    /// Its size.
    pub size: Sectors,
    /// What superblocks say of it: those on it, and those that were on it.
    pub words: Vec<SuperblockWord>,
}

/// What one superblock says.
#[derive(Clone, Debug)]
pub struct SuperblockWord {
    /// Where it is from.
    pub grounds: Grounds,
    /// Its format.
    pub format: Format,
    /// What it says.
    pub membership: Membership,
    /// Whether it names a write-intent bitmap.
    pub bitmap: bool,
}

/// A member that was left behind by its array, as its own superblock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Which of the devices.
    pub device: usize,
    /// Its slot.
    pub slot: usize,
    /// How far it came, and when that was, seconds since 1970.
    pub events: Events,
    /// See `events`.
    pub updated: u64,
    /// The same of the newest member.
    pub newest: Events,
    /// See `newest`.
    pub newest_updated: u64,
    /// It was being rebuilt, and so much of it was done.
    pub rebuilt: Option<Sectors>,
}

/// In what a guess differs from its grounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Differs {
    /// A stale member serves again.
    StaleIn,
    /// A member that says it is up to date is left out.
    FreshOut,
    /// The order of the members.
    Order,
    /// The level.
    Level,
    /// The chunk.
    Chunk,
    /// The layout.
    Layout,
    /// Where data begins.
    DataOffset,
}

impl Differs {
    /// For people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::StaleIn => "stale member in",
            Self::FreshOut => "member left out",
            Self::Order => "order",
            Self::Level => "level",
            Self::Chunk => "chunk",
            Self::Layout => "layout",
            Self::DataOffset => "data offset",
        }
    }
}

/// A guess without what it starts from.
pub type Key = (Level, u32, Sectors, u32, Sectors, Format, Vec<Option<Seat>>);

/// One guess.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hypothesis {
    /// What it starts from.
    pub grounds: Grounds,
    /// In what it differs from that.
    pub differs: Vec<Differs>,
    /// The superblocks.
    pub format: Format,
    /// The shape.
    pub geometry: Geometry,
    /// The members by slot; `None` where one is missing.
    pub seats: Vec<Option<Seat>>,
    /// The array's identity, where superblocks say it.
    pub array: Option<MdUuid>,
    /// The array's name, where superblocks say it. Not trusted.
    pub name: Option<Vec<u8>>,
    /// Whether it had a write-intent bitmap.
    pub bitmap: bool,
}

impl Hypothesis {
    /// The array on paper; `None` where there can be none.
    #[must_use]
    pub fn stripes(&self) -> Option<Stripes> {
        let here: Vec<Sectors> = self.seats.iter().flatten().map(|seat| seat.room).collect();
        // RAID0 and linear need all of their members.
        let room: Vec<Sectors> =
            self.seats.iter().map(|seat| seat.map_or(Sectors(0), |seat| seat.room)).collect();
        let all = here.len() == room.len();
        let needs_all = self.geometry.data_disks().is_none();
        (all || !needs_all).then(|| Stripes::new(self.geometry, &room)).flatten()
    }

    /// What tells it from others, whatever it starts from.
    #[must_use]
    pub fn key(&self) -> Key {
        let Geometry { level, layout, chunk, raid_disks, component_size } = self.geometry;
        (level, layout, chunk, raid_disks, component_size, self.format, self.seats.clone())
    }

    /// Whether the superblocks on the devices say just this, each of its own device: then it is assembled, and nothing is written.
    #[must_use]
    pub fn is_said_by(&self, seen: &[TrialSeen]) -> bool {
        let says_so = |(nth, seat): (usize, &Option<Seat>)| {
            let Some(seat) = seat else { return true };
            let words = seen.get(seat.device).map(|seen| seen.words.as_slice()).unwrap_or_default();
            words.iter().any(|word| {
                let is_there = matches!(word.membership.role, Role::Slot { slot, .. } if usize::try_from(slot) == Ok(nth));
                word.grounds == Grounds::Superblocks && Some(word.membership.array) == self.array && is_there
            })
        };
        self.grounds == Grounds::Superblocks
            && self.differs.is_empty()
            && self.seats.iter().enumerate().all(says_so)
    }

    /// Slots without a member.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.seats.iter().filter(|seat| seat.is_none()).count()
    }
}

/// A guess with what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scored {
    /// The guess.
    pub hypothesis: Hypothesis,
    /// What speaks for it and against it.
    pub evidence: Evidence,
}

impl Scored {
    /// From 0 to 1000: how much of what could be checked is right, and how much could be.
    #[must_use]
    pub fn points(&self) -> u32 {
        let found = self.evidence.points();
        let penalty: u32 = self
            .hypothesis
            .differs
            .iter()
            .map(|differs| match differs {
                Differs::StaleIn => points::STALE_IN,
                Differs::FreshOut => points::FRESH_OUT,
                Differs::Level => points::LEVEL,
                Differs::Order | Differs::Chunk | Differs::Layout | Differs::DataOffset => points::DIFFERS,
            })
            .sum();
        found.saturating_sub(penalty).saturating_sub(points::ELSEWHERE * self.elsewhere())
    }

    /// Members that were moved to where the others do not begin, without a superblock that says so.
    fn elsewhere(&self) -> u32 {
        if !self.hypothesis.differs.contains(&Differs::DataOffset) {
            return 0;
        }
        let offsets: Vec<Sectors> =
            self.hypothesis.seats.iter().flatten().map(|seat| seat.data_offset).collect();
        let like = |offset: &Sectors| offsets.iter().filter(|other| *other == offset).count();
        let most = offsets.iter().map(like).max().unwrap_or(0);
        u32::try_from(offsets.len().saturating_sub(most)).unwrap_or(0)
    }

    /// Whether it leaves no doubt: all that was found is right, and that is a lot. Another level than superblocks say needs
    /// redundancy that agrees: what is in place on the first member is so in any array that begins with it.
    #[must_use]
    pub fn is_conclusive(&self) -> bool {
        let (right, wrong) = self.evidence.tally();
        let parity = self.evidence.parity.filter(|count| count.checked > 0);
        let agrees = parity.is_none_or(|count| count.agree == count.checked);
        let Hypothesis { grounds, differs, .. } = &self.hypothesis;
        let is_against = *grounds != Grounds::Usual && differs.contains(&Differs::Level);
        wrong == 0 && right >= points::CONCLUSIVE && agrees && (parity.is_some() || !is_against)
    }

    /// It is what superblocks say, on the devices or in the archive, but for who is in and who is out.
    fn is_known(&self) -> bool {
        let free = |differs: &Differs| matches!(differs, Differs::StaleIn | Differs::FreshOut);
        self.hypothesis.grounds != Grounds::Usual && self.hypothesis.differs.iter().all(free)
    }

    /// Whether anything speaks for it: superblocks that are not contradicted, something inside that is in its place, or
    /// redundancy that agrees. RAID4 and RAID5 have one sum over all members, which agrees in every order of them, and so
    /// says nothing of that.
    #[must_use]
    pub fn is_supported(&self) -> bool {
        let (right, wrong) = self.evidence.tally();
        let mirrors = !matches!(self.hypothesis.geometry.level, Level::Raid4 | Level::Raid5);
        let agrees = self.evidence.parity.is_some_and(|count| {
            count.checked >= points::WINDOWS
                && count.agree.saturating_mul(100) >= count.checked.saturating_mul(points::PERCENT)
        });
        right > wrong || (wrong == 0 && (self.is_known() || mirrors && agrees))
    }

    /// It starts from superblocks on the devices and contradicts none, no member is missing, and what could be looked at bears it
    /// out; or there is nothing at all on them. A device without a superblock may be in it: see [`Hypothesis::is_said_by`].
    #[must_use]
    pub fn bears_superblocks_out(&self) -> bool {
        let Self { hypothesis, evidence } = self;
        let said = hypothesis.grounds == Grounds::Superblocks && hypothesis.differs.is_empty();
        let (right, wrong) = evidence.tally();
        let in_order = match evidence.parity {
            // Any order of other levels may look the same.
            Some(count) => {
                count.agree == count.checked
                    && (right >= points::BEARS_OUT
                        || count.checked == 0 && evidence.contents.is_empty()
                        || count.checked >= points::WINDOWS_BEAR_OUT
                            && matches!(hypothesis.geometry.level, Level::Raid1 | Level::Raid6))
            }
            None => right >= points::BEARS_OUT,
        };
        said && hypothesis.missing() == 0 && wrong == 0 && in_order
    }
}

/// The best first; among equals the one that differs least.
pub fn rank(scored: &mut [Scored]) {
    scored.order_by_key(|one| {
        (std::cmp::Reverse(one.points()), one.hypothesis.differs.len(), one.hypothesis.missing())
    });
}
