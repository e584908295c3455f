//! `resize`.

use anyhow::Result;

use super::{Work, create, one};
use crate::{
    inventory,
    kernel::{host, program},
    model::{active::Active, dm::name, volume::FoundGroup},
    plan::volume::{
        create as plan_create,
        edit::{self, Means},
        resize::{self, Inside},
        rollback,
        snapshot::{self, StoreState},
    },
    request::volume::ResizeRequest,
};

/// Changes a size.
pub(super) fn run(work: &Work<'_>, request: &ResizeRequest) -> Result<u8> {
    let named = create::numbers(request.on.iter());
    work.change(|groups| {
        let found = one(groups, &request.name.group)?;
        let active = work.active(groups, found)?;
        let mut said = plan_create::below(found, &create::below(work, found))?;
        let pv_of = create::pv_of(found, &named);
        let means = Means {
            pv_of: &pv_of,
            stripes: found.stripes(),
            fresh: plan_create::fresh(Vec::new()),
            host: host::hostname().unwrap_or_default(),
            now: 0,
        };
        let mut after = found.group.clone();
        let resized = edit::resize(&mut after, request, &means)?;
        let store = store(found, &active, &request.name.volume);
        if let Err(refusal) = snapshot::check_resized(&found.group, &after, &request.name, &store) {
            return Ok(Err(refusal));
        }
        let look = request.fs || resized.after < resized.before;
        let inside = if look { inside(found, &active, request)? } else { Inside::default() };
        let plan = resize::plan((found, &active), (&after, &resized), request, &inside, &work.stamp());
        Ok(plan.map(|plan| {
            plan.map(|mut plan| {
                said.append(&mut plan.warnings);
                plan.warnings = said;
                plan
            })
        }))
    })
}

/// What is known of a snapshot's store; its devices are read where the driver does not know it.
fn store(found: &FoundGroup, active: &Active, volume: &str) -> StoreState {
    let driver = rollback::store(&found.group, active, volume);
    let read = if driver.is_none() { inventory::store(found, volume) } else { None };
    StoreState::of(driver, read)
}

/// What is in the volume, and who uses it.
fn inside(found: &FoundGroup, active: &Active, request: &ResizeRequest) -> Result<Inside> {
    let group = &found.group;
    // What a snapshot's store has is not a file system.
    if group.snapshot_in(&request.name.volume).is_some() {
        return Ok(Inside::default());
    }
    let volume = edit::existing(group, &request.name)?;
    let device = name::join(&group.name, &request.name.volume, None);
    let holders = active
        .devices
        .iter()
        .find(|one| one.info.name == device)
        .map(|one| one.holders.clone())
        .unwrap_or_default();
    let at = |holder: &String| holder.strip_prefix("the file system mounted at ").map(str::to_owned);
    let content = inventory::content(found, volume)?;
    let tools = ["e2fsck", "resize2fs", "xfs_growfs"].into_iter();
    let absent = tools.filter(|tool| !program::is_there(tool)).map(str::to_owned).collect();
    Ok(Inside { content, mounted: holders.iter().find_map(at), holders, absent })
}
