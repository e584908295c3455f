//! Trying a repair: what an array may have been, from what its members and the archive still say, most plausible first;
//! and the plan that carries the best guess out.

mod apply;
mod attempt;
mod carrying;
mod guess;
mod known;
mod places;
mod removal;
mod steps;
mod subjects;
mod tries;

use superblock::{Level, Sectors};

use super::Refusal;
use crate::model::trial::{Format, Grounds, SuperblockWord, TrialSeen};

pub use apply::{array_word, command_line, request, supported, words_again, words_for_create};
pub use attempt::{SuperblockMark, TrialBench, TrialDevice};
pub use carrying::{CarryJob, Carrying, ended, to_carry_out};
pub use guess::{Anchor, Guesses, guesses};
pub use known::{KnownArray, families};
pub use places::Nearby;
pub(crate) use steps::as_seen;
pub use steps::{leave_up, take_down, unseen};
pub use subjects::{ENTRIES, SubjectWord, add_kept, asks_for_all, seen, subjects};
pub use tries::{CameOfTries, Tries, TriesJob, stem};

/// What is asked to hold for every guess.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The level.
    pub level: Option<Level>,
    /// The number of slots.
    pub raid_devices: Option<u32>,
    /// The chunk.
    pub chunk: Option<Sectors>,
    /// The layout.
    pub layout: Option<u32>,
    /// Where data may begin.
    pub data_offsets: Vec<Sectors>,
    /// The superblocks.
    pub format: Option<Format>,
    /// How much of each member is used.
    pub size: Option<Sectors>,
    /// The order is as given.
    pub in_order: bool,
    /// The devices as they were given, `None` for `missing`.
    pub listed: Vec<Option<usize>>,
}

impl Asked {
    /// Whether this is possible at all.
    ///
    /// # Errors
    /// What contradicts itself.
    pub fn check(&self, devices: usize) -> Result<(), Refusal> {
        if devices == 0 {
            return Err(
                Refusal::new("no device to try").hint("name the members, or an array that is stopped")
            );
        }
        let slots = self.raid_devices.and_then(|slots| usize::try_from(slots).ok());
        if let Some(slots) = slots.filter(|slots| *slots < self.listed.iter().flatten().count()) {
            return Err(Refusal::new(format!("{devices} devices are more than {slots} slots")));
        }
        Ok(())
    }
}

/// Whether the superblocks speak of an array that has one shape.
///
/// # Errors
/// It was being reshaped: it has two, and where one ends stands in the superblocks that a trial would replace.
pub fn has_one_shape(seen: &[TrialSeen]) -> Result<(), Refusal> {
    for device in seen {
        let own = device.words.iter().filter(|word| word.grounds == Grounds::Superblocks);
        if own.clone().any(|word| word.membership.reshape_position.is_some()) {
            let text = format!(
                "{}: its superblock says that the array was being reshaped, so that it has two shapes; a trial knows \
                 arrays of one",
                device.path
            );
            return Err(Refusal::new(text)
                .hint("mdctl assemble goes on with the reshape; try it on mdctl overlay create first"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod bench;
#[cfg(test)]
mod tests;
