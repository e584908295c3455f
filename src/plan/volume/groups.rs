//! Which group is meant, whether anything may be changed at all, and what is said of devices that do not count.

use std::collections::BTreeSet;

use crate::{
    model::volume::{FoundGroup, Groups, KeptState, LeftOutCause, RefusedDevice, way_on},
    plan::Refusal,
};

/// At most so many devices are named in one message.
const NAMED: usize = 3;

/// The group of this name.
///
/// # Errors
/// There is none, or more than one; with the devices that might have it.
pub fn named<'a>(groups: &'a Groups, name: &str) -> Result<&'a FoundGroup, Refusal> {
    if let Some(found) = groups.group(name) {
        return Ok(found);
    }
    let same = groups.groups.iter().filter(|found| found.group.name == name).count();
    if same > 1 {
        return Err(Refusal::new(format!("there are {same} groups of the name {name}"))
            .hint("vgrename UUID NAME gives one of them another name"));
    }
    let its = |refused: &&RefusedDevice| refused.group.as_deref() == Some(name);
    if let Some(refused) = groups.refused.iter().find(its) {
        return Err(Refusal::new(format!("group {name} cannot be used: {refused}")));
    }
    let known: Vec<&str> = groups.groups.iter().map(|found| found.group.name.as_str()).collect();
    let known =
        if known.is_empty() { "there are none".to_owned() } else { format!("groups: {}", known.join(", ")) };
    let refusal = Refusal::new(format!("there is no group {name} ({known})"));
    let unread = unread(groups);
    Err(if unread.is_empty() { refusal } else { refusal.hint(unread.join("; ")) })
}

/// Refuses everything while LVM2's configuration cannot be understood.
///
/// # Errors
/// Where it stops being one.
pub fn refuse_unreadable(groups: &Groups) -> Result<(), Refusal> {
    match groups.faults.first() {
        Some(fault) => Err(Refusal::new(fault.clone())
            .hint("nothing is changed until that is mended: it may say that a device is not to be used")),
        None => Ok(()),
    }
}

/// What a report says of devices that do not count, and of a configuration that cannot be understood: a sentence each.
#[must_use]
pub fn remarks(groups: &Groups) -> Vec<String> {
    let mut said = groups.faults.clone();
    // A copy of what is chosen is said with its group.
    let said_there = |refused: &RefusedDevice| {
        groups.groups.iter().any(|found| found.absent.values().any(|absent| absent.cause == refused.cause))
            || matches!(
                &refused.cause,
                LeftOutCause::Twice { chosen: Some(_), .. }
                    | LeftOutCause::Below { .. }
                    | LeftOutCause::Component(_)
            )
    };
    said.extend(groups.refused.iter().filter(|refused| !said_there(refused)).map(|refused| {
        let group = refused.group.as_ref().map_or_else(String::new, |group| format!(" (of group {group})"));
        format!("{}{group} {}", refused.path, refused.cause)
    }));
    let is_said = |held: &RefusedDevice| {
        groups.groups.iter().any(|found| found.absent.values().any(|absent| absent.path == held.path))
    };
    said.extend(groups.held().filter(|held| !is_said(held)).map(ToString::to_string));
    said
}

/// What a list says of a group that lacks devices: which, and the commands that lead on.
#[must_use]
pub fn partial(found: &FoundGroup) -> Option<String> {
    let gone = found.gone();
    let name = &found.group.name;
    let missing: Vec<String> = gone.iter().map(|index| found.why_absent(*index)).collect();
    (!gone.is_empty()).then(|| format!("group {name} is partial: {}; {}", missing.join("; "), way_on(name)))
}

/// The same of all of them in a line, for those who only list; [`lost`] says more.
#[must_use]
pub fn all_lost(absent: &[KeptState], groups: &Groups) -> Option<String> {
    let lost = absent.iter().filter(|state| lost(state, groups).is_some());
    let names: Vec<String> = lost.map(|state| state.group.name.escape_debug().to_string()).collect();
    let checks = |name: &String| format!("`mdctl volume check {name}`");
    names.first().map(checks).map(|check| {
        format!("not there, though there are backups of them and devices that they were on: {} ({check} says more)", names.join(", "))
    })
}

/// What LVM2's backup says of a group that is not there, although devices that it was on are: their labels are lost. `None`
/// where none of them is there, or each of those that are is another group's now.
#[must_use]
pub fn lost(state: &KeptState, groups: &Groups) -> Option<String> {
    let group = &state.group;
    let is_here =
        groups.groups.iter().any(|found| found.group.id == group.id || found.group.name == group.name);
    if is_here || groups.refused.iter().any(|refused| refused.group.as_deref() == Some(&group.name)) {
        return None;
    }
    let others = groups.groups.iter().flat_map(|found| found.present().map(|(_, device)| device));
    let labelled: BTreeSet<&str> = others.chain(&groups.lone).map(|device| device.path.as_str()).collect();
    let refused = |path: &str| groups.refused.iter().any(|refused| refused.path == path);
    let is_bare = |path: &str| {
        groups.looked_at.iter().any(|there| there == path) && !labelled.contains(path) && !refused(path)
    };
    let left = group.pvs.iter().filter(|pv| groups.has(pv.id) || is_bare(&pv.device));
    let paths: Vec<String> = left.map(|pv| pv.device.escape_debug().to_string()).collect();
    let name = &group.name;
    (!paths.is_empty()).then(|| {
        format!(
            "group {name} is not there, and its backup {} has it on {}: where its labels or metadata are lost, `mdctl volume \
             restore {name}` writes them again; where nobody wants it any more, remove that file",
            state.path,
            paths.join(", ")
        )
    })
}

/// What was not read, and might have what is missed.
#[must_use]
pub fn unread(groups: &Groups) -> Vec<String> {
    let all = groups.refused.iter().filter(|refused| refused.pv.is_none()).chain(&groups.unopened);
    let (filtered, others): (Vec<&RefusedDevice>, Vec<&RefusedDevice>) =
        all.partition(|refused| refused.cause == LeftOutCause::Filtered);
    let mut said = Vec::new();
    if !filtered.is_empty() {
        let paths: Vec<&str> = filtered.iter().take(NAMED).map(|refused| refused.path.as_str()).collect();
        let more = if filtered.len() > NAMED { ", …" } else { "" };
        said.push(format!(
            "a filter of lvm.conf turns {} devices away: {}{more}",
            filtered.len(),
            paths.join(", ")
        ));
    }
    said.extend(others.iter().take(NAMED).map(ToString::to_string));
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::volume::verbs_tests::with_volumes;

    fn refused(path: &str, group: Option<&str>, cause: LeftOutCause) -> RefusedDevice {
        RefusedDevice { path: path.into(), dev: None, pv: None, group: group.map(str::to_owned), cause }
    }

    #[test]
    fn a_group_that_is_not_there_has_a_reason() {
        let said = |groups: &Groups| {
            let refusal = named(groups, "vg").expect_err("there is none");
            (refusal.text, refusal.hint.unwrap_or_default())
        };
        let none = "there is no group vg (there are none)".to_owned();
        assert_eq!(said(&Groups::default()), (none.clone(), String::new()));
        let filtered =
            ["/dev/a", "/dev/b", "/dev/c", "/dev/d"].map(|path| refused(path, None, LeftOutCause::Filtered));
        let groups = Groups { unopened: filtered.to_vec(), ..Groups::default() };
        let hint = "a filter of lvm.conf turns 4 devices away: /dev/a, /dev/b, /dev/c, …".to_owned();
        assert_eq!(said(&groups), (none.clone(), hint));
        let held = [refused("/dev/mapper/x", None, LeftOutCause::Suspended)];
        let groups = Groups { unopened: held.to_vec(), ..Groups::default() };
        assert_eq!(said(&groups), (none, held[0].to_string()));
        // Whatever groups there are beside it, one may be on it.
        assert_eq!(
            remarks(&groups),
            ["/dev/mapper/x is suspended and was not read; `dmsetup resume` lets it go on"]
        );
        let mut found = with_volumes();
        found.absent.insert(1, held[0].clone());
        assert_eq!(remarks(&Groups { groups: vec![found], ..groups }), [""; 0]);
        let unlisted = refused("/dev/a", Some("vg"), LeftOutCause::NotListed);
        let groups = Groups { refused: vec![unlisted], ..Groups::default() };
        assert_eq!(said(&groups).0, "group vg cannot be used: /dev/a is not in the devices file");
        assert_eq!(remarks(&groups), ["/dev/a (of group vg) is not in the devices file"]);
    }

    #[test]
    fn a_partial_group_is_named_with_the_way_on() {
        let mut found = with_volumes();
        assert_eq!(partial(&found), None);
        found.devices[1] = None;
        let said = partial(&found).expect("a device is missing");
        let id = found.group.pvs[1].id;
        assert!(
            said.starts_with(&format!(
                "group vg is partial: pv1 ({id}), last seen as /dev/md1, is missing; "
            )) && said.contains("mdctl volume restore vg")
                && said.contains("mdctl volume group reduce vg --missing"),
            "{said}"
        );
        // One that is there and does not count is not gone.
        found.absent.insert(1, refused("/dev/md1", None, LeftOutCause::Filtered));
        assert_eq!(partial(&found), None);
    }

    #[test]
    fn a_group_that_lost_all_its_labels_is_known_by_its_backup() {
        let found = with_volumes();
        let state = KeptState { path: "/etc/lvm/backup/vg".into(), group: found.group.clone() };
        let looked_at = |paths: &[&str]| Groups {
            looked_at: paths.iter().map(|path| (*path).to_owned()).collect(),
            ..Groups::default()
        };
        let said = lost(&state, &looked_at(&["/dev/md1", "/dev/sda"])).expect("one of its devices is there");
        let listed = all_lost(&[state.clone(), state.clone()], &looked_at(&["/dev/md1"])).expect("two");
        assert!(listed.contains("vg, vg (`mdctl volume check vg` says more)"), "{listed}");
        assert_eq!(all_lost(std::slice::from_ref(&state), &looked_at(&["/dev/sda"])), None);
        assert!(
            said.starts_with("group vg is not there, and its backup /etc/lvm/backup/vg has it on /dev/md1: ")
                && said.contains("mdctl volume restore vg"),
            "{said}"
        );
        // Its disks were taken elsewhere.
        assert_eq!(lost(&state, &looked_at(&["/dev/sda"])), None);
        // It is there; or what is there is another group's.
        let there = Groups { groups: vec![found.clone()], ..looked_at(&["/dev/md0", "/dev/md1"]) };
        assert_eq!(lost(&state, &there), None);
        let mut other = found.clone();
        (other.group.id, other.group.name) = (crate::plan::volume::verbs_tests::id(50), "other".into());
        other
            .devices
            .iter_mut()
            .flatten()
            .for_each(|device| device.label.id = crate::plan::volume::verbs_tests::id(51));
        let there = Groups { groups: vec![other], ..looked_at(&["/dev/md0", "/dev/md1"]) };
        assert_eq!(lost(&state, &there), None);
        // A label is there, and no text.
        let lone = Groups { lone: found.devices.iter().flatten().cloned().collect(), ..looked_at(&[]) };
        assert!(lost(&state, &lone).is_some());
    }

    #[test]
    fn nothing_is_changed_with_half_a_configuration() {
        let groups = Groups { faults: vec!["/etc/lvm/lvm.conf: line 2: x".into()], ..Groups::default() };
        assert!(refuse_unreadable(&Groups::default()).is_ok());
        assert_eq!(refuse_unreadable(&groups).unwrap_err().text, "/etc/lvm/lvm.conf: line 2: x");
        assert_eq!(remarks(&groups), ["/etc/lvm/lvm.conf: line 2: x"]);
    }
}
