//! Room for extents, and changes of groups.

use super::*;

#[test]
fn room_is_found_where_it_should() {
    let mut group = group(&[10, 6, 6]);
    add(&mut group, "a", 10, 3);
    add(&mut group, "b", 11, 2);
    assert_eq!(runs(&group.volumes[1].segments), [(0, 2, vec![(0, 3)])]);
    group.remove("a").unwrap();
    let wish = |extents| Wish { extents, ..Wish::default() };
    assert_eq!(runs(&group.allocate(&wish(4)).unwrap().segments), [(0, 4, vec![(0, 5)])]);
    assert_eq!(runs(&group.allocate(&wish(6)).unwrap().segments), [(0, 6, vec![(1, 0)])]);
    let all = group.allocate(&wish(20)).unwrap();
    assert_eq!(
        runs(&all.segments),
        [(0, 6, vec![(1, 0)]), (6, 6, vec![(2, 0)]), (12, 5, vec![(0, 5)]), (17, 3, vec![(0, 0)])]
    );
    let error = group.allocate(&wish(21)).unwrap_err();
    assert_eq!(error.to_string(), "21 extents are wanted and 20 are free");
    let contiguous = Wish { contiguous: true, ..wish(7) };
    assert_eq!(
        group.allocate(&contiguous).unwrap_err().to_string(),
        "7 extents are wanted and 6 are free in one run"
    );
    let striped = Wish { stripes: 2, stripe_size: Sectors(128), ..wish(11) };
    assert_eq!(runs(&group.allocate(&striped).unwrap().segments), [(0, 12, vec![(1, 0), (2, 0)])]);
    let striped = Wish { stripes: 4, ..striped };
    assert_eq!(
        group.allocate(&striped).unwrap_err().to_string(),
        "4 stripes are wanted and 3 physical volumes have room for one"
    );
    let on = Wish { on: vec![(2, 3..u64::MAX), (0, 0..2)], ..wish(5) };
    assert_eq!(runs(&group.allocate(&on).unwrap().segments), [(0, 3, vec![(2, 3)]), (3, 2, vec![(0, 0)])]);
    group.pvs[1].status.remove(PvStatus::ALLOCATABLE);
    assert_eq!(runs(&group.allocate(&wish(6)).unwrap().segments), [(0, 6, vec![(2, 0)])]);
    assert_eq!(group.allocate(&wish(0)), Err(NoRoom::Nothing));
}

#[test]
fn a_volume_goes_on_where_it_ends() {
    let mut group = group(&[10, 10]);
    add(&mut group, "a", 10, 3);
    let after = group.volume("a").unwrap().segments.last().cloned();
    let found = group.allocate(&Wish { extents: 9, after, ..Wish::default() }).unwrap();
    assert_eq!(runs(&found.segments), [(0, 7, vec![(0, 3)]), (7, 2, vec![(1, 0)])]);
    group.extend("a", found.segments).unwrap();
    assert_eq!(runs(&group.volume("a").unwrap().segments), [(0, 10, vec![(0, 0)]), (10, 2, vec![(1, 0)])]);
    group.reduce("a", 4).unwrap();
    assert_eq!(runs(&group.volume("a").unwrap().segments), [(0, 4, vec![(0, 0)])]);
    assert_eq!(group.reduce("a", 0), Err(BadEdit::Empty("a".into())));
    assert_eq!(group.problems(), [""; 0]);
}

#[test]
fn volumes_begin_on_full_stripes() {
    let mut group = group(&[40, 40]);
    // 3 data disks of 512 KiB: a stripe of 1.5 MiB, extents of 4 MiB: every third extent, from one that fits.
    group.pvs[0].pe_start = Sectors(3072);
    let align = vec![Sectors(3072), Sectors(0)];
    let wish = |extents| Wish { extents, align: align.clone(), ..Wish::default() };
    let found = group.allocate(&wish(4)).unwrap();
    assert_eq!((runs(&found.segments), found.aligned), (vec![(0, 4, vec![(0, 0)])], true));
    group.add(volume("a", 10, found.segments)).unwrap();
    let found = group.allocate(&wish(4)).unwrap();
    assert_eq!((runs(&found.segments), found.aligned), (vec![(0, 4, vec![(0, 6)])], true));
    let found = group.allocate(&wish(76)).unwrap();
    assert!(!found.aligned, "rather not aligned than not at all");
}

#[test]
fn snapshots_come_and_go() {
    let mut group = group(&[20]);
    add(&mut group, "data", 10, 4);
    add(&mut group, "cow", 11, 1);
    add(&mut group, "cow2", 12, 1);
    group.make_snapshot("data", "cow", Sectors(8), id(30)).unwrap();
    group.make_snapshot("data", "cow2", Sectors(64), id(31)).unwrap();
    assert_eq!(
        group.volumes.iter().map(|v| v.name.as_str()).collect::<Vec<_>>(),
        ["data", "cow", "cow2", "snapshot0", "snapshot1"]
    );
    assert_eq!(
        group.make_snapshot("cow", "data", Sectors(8), id(32)),
        Err(BadEdit::IsSnapshot("cow".into()))
    );
    assert_eq!(group.remove("data").unwrap_err(), BadEdit::HasSnapshots { volume: "data".into(), count: 2 });
    group.rename("data", "home").unwrap();
    group.rename("cow", "before").unwrap();
    assert_eq!(
        group.snapshots().map(|s| (s.origin, s.cow)).collect::<Vec<_>>(),
        [("home", "before"), ("home", "cow2")]
    );
    let parts = group.parts();
    assert_eq!(parts[0], Part::Origin { snapshots: 2, merging: false });
    assert_eq!(parts[1..4], [Part::Cow { row: 3, origin: 0 }, Part::Cow { row: 4, origin: 0 }, Part::Row]);
    group.set_merging("before", true).unwrap();
    assert_eq!(group.set_merging("cow2", true), Err(BadEdit::Merging("home".into())));
    let more = group.allocate(&Wish { extents: 2, ..Wish::default() }).unwrap().segments;
    group.extend("home", more).unwrap();
    assert_eq!(group.problems(), [""; 0], "rows are as long as their origin");
    group.split_snapshot("before").unwrap();
    assert!(group.volume("before").unwrap().status.contains(VolumeStatus::VISIBLE));
    group.remove("cow2").unwrap();
    assert_eq!(group.volumes.len(), 2, "the row went with it");
    add(&mut group, "new", 13, 1);
    assert_eq!(group.problems(), [""; 0]);
}

#[test]
fn physical_volumes_come_and_go() {
    let mut group = group(&[4, 4, 4]);
    add(&mut group, "a", 10, 4);
    let on = Wish { extents: 2, on: vec![(2, 0..4)], ..Wish::default() };
    let segments = group.allocate(&on).unwrap().segments;
    group.add(volume("b", 11, segments)).unwrap();
    assert_eq!(group.remove_pv(id(1)).unwrap_err(), BadEdit::PvUsed("a".into()));
    group.remove_pv(id(2)).unwrap();
    assert_eq!(runs(&group.volume("b").unwrap().segments), [(0, 2, vec![(1, 0)])], "counted anew");
    assert_eq!(group.add_pv(pv(3, 5)), Err(BadEdit::PvExists));
    group.max_pv = 2;
    assert_eq!(group.add_pv(pv(9, 5)), Err(BadEdit::Limit(2)));
    assert_eq!(group.remove_pv(id(9)).unwrap_err(), BadEdit::NoPv);
    assert_eq!(group.problems(), [""; 0]);
    assert!(group.rename_group("a/b").is_err());
    assert!(group.add(volume("a", 12, vec![])).is_err());
}
