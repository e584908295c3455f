use superblock::{Bytes, Events, MdUuid, Write, sectors::SectorMap, v1};

use super::*;
use crate::{archive::tests::about, model::samples};

pub(crate) const OLD: MdUuid = MdUuid([0x11; 16]);
pub(crate) const NEW: MdUuid = MdUuid([0x22; 16]);
pub(crate) const SIZE: u64 = 32 << 20;

pub(crate) fn array(uuid: MdUuid, level: Level, layout: u32, disks: u32, clean: bool) -> v1::NewArray {
    v1::NewArray {
        uuid,
        name: v1::set_name(Some(b"guest"), b"q"),
        layout,
        clean,
        ..samples::array(level, disks)
    }
}

pub(crate) fn member(array: &v1::NewArray, number: u32, events: u64, flags: DevFlags) -> v1::Superblock {
    let uuid = MdUuid([array.uuid.0[0] + u8::try_from(number).unwrap() + 1; 16]);
    let new = v1::NewMember {
        number,
        uuid,
        events: Events(events),
        device: Sectors(SIZE / 512),
        data_offset: Sectors(2048),
        flags,
    };
    array.member(&new).unwrap()
}

/// The device of an entry of a create: it was the old array's, and became the new one's.
pub(crate) fn kept(made: &v1::NewArray, number: u32, flags: DevFlags) -> KeptDevice {
    kept_of(&array(OLD, Level::Raid5, 2, 3, true), made, number, flags)
}

/// The same for another old array.
pub(crate) fn kept_of(was: &v1::NewArray, made: &v1::NewArray, number: u32, flags: DevFlags) -> KeptDevice {
    let old = member(was, number, 7, DevFlags::empty()).encode();
    let page = |write: &Write| {
        let mut map = SectorMap::zeros(Bytes(SIZE));
        map.write(write);
        read(&map)
    };
    let before = page(&old);
    let mut device = Identity {
        path: format!("/dev/{number}"),
        serial: Some(format!("s{number}")),
        size: SIZE,
        ..Identity::default()
    };
    device.md = probe::probe(&Pieces { size: Bytes(SIZE), pieces: std::slice::from_ref(&before) })
        .found
        .iter()
        .map(Carried::of)
        .collect();
    assert_eq!(device.md.len(), 1);
    KeptDevice { device, before: vec![before], written: vec![page(&member(made, number, 0, flags).encode())] }
}

fn read(map: &SectorMap) -> Write {
    let mut data = vec![0; 4096];
    superblock::Media::read_at(map, Bytes(4096), &mut data).unwrap();
    Write { at: Bytes(4096), data }
}

/// What a member of the made array says after it ran.
pub(crate) fn after(made: &v1::NewArray, number: u32, events: u64, resync: Option<u64>) -> Write {
    let mut made = made.clone();
    made.clean = resync.is_none();
    let sb = member(&made, number, events, DevFlags::empty()).encode();
    let mut map = SectorMap::zeros(Bytes(SIZE));
    map.write(&sb);
    let mut page = read(&map);
    if let Some(at) = resync {
        page.data[208..216].copy_from_slice(&at.to_le_bytes());
    }
    page
}

fn judged(made: &v1::NewArray, flags: &[DevFlags], events: u64, resync: Option<u64>) -> Vec<Option<String>> {
    let devices: Vec<KeptDevice> =
        flags.iter().zip(0..).map(|(flags, number)| kept(made, number, *flags)).collect();
    let one = |nth: usize| {
        let page = after(made, u32::try_from(nth).unwrap(), events, resync);
        let now = probe::probe(&Pieces { size: Bytes(SIZE), pieces: &[page] }).found;
        let copied = copied_over(&devices, nth, &now, false);
        copied.first().map(|copied| copied.extent())
    };
    (0..devices.len()).map(one).collect()
}

pub(crate) const NONE: DevFlags = DevFlags::empty();

#[test]
fn a_first_resync_reads_one_copy_and_writes_the_others() {
    let all = || Some("all of it".to_owned());
    let raid1 = array(NEW, Level::Raid1, 0, 3, false);
    assert_eq!(judged(&raid1, &[NONE; 3], 17, None), [None, all(), all()]);
    assert_eq!(judged(&raid1, &[DevFlags::WRITE_MOSTLY, NONE, NONE], 17, None), [all(), None, all()]);
    let part = || Some("its first 8 KiB".to_owned());
    assert_eq!(judged(&raid1, &[NONE; 3], 17, Some(16)), [None, part(), part()]);
    assert_eq!(judged(&raid1, &[NONE; 3], 0, Some(0)), [None, None, None], "it never ran");
    assert_eq!(judged(&raid1, &[NONE; 3], 2, Some(0))[1].as_deref(), Some("perhaps its beginning"));
    let near = array(NEW, Level::Raid10, 0x102, 4, false);
    assert_eq!(judged(&near, &[NONE; 4], 17, None), [None, all(), None, all()]);
    for (layout, disks) in [(0x102, 3), (0x201, 4)] {
        let raid10 = array(NEW, Level::Raid10, layout, disks, false);
        let flags = vec![NONE; usize::try_from(disks).unwrap()];
        assert!(judged(&raid10, &flags, 17, None).iter().all(Option::is_some), "{layout:#x} of {disks}");
    }
    let raid4 = array(NEW, Level::Raid4, 0, 3, false);
    assert_eq!(judged(&raid4, &[NONE; 3], 17, None), [None, None, all()]);
    for level in [Level::Raid5, Level::Raid6] {
        let parity = array(NEW, level, 2, 4, false);
        assert_eq!(judged(&parity, &[NONE; 4], 17, None), [all(), all(), all(), all()], "{level:?}");
    }
    let clean = array(NEW, Level::Raid1, 0, 3, true);
    assert_eq!(judged(&clean, &[NONE; 3], 1, None), [None, None, None], "it was started, and that is all");
    let some = || Some("some of it".to_owned());
    assert_eq!(judged(&clean, &[NONE; 3], 3, None), [some(), some(), some()], "it was written to");
}

/// RAID5 of three; a mirror over two of them; its resync; its create undone.
#[test]
fn a_superblock_that_came_back_without_its_data_is_known() {
    let made = array(NEW, Level::Raid1, 0, 2, false);
    let devices = vec![kept(&made, 0, NONE), kept(&made, 1, NONE)];
    let entry = |seq: u64, undoes: Option<&EntryId>| About {
        seq,
        undoes: undoes.cloned(),
        ..about(1_800_000_000 + seq)
    };
    let create = Entry { about: entry(1, None), devices: devices.clone() };
    let id = &create.about.id;
    let taken = |number: u32| {
        let page = after(&made, number, 17, None);
        let kept = &devices[usize::try_from(number).unwrap()];
        KeptDevice { before: vec![page], written: kept.before.clone(), ..kept.clone() }
    };
    let undo = Entry { about: entry(2, Some(id)), devices: vec![taken(0), taken(1)] };
    let of = |entry: &Entry| entry.devices.iter().map(|kept| kept.device.clone()).collect::<Vec<_>>();
    let (first, second) = (of(&create), of(&undo));
    let here = of(&create);
    let pairs = [(create.clone(), undo.clone())];
    let all = [(&create.about, first.as_slice()), (&undo.about, second.as_slice())];
    let found = overwritten(&pairs, &all, &here);
    let [one] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((one.path.as_str(), one.array.clone()), ("/dev/1", OLD.to_string()));
    assert_eq!((one.copied.array.clone(), one.copied.cause), (NEW.to_string(), CopyCause::Resync));
    assert!(one.is_back);
    // The undo left it without a superblock.
    let mut without = pairs.clone();
    without[0].1.devices[1].written[0].data.fill(0);
    let blank = [here[0].clone(), Identity { md: Vec::new(), ..here[1].clone() }];
    let found = overwritten(&without, &all, &blank);
    assert_eq!(found, [Overwritten { is_back: false, ..one.clone() }]);
    let elsewhere = [Identity { serial: None, ..blank[1].clone() }];
    assert_eq!(overwritten(&without, &all, &elsewhere), [], "its path is all that is known of it");
    let formatted = [Identity { foreign: vec!["ext4".into()], ..blank[1].clone() }];
    assert_eq!(overwritten(&without, &all, &formatted), [], "it is somebody's now");
    assert_eq!(overwritten(&pairs, &all, &blank), [], "somebody else erased it");
    // It was added as a new member since.
    let mut added = here.clone();
    added[1].md[0].member = Some("another".into());
    assert_eq!(overwritten(&pairs, &all, &added), []);
    // The undo was taken back.
    let again = entry(3, Some(&undo.about.id));
    let redone = [all[0], all[1], (&again, second.as_slice())];
    assert_eq!(overwritten(&pairs, &redone, &here), []);
    // Nothing tells any more what became of the mirror: the worst.
    let mut blind = pairs.clone();
    blind[0].1.devices[1].before[0].data.fill(0);
    assert_eq!(overwritten(&blind, &all, &here).len(), 1);
}

/// By the checksums of blocks in its data; one that is a member still is written to as such.
#[test]
fn blocks_of_a_former_members_data_tell_that_it_was_written_to() {
    let mut one = kept(&array(NEW, Level::Raid1, 0, 2, true), 0, NONE);
    let print = |at: u64, crc32: u32| Print { at, crc32 };
    one.device.prints = vec![print(0, 1), print(2 << 20, 2)];
    let changed = |prints: &[Print]| data_changed(&one, (&[], prints), |_| true);
    assert!(!changed(&one.device.prints) && !changed(&one.device.prints[1..]), "the first is not data");
    assert!(changed(&[print(2 << 20, 3)]) && changed(&[]), "other, or blank");
    assert!(!data_changed(&one, (&[], &[]), |_| false), "not looked at");
    let carried = carried(&one.before, &one);
    assert!(!data_changed(&one, (&carried, &[]), |_| true), "it went on");
    let copied = copied_over(std::slice::from_ref(&one), 0, &[], true);
    assert_eq!(copied[0].cause, CopyCause::Unknown);
    assert_eq!(copied_over(&[one], 0, &[], false), []);
}
