//! The kernel's own words about an array or its devices.

use superblock::Level;

use super::ExplainScene;
use crate::{
    model::{human::duration, world::LogLine},
    plan::assemble::Claim,
};

/// Words that make a line of the log a refusal or a loss.
const TELLING: &[&str] = &[
    "not enough",
    "cannot start",
    "kicking non-fresh",
    "not importing",
    "invalid",
    "Disk failure",
    "failed",
    "error",
    "not loaded",
    "cannot assemble",
    "does not have",
    "too small",
    "unsupported",
    "not supported",
    "bitmap file",
    "has different",
    "dirty degraded",
    "has no",
    "missing",
    "rejecting",
    "larger than",
    "delaying",
    "read-only",
    "recoverable",
    "not correctable",
    "unable",
    "Couldn't",
    "could not",
];
/// Those with which the driver refuses to start an array.
const REFUSALS: &[&str] = &[
    "cannot assemble",
    "cannot start",
    "not enough",
    "not loaded",
    "does not have",
    "unsupported",
    "not supported",
    "invalid",
    "has no",
    "too small",
    "larger than",
    "dirty degraded",
];
/// Lines that are worth showing.
const MOST: usize = 4;

/// What the driver said when it refused to start this array after its last update: where that is the last word,
/// nothing that superblocks say is proof that it can be started.
#[must_use]
pub(super) fn refusals(scene: &ExplainScene<'_>, model: &Claim, name: &str) -> Vec<String> {
    let level = model.facts.level;
    let mut found = lines_of(scene, model.facts.updated, &[name], Some(level));
    found.retain(|line| REFUSALS.iter().any(|word| line.contains(word)) || lacks_driver(line, level));
    found
}

/// Whether the line says that there is no driver for this level; it names no array.
#[must_use]
pub(super) fn lacks_driver(line: &str, level: Level) -> bool {
    let by_number = format!("personality for level {} is not loaded", level.number());
    let by_name = level.name().map(|name| format!("personality for level {name} is not loaded"));
    line.contains(&by_number) || by_name.is_some_and(|text| line.contains(&text))
}

/// The module that runs a level.
#[must_use]
pub(in crate::plan) fn module(level: Level) -> Option<&'static str> {
    match level {
        Level::Raid4 | Level::Raid5 | Level::Raid6 => Some("raid456"),
        other => other.name(),
    }
}

/// Whether the driver of another level says it: then it is about an array that had the number before.
fn is_of_another(line: &str, level: Level) -> bool {
    let Some((driver, _)) = line.strip_prefix("md/").and_then(|rest| rest.split_once(':')) else {
        return false;
    };
    let known = matches!(driver, "raid" | "raid0" | "raid1" | "raid10" | "linear");
    let ours = match level {
        Level::Raid4 | Level::Raid5 | Level::Raid6 => Some("raid"),
        other => other.name(),
    };
    known && ours != Some(driver)
}

/// The last telling lines that name one of these devices, oldest first. Only those since the array was made, and none that the
/// driver of another level says: its devices and its number were another array's then.
#[must_use]
pub(super) fn lines(
    scene: &ExplainScene<'_>,
    created: u64,
    names: &[&str],
    level: Option<Level>,
) -> Vec<String> {
    telling(scene, created, names, level, false)
}

/// The same of an array that does not run: its driver may not be there.
pub(super) fn lines_of(
    scene: &ExplainScene<'_>,
    created: u64,
    names: &[&str],
    level: Option<Level>,
) -> Vec<String> {
    telling(scene, created, names, level, true)
}

fn telling(
    scene: &ExplainScene<'_>,
    created: u64,
    names: &[&str],
    level: Option<Level>,
    stopped: bool,
) -> Vec<String> {
    let names_it = |line: &str| {
        let mut words = line.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'));
        words.any(|word| names.contains(&word))
    };
    // Both clocks count whole seconds.
    let since = |line: &&LogLine| line.at.saturating_add(2) >= created;
    let telling = |line: &&LogLine| {
        let text = line.text.as_str();
        let ours = names_it(text) && !level.is_some_and(|level| is_of_another(text, level));
        let tells = ours && TELLING.iter().any(|word| text.contains(word));
        tells || level.is_some_and(|level| stopped && lacks_driver(text, level))
    };
    let mut found: Vec<&LogLine> = vec![];
    for line in scene.log.iter().rev().take_while(since).filter(telling) {
        if !found.iter().any(|known| known.text == line.text) {
            found.push(line);
        }
        if found.len() == MOST {
            break;
        }
    }
    let now = scene.session.world.now.seconds;
    let shown =
        |line: &&LogLine| format!("kernel, {} ago: {}", duration(now.saturating_sub(line.at)), line.text);
    found.iter().rev().map(shown).collect()
}
