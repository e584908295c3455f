//! What one device has that keeps it out, whatever its array does.

use superblock::{Bytes, Events, Native, Role, Sectors, bitmap, v1};

use super::{ExplainScene, ExplainSeen, Finding, Kind, NextCommand, Severity, kernel};
use crate::model::order::InOrder as _;
use crate::{
    model::{Device, human, overlay},
    plan::assemble::Claim,
};

/// What is wrong with the device itself and with its metadata. `inside`: the array that is asked about has it.
pub(super) fn troubles(scene: &ExplainScene<'_>, claim: &Claim, inside: bool) -> Vec<Finding> {
    let device = scene.sight(claim).and_then(|sight| sight.found.as_ref().ok());
    let mut found = vec![];
    found.extend(checksum(claim));
    found.extend(objection(claim));
    if let Some(device) = device {
        found.extend(too_small(claim, device));
        found.extend(bitmap_trouble(claim, device));
        if !inside && claim.busy {
            found.push(held(&claim.path, device));
        }
    }
    found
}

fn checksum(claim: &Claim) -> Option<Finding> {
    let damage = claim.damage.as_ref()?;
    let (kind, what) = if claim.impossible {
        (
            Kind::Unreadable,
            "a number in the superblock cannot be right, and not even --force gives it to the kernel",
        )
    } else {
        (Kind::Checksum, "the superblock is damaged, so what it says is not trusted")
    };
    let text = format!("{}: {what}", claim.path);
    Some(
        Finding::new(kind, Severity::Blocks, text)
            .of(&claim.path)
            .because(damage.clone())
            .try_next(examine(&claim.path)),
    )
}

fn examine(path: &str) -> NextCommand {
    NextCommand::new(["mdctl", "examine", path], "shows its metadata; reads only")
}

/// What the kernel will refuse though the checksum is right.
fn objection(claim: &Claim) -> Option<Finding> {
    let Native::V1(superblock) = &claim.metadata else { return None };
    let objection = superblock.kernel_objection().err()?;
    let text = format!("{}: the kernel does not take its superblock", claim.path);
    let found =
        Finding::new(Kind::Unreadable, Severity::Blocks, text).of(&claim.path).because(objection.to_string());
    Some(found.needs("a kernel that knows these features").try_next(examine(&claim.path)))
}

fn too_small(claim: &Claim, device: &Device) -> Option<Finding> {
    let facts = &claim.facts;
    let has = device.sectors();
    let wanted = match &claim.metadata {
        Native::V1(superblock) => {
            let used = if facts.role == Role::Journal {
                facts.data_size
            } else {
                facts.data_size.max(facts.component_size)
            };
            let end = facts.data_offset.saturating_add(used);
            (end > has && !(superblock.minor() == v1::Minor::V1_0 && facts.data_size <= has))
                .then_some(end)?
        }
        Native::V0(_) => (facts.component_size > has).then_some(facts.component_size)?,
    };
    let size = |sectors: Sectors| format!("{} ({} sectors)", human::size(sectors.bytes().0), sectors.0);
    let text = format!("{}: smaller than it was when it became a member", claim.path);
    Some(
        Finding::new(Kind::TooSmall, Severity::Blocks, text)
            .of(&claim.path)
            .because(format!("its metadata needs {}, and the device has {}", size(wanted), size(has)))
            .needs("the device in its old size: a partition that was cut, a hidden area of the disk (HPA), a shorter loop file"),
    )
}

/// What holds a device, and how it is let go.
pub(super) fn held(path: &str, device: &Device) -> Finding {
    let by = if device.holders.is_empty() {
        "somebody who cannot be seen".to_owned()
    } else {
        device.holders.join(", ")
    };
    let found = Finding::new(Kind::Held, Severity::Blocks, format!("{path}: in use by {by}")).of(path);
    match device.holders.iter().find_map(|holder| release(path, holder)) {
        Some(command) => found.try_next(command),
        None => found,
    }
}

/// The command that makes a holder let go; its words are those of the inventory.
fn release(path: &str, holder: &str) -> Option<NextCommand> {
    if let Some(name) = holder.strip_prefix("array ") {
        let array = name.split([' ', ',']).next().unwrap_or(name);
        let effect =
            format!("explains {array}, which has {path}; if it is not wanted: mdctl stop /dev/{array}");
        return Some(NextCommand::new(["mdctl", "explain", array], effect));
    }
    if let Some(at) = holder.strip_prefix("the file system mounted at ") {
        let at = at.split(", through its partition ").next().unwrap_or(at);
        return Some(NextCommand::new(["umount", at], "ends the use of the file system; its data stays"));
    }
    if holder.starts_with("swap") && !holder.contains("partition") {
        return Some(NextCommand::new(["swapoff", path], "moves what is swapped out back to memory"));
    }
    let name = holder.strip_prefix("device-mapper device ")?.split(" (").next()?;
    if let Some((set, _)) = overlay::parts(name) {
        let effect = format!(
            "shows the overlays; `mdctl overlay discard {set}` takes set {set} away, and what was tried on it"
        );
        return Some(NextCommand::new(["mdctl", "overlay", "list"], effect));
    }
    let effect = format!("shows what {name} is; nothing is changed");
    Some(NextCommand::new(["dmsetup", "table", name], effect))
}

/// The bitmap that the metadata names, and its trouble where it cannot be used.
pub(super) fn bitmap_of<'a>(
    claim: &Claim,
    device: &'a Device,
) -> Option<Result<&'a bitmap::Superblock, String>> {
    let ours = &claim.metadata;
    let same = |native: &Native| native.format() == ours.format() && native.at() == ours.at();
    let found = device.probe.found.iter().find(|found| same(found.fields()))?;
    let named = ours.bitmap_at().is_some();
    let why = || {
        let damage =
            device.probe.damaged.iter().map(ToString::to_string).find(|text| text.contains("bitmap"));
        damage.unwrap_or_else(|| "it is not where the superblock says".to_owned())
    };
    named.then(|| found.bitmap.as_ref().ok_or_else(why))
}

fn bitmap_trouble(claim: &Claim, device: &Device) -> Option<Finding> {
    let why = bitmap_of(claim, device)?.err()?;
    let text = format!("{}: the write-intent bitmap cannot be used", claim.path);
    let found = Finding::new(Kind::BitmapUnusable, Severity::Weakens, text).of(&claim.path).because(why);
    Some(found.needs("nothing to read the data; after an unclean stop the kernel may refuse to start without the bitmap, or resync everything"))
}

/// A member that the array went on without.
pub(super) fn stale(scene: &ExplainScene<'_>, claim: &Claim, slot: u32, newest: &Claim) -> Finding {
    let behind = newest.facts.events.0.saturating_sub(claim.facts.events.0);
    let long = newest.facts.updated.saturating_sub(claim.facts.updated);
    let s = if behind == 1 { "" } else { "s" };
    let text = format!(
        "{}: slot {slot}, out of date by {behind} event{s} and {}",
        claim.path,
        human::duration(long)
    );
    Finding::new(Kind::Stale, Severity::Weakens, text)
        .of(&claim.path)
        .because(format!(
            "{}: {} events, last update {}",
            claim.path,
            claim.facts.events,
            scene.when(claim.facts.updated)
        ))
        .because(format!(
            "{}: {} events, last update {}",
            newest.path,
            newest.facts.events,
            scene.when(newest.facts.updated)
        ))
        .also(kernel::lines(
            scene,
            claim.facts.created,
            &[&kernel_name(scene, claim)],
            Some(claim.facts.level),
        ))
}

/// The name in the kernel's log.
pub(super) fn kernel_name(scene: &ExplainScene<'_>, claim: &Claim) -> String {
    let device = scene.sight(claim).and_then(|sight| sight.found.as_ref().ok());
    device
        .map(|device| device.kernel_name.clone())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| claim.path.rsplit('/').next().unwrap_or_default().to_owned())
}

/// Whether only what changed since needs to be copied: the bitmap of an up-to-date member reaches back to this
/// device's last event (the kernel's own rule when it takes a member back).
pub(super) fn bitmap_reaches(scene: &ExplainScene<'_>, fresh: &Claim, events: Events) -> bool {
    let device = scene.sight(fresh).and_then(|sight| sight.found.as_ref().ok());
    let bitmap = device.and_then(|device| bitmap_of(fresh, device)).and_then(Result::ok);
    bitmap.is_some_and(|bitmap| bitmap.events_cleared() <= events)
}

/// The table of devices: by slot, then those without; of one slot the freshest first.
pub(super) fn table(claims: &[Claim], standing: impl Fn(&Claim) -> String) -> Vec<ExplainSeen> {
    let mut sorted: Vec<&Claim> = claims.iter().collect();
    let rank = |claim: &&Claim| {
        let slot = claim.slot();
        (slot.is_none(), slot, std::cmp::Reverse(claim.facts.events), claim.path.clone())
    };
    sorted.order_by_key(rank);
    sorted.into_iter().map(|claim| seen(claim, standing(claim))).collect()
}

fn seen(claim: &Claim, standing: String) -> ExplainSeen {
    let role = match claim.facts.role {
        Role::Slot { slot, replacement: false } => format!("slot {slot}"),
        Role::Slot { slot, replacement: true } => format!("slot {slot}, replacement"),
        Role::Spare => "spare".to_owned(),
        Role::Faulty => "faulty".to_owned(),
        Role::Journal => "journal".to_owned(),
    };
    ExplainSeen {
        path: claim.path.clone(),
        role,
        events: claim.facts.events.0,
        updated: claim.facts.updated,
        standing,
    }
}

/// How large a device must be to take a slot over.
pub(super) fn room_needed(claim: &Claim) -> Bytes {
    claim.facts.data_offset.saturating_add(claim.facts.component_size).bytes()
}
