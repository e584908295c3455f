//! One array while it is being decided about.

use std::collections::BTreeSet;

use superblock::{Events, Role};

use crate::{
    model::Geometry,
    plan::{ArrayName, Plan, Refusal},
};

use super::{
    Adopted, ArrayOutcome, Remark,
    claim::Claim,
    classify::DeviceClass,
    force,
    lineup::{Lineup, PlacedDevice, Twins, Why},
    resume::{self, GoingOn},
    shape::Shapes,
    startable::{Count, Shortage, Verdict},
    steps::{self, Rewrite, Start, StepParts},
};

/// The members, their places, and what has been found out so far.
#[derive(Debug)]
pub(super) struct Draft {
    claims: Vec<Claim>,
    pub(super) lineup: Lineup,
    path: String,
    /// The member whose copy of the metadata counts.
    model: usize,
    pub(super) shapes: Shapes,
    before: Vec<Remark>,
    /// Members whose superblock changes, and how.
    rewrites: Vec<Rewrite>,
    /// What a reshape needs that was cut off.
    resume: Option<GoingOn>,
}

impl Draft {
    pub(super) fn new(claims: Vec<Claim>, path: &str, options: &super::Options) -> Result<Self, Refusal> {
        let usable = claims.iter().filter(|claim| claim.is_usable(options.force));
        let slots = usable.map(Claim::slots).max().unwrap_or(0);
        let lineup = Lineup::new(&claims, slots, options.force).map_err(|twins| alike(&claims, twins))?;
        let mut before = identified(&claims, path);
        before.extend(left_out(&claims, &lineup));
        before.extend(larger_blocks(&claims, &lineup, path));
        let model = lineup.freshest().map(|place| place.claim).or_else(|| other_model(&lineup));
        let Some((model, claim)) = model.and_then(|index| Some((index, claims.get(index)?))) else {
            let reasons = before.iter().filter(|remark| !remark.detail).map(|remark| remark.text.as_str());
            let text: Vec<&str> = reasons.chain(["no device of the array can be used"]).collect();
            return Err(Refusal::new(text.join("\n")));
        };
        let resume = resume::resume(claim, &claims, &lineup, path, options)?;
        let shapes = Shapes::of(claim);
        let path = path.to_owned();
        let mut draft =
            Self { lineup, path, model, shapes, before, rewrites: Vec::new(), claims, resume: None };
        draft.resume(resume);
        Ok(draft)
    }

    /// All superblocks say how far a reshape is once what was set aside is written.
    fn resume(&mut self, resume: Option<GoingOn>) {
        let Some(edit) = resume.as_ref().and_then(|resume| resume.edit) else {
            self.resume = resume;
            return;
        };
        let seats = self.lineup.seats().map(|place| place.claim);
        for index in seats.chain(self.lineup.spares.iter().copied()).collect::<Vec<_>>() {
            let Some(claim) = self.claims.get_mut(index) else { continue };
            edit.make(&mut claim.metadata);
            claim.reread(false);
            self.rewrite(index, edit.what());
        }
        if resume.as_ref().is_some_and(|resume| resume.edit.is_some() && !resume.restore.is_empty()) {
            self.before.push(Remark::note(format!("{}: restoring critical section", self.path)));
        }
        if let Some(claim) = self.claims.get(self.model) {
            self.shapes = Shapes::of(claim);
        }
        self.resume = resume;
    }

    /// What `--update` has changed already. Who describes another shape may not be of this array: it stays as it is.
    pub(super) fn note_updates(&mut self, (mut rewrites, remarks): (Vec<Rewrite>, Vec<Remark>)) {
        let other = |rewrite: &Rewrite| {
            let is_it =
                |(index, why): &(usize, Why)| *index == rewrite.claim && matches!(why, Why::OtherShape(_));
            self.lineup.out.iter().any(is_it)
        };
        rewrites.retain(|rewrite| !other(rewrite));
        // What a reshape needs is in their superblocks already.
        let updated: BTreeSet<usize> = rewrites.iter().map(|rewrite| rewrite.claim).collect();
        self.rewrites.retain(|rewrite| !updated.contains(&rewrite.claim));
        self.rewrites.append(&mut rewrites);
        self.before.splice(0..0, remarks);
    }

    /// Adds to what is written of a member.
    fn rewrite(&mut self, claim: usize, change: &str) {
        match self.rewrites.iter_mut().find(|rewrite| rewrite.claim == claim) {
            Some(rewrite) => rewrite.what = format!("{}, {change})", rewrite.what.trim_end_matches(')')),
            None => {
                let what = format!("superblock ({change})");
                self.rewrites.push(Rewrite { claim, what, extra: Vec::new() });
            }
        }
    }

    /// Stale members that are needed get the freshest event count.
    pub(super) fn promote(&mut self) {
        let updated = self.claims.get(self.model).map(|claim| claim.facts.updated).unwrap_or_default();
        for promotion in force::promote(&mut self.lineup, &self.claims, &self.shapes) {
            let Some(claim) = self.claims.get_mut(promotion.claim) else { continue };
            claim.metadata.set_events(promotion.to);
            // Nobody takes it for a copy from before the others' last update, should it be stopped before it is written to.
            claim.metadata.set_updated(updated);
            self.before.push(Remark::note(format!(
                "forcing event count in {}({}) from {} up to {}",
                claim.path, promotion.slot, promotion.from, promotion.to
            )));
            self.rewrite(promotion.claim, &format!("events {} instead of {}", promotion.to, promotion.from));
        }
    }

    /// The kernel takes no superblock with a wrong checksum, so those that are used in spite of it get a right one.
    pub(super) fn mend(&mut self) {
        let seats = self.lineup.seats().map(|place| place.claim);
        let others = self.lineup.spares.iter().copied().chain(self.lineup.journal.map(|place| place.claim));
        for index in seats.chain(others).collect::<Vec<_>>() {
            let Some(claim) = self.claims.get(index) else { continue };
            let Some(damage) = &claim.damage else { continue };
            self.before.push(Remark::note(format!("taking {} although its {damage}", claim.path)));
            if !self.rewrites.iter().any(|rewrite| rewrite.claim == index) {
                self.rewrite(index, "checksum");
            }
        }
    }

    /// The freshest copy has to know all members as working; with force it is changed so that it does.
    pub(super) fn agree(&mut self, force: bool) {
        let Some(freshest) = self.claims.get(self.model) else { return };
        let denied = force::denied(&self.lineup, &self.claims, freshest);
        for (index, number, slot) in &denied {
            let device = self.claims.get(*index).map(|claim| claim.path.clone()).unwrap_or_default();
            let path = &self.path;
            self.before.push(Remark::note(if force {
                format!("clearing FAULTY flag for device {index} in {path} for {device}")
            } else {
                let place = u64::from(*slot) * 2;
                format!("device {place} in {path} has wrong state in superblock, but {device} seems ok")
            }));
            if let Some(freshest) = self.claims.get_mut(self.model).filter(|_| force) {
                freshest.metadata.set_slot(*number, *slot);
            }
        }
        if force && !denied.is_empty() {
            self.rewrite_model("roles");
        }
    }

    /// Whether the array counts as clean; with force one that is dirty and too degraded for that is called clean.
    pub(super) fn clean(&mut self, force: bool) -> bool {
        let Some(freshest) = self.claims.get_mut(self.model) else { return false };
        let clean = freshest.facts.clean || freshest.metadata.has_ppl();
        if !force {
            return clean;
        }
        let enough = |clean| self.shapes.enough(&self.lineup.present(), clean);
        let mark = !clean && !enough(false) && enough(true);
        if mark {
            freshest.metadata.mark_clean();
        }
        if mark || (clean && !self.rewrites.is_empty() && self.rewrites.iter().any(|r| r.claim == self.model))
        {
            self.before.push(Remark::note(format!("Marking array {} as 'clean'", self.path)));
        }
        if mark {
            self.rewrite_model("clean");
        }
        clean || mark
    }

    fn rewrite_model(&mut self, change: &str) {
        self.rewrite(self.model, change);
    }

    pub(super) fn decide(
        mut self,
        name: ArrayName,
        adopted: Option<&Adopted>,
        shortage: Option<Shortage>,
        options: &super::Options,
    ) -> ArrayOutcome {
        let journal = self.claims.get(self.model).is_some_and(|claim| claim.metadata.wants_journal());
        let expected = self.claims.get(self.model).map(|claim| claim.metadata.working_devices(claim.slots()));
        let count = Count::new(&self.lineup, &self.shapes.now, expected.unwrap_or(0));
        let verdict = super::startable::verdict(&count, journal, shortage, &self.path, options);
        if verdict == Verdict::StartReadonly {
            self.before
                .push(Remark::note("Journal is missing or stale, starting array read only.".to_owned()));
        }
        let start = match &verdict {
            Verdict::Start if options.readonly => Start::Readonly,
            Verdict::Start => Start::Run,
            Verdict::StartReadonly => Start::Readonly,
            Verdict::LeaveInactive | Verdict::Refuse(_) => Start::Leave,
        };
        if start != Start::Leave {
            self.before.extend(self.other_sides());
        }
        let done = match &verdict {
            Verdict::Refuse(text) => text.clone(),
            Verdict::LeaveInactive => count.left(&self.path),
            Verdict::Start | Verdict::StartReadonly => count.started(&self.path),
        };
        let members = steps::order(&self.lineup, self.model);
        let inside: BTreeSet<_> = adopted.iter().flat_map(|adopted| &adopted.members).collect();
        let inside = |index: &usize| self.claims.get(*index).is_some_and(|claim| inside.contains(&claim.id));
        let had = adopted.map(|adopted| adopted.members.clone());
        let leaving = self.lineup.out.iter().map(|(index, _)| *index).filter(inside).collect();
        let adopted = adopted.map(|_| members.iter().copied().filter(inside).collect());
        let after = self.added(&adopted);
        let repair = options.force
            && start == Start::Run
            && self.shapes.now.level == superblock::Level::Raid6
            && count.whole + 1 == count.slots;
        let plan = match &verdict {
            Verdict::Refuse(_) => Plan::default(),
            _ => Plan {
                summary: summary(&name, &self.shapes.now, &count, start),
                warnings: Vec::new(),
                steps: steps::steps(&StepParts {
                    name: name.clone(),
                    claims: &self.claims,
                    lineup: &self.lineup,
                    freshest: self.model,
                    rewrites: self.rewrites,
                    adopted,
                    leaving,
                    had,
                    start,
                    repair,
                    resume: self.resume.unwrap_or_default(),
                }),
            },
        };
        let out = self.lineup.out.into_iter();
        let out = out.filter_map(|(index, why)| Some((self.claims.get(index)?.path.clone(), why))).collect();
        ArrayOutcome { name, before: self.before, after, done, verdict, plan, count, shortage, out }
    }

    /// Two histories: what starts is one of them, and which is for people to choose.
    fn other_sides(&self) -> Option<Remark> {
        let (mut chosen, mut others) = (None, Vec::new());
        for (index, why) in &self.lineup.out {
            if let Why::Split { freshest } = why {
                chosen = Some(freshest);
                others.extend(self.claims.get(*index));
            }
        }
        let chosen = chosen?;
        let updated = self.claims.iter().find(|claim| claim.path == *chosen).map(|claim| claim.facts.updated);
        let later = others.iter().find(|other| Some(other.facts.updated) > updated);
        let later = later.map(|other| format!(" although {} was written later", other.path));
        let others: Vec<&str> = others.iter().map(|other| other.path.as_str()).collect();
        Some(Remark::note(format!(
            "{chosen} and {} were written to without each other, and only the side of {chosen} is started{}: mdctl explain {}",
            others.join(", "),
            later.unwrap_or_default(),
            self.path
        )))
    }

    /// What `--verbose` says of each place, in the order in which the kernel gets the members.
    fn added(&self, adopted: &Option<Vec<usize>>) -> Vec<Remark> {
        let mut lines = Vec::new();
        let line = |place: &PlacedDevice| {
            let Some(claim) = self.claims.get(place.claim) else { return String::new() };
            let (slot, path) = (slot_text(claim, ""), &self.path);
            if adopted.as_ref().is_some_and(|inside| inside.contains(&place.claim)) {
                return format!("{} is already in {path} as {slot}", claim.path);
            }
            let stale =
                matches!(place.class, DeviceClass::Stale { .. } | DeviceClass::Journal { current: false });
            let doubt = if stale { " (possibly out of date)" } else { "" };
            format!("added {} to {path} as {slot}{doubt}", claim.path)
        };
        let mut last = String::new();
        for (slot, (holder, replacement)) in
            self.lineup.holders.iter().zip(&self.lineup.replacements).enumerate()
        {
            if holder.is_none() && slot < usize::try_from(self.shapes.now.raid_disks).unwrap_or(0) {
                lines.push(format!("no uptodate device for slot {slot} of {}", self.path));
            }
            for place in holder.iter().chain(replacement) {
                if place.claim == self.model { last = line(place) } else { lines.push(line(place)) }
            }
        }
        let spare = |claim: &usize| PlacedDevice {
            claim: *claim,
            class: DeviceClass::Spare,
            events: Events::default(),
        };
        for place in self.lineup.spares.iter().map(spare).chain(self.lineup.journal) {
            if place.claim == self.model { last = line(&place) } else { lines.push(line(&place)) }
        }
        lines.push(last);
        lines.into_iter().map(Remark::detail).collect()
    }
}

/// Where the shape is taken from when no member is in a slot.
fn other_model(lineup: &Lineup) -> Option<usize> {
    let stale = lineup.seats().map(|place| place.claim).next();
    stale.or_else(|| lineup.spares.first().copied()).or(lineup.journal.map(|place| place.claim))
}

/// The slot as `--verbose` says it: −1 for none, the journal's by its number in 1.x metadata.
fn slot_text(claim: &Claim, before: &str) -> String {
    match claim.facts.role {
        Role::Slot { slot, replacement: true } => format!("{before}{slot} replacement"),
        Role::Slot { slot, replacement: false } => format!("{before}{slot}"),
        Role::Spare | Role::Faulty => format!("{before}-1"),
        Role::Journal => format!("{before}{}", superblock::v1::ROLE_JOURNAL),
    }
}

fn identified(claims: &[Claim], path: &str) -> Vec<Remark> {
    let line = |claim: &Claim| {
        let slot = slot_text(claim, "slot ");
        Remark::detail(format!("{} is identified as a member of {path}, {slot}.", claim.path))
    };
    claims.iter().map(line).collect()
}

fn left_out(claims: &[Claim], lineup: &Lineup) -> Vec<Remark> {
    let line = |(index, why): &(usize, Why)| {
        let device = &claims.get(*index)?.path;
        Some(match why {
            Why::Split { freshest } => {
                Remark::note(format!("ignoring {device} as it reports {freshest} as failed"))
            }
            Why::Copy { .. } => Remark::note(format!("ignoring {device} as {why}")),
            Why::Older { .. } => Remark::note(format!(
                "ignoring {device}: {why} (--force takes it where there are not enough without)"
            )),
            Why::OtherShape(what) => Remark::note(format!(
                "ignoring {device}: its superblock describes another shape than the freshest member's: {what}"
            )),
            Why::Damaged(what) if claims.get(*index)?.impossible => {
                Remark::note(format!("ignoring {device}: its superblock cannot be right: {what}"))
            }
            Why::Damaged(what) => Remark::note(format!(
                "ignoring {device}: its superblock is damaged: {what} (--force takes it)"
            )),
            other => Remark::detail(format!("leaving {device} out: {other}")),
        })
    };
    let doubt = |(index, than): &(usize, String)| {
        let device = &claims.get(*index)?.path;
        Some(Remark::note(format!(
            "{device} was last written before {than}, while the array was in use: if it is a copy from that time, its data is old; \
             it is taken, for there are not enough without it"
        )))
    };
    let mixed = |(index, freshest): &(usize, String)| {
        let device = &claims.get(*index)?.path;
        Some(Remark::note(format!(
            "{freshest} and {device} were written to without each other, and there are not enough of one side: --force mixes both, \
             and what is read is partly of one and partly of the other"
        )))
    };
    let doubts = lineup.doubtful.iter().filter_map(doubt);
    let mixtures = lineup.mixed.iter().filter_map(mixed);
    lineup.out.iter().filter_map(line).chain(doubts).chain(mixtures).collect()
}

/// Members whose logical blocks are larger than those of others: the array gets them, and a file system that was made for
/// smaller ones cannot be used any more.
fn larger_blocks(claims: &[Claim], lineup: &Lineup, array: &str) -> Vec<Remark> {
    let used: Vec<&Claim> = lineup.seats().filter_map(|place| claims.get(place.claim)).collect();
    let Some(smallest) = used.iter().map(|claim| claim.logical_block).min() else { return vec![] };
    let larger = used.into_iter().filter(|claim| claim.logical_block > smallest);
    let line = |claim: &Claim| {
        let (path, has) = (&claim.path, claim.logical_block);
        Remark::note(format!(
            "{path} has logical blocks of {has} bytes and other members of {smallest}: {array} gets blocks of {has} bytes"
        ))
    };
    larger.map(line).collect()
}

fn alike(claims: &[Claim], Twins(a, b): Twins) -> Refusal {
    let path = |index| claims.get(index).map(|claim: &Claim| claim.path.as_str()).unwrap_or_default();
    Refusal::new(format!(
        "WARNING {} and {} appear to have very similar superblocks.\n      \
         If they are really different, please --zero the superblock on one\n      \
         If they are the same or overlap, please remove one from the list.",
        path(a),
        path(b)
    ))
}

fn summary(name: &ArrayName, geometry: &Geometry, count: &Count, start: Start) -> String {
    let level = geometry.level.name().unwrap_or("unknown level");
    let how = match start {
        Start::Run => "start it",
        Start::Readonly => "start it read-only",
        Start::Leave => "leave it inactive",
    };
    format!("assemble {}: {level}, {} of {} members in sync, {how}", name.path, count.whole, count.slots)
}
