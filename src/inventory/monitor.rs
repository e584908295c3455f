//! One look at all arrays for a monitor. No array is opened: an open that meets the end of an array can bring it back.

use std::{ffi::OsStr, path::Path};

use super::{StatusLook, configuration_texts, map_entries};
use crate::model::order::InOrder as _;
use crate::{
    config::{
        alerts::{self, Alerts},
        sources::ConfigSources,
    },
    kernel::{KernelError, Machine, files, host, kmsg::KernelLog, lock, mdstat, node},
    model::{
        monitor::{ArraySeen, Letter, MonitorTexts, Monitored, NamedArray, Spool, Spooled, SyncPercent},
        status::ArrayStatus,
    },
};

/// Our own configuration of receivers.
const ALERTS: &str = "/etc/mdctl.conf";
/// The most that it is believed to be.
const LONGEST_ALERTS: u64 = 1 << 20;
/// The most that a letter is believed to be.
const LONGEST_LETTER: u64 = 4 << 20;

/// Looks.
///
/// # Errors
/// sysfs or /proc/mdstat could not be read at all.
pub(super) fn monitored(machine: &Machine, paths: &[String]) -> Result<Monitored, KernelError> {
    let mdstat = machine.procfs.text("mdstat")?;
    let entries = mdstat::parse(&mdstat);
    let mut look = StatusLook::new(machine);
    let arrays = look.all_with(&entries)?.into_iter().map(|status| seen(status, &entries)).collect();
    let by_path = look.nodes().by_path().into_iter();
    Ok(Monitored {
        now: host::now().0,
        arrays,
        named: paths.iter().map(|path| (path.clone(), named(machine, path))).collect(),
        mdstat,
        map: map_entries(machine).unwrap_or_default(),
        by_path: by_path.filter_map(|(id, names)| Some((machine.sysfs.name_of(id)?, names))).collect(),
    })
}

fn seen(status: ArrayStatus, entries: &[mdstat::MdstatEntry]) -> ArraySeen {
    let entry = entries.iter().find(|entry| entry.name == status.kernel_name);
    let at = entry.and_then(|entry| entry.activity.as_ref()).map(|activity| activity.at);
    let percent = match at {
        Some(mdstat::MdstatStage::Percent(percent)) => SyncPercent::At(percent),
        Some(mdstat::MdstatStage::Delayed) => SyncPercent::Delayed,
        Some(mdstat::MdstatStage::Pending) => SyncPercent::Pending,
        Some(mdstat::MdstatStage::Remote) => SyncPercent::Remote,
        None => SyncPercent::None,
    };
    ArraySeen { status, percent, pattern: entry.map(|entry| entry.pattern.clone()).unwrap_or_default() }
}

fn named(machine: &Machine, path: &str) -> NamedArray {
    match node::number_of(Path::new(path)) {
        Err(error) => NamedArray::Absent(
            error.errno().map_or_else(|| error.to_string(), |errno| errno.desc().to_owned()),
        ),
        Ok(number) => match number.and_then(|dev| machine.sysfs.name_of(dev)) {
            Some(name) if name.starts_with("md") => NamedArray::Array(name),
            Some(_) | None => NamedArray::NoArray,
        },
    }
}

/// Where the number of the one process stands that moves spares.
#[must_use]
pub fn sharing_file(machine: &Machine) -> String {
    machine.places.run.join("mdadm/autorebuild.pid").display().to_string()
}

/// Another process that moves spares.
#[must_use]
pub fn sharing_process(machine: &Machine) -> Option<u32> {
    let text = files::read(Path::new(&sharing_file(machine)), 64).ok().flatten()?;
    let pid: u32 = String::from_utf8_lossy(&text).trim().parse().ok()?;
    let name = machine.procfs.command_name(pid).filter(|_| pid != std::process::id())?;
    ["mdadm", "mdctl"].iter().any(|ours| name.starts_with(ours)).then_some(pid)
}

/// Who takes letters, by our own configuration.
///
/// # Errors
/// The file is there and cannot be read.
pub fn alerts() -> Result<Alerts, KernelError> {
    let bytes = files::read(Path::new(ALERTS), LONGEST_ALERTS)?.unwrap_or_default();
    Ok(alerts::parse(&String::from_utf8_lossy(&bytes)).0)
}

/// What is configured, as it is now.
///
/// # Errors
/// A file is there and cannot be read.
pub fn texts(config: Option<&OsStr>) -> Result<MonitorTexts, KernelError> {
    let (conf, unread) = configuration_texts(&ConfigSources::from_option(config))?;
    let text = files::read(Path::new(ALERTS), LONGEST_ALERTS)?;
    let text = text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(MonitorTexts {
        conf,
        unread: unread.iter().map(ToString::to_string).collect(),
        secrets: text.iter().flat_map(|text| secrets(text)).collect(),
        alerts: text.map(|text| (ALERTS.to_owned(), text)),
    })
}

fn secrets(text: &str) -> Vec<String> {
    alerts::parse(text).0.secrets().filter_map(secret).collect()
}

/// What is wrong with the file of a password.
fn secret(path: &str) -> Option<String> {
    match files::mode(Path::new(path)) {
        None => Some(format!("{path}: {ALERTS} names it and it does not exist")),
        Some(mode) if mode & 0o077 != 0 => {
            Some(format!("{path}: others than its owner may read it (mode {mode:04o}); chmod 600 {path}"))
        }
        Some(_) => None,
    }
}

/// Letters that are not delivered, oldest first: their names begin with the time.
pub(super) fn letters(machine: &Machine, dirs: &[String]) -> Result<Spool, KernelError> {
    let mut letters = Vec::new();
    for dir in dirs.iter().map(Path::new) {
        for name in files::names(dir)? {
            let path = dir.join(&name);
            if path.extension().is_some_and(|extension| extension == "letter") {
                letters.extend(spooled(machine, &path)?);
            }
        }
    }
    let name = |spooled: &Spooled| Path::new(&spooled.file).file_name().map(ToOwned::to_owned);
    letters.order_by_key(name);
    Ok(Spool { now: host::now().0, letters })
}

/// One of them; `None` for what is gone meanwhile, or is not one.
fn spooled(machine: &Machine, path: &Path) -> Result<Option<Spooled>, KernelError> {
    let Some(letter) = letter(path)? else { return Ok(None) };
    let file = path.display().to_string();
    let why = files::read(Path::new(&Letter::why_file(&file)), LONGEST_LETTER).ok().flatten();
    let refused = why.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let in_hand = lock::holders(&machine.procfs, path).is_ok_and(|holders| !holders.is_empty());
    Ok(Some(Spooled { file, letter, in_hand, refused }))
}

/// The letter in a file; `None` where there is none.
///
/// # Errors
/// The file cannot be read.
pub fn letter(path: &Path) -> Result<Option<Letter>, KernelError> {
    let bytes = files::read(path, LONGEST_LETTER)?;
    Ok(bytes.and_then(|bytes| Letter::from_file(&String::from_utf8_lossy(&bytes))))
}

/// The kernel's lines with one of the words, oldest first.
pub(super) fn log(machine: &Machine, words: &[String]) -> Vec<String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    KernelLog::from_start(&machine.places.dev.join("kmsg")).since(&words)
}
