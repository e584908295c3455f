//! What commands take, as values: the words of the command line after they were understood.

use std::{ffi::OsString, path::PathBuf};

use superblock::{Bytes, Level, MdUuid, Sectors};

pub use crate::config::Metadata;

/// A size or everything there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SizeOrMax {
    /// This much.
    Size(Sectors),
    /// All.
    Max,
}

/// Where data begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataOffset {
    /// At the same place of all members.
    Fixed(Sectors),
    /// Each device word carries its own, `PATH:SIZE`.
    Variable,
}

/// A kind of write-intent bitmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitmapKind {
    /// On the members, beside the superblock.
    Internal,
    /// The same, one for each node of a cluster.
    Clustered,
    /// The kernel's lockless bitmap (6.18).
    Lockless,
    /// None.
    None,
}

/// What keeps an array consistent over a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsistencyPolicy {
    /// A whole resync.
    Resync,
    /// A write-intent bitmap.
    Bitmap,
    /// A journal device.
    Journal,
    /// A partial parity log.
    Ppl,
}

impl ConsistencyPolicy {
    /// The word of the command line and of `md/consistency_policy`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Resync => "resync",
            Self::Bitmap => "bitmap",
            Self::Journal => "journal",
            Self::Ppl => "ppl",
        }
    }
}

/// A device of a new array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberSource {
    /// A device.
    Path(PathBuf),
    /// The device that `--write-journal` names, at its place among the words.
    Journal(PathBuf),
    /// `missing`: the slot stays empty.
    Missing,
}

/// A device word of create or build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberWord {
    /// What it is.
    pub source: MemberSource,
    /// Reads prefer other members.
    pub write_mostly: bool,
    /// Errors are not retried.
    pub failfast: bool,
    /// `PATH:SIZE`, with `--data-offset=variable`.
    pub data_offset: Option<Sectors>,
}

/// `--create`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateRequest {
    /// The array as it was named.
    pub device: OsString,
    /// The level.
    pub level: Option<Level>,
    /// Number of slots.
    pub raid_devices: Option<u32>,
    /// Number of spares.
    pub spares: u32,
    /// Layout number.
    pub layout: Option<u32>,
    /// Chunk.
    pub chunk: Option<Sectors>,
    /// Used size of each member.
    pub size: Option<SizeOrMax>,
    /// Where data begins.
    pub data_offset: Option<DataOffset>,
    /// The format.
    pub metadata: Option<Metadata>,
    /// The bitmap.
    pub bitmap: Option<BitmapKind>,
    /// What one bit stands for.
    pub bitmap_chunk: Option<Bytes>,
    /// Outstanding writes to write-mostly members.
    pub write_behind: Option<u32>,
    /// Seconds between bitmap flushes.
    pub delay: Option<u32>,
    /// The devices.
    pub members: Vec<MemberWord>,
    /// What keeps it consistent.
    pub consistency_policy: Option<ConsistencyPolicy>,
    /// No initial resync.
    pub assume_clean: bool,
    /// Zero the data first, then no initial resync.
    pub write_zeroes: bool,
    /// The array's UUID.
    pub uuid: Option<MdUuid>,
    /// The array whose members may be overwritten without a question.
    pub destroy: Option<MdUuid>,
    /// The array's name.
    pub name: Option<String>,
    /// No questions.
    pub run: bool,
    /// Take the list literally.
    pub force: bool,
    /// Start read-only.
    pub readonly: bool,
    /// The array's logical block size in bytes.
    pub logical_block_size: Option<u32>,
    /// Cluster nodes.
    pub nodes: Option<u32>,
    /// Cluster name.
    pub home_cluster: Option<String>,
}

/// `--build`.
#[derive(Clone, Debug, PartialEq)]
pub struct BuildRequest {
    pub device: OsString,
    pub level: Option<Level>,
    pub raid_devices: Option<u32>,
    pub layout: Option<u32>,
    pub chunk: Option<Sectors>,
    pub size: Option<SizeOrMax>,
    pub bitmap: Option<BitmapKind>,
    pub bitmap_chunk: Option<Bytes>,
    pub write_behind: Option<u32>,
    pub delay: Option<u32>,
    pub members: Vec<MemberWord>,
    pub assume_clean: bool,
    pub run: bool,
    pub force: bool,
}

/// An operation of manage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManageOp {
    Add,
    AddSpare,
    AddJournal,
    ReAdd,
    Remove,
    Fail,
    Replace,
    With,
    ClusterConfirm,
}

impl ManageOp {
    /// The option's name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::AddSpare => "add-spare",
            Self::AddJournal => "add-journal",
            Self::ReAdd => "re-add",
            Self::Remove => "remove",
            Self::Fail => "fail",
            Self::Replace => "replace",
            Self::With => "with",
            Self::ClusterConfirm => "cluster-confirm",
        }
    }
}

/// A member word of manage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManageWord {
    pub op: ManageOp,
    /// A path, a kernel name, `MAJ:MIN`, or `missing`, `failed`, `detached`, `set-X`.
    pub device: OsString,
    pub write_mostly: Option<bool>,
    pub failfast: Option<bool>,
}

macro_rules! updates {
    ($($variant:ident = $name:literal),* $(,)?) => {
        /// A keyword of `--update`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Update {
            $(
                #[doc = $name]
                $variant
            ),*
        }

        impl Update {
            /// The word of the command line.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),*
                }
            }
        }
    };
}

updates! {
    Sparc22 = "sparc2.2", Summaries = "summaries", Uuid = "uuid", Name = "name", HomeHost = "homehost",
    HomeCluster = "home-cluster", Nodes = "nodes", Resync = "resync", ByteOrder = "byteorder",
    SuperMinor = "super-minor", DeviceSize = "devicesize", Bitmap = "bitmap", NoBitmap = "no-bitmap",
    Bbl = "bbl", NoBbl = "no-bbl", ForceNoBbl = "force-no-bbl", Ppl = "ppl", NoPpl = "no-ppl",
    Metadata = "metadata", RevertReshape = "revert-reshape", LayoutOriginal = "layout-original",
    LayoutAlternate = "layout-alternate", LayoutUnspecified = "layout-unspecified",
}

impl Update {
    /// With `--assemble`.
    pub const ASSEMBLE: &'static [Self] = &[
        Self::Sparc22,
        Self::Summaries,
        Self::Uuid,
        Self::Name,
        Self::HomeHost,
        Self::HomeCluster,
        Self::Nodes,
        Self::Resync,
        Self::ByteOrder,
        Self::SuperMinor,
        Self::DeviceSize,
        Self::Bitmap,
        Self::NoBitmap,
        Self::Bbl,
        Self::NoBbl,
        Self::ForceNoBbl,
        Self::Ppl,
        Self::NoPpl,
        Self::Metadata,
        Self::RevertReshape,
        Self::LayoutOriginal,
        Self::LayoutAlternate,
        Self::LayoutUnspecified,
    ];
    /// With `--re-add`.
    pub const RE_ADD: &'static [Self] = &[Self::DeviceSize, Self::Bbl, Self::NoBbl, Self::ForceNoBbl];
    /// With `--update-subarray`.
    pub const SUBARRAY: &'static [Self] = &[Self::Name, Self::Ppl, Self::NoPpl, Self::Bitmap, Self::NoBitmap];
}
