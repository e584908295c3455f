//! Arrays made of superblocks by hand: who is taken, what is said, and which steps follow.

pub(super) mod bounds;
mod rounds;
mod session;
mod shape;
mod update;

use superblock::{Events, Level, MdUuid, Role, Sectors, v1};

use super::*;
use crate::{
    model::{Device, samples},
    plan::run::tests::every_failure_leaves_no_trace,
    plan::{ArrayName, DiskStep, MdStep, Step},
};

pub(in crate::plan) const UUID: MdUuid = MdUuid([0x11; 16]);

pub(in crate::plan) fn array(level: Level, layout: u32, disks: u32) -> v1::NewArray {
    v1::NewArray {
        uuid: UUID,
        name: v1::set_name(Some(b"guest"), b"0"),
        layout,
        chunk: Sectors(1024),
        spares: 1,
        ..samples::array(level, disks)
    }
}

/// A member: its number, its events, and edits of its copy.
pub(in crate::plan) fn claim(array: &v1::NewArray, number: u32, events: u64, edits: &[v1::Edit]) -> Claim {
    let uuid = MdUuid([u8::try_from(number).unwrap() + 1; 16]);
    let mut superblock = samples::member(array, number, uuid, events);
    for edit in edits {
        superblock.edit(*edit).unwrap();
    }
    let path = format!("/dev/{}", char::from(b'a' + u8::try_from(number).unwrap()));
    let id = DevId { major: 1, minor: number };
    let device = Device { kernel_name: String::new(), ..samples::device(&path, id, samples::MEMBER.bytes()) };
    Claim::from_v1(&device, superblock, None)
}

pub(super) fn name() -> ArrayName {
    ArrayName { kernel: "md0".into(), path: "/dev/md0".into() }
}

pub(super) fn decide(claims: Vec<Claim>, options: Options) -> ArrayOutcome {
    plan(claims, name(), None, &options).unwrap()
}

pub(in crate::plan) fn faulty(number: u32) -> v1::Edit {
    v1::Edit::Role { number, role: Role::Faulty }
}

fn notes(outcome: &ArrayOutcome) -> Vec<&str> {
    outcome.before.iter().filter(|remark| !remark.detail).map(|remark| remark.text.as_str()).collect()
}

pub(super) fn added(outcome: &ArrayOutcome) -> Vec<&str> {
    let mut added = Vec::new();
    for step in &outcome.plan.steps {
        if let Step::Md(MdStep::AddDisk { device, .. }) = step {
            added.push(device.as_str());
        }
    }
    added
}

#[test]
fn complete_array_starts_with_the_freshest_member_last() {
    let raid5 = array(Level::Raid5, 2, 3);
    let claims = [2, 0, 1].map(|n| claim(&raid5, n, 7, &[])).to_vec();
    let outcome = decide(claims, Options::default());
    assert_eq!(outcome.verdict, Verdict::Start);
    assert_eq!(outcome.done, "/dev/md0 has been started with 3 drives.");
    assert_eq!(added(&outcome), ["/dev/b", "/dev/c", "/dev/a"]);
    assert_eq!(every_failure_leaves_no_trace(&outcome.plan), 13);
}

#[test]
fn listed_members_must_be_all_that_there_were() {
    let raid5 = array(Level::Raid5, 2, 3);
    let claims = || [0, 1].map(|n| claim(&raid5, n, 7, &[])).to_vec();
    let plain = Options::default();
    for (options, verdict, done) in [
        (plain, None, "/dev/md0 assembled from 2 drives - need all 3 to start it (use --run to insist)."),
        (
            Options { run: true, ..plain },
            Some(Verdict::Start),
            "/dev/md0 has been started with 2 drives (out of 3).",
        ),
        (
            Options { force: true, ..plain },
            Some(Verdict::Start),
            "/dev/md0 has been started with 2 drives (out of 3).",
        ),
        (
            Options { partial: true, ..plain },
            Some(Verdict::Start),
            "/dev/md0 has been started with 2 drives (out of 3).",
        ),
        (
            Options { partial: true, no_degraded: true, ..plain },
            Some(Verdict::LeaveInactive),
            "/dev/md0 assembled from 2 drives (out of 3), but not started.",
        ),
    ] {
        let outcome = decide(claims(), options);
        assert_eq!(outcome.done, done, "{options:?}");
        let expected = verdict.unwrap_or_else(|| Verdict::Refuse(done.to_owned()));
        assert_eq!(outcome.verdict, expected, "{options:?}");
    }
}

#[test]
fn array_known_as_degraded_starts_with_what_it_had() {
    let raid5 = array(Level::Raid5, 2, 3);
    let claims = [0, 1].map(|n| claim(&raid5, n, 7, &[faulty(2)])).to_vec();
    let outcome = decide(claims, Options::default());
    assert_eq!(outcome.done, "/dev/md0 has been started with 2 drives (out of 3).");
}

#[test]
fn stale_member_is_given_to_the_kernel_but_does_not_count() {
    let raid1 = array(Level::Raid1, 0, 2);
    let claims = vec![claim(&raid1, 0, 9, &[faulty(1)]), claim(&raid1, 1, 4, &[])];
    let outcome = decide(claims, Options::default());
    assert_eq!(outcome.done, "/dev/md0 has been started with 1 drive (out of 2).");
    assert_eq!(outcome.after[0].text, "added /dev/b to /dev/md0 as 1 (possibly out of date)");
}

#[test]
fn one_event_behind_is_current() {
    let raid1 = array(Level::Raid1, 0, 2);
    let outcome = decide(vec![claim(&raid1, 0, 4, &[]), claim(&raid1, 1, 5, &[])], Options::default());
    assert_eq!(outcome.done, "/dev/md0 has been started with 2 drives.");
    assert_eq!(added(&outcome), ["/dev/a", "/dev/b"], "the freshest goes last");
}

#[test]
fn three_mirrors_that_parted_are_told() {
    let raid1 = array(Level::Raid1, 0, 3);
    let both = || v1::Edit::Updated(2_000_000_000);
    let claims = vec![
        claim(&raid1, 0, 26, &[faulty(1), faulty(2)]),
        claim(&raid1, 1, 20, &[faulty(0), both()]),
        claim(&raid1, 2, 20, &[faulty(0), both()]),
    ];
    let outcome = decide(claims, Options::default());
    let told = "/dev/a and /dev/b, /dev/c were written to without each other, and only the side of /dev/a is started although /dev/b was written later: mdctl explain /dev/md0";
    assert_eq!(notes(&outcome).last(), Some(&told));
    assert_eq!(added(&outcome), ["/dev/a"]);
}

#[test]
fn two_histories_are_never_mixed() {
    let raid1 = array(Level::Raid1, 0, 2);
    let halves = || vec![claim(&raid1, 0, 6, &[faulty(1)]), claim(&raid1, 1, 9, &[faulty(0)])];
    let outcome = decide(halves(), Options::default());
    let both = "/dev/b and /dev/a were written to without each other, and only the side of /dev/b is started: mdctl explain /dev/md0";
    assert_eq!(notes(&outcome), ["ignoring /dev/a as it reports /dev/b as failed", both]);
    assert_eq!(added(&outcome), ["/dev/b"]);
    assert_eq!(outcome.out, [("/dev/a".to_owned(), Why::Split { freshest: "/dev/b".to_owned() })]);
    // Force mixes them only where there are not enough without.
    let force = || Options { force: true, ..Options::default() };
    let forced = decide(halves(), force());
    assert_eq!(forced.done, "/dev/md0 has been started with 1 drive (out of 2).");
    assert_eq!(added(&forced), ["/dev/b"]);
    let equal = vec![claim(&raid1, 0, 9, &[faulty(1)]), claim(&raid1, 1, 9, &[faulty(0)])];
    let forced = decide(equal, force());
    assert_eq!(notes(&forced)[0], "ignoring /dev/b as it reports /dev/a as failed");
    assert_eq!(added(&forced), ["/dev/a"]);
    let raid5 = array(Level::Raid5, 2, 3);
    let needed = vec![claim(&raid5, 0, 9, &[faulty(1)]), claim(&raid5, 1, 9, &[faulty(0)])];
    assert_eq!(decide(needed, force()).done, "/dev/md0 has been started with 2 drives (out of 3).");
}

#[test]
fn force_takes_the_least_stale_member_and_no_more() {
    let raid5 = array(Level::Raid5, 2, 4);
    let members = || {
        vec![
            claim(&raid5, 0, 15, &[faulty(2), faulty(3)]),
            claim(&raid5, 1, 15, &[faulty(2), faulty(3)]),
            claim(&raid5, 2, 8, &[faulty(3)]),
            claim(&raid5, 3, 1, &[]),
        ]
    };
    let refused = decide(members(), Options::default());
    assert_eq!(refused.done, "/dev/md0 assembled from 2 drives - not enough to start the array.");
    assert_eq!(refused.plan, Plan::default());
    let outcome = decide(members(), Options { force: true, ..Options::default() });
    assert_eq!(
        notes(&outcome),
        [
            "forcing event count in /dev/c(2) from 8 up to 15",
            "clearing FAULTY flag for device 2 in /dev/md0 for /dev/c",
            "Marking array /dev/md0 as 'clean'",
        ]
    );
    assert_eq!(outcome.done, "/dev/md0 has been started with 3 drives (out of 4).");
    let written: Vec<String> = outcome
        .plan
        .steps
        .iter()
        .filter(|step| matches!(step, Step::Disk(DiskStep::Write { .. })))
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        written,
        ["write superblock (events 15 instead of 8) to /dev/c", "write superblock (roles) to /dev/a"]
    );
    every_failure_leaves_no_trace(&outcome.plan);
}

#[test]
fn members_that_left_together_come_back_together() {
    let raid6 = array(Level::Raid6, 2, 5);
    let events = [17, 17, 8, 8, 1];
    let claims = (0..5).zip(events).map(|(n, events)| claim(&raid6, n, events, &[])).collect();
    let outcome = decide(claims, Options { force: true, ..Options::default() });
    assert_eq!(outcome.done, "/dev/md0 has been started with 4 drives (out of 5).");
    let repair = |step: &Step| step.to_string() == "set sync_action of md0 to repair";
    assert!(outcome.plan.steps.iter().any(repair), "parity of one more member is not to be believed");
}

#[test]
fn dirty_and_degraded_needs_force() {
    let raid5 = v1::NewArray { clean: false, ..array(Level::Raid5, 2, 3) };
    let claims = || [0, 1].map(|n| claim(&raid5, n, 7, &[faulty(2)])).to_vec();
    let outcome = decide(claims(), Options::default());
    let why = "not enough to start the array while not clean - consider --force";
    assert_eq!(outcome.done, format!("/dev/md0 assembled from 2 drives - {why}."));
    let outcome = decide(claims(), Options { force: true, ..Options::default() });
    assert_eq!(notes(&outcome), ["Marking array /dev/md0 as 'clean'"]);
    assert_eq!(outcome.verdict, Verdict::Start);
    let insisted = decide(claims(), Options { run: true, ..Options::default() });
    assert_eq!((insisted.verdict, insisted.shortage), (Verdict::Start, Some(Shortage::Dirty)));
    let ppl = v1::NewArray { ppl: true, ..raid5.clone() };
    let claims = [0, 1].map(|n| claim(&ppl, n, 7, &[faulty(2)])).to_vec();
    assert_eq!(decide(claims, Options::default()).verdict, Verdict::Start, "a PPL closes the write hole");
}

#[test]
fn partly_recovered_members_do_not_count() {
    let raid1 = array(Level::Raid1, 0, 2);
    let mut half = claim(&raid1, 1, 7, &[]);
    half.facts.recovery_offset = Some(Sectors(100));
    let outcome = decide(vec![claim(&raid1, 0, 7, &[]), half.clone()], Options::default());
    assert_eq!(outcome.done, "/dev/md0 has been started with 1 drive (out of 2) and 1 rebuilding.");
    let alone = decide(vec![half], Options { force: true, ..Options::default() });
    assert_eq!(
        alone.done,
        "/dev/md0 assembled from 0 drives and 1 rebuilding - not enough to start the array."
    );
}

#[test]
fn spares_alone_are_not_an_array() {
    let raid1 = array(Level::Raid1, 0, 2);
    let spare = claim(&raid1, 2, 0, &[v1::Edit::Role { number: 2, role: Role::Spare }]);
    let outcome = decide(vec![spare.clone()], Options { partial: true, ..Options::default() });
    assert_eq!(outcome.done, "/dev/md0 assembled from 0 drives and 1 spare - not enough to start the array.");
    let all = vec![claim(&raid1, 0, 9, &[]), claim(&raid1, 1, 9, &[]), spare];
    let outcome = decide(all, Options::default());
    assert_eq!(outcome.done, "/dev/md0 has been started with 2 drives and 1 spare.");
    assert_eq!(added(&outcome), ["/dev/b", "/dev/c", "/dev/a"]);
}

#[test]
fn journal_is_needed() {
    let mut raid5 = v1::NewArray { journal: true, ..array(Level::Raid5, 2, 2) };
    raid5.roles.push(Role::Journal);
    let members = |journal: Option<u64>| {
        let mut all = vec![claim(&raid5, 0, 9, &[]), claim(&raid5, 1, 9, &[])];
        all.extend(journal.map(|events| claim(&raid5, 2, events, &[])));
        all
    };
    let force = Options { force: true, ..Options::default() };
    assert_eq!(
        decide(members(Some(9)), Options::default()).done,
        "/dev/md0 has been started with 2 drives and 1 journal."
    );
    for journal in [None, Some(3)] {
        let outcome = decide(members(journal), Options { run: true, ..Options::default() });
        assert_eq!(
            outcome.done,
            "Not safe to assemble with missing or stale journal device, consider --force."
        );
        let outcome = decide(members(journal), force);
        assert_eq!(outcome.verdict, Verdict::StartReadonly);
        assert!(outcome.plan.steps.iter().any(|s| s.to_string() == "set array_state of md0 to readonly"));
    }
}

#[test]
fn damaged_members_are_left_out_and_named() {
    let raid1 = array(Level::Raid1, 0, 2);
    let mut bad = claim(&raid1, 1, 90, &[]);
    bad.damage = Some("checksum is 00000000, should be 00000001".to_owned());
    let claims = vec![claim(&raid1, 0, 7, &[]), bad.clone()];
    let outcome = decide(claims.clone(), Options { partial: true, ..Options::default() });
    assert_eq!(outcome.done, "/dev/md0 has been started with 1 drive (out of 2).");
    assert_eq!(added(&outcome), ["/dev/a"], "its event count is not believed either");
    assert_eq!(outcome.out[0].0, "/dev/b");
    let forced = decide(claims, Options { force: true, ..Options::default() });
    assert!(added(&forced).contains(&"/dev/b"));
    let mended = |step: &Step| step.to_string() == "write superblock (checksum) to /dev/b";
    assert!(forced.plan.steps.iter().any(mended), "the kernel would not have it as it is");
    let refusal = plan(vec![bad], name(), None, &Options::default()).unwrap_err();
    assert!(refusal.text.contains("checksum is 00000000"), "{refusal}");
}

#[test]
fn fresher_of_two_devices_in_a_slot_wins() {
    let raid1 = array(Level::Raid1, 0, 2);
    let mut copy = claim(&raid1, 0, 3, &[]);
    copy.path = "/dev/copy".into();
    copy.id.minor += 100;
    let members = vec![copy, claim(&raid1, 0, 9, &[]), claim(&raid1, 1, 9, &[])];
    let outcome = decide(members, Options::default());
    assert_eq!(added(&outcome), ["/dev/b", "/dev/a"]);
    assert_eq!(outcome.out, [("/dev/copy".to_owned(), Why::Copy { of: "/dev/a".to_owned(), stale: true })]);
}

#[test]
fn slots_beyond_the_array_are_no_slots() {
    let raid1 = array(Level::Raid1, 0, 2);
    let far = v1::Edit::Role { number: 1, role: Role::Slot { slot: 4000, replacement: false } };
    let outcome = decide(
        vec![claim(&raid1, 0, 9, &[]), claim(&raid1, 1, 9, &[far])],
        Options { run: true, ..Options::default() },
    );
    assert_eq!(added(&outcome), ["/dev/a"]);
    assert_eq!(outcome.out[0].1, Why::NoSuchSlot(4000));
}

#[test]
fn inactive_array_with_some_members_gets_the_rest() {
    let raid5 = array(Level::Raid5, 2, 3);
    let claims: Vec<Claim> = (0..3).map(|n| claim(&raid5, n, 7, &[])).collect();
    let adopted = Adopted { members: vec![claims[0].id] };
    let outcome = plan(claims, name(), Some(&adopted), &Options::default()).unwrap();
    assert_eq!(added(&outcome), ["/dev/b", "/dev/c"]);
    assert!(!outcome.plan.steps.iter().any(|step| matches!(step, Step::Md(MdStep::NewArray { .. }))));
    assert_eq!(outcome.after.last().unwrap().text, "/dev/a is already in /dev/md0 as 0");
}

#[test]
fn identities() {
    let raid1 = array(Level::Raid1, 0, 2);
    let member = claim(&raid1, 0, 1, &[]);
    let here = Home { host: Some("guest".into()), required: true };
    let there = Home { host: Some("alpha".into()), required: true };
    let anywhere = Home { host: Some("alpha".into()), required: false };
    let named = |name: &str| WantedIdentity { name: Some(name.into()), ..WantedIdentity::default() };
    for (identity, home, mismatch) in [
        (WantedIdentity::default(), &here, None),
        (WantedIdentity { uuid: Some(UUID), ..WantedIdentity::default() }, &here, None),
        (
            WantedIdentity { uuid: Some(MdUuid([2; 16])), ..WantedIdentity::default() },
            &here,
            Some("has wrong uuid"),
        ),
        (named("0"), &here, None),
        (named("guest:0"), &there, None),
        (named("0"), &there, Some("has wrong name")),
        (named("0"), &anywhere, None),
        (named("1"), &anywhere, Some("has wrong name")),
        (
            WantedIdentity { super_minor: Some(0), ..WantedIdentity::default() },
            &here,
            Some("has wrong super-minor"),
        ),
        (
            WantedIdentity { level: Some(Level::Raid5), ..WantedIdentity::default() },
            &here,
            Some("has wrong raid level"),
        ),
        (
            WantedIdentity { raid_disks: Some(3), ..WantedIdentity::default() },
            &here,
            Some("requires wrong number of drives"),
        ),
    ] {
        assert_eq!(identity.mismatch(&member, home), mismatch, "{identity:?} {home:?}");
    }
    assert!(here.owns(&member) && !there.owns(&member));
}
