//! Why an array is left out, and what helps.

use crate::{
    model::{
        scrub::{ScrubArray, SyncLimit},
        status::{Health, Stage},
    },
    words::{ArrayState, SyncAction},
};

/// Why an array is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// In words, without the array.
    pub why: String,
    /// What to do, where anything is to be done.
    pub hint: Option<String>,
}

impl Left {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Whether a check may begin.
///
/// # Errors
/// Why not.
pub fn ready(array: &ScrubArray) -> Result<(), Left> {
    let status = &array.status;
    let shown = status.shown();
    // The driver does not say the level of an array that was never started.
    if status.is_container() || !status.is_running() {
        let why = if status.is_container() { "it is a container" } else { "it is not started" };
        return Err(Left::new(why));
    }
    if !array.has_redundancy() || status.action.is_none() {
        let level = status.level.and_then(superblock::Level::name).unwrap_or("its level");
        return Err(Left::new(format!("{level} has no redundancy: there is nothing to compare")));
    }
    match &status.state {
        ArrayState::ReadOnly => {
            return Err(Left::new("it is read-only").hint(format!("mdctl readwrite {shown}")));
        }
        ArrayState::Suspended => {
            return Err(Left::new("it is suspended: requests wait").hint(format!("mdctl explain {shown}")));
        }
        _ if !array.is_writable() => {
            return Err(
                Left::new(format!("its state is {}", status.state)).hint(format!("mdctl explain {shown}"))
            );
        }
        _ => {}
    }
    if let Some(left) = degraded(array) {
        return Err(left);
    }
    acting(array)?;
    if let SyncLimit::At(at) = array.sync_max {
        let file = format!("/sys/block/{}/md/sync_max", status.kernel_name);
        let why = format!("somebody bounds what is synchronised: sync_max is {}", at.0);
        return Err(Left::new(why).hint(format!("echo max > {file}, if that is over")));
    }
    Ok(())
}

/// A check of a degraded array finds nothing to compare with, and works the disks that are left.
pub(super) fn degraded(array: &ScrubArray) -> Option<Left> {
    let status = &array.status;
    let short = status.degraded.is_some_and(|count| count > 0);
    let whole = !short && status.health() == Health::Complete;
    (!whole).then(|| {
        Left::new("it is degraded: nothing is left to compare with, and its last disks are spared")
            .hint(format!("mdctl explain {}", status.shown()))
    })
}

fn acting(array: &ScrubArray) -> Result<(), Left> {
    let status = &array.status;
    let shown = status.shown();
    let waits = status.activity.as_ref().filter(|activity| activity.stage == Stage::Pending);
    match status.action.as_ref().unwrap_or(&SyncAction::None) {
        SyncAction::Frozen => Err(Left::new("resync and recovery are switched off (sync_action is frozen)")
            .hint(format!("mdctl explain {shown}"))),
        SyncAction::Idle => match waits {
            Some(activity) => Err(Left::new(format!("a {} is due", activity.kind))),
            None => Ok(()),
        },
        SyncAction::Check => Err(Left::new("a check runs already")),
        other => Err(Left::new(format!("a {} runs", other.noun())).hint(format!("mdctl wait {shown}"))),
    }
}
