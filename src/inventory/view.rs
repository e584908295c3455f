//! Looking for a course: each look of the closed set, answered.

use std::path::Path;

use super::{
    differences,
    dm::{Driver, WantedOfDm},
    stripes,
};
use crate::{
    config::Config,
    kernel::{Access, KernelError, Machine, node, sysfs::SyncProgress},
    model::{
        DevId,
        dm::Overview,
        view::{Acting, Look, Unseen, View},
    },
};

/// Looks.
///
/// # Errors
/// Why there was nothing to see.
#[expect(clippy::too_many_lines, reason = "one arm a look; the list is the point")]
pub fn see(machine: &Machine, config: &Config, look: &Look) -> Result<View, Unseen> {
    Ok(match look {
        Look::World { fresh } => View::World(Box::new(super::world(machine, *fresh).map_err(unseen)?)),
        Look::Fresh { ids } => View::Fresh(super::fresh(*ids).map_err(unseen)?),
        Look::Candidates => View::Candidates(super::candidates_afresh(machine, config).map_err(unseen)?),
        Look::Members { paths, used_by } => View::Members(super::members(machine, paths, *used_by)),
        Look::Managed { array } => View::Managed(super::managed(machine, array).map(Box::new)),
        Look::Growing { array, store } => {
            View::Growing(super::growing(machine, array, store.as_deref()).map(Box::new))
        }
        Look::Window { array, store, at } => View::Window(super::window(machine, array, store, *at)),
        Look::Subject { path, depth } => View::Subject(Box::new(super::subject(machine, path, *depth))),
        Look::Active { group, listed } => {
            View::Active(super::active(machine, listed, group).map_err(unseen)?)
        }
        Look::Group(look) => View::Group(Box::new(super::group(machine, look).map_err(unseen)?)),
        Look::InPlace { found, after, names } => {
            let names = names.iter().map(String::as_str);
            View::InPlace(super::in_place_of(found, after, names).map_err(unseen)?)
        }
        Look::Traces { groups, of } => {
            View::Traces(Box::new(super::labels::traces(machine, groups, of).map_err(unseen)?))
        }
        Look::Groups => View::Groups(Box::new(super::volumes::groups(machine).map_err(unseen)?)),
        Look::Creating => View::Creating(super::creating(machine).map_err(unseen)?),
        Look::Shelf => View::Shelf(super::archive(machine).map_err(unseen)?),
        Look::Entry { file } => View::Entry(super::entry(file).map(|(entry, _)| Box::new(entry))),
        Look::Here { known } => View::Here(super::here(machine, known).map_err(unseen)?),
        Look::Present { spots } => View::Present(super::present(machine, spots)),
        Look::Number { path } => View::Number(number(machine, path).map_err(|error| in_short(&error))),
        Look::Acting { path } => View::Acting(acting(machine, Path::new(path)).map_err(unseen)?),
        Look::Volumes { command } => {
            View::Volumes(Box::new(super::all_volumes(machine, command).map_err(unseen)?))
        }
        Look::DeltaHead { stream, target } => {
            View::DeltaHead(Box::new(super::delta_head(machine, stream, target).map_err(in_words)?))
        }
        Look::DeltaFit { stream, target } => {
            View::DeltaFit(super::delta_fit(machine, stream, target).map_err(in_words)?)
        }
        Look::KeptBy { group, volume } => {
            View::KeptBy(super::kept_by(machine, group, volume).map_err(unseen)?.map(Box::new))
        }
        Look::Dm => View::Dm(Box::new(waiting_tables(machine).map_err(unseen)?)),
        Look::Overlays { store } => {
            View::Overlays(super::all_overlays(machine, store.as_deref().map(Path::new)).map_err(unseen)?)
        }
        Look::Pending { overlays } => View::Pending(super::pending(machine, overlays).map_err(unseen)?),
        Look::Underlays { paths } => View::Underlays(super::underlays(machine, paths).map_err(unseen)?),
        Look::ToWrite { paths } => View::ToWrite(super::look_to_write(machine, paths)),
        Look::Tool { tool, device } => View::Tool(super::checked(*tool, device)),
        Look::Scrub { words } => View::Scrub(Box::new(super::scrub(machine, words).map_err(unseen)?)),
        Look::RawArray { path, levels } => {
            View::RawArray(stripes::raw(machine, path, levels).map_err(unseen)?)
        }
        Look::Differences { array, range } => {
            View::Differences(differences::differences(machine, array, *range).map_err(unseen)?)
        }
        Look::Contents { array, path } => View::Contents(super::contents(machine, array, path)),
        Look::Stripes { array, range, all } => {
            View::Stripes(stripes::stripes(machine, array, *range, *all).map_err(unseen)?)
        }
        Look::Monitored { paths } => {
            View::Monitored(Box::new(super::monitor::monitored(machine, paths).map_err(unseen)?))
        }
        Look::MonitorTexts { config } => {
            View::MonitorTexts(Box::new(super::monitor::texts(config.as_deref()).map_err(unseen)?))
        }
        Look::Letters { dirs } => {
            View::Letters(Box::new(super::monitor::letters(machine, dirs).map_err(unseen)?))
        }
        Look::KernelLog { words } => View::KernelLog(super::monitor::log(machine, words)),
        Look::Free { arrays } => View::Free(free(machine, arrays)),
    })
}

fn free(machine: &Machine, arrays: &[String]) -> Vec<String> {
    arrays.iter().filter(|name| is_free(machine, name)).cloned().collect()
}

fn waiting_tables(machine: &Machine) -> Result<Overview, KernelError> {
    let wanted = WantedOfDm { deps: true, states: true, inactive: true, ..WantedOfDm::default() };
    Driver::open(machine)?.overview(machine, wanted)
}

fn number(machine: &Machine, path: &str) -> Result<Option<DevId>, KernelError> {
    let is_name = !path.contains('/') && !path.is_empty();
    let named = || machine.sysfs.array(path).dev().ok().flatten().filter(|_| is_name);
    node::number_of(Path::new(path)).or_else(|error| named().map(Some).ok_or(error))
}

/// The system's words alone.
fn in_short(error: &KernelError) -> String {
    error.errno().map_or_else(|| error.to_string(), |errno| errno.desc().to_owned())
}

fn acting(machine: &Machine, path: &Path) -> Result<Acting, KernelError> {
    let number = match node::number_of(path) {
        Ok(number) => number,
        Err(error) => return Ok(Acting::NoDevice(in_short(&error))),
    };
    let Some(kernel) = number.and_then(|dev| machine.sysfs.name_of(dev)) else { return Ok(Acting::NoArray) };
    let array = machine.sysfs.array(&kernel);
    let Some(action) = array.sync_action()? else { return Ok(Acting::NoArray) };
    let progress = match array.sync_completed() {
        Ok(Some(SyncProgress::At { done, total })) => Some((done.bytes().0, total.bytes().0)),
        Ok(_) | Err(_) => None,
    };
    Ok(Acting::Array { kernel, action, progress })
}

/// Whether nobody holds the array, so that a stop can succeed. A look leaves nothing behind, not even for a moment, where
/// the array has a node.
fn is_free(machine: &Machine, name: &str) -> bool {
    let Some(dev) = machine.sysfs.array(name).dev().ok().flatten() else { return false };
    let path = machine.places.dev.join(name);
    if node::number_of(&path).is_ok_and(|number| number == Some(dev)) {
        return node::open_md(&path, Access::ReadExclusive).is_ok();
    }
    node::open_number(&machine.places, dev, Access::ReadExclusive, &path.display().to_string()).is_ok()
}

fn in_words(error: anyhow::Error) -> Unseen {
    let errno = error.downcast_ref::<KernelError>().and_then(KernelError::number);
    Unseen { text: format!("{error:#}"), errno }
}

fn unseen(error: KernelError) -> Unseen {
    Unseen { text: error.to_string(), errno: error.number() }
}
