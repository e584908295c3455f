//! What `--update=` and the member flags change in a superblock before the device comes back.

use superblock::{
    Sectors,
    v1::{BadBlockLog, Edit, FeatureMap, Minor, Superblock},
};

use super::{Todo, Update};
use crate::{
    model::Device,
    plan::{Refusal, Warning},
};

/// Makes the changes.
pub(super) fn update(
    sb: &mut Superblock,
    todo: &Todo,
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
        Some(Update::Bbl) => edits.extend(room_for_log(sb).map(Edit::BadBlockLog)),
        Some(Update::NoBbl) if sb.feature_map().contains(FeatureMap::BAD_BLOCKS) => {
            let first = Warning::note(format!("Cannot remove active bbl from {}", todo.word));
            return Err(Refusal::new("failed to update superblock during re-add").after(vec![first]));
        }
        Some(Update::NoBbl | Update::ForceNoBbl) => edits.push(Edit::NoBadBlockLog),
    }
    for edit in edits {
        sb.edit(edit).map_err(|why| Refusal::new(why.to_string()))?;
    }
    Ok(())
}

/// Eight sectors that nothing else needs, where the superblock has no log yet: before a superblock at the end, else right
/// before the data.
fn room_for_log(sb: &Superblock) -> Option<BadBlockLog> {
    if sb.bad_block_log().is_some() {
        return None;
    }
    let log =
        |offset: i64| i32::try_from(offset).ok().map(|offset| BadBlockLog { offset, size: 8, shift: 0 });
    let before = sb.data_offset().0.checked_sub(sb.at().0);
    match (sb.minor(), before) {
        (Minor::V1_0, _) => {
            let bitmap = sb.bitmap_offset().filter(|offset| *offset < 0).unwrap_or(0);
            let end = sb.at().0.checked_sub(sb.data_offset().saturating_add(sb.data_size()).0)?;
            (Sectors(end) >= Sectors(8) && bitmap < -8 || bitmap == 0 && end >= 8).then(|| log(-8)).flatten()
        }
        (_, Some(room)) if room >= 8 + 8 + 64 => log(i64::try_from(room).ok()? - 8),
        _ => None,
    }
}
