//! Arrays for scrubbing, and what is kept of their checks: read as data, whoever wrote it, and bounded.

use std::{collections::BTreeSet, path::Path};

use superblock::{MdUuid, Sectors};

use super::StatusLook;
use crate::{
    kernel::{KernelError, Machine, files, host, node, sysfs::ArrayAttr},
    model::{
        scrub::{Kept, KeptPosition, ScrubArray, ScrubRecord, ScrubSight, SyncLimit, parse_position},
        status::ArrayStatus,
    },
};

/// The most that a file with a position is believed to be.
const LONGEST_POSITION: u64 = 64;
/// The most that a record is believed to be.
const LONGEST_RECORD: u64 = 256 << 10;

/// Looks at the arrays that these words mean, at all of them where there are none.
///
/// # Errors
/// sysfs or /proc/mdstat could not be read at all.
pub fn scrub(machine: &Machine, words: &[String]) -> Result<ScrubSight, KernelError> {
    let all = StatusLook::new(machine).all()?;
    let text = |path: &str| machine.procfs.text(path).unwrap_or_default();
    let mut sight = ScrubSight {
        now: host::now().0,
        clock: text("uptime").split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0),
        boot: text("sys/kernel/random/boot_id").trim().to_owned(),
        theirs: machine.state.join("mdcheck").display().to_string(),
        ours: machine.state.join("mdctl/scrub").display().to_string(),
        ..ScrubSight::default()
    };
    let mut seen = BTreeSet::new();
    let mut chosen: Vec<&ArrayStatus> = Vec::new();
    for word in words {
        let id = node::number_of(Path::new(word)).ok().flatten();
        match all.iter().find(|array| array.is_called(word, id)) {
            Some(array) if seen.insert(&array.kernel_name) => chosen.push(array),
            Some(_) => {}
            None => sight.absent.push(word.clone()),
        }
    }
    if words.is_empty() {
        chosen.extend(&all);
    }
    sight.arrays = chosen.into_iter().map(|status| one(machine, &sight, status)).collect();
    let names = files::names(Path::new(&sight.theirs)).unwrap_or_default();
    let marked = |name: &std::ffi::OsString| name.to_str()?.strip_prefix("Checked_")?.parse().ok();
    sight.checked = names.iter().filter_map(marked).collect();
    Ok(sight)
}

fn one(machine: &Machine, sight: &ScrubSight, status: &ArrayStatus) -> ScrubArray {
    let array = machine.sysfs.array(&status.kernel_name);
    let word = |attr| array.read(attr).ok().flatten();
    let diskseq = machine.sysfs.block_attr(&status.kernel_name, "diskseq").ok().flatten();
    ScrubArray {
        sync_min: Sectors(word(ArrayAttr::SyncMin).and_then(|text| text.parse().ok()).unwrap_or(0)),
        sync_max: word(ArrayAttr::SyncMax).and_then(|text| SyncLimit::parse(&text)).unwrap_or_default(),
        diskseq: diskseq.and_then(|text| text.parse().ok()),
        kept: status.uuid.map(|uuid| kept(sight, uuid)).unwrap_or_default(),
        status: status.clone(),
    }
}

fn kept(sight: &ScrubSight, uuid: MdUuid) -> Kept {
    let mut kept = Kept::default();
    let path = sight.position_file(uuid);
    match read(&path, LONGEST_POSITION, parse_position) {
        Ok(Some(at)) => {
            let noted = changed(&path).unwrap_or(sight.now);
            kept.position = Some(KeptPosition { at, noted });
        }
        Ok(None) => {}
        Err(why) => kept.odd.push(format!("{why}: a check begins at its start")),
    }
    kept.checked = changed(&sight.marker_file(uuid));
    let path = sight.record_file(uuid);
    match read(&path, LONGEST_RECORD, ScrubRecord::parse) {
        Ok(record) => kept.record = record.unwrap_or_default(),
        Err(why) => kept.odd.push(format!("{why}: what it held is left out")),
    }
    kept
}

fn read<T>(path: &str, limit: u64, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    let bytes = files::read_plain(Path::new(path), limit).map_err(|error| error.to_string())?;
    let parsed = |bytes| parse(&String::from_utf8_lossy(bytes)).map_err(|why| format!("{path}: {why}"));
    bytes.as_deref().map(parsed).transpose()
}

fn changed(path: &str) -> Option<u64> {
    files::changed(Path::new(path)).and_then(|seconds| u64::try_from(seconds).ok())
}
