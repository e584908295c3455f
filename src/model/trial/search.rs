//! From guesses to a ranking: all of a class at a glance, the best of them thoroughly.

use std::collections::BTreeSet;

use superblock::Media;

use super::{Effort, Hypothesis, Scored, examine, rank};

/// So many are looked at thoroughly.
const THOROUGH: usize = 12;

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

/// Looks at one class after the other until one guess leaves no doubt. `told` is called with the number of guesses
/// looked at so far; when it answers no, the search ends with what there is.
pub fn search(
    classes: &mut dyn Iterator<Item = Vec<Hypothesis>>,
    devices: &[&dyn Media],
    told: &mut dyn FnMut(usize) -> bool,
) -> Searched {
    let mut searched = Searched::default();
    let mut glanced: Vec<Scored> = Vec::new();
    let mut met = BTreeSet::new();
    'classes: for class in classes {
        let mut settled = false;
        for hypothesis in &class {
            // Several grounds may lead to the same.
            if !met.insert(hypothesis.key()) {
                continue;
            }
            if !told(searched.tried) {
                break 'classes;
            }
            searched.tried += 1;
            let scored = |effort| {
                let evidence = examine(hypothesis, devices, effort)?;
                Some(Scored { hypothesis: hypothesis.clone(), evidence })
            };
            let Some(glance) = scored(Effort::QUICK) else { continue };
            // What a glance finds in order may not be so between the places that it saw.
            settled |=
                glance.is_conclusive() && scored(Effort::FULL).is_some_and(|full| full.is_conclusive());
            glanced.push(glance);
        }
        if settled {
            searched.settled = true;
            break;
        }
    }
    rank(&mut glanced);
    searched.best = glanced
        .into_iter()
        .take(THOROUGH)
        .filter_map(|glance| {
            let evidence = examine(&glance.hypothesis, devices, Effort::FULL)?;
            Some(Scored { evidence, ..glance })
        })
        .collect();
    rank(&mut searched.best);
    searched
}
