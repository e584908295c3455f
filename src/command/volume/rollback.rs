//! `rollback`: the course is `plan::volume::courses`.

use anyhow::Result;

use super::Work;
use crate::{
    execute::follow,
    model::dm::name,
    plan::volume::{
        courses::Rollback,
        request::{RollbackRequest, VolumeName},
    },
};

/// One request.
pub(super) fn run(work: &Work<'_>, request: &RollbackRequest) -> Result<u8> {
    work.drive(&mut Rollback::new(request, work.called()))
}

/// Has it ended in the background: by whom; `None` where nobody can.
pub(super) fn in_background(work: &Work<'_>, name: &VolumeName) -> Option<String> {
    let lock = format!("rollback-{}", name::join(&name.group, &name.volume, None));
    let words = ["volume", "rollback", &name.to_string(), "--wait"].map(str::to_owned);
    follow::start(work.machine, &lock, &words).ok()
}
