//! `mdctl config`: mdadm.conf.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Subcommand};

use super::blocks::Acting;
use crate::request::{Common, ConfigRequest};

/// Look at mdadm.conf, and add the lines that it lacks
#[derive(Args, Debug)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show which files are read, and what of them is understood
    Show(LookArgs),
    /// Say what is wrong in them, beside the arrays that there are
    Check(LookArgs),
    /// Add an ARRAY line for every array that runs and has none; what is there stays as it is
    Write(WriteArgs),
}

#[derive(Args, Debug)]
struct LookArgs {
    /// As JSON (schemas mdctl.config.1, mdctl.config-check.1)
    #[arg(long)]
    json: bool,
    /// The file, or a directory of *.conf, instead of the usual ones
    #[arg(long, short, value_name = "FILE")]
    config: Option<OsString>,
}

#[derive(Args, Debug)]
struct WriteArgs {
    /// The file, instead of the one that is read
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    acting: Acting,
}

impl ConfigArgs {
    /// As a request.
    pub(super) fn into_request(self) -> (Common, ConfigRequest) {
        let look = |LookArgs { json, config }| Common { config, ..Common::of_verb(json, false, false) };
        match self.verb {
            Verb::Show(args) => (look(args), ConfigRequest::Show),
            Verb::Check(args) => (look(args), ConfigRequest::Check),
            Verb::Write(WriteArgs { file, acting }) => (acting.common(), ConfigRequest::Write { file }),
        }
    }
}
