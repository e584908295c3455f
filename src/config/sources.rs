//! Which configuration files to read, and in which order; reading them is `inventory`'s.

use std::{ffi::OsStr, path::PathBuf};

/// A file and the directory whose `*.conf` belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigPlace {
    pub file: &'static str,
    pub directory: &'static str,
}

/// The usual places: the second is used if the first one's file can not be opened.
///
/// mdadm 4.6 looks into the second directory only if the second *file* could be opened, else into the first
/// directory; here a directory counts also without its file.
pub const USUAL: [ConfigPlace; 2] = [
    ConfigPlace { file: "/etc/mdadm.conf", directory: "/etc/mdadm.conf.d" },
    ConfigPlace { file: "/etc/mdadm/mdadm.conf", directory: "/etc/mdadm/mdadm.conf.d" },
];

/// Files of the configuration with their texts, in the order in which they count.
pub type ConfigTexts = Vec<(String, String)>;

/// A file that lines can be added to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigFile {
    /// Where it is, links followed.
    pub path: String,
    /// What it has; empty where it is not there.
    pub text: String,
    pub is_there: bool,
    /// Its permissions.
    pub mode: u32,
}

/// What `-c` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigSources {
    /// Nothing: [`USUAL`].
    Usual,
    /// `none`: an empty configuration.
    None,
    /// `partitions`: as if the file were `DEVICE partitions`.
    Partitions,
    /// A file, or a directory of `*.conf`.
    Path(PathBuf),
}

impl ConfigSources {
    pub fn from_option(config: Option<&OsStr>) -> Self {
        match config {
            None => Self::Usual,
            Some(word) if word == "none" => Self::None,
            Some(word) if word == "partitions" => Self::Partitions,
            Some(word) => Self::Path(word.into()),
        }
    }
}

/// Which files of a directory are read, in their order: `*.conf`, by bytes, nothing hidden.
pub fn in_directory<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let fits = |name: &&str| name.len() >= 6 && name.ends_with(".conf") && !name.starts_with('.');
    let mut names: Vec<&str> = names.into_iter().filter(fits).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_choice_of_files() {
        assert_eq!(
            in_directory(["b.conf", "a.conf", ".x.conf", ".conf", "z.txt", "B.conf"]),
            ["B.conf", "a.conf", "b.conf"]
        );
        assert_eq!(ConfigSources::from_option(None), ConfigSources::Usual);
        assert_eq!(ConfigSources::from_option(Some(OsStr::new("/x"))), ConfigSources::Path("/x".into()));
    }
}
