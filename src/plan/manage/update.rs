//! What `--update=` and the member flags change in a superblock before the device comes back.

use superblock::{
    Damage, Judge as _,
    v1::{Edit, FeatureMap, Minor, Superblock},
};

use super::Todo;
use crate::{
    model::{Device, manage::Managed},
    plan::{Refusal, Warning},
    request::Update,
};

/// Makes the changes.
pub(super) fn update(
    sb: &mut Superblock,
    todo: &Todo,
    array: &Managed,
    device: &Device,
    update: Option<Update>,
) -> Result<(), Refusal> {
    let mut edits = Vec::new();
    edits.extend(todo.write_mostly.map(Edit::WriteMostly));
    edits.extend(todo.failfast.map(Edit::FailFast));
    match update {
        None => {}
        // At 1.0 the superblock's place says how much there is.
        Some(Update::DeviceSize) if sb.minor() == Minor::V1_0 => {}
        Some(Update::DeviceSize) => {
            edits.push(Edit::DataSize(device.sectors().saturating_sub(sb.data_offset())));
        }
        // Where the list has entries, its place stays.
        Some(Update::Bbl) if sb.feature_map().contains(FeatureMap::BAD_BLOCKS) => {}
        Some(Update::Bbl) => {
            edits.extend(sb.room_for_bad_block_log(array.bitmap.as_ref()).map(Edit::BadBlockLog));
        }
        Some(Update::NoBbl) if sb.feature_map().contains(FeatureMap::BAD_BLOCKS) => {
            let first = Warning::note(format!("Cannot remove active bbl from {}", todo.word));
            return Err(Refusal::new("failed to update superblock during re-add").after(vec![first]));
        }
        Some(Update::NoBbl | Update::ForceNoBbl) => edits.push(Edit::NoBadBlockLog),
        // The words of a re-add are checked where they are read.
        Some(_) => return Err(Refusal::new("failed to update superblock during re-add")),
    }
    for edit in edits {
        sb.edit(edit).map_err(|why| Refusal::new(why.to_string()))?;
    }
    let does_not_fit = |why: Damage| Refusal::new(format!("{}: the metadata does not fit: {why}", todo.word));
    sb.judge_bounds(device.sectors()).map_err(does_not_fit)
}
