//! `rollback`: the course is `plan::volume::courses`.

use anyhow::Result;

use super::Work;
use crate::{plan::volume::courses::Rollback, request::volume::RollbackRequest};

/// One request.
pub(super) fn run(work: &Work<'_>, request: &RollbackRequest) -> Result<u8> {
    work.drive(&mut Rollback::new(request, work.called()))
}
