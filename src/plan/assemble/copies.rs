//! Devices with one identity: which of them is the member, and which is a copy of it.
//!
//! Event counts do not tell it: md counts back by one when it marks an array clean, so that a copy that was made while the
//! array was in use has the count of the member, or one more. The time of the last update tells it, and the other members do.

use std::cmp::Ordering;

use superblock::Level;

use super::{claim::Claim, classify::MARGIN};

/// By claim: the member that it is a copy of.
#[derive(Debug)]
pub(super) struct Copies(Vec<Option<usize>>);

impl Copies {
    /// Finds them among the claims that may be used.
    pub(super) fn of(claims: &[Claim], force: bool) -> Self {
        let mut members: Vec<usize> = Vec::new();
        let mut copies = vec![None; claims.len()];
        for (index, claim) in claims.iter().enumerate().filter(|(_, claim)| claim.is_usable(force)) {
            let twin = members.iter_mut().find_map(|member| {
                let held = claims.get(*member).filter(|held| are_one(held, claim))?;
                Some((order(claim, held, claims), member))
            });
            match twin {
                None => members.push(index),
                // 0.90 has no identity of a member: these are two devices in one slot, and nothing tells them apart.
                Some((Ordering::Equal, _)) if claim.facts.member.is_none() => members.push(index),
                Some((Ordering::Greater, member)) => {
                    let old = std::mem::replace(member, index);
                    for copy in copies.iter_mut().filter(|copy| **copy == Some(old)) {
                        *copy = Some(index);
                    }
                    set(&mut copies, old, index);
                }
                Some((Ordering::Equal | Ordering::Less, member)) => set(&mut copies, index, *member),
            }
        }
        Self(copies)
    }

    /// The member that this one is a copy of.
    pub(super) fn original(&self, claim: usize) -> Option<usize> {
        self.0.get(claim).copied().flatten()
    }
}

fn set(copies: &mut [Option<usize>], copy: usize, of: usize) {
    if let Some(place) = copies.get_mut(copy) {
        *place = Some(of);
    }
}

/// Whether both are in one slot with one identity.
fn are_one(a: &Claim, b: &Claim) -> bool {
    let near = a.facts.events.0.abs_diff(b.facts.events.0) <= MARGIN;
    a.id != b.id
        && a.slot().is_some()
        && a.slot() == b.slot()
        && a.facts.member == b.facts.member
        && (a.facts.member.is_some() || near)
}

/// Which of two with one identity was written last. Where the counts are near, the one that agrees with another member, for
/// clocks go back sometimes; then the one with the later update; then the one with more events.
fn order(a: &Claim, b: &Claim, claims: &[Claim]) -> Ordering {
    let (one, other) = (&a.facts, &b.facts);
    if one.events.0.abs_diff(other.events.0) > MARGIN {
        return one.events.cmp(&other.events);
    }
    let agrees = |claim: &Claim| claims.iter().any(|other| is_fellow(claim, other));
    agrees(a).cmp(&agrees(b)).then(one.updated.cmp(&other.updated)).then(one.events.cmp(&other.events))
}

/// Whether another member was last written together with this one.
fn is_fellow(claim: &Claim, other: &Claim) -> bool {
    other.damage.is_none()
        && other.slot().is_some()
        && other.slot() != claim.slot()
        && (other.facts.events, other.facts.updated) == (claim.facts.events, claim.facts.updated)
}

/// So many seconds a superblock may be older than the next one of its array although the power went while that was being
/// written: the time for which a member is marked as in use before it is marked clean, where little is written.
const LAPSE: u64 = 2;

/// How a member shows that it missed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missed {
    /// It counts the same events, and md writes all members of an array at one time.
    Surely,
    /// It counts one more or one less, and was in use when others were marked clean, or is ahead of those who were written
    /// later. A power cut that hit just that mark leaves the same, and then nothing is missed.
    Likely,
}

/// Whether `claim` missed what made `fellow` what it is, although their counts are near. Such a one was copied while the array
/// was in use, or had its superblock put back. The superblocks of a level without redundancy are not written as it is used.
pub(super) fn missed(claim: &Claim, fellow: &Claim) -> Option<Missed> {
    let (one, other) = (&claim.facts, &fellow.facts);
    if matches!(other.level, Level::Raid0 | Level::Linear) || one.updated >= other.updated {
        return None;
    }
    if one.events == other.events {
        return Some(Missed::Surely);
    }
    let near = one.events.0.abs_diff(other.events.0) <= MARGIN;
    let long = one.updated.saturating_add(LAPSE) < other.updated;
    // Marked as in use before the first write and not on all: who is behind and clean has missed nothing.
    let left_in_use = one.events > other.events || (!one.clean && other.clean);
    (near && long && left_in_use).then_some(Missed::Likely)
}

#[cfg(test)]
#[path = "copies_tests.rs"]
mod tests;
