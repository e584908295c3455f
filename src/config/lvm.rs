//! LVM2's own configuration, as far as it decides what is a physical volume and whose a group is: text in, values out.
//!
//! `lvm.conf` and `lvmlocal.conf` have the grammar of the metadata. The devices file has lines of `KEY=value`.

use superblock::lvm::{lvm_crc, text};

/// What we honour of `lvm.conf` and `lvmlocal.conf`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `devices/use_devicesfile`.
    pub use_devices_file: Option<bool>,
    /// `global/system_id_source`.
    pub system_id_source: Option<String>,
    /// `local/system_id`.
    pub system_id: Option<String>,
    /// `local/extra_system_ids`.
    pub extra_system_ids: Vec<String>,
    /// `devices/global_filter` and `devices/filter`, one after the other.
    pub filters: Vec<Vec<String>>,
    /// `global/locking_dir`.
    pub locking_dir: Option<String>,
    /// `devices/hints`.
    pub hints: Option<String>,
}

impl Settings {
    /// Takes in what a file says; what it does not say stays. A file that is not of the grammar says nothing.
    pub fn read(&mut self, file: &[u8]) {
        let Ok(tree) = text::parse(file) else { return };
        for entry in &tree {
            let text::Value::Section(section) = &entry.value else {
                // `section/key = value` on one line.
                let mut parts = entry.key.splitn(2, |byte| *byte == b'/');
                if let (Some(section), Some(key)) = (parts.next(), parts.next()) {
                    self.take(section, key, &entry.value);
                }
                continue;
            };
            for one in section {
                self.take(entry.key, one.key, &one.value);
            }
        }
    }

    fn take(&mut self, section: &[u8], key: &[u8], value: &text::Value<'_>) {
        let string = || value.text().map(|text| String::from_utf8_lossy(&text).into_owned());
        match (section, key) {
            (b"devices", b"use_devicesfile") => {
                self.use_devices_file = value.integer().map(|value| value != 0)
            }
            (b"devices", b"filter" | b"global_filter") => self.filters.push(strings(value)),
            (b"devices", b"hints") => self.hints = string(),
            (b"global", b"locking_dir") => self.locking_dir = string().filter(|dir| dir.starts_with('/')),
            (b"global", b"system_id_source") => self.system_id_source = string(),
            (b"local", b"system_id") => self.system_id = string().filter(|id| !id.is_empty()),
            (b"local", b"extra_system_ids") => self.extra_system_ids = strings(value),
            _ => {}
        }
    }
}

fn strings(value: &text::Value<'_>) -> Vec<String> {
    let one = |value: &text::Value<'_>| value.text().map(|text| String::from_utf8_lossy(&text).into_owned());
    match value {
        text::Value::List(list) => list.iter().filter_map(one).collect(),
        value => one(value).into_iter().collect(),
    }
}

/// A system id as LVM2 makes it of a host's name: what may not stand in one goes.
#[must_use]
pub fn system_id(name: &str) -> String {
    let taken = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | ':');
    let name: String = name.trim().chars().filter(taken).take(128).collect();
    name.trim_start_matches('-').to_owned()
}

/// A line of the devices file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// `IDTYPE`.
    pub kind: String,
    /// `IDNAME`.
    pub name: String,
    /// `DEVNAME`; `None` for `.`.
    pub device: Option<String>,
    /// `PVID`, 32 characters; `None` for `.`.
    pub pv: Option<String>,
    /// `PART`.
    pub part: Option<String>,
}

/// The devices of a devices file.
#[must_use]
pub fn devices(text: &str) -> Vec<Entry> {
    text.lines().filter_map(parse_entry).collect()
}

fn parse_entry(line: &str) -> Option<Entry> {
    let line = line.trim();
    if !line.starts_with("IDTYPE=") {
        return None;
    }
    let value = |key: &str| {
        let word = line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        word.filter(|value| *value != "." && !value.is_empty()).map(str::to_owned)
    };
    Some(Entry {
        kind: value("IDTYPE")?,
        name: value("IDNAME").unwrap_or_default(),
        device: value("DEVNAME"),
        pv: value("PVID"),
        part: value("PART"),
    })
}

/// The devices file with these added and those taken out; `None` where nothing changes. What is not known stays.
#[must_use]
pub fn edited(text: &str, add: &[Entry], remove: &[&str]) -> Option<String> {
    let known = devices(text);
    let new: Vec<&Entry> = add.iter().filter(|entry| !known.contains(entry)).collect();
    let goes = |line: &str| {
        parse_entry(line).is_some_and(|entry| {
            let by_pv = |pv: &str| entry.pv.as_deref() == Some(pv);
            remove.iter().any(|pv| by_pv(pv))
                || new
                    .iter()
                    .any(|new| (&new.kind, &new.name, &new.part) == (&entry.kind, &entry.name, &entry.part))
        })
    };
    if new.is_empty() && !text.lines().any(goes) {
        return None;
    }
    let mut body = String::new();
    for line in text.lines().filter(|line| !goes(line) && !line.starts_with('#')) {
        match line.strip_prefix("VERSION=").and_then(next_version) {
            Some(version) => body.push_str(&format!("VERSION={version}\n")),
            None => {
                body.push_str(line);
                body.push('\n');
            }
        }
    }
    for entry in new {
        body.push_str(&format_entry(entry));
    }
    let mut whole = String::from("# LVM will use devices listed in this file.\n");
    whole.push_str(&format!("# HASH={}\n", lvm_crc(body.as_bytes())));
    whole.push_str(&body);
    Some(whole)
}

/// `1.1.N` one higher.
fn next_version(version: &str) -> Option<String> {
    let (kind, count) = version.trim().rsplit_once('.')?;
    Some(format!("{kind}.{}", count.parse::<u32>().ok()?.wrapping_add(1)))
}

fn format_entry(entry: &Entry) -> String {
    let plain = |text: &Option<String>| text.clone().unwrap_or_else(|| ".".to_owned());
    let part = entry.part.as_ref().map_or(String::new(), |part| format!(" PART={part}"));
    let (kind, name) = (&entry.kind, &entry.name);
    format!("IDTYPE={kind} IDNAME={name} DEVNAME={} PVID={}{part}\n", plain(&entry.device), plain(&entry.pv))
}

/// `devices/filter`: the first pattern that fits decides, and what fits none is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter(Vec<(bool, Vec<Atom>)>);

/// One position of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Atom {
    matches: One,
    /// Any number of times.
    many: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum One {
    Any,
    Exactly(char),
    Among(Vec<char>),
    Start,
    End,
}

impl Filter {
    /// From patterns such as `a|^/dev/md|` and `r/.*/`. A pattern with more than literal characters, `.`, `*`, `[…]`, `^` and
    /// `$` is left out: what it says is not known.
    #[must_use]
    pub fn new(words: &[String]) -> Self {
        let one = |word: &String| {
            let mut chars = word.chars();
            let takes = match chars.next()? {
                'a' => true,
                'r' => false,
                _ => return None,
            };
            let end = match chars.next()? {
                '{' => '}',
                '(' => ')',
                '[' => ']',
                other => other,
            };
            Some((takes, atoms(chars.as_str().strip_suffix(end)?)?))
        };
        Self(words.iter().filter_map(one).collect())
    }

    /// Whether a device of these paths is to be looked at: one that is taken is enough; what is said of none does no harm.
    #[must_use]
    pub fn takes(&self, paths: &[String]) -> bool {
        let mut said = paths.iter().filter_map(|path| self.says(path)).peekable();
        said.peek().is_none() || said.any(|takes| takes)
    }

    fn says(&self, path: &str) -> Option<bool> {
        let path: Vec<char> = path.chars().collect();
        let fits = |atoms: &[Atom]| (0..=path.len()).any(|from| fits_at(atoms, &path, from));
        self.0.iter().find(|(_, atoms)| fits(atoms)).map(|(takes, _)| *takes)
    }
}

fn atoms(pattern: &str) -> Option<Vec<Atom>> {
    let mut atoms: Vec<Atom> = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let matches = match c {
            '.' => One::Any,
            '^' => One::Start,
            '$' => One::End,
            '*' => {
                atoms.last_mut()?.many = true;
                continue;
            }
            '[' => {
                let inside: Vec<char> = chars.by_ref().take_while(|c| *c != ']').collect();
                One::Among(expanded(&inside)?)
            }
            '\\' | '(' | ')' | '|' | '+' | '?' | '{' | '}' => return None,
            c => One::Exactly(c),
        };
        atoms.push(Atom { matches, many: false });
    }
    Some(atoms)
}

/// `a-z` written out; `None` for what stands for all others.
fn expanded(inside: &[char]) -> Option<Vec<char>> {
    let mut all = Vec::new();
    let mut rest = inside;
    loop {
        match rest {
            [] => return Some(all),
            ['^', ..] if all.is_empty() => return None,
            [from, '-', to, after @ ..] => {
                all.extend(*from..=*to);
                rest = after;
            }
            [one, after @ ..] => {
                all.push(*one);
                rest = after;
            }
        }
    }
}

/// The positions of the path that can be reached, atom by atom: no way back, so no pattern takes long.
fn fits_at(atoms: &[Atom], path: &[char], from: usize) -> bool {
    let mut at = vec![false; path.len() + 1];
    if let Some(first) = at.get_mut(from) {
        *first = true;
    }
    for atom in atoms {
        let step = |index: usize| match &atom.matches {
            One::Start => (index == 0).then_some(index),
            One::End => (index == path.len()).then_some(index),
            One::Any => path.get(index).map(|_| index + 1),
            One::Exactly(c) => path.get(index).filter(|at| *at == c).map(|_| index + 1),
            One::Among(all) => path.get(index).filter(|at| all.contains(at)).map(|_| index + 1),
        };
        let mut next = if atom.many { at.clone() } else { vec![false; at.len()] };
        for index in 0..at.len() {
            let reached = if atom.many { next.get(index) } else { at.get(index) };
            let to = if reached == Some(&true) { step(index) } else { None };
            if let Some(to) = to.and_then(|to| next.get_mut(to)) {
                *to = true;
            }
        }
        at = next;
    }
    at.contains(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_both_files() {
        let mut settings = Settings::default();
        settings.read(b"devices { use_devicesfile = 1 filter = [ \"a|^/dev/md|\", \"r|.*|\" ] }\nglobal/system_id_source = \"lvmlocal\"\n");
        settings.read(b"local { system_id = \"box\" extra_system_ids = [\"old\"] }");
        assert_eq!(settings.use_devices_file, Some(true));
        assert_eq!(
            (settings.system_id_source.as_deref(), settings.system_id.as_deref()),
            (Some("lvmlocal"), Some("box"))
        );
        assert_eq!(settings.extra_system_ids, ["old"]);
        settings.read(b"not { of the grammar");
        assert_eq!(system_id(" box 1\n"), "box1");
    }

    #[test]
    fn the_first_pattern_that_fits_decides() {
        let filter =
            |words: &[&str]| Filter::new(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        let only_md = filter(&["a|^/dev/md|", "r|.*|"]);
        assert!(only_md.takes(&["/dev/md127".to_owned()]) && !only_md.takes(&["/dev/sda".to_owned()]));
        let not_loops = filter(&["r|/dev/loop[0-9]*$|"]);
        assert!(not_loops.takes(&["/dev/sda".to_owned()]) && !not_loops.takes(&["/dev/loop12".to_owned()]));
        assert!(
            filter(&["r(sd[ab])"]).takes(&["/dev/sdc".to_owned()])
                && !filter(&["r(sd[ab])"]).takes(&["/dev/sdb".to_owned()])
        );
        assert!(
            filter(&["r|(sd|hd)|"]).takes(&["/dev/sda".to_owned()]),
            "more than is understood says nothing"
        );
        let links = ["/dev/sda".to_owned(), "/dev/disk/by-id/wwn-5".to_owned()];
        assert!(filter(&["a|^/dev/disk/by-id/|", "r|.*|"]).takes(&links), "by any of its names");
        assert!(filter(&["a|.*|"]).takes(&["/dev/sda".to_owned()]));
    }

    #[test]
    fn the_devices_file_keeps_what_it_has() {
        let text = "# comment\n# HASH=1\nPRODUCT_UUID=x\nVERSION=1.1.7\nIDTYPE=sys_wwid IDNAME=naa.5 DEVNAME=/dev/sda PVID=abc PART=1\n";
        let md = Entry {
            kind: "md_uuid".into(),
            name: "0011:2233".into(),
            device: Some("/dev/md0".into()),
            pv: Some("def".into()),
            part: None,
        };
        let with = edited(text, std::slice::from_ref(&md), &[]).unwrap();
        assert!(with.contains(
            "PRODUCT_UUID=x\nVERSION=1.1.8\nIDTYPE=sys_wwid IDNAME=naa.5 DEVNAME=/dev/sda PVID=abc PART=1\n"
        ));
        assert!(with.ends_with("IDTYPE=md_uuid IDNAME=0011:2233 DEVNAME=/dev/md0 PVID=def\n"));
        assert_eq!(edited(&with, &[md], &[]), None);
        let without = edited(&with, &[], &["abc"]).unwrap();
        assert_eq!(devices(&without).len(), 1);
    }
}
