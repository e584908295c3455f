//! From superblocks to the start of an array: who belongs to it, who is up to date, whether that is enough.
//!
//! A pipeline of small functions, each with its own tests: `claim` (what a device says) → `select` (is it meant) →
//! `classify` (current, stale, spare, …) → `lineup` (the best for every slot) → `force` (who is brought up to date) →
//! `startable` (enough?) → `steps`. What the user asks to change in the metadata (`update`) is changed before
//! anybody gets a place.

pub mod claim;
pub mod classify;
mod copies;
mod draft;
pub mod force;
pub mod gather;
pub mod lineup;
pub mod resume;
pub mod rounds;
pub mod select;
pub mod session;
pub mod shape;
pub mod startable;
pub mod steps;
pub mod update;

#[cfg(test)]
pub(in crate::plan) mod tests;

use crate::{
    model::DevId,
    plan::{ArrayName, Plan, Refusal},
};

pub use claim::Claim;
pub use classify::DeviceClass;
pub use gather::{CandidatePath, GatherWish, Stop};
pub use lineup::{Lineup, Why};
pub use select::{Home, WantedIdentity};
pub use session::{AssembleTarget, SearchedArray, Session};
pub use update::Updating;

pub use startable::{Count, Shortage, Verdict};

use draft::Draft;

/// How much is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Start with fewer members than last time, or too few: the kernel decides.
    pub run: bool,
    /// Take stale and damaged members, call dirty arrays clean.
    pub force: bool,
    /// Do not start what is not complete.
    pub no_degraded: bool,
    /// Start read-only.
    pub readonly: bool,
    /// Fewer members than last time will do: they were searched for, not listed.
    pub partial: bool,
    /// More members may come: what cannot start yet is left inactive, with what it has.
    pub waits: bool,
    /// A reshape goes on although what was set aside is of no use.
    pub invalid_backup: bool,
    /// A reshape goes on no farther than to where it can be turned round.
    pub stands: bool,
}

/// A sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Only with `--verbose`.
    pub detail: bool,
    /// The sentence.
    pub text: String,
}

impl Remark {
    fn note(text: String) -> Self {
        Self { detail: false, text }
    }

    fn detail(text: String) -> Self {
        Self { detail: true, text }
    }
}

/// An inactive array in the kernel that has some of the members already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// Its members.
    pub members: Vec<DevId>,
}

/// What is to be done about one array.
#[derive(Debug)]
pub struct ArrayOutcome {
    /// The array.
    pub name: ArrayName,
    /// Said before anything is done.
    pub before: Vec<Remark>,
    /// Said when all is done, before the last sentence.
    pub after: Vec<Remark>,
    /// The last sentence: what was done, or why nothing.
    pub done: String,
    /// Whether the array is to be started, left or refused.
    pub verdict: Verdict,
    /// The acts; none where it is refused.
    pub plan: Plan,
    /// Who is there.
    pub count: Count,
    /// Said when the kernel will not start it.
    pub shortage: Option<Shortage>,
    /// Devices that are left out.
    pub out: Vec<(String, Why)>,
}

impl ArrayOutcome {
    /// Whether it starts with all members that it had: nothing is to be gained by waiting.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let starts = matches!(self.verdict, Verdict::Start | Verdict::StartReadonly);
        starts && self.count.whole + self.count.rebuilding >= self.count.expected
    }
}

/// Decides about one array. The claims are those of its members, in the order in which they were found.
///
/// # Errors
/// A refusal where the members contradict each other, or none of them can be used.
pub fn plan(
    claims: Vec<Claim>,
    name: ArrayName,
    adopted: Option<&Adopted>,
    options: &Options,
) -> Result<ArrayOutcome, Refusal> {
    plan_with(claims, name, adopted, options, None)
}

/// As [`plan`], with a change of the metadata.
///
/// # Errors
/// As [`plan`], and where the change cannot be made in one of the members.
pub fn plan_with(
    mut claims: Vec<Claim>,
    name: ArrayName,
    adopted: Option<&Adopted>,
    options: &Options,
    updating: Option<&Updating>,
) -> Result<ArrayOutcome, Refusal> {
    let updated = match updating {
        Some(_) if adopted.is_some() => {
            let text = format!("{} has some of the members already and would not see the update", name.path);
            return Err(Refusal::new(text).hint("stop it first: its members are then found anew"));
        }
        Some(updating) => update::apply(&mut claims, updating, &name)?,
        None => Default::default(),
    };
    let mut draft = Draft::new(claims, &name.path, options)?;
    draft.note_updates(updated);
    if options.force {
        draft.promote();
        draft.mend();
    }
    draft.agree(options.force);
    let clean = draft.clean(options.force);
    let shortage = startable::shortage(&draft.shapes, &draft.lineup.present(), clean);
    Ok(draft.decide(name, adopted, shortage, options))
}
