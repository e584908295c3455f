//! What a check of a group came to, and earlier states of it.

use superblock::{
    Sectors,
    lvm::{Group, Kind},
};

use super::Found;

/// What a check of a group or a device came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// The group or device.
    pub subject: String,
    /// What it is.
    pub facts: Vec<String>,
    /// What is wrong.
    pub problems: Vec<String>,
    /// What is not as it should be and does no harm now.
    pub remarks: Vec<String>,
    /// Why the group may only be read.
    pub read_only: Vec<String>,
}

/// A state of a group in LVM2's archive or backup directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The file.
    pub path: String,
    /// The group as it was.
    pub group: Group,
}

impl Found {
    /// Volumes that do not begin on a full stripe of the array below them.
    #[must_use]
    pub fn misaligned(&self) -> Vec<String> {
        let stripes = self.stripes();
        let mut said = Vec::new();
        for volume in &self.group.volumes {
            let Some(Kind::Striped { legs, .. }) = volume.segments.first().map(|segment| &segment.kind)
            else {
                continue;
            };
            for leg in legs {
                let stripe = stripes.get(leg.pv).map_or(0, |stripe| stripe.0);
                let start = self.group.pvs.get(leg.pv).map_or(Sectors(0), |pv| pv.pe_start);
                let at = start.saturating_add(self.group.sectors(leg.extent));
                if stripe > 0 && at.0.checked_rem(stripe) != Some(0) {
                    said.push(format!(
                        "volume {} begins at sector {} of pv{}, which is not on a full stripe of {stripe} sectors",
                        volume.name, at.0, leg.pv
                    ));
                }
            }
        }
        said
    }
}
