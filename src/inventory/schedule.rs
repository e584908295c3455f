//! What begins checks by itself: systemd's timers, and cron.

use std::{path::Path, time::Duration};

use super::local_zone;
use crate::{
    kernel::{ErrorCause, KernelError, files, program},
    model::scrub::schedule::{CronJob, PART, ScheduleSeen, TURN, UnitSeen, autocheck},
};

/// systemd answers at once, unless the machine is very busy.
const LONGEST: Duration = Duration::from_secs(30);
/// The most that a file of units, of cron or of their environment is believed to be.
const LONGEST_FILE: u64 = 256 << 10;
/// Fedora's own timer for the same.
const OTHER: &str = "raid-check";
/// Crontabs of the machine and of its root.
const CRONTABS: [&str; 4] =
    ["/etc/crontab", "/var/spool/cron/crontabs/root", "/var/spool/cron/root", "/etc/crontabs/root"];
/// Directories of more crontabs, and of scripts that cron runs.
const CRON_DIRS: [&str; 5] =
    ["/etc/cron.d", "/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly"];
/// Debian's switches.
const SWITCHES: &str = "/etc/default/mdadm";

/// Looks. `calendar`: what somebody wants systemd to understand; `kept`: files that may be there besides those that units name.
///
/// # Errors
/// systemd runs and does not say what it has.
pub fn schedule(calendar: Option<&str>, kept: &[String]) -> Result<ScheduleSeen, KernelError> {
    let mut seen = ScheduleSeen {
        systemd: files::is_dir(Path::new("/run/systemd/system")),
        jobs: jobs(),
        autocheck: text(SWITCHES).as_deref().and_then(autocheck),
        calendar: calendar.and_then(check),
        ..ScheduleSeen::default()
    };
    if seen.systemd {
        let names =
            [TURN, PART, OTHER].into_iter().flat_map(|name| ["timer", "service"].map(|kind| (name, kind)));
        for (name, kind) in names {
            seen.units.extend(unit(&format!("{name}.{kind}"))?);
        }
    }
    let named = seen.units.iter().flat_map(|unit| unit.drop_ins.iter().chain(&unit.environment_files));
    let named: Vec<String> = named.chain(kept).cloned().collect();
    seen.files = named.into_iter().filter_map(|path| Some((path.clone(), text(&path)?))).collect();
    Ok(seen)
}

fn text(path: &str) -> Option<String> {
    let bytes = files::read_plain(Path::new(path), LONGEST_FILE).ok().flatten()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn unit(name: &str) -> Result<Option<UnitSeen>, KernelError> {
    let properties = format!("--property={}", UnitSeen::PROPERTIES.join(","));
    let ended = program::run_for("systemctl", &["show", "--no-pager", &properties, name], LONGEST)?;
    if ended.status != Some(0) {
        return Err(KernelError::other(name, "systemctl show", ErrorCause::Unexpected(ended.said)));
    }
    Ok(UnitSeen::parse(&ended.said, &local_zone()))
}

/// What systemd says to a calendar, where its checker is.
fn check(calendar: &str) -> Option<Result<(), String>> {
    let ended = program::run_for("systemd-analyze", &["calendar", "--", calendar], LONGEST).ok()?;
    Some(if ended.status == Some(0) { Ok(()) } else { Err(ended.said) })
}

fn jobs() -> Vec<CronJob> {
    let in_dir = |dir: &&str| {
        let mut names = files::names(Path::new(dir)).unwrap_or_default();
        names.sort();
        let path = |name: std::ffi::OsString| Some(format!("{dir}/{}", name.to_str()?));
        names.into_iter().filter_map(path).collect::<Vec<_>>()
    };
    let all = CRONTABS.into_iter().map(str::to_owned).chain(CRON_DIRS.iter().flat_map(in_dir));
    all.filter_map(|path| CronJob::find(&path, &text(&path)?)).collect()
}
