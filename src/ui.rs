//! Words to people: notes, warnings, errors and questions. The only writer to standard error.

use std::io::{self, BufRead, IsTerminal, Write};

/// Speaks for one command under the name it was called by.
#[derive(Clone, Debug)]
pub struct Ui {
    program: String,
    verbosity: i32,
}

impl Ui {
    /// `program` goes before every message; below 0, `verbosity` silences notes.
    pub fn new(program: impl Into<String>, verbosity: i32) -> Self {
        Self { program: program.into(), verbosity }
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

    /// Text without the program's name.
    pub fn plain(&self, text: &str) {
        // Nobody is left to be told that standard error is gone.
        let _ = io::stderr().write_all(text.as_bytes());
    }

    fn say(&self, text: &str) {
        let mut line = format!("{}: {text}", self.program);
        if !line.ends_with('\n') {
            line.push('\n');
        }
        self.plain(&line);
    }

    /// Asks until the answer begins with y or n. The end of input means no, as does a fifth other answer;
    /// without a terminal the answer is what standard input holds, so nothing waits for a person who is
    /// not there.
    pub fn ask(&self, question: &str) -> bool {
        self.ask_from(question, &mut io::stdin().lock(), io::stdin().is_terminal())
    }

    fn ask_from(&self, question: &str, input: &mut dyn BufRead, terminal: bool) -> bool {
        for _ in 0..5 {
            self.plain(&format!("{question} [y/N]? "));
            let mut answer = String::new();
            if !matches!(input.read_line(&mut answer), Ok(n) if n > 0) {
                self.plain("\n");
                return false;
            }
            if !terminal {
                self.plain("\n");
            }
            match answer.trim_start().bytes().next() {
                Some(b'y' | b'Y') => return true,
                Some(b'n' | b'N') | None => return false,
                Some(_) => {}
            }
        }
        false
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
            ("Yes\n", true),
            ("n\n", false),
            ("\n", false),
            ("", false),
            ("what\ny\n", true),
            ("what\n", false),
            ("a\nb\nc\nd\ne\ny\n", false),
        ] {
            assert_eq!(ui.ask_from("go on", &mut input.as_bytes(), false), expected, "{input:?}");
        }
    }
}
