//! What volumes need many looks for: rollbacks and moves, which the kernel goes on with and somebody has to end.

mod aim;
mod change;
mod in_turn;
#[cfg(test)]
mod lab;
mod moving;
mod rollback;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use in_turn::InTurn;
pub use moving::Move;
pub use rollback::Rollback;

use change::{Next, OneChange, Over};

use super::{change::Decided, groups, pace};
use crate::{
    model::volume::{GroupLook, GroupSeen},
    plan::{
        Plan, Refusal, Step, SystemStep,
        course::{Bar, Cause, Said, Then, Turn, Wait},
        volume::shift::GroupScene,
    },
};

/// What a command ends with.
const DONE: u8 = 0;
const FAILED: u8 = 1;

/// How a command was called.
#[derive(Clone, Debug, Default)]
pub struct Called {
    /// Its words, for the metadata.
    pub words: String,
    /// Everything is only shown.
    pub dry_run: bool,
    /// Somebody watches a bar.
    pub shows_bars: bool,
}

/// Something decided on what is there.
fn with<T>(seen: &GroupSeen, decide: impl FnOnce(&GroupScene<'_>) -> T) -> Result<T, Refusal> {
    groups::refuse_unreadable(&seen.groups)?;
    let found = groups::named(&seen.groups, &seen.name)?;
    Ok(decide(&GroupScene { found, active: &seen.active, stamp: &seen.stamp }))
}

fn look(name: &str, called: &Called) -> GroupLook {
    GroupLook { name: name.to_owned(), command: called.words.clone(), ..GroupLook::default() }
}

/// Since when, and what was left then: for the pace.
type Begun = Option<(Duration, u64)>;

/// The next look at what the kernel copies. Also events of device-mapper end the wait, but nothing announces what somebody
/// else does to the metadata, so it is never long.
fn waiting(begun: &mut Begun, clock: Duration, (left, all): (u64, u64), what: &str, called: &Called) -> Turn {
    let (since, before) = *begun.get_or_insert((clock, left));
    let (copied, elapsed) = (before.saturating_sub(left), clock.saturating_sub(since));
    let bar = Bar { what: what.to_owned(), done: all.saturating_sub(left), total: all };
    Then::Wait(Wait {
        on: vec![Cause::DeviceMapper],
        most: pace::next(copied, elapsed, left, called.shows_bars),
        bar: Some(bar),
    })
    .into()
}

/// Has a command carried out in the background.
pub(super) fn follow(lock: String, words: [&str; 4]) -> Turn {
    let words = words.map(str::to_owned).to_vec();
    Turn::carry_out(Plan {
        summary: format!("have `{}` done in the background", words.join(" ")),
        steps: vec![Step::Commit, Step::System(SystemStep::Follow { lock, words })],
        warnings: Vec::new(),
    })
}

/// A change that was decided, or why it ended.
fn changed(change: &mut OneChange, decided: Decided, called: &Called) -> Next {
    change.decided(decided, called.dry_run)
}

/// What is said and the status of a change that is over; `Err` where the course ends with it.
fn over(over: Over) -> Result<u8, Box<Turn>> {
    match over {
        Over::Done(status) => Ok(status),
        Over::Nothing => Ok(DONE),
        Over::Shown => Err(Box::new(Turn::end(DONE))),
        Over::Failed => Err(Box::new(Turn::end(FAILED))),
        Over::Refused(refusal) => Err(Box::new(Turn::refuse(refusal))),
    }
}

fn interrupted(what: &str, verb: &str) -> Turn {
    let why =
        format!("{what}: interrupted; the kernel goes on, and mdctl volume {verb} {what} --wait ends it");
    Turn::end(FAILED).after(vec![Said::error(why)])
}
