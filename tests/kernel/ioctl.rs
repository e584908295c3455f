//! What every md request answers, on an empty array and on a running one, on each kernel: the rows of
//! docs/md-ioctls.md. A row that changes is news about a kernel.
#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

use std::time::Duration;

use mdctl::kernel::{
    Access, DevId, KernelError, MdDevice, Places, Sysfs,
    md::{ArrayInfo, DiskFlags, MduDiskInfo, Obsolete},
    node, wait,
};
use nix::errno::Errno;

use crate::guest::{self, Case, Disks, reference};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("the_table_in_docs_is_this_one", the_table_in_docs_is_this_one),
        Case::new("every_request_on_an_empty_array", every_request_on_an_empty_array),
        Case::new("every_request_on_a_running_array", every_request_on_a_running_array),
        Case::new("a_mirror_by_requests_alone", a_mirror_by_requests_alone),
    ]
}

type Request = (&'static str, fn(&MdDevice) -> Result<String, KernelError>);

/// Every request, with arguments that name nothing: zeros, and a device number that is no member.
const REQUESTS: &[Request] = &[
    ("RAID_VERSION", |md| md.version().map(|v| format!("{}.{}.{}", v.major, v.minor, v.patchlevel))),
    ("GET_ARRAY_INFO", |md| md.array_info().map(|info| format!("level {}", info.level))),
    ("GET_DISK_INFO", |md| md.disk_info(0).map(|disk| format!("slot {}", disk.raid_disk))),
    ("PRINT_RAID_DEBUG", |md| done(md.obsolete(Obsolete::PrintRaidDebug))),
    ("RAID_AUTORUN", |md| done(md.raid_autorun())),
    ("GET_BITMAP_FILE", |md| md.bitmap_file().map(|path| format!("{path:?}"))),
    ("CLEAR_ARRAY", |md| done(md.obsolete(Obsolete::ClearArray))),
    ("ADD_NEW_DISK", |md| done(md.add_new_disk(&MduDiskInfo::default()))),
    ("HOT_REMOVE_DISK", |md| done(md.hot_remove_disk(NOBODY))),
    ("SET_ARRAY_INFO", |md| done(md.set_array_info(&ArrayInfo::default()))),
    ("SET_DISK_INFO", |md| done(md.obsolete(Obsolete::SetDiskInfo))),
    ("WRITE_RAID_INFO", |md| done(md.obsolete(Obsolete::WriteRaidInfo))),
    ("UNPROTECT_ARRAY", |md| done(md.obsolete(Obsolete::UnprotectArray))),
    ("PROTECT_ARRAY", |md| done(md.obsolete(Obsolete::ProtectArray))),
    ("HOT_ADD_DISK", |md| done(md.hot_add_disk(NOBODY))),
    ("SET_DISK_FAULTY", |md| done(md.set_disk_faulty(NOBODY))),
    ("HOT_GENERATE_ERROR", |md| done(md.obsolete(Obsolete::HotGenerateError))),
    ("SET_BITMAP_FILE", |md| done(md.set_bitmap_file(None))),
    ("START_ARRAY", |md| done(md.obsolete(Obsolete::StartArray))),
    ("CLUSTERED_DISK_NACK", |md| done(md.clustered_disk_nack())),
    ("RUN_ARRAY", |md| done(md.run_array())),
    ("STOP_ARRAY_RO", |md| done(md.stop_array_ro())),
    ("RESTART_ARRAY_RW", |md| done(md.restart_array_rw())),
    ("STOP_ARRAY", |md| done(md.stop_array())),
];

const NOBODY: DevId = DevId { major: 0, minor: 0 };

fn done(result: Result<(), KernelError>) -> Result<String, KernelError> {
    result.map(|()| "ok".to_owned())
}

fn answer(md: &MdDevice, (name, request): Request) -> String {
    match request(md) {
        Ok(text) => text,
        Err(error) => {
            assert!(error.operation == name, "{name} reported itself as {error}");
            error
                .errno()
                .expect("an ioctl fails with an errno")
                .to_string()
                .split(':')
                .next()
                .unwrap()
                .to_owned()
        }
    }
}

/// Opens an array by its kernel name.
fn open(name: &str) -> MdDevice {
    let dev = Sysfs::default().array(name).dev().unwrap().expect("the array has a number");
    node::open_number(&Places::default(), dev, Access::Write, name).unwrap()
}

fn compare(expected: impl Fn(usize) -> [&'static str; 3], answers: &[String]) {
    let release = mdctl::kernel::host::release().unwrap();
    let column = ["6.1.", "6.12.", "7.2."].iter().position(|start| release.starts_with(start));
    let column = column.unwrap_or_else(|| panic!("no rows for kernel {release}"));
    let mut wrong = vec![];
    for (index, (request, answer)) in REQUESTS.iter().zip(answers).enumerate() {
        let expected = expected(index)[column];
        if answer != expected {
            wrong.push(format!("{}: {answer}, expected {expected}", request.0));
        }
    }
    assert!(wrong.is_empty(), "on {release}:\n{}", wrong.join("\n"));
}

fn every_request_on_an_empty_array() {
    let mut answers = vec![];
    let mut array = None;
    for request in REQUESTS {
        // One array, held open (6.1 takes an empty one away when it is closed after a request), until a request
        // is carried out.
        let md = array.take().unwrap_or_else(|| {
            assert!(node::new_array(&Sysfs::default(), "md77").unwrap());
            open("md77")
        });
        let answer = answer(&md, *request);
        if answer == "ok" {
            let _ = md.stop_array();
            drop(md);
            guest::settle();
            assert_eq!(guest::arrays(), Vec::<String>::new(), "left by {}", request.0);
        } else {
            array = Some(md);
        }
        answers.push(answer);
    }
    compare(|row| EXPECTED[row].1, &answers);
}

fn every_request_on_a_running_array() {
    let disks = Disks::new(2, 16384);
    let words = ["--create", "/dev/md77", "--run", "-l1", "-n2", "--assume-clean", "--bitmap=none"];
    reference(&[&words[..], &disks.all()].concat()).ok();
    guest::settle();
    let md = open("md77");
    let answers: Vec<String> = REQUESTS.iter().map(|request| answer(&md, *request)).collect();
    drop(md);
    guest::settle();
    assert_eq!(guest::arrays(), Vec::<String>::new(), "STOP_ARRAY came last");
    compare(|row| EXPECTED[row].2, &answers);
}

fn the_table_in_docs_is_this_one() {
    let cell = |answers: &[&str; 3]| {
        let plain = answers.map(|answer| if answer == "\"\"" { "empty" } else { answer });
        let [a, b, c] = plain;
        if a == b && b == c { a.to_owned() } else { plain.join(", ") }
    };
    let documented: Vec<&str> =
        include_str!("../../docs/md-ioctls.md").lines().filter(|line| line.contains("| 0x")).collect();
    assert_eq!(documented.len(), EXPECTED.len());
    for (name, empty, running) in EXPECTED {
        let end = format!("| {} | {} |", cell(empty), cell(running));
        let row = |line: &&&str| line.starts_with(&format!("| {name} |")) && line.ends_with(&end);
        assert_eq!(documented.iter().filter(row).count(), 1, "{name} {end}");
    }
    let names: Vec<_> = REQUESTS.iter().map(|request| request.0).collect();
    assert!(EXPECTED.iter().map(|row| row.0).eq(names));
}

fn a_mirror_by_requests_alone() {
    let disks = Disks::new(2, 16384);
    let members: Vec<DevId> = disks
        .all()
        .iter()
        .map(|path| node::number_of(path.as_ref()).unwrap().expect("a block device"))
        .collect();
    assert!(node::new_array(&Sysfs::default(), "md77").unwrap());
    let md = open("md77");
    // Without metadata: everything is in the requests.
    let info = ArrayInfo {
        level: 1,
        raid_disks: 2,
        size: 16384,
        not_persistent: 1,
        nr_disks: 2,
        ..ArrayInfo::default()
    };
    md.set_array_info(&ArrayInfo { md_minor: 77, state: 1, chunk_size: 65536, ..info }).unwrap();
    for (number, dev) in (0..).zip(&members) {
        let flags = DiskFlags::ACTIVE | DiskFlags::SYNC;
        md.add_new_disk(&MduDiskInfo::of(*dev, number, number, flags)).unwrap();
    }
    md.run_array().unwrap();
    let info = md.array_info().unwrap();
    assert_eq!((info.level, info.active_disks, info.not_persistent), (1, 2, 1));
    let sysfs = Sysfs::default();
    assert!(sysfs.array("md77").state().unwrap().unwrap().is_running());
    assert_eq!(sysfs.array("md77").members().unwrap().len(), 2);

    let busy = md.hot_remove_disk(members[0]).unwrap_err();
    assert_eq!(busy.to_string(), "md77: HOT_REMOVE_DISK: EBUSY: Device or resource busy");
    md.set_disk_faulty(members[0]).unwrap();
    assert!(md.disk_info(0).unwrap().flags().contains(DiskFlags::FAULTY));
    // The array lets go of it a moment later; udev has the array open for a moment after each change.
    let patiently = |request: &dyn Fn(&MdDevice) -> Result<(), KernelError>| {
        let busy = |error: &KernelError| error.is(Errno::EBUSY);
        wait::retry(Duration::from_secs(10), || request(&md), busy, || ()).unwrap();
    };
    patiently(&|md| md.hot_remove_disk(members[0]));
    patiently(&MdDevice::stop_array_ro);
    patiently(&MdDevice::restart_array_rw);
    patiently(&MdDevice::stop_array);
}

/// Request; on an empty array and on a running one, each on 6.1, 6.12 and 7.2.
const EXPECTED: &[(&str, [&str; 3], [&str; 3])] = &[
    ("RAID_VERSION", ["0.90.3"; 3], ["0.90.3"; 3]),
    ("GET_ARRAY_INFO", ["ENODEV"; 3], ["level 1"; 3]),
    ("GET_DISK_INFO", ["ENODEV"; 3], ["slot 0"; 3]),
    ("PRINT_RAID_DEBUG", ["ENOTTY"; 3], ["ENOTTY"; 3]),
    ("RAID_AUTORUN", ["ENOTTY"; 3], ["ENOTTY"; 3]),
    ("GET_BITMAP_FILE", ["\"\""; 3], ["\"\""; 3]),
    ("CLEAR_ARRAY", ["ENOTTY"; 3], ["ENOTTY"; 3]),
    ("ADD_NEW_DISK", ["ENXIO"; 3], ["ENXIO"; 3]),
    ("HOT_REMOVE_DISK", ["ENODEV"; 3], ["ENXIO"; 3]),
    ("SET_ARRAY_INFO", ["ok"; 3], ["EINVAL"; 3]),
    ("SET_DISK_INFO", ["ENOTTY"; 3], ["ENOTTY"; 3]),
    ("WRITE_RAID_INFO", ["ENOTTY"; 3], ["ENOTTY"; 3]),
    ("UNPROTECT_ARRAY", ["ENOTTY"; 3], ["ENOTTY"; 3]),
    ("PROTECT_ARRAY", ["ENOTTY"; 3], ["ENOTTY"; 3]),
    ("HOT_ADD_DISK", ["ENODEV"; 3], ["EINVAL"; 3]),
    ("SET_DISK_FAULTY", ["ENODEV"; 3], ["ENODEV"; 3]),
    ("HOT_GENERATE_ERROR", ["ENOTTY"; 3], ["ENOTTY"; 3]),
    ("SET_BITMAP_FILE", ["ENOENT", "ENOENT", "EINVAL"], ["ENOENT", "ENOENT", "EINVAL"]),
    ("START_ARRAY", ["ENOTTY"; 3], ["ENOTTY"; 3]),
    ("CLUSTERED_DISK_NACK", ["ENODEV"; 3], ["EINVAL"; 3]),
    ("RUN_ARRAY", ["EINVAL"; 3], ["EBUSY"; 3]),
    ("STOP_ARRAY_RO", ["ENODEV"; 3], ["ok"; 3]),
    ("RESTART_ARRAY_RW", ["ENODEV"; 3], ["ok"; 3]),
    ("STOP_ARRAY", ["ok"; 3], ["ok"; 3]),
];
