use proptest::prelude::*;
use superblock::{Bytes, Level, MdUuid, Write, v1};

use super::*;
use crate::model::{samples, world::Timestamp};

pub(crate) fn about(seconds: u64) -> About {
    About {
        id: EntryId::new(Timestamp { seconds, micros: 0 }, 7),
        time: seconds,
        command: vec!["mdctl".into(), "--create".into(), "/dev/md0".into()],
        summary: "create /dev/md0".into(),
        version: "0.1.0".into(),
        host: Some("host".into()),
        undoes: None,
        cleans_up: false,
        seq: 0,
        group: None,
    }
}

/// A superblock at 4 KiB, and its array's UUID.
pub(crate) fn superblock() -> (String, Write) {
    let array =
        v1::NewArray { uuid: MdUuid([0x33; 16]), bad_block_log: false, ..samples::array(Level::Raid1, 2) };
    (array.uuid.to_string(), samples::member(&array, 0, MdUuid([0x44; 16]), 1).encode())
}

fn write(at: u64, byte: u8, length: usize) -> Write {
    Write { at: Bytes(at), data: vec![byte; length] }
}

pub(crate) fn entry() -> Entry {
    let device = Identity { path: "/dev/a".into(), size: 1 << 20, ..Identity::default() };
    let kept = KeptDevice {
        device,
        before: vec![write(4096, 1, 4096), write(16384, 2, 512)],
        written: vec![write(4096, 3, 1024)],
    };
    Entry { about: about(1_795_343_695), devices: vec![kept] }
}

/// Gives the file the right checksum again.
fn sealed(mut file: Vec<u8>) -> Vec<u8> {
    file.truncate(file.len().saturating_sub(4));
    let sum = crc32fast::hash(&file);
    file.extend(sum.to_le_bytes());
    file
}

#[test]
fn what_is_written_is_read() {
    let entry = entry();
    let file = encode(&entry).unwrap();
    assert_eq!(decode(&file), Ok(entry.clone()));
    assert_eq!(entry.about.id.to_string(), "20261122-103455-00000007");
    let after = entry.devices[0].after();
    assert_eq!((after[0].data[1023], after[0].data[1024], after[1].data[0]), (3, 1, 2));
}

#[test]
fn every_changed_byte_and_every_cut_is_seen() {
    let file = encode(&entry()).unwrap();
    for at in 0..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 1;
        assert!(decode(&changed).is_err(), "byte {at}");
        assert!(decode(&file[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn a_right_checksum_does_not_make_nonsense_true() {
    let nonsense = |edit: &dyn Fn(&mut Entry)| {
        let mut wrong = entry();
        edit(&mut wrong);
        decode(&encode(&wrong).unwrap())
    };
    let outside = nonsense(&|e| e.devices[0].before[1].at = Bytes((1 << 20) - 256));
    assert!(matches!(outside, Err(Damaged::Header(_))), "{outside:?}");
    let past = nonsense(&|e| e.devices[0].before[1].at = Bytes(u64::MAX - 511));
    assert!(matches!(past, Err(Damaged::Header(_))), "{past:?}");
    let over = nonsense(&|e| e.devices[0].before[1].at = Bytes(4096 + 512));
    assert!(matches!(over, Err(Damaged::Header(_))), "{over:?}");
    let none = nonsense(&|e| e.devices[0].before[0].data.clear());
    assert!(matches!(none, Err(Damaged::Header(_))), "{none:?}");
    let mut longer = encode(&entry()).unwrap();
    let at = longer.len() - 4;
    longer.insert(at, 0);
    assert!(matches!(decode(&sealed(longer)), Err(Damaged::Header(_))));
}

#[test]
fn names_that_lead_elsewhere_are_no_names() {
    for bad in ["", "../x", "a/b", "A", "-x", "a.b", "x\n", &"a".repeat(41)] {
        assert_eq!(EntryId::try_from(bad.to_owned()), Err(BadId), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn hostile_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600), header in ".{0,200}") {
        let _ = decode(&bytes);
        let mut file = b"mdctl-archive-1\n".to_vec();
        file.extend(u32::try_from(header.len()).unwrap().to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(&bytes);
        file.extend([0; 4]);
        prop_assert!(decode(&sealed(file)).is_err());
    }

    #[test]
    fn hostile_headers_are_refused_or_true(
        offset in prop_oneof![Just(0), Just(512), any::<u64>()],
        length in prop_oneof![Just(512), any::<u64>()],
        size in prop_oneof![Just(4096), any::<u64>()],
    ) {
        let good = String::from_utf8_lossy(&encode(&entry()).unwrap()).into_owned();
        let start = good.find('{').unwrap();
        let json = &good[start..=good.find("}]}]}").unwrap() + 4];
        let mut value: serde_json::Value = serde_json::from_str(json).unwrap();
        value["devices"][0]["size"] = size.into();
        value["devices"][0]["before"][0]["offset"] = offset.into();
        value["devices"][0]["before"][0]["length"] = length.into();
        let json = value.to_string();
        let mut file = b"mdctl-archive-1\n".to_vec();
        file.extend(u32::try_from(json.len()).unwrap().to_le_bytes());
        file.extend(json.as_bytes());
        file.extend([1; 4096 + 512 + 1024 + 4]);
        if let Ok(entry) = decode(&sealed(file)) {
            for piece in &entry.devices[0].before {
                prop_assert!(piece.at.0 + u64::try_from(piece.data.len()).unwrap() <= size);
            }
        }
    }
}
