//! Where the members of an array do not agree: what came of reading them.

use superblock::{Level, Sectors};

use super::ArraySpot;

/// What came of one array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The path that people use.
    pub array: String,
    /// The kernel's name.
    pub kernel: String,
    /// Its level.
    pub level: Level,
    /// So much was compared: of each member where there is parity, of the array where there are copies.
    pub compared: Sectors,
    /// Of so much.
    pub length: Sectors,
    /// Where members do not agree.
    pub places: Vec<LocatedPlace>,
    /// There are more places than are kept.
    pub more: bool,
    /// So much differed, and was not read often enough to be certain.
    pub doubtful: Sectors,
    /// What could not be compared.
    pub unread: Vec<LocatedUnread>,
}

/// One place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocatedPlace {
    /// How much of each member it is.
    pub length: Sectors,
    /// What lies there; several places where one of them is wrong, and none where parity alone is.
    pub spots: Vec<ArraySpot>,
    /// The members that do not agree with the others; empty where redundancy does not tell which.
    pub odd: Vec<String>,
}

/// A place that could not be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocatedUnread {
    /// Where it begins, in sectors of the array with copies, of the member with parity.
    pub from: Sectors,
    /// How long it is.
    pub length: Sectors,
    /// The member that could not be read; none where all were.
    pub member: Option<String>,
    /// Why.
    pub why: String,
}
