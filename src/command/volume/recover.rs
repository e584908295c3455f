//! What a killed command left of volumes: nothing stays suspended, nothing half-made stays.

use anyhow::Result;

use crate::{
    cli::request::Common,
    command::keep::{self, Kept},
    inventory,
    kernel::Machine,
    model::{active::ActiveDevice, unfinished::Unfinished, volume::Found},
    plan::{
        Plan,
        volume::recover::{resume, tidy},
    },
    ui::Ui,
};

/// Makes it right; what was done, in words.
pub(in crate::command) fn run(
    left: &Unfinished,
    common: &Common,
    machine: &Machine,
    ui: &Ui,
) -> Result<Vec<String>> {
    if left.groups.is_empty() && left.suspended.is_empty() {
        return Ok(Vec::new());
    }
    let mut said = Vec::new();
    let carry_out = |plan: &Plan| -> Result<()> {
        if !plan.steps.is_empty() {
            keep::run(&Kept::new(plan, machine, common), machine, ui)?;
        }
        Ok(())
    };
    let groups = inventory::volumes::groups(machine)?;
    let found: Vec<&Found> = groups.groups.iter().collect();
    let mut devices: Vec<ActiveDevice> = Vec::new();
    for found in &found {
        devices.extend(inventory::active(machine, &groups.active, found.group.id.plain())?.devices);
    }
    let first = resume(left, &found, &devices);
    let suspended =
        devices.iter().filter(|device| device.info.suspended).map(|device| device.info.name.clone());
    let suspended: Vec<String> = suspended.filter(|name| left.suspended.contains(name)).collect();
    carry_out(&first)?;
    if !suspended.is_empty() {
        said.push(format!("{} resumed", suspended.join(", ")));
    }
    for (name, _) in &left.groups {
        let groups = inventory::volumes::groups(machine)?;
        let Some(found) = groups.group(name) else { continue };
        let active = inventory::active(machine, &groups.active, found.group.id.plain())?;
        let stamp = inventory::volumes::stamp(&common.words.join(" "));
        for plan in tidy(found, &active, &stamp) {
            carry_out(&plan)?;
            said.push(format!("{name}: {}", plan.summary));
        }
    }
    Ok(said)
}
