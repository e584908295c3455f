//! The command lines of the matrix, made from the option table: nothing named on them exists.

use std::collections::{BTreeMap, BTreeSet};

use mdctl::cli::options::{Arg, Mode, Opt, OptionId, TABLE};

/// The words after the program's name.
pub(super) type Line = Vec<String>;

const ARRAY: &str = "/dev/md/nx";

fn line(text: &str) -> Line {
    text.split_whitespace().map(str::to_owned).collect()
}

fn with(line: &Line, more: &[&str]) -> Line {
    line.iter().cloned().chain(more.iter().map(|word| (*word).to_owned())).collect()
}

/// Options of the original only.
fn table() -> impl Iterator<Item = &'static Opt> {
    TABLE.iter().filter(|opt| !opt.id.is_new())
}

/// The mode's option, and what makes the line whole.
fn mode(mode: Mode) -> (&'static str, Line) {
    let (option, rest) = match mode {
        Mode::Assemble => ("-A", format!("{ARRAY} /dev/nx1")),
        Mode::Build => ("-B", format!("{ARRAY} -l1 -n2 /dev/nx1 /dev/nx2")),
        Mode::Create => ("-C", format!("{ARRAY} -l1 -n2 /dev/nx1 /dev/nx2")),
        Mode::Grow => ("-G", ARRAY.to_owned()),
        Mode::Incremental => ("-I", "/dev/nx1".to_owned()),
        Mode::Manage => ("--manage", format!("{ARRAY} --add /dev/nx1")),
        Mode::Misc => ("--misc", "/dev/nx1".to_owned()),
        Mode::Monitor => ("-F", format!("-1 {ARRAY}")),
        Mode::AutoDetect => ("--auto-detect", String::new()),
    };
    (option, line(&rest))
}

/// A value that the option takes.
fn value(id: OptionId) -> &'static str {
    match id {
        OptionId::Chunk | OptionId::BitmapChunk => "64",
        OptionId::Level | OptionId::SpareDevices | OptionId::KillSubarray | OptionId::UpdateSubarray => "1",
        OptionId::Layout => "n2",
        OptionId::RaidDevices | OptionId::Nodes => "2",
        OptionId::Size | OptionId::DataOffset | OptionId::ArraySize => "8M",
        OptionId::Metadata => "1.1",
        OptionId::Bitmap | OptionId::Config => "none",
        OptionId::ConsistencyPolicy => "resync",
        OptionId::LogicalBlockSize => "4096",
        OptionId::Uuid => "01234567:89abcdef:01234567:89abcdef",
        OptionId::SuperMinor | OptionId::Increment | OptionId::Delay => "5",
        OptionId::Update => "uuid",
        OptionId::Action => "idle",
        _ => "nx",
    }
}

/// `--name` or `--name=VALUE`.
fn long(opt: &Opt, name: &str) -> String {
    match opt.arg {
        Arg::Required(_) => format!("--{name}={}", value(opt.id)),
        Arg::No | Arg::Optional(_) => format!("--{name}"),
    }
}

/// Every spelling after every mode, on a line that is whole without it.
fn spellings() -> Vec<Line> {
    let mut lines = Vec::new();
    for of in Mode::ALL {
        let (option, rest) = mode(of);
        for opt in table() {
            for name in opt.names {
                let word = long(opt, name);
                lines.push(with(
                    &with(&line(option), &[&word]),
                    &rest.iter().map(String::as_str).collect::<Vec<_>>(),
                ));
            }
        }
    }
    lines
}

/// Every spelling alone, before a mode, and after a device.
fn first_words() -> Vec<Line> {
    let mut lines = Vec::new();
    for opt in table() {
        for name in opt.names {
            let word = long(opt, name);
            lines.extend([
                vec![word.clone()],
                vec![word.clone(), ARRAY.to_owned()],
                vec![ARRAY.to_owned(), word],
            ]);
        }
    }
    lines
}

/// Every letter in every mode and before any, with a word that may be its argument; and some that mean nothing.
fn letters() -> Vec<Line> {
    let mut lines = Vec::new();
    let known: BTreeSet<char> = table().flat_map(|opt| opt.letters).map(|(letter, _)| *letter).collect();
    for letter in known.into_iter().chain("0gH?:".chars()) {
        lines.push(vec![format!("-{letter}"), "1".to_owned()]);
        for of in Mode::ALL {
            let (option, rest) = mode(of);
            let words = [&format!("-{letter}")[..], "1"];
            lines.push(with(
                &with(&line(option), &words),
                &rest.iter().map(String::as_str).collect::<Vec<_>>(),
            ));
        }
    }
    lines
}

/// Every beginning of every spelling, where the shown name or the list of possibilities tells what it stands for.
fn abbreviations() -> Vec<Line> {
    let mut beginnings: Vec<&str> =
        table().flat_map(|opt| opt.names).flat_map(|name| (1..name.len()).map(|end| &name[..end])).collect();
    beginnings.sort_unstable();
    beginnings.dedup();
    // After -E nearly every option is refused by its full name.
    beginnings.into_iter().map(|text| vec!["-I".to_owned(), format!("--{text}"), "1".to_owned()]).collect()
}

/// What is said of values that are left out or given where none is taken.
fn arguments() -> Vec<Line> {
    let mut lines = Vec::new();
    for opt in table() {
        let name = opt.names[0];
        match opt.arg {
            Arg::No => lines.push(vec![format!("--{name}=1")]),
            Arg::Required(_) => lines.push(vec!["-C".to_owned(), format!("--{name}")]),
            Arg::Optional(_) => lines.push(vec!["-C".to_owned(), format!("--{name}="), "x".to_owned()]),
        }
    }
    for letter in "abcdeiklmnpruxzNUZ".chars() {
        lines.extend(
            ["-A", "-B", "-C", "-G", "-I", "-F", "--manage", "--misc"]
                .map(|of| vec![of.to_owned(), format!("-{letter}")]),
        );
    }
    lines
}

/// Every option twice in each mode that takes it.
fn twice() -> Vec<Line> {
    let mut lines = Vec::new();
    for of in Mode::ALL {
        let (option, rest) = mode(of);
        for opt in table().filter(|opt| opt.modes.has(Some(of))) {
            if matches!(opt.id, OptionId::Help | OptionId::HelpOptions | OptionId::Version) {
                continue;
            }
            let word = long(opt, opt.names[0]);
            let mut whole = with(&line(option), &[&word, &word]);
            // Several are told only where the other line says less.
            whole.extend(
                rest.iter()
                    .filter(|w| {
                        !(opt.id == OptionId::Level && *w == "-l1"
                            || opt.id == OptionId::RaidDevices && *w == "-n2")
                    })
                    .cloned(),
            );
            lines.push(whole);
        }
    }
    lines
}

/// Values of sizes, names, numbers and words.
const VALUES: &str = include_str!("values.txt");

fn values() -> Vec<Line> {
    let mut lists: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut lines = Vec::new();
    for text in VALUES.lines().filter(|text| !text.starts_with('#')) {
        if let Some(list) = text.strip_prefix('@') {
            let mut words = list.split(' ');
            lists.insert(words.next().unwrap_or_default(), words.collect());
            continue;
        }
        let parts: Vec<&str> = text.split('|').map(str::trim).collect();
        let [before, option, after, values] = parts[..] else { panic!("four parts: {text}") };
        let listed = values.strip_prefix('@').map(|name| lists[name].clone());
        for value in listed.unwrap_or_else(|| values.split(' ').collect()) {
            let value = if value == "''" { String::new() } else { value.replace('·', " ") };
            let mut whole = line(before);
            whole.push(format!("{option}={value}"));
            whole.extend(line(&after.replace("DEVICES", "/dev/md/nx /dev/nx1 /dev/nx2")));
            lines.push(whole);
        }
    }
    lines
}

/// Two misc actions, each with a device after it, and each alone.
fn actions() -> Vec<Line> {
    let words: Vec<String> = table()
        .filter(|opt| opt.modes.has(Some(Mode::Misc)) && !opt.modes.has(Some(Mode::AutoDetect)))
        .map(|opt| long(opt, opt.names[0]))
        .collect();
    let mut lines = Vec::new();
    for first in &words {
        lines.push(line(&format!("--misc {first}")));
        lines.push(line(&format!("--misc {first} --scan")));
        lines.push(line(&format!("--misc /dev/nx1 {first}")));
        for second in &words {
            lines.push(line(&format!("--misc {first} {second} /dev/nx1")));
        }
    }
    lines
}

/// Two of an operation and what may stand beside it.
fn manage() -> Vec<Line> {
    let ops = [
        "--add",
        "--add-spare",
        "--add-journal",
        "--re-add",
        "--remove",
        "--fail",
        "--set-faulty",
        "--replace",
        "--with",
        "--cluster-confirm",
        "-a",
        "-r",
        "-f",
        "--readwrite",
        "-w",
        "-W",
        "--failfast",
        "--nofailfast",
        "--run",
        "--stop",
        "--readonly",
        "--test",
        "--force",
    ];
    let words =
        ["missing", "failed", "faulty", "detached", "set-A", "set-z", "nx1", "8:77", "/dev/nx1", "0:missing"];
    let mut lines = Vec::new();
    for op in ops {
        for word in words {
            lines.push(line(&format!("{ARRAY} {op} {word}")));
        }
        lines.push(line(&format!("{ARRAY} {op}")));
        lines.push(line(&format!("--manage {op} {ARRAY}")));
        lines.push(line(&format!("--manage {ARRAY} {op}")));
        for second in ops {
            lines.push(line(&format!("{ARRAY} {op} /dev/nx1 {second} /dev/nx2")));
        }
    }
    lines
}

/// Lines with a shape of their own.
const SHAPES: &str = include_str!("shapes.txt");

fn shapes() -> Vec<Line> {
    let mut lines: Vec<Line> = SHAPES.lines().filter(|text| !text.starts_with('#')).map(line).collect();
    lines.push(Vec::new());
    lines.push(vec![String::new()]);
    for first in ["", " ", "a b", "/dev/nx 1"] {
        lines.push(vec![first.to_owned(), "--add".to_owned(), "x".to_owned()]);
        lines.push(vec!["-D".to_owned(), first.to_owned()]);
    }
    lines
}

/// The matrix: every option and letter in every mode, and lines with a shape of their own. With `thorough` all
/// values, abbreviations and pairs too.
pub(super) fn all(thorough: bool) -> Vec<Line> {
    let mut lines = [spellings(), letters(), shapes()].concat();
    if thorough {
        lines.extend(
            [arguments(), values(), first_words(), abbreviations(), twice(), actions(), manage()].concat(),
        );
    }
    let mut seen = BTreeSet::new();
    lines.retain(|line| seen.insert(line.clone()));
    lines
}
