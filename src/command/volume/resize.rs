//! `resize`.

use anyhow::Result;

use super::Work;
use crate::{model::volume::GroupSeen, plan::volume::resize, request::volume::ResizeRequest};

/// Changes a size.
pub(super) fn run(work: &Work<'_>, request: &ResizeRequest) -> Result<u8> {
    work.change(resize::look(request, &work.words()), |seen: &GroupSeen| resize::decide(seen, request))
}
