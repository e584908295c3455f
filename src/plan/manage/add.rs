//! Adding devices: again, where they were members and the kernel takes them as such, else as new ones.

use crate::{
    model::{
        Device, Unusable,
        detail::MemberSuperblock,
        manage::{ManageSubject, Managed, WrittenOver},
    },
    plan::{DiskInfo, DiskStep, MdStep, Refusal, Step, SystemStep, Warning, create, disk_state},
    request::ManageOp,
    words::{ArrayState, MemberState},
};
use superblock::{
    Bytes, Format, Judge, MdUuid, Native, Sectors, Unverified, Write, journal, ppl, v0,
    v1::{DevFlags, Newcomer},
};

use super::{
    Attempt, Copy, KernelRefusal, ManageContext, ManageDecision, Otherwise, Todo, already,
    apart::{self, Apart},
    copy, freeze, is_member_array, look_again, readd,
};

/// More than this 0.90 metadata cannot describe.
const MOST_OF_V0: Bytes = Bytes(4 << 40);

/// Decides how a device is added.
pub(super) fn add(
    todo: &Todo,
    array: &Managed,
    subject: &ManageSubject,
    context: &ManageContext,
) -> Result<ManageDecision, Refusal> {
    if is_member_array(array) {
        return Err(Refusal::new(
            "Cannot add disks to a 'member' array, perform this operation on the parent container",
        ));
    }
    if array.detail.not_persistent && todo.op == ManageOp::ReAdd {
        // The kernel would believe it to be up to date, for there is nothing that tells.
        let (word, kernel) = (&todo.word, &context.array.kernel);
        return Err(Refusal::new(format!(
            "Cannot re-add member device {word} to {kernel}, array is not persistent, aborting."
        )));
    }
    let mut ways: Vec<Attempt> = readd::attached(todo, array, subject, context).into_iter().collect();
    if let Some(Ok(device)) = subject.seen.as_ref().map(|seen| &seen.found).filter(|_| !ways.is_empty()) {
        // What the others have is copied onto it where it stands, too.
        apart::keep_only_copy(todo, array, device, subject, context)?;
    }
    if let Some(way) = &mut ways.first_mut().filter(|_| todo.found) {
        // A failed member that the kernel does not take back where it stands is taken out and comes anew.
        way.refused = KernelRefusal::Quietly(String::new());
        let again = |op| Todo { op, found: false, ..todo.clone() };
        let instead = vec![again(ManageOp::Remove), again(ManageOp::ReAdd)];
        return Ok(ManageDecision {
            ways,
            otherwise: Otherwise::Instead(instead),
            counts: true,
            marked: None,
        });
    }
    let rest = detached(todo, array, subject, context);
    match rest {
        // Nothing led on, and nobody asked for more.
        Err(_) if todo.quiet => Ok(ManageDecision { ways, ..ManageDecision::default() }),
        Err(refusal) if ways.is_empty() => Err(refusal),
        Err(refusal) => {
            Ok(ManageDecision { ways, otherwise: Otherwise::Refuse(refusal), counts: true, marked: None })
        }
        Ok((more, otherwise)) => {
            ways.extend(more);
            Ok(ManageDecision { ways, otherwise, counts: true, marked: None })
        }
    }
}

/// What was written over its data since it was a member, where the superblock that it has is this array's.
fn written_over<'a>(array: &Managed, device: &Device, subject: &'a ManageSubject) -> Option<&'a WrittenOver> {
    let uuid = superblock_of(array, device)?.fields().membership().array.to_string();
    subject.written_over.as_ref().filter(|written_over| written_over.array == uuid)
}

/// Its superblock says that it missed little, and it lacks more than that.
fn no_way_back(todo: &Todo, written_over: &WrittenOver, context: &ManageContext) -> Refusal {
    let (word, shown) = (&todo.word, &context.array.path);
    let by = &written_over.by;
    Refusal::new(format!(
        "{word} cannot come back as what it was: an undo brought its superblock back, and {by} may have written over its data"
    ))
    .hint(format!("mdctl manage {shown} --add {word} copies everything onto it"))
}

/// A device that is not a member now.
fn detached(
    todo: &Todo,
    array: &Managed,
    subject: &ManageSubject,
    context: &ManageContext,
) -> Result<(Vec<Attempt>, Otherwise), Refusal> {
    let device =
        device(todo, subject).map_err(|refusal| is_member(todo, subject, array, context, refusal))?;
    unused(todo, device, context)?;
    let mut remarks = Vec::new();
    if let Some(twin) = subject.twin.as_ref().filter(|_| !context.force) {
        let (word, shown) = (&todo.word, &context.array.path);
        let text =
            format!("{word} is a copy of {twin}, which serves in {shown}: both have the same device UUID");
        return Err(Refusal::new(text).hint("--force overwrites its metadata and adds it as a new device"));
    }
    let apart = Apart::of(array, device).filter(|_| todo.op != ManageOp::ClusterConfirm);
    // An old member may be made a new one, where the others were replaced since.
    if let Some(apart) = apart.as_ref().filter(|apart| apart.has_its_own() || todo.op == ManageOp::ReAdd) {
        let refusal = apart.refusal(todo, array, context);
        if todo.quiet {
            return Ok((Vec::new(), Otherwise::Warn(refusal)));
        }
        // Not even by force does anything believe that it has missed no write.
        if todo.op == ManageOp::ReAdd || !context.force {
            return Err(refusal);
        }
        remarks.push(apart.lost(&todo.word, context));
    }
    let written_over = written_over(array, device, subject);
    if let Some(written_over) = written_over.filter(|_| todo.op != ManageOp::ClusterConfirm) {
        let refusal = no_way_back(todo, written_over, context);
        if todo.op == ManageOp::ReAdd {
            return if todo.quiet { Ok((Vec::new(), Otherwise::Warn(refusal))) } else { Err(refusal) };
        }
        remarks.push(Warning::note(refusal.text));
    }
    apart::keep_only_copy(todo, array, device, subject, context)?;
    fits_v0(todo, array, device, context, &mut remarks)?;
    same_blocks(todo, array, device, context)?;
    if array.detail.not_persistent {
        big_enough(todo, array, device.sectors())?;
        return Ok((vec![fresh(todo, array, device, context, Vec::new())?], Otherwise::Nothing));
    }
    let sample = array.detail.superblock.as_ref();
    if sample.is_none() && matches!(todo.op, ManageOp::Add | ManageOp::AddSpare) {
        return Err(Refusal::new(format!("cannot load array metadata from {}", context.array.path)));
    }
    if let Some(sample) = sample.filter(|_| todo.op != ManageOp::AddJournal) {
        big_enough(todo, array, room(sample, device))?;
    }
    let mut ways = Vec::new();
    if todo.op != ManageOp::AddSpare && apart.is_none() && written_over.is_none() {
        ways.extend(readd::former(todo, array, device, context)?);
    }
    let new = newcomer(todo, array, device, context);
    match new {
        Err(refusal) if todo.quiet => Ok((ways, Otherwise::Mention(refusal.text))),
        Err(refusal) => Ok((ways, Otherwise::Refuse(refusal))),
        Ok(way) => {
            ways.push(way);
            for way in &mut ways {
                way.plan.warnings.clone_from(&remarks);
            }
            Ok((ways, Otherwise::Nothing))
        }
    }
}

/// Who holds it is the array itself: then it is said as what.
fn is_member(
    todo: &Todo,
    subject: &ManageSubject,
    array: &Managed,
    context: &ManageContext,
    refusal: Refusal,
) -> Refusal {
    let (word, shown) = (&todo.word, &context.array.path);
    let link = subject.dev.and_then(|dev| array.link_of(dev));
    let Some(link) = link.filter(|link| !link.is(&MemberState::Faulty)) else { return refusal };
    match already::not_yet(word, subject.dev, array, shown) {
        Ok(()) => refusal.hint(format!("{word} is a member of {shown} already: {}", already::role(link))),
        Err(already) => {
            let hint = already.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            refusal.hint(format!("{}{hint}", already.text))
        }
    }
}

/// The device, if it is free.
pub(super) fn device<'a>(todo: &Todo, subject: &'a ManageSubject) -> Result<&'a Device, Refusal> {
    let cannot = |why: &str| Refusal::new(format!("Cannot open {}: {why}", todo.word));
    let found = subject.seen.as_ref().map(|seen| &seen.found);
    match found {
        Some(Ok(device)) if device.busy => {
            let refusal = cannot("Device or resource busy");
            Err(match device.holders.as_slice() {
                [] => refusal,
                holders => refusal.hint(format!("{} is held by {}", todo.word, holders.join(", "))),
            })
        }
        Some(Ok(device)) => Ok(device),
        Some(Err(Unusable::NotBlock)) => Err(Refusal::new(format!("{} is not a block device.", todo.word))),
        Some(Err(Unusable::Open(why) | Unusable::Broken(why) | Unusable::Silent(why))) => Err(cannot(why)),
        None => Err(cannot("No such device")),
    }
}

/// The kernel gives away what is only used and not claimed; what its users have there would be overwritten.
fn unused(todo: &Todo, device: &Device, context: &ManageContext) -> Result<(), Refusal> {
    match device.used().filter(|_| !context.force) {
        None => Ok(()),
        Some(used) => Err(Refusal::new(format!("{} {used}", todo.word))
            .hint("--force adds it all the same; what they have there is overwritten")),
    }
}

fn fits_v0(
    todo: &Todo,
    array: &Managed,
    device: &Device,
    context: &ManageContext,
    remarks: &mut Vec<Warning>,
) -> Result<(), Refusal> {
    let is_v0 = is_v0(array);
    if !is_v0 || device.size <= MOST_OF_V0 {
        return Ok(());
    }
    let text = format!("{} is larger than {} can effectively use.", todo.word, context.array.path);
    if !context.force {
        return Err(Refusal::new(format!(
            "{text}\n       Add --force is you really want to add this device."
        )));
    }
    remarks.push(Warning::note(format!("{text}\n       Adding anyway as --force was given.")));
    Ok(())
}

/// A member with larger blocks makes the array's blocks larger, now or when it is assembled next: file systems made for
/// the smaller ones cannot be mounted then.
fn same_blocks(
    todo: &Todo,
    array: &Managed,
    device: &Device,
    context: &ManageContext,
) -> Result<(), Refusal> {
    if context.force || device.logical_block <= array.logical_block {
        return Ok(());
    }
    let (word, shown) = (&todo.word, &context.array.path);
    let (theirs, ours) = (device.logical_block, array.logical_block);
    Err(Refusal::new(format!(
        "{word} has logical blocks of {theirs} bytes and {shown} of {ours}: it would make {shown} a device of {theirs}-byte blocks; --force adds it all the same"
    ))
    .hint("what was made on the array for smaller blocks may not work on larger ones"))
}

fn big_enough(todo: &Todo, array: &Managed, room: Sectors) -> Result<(), Refusal> {
    if room >= array.component_size() {
        return Ok(());
    }
    Err(Refusal::new(format!("{} not large enough to join array", todo.word)).hint(format!(
        "it has room for {} and {} is needed",
        room,
        array.component_size()
    )))
}

/// What a member made like this one has for data.
fn room(sample: &MemberSuperblock, device: &Device) -> Sectors {
    match &sample.native {
        Native::V0(_) => v0::place(device.size).unwrap_or_default(),
        Native::V1(sb) if sb.minor() == superblock::v1::Minor::V1_0 => {
            let log = sb.bad_block_log().map(|log| Sectors(log.size.into())).unwrap_or_default();
            device.sectors().saturating_sub(sb.data_offset()).saturating_sub(Sectors(16)).saturating_sub(log)
        }
        Native::V1(sb) => device.sectors().saturating_sub(sb.data_offset()),
    }
}

/// The way that writes new metadata.
fn newcomer(
    todo: &Todo,
    array: &Managed,
    device: &Device,
    context: &ManageContext,
) -> Result<Attempt, Refusal> {
    let (word, shown) = (&todo.word, &context.array.path);
    if todo.op == ManageOp::ReAdd {
        return Err(Refusal::new(format!("--re-add for {word} to {shown} is not possible")));
    }
    let present = array.present(None);
    if present.contains(&false) && !array.geometry().enough(&present, true) {
        let first = format!("{shown} has failed so using --add cannot work and might destroy");
        let text = format!("data on {word}.  You should stop the array and re-assemble it.");
        return Err(Refusal::new(text).after(vec![Warning::note(first)]));
    }
    let number = free_number(array)?;
    let writes = metadata(todo, array, device, context, number)?;
    fresh(todo, array, device, context, writes)
}

fn is_v0(array: &Managed) -> bool {
    array.detail.superblock.as_ref().is_some_and(|superblock| superblock.native.format() == Format::V0)
}

fn free_number(array: &Managed) -> Result<u32, Refusal> {
    let most = if is_v0(array) { v0::MAX_DISKS } else { superblock::v1::MAX_DEVICES };
    let mut numbers = array.detail.counts.raid_disks..most;
    numbers
        .find(|number| array.is_free(*number))
        .ok_or_else(|| Refusal::new(format!("the metadata has no room for more than {most} devices")))
}

/// The steps of adding, after the metadata was made.
fn fresh(
    todo: &Todo,
    array: &Managed,
    device: &Device,
    context: &ManageContext,
    writes: Vec<Write>,
) -> Result<Attempt, Refusal> {
    let (word, shown) = (&todo.word, &context.array.path);
    let number = free_number(array)?;
    let is_journal = todo.op == ManageOp::AddJournal;
    if is_journal && array.detail.array_state != Some(ArrayState::ReadOnly) {
        return Err(Refusal::new(format!("{shown} is not readonly, cannot add journal.")));
    }
    let mut state = if is_journal { disk_state::JOURNAL | disk_state::SYNC } else { 0 };
    if todo.op == ManageOp::ClusterConfirm {
        state |= disk_state::CANDIDATE;
    }
    if todo.write_mostly == Some(true) {
        state |= disk_state::WRITE_MOSTLY;
    }
    if todo.failfast == Some(true) {
        state |= disk_state::FAIL_FAST;
    }
    let number = if todo.op == ManageOp::ClusterConfirm { todo.slot.unwrap_or(number) } else { number };
    // The kernel seats a journal at 0 and compares.
    let raid_disk = if is_journal { 0 } else { -1 };
    let info = DiskInfo { number: i32::try_from(number).unwrap_or(i32::MAX), raid_disk, state };
    let older = if writes.is_empty() { Vec::new() } else { create::wipes(device, &writes) };
    let steps = steps(array, device, context, (older, writes), info, is_journal);
    let refused = if is_journal {
        KernelRefusal::Plainly(format!("Failed to hot add {word} as journal, please try restart {shown}."))
    } else {
        KernelRefusal::Because(format!("add new device failed for {word} as {number}: "))
    };
    let mut way = Attempt::new(format!("add {word} to {shown}"), steps, refused);
    way.said = Some(if is_journal {
        format!("Journal added successfully, making {shown} read-write\nadded {word}")
    } else {
        format!("added {word}")
    });
    way.copy =
        Some(if is_journal { Copy::Journal } else { copy::of_newcomer(array, &why_all(array, device)) });
    Ok(way)
}

/// Why a device gets everything.
fn why_all(array: &Managed, device: &Device) -> String {
    readd::objection(array, device).unwrap_or_else(|| "it is new to the array".to_owned())
}

/// Claims the device, writes, and gives it to the kernel. Zeroes over older metadata come first; a member that keeps its
/// data gets none, for they could lie in the data.
pub(super) fn steps(
    array: &Managed,
    device: &Device,
    context: &ManageContext,
    (older, writes): (Vec<Write>, Vec<Write>),
    info: DiskInfo,
    makes_writable: bool,
) -> Vec<Step> {
    let name = context.array.clone();
    let path = device.path.clone();
    let mut steps = vec![Step::Disk(DiskStep::Claim { device: path.clone() })];
    steps.extend(create::unchanged(device));
    steps.push(Step::System(SystemStep::LockMap));
    // The cluster's other nodes change members, too, and wait for an answer.
    let confirms = info.state & disk_state::CANDIDATE != 0;
    steps.extend(look_again(array, context).filter(|_| !confirms));
    steps.extend(freeze(array, context));
    if !older.is_empty() {
        let what = "zeroes over older metadata".to_owned();
        steps.push(Step::Disk(DiskStep::Write { device: path.clone(), what, writes: older }));
    }
    if !writes.is_empty() {
        let what = format!("superblock of {}", array.detail.kernel_name);
        steps.push(Step::Disk(DiskStep::Write { device: path.clone(), what, writes }));
    }
    steps.push(Step::Md(MdStep::HotAdd { array: name.clone(), device: path, info }));
    steps.push(Step::Commit);
    if makes_writable {
        steps.push(Step::Md(MdStep::MakeWritable { array: name }));
    }
    steps.push(Step::System(SystemStep::UnlockMap));
    steps
}

/// The bytes of a new member; the superblock last, for only with it is the rest believed.
fn metadata(
    todo: &Todo,
    array: &Managed,
    device: &Device,
    context: &ManageContext,
    number: u32,
) -> Result<Vec<Write>, Refusal> {
    let shown = &context.array.path;
    match array.detail.superblock.as_ref().map(|superblock| &superblock.native) {
        // The kernel has to check it.
        None => Ok(Vec::new()),
        Some(Native::V0(sample)) => {
            if !sample.checksum_ok() {
                return Err(Refusal::new(format!("the metadata of {shown} has a wrong checksum")));
            }
            let at = v0::place(device.size)
                .ok_or_else(|| Refusal::new(format!("{} not large enough to join array", todo.word)))?;
            let id = device.id;
            let disk = v0::Disk {
                number,
                major: id.major,
                minor: id.minor,
                raid_disk: number,
                state: v0::DiskState::empty(),
            };
            let joined = sample.newcomer(disk, at).map_err(|why| Refusal::new(why.to_string()))?;
            joined.judge_bounds(device.sectors()).map_err(|why| Refusal::new(why.to_string()))?;
            let bitmap = joined.bitmap_at().zip(array.bitmap.as_ref());
            let mut writes: Vec<Write> =
                bitmap.map(|(at, bitmap)| bitmap.initial_v0(at)).into_iter().collect();
            writes.push(joined.encode());
            Ok(writes)
        }
        Some(Native::V1(sample)) => {
            if !sample.checksum_ok() {
                return Err(Refusal::new(format!("the metadata of {shown} has a wrong checksum")));
            }
            v1(todo, array, sample, device, context, number)
        }
    }
}

fn v1(
    todo: &Todo,
    array: &Managed,
    sample: &superblock::v1::Superblock,
    device: &Device,
    context: &ManageContext,
    number: u32,
) -> Result<Vec<Write>, Refusal> {
    let refuse = |why: String| Refusal::new(format!("{}: {why}", todo.word));
    let identity = |nth: usize| context.fresh.get(nth).copied().unwrap_or(MdUuid([0; 16]));
    let journal = todo.op == ManageOp::AddJournal;
    let mut flags = DevFlags::empty();
    flags.set(DevFlags::WRITE_MOSTLY, todo.write_mostly == Some(true));
    flags.set(DevFlags::FAIL_FAST, todo.failfast == Some(true));
    let joined = sample
        .newcomer(&Newcomer {
            number,
            uuid: identity(0),
            journal,
            device: device.sectors(),
            flags,
            bitmap: array.bitmap,
            bad_block_log: context.bad_block_log,
        })
        .map_err(|why| refuse(why.to_string()))?;
    // The kernel would only say that the argument is invalid.
    joined.kernel_objection().map_err(|why| refuse(why.to_string()))?;
    joined.judge_bounds(device.sectors()).map_err(|why| refuse(why.to_string()))?;
    let mut writes = Vec::new();
    if journal {
        let [high, low, ..] = identity(1).words();
        let start = (u64::from(high) << 32) | u64::from(low);
        let block = journal::MetaBlock::new(sample.set_uuid(), start);
        writes.push(block.encode(joined.data_offset(), sample.set_uuid()));
    } else if let (Some(bitmap), Some(at)) = (&array.bitmap, joined.bitmap_at()) {
        writes.extend(bitmap.initial(at));
    } else if let (Some(log), Some(at)) = (joined.ppl(), joined.ppl_at()) {
        writes.push(ppl::Header::new(sample.set_uuid()).initial(at, Sectors(log.size.into())));
    }
    writes.push(joined.encode());
    Ok(writes)
}

/// The superblock of this array on a device, where there is one.
pub(super) fn superblock_of<'a>(array: &Managed, device: &'a Device) -> Option<&'a Unverified<Native>> {
    let ours = &array.detail.superblock.as_ref()?.native;
    let is_ours = |native: &Native| native.format() == ours.format() && native.array() == ours.array();
    device.probe.found.iter().map(|found| &found.superblock).find(|found| is_ours(found.fields()))
}
