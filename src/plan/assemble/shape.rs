//! What the members of one array have in common, and what an array in a reshape needs.

use superblock::{Level, Native, Sectors, v1::MAX_DEVICES};

use crate::model::Geometry;

use super::claim::Claim;

/// What differs in a member of the same UUID, as words; `None` where it can be a member of one array with `model`.
///
/// While an array is changed, members that were away keep what they knew: their size ends earlier, or their data lies
/// elsewhere. Such a member must never count. How far a reshape came is not part of it: that is where events help.
#[must_use]
pub fn difference(model: &Claim, claim: &Claim) -> Option<String> {
    let (ours, theirs) = (&model.facts, &claim.facts);
    let name = |claim: &Claim| claim.metadata.format().name();
    let level = |level: Level| level.name().unwrap_or("unknown");
    let mut words = Vec::new();
    let mut differ = |what: &str, has: String, other: String| {
        if has != other {
            words.push(format!("{what} {has} instead of {other}"));
        }
    };
    differ("metadata", name(claim).to_owned(), name(model).to_owned());
    differ("level", level(theirs.level).to_owned(), level(ours.level).to_owned());
    differ("raid devices", theirs.raid_disks.to_string(), ours.raid_disks.to_string());
    differ("member size", kib(theirs.component_size), kib(ours.component_size));
    differ("chunk", kib(theirs.chunk), kib(ours.chunk));
    differ("layout", theirs.layout.to_string(), ours.layout.to_string());
    if theirs.created != ours.created {
        words.push("another creation time".to_owned());
    }
    let goals = goal(&claim.metadata).zip(goal(&model.metadata));
    if goals.is_some_and(|(a, b)| a != b) {
        words.push("another goal of the reshape".to_owned());
    }
    (!words.is_empty()).then(|| words.join(", "))
}

fn kib(size: Sectors) -> String {
    match size.0 {
        odd if odd % 2 == 1 => format!("{odd} sectors"),
        even => format!("{} KiB", even / 2),
    }
}

/// What a reshape that is under way makes of the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Goal {
    level: Level,
    layout: u32,
    chunk: Sectors,
    delta: i32,
}

fn goal(metadata: &Native) -> Option<Goal> {
    metadata.is_reshaping().then(|| match metadata {
        Native::V0(superblock) => Goal {
            level: superblock.new_level(),
            layout: superblock.new_layout(),
            chunk: superblock.new_chunk().sectors(),
            delta: superblock.delta_disks(),
        },
        Native::V1(superblock) => Goal {
            level: superblock.new_level(),
            layout: superblock.new_layout(),
            chunk: superblock.new_chunk(),
            delta: superblock.delta_disks(),
        },
    })
}

/// The shape of an array as a superblock names it, and, during a reshape, those before and after: part of the data
/// lies in each, so members have to be enough for all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shapes {
    /// As the superblock has it: during a reshape the new number of slots and the rest of the old shape.
    pub now: Geometry,
    reshape: Option<[Geometry; 2]>,
}

impl Shapes {
    /// Those of an array with this member.
    #[must_use]
    pub fn of(claim: &Claim) -> Self {
        let facts = &claim.facts;
        let now = Geometry {
            level: facts.level,
            layout: facts.layout,
            chunk: facts.chunk,
            raid_disks: facts.raid_disks.min(MAX_DEVICES),
            component_size: facts.component_size,
        };
        let reshape = goal(&claim.metadata).map(|goal| {
            let before = Geometry { raid_disks: claim.metadata.slots_before().min(MAX_DEVICES), ..now };
            [before, Geometry { level: goal.level, layout: goal.layout, chunk: goal.chunk, ..now }]
        });
        Self { now, reshape }
    }

    /// Whether it can run with these members; see [`Geometry::enough`].
    #[must_use]
    pub fn enough(&self, present: &[bool], clean: bool) -> bool {
        let all = [&self.now].into_iter().chain(self.reshape.iter().flatten());
        all.into_iter().all(|shape| shape.enough(present, clean))
    }
}

impl From<Geometry> for Shapes {
    /// Of an array that is not in a reshape.
    fn from(now: Geometry) -> Self {
        Self { now, reshape: None }
    }
}
