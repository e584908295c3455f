//! `mdctl boot`: the next start of the machine.

use clap::{Args, Subcommand};

use crate::request::{Common, Request};

/// Look at what the next start of the machine rests on
#[derive(Args, Debug)]
pub(super) struct BootArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Say what of the next start would fail: images, kernel command line, boot loader, fstab
    #[command(after_help = "Status: 0 if it should succeed, 1 if it would fail.")]
    Check(CheckArgs),
}

#[derive(Args, Debug)]
struct CheckArgs {
    /// As JSON (schema mdctl.boot-check.1)
    #[arg(long)]
    json: bool,
}

impl BootArgs {
    /// As a request.
    pub(super) fn into_request(self) -> (Common, Request) {
        let Verb::Check(CheckArgs { json }) = self.verb;
        (Common::of_verb(json, false, false), Request::BootCheck)
    }
}
