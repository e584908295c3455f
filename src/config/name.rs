//! Names of arrays, as command line and configuration give them.

/// The longest name.
const LONGEST: usize = 32;
/// Minor numbers end here (MINORMASK + 1).
const MINORS: u32 = 1 << 20;

/// Why a word names no array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadArrayName {
    /// Empty, or longer than the kernel keeps.
    Length,
    /// Below /dev, but not where arrays are.
    Place,
}

/// A word that names an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArrayWord {
    /// A kernel number: `/dev/md3`, or the old partitionable `/dev/md_d3`.
    Number { number: u32, partitionable: bool },
    /// A name below `/dev/md`, which `/dev/md_NAME` means as well.
    Name(String),
}

impl ArrayWord {
    /// Understands `/dev/mdN`, `/dev/md_dN`, `/dev/md/NAME`, `/dev/md_NAME` and a bare NAME.
    pub fn parse(word: &str) -> Result<Self, BadArrayName> {
        check_length(word)?;
        if let Some(name) = word.strip_prefix("/dev/md/") {
            return Self::below(name);
        }
        if let Some(number) = word.strip_prefix("/dev/md_d").and_then(number) {
            return Ok(Self::Number { number, partitionable: true });
        }
        if let Some(name) = word.strip_prefix("/dev/md_") {
            return Self::below(name);
        }
        if let Some(number) = word.strip_prefix("/dev/md").and_then(number) {
            return Ok(Self::Number { number, partitionable: false });
        }
        if word.starts_with('/') { Err(BadArrayName::Place) } else { Self::below(word) }
    }

    fn below(name: &str) -> Result<Self, BadArrayName> {
        if name.is_empty() || name.contains('/') {
            Err(BadArrayName::Place)
        } else {
            Ok(Self::Name(name.to_owned()))
        }
    }
}

/// The rule for every word that may name an array, whether or not it turns out to: not empty, and short
/// enough without the usual prefix.
pub fn check_length(word: &str) -> Result<(), BadArrayName> {
    let bare = word.strip_prefix("/dev/md/").or_else(|| word.strip_prefix("/dev/md_")).unwrap_or(word);
    if bare.is_empty() || bare.len() > LONGEST { Err(BadArrayName::Length) } else { Ok(()) }
}

/// A minor number in its plain form.
pub fn number(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten().filter(|n| *n < MINORS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_of_arrays() {
        let number = |number, partitionable| Ok(ArrayWord::Number { number, partitionable });
        let name = |name: &str| Ok(ArrayWord::Name(name.to_owned()));
        for (word, expected) in [
            ("/dev/md0", number(0, false)),
            ("/dev/md127", number(127, false)),
            ("/dev/md_d3", number(3, true)),
            ("/dev/md1048576", Err(BadArrayName::Place)),
            ("/dev/md/home", name("home")),
            ("/dev/md/0", name("0")),
            ("/dev/md_home", name("home")),
            ("home", name("home")),
            ("md0", name("md0")),
            ("/dev/sda", Err(BadArrayName::Place)),
            ("/dev/md/a/b", Err(BadArrayName::Place)),
            ("a/b", Err(BadArrayName::Place)),
            ("", Err(BadArrayName::Length)),
            ("/dev/md/", Err(BadArrayName::Length)),
        ] {
            assert_eq!(ArrayWord::parse(word), expected, "{word}");
        }
        let long = "a".repeat(32);
        assert_eq!(ArrayWord::parse(&format!("/dev/md/{long}")), name(&long));
        assert_eq!(ArrayWord::parse(&format!("/dev/md/{long}a")), Err(BadArrayName::Length));
    }
}
