//! Which group is meant, whether anything may be changed at all, and what is said of devices that do not count.

use crate::{
    model::volume::{FoundGroup, Groups, LeftOutCause, RefusedDevice},
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
    let known = if known.is_empty() { "there is none".to_owned() } else { known.join(", ") };
    let refusal = Refusal::new(format!("there is no group {name} (groups: {known})"));
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
                LeftOutCause::Twice { chosen: Some(_), .. } | LeftOutCause::Component(_)
            )
    };
    said.extend(groups.refused.iter().filter(|refused| !said_there(refused)).map(|refused| {
        let group = refused.group.as_ref().map_or_else(String::new, |group| format!(" (of group {group})"));
        format!("{}{group} {}", refused.path, refused.cause)
    }));
    said
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

    fn refused(path: &str, group: Option<&str>, cause: LeftOutCause) -> RefusedDevice {
        RefusedDevice { path: path.into(), dev: None, pv: None, group: group.map(str::to_owned), cause }
    }

    #[test]
    fn a_group_that_is_not_there_has_a_reason() {
        let said = |groups: &Groups| {
            let refusal = named(groups, "vg").expect_err("there is none");
            (refusal.text, refusal.hint.unwrap_or_default())
        };
        let none = "there is no group vg (groups: there is none)".to_owned();
        assert_eq!(said(&Groups::default()), (none.clone(), String::new()));
        let filtered =
            ["/dev/a", "/dev/b", "/dev/c", "/dev/d"].map(|path| refused(path, None, LeftOutCause::Filtered));
        let groups = Groups { unopened: filtered.to_vec(), ..Groups::default() };
        let hint = "a filter of lvm.conf turns 4 devices away: /dev/a, /dev/b, /dev/c, …".to_owned();
        assert_eq!(said(&groups), (none.clone(), hint));
        let held = refused("/dev/mapper/x", None, LeftOutCause::Suspended);
        let groups = Groups { unopened: vec![held], ..Groups::default() };
        assert_eq!(said(&groups), (none, "/dev/mapper/x is suspended: whoever reads it waits".to_owned()));
        let unlisted = refused("/dev/a", Some("vg"), LeftOutCause::NotListed);
        let groups = Groups { refused: vec![unlisted], ..Groups::default() };
        assert_eq!(said(&groups).0, "group vg cannot be used: /dev/a is not in the devices file");
        assert_eq!(remarks(&groups), ["/dev/a (of group vg) is not in the devices file"]);
    }

    #[test]
    fn nothing_is_changed_with_half_a_configuration() {
        let groups = Groups { faults: vec!["/etc/lvm/lvm.conf: line 2: x".into()], ..Groups::default() };
        assert!(refuse_unreadable(&Groups::default()).is_ok());
        assert_eq!(refuse_unreadable(&groups).unwrap_err().text, "/etc/lvm/lvm.conf: line 2: x");
        assert_eq!(remarks(&groups), ["/etc/lvm/lvm.conf: line 2: x"]);
    }
}
