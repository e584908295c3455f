//! A guess as the request that makes it true: new superblocks over the same data.

use std::path::PathBuf;

use superblock::{Level, Sectors};

use super::TrialSeen;
use crate::{
    config::Metadata,
    model::{
        layout::layout_word,
        trial::{Format, Hypothesis, Scored},
    },
    plan::Refusal,
    request::{BitmapKind, CreateRequest, DataOffset, MemberSource, MemberWord, SizeOrMax},
};

/// Where data has to begin so that a bitmap and a bad-block log fit before it.
const ROOM_FOR_BITMAP: Sectors = Sectors(2048);

/// What `--create --assume-clean` has to be told. `device`: the array's word; `paths`: those of the devices, the members'
/// own or their overlays'.
#[must_use]
pub fn request(guess: &Hypothesis, paths: &[String], device: &str, readonly: bool) -> CreateRequest {
    let geometry = guess.geometry;
    let sized = geometry.data_disks().is_some();
    let v1 = guess.format != Format::V0;
    let member = |seat: &Option<crate::model::trial::Seat>| {
        let path = seat.and_then(|seat| paths.get(seat.device));
        MemberWord {
            source: path.map_or(MemberSource::Missing, |path| MemberSource::Path(PathBuf::from(path))),
            write_mostly: false,
            failfast: false,
            data_offset: seat.map(|seat| seat.data_offset).filter(|_| v1),
        }
    };
    let roomy = guess.seats.iter().flatten().all(|seat| seat.data_offset >= ROOM_FOR_BITMAP);
    let bitmap = guess.bitmap && roomy && geometry.level.number() > 0;
    CreateRequest {
        device: device.into(),
        level: Some(geometry.level),
        raid_devices: Some(geometry.raid_disks),
        spares: 0,
        layout: has_layout(geometry.level).then_some(geometry.layout),
        chunk: (geometry.chunk.0 > 0).then_some(geometry.chunk),
        size: sized.then_some(SizeOrMax::Size(geometry.component_size)),
        data_offset: v1.then_some(DataOffset::Variable),
        metadata: Some(match guess.format {
            Format::V0 => Metadata::V0,
            Format::V1(minor) => Metadata::V1(u8::try_from(minor.number()).ok()),
        }),
        bitmap: Some(if bitmap { BitmapKind::Internal } else { BitmapKind::None }),
        bitmap_chunk: None,
        write_behind: None,
        delay: None,
        members: guess.seats.iter().map(member).collect(),
        consistency_policy: None,
        assume_clean: true,
        write_zeroes: false,
        uuid: guess.array,
        destroy: None,
        name: guess.name.as_deref().map(bare_name).filter(|name| !name.is_empty()),
        run: true,
        force: true,
        readonly,
        logical_block_size: None,
        nodes: None,
        home_cluster: None,
    }
}

/// What the array is called when it is made: as asked for, else as its superblocks call it.
#[must_use]
pub fn array_word(name: Option<&str>, guess: &Hypothesis) -> String {
    if let Some(name) = name {
        return if name.contains('/') { name.to_owned() } else { format!("/dev/md/{name}") };
    }
    match request(guess, &[], "", false).name.as_deref().unwrap_or("recovered") {
        number if number.bytes().all(|byte| byte.is_ascii_digit()) => format!("/dev/md{number}"),
        name => format!("/dev/md/{name}"),
    }
}

fn has_layout(level: Level) -> bool {
    matches!(level, Level::Raid5 | Level::Raid6 | Level::Raid10 | Level::Raid0)
}

/// Without the host before the colon; what cannot be a name is left out.
fn bare_name(name: &[u8]) -> String {
    let name = name.splitn(2, |byte| *byte == b':').last().unwrap_or(name);
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.iter().all(plain) { String::from_utf8_lossy(name).into_owned() } else { String::new() }
}

/// The words that say the same to create.
#[must_use]
pub fn command_line(guess: &Hypothesis, seen: &[TrialSeen], device: &str) -> String {
    let paths: Vec<&str> = seen.iter().map(|seen| seen.path.as_str()).collect();
    words_for_create(guess, &paths, device).join(" ")
}

/// Those words one by one. `paths`: of the devices that the guess's seats name by number.
#[must_use]
pub fn words_for_create(guess: &Hypothesis, paths: &[&str], device: &str) -> Vec<String> {
    let geometry = guess.geometry;
    let mut words =
        ["mdctl", "create", device, "--assume-clean", "--run", "--force"].map(str::to_owned).to_vec();
    words.push(format!("--metadata={}", guess.format.name()));
    words.push(format!("--level={}", geometry.level.name().unwrap_or("unknown")));
    words.push(format!("--raid-devices={}", geometry.raid_disks));
    if geometry.chunk.0 > 0 {
        words.push(format!("--chunk={}K", geometry.chunk.kib().0));
    }
    words.extend(layout_word(geometry.level, geometry.layout).map(|layout| format!("--layout={layout}")));
    if geometry.data_disks().is_some() {
        words.push(format!("--size={}K", geometry.component_size.kib().0));
    }
    let offsets: Vec<Sectors> = guess.seats.iter().flatten().map(|seat| seat.data_offset).collect();
    let v1 = guess.format != Format::V0;
    let one = offsets.first().copied().filter(|first| v1 && offsets.iter().all(|offset| offset == first));
    match one {
        Some(Sectors(0)) => {}
        Some(offset) => words.push(format!("--data-offset={}s", offset.0)),
        None if v1 => words.push("--data-offset=variable".to_owned()),
        None => {}
    }
    words.extend(guess.array.map(|array| format!("--uuid={array}")));
    for seat in &guess.seats {
        let path = seat.and_then(|seat| Some((paths.get(seat.device)?, seat.data_offset)));
        words.push(match path {
            None => "missing".to_owned(),
            Some((path, offset)) if one.is_none() && v1 => format!("{path}:{}s", offset.0),
            Some((path, _)) => (*path).to_owned(),
        });
    }
    words
}

/// The words of a trial behind its verb, without those about what is to be done with a guess.
#[must_use]
pub fn words_again(words: &[String]) -> Vec<String> {
    let mut rest = words.iter().skip_while(|word| *word != "trial").skip(1);
    let mut again = Vec::new();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--apply" => {
                rest.next();
            }
            "--json" | "--yes" | "-y" | "--dry-run" => {}
            word if word.starts_with("--keep") || word.starts_with("--apply=") => {}
            word => again.push(word.to_owned()),
        }
    }
    again
}

/// Whether there is any reason to write a guess to the devices.
///
/// # Errors
/// Nothing speaks for it.
pub fn supported(scored: &Scored, number: usize, command: &str) -> Result<(), Refusal> {
    if scored.is_supported() {
        return Ok(());
    }
    let text = format!(
        "nothing speaks for guess {number}: no superblock says so, nothing that is known was found in its place, and \
         redundancy does not show it"
    );
    Err(Refusal::new(text).hint(format!("if you know that it is right: {command}")))
}
