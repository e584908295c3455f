//! From guesses to a ranking: all of a class at a glance, the best of them thoroughly, and what is near to those.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use superblock::Media;

use super::{Effort, Hypothesis, Scored, examine, rank, score::Sums};

/// So many are looked at thoroughly.
const THOROUGH: usize = 8;
/// What is near to so many of the best is looked at.
const CLIMBS: usize = 4;
/// So many of those that were looked at are kept, the best of them; memory has a bound, however many there are.
const KEPT: usize = 64;
/// When there are so many the others are let go of.
const HEAP: usize = 512;

/// Guesses that differ in equally many respects from what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuessClass {
    /// In so many.
    pub distance: usize,
    /// The array begins where something that is known begins on a member.
    pub anchored: bool,
}

/// What a search is offered.
#[derive(Clone, Debug)]
pub enum Offer {
    /// A guess.
    Guess(GuessClass, Hypothesis),
    /// One was thrown away before it came to this: it took time.
    Nothing(GuessClass),
    /// Of this class there are no more.
    Last(GuessClass),
}

/// Takes an offer, and answers whether there may be more.
pub type Take<'a> = &'a mut dyn FnMut(Offer) -> bool;

/// Why a search ended before its guesses did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Time was over while this class was looked at.
    Time(GuessClass),
    /// So many were allowed.
    Count(GuessClass),
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Searched {
    /// The best, ranked.
    pub best: Vec<Scored>,
    /// So many were looked at.
    pub tried: usize,
    /// Those that follow were not looked at: one leaves no doubt.
    pub settled: bool,
    /// Those that follow were not looked at, and one of them may be right.
    pub stopped: Option<Stopped>,
}

struct Looking<'a> {
    devices: &'a [&'a dyn Media],
    /// Sums of the guesses that were met.
    met: BTreeSet<u64>,
    sums: Sums,
    tried: usize,
}

impl Looking<'_> {
    /// What a glance finds in order may not be so between the places that it saw.
    fn ends(&mut self, glance: &Scored) -> bool {
        let ends = |scored: &Scored| scored.is_conclusive() || scored.bears_superblocks_out();
        ends(glance) && self.fully(glance.clone()).is_some_and(|full| ends(&full))
    }

    fn fully(&mut self, glance: Scored) -> Option<Scored> {
        let effort = Effort::full(self.devices.len());
        let evidence = examine(&glance.hypothesis, self.devices, effort, &mut self.sums)?;
        Some(Scored { evidence, ..glance })
    }

    /// `None` where it was looked at before, for several grounds may lead to the same, or cannot be.
    fn glance(&mut self, hypothesis: Hypothesis) -> Option<Scored> {
        let mut hasher = DefaultHasher::new();
        hypothesis.key().hash(&mut hasher);
        if !self.met.insert(hasher.finish()) {
            return None;
        }
        self.tried += 1;
        let evidence = examine(&hypothesis, self.devices, Effort::QUICK, &mut self.sums)?;
        Some(Scored { hypothesis, evidence })
    }

    /// From one guess to the best of those near to it, and on from there as long as they are better.
    fn climb(
        &mut self,
        from: &Scored,
        nearby: &dyn Fn(&Scored) -> Vec<Hypothesis>,
        told: &mut dyn FnMut(usize) -> bool,
        found: &mut Vec<Scored>,
    ) {
        let mut at = from.clone();
        for _ in 0..from.hypothesis.seats.len() {
            let mut better: Vec<Scored> = Vec::new();
            for one in nearby(&at) {
                if !told(self.tried) {
                    break;
                }
                better.extend(self.glance(one).filter(|one| one.points() > at.points()));
            }
            rank(&mut better);
            let Some(best) = better.into_iter().next() else { return };
            found.push(best.clone());
            at = best;
        }
    }
}

/// Whether nothing is left to be found out: every slot has its member, and all agrees.
fn is_whole(scored: &Scored) -> bool {
    scored.is_conclusive() && scored.hypothesis.missing() == 0
}

/// Looks at one class after the other until one guess leaves no doubt, and at what is near to the best. `guesses` offers them
/// as long as it is answered yes. `told` is called with the number of guesses looked at so far, often; when it answers no,
/// time is over and the search ends with what there is.
pub fn search(
    guesses: &mut dyn FnMut(Take<'_>),
    nearby: &dyn Fn(&Scored) -> Vec<Hypothesis>,
    devices: &[&dyn Media],
    limit: usize,
    told: &mut dyn FnMut(usize) -> bool,
) -> Searched {
    let mut looking = Looking { devices, met: BTreeSet::new(), sums: Sums::default(), tried: 0 };
    let (mut settled, mut stopped) = (false, None);
    let mut glanced: Vec<Scored> = Vec::new();
    guesses(&mut |offer| {
        let (Offer::Guess(class, _) | Offer::Nothing(class) | Offer::Last(class)) = &offer;
        if !told(looking.tried) {
            stopped = Some(Stopped::Time(*class));
            return false;
        }
        match offer {
            Offer::Guess(class, _) if looking.tried >= limit => {
                stopped = Some(Stopped::Count(class));
                return false;
            }
            Offer::Guess(_, hypothesis) => {
                let Some(glance) = looking.glance(hypothesis) else { return true };
                settled |= looking.ends(&glance);
                glanced.push(glance);
                if glanced.len() >= HEAP {
                    rank(&mut glanced);
                    glanced.truncate(KEPT);
                }
            }
            Offer::Nothing(_) => {}
            Offer::Last(_) => return !settled,
        }
        true
    });
    rank(&mut glanced);
    let in_time = !matches!(stopped, Some(Stopped::Time(_)));
    if in_time && !glanced.first().is_some_and(|best| is_whole(best) || best.bears_superblocks_out()) {
        let mut found = Vec::new();
        for from in glanced.iter().take(CLIMBS) {
            looking.climb(from, nearby, told, &mut found);
        }
        glanced.extend(found);
        rank(&mut glanced);
    }
    let thorough = glanced.into_iter().take(THOROUGH);
    let mut best: Vec<Scored> = thorough.filter_map(|glance| looking.fully(glance)).collect();
    rank(&mut best);
    // What was found before time was over counts: those that follow are not missed.
    let stopped = stopped.filter(|_| !settled);
    Searched { best, tried: looking.tried, settled, stopped }
}
