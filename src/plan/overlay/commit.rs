//! Writing a set of overlays down to its members, as a course: what is shown is agreed to, and just that is written.

use superblock::{Bytes, Write};

use super::{OverlayStep, forget, not_in_use, removal, set_of};
use crate::{
    model::overlay::{ChangedPart, ChangedRange, ChunkPrint, Overlay, Overlays, Pending, changed},
    plan::{
        DiskStep, Plan, Refusal, Say, Step, Warning,
        course::{Answer, Course, Deed, Event, Look, Said, Then, Turn, View},
    },
};

/// So often it is shown again, because somebody wrote through an overlay meanwhile.
const MOST_AGAIN: u32 = 3;
/// The page of a superblock.
const SUPERBLOCK: usize = 4096;

/// Writes what the overlays hold to their members, what was there is kept first. The files go last, so that it can be done
/// again when it was interrupted: the same bytes are written once more. What was written through an overlay since it was
/// looked at is not lost: while it is there and when it is gone its file is looked at again.
///
/// # Errors
/// Somebody stands on them, or what they hold cannot be relied on.
pub fn commit(set: &str, pending: &[Pending], store: &str, force: bool) -> Result<Plan, Refusal> {
    let overlays: Vec<Overlay> = pending.iter().map(|one| one.overlay.clone()).collect();
    not_in_use(&overlays)?;
    let used: Vec<&str> =
        pending.iter().filter(|one| is_used(one)).map(|one| one.overlay.member.as_str()).collect();
    if !used.is_empty() && !force {
        let text = format!("{} was written to since set {set} was made over it", used.join(" "));
        return Err(Refusal::new(format!("{text}: old data would go over newer"))
            .hint(format!("mdctl overlay discard {set} drops the set; --force writes it all the same")));
    }
    for overlay in &overlays {
        if let Some(lost) = overlay.lost() {
            let text = format!("overlay of {}: {lost}", overlay.member);
            return Err(Refusal::new(text).hint(format!("mdctl overlay discard {set}, and larger files")));
        }
    }
    let settled = |one: &Pending| {
        let (file, prints) = (one.overlay.file.clone(), one.prints.clone());
        Step::Overlay(OverlayStep::Settled { file, prints })
    };
    let removal = removal(&overlays);
    let mut steps = Vec::new();
    if !removal.is_empty() {
        steps.extend(pending.iter().map(settled));
        steps.extend(removal);
    }
    steps.extend(pending.iter().map(settled));
    for one in pending.iter().filter(|one| !one.writes.is_empty()) {
        steps.push(Step::Disk(DiskStep::Claim { device: one.overlay.member.clone() }));
    }
    steps.extend(writing(set, pending));
    steps.push(Step::Commit);
    for one in pending.iter().filter(|one| !one.writes.is_empty()) {
        steps.push(Step::Disk(DiskStep::Release { device: one.overlay.member.clone() }));
    }
    steps.push(forget(set, &overlays, store));
    let total: usize = pending.iter().flat_map(|one| &one.writes).map(|write| write.data.len()).sum();
    let ask = format!("{total} bytes of {} members will be overwritten", pending.len());
    let older = (!used.is_empty()).then(|| {
        let used = used.join(" ");
        Warning::note(format!(
            "{used} was written to since set {set} was made over it: old data goes over newer"
        ))
    });
    let warnings = older.into_iter().chain([Warning::ask(ask)]).collect();
    Ok(Plan { summary: format!("commit overlays {set}"), steps, warnings })
}

/// The writes of all members, each on stable storage before the next. A superblock says of the data of all members that it
/// belongs together, the old one as well as the new: so there is none while data is written, and the new ones come last.
fn writing(set: &str, pending: &[Pending]) -> Vec<Step> {
    let parts: Vec<(&str, Parts)> =
        pending.iter().map(|one| (one.overlay.member.as_str(), Parts::of(one))).collect();
    let step = |device: &str, what: &str, writes: &[Write]| {
        let total: usize = writes.iter().map(|write| write.data.len()).sum();
        let (device, what) = (device.to_owned(), format!("{total} bytes of {what}"));
        let write = DiskStep::Write { device, what, writes: writes.to_vec() };
        (total > 0).then_some(Step::Disk(write))
    };
    let data =
        parts.iter().filter_map(|(device, parts)| step(device, &format!("overlay {set}"), &parts.rest));
    let data: Vec<Step> = data.collect();
    let blank = |write: &Write| Write { at: write.at, data: vec![0; write.data.len()] };
    let blank = |parts: &Parts| -> Vec<Write> { parts.superblocks.iter().map(blank).collect() };
    let away = parts.iter().filter(|_| !data.is_empty()).filter_map(|(device, parts)| {
        step(device, "zeroes (no superblock while data is written)", &blank(parts))
    });
    let superblocks = parts.iter().filter_map(|(device, parts)| {
        step(device, &format!("superblocks of overlay {set}"), &parts.superblocks)
    });
    away.chain(data.iter().cloned()).chain(superblocks).collect()
}

/// A member's writes, taken apart.
#[derive(Default)]
struct Parts {
    superblocks: Vec<Write>,
    rest: Vec<Write>,
}

impl Parts {
    fn of(one: &Pending) -> Self {
        let mut parts = Self::default();
        for write in &one.writes {
            let mut rest = write.clone();
            for at in &one.superblocks {
                let Some((before, page, after)) = around(&rest, *at) else { continue };
                parts.rest.push(before);
                parts.superblocks.push(page);
                rest = after;
            }
            parts.rest.push(rest);
        }
        parts.rest.retain(|write| !write.data.is_empty());
        parts
    }
}

/// What lies before the page of a superblock, the page, and what comes after it; none where it is not written as a whole.
fn around(write: &Write, at: Bytes) -> Option<(Write, Write, Write)> {
    let start = usize::try_from(at.checked_sub(write.at)?.0).ok()?;
    let (before, from) = write.data.split_at_checked(start)?;
    let (page, after) = from.split_at_checked(SUPERBLOCK)?;
    let piece = |at, data: &[u8]| Write { at, data: data.to_vec() };
    let end = at.saturating_add(superblock::Media::len(page));
    Some((piece(write.at, before), piece(at, page), piece(end, after)))
}

/// Whether the member was written to since its overlay was made, by others than a commit of just this set that was
/// interrupted.
#[must_use]
pub fn is_used(one: &Pending) -> bool {
    let blank = ChunkPrint::of(Bytes(0), &[0; SUPERBLOCK]).crc32;
    let away = |now: &ChunkPrint| one.superblocks.contains(&now.at) && now.crc32 == blank;
    let committed = |now: &ChunkPrint| away(now) || one.writes.iter().any(|write| holds(write, now));
    changed(&one.overlay.noted, &one.now).any(|now| !committed(now))
}

/// Whether a write would leave this block as it is.
fn holds(write: &Write, block: &ChunkPrint) -> bool {
    let start = block.at.checked_sub(write.at).and_then(|start| usize::try_from(start.0).ok());
    let bytes = start.and_then(|start| write.data.get(start..start.checked_add(block.length)?));
    bytes.is_some_and(|bytes| ChunkPrint::of(block.at, bytes) == *block)
}

/// What of each member's changes is metadata.
#[must_use]
pub fn changes(pending: &[Pending]) -> Vec<(String, Vec<ChangedRange>)> {
    let of_one = |one: &Pending| {
        let change = |write: &Write| {
            let in_data = one.data.iter().any(|(start, end)| (*start..*end).contains(&write.at));
            let part = match (one.data.is_empty(), in_data) {
                (true, _) => ChangedPart::Other,
                (false, true) => ChangedPart::Data,
                (false, false) => ChangedPart::Metadata,
            };
            ChangedRange { at: write.at, length: superblock::Media::len(&write.data), part }
        };
        (one.overlay.member.clone(), one.writes.iter().map(change).collect())
    };
    pending.iter().map(of_one).collect()
}

/// The course. `show` is given what would change, each time before somebody is asked.
pub struct CommitSet<S> {
    set: String,
    store: Option<String>,
    dry_run: bool,
    /// Also over members that were written to since.
    force: bool,
    show: S,
    /// The directory of the files.
    dir: String,
    plan: Plan,
    again: u32,
}

impl<S: FnMut(&[(String, Vec<ChangedRange>)])> CommitSet<S> {
    /// `store`: a directory to look into beside the usual one.
    pub fn new(set: &str, store: Option<String>, dry_run: bool, force: bool, show: S) -> Self {
        let (dir, plan, again) = (String::new(), Plan::default(), 0);
        Self { set: set.to_owned(), store, dry_run, force, show, dir, plan, again }
    }

    fn look(&self) -> Turn {
        Turn::look(Look::Overlays { store: self.store.clone() })
    }

    fn seen(&mut self, seen: &Overlays) -> Turn {
        match set_of(seen, &self.set, self.store.as_deref()) {
            Ok((overlays, dir)) => {
                self.dir = dir;
                Turn::look(Look::Pending { overlays })
            }
            Err(refusal) => Turn::refuse(refusal),
        }
    }

    fn decide(&mut self, pending: &[Pending]) -> Turn {
        self.plan = match commit(&self.set, pending, &self.dir, self.force) {
            Ok(plan) => plan,
            Err(refusal) => return Turn::refuse(refusal),
        };
        if self.dry_run {
            return Turn::carry_out(self.plan.clone());
        }
        (self.show)(&changes(pending));
        let notes = self.plan.warnings.iter().filter(|warning| warning.kind == Say::Note);
        let said = notes.map(Said::from).collect();
        Turn::from(Then::Ask(format!("Write that to {} members", pending.len()))).after(said)
    }

    fn ended(&mut self, deed: Option<Deed>) -> Turn {
        let done = || {
            let set = &self.set;
            Said::out(format!("set {set} is written to its members; `mdctl undo` takes it back"))
        };
        match deed {
            Some(Deed::Failed(failure)) if failure.stale && !failure.committed && self.again < MOST_AGAIN => {
                self.again += 1;
                let why = format!("{:#}: this is what it is now", failure.cause);
                self.look().after(vec![Said::warn(why)])
            }
            Some(Deed::Failed(failure)) => {
                let (mut said, status) = Said::ended(&failure, &self.plan.summary);
                if status == 0 {
                    said.push(done());
                }
                Turn::end(status).after(said)
            }
            Some(Deed::Done) => Turn::end(0).after(vec![done()]),
            Some(Deed::Shown) | None => Turn::end(0),
        }
    }
}

impl<S: FnMut(&[(String, Vec<ChangedRange>)])> Course for CommitSet<S> {
    fn next(&mut self, event: Event) -> Turn {
        match event {
            Event::Begin | Event::Woke(_) => self.look(),
            Event::Unseen(unseen) => Turn::refuse(unseen),
            Event::Seen(View::Overlays(seen)) => self.seen(&seen),
            Event::Seen(view) => match view.pending() {
                Ok(pending) => self.decide(&pending),
                Err(unseen) => Turn::refuse(unseen),
            },
            Event::Answered(Answer::Yes) => Turn::carry_out(self.plan.clone()),
            Event::Answered(Answer::No) => Turn::end(1).after(vec![Said::error("nothing was written")]),
            Event::Answered(Answer::Nobody) => {
                let why = "nothing was written: nobody can be asked here; --yes (-y) agrees";
                Turn::end(1).after(vec![Said::error(why)])
            }
            Event::Done(deeds) => self.ended(deeds.into_iter().next()),
        }
    }
}

#[cfg(test)]
#[path = "commit_tests.rs"]
mod tests;
