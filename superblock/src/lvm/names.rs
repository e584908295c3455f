//! Which names LVM2 takes for groups, volumes and tags.

/// The longest name of a device-mapper device.
const DM_NAME: usize = 127;
/// What hidden layers append to a volume's device name; the longest of those that we make.
const LAYER: usize = "-real".len();
/// Volumes' names must not begin with these.
const RESERVED_PREFIXES: [&str; 2] = ["pvmove", "snapshot"];
/// Volumes' names must not contain these: they are layers of other kinds of volumes.
const RESERVED_PARTS: [&str; 17] = [
    "_cdata", "_cmeta", "_corig", "_cpool", "_cvol", "_wcorig", "_mimage", "_mlog", "_rimage", "_rmeta",
    "_tdata", "_tmeta", "_vdata", "_imeta", "_iorig", "_pmspare", "_vorigin",
];

/// Why a name cannot be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// No characters.
    #[error("a name needs at least one character")]
    Empty,
    /// A character that LVM2 does not take.
    #[error("\"{name}\" has {character:?} in it; names are made of letters, digits and . _ - +")]
    Character {
        /// The name.
        name: String,
        /// The first of them.
        character: char,
    },
    /// It would be read as an option.
    #[error("\"{0}\" begins with a hyphen")]
    Hyphen(String),
    /// `.` or `..`.
    #[error("\"{0}\" is a directory")]
    Directory(String),
    /// Too long alone or together with the group's.
    #[error(
        "\"{name}\" is too long: device-mapper names have at most {DM_NAME} characters, hyphens count twice"
    )]
    Long {
        /// The name.
        name: String,
    },
    /// Used by LVM2 itself.
    #[error("\"{name}\" has \"{part}\" in it, which LVM2 uses for hidden volumes")]
    Reserved {
        /// The name.
        name: String,
        /// What makes it so.
        part: &'static str,
    },
}

fn plain(name: &str) -> Result<(), BadName> {
    if name.is_empty() {
        return Err(BadName::Empty);
    }
    let wrong =
        |character: &char| !(character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-' | '+'));
    if let Some(character) = name.chars().find(wrong) {
        return Err(BadName::Character { name: name.into(), character });
    }
    if name.starts_with('-') {
        return Err(BadName::Hyphen(name.into()));
    }
    if matches!(name, "." | "..") {
        return Err(BadName::Directory(name.into()));
    }
    if name.len() > DM_NAME {
        return Err(BadName::Long { name: name.into() });
    }
    Ok(())
}

/// Whether a group may be called so.
///
/// # Errors
/// What is wrong with it.
pub fn group(name: &str) -> Result<(), BadName> {
    plain(name)
}

/// Whether a volume of a group may be called so.
///
/// # Errors
/// What is wrong with it.
pub fn volume(group: &str, name: &str) -> Result<(), BadName> {
    plain(name)?;
    let reserved = |part: &'static str| BadName::Reserved { name: name.into(), part };
    if let Some(part) = RESERVED_PREFIXES.into_iter().find(|part| name.starts_with(part)) {
        return Err(reserved(part));
    }
    if let Some(part) = RESERVED_PARTS.into_iter().find(|part| name.contains(part)) {
        return Err(reserved(part));
    }
    let doubled = |name: &str| name.len().saturating_add(name.bytes().filter(|byte| *byte == b'-').count());
    let device = doubled(group).saturating_add(doubled(name)).saturating_add(1).saturating_add(LAYER);
    if device > DM_NAME { Err(BadName::Long { name: name.into() }) } else { Ok(()) }
}

/// Whether a tag may be made of this. (Read are all.)
#[must_use]
pub fn is_tag(tag: &str) -> bool {
    !tag.is_empty()
        && tag.len() <= 1024
        && !tag.starts_with('-')
        && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+.-/=!:&#".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_name() {
        for good in ["a", "home", "a.b_c-d+e", "0", "x-", "...", "mysnapshot"] {
            assert_eq!(volume("vg", good), Ok(()), "{good}");
        }
        assert_eq!(volume("vg", ""), Err(BadName::Empty));
        for bad in
            ["-a", ".", "..", "a b", "a/b", "ä", "snapshot1", "pvmove0", "a_tdata", "x_rimage_0", "a\n"]
        {
            assert!(volume("vg", bad).is_err(), "{bad}");
        }
        assert_eq!(group("snapshot"), Ok(()));
        assert_eq!(volume("vg", &"a".repeat(119)), Ok(()));
        assert!(volume("vg", &"a".repeat(120)).is_err());
        assert!(volume("vg", &"a-".repeat(50)).is_err());
        assert!(is_tag("mdt:role=rollback&v=1") && is_tag("a#1"));
        assert!(!is_tag("") && !is_tag("a b") && !is_tag("-a"));
    }
}
