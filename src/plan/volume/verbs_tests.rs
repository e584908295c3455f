//! Every verb's plan on the fake machine: each of its steps fails in turn, and everything is as before.

use std::collections::BTreeMap;

use superblock::{
    Bytes, Sectors,
    foreign::Kind,
    lvm::{Area, Extent, Group, Label, LvmUuid, PhysicalVolume, Stamp},
};

use super::{
    create, deactivate, devices,
    edit::{self, Means},
    group::{self, New},
    metadata::LvmStep,
    mover, reduce, remove, rename,
    resize::{self, Inside},
    shift::GroupScene,
    snapshot,
};
use crate::{
    model::{
        Below, Candidate, DevId,
        active::{Active, ActiveDevice},
        dm::{DeviceInfo, Table},
        extents::OldContent,
        samples,
        volume::{AreaSeen, FoundGroup, Groups, PvDevice},
    },
    plan::{
        DiskStep, Plan, Step,
        dm::DmStep,
        run::tests::{every_failure_leaves_no_trace, every_failure_leaves_no_trace_after},
    },
    request::volume::{
        Amount, CreateGroup, CreateVolumes, NewSnapshot, NewVolume, ResizeRequest, Sign, SizeChange,
        VolumeName, Wipe,
    },
};

pub(super) fn id(n: u8) -> LvmUuid {
    LvmUuid::from_random([n; 32])
}

pub(super) fn stamp() -> Stamp {
    Stamp::default()
}

fn device(n: u8) -> PvDevice {
    let place = Extent { start: Bytes(4096), size: Bytes((1 << 20) - 4096) };
    let mut area = Area::new(place);
    area.committed = None;
    PvDevice {
        path: format!("/dev/md{n}"),
        dev: DevId { major: 9, minor: n.into() },
        size: Bytes(100 << 20),
        logical_block: 512,
        read_only: false,
        label: Label::new(id(n), Bytes(100 << 20), place, Bytes(1 << 20)),
        areas: vec![AreaSeen { area, holds: None }],
        damaged: Vec::new(),
        twice: Vec::new(),
        stripe: Sectors(0),
        device_id: None,
    }
}

/// A group on two devices.
pub(super) fn found() -> FoundGroup {
    let mut group = Group::empty("vg".into());
    group.id = id(99);
    group.seqno = 1;
    let devices = [device(0), device(1)];
    for pv in &devices {
        let made = PhysicalVolume::new(
            pv.label.id,
            pv.path.clone(),
            pv.size.sectors(),
            Sectors(2048),
            Sectors(8192),
        );
        group.add_pv(made.unwrap()).unwrap();
    }
    FoundGroup { group, devices: devices.map(Some).to_vec(), ..FoundGroup::default() }
}

pub(super) fn volume(name: &str) -> VolumeName {
    VolumeName { group: "vg".into(), volume: name.into() }
}

pub(super) fn new(name: &str, extents: u64, stripes: u32) -> NewVolume {
    let size = Amount::Extents(extents);
    NewVolume { name: volume(name), size, stripes, stripe_size: None, on: Vec::new(), read_only: false }
}

pub(super) fn means() -> Means<'static> {
    let fresh = (10..20).map(id).collect::<Vec<_>>().into_iter();
    Means { pv_of: &|_| None, stripes: Vec::new(), fresh, host: "here".into(), now: 1 }
}

/// The same group with two volumes.
pub(super) fn with_volumes() -> FoundGroup {
    let mut found = found();
    let (group, _) = create::edited(&found, &[new("a", 4, 1), new("w", 4, 2)], &mut means()).unwrap();
    found.group = group;
    found
}

pub(super) fn active(found: &FoundGroup) -> (Plan, Active) {
    let plan = devices::activate(found, &Active::default(), &Default::default(), &[], false).unwrap().plan;
    devices_made_by(&plan)
}

pub(super) fn devices_made_by(plan: &Plan) -> (Plan, Active) {
    let mut devices: Vec<ActiveDevice> = Vec::new();
    let mut tables: BTreeMap<&str, Table> = BTreeMap::new();
    for step in &plan.steps {
        match step {
            Step::Dm(DmStep::Create { name, uuid, .. }) => devices.push(ActiveDevice {
                info: DeviceInfo {
                    name: name.clone(),
                    uuid: uuid.clone(),
                    live: true,
                    ..DeviceInfo::default()
                },
                ..ActiveDevice::default()
            }),
            Step::Dm(DmStep::Load { name, table, .. }) => drop(tables.insert(name, table.clone())),
            _ => {}
        }
    }
    for device in &mut devices {
        device.table = tables.get(device.info.name.as_str()).cloned().unwrap_or_default();
    }
    (plan.clone(), Active { devices })
}

pub(super) fn shown(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(ToString::to_string).collect()
}

#[test]
fn creating_volumes() {
    let found = found();
    let volumes = vec![new("a", 4, 1), new("w", 4, 2)];
    let edited = create::edited(&found, &volumes, &mut means()).unwrap();
    let old = OldContent { signatures: vec![("btrfs".into(), Bytes(65600))], dirty: true };
    let old = BTreeMap::from([("a".to_owned(), old.clone()), ("w".to_owned(), old)]);
    let request = CreateVolumes { volumes, from: None, wipe: Wipe::Ask, inactive: false };
    let plan = create::plan(&found, (&edited.0, edited.1), &request, &old, &stamp()).unwrap();
    assert!(
        plan.needs_consent() && plan.warnings[0].text.contains("vg/a: found btrfs"),
        "{:?}",
        plan.warnings
    );
    let text = shown(&plan);
    let at = |what: &str| {
        text.iter().position(|step| step.contains(what)).unwrap_or_else(|| panic!("{what}: {text:#?}"))
    };
    assert!(at("zeroes") < at("make device vg-a"), "udev never sees what was there");
    assert!(at("load into vg-w") < at("make change 2"), "what the kernel refuses is known before the commit");
    assert!(at("make change 2") < at("resume vg-a") && at("resume vg-w") < at("wait for udev"));
    assert_eq!(text.iter().filter(|step| step.contains("wait for udev")).count(), 1);
    assert_eq!(text.last().unwrap(), "unlock the groups");
    every_failure_leaves_no_trace(&plan);
    // Of the striped one, the second stripe is on the other device.
    let writes = plan.steps.iter().filter_map(|step| match step {
        Step::Disk(DiskStep::Write { device, writes, .. }) => Some((device.as_str(), writes.len())),
        _ => None,
    });
    assert_eq!(writes.collect::<Vec<_>>(), [("/dev/md0", 3), ("/dev/md1", 1)]);
}

#[test]
fn activation_and_a_second_one() {
    let found = with_volumes();
    let (plan, there) = active(&found);
    every_failure_leaves_no_trace(&plan);
    assert_eq!(shown(&plan).iter().filter(|step| step.contains("vg-")).count(), 6, "three requests each");
    let again = devices::activate(&found, &there, &Default::default(), &[], false).unwrap();
    assert_eq!(again.plan.steps, Vec::new());
    // One that was left without a table is finished.
    let mut half = there.clone();
    half.devices[0].info.live = false;
    let finished = devices::activate(&found, &half, &Default::default(), &[], false).unwrap().plan;
    assert_eq!(shown(&finished).iter().filter(|step| step.contains("vg-")).count(), 2);
    let gone = deactivate::plan(&found, &there, &[]).unwrap();
    assert_eq!(shown(&gone).iter().filter(|step| step.starts_with("remove device")).count(), 2);
    let mut used = there;
    used.devices[1].holders = vec!["the file system mounted at /srv".into()];
    let refusal = deactivate::plan(&found, &used, &[]).unwrap_err();
    assert_eq!(refusal.text, "vg/w is in use by the file system mounted at /srv");
    assert_eq!(refusal.hint.as_deref(), Some("umount /srv"));
}

#[test]
fn what_is_missing_is_named_and_the_rest_goes() {
    let mut found = with_volumes();
    found.devices[1] = None;
    let some = devices::activate(&found, &Active::default(), &Default::default(), &[], false).unwrap();
    assert_eq!(some.left_out.len(), 1);
    assert!(some.left_out[0].text.starts_with("vg/w needs a device that is missing"), "{:?}", some.left_out);
    assert!(shown(&some.plan).iter().any(|step| step == "make device vg-a"));
    let all =
        devices::activate(&found, &Active::default(), &Default::default(), &["w".into()], true).unwrap();
    let text = shown(&all.plan);
    for step in [
        "load into vg-w-missing_0_1: 0 32768 error",
        "load into vg-w: 0 32768 striped 2 128 9:0 34816 vg-w-missing_0_1 0",
    ] {
        assert!(text.iter().any(|shown| shown == step), "{step}: {text:#?}");
    }
    // The device comes back: the volume goes on on it, and what stood in goes.
    let (_, partly) = devices_made_by(&all.plan);
    let back =
        devices::activate(&with_volumes(), &partly, &Default::default(), &["w".into()], false).unwrap();
    let text = shown(&back.plan).join("\n");
    assert!(
        text.contains("striped 2 128 9:0 34816 9:1 2048") && text.contains("remove device vg-w-missing_0_1"),
        "{text}"
    );
    every_failure_leaves_no_trace_after(&all.plan, &back.plan);
    let gone = deactivate::plan(&found, &partly, &["w".into()]).unwrap();
    assert_eq!(shown(&gone).iter().filter(|step| step.starts_with("remove device")).count(), 2);
    // None of its devices is there, nor is its metadata.
    let gone = deactivate::left("vg", &partly, &[]).unwrap();
    let text = shown(&gone).join("\n");
    assert!(text.find("remove device vg-w\n") < text.find("remove device vg-w-missing_0_1"), "{text}");
}

fn resized(
    found: &FoundGroup,
    there: &Active,
    sign: Sign,
    inside: &Inside,
    fs: bool,
) -> Result<Plan, crate::plan::Refusal> {
    let change = SizeChange { sign: Some(sign), amount: Amount::Extents(2) };
    let request = ResizeRequest { name: volume("a"), change, fs, force: false, on: Vec::new() };
    let mut after = found.group.clone();
    let resized = edit::resize(&mut after, &request, &means()).unwrap();
    resize::plan((found, there), (&after, &resized), &request, inside, &stamp()).map(Option::unwrap)
}

#[test]
fn a_file_system_that_does_not_fill_its_volume_grows() {
    let found = with_volumes();
    let (_, there) = active(&found);
    let whole = found.group.sectors(found.group.volume("a").unwrap().extents()).bytes().0;
    let ext4 = |size| Inside { content: Some((Kind::Ext4, Some(Bytes(size)))), ..Inside::default() };
    let ask = |there: &Active, inside: &Inside, fs| {
        let amount = Amount::Extents(found.group.volume("a").unwrap().extents());
        let change = SizeChange { sign: None, amount };
        let request = ResizeRequest { name: volume("a"), change, fs, force: false, on: Vec::new() };
        let mut after = found.group.clone();
        let resized = edit::resize(&mut after, &request, &means()).unwrap();
        resize::plan((&found, there), (&after, &resized), &request, inside, &stamp())
    };
    let plan = ask(&there, &ext4(whole - 4096), true).unwrap().unwrap();
    let expected = ["commit", "run e2fsck -f -p /dev/mapper/vg-a", "run resize2fs /dev/mapper/vg-a"];
    assert_eq!(shown(&plan), expected);
    assert_eq!(ask(&there, &ext4(whole), true).unwrap(), None);
    assert_eq!(ask(&there, &ext4(whole - 4096), false).unwrap(), None);
    assert!(ask(&Active::default(), &ext4(whole - 4096), true).unwrap_err().text.contains("is not active"));
}

#[test]
fn growing_and_shrinking() {
    let found = with_volumes();
    let (up, there) = active(&found);
    let ext4 = |size| Inside { content: Some((Kind::Ext4, Some(Bytes(size)))), ..Inside::default() };
    let grown = resized(&found, &there, Sign::Plus, &ext4(16 << 20), true).unwrap();
    let text = shown(&grown).join("\n");
    assert!(text.find("load into vg-a") < text.find("make change 2"), "{text}");
    assert!(text.find("make change 2") < text.find("resume vg-a"), "{text}");
    assert!(
        text.ends_with(
            "unlock the groups\nrun e2fsck -f -p /dev/mapper/vg-a\nrun resize2fs /dev/mapper/vg-a"
        ),
        "{text}"
    );
    every_failure_leaves_no_trace_after(&up, &grown);
    let less = resized(&found, &there, Sign::Minus, &ext4(16 << 20), true).unwrap();
    let text = shown(&less).join("\n");
    assert!(text.find("run resize2fs /dev/mapper/vg-a 8192K") < text.find("resume vg-a"), "{text}");
    assert!(text.find("resume vg-a") < text.find("make change 2"), "{text}");
    every_failure_leaves_no_trace_after(&up, &less);
    let refusal = resized(&found, &there, Sign::Minus, &ext4(16 << 20), false).unwrap_err();
    assert!(refusal.text.contains("ext4 of 16 MiB"), "{}", refusal.text);
    assert!(
        resized(&found, &there, Sign::Minus, &ext4(8 << 20), false).is_ok(),
        "the file system is small enough"
    );
    let mounted = Inside { mounted: Some("/srv".into()), ..ext4(16 << 20) };
    assert!(
        resized(&found, &there, Sign::Minus, &mounted, true).unwrap_err().text.contains("mounted at /srv")
    );
    let xfs = Inside { content: Some((Kind::Xfs, Some(Bytes(16 << 20)))), ..Inside::default() };
    assert!(
        resized(&found, &there, Sign::Minus, &xfs, true)
            .unwrap_err()
            .text
            .contains("xfs cannot be made smaller")
    );
    assert!(resized(&found, &there, Sign::Minus, &Inside::default(), false).unwrap().needs_consent());
    assert!(
        resized(&found, &Active::default(), Sign::Plus, &ext4(1), true)
            .unwrap_err()
            .text
            .contains("not active")
    );
}

#[test]
fn other_names_and_no_more() {
    let found = with_volumes();
    let (up, there) = active(&found);
    let one = rename::volume(&found, &there, &volume("a"), "b-c", &stamp()).unwrap();
    assert!(shown(&one).contains(&"rename device vg-a to vg-b--c".to_owned()), "{:?}", shown(&one));
    every_failure_leaves_no_trace_after(&up, &one);
    let all = rename::group(&found, &there, ("vh", &Groups::default()), &stamp()).unwrap();
    assert_eq!(shown(&all).iter().filter(|step| step.starts_with("rename device")).count(), 2);
    every_failure_leaves_no_trace_after(&up, &all);
    assert!(rename::volume(&found, &there, &volume("a"), "w", &stamp()).is_err());
    let gone = remove::plan(&found, &there, &[volume("a")], &stamp()).unwrap();
    let text = shown(&gone).join("\n");
    assert!(gone.needs_consent() && text.find("remove device vg-a") < text.find("make change 2"), "{text}");
    // Where the metadata cannot be written the device is there again.
    every_failure_leaves_no_trace_after(&up, &gone);
}

#[test]
fn what_is_being_moved_is_left_alone() {
    let mut found = with_volumes();
    let (_, there) = active(&found);
    let stamp = stamp();
    let mut means = Means { fresh: (20..30).map(id).collect::<Vec<_>>().into_iter(), ..means() };
    let begun = {
        let scene = GroupScene { found: &found, active: &there, stamp: &stamp };
        mover::begin(&scene, &volume("a"), (0, false), &[], &mut means).unwrap()
    };
    committed(&mut found, &begun);
    let goes_on = devices::goes_on(&found, &there, &[]);
    assert_eq!(goes_on.moves.iter().map(|move_| move_.room.as_str()).collect::<Vec<_>>(), ["a_moves_here"]);
    let scene = GroupScene { found: &found, active: &there, stamp: &stamp };
    let new = NewSnapshot {
        origin: volume("a"),
        name: None,
        size: None,
        chunk: None,
        read_only: false,
        on: Vec::new(),
    };
    let refused = [
        resized(&found, &there, Sign::Plus, &Inside::default(), false),
        remove::plan(&found, &there, &[volume("w"), volume("a")], &stamp),
        rename::volume(&found, &there, &volume("a"), "b", &stamp),
        snapshot::create(&scene, &new, &mut means),
    ];
    for refused in refused {
        let refusal = refused.unwrap_err();
        assert_eq!(refusal.text, "vg/a is being moved");
        assert!(refusal.hint.unwrap().contains("mdctl volume move vg/a --wait"));
    }
    let room = remove::plan(&found, &there, &[volume("a_moves_here")], &stamp).unwrap_err();
    assert_eq!(room.text, "vg/a_moves_here is where vg/a is being moved");
    assert!(rename::volume(&found, &there, &volume("w"), "v", &stamp).is_ok());
}

/// What the plan commits becomes the group.
pub(super) fn committed(found: &mut FoundGroup, plan: &Plan) {
    let text = plan.steps.iter().find_map(|step| match step {
        Step::Lvm(LvmStep::PreCommit { text, .. }) => Some(text.clone()),
        _ => None,
    });
    found.group = Group::parse(&text.unwrap()).unwrap();
}

pub(super) fn candidate(n: u8) -> (Candidate, Below) {
    let path = format!("/dev/md{n}");
    let dev = DevId { major: 9, minor: n.into() };
    let found = samples::device(&path, dev, Bytes(100 << 20));
    let below = Below { path: path.clone(), dev, stripe: Sectors(384), ..Below::default() };
    (Candidate { path, found: Ok(found) }, below)
}

#[test]
fn groups_come_and_go() {
    let there = [candidate(0), candidate(1)];
    let new: Vec<New<'_>> = there
        .iter()
        .zip(50..)
        .map(|((candidate, below), n)| New { candidate, below, id: id(n), listed: None })
        .collect();
    let request = CreateGroup { group: "vg".into(), devices: Vec::new(), extent: None, room: None };
    let made = group::create(&request, &new, (&Groups::default(), id(99)), &stamp()).unwrap();
    every_failure_leaves_no_trace(&made);
    assert!(shown(&made)[0].starts_with("lock all groups"), "{:?}", shown(&made));
    let found = found();
    let groups = Groups { groups: vec![found.clone()], ..Groups::default() };
    let again = group::extend(&found, &new, (&groups, None), &stamp()).unwrap_err();
    assert!(again.text.contains("/dev/md0 belongs to group vg already"), "{}", again.text);
    let (third, below) = candidate(7);
    let third = [New { candidate: &third, below: &below, id: id(57), listed: None }];
    let more = group::extend(&found, &third, (&groups, None), &stamp()).unwrap();
    every_failure_leaves_no_trace(&more);
    // It was this group's until it was taken out while it was away.
    let device = third[0].candidate.found.as_ref().unwrap();
    let mut left = found.devices[0].clone().unwrap();
    (left.dev, left.areas[0].holds) = (device.id, Some((found.group.id, 4)));
    let known = Groups { outdated: vec![left], ..groups.clone() };
    let asked = group::extend(&found, &third, (&known, None), &stamp()).unwrap();
    assert!(asked.needs_consent(), "{:?}", asked.warnings);
    let text = "/dev/md7 was in group vg until change 4: as a new physical volume it forgets";
    assert!(asked.warnings[0].text.starts_with(text), "{:?}", asked.warnings);
    assert!(asked.warnings[0].text.contains("`mdctl volume restore vg --at 4`"));
    let devs = [DevId { major: 9, minor: 1 }];
    let less = reduce::plan(&found, &devs, &["/dev/md1".into()], &stamp()).unwrap();
    every_failure_leaves_no_trace(&less);
    let gone = group::remove(&found).unwrap();
    every_failure_leaves_no_trace(&gone);
    assert!(group::remove(&with_volumes()).unwrap_err().text.contains("has volumes: a, w"));
    let used = reduce::plan(&with_volumes(), &devs, &["/dev/md1".into()], &stamp()).unwrap_err();
    assert!(used.text.contains("vg/w is on it"), "{}", used.text);
    let mut busy = candidate(8);
    if let Ok(device) = &mut busy.0.found {
        (device.busy, device.holders) = (true, vec!["the file system mounted at /".into()]);
    }
    let busy = [New { candidate: &busy.0, below: &busy.1, id: id(58), listed: None }];
    let refusal = group::create(&request, &busy, (&Groups::default(), id(99)), &stamp()).unwrap_err();
    assert_eq!(refusal.text, "/dev/md8 is in use by the file system mounted at /");
    let mut used = candidate(8);
    if let Ok(device) = &mut used.0.found {
        device.holders = vec!["process 7 (qemu), which writes to it".into()];
    }
    let used = [New { candidate: &used.0, below: &used.1, id: id(58), listed: None }];
    let plan = group::create(&request, &used, (&Groups::default(), id(99)), &stamp()).unwrap();
    assert!(plan.needs_consent());
    let text = "/dev/md8 is in use by process 7 (qemu), which writes to it";
    assert!(plan.warnings.iter().any(|warning| warning.text.starts_with(text)));
}
