//! What each device is to its array: current, stale, spare, journal, or out, and why.
//!
//! Incremental assembly asks the same questions, so it calls the same functions.

use superblock::{Events, Role};

use super::claim::Claim;

/// A member may be this far behind: the kernel counts one event when it marks the array dirty or clean, and not all
/// members need have been written when the power went.
pub(super) const MARGIN: u64 = 1;

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceClass {
    /// Up to date, in a slot.
    Active {
        /// The slot.
        slot: u32,
        /// It is being made to take the slot over from its holder.
        replacement: bool,
        /// Its data is complete; otherwise a recovery was under way.
        whole: bool,
    },
    /// In a slot once, and the array went on without it.
    Stale {
        /// The slot.
        slot: u32,
        /// It was being made to take the slot over from its holder.
        replacement: bool,
        /// How many events it lacks.
        behind: u64,
    },
    /// A spare.
    Spare,
    /// The write journal. A stale one is worthless.
    Journal {
        /// Whether it is up to date.
        current: bool,
    },
    /// Failed, by its own metadata.
    Faulty,
    /// It claims a slot that the array does not have.
    NoSuchSlot(u32),
}

/// The highest event count among the members in slots, else among all.
#[must_use]
pub fn newest<'a>(claims: impl Iterator<Item = &'a Claim> + Clone) -> Option<Events> {
    let in_slots = claims.clone().filter(|claim| claim.slot().is_some());
    in_slots.map(|claim| claim.facts.events).max().or_else(|| claims.map(|claim| claim.facts.events).max())
}

/// What this device is, in an array of `slots` whose freshest member counts `newest` events.
#[must_use]
pub fn classify(claim: &Claim, slots: u32, newest: Events) -> DeviceClass {
    let events = claim.facts.events;
    let current = events.0.saturating_add(MARGIN) >= newest.0 && events <= newest;
    match claim.facts.role {
        Role::Slot { slot, .. } if slot >= slots => DeviceClass::NoSuchSlot(slot),
        Role::Slot { slot, replacement } if current => {
            DeviceClass::Active { slot, replacement, whole: claim.is_whole() }
        }
        Role::Slot { slot, replacement } => {
            DeviceClass::Stale { slot, replacement, behind: newest.0.saturating_sub(events.0) }
        }
        Role::Spare => DeviceClass::Spare,
        Role::Journal => DeviceClass::Journal { current },
        Role::Faulty => DeviceClass::Faulty,
    }
}
