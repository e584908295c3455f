//! One killed command, whatever it left in however many notes: each part is taken back, and what came of all is said at once.

use std::collections::VecDeque;

use super::{Recover, told_before};
use crate::{
    model::unfinished::Unfinished,
    plan::course::{Course, Ending, Event, Said, Then, Turn},
};

/// Takes back what one command left, part by part.
#[derive(Debug)]
pub struct Killed {
    parts: VecDeque<Recover>,
    /// How many parts there are.
    all: usize,
    /// Those whose notes are of no use any more.
    over: Vec<usize>,
    committed: bool,
    told: Vec<String>,
    /// What is said of parts that failed.
    say: Vec<Said>,
    failed: bool,
}

impl Killed {
    /// Begins with the notes of the killed command, each with its file. `command`: this one's words.
    #[must_use]
    pub fn new(notes: &[(Unfinished, String)], command: &str) -> Self {
        Self {
            parts: notes.iter().map(|(left, file)| Recover::new(left, file, command)).collect(),
            all: notes.len(),
            over: Vec::new(),
            committed: notes.iter().any(|(left, _)| left.committed),
            told: progress(notes.iter().map(|(left, _)| left)).into_iter().collect(),
            say: Vec::new(),
            failed: false,
        }
    }

    /// Whether the notes of a part are of no use any more.
    #[must_use]
    pub fn is_over(&self, nth: usize) -> bool {
        self.over.contains(&nth)
    }

    fn at(&self) -> usize {
        self.all.saturating_sub(self.parts.len())
    }

    fn of_part(&mut self, turn: Turn) -> Turn {
        let Turn { say, then } = turn;
        match then {
            Then::End(ending) => {
                if ending == Ending::Status(0) {
                    self.over.push(self.at());
                } else {
                    self.failed = true;
                }
                let told = self.parts.pop_front().map(|mut part| part.told()).unwrap_or_default();
                // Several parts may know the same.
                let new: Vec<String> = told.into_iter().filter(|line| !self.told.contains(line)).collect();
                self.told.extend(new);
                self.say.extend(say);
                self.begin()
            }
            then => Turn { say, then },
        }
    }

    fn begin(&mut self) -> Turn {
        match self.parts.front_mut() {
            Some(part) => {
                let turn = part.next(Event::Begin);
                self.of_part(turn)
            }
            None => self.end(),
        }
    }

    /// That nothing is left is said where nothing else is.
    fn end(&mut self) -> Turn {
        let mut told = std::mem::take(&mut self.told);
        if told.is_empty() && !self.failed {
            told.push(match self.committed {
                true => "its change was made, and stays".to_owned(),
                false => "nothing of it is left".to_owned(),
            });
        }
        let mut say = told_before(told);
        say.append(&mut self.say);
        Turn::end(u8::from(self.failed)).after(say)
    }
}

impl Course for Killed {
    fn next(&mut self, event: Event) -> Turn {
        match (event, self.parts.front_mut()) {
            (Event::Begin, _) => self.begin(),
            (event, Some(part)) => {
                let turn = part.next(event);
                self.of_part(turn)
            }
            (_, None) => self.end(),
        }
    }
}

/// That a command was killed, and when.
#[must_use]
pub fn interrupted(left: &Unfinished, at: &str) -> String {
    format!("`{}` was killed at its work ({at})", left.command)
}

/// What a report says of a killed command, for it takes nothing back.
#[must_use]
pub fn only_told(parts: &[Unfinished], at: &str) -> Vec<String> {
    let mut lines: Vec<String> = parts.first().map(|left| interrupted(left, at)).into_iter().collect();
    lines.extend(progress(parts).map(|line| format!("    {line}")));
    if parts.iter().any(leaves_anything) {
        lines.push("    the next command that changes something takes back what is left of it".to_owned());
    }
    lines
}

/// How far a command of several acts had come; `None` where that was not noted.
fn progress<'a>(parts: impl IntoIterator<Item = &'a Unfinished>) -> Option<String> {
    let part = parts.into_iter().find(|left| !left.did.is_empty() || left.doing.is_some())?;
    let all =
        |what: &str, steps: &[String]| (!steps.is_empty()).then(|| format!("{what}: {}", steps.join(", ")));
    let lines = [
        all("it had done", &part.did),
        all("it was at, and may not have done", part.doing.as_slice()),
        all("it had not begun", &part.ahead),
    ];
    Some(lines.into_iter().flatten().collect::<Vec<_>>().join("; "))
}

/// Whether there is anything to be taken back.
fn leaves_anything(left: &Unfinished) -> bool {
    let told = Unfinished {
        command: left.command.clone(),
        time: left.time,
        did: left.did.clone(),
        doing: left.doing.clone(),
        ahead: left.ahead.clone(),
        ..Unfinished::default()
    };
    *left != told
}
