//! The stateful grammar: the first option chooses the mode, letters follow the mode, words keep their place.

use std::ffi::{OsStr, OsString};

use super::{
    UsageError, help,
    low::LowArgs,
    options::{Mode, Opt, OptionId, Sets},
    scan::{Scanner, Token},
};
use crate::request::{Invocation, MiscAction, Update};

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed {
    Run(Box<Invocation>),
    /// A text for standard output, and success.
    Help(String),
    /// What may stand next on a line: the program, then its words.
    Complete(Vec<String>),
    /// The version, which goes to standard error, and success.
    Version,
}

/// Parses the words after the program's name.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Parsed, UsageError> {
    let mut low = LowArgs::default();
    parse_into(&mut low, args).map_err(|error| {
        let mut said = std::mem::take(&mut low.notices);
        said.extend(error.said);
        UsageError { said, ..error }
    })
}

fn parse_into(low: &mut LowArgs, args: impl IntoIterator<Item = OsString>) -> Result<Parsed, UsageError> {
    let mut scanner = Scanner::new(args);
    // Help waits for the end: a line that is wrong gets no help but its error.
    let mut help = None;
    while let Some(token) = scanner.next(low.mode)? {
        match token {
            Token::Word(text) => word(low, text)?,
            Token::Option { opt, shown, value } => match option(low, opt, &shown, value.as_deref())? {
                Some(Asked::Version) => return Ok(Parsed::Version),
                Some(asked) => help = Some(asked),
                None => {}
            },
        }
    }
    match help {
        Some(Asked::Text(text)) => return Ok(Parsed::Help(text)),
        // Also of a mode that was named after it.
        Some(Asked::Help | Asked::Version) => return Ok(Parsed::Help(help::text(low.mode))),
        None => {}
    }
    let mode = match (low.mode, low.words.is_empty()) {
        (Some(mode), _) => mode,
        (None, false) => Mode::Misc,
        (None, true) => return Err(UsageError::with_usage("")),
    };
    Invocation::from_low(mode, low.clone()).map(|invocation| Parsed::Run(Box::new(invocation)))
}

fn word(low: &mut LowArgs, text: OsString) -> Result<(), UsageError> {
    let shown = text.to_string_lossy().into_owned();
    match low.mode {
        None if !low.words.is_empty() => {
            return Err(UsageError::new(format!(
                "An option must be given to set the mode before a second device\n       ({shown}) is listed"
            )));
        }
        Some(Mode::Misc)
            if matches!(low.action, Some(MiscAction::DetailPlatform))
                && low.words.iter().any(|word| word.action == Some(MiscAction::DetailPlatform)) =>
        {
            low.notices.push(format!("controller may only be specified once. {shown} ignored"));
            return Ok(());
        }
        Some(Mode::Manage) if low.op.is_none() && !low.words.is_empty() => {
            return Err(UsageError::new(format!(
                "Must give one of -a/-r/-f for subsequent devices at {shown}"
            )));
        }
        Some(Mode::Grow) if low.op.is_none() && !low.words.is_empty() => {
            return Err(UsageError::new(format!("Must give -a/--add for devices to add: {shown}")));
        }
        Some(
            Mode::Assemble
            | Mode::Build
            | Mode::Create
            | Mode::Grow
            | Mode::Incremental
            | Mode::Manage
            | Mode::Misc
            | Mode::Monitor
            | Mode::AutoDetect,
        )
        | None => {}
    }
    low.word(text);
    Ok(())
}

fn no_action(device: &str) -> UsageError {
    UsageError::new(format!(
        "No action given for {device} in --misc mode\n       Action options must come before device names"
    ))
}

/// An option that asks for words instead of deeds.
enum Asked {
    /// Help, for the mode that the whole line has.
    Help,
    Text(String),
    Version,
}

fn option(
    low: &mut LowArgs,
    opt: Option<&'static Opt>,
    shown: &str,
    value: Option<&OsStr>,
) -> Result<Option<Asked>, UsageError> {
    let wants_mode =
        || UsageError::new(format!("{shown} does not set the mode, and so cannot be the first option."));
    let Some(opt) = opt else {
        return Err(match low.mode {
            Some(mode) => UsageError::new(format!("option {shown} not valid in {mode} mode")),
            None => wants_mode(),
        });
    };
    match opt.id {
        OptionId::Help => return Ok(Some(Asked::Help)),
        OptionId::HelpOptions => return Ok(Some(Asked::Text(help::options()))),
        OptionId::Version => return Ok(Some(Asked::Version)),
        OptionId::Update => {
            if let Some(names) = update_help(low, value) {
                return Ok(Some(Asked::Text(names)));
            }
        }
        OptionId::Config if low.mode.is_none() && value.is_some_and(asks_for_help) => {
            return Ok(Some(Asked::Text(help::config())));
        }
        _ => {}
    }
    match (opt.sets, low.mode) {
        (Sets::Always(new), Some(old)) if new != old => {
            return Err(UsageError::new(format!(
                "{shown} would set mdadm mode to \"{new}\", but it is already set to \"{old}\"."
            )));
        }
        (Sets::Always(mode) | Sets::IfNone(mode), None) => set_mode(low, mode)?,
        (Sets::Nothing, None) => return Err(wants_mode()),
        (Sets::Anywhere, _) | (Sets::Always(_) | Sets::IfNone(_) | Sets::Nothing, Some(_)) => {}
    }
    if !opt.modes.has(low.mode) {
        let mode = low.mode.map_or("this", Mode::name);
        let colon = if shown.starts_with("--") { ":" } else { "" };
        return Err(UsageError::new(format!("{colon}option {shown} not valid in {mode} mode")));
    }
    if opt.sets == Sets::Always(Mode::Misc)
        || !matches!(opt.sets, Sets::Always(_))
        || opt.id == OptionId::NoSharing
    {
        low.option(opt.id, shown, value, low.mode)?;
    }
    Ok(None)
}

fn set_mode(low: &mut LowArgs, mode: Mode) -> Result<(), UsageError> {
    low.mode = Some(mode);
    match low.words.first() {
        Some(word) if mode == Mode::Misc => Err(no_action(&word.text.to_string_lossy())),
        _ => Ok(()),
    }
}

/// `--update=help` lists the words that may stand there.
fn update_help(low: &LowArgs, value: Option<&OsStr>) -> Option<String> {
    let (of, updates) = match (low.mode, &low.action) {
        (Some(Mode::Assemble), _) | (Some(Mode::Misc), Some(MiscAction::KillSubarray(_))) => {
            ("", Update::ASSEMBLE)
        }
        (Some(Mode::Misc), Some(MiscAction::UpdateSubarray(_))) => (" for update-subarray", Update::SUBARRAY),
        (_, _) => return None,
    };
    let asked = value.is_some_and(|word| word == "help" || word == "?");
    let names: Vec<String> = updates.iter().map(|update| format!("'{}'", update.name())).collect();
    asked.then(|| format!("Valid --update options{of} are:\n\t{}\n", names.join(", ")))
}

/// `--config --help` and `-c -h` ask about the configuration file.
fn asks_for_help(value: &OsStr) -> bool {
    value.to_str().is_some_and(|text| text.starts_with("--h") || text.starts_with("-h"))
}
