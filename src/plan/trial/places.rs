//! Where data may begin on a member; and guesses in which one member alone is elsewhere, as one that was added later by
//! another version is.

use superblock::{Sectors, placement, v1::Minor};

use super::{Asked, KnownArray, TrialSeen, known::room};
use crate::model::trial::{Differs, Format, Hypothesis, Scored, Seat};

/// Where versions of mdadm put data, in sectors: 3.1 and older, 3.2 on large devices, and what comes of today's rule
/// for common sizes.
const OFFSETS: [u64; 13] =
    [2048, 4096, 8192, 262_144, 264_192, 16, 24, 272, 10_240, 18_432, 34_816, 67_584, 133_120];

/// Every place for these devices, the most plausible first.
pub(super) fn places(devices: &[usize], seen: &[TrialSeen], asked: &Asked) -> Vec<Sectors> {
    if !asked.data_offsets.is_empty() {
        return asked.data_offsets.clone();
    }
    if asked.format == Some(Format::V0) {
        return vec![Sectors(0)];
    }
    let sizes: Vec<Sectors> =
        devices.iter().filter_map(|device| seen.get(*device)).map(|seen| seen.size).collect();
    let smallest = sizes.iter().min().copied().unwrap_or_default();
    let mut places: Vec<Sectors> = Vec::new();
    for size in sizes {
        for chunk in [0, 1024, 128] {
            places.push(placement::default_data_offset(Minor::V1_2, size, Sectors(chunk), false));
        }
    }
    // What superblocks say of these devices and of their neighbours.
    places.extend(seen.iter().flat_map(|seen| &seen.words).map(|word| word.membership.data_offset));
    places.extend(OFFSETS.map(Sectors));
    if asked.format.is_none() || asked.format == Some(Format::V1(Minor::V1_0)) {
        places.push(Sectors(0));
    }
    let mut unique: Vec<Sectors> = Vec::new();
    for place in places {
        if !unique.contains(&place) && place.0.saturating_mul(2) < smallest.0 {
            unique.push(place);
        }
    }
    unique
}

/// The format that data from there on leaves room for.
pub(super) fn format_at(known: Format, offset: Sectors) -> Format {
    match (offset, known) {
        // Data from the start on: the superblock is at the end.
        (Sectors(0), Format::V1(_)) => Format::V1(Minor::V1_0),
        (Sectors(0), Format::V0) => Format::V0,
        (_, Format::V1(Minor::V1_0) | Format::V0) => Format::V1(Minor::V1_2),
        (_, format) => format,
    }
}

/// Makes guesses that differ from one in a single member.
pub struct Nearby<'a> {
    seen: &'a [TrialSeen],
    asked: &'a Asked,
    /// What is on them is known to be old.
    stale: Vec<usize>,
}

impl<'a> Nearby<'a> {
    /// About these devices.
    #[must_use]
    pub fn new(families: &[KnownArray], seen: &'a [TrialSeen], asked: &'a Asked) -> Self {
        let stale = families.iter().flat_map(|family| &family.stale).map(|(_, seat, _)| seat.device);
        Self { seen, asked, stale: stale.collect() }
    }

    /// One member begins elsewhere, or a device that has no part yet takes an empty slot. Where all that could be
    /// compared is right, members stay where they are.
    #[must_use]
    pub fn of(&self, scored: &Scored) -> Vec<Hypothesis> {
        let guess = &scored.hypothesis;
        if matches!(guess.format, Format::V0) {
            return Vec::new();
        }
        let settled = scored.is_conclusive();
        let seated = |device: usize| guess.seats.iter().flatten().any(|seat| seat.device == device);
        let free: Vec<usize> =
            (0..self.seen.len()).filter(|device| !seated(*device) && !self.stale.contains(device)).collect();
        let mut found = Vec::new();
        for (slot, seat) in guess.seats.iter().enumerate() {
            let devices = match seat {
                None => free.clone(),
                Some(_) if settled => continue,
                Some(seat) => vec![seat.device],
            };
            for device in devices {
                let elsewhere = places(&[device], self.seen, self.asked).into_iter();
                found.extend(elsewhere.filter_map(|place| self.with(guess, slot, device, place)));
            }
        }
        found
    }

    fn with(&self, guess: &Hypothesis, slot: usize, device: usize, place: Sectors) -> Option<Hypothesis> {
        let room = room(guess.format, self.seen.get(device)?.size, place);
        // Superblocks of all members are of one format, and all members are used to the same size.
        let fits = format_at(guess.format, place) == guess.format
            && (guess.geometry.data_disks().is_none() || room >= guess.geometry.component_size);
        let mut guess = guess.clone();
        let seat = guess.seats.get_mut(slot)?;
        let moved = seat.is_none_or(|seat| seat.data_offset != place);
        *seat = Some(Seat { device, data_offset: place, room });
        if guess.missing() == 0 {
            guess.differs.retain(|differs| *differs != Differs::FreshOut);
        }
        let first = guess.seats.iter().flatten().next()?.data_offset;
        let various = guess.seats.iter().flatten().any(|seat| seat.data_offset != first);
        if various && !guess.differs.contains(&Differs::DataOffset) {
            guess.differs.push(Differs::DataOffset);
        }
        (fits && moved).then_some(guess)
    }
}
