//! A critical section whose process is gone: what another one has to know to end it, and how it ends.
//!
//! The other process is there before the first suspend, with every request ready. It is told how far the section is, a byte
//! a phase, and where the bytes end without [`Phase::Done`] the process that suspended is no more.

use std::fmt::{self, Write as _};

use superblock::{Bytes, Write};

use super::critical::{Critical, Resume};
use crate::model::dm::UdevFlags;

/// The last line of the text.
const END: &str = "end\n";

/// How far a section is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing is suspended yet.
    Ready,
    /// Devices may be suspended. The metadata is as it was.
    Begun,
    /// The metadata may be committed, in some places.
    Committing,
    /// It is committed. Devices may have been resumed.
    Committed,
    /// Nothing is suspended any more.
    Done,
}

/// What is left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchEnding {
    /// Nothing.
    Nothing,
    /// The waiting tables are dropped, the old ones go on.
    Old,
    /// The metadata is committed, which may be for the second time and then changes nothing; the new tables go on.
    Commit,
    /// The new tables go on.
    New,
}

impl Phase {
    /// As it is told.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Ready => b'r',
            Self::Begun => b'b',
            Self::Committing => b'c',
            Self::Committed => b'n',
            Self::Done => b'd',
        }
    }

    /// As it was told; `None` for what is none.
    #[must_use]
    pub fn of(byte: u8) -> Option<Self> {
        [Self::Ready, Self::Begun, Self::Committing, Self::Committed, Self::Done]
            .into_iter()
            .find(|phase| phase.byte() == byte)
    }

    /// What is left to do where this is the last that was heard.
    #[must_use]
    pub fn ending(self) -> WatchEnding {
        match self {
            Self::Ready | Self::Done => WatchEnding::Nothing,
            Self::Begun => WatchEnding::Old,
            Self::Committing => WatchEnding::Commit,
            Self::Committed => WatchEnding::New,
        }
    }
}

/// What the other process is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchedCommand {
    /// Devices that go on as they were, in this order.
    pub back: Vec<Resume>,
    /// Of all devices those that never had a table: they cannot go on, and go.
    pub new: Vec<Resume>,
    /// What makes the change real: each device's path and what goes there.
    pub commit: Vec<(String, Vec<Write>)>,
    /// Devices that go on with their new tables, in this order.
    pub go_on: Vec<Resume>,
}

impl WatchedCommand {
    /// Of a critical section. `is_new`: devices that have no table yet.
    #[must_use]
    pub fn of(critical: &Critical, is_new: impl Fn(&str) -> bool) -> Self {
        let flags = |name: &str| critical.resume.iter().find(|one| one.name == name).map(|one| one.flags);
        let one = |name: &str| Resume { name: name.to_owned(), flags: flags(name).unwrap_or_default() };
        let suspended = critical.suspend.iter().rev().map(|one| one.name.as_str());
        // What stands on others goes first.
        let new = critical.resume.iter().rev().filter(|one| is_new(&one.name));
        Self {
            back: suspended.filter(|name| !is_new(name)).map(one).collect(),
            new: new.cloned().collect(),
            commit: critical.commit.as_ref().map(|commit| commit.writes.clone()).unwrap_or_default(),
            go_on: critical.resume.clone(),
        }
    }

    /// The text that was written, wholly.
    #[must_use]
    pub fn is_whole(text: &[u8]) -> bool {
        text == END.as_bytes() || text.ends_with(b"\nend\n")
    }

    /// Reads the text. Every word of it has to be understood: half of a section is no section.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut watched = Self::default();
        for line in text.strip_suffix(END)?.lines() {
            let (word, rest) = line.split_once(' ')?;
            match word {
                "back" => watched.back.push(resume(rest)?),
                "new" => watched.new.push(resume(rest)?),
                "on" => watched.go_on.push(resume(rest)?),
                "to" => watched.commit.push((rest.to_owned(), Vec::new())),
                "write" => {
                    let (at, data) = rest.split_once(' ')?;
                    let write = Write { at: Bytes(at.parse().ok()?), data: bytes(data)? };
                    watched.commit.last_mut()?.1.push(write);
                }
                _ => return None,
            }
        }
        Some(watched)
    }
}

fn resume(text: &str) -> Option<Resume> {
    let (flags, name) = text.split_once(' ')?;
    let flags = UdevFlags::from_bits(flags.parse().ok()?)?;
    Some(Resume { name: name.to_owned(), flags })
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?);
    hex.as_bytes().chunks(2).map(byte).collect()
}

impl fmt::Display for WatchedCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (word, all) in [("back", &self.back), ("new", &self.new), ("on", &self.go_on)] {
            for one in all {
                writeln!(f, "{word} {} {}", one.flags.bits(), one.name)?;
            }
        }
        for (path, writes) in &self.commit {
            writeln!(f, "to {path}")?;
            for write in writes {
                write!(f, "write {} ", write.at.0)?;
                write.data.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_char('\n')?;
            }
        }
        f.write_str(END)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::critical::{Commit, Suspend};

    pub(crate) fn first_snapshot() -> Critical {
        let suspend = |name: &str| Suspend { name: name.into(), freeze: true };
        let resume = |name: &str, flags| Resume { name: name.into(), flags };
        let write = Write { at: Bytes(4096), data: vec![0, 7, 0xff] };
        Critical {
            suspend: vec![suspend("vg-data"), suspend("vg-data-real")],
            commit: Some(Commit {
                group: "vg".into(),
                seqno: 7,
                writes: vec![("/dev/a b".into(), vec![write.clone(), write]), ("/dev/c".into(), Vec::new())],
            }),
            resume: vec![
                resume("vg-data-real", UdevFlags::REAL),
                resume("vg-snap", UdevFlags::SNAPSHOT),
                resume("vg-data", UdevFlags::VISIBLE),
            ],
        }
    }

    fn watched() -> WatchedCommand {
        WatchedCommand::of(&first_snapshot(), |name| name != "vg-data")
    }

    #[test]
    fn the_text_says_all() {
        let watched = watched();
        let names = |all: &[Resume]| all.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&watched.back), ["vg-data"]);
        assert_eq!(names(&watched.new), ["vg-snap", "vg-data-real"], "what stands on another goes first");
        let text = watched.to_string();
        assert!(WatchedCommand::is_whole(text.as_bytes()));
        assert_eq!(WatchedCommand::parse(&text), Some(watched));
        assert_eq!(WatchedCommand::parse(END), Some(WatchedCommand::default()));
    }

    #[test]
    fn half_a_text_is_none() {
        let text = watched().to_string();
        for end in 0..text.len() {
            let half = &text[..end];
            assert!(!WatchedCommand::is_whole(half.as_bytes()), "{half}");
            assert_eq!(WatchedCommand::parse(half), None, "{half}");
        }
        for bad in ["back 1\nend\n", "write 0 00\nend\n", "to /dev/a\nwrite 0 0\nend\n", "more x\nend\n"] {
            assert_eq!(WatchedCommand::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn phases_are_told_and_understood() {
        for phase in [Phase::Ready, Phase::Begun, Phase::Committing, Phase::Committed, Phase::Done] {
            assert_eq!(Phase::of(phase.byte()), Some(phase));
        }
        assert_eq!(Phase::of(0), None);
    }
}
