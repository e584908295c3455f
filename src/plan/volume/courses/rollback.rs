//! `rollback`: begun, watched, ended. Whoever ends it, this command or another, it is over once.

use super::{
    Begun, Called, DONE, FAILED,
    change::{Next, OneChange},
    changed, follow, interrupted, look, over, waiting, with,
};
use crate::{
    model::{dm::name, volume::GroupSeen},
    plan::{
        Refusal,
        course::{Course, Deed, Event, Look, Said, Turn, Woke},
        volume::{
            change::Decided,
            groups,
            rollback::{self, State},
            shift::GroupScene,
            siblings::Stores,
        },
    },
    request::volume::{RollbackRequest, VolumeName, When},
};

/// What the next look is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    /// What is there?
    First,
    /// It begins.
    Begin,
    /// It was asked for before, and begins now if nobody is in its way.
    Start,
    /// How far is it?
    Watch,
    /// All is copied.
    Finish,
    /// Somebody else is to end it.
    Follow,
}

/// One rollback.
#[derive(Debug)]
pub struct Rollback<'a> {
    request: &'a RollbackRequest,
    called: Called,
    now: For,
    change: OneChange,
    begun: Begun,
    status: u8,
    say: Vec<Said>,
}

impl<'a> Rollback<'a> {
    /// As it is asked for.
    #[must_use]
    pub fn new(request: &'a RollbackRequest, called: Called) -> Self {
        let (change, say) = (OneChange::default(), Vec::new());
        Self { request, called, now: For::First, change, begun: None, status: DONE, say }
    }

    fn name(&self) -> &'a VolumeName {
        &self.request.name
    }

    fn look(&self) -> Turn {
        let mut look = look(&self.name().group, &self.called);
        // The stores are read only where something begins.
        if matches!(self.now, For::First | For::Begin | For::Start) {
            look.stores_of.push(self.name().volume.clone());
        }
        Turn::look(Look::Group(look))
    }

    fn seen(&mut self, seen: &GroupSeen) -> Turn {
        let found = match groups::named(&seen.groups, &seen.name) {
            Ok(found) => found,
            Err(refusal) => return Turn::refuse(refusal),
        };
        let (group, name) = (&found.group, self.name());
        let is_there = group.snapshot_in(&name.volume).is_some();
        let state = rollback::state(group, &seen.active, &name.volume);
        if self.now == For::First {
            if !is_there {
                return Turn::refuse(none(name));
            }
            self.now = match state {
                State::None => For::Begin,
                State::Requested if self.request.when != When::NextActivation => For::Start,
                State::Requested
                | State::Running(_)
                | State::Finished
                | State::Failed
                | State::Overflowed => For::Watch,
            };
        }
        match self.now {
            For::First | For::Watch | For::Follow => self.watch(seen, state),
            For::Begin if !is_there => Turn::refuse(none(name)),
            For::Begin => self.decide(with(seen, |scene| {
                rollback::begin(scene, name, self.request.when, &seen.stores).map(Some)
            })),
            For::Start => {
                let decided = with(seen, |scene| self.start(scene, &seen.stores));
                self.decide(decided)
            }
            // Between the look and the lock lvm2's own watcher may have been quicker.
            For::Finish if !is_there => Turn::end(self.status),
            For::Finish => self.decide(with(seen, |scene| rollback::finish(scene, name).map(Some))),
        }
    }

    /// It was asked for before: it begins now, if nobody is in its way.
    fn start(&mut self, scene: &GroupScene<'_>, stores: &Stores) -> Decided {
        let (name, group) = (self.name(), &scene.found.group);
        let Some(origin) = group.snapshot_in(&name.volume).map(|one| one.origin) else { return Ok(None) };
        let whole = format!("{}/{origin}", name.group);
        if !scene.is_active(origin) {
            self.say.push(Said::warn(format!("{name}: the rollback begins when {whole} is activated")));
            return Ok(None);
        }
        let open =
            [origin, &name.volume].into_iter().find_map(|volume| Some((volume, scene.open_by(volume)?)));
        if let (When::Either, Some((volume, by))) = (self.request.when, open) {
            let why =
                format!("{name}: the rollback waits for {}/{volume}, which is in use by {by}", name.group);
            self.say.push(Said::warn(why));
            return Ok(None);
        }
        rollback::start_requested(scene, name, stores).map(Some)
    }

    fn decide(&mut self, decided: Result<Decided, Refusal>) -> Turn {
        let next = changed(&mut self.change, decided.and_then(|decided| decided), &self.called);
        self.come(next)
    }

    fn come(&mut self, next: Next) -> Turn {
        match next {
            Next::Turn(turn) => turn,
            Next::Again => self.look(),
            Next::Over(said, ended) => {
                self.say.extend(said);
                match over(ended) {
                    Err(turn) => *turn,
                    Ok(status) => {
                        self.status |= status;
                        if self.now == For::Finish {
                            return Turn::end(self.status);
                        }
                        self.now = For::Watch;
                        self.change = OneChange::default();
                        self.look()
                    }
                }
            }
        }
    }

    /// Waits where that is wanted, and ends what is finished.
    fn watch(&mut self, seen: &GroupSeen, state: State) -> Turn {
        let name = self.name();
        match state {
            // Somebody else ended it.
            State::None => Turn::end(self.status),
            State::Finished => {
                (self.now, self.change) = (For::Finish, OneChange::default());
                self.decide(with(seen, |scene| rollback::finish(scene, name).map(Some)))
            }
            State::Failed => self.fail(format!(
                "{name}: the rollback stands still: the kernel met an error (dmesg tells); what was rolled back stays readable"
            )),
            State::Overflowed => match groups::named(&seen.groups, &seen.name) {
                Ok(found) => Turn::refuse(rollback::overflowed(&found.group, &name.volume)),
                Err(refusal) => Turn::refuse(refusal),
            },
            State::Requested if self.request.wait => {
                self.fail(format!("{name}: the rollback has not begun; it begins at the next activation"))
            }
            State::Requested => Turn::end(self.status),
            State::Running(_) if !self.request.wait => {
                self.now = For::Follow;
                let lock = format!("rollback-{}", name::join(&name.group, &name.volume, None));
                follow(lock, ["volume", "rollback", &name.to_string(), "--wait"])
            }
            State::Running(left) => {
                let left = left.bytes().0;
                let all = self.begun.map_or(left, |(_, before)| before.max(left));
                waiting(&mut self.begun, seen.clock, (left, all), &name.to_string(), &self.called)
            }
        }
    }

    fn fail(&mut self, why: String) -> Turn {
        self.say.push(Said::error(why));
        Turn::end(FAILED)
    }

    /// Whether somebody ends it.
    fn followed(&mut self, deed: Option<Deed>) -> Turn {
        let name = self.name();
        let ends = match deed {
            Some(Deed::Done) => "a process in the background ends it".to_owned(),
            _ => format!("mdctl volume rollback {name} --wait ends it"),
        };
        self.say.push(Said::note(format!(
            "{name}: the volume reads as it was already; it is copied back in the background, and {ends}"
        )));
        Turn::end(self.status)
    }
}

fn none(name: &VolumeName) -> Refusal {
    Refusal::new(format!("there is no snapshot {name}"))
        .hint(format!("mdctl volume list {} lists those that there are", name.group))
}

impl Course for Rollback<'_> {
    fn next(&mut self, event: Event) -> Turn {
        let turn = match event {
            Event::Begin => self.look(),
            Event::Unseen(unseen) => Turn::refuse(unseen),
            Event::Seen(view) => match view.group() {
                Ok(seen) => self.seen(&seen),
                Err(unseen) => Turn::refuse(unseen),
            },
            Event::Woke(Woke::Interrupted) => interrupted(&self.name().to_string(), "rollback"),
            Event::Woke(_) => self.look(),
            Event::Done(deeds) if self.now == For::Follow => self.followed(deeds.into_iter().next()),
            event @ (Event::Done(_) | Event::Answered(_)) => {
                let next = self.change.next(event);
                self.come(next)
            }
        };
        turn.after(std::mem::take(&mut self.say))
    }
}
