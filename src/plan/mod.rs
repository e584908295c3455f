//! Decisions. A plan is a value: it is printed, compared, carried out, undone. Nothing here looks or acts.

use std::fmt;

pub mod afterwards;
pub mod assemble;
pub mod boot;
pub mod build;
pub mod configuration;
pub mod consent;
pub mod cookies;
pub mod course;
pub mod create;
pub mod critical;
pub mod devices;
pub mod dm;
pub mod dump;
pub mod explain;
#[cfg(test)]
pub(crate) mod fake;
pub mod grow;
pub mod histories;
pub mod incremental;
pub mod keep;
pub mod manage;
pub mod mend;
pub mod monitor;
pub mod named;
pub mod naming;
pub mod only_copy;
pub mod overlay;
pub mod raid6check;
pub mod recover;
pub mod replace;
pub mod run;
pub mod scrub;
pub mod step;
pub mod stop;
pub mod switch;
pub mod trial;
pub mod undo;
pub mod volume;
pub mod wait;
pub mod watch;
pub mod window;
pub mod zero;

pub use step::{
    ArrayName, DiskInfo, DiskStep, LegacyShape, MdStep, MemberName, SeenMember, Step, SystemStep, TextChange,
    UnitVerb, disk_state, is_another,
};

/// Steps in order, and what should be said before they are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// One line: what the plan comes to.
    pub summary: String,
    /// The acts.
    pub steps: Vec<Step>,
    /// What a person should know; those that need consent are asked before anything is done.
    pub warnings: Vec<Warning>,
}

/// Something found on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The sentence, in the original's words where it has one.
    pub text: String,
    /// How it is said.
    pub kind: Say,
}

/// How a warning is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say {
    /// An answer, on standard output.
    Out,
    /// Worth knowing and no more, on standard error; not with `--quiet`.
    Tell,
    /// A remark, on standard error.
    Note,
    /// A remark, and going on needs a yes (or `--run`).
    Ask,
}

impl Warning {
    /// For standard output.
    #[must_use]
    pub fn out(text: impl Into<String>) -> Self {
        Self { text: text.into(), kind: Say::Out }
    }

    /// Worth knowing.
    #[must_use]
    pub fn tell(text: impl Into<String>) -> Self {
        Self { text: text.into(), kind: Say::Tell }
    }

    /// A warning to be read.
    #[must_use]
    pub fn note(text: impl Into<String>) -> Self {
        Self { text: text.into(), kind: Say::Note }
    }

    /// A warning to be answered.
    #[must_use]
    pub fn ask(text: impl Into<String>) -> Self {
        Self { text: text.into(), kind: Say::Ask }
    }
}

impl Plan {
    /// Whether somebody has to agree first.
    #[must_use]
    pub fn needs_consent(&self) -> bool {
        self.warnings.iter().any(|w| w.kind == Say::Ask)
    }
}

impl fmt::Display for Plan {
    /// The dry run's text: the summary, each step with its undo, the warnings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", plain(&self.summary))?;
        for (number, step) in self.steps.iter().enumerate() {
            let line = plain(&step.to_string());
            match step.undo(Vec::new()) {
                Some(undo) => writeln!(f, "{:3}  {line:<58} undo: {}", number + 1, plain(&undo.to_string()))?,
                None => writeln!(f, "{:3}  {line}", number + 1)?,
            }
        }
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {}", plain(&warning.text)))
    }
}

/// Names come from disks and files: none of them steers a terminal.
fn plain(text: &str) -> String {
    let one =
        |c: char| if c.is_control() && c != '\n' { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(one).collect()
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// The sentence, in the original's words where it has one; may be several lines.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Exit status of the command.
    pub status: u8,
    /// What was found before, in order: said first.
    pub said: Vec<Warning>,
    /// The status alone tells it with `--quiet`.
    pub aside: bool,
}

impl Refusal {
    /// A refusal with the usual exit status 1.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), hint: None, status: 1, said: Vec::new(), aside: false }
    }

    /// Not said with `--quiet`.
    #[must_use]
    pub fn aside(self) -> Self {
        Self { aside: true, ..self }
    }

    /// With another exit status.
    #[must_use]
    pub fn status(self, status: u8) -> Self {
        Self { status, ..self }
    }

    /// After these remarks.
    #[must_use]
    pub fn after(self, said: Vec<Warning>) -> Self {
        Self { said, ..self }
    }

    /// With a remedy.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}
