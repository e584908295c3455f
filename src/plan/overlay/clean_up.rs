//! Taking away what a command that was killed had made of overlays, however far it had come.

use std::collections::BTreeSet;

use super::{discard, set_of};
use crate::{
    model::{
        DevId,
        overlay::{self, Overlays},
    },
    plan::{ArrayName, Plan, Refusal, Step, SystemStep},
};

/// The arrays that stand on a set, each with the overlays that it has of any: they are stopped before it is taken away.
#[must_use]
pub fn standing(set: &str, seen: &Overlays) -> Vec<(ArrayName, Vec<DevId>)> {
    let of_set = seen.all.iter().filter(|overlay| overlay.set == set);
    let arrays: BTreeSet<&String> =
        of_set.flat_map(|overlay| &overlay.holders).filter(|holder| holder.starts_with("md")).collect();
    let below = |kernel: &String| {
        let held = seen.all.iter().filter(|overlay| overlay.holders.contains(kernel));
        held.filter_map(|overlay| overlay.id).collect()
    };
    let array = |kernel: &String| ArrayName { kernel: kernel.clone(), path: format!("/dev/{kernel}") };
    arrays.into_iter().map(|kernel| (array(kernel), below(kernel))).collect()
}

/// Takes a set away, and files of overlays that were not finished; it may not have come to its first overlay. `store`: the
/// directory of its files.
///
/// # Errors
/// Somebody stands on one of them.
pub fn clean_up(set: &str, seen: &Overlays, store: Option<&str>) -> Result<Plan, Refusal> {
    let none = || (Vec::new(), store.unwrap_or(&seen.store).to_owned());
    let (overlays, dir) = set_of(seen, set, store).unwrap_or_else(|_| none());
    let mut plan = discard(set, &overlays, &dir)?;
    let own = overlay::name_of(set, "");
    let unfinished = seen.files.iter().filter(|file| {
        let name = file.strip_prefix(&dir).and_then(|file| file.strip_prefix('/'));
        name.is_some_and(|name| name.starts_with(&own) && name.ends_with(".cow"))
    });
    plan.steps.extend(unfinished.map(|file| Step::System(SystemStep::RemoveFile { file: file.clone() })));
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use superblock::Bytes;

    use super::*;
    use crate::model::{dm::SnapshotStatus, overlay::Overlay};

    #[test]
    fn whatever_there_is_of_a_set_goes_and_nothing_else() {
        let one = |set: &str, holders: &[&str]| Overlay {
            set: set.into(),
            device: Some(format!("MDOV-{set}-sda")),
            id: None,
            member: "/dev/sda".into(),
            size: Bytes(1 << 20),
            file: format!("/run/o/MDOV-{set}-sda.cow"),
            status: SnapshotStatus::Unknown,
            open: 0,
            holders: holders.iter().map(|&holder| holder.to_owned()).collect(),
            noted: Vec::new(),
        };
        let files =
            ["/run/o/MDOV-a-sdb.cow", "/run/o/MDOV-b-sda.cow", "/run/o/a.set", "/run/o/x/MDOV-a-sdb.cow"];
        let mut seen = Overlays {
            all: vec![one("a", &["md127", "dm-3"]), one("a", &["md127"]), one("b", &["md1"])],
            store: "/run/mdctl/overlays".into(),
            files: files.map(str::to_owned).to_vec(),
        };
        let arrays: Vec<String> = standing("a", &seen).into_iter().map(|(array, _)| array.kernel).collect();
        assert_eq!(arrays, ["md127"]);
        assert!(clean_up("a", &seen, Some("/run/o")).unwrap_err().text.contains("in use by md127"));
        seen.all[..2].iter_mut().for_each(|overlay| overlay.holders.clear());
        seen.all.remove(1);
        let steps = |seen: &Overlays| -> Vec<String> {
            let plan = clean_up("a", seen, Some("/run/o")).unwrap();
            plan.steps.iter().map(ToString::to_string).collect()
        };
        let whole = [
            "commit",
            "remove device MDOV-a-sda",
            "wait for udev",
            "remove /run/o/MDOV-a-sda.cow /run/o/a.set",
            "remove /run/o/MDOV-a-sdb.cow",
        ];
        assert_eq!(steps(&seen), whole);
        seen.all.clear();
        assert_eq!(steps(&seen), ["commit", "remove /run/o/a.set", "remove /run/o/MDOV-a-sdb.cow"]);
    }
}
