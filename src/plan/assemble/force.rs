//! What `--force` writes: stale members brought up to date, one event count at a time, and a dirty array called clean.

use superblock::{Events, Role};

use super::{
    claim::Claim,
    classify::DeviceClass,
    lineup::{Lineup, PlacedDevice},
    shape::Shapes,
};

/// A stale member that is to count as up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// Index into the claims.
    pub claim: usize,
    /// Its slot.
    pub slot: u32,
    /// Its event count.
    pub from: Events,
    /// The freshest member's, which it gets.
    pub to: Events,
}

/// Promotes the least stale members until there are enough, and with each all others that are as stale: they left
/// together. Changes the line-up; who is rebuilding, or stands at another position of a reshape, is never promoted, and
/// who knows another shape has no place in it. During a reshape there have to be enough for the shapes before and after.
pub fn promote(lineup: &mut Lineup, claims: &[Claim], shapes: &Shapes) -> Vec<Promotion> {
    let mut promotions = Vec::new();
    let Some(freshest) = lineup.freshest().and_then(|place| claims.get(place.claim)) else {
        return promotions;
    };
    let position = freshest.facts.reshape_position;
    let newest = lineup.newest;
    while !shapes.enough(&lineup.present(), true) {
        let events = |place: &PlacedDevice| {
            candidate(place, claims).filter(|_| position_of(place, claims) == position)
        };
        let Some(best) = lineup.seats().filter_map(events).max() else { break };
        for seat in lineup.holders.iter_mut().chain(&mut lineup.replacements).flatten() {
            let DeviceClass::Stale { slot, replacement, .. } = seat.class else { continue };
            if events(seat) == Some(best) {
                promotions.push(Promotion { claim: seat.claim, slot, from: best, to: newest });
                seat.class = DeviceClass::Active { slot, replacement, whole: true };
            }
        }
    }
    promotions
}

fn candidate(place: &PlacedDevice, claims: &[Claim]) -> Option<Events> {
    let claim = claims.get(place.claim)?;
    let stale = matches!(place.class, DeviceClass::Stale { .. });
    (stale && claim.is_whole()).then_some(claim.facts.events)
}

fn position_of(place: &PlacedDevice, claims: &[Claim]) -> Option<superblock::Sectors> {
    claims.get(place.claim).and_then(|claim| claim.facts.reshape_position)
}

/// Members in slots that the freshest member's copy does not have there: (claim, dev_number, slot).
#[must_use]
pub fn denied(lineup: &Lineup, claims: &[Claim], freshest: &Claim) -> Vec<(usize, u32, u32)> {
    let mut denied = Vec::new();
    for place in lineup.seats() {
        let DeviceClass::Active { slot, replacement: false, .. } = place.class else { continue };
        let Some(claim) = claims.get(place.claim) else { continue };
        let number = claim.facts.dev_number;
        let agrees =
            matches!(freshest.metadata.role_of(number), Role::Slot { slot: known, .. } if known == slot);
        if !agrees {
            denied.push((place.claim, number, slot));
        }
    }
    denied
}
