use crate::plan::{DiskStep, SystemStep};

use super::*;
use crate::{
    archive::{Attributes, Identity, Print, tests::about},
    model::{DevId, samples},
    plan::run::tests::every_failure_leaves_no_trace,
};

fn device(path: &str) -> Sighted {
    let device = samples::device(path, DevId::default(), Bytes(1 << 20));
    Sighted::new(device, Attributes::default())
}

fn write(device: &str, at: u64, length: usize) -> Step {
    let writes = vec![Write { at: Bytes(at), data: vec![7; length] }];
    Step::Disk(DiskStep::Write { device: device.into(), what: "superblock".into(), writes })
}

fn plan(steps: Vec<Step>) -> Plan {
    Plan { summary: "test".into(), steps, warnings: Vec::new() }
}

fn claim(device: &str) -> Step {
    Step::Disk(DiskStep::Claim { device: device.into() })
}

#[test]
fn a_plan_without_writes_stays_as_it_is() {
    let nothing = plan(vec![claim("/dev/a"), Step::Commit]);
    assert_eq!(endangered(&nothing), Vec::<String>::new());
    assert_eq!(keep(&nothing, &[device("/dev/a")], about(1)), (nothing.clone(), None));
}

#[test]
fn what_is_written_is_kept_before_the_first_write() {
    let writes = plan(vec![
        claim("/dev/a"),
        claim("/dev/b"),
        Step::System(SystemStep::LockMap),
        write("/dev/a", 4096, 1024),
        write("/dev/a", 5120, 512),
        write("/dev/b", 1 << 20, 512),
        Step::Commit,
    ]);
    assert_eq!(endangered(&writes), ["/dev/a", "/dev/b"]);
    let print = |at| Print { at, crc32: 1 };
    let mut first = device("/dev/a");
    first.identity.prints = vec![print(0), print(4096), print(8192)];
    let (kept, at) = keep(&writes, &[first, device("/dev/b")], about(1));
    assert_eq!(at, Some(3));
    let Step::System(SystemStep::Archive { record }) = &kept.steps[3] else { panic!("{kept}") };
    assert_eq!(record.devices.len(), 1, "a range beyond the end is nothing: {record:?}");
    assert_eq!(record.devices[0].ranges, [(Bytes(4096), Bytes(1536))]);
    assert_eq!(record.devices[0].written.len(), 2);
    let prints = vec![print(0), print(8192)];
    assert_eq!(
        record.devices[0].device,
        Identity { prints, ..device("/dev/a").identity },
        "what is written over tells nothing"
    );
    assert_eq!(every_failure_leaves_no_trace(&kept), 8);
}

#[test]
fn zeroes_over_data_come_after_it() {
    let zeroes = Step::Disk(DiskStep::Zero { ranges: vec![("/dev/a".into(), Sectors(64), Sectors(64))] });
    let both = plan(vec![claim("/dev/a"), zeroes, write("/dev/a", 0, 512), Step::Commit]);
    let (kept, at) = keep(&both, &[device("/dev/a")], about(1));
    assert_eq!(at, Some(1));
    assert!(matches!(kept.steps[1], Step::System(SystemStep::Archive { .. })));
}
