//! `mdctl trial`: the guesses and their evidence, as a table and as JSON.

mod guess;

use jiff::tz::TimeZone;
use serde::Serialize;
use superblock::Bytes;

use super::DiskText;
use crate::model::{
    clock::ctime,
    trial::{Behind, Grounds, GuessVerdict, Scored, Seat, StandingGuess, Stopped, TrialSeen, Tried},
};
use guess::{Guess, Kept, Member};

/// The whole answer.
#[derive(Clone, Debug, Serialize)]
pub struct Trial {
    schema: &'static str,
    devices: Vec<String>,
    /// Guesses that were looked at.
    tried: usize,
    /// There are more, which were not, to keep within the limits.
    cut: bool,
    /// What was not looked at.
    left_out: Option<String>,
    /// KiB that were read from the devices.
    read_kib: u64,
    /// Not all orders of the members were among them.
    orders_cut: bool,
    /// One leaves no doubt.
    conclusive: bool,
    /// The superblocks of all devices agree, and nothing contradicts them.
    agreed: bool,
    /// So many have the same evidence as the first.
    equal: usize,
    /// Members that were left behind.
    behind: Vec<Late>,
    /// Devices on which no sound superblock is.
    without_superblock: Vec<Bare>,
    /// What could not be read.
    unreadable: Vec<String>,
    guesses: Vec<Guess>,
    /// The set of overlays on which a guess is up.
    kept: Option<Kept>,
    #[serde(skip)]
    words: Vec<String>,
    #[serde(skip)]
    assemble: String,
}

/// A member that was left behind.
#[derive(Clone, Debug, Serialize)]
struct Late {
    device: String,
    slot: usize,
    events: u64,
    updated: u64,
    newest_events: u64,
    newest_updated: u64,
    rebuilt_sectors: Option<u64>,
}

impl Late {
    fn new(behind: &Behind, seen: &[TrialSeen]) -> Option<Self> {
        Some(Self {
            device: seen.get(behind.device)?.path.clone(),
            slot: behind.slot,
            events: behind.events.0,
            updated: behind.updated,
            newest_events: behind.newest.0,
            newest_updated: behind.newest_updated,
            rebuilt_sectors: behind.rebuilt.map(|sectors| sectors.0),
        })
    }

    fn text(&self, zone: &TimeZone) -> String {
        let Self { device, slot, events, updated, newest_events, newest_updated, rebuilt_sectors } = self;
        if let Some(done) = rebuilt_sectors.filter(|_| events >= newest_events) {
            return format!("{device}, slot {slot}, was being rebuilt: only {} KiB of it are done", done / 2);
        }
        let behind = newest_events.saturating_sub(*events);
        let s = if behind == 1 { "" } else { "s" };
        format!(
            "{device}, slot {slot}, was left behind: last written {}, {behind} event{s} before the newest ({}); what was \
             written in between is not on it",
            ctime(*updated, zone),
            ctime(*newest_updated, zone)
        )
    }
}

/// A device on which no sound superblock is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Bare {
    device: String,
    /// The entry of the archive that has one that was there.
    kept_as: Option<String>,
    /// Its slot in the first guess.
    slot: Option<usize>,
}

impl Bare {
    fn new(device: usize, seen: &TrialSeen, first: Option<&Scored>) -> Option<Self> {
        if seen.words.iter().any(|word| word.grounds == Grounds::Superblocks) {
            return None;
        }
        let kept_as = seen.words.iter().find_map(|word| match &word.grounds {
            Grounds::Archive { id, .. } => Some(id.clone()),
            Grounds::Superblocks | Grounds::Usual => None,
        });
        let sits = |seat: &Option<Seat>| seat.is_some_and(|seat| seat.device == device);
        let slot = first.and_then(|first| first.hypothesis.seats.iter().position(sits));
        Some(Self { device: seen.path.clone(), kept_as, slot })
    }

    fn text(&self) -> String {
        let Self { device, kept_as, slot } = self;
        let kept = kept_as.as_ref().map(|id| format!("; one that was there is kept as {id}"));
        let slot = match slot {
            Some(slot) => format!(": that it is slot {slot} is a guess"),
            None => ": guess 1 does without it".to_owned(),
        };
        format!("{device}: no sound superblock is on it{}{slot}", kept.unwrap_or_default())
    }
}

/// What is shown of a search.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// Guesses that were looked at.
    pub tried: usize,
    /// Where the search ended, if there are more.
    pub stopped: Option<Stopped>,
    /// Not all orders were among them.
    pub orders_cut: bool,
    /// Members that were left behind.
    pub behind: Vec<Behind>,
    /// What of each device could not be read.
    pub unreadable: Vec<Option<String>>,
    /// What was read of all of them.
    pub read: Bytes,
    /// The words of this command, without what it is to do with a guess.
    pub words: Vec<String>,
    /// The command that starts what the superblocks say.
    pub assemble: String,
}

/// What a search that ended early did not look at.
fn left_out(stopped: Stopped) -> String {
    let (why, more, class) = match stopped {
        Stopped::Time(class) => ("time was over", "--time", class),
        Stopped::Count(class) => ("that is the limit", "--limit", class),
    };
    let s = if class.distance == 1 { "" } else { "s" };
    let which = if class.anchored {
        "that begin where something known begins"
    } else {
        "that begin where nothing known begins"
    };
    let rest = if class.anchored { ", and all that begin where nothing known begins" } else { "" };
    format!(
        "Not looked at, because {why} ({more} allows more): some or all of those {which} and differ from what is known in {} \
         respect{s} or more{rest}",
        class.distance
    )
}

/// Devices without a superblock, and who sits there in the first guess.
fn bare(ranked: &[(Scored, Option<Tried>, String)], seen: &[TrialSeen]) -> Vec<Bare> {
    let first = ranked.first().map(|(scored, ..)| scored);
    seen.iter().enumerate().filter_map(|(nth, seen)| Bare::new(nth, seen, first)).collect()
}

impl Trial {
    /// From a ranking.
    #[must_use]
    pub fn new(
        ranked: &[(Scored, Option<Tried>, String)],
        seen: &[TrialSeen],
        numbers: &Numbers,
        kept: Option<StandingGuess>,
    ) -> Self {
        // What a tool finds wrong with one tells it from the others.
        let stands = |tried: &Option<Tried>| {
            matches!(tried.as_ref().and_then(Tried::verdict), None | Some(GuessVerdict::Clean))
        };
        let first = ranked.first().map(|(scored, ..)| scored.points());
        let as_good = |(scored, tried, _): &&(Scored, Option<Tried>, String)| {
            Some(scored.points()) == first && stands(tried)
        };
        let equal = ranked.iter().skip(1).filter(as_good).count();
        let guess = |(nth, (scored, tried, command)): (usize, &(Scored, Option<Tried>, String))| {
            Guess::new(nth + 1, scored, tried.as_ref(), seen, command.clone())
        };
        Self {
            schema: "mdctl.trial.1",
            devices: seen.iter().map(|seen| seen.path.clone()).collect(),
            tried: numbers.tried,
            cut: numbers.stopped.is_some(),
            left_out: numbers.stopped.map(left_out),
            read_kib: numbers.read.0 >> 10,
            orders_cut: numbers.orders_cut,
            conclusive: ranked.first().is_some_and(|(scored, ..)| scored.is_conclusive()) && equal == 0,
            agreed: numbers.behind.is_empty()
                && ranked.first().is_some_and(|(scored, ..)| {
                    scored.hypothesis.seats.len() == seen.len()
                        && scored.hypothesis.is_said_by(seen)
                        && scored.bears_superblocks_out()
                }),
            equal,
            behind: numbers.behind.iter().filter_map(|behind| Late::new(behind, seen)).collect(),
            without_superblock: bare(ranked, seen),
            unreadable: numbers.unreadable.iter().flatten().cloned().collect(),
            guesses: ranked.iter().enumerate().map(guess).collect(),
            kept: kept.map(Kept::from),
            words: numbers.words.clone(),
            assemble: numbers.assemble.clone(),
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        table.set_header([
            "#",
            "POINTS",
            "FROM",
            "DIFFERS IN",
            "MEMBERS BY SLOT",
            "SHAPE",
            "REDUNDANCY",
            "INSIDE",
            "ON OVERLAYS",
        ]);
        for guess in &self.guesses {
            let short = |member: &Option<Member>| match member {
                None => "missing".to_owned(),
                Some(member) => {
                    let name = member.device.strip_prefix("/dev/").unwrap_or(&member.device);
                    DiskText::new(name.as_bytes()).to_string()
                }
            };
            let members: Vec<String> = guess.members.iter().map(short).collect();
            let differs =
                if guess.differs_in.is_empty() { "-".to_owned() } else { guess.differs_in.join(", ") };
            let [redundancy, inside, assembled] = guess.evidence();
            table.add_row([
                guess.number.to_string(),
                guess.points.to_string(),
                guess.grounds.to_owned(),
                differs,
                members.join(" "),
                guess.shape(),
                redundancy,
                inside,
                assembled,
            ]);
        }
        table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }

    /// What a person should know beside the table.
    #[must_use]
    pub fn remarks(&self, zone: &TimeZone) -> Vec<String> {
        let mut remarks: Vec<String> = self.unreadable.clone();
        remarks.extend(self.behind.iter().map(|late| late.text(zone)));
        // Where no device has one, all is a guess anyway.
        if self.without_superblock.len() < self.devices.len() {
            remarks.extend(self.without_superblock.iter().map(Bare::text));
            remarks.extend(self.absent());
        }
        if self.guesses.is_empty() {
            remarks.push("no guess is possible: the devices are too few or too small".to_owned());
            return remarks;
        }
        if let Some(left_out) = &self.left_out {
            remarks.push(format!(
                "{} guesses were looked at. {left_out}; --level, --chunk, --layout and --data-offset narrow them down",
                self.tried
            ));
        }
        if self.orders_cut {
            remarks.push("of so many members only the order of their names and those with two exchanged were looked at".to_owned());
        }
        if self.equal > 0 {
            let untried = self.guesses.iter().take(self.equal + 1).any(|guess| guess.assembled.is_none());
            let check = if untried {
                format!("--assemble={} checks what is inside each, --keep=N shows the files", self.equal + 1)
            } else {
                "look at the files of each (--keep=N)".to_owned()
            };
            remarks.push(format!(
                "{} more have the same evidence as the first: nothing tells them apart (the halves of a mirror can be \
                 exchanged), or nothing that was checked; {check}",
                self.equal
            ));
        }
        for guess in &self.guesses {
            let error = guess.assembled.as_ref().and_then(|assembled| assembled.error.as_ref());
            remarks.extend(error.map(|error| format!("guess {}: {error}", guess.number)));
        }
        if self.guesses.iter().flat_map(|guess| &guess.assembled).any(|assembled| assembled.no_room) {
            remarks.push("the overlays' files had no room: --store=DIR names another directory".to_owned());
        }
        match &self.kept {
            Some(kept) => {
                let look = self.mounting(kept).map(|mount| format!("to look at its files: {mount}; "));
                let look = look.unwrap_or_default();
                remarks.push(format!(
                    "guess {} is up read-only as {} on overlays {}; {look}when you have looked: mdctl stop {}; mdctl \
                     overlay discard {}",
                    kept.number, kept.array, kept.set, kept.array, kept.set
                ));
            }
            None => remarks.push(self.conclusion()),
        }
        remarks
    }

    /// What the first guess lacks.
    fn absent(&self) -> Option<String> {
        let slots: Vec<String> = self.guesses.first()?.absent().map(|slot| slot.to_string()).collect();
        let s = if slots.len() == 1 { "" } else { "s" };
        let text = || {
            format!("guess 1 does without slot{s} {}: no device that was named is in it", slots.join(", "))
        };
        (!slots.is_empty()).then(text)
    }

    /// How to look at the files of a guess that is up; nothing is to be written, not even a journal.
    fn mounting(&self, kept: &Kept) -> Option<String> {
        let guess = kept.number.checked_sub(1).and_then(|nth| self.guesses.get(nth))?;
        let options = match guess.inside.first()?.kind.as_str() {
            "ext3" | "ext4" => "ro,noload",
            "xfs" => "ro,norecovery",
            "ext2" | "btrfs" => "ro",
            _ => return None,
        };
        Some(format!("mount -o {options} {} /mnt", kept.array))
    }

    /// What comes next.
    fn conclusion(&self) -> String {
        let [keep, apply] = ["--keep=1", "--apply=1"].map(|what| {
            let words = self.words.iter().map(String::as_str);
            ["mdctl", "trial", what].into_iter().chain(words).collect::<Vec<_>>().join(" ")
        });
        let supported = self.guesses.first().is_some_and(|guess| guess.supported);
        match (self.agreed, self.conclusive, supported) {
            (true, _, _) => {
                format!(
                    "the superblocks of all members are sound and agree, and nothing contradicts them: {}",
                    self.assemble
                )
            }
            (false, true, _) => format!("guess 1 leaves no doubt. Look at it: {keep}. Write it: {apply}"),
            (false, false, true) => {
                format!(
                    "guess 1 is the best, and not beyond doubt. Look at it first: {keep}. If its files are right: {apply}"
                )
            }
            (false, false, false) => {
                "nothing speaks for any guess: none is to be written. Are these the right devices? What \
                                      you know of the array (--level, --chunk, --layout, --data-offset) helps"
                    .to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use superblock::{Events, Level, MdUuid, Membership, Role, Sectors};

    use super::*;
    use crate::model::{
        Geometry,
        trial::{Evidence, Format, Hypothesis, SuperblockWord},
    };

    const UUID: MdUuid = MdUuid([7; 16]);

    fn word(slot: u32, grounds: Grounds) -> SuperblockWord {
        let membership = Membership {
            array: UUID,
            member: None,
            name: None,
            minor: None,
            level: Level::Raid5,
            raid_disks: 3,
            layout: 2,
            chunk: Sectors(128),
            component_size: Sectors(40960),
            data_offset: Sectors(2048),
            data_size: Sectors(40960),
            events: Events(9),
            role: Role::Slot { slot, replacement: false },
            dev_number: slot,
            created: 1,
            updated: 1,
            clean: true,
            recovery_offset: None,
            reshape_position: None,
        };
        let format = Format::V1(superblock::v1::Minor::V1_2);
        SuperblockWord { grounds, format, membership, bitmap: false }
    }

    fn seen(path: &str, words: Vec<SuperblockWord>) -> TrialSeen {
        TrialSeen { path: path.to_owned(), size: Sectors(65536), words }
    }

    fn remarks(seen: &[TrialSeen], seats: &[Option<usize>]) -> (bool, String) {
        let seat = |device: usize| Seat { device, data_offset: Sectors(2048), room: Sectors(40960) };
        let hypothesis = Hypothesis {
            grounds: Grounds::Superblocks,
            differs: Vec::new(),
            format: Format::V1(superblock::v1::Minor::V1_2),
            geometry: Geometry {
                level: Level::Raid5,
                layout: 2,
                chunk: Sectors(128),
                raid_disks: 3,
                component_size: Sectors(40960),
            },
            seats: seats.iter().map(|device| device.map(seat)).collect(),
            array: Some(UUID),
            name: None,
            bitmap: false,
        };
        let evidence =
            Evidence { parity: Some(raid::Consistency { checked: 0, agree: 0 }), ..Evidence::default() };
        let scored = Scored { hypothesis, evidence };
        let trial = Trial::new(&[(scored, None, String::new())], seen, &Numbers::default(), None);
        (trial.agreed, trial.remarks(&jiff::tz::TimeZone::UTC).join("\n"))
    }

    /// What is on devices is called sound, and what is not there is not.
    #[test]
    fn superblocks_that_are_not_there_are_named() {
        let own = |slot| word(slot, Grounds::Superblocks);
        let whole =
            [seen("/dev/a", vec![own(0)]), seen("/dev/b", vec![own(1)]), seen("/dev/c", vec![own(2)])];
        let (agreed, text) = remarks(&whole, &[Some(0), Some(1), Some(2)]);
        assert!(agreed && text.contains("are sound and agree"), "{text}");

        let mut erased = whole.clone();
        erased[1].words.clear();
        let (agreed, text) = remarks(&erased, &[Some(0), Some(1), Some(2)]);
        assert!(!agreed && !text.contains("are sound"), "{text}");
        let line = "/dev/b: no sound superblock is on it: that it is slot 1 is a guess";
        assert!(text.lines().any(|found| found == line), "{text}");

        let kept = Grounds::Archive { id: "e1".into(), command: "mdctl zero".into() };
        erased[1].words.push(word(1, kept));
        let (_, text) = remarks(&erased, &[Some(0), None, Some(2)]);
        assert!(text.contains("one that was there is kept as e1: guess 1 does without it"), "{text}");
        assert!(text.contains("guess 1 does without slot 1: no device that was named is in it"), "{text}");

        // One whose superblock has it in another slot does not say so.
        let mut moved = whole.clone();
        moved[1].words = vec![own(2)];
        assert!(!remarks(&moved, &[Some(0), Some(1), Some(2)]).0);
        // Where no device has a superblock there is nothing to say of each.
        let none: Vec<TrialSeen> = ["/dev/a", "/dev/b"].iter().map(|path| seen(path, Vec::new())).collect();
        assert!(!remarks(&none, &[Some(0), Some(1), None]).1.contains("no sound superblock"));
    }
}
