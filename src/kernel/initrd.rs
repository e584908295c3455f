//! Reading an initial RAM disk: archives of cpio one after another, packed ones unpacked by the program that the maker used.
//!
//! Source: Documentation/driver-api/early-userspace/buffer-format.rst.

use std::{
    io::{self, BufReader, Read, Seek as _, SeekFrom},
    path::Path,
};

use cpio::newc;

use super::{KernelError, error::ErrorCause, files, program};

/// More files are in none.
const MOST_NAMES: usize = 200_000;
/// Texts beyond this size are not kept.
const LONGEST_TEXT: u32 = 1 << 20;
/// Unpacking ends here: a damaged image could go on for ever.
const LARGEST: u64 = 8 << 30;

/// What was found in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Every file, without a slash at the beginning.
    pub names: Vec<String>,
    /// Those that were wanted, with their texts.
    pub texts: Vec<(String, String)>,
}

/// So many bytes tell what follows.
const HEAD: u64 = 4;

/// How a part of it is packed, and by which program it is unpacked.
const PACKED: [(&[u8], &str); 7] = [
    (&[0x1f, 0x8b], "gzip"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
    (&[0xfd, b'7', b'z', b'X'], "xz"),
    (&[0x5d, 0x00, 0x00], "xz"),
    (b"BZh", "bzip2"),
    (&[0x02, 0x21, 0x4c, 0x18], "lz4"),
    (&[0x89, b'L', b'Z', b'O'], "lzop"),
];

/// Reads an image. `wanted` says of which files the text is to be kept.
///
/// # Errors
/// It cannot be read, it is packed in a way that is not known or whose program is not here, or it is damaged.
pub fn read(path: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Unpacked, KernelError> {
    let failed = |error: io::Error| KernelError::io(path, "read", &error);
    if let Some(what) = files::in_the_way(path) {
        return Err(KernelError::other(path.display().to_string(), "read", ErrorCause::NotAFile(what)));
    }
    let mut file = files::open(path)?;
    let mut found = Unpacked::default();
    let mut plain = Counted { inner: BufReader::new(file.try_clone().map_err(failed)?), at: 0 };
    let Some(head) = archives(&mut plain, wanted, &mut found).map_err(failed)? else { return Ok(found) };
    let from = plain.at.saturating_sub(HEAD);
    let Some((_, name)) = PACKED.iter().find(|(magic, _)| head.starts_with(magic)) else {
        let cause = ErrorCause::Program(format!("at byte {from} it is packed in a way that is not known"));
        return Err(KernelError::other(path.display().to_string(), "read", cause));
    };
    file.seek(SeekFrom::Start(from)).map_err(failed)?;
    let before = found.names.len();
    let mut unpacked = Counted { inner: BufReader::new(program::filter(name, &["-dc"], file)?), at: 0 };
    let ended = archives(&mut unpacked, wanted, &mut found);
    // Padding at the end of the file makes some of these programs fail when all has been unpacked.
    if ended.is_err() || found.names.len() == before {
        let cause = ErrorCause::Program(format!("`{name}` could not unpack all of it"));
        return Err(KernelError::other(path.display().to_string(), "read", cause));
    }
    Ok(found)
}

/// Archives with zeros between them. Answers the first bytes of what is none.
fn archives(
    from: &mut Counted<impl Read>,
    wanted: &dyn Fn(&str) -> bool,
    found: &mut Unpacked,
) -> io::Result<Option<[u8; 4]>> {
    loop {
        let mut head = [0; 4];
        if !fill(from, &mut head)? {
            return Ok(None);
        }
        match head {
            [0, 0, 0, 0] => {}
            _ if head == *b"0707" => archive(head.as_slice().chain(&mut *from), wanted, found)?,
            _ => return Ok(Some(head)),
        }
    }
}

fn archive(from: impl Read, wanted: &dyn Fn(&str) -> bool, found: &mut Unpacked) -> io::Result<()> {
    let mut entry = newc::Reader::new(from)?;
    while !entry.entry().is_trailer() {
        let name = entry.entry().name().trim_start_matches("./").trim_start_matches('/').to_owned();
        let is_wanted = entry.entry().file_size() <= LONGEST_TEXT && wanted(&name);
        let rest = if is_wanted {
            let mut text = Vec::new();
            let rest = entry.to_writer(&mut text)?;
            found.texts.push((name.clone(), String::from_utf8_lossy(&text).into_owned()));
            rest
        } else {
            entry.finish()?
        };
        found.names.push(name);
        if found.names.len() > MOST_NAMES {
            return Err(io::Error::other("it has too many files"));
        }
        entry = newc::Reader::new(rest)?;
    }
    entry.finish()?;
    Ok(())
}

/// Whether there was enough; what ends in between ends.
fn fill(from: &mut impl Read, mut room: &mut [u8]) -> io::Result<bool> {
    while !room.is_empty() {
        match from.read(room)? {
            0 => return Ok(false),
            count => room = room.get_mut(count..).unwrap_or_default(),
        }
    }
    Ok(true)
}

/// Knows how far it was read, and ends what goes on for ever.
struct Counted<R> {
    inner: R,
    at: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.at > LARGEST {
            return Err(io::Error::other("it is too large"));
        }
        let count = self.inner.read(room)?;
        self.at = self.at.saturating_add(u64::try_from(count).unwrap_or(0));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn cpio(files: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, text) in files {
            let size = u32::try_from(text.len()).unwrap();
            let mut file = newc::Builder::new(name).mode(0o100_644).write(&mut out, size);
            file.write_all(text.as_bytes()).unwrap();
            file.finish().unwrap();
        }
        newc::trailer(&mut out).unwrap();
        out
    }

    fn packed(name: &str, bytes: &[u8]) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plain");
        std::fs::write(&path, bytes).unwrap();
        let mut out = Vec::new();
        // As the kernel reads it.
        let words: &[&str] = if name == "lz4" { &["-l", "-c"] } else { &["-c"] };
        program::filter(name, words, std::fs::File::open(&path).unwrap())
            .unwrap()
            .read_to_end(&mut out)
            .unwrap();
        out
    }

    fn read_it(image: &[u8]) -> Result<Unpacked, KernelError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("initrd.img");
        std::fs::write(&path, image).unwrap();
        read(&path, &|name| name.ends_with("mdadm.conf"))
    }

    #[test]
    fn plain_and_packed_archives_one_after_another() {
        let early = cpio(&[("kernel/x86/microcode/GenuineIntel.bin", "code")]);
        let main = cpio(&[("sbin/mdadm", "ELF"), ("./etc/mdadm/mdadm.conf", "ARRAY /dev/md0\n"), ("x", "")]);
        let whole = Unpacked {
            names: ["kernel/x86/microcode/GenuineIntel.bin", "sbin/mdadm", "etc/mdadm/mdadm.conf", "x"]
                .map(Into::into)
                .into(),
            texts: vec![("etc/mdadm/mdadm.conf".into(), "ARRAY /dev/md0\n".into())],
        };
        let mut both = early.clone();
        both.extend([0; 512]);
        both.extend(&main);
        assert_eq!(read_it(&both).unwrap(), whole);
        for name in ["gzip", "zstd", "xz", "bzip2", "lz4"].into_iter().filter(|name| program::is_there(name))
        {
            let mut both = early.clone();
            both.extend(packed(name, &main));
            assert_eq!(read_it(&both).unwrap(), whole, "{name}");
        }
        let mut both = early.clone();
        both.extend(packed("gzip", &main));
        both.extend([0; 100]);
        assert_eq!(read_it(&both).unwrap(), whole, "padding is skipped");
        assert_eq!(read_it(&[]).unwrap(), Unpacked::default());
    }

    #[test]
    fn what_is_damaged_or_unknown_is_said() {
        let mut cut = packed("gzip", &cpio(&[("sbin/mdadm", &"ELF".repeat(10_000))]));
        cut.truncate(40);
        assert!(read_it(&cut).unwrap_err().to_string().ends_with("`gzip` could not unpack all of it"));
        let odd = read_it(b"MZ is a unified kernel image").unwrap_err().to_string();
        assert!(odd.ends_with("at byte 0 it is packed in a way that is not known"), "{odd}");
        let mut cut = cpio(&[("sbin/mdadm", "ELF")]);
        cut.truncate(114);
        assert!(read_it(&cut).is_err());
    }
}
