//! The kernel's own words about what it just refused: the log since a moment.

use std::{
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use nix::fcntl::OFlag;

/// A place in the kernel's log.
#[derive(Debug)]
pub struct KernelLog {
    file: Option<File>,
}

/// A single record is at most this long (`CONSOLE_EXT_LOG_MAX`).
const RECORD: usize = 8192;
/// More records than one operation writes; a bound, so that a busy log cannot hold us.
const RECORDS: usize = 1000;

impl KernelLog {
    /// Remembers the end of the log. Where it cannot be read there will simply be no words.
    #[must_use]
    pub fn mark(path: &Path) -> Self {
        let opened = File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
        let file = opened.ok().and_then(|mut file| file.seek(SeekFrom::End(0)).ok().map(|_| file));
        Self { file }
    }

    /// The messages since the mark that contain one of `words`, oldest first.
    pub fn since(&mut self, words: &[&str]) -> Vec<String> {
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
        found.retain(|line: &String| words.iter().any(|word| line.contains(word)));
        found
    }
}

/// The text of `PRIORITY,SEQUENCE,TIME,FLAGS;TEXT\n DICT…`.
fn message(record: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(record);
    let (_, rest) = text.split_once(';')?;
    rest.lines().next().map(|line| line.chars().filter(|c| !c.is_control()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_record() {
        let record = b"3,1234,5678,-;md: sda1 does not have a valid v1.2 superblock, not importing!\n SUBSYSTEM=block\n";
        assert_eq!(
            message(record).as_deref(),
            Some("md: sda1 does not have a valid v1.2 superblock, not importing!")
        );
        assert_eq!(message(b"junk"), None);
    }
}
