//! One array as a value, from the kernel's tables, sysfs, a member's superblock and the map file.

use std::path::Path;

use nix::errno::Errno;
use superblock::{Bytes, Kib, Level, MdUuid, Native, v0, v1};

use super::{names::whole, nodes::Nodes, superblocks::bitmap_of};
use crate::{
    kernel::{
        self, Access, BlockDevice, ErrorCause, KernelError, Machine, MdDevice, md, mdstat, node,
        sysfs::{Array, ArrayAttr},
    },
    model::manage::Absent,
    model::{
        DevId,
        detail::{
            ArrayDetail, Attached, ContainerPlace, Counts, KernelFlags, MapKnown, MemberFlags,
            MemberSuperblock, MetadataVersion, Sync, SyncStage, TableMember,
        },
        world::MapEntry,
    },
    words::ConsistencyPolicy,
};

/// What looking at arrays takes: the machine, its nodes, the map, and which names are preferred.
#[derive(Debug)]
pub struct DetailLook<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// Paths of block devices.
    pub nodes: &'a Nodes,
    /// The map file; `None` where there is none.
    pub map: Option<&'a [MapEntry]>,
    /// `--prefer`.
    pub prefer: Option<&'a str>,
}

impl DetailLook<'_> {
    /// The array behind a path.
    ///
    /// # Errors
    /// Why there is nothing to show.
    pub fn at(&self, path: &str) -> Result<ArrayDetail, Absent> {
        let opened = node::open_md(Path::new(path), Access::Read).map_err(|error| unopened(&error))?;
        let number = opened.dev().map_err(|error| unopened(&error))?;
        let (name, size) = whole(self.machine, number).ok_or(Absent::NotMd)?;
        let array = self.machine.sysfs.array(&name);
        let asked = opened.array_info();
        if !array.exists() && asked.is_err() {
            return Err(Absent::NotMd);
        }
        let metadata = metadata(&array);
        let attached = self.attached(&array);
        let info = match asked {
            Ok(info) => Some(info),
            Err(error) if error.is(Errno::ENODEV) => {
                if metadata == MetadataVersion::None && attached.is_empty() {
                    return Err(Absent::Empty);
                }
                None
            }
            Err(error) => return Err(Absent::Unanswered(words(&error))),
        };
        let state = array.state().ok().flatten();
        let idle = state.as_ref().is_some_and(|state| !state.is_running());
        let members = if idle { self.unnumbered(&attached) } else { self.numbered(&opened, info, &metadata) };
        let superblock = self.superblock(&metadata, info, &members, &attached);
        let uuid = superblock.as_ref().map(|superblock| superblock.native.array());
        let policy = array.read(ArrayAttr::ConsistencyPolicy).ok().flatten();
        Ok(ArrayDetail {
            device: path.to_owned(),
            size: size.bytes(),
            array_state: state,
            level: Level::from_number(info.map_or(0, |info| info.level)),
            layout: info.map_or(0, |info| u32::from_ne_bytes(info.layout.to_ne_bytes())),
            chunk: Bytes(info.and_then(|info| u64::try_from(info.chunk_size).ok()).unwrap_or(0)),
            component_size: component_size(&array, info),
            counts: info.map_or_else(|| counted(&attached), |info| counts(&info)),
            created: info.map_or(0, |info| info.ctime),
            updated: info.map_or(0, |info| info.utime),
            not_persistent: info.is_some_and(|info| info.not_persistent != 0),
            minor: info.map_or(0, |info| info.md_minor),
            flags: info.map(|info| flags(info.flags())).unwrap_or_default(),
            bitmap_file: opened.bitmap_file().ok().map(|p| p.display().to_string()).filter(|p| !p.is_empty()),
            consistency_policy: policy.map(|word| ConsistencyPolicy::parse(&word)),
            sync: self.sync(&name),
            attached: attached.into_iter().map(|(attached, _)| attached).collect(),
            map: self.known(&name, uuid),
            container: self.container(&metadata),
            member_arrays: self.member_arrays(&name),
            kernel_name: name,
            metadata,
            members,
            superblock,
        })
    }

    /// The members in sysfs with their states, in the directory's own order.
    fn attached(&self, array: &Array<'_>) -> Vec<(Attached, MemberFlags)> {
        let sysfs = &self.machine.sysfs;
        let dir = Path::new("block").join(array.name()).join("md");
        let mut found = vec![];
        for sys_name in sysfs.names_as_they_come(&dir).unwrap_or_default() {
            if !sys_name.starts_with("dev-") {
                continue;
            }
            let read = |attr: &str| sysfs.read(dir.join(&sys_name).join(attr)).ok().flatten();
            let number = read("block/dev").and_then(|text| text.parse::<kernel::DevId>().ok());
            let (Some(number), Some(slot)) = (number, read("slot")) else { continue };
            if read("block/device/state").is_some_and(|state| state.starts_with("offline")) {
                continue;
            }
            let state = read("state").unwrap_or_default();
            let faulty = state.contains("faulty");
            let flags =
                MemberFlags { faulty, sync: !faulty && state.contains("in_sync"), ..MemberFlags::default() };
            let path = self.nodes.path(number, None);
            found.push((Attached { sys_name, dev: number, slot: slot.parse().ok(), path }, flags));
        }
        found
    }

    /// The members of an array that has not been started.
    fn unnumbered(&self, attached: &[(Attached, MemberFlags)]) -> Vec<TableMember> {
        let member = |(attached, state): &(Attached, MemberFlags)| TableMember {
            number: -1,
            dev: attached.dev,
            raid_disk: attached.slot.and_then(|slot| i32::try_from(slot).ok()).unwrap_or(-1),
            state: *state,
            path: self.nodes.path(attached.dev, self.prefer),
            alive: true,
        };
        attached.iter().map(member).collect()
    }

    /// The kernel's table, by number, until all are found that the kernel says there are.
    fn numbered(
        &self,
        md: &MdDevice,
        info: Option<md::ArrayInfo>,
        metadata: &MetadataVersion,
    ) -> Vec<TableMember> {
        let most = match metadata {
            MetadataVersion::Native(1, _) => i32::try_from(v1::MAX_DEVICES).unwrap_or(i32::MAX),
            _ => i32::try_from(v0::MAX_DISKS).unwrap_or(i32::MAX),
        };
        let count = info.and_then(|info| usize::try_from(info.nr_disks).ok()).unwrap_or(usize::MAX);
        let mut found = vec![];
        for number in 0..most {
            if found.len() >= count {
                break;
            }
            let Ok(disk) = md.disk_info(number) else { continue };
            let Some(dev) = disk.dev() else { continue };
            found.push(TableMember {
                number: disk.number,
                dev,
                raid_disk: disk.raid_disk,
                state: member_flags(disk.flags()),
                path: self.nodes.path(dev, self.prefer),
                alive: self.machine.sysfs.exists(Path::new("dev/block").join(dev.to_string())),
            });
        }
        found
    }

    /// The first sound superblock that belongs to this array; where none is sound the first.
    fn superblock(
        &self,
        metadata: &MetadataVersion,
        info: Option<md::ArrayInfo>,
        members: &[TableMember],
        attached: &[(Attached, MemberFlags)],
    ) -> Option<MemberSuperblock> {
        let started = info.filter(|info| info.raid_disks > 0);
        let devices: Vec<DevId> = match started {
            Some(_) => members.iter().filter(|member| member.state.active).map(|member| member.dev).collect(),
            None => attached.iter().map(|(attached, _)| attached.dev).collect(),
        };
        let mut fitting = devices.into_iter().filter_map(|dev| {
            let superblock = self.load(metadata, dev)?;
            let fits = started.is_none_or(|info| is_of(&superblock, &info));
            (fits && !superblock.native.array().is_zero()).then_some(superblock)
        });
        let first = fitting.next()?;
        if first.native.checksum_ok() {
            return Some(first);
        }
        Some(fitting.find(|other| other.native.checksum_ok()).unwrap_or(first))
    }

    fn load(&self, metadata: &MetadataVersion, dev: DevId) -> Option<MemberSuperblock> {
        let MetadataVersion::Native(major, minor) = *metadata else { return None };
        let path = self.nodes.path(dev, None)?;
        let device = BlockDevice::open(Path::new(&path), Access::Read).ok()?;
        if major == 0 {
            let native = Native::V0(v0::read(&device).ok()??.despite_checksum());
            return Some(MemberSuperblock { native, bitmap: None });
        }
        let minor = v1::Minor::ALL.into_iter().find(|known| known.number() == minor)?;
        let superblock = v1::read(&device, minor).ok()??.despite_checksum();
        if !superblock.fits(superblock::Media::len(&device).sectors()) {
            return None;
        }
        let bitmap = bitmap_of(&device, &superblock).map(Box::new);
        Some(MemberSuperblock { native: Native::V1(superblock), bitmap })
    }

    fn sync(&self, name: &str) -> Option<Sync> {
        let entries = mdstat::read(&self.machine.procfs).ok()?;
        let activity = entries.into_iter().find(|entry| entry.name == name)?.activity?;
        let stage = match activity.at {
            mdstat::MdstatStage::Percent(percent) => SyncStage::Percent(percent),
            mdstat::MdstatStage::Delayed => SyncStage::Delayed,
            mdstat::MdstatStage::Pending => SyncStage::Pending,
            mdstat::MdstatStage::Remote => SyncStage::Remote,
        };
        Some(Sync { kind: activity.kind, stage })
    }

    /// What the map knows: by UUID, else by the kernel's name. Without a map, what its making would find.
    fn known(&self, name: &str, uuid: Option<MdUuid>) -> Option<MapKnown> {
        let Some(map) = self.map else {
            let number = self.machine.sysfs.array(name).dev().ok()??;
            let path = self.nodes.path(number, None).unwrap_or_default();
            return uuid.map(|uuid| MapKnown { uuid, path });
        };
        let live = |entry: &&&MapEntry| self.machine.sysfs.array(&entry.devnm).exists();
        let of_uuid = |entry: &&MapEntry| uuid.is_some_and(|uuid| !uuid.is_zero() && entry.uuid == uuid);
        let first = |wanted: &dyn Fn(&&MapEntry) -> bool| {
            map.iter().filter(|entry| wanted(entry)).find(|entry| live(&entry))
        };
        let found = first(&of_uuid).or_else(|| first(&|entry| entry.devnm == name))?;
        Some(MapKnown { uuid: found.uuid, path: found.path.clone() })
    }

    /// `/md127/0`, or `-md127/0` while user space must not touch it.
    fn container(&self, metadata: &MetadataVersion) -> Option<ContainerPlace> {
        let MetadataVersion::External(text) = metadata else { return None };
        let (name, member) = text.strip_prefix(['/', '-'])?.split_once('/')?;
        let number = self.machine.sysfs.array(name).dev().ok()??;
        let path = self.nodes.path(number, self.prefer).unwrap_or_else(|| number.to_string());
        Some(ContainerPlace { path, member: member.to_owned() })
    }

    fn member_arrays(&self, container: &str) -> Vec<String> {
        let mut found = vec![];
        // One file tells of all arrays which have one at all.
        let entries = mdstat::read(&self.machine.procfs).unwrap_or_default();
        for entry in entries.iter().filter(|entry| entry.metadata.starts_with("external:")) {
            let array = self.machine.sysfs.array(&entry.name);
            let MetadataVersion::External(text) = metadata(&array) else { continue };
            let inside = text.strip_prefix(['/', '-']).and_then(|rest| rest.strip_prefix(container));
            let number = array.dev().ok().flatten();
            if let (Some(true), Some(number)) = (inside.map(|rest| rest.starts_with('/')), number) {
                let path = self.nodes.path(number, self.prefer);
                found.push(path.unwrap_or_else(|| number.to_string()));
            }
        }
        found
    }
}

fn unopened(error: &KernelError) -> Absent {
    if error.is(Errno::ENOTBLK) { Absent::NotMd } else { Absent::Unopened(words(error)) }
}

/// The kernel's words alone.
fn words(error: &KernelError) -> String {
    match &error.cause {
        ErrorCause::Errno(errno) => errno.desc().to_owned(),
        other => other.to_string(),
    }
}

fn metadata(array: &Array<'_>) -> MetadataVersion {
    let text = array.metadata_version().ok().flatten().unwrap_or_default();
    if let Some(rest) = text.strip_prefix("external:") {
        return MetadataVersion::External(rest.to_owned());
    }
    let numbers = text.split_once('.').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    numbers.map_or(MetadataVersion::None, |(major, minor)| MetadataVersion::Native(major, minor))
}

/// sysfs has the whole number; the table's has 32 bits.
fn component_size(array: &Array<'_>, info: Option<md::ArrayInfo>) -> Option<Kib> {
    let exact = array.component_size().ok().flatten().filter(|size| size.0 != 0);
    exact.or_else(|| info.and_then(|info| u64::try_from(info.size).ok()).map(Kib))
}

fn counts(info: &md::ArrayInfo) -> Counts {
    Counts {
        raid_disks: u32::try_from(info.raid_disks).unwrap_or(0),
        total: info.nr_disks,
        active: info.active_disks,
        working: info.working_disks,
        failed: info.failed_disks,
        spare: info.spare_disks,
    }
}

/// The counts of an array that has not been started.
fn counted(attached: &[(Attached, MemberFlags)]) -> Counts {
    let count = |fits: fn(&MemberFlags) -> bool| {
        i32::try_from(attached.iter().filter(|(_, flags)| fits(flags)).count()).unwrap_or(i32::MAX)
    };
    Counts {
        raid_disks: 0,
        total: count(|_| true),
        active: count(|flags| flags.sync),
        working: count(|flags| !flags.faulty),
        failed: 0,
        spare: count(|flags| !flags.faulty && !flags.sync),
    }
}

fn flags(flags: md::ArrayFlags) -> KernelFlags {
    KernelFlags {
        clean: flags.contains(md::ArrayFlags::CLEAN),
        bitmap: flags.contains(md::ArrayFlags::BITMAP_PRESENT),
        clustered: flags.contains(md::ArrayFlags::CLUSTERED),
    }
}

fn member_flags(flags: md::DiskFlags) -> MemberFlags {
    use md::DiskFlags as F;
    let known = F::FAULTY | F::ACTIVE | F::SYNC | F::REMOVED | F::WRITE_MOSTLY | F::FAILFAST | F::JOURNAL;
    MemberFlags {
        faulty: flags.contains(F::FAULTY),
        active: flags.contains(F::ACTIVE),
        sync: flags.contains(F::SYNC),
        removed: flags.contains(F::REMOVED),
        write_mostly: flags.contains(F::WRITE_MOSTLY),
        failfast: flags.contains(F::FAILFAST),
        journal: flags.contains(F::JOURNAL),
        other: !flags.difference(known).is_empty(),
    }
}

/// Whether a superblock is this array's: the same creation time and level.
fn is_of(superblock: &MemberSuperblock, info: &md::ArrayInfo) -> bool {
    let (created, level) = match &superblock.native {
        Native::V0(sb) => (u64::from(sb.ctime()), sb.level()),
        Native::V1(sb) => (sb.ctime().raw() & u64::from(u32::MAX), sb.level()),
    };
    created == u64::from(info.ctime) && level.number() == info.level
}
