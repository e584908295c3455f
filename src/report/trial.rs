//! `mdctl trial`: the guesses and their evidence, as a table and as JSON.

use jiff::tz::TimeZone;
use serde::Serialize;
use superblock::{
    Bytes,
    content::{Check, Content},
};

use super::DiskText;
use crate::model::{
    clock::ctime,
    layout::layout_word,
    trial::{Behind, Differs, Grounds, GuessVerdict, Scored, Stopped, TrialSeen},
};

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
    /// What could not be read.
    unreadable: Vec<String>,
    guesses: Vec<Guess>,
    /// The set of overlays on which a guess is up.
    kept: Option<KeptGuess>,
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

/// A guess that stays up.
#[derive(Clone, Debug, Serialize)]
pub struct KeptGuess {
    /// Its number.
    pub number: usize,
    /// The set of overlays.
    pub set: String,
    /// The array.
    pub array: String,
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

/// What assembling a guess on overlays came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TrialAssembled {
    /// Why it was not started.
    pub error: Option<String>,
    /// The overlays had no room: that says nothing of the guess.
    pub no_room: bool,
    /// The tool that looked at the file system.
    pub tool: Option<String>,
    /// Its exit status.
    pub status: Option<i32>,
}

impl TrialAssembled {
    /// What the kernel and the file system's tool think of the guess.
    #[must_use]
    pub fn verdict(&self) -> Option<GuessVerdict> {
        if self.error.is_some() {
            return (!self.no_room).then_some(GuessVerdict::NoStart);
        }
        let status = self.tool.as_ref().and(self.status)?;
        Some(if status == 0 { GuessVerdict::Clean } else { GuessVerdict::Errors })
    }
}

#[derive(Clone, Debug, Serialize)]
struct Guess {
    number: usize,
    points: u32,
    /// Something speaks for it.
    supported: bool,
    grounds: &'static str,
    archive: Option<String>,
    differs_in: Vec<&'static str>,
    level: Option<&'static str>,
    raid_devices: u32,
    chunk_kib: u64,
    layout: Option<String>,
    metadata: &'static str,
    component_sectors: u64,
    members: Vec<Option<Member>>,
    redundancy: Option<Redundancy>,
    inside: Vec<Inside>,
    assembled: Option<TrialAssembled>,
    command: String,
}

#[derive(Clone, Debug, Serialize)]
struct Member {
    device: String,
    data_offset_sectors: u64,
}

#[derive(Clone, Debug, Serialize)]
struct Redundancy {
    checked: u64,
    agree: u64,
}

#[derive(Clone, Debug, Serialize)]
struct Inside {
    kind: String,
    id: Option<String>,
    right: u32,
    wrong: u32,
    checks: Vec<Counted>,
    inside: Vec<Inside>,
}

#[derive(Clone, Debug, Serialize)]
struct Counted {
    what: &'static str,
    right: u32,
    wrong: u32,
}

impl Inside {
    fn new(content: &Content) -> Self {
        let (right, wrong) = content.tally();
        let counted = |check: &Check| Counted { what: check.what, right: check.right, wrong: check.wrong };
        Self {
            kind: content.kind.clone(),
            id: content.id.clone(),
            right,
            wrong,
            checks: content.checks.iter().map(counted).collect(),
            inside: content.inside.iter().map(Self::new).collect(),
        }
    }

    fn text(&self) -> String {
        let all = self.right + self.wrong;
        let mut text = format!("{} {}/{all}", DiskText::new(self.kind.as_bytes()), self.right);
        for inner in &self.inside {
            text.push_str(&format!(" > {}", inner.text()));
        }
        text
    }
}

impl Guess {
    fn new(
        number: usize,
        scored: &Scored,
        assembled: Option<TrialAssembled>,
        seen: &[TrialSeen],
        command: String,
    ) -> Self {
        let guess = &scored.hypothesis;
        let geometry = guess.geometry;
        let (grounds, archive) = match &guess.grounds {
            Grounds::Superblocks => ("superblocks", None),
            Grounds::Archive { id, .. } => ("archive", Some(id.clone())),
            Grounds::Usual => ("usual", None),
        };
        let member = |seat: &Option<crate::model::trial::Seat>| {
            let seat = seat.as_ref()?;
            let device = seen.get(seat.device)?.path.clone();
            Some(Member { device, data_offset_sectors: seat.data_offset.0 })
        };
        Self {
            number,
            points: scored.points(),
            supported: scored.is_supported(),
            grounds,
            archive,
            differs_in: guess.differs.iter().copied().map(Differs::name).collect(),
            level: geometry.level.name(),
            raid_devices: geometry.raid_disks,
            chunk_kib: geometry.chunk.kib().0,
            layout: layout_word(geometry.level, geometry.layout),
            metadata: guess.format.name(),
            component_sectors: geometry.component_size.0,
            members: guess.seats.iter().map(member).collect(),
            redundancy: scored
                .evidence
                .parity
                .map(|count| Redundancy { checked: count.checked, agree: count.agree }),
            inside: scored.evidence.contents.iter().map(Inside::new).collect(),
            assembled,
            command,
        }
    }

    fn shape(&self) -> String {
        let mut words = vec![self.level.unwrap_or("?").to_owned()];
        if self.chunk_kib > 0 {
            words.push(format!("{}K", self.chunk_kib));
        }
        words.extend(self.layout.clone());
        words.push(self.metadata.to_owned());
        let offsets: Vec<u64> =
            self.members.iter().flatten().map(|member| member.data_offset_sectors).collect();
        match offsets.as_slice() {
            [first, rest @ ..] if rest.iter().all(|offset| offset == first) => {
                words.push(format!("+{first}s"))
            }
            each => {
                let each: Vec<String> = each.iter().map(u64::to_string).collect();
                words.push(format!("+{}s", each.join("/")));
            }
        }
        words.join(" ")
    }

    fn evidence(&self) -> [String; 3] {
        let redundancy = match &self.redundancy {
            Some(Redundancy { checked: 0, .. }) | None => "-".to_owned(),
            Some(count) => format!("{}/{}", count.agree, count.checked),
        };
        let inside: Vec<String> = self.inside.iter().map(Inside::text).collect();
        let inside = if inside.is_empty() { "nothing known".to_owned() } else { inside.join(", ") };
        let assembled = match &self.assembled {
            None => "-".to_owned(),
            Some(TrialAssembled { error: Some(_), no_room: true, .. }) => "no room".to_owned(),
            Some(TrialAssembled { error: Some(_), .. }) => "does not start".to_owned(),
            Some(TrialAssembled { tool: Some(tool), status: Some(0), .. }) => format!("{tool}: clean"),
            Some(TrialAssembled { tool: Some(tool), status: Some(status), .. }) => {
                format!("{tool}: errors (status {status})")
            }
            Some(TrialAssembled { tool: Some(tool), status, .. }) => {
                let status =
                    status.map_or_else(|| "no answer".to_owned(), |status| format!("status {status}"));
                format!("{tool}: {status}")
            }
            Some(_) => "starts".to_owned(),
        };
        [redundancy, inside, assembled]
    }
}

impl Trial {
    /// From a ranking.
    #[must_use]
    pub fn new(
        ranked: &[(Scored, Option<TrialAssembled>, String)],
        seen: &[TrialSeen],
        numbers: &Numbers,
        kept: Option<KeptGuess>,
    ) -> Self {
        // What a tool finds wrong with one tells it from the others.
        let stands = |assembled: &Option<TrialAssembled>| {
            matches!(assembled.as_ref().and_then(TrialAssembled::verdict), None | Some(GuessVerdict::Clean))
        };
        let first = ranked.first().map(|(scored, ..)| scored.points());
        let as_good = |(scored, assembled, _): &&(Scored, Option<TrialAssembled>, String)| {
            Some(scored.points()) == first && stands(assembled)
        };
        let equal = ranked.iter().skip(1).filter(as_good).count();
        let guess =
            |(nth, (scored, assembled, command)): (usize, &(Scored, Option<TrialAssembled>, String))| {
                Guess::new(nth + 1, scored, assembled.clone(), seen, command.clone())
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
                    scored.hypothesis.seats.len() == seen.len() && scored.bears_superblocks_out()
                }),
            equal,
            behind: numbers.behind.iter().filter_map(|behind| Late::new(behind, seen)).collect(),
            unreadable: numbers.unreadable.iter().flatten().cloned().collect(),
            guesses: ranked.iter().enumerate().map(guess).collect(),
            kept,
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

    /// How to look at the files of a guess that is up; nothing is to be written, not even a journal.
    fn mounting(&self, kept: &KeptGuess) -> Option<String> {
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
