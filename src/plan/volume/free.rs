//! Whether a device may become a physical volume; where it may not, what leads on, and only what does so there.

use superblock::{Damage, foreign::Kind as Content};

use crate::{
    model::{
        Candidate, Device, Unusable,
        volume::{FoundGroup, Groups, LeftOutCause},
    },
    plan::Refusal,
};

/// A device that nobody uses and that belongs to nobody.
pub(super) fn usable<'a>(candidate: &'a Candidate, groups: &Groups) -> Result<&'a Device, Refusal> {
    let path = &candidate.path;
    let device = match &candidate.found {
        Ok(device) => device,
        Err(Unusable::NotBlock) => return Err(Refusal::new(format!("{path} is not a block device"))),
        Err(Unusable::Open(why)) => return Err(Refusal::new(format!("{path} cannot be opened: {why}"))),
        Err(Unusable::Broken(why) | Unusable::Silent(why)) => return Err(Refusal::new(why.clone())),
    };
    if let Some((Some(found), _)) = groups.on(device.id) {
        return Err(belongs(path, found));
    }
    unclaimed(device, groups)?;
    if let Some(found) = device.probe.found.first() {
        let array = found.fields().array();
        let held = holder(device).map_or_else(String::new, |by| format!(" ({by})"));
        return Err(Refusal::new(format!("{path} is a member of array {array}{held}"))
            .hint("make the group of the array itself; mdctl explain tells why it is not up"));
    }
    if let Some(by) = holder(device) {
        return Err(Refusal::new(format!("{path} is in use by {by}")));
    }
    if !device.probe.damaged.is_empty() {
        return Err(damaged(device));
    }
    if device.read_only {
        return Err(Refusal::new(format!("{path} is read-only")));
    }
    partitioned(device).map_or(Ok(device), Err)
}

/// It is in a group: taken out of it by whoever may change that.
fn belongs(path: &str, found: &FoundGroup) -> Refusal {
    let group = &found.group.name;
    let refusal = Refusal::new(format!("{path} belongs to group {group} already"));
    match found.objections.first() {
        Some(why) => refusal.hint(format!("group {group} can only be read: {why}")),
        None => refusal
            .hint(format!("mdctl volume group reduce {group} {path} takes it out, if nothing is on it")),
    }
}

/// A label is somebody's, even where the rest cannot be understood, is not read, or does not count.
fn unclaimed(device: &Device, groups: &Groups) -> Result<(), Refusal> {
    let path = &device.path;
    if let Some(refused) = groups.left_out(device.id).filter(|refused| refused.is_somebodys()) {
        let group = refused.group.as_ref().map_or_else(String::new, |group| format!(" (of group {group})"));
        let refusal = Refusal::new(format!("{path}{group} {}", refused.cause));
        return match &refused.cause {
            // What it is a part of is said in better words by others.
            LeftOutCause::Component(_) | LeftOutCause::Old { .. } => Ok(()),
            LeftOutCause::Filtered => {
                Err(refusal.hint("devices/filter and devices/global_filter say what LVM2 may use"))
            }
            LeftOutCause::NotListed => Err(refusal.hint(format!("`lvmdevices --adddev {path}` adds it"))),
            LeftOutCause::Suspended | LeftOutCause::Unreadable(_) => Err(refusal),
            // Both may be one disk: then whatever erases one erases the other.
            LeftOutCause::Twice { .. } => Err(refusal.hint(format!(
                "erase neither before `lsblk -o NAME,SERIAL,WWN` shows that they are two disks; of a copy `vgimportclone {path}` \
                 makes a group of its own"
            ))),
            LeftOutCause::Below { above } => {
                let group = refused.group.as_deref();
                let hint = match group {
                    Some(group) => format!("`mdctl volume group reduce {group} {above}` takes it out of that group, if nothing is on it"),
                    None => format!("name {above}: both are one and the same"),
                };
                Err(refusal.hint(hint))
            }
            LeftOutCause::NotUnderstood { .. } | LeftOutCause::Rival { .. } => {
                Err(refusal.hint(freed(device)))
            }
        };
    }
    let lone = groups.lone.iter().find(|pv| pv.dev == device.id);
    match lone.filter(|pv| pv.label.in_use() == Some(true)) {
        Some(pv) => Err(Refusal::new(format!(
            "{path} has a label that says a group uses it (physical volume {}), and no metadata of that group is found",
            pv.label.id
        ))
        .hint(freed(device))),
        None => Ok(()),
    }
}

/// How a device becomes nobody's: not while somebody holds it.
fn freed(device: &Device) -> String {
    let path = &device.path;
    match (holder(device), device.used()) {
        (Some(by), _) => format!("{path} is in use by {by}, which needs what is on it"),
        (None, Some(used)) => format!("{path} {used}"),
        (None, None) => format!("if it is certain that nothing on it is needed: wipefs -a {path}"),
    }
}

/// By whom it is held, where it is.
fn holder(device: &Device) -> Option<String> {
    let by = if device.holders.is_empty() { "somebody".to_owned() } else { device.holders.join(", ") };
    device.busy.then_some(by)
}

/// Metadata of an array is there, and cannot be used: what frees the device of it, if anything does.
fn damaged(device: &Device) -> Refusal {
    let path = &device.path;
    let all = &device.probe.damaged;
    let text = all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let hint = match all.iter().all(|damage| matches!(damage, Damage::Io { .. })) {
        true => format!(
            "nobody can say whether it is a member of an array before it can be read: `smartctl -a {path}` and the kernel's log tell how the disk is"
        ),
        false => format!("if the array is not needed: mdctl zero-superblock --force {path}"),
    };
    Refusal::new(format!("{path}: {text}")).hint(hint)
}

/// The table of a device that is partitioned: what is in the partitions is gone with it.
fn partitioned(device: &Device) -> Option<Refusal> {
    let table = device.foreign.iter().find(|foreign| {
        let parts = foreign.table.as_ref().is_some_and(|table| table.partitions > 0);
        foreign.kind == Content::Gpt || foreign.kind == Content::Mbr && parts
    })?;
    let path = &device.path;
    // That program leaves a table inside of a partition alone otherwise.
    let force = if device.whole.is_some() { " --force" } else { "" };
    Some(Refusal::new(format!("{path} is partitioned ({})", table.kind.name())).hint(format!(
        "name a partition; or, if nothing in its partitions is needed (`lsblk -f {path}` shows them): wipefs -a{force} {path}"
    )))
}

#[cfg(test)]
mod tests {
    use std::io;

    use superblock::{
        Bytes, Sectors, What,
        foreign::{Foreign, Table},
    };

    use super::*;
    use crate::{
        model::{DevId, samples, volume::RefusedDevice},
        plan::volume::verbs_tests::found,
    };

    fn device() -> Device {
        samples::device("/dev/sdx", DevId { major: 8, minor: 7 }, Bytes(100 << 20))
    }

    fn hint(device: Device, groups: &Groups) -> String {
        let candidate = Candidate { path: device.path.clone(), found: Ok(device) };
        usable(&candidate, groups).expect_err("refused").hint.unwrap_or_default()
    }

    #[test]
    fn what_frees_a_device_is_offered_where_it_does() {
        let none = Groups::default();
        let damage = |damage| {
            let mut device = device();
            device.probe.damaged = vec![damage];
            device
        };
        let (format, at) = ("1.2", Sectors(8));
        let broken = || {
            damage(Damage::Corrupt {
                format,
                at,
                what: What::Field { field: "layout", value: 9, rule: "must be smaller" },
            })
        };
        assert!(hint(broken(), &none).ends_with(": mdctl zero-superblock --force /dev/sdx"));
        // Nothing is erased where nothing could be read.
        let unread = damage(Damage::Io { format, at, source: io::Error::other("bad sector") });
        assert!(hint(unread, &none).contains("smartctl -a /dev/sdx"));
        // Nor what somebody holds.
        let busy = || Device { busy: true, holders: vec!["array md5".into()], ..broken() };
        assert_eq!(hint(busy(), &none), "");
        let left = |cause, group: Option<&str>| Groups {
            refused: vec![RefusedDevice {
                path: "/dev/sdx".into(),
                dev: Some(device().id),
                pv: None,
                group: group.map(str::to_owned),
                cause,
            }],
            ..Groups::default()
        };
        let odd = left(LeftOutCause::NotUnderstood { why: "x".into() }, None);
        assert!(hint(device(), &odd).ends_with(": wipefs -a /dev/sdx"));
        assert!(hint(busy(), &odd).starts_with("/dev/sdx is in use by array md5"));
        // What is written to one of two paths to a disk is written to the disk.
        let all = vec!["/dev/sdx".to_owned(), "/dev/sdy".to_owned()];
        let twice = hint(device(), &left(LeftOutCause::Twice { all, chosen: None }, Some("vg")));
        assert!(twice.starts_with("erase neither before") && !twice.contains("wipefs"), "{twice}");
        let below = LeftOutCause::Below { above: "/dev/mapper/s".into() };
        assert!(
            hint(device(), &left(below.clone(), Some("vg")))
                .starts_with("`mdctl volume group reduce vg /dev/mapper/s`")
        );
        assert!(hint(device(), &left(below, None)).starts_with("name /dev/mapper/s"));
        // A label that says a group has it.
        let mut lone = found().devices[0].clone().expect("a device");
        lone.dev = device().id;
        lone.label.set_in_use(true);
        let lone = Groups { lone: vec![lone], ..Groups::default() };
        assert!(hint(device(), &lone).ends_with("wipefs -a /dev/sdx"));
        assert!(hint(busy(), &lone).starts_with("/dev/sdx is in use by array md5"));
    }

    #[test]
    fn a_table_goes_with_what_is_in_the_partitions() {
        let table = |whole: Option<&str>| {
            let foreign = Foreign {
                kind: Content::Gpt,
                at: Bytes(512),
                size: None,
                label: None,
                uuid: None,
                mtime: None,
                table: Some(Table { partitions: 2, ..Table::default() }),
            };
            Device { foreign: vec![foreign], whole: whole.map(str::to_owned), ..device() }
        };
        let said = hint(table(None), &Groups::default());
        assert!(said.contains("`lsblk -f /dev/sdx`") && said.ends_with("wipefs -a /dev/sdx"), "{said}");
        assert!(hint(table(Some("sdw")), &Groups::default()).ends_with("wipefs -a --force /dev/sdx"));
    }
}
