//! /proc/mdstat: only what the kernel says nowhere else, and what it says there in another rounding.

use superblock::Kib;

use super::{KernelError, procfs::Procfs};
use crate::words::SyncKind;

/// One array's entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MdstatEntry {
    /// The kernel's name.
    pub name: String,
    /// Whether it is started.
    pub active: bool,
    /// `super 1.2`, `super external:…`, `super non-persistent`: what follows `super`. Empty for 0.90, which is
    /// not mentioned.
    pub metadata: String,
    /// `[UU_]`, without the brackets; empty where the level has none.
    pub pattern: String,
    /// What runs or waits to run.
    pub activity: Option<MdstatActivity>,
}

/// A resync, recovery, reshape or check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MdstatActivity {
    /// What.
    pub kind: SyncKind,
    /// How far.
    pub at: MdstatStage,
    /// The same as numbers: so much of so much.
    pub done: Option<(Kib, Kib)>,
    /// Minutes to go, as the kernel prints them (`1.5`).
    pub finish: Option<String>,
    /// KiB a second.
    pub speed: Option<u64>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MdstatStage {
    /// Whole percents, rounded down.
    Percent(u8),
    /// Another array on the same devices goes first.
    Delayed,
    /// It begins when the array is written to.
    Pending,
    /// Another node of the cluster does it.
    Remote,
}

/// All arrays, in the kernel's order; none where there is no such file.
pub fn read(procfs: &Procfs) -> Result<Vec<MdstatEntry>, KernelError> {
    Ok(parse(&procfs.text("mdstat")?))
}

/// The levels that the kernel can run now, by its names (`raid1`, `linear`); a module may still bring others.
pub fn personalities(text: &str) -> Vec<String> {
    let line = text.lines().find_map(|line| line.strip_prefix("Personalities :")).unwrap_or_default();
    let name = |word: &str| Some(word.strip_prefix('[')?.strip_suffix(']')?.to_owned());
    line.split_whitespace().filter_map(name).collect()
}

/// From the text. An array's first line begins with its name, the others are indented.
pub fn parse(text: &str) -> Vec<MdstatEntry> {
    let mut entries: Vec<MdstatEntry> = vec![];
    for line in text.lines() {
        if line.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            entries.extend(header(line));
        } else if let Some(entry) = entries.last_mut() {
            detail(entry, line);
        }
    }
    entries
}

/// `md0 : active (auto-read-only) raid1 sdb[1] sda[0]`.
fn header(line: &str) -> Option<MdstatEntry> {
    let (name, rest) = line.split_once(" : ")?;
    let known = matches!(name, "Personalities" | "unused devices") || name.contains(' ');
    let active = rest.split_whitespace().next() == Some("active");
    (!known).then(|| MdstatEntry { name: name.to_owned(), active, ..MdstatEntry::default() })
}

fn detail(entry: &mut MdstatEntry, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    for (index, word) in words.iter().enumerate() {
        let next = words.get(index.saturating_add(1)).copied().unwrap_or_default();
        let inner = word.strip_prefix('[').and_then(|word| word.strip_suffix(']'));
        match inner {
            Some(inner) if !inner.is_empty() && inner.chars().all(|c| matches!(c, 'U' | '_')) => {
                entry.pattern = inner.to_owned();
            }
            _ if *word == "super" => entry.metadata = next.to_owned(),
            _ => {}
        }
    }
    if let Some(activity) = activity(&words) {
        entry.activity = Some(activity);
    }
}

/// `[==>..] recovery = 12.6% (1/2) finish=0.1min speed=200000K/sec`, or `resync=PENDING`.
fn activity(words: &[&str]) -> Option<MdstatActivity> {
    let (index, kind) = words.iter().enumerate().find_map(|(index, word)| {
        let name = word.split('=').next()?;
        SyncKind::parse(name).map(|kind| (index, kind))
    })?;
    let rest = words.get(index..)?.concat();
    let value = rest.strip_prefix(kind.word())?.strip_prefix('=')?;
    let at = if value.starts_with("DELAYED") {
        MdstatStage::Delayed
    } else if value.starts_with("PENDING") {
        MdstatStage::Pending
    } else if value.starts_with("REMOTE") {
        MdstatStage::Remote
    } else {
        let percent = value.split_once('%')?.0;
        MdstatStage::Percent(percent.split('.').next()?.parse().ok()?)
    };
    let field = |name: &str| words.iter().find_map(|word| word.strip_prefix(name));
    let finish = field("finish=").and_then(|text| text.strip_suffix("min")).map(str::to_owned);
    let speed = field("speed=").and_then(|text| text.strip_suffix("K/sec")?.parse().ok());
    let done = words.iter().find_map(|word| {
        let (done, total) = word.strip_prefix('(')?.strip_suffix(')')?.split_once('/')?;
        Some((Kib(done.parse().ok()?), Kib(total.parse().ok()?)))
    });
    Some(MdstatActivity { kind, at, done, finish, speed })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Personalities : [raid1] [raid6] [raid5] [raid4] \n\
md_home : active raid5 sdd[4](F) sdc[3] sdb[1] sda[0]\n      \
      4188160 blocks super 1.2 level 5, 512k chunk, algorithm 2 [3/2] [UU_]\n      \
      [==>..................]  recovery = 12.6% (264/2094080) finish=0.4min speed=66048K/sec\n      \
      bitmap: 0/1 pages [0KB], 65536KB chunk\n\n\
md1 : active (auto-read-only) raid1 sdf[1] sde[0]\n      \
      1048512 blocks [2/2] [UU]\n        resync=PENDING\n      \n\
md127 : inactive sdg[0](S)\n      1 blocks super external:imsm\n       \n\
unused devices: <none>\n";

    #[test]
    fn entries() {
        let entries = parse(TEXT);
        assert_eq!(entries.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["md_home", "md1", "md127"]);
        assert_eq!(personalities(TEXT), ["raid1", "raid6", "raid5", "raid4"]);
        assert_eq!(personalities("Personalities : \n"), Vec::<String>::new());
        let [home, second, third] = entries.try_into().unwrap();
        assert!(home.active && second.active && !third.active);
        assert_eq!((home.metadata.as_str(), home.pattern.as_str()), ("1.2", "UU_"));
        let activity = home.activity.unwrap();
        assert_eq!((activity.kind, activity.at), (SyncKind::Recovery, MdstatStage::Percent(12)));
        assert_eq!(activity.done, Some((Kib(264), Kib(2_094_080))));
        assert_eq!((activity.finish.as_deref(), activity.speed), (Some("0.4"), Some(66_048)));
        assert_eq!((second.metadata.as_str(), second.pattern.as_str()), ("", "UU"));
        assert_eq!(second.activity.unwrap().at, MdstatStage::Pending);
        assert_eq!((third.metadata.as_str(), third.activity), ("external:imsm", None));
    }

    #[test]
    fn any_text_is_survived() {
        for end in 0..=TEXT.len() {
            parse(&TEXT[..end]);
            parse(&TEXT[end..]);
            let mut bytes = TEXT.as_bytes().to_vec();
            for byte in bytes.get_mut(end).into_iter() {
                *byte = b"[]:=%( \n"[end % 8];
            }
            parse(&String::from_utf8_lossy(&bytes));
        }
        for text in [
            "",
            ":",
            " : ",
            "md0 : ",
            "md0 : active\n resync",
            "md0 : x\n resync=%",
            "md0 : x\n check = 9999%\n",
        ] {
            for entry in parse(text) {
                assert_eq!(entry.activity, None, "{text:?}");
            }
        }
    }
}
