//! `raid6check`.

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raid6CheckRequest {
    /// The array.
    pub array: String,
    /// What is done.
    pub verb: Raid6CheckVerb,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raid6CheckVerb {
    /// Look for blocks that do not fit.
    Check {
        /// From this stripe on.
        from: u64,
        /// So many; 0: to the end.
        count: u64,
        /// Bring back what one member alone has wrong.
        repair: bool,
    },
    /// Bring back what two slots have in a stripe.
    Repair {
        /// The stripe.
        stripe: u64,
        /// The slots.
        slots: [u32; 2],
    },
}
