//! What the md driver's attributes say. Words that are not known are kept.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $word, "`")] $variant,)*
            /// A word of a newer kernel.
            Other(String),
        }

        impl $name {
            /// From the kernel's word.
            #[must_use]
            pub fn parse(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)*
                    other => Self::Other(other.to_owned()),
                }
            }

            /// The kernel's word.
            #[must_use]
            pub fn word(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                Self::parse(word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

words! {
    /// `array_state`.
    ArrayState {
        Clear = "clear", Inactive = "inactive", Suspended = "suspended", ReadOnly = "readonly", ReadAuto = "read-auto",
        Clean = "clean", Active = "active", WritePending = "write-pending", ActiveIdle = "active-idle", Broken = "broken",
    }
}

words! {
    /// `sync_action` and `last_sync_action`.
    SyncAction {
        Idle = "idle", Frozen = "frozen", Resync = "resync", Recover = "recover", Check = "check", Repair = "repair",
        Reshape = "reshape", None = "none",
    }
}

words! {
    /// One word of a member's `state`.
    MemberState {
        Faulty = "faulty", InSync = "in_sync", WriteMostly = "write_mostly", Blocked = "blocked", Spare = "spare",
        WriteError = "write_error", WantReplacement = "want_replacement", Replacement = "replacement",
        ExternalBbl = "external_bbl", FailFast = "failfast", Journal = "journal",
    }
}

words! {
    /// `consistency_policy`.
    ConsistencyPolicy {
        Unknown = "unknown", None = "none", Resync = "resync", Bitmap = "bitmap", Ppl = "ppl", Journal = "journal",
    }
}

impl ArrayState {
    /// Whether the array has been started and serves data. A state of a newer kernel counts as running: who takes a
    /// running array for a stopped one may write below it.
    #[must_use]
    pub fn is_running(&self) -> bool {
        match self {
            Self::Clear | Self::Inactive => false,
            Self::Other(word) => !word.is_empty(),
            Self::Suspended
            | Self::ReadOnly
            | Self::ReadAuto
            | Self::Clean
            | Self::Active
            | Self::WritePending
            | Self::ActiveIdle
            | Self::Broken => true,
        }
    }
}

impl Default for ArrayState {
    /// What an array is in before it is anything: no word at all.
    fn default() -> Self {
        Self::Other(String::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_is_not_known_counts_as_running() {
        for (word, running) in [
            ("clear", false),
            ("inactive", false),
            ("", false),
            ("readonly", true),
            ("read-auto", true),
            ("active", true),
            ("broken", true),
            ("a-state-of-2040", true),
        ] {
            assert_eq!(ArrayState::parse(word).is_running(), running, "{word}");
            assert_eq!(ArrayState::parse(word).word(), word);
        }
        assert!(!ArrayState::default().is_running());
    }
}

/// What synchronises: `sync_action` while it runs, and the word of `/proc/mdstat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SyncKind {
    /// A member is filled.
    Recovery,
    /// Members are made equal.
    Resync,
    /// The geometry changes.
    Reshape,
    /// Members are compared.
    Check,
    /// Members are compared, and made equal where they are not.
    Repair,
}

impl SyncKind {
    /// From the word of `/proc/mdstat`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let all = [Self::Recovery, Self::Resync, Self::Reshape, Self::Check, Self::Repair];
        all.into_iter().find(|kind| kind.word() == word)
    }

    /// The word of `/proc/mdstat`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Recovery => "recovery",
            Self::Resync => "resync",
            Self::Reshape => "reshape",
            Self::Check => "check",
            Self::Repair => "repair",
        }
    }

    /// What an array does while it is at it.
    #[must_use]
    pub fn doing(self) -> &'static str {
        match self {
            Self::Recovery => "recovering",
            Self::Resync => "resyncing",
            Self::Reshape => "reshaping",
            Self::Check => "checking",
            Self::Repair => "repairing",
        }
    }
}

impl SyncAction {
    /// What runs; `None` where nothing does.
    #[must_use]
    pub fn kind(&self) -> Option<SyncKind> {
        match self {
            Self::Resync => Some(SyncKind::Resync),
            Self::Recover => Some(SyncKind::Recovery),
            Self::Check => Some(SyncKind::Check),
            Self::Repair => Some(SyncKind::Repair),
            Self::Reshape => Some(SyncKind::Reshape),
            Self::Idle | Self::Frozen | Self::None | Self::Other(_) => None,
        }
    }
}

impl SyncAction {
    /// What it is called where something began or runs: a recovery, not a recover.
    #[must_use]
    pub fn noun(&self) -> &str {
        match self.kind() {
            Some(kind) => kind.word(),
            None => self.word(),
        }
    }
}

impl std::fmt::Display for SyncKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}
