//! Writes down the machine that it runs on, as `text` reads it: everything of /sys, /proc and /run that the program looks at,
//! the block devices whose names begin as asked, and of those the ends, where metadata lies.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use mdctl::kernel::{
    Access, BlockDevice, DevId, Places, dm::Control, dm::DmFlags, dm::Who, host, node, recorded::array_words,
};
use superblock::{Bytes, Media, Write, sectors::SectorMap};

/// What is kept of a device: so much from its start and to its end.
const HEAD: u64 = (2 << 20) + (128 << 10);
const TAIL: u64 = 256 << 10;
/// Of an array or a volume: what stands on it.
const HEAD_OF_VOLUME: u64 = 1 << 20;
/// What is looked at of a block device, below its directory. `*`: all files of the directory; links are kept as links.
const OF_A_DEVICE: [&str; 21] = [
    "dev",
    "size",
    "ro",
    "removable",
    "partition",
    "start",
    "wwid",
    "serial",
    "loop/*",
    "md/*",
    "dm/*",
    "holders/*",
    "slaves/*",
    "queue/logical_block_size",
    "queue/physical_block_size",
    "queue/rotational",
    "bdi/read_ahead_kb",
    "device/state",
    "device/model",
    "device/vendor",
    "device/wwid",
];
/// Attributes that change with every look and that nothing decides by.
const RESTLESS: [&str; 3] = ["sync_speed", "mismatch_cnt", "dm/use_blk_mq"];

/// A machine as lines by path.
#[derive(Default)]
struct World(BTreeMap<PathBuf, String>);

/// The machine with those block devices whose kernel names begin with one of `prefixes`.
pub(crate) fn record(prefixes: &[String]) -> String {
    let mut names: Vec<String> = fs::read_dir("/sys/class/block")
        .expect("/sys")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix.as_str())))
        .collect();
    names.sort_by_key(|name| (name.len(), name.clone()));
    let mut world = World::default();
    let mut facts = String::new();
    writeln!(facts, "now {}", host::now().0).expect("a string takes text");
    writeln!(facts, "host {}", host::hostname().unwrap_or_default()).expect("a string takes text");
    writeln!(facts, "release {}", host::release().unwrap_or_default()).expect("a string takes text");
    writeln!(facts, "udev {}", if Places::default().has_udev() { "yes" } else { "no" })
        .expect("a string takes text");
    let mut numbers = Vec::new();
    for name in &names {
        world.sysfs(name);
        let dev: DevId = read(format!("/sys/class/block/{name}/dev")).trim().parse().expect("a number");
        numbers.push((dev, name.clone()));
        world.device(name, dev, &mut facts);
    }
    world.links(Path::new("/dev"), &numbers);
    world.modules();
    world.proc(&names, &numbers);
    world.run(&numbers);
    driver(&mut facts);
    world.text("/facts", &facts);
    let mut all = String::new();
    for lines in world.0.values() {
        all.push_str(lines);
    }
    all
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

impl World {
    fn add(&mut self, path: &Path, line: String) {
        self.0.insert(path.to_owned(), line);
    }

    fn text(&mut self, path: &str, text: &str) {
        let mut lines = format!("{path}:\n");
        for line in text.lines() {
            writeln!(lines, "\t{line}").expect("a string takes text");
        }
        self.add(Path::new(path), lines);
    }

    /// A file, or a link, as it is; what cannot be read is not there.
    fn keep(&mut self, path: &Path) {
        let shown = path.display().to_string();
        if let Ok(target) = fs::read_link(path) {
            return self.add(path, format!("{shown} -> {}\n", target.display()));
        }
        if RESTLESS.iter().any(|restless| shown.ends_with(restless)) {
            return;
        }
        let Ok(bytes) = fs::read(path) else { return };
        let text = String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned();
        if text.contains('\n') {
            return self.text(&shown, &text);
        }
        self.add(path, format!("{shown} = {text}\n"));
    }

    fn below(&mut self, dir: &Path) {
        let Ok(entries) = fs::read_dir(dir) else { return };
        let mut any = false;
        for entry in entries.flatten() {
            any = true;
            let kind = entry.file_type().expect("a kind");
            match kind.is_dir() {
                true => self.below(&entry.path()),
                false => self.keep(&entry.path()),
            }
        }
        if !any {
            self.add(dir, format!("{}/\n", dir.display()));
        }
    }

    fn sysfs(&mut self, name: &str) {
        for class in ["/sys/class/block", "/sys/block"] {
            let link = Path::new(class).join(name);
            if link.exists() {
                self.keep(&link);
            }
        }
        let dir = fs::canonicalize(Path::new("/sys/class/block").join(name)).expect("a device");
        let dev = read(dir.join("dev"));
        self.keep(&Path::new("/sys/dev/block").join(dev.trim()));
        for wanted in OF_A_DEVICE {
            match wanted.strip_suffix("/*") {
                Some(below) => self.below(&dir.join(below)),
                None => self.keep(&real(&dir.join(wanted))),
            }
        }
        // The device behind it, where it is a link.
        for link in ["device", "bdi"] {
            if fs::symlink_metadata(dir.join(link)).is_ok_and(|meta| meta.is_symlink()) {
                self.keep(&dir.join(link));
            }
        }
    }

    fn modules(&mut self) {
        for module in ["md_mod", "dm_mod", "raid0", "raid1", "raid10", "raid456"] {
            let dir = Path::new("/sys/module").join(module);
            if dir.exists() {
                self.below(&dir.join("parameters"));
            }
        }
    }

    fn device(&mut self, name: &str, dev: DevId, facts: &mut String) {
        let path = format!("/dev/{name}");
        let Ok(device) = BlockDevice::open(Path::new(&path), Access::Read) else { return };
        let mode = if device.is_read_only() { "ro" } else { "rw" };
        let claimed = BlockDevice::is_claimed(Path::new(&path)).unwrap_or(false);
        let claimed = if claimed { "claimed" } else { "free" };
        let (logical, physical) = (device.logical_block_size(), device.physical_block_size());
        writeln!(facts, "node {path} {dev} {logical} {physical} {mode} {claimed}")
            .expect("a string takes text");
        let stacked = name.starts_with("md") || name.starts_with("dm-");
        let size = Media::len(&device).0;
        let mut map = SectorMap::zeros(Bytes(size));
        let head = if stacked { HEAD_OF_VOLUME } else { HEAD }.min(size);
        let tail = size.saturating_sub(TAIL).max(head);
        for (from, to) in [(0, head), (tail, size)] {
            let mut data = vec![0; usize::try_from(to - from).expect("a few MiB")];
            if device.read_at(Bytes(from), &mut data).is_ok() {
                map.write(&Write { at: Bytes(from), data });
            }
        }
        let mut lines = format!("{path} @\n");
        for line in map.to_string().lines() {
            writeln!(lines, "\t{line}").expect("a string takes text");
        }
        self.add(Path::new(&path), lines);
        if name.starts_with("md") && !name.contains('p') {
            array(&path, dev, facts);
        }
    }

    /// The links of /dev that lead to one of the devices.
    fn links(&mut self, dir: &Path, numbers: &[(DevId, String)]) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().expect("a kind"));
            if kind.is_dir() {
                self.links(&path, numbers);
            } else if kind.is_symlink() {
                let meta = fs::metadata(&path).ok().filter(|meta| meta.file_type().is_block_device());
                let dev = meta.map(|meta| DevId::from_raw(meta.rdev()));
                if dev.is_some_and(|dev| numbers.iter().any(|(known, _)| *known == dev)) {
                    self.keep(&path);
                }
            }
        }
    }

    fn proc(&mut self, names: &[String], numbers: &[(DevId, String)]) {
        self.text("/proc/mdstat", &read("/proc/mdstat"));
        self.text("/proc/devices", &read("/proc/devices"));
        let partitions = read("/proc/partitions");
        let ours = |line: &&str| {
            let name = line.split_whitespace().last().unwrap_or_default();
            line.is_empty() || name == "name" || names.iter().any(|known| known == name)
        };
        self.text("/proc/partitions", &partitions.lines().filter(ours).collect::<Vec<_>>().join("\n"));
        let mounts = read("/proc/self/mountinfo");
        let ours = |line: &&str| {
            let dev = line.split(' ').nth(2).unwrap_or_default();
            numbers.iter().any(|(known, _)| known.to_string() == dev)
        };
        let mounts = mounts.lines().filter(ours).collect::<Vec<_>>().join("\n");
        self.text("/proc/self/mountinfo", &mounts);
        self.text("/proc/1/mountinfo", &mounts);
        self.text("/proc/swaps", &read("/proc/swaps"));
        self.keep(Path::new("/proc/uptime"));
        for limit in ["speed_limit_min", "speed_limit_max"] {
            self.keep(&Path::new("/proc/sys/dev/raid").join(limit));
        }
    }

    fn run(&mut self, numbers: &[(DevId, String)]) {
        for (dev, _) in numbers {
            self.keep(&Path::new("/run/udev/data").join(format!("b{dev}")));
        }
        for dir in ["/run/mdadm", "/run/mdctl", "/var/lib/mdctl", "/etc/lvm/backup"] {
            self.below(Path::new(dir));
        }
        for file in ["/etc/mdadm.conf", "/etc/mdadm/mdadm.conf"] {
            self.keep(Path::new(file));
        }
    }
}

/// Where a file below a link really is, so that nothing stands twice.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn array(path: &str, dev: DevId, facts: &mut String) {
    let Ok(md) = node::open_md(Path::new(path), Access::Read) else { return };
    let Ok(info) = md.array_info() else { return };
    writeln!(facts, "array {dev} {}", array_words(&info)).expect("a string takes text");
    let disks = (0..1920).filter_map(|number| md.disk_info(number).ok()).filter(|disk| disk.dev().is_some());
    for disk in disks.take(usize::try_from(info.nr_disks).unwrap_or(0)) {
        let (number, slot) = (disk.number, disk.raid_disk);
        writeln!(facts, "disk {dev} {number} {} {} {slot} {}", disk.major, disk.minor, disk.state)
            .expect("a string takes text");
    }
    let bitmap = md.bitmap_file().unwrap_or_default();
    if !bitmap.as_os_str().is_empty() {
        writeln!(facts, "bitmap {dev} {}", bitmap.display()).expect("a string takes text");
    }
}

/// What device-mapper has.
fn driver(facts: &mut String) {
    if !Path::new("/sys/module/dm_mod").exists() {
        return;
    }
    let Ok(control) = Control::open(&Places::default()) else { return };
    writeln!(facts, "dm-version {}", control.version().expect("a version")).expect("a string takes text");
    for target in control.versions().expect("targets") {
        let [major, minor, patch] = target.version;
        writeln!(facts, "target {} {major}.{minor}.{patch}", target.name).expect("a string takes text");
    }
    for one in control.list("", "").expect("a list") {
        let who = Who::Name(&one.name);
        let Ok(Some(info)) = control.info(who, DmFlags::empty()) else { continue };
        let uuid = if info.uuid.is_empty() { "-" } else { &info.uuid };
        let (open, segments, event, flags) = (info.open, info.segments, info.event, info.flags.bits());
        writeln!(facts, "dm {} {uuid} {} {open} {segments} {event} {flags}", info.name, one.dev)
            .expect("a string takes text");
        for (word, flags) in [("table", DmFlags::STATUS_TABLE), ("status", DmFlags::NOFLUSH)] {
            let rows = control.status(who, flags).expect("rows").map(|(_, rows)| rows).unwrap_or_default();
            for row in rows {
                let line = format!("{word} {} {} {} {}", row.start, row.length, row.kind, row.text);
                writeln!(facts, "{}", line.trim_end()).expect("a string takes text");
            }
        }
        if let Ok(Some((_, deps))) = control.deps(who, DmFlags::empty()) {
            let deps: Vec<String> = deps.iter().map(ToString::to_string).collect();
            if !deps.is_empty() {
                writeln!(facts, "deps {}", deps.join(" ")).expect("a string takes text");
            }
        }
    }
}
