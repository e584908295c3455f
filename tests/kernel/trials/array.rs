//! An array of the reference with files in it, what breaks it, and what a trial says of it then.

use serde_json::Value;

use crate::guest::{Disks, Output, mdctl, reference, run, run_for, settle, sh};

const MDCTL: &str = "/usr/local/sbin/mdctl";

/// Checksums of disks.
pub(super) fn sums(disks: &Disks) -> String {
    sh(&format!("sha256sum {}", disks.all().join(" "))).ok().stdout
}

/// No device, no loop, no array, no file, no note.
#[track_caller]
pub(super) fn nothing_is_left() {
    let left = sh("dmsetup ls | grep MDOV; losetup -a | grep MDOV; grep ^md /proc/mdstat; \
         find /run/mdctl/overlays /run/mdctl/unfinished -type f 2>/dev/null; ls /run/mdadm | grep creating");
    assert_eq!(left.stdout, "");
}

/// The disks of these numbers.
pub(super) fn named(disks: &Disks, order: &[usize]) -> Vec<String> {
    order.iter().map(|nth| disks.path(*nth).to_owned()).collect()
}

fn with<'a>(words: &[&'a str], more: &'a [String]) -> Vec<&'a str> {
    words.iter().copied().chain(more.iter().map(String::as_str)).collect()
}

/// The superblocks of an array over these members, in this order, without a change to its data; it is not running then.
pub(super) fn superblocks(disks: &Disks, words: &str, order: &[usize]) {
    empty(disks, words, order);
    stop();
}

/// An array over these members, running.
pub(super) fn empty(disks: &Disks, words: &str, order: &[usize]) {
    create_of(&named(disks, order), words);
}

fn create_of(members: &[String], words: &str) {
    let count = members.len().to_string();
    let mut line = vec!["--create", "/dev/md0", "--run", "--assume-clean", "-b", "none", "-n", &count];
    line.extend(words.split(' '));
    reference(&with(&line, members)).ok();
}

pub(super) fn stop() {
    reference(&["--stop", "/dev/md0"]).ok();
    settle();
}

/// Files, and a list of their checksums.
const FILES: &str = "mkdir -p /tmp/m; mount $where /tmp/m && cd /tmp/m && mkdir 1 2 3 4 5 && \
    for d in ?; do for f in a b c; do head -c 60000 /dev/urandom > $d/$f; done; done && \
    find . -type f | sort | xargs sha256sum > /tmp/files; cd /; umount /tmp/m";

/// An array with a file system and files in it, stopped.
pub(super) fn with_files(disks: &Disks, words: &str, order: &[usize]) {
    with_members(&named(disks, order), words);
}

/// The same over these members as they are worded.
pub(super) fn with_members(members: &[String], words: &str) {
    create_of(members, words);
    sh(&format!("mkfs.ext4 -q /dev/md0 && where=/dev/md0 && {FILES}")).ok();
    stop();
}

/// The same with this in place of the plain file system; `$where` is what is mounted.
pub(super) fn with_script(disks: &Disks, words: &str, order: &[usize], before: &str, after: &str) {
    empty(disks, words, order);
    sh(&format!("set -e; {before}; {FILES}; {after}")).ok();
    stop();
}

/// Takes all superblocks away.
pub(super) fn wipe_superblocks(disks: &Disks) {
    reference(&[&["--zero-superblock"][..], &disks.all()].concat()).ok();
}

/// The files are as they were.
#[track_caller]
pub(super) fn files_are_intact(device: &str) {
    sh(&format!(
        "blockdev --setro {device}; mount -o ro {device} /tmp/m && cd /tmp/m && sha256sum -c --quiet /tmp/files; s=$?; cd /; umount /tmp/m; exit $s"
    ))
    .ok();
}

/// What a trial said.
pub(super) struct Said {
    pub(super) output: Output,
    pub(super) json: Value,
}

/// One guess of it.
pub(super) struct Guess<'a>(pub(super) &'a Value);

impl Guess<'_> {
    /// Level, chunk in KiB, layout.
    pub(super) fn shape(&self) -> String {
        let word = |key: &str| self.0[key].as_str().unwrap_or("-").to_owned();
        format!("{} {} {}", word("level"), self.0["chunk_kib"], word("layout"))
    }

    /// Devices by slot: the last digit of each, `-` for none.
    pub(super) fn order(&self) -> String {
        let digit = |member: &Value| {
            let device = member["device"].as_str()?;
            device.chars().last()
        };
        self.0["members"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|member| digit(member).unwrap_or('-'))
            .collect()
    }

    /// Where data begins, by slot.
    pub(super) fn offsets(&self) -> Vec<u64> {
        let members = self.0["members"].as_array().into_iter().flatten();
        members.filter_map(|member| member["data_offset_sectors"].as_u64()).collect()
    }

    pub(super) fn differs(&self) -> String {
        let words = self.0["differs_in"].as_array().into_iter().flatten();
        words.filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
    }
}

impl Said {
    pub(super) fn guesses(&self) -> Vec<Guess<'_>> {
        self.json["guesses"].as_array().into_iter().flatten().map(Guess).collect()
    }

    #[track_caller]
    pub(super) fn first(&self) -> Guess<'_> {
        let Some(first) = self.json["guesses"].get(0) else { panic!("no guess: {}", self.output) };
        Guess(first)
    }

    /// The first, or one that nothing tells from it, has its members so.
    #[track_caller]
    pub(super) fn is_first(&self, shape: &str, order: &str) {
        let equal = usize::try_from(self.json["equal"].as_u64().unwrap_or(0)).unwrap_or(0);
        let guesses = self.guesses();
        let met = guesses.iter().take(equal + 1).any(|one| one.shape() == shape && one.order() == order);
        assert!(met, "{shape} {order} is not first: {}", self.output);
    }
}

/// Tries, and looks whether the members are as they were and nothing is left.
#[track_caller]
pub(super) fn trial(disks: &Disks, words: &str, order: &[usize]) -> Said {
    let before = sums(disks);
    let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
    let output =
        run_for(240, &with(&[&[MDCTL, "trial", "--json"][..], &words].concat(), &named(disks, order)));
    assert_eq!(sums(disks), before, "a member was written to: {output}");
    nothing_is_left();
    let json = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output}"));
    println!("{} {}", output.command, first_line(&json));
    Said { output, json }
}

fn first_line(json: &Value) -> String {
    let first = Guess(&json["guesses"][0]);
    format!("=> {} tried; {} {} {} of 1000", json["tried"], first.shape(), first.order(), first.0["points"])
}

/// Carries the first guess out; the files are there. Then all is taken back.
#[track_caller]
pub(super) fn applied_and_undone(disks: &Disks, words: &str, order: &[usize]) {
    let before = sums(disks);
    let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
    let apply = [MDCTL, "trial", "--apply=1", "-y", "--name=/dev/md0"];
    run_for(240, &with(&[&apply[..], &words].concat(), &named(disks, order))).ok();
    files_are_intact("/dev/md0");
    mdctl(&["stop", "/dev/md0"]).ok();
    settle();
    mdctl(&["undo", "-y"]).ok();
    assert_eq!(sums(disks), before, "undo puts every byte back");
    run(&["rm", "-rf", "/var/lib/mdctl"]).ok();
    nothing_is_left();
}
