//! `--detail-platform`, `--auto-detect`, `--udev-rules`, and what is refused on arrays without containers.

use std::{ffi::OsStr, path::Path};

use anyhow::Result;

use super::{
    DONE, Ended, FAILED, carry_out,
    keep::{self, Kept},
    preview, print,
};
use crate::{
    config::{Metadata, policy},
    inventory,
    kernel::{Access, BlockDevice, Machine, node},
    plan::{MdStep, Plan, Step, SystemStep},
    request::{Common, MiscAction, MiscRequest},
    ui::Ui,
};

/// Exit status where no platform was found.
const NO_PLATFORM: u8 = 2;
/// Exit status where the format needs none.
const INDEPENDENT: u8 = 1;
/// Exit status of what cannot be done to this device.
const REFUSED: u8 = 2;

/// The formats in the order in which the original asks them.
const FORMATS: [(&str, Metadata); 6] = [
    ("0.90", Metadata::V0),
    ("1.x", Metadata::Default),
    ("ddf", Metadata::Ddf),
    ("imsm", Metadata::Imsm),
    ("mbr", Metadata::Mbr),
    ("gpt", Metadata::Gpt),
];

/// Says whether this machine's firmware knows RAID: not as far as we can tell.
pub(super) fn detail_platform(request: &MiscRequest, ui: &Ui) -> u8 {
    const INTEL: &str = "no RAID controller with support in its firmware is known on this machine";
    let independent = |name: &str| ui.detail(&format!("{name} metadata is platform independent"));
    match request.metadata {
        None => {
            for (name, format) in FORMATS {
                ui.detail(&format!("checking metadata {name}"));
                if format == Metadata::Imsm { ui.detail(INTEL) } else { independent(name) }
            }
            if ui.verbosity() == 0 {
                ui.note(INTEL);
            }
            NO_PLATFORM
        }
        Some(Metadata::Imsm) => {
            ui.note(INTEL);
            NO_PLATFORM
        }
        Some(Metadata::V1(_)) => {
            independent("1.x");
            INDEPENDENT
        }
        Some(asked) => {
            FORMATS.iter().filter(|(_, format)| *format == asked).for_each(|(name, _)| independent(name));
            INDEPENDENT
        }
    }
}

/// Has the kernel assemble what its own detection found at boot; only drivers that are built in have any. As in the
/// original nobody is told how it went, but with `--verbose`.
pub(super) fn auto_detect(machine: &Machine, common: &Common, ui: &Ui) -> Result<u8> {
    let plan = Plan {
        summary: "have the kernel assemble what it found at boot".to_owned(),
        steps: vec![Step::Commit, Step::Md(MdStep::AutoDetect)],
        warnings: Vec::new(),
    };
    if common.dry_run {
        return preview(&plan, machine, common);
    }
    if let Err(failure) = keep::run(&Kept::new(&plan, machine, common), machine, ui) {
        ui.detail(&format!("{:#}", failure.cause));
    }
    Ok(DONE)
}

/// Rules that hand bare disks in the places that POLICY lines name to incremental assembly.
pub(super) fn udev_rules(
    request: &MiscRequest,
    file: Option<&OsStr>,
    machine: &Machine,
    common: &Common,
    ui: &Ui,
) -> Result<u8> {
    if !request.devices.is_empty() {
        return rules_for_devices(request, machine, ui);
    }
    let config = super::configured(common, ui)?;
    let text = policy::udev_rules(&config.policies);
    let Some(file) = file else { return Ok(print(&text)) };
    let path = Path::new(file).display().to_string();
    let plan = Plan {
        summary: format!("write udev rules to {path}"),
        steps: vec![Step::System(SystemStep::WriteFile { path, text, mode: 0o644 }), Step::Commit],
        warnings: Vec::new(),
    };
    if common.dry_run {
        return preview(&plan, machine, common);
    }
    carry_out(&plan, machine, common, ui, Ended::default())
}

/// Devices have no business here; the original looks whether they are arrays, and that is all.
fn rules_for_devices(request: &MiscRequest, machine: &Machine, ui: &Ui) -> Result<u8> {
    let world = inventory::world(machine, 0)?;
    let mut status = DONE;
    for (_, path) in &request.devices {
        let id = node::number_of(path).ok().flatten();
        if !world.arrays.iter().any(|array| Some(array.id) == id) {
            ui.error(&format!("{} does not appear to be an md device", path.display()));
            status = FAILED;
        }
    }
    Ok(status)
}

/// Subarrays are parts of containers, and there are none yet.
pub(super) fn subarray(request: &MiscRequest, machine: &Machine, ui: &Ui) -> Result<u8> {
    let mut status = DONE;
    for (action, path) in &request.devices {
        status |= one_subarray(action, request, path, machine, ui)?;
    }
    Ok(status)
}

fn one_subarray(
    action: &MiscAction,
    request: &MiscRequest,
    path: &Path,
    machine: &Machine,
    ui: &Ui,
) -> Result<u8> {
    let shown = path.display();
    if matches!(action, MiscAction::UpdateSubarray(_)) && request.update.is_none() {
        ui.error("-U/--update must be specified with --update-subarray");
        return Ok(FAILED);
    }
    let Ok(device) = BlockDevice::open(path, Access::ReadExclusive) else {
        ui.error(&format!("Couldn't open {shown}, aborting"));
        return Ok(REFUSED);
    };
    let id = device.dev();
    let world = inventory::world(machine, 0)?;
    let array = world.arrays.iter().find(|array| Some(array.id) == id);
    let text = match array {
        None => format!("Failed to read sysfs for {shown}"),
        Some(array) if array.metadata.starts_with("external:") => {
            format!("{shown}: containers are not supported yet")
        }
        Some(_) => format!("{shown} is not a container"),
    };
    ui.error(&text);
    Ok(REFUSED)
}
