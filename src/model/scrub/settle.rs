//! What became of a check that nobody may have watched: from what the kernel says now and what was noted.

use superblock::Sectors;

use super::{
    KeptPosition, OpenScrub, ScrubArray, ScrubRecord, SyncLimit, TOO_OLD, WholeScrub,
    places::{joined, ranges},
};
use crate::{model::human, words::SyncAction};

/// How things stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The record as it should be.
    pub record: ScrubRecord,
    /// Where a check was cut off.
    pub cut_off: Option<Sectors>,
    /// A check runs.
    pub running: Option<RunningCheck>,
    /// A check came to its end, and that is not noted yet.
    pub finished: bool,
    /// What a person should know.
    pub odd: Vec<String>,
}

/// A check that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunningCheck {
    /// It was begun by this program.
    pub ours: bool,
}

/// Finds it out. What is uncertain counts as cut off where it was noted last: rather something is compared twice.
#[must_use]
pub fn settle(array: &ScrubArray, now: u64, boot: &str) -> Settled {
    let mut odd = array.kept.odd.clone();
    let position = believed(array, now, &mut odd);
    let mut record = array.kept.record.clone();
    record.open = opened(record.open.take(), position);
    let action = array.status.action.clone().unwrap_or(SyncAction::None);
    if action == SyncAction::Check {
        let ours = array.sync_max == SyncLimit::Marked;
        if let Some(open) = record.open.as_mut().filter(|_| !ours) {
            lose(open);
        }
        return Settled { record, running: Some(RunningCheck { ours }), odd, ..Settled::default() };
    }
    let open = record.open.take();
    let part = open.as_ref().and_then(|open| open.part.as_ref());
    let same = part.is_some_and(|part| part.boot == boot && part.diskseq == array.diskseq);
    let last_was_check = array.status.last_action == Some(SyncAction::Check);
    let at_end = array.sync_max == SyncLimit::End && array.sync_min.0 == 0;
    if let Some(open) = open.as_ref().filter(|_| same && at_end && last_was_check) {
        record.add(ended(array, open, now));
        return Settled { record, finished: true, odd, ..Settled::default() };
    }
    record.open = cut(array, open, same, now);
    let total = array.total();
    if let Some(open) = record.open.take_if(|open| open.position >= total.0.max(1)) {
        odd.push(format!(
            "what was noted, sector {}, is not in the array: a check begins at its start",
            open.position
        ));
    }
    let cut_off = record.open.as_ref().map(|open| Sectors(open.position));
    Settled { record, cut_off, odd, ..Settled::default() }
}

impl Settled {
    /// With what the kernel's log says of the part that is over.
    #[must_use]
    pub fn with_log(mut self, log: &[String], array: &ScrubArray) -> Self {
        let had_part = array.kept.record.open.as_ref().is_some_and(|open| open.part.is_some());
        if !had_part || self.running.is_some() {
            return self;
        }
        let of_whole = self.record.whole.first_mut().filter(|_| self.finished).map(|whole| &mut whole.ranges);
        let known = of_whole.or(self.record.open.as_mut().map(|open| &mut open.ranges));
        if let Some(known) = known {
            *known = joined(known.drain(..).chain(ranges(log, &array.status)));
        }
        self
    }
}

/// The position that was noted, unless it is too old.
fn believed(array: &ScrubArray, now: u64, odd: &mut Vec<String>) -> Option<KeptPosition> {
    let position = array.kept.position?;
    let age = now.saturating_sub(position.noted);
    if age <= TOO_OLD {
        return Some(position);
    }
    odd.push(format!(
        "where it was cut off was noted {} ago: a check begins at its start",
        human::duration(age)
    ));
    None
}

/// The open check as both files have it. The reference's file leads: it is the one that both programs write.
fn opened(open: Option<OpenScrub>, position: Option<KeptPosition>) -> Option<OpenScrub> {
    match (open, position) {
        (Some(open), Some(position)) if open.position == position.at.0 => Some(open),
        (Some(mut open), Some(position)) => {
            open.position = position.at.0;
            // Of a part that runs the two are not written at once.
            open.partly |= open.part.is_none();
            Some(open)
        }
        // Of a part that runs the position may not be noted yet.
        (Some(open), None) => open.part.is_some().then_some(open),
        (None, Some(KeptPosition { at, noted })) => {
            Some(OpenScrub { begun: noted, position: at.0, partly: at.0 > 0, ..OpenScrub::default() })
        }
        (None, None) => None,
    }
}

/// What a part counted is not known any more.
fn lose(open: &mut OpenScrub) {
    if open.part.take().is_some() {
        (open.partly, open.seconds) = (true, None);
    }
}

fn ended(array: &ScrubArray, open: &OpenScrub, now: u64) -> WholeScrub {
    WholeScrub {
        begun: open.begun,
        ended: now,
        seconds: None,
        mismatches: open.mismatches.saturating_add(counted(array)),
        partly: open.partly,
        ranges: open.ranges.clone(),
    }
}

fn counted(array: &ScrubArray) -> u64 {
    array.status.mismatches.unwrap_or_default().0
}

/// A check that does not run and did not end. `same`: the part is one of this array as it runs now.
fn cut(array: &ScrubArray, open: Option<OpenScrub>, same: bool, now: u64) -> Option<OpenScrub> {
    let last_was_check = array.status.last_action == Some(SyncAction::Check);
    let kernels = array.sync_min.0;
    match open {
        Some(mut open) if same => {
            let part = open.part.take().unwrap_or_default();
            open.position = open.position.max(part.from).max(kernels);
            open.seconds = None;
            open.partly |= !last_was_check;
            if last_was_check {
                open.mismatches = open.mismatches.saturating_add(counted(array));
            }
            Some(open)
        }
        Some(mut open) => {
            lose(&mut open);
            // Killed before anything was noted of its part.
            if array.sync_max == SyncLimit::Marked && kernels > open.position {
                (open.position, open.partly) = (kernels, true);
            }
            Some(open)
        }
        None if kernels > 0 && last_was_check => {
            Some(OpenScrub { begun: now, position: kernels, partly: true, ..OpenScrub::default() })
        }
        None => None,
    }
}
