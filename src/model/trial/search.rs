//! From guesses to a ranking: all of a class at a glance, the best of them thoroughly, and what is near to those.

use std::collections::BTreeSet;

use superblock::Media;

use super::{Effort, Hypothesis, Key, Scored, examine, rank, score::Sums};

/// So many are looked at thoroughly.
const THOROUGH: usize = 8;
/// What is near to so many of the best is looked at.
const CLIMBS: usize = 4;

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Searched {
    /// The best, ranked.
    pub best: Vec<Scored>,
    /// So many were looked at.
    pub tried: usize,
    /// Those that follow were not looked at: one leaves no doubt.
    pub settled: bool,
}

struct Looking<'a> {
    devices: &'a [&'a dyn Media],
    met: BTreeSet<Key>,
    sums: Sums,
    tried: usize,
}

impl Looking<'_> {
    /// What a glance finds in order may not be so between the places that it saw.
    fn is_conclusive(&mut self, glance: &Scored) -> bool {
        glance.is_conclusive() && self.fully(glance.clone()).is_some_and(|full| full.is_conclusive())
    }

    fn fully(&mut self, glance: Scored) -> Option<Scored> {
        let evidence = examine(&glance.hypothesis, self.devices, Effort::FULL, &mut self.sums)?;
        Some(Scored { evidence, ..glance })
    }

    /// `None` where it was looked at before, for several grounds may lead to the same, or cannot be.
    fn glance(&mut self, hypothesis: &Hypothesis) -> Option<Scored> {
        if !self.met.insert(hypothesis.key()) {
            return None;
        }
        self.tried += 1;
        let evidence = examine(hypothesis, self.devices, Effort::QUICK, &mut self.sums)?;
        Some(Scored { hypothesis: hypothesis.clone(), evidence })
    }

    /// From one guess to the best of those near to it, and on from there as long as they are better.
    fn climb(&mut self, from: &Scored, nearby: &dyn Fn(&Scored) -> Vec<Hypothesis>, found: &mut Vec<Scored>) {
        let mut at = from.clone();
        for _ in 0..from.hypothesis.seats.len() {
            let near = nearby(&at);
            let mut better: Vec<Scored> = near.iter().filter_map(|one| self.glance(one)).collect();
            better.retain(|one| one.points() > at.points());
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

/// Looks at one class after the other until one guess leaves no doubt, and at what is near to the best. `told` is
/// called with the number of guesses looked at so far; when it answers no, the search ends with what there is.
pub fn search(
    classes: &mut dyn Iterator<Item = Vec<Hypothesis>>,
    nearby: &dyn Fn(&Scored) -> Vec<Hypothesis>,
    devices: &[&dyn Media],
    told: &mut dyn FnMut(usize) -> bool,
) -> Searched {
    let mut looking = Looking { devices, met: BTreeSet::new(), sums: Sums::default(), tried: 0 };
    let mut settled = false;
    let mut glanced: Vec<Scored> = Vec::new();
    'classes: for class in classes {
        for hypothesis in &class {
            if !told(looking.tried) {
                break 'classes;
            }
            let Some(glance) = looking.glance(hypothesis) else { continue };
            settled |= looking.is_conclusive(&glance);
            glanced.push(glance);
        }
        if settled {
            break;
        }
    }
    rank(&mut glanced);
    if !glanced.first().is_some_and(is_whole) {
        let mut found = Vec::new();
        for from in glanced.iter().take(CLIMBS) {
            looking.climb(from, nearby, &mut found);
        }
        glanced.extend(found);
        rank(&mut glanced);
    }
    let thorough = glanced.into_iter().take(THOROUGH);
    let mut best: Vec<Scored> = thorough.filter_map(|glance| looking.fully(glance)).collect();
    rank(&mut best);
    Searched { best, tried: looking.tried, settled }
}
