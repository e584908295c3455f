//! Moves: their plans on the fake machine, and what becomes of them where somebody else changes metadata or devices.

use superblock::Sectors;

use super::{
    deactivate, devices,
    edit::Means,
    mover::{self, Stand, Underway},
    pieces, recover,
    shift::GroupScene,
    verbs_tests::{active, committed, devices_made_by, id, means, shown, stamp, volume, with_volumes},
};
use crate::{
    model::{
        DevId,
        active::{Active, ActiveDevice},
        dm::{Dev, DeviceInfo, Table},
        volume::FoundGroup,
    },
    plan::{
        Plan, Step,
        fake::dm::{FakeDevice, FakeDm},
        run::tests::every_failure_leaves_no_trace_after,
    },
};

/// The driver after these plans.
pub(super) fn driver(plans: &[&Plan]) -> FakeDm {
    let mut dm = FakeDm::default();
    for step in plans.iter().flat_map(|plan| &plan.steps) {
        match step {
            Step::Dm(step) => dm.apply(step).unwrap(),
            Step::Critical(critical) => dm.critical(critical).unwrap(),
            _ => {}
        }
    }
    dm
}

/// What there is to see of it: numbers in the place of names.
pub(super) fn seen(dm: &FakeDm) -> Active {
    let number = |minor: usize| DevId { major: 252, minor: u32::try_from(minor).unwrap() };
    let known = |dev: &Dev| {
        let Dev::Dm(name) = dev else { return dev.clone() };
        Dev::Number(number(dm.devices.keys().position(|other| other == name).unwrap()))
    };
    let devices = dm.devices.iter().enumerate().map(|(minor, (name, device))| {
        let mut table = device.live.clone().unwrap_or_default();
        for row in &mut table.rows {
            let Ok(target) =
                row.target.with_devices(&mut |dev| Ok::<_, std::convert::Infallible>(known(dev)));
            row.target = target;
        }
        let info = DeviceInfo {
            name: name.clone(),
            uuid: device.uuid.clone(),
            dev: number(minor),
            live: device.live.is_some(),
            inactive: device.waiting.is_some(),
            suspended: device.suspended,
            ..DeviceInfo::default()
        };
        ActiveDevice { info, table, ..ActiveDevice::default() }
    });
    Active { devices: devices.collect() }
}

/// A move that goes on.
struct World {
    found: FoundGroup,
    up: Plan,
    begun: Plan,
    move_: Underway,
}

fn begun(name: &str) -> World {
    let mut found = with_volumes();
    let (up, there) = active(&found);
    let stamp = stamp();
    let mut means = Means { fresh: (20..30).map(id).collect::<Vec<_>>().into_iter(), ..means() };
    let scene = GroupScene { found: &found, active: &there, stamp: &stamp };
    let begun = mover::begin(&scene, &volume(name), (0, false), &[], &mut means).unwrap();
    committed(&mut found, &begun);
    let [move_] = mover::underway(&found.group).try_into().unwrap();
    World { found, up, begun, move_ }
}

/// The steps that the fake driver knows, for it has no metadata that a critical section writes.
fn devices_only(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.steps.retain(|step| matches!(step, Step::Dm(_) | Step::Critical(_) | Step::Commit));
    plan
}

fn table(dm: &FakeDm, name: &str) -> String {
    dm.devices[name].live.as_ref().map(Table::to_string).unwrap_or_default()
}

#[test]
fn the_room_of_a_move_is_in_use() {
    let world = begun("a");
    let devices = devices_only(&world.begun);
    every_failure_leaves_no_trace_after(&world.up, &devices);
    let dm = driver(&[&world.up, &world.begun]);
    assert_eq!(table(&dm, "vg-a"), "0 32768 linear vg-a-moving 0", "lvm2 finds the kind that it expects");
    assert_eq!(
        table(&dm, "vg-a-moving"),
        "0 32768 mirror core 1 1024 2 9:0 2048 vg-a_moves_here 0 1 handle_errors"
    );
    assert!(table(&dm, "vg-a_moves_here").starts_with("0 32768 linear 9:1 "));
    let there = seen(&dm);
    let stamp = stamp();
    let scene = GroupScene { found: &world.found, active: &there, stamp: &stamp };
    assert!(matches!(mover::stand(&scene, &world.move_), Stand::Copies(_)));
    // Whatever ends it leaves only the volume's own device.
    let finish = mover::finish(&scene, &world.move_).unwrap();
    assert!(shown(&finish).join("\n").contains("make sure that vg-a-moving is copied\nsuspend vg-a"));
    let abort = mover::abort(&scene, &world.move_).unwrap();
    assert_eq!(abort.summary, "give up the move of vg/a: all its data stays on /dev/md0");
    let abandon = mover::abandon(&scene, &world.move_).unwrap();
    assert!(!shown(&abandon).join("\n").contains("make change"), "the metadata stays");
    for (plan, at) in [
        (&finish, "0 32768 linear 9:1 "),
        (&abort, "0 32768 linear 9:0 2048"),
        (&abandon, "0 32768 linear 9:0 2048"),
    ] {
        let after = driver(&[&world.up, &world.begun, plan]);
        assert_eq!(after.devices.keys().collect::<Vec<_>>(), ["vg-a", "vg-w"]);
        assert!(table(&after, "vg-a").starts_with(at), "{}", table(&after, "vg-a"));
    }
    // What stands on others goes first, and the room not alone.
    let down = deactivate::plan(&world.found, &there, &[]).unwrap();
    assert_eq!(driver(&[&world.up, &world.begun, &down]), FakeDm::default());
    let down = deactivate::plan(&world.found, &there, &["a".into()]).unwrap();
    assert_eq!(driver(&[&world.up, &world.begun, &down]).devices.keys().collect::<Vec<_>>(), ["vg-w"]);
    let refused = deactivate::plan(&world.found, &there, &["a_moves_here".into()]).unwrap_err();
    assert_eq!(refused.text, "vg/a_moves_here is where vg/a is being moved");
}

/// Somebody changes the group.
type Change = (&'static str, fn(&mut FoundGroup), &'static str);

const TAKEN: [Change; 5] = [
    ("the room is removed", |found| drop(found.group.remove("a_moves_here")), "took the room away"),
    ("the room is smaller", |found| room(found).segments[0].len -= 1, "changed the volume, or the room"),
    (
        "the room is elsewhere",
        |found| {
            let segment = &mut room(found).segments[0];
            let superblock::lvm::Kind::Striped { legs, .. } = &mut segment.kind else { panic!() };
            legs[0].extent += 8;
        },
        "are not where the metadata says",
    ),
    (
        "the volume is larger",
        |found| found.group.volume_mut("a").unwrap().segments[0].len += 1,
        "changed the volume, or the room",
    ),
    (
        "another volume has the name",
        |found| found.group.volume_mut("a").unwrap().id = id(70),
        "it was removed",
    ),
];

#[test]
fn a_move_whose_room_is_taken_ends() {
    let stamp = stamp();
    for name in ["a", "w"] {
        for (what, change, why) in &TAKEN {
            let mut world = begun("a");
            if name == "w" {
                world = begun("w");
                if *what == "the volume is larger"
                    || what.contains("another")
                    || what.contains("room is removed")
                {
                    continue;
                }
                world.found.group.rename("w_moves_here", "a_moves_here").unwrap();
                [world.move_] = mover::underway(&world.found.group).try_into().unwrap();
            }
            change(&mut world.found);
            let dm = driver(&[&world.up, &world.begun]);
            let there = seen(&dm);
            let scene = GroupScene { found: &world.found, active: &there, stamp: &stamp };
            let Stand::Lost(said) = mover::stand(&scene, &world.move_) else { panic!("{what}") };
            assert!(said.contains(why), "{what}: {said}");
            assert!(
                mover::finish(&scene, &world.move_).is_err(),
                "{what}: it would be given what is not its own"
            );
            let abandon = mover::abandon(&scene, &world.move_).unwrap();
            let after = driver(&[&world.up, &world.begun, &abandon]);
            let copies = |device: &FakeDevice| device.live.as_ref().is_some_and(pieces::is_mirror);
            assert!(!after.devices.values().any(copies), "{what}: {after:?}");
            assert!(after.devices.keys().all(|name| !name.ends_with("moves_here")), "{what}: {after:?}");
            // A volume that the metadata does not know keeps its extents as long as somebody has it open.
            let is_known =
                world.found.group.volume(&world.move_.volume).is_some_and(|it| it.id == world.move_.id);
            assert_eq!(after.devices.contains_key("vg-a-moving"), !is_known, "{what}");
            let left = mover::left(&scene);
            assert_eq!(left.is_empty(), mover::is_underway(&world.found.group, &world.move_), "{what}");
        }
    }
}

#[test]
fn what_lvm2_leaves_of_a_move_is_taken_away() {
    let stamp = stamp();
    let mut world = begun("a");
    world.found.group.remove("a").unwrap();
    world.found.group.remove("a_moves_here").unwrap();
    let mut dm = driver(&[&world.up, &world.begun]);
    dm.devices.remove("vg-a");
    let there = seen(&dm);
    let scene = GroupScene { found: &world.found, active: &there, stamp: &stamp };
    let [left] = mover::left(&scene).try_into().unwrap();
    assert_eq!((left.volume.as_str(), left.id), ("a", world.move_.id));
    let abandon = mover::abandon(&scene, &left).unwrap();
    for step in &abandon.steps {
        if let Step::Dm(step) = step {
            dm.apply(step).unwrap();
        }
    }
    assert_eq!(dm.devices.keys().collect::<Vec<_>>(), ["vg-w"]);
    // The next command after one that was killed does the same.
    let mut dm = driver(&[&world.up, &world.begun]);
    dm.devices.remove("vg-a");
    let there = seen(&dm);
    for plan in recover::tidy(&world.found, &there, &stamp) {
        for step in &plan.steps {
            if let Step::Dm(step) = step {
                dm.apply(step).unwrap();
            }
        }
    }
    assert_eq!(dm.devices.keys().collect::<Vec<_>>(), ["vg-w"]);
}

#[test]
fn the_room_of_a_volume_that_lvm2_removes_goes_with_it() {
    let stamp = stamp();
    // lvm2 takes the volume's device and its layer, and leaves the room's; or it leaves the layer as well.
    for gone in [&["vg-a", "vg-a-moving"][..], &["vg-a"]] {
        let mut world = begun("a");
        world.found.group.remove("a").unwrap();
        let mut dm = driver(&[&world.up, &world.begun]);
        dm.devices.retain(|name, _| !gone.contains(&name.as_str()));
        let there = seen(&dm);
        let scene = GroupScene { found: &world.found, active: &there, stamp: &stamp };
        assert_eq!(mover::stand(&scene, &world.move_), Stand::Lost(mover::REMOVED));
        let [left] = mover::left(&scene).try_into().unwrap();
        assert_eq!(
            (left.volume.as_str(), left.id, left.room.as_str()),
            ("a", world.move_.id, "a_moves_here")
        );
        let plan = mover::abandon(&scene, &left).unwrap();
        for step in &plan.steps {
            if let Step::Dm(step) = step {
                dm.apply(step).unwrap();
            }
        }
        assert_eq!(dm.devices.keys().collect::<Vec<_>>(), ["vg-w"]);
        committed(&mut world.found, &plan);
        assert!(world.found.group.volume("a_moves_here").is_none());
        let scene = GroupScene { found: &world.found, active: &Active::default(), stamp: &stamp };
        assert_eq!(mover::stand(&scene, &left), Stand::Over);
    }
}

#[test]
fn a_move_goes_on_under_another_name() {
    let stamp = stamp();
    let mut world = begun("a");
    world.found.group.rename("a", "b").unwrap();
    let there = seen(&driver(&[&world.up, &world.begun]));
    let scene = GroupScene { found: &world.found, active: &there, stamp: &stamp };
    assert!(mover::left(&scene).is_empty());
    let now = mover::current(&world.found.group, world.move_.clone());
    assert_eq!((now.volume.as_str(), now.id), ("b", world.move_.id));
    assert!(mover::is_renamed(&world.found.group, &now));
    assert!(matches!(mover::stand(&scene, &now), Stand::Copies(_)));
    let mut done = world.found.group.clone();
    let plan = mover::finish(&scene, &now).unwrap();
    committed(&mut world.found, &plan);
    done.remove("a_moves_here").unwrap();
    assert_eq!(world.found.group.volumes.len(), done.volumes.len());
    assert!(world.found.group.volume("b").is_some_and(|volume| volume.id == now.id));
}

fn room(found: &mut FoundGroup) -> &mut superblock::lvm::LogicalVolume {
    found.group.volume_mut("a_moves_here").unwrap()
}

#[test]
fn a_striped_volume_moves_on_a_layer() {
    let mut found = with_volumes();
    let (up, mut there) = active(&found);
    for (device, minor) in there.devices.iter_mut().zip(0..) {
        device.info.dev = DevId { major: 252, minor };
    }
    let stamp = stamp();
    let mut means = Means { fresh: (20..30).map(id).collect::<Vec<_>>().into_iter(), ..means() };
    let scene = GroupScene { found: &found, active: &there, stamp: &stamp };
    let begun = mover::begin(&scene, &volume("w"), (0, true), &[], &mut means).unwrap();
    let text = shown(&begun).join("\n");
    assert!(
        text.contains("make device vg-w-moving") && text.contains("striped 2 128 vg-w-moving 0 9:1"),
        "{text}"
    );
    // The fake machine has no metadata that a critical section writes.
    let mut devices = begun.clone();
    devices.steps.retain(|step| matches!(step, Step::Dm(_) | Step::Critical(_) | Step::Commit));
    every_failure_leaves_no_trace_after(&up, &devices);
    committed(&mut found, &begun);
    let [move_] = mover::underway(&found.group).try_into().unwrap();
    assert!(move_.asleep && move_.volume == "w");
    // As it is then: the layer is there, and the volume leads to it.
    let layer = DevId { major: 252, minor: 9 };
    let (_, made) = devices_made_by(&begun);
    let numbers = [("vg-w_moves_here", DevId { major: 252, minor: 8 }), ("vg-w-moving", layer)];
    for (name, number) in numbers {
        let mut device = made.devices.iter().find(|device| device.info.name == name).unwrap().clone();
        device.info.dev = number;
        there.devices.push(device);
    }
    numbered(&mut there);
    let own = there.devices.iter_mut().find(|device| device.info.name == "vg-w").unwrap();
    let before = own.table.clone();
    first_leads_to(&mut own.table, layer);
    let scene = GroupScene { found: &found, active: &there, stamp: &stamp };
    assert!(
        matches!(mover::stand(&scene, &move_), Stand::Copies(device) if device.info.name == "vg-w-moving")
    );
    let again = devices::activate(&found, &there, &Default::default(), &[], false).unwrap();
    assert!(again.plan.steps.is_empty(), "{:?}", shown(&again.plan));
    // A command that was killed meanwhile leaves nothing of it to be tidied up.
    assert!(recover::tidy(&found, &there, &stamp).is_empty());
    for over in [mover::finish(&scene, &move_).unwrap(), mover::abort(&scene, &move_).unwrap()] {
        let text = shown(&over).join("\n");
        assert!(text.contains("remove device vg-w-moving"), "{text}");
    }
    // Somebody gave the volume its plain table: the layer is stale, and is loaded again.
    there.devices.iter_mut().find(|device| device.info.name == "vg-w").unwrap().table = before;
    let scene = GroupScene { found: &found, active: &there, stamp: &stamp };
    assert_eq!(mover::stand(&scene, &move_), Stand::Interrupted);
    assert!(mover::finish(&scene, &move_).is_err(), "what is old would become the volume");
    let text = shown(&mover::resume(&scene, &move_).unwrap()).join("\n");
    assert!(text.contains("load into vg-w-moving"), "{text}");
    assert!(shown(&mover::abort(&scene, &move_).unwrap()).join("\n").contains("remove device vg-w-moving"));
    let tidied = recover::tidy(&found, &there, &stamp);
    assert!(
        tidied.iter().any(|plan| shown(plan).join("\n").contains("remove device vg-w-moving")),
        "{tidied:#?}"
    );
}

/// The first leg of a table leads elsewhere.
fn first_leads_to(table: &mut Table, layer: DevId) {
    let mut swapped = 0;
    let Ok(target) = table.rows[0].target.clone().with_devices(&mut |dev| {
        swapped += 1;
        Ok::<_, std::convert::Infallible>(if swapped == 1 { Dev::Number(layer) } else { dev.clone() })
    });
    table.rows[0].target = target;
}

#[test]
fn a_family_is_active_for_its_moves_until_the_last_has_ended() {
    let mut found = with_volumes();
    found.group.make_snapshot("a", "w", Sectors(8), id(40)).unwrap();
    let (_, mut there) = active(&found);
    for (device, minor) in there.devices.iter_mut().zip(0..) {
        device.info.dev = DevId { major: 252, minor };
    }
    let stamp = stamp();
    for (name, first, ids) in [("a", true, 20..30), ("w", false, 30..40)] {
        let mut means = Means { fresh: ids.map(id).collect::<Vec<_>>().into_iter(), ..means() };
        let scene = GroupScene { found: &found, active: &there, stamp: &stamp };
        let begun = mover::begin(&scene, &volume(name), (0, first), &[], &mut means).unwrap();
        committed(&mut found, &begun);
    }
    assert_eq!(
        mover::underway(&found.group).iter().map(|move_| move_.asleep).collect::<Vec<_>>(),
        [true, true]
    );
}

fn numbered(there: &mut Active) {
    let numbers: Vec<(String, DevId)> =
        there.devices.iter().map(|device| (device.info.name.clone(), device.info.dev)).collect();
    for row in there.devices.iter_mut().flat_map(|device| &mut device.table.rows) {
        let number = |dev: &Dev| match dev {
            Dev::Dm(name) => numbers
                .iter()
                .find(|(known, _)| known == name)
                .map_or_else(|| dev.clone(), |(_, number)| Dev::Number(*number)),
            Dev::Number(_) | Dev::Path(_) => dev.clone(),
        };
        let Ok(target) = row.target.with_devices(&mut |dev| Ok::<_, std::convert::Infallible>(number(dev)));
        row.target = target;
    }
}

#[test]
fn a_move_that_cannot_go_on_is_called_that() {
    let stamp = stamp();
    let mut world = begun("a");
    assert!(mover::stuck(&world.found.group).is_empty());
    // Somebody made the room smaller, and the copying has ended.
    room(&mut world.found).segments[0].len -= 1;
    let there = seen(&driver(&[&world.up]));
    let scene = GroupScene { found: &world.found, active: &there, stamp: &stamp };
    assert_eq!(mover::stand(&scene, &world.move_), Stand::Unfit);
    assert!(devices::goes_on(&world.found, &there, &[]).moves.is_empty(), "nobody ends it");
    let [said] = mover::stuck(&world.found.group).try_into().unwrap();
    assert!(
        said.starts_with("vg/a: it, or the room") && said.contains("mdctl volume move vg/a --abort"),
        "{said}"
    );
    assert!(mover::abort(&scene, &world.move_).is_ok());
    // The volume is gone, and its room is left.
    world.found.group.remove("a").unwrap();
    let [said] = mover::stuck(&world.found.group).try_into().unwrap();
    assert!(said.contains("mdctl volume remove vg/a_moves_here"), "{said}");
}
