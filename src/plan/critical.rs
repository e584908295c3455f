//! What happens while devices are suspended: one act from the first suspend to the last resume.
//!
//! In between nothing may be allocated, logged, opened or locked: whatever needs memory may need a page to be written to
//! the very device that is held back. So this is a value with everything in it, and whoever carries it out makes all
//! requests ready before the first of them is sent. On any failure everything that was suspended is resumed: as it was
//! where the metadata was not yet committed, with the new tables where it was.

use std::fmt;

use superblock::Write;

use crate::model::dm::UdevFlags;

/// Suspend, commit, resume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Critical {
    /// What is held back, in this order: a device before those that it stands on.
    pub suspend: Vec<Suspend>,
    /// What makes the change real.
    pub commit: Option<Commit>,
    /// What goes on, in this order: a device after those that it stands on. New tables become live.
    pub resume: Vec<Resume>,
}

/// A device to be held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspend {
    /// Its name.
    pub name: String,
    /// What is mounted there is made consistent first.
    pub freeze: bool,
}

/// A device that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// Its name.
    pub name: String,
    /// What udev is asked.
    pub flags: UdevFlags,
}

/// The headers that make a group's new metadata count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The group.
    pub group: String,
    /// Its number then: the next command tells by it whether this one came so far.
    pub seqno: u64,
    /// Each device's path and what goes there. One of them is enough.
    pub writes: Vec<(String, Vec<Write>)>,
}

impl Critical {
    /// Names of all devices that it touches.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let resumed = self.resume.iter().map(|resume| resume.name.as_str());
        let only_suspended = self.suspend.iter().map(|suspend| suspend.name.as_str());
        resumed.chain(only_suspended.filter(|name| !self.resume.iter().any(|resume| resume.name == *name)))
    }

    /// What would leave something suspended, or would resume in vain.
    ///
    /// # Errors
    /// The first device that is suspended twice, or that is never resumed.
    pub fn check(&self) -> Result<(), String> {
        for (at, suspend) in self.suspend.iter().enumerate() {
            if self.suspend.iter().skip(at + 1).any(|other| other.name == suspend.name) {
                return Err(format!("{} would be suspended twice", suspend.name));
            }
            if !self.resume.iter().any(|resume| resume.name == suspend.name) {
                return Err(format!("{} would not be resumed", suspend.name));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Critical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = Vec::new();
        if !self.suspend.is_empty() {
            let names: Vec<&str> = self.suspend.iter().map(|suspend| suspend.name.as_str()).collect();
            let frozen = self.suspend.iter().any(|suspend| suspend.freeze);
            let how = if frozen { " with their file systems frozen" } else { "" };
            parts.push(format!("suspend {}{how}", names.join(", ")));
        }
        if let Some(commit) = &self.commit {
            parts.push(format!("commit metadata {} of {}", commit.seqno, commit.group));
        }
        if !self.resume.is_empty() {
            let names: Vec<&str> = self.resume.iter().map(|resume| resume.name.as_str()).collect();
            parts.push(format!("resume {}", names.join(", ")));
        }
        f.write_str(&parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspend(name: &str) -> Suspend {
        Suspend { name: name.into(), freeze: name == "vg-data" }
    }

    fn resume(name: &str) -> Resume {
        Resume { name: name.into(), flags: UdevFlags::VISIBLE }
    }

    #[test]
    fn nothing_stays_suspended() {
        let mut critical = Critical {
            suspend: vec![suspend("vg-data"), suspend("vg-data-real")],
            commit: Some(Commit { group: "vg".into(), seqno: 7, writes: Vec::new() }),
            resume: vec![resume("vg-data-real"), resume("vg-snap"), resume("vg-data")],
        };
        assert_eq!(critical.check(), Ok(()));
        assert_eq!(
            critical.to_string(),
            "suspend vg-data, vg-data-real with their file systems frozen; commit metadata 7 of vg; \
             resume vg-data-real, vg-snap, vg-data"
        );
        assert_eq!(critical.names().collect::<Vec<_>>(), ["vg-data-real", "vg-snap", "vg-data"]);
        critical.resume.pop();
        assert!(critical.check().is_err());
        critical.resume.push(resume("vg-data"));
        critical.suspend.push(suspend("vg-data"));
        assert!(critical.check().is_err());
    }
}
