//! `mdctl volume VERB …`.

mod snapshots;
mod upkeep;
mod words;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use snapshots::{MoveArgs, RollbackArgs, SnapshotArgs};
use superblock::Bytes;
use upkeep::{BackupArgs, CheckArgs, RestoreArgs};

use super::blocks::Changing;
use crate::request::{
    Common, Request,
    volume::{
        ActivateRequest, Amount, CreateGroup, CreateVolumes, GroupRequest, ListRequest, Named, NewVolume,
        PvWord, ResizeRequest, SizeChange, VolumeName, VolumeRequest, Wipe,
    },
};

/// Volumes on arrays, in LVM2's format
#[derive(Args, Debug)]
pub(super) struct VolumeArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show volumes
    List(ListArgs),
    /// Show groups and volumes with all that they stand on
    Show(ShowArgs),
    /// Make and change groups of devices
    Group(GroupArgs),
    /// Make volumes
    Create(CreateArgs),
    /// Keep a volume as it is now
    Snapshot(SnapshotArgs),
    /// Make a volume what its snapshot has
    Rollback(RollbackArgs),
    /// Move volumes to another device of their group while they are in use
    Move(MoveArgs),
    /// Change the size of a volume
    Resize(ResizeArgs),
    /// Give a volume another name
    Rename(RenameArgs),
    /// Remove volumes and what is on them
    Remove(RemoveArgs),
    /// Make the devices of volumes
    Activate(ActivateArgs),
    /// Take the devices of volumes away
    Deactivate(DeactivateArgs),
    /// Read labels, metadata and the stores of snapshots, and say what is wrong
    Check(CheckArgs),
    /// Write the metadata of groups to files
    Backup(BackupArgs),
    /// Bring an earlier state of a group back
    Restore(RestoreArgs),
}

impl VolumeArgs {
    /// The request.
    pub(super) fn into_request(self) -> Result<(Common, Request), String> {
        let (common, request) = match self.verb {
            Verb::List(args) => args.into_request(),
            Verb::Show(args) => args.into_request(),
            Verb::Group(args) => args.into_request(),
            Verb::Create(args) => args.into_request()?,
            Verb::Snapshot(args) => args.into_request()?,
            Verb::Rollback(args) => args.into_request(),
            Verb::Move(args) => args.into_request(),
            Verb::Resize(args) => args.into_request(),
            Verb::Rename(args) => args.into_request()?,
            Verb::Remove(args) => args.into_request(),
            Verb::Activate(args) => args.into_request(),
            Verb::Deactivate(args) => args.into_request(),
            Verb::Check(args) => args.into_request(),
            Verb::Backup(args) => args.into_request(),
            Verb::Restore(args) => args.into_request(),
        };
        Ok((common, Request::Volume(request)))
    }
}

/// What every report takes.
#[derive(Args, Debug)]
pub(super) struct Showing {
    /// As JSON (schema mdctl.volumes.1)
    #[arg(long)]
    json: bool,
    /// Configuration file, for the devices to look at
    #[arg(long, short, value_name = "FILE")]
    config: Option<std::ffi::OsString>,
}

impl Showing {
    pub(super) fn common(self) -> Common {
        Common { json: self.json, config: self.config, ..Common::default() }
    }
}

/// Show volumes
#[derive(Args, Debug)]
struct ListArgs {
    /// Only these groups and volumes
    #[arg(value_name = "GROUP[/VOLUME]", value_parser = words::named)]
    names: Vec<Named>,
    /// Hidden layers as well
    #[arg(long, short)]
    all: bool,
    /// These columns, separated by commas; with `+` before them, in addition to the usual ones
    #[arg(long, short = 'o', value_name = "COLUMNS", value_delimiter = ',')]
    columns: Vec<String>,
    #[command(flatten)]
    showing: Showing,
}

impl ListArgs {
    fn into_request(self) -> (Common, VolumeRequest) {
        let Self { names, all, columns, showing } = self;
        (showing.common(), VolumeRequest::List(ListRequest { names, all, columns }))
    }
}

/// Show groups and volumes with all that they stand on
#[derive(Args, Debug)]
struct ShowArgs {
    /// Only these groups and volumes
    #[arg(value_name = "GROUP[/VOLUME]", value_parser = words::named)]
    names: Vec<Named>,
    #[command(flatten)]
    showing: Showing,
}

impl ShowArgs {
    fn into_request(self) -> (Common, VolumeRequest) {
        (self.showing.common(), VolumeRequest::Show(self.names))
    }
}

/// Make and change groups of devices
#[derive(Args, Debug)]
struct GroupArgs {
    #[command(subcommand)]
    verb: GroupVerb,
}

#[derive(Debug, Subcommand)]
enum GroupVerb {
    /// Make a group of devices
    Create(GroupCreateArgs),
    /// Add devices to a group
    Extend(GroupExtendArgs),
    /// Take unused devices out of a group
    Reduce(GroupReduceArgs),
    /// Remove groups that have no volumes
    Remove(GroupRemoveArgs),
    /// Give a group another name
    Rename(GroupRenameArgs),
}

impl GroupArgs {
    fn into_request(self) -> (Common, VolumeRequest) {
        let (changing, request) = match self.verb {
            GroupVerb::Create(GroupCreateArgs { group, devices, extent, room, changing }) => {
                (changing, GroupRequest::Create(CreateGroup { group, devices, extent, room }))
            }
            GroupVerb::Extend(GroupExtendArgs { group, devices, room, changing }) => {
                (changing, GroupRequest::Extend { group, devices, room })
            }
            GroupVerb::Reduce(GroupReduceArgs { group, missing: true, force, changing, .. }) => {
                (changing, GroupRequest::Forget { group, force })
            }
            GroupVerb::Reduce(GroupReduceArgs { group, devices, changing, .. }) => {
                (changing, GroupRequest::Reduce { group, devices })
            }
            GroupVerb::Remove(GroupRemoveArgs { groups, changing }) => {
                (changing, GroupRequest::Remove(groups))
            }
            GroupVerb::Rename(GroupRenameArgs { from, to, changing }) => {
                (changing, GroupRequest::Rename { from, to })
            }
        };
        (changing.common(), VolumeRequest::Group(request))
    }
}

/// Make a group of devices
#[derive(Args, Debug)]
struct GroupCreateArgs {
    /// Its name
    #[arg(value_name = "GROUP", value_parser = words::group)]
    group: String,
    /// Its devices
    #[arg(value_name = "DEVICE", required = true)]
    devices: Vec<String>,
    /// Size of an extent; without it 4 MiB, or a size near it that fits the stripes of the arrays
    #[arg(long, short = 's', value_name = "SIZE", value_parser = words::bytes)]
    extent: Option<Bytes>,
    /// Room for metadata at the start of each device; without it 8 MiB
    #[arg(long = "metadata-size", value_name = "SIZE", value_parser = words::bytes)]
    room: Option<Bytes>,
    #[command(flatten)]
    changing: Changing,
}

/// Add devices to a group
#[derive(Args, Debug)]
struct GroupExtendArgs {
    /// The group
    #[arg(value_name = "GROUP", value_parser = words::group)]
    group: String,
    /// The new devices
    #[arg(value_name = "DEVICE", required = true)]
    devices: Vec<String>,
    /// Room for metadata at the start of each device; without it 8 MiB
    #[arg(long = "metadata-size", value_name = "SIZE", value_parser = words::bytes)]
    room: Option<Bytes>,
    #[command(flatten)]
    changing: Changing,
}

/// Take unused devices out of a group
#[derive(Args, Debug)]
struct GroupReduceArgs {
    /// The group
    #[arg(value_name = "GROUP", value_parser = words::group)]
    group: String,
    /// The devices
    #[arg(value_name = "DEVICE", required_unless_present = "missing", conflicts_with = "missing")]
    devices: Vec<String>,
    /// All devices that are gone for good
    #[arg(long)]
    missing: bool,
    /// With --missing: remove the volumes that had extents there
    #[arg(long, requires = "missing")]
    force: bool,
    #[command(flatten)]
    changing: Changing,
}

/// Remove groups that have no volumes
#[derive(Args, Debug)]
struct GroupRemoveArgs {
    /// The groups
    #[arg(value_name = "GROUP", required = true, value_parser = words::group)]
    groups: Vec<String>,
    #[command(flatten)]
    changing: Changing,
}

/// Give a group another name
#[derive(Args, Debug)]
struct GroupRenameArgs {
    /// The group
    #[arg(value_name = "GROUP", value_parser = words::group)]
    from: String,
    /// Its new name
    #[arg(value_name = "NAME", value_parser = words::group)]
    to: String,
    #[command(flatten)]
    changing: Changing,
}

/// Make volumes
#[derive(Args, Debug)]
struct CreateArgs {
    #[command(flatten)]
    volume: NewArgs,
    /// Make the volumes of a file at once, a volume a line in the words of this verb
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    from: Option<PathBuf>,
    /// Old signatures in their place: ask, yes or no
    #[arg(long, value_name = "POLICY", default_value = "yes", value_parser = words::wipe)]
    wipe: Wipe,
    /// Do not activate them
    #[arg(long)]
    inactive: bool,
    #[command(flatten)]
    changing: Changing,
}

/// One new volume; a line of the file too
#[derive(Args, Debug)]
struct NewArgs {
    /// Its name
    #[arg(value_name = "GROUP/VOLUME", required_unless_present = "from", value_parser = words::volume)]
    name: Option<VolumeName>,
    /// Its size: 10G, 50%FREE, 25extents
    #[arg(value_name = "SIZE", required_unless_present = "from", value_parser = words::amount)]
    size: Option<Amount>,
    /// Devices to take extents from, with ranges: /dev/md0:0-99
    #[arg(value_name = "DEVICE", value_parser = words::pv)]
    on: Vec<PvWord>,
    /// The same
    #[arg(long = "on", value_name = "DEVICE", value_parser = words::pv)]
    also_on: Vec<PvWord>,
    /// Stripe over so many devices
    #[arg(long, short = 'i', value_name = "N", default_value_t = 1)]
    stripes: u32,
    /// Bytes of a stripe on one device; without it 64 KiB
    #[arg(long, short = 'I', value_name = "SIZE", value_parser = words::bytes)]
    stripe_size: Option<Bytes>,
    /// It cannot be written to
    #[arg(long)]
    read_only: bool,
}

impl NewArgs {
    fn into_volume(self) -> Option<NewVolume> {
        let Self { name, size, mut on, also_on, stripes, stripe_size, read_only } = self;
        on.extend(also_on);
        Some(NewVolume { name: name?, size: size?, stripes, stripe_size, on, read_only })
    }
}

impl CreateArgs {
    fn into_request(self) -> Result<(Common, VolumeRequest), String> {
        let Self { volume, from, wipe, inactive, changing } = self;
        let volumes: Vec<NewVolume> = volume.into_volume().into_iter().collect();
        if volumes.is_empty() && from.is_none() {
            return Err("a size is missing: GROUP/VOLUME SIZE".to_owned());
        }
        Ok((changing.common(), VolumeRequest::Create(CreateVolumes { volumes, from, wipe, inactive })))
    }
}

#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Line {
    #[command(flatten)]
    volume: NewArgs,
    /// Never given: a file names no other.
    #[arg(long, hide = true)]
    from: Option<PathBuf>,
}

/// The volumes of a file: a line each, in the words of `volume create`; what follows a `#` is not read.
///
/// # Errors
/// The line that is not understood, and why.
pub fn volumes(text: &str) -> Result<Vec<NewVolume>, String> {
    let mut volumes = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |why: &str| format!("line {}: {why}", number + 1);
        let line = Line::try_parse_from(line.split_whitespace()).map_err(|error| {
            let text = error.render().to_string();
            let first = text.lines().next().unwrap_or_default();
            wrong(first.strip_prefix("error: ").unwrap_or(first))
        })?;
        match (line.volume.into_volume(), line.from) {
            (Some(volume), None) => volumes.push(volume),
            _ => return Err(wrong("GROUP/VOLUME SIZE is wanted")),
        }
    }
    Ok(volumes)
}

/// Change the size of a volume
#[derive(Args, Debug)]
struct ResizeArgs {
    /// The volume
    #[arg(value_name = "GROUP/VOLUME", value_parser = words::volume)]
    name: VolumeName,
    /// Its new size, or how much more or less: 10G, +5G, -1G, +100%FREE
    #[arg(value_name = "[+|-]SIZE", allow_hyphen_values = true, value_parser = words::change)]
    change: SizeChange,
    /// Devices to take extents from, with ranges: /dev/md0:0-99
    #[arg(value_name = "DEVICE", value_parser = words::pv)]
    on: Vec<PvWord>,
    /// The same
    #[arg(long = "on", value_name = "DEVICE", value_parser = words::pv)]
    also_on: Vec<PvWord>,
    /// Resize the file system in it too (ext4, xfs)
    #[arg(long, short = 'r')]
    fs: bool,
    /// Shrink although what is beyond the new end may be in use
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    changing: Changing,
}

impl ResizeArgs {
    fn into_request(self) -> (Common, VolumeRequest) {
        let Self { name, change, mut on, also_on, fs, force, changing } = self;
        on.extend(also_on);
        (changing.common(), VolumeRequest::Resize(ResizeRequest { name, change, fs, force, on }))
    }
}

/// Give a volume another name
#[derive(Args, Debug)]
struct RenameArgs {
    /// The volume
    #[arg(value_name = "GROUP/VOLUME", value_parser = words::volume)]
    from: VolumeName,
    /// Its new name: VOLUME or GROUP/VOLUME
    #[arg(value_name = "NAME")]
    to: String,
    #[command(flatten)]
    changing: Changing,
}

impl RenameArgs {
    fn into_request(self) -> Result<(Common, VolumeRequest), String> {
        let Self { from, to, changing } = self;
        let to = if to.contains('/') {
            let to = words::volume(&to)?;
            if to.group != from.group {
                return Err(format!("a volume cannot leave its group: {} is in {}", from.volume, from.group));
            }
            to.volume
        } else {
            to
        };
        Ok((changing.common(), VolumeRequest::Rename { from, to }))
    }
}

/// Remove volumes and what is on them
#[derive(Args, Debug)]
struct RemoveArgs {
    /// The volumes
    #[arg(value_name = "GROUP/VOLUME", required = true, value_parser = words::volume)]
    names: Vec<VolumeName>,
    #[command(flatten)]
    changing: Changing,
}

impl RemoveArgs {
    fn into_request(self) -> (Common, VolumeRequest) {
        (self.changing.common(), VolumeRequest::Remove(self.names))
    }
}

/// Make the devices of volumes
#[derive(Args, Debug)]
struct ActivateArgs {
    /// Groups and volumes
    #[arg(value_name = "GROUP[/VOLUME]", required_unless_present = "everything", value_parser = words::named)]
    names: Vec<Named>,
    /// All groups
    #[arg(long = "all-groups", conflicts_with = "names")]
    everything: bool,
    /// Volumes of which parts are missing too: reading those parts gives errors
    #[arg(long)]
    partial: bool,
    #[command(flatten)]
    changing: Changing,
}

impl ActivateArgs {
    fn into_request(self) -> (Common, VolumeRequest) {
        let Self { names, partial, changing, .. } = self;
        (changing.common(), VolumeRequest::Activate(ActivateRequest { names, partial }))
    }
}

/// Take the devices of volumes away
#[derive(Args, Debug)]
struct DeactivateArgs {
    /// Groups and volumes
    #[arg(value_name = "GROUP[/VOLUME]", required_unless_present = "everything", value_parser = words::named)]
    names: Vec<Named>,
    /// All groups
    #[arg(long = "all-groups", conflicts_with = "names")]
    everything: bool,
    #[command(flatten)]
    changing: Changing,
}

impl DeactivateArgs {
    fn into_request(self) -> (Common, VolumeRequest) {
        (self.changing.common(), VolumeRequest::Deactivate(self.names))
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::cli::{native, parse::Parsed};

    fn request(line: &str) -> Result<(Common, VolumeRequest), String> {
        let words = line.split_whitespace().map(OsString::from).collect();
        match native::parse(words).map_err(|error| error.message)? {
            Parsed::Run(invocation) => match invocation.request {
                Request::Volume(request) => Ok((invocation.common, request)),
                other => panic!("{line}: {other:?}"),
            },
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_volume_with_all_its_words() {
        let line = "volume create /dev/vg/data 1.5G --stripes 2 -I 64k --read-only --on /dev/md0:0-9 /dev/md1 --dry-run -y";
        let (common, request) = request(line).unwrap();
        assert!(common.dry_run && common.yes && !common.json);
        let VolumeRequest::Create(create) = request else { panic!("{request:?}") };
        let [volume] = &create.volumes[..] else { panic!("{create:?}") };
        assert_eq!(volume.name.to_string(), "vg/data");
        assert_eq!(volume.size, Amount::Bytes(Bytes(3 << 29)));
        assert_eq!((volume.stripes, volume.stripe_size, volume.read_only), (2, Some(Bytes(65536)), true));
        assert_eq!(volume.on.iter().map(|on| on.path.as_str()).collect::<Vec<_>>(), ["/dev/md1", "/dev/md0"]);
        assert_eq!(create.wipe, Wipe::Yes);
    }

    #[test]
    fn a_file_of_volumes() {
        let made = volumes("# mine\nvg/a 4M\n\nvg/b 8M --stripes 2 # two\n").unwrap();
        assert_eq!(made.iter().map(|v| v.name.volume.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(made[1].stripes, 2);
        for (text, why) in [("vg/a", "line 1: "), ("\nvg/a 4M --what", "line 2: "), ("vg/a 4", "line 1: ")] {
            assert!(volumes(text).unwrap_err().starts_with(why), "{text}");
        }
        assert!(volumes("--from x").is_err());
        assert!(request("volume create --from /tmp/list").is_ok());
        assert!(request("volume create --from /tmp/list vg/a 1G").is_err());
        assert!(request("volume create vg/a").is_err());
    }

    #[test]
    fn the_other_verbs() {
        let resize = |line: &str| match request(line).unwrap().1 {
            VolumeRequest::Resize(resize) => resize,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            resize("volume resize vg/a +100%FREE --fs").change.amount,
            Amount::Percent(100, crate::request::volume::PercentOf::Free)
        );
        assert_eq!(resize("volume resize vg/a -1G").change.sign, Some(crate::request::volume::Sign::Minus));
        assert!(request("volume rename vg/a vg/b").is_ok());
        assert!(request("volume rename vg/a other/b").unwrap_err().contains("cannot leave"));
        for line in [
            "volume list",
            "volume list vg --all -o name,size --json",
            "volume show vg/a",
            "volume group create vg /dev/md0 -s 4m",
            "volume group extend vg /dev/md1",
            "volume group reduce vg /dev/md1",
            "volume group remove vg",
            "volume group rename vg vh",
            "volume remove vg/a vg/b -y",
            "volume activate vg",
            "volume activate --all-groups",
            "volume deactivate vg/a",
        ] {
            assert!(request(line).is_ok(), "{line}: {:?}", request(line));
        }
        for line in
            ["volume", "volume activate", "volume remove", "volume group create vg", "volume resize vg 1G"]
        {
            assert!(request(line).is_err(), "{line}");
        }
    }
}
