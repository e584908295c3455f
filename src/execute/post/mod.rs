//! Delivering letters: by SMTP, and to web addresses. One process does one letter, so that a receiver that does not answer, a name
//! that cannot be found and a library that fails are nobody else's trouble.

#[cfg(any(feature = "mail", feature = "hook"))]
mod net;
#[cfg(feature = "mail")]
mod smtp;
#[cfg(feature = "hook")]
mod web;

use std::{path::Path, sync::mpsc, thread, time::Duration};

use anyhow::{Result, anyhow};

use crate::{
    kernel::{Lock, Machine, files, second},
    model::monitor::Letter,
    plan::monitor::Mailbox,
};

/// The name under which this program delivers a letter: the word after it is the letter's file.
pub const NAME: &str = "mdctl-deliver";

/// Its exit status when it has delivered, or said why not.
const DONE: u8 = 0;

/// For all of it: a server may answer one byte at a time.
const LONGEST: Duration = Duration::from_secs(60);

/// Has a process deliver the letter in this file.
pub(super) fn start(machine: &Machine, file: &str) -> Result<()> {
    let letter = file.to_owned();
    second::for_one_act(&machine.procfs, &[NAME, file], move |status| ended(&letter, status))?;
    Ok(())
}

/// That process has ended: where it has neither delivered nor said why not, that is said in its place.
fn ended(file: &str, status: Option<i32>) {
    let why_file = Letter::why_file(file);
    let is_silent = files::exists(Path::new(file)) && !files::exists(Path::new(&why_file));
    if status == Some(i32::from(DONE)) || !is_silent {
        return;
    }
    let how = status.map_or("it was killed".to_owned(), |status| format!("status {status}"));
    let why = format!("the process that was to deliver the alert ended without a word ({how})");
    let said = files::replace(Path::new(&why_file), why.as_bytes(), 0o600);
    tracing::debug!(?said, why, "a letter");
}

/// What that process does: delivers, and removes the file; or says in another file why not. Nobody else does it meanwhile.
///
/// # Errors
/// Neither can be done.
pub fn run(file: &str, to: Result<(Mailbox, Letter)>) -> Result<()> {
    let path = Path::new(file);
    let Some(lock) = Lock::of_file(path)? else { return Ok(()) };
    match to.and_then(|(to, letter)| in_time(to, letter)) {
        Ok(()) => {
            files::remove(path)?;
            // Else it would be delivered again after a loss of power.
            path.parent().map(files::sync_dir).transpose()?;
        }
        Err(error) => {
            let why = in_words(&format!("{error:#}"));
            files::replace(Path::new(&Letter::why_file(file)), why.as_bytes(), 0o600)?;
        }
    }
    drop(lock);
    Ok(())
}

/// What went wrong, for people: libraries say much of it in their own words.
fn in_words(why: &str) -> String {
    let silence = ["Resource temporarily unavailable", "timeout: ", "timed out"];
    if silence.iter().any(|words| why.contains(words)) {
        return "it did not answer in time".to_owned();
    }
    let prefixes =
        ["network error: ", "Connection error: ", "internal client error: ", "tls error: ", "io: "];
    let why = prefixes.iter().find_map(|prefix| why.strip_prefix(prefix)).unwrap_or(why);
    let hint = match why.contains("UnknownIssuer") {
        true => "; nobody whom this machine trusts has signed it (package ca-certificates, SSL_CERT_FILE)",
        false => "",
    };
    format!("{why}{hint}").chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn in_time(to: Mailbox, letter: Letter) -> Result<()> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(deliver(&to, &letter)));
    receiver.recv_timeout(LONGEST).unwrap_or_else(|_| Err(anyhow!("not done within {} s", LONGEST.as_secs())))
}

fn deliver(to: &Mailbox, letter: &Letter) -> Result<()> {
    match to {
        Mailbox::Smtp(server) => smtp::send(server, letter),
        Mailbox::Hook(hook) => web::send(hook, letter),
    }
}

#[cfg(not(feature = "mail"))]
mod smtp {
    pub(super) fn send(_: &crate::config::alerts::SmtpServer, _: &super::Letter) -> super::Result<()> {
        Err(super::anyhow!("this program was built without SMTP"))
    }
}

#[cfg(not(feature = "hook"))]
mod web {
    pub(super) fn send(_: &crate::config::alerts::WebHook, _: &super::Letter) -> super::Result<()> {
        Err(super::anyhow!("this program was built without web hooks"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_for_people() {
        for (said, words) in [
            ("network error: Resource temporarily unavailable (os error 11)", "it did not answer in time"),
            ("timeout: global", "it did not answer in time"),
            ("io: Connection refused (os error 111)", "Connection refused (os error 111)"),
            ("permanent error (550): no\nsuch user", "permanent error (550): no such user"),
        ] {
            assert_eq!(in_words(said), words);
        }
        assert!(
            in_words("io: invalid peer certificate: UnknownIssuer")
                .starts_with("invalid peer certificate: Unk")
        );
    }

    #[test]
    fn a_process_that_ends_without_a_word_is_spoken_for() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.letter").display().to_string();
        let why = || {
            let bytes = files::read(Path::new(&Letter::why_file(&file)), 200).unwrap();
            bytes.map(|bytes| String::from_utf8(bytes).unwrap())
        };
        ended(&file, None);
        assert_eq!(why(), None, "it was delivered");
        files::replace(Path::new(&file), b"letter", 0o600).unwrap();
        ended(&file, Some(0));
        assert_eq!(why(), None, "somebody else is at it");
        ended(&file, None);
        assert!(why().unwrap().ends_with("ended without a word (it was killed)"));
        ended(&file, Some(1));
        assert!(why().unwrap().ends_with("(it was killed)"), "what was said stays");
    }

    #[test]
    fn a_letter_that_cannot_be_delivered_stays_and_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.letter").display().to_string();
        // Somebody else has delivered it.
        run(&file, Err(anyhow!("no"))).unwrap();
        assert!(!files::exists(Path::new(&Letter::why_file(&file))));
        files::replace(Path::new(&file), b"letter", 0o600).unwrap();
        run(&file, Err(anyhow!("no"))).unwrap();
        assert_eq!(files::read(Path::new(&Letter::why_file(&file)), 9).unwrap().unwrap(), b"no");
        assert!(files::exists(Path::new(&file)));
    }
}
