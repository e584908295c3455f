//! Devices of the array with data that it has not: written to apart from it, or lost before they were copied. Nothing takes
//! them back as if they had missed no write.

use superblock::{Level, Membership, Native};

use super::{ManageContext, Todo, add, readd};
use crate::{
    model::{
        Device,
        clock::ctime,
        manage::{ManageSubject, Managed},
    },
    plan::{
        Refusal, Warning,
        histories::{self, Certainty, HistoryLine, LineMember, Parted},
        only_copy,
    },
};

/// A device of this array that was written to apart from it.
#[derive(Clone, Debug)]
pub(super) struct Apart {
    facts: Membership,
    parted: Parted,
}

impl Apart {
    /// Whether this device is one. What it says of those who serve now tells, not how far it counts.
    pub(super) fn of(array: &Managed, device: &Device) -> Option<Self> {
        let metadata = metadata_of(array, device)?;
        let facts = metadata.membership();
        let serving = array.detail.members.iter().filter(|member| member.state.sync && !member.state.faulty);
        let holder = |number: i32, slot: i32| {
            Some(LineMember { number: u32::try_from(number).ok()?, slot: u32::try_from(slot).ok()? })
        };
        let line = HistoryLine {
            holders: serving.filter_map(|member| holder(member.number, member.raid_disk)).collect(),
            events: array.detail.superblock.is_some().then(|| readd::current(array)),
        };
        let parted = histories::parted(&metadata, &facts, &line)?;
        Some(Self { facts, parted })
    }

    /// Whether it has, or may have, what the array has not.
    pub(super) fn has_its_own(&self) -> bool {
        self.parted.how != Certainty::Replaced
    }

    /// What both sides say, and the way on.
    pub(super) fn refusal(&self, todo: &Todo, array: &Managed, context: &ManageContext) -> Refusal {
        let (word, shown) = (&todo.word, &context.array.path);
        let when = |seconds: u64| ctime(seconds, &context.zone);
        let since = format!("its last update was {}, event {}", when(self.facts.updated), self.facts.events);
        let theirs = match self.parted.slots.as_slice() {
            [] => format!("{word}: {since}: it is ahead of {shown}"),
            slots => format!("{word}: {since}; it has {} as failed or missing", self.named(slots, array)),
        };
        let updated = when(array.detail.updated.into());
        let ours = format!(
            "{shown}: its last update was {updated}, event {}; it went on without {word}",
            readd::current(array)
        );
        let were = match self.parted.how {
            Certainty::Sure => "were",
            Certainty::MayBe | Certainty::Replaced => "may have been",
        };
        let text = format!(
            "{word} and {shown} {were} written to apart from each other: {word} cannot come back as what it was"
        );
        let way = format!(
            "mdctl manage {shown} --add --force {word} {}; what was written only to {word} is lost then",
            self.is_rebuilt(shown)
        );
        // Of the other levels one member shows nothing.
        let hint = match self.facts.level {
            Level::Raid1 => format!(
                "{way}. To look at it first: mdctl stop {shown}; mdctl assemble --readonly --run {shown} {word}"
            ),
            _ => format!("{way}. `mdctl explain {word}` shows its side"),
        };
        Refusal::new(text).after(vec![Warning::note(theirs), Warning::note(ours)]).hint(hint)
    }

    fn is_rebuilt(&self, shown: &str) -> String {
        match self.facts.level {
            Level::Raid1 => format!("makes it a copy of {shown}"),
            _ => format!("has {shown} rebuild it"),
        }
    }

    /// What a full copy costs.
    pub(super) fn lost(&self, word: &str, context: &ManageContext) -> Warning {
        let (shown, since) = (&context.array.path, ctime(self.facts.updated, &context.zone));
        let events = self.facts.events;
        Warning::note(format!(
            "{word} is written over with what {shown} has: what was written only to {word} (last update {since}, event {events}) is lost"
        ))
    }

    fn named(&self, slots: &[u32], array: &Managed) -> String {
        let one = |slot: &u32| {
            let seated = |raid_disk: i32| u32::try_from(raid_disk) == Ok(*slot);
            let member =
                array.detail.members.iter().find(|member| member.state.sync && seated(member.raid_disk));
            match member.and_then(|member| member.path.as_ref()) {
                Some(path) => format!("{path} (slot {slot})"),
                None => format!("slot {slot}"),
            }
        };
        slots.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

/// What the device says of this array, whatever the format. The checksum is assembly's and the kernel's to judge.
pub(super) fn metadata_of(array: &Managed, device: &Device) -> Option<Native> {
    Some(add::superblock_of(array, device)?.fields().clone())
}

/// A device that has the only copy of something is not overwritten with what the others have.
pub(super) fn keep_only_copy(
    todo: &Todo,
    array: &Managed,
    device: &Device,
    subject: &ManageSubject,
    context: &ManageContext,
) -> Result<(), Refusal> {
    let kernel = &context.array.kernel;
    let in_resync = only_copy::failed_in_resync(&subject.log, kernel, &device.kernel_name);
    let present = array.present(None);
    let serves = |slot| usize::try_from(slot).is_ok_and(|slot: usize| present.get(slot) == Some(&true));
    let metadata = metadata_of(array, device);
    let left = metadata.and_then(|metadata| only_copy::left_behind(&metadata, in_resync, serves));
    if left.is_none() || context.force {
        return Ok(());
    }
    let (word, shown) = (&todo.word, &context.array.path);
    Err(Refusal::new(format!(
        "{word} failed in {shown} before a resync was finished: what was not resynced yet is only on {word}, and adding it overwrites that"
    ))
    .hint(format!("mdctl explain {shown} says how it comes back; --force adds it all the same")))
}
