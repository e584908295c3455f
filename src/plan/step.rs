//! One act, small enough to be undone or to say why not.

use std::fmt;

use superblock::{Bytes, Kib, Level, MdUuid, Sectors, Write, delta::Header};

use super::{
    critical::Critical,
    dm::DmStep,
    overlay::OverlayStep,
    volume::{fs::FsStep, metadata::LvmStep},
};
use crate::{
    archive::{EntryId, Record},
    model::{unfinished::Note, world::MapEntry},
    words::{ArrayAttr, DevId, MemberAttr},
};

/// An array as steps name it: the kernel's name, and the path that people use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrayName {
    /// Kernel name (`md127`).
    pub kernel: String,
    /// The path to show and, without udev, to make (`/dev/md/home`, `/dev/md0`).
    pub path: String,
}

impl fmt::Display for ArrayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kernel)
    }
}

/// An array that has no metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegacyShape {
    /// The level.
    pub level: Level,
    /// Layout number.
    pub layout: u32,
    /// Chunk; 0 where the level has none.
    pub chunk: Bytes,
    /// Used size of each member; 0 for what the smallest has.
    pub size: Kib,
    /// Slots.
    pub raid_disks: u32,
    /// The members are equal: no resync.
    pub clean: bool,
}

/// A member as steps name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberName {
    /// As it is shown.
    pub shown: String,
    /// Its number; `None` once the device is gone.
    pub dev: Option<DevId>,
    /// Its name in sysfs, where that is how it was found.
    pub link: Option<String>,
}

/// MD_DISK_* bits of `mdu_disk_info_t.state` (`md_p.h`).
pub mod disk_state {
    /// In a slot.
    pub const ACTIVE: u32 = 1 << 1;
    /// Up to date.
    pub const SYNC: u32 = 1 << 2;
    /// Another node of the cluster asked whether we see it.
    pub const CANDIDATE: u32 = 1 << 5;
    /// Read only when there is no other.
    pub const WRITE_MOSTLY: u32 = 1 << 9;
    /// Not retried.
    pub const FAIL_FAST: u32 = 1 << 10;
    /// The write journal.
    pub const JOURNAL: u32 = 1 << 18;
}

/// How ADD_NEW_DISK introduces a member (`mdu_disk_info_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskInfo {
    /// Index in the metadata.
    pub number: i32,
    /// Slot; −1 for a spare.
    pub raid_disk: i32,
    /// MD_DISK_* bits.
    pub state: u32,
}

/// One act. `execute` carries it out; nothing else changes the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Take a device exclusively and keep udev from probing it.
    Claim {
        /// Path of the device.
        device: String,
    },
    /// Open a device that others may have open too, even the kernel.
    Share {
        /// Path of the device.
        device: String,
    },
    /// Let a claimed device go.
    Release {
        /// Path of the device.
        device: String,
    },
    /// Fetch the bytes that the plan endangers and store them in the archive. [`super::keep`] puts it in.
    Archive {
        /// What is kept.
        record: Box<Record>,
    },
    /// Take an entry out of the archive again: what it was made for did not happen.
    Discard {
        /// The entry.
        id: EntryId,
    },
    /// Write metadata and sync it. The host keeps the bytes that were there, so this can be undone.
    Write {
        /// Path of the device.
        device: String,
        /// What it is, for people: "superblock 1.2 at 8 sectors (slot 0)".
        what: String,
        /// The bytes.
        writes: Vec<Write>,
    },
    /// Make a sparse file with some bytes in it, and sync it.
    SaveFile {
        /// Its path; nothing may be there.
        file: String,
        /// Its size.
        size: Bytes,
        /// What is in it.
        pieces: Vec<Write>,
    },
    /// Give a file one more name.
    Link {
        /// The file.
        file: String,
        /// The name; nothing may be there.
        name: String,
    },
    /// Take a file away again.
    RemoveFile {
        /// Its path.
        file: String,
    },
    /// Read back what was written and compare.
    Verify {
        /// Path of the device.
        device: String,
        /// What has to be there.
        writes: Vec<Write>,
    },
    /// Look again once the device is claimed: it must hold what the plan saw there. Somebody else was quicker otherwise.
    Unchanged {
        /// Path of the device.
        device: String,
        /// What was seen.
        seen: Vec<Write>,
    },
    /// Set a range of several members to zero, all at once. No undo: it is data that was asked to be destroyed.
    Zero {
        /// Path, start and length of each range.
        ranges: Vec<(String, Sectors, Sectors)>,
    },
    /// Take the lock of the map file.
    LockMap,
    /// Let the lock of the map file go.
    UnlockMap,
    /// Look again under the lock: the array must be as the plan saw it. Somebody else was quicker otherwise, and what
    /// follows was decided on what is not so any more.
    Expect {
        /// The array.
        array: ArrayName,
        /// Its identity: under another name it must not be there either.
        uuid: Option<MdUuid>,
        /// The members it had; `None`: there was no such array.
        members: Option<Vec<DevId>>,
    },
    /// Tell udev's rules that the array is not ready yet (`creating-` file).
    HideFromUdev {
        /// The array.
        array: ArrayName,
    },
    /// Take that back.
    ShowToUdev {
        /// The array.
        array: ArrayName,
    },
    /// Make an empty array in the kernel.
    NewArray {
        /// The array.
        array: ArrayName,
        /// Its device number where the name gives one, for kernels without `new_array`.
        id: Option<DevId>,
    },
    /// Say which metadata the members carry (SET_ARRAY_INFO with nothing but the version).
    SetVersion {
        /// The array.
        array: ArrayName,
        /// Major and minor version.
        version: (i32, i32),
    },
    /// Say what an array without metadata is (SET_ARRAY_INFO with everything).
    SetShape {
        /// The array.
        array: ArrayName,
        /// All that the kernel cannot read from the members.
        shape: LegacyShape,
    },
    /// Write an attribute of an array that this plan made, or after the commit.
    SetAttr {
        /// The array.
        array: ArrayName,
        /// Which.
        attr: ArrayAttr,
        /// Text to write.
        value: String,
        /// An attribute that this kernel may lack without harm.
        optional: bool,
    },
    /// Change an attribute of an array that is there already.
    Change {
        /// The array.
        array: ArrayName,
        /// Which.
        attr: ArrayAttr,
        /// What it was; `None` where the kernel does not say it, or does not take it back.
        from: Option<String>,
        /// Text to write.
        to: String,
    },
    /// Give a member to the array; its claim passes to the kernel.
    AddDisk {
        /// The array.
        array: ArrayName,
        /// Path of the member.
        device: String,
        /// Its number, slot and flags.
        info: DiskInfo,
    },
    /// Give a member to an array that runs.
    HotAdd {
        /// The array.
        array: ArrayName,
        /// Path of the member.
        device: String,
        /// Its number, slot and flags.
        info: DiskInfo,
    },
    /// Tell the cluster that we do not see the device that another node wants to add.
    DenyDevice {
        /// The array.
        array: ArrayName,
    },
    /// Mark a member as failed.
    Fail {
        /// The array.
        array: ArrayName,
        /// The member.
        member: MemberName,
    },
    /// Take a member out of the array.
    Remove {
        /// The array.
        array: ArrayName,
        /// The member.
        member: MemberName,
        /// Wait for the kernel to let it go.
        patient: bool,
    },
    /// Write an attribute of a member.
    SetMember {
        /// The array.
        array: ArrayName,
        /// The member.
        member: MemberName,
        /// Which.
        attr: MemberAttr,
        /// Text to write.
        value: String,
    },
    /// Keep recovery from starting.
    Freeze {
        /// The array.
        array: ArrayName,
    },
    /// Let recovery start.
    Thaw {
        /// The array.
        array: ArrayName,
    },
    /// Start the array.
    Run {
        /// The array.
        array: ArrayName,
    },
    /// Make an array writable that the kernel started read-auto.
    MakeWritable {
        /// The array.
        array: ArrayName,
    },
    /// Make an array read-only.
    MakeReadonly {
        /// The array.
        array: ArrayName,
    },
    /// Stop the array; returns when its device is gone.
    Stop {
        /// The array.
        array: ArrayName,
    },
    /// Record the array in the map file.
    MapAdd {
        /// The line.
        entry: MapEntry,
    },
    /// Take the array's line out of the map file.
    MapRemove {
        /// The line as it was; `devnm` selects it.
        entry: MapEntry,
    },
    /// Make `/dev` agree: wait for udev to have made node and link, or make them where udev is not running.
    Node {
        /// The array.
        array: ArrayName,
    },
    /// Remove what `/dev` still shows of a stopped array.
    RemoveNode {
        /// The array.
        array: ArrayName,
    },
    /// Send a `change` event, so that udev looks again.
    Uevent {
        /// The array.
        array: ArrayName,
    },
    /// Write an attribute that the configuration names. After the commit: it is an addition.
    Configure {
        /// The array.
        array: ArrayName,
        /// Name below `md/`, without `..`.
        attr: String,
        /// Text to write.
        value: String,
    },
    /// Have the kernel's own detection assemble what it found at boot (RAID_AUTORUN).
    AutoDetect,
    /// Write a file of text, whole or not at all. Comes last before the commit.
    WriteFile {
        /// Its path.
        path: String,
        /// Its text.
        text: String,
        /// Its permissions.
        mode: u32,
    },
    /// Have a command carried out by a process in the background, unless one is at it. Comes last.
    Follow {
        /// The name of the lock that this process holds.
        lock: String,
        /// The command's words.
        words: Vec<String>,
    },
    /// Put a stream of a snapshot's changes on a copy that was found to be its base. No undo: each range was compared with what the
    /// stream knows of it before, and the same again goes on where it stopped.
    PutStream {
        /// The stream's file.
        stream: String,
        /// The device, or an image.
        target: String,
        /// The stream's header, as it was seen.
        header: Box<Header>,
        /// Bytes of data in it.
        bytes: Bytes,
    },
    /// Add a line to the notes of a command that was killed.
    Note {
        /// Their file.
        notes: String,
        /// What is noted.
        note: Note,
    },
    /// Something about a device-mapper device.
    Dm(DmStep),
    /// An act on an overlay's file.
    Overlay(OverlayStep),
    /// Suspend, commit metadata, resume: one act. Its own failure leaves nothing suspended.
    Critical(Box<Critical>),
    /// Something about the metadata of a group of volumes.
    Lvm(LvmStep),
    /// A run of a file system's own tool.
    Fs(FsStep),
    /// The point of no return: what failed before it is rolled back, what fails after it is reported.
    Commit,
}

impl Step {
    /// Whether there is no way back from it: the commit, or a critical section that commits metadata.
    #[must_use]
    pub fn is_commit(&self) -> bool {
        match self {
            Step::Commit => true,
            Step::Critical(critical) => critical.commit.is_some(),
            _ => false,
        }
    }

    /// Whether it is left out after a commit where a step before it failed: what could not be taken away needs its files still.
    #[must_use]
    pub fn needs_all_before(&self) -> bool {
        matches!(self, Step::RemoveFile { .. } | Step::Overlay(OverlayStep::Forget { .. }))
    }

    /// The step that takes this one back. `saved` is what the host kept when it carried out a [`Step::Write`].
    ///
    /// `None`: `Release`, `Discard`, `RemoveFile`, `UnlockMap`, `ShowToUdev`, `RemoveNode` and `Stop` come last in
    /// their plans, after the commit or as an undo; `DenyDevice`, `Fail` and `Remove` are each the last act of their
    /// plan, `Thaw` is an undo itself; `Verify`, `Unchanged` and `Expect` change nothing; `Zero` destroys on request; `SetVersion`, `SetShape`,
    /// `SetAttr`, `AddDisk`, `Run` and the read-only switches change an array that `NewArray`'s undo stops as a whole;
    /// `Critical` takes itself back where it fails, and is the point of no return where it does not;
    /// events cannot be unsent, and detected arrays not told from others; `WriteFile` is whole or not there; `Configure`,
    /// `Note` and `Follow` come after the commit.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "one arm a step; the list is the point")]
    pub fn undo(&self, saved: Vec<Write>) -> Option<Step> {
        Some(match self {
            Step::Claim { device } | Step::Share { device } => Step::Release { device: device.clone() },
            Step::SaveFile { file, .. } | Step::Link { name: file, .. } => {
                Step::RemoveFile { file: file.clone() }
            }
            Step::Archive { record } => Step::Discard { id: record.about.id.clone() },
            Step::Write { device, what, .. } => Step::Write {
                device: device.clone(),
                what: format!("the bytes that were there before {what}"),
                writes: saved,
            },
            Step::LockMap => Step::UnlockMap,
            Step::HideFromUdev { array } => Step::ShowToUdev { array: array.clone() },
            Step::NewArray { array, .. } => Step::Stop { array: array.clone() },
            Step::MapAdd { entry } => Step::MapRemove { entry: entry.clone() },
            Step::MapRemove { entry } => Step::MapAdd { entry: entry.clone() },
            Step::Node { array } => Step::RemoveNode { array: array.clone() },
            Step::HotAdd { array, device, .. } => Step::Remove {
                array: array.clone(),
                member: MemberName { shown: device.clone(), dev: None, link: None },
                patient: true,
            },
            Step::SetMember { array, member, attr, value } => Step::SetMember {
                array: array.clone(),
                member: member.clone(),
                attr: *attr,
                value: unset(*attr, value)?.to_owned(),
            },
            Step::Change { array, attr, from, to } => {
                Step::Change { array: array.clone(), attr: *attr, from: Some(to.clone()), to: from.clone()? }
            }
            Step::Freeze { array } => Step::Thaw { array: array.clone() },
            Step::Dm(step) => Step::Dm(step.undo()?),
            Step::Fs(step) => Step::Fs(step.undo()?),
            Step::Overlay(step) => Step::Overlay(step.undo()?),
            Step::Lvm(step) => Step::Lvm(step.undo()?),
            Step::Discard { .. }
            | Step::Verify { .. }
            | Step::Unchanged { .. }
            | Step::Expect { .. }
            | Step::RemoveFile { .. }
            | Step::DenyDevice { .. }
            | Step::Fail { .. }
            | Step::Remove { .. }
            | Step::Thaw { .. }
            | Step::Note { .. }
            | Step::PutStream { .. }
            | Step::Release { .. }
            | Step::Zero { .. }
            | Step::UnlockMap
            | Step::ShowToUdev { .. }
            | Step::SetVersion { .. }
            | Step::SetShape { .. }
            | Step::SetAttr { .. }
            | Step::AddDisk { .. }
            | Step::Run { .. }
            | Step::MakeWritable { .. }
            | Step::MakeReadonly { .. }
            | Step::Stop { .. }
            | Step::RemoveNode { .. }
            | Step::Uevent { .. }
            | Step::Configure { .. }
            | Step::AutoDetect
            | Step::WriteFile { .. }
            | Step::Follow { .. }
            | Step::Critical(_)
            | Step::Commit => return None,
        })
    }
}

/// What takes an attribute of a member back.
fn unset(attr: MemberAttr, value: &str) -> Option<&'static str> {
    match (attr, value) {
        (MemberAttr::State, "want_replacement") => Some("-want_replacement"),
        (MemberAttr::Slot, _) => Some("none"),
        _ => None,
    }
}

impl fmt::Display for Step {
    #[expect(clippy::too_many_lines, reason = "one arm a step; the list is the point")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Claim { device } => write!(f, "open {device} exclusively"),
            Step::Share { device } => write!(f, "open {device}"),
            Step::Release { device } => write!(f, "release {device}"),
            Step::Archive { record } => {
                write!(f, "keep {} bytes in the archive as {}", record.size().0, record.about.id)
            }
            Step::Discard { id } => write!(f, "take {id} out of the archive"),
            Step::Write { device, what, .. } => write!(f, "write {what} to {device}"),
            Step::SaveFile { file, size, .. } => write!(f, "write {file}, {size}"),
            Step::Link { file, name } => write!(f, "link {name} to {file}"),
            Step::RemoveFile { file } => write!(f, "remove {file}"),
            Step::Verify { device, .. } => write!(f, "compare what {device} has now"),
            Step::Unchanged { device, .. } => write!(f, "check that {device} is still as it was seen"),
            Step::Zero { ranges } => {
                write!(f, "write zeroes to")?;
                ranges.iter().try_for_each(|(device, start, length)| {
                    write!(f, " {device} ({} sectors from sector {})", length.0, start.0)
                })
            }
            Step::Expect { array, members: None, .. } => write!(f, "check that {array} is still free"),
            Step::Expect { array, members: Some(_), .. } => {
                write!(f, "check that {array} still has the members that were seen")
            }
            Step::LockMap => write!(f, "lock the map file"),
            Step::UnlockMap => write!(f, "unlock the map file"),
            Step::HideFromUdev { array } => write!(f, "mark {array} as being created"),
            Step::ShowToUdev { array } => write!(f, "mark {array} as created"),
            Step::NewArray { array, .. } => write!(f, "new array {array}"),
            Step::SetVersion { array, version: (major, minor) } => {
                write!(f, "set {array} to metadata {major}.{minor}")
            }
            Step::SetShape { array, shape } => {
                let level = shape.level.name().unwrap_or("unknown level");
                write!(f, "make {array} a {level} of {} slots without metadata", shape.raid_disks)
            }
            Step::SetAttr { array, attr, value, .. } | Step::Change { array, attr, to: value, .. } => {
                write!(f, "set {attr} of {array} to {value}")
            }
            Step::AddDisk { array, device, info } | Step::HotAdd { array, device, info } => {
                match info.raid_disk {
                    slot if slot >= 0 => write!(f, "add {device} to {array} as slot {slot}"),
                    _ => write!(f, "add {device} to {array} as number {}", info.number),
                }
            }
            Step::DenyDevice { array } => write!(f, "deny the device that the cluster of {array} asks about"),
            Step::Fail { array, member } => write!(f, "mark {} in {array} as failed", member.shown),
            Step::Remove { array, member, .. } => write!(f, "take {} out of {array}", member.shown),
            Step::SetMember { array, member, attr, value } => {
                write!(f, "set {attr} of {} in {array} to {value}", member.shown)
            }
            Step::Freeze { array } => write!(f, "keep recovery of {array} from starting"),
            Step::PutStream { stream, target, .. } => write!(f, "put {stream} on {target}"),
            Step::Note { notes, .. } => write!(f, "note in {notes} what is over"),
            Step::Thaw { array } => write!(f, "let recovery of {array} start"),
            Step::Run { array } => write!(f, "run {array}"),
            Step::MakeWritable { array } => write!(f, "make {array} writable"),
            Step::MakeReadonly { array } => write!(f, "make {array} read-only"),
            Step::Stop { array } => write!(f, "stop {array}"),
            Step::MapAdd { entry } => write!(f, "map {} -> {}", entry.devnm, entry.path),
            Step::MapRemove { entry } => write!(f, "remove {} from the map", entry.devnm),
            Step::Node { array } => write!(f, "make {} appear", array.path),
            Step::RemoveNode { array } => write!(f, "remove what is left of {}", array.path),
            Step::Uevent { array } => write!(f, "send a change event for {array}"),
            Step::Configure { array, attr, value } => write!(f, "set {attr} of {array} to {value}"),
            Step::AutoDetect => write!(f, "have the kernel detect arrays"),
            Step::WriteFile { path, .. } => write!(f, "write the file {path}"),
            Step::Follow { words, .. } => {
                write!(f, "have `mdctl {}` done in the background", words.join(" "))
            }
            Step::Dm(step) => write!(f, "{step}"),
            Step::Overlay(step) => write!(f, "{step}"),
            Step::Critical(critical) => write!(f, "{critical}"),
            Step::Lvm(step) => write!(f, "{step}"),
            Step::Fs(step) => write!(f, "{step}"),
            Step::Commit => write!(f, "commit"),
        }
    }
}
