//! What is kept of scrubs. Where a check was cut off stands in the reference's own files, so that either program goes on where
//! the other was; the rest stands in a file of ours.

use serde::{Deserialize, Serialize};
use superblock::Sectors;

/// A position that nobody went on from for so long means little: half a year, as for the reference. In seconds.
pub const TOO_OLD: u64 = 180 * 86_400;
/// So many checks are remembered.
const REMEMBERED: usize = 24;
/// The name of the file's form.
const SCHEMA: &str = "mdctl.scrub-record.1";

/// What is kept of one array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Where a check was cut off, and when that was noted.
    pub position: Option<KeptPosition>,
    /// When a check last came to its end, by the reference's marker: seconds since 1970.
    pub checked: Option<u64>,
    /// The rest.
    pub record: ScrubRecord,
    /// What could not be understood.
    pub odd: Vec<String>,
}

/// Where a check was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptPosition {
    /// Up to here it came.
    pub at: Sectors,
    /// When that was noted: seconds since 1970.
    pub noted: u64,
}

/// From the text of the reference's file: one number.
///
/// # Errors
/// What it says instead.
pub fn parse_position(text: &str) -> Result<Sectors, String> {
    let word = text.trim();
    let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| word.parse().ok()).flatten();
    number.map(Sectors).ok_or_else(|| format!("it says {word:.20?}, which is not a position"))
}

/// What the reference has no file for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrubRecord {
    schema: String,
    /// The check that runs or was cut off.
    pub open: Option<OpenScrub>,
    /// Those that came to their end, the newest first.
    #[serde(default)]
    pub whole: Vec<WholeScrub>,
}

/// A check that has not come to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenScrub {
    /// When it was begun: seconds since 1970.
    pub begun: u64,
    /// How far it was when this was noted, in sectors.
    pub position: u64,
    /// What differed in the parts that are over, in sectors.
    #[serde(default)]
    pub mismatches: u64,
    /// How long these parts took; not known where nobody watched one of them end.
    #[serde(default)]
    pub seconds: Option<u64>,
    /// A part was not counted by us.
    #[serde(default)]
    pub partly: bool,
    /// Where something differed in the parts that are over, as far as the kernel told.
    #[serde(default)]
    pub ranges: Vec<(u64, u64)>,
    /// The part that runs, if it still does.
    #[serde(default)]
    pub part: Option<ScrubPart>,
}

/// What runs without a break.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrubPart {
    /// When it was begun: seconds since 1970.
    pub since: u64,
    /// Where.
    pub from: u64,
    /// In which boot.
    pub boot: String,
    /// On which device: an array that is stopped and assembled gets another number.
    pub diskseq: Option<u64>,
}

/// A check that came to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WholeScrub {
    /// When it was begun: seconds since 1970.
    pub begun: u64,
    /// When it ended, or when that was seen.
    pub ended: u64,
    /// How long it ran; not known where nobody watched its end.
    pub seconds: Option<u64>,
    /// What differed, in sectors.
    pub mismatches: u64,
    /// A part was not counted by us.
    #[serde(default)]
    pub partly: bool,
    /// Where, as far as the kernel told: first sector of the array and how many, ascending.
    #[serde(default)]
    pub ranges: Vec<(u64, u64)>,
}

impl Default for ScrubRecord {
    fn default() -> Self {
        Self { schema: SCHEMA.to_owned(), open: None, whole: Vec::new() }
    }
}

impl ScrubRecord {
    /// From the text of its file.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut record: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if record.schema != SCHEMA {
            return Err(format!("its schema is {:.40?}", record.schema));
        }
        record.whole.truncate(REMEMBERED);
        Ok(record)
    }

    /// The text of its file.
    #[must_use]
    pub fn text(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("numbers and text are JSON");
        format!("{text}\n")
    }

    /// With one more that came to its end. One that another process has noted already stays once.
    pub fn add(&mut self, whole: WholeScrub) {
        if self.whole.iter().all(|known| known.begun != whole.begun) {
            self.whole.insert(0, whole);
        }
        self.whole.truncate(REMEMBERED);
    }
}
