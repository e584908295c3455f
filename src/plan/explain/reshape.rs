//! A reshape that is not over: what it makes of what, what is set aside for it, and how it goes on or back.

use raid::layout::layout_word;
use superblock::Sectors;

use super::{Finding, Kind, NextCommand, Severity, running::Work};
use crate::{model::human, plan::assemble::Claim};

/// From which shape to which, where they differ.
fn shapes(claim: &Claim) -> Option<String> {
    let (_, layout, chunk, devices) = claim.metadata.goal()?;
    let (before, facts) = (claim.metadata.slots_before(), &claim.facts);
    let kib = |chunk: Sectors| format!("{}K", chunk.0 / 2);
    let layouts = || {
        let name = |layout| layout_word(facts.level, layout).unwrap_or_else(|| layout.to_string());
        format!("from the layout {} to {}", name(facts.layout), name(layout))
    };
    let said = [
        (before != devices).then(|| format!("from {before} to {devices} devices")),
        (facts.chunk != chunk).then(|| format!("from {} to {} chunks", kib(facts.chunk), kib(chunk))),
        (facts.layout != layout).then(layouts),
    ];
    let said: Vec<String> = said.into_iter().flatten().collect();
    let moves = || "to another place on the members".to_owned();
    Some(if said.is_empty() { moves() } else { said.join(", ") })
}

/// The levels that come when it is over.
fn levels(claim: &Claim) -> Option<String> {
    let note = claim.aside.as_ref()?.note.as_ref()?;
    let last = note.levels.last()?;
    Some(format!("it becomes a {last} when that is done"))
}

/// Where what is written over is kept.
fn store(claim: &Claim) -> Option<&str> {
    let aside = claim.aside.as_ref()?;
    Some(aside.store.as_str()).filter(|store| !store.is_empty())
}

/// Of an array that does not run.
pub(super) fn stopped(claim: &Claim) -> Option<Finding> {
    let shapes = shapes(claim)?;
    let at = claim.facts.reshape_position.map(|at| human::size(at.bytes().0)).unwrap_or_default();
    let text = format!("a reshape was interrupted at {at}: {shapes}");
    let found = Finding::new(Kind::Reshape, Severity::Weakens, text).also(levels(claim));
    Some(match store(claim) {
        Some(store) => found
            .needs(format!("what is set aside in {store}: it goes back, and the reshape on, at the start")),
        None if claim.metadata.needs_backup() => {
            found.needs("the file that was given as --backup-file when the reshape began")
        }
        None => found.needs("nothing: it goes on when the array is started"),
    })
}

impl Work<'_> {
    /// What else there is to know of one that runs.
    pub(super) fn reshaping(&self) -> Vec<String> {
        let Some(claim) = self.fresh.or(self.claims.first()) else { return Vec::new() };
        let Some(shapes) = shapes(claim) else { return Vec::new() };
        let aside = store(claim).map(|store| format!("what it writes over is set aside in {store} first"));
        let back = format!("`mdctl grow {} --revert` turns it round", self.array.shown());
        [Some(shapes), levels(claim), aside, Some(back)].into_iter().flatten().collect()
    }

    /// One that stands.
    pub(super) fn reshape(&self) -> Option<Finding> {
        let at = self.array.reshape_position.filter(|_| self.array.activity.is_none())?;
        let text = format!("a reshape was cut off at {}", human::size(at.bytes().0));
        let effect = "goes on with it, and sets aside what must be";
        let next = NextCommand::new(["mdctl", "grow", "--continue", &self.array.shown()], effect);
        let found = Finding::new(Kind::Reshape, Severity::Weakens, text).because("no reshape runs");
        Some(found.also(self.reshaping()).try_next(next))
    }
}
