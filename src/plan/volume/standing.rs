//! How the moves of a group stand, a line each, with what to do.

use super::{
    failing,
    mover::{self, Stand, UNFIT},
    shift::GroupScene,
};
use crate::request::volume::Named;

/// The moves of a group, or of one of its volumes.
#[must_use]
pub fn standing(scene: &GroupScene<'_>, name: &Named) -> Vec<String> {
    let mut moves = mover::underway(&scene.found.group);
    moves.extend(mover::left(scene));
    moves.retain(|one| name.volume.as_ref().is_none_or(|volume| *volume == one.volume));
    let line = |move_: &mover::Underway| {
        let what = format!("{}/{}", name.group, move_.volume);
        let line = match mover::stand(scene, move_) {
            Stand::Over => return None,
            Stand::Interrupted => format!("interrupted; mdctl volume move {what} copies again"),
            Stand::Unfit => format!("{UNFIT}; mdctl volume move {what} --abort leaves it where it is"),
            Stand::Lost(why) => {
                format!("{why}; mdctl volume move {what} --abort takes away what still copies")
            }
            Stand::Copies(device) => match mover::progress(device.status.iter()) {
                None => {
                    let which = failing::failing(scene, move_).unwrap_or_else(|| "a device fails".to_owned());
                    format!(
                        "{which}, and writes to it wait; mdctl volume move {what} --abort leaves it where it is, with all its data"
                    )
                }
                Some((done, all)) if done == all => {
                    format!("copied; mdctl volume move {what} --wait ends it")
                }
                Some((done, all)) => {
                    let percent = done.saturating_mul(100).checked_div(all).unwrap_or(100);
                    format!("{percent} % copied")
                }
            },
        };
        Some(format!("{what}: {line}"))
    };
    moves.iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{active::Active, dm::Status},
        plan::volume::{
            edit::Means,
            mover_tests::{driver, seen},
            verbs_tests::{active, committed, id, means, stamp, volume, with_volumes},
        },
    };

    #[test]
    fn each_move_says_what_to_do() {
        let mut found = with_volumes();
        let (up, there) = active(&found);
        let stamp = stamp();
        let all = Named { group: "vg".into(), volume: None };
        let lines = |found: &crate::model::volume::FoundGroup, active: &Active, name: &Named| {
            standing(&GroupScene { found, active, stamp: &stamp }, name)
        };
        assert!(lines(&found, &there, &all).is_empty());
        let scene = GroupScene { found: &found, active: &there, stamp: &stamp };
        let mut means = Means { fresh: (20..40).map(id).collect::<Vec<_>>().into_iter(), ..means() };
        let plan = mover::begin(&scene, &volume("a"), (0, false), &[], &mut means).unwrap();
        let dm = driver(&[&up, &plan]);
        committed(&mut found, &plan);
        // The machine was restarted: nothing copies.
        let interrupted = "vg/a: interrupted; mdctl volume move vg/a copies again";
        assert_eq!(lines(&found, &Active::default(), &all), [interrupted]);
        assert!(lines(&found, &there, &Named { volume: Some("w".into()), ..all.clone() }).is_empty());
        let copying = |in_sync, health| {
            let mut active = seen(&dm);
            let legs = vec![("old".to_owned(), 'A'), ("new".to_owned(), health)];
            let layer = active.devices.iter_mut().find(|device| device.info.name == "vg-a-moving").unwrap();
            layer.status = vec![Status::Mirror { legs, in_sync, regions: 4 }];
            lines(&found, &active, &all)
        };
        assert_eq!(copying(1, 'A'), ["vg/a: 25 % copied"]);
        assert_eq!(copying(4, 'A'), ["vg/a: copied; mdctl volume move vg/a --wait ends it"]);
        let fails = "vg/a: /dev/md1, where it goes, has write errors, and writes to it wait; \
                     mdctl volume move vg/a --abort leaves it where it is, with all its data";
        assert_eq!(copying(1, 'D'), [fails]);
    }
}
