//! After a command that was killed: the bytes that it had overwritten come back, wherever that is safe. Nobody asked for
//! this, so a device that the kernel let go of since is left as it is.

use super::{
    DeviceTrust,
    decision::{Decision, Way},
    forgotten, never_was,
    session::written,
};
use crate::{
    archive::{About, Identity, Shelf},
    model::volume::Groups,
    plan::{
        Plan, Step, SystemStep,
        course::{Course, Deed, Event, Look, Said, Then, Turn, Unseen, Whose},
        recover::failed,
        volume::recover::session::changed_since,
    },
};

/// So often it is looked again, because somebody else changed what had been seen.
const MOST_AGAIN: u32 = 3;

/// Puts one entry back.
#[derive(Debug)]
pub struct PutBack {
    id: String,
    stage: Stage,
    about: Option<About>,
    /// The devices as they were.
    known: Vec<Identity>,
    decision: Option<Decision>,
    plan: Plan,
    again: u32,
    say: Vec<Said>,
    came: String,
}

/// What is waited for.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// What the archive holds.
    Shelf,
    /// What the decision looks at.
    Deciding,
    /// The groups, for a change of one of them.
    Groups,
    /// The end of the plan.
    Ended,
}

impl Course for PutBack {
    fn next(&mut self, event: Event) -> Turn {
        let turn = self.turn(event).unwrap_or_else(|unseen| failed(&unseen.text));
        turn.after(std::mem::take(&mut self.say))
    }
}

impl PutBack {
    /// Begins with the name of an entry, as it was noted.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            stage: Stage::Shelf,
            about: None,
            known: Vec::new(),
            decision: None,
            plan: Plan::default(),
            again: 0,
            say: Vec::new(),
            came: String::new(),
        }
    }

    /// What came of it, in words; none where the command had overwritten nothing.
    #[must_use]
    pub fn came(&self) -> Option<&str> {
        Some(self.came.as_str()).filter(|came| !came.is_empty())
    }

    /// Whether bytes were put back.
    #[must_use]
    pub fn is_back(&self) -> bool {
        matches!(self.stage, Stage::Ended) && !self.plan.steps.is_empty() && !self.came.is_empty()
    }

    fn turn(&mut self, event: Event) -> Result<Turn, Unseen> {
        Ok(match (self.stage, event) {
            (Stage::Shelf, Event::Seen(view)) => self.begin(view.shelf()?),
            (Stage::Deciding, Event::Seen(view)) => match &mut self.decision {
                Some(decision) => {
                    let way = decision.next(view)?;
                    self.say.append(&mut decision.said);
                    self.go(way)
                }
                None => Turn::look(Look::Shelf),
            },
            (Stage::Groups, Event::Seen(view)) => self.forget(&*view.groups()?),
            (_, Event::Done(deeds)) => self.ended(deeds),
            (_, Event::Unseen(unseen)) => return Err(unseen),
            (_, Event::Begin | Event::Seen(_) | Event::Answered(_) | Event::Woke(_)) => {
                self.stage = Stage::Shelf;
                Turn::look(Look::Shelf)
            }
        })
    }

    fn begin(&mut self, shelf: Shelf) -> Turn {
        let Some(shelved) = shelf.entries.iter().find(|shelved| shelved.about.id.as_str() == self.id) else {
            return self.end("");
        };
        let (about, is_of_group) = (shelved.about.clone(), shelved.devices.is_empty());
        self.about = Some(about.clone());
        self.known.clone_from(&shelved.devices);
        if is_of_group {
            self.stage = Stage::Groups;
            return Turn::look(Look::Groups);
        }
        match Decision::begin(shelf, &about.id, DeviceTrust::Unbroken) {
            Ok(decision) => {
                let look = decision.look();
                (self.decision, self.stage) = (Some(decision), Stage::Deciding);
                Turn::look(look)
            }
            Err(refusal) => self.end(refusal.text),
        }
    }

    fn go(&mut self, way: Way) -> Turn {
        let plan = match way {
            Way::Look(look) => return Turn::look(look),
            Way::Decided(Ok(plan)) => plan,
            Way::Decided(Err(refusal)) => {
                let text = refusal.text;
                let id = &self.id;
                let kept = format!("`mdctl undo {id}` would put back what was there before");
                return self.end(format!("{text}: it is left as it is; {kept}"));
            }
        };
        // What came about is not forgotten.
        if plan.steps.is_empty() && !plan.warnings.is_empty() {
            let told: Vec<&str> = plan.warnings.iter().map(|warning| warning.text.as_str()).collect();
            return self.end(told.join("; "));
        }
        let Some(about) = self.about.as_ref().filter(|_| !plan.steps.is_empty()) else {
            return self.nothing_written(plan.summary);
        };
        let id = about.id.clone();
        self.came = back_on(&written(&plan), &self.known);
        self.plan.clone_from(&plan);
        self.stage = Stage::Ended;
        Then::Undo(plan, id, Whose::CleanUp).into()
    }

    /// An entry of what never came about would be undone for nothing, and would count as the undo that it was to be.
    fn nothing_written(&mut self, came: String) -> Turn {
        let never = self.decision.as_ref().is_some_and(Decision::never_came_about);
        let Some(about) = self.about.as_ref().filter(|_| never) else { return self.end(came) };
        let discard = Step::System(SystemStep::Discard { id: about.id.clone() });
        let summary = format!("forget {}", about.id);
        self.came = came;
        self.stage = Stage::Ended;
        Turn::carry_out(Plan { summary, steps: vec![discard, Step::Commit], warnings: Vec::new() })
    }

    /// A change of a group that was noted and never came about leaves no entry.
    fn forget(&mut self, groups: &Groups) -> Turn {
        let now: Vec<(String, u32)> =
            groups.groups.iter().map(|found| (found.group.id.to_string(), found.group.seqno)).collect();
        let Some(about) = &self.about else { return self.end("") };
        let mut plan = never_was(about, &now);
        if plan.steps.is_empty() {
            match became(about, groups) {
                Became::Done(came) => return self.end(came),
                Became::Nothing => plan = forgotten(about),
            }
        }
        "its change of the group has not come about".clone_into(&mut self.came);
        self.stage = Stage::Ended;
        Turn::carry_out(plan)
    }

    fn ended(&mut self, deeds: Vec<Deed>) -> Turn {
        match deeds.into_iter().next() {
            Some(Deed::Failed(failure)) if failure.committed => {
                self.say.extend(Said::ended(&failure, &self.plan.summary).0);
                Turn::end(0)
            }
            Some(Deed::Failed(failure)) if failure.stale && self.again < MOST_AGAIN => {
                self.again += 1;
                self.stage = Stage::Shelf;
                Turn::look(Look::Shelf)
            }
            Some(Deed::Failed(failure)) => {
                self.came.clear();
                let left =
                    failure.not_undone.iter().map(|left| Said::error(format!("could not undo: {left}")));
                self.say.extend(left);
                failed(&failure.to_string())
            }
            Some(Deed::Done | Deed::Shown) | None => Turn::end(0),
        }
    }

    fn end(&mut self, came: impl Into<String>) -> Turn {
        self.came = came.into();
        Turn::end(0)
    }
}

/// What is on devices again, by what they were.
fn back_on(paths: &[&str], known: &[Identity]) -> String {
    let is_blank = |path: &&str| {
        let then = known.iter().find(|then| then.path == **path);
        then.is_some_and(|then| then.md.is_empty() && then.foreign.is_empty())
    };
    let (blank, others): (Vec<&str>, Vec<&str>) = paths.iter().partition(|path| is_blank(path));
    let blank =
        (!blank.is_empty()).then(|| format!("{} has nothing of it any more, as before it", blank.join(", ")));
    let others =
        (!others.is_empty()).then(|| format!("the metadata from before is back on {}", others.join(", ")));
    others.into_iter().chain(blank).collect::<Vec<_>>().join("; ")
}

/// What has become of a change of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Became {
    /// It was done, in words.
    Done(String),
    /// Somebody else made the change that has its number.
    Nothing,
}

/// By the number of the group's metadata, and by what that says of who wrote it.
fn became(about: &About, groups: &Groups) -> Became {
    let done = || Became::Done("its change of the group is done".to_owned());
    let Some((change, after)) = about.group.as_ref().and_then(|change| Some((change, change.after?))) else {
        return done();
    };
    let found = groups.groups.iter().find(|found| found.group.id.to_string() == change.id);
    let Some(group) = found.map(|found| &found.group) else { return done() };
    match group.seqno.saturating_sub(after) {
        0 if group.written.description == about.command.join(" ") => {
            Became::Done(format!("its change of group {} was made, and stays", group.name))
        }
        0 => Became::Nothing,
        // Who made that one is not to be seen any more.
        since => Became::Done(format!(
            "whether its change of group {} came about is not known: {}",
            group.name,
            changed_since(since.into())
        )),
    }
}

#[cfg(test)]
#[path = "put_back_tests.rs"]
mod tests;
