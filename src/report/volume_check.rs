//! What `volume check` and `volume restore --list` say.

use serde::Serialize;

use crate::model::{
    human::counted,
    volume::{Checked, KeptState},
};

/// Its number grows when a key changes its meaning or goes.
const CHECK: &str = "mdctl.volume-check.1";
const KEPT: &str = "mdctl.volume-kept.1";

#[derive(Serialize)]
struct One<'a> {
    subject: &'a str,
    sound: bool,
    facts: &'a [String],
    problems: &'a [String],
    remarks: &'a [String],
    read_only: &'a [String],
}

/// For people: a heading, and a line for each thing.
#[must_use]
pub fn text(all: &[Checked]) -> String {
    let mut out = String::new();
    for one in all {
        out.push_str(&format!(
            "{}: {}\n",
            one.subject,
            if one.problems.is_empty() { "sound" } else { "not sound" }
        ));
        let kinds = [
            ("", &one.facts),
            ("problem: ", &one.problems),
            ("remark: ", &one.remarks),
            ("read-only: ", &one.read_only),
        ];
        for (kind, lines) in kinds {
            for line in lines {
                out.push_str(&format!("  {kind}{}\n", printable(line)));
            }
        }
    }
    out
}

/// The same as JSON. `unknown`: why names stand for nothing.
#[must_use]
pub fn json(all: &[Checked], unknown: &[String]) -> String {
    let one = |one: &'_ Checked| {
        serde_json::json!(One {
            subject: &one.subject,
            sound: one.problems.is_empty(),
            facts: &one.facts,
            problems: &one.problems,
            remarks: &one.remarks,
            read_only: &one.read_only,
        })
    };
    let mut value =
        serde_json::json!({ "schema": CHECK, "checked": all.iter().map(one).collect::<Vec<_>>() });
    if let Some(keys) = value.as_object_mut().filter(|_| !unknown.is_empty()) {
        keys.insert("error".to_owned(), serde_json::json!({ "reason": unknown.join("; ") }));
    }
    format!("{value:#}\n")
}

/// The states of a group of this name that are kept, newest first.
#[must_use]
pub fn kept(name: &str, all: &[KeptState], dates: &dyn Fn(i64) -> String) -> String {
    if all.is_empty() {
        return format!("no state of a group {} is kept\n", printable(name));
    }
    let mut out = String::new();
    // There may have been several groups of the name.
    let several = all.iter().any(|one| all.first().is_some_and(|first| first.group.id != one.group.id));
    for one in all {
        let group = &one.group;
        if several {
            out.push_str(&format!("group {}\n", group.id));
        }
        out.push_str(&format!(
            "change {:<5} {}  {:<10}  {}\n  {}\n",
            group.seqno,
            dates(group.written.time),
            counted(group.volumes.iter().filter(|volume| !volume.is_row()).count(), "volume"),
            printable(&one.path),
            printable(&group.written.description),
        ));
    }
    out
}

/// The same as JSON.
#[must_use]
pub fn kept_json(all: &[KeptState]) -> String {
    let one = |one: &KeptState| {
        serde_json::json!({
            "group_uuid": one.group.id.to_string(),
            "seqno": one.group.seqno,
            "time": one.group.written.time,
            "description": one.group.written.description,
            "host": one.group.written.host,
            "file": one.path,
            "volumes": one.group.volumes.iter().filter(|volume| !volume.is_row()).map(|v| &v.name).collect::<Vec<_>>(),
        })
    };
    let value = serde_json::json!({ "schema": KEPT, "kept": all.iter().map(one).collect::<Vec<_>>() });
    format!("{value:#}\n")
}

fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}
