//! Who is meant: from everything that was looked at to the devices of one array, or the reason why there are none.

use std::collections::BTreeSet;

use superblock::MdUuid;

use super::{
    Remark,
    claim::Claim,
    select::{Home, WantedIdentity},
    shape,
};
use crate::{
    config::{
        Metadata,
        glob::{self, Slash},
    },
    model::{Sight, Unusable},
    plan::Refusal,
};

/// A path that may give a member.
#[derive(Clone, Debug)]
pub struct CandidatePath {
    /// As the user or the scan named it.
    pub path: String,
    /// What it says of its array; else why it says nothing.
    pub claim: Result<Claim, NoMember>,
    /// What other superblocks on it say: looked at only where a format is asked for.
    pub others: Vec<Claim>,
    /// What stands where the magic of 1.0, 1.1 and 1.2 would.
    pub magic: [Option<u32>; 3],
    /// It is in an array by now, or was refused: not to be looked at again.
    pub used: bool,
}

/// Why a device says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoMember {
    /// It cannot be used: the sentence.
    Unusable(String),
    /// There is no superblock on it.
    Empty {
        /// What stands where the magic of 1.0, 1.1 and 1.2 would.
        magic: [Option<u32>; 3],
        /// Metadata that is there and too damaged even to look at.
        trouble: Vec<String>,
    },
}

impl CandidatePath {
    /// From what was read. `asked` is the only format that counts.
    #[must_use]
    pub fn new(sight: &Sight, asked: Option<Metadata>) -> Self {
        let path = sight.path.clone();
        let claim = match &sight.found {
            Err(Unusable::Open(why)) => Err(NoMember::Unusable(format!("cannot open device {path}: {why}"))),
            Err(Unusable::NotBlock) => Err(NoMember::Unusable(format!("{path} is not a block device."))),
            Err(Unusable::Broken(error) | Unusable::Silent(error)) => Err(NoMember::Unusable(error.clone())),
            Ok(device) => Claim::of(device, asked).ok_or_else(|| NoMember::Empty {
                magic: sight.magic,
                trouble: device.probe.damaged.iter().map(ToString::to_string).collect(),
            }),
        };
        let others = match (&sight.found, &claim) {
            (Ok(device), Ok(best)) => Claim::all(device).filter(|other| is_apart(other, best)).collect(),
            (Ok(_), Err(_)) | (Err(_), _) => Vec::new(),
        };
        let others = if asked.is_none() { others } else { Vec::new() };
        Self { path, claim, others, magic: sight.magic, used: false }
    }

    /// What it says in the format that is asked for: of two superblocks on one device another may be meant.
    ///
    /// # Errors
    /// Why it says nothing.
    pub fn of(&self, asked: Option<Metadata>) -> Result<&Claim, NoMember> {
        let best = self.claim.as_ref().map_err(NoMember::clone)?;
        let fitting = [best].into_iter().chain(&self.others).filter(|claim| claim.is_of(asked));
        let none = || NoMember::Empty { magic: self.magic, trouble: Vec::new() };
        Claim::best(fitting).ok_or_else(none)
    }

    /// Why it says nothing, in a sentence.
    #[must_use]
    pub fn nothing(&self) -> Option<String> {
        match self.claim.as_ref().err()? {
            NoMember::Unusable(text) => Some(text.clone()),
            NoMember::Empty { trouble, .. } if trouble.is_empty() => {
                Some(format!("no recogniseable superblock on {}", self.path))
            }
            NoMember::Empty { trouble, .. } => Some(format!("{}: {}", self.path, trouble.join("; "))),
        }
    }
}

/// What is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatherWish {
    /// What is known of the array.
    pub identity: WantedIdentity,
    /// `devices=`: paths must fit one of these.
    pub patterns: Vec<String>,
    /// The devices were listed one by one, so each that does not fit is worth a word, and may end it all.
    pub listed: bool,
}

/// Why there is no array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing fits.
    Nothing,
    /// Something is wrong.
    Refused(Refusal),
}

/// The members among the candidates, by index; and what to say on the way.
pub fn gather(
    candidates: &[CandidatePath],
    wish: &GatherWish,
    home: &Home,
    remarks: &mut Vec<Remark>,
) -> Result<Vec<usize>, Stop> {
    let mut search = Search { candidates, wish, home, remarks, chosen: Vec::new() };
    for (index, candidate) in candidates.iter().enumerate().filter(|(_, candidate)| !candidate.used) {
        search.consider(index, candidate)?;
    }
    if search.chosen.is_empty() { Err(Stop::Nothing) } else { Ok(search.chosen) }
}

struct Search<'a> {
    candidates: &'a [CandidatePath],
    wish: &'a GatherWish,
    home: &'a Home,
    remarks: &'a mut Vec<Remark>,
    chosen: Vec<usize>,
}

impl Search<'_> {
    fn say(&mut self, text: String) {
        self.remarks.push(Remark { detail: !self.wish.listed, text });
    }

    fn consider(&mut self, index: usize, candidate: &CandidatePath) -> Result<(), Stop> {
        let path = &candidate.path;
        let fits = |pattern: &String| glob::matches(pattern, path, Slash::Separates);
        if !self.wish.patterns.is_empty() && !self.wish.patterns.iter().any(fits) {
            self.say(format!("{path} is not one of {}", self.wish.patterns.join(",")));
            return Ok(());
        }
        let claim = match candidate.of(self.wish.identity.metadata) {
            Ok(claim) => claim,
            Err(nothing) => return self.empty(path, &nothing),
        };
        if let Some(mismatch) = self.wish.identity.mismatch(claim, self.home) {
            self.say(format!("{path} {mismatch}."));
            return Ok(());
        }
        if claim.busy {
            self.say(format!("{path} is busy - skipping"));
            return Ok(());
        }
        self.join(index, claim)
    }

    fn empty(&mut self, path: &str, nothing: &NoMember) -> Result<(), Stop> {
        match nothing {
            NoMember::Unusable(text) => self.say(text.clone()),
            NoMember::Empty { magic, trouble } => {
                for text in trouble {
                    self.say(format!("{path}: {text}"));
                }
                let model = self.chosen.first().and_then(|index| self.claim(*index));
                let asked = self.wish.identity.metadata.is_some();
                match model.and_then(|claim| usize::try_from(claim.metadata.version().1).ok()) {
                    None if !asked => self.say(format!("no recogniseable superblock on {path}")),
                    minor => {
                        let minor = minor.or(self.asked_minor()).unwrap_or(2);
                        let found = magic.get(minor).copied().flatten().unwrap_or(0);
                        let wanted = superblock::v1::MAGIC;
                        self.say(format!(
                            "No super block found on {path} (Expected magic {wanted:08x}, got {found:08x})"
                        ));
                        self.say(format!("no RAID superblock on {path}"));
                    }
                }
            }
        }
        if self.wish.listed && self.wish.identity.is_empty() {
            let text = format!("{path} has no superblock - assembly aborted");
            return Err(Stop::Refused(Refusal::new(text)));
        }
        Ok(())
    }

    /// The minor version that is asked for, where one is.
    fn asked_minor(&self) -> Option<usize> {
        match self.wish.identity.metadata {
            Some(Metadata::V1(minor)) => minor.map(usize::from),
            _ => None,
        }
    }

    fn claim(&self, index: usize) -> Option<&Claim> {
        self.candidates.get(index).and_then(|candidate| candidate.of(self.wish.identity.metadata).ok())
    }

    /// One array only. Damaged superblocks never decide which.
    fn join(&mut self, index: usize, claim: &Claim) -> Result<(), Stop> {
        let sound = |index: &&usize| self.claim(**index).is_some_and(|claim| claim.damage.is_none());
        let model = self.chosen.iter().find(sound).or(self.chosen.first());
        let Some(model) = model.and_then(|index| self.claim(*index)) else {
            self.chosen.push(index);
            return Ok(());
        };
        if is_same(model, claim) {
            // Who was listed is meant. Of those that were found, who differs from the freshest is left out, and named.
            let sound = claim.damage.is_none() && model.damage.is_none();
            if self.wish.listed && sound {
                if let Some(what) = shape::difference(model, claim) {
                    let text =
                        format!("superblock on {} doesn't match others - assembly aborted", claim.path);
                    let hint =
                        format!("beside {} it says: {what}; leave out the one that is behind", model.path);
                    return Err(Stop::Refused(Refusal::new(text).hint(hint)));
                }
            }
            self.chosen.push(index);
        } else if claim.damage.is_some() {
            self.say(format!("{} is damaged and names another array - skipping", claim.path));
        } else if model.damage.is_some() || (self.home.owns(claim) && !self.home.owns(model)) {
            if model.damage.is_none() {
                self.say(format!("{} overrides previous devices due to good homehost", claim.path));
            }
            self.chosen = vec![index];
        } else if self.home.owns(claim) == self.home.owns(model) {
            let text = format!("superblock on {} doesn't match others - assembly aborted", claim.path);
            return Err(Stop::Refused(Refusal::new(text)));
        }
        Ok(())
    }
}

/// Whether it is another superblock than the best one.
fn is_apart(other: &Claim, best: &Claim) -> bool {
    other.metadata.format() != best.metadata.format() || other.metadata.at() != best.metadata.at()
}

fn is_same(a: &Claim, b: &Claim) -> bool {
    a.facts.array == b.facts.array && a.metadata.version().0 == b.metadata.version().0
}

/// All arrays among the candidates that are free and fit, in the order of their first device.
#[must_use]
pub fn by_array(candidates: &[CandidatePath], fits: impl Fn(&Claim) -> bool) -> Vec<MdUuid> {
    let mut seen = BTreeSet::new();
    let claims = candidates.iter().filter(|candidate| !candidate.used).filter_map(|c| c.claim.as_ref().ok());
    let free = claims.filter(|claim| !claim.busy && fits(claim)).map(|claim| claim.facts.array);
    free.filter(|array| seen.insert(*array)).collect()
}
