//! `activate` and `deactivate`: the courses are `plan::volume`.

use anyhow::Result;

use super::Work;
use crate::{
    plan::volume::{activate::Activate, turns},
    request::volume::{ActivateRequest, Named},
};

/// Makes devices.
pub(super) fn activate(work: &Work<'_>, request: &ActivateRequest) -> Result<u8> {
    work.drive(&mut Activate::new(request.clone(), work.called()))
}

/// Takes devices away.
pub(super) fn deactivate(work: &Work<'_>, names: &[Named]) -> Result<u8> {
    work.in_turn(&mut turns::deactivate(names.to_vec(), work.called()))
}
