//! LVM2's own configuration, as far as it decides what is a physical volume and whose a group is: text in, values out.
//!
//! The devices file has lines of `KEY=value`.

mod filter;
mod grammar;

use std::{fmt, path::Path};

pub use filter::Filter;
use grammar::Value;
use superblock::lvm::lvm_crc;

/// The files that are read, in this order: what a later one says counts.
const FILES: [&str; 2] = ["lvm.conf", "lvmlocal.conf"];
/// No file of LVM2's that is longer is read.
pub const LONGEST: u64 = 64 << 20;

/// What we honour of `lvm.conf` and `lvmlocal.conf`.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `devices/use_devicesfile`.
    pub use_devices_file: Option<bool>,
    /// `devices/allow_changes_with_duplicate_pvs`.
    pub change_with_duplicates: bool,
    /// `global/system_id_source`.
    pub system_id_source: Option<String>,
    /// `global/system_id_file`.
    pub system_id_file: Option<String>,
    /// `local/system_id`.
    pub system_id: Option<String>,
    /// `local/extra_system_ids`.
    pub extra_system_ids: Vec<String>,
    /// `devices/filter`.
    pub filter: Filter,
    /// `devices/global_filter`.
    pub global_filter: Filter,
    /// `global/locking_dir`.
    pub locking_dir: Option<String>,
    /// `devices/hints`.
    pub hints: Option<String>,
    /// What cannot be read: where, and why. Then nobody knows what is ours, and nothing may be changed.
    pub faults: Vec<String>,
}

impl Settings {
    /// What the files in LVM2's directory say. `read` answers with nothing for one that is not there, and with an error that
    /// names the file for one that cannot be read: that is a fault as much as what is not understood.
    pub fn of<E: fmt::Display>(dir: &Path, read: impl Fn(&Path) -> Result<Option<Vec<u8>>, E>) -> Self {
        let mut settings = Self::default();
        for path in FILES.map(|name| dir.join(name)) {
            match read(&path) {
                Ok(Some(text)) => settings.read(&path.display().to_string(), &text),
                Ok(None) => {}
                Err(why) => settings.faults.push(why.to_string()),
            }
        }
        settings
    }

    /// Takes in what a file says; what it does not say stays.
    pub fn read(&mut self, path: &str, file: &[u8]) {
        match grammar::parse(file) {
            Ok(settings) => settings.into_iter().for_each(|(name, value)| self.take(path, &name, value)),
            Err(fault) => self.faults.push(format!("{path}: {fault}")),
        }
    }

    fn take(&mut self, path: &str, name: &str, value: Value) {
        match name {
            "devices/use_devicesfile" => self.use_devices_file = switch(&value),
            "devices/allow_changes_with_duplicate_pvs" => {
                self.change_with_duplicates = switch(&value) == Some(true);
            }
            "devices/filter" => self.filter = self.patterns(path, name, &value),
            "devices/global_filter" => self.global_filter = self.patterns(path, name, &value),
            "devices/hints" => self.hints = string(value),
            "global/locking_dir" => self.locking_dir = string(value).filter(|dir| dir.starts_with('/')),
            "global/system_id_source" => self.system_id_source = string(value),
            "global/system_id_file" => self.system_id_file = string(value),
            "local/system_id" => self.system_id = string(value).filter(|id| !id.is_empty()),
            "local/extra_system_ids" => self.extra_system_ids = strings(&value),
            _ => {}
        }
    }

    fn patterns(&mut self, path: &str, name: &str, value: &Value) -> Filter {
        let words = strings(value);
        let count = if let Value::List(list) = value { list.len() } else { 1 };
        let filter = match Filter::new(&words) {
            Ok(filter) if words.len() == count => return filter,
            Ok(_) => "patterns have to be strings".to_owned(),
            Err(why) => why,
        };
        self.faults.push(format!("{path}: {name}: {filter}"));
        Filter::default()
    }

    /// Whether there is any.
    #[must_use]
    pub fn has_filters(&self) -> bool {
        !self.filter.is_empty() || !self.global_filter.is_empty()
    }

    /// Whether a device of these paths is to be looked at.
    #[must_use]
    pub fn takes(&self, paths: &[String]) -> bool {
        self.global_filter.takes(paths) && self.filter.takes(paths)
    }
}

fn string(value: Value) -> Option<String> {
    if let Value::Text(text) = value { Some(text) } else { None }
}

fn strings(value: &Value) -> Vec<String> {
    let list = if let Value::List(list) = value { list.as_slice() } else { std::slice::from_ref(value) };
    list.iter().filter_map(|value| string(value.clone())).collect()
}

/// A number, or one of the words that LVM2 takes for one.
fn switch(value: &Value) -> Option<bool> {
    match value {
        Value::Integer(number) => Some(*number != 0),
        Value::Text(word) => match word.as_str() {
            "y" | "yes" | "on" | "true" => Some(true),
            "n" | "no" | "off" | "false" => Some(false),
            _ => None,
        },
        Value::Float(_) | Value::List(_) => None,
    }
}

/// The system id in a file: its first line that is neither empty nor a comment.
#[must_use]
pub fn system_id_in(file: &str) -> String {
    let line = file.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    system_id(line.unwrap_or_default())
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
pub struct DevicesFileEntry {
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
pub fn devices(text: &str) -> Vec<DevicesFileEntry> {
    text.lines().filter_map(parse_entry).collect()
}

/// Whether one of them is this device: by the name that lasts, kind and name, or by its label.
#[must_use]
pub fn is_listed(entries: &[DevicesFileEntry], id: Option<(&str, &str)>, pv: &str) -> bool {
    let same =
        |entry: &DevicesFileEntry| id == Some((&entry.kind, &entry.name)) || entry.pv.as_deref() == Some(pv);
    entries.iter().any(same)
}

fn parse_entry(line: &str) -> Option<DevicesFileEntry> {
    let line = line.trim();
    if !line.starts_with("IDTYPE=") {
        return None;
    }
    let value = |key: &str| {
        let word = line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        word.filter(|value| *value != "." && !value.is_empty()).map(str::to_owned)
    };
    Some(DevicesFileEntry {
        kind: value("IDTYPE")?,
        name: value("IDNAME").unwrap_or_default(),
        device: value("DEVNAME"),
        pv: value("PVID"),
        part: value("PART"),
    })
}

/// The devices file with these added and those taken out; `None` where nothing changes. What is not known stays.
#[must_use]
pub fn edited(text: &str, add: &[DevicesFileEntry], remove: &[&str]) -> Option<String> {
    let known = devices(text);
    let new: Vec<&DevicesFileEntry> = add.iter().filter(|entry| !known.contains(entry)).collect();
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

fn format_entry(entry: &DevicesFileEntry) -> String {
    let plain = |text: &Option<String>| text.clone().unwrap_or_else(|| ".".to_owned());
    let part = entry.part.as_ref().map_or(String::new(), |part| format!(" PART={part}"));
    let (kind, name) = (&entry.kind, &entry.name);
    format!("IDTYPE={kind} IDNAME={name} DEVNAME={} PVID={}{part}\n", plain(&entry.device), plain(&entry.pv))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_both_files() {
        let mut settings = Settings::default();
        let first = b"devices { use_devicesfile = 1 filter = [ 'a|^/dev/md|', \"r|.*|\" ] }\nglobal/system_id_source = \"lvmlocal\"\n";
        settings.read("lvm.conf", first);
        settings.read("lvmlocal.conf", b"local { system_id = \"box\" extra_system_ids = [\"old\"] }");
        assert_eq!(settings.use_devices_file, Some(true));
        assert_eq!(
            (settings.system_id_source.as_deref(), settings.system_id.as_deref()),
            (Some("lvmlocal"), Some("box"))
        );
        assert_eq!(settings.extra_system_ids, ["old"]);
        assert!(settings.takes(&["/dev/md0".to_owned()]) && !settings.takes(&["/dev/sda".to_owned()]));
        // The last one counts, but each filter has its say.
        settings.read(
            "x",
            b"devices { filter = 'r|md0|' filter = 'a|.*|' global_filter = 'r|sdb|' use_devicesfile = off }",
        );
        assert!(settings.takes(&["/dev/md0".to_owned()]) && !settings.takes(&["/dev/sdb".to_owned()]));
        assert_eq!((settings.use_devices_file, settings.faults.len()), (Some(false), 0));
        assert_eq!(system_id(" box 1\n"), "box1");
        assert_eq!(system_id_in("# c\n  \n me too \n"), "metoo");
    }

    #[test]
    fn what_cannot_be_read_is_a_fault_with_its_place() {
        let faults = |text: &str| {
            let mut settings = Settings::default();
            settings.read("/etc/lvm/lvm.conf", text.as_bytes());
            settings.faults.join("; ")
        };
        assert_eq!(
            faults("devices {\n filter = [ 'r|x|'\n"),
            "/etc/lvm/lvm.conf: line 3: a value is missing"
        );
        assert_eq!(
            faults("devices { filter = [ 'x|y|' ] }"),
            "/etc/lvm/lvm.conf: devices/filter: the filter \"x|y|\" begins neither with 'a' nor with 'r'"
        );
        assert_eq!(
            faults("devices { filter = [ 3 ] }"),
            "/etc/lvm/lvm.conf: devices/filter: patterns have to be strings"
        );
        assert_eq!(faults("# nothing\n"), "");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_a_fault_and_the_other_one_counts() {
        let read = |path: &Path| match path.file_name().and_then(|name| name.to_str()) {
            Some("lvm.conf") => Err("/etc/lvm/lvm.conf: read: it is a FIFO, and should be a plain file"),
            _ => Ok(Some(b"local { system_id = \"box\" }".to_vec())),
        };
        let settings = Settings::of(Path::new("/etc/lvm"), read);
        assert_eq!(settings.faults, ["/etc/lvm/lvm.conf: read: it is a FIFO, and should be a plain file"]);
        assert_eq!(settings.system_id.as_deref(), Some("box"));
    }

    #[test]
    fn the_devices_file_keeps_what_it_has() {
        let text = "# comment\n# HASH=1\nPRODUCT_UUID=x\nVERSION=1.1.7\nIDTYPE=sys_wwid IDNAME=naa.5 DEVNAME=/dev/sda PVID=abc PART=1\n";
        let md = DevicesFileEntry {
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
