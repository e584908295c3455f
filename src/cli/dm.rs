//! `mdctl dm VERB …`: dmsetup's grammar, in which options stand anywhere.

use clap::Args;

use super::blocks::Acting;
use crate::{
    model::{
        DevId,
        dm::{Mangling, Owner, ReadAhead},
    },
    request::{Common, DmOptions, DmRequest, DmVerb, Headings, Request},
};

/// Devices of the kernel's device-mapper, with the words of dmsetup
#[derive(Args, Debug)]
pub(super) struct DmArgs {
    /// create, remove, remove_all, suspend, resume, load, reload, clear, wipe_table, rename, message, ls, info, deps,
    /// status, table, wait, mknodes, mangle, splitname, setgeometry, targets, target-version, version, measure,
    /// udevcreatecookie, udevreleasecookie, udevflags, udevcomplete, udevcomplete_all, udevcookies
    #[arg(value_name = "VERB")]
    verb: String,
    /// What the verb is about
    #[arg(value_name = "WORDS", allow_hyphen_values = false)]
    words: Vec<String>,
    /// The table, rows parted by line ends, or a file that has it
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    /// Make the device without a table
    #[arg(long, short)]
    notable: bool,
    /// Devices as the kernel's command line has them; with table, print them so
    #[arg(long)]
    concise: bool,
    /// The UUID of the device, or for a new one
    #[arg(long, short, value_name = "UUID")]
    uuid: Option<String>,
    /// The major number of the device
    #[arg(long, short = 'j', value_name = "NUMBER")]
    major: Option<u32>,
    /// The minor number of the device, or for a new one
    #[arg(long, short, value_name = "NUMBER")]
    minor: Option<u32>,
    /// Take no writes
    #[arg(long, short)]
    readonly: bool,
    /// Owner of a node that is made where udev makes none
    #[arg(long, short = 'U', value_name = "NUMBER")]
    uid: Option<u32>,
    /// Its group
    #[arg(long, short = 'G', value_name = "NUMBER")]
    gid: Option<u32>,
    /// Its permissions, octal
    #[arg(long, short = 'M', value_name = "MODE")]
    mode: Option<String>,
    /// How many sectors are read ahead: a number, +NUMBER for at least so many, auto, none
    #[arg(long, value_name = "SECTORS")]
    readahead: Option<String>,
    /// Accepted: nodes appear with the first table
    #[arg(long)]
    addnodeonresume: bool,
    /// Accepted: nodes appear with the first table
    #[arg(long)]
    addnodeoncreate: bool,
    /// remove: fail all I/O first; remove_all: do not ask
    #[arg(long, short)]
    force: bool,
    /// Remove when the last user closes it
    #[arg(long)]
    deferred: bool,
    /// Accepted: a device that is busy for a moment is always tried again
    #[arg(long)]
    retry: bool,
    /// The new word is a UUID
    #[arg(long)]
    setuuid: bool,
    /// Do not wait for queued I/O; do not commit before status is told
    #[arg(long)]
    noflush: bool,
    /// Do not freeze file systems
    #[arg(long)]
    nolockfs: bool,
    /// About the table that waits
    #[arg(long)]
    inactive: bool,
    /// Accepted: counting costs nothing
    #[arg(long)]
    noopencount: bool,
    /// Only devices, or rows, with this target
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Refused: use a loop of the shell
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,
    /// What stands on what
    #[arg(long)]
    tree: bool,
    /// Show keys in tables
    #[arg(long)]
    showkeys: bool,
    /// As a table of columns
    #[arg(long, short, visible_short_alias = 'C')]
    columns: bool,
    /// Which columns, or how names and trees are shown
    #[arg(long, short, value_name = "LIST")]
    options: Option<String>,
    /// Sort by these columns, - before one for the other way round
    #[arg(long, short = 'O', value_name = "COLUMNS", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Refused: no selection by expressions
    #[arg(long, short = 'S', value_name = "EXPRESSION")]
    select: Option<String>,
    /// NAME='VALUE'
    #[arg(long)]
    nameprefixes: bool,
    /// Without quotes
    #[arg(long)]
    unquoted: bool,
    /// Without a line of headings
    #[arg(long)]
    noheadings: bool,
    /// none, abbrev, full
    #[arg(long, value_name = "HOW")]
    headings: Option<String>,
    /// Between columns
    #[arg(long, value_name = "TEXT")]
    separator: Option<String>,
    /// A row becomes a column
    #[arg(long)]
    rows: bool,
    /// Accepted: what is printed is the same
    #[arg(long)]
    unbuffered: bool,
    /// A cookie that somebody else waits for
    #[arg(long, value_name = "COOKIE")]
    udevcookie: Option<String>,
    /// Nodes are made here, not by udev
    #[arg(long)]
    noudevrules: bool,
    /// Do not wait for udev
    #[arg(long)]
    noudevsync: bool,
    /// Accepted: what udev did is always looked at
    #[arg(long)]
    verifyudev: bool,
    /// Accepted: requests are always checked
    #[arg(long)]
    checks: bool,
    /// How names with other characters are written: auto, hex, none
    #[arg(long, value_name = "HOW")]
    manglename: Option<String>,
    #[command(flatten)]
    acting: Acting,
}

impl DmArgs {
    /// The request.
    pub(super) fn into_request(self) -> Result<(Common, Request), String> {
        let Some(verb) = DmVerb::named(&self.verb) else {
            let names = DmVerb::WORDS.iter().copied();
            let meant =
                super::verbs::nearest(&self.verb, names).map(|verb| format!(", did you mean `{verb}`?"));
            return Err(format!(
                "unknown verb `dm {}`{}",
                self.verb.escape_debug(),
                meant.unwrap_or_default()
            ));
        };
        if self.exec.is_some() {
            return Err("--exec is not done here; a loop over `mdctl dm ls` does the same".to_owned());
        }
        if self.select.is_some() {
            return Err(
                "--select is not done here; `mdctl dm info --json` has all that can be chosen by".to_owned()
            );
        }
        let (least, most, form) = verb.form();
        let words = self.words.clone();
        if words.len() < least || words.len() > most {
            return Err(format!("mdctl dm {} takes: {form}", self.verb));
        }
        let common = self.acting.common();
        let options = self.options(common.verbose > 0)?;
        Ok((common, Request::Dm(Box::new(DmRequest { verb, words, options }))))
    }

    fn options(self, verbose: bool) -> Result<DmOptions, String> {
        let number = match (self.major, self.minor) {
            (Some(major), Some(minor)) => Some(DevId { major, minor }),
            (None, None) => None,
            _ => return Err("a device's number is --major and --minor together".to_owned()),
        };
        Ok(DmOptions {
            owner: Owner { uid: self.uid, gid: self.gid, mode: self.mode.as_deref().map(mode).transpose()? },
            udev_cookie: self.udevcookie.as_deref().map(cookie).transpose()?,
            read_ahead: self.readahead.as_deref().map(read_ahead).transpose()?,
            headings: self.headings.as_deref().map(headings).transpose()?,
            mangling: match self.manglename.as_deref() {
                None => Mangling::default(),
                Some(word) => {
                    Mangling::named(word).ok_or_else(|| "--manglename is auto, hex or none".to_owned())?
                }
            },
            number,
            columns: self.columns,
            force: self.force,
            verbose,
            readonly: self.readonly,
            no_flush: self.noflush,
            no_lockfs: self.nolockfs,
            inactive: self.inactive,
            no_udev_rules: self.noudevrules,
            no_udev_sync: self.noudevsync,
            fields: self.options,
            sort: self.sort,
            name_prefixes: self.nameprefixes,
            no_headings: self.noheadings,
            separator: self.separator,
            rows: self.rows,
            unquoted: self.unquoted,
            uuid: self.uuid,
            no_table: self.notable,
            table: self.table,
            concise: self.concise,
            deferred: self.deferred,
            set_uuid: self.setuuid,
            target: self.target,
            tree: self.tree,
            show_keys: self.showkeys,
        })
    }
}

/// A cookie as udev has it, `0x` for hexadecimal.
///
/// # Errors
/// What is no number.
pub fn cookie(word: &str) -> Result<u32, String> {
    let bad = || format!("`{}` is no cookie", word.escape_debug());
    let value = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => word.parse(),
    };
    value.ok().filter(|value| *value != 0).ok_or_else(bad)
}

fn mode(word: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(word, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| "--mode is an octal number, at most 777".to_owned())
}

fn read_ahead(word: &str) -> Result<ReadAhead, String> {
    let bad = |_| "--readahead is a number of sectors, +NUMBER, auto or none".to_owned();
    Ok(match word {
        "auto" => ReadAhead::Auto,
        "none" => ReadAhead::None,
        word => match word.strip_prefix('+') {
            Some(least) => ReadAhead::AtLeast(least.parse().map_err(bad)?),
            None => ReadAhead::Sectors(word.parse().map_err(bad)?),
        },
    })
}

fn headings(word: &str) -> Result<Headings, String> {
    Ok(match word {
        "none" | "0" => Headings::None,
        "abbrev" | "1" => Headings::Abbreviated,
        "full" | "2" => Headings::Full,
        _ => return Err("--headings is none, abbrev or full".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::cli::{native, parse::Parsed};

    fn parse(line: &[&str]) -> Result<DmRequest, String> {
        let words = std::iter::once("dm").chain(line.iter().copied()).map(OsString::from).collect();
        match native::parse(words) {
            Ok(Parsed::Run(invocation)) => match invocation.request {
                Request::Dm(request) => Ok(*request),
                other => Err(format!("{other:?}")),
            },
            Ok(other) => Err(format!("{other:?}")),
            Err(error) => Err(error.message),
        }
    }

    #[test]
    fn options_stand_anywhere() {
        let request = parse(&["--noheadings", "info", "-c", "a", "-o", "name,open", "b"]).unwrap();
        assert_eq!((request.verb, request.words), (DmVerb::Info, vec!["a".to_owned(), "b".to_owned()]));
        let options = request.options;
        assert!(options.columns && options.no_headings && options.fields.as_deref() == Some("name,open"));
        let request = parse(&["reload", "x", "--table", "0 8 zero", "-r"]).unwrap();
        assert!(request.verb == DmVerb::Load && request.options.readonly);
        let request = parse(&["create", "x", "-n", "-j", "253", "-m", "7", "-u", "U", "-M", "0640"]).unwrap();
        assert_eq!(request.options.number, Some(DevId { major: 253, minor: 7 }));
        assert_eq!(request.options.owner.mode, Some(0o640));
    }

    #[test]
    fn what_is_refused() {
        for (line, why) in [
            (&["inof"][..], "unknown verb `dm inof`, did you mean `info`?"),
            (&["ls", "a"], "mdctl dm ls takes: "),
            (&["setgeometry", "a", "1"], "mdctl dm setgeometry takes: DEVICE CYLINDERS HEADS SECTORS START"),
            (&["info", "-m", "3"], "a device's number is --major and --minor together"),
            (&["ls", "--exec", "x"], "--exec is not done here"),
            (&["udevcomplete", "x", "y"], "mdctl dm udevcomplete takes: COOKIE"),
            (&["resume", "a", "--readahead", "x"], "--readahead is a number"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.starts_with(why), "{line:?}: {error}");
        }
        assert_eq!(cookie("0xd4d1234"), Ok(0xd4d_1234));
        assert!(cookie("0").is_err() && cookie("x").is_err());
    }
}
