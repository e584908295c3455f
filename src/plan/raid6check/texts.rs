//! What is said of a RAID6 array and its stripes, in the original's words: other programs read them.

use raid::{Part, blame::Blame};

use super::{Page, row, status};
use crate::model::raw::{NotRaw, RawArray};

pub(super) fn not_raw(shown: &str, no: &NotRaw) -> (String, u8) {
    match no {
        NotRaw::NoDevice(why) => (format!("cannot open {shown}: {why}"), status::NOT_OPENED),
        NotRaw::OtherLevel => (format!("{shown} not a RAID-6"), status::OTHER_LEVEL),
        NotRaw::Degraded => (format!("{shown} degraded array"), status::DEGRADED),
        NotRaw::Shape(why) => (format!("{shown}: {why}"), status::SYSFS),
    }
}

pub(super) fn stopped(status: u8) -> String {
    format!("check_stripes returned {status}")
}

/// What it is, and its members as sysfs has them.
pub(super) fn header(array: &RawArray) -> Vec<String> {
    let geometry = &array.geometry;
    let size = geometry.component_size.bytes().0;
    let mut lines = vec![
        format!("layout: {}", geometry.layout),
        format!("disks: {}", geometry.raid_disks),
        format!("component size: {size}"),
        format!("total stripes: {}", array.count()),
        format!("chunk size: {}", geometry.chunk.bytes().0),
        String::new(),
    ];
    for (nth, slot) in array.listed.iter().enumerate() {
        let Some(member) = array.members.get(*slot) else { continue };
        let offset = member.data_offset.bytes().0;
        lines.push(format!(
            "disk: {nth} - offset: {offset} - size: {size} - name: {} - slot: {slot}",
            member.path
        ));
    }
    lines.push(String::new());
    lines
}

/// The role of a slot in a stripe, as the original counts them: data in the order of the second syndrome, P, Q.
fn role(array: &RawArray, stripe: u64, slot: usize) -> Option<i64> {
    let row = row(array, stripe)?;
    Some(match row.part(slot) {
        Part::Data(_) => i64::try_from(row.place(slot)).ok()?,
        Part::P => -1,
        Part::Q => -2,
    })
}

fn path(array: &RawArray, slot: usize) -> &str {
    array.members.get(slot).map_or("", |member| member.path.as_str())
}

/// One page that does not fit.
pub(super) fn found(array: &RawArray, stripe: u64, page: &Page) -> Option<String> {
    let begin = format!("Error detected at stripe {stripe}, page {}", page.number);
    Some(match page.blame {
        Blame::Nobody => return None,
        Blame::Several => format!("{begin}: disk slot unknown"),
        Blame::NotZero(place) => format!("{begin}: failed slot {place} should be zeros"),
        Blame::Slot(slot) => {
            let role = role(array, stripe, slot)?;
            format!("{begin}: possible failed disk slot {role}: {slot} --> {}", path(array, slot))
        }
    })
}

/// One page that was put right.
pub(super) fn repaired(array: &RawArray, page: &Page) -> Option<String> {
    match page.blame {
        Blame::Slot(slot) => Some(format!("Auto-repairing slot {slot} ({})", path(array, slot))),
        Blame::Nobody | Blame::NotZero(_) | Blame::Several => None,
    }
}

/// What is brought back of a stripe that is named.
pub(super) fn repairs(array: &RawArray, stripe: u64, slots: [u32; 2]) -> Vec<String> {
    let slots = slots.map(|slot| usize::try_from(slot).unwrap_or(usize::MAX));
    let [one, other] = slots;
    let mut roles = slots.map(|slot| role(array, stripe, slot).unwrap_or(0));
    roles.sort_unstable();
    let what = match roles {
        [-2, -1] => "Repairing P and Q".to_owned(),
        [-2, data] => format!("Repairing D/P({data}) and Q"),
        [-1, data] => format!("Repairing D({data}) and P"),
        _ => "Repairing D and D".to_owned(),
    };
    vec![
        format!("Repairing stripe {stripe}"),
        format!(
            "Assuming slots {one} ({}) and {other} ({}) are incorrect",
            path(array, one),
            path(array, other)
        ),
        what,
    ]
}
