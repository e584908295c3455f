//! What is on a device that is to become a member, and whether that needs a yes.

use jiff::tz::TimeZone;
use superblock::{
    Level, MdUuid, Sectors,
    foreign::{Foreign, Kind},
    probe::Found,
    v1::Minor,
};

use super::{CreateContext, Format, Listing};
use crate::{
    model::{Device, clock::ctime},
    plan::{Refusal, Warning},
    request::CreateRequest,
};

/// What the array will be, as far as the warnings depend on it.
#[derive(Clone, Copy)]
pub(super) struct Purpose<'a> {
    pub(super) level: Level,
    pub(super) raid_disks: u32,
    pub(super) format: Format,
    /// Room on this device.
    pub(super) room: Sectors,
    /// The size that was asked for; 0 without.
    pub(super) size: Sectors,
    pub(super) zone: &'a TimeZone,
    /// Members that are overwritten without a question.
    pub(super) overwritten: Overwritten,
}

/// Whose members may be overwritten without a question.
#[derive(Clone, Copy)]
pub(super) enum Overwritten {
    /// Nobody's.
    Nobodys,
    /// This array's.
    Of(MdUuid),
    /// Anybody's.
    Anybodys,
}

impl Overwritten {
    pub(super) fn of(request: &CreateRequest, context: &CreateContext) -> Self {
        match request.destroy {
            Some(uuid) => Self::Of(uuid),
            None if context.overwrite => Self::Anybodys,
            None => Self::Nobodys,
        }
    }

    /// Whether all that the device carries may go.
    pub(super) fn includes(self, device: &Device) -> bool {
        match self {
            Self::Nobodys => device.probe.found.is_empty(),
            Self::Of(uuid) => device.probe.found.iter().all(|found| array_of(found) == uuid),
            Self::Anybodys => true,
        }
    }
}

fn array_of(found: &Found) -> MdUuid {
    found.fields().membership().array
}

/// Whoever names an array to destroy must have some of its members listed: else a UUID or a device is wrong.
pub(super) fn names_a_member(request: &CreateRequest, listing: &[Listing<'_>]) -> Result<(), Refusal> {
    let Some(uuid) = request.destroy else { return Ok(()) };
    let mut found = listing.iter().filter_map(|item| item.device).flat_map(|device| &device.probe.found);
    if found.any(|found| array_of(found) == uuid) {
        return Ok(());
    }
    Err(Refusal::new(format!("--destroy={uuid}: no device that is listed is a member of that array")))
}

/// Everything found on the device, in the order in which the original looks.
pub(super) fn warnings(device: &Device, purpose: Purpose<'_>) -> Vec<Warning> {
    let mut said = Vec::new();
    // The original looks at nobody but those who claim a device.
    said.extend(device.used().map(|used| Warning::ask(format!("{} {used}", device.path))));
    for foreign in &device.foreign {
        said.extend(file_system(&device.path, foreign, purpose.zone));
    }
    said.extend(member(device, purpose.zone).map(|warning| match purpose.overwritten.includes(device) {
        true => Warning::note(warning.text),
        false => warning,
    }));
    let table = device.foreign.iter().find(|f| matches!(f.kind, Kind::Gpt | Kind::Mbr));
    // Where the question about the member is asked, one is enough.
    if let Some(table) = table.filter(|_| purpose.overwritten.includes(device)) {
        said.extend(partitions(&device.path, table, purpose));
    }
    said
}

/// The original knows ext2 to ext4 and reiserfs, and overwrites all others without a word.
fn file_system(path: &str, foreign: &Foreign, zone: &TimeZone) -> Vec<Warning> {
    let kind = foreign.kind;
    if kind.is_ext() {
        let size = foreign.size.map(|size| size.0 / 1024).unwrap_or_default();
        let mtime = ctime(foreign.mtime.unwrap_or_default().into(), zone);
        return vec![
            Warning::ask(format!("{path} appears to contain an ext2fs file system")),
            Warning::ask(format!("size={size}K  mtime={mtime}")),
        ];
    }
    match kind {
        Kind::Reiserfs => {
            let size = foreign.size.map(|size| size.0 / 1024).unwrap_or_default();
            vec![
                Warning::ask(format!("{path} appears to contain a reiserfs file system")),
                Warning::ask(format!("size = {size}K")),
            ]
        }
        Kind::Gpt | Kind::Mbr => Vec::new(),
        Kind::Swap => vec![Warning::ask(format!("{path} appears to contain swap space"))],
        Kind::Luks1 | Kind::Luks2 | Kind::Bitlocker => {
            vec![Warning::ask(format!("{path} appears to be encrypted ({})", kind.name()))]
        }
        Kind::Lvm2
        | Kind::Bcache
        | Kind::Zfs
        | Kind::Stratis
        | Kind::Vdo
        | Kind::Integrity
        | Kind::Verity => {
            vec![Warning::ask(format!("{path} appears to belong to {}", kind.name()))]
        }
        Kind::Ddf | Kind::Imsm => {
            vec![Warning::ask(format!("{path} appears to be part of a {} array", kind.name()))]
        }
        _ => vec![Warning::ask(format!("{path} appears to contain a {} file system", kind.name()))],
    }
}

/// The array of which it is a member; where there are several, that of a sound superblock, and the youngest.
fn member(device: &Device, zone: &TimeZone) -> Option<Warning> {
    let found = device.probe.found.iter().max_by_key(|found| (found.verify().is_ok(), found.created()))?;
    let facts = found.fields().membership();
    let (level, raid_disks) = (facts.level, facts.raid_disks);
    let level = level.name().map_or_else(|| level.number().to_string(), str::to_owned);
    let created = ctime(found.created(), zone);
    Some(Warning::ask(format!(
        "{} appears to be part of a raid array:\n       level={level} devices={raid_disks} ctime={created}",
        device.path
    )))
}

/// A partition table may be wanted on a mirror whose metadata is at the end; anywhere else it is lost.
fn partitions(path: &str, table: &Foreign, purpose: Purpose<'_>) -> Vec<Warning> {
    let mut said = vec![Warning::ask(format!("partition table exists on {path}"))];
    let end = table.table.map(|table| table.end).unwrap_or_default();
    let at_front = matches!(purpose.format, Format::V1(Minor::V1_1 | Minor::V1_2));
    let mirrors = purpose.level == Level::Raid1 || (purpose.level == Level::Raid0 && purpose.raid_disks == 1);
    if at_front || !mirrors {
        said.push(Warning::ask(format!(
            "partition table exists on {path} but will be lost or\n       meaningless after creating array"
        )));
    } else if end > purpose.room {
        said.push(Warning::ask(format!("metadata will over-write last partition on {path}.")));
    } else if purpose.size.0 > 0 && end > purpose.size {
        said.push(Warning::ask(format!("array size is too small to cover all partitions on {path}.")));
    }
    said
}
