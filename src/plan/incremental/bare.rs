//! A device with nothing on it: POLICY lines may make it a spare, or the heir of a disk that was in its place.
//!
//! It goes to the array that misses most members, of those whose domains it is in. (The original counts the members of
//! containers only, so that the first array gets it.)

use superblock::{Level, MdUuid, Sectors};

use crate::{
    config::policy::{self, Action, DevicePolicy, FormatFamily, PolicySubject},
    model::{DevId, Device, RunningArray},
    plan::assemble::{Claim, Session},
};

/// A device with nothing on it that is known.
#[derive(Clone, Debug)]
pub(super) struct Bare {
    pub(super) id: DevId,
    /// Its size.
    pub(super) size: Sectors,
    /// It is a partition.
    pub(super) is_partition: bool,
    /// Both ends are empty.
    pub(super) is_empty: bool,
}

impl Bare {
    pub(super) fn new(device: &Device, is_empty: bool) -> Self {
        let nothing = device.foreign.is_empty() && device.probe.found.is_empty();
        Self {
            id: device.id,
            size: device.sectors(),
            is_partition: device.whole.is_some(),
            is_empty: is_empty && nothing,
        }
    }

    /// What POLICY lines say of it, for arrays of a family.
    fn policy(&self, session: &Session<'_>, family: Option<FormatFamily>) -> DevicePolicy {
        let paths = session.by_path.get(&self.id).map(Vec::as_slice).unwrap_or_default();
        let subject = PolicySubject { paths, is_partition: self.is_partition, family };
        policy::policy(&session.config.policies, &subject)
    }

    /// Whether it is worth looking at arrays for it.
    pub(super) fn may_serve(&self, session: &Session<'_>, heir_of: Option<MdUuid>) -> bool {
        let policy = self.policy(session, None);
        let heir = heir_of.is_some() && policy.action >= Action::SpareSameSlot;
        let spare = self.is_empty && policy.action >= Action::Spare;
        !policy.domains.is_empty() && (heir || spare)
    }

    /// The array that gets it; its members are among the session's candidates.
    pub(super) fn host<'a>(
        &self,
        session: &'a Session<'_>,
        heir_of: Option<MdUuid>,
    ) -> Option<&'a RunningArray> {
        let claims: Vec<&Claim> =
            session.candidates.iter().filter_map(|known| known.of(session.asked).ok()).collect();
        let mut best: Option<(&RunningArray, usize)> = None;
        for array in session.world.arrays.iter().filter(|array| array.is_active()) {
            let members: Vec<&Claim> =
                claims.iter().filter(|claim| array.members.contains(&claim.id)).copied().collect();
            let Some(model) = members.first() else { continue };
            let missing = missing(array, &members);
            if heir_of == Some(model.facts.array) && missing > 0 {
                return Some(array);
            }
            if self.fits(session, &members) && best.is_none_or(|(_, most)| missing > most) {
                best = Some((array, missing));
            }
        }
        best.map(|(array, _)| array)
    }

    fn fits(&self, session: &Session<'_>, members: &[&Claim]) -> bool {
        let Some(model) = members.first() else { return false };
        let family = if model.metadata.version().0 == 0 { FormatFamily::V0 } else { FormatFamily::V1 };
        let policy = self.policy(session, Some(family));
        let redundant = !matches!(model.facts.level, Level::Raid0 | Level::Linear | Level::Faulty);
        let theirs: Vec<String> = members.iter().flat_map(|claim| session.policy(claim).domains).collect();
        self.is_empty
            && redundant
            && self.size > model.facts.component_size
            && policy.action >= Action::Spare
            && !policy.domains.is_empty()
            && policy.domains.iter().all(|domain| theirs.contains(domain))
    }
}

/// Slots that nobody serves.
fn missing(array: &RunningArray, members: &[&Claim]) -> usize {
    let slots = usize::try_from(array.raid_disks).unwrap_or(0);
    slots.saturating_sub(members.iter().filter(|claim| claim.slot().is_some()).count())
}
