//! /sys under a root: what block devices and md arrays say of themselves, and what can be written to them.

mod array;
mod block;
mod suspended;
mod values;

use std::{
    fs::{self, File},
    io::{ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use nix::errno::Errno;

use super::{
    error::{ErrorCause, KernelError},
    recorded,
};

pub use array::{Array, Member};
pub use block::{BlockEntry, Shape};
pub use suspended::Suspended;
pub use values::{Changing, SlotText, SyncProgress};

pub use crate::words::{ArrayAttr, ArrayState, MemberAttr, MemberState, SyncAction};

/// The longest attribute that is read. The kernel's own limit is one page; only recorded trees can be longer.
const LONGEST: u64 = 64 * 1024;

/// A sysfs tree: `/sys`, or a recorded one.
#[derive(Clone, Debug)]
pub struct Sysfs {
    root: PathBuf,
}

impl Default for Sysfs {
    fn default() -> Self {
        Self::new("/sys")
    }
}

impl Sysfs {
    /// The tree below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where something is.
    pub fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.root.join(below)
    }

    /// One attribute without its line end; `None` where this kernel or this device does not have it.
    pub fn read(&self, below: impl AsRef<Path>) -> Result<Option<String>, KernelError> {
        let path = self.path(below);
        let mut text = String::new();
        let read = File::open(&path).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
        match read {
            Ok(_) => {
                text.truncate(text.trim_end_matches('\n').len());
                Ok(Some(text))
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            // A member's or array's attributes answer so while it goes away.
            Err(error) if error.raw_os_error() == Some(nix::libc::ENODEV) => Ok(None),
            // device-mapper's attributes answer so then (`dm_attr_show`).
            Err(error)
                if error.raw_os_error() == Some(nix::libc::EINVAL)
                    && path.parent().is_some_and(|dir| dir.ends_with("dm")) =>
            {
                Ok(None)
            }
            Err(error) => Err(KernelError::io(&path, "read", &error)),
        }
    }

    /// One attribute as a value; unreadable text is an error, a missing attribute is `None`.
    pub fn value<T>(
        &self,
        below: impl AsRef<Path>,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, KernelError> {
        let Some(text) = self.read(&below)? else { return Ok(None) };
        match parse(text.trim()) {
            Some(value) => Ok(Some(value)),
            None => {
                let path = self.path(below).display().to_string();
                Err(KernelError::other(path, "read", ErrorCause::Unexpected(text)))
            }
        }
    }

    /// Writes one attribute: one write(2), nothing created.
    pub fn write(&self, below: impl AsRef<Path>, value: &str) -> Result<(), KernelError> {
        let path = self.path(&below);
        let written =
            File::options().write(true).open(&path).and_then(|mut file| file.write(value.as_bytes()));
        match written {
            Ok(count) if count == value.len() => Ok(()),
            Ok(_) => Err(KernelError::new(path.display().to_string(), "write", Errno::EIO)),
            Err(error) => Err(KernelError::io(&path, format!("write {value}"), &error)),
        }
    }

    /// Whether it is there.
    pub fn exists(&self, below: impl AsRef<Path>) -> bool {
        fs::symlink_metadata(self.path(below)).is_ok()
    }

    /// The names in a directory, sorted; none where there is no directory.
    pub fn names(&self, below: impl AsRef<Path>) -> Result<Vec<String>, KernelError> {
        let path = self.path(below);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(vec![]);
            }
            Err(error) => return Err(KernelError::io(&path, "read directory", &error)),
        };
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        Ok(names)
    }

    /// The same in the directory's own order, which a recorded machine does not have.
    pub fn names_as_they_come(&self, below: impl AsRef<Path>) -> Result<Vec<String>, KernelError> {
        if recorded::entered().is_some() {
            return self.names(below);
        }
        let path = self.path(below);
        let entries =
            fs::read_dir(&path).map_err(|error| KernelError::io(&path, "read directory", &error))?;
        Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
    }

    /// The last component of where a link leads.
    pub fn link(&self, below: impl AsRef<Path>) -> Option<String> {
        let target = fs::read_link(self.path(below)).ok()?;
        target.file_name()?.to_str().map(str::to_owned)
    }

    /// A parameter of a loaded module.
    pub fn parameter(&self, module: &str, name: &str) -> Result<Option<String>, KernelError> {
        self.read(Path::new("module").join(module).join("parameters").join(name))
    }

    /// Writes a module's parameter; `Ok(false)` where this kernel does not have it.
    pub fn set_parameter(&self, module: &str, name: &str, value: &str) -> Result<bool, KernelError> {
        let path = Path::new("module").join(module).join("parameters").join(name);
        match self.write(path, value) {
            Ok(()) => Ok(true),
            Err(error) if error.is(Errno::ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether a module is loaded or built in with parameters.
    pub fn has_module(&self, module: &str) -> bool {
        self.exists(Path::new("module").join(module))
    }
}

#[cfg(test)]
mod tests;
