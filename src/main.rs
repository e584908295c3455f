//! argv[0] chooses the personality; the exit status is chosen here and nowhere else.

use std::{path::PathBuf, process::ExitCode};

#[expect(clippy::disallowed_methods, reason = "the one place that reads the arguments")]
fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let program = PathBuf::from(args.next().unwrap_or_default());
    ExitCode::from(mdctl::command::run(&program, args.collect()))
}
