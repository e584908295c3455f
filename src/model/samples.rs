//! Superblocks and devices for tests, alike wherever nothing else is wanted: `..samples::array(level, disks)` and what differs.

use superblock::{Bytes, Events, Level, MdUuid, Role, Sectors, probe::Probe, v1};

use super::{DevId, Device};

/// The size of the members that [`member`] makes.
pub(crate) const MEMBER: Sectors = Sectors(65536);

/// An array of 1.2 metadata, clean, without bitmap; every device has its slot.
pub(crate) fn array(level: Level, disks: u32) -> v1::NewArray {
    v1::NewArray {
        minor: v1::Minor::V1_2,
        uuid: MdUuid([7; 16]),
        name: v1::set_name(None, b"0"),
        created: 1_700_000_000,
        level,
        layout: match level {
            Level::Raid5 | Level::Raid6 => 2,
            Level::Raid10 => 0x102,
            _ => 0,
        },
        size: Sectors(40960),
        chunk: if level == Level::Raid1 { Sectors(0) } else { Sectors(1024) },
        raid_disks: disks,
        spares: 0,
        clean: true,
        raid0_layout: false,
        journal: false,
        ppl: false,
        bitmap: None,
        bad_block_log: true,
        roles: (0..disks).map(|slot| Role::Slot { slot, replacement: false }).collect(),
    }
}

/// The superblock of one member, on a device of [`MEMBER`].
pub(crate) fn member(array: &v1::NewArray, number: u32, uuid: MdUuid, events: u64) -> v1::Superblock {
    let member = v1::NewMember {
        number,
        uuid,
        events: Events(events),
        device: MEMBER,
        data_offset: Sectors(2048),
        flags: v1::DevFlags::empty(),
    };
    array.member(&member).expect("the sample is sound")
}

/// A device with nothing on it, and nobody who holds it.
pub(crate) fn device(path: &str, id: DevId, size: Bytes) -> Device {
    Device {
        path: path.to_owned(),
        kernel_name: path.trim_start_matches("/dev/").to_owned(),
        id,
        size,
        logical_block: 512,
        read_only: false,
        whole: None,
        busy: false,
        holders: Vec::new(),
        unsearched: false,
        aside: None,
        probe: Probe::default(),
        foreign: Vec::new(),
        seen: [].into(),
    }
}
