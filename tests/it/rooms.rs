//! The directions of docs/ARCHITECTURE.md, read from each room's own words.
#![expect(clippy::disallowed_methods, reason = "a test reads the sources")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Room, and the rooms that it may name.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("words", &[]),
    ("model", &["words"]),
    ("config", &["model", "words"]),
    ("archive", &["model", "words"]),
    ("request", &["config", "model", "words"]),
    ("plan", &["request", "model", "config", "archive", "words"]),
    ("cli", &["request", "plan", "config", "model", "words"]),
    ("report", &["model", "archive", "words"]),
    ("kernel", &["words"]),
    ("inventory", &["kernel", "config", "model", "archive", "words"]),
    ("execute", &["plan", "kernel", "model", "config", "archive", "words"]),
];

/// Rooms that touch the machine; all others are pure.
const TOUCHING: &[&str] = &["kernel", "inventory", "execute", "command"];

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a room can be listed") {
        let path = entry.expect("a room can be listed").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// The code of a room without its tests: those may use the fake machine.
fn code(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if name == "tests.rs"
        || name.ends_with("_tests.rs")
        || path.components().any(|c| c.as_os_str() == "tests")
    {
        return String::new();
    }
    without_tests(&fs::read_to_string(path).expect("a source can be read"))
}

/// A source without the items that stand under `#[cfg(test)]`, wherever they stand.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..at]);
        rest = &rest[at..];
        let ends = rest.find(';').unwrap_or(rest.len());
        let opens = rest.find('{').unwrap_or(rest.len());
        let end = if ends < opens { ends + 1 } else { opens + block(&rest[opens..]) };
        rest = &rest[end.min(rest.len())..];
    }
    kept + rest
}

/// How long a block is that begins with a brace. Formatted code ends it in a line of its own, as far in as it began.
fn block(text: &str) -> usize {
    text.find("\n}\n").map_or(text.len(), |at| at + 3)
}

#[test]
fn only_tests_are_left_out() {
    let text = "use crate::model;\n#[cfg(test)]\nmod fake;\npub use crate::plan::A;\n#[cfg(test)]\nmod tests {\n    use \
                crate::kernel;\n    fn f() {\n    }\n}\nfn g() { crate::execute::x() }\n";
    assert_eq!(named(&without_tests(text)), ["model", "plan", "execute"]);
}

/// The rooms named as `crate::ROOM`, alone or in a list.
fn named(code: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut rooms = Vec::new();
    for (index, path) in code.match_indices("crate::") {
        let rest = &code[index + path.len()..];
        match rest.strip_prefix('{') {
            Some(list) => rooms.extend(top_level(list).into_iter().map(word)),
            None => rooms.push(word(rest)),
        }
    }
    rooms.retain(|room| !room.is_empty());
    rooms
}

/// The items of a list, up to the brace that ends it.
fn top_level(list: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' if depth > 0 => {}
            ',' | '}' => {
                items.push(list[start..at].trim_start());
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    items
}

#[test]
fn rooms_name_only_what_the_map_allows() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rooms: Vec<&str> = MAY_NAME.iter().map(|(room, _)| *room).chain(["command", "ui"]).collect();
    let mut wrong = Vec::new();
    for (room, allowed) in MAY_NAME {
        for path in sources(&src.join(room)) {
            for name in named(&code(&path)) {
                if rooms.contains(&name.as_str()) && name != *room && !allowed.contains(&name.as_str()) {
                    wrong.push(format!("{}: names {name}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pure_rooms_name_no_system_calls() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (room, _) in MAY_NAME.iter().filter(|(room, _)| !TOUCHING.contains(room)) {
        for path in sources(&src.join(room)) {
            let code = code(&path);
            let names_nix = code.lines().any(|line| line.trim_start().starts_with("use nix"));
            assert!(!names_nix && !code.contains(" nix::"), "{} names nix", path.display());
        }
    }
}

#[test]
fn every_room_is_on_the_map() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = fs::read_to_string(top.join("docs/ARCHITECTURE.md")).expect("the map is there");
    for entry in fs::read_dir(top.join("src")).expect("src can be listed") {
        let path = entry.expect("src can be listed").path();
        if path.is_dir() {
            let room = format!("`src/{}`", path.file_name().unwrap_or_default().to_string_lossy());
            assert!(map.contains(&room), "docs/ARCHITECTURE.md does not name {room}");
        }
    }
}

/// A file that the map names is there, in the tree or in a room.
#[test]
fn every_file_on_the_map_is_there() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = fs::read_to_string(top.join("docs/ARCHITECTURE.md")).expect("the map is there");
    let is_path = |word: &&str| {
        word.ends_with(".rs")
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-/.".contains(c))
    };
    let named: Vec<&str> = map.split('`').skip(1).step_by(2).filter(is_path).collect();
    assert!(named.len() > 20, "the map names files between backticks: {named:?}");
    let places = ["", "src", "src/command", "src/execute", "src/plan", "src/plan/trial"];
    let is_there = |file: &str| places.iter().any(|place| top.join(place).join(file).is_file());
    let gone: Vec<&str> = named.into_iter().filter(|file| !is_there(file)).collect();
    assert!(gone.is_empty(), "{gone:?}");
}

#[test]
fn names_are_found_in_all_spellings() {
    let code = "use crate::model::World;\nuse crate::{\n    config::map,\n    kernel::{self, Access},\n    plan::Step,\n};\nlet x = crate::report::y();";
    assert_eq!(named(code), ["model", "config", "kernel", "plan", "report"].map(str::to_owned));
}

/// The public types that a source declares.
fn types(code: &str) -> Vec<String> {
    let kinds = ["pub struct ", "pub enum ", "pub trait ", "pub type "];
    let name = |line: &str| {
        let rest = kinds.iter().find_map(|kind| line.trim_start().strip_prefix(kind))?;
        Some(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>())
    };
    // A macro's are named where it is used.
    code.lines().filter_map(name).filter(|name| !name.is_empty()).collect()
}

/// A name leads to one place.
#[test]
fn no_two_rooms_have_a_public_type_of_one_name() {
    assert_eq!(
        types("pub struct A {\n    pub enum B<T> {\n// pub struct C\npub(super) struct D;\n"),
        ["A", "B"]
    );
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in sources(&top) {
        for name in types(&code(&path)) {
            places.entry(name).or_default().push(path.display().to_string());
        }
    }
    places.retain(|_, of| of.len() > 1);
    assert!(places.is_empty(), "{places:#?}");
}
