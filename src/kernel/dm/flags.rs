//! Flags of a request and of its answer (`linux/dm-ioctl.h`).

use bitflags::bitflags;

bitflags! {
    /// `DM_*_FLAG`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct DmFlags: u32 {
        /// The table, or the device, takes no writes.
        const READONLY = 1;
        /// To be suspended, or is.
        const SUSPEND = 1 << 1;
        /// The number is chosen by the caller.
        const PERSISTENT_DEV = 1 << 3;
        /// Constructor text instead of status.
        const STATUS_TABLE = 1 << 4;
        /// There is a live table.
        const ACTIVE_PRESENT = 1 << 5;
        /// There is a table that waits.
        const INACTIVE_PRESENT = 1 << 6;
        /// The answer did not fit.
        const BUFFER_FULL = 1 << 8;
        /// File systems are not frozen.
        const SKIP_LOCKFS = 1 << 10;
        /// Queued I/O is not waited for; status is not committed first.
        const NOFLUSH = 1 << 11;
        /// About the table that waits.
        const QUERY_INACTIVE = 1 << 12;
        /// The kernel told udev.
        const UEVENT_GENERATED = 1 << 13;
        /// About the UUID.
        const UUID = 1 << 14;
        /// The kernel wipes its copy of the buffer.
        const SECURE_DATA = 1 << 15;
        /// A message has an answer.
        const DATA_OUT = 1 << 16;
        /// When the last user closes it.
        const DEFERRED_REMOVE = 1 << 17;
        /// Suspended by the driver itself.
        const INTERNAL_SUSPEND = 1 << 18;
        /// The text that is measured for integrity.
        const IMA_MEASUREMENT = 1 << 19;
    }
}
