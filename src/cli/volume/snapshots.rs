//! `mdctl volume snapshot`, `rollback` and `move`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use superblock::Bytes;

use super::{Showing, words};
use crate::{
    cli::blocks::Changing,
    request::{
        Common,
        volume::{
            Amount, DiffRequest, MoveRequest, Moving, Named, NewSnapshot, PercentOf, PvWord, RollbackRequest,
            VolumeName, VolumeRequest, When,
        },
    },
};

/// Keep a volume as it is now
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct SnapshotArgs {
    #[command(subcommand)]
    verb: Option<SnapshotVerb>,
    /// The volume
    #[arg(value_name = "GROUP/VOLUME", value_parser = words::volume)]
    origin: Option<VolumeName>,
    /// The snapshot's name; without it VOLUME-snap
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Room for what changes: 5G, 20% of the volume, 100%FREE; without it 20%
    #[arg(long, short = 's', value_name = "SIZE", value_parser = size)]
    size: Option<Amount>,
    /// What is kept at a time, 4K to 512K; without it 32K on an array with stripes, else 4K
    #[arg(long, value_name = "SIZE", value_parser = words::bytes)]
    chunk: Option<Bytes>,
    /// It cannot be written to
    #[arg(long)]
    read_only: bool,
    /// Devices to take extents from, with ranges: /dev/md0:0-99
    #[arg(long = "on", value_name = "DEVICE", value_parser = words::pv)]
    on: Vec<PvWord>,
    #[command(flatten)]
    changing: Changing,
}

#[derive(Debug, Subcommand)]
enum SnapshotVerb {
    /// Show what has changed since, or write it to a stream
    Diff(DiffArgs),
    /// Put a stream on a copy
    Apply(ApplyArgs),
}

/// Show what has changed since, or write it to a stream
#[derive(Args, Debug)]
struct DiffArgs {
    /// The snapshot; one that overflowed, or whose volume is not active, too
    #[arg(value_name = "GROUP/SNAPSHOT", value_parser = words::volume)]
    name: VolumeName,
    /// Write the changes with their data to a file
    #[arg(long, value_name = "FILE")]
    stream: Option<PathBuf>,
    /// The data of this later snapshot, not of the volume as it is now
    #[arg(long, value_name = "GROUP/SNAPSHOT", value_parser = words::volume, conflicts_with = "reverse")]
    to: Option<VolumeName>,
    /// The snapshot's data: the stream leads back from the volume to the snapshot
    #[arg(long)]
    reverse: bool,
    #[command(flatten)]
    showing: Showing,
}

/// Put a stream on a copy
#[derive(Args, Debug)]
struct ApplyArgs {
    /// What `snapshot diff --stream` wrote
    #[arg(value_name = "FILE")]
    stream: PathBuf,
    /// The copy: a device or an image
    #[arg(value_name = "TARGET")]
    target: PathBuf,
    #[command(flatten)]
    changing: Changing,
}

/// A size; a bare percentage is one of the origin.
fn size(text: &str) -> Result<Amount, String> {
    match text.strip_suffix('%') {
        Some(number) => match number.parse() {
            Ok(percent) if percent > 0 => Ok(Amount::Percent(percent, PercentOf::Origin)),
            _ => Err(format!("`{number}` is no percentage")),
        },
        None => words::amount(text),
    }
}

impl SnapshotArgs {
    pub(super) fn into_request(self) -> Result<(Common, VolumeRequest), String> {
        let Self { verb, origin, name, size, chunk, read_only, on, changing } = self;
        match verb {
            Some(SnapshotVerb::Diff(DiffArgs { name, stream, to, reverse, showing })) => {
                let request = DiffRequest { name, stream, to, reverse };
                return Ok((showing.common(), VolumeRequest::Diff(request)));
            }
            Some(SnapshotVerb::Apply(ApplyArgs { stream, target, changing })) => {
                return Ok((changing.common(), VolumeRequest::Apply { stream, target }));
            }
            None => {}
        }
        let origin = origin.ok_or("which volume? GROUP/VOLUME")?;
        let new = NewSnapshot { origin, name, size, chunk, read_only, on };
        Ok((changing.common(), VolumeRequest::Snapshot(new)))
    }
}

/// Make a volume what its snapshot has
#[derive(Args, Debug)]
pub(super) struct RollbackArgs {
    /// The snapshot; it is gone when all is copied back
    #[arg(value_name = "GROUP/SNAPSHOT", value_parser = words::volume)]
    name: VolumeName,
    /// Now, or not at all
    #[arg(long, conflicts_with = "next")]
    now: bool,
    /// When the volume is activated the next time
    #[arg(long = "on-next-activation")]
    next: bool,
    /// Return when all is copied back and the snapshot is gone
    #[arg(long, short = 'w')]
    wait: bool,
    #[command(flatten)]
    changing: Changing,
}

impl RollbackArgs {
    pub(super) fn into_request(self) -> (Common, VolumeRequest) {
        let Self { name, now, next, wait, changing } = self;
        let when = match (now, next) {
            (true, _) => When::Now,
            (_, true) => When::NextActivation,
            _ => When::Either,
        };
        (changing.common(), VolumeRequest::Rollback(RollbackRequest { name, when, wait }))
    }
}

/// Move volumes to another device of their group while they are in use
#[derive(Args, Debug)]
pub(super) struct MoveArgs {
    /// The group, or one volume of it
    #[arg(value_name = "GROUP[/VOLUME]", value_parser = words::named)]
    name: Named,
    /// The device to be emptied; without it, what was begun goes on
    #[arg(value_name = "FROM")]
    from: Option<String>,
    /// Devices to move to, with ranges; without them all others
    #[arg(value_name = "TO", value_parser = words::pv)]
    to: Vec<PvWord>,
    /// Return when all is moved
    #[arg(long, short = 'w')]
    wait: bool,
    /// Leave everything where it was
    #[arg(long, conflicts_with_all = ["from", "wait", "status"])]
    abort: bool,
    /// Say how far it is
    #[arg(long, conflicts_with_all = ["from", "wait"])]
    status: bool,
    #[command(flatten)]
    changing: Changing,
}

impl MoveArgs {
    pub(super) fn into_request(self) -> (Common, VolumeRequest) {
        let Self { name, from, to, wait, abort, status, changing } = self;
        let what = match (abort, status) {
            (true, _) => Moving::Abort,
            (_, true) => Moving::Status,
            _ => Moving::Move { from, to, wait },
        };
        (changing.common(), VolumeRequest::Move(MoveRequest { name, what }))
    }
}
