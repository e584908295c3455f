//! An LVM2 physical volume: its label, the headers of its metadata areas, their texts, and the volumes that lie wholly here.

use super::{Content, Inner, View};
use crate::Damage;
use crate::lvm::{Group, Kind, Label, LogicalVolume, PhysicalVolume, area, label};

/// The longest text that is read.
const LARGEST: u64 = 1 << 20;

pub(super) fn find(view: &View<'_>) -> Option<(Content, Vec<Inner>)> {
    let mut content = Content::new("LVM2 physical volume");
    let label = match label::read(view.media) {
        Ok(label) => label?,
        // Nobody can say what is there.
        Err(Damage::Io { .. }) => return None,
        Err(_) => {
            content.note("label", false);
            return Some((content, Vec::new()));
        }
    };
    content.id = Some(label.id.to_string());
    content.note("label", true);
    content.note_size(Some(label.size), view.media);
    let mut volumes = Vec::new();
    for group in groups(view, &label, &mut content) {
        let own = group.pvs.iter().enumerate().find(|(_, pv)| pv.id == label.id);
        if let Some((nth, pv)) = own.filter(|_| volumes.is_empty()) {
            volumes = group.volumes.iter().filter_map(|volume| inside(&group, volume, nth, pv)).collect();
        }
    }
    Some((content, volumes))
}

/// What the areas have in force; what is right about them is noted.
fn groups(view: &View<'_>, label: &Label, content: &mut Content) -> Vec<Group> {
    let mut groups = Vec::new();
    for place in &label.metadata {
        let area = area::read(view.media, *place);
        content.note("metadata area", area.is_ok());
        let Ok(area) = area else { continue };
        if let Some(slot) = area.committed.filter(|slot| slot.size <= LARGEST) {
            let text = area::text(view.media, &area, slot);
            content.note("metadata text", text.is_ok());
            groups.extend(text.ok().and_then(|text| Group::parse(&text).ok()));
        }
    }
    groups
}

/// A volume whose every segment is in one piece on this physical volume. The text is believed only for where to look; what
/// is there is checked on its own.
fn inside(group: &Group, volume: &LogicalVolume, own: usize, pv: &PhysicalVolume) -> Option<Inner> {
    let bytes = |extents: u64| group.sectors(extents).bytes();
    let pieces = volume.segments.iter().map(|segment| match &segment.kind {
        Kind::Striped { legs, .. } => match legs.as_slice() {
            [leg] if leg.pv == own => {
                let start = pv.pe_start.bytes().0.saturating_add(bytes(leg.extent).0);
                Some((crate::Bytes(start), bytes(segment.len)))
            }
            _ => None,
        },
        _ => None,
    });
    let pieces: Vec<_> = pieces.collect::<Option<_>>()?;
    if pieces.is_empty() { None } else { Some(Inner { pieces }) }
}
