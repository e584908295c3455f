//! What explaining takes beyond what assembly looks at: who holds a device, and the kernel's log.

use superblock::MdUuid;

use crate::{
    kernel::{self, Machine, holders, kmsg},
    model::{Sight, status::ArrayStatus, world::LogLine},
};

/// Words of log lines that are about md.
const ABOUT_MD: &[&str] =
    &["md: ", "md/", "md0", "md1", "md2", "md3", "md4", "md5", "md6", "md7", "md8", "md9", "md_"];

/// Finds out who holds the devices that are busy and are no members of arrays in the kernel.
pub fn find_holders(machine: &Machine, sights: &mut [Sight], arrays: &[ArrayStatus], of: Option<MdUuid>) {
    let members = || arrays.iter().flat_map(|array| &array.members).filter_map(|member| member.id);
    for device in sights.iter_mut().filter_map(|sight| sight.found.as_mut().ok()) {
        let asked = of.is_none_or(|uuid| {
            device.probe.found.iter().any(|found| match found.verify() {
                Ok(facts) => facts.array == uuid,
                Err(_) => true,
            })
        });
        let inside = members().any(|id| id == device.id);
        if !device.busy || !asked || inside || !device.holders.is_empty() {
            continue;
        }
        let found = holders::holders(&machine.sysfs, &machine.procfs, device.id).unwrap_or_default();
        device.holders = found.iter().map(ToString::to_string).collect();
    }
}

/// The kernel's log lines about md, oldest first; none where the log cannot be read.
#[must_use]
pub fn kernel_log(machine: &Machine) -> Vec<LogLine> {
    // The log counts from the start of the machine.
    let uptime = machine.procfs.text("uptime").unwrap_or_default();
    let up: u64 = uptime.split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
    let started = kernel::host::now().0.saturating_sub(up);
    let lines = kmsg::KernelLog::from_start(&machine.places.dev.join("kmsg")).records(ABOUT_MD);
    let moment = |line: kmsg::KmsgLine| LogLine {
        at: started.saturating_add(line.micros / 1_000_000),
        text: line.text,
    };
    lines.into_iter().map(moment).collect()
}
