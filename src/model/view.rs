//! The closed set of what a course can look at: what a decision may know is what stands here.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

use superblock::{Level, MdUuid, lvm::Group as LvmGroup};

use super::{
    Candidate, DevId, Sight, World,
    active::Active,
    archive::{Entry, Found, Identity, Shelf, Spot},
    delta::{Compared, DeltaHead, KeptBy},
    dm::{Listed, Overview},
    extents::OldContent,
    grow::{Growing, WindowSight},
    manage::{Absent, Depth, ManageSubject, Managed},
    monitor::{MonitorTexts, Monitored, Spool},
    overlay::{Overlay, Overlays, Pending, Underlays},
    raw::{DifferencesSeen, NotRaw, RawArray, StripeRange, StripesSeen},
    scrub::{Piece, ScrubSight},
    trial::{Checker, ToolEnded},
    volume::{FoundGroup, GroupLook, GroupSeen, Groups, Traces, VolumesSeen},
};
use crate::words::{Errno, SyncAction};

/// Why there was nothing to see.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Unseen {
    /// Device, operation, errno in a sentence.
    pub text: String,
    /// The kernel's answer, where it was the kernel who refused.
    pub errno: Option<Errno>,
}

/// What is found out about the use of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsedBy {
    /// Nothing: the kernel refuses what is in use when it is claimed.
    Unasked,
    /// Whether those with metadata are in use: one more open for each.
    Whether,
    /// Also by whom.
    ByWhom,
}

/// What to look at. `inventory` looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// The machine without its devices, with so many fresh random identities.
    World {
        /// How many.
        fresh: usize,
    },
    /// Random identities that nobody has.
    Fresh {
        /// How many.
        ids: usize,
    },
    /// The paths of all devices that the configuration lets us look at.
    Candidates,
    /// These devices, for members of arrays.
    Members {
        /// Their paths.
        paths: Vec<String>,
        /// What is found out about their use.
        used_by: UsedBy,
    },
    /// An array whose members are to be changed.
    Managed {
        /// Its path.
        array: String,
    },
    /// An array whose size or shape is to be changed.
    Growing {
        /// Its path.
        array: String,
        /// A file for data that is set aside; `None`: the usual one.
        store: Option<String>,
    },
    /// How far a reshape is whose data is set aside.
    Window {
        /// The array's path.
        array: String,
        /// The store.
        store: String,
        /// Where its description is in it, in sectors.
        at: u64,
    },
    /// A device that is named for an array.
    Subject {
        /// Its path.
        path: String,
        /// How closely.
        depth: Depth,
    },
    /// Groups of volumes and physical volumes.
    Groups,
    /// One group with its devices.
    Group(GroupLook),
    /// What lies where volumes are going to be.
    InPlace {
        /// The group as it is.
        found: Box<FoundGroup>,
        /// The group as it would be.
        after: Box<LvmGroup>,
        /// The volumes.
        names: Vec<String>,
    },
    /// What is left of the missing devices of a group.
    Traces {
        /// All groups that are there.
        groups: Box<Groups>,
        /// The group as it shall be again.
        of: Box<LvmGroup>,
    },
    /// All groups with the devices of each.
    Volumes {
        /// The command, for the metadata.
        command: String,
    },
    /// A stream of a snapshot's changes, and the device that it is for.
    DeltaHead {
        /// Its file.
        stream: String,
        /// The device, or an image.
        target: String,
    },
    /// The same, all of it read and compared.
    DeltaFit {
        /// Its file.
        stream: String,
        /// The device, or an image.
        target: String,
    },
    /// The snapshots of a volume, by identities as device names have them.
    KeptBy {
        /// Its group.
        group: String,
        /// It.
        volume: String,
    },
    /// Devices of device-mapper, and what their waiting tables lead to.
    Dm,
    /// The number of a device that is named by its node, or by the kernel's name for an array.
    Number {
        /// The path or name.
        path: String,
    },
    /// What an array is syncing.
    Acting {
        /// A path to its node.
        path: String,
    },
    /// Arrays, and what is kept of their checks.
    Scrub {
        /// Paths, kernel names, names or UUIDs; all arrays where there are none.
        words: Vec<String>,
    },
    /// An array that has all of its members, for reading past md.
    RawArray {
        /// Its path.
        path: String,
        /// Levels that it may have.
        levels: &'static [Level],
    },
    /// A range of all of its members: which stripes of it do not fit together.
    Stripes {
        /// The array.
        array: Box<RawArray>,
        /// The range.
        range: StripeRange,
        /// Those that fit, too.
        all: bool,
    },
    /// A range of an array: where its members do not agree.
    Differences {
        /// The array.
        array: Box<RawArray>,
        /// The range: of the members where there is parity, of the array where there are copies.
        range: StripeRange,
    },
    /// What lies on an array.
    Contents {
        /// The kernel's name.
        array: String,
        /// The path that people use.
        path: String,
    },
    /// All arrays, and which of them are at these paths.
    Monitored {
        /// The paths.
        paths: Vec<String>,
    },
    /// The receivers of events that the configuration names now.
    MonitorTexts {
        /// The file that was named instead of the usual ones.
        config: Option<OsString>,
    },
    /// The monitor's letters that are not delivered.
    Letters {
        /// The directories of their files.
        dirs: Vec<String>,
    },
    /// What the kernel said about these, as words of a line.
    KernelLog {
        /// Names of arrays and disks.
        words: Vec<String>,
    },
    /// Which of these arrays nobody holds.
    Free {
        /// Their kernel names.
        arrays: Vec<String>,
    },
    /// The devices of one group in the kernel.
    Active {
        /// Its identity, as device names have it.
        group: String,
        /// What was listed with the groups.
        listed: Vec<Listed>,
    },
    /// All overlays.
    Overlays {
        /// A directory to look into beside the usual one.
        store: Option<String>,
    },
    /// What these overlays would write to their members.
    Pending {
        /// They.
        overlays: Vec<Overlay>,
    },
    /// Devices that overlays are to be put over.
    Underlays {
        /// Their paths.
        paths: Vec<String>,
    },
    /// Devices that are going to be written, and who uses them.
    ToWrite {
        /// Their paths.
        paths: Vec<String>,
    },
    /// What a file system's own tool finds on a device. It writes nothing.
    Tool {
        /// Which tool.
        tool: Checker,
        /// The device.
        device: String,
    },
    /// The arrays that are marked as being created.
    Creating,
    /// What the archive holds.
    Shelf,
    /// One entry of it.
    Entry {
        /// Its file.
        file: PathBuf,
    },
    /// Every block device, with what tells it from others.
    Here {
        /// Devices that are looked for: what of the others' blocks is read is what was noted of these.
        known: Vec<Identity>,
    },
    /// What is on the devices of an entry, who uses them too.
    Present {
        /// The devices.
        spots: Vec<Spot>,
    },
}

/// What an array is syncing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acting {
    /// There is nothing at the path: the system's words.
    NoDevice(String),
    /// No array of a level that syncs.
    NoArray,
    /// An array.
    Array {
        /// The kernel's name of it.
        kernel: String,
        /// `sync_action`.
        action: SyncAction,
        /// Bytes done and bytes in all, while something is going on.
        progress: Option<(u64, u64)>,
    },
}

macro_rules! views {
    ($($(#[$doc:meta])* $name:ident($type:ty) = $take:ident,)*) => {
        /// What was seen.
        #[derive(Debug)]
        pub enum View { $($(#[$doc])* $name($type),)* }

        impl View {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// Something else was seen than was asked for: a mistake of the driver's.
                pub fn $take(self) -> Result<$type, Unseen> {
                    match self {
                        Self::$name(seen) => Ok(seen),
                        other => Err(Unseen {
                            text: format!(concat!("looked for ", stringify!($name), " and saw {}"), other.name()),
                            errno: None,
                        }),
                    }
                }
            )*

            fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)* }
            }
        }
    };
}

views! {
    /// [`Look::World`].
    World(Box<World>) = world,
    /// [`Look::Fresh`].
    Fresh(Vec<MdUuid>) = fresh,
    /// [`Look::Candidates`].
    Candidates(Vec<String>) = candidates,
    /// [`Look::Members`], in the order of the paths.
    Members(Vec<Sight>) = members,
    /// [`Look::Managed`].
    Managed(Result<Box<Managed>, Absent>) = managed,
    /// [`Look::Growing`].
    Growing(Result<Box<Growing>, Absent>) = growing,
    /// [`Look::Window`]; `None`: there is no such array any more.
    Window(Option<Box<WindowSight>>) = window,
    /// [`Look::Subject`].
    Subject(Box<ManageSubject>) = subject,
    /// [`Look::Groups`].
    Groups(Box<Groups>) = groups,
    /// [`Look::Number`]: none for what is not a block device, or the system's words for why there is nothing.
    Number(Result<Option<DevId>, String>) = number,
    /// [`Look::Acting`].
    Acting(Acting) = acting,
    /// [`Look::Scrub`].
    Scrub(Box<ScrubSight>) = scrub,
    /// [`Look::RawArray`], or why it cannot be read so.
    RawArray(Result<Box<RawArray>, NotRaw>) = raw_array,
    /// [`Look::Stripes`].
    Stripes(Box<StripesSeen>) = stripes,
    /// [`Look::Differences`].
    Differences(Box<DifferencesSeen>) = differences,
    /// [`Look::Contents`], in the order of the array.
    Contents(Vec<Piece>) = contents,
    /// [`Look::Monitored`].
    Monitored(Box<Monitored>) = monitored,
    /// [`Look::MonitorTexts`].
    MonitorTexts(Box<MonitorTexts>) = monitor_texts,
    /// [`Look::Letters`].
    Letters(Box<Spool>) = letters,
    /// [`Look::KernelLog`], oldest first; none where the log cannot be read.
    KernelLog(Vec<String>) = kernel_log,
    /// [`Look::Free`], in their order.
    Free(Vec<String>) = free,
    /// [`Look::Active`].
    Active(Active) = active,
    /// [`Look::Group`].
    Group(Box<GroupSeen>) = group,
    /// [`Look::InPlace`], by the volumes' names.
    InPlace(BTreeMap<String, OldContent>) = in_place,
    /// [`Look::Traces`].
    Traces(Box<Traces>) = traces,
    /// [`Look::Volumes`].
    Volumes(Box<VolumesSeen>) = volumes,
    /// [`Look::DeltaHead`].
    DeltaHead(Box<DeltaHead>) = delta_head,
    /// [`Look::DeltaFit`].
    DeltaFit(Compared) = delta_fit,
    /// [`Look::KeptBy`]; `None`: the volume was not found.
    KeptBy(Option<Box<KeptBy>>) = kept_by,
    /// [`Look::Dm`].
    Dm(Box<Overview>) = dm,
    /// [`Look::Overlays`].
    Overlays(Overlays) = overlays,
    /// [`Look::Pending`], in their order.
    Pending(Vec<Pending>) = pending,
    /// [`Look::Underlays`].
    Underlays(Underlays) = underlays,
    /// [`Look::ToWrite`], in the order of the paths.
    ToWrite(Vec<Candidate>) = to_write,
    /// [`Look::Tool`].
    Tool(ToolEnded) = tool,
    /// [`Look::Creating`], by their kernel names.
    Creating(Vec<String>) = creating,
    /// [`Look::Shelf`].
    Shelf(Shelf) = shelf,
    /// [`Look::Entry`], or why it is not believed.
    Entry(Result<Box<Entry>, String>) = entry,
    /// [`Look::Here`], each once: by the path that is known where that is one of its names.
    Here(Vec<Identity>) = here,
    /// [`Look::Present`], in their order.
    Present(Vec<Found>) = present,
}
