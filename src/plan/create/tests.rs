//! Plans against worlds made by hand.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use superblock::{Bytes, Level, MdUuid, Write, probe, v1};

use super::*;
use crate::{
    model::{Candidate, DevId, Unusable, samples, world::Timestamp},
    plan::{DiskStep, Say, Step, run::tests::every_failure_leaves_no_trace},
    request::{MemberSource, MemberWord, SizeOrMax},
};

const MIB: u64 = 1 << 20;

pub(crate) fn device(path: &str, size: u64) -> Candidate {
    let minor = u32::from(path.bytes().last().unwrap_or(0));
    let found = samples::device(path, DevId { major: 8, minor }, Bytes(size));
    Candidate { path: path.to_owned(), found: Ok(found) }
}

pub(crate) fn world(devices: Vec<Candidate>) -> World {
    World {
        now: Timestamp { seconds: 1_700_000_000, micros: 0 },
        fresh: (1..20).map(|n| MdUuid([n; 16])).collect(),
        devices,
        ..World::default()
    }
}

pub(crate) fn context() -> CreateContext {
    CreateContext {
        array: ArrayName { kernel: "md0".into(), path: "/dev/md0".into() },
        id: Some(DevId { major: 9, minor: 0 }),
        name: "0".into(),
        homehost: Some("alpha".into()),
        verbose: 0,
        bad_block_log: true,
        zone: TimeZone::UTC,
        default_metadata: None,
        overwrite: false,
    }
}

fn member(path: &str) -> MemberWord {
    let source = match path {
        "missing" => MemberSource::Missing,
        path => MemberSource::Path(PathBuf::from(path)),
    };
    MemberWord { source, write_mostly: false, failfast: false, data_offset: None }
}

pub(crate) fn request(level: Level, paths: &[&str]) -> CreateRequest {
    CreateRequest {
        device: "/dev/md0".into(),
        level: Some(level),
        raid_devices: u32::try_from(paths.len()).ok(),
        spares: 0,
        layout: None,
        chunk: None,
        size: None,
        data_offset: None,
        metadata: Some(Metadata::V1(Some(2))),
        bitmap: None,
        bitmap_chunk: None,
        write_behind: None,
        delay: None,
        members: paths.iter().map(|path| member(path)).collect(),
        consistency_policy: None,
        assume_clean: false,
        write_zeroes: false,
        uuid: None,
        destroy: None,
        name: None,
        run: false,
        force: false,
        readonly: false,
        logical_block_size: None,
        nodes: None,
        home_cluster: None,
    }
}

fn three() -> World {
    world(["/dev/a", "/dev/b", "/dev/c"].map(|path| device(path, 64 * MIB)).into())
}

#[test]
fn golden_plan_of_a_raid5() {
    let plan = plan(&request(Level::Raid5, &["/dev/a", "/dev/b", "/dev/c"]), &context(), &three()).unwrap();
    let lines: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
    let expected = "open /dev/a exclusively
open /dev/b exclusively
open /dev/c exclusively
lock the map file
check that md0 is still free
mark md0 as being created
write superblock 1.2 at 8 sectors (slot 0) to /dev/a
write superblock 1.2 at 8 sectors (slot 1) to /dev/b
write superblock 1.2 at 8 sectors (spare) to /dev/c
new array md0
set md0 to metadata 1.2
add /dev/a to md0 as slot 0
add /dev/b to md0 as slot 1
add /dev/c to md0 as slot 3
map md0 -> /dev/md0
run md0
commit
make md0 writable
unlock the map file
mark md0 as created
send a change event for md0
make /dev/md0 appear";
    assert_eq!(lines.join("\n"), expected);
    assert_eq!(plan.warnings, []);
}

#[test]
fn no_failure_leaves_a_trace() {
    let all = ["/dev/a", "/dev/b", "/dev/c"];
    let mut bitmap = request(Level::Raid1, &all[..2]);
    bitmap.bitmap = Some(BitmapKind::Internal);
    let mut ppl = request(Level::Raid5, &all);
    ppl.consistency_policy = Some(ConsistencyPolicy::Ppl);
    let mut zeroed = request(Level::Raid6, &["/dev/a", "/dev/b", "/dev/c", "missing"]);
    zeroed.write_zeroes = true;
    let mut old = request(Level::Raid0, &all);
    old.metadata = Some(Metadata::V0);
    let mut readonly = request(Level::Raid10, &all);
    readonly.readonly = true;
    let mut lockless = request(Level::Raid1, &all[..2]);
    lockless.bitmap = Some(BitmapKind::Lockless);
    lockless.logical_block_size = Some(4096);
    for request in [bitmap, ppl, zeroed, old, readonly, lockless] {
        let plan = plan(&request, &context(), &three()).unwrap();
        assert!(every_failure_leaves_no_trace(&plan) >= 12, "{plan}");
    }
}

#[test]
fn what_is_written_reads_back_as_this_array() {
    let plan = plan(&request(Level::Raid1, &["/dev/a", "/dev/b"]), &context(), &three()).unwrap();
    let mut disk = vec![0u8; usize::try_from(64 * MIB).unwrap()];
    for step in &plan.steps {
        let Step::Disk(DiskStep::Write { device, writes, .. }) = step else { continue };
        if device == "/dev/b" {
            for Write { at, data } in writes {
                let at = usize::try_from(at.0).unwrap();
                disk[at..at + data.len()].copy_from_slice(data);
            }
        }
    }
    let read = v1::read(&disk, v1::Minor::V1_2).unwrap().unwrap().verify().unwrap();
    let membership = read.membership();
    assert_eq!(membership.name.as_deref(), Some(&b"alpha:0"[..]));
    assert_eq!(membership.role, superblock::Role::Slot { slot: 1, replacement: false });
    assert_eq!(membership.array, MdUuid([1; 16]));
    // Made again over itself: the question, and no zeroes over what is overwritten anyway.
    let mut again = three();
    let Ok(found) = &mut again.devices[1].found else { panic!("a device") };
    found.probe = probe::probe(&disk);
    let plan = super::plan(&request(Level::Raid1, &["/dev/a", "/dev/b"]), &context(), &again).unwrap();
    assert!(plan.needs_consent());
    assert_eq!(
        plan.warnings[0].text,
        "/dev/b appears to be part of a raid array:\n       level=raid1 devices=2 ctime=Tue Nov 14 22:13:20 2023"
    );
    assert!(!plan.to_string().contains("zeroes over older metadata"));
    let mut at_end = request(Level::Raid1, &["/dev/a", "/dev/b"]);
    at_end.metadata = Some(Metadata::V1(Some(0)));
    let plan = super::plan(&at_end, &context(), &again).unwrap();
    assert!(plan.to_string().contains("write zeroes over older metadata to /dev/b"), "{plan}");
    assert!(every_failure_leaves_no_trace(&plan) > 10);
}

#[test]
fn refusals_in_the_original_s_words() {
    let pair = || request(Level::Raid1, &["/dev/a", "/dev/b"]);
    let with = |edit: &dyn Fn(&mut CreateRequest)| {
        let mut request = pair();
        edit(&mut request);
        request
    };
    let cases = [
        (with(&|r| r.level = None), 1, "a RAID level is needed to create an array."),
        (with(&|r| r.raid_devices = None), 1, "no raid-devices specified."),
        (
            with(&|r| r.raid_devices = Some(3)),
            1,
            "You haven't given enough devices (real or missing) to create this array",
        ),
        (
            with(&|r| r.raid_devices = Some(1)),
            1,
            "You have listed more devices (2) than are in the array(1)!",
        ),
        (with(&|r| r.level = Some(Level::Raid6)), 1, "at least 4 raid-devices needed for level 6"),
        (
            with(&|r| r.chunk = Some(superblock::Sectors(128))),
            1,
            "specifying chunk size is forbidden for this level",
        ),
        (with(&|r| r.size = Some(SizeOrMax::Size(superblock::Sectors(1 << 20)))), 1, "create aborted"),
        (with(&|r| r.members[1] = member("/dev/nosuch")), 2, "cannot open /dev/nosuch: it was not looked at"),
        (with(&|r| r.members[1] = member("/dev/a")), 1, "create aborted"),
        (request(Level::Raid1, &["missing", "missing"]), 1, "Subdevs can't be all missing"),
        (
            CreateRequest {
                metadata: Some(Metadata::V0),
                layout: Some(1),
                ..request(Level::Raid0, &["/dev/a", "/dev/b"])
            },
            1,
            "0.90 metadata does not support layouts for RAID0",
        ),
        (request(Level::Raid0, &["/dev/a", "missing"]), 1, "This level does not support missing devices"),
    ];
    for (request, status, text) in cases {
        let refusal = plan(&request, &context(), &three()).unwrap_err();
        assert_eq!((refusal.status, refusal.text.as_str()), (status, text));
    }
}

#[test]
fn what_the_kernel_or_a_cluster_would_refuse_is_refused_before_anything_is_written() {
    let all = ["/dev/a", "/dev/b", "/dev/c"];
    for (level, kib) in [(Level::Raid4, 12), (Level::Raid5, 13), (Level::Raid6, 96), (Level::Raid10, 5)] {
        let mut odd = request(level, &[&all[..], &["missing"]].concat());
        odd.chunk = Some(superblock::Sectors(kib * 2));
        let refusal = plan(&odd, &context(), &three()).unwrap_err();
        let name = level.name().unwrap();
        let text = format!("invalid chunk size {kib}K: level {name} needs a power of two, 4K or more");
        assert_eq!((refusal.status, refusal.text), (1, text));
    }
    let striped = CreateRequest { chunk: Some(superblock::Sectors(24)), ..request(Level::Raid0, &all) };
    assert!(plan(&striped, &context(), &three()).is_ok(), "only RAID0 has chunks of any size");
    let mut clustered = request(Level::Raid1, &all[..2]);
    clustered.bitmap = Some(BitmapKind::Clustered);
    clustered.members[1].write_mostly = true;
    let refusal = plan(&clustered, &context(), &three()).unwrap_err();
    assert_eq!(refusal.text, "Can not set /dev/b --write-mostly with a clustered bitmap");
}

#[test]
fn raid0_of_0_90_over_unequal_members_is_made_for_those_who_know_what_it_means() {
    let unequal = world(vec![device("/dev/a", 64 * MIB), device("/dev/b", 96 * MIB)]);
    let equal = world(vec![device("/dev/a", 64 * MIB), device("/dev/b", 64 * MIB + 4096)]);
    let old = |layout| CreateRequest {
        metadata: Some(Metadata::V0),
        layout,
        ..request(Level::Raid0, &["/dev/a", "/dev/b"])
    };
    let refusal = plan(&old(None), &context(), &unequal).unwrap_err();
    let words = "Need explicit layout=dangerous to create 0.90 raid0 on non-uniform sized devices";
    assert_eq!((refusal.status, refusal.text.as_str()), (1, words));
    assert!(refusal.hint.unwrap_or_default().starts_with("/dev/a and /dev/b differ in size"));
    assert!(plan(&old(Some(0)), &context(), &unequal).is_ok());
    assert!(plan(&old(None), &context(), &equal).is_ok());
    let new = CreateRequest { metadata: None, ..old(None) };
    assert!(plan(&new, &context(), &unequal).is_ok(), "1.x records it");
}

#[test]
fn who_uses_a_device_without_claiming_it_is_asked_about() {
    let mut used = three();
    let Ok(found) = &mut used.devices[1].found else { panic!("a device") };
    found.holders = vec!["loop device loop3 (the file system mounted at /mnt)".into()];
    let pair = request(Level::Raid1, &["/dev/a", "/dev/b"]);
    let plan = plan(&pair, &context(), &used).unwrap();
    assert!(plan.needs_consent());
    let said: Vec<&str> = plan.warnings.iter().map(|warning| warning.text.as_str()).collect();
    let expected = "/dev/b is in use by loop device loop3 (the file system mounted at /mnt)";
    assert!(said.contains(&expected), "{said:?}");
    let mut unsearched = three();
    let Ok(found) = &mut unsearched.devices[1].found else { panic!("a device") };
    found.unsearched = true;
    assert!(super::plan(&pair, &context(), &unsearched).unwrap().needs_consent(), "there may be one");
}

#[test]
fn unusable_devices_are_named_with_the_reason() {
    let mut busy = three();
    let Ok(found) = &mut busy.devices[1].found else { panic!("a device") };
    found.busy = true;
    found.holders = vec!["array md7".into()];
    let pair = request(Level::Raid1, &["/dev/a", "/dev/b"]);
    let refusal = plan(&pair, &context(), &busy).unwrap_err();
    let said: Vec<&str> = refusal.said.iter().map(|w| w.text.as_str()).collect();
    assert_eq!(
        said,
        [
            "super1.x cannot open /dev/b: Device or resource busy",
            "/dev/b is held by array md7",
            "/dev/b is not suitable for this array."
        ]
    );
    assert!(refusal.said.iter().all(|w| w.kind == Say::Note));
    let Ok(found) = &mut busy.devices[0].found else { panic!("a device") };
    found.busy = true;
    let first = plan(&pair, &context(), &busy).unwrap_err();
    assert_eq!((first.status, first.text.as_str()), (1, "create aborted"));
    let unnamed = CreateRequest { metadata: None, ..pair.clone() };
    let first = plan(&unnamed, &context(), &busy).unwrap_err();
    assert_eq!((first.status, first.text.as_str()), (2, "cannot open /dev/a: Device or resource busy"));
    let mut gone = three();
    gone.devices[1].found = Err(Unusable::Open("No such file or directory".into()));
    let refusal = plan(&pair, &context(), &gone).unwrap_err();
    assert_eq!((refusal.status, refusal.text.as_str()), (2, "cannot open /dev/b: No such file or directory"));
}

/// A device with the anchor of firmware RAID in its last sectors.
fn firmware(
    kind: superblock::foreign::Kind,
    magic: &[u8],
    from_end: u64,
) -> (Candidate, superblock::foreign::Foreign) {
    let mut image = vec![0; usize::try_from(64 * MIB).unwrap()];
    let at = image.len() - usize::try_from(from_end).unwrap();
    image[at..at + magic.len()].copy_from_slice(magic);
    let found = superblock::foreign::scan(&image).unwrap().remove(0);
    assert_eq!(found.kind, kind);
    let mut candidate = device("/dev/a", 64 * MIB);
    let Ok(seen) = &mut candidate.found else { panic!("a device") };
    seen.foreign = vec![found.clone()];
    (candidate, found)
}

#[test]
fn the_anchors_of_firmware_raid_do_not_survive() {
    use superblock::foreign::Kind;
    const DDF: &[u8] = &[0xde, 0x11, 0xde, 0x11];
    const IMSM: &[u8] = b"Intel Raid ISM Cfg Sig. ";
    let cases = [
        (Kind::Ddf, DDF, 512, 512),
        (Kind::Ddf, DDF, 4096, 4096),
        (Kind::Imsm, IMSM, 1024, 512),
        (Kind::Imsm, IMSM, 8192, 4096),
    ];
    for (kind, magic, from_end, length) in cases {
        let (old, found) = firmware(kind, magic, from_end);
        let plan = plan(
            &request(Level::Raid1, &["/dev/a", "/dev/b"]),
            &context(),
            &world(vec![old, device("/dev/b", 64 * MIB)]),
        )
        .unwrap();
        let zeroes = Write { at: found.at, data: vec![0; length] };
        let all: Vec<&Write> = plan
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Disk(DiskStep::Write { device, writes, .. }) if device == "/dev/a" => Some(writes),
                _ => None,
            })
            .flatten()
            .collect();
        assert_eq!(all.first(), Some(&&zeroes), "before anything new: {plan}");
        assert!(every_failure_leaves_no_trace(&plan) > 10);
    }
}

#[test]
fn what_does_not_fit_before_the_data_is_refused_before_anything_is_touched() {
    let sectors = superblock::Sectors;
    let small = |bytes: u64, bitmap| CreateRequest {
        data_offset: Some(crate::request::DataOffset::Fixed(sectors(bytes / 512))),
        bitmap: Some(bitmap),
        ..request(Level::Raid1, &["/dev/a", "/dev/b"])
    };
    for (offset, bitmap, fits) in [
        (8 << 10, BitmapKind::Internal, false),
        // The bad-block log would be where the bitmap is.
        (12 << 10, BitmapKind::Internal, false),
        (16 << 10, BitmapKind::Internal, true),
        (16 << 10, BitmapKind::None, true),
        (128 << 10, BitmapKind::Lockless, false),
        (136 << 10, BitmapKind::Lockless, true),
    ] {
        let decided = plan(&small(offset, bitmap), &context(), &three());
        assert_eq!(decided.is_ok(), fits, "{offset} {bitmap:?}: {decided:?}");
        if let Err(refusal) = decided {
            assert!(refusal.text.starts_with("/dev/a: the metadata does not fit: "), "{refusal:?}");
            assert!(refusal.hint.unwrap().contains("--data-offset"));
        }
    }
    // A bitmap of several blocks that begins before the data and would end in it.
    let large = || world(["/dev/a", "/dev/b"].map(|path| device(path, 20 << 30)).into());
    for (kib, fits) in [(32, false), (52, false), (56, true)] {
        let fine =
            CreateRequest { bitmap_chunk: Some(Bytes(64 << 10)), ..small(kib << 10, BitmapKind::Internal) };
        assert_eq!(plan(&fine, &context(), &large()).is_ok(), fits, "{kib}");
    }
}

#[test]
fn clusters_are_what_the_kernel_and_the_room_allow() {
    let refused = |edit: &dyn Fn(&mut CreateRequest)| {
        let mut request = request(Level::Raid1, &["/dev/a", "/dev/b"]);
        request.bitmap = Some(BitmapKind::Clustered);
        edit(&mut request);
        plan(&request, &context(), &three()).err().map(|refusal| refusal.text)
    };
    let said = |text: &str| Some(text.to_owned());
    assert_eq!(refused(&|_| ()), None);
    assert_eq!(refused(&|r| r.nodes = Some(254)), None);
    assert_eq!(refused(&|r| r.nodes = Some(255)), said("The max num of nodes can't exceed 254"));
    let alone = "--nodes argument only compatible with --bitmap=clustered";
    for other in [None, Some(BitmapKind::Internal), Some(BitmapKind::None)] {
        assert_eq!(refused(&|r| (r.bitmap, r.nodes) = (other, Some(2))), said(alone));
    }
    assert_eq!(
        refused(&|r| r.level = Some(Level::Raid5)),
        said("--bitmap=clustered is currently supported with raid mirror only")
    );
    let layout = |layout| refused(&|r| (r.level, r.layout) = (Some(Level::Raid10), layout));
    assert_eq!((layout(None), layout(Some(0x102))), (None, None));
    let near = said("only \"near\" layout is supported with clustered raid10");
    assert_eq!((layout(Some(0x201)), layout(Some(0x1_0201))), (near.clone(), near));
    for old in [Metadata::V0, Metadata::V1(Some(0)), Metadata::V1(Some(1))] {
        assert_eq!(refused(&|r| r.metadata = Some(old)), said("cluster md only works with superblock 1.2"));
        assert_eq!(
            refused(&|r| (r.metadata, r.bitmap) = (Some(old), Some(BitmapKind::Lockless))),
            said("lockless bitmap is only supported with creating the array with 1.2 metadata")
        );
    }
}

#[test]
fn write_behind_without_a_bitmap_is_refused_where_it_would_matter() {
    // What has no redundancy is taken as the original takes it: nothing is written late there.
    for (level, refused) in [(Level::Raid0, false), (Level::Linear, false), (Level::Raid1, true)] {
        let late = CreateRequest { write_behind: Some(256), ..request(level, &["/dev/a", "/dev/b"]) };
        let planned = plan(&late, &context(), &three());
        let said = planned.err().map(|refusal| refusal.text);
        assert_eq!(said, refused.then(|| "write-behind mode requires a bitmap.".to_owned()), "{level:?}");
    }
}

#[test]
fn a_partition_table_is_asked_about_also_where_the_member_is_not() {
    let old = CreateRequest { uuid: Some(MdUuid([7; 16])), ..request(Level::Raid1, &["/dev/a", "/dev/b"]) };
    let made = plan(&old, &context(), &three()).unwrap();
    let mut disk = vec![0u8; usize::try_from(64 * MIB).unwrap()];
    for step in &made.steps {
        let Step::Disk(DiskStep::Write { device, writes, .. }) = step else { continue };
        for Write { at, data } in writes.iter().filter(|_| device == "/dev/a") {
            let at = usize::try_from(at.0).unwrap();
            disk[at..at + data.len()].copy_from_slice(data);
        }
    }
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk[450] = 0x83;
    disk[454..462].copy_from_slice(&[0, 8, 0, 0, 0, 16, 0, 0]);
    let mut both = three();
    let Ok(seen) = &mut both.devices[0].found else { panic!("a device") };
    seen.probe = probe::probe(&disk);
    seen.foreign = superblock::foreign::scan(&disk).unwrap();
    let asks = |request: &CreateRequest, context: &CreateContext| {
        let plan = plan(request, context, &both).unwrap();
        let asked = plan.warnings.iter().filter(|warning| warning.kind == Say::Ask);
        asked.map(|warning| warning.text.clone()).collect::<Vec<_>>()
    };
    let pair = request(Level::Raid1, &["/dev/a", "/dev/b"]);
    let plain = asks(&pair, &context());
    assert!(
        plain.len() == 1 && plain[0].starts_with("/dev/a appears to be part of a raid array"),
        "{plain:?}"
    );
    let forced = CreateContext { overwrite: true, ..context() };
    let named = CreateRequest { destroy: Some(MdUuid([7; 16])), ..pair.clone() };
    for asked in [asks(&pair, &forced), asks(&named, &context())] {
        assert_eq!(asked.first().map(String::as_str), Some("partition table exists on /dev/a"), "{asked:?}");
    }
}
