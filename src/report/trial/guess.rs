//! One guess of a trial, and what came of it.

use serde::Serialize;
use superblock::content::{Check, Content};

use super::DiskText;
use crate::model::{
    layout::layout_word,
    trial::{Differs, Grounds, Scored, StandingGuess, TrialSeen, Tried},
};

/// A guess that stays up.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Kept {
    /// Its number.
    pub(super) number: usize,
    /// The set of overlays.
    pub(super) set: String,
    /// The array.
    pub(super) array: String,
}

impl From<StandingGuess> for Kept {
    fn from(StandingGuess { number, set, array }: StandingGuess) -> Self {
        Self { number, set, array }
    }
}

/// What assembling a guess on overlays came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Assembled {
    /// Why it was not started.
    pub(super) error: Option<String>,
    /// The overlays had no room: that says nothing of the guess.
    pub(super) no_room: bool,
    /// The tool that looked at the file system.
    tool: Option<String>,
    /// Its exit status.
    status: Option<i32>,
    #[serde(skip)]
    cell: String,
}

impl From<&Tried> for Assembled {
    fn from(tried: &Tried) -> Self {
        let (tool, status, cell) = match tried {
            Tried::NoRoom(_) => (None, None, "no room".to_owned()),
            Tried::NoStart(_) => (None, None, "does not start".to_owned()),
            Tried::Untried(_) => (None, None, "not tried".to_owned()),
            Tried::Starts => (None, None, "starts".to_owned()),
            Tried::Looked { tool, status } => {
                let found = match status {
                    Some(0) => "clean".to_owned(),
                    Some(status) => format!("errors (status {status})"),
                    None => "no answer".to_owned(),
                };
                (Some((*tool).to_owned()), *status, format!("{tool}: {found}"))
            }
            Tried::Blind(why) => (Some(why.clone()), None, format!("{why}: no answer")),
        };
        let no_room = matches!(tried, Tried::NoRoom(_));
        Self { error: tried.error().map(str::to_owned), no_room, tool, status, cell }
    }
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Guess {
    pub(super) number: usize,
    pub(super) points: u32,
    /// Something speaks for it.
    pub(super) supported: bool,
    pub(super) grounds: &'static str,
    pub(super) archive: Option<String>,
    pub(super) differs_in: Vec<&'static str>,
    pub(super) level: Option<&'static str>,
    pub(super) raid_devices: u32,
    pub(super) chunk_kib: u64,
    pub(super) layout: Option<String>,
    pub(super) metadata: &'static str,
    pub(super) component_sectors: u64,
    pub(super) members: Vec<Option<Member>>,
    pub(super) redundancy: Option<Redundancy>,
    pub(super) inside: Vec<Inside>,
    pub(super) assembled: Option<Assembled>,
    pub(super) command: String,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Member {
    pub(super) device: String,
    pub(super) data_offset_sectors: u64,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Redundancy {
    checked: u64,
    agree: u64,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Inside {
    pub(super) kind: String,
    id: Option<String>,
    right: u32,
    wrong: u32,
    checks: Vec<Counted>,
    inside: Vec<Inside>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Counted {
    what: &'static str,
    right: u32,
    wrong: u32,
}

impl Inside {
    pub(super) fn new(content: &Content) -> Self {
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
    pub(super) fn new(
        number: usize,
        scored: &Scored,
        tried: Option<&Tried>,
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
            assembled: tried.map(Assembled::from),
            command,
        }
    }

    /// The slots without a member.
    pub(super) fn absent(&self) -> impl Iterator<Item = usize> + '_ {
        self.members.iter().enumerate().filter(|(_, member)| member.is_none()).map(|(slot, _)| slot)
    }

    pub(super) fn shape(&self) -> String {
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

    pub(super) fn evidence(&self) -> [String; 3] {
        let redundancy = match &self.redundancy {
            Some(Redundancy { checked: 0, .. }) | None => "-".to_owned(),
            Some(count) => format!("{}/{}", count.agree, count.checked),
        };
        let inside: Vec<String> = self.inside.iter().map(Inside::text).collect();
        let inside = if inside.is_empty() { "nothing known".to_owned() } else { inside.join(", ") };
        let assembled = match &self.assembled {
            None => "-".to_owned(),
            Some(assembled) => assembled.cell.clone(),
        };
        [redundancy, inside, assembled]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_a_try_in_the_table_and_in_the_document() {
        let why = || "why".to_owned();
        let tool = "e2fsck";
        for (tried, cell, json) in [
            (Tried::Starts, "starts", r#"{"error":null,"no_room":false,"tool":null,"status":null}"#),
            (
                Tried::Looked { tool, status: Some(0) },
                "e2fsck: clean",
                r#"{"error":null,"no_room":false,"tool":"e2fsck","status":0}"#,
            ),
            (
                Tried::Looked { tool, status: Some(4) },
                "e2fsck: errors (status 4)",
                r#"{"error":null,"no_room":false,"tool":"e2fsck","status":4}"#,
            ),
            (
                Tried::Looked { tool, status: None },
                "e2fsck: no answer",
                r#"{"error":null,"no_room":false,"tool":"e2fsck","status":null}"#,
            ),
            (
                Tried::Blind(why()),
                "why: no answer",
                r#"{"error":null,"no_room":false,"tool":"why","status":null}"#,
            ),
            (
                Tried::NoStart(why()),
                "does not start",
                r#"{"error":"why","no_room":false,"tool":null,"status":null}"#,
            ),
            (Tried::NoRoom(why()), "no room", r#"{"error":"why","no_room":true,"tool":null,"status":null}"#),
            (
                Tried::Untried(why()),
                "not tried",
                r#"{"error":"why","no_room":false,"tool":null,"status":null}"#,
            ),
        ] {
            let assembled = Assembled::from(&tried);
            assert_eq!(
                (assembled.cell.as_str(), serde_json::to_string(&assembled).unwrap().as_str()),
                (cell, json)
            );
        }
    }
}
