//! What a killed command left of volumes: nothing stays suspended, nothing half-made stays. Under LVM2's lock: else it might be
//! somebody who is at it just now whose devices are put right, or the process that watched the killed one.

use std::{collections::BTreeSet, time::Duration};

use anyhow::Result;

use crate::{
    cli::request::Common,
    command::keep::{self, Kept},
    execute::volumes::hold,
    inventory,
    kernel::Machine,
    model::{active::ActiveDevice, dm::uuid, unfinished::Unfinished, volume::Groups},
    plan::{
        Plan,
        volume::recover::{resume, tidy},
    },
    ui::Ui,
};

/// How long somebody else may have a group. Who has it longer while a device of it is suspended waits for that device.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Groups, and all their devices.
struct Seen {
    groups: Groups,
    devices: Vec<ActiveDevice>,
}

impl Seen {
    fn look(machine: &Machine) -> Result<Self> {
        let groups = inventory::volumes::groups(machine)?;
        let mut devices: Vec<ActiveDevice> = Vec::new();
        for found in &groups.groups {
            devices.extend(inventory::active(machine, &groups.active, found.group.id.plain())?.devices);
        }
        Ok(Self { groups, devices })
    }

    /// Groups that a killed command was about to change.
    fn touched(&self, left: &Unfinished) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = left.groups.iter().map(|(name, _)| name.clone()).collect();
        for device in self.devices.iter().filter(|device| left.suspended.contains(&device.info.name)) {
            let id = device.info.uuid.as_deref().and_then(uuid::parse).map(|parsed| parsed.group);
            let found = self.groups.groups.iter().find(|found| Some(found.group.id.plain()) == id);
            names.extend(found.map(|found| found.group.name.clone()));
        }
        names
    }

    fn suspended(&self, left: &Unfinished) -> Vec<String> {
        let names =
            self.devices.iter().filter(|device| device.info.suspended).map(|device| &device.info.name);
        names.filter(|name| left.suspended.contains(name)).cloned().collect()
    }
}

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
    let before = Seen::look(machine)?;
    let touched = before.touched(left);
    let locks: Result<Vec<_>> = touched.iter().map(|name| hold(machine, name, LOCK_WAIT)).collect();
    let seen = Seen::look(machine)?;
    let mut suspended = seen.suspended(left);
    let mut left = left.clone();
    if locks.is_err() {
        // Whoever has the lock is at it himself, unless it has been so for all that time.
        suspended.retain(|name| before.suspended(&left).contains(name));
        left.suspended.clone_from(&suspended);
    }
    let found: Vec<_> = seen.groups.groups.iter().collect();
    carry_out(&resume(&left, &found, &seen.devices))?;
    let locks = locks?;
    if !suspended.is_empty() {
        said.push(format!("{} resumed", suspended.join(", ")));
    }
    for name in &touched {
        let groups = inventory::volumes::groups(machine)?;
        let Some(found) = groups.group(name) else { continue };
        let active = inventory::active(machine, &groups.active, found.group.id.plain())?;
        let stamp = inventory::volumes::stamp(&common.words.join(" "));
        for plan in tidy(found, &active, &stamp) {
            carry_out(&plan)?;
            said.push(format!("{name}: {}", plan.summary));
        }
    }
    drop(locks);
    Ok(said)
}
