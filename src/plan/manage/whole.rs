//! The end of `--manage`'s words, and what is done to the array as a whole: read-only before them, started or stopped after.

use super::{
    session::{FAILED, Manage, NOTHING_DONE, Stage},
    thaw,
};
use crate::{
    model::World,
    plan::{
        ArrayName,
        course::{Deed, Ending, Look, Said, Then, Turn},
        stop, switch,
    },
};

/// What is done to the array as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    ReadOnly,
    Run,
    Stop,
}

impl Manage {
    /// The end of the words: recovery may start again, and then the rest of the command.
    pub(super) fn finish(&mut self, ending: Ending) -> Turn {
        let ending = match ending {
            Ending::Status(0) if self.job.test && self.count == 0 && !self.job.members.is_empty() => {
                Ending::Status(NOTHING_DONE)
            }
            Ending::Status(0) if self.left => Ending::Status(FAILED),
            ending => ending,
        };
        if std::mem::take(&mut self.frozen) {
            self.stage = Stage::Thawing(ending);
            return Turn::carry_out(thaw(self.array()));
        }
        if ending != Ending::Status(0) {
            return Then::End(ending).into();
        }
        let switch = match (std::mem::take(&mut self.job.run), self.job.stop) {
            (true, _) => Switch::Run,
            (false, true) => {
                self.job.stop = false;
                Switch::Stop
            }
            (false, false) => return Turn::end(0),
        };
        self.stage = Stage::World(switch);
        Turn::look(Look::World { fresh: 0 })
    }

    pub(super) fn switch(&mut self, switch: Switch, world: &World) -> Turn {
        let ArrayName { kernel, path } = self.array().clone();
        let Some(array) = world.arrays.iter().find(|array| array.name == kernel) else {
            return self.no_info();
        };
        if let (Switch::Stop, Err(refusal)) = (switch, stop::check(array, &path, world)) {
            return self.finish(Ending::Refused(refusal));
        }
        let (plan, said) = match switch {
            Switch::ReadOnly => (Some(switch::readonly(array, &path)), Said::detail(String::new())),
            Switch::Run => {
                let said = Said::note(format!("started array {}", switch::known_as(array, world)));
                (switch::start(array, &path), said)
            }
            Switch::Stop => (Some(stop::plan(array, &path, world)), Said::out(format!("stopped {path}"))),
        };
        match plan {
            None => self.switched_on(switch),
            Some(plan) => {
                self.stage = Stage::Switched(switch, said);
                Turn::carry_out(plan)
            }
        }
    }

    pub(super) fn switched(&mut self, switch: Switch, said: Said, deed: Deed) -> Turn {
        match deed {
            Deed::Failed(failure) if !failure.committed => {
                let what = match switch {
                    Switch::ReadOnly => format!("failed to set readonly for {}: ", self.array().path),
                    Switch::Run | Switch::Stop => String::new(),
                };
                self.say.push(Said::error(format!("{what}{:#}", failure.cause)));
                let left = failure.not_undone.iter();
                self.say.extend(left.map(|left| Said::error(format!("could not undo: {left}"))));
                return self.finish(Ending::Status(FAILED));
            }
            Deed::Failed(failure) => {
                self.say.push(Said::warn(format!("{}: {:#}", failure.step, failure.cause)));
            }
            Deed::Done if said.text.is_empty() => {}
            Deed::Done => self.say.push(said),
            Deed::Shown => {}
        }
        self.switched_on(switch)
    }

    fn switched_on(&mut self, switch: Switch) -> Turn {
        match switch {
            Switch::ReadOnly => {
                if !self.job.dry_run {
                    self.known = None;
                }
                self.word()
            }
            Switch::Run | Switch::Stop => self.finish(Ending::Status(0)),
        }
    }
}
