//! The words that a device that came is answered with, and whether its array can start.

use superblock::Level;

use super::{Arrival, Started, joining::NOT_TAKEN};
use crate::plan::{
    ArrayName, Refusal,
    assemble::{ArrayOutcome, Claim, Verdict, Why},
};

/// What is said when all went well.
pub(super) fn answer(mine: &Claim, outcome: &ArrayOutcome, foreign: bool) -> Arrival {
    let (device, array) = (&mine.path, &outcome.name);
    let (started, message) = match (&outcome.verdict, outcome.shortage) {
        (Verdict::Start | Verdict::StartReadonly, _) => {
            (Started::Yes, format!("{device} attached to {}, which has been started.", array.path))
        }
        (Verdict::LeaveInactive | Verdict::Refuse(_), Some(_)) => {
            (Started::No, not_enough(device, array, outcome.count.whole))
        }
        (Verdict::LeaveInactive | Verdict::Refuse(_), None) => {
            let journal = mine.metadata.wants_journal() && outcome.count.journals == 0;
            let complete = outcome.count.whole + outcome.count.rebuilding >= outcome.count.expected;
            let text = if journal && complete {
                "Journal device is missing, not safe to start yet.".to_owned()
            } else {
                format!("{device} attached to {}, not enough to start safely.", array.path)
            };
            (Started::Unsafe, text)
        }
    };
    Arrival { array: array.clone(), foreign, started: Some(started), message }
}

pub(super) fn not_enough(device: &str, array: &ArrayName, count: usize) -> String {
    format!("{device} attached to {}, not enough to start ({count}).", array.path)
}

pub(super) fn not_taken(mine: &Claim, array: &ArrayName, why: &Why) -> Refusal {
    Refusal::new(format!("{} is not added to {}: {why}", mine.path, array.path)).status(NOT_TAKEN)
}

/// The fewest members with which an array of this shape may ever start; below it nobody needs to look at them.
pub(super) fn fewest(claim: &Claim) -> usize {
    let slots = usize::try_from(claim.facts.raid_disks.min(claim.metadata.slots_before())).unwrap_or(0);
    match claim.facts.level {
        Level::Raid4 | Level::Raid5 => slots.saturating_sub(1),
        Level::Raid6 => slots.saturating_sub(2),
        Level::Raid0 | Level::Linear => slots,
        // Half of them where each has one copy; more copies need fewer, and those are few.
        Level::Raid10 => slots / 8,
        _ => 1,
    }
}
