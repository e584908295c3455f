//! More room or less: metadata, the device, and the file system in it.
//!
//! Growing: the longer table waits in the kernel before the metadata is committed, and becomes live after it. Shrinking is
//! the other way round: file system, device, metadata, so that nothing ever reaches beyond its end.

use superblock::{
    Bytes,
    foreign::Kind as Content,
    lvm::{Group, Stamp},
};

use super::{
    change::Decided,
    create::below,
    devices::{finder, head_of, load, resume},
    edit::{self, Means, Resized},
    fs::FsStep,
    groups, metadata, mover, rollback,
    snapshot::{self, StoreState},
    tree::{self, Family, Moment, Wanted},
};
use crate::{
    model::{
        active::Active,
        dm::name,
        human,
        volume::{FoundGroup, GroupLook, GroupSeen},
    },
    plan::{
        Plan, Refusal, Step, Warning,
        critical::{Commit, Critical},
        dm::{Before, DmStep},
    },
    request::volume::ResizeRequest,
};

/// Programs that change the size of file systems.
const TOOLS: [&str; 3] = ["e2fsck", "resize2fs", "xfs_growfs"];

/// What is known of the file system in a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inside {
    /// What was recognised, and how large it says that it is.
    pub content: Option<(Content, Option<Bytes>)>,
    /// Where it is mounted.
    pub mounted: Option<String>,
    /// By whom else it is held.
    pub holders: Vec<String>,
    /// Tools of file systems that this machine does not have.
    pub absent: Vec<String>,
}

/// What a change of a size looks at.
#[must_use]
pub fn look(request: &ResizeRequest, command: &str) -> GroupLook {
    GroupLook {
        name: request.name.group.clone(),
        command: command.to_owned(),
        paths: edit::paths(request.on.iter()),
        below: true,
        inside: Some(request.name.volume.clone()),
        tools: TOOLS.map(str::to_owned).to_vec(),
        ..GroupLook::default()
    }
}

/// Decides by what was seen.
///
/// # Errors
/// As [`plan`]; the size is none that the volume can have, or what has to be known of it could not be read.
pub fn decide(seen: &GroupSeen, request: &ResizeRequest) -> Decided {
    let found = groups::named(&seen.groups, &seen.name)?;
    let mut said = below(found, &seen.below)?;
    let pv_of = |path: &str| edit::pv_of(found, seen, path);
    let mut after = found.group.clone();
    let resized = edit::resize(&mut after, request, &Means::of(seen, found, &pv_of))?;
    let driver = rollback::store(&found.group, &seen.active, &request.name.volume);
    let store = StoreState::of(driver, seen.inside.as_ref().and_then(|inside| inside.store.clone()));
    snapshot::check_resized(&found.group, &after, &request.name, &store)?;
    let matters = request.fs || resized.after < resized.before;
    let inside = if matters { inside(seen, found, request)? } else { Inside::default() };
    let decided = plan((found, &seen.active), (&after, &resized), request, &inside, &seen.stamp)?;
    Ok(decided.map(|mut plan| {
        said.append(&mut plan.warnings);
        plan.warnings = said;
        plan
    }))
}

/// What is in the volume, and who uses it.
fn inside(seen: &GroupSeen, found: &FoundGroup, request: &ResizeRequest) -> Result<Inside, Refusal> {
    let group = &found.group;
    // What a snapshot's store has is not a file system.
    if group.snapshot_in(&request.name.volume).is_some() {
        return Ok(Inside::default());
    }
    let content = match seen.inside.as_ref().map(|inside| &inside.content) {
        Some(Ok(content)) => *content,
        Some(Err(why)) => return Err(Refusal::new(why)),
        None => None,
    };
    let device = name::join(&group.name, &request.name.volume, None);
    let active = seen.active.devices.iter().find(|one| one.info.name == device);
    let holders = active.map(|one| one.holders.clone()).unwrap_or_default();
    let at = |holder: &String| holder.strip_prefix("the file system mounted at ").map(str::to_owned);
    Ok(Inside { content, mounted: holders.iter().find_map(at), holders, absent: seen.absent.clone() })
}

/// The plan; `None` where the size is what it was, and the file system fills it where it is asked for.
///
/// # Errors
/// The group may only be read, or what is in the volume stands against it.
pub fn plan(
    (found, active): (&FoundGroup, &Active),
    (after, resized): (&Group, &Resized),
    request: &ResizeRequest,
    inside: &Inside,
    stamp: &Stamp,
) -> Result<Option<Plan>, Refusal> {
    let what = request.name.to_string();
    if resized.after == resized.before {
        let size = found.group.sectors(resized.after).bytes();
        return if request.fs { fill((found, active), request, inside, size) } else { Ok(None) };
    }
    mover::refuse_moving(&found.group, &request.name.volume)?;
    let grows = resized.after > resized.before;
    let volume = &request.name.volume;
    let origin = found.group.snapshots_of(volume).next().is_some();
    let head = head_of(&found.group, volume).to_owned();
    let before = wanted(found, &found.group, &head, active)?;
    if origin && (!grows || !before.is_empty()) {
        return Err(with_snapshots(&what, &found.group.name, grows));
    }
    let size = after.sectors(resized.after).bytes();
    // Without udev there are no other names.
    let path = format!("/dev/mapper/{}", name::join(&found.group.name, volume, None));
    let is_active = !before.is_empty();
    let tools = if grows {
        growth(&what, &path, request.fs, is_active, inside)?
    } else {
        shrinkage(&what, &path, request, size, is_active, inside)?
    };
    tools.refuse_absent(&inside.absent)?;
    let change = metadata::change(found, after, stamp, false)?;
    let mut warnings: Vec<Warning> = resized.said.iter().cloned().collect();
    warnings.extend(tools.said.into_iter().chain(change.warnings.iter().map(Warning::note)));
    let mut steps = change.before;
    steps.extend(tools.before.into_iter().map(Step::Fs));
    let later = wanted(found, after, &head, active)?;
    let commit =
        Commit { group: after.name.clone(), seqno: change.group.seqno.into(), writes: change.commit_writes };
    if head != *volume {
        steps.extend(store(&before, &later, commit));
    } else {
        let changed: Vec<(&Wanted, Before)> =
            later.iter().filter_map(|one| changed(one, &before, active)).collect();
        steps.extend(changed.iter().map(|(one, _)| load(one)));
        let live = changed.iter().map(|(one, before)| resume(one, Some(before.clone())));
        if grows {
            steps.extend([change.commit, Step::Commit]);
            steps.extend(live);
        } else {
            steps.extend(live);
            steps.extend([change.commit, Step::Commit]);
        }
    }
    if is_active {
        steps.push(Step::Dm(DmStep::WaitForUdev));
    }
    steps.extend(change.after);
    steps.extend(tools.after.into_iter().map(Step::Fs));
    let old = human::size(found.group.sectors(resized.before).bytes().0);
    let summary = format!("resize {what} from {old} to {}", human::size(size.0));
    Ok(Some(Plan { summary, steps, warnings }))
}

/// The volume has its size already, and the file system in it may not: an earlier command may have come no further.
fn fill(
    (found, active): (&FoundGroup, &Active),
    request: &ResizeRequest,
    inside: &Inside,
    size: Bytes,
) -> Result<Option<Plan>, Refusal> {
    let what = request.name.to_string();
    let own = inside.content.as_ref().and_then(|(_, own)| *own);
    if own.is_some_and(|own| own >= size) {
        return Ok(None);
    }
    let volume = &request.name.volume;
    let is_active = !wanted(found, &found.group, head_of(&found.group, volume), active)?.is_empty();
    let path = format!("/dev/mapper/{}", name::join(&found.group.name, volume, None));
    let tools = growth(&what, &path, true, is_active, inside)?;
    tools.refuse_absent(&inside.absent)?;
    let tool = tools.after.into_iter().map(Step::Fs);
    let steps = std::iter::once(Step::Commit).chain(tool).collect();
    let summary = format!("grow the file system in {what} to {}", human::size(size.0));
    Ok(Some(Plan { summary, steps, warnings: tools.said }))
}

fn with_snapshots(what: &str, group: &str, grows: bool) -> Refusal {
    if grows {
        Refusal::new(format!("{what} has snapshots and is active: it cannot grow now"))
            .hint(format!("mdctl volume deactivate {what}, resize it, and activate it again"))
    } else {
        Refusal::new(format!("{what} has snapshots: it cannot become smaller"))
            .hint(format!("mdctl volume list {group} shows them; remove them first"))
    }
}

/// A snapshot's store: everything that uses it is held back for the moment.
fn store(before: &[Wanted], later: &[Wanted], commit: Commit) -> Vec<Step> {
    let hold = before.iter().map(|one| one.name.clone()).collect();
    let moment = Moment { hold, freeze: false, commit: Some(commit) };
    let moved = tree::transition(before, later, moment);
    let critical: Critical = moved.critical;
    let mut steps = moved.prepare;
    steps.extend([Step::Critical(Box::new(critical)), Step::Commit]);
    steps.extend(moved.cleanup);
    steps
}

/// The devices that a volume has and should have; none where it is not active.
fn wanted(found: &FoundGroup, group: &Group, head: &str, active: &Active) -> Result<Vec<Wanted>, Refusal> {
    let find = finder(found);
    let family = match Family::of(group, head, &find) {
        Ok(family) => family,
        Err(why) => return Err(super::devices::no_devices(found, &why)),
    };
    let wanted = family.wanted();
    let any = wanted.iter().any(|one| active.with(&one.uuid).is_some());
    Ok(if any { wanted } else { Vec::new() })
}

fn changed<'a>(one: &'a Wanted, before: &[Wanted], active: &Active) -> Option<(&'a Wanted, Before)> {
    let was = before.iter().find(|was| was.uuid == one.uuid)?;
    let there = active.with(&one.uuid).filter(|_| was.table != one.table)?;
    Some((one, Before { table: there.table.clone(), read_only: there.info.read_only }))
}

/// Runs of tools, and what should be said.
#[derive(Debug, Default)]
struct Tools {
    before: Vec<FsStep>,
    after: Vec<FsStep>,
    said: Vec<Warning>,
}

impl Tools {
    /// Nothing is begun that could not be ended.
    fn refuse_absent(&self, absent: &[String]) -> Result<(), Refusal> {
        let needed = self.before.iter().chain(&self.after).map(|step| step.command().0);
        match needed.into_iter().find(|program| absent.iter().any(|absent| absent == program)) {
            Some(program) => {
                Err(Refusal::new(format!("{program} is not installed, and the file system needs it"))
                    .hint("without --fs the volume alone is resized"))
            }
            None => Ok(()),
        }
    }
}

fn growth(what: &str, path: &str, fs: bool, is_active: bool, inside: &Inside) -> Result<Tools, Refusal> {
    let mut tools = Tools::default();
    if !fs {
        return Ok(tools);
    }
    if !is_active {
        return Err(not_active(what));
    }
    match (&inside.content, &inside.mounted) {
        (Some((kind, _)), mounted) if kind.is_ext() => {
            if mounted.is_none() {
                tools.after.push(FsStep::CheckExt { device: path.to_owned() });
            }
            tools.after.push(FsStep::ResizeExt { device: path.to_owned(), size: None });
        }
        (Some((Content::Xfs, _)), Some(at)) => tools.after.push(FsStep::GrowXfs { mounted: at.clone() }),
        (Some((Content::Xfs, _)), None) => {
            return Err(Refusal::new(format!("{what}: xfs grows only where it is mounted"))
                .hint(format!("mount {path} first, or leave out --fs and run xfs_growfs later")));
        }
        (Some((kind, _)), _) => return Err(other_kind(what, kind.name())),
        (None, _) => {
            return Err(Refusal::new(format!("{what}: no file system is found in it"))
                .hint("without --fs the volume alone is resized"));
        }
    }
    Ok(tools)
}

fn not_active(what: &str) -> Refusal {
    Refusal::new(format!("{what} is not active: its file system cannot be resized"))
        .hint(format!("mdctl volume activate {what}"))
}

fn other_kind(what: &str, kind: &str) -> Refusal {
    Refusal::new(format!("{what}: {kind} is not resized by this program"))
        .hint("resize it by its own tools; without --fs the volume alone is resized")
}

fn shrinkage(
    what: &str,
    path: &str,
    request: &ResizeRequest,
    size: Bytes,
    is_active: bool,
    inside: &Inside,
) -> Result<Tools, Refusal> {
    let mut tools = Tools::default();
    let beyond = |own: &Option<Bytes>| own.is_none_or(|own| own > size);
    match (&inside.content, request.fs) {
        (Some((kind, own)), true) if kind.is_ext() && beyond(own) => {
            if !is_active {
                return Err(not_active(what));
            }
            unmounted(what, inside)?;
            tools.before.push(FsStep::CheckExt { device: path.to_owned() });
            tools.before.push(FsStep::ResizeExt { device: path.to_owned(), size: Some(size) });
        }
        (Some((kind, own)), true) if beyond(own) => return Err(never_smaller(what, *kind)),
        (Some((kind, Some(own))), _) if *own > size && !request.force => {
            let shown = human::size(own.0);
            let refusal = Refusal::new(format!(
                "{what} has {} of {shown} in it: the end of it would be lost",
                kind.name()
            ));
            return Err(if kind.is_ext() {
                refusal.hint("--fs makes the file system smaller first")
            } else {
                refusal.hint("--force shrinks the volume all the same")
            });
        }
        (Some((kind, None)), _) if !request.force => {
            return Err(Refusal::new(format!(
                "{what}: how large the {} in it is cannot be told",
                kind.name()
            ))
            .hint("make it smaller by its own tools; then --force shrinks the volume"));
        }
        (None, true) => {
            return Err(Refusal::new(format!("{what}: no file system is found in it"))
                .hint("without --fs the volume alone is made smaller; what is beyond its new end is lost"));
        }
        (None, false) if !request.force => {
            tools.said.push(Warning::ask(format!(
                "{what}: nothing is recognised in it; what is beyond {} is lost",
                human::size(size.0)
            )));
        }
        _ => {}
    }
    Ok(tools)
}

/// Whether nobody can, or who can.
fn never_smaller(what: &str, kind: Content) -> Refusal {
    let not_by_us = |hint: &str| {
        Refusal::new(format!("{what}: mdctl does not make {} smaller", kind.name())).hint(hint.to_owned())
    };
    match kind {
        Content::Xfs => Refusal::new(format!("{what}: xfs cannot be made smaller, by no tool"))
            .hint("copy its files to a new volume"),
        Content::Swap => {
            not_by_us("swapoff it, make the volume smaller with --force, then mkswap and swapon")
        }
        Content::Ntfs => not_by_us("ntfsresize makes it smaller; then the volume without --fs"),
        Content::Btrfs => not_by_us("btrfs filesystem resize makes it smaller; then the volume without --fs"),
        _ => not_by_us("make it smaller by its own tools, if they can; then the volume without --fs"),
    }
}

fn unmounted(what: &str, inside: &Inside) -> Result<(), Refusal> {
    if let Some(at) = &inside.mounted {
        return Err(Refusal::new(format!(
            "{what} is mounted at {at}: ext4 is made smaller only where it is not"
        ))
        .hint(format!("umount {at}")));
    }
    match inside.holders.first() {
        Some(holder) => Err(Refusal::new(format!("{what} is in use by {holder}"))),
        None => Ok(()),
    }
}
