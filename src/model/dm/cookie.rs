//! Semaphores by which udev tells that it is done, of all programs.

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdevCookie {
    /// Its value.
    pub value: u32,
    /// The semaphore's number.
    pub semid: u32,
    /// What it stands at.
    pub count: i32,
    /// Seconds since 1970 of the last operation; 0 for never.
    pub operated: u64,
    /// Seconds since 1970 of the last change of its value by setting it, or of its making.
    pub changed: u64,
}

/// What decides about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UdevCookies {
    /// All that there are.
    pub all: Vec<UdevCookie>,
    /// Values that a new one may have, where nobody has them.
    pub random: Vec<u32>,
    /// Seconds since 1970.
    pub now: u64,
}
