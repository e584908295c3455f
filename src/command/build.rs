//! `--build`.

use anyhow::Result;

use super::{Ended, carry_out, preview, refuse};
use crate::{
    inventory,
    kernel::Machine,
    plan::{build, naming},
    request::{BuildRequest, Common, MemberSource},
    ui::Ui,
};

/// Starts an array that has no metadata.
pub(super) fn run(request: &BuildRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let config = super::configured(common, ui)?;
    let mut world = inventory::world(machine, 0)?;
    let path = |source: &MemberSource| match source {
        MemberSource::Path(path) | MemberSource::Journal(path) => Some(path.display().to_string()),
        MemberSource::Missing => None,
    };
    let paths: Vec<String> = request.members.iter().filter_map(|word| path(&word.source)).collect();
    world.devices = inventory::look_to_write(machine, &paths);
    let word = request.device.to_string_lossy().into_owned();
    let decided = naming::given(&word, None, &world, &config)
        .and_then(|chosen| Ok((build::plan(request, &chosen.array, chosen.id, &world)?, chosen)));
    let (plan, chosen) = match decided {
        Ok(decided) => decided,
        Err(refusal) => return Ok(refuse(&refusal, common, ui)),
    };
    if common.dry_run {
        return preview(&plan, machine, common);
    }
    for warning in &plan.warnings {
        super::say(warning.kind, &warning.text, ui);
    }
    let note = format!("array {} built and started.", chosen.array.path);
    carry_out(&plan, machine, common, ui, Ended { note, ..Ended::default() })
}
