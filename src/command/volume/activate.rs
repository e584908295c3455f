//! `activate` and `deactivate`: the courses are `plan::volume`.

use anyhow::Result;

use super::Work;
use crate::{
    command::{outcome, tell},
    plan::volume::{
        activate::Activate,
        deactivate::Deactivate,
        request::{ActivateRequest, Named},
    },
};

/// Makes devices.
pub(super) fn activate(work: &Work<'_>, request: &ActivateRequest) -> Result<u8> {
    work.drive(&mut Activate::new(request.clone(), work.called()))
}

/// Takes devices away.
pub(super) fn deactivate(work: &Work<'_>, names: &[Named]) -> Result<u8> {
    let mut course = Deactivate::new(names.to_vec(), work.called());
    let status = work.drive(&mut course)?;
    if work.common.json {
        course.nothing().iter().for_each(|plan| tell(outcome(plan, work.common.dry_run)));
    }
    Ok(status)
}
