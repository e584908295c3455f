//! Rejections one by one, edits, allocation, the ring; and properties: what is written reads the same, no text goes over
//! another, no bytes do harm. `tests/it/lvm.rs` compares with what the real lvm wrote.

#![expect(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failure of the test")]

use proptest::prelude::*;

use super::{
    group::{GroupFlags, GroupStatus, PvStatus, VolumeFlags, VolumeStatus},
    *,
};
use crate::{
    Bytes, Damage, Media, Sectors, What, Write,
    lvm::area::{HEADER, Slot},
};

const PLACE: Extent = Extent { start: Bytes(4096), size: Bytes(1_044_480) };

fn id(seed: u8) -> LvmUuid {
    LvmUuid::from_random([seed; 32])
}

fn put(device: &mut [u8], write: &Write) {
    let at = usize::try_from(write.at.0).unwrap();
    device[at..][..write.data.len()].copy_from_slice(&write.data);
}

fn pv(seed: u8, extents: u64) -> PhysicalVolume {
    let size = Sectors(2048 + extents * 8192);
    PhysicalVolume::new(id(seed), format!("/dev/d{seed}"), size, Sectors(2048), Sectors(8192)).unwrap()
}

fn group(pvs: &[u64]) -> Group {
    let mut group = Group::empty("vg".into());
    group.id = id(200);
    group.pvs = pvs.iter().zip(1u8..).map(|(extents, seed)| pv(seed, *extents)).collect();
    group
}

fn volume(name: &str, seed: u8, segments: Vec<Segment>) -> LogicalVolume {
    LogicalVolume { id: id(seed), segments, ..LogicalVolume::empty(name.into()) }
}

fn add(group: &mut Group, name: &str, seed: u8, extents: u64) {
    let found = group.allocate(&Wish { extents, ..Wish::default() }).unwrap();
    group.add(volume(name, seed, found.segments)).unwrap();
}

/// Start, length, legs.
type Run = (u64, u64, Vec<(usize, u64)>);

fn runs(segments: &[Segment]) -> Vec<Run> {
    let legs = |segment: &Segment| match &segment.kind {
        Kind::Striped { legs, .. } => legs.iter().map(|leg| (leg.pv, leg.extent)).collect(),
        _ => Vec::new(),
    };
    segments.iter().map(|segment| (segment.start, segment.len, legs(segment))).collect()
}

mod labels;

mod areas;

mod texts;

mod edits;

#[test]
fn the_checksum_is_lvm2s() {
    // The label of a fixture: `foreign-lvm.sectors` and all of `fixtures/lvm` are read with it.
    assert_eq!(lvm_crc(b""), 0xf597_a6cf);
    assert_eq!(lvm_crc(b"123456789"), table_crc(b"123456789"));
}

/// Bit by bit, without the library.
fn table_crc(data: &[u8]) -> u32 {
    data.iter().fold(0xf597_a6cf, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}

#[test]
fn devices_have_a_size() {
    assert!(!Media::is_empty(&vec![0u8; 1]));
}
