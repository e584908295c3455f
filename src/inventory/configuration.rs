//! The configuration, read from its files; and the devices that it tells us to look at.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::nodes::Nodes;
use crate::{
    config::{
        HostName,
        conf::{self, Config, DeviceWord, Diagnostic},
        glob::{self, Slash},
        sources::{self, Place, Sources, USUAL},
    },
    kernel::{KernelError, Machine, files, host},
    model::DevId,
};

/// The most that a configuration file is believed to be.
const LONGEST: u64 = 4 << 20;

/// Reads the configuration. A file that is not there is an empty one.
///
/// # Errors
/// A file that is there and cannot be read.
pub fn configuration(sources: &Sources) -> Result<(Config, Vec<Diagnostic>), KernelError> {
    let (mut config, diagnostics) = from_files(sources)?;
    if let Some(words) = std::env::var_os("MDADM_CONF_AUTO") {
        config.auto_before(&words.to_string_lossy());
    }
    Ok((config, diagnostics))
}

fn from_files(sources: &Sources) -> Result<(Config, Vec<Diagnostic>), KernelError> {
    let paths = match sources {
        Sources::None => return Ok((Config::default(), vec![])),
        Sources::Partitions => return Ok((Config::partitions(), vec![])),
        Sources::Usual => usual()?,
        Sources::Path(path) => named(path)?,
    };
    let mut texts = vec![];
    for path in paths {
        if let Some(bytes) = files::read(&path, LONGEST)? {
            texts.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Ok(conf::parse(texts.iter().map(|(path, text)| (path.as_str(), text.as_str()))))
}

/// The first place that has anything.
fn usual() -> Result<Vec<PathBuf>, KernelError> {
    for Place { file, directory } in USUAL {
        let mut paths = if Path::new(file).exists() { vec![PathBuf::from(file)] } else { vec![] };
        paths.extend(in_directory(Path::new(directory))?);
        if !paths.is_empty() {
            return Ok(paths);
        }
    }
    Ok(vec![])
}

fn named(path: &Path) -> Result<Vec<PathBuf>, KernelError> {
    if path.is_dir() { in_directory(path) } else { Ok(vec![path.to_owned()]) }
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
    candidates(machine, config, &if by_number { Nodes::walk(machine) } else { Nodes::default() })
}

/// The devices to look at when none is named, in the order in which the original looks at them.
///
/// # Errors
/// What could not be read.
pub fn candidates(machine: &Machine, config: &Config, nodes: &Nodes) -> Result<Vec<String>, KernelError> {
    let mut patterns = vec![];
    let mut listed = vec![];
    for word in config.device_words() {
        match word {
            DeviceWord::Partitions => listed.extend(partitions(machine, nodes)?),
            DeviceWord::Containers => {}
            // The word's last path comes first, as the original has it.
            DeviceWord::Pattern(pattern) => patterns.extend(expand(pattern)?.into_iter().rev()),
        }
    }
    patterns.extend(listed);
    Ok(patterns)
}

/// The last that the kernel lists comes first.
fn partitions(machine: &Machine, nodes: &Nodes) -> Result<Vec<String>, KernelError> {
    let lines = machine.procfs.partitions()?;
    let name = |dev: DevId| nodes.path(dev, None).unwrap_or_else(|| dev.to_string());
    Ok(lines.iter().rev().map(|line| name(line.dev)).collect())
}

/// The paths that a pattern fits, sorted; the pattern's wild cards stand in any of its components.
fn expand(pattern: &str) -> Result<Vec<String>, KernelError> {
    let mut found = vec![PathBuf::from(if pattern.starts_with('/') { "/" } else { "." })];
    for component in pattern.split('/').filter(|component| !component.is_empty()) {
        let mut next = vec![];
        for dir in &found {
            if !component.contains(['*', '?', '[']) {
                next.push(dir.join(component));
                continue;
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
    let found = found.into_iter().filter(|path| path.exists());
    let mut paths: Vec<String> = found.filter_map(|path| path.into_os_string().into_string().ok()).collect();
    paths.sort_unstable();
    Ok(paths)
}
