//! The README's commands do what it says, as written there.

use crate::guest::{self, Case, Disks, sh};

pub(crate) fn cases() -> Vec<Case> {
    vec![Case::new("commands_work_as_written", commands_work_as_written)]
}

const README: &str = include_str!("../../README.md");

/// The commands for root: lines that begin with `# ` in console blocks.
fn commands() -> Vec<&'static str> {
    let mut commands = Vec::new();
    for block in README.split("```console").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        commands.extend(block.lines().filter_map(|line| line.strip_prefix("# ")));
    }
    commands.retain(|command| command.starts_with("mdctl "));
    commands
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
        let disks = [("/dev/vda", "/dev/ram0"), ("/dev/vdb", "/dev/ram1"), ("/dev/vdc", "/dev/ram2")];
        let real = disks.iter().fold(command.to_owned(), |text, (word, disk)| text.replace(word, disk));
        let output = sh(&real).ok();
        if command.contains("--json") {
            assert!(output.stdout.starts_with("{\n  \"schema\": \"mdctl."), "{output}");
        }
        guest::settle();
    }
    assert!(guest::mdstat().contains(" raid1 "), "{}", guest::mdstat());
}
