//! Who stands where: the best device for every slot, the rest with the reason why it is left out.

use std::{cmp::Reverse, collections::BTreeMap, fmt};

use superblock::Events;

use super::{
    claim::Claim,
    classify::{DeviceClass, classify, newest},
    copies::{Copies, Missed, missed},
    shape::{self, Shapes},
};
use crate::model::order::InOrder as _;
use crate::plan::histories::{Certainty, Fellow, HistoryLine, parted_with};

/// Why a device is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its own metadata says that it failed.
    Faulty,
    /// Its copy says that the freshest member failed: it went on alone, with a history of its own.
    Split {
        /// The freshest member.
        freshest: String,
    },
    /// Another device has the same slot and is as fresh or fresher.
    Duplicate {
        /// That device.
        of: String,
    },
    /// It is a copy of another device, with its identity.
    Copy {
        /// That device.
        of: String,
        /// It has what that device had some time ago.
        stale: bool,
    },
    /// It counts the same events as another member, or one more or less, and was updated before that one.
    Older {
        /// That member.
        than: String,
        /// It counts the same.
        alike: bool,
    },
    /// Another device, as fresh or fresher, has got its number in the array: the kernel takes one of each.
    SameNumber {
        /// That device.
        of: String,
    },
    /// The checksum is wrong, or a number out of bounds.
    Damaged(String),
    /// It claims a slot that the array does not have.
    NoSuchSlot(u32),
    /// Another shape of the same array than the freshest member's: what differs.
    OtherShape(String),
    /// The journal lacks what the array wrote last.
    StaleJournal,
    /// It is in use.
    Busy(String),
    /// The kernel would not have it.
    Refused(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Faulty => write!(f, "its own metadata says that it failed"),
            Self::Split { freshest } => write!(f, "it reports {freshest} as failed"),
            Self::Duplicate { of } => write!(f, "{of} has the same slot"),
            Self::SameNumber { of } => write!(f, "{of} has its number in the array by now"),
            Self::Copy { of, stale: false } => {
                write!(f, "it is a copy of {of}: both have the same device UUID")
            }
            Self::Copy { of, stale: true } => {
                write!(
                    f,
                    "it is a copy of {of}, out of date: both are one member, and {of} was written later"
                )
            }
            Self::Older { than, alike: true } => write!(
                f,
                "it was last written before {than}, though both count the same events: a copy from when the array was in use, or put back since"
            ),
            Self::Older { than, alike: false } => write!(
                f,
                "it was last written before {than}, and the array was in use then: likely it is a copy from that time, and has old data"
            ),
            Self::Damaged(what) => write!(f, "{what}"),
            Self::NoSuchSlot(slot) => write!(f, "the array has no slot {slot}"),
            Self::OtherShape(what) => write!(f, "it describes another shape of the array: {what}"),
            Self::StaleJournal => write!(f, "the journal is out of date"),
            Self::Busy(holder) => write!(f, "it is in use by {holder}"),
            Self::Refused(error) => write!(f, "the kernel refused it: {error}"),
        }
    }
}

/// A device in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedDevice {
    /// Index into the claims.
    pub claim: usize,
    /// What it is.
    pub class: DeviceClass,
    /// Its event count.
    pub events: Events,
}

impl PlacedDevice {
    /// Up to date with all its data.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        matches!(self.class, DeviceClass::Active { whole: true, .. })
    }

    /// Up to date with part of its data.
    #[must_use]
    pub fn is_rebuilding(&self) -> bool {
        matches!(self.class, DeviceClass::Active { whole: false, .. })
    }
}

/// All devices of one array, in their places.
#[derive(Clone, Debug, Default)]
pub struct Lineup {
    /// By slot: its holder.
    pub holders: Vec<Option<PlacedDevice>>,
    /// By slot: the device that is being made to take it over.
    pub replacements: Vec<Option<PlacedDevice>>,
    /// Spares.
    pub spares: Vec<usize>,
    /// The journal.
    pub journal: Option<PlacedDevice>,
    /// The rest.
    pub out: Vec<(usize, Why)>,
    /// Members that likely lack something, and that the array cannot do without: after which it was updated.
    pub doubtful: Vec<(usize, String)>,
    /// Members with a history of their own that force takes: beside that of whom.
    pub mixed: Vec<(usize, String)>,
    /// The event count of the freshest member.
    pub newest: Events,
}

/// Two devices that cannot be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Twins(pub usize, pub usize);

impl Lineup {
    /// Places every device. With `force`, damaged ones are taken too, and those with a history of their own where there are not
    /// enough without them.
    ///
    /// # Errors
    /// [`Twins`]: two 0.90 members with the same slot and event count on different devices. 0.90 has no identity of
    /// a member, and one of them may be the other seen through an overlapping partition.
    pub fn new(claims: &[Claim], slots: u32, force: bool) -> Result<Self, Twins> {
        let usable = |claim: &&Claim| claim.is_usable(force);
        let copies = Copies::of(claims, force);
        let is_copy = |index: usize| copies.original(index).is_some();
        let originals =
            claims.iter().enumerate().filter(|(index, _)| !is_copy(*index)).map(|(_, claim)| claim);
        let newest = newest(originals.filter(usable)).unwrap_or_default();
        let width = usize::try_from(slots).unwrap_or(0);
        let mut lineup =
            Self { holders: vec![None; width], replacements: vec![None; width], newest, ..Self::default() };
        let model = freshest(claims, newest, force, &copies).and_then(|index| claims.get(index));
        for (index, claim) in claims.iter().enumerate() {
            if let Some(damage) = claim.damage.as_ref().filter(|_| !claim.is_usable(force)) {
                lineup.out.push((index, Why::Damaged(damage.clone())));
            } else if let Some(what) = model.and_then(|model| shape::difference(model, claim)) {
                lineup.out.push((index, Why::OtherShape(what)));
            } else if let Some(why) = copies.original(index).and_then(|of| copied(claim, claims.get(of)?)) {
                lineup.out.push((index, why));
            } else {
                let class = classify(claim, slots, newest);
                lineup.place(claims, index, class)?;
            }
        }
        lineup.drop_same_numbers(claims);
        let sure = lineup.without_other_histories(claims).without_older(claims, Missed::Surely);
        let mut without = sure.without_older(claims, Missed::Likely);
        if !without.can_start(claims) && sure.can_start(claims) {
            let doubt = |(index, why): &(usize, Why)| match why {
                Why::Older { than, alike: false } => Some((*index, than.clone())),
                _ => None,
            };
            let doubtful = without.out.iter().filter_map(doubt).collect();
            without = Self { doubtful, ..sure };
        }
        if force && !without.can_start(claims) {
            let split = |(index, why): &(usize, Why)| match why {
                Why::Split { freshest } => Some((*index, freshest.clone())),
                _ => None,
            };
            lineup.mixed = without.out.iter().filter_map(split).collect();
            return Ok(lineup);
        }
        Ok(without)
    }

    fn place(&mut self, claims: &[Claim], index: usize, class: DeviceClass) -> Result<(), Twins> {
        match class {
            DeviceClass::Active { slot, replacement, .. } | DeviceClass::Stale { slot, replacement, .. } => {
                let table = if replacement { &mut self.replacements } else { &mut self.holders };
                let nth = usize::try_from(slot).unwrap_or(usize::MAX);
                let Some(seat) = table.get_mut(nth) else { return Ok(()) };
                let place = PlacedDevice { claim: index, class, events: events(claims.get(index)) };
                let loser = match *seat {
                    None => {
                        *seat = Some(place);
                        return Ok(());
                    }
                    Some(held) => {
                        if are_twins(claims.get(index), claims.get(held.claim)) {
                            return Err(Twins(held.claim, index));
                        }
                        if place.events > held.events { seat.replace(place).unwrap_or(place) } else { place }
                    }
                };
                let winner = seat.map_or(index, |seat| seat.claim);
                let of = claims.get(winner).map(|claim| claim.path.clone()).unwrap_or_default();
                self.out.push((loser.claim, Why::Duplicate { of }));
            }
            DeviceClass::Spare => self.spares.push(index),
            DeviceClass::Journal { current } => {
                let place = PlacedDevice { claim: index, class, events: events(claims.get(index)) };
                let old = self.journal.replace(place);
                let keep_old = |old: &PlacedDevice| {
                    matches!(old.class, DeviceClass::Journal { current: true }) || !current
                };
                if let Some(old) = old {
                    let loser = if keep_old(&old) { self.journal.replace(old).unwrap_or(old) } else { old };
                    self.out.push((loser.claim, Why::StaleJournal));
                }
            }
            DeviceClass::Faulty => self.out.push((index, Why::Faulty)),
            DeviceClass::NoSuchSlot(slot) => self.out.push((index, Why::NoSuchSlot(slot))),
        }
        Ok(())
    }

    /// Whoever was replaced for good may come back under a number that was given to another one since: the kernel takes only
    /// one of each. Who is in a slot and up to date stays, then the fresher one, then the first.
    fn drop_same_numbers(&mut self, claims: &[Claim]) {
        let spares = self.spares.iter().map(|claim| {
            let events = events(claims.get(*claim));
            PlacedDevice { claim: *claim, class: DeviceClass::Spare, events }
        });
        let mut used: Vec<PlacedDevice> = self.seats().copied().chain(self.journal).chain(spares).collect();
        let is_current = |place: &PlacedDevice| {
            matches!(place.class, DeviceClass::Active { .. } | DeviceClass::Journal { current: true })
        };
        used.order_by_key(|place| (!is_current(place), Reverse(place.events), place.claim));
        let mut numbers = BTreeMap::new();
        for place in used {
            let Some(claim) = claims.get(place.claim) else { continue };
            let Some(of) = numbers.insert(claim.facts.dev_number, claim.path.clone()) else { continue };
            numbers.insert(claim.facts.dev_number, of.clone());
            self.take_out(place.claim);
            self.out.push((place.claim, Why::SameNumber { of }));
        }
    }

    /// From the place that it has.
    fn take_out(&mut self, claim: usize) {
        let is_it = |place: &PlacedDevice| place.claim == claim;
        let seats = self.holders.iter_mut().chain(&mut self.replacements).chain([&mut self.journal]);
        for seat in seats.filter(|seat| seat.as_ref().is_some_and(is_it)) {
            *seat = None;
        }
        self.spares.retain(|spare| *spare != claim);
    }

    /// Who lacks what another member with as many events has stays out, where it shows in this way.
    fn without_older(&self, claims: &[Claim], way: Missed) -> Self {
        let mut kept = self.clone();
        let fellows = || self.seats().filter_map(|place| claims.get(place.claim));
        for seat in kept.holders.iter_mut().chain(&mut kept.replacements) {
            let Some(claim) = seat.and_then(|held| claims.get(held.claim)) else { continue };
            let newer = fellows().filter(|fellow| missed(claim, fellow) == Some(way));
            if let Some(newer) = newer.max_by_key(|fellow| fellow.facts.updated) {
                let alike = newer.facts.events == claim.facts.events;
                let why = Why::Older { than: newer.path.clone(), alike };
                kept.out.extend(seat.take().map(|held| (held.claim, why)));
            }
        }
        kept
    }

    /// The split-brain guard: who certainly has a history of its own beside that of the freshest member stays out.
    fn without_other_histories(&self, claims: &[Claim]) -> Self {
        let mut kept = self.clone();
        let Some((place, freshest)) =
            self.freshest().and_then(|place| Some((place.claim, claims.get(place.claim)?)))
        else {
            return kept;
        };
        let path = &freshest.path;
        let slots = u32::try_from(self.holders.len()).unwrap_or(u32::MAX);
        let line = HistoryLine::of(&freshest.metadata, slots, freshest.facts.events);
        let seated = self.seats().filter_map(|place| claims.get(place.claim));
        let fellows: Vec<Fellow<'_>> =
            seated.map(|claim| Fellow { metadata: &claim.metadata, facts: &claim.facts }).collect();
        for seat in kept.holders.iter_mut().chain(&mut kept.replacements) {
            let Some(held) = seat.filter(|held| held.claim != place) else { continue };
            let Some(claim) = claims.get(held.claim) else { continue };
            let member = Fellow { metadata: &claim.metadata, facts: &claim.facts };
            if parted_with(member, &line, &fellows).is_some_and(|parted| parted.how == Certainty::Sure) {
                *seat = None;
                kept.out.push((held.claim, Why::Split { freshest: path.clone() }));
            }
        }
        kept
    }

    /// Whether those with all their data are enough for the freshest member's shape.
    fn can_start(&self, claims: &[Claim]) -> bool {
        let freshest = self.freshest().and_then(|place| claims.get(place.claim));
        freshest.is_some_and(|claim| Shapes::of(claim).enough(&self.present(), true))
    }

    /// The member whose copy of the metadata counts: of the up-to-date ones with the most events the first by slot.
    #[must_use]
    pub fn freshest(&self) -> Option<PlacedDevice> {
        let mut best: Option<&PlacedDevice> = None;
        for place in self.seats().filter(|place| matches!(place.class, DeviceClass::Active { .. })) {
            let rank = |place: &PlacedDevice| (place.events, place.is_whole());
            if best.is_none_or(|best| rank(place) > rank(best)) {
                best = Some(place);
            }
        }
        best.copied()
    }

    /// Holders and replacements, slot by slot.
    pub fn seats(&self) -> impl Iterator<Item = &PlacedDevice> {
        self.holders
            .iter()
            .zip(&self.replacements)
            .flat_map(|(holder, replacement)| holder.iter().chain(replacement))
    }

    /// Which slots have an up-to-date device with all its data.
    #[must_use]
    pub fn present(&self) -> Vec<bool> {
        let whole = |place: &Option<PlacedDevice>| place.is_some_and(|place| place.is_whole());
        self.holders.iter().zip(&self.replacements).map(|(a, b)| whole(a) || whole(b)).collect()
    }
}

/// The first of the members with the most events; a sound one where there is one, for a damaged one may say anything.
fn freshest(claims: &[Claim], newest: Events, force: bool, copies: &Copies) -> Option<usize> {
    let candidate = |claim: &Claim| claim.facts.events == newest && claim.is_usable(force);
    let in_slot = |claim: &Claim| candidate(claim) && claim.slot().is_some();
    let sound = |claim: &Claim| in_slot(claim) && claim.damage.is_none();
    let position = |is_it: &dyn Fn(&Claim) -> bool| {
        claims.iter().enumerate().position(|(index, claim)| copies.original(index).is_none() && is_it(claim))
    };
    position(&sound).or_else(|| position(&in_slot)).or_else(|| position(&candidate))
}

fn copied(claim: &Claim, original: &Claim) -> Option<Why> {
    let state = |claim: &Claim| (claim.facts.events, claim.facts.updated);
    let stale = state(claim) != state(original);
    Some(Why::Copy { of: original.path.clone(), stale })
}

fn are_twins(a: Option<&Claim>, b: Option<&Claim>) -> bool {
    let (Some(a), Some(b)) = (a, b) else { return false };
    a.facts.member.is_none() && b.facts.member.is_none() && a.facts.events == b.facts.events && a.id != b.id
}

fn events(claim: Option<&Claim>) -> Events {
    claim.map(|claim| claim.facts.events).unwrap_or_default()
}
