//! Which of the kernel's lines tells why something happened.

use super::event::{ArrayEvent, EventKind};

/// Words of lines that are worth a look, for `Look::KernelLog`.
#[must_use]
pub(super) fn words(events: &[ArrayEvent]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for event in events.iter().filter(|event| has_cause(event.kind)) {
        let disk = event.disk.as_ref().map(|disk| disk.kernel.clone());
        for word in event.kernel.iter().cloned().chain(disk) {
            if !words.contains(&word) {
                words.push(word);
            }
        }
    }
    words
}

/// Whether the kernel may have said why.
fn has_cause(kind: EventKind) -> bool {
    match kind {
        EventKind::DegradedArray
        | EventKind::Fail
        | EventKind::FailSpare
        | EventKind::ArrayFailed
        | EventKind::DeviceDisappeared
        | EventKind::RebuildFinished => true,
        EventKind::TestMessage
        | EventKind::NewArray
        | EventKind::SparesMissing
        | EventKind::RebuildStarted
        | EventKind::Rebuild(_)
        | EventKind::SpareActive
        | EventKind::MoveSpare
        | EventKind::MismatchFound
        | EventKind::ArrayRestored => false,
    }
}

/// The newest line that tells most: what the driver says of the disk as a member, what failed on the disk, what the driver
/// says of the array.
#[must_use]
pub(super) fn cause(event: &ArrayEvent, log: &[String]) -> Option<String> {
    if !has_cause(event.kind) {
        return None;
    }
    let array = event.kernel.as_deref();
    let of_array = |line: &str| array.is_some_and(|array| speaks_of(line, array));
    // What was said before the work began is not why it ended.
    let begins = |line: &&String| of_array(line) && line.contains(" of RAID array ");
    let before =
        (event.kind == EventKind::RebuildFinished).then(|| log.iter().rev().position(|line| begins(&line)));
    let newest = |fits: &dyn Fn(&str) -> bool| {
        let lines = log.iter().rev().take(before.flatten().unwrap_or(log.len()));
        lines.into_iter().find(|line| fits(line)).cloned()
    };
    let found = match event.disk.as_ref().map(|disk| disk.kernel.as_str()) {
        Some(disk) => newest(&|line| of_array(line) && speaks_of(line, disk))
            .or_else(|| newest(&|line| speaks_of(line, disk) && line.contains("error"))),
        None => {
            let telling = |line: &str| {
                ["kicking", "failure", "not enough", "degraded", "interrupted", "active with"]
                    .iter()
                    .any(|word| line.contains(word))
            };
            newest(&|line| of_array(line) && telling(line))
        }
    };
    found.map(|line| line.trim().to_owned())
}

/// Whether a line has the name as a word of its own: `md1` is not spoken of where `md127` is.
fn speaks_of(line: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    line.match_indices(name).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at.saturating_add(name.len())..).and_then(|text| text.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_before_the_work_began_is_not_why_it_ended() {
        let event = ArrayEvent {
            kernel: Some("md0".into()),
            ..ArrayEvent::new(EventKind::RebuildFinished, "/dev/md0")
        };
        let log = |lines: &[&str]| lines.iter().map(ToString::to_string).collect::<Vec<String>>();
        let failed = "md/raid1:md0: Disk failure on sdb, disabling device.";
        let began = "md: recovery of RAID array md0";
        let cut = "md: md0: recovery interrupted.";
        assert_eq!(cause(&event, &log(&[failed, began, "md: md0: recovery done."])), None);
        assert_eq!(cause(&event, &log(&[began, failed, cut])).as_deref(), Some(cut));
        assert_eq!(
            cause(&event, &log(&[failed])).as_deref(),
            Some(failed),
            "its begin is not in the log any more"
        );
        assert_eq!(cause(&event, &log(&[failed, began, "md: recovery of RAID array md1"])), None);
    }
}
