//! `mdctl scrub status`: what is checked, where it was cut off, and what the last check found.

use jiff::tz::TimeZone;
use serde::Serialize;
use superblock::{Level, Sectors};

use super::{
    DiskText,
    located::SpotShown,
    status::Problem,
    text::{ctime, duration, size},
};
use crate::model::{
    scrub::{Piece, ScrubArray, ScrubSight, Settled, WholeScrub, percent, places, sentence, settle, spots},
    status::Stage,
};

/// The whole answer.
#[derive(Clone, Debug, Serialize)]
pub struct ScrubReport {
    schema: &'static str,
    time_unix_seconds: u64,
    arrays: Vec<ScrubLine>,
    problems: Vec<Problem>,
}

/// One array.
#[derive(Clone, Debug, Serialize)]
struct ScrubLine {
    array: String,
    kernel_name: String,
    uuid: Option<String>,
    level: Option<&'static str>,
    /// `running`, `waiting`, `cut-off`, `whole`, `never`, `no-redundancy`.
    state: &'static str,
    /// A check that runs was begun by this program.
    ours: Option<bool>,
    position_sectors: Option<u64>,
    total_sectors: u64,
    done_percent: Option<u64>,
    /// When a check came to its end last, by the reference's marker.
    marked_unix_seconds: Option<u64>,
    /// The newest first.
    whole: Vec<Whole>,
    left_out: Option<ScrubLeft>,
    remarks: Vec<String>,
    #[serde(skip)]
    kind: Option<Level>,
}

/// A check that came to its end.
#[derive(Clone, Debug, Serialize)]
struct Whole {
    begun_unix_seconds: u64,
    ended_unix_seconds: u64,
    duration_seconds: Option<u64>,
    mismatch_sectors: u64,
    /// A part was not counted.
    partly_counted: bool,
    ranges: Vec<Range>,
}

#[derive(Clone, Debug, Serialize)]
struct Range {
    start_sector: u64,
    length_sectors: u64,
    /// What lies there now.
    contents: Vec<SpotShown>,
}

/// Why a check would not begin now.
#[derive(Clone, Debug, Serialize)]
pub struct ScrubLeft {
    /// In words.
    pub why: String,
    /// What to do.
    pub hint: Option<String>,
}

impl ScrubReport {
    /// From one look; `left_out` says why a check of an array would not begin now, `contents` what lies on one whose members
    /// differ.
    #[must_use]
    pub fn new(
        sight: &ScrubSight,
        left_out: impl Fn(&ScrubArray) -> Option<ScrubLeft>,
        contents: impl Fn(&ScrubArray) -> Vec<Piece>,
    ) -> Self {
        let absent = sight
            .absent
            .iter()
            .map(|word| Problem { device: word.clone(), error: "is no array in the kernel".to_owned() });
        let line = |array: &ScrubArray| {
            let settled = settle(array, sight.now, &sight.boot);
            let found = |whole: &WholeScrub| !whole.ranges.is_empty();
            let pieces = settled.record.whole.first().filter(|whole| found(whole)).map(|_| contents(array));
            ScrubLine::new(array, &settled, left_out(array), &pieces.unwrap_or_default())
        };
        Self {
            schema: "mdctl.scrub.1",
            time_unix_seconds: sight.now,
            arrays: sight.arrays.iter().map(line).collect(),
            problems: absent.collect(),
        }
    }

    /// What was named and is not there.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// For people.
    #[must_use]
    pub fn text(&self, zone: &TimeZone) -> String {
        if self.arrays.is_empty() {
            return if self.problems.is_empty() { "no arrays\n".to_owned() } else { String::new() };
        }
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        table.set_header(["ARRAY", "STATE", "LAST WHOLE", "MISMATCHES", "REMARK"]);
        for line in &self.arrays {
            table.add_row(line.cells(zone));
        }
        let lines = table.lines().map(|line| format!("{}\n", line.trim().trim_end()));
        lines.chain(self.arrays.iter().flat_map(ScrubLine::below)).collect()
    }
}

impl ScrubLine {
    fn new(array: &ScrubArray, settled: &Settled, left_out: Option<ScrubLeft>, pieces: &[Piece]) -> Self {
        let stage = array.status.activity.as_ref().map(|activity| activity.stage);
        let (running, waits) = match stage {
            Some(Stage::Running { done, .. }) => (Some(done), false),
            Some(Stage::Delayed) => (None, true),
            _ => (None, false),
        };
        let noted = settled.record.open.as_ref().map(|open| Sectors(open.position));
        let position = match settled.running {
            Some(_) => running.or(noted),
            None => settled.cut_off,
        };
        let marked = array.kept.checked.filter(|_| settled.record.whole.is_empty());
        let state = match (settled.running, position) {
            (Some(_), _) if waits => "waiting",
            (Some(_), _) => "running",
            (None, _) if !array.has_redundancy() => "no-redundancy",
            (None, Some(_)) => "cut-off",
            (None, None) if marked.is_some() || !settled.record.whole.is_empty() => "whole",
            (None, None) => "never",
        };
        let level = array.status.level;
        let mut whole: Vec<Whole> = settled.record.whole.iter().map(Whole::new).collect();
        // What lay there at the time of an earlier check may have moved.
        if let Some(newest) = whole.first_mut() {
            newest.add_contents(pieces, level);
        }
        let mut remarks = settled.odd.clone();
        if whole.first().is_some_and(|whole| whole.partly_counted) {
            remarks.push("a part was not counted by this program".to_owned());
        }
        if settled.running.is_some_and(|running| !running.ours) {
            remarks.push("begun by another program".to_owned());
        }
        let total = array.total();
        Self {
            array: array.status.shown(),
            kernel_name: array.status.kernel_name.clone(),
            uuid: array.status.uuid.map(|uuid| uuid.to_string()),
            level: array.status.level.and_then(Level::name),
            state,
            ours: settled.running.map(|running| running.ours),
            position_sectors: position.map(|at| at.0),
            total_sectors: total.0,
            done_percent: position.map(|at| percent(at, total)),
            marked_unix_seconds: array.kept.checked,
            whole,
            left_out,
            remarks,
            kind: array.status.level,
        }
    }

    fn cells(&self, zone: &TimeZone) -> [String; 5] {
        let percent = self.done_percent.unwrap_or(0);
        let state = match self.state {
            "running" => format!("running {percent} %"),
            // The kernel does one thing at a time where arrays share disks.
            "waiting" => "waits for others".to_owned(),
            "cut-off" => format!("cut off at {percent} %"),
            "no-redundancy" => "-".to_owned(),
            state => state.to_owned(),
        };
        let last = self.whole.first();
        let ended = last.map(|whole| whole.ended_unix_seconds).or(self.marked_unix_seconds);
        let found = match last.map(|whole| whole.mismatch_sectors) {
            Some(0) => "0".to_owned(),
            Some(count) => format!("{count} ({})", size(count.saturating_mul(512))),
            None => "-".to_owned(),
        };
        let left_out = self.left_out.as_ref().filter(|_| !self.is_under_way());
        let remark = left_out.map(|left| left.why.clone()).or_else(|| self.remarks.first().cloned());
        [
            DiskText::new(self.array.as_bytes()).to_string(),
            state,
            ended.map_or_else(|| "-".to_owned(), |seconds| ctime(seconds, zone)),
            found,
            DiskText::new(remark.unwrap_or_default().as_bytes()).to_string(),
        ]
    }

    fn is_under_way(&self) -> bool {
        matches!(self.state, "running" | "waiting")
    }

    /// What does not fit into a table.
    fn below(&self) -> Vec<String> {
        let array = DiskText::new(self.array.as_bytes());
        let mut lines = Vec::new();
        let last = self.whole.first();
        if let Some(whole) = last.filter(|whole| whole.mismatch_sectors > 0) {
            let count = Sectors(whole.mismatch_sectors);
            let took = whole.duration_seconds.map(|seconds| format!(", in {}", duration(seconds)));
            lines.push(format!(
                "{array}: the last check found {} that differ between members{}\n    {}\n",
                size(count.bytes().0),
                took.unwrap_or_default(),
                sentence(self.kind, count)
            ));
            lines.extend(whole.places());
        }
        let shown = usize::from(self.left_out.is_none());
        let odd = self.remarks.iter().skip(shown);
        lines.extend(odd.map(|odd| format!("{array}: {}\n", DiskText::new(odd.as_bytes()))));
        let hint = self.left_out.as_ref().and_then(|left| left.hint.as_ref());
        lines.extend(hint.filter(|_| !self.is_under_way()).map(|hint| format!("{array}: next: {hint}\n")));
        lines
    }
}

impl Whole {
    fn new(whole: &WholeScrub) -> Self {
        let range = |(start_sector, length_sectors): &(u64, u64)| Range {
            start_sector: *start_sector,
            length_sectors: *length_sectors,
            contents: Vec::new(),
        };
        Self {
            begun_unix_seconds: whole.begun,
            ended_unix_seconds: whole.ended,
            duration_seconds: whole.seconds,
            mismatch_sectors: whole.mismatches,
            partly_counted: whole.partly,
            ranges: whole.ranges.iter().map(range).collect(),
        }
    }

    fn add_contents(&mut self, pieces: &[Piece], level: Option<Level>) {
        for range in self.ranges.iter_mut().filter(|_| !pieces.is_empty()) {
            let at = (Sectors(range.start_sector), Sectors(range.length_sectors));
            range.contents = spots(pieces, at).iter().map(|spot| SpotShown::new(spot, level)).collect();
        }
    }

    fn places(&self) -> Option<String> {
        let ranges = self.ranges.iter().map(|range| (range.start_sector, range.length_sectors));
        let places = places(&ranges.collect::<Vec<_>>())?;
        let mut on: Vec<String> = Vec::new();
        for words in self.ranges.iter().flat_map(|range| &range.contents).filter_map(SpotShown::on) {
            if !on.contains(&words) {
                on.push(words);
            }
        }
        let on = if on.is_empty() { String::new() } else { format!("    there: {}\n", on.join("; ")) };
        Some(format!("    {places}\n{on}"))
    }
}

#[cfg(test)]
mod tests {
    use superblock::Kib;

    use super::*;
    use crate::{
        model::{
            scrub::{Kept, KeptPosition, ScrubRecord, SyncLimit},
            status::{Activity, ArrayStatus},
        },
        words::{SyncAction, SyncKind},
    };

    fn array(name: &str, level: Level) -> ScrubArray {
        let status = ArrayStatus {
            kernel_name: name.into(),
            level: Some(level),
            raid_disks: 3,
            component_size: Some(Kib(500)),
            action: Some(SyncAction::Idle),
            ..ArrayStatus::default()
        };
        ScrubArray { status, ..ScrubArray::default() }
    }

    /// It shares disks with the one that runs.
    fn delayed(running: &ScrubArray) -> ScrubArray {
        let mut delayed = running.clone();
        delayed.status.kernel_name = "md6".into();
        let activity = Activity { kind: SyncKind::Check, stage: Stage::Delayed, speed: None };
        delayed.status.activity = Some(activity);
        delayed
    }

    #[test]
    fn each_state_has_its_words() {
        let mut running = array("md0", Level::Raid5);
        let stage = Stage::Running { done: Sectors(340), total: Sectors(1000) };
        running.status.activity = Some(Activity { kind: SyncKind::Check, stage, speed: None });
        (running.status.action, running.sync_max) = (Some(SyncAction::Check), SyncLimit::Marked);
        let mut cut = array("md1", Level::Raid6);
        let position = Some(KeptPosition { at: Sectors(340), noted: 1000 });
        cut.kept = Kept { position, ..Kept::default() };
        let mut whole = array("md2", Level::Raid5);
        whole.kept.record = ScrubRecord::default();
        let (begun, ranges) = (900, vec![(128, 8)]);
        whole.kept.record.add(WholeScrub {
            begun,
            ended: 960,
            seconds: Some(60),
            mismatches: 8,
            ranges,
            ..WholeScrub::default()
        });
        let mut marked = array("md3", Level::Raid1);
        marked.kept.checked = Some(0);
        let delayed = delayed(&running);
        let arrays = vec![
            running,
            cut,
            whole,
            marked,
            array("md4", Level::Raid1),
            array("md5", Level::Raid0),
            delayed,
        ];
        let sight = ScrubSight { now: 1000, arrays, absent: vec!["x".into()], ..ScrubSight::default() };
        let no_disks = |array: &ScrubArray| {
            let (why, hint) = ("it is degraded".to_owned(), Some("look".to_owned()));
            (array.status.kernel_name == "md4").then_some(ScrubLeft { why, hint })
        };
        let report = ScrubReport::new(&sight, no_disks, |_| Vec::new());
        let text = report.text(&TimeZone::UTC);
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        let epoch = "Thu Jan  1 00:00:00 1970";
        assert_eq!(lines[1], ["/dev/md0", "running 34 %", "-", "-"], "{text}");
        assert_eq!(lines[2], ["/dev/md1", "cut off at 34 %", "-", "-"], "{text}");
        assert!(lines[3].starts_with(&["/dev/md2", "whole"]) && text.contains("8 (4 KiB)"), "{text}");
        assert!(lines[4].starts_with(&["/dev/md3", "whole"]) && text.contains(epoch), "{text}");
        assert_eq!(lines[5], ["/dev/md4", "never", "-", "-", "it is degraded"], "{text}");
        assert_eq!(lines[6], ["/dev/md5", "-", "-", "-"], "{text}");
        assert_eq!(lines[7], ["/dev/md6", "waits for others", "-", "-"], "{text}");
        assert!(
            text.contains("needed: to know which member is wrong") && text.contains(": 128-136\n"),
            "{text}"
        );
        assert!(text.contains("/dev/md4: next: look"), "{text}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!((&json["schema"], &json["problems"][0]["device"]), (&"mdctl.scrub.1".into(), &"x".into()));
        assert_eq!(
            (&json["arrays"][0]["ours"], &json["arrays"][1]["position_sectors"]),
            (&true.into(), &340.into())
        );
    }
}
