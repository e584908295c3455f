//! Every form of every verb that only reads.

use crate::text::Contents;

/// Of so many disks each is asked about.
const DISKS: usize = 3;

/// Without an argument.
const ALONE: &[&str] = &[
    "mdctl status",
    "mdctl status --json",
    "mdctl explain",
    "mdctl explain --json",
    "mdctl history",
    "mdctl history --json",
    "mdctl volume list",
    "mdctl volume list -a",
    "mdctl volume list --json",
    "mdctl volume check",
    "mdctl volume check --json",
    "mdctl volume show",
    "mdctl volume show --json",
    "mdctl volume move vg --status",
    "mdctl volume restore vg --list",
    "mdctl volume restore vg --list --json",
    "mdctl dm ls",
    "mdctl dm ls --json",
    "mdctl dm info",
    "mdctl dm info -c",
    "mdctl dm info --json",
    "mdctl dm table",
    "mdctl dm status",
    "mdctl dm deps",
    "mdctl dm ls --tree",
    "mdctl dm version",
    "mdctl dm targets",
    "mdctl dm target-version linear raid",
    "mdctl dm splitname vg-home--before LVM",
    "mdctl dm udevcookies",
    "mdctl dm udevflags 0x00612345",
    "mdctl dm udevflags 0x00612345 --json",
    "mdctl overlay list",
    "mdctl overlay list --json",
    "mdctl overlay diff guess",
    "mdctl config show",
    "mdctl config show --json",
    "mdctl config check",
    "mdctl config check --json",
    "mdctl scrub status",
    "mdctl scrub status --json",
    "mdadm --detail --scan",
    "mdadm --detail --scan --verbose",
    "mdadm --detail --scan --export",
    "mdadm --examine --scan",
    "mdadm --examine --scan --verbose",
    "mdadm --examine --brief --scan --config=partitions",
    "mdadm --detail-platform",
    "mdadm --detail-platform --verbose",
    "mdadm --udev-rules",
    "mdadm --wait-clean --scan",
    "mdadm --monitor --oneshot --scan",
    "mdctl assemble --scan --dry-run",
    "mdctl assemble --scan --dry-run --json",
    "mdctl assemble --scan --no-degraded --dry-run",
    "mdctl stop --scan --dry-run",
    "mdctl stop --scan --dry-run --json",
];

/// About one array.
const ARRAY: &[&str] = &[
    "mdctl status",
    "mdctl explain",
    "mdctl explain --json",
    "mdadm --detail",
    "mdadm --detail --brief",
    "mdadm --detail --brief --verbose",
    "mdadm --detail --export",
    "mdadm --detail --test",
    "mdadm --query",
    "mdadm --wait-clean",
    "mdadm --monitor --oneshot",
    "mdctl query --json",
    "mdctl trial --dry-run",
    "mdctl detail --json",
    "mdctl stop --dry-run",
];

/// About one disk.
const DISK: &[&str] = &[
    "mdctl explain",
    "mdctl explain --json",
    "mdadm --examine",
    "mdadm --examine --brief",
    "mdadm --examine --brief --verbose",
    "mdadm --examine --export",
    "mdadm --examine-bitmap",
    "mdadm --examine-badblocks",
    "mdadm --query",
    "mdctl examine --json",
    "mdctl query --json",
    "mdctl --examine-bitmap --json",
    "mdctl --examine-badblocks --json",
    "mdctl trial --dry-run --limit=40 --time=0",
];

/// All commands for a machine.
pub(crate) fn all(machine: &Contents) -> Vec<String> {
    let alone = ALONE.iter().map(|&command| command.to_owned());
    let about = |commands: &'static [&str], objects: &[String]| -> Vec<String> {
        objects
            .iter()
            .flat_map(|one| commands.iter().map(move |command| format!("{command} {one}")))
            .collect()
    };
    let disks = machine.disks.get(..DISKS.min(machine.disks.len())).unwrap_or_default();
    alone.chain(about(ARRAY, &machine.arrays)).chain(about(DISK, disks)).collect()
}
