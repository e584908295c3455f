//! What begins and ends checks, and what notes them, as plans.

use superblock::Sectors;

use crate::{
    model::scrub::{MARK, ScrubArray, ScrubRecord, ScrubSight, SyncLimit, percent},
    plan::{ArrayName, MdStep, Plan, Step, SystemStep},
    words::{ArrayAttr, SyncAction},
};

/// Permissions of what is kept.
const MODE: u32 = 0o644;

fn name(array: &ScrubArray) -> ArrayName {
    ArrayName { kernel: array.status.kernel_name.clone(), path: array.status.shown() }
}

fn change(array: &ScrubArray, attr: ArrayAttr, from: String, to: String) -> Step {
    Step::Md(MdStep::Change { array: name(array), attr, from: Some(from), to })
}

/// Where a check is, for people.
pub(super) fn place(array: &ScrubArray, at: Sectors) -> String {
    match at.0 {
        0 => "its start".to_owned(),
        _ => format!("{} %", percent(at, array.total())),
    }
}

/// Begins a check. It is noted once it runs: a note of a check that never ran could be taken for one that ended.
/// `ended`: that the one before is whole was not noted yet.
pub(super) fn begin(
    sight: &ScrubSight,
    array: &ScrubArray,
    from: Sectors,
    record: &ScrubRecord,
    ended: bool,
) -> Plan {
    let mut steps = Vec::new();
    if array.sync_max != SyncLimit::Marked {
        let mark = MARK.0.to_string();
        steps.push(change(array, ArrayAttr::SyncMax, array.sync_max.word(), mark));
    }
    if array.sync_min != from {
        let (old, new) = (array.sync_min.0.to_string(), from.0.to_string());
        steps.push(change(array, ArrayAttr::SyncMin, old, new));
    }
    let (idle, check) = (SyncAction::Idle, SyncAction::Check);
    steps.push(change(array, ArrayAttr::SyncAction, idle.to_string(), check.to_string()));
    steps.push(Step::Commit);
    steps.extend(marker(sight, array).filter(|_| ended));
    steps.extend(notes(sight, array, record, Some(from)));
    let summary = format!("check {} from {}", array.status.shown(), place(array, from));
    Plan { summary, steps, warnings: Vec::new() }
}

/// Stops a check and nothing else: who finds something else running there does nothing.
pub(super) fn stop(array: &ScrubArray) -> Plan {
    let (check, idle) = (SyncAction::Check, SyncAction::Idle);
    let step = change(array, ArrayAttr::SyncAction, check.to_string(), idle.to_string());
    let summary = format!("stop the check of {}", array.status.shown());
    Plan { summary, steps: vec![step, Step::Commit], warnings: Vec::new() }
}

/// What notes a record and a position; without a position none is left.
fn notes(sight: &ScrubSight, array: &ScrubArray, record: &ScrubRecord, at: Option<Sectors>) -> Vec<Step> {
    let Some(uuid) = array.status.uuid else { return Vec::new() };
    let write = |path: String, text: String| Step::System(SystemStep::WriteFile { path, text, mode: MODE });
    let position = sight.position_file(uuid);
    let position = match at {
        Some(at) => Some(write(position, format!("{}\n", at.0))),
        None => array.kept.position.map(|_| Step::System(SystemStep::RemoveFile { file: position })),
    };
    position.into_iter().chain([write(sight.record_file(uuid), record.text())]).collect()
}

/// What marks that a check came to its end.
fn marker(sight: &ScrubSight, array: &ScrubArray) -> Option<Step> {
    let path = sight.marker_file(array.status.uuid?);
    Some(Step::System(SystemStep::WriteFile { path, text: String::new(), mode: MODE }))
}

/// Notes how far a check is.
pub(super) fn save(
    sight: &ScrubSight,
    array: &ScrubArray,
    record: &ScrubRecord,
    at: Sectors,
) -> Option<Plan> {
    let steps = notes(sight, array, record, Some(at));
    let summary = format!("note how far the check of {} is: {}", array.status.shown(), place(array, at));
    noting(summary, steps)
}

/// Notes where a check was cut off, then lets the attributes be as they were: a check that somebody begins otherwise is whole.
pub(super) fn cut_off(
    sight: &ScrubSight,
    array: &ScrubArray,
    record: &ScrubRecord,
    at: Option<Sectors>,
) -> Option<Plan> {
    let as_it_is = *record == array.kept.record && at == array.kept.position.map(|kept| kept.at);
    let mut steps = if as_it_is { Vec::new() } else { notes(sight, array, record, at) };
    // What somebody else set for a check that is still to begin is theirs.
    if at.is_some() || array.sync_max == SyncLimit::Marked {
        steps.extend(tidy(array));
    }
    let at = at.unwrap_or_default();
    noting(
        format!("note where the check of {} was cut off: {}", array.status.shown(), place(array, at)),
        steps,
    )
}

/// Notes that a check came to its end. The kernel has put its attributes back.
pub(super) fn whole(sight: &ScrubSight, array: &ScrubArray, record: &ScrubRecord) -> Option<Plan> {
    let steps = marker(sight, array).into_iter().chain(notes(sight, array, record, None)).collect();
    noting(format!("note that the check of {} is whole", array.status.shown()), steps)
}

/// Puts attributes back that could not be before.
pub(super) fn tidied(array: &ScrubArray) -> Option<Plan> {
    noting(format!("let a check of {} begin at its start", array.status.shown()), tidy(array))
}

/// Attributes as the kernel has them where nobody bounds a check. It takes no new start while something else runs.
fn tidy(array: &ScrubArray) -> Vec<Step> {
    let idle = array.status.action == Some(SyncAction::Idle);
    let mut steps = Vec::new();
    if idle && array.sync_min.0 != 0 {
        steps.push(change(array, ArrayAttr::SyncMin, array.sync_min.0.to_string(), "0".to_owned()));
    }
    if array.sync_max == SyncLimit::Marked {
        steps.push(change(array, ArrayAttr::SyncMax, array.sync_max.word(), SyncLimit::End.word()));
    }
    steps
}

/// All of it is tried: what one step fails at, another may do.
fn noting(summary: String, steps: Vec<Step>) -> Option<Plan> {
    let any = !steps.is_empty();
    any.then(|| Plan { summary, steps: [vec![Step::Commit], steps].concat(), warnings: Vec::new() })
}

/// Takes markers of checks that came to their end away.
pub(super) fn renew(sight: &ScrubSight, uuids: &[superblock::MdUuid]) -> Plan {
    let remove =
        |uuid: &superblock::MdUuid| Step::System(SystemStep::RemoveFile { file: sight.marker_file(*uuid) });
    let steps = [Step::Commit].into_iter().chain(uuids.iter().map(remove)).collect();
    Plan { summary: "have arrays checked again".to_owned(), steps, warnings: Vec::new() }
}
