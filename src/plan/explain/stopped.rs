//! An array that does not run: what would come of assembling it now, and what keeps it down.

use std::collections::BTreeSet;

use superblock::{Level, MdUuid};

use super::{
    ExplainScene, Explanation, Finding, Kind, NextCommand, Severity, kernel, member, names, reshape,
    running::{self, Told},
};
use crate::{
    model::status::ArrayStatus,
    plan::assemble::{
        ArrayOutcome, Claim, Count, DeviceClass, Lineup, Shortage, Stop, Verdict, Why, classify::classify,
        shape::Shapes,
    },
};

/// Explains it. `array` is the one in the kernel that was not started.
pub(super) fn explain(
    scene: &ExplainScene<'_>,
    array: Option<&ArrayStatus>,
    uuid: Option<MdUuid>,
) -> Explanation {
    let subject = match (array, uuid) {
        (Some(array), _) => array.shown(),
        (None, Some(uuid)) => uuid.to_string(),
        (None, None) => String::new(),
    };
    let claims = uuid.map(|uuid| scene.claims_of(uuid)).unwrap_or_default();
    let mut explanation = Explanation { subject, uuid, ..Explanation::default() };
    let Some(uuid) = uuid.filter(|_| !claims.is_empty()) else {
        explanation.summary = array.map_or_else(|| "not known".to_owned(), running::summary);
        let text = "none of its devices has metadata that can be read";
        explanation.findings.push(Finding::new(Kind::NotStarted, Severity::Blocks, text));
        return explanation;
    };
    let attempt = scene.session.try_found(uuid, &scene.session.options).result;
    let path = attempt.as_ref().ok().map(|(outcome, _)| outcome.name.path.clone());
    let work = Work::new(scene, (array, path), &claims);
    explanation.subject = match (array, &attempt) {
        (None, Ok((outcome, _))) => outcome.name.path.clone(),
        _ => explanation.subject,
    };
    explanation.summary = work.summary();
    explanation.devices = member::table(&claims, |claim| work.standing(claim));
    explanation.findings = work.members();
    explanation.findings.extend(work.missing());
    explanation.findings.extend(work.reshape());
    let (forced, verdict): (Vec<_>, Vec<_>) =
        work.verdict(uuid, &attempt).into_iter().partition(Finding::is_by_force);
    // A look at metadata leads nowhere where force is the only way.
    let leads = |finding: &Finding| finding.severity == Severity::Blocks && finding.command.is_some();
    let at = if explanation.findings.iter().any(leads) { 0 } else { explanation.findings.len() };
    explanation.findings.splice(at..at, forced);
    explanation.findings.extend(verdict);
    explanation.findings.extend(work.kernel_words(&explanation.findings, &attempt));
    if let Some(claim) = work.model {
        explanation.findings.extend(names::findings(scene, array, claim));
    }
    explanation
}

type Attempt = Result<(ArrayOutcome, Vec<usize>), Stop>;

pub(super) struct Work<'a> {
    pub(super) scene: &'a ExplainScene<'a>,
    pub(super) array: Option<&'a ArrayStatus>,
    pub(super) claims: &'a [Claim],
    pub(super) lineup: Option<Lineup>,
    /// The path that the array would have, where it can be started.
    pub(super) path: Option<String>,
    pub(super) slots: u32,
    /// The member whose copy counts.
    model: Option<&'a Claim>,
}

impl<'a> Work<'a> {
    fn new(
        scene: &'a ExplainScene<'a>,
        (array, path): (Option<&'a ArrayStatus>, Option<String>),
        claims: &'a [Claim],
    ) -> Self {
        let sound = || claims.iter().filter(|claim| claim.damage.is_none());
        let slots =
            sound().map(Claim::slots).max().or_else(|| claims.iter().map(Claim::slots).max()).unwrap_or(0);
        let lineup = Lineup::new(claims, slots, false).ok();
        let freshest = lineup.as_ref().and_then(Lineup::freshest).and_then(|place| claims.get(place.claim));
        let model = freshest.or_else(|| sound().max_by_key(|claim| claim.facts.events)).or(claims.first());
        Self { scene, array, claims, lineup, path, slots, model }
    }

    fn summary(&self) -> String {
        let Some(model) = self.model else { return "not running".to_owned() };
        let level = model.facts.level.name().unwrap_or("unknown level");
        let here =
            self.lineup.as_ref().map_or(0, |lineup| lineup.present().iter().filter(|here| **here).count());
        let state = if self.array.is_some() { "in the kernel, not started" } else { "not running" };
        format!("{level}, {state}: {here} of {} devices up to date", model.facts.raid_disks)
    }

    fn is_inside(&self, claim: &Claim) -> bool {
        self.array.is_some_and(|array| array.members.iter().any(|member| member.id == Some(claim.id)))
    }

    fn class(&self, claim: &Claim) -> Option<DeviceClass> {
        let lineup = self.lineup.as_ref()?;
        Some(classify(claim, self.slots, lineup.newest))
    }

    fn why(&self, index: usize) -> Option<&Why> {
        let lineup = self.lineup.as_ref()?;
        lineup.out.iter().find(|(out, _)| *out == index).map(|(_, why)| why)
    }

    fn standing(&self, claim: &Claim) -> String {
        let index = self.claims.iter().position(|other| other.path == claim.path).unwrap_or(usize::MAX);
        if let Some(why) = self.why(index) {
            return format!("left out: {why}");
        }
        let busy = if claim.busy && !self.is_inside(claim) { ", in use" } else { "" };
        let standing = match self.class(claim) {
            Some(DeviceClass::Active { whole: true, .. }) => "up to date".to_owned(),
            Some(DeviceClass::Active { whole: false, .. }) => "up to date as far as it was filled".to_owned(),
            Some(DeviceClass::Stale { behind, .. }) => format!("{behind} events behind"),
            Some(DeviceClass::Spare) => "spare".to_owned(),
            Some(DeviceClass::Journal { current: true }) => "journal".to_owned(),
            Some(DeviceClass::Journal { current: false }) => "journal, out of date".to_owned(),
            Some(DeviceClass::Faulty) => "failed".to_owned(),
            Some(DeviceClass::NoSuchSlot(_)) | None => "does not fit".to_owned(),
        };
        format!("{standing}{busy}")
    }

    /// What keeps single devices out.
    fn members(&self) -> Vec<Finding> {
        let mut found = vec![];
        for (index, claim) in self.claims.iter().enumerate() {
            found.extend(member::troubles(self.scene, claim, self.is_inside(claim)));
            let Some(model) = self.model else { continue };
            match self.why(index) {
                Some(why) => found.extend(self.left_out(claim, why)),
                None => match self.class(claim) {
                    Some(DeviceClass::Stale { slot, .. }) => found.push(match self.only_copy(claim) {
                        Some(only) => self.has_only_copy(claim, only),
                        None => self
                            .counted_on(member::stale(self.scene, claim, slot, model), slot, model)
                            .needs("nothing to start without it; once the array runs, explain says how it is taken back"),
                    }),
                    Some(DeviceClass::Journal { current: false }) => {
                        let text = format!("{}: the journal lacks what the array wrote last", claim.path);
                        found
                            .push(Finding::new(Kind::JournalMissing, Severity::Blocks, text).of(&claim.path));
                    }
                    Some(
                        DeviceClass::Active { .. }
                        | DeviceClass::Spare
                        | DeviceClass::Journal { current: true },
                    )
                    | Some(DeviceClass::Faulty | DeviceClass::NoSuchSlot(_))
                    | None => {}
                },
            }
        }
        if self.lineup.is_none() {
            let paths: Vec<&str> = self.claims.iter().map(|claim| claim.path.as_str()).collect();
            let text = "two devices have the same 0.90 slot and event count, and nothing tells them apart";
            found.push(
                Finding::new(Kind::Duplicate, Severity::Blocks, text)
                    .because(paths.join(", "))
                    .needs("the one that is meant: one may be the whole disk and the other its last partition; name the devices to mdctl assemble"),
            );
        }
        found
    }

    /// Whether the freshest member had somebody up to date in this slot: then it is not this device's loss alone.
    fn counted_on(&self, stale: Finding, slot: u32, model: &Claim) -> Finding {
        let nth = usize::try_from(slot).unwrap_or(usize::MAX);
        if !model.metadata.working_slots(self.slots).get(nth).copied().unwrap_or(false) {
            return stale;
        }
        stale.because(format!(
            "{} counts on slot {slot}: another device took it over since, or this one missed the last writes",
            model.path
        ))
    }

    fn left_out(&self, claim: &Claim, why: &Why) -> Option<Finding> {
        let path = &claim.path;
        Some(match why {
            // Told already, with the checksum.
            Why::Damaged(_) => return None,
            Why::Faulty => {
                let text = format!("{path}: its own metadata says that it failed");
                Finding::new(Kind::MarkedFaulty, Severity::Weakens, text).of(path)
            }
            Why::Split { freshest } => match self.claims.iter().find(|claim| claim.path == *freshest) {
                // What to do about it stands with the array.
                Some(fresh) => running::split(self.scene, claim, fresh, true).command(None),
                None => return None,
            },
            Why::Copy { of, stale: true } => running::copy_of(claim, of, Told::OutOfDate),
            Why::Copy { of, stale: false } => running::copy_of(claim, of, Told::Alike),
            Why::Older { than, alike } => self.older(claim, than, *alike),
            Why::Duplicate { of } => {
                let text = format!("{path}: {of} has the same slot and is as fresh or fresher");
                Finding::new(Kind::Duplicate, Severity::Weakens, text).of(path)
            }
            Why::StaleJournal => {
                let text = format!("{path}: the journal is out of date");
                Finding::new(Kind::JournalMissing, Severity::Blocks, text).of(path)
            }
            Why::SameNumber { .. }
            | Why::NoSuchSlot(_)
            | Why::OtherShape(_)
            | Why::Busy(_)
            | Why::Refused(_) => {
                Finding::new(Kind::Misfit, Severity::Weakens, format!("{path}: {why}")).of(path)
            }
        })
    }

    /// It counts as many events as another and was written before that one.
    fn older(&self, claim: &Claim, than: &str, alike: bool) -> Finding {
        let path = &claim.path;
        let when = |claim: &Claim| {
            let state = if claim.facts.clean { "clean" } else { "in use" };
            let updated = self.scene.when(claim.facts.updated);
            format!("{}: {} events, {state}, last update {updated}", claim.path, claim.facts.events)
        };
        let text = match alike {
            true => format!("{path}: counts the events of {than}, and was last written before it"),
            false => format!("{path}: one event from {than}, and was last written before it, while in use"),
        };
        let fellow = self.claims.iter().find(|claim| claim.path == *than);
        let found = Finding::new(Kind::Older, Severity::Weakens, text)
            .of(path)
            .also(fellow.map(when))
            .because(when(claim));
        // What somebody holds is not erased, and so does not come back as a new member.
        let anew = match claim.busy {
            true => format!("it can only come back once nobody uses {path}"),
            false => format!(
                "`mdctl zero-superblock {path}` and `mdctl manage ARRAY --add {path}` make it a new member, and a --re-add might leave old data on it"
            ),
        };
        match alike {
            true => found.needs(
                "the member itself: this one is a copy of it from when the array was in use, or had its superblock put back; \
                 without it --force takes this one, and what was written since is lost from it",
            ),
            false => found.needs(format!(
                "the member itself, if this one is a copy of it from when the array was in use: what was written since is not on it. \
                 It may also be the member, cut off as the array was marked clean. The array starts without it; then {anew}"
            )),
        }
    }

    /// Slots that nobody has, or only somebody who is out of date.
    fn missing(&self) -> Vec<Finding> {
        let (Some(lineup), Some(model)) = (&self.lineup, self.model) else { return vec![] };
        let expected = model.metadata.working_slots(self.slots);
        let mut found = vec![];
        for slot in 0..model.facts.raid_disks.min(self.slots) {
            let nth = usize::try_from(slot).unwrap_or(usize::MAX);
            let seated = lineup.holders.get(nth).copied().flatten().or(lineup
                .replacements
                .get(nth)
                .copied()
                .flatten());
            if seated.is_some() {
                continue;
            }
            let counted = expected.get(nth).copied().unwrap_or(false);
            let text = format!("slot {slot} of {}: no device here is it", model.facts.raid_disks);
            let since = if counted {
                format!(
                    "{} counts on it: it worked at the last update, {}",
                    model.path,
                    self.scene.when(model.facts.updated)
                )
            } else {
                format!(
                    "it was missing or failed already at the last update, {}",
                    self.scene.when(model.facts.updated)
                )
            };
            let severity = if counted { Severity::Blocks } else { Severity::Weakens };
            let suspects = self.suspects();
            found.push(Finding::new(Kind::MemberMissing, severity, text).because(since).also(suspects));
        }
        found
    }

    /// Devices with metadata that tells nothing.
    fn suspects(&self) -> Vec<String> {
        let mut found = vec![];
        for sight in self.scene.sights {
            match &sight.found {
                Ok(device) if device.probe.found.is_empty() => {
                    found.extend(
                        device.probe.damaged.iter().map(|damage| format!("{}: {damage}", sight.path)),
                    );
                }
                Ok(_) | Err(_) => {}
            }
        }
        found
    }

    fn reshape(&self) -> Option<Finding> {
        reshape::stopped(self.model?)
    }

    /// What assembly would do now.
    fn verdict(&self, uuid: MdUuid, attempt: &Attempt) -> Vec<Finding> {
        match attempt {
            Ok((outcome, _)) => self.decided(uuid, outcome),
            Err(Stop::Nothing) => self.not_wanted(),
            Err(Stop::Refused(refusal)) => {
                let text = "it cannot be assembled as it is";
                let said = refusal.said.iter().map(|warning| warning.text.clone());
                // Only what comes before it tells anything.
                let last = (refusal.said.is_empty()).then(|| refusal.text.clone());
                let found = Finding::new(Kind::NotAssembled, Severity::Blocks, text).also(said).also(last);
                vec![Finding { command: self.forced(uuid, ""), ..found }]
            }
        }
    }

    /// What the kernel said that is not told yet.
    fn kernel_words(&self, told: &[Finding], attempt: &Attempt) -> Option<Finding> {
        let mut lines = self.kernel_lines(attempt);
        lines.retain(|line| !told.iter().any(|finding| finding.evidence.contains(line)));
        let finding = Finding::new(Kind::KernelRefused, Severity::Weakens, "the kernel said");
        (!lines.is_empty()).then(|| finding.also(lines))
    }

    fn kernel_lines(&self, attempt: &Attempt) -> Vec<String> {
        let mut names: BTreeSet<String> =
            self.claims.iter().map(|claim| member::kernel_name(self.scene, claim)).collect();
        names.extend(self.array.map(|array| array.kernel_name.clone()));
        let created = self.model.map_or(0, |model| model.facts.created);
        let names_of = names.iter().map(String::as_str).collect::<Vec<_>>();
        let level = self.model.map(|model| model.facts.level);
        let mut lines = kernel::lines(self.scene, created, &names_of, level);
        // A start that was refused left only the number that the array was to have; what the number had to do with
        // before the array's last update was not that.
        if let (None, Ok((outcome, _)), Some(model)) = (self.array, attempt, self.model) {
            let (updated, level) = (model.facts.updated, model.facts.level);
            let refused = kernel::lines_of(self.scene, updated, &[&outcome.name.kernel], Some(level));
            lines.extend(
                refused.into_iter().filter(|line| !names.iter().any(|name| line.contains(name.as_str()))),
            );
        }
        lines
    }

    /// No device may be used: they are all held, or the configuration is against it.
    fn not_wanted(&self) -> Vec<Finding> {
        if self.claims.iter().all(|claim| claim.busy) {
            return match self.array {
                Some(array) => self.left_inactive(array),
                None => vec![],
            };
        }
        let text = "the configuration keeps it down: an AUTO line, or ARRAY <ignore>";
        vec![
            Finding::new(Kind::Configured, Severity::Blocks, text)
                .needs("another line in mdadm.conf, or its devices named to mdctl assemble"),
        ]
    }

    /// All members are attached, and it has not been started.
    fn left_inactive(&self, array: &ArrayStatus) -> Vec<Finding> {
        let Some((model, lineup)) = self.model.zip(self.lineup.as_ref()) else { return vec![] };
        let clean = model.facts.clean || model.metadata.has_ppl();
        let shown = array.shown();
        match crate::plan::assemble::startable::shortage(&Shapes::of(model), &lineup.present(), clean) {
            None if !kernel::refusals(self.scene, model, &array.kernel_name).is_empty() => {
                vec![self.kernel_refused(kernel::refusals(self.scene, model, &array.kernel_name))]
            }
            None => {
                let text = "it is in the kernel with enough devices to run, and nobody has started it";
                let effect =
                    if self.is_whole() { "starts it" } else { "starts it without the missing devices" };
                let found = Finding::new(Kind::NotStarted, Severity::Blocks, text);
                vec![found.try_next(NextCommand::new(["mdctl", "run", &shown], effect))]
            }
            Some(shortage) => vec![self.short(shortage, model)],
        }
    }

    fn is_whole(&self) -> bool {
        self.lineup.as_ref().is_some_and(|lineup| lineup.present().iter().all(|here| *here))
    }

    fn decided(&self, uuid: MdUuid, outcome: &ArrayOutcome) -> Vec<Finding> {
        match &outcome.verdict {
            Verdict::Start => vec![self.startable(uuid, outcome)],
            Verdict::StartReadonly => {
                let text = "the write journal is missing or out of date, so the array can only be read";
                let journal = Finding::new(Kind::JournalMissing, Severity::Weakens, text);
                vec![self.startable(uuid, outcome), journal.needs("the journal device")]
            }
            Verdict::LeaveInactive | Verdict::Refuse(_) => self.refused(uuid, outcome),
        }
    }

    fn startable(&self, uuid: MdUuid, outcome: &ArrayOutcome) -> Finding {
        let kernels = self.array.map_or(outcome.name.kernel.as_str(), |array| array.kernel_name.as_str());
        let refusals =
            self.model.map(|model| kernel::refusals(self.scene, model, kernels)).unwrap_or_default();
        if self.model.is_some_and(|model| model.facts.level == Level::Raid0 && self.is_layout_unknown(model))
        {
            return self.layout_unknown(uuid, outcome).also(refusals);
        }
        if !refusals.is_empty() {
            return self.kernel_refused(refusals);
        }
        let count = &outcome.count;
        let whole = outcome.is_complete() && outcome.out.is_empty();
        let (kind, text) = if self.array.is_some() {
            (Kind::NotStarted, "it is in the kernel, and was not started")
        } else {
            (Kind::NotAssembled, "it is not assembled")
        };
        let enough = if count.whole >= count.slots {
            "every slot has a device that is up to date: nothing stands in the way".to_owned()
        } else {
            format!("{} of {} devices are enough to start it", count.whole, count.slots)
        };
        if let Some(found) = self.one_side(&outcome.name.path) {
            return Finding { kind, ..found };
        }
        let command = self.assemble(&outcome.name.path, uuid, count, !whole);
        Finding::new(kind, Severity::Blocks, text).because(enough).try_next(command)
    }

    /// The kernel's last word, which is later than that of the devices.
    fn kernel_refused(&self, refusals: Vec<String>) -> Finding {
        let level = self.model.map(|model| model.facts.level);
        let lacks = |level: &Level| refusals.iter().any(|line| kernel::lacks_driver(line, *level));
        if let Some((name, module)) =
            level.filter(lacks).and_then(|level| Some((level.name()?, kernel::module(level)?)))
        {
            let text = format!("the kernel had no driver for {name} when it was to start");
            let effect = "loads the driver, where this kernel has it; then mdctl assemble starts the array";
            return Finding::new(Kind::KernelRefused, Severity::Blocks, text)
                .also(refusals)
                .needs(format!("the module {module}"))
                .try_next(NextCommand::new(["modprobe", module], effect));
        }
        let text = "the kernel refused to start it, and nothing has changed on its devices since";
        let found = Finding::new(Kind::KernelRefused, Severity::Blocks, text).also(refusals);
        found.needs("what the kernel's line names; when that is mended: mdctl assemble, or mdctl explain")
    }

    /// Whether the layout matters, for members differ in size, and is not recorded: 0.90 has no place for it, and 1.x
    /// may have been made before Linux 5.4.
    fn is_layout_unknown(&self, model: &Claim) -> bool {
        let chunk = model.facts.chunk;
        let sizes: BTreeSet<_> =
            self.claims.iter().map(|claim| claim.facts.data_size.round_down(chunk)).collect();
        sizes.len() > 1 && !model.metadata.has_raid0_layout()
    }

    fn layout_unknown(&self, uuid: MdUuid, outcome: &ArrayOutcome) -> Finding {
        let text = "its members differ in size, and it is not recorded which of two layouts it has";
        let shown = self.array.map_or_else(|| outcome.name.path.clone(), ArrayStatus::shown);
        let uuid = format!("--uuid={uuid}");
        let found = Finding::new(Kind::LayoutUnknown, Severity::Blocks, text).because(
            "kernels before 3.14 wrote one, later ones the other; by the wrong one everything behind the smallest member's end is garbage",
        );
        let way = if self.model.is_some_and(|model| model.metadata.version().0 == 0) {
            "write the right number there at each start (raid0.default_layout=NUMBER on the kernel's command line): 0.90 metadata cannot record it"
        } else {
            "record it: mdctl assemble with --update=layout-original for 1, --update=layout-alternate for 2"
        };
        let found = found.needs(format!(
            "to find out: write 2 (later kernels) or 1 to /sys/module/raid0/parameters/default_layout, assemble it read-only, look whether files behind the smallest member's end are whole, stop it; then {way}"
        ));
        let effect =
            "once default_layout is 1 or 2: starts it read-only, so that looking at it changes nothing";
        found.try_next(NextCommand::new(["mdctl", "assemble", &shown, &uuid, "--readonly"], effect))
    }

    fn refused(&self, uuid: MdUuid, outcome: &ArrayOutcome) -> Vec<Finding> {
        let mut found = vec![];
        let wanted = self.model.is_some_and(|model| model.metadata.wants_journal());
        if wanted && outcome.count.journals == 0 {
            let text = "the write journal is missing: writes that only it has would be lost";
            let command = self.forced(uuid, &outcome.name.path);
            let finding =
                Finding::new(Kind::JournalMissing, Severity::Blocks, text).needs("the journal device");
            found.push(Finding { command, ..finding });
        }
        if let (Some(shortage), Some(model)) = (outcome.shortage, self.model) {
            found.push(self.other_starts(&outcome.name.path, self.short(shortage, model)));
        }
        if found.is_empty() {
            let finding = Finding::new(Kind::NotAssembled, Severity::Blocks, "it is not assembled");
            found.push(finding.because(outcome.done.clone()));
        }
        found
    }

    /// Not enough to start.
    fn short(&self, shortage: Shortage, model: &Claim) -> Finding {
        let path = self.array.map_or_else(String::new, ArrayStatus::shown);
        let here =
            self.lineup.as_ref().map_or(0, |lineup| lineup.present().iter().filter(|here| **here).count());
        let level = model.facts.level.name().unwrap_or("its level");
        let slots = model.facts.raid_disks;
        let finding = match shortage {
            Shortage::Members => Finding::new(
                Kind::NotEnough,
                Severity::Blocks,
                format!("{here} of {slots} devices up to date: not enough for {level}"),
            )
            .needs("the missing devices; or, by force, those that are out of date"),
            Shortage::Dirty => Finding::new(
                Kind::DirtyDegraded,
                Severity::Blocks,
                format!("{here} of {slots} devices up to date, and the array was being written to: its parity cannot be trusted"),
            )
            .because(format!("{}: the state is not clean, last update {}", model.path, self.scene.when(model.facts.updated)))
            .needs("the missing device; or, by force, the acceptance that blocks in flight may be wrong"),
        };
        match self.forced(model.facts.array, &path) {
            Some(command) => finding.try_next(command),
            None => finding,
        }
    }

    /// Starts the array by its identity, or by its devices where DEVICE lines may keep them from being searched; read-only where
    /// it is not as it was, so that looking at the data changes nothing.
    fn assemble(&self, path: &str, uuid: MdUuid, count: &Count, readonly: bool) -> NextCommand {
        let uuid = format!("--uuid={uuid}");
        let mut words = vec!["mdctl", "assemble", path];
        if self.scene.session.config.devices.is_some() {
            words.extend(self.claims.iter().map(|claim| claim.path.as_str()));
        } else {
            words.push(&uuid);
        }
        if readonly {
            let effect = "starts it read-only: nothing is rebuilt or written until `mdctl readwrite`";
            words.push("--readonly");
            return NextCommand::new(words, effect);
        }
        let effect = if count.whole >= count.slots {
            "starts it with all its devices".to_owned()
        } else {
            format!("starts it as it ran last: with {} of {} devices", count.whole, count.slots)
        };
        NextCommand::new(words, effect)
    }
}
