//! Lines as dmsetup prints them.

use std::fmt::Write as _;

use crate::model::{
    DevId,
    dm::{DmSeen, Mangling, Overview},
};

/// When there is nothing.
pub const NONE: &str = "No devices found\n";

/// How a device is named beside its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Naming {
    /// By number.
    #[default]
    Number,
    /// By the kernel's name.
    Block,
    /// By device-mapper's name, else the kernel's.
    Name,
}

impl Naming {
    /// By dmsetup's word.
    ///
    /// # Errors
    /// Any other word.
    pub fn parse(word: Option<&str>) -> Result<Self, String> {
        Ok(match word {
            None | Some("devno") => Self::Number,
            Some("blkdevname") => Self::Block,
            Some("devname") => Self::Name,
            Some(word) => {
                return Err(format!("`{}` is not devno, blkdevname or devname", word.escape_debug()));
            }
        })
    }

    fn of(self, all: &Overview, dev: DevId) -> Option<String> {
        let block = all.blocks.get(&dev);
        match self {
            Self::Number => None,
            Self::Block => block.cloned(),
            // A device that never had a table has no name in /sys, and dmsetup looks there.
            Self::Name => block.map(|block| match all.by_number(dev) {
                Some(seen) => seen.info.name.clone(),
                None => block.clone(),
            }),
        }
    }
}

/// `ls`. `of_target`: rows were filtered by a target, and then numbers are printed in another way.
#[must_use]
pub fn list(all: &Overview, naming: Naming, of_target: bool, mangling: Mangling) -> String {
    let mut text = String::new();
    for seen in &all.devices {
        let DevId { major, minor } = seen.info.dev;
        let shown = mangling.unmangle(&seen.info.name);
        let number = if of_target { format!("{major}, {minor}") } else { format!("{major}:{minor}") };
        let beside = naming.of(all, seen.info.dev).unwrap_or(number);
        // A String takes everything, here and below.
        let _ = writeln!(text, "{shown}\t({beside})");
    }
    if all.devices.is_empty() { NONE.to_owned() } else { text }
}

/// `info` of one device.
#[must_use]
pub fn info(seen: &DmSeen, mangling: Mangling) -> String {
    let info = &seen.info;
    let mut text = String::new();
    let mut line = |what: &str, value: String| {
        let _ = writeln!(text, "{what:<19}{value}");
    };
    line("Name:", mangling.unmangle(&info.name));
    let state = if info.suspended { "SUSPENDED" } else { "ACTIVE" };
    let mode = if info.read_only { " (READ-ONLY)" } else { "" };
    let deferred = if info.deferred_remove { " (DEFERRED REMOVE)" } else { "" };
    line("State:", format!("{state}{mode}{deferred}"));
    if let Some(sectors) = seen.read_ahead {
        line("Read Ahead:", sectors.to_string());
    }
    let tables = match (info.live, info.inactive) {
        (true, true) => "LIVE & INACTIVE",
        (true, false) => "LIVE",
        (false, true) => "INACTIVE",
        (false, false) => "None",
    };
    line("Tables present:", tables.to_owned());
    line("Open count:", info.open.to_string());
    line("Event number:", info.event.to_string());
    line("Major, minor:", format!("{}, {}", info.dev.major, info.dev.minor));
    line("Number of targets:", info.segments.to_string());
    if let Some(uuid) = &info.uuid {
        let _ = writeln!(text, "UUID: {}", mangling.unmangle(uuid));
    }
    text.push('\n');
    text
}

/// `deps` of one device. `name`: it is one of several.
#[must_use]
pub fn deps(all: &Overview, seen: &DmSeen, naming: Naming, name: Option<&str>) -> String {
    let mut text = name.map(|name| format!("{name}: ")).unwrap_or_default();
    let _ = write!(text, "{} dependencies\t:", seen.deps.len());
    for dev in &seen.deps {
        let number = format!("{}, {}", dev.major, dev.minor);
        let _ = write!(text, " ({})", naming.of(all, *dev).unwrap_or(number));
    }
    text.push('\n');
    text
}

/// `status` or `table` of one device. `name`: it is one of several. `target`: only its rows.
#[must_use]
pub fn rows(seen: &DmSeen, target: Option<&str>, name: Option<&str>) -> String {
    let before = name.map(|name| format!("{name}: ")).unwrap_or_default();
    let rows = seen.rows.as_deref().unwrap_or_default();
    let wanted: Vec<_> = rows.iter().filter(|row| target.is_none_or(|target| row.kind == target)).collect();
    if rows.is_empty() && target.is_none() {
        return format!("{before}\n");
    }
    let mut text = String::new();
    for row in wanted {
        let _ = writeln!(text, "{before}{} {} {} {}", row.start.0, row.length.0, row.kind, row.text);
    }
    text
}

/// `table --concise`: all of them in a line, as the kernel's command line has them.
#[must_use]
pub fn concise(devices: &[&DmSeen], target: Option<&str>, mangling: Mangling) -> String {
    let one = |seen: &&DmSeen| {
        let info = &seen.info;
        let mode = if info.read_only { "ro" } else { "rw" };
        let name = escaped(&mangling.unmangle(&info.name));
        let uuid = escaped(&info.uuid.clone().unwrap_or_default());
        let mut text = format!("{name},{uuid},{},{mode}", info.dev.minor);
        let rows = seen.rows.iter().flatten();
        for row in rows.filter(|row| target.is_none_or(|target| row.kind == target)) {
            let _ = write!(text, ",{} {} {} {}", row.start.0, row.length.0, row.kind, escaped(&row.text));
        }
        text
    };
    format!("{}\n", devices.iter().map(one).collect::<Vec<_>>().join(";"))
}

/// What would end a field takes a backslash.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, ',' | ';' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Keys of `crypt` rows are zeroes unless they are wanted.
#[must_use]
pub fn without_key(kind: &str, params: &str) -> String {
    let mut words: Vec<String> = params.split(' ').map(str::to_owned).collect();
    if let Some(key) = words.get_mut(1).filter(|key| kind == "crypt" && !key.starts_with(':')) {
        *key = "0".repeat(key.len());
    }
    words.join(" ")
}

/// `targets` and `target-version`.
#[must_use]
pub fn target(name: &str, [major, minor, patch]: [u32; 3]) -> String {
    format!("{name:<16} v{major}.{minor}.{patch}\n")
}
