//! Whether a device may join an array at all, before it is known which arrays there are: by what it is, by what is on it, by
//! the configuration.

use super::IncrementalJob;
use crate::{
    config::conf::{ArrayLine, ArrayLineName as LineName},
    model::{Sight, Unusable, World},
    plan::{
        Refusal,
        assemble::{
            CandidatePath, Claim, Session,
            session::{identifies, ignores},
        },
    },
};

/// Exit status of a contradiction.
const CONFLICT: u8 = 2;

/// A device that can be read and may be looked at.
///
/// # Errors
/// Why not.
pub(super) fn device(sight: &Sight, job: &IncrementalJob, world: &World) -> Result<(), Refusal> {
    let path = &sight.path;
    let device = match &sight.found {
        Ok(device) => device,
        Err(Unusable::Open(why)) if why.starts_with("No such file") => {
            return Err(Refusal::new(format!("stat failed for {path}: {why}")));
        }
        Err(Unusable::Open(why)) => return Err(Refusal::new(format!("cannot open {path}: {why}"))),
        Err(Unusable::NotBlock) => return Err(Refusal::new(format!("{path} is not a block device."))),
        Err(Unusable::Broken(error) | Unusable::Silent(error)) => return Err(Refusal::new(error)),
    };
    let container = |array: &&crate::model::RunningArray| {
        array.id == device.id && array.metadata.starts_with("external:") && array.container().is_none()
    };
    if world.arrays.iter().any(|array| container(&array)) {
        let text = format!("{path} is a container; containers are not supported yet");
        return Err(Refusal::new(text).hint("use mdadm for it"));
    }
    if !job.permitted {
        return Err(Refusal::new(format!("{path} not permitted by mdadm.conf.")).aside());
    }
    if let Some(origin) = &job.origin {
        let text = format!("{path} is a snapshot of {origin}: what is on it is that device's");
        return Err(Refusal::new(text).hint(format!("mdctl -I {origin}")));
    }
    Ok(())
}

/// Why a device is not taken as a member.
#[derive(Debug)]
pub(super) enum Denied {
    /// There is nothing on it: it may become a spare.
    Bare,
    /// This.
    Refused(Refusal),
    /// Its array is being laid out anew where it lies: it comes up as a whole, or not at all, and then this.
    Whole(superblock::MdUuid, String),
    /// This, and the original keeps it to itself.
    Quietly(String),
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The member that a device is.
///
/// # Errors
/// Why it is none, or not to be taken.
pub(super) fn member<'a>(candidate: &'a CandidatePath, session: &Session<'_>) -> Result<&'a Claim, Denied> {
    let path = &candidate.path;
    let Ok(claim) = candidate.of(session.asked) else { return Err(Denied::Bare) };
    if let Some(damage) = &claim.damage {
        return Err(Refusal::new(format!("no RAID superblock on {path}: {damage}")).into());
    }
    let running = session.existing(claim.facts.array, session.asked);
    let is_there = running.is_some_and(|array| array.is_active() && array.members.contains(&claim.id));
    if claim.metadata.is_laid_where_it_lies() && !is_there {
        let text = format!(
            "{}: This array is being reshaped and cannot be started\n      by --incremental.  Please use --assemble",
            claim.name()
        );
        return Err(Denied::Whole(claim.facts.array, text));
    }
    let lines = &session.config.arrays;
    if lines.iter().any(|line| ignores(line, claim)) {
        let text = format!("array containing {path} is explicitly ignored by mdadm.conf");
        return Err(Refusal::new(text).aside().into());
    }
    let mut matching = lines.iter().filter(|line| identifies(line, claim));
    let first = matching.next();
    if first.zip(matching.next()).is_some() {
        let text = format!("two ARRAY lines of mdadm.conf are about {path}, and it can be in one array only");
        return Err(Refusal::new(text).status(CONFLICT).into());
    }
    if first.is_none() && !session.is_allowed(claim) {
        let text = format!("{path} has metadata type {} for which auto-assembly is disabled", family(claim));
        return Err(Denied::Quietly(text));
    }
    Ok(claim)
}

/// The name that the configuration gives to the array of a member.
pub(super) fn word<'a>(session: &Session<'a>, claim: &Claim) -> Option<&'a str> {
    let named = |line: &'a ArrayLine| match &line.name {
        LineName::Word(word) => Some(word.as_str()),
        LineName::Unnamed | LineName::Ignore => None,
    };
    session.config.arrays.iter().filter(|line| identifies(line, claim)).find_map(named)
}

fn family(claim: &Claim) -> &'static str {
    if claim.metadata.version().0 == 0 { "0.90" } else { "1.x" }
}
