//! What changed since a snapshot, in words and as JSON (schema mdctl.delta.1).

use serde::Serialize;
use superblock::{
    Bytes, Sectors,
    cow::{Findings, Usage},
};

use crate::model::human;

/// A snapshot's store as it was read.
#[derive(Clone, Debug)]
pub struct SnapshotDiff {
    /// The snapshot.
    pub name: String,
    /// Its volume.
    pub origin: String,
    /// The kernel would use it.
    pub valid: bool,
    /// The chunk.
    pub chunk: Sectors,
    /// What it covers.
    pub size: Sectors,
    /// Figures of the store.
    pub usage: Usage,
    /// Chunks that differ: first and number.
    pub changed: Vec<(u64, u64)>,
    /// What is wrong with it.
    pub findings: Findings,
}

#[derive(Serialize)]
struct Range {
    start: u64,
    length: u64,
}

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    snapshot: &'a str,
    origin: &'a str,
    state: &'static str,
    size: u64,
    chunk: u64,
    store_size: u64,
    store_used: u64,
    changed: u64,
    ranges: Vec<Range>,
    findings: Vec<String>,
}

impl SnapshotDiff {
    /// First byte and number of bytes of each range.
    fn ranges(&self) -> impl Iterator<Item = (Bytes, Bytes)> {
        let (chunk, end) = (self.chunk.bytes().0, self.size.bytes());
        self.changed.iter().map(move |(start, count)| {
            let start = Bytes(start.saturating_mul(chunk));
            (start, Bytes(count.saturating_mul(chunk)).min(end.saturating_sub(start)))
        })
    }

    fn bytes(&self) -> u64 {
        self.ranges().fold(0, |sum, (_, length)| sum.saturating_add(length.0))
    }
}

/// What should be known before it is used.
#[must_use]
pub fn remarks(diff: &SnapshotDiff) -> Vec<String> {
    let mut lines = Vec::new();
    if !diff.valid {
        lines.push(format!(
            "{} overflowed: the kernel refuses it. What it kept until then is all there, what was overwritten in {} \
             later is not",
            diff.name, diff.origin
        ));
    }
    let findings = &diff.findings;
    lines.extend(findings.shown.iter().map(|finding| format!("{}: {finding}", diff.name)));
    let more = findings.total.saturating_sub(u64::try_from(findings.shown.len()).unwrap_or(u64::MAX));
    if more > 0 {
        lines.push(format!("{}: {more} findings more", diff.name));
    }
    lines
}

/// For people.
#[must_use]
pub fn text(diff: &SnapshotDiff) -> String {
    let mut text = format!(
        "{}: {} of {} differ from {}, in {} ranges (chunks of {}; {} of the store in use)\n",
        diff.name,
        human::size(diff.bytes()),
        human::size(diff.size.bytes().0),
        diff.origin,
        diff.changed.len(),
        human::size(diff.chunk.bytes().0),
        human::size(diff.usage.allocated.bytes().0),
    );
    if !diff.changed.is_empty() {
        text.push_str("       FIRST BYTE           BYTES\n");
    }
    for (start, length) in diff.ranges() {
        text.push_str(&format!("{:>17} {:>15}\n", start.0, length.0));
    }
    text
}

/// For programs.
#[must_use]
pub fn json(diff: &SnapshotDiff) -> String {
    let report = Report {
        schema: "mdctl.delta.1",
        snapshot: &diff.name,
        origin: &diff.origin,
        state: if diff.valid { "valid" } else { "invalid" },
        size: diff.size.bytes().0,
        chunk: diff.chunk.bytes().0,
        store_size: diff.usage.total.bytes().0,
        store_used: diff.usage.allocated.bytes().0,
        changed: diff.bytes(),
        ranges: diff.ranges().map(|(start, length)| Range { start: start.0, length: length.0 }).collect(),
        findings: diff.findings.shown.iter().map(ToString::to_string).collect(),
    };
    line(&report)
}

fn line(report: &impl Serialize) -> String {
    // Values made of strings and numbers.
    let mut text = serde_json::to_string(report).unwrap_or_default();
    text.push('\n');
    text
}

#[derive(Serialize)]
struct Done<'a> {
    schema: &'static str,
    done: &'static str,
    path: &'a str,
    records: u64,
    bytes: u64,
}

fn done(path: &str, what: &'static str, words: &str, (records, bytes): (u64, Bytes), json: bool) -> String {
    if json {
        return line(&Done { schema: "mdctl.delta.1", done: what, path, records, bytes: bytes.0 });
    }
    format!("{path}: {words} ({records} records, {})\n", human::size(bytes.0))
}

/// A stream was written.
#[must_use]
pub fn written(path: &str, records: u64, bytes: Bytes, json: bool) -> String {
    done(path, "written", "written", (records, bytes), json)
}

/// A stream was compared with a target, and nothing was written.
#[must_use]
pub fn compared(path: &str, all_there: bool, size: (u64, Bytes), json: bool) -> String {
    match all_there {
        true => done(path, "nothing", "has all of it already", size, json),
        false => done(path, "compared", "is what the stream is for; nothing was written", size, json),
    }
}

/// A stream was put on a target.
#[must_use]
pub fn applied(path: &str, size: (u64, Bytes), json: bool) -> String {
    done(path, "applied", "is now what the stream leads to", size, json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff() -> SnapshotDiff {
        SnapshotDiff {
            name: "vg/snap".into(),
            origin: "vg/data".into(),
            valid: false,
            chunk: Sectors(8),
            size: Sectors(100),
            usage: Usage { allocated: Sectors(40), total: Sectors(80), metadata: Sectors(16) },
            changed: vec![(0, 2), (12, 1)],
            findings: Findings::default(),
        }
    }

    #[test]
    fn ranges_end_where_the_volume_does() {
        let text = text(&diff());
        assert!(text.contains("vg/snap: 10 KiB of 50 KiB differ from vg/data, in 2 ranges"), "{text}");
        assert!(
            text.ends_with("                0            8192\n            49152            2048\n"),
            "{text}"
        );
        let json = json(&diff());
        assert!(
            json.contains(r#""state":"invalid""#) && json.contains(r#"{"start":49152,"length":2048}"#),
            "{json}"
        );
        assert!(remarks(&diff())[0].contains("overflowed"));
    }
}
