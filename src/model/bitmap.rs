//! A write-intent bitmap as it was found on a member.

use superblock::{
    MdUuid,
    bitmap::{Count, Superblock, lockless::States},
};

/// The bitmap of a member; of a cluster, those of all nodes.
#[derive(Clone, Debug)]
pub struct MemberBitmap {
    /// The array, as its members name it; the bitmap has the same bytes.
    pub array: MdUuid,
    /// The first superblock.
    pub superblock: Superblock,
    /// One for each node; where there is no cluster, one.
    pub nodes: Vec<NodeBitmap>,
    /// Nodes that it names and that have no room on the device.
    pub missing_nodes: u32,
}

/// The bitmap of one node.
#[derive(Clone, Debug)]
pub struct NodeBitmap {
    /// Its superblock, which may be anything.
    pub superblock: Superblock,
    /// Its bits; `None` where they were not asked for.
    pub content: Option<Content>,
}

/// What the bits say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// One bit for each chunk.
    Bits(Count),
    /// One state for each chunk.
    States(States),
}

impl NodeBitmap {
    /// Whether there are as many bits on the device as the superblock says.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let Some(Content::Bits(count)) = self.content else { return true };
        count.total >= self.superblock.bits().unwrap_or(0)
    }
}
