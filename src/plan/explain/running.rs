//! An array that runs: what it lacks, what it waits for.

use crate::words::{ArrayState, MemberState, SyncAction};
use superblock::{Role, Sectors};

use super::{
    ExplainScene, Explanation, Finding, Kind, NextCommand, Severity, kernel, member, names, sides::Side,
};
use crate::model::order::InOrder as _;
use crate::{
    model::{
        Geometry, human,
        status::{ArrayStatus, Health, MemberRole, MemberStatus},
    },
    plan::{
        assemble::Claim,
        histories::{Certainty, Fellow, HistoryLine, parted_with},
    },
};

/// Explains it.
pub(super) fn explain(scene: &ExplainScene<'_>, array: &ArrayStatus) -> Explanation {
    let uuid = scene.uuid_of(array);
    let claims = uuid.map(|uuid| scene.claims_of(uuid)).unwrap_or_default();
    let inside = |claim: &Claim| array.members.iter().find(|member| member.id == Some(claim.id));
    let current =
        |claim: &&Claim| inside(claim).is_some_and(|member| array.role_of(member) == MemberRole::Active);
    let fresh = claims.iter().filter(current).max_by_key(|claim| claim.facts.events).cloned();
    let work = Work { scene, array, claims: &claims, fresh: fresh.as_ref() };
    let mut findings = work.members();
    findings.extend(work.outside());
    findings.extend(work.missing());
    // What is missing comes back first: a member that still works is not replaced before that.
    findings.order_by_key(|finding| finding.kind == Kind::Worn);
    findings.extend(work.blocks());
    findings.extend(work.journal());
    findings.extend(work.state());
    findings.extend(work.sync());
    let mut findings: Vec<Finding> = findings.into_iter().map(|found| work.once_writable(found)).collect();
    if let Some(claim) = fresh.as_ref().or(claims.first()) {
        findings.extend(names::findings(scene, Some(array), claim));
    }
    if findings.iter().all(|finding| finding.severity == Severity::Note) {
        let text = "it runs, and every slot has a member that is up to date";
        findings.insert(0, Finding::new(Kind::Fine, Severity::Note, text));
    }
    let devices = member::table(&claims, |claim| work.standing(claim));
    Explanation { subject: array.shown(), uuid, summary: summary(array), devices, findings }
}

pub(super) fn summary(array: &ArrayStatus) -> String {
    let level = array.level.and_then(superblock::Level::name).unwrap_or("an array");
    let here = array.present().iter().filter(|here| **here).count();
    let health = match array.health() {
        Health::Complete => "complete",
        Health::Degraded => "degraded",
        Health::Failed => "failed: the data is not all there",
        Health::Inactive => "in the kernel, but not started",
        Health::Container => return "a container".to_owned(),
    };
    if array.is_running() {
        format!("{level}, running, {health}: {here} of {} devices in sync", array.raid_disks)
    } else {
        format!("{health}, with {} devices attached", array.members.len())
    }
}

pub(super) struct Work<'a> {
    pub(super) scene: &'a ExplainScene<'a>,
    pub(super) array: &'a ArrayStatus,
    pub(super) claims: &'a [Claim],
    /// The up-to-date member with the most events.
    pub(super) fresh: Option<&'a Claim>,
}

impl Work<'_> {
    pub(super) fn inside(&self, claim: &Claim) -> Option<&MemberStatus> {
        self.array.members.iter().find(|member| member.id == Some(claim.id))
    }

    pub(super) fn log(&self, names: &[&str]) -> Vec<String> {
        let created = self.claims.iter().map(|claim| claim.facts.created).max().unwrap_or(0);
        let of_metadata = || self.claims.first().map(|claim| claim.facts.level);
        kernel::lines(self.scene, created, names, self.array.level.or_else(of_metadata))
    }

    fn standing(&self, claim: &Claim) -> String {
        match self.inside(claim) {
            Some(member) => match self.array.role_of(member) {
                MemberRole::Active => "in sync",
                MemberRole::Rebuilding if self.array.state == ArrayState::Broken => "filled in part",
                MemberRole::Rebuilding => "being filled",
                MemberRole::Replacement => "replacement",
                MemberRole::Spare => "spare",
                MemberRole::Faulty => "failed",
                MemberRole::Journal => "journal",
                MemberRole::Attached => "attached",
            }
            .to_owned(),
            None => "not in the array".to_owned(),
        }
    }

    /// Members that failed, or are about to.
    fn members(&self) -> Vec<Finding> {
        let mut found = vec![];
        for member in &self.array.members {
            let shown = member.shown();
            let worn = member.errors > 0 || member.bad_ranges > 0;
            let mut evidence = vec![];
            if worn {
                evidence.push(format!(
                    "{} corrected read errors, {} bad block ranges ({})",
                    member.errors,
                    member.bad_ranges,
                    human::size(member.bad_sectors.bytes().0)
                ));
            }
            if member.is(&MemberState::WriteError) {
                evidence.push("the kernel saw write errors on it".to_owned());
            }
            if let Some(only) = self.only_copy(member.id) {
                found.push(self.has_only_copy(&shown, only).also(evidence));
                continue;
            }
            match self.array.role_of(member) {
                MemberRole::Faulty => found.push(self.failed(member).also(evidence)),
                _ if worn || member.is(&MemberState::WriteError) => {
                    let text = format!("{shown}: works, with errors");
                    found.push(
                        Finding::new(Kind::Worn, Severity::Weakens, text)
                            .of(&shown)
                            .also(evidence)
                            .also(self.log(&[&member.kernel_name]))
                            .needs(self.of_worn(&shown, member.bad_sectors)),
                    );
                }
                MemberRole::Active
                | MemberRole::Rebuilding
                | MemberRole::Replacement
                | MemberRole::Spare
                | MemberRole::Journal
                | MemberRole::Attached => {}
            }
        }
        found
    }

    /// A member that failed while the array ran.
    fn failed(&self, member: &MemberStatus) -> Finding {
        let (shown, array) = (member.shown(), self.array.shown());
        let gone = if member.id.is_none() { "; the device itself is gone" } else { "" };
        let effect = format!("takes the failed device out of {array}; the data stays as it is");
        let device = if member.path.is_some() { shown.clone() } else { member.kernel_name.clone() };
        let take_out = NextCommand::new(["mdctl", "manage", &array, "--remove", &device], effect);
        let text = format!("{shown}: failed while the array ran{gone}");
        let finding = Finding::new(Kind::Failed, Severity::Weakens, text)
            .of(&shown)
            .also(self.log(&[&member.kernel_name]));
        match self.lacking() {
            // What has failed as a whole may come back only with this device.
            _ if self.array.health() == Health::Failed => finding,
            Some(other) => finding.needs(format!(
                "to be kept for now: {} has bad blocks ({}), and {shown} may have what belongs there, as after a replacement that was not complete; \
                 when nothing is missing any more: {}",
                other.shown(),
                human::size(other.bad_sectors.bytes().0),
                take_out.line()
            )),
            None => finding.try_next(take_out),
        }
    }

    /// A member that serves and lacks something.
    fn lacking(&self) -> Option<&MemberStatus> {
        let serves = |member: &&MemberStatus| {
            self.array.role_of(member) == MemberRole::Active && member.bad_sectors.0 > 0
        };
        self.array.members.iter().find(serves)
    }

    fn of_worn(&self, shown: &str, bad: Sectors) -> String {
        let first = if self.array.missing().is_empty() { "" } else { "once no slot is empty any more, " };
        let array = self.array.shown();
        if bad.0 > 0 {
            return format!(
                "a look at the disk itself (smartctl -a {shown}), and at what is in its bad blocks (mdctl --examine-badblocks {shown}): \
                 where no other member has the data either, reads end with errors until it is written again; \
                 {first}a new device takes its place with: mdctl replace {array} {shown} NEW-DEVICE, and gets only what can be read"
            );
        }
        format!(
            "a look at the disk itself (smartctl -a {shown}); {first}a new device takes its place with: mdctl replace {array} {shown} NEW-DEVICE"
        )
    }

    /// Devices that say that they belong here, and do not.
    fn outside(&self) -> Vec<Finding> {
        let mut found = vec![];
        for claim in self.claims {
            let inside = self.inside(claim).is_some();
            // A path of a disk is in use by the member that stands on it.
            let below = claim.busy && self.original(claim).is_some();
            found.extend(member::troubles(self.scene, claim, inside || below));
            if inside {
                continue;
            }
            let Some(fresh) = self.fresh else { continue };
            if let Some(only) = self.only_copy(Some(claim.id)) {
                found.push(self.has_only_copy(&claim.path, only));
                continue;
            }
            match claim.facts.role {
                Role::Slot { slot, .. } => found.push(self.left_out(claim, slot, fresh)),
                Role::Spare | Role::Faulty | Role::Journal => found.push(self.spare_outside(claim)),
            }
        }
        found
    }

    /// The member of the array that has this one's identity.
    fn original(&self, claim: &Claim) -> Option<&Claim> {
        let same = |other: &&Claim| {
            other.facts.member.is_some()
                && other.facts.member == claim.facts.member
                && self.inside(other).is_some()
        };
        self.claims.iter().find(same)
    }

    /// A device with a slot's data of some time ago.
    fn left_out(&self, claim: &Claim, slot: u32, fresh: &Claim) -> Finding {
        let array = self.array.shown();
        if let Some(original) = self.original(claim) {
            return copy_of(claim, &original.path, Told::Runs);
        }
        let line = HistoryLine::of(&fresh.metadata, fresh.slots(), fresh.facts.events);
        let fellows: Vec<Fellow<'_>> = self
            .claims
            .iter()
            .map(|claim| Fellow { metadata: &claim.metadata, facts: &claim.facts })
            .collect();
        let member = Fellow { metadata: &claim.metadata, facts: &claim.facts };
        let parted = parted_with(member, &line, &fellows);
        if let Some(parted) = parted.as_ref().filter(|parted| parted.how != Certainty::Replaced) {
            let found = split(self.scene, claim, fresh, parted.how == Certainty::Sure);
            let needs = found.needs.clone().unwrap_or_default();
            let outside: Vec<&Claim> =
                self.claims.iter().filter(|claim| self.inside(claim).is_none()).collect();
            let side = Side::of(claim, &outside);
            let other = match side.command(&array) {
                Some(command) => {
                    format!("To look at the other side: mdctl stop {array}, then {}", command.line())
                }
                None => format!("The other side, {}", side.said()),
            };
            return found.needs(format!(
                "{needs}. {other}. To go on with this one: mdctl manage {array} --add --force {}, which copies everything onto it",
                claim.path
            ));
        }
        let free = self.array.missing().contains(&slot);
        let stale = member::stale(self.scene, claim, slot, fresh);
        if claim.damage.is_some() || claim.busy {
            return stale;
        }
        if !free {
            return stale.needs(format!("nothing: slot {slot} has another device; it can become a spare"));
        }
        if parted.is_none() && member::bitmap_reaches(self.scene, fresh, claim.facts.events) {
            let effect = format!(
                "takes {} back into slot {slot}; only what changed since is copied onto it, by the bitmap",
                claim.path
            );
            return stale
                .try_next(NextCommand::new(["mdctl", "manage", &array, "--re-add", &claim.path], effect));
        }
        let effect = format!(
            "{} is overwritten with the data of the other members, all of it: no bitmap reaches back",
            claim.path
        );
        stale.try_next(NextCommand::new(["mdctl", "manage", &array, "--add", &claim.path], effect))
    }

    fn spare_outside(&self, claim: &Claim) -> Finding {
        let array = self.array.shown();
        let (kind, text) = match claim.facts.role {
            Role::Faulty => {
                (Kind::MarkedFaulty, format!("{}: its own metadata says that it failed", claim.path))
            }
            Role::Journal => {
                (Kind::JournalMissing, format!("{}: was this array's journal, and is not in it", claim.path))
            }
            _ => (Kind::SpareIdle, format!("{}: was a spare of this array, and is not in it", claim.path)),
        };
        let found = Finding::new(kind, Severity::Weakens, text).of(&claim.path);
        if claim.busy || claim.damage.is_some() || claim.facts.role != Role::Spare {
            return found;
        }
        found.try_next(NextCommand::new(
            ["mdctl", "manage", &array, "--add", &claim.path],
            "makes it a spare again",
        ))
    }

    /// Slots without anybody.
    fn missing(&self) -> Vec<Finding> {
        let array = self.array.shown();
        let missing = self.array.missing();
        let mut found = vec![];
        for slot in &missing {
            let claimed =
                self.claims.iter().find(|claim| claim.slot().is_some_and(|(claimed, _)| claimed == *slot));
            let text = format!("slot {slot} of {}: no working device", self.array.raid_disks);
            let mut finding = Finding::new(Kind::MemberMissing, Severity::Weakens, text);
            finding = match claimed {
                Some(claim) if self.inside(claim).is_some() => {
                    finding.because(format!("it was {}, which failed", claim.path))
                }
                Some(claim) => finding.because(format!(
                    "last seen as {}{}, {} events, {}",
                    claim.path,
                    claim.facts.member.map(|uuid| format!(" (device UUID {uuid})")).unwrap_or_default(),
                    claim.facts.events,
                    self.scene.when(claim.facts.updated)
                )),
                None => finding
                    .because(format!("no device on this machine says that it is slot {slot} of this array")),
            };
            let room = self.fresh.map(member::room_needed);
            let room = room.map(|bytes| format!(" of {} or more", human::size(bytes.0))).unwrap_or_default();
            // Where too few are left there is nothing to fill a spare from.
            let fills = self.array.health() != Health::Failed;
            let is_spare = |member: &&MemberStatus| self.array.role_of(member) == MemberRole::Spare;
            let spare = self.array.members.iter().filter(|_| fills).find(is_spare);
            if !fills {
                found.push(finding);
                continue;
            }
            finding = match (claimed, spare) {
                (None, None) => finding.needs(format!(
                    "the missing device, or a new one{room}: mdctl manage {array} --add DEVICE"
                )),
                (_, Some(spare)) => finding.needs(format!("{}, which waits as a spare", spare.shown())),
                (Some(_), None) => finding,
            };
            found.push(finding);
        }
        found.extend(self.idle_spare(&missing));
        found.extend(self.not_enough(&missing));
        found
    }

    /// A spare that nobody uses.
    fn idle_spare(&self, missing: &[u32]) -> Option<Finding> {
        let spare =
            self.array.members.iter().find(|member| self.array.role_of(member) == MemberRole::Spare)?;
        if missing.is_empty()
            || self.array.health() == Health::Failed
            || self.array.activity.is_some()
            || self.array.action == Some(SyncAction::Frozen)
        {
            return None;
        }
        let text = format!("{}: waits as a spare although a slot is free", spare.shown());
        Some(
            Finding::new(Kind::SpareIdle, Severity::Weakens, text)
                .of(&spare.shown())
                .also(self.log(&[&spare.kernel_name, &self.array.kernel_name])),
        )
    }

    fn not_enough(&self, missing: &[u32]) -> Option<Finding> {
        let enough = |geometry: Geometry| geometry.enough(&self.array.present(), true);
        let short = !self.array.geometry().is_some_and(enough);
        let failed = self.array.health() == Health::Failed && short;
        failed.then(|| {
            let empty = self.array.present().iter().filter(|here| !**here).count();
            let what = if empty == missing.len() { "working device" } else { "device with all its data" };
            let text = format!("{empty} of {} slots have no {what}: more than {} stands", self.array.raid_disks, self.array.level.and_then(superblock::Level::name).unwrap_or("the level"));
            Finding::new(Kind::NotEnough, Severity::Blocks, text)
                .also(self.log(&[&self.array.kernel_name]))
                .needs("the devices that failed last: where they work again (cable, power), stop the array and assemble it")
                .try_next(self.stop())
        })
    }

    fn stop(&self) -> NextCommand {
        let effect =
            "stops it and changes nothing on its devices; mdctl explain says then how it is assembled";
        NextCommand::new(["mdctl", "stop", &self.array.shown()], effect)
    }

    /// Members whose blocks are larger than those of others: all of the array's are.
    fn blocks(&self) -> Vec<Finding> {
        let blocks = |claim: &Claim| {
            let device = self.scene.sight(claim).and_then(|sight| sight.found.as_ref().ok());
            device.filter(|_| self.inside(claim).is_some()).map(|device| device.logical_block)
        };
        let Some(smallest) = self.claims.iter().filter_map(blocks).min() else { return vec![] };
        let array = self.array.shown();
        let larger = |claim: &Claim| {
            let has = blocks(claim).filter(|has| *has > smallest)?;
            let text = format!(
                "{}: has logical blocks of {has} bytes, and others of {smallest}: so has {array} blocks of {has}",
                claim.path
            );
            Some(Finding::new(Kind::LargerBlocks, Severity::Weakens, text).of(&claim.path).needs(format!(
                "nothing, if {array} was made so; a file system that was made for smaller blocks cannot be used until {} has blocks of {smallest} bytes again",
                claim.path
            )))
        };
        self.claims.iter().filter_map(larger).collect()
    }

    fn journal(&self) -> Option<Finding> {
        let wanted = self.claims.iter().any(|claim| claim.metadata.wants_journal());
        let works =
            |member: &MemberStatus| member.is(&MemberState::Journal) && !member.is(&MemberState::Faulty);
        if !wanted || self.array.members.iter().any(works) {
            return None;
        }
        let text = "the write journal is missing, so the array stays read-only";
        Some(
            Finding::new(Kind::JournalMissing, Severity::Blocks, text)
                .because("its metadata asks for a journal, and no member is one")
                .also(self.log(&[&self.array.kernel_name]))
                .needs(format!(
                    "the journal device, or a new one: mdctl manage {} --add-journal DEVICE",
                    self.array.shown()
                )),
        )
    }

    /// The kernel takes nobody new into an array that is read-only; whom it takes back by a bitmap, it does.
    fn once_writable(&self, found: Finding) -> Finding {
        let read_only = self.array.state == ArrayState::ReadOnly;
        let adds = |next: &NextCommand| next.words.iter().any(|word| word == "--add");
        match found.command.clone().filter(|next| read_only && adds(next)) {
            Some(next) => found.command(None).needs(format!(
                "an array that may be written to: mdctl readwrite {}; then {}",
                self.array.shown(),
                next.line()
            )),
            None => found,
        }
    }

    fn state(&self) -> Option<Finding> {
        let array = self.array.shown();
        let write = || NextCommand::new(["mdctl", "readwrite", &array], "lets the array be written to");
        let broken = || self.log(&[&self.array.kernel_name]);
        Some(match &self.array.state {
            ArrayState::ReadOnly => {
                let text = "the array is read-only: somebody switched it, or started it so";
                Finding::new(Kind::ReadOnly, Severity::Weakens, text).also(broken()).try_next(write())
            }
            ArrayState::ReadAuto => {
                let text =
                    "the array is read-only until it is written to; then it becomes writable by itself";
                Finding::new(Kind::ReadAuto, Severity::Note, text).try_next(write())
            }
            ArrayState::Broken => {
                Finding::new(Kind::NotEnough, Severity::Blocks, "the array is broken: every write fails")
                    .also(broken())
                    .needs("the device that failed last: where it works again (cable, power), stop the array and assemble it")
                    .try_next(self.stop())
            }
            ArrayState::Suspended => {
                Finding::new(Kind::ReadOnly, Severity::Blocks, "the array is suspended: requests wait")
            }
            ArrayState::Clear
            | ArrayState::Inactive
            | ArrayState::Clean
            | ArrayState::Active
            | ArrayState::WritePending
            | ArrayState::ActiveIdle
            | ArrayState::Other(_) => return None,
        })
    }
}

/// How a copy is told from its original.
#[derive(Clone, Copy)]
pub(super) enum Told {
    /// The array runs on the original.
    Runs,
    /// The original was written later.
    OutOfDate,
    /// Not at all.
    Alike,
}

/// A copy of a member, made byte by byte: md takes either for it.
pub(super) fn copy_of(claim: &Claim, original: &str, told: Told) -> Finding {
    // The paths of one disk have its superblock, too: they are in use by the device that stands on them.
    if claim.busy {
        let text = format!("{}: has the identity of {original} and is in use", claim.path);
        return Finding::new(Kind::Copy, Severity::Note, text)
            .of(&claim.path)
            .also(Some(format!("most likely {original} stands on it, as on a path of the same disk")));
    }
    let uuid = claim.facts.member.map(|uuid| format!("both have the device UUID {uuid}"));
    let text = format!("{}: a copy of {original}", claim.path);
    Finding::new(Kind::Copy, Severity::Weakens, text)
        .of(&claim.path)
        .also(uuid)
        .needs(match told {
            Told::Runs => format!(
                "your choice: the array runs on {original}; take the copy, {}, off the machine, so that nothing takes it for {original}",
                claim.path
            ),
            Told::OutOfDate => format!(
                "your choice: {original} was written later, and is the member; take the copy, {}, off the machine, so that nothing takes it for {original}",
                claim.path
            ),
            Told::Alike => "your choice: take the one that is the copy off the machine, so that nothing takes it for the other".to_owned(),
        })
}

/// Starts these devices of an array, and nothing is written.
pub(super) fn side(path: &str, devices: &[String]) -> Vec<String> {
    let words = ["mdctl", "assemble", path, "--readonly", "--run"].map(str::to_owned);
    words.into_iter().chain(devices.iter().cloned()).collect()
}

/// Two histories: one says that the other failed. `sure`: both were written to.
pub(super) fn split(scene: &ExplainScene<'_>, claim: &Claim, fresh: &Claim, sure: bool) -> Finding {
    let line = |claim: &Claim, other: &Claim| {
        format!(
            "{}: {} events, last update {}, has {} as failed",
            claim.path,
            claim.facts.events,
            scene.when(claim.facts.updated),
            other.path
        )
    };
    let was = if sure { "was" } else { "may have been" };
    let text = format!(
        "{}: {was} written to on its own after {} was lost from it: two histories of one array",
        claim.path, fresh.path
    );
    Finding::new(Kind::Split, Severity::Weakens, text)
        .of(&claim.path)
        .because(line(claim, fresh))
        .because(format!("{}: {} events, last update {}", fresh.path, fresh.facts.events, scene.when(fresh.facts.updated)))
        .try_next(NextCommand::new(["mdctl", "examine", &claim.path, &fresh.path], "shows both histories; reads only"))
        .needs("your choice of the history to keep; what was written only to the other one is lost once it is added back")
}
