//! Names of device-mapper devices: what the driver takes, how other characters are written, how volumes are named.

use std::fmt::Write as _;

/// The most that the driver keeps.
pub const LONGEST: usize = 127;

/// How a name with other characters becomes one that udev and everybody else take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mangling {
    /// `\xNN` for what needs it, unless the name has such sequences already.
    #[default]
    Auto,
    /// `\xNN` always.
    Hex,
    /// As it is.
    None,
}

/// Why a name is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDmName {
    /// It has no characters.
    #[error("a device name is needed")]
    Empty,
    /// Too long.
    #[error("the name \"{0}\" is longer than the 127 bytes that the driver keeps")]
    TooLong(String),
    /// `.`, `..` or `control`.
    #[error("the name \"{0}\" is taken by the directory itself")]
    Taken(String),
    /// A slash, or a character that ends strings.
    #[error("the name \"{}\" has a character that no device name may have", .0.escape_debug())]
    Character(String),
    /// Some characters are written as `\xNN` and others that need it are not.
    #[error("the name \"{}\" should be mangled but there are unmangled characters in it", .0.escape_debug())]
    Mixed(String),
    /// A backslash is itself written as `\x5c`.
    #[error("the name \"{0}\" seems to be mangled more than once")]
    Twice(String),
}

impl Mangling {
    /// The mode by its word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Some(match word {
            "auto" => Self::Auto,
            "hex" => Self::Hex,
            "none" => Self::None,
            _ => return None,
        })
    }

    /// The name as the driver gets it.
    ///
    /// # Errors
    /// What the driver would refuse, and what would not come back as it was.
    pub fn mangle(self, name: &str) -> Result<String, BadDmName> {
        let mangled = match self {
            Self::None => name.to_owned(),
            Self::Hex => hex(name),
            Self::Auto => {
                let has_hex = sequences(name) > 0;
                let has_raw = has_raw(name);
                match (has_hex, has_raw) {
                    (true, _) if is_twice(name) => return Err(BadDmName::Twice(name.to_owned())),
                    (true, true) => return Err(BadDmName::Mixed(name.to_owned())),
                    (true, false) => name.to_owned(),
                    (false, _) => hex(name),
                }
            }
        };
        check(&mangled)?;
        Ok(mangled)
    }

    /// The name as people get it.
    #[must_use]
    pub fn unmangle(self, name: &str) -> String {
        match self {
            Self::None => name.to_owned(),
            Self::Auto | Self::Hex => plain(name),
        }
    }
}

/// What the driver's own check refuses.
///
/// # Errors
/// The reason.
pub fn check(name: &str) -> Result<(), BadDmName> {
    match name {
        "" => Err(BadDmName::Empty),
        "." | ".." | "control" => Err(BadDmName::Taken(name.to_owned())),
        name if name.contains(['/', '\0']) => Err(BadDmName::Character(name.to_owned())),
        name if name.len() > LONGEST => Err(BadDmName::TooLong(name.to_owned())),
        _ => Ok(()),
    }
}

/// Characters that udev leaves as they are.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"#+-.:=@_".contains(&byte)
}

/// A `\xNN` at the beginning of these bytes.
fn sequence(bytes: &[u8]) -> Option<u8> {
    let [b'\\', b'x', high, low, ..] = bytes else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn sequences(name: &str) -> usize {
    (0..name.len()).filter(|at| sequence(&name.as_bytes()[*at..]).is_some()).count()
}

/// Whether there is a character that would need a sequence and is in none.
fn has_raw(name: &str) -> bool {
    let bytes = name.as_bytes();
    (0..bytes.len()).any(|at| !is_plain(bytes[at]) && sequence(&bytes[at..]).is_none())
}

fn is_twice(name: &str) -> bool {
    name.match_indices("\\x5cx").next().is_some()
}

fn hex(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if is_plain(byte) || byte == b'/' || byte == 0 {
            text.push(char::from(byte));
        } else {
            // A String takes everything.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

fn plain(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        match sequence(rest) {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[4..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The name of a volume, or of one of its layers: the parts with their hyphens doubled, joined by single ones.
#[must_use]
pub fn join(group: &str, volume: &str, layer: Option<&str>) -> String {
    let doubled = |part: &str| part.replace('-', "--");
    let name = format!("{}-{}", doubled(group), doubled(volume));
    match layer {
        Some(layer) => format!("{name}-{}", doubled(layer)),
        None => name,
    }
}

/// Group, volume and layer of a name; what is not there is empty.
#[must_use]
pub fn split(name: &str) -> (String, String, String) {
    let (group, rest) = first_part(name);
    let (volume, layer) = first_part(rest);
    let single = |part: &str| part.replace("--", "-");
    (single(group), single(volume), single(layer))
}

/// Up to the first hyphen that is not doubled, and what follows it.
fn first_part(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'-', Some(b'-')) => at += 2,
            (b'-', _) => return (&text[..at], &text[at + 1..]),
            _ => at += 1,
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn mangling() {
        assert_eq!(Mangling::Auto.mangle("a b").unwrap(), "a\\x20b");
        assert_eq!(Mangling::Auto.mangle("a\\x20b").unwrap(), "a\\x20b");
        assert_eq!(Mangling::Hex.mangle("a\\x20b").unwrap(), "a\\x5cx20b");
        assert_eq!(Mangling::None.mangle("a b").unwrap(), "a b");
        assert_eq!(Mangling::Auto.unmangle("a\\x20b"), "a b");
        assert!(matches!(Mangling::Auto.mangle("a\\x20b c"), Err(BadDmName::Mixed(_))));
        assert!(matches!(Mangling::Auto.mangle("a\\x5cx20b"), Err(BadDmName::Twice(_))));
        for bad in ["", ".", "..", "control", "a/b", &"x".repeat(128), &" ".repeat(32)] {
            assert!(Mangling::Auto.mangle(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn volumes() {
        assert_eq!(join("vg-1", "lv", Some("real")), "vg--1-lv-real");
        let parts = |name: &str| split(name);
        let of = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(parts("vg--1-lv-real"), of("vg-1", "lv", "real"));
        assert_eq!(parts("plain"), of("plain", "", ""));
        assert_eq!(parts(""), of("", "", ""));
    }

    proptest! {
        #[test]
        fn never_panics(name in ".{0,40}") {
            let _ = Mangling::Auto.mangle(&name);
            let _ = (plain(&name), split(&name));
            if let Ok(mangled) = Mangling::Hex.mangle(&name) {
                prop_assert_eq!(plain(&mangled), name);
            }
        }

        #[test]
        fn parts_come_back(g in "[a-z+_.][a-z-]{0,6}[a-z]", v in "[a-z][a-z-]{0,6}[a-z]", l in prop::option::of("real|cow")) {
            let name = join(&g, &v, l.as_deref());
            prop_assert_eq!(split(&name), (g, v, l.unwrap_or_default()));
        }
    }
}
