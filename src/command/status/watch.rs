//! `mdctl status --watch`: again whenever the kernel tells of a change, and every second while something runs.

use crate::words::ArrayState;
use std::{io, os::fd::AsFd, time::Duration};

use anyhow::Result;

use super::{super::DONE, Work, view};
use crate::{
    command::print,
    inventory::StatusLook,
    kernel::{
        Watched, terminal,
        terminal::Screen,
        watch::{self, Woken},
    },
    model::status::ArrayStatus,
    report::status::{NotRunning, StatusReport},
};

/// Progress is no event: look again this often while there is some.
const PROGRESS: Duration = Duration::from_secs(1);
/// Where nothing moves, nearly everything is told; that somebody froze an array is not (6.12).
const QUIET: Duration = Duration::from_secs(10);
/// Without /proc/mdstat nothing is told: look for the driver.
const NO_DRIVER: Duration = Duration::from_secs(2);
/// An array that is written to changes its state many times a second.
const SETTLE: Duration = Duration::from_millis(200);
/// Attributes of an array that tell of changes which /proc/mdstat does not.
const TELLING: [&str; 3] = ["array_state", "sync_action", "degraded"];

/// Until a key, a signal, or nobody reads any more.
pub(super) fn run(work: &Work<'_>) -> Result<u8> {
    let on_screen = !work.common.json && terminal::standard_output().is_some();
    let mut screen = if on_screen { Some(Screen::enter()?) } else { None };
    let mut look = StatusLook::new(work.machine);
    let mut known: Option<(Vec<String>, Option<Vec<NotRunning>>)> = None;
    let mut last = String::new();
    loop {
        // Armed before anything is read: what changes from now on ends the wait.
        let files = watched(work)?;
        let all = look.all()?;
        let names = names(&all);
        let idle = match &known {
            Some((same, idle)) if *same == names => idle.clone(),
            _ => {
                look.refresh();
                let idle = work.idle(&look, &all)?;
                known = Some((names, idle.clone()));
                idle
            }
        };
        let report = work.report(&all, idle);
        show(work, &report, screen.as_ref(), &mut last)?;
        let slice = if all.iter().any(ArrayStatus::is_moving) {
            PROGRESS
        } else if files.is_empty() {
            NO_DRIVER
        } else {
            QUIET
        };
        let woken = wait(&files, screen.as_ref(), slice)?;
        if woken.hung_up || (woken.readable && screen.as_mut().is_some_and(Screen::ends)) {
            return Ok(DONE);
        }
        if woken.changed {
            let woken = wait(&[], screen.as_ref(), SETTLE)?;
            if woken.hung_up || (woken.readable && screen.as_mut().is_some_and(Screen::ends)) {
                return Ok(DONE);
            }
        }
    }
}

fn wait(files: &[Watched], screen: Option<&Screen>, slice: Duration) -> Result<Woken> {
    let inputs = screen.map(Screen::inputs).unwrap_or_default();
    Ok(watch::any(files, &inputs, io::stdout().as_fd(), slice)?)
}

/// The files that tell of changes, each read once.
fn watched(work: &Work<'_>) -> Result<Vec<Watched>> {
    let mut paths = vec![work.machine.procfs.path("mdstat")];
    for name in work.machine.sysfs.arrays()? {
        let attributes = TELLING.map(|attribute| format!("block/{name}/md/{attribute}"));
        paths.extend(attributes.iter().map(|attribute| work.machine.sysfs.path(attribute)));
    }
    let mut files = vec![];
    for path in paths {
        // What goes away meanwhile is told by /proc/mdstat.
        let Ok(Some(mut file)) = Watched::open(&path) else { continue };
        if let Ok(Some(_)) = file.read() {
            files.push(file);
        }
    }
    Ok(files)
}

/// What decides whether devices have to be looked at again.
fn names(arrays: &[ArrayStatus]) -> Vec<String> {
    let of = |array: &ArrayStatus| {
        let members = array.members.iter().map(|member| member.kernel_name.clone());
        std::iter::once(format!("{} {}", array.kernel_name, array.state == ArrayState::Inactive))
            .chain(members)
            .collect::<Vec<_>>()
    };
    arrays.iter().flat_map(of).collect()
}

/// On the screen, or after what was there if it is anything new.
fn show(work: &Work<'_>, report: &StatusReport, screen: Option<&Screen>, last: &mut String) -> Result<()> {
    let view = view();
    if let (Some(screen), Some(terminal)) = (screen, terminal::standard_output()) {
        let text = report.text(view);
        let lines: Vec<&str> = text.lines().collect();
        let room = usize::from(terminal.height.saturating_sub(1)).max(1);
        let hidden = lines.len().saturating_sub(room);
        let foot = match hidden {
            0 => "q quits".to_owned(),
            n => format!("q quits; {n} more lines below"),
        };
        let foot: String = foot.chars().take(usize::from(terminal.width)).collect();
        let empty = (lines.len()..room).map(|_| "");
        screen.show(lines.iter().copied().take(room).chain(empty).chain([foot.as_str()]));
        return Ok(());
    }
    // The time alone is no change.
    let content = serde_json::to_string(&StatusReport { time_unix_seconds: 0, ..report.clone() })?;
    if *last == content {
        return Ok(());
    }
    *last = content;
    if work.common.json {
        print(&format!("{}\n", serde_json::to_string(report)?));
    } else {
        print(&format!("{}\n", report.text(view)));
    }
    Ok(())
}
