//! Decisions about members, on worlds written by hand.

use crate::{
    model::{
        Candidate, Device,
        detail::{
            ArrayDetail, Counts, KernelFlags, MemberFlags, MemberSuperblock, MetadataVersion, TableMember,
        },
        manage::Link,
        samples,
    },
    plan::{
        DiskStep, MdStep,
        replace::{self, OldMember, Standing},
        run::tests::every_failure_leaves_no_trace_on,
    },
    request::ManageWord,
};
use superblock::{
    Bytes, Events, Kib, Level, MdUuid, Native, Role, Sectors, bitmap,
    probe::{Found, Probe},
    v1,
};

use super::*;

pub(in crate::plan) const UUID: MdUuid = MdUuid([7; 16]);
/// 16 MiB.
const SIZE: Sectors = Sectors(32_768);

pub(super) fn dev(minor: u32) -> DevId {
    DevId { major: 1, minor }
}

pub(super) fn context() -> ManageContext {
    ManageContext {
        array: ArrayName { kernel: "md0".into(), path: "/dev/md0".into() },
        force: false,
        update: None,
        bad_block_log: true,
        fresh: vec![MdUuid([1; 16]), MdUuid([2; 16])],
        zone: jiff::tz::TimeZone::UTC,
    }
}

pub(in crate::plan) fn superblock(number: u32, events: u64, level: Level, slots: u32) -> v1::Superblock {
    let new = v1::NewArray {
        uuid: UUID,
        layout: if level == Level::Raid10 { 0x102 } else { 0 },
        size: Sectors(30_720),
        chunk: if level == Level::Raid1 { Sectors(0) } else { Sectors(128) },
        ..samples::array(level, slots)
    };
    let member = v1::NewMember {
        number,
        uuid: MdUuid([9; 16]),
        events: Events(events),
        device: SIZE,
        data_offset: Sectors(2048),
        flags: v1::DevFlags::empty(),
    };
    new.member(&member).unwrap()
}

/// A member in sysfs.
fn link((slot, state): (u32, char)) -> Link {
    Link {
        name: format!("ram{slot}"),
        dev: Some(dev(slot)),
        slot: (state == 'U').then_some(slot),
        states: vec![if state == 'U' { "in_sync" } else { "faulty" }.into()],
        ..Link::default()
    }
}

/// An array on ram0, ram1, …: `U` in sync, `F` failed in its slot, `_` empty; at event 20.
pub(in crate::plan) fn array(level: Level, slots: &str) -> Managed {
    let count = u32::try_from(slots.len()).unwrap();
    let there = || (0..).zip(slots.chars()).filter(|(_, state)| *state != '_');
    let member = |(slot, state): (u32, char)| TableMember {
        number: i32::try_from(slot).unwrap(),
        dev: dev(slot),
        raid_disk: i32::try_from(slot).unwrap(),
        state: MemberFlags {
            faulty: state == 'F',
            active: state == 'U',
            sync: state == 'U',
            ..MemberFlags::default()
        },
        path: None,
        alive: true,
    };
    Managed {
        detail: ArrayDetail {
            device: "/dev/md0".into(),
            kernel_name: "md0".into(),
            size: Bytes(0),
            metadata: MetadataVersion::Native(1, 2),
            array_state: Some("clean".into()),
            level,
            layout: 0x102,
            chunk: Bytes(0),
            component_size: Some(Kib(15_360)),
            counts: Counts { raid_disks: count, ..Counts::default() },
            created: 0,
            updated: 0,
            not_persistent: false,
            minor: 0,
            flags: KernelFlags { clean: true, bitmap: false, clustered: false },
            bitmap_file: None,
            consistency_policy: None,
            sync: None,
            members: there().map(member).collect(),
            attached: Vec::new(),
            superblock: Some(MemberSuperblock {
                native: Native::V1(superblock(0, 20, level, count)),
                bitmap: None,
            }),
            map: None,
            container: None,
            member_arrays: Vec::new(),
        },
        links: there().map(link).collect(),
        sync_action: Some("idle".into()),
        resync_at: None,
        slots_before: None,
        logical_block: 512,
        bitmap: None,
        bits: bitmap::Count::default(),
        frozen: false,
    }
}

/// A disk of 16 MiB with this superblock.
pub(in crate::plan) fn disk(minor: u32, found: Option<v1::Superblock>) -> ManageSubject {
    let path = format!("/dev/ram{minor}");
    let found = found.map(|sb| {
        // Through bytes, as it would be read.
        let mut image = vec![0; 1 << 24];
        let write = sb.encode();
        let at = usize::try_from(write.at.0).unwrap();
        image[at..at + write.data.len()].copy_from_slice(&write.data);
        let read = v1::read(&image, v1::Minor::V1_2).unwrap().unwrap();
        Found { superblock: read.map(Native::V1), bitmap: None }
    });
    let device = Device {
        probe: Probe { found: found.into_iter().collect(), ..Probe::default() },
        ..samples::device(&path, dev(minor), Bytes(1 << 24))
    };
    let seen = Some(Candidate { path, found: Ok(device) });
    ManageSubject { dev: Some(dev(minor)), seen, ..ManageSubject::default() }
}

pub(super) fn path(op: ManageOp, minor: u32) -> Todo {
    Todo::of(op, &format!("/dev/ram{minor}"))
}

fn refusal(decision: Result<ManageDecision, Refusal>) -> String {
    match decision {
        Err(refusal) => refusal.text,
        Ok(ManageDecision { otherwise: Otherwise::Refuse(refusal), .. }) => refusal.text,
        Ok(other) => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_member_that_is_needed_is_kept_unless_somebody_insists() {
    for (level, slots, victim, kept) in [
        (Level::Raid1, "UU", 0, false),
        (Level::Raid1, "U_", 0, true),
        (Level::Raid1, "UF", 1, false),
        (Level::Raid5, "UUU", 2, false),
        (Level::Raid5, "U_U", 2, true),
        (Level::Raid6, "U_UU", 2, false),
        (Level::Raid6, "U__U", 3, true),
        (Level::Raid10, "U_UU", 3, false),
        (Level::Raid10, "U_UU", 0, true),
        (Level::Raid0, "UU", 1, true),
        (Level::Raid5, "UUU", 9, false),
    ] {
        let array = array(level, slots);
        let subject = ManageSubject { dev: Some(dev(victim)), ..ManageSubject::default() };
        let todo = path(ManageOp::Fail, victim);
        let decided = decide(&todo, &array, &subject, &context());
        assert_eq!(decided.is_err(), kept, "{level:?} {slots} without {victim}");
        let insisting = ManageContext { force: true, ..context() };
        assert!(decide(&todo, &array, &subject, &insisting).is_ok());
    }
    // A disk that breaks under load can be taken out; one whose parity is not right yet cannot.
    let mut written = array(Level::Raid5, "UUU");
    written.detail.flags.clean = false;
    let subject = ManageSubject { dev: Some(dev(0)), ..ManageSubject::default() };
    assert!(decide(&path(ManageOp::Fail, 0), &written, &subject, &context()).is_ok());
    let resyncing = Managed { resync_at: Some(superblock::Sectors(8)), ..written };
    assert!(decide(&path(ManageOp::Fail, 0), &resyncing, &subject, &context()).is_err());
}

#[test]
fn a_dry_run_counts_what_it_would_have_failed() {
    let before = array(Level::Raid1, "UU");
    let subject = |minor| ManageSubject { dev: Some(dev(minor)), ..ManageSubject::default() };
    let first = decide(&path(ManageOp::Fail, 0), &before, &subject(0), &context()).unwrap();
    let between = first.ways[0].plan.steps.iter().fold(before, after);
    assert!(decide(&path(ManageOp::Fail, 1), &between, &subject(1), &context()).is_err());
}

#[test]
fn words_mean_members() {
    let mut world = array(Level::Raid10, "UFUU");
    world.links[3].dev = None;
    let words = |op, word: &str| {
        let word = ManageWord { op, device: word.into(), write_mostly: None, failfast: None };
        match meaning(&Todo::new(&word), &world, &world, "/dev/md0") {
            Ok(Meaning::Several(todos)) => {
                Ok(todos.into_iter().map(|todo| todo.word).collect::<Vec<_>>().join(" "))
            }
            Ok(other) => Ok(format!("{other:?}")),
            Err(refusal) => Err(refusal.text),
        }
    };
    use ManageOp::{Add, ClusterConfirm, Fail, ReAdd, Remove};
    for (op, word, expected) in [
        (Remove, "failed", Ok("1:1")),
        (ReAdd, "faulty", Ok("1:1")),
        (Remove, "detached", Ok("ram3")),
        (Fail, "set-A", Ok("1:0 1:2")),
        (Fail, "set-B", Ok("1:1 1:3")),
        (Fail, "set-C", Err("'set-C' not meaningful with this array")),
        (Add, "set-A", Err("'set-A' only meaningful with -r or -f")),
        (Add, "failed", Err("failed only meaningful with -r or --re-add, not -a")),
        (ReAdd, "detached", Err("detached only meaningful with -r of -f, not -A")),
        (Fail, "missing", Err("'missing' only meaningful with --re-add")),
        (ReAdd, "missing", Ok("EveryDevice")),
        (Fail, "ram2", Ok("One(Kernel(\"ram2\"))")),
        (Fail, "ram7", Err("ram7 does not appear to be a component of /dev/md0")),
        (Add, "ram7", Err("ram7 only meaningful with -r, -f, not -a")),
        (Remove, "8:16", Ok("One(Number(DevId { major: 8, minor: 16 }))")),
        (Add, "8:16", Ok("One(Path(\"8:16\"))")),
        (ClusterConfirm, "2:/dev/x", Ok("One(Slot(2, \"/dev/x\"))")),
        (ClusterConfirm, "/dev/x", Err("Could not get the devname of cluster")),
    ] {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(words(op, word), expected, "{op:?} {word}");
    }
}

#[test]
fn adding_is_taken_back_at_every_step() {
    let world = array(Level::Raid1, "U_");
    for (op, found) in [
        (ManageOp::Add, None),
        (ManageOp::AddSpare, Some(superblock(1, 20, Level::Raid1, 2))),
        (ManageOp::Add, Some(superblock(1, 20, Level::Raid1, 2))),
    ] {
        let decision = decide(&path(op, 1), &world, &disk(1, found), &context()).unwrap();
        for way in &decision.ways {
            assert!(way.plan.steps.iter().any(|step| matches!(step, Step::Md(MdStep::HotAdd { .. }))));
            every_failure_leaves_no_trace_on(&way.plan, &["/dev/ram0"]);
        }
    }
}

#[test]
fn a_former_member_comes_back_as_what_it_was_if_it_can() {
    let world = array(Level::Raid1, "U_");
    let ways = |op, subject: &ManageSubject| -> Vec<(String, String)> {
        let decision = decide(&path(op, 1), &world, subject, &context()).unwrap();
        let told = |way: &Attempt| (way.said.clone().unwrap(), way.copy.clone().unwrap().to_string());
        decision.ways.iter().map(told).collect()
    };
    let way = |said: &str, copy: &str| (said.to_owned(), copy.to_owned());
    let current = disk(1, Some(superblock(1, 20, Level::Raid1, 2)));
    let old = disk(1, Some(superblock(1, 15, Level::Raid1, 2)));
    let why = "it stopped at event 15 of 20 and there is no bitmap";
    assert_eq!(
        ways(ManageOp::Add, &current)[0],
        way("re-added /dev/ram1", "nothing to copy: it has missed no write")
    );
    assert_eq!(
        ways(ManageOp::Add, &old),
        [
            way("re-added /dev/ram1", &format!("full copy of 15 MiB, because {why}")),
            way("added /dev/ram1", &format!("full copy of 15 MiB, because {why}")),
        ]
    );
    assert_eq!(
        ways(ManageOp::Add, &disk(5, None)),
        [way("added /dev/ram1", "full copy of 15 MiB, because it is new to the array")]
    );
    assert_eq!(ways(ManageOp::AddSpare, &current).len(), 1, "a spare is never taken as what it was");
    // Its number was given to another.
    let taken = disk(1, Some(superblock(0, 20, Level::Raid1, 2)));
    assert_eq!(
        ways(ManageOp::Add, &taken),
        [way(
            "added /dev/ram1",
            "full copy of 15 MiB, because its number 0 has been given to another device"
        )]
    );
    let refused = refusal(decide(&path(ManageOp::ReAdd, 5), &world, &disk(5, None), &context()));
    assert_eq!(refused, "--re-add for /dev/ram5 to /dev/md0 is not possible");
}

#[test]
fn the_bitmap_tells_how_much() {
    let mut world = array(Level::Raid1, "U_");
    let bitmap = bitmap::NewSuperblock {
        version: bitmap::Version::Plain,
        uuid: UUID.0,
        sync_size: Sectors(30_720),
        chunk: 65_536,
        daemon_sleep: 5,
        write_behind: 0,
        sectors_reserved: 0,
        nodes: 0,
        cluster_name: Vec::new(),
        assume_clean: false,
    };
    world.bitmap = Some(bitmap.build());
    world.bits = bitmap::Count { total: 240, dirty: 16 };
    let told = |events| copy::of_former_member(&world, Events(events), Events(20)).to_string();
    assert_eq!(told(15), "bitmap: 1 MiB of 15 MiB");
    assert_eq!(told(20), "nothing to copy: it has missed no write");
}

#[test]
fn what_cannot_join_is_refused() {
    let world = array(Level::Raid1, "U_");
    let small = |mut subject: ManageSubject, change: fn(&mut Device)| {
        change(subject.seen.as_mut().unwrap().found.as_mut().unwrap());
        subject
    };
    let refused = |world: &Managed, op, subject: &ManageSubject| {
        refusal(decide(&path(op, 5), world, subject, &context()))
    };
    let add = ManageOp::Add;
    let tiny = small(disk(5, None), |device| device.size = Bytes(1 << 20));
    assert_eq!(refused(&world, add, &tiny), "/dev/ram5 not large enough to join array");
    let busy = small(disk(5, None), |device| device.busy = true);
    assert_eq!(refused(&world, add, &busy), "Cannot open /dev/ram5: Device or resource busy");
    let used = small(disk(5, None), |device| device.holders = vec!["loop device loop3".into()]);
    assert_eq!(refused(&world, add, &used), "/dev/ram5 is in use by loop device loop3");
    assert!(decide(&path(add, 5), &world, &used, &ManageContext { force: true, ..context() }).is_ok());
    let unsearched = small(disk(5, None), |device| device.unsearched = true);
    assert!(refused(&world, add, &unsearched).starts_with("/dev/ram5 may be in use"));
    let blocks = small(disk(5, None), |device| device.logical_block = 4096);
    assert!(refused(&world, add, &blocks).contains("logical blocks of 4096 bytes"));
    assert!(decide(&path(add, 5), &world, &blocks, &ManageContext { force: true, ..context() }).is_ok());
    let broken = array(Level::Raid5, "U__");
    assert!(refused(&broken, add, &disk(5, None)).starts_with("data on /dev/ram5."));
    assert_eq!(
        refused(&world, ManageOp::AddJournal, &disk(5, None)),
        "/dev/md0 is not readonly, cannot add journal."
    );
    let mut built = array(Level::Raid1, "U_");
    built.detail.not_persistent = true;
    assert!(refused(&built, ManageOp::ReAdd, &disk(5, None)).contains("array is not persistent"));
    let mut unread = array(Level::Raid1, "U_");
    unread.detail.superblock = None;
    assert_eq!(refused(&unread, add, &disk(5, None)), "cannot load array metadata from /dev/md0");
    let nothing = ManageSubject { unknown: Some(Unknown::NotBlock), ..ManageSubject::default() };
    assert_eq!(refused(&world, add, &nothing), "/dev/ram5 is not a block device.");
}

#[test]
fn only_who_gets_everything_is_rid_of_older_metadata() {
    let world = array(Level::Raid1, "U_");
    let mut image = vec![0; 1 << 24];
    let at = image.len() - 512;
    image[at..at + 4].copy_from_slice(&[0xde, 0x11, 0xde, 0x11]);
    let mut subject = disk(1, Some(superblock(1, 20, Level::Raid1, 2)));
    let Some(Candidate { found: Ok(device), .. }) = &mut subject.seen else { panic!("a device") };
    device.foreign = superblock::foreign::scan(&image).unwrap();
    let zeroed = |way: &Attempt| {
        way.plan.steps.iter().any(|step| match step {
            Step::Disk(DiskStep::Write { writes, .. }) => {
                writes.contains(&superblock::Write { at: Bytes((1 << 24) - 512), data: vec![0; 512] })
            }
            _ => false,
        })
    };
    let flagged = Todo { write_mostly: Some(true), ..path(ManageOp::Add, 1) };
    let decision = decide(&flagged, &world, &subject, &context()).unwrap();
    let ways: Vec<(bool, bool)> =
        decision.ways.iter().map(|way| (way.said.clone().unwrap().starts_with("re-"), zeroed(way))).collect();
    assert_eq!(
        ways,
        [(true, false), (false, true)],
        "a former member keeps its data, whatever it looks like"
    );
}

#[test]
fn new_metadata_inherits_nothing_of_another_members_own() {
    let world = array(Level::Raid1, "UU");
    let decision = decide(&path(ManageOp::Add, 5), &world, &disk(5, None), &context()).unwrap();
    let writes = decision.ways[0].plan.steps.iter().find_map(|step| match step {
        Step::Disk(DiskStep::Write { writes, .. }) => Some(writes.clone()),
        _ => None,
    });
    let mut image = vec![0; 1 << 24];
    for write in writes.unwrap() {
        let at = usize::try_from(write.at.0).unwrap();
        image[at..at + write.data.len()].copy_from_slice(&write.data);
    }
    let sb = v1::read(&image, v1::Minor::V1_2).unwrap().unwrap().verify().unwrap();
    assert_eq!((sb.dev_number(), sb.role(), sb.events()), (2, Role::Spare, Events(0)));
    assert_eq!((sb.set_uuid(), sb.device_uuid()), (UUID, MdUuid([1; 16])));
    assert!(!sb.feature_map().contains(v1::FeatureMap::BAD_BLOCKS));
    assert_eq!(sb.data_size(), Sectors(SIZE.0 - 2048));
}

#[test]
fn old_members_are_found_by_any_name() {
    let world = array(Level::Raid5, "UFU");
    let named = |word: &str, minor: Option<u32>| {
        let subject = ManageSubject { dev: minor.map(dev), ..ManageSubject::default() };
        replace::old(word, &world, &subject, "/dev/md0").map_err(|refusal| refusal.text)
    };
    let serving = Ok(OldMember::Serving { dev: dev(2), slot: 2 });
    let failed = Ok(OldMember::Failed { dev: Some(dev(1)), link: "ram1".into() });
    assert_eq!(named("/dev/ram2", Some(2)), serving);
    assert_eq!(named("ram2", None), serving);
    assert_eq!(named("2", None), serving);
    assert_eq!(named("/dev/ram1", Some(1)), failed);
    assert_eq!(named("missing", None), failed);
    assert_eq!(named("1", None), Ok(OldMember::Missing));
    assert_eq!(named("7", None), Err("/dev/md0 has slots 0 to 2".into()));
    assert_eq!(named("/dev/ram9", Some(9)), Err("/dev/ram9 is no member of /dev/md0".into()));
}

#[test]
fn replacing_is_taken_back_at_every_step() {
    for (slots, old) in [
        ("UUU", OldMember::Serving { dev: dev(1), slot: 1 }),
        ("U_U", OldMember::Missing),
        ("UFU", OldMember::Failed { dev: Some(dev(1)), link: "ram1".into() }),
    ] {
        let world = array(Level::Raid5, slots);
        let words = ("/dev/ram1", "/dev/ram5");
        let made = replace::plan(words, old, &world, &disk(5, None), &context()).unwrap();
        let plan = replace::thawed(made.plan, &context());
        assert!(
            plan.steps.iter().any(|step| matches!(step, Step::Md(MdStep::Thaw { .. }))),
            "it goes on afterwards"
        );
        every_failure_leaves_no_trace_on(&plan, &["/dev/ram0", "/dev/ram1"]);
    }
}

#[test]
fn the_end_of_a_replacement_is_read_off_the_array() {
    let serving = OldMember::Serving { dev: dev(1), slot: 1 };
    let mut world = array(Level::Raid5, "UUU");
    let seat = |states: &[&str], slot| Link {
        name: "ram5".into(),
        dev: Some(dev(5)),
        slot,
        states: states.iter().map(|&word| word.into()).collect(),
        ..Link::default()
    };
    assert_eq!(replace::standing(&world, dev(5), &serving), Standing::Unlisted);
    world.links.push(seat(&["spare", "replacement"], Some(1)));
    assert_eq!(replace::standing(&world, dev(5), &serving), Standing::Idle);
    world.sync_action = Some("recover".into());
    assert_eq!(replace::standing(&world, dev(5), &serving), Standing::Going);
    world.links[3] = seat(&["in_sync"], Some(1));
    assert_eq!(replace::standing(&world, dev(5), &serving), Standing::Going, "the old one is still there");
    world.links[1].states = vec!["faulty".into()];
    assert_eq!(replace::standing(&world, dev(5), &serving), Standing::Done { slot: 1 });
    assert!(replace::take_out("ram1", &world, &serving, &context()).is_some());
    world.links[3] = seat(&["faulty", "blocked"], Some(1));
    assert_eq!(
        replace::standing(&world, dev(5), &serving),
        Standing::Unlisted,
        "its bad blocks are written down first"
    );
    world.links[3] = seat(&["faulty"], None);
    assert_eq!(replace::standing(&world, dev(5), &OldMember::Missing), Standing::Lost);
    assert_eq!(replace::take_out("missing", &world, &OldMember::Missing, &context()), None);
}
