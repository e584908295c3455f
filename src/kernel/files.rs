//! Small files: read with a bound, replaced whole, removed.

use std::{
    fs::{self, DirBuilder, File},
    io::{ErrorKind, Read, Write as _},
    os::fd::AsRawFd,
    os::unix::fs::{
        DirBuilderExt, FileExt, FileTypeExt as _, MetadataExt, OpenOptionsExt, PermissionsExt as _, fchown,
    },
    path::{Path, PathBuf},
};

use superblock::{Bytes, Write};

use super::{ErrorCause, KernelError, recorded::at};

/// The whole file; `None` where there is none. More than `limit` bytes are an error.
pub fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, KernelError> {
    let mut bytes = vec![];
    // Not waiting for the other end of a FIFO.
    let opened = File::options().read(true).custom_flags(nix::libc::O_NONBLOCK).open(at(path));
    match opened.and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes)) {
        Ok(count) if u64::try_from(count).is_ok_and(|count| count > limit) => {
            let cause = ErrorCause::Unexpected(format!("more than {limit} bytes"));
            Err(KernelError::other(path.display().to_string(), "read", cause))
        }
        Ok(_) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(KernelError::io(path, "read", &error)),
    }
}

/// The same of what has to be a plain file, or a link to one: anything else is an error, and is not opened. A link that leads
/// nowhere is one, too, for what it should lead to may only not be there yet.
pub fn read_plain(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, KernelError> {
    match in_the_way(&at(path)) {
        Some(what) => Err(KernelError::other(path.display().to_string(), "read", ErrorCause::NotAFile(what))),
        None => read(path, limit),
    }
}

/// Text from standard input, at most so much.
pub fn standard_input(most: u64) -> Result<String, KernelError> {
    let mut text = String::new();
    let input = std::io::stdin().lock().take(most).read_to_string(&mut text);
    input.map(|_| text).map_err(|error| KernelError::io(Path::new("standard input"), "read", &error))
}

/// Opens a file to read.
pub fn open(path: &Path) -> Result<File, KernelError> {
    File::open(at(path)).map_err(|error| KernelError::io(path, "open", &error))
}

/// Makes a file to write; nothing may be there.
pub fn create_new(path: &Path) -> Result<File, KernelError> {
    let file = File::options().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|error| KernelError::io(path, "create", &error))
}

/// What is at a path where a file is to be written, if that is not a plain file or a link to one: nothing of it may be lost by
/// the file's taking its place.
pub fn in_the_way(path: &Path) -> Option<&'static str> {
    let there = fs::symlink_metadata(path).ok()?;
    let kind = match fs::metadata(path) {
        Ok(meta) => meta.file_type(),
        Err(_) => there.file_type(),
    };
    Some(if kind.is_file() {
        return None;
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_block_device() {
        "a block device"
    } else if kind.is_char_device() {
        "a character device"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_symlink() {
        "a link that leads nowhere"
    } else {
        "not a plain file"
    })
}

/// Replaces the file: `PATH.new` is written, synced, and renamed. On failure the old file is as it was. What is not a plain file
/// is not replaced.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), KernelError> {
    put(path, bytes, mode, |_| Ok(()))
}

/// The same for a file that is an administrator's: owner, group and permissions stay; a new one has these permissions whatever the
/// mask of the process is. The name is on stable storage, too.
pub fn edit(path: &Path, bytes: &[u8], mode: u32) -> Result<(), KernelError> {
    let before = fs::metadata(path).ok();
    let mode = before.as_ref().map_or(mode, |meta| meta.permissions().mode() & 0o7777);
    put(path, bytes, 0o600, |file| {
        if let Some(meta) = &before {
            fchown(file, Some(meta.uid()), Some(meta.gid()))?;
        }
        file.set_permissions(fs::Permissions::from_mode(mode))
    })?;
    sync_dir(path.parent().unwrap_or(Path::new("/")))
}

fn put(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    prepare: impl Fn(&File) -> std::io::Result<()>,
) -> Result<(), KernelError> {
    if let Some(what) = in_the_way(path) {
        return Err(KernelError::other(path.display().to_string(), "write", ErrorCause::NotAFile(what)));
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    // Left by somebody who was killed, perhaps as a link.
    remove(&new)?;
    let written = File::options().write(true).create_new(true).mode(mode).open(&new).and_then(|mut file| {
        prepare(&file).and_then(|()| file.write_all(bytes)).and_then(|()| file.sync_all())
    });
    let done = written
        .map_err(|error| KernelError::io(&new, "write", &error))
        .and_then(|()| fs::rename(&new, path).map_err(|error| KernelError::io(path, "rename", &error)));
    if done.is_err() {
        let _ = fs::remove_file(&new);
    }
    done
}

/// Returns when the names in a directory are on stable storage.
pub fn sync_dir(path: &Path) -> Result<(), KernelError> {
    let synced = File::open(path).and_then(|dir| dir.sync_all());
    synced.map_err(|error| KernelError::io(path, "fsync", &error))
}

/// The size of a regular file; `None` for anything else, a link included.
pub fn size(path: &Path) -> Option<u64> {
    fs::symlink_metadata(at(path)).ok().filter(fs::Metadata::is_file).map(|meta| meta.len())
}

/// The permissions of a file; `None` where there is none.
pub fn mode(path: &Path) -> Option<u32> {
    fs::metadata(at(path)).ok().map(|meta| meta.permissions().mode() & 0o7777)
}

/// Where a path leads through all its links; the path itself where nothing is there.
pub fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

/// Has the kernel forget what it keeps of a range of a file or device; what is not written yet it keeps.
pub fn forget_pages(path: &Path, from: Bytes, length: Bytes) {
    let range = i64::try_from(from.0).ok().zip(i64::try_from(length.0).ok());
    let (Ok(file), Some((from, length))) = (File::open(path), range) else { return };
    let advice = nix::fcntl::PosixFadviseAdvice::POSIX_FADV_DONTNEED;
    if let Err(errno) = nix::fcntl::posix_fadvise(&file, from, length, advice) {
        tracing::debug!(%errno, "pages stay");
    }
}

/// When a file was changed last, seconds since 1970.
pub fn changed(path: &Path) -> Option<i64> {
    fs::symlink_metadata(at(path)).ok().map(|meta| meta.mtime())
}

/// Makes a sparse file with these bytes in it; nothing may be there. On failure nothing is.
pub fn save(path: &Path, size: Bytes, pieces: &[Write]) -> Result<(), KernelError> {
    let failed = |error: &std::io::Error| KernelError::io(path, "create", error);
    let file = File::options().read(true).write(true).create_new(true).mode(0o666).open(path);
    let file = file.map_err(|error| failed(&error))?;
    let filled = file.set_len(size.0).and_then(|()| {
        pieces.iter().try_for_each(|piece| file.write_all_at(&piece.data, piece.at.0))?;
        file.sync_all()
    });
    filled.map_err(|error| {
        let _ = fs::remove_file(path);
        failed(&error)
    })
}

/// Takes room on stable storage for a file that was just made.
pub fn reserve(file: &File, path: &Path, size: Bytes) -> Result<(), KernelError> {
    let length = i64::try_from(size.0).unwrap_or(i64::MAX);
    let taken = nix::fcntl::fallocate(file, nix::fcntl::FallocateFlags::empty(), 0, length);
    taken.map_err(|errno| KernelError::new(path.display().to_string(), "fallocate", errno))
}

/// Gives a file one more name; nothing may be there.
pub fn link(file: &Path, name: &Path) -> Result<(), KernelError> {
    fs::hard_link(file, name).map_err(|error| KernelError::io(name, "link", &error))
}

/// Whether there is anything.
pub fn exists(path: &Path) -> bool {
    at(path).exists()
}

/// Whether there is a directory.
pub fn is_dir(path: &Path) -> bool {
    fs::metadata(at(path)).is_ok_and(|meta| meta.is_dir())
}

/// What a file is, whatever its name: file system and inode; `None` where there is none.
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(at(path)).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// Makes an empty file; one that is there stays.
pub fn touch(path: &Path, mode: u32) -> Result<(), KernelError> {
    let flags = nix::libc::O_NOFOLLOW;
    let made =
        File::options().write(true).create(true).truncate(false).mode(mode).custom_flags(flags).open(path);
    made.map(drop).map_err(|error| KernelError::io(path, "create", &error))
}

/// Makes a directory and what is missing above it.
pub fn make_dirs(path: &Path, mode: u32) -> Result<(), KernelError> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    made.map_err(|error| KernelError::io(path, "mkdir", &error))
}

/// Removes a file or link; `false` where there was none.
pub fn remove(path: &Path) -> Result<bool, KernelError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(KernelError::io(path, "unlink", &error)),
    }
}

/// The names in a directory, in byte order; none where there is no directory.
pub fn names(path: &Path) -> Result<Vec<std::ffi::OsString>, KernelError> {
    let entries = match fs::read_dir(at(path)) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(vec![]);
        }
        Err(error) => return Err(KernelError::io(path, "read directory", &error)),
    };
    let mut names: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    names.sort();
    Ok(names)
}

/// A name of a file that is text, for a path that is not: where its links lead, the number of a block device, a descriptor
/// that stays open. `None` where there is none, or no file.
pub fn text_name(path: &Path) -> Option<PathBuf> {
    let real = fs::canonicalize(path).ok()?;
    if real.to_str().is_some() {
        return Some(real);
    }
    if let Some(dev) = super::node::number_of(&real).ok()? {
        return Some(format!("/dev/block/{dev}").into()).filter(|path: &PathBuf| fs::metadata(path).is_ok());
    }
    if !fs::metadata(&real).is_ok_and(|meta| meta.is_file()) {
        return None;
    }
    let file = File::open(&real).ok()?;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    // As long as the program runs somebody may ask for it.
    std::mem::forget(file);
    Some(path.into())
}

/// Where a link leads, one step; `None` for what is not a link.
pub fn link_target(path: &Path) -> Option<PathBuf> {
    fs::read_link(at(path)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_text_has_another_name() {
        use std::os::unix::ffi::OsStrExt;
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join(std::ffi::OsStr::from_bytes(b"odd\xff"));
        assert_eq!(text_name(&odd), None);
        fs::write(&odd, "content").unwrap();
        assert_eq!(fs::read_to_string(text_name(&odd).unwrap()).unwrap(), "content");
        let link = dir.path().join(std::ffi::OsStr::from_bytes(b"link\xff"));
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        assert_eq!(text_name(&link).unwrap(), Path::new("/dev/null"));
    }

    #[test]
    fn what_is_not_a_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("dir")).unwrap();
        fs::write(at("file"), "old").unwrap();
        nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        for (link, to) in [("null", "/dev/null"), ("nowhere", "/nowhere"), ("there", "file"), ("up", "dir")] {
            std::os::unix::fs::symlink(to, at(link)).unwrap();
        }
        for (name, what) in [
            ("dir", "a directory"),
            ("up", "a directory"),
            ("null", "a character device"),
            ("nowhere", "a link that leads nowhere"),
            ("fifo", "a FIFO"),
        ] {
            assert_eq!(in_the_way(&at(name)), Some(what), "{name}");
            let before = fs::symlink_metadata(at(name)).unwrap().ino();
            assert!(replace(&at(name), b"new", 0o600).unwrap_err().to_string().contains(what), "{name}");
            assert_eq!(fs::symlink_metadata(at(name)).unwrap().ino(), before, "{name}");
        }
        for name in ["file", "there", "new"] {
            assert_eq!(in_the_way(&at(name)), None, "{name}");
            replace(&at(name), b"new", 0o600).unwrap();
        }
    }

    #[test]
    fn only_a_plain_file_is_read_as_one() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("dir")).unwrap();
        fs::write(at("file"), "text").unwrap();
        nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        for (link, to) in [("null", "/dev/null"), ("nowhere", "/nowhere"), ("there", "file")] {
            std::os::unix::fs::symlink(to, at(link)).unwrap();
        }
        for (name, what) in [
            ("dir", "read: it is a directory, and should be a plain file"),
            ("null", "read: it is a character device, and should be a plain file"),
            ("nowhere", "read: it is a link that leads nowhere, and should be a plain file"),
            ("fifo", "read: it is a FIFO, and should be a plain file"),
        ] {
            let error = read_plain(&at(name), 10).unwrap_err().to_string();
            assert_eq!(error, format!("{}: {what}", at(name).display()));
        }
        for name in ["file", "there"] {
            assert_eq!(read_plain(&at(name), 10).unwrap().unwrap(), b"text", "{name}");
        }
        assert_eq!(read_plain(&at("missing"), 10).unwrap(), None);
    }

    #[test]
    fn an_edited_file_keeps_its_permissions() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.conf");
        edit(&path, b"one", 0o644).unwrap();
        assert_eq!(mode(&path), Some(0o644));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o2660)).unwrap();
        edit(&path, b"two", 0o644).unwrap();
        assert_eq!((fs::read(&path).unwrap().as_slice(), mode(&path)), (&b"two"[..], Some(0o2660)));
    }

    #[test]
    fn replaced_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("map");
        assert_eq!(read(&path, 10).unwrap(), None);
        replace(&path, b"one\n", 0o600).unwrap();
        fs::write(dir.path().join("map.new"), "left behind").unwrap();
        replace(&path, b"two\n", 0o600).unwrap();
        assert_eq!(read(&path, 4).unwrap().unwrap(), b"two\n");
        assert!(read(&path, 3).unwrap_err().to_string().contains("more than 3 bytes"));
        assert_eq!(names(dir.path()).unwrap(), ["map"]);
        let nowhere = dir.path().join("not/there");
        assert!(replace(&nowhere, b"", 0o600).unwrap_err().is(nix::errno::Errno::ENOENT));
        assert!(remove(&path).unwrap());
        assert!(!remove(&path).unwrap());
    }
}
