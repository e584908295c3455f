//! argv to tokens, as getopt_long does in its return-in-order form: words keep their place among options,
//! letters cluster, long options may be abbreviated.

use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

use super::{
    UsageError,
    options::{self, Arg, FoundOption, Mode, Opt},
};

/// One piece of the command line.
#[derive(Debug)]
pub(super) enum Token {
    /// A bare word.
    Word(OsString),
    /// An option as the mode understands it.
    Option {
        /// `None` where the letter exists but means nothing in this mode.
        opt: Option<&'static Opt>,
        /// `-x` or `--name` in full, for messages.
        shown: String,
        value: Option<OsString>,
    },
}

/// The rest of the command line.
pub(super) struct Scanner {
    args: VecDeque<OsString>,
    /// Letters of a cluster that are still to come.
    cluster: VecDeque<u8>,
    /// Whether `--` was seen: all that follows are words.
    only_words: bool,
}

impl Scanner {
    pub(super) fn new(args: impl IntoIterator<Item = OsString>) -> Self {
        Self { args: args.into_iter().collect(), cluster: VecDeque::new(), only_words: false }
    }

    /// The next token; letters mean what they mean in `mode`.
    pub(super) fn next(&mut self, mode: Option<Mode>) -> Result<Option<Token>, UsageError> {
        if let Some(letter) = self.cluster.pop_front() {
            return self.letter(letter, mode).map(Some);
        }
        let Some(arg) = self.args.pop_front() else { return Ok(None) };
        let bytes = arg.as_bytes();
        if self.only_words || bytes == b"-" || !bytes.starts_with(b"-") {
            return Ok(Some(Token::Word(arg)));
        }
        if bytes == b"--" {
            self.only_words = true;
            return self.next(mode);
        }
        if let Some(long) = bytes.strip_prefix(b"--") {
            return self.long(long).map(Some);
        }
        self.cluster = bytes.iter().skip(1).copied().collect();
        self.next(mode)
    }

    fn letter(&mut self, letter: u8, mode: Option<Mode>) -> Result<Token, UsageError> {
        let letter = char::from(letter);
        let takes = options::letter_takes_argument(letter, mode).ok_or_else(|| {
            UsageError::with_usage(format!("invalid option -- '{}'", letter.escape_default()))
        })?;
        let value = match (takes, self.cluster.is_empty()) {
            (false, _) => None,
            (true, false) => Some(OsString::from_vec(self.cluster.drain(..).collect())),
            (true, true) => Some(self.args.pop_front().ok_or_else(|| {
                UsageError::with_usage(format!("option requires an argument -- '{letter}'"))
            })?),
        };
        Ok(Token::Option { opt: options::by_letter(letter, mode), shown: format!("-{letter}"), value })
    }

    fn long(&mut self, text: &[u8]) -> Result<Token, UsageError> {
        let mut parts = text.splitn(2, |b| *b == b'=');
        let name = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
        let given = parts.next().map(|v| OsStr::from_bytes(v).to_owned());
        let typed = String::from_utf8_lossy(text);
        let (opt, full) = match options::by_name(&name) {
            FoundOption::One(opt, full) => (opt, full),
            FoundOption::Ambiguous(names) => {
                let list: Vec<String> = names.iter().map(|name| format!("'--{name}'")).collect();
                return Err(UsageError::with_usage(format!(
                    "option '--{typed}' is ambiguous; possibilities: {}",
                    list.join(" ")
                )));
            }
            FoundOption::Unknown => {
                return Err(UsageError::with_usage(format!("unrecognized option '--{typed}'")));
            }
        };
        let value = match (opt.arg, given) {
            (Arg::No, Some(_)) => {
                return Err(UsageError::with_usage(format!("option '--{full}' doesn't allow an argument")));
            }
            (Arg::Required(_), None) => {
                Some(self.args.pop_front().ok_or_else(|| {
                    UsageError::with_usage(format!("option '--{full}' requires an argument"))
                })?)
            }
            (_, given) => given,
        };
        Ok(Token::Option { opt: Some(opt), shown: format!("--{full}"), value })
    }
}
