//! `mdctl scrub locate`: where members do not agree, what is there, and which member is the odd one.

use std::collections::BTreeSet;

use serde::Serialize;
use superblock::{Bytes, Level};

use super::{DiskText, text::size};
use crate::model::scrub::{ArraySpot, Located, LocatedPlace, LocatedUnread, Purpose};

/// So many places are shown to people.
const SHOWN: usize = 20;

/// The whole answer.
#[derive(Clone, Debug, Serialize)]
pub struct LocatedReport {
    schema: &'static str,
    arrays: Vec<LocatedArray>,
}

#[derive(Clone, Debug, Serialize)]
struct LocatedArray {
    array: String,
    kernel_name: String,
    level: Option<&'static str>,
    compared_bytes: u64,
    total_bytes: u64,
    /// In bytes of one member.
    differing_bytes: u64,
    more: bool,
    /// What differed and was not read often enough to be certain, because the reading was ended.
    doubtful_bytes: u64,
    places: Vec<Place>,
    unread: Vec<Unread>,
    #[serde(skip)]
    kind: Level,
}

#[derive(Clone, Debug, Serialize)]
struct Place {
    length_bytes: u64,
    /// The members that do not agree with the others, where redundancy tells.
    odd_members: Vec<String>,
    /// Parity alone does not fit: data is right.
    parity_alone: bool,
    /// One of these is wrong, and nothing tells which.
    one_of: bool,
    contents: Vec<SpotShown>,
}

/// What lies in a place of an array.
#[derive(Clone, Debug, Serialize)]
pub struct SpotShown {
    start_sector: u64,
    length_sectors: u64,
    device: Option<String>,
    device_offset_bytes: Option<u64>,
    content: Option<String>,
    mounted_on: Option<String>,
    /// `data`, `swap`, `free`, `metadata`; null where nothing is known.
    purpose: Option<&'static str>,
    harmless: bool,
}

#[derive(Clone, Debug, Serialize)]
struct Unread {
    start_sector: u64,
    length_sectors: u64,
    member: Option<String>,
    reason: String,
}

impl LocatedReport {
    /// From what came of each array.
    #[must_use]
    pub fn new(located: &[Located]) -> Self {
        Self { schema: "mdctl.differences.1", arrays: located.iter().map(LocatedArray::new).collect() }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        self.arrays.iter().map(LocatedArray::text).collect()
    }
}

impl LocatedArray {
    fn new(located: &Located) -> Self {
        let unread = |unread: &LocatedUnread| Unread {
            start_sector: unread.from.0,
            length_sectors: unread.length.0,
            member: unread.member.clone(),
            reason: unread.why.clone(),
        };
        let left_out: u64 =
            located.unread.iter().map(|unread| unread.length.bytes().0).fold(0, u64::saturating_add);
        Self {
            array: located.array.clone(),
            kernel_name: located.kernel.clone(),
            level: located.level.name(),
            compared_bytes: located.compared.bytes().0.saturating_sub(left_out),
            total_bytes: located.length.bytes().0,
            differing_bytes: located.places.iter().map(|place| place.length.bytes().0).sum(),
            more: located.more,
            doubtful_bytes: located.doubtful.bytes().0,
            places: located.places.iter().map(|place| Place::new(place, located.level)).collect(),
            unread: located.unread.iter().map(unread).collect(),
            kind: located.level,
        }
    }

    fn text(&self) -> String {
        let array = DiskText::new(self.array.as_bytes());
        let level = self.level.unwrap_or_default();
        let mut text = match self.places.len() {
            _ if self.compared_bytes == 0 => format!("{array} ({level}): nothing was compared"),
            0 if self.doubtful_bytes > 0 => format!("{array} ({level}): nothing is certain yet"),
            0 => format!("{array} ({level}): members agree in all that was compared"),
            1 => format!("{array} ({level}): members differ in one place, {}", size(self.differing_bytes)),
            count => format!(
                "{array} ({level}): members differ in {count} places, {} in all",
                size(self.differing_bytes)
            ),
        };
        let left = self.total_bytes.saturating_sub(self.compared_bytes);
        if left > 0 && self.compared_bytes > 0 {
            let why = if self.more { "; there are more places, and it was not read to its end" } else { "" };
            text += &format!("; {} of {} was not compared{why}", size(left), size(self.total_bytes));
        }
        text.push('\n');
        if self.doubtful_bytes > 0 {
            text += &format!(
                "  {} differed and were not read again, as it was ended: they differ, or were being written\n",
                size(self.doubtful_bytes)
            );
        }
        if !self.places.is_empty() {
            text += &self.table();
        }
        for unread in self.unread.iter().take(SHOWN) {
            let end = unread.start_sector.saturating_add(unread.length_sectors);
            // An error names its device.
            text += &format!(
                "  not compared: sectors {}-{end}: {}\n",
                unread.start_sector,
                DiskText::new(unread.reason.as_bytes())
            );
        }
        for line in self.meaning() {
            text += &format!("  {line}\n");
        }
        text
    }

    fn table(&self) -> String {
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        table.set_header(["SECTORS", "ON", "AT BYTE", "CONTENT", "WRONG MEMBER"]);
        for place in self.places.iter().take(SHOWN) {
            for row in place.rows() {
                table.add_row(row);
            }
        }
        let lines = table.lines().map(|line| format!("  {}\n", line.trim_end()));
        let mut text: String = lines.collect();
        let more = self.places.len().saturating_sub(SHOWN);
        if more > 0 {
            text += &format!("  and {more} more, all of them with --json\n");
        }
        text
    }

    /// What it comes to, and what can be done.
    fn meaning(&self) -> Vec<String> {
        let array = DiskText::new(self.array.as_bytes());
        let mut lines = Vec::new();
        if self.places.is_empty() {
            return lines;
        }
        let all = || self.places.iter();
        let contents = || all().flat_map(|place| &place.contents);
        if all().all(Place::is_harmless) {
            lines.push("harmless: nothing that is read lies there".to_owned());
            return lines;
        }
        let odd: BTreeSet<&String> = all().flat_map(|place| &place.odd_members).collect();
        let mirrors = matches!(self.kind, Level::Raid1 | Level::Raid10);
        if self.kind == Level::Raid6 && !odd.is_empty() {
            lines.push(format!(
                "`raid6check {array} 0 0 autorepair` brings back what one member alone has wrong"
            ));
        }
        if mirrors {
            let told = contents().any(|spot| !spot.harmless && spot.content.is_some());
            let file = if told {
                "a difference is harmless in a file that was changed while it was written, and in free space"
            } else {
                "a difference in free space is harmless"
            };
            lines.push(format!("reads come from any of the copies; {file}"));
            if odd.len() == 1 && all().all(|place| !place.odd_members.is_empty()) {
                let only: Vec<String> =
                    odd.iter().map(|path| DiskText::new(path.as_bytes()).to_string()).collect();
                let only = only.join(", ");
                lines.push(format!(
                    "{only} alone differs from the others. `mdctl manage {array} --fail {only} --remove {only}`, then `--add NEW-DISK`, has another disk filled from them; `replace` may copy what {only} has"
                ));
            }
        } else if odd.is_empty() {
            lines.push("one parity tells that something is wrong, not what: mdctl-scrub(8), \"Which member is wrong\"".to_owned());
        }
        lines
    }
}

impl Place {
    fn new(place: &LocatedPlace, level: Level) -> Self {
        Self {
            length_bytes: place.length.bytes().0,
            odd_members: place.odd.clone(),
            parity_alone: place.spots.is_empty(),
            one_of: place.odd.is_empty() && !matches!(level, Level::Raid1 | Level::Raid10),
            contents: place.spots.iter().map(|spot| SpotShown::new(spot, Some(level))).collect(),
        }
    }

    fn is_harmless(&self) -> bool {
        !self.contents.is_empty() && self.contents.iter().all(|spot| spot.harmless)
    }

    fn rows(&self) -> Vec<[String; 5]> {
        let odd = self.odd_members.iter().map(|path| DiskText::new(path.as_bytes()).to_string());
        let odd: Vec<String> = odd.collect();
        let odd = match odd.as_slice() {
            [] => "not known".to_owned(),
            some => some.join(" "),
        };
        if self.parity_alone {
            return vec![["-".into(), "-".into(), "-".into(), "parity alone: data is right".into(), odd]];
        }
        let row = |(nth, spot): (usize, &SpotShown)| {
            let end = spot.start_sector.saturating_add(spot.length_sectors);
            let or = if nth > 0 && self.one_of { "or " } else { "" };
            let dash = || "-".to_owned();
            [
                format!("{or}{}-{end}", spot.start_sector),
                spot.device.as_ref().map_or_else(dash, |device| DiskText::new(device.as_bytes()).to_string()),
                spot.device_offset_bytes.map_or_else(dash, |at| format!("{at}")),
                spot.words(),
                if nth == 0 { odd.clone() } else { String::new() },
            ]
        };
        self.contents.iter().enumerate().map(row).collect()
    }
}

impl SpotShown {
    /// Of an array of this level.
    #[must_use]
    pub fn new(spot: &ArraySpot, level: Option<Level>) -> Self {
        let on = spot.on.as_ref();
        let purpose = |purpose| match purpose {
            Purpose::Data => "data",
            Purpose::Swap => "swap",
            Purpose::Free => "free",
            Purpose::Metadata => "metadata",
        };
        Self {
            start_sector: spot.start.0,
            length_sectors: spot.length.0,
            device: on.map(|(device, ..)| device.clone()),
            device_offset_bytes: on.map(|(_, Bytes(at), _)| *at),
            content: on.and_then(|(.., content)| content.what.clone()),
            mounted_on: on.and_then(|(.., content)| content.mounted.clone()),
            purpose: on.map(|(.., content)| purpose(content.purpose)),
            harmless: spot.is_harmless(level),
        }
    }

    /// What is there, in a few words.
    #[must_use]
    pub fn words(&self) -> String {
        let what = self.content.as_deref().unwrap_or("nothing known");
        let mounted = self.mounted_on.as_ref().map(|at| format!(" on {at}")).unwrap_or_default();
        let harmless = if self.harmless { ": harmless" } else { "" };
        DiskText::new(format!("{what}{mounted}{harmless}").as_bytes()).to_string()
    }

    /// The device and what is on it.
    #[must_use]
    pub fn on(&self) -> Option<String> {
        let device = self.device.as_ref()?;
        Some(format!("{}: {}", DiskText::new(device.as_bytes()), self.words()))
    }
}

#[cfg(test)]
mod tests {
    use superblock::Sectors;

    use super::*;
    use crate::model::scrub::OnDevice;

    fn spot(start: u64, device: &str, what: &str, purpose: Purpose) -> ArraySpot {
        let content = OnDevice { what: Some(what.into()), mounted: Some("/home".into()), purpose };
        ArraySpot {
            start: Sectors(start),
            length: Sectors(8),
            on: Some((device.into(), Bytes(4096), content)),
        }
    }

    fn located(level: Level, places: Vec<LocatedPlace>) -> Located {
        Located {
            array: "/dev/md/home".into(),
            kernel: "md127".into(),
            level,
            compared: Sectors(2048),
            length: Sectors(2048),
            places,
            more: false,
            doubtful: Sectors(0),
            unread: Vec::new(),
        }
    }

    #[test]
    fn people_read_where_and_what() {
        let data = || spot(16, "/dev/vg/home", "ext4 \"home\"", Purpose::Data);
        let place = |spots, odd: &[&str]| LocatedPlace {
            length: Sectors(8),
            spots,
            odd: odd.iter().map(|path| (*path).to_owned()).collect(),
        };
        for (level, places, expected) in [
            (Level::Raid1, vec![], &["members agree in all that was compared"][..]),
            (
                Level::Raid1,
                vec![place(vec![data()], &["/dev/sdc"])],
                &[
                    "differ in one place, 4 KiB",
                    "16-24",
                    "ext4 \"home\" on /home",
                    "--fail /dev/sdc --remove /dev/sdc",
                ],
            ),
            (
                Level::Raid1,
                vec![place(vec![spot(16, "/dev/vg/swap", "swap", Purpose::Swap)], &[])],
                &["swap on /home: harmless", "nothing that is read lies there"],
            ),
            (Level::Raid5, vec![place(vec![data(), data()], &[])], &["or 16-24", "Which member is wrong"]),
            (
                Level::Raid6,
                vec![place(vec![], &["/dev/sda"])],
                &["parity alone: data is right", "raid6check /dev/md/home 0 0 autorepair"],
            ),
        ] {
            let text = LocatedReport::new(&[located(level, places)]).text();
            for part in expected {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
    }
}
