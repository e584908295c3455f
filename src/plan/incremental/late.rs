//! A device that comes to an array that runs: a member that is late, by the words of manage, or a bare one that becomes a
//! spare.

use super::{
    Arrival, Started,
    joining::{FAILED, Joining, NOT_TAKEN, Stage},
    node,
};
use crate::{
    config::policy::Action,
    model::RunningArray,
    plan::{
        ArrayName, Refusal,
        assemble::Claim,
        course::{Course as _, Ending, Event, How, Said, Then, Turn},
        manage::{
            ManageContext,
            session::{Manage, ManageJob},
        },
    },
    request::{ManageOp, ManageWord},
};

/// A member that comes to an array that runs.
pub(super) struct Late {
    pub came: Arrival,
    /// It is taken back where it stood.
    pub re_add: bool,
    /// It may become a spare where that is not possible.
    pub as_spare: bool,
    /// There was nothing on it.
    pub bare: bool,
    /// Nobody says that it may be taken: where it cannot be taken back it stays out.
    pub unasked: bool,
}

impl Joining<'_> {
    /// Nothing is on it: into the array that POLICY lines and their domains mean, if there is one.
    pub(super) fn spare(&mut self) -> Turn {
        let nothing = format!("no recognisable superblock on {}.", self.job.device);
        let heir_of = self.job.heir_of;
        let Some(bare) = self.bare.clone().filter(|bare| bare.may_serve(&self.session, heir_of)) else {
            return Turn::refuse(Refusal::new(nothing).aside());
        };
        let native = |array: &&RunningArray| array.is_active() && !array.metadata.starts_with("external:");
        let running = self.session.world.arrays.iter().filter(native);
        let paths = running.flat_map(|array| &array.names).map(|name| node(name));
        let paths: Vec<String> = paths.filter(|path| !self.looked.contains(path)).collect();
        if !paths.is_empty() {
            return self.look_at(paths);
        }
        self.say.push(Said::note(&nothing));
        let Some(array) = bare.host(&self.session, heir_of).cloned() else {
            self.say.push(Said::detail(format!("no array wants {} as a spare", self.job.device)));
            return Turn::end(FAILED);
        };
        let message = format!("added {} as spare for {}", self.job.device, array.name);
        let array = self.session.name_of(&array);
        let came = Arrival { array, foreign: false, started: Some(Started::Already), message };
        self.manage(Late { came, re_add: false, as_spare: true, bare: true, unasked: false }, ManageOp::Add)
    }

    /// Into an array that runs.
    pub(super) fn join_running(&mut self, mine: &Claim, array: &RunningArray) -> Turn {
        let name = self.session.name_of(array);
        let came = Arrival {
            foreign: self.is_foreign(mine),
            started: Some(Started::Already),
            message: format!("{} attached to {} which is already active.", mine.path, name.path),
            array: name,
        };
        if array.members.contains(&mine.id) {
            return self.end(came);
        }
        let policy = self.session.policy(mine);
        let (action, in_sync) = (policy.action, mine.slot().is_some());
        // The array was started without it after a wait in vain, and it had everything then. Whoever was taken out by somebody had not.
        let was_awaited = self.job.awaited.get(&mine.facts.array) == Some(&mine.facts.events);
        let unasked = in_sync && !self.job.run && action < Action::ReAdd;
        if unasked && (policy.says_action || !was_awaited) {
            return Turn::refuse(self.stays_out(&came));
        }
        let late =
            Late { came, re_add: in_sync, as_spare: action >= Action::ForceSpare, bare: false, unasked };
        self.manage(late, if in_sync { ManageOp::ReAdd } else { ManageOp::Add })
    }

    fn stays_out(&self, came: &Arrival) -> Refusal {
        let device = &self.job.device;
        let text = format!("not adding {device} to active array (without --run) {}", came.array.path);
        // Histories may have parted, or it is a copy: that takes a look at the other members.
        let hint = format!(
            "`mdctl explain {device}` says whether and how it is taken back; where the bitmap allows that, a POLICY line with action=re-add has it done here"
        );
        Refusal::new(text).status(NOT_TAKEN).hint(hint)
    }

    /// By manage's words, which know bitmaps and histories that parted.
    fn manage(&mut self, late: Late, op: ManageOp) -> Turn {
        let path = format!("/dev/{}", late.came.array.kernel);
        let device = self.job.device.clone().into();
        let word = ManageWord { op, device, write_mostly: None, failfast: None };
        let manage = Manage::new(ManageJob {
            members: vec![word],
            readonly: false,
            run: false,
            stop: false,
            dry_run: false,
            test: false,
            outspoken: false,
            context: ManageContext {
                array: ArrayName { kernel: String::new(), path },
                force: false,
                update: None,
                bad_block_log: self.job.bad_block_log,
                fresh: Vec::new(),
                zone: self.job.zone.clone(),
            },
        });
        self.late(Box::new(manage), late, Event::Begin)
    }

    /// The words of manage, until they end.
    pub(super) fn late(&mut self, mut manage: Box<Manage>, late: Late, event: Event) -> Turn {
        let Turn { say, then } = manage.next(event);
        // What it says of its way is ours to say; what went wrong on it is said.
        let wrong = |said: &Said| matches!(said.how, How::Warn | How::Ask | How::Error);
        let reason = match then {
            Then::End(Ending::Status(0)) => {
                self.say.extend(say.into_iter().filter(wrong));
                if late.bare {
                    self.say.push(Said::detail(late.came.message));
                    return Turn::end(0);
                }
                return self.end(late.came);
            }
            Then::End(Ending::Status(_)) => None,
            // Without advice it says no more than what is said here.
            Then::End(Ending::Refused(refusal)) => match refusal.hint {
                Some(_) => Some(refusal.text),
                None => {
                    self.say.push(Said::detail(refusal.text));
                    None
                }
            },
            then => {
                self.say.extend(say.into_iter().filter(wrong));
                self.stage = Stage::Late(manage, late);
                return then.into();
            }
        };
        self.say.extend(say.into_iter().map(|said| Said::detail(said.text)));
        let with_reason = |refusal: Refusal| match &reason {
            Some(reason) => refusal.hint(reason.clone()),
            None => refusal,
        };
        let (device, path) = (&self.job.device, &late.came.array.path);
        if !late.re_add {
            let status = if late.bare { FAILED } else { NOT_TAKEN };
            let refusal = Refusal::new(format!("failed to add {device} to {path}")).status(status);
            return Turn::refuse(with_reason(refusal));
        }
        if late.unasked {
            return Turn::refuse(self.stays_out(&late.came));
        }
        if late.as_spare {
            return self.manage(Late { re_add: false, ..late }, ManageOp::Add);
        }
        let text = format!("can only add {device} to {path} as a spare, and force-spare is not set.");
        self.say.push(Said::error(text));
        let text = format!("failed to add {device} to existing array {path}: Invalid argument.");
        Turn::refuse(with_reason(Refusal::new(text).status(NOT_TAKEN)))
    }
}
