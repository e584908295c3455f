//! Layout numbers and their names, per level.

use superblock::Level;

use crate::geometry::Copies;

/// RAID5 names in the order of their numbers (`md_p.h` ALGORITHM_*), as `--detail` prints them.
const RAID5: [&str; 6] = [
    "left-asymmetric",
    "right-asymmetric",
    "left-symmetric",
    "right-symmetric",
    "parity-first",
    "parity-last",
];

/// RAID6 names; the numbers have gaps.
const RAID6: [(u32, &str); 14] = [
    (0, "left-asymmetric"),
    (1, "right-asymmetric"),
    (2, "left-symmetric"),
    (3, "right-symmetric"),
    (4, "parity-first"),
    (5, "parity-last"),
    (8, "ddf-zero-restart"),
    (9, "ddf-N-restart"),
    (10, "ddf-N-continue"),
    (16, "left-asymmetric-6"),
    (17, "right-asymmetric-6"),
    (18, "left-symmetric-6"),
    (19, "right-symmetric-6"),
    (20, "parity-first-6"),
];

/// The layout that new arrays of this level get when none is asked for.
#[must_use]
pub fn default_layout(level: Level) -> u32 {
    match level {
        Level::Raid5 | Level::Raid6 => 2,
        Level::Raid10 => 0x102,
        // raid0 "original": the kernel refuses members of different size without a choice.
        Level::Raid0 => 1,
        _ => 0,
    }
}

/// The name of a layout of RAID5 or RAID6; `None` for an unknown number or another level.
#[must_use]
pub fn parity_layout_name(level: Level, layout: u32) -> Option<&'static str> {
    match level {
        Level::Raid5 => usize::try_from(layout).ok().and_then(|i| RAID5.get(i)).copied(),
        Level::Raid6 => RAID6.iter().find(|(number, _)| *number == layout).map(|(_, name)| *name),
        _ => None,
    }
}

/// `near=2, far=1` as `--detail` and `--examine` print a RAID10 layout.
#[must_use]
pub fn raid10_layout_name(layout: u32) -> String {
    let Copies { near, far, offset } = Copies::from_layout(layout);
    match (near, far, offset) {
        (near, 1, _) => format!("near={near}"),
        (1, far, true) => format!("offset={far}"),
        (1, far, false) => format!("far={far}"),
        (near, far, true) => format!("near={near}, offset={far}"),
        (near, far, false) => format!("near={near}, far={far}"),
    }
}

/// The layout as `--layout` takes it.
#[must_use]
pub fn layout_word(level: Level, layout: u32) -> Option<String> {
    match level {
        Level::Raid5 | Level::Raid6 => parity_layout_name(level, layout).map(str::to_owned),
        Level::Raid0 => {
            ["dangerous", "original", "alternate"].get(usize::try_from(layout).ok()?).map(ToString::to_string)
        }
        Level::Raid10 => {
            let name = raid10_layout_name(layout & 0x1_ffff);
            let (kind, copies) = name.split_once('=')?;
            Some(format!("{}{copies}", kind.get(..1)?))
        }
        _ => None,
    }
}
