//! The README's commands do what it says, as written there.

use crate::guest::{self, Case, Disks, sh};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("commands_work_as_written", commands_work_as_written),
        Case::new("volumes_work_as_written", volumes_work_as_written),
        Case::new("shapes_change_as_written", shapes_change_as_written),
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
    let elsewhere =
        |command: &str| command.starts_with("mdctl volume ") || command.starts_with("mdctl grow ");
    commands.retain(|command| command.starts_with("mdctl ") && !elsewhere(command));
    commands
}

/// The section on volumes, on an array of its own; sizes are smaller here.
fn volumes_work_as_written() {
    let disks = Disks::new(3, 64 << 10);
    let lines = block("Volumes");
    guest::mdctl(
        &[&["create", "/dev/md/home", "--run", "-l5", "-n3", "--assume-clean"][..], &disks.all()].concat(),
    )
    .ok();
    guest::settle();
    assert!(lines.len() >= 5, "{lines:?}");
    for line in lines {
        sh(&line.replace('G', "M")).ok();
    }
    let listed = sh(
        "lvs --noheadings --units m -o lv_name,lv_size vg && e2fsck -fn /dev/vg/data && vgchange -q -an vg",
    )
    .ok();
    assert!(listed.stdout.contains("data 80.00m"), "{listed}");
    guest::settle();
}

/// The lines of the console block in a section of the README.
fn block(section: &str) -> Vec<&'static str> {
    let (_, section) = README.split_once(&format!("\n## {section}\n")).expect("the section");
    let (_, block) = section.split_once("```console\n").expect("commands");
    let lines = block.split("```").next().unwrap_or_default().lines();
    lines.map(|line| line.strip_prefix("# ").expect("commands of root")).collect()
}

/// The section on shapes, on an array of its own with two more disks beside it.
fn shapes_change_as_written() {
    let disks = Disks::new(5, 64 << 10);
    let all = disks.all();
    let (members, more) = all.split_at(3);
    let create = ["create", "/dev/md/home", "--run", "-l5", "-n3", "-z40M", "--assume-clean"];
    guest::mdctl(&[&create[..], members].concat()).ok();
    guest::settle();
    sh("head -c 80M /dev/urandom > /dev/shm/data && cp /dev/shm/data /dev/md/home").ok();
    for line in block("Changing the shape") {
        sh(&line.replace("/dev/vdg", more[0]).replace("/dev/vdh", more[1])).ok();
        guest::wait_idle();
        guest::settle();
    }
    let found = sh("cmp -n 83886080 /dev/md/home /dev/shm/data && cat /proc/mdstat && rm /dev/shm/data").ok();
    assert!(found.stdout.contains(" raid6 ") && found.stdout.contains("[5/5]"), "{found}");
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
