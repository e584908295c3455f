//! Changing the size, the shape or the bitmap of an array that runs.
//!
//! One command is several changes, one after the other, each decided from the array as it is then (`course.rs`). What goes on when
//! the command is over, and what comes after it, is a course of its own (`going.rs`).

mod bitmap;
mod change;
mod course;
#[cfg(test)]
mod cuts;
mod going;
mod members;
mod offsets;
mod policy;
mod shape;
mod size;
mod store;
mod turning;
mod windows;

use jiff::tz::TimeZone;

use super::{ArrayName, MdStep, Plan, Step, SystemStep};
use crate::{
    model::grow::Growing,
    plan::course::Said,
    request::GrowRequest,
    words::{ArrayAttr, Errno},
};

pub use change::{Change, Wish, change};
pub use course::Grow;
pub use going::{Going, Until, follow};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct GrowJob {
    /// The request.
    pub request: GrowRequest,
    /// The array by the path that was typed.
    pub array: ArrayName,
    /// Nothing is carried out.
    pub dry_run: bool,
    /// What comes of it is said to people: not where the original's words are expected.
    pub outspoken: bool,
    /// Whether a new member gets a bad-block log.
    pub bad_block_log: bool,
    /// The zone for dates.
    pub zone: TimeZone,
    /// The time, in seconds since 1970.
    pub now: u64,
}

/// One change, as a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Act {
    plan: Plan,
    /// What is said when it is done.
    said: Vec<Said>,
    /// From which step on a failure is said how: the kernel's words follow where the text ends in a blank.
    refused: Vec<(usize, String)>,
    /// What else is to be known about the kernel's answer.
    because: Vec<(Errno, String)>,
}

impl Act {
    fn new(summary: String) -> Self {
        Self { plan: Plan { summary, ..Plan::default() }, ..Self::default() }
    }

    /// The next steps, and how a failure of one of them is said.
    fn then(&mut self, steps: impl IntoIterator<Item = Step>, refused: impl Into<String>) {
        self.refused.push((self.plan.steps.len(), refused.into()));
        self.plan.steps.extend(steps);
    }

    /// Whether something is noted for when the command is over.
    fn notes(&self) -> bool {
        self.plan.steps.iter().any(|step| matches!(step, Step::System(SystemStep::WriteFile { .. })))
    }

    /// How the failure of this step is said.
    fn refusal(&self, at: usize) -> Option<&str> {
        let before = self.refused.iter().rev().find(|(from, _)| *from <= at);
        before.map(|(_, text)| text.as_str()).filter(|text| !text.is_empty())
    }
}

/// A change of an attribute, from the text that it has.
fn set(array: &ArrayName, attr: ArrayAttr, from: Option<String>, to: impl Into<String>) -> Step {
    Step::Md(MdStep::Change { array: array.clone(), attr, from, to: to.into() })
}

/// What it is named by in plans.
fn name(job: &GrowJob, array: &Growing) -> ArrayName {
    ArrayName { kernel: array.managed.detail.kernel_name.clone(), path: job.array.path.clone() }
}
