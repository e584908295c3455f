//! Deactivation: which devices of a group can be taken away, and in which order.

use superblock::lvm::{Group, LogicalVolume};

use super::{
    devices::{
        chosen, devices_of, family_ids, head_of, is_of, layer, locked, removed, shown, top_down, unused,
    },
    metadata::LvmStep,
    mover::{self, Underway},
    tree::{Family, MISSING, NoTree},
};
use crate::{
    model::{
        active::{Active, ActiveDevice},
        dm::{Dev, UdevFlags, name},
        volume::FoundGroup,
    },
    plan::{Plan, Refusal, Step, Warning, dm::DmStep},
};

/// Takes devices of volumes away; of all of the group where none are named.
///
/// # Errors
/// One is not there, or somebody uses it.
pub fn plan(found: &FoundGroup, active: &Active, names: &[String]) -> Result<Plan, Refusal> {
    let group = &found.group;
    let heads = chosen(group, names)?;
    understood(group, names, &heads, active)?;
    let devices = devices_of(found, active, &heads);
    unmoved(group, &heads, &devices)?;
    unused(&group.name, &devices)?;
    // A room alone cannot go while something is copied there.
    let moves = mover::underway(group);
    let is_apart = |move_: &&Underway| {
        heads.contains(&move_.room.as_str()) && !heads.contains(&head_of(group, &move_.volume))
    };
    if let Some(move_) = moves.iter().find(is_apart) {
        mover::refuse_moving(group, &move_.room)?;
    }
    uppermost(&group.name, &devices, active)?;
    let mut plan = Plan { summary: format!("deactivate {}", shown(group, names)), ..Plan::default() };
    for name in names.iter().filter(|name| head_of(group, name) != name.as_str()) {
        let origin = head_of(group, name);
        plan.warnings.push(Warning::note(format!(
            "{0}/{name} is a snapshot: its origin {0}/{origin} is deactivated with it",
            group.name
        )));
    }
    if !devices.is_empty() {
        plan.steps = locked(found, removed(&devices));
    }
    Ok(plan)
}

/// What `pvmove` is moving has devices of LVM2's below it, which go in an order of its own.
fn unmoved(group: &Group, heads: &[&str], devices: &[(&ActiveDevice, UdevFlags)]) -> Result<(), Refusal> {
    let on_move = |head: &str| {
        let stores = group.snapshots_of(head).map(|snapshot| snapshot.cow);
        stores.chain([head]).filter_map(|name| group.volume(name)).any(LogicalVolume::is_on_move)
    };
    let is_active = |head: &str| devices.iter().any(|(device, _)| is_of(device, &family_ids(group, head)));
    let Some(head) = heads.iter().find(|head| on_move(head) && is_active(head)) else { return Ok(()) };
    Err(Refusal::new(format!("{}/{head} is being moved by `pvmove`", group.name))
        .hint(format!("`lvchange -an {}/{head}` deactivates it with the devices that move it", group.name)))
}

/// Refuses volumes of kinds that only LVM2 takes down while their devices are there: which of these goes before which is not known.
fn understood(group: &Group, names: &[String], heads: &[&str], active: &Active) -> Result<(), Refusal> {
    let vg = &group.name;
    let kind = |head: &&str| {
        let anywhere = |_| Some(Dev::Path(MISSING.to_owned()));
        let Err(NoTree::Kind { kind, .. }) = Family::of(group, head, &anywhere) else { return None };
        let ids = family_ids(group, head);
        let is_active = active.devices.iter().any(|device| is_of(device, &ids));
        is_active.then(|| format!("{vg}/{head} ({})", kind.escape_debug()))
    };
    let all: Vec<String> = heads.iter().filter_map(kind).collect();
    if all.is_empty() {
        return Ok(());
    }
    let words: Vec<String> = names.iter().map(|name| format!("{vg}/{name}")).collect();
    let way = if words.is_empty() {
        format!("vgchange -an {vg}")
    } else {
        format!("lvchange -an {}", words.join(" "))
    };
    let (volumes, are) = if all.len() == 1 { ("volume", "is") } else { ("volumes", "are") };
    Err(Refusal::new(format!(
        "nothing of group {vg} was deactivated: {volumes} {} {are} active, of a kind that only lvm takes down",
        all.join(", ")
    ))
    .hint(format!("`{way}` deactivates all of it in the right order")))
}

/// Refuses devices on which others of the group stand that are to stay.
fn uppermost(group: &str, devices: &[(&ActiveDevice, UdevFlags)], active: &Active) -> Result<(), Refusal> {
    let stays = |device: &&ActiveDevice| !devices.iter().any(|(gone, _)| std::ptr::eq(*gone, *device));
    let volume = |device: &ActiveDevice| name::split(&device.info.name).1;
    for (device, _) in devices {
        let leads =
            |other: &&ActiveDevice| other.table.devices().any(|dev| *dev == Dev::Number(device.info.dev));
        if let Some(above) = active.devices.iter().filter(stays).find(leads) {
            let (below, above) = (volume(device), volume(above));
            return Err(Refusal::new(format!(
                "{group}/{below} is in use by {group}/{above}, which stands on it"
            ))
            .hint(format!("`lvchange -an {group}/{above}` deactivates that one first")));
        }
    }
    Ok(())
}

/// Takes devices away of which no metadata is there any more: as the driver has them, what stands on others first.
///
/// # Errors
/// There are none of that name, or somebody uses one.
pub fn left(group: &str, active: &Active, names: &[String]) -> Result<Plan, Refusal> {
    let volume = |device: &ActiveDevice| name::split(&device.info.name).1;
    if let Some(name) =
        names.iter().find(|name| !active.devices.iter().any(|device| volume(device) == **name))
    {
        return Err(Refusal::new(format!("no active device belongs to a volume {group}/{name}")));
    }
    let meant = |device: &&ActiveDevice| names.is_empty() || names.contains(&volume(device));
    let devices: Vec<(&ActiveDevice, UdevFlags)> = top_down(active)
        .into_iter()
        .filter(meant)
        .map(|device| (device, if layer(device).is_some() { UdevFlags::HIDDEN } else { UdevFlags::VISIBLE }))
        .collect();
    unused(group, &devices)?;
    uppermost(group, &devices, active)?;
    let text =
        format!("no metadata of group {group} is there: its devices are removed as the kernel has them");
    let mut steps = vec![Step::Lvm(LvmStep::Lock { global: false, groups: vec![group.to_owned()] })];
    steps.extend(removed(&devices));
    steps.extend([Step::Commit, Step::Dm(DmStep::WaitForUdev), Step::Lvm(LvmStep::Unlock)]);
    Ok(Plan { summary: format!("deactivate {group}"), steps, warnings: vec![Warning::note(text)] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::dm::{DeviceInfo, Leg, Table, Target},
        model::volume::fixture,
        plan::volume::verbs_tests::{active, with_volumes},
    };
    use superblock::Sectors;

    /// A plain volume, a pool, what it is made of, and a thin volume.
    fn thin() -> FoundGroup {
        let volume = |name: &str, letter: char, visible: &str, segment: &str| {
            let id = "xxxxxx-xxxx-xxxx-xxxx-xxxx-xxxx-xxxxxx".replace('x', &letter.to_string());
            format!(
                "{name} {{ id = \"{id}\" status = [\"READ\", \"WRITE\"{visible}] flags = [] segment_count = 1 \
                 segment1 {{ start_extent = 0 extent_count = 4 {segment} }} }}\n"
            )
        };
        let striped = |at: u32| format!("type = \"striped\" stripe_count = 1 stripes = [\"pv0\", {at}]");
        let pool = "type = \"thin-pool\" metadata = \"pool_tmeta\" pool = \"pool_tdata\" transaction_id = 1 \
                    chunk_size = 128 discards = \"passdown\" zero_new_blocks = 1";
        let on_pool = "type = \"thin\" thin_pool = \"pool\" transaction_id = 0 device_id = 1";
        let seen = ", \"VISIBLE\"";
        let text = [
            volume("a", 'a', seen, &striped(0)),
            volume("pool", 'b', seen, pool),
            volume("pool_tdata", 'c', "", &striped(4)),
            volume("pool_tmeta", 'd', "", &striped(8)),
            volume("t", 'e', seen, on_pool),
        ];
        FoundGroup { group: fixture::group("vg", &text.concat()), ..FoundGroup::default() }
    }

    /// A device: its name, whose it is, its layer, and on which of these it stands.
    type Shown<'a> = (&'a str, &'a str, Option<&'a str>, &'a [u32]);

    fn there(found: &FoundGroup, devices: &[Shown<'_>]) -> Active {
        let device = |(minor, (name, volume, layer, on)): (usize, &Shown<'_>)| {
            let id = found.group.volume(volume).unwrap().id;
            let uuid = crate::model::dm::uuid::lvm(found.group.id.plain(), id.plain(), *layer);
            let dev = |minor| crate::model::DevId { major: 252, minor };
            let leg = |on: &u32| Target::Linear(Leg { dev: Dev::Number(dev(*on)), start: Sectors(0) });
            let table = Table::concat(on.iter().map(|on| (Sectors(8), leg(on))));
            let info = DeviceInfo {
                name: (*name).into(),
                uuid: Some(uuid),
                dev: dev(u32::try_from(minor).unwrap()),
                live: true,
                ..DeviceInfo::default()
            };
            ActiveDevice { info, table, ..ActiveDevice::default() }
        };
        Active { devices: devices.iter().enumerate().map(device).collect() }
    }

    #[test]
    fn what_only_lvm_takes_down_is_refused_before_anything_is_done() {
        let found = thin();
        let all = there(
            &found,
            &[
                ("vg-a", "a", None, &[]),
                ("vg-pool_tdata", "pool_tdata", None, &[]),
                ("vg-pool_tmeta", "pool_tmeta", None, &[]),
                ("vg-pool-tpool", "pool", Some("tpool"), &[1, 2]),
                ("vg-t", "t", None, &[3]),
            ],
        );
        let refusal = plan(&found, &all, &[]).unwrap_err();
        assert_eq!(
            refusal.text,
            "nothing of group vg was deactivated: volumes vg/pool (thin-pool), vg/t (thin) are active, of a kind that only \
             lvm takes down"
        );
        assert_eq!(
            refusal.hint.as_deref(),
            Some("`vgchange -an vg` deactivates all of it in the right order")
        );
        let refusal = plan(&found, &all, &["t".into()]).unwrap_err();
        assert!(refusal.text.contains("volume vg/t (thin) is active"), "{}", refusal.text);
        assert!(refusal.hint.unwrap().contains("lvchange -an vg/t"));
        // What we understand goes as it did.
        let one = plan(&found, &all, &["a".into()]).unwrap();
        assert_eq!(one.steps.iter().filter(|step| step.to_string().starts_with("remove device")).count(), 1);
        // Where none of it is active, the group goes as well.
        let plain = there(&found, &[("vg-a", "a", None, &[])]);
        assert!(!plan(&found, &plain, &[]).unwrap().steps.is_empty());
    }

    #[test]
    fn what_others_stand_on_stays() {
        // The volume is what a thin one began as.
        let found = thin();
        let all = there(&found, &[("vg-a", "a", None, &[]), ("vg-t", "t", None, &[0])]);
        let refusal = plan(&found, &all, &["a".into()]).unwrap_err();
        assert_eq!(refusal.text, "vg/a is in use by vg/t, which stands on it");
        assert!(refusal.hint.unwrap().contains("lvchange -an vg/t"));
        assert!(left("vg", &all, &["a".into()]).is_err());
        assert!(left("vg", &all, &[]).is_ok(), "all of it, from the top");
        let found = with_volumes();
        assert!(plan(&found, &active(&found).1, &["a".into()]).is_ok());
    }
}
