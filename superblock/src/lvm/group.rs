//! A group as its text describes it: physical volumes, volumes, their segments.
//!
//! [`Group::parse`] reads (`read.rs`), [`Group::raw`] and [`Group::backup`] write (`write.rs`), [`Group::problems`] checks the
//! format's invariants (`check.rs`), [`Group::objections`] says why it may only be read (`objections.rs`), the edits are in `edit.rs`,
//! room is found in `allocate.rs`.

use std::{
    collections::BTreeSet,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use bitflags::bitflags;

use super::LvmUuid;
use crate::units::Sectors;

/// A volume group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its identity.
    pub id: LvmUuid,
    /// Counts the changes.
    pub seqno: u32,
    /// Status words.
    pub status: GroupStatus,
    /// Words that older programs may ignore.
    pub flags: GroupFlags,
    /// Tags.
    pub tags: Vec<String>,
    /// The machine that it belongs to.
    pub system_id: Option<String>,
    /// Who coordinates machines that share it.
    pub lock_type: Option<String>,
    /// For that one.
    pub lock_args: Option<String>,
    /// An extent's size.
    pub extent_size: Sectors,
    /// At most so many volumes, 0 for any number.
    pub max_lv: u64,
    /// At most so many physical volumes, 0 for any number.
    pub max_pv: u64,
    /// Other than "normal".
    pub allocation: Option<String>,
    /// A profile of LVM2's configuration.
    pub profile: Option<String>,
    /// How many metadata areas LVM2 shall use, 0 for all.
    pub metadata_copies: u32,
    /// Physical volumes. Segments name them by their index here.
    pub pvs: Vec<PhysicalVolume>,
    /// Volumes, in the text's order; hidden ones (stores of snapshots, the rows that make snapshots) are among them.
    pub volumes: Vec<LogicalVolume>,
    /// What the text has and these values do not: each a reason to leave the group alone.
    pub strange: Vec<String>,
    /// Whether some of that is the group's own or its physical volumes': then it says something about every volume.
    pub strange_itself: bool,
    /// The volumes about which some of it says something.
    pub strange_volumes: BTreeSet<String>,
    /// The text's trailer.
    pub written: Written,
}

/// By whom and when a text was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// What was done.
    pub description: String,
    /// On which machine.
    pub host: String,
    /// Seconds since 1970.
    pub time: i64,
}

bitflags! {
    /// A group's `status`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct GroupStatus: u32 {
        /// It was handed over to another machine.
        const EXPORTED = 1;
        /// Volumes may be added.
        const RESIZEABLE = 1 << 1;
        /// A move is going on.
        const PVMOVE = 1 << 2;
        /// May be read.
        const READ = 1 << 3;
        /// May be changed.
        const WRITE = 1 << 4;
        /// Shared by a cluster of old.
        const CLUSTERED = 1 << 5;
        /// Shared.
        const SHARED = 1 << 6;
    }
}

bitflags! {
    /// A group's `flags`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct GroupFlags: u32 {
        /// Stands for `WRITE` where programs that do not know system ids must keep off.
        const WRITE_LOCKED = 1;
        /// Not to be activated by itself.
        const NOAUTOACTIVATE = 1 << 1;
    }
}

bitflags! {
    /// A physical volume's `status`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct PvStatus: u32 {
        /// New extents may be taken from it.
        const ALLOCATABLE = 1;
        /// Its group was handed over.
        const EXPORTED = 1 << 1;
        /// It was missing when the group was changed.
        const MISSING = 1 << 2;
    }
}

bitflags! {
    /// A volume's `status`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct VolumeStatus: u32 {
        /// May be read.
        const READ = 1;
        /// May be written.
        const WRITE = 1 << 1;
        /// Has a fixed device number.
        const FIXED_MINOR = 1 << 2;
        /// Shown.
        const VISIBLE = 1 << 3;
        /// Made by a move.
        const PVMOVE = 1 << 4;
        /// Part of a move.
        const LOCKED = 1 << 5;
        /// A mirror that was never synchronised.
        const NOTSYNCED = 1 << 6;
        /// A leg that is being rebuilt.
        const REBUILD = 1 << 7;
        /// A leg that is not read.
        const WRITEMOSTLY = 1 << 8;
    }
}

bitflags! {
    /// A volume's `flags`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct VolumeFlags: u32 {
        /// See [`GroupFlags::WRITE_LOCKED`].
        const WRITE_LOCKED = 1;
        /// To be activated only when asked for expressly.
        const ACTIVATION_SKIP = 1 << 1;
        /// Not to be activated by itself.
        const NOAUTOACTIVATE = 1 << 2;
        /// A thin pool's.
        const ERROR_WHEN_FULL = 1 << 3;
        /// A cache's.
        const CACHE_VOL = 1 << 4;
    }
}

/// A physical volume as the group knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhysicalVolume {
    /// Its identity, which its label has too.
    pub id: LvmUuid,
    /// Where it was last seen: a hint.
    pub device: String,
    /// How the devices file knows it.
    pub device_id: Option<DeviceId>,
    /// Status words.
    pub status: PvStatus,
    /// Tags.
    pub tags: Vec<String>,
    /// The device's size; 0 where a very old text does not say.
    pub dev_size: Sectors,
    /// Where its first extent begins.
    pub pe_start: Sectors,
    /// How many extents it has.
    pub pe_count: u64,
    /// Room for a boot loader: start and size.
    pub bootloader: Option<(Sectors, Sectors)>,
}

/// A device's name that lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceId {
    /// `md_uuid`, `sys_wwid`, …; empty where the text has none.
    pub kind: String,
    /// The name.
    pub id: String,
}

/// A volume, or one of the hidden things that have a volume's place in the text.
///
/// There may be thousands, and most differ in what stands here alone: the rest is behind `common`, whose fields are reached as
/// if they were the volume's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicalVolume {
    /// Its name.
    pub name: String,
    /// Its identity.
    pub id: LvmUuid,
    /// When it was made, seconds since 1970.
    pub creation_time: Option<i64>,
    /// What it is made of, in order and without gaps.
    pub segments: Vec<Segment>,
    /// The rest, shared with volumes of which it is the same until one of them is changed.
    pub common: Arc<Common>,
}

/// What many volumes have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Common {
    /// Status words.
    pub status: VolumeStatus,
    /// Words that older programs may ignore.
    pub flags: VolumeFlags,
    /// Tags.
    pub tags: Vec<String>,
    /// On which machine it was made.
    pub creation_host: Option<String>,
    /// Of a lock manager.
    pub lock_args: Option<String>,
    /// Other than the group's.
    pub allocation: Option<String>,
    /// A profile of LVM2's configuration.
    pub profile: Option<String>,
    /// Sectors to read ahead, -1 for none.
    pub read_ahead: Option<i64>,
    /// A fixed major number.
    pub major: Option<i64>,
    /// A fixed minor number.
    pub minor: Option<i64>,
}

impl Deref for LogicalVolume {
    type Target = Common;

    fn deref(&self) -> &Common {
        &self.common
    }
}

impl DerefMut for LogicalVolume {
    fn deref_mut(&mut self) -> &mut Common {
        Arc::make_mut(&mut self.common)
    }
}

/// A run of a volume's extents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it begins in the volume.
    pub start: u64,
    /// How many extents of the volume it is (all legs together).
    pub len: u64,
    /// Tags.
    pub tags: Vec<String>,
    /// What is there.
    pub kind: Kind,
}

/// What a segment is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// On one physical volume, or alternating between several.
    Striped {
        /// Of one leg before the next has its turn; 0 where there is one leg.
        stripe_size: Sectors,
        /// The legs.
        legs: Vec<Leg>,
    },
    /// The hidden row that makes one volume a snapshot of another.
    Snapshot {
        /// The volume that the snapshot is of.
        origin: String,
        /// The volume that has the store.
        cow: String,
        /// A chunk of the store.
        chunk: Sectors,
        /// The snapshot is going back into its origin.
        merging: bool,
    },
    /// On a hidden volume by which `pvmove` is moving it: only read.
    OnMove {
        /// That volume.
        volume: String,
        /// How many stripes it has, on that volume or on physical ones.
        stripes: u64,
        /// Legs that are on physical volumes all the same.
        legs: Vec<Leg>,
    },
    /// Old and new place of what `pvmove` is moving, a leg for each: only read.
    Move {
        /// The legs.
        legs: Vec<Leg>,
    },
    /// Of a kind that we only read.
    Other {
        /// Its name, with what is appended to it.
        kind: String,
    },
}

/// Where one leg of a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Index into [`Group::pvs`].
    pub pv: usize,
    /// Its first extent there.
    pub extent: u64,
}

/// What a volume is to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Nothing.
    Plain,
    /// It has snapshots, so many.
    Origin {
        /// How many.
        snapshots: usize,
        /// One of them is going back into it.
        merging: bool,
    },
    /// It is the store of a snapshot; the row is at this index.
    Cow {
        /// Index into [`Group::volumes`] of the row.
        row: usize,
        /// Index of the origin.
        origin: usize,
    },
    /// It is a row that makes a snapshot: never a device of its own.
    Row,
    /// A hidden part of a kind that we only read.
    Hidden,
}

/// One snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot<'a> {
    /// The hidden row.
    pub row: &'a LogicalVolume,
    /// What it is a snapshot of.
    pub origin: &'a str,
    /// The volume that has the store, by whose name users know the snapshot.
    pub cow: &'a str,
    /// The store's chunk.
    pub chunk: Sectors,
    /// It is going back into its origin.
    pub merging: bool,
}

impl LogicalVolume {
    /// Its length in extents.
    #[must_use]
    pub fn extents(&self) -> u64 {
        self.segments.iter().fold(0, |sum, segment| sum.saturating_add(segment.len))
    }

    /// Whether `pvmove` is moving it.
    #[must_use]
    pub fn is_on_move(&self) -> bool {
        self.segments.iter().any(|segment| matches!(segment.kind, Kind::OnMove { .. }))
    }

    /// Whether it is a row that makes a snapshot.
    #[must_use]
    pub fn is_row(&self) -> bool {
        self.segments.iter().any(|segment| matches!(segment.kind, Kind::Snapshot { .. }))
    }

    /// Whether it may be written to.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.status.contains(VolumeStatus::WRITE) || self.flags.contains(VolumeFlags::WRITE_LOCKED)
    }
}

impl Segment {
    /// Where it ends in the volume.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }

    /// Extents on each leg.
    #[must_use]
    pub fn leg_len(&self) -> u64 {
        match &self.kind {
            Kind::Striped { legs, .. } => {
                let legs = u64::try_from(legs.len()).unwrap_or(u64::MAX);
                self.len.checked_div(legs).unwrap_or(0)
            }
            Kind::OnMove { stripes, .. } => self.len.checked_div(*stripes).unwrap_or(0),
            Kind::Move { .. } => self.len,
            Kind::Snapshot { .. } | Kind::Other { .. } => 0,
        }
    }

    /// What it takes of physical volumes.
    #[must_use]
    pub fn legs(&self) -> &[Leg] {
        match &self.kind {
            Kind::Striped { legs, .. } | Kind::OnMove { legs, .. } | Kind::Move { legs } => legs,
            Kind::Snapshot { .. } | Kind::Other { .. } => &[],
        }
    }
}

impl Group {
    /// The volume of this name; rows that make snapshots have no name to the user and are not found.
    #[must_use]
    pub fn volume(&self, name: &str) -> Option<&LogicalVolume> {
        self.volumes.iter().find(|volume| volume.name == name && !volume.is_row())
    }

    /// The same, to be changed.
    pub fn volume_mut(&mut self, name: &str) -> Option<&mut LogicalVolume> {
        self.volumes.iter_mut().find(|volume| volume.name == name && !volume.is_row())
    }

    /// The physical volume with this identity, with its index.
    #[must_use]
    pub fn pv(&self, id: LvmUuid) -> Option<(usize, &PhysicalVolume)> {
        self.pvs.iter().enumerate().find(|(_, pv)| pv.id == id)
    }

    /// All snapshots.
    pub fn snapshots(&self) -> impl Iterator<Item = Snapshot<'_>> {
        self.volumes.iter().filter_map(|row| match &row.segments.first()?.kind {
            Kind::Snapshot { origin, cow, chunk, merging } => {
                Some(Snapshot { row, origin, cow, chunk: *chunk, merging: *merging })
            }
            _ => None,
        })
    }

    /// The snapshots of one volume.
    pub fn snapshots_of<'a>(&'a self, origin: &'a str) -> impl Iterator<Item = Snapshot<'a>> {
        self.snapshots().filter(move |snapshot| snapshot.origin == origin)
    }

    /// The volumes that `pvmove` is moving.
    pub fn on_move(&self) -> impl Iterator<Item = &str> {
        self.volumes.iter().filter(|volume| volume.is_on_move()).map(|volume| volume.name.as_str())
    }

    /// The snapshot whose store is this volume.
    #[must_use]
    pub fn snapshot_in(&self, cow: &str) -> Option<Snapshot<'_>> {
        self.snapshots().find(|snapshot| snapshot.cow == cow)
    }

    /// Whether it may be changed as far as its own words go.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.status.contains(GroupStatus::WRITE) || self.flags.contains(GroupFlags::WRITE_LOCKED)
    }

    /// A size in extents as sectors, the largest value where it does not fit.
    #[must_use]
    pub fn sectors(&self, extents: u64) -> Sectors {
        Sectors(extents.saturating_mul(self.extent_size.0))
    }

    /// What each volume is to the others, in the order of [`Group::volumes`].
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        let first = |volume: &LogicalVolume| {
            let visible = volume.status.contains(VolumeStatus::VISIBLE);
            if volume.is_row() {
                Part::Row
            } else if visible {
                Part::Plain
            } else {
                Part::Hidden
            }
        };
        let mut parts: Vec<Part> = self.volumes.iter().map(first).collect();
        if !parts.contains(&Part::Row) {
            return parts;
        }
        let index: std::collections::HashMap<&str, usize> =
            self.volumes.iter().enumerate().map(|(index, volume)| (volume.name.as_str(), index)).collect();
        for (row, volume) in self.volumes.iter().enumerate() {
            let Some(Kind::Snapshot { origin, cow, merging, .. }) = volume.segments.first().map(|s| &s.kind)
            else {
                continue;
            };
            let Some(origin) = index.get(origin.as_str()).copied() else { continue };
            if let Some(part) = index.get(cow.as_str()).and_then(|cow| parts.get_mut(*cow)) {
                *part = Part::Cow { row, origin };
            }
            if let Some(part) = parts.get_mut(origin) {
                let (known, before) = match part {
                    Part::Origin { snapshots, merging } => (*snapshots, *merging),
                    _ => (0, false),
                };
                *part = Part::Origin { snapshots: known.saturating_add(1), merging: before || *merging };
            }
        }
        parts
    }
}
