//! What one command says on standard output: written at once, or collected for one document at its end.
//!
//! A thread runs one command at a time, so what belongs to the thread belongs to the command.

use std::{
    cell::RefCell,
    io::{self, ErrorKind, Write as _},
    path::Path,
};

use super::{DONE, FAILED};
use crate::{kernel::KernelError, report::outcome::Outcome, ui::Ui};

/// What became of the output so far.
#[derive(Default)]
struct Output {
    /// For one document about all arrays and members that the command was about.
    outcomes: Vec<Outcome>,
    /// Something was written already.
    printed: bool,
    /// It is to be one document.
    json: bool,
    /// Why something could not be written.
    failed: Option<io::Error>,
}

thread_local! {
    static OUTPUT: RefCell<Output> = RefCell::default();
}

/// What a command's words ask for.
pub(super) fn begin(json: bool) {
    OUTPUT.set(Output { json, ..Output::default() });
}

pub(super) fn is_json() -> bool {
    OUTPUT.with_borrow(|output| output.json)
}

/// Keeps what was done, or refused, for the document at the command's end.
pub(super) fn tell(outcome: Outcome) {
    OUTPUT.with_borrow_mut(|output| output.outcomes.push(outcome));
}

/// Writes an answer. That a reader has gone away is no failure; anything else is, of the whole command.
pub(super) fn print(text: &str) -> u8 {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    OUTPUT.with_borrow_mut(|output| {
        output.printed |= !text.is_empty();
        match written {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                output.failed.get_or_insert(error);
                FAILED
            }
            _ => DONE,
        }
    })
}

/// Whether anything was printed or kept.
pub(super) fn is_empty() -> bool {
    OUTPUT.with_borrow(|output| !output.printed && output.outcomes.is_empty())
}

/// Prints what was kept, and says what could not be written: then the command has failed.
pub(super) fn ended(program: &Path, status: u8) -> u8 {
    let outcomes = OUTPUT.with_borrow_mut(|output| std::mem::take(&mut output.outcomes));
    if let Some(outcome) = Outcome::together(outcomes) {
        print(&outcome.text());
    }
    let Some(error) = OUTPUT.with_borrow_mut(|output| output.failed.take()) else { return status };
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let ui = Ui::new(name, 0);
    let error = KernelError::io(Path::new("standard output"), "write", &error);
    ui.error(&format!("{error}; the answer is not complete"));
    if status == DONE { FAILED } else { status }
}
