//! Notes that outlive the process that wrote them: a file that is locked as long as the writer lives.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read as _, Write as _},
    mem::ManuallyDrop,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

use super::{KernelError, files};

/// The most that notes are believed to be.
const LIMIT: u64 = 1 << 16;

/// Notes that this process writes, or that it took over from one that died. They are removed when this is dropped.
#[derive(Debug)]
pub struct Notes {
    path: PathBuf,
    file: Flock<File>,
    stay: bool,
}

/// Notes of a command that do not end with the plan that began them, each under what it is about. Those that nobody forgets
/// stay for the next command. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Lasting(Arc<Mutex<BTreeMap<String, ManuallyDrop<Notes>>>>);

impl Lasting {
    /// Keeps notes in place of those about the same.
    pub fn keep(&self, about: &str, notes: Notes) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(all.insert(about.to_owned(), ManuallyDrop::new(notes)).map(ManuallyDrop::into_inner));
    }

    /// What they are about is over.
    pub fn forget(&self, about: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(all.remove(about).map(ManuallyDrop::into_inner));
    }
}

impl Notes {
    /// Begins notes in this directory.
    pub fn begin(dir: &Path) -> Result<Self, KernelError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        files::make_dirs(dir, 0o700)?;
        loop {
            let path = dir.join(format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
            let file = File::options().append(true).create_new(true).mode(0o600).open(&path);
            let file = file.map_err(|error| KernelError::io(&path, "create", &error))?;
            let file = Flock::lock(file, FlockArg::LockExclusive)
                .map_err(|(_, errno)| KernelError::new(path.display().to_string(), "flock", errno))?;
            let ours = file.metadata().map_err(|error| KernelError::io(&path, "fstat", &error))?;
            // Before it was locked, somebody may have taken it for abandoned.
            if files::identity(&path) == Some((ours.dev(), ours.ino())) {
                return Ok(Self { path, file, stay: false });
            }
        }
    }

    /// Their file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a line.
    pub fn add(&mut self, line: &str) -> Result<(), KernelError> {
        self.file.write_all(line.as_bytes()).map_err(|error| KernelError::io(&self.path, "write", &error))
    }

    /// The notes in this directory whose writers are dead, each with its text.
    pub fn abandoned(dir: &Path) -> Result<Vec<(Self, String)>, KernelError> {
        let mut found = Vec::new();
        for name in files::names(dir)? {
            let path = dir.join(name);
            let options =
                File::options().read(true).append(true).custom_flags(nix::libc::O_NOFOLLOW).to_owned();
            let Ok(file) = options.open(&path) else { continue };
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) => {
                    let mut text = String::new();
                    let read = (&*file).take(LIMIT).read_to_string(&mut text);
                    read.map_err(|error| KernelError::io(&path, "read", &error))?;
                    let notes = Self { path, file, stay: false };
                    // Without a word: killed before it did anything.
                    if !text.is_empty() {
                        found.push((notes, text));
                    }
                }
                Err((_, Errno::EWOULDBLOCK)) => {}
                Err((_, errno)) => return Err(KernelError::new(path.display().to_string(), "flock", errno)),
            }
        }
        Ok(found)
    }

    /// Lets go of them without removing them: they are for the next one.
    pub fn leave(mut self) {
        self.stay = true;
    }
}

/// Adds a line to notes that are there.
pub fn append(path: &Path, line: &str) -> Result<(), KernelError> {
    let file = File::options().append(true).custom_flags(nix::libc::O_NOFOLLOW).open(path);
    let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
    written.map_err(|error| KernelError::io(path, "write", &error))
}

impl Drop for Notes {
    fn drop(&mut self) {
        if !self.stay {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_of_the_dead_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("unfinished");
        assert!(Notes::abandoned(&dir).unwrap().is_empty());
        let mut notes = Notes::begin(&dir).unwrap();
        notes.add("one\n").unwrap();
        assert!(Notes::abandoned(&dir).unwrap().is_empty(), "its writer lives");
        let path = notes.path.clone();
        drop(notes);
        assert!(!path.exists());
        fs::write(&path, "made md0\n").unwrap();
        let found = Notes::abandoned(&dir).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1, "made md0\n");
        append(found[0].0.path(), "over\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "made md0\nover\n");
        drop(found);
        assert!(!path.exists());
        assert!(append(&path, "over\n").is_err(), "it makes none");
    }
}
