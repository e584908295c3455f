//! `mdctl boot`.

use anyhow::Result;

use super::{DONE, FAILED, print};
use crate::{
    inventory,
    kernel::Machine,
    plan::boot::{self, BootRemark, BootSeverity},
    report::boot::{BootChecked, BootSaid},
    request::Common,
};

/// Says what of the next start would fail.
pub(super) fn check(common: &Common, machine: &Machine) -> Result<u8> {
    let seen = inventory::boot(machine)?;
    let remarks = boot::check(&seen).into_iter().map(said).collect();
    let rests = boot::rests_on_arrays(&seen);
    let images = seen.kernels.iter().filter_map(|kernel| kernel.image.as_ref());
    let read = images.filter(|image| rests && image.contents.is_ok()).map(|image| image.path.clone());
    let checked = BootChecked::new(seen.release.clone(), read.collect(), rests, remarks);
    if common.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&checked)?));
    } else {
        print(&checked.text());
    }
    Ok(if checked.may_fail() { FAILED } else { DONE })
}

fn said(BootRemark { severity, about, text, next }: BootRemark) -> BootSaid {
    let severity = match severity {
        BootSeverity::Fails => "fails",
        BootSeverity::Unknown => "unknown",
        BootSeverity::Risk => "risk",
        BootSeverity::Note => "note",
    };
    BootSaid { severity, about, text, next }
}
