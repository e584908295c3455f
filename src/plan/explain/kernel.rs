//! The kernel's own words about an array or its devices.

use super::ExplainScene;
use crate::model::{human::duration, world::LogLine};

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
pub(super) fn refusals(scene: &ExplainScene<'_>, updated: u64, names: &[&str]) -> Vec<String> {
    let mut found = lines(scene, updated, names);
    found.retain(|line| REFUSALS.iter().any(|word| line.contains(word)));
    found
}

/// The last telling lines that name one of these devices, oldest first. Only those since the array was made: before
/// that, its devices and its number were another array's.
#[must_use]
pub(super) fn lines(scene: &ExplainScene<'_>, created: u64, names: &[&str]) -> Vec<String> {
    let names_it = |line: &str| {
        let mut words = line.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'));
        words.any(|word| names.contains(&word))
    };
    // Both clocks count whole seconds.
    let since = |line: &&LogLine| line.at.saturating_add(2) >= created;
    let telling =
        |line: &&LogLine| TELLING.iter().any(|word| line.text.contains(word)) && names_it(&line.text);
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
