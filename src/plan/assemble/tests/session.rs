//! Which devices are taken for which array, and in which order names are given.

use superblock::{Level, v1};

use super::{UUID, array, claim};
use crate::{
    config::{Config, conf},
    model::{RunningArray, World, world::MapEntry},
    plan::{
        MdStep, Step,
        assemble::{
            AssembleTarget, CandidatePath, Claim, GatherWish, Home, Options, Session, Stop, WantedIdentity,
            gather::{NoMember, gather},
            session::{is_line_for, same_names},
        },
    },
};

const OTHER: superblock::MdUuid = superblock::MdUuid([0xaa; 16]);

fn raid1(uuid: superblock::MdUuid, name: &str) -> v1::NewArray {
    let mut stored = [0; 32];
    stored[..name.len()].copy_from_slice(name.as_bytes());
    v1::NewArray { uuid, name: stored, ..array(Level::Raid1, 0, 2) }
}

/// Both members of a mirror, on devices `a`, `b` or further ones.
fn members(uuid: superblock::MdUuid, name: &str, first: u32) -> Vec<CandidatePath> {
    let mirror = raid1(uuid, name);
    (0..2).map(|n| moved(claim(&mirror, n, 5, &[]), first + n)).map(candidate).collect()
}

fn moved(mut claim: Claim, device: u32) -> Claim {
    claim.id.minor = device;
    claim.path = format!("/dev/{}", char::from(b'a' + u8::try_from(device).unwrap()));
    claim
}

fn candidate(claim: Claim) -> CandidatePath {
    CandidatePath {
        path: claim.path.clone(),
        claim: Ok(claim),
        others: Vec::new(),
        magic: [None; 3],
        used: false,
    }
}

fn empty(path: &str) -> CandidatePath {
    let magic = [None, None, Some(0)];
    let claim = Err(NoMember::Empty { magic, trouble: Vec::new() });
    CandidatePath { path: path.into(), claim, others: Vec::new(), magic, used: false }
}

fn session(candidates: Vec<CandidatePath>, config: &Config) -> Session<'_> {
    let home = Home { host: Some("guest".into()), required: true };
    let world = World { udev: true, ..World::default() };
    let options = Options { partial: true, ..Options::default() };
    Session { candidates, world, options, ..Session::new(config, home) }
}

fn config(text: &str) -> Config {
    conf::parse([("test", text)]).0
}

fn paths(session: &Session<'_>, target: &AssembleTarget) -> Result<(String, String), Stop> {
    session.try_target(target).result.map(|(outcome, _)| (outcome.name.kernel, outcome.name.path))
}

fn named(kernel: &str, path: &str) -> Result<(String, String), Stop> {
    Ok((kernel.to_owned(), path.to_owned()))
}

#[test]
fn found_arrays_are_named_by_whose_they_are() {
    let config = Config::default();
    let mut candidates = members(UUID, "guest:0", 0);
    candidates.extend(members(OTHER, "alpha:data", 2));
    let mut session = session(candidates, &config);
    let targets = session.found(&WantedIdentity::default());
    assert_eq!(targets, [AssembleTarget::Found(UUID), AssembleTarget::Found(OTHER)]);
    assert_eq!(paths(&session, &targets[0]), named("md0", "/dev/md/0"));
    assert_eq!(paths(&session, &targets[1]), named("md127", "/dev/md/alpha:data"));
    let (outcome, taken) = session.try_target(&targets[0]).result.unwrap();
    session.record(&outcome, &taken);
    assert_eq!(
        session.found(&WantedIdentity::default()),
        [AssembleTarget::Found(OTHER)],
        "taken ones are not offered again"
    );
    session.home.required = false;
    assert_eq!(paths(&session, &targets[1]), named("md127", "/dev/md/data"));
}

#[test]
fn auto_words_and_ignored_lines_keep_arrays_down() {
    for (text, up) in [
        ("", true),
        ("AUTO -all", false),
        ("AUTO +1.x -all", true),
        ("AUTO homehost -all", true),
        ("ARRAY <ignore> UUID=11111111:11111111:11111111:11111111", false),
        ("ARRAY <ignore> UUID=21111111:11111111:11111111:11111111", true),
    ] {
        let config = config(text);
        let session = session(members(UUID, "guest:0", 0), &config);
        let result = paths(&session, &AssembleTarget::Found(UUID));
        assert_eq!(result.is_ok(), up, "{text}: {result:?}");
    }
    let config = config("AUTO homehost -all");
    let session = session(members(UUID, "alpha:0", 0), &config);
    assert_eq!(paths(&session, &AssembleTarget::Found(UUID)), Err(Stop::Nothing));
}

#[test]
fn lines_give_name_and_identity() {
    let config = config(
        "ARRAY /dev/md5 UUID=11111111:11111111:11111111:11111111\n\
         ARRAY home devices=/dev/[cd]\n\
         ARRAY /dev/md6 level=raid5 UUID=11111111:11111111:11111111:11111111",
    );
    let mut candidates = members(UUID, "guest:0", 0);
    candidates.extend(members(OTHER, "guest:x", 2));
    candidates.push(empty("/dev/e"));
    let session = session(candidates, &config);
    let lines = session.lines(&WantedIdentity::default());
    assert_eq!(paths(&session, &lines[0]), named("md5", "/dev/md5"));
    assert_eq!(paths(&session, &lines[1]), named("md127", "/dev/md/home"));
    assert_eq!(paths(&session, &lines[2]), Err(Stop::Nothing));
    let wanted = WantedIdentity { uuid: Some(OTHER), ..WantedIdentity::default() };
    assert!(session.lines(&wanted).is_empty());
    assert_eq!(session.found(&wanted), [AssembleTarget::Found(OTHER)]);
    assert!(is_line_for(&config.arrays[0], "5") && is_line_for(&config.arrays[1], "/dev/md/home"));
    assert_eq!(same_names(&config), None);
}

#[test]
fn duplicate_names_are_told() {
    let config = config(
        "ARRAY /dev/md0 UUID=11111111:11111111:11111111:11111111\nARRAY md0 UUID=aaaaaaaa:aaaaaaaa:aaaaaaaa:aaaaaaaa",
    );
    let text = same_names(&config).unwrap();
    assert!(
        text.starts_with("Devices UUID-11111111:11111111:11111111:11111111 and UUID-aaaaaaaa:"),
        "{text}"
    );
}

#[test]
fn listed_devices_must_fit() {
    let home = Home { host: Some("guest".into()), required: true };
    let listed = GatherWish { listed: true, ..GatherWish::default() };
    let by_uuid = GatherWish {
        identity: WantedIdentity { uuid: Some(UUID), ..WantedIdentity::default() },
        ..listed.clone()
    };
    let refusal = |candidates: &[CandidatePath], wish: &GatherWish| {
        let mut remarks = Vec::new();
        match gather(candidates, wish, &home, &mut remarks) {
            Err(Stop::Refused(refusal)) => refusal.text,
            other => format!("{other:?}"),
        }
    };
    let mut with_empty = members(UUID, "guest:0", 0);
    with_empty.push(empty("/dev/x"));
    assert_eq!(refusal(&with_empty, &listed), "/dev/x has no superblock - assembly aborted");
    assert_eq!(refusal(&with_empty, &by_uuid), "Ok([0, 1])");
    let mut two = members(UUID, "guest:0", 0);
    two.extend(members(OTHER, "guest:1", 2));
    assert_eq!(refusal(&two, &listed), "superblock on /dev/c doesn't match others - assembly aborted");
    assert_eq!(refusal(&two, &by_uuid), "Ok([0, 1])");
    let mut ours_last = members(UUID, "alpha:0", 0);
    ours_last.extend(members(OTHER, "guest:1", 2));
    assert_eq!(refusal(&ours_last, &listed), "Ok([2, 3])", "the only one of this host is meant");
    let mut damaged = members(UUID, "guest:0", 0);
    damaged.insert(0, members(OTHER, "guest:1", 2).remove(0));
    if let Ok(claim) = &mut damaged[0].claim {
        claim.damage = Some("checksum".into());
    }
    assert_eq!(refusal(&damaged, &listed), "Ok([1, 2])", "a damaged superblock does not say which array");
}

#[test]
fn listed_devices_of_another_shape_end_it_and_found_ones_are_left_out() {
    let config = config("ARRAY /dev/md0 UUID=11111111:11111111:11111111:11111111");
    let mut candidates = members(UUID, "guest:0", 0);
    let grown = v1::NewArray { size: superblock::Sectors(8192), ..raid1(UUID, "guest:0") };
    candidates[1] = candidate(claim(&grown, 1, 9, &[]));
    let home = Home { host: Some("guest".into()), required: true };
    let listed = GatherWish { listed: true, ..GatherWish::default() };
    let Err(Stop::Refused(refusal)) = gather(&candidates, &listed, &home, &mut Vec::new()) else { panic!() };
    assert_eq!(refusal.text, "superblock on /dev/b doesn't match others - assembly aborted");
    let hint =
        "beside /dev/a it says: member size 4096 KiB instead of 20480 KiB; leave out the one that is behind";
    assert_eq!((refusal.hint.as_deref(), refusal.status), (Some(hint), 1));
    let session = session(candidates, &config);
    for target in [AssembleTarget::Line(0), AssembleTarget::Found(UUID)] {
        let (outcome, _) = session.try_target(&target).result.unwrap();
        assert_eq!(outcome.done, format!("{} has been started with 1 drive (out of 2).", outcome.name.path));
        assert_eq!(outcome.out[0].0, "/dev/a", "the freshest says how large it is");
    }
}

#[test]
fn lines_that_want_a_container_fit_no_native_array() {
    let uuid = "11111111:11111111:11111111:11111111";
    for line in [
        "ARRAY /dev/md5 container=/dev/md/imsm0 member=0".to_owned(),
        format!("ARRAY /dev/md5 container={uuid} member=0"),
        format!("ARRAY /dev/md5 container={uuid} member=0 UUID={uuid}"),
        format!("ARRAY /dev/md5 container={uuid} UUID={uuid}"),
        format!("ARRAY /dev/md5 metadata=imsm UUID={uuid}"),
    ] {
        let config = config(&line);
        let session = session(members(UUID, "guest:0", 0), &config);
        assert_eq!(session.lines(&WantedIdentity::default()).len(), 1, "{line}");
        let Err(Stop::Refused(refusal)) = session.try_target(&AssembleTarget::Line(0)).result else {
            panic!("{line}");
        };
        let text = "/dev/md5: its ARRAY line wants a container; containers are not supported yet";
        assert_eq!((refusal.text.as_str(), refusal.status), (text, 2), "{line}");
        assert!(session.try_target(&AssembleTarget::Found(UUID)).result.is_ok(), "{line}");
    }
}

#[test]
fn a_line_takes_its_format_of_two_on_one_device() {
    let uuid = "aaaaaaaa:aaaaaaaa:aaaaaaaa:aaaaaaaa";
    let mut both = members(UUID, "guest:0", 0);
    for (number, candidate) in (0..).zip(&mut both) {
        let old = v1::NewArray { minor: v1::Minor::V1_0, created: 1_600_000_000, ..raid1(OTHER, "guest:1") };
        candidate.others = vec![claim(&old, number, 5, &[])];
    }
    for (line, found) in [
        (format!("ARRAY /dev/md5 metadata=1.0 UUID={uuid}"), true),
        (format!("ARRAY /dev/md5 metadata=1 UUID={uuid}"), false),
        (format!("ARRAY /dev/md5 metadata=1.2 UUID={uuid}"), false),
        ("ARRAY /dev/md5 metadata=0.90 devices=/dev/[ab]".to_owned(), false),
        ("ARRAY /dev/md5 metadata=1.0 devices=/dev/[ab]".to_owned(), true),
        ("ARRAY /dev/md5 UUID=11111111:11111111:11111111:11111111 metadata=1.0".to_owned(), false),
    ] {
        let config = config(&line);
        let session = session(both.clone(), &config);
        let result = session.try_target(&AssembleTarget::Line(0)).result;
        let version = result.as_ref().ok().and_then(|(outcome, _)| {
            outcome.plan.steps.iter().find_map(|step| match step {
                Step::Md(MdStep::SetVersion { version, .. }) => Some(*version),
                _ => None,
            })
        });
        assert_eq!(version, found.then_some((1, 0)), "{line}: {result:?}");
    }
}

#[test]
fn busy_members_show_which_array_is_there() {
    let config = Config::default();
    let mut candidates = members(UUID, "guest:0", 0);
    if let Ok(claim) = &mut candidates[0].claim {
        claim.busy = true;
    }
    let id = candidates[0].claim.as_ref().unwrap().id;
    let mut session = session(candidates, &config);
    let array = |state: &str| RunningArray {
        name: "md9".into(),
        state: state.into(),
        members: vec![id],
        ..RunningArray::default()
    };
    session.world.arrays = vec![array("clean")];
    let Err(Stop::Refused(refusal)) = session.try_target(&AssembleTarget::Found(UUID)).result else {
        panic!()
    };
    assert_eq!(refusal.said[0].text, "Found some drive for an array that is already active: /dev/md9");
    session.world.arrays = vec![array("inactive")];
    session.world.map = vec![MapEntry {
        devnm: "md9".into(),
        metadata: "1.2".into(),
        uuid: UUID,
        path: "/dev/md/nine".into(),
    }];
    let (outcome, taken) = session.try_target(&AssembleTarget::Found(UUID)).result.unwrap();
    assert_eq!((outcome.name.kernel.as_str(), outcome.name.path.as_str()), ("md9", "/dev/md/nine"));
    assert_eq!(taken, [0, 1]);
    assert_eq!(outcome.before[0].text, "Merging with already-assembled /dev/md/nine");
}

#[test]
fn devices_that_were_given_up_stay_away() {
    let config = Config::default();
    let mut session = session(members(UUID, "guest:0", 0), &config);
    assert!(session.give_up("/dev/a"));
    assert!(!session.give_up("/dev/a"), "so that trying again ends");
    let (outcome, _) = session.try_target(&AssembleTarget::Found(UUID)).result.unwrap();
    assert_eq!(outcome.done, "/dev/md/0 has been started with 1 drive (out of 2).");
}
