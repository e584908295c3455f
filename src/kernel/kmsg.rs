//! The kernel's own words about what it just refused: the log since a moment.

use std::{
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use nix::fcntl::OFlag;

use super::{host, recorded::at};

/// A place in the kernel's log.
#[derive(Debug)]
pub struct KernelLog {
    file: Option<File>,
}

/// A single record is at most this long (`CONSOLE_EXT_LOG_MAX`).
const RECORD: usize = 8192;
/// More records than one operation writes, and than a log of the usual size keeps; a bound, so that a busy log cannot
/// hold us.
const RECORDS: usize = 20_000;

impl KernelLog {
    /// Remembers the end of the log. Where it cannot be read there will simply be no words.
    #[must_use]
    pub fn mark(path: &Path) -> Self {
        let opened = File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(at(path));
        let file = opened.ok().and_then(|mut file| file.seek(SeekFrom::End(0)).ok().map(|_| file));
        Self { file }
    }

    /// All that the log still has.
    #[must_use]
    pub fn from_start(path: &Path) -> Self {
        Self { file: File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(at(path)).ok() }
    }

    /// The messages since the mark that contain one of `words`, oldest first.
    pub fn since(&mut self, words: &[&str]) -> Vec<String> {
        self.records(words).into_iter().map(|line| line.text).collect()
    }

    /// The same, each with its moment.
    pub fn records(&mut self, words: &[&str]) -> Vec<KmsgLine> {
        let Some(file) = &mut self.file else { return Vec::new() };
        let mut found = Vec::new();
        let mut record = vec![0; RECORD];
        for _ in 0..RECORDS {
            match file.read(&mut record) {
                Ok(0) => break,
                Ok(length) => found.extend(message(record.get(..length).unwrap_or_default())),
                // Overwritten before it was read: the next read goes on with what is there.
                Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::Interrupted) => {}
                Err(_) => break,
            }
        }
        found.retain(|line: &KmsgLine| words.iter().any(|word| line.text.contains(word)));
        found
    }
}

/// Adds a line to the log, where that can be written.
pub fn say(path: &Path, text: &str) {
    if let Ok(mut log) = File::options().write(true).open(at(path)) {
        let _ = log.write_all(format!("{text}\n").as_bytes());
    }
}

/// What an initial RAM disk decides is heard by nobody else: level 5, so that it is not on a console that was told to be quiet.
pub fn say_early(path: &Path, program: &str, text: &str) {
    if host::is_early() {
        text.lines().for_each(|line| say(path, &format!("<5>{program}: {line}")));
    }
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsgLine {
    /// Microseconds since the machine was started.
    pub micros: u64,
    /// What it says.
    pub text: String,
}

/// The lines of `PRIORITY,SEQUENCE,MICROSECONDS,FLAGS;TEXT\n DICT…`. A line end within the text is written `\x0a`.
fn message(record: &[u8]) -> Vec<KmsgLine> {
    let record = String::from_utf8_lossy(record);
    let Some((head, rest)) = record.split_once(';') else { return vec![] };
    let micros = head.split(',').nth(2).and_then(|text| text.parse().ok()).unwrap_or(0);
    let text = rest.lines().next().unwrap_or_default();
    let plain = |line: &str| line.chars().filter(|c| !c.is_control()).collect::<String>();
    text.split("\\x0a")
        .map(|line| KmsgLine { micros, text: plain(line) })
        .filter(|line| !line.text.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_record() {
        let record = b"3,1234,5678,-;md: sda1 does not have a valid v1.2 superblock, not importing!\n SUBSYSTEM=block\n";
        let text = "md: sda1 does not have a valid v1.2 superblock, not importing!";
        assert_eq!(message(record), [KmsgLine { micros: 5678, text: text.to_owned() }]);
        let two =
            message(b"2,1,9,-;md/raid1:md1: Disk failure on sda.\\x0amd/raid1:md1: Operation continuing");
        assert_eq!(
            two.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(),
            ["md/raid1:md1: Disk failure on sda.", "md/raid1:md1: Operation continuing",]
        );
        assert_eq!(message(b"junk"), []);
    }
}
