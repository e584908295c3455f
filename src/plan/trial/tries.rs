//! Trying guesses as a course: the best are started on overlays one after the other and ranked again by what came of it; one
//! may stay up.

use super::{
    attempt::{Attempt, TrialBench},
    removal::Remains,
};
use crate::{
    model::{
        overlay::Overlays,
        trial::{Scored, StandingGuess, Tried, rank_tried},
    },
    plan::{
        Refusal,
        course::{Course, Event, Said, Turn},
    },
};

/// Exit status of a failure.
const FAILED: u8 = 1;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct TriesJob {
    /// How the names of the sets begin; see [`stem`].
    pub stem: String,
    /// So many of the best are tried.
    pub count: usize,
    /// The number of the guess that is to stay up.
    pub keep: Option<usize>,
    /// The number of the guess that is carried out when this is over.
    pub apply: Option<usize>,
    /// Nothing is started.
    pub dry_run: bool,
    /// What they are tried with.
    pub bench: TrialBench,
}

/// How the names of a process's sets begin, so that none of them is there.
#[must_use]
pub fn stem(process: u32, there: &Overlays) -> String {
    let sets = there.sets();
    let is_free =
        |stem: &String| !sets.iter().any(|set| set.strip_prefix(stem.as_str()).is_some_and(is_ours));
    let more = (2..1000).map(|nth| format!("trial{process}.{nth}"));
    let first = format!("trial{process}");
    std::iter::once(first.clone()).chain(more).find(is_free).unwrap_or(first)
}

/// Whether this behind the stem makes the name of one of its sets.
fn is_ours(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('_')
}

/// The tries of one command.
#[derive(Debug)]
pub struct Tries {
    job: TriesJob,
    ranked: Vec<(Scored, Option<Tried>)>,
    /// Guesses that were tried.
    done: usize,
    trying: Option<(Attempt, Purpose)>,
    kept: Option<StandingGuess>,
    status: u8,
    refused: bool,
    say: Vec<Said>,
}

/// What came of a command's tries.
#[derive(Debug)]
pub struct CameOfTries {
    /// The guesses with what came of each, the best first.
    pub ranked: Vec<(Scored, Option<Tried>)>,
    /// The one that stays up.
    pub kept: Option<StandingGuess>,
}

impl CameOfTries {
    /// The guess of this number.
    #[must_use]
    pub fn guess(&self, number: usize) -> Option<&Scored> {
        self.ranked.get(number.checked_sub(1)?).map(|(scored, _)| scored)
    }
}

/// What a guess is started for.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    /// To see what comes of the guess in this place.
    Try(usize),
    /// To stay up, under this number.
    Keep(usize),
}

impl Course for Tries {
    fn next(&mut self, event: Event) -> Turn {
        let turn = match &mut self.trying {
            None => self.begin(),
            Some((attempt, _)) => match attempt.next(&self.job.bench, event) {
                Some(turn) => turn,
                None => self.ended(),
            },
        };
        turn.after(std::mem::take(&mut self.say))
    }
}

impl Tries {
    /// Begins with guesses, the best first.
    #[must_use]
    pub fn new(job: TriesJob, guesses: Vec<Scored>) -> Self {
        Self {
            job,
            ranked: guesses.into_iter().map(|scored| (scored, None)).collect(),
            done: 0,
            trying: None,
            kept: None,
            status: 0,
            refused: false,
            say: Vec::new(),
        }
    }

    /// The names of the sets that may be made, for whoever has to take away what a killed command left.
    #[must_use]
    pub fn sets(&self) -> Vec<String> {
        let tried = (1..=self.count()).map(|nth| self.set(nth));
        tried.chain(self.keep().map(|_| self.job.stem.clone())).collect()
    }

    /// What came of it; `None` where it was refused, so that there is nothing to be shown.
    #[must_use]
    pub fn came(self) -> Option<CameOfTries> {
        (!self.refused).then_some(CameOfTries { ranked: self.ranked, kept: self.kept })
    }

    fn set(&self, nth: usize) -> String {
        format!("{}_{nth}", self.job.stem)
    }

    fn count(&self) -> usize {
        if self.job.dry_run { 0 } else { self.job.count.min(self.ranked.len()) }
    }

    fn keep(&self) -> Option<usize> {
        self.job.keep.filter(|_| !self.job.dry_run)
    }

    /// The guess of this number.
    fn guess(&self, number: usize) -> Option<&Scored> {
        self.ranked.get(number.checked_sub(1)?).map(|(scored, _)| scored)
    }

    fn begin(&mut self) -> Turn {
        let wanted = self.job.keep.or(self.job.apply);
        match wanted.filter(|number| self.guess(*number).is_none()) {
            Some(number) => self.refuse(format!("there is no guess {number}")),
            None => {
                if wanted.is_some() && self.job.dry_run && self.job.count > 0 {
                    let text =
                        "no guess was started (--dry-run): what comes of that may give them other numbers";
                    self.say.push(Said::note(text));
                }
                self.go_on()
            }
        }
    }

    fn refuse(&mut self, why: String) -> Turn {
        self.refused = true;
        Turn::refuse(Refusal::new(why))
    }

    fn go_on(&mut self) -> Turn {
        if self.done < self.count() && self.status == 0 {
            let nth = self.done;
            self.done += 1;
            let scored = self.ranked.get(nth).map(|(scored, _)| scored.clone());
            return self.start(scored, self.set(nth + 1), Purpose::Try(nth));
        }
        rank_tried(&mut self.ranked);
        // Where something could not be taken away, nothing more is put there.
        match self.keep().filter(|_| self.status == 0) {
            Some(number) => {
                self.start(self.guess(number).cloned(), self.job.stem.clone(), Purpose::Keep(number))
            }
            None => Turn::end(self.status),
        }
    }

    fn start(&mut self, scored: Option<Scored>, set: String, purpose: Purpose) -> Turn {
        let Some(scored) = scored else { return Turn::end(FAILED) };
        let stays = matches!(purpose, Purpose::Keep(_));
        let mut attempt = Attempt::new(scored, set, stays, &self.job.bench);
        let first = attempt.next(&self.job.bench, Event::Begin);
        self.trying = Some((attempt, purpose));
        first.unwrap_or_else(|| self.ended())
    }

    fn ended(&mut self) -> Turn {
        let Some((attempt, purpose)) = self.trying.take() else { return Turn::end(self.status) };
        let set = match purpose {
            Purpose::Try(nth) => self.set(nth + 1),
            Purpose::Keep(_) => self.job.stem.clone(),
        };
        let (tried, remains) = attempt.came();
        if let Remains::Left { arrays, why } = &remains {
            self.status = FAILED;
            self.say.extend(left(&set, arrays, why));
        }
        match (purpose, remains) {
            (Purpose::Try(nth), _) => {
                if let Some(one) = self.ranked.get_mut(nth) {
                    one.1 = tried;
                }
                self.go_on()
            }
            (Purpose::Keep(number), Remains::Up(array)) => {
                self.kept = Some(StandingGuess { number, set, array: format!("/dev/{}", array.kernel) });
                Turn::end(self.status)
            }
            (Purpose::Keep(number), Remains::Nothing | Remains::Left { .. }) => {
                let why = tried.as_ref().and_then(Tried::error).map(str::to_owned);
                self.refuse(why.unwrap_or_else(|| format!("guess {number} does not stay up")))
            }
        }
    }
}

/// What is said of a set that could not be taken away.
fn left(set: &str, arrays: &[String], why: &str) -> Vec<Said> {
    let stops = arrays.iter().map(|array| format!("mdctl stop /dev/{array}; "));
    let stops: String = stops.collect();
    vec![
        Said::error(format!("overlays {set} could not be taken away: {why}")),
        Said::note(format!("what remains to be done: {stops}mdctl overlay discard {set}")),
    ]
}

#[cfg(test)]
#[path = "tries_tests.rs"]
mod tests;
