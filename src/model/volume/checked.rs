//! What a check of a group came to, and earlier states of it.

use superblock::{
    Bytes, Sectors,
    lvm::{Group, Kind, LvmUuid},
};

use super::{FoundGroup, LeftOutCause, RefusedDevice};

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
pub struct KeptState {
    /// The file.
    pub path: String,
    /// The group as it was.
    pub group: Group,
}

/// A device that a group counts on and that carries no label any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormerLabel {
    /// The group's name.
    pub group: String,
    /// The physical volume that it was.
    pub pv: LvmUuid,
    /// The device, as it was asked about.
    pub path: String,
    /// How large it was; `None` where that is not known.
    pub size: Option<Bytes>,
    /// The backup that says so; `None` where the group itself does, on other devices.
    pub backup: Option<String>,
    /// Why it may be another device; `None` where it certainly was that physical volume.
    pub doubt: Option<String>,
}

impl Checked {
    /// A device that is left out, or was not read.
    #[must_use]
    pub fn left_out(refused: &RefusedDevice) -> Self {
        let mut checked = Self { subject: refused.path.clone(), ..Self::default() };
        let said = match refused.cause {
            LeftOutCause::Below { .. } => &mut checked.facts,
            _ => &mut checked.problems,
        };
        said.push(refused.to_string());
        checked
    }

    /// What is a problem is not a remark as well.
    pub fn say_once(&mut self) {
        self.remarks.retain(|remark| !self.problems.contains(remark));
    }

    /// What is not sound because a device is not there, or does not count; with the commands that lead on.
    pub fn absences(&mut self, found: &FoundGroup) {
        let group = &found.group.name;
        let absent: Vec<usize> = found
            .devices
            .iter()
            .enumerate()
            .filter(|(_, device)| device.is_none())
            .map(|(index, _)| index)
            .collect();
        for index in &absent {
            let why = found.why_absent(*index);
            // It is said once.
            self.read_only.retain(|other| *other != why);
            self.problems.push(why);
        }
        let gone = found.gone();
        if gone.is_empty() {
            return;
        }
        let uses = |index: usize| {
            let on =
                move |segment: &superblock::lvm::Segment| segment.legs().iter().any(|leg| leg.pv == index);
            let volumes = found.group.volumes.iter().filter(move |volume| volume.segments.iter().any(on));
            volumes.map(|volume| volume.name.clone())
        };
        let mut volumes: Vec<String> = gone.into_iter().flat_map(uses).collect();
        volumes.sort();
        volumes.dedup();
        if !volumes.is_empty() {
            self.remarks.push(format!("on what is missing: {}", volumes.join(", ")));
        }
        self.remarks.push(way_on(group));
    }
}

/// What leads on where a device of a group is missing.
#[must_use]
pub fn way_on(group: &str) -> String {
    format!(
        "where only the label is lost, `mdctl volume restore {group}` writes it again; what is gone for good is taken out by \
         `mdctl volume group reduce {group} --missing`"
    )
}

impl FoundGroup {
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
