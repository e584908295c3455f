use superblock::{Sectors, lvm::PhysicalVolume};

use super::{
    super::{
        edit::Means,
        mover,
        mover_tests::{driver, seen},
        shift::GroupScene,
        verbs_tests::{active, committed, id, means, stamp, volume, with_volumes},
    },
    *,
};

fn back(old: &Group, new: &Group) -> String {
    match of(old, new, Made::default()) {
        GroupWayBack::Command(command) => command,
        GroupWayBack::Nothing(why) => format!("nothing: {why}"),
    }
}

/// With devices where they are seen.
fn group() -> Group {
    let mut group = with_volumes().group;
    for (pv, path) in group.pvs.iter_mut().zip(["/dev/md0", "/dev/md1"]) {
        pv.device = path.into();
    }
    group
}

#[test]
fn of_a_move_the_other_direction() {
    let mut found = with_volumes();
    found.group = group();
    let before = found.group.clone();
    let (up, there) = active(&found);
    let stamp = stamp();
    let mut means = Means { fresh: (20..30).map(id).collect::<Vec<_>>().into_iter(), ..means() };
    let scene = GroupScene { found: &found, active: &there, stamp: &stamp };
    let begun = mover::begin(&scene, &volume("a"), (0, false), &[], &mut means).unwrap();
    committed(&mut found, &begun);
    let midst = found.group.clone();
    assert_eq!(back(&before, &midst), "mdctl volume move vg/a --abort");
    let there = seen(&driver(&[&up, &begun]));
    let [move_] = mover::underway(&midst).try_into().unwrap();
    let scene = GroupScene { found: &found, active: &there, stamp: &stamp };
    let finish = mover::finish(&scene, &move_).unwrap();
    let mut after = with_volumes();
    committed(&mut after, &finish);
    assert_eq!(back(&midst, &after.group), "mdctl volume move vg/a /dev/md1 /dev/md0");
    // It was given up.
    assert_eq!(back(&midst, &before), "mdctl volume move vg/a /dev/md0 /dev/md1");
}

#[test]
fn of_a_rollback_nothing_once_it_has_begun() {
    let mut with = group();
    with.make_snapshot("a", "w", Sectors(8), id(60)).unwrap();
    let mut asked = with.clone();
    asked.set_merging("w", true).unwrap();
    let to = format!("mdctl volume restore vg --at {}", with.seqno);
    assert_eq!(back(&with, &asked), to, "it waits");
    let begun = of(&with, &asked, Made { at_once: true, ..Made::default() });
    assert!(matches!(begun, GroupWayBack::Nothing(why) if why.contains("what vg/a had")));
    assert_eq!(back(&asked, &with), "mdctl volume rollback vg/w", "it was taken back");
    let mut over = asked.clone();
    over.remove("w").unwrap();
    assert!(back(&asked, &over).starts_with("nothing: "));
    let mut removed = over.clone();
    removed.remove("a").unwrap();
    assert_eq!(back(&asked, &removed), to, "in its midst: it goes on");
    assert_eq!(back(&with, &over), to, "a snapshot that nobody asked to be put back");
}

#[test]
fn of_devices_that_came_or_went() {
    let two = group();
    let mut three = two.clone();
    let pv = PhysicalVolume::new(id(77), "/dev/md7".into(), Sectors(131_072), Sectors(2048), two.extent_size);
    three.add_pv(pv.unwrap()).unwrap();
    assert_eq!(back(&two, &three), "mdctl volume group reduce vg /dev/md7");
    // Not by an extension, which would make another physical volume of the device.
    let to = |group: &Group| format!("mdctl volume restore vg --at {}", group.seqno);
    assert_eq!(back(&three, &two), to(&three));
    // A state came back that has other devices and volumes.
    let mut without = two.clone();
    without.remove("a").unwrap();
    assert_eq!(back(&without, &three), to(&without));
    let mut renamed = two.clone();
    renamed.name = "data".into();
    assert_eq!(back(&two, &renamed), "mdctl volume group rename data vg");
}

#[test]
fn of_a_volume_its_name_and_its_size() {
    let before = group();
    let mut renamed = before.clone();
    renamed.rename("a", "z").unwrap();
    assert_eq!(back(&before, &renamed), "mdctl volume rename vg/z a");
    let mut grown = before.clone();
    grown.volume_mut("a").unwrap().segments.last_mut().unwrap().len += 1;
    let size = before.sectors(before.volume("a").unwrap().extents()).0 / 2048;
    assert_eq!(back(&before, &grown), format!("mdctl volume resize vg/a {size}M"));
    let words = ["volume", "resize", "vg/a", "+4M", "--fs"].map(String::from);
    let with_fs = of(&before, &grown, Made { words: &words, at_once: false });
    assert_eq!(with_fs, GroupWayBack::Command(format!("mdctl volume resize vg/a {size}M --fs")));
    // What was cut off, removed or made is as in the state of before.
    let to = |group: &Group| format!("mdctl volume restore vg --at {}", group.seqno);
    assert_eq!(back(&grown, &before), to(&grown));
    let mut without = before.clone();
    without.remove("a").unwrap();
    assert_eq!([back(&before, &without), back(&without, &before)], [to(&before), to(&without)]);
}
