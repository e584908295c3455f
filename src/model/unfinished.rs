//! What a command that changes something notes down while it does, so that the next one can tell when it was killed.

use std::fmt;

use super::overlay;
use crate::words::DevId;

/// The notes of one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Its words.
    pub command: String,
    /// Seconds since 1970 of its first note.
    pub time: u64,
    /// Where the bytes are kept that it was about to overwrite.
    pub archive: Option<String>,
    /// Arrays that it was about to make, by the kernel's names.
    pub made: Vec<String>,
    /// The members that it was about to give to these arrays, by the array's name.
    pub added: Vec<(String, DevId)>,
    /// Arrays whose `creating-` file it was about to make.
    pub hidden: Vec<String>,
    /// Arrays whose recovery it was about to keep from starting.
    pub frozen: Vec<String>,
    /// Arrays of which it was about to hold writes to a part back.
    pub held: Vec<String>,
    /// Devices that it was about to suspend or resume, in the order of resuming, by device-mapper's names.
    pub suspended: Vec<String>,
    /// Groups whose metadata it was about to commit, each with its number then.
    pub groups: Vec<(String, u64)>,
    /// Devices of device-mapper that it was about to make.
    pub devices: Vec<String>,
    /// Semaphores by which udev was to tell it that it is done.
    pub cookies: Vec<u32>,
    /// Sets of overlays that it made, with arrays on them, each with the directory of its files.
    pub overlays: Vec<(String, String)>,
    /// Sets whose files it was about to remove, because nothing in them counts any more.
    pub forgotten: Vec<(String, String)>,
    /// It had come past the point of no return.
    pub committed: bool,
    /// What it had done before, plan by plan, in words.
    pub did: Vec<String>,
    /// The plan that it was at.
    pub doing: Option<String>,
    /// What it had not begun yet.
    pub ahead: Vec<String>,
}

/// One line of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The first line.
    Begun {
        /// The words.
        command: String,
        /// Seconds since 1970.
        time: u64,
    },
    /// Bytes are about to be overwritten.
    Archive(String),
    /// An array is about to be made.
    Made(String),
    /// A member is about to be given to an array that it made.
    Member {
        /// The array.
        array: String,
        /// The member's number.
        dev: DevId,
    },
    /// A `creating-` file is about to be made.
    Hidden(String),
    /// Recovery of an array is about to be kept from starting.
    Frozen(String),
    /// Writes to a part of an array are about to be held back, and let go again.
    Held(String),
    /// A device is about to be suspended or resumed.
    Suspended(String),
    /// A group's metadata is about to be committed with this number.
    Group(String, u64),
    /// A device of device-mapper is about to be made.
    Device(String),
    /// A semaphore was made.
    Cookie(u32),
    /// A set of overlays is about to be made, which is to be gone unless the commit is passed.
    Overlays {
        /// The set.
        set: String,
        /// The directory of its files.
        store: String,
    },
    /// The files of a set are about to be removed.
    Forgotten {
        /// The set.
        set: String,
        /// The directory of its files.
        store: String,
    },
    /// The commit was passed.
    Committed,
    /// A plan of several is about to be carried out; what comes after it is noted again.
    Doing(String),
    /// What comes after it.
    Ahead(String),
    /// It is done.
    Did(String),
    /// What it left of arrays, and of what was on their members, was taken back: what is there now is not its any more.
    Over,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun { command, time } => writeln!(f, "begun {time} {}", command.escape_debug()),
            Self::Archive(id) => writeln!(f, "archive {id}"),
            Self::Made(array) => writeln!(f, "made {array}"),
            Self::Member { array, dev } => writeln!(f, "member {dev} {array}"),
            Self::Hidden(array) => writeln!(f, "hidden {array}"),
            Self::Frozen(array) => writeln!(f, "frozen {array}"),
            Self::Held(array) => writeln!(f, "held {array}"),
            Self::Suspended(name) => writeln!(f, "suspended {name}"),
            Self::Group(name, seqno) => writeln!(f, "group {seqno} {name}"),
            Self::Device(name) => writeln!(f, "device {name}"),
            Self::Cookie(value) => writeln!(f, "cookie {value}"),
            Self::Overlays { set, store } => writeln!(f, "overlays {set} {store}"),
            Self::Forgotten { set, store } => writeln!(f, "forgotten {set} {store}"),
            Self::Committed => writeln!(f, "committed"),
            Self::Doing(what) => writeln!(f, "doing {}", what.escape_debug()),
            Self::Ahead(what) => writeln!(f, "ahead {}", what.escape_debug()),
            Self::Did(what) => writeln!(f, "did {}", what.escape_debug()),
            // The line before it may have been cut off: it is not to become a whole one.
            Self::Over => writeln!(f, "\u{18}\nover"),
        }
    }
}

impl Unfinished {
    /// Reads the notes. A last line that was cut off, and what is not known, says nothing.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut notes = Self::default();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            // Kernel names and identities have no other characters.
            let name = || Some(rest.to_owned()).filter(|name| name.chars().all(is_plain) && !name.is_empty());
            match word {
                "begun" => {
                    let (time, command) = rest.split_once(' ').unwrap_or((rest, ""));
                    notes.time = time.parse().unwrap_or(0);
                    command.clone_into(&mut notes.command);
                }
                "archive" => notes.archive = name(),
                "made" => notes.made.extend(name()),
                "member" => notes.added.extend(member_in(rest)),
                "hidden" => notes.hidden.extend(name()),
                "frozen" => notes.frozen.extend(name()),
                "held" => notes.held.extend(name()),
                "suspended" => notes.suspended.extend(device_name(rest)),
                "group" => notes.groups.extend(
                    rest.split_once(' ')
                        .and_then(|(seqno, name)| Some((device_name(name)?, seqno.parse().ok()?))),
                ),
                "device" => notes.devices.extend(device_name(rest)),
                "cookie" => notes.cookies.extend(rest.parse::<u32>()),
                "overlays" => notes.overlays.extend(set_in(rest)),
                "forgotten" => notes.forgotten.extend(set_in(rest)),
                "committed" => notes.committed = true,
                "doing" => (notes.doing, notes.ahead) = (Some(rest.to_owned()), Vec::new()),
                "ahead" => notes.ahead.push(rest.to_owned()),
                "did" => {
                    notes.doing = None;
                    notes.did.push(rest.to_owned());
                }
                "over" => notes.forget_arrays(),
                _ => {}
            }
        }
        notes.overlays.dedup();
        notes
    }

    fn forget_arrays(&mut self) {
        self.archive = None;
        self.added.clear();
        for names in [&mut self.made, &mut self.hidden, &mut self.frozen, &mut self.held] {
            names.clear();
        }
    }
}

/// A set of overlays, and the directory of its files.
fn set_in(text: &str) -> Option<(String, String)> {
    let (set, store) = text.split_once(' ')?;
    let sound = overlay::is_set(set) && store.starts_with('/') && !store.contains(char::is_control);
    sound.then(|| (set.to_owned(), store.to_owned()))
}

/// A member's number, and the array that it was given to.
fn member_in(text: &str) -> Option<(String, DevId)> {
    let (dev, array) = text.split_once(' ')?;
    let (major, minor) = dev.split_once(':')?;
    let dev = DevId { major: major.parse().ok()?, minor: minor.parse().ok()? };
    (!array.is_empty() && array.chars().all(is_plain)).then(|| (array.to_owned(), dev))
}

/// Names of device-mapper devices, mangled, and of groups.
fn device_name(text: &str) -> Option<String> {
    let known = |c: char| c.is_ascii_alphanumeric() || "#+-.:=@_\\".contains(c);
    (!text.is_empty() && text.chars().all(known)).then(|| text.to_owned())
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read() {
        let begun = Note::Begun { command: "mdadm -C\n/dev/md0".into(), time: 12 };
        let notes = [
            begun,
            Note::Archive("2026-1".into()),
            Note::Hidden("md0".into()),
            Note::Made("md0".into()),
            Note::Member { array: "md0".into(), dev: DevId { major: 8, minor: 16 } },
            Note::Member { array: "m/d".into(), dev: DevId { major: 8, minor: 16 } },
            Note::Frozen("md1".into()),
            Note::Overlays { set: "trial7_1".into(), store: "/run/a b".into() },
            Note::Overlays { set: "../x".into(), store: "/run".into() },
            Note::Forgotten { set: "t.1".into(), store: "/run".into() },
            Note::Group("vg.1".into(), 7),
            Note::Suspended("vg.1-a--b-real".into()),
            Note::Suspended("no name/".into()),
            Note::Device("vg.1-a".into()),
            Note::Cookie(7),
        ];
        let text: String = notes.iter().map(ToString::to_string).collect();
        let read = Unfinished::parse(&text);
        let expected = Unfinished {
            command: "mdadm -C\\n/dev/md0".into(),
            time: 12,
            archive: Some("2026-1".into()),
            made: vec!["md0".into()],
            added: vec![("md0".into(), DevId { major: 8, minor: 16 })],
            hidden: vec!["md0".into()],
            frozen: vec!["md1".into()],
            suspended: vec!["vg.1-a--b-real".into()],
            groups: vec![("vg.1".into(), 7)],
            devices: vec!["vg.1-a".into()],
            cookies: vec![7],
            overlays: vec![("trial7_1".into(), "/run/a b".into())],
            forgotten: vec![("t.1".into(), "/run".into())],
            committed: false,
            ..Unfinished::default()
        };
        assert_eq!(read, expected);
        assert!(Unfinished::parse(&format!("{text}{}", Note::Committed)).committed);
        assert!(!Unfinished::parse(&format!("{text}committed")).committed, "cut off");
        let over = Unfinished::parse(&format!("{text}{}", Note::Over));
        assert_eq!((over.archive, over.made.len() + over.hidden.len() + over.frozen.len()), (None, 0));
        assert_eq!(
            (over.groups.len(), over.devices.len(), over.cookies.len()),
            (1, 1, 1),
            "not taken back yet"
        );
        let cut = Unfinished::parse(&format!("{text}device vg.1-b{}", Note::Over));
        assert_eq!(cut.devices, ["vg.1-a"], "a name that was cut off");
        assert_eq!(Unfinished::parse("made ../../x\nmade \nwhat\n"), Unfinished::default());
    }

    #[test]
    fn how_far_a_command_had_come() {
        let steps = [
            Note::Doing("fail a".into()),
            Note::Ahead("--remove a".into()),
            Note::Ahead("--add b".into()),
            Note::Did("fail a".into()),
            Note::Doing("remove a".into()),
            Note::Ahead("--add b".into()),
        ];
        let read = Unfinished::parse(&steps.iter().map(ToString::to_string).collect::<String>());
        assert_eq!((read.did, read.doing), (vec!["fail a".to_owned()], Some("remove a".to_owned())));
        assert_eq!(read.ahead, ["--add b"]);
    }
}
