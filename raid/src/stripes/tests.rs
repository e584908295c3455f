#![expect(clippy::arithmetic_side_effects, reason = "an overflow in a test is a failure of the test")]

use proptest::prelude::*;
use superblock::{Bytes, Media};

use super::*;
use crate::{
    assembled::{Assembled, Member},
    image,
};

const CHUNK: u64 = 8;

/// Every level with every layout that has one.
fn shapes() -> Vec<(Level, u32)> {
    let mut shapes = vec![(Level::Raid4, 0), (Level::Raid1, 0), (Level::Linear, 0)];
    shapes.extend([1, 2].map(|layout| (Level::Raid0, layout)));
    shapes.extend((0..6).map(|layout| (Level::Raid5, layout)));
    shapes.extend([0, 1, 2, 3, 4, 5, 8, 9, 10, 16, 17, 18, 19, 20].map(|layout| (Level::Raid6, layout)));
    let raid10 = [0x102, 0x103, 0x201, 0x202, 0x1_0201, 0x1_0301, 0x2_0201, 0x4_0201, 0x5_0201];
    shapes.extend(raid10.map(|layout| (Level::Raid10, layout)));
    shapes
}

fn stripes(level: Level, layout: u32, disks: u32, rows: u64) -> Option<Stripes> {
    let component_size = Sectors(rows * CHUNK);
    let geometry = Geometry { level, layout, chunk: Sectors(CHUNK), raid_disks: disks, component_size };
    let room: Vec<Sectors> =
        (0..u64::from(disks)).map(|slot| Sectors((rows + slot % 3) * CHUNK + slot)).collect();
    Stripes::new(geometry, &room)
}

fn assembled<'a>(stripes: &Stripes, members: &'a [Vec<u8>], offset: u64, missing: &[usize]) -> Assembled<'a> {
    let member = |(slot, media): (usize, &'a Vec<u8>)| {
        (!missing.contains(&slot)).then_some(Member::new(media, Sectors(offset)))
    };
    Assembled::new(stripes.clone(), members.iter().enumerate().map(member).collect())
}

#[test]
fn every_sector_is_somewhere_and_nowhere_twice() {
    for (level, layout) in shapes() {
        for disks in 2..8 {
            let Some(stripes) = stripes(level, layout, disks, 12) else { continue };
            let mut seen = std::collections::BTreeSet::new();
            for sector in 0..stripes.size().0 {
                let extent = stripes.at(sector).unwrap();
                assert!(extent.run > 0);
                for place in stripes.copies(sector) {
                    let what = format!("{level:?} {layout:#x} of {disks}: {sector} at {place:?}");
                    assert!(place.slot < stripes.slots() && place.sector < 15 * CHUNK, "{what}");
                    assert!(seen.insert((place.slot, place.sector)), "{what} twice");
                    let row = stripes.row(place.sector);
                    assert!(row.is_none_or(|row| matches!(row.part(place.slot), Part::Data(_))), "{what}");
                }
            }
            assert!(stripes.at(stripes.size().0).is_none());
        }
    }
}

/// From the kernel's tables (`raid5_compute_sector`), written out by hand for four and five slots.
#[test]
fn rows_as_the_kernel_has_them() {
    let row = |level, layout, disks, stripe| {
        let row = Row::new(level, layout, disks, stripe).unwrap();
        let part = |slot| match row.part(slot) {
            Part::Data(nth) => char::from_digit(u32::try_from(nth).unwrap(), 10).unwrap(),
            Part::P => 'P',
            Part::Q => 'Q',
        };
        (0..disks).map(part).collect::<String>()
    };
    for (layout, rows) in [
        (0, ["012P", "01P2", "0P12", "P012"]),
        (1, ["P012", "0P12", "01P2", "012P"]),
        (2, ["012P", "12P0", "2P01", "P012"]),
        (3, ["P012", "2P01", "12P0", "012P"]),
        (4, ["P012"; 4]),
        (5, ["012P"; 4]),
    ] {
        for (stripe, text) in (0..).zip(rows) {
            assert_eq!(row(Level::Raid5, layout, 4, stripe), text, "{layout} {stripe}");
        }
    }
    for (layout, rows) in [
        (0, ["Q012P", "012PQ", "01PQ2"]),
        (1, ["PQ012", "0PQ12", "01PQ2"]),
        (2, ["Q012P", "012PQ", "12PQ0"]),
        (3, ["PQ012", "2PQ01", "12PQ0"]),
        (4, ["PQ012"; 3]),
        (5, ["012PQ"; 3]),
        (8, ["PQ012", "0PQ12", "01PQ2"]),
        (9, ["012PQ", "01PQ2", "0PQ12"]),
        (10, ["012QP", "12QP0", "2QP01"]),
        (16, ["012PQ", "01P2Q", "0P12Q"]),
        (17, ["P012Q", "0P12Q", "01P2Q"]),
        (18, ["012PQ", "12P0Q", "2P01Q"]),
        (19, ["P012Q", "2P01Q", "12P0Q"]),
        (20, ["P012Q"; 3]),
    ] {
        for (stripe, text) in (0..).zip(rows) {
            assert_eq!(row(Level::Raid6, layout, 5, stripe), text, "{layout} {stripe}");
        }
    }
    assert!(Row::new(Level::Raid5, 6, 4, 0).is_none() && Row::new(Level::Raid6, 7, 5, 0).is_none());
}

#[test]
fn what_cannot_be_is_refused() {
    for (level, layout, disks) in [
        (Level::Raid6, 2, 3),
        (Level::Raid10, 0, 4),
        (Level::Raid10, 0x105, 4),
        (Level::Raid5, 2, 1),
        (Level::Raid5, 2, u32::MAX),
        (Level::Raid10, 0xffff_ffff, 4),
        (Level::Other(7), 0, 4),
    ] {
        assert!(stripes(level, layout, disks.min(3000), 4).is_none(), "{level:?} {layout:#x} {disks}");
    }
    let huge = Geometry {
        level: Level::Raid5,
        layout: 2,
        chunk: Sectors(8),
        raid_disks: 4,
        component_size: Sectors(u64::MAX),
    };
    assert!(Stripes::new(huge, &[]).is_none());
}

#[test]
fn what_a_member_does_not_have_comes_from_the_others() {
    let stripes = stripes(Level::Raid5, 2, 4, 12).unwrap();
    let len = usize::try_from(stripes.size().bytes().0).unwrap();
    let data: Vec<u8> = (0..len).map(|at| u8::try_from(at / 512 % 251).unwrap()).collect();
    let good = image::members(&stripes, &data, 12 * 8 * 512, 4096).unwrap();
    let mut members = good.clone();
    // The second is being rebuilt, and the first has bad blocks in what that one has already.
    members[1][4096 + 48 * 512..].fill(0xee);
    members[0][4096 + 17 * 512..4096 + 20 * 512].fill(0xee);
    let bad = [superblock::badblocks::Range { start: Sectors(8 + 17), length: Sectors(3) }];
    let all = || members.iter().map(|media| Some(Member::new(media, Sectors(8)))).collect::<Vec<_>>();
    let mut with = all();
    with[1].as_mut().unwrap().rebuilt = Some(Sectors(48));
    with[0].as_mut().unwrap().bad = &bad;
    let mut read = vec![0; len];
    Assembled::new(stripes.clone(), with.clone()).read_at(Bytes(0), &mut read).unwrap();
    assert!(read == data);
    with[2] = None;
    let lost = Assembled::new(stripes, with).read_at(Bytes(0), &mut read);
    assert!(lost.is_err(), "two are missing in one stripe");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever may be missing is missing: the bytes are the same, and redundancy agrees where all are there.
    #[test]
    fn bytes_come_back(pick in 0usize..100, disks in 4u32..8, seed in any::<u64>(), at in any::<u16>()) {
        let (level, layout) = shapes()[pick % shapes().len()];
        let Some(stripes) = stripes(level, layout, disks, 12) else { return Ok(()) };
        let len = usize::try_from(stripes.size().bytes().0).unwrap();
        let data: Vec<u8> = (0..len)
            .scan(seed | 1, |state, _| {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                Some(state.to_le_bytes()[2])
            })
            .collect();
        let members = image::members(&stripes, &data, 15 * 8 * 512, 4096).unwrap();
        let spare = match level {
            Level::Raid6 => 2,
            Level::Raid5 | Level::Raid4 | Level::Raid1 => 1,
            _ => 0,
        };
        let one = usize::try_from(seed % u64::from(disks)).unwrap();
        let other = usize::try_from((seed >> 8) % u64::from(disks)).unwrap();
        let whole = assembled(&stripes, &members, 8, &[]);
        let broken = assembled(&stripes, &members, 8, &[one, other][..spare]);
        for array in [&whole, &broken] {
            let from = usize::from(at) % len;
            let mut read = vec![0; (len - from).min(40_000)];
            array.read_at(Bytes(from.try_into().unwrap()), &mut read).unwrap();
            prop_assert!(read == data[from..from + read.len()], "{level:?} {layout:#x} of {disks}");
        }
        prop_assert!(whole.read_at(Bytes((len - 1).try_into().unwrap()), &mut [0; 2]).is_err());
        if let Some(count) = whole.consistency(8, 4096, 512) {
            prop_assert!(count.checked > 0 && count.agree == count.checked, "{level:?} {layout:#x}: {count:?}");
        }
    }
}
