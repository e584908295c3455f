//! `move`: volume after volume; begun, watched, ended, given up. Before every step the metadata and the tables are compared
//! ([`mover::stand`]); what does not fit any more is ended at once.

use std::{collections::VecDeque, time::Duration};

use super::{
    Begun, Called, DONE, FAILED,
    aim::{Far, For, MOST_BLIND, Subject, Task, no_device},
    change::{Next, OneChange, Over},
    changed, follow, interrupted, look, over, waiting, with,
};
use crate::{
    model::{
        dm::name,
        volume::{FoundGroup, GroupSeen},
    },
    plan::{
        Plan, Refusal, Step,
        course::{Cause, Course, Deed, Event, Look, Said, Then, Turn, Wait, Woke},
        volume::{
            change::Decided,
            deactivate, devices,
            edit::{Means, pv_of},
            failing, groups,
            mover::{self, Stand, Underway},
            shift::GroupScene,
        },
    },
    request::volume::{MoveRequest, Moving, VolumeName},
};

/// Moves of one group.
#[derive(Debug)]
pub struct Move<'a> {
    request: &'a MoveRequest,
    called: Called,
    now: For,
    queue: VecDeque<Task>,
    change: OneChange,
    begun: Begun,
    /// Nobody was in the midst of changing the group when it was seen that nothing copies.
    settled: bool,
    /// So often a device was not to be seen.
    blind: u32,
    status: u8,
    say: Vec<Said>,
}

impl<'a> Move<'a> {
    /// As it is asked for.
    #[must_use]
    pub fn new(request: &'a MoveRequest, called: Called) -> Self {
        let (change, say, queue) = (OneChange::default(), Vec::new(), VecDeque::new());
        Self {
            request,
            called,
            now: For::First,
            queue,
            change,
            begun: None,
            settled: false,
            blind: 0,
            status: DONE,
            say,
        }
    }

    fn group(&self) -> &'a str {
        &self.request.name.group
    }

    fn shown(&self, volume: &str) -> String {
        format!("{}/{volume}", self.group())
    }

    fn look(&self) -> Turn {
        let mut look = look(self.group(), &self.called);
        if let Moving::Move { from, to, .. } = &self.request.what {
            look.paths = from.iter().cloned().chain(to.iter().map(|word| word.path.clone())).collect();
            look.fresh = 1;
        }
        Turn::look(Look::Group(look))
    }

    /// On to this, by a new look.
    fn go(&mut self, now: For) -> Turn {
        (self.now, self.change) = (now, OneChange::default());
        self.look()
    }

    fn fail(&mut self, why: String) -> Turn {
        self.say.push(Said::error(why));
        self.status |= FAILED;
        self.go(For::Next)
    }

    fn seen(&mut self, seen: &GroupSeen) -> Turn {
        let found = match groups::named(&seen.groups, &seen.name) {
            Ok(found) => found,
            Err(refusal) => return Turn::refuse(refusal),
        };
        self.now = self.now.clone().current(&found.group);
        match self.now.clone() {
            For::First => match self.first(seen, found) {
                Ok(()) => self.next_task(seen, found),
                Err(refusal) => Turn::refuse(refusal),
            },
            For::Next => self.next_task(seen, found),
            For::Wake(volume) => {
                let decided = devices::activate(found, &seen.active, &seen.stores, &[volume.name], false);
                self.decide(decided.and_then(|done| match done.left_out.into_iter().next() {
                    Some(why) => Err(why),
                    None => Ok(Some(done.plan)),
                }))
            }
            For::Begin(volume, asleep) => self.begin(seen, found, &volume, asleep),
            For::Begun(volume) => self.begun_by(seen, found, &volume),
            For::Watch(move_) | For::Settle(move_) | For::Follow(move_, _) => self.watch(seen, move_),
            For::Resume(move_) => self.still(seen, |scene| match mover::stand(scene, &move_) {
                Stand::Interrupted => mover::resume(scene, &move_).map(Some),
                Stand::Over | Stand::Copies(_) | Stand::Lost(_) | Stand::Unfit => Ok(None),
            }),
            For::Finish(move_) if self.holds(seen, &move_) => self.watch(seen, move_),
            For::Finish(move_) => self.finish(seen, move_),
            For::LetGo(move_, _) => self.still(seen, |scene| Ok(Some(failing::let_go(scene, &move_)))),
            For::Abort(move_) | For::Abandon(move_, _) if self.holds(seen, &move_) => {
                self.go(For::LetGo(move_, Box::new(self.now.clone())))
            }
            For::Abort(move_) => self.still(seen, |scene| match mover::stand(scene, &move_) {
                Stand::Over => Ok(None),
                _ if mover::is_underway(&scene.found.group, &move_) => mover::abort(scene, &move_).map(Some),
                Stand::Interrupted | Stand::Copies(_) | Stand::Lost(_) | Stand::Unfit => {
                    mover::abandon(scene, &move_).map(Some)
                }
            }),
            For::Abandon(move_, why) => self.abandon(seen, move_, why),
            For::Sleep(volume) => self.sleep(seen, found, &volume.name),
        }
    }

    /// A move that was begun, by us or by who was quicker.
    fn begun_by(&mut self, seen: &GroupSeen, found: &FoundGroup, volume: &Subject) -> Turn {
        let is_it = |move_: &Underway| move_.id == volume.id;
        let underway = mover::underway(&found.group).into_iter().find(is_it);
        // It may have been given up, or its room taken while its devices still copy.
        let left = || with(seen, |scene| mover::left(scene).into_iter().find(is_it));
        match underway.map_or_else(left, |move_| Ok(Some(move_))) {
            Ok(Some(move_)) => {
                self.now = For::Watch(move_);
                self.seen(seen)
            }
            Ok(None) => self.go(For::Next),
            Err(refusal) => Turn::refuse(refusal),
        }
    }

    /// What there is to do.
    fn first(&mut self, seen: &GroupSeen, found: &FoundGroup) -> Result<(), Refusal> {
        let name = &self.request.name;
        let is_meant = |volume: &str| name.volume.as_ref().is_none_or(|wanted| wanted == volume);
        let mut begun = mover::underway(&found.group);
        begun.extend(with(seen, mover::left)?);
        begun.retain(|move_| is_meant(&move_.volume));
        let nothing = || format!("nothing of {name} is being moved");
        let (from, aborts) = match &self.request.what {
            Moving::Move { from, .. } => (from.as_deref(), false),
            Moving::Abort | Moving::Status => (None, true),
        };
        if begun.is_empty() && from.is_none() {
            let text = nothing();
            return Err(Refusal::new(if aborts {
                text
            } else {
                format!("{text}: which device is to be emptied?")
            }));
        }
        let known: Vec<String> = begun.iter().map(|move_| move_.volume.clone()).collect();
        let task = if aborts { Task::Abort } else { Task::End };
        self.queue = begun.into_iter().map(task).collect();
        let Some(from) = from else { return Ok(()) };
        let pv = pv_of(found, seen, from).ok_or_else(|| no_device(from, self.group()))?;
        let mut volumes = mover::on(&found.group, pv);
        volumes.retain(|volume| is_meant(volume));
        if volumes.is_empty() {
            self.say.push(Said::note(format!("nothing of {name} is on {from}")));
        }
        volumes.retain(|volume| !known.contains(volume));
        let subject = |name: String| Some(Subject { id: found.group.volume(&name)?.id, name });
        self.queue.extend(volumes.into_iter().filter_map(subject).map(Task::Begin));
        Ok(())
    }

    fn next_task(&mut self, seen: &GroupSeen, found: &FoundGroup) -> Turn {
        (self.change, self.begun) = (OneChange::default(), None);
        let Some(task) = self.queue.pop_front() else { return Turn::end(self.status) };
        self.now = match task {
            Task::Abort(move_) => For::Abort(move_),
            Task::End(move_) => {
                match with(seen, |scene| matches!(mover::stand(scene, &move_), Stand::Interrupted)) {
                    Ok(true) => For::Resume(move_),
                    Ok(false) => For::Watch(move_),
                    Err(refusal) => return Turn::refuse(refusal),
                }
            }
            Task::Begin(volume) => {
                let top = devices::head_of(&found.group, &volume.name).to_owned();
                match with(seen, |scene| scene.is_active(&top)) {
                    Err(refusal) => return Turn::refuse(refusal),
                    Ok(true) => For::Begin(volume, false),
                    Ok(false) => {
                        let name = self.shown(&volume.name);
                        self.say.push(Said::note(format!(
                            "{name} is not active: it is activated while it is copied"
                        )));
                        For::Wake(volume)
                    }
                }
            }
        };
        self.seen(seen)
    }

    fn begin(&mut self, seen: &GroupSeen, found: &FoundGroup, volume: &Subject, asleep: bool) -> Turn {
        let Moving::Move { from: Some(from), to, .. } = &self.request.what else {
            return Turn::end(self.status);
        };
        // Somebody else began it meanwhile.
        if let Some(move_) = mover::underway(&found.group).into_iter().find(|move_| move_.id == volume.id) {
            return self.go(For::Watch(move_));
        }
        let Some(pv) = pv_of(found, seen, from) else { return Turn::refuse(no_device(from, self.group())) };
        let by_path = |path: &str| pv_of(found, seen, path);
        let mut means = Means::of(seen, found, &by_path);
        let name = VolumeName { group: self.group().to_owned(), volume: volume.name.clone() };
        let decided =
            with(seen, |scene| mover::begin(scene, &name, (pv, asleep), to.as_slice(), &mut means).map(Some));
        self.decide(decided.and_then(|decided| decided))
    }

    /// A change of a move that may be over already.
    fn still(&mut self, seen: &GroupSeen, decide: impl FnOnce(&GroupScene<'_>) -> Decided) -> Turn {
        let decided = with(seen, decide).and_then(|decided| decided);
        self.decide(decided)
    }

    fn decide(&mut self, decided: Decided) -> Turn {
        let next = changed(&mut self.change, decided, &self.called);
        self.come(next)
    }

    fn come(&mut self, next: Next) -> Turn {
        match next {
            Next::Turn(turn) => turn,
            Next::Again => self.look(),
            Next::Over(said, ended) => {
                self.say.extend(said);
                self.ended(ended)
            }
        }
    }

    /// A change has ended: on to what follows it.
    fn ended(&mut self, ended: Over) -> Turn {
        let now = self.now.clone();
        // Nobody needs what was activated for a move that did not begin.
        if let (For::Begin(volume, true), Over::Failed | Over::Refused(_)) = (&now, &ended) {
            if let Over::Refused(refusal) = &ended {
                self.say.extend(Said::refusal(refusal));
            }
            self.status |= FAILED;
            self.queue.clear();
            return self.go(For::Sleep(volume.clone()));
        }
        // A move that cannot end stands as it is; the others go on.
        if let (For::Sleep(_), Over::Refused(refusal)) = (&now, &ended) {
            self.say.extend(Said::refusal(refusal));
            return self.go(For::Next);
        }
        // One that cannot begin leaves the others.
        if let (For::Begin(..), Over::Refused(refusal), false) = (&now, &ended, self.queue.is_empty()) {
            self.say.extend(Said::refusal(refusal));
            self.status |= FAILED;
            return self.go(For::Next);
        }
        let shown = matches!(ended, Over::Shown);
        let status = match over(ended) {
            Ok(status) => status,
            Err(_) if shown => return self.go(For::Next),
            Err(turn) => return *turn,
        };
        self.status |= status;
        match now {
            For::Wake(volume) => self.go(For::Begin(volume, true)),
            For::Begin(volume, _) => self.go(For::Begun(volume)),
            For::Resume(move_) => self.go(For::Watch(move_)),
            For::LetGo(_, then) => self.go(*then),
            // What could not be taken away then is taken away now.
            For::Finish(move_) | For::Abort(move_) if status != DONE => self.go(For::Abandon(move_, "")),
            For::Finish(move_) | For::Abort(move_) | For::Abandon(move_, "") if move_.asleep => {
                self.go(For::Sleep(Subject { name: move_.volume, id: move_.id }))
            }
            For::Abandon(_, "") => self.go(For::Next),
            For::Abandon(move_, mover::REMOVED) => {
                let what = self.shown(&move_.volume);
                self.fail(format!("{what}: {}: the copying has ended", mover::REMOVED))
            }
            For::Abandon(move_, why) => {
                let what = self.shown(&move_.volume);
                self.fail(format!("{what}: {why}: the copying has ended, and {what} stays where it was"))
            }
            For::First
            | For::Next
            | For::Begun(_)
            | For::Watch(_)
            | For::Settle(_)
            | For::Follow(..)
            | For::Finish(_)
            | For::Abort(_)
            | For::Sleep(_) => self.go(For::Next),
        }
    }

    /// Ends a move, as it stands now: between the look and the lock it may have been taken from us, and then its copying is
    /// ended as it is where that is seen while it is watched.
    fn finish(&mut self, seen: &GroupSeen, move_: Underway) -> Turn {
        let is_lost = with(seen, |scene| match mover::stand(scene, &move_) {
            Stand::Lost(_) | Stand::Interrupted | Stand::Unfit => true,
            Stand::Over | Stand::Copies(_) => false,
        });
        match is_lost {
            Ok(true) => return self.watch(seen, move_),
            Ok(false) => {}
            Err(refusal) => return Turn::refuse(refusal),
        }
        self.still(seen, |scene| match mover::stand(scene, &move_) {
            Stand::Over => Ok(None),
            Stand::Interrupted | Stand::Copies(_) | Stand::Lost(_) | Stand::Unfit => {
                mover::finish(scene, &move_).map(Some)
            }
        })
    }

    /// Waits where that is wanted, and ends what is copied.
    fn watch(&mut self, seen: &GroupSeen, move_: Underway) -> Turn {
        let what = self.shown(&move_.volume);
        let far = with(seen, |scene| Far::of(scene, &move_));
        match far {
            Err(refusal) => Turn::refuse(refusal),
            // Somebody else ended it, or gave it up.
            Ok(Far::Over) => self.go(For::Next),
            // Whoever gave it the name gave its device the table of the metadata.
            Ok(Far::Interrupted)
                if matches!(with(seen, |scene| mover::is_renamed(&scene.found.group, &move_)), Ok(true)) =>
            {
                self.say.push(Said::error(format!(
                    "{what} was renamed while it was being moved: the copying has ended, and it stays where it was"
                )));
                self.status |= FAILED;
                self.go(For::Abort(move_))
            }
            Ok(Far::Interrupted) if !self.settled && !self.called.dry_run => self.settle(seen, move_),
            Ok(Far::Interrupted) => self.fail(format!(
                "{what} is not being copied; where it is active, mdctl volume move {what} begins again"
            )),
            Ok(Far::Unfit) => self.fail(format!(
                "{what}: {}; mdctl volume move {what} --abort leaves it where it is",
                mover::UNFIT
            )),
            Ok(Far::Lost(why)) => {
                (self.now, self.change) = (For::Abandon(move_, why), OneChange::default());
                self.seen(seen)
            }
            Ok(Far::Blind) if self.blind < MOST_BLIND && matches!(self.request.what, Moving::Move { .. }) => {
                self.blind += 1;
                let most = Duration::from_secs(1);
                Then::Wait(Wait { on: vec![Cause::DeviceMapper], most, bar: None }).into()
            }
            Ok(Far::Blind) => self.fail(format!(
                "{what}: a device of the group is not there; the kernel goes on, and mdctl volume move {what} --wait ends it"
            )),
            Ok(Far::Fails(which)) => {
                self.say.push(Said::error(format!(
                    "{what}: {which}: the move is given up, and {what} stays where it was"
                )));
                self.status |= FAILED;
                self.go(For::Abort(move_))
            }
            Ok(Far::Copied(done, all)) if done == all && all > 0 => {
                (self.now, self.change) = (For::Finish(move_), OneChange::default());
                self.seen(seen)
            }
            Ok(Far::Copied(done, all)) if matches!(self.request.what, Moving::Move { wait: true, .. }) => {
                let bytes = |regions: u64| regions.saturating_mul(512 << 10);
                let left = bytes(all.saturating_sub(done));
                waiting(&mut self.begun, seen.clock, (left, bytes(all)), &what, &self.called)
            }
            Ok(Far::Copied(done, all)) => {
                let percent = done.saturating_mul(100).checked_div(all).unwrap_or(100);
                let lock = format!("move-{}", name::join(self.group(), &move_.volume, None));
                self.now = For::Follow(move_, percent);
                follow(lock, ["volume", "move", &what, "--wait"])
            }
        }
    }

    /// Whether writes may be held, so that no device of the volume can be suspended.
    fn holds(&self, seen: &GroupSeen, move_: &Underway) -> bool {
        let fails = || with(seen, |scene| failing::failing(scene, move_).is_some());
        !self.called.dry_run && matches!(fails(), Ok(true))
    }

    /// Whoever took the devices away may be about to change the metadata too: who has the lock sees the end of it.
    fn settle(&mut self, seen: &GroupSeen, move_: Underway) -> Turn {
        self.settled = true;
        let summary = format!("wait for the lock of {}", self.group());
        let waits = Plan { summary, steps: vec![Step::Commit], warnings: Vec::new() };
        match with(seen, |scene| scene.locked(waits)) {
            Ok(plan) => {
                self.now = For::Settle(move_);
                Turn::carry_out(plan)
            }
            Err(refusal) => Turn::refuse(refusal),
        }
    }

    /// Ends what does not fit any more, for the reason that there is now.
    fn abandon(&mut self, seen: &GroupSeen, move_: Underway, why: &'static str) -> Turn {
        let stands = with(seen, |scene| match mover::stand(scene, &move_) {
            Stand::Lost(why) => Some(why),
            Stand::Over | Stand::Interrupted | Stand::Copies(_) | Stand::Unfit => None,
        });
        match stands {
            Err(refusal) => return Turn::refuse(refusal),
            Ok(None) => return self.decide(Ok(None)),
            Ok(Some(now)) if !why.is_empty() => self.now = For::Abandon(move_.clone(), now),
            Ok(Some(_)) => {}
        }
        self.still(seen, |scene| mover::abandon(scene, &move_).map(Some))
    }

    fn followed(&mut self, move_: &Underway, percent: u64, deed: Option<Deed>) -> Turn {
        let what = self.shown(&move_.volume);
        let ends = match deed {
            Some(Deed::Done) => "a process in the background ends it".to_owned(),
            _ => format!("mdctl volume move {what} --wait ends it"),
        };
        self.say.push(Said::note(format!("{what}: {percent} % copied; the kernel goes on, and {ends}")));
        self.go(For::Next)
    }

    fn sleep(&mut self, seen: &GroupSeen, found: &FoundGroup, volume: &str) -> Turn {
        let what = self.shown(volume);
        // Its snapshots, or its origin, may be on their way still.
        let plan = mover::refuse_moving(&found.group, volume)
            .and_then(|()| deactivate::plan(found, &seen.active, &[volume.to_owned()]));
        match plan {
            Ok(plan) => self.decide(Ok(Some(plan))),
            Err(refusal) => {
                self.say.push(Said::note(format!("{what} stays active: {}", refusal.text)));
                self.go(For::Next)
            }
        }
    }
}

impl Course for Move<'_> {
    fn next(&mut self, event: Event) -> Turn {
        let turn = match event {
            Event::Begin => self.look(),
            Event::Unseen(unseen) => Turn::refuse(unseen),
            Event::Seen(view) => match view.group() {
                Ok(seen) => self.seen(&seen),
                Err(unseen) => Turn::refuse(unseen),
            },
            Event::Woke(Woke::Interrupted) => {
                let what = match &self.now {
                    For::Watch(move_) => self.shown(&move_.volume),
                    _ => self.request.name.to_string(),
                };
                interrupted(&what, "move")
            }
            Event::Woke(_) => self.look(),
            Event::Done(deeds) => match self.now.clone() {
                For::Follow(move_, percent) => self.followed(&move_, percent, deeds.into_iter().next()),
                For::Settle(move_) => self.go(For::Watch(move_)),
                _ => {
                    let next = self.change.next(Event::Done(deeds));
                    self.come(next)
                }
            },
            event @ Event::Answered(_) => {
                let next = self.change.next(event);
                self.come(next)
            }
        };
        turn.after(std::mem::take(&mut self.say))
    }
}
