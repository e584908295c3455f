//! What the verbs of `volume` are asked for.

use std::{fmt, path::PathBuf};

use superblock::Bytes;

/// One volume.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VolumeName {
    /// Its group.
    pub group: String,
    /// Its name in the group.
    pub volume: String,
}

impl fmt::Display for VolumeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group, self.volume)
    }
}

/// A group, or one volume of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// The group.
    pub group: String,
    /// The volume; `None` for the group itself.
    pub volume: Option<String>,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.volume {
            Some(volume) => write!(f, "{}/{volume}", self.group),
            None => f.write_str(&self.group),
        }
    }
}

/// What a percentage is taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PercentOf {
    /// What is free in the group, on the devices that were named.
    Free,
    /// The whole group.
    Group,
    /// What is free on the devices that were named.
    Pvs,
    /// The origin of a snapshot.
    Origin,
    /// The volume itself.
    Volume,
}

/// How much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So many bytes; rounded up to whole extents.
    Bytes(Bytes),
    /// So many extents.
    Extents(u64),
    /// So many hundredths.
    Percent(u64, PercentOf),
}

/// A new size, or the difference to the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeChange {
    /// Which way; `None` for a size as such.
    pub sign: Option<Sign>,
    /// How much.
    pub amount: Amount,
}

/// More or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// `+`.
    Plus,
    /// `-`.
    Minus,
}

/// A device to take extents from, and which of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PvWord {
    /// Path of the device.
    pub path: String,
    /// First and last extent of each range; none for all of it. The last is `None` where it is the end.
    pub ranges: Vec<(u64, Option<u64>)>,
}

/// What to do with signatures of what was in a volume's place before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wipe {
    /// A question for each; without a terminal, a refusal that names them.
    Ask,
    /// Gone without a question: what lies in free extents belongs to nobody.
    #[default]
    Yes,
    /// Nothing is looked for and nothing is zeroed.
    No,
}

/// `mdctl volume …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeRequest {
    /// `list`.
    List(ListRequest),
    /// `show`.
    Show(Vec<Named>),
    /// `group …`.
    Group(GroupRequest),
    /// `create`.
    Create(CreateVolumes),
    /// `snapshot`.
    Snapshot(NewSnapshot),
    /// `snapshot diff`.
    Diff(DiffRequest),
    /// `snapshot apply`.
    Apply {
        /// The stream's file.
        stream: PathBuf,
        /// The copy.
        target: PathBuf,
    },
    /// `rollback`.
    Rollback(RollbackRequest),
    /// `move`.
    Move(MoveRequest),
    /// `resize`.
    Resize(ResizeRequest),
    /// `rename`.
    Rename {
        /// The old name.
        from: VolumeName,
        /// The new one in the same group.
        to: String,
    },
    /// `remove`.
    Remove(Vec<VolumeName>),
    /// `activate`.
    Activate(ActivateRequest),
    /// `deactivate`.
    Deactivate(Vec<Named>),
    /// `check`: groups and devices; none for all.
    Check(Vec<String>),
    /// `backup`.
    Backup(BackupRequest),
    /// `restore`.
    Restore(RestoreRequest),
}

impl VolumeRequest {
    /// Whether it is about to change something.
    #[must_use]
    pub fn changes(&self) -> bool {
        let asks = matches!(self, Self::Move(MoveRequest { what: Moving::Status, .. }));
        !asks && !matches!(self, Self::List(_) | Self::Show(_) | Self::Diff(_))
    }
}

/// `volume list`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListRequest {
    /// Only these; all where there are none.
    pub names: Vec<Named>,
    /// Hidden layers too.
    pub all: bool,
    /// The columns, by name; the usual ones where there are none.
    pub columns: Vec<String>,
}

/// `volume group …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRequest {
    /// `create`.
    Create(CreateGroup),
    /// `extend`.
    Extend {
        /// The group.
        group: String,
        /// Paths of the new devices.
        devices: Vec<String>,
        /// The metadata area's end and the data's start, where they were given.
        room: Option<Bytes>,
    },
    /// `reduce`.
    Reduce {
        /// The group.
        group: String,
        /// Paths of devices that are in it.
        devices: Vec<String>,
    },
    /// `reduce --missing`.
    Forget {
        /// The group.
        group: String,
        /// Volumes that are there are removed.
        force: bool,
    },
    /// `remove`.
    Remove(Vec<String>),
    /// `rename`.
    Rename {
        /// The old name.
        from: String,
        /// The new one.
        to: String,
    },
}

/// `volume group create`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateGroup {
    /// The name.
    pub group: String,
    /// Paths of its devices.
    pub devices: Vec<String>,
    /// Size of an extent; `None` for one that is chosen to fit the arrays.
    pub extent: Option<Bytes>,
    /// Where the metadata area ends; `None` for 8 MiB.
    pub room: Option<Bytes>,
}

/// `volume create`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateVolumes {
    /// The volumes, all of one group.
    pub volumes: Vec<NewVolume>,
    /// A file that names more, a volume a line.
    pub from: Option<PathBuf>,
    /// Old signatures in their place.
    pub wipe: Wipe,
    /// They are not activated.
    pub inactive: bool,
}

/// One volume to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewVolume {
    /// Its name.
    pub name: VolumeName,
    /// Its size.
    pub size: Amount,
    /// How many devices it is striped over.
    pub stripes: u32,
    /// Bytes of a stripe on one device.
    pub stripe_size: Option<Bytes>,
    /// The devices to take extents from; all where there are none.
    pub on: Vec<PvWord>,
    /// It cannot be written to.
    pub read_only: bool,
}

/// `volume resize`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResizeRequest {
    /// The volume.
    pub name: VolumeName,
    /// Its new size.
    pub change: SizeChange,
    /// The file system in it is resized too.
    pub fs: bool,
    /// Shrink although nothing is known of what is in it.
    pub force: bool,
    /// The devices to take extents from; all where there are none.
    pub on: Vec<PvWord>,
}

/// `volume activate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivateRequest {
    /// Groups and volumes; everything where there are none.
    pub names: Vec<Named>,
    /// Volumes with parts that are missing too: those parts give errors.
    pub partial: bool,
}

/// `volume snapshot`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSnapshot {
    /// The volume.
    pub origin: VolumeName,
    /// The snapshot's name; `None` for one that is made from the volume's.
    pub name: Option<String>,
    /// Its store's size.
    pub size: Option<Amount>,
    /// The store's chunk.
    pub chunk: Option<Bytes>,
    /// It cannot be written to.
    pub read_only: bool,
    /// The devices to take extents from; all where there are none.
    pub on: Vec<PvWord>,
}

/// `volume snapshot diff`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffRequest {
    /// The snapshot.
    pub name: VolumeName,
    /// Where the stream goes.
    pub stream: Option<PathBuf>,
    /// A later snapshot whose data it has.
    pub to: Option<VolumeName>,
    /// It has the snapshot's data.
    pub reverse: bool,
}

/// When a rollback shall begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// Now, or at the next activation where the volume is open.
    #[default]
    Either,
    /// Now, or not at all.
    Now,
    /// At the next activation.
    NextActivation,
}

/// `volume rollback`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollbackRequest {
    /// The snapshot.
    pub name: VolumeName,
    /// When.
    pub when: When,
    /// Until it is over.
    pub wait: bool,
}

/// `volume move`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveRequest {
    /// The group, or one volume of it.
    pub name: Named,
    /// What about it.
    pub what: Moving,
}

/// What about a move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moving {
    /// Begin it, or go on with it.
    Move {
        /// Path of the device to be emptied; `None` to go on with what was begun.
        from: Option<String>,
        /// Where to; all others where there are none.
        to: Vec<PvWord>,
        /// Until it is over.
        wait: bool,
    },
    /// Leave everything where it was.
    Abort,
    /// How far is it?
    Status,
}

/// `volume backup`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupRequest {
    /// The groups; none for all.
    pub groups: Vec<String>,
    /// This file, not LVM2's.
    pub file: Option<PathBuf>,
}

/// `volume restore`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreRequest {
    /// The group.
    pub group: String,
    /// Only show what is kept.
    pub list: bool,
    /// The state after this change.
    pub at: Option<u32>,
    /// That of this file.
    pub file: Option<PathBuf>,
    /// Also where volumes get other contents than they have.
    pub force: bool,
}
