//! The option matrix: both programs are asked the same, and their verdicts, words and statuses are compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::thread;

use crate::guest::{self, Case, Disks, mdctl, ours, reference, sh};

mod lines;

use lines::Line;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("every_cell_is_answered_alike", || matrix(false)),
        Case::new("every_pair_is_answered_alike", || matrix(true)).extra(),
        Case::new("help_has_the_same_options", help_has_the_same_options),
        Case::new("completion_knows_arrays_and_members", completion_knows_arrays_and_members),
    ]
}

/// Where the answers differ, and what is not there yet, is written down there.
const COMPAT: &str = include_str!("../../../docs/compat.md");

/// What a program said to a line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    status: i32,
    said: String,
}

/// How the answers to a line compare.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// The same words and status; a hint may follow ours.
    Same,
    /// Both take the line, and end with the same status for a reason of their own.
    Taken,
    /// The grammar takes it, and what it asks for is not there yet: what that is.
    Later(String),
    /// A difference that docs/compat.md has: its place in [`KNOWN`].
    Known(usize),
    Wrong,
}

/// Part of the line, part of the reference's answer, and the words by which docs/compat.md has the difference.
type Difference = (&'static str, &'static str, &'static str);

const KNOWN: &[Difference] = &[
    ("", "mdadm - v4.6", "`--version`"),
    ("-- ", "Usage: mdadm", "words after `--`"),
    ("--bitmap=internal", "bitmap file is not supported", "`--assemble --bitmap=internal`"),
    ("--write-journal=", "", "`--create --write-journal=J` without a device"),
    ("--logical-block-size=-1", "18446744073709551615", "`--logical-block-size=-1`"),
    ("--misc", "error opening", "`--misc DEVICE` without an action"),
    ("99999999999999999999", "", "a size that overflows"),
    ("9007199254740992T", "", "a size that overflows"),
    ("--spare-devices=2147483647", "You have listed more", "a size that overflows"),
    ("--metadata=", "", "`--metadata=` with nothing after it"),
    ("-C", "No such file or directory", "several mistakes in one line"),
    ("-G", "error opening", "several mistakes in one line"),
    ("--bitmap=clustered", "can't get cluster name", "several mistakes in one line"),
    ("--detail-platform", "", "`--detail-platform`"),
    ("-I", "--force not valid in incremental mode", "`-If` of the last good member"),
    ("-I", "Cannot read /proc/mdstat file", "`-If` without the md driver"),
    // The original ends with a segmentation fault where the map cannot be read.
    ("-I -Rs", "", "`-IRs`"),
    ("clustered", "Something wrong with dlm library", "a clustered array without the cluster's libraries"),
];

/// Lines that are asked in one script: it must end within a minute on a slow machine.
const BATCH: usize = 60;

fn matrix(thorough: bool) {
    let lines = lines::all(thorough);
    let (theirs, ours) = thread::scope(|scope| {
        let theirs = scope.spawn(|| ask("/usr/sbin", &lines));
        let ours = ask("/usr/local/sbin", &lines);
        (theirs.join().expect("the reference was asked"), ours)
    });
    let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
    let mut wrong = String::new();
    for ((line, theirs), ours) in lines.iter().zip(&theirs).zip(&ours) {
        let verdict = compare(line, theirs, ours);
        if verdict == Verdict::Wrong {
            let _ = writeln!(wrong, "mdadm {}\n  theirs: {theirs:?}\n  ours:   {ours:?}", line.join(" "));
        }
        *counts.entry(verdict).or_default() += 1;
    }
    let count =
        |fits: fn(&Verdict) -> bool| counts.iter().filter(|(v, _)| fits(v)).map(|(_, n)| n).sum::<usize>();
    let later = count(|v| matches!(v, Verdict::Later(_)));
    println!(
        "{} lines: {} alike, {} taken by both, {} known to differ, {later} of what is not there yet",
        lines.len(),
        count(|v| *v == Verdict::Same),
        count(|v| *v == Verdict::Taken),
        count(|v| matches!(v, Verdict::Known(_))),
    );
    assert!(wrong.is_empty(), "{} lines are answered otherwise:\n{wrong}", count(|v| *v == Verdict::Wrong));
    let seen: BTreeMap<&str, usize> = counts
        .iter()
        .filter_map(
            |(verdict, n)| if let Verdict::Later(what) = verdict { Some((&what[..], *n)) } else { None },
        )
        .collect();
    let listed = listed();
    if thorough {
        assert!(
            seen.keys().all(|what| listed.contains_key(what)),
            "docs/compat.md lists what is not there: {seen:?}"
        );
    } else {
        assert_eq!(seen, listed, "docs/compat.md counts the lines of what is not there yet");
    }
}

/// What docs/compat.md says is not there yet.
fn listed() -> BTreeMap<&'static str, usize> {
    let (_, after) = COMPAT.split_once("## Not there yet").expect("docs/compat.md has the section");
    let section = after.split("\n## ").next().unwrap_or_default();
    let row = |line: &'static str| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let what = cells.next()?.trim_end_matches('`');
        Some((what, cells.next()?.parse().ok()?))
    };
    section.lines().filter_map(row).collect()
}

const QUESTION: &str = "To optimize recovery speed, it is recommended to enable write-intent bitmap, do you want to enable it now? [y/N]? ";

fn compare(line: &Line, theirs: &Answer, ours: &Answer) -> Verdict {
    if let Some(what) = later(&ours.said).filter(|_| theirs.took_it()) {
        return Verdict::Later(what);
    }
    // When the question is asked is no matter of the grammar.
    let [their, our] = [theirs, ours].map(|answer| answer.said.replace(QUESTION, ""));
    let same_status = theirs.status == ours.status;
    if same_status && (their == our || our.strip_prefix(&their).is_some_and(|hint| hint.starts_with('\n'))) {
        return Verdict::Same;
    }
    // The words that `--update=` takes stand in one line here.
    let lists = their.contains("Valid --update options");
    if same_status && lists && their.lines().next() == our.lines().next() {
        return Verdict::Same;
    }
    if same_status && theirs.took_it() && ours.took_it() {
        return Verdict::Taken;
    }
    let line = line.join(" ");
    let known = KNOWN.iter().position(|(part, said, listed)| {
        line.contains(part) && theirs.said.contains(said) && COMPAT.contains(listed)
    });
    known.map_or(Verdict::Wrong, Verdict::Known)
}

/// The word before the sentence by which what is not there yet is refused.
fn later(said: &str) -> Option<String> {
    let before = said.split_once(" is not supported yet")?.0;
    let before = before.replace(QUESTION, "");
    let what = before.lines().last()?.trim_start_matches("mdadm: ");
    Some(what.split('=').next().unwrap_or_default().to_owned())
}

impl Answer {
    /// Whether the grammar took the line: then there was nothing to be found where it looked.
    fn took_it(&self) -> bool {
        self.status != 2
            || self.said.is_empty()
            || ["No such file or directory", "Couldn't open /dev/nx"]
                .iter()
                .any(|word| self.said.contains(word))
    }
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Asks the `mdadm` of that directory. Its words on standard error go through a command substitution, so that a
/// line costs one process.
fn ask(directory: &str, lines: &[Line]) -> Vec<Answer> {
    let mut answers = Vec::new();
    for batch in lines.chunks(BATCH) {
        let mut script = format!("cd \"$(mktemp -d)\"; PATH={directory}\n");
        for line in batch {
            let words: Vec<String> = line.iter().map(|word| quoted(word)).collect();
            // A monitor that misreads `--oneshot` would stay.
            let monitors = line
                .iter()
                .any(|word| ["-F", "--f", "--m", "--no-s"].iter().any(|start| word.starts_with(start)));
            let limit = if monitors { "/usr/bin/timeout 5 " } else { "" };
            let words = words.join(" ");
            let _ = writeln!(
                script,
                "e=$({limit}mdadm {words} 2>&1 >/dev/null </dev/null); printf '%s\\x1f%s\\x1e' \"$?\" \"$e\""
            );
        }
        let output = sh(&script);
        let found: Vec<Answer> = output.stdout.split_terminator('\x1e').map(answer).collect();
        assert_eq!(found.len(), batch.len(), "the script of {directory} ended early: {output}");
        answers.extend(found);
    }
    answers
}

fn answer(text: &str) -> Answer {
    let (status, said) = text.split_once('\x1f').expect("a status, then what was said");
    Answer { status: status.parse().expect("a status is a number"), said: said.to_owned() }
}

/// Help and version: the same streams and statuses, and every option that the reference's help tells of.
fn help_has_the_same_options() {
    for line in [
        "--help",
        "-h",
        "--help-options",
        "-A --help",
        "-B --help",
        "-C --help",
        "-G --help",
        "-I --help",
        "--manage --help",
        "--misc --help",
        "-F --help",
        "--auto-detect --help",
        "-Dh",
        "-h --add",
        "/dev/nx1 --help",
        "-C --help-options",
        "--config --help",
        "-c -h",
        "-A --update=help",
        "--update-subarray=0 --update=?",
        "--version",
        "-A -V",
        "-C --config --help",
        "-C -h --level=7",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let (theirs, ours) = (reference(&words), ours(&words));
        assert_eq!(theirs.status, ours.status, "{line}");
        let streams = |output: &guest::Output| (output.stdout.is_empty(), output.stderr.is_empty());
        assert_eq!(streams(&theirs), streams(&ours), "{line}: {theirs}{ours}");
        for told in theirs.stdout.lines().filter_map(|told| told.trim_start().strip_prefix("--")) {
            let name: String = told.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            assert!(ours.stdout.contains(&format!("--{name}")), "{line}: --{name} is missing in {ours}");
        }
    }
}

fn completion_knows_arrays_and_members() {
    let disks = Disks::new(3, 16384);
    let words =
        ["create", "/dev/md/tab", "--run", "-l1", "-n2", "--assume-clean", disks.path(0), disks.path(1)];
    mdctl(&words).ok();
    guest::settle();
    let complete = |words: &[&str]| {
        let told = mdctl(&[&["complete"], words].concat()).ok().stdout;
        told.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(complete(&["mdadm", "--detail", "/dev/md/"]), ["/dev/md/tab"]);
    assert_eq!(complete(&["mdctl", "stop", "/dev/md/t"]), ["/dev/md/tab"]);
    for array in ["/dev/md/tab", "tab"] {
        assert_eq!(complete(&["mdadm", array, "--fail", "/dev/"]), ["/dev/ram0", "/dev/ram1"], "{array}");
    }
    assert_eq!(
        complete(&["mdadm", "/dev/md/tab", "--add", "/dev/ram"]),
        ["/dev/ram0", "/dev/ram1", "/dev/ram2"]
    );
    let script = format!(
        "{}\nCOMP_LINE='mdadm /dev/md/tab --remove /dev/ram'; COMP_POINT=${{#COMP_LINE}}; _mdctl; echo \"${{COMPREPLY[*]}}\"",
        include_str!("../../../packaging/completions/mdctl.bash")
    );
    assert_eq!(sh(&script).ok().stdout, "/dev/ram0 /dev/ram1\n");
}
