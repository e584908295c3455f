//! Changes of the shape: what is asked first, and the steps.

use raid::Reshape;
use superblock::{Level, Sectors};

use super::{
    Act, Change, GrowJob, Wish, bitmap, change, members, name,
    offsets::{Shift, shifts},
    set, store,
};
use crate::{
    model::{
        Geometry,
        detail::MetadataVersion,
        grow::{Growing, GrowingMember, ReshapeNote, WindowNote},
    },
    plan::{ArrayName, MdStep, Refusal, Step, SystemStep, course::Said, manage},
    request::DataOffset,
    words::{ArrayAttr, ArrayState, ConsistencyPolicy, MemberAttr, MemberState, SyncAction},
};

/// Permissions of notes.
pub(super) const MODE: u32 = 0o600;
/// The most slots by format: 0.90, 1.x.
const MOST: [u32; 2] = [27, 1920];

/// What is asked before anything is touched; `None` where the shape is what is wanted.
///
/// # Errors
/// In the original's words, where it refuses as well.
pub(super) fn check(job: &GrowJob, array: &Growing) -> Result<Option<Change>, Refusal> {
    let (request, shown) = (&job.request, &job.array.path);
    let refuse = |text: String| Err(Refusal::new(text));
    let now = shape(array);
    if request.level.is_some() && request.chunk.is_some() {
        return refuse("Cannot change array level in the same operation as changing chunk size.".to_owned());
    }
    let moves = matches!(now.level, Level::Raid4 | Level::Raid5 | Level::Raid6 | Level::Raid10);
    if request.data_offset.is_some() && !moves {
        return refuse("--grow --data-offset not yet supported".to_owned());
    }
    let old = matches!(array.managed.detail.metadata, MetadataVersion::Native(0, _));
    let [most_old, most] = MOST;
    let most = if old { most_old } else { most };
    if request.raid_devices.is_some_and(|devices| devices > most) {
        return refuse(format!("Cannot increase raid-disks on this array beyond {most}"));
    }
    let there = array.spares().saturating_add(u32::try_from(request.add.len()).unwrap_or(u32::MAX));
    let more = request.raid_devices.unwrap_or(0).saturating_sub(now.raid_disks);
    if more > there && !request.force {
        return Err(too_few(more, there, true));
    }
    is_free(array, shown, request.level.is_some())?;
    let wish = Wish {
        level: request.level,
        layout: request.layout.clone(),
        devices: request.raid_devices,
        chunk: request.chunk,
    };
    let mut change = change(&now, &wish, shown)?;
    if change.is_nothing() && request.data_offset.is_some() {
        change.reshape = Some(Reshape { before: now, after: now });
    }
    let same = change.is_nothing() && change.devices == now.raid_disks;
    if same {
        return Ok(None);
    }
    change.surplus = surplus(array, &change, &now);
    spares(&change, &now, there, request.force)?;
    keeps_its_size(job, array, &change)?;
    kernel_can(array, &change, shown)?;
    Ok(Some(change))
}

/// The shape, also of a RAID0, whose members say nothing of how much of them is used.
pub(super) fn shape(array: &Growing) -> Geometry {
    let now = array.geometry();
    if now.level != Level::Raid0 {
        return now;
    }
    let all = array.managed.detail.size.sectors();
    let one = Sectors(all.0.checked_div(now.raid_disks.into()).unwrap_or(0));
    Geometry { component_size: one.round_down(now.chunk), ..now }
}

fn too_few(needed: u32, there: u32, may_force: bool) -> Refusal {
    let plural = if needed == 1 { "" } else { "s" };
    let what = if may_force { "avoid degraded" } else { "create working" };
    let text = format!("Need {needed} spare{plural} to {what} array, and only have {there}.");
    if may_force {
        Refusal::new(text + "\n       Use --force to over-ride this check.")
    } else {
        Refusal::new(text)
    }
}

/// Nothing else runs, and the kernel would take a change.
fn is_free(array: &Growing, shown: &str, with_level: bool) -> Result<(), Refusal> {
    let busy = |what: &str| {
        let hint = format!("`mdctl wait {shown}` returns when it is over");
        Err(Refusal::new(format!("{shown} is performing resync/recovery and cannot be {what}")).hint(hint))
    };
    let what = if with_level { "taken over" } else { "reshaped" };
    if array.reshape_at.is_some() {
        let hint = format!(
            "`mdctl status {shown}` says how far it is, `mdctl wait {shown}` returns when it is over"
        );
        return Err(Refusal::new(format!("{shown} is being reshaped already")).hint(hint));
    }
    let syncs = [SyncAction::Resync, SyncAction::Check, SyncAction::Repair, SyncAction::Reshape];
    if array.managed.sync_action.as_ref().is_some_and(|action| syncs.contains(action)) {
        return busy(what);
    }
    match array.managed.detail.array_state {
        Some(ArrayState::ReadOnly) => {
            Err(Refusal::new(format!("{shown} is read-only")).hint(format!("mdctl readwrite {shown}")))
        }
        Some(ArrayState::Broken) => {
            Err(Refusal::new(format!("{shown} has failed: nothing of it can be changed")))
        }
        _ => Ok(()),
    }
}

/// Members that leave at once, as others hold what they hold.
fn surplus(array: &Growing, change: &Change, now: &Geometry) -> Vec<u32> {
    let serves = |slot: u32| array.members.iter().any(|member| member.serves() && member.slot == Some(slot));
    let prefers = |slot: u32| {
        let writes = |member: &GrowingMember| member.is(&MemberState::WriteMostly);
        array.members.iter().any(|member| member.slot == Some(slot) && member.serves() && !writes(member))
    };
    // Of those that hold the same, one stays.
    let group: u32 = match (now.level, change.level) {
        (Level::Raid1, Level::Raid0) => now.raid_disks,
        (Level::Raid10, Level::Raid0) => 2,
        _ => return Vec::new(),
    };
    let mut leaving = Vec::new();
    for first in (0..now.raid_disks).step_by(usize::try_from(group).unwrap_or(1).max(1)) {
        let slots = first..first.saturating_add(group).min(now.raid_disks);
        let stays =
            slots.clone().find(|slot| prefers(*slot)).or_else(|| slots.clone().find(|slot| serves(*slot)));
        leaving.extend(slots.filter(|slot| Some(*slot) != stays));
    }
    leaving
}

/// Enough members for the widest shape on the way.
fn spares(change: &Change, now: &Geometry, there: u32, force: bool) -> Result<(), Refusal> {
    let shown = change.widest(now);
    let needed = shown.saturating_sub(now.raid_disks);
    match (now.level, change.level) {
        // Two copies of everything, of which one is new.
        (Level::Raid0, Level::Raid10) if there < change.empty => Err(too_few(change.empty, there, false)),
        // Without redundancy before, none is lost by waiting for it; its data members must be there.
        (Level::Raid0, _) => {
            let data = needed.saturating_sub(change.empty);
            if there < data { Err(too_few(data, there, false)) } else { Ok(()) }
        }
        (Level::Raid1, Level::Raid1) => Ok(()),
        _ if needed > there && !force => Err(too_few(needed, there, true)),
        (Level::Raid10, _) if needed > there => Err(too_few(needed, there, false)),
        _ => Ok(()),
    }
}

/// The end of what is shown of the array stays where it is.
fn keeps_its_size(job: &GrowJob, array: &Growing, change: &Change) -> Result<(), Refusal> {
    let Some(reshape) = change.reshape else { return Ok(()) };
    let (Some(size), now) = (reshape.size(), array.managed.detail.size.sectors()) else { return Ok(()) };
    if size >= now {
        return Ok(());
    }
    let shown = &job.array.path;
    Err(Refusal::new("this change will reduce the size of the array.").hint(format!(
        "use --grow --array-size first to truncate array.\n       e.g. mdadm --grow {shown} --array-size {}",
        size.0 / 2
    )))
}

/// What the kernel does not do, in one sentence.
fn kernel_can(array: &Growing, change: &Change, shown: &str) -> Result<(), Refusal> {
    let refuse = |text: String| Err(Refusal::new(text));
    if array.managed.detail.container.is_some()
        || matches!(array.managed.detail.metadata, MetadataVersion::External(_))
    {
        return refuse(format!(
            "{shown} belongs to a container: its shape is changed through that, which is not supported"
        ));
    }
    if array.managed.detail.flags.clustered {
        return refuse(format!("{shown} is a cluster's: the kernel changes its shape on no node alone"));
    }
    match array.managed.detail.consistency_policy {
        Some(ConsistencyPolicy::Journal) => {
            return refuse(format!(
                "{shown} has a journal, and the kernel changes the shape of no such array"
            ));
        }
        Some(ConsistencyPolicy::Ppl) => {
            return Err(Refusal::new(format!(
                "{shown} has a partial parity log, and the kernel changes the shape of no such array"
            ))
            .hint(format!("mdctl grow {shown} --consistency-policy=resync")));
        }
        _ => {}
    }
    let replaced = array.members.iter().any(|member| member.is(&MemberState::Replacement));
    if replaced && change.reshape.is_some() {
        return refuse(format!(
            "a member of {shown} is being replaced, and the kernel starts no reshape until that is over"
        ));
    }
    let offset = change.reshape.filter(|reshape| reshape.after.level == Level::Raid10);
    if let Some(Reshape { before, after }) = offset {
        let far = raid::Copies::from_layout(after.layout).far.max(1);
        let rows = before.component_size.0.checked_div(after.chunk.0).unwrap_or(0);
        if rows.checked_rem(far.into()) != Some(0) {
            let fits =
                rows.saturating_sub(rows.checked_rem(far.into()).unwrap_or(0)).saturating_mul(after.chunk.0);
            return Err(Refusal::new(format!(
                "{rows} chunks of each member are no multiple of {far}, and the kernel would write behind the end of the last one"
            ))
            .hint(format!("mdctl grow {shown} --size={} makes it one, where what is on the array ends before that", fits / 2)));
        }
    }
    Ok(())
}

/// What is taken care of before devices are added: recovery waits, members leave, and the array gets the level at which its data is
/// laid out anew.
pub(super) fn prepare(job: &GrowJob, array: &Growing, change: &Change, act: &mut Act) {
    let array_name = name(job, array);
    let shown = &job.array.path;
    if array.managed.detail.array_state == Some(ArrayState::ReadAuto) {
        let from = Some(ArrayState::ReadAuto.word().to_owned());
        act.then([set(&array_name, ArrayAttr::ArrayState, from, ArrayState::Clean.word())], "");
    }
    if !array.managed.frozen && array.managed.sync_action.is_some() && is_thawed(array) {
        let freeze = Step::Md(MdStep::Freeze { array: array_name.clone() });
        act.then([freeze], format!("{shown} is performing resync/recovery and cannot be reshaped"));
    }
    leave(array, &array_name, &change.surplus, change, act);
    take_over(array, &array_name, shape(array).level, &change.before, act, shown);
    if array.managed.sync_action.is_none() && !change.before.is_empty() {
        // Without redundancy it had no recovery to wait.
        act.then([Step::Md(MdStep::Freeze { array: array_name })], "");
    }
}

fn is_thawed(array: &Growing) -> bool {
    array.managed.sync_action != Some(SyncAction::Frozen)
}

/// Members that leave: those whose data others hold, and those without any where the level has no use for them.
fn leave(array: &Growing, array_name: &ArrayName, slots: &[u32], change: &Change, act: &mut Act) {
    let bare = change.level == Level::Raid0 && change.reshape.is_none();
    for member in &array.members {
        let leaves = member.slot.is_some_and(|slot| slots.contains(&slot));
        if !(leaves || bare && member.is_spare()) {
            continue;
        }
        out(array_name, member, act);
    }
}

/// One member leaves.
fn out(array_name: &ArrayName, member: &GrowingMember, act: &mut Act) {
    let shown = members::shown(member);
    if member.slot.is_some() && !member.is(&MemberState::Faulty) {
        let fail = MdStep::Fail { array: array_name.clone(), member: members::named(member) };
        act.then([Step::Md(fail)], format!("cannot take {shown} out: "));
    }
    if let Some(dev) = member.dev {
        let withdraw = MdStep::Withdraw { array: array_name.clone(), device: shown.clone(), dev };
        act.then([Step::Md(withdraw)], format!("cannot take {shown} out: "));
    }
}

/// One level after the other.
fn take_over(array: &Growing, array_name: &ArrayName, from: Level, to: &[Level], act: &mut Act, shown: &str) {
    let mut now = from;
    for level in to {
        if *level == Level::Raid0 {
            act.then(bitmap::remove(array, array_name), "failed to remove internal bitmap.");
        }
        let (word, was) = (level.name().unwrap_or_default(), now.name().map(str::to_owned));
        act.then(
            [set(array_name, ArrayAttr::Level, was, word)],
            format!("{shown}: could not set level to {word}"),
        );
        act.said.push(Said::note(format!("level of {shown} changed to {word}")));
        now = *level;
    }
}

/// Lays data out anew: by moving it, where every member has room for that, else part by part, each set aside meanwhile.
///
/// # Errors
/// A place of the data was asked for that cannot be, or there is none where it could be set aside.
pub(super) fn reshape(
    job: &GrowJob,
    array: &Growing,
    change: &Change,
    reshape: &Reshape,
    act: &mut Act,
) -> Result<(), Refusal> {
    let array_name = name(job, array);
    let shown = &job.array.path;
    let wanted = match job.request.data_offset {
        Some(DataOffset::Fixed(at)) => Some(at),
        Some(DataOffset::Variable) | None => None,
    };
    let window = match shifts(array, reshape, wanted)? {
        Some(shifts) => {
            offsets(&array_name, &shifts, act);
            store::steps(reshape, &shifts)
        }
        None => Some(store::window(shown, job.request.backup_file.is_some(), array, reshape)?),
    };
    if let Some(window) = &window {
        store::make(shown, job.now, array, window, act);
        store::stand(&array_name, window, act, shown);
    }
    geometry(array, &array_name, reshape, act, shown);
    if !change.after.is_empty() || !change.before.is_empty() || window.is_some() {
        act.then(note(job, array, change, reshape, window), "");
    }
    let (from, to) = (SyncAction::Frozen, SyncAction::Reshape);
    act.then(
        [set(&array_name, ArrayAttr::SyncAction, Some(from.to_string()), to.to_string()), Step::Commit],
        "Failed to initiate reshape!",
    );
    Ok(())
}

fn offsets(array_name: &ArrayName, shifts: &[Shift], act: &mut Act) {
    let up = shifts.iter().any(|shift| shift.to > shift.from);
    let (now, to) = if up { ("forwards", "backwards") } else { ("backwards", "forwards") };
    let direction = set(array_name, ArrayAttr::ReshapeDirection, Some(now.to_owned()), to);
    // As it is unless somebody else has changed it: the undo of a change that changes nothing need not be one.
    act.then(up.then_some(direction), "Cannot set the direction of the reshape");
    for Shift { member, from, to, all_of_it } in shifts {
        let all = MdStep::SetMember {
            array: array_name.clone(),
            member: member.clone(),
            attr: MemberAttr::Size,
            value: "0".to_owned(),
        };
        act.then(all_of_it.then_some(Step::Md(all)), "");
        let (array, member, from, to) = (array_name.clone(), member.clone(), *from, *to);
        let text = format!("Cannot set new_offset for {}: ", member.shown);
        act.then([Step::Md(MdStep::Shift { array, member, from, to })], text);
    }
}

fn geometry(array: &Growing, array_name: &ArrayName, reshape: &Reshape, act: &mut Act, shown: &str) {
    let Reshape { before, after } = reshape;
    let needed = reshape.cache().unwrap_or(0);
    if before.level != Level::Raid10 && array.stripe_cache.is_none_or(|has| has < needed) {
        let (attr, value) = (ArrayAttr::StripeCacheSize, needed.to_string());
        let cache = MdStep::SetAttr { array: array_name.clone(), attr, value, optional: true };
        act.then([Step::Md(cache)], format!("{shown}: the kernel has no memory for its stripes: "));
    }
    let pairs = [
        (ArrayAttr::ChunkSize, before.chunk.bytes().0, after.chunk.bytes().0),
        (ArrayAttr::Layout, before.layout.into(), after.layout.into()),
        (ArrayAttr::RaidDisks, before.raid_disks.into(), after.raid_disks.into()),
    ];
    for (attr, from, to) in pairs.into_iter().filter(|(_, from, to)| from != to) {
        let step = set(array_name, attr, Some(from.to_string()), to.to_string());
        act.then([step], format!("Cannot set device shape for {shown}: "));
    }
}

/// What comes when the reshape is over.
fn note(
    job: &GrowJob,
    array: &Growing,
    change: &Change,
    reshape: &Reshape,
    window: Option<WindowNote>,
) -> Option<Step> {
    let levels = change.after.iter().filter_map(|level| level.name()).map(str::to_owned).collect();
    let note = ReshapeNote::new(job.now, &reshape.after, levels, change.without_parity).with_window(window);
    let mut back: Vec<Level> = change.before.iter().rev().skip(1).copied().collect();
    if !change.before.is_empty() {
        back.push(change.from);
    }
    let without_parity = back.last() == Some(&Level::Raid0);
    let back = back.iter().filter_map(|level| level.name()).map(str::to_owned).collect();
    let note = note.with_way_back(back, without_parity);
    let path = array.note_file()?;
    Some(Step::System(SystemStep::WriteFile { path, text: note.text(), mode: MODE }))
}

/// What was noted of an earlier change that never came to its end.
pub(super) fn forget(array: &Growing) -> Option<Step> {
    let file = array.note.as_ref().and_then(|_| array.note_file())?;
    Some(Step::System(SystemStep::RemoveFile { file }))
}

/// Under the lock of the map, after a second look at the members.
pub(super) fn locked(job: &GrowJob, array: &Growing, act: &mut Act) {
    act.then([Step::System(SystemStep::LockMap)], "");
    act.then(manage::states(&array.managed, &name(job, array)), "");
}

/// The last levels, once the array has the shape for them, or has it already.
pub(super) fn finish(
    array: &Growing,
    array_name: &ArrayName,
    levels: &[Level],
    without_parity: bool,
    act: &mut Act,
) {
    let now = shape(array);
    let shown = array_name.path.clone();
    let Some((last, before)) = levels.split_last() else { return };
    take_over(array, array_name, now.level, before, act, &shown);
    if without_parity {
        // RAID6 loses its last member by the takeover before; it is a spare then, and leaves as well.
        let slots = now.raid_disks.saturating_sub(u32::try_from(before.len()).unwrap_or(0));
        for member in &array.members {
            let has_parity = member.slot.is_some_and(|slot| slot.saturating_add(1) >= slots);
            if has_parity || member.is_spare() {
                out(array_name, member, act);
            }
        }
    }
    let from = before.last().copied().unwrap_or(now.level);
    take_over(array, array_name, from, &[*last], act, &shown);
}

/// Of two members, which hold the same whatever the layout: the kernel takes it at once.
pub(super) fn at_once(
    array: &Growing,
    array_name: &ArrayName,
    reshape: &Reshape,
    act: &mut Act,
    shown: &str,
) {
    geometry(array, array_name, reshape, act, shown);
}

/// The number of a mirror's slots.
pub(super) fn slots(job: &GrowJob, array: &Growing, change: &Change, act: &mut Act) {
    let now = array.geometry();
    if now.level != Level::Raid1 || change.level != Level::Raid1 || change.devices == now.raid_disks {
        return;
    }
    let shown = &job.array.path;
    let (from, to) = (now.raid_disks.to_string(), change.devices.to_string());
    act.then(
        [set(&name(job, array), ArrayAttr::RaidDisks, Some(from), to.clone())],
        "failed to set raid disks",
    );
    act.said.push(Said::line(format!("raid_disks for {shown} set to {to}")));
}

/// Recovery may start again.
pub(super) fn thaw(array: &Growing, array_name: &ArrayName, before: &[Level]) -> Option<Step> {
    let frozen = array.managed.sync_action.is_some() || !before.is_empty();
    frozen.then(|| Step::Md(MdStep::Thaw { array: array_name.clone() }))
}

/// The level before, by the way that led from it.
pub(super) fn back(array_name: &ArrayName, level: Level, way: &[Level]) -> Vec<Step> {
    let mut levels: Vec<Level> = [level].into_iter().chain(way.iter().copied()).collect();
    let mut steps = Vec::new();
    while let Some(from) = levels.pop() {
        if let Some(to) = levels.last() {
            let word = |level: Level| level.name().unwrap_or_default().to_owned();
            steps.push(set(array_name, ArrayAttr::Level, Some(word(from)), word(*to)));
        }
    }
    steps
}
