//! What `mdctl` says of its verbs: the list, a verb's own help, and the nearest one to a slip.

use std::fmt::Write as _;

use clap::Command;

use super::{
    help,
    options::{Mode, OptionId},
};
use crate::model::order::InOrder as _;

/// Headings, and the verbs below each; a verb that no heading has stands below the last.
const GROUPS: &[(&str, &[&str])] = &[
    ("Look", &["status", "explain", "detail", "examine", "query"]),
    ("Make, find, stop", &["create", "assemble", "build", "run", "stop", "readonly", "readwrite"]),
    ("Change and wait", &["replace", "manage", "grow", "zero-superblock", "scrub", "wait"]),
    ("Volumes", &["volume"]),
    ("Try", &["trial", "overlay"]),
    ("Take back", &["history", "undo"]),
    ("Set up", &["config"]),
    ("More", &[]),
];

/// Help for `mdctl` alone.
pub(super) fn list(command: &Command) -> String {
    let shown: Vec<&Command> = command.get_subcommands().filter(|verb| !verb.is_hide_set()).collect();
    let grouped = |name: &str| GROUPS.iter().any(|(_, verbs)| verbs.contains(&name));
    let mut text = String::from(
        "Linux software RAID\n\nUsage: mdctl VERB [OPTIONS] [ARRAYS AND DEVICES]\n       mdctl OPTIONS AND DEVICES AS OF mdadm\n",
    );
    for (heading, verbs) in GROUPS {
        let here = |verb: &&&Command| {
            let name = verb.get_name();
            verbs.contains(&name) || (verbs.is_empty() && !grouped(name))
        };
        let mut below: Vec<_> = shown.iter().filter(here).collect();
        below.order_by_key(|verb| verbs.iter().position(|name| *name == verb.get_name()));
        if !below.is_empty() {
            let _ = writeln!(text, "\n{heading}:");
        }
        for verb in below {
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(text, "  {:<17}{about}", verb.get_name());
        }
    }
    text.push_str(
        "\n`mdctl VERB --help` tells more of a verb. --dry-run shows what would be done and does nothing;\n\
         --json reports for programs. `mdctl --version` is the version.\n",
    );
    text
}

/// Help for a verb that stands for a mode or an action of `mdadm`.
pub(super) fn of(verb: &str, about: &str, mode: Mode) -> String {
    if mode != Mode::Misc {
        // Manage needs no option of its own.
        let own = if mode == Mode::Manage { "mdadm".to_owned() } else { format!("mdadm --{verb}") };
        return help::text(Some(mode)).replace(&own, &format!("mdctl {verb}"));
    }
    let own: &[OptionId] = match verb {
        "detail" => &[
            OptionId::Scan,
            OptionId::Test,
            OptionId::Brief,
            OptionId::Export,
            OptionId::NoDevices,
            OptionId::Prefer,
            OptionId::HomeHost,
        ],
        "examine" => &[
            OptionId::Scan,
            OptionId::Metadata,
            OptionId::Brief,
            OptionId::Export,
            OptionId::Sparc22,
            OptionId::HomeHost,
            OptionId::Config,
        ],
        "query" | "wait" => &[],
        "stop" => &[OptionId::Scan, OptionId::DryRun],
        "zero-superblock" => &[OptionId::Metadata, OptionId::Force, OptionId::DryRun],
        _ => &[OptionId::DryRun],
    };
    let all = [own, &[OptionId::Json, OptionId::Verbose, OptionId::Quiet, OptionId::Help]].concat();
    format!("{about}\n\nUsage: mdctl {verb} [OPTIONS] DEVICES...\n\nOptions:\n{}", help::lines(&all, mode))
}

/// The verb that was probably meant: at most two letters away, and not half of it.
pub(super) fn nearest<'a>(word: &str, verbs: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = verbs.map(|verb| (distance(word, verb), verb)).min()?;
    (near.0 <= 2 && near.0 * 2 < near.1.len()).then_some(near.1)
}

/// How many letters must be changed, put in, left out, or swapped with their neighbour.
fn distance(one: &str, other: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let kept = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = kept.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_verb() {
        let verbs = ["status", "stop", "wait", "run", "create", "undo"];
        for (word, expected) in [
            ("stauts", Some("status")),
            ("staus", Some("status")),
            ("crate", Some("create")),
            ("sotp", Some("stop")),
            ("rnu", Some("run")),
            ("destroy", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, verbs.into_iter()), expected, "{word}");
        }
    }
}
