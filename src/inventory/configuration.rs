//! The configuration, read from its files; and the devices that it tells us to look at.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use superblock::{Events, MdUuid};

use super::{nodes::Nodes, origins::origin_beside};
use crate::{
    config::{
        HostName,
        conf::{self, Config, DeviceWord, Diagnostic},
        glob::{self, Slash},
        sources::{self, ConfigFile, ConfigPlace, ConfigSources, ConfigTexts, USUAL},
    },
    kernel::{Deadline, ErrorCause, KernelError, Machine, files, host, node},
    model::{DevId, overlay, status::ArrayStatus},
};

/// The most that a configuration file is believed to be.
const LONGEST: u64 = 4 << 20;

/// Reads the configuration. A file that is not there is an empty one.
///
/// # Errors
/// A file that is there and cannot be read.
pub fn configuration(sources: &ConfigSources) -> Result<(Config, Vec<Diagnostic>), KernelError> {
    let (mut config, diagnostics) = from_files(sources)?;
    if let Some(words) = std::env::var_os("MDADM_CONF_AUTO") {
        config.auto_before(&words.to_string_lossy());
    }
    Ok((config, diagnostics))
}

/// The same for what goes on without it: what cannot be read is said, and nothing is configured.
#[must_use]
pub fn configuration_to_show(sources: &ConfigSources) -> (Config, Vec<Diagnostic>) {
    configuration(sources).unwrap_or_else(|error| {
        let text = format!("{error}; it is passed over");
        (Config::default(), vec![Diagnostic { file: error.device, line: 0, text }])
    })
}

fn from_files(sources: &ConfigSources) -> Result<(Config, Vec<Diagnostic>), KernelError> {
    if *sources == ConfigSources::Partitions {
        return Ok((Config::partitions(), vec![]));
    }
    let (texts, mut odd) = texts(sources)?;
    let (config, diagnostics) = conf::parse(texts.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    odd.extend(diagnostics);
    Ok((config, odd))
}

/// The files themselves, in the order in which they count; also what of them could not be read.
///
/// # Errors
/// The first of them is there and cannot be read.
pub fn texts(sources: &ConfigSources) -> Result<(ConfigTexts, Vec<Diagnostic>), KernelError> {
    let files = match sources {
        ConfigSources::None | ConfigSources::Partitions => return Ok((vec![], vec![])),
        ConfigSources::Usual => usual()?,
        ConfigSources::Path(path) if files::is_dir(path) => Files { main: None, beside: in_directory(path)? },
        ConfigSources::Path(path) => Files { main: Some(path.clone()), beside: vec![] },
    };
    let text = |path: &Path| -> Result<Option<(String, String)>, KernelError> {
        let bytes = files::read(path, LONGEST)?;
        Ok(bytes.map(|bytes| (path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned())))
    };
    let mut texts = vec![];
    let mut odd = vec![];
    if let Some(main) = &files.main {
        texts.extend(text(main)?);
    }
    for path in &files.beside {
        match text(path) {
            Ok(found) => texts.extend(found),
            // It does not take the others away.
            Err(error) => {
                let text = format!("{error}; it is passed over");
                odd.push(Diagnostic { file: path.display().to_string(), line: 0, text });
            }
        }
    }
    Ok((texts, odd))
}

/// A file that lines can be added to: where it really is, what it has, and its permissions.
///
/// # Errors
/// It is there and cannot be read.
pub fn to_write(path: &Path) -> Result<ConfigFile, KernelError> {
    let path = files::real(path);
    let text = files::read(&path, LONGEST)?.map(String::from_utf8);
    let text = text.transpose().map_err(|_| {
        KernelError::other(
            path.display().to_string(),
            "read",
            ErrorCause::Unexpected("bytes that are no text".to_owned()),
        )
    })?;
    let (mode, is_there) = (files::mode(&path).unwrap_or(0o644), text.is_some());
    Ok(ConfigFile { path: path.display().to_string(), text: text.unwrap_or_default(), is_there, mode })
}

/// Files of the usual places that are there and are not read, because another place comes first.
#[must_use]
pub fn passed_over(sources: &ConfigSources, read: &ConfigTexts) -> Vec<String> {
    let is_read = |path: &str| read.iter().any(|(file, _)| file == path);
    let is_other = |path: &&str| {
        let twice = read.iter().any(|(file, _)| files::real(Path::new(file)) == files::real(Path::new(path)));
        files::exists(Path::new(path)) && !is_read(path) && !twice
    };
    let usual = USUAL.iter().map(|place| place.file).filter(|_| *sources == ConfigSources::Usual);
    usual.filter(is_other).map(str::to_owned).collect()
}

/// Those of the files that every user can write.
#[must_use]
pub fn writable_by_all(read: &ConfigTexts) -> Vec<String> {
    const OTHERS_WRITE: u32 = 0o002;
    let is_open = |path: &&String| files::mode(Path::new(path)).is_some_and(|mode| mode & OTHERS_WRITE != 0);
    read.iter().map(|(path, _)| path).filter(is_open).cloned().collect()
}

/// Where lines go when no file is there yet: beside what the distribution has.
#[must_use]
pub fn usual_file() -> &'static str {
    let debian = Path::new("/etc/mdadm");
    let [first, second] = USUAL;
    if files::is_dir(debian) { second.file } else { first.file }
}

/// What to read: without the one nothing is known, the others come as they are.
#[derive(Default)]
struct Files {
    main: Option<PathBuf>,
    beside: Vec<PathBuf>,
}

/// The first place that has anything.
fn usual() -> Result<Files, KernelError> {
    for ConfigPlace { file, directory } in USUAL {
        let main = Some(PathBuf::from(file)).filter(|path| files::exists(path));
        let beside = in_directory(Path::new(directory))?;
        if main.is_some() || !beside.is_empty() {
            return Ok(Files { main, beside });
        }
    }
    Ok(Files::default())
}

fn in_directory(directory: &Path) -> Result<Vec<PathBuf>, KernelError> {
    let names = files::names(directory)?;
    let names = names.iter().filter_map(|name| name.to_str());
    Ok(sources::in_directory(names).into_iter().map(|name| directory.join(name)).collect())
}

/// The names of devices by the way to them, where a POLICY line about assembly wants to know.
#[must_use]
pub fn by_path(machine: &Machine, config: &Config) -> BTreeMap<DevId, Vec<String>> {
    let wanted = config.policies.iter().any(|rule| !rule.auto.is_empty() && !rule.paths.is_empty());
    if wanted { Nodes::walk(machine).by_path() } else { BTreeMap::new() }
}

/// The same, where a POLICY line about anything wants to know.
#[must_use]
pub fn all_by_path(machine: &Machine, config: &Config) -> BTreeMap<DevId, Vec<String>> {
    let wanted = config.policies.iter().any(|rule| !rule.paths.is_empty());
    if wanted { Nodes::walk(machine).by_path() } else { BTreeMap::new() }
}

/// Members of arrays that run, which the configuration's DEVICE lines do not allow.
///
/// # Errors
/// /dev cannot be read.
pub fn kept_away(config: &Config, arrays: &[ArrayStatus]) -> Result<Vec<String>, KernelError> {
    let mut away = Vec::new();
    let native = arrays.iter().filter(|array| !array.metadata.starts_with("external:"));
    for path in native.flat_map(|array| &array.members).filter_map(|member| member.path.as_ref()) {
        if !is_permitted(config, std::slice::from_ref(path))? {
            away.push(path.clone());
        }
    }
    Ok(away)
}

/// Whether a path is that of a file that can be executed.
#[must_use]
pub fn is_executable(path: &str) -> bool {
    nix::unistd::access(Path::new(path), nix::unistd::AccessFlags::X_OK).is_ok()
}

/// The names by the way to the device of the event that this process was started for: udev has not made the links yet.
#[must_use]
pub fn by_path_of_event() -> Vec<String> {
    let text = |name| std::env::var(name).unwrap_or_default();
    let links = text("DEVLINKS");
    let links = links.split_ascii_whitespace().filter_map(|link| link.strip_prefix("/dev/disk/by-path/"));
    let mut names: Vec<String> = links.map(str::to_owned).collect();
    let id = text("ID_PATH");
    if names.is_empty() && !id.is_empty() {
        names.push(id);
    }
    names
}

/// Where it is noted which arrays wait for members.
#[must_use]
pub fn waits(machine: &Machine) -> PathBuf {
    machine.places.run.join("mdctl/awaited")
}

/// The arrays that have waited for members since the machine was started, each with the events that the others had.
#[must_use]
pub fn awaited(machine: &Machine) -> BTreeMap<MdUuid, Events> {
    let dir = waits(machine);
    let names = files::names(&dir).unwrap_or_default();
    let noted = names.iter().filter_map(|name| {
        let bytes = files::read(&dir.join(name), LONGEST).ok()??;
        let events = String::from_utf8_lossy(&bytes).trim().parse().ok()?;
        Some((name.to_str()?.parse().ok()?, Events(events)))
    });
    noted.collect()
}

/// The array of the disk that was in one of these places when it failed.
#[must_use]
pub fn failed_in(machine: &Machine, places: &[String]) -> Option<MdUuid> {
    let dir = machine.places.run.join("mdadm/failed-slots");
    let plain = places.iter().filter(|place| !place.contains('/') && !place.starts_with('.'));
    plain.into_iter().find_map(|place| {
        let bytes = files::read(&dir.join(place), LONGEST).ok()??;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        text.split_ascii_whitespace().nth(1)?.parse().ok()
    })
}

/// The host whose arrays are ours: the option, else the configuration's, else this machine's name.
#[must_use]
pub fn homehost(option: Option<&HostName>, ignore: bool, config: &Config) -> Option<String> {
    let configured = config.home_host.name.as_ref().filter(|_| !ignore);
    match option.or(configured) {
        Some(HostName::Named(name)) => Some(name.clone()),
        Some(HostName::None) => None,
        Some(HostName::System) | None => host::hostname(),
    }
}

/// The devices to look at when none is named, where nobody has walked through /dev yet: that is done only if they are
/// listed by their numbers.
///
/// # Errors
/// What could not be read.
pub fn candidates_afresh(machine: &Machine, config: &Config) -> Result<Vec<String>, KernelError> {
    let by_number = config.device_words().contains(&DeviceWord::Partitions);
    let nodes = if by_number { Nodes::walk(machine) } else { Nodes::default() };
    let counts = |name: &str| !is_overlay(machine, name) && !is_beside_its_origin(machine, name);
    candidates_of(config, || partitions(machine, &nodes, counts))
}

/// Overlays are private: what is tried on one is assembled where it is named.
fn is_overlay(machine: &Machine, name: &str) -> bool {
    let uuid = || machine.sysfs.block_attr(name, "dm/uuid").ok().flatten();
    name.starts_with("dm-") && uuid().is_some_and(|uuid| uuid.starts_with(overlay::PREFIX))
}

/// What is on a snapshot is its origin's. Where nobody can tell, it is looked at.
fn is_beside_its_origin(machine: &Machine, name: &str) -> bool {
    origin_beside(machine, name).is_ok_and(|origin| origin.is_some())
}

/// The devices to look at when none is named, in the order in which the original looks at them.
///
/// # Errors
/// What could not be read.
pub fn candidates(machine: &Machine, config: &Config, nodes: &Nodes) -> Result<Vec<String>, KernelError> {
    candidates_of(config, || partitions(machine, nodes, |name| !is_beside_its_origin(machine, name)))
}

fn candidates_of(
    config: &Config,
    partitions: impl Fn() -> Result<Vec<String>, KernelError>,
) -> Result<Vec<String>, KernelError> {
    let mut patterns = vec![];
    let mut listed = vec![];
    for word in config.device_words() {
        match word {
            DeviceWord::Partitions => listed.extend(partitions()?),
            DeviceWord::Containers => {}
            // The word's last path comes first, as the original has it.
            DeviceWord::Pattern(pattern) => patterns.extend(expand(pattern)?.into_iter().rev()),
        }
    }
    patterns.extend(listed);
    Ok(patterns)
}

/// Whether DEVICE lines let a device be looked at: by one of its names, or because what they list is this device under
/// another one.
///
/// # Errors
/// What could not be read.
pub fn is_permitted(config: &Config, names: &[String]) -> Result<bool, KernelError> {
    let words = config.device_words();
    let fits = |pattern: &String| names.iter().any(|name| glob::matches(pattern, name, Slash::Separates));
    let by_name = |word: &DeviceWord| match word {
        DeviceWord::Partitions => true,
        DeviceWord::Containers => false,
        DeviceWord::Pattern(pattern) => fits(pattern),
    };
    if words.iter().any(by_name) {
        return Ok(true);
    }
    let Some(number) = names.first().and_then(|name| node::number_of(Path::new(name)).ok().flatten()) else {
        // What it is will be said.
        return Ok(true);
    };
    for word in words {
        let DeviceWord::Pattern(pattern) = word else { continue };
        let paths = expand(pattern)?;
        if paths.iter().any(|path| node::number_of(Path::new(path)).ok().flatten() == Some(number)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The last that the kernel lists comes first.
fn partitions(
    machine: &Machine,
    nodes: &Nodes,
    counts: impl Fn(&str) -> bool,
) -> Result<Vec<String>, KernelError> {
    let lines = machine.procfs.partitions()?;
    let name = |dev: DevId| nodes.path(dev, None).unwrap_or_else(|| dev.to_string());
    Ok(lines.iter().rev().filter(|line| counts(&line.name)).map(|line| name(line.dev)).collect())
}

/// More devices than any machine has.
const MOST_PATHS: usize = 1 << 16;
/// Longer than it takes to list them all.
const LONGEST_SEARCH: Duration = Duration::from_secs(5);

/// The paths that a pattern fits, sorted; the pattern's wild cards stand in any of its components. One that fits without end
/// is an error.
fn expand(pattern: &str) -> Result<Vec<String>, KernelError> {
    let deadline = Deadline::after(LONGEST_SEARCH);
    let without_end = || {
        let why = format!("more than {MOST_PATHS} paths, or longer than {} s", LONGEST_SEARCH.as_secs());
        KernelError::other(format!("DEVICE {pattern}"), "look for paths", ErrorCause::Unexpected(why))
    };
    let mut found = vec![PathBuf::from(if pattern.starts_with('/') { "/" } else { "." })];
    for component in pattern.split('/').filter(|component| !component.is_empty()) {
        let mut next = vec![];
        for dir in &found {
            if !component.contains(['*', '?', '[']) {
                next.push(dir.join(component));
                continue;
            }
            if deadline.left().is_none() || next.len() > MOST_PATHS {
                return Err(without_end());
            }
            for name in files::names(dir)? {
                let fits = |name: &str| {
                    (component.starts_with('.') || !name.starts_with('.'))
                        && glob::matches(component, name, Slash::Plain)
                };
                if name.to_str().is_some_and(fits) {
                    next.push(dir.join(name));
                }
            }
        }
        found = next;
    }
    let found = found.into_iter().filter(|path| files::exists(path));
    let mut paths: Vec<String> = found.filter_map(|path| path.into_os_string().into_string().ok()).collect();
    paths.sort_unstable();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_odd_file_beside_is_passed_over_and_an_odd_one_alone_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.conf"), "HOMEHOST here\n").unwrap();
        fs::create_dir(dir.path().join("b.conf")).unwrap();
        fs::File::create(dir.path().join("c.conf")).unwrap().set_len(LONGEST + 1).unwrap();
        let (config, said) = from_files(&ConfigSources::Path(dir.path().to_owned())).unwrap();
        assert_eq!(config.home_host.name, Some(HostName::Named("here".into())));
        let said: Vec<String> = said.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].ends_with("b.conf: read: EISDIR: Is a directory; it is passed over"), "{said:?}");
        assert!(said[1].contains("c.conf: read: unexpected content \"more than 4194304 bytes\""), "{said:?}");
        let alone = ConfigSources::Path(dir.path().join("c.conf"));
        assert!(from_files(&alone).is_err());
        let (config, said) = configuration_to_show(&alone);
        assert_eq!((config.devices, said.len()), (None, 1));
    }

    #[test]
    fn a_pattern_without_end_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        for name in 0..40 {
            fs::create_dir(dir.path().join(name.to_string())).unwrap();
        }
        let base = dir.path().display().to_string();
        assert_eq!(expand(&format!("{base}/*/../*")).unwrap().len(), 40 * 40);
        assert!(expand(&format!("{base}/*/../*/../*/../*/../*/../*")).is_err());
    }
}
