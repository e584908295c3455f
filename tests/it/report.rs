//! The reports' texts on fixtures, kept as they were when they were compared with the original's on a real kernel.
//!
//! `GOLDEN=write cargo test --test it report` writes the texts anew; look at the difference before it is kept.
#![expect(clippy::disallowed_methods, reason = "a test reads and writes its texts")]

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

use jiff::tz::TimeZone;
use mdctl::{
    model::{
        DevId,
        detail::{
            ArrayDetail, Attached, Counts, KernelFlags, MapKnown, MemberFlags, MemberSuperblock,
            MetadataVersion, Sync, SyncStage, TableMember,
        },
    },
    report::{
        detail::{Detail, Form},
        examine::{self, Examined, Superblock, V0, V1},
    },
    words::SyncKind,
};
use superblock::{Bytes, Kib, Level, MdUuid, Media as _, Native, probe, sectors::SectorMap};

fn directory(below: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(below)
}

/// Compares a text with the one that is kept, or writes it.
fn golden(name: &str, text: &str) {
    let path = directory("tests/fixtures/reports").join(name);
    if std::env::var("GOLDEN").is_ok_and(|word| word == "write") {
        fs::write(&path, text).expect("the text can be written");
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    for (number, (kept, now)) in kept.lines().zip(text.lines()).enumerate() {
        assert_eq!(kept, now, "{name}, line {}", number + 1);
    }
    assert_eq!(kept.lines().count(), text.lines().count(), "{name}");
}

/// The first device of a fixture.
fn fixture(name: &str) -> SectorMap {
    let path = directory("superblock/tests/fixtures").join(format!("{name}.sectors"));
    let text = fs::read_to_string(&path).expect("the fixture is there");
    let first = text.split("device ").nth(1).expect("the fixture has a device");
    first.split_once('\n').expect("its number, then its sectors").1.parse().expect("sectors")
}

/// The superblock of a fixture that a report shows.
fn member(map: &SectorMap) -> MemberSuperblock {
    let found = probe::probe(map).found;
    let found =
        found.into_iter().reduce(|best, next| if next.created() > best.created() { next } else { best });
    let found = found.expect("the fixture has a superblock");
    MemberSuperblock { native: found.superblock.despite_checksum(), bitmap: found.bitmap.map(Box::new) }
}

const EXAMINED: &[&str] = &[
    "raid5-1.2",
    "raid1b-1.1",
    "raid10b-1.0",
    "raid5ppl-1.2",
    "journal-1.2",
    "lockless-1.2",
    "ran-badblock",
    "ran-failed",
    "faulty-1.2",
    "linear-1.2",
    "raid5-0.90",
    "ran-raid1-0.90",
];

#[test]
fn examine_says_what_it_said() {
    for name in EXAMINED {
        let map = fixture(name);
        let names = BTreeMap::from([(DevId { major: 7, minor: 0 }, "/dev/loop0".to_owned())]);
        let MemberSuperblock { native, bitmap } = member(&map);
        let superblock = match native {
            Native::V0(sb) => Superblock::V0(Box::new(V0::of(&sb, &names, Some("here")))),
            Native::V1(sb) => {
                Superblock::V1(Box::new(V1::of(&sb, bitmap.as_deref(), map.len().sectors(), Some("here"))))
            }
        };
        let examined = Examined { device: "/dev/loop0".to_owned(), size_bytes: map.len().0, superblock };
        let mut text = String::new();
        let _ = writeln!(text, "$ mdadm --examine\n{}", examined.text(&TimeZone::UTC));
        let _ = writeln!(text, "$ mdadm --examine --export\n{}", examined.export());
        let json = serde_json::to_string(&examined).expect("a report is JSON");
        let examined = [examined];
        let _ = writeln!(text, "$ mdadm --examine --brief\n{}", examine::brief(&examined, false));
        let _ = writeln!(text, "$ mdadm --examine --brief --verbose\n{}", examine::brief(&examined, true));
        let _ = writeln!(text, "$ mdadm --examine --json\n{json}");
        golden(&format!("examine-{name}.txt"), &text);
    }
}

fn slot(number: i32, state: MemberFlags) -> TableMember {
    let minor = u32::try_from(number).expect("a number of a device") * 16;
    let path = format!("/dev/sd{}", char::from(b'a' + u8::try_from(number).expect("few devices")));
    TableMember {
        number,
        dev: DevId { major: 8, minor },
        raid_disk: number,
        state,
        path: Some(path),
        alive: true,
    }
}

const IN_SYNC: MemberFlags = MemberFlags {
    faulty: false,
    active: true,
    sync: true,
    removed: false,
    write_mostly: false,
    failfast: false,
    journal: false,
    other: false,
};

/// A RAID5 of three that runs well.
fn raid5() -> ArrayDetail {
    let members: Vec<TableMember> = (0..3).map(|number| slot(number, IN_SYNC)).collect();
    let attached = members.iter().map(|member| Attached {
        sys_name: format!("dev-{}", member.path.as_deref().unwrap_or_default().trim_start_matches("/dev/")),
        dev: member.dev,
        slot: u32::try_from(member.raid_disk).ok(),
        path: member.path.clone(),
    });
    ArrayDetail {
        device: "/dev/md127".to_owned(),
        kernel_name: "md127".to_owned(),
        size: Bytes((2 * 1023) << 30),
        metadata: MetadataVersion::Native(1, 2),
        array_state: Some("clean".into()),
        level: Level::Raid5,
        layout: 2,
        chunk: Bytes(512 << 10),
        component_size: Some(Kib(1023 << 20)),
        counts: Counts { raid_disks: 3, total: 3, active: 3, working: 3, failed: 0, spare: 0 },
        created: 1_700_000_000,
        updated: 1_700_086_400,
        not_persistent: false,
        minor: 127,
        flags: KernelFlags { clean: true, bitmap: true, clustered: false },
        bitmap_file: None,
        consistency_policy: Some("bitmap".into()),
        sync: None,
        attached: attached.collect(),
        members,
        superblock: Some(member(&fixture("raid5-1.2"))),
        map: Some(MapKnown { uuid: MdUuid([0x11; 16]), path: "/dev/md/home".to_owned() }),
        container: None,
        member_arrays: vec![],
    }
}

/// Arrays in the states that a report tells apart.
fn arrays() -> Vec<(&'static str, ArrayDetail)> {
    let mut rebuilding = raid5();
    // The kernel has no bit for a member that is being filled.
    rebuilding.members[2].state = MemberFlags::default();
    rebuilding.counts = Counts { raid_disks: 3, total: 3, active: 2, working: 3, failed: 0, spare: 1 };
    rebuilding.sync = Some(Sync { kind: SyncKind::Recovery, stage: SyncStage::Percent(42) });
    rebuilding.array_state = Some("active".into());
    rebuilding.flags.clean = false;

    let mut failed = raid5();
    failed.members[1].state = MemberFlags { faulty: true, ..MemberFlags::default() };
    failed.members[1].raid_disk = -1;
    failed.members[2].state.write_mostly = true;
    failed.members[2].path = None;
    failed.counts = Counts { raid_disks: 3, total: 3, active: 2, working: 2, failed: 1, spare: 0 };

    let mut old = raid5();
    old.metadata = MetadataVersion::Native(0, 90);
    old.level = Level::Raid1;
    old.layout = 0;
    old.chunk = Bytes(0);
    old.counts = Counts { raid_disks: 2, total: 2, active: 2, working: 2, failed: 0, spare: 0 };
    old.members.truncate(2);
    old.attached.truncate(2);
    old.sync = Some(Sync { kind: SyncKind::Resync, stage: SyncStage::Pending });
    old.consistency_policy = Some("resync".into());
    old.flags.bitmap = false;
    old.superblock = Some(member(&fixture("ran-raid1-0.90")));

    let mut inactive = raid5();
    inactive.size = Bytes(0);
    inactive.array_state = Some("inactive".into());
    inactive.level = Level::Raid0;
    inactive.counts = Counts { raid_disks: 0, total: 3, active: 0, working: 3, failed: 0, spare: 3 };
    for member in &mut inactive.members {
        (member.number, member.raid_disk, member.state) = (-1, -1, MemberFlags::default());
    }

    let mut built = raid5();
    built.metadata = MetadataVersion::None;
    built.not_persistent = true;
    built.level = Level::Raid0;
    built.layout = 1;
    built.consistency_policy = Some("none".into());
    (built.superblock, built.map, built.updated, built.flags.bitmap) = (None, None, 0, false);
    vec![
        ("clean", raid5()),
        ("rebuilding", rebuilding),
        ("failed", failed),
        ("raid1-0.90", old),
        ("inactive", inactive),
        ("built", built),
    ]
}

#[test]
fn detail_says_what_it_said() {
    for (name, array) in arrays() {
        let detail = Detail::of(&array, Some("here"));
        let (plain, verbose) = (Form::default(), Form { verbose: true, ..Form::default() });
        let mut text = String::new();
        let _ = writeln!(text, "$ mdadm --detail\n{}", detail.text(&TimeZone::UTC, plain));
        let _ = writeln!(text, "$ mdadm --detail --export\n{}", detail.export(plain));
        let _ = writeln!(text, "$ mdadm --detail --brief\n{}", detail.brief(plain));
        let _ = writeln!(text, "$ mdadm --detail --brief --verbose\n{}", detail.brief(verbose));
        let json = serde_json::to_string(&detail).expect("a report is JSON");
        let _ = writeln!(text, "$ mdadm --detail --test --json (status {})\n{json}", detail.test_status());
        golden(&format!("detail-{name}.txt"), &text);
    }
}
