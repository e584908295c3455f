//! `mdctl scrub schedule`: when checks run, and when they did.

use jiff::tz::TimeZone;
use serde::Serialize;

use super::{DiskText, text::ctime};
use crate::model::scrub::{
    ScrubSight,
    schedule::{PART, ScheduleSeen, TURN, UnitSeen},
    settle,
};

/// The whole answer.
#[derive(Clone, Debug, Serialize)]
pub struct ScheduleReport {
    schema: &'static str,
    /// systemd runs here.
    systemd: bool,
    timers: Vec<TimerLine>,
    /// How long a day's part may take, in `date`'s words; `null` without a bound.
    longest_part: Option<String>,
    arrays: Vec<ArrayLine>,
    /// Jobs of cron that check arrays, those that are switched off too.
    cron: Vec<JobLine>,
    remarks: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct TimerLine {
    timer: String,
    /// systemd starts it by itself.
    enabled: bool,
    /// It waits for its time.
    active: bool,
    calendars: Vec<String>,
    next_unix_seconds: Option<u64>,
    last_unix_seconds: Option<u64>,
    /// Files that change it.
    drop_ins: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct ArrayLine {
    array: String,
    uuid: Option<String>,
    /// When a check came to its end last.
    last_whole_unix_seconds: Option<u64>,
    /// When a check that is under way or was cut off was noted last.
    last_part_unix_seconds: Option<u64>,
}

#[derive(Clone, Debug, Serialize)]
struct JobLine {
    file: String,
    line: usize,
}

impl ScheduleReport {
    /// From what begins checks and what became of them.
    #[must_use]
    pub fn new(seen: &ScheduleSeen, sight: &ScrubSight, remarks: Vec<String>) -> Self {
        let timers = [TURN, PART, "raid-check"].iter().filter_map(|name| seen.unit(name, "timer"));
        let arrays = sight.arrays.iter().filter(|array| array.has_redundancy()).map(|array| {
            let settled = settle(array, sight.now, &sight.boot);
            let whole = settled.record.whole.first().map(|whole| whole.ended);
            ArrayLine {
                array: array.status.shown(),
                uuid: array.status.uuid.map(|uuid| uuid.to_string()),
                last_whole_unix_seconds: whole.max(array.kept.checked),
                last_part_unix_seconds: array.kept.position.map(|position| position.noted),
            }
        });
        let job =
            |job: &crate::model::scrub::schedule::CronJob| JobLine { file: job.file.clone(), line: job.line };
        Self {
            schema: "mdctl.scrub-schedule.1",
            systemd: seen.systemd,
            timers: timers.map(TimerLine::new).collect(),
            longest_part: seen.unit(PART, "service").and_then(|service| seen.most(service)),
            arrays: arrays.collect(),
            cron: seen.jobs.iter().map(job).collect(),
            remarks,
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self, zone: &TimeZone) -> String {
        let mut out = String::new();
        let at = |time: Option<u64>| time.map_or_else(|| "-".to_owned(), |time| ctime(time, zone));
        if !self.timers.is_empty() {
            let mut rows = vec![["TIMER", "STATE", "WHEN", "NEXT", "WHAT"].map(str::to_owned)];
            rows.extend(self.timers.iter().map(|timer| {
                let name = timer.timer.clone();
                [name, timer.state().to_owned(), timer.when(), at(timer.next_unix_seconds), self.what(timer)]
            }));
            out.push_str(&table(&rows));
        }
        if !self.arrays.is_empty() {
            let mut rows = vec![["ARRAY", "LAST WHOLE CHECK", "LAST PART NOTED"].map(str::to_owned)];
            let row = |line: &ArrayLine| {
                [line.array.clone(), at(line.last_whole_unix_seconds), at(line.last_part_unix_seconds)]
            };
            rows.extend(self.arrays.iter().map(row));
            out.push_str(if out.is_empty() { "" } else { "\n" });
            out.push_str(&table(&rows));
        }
        if !self.remarks.is_empty() {
            out.push_str(if out.is_empty() { "" } else { "\n" });
            out.extend(self.remarks.iter().map(|remark| format!("{}\n", safe(remark))));
        }
        out
    }

    fn what(&self, timer: &TimerLine) -> String {
        let most = self.longest_part.as_deref();
        match timer.timer.strip_suffix(".timer") {
            Some(TURN) => "all arrays are due".to_owned(),
            Some(PART) => match most {
                Some(most) => format!("what is due is checked, for {most} at most"),
                None => "what is due is checked".to_owned(),
            },
            _ => "checks arrays, by another package".to_owned(),
        }
    }
}

impl TimerLine {
    fn new(timer: &UnitSeen) -> Self {
        Self {
            timer: timer.name.clone(),
            enabled: timer.is_enabled(),
            active: timer.active,
            calendars: timer.calendars.clone(),
            next_unix_seconds: timer.next,
            last_unix_seconds: timer.last,
            drop_ins: timer.drop_ins.clone(),
        }
    }

    fn state(&self) -> &'static str {
        match (self.enabled, self.active) {
            (true, true) => "on",
            (true, false) => "on, not started",
            (false, true) => "until the next start",
            (false, false) => "off",
        }
    }

    fn when(&self) -> String {
        if self.calendars.is_empty() { "-".to_owned() } else { self.calendars.join(", ") }
    }
}

/// Columns, without blanks at the ends of lines.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    for row in rows {
        table.add_row(row.iter().map(|cell| safe(cell)));
    }
    table.lines().map(|line| format!("{}\n", line.trim())).collect()
}

fn safe(text: &str) -> String {
    DiskText::new(text.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use superblock::Level;

    use super::*;
    use crate::model::{scrub::ScrubArray, status::ArrayStatus};

    #[test]
    fn timers_arrays_and_remarks() {
        let unit = |name: &str, active| UnitSeen {
            name: name.into(),
            file: "enabled".into(),
            active,
            calendars: vec!["Sun *-*-01..07 00:00:00".into()],
            next: Some(0),
            runs: "/x --duration ${MDADM_CHECK_DURATION} ;".into(),
            environment: "\"MDADM_CHECK_DURATION=6 hours\"".into(),
            ..UnitSeen::default()
        };
        let units = vec![
            unit("mdcheck_start.timer", true),
            UnitSeen { file: "disabled".into(), next: None, ..unit("mdcheck_continue.timer", false) },
            unit("mdcheck_continue.service", false),
        ];
        let seen = ScheduleSeen { systemd: true, units, ..ScheduleSeen::default() };
        let status = ArrayStatus {
            kernel_name: "md0".into(),
            level: Some(Level::Raid1),
            raid_disks: 2,
            ..ArrayStatus::default()
        };
        let mut array = ScrubArray { status, ..ScrubArray::default() };
        array.kept.checked = Some(86_400);
        let sight = ScrubSight { arrays: vec![array, ScrubArray::default()], ..ScrubSight::default() };
        let report = ScheduleReport::new(&seen, &sight, vec!["a remark\u{1b}".into()]);
        let text = report.text(&TimeZone::UTC);
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        let (next, when) = ("Thu Jan  1 00:00:00 1970", "Sun *-*-01..07 00:00:00");
        // Of a day below 10 two blanks stand within the date.
        let (day, time) = next.split_once("  ").unwrap();
        assert_eq!(lines[1], ["mdcheck_start.timer", "on", when, day, time, "all arrays are due"], "{text}");
        assert_eq!(
            lines[2],
            ["mdcheck_continue.timer", "off", when, "-", "what is due is checked, for 6 hours at most"]
        );
        assert_eq!(lines[5], ["/dev/md0", "Fri Jan", "2 00:00:00 1970", "-"], "{text}");
        assert!(text.ends_with("\n\na remark\\u{1b}\n"), "{text}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["timers"][0]["next_unix_seconds"], 0);
        assert_eq!(json["arrays"].as_array().unwrap().len(), 1);
    }
}
