//! What leads away from data: never offered, and said.

use super::*;

/// The superblock as it is while a resync is at this place; the bytes are those of 1.x (`resync_offset`).
fn resyncing(mut disk: Disk, at: u64) -> Disk {
    let page = &mut disk.writes[0].data;
    page[208..216].copy_from_slice(&at.to_le_bytes());
    page[216..220].fill(0);
    let mut image = vec![0; 65536 * 512];
    image[4096..4096 + page.len()].copy_from_slice(page);
    let sum = v1::read(&image, v1::Minor::V1_2).unwrap().unwrap().fields().computed_csum();
    disk.writes[0].data[216..220].copy_from_slice(&sum.to_le_bytes());
    disk
}

fn fail(stand: &mut Stand, nth: usize) {
    let member = &mut stand.array().members[nth];
    *member = MemberStatus { slot: None, state: vec!["faulty".into()], ..member.clone() };
}

#[test]
fn a_member_with_the_only_copy_is_not_offered_for_removal() {
    let running = "md: resync of RAID array md127";
    let failed = "md/raid1:md127: Disk failure on sda, disabling device.";
    for (level, count, at, log, way) in [
        (Level::Raid1, 2, 2048, &[][..], Some("mdctl assemble --run /dev/md/home /dev/sda")),
        (Level::Raid1, 2, 0, &[running, failed], Some("mdctl assemble --run /dev/md/home /dev/sda")),
        (Level::Raid1, 2, 0, &[failed], None),
        (Level::Raid5, 3, 2048, &[], Some("mdctl create /dev/md/home --assume-clean")),
        (
            Level::Raid10,
            4,
            2048,
            &[],
            Some("`mdctl assemble --force /dev/md/home /dev/sda /dev/sdc /dev/sdd`"),
        ),
    ] {
        let array = array(level, count);
        let mut disks = vec![resyncing(disk(&array, 0, 9, &[]), at)];
        disks.extend((1..count).map(|number| disk(&array, number, 12, &[faulty(0)])));
        for inside in [true, false] {
            let members: Vec<u32> = (u32::from(!inside)..count).collect();
            let mut stand = Stand::of(&disks).running(level, count, &members);
            if inside {
                fail(&mut stand, 0);
            }
            let stand = log.iter().fold(stand, |stand, line| stand.says(line));
            let explanation = stand.ask("md127");
            let offered = explanation.findings.iter().filter_map(|finding| finding.command.as_ref());
            let lines: Vec<String> = offered.map(NextCommand::line).collect();
            let removes = lines.iter().any(|line| line.contains("--remove") || line.contains("add"));
            let Some(way) = way else {
                assert!(!kinds(&explanation).contains(&Kind::OnlyCopy), "{explanation:#?}");
                continue;
            };
            assert!(!removes, "{level:?} {inside}: {lines:?}");
            let found = finding(&explanation, Kind::OnlyCopy);
            assert_eq!(explanation.next().unwrap().line(), "mdctl stop /dev/md/home");
            assert!(found.command.as_ref().unwrap().effect.contains(way), "{explanation:#?}");
        }
    }
}

/// After a stop, or another boot, it is the same member that has it.
#[test]
fn what_only_one_member_has_is_said_of_an_array_that_does_not_run() {
    for (level, count, command) in [
        (Level::Raid1, 2, Some("mdctl assemble --readonly --run /dev/md/home /dev/sda")),
        (Level::Raid10, 4, Some("mdctl assemble --readonly --force /dev/md/home /dev/sda /dev/sdc /dev/sdd")),
        (Level::Raid5, 3, None),
    ] {
        let array = array(level, count);
        let mut disks = vec![resyncing(disk(&array, 0, 9, &[]), 2048)];
        disks.extend((1..count).map(|number| disk(&array, number, 12, &[faulty(0)])));
        let explanation = Stand::of(&disks).ask("home");
        let found = finding(&explanation, Kind::OnlyCopy);
        assert!(found.text.contains("/dev/sda: failed before a resync"), "{explanation:#?}");
        assert_eq!(found.command.as_ref().map(NextCommand::line).as_deref(), command);
    }
}

/// The mirror that was filled from the first one is the first one by its own word, once that had failed.
#[test]
fn what_a_resync_filled_is_not_the_only_copy_of_anything() {
    let array = array(Level::Raid10, 4);
    let filled = resyncing(disk(&array, 1, 9, &[faulty(0)]), 2048);
    let disks = [
        disk(&array, 0, 12, &[faulty(1)]),
        filled,
        disk(&array, 2, 12, &[faulty(1)]),
        disk(&array, 3, 12, &[faulty(1)]),
    ];
    let explanation = Stand::of(&disks).running(Level::Raid10, 4, &[0, 2, 3]).ask("md127");
    assert!(!kinds(&explanation).contains(&Kind::OnlyCopy), "{explanation:#?}");
    let explanation = Stand::of(&disks).ask("home");
    assert!(!kinds(&explanation).contains(&Kind::OnlyCopy), "{explanation:#?}");
}

#[test]
fn a_failed_array_is_asked_about_before_its_slots_and_spares() {
    let raid5 = array(Level::Raid5, 3);
    let mut stand = Stand::stopped(&raid5, &[9, 9, 9]).running(Level::Raid5, 3, &[0, 1, 2]);
    fail(&mut stand, 1);
    let waits = &mut stand.array().members[0];
    *waits = MemberStatus { slot: None, state: vec!["spare".into()], ..waits.clone() };
    let explanation = stand.ask("md127");
    let needs: Vec<&String> = explanation.findings.iter().filter_map(|f| f.needs.as_ref()).collect();
    assert!(!needs.iter().any(|text| text.contains("waits as a spare")), "{needs:?}");
    assert!(!kinds(&explanation).contains(&Kind::SpareIdle), "{explanation:#?}");
    assert_eq!(explanation.next().unwrap().line(), "mdctl stop /dev/md/home");
    let commands = explanation.findings.iter().filter_map(|finding| finding.command.as_ref());
    assert!(!commands.map(NextCommand::line).any(|line| line.contains("--remove")), "{explanation:#?}");
}

#[test]
fn a_copy_is_named_and_never_offered() {
    let raid1 = array(Level::Raid1, 2);
    let disks = [disk(&raid1, 0, 9, &[]), disk(&raid1, 1, 9, &[]), disk(&raid1, 1, 9, &[])];
    let explanation = Stand::of(&disks).running(Level::Raid1, 2, &[0, 1]).ask("md127");
    let found = finding(&explanation, Kind::Copy);
    assert_eq!(found.text, "/dev/sdc: a copy of /dev/sdb");
    let needs = found.needs.as_deref().unwrap_or_default();
    assert!(needs.contains("the array runs on /dev/sdb; take the copy, /dev/sdc, off"), "{needs}");
    assert_eq!(explanation.next(), None, "{explanation:#?}");
    let stopped = Stand::of(&disks).ask("home");
    let needs = finding(&stopped, Kind::Copy).needs.as_deref().unwrap_or_default();
    assert!(!needs.contains("runs") && !needs.contains("in use"), "nobody uses either: {needs}");
}

#[test]
fn the_copy_from_when_the_array_was_in_use_is_the_copy() {
    let raid1 = array(Level::Raid1, 2);
    let at = |number, updated| disk(&raid1, number, 9, &[v1::Edit::Updated(updated)]);
    let explanation = Stand::of(&[at(0, 200), at(1, 100), at(1, 200)]).ask("home");
    let found = finding(&explanation, Kind::Copy);
    assert_eq!(found.text, "/dev/sdb: a copy of /dev/sdc");
    let needs = found.needs.as_deref().unwrap_or_default();
    assert!(
        needs.contains("/dev/sdc was written later, and is the member; take the copy, /dev/sdb, off"),
        "{needs}"
    );
    let standing =
        |path: &str| &explanation.devices.iter().find(|member| member.path == path).unwrap().standing;
    assert_eq!(standing("/dev/sdc"), "up to date");
    assert!(standing("/dev/sdb").starts_with("left out: it is a copy of /dev/sdc, out of date"));
    let alone = Stand::of(&[at(0, 200), at(1, 100)]).ask("home");
    let found = finding(&alone, Kind::Older);
    assert_eq!(found.text, "/dev/sdb: counts the events of /dev/sda, and was last written before it");
}

#[test]
fn larger_blocks_are_named() {
    let raid1 = array(Level::Raid1, 2);
    let mut stand = Stand::stopped(&raid1, &[9, 9]).running(Level::Raid1, 2, &[0, 1]);
    stand.devices[1].logical_block = 4096;
    let explanation = stand.ask("md127");
    let found = finding(&explanation, Kind::LargerBlocks);
    assert!(found.text.starts_with("/dev/sdb: has logical blocks of 4096 bytes"), "{found:?}");
}

#[test]
fn differences_are_harmless_only_where_they_are_few() {
    for (level, count, harmless) in [
        (Level::Raid1, 128, true),
        (Level::Raid10, 512, true),
        (Level::Raid1, 4096, false),
        (Level::Raid5, 8, false),
    ] {
        let raid = array(level, 2);
        let mut stand = Stand::stopped(&raid, &[9, 9]).running(level, 2, &[0, 1]);
        (stand.array().last_action, stand.array().mismatches) = (Some("check".into()), Some(Sectors(count)));
        let explanation = stand.ask("md127");
        let needs = finding(&explanation, Kind::Mismatches).needs.clone().unwrap();
        assert_eq!(needs.contains("harmless"), harmless, "{level:?} {count}: {needs}");
    }
}

#[test]
fn a_history_of_its_own_is_never_offered_as_one_that_missed_writes() {
    for (level, count, own, denied) in [(Level::Raid1, 2, 1, 0), (Level::Raid5, 3, 1, 0)] {
        let plain = array(level, count);
        for array in [plain.clone(), with_bitmap(&plain)] {
            let others = (0..count).filter(|number| *number != own).collect::<Vec<_>>();
            let all = (0..count).map(|number| match number == own {
                true => disk(&array, number, 9, &[faulty(denied)]),
                false => disk(&array, number, 9, &[faulty(own)]),
            });
            let explanation = Stand::of(&all.collect::<Vec<_>>()).running(level, count, &others).ask("md127");
            assert!(kinds(&explanation).contains(&Kind::Split), "{explanation:#?}");
            let next = explanation.next().unwrap().line();
            assert!(next.starts_with("mdctl examine"), "{next}");
        }
    }
}

fn written_over(path: &str) -> crate::archive::Overwritten {
    crate::archive::Overwritten {
        is_back: true,
        path: path.into(),
        array: UUID.to_string(),
        copied: crate::archive::CopiedOver {
            array: "other".into(),
            cause: crate::archive::CopyCause::Resync,
            far: None,
        },
        by: "mdctl create /dev/md/x".into(),
        since: NOW - 60,
        undone: crate::archive::EntryId::try_from("1".to_owned()).unwrap(),
    }
}

/// By its metadata the member is up to date; what is on it belongs to another array.
#[test]
fn a_member_whose_data_was_written_over_is_left_out() {
    let stopped = |level, paths: &[&str]| {
        let mut stand = Stand::stopped(&array(level, 3), &[7, 7, 7]);
        stand.overwritten = paths.iter().map(|path| written_over(path)).collect();
        stand.ask("home")
    };
    let explanation = stopped(Level::Raid5, &["/dev/sdb"]);
    let next = "mdctl assemble /dev/md/home --readonly --run /dev/sda /dev/sdc";
    check(&explanation, &[Kind::Overwritten, Kind::NotAssembled], Some(next));
    assert!(explanation.devices[1].standing.contains("its data was written over"), "{explanation:#?}");
    assert!(finding(&explanation, Kind::NotAssembled).command.is_none());
    // Without both there are not enough.
    let explanation = stopped(Level::Raid5, &["/dev/sda", "/dev/sdb"]);
    check(
        &explanation,
        &[Kind::Overwritten, Kind::Overwritten, Kind::NotAssembled],
        Some(&format!("{ASSEMBLE} --readonly")),
    );
    assert!(explanation.next().unwrap().effect.contains("what lies on /dev/sda /dev/sdb is wrong"));
    // Of another array nothing is said.
    let mut stand = Stand::stopped(&array(Level::Raid5, 3), &[7, 7, 7]);
    stand.overwritten = vec![crate::archive::Overwritten { array: "x".into(), ..written_over("/dev/sdb") }];
    check(&stand.ask("home"), &[Kind::NotAssembled], Some(ASSEMBLE));
}

#[test]
fn a_member_whose_data_was_written_over_is_not_taken_back_as_it_is() {
    let raid5 = array(Level::Raid5, 3);
    let fresh = |number| disk(&raid5, number, 9, &[faulty(1)]);
    let mut stand =
        Stand::of(&[fresh(0), disk(&raid5, 1, 7, &[]), fresh(2)]).running(Level::Raid5, 3, &[0, 2]);
    stand.overwritten = vec![written_over("/dev/sdb")];
    let explanation = stand.ask("home");
    assert_eq!(explanation.next().unwrap().line(), "mdctl zero-superblock /dev/sdb", "{explanation:#?}");
    assert!(finding(&explanation, Kind::Stale).command.is_none());
    let mut stand = Stand::stopped(&raid5, &[7, 7, 7]).running(Level::Raid5, 3, &[0, 1, 2]);
    stand.overwritten = vec![written_over("/dev/sdb")];
    let explanation = stand.ask("home");
    assert_eq!(explanation.next().unwrap().line(), "mdctl stop /dev/md/home", "{explanation:#?}");
    assert!(!explanation.is_fine());
}

fn former(path: &str, taken: bool, carries: &[&str]) -> crate::archive::Former {
    crate::archive::Former {
        path: path.into(),
        array: UUID.to_string(),
        name: Some("guest:home".into()),
        until: NOW - 60,
        by: "mdctl assemble --force /dev/md/home".into(),
        id: crate::archive::EntryId::try_from("1".to_owned()).unwrap(),
        blank: carries.is_empty(),
        carries: carries.iter().map(ToString::to_string).collect(),
        nth: 0,
        taken,
        as_left: false,
    }
}

/// An undo gives back what its command took, and nothing else.
#[test]
fn an_undo_is_offered_for_what_its_command_took() {
    let raid5 = array(Level::Raid5, 3);
    let with = |former: crate::archive::Former| {
        let mut stand = Stand::stopped(&raid5, &[9]);
        stand.former = vec![former];
        stand.ask("home")
    };
    let next = |explanation: &Explanation| explanation.next().map(NextCommand::line);
    let erased = with(former("/dev/sdb", true, &[]));
    assert_eq!(next(&erased).as_deref(), Some("mdctl undo 1"), "{erased:#?}");
    let forced = with(former("/dev/sdb", false, &[]));
    assert_eq!(next(&forced).as_deref(), Some("mdctl trial /dev/sda /dev/sdb"), "{forced:#?}");
    let evidence = &finding(&forced, Kind::Former).evidence;
    assert!(evidence[0].contains("no command of mdctl took it"), "{evidence:#?}");
    let elsewhere = with(former("/dev/sdb", true, &["other"]));
    assert_eq!(next(&elsewhere), None, "{elsewhere:#?}");
    assert!(finding(&elsewhere, Kind::Former).needs.as_deref().unwrap().starts_with("nothing, if"));
}

/// A member that works with errors is not replaced before the slot that is empty is filled again.
#[test]
fn what_is_missing_comes_back_before_anything_is_replaced() {
    let raid5 = array(Level::Raid5, 3);
    let fresh = |number| disk(&raid5, number, 9, &[faulty(1)]);
    let mut stand =
        Stand::of(&[fresh(0), disk(&raid5, 1, 7, &[]), fresh(2)]).running(Level::Raid5, 3, &[0, 2]);
    stand.array().members[0].errors = 3;
    let explanation = stand.ask("home");
    let found = kinds(&explanation);
    let at = |kind: Kind| found.iter().position(|found| *found == kind).expect("it is found");
    assert!(at(Kind::Stale) < at(Kind::Worn) && at(Kind::MemberMissing) < at(Kind::Worn), "{found:?}");
    let next = explanation.next().expect("a command").line();
    assert_eq!(next, "mdctl manage /dev/md/home --add /dev/sdb");
    let needs = finding(&explanation, Kind::Worn).needs.clone().unwrap_or_default();
    assert!(needs.contains("once no slot is empty any more, a new device"), "{needs}");
}

/// What commands took from all devices and left blank is one remark, and nothing to be done about.
#[test]
fn what_was_erased_on_purpose_is_a_remark() {
    let stand = || Stand::stopped(&array(Level::Raid5, 3), &[]);
    let lost = |former: Vec<crate::archive::Former>| stand().scene("", |scene| scene.lost(&former));
    let all = lost(["/dev/sda", "/dev/sdb"].map(|path| former(path, true, &[])).to_vec());
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].summary, "erased from /dev/sda, /dev/sdb, and the archive has it");
    assert_eq!((all[0].findings.len(), all[0].next()), (1, None), "{all:#?}");
    let undo = all[0].findings[0].command.as_ref().map(NextCommand::line);
    assert_eq!((undo.as_deref(), all[0].is_fine()), (Some("mdctl undo 1"), true));
    let other = lost(vec![former("/dev/sda", true, &[]), former("/dev/sdb", false, &[])]);
    assert!(!other[0].is_fine() && other[0].findings.len() == 2, "{other:#?}");
}

/// The kernel takes nobody into an array that it must not write to.
#[test]
fn members_come_back_once_the_array_may_be_written_to() {
    let raid5 = array(Level::Raid5, 3);
    let fresh = |number| disk(&raid5, number, 9, &[faulty(1)]);
    let mut stand =
        Stand::of(&[fresh(0), disk(&raid5, 1, 7, &[]), fresh(2)]).running(Level::Raid5, 3, &[0, 2]);
    stand.array().state = "readonly".into();
    let explanation = stand.ask("home");
    assert_eq!(explanation.next().unwrap().line(), "mdctl readwrite /dev/md/home", "{explanation:#?}");
    let stale = finding(&explanation, Kind::Stale);
    assert_eq!(stale.command, None);
    assert!(
        stale.needs.as_deref().unwrap().ends_with("then mdctl manage /dev/md/home --add /dev/sdb"),
        "{stale:?}"
    );
}
