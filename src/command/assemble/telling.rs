//! What an attempt to assemble says: to people at once, to JSON at the end.

use super::{Ended, FAILED, NOT_FOUND, Work};
use crate::{
    command::print,
    plan::{
        Refusal, Step,
        assemble::{Outcome, Remark, Stop, Target, Verdict, Why},
        run::Failure,
    },
    report::assemble::{Array, Became, LeftOut, Members},
    ui::Ui,
};

impl Work<'_> {
    pub(super) fn started(&mut self, outcome: &Outcome) {
        self.say(&outcome.after);
        if outcome.verdict == Verdict::LeaveInactive {
            self.ui.note(&outcome.done);
        } else if self.common.verbose >= 0 && !self.common.json {
            print(&format!("{}: {}\n", self.ui.program(), outcome.done));
        }
        self.note(outcome, became(outcome), &outcome.done);
    }

    pub(super) fn failed(&mut self, outcome: &Outcome, failure: &Failure) -> Option<Ended> {
        for left in &failure.not_undone {
            self.ui.error(&format!("could not undo: {left}"));
        }
        let path = &outcome.name.path;
        let why = failure.answer().unwrap_or_else(|| format!("{:#}", failure.cause));
        match outcome.plan.steps.get(failure.at) {
            Some(Step::AddDisk { device, .. }) => {
                self.ui.error(&format!("failed to add {device} to {path}: {why}"));
                self.ui.detail(&format!("{:#}", failure.cause));
                self.session.give_up(device).then_some(()).map_or(Some(Ended::Failed(FAILED)), |()| None)
            }
            Some(Step::Claim { device }) if !failure.committed => {
                self.ui.error(&format!("{device} is busy - skipping"));
                self.ui.detail(&format!("{:#}", failure.cause));
                self.session.give_up(device).then_some(()).map_or(Some(Ended::Failed(FAILED)), |()| None)
            }
            Some(Step::Run { .. }) => {
                self.ui.error(&format!("failed to RUN_ARRAY {path}: {why}"));
                let hint = outcome.shortage.map_or_else(|| format!("{:#}", failure.cause), |s| s.insisted());
                self.ui.error(&hint);
                self.note(outcome, Became::Failed, &format!("{:#}", failure.cause));
                Some(Ended::Failed(FAILED))
            }
            _ => {
                let text = format!("{path}: {}: {:#}", failure.step, failure.cause);
                self.ui.error(&text);
                self.note(outcome, Became::Failed, &text);
                Some(Ended::Failed(FAILED))
            }
        }
    }

    pub(super) fn stopped(&mut self, target: &Target, stop: &Stop) -> Ended {
        let (status, became, message) = match stop {
            Stop::Nothing => (NOT_FOUND, Became::NotFound, "no device of it was found".to_owned()),
            Stop::Refused(refusal) => (tell(refusal, self.ui), Became::Refused, refusal.text.clone()),
        };
        self.report.push(Array {
            array: self.session.name_of_target(target),
            kernel_name: None,
            result: became,
            message,
            members: None,
            left_out: Vec::new(),
        });
        Ended::Failed(status)
    }

    pub(super) fn say(&self, remarks: &[Remark]) {
        for remark in remarks {
            if remark.detail {
                self.ui.detail(&remark.text);
            } else {
                self.ui.note(&remark.text);
            }
        }
    }

    pub(super) fn note(&mut self, outcome: &Outcome, result: Became, message: &str) {
        let count = &outcome.count;
        let left_out =
            |(device, why): &(String, Why)| LeftOut { device: device.clone(), reason: why.to_string() };
        self.report.push(Array {
            array: outcome.name.path.clone(),
            kernel_name: Some(outcome.name.kernel.clone()),
            result,
            message: message.to_owned(),
            members: Some(Members {
                in_sync: count.whole,
                slots: count.slots,
                rebuilding: count.rebuilding,
                spares: count.spares,
                journals: count.journals,
            }),
            left_out: outcome.out.iter().map(left_out).collect(),
        });
    }
}

pub(super) fn became(outcome: &Outcome) -> Became {
    if outcome.verdict == Verdict::LeaveInactive { Became::Inactive } else { Became::Started }
}

/// Says what a refusal says; one JSON answer for all arrays comes at the end.
pub(super) fn tell(refusal: &Refusal, ui: &Ui) -> u8 {
    for warning in &refusal.said {
        ui.warn(&warning.text);
    }
    ui.error(&refusal.text);
    if let Some(hint) = &refusal.hint {
        ui.note(hint);
    }
    refusal.status
}
