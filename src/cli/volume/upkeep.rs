//! The words of `volume check`, `backup` and `restore`.

use std::path::PathBuf;

use clap::Args;

use super::{Showing, words};
use crate::{
    cli::blocks::Changing,
    request::{
        Common,
        volume::{BackupRequest, RestoreRequest, VolumeRequest},
    },
};

/// Read labels, metadata and the stores of snapshots, and say what is wrong
#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    /// Only these groups and devices
    #[arg(value_name = "GROUP|DEVICE")]
    names: Vec<String>,
    #[command(flatten)]
    showing: Showing,
}

/// Write the metadata of groups to files
#[derive(Args, Debug)]
pub(super) struct BackupArgs {
    /// Only these groups
    #[arg(value_name = "GROUP", value_parser = words::group)]
    groups: Vec<String>,
    /// To this file, not to LVM2's directory; for one group
    #[arg(long, short = 'f', value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    changing: Changing,
}

/// Bring an earlier state of a group back
#[derive(Args, Debug)]
pub(super) struct RestoreArgs {
    /// The group
    #[arg(value_name = "GROUP", value_parser = words::group)]
    group: String,
    /// Only show the states that are kept
    #[arg(long, short = 'l')]
    list: bool,
    /// The state after this change, see --list; without it the state before the newest one
    #[arg(long, value_name = "SEQNO")]
    at: Option<u32>,
    /// The state in this file
    #[arg(long, short = 'f', value_name = "FILE", conflicts_with = "at")]
    file: Option<PathBuf>,
    /// Also where volumes get other contents than they have now
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    changing: Changing,
}

impl CheckArgs {
    pub(super) fn into_request(self) -> (Common, VolumeRequest) {
        (self.showing.common(), VolumeRequest::Check(self.names))
    }
}

impl BackupArgs {
    pub(super) fn into_request(self) -> (Common, VolumeRequest) {
        let Self { groups, file, changing } = self;
        (changing.common(), VolumeRequest::Backup(BackupRequest { groups, file }))
    }
}

impl RestoreArgs {
    pub(super) fn into_request(self) -> (Common, VolumeRequest) {
        let Self { group, list, at, file, force, changing } = self;
        (changing.common(), VolumeRequest::Restore(RestoreRequest { group, list, at, file, force }))
    }
}
