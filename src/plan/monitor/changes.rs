//! From two looks at one array to events. No look before means that this is the first one.

use super::event::{ArrayEvent, DiskWords, EventKind};
use crate::{
    model::{
        monitor::{ArraySeen, SyncPercent},
        status::{Health, MemberStatus},
    },
    words::{MemberState, SyncAction},
};

/// From this many percent on a recovery is about to end.
const ENDING: u8 = 99;

/// What the events of an array depend on besides it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watching {
    /// What the array is called in events.
    pub path: String,
    /// `spares=` of its ARRAY line.
    pub expected_spares: Option<u32>,
    /// Percents from one event of progress to the next.
    pub increment: u8,
}

/// What there is to tell, in the order of the original: what failed, what is synchronised, what is in sync.
#[must_use]
pub fn changes(before: Option<&ArraySeen>, now: &ArraySeen, watching: &Watching) -> Vec<ArrayEvent> {
    let mut events = match before {
        None => at_first(now, watching),
        Some(before) => {
            // In the order in which one thing leads to the other, also where one look sees all of it.
            let (active, mut events): (Vec<_>, Vec<_>) = members(before, now, watching)
                .into_iter()
                .partition(|event| event.kind == EventKind::SpareActive);
            events.extend(progress(before, now, watching));
            events.extend(active);
            events.extend(health(before, now, watching));
            events
        }
    };
    for event in &mut events {
        event.kernel = Some(now.status.kernel_name.clone());
        event.next = next(event, now);
    }
    events
}

/// The array as it is told of. A member that was filled is in sync a moment before its recovery is over; it counts from then
/// on.
#[must_use]
pub(super) fn settled(before: Option<&ArraySeen>, now: &ArraySeen) -> ArraySeen {
    let mut settled = now.clone();
    let is_ending = now.percent.number().is_some_and(|percent| percent >= ENDING);
    let Some(before) = before.filter(|_| is_ending) else { return settled };
    for member in &mut settled.status.members {
        let is_it = |other: &&MemberStatus| other.kernel_name == member.kernel_name && other.id == member.id;
        let filled = |other: &&MemberStatus| other.slot == member.slot && !other.is(&MemberState::InSync);
        if let Some(former) = before.status.members.iter().find(is_it).filter(filled) {
            member.state.clone_from(&former.state);
        }
    }
    settled
}

fn at_first(now: &ArraySeen, watching: &Watching) -> Vec<ArrayEvent> {
    let event = |kind| ArrayEvent::new(kind, &watching.path);
    let mut events = Vec::new();
    if now.pattern.contains('_') {
        events.push(event(EventKind::DegradedArray));
    }
    if watching.expected_spares.is_some_and(|expected| spares(now) < expected) {
        events.push(event(EventKind::SparesMissing));
    }
    if now.status.health() == Health::Failed {
        events.push(event(EventKind::ArrayFailed));
    }
    events
}

/// How many members wait for work.
pub(super) fn spares(array: &ArraySeen) -> u32 {
    let spare = |member: &&MemberStatus| is_spare(member);
    u32::try_from(array.status.members.iter().filter(spare).count()).unwrap_or(u32::MAX)
}

/// Neither failed nor in use: the kernel counts those that are being filled, too.
fn is_spare(member: &MemberStatus) -> bool {
    let busy = [MemberState::Faulty, MemberState::InSync, MemberState::Journal];
    !busy.iter().any(|state| member.is(state))
}

fn progress(before: &ArraySeen, now: &ArraySeen, watching: &Watching) -> Vec<ArrayEvent> {
    let event = |kind| ArrayEvent::new(kind, &watching.path);
    let step = |percent: u8| percent.checked_div(watching.increment).unwrap_or(0);
    match (before.percent, now.percent) {
        (SyncPercent::At(before), SyncPercent::At(now)) if step(now) > step(before) => {
            vec![event(EventKind::Rebuild(now))]
        }
        (SyncPercent::At(_), SyncPercent::None) => finished(now, watching),
        (SyncPercent::At(_), _) => vec![],
        (_, SyncPercent::At(_)) => vec![event(EventKind::RebuildStarted)],
        _ => vec![],
    }
}

fn finished(now: &ArraySeen, watching: &Watching) -> Vec<ArrayEvent> {
    let event = ArrayEvent::new(EventKind::RebuildFinished, &watching.path);
    let Some(count) = now.status.mismatches.filter(|count| count.0 > 0) else { return vec![event] };
    let level = now.status.level.map_or(0, |level| level.number());
    let words = format!(" mismatches found: {} (on raid level {level})", count.0);
    let mut events = vec![event.component(words)];
    // The count of a former check stays when something else was finished.
    if matches!(now.status.last_action, Some(SyncAction::Check | SyncAction::Repair)) {
        let words = format!("{} sectors", count.0);
        events.push(ArrayEvent::new(EventKind::MismatchFound, &watching.path).component(words));
    }
    events
}

fn members(before: &ArraySeen, now: &ArraySeen, watching: &Watching) -> Vec<ArrayEvent> {
    let find = |all: &[MemberStatus], member: &MemberStatus| -> Option<MemberStatus> {
        let is_it = |other: &&MemberStatus| {
            other.kernel_name == member.kernel_name
                && (other.id.is_none() || member.id.is_none() || other.id == member.id)
        };
        all.iter().find(is_it).cloned()
    };
    let (old, new) = (&before.status.members, &now.status.members);
    let mut events = Vec::new();
    let mut tell = |kind, member: &MemberStatus| {
        let event = ArrayEvent::new(kind, &watching.path).component(path(member));
        events.push(ArrayEvent { disk: Some(words(member)), ..event });
    };
    for member in old {
        let found = find(new, member).unwrap_or_default();
        let (was, is) = (member.is(&MemberState::InSync), found.is(&MemberState::InSync));
        let failed = found.is(&MemberState::Faulty) && !member.is(&MemberState::Faulty);
        if was && (!is || failed) {
            tell(EventKind::Fail, member);
        } else if !was && failed {
            tell(EventKind::FailSpare, member);
        } else if !was && is {
            tell(EventKind::SpareActive, &found);
        }
    }
    for member in new.iter().filter(|member| find(old, member).is_none()) {
        if member.is(&MemberState::InSync) && !member.is(&MemberState::Faulty) {
            tell(EventKind::SpareActive, member);
        }
    }
    events
}

/// Ours: the data is gone, or everything is well again.
fn health(before: &ArraySeen, now: &ArraySeen, watching: &Watching) -> Vec<ArrayEvent> {
    let kind = match (before.status.health(), now.status.health()) {
        (Health::Complete | Health::Degraded, Health::Failed) => EventKind::ArrayFailed,
        (Health::Degraded | Health::Failed, Health::Complete) => EventKind::ArrayRestored,
        _ => return vec![],
    };
    vec![ArrayEvent::new(kind, &watching.path)]
}

/// A member's path, by its kernel name where its node is gone with it.
fn path(member: &MemberStatus) -> String {
    member.path.clone().unwrap_or_else(|| format!("/dev/{}", member.kernel_name))
}

fn words(member: &MemberStatus) -> DiskWords {
    DiskWords {
        kernel: member.kernel_name.clone(),
        model: member.model.clone(),
        serial: member.serial.clone(),
    }
}

/// The next command, by our own verbs.
fn next(event: &ArrayEvent, now: &ArraySeen) -> String {
    let array = &event.array;
    match event.kind {
        EventKind::Fail if spares(now) > 0 => {
            format!("a spare takes its place: mdctl wait {array}")
        }
        EventKind::Fail | EventKind::FailSpare => match &event.component {
            Some(member) => {
                format!("mdctl manage {array} --remove {member}; then mdctl manage {array} --add NEW-DISK")
            }
            None => format!("mdctl explain {array}"),
        },
        EventKind::SparesMissing => format!("mdctl manage {array} --add NEW-DISK"),
        EventKind::DegradedArray | EventKind::ArrayFailed | EventKind::DeviceDisappeared => {
            format!("mdctl explain {array}")
        }
        EventKind::MismatchFound => format!("mdctl scrub locate {array}"),
        EventKind::RebuildStarted => format!("mdctl status --watch {array}"),
        EventKind::TestMessage
        | EventKind::NewArray
        | EventKind::Rebuild(_)
        | EventKind::RebuildFinished
        | EventKind::SpareActive
        | EventKind::MoveSpare
        | EventKind::ArrayRestored => String::new(),
    }
}

#[cfg(test)]
#[path = "changes_tests.rs"]
pub(in crate::plan::monitor) mod tests;
