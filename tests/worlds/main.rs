//! Every verb that only reads, on recorded machines: no root, no kernel, any machine.
//!
//! `NAME.world` is a machine as a text, `NAME.answers` what the commands say on it. `WORLDS=overwrite cargo test --test worlds`
//! writes the answers again. `record` has the recipes; it makes the worlds in the guest.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives the machine from outside, with programs and files"
)]

mod commands;
mod recorder;
mod text;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use libtest_mimic::{Arguments, Failed, Trial};

/// The first word of the process that answers on a recorded machine: its directory, a program's name and words follow.
const ANSWER: &str = "--answer-on";
/// The first word of the recorder, which prints the machine that it runs on.
const RECORD: &str = "--record";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some(ANSWER) => answer(words.get(1..).unwrap_or_default()),
        Some(RECORD) => {
            print!("{}", recorder::record(words.get(1..).unwrap_or_default()));
            ExitCode::SUCCESS
        }
        _ => replay(),
    }
}

/// The program itself, on a recorded machine.
fn answer(words: &[String]) -> ExitCode {
    let [dir, program, words @ ..] = words else { panic!("{ANSWER} DIRECTORY PROGRAM WORDS…") };
    mdctl::kernel::recorded::enter(Path::new(dir)).expect("a recorded machine");
    ExitCode::from(mdctl::command::run(Path::new(program), words.iter().map(Into::into).collect()))
}

fn replay() -> ExitCode {
    let mut worlds: Vec<PathBuf> =
        fs::read_dir(place()).expect("the worlds").map(|entry| entry.expect("a name").path()).collect();
    worlds.retain(|path| path.extension().is_some_and(|ending| ending == "world"));
    worlds.sort();
    assert!(!worlds.is_empty(), "no world in {}", place().display());
    let trial = |path: PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Trial::test(name, move || answers(&path))
    };
    libtest_mimic::run(&Arguments::from_args(), worlds.into_iter().map(trial).collect()).exit_code()
}

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/worlds")
}

fn answers(world: &Path) -> Result<(), Failed> {
    let text = fs::read_to_string(world)?;
    let root = tempfile::tempdir()?;
    let machine = text::build(&text, root.path())?;
    let mut found = String::new();
    for command in commands::all(&machine) {
        found.push_str(&said(root.path(), &command));
    }
    let kept = world.with_extension("answers");
    if env::var("WORLDS").is_ok_and(|word| word == "overwrite") {
        fs::write(&kept, found)?;
        return Ok(());
    }
    compare(&fs::read_to_string(&kept).unwrap_or_default(), &found)
}

/// A command, what it says, and its status where that is not 0.
fn said(root: &Path, command: &str) -> String {
    let mut words = command.split(' ');
    let output = Command::new(env::current_exe().expect("this program"))
        .args([ANSWER.as_ref(), root.as_os_str(), words.next().unwrap_or_default().as_ref()])
        .args(words)
        .env_clear()
        .env("TZ", "UTC")
        .current_dir(root)
        .stdin(std::process::Stdio::null())
        .output()
        .expect("this program starts");
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&root.display().to_string(), "");
    let mut text = format!("$ {command}\n{}", shown(&output.stdout));
    for line in shown(&output.stderr).lines() {
        text.push_str(&format!("! {line}\n"));
    }
    match output.status.code() {
        Some(0) => {}
        Some(code) => text.push_str(&format!("[{code}]\n")),
        None => text.push_str(&format!("[{}]\n", output.status)),
    }
    text.push('\n');
    text
}

/// The first command whose answer differs, as it is kept and as it is.
fn compare(kept: &str, found: &str) -> Result<(), Failed> {
    let sections = |text: &str| -> Vec<String> { text.split("\n$ ").map(str::to_owned).collect() };
    let (kept, found) = (sections(kept), sections(found));
    for nth in 0..kept.len().max(found.len()) {
        let (was, is) = (kept.get(nth), found.get(nth));
        if was != is {
            let text = |section: Option<&String>| section.cloned().unwrap_or_else(|| "nothing".to_owned());
            let many =
                (0..kept.len().max(found.len())).filter(|&nth| kept.get(nth) != found.get(nth)).count();
            return Err(format!(
                "{many} answers differ. The first, as it is kept:\n{}\nand as it is:\n{}\n\
                 (WORLDS=overwrite cargo test --test worlds writes them again)",
                text(was),
                text(is)
            )
            .into());
        }
    }
    Ok(())
}
