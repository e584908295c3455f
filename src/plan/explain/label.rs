//! A device without anything on it that a group of volumes counts on: its label is gone.

use super::{ExplainScene, Explanation, Finding, Kind, NextCommand, Severity};
use crate::model::{Candidate, human, volume::FormerLabel};

impl ExplainScene<'_> {
    /// Whether nothing on the device says what it is: then groups of volumes are asked.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        let device = self.device.and_then(|device| device.found.as_ref().ok());
        device.is_some_and(|device| {
            device.probe.found.is_empty() && device.probe.damaged.is_empty() && device.foreign.is_empty()
        })
    }

    /// Adds that the device was a physical volume, where a group of volumes says so.
    #[must_use]
    pub fn with_labels(&self, mut explanation: Explanation, labels: &[FormerLabel]) -> Explanation {
        let Some(Candidate { found: Ok(device), .. }) = self.device else { return explanation };
        let found = labels.iter().map(|former| {
            let FormerLabel { group, pv, path, size, backup, doubt } = former;
            let text = match doubt {
                None => format!("{path}: was physical volume {pv} of group {group}; its label is gone"),
                Some(_) => format!(
                    "{path}: is where physical volume {pv} of group {group} was last seen, and may be another disk"
                ),
            };
            let by = match backup {
                Some(file) => format!("{file} has the group as it was"),
                None => format!("group {group} is on other devices, and counts on it"),
            };
            let finding = Finding::new(Kind::FormerLabel, Severity::Blocks, text).of(path).because(by);
            match (size.filter(|size| *size > device.size), doubt) {
                (Some(size), _) => {
                    let (size, now) = (human::size(size.0), human::size(device.size.0));
                    finding.because(format!(
                        "it had {size} and this device has {now}: another one may have its name"
                    ))
                }
                (None, Some(doubt)) => finding.because(doubt.clone()),
                (None, None) => {
                    let words = ["mdctl", "volume", "restore", "--dry-run", group.as_str()];
                    finding.try_next(NextCommand::new(words, "shows how its label would be written again"))
                }
            }
        });
        let found: Vec<Finding> = found.collect();
        explanation.findings.splice(0..0, found);
        explanation.sorted()
    }
}
