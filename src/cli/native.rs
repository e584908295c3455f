//! The `mdctl` personality: verbs. A first word that is an option or a device means the `mdadm` grammar.
//!
//! A verb that has a mode or an action of `mdadm` takes its options: `mdctl create X` is `mdadm --create X`.

use std::ffi::{OsStr, OsString};

use clap::{Args, CommandFactory, Parser, Subcommand, error::ErrorKind};

use super::{
    UsageError,
    blocks::{Acting, Changing},
    boot::BootArgs,
    config::ConfigArgs,
    dm::DmArgs,
    options::{self, Mode, Sets},
    overlay::OverlayArgs,
    parse::{self, Parsed},
    scrub::ScrubArgs,
    trial::TrialArgs,
    verbs,
    volume::VolumeArgs,
};
use crate::{
    plan::create::could_have_bitmap,
    request::{
        BitmapKind, Common, ExplainRequest, Invocation, ReplaceRequest, Request, StatusRequest, UndoRequest,
    },
};

/// Linux software RAID
#[derive(Debug, Parser)]
#[command(name = "mdctl", disable_help_subcommand = true)]
struct Native {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write metadata for a new array and start it
    Create(Words),
    /// Start an array from devices that carry its metadata
    Assemble(Words),
    /// Report on arrays
    Detail(Words),
    /// Report on the metadata of devices
    Examine(Words),
    /// Say in a line what a device is
    Query(Words),
    /// Stop arrays
    Stop(Words),
    /// Start an array although members are missing
    Run(Words),
    /// Make arrays read-only
    Readonly(Words),
    /// Make arrays writable
    Readwrite(Words),
    /// Erase the RAID metadata of devices, so that they belong to no array
    #[command(alias = "zero")]
    ZeroSuperblock(Words),
    /// Wait until resync, recovery or reshape is over
    Wait(Words),
    /// Show all arrays and their members at a glance
    Status(StatusArgs),
    /// Say why an array is not (fully) up, or a device in none, and what to do next
    Explain(ExplainArgs),
    /// List what was kept before it was overwritten
    History(HistoryArgs),
    /// Put back what a command overwrote
    Undo(UndoArgs),
    /// Put a new device in the place of a member: one that serves, has failed, or is gone
    Replace(ReplaceArgs),
    /// Compare the members of redundant arrays, and go on where a check was cut off
    Scrub(ScrubArgs),
    /// Volumes on arrays, in LVM2's format
    Volume(Box<VolumeArgs>),
    /// Devices of the kernel's device-mapper, with the words of dmsetup
    Dm(Box<DmArgs>),
    /// Members that may be written to and are not: what is written goes to files
    Overlay(OverlayArgs),
    /// Look at mdadm.conf, and add the lines that it lacks
    Config(ConfigArgs),
    /// Look at what the next start of the machine rests on
    Boot(BootArgs),
    /// Find out what an array was, and try it, without a write to its members
    Trial(Box<TrialArgs>),
    /// Start an array that has no metadata
    Build(Words),
    /// Change the size, shape or bitmap of an array
    Grow(Words),
    /// Add one device to the array it belongs to
    #[command(hide = true)]
    Incremental(Words),
    /// Change the members of an array
    Manage(Words),
    /// Watch arrays and tell what happens to them
    #[command(hide = true)]
    Monitor(Words),
}

/// All verbs, as clap has them.
pub(super) fn command() -> clap::Command {
    Native::command()
}

/// The option that a verb stands for.
pub(super) fn option_of(verb: &str) -> Option<String> {
    let words = ["mdctl", verb].map(OsString::from);
    match Native::try_parse_from(words).ok()?.verb.into_meaning() {
        Meaning::Option(option, _) => Some(option.to_owned()),
        Meaning::Own(_) | Meaning::Wrong(_) => None,
    }
}

/// The verbs that help shows.
pub fn verbs() -> Vec<String> {
    let command = Native::command();
    command
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set())
        .map(|verb| verb.get_name().to_owned())
        .collect()
}

/// The long options that verbs have of their own.
pub fn long_options() -> Vec<String> {
    long_options_of(&Native::command())
}

/// Those of one verb and the verbs below it, by the words that lead there.
pub fn long_options_below(verb: &str) -> Vec<String> {
    Native::command().find_subcommand(verb).map(long_options_of).unwrap_or_default()
}

fn long_options_of(command: &clap::Command) -> Vec<String> {
    let own = command.get_arguments().filter_map(|arg| arg.get_long().map(str::to_owned));
    own.chain(command.get_subcommands().flat_map(long_options_of)).collect()
}

/// The verbs below a verb: `group create`.
pub fn verbs_below(verb: &str) -> Vec<String> {
    fn walk(command: &clap::Command, before: &str, found: &mut Vec<String>) {
        for verb in command.get_subcommands() {
            let name = format!("{before}{}", verb.get_name());
            walk(verb, &format!("{name} "), found);
            found.push(name);
        }
    }
    let mut found = Vec::new();
    if let Some(verb) = Native::command().find_subcommand(verb) {
        walk(verb, "", &mut found);
    }
    found
}

/// What a verb becomes.
enum Meaning {
    /// An option of mdadm and the words after it.
    Option(&'static str, Words),
    /// A request of its own.
    Own(Box<(Common, Request)>),
    /// Words that do not fit together.
    Wrong(String),
}

impl Meaning {
    fn of(request: Result<(Common, Request), String>) -> Self {
        request.map_or_else(Self::Wrong, |own| Self::Own(Box::new(own)))
    }
}

impl Verb {
    fn into_meaning(self) -> Meaning {
        let (option, words) = match self {
            Self::Status(args) => return args.into_meaning(),
            Self::Explain(args) => return args.into_meaning(),
            Self::History(args) => return args.into_meaning(),
            Self::Undo(args) => return args.into_meaning(),
            Self::Replace(args) => return args.into_meaning(),
            Self::Dm(args) => return Meaning::of(args.into_request()),
            Self::Trial(args) => {
                let (common, request) = args.into_request();
                return Meaning::Own(Box::new((common, Request::Trial(Box::new(request)))));
            }
            Self::Overlay(args) => {
                let (common, request) = args.into_request();
                return Meaning::Own(Box::new((common, Request::Overlay(request))));
            }
            Self::Config(args) => {
                let (common, request) = args.into_request();
                return Meaning::Own(Box::new((common, Request::Config(request))));
            }
            Self::Boot(args) => {
                let (common, request) = args.into_request();
                return Meaning::Own(Box::new((common, request)));
            }
            Self::Scrub(args) => {
                return Meaning::Own(Box::new(args.into_request()));
            }
            Self::Volume(args) => return Meaning::of(args.into_request()),
            Self::Create(words) => ("--create", words),
            Self::Assemble(words) => ("--assemble", words),
            Self::Detail(words) => ("--detail", words),
            Self::Examine(words) => ("--examine", words),
            Self::Query(words) => ("--query", words),
            Self::Stop(words) => ("--stop", words),
            Self::Run(words) => ("--run", words),
            Self::Readonly(words) => ("--readonly", words),
            Self::Readwrite(words) => ("--readwrite", words),
            Self::ZeroSuperblock(words) => ("--zero-superblock", words),
            Self::Wait(words) => ("--wait", words),
            Self::Build(words) => ("--build", words),
            Self::Grow(words) => ("--grow", words),
            Self::Incremental(words) => ("--incremental", words),
            Self::Manage(words) => ("--manage", words),
            Self::Monitor(words) => ("--monitor", words),
        };
        Meaning::Option(option, words)
    }
}

/// Show all arrays and their members at a glance
#[derive(Args, Debug)]
struct StatusArgs {
    /// Only these: paths, kernel names, names or UUIDs
    #[arg(value_name = "ARRAY")]
    arrays: Vec<String>,
    /// As JSON (schema mdctl.status.1)
    #[arg(long)]
    json: bool,
    /// Show again whenever something changes; with --json one document a line
    #[arg(long, short)]
    watch: bool,
    /// Only arrays in the kernel: read no device
    #[arg(long)]
    running: bool,
    /// Configuration file, for the devices to look at
    #[arg(long, short, value_name = "FILE")]
    config: Option<OsString>,
}

impl StatusArgs {
    fn into_meaning(self) -> Meaning {
        let common = Common { json: self.json, config: self.config, ..Common::default() };
        let Self { arrays, watch, running, .. } = self;
        Meaning::Own(Box::new((common, Request::Status(StatusRequest { arrays, watch, running }))))
    }
}

/// Say why an array is not (fully) up, or a device in none, and what to do next
#[derive(Args, Debug)]
struct ExplainArgs {
    /// Paths, kernel names, names or UUIDs of arrays; paths of devices. Without any: everything that is not in order
    #[arg(value_name = "ARRAY|DEVICE")]
    subjects: Vec<String>,
    /// As JSON (schema mdctl.explain.1)
    #[arg(long)]
    json: bool,
    /// Configuration file
    #[arg(long, short, value_name = "FILE")]
    config: Option<OsString>,
}

impl ExplainArgs {
    fn into_meaning(self) -> Meaning {
        let common = Common { json: self.json, config: self.config, ..Common::default() };
        let request = ExplainRequest { subjects: self.subjects };
        Meaning::Own(Box::new((common, Request::Explain(request))))
    }
}

/// List what was kept before it was overwritten
#[derive(Args, Debug)]
struct HistoryArgs {
    /// As JSON (schema mdctl.history.1)
    #[arg(long)]
    json: bool,
}

impl HistoryArgs {
    fn into_meaning(self) -> Meaning {
        let common = Common { json: self.json, ..Common::default() };
        Meaning::Own(Box::new((common, Request::History)))
    }
}

/// Put back what a command overwrote
#[derive(Args, Debug)]
struct UndoArgs {
    /// The entry as `mdctl history` names it, or its beginning; without it the newest, after a question
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Put back even where something has changed since, and on a device that nothing identifies but its path; what is there
    /// now is kept as well
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    acting: Acting,
    /// Do not keep what is overwritten by this
    #[arg(long)]
    no_archive: bool,
}

impl UndoArgs {
    fn into_meaning(self) -> Meaning {
        let common = Common { no_archive: self.no_archive, ..self.acting.common() };
        Meaning::Own(Box::new((common, Request::Undo(UndoRequest { id: self.id, force: self.force }))))
    }
}

/// Put a new device in the place of a member: one that serves, has failed, or is gone
#[derive(Args, Debug)]
struct ReplaceArgs {
    /// The array
    #[arg(value_name = "ARRAY")]
    array: String,
    /// The old member: a path, a kernel name, a slot's number, or 'missing'
    #[arg(value_name = "OLD")]
    old: String,
    /// The new device: a path; a spare of the array, or a device that is not in it yet
    #[arg(value_name = "NEW")]
    new: String,
    /// Return as soon as the kernel copies
    #[arg(long)]
    no_wait: bool,
    /// Take a device although its logical blocks are larger than the array's
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    changing: Changing,
}

impl ReplaceArgs {
    fn into_meaning(self) -> Meaning {
        let common = self.changing.common();
        let (array, old, new) = (self.array, self.old, self.new);
        let request = ReplaceRequest { array, old, new, no_wait: self.no_wait, force: self.force };
        Meaning::Own(Box::new((common, Request::Replace(request))))
    }
}

#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
struct Words {
    /// Options and devices, as after the option of the same name of mdadm
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS AND DEVICES")]
    words: Vec<OsString>,
}

/// Parses the words after the name `mdctl`.
///
/// # Errors
/// What either grammar refuses.
pub fn parse(args: Vec<OsString>) -> Result<Parsed, UsageError> {
    match args.first() {
        Some(first) if asks_for_help(first) => return Ok(Parsed::Help(verbs::list(&Native::command()))),
        // For the shells alone, and before any grammar: the line may be in any state.
        Some(first) if first == "complete" => {
            return Ok(Parsed::Complete(
                args[1..].iter().map(|word| word.to_string_lossy().into_owned()).collect(),
            ));
        }
        Some(first) if is_mdadm(first) => match behind_the_verb(&args) {
            Some(args) => return parse(args),
            None => return parse::parse(args),
        },
        Some(first) => known(first)?,
        None => return Err(UsageError::with_usage("")),
    }
    match Native::try_parse_from(std::iter::once(OsString::from("mdctl")).chain(args)) {
        Ok(native) => match native.verb.into_meaning() {
            Meaning::Option(option, words) => for_mdadm(option, words),
            Meaning::Wrong(why) => Err(UsageError::new(why)),
            Meaning::Own(own) => {
                let (common, request) = *own;
                Ok(Parsed::Run(Box::new(Invocation { common, request, notices: Vec::new() })))
            }
        },
        Err(error) if error.kind() == ErrorKind::DisplayHelp => Ok(Parsed::Help(error.render().to_string())),
        Err(error) => {
            let text = error.render().to_string();
            Err(UsageError::new(text.strip_prefix("error: ").unwrap_or(&text).trim_end()))
        }
    }
}

/// A verb's words by mdadm's grammar; its help is in the verb's own words.
fn for_mdadm(option: &'static str, words: Words) -> Result<Parsed, UsageError> {
    let verb = option.trim_start_matches('-');
    let mode = match options::by_name(verb) {
        options::FoundOption::One(opt, _) => match opt.sets {
            Sets::Always(mode) | Sets::IfNone(mode) => Some(mode),
            Sets::Nothing | Sets::Anywhere => None,
        },
        options::FoundOption::Ambiguous(_) | options::FoundOption::Unknown => None,
    };
    let asked = words.words.iter().any(|word| asks_for_help(word));
    let outcome = parse::parse(std::iter::once(OsString::from(option)).chain(words.words))?;
    match (outcome, mode) {
        (Parsed::Help(_), Some(mode)) if asked => {
            let command = Native::command();
            let about = command.find_subcommand(verb).and_then(|verb| verb.get_about());
            Ok(Parsed::Help(verbs::of(verb, &about.map(ToString::to_string).unwrap_or_default(), mode)))
        }
        (Parsed::Run(mut invocation), Some(Mode::Create)) => {
            with_bitmap(&mut invocation);
            Ok(Parsed::Run(invocation))
        }
        (outcome, _) => Ok(outcome),
    }
}

/// The verb makes a bitmap where the original asks for one and recommends it.
fn with_bitmap(invocation: &mut Invocation) {
    let Request::Create(request) = &mut invocation.request else { return };
    if could_have_bitmap(request) {
        request.bitmap = Some(BitmapKind::Internal);
        if invocation.common.verbose < 0 {
            return;
        }
        let text = "with an internal write-intent bitmap, so that a crash costs no whole resync (--bitmap=none: without)";
        invocation.notices.push(text.to_owned());
    }
}

/// Refuses what is no verb, and says which was probably meant.
fn known(word: &OsStr) -> Result<(), UsageError> {
    let word = word.to_string_lossy();
    let command = Native::command();
    let names = || command.get_subcommands().map(clap::Command::get_name);
    if command.find_subcommand(&*word).is_some() {
        return Ok(());
    }
    let meant = verbs::nearest(&word, names()).map(|verb| format!(", did you mean `{verb}`?"));
    Err(UsageError::new(format!(
        "unknown verb `{}`{}\nmdctl --help lists the verbs",
        word.escape_debug(),
        meant.unwrap_or_default()
    )))
}

/// Moves common options that come before a verb behind it. `None` where no verb follows them: the line is mdadm's then.
fn behind_the_verb(args: &[OsString]) -> Option<Vec<OsString>> {
    const COMMON: [&str; 8] = ["--json", "--dry-run", "--yes", "-y", "--verbose", "-v", "--quiet", "-q"];
    let before = args.iter().take_while(|word| COMMON.iter().any(|common| word == common)).count();
    let (before, rest) = args.split_at_checked(before)?;
    let verb = rest.first()?.to_string_lossy();
    // Cheap questions first: clap's commands take longer to make than most lines take to be understood.
    let could_be = !before.is_empty() && verb.starts_with(|c: char| c.is_ascii_lowercase());
    let is_verb = could_be && Native::command().find_subcommand(&*verb).is_some();
    is_verb.then(|| [rest, before].concat())
}

fn asks_for_help(word: &OsStr) -> bool {
    word == "--help" || word == "-h"
}

/// An option, a path, or a kernel name of an array.
fn is_mdadm(word: &OsStr) -> bool {
    let word = word.to_string_lossy();
    let kernel_name =
        word.strip_prefix("md").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    word.starts_with('-') || word.contains('/') || kernel_name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn the_verb_create_makes_a_bitmap_where_one_is_of_use() {
        let bitmap = |line: &str| match parse(words(line)) {
            Ok(Parsed::Run(invocation)) => match invocation.request {
                Request::Create(request) => (request.bitmap, invocation.notices.len()),
                other => panic!("{line}: {other:?}"),
            },
            other => panic!("{line}: {other:?}"),
        };
        for (line, expected) in [
            ("create /dev/md0 -l1 -n2 a b", (Some(BitmapKind::Internal), 1)),
            ("create /dev/md0 --run -l10 -n2 a b", (Some(BitmapKind::Internal), 1)),
            ("create /dev/md0 -l1 -n2 -b none a b", (Some(BitmapKind::None), 0)),
            ("create /dev/md0 -l5 -n3 --consistency-policy=ppl a b c", (None, 0)),
            ("create /dev/md0 -l5 -n3 --write-journal=j a b c", (None, 0)),
            ("create /dev/md0 -l0 -n2 a b", (None, 0)),
            ("--create /dev/md0 -l1 -n2 a b", (None, 0)),
            // Quiet is quiet, wherever the word stands.
            ("-q create /dev/md0 -l1 -n2 a b", (Some(BitmapKind::Internal), 0)),
            ("create /dev/md0 -l1 -n2 a b --quiet", (Some(BitmapKind::Internal), 0)),
        ] {
            assert_eq!(bitmap(line), expected, "{line}");
        }
    }

    #[test]
    fn verbs_are_modes_and_actions() {
        for (native, classic) in [
            (
                "create /dev/md0 -l5 -n3 a b missing --dry-run -b none",
                "--create /dev/md0 -l5 -n3 a b missing --dry-run -b none",
            ),
            ("create /dev/md0 -l0 -n2 a b", "--create /dev/md0 -l0 -n2 a b"),
            ("assemble --scan -v", "-A --scan -v"),
            ("detail -b /dev/md0", "-D -b /dev/md0"),
            ("stop --scan", "-S --scan"),
            ("wait /dev/md0", "-W /dev/md0"),
            ("zero-superblock /dev/x --force", "--zero-superblock /dev/x --force"),
            ("zero -q /dev/x", "--zero-superblock -q /dev/x"),
            ("grow /dev/md0 -n4 -a /dev/x", "-G /dev/md0 -n4 -a /dev/x"),
            ("monitor -1s", "-F1s"),
            ("-S /dev/md0", "-S /dev/md0"),
            ("/dev/md0 --add x", "/dev/md0 --add x"),
            ("md0 --add x", "md0 --add x"),
            ("-V", "-V"),
            ("--json -v detail /dev/md0", "-D /dev/md0 --json -v"),
        ] {
            assert_eq!(parse(words(native)), parse::parse(words(classic)), "{native}");
            assert!(parse(words(native)).is_ok(), "{native}");
        }
    }

    #[test]
    fn common_options_may_stand_before_the_verb() {
        for (before, behind) in [
            ("--json volume list", "volume list --json"),
            ("--dry-run -v undo x", "undo x --dry-run -v"),
            ("--json status", "status --json"),
            ("-q volume deactivate vg", "volume deactivate vg --quiet"),
            ("--quiet undo x -y", "undo x -qy"),
        ] {
            assert_eq!(parse(words(before)), parse(words(behind)), "{before}");
            assert!(parse(words(before)).is_ok(), "{before}");
        }
        // A device of mdadm's grammar, and an option that a verb may not have.
        assert_eq!(parse(words("--json /dev/md0")), parse::parse(words("--json /dev/md0")));
        assert_eq!(parse(words("--scan status")), parse::parse(words("--scan status")));
    }

    #[test]
    fn help_lists_verbs_and_an_unknown_one_is_refused() {
        let Ok(Parsed::Help(text)) = parse(words("--help")) else { panic!() };
        assert!(text.contains("create") && text.contains("--dry-run"), "{text}");
        let error = parse(words("destroy /dev/md0")).unwrap_err();
        assert_eq!(error.status, 2);
        assert!(error.message.starts_with("unknown verb `destroy`\n"), "{}", error.message);
        let error = parse(words("stauts")).unwrap_err();
        assert!(
            error.message.starts_with("unknown verb `stauts`, did you mean `status`?"),
            "{}",
            error.message
        );
        let help = |line: &str| match parse(words(line)) {
            Ok(Parsed::Help(text)) => text,
            other => panic!("{line}: {other:?}"),
        };
        assert!(help("create --help").starts_with("Usage: mdctl create "));
        assert!(help("stop -h").contains("\nUsage: mdctl stop [OPTIONS]"));
        assert!(help("assemble --update=help").starts_with("Valid"));
        for verb in verbs() {
            assert!(help(&format!("{verb} --help")).contains(&format!("mdctl {verb}")), "{verb}");
            assert!(text.contains(&format!("\n  {verb} ")), "{verb}");
        }
        assert_eq!(parse(Vec::new()), parse::parse(Vec::new()));
    }
}
