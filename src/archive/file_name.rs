//! The names of the archive's files, which say the order of the entries.

use std::fmt;

use super::EntryId;

/// What an entry is about. There are many changes of volumes, and they must not push out what was kept of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntrySubject {
    /// Bytes of devices are kept.
    Devices,
    /// A change of a group of volumes, without bytes.
    Group,
}

impl EntrySubject {
    fn suffix(self) -> &'static str {
        match self {
            Self::Devices => ".mdkeep",
            Self::Group => ".mdgroup",
        }
    }
}

/// The name of a file: `0000000012.20261122-103455-1234561f.mdkeep`. Older programs wrote no number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName {
    /// The entry's number.
    pub seq: u64,
    /// The entry.
    pub id: EntryId,
    /// What it is about.
    pub of: EntrySubject,
}

impl FileName {
    /// None for a name that no entry has.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (of, rest) = [EntrySubject::Devices, EntrySubject::Group]
            .into_iter()
            .find_map(|of| Some((of, name.strip_suffix(of.suffix())?)))?;
        let (seq, id) = match rest.split_once('.') {
            Some((seq, id)) => (number(seq)?, id),
            None => (0, rest),
        };
        Some(Self { seq, id: EntryId::try_from(id.to_owned()).ok()?, of })
    }

    /// The number of the next entry, where these are there.
    pub fn next(names: impl Iterator<Item = Self>) -> u64 {
        names.map(|name| name.seq).max().unwrap_or(0).saturating_add(1)
    }
}

/// Digits alone, and no number that leaves none for those to come.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|seq| digits && *seq > 0 && *seq < u64::MAX >> 1)
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = self.of.suffix();
        match self.seq {
            0 => write!(f, "{}{suffix}", self.id),
            seq => write!(f, "{seq:010}.{}{suffix}", self.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let id = EntryId::try_from("20261122-103455-1234561f".to_owned()).expect("a name");
        for (seq, of) in
            [(0, EntrySubject::Devices), (12, EntrySubject::Devices), (12_345_678_901, EntrySubject::Group)]
        {
            let name = FileName { seq, id: id.clone(), of };
            assert_eq!(FileName::parse(&name.to_string()), Some(name));
        }
        let bad = [
            "",
            "lock",
            "20261122-103455-00000007.mdkeep.new",
            ".20261122-103455-1234561f.mdkeep",
            "0.20261122-103455-1234561f.mdkeep",
            "-1.20261122-103455-1234561f.mdkeep",
            "18446744073709551615.20261122-103455-1234561f.mdkeep",
            "1.2.20261122-103455-1234561f.mdkeep",
            "1.../x.mdkeep",
        ];
        for name in bad {
            assert_eq!(FileName::parse(name), None, "{name:?}");
        }
    }

    #[test]
    fn numbers_say_what_is_later_whatever_the_clock_says() {
        let name = |text: &str| FileName::parse(text).expect("a name");
        let names = [
            name("20991122-000000-00000000.mdkeep"),
            name("0000000001.20991122-000000-00000000.mdkeep"),
            name("0000000002.20200101-000000-00000000.mdgroup"),
            name("0000000010.20200101-000000-00000000.mdkeep"),
        ];
        assert!(names.is_sorted());
        assert_eq!(FileName::next(names.into_iter()), 11);
        assert_eq!(FileName::next(std::iter::empty()), 1);
    }
}
