//! Arrays that are on devices and do not run, in short.

use superblock::{Level, MdUuid};

use super::{ExplainScene, kernel};
use crate::plan::assemble::{Claim, Lineup, Verdict};

/// One such array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idle {
    /// Its identity.
    pub uuid: MdUuid,
    /// Its stored name; `None` where it has none.
    pub name: Option<String>,
    /// Its level.
    pub level: Level,
    /// Slots.
    pub raid_disks: u32,
    /// Slots with a device that is up to date.
    pub present: usize,
    /// Whether it would be started now.
    pub startable: bool,
    /// The kernel refused to start it since its last update.
    pub refused: bool,
    /// Its devices.
    pub devices: Vec<String>,
}

impl ExplainScene<'_> {
    /// All of them, in the order of their first device.
    #[must_use]
    pub fn idle(&self) -> Vec<Idle> {
        self.not_running().into_iter().filter_map(|uuid| self.one_idle(uuid)).collect()
    }

    fn one_idle(&self, uuid: MdUuid) -> Option<Idle> {
        let claims = self.claims_of(uuid);
        let slots = claims.iter().map(Claim::slots).max().unwrap_or(0);
        let lineup = Lineup::new(&claims, slots, false).unwrap_or_default();
        let freshest = lineup.freshest().and_then(|place| claims.get(place.claim));
        let model = freshest.or(claims.first())?;
        let attempt = self.session.try_found(uuid, &self.session.options).result;
        let starts = |verdict: &Verdict| matches!(verdict, Verdict::Start | Verdict::StartReadonly);
        let name = attempt.ok().filter(|(outcome, _)| starts(&outcome.verdict));
        let name = name.map(|(outcome, _)| outcome.name.kernel);
        let refused = name.as_ref().is_some_and(|name| !kernel::refusals(self, model, name).is_empty());
        Some(Idle {
            uuid,
            name: model.facts.name.as_ref().map(|_| model.name()).filter(|name| !name.is_empty()),
            level: model.facts.level,
            raid_disks: model.facts.raid_disks,
            present: lineup.present().iter().filter(|here| **here).count(),
            startable: name.is_some() && !refused,
            refused,
            devices: claims.iter().map(|claim| claim.path.clone()).collect(),
        })
    }
}
