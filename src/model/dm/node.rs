//! What a node made here is to be, and how far the kernel reads ahead.

/// Whom a node belongs to, where it is made here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// User.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Permissions.
    pub mode: Option<u32>,
}

/// How far the kernel reads ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAhead {
    /// As the kernel has it.
    Auto,
    /// Not at all.
    None,
    /// This many sectors.
    Sectors(u32),
    /// At least this many sectors.
    AtLeast(u32),
}
