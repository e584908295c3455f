//! Updates: all members or none, and every failure on the way leaves the old bytes.

use crate::{
    plan::{DiskStep, SystemStep},
    request::Update,
};
use superblock::bitmap::{NewSuperblock, Version};

use super::*;

fn updating(what: Update) -> Updating {
    Updating {
        what,
        uuid: None,
        name: None,
        host: Some("guest".to_owned()),
        nodes: None,
        cluster: None,
        unstarted: false,
        force: false,
        fresh: vec![MdUuid([0x99; 16])],
    }
}

fn decide(claims: Vec<Claim>, updating: &Updating) -> Result<ArrayOutcome, Refusal> {
    plan_with(claims, name(), None, &Options { run: true, ..Options::default() }, Some(updating))
}

#[test]
fn failed_members_are_told_too_and_let_go() {
    let mirror = array(Level::Raid1, 0, 3);
    let claims = vec![
        claim(&mirror, 0, 7, &[]),
        claim(&mirror, 1, 7, &[]),
        claim(&mirror, 2, 5, &[v1::Edit::Role { number: 2, role: Role::Faulty }]),
    ];
    let outcome = decide(claims, &updating(Update::Uuid)).unwrap();
    let written = |step: &&Step| matches!(step, Step::Disk(DiskStep::Write { .. }));
    assert_eq!(outcome.plan.steps.iter().filter(written).count(), 3);
    assert!(outcome.plan.steps.contains(&Step::Disk(DiskStep::Release { device: "/dev/c".into() })));
    assert_eq!(added(&outcome), ["/dev/b", "/dev/a"]);
    let entry = outcome.plan.steps.iter().find_map(|step| match step {
        Step::System(SystemStep::MapAdd { entry }) => Some(entry.uuid),
        _ => None,
    });
    assert_eq!(entry, Some(MdUuid([0x99; 16])));
    every_failure_leaves_no_trace(&outcome.plan);
}

#[test]
fn members_of_another_shape_stay_as_they_are() {
    let mirror = array(Level::Raid1, 0, 2);
    let before = v1::NewArray { size: Sectors(8192), ..mirror.clone() };
    let claims = vec![claim(&mirror, 0, 7, &[]), claim(&before, 1, 3, &[])];
    let outcome = decide(claims, &updating(Update::Uuid)).unwrap();
    let touched = outcome.plan.steps.iter().filter(|step| step.to_string().contains("/dev/b"));
    assert_eq!(touched.collect::<Vec<_>>(), Vec::<&Step>::new(), "it may be of another array");
    assert_eq!(added(&outcome), ["/dev/a"]);
}

#[test]
fn what_one_member_refuses_is_written_to_none() {
    let mirror = array(Level::Raid1, 0, 2);
    let claims = || vec![claim(&mirror, 0, 7, &[]), claim(&mirror, 1, 7, &[])];
    for (what, text) in [
        (Update::Summaries, "--update=summaries not understood for 1.x metadata"),
        (Update::RevertReshape, "No active reshape to revert on /dev/a"),
        (Update::LayoutOriginal, "--update=layout-original not understood for 1.x metadata"),
        (Update::Ppl, "PPL consistency policy is only supported for RAID level 5."),
        (Update::Nodes, "Error: Invalid bitmap"),
    ] {
        assert_eq!(decide(claims(), &updating(what)).unwrap_err().text, text);
    }
    let inside = Adopted { members: vec![DevId { major: 1, minor: 0 }] };
    let refused =
        plan_with(claims(), name(), Some(&inside), &Options::default(), Some(&updating(Update::Resync)));
    assert!(refused.unwrap_err().text.contains("has some of the members already"));
}

#[test]
fn bitmaps_of_a_cluster_begin_anew() {
    let bitmap = NewSuperblock {
        version: Version::Clustered,
        uuid: UUID.0,
        sync_size: Sectors(40960),
        chunk: 64 << 20,
        daemon_sleep: 5,
        write_behind: 0,
        sectors_reserved: 0,
        nodes: 4,
        cluster_name: b"old".to_vec(),
        assume_clean: false,
    };
    let mut mirror = array(Level::Raid1, 0, 2);
    // As in every cluster: nodes could not agree about one.
    mirror.bad_block_log = false;
    let claims = || {
        [0, 1]
            .map(|n| Claim { bitmap: Some((Sectors(16), bitmap.build())), ..claim(&mirror, n, 7, &[]) })
            .to_vec()
    };
    let named = Updating { cluster: Some("new".into()), ..updating(Update::HomeCluster) };
    let outcome = decide(claims(), &named).unwrap();
    let writes = outcome.plan.steps.iter().find_map(|step| match step {
        Step::Disk(DiskStep::Write { writes, .. }) => Some(writes.clone()),
        _ => None,
    });
    let area = writes.unwrap().pop().unwrap();
    assert_eq!((area.at, area.data.len()), (Sectors(16).bytes(), 4 * 4096));
    assert_eq!(&area.data[72..76], b"new\0");
    assert_eq!((area.data[256], area.data[4096 + 256]), (0xff, 0), "node 0 synchronises all");
    for (nodes, text) in [
        (1, "Warning: cluster-md at least needs two nodes"),
        (500, "Warning: The max num of nodes can't exceed 254"),
    ] {
        let more = Updating { nodes: Some(nodes), ..updating(Update::Nodes) };
        assert_eq!(decide(claims(), &more).unwrap_err().text, text);
    }
    let fewer = Updating { nodes: Some(2), ..updating(Update::Nodes) };
    every_failure_leaves_no_trace(&decide(claims(), &fewer).unwrap().plan);
}
