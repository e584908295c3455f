//! Options that many verbs take.

use std::ffi::OsString;

use clap::Args;

use crate::request::Common;

/// What every verb that does something takes.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Acting {
    /// Show what would be done and do nothing
    #[arg(long)]
    dry_run: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Yes to every question
    #[arg(long, short)]
    yes: bool,
    /// Say more
    #[arg(long, short, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Only warnings and errors
    #[arg(long, short)]
    quiet: bool,
}

impl Acting {
    pub(super) fn common(self) -> Common {
        let Self { dry_run, json, yes, verbose, quiet } = self;
        Common { verbose: i32::from(verbose) - i32::from(quiet), ..Common::of_verb(json, dry_run, yes) }
    }
}

/// What every verb takes that changes what it finds among the devices.
#[derive(Args, Debug)]
pub(super) struct Changing {
    #[command(flatten)]
    acting: Acting,
    /// Configuration file, for the devices to look at
    #[arg(long, short, value_name = "FILE")]
    config: Option<OsString>,
}

impl Changing {
    pub(super) fn common(self) -> Common {
        Common { config: self.config, ..self.acting.common() }
    }
}
