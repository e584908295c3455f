//! What the next start of the machine rests on.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use superblock::{MdUuid, Role};

use super::{StatusLook, candidates, configuration_texts, dm::Driver, members};
use crate::model::order::InOrder as _;
use crate::{
    config::{conf, sources::ConfigSources},
    kernel::{KernelError, Machine, files, host, initrd, node, procfs::Mount},
    model::{
        boot::{BootArray, BootContents, BootEntry, BootImage, BootKernel, BootMount, BootSeen, LeftOver},
        dm::Table,
        status::ArrayStatus,
        view::UsedBy,
    },
};

/// No table of file systems is longer, nor a list of built-in drivers.
const LONGEST: u64 = 1 << 20;
/// Devices stand on one another no deeper.
const DEEPEST: usize = 32;
/// Where udev's rules and systemd's units are.
const RULES: [&str; 3] = ["usr/lib/udev/rules.d", "lib/udev/rules.d", "etc/udev/rules.d"];
const UNITS: [&str; 3] = ["usr/lib/systemd/system", "lib/systemd/system", "etc/systemd/system"];
/// Places that a start needs even where fstab does not name them.
const PLACES: [&str; 5] = ["/", "/usr", "/boot", "/boot/efi", "/efi"];

/// Looks at all of it: every image is unpacked, and every device is read where GRUB may choose between them.
///
/// # Errors
/// sysfs, /proc or the configuration could not be read at all.
pub fn boot(machine: &Machine) -> Result<BootSeen, KernelError> {
    let root = Path::new("/");
    let mut look = StatusLook::new(machine);
    let arrays = look.all()?;
    let (config, _) = configuration_texts(&ConfigSources::Usual)?;
    let table = table(root);
    let mounted = machine.procfs.mounts("self")?;
    let driver = Driver::open(machine).ok();
    let mut places: BTreeMap<String, BootMount> = BTreeMap::new();
    let wanted = PLACES.into_iter().map(str::to_owned).chain(table.iter().map(|line| line.at.clone()));
    for at in wanted {
        let mount = mount(&mounted, &table, &at)
            .map(|(source, kind)| stack(machine, driver.as_ref(), &at, source, kind));
        places.extend(mount.map(|mount| (at, mount)));
    }
    let grub = ["boot/grub", "boot/grub2"].into_iter().find(|dir| files::is_dir(&root.join(dir)));
    let mut seen = BootSeen {
        release: host::release().unwrap_or_default(),
        command_line: machine.procfs.text("cmdline")?.split_whitespace().map(str::to_owned).collect(),
        kernels: kernels(root),
        mounts: places.into_values().collect(),
        table: table.iter().map(|line| line.entry(&mounted)).collect(),
        arrays: arrays.iter().map(array).collect(),
        config,
        rules: RULES.iter().flat_map(|dir| names(&root.join(dir))).collect(),
        has_last_resort: UNITS
            .iter()
            .any(|dir| files::exists(&root.join(dir).join("mdadm-last-resort@.timer"))),
        grub: grub.map(|dir| format!("/{dir}")),
        left_over: Vec::new(),
    };
    if seen.grub.is_some() && !arrays.is_empty() {
        seen.left_over = left_over(machine, &seen, &look)?;
    }
    Ok(seen)
}

fn names(dir: &Path) -> Vec<String> {
    let names = files::names(dir).unwrap_or_default();
    names.into_iter().filter_map(|name| name.into_string().ok()).collect()
}

fn text(path: &Path) -> String {
    let bytes = files::read(path, LONGEST).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A line of fstab.
struct Line {
    source: String,
    at: String,
    kind: String,
    options: String,
}

impl Line {
    /// Without udev's links nothing can be said of what is named by content.
    fn entry(&self, mounted: &[Mount]) -> BootEntry {
        let path = by_name(&self.source);
        let is_told =
            path.starts_with("/dev/") && (path == self.source || files::is_dir("/dev/disk".as_ref()));
        let is_optional = self.options.split(',').any(|word| matches!(word, "nofail" | "noauto"));
        let is_mounted = mounted.iter().any(|mount| mount.at == self.at && mount.kind != "autofs");
        BootEntry {
            source: self.source.clone(),
            at: self.at.clone(),
            needed: !is_optional,
            there: is_mounted || !is_told || files::exists(path.as_ref()),
        }
    }
}

fn table(root: &Path) -> Vec<Line> {
    let text = text(&root.join("etc/fstab"));
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let entry = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        let [source, at, kind] = [words.next()?, words.next()?, words.next()?];
        let options = words.next().unwrap_or_default();
        at.starts_with('/').then_some(Line { source, at, kind, options })
    };
    lines.filter_map(entry).collect()
}

/// From what a place is mounted: the last mount there, else what fstab says.
fn mount(mounted: &[Mount], table: &[Line], at: &str) -> Option<(String, String)> {
    let is_here = |mount: &&Mount| mount.at == at && mount.source.starts_with('/');
    if let Some(mount) = mounted.iter().rev().find(is_here) {
        return Some((mount.source.clone(), mount.kind.clone()));
    }
    let line = table.iter().find(|line| line.at == at)?;
    Some((by_name(&line.source), line.kind.clone()))
}

/// `UUID=…` and its like as a path.
fn by_name(source: &str) -> String {
    let kinds = [
        ("UUID=", "by-uuid"),
        ("LABEL=", "by-label"),
        ("PARTUUID=", "by-partuuid"),
        ("PARTLABEL=", "by-partlabel"),
    ];
    let named = |(word, dir): (&str, &str)| {
        source.strip_prefix(word).map(|name| format!("/dev/disk/{dir}/{}", name.trim_matches('"')))
    };
    kinds.into_iter().find_map(named).unwrap_or_else(|| source.to_owned())
}

fn stack(machine: &Machine, driver: Option<&Driver>, at: &str, source: String, kind: String) -> BootMount {
    let number = node::number_of(Path::new(&source)).ok().flatten();
    let name = number.and_then(|number| machine.sysfs.name_of(number));
    let mut mount = BootMount { at: at.to_owned(), source, kind, ..BootMount::default() };
    let mut left: Vec<(String, usize)> = name.into_iter().map(|name| (name, 0)).collect();
    while let Some((name, depth)) = left.pop() {
        let name = machine.sysfs.whole_of(&name).unwrap_or(name);
        if depth > DEEPEST {
            break;
        }
        if machine.sysfs.array(&name).exists() && !mount.arrays.contains(&name) {
            mount.arrays.push(name.clone());
        }
        if let Ok(Some(own)) = machine.sysfs.dm_name(&name) {
            let table = driver.and_then(|driver| driver.table(&own).ok().flatten());
            let kinds = table.map(|(_, table)| kinds(&table)).unwrap_or_default();
            if !mount.mapped.iter().any(|(known, _)| *known == own) {
                mount.mapped.push((own, kinds));
            }
        }
        let below = machine.sysfs.slaves(&name).unwrap_or_default();
        left.extend(below.into_iter().map(|below| (below, depth.saturating_add(1))));
    }
    mount.arrays.sort();
    mount
}

/// The kinds of its targets, each once.
fn kinds(table: &Table) -> Vec<String> {
    let mut kinds: Vec<String> = table.rows.iter().map(|row| row.target.kind().to_owned()).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

fn array(status: &ArrayStatus) -> BootArray {
    BootArray {
        kernel: status.kernel_name.clone(),
        path: status.path.clone().unwrap_or_else(|| format!("/dev/{}", status.kernel_name)),
        uuid: status.uuid,
        name: status.name.clone(),
        level: status.level,
        metadata: status.metadata.clone(),
        missing: status.degraded.unwrap_or(0),
        reshapes: status.reshape_position.is_some(),
        journal: status.journal_mode.is_some(),
    }
}

/// The kernels that could be started, the newest first.
fn kernels(root: &Path) -> Vec<BootKernel> {
    let modules = ["lib/modules", "usr/lib/modules"].map(|dir| root.join(dir));
    let mut releases: Vec<String> = modules.iter().flat_map(|dir| names(dir)).collect();
    releases.order_by_key(|release| std::cmp::Reverse(version(release)));
    releases.dedup();
    let kernel = |release: String| {
        let own = modules.iter().map(|dir| dir.join(&release)).find(|dir| files::is_dir(dir))?;
        let image = image(root, &own, &release);
        let bare = [root.join(format!("boot/vmlinuz-{release}")), own.join("vmlinuz")];
        if image.is_none() && !bare.iter().any(|path| files::exists(path)) {
            return None;
        }
        let builtin = text(&own.join("modules.builtin"));
        let driver = |line: &str| Some(line.rsplit('/').next()?.split_once(".ko")?.0.to_owned());
        let builtin = builtin.lines().filter_map(driver).collect();
        let contents = image.map(|path| {
            let wanted = |name: &str| is_wanted(name);
            let contents = initrd::read(&path, &wanted).map_err(|error| error.to_string());
            let contents = contents.map(|found| BootContents { names: found.names, texts: found.texts });
            BootImage { path: path.display().to_string(), contents }
        });
        Some(BootKernel { release, builtin, image: contents })
    };
    releases.into_iter().filter_map(kernel).collect()
}

/// `6.12.6-amd64` as its numbers, so that 6.12 is newer than 6.9.
fn version(release: &str) -> (Vec<u64>, String) {
    let numbers = release.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok());
    (numbers.collect(), release.to_owned())
}

fn is_wanted(name: &str) -> bool {
    let is_config =
        name.ends_with("mdadm.conf") || (name.contains("mdadm.conf.d/") && name.ends_with(".conf"));
    is_config || (name.contains("etc/cmdline") && !name.ends_with('/'))
}

/// Where distributions put the image of a kernel.
fn image(root: &Path, modules: &Path, release: &str) -> Option<PathBuf> {
    let boot = root.join("boot");
    let mut paths = vec![
        boot.join(format!("initrd.img-{release}")),
        boot.join(format!("initramfs-{release}.img")),
        boot.join(format!("initrd-{release}")),
        boot.join(format!("initrd-{release}.img")),
        boot.join(format!("initramfs-{release}")),
    ];
    let id = text(&root.join("etc/machine-id"));
    if !id.trim().is_empty() {
        let entry = |dir: &str| root.join(dir).join(id.trim()).join(release).join("initrd");
        paths.extend(["boot", "efi", "boot/efi"].map(entry));
    }
    // Arch has one image for each kernel's package.
    let package = text(&modules.join("pkgbase"));
    if !package.trim().is_empty() {
        paths.push(boot.join(format!("initramfs-{}.img", package.trim())));
    }
    paths.into_iter().find(|path| files::exists(path))
}

/// Devices with metadata of an array that runs without them.
fn left_over(
    machine: &Machine,
    seen: &BootSeen,
    look: &StatusLook<'_>,
) -> Result<Vec<LeftOver>, KernelError> {
    let (config, _) = conf::parse(seen.config.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    let paths = candidates(machine, &config, look.nodes())?;
    let runs = |uuid: MdUuid| seen.arrays.iter().any(|array| array.uuid == Some(uuid));
    let mut left = Vec::new();
    for sight in members(machine, &paths, UsedBy::Whether) {
        let Ok(device) = sight.found else { continue };
        if device.busy {
            continue;
        }
        for found in &device.probe.found {
            let array = found.fields().array();
            let has_slot = matches!(found.fields().membership().role, Role::Slot { .. });
            if runs(array) {
                left.push(LeftOver { device: device.path.clone(), array, has_slot });
            }
        }
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DevId;

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn kernels_with_their_images() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            &[
                ("lib/modules/6.9.1/modules.builtin", "kernel/drivers/md/md-mod.ko\n"),
                ("lib/modules/6.12.6-amd64/kernel/x", ""),
                ("lib/modules/5.0-gone/kernel/x", ""),
                ("boot/vmlinuz-6.9.1", ""),
                ("boot/initrd.img-6.12.6-amd64", ""),
            ],
        );
        let found = kernels(root.path());
        let short: Vec<_> = found
            .iter()
            .map(|kernel| (kernel.release.as_str(), kernel.image.is_some(), kernel.builtin.len()))
            .collect();
        assert_eq!(short, [("6.12.6-amd64", true, 0), ("6.9.1", false, 1)]);
    }

    #[test]
    fn what_is_mounted_counts_before_what_fstab_says() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            &[("etc/fstab", "# a line\nUUID=\"1-2\" /boot/efi vfat umask=0077 0 1\n/dev/md0 none swap sw\n")],
        );
        let table = table(root.path());
        let [line] = table.as_slice() else { panic!("{}", table.len()) };
        assert_eq!((&*line.source, &*line.at, &*line.kind), ("UUID=\"1-2\"", "/boot/efi", "vfat"));
        assert!(line.entry(&[]).needed);
        let own = |source: &str| Mount {
            at: "/boot/efi".into(),
            source: source.into(),
            kind: "vfat".into(),
            dev: DevId::default(),
        };
        let auto = own("systemd-1");
        assert_eq!(
            mount(std::slice::from_ref(&auto), &table, "/boot/efi"),
            Some(("/dev/disk/by-uuid/1-2".into(), "vfat".into()))
        );
        assert_eq!(
            mount(&[auto, own("/dev/md3")], &table, "/boot/efi"),
            Some(("/dev/md3".into(), "vfat".into()))
        );
        assert_eq!(mount(&[], &table, "/usr"), None);
    }
}
