//! The README's commands do what it says, as written there.

use crate::guest::{self, Case, Disks, sh};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("commands_work_as_written", commands_work_as_written),
        Case::new("volumes_work_as_written", volumes_work_as_written),
    ]
}

const README: &str = include_str!("../../README.md");

/// The commands for root: lines that begin with `# ` in console blocks.
fn commands() -> Vec<&'static str> {
    let mut commands = Vec::new();
    for block in README.split("```console").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        commands.extend(block.lines().filter_map(|line| line.strip_prefix("# ")));
    }
    commands.retain(|command| command.starts_with("mdctl ") && !command.starts_with("mdctl volume "));
    commands
}

/// The section on volumes, on an array of its own; sizes are smaller here.
fn volumes_work_as_written() {
    let disks = Disks::new(3, 64 << 10);
    let (_, section) = README.split_once("\n## Volumes\n").expect("a section on volumes");
    let (_, block) = section.split_once("```console\n").expect("commands");
    let lines: Vec<&str> = block.split("```").next().unwrap_or_default().lines().collect();
    guest::mdctl(
        &[&["create", "/dev/md/home", "--run", "-l5", "-n3", "--assume-clean"][..], &disks.all()].concat(),
    )
    .ok();
    guest::settle();
    assert!(lines.len() >= 5, "{lines:?}");
    for line in lines {
        sh(&line.strip_prefix("# ").expect("commands of root").replace('G', "M")).ok();
    }
    let listed = sh(
        "lvs --noheadings --units m -o lv_name,lv_size vg && e2fsck -fn /dev/vg/data && vgchange -q -an vg",
    )
    .ok();
    assert!(listed.stdout.contains("data 80.00m"), "{listed}");
    guest::settle();
}

fn commands_work_as_written() {
    let _disks = Disks::new(3, 64 << 10);
    let commands = commands();
    assert!(commands.len() >= 7, "{commands:?}");
    for command in commands {
        // Each array is made from disks that nobody has.
        if command.contains(" create ") {
            guest::wait_idle();
            sh("mdctl stop --scan; for d in 0 1 2; do blkdiscard -z /dev/ram$d; done; udevadm settle").ok();
        }
        let disks = [
            ("/dev/vda", "/dev/ram0"),
            ("/dev/vdb", "/dev/ram1"),
            ("/dev/vdc", "/dev/ram2"),
            ("/dev/vdd", "/dev/ram0"),
            ("/dev/vde", "/dev/ram1"),
        ];
        let real = disks.iter().fold(command.to_owned(), |text, (word, disk)| text.replace(word, disk));
        let output = sh(&real).ok();
        if command.contains("--json") {
            assert!(output.stdout.starts_with("{\n  \"schema\": \"mdctl."), "{output}");
        }
        guest::settle();
    }
    assert!(guest::mdstat().contains(" raid1 "), "{}", guest::mdstat());
}
