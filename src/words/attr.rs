//! The names of md's attributes, as types.

macro_rules! attributes {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $path:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$of])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The one with this file name.
            #[must_use]
            pub fn named(path: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|attr| attr.path() == path)
            }

            /// The file, below the directory that holds them.
            #[must_use]
            pub fn path(self) -> &'static str {
                match self { $(Self::$variant => $path,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.path())
            }
        }
    };
}

attributes! {
    /// A file below `/sys/block/mdN/md`. What the running kernel, the level or the state does not have is absent.
    ArrayAttr {
        ArrayState = "array_state",
        /// KiB, or `default`.
        ArraySize = "array_size",
        BitmapBacklog = "bitmap/backlog",
        BitmapCanClear = "bitmap/can_clear",
        /// Bytes.
        BitmapChunkSize = "bitmap/chunksize",
        BitmapLocation = "bitmap/location",
        BitmapMaxBacklogUsed = "bitmap/max_backlog_used",
        BitmapMetadata = "bitmap/metadata",
        /// Write only: `CHUNK` or `FIRST-LAST`.
        BitmapSetBits = "bitmap_set_bits",
        BitmapSpace = "bitmap/space",
        BitmapTimeBase = "bitmap/time_base",
        /// Since 6.18.
        BitmapType = "bitmap_type",
        /// Bytes.
        ChunkSize = "chunk_size",
        /// KiB.
        ComponentSize = "component_size",
        ConsistencyPolicy = "consistency_policy",
        Degraded = "degraded",
        FailLastDev = "fail_last_dev",
        GroupThreadCount = "group_thread_cnt",
        JournalMode = "journal_mode",
        LastSyncAction = "last_sync_action",
        Layout = "layout",
        Level = "level",
        LlbitmapBarrierIdle = "llbitmap/barrier_idle",
        LlbitmapBits = "llbitmap/bits",
        LlbitmapDaemonSleep = "llbitmap/daemon_sleep",
        LlbitmapMetadata = "llbitmap/metadata",
        /// Bytes. Since 6.19.
        LogicalBlockSize = "logical_block_size",
        MaxReadErrors = "max_read_errors",
        MetadataVersion = "metadata_version",
        /// Sectors.
        MismatchCount = "mismatch_cnt",
        /// `major:minor` of a member to add.
        NewDev = "new_dev",
        /// Since 6.12.
        NewLevel = "new_level",
        PplWriteHint = "ppl_write_hint",
        PrereadBypassThreshold = "preread_bypass_threshold",
        RaidDisks = "raid_disks",
        ReshapeDirection = "reshape_direction",
        ReshapePosition = "reshape_position",
        ResyncStart = "resync_start",
        RmwLevel = "rmw_level",
        /// Seconds, with a fraction.
        SafeModeDelay = "safe_mode_delay",
        SerializePolicy = "serialize_policy",
        SkipCopy = "skip_copy",
        /// Bytes.
        StripeSize = "stripe_size",
        StripeCacheActive = "stripe_cache_active",
        StripeCacheSize = "stripe_cache_size",
        SuspendHi = "suspend_hi",
        SuspendLo = "suspend_lo",
        SyncAction = "sync_action",
        SyncCompleted = "sync_completed",
        SyncForceParallel = "sync_force_parallel",
        SyncIoDepth = "sync_io_depth",
        SyncMax = "sync_max",
        SyncMin = "sync_min",
        /// KiB a second.
        SyncSpeed = "sync_speed",
        SyncSpeedMax = "sync_speed_max",
        SyncSpeedMin = "sync_speed_min",
        Uuid = "uuid",
    }
}

attributes! {
    /// A file below `/sys/block/mdN/md/dev-X`.
    MemberAttr {
        BadBlocks = "bad_blocks",
        Errors = "errors",
        /// Sectors.
        NewOffset = "new_offset",
        /// Sectors.
        Offset = "offset",
        PplSector = "ppl_sector",
        PplSize = "ppl_size",
        RecoveryStart = "recovery_start",
        /// KiB.
        Size = "size",
        Slot = "slot",
        State = "state",
        UnacknowledgedBadBlocks = "unacknowledged_bad_blocks",
    }
}
