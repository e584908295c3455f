//! `mdctl overlay`: members that may be written to and are not.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use superblock::Bytes;

use super::{blocks::Acting, values};
use crate::request::{Common, OverlayRequest};

/// Members that may be written to and are not: what is written goes to files
#[derive(Args, Debug)]
pub(super) struct OverlayArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Put an overlay over each device: /dev/mapper/MDOV-SET-NAME
    Create(CreateArgs),
    /// List overlays, and how full their files are
    List(ListArgs),
    /// Show which ranges of the members a set would change
    Diff(SetArgs),
    /// Write what a set holds to its members; what was there is kept for `mdctl undo`
    Commit(CommitArgs),
    /// Take sets away with all that was written through them
    Discard(DiscardArgs),
}

#[derive(Args, Debug)]
struct CreateArgs {
    /// The devices
    #[arg(value_name = "DEVICE", required = true)]
    devices: Vec<String>,
    /// Name of the set: letters, digits, '_' and '.'
    #[arg(long, value_name = "SET")]
    name: Option<String>,
    /// Directory for the files, instead of /run/mdctl/overlays
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Size of each file, in KiB or with K, M, G or T; they are sparse
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    size: Option<Bytes>,
    #[command(flatten)]
    acting: Acting,
}

#[derive(Args, Debug)]
struct ListArgs {
    /// As JSON (schema mdctl.overlays.1)
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct SetArgs {
    /// The set
    #[arg(value_name = "SET")]
    set: String,
    /// Directory of its files, instead of /run/mdctl/overlays
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// As JSON (schema mdctl.overlay-diff.1)
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct CommitArgs {
    /// The set
    #[arg(value_name = "SET")]
    set: String,
    /// Directory of its files, instead of /run/mdctl/overlays
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    #[command(flatten)]
    acting: Acting,
    /// Do not keep what is overwritten
    #[arg(long)]
    no_archive: bool,
    /// Also where members were written to since the set was made
    #[arg(long)]
    force: bool,
}

#[derive(Args, Debug)]
struct DiscardArgs {
    /// The sets
    #[arg(value_name = "SET")]
    sets: Vec<String>,
    /// All sets
    #[arg(long, conflicts_with = "sets")]
    all: bool,
    /// Directory of their files, instead of /run/mdctl/overlays
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    #[command(flatten)]
    acting: Acting,
}

/// A size as everywhere else.
pub(super) fn bytes(text: &str) -> Result<Bytes, String> {
    let size = values::size(text).map(superblock::Sectors::bytes);
    size.ok_or_else(|| "a number of KiB, or with K, M, G, T or s behind it".to_owned())
}

impl OverlayArgs {
    /// As a request.
    pub(super) fn into_request(self) -> (Common, OverlayRequest) {
        match self.verb {
            Verb::Create(CreateArgs { devices, name, store, size, acting }) => {
                (acting.common(), OverlayRequest::Create { devices, name, store, size })
            }
            Verb::List(ListArgs { json }) => (Common::of_verb(json, false, false), OverlayRequest::List),
            Verb::Diff(SetArgs { set, store, json }) => {
                (Common::of_verb(json, false, false), OverlayRequest::Diff { set, store })
            }
            Verb::Commit(CommitArgs { set, store, acting, no_archive, force }) => {
                let common = Common { no_archive, ..acting.common() };
                (common, OverlayRequest::Commit { set, store, force })
            }
            Verb::Discard(DiscardArgs { sets, all, store, acting }) => {
                (acting.common(), OverlayRequest::Discard { sets, all, store })
            }
        }
    }
}
