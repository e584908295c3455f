//! Arrays that do not run.

use super::*;

#[test]
fn whole_and_not_assembled() {
    let explanation = Stand::stopped(&array(Level::Raid5, 3), &[7, 7, 7]).ask("home");
    check(&explanation, &[Kind::NotAssembled], Some(ASSEMBLE));
    assert_eq!(explanation.subject, "/dev/md/home");
    assert_eq!(explanation.summary, "raid5, not running: 3 of 3 devices up to date");
    assert_eq!(explanation.devices[2].role, "slot 2");
    for word in ["guest:home", "/dev/md/home", "11111111:11111111:11111111:11111111"] {
        assert_eq!(Stand::stopped(&array(Level::Raid5, 3), &[7, 7, 7]).ask(word), explanation, "{word}");
    }
}

#[test]
fn what_the_kernel_refused_after_the_last_update_is_no_way() {
    let raid5 = array(Level::Raid5, 3);
    let line = |at, text: &str| crate::model::world::LogLine { at, text: text.to_owned() };
    let refused = "md/raid:md127: not enough operational devices (2/3 failed)";
    let with = |log: Vec<crate::model::world::LogLine>| {
        let mut stand = Stand::stopped(&raid5, &[7, 7, 7]);
        stand.log = log;
        stand.ask("home")
    };
    // The last update is NOW - 100.
    let explanation = with(vec![line(NOW - 50, refused)]);
    check(&explanation, &[Kind::KernelRefused], None);
    assert!(finding(&explanation, Kind::KernelRefused).evidence[0].ends_with(refused), "{explanation:#?}");
    // No driver for the level: the line names no array.
    let driver = with(vec![line(NOW - 50, "md: personality for level 5 is not loaded!")]);
    check(&driver, &[Kind::KernelRefused], Some("modprobe raid456"));
    let another = with(vec![line(NOW - 50, "md: personality for level 10 is not loaded!")]);
    check(&another, &[Kind::NotAssembled], Some(ASSEMBLE));
    // The number was another array's, whose level has another driver.
    let other = "md/raid0:md127: cannot assemble multi-zone RAID0 with default_layout setting";
    let another = with(vec![line(NOW - 50, other)]);
    check(&another, &[Kind::NotAssembled], Some(ASSEMBLE));
    // A member that failed while it ran, and a refusal before the last update, keep nothing down.
    let before = with(vec![line(NOW - 110, refused)]);
    check(&before, &[Kind::NotAssembled], Some(ASSEMBLE));
    let failed = with(vec![line(NOW - 50, "md/raid:md127: Disk failure on sdc, disabling device.")]);
    assert!(kinds(&failed).contains(&Kind::NotAssembled), "{failed:#?}");
}

#[test]
fn raid0_whose_layout_nobody_recorded() {
    let raid0 = v1::NewArray { size: Sectors(0), ..array(Level::Raid0, 2) };
    let large = |array: &v1::NewArray| {
        let member = v1::NewMember {
            number: 1,
            uuid: MdUuid([2; 16]),
            events: Events(7),
            device: Sectors(131_072),
            data_offset: Sectors(2048),
            flags: v1::DevFlags::empty(),
        };
        Disk { len: 131_072 * 512, writes: vec![array.member(&member).unwrap().encode()] }
    };
    let explanation = Stand::of(&[disk(&raid0, 0, 7, &[]), large(&raid0)]).ask("home");
    let next = format!("{ASSEMBLE} --readonly");
    check(&explanation, &[Kind::LayoutUnknown], Some(&next));
    let needs = finding(&explanation, Kind::LayoutUnknown).needs.as_deref().unwrap_or_default();
    assert!(needs.contains("default_layout") && needs.contains("--update=layout-alternate"), "{needs}");
    let known = v1::NewArray { layout: 2, raid0_layout: true, ..raid0.clone() };
    let explanation = Stand::of(&[disk(&known, 0, 7, &[]), large(&known)]).ask("home");
    check(&explanation, &[Kind::NotAssembled], Some(ASSEMBLE));
    // Members of one size have one layout.
    let explanation = Stand::of(&[disk(&raid0, 0, 7, &[]), disk(&raid0, 1, 7, &[])]).ask("home");
    check(&explanation, &[Kind::NotAssembled], Some(ASSEMBLE));
}

#[test]
fn missing_member_that_counted() {
    let raid5 = array(Level::Raid5, 3);
    let explanation = Stand::stopped(&raid5, &[7, 7]).ask("home");
    let next = format!("{ASSEMBLE} --readonly");
    check(&explanation, &[Kind::MemberMissing, Kind::NotAssembled], Some(&next));
    let missing = finding(&explanation, Kind::MemberMissing);
    assert_eq!(missing.text, "slot 2 of 3: no device here is it");
    assert!(missing.evidence[0].starts_with("/dev/sda counts on it"), "{missing:#?}");
}

#[test]
fn stale_member_with_its_distance() {
    let raid5 = array(Level::Raid5, 3);
    let fresh = |number| disk(&raid5, number, 9, &[faulty(2)]);
    let explanation = Stand::of(&[fresh(0), fresh(1), disk(&raid5, 2, 4, &[])]).ask("home");
    check(&explanation, &[Kind::NotAssembled, Kind::Stale], Some(ASSEMBLE));
    let stale = finding(&explanation, Kind::Stale);
    assert_eq!(stale.text, "/dev/sdc: slot 2, out of date by 5 events and 0 s");
    assert_eq!(stale.device.as_deref(), Some("/dev/sdc"));
    assert_eq!(explanation.devices[2].standing, "5 events behind");
}

#[test]
fn not_enough_and_what_force_would_do() {
    let raid5 = array(Level::Raid5, 3);
    let forced = format!("{ASSEMBLE} --force --dry-run");
    let explanation = Stand::stopped(&raid5, &[9, 4, 3]).ask("home");
    check(&explanation, &[Kind::NotEnough, Kind::Stale, Kind::Stale], Some(&forced));
    let evidence = &finding(&explanation, Kind::Stale).evidence;
    assert!(
        evidence[2].starts_with("/dev/sda counts on slot 1: another device took it over"),
        "{evidence:#?}"
    );
    let explanation = Stand::stopped(&raid5, &[9]).ask("home");
    let missing = [Kind::MemberMissing, Kind::MemberMissing, Kind::NotEnough];
    check(&explanation, &missing, None);
}

#[test]
fn dirty_and_degraded() {
    let dirty = v1::NewArray { clean: false, ..array(Level::Raid5, 3) };
    let explanation = Stand::stopped(&dirty, &[9, 9]).ask("home");
    let forced = format!("{ASSEMBLE} --force --dry-run");
    check(&explanation, &[Kind::MemberMissing, Kind::DirtyDegraded], Some(&forced));
}

#[test]
fn two_histories() {
    let raid1 = array(Level::Raid1, 2);
    let disks = [disk(&raid1, 0, 9, &[faulty(1)]), disk(&raid1, 1, 8, &[faulty(0)])];
    let explanation = Stand::of(&disks).ask("home");
    // No side is chosen: both are looked at, and nothing is written.
    let next = "mdctl assemble /dev/md/home --readonly --run /dev/sda";
    check(&explanation, &[Kind::NotAssembled, Kind::Split, Kind::MemberMissing], Some(next));
    let found = finding(&explanation, Kind::NotAssembled);
    let effect = &found.command.as_ref().unwrap().effect;
    assert!(effect.contains("mdctl assemble /dev/md/home --readonly --run /dev/sdb"), "{effect}");
    assert!(found.needs.as_ref().unwrap().contains("mdctl manage /dev/md/home --add --force"), "{found:#?}");
    let running = Stand::of(&disks).running(Level::Raid1, 2, &[0]).ask("md127");
    let next = "mdctl examine /dev/sdb /dev/sda";
    check(&running, &[Kind::Split, Kind::MemberMissing, Kind::Name], Some(next));
}

#[test]
fn of_two_sides_only_who_is_enough_is_started() {
    let raid10 = v1::NewArray { layout: 0x102, chunk: Sectors(128), ..array(Level::Raid10, 4) };
    let one = |number, events| disk(&raid10, number, events, &[faulty(1), faulty(3)]);
    let other = |number, events| disk(&raid10, number, events, &[faulty(0), faulty(2)]);
    let looks = "mdctl assemble /dev/md/home --readonly --run";
    let all = [one(0, 9), other(1, 9), one(2, 9), other(3, 9)];
    let explanation = Stand::of(&all).ask("home");
    let next = explanation.next().unwrap();
    assert_eq!(next.line(), format!("{looks} /dev/sda /dev/sdc"));
    assert!(next.effect.ends_with(&format!("{looks} /dev/sdb /dev/sdd")), "{}", next.effect);
    // While one side runs the other is started whole, too.
    let running = Stand::of(&all).running(Level::Raid10, 4, &[0, 2]).ask("md127");
    let split = running.findings.iter().filter(|finding| finding.kind == Kind::Split);
    let needs: Vec<&String> = split.filter_map(|finding| finding.needs.as_ref()).collect();
    assert_eq!(needs.len(), 2, "{running:#?}");
    let both = format!("{looks} /dev/sdb /dev/sdd. To go on");
    assert!(needs.iter().all(|needs| needs.contains(&both)), "{needs:#?}");
    // Half of the other side is not here.
    let explanation = Stand::of(&[one(0, 9), other(1, 9), one(2, 9)]).ask("home");
    let found = finding(&explanation, Kind::NotAssembled);
    let lacks = "/dev/sdb: cannot be started alone: it lacks slots 0, 2, 3";
    assert!(found.evidence.contains(&format!("the other: {lacks}")), "{found:#?}");
    assert!(found.command.as_ref().unwrap().effect.starts_with("starts the only side"), "{found:#?}");
    assert!(found.needs.as_ref().unwrap().starts_with("your choice: this side"), "{found:#?}");
    let running =
        Stand::of(&[one(0, 9), other(1, 9), one(2, 9)]).running(Level::Raid10, 4, &[0, 2]).ask("md127");
    let needs = finding(&running, Kind::Split).needs.clone().unwrap();
    assert!(needs.contains(&format!("The other side, {lacks}.")) && !needs.contains("--readonly"), "{needs}");
    // Half of the one that counts is not here: no force mixes the two.
    let explanation = Stand::of(&[one(0, 12), other(1, 9), other(3, 9)]).ask("home");
    let found = finding(&explanation, Kind::NotEnough);
    assert_eq!(found.command.as_ref().unwrap().line(), format!("{looks} /dev/sdb /dev/sdc"), "{found:#?}");
}

#[test]
fn damage_and_newer_features() {
    let raid1 = array(Level::Raid1, 2);
    let mut broken = disk(&raid1, 1, 9, &[]);
    broken.writes[0].data[40] ^= 1;
    let explanation = Stand::of(&[disk(&raid1, 0, 9, &[]), broken]).ask("home");
    let expected = [Kind::Checksum, Kind::MemberMissing, Kind::NotAssembled];
    check(&explanation, &expected, Some("mdctl examine /dev/sdb"));
    assert!(finding(&explanation, Kind::Checksum).evidence[0].contains("checksum"), "{explanation:#?}");
    // A feature bit that nobody knows, with a right checksum: the sum grows by as much as the field does.
    let mut newer = disk(&raid1, 1, 9, &[]);
    newer.writes[0].data[10] ^= 0x80;
    let sum = u32::from_le_bytes(newer.writes[0].data[216..220].try_into().unwrap()) + (0x80 << 16);
    newer.writes[0].data[216..220].copy_from_slice(&sum.to_le_bytes());
    let explanation = Stand::of(&[disk(&raid1, 0, 9, &[]), newer]).ask("home");
    check(&explanation, &[Kind::Unreadable, Kind::NotAssembled], Some("mdctl examine /dev/sdb"));
    assert!(finding(&explanation, Kind::Unreadable).evidence[0].contains("0x800000"), "{explanation:#?}");
}

#[test]
fn smaller_than_it_was() {
    let raid1 = array(Level::Raid1, 2);
    let small = Disk { len: 30000 * 512, ..disk(&raid1, 1, 9, &[]) };
    let explanation = Stand::of(&[disk(&raid1, 0, 9, &[]), small]).ask("home");
    assert!(kinds(&explanation).contains(&Kind::TooSmall), "{explanation:#?}");
    let text = &finding(&explanation, Kind::TooSmall).evidence[0];
    assert!(text.contains("(30000 sectors)"), "{text}");
}

#[test]
fn held_by_somebody() {
    let raid1 = array(Level::Raid1, 2);
    for (holder, next) in [
        ("the file system mounted at /mnt/a b", Some("umount '/mnt/a b'")),
        ("array md5", Some("mdctl explain md5")),
        ("swap", Some("swapoff /dev/sdb")),
        ("device-mapper device vg-lv (dm-3)", Some("dmsetup table vg-lv")),
        ("device-mapper device MDOV-try-sdb (dm-3)", Some("mdctl overlay list")),
        ("process 12 (dd)", Some(ASSEMBLE)),
    ] {
        let mut stand = Stand::stopped(&raid1, &[9, 9]);
        stand.devices[1].busy = true;
        stand.devices[1].holders = vec![holder.to_owned()];
        let explanation = stand.ask("home");
        assert_eq!(kinds(&explanation)[0], Kind::Held, "{explanation:#?}");
        let command = explanation.next().map(NextCommand::line);
        assert!(command.as_deref().is_some_and(|line| line.starts_with(next.unwrap())), "{command:?}");
    }
}

#[test]
fn journal_and_bitmap() {
    let journalled = v1::NewArray { journal: true, ..array(Level::Raid5, 3) };
    let explanation = Stand::stopped(&journalled, &[9, 9, 9]).ask("home");
    assert!(kinds(&explanation).contains(&Kind::JournalMissing), "{explanation:#?}");
    let raid1 = with_bitmap(&array(Level::Raid1, 2));
    let mut lost = disk(&raid1, 0, 9, &[]);
    lost.writes.pop();
    let explanation = Stand::of(&[lost, disk(&raid1, 1, 9, &[])]).ask("home");
    check(&explanation, &[Kind::NotAssembled, Kind::BitmapUnusable], Some(ASSEMBLE));
    assert_eq!(finding(&explanation, Kind::BitmapUnusable).device.as_deref(), Some("/dev/sda"));
}

#[test]
fn other_hosts_arrays_and_their_names() {
    let raid1 = v1::NewArray { name: v1::set_name(Some(b"other"), b"5"), ..array(Level::Raid1, 2) };
    let stand = Stand::stopped(&raid1, &[9, 9]);
    let explanation = stand.ask("5");
    assert!(kinds(&explanation).contains(&Kind::Foreign), "{explanation:#?}");
    let mut stand = Stand::stopped(&raid1, &[9, 9]).running(Level::Raid1, 2, &[0, 1]);
    stand.array().path = Some("/dev/md/other:5".to_owned());
    let explanation = stand.ask("md127");
    check(&explanation, &[Kind::Fine, Kind::Foreign, Kind::Name], None);
    assert!(finding(&explanation, Kind::Name).evidence[0].contains("not honoured"), "{explanation:#?}");
    let mut listed = Stand::stopped(&raid1, &[9, 9]).running(Level::Raid1, 2, &[0, 1]);
    listed.config = conf::parse([("test", "ARRAY /dev/md/x UUID=11111111:11111111:11111111:11111111\n")]).0;
    check(&listed.ask("md127"), &[Kind::Fine, Kind::Name], None);
}

#[test]
fn kept_down_by_the_configuration() {
    let mut stand = Stand::stopped(&array(Level::Raid1, 2), &[9, 9]);
    stand.config = conf::parse([("test", "AUTO -all\n")]).0;
    check(&stand.ask("home"), &[Kind::Configured], None);
}

/// The command that is the only one that helps is named, with what is at risk: also where the array is in the kernel already,
/// and where no superblock is sound.
#[test]
fn what_is_at_risk_with_force() {
    let raid5 = array(Level::Raid5, 3);
    let risk = |explanation: &Explanation| explanation.next().expect("a command").effect.clone();
    let stale = risk(&Stand::stopped(&raid5, &[9, 4]).ask("home"));
    assert!(stale.contains("/dev/sdb (slot 1) counts as up to date although it missed 5 events"), "{stale}");
    assert!(!stale.contains("/dev/sda (slot"), "{stale}");

    let dirty = v1::NewArray { clean: false, ..raid5.clone() };
    let cut_off = risk(&Stand::stopped(&dirty, &[9, 9]).ask("home"));
    assert!(cut_off.contains("what was being written when it went down may be wrong"), "{cut_off}");

    let mut inactive = Stand::stopped(&dirty, &[9, 9]).running(Level::Raid5, 3, &[0, 1]);
    inactive.array().state = "inactive".into();
    inactive.array().raid_disks = 0;
    let explanation = inactive.ask("md127");
    let next = explanation.next().expect("a command");
    assert_eq!(next.line(), "mdctl stop /dev/md/home", "{explanation:#?}");
    let words = "mdctl assemble /dev/md/home --uuid=11111111:11111111:11111111:11111111 --force";
    assert!(next.effect.contains(words) && next.effect.contains("may be wrong"), "{}", next.effect);

    let raid1 = array(Level::Raid1, 2);
    let broken = |number| {
        let mut disk = disk(&raid1, number, 9, &[]);
        disk.writes[0].data[192] ^= 1;
        disk
    };
    let explanation = Stand::of(&[broken(0), broken(1)]).ask("home");
    let next = explanation.next().expect("a command");
    assert!(next.line().ends_with("--force --dry-run"), "{explanation:#?}");
    assert!(next.effect.contains("the damaged superblock of /dev/sda is believed"), "{}", next.effect);
    // Not even force is enough.
    assert_eq!(Stand::stopped(&raid5, &[9]).ask("home").next(), None);
}
