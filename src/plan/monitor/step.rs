//! Acts of the monitor: what tells somebody, and what keeps it until it was told.

use std::fmt;

/// One act. None has an undo: what was told cannot be untold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlertStep {
    /// Run a program and wait for it.
    Program {
        /// Its path.
        program: String,
        /// Its arguments.
        words: Vec<String>,
    },
    /// Give a message to the system's own mailer.
    Sendmail {
        /// The address that bounces go to.
        from: Option<String>,
        /// Headers and text.
        message: String,
    },
    /// Say a line to the system's log.
    Syslog {
        /// The priority's number.
        priority: u8,
        /// The line.
        text: String,
    },
    /// The same to systemd's journal, in fields.
    Journal {
        /// Names and values.
        fields: Vec<(String, String)>,
    },
    /// Keep a letter until it was delivered.
    Keep {
        /// Its file.
        file: String,
        /// All of it.
        text: String,
    },
    /// Have a process deliver a letter; it is not waited for.
    Deliver {
        /// The letter's file.
        file: String,
        /// To whom, for people.
        to: String,
    },
}

impl fmt::Display for AlertStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program { program, words } => write!(f, "run {program} {}", words.join(" ")),
            Self::Sendmail { .. } => write!(f, "send a mail by sendmail"),
            Self::Syslog { text, .. } => write!(f, "tell syslog: {text}"),
            Self::Journal { .. } => write!(f, "tell the journal"),
            Self::Deliver { file, to } => write!(f, "have {file} delivered to {to}"),
            Self::Keep { file, .. } => write!(f, "keep the letter {file}"),
        }
    }
}
