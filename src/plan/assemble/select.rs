//! Which devices are meant: an identity from the command line or an ARRAY line, and what does not match it.

use superblock::{Level, MdUuid};

use super::claim::Claim;
use crate::config::Metadata;

/// What is known of the array that is wanted. Nothing known matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedIdentity {
    /// Its UUID.
    pub uuid: Option<MdUuid>,
    /// Its name, with or without a host.
    pub name: Option<String>,
    /// Its preferred minor; 0.90 only.
    pub super_minor: Option<u32>,
    /// Its level.
    pub level: Option<Level>,
    /// Its number of slots.
    pub raid_disks: Option<u32>,
    /// Its format.
    pub metadata: Option<Metadata>,
}

/// Whose names are ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Home {
    /// Our name; `None` where there is none, or it is not to count.
    pub host: Option<String>,
    /// Whether an array of another host is foreign.
    pub required: bool,
}

impl Home {
    /// Whether the array was made here. Names beginning with `any:` are at home everywhere.
    #[must_use]
    pub fn owns(&self, claim: &Claim) -> bool {
        let host = self.host.as_deref().unwrap_or_default().as_bytes();
        claim.is_local_to(b"any") || (!host.is_empty() && claim.is_local_to(host))
    }
}

impl WantedIdentity {
    /// Whether anything is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.uuid.is_none() && self.name.is_none() && self.super_minor.is_none()
    }

    /// What of the device does not match, as the sentence's end; `None` where all does.
    #[must_use]
    pub fn mismatch(&self, claim: &Claim, home: &Home) -> Option<&'static str> {
        let facts = &claim.facts;
        if self.uuid.is_some_and(|uuid| uuid != facts.array) {
            Some("has wrong uuid")
        } else if self.name.as_ref().is_some_and(|name| !is_named(claim, name, home)) {
            Some("has wrong name")
        } else if self.super_minor.is_some_and(|minor| Some(minor) != facts.minor) {
            Some("has wrong super-minor")
        } else if self.level.is_some_and(|level| level != facts.level) {
            Some("has wrong raid level")
        } else if self.raid_disks.is_some_and(|count| count != facts.raid_disks) {
            Some("requires wrong number of drives")
        } else if !claim.is_of(self.metadata) {
            Some("has metadata of another format")
        } else {
            None
        }
    }
}

/// The stored name as it is, or behind our host's name, `any`, or any name where hosts do not matter.
fn is_named(claim: &Claim, name: &str, home: &Home) -> bool {
    let Some(stored) = claim.facts.name.as_deref() else { return false };
    let name = name.as_bytes();
    if stored == name {
        return true;
    }
    let mut parts = stored.splitn(2, |byte| *byte == b':');
    let (Some(host), Some(rest)) = (parts.next(), parts.next()) else { return false };
    let ours = home.host.as_deref().is_some_and(|ours| ours.as_bytes() == host);
    rest == name && (ours || host == b"any" || !home.required)
}
