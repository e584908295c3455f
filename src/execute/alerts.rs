//! Telling: programs, the mailer, the system's log, the journal.

use std::{path::Path, time::Duration};

use anyhow::{Result, bail};

use crate::{
    kernel::{Machine, files, message, program},
    plan::monitor::AlertStep,
};

/// How long a program may run before it is killed: nobody else is notified meanwhile.
const PROGRAM_WAIT: Duration = Duration::from_secs(600);
/// The same for a mailer.
const MAIL_WAIT: Duration = Duration::from_secs(120);

/// Tells.
pub(super) fn tell(step: &AlertStep, machine: &Machine) -> Result<()> {
    match step {
        // What it answers is its own matter.
        AlertStep::Program { program, words } => {
            let _status = program::call(Path::new(program), words, None, PROGRAM_WAIT)?;
        }
        AlertStep::Sendmail { from, message } => {
            let from = from.as_ref().map(|address| format!("-f{address}"));
            let words: Vec<String> = std::iter::once("-t".to_owned()).chain(from).collect();
            let path = program::find("sendmail").unwrap_or_else(|| "/usr/sbin/sendmail".into());
            let ended = program::call(&path, &words, Some(message.as_bytes()), MAIL_WAIT)?;
            if ended != Some(0) {
                bail!("{}: it could not send the mail (status {})", path.display(), ended.unwrap_or(-1));
            }
        }
        AlertStep::Syslog { priority, text } => message::syslog(*priority, "mdadm", text)?,
        AlertStep::Journal { fields } => message::journal(fields)?,
        AlertStep::Deliver { file, .. } => super::post::start(machine, file)?,
        AlertStep::Keep { file, text } => {
            let path = Path::new(file);
            let dir = path.parent().unwrap_or(Path::new("/"));
            files::make_dirs(dir, 0o700)?;
            files::replace(path, text.as_bytes(), 0o600)?;
            files::sync_dir(dir)?;
        }
    }
    Ok(())
}
