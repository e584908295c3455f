//! Words to people: notes, warnings, errors and questions. The only writer to standard error.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, IsTerminal, Read, Write},
    sync::{Arc, Mutex, PoisonError},
};

use crate::report::text::harmless;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Speaks for one command under the name it was called by.
#[derive(Clone, Debug)]
pub struct Ui {
    program: String,
    verbosity: i32,
    /// What was said so far: a command may have to say it once more, in a document.
    said: Arc<Mutex<Vec<String>>>,
}

impl Ui {
    /// `program` goes before every message; below 0, `verbosity` silences notes.
    pub fn new(program: impl Into<String>, verbosity: i32) -> Self {
        Self { program: program.into(), verbosity, said: Arc::default() }
    }

    pub fn program(&self) -> &str {
        &self.program
    }

    pub fn verbosity(&self) -> i32 {
        self.verbosity
    }

    /// Something worth knowing; not said with `--quiet`.
    pub fn note(&self, text: &str) {
        if self.verbosity >= 0 {
            self.say(text);
        }
    }

    /// A detail; said with `--verbose`.
    pub fn detail(&self, text: &str) {
        if self.verbosity > 0 {
            self.say(text);
        }
    }

    /// Something that may be wrong.
    pub fn warn(&self, text: &str) {
        self.say(text);
    }

    /// Something that went wrong. Lines after the first stand as they are.
    pub fn error(&self, text: &str) {
        self.say(text);
    }

    /// How the program is used, which says why a line is not understood.
    pub fn usage(&self, text: &str) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).push(text.trim_end().to_owned());
        self.plain(text);
    }

    /// Text without the program's name.
    pub fn plain(&self, text: &str) {
        // Nobody is left to be told that standard error is gone.
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// Everything that was said, in order.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn say(&self, text: &str) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).push(text.trim_end().to_owned());
        let mut line = format!("{}: {}", self.program, harmless(text));
        if !line.ends_with('\n') {
            line.push('\n');
        }
        self.plain(&line);
    }

    /// Asks once. Only a whole line of `y` or `yes` is a yes; the end of input means no, so nothing waits for
    /// a person who is not there. (mdadm 4.6 takes `yes` for a bad option.)
    pub fn ask(&self, question: &str) -> bool {
        self.ask_from(question, &mut io::stdin().lock())
    }

    fn ask_from(&self, question: &str, input: &mut dyn BufRead) -> bool {
        self.plain(&format!("{} [y/N]? ", harmless(question)));
        let mut line = Vec::new();
        // Nobody answers with more than this; a line without end is no answer.
        if input.take(80).read_until(b'\n', &mut line).is_err() || line.is_empty() {
            return false;
        }
        match line.to_ascii_lowercase().as_slice() {
            b"y\n" | b"yes\n" => return true,
            b"n\n" | b"no\n" => {}
            b"\n" | [_] => self.say("assuming no."),
            _ => self.say("bad option."),
        }
        false
    }
}

/// Lets developers watch: every step and what came of it, on standard error. Once for a process.
pub fn trace() {
    // A reader that went away would else end the program in the middle of its work.
    let watch = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(io::stderr);
    let watch = watch.log_internal_errors(false);
    // A second call finds the first one's subscriber in place, which is as good.
    let _ = watch.without_time().with_target(false).try_init();
}

/// Whether bars are seen.
pub fn shows_bars() -> bool {
    io::stderr().is_terminal()
}

/// Progress of long work, a bar for each thing that it is done to. Silent unless standard error is a terminal.
#[derive(Debug, Default)]
pub struct Bars {
    all: MultiProgress,
    bars: Mutex<BTreeMap<String, ProgressBar>>,
}

impl Bars {
    /// So many bytes of so many are done.
    pub fn show(&self, what: &str, done: u64, total: u64) {
        let Ok(mut bars) = self.bars.lock() else { return };
        let bar = bars.entry(what.to_owned()).or_insert_with(|| self.begin(what, total));
        bar.set_position(done);
        if done >= total {
            bar.finish();
        }
    }

    fn begin(&self, what: &str, total: u64) -> ProgressBar {
        let bar = self.all.add(ProgressBar::new(total));
        let style = "{msg} [{bar:40}] {percent:>3}% {binary_bytes_per_sec}, {eta} to go";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(what.to_owned());
        bar
    }
}

impl Ui {
    /// Bars for a command that takes long.
    pub fn bars(&self) -> Bars {
        Bars::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes_and_silence_is_a_no() {
        let ui = Ui::new("test", 0);
        for (input, expected) in [
            ("y\n", true),
            ("Y\n", true),
            ("Yes\n", true),
            ("y\nn\n", true),
            ("n\n", false),
            ("no\n", false),
            ("\n", false),
            ("", false),
            ("y", false),
            (" y\n", false),
            ("what\ny\n", false),
        ] {
            assert_eq!(ui.ask_from("go on", &mut input.as_bytes()), expected, "{input:?}");
        }
        assert!(!ui.ask_from("go on", &mut io::BufReader::new(io::repeat(b'y'))));
    }
}
