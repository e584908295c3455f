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
    /// What could not be compared: a sector of the range, the member's path, and why.
    pub unread: Vec<(Sectors, String, String)>,
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
