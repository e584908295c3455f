//! `mdctl trial`: guesses about an array.

use std::{path::PathBuf, time::Duration};

use superblock::{Bytes, Level, Sectors};

use crate::model::trial::Format;

/// `mdctl trial`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrialRequest {
    /// An array, or its devices and `missing`.
    pub subjects: Vec<String>,
    /// The level.
    pub level: Option<Level>,
    /// The number of slots.
    pub raid_devices: Option<u32>,
    /// The chunk.
    pub chunk: Option<Sectors>,
    /// The layout, as the level reads it.
    pub layout: Option<String>,
    /// Where data may begin.
    pub data_offsets: Vec<Sectors>,
    /// The superblocks.
    pub format: Option<Format>,
    /// How much of each member is used.
    pub size: Option<Sectors>,
    /// The order is as given.
    pub in_order: bool,
    /// The most guesses that are looked at.
    pub limit: usize,
    /// The search for guesses takes no longer; `None`: however long it takes.
    pub time: Option<Duration>,
    /// So many of the best are assembled on overlays.
    pub assemble: usize,
    /// The number of the guess that stays up.
    pub keep: Option<usize>,
    /// The number of the guess that is carried out.
    pub apply: Option<usize>,
    /// What the array is called then.
    pub name: Option<String>,
    /// The directory for the overlays' files.
    pub store: Option<PathBuf>,
    /// The size of each.
    pub store_size: Option<Bytes>,
}
