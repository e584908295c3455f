//! Metadata areas and their rings.

use super::*;

fn header(change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut area = Area::new(PLACE);
    area.committed = Some(Slot { offset: 512, size: 700, crc: 1, flags: 0 });
    let mut write = area.encode();
    change(&mut write.data);
    let crc = lvm_crc(&write.data[4..]);
    write.data[..4].copy_from_slice(&crc.to_le_bytes());
    let mut device = vec![0; 2 << 20];
    put(&mut device, &write);
    device
}

fn set(at: usize, value: u64) -> impl Fn(&mut Vec<u8>) {
    move |bytes| bytes[at..][..8].copy_from_slice(&value.to_le_bytes())
}

#[test]
fn each_rejection() {
    let field = |device: Vec<u8>| match area::read(&device, PLACE) {
        Err(Damage::Corrupt { what: What::Field { field, .. }, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert!(area::read(&header(|_| {}), PLACE).is_ok());
    assert_eq!(field(header(|bytes| bytes[5] = 0)), "magic");
    assert_eq!(field(header(set(24, 8192))), "start");
    for size in [0, 1024, 1_044_481, u64::MAX, 4 << 20] {
        assert_eq!(field(header(set(32, size))), "size");
    }
    assert_eq!(field(header(set(40, 100))), "raw_locn.offset");
    assert_eq!(field(header(set(40, 1_044_480))), "raw_locn.offset");
    assert_eq!(field(header(set(48, 1_044_480))), "raw_locn.size");
    let version = header(|bytes| bytes[20] = 2);
    assert!(matches!(area::read(&version, PLACE), Err(Damage::Unsupported { .. })));
    let mut flipped = header(|_| {});
    flipped[4096 + 300] ^= 1;
    assert!(matches!(area::read(&flipped, PLACE), Err(Damage::Corrupt { what: What::Checksum { .. }, .. })));
    // What is pre-committed may be anything: nobody reads it.
    let senseless = header(set(64, u64::MAX));
    assert_eq!(area::read(&senseless, PLACE).unwrap().precommitted, None);
    let beyond = Extent { start: Bytes(2 << 20), size: Bytes(0) };
    assert!(matches!(area::read(&header(|_| {}), beyond), Err(Damage::Io { .. })));
    let sound = area::read(&header(|_| {}), PLACE).unwrap();
    let wrong = area::text(&header(|_| {}), &sound, sound.committed.unwrap());
    assert!(matches!(wrong, Err(Damage::Corrupt { what: What::Checksum { .. }, .. })));
}

#[test]
fn a_limit_that_always_holds() {
    let area = Area::new(PLACE);
    assert_eq!(area.limit(), 521_472);
    let largest = vec![b' '; 521_472];
    let placed = area.place(&largest).unwrap();
    let then = area.with_committed(placed.slot);
    assert!(then.place(&largest).is_ok(), "also beside one as large");
    let full = area.place(&vec![b' '; 521_473]).unwrap_err();
    assert!(full.to_string().contains("takes texts of at most 521472 bytes"), "{full}");
}

proptest! {
    /// Text after text: none is written over the one that counts, each reads back.
    #[test]
    fn round_and_round(sizes in prop::collection::vec(1usize..4000, 1..40), sectors in 9u64..60) {
        let place = Extent { start: Bytes(4096), size: Bytes(sectors * 512) };
        let mut device = vec![0u8; 64 << 10];
        let mut area = Area::new(place);
        put(&mut device, &area.encode());
        let mut before: Option<(Slot, Vec<u8>)> = None;
        for (nth, size) in sizes.into_iter().enumerate() {
            let text: Vec<u8> = (0..size).map(|at| u8::try_from((at + nth) % 251).unwrap()).collect();
            let Ok(placed) = area.place(&text) else {
                prop_assert!(u64::try_from(size).unwrap() > area.limit());
                continue;
            };
            for write in &placed.writes {
                prop_assert!(write.at.0 % 512 == 0 && write.data.len() % 512 == 0);
                prop_assert!(write.at.0 >= 4096 + HEADER);
                prop_assert!(write.at.0 + u64::try_from(write.data.len()).unwrap() <= 4096 + place.size.0);
                put(&mut device, write);
            }
            let still = |device: &Vec<u8>| before.as_ref().is_none_or(|(slot, text)| {
                area::text(device, &area, *slot).unwrap() == *text
            });
            prop_assert!(still(&device));
            put(&mut device, &area.pre_commit(placed.slot));
            let seen = area::read(&device, place).unwrap();
            prop_assert_eq!(seen.committed, area.committed);
            prop_assert_eq!(seen.precommitted, Some(placed.slot));
            put(&mut device, &area.revert());
            prop_assert_eq!(&area::read(&device, place).unwrap(), &area);
            put(&mut device, &area.commit(placed.slot));
            area = area.with_committed(placed.slot);
            prop_assert_eq!(&area::read(&device, place).unwrap(), &area);
            prop_assert_eq!(&area::text(&device, &area, placed.slot).unwrap(), &text);
            before = Some((placed.slot, text));
        }
    }
}
