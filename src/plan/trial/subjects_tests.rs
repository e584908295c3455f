//! What the words of a trial mean.

use superblock::Level;

use super::*;
use crate::{
    model::RunningArray,
    plan::{create::tests::device, undo::bench::Table},
};

const PATHS: [&str; 2] = ["/dev/a", "/dev/b"];

/// Two disks with a RAID0, which was made over a RAID1 that is in the archive.
fn disks() -> (Vec<Device>, Vec<Entry>) {
    let (table, _) = Table::new();
    let one = |(path, disk): (&&str, &superblock::sectors::SectorMap)| {
        let found = device(path, 16 << 20).found.expect("a device");
        Device { probe: probe(disk), ..found }
    };
    (PATHS.iter().zip(&table.disks.0).map(one).collect(), table.entries)
}

fn id(minor: u32) -> Option<DevId> {
    Some(DevId { major: 8, minor })
}

fn words(words: &[(&str, Option<DevId>)]) -> Vec<SubjectWord> {
    words.iter().map(|(word, number)| ((*word).to_owned(), *number)).collect()
}

fn there() -> World {
    let array =
        RunningArray { name: "md5".into(), id: DevId { major: 9, minor: 5 }, ..RunningArray::default() };
    let entry = MapEntry {
        devnm: "md5".into(),
        metadata: "1.2".into(),
        uuid: superblock::MdUuid([1; 16]),
        path: "/dev/md/home".into(),
    };
    World { arrays: vec![array], map: vec![entry], ..World::default() }
}

#[test]
fn devices_stand_in_their_order() {
    let named = words(&[("/dev/b", id(2)), ("Missing", None), ("/dev/a", id(1))]);
    assert!(!asks_for_all(&named, &there()));
    let (paths, listed) = subjects(&named, &there(), &[]).unwrap();
    assert_eq!(paths, ["/dev/b", "/dev/a"]);
    assert_eq!(listed, [Some(0), None, Some(1)]);
}

#[test]
fn an_array_that_is_there_is_nobodys_guess() {
    let by_number = ("/dev/md/x", Some(DevId { major: 9, minor: 5 }));
    for word in [by_number, ("md5", None), ("/dev/md/home", None)] {
        let named = words(&[word]);
        assert!(!asks_for_all(&named, &there()), "{word:?}");
        let refusal = subjects(&named, &there(), &[]).unwrap_err();
        assert_eq!(refusal.text, "md5 is an array that is there: nothing of it is guessed at");
        assert_eq!(refusal.hint.unwrap(), "stop it first: mdctl stop /dev/md5");
    }
}

#[test]
fn an_array_that_is_not_there_is_its_devices() {
    let (devices, _) = disks();
    let uuid = devices[0].probe.found[0].verify().unwrap().array.to_string();
    let named = words(&[(uuid.as_str(), None)]);
    assert!(asks_for_all(&named, &there()));
    let (paths, listed) = subjects(&named, &there(), &devices).unwrap();
    assert_eq!(paths, PATHS);
    assert!(listed.is_empty(), "an array's devices have no order");
    let nobody = subjects(&words(&[("nobody", None)]), &there(), &devices).unwrap_err();
    assert_eq!(nobody.text, "nobody: neither a device nor an array that any device speaks of");
}

#[test]
fn what_was_kept_is_known_beside_what_is_there() {
    let (devices, entries) = disks();
    let here: Vec<Identity> = entries[0].devices.iter().map(|kept| kept.device.clone()).collect();
    let id = entries[0].about.id.to_string();
    let mut seen = seen(&devices);
    add_kept(&mut seen, &here, entries.into_iter());
    for device in seen {
        let levels: Vec<Level> = device.words.iter().map(|word| word.membership.level).collect();
        assert_eq!(levels, [Level::Raid0, Level::Raid1], "{}", device.path);
        assert_eq!(device.words[0].grounds, Grounds::Superblocks);
        assert!(matches!(&device.words[1].grounds, Grounds::Archive { id: of, .. } if *of == id));
    }
}
