use superblock::{
    Sectors,
    lvm::{PhysicalVolume, Stamp},
};

use super::{
    super::{
        restore::{
            self,
            tests::{device, group, id, kept, world},
        },
        which,
    },
    *,
};
use crate::{
    model::volume::{KeptState, LeftOutCause, RefusedDevice, Traces},
    plan::{Plan, run::tests::every_failure_leaves_no_trace},
};

/// The group without its second device, after this change.
fn reduced(seqno: u32) -> Groups {
    let mut groups = world(group(seqno, &[]));
    groups.groups[0].group.pvs.pop();
    groups.groups[0].devices.pop();
    groups
}

/// The second device with the text of then.
fn outdated() -> PvDevice {
    let mut back = device(2, true);
    back.areas[0].holds = Some((id(9), 3));
    back.label.set_in_use(true);
    back
}

fn decide(groups: &Groups, state: &KeptState) -> Result<Plan, Refusal> {
    let highest = which::highest(&state.group, groups, &[], &Traces::default());
    restore::plan(groups, state, (highest, &[]), false, &Stamp::default())
}

fn shown(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(ToString::to_string).collect()
}

#[test]
fn what_left_comes_back_with_what_is_on_it() {
    let mut state = kept(3, &["a"], "x");
    let on_second = state.group.volume_mut("a").unwrap();
    for segment in &mut on_second.segments {
        if let superblock::lvm::Kind::Striped { legs, .. } = &mut segment.kind {
            legs[0].pv = 1;
        }
    }
    let groups = Groups { outdated: vec![outdated()], ..reduced(4) };
    let plan = decide(&groups, &state).unwrap();
    let steps = shown(&plan);
    assert!(steps.iter().any(|step| step.contains("change 5 of vg to 2 metadata areas")), "{steps:#?}");
    assert!(!steps.iter().any(|step| step.contains("label")), "{steps:#?}");
    let said: Vec<&str> = plan.warnings.iter().map(|warning| warning.text.as_str()).collect();
    assert!(said.iter().any(|text| text.starts_with("/dev/d2 comes back as physical volume")), "{said:?}");
    every_failure_leaves_no_trace(&plan);
    // It was taken out in order, and has a label of nobody.
    let mut free = device(2, false);
    free.label.set_in_use(false);
    let lone = Groups { lone: vec![free], ..reduced(4) };
    let plan = decide(&lone, &state).unwrap();
    assert!(shown(&plan).iter().any(|step| step.contains("the label of physical volume")));
    every_failure_leaves_no_trace(&plan);
    // Its area is another group's.
    let mut others = outdated();
    others.areas[0].holds = Some((id(8), 3));
    let others = Groups { outdated: vec![others], ..reduced(4) };
    assert!(decide(&others, &state).unwrap_err().text.contains("which is not here"));
    assert!(decide(&reduced(4), &state).unwrap_err().text.contains("which is not here"));
    let cause = LeftOutCause::NotListed;
    let refused = RefusedDevice { path: "/dev/d2".into(), dev: None, pv: Some(id(2)), group: None, cause };
    let unlisted = Groups { refused: vec![refused], ..reduced(4) };
    assert!(decide(&unlisted, &state).unwrap_err().text.ends_with("/dev/d2 is not in the devices file"));
    // It is smaller than it was.
    let mut small = outdated();
    small.size = superblock::Bytes(1 << 20);
    let small = Groups { outdated: vec![small], ..reduced(4) };
    assert!(decide(&small, &state).unwrap_err().text.contains("can only be read"));
}

#[test]
fn what_joined_is_free_again() {
    let mut groups = world(group(7, &["a"]));
    let pv = PhysicalVolume::new(id(3), String::new(), Sectors(131_072), Sectors(2048), Sectors(8192));
    groups.groups[0].group.add_pv(pv.unwrap()).unwrap();
    groups.groups[0].devices.push(Some(device(3, true)));
    let plan = decide(&groups, &kept(3, &["a"], "x")).unwrap();
    let steps = shown(&plan);
    assert!(steps.iter().any(|step| step.contains("change 8 of vg to 2 metadata areas")), "{steps:#?}");
    let zeroed =
        |step: &Step| matches!(step, Step::Disk(DiskStep::Write { device, .. }) if device == "/dev/d3");
    assert!(plan.steps.iter().any(zeroed), "{steps:#?}");
    assert!(plan.warnings.iter().any(|warning| warning.text.starts_with("/dev/d3 will be in no group")));
    every_failure_leaves_no_trace(&plan);
}
