//! What may stand next on a command line, for the shells' completion: words of the table, and which names of the
//! machine belong there.

use std::ffi::{OsStr, OsString};

use clap::Command;

use super::{
    native,
    options::{Arg, Mode, Opt, OptionId, Sets, TABLE},
    scan::{Scanner, Token},
};
use crate::request::Update;

/// Names that are the machine's to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// Arrays in the kernel.
    Arrays,
    /// Members of the array that this word names.
    Members(String),
    /// Block devices.
    Devices,
    /// Files, which the shell knows best.
    Files,
}

/// What may stand in the place of the last word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// Goes before every name of the machine: `--write-journal=`.
    pub prefix: String,
    /// Whole words and what they mean.
    pub words: Vec<(String, String)>,
    pub names: Vec<Names>,
}

impl Completion {
    fn words(words: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { words: words.into_iter().collect(), ..Self::default() }
    }

    fn literal(words: &[&str]) -> Self {
        Self::words(words.iter().map(|word| ((*word).to_owned(), String::new())))
    }

    fn names(names: &[Names]) -> Self {
        Self { names: names.to_vec(), ..Self::default() }
    }

    fn and(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(|word| ((*word).to_owned(), String::new())));
        self
    }
}

/// Stands for the word that is being typed: nobody types it.
const CURRENT: &str = "\u{1}";

/// What may stand in the place of the last of these words after the program's name.
pub fn complete(program: &str, words: &[String]) -> Completion {
    let Some((current, before)) = words.split_last() else { return Completion::default() };
    if program != "mdctl" {
        return classic(before, current);
    }
    let command = native::command();
    let Some(first) = before.first() else {
        let mut all = classic(before, current);
        let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
        all.words.splice(0..0, verbs.map(|verb| (verb.get_name().to_owned(), about(verb))));
        return all;
    };
    match (native::option_of(first), command.find_subcommand(first)) {
        (Some(option), _) => {
            let words: Vec<String> = std::iter::once(option).chain(before[1..].iter().cloned()).collect();
            classic(&words, current)
        }
        (None, Some(verb)) => own(verb, &before[1..], current),
        (None, None) => classic(before, current),
    }
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

/// A verb with words of its own.
fn own(verb: &Command, before: &[String], current: &str) -> Completion {
    if verb.has_subcommands() {
        return match before.first().map(|word| verb.find_subcommand(word)) {
            Some(Some(below)) if below.has_subcommands() || current.starts_with('-') => {
                own(below, &before[1..], current)
            }
            Some(Some(_)) if verb.get_name() == "scrub" => Completion::names(&[Names::Arrays]),
            Some(Some(_)) => Completion::names(&[Names::Devices]),
            Some(None) => Completion::default(),
            None => Completion::words(
                verb.get_subcommands().map(|verb| (verb.get_name().to_owned(), about(verb))),
            ),
        };
    }
    if current.starts_with('-') {
        let long = |arg: &clap::Arg| {
            let value = arg.get_action().takes_values();
            let name = format!("--{}{}", arg.get_long()?, if value { "=" } else { "" });
            Some((name, arg.get_help().map(ToString::to_string).unwrap_or_default()))
        };
        return Completion::words(verb.get_arguments().filter_map(long));
    }
    let given: Vec<&String> = before.iter().filter(|word| !word.starts_with('-')).collect();
    match (verb.get_name(), &given[..]) {
        ("replace", [array]) => Completion::names(&[Names::Members((*array).clone())]).and(&["missing"]),
        ("replace", []) => Completion::names(&[Names::Arrays]),
        ("replace", [_, _, ..]) => Completion::names(&[Names::Devices]),
        ("history" | "undo", _) => Completion::default(),
        ("explain", _) => Completion::names(&[Names::Arrays, Names::Devices]),
        (_, _) => Completion::names(&[Names::Arrays]),
    }
}

/// What the words before say about the current one.
#[derive(Default)]
struct State {
    mode: Option<Mode>,
    /// The last operation of manage or action of misc.
    last: Option<OptionId>,
    words: Vec<String>,
    level: Option<String>,
    scan: bool,
    fails: bool,
    /// The option whose value is being typed.
    value_of: Option<&'static Opt>,
}

impl State {
    fn read(before: &[String]) -> Self {
        let mut state = Self::default();
        let words = before.iter().map(String::as_str).chain([CURRENT]).map(OsString::from);
        let mut scanner = Scanner::new(words);
        // A line that is wrong so far is completed as far as it was understood.
        while let Ok(Some(token)) = scanner.next(state.mode) {
            match token {
                Token::Word(word) if word == CURRENT => {}
                Token::Word(word) => state.words.push(word.to_string_lossy().into_owned()),
                Token::Option { opt: Some(opt), value, .. } => state.option(opt, value.as_deref()),
                Token::Option { opt: None, .. } => {}
            }
        }
        state
    }

    fn option(&mut self, opt: &'static Opt, value: Option<&OsStr>) {
        if value.is_some_and(|value| value == CURRENT) {
            self.value_of = Some(opt);
        }
        match opt.sets {
            Sets::Always(mode) | Sets::IfNone(mode) => {
                self.mode = self.mode.or(Some(mode));
                self.last = Some(opt.id);
            }
            Sets::Nothing if opt.id == OptionId::With => self.last = Some(opt.id),
            Sets::Nothing | Sets::Anywhere => {}
        }
        match opt.id {
            OptionId::Level => self.level = value.map(|value| value.to_string_lossy().into_owned()),
            OptionId::Scan => self.scan = true,
            OptionId::Fail | OptionId::Remove => self.fails = true,
            _ => {}
        }
    }

    /// Whether the option may stand here.
    fn takes(&self, opt: &Opt) -> bool {
        let Some(mode) = self.mode else {
            let after_array = |mode| mode == Mode::Manage || self.words.is_empty();
            return match opt.sets {
                Sets::Always(mode) | Sets::IfNone(mode) => after_array(mode),
                Sets::Anywhere => true,
                Sets::Nothing => opt.modes.has(None),
            };
        };
        opt.modes.has(Some(mode)) && (mode == Mode::Misc || opt.sets != Sets::Always(mode))
    }
}

/// The grammar of `mdadm`.
fn classic(before: &[String], current: &str) -> Completion {
    let state = State::read(before);
    if let Some(opt) = state.value_of {
        return values(opt, &state);
    }
    if let Some((name, _)) = current.strip_prefix("--").and_then(|text| text.split_once('=')) {
        let Some(opt) = TABLE.iter().find(|opt| opt.names.contains(&name)) else {
            return Completion::default();
        };
        let prefix = format!("--{name}=");
        let found = values(opt, &state);
        let words = found.words.into_iter().map(|(word, help)| (format!("{prefix}{word}"), help)).collect();
        return Completion { prefix, words, names: found.names };
    }
    if current.starts_with('-') || state.mode.is_none() {
        let mut found = options(&state, current.starts_with('-'));
        if !current.starts_with('-') && state.words.is_empty() {
            found.names.push(Names::Arrays);
        }
        return found;
    }
    devices(&state)
}

/// The long options; of those that only choose what to do, where nothing was typed yet.
fn options(state: &State, all: bool) -> Completion {
    let mut words = Vec::new();
    for opt in TABLE.iter().filter(|opt| state.takes(opt)) {
        let chooses = matches!(opt.sets, Sets::Always(_) | Sets::IfNone(_));
        let end = if matches!(opt.arg, Arg::Required(_)) { "=" } else { "" };
        if all || chooses {
            words.extend(opt.names.iter().map(|name| (format!("--{name}{end}"), opt.help.to_owned())));
        }
    }
    Completion::words(words)
}

pub(super) const LEVELS: &[&str] =
    &["linear", "raid0", "raid1", "raid4", "raid5", "raid6", "raid10", "faulty", "container"];

/// Layouts by level, as a user would name them.
pub(super) const LAYOUTS: &[(&str, &[&str])] = &[
    ("raid0", &["original", "alternate", "dangerous"]),
    (
        "raid5",
        &[
            "left-symmetric",
            "left-asymmetric",
            "right-symmetric",
            "right-asymmetric",
            "parity-first",
            "parity-last",
        ],
    ),
    (
        "raid6",
        &[
            "left-symmetric",
            "left-asymmetric",
            "right-symmetric",
            "right-asymmetric",
            "parity-first",
            "parity-last",
            "ddf-zero-restart",
            "ddf-N-restart",
            "ddf-N-continue",
            "left-symmetric-6",
            "left-asymmetric-6",
            "right-symmetric-6",
            "right-asymmetric-6",
            "parity-first-6",
        ],
    ),
    ("raid10", &["n2", "f2", "o2", "n3"]),
    (
        "faulty",
        &["write-transient", "read-transient", "write-persistent", "read-persistent", "clear", "flush"],
    ),
];

fn values(opt: &Opt, state: &State) -> Completion {
    match opt.id {
        OptionId::Level => Completion::literal(LEVELS),
        OptionId::Layout => {
            let level = state.level.as_deref().and_then(super::values::level);
            let of = LAYOUTS.iter().find(|(name, _)| super::values::level(name) == level);
            Completion::literal(of.map_or(&[], |(_, words)| *words))
        }
        OptionId::Metadata => Completion::literal(&["1.2", "1.1", "1.0", "0.90", "default", "ddf", "imsm"]),
        OptionId::Bitmap => Completion::literal(&["internal", "none", "clustered", "lockless"]),
        OptionId::ConsistencyPolicy => Completion::literal(&["resync", "bitmap", "journal", "ppl"]),
        OptionId::Action => Completion::literal(&["check", "repair", "idle", "frozen"]),
        OptionId::Update => {
            let updates: &[Update] = match state.mode {
                Some(Mode::Manage) => Update::RE_ADD,
                Some(Mode::Misc) => Update::SUBARRAY,
                _ => Update::ASSEMBLE,
            };
            Completion::words(updates.iter().map(|update| (update.name().to_owned(), String::new())))
        }
        OptionId::Size | OptionId::ArraySize => Completion::literal(&["max"]),
        OptionId::SuperMinor => Completion::literal(&["dev"]),
        OptionId::HomeHost => Completion::literal(&["<ignore>", "<none>", "<system>"]),
        OptionId::Config => Completion::names(&[Names::Files]).and(&["none", "partitions"]),
        OptionId::WriteJournal => Completion::names(&[Names::Devices]),
        OptionId::BackupFile
        | OptionId::Dump
        | OptionId::Restore
        | OptionId::Program
        | OptionId::PidFile
        | OptionId::UdevRules
        | OptionId::Path => Completion::names(&[Names::Files]),
        _ => Completion::default(),
    }
}

/// What a bare word may be.
fn devices(state: &State) -> Completion {
    let array = state.words.first();
    match (state.mode, array) {
        (Some(Mode::Create | Mode::Build), None) | (Some(Mode::Assemble), None) => {
            Completion::literal(&["/dev/md/"])
        }
        (Some(Mode::Create | Mode::Build), Some(_)) => Completion::names(&[Names::Devices]).and(&["missing"]),
        (Some(Mode::Assemble), Some(_)) if state.scan => Completion::literal(&["/dev/md/"]),
        (Some(Mode::Assemble | Mode::Incremental | Mode::Grow), Some(_))
        | (Some(Mode::Incremental), None) => Completion::names(&[Names::Devices]),
        (Some(Mode::Manage | Mode::Grow), None) | (Some(Mode::Monitor), _) => {
            Completion::names(&[Names::Arrays])
        }
        (Some(Mode::Manage), Some(array)) => members(state.last, array),
        (Some(Mode::Misc), _) => match state.last {
            Some(OptionId::Query | OptionId::Misc) | None => {
                Completion::names(&[Names::Arrays, Names::Devices])
            }
            Some(
                OptionId::Detail
                | OptionId::Stop
                | OptionId::Run
                | OptionId::ReadOnly
                | OptionId::ReadWrite
                | OptionId::Wait
                | OptionId::WaitClean
                | OptionId::Action,
            ) => Completion::names(&[Names::Arrays]),
            Some(_) => Completion::names(&[Names::Devices]),
        },
        (Some(Mode::AutoDetect) | None, _) => Completion::default(),
    }
}

/// What an operation of manage may be about.
fn members(last: Option<OptionId>, array: &str) -> Completion {
    let of_array = Completion::names(&[Names::Members(array.to_owned())]);
    match last {
        Some(OptionId::Remove) => of_array.and(&["failed", "detached"]),
        Some(OptionId::Fail) => of_array.and(&["detached"]),
        Some(OptionId::Replace | OptionId::With) => of_array,
        Some(OptionId::ReAdd) => Completion::names(&[Names::Devices]).and(&["missing", "failed"]),
        _ => Completion::names(&[Names::Devices]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::values;

    fn at(program: &str, line: &str) -> Completion {
        complete(program, &line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    fn has(found: &Completion, word: &str) -> bool {
        found.words.iter().any(|(known, _)| known == word)
    }

    #[test]
    fn options_are_those_of_the_mode() {
        let create = at("mdadm", "--create /dev/md0 --");
        assert!(has(&create, "--level=") && has(&create, "--assume-clean") && has(&create, "--json"));
        assert!(!has(&create, "--fail") && !has(&create, "--create") && !has(&create, "--scan"));
        assert_eq!(create, at("mdctl", "create /dev/md0 --"));
        let after_array = at("mdadm", "/dev/md0 --");
        assert!(has(&after_array, "--add") && !has(&after_array, "--create") && !has(&after_array, "--stop"));
        let misc = at("mdadm", "--detail --");
        assert!(has(&misc, "--examine") && has(&misc, "--export") && !has(&misc, "--level="));
        let first = at("mdctl", "");
        assert!(has(&first, "create") && has(&first, "--create") && !has(&first, "--json"));
        assert_eq!(first.names, [Names::Arrays]);
        assert!(has(&at("mdctl", "status --"), "--json"));
    }

    #[test]
    fn values_follow_their_option_in_all_spellings() {
        assert!(has(&at("mdadm", "-C /dev/md0 --level=ra"), "--level=raid5"));
        for line in ["-C /dev/md0 --level ", "-C /dev/md0 -l ", "-C /dev/md0 --lev "] {
            assert!(has(&at("mdadm", line), "raid5"), "{line}");
        }
        assert!(has(&at("mdadm", "-C /dev/md0 -l10 -p "), "n2"));
        assert!(!has(&at("mdadm", "-C /dev/md0 -l1 -p "), "n2"));
        assert!(has(&at("mdadm", "-A -U "), "uuid") && !has(&at("mdadm", "/dev/md0 --re-add -U "), "uuid"));
        let journal = at("mdadm", "-C --write-journal=");
        assert_eq!(
            (journal.prefix.as_str(), &journal.names[..]),
            ("--write-journal=", &[Names::Devices][..])
        );
        for level in LEVELS {
            assert!(values::level(level).is_some(), "{level}");
        }
        for (level, layouts) in LAYOUTS {
            for layout in *layouts {
                assert!(values::layout(values::level(level).unwrap(), layout).is_ok(), "{level} {layout}");
            }
        }
    }

    #[test]
    fn names_follow_the_operation() {
        let members = Names::Members("/dev/md0".to_owned());
        for (line, expected) in [
            ("/dev/md0 --add ", Names::Devices),
            ("/dev/md0 --fail ", members.clone()),
            ("/dev/md0 --add /dev/a -r ", members.clone()),
            ("/dev/md0 --replace /dev/a --with ", members),
            ("-S ", Names::Arrays),
            ("-Es ", Names::Devices),
            ("-W ", Names::Arrays),
            ("-C /dev/md0 -l1 ", Names::Devices),
            ("--grow ", Names::Arrays),
            ("-A -c ", Names::Files),
        ] {
            assert_eq!(at("mdadm", line).names, [expected], "{line}");
        }
        assert!(has(&at("mdadm", "/dev/md0 --remove "), "failed"));
        assert!(has(&at("mdctl", "create /dev/md0 -l1 -n2 "), "missing"));
        assert_eq!(at("mdctl", "stop ").names, [Names::Arrays]);
        assert_eq!(at("mdctl", "replace ").names, [Names::Arrays]);
        assert_eq!(at("mdctl", "replace md0 ").names, [Names::Members("md0".to_owned())]);
        assert_eq!(at("mdctl", "replace md0 /dev/a ").names, [Names::Devices]);
    }
}
