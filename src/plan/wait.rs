//! Waiting until nothing of an array is being synced, as a course.

use std::{collections::VecDeque, time::Duration};

use super::course::{Bar, Cause, Course, Event, Look, Said, Then, Turn, Unseen, Wait, Woke};
use crate::{
    model::view::Acting,
    words::{ArrayAttr, SyncAction},
};

/// Not every end is announced: look again this often.
const SLICE: Duration = Duration::from_secs(2);
/// A frozen array may be waited for in vain: so many slices.
const FROZEN_SLICES: u32 = 8;
/// Exit status where there was nothing to wait for, as the original has it.
const NOTHING: u8 = 1;
/// Exit status for what is not there.
const NO_DEVICE: u8 = 2;
/// Exit status when the user stopped waiting, as a shell has it.
const INTERRUPTED: u8 = 130;

/// Waits for each array in turn; status 0 only where there was something to wait for.
#[derive(Debug)]
pub struct Waits {
    paths: VecDeque<String>,
    /// Under the original's name its silence stays.
    native: bool,
    waited: bool,
    frozen: u32,
    status: u8,
    say: Vec<Said>,
}

impl Course for Waits {
    fn next(&mut self, event: Event) -> Turn {
        let turn = self.turn(event).unwrap_or_else(Turn::refuse);
        turn.after(std::mem::take(&mut self.say))
    }
}

impl Waits {
    /// For these arrays; `native`: also says what the original does not.
    #[must_use]
    pub fn new(paths: Vec<String>, native: bool) -> Self {
        Self { paths: paths.into(), native, waited: false, frozen: 0, status: 0, say: Vec::new() }
    }

    fn turn(&mut self, event: Event) -> Result<Turn, Unseen> {
        Ok(match event {
            Event::Seen(view) => self.seen(view.acting()?),
            Event::Woke(Woke::Interrupted) => Turn::end(INTERRUPTED),
            Event::Woke(Woke::TimeUp) => {
                self.frozen += 1;
                self.look()
            }
            Event::Unseen(unseen) => return Err(unseen),
            Event::Begin | Event::Woke(_) | Event::Done(_) | Event::Answered(_) => self.look(),
        })
    }

    fn look(&self) -> Turn {
        match self.paths.front() {
            Some(path) => Turn::look(Look::Acting { path: path.clone() }),
            None => Turn::end(self.status),
        }
    }

    fn seen(&mut self, acting: Acting) -> Turn {
        let path = self.paths.front().cloned().unwrap_or_default();
        match acting {
            Acting::NoDevice(why) => {
                self.say.push(Said::error(format!("stat failed for {path}: {why}")));
                self.next_one(NO_DEVICE)
            }
            // It was stopped while we waited for it.
            Acting::NoArray if self.waited => self.next_one(0),
            Acting::NoArray => {
                if self.native {
                    self.say.push(Said::error(format!("{path} is not an md array that runs")));
                }
                self.next_one(NOTHING)
            }
            Acting::Array { action: SyncAction::Idle, .. } => self.idle(&path),
            Acting::Array { action: SyncAction::Frozen, .. } if self.frozen >= FROZEN_SLICES => {
                self.idle(&path)
            }
            Acting::Array { kernel, action, progress } => {
                if action != SyncAction::Frozen {
                    (self.waited, self.frozen) = (true, 0);
                }
                let bar = progress.filter(|_| self.native);
                let bar = bar.map(|(done, total)| Bar { what: path, done, total });
                let on = vec![Cause::Attribute { array: kernel, attr: ArrayAttr::SyncAction }];
                Then::Wait(Wait { on, most: SLICE, bar }).into()
            }
        }
    }

    fn idle(&mut self, path: &str) -> Turn {
        if self.native && !self.waited {
            self.say.push(Said::note(format!("{path}: there is nothing to wait for")));
        }
        self.next_one(if self.waited { 0 } else { NOTHING })
    }

    fn next_one(&mut self, status: u8) -> Turn {
        self.status |= status;
        (self.waited, self.frozen) = (false, 0);
        self.paths.pop_front();
        self.look()
    }
}

#[cfg(test)]
mod tests {
    use superblock::Write;

    use super::*;
    use crate::plan::{
        Step,
        course::{
            Answer, View,
            twin::{self, Scene},
        },
    };

    /// What each array does from one slice to the next; the last word stays.
    #[derive(Clone, Debug, Default)]
    struct Arrays(Vec<(&'static str, Vec<&'static str>)>);

    impl Scene for Arrays {
        fn act(&mut self, step: &Step) -> anyhow::Result<Vec<Write>> {
            anyhow::bail!("waiting changes nothing: {step}")
        }

        fn let_go(&mut self) {}

        fn see(&self, look: &Look) -> Result<View, Unseen> {
            let Look::Acting { path } = look else {
                return Err(Unseen { text: format!("nothing shows {look:?}"), errno: None });
            };
            let array = self.0.iter().find(|(name, _)| name == path);
            Ok(View::Acting(match array.map(|(_, words)| words.first()) {
                None => Acting::NoDevice("No such file or directory".into()),
                Some(None) => Acting::NoArray,
                Some(Some(word)) => Acting::Array {
                    kernel: "md0".into(),
                    action: SyncAction::parse(word),
                    progress: Some((1, 2)),
                },
            }))
        }

        fn pass_time(&mut self, _: &Wait) -> Woke {
            let mut changed = false;
            for (_, words) in &mut self.0 {
                if words.len() > 1 {
                    words.remove(0);
                    changed = true;
                }
            }
            if changed { Woke::Changed } else { Woke::TimeUp }
        }

        fn sound(&self) -> Result<(), String> {
            Ok(())
        }
    }

    fn status(words: &[&'static str]) -> u8 {
        let arrays = Arrays(vec![("a", words.to_vec())]);
        twin::drive(&mut Waits::new(vec!["a".into()], true), arrays, Answer::No, None, None).status()
    }

    #[test]
    fn only_what_was_waited_for_is_status_0() {
        for (words, expected) in [
            (&["idle"][..], 1),
            (&["resync", "resync", "idle"], 0),
            (&["recover", "idle"], 0),
            // Whoever froze it may never come back.
            (&["frozen"], 1),
            (&["frozen", "recover", "idle"], 0),
            (&["recover", "frozen"], 0),
            (&[], 1),
        ] {
            assert_eq!(status(words), expected, "{words:?}");
        }
    }

    #[test]
    fn it_ends_whatever_happens_to_the_arrays() {
        let arrays = Arrays(vec![
            ("a", vec!["resync", "resync", "idle"]),
            ("b", vec!["resync", "idle"]),
            ("c", vec![]),
        ]);
        let waits = || Waits::new(["a", "b", "c", "d"].map(str::to_owned).to_vec(), true);
        let changes: &[twin::Change<Arrays>] = &[
            ("one was stopped", |arrays| arrays.0[0].1.clear()),
            ("its node went away", |arrays| drop(arrays.0.remove(0))),
            ("one was frozen for ever", |arrays| arrays.0[0].1 = vec!["frozen"]),
            ("a check began", |arrays| arrays.0[0].1 = vec!["check", "idle"]),
        ];
        let tally = twin::everything(waits, &arrays, &[], changes, |_, _| {});
        assert!(tally.reaches(9, 8, 30), "{tally:?}");
    }
}
