//! `mdctl explain`: findings with their evidence, what is needed, and what to run next.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};
use jiff::tz::TimeZone;
use serde::Serialize;

use super::{DiskText, status::TextView, text::ctime};
use crate::model::status::ArrayStatus;

/// Where nothing is wrong. What a sync is still about is not complete yet.
#[must_use]
pub fn nothing_to_explain(arrays: &[ArrayStatus]) -> String {
    let busy: Vec<String> = arrays
        .iter()
        .filter(|array| array.activity.is_some() || array.degraded.is_some_and(|missing| missing > 0))
        .map(ArrayStatus::shown)
        .collect();
    if busy.is_empty() {
        return "nothing to explain: every array that is on a device runs, and is complete".to_owned();
    }
    format!(
        "nothing to explain: every array that is on a device runs; `mdctl status` shows how far the work on {} is",
        busy.join(", ")
    )
}

/// The whole answer.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainReport {
    pub schema: &'static str,
    pub subjects: Vec<ExplainSubject>,
    /// Words that mean nothing that is known, and devices that could not be looked at.
    pub problems: Vec<super::status::Problem>,
}

/// One array or device.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainSubject {
    pub subject: String,
    pub uuid: Option<String>,
    pub summary: String,
    /// Nothing is wrong.
    pub fine: bool,
    /// The array's devices, as their own metadata tells it.
    pub devices: Vec<ExplainDevice>,
    /// What matters most first.
    pub findings: Vec<ShownFinding>,
    pub next_command: Option<ShownCommand>,
}

/// One device of the array.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainDevice {
    pub path: String,
    pub role: String,
    pub events: u64,
    pub updated_unix_seconds: u64,
    pub standing: String,
}

/// One finding.
#[derive(Clone, Debug, Serialize)]
pub struct ShownFinding {
    /// A word that stays the same; docs/json.md lists them.
    pub kind: &'static str,
    /// `blocks`, `weakens`, `note`.
    pub severity: &'static str,
    pub device: Option<String>,
    pub text: String,
    pub evidence: Vec<String>,
    pub needs: Option<String>,
    pub command: Option<ShownCommand>,
}

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownCommand {
    /// For a shell.
    pub line: String,
    /// For everything else.
    pub words: Vec<String>,
    pub effect: String,
}

impl ExplainReport {
    /// The whole answer.
    #[must_use]
    pub fn new(subjects: Vec<ExplainSubject>, problems: Vec<super::status::Problem>) -> Self {
        Self { schema: "mdctl.explain.1", subjects, problems }
    }

    /// The text.
    #[must_use]
    pub fn text(&self, view: TextView, zone: &TimeZone) -> String {
        self.subjects.iter().map(|subject| subject.text(view, zone)).collect::<Vec<_>>().join("\n")
    }
}

impl ExplainSubject {
    fn text(&self, view: TextView, zone: &TimeZone) -> String {
        let mut out = wrapped(&format!("{}: {}", safe(&self.subject), safe(&self.summary)), "", "    ", view);
        if !self.devices.is_empty() {
            out.push('\n');
            out.push_str(&self.table(view, zone));
        }
        for finding in &self.findings {
            out.push('\n');
            out.push_str(&finding.text(view));
        }
        if let Some(next) = &self.next_command {
            let _ = writeln!(out, "\nnext:\n    {}", safe(&next.line));
            out.push_str(&wrapped(&safe(&next.effect), "    ", "    ", view));
        }
        out
    }

    fn table(&self, view: TextView, zone: &TimeZone) -> String {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        match view.width {
            Some(width) => {
                table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width.saturating_sub(4));
            }
            None => drop(table.set_content_arrangement(ContentArrangement::Disabled)),
        }
        table.set_header(["DEVICE", "ROLE", "EVENTS", "LAST UPDATE", "NOW"]);
        for device in &self.devices {
            table.add_row([
                safe(&device.path),
                safe(&device.role),
                device.events.to_string(),
                ctime(device.updated_unix_seconds, zone),
                safe(&device.standing),
            ]);
        }
        for (nth, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            // What does not fit is told below once more, so only the last column gives way.
            if nth < 4 {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
            if nth == 2 {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.lines().map(|line| format!("    {}\n", line.trim_end())).collect()
    }
}

impl ShownFinding {
    fn text(&self, view: TextView) -> String {
        let mark = match self.severity {
            "blocks" => "!!",
            "weakens" => " !",
            _ => "  ",
        };
        let mut out = wrapped(&safe(&self.text), &format!("{mark}  "), "    ", view);
        for line in &self.evidence {
            out.push_str(&wrapped(&safe(line), "    - ", "      ", view));
        }
        if let Some(needs) = &self.needs {
            out.push_str(&wrapped(&format!("needs: {}", safe(needs)), "    ", "      ", view));
        }
        if let Some(command) = &self.command {
            let _ = writeln!(out, "    try: {}", safe(&command.line));
        }
        out
    }
}

/// Text as one line, with what could act on a terminal escaped. Sentences that go on behind blanks in a line of their own are
/// joined: lines are broken here.
fn safe(text: &str) -> String {
    let mut lines = text.split("\n ");
    let first = lines.next().unwrap_or_default().to_owned();
    let line = lines.fold(first, |line, next| line + " " + next.trim_start_matches(' '));
    DiskText::new(line.as_bytes()).to_string()
}

/// Words in lines that fit, the first behind `first`, the others behind `rest`. A word is never cut.
fn wrapped(text: &str, first: &str, rest: &str, view: TextView) -> String {
    let width = usize::from(view.width.unwrap_or(u16::MAX)).max(20);
    let mut out = first.to_owned();
    let mut used = first.chars().count();
    let mut empty = true;
    for word in text.split(' ') {
        let length = word.chars().count();
        if !empty && used + 1 + length > width {
            out.push('\n');
            out.push_str(rest);
            used = rest.chars().count();
            empty = true;
        }
        if !empty {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
        empty = false;
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_that_is_being_rebuilt_is_not_called_complete() {
        let array = |path: &str, degraded| ArrayStatus {
            path: Some(path.to_owned()),
            degraded: Some(degraded),
            ..ArrayStatus::default()
        };
        assert!(nothing_to_explain(&[array("/dev/md0", 0)]).ends_with("runs, and is complete"));
        let text = nothing_to_explain(&[array("/dev/md0", 0), array("/dev/md1", 1)]);
        assert!(text.ends_with("how far the work on /dev/md1 is"), "{text}");
    }

    fn subject() -> ExplainSubject {
        let command = ShownCommand {
            line: "mdctl manage /dev/md0 --re-add /dev/sdc1".to_owned(),
            words: ["mdctl", "manage", "/dev/md0", "--re-add", "/dev/sdc1"].map(str::to_owned).to_vec(),
            effect: "takes it back".to_owned(),
        };
        ExplainSubject {
            subject: "/dev/md0".to_owned(),
            uuid: None,
            summary: "raid1, running, degraded: 1 of 2 devices in sync".to_owned(),
            fine: false,
            devices: vec![ExplainDevice {
                path: "/dev/sdc1".to_owned(),
                role: "slot 1".to_owned(),
                events: 17,
                updated_unix_seconds: 1_795_333_013,
                standing: "3 events behind".to_owned(),
            }],
            findings: vec![ShownFinding {
                kind: "stale",
                severity: "weakens",
                device: None,
                text: "/dev/sdc1: slot 1, out of date by 3 events and 2 h".to_owned(),
                evidence: vec!["its name is \x1b[31mred\nARRAY".to_owned(), "word ".repeat(30)],
                needs: None,
                command: Some(command.clone()),
            }],
            next_command: Some(command),
        }
    }

    #[test]
    fn text_fits_and_cannot_act() {
        let report = ExplainReport::new(vec![subject()], vec![]);
        let text = report.text(TextView { width: Some(80), colour: true }, &TimeZone::UTC);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let start = "\
/dev/md0: raid1, running, degraded: 1 of 2 devices in sync

    DEVICE     ROLE    EVENTS  LAST UPDATE               NOW
    /dev/sdc1  slot 1      17  Sun Nov 22 07:36:53 2026  3 events behind

 !  /dev/sdc1: slot 1, out of date by 3 events and 2 h
    - its name is \\u{1b}[31mred\\nARRAY
    - word";
        assert!(text.starts_with(start), "{text}");
        let end = "    try: mdctl manage /dev/md0 --re-add /dev/sdc1

next:
    mdctl manage /dev/md0 --re-add /dev/sdc1
    takes it back
";
        assert!(text.ends_with(end), "{text}");
        assert_eq!(safe("not enough devices -\n       giving up."), "not enough devices - giving up.");
        for width in [0, 3, 30] {
            assert!(!report.text(TextView { width: Some(width), colour: false }, &TimeZone::UTC).is_empty());
        }
    }
}
