//! md's attributes: that each kernel's are known to us, that they are read as values, and that changes are told.
#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use mdctl::kernel::{
    Deadline, DevId, KernelError, Places, Procfs, Sysfs, Watched, devdir, files, mdstat, node,
    sysfs::{ArrayAttr, ArrayState, Changing, MemberAttr, MemberState, SlotText, SyncAction},
    udev,
};
use superblock::{Kib, Sectors};

use crate::guest::{self, Case, Disks, reference};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("all_of_this_kernel_are_known", all_of_this_kernel_are_known),
        Case::new("as_values", as_values),
        Case::new("of_a_degraded_array", of_a_degraded_array),
        Case::new("a_change_is_told", a_change_is_told),
        Case::new("what_udev_knows", what_udev_knows),
    ]
}

fn create(words: &[&str], disks: &Disks) {
    let fixed = ["--create", "/dev/md77", "--run", "--quiet"];
    reference(&[&fixed[..], words, &disks.all()].concat()).ok();
    guest::settle();
}

/// The files in a directory and one level below it.
fn files_below(dir: &str) -> BTreeSet<String> {
    let found =
        guest::sh(&format!("cd {dir} && find . -maxdepth 2 -type f ! -path './dev-*' -printf '%P\\n'")).ok();
    found.stdout.lines().map(str::to_owned).collect()
}

fn all_of_this_kernel_are_known() {
    let kinds: &[&[&str]] = &[
        &["-l0", "-n3"],
        &["-l1", "-n3", "--bitmap=internal", "--assume-clean"],
        &["-l5", "-n3", "--consistency-policy=ppl", "--assume-clean"],
        &["-l10", "-n3", "--bitmap=none", "--assume-clean"],
        &["-l1", "-n3", "--bitmap=lockless", "--assume-clean"],
    ];
    let mut unknown = BTreeSet::new();
    for kind in kinds.iter().take(if offers_lockless() { 5 } else { 4 }) {
        let disks = Disks::new(3, 32768);
        create(kind, &disks);
        let known: BTreeSet<_> = ArrayAttr::ALL.iter().map(|attr| attr.path().to_owned()).collect();
        unknown.extend(files_below("/sys/block/md77/md").difference(&known).cloned());
        let known: BTreeSet<_> = MemberAttr::ALL.iter().map(|attr| attr.path().to_owned()).collect();
        unknown.extend(files_below("/sys/block/md77/md/dev-ram0").difference(&known).cloned());
        for attr in ArrayAttr::ALL {
            let read = Sysfs::default().array("md77").read(*attr);
            assert!(
                read.as_ref().is_ok_and(|text| text.is_some() || !known_to_all(*attr)) || write_only(*attr),
                "{kind:?} {attr:?}: {read:?}"
            );
        }
        reference(&["--stop", "/dev/md77"]).ok();
    }
    assert_eq!(unknown, BTreeSet::new());
}

/// Whether this kernel has lockless bitmaps: a build option, whatever the version.
fn offers_lockless() -> bool {
    let sysfs = Sysfs::default();
    assert!(node::new_array(&sysfs, "md78").unwrap());
    let choice = sysfs.array("md78").choice(ArrayAttr::BitmapType).unwrap();
    sysfs.array("md78").write(ArrayAttr::ArrayState, "clear").unwrap();
    guest::settle();
    choice.is_some_and(|(words, _)| words.iter().any(|word| word == "llbitmap"))
}

fn write_only(attr: ArrayAttr) -> bool {
    matches!(attr, ArrayAttr::NewDev | ArrayAttr::BitmapSetBits)
}

/// What arrays of all levels have on all kernels.
fn known_to_all(attr: ArrayAttr) -> bool {
    use ArrayAttr as A;
    let everywhere = [
        A::ArrayState,
        A::Level,
        A::RaidDisks,
        A::Layout,
        A::ChunkSize,
        A::ComponentSize,
        A::ArraySize,
        A::MetadataVersion,
        A::ResyncStart,
        A::ReshapePosition,
        A::SafeModeDelay,
        A::ConsistencyPolicy,
    ];
    everywhere.contains(&attr)
}

fn as_values() {
    let disks = Disks::new(4, 16384);
    create(&["-l5", "-n3", "-x1", "--chunk=64", "--bitmap=internal", "--assume-clean"], &disks);
    let sysfs = Sysfs::default();
    let array = sysfs.array("md77");
    let same = |new| Some(Changing { new, old: None });
    assert_eq!(sysfs.arrays().unwrap(), ["md77"]);
    assert_eq!(array.dev().unwrap(), Some(DevId { major: 9, minor: 77 }));
    assert!(array.state().unwrap().unwrap().is_running());
    assert_eq!(array.level().unwrap().as_deref(), Some("raid5"));
    assert_eq!(array.metadata_version().unwrap().as_deref(), Some("1.2"));
    assert_eq!((array.raid_disks().unwrap(), array.layout().unwrap()), (same(3), same(2)));
    assert_eq!(array.chunk_size().unwrap(), same(65536));
    let component = array.component_size().unwrap().unwrap();
    assert_eq!(array.size().unwrap(), Some(Sectors(component.0 * 4)));
    assert_eq!(array.array_size().unwrap(), Some(None));
    assert_eq!(array.resync_start().unwrap(), Some(None));
    assert_eq!(array.reshape_position().unwrap(), Some(None));
    assert_eq!(array.sync_action().unwrap(), Some(SyncAction::Idle));
    assert_eq!(array.sync_speed().unwrap(), Some(None));
    assert_eq!((array.degraded().unwrap(), array.mismatch_count().unwrap()), (Some(0), Some(Sectors(0))));
    array.sync_completed().unwrap().unwrap();
    array.last_sync_action().unwrap().unwrap();
    array.choice(ArrayAttr::BitmapType).unwrap();
    let members = array.members().unwrap();
    assert_eq!(
        members.iter().map(|member| member.name()).collect::<Vec<_>>(),
        ["ram0", "ram1", "ram2", "ram3"]
    );
    for (slot, member) in (0u32..).zip(&members) {
        let place = if slot == 3 { SlotText::None } else { SlotText::Slot(slot) };
        assert_eq!(member.slot().unwrap(), Some(place));
        assert_eq!(member.size().unwrap(), Some(component));
        assert!(member.offset().unwrap().unwrap() > Sectors(8));
        assert_eq!((member.errors().unwrap(), member.bad_blocks().unwrap()), (Some(0), Some(vec![])));
        let state = if slot == 3 { MemberState::Spare } else { MemberState::InSync };
        assert_eq!(member.state().unwrap(), Some(vec![state]));
        member.recovery_start().unwrap().unwrap();
    }
    assert!(component > Kib(0));
    let entries = mdstat::read(&Procfs::default()).unwrap();
    assert_eq!((entries[0].name.as_str(), entries[0].pattern.as_str()), ("md77", "UUU"));
    assert_eq!((entries[0].metadata.as_str(), &entries[0].activity), ("1.2", &None));
}

fn of_a_degraded_array() {
    let disks = Disks::new(2, 16384);
    create(&["-l1", "-n2", "--assume-clean", "--bitmap=none"], &disks);
    let sysfs = Sysfs::default();
    let array = sysfs.array("md77");
    array.member("ram1").write(MemberAttr::State, "faulty").unwrap();
    assert_eq!(array.degraded().unwrap(), Some(1));
    assert!(array.member("ram1").state().unwrap().unwrap().contains(&MemberState::Faulty));
    let dev = array.member("ram1").dev().unwrap().unwrap();
    assert_eq!(array.member_of(dev).unwrap().unwrap().name(), "ram1");
    let remove = || array.member("ram1").write(MemberAttr::State, "remove");
    let busy = |error: &KernelError| error.is(nix::errno::Errno::EBUSY);
    mdctl::kernel::wait::retry(Duration::from_secs(10), remove, busy, || ()).unwrap();
    let refused: KernelError = array.member("ram0").write(MemberAttr::State, "remove").unwrap_err();
    assert_eq!(refused.to_string(), "md77: dev-ram0/state=remove: EBUSY: Device or resource busy");
    assert_eq!(array.state().unwrap(), Some(ArrayState::Clean));
    assert_eq!(mdstat::read(&Procfs::default()).unwrap()[0].pattern, "U_");
    let refused = array.write(ArrayAttr::ArrayState, "nonsense").unwrap_err();
    assert_eq!(refused.to_string(), "md77: array_state=nonsense: EINVAL: Invalid argument");
}

fn a_change_is_told() {
    let disks = Disks::new(2, 16384);
    create(&["-l1", "-n2", "--assume-clean", "--bitmap=none"], &disks);
    let array_state = Path::new("/sys/block/md77/md/array_state");
    let mut files = [array_state, Path::new("/proc/mdstat")]
        .map(|path| Watched::open(path).unwrap().expect("it is there"));
    for file in &mut files {
        file.read().unwrap().unwrap();
    }
    let soon = || Deadline::after(Duration::from_secs(10));
    for file in &files {
        assert!(!file.changed(Deadline::after(Duration::from_millis(50))).unwrap(), "{file:?}");
    }
    Sysfs::default().array("md77").member("ram1").write(MemberAttr::State, "faulty").unwrap();
    let begin = Instant::now();
    assert!(files[1].changed(soon()).unwrap());
    assert!(begin.elapsed() < Duration::from_secs(5));
    Sysfs::default().array("md77").write(ArrayAttr::ArrayState, "readonly").unwrap();
    assert!(files[0].changed(soon()).unwrap());
    assert_eq!(files[0].read().unwrap().as_deref(), Some("readonly"));
}

fn what_udev_knows() {
    let disks = Disks::new(2, 16384);
    create(&["-l1", "-n2", "--name=home", "--assume-clean", "--bitmap=none"], &disks);
    let places = Places::default();
    let dev = DevId { major: 9, minor: 77 };
    let record = udev::record(&places, dev).unwrap().expect("udev has seen it");
    assert_eq!(record.properties.get("MD_LEVEL").map(String::as_str), Some("raid1"));
    let names: Vec<_> =
        devdir::names(&places).into_iter().filter(|name| name.1 == dev).map(|name| name.0).collect();
    assert!(names.contains(&"/dev/md77".into()), "{names:?}");
    for link in &record.links {
        assert!(names.contains(&places.dev.join(link)), "{link} is not in {names:?}");
    }
    assert_eq!(Procfs::default().block_major("md").unwrap(), Some(9));
    let listed = Procfs::default().partitions().unwrap();
    assert!(listed.iter().any(|line| line.name == "md77" && line.dev == dev), "{listed:?}");
    assert!(files::read(Path::new("/proc/mdstat"), 8).unwrap_err().to_string().contains("more than 8 bytes"));
}
