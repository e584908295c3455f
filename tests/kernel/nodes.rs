//! The doors through which an array comes, the node that it gets, and that a stopped one is gone.
#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

use std::{
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use mdctl::{
    kernel::{
        Access, BlockDevice, Deadline, DevId, Holder, KernelError, Lock, MdDevice, Places, Procfs, Sysfs,
        appear::{self, Disappearance},
        holders, module, node,
    },
    words::MD_MAJOR,
};
use superblock::{Bytes, Media};

use crate::guest::{self, Case, Disks, reference};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("by_name", by_name),
        Case::new("by_opening_the_number", by_opening_the_number),
        Case::new("a_stop_waits_until_all_is_gone", a_stop_waits_until_all_is_gone),
        Case::new("udev_is_waited_for", udev_is_waited_for),
        Case::new("who_holds_a_member", who_holds_a_member),
        Case::new("a_device_around_the_page_cache", a_device_around_the_page_cache),
        Case::new("partitions_are_forgotten", partitions_are_forgotten),
        Case::new("sectors_of_4096_bytes", sectors_of_4096_bytes).needs("scsi_debug"),
        Case::new("bad_sectors_and_write_protection", bad_sectors_and_write_protection).needs("scsi_debug"),
        Case::new("a_device_that_vanishes", a_device_that_vanishes).needs("scsi_debug"),
        Case::new("who_holds_a_lock", who_holds_a_lock),
    ]
}

const SOON: Duration = Duration::from_secs(10);

fn soon() -> Deadline {
    Deadline::after(SOON)
}

fn open(name: &str, access: Access) -> MdDevice {
    let dev = Sysfs::default().array(name).dev().unwrap().expect("the array has a number");
    node::open_number(&Places::default(), dev, access, name).unwrap()
}

fn stop(name: &str) {
    // udev opens what is new.
    guest::settle();
    let (sysfs, places) = (Sysfs::default(), Places::default());
    let gone = Disappearance::listen(&sysfs, &places, name, places.has_udev()).unwrap();
    module::remove_at_once(&sysfs).unwrap();
    let md = open(name, Access::WriteExclusive);
    md.stop_array().unwrap();
    drop(md);
    gone.wait(SOON, || ()).unwrap();
}

fn no_temporary_nodes() {
    let left = guest::sh("ls -a /dev /run | grep -F .tmp.md || true").ok().stdout;
    assert_eq!(left, "");
}

fn by_name() {
    let sysfs = Sysfs::default();
    // As a kernel is after boot, whatever an earlier case asked for.
    sysfs.set_parameter("md_mod", "legacy_async_del_gendisk", "Y").unwrap();
    for name in ["md77", "md_home"] {
        assert!(node::new_array(&sysfs, name).unwrap());
        assert!(sysfs.array(name).exists());
        let twice = node::new_array(&sysfs, name).unwrap_err().to_string();
        assert_eq!(twice, format!("{name}: md_mod/parameters/new_array: EEXIST: File exists"));
        let dev = sysfs.array(name).dev().unwrap().unwrap();
        let path = format!("/dev/{name}");
        appear::wait_for_node(&Places::default(), path.as_ref(), dev, soon()).unwrap();
        stop(name);
        assert!(!Path::new(&path).exists() && !sysfs.array(name).exists());
    }
    let error = node::new_array(&sysfs, "home").unwrap_err().to_string();
    assert_eq!(error, "home: md_mod/parameters/new_array: EINVAL: Invalid argument");
    no_temporary_nodes();
}

fn by_opening_the_number() {
    let (sysfs, places) = (Sysfs::default(), Places::default());
    let dev = DevId { major: MD_MAJOR, minor: 78 };
    let parameter = |value| sysfs.set_parameter("md_mod", "create_on_open", value).unwrap();
    assert!(parameter("N"));
    assert!(!node::creates_on_open(&sysfs).unwrap());
    assert!(node::open_number(&places, dev, Access::Write, "md78").is_err());
    no_temporary_nodes();

    parameter("Y");
    assert!(node::creates_on_open(&sysfs).unwrap());
    let md = node::open_number(&places, dev, Access::Write, "md78").unwrap();
    assert!(sysfs.array("md78").exists());
    assert_eq!(md.dev().unwrap(), dev);
    drop(md);
    no_temporary_nodes();
    stop("md78");
}

fn a_stop_waits_until_all_is_gone() {
    let disks = Disks::new(2, 16384);
    let words = ["--create", "/dev/md/home", "--run", "-l1", "-n2", "--assume-clean", "--bitmap=none"];
    reference(&[&words[..], &disks.all()].concat()).ok();
    guest::settle();
    let name = guest::arrays().pop().unwrap();
    assert!(Path::new("/dev/md/home").exists());
    for _ in 0..10 {
        stop(&name);
        // At once: no settling in between.
        assert!(!Path::new("/dev").join(&name).exists());
        assert!(!Sysfs::default().array(&name).exists());
        assert!(!Path::new("/dev/md/home").is_symlink(), "udev's link is gone too");
        for path in disks.all() {
            BlockDevice::open(path.as_ref(), Access::WriteExclusive).expect("members are free");
        }
        reference(&[&["--assemble", "/dev/md/home"], &disks.all()[..]].concat()).ok();
        assert_eq!(guest::arrays(), std::slice::from_ref(&name));
    }
}

fn udev_is_waited_for() {
    let (sysfs, places) = (Sysfs::default(), Places::default());
    assert!(places.has_udev());
    assert!(node::new_array(&sysfs, "md77").unwrap());
    let token = "01234567-89ab-cdef-0123-456789abcdef";
    appear::change_and_wait(&sysfs, "md77", token, true, (SOON, || ())).unwrap();
    appear::settle(&places, soon()).unwrap();

    let dev = sysfs.array("md77").dev().unwrap().unwrap();
    let link = Path::new("/dev/md/later");
    let (go, gone) = mpsc::channel();
    let waiter = thread::spawn(move || {
        go.send(()).unwrap();
        let begin = Instant::now();
        appear::wait_for_node(&Places::default(), link, dev, soon()).map(|()| begin.elapsed())
    });
    gone.recv().unwrap();
    node::make_link(&places, link, "md77").unwrap();
    let took = waiter.join().unwrap().unwrap();
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(node::remove_link(link, "md77").unwrap());
    stop("md77");
}

fn who_holds_a_member() {
    let disks = Disks::new(3, 16384);
    let words = ["--create", "/dev/md77", "--run", "-l1", "-n2", "--assume-clean", "--bitmap=none"];
    reference(&[&words[..], &disks.all()[..2]].concat()).ok();
    guest::settle();
    guest::sh("mkfs.ext4 -q /dev/md77 && mkdir -p /tmp/mnt && mount /dev/md77 /tmp/mnt && mkswap -q /dev/ram2 && swapon /dev/ram2")
        .ok();
    let held = |path: &str| {
        let dev = node::number_of(path.as_ref()).unwrap().unwrap();
        holders::holders(&Sysfs::default(), &Procfs::default(), dev).unwrap()
    };
    assert_eq!(held(disks.path(0)), [Holder::Md("md77".into())]);
    assert_eq!(held("/dev/md77"), [Holder::Mount("/tmp/mnt".into())]);
    assert_eq!(held(disks.path(2)), [Holder::Swap]);
    let error = BlockDevice::open(disks.path(0).as_ref(), Access::WriteExclusive).unwrap_err();
    assert_eq!(error.to_string(), "/dev/ram0: open: EBUSY: Device or resource busy");
    guest::sh("swapoff /dev/ram2; umount /tmp/mnt; rmdir /tmp/mnt").ok();
    let pid = background("sleep 30 </dev/ram2", "sleep");
    let by = held(disks.path(2));
    guest::sh(&format!("kill {pid}")).ok();
    assert_eq!(by, [Holder::Process { pid, name: "sleep".into() }]);
}

/// Starts a command and returns when it is the named program; its process number.
fn background(command: &str, name: &str) -> u32 {
    let started = format!("{command} >/dev/null 2>&1 & echo $! >/tmp/pid");
    let there = format!("until grep -qsx {name} /proc/$!/comm; do sleep 0.05; done");
    guest::sh(&format!("{started}; {there}")).ok();
    guest::sh("cat /tmp/pid; rm /tmp/pid").ok().stdout.trim().parse().unwrap()
}

fn a_device_around_the_page_cache() {
    let disks = Disks::new(1, 16384);
    let device = BlockDevice::open(disks.path(0).as_ref(), Access::WriteExclusive).unwrap();
    assert_eq!(Media::len(&device), Bytes(16 << 20));
    let mut buf = [1; 100];
    device.read_at(Bytes((16 << 20) - 100), &mut buf).unwrap();
    assert_eq!((buf, device.reads()), ([0; 100], 1));
    device.write_at(Bytes(4096 + 100), &[7; 1000]).unwrap();
    device.sync().unwrap();
    assert_eq!(disks.read(0, 4096 + 99, 1002)[..2], [0, 7]);
    device.zero(Bytes(4096), Bytes(4096)).unwrap();
    device.read_at(Bytes(4196), &mut buf).unwrap();
    assert_eq!(buf, [0; 100]);
    assert!(device.read_at(Bytes(16 << 20), &mut buf).is_err());
    let hidden = BlockDevice::hide_from_udev(device.path()).unwrap();
    let other = BlockDevice::open(disks.path(0).as_ref(), Access::Read).unwrap();
    assert!(BlockDevice::hide_from_udev(other.path()).unwrap_err().is(nix::errno::Errno::EWOULDBLOCK));
    drop(hidden);
    drop(BlockDevice::hide_from_udev(other.path()).unwrap());
}

fn partitions_are_forgotten() {
    let disk = guest::loop_disk("parted", 64 << 20);
    guest::sh(&format!(
        "printf ',32M\\n,\\n' | sfdisk -q --no-reread --force {disk}; partx -a {disk} || true; udevadm settle"
    ))
    .ok();
    let sysfs = Sysfs::default();
    let name = disk.trim_start_matches("/dev/").to_owned();
    let parts = |sysfs: &Sysfs| match sysfs.block(&name).unwrap().unwrap().shape {
        mdctl::kernel::sysfs::Shape::Whole { partitions } => partitions,
        part => panic!("{part:?}"),
    };
    assert_eq!(parts(&sysfs), [format!("{name}p1"), format!("{name}p2")]);
    let device = BlockDevice::open(disk.as_ref(), Access::WriteExclusive).unwrap();
    device.delete_partition(1).unwrap();
    device.delete_partition(2).unwrap();
    assert!(device.delete_partition(3).unwrap_err().is(nix::errno::Errno::ENXIO));
    assert_eq!(parts(&sysfs), Vec::<String>::new());
}

/// A disk of scsi_debug with these module parameters.
fn scsi_disk(parameters: &str) -> String {
    let script = format!(
        "rmmod scsi_debug 2>/dev/null; modprobe scsi_debug dev_size_mb=16 delay=0 {parameters} && udevadm settle"
    );
    guest::sh(&script).ok();
    let found = guest::sh("ls /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*/block").ok();
    format!("/dev/{}", found.stdout.trim())
}

fn no_scsi_disk() {
    guest::sh("udevadm settle; for try in $(seq 50); do rmmod scsi_debug && exit; sleep 0.1; done; exit 1")
        .ok();
}

fn sectors_of_4096_bytes() {
    let disk = scsi_disk("sector_size=4096");
    let device = BlockDevice::open(disk.as_ref(), Access::WriteExclusive).unwrap();
    assert_eq!(device.logical_block_size(), 4096);
    device.write_at(Bytes(8192), &[1; 4096]).unwrap();
    device.write_at(Bytes(8192 + 512), &[2; 512]).unwrap();
    assert_eq!(device.writes(), 2);
    let mut buf = [0; 1024];
    device.read_at(Bytes(8192 + 256), &mut buf).unwrap();
    assert_eq!([buf[255], buf[256], buf[767], buf[768]], [1, 2, 2, 1]);
    drop(device);
    no_scsi_disk();
}

fn bad_sectors_and_write_protection() {
    // Medium errors in sectors 0x1234 to 0x1234 + 9, in the middle of the disk.
    let disk = scsi_disk("opts=2");
    let device = BlockDevice::open(disk.as_ref(), Access::Read).unwrap();
    let mut buf = [0; 4096];
    let bad = Bytes(0x1234 * 512);
    let error = device.read_at(bad, &mut buf).unwrap_err();
    assert!(matches!(error.raw_os_error(), Some(nix::libc::EIO | nix::libc::ENODATA)), "{error}");
    device.read_at(Bytes(4096), &mut buf).unwrap();
    // A window over the bad sectors still serves what is beside them.
    let ends = superblock::window::Window::new(&device, superblock::window::Width::Narrow);
    ends.read_at(Bytes(4096), &mut buf).unwrap();
    assert!(ends.read_at(bad, &mut buf).is_err());
    drop(device);

    let disk = scsi_disk("wp=1");
    let error = BlockDevice::open(disk.as_ref(), Access::WriteExclusive).unwrap_err();
    assert!(error.is(nix::errno::Errno::EACCES) || error.is(nix::errno::Errno::EROFS), "{error}");
    assert!(BlockDevice::open(disk.as_ref(), Access::Read).unwrap().is_read_only());
    no_scsi_disk();
}

fn a_device_that_vanishes() {
    let disk = scsi_disk("");
    let (sysfs, places) = (Sysfs::default(), Places::default());
    let name = disk.trim_start_matches("/dev/").to_owned();
    let device = BlockDevice::open(disk.as_ref(), Access::Write).unwrap();
    let gone = Disappearance::listen(&sysfs, &places, &name, true).unwrap();
    guest::sh(&format!("echo 1 > /sys/block/{name}/device/delete")).ok();
    gone.wait(SOON, || ()).unwrap();
    let mut buf = [0; 512];
    assert!(device.read_at(Bytes(0), &mut buf).is_err());
    assert!(device.write_at(Bytes(0), &buf).and_then(|()| device.sync()).is_err());
    assert_eq!(sysfs.block(&name).unwrap(), None);
    assert!(BlockDevice::open(disk.as_ref(), Access::Read).unwrap_err().is(nix::errno::Errno::ENOENT));
    drop(device);
    no_scsi_disk();
}

fn who_holds_a_lock() {
    let pid = background("flock -o /run/mdadm-test.lock sleep 10", "flock");
    let path = Path::new("/run/mdadm-test.lock");
    let held = || match mdctl::kernel::lock::holders(&Procfs::default(), path)?.is_empty() {
        true => Err(KernelError::new("the lock", "flock", nix::errno::Errno::EAGAIN)),
        false => Ok(()),
    };
    mdctl::kernel::wait::retry(Duration::from_secs(10), held, |_| true, || ()).unwrap();
    let taken = Lock::take(path, Deadline::after(Duration::from_millis(100)), &|| ());
    let by = mdctl::kernel::lock::holders(&Procfs::default(), path).unwrap();
    guest::sh(&format!("kill {pid}; rm {}", path.display())).ok();
    assert_eq!(taken.unwrap_err().to_string(), "/run/mdadm-test.lock: flock: did not happen within 100 ms");
    assert_eq!(by, [Holder::Process { pid, name: "flock".into() }]);
}
