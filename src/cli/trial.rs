//! `mdctl trial`: guesses about an array, tried without a write to its members.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::Args;
use superblock::{Bytes, Level, Sectors};

use super::{overlay::bytes, values};
use crate::{
    model::trial::Format,
    request::{Common, TrialRequest},
};

/// Find out what an array was, and try it, without a write to its members
#[derive(Args, Debug)]
pub(super) struct TrialArgs {
    /// An array that is stopped (path, name or UUID), or its devices; 'missing' stands for one that is not there
    #[arg(value_name = "ARRAY|DEVICE", required = true)]
    subjects: Vec<String>,
    /// Only this level
    #[arg(long, short, value_name = "LEVEL", value_parser = level)]
    level: Option<Level>,
    /// Only so many slots
    #[arg(long, short = 'n', value_name = "N")]
    raid_devices: Option<u32>,
    /// Only this chunk, in KiB or with K, M or G
    #[arg(long, short, value_name = "SIZE", value_parser = sectors)]
    chunk: Option<Sectors>,
    /// Only this layout, as create takes it; needs --level
    #[arg(long, short = 'p', value_name = "LAYOUT", requires = "level")]
    layout: Option<String>,
    /// Data may only begin here; may be given several times
    #[arg(long, value_name = "OFFSET", value_parser = sectors)]
    data_offset: Vec<Sectors>,
    /// Only this metadata: 0.90, 1.0, 1.1 or 1.2
    #[arg(long, short = 'e', value_name = "VERSION", value_parser = format)]
    metadata: Option<Format>,
    /// So much of each member is used
    #[arg(long, short = 'z', value_name = "SIZE", value_parser = sectors)]
    size: Option<Sectors>,
    /// The devices are given in the order of the slots; superblocks are not asked
    #[arg(long)]
    in_order: bool,
    /// Look at so many guesses at most
    #[arg(long, value_name = "N", default_value_t = 4000)]
    limit: usize,
    /// Look for so many seconds at most; 0: until all guesses have been looked at
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    time: u32,
    /// Assemble so many of the best on overlays, read-only, and check them
    #[arg(long, value_name = "N", default_value_t = 2)]
    assemble: usize,
    /// Leave this guess up on its overlays, to be looked at; without a number the first
    // Without the equals sign a device that follows would be the number.
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    keep: Option<usize>,
    /// Carry this guess out on the devices themselves; what is overwritten is kept for `mdctl undo`
    #[arg(long, value_name = "N", conflicts_with = "keep")]
    apply: Option<usize>,
    /// What the array is called when it is carried out
    #[arg(long, value_name = "ARRAY")]
    name: Option<String>,
    /// Directory for the overlays' files, instead of /run/mdctl/overlays
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Size of each of these files
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    store_size: Option<Bytes>,
    /// Ask nothing
    #[arg(long, short)]
    yes: bool,
    /// Assemble nothing: show the guesses, and how the one to be carried out would be
    #[arg(long)]
    dry_run: bool,
    /// As JSON (schema mdctl.trial.1)
    #[arg(long)]
    json: bool,
    /// Do not keep what is overwritten
    #[arg(long)]
    no_archive: bool,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<OsString>,
}

fn level(text: &str) -> Result<Level, String> {
    values::level(text).ok_or_else(|| "no level of this name".to_owned())
}

fn sectors(text: &str) -> Result<Sectors, String> {
    values::size(text).ok_or_else(|| "a number of KiB, or with K, M, G, T or s behind it".to_owned())
}

fn format(text: &str) -> Result<Format, String> {
    Format::from_name(text).ok_or_else(|| "0.90, 1.0, 1.1 or 1.2".to_owned())
}

impl TrialArgs {
    /// As a request.
    pub(super) fn into_request(self) -> (Common, TrialRequest) {
        let common = Common {
            no_archive: self.no_archive,
            config: self.config,
            ..Common::of_verb(self.json, self.dry_run, self.yes)
        };
        let request = TrialRequest {
            subjects: self.subjects,
            level: self.level,
            raid_devices: self.raid_devices,
            chunk: self.chunk,
            layout: self.layout,
            data_offsets: self.data_offset,
            format: self.metadata,
            size: self.size,
            in_order: self.in_order,
            limit: self.limit,
            time: (self.time > 0).then(|| Duration::from_secs(self.time.into())),
            assemble: self.assemble,
            keep: self.keep,
            apply: self.apply,
            name: self.name,
            store: self.store,
            store_size: self.store_size,
        };
        (common, request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::{native, parse::Parsed},
        request::Request,
    };

    #[test]
    fn a_device_behind_keep_is_no_number() {
        for (word, number) in [("--keep", 1), ("--keep=3", 3)] {
            let words = ["trial", word, "/dev/a", "/dev/b"].into_iter().map(OsString::from).collect();
            let Ok(Parsed::Run(invocation)) = native::parse(words) else { panic!("{word}") };
            let Request::Trial(request) = invocation.request else { panic!("{word}") };
            assert_eq!((request.keep, request.subjects.len()), (Some(number), 2), "{word}");
        }
    }
}
