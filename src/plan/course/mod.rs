//! Courses: decisions over many looks at a machine that changes under them.
//!
//! A [`Plan`] is a decision over one look. A course is one over many, and a value all the same: it is given what was seen,
//! what was done and how that ended, and answers what comes next. It does nothing itself. One driver
//! (`command::drive`) looks, acts, waits, speaks and asks for all of them; its twin for tests drives them over a
//! machine made of values, lets each look and each step fail, and somebody else change the machine between any two turns.

use std::{fmt, time::Duration};

use super::{Plan, Refusal, Say, Warning, run::Failure};
use crate::{archive::EntryId, words::ArrayAttr};

#[cfg(test)]
pub(crate) mod twin;

pub use crate::model::view::{Look, Unseen, UsedBy, View};

/// Exit status of a failure.
const FAILED: u8 = 1;

/// A decision over many looks.
pub trait Course {
    /// What comes next, after this. The first event is [`Event::Begin`]; after [`Then::End`] there is none.
    fn next(&mut self, event: Event) -> Turn;

    /// What is noted of a plan that it has just handed out: of a course that does several things one after the other, each of
    /// which counts, so that the next command can tell how far a killed one had come.
    fn progress(&self, _plan: &Plan) -> Option<CourseProgress> {
        None
    }

    /// Whether it stays until somebody ends it: signals are waited for from its beginning, so that it never ends in the middle of
    /// something, and SIGHUP calls it ([`Woke::Called`]).
    fn stays(&self) -> bool {
        false
    }

    /// Whether it has the map to itself from a plan that others were quicker than until the next plan, as long as it only looks
    /// at the kernel meanwhile: else many who wait for the same lock are late each time that they have it. Only for courses whose
    /// plans take that lock before anything else.
    fn keeps_its_turn(&self) -> bool {
        false
    }
}

/// How far a course is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CourseProgress {
    /// What the plan does.
    pub doing: String,
    /// What comes after it.
    pub ahead: Vec<String>,
}

/// What happened since the last turn.
#[derive(Debug)]
pub enum Event {
    /// Nothing yet.
    Begin,
    /// What was looked at.
    Seen(View),
    /// The look failed.
    Unseen(Unseen),
    /// How each plan ended, in their order.
    Done(Vec<Deed>),
    /// The wait is over.
    Woke(Woke),
    /// The answer to a question.
    Answered(Answer),
}

/// How a plan ended.
#[derive(Debug)]
pub enum Deed {
    /// It was carried out.
    Done,
    /// This is a dry run: it was shown. The machine is as it was.
    Shown,
    /// It was not, or not wholly.
    Failed(Failure),
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woke {
    /// From now on changes are seen: what was looked at before may be old. Answers the first wait for a cause at once.
    Armed,
    /// Something of what was waited for.
    Changed,
    /// Time was over.
    TimeUp,
    /// The user wants no more waiting.
    Interrupted,
    /// What was configured is to be read again.
    Called,
    /// This machine does not tell of such changes.
    Deaf,
}

/// The answer to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Somebody agreed, or `--yes` had been given.
    Yes,
    /// Somebody did not.
    No,
    /// There is nobody to ask.
    Nobody,
}

/// What comes next, and what is said before it.
#[derive(Debug)]
pub struct Turn {
    /// In this order.
    pub say: Vec<Said>,
    /// Then.
    pub then: Then,
}

/// For whom an entry of the archive is put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A person asked for it.
    Persons,
    /// Nobody did: its command was killed.
    CleanUp,
}

/// What the driver does.
#[derive(Debug)]
pub enum Then {
    /// Look. Answered by [`Event::Seen`] or [`Event::Unseen`].
    Look(Look),
    /// Carry plans out that have nothing in common but the map, all at once. Answered by [`Event::Done`].
    Do(Vec<Plan>),
    /// The same in place of what has just failed, which is told nowhere then: it was one way of several.
    Instead(Vec<Plan>),
    /// Carry a plan out that puts this entry of the archive back, for whom. Answered by [`Event::Done`].
    Undo(Plan, EntryId, Whose),
    /// Keep others away until the course ends; plans of the course take the same locks no more. Answered by
    /// [`Event::Done`] with one deed.
    Hold(Hold),
    /// Wait. Answered by [`Event::Woke`].
    Wait(Wait),
    /// Ask a person; the question ends without its mark. Answered by [`Event::Answered`].
    Ask(String),
    /// The same as the original asks: the answer may come through a pipe, and where there is none that is a no.
    AskPlainly(String),
    /// The end.
    End(Ending),
}

/// What is held over several turns: what is seen from then on stays so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// LVM2's locks of groups, each alone.
    Groups {
        /// Their names.
        names: Vec<String>,
        /// At most so long is waited for each.
        most: Duration,
    },
    /// A device: nobody else writes to it.
    Device {
        /// Its path.
        path: String,
    },
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Groups { names, .. } => write!(f, "lock {}", names.join(", ")),
            Self::Device { path } => write!(f, "keep {path}"),
        }
    }
}

/// A sentence for people, and where it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// How loud.
    pub how: How,
    /// The sentence.
    pub text: String,
    /// A part of what was asked for is refused with it, for the command's document; what else the refusal says is said
    /// around it.
    pub refusal: Option<Box<Refusal>>,
}

/// How something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// An answer, on standard output; not with `--quiet`, and not where the answer is a document.
    Out,
    /// A line of an answer that other programs read: as it is, on standard output.
    Line,
    /// Worth knowing; not with `--quiet`.
    Note,
    /// Only with `--verbose`.
    Detail,
    /// Something that may be wrong.
    Warn,
    /// What somebody has to agree to; not said where `--yes` agreed beforehand.
    Ask,
    /// Something that went wrong.
    Error,
}

/// What is waited for, whichever comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Events that end it.
    pub on: Vec<Cause>,
    /// At most so long.
    pub most: Duration,
    /// How far the work is that is waited for, for a bar.
    pub bar: Option<Bar>,
}

/// An event of the machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// An attribute of an array changes that md notifies.
    Attribute {
        /// Kernel name.
        array: String,
        /// Which.
        attr: ArrayAttr,
    },
    /// A device-mapper target reports something.
    DeviceMapper,
    /// An array comes or goes, or something of one changes: its members, what it synchronises.
    Arrays,
}

/// How far a work is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// What it is of.
    pub what: String,
    /// Bytes done.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// How a command ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With this exit status; what there was to say has been said.
    Status(u8),
    /// Refused: the refusal is said, and its status is the command's.
    Refused(Refusal),
}

impl Turn {
    /// Looks.
    #[must_use]
    pub fn look(look: Look) -> Self {
        Then::Look(look).into()
    }

    /// Carries one plan out.
    #[must_use]
    pub fn carry_out(plan: Plan) -> Self {
        Then::Do(vec![plan]).into()
    }

    /// Ends with this exit status.
    #[must_use]
    pub fn end(status: u8) -> Self {
        Then::End(Ending::Status(status)).into()
    }

    /// Ends with a refusal.
    #[must_use]
    pub fn refuse(refusal: impl Into<Refusal>) -> Self {
        Then::End(Ending::Refused(refusal.into())).into()
    }

    /// After this has been said.
    #[must_use]
    pub fn after(mut self, said: Vec<Said>) -> Self {
        self.say.splice(0..0, said);
        self
    }
}

impl From<Then> for Turn {
    fn from(then: Then) -> Self {
        Self { say: Vec::new(), then }
    }
}

impl From<Unseen> for Refusal {
    fn from(unseen: Unseen) -> Self {
        Refusal::new(unseen.text)
    }
}

impl Said {
    fn new(how: How, text: impl Into<String>) -> Self {
        Self { how, text: text.into(), refusal: None }
    }

    /// An answer.
    #[must_use]
    pub fn out(text: impl Into<String>) -> Self {
        Self::new(How::Out, text)
    }

    /// A line as it is.
    #[must_use]
    pub fn line(text: impl Into<String>) -> Self {
        Self::new(How::Line, text)
    }

    /// Worth knowing.
    #[must_use]
    pub fn note(text: impl Into<String>) -> Self {
        Self::new(How::Note, text)
    }

    /// A detail.
    #[must_use]
    pub fn detail(text: impl Into<String>) -> Self {
        Self::new(How::Detail, text)
    }

    /// Something that may be wrong.
    #[must_use]
    pub fn warn(text: impl Into<String>) -> Self {
        Self::new(How::Warn, text)
    }

    /// Something that went wrong.
    #[must_use]
    pub fn error(text: impl Into<String>) -> Self {
        Self::new(How::Error, text)
    }

    /// What is said of a plan that failed: before its commit why nothing was done and what could not be put back, after it
    /// which part of the rest is missing.
    #[must_use]
    pub fn failure(failure: &Failure) -> Vec<Self> {
        if failure.committed {
            return vec![Self::warn(format!("{}: {:#}", failure.step, failure.cause))];
        }
        let left = failure.not_undone.iter().map(|left| Self::error(format!("could not undo: {left}")));
        [Self::error(format!("{:#}", failure.cause))].into_iter().chain(left).collect()
    }

    /// What is said of a plan that a command is for, when it failed, and the status that comes of it: 0 where what was
    /// asked for is done all the same. Of one that is half done: what is missing, and what does it later.
    #[must_use]
    pub fn ended(failure: &Failure, summary: &str) -> (Vec<Self>, u8) {
        if !failure.committed {
            return (Self::failure(failure), FAILED);
        }
        let others = failure.rest.others.iter();
        if failure.rest.minor {
            let said = std::iter::once(Self::warn(failure.why())).chain(others.map(Self::warn));
            return (said.collect(), 0);
        }
        let mut said = vec![Self::error(failure.why())];
        said.extend(others.map(Self::error));
        said.push(Self::error(format!("not all is done: {summary}")));
        let later = failure.rest.later.iter();
        said.extend(later.map(|later| Self::note(format!("what remains to be done: {later}"))));
        (said, FAILED)
    }

    /// What a refusal says, for a course that goes on after it.
    #[must_use]
    pub fn refusal(refusal: &Refusal) -> Vec<Self> {
        let error = Self { refusal: Some(Box::new(refusal.clone())), ..Self::error(&refusal.text) };
        let said = refusal.said.iter().map(Self::from);
        said.chain([error]).chain(refusal.hint.iter().map(Self::note)).collect()
    }
}

impl From<&Warning> for Said {
    fn from(warning: &Warning) -> Self {
        let how = match warning.kind {
            Say::Out => How::Out,
            Say::Tell => How::Note,
            Say::Note => How::Warn,
            Say::Ask => How::Ask,
        };
        Self::new(how, &warning.text)
    }
}
