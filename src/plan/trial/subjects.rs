//! What a trial is of: the devices that its words mean, and what is known of each.

use superblock::probe::{Found, probe};

use crate::{
    archive::{Entry, Identity, KeptDevice, Pieces},
    model::{
        DevId, Device, World,
        trial::{Grounds, SuperblockWord, TrialSeen},
        world::MapEntry,
    },
    plan::{
        Refusal,
        undo::{self, DeviceTrust},
    },
};

/// So many of the newest entries of the archive are asked.
pub const ENTRIES: usize = 16;

/// A word, and the number of the device that it is the path of.
pub type SubjectWord = (String, Option<DevId>);

/// Where a member is not there.
fn is_missing(word: &str) -> bool {
    word.eq_ignore_ascii_case("missing")
}

/// Whether all devices have to be looked at, to know what a word means.
#[must_use]
pub fn asks_for_all(words: &[SubjectWord], world: &World) -> bool {
    let unknown = |(word, number): &&SubjectWord| {
        number.is_none() && !is_missing(word) && running(word, *number, world).is_none()
    };
    words.iter().any(|word| unknown(&word))
}

/// The paths of the devices; and their order with `missing`, where the words are nothing but devices. `all`: every device,
/// where [`asks_for_all`].
///
/// # Errors
/// A word means nothing, or an array that is there.
pub fn subjects(
    words: &[SubjectWord],
    world: &World,
    all: &[Device],
) -> Result<(Vec<String>, Vec<Option<usize>>), Refusal> {
    let (mut paths, mut listed) = (Vec::new(), Vec::new());
    for (word, number) in words {
        if is_missing(word) {
            listed.push(None);
            continue;
        }
        if let Some(array) = running(word, *number, world) {
            let text = format!("{array} is an array that is there: nothing of it is guessed at");
            return Err(Refusal::new(text).hint(format!("stop it first: mdctl stop /dev/{array}")));
        }
        let found: Vec<String> = match number {
            Some(_) => vec![word.clone()],
            None => all.iter().filter(|device| speaks_of(device, word)).map(|one| one.path.clone()).collect(),
        };
        if found.is_empty() {
            let text =
                format!("{}: neither a device nor an array that any device speaks of", word.escape_debug());
            return Err(Refusal::new(text).hint("name the devices"));
        }
        for path in found {
            listed.push(Some(paths.len()));
            paths.push(path);
        }
    }
    let only_devices = words.len() == listed.len();
    Ok((paths, if only_devices { listed } else { Vec::new() }))
}

/// The array in the kernel that a word means.
fn running<'a>(word: &str, number: Option<DevId>, world: &'a World) -> Option<&'a str> {
    let array = world.arrays.iter().find(|array| {
        let path = |entry: &MapEntry| entry.devnm == array.name && entry.path == word;
        number == Some(array.id) || array.name == word || world.map.iter().any(path)
    });
    array.map(|array| array.name.as_str())
}

/// Whether a device has a superblock of an array of this name or UUID.
fn speaks_of(device: &Device, word: &str) -> bool {
    let name = word.strip_prefix("/dev/md/").unwrap_or(word);
    device.probe.found.iter().filter_map(|found| found.verify().ok()).any(|said| {
        let stored = said.name.unwrap_or_default();
        let bare = stored.splitn(2, |byte| *byte == b':').last().unwrap_or_default();
        said.array.to_string() == word || stored == word.as_bytes() || bare == name.as_bytes()
    })
}

/// What is on each device.
#[must_use]
pub fn seen(devices: &[Device]) -> Vec<TrialSeen> {
    let one = |device: &Device| TrialSeen {
        path: device.path.clone(),
        size: device.sectors(),
        words: said(&device.probe.found, &Grounds::Superblocks),
    };
    devices.iter().map(one).collect()
}

/// Adds what was on the devices when entries of the archive were made. A path is enough to know one by: nothing is written for it,
/// and what it says has to stand before the bytes.
pub fn add_kept(seen: &mut [TrialSeen], here: &[Identity], entries: impl Iterator<Item = Entry>) {
    for entry in entries {
        let Ok(found) = undo::find(&entry, (here, &[]), DeviceTrust::Path) else { continue };
        let command = entry.about.command.join(" ");
        let grounds = Grounds::Archive { id: entry.about.id.to_string(), command };
        for (kept, at) in &found.places {
            let path = here.get(*at).map(|identity| identity.path.as_str());
            if let Some(device) = seen.iter_mut().find(|seen| Some(seen.path.as_str()) == path) {
                let words = kept_words(kept, device, &grounds);
                device.words.extend(words);
            }
        }
    }
}

fn kept_words(kept: &KeptDevice, seen: &TrialSeen, grounds: &Grounds) -> Vec<SuperblockWord> {
    let pieces = Pieces { size: seen.size.bytes(), pieces: &kept.before };
    said(&probe(&pieces).found, grounds)
}

fn said(found: &[Found], grounds: &Grounds) -> Vec<SuperblockWord> {
    let one = |found: &Found| {
        let membership = found.verify().ok()?;
        let fields = found.fields();
        let (format, bitmap) = (fields.format(), fields.bitmap_at().is_some());
        Some(SuperblockWord { grounds: grounds.clone(), format, membership, bitmap })
    };
    found.iter().filter_map(one).collect()
}

#[cfg(test)]
#[path = "subjects_tests.rs"]
mod tests;
