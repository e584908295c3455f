//! Reshapes that are turned round in their midst: the array has the shape that it had, and all of its data.

use super::stopped::{Array, STORE, attr, position, speed};
use crate::guest::{Case, ours, reference, settle, sh, until};

pub(crate) fn cases() -> Vec<Case> {
    let roads = ROADS.iter().enumerate().map(|(nth, road)| {
        let case = Case::new(format!("turned_round::{}", road.name), || turned(road));
        // One where data moves and one where it is set aside are enough for each run.
        if matches!(nth, 1 | 6) { case } else { case.extra() }
    });
    roads.chain([Case::new("turned_round::not_while_in_use", not_while_in_use)]).collect()
}

struct Road {
    name: &'static str,
    create: &'static [&'static str],
    members: usize,
    /// `+`: the next device.
    grow: &'static [&'static str],
    /// Whether data is set aside.
    aside: bool,
}

const ROADS: [Road; 9] = [
    Road {
        name: "moved_to_more",
        create: &["-l5", "-n3", "-x1", "-z30720"],
        members: 4,
        grow: &["-n4"],
        aside: false,
    },
    Road {
        name: "moved_and_another_level",
        create: &["-l5", "-n3", "-x1", "-z30720"],
        members: 4,
        grow: &["-l6"],
        aside: false,
    },
    Road {
        name: "moved_from_stripes",
        create: &["-l0", "-n2"],
        members: 2,
        grow: &["-l5", "-a", "+"],
        aside: false,
    },
    Road {
        name: "moved_in_place",
        create: &["-l6", "-n4", "-z30720"],
        members: 4,
        grow: &["-c128"],
        aside: false,
    },
    Road {
        name: "moved_copies",
        create: &["-l10", "-n4", "-z30720"],
        members: 4,
        grow: &["-c128"],
        aside: false,
    },
    Road {
        name: "moved_to_a_lower_level",
        create: &["-l6", "-n4", "-z30720"],
        members: 4,
        grow: &["-l5"],
        aside: false,
    },
    Road {
        name: "set_aside_in_place",
        create: &["-l5", "-n3", "-e1.0", "-z40704"],
        members: 3,
        grow: &["-c128"],
        aside: true,
    },
    Road {
        name: "set_aside_for_more",
        create: &["-l5", "-n3", "-x1", "-e0.90", "-z40832"],
        members: 4,
        grow: &["-n4"],
        aside: true,
    },
    Road {
        name: "set_aside_and_another_level",
        create: &["-l6", "-n4", "-e1.0", "-z40832"],
        members: 4,
        grow: &["-l5"],
        aside: true,
    },
];

fn shape() -> [String; 4] {
    ["level", "raid_disks", "layout", "chunk_size"].map(attr)
}

fn turned(road: &Road) {
    let array = Array::of(road.create, road.members, 5);
    // A RAID0 that the kernel made of another level has no layout.
    let before = shape();
    let all = array.disks.all();
    let mut more = all[road.members..].iter().copied();
    let words: Vec<&str> = road
        .grow
        .iter()
        .map(|word| if *word == "+" { more.next().expect("a disk") } else { *word })
        .collect();
    let store: &[&str] = if road.aside { &["--backup-file", STORE] } else { &[] };
    ours(&[&["--grow", "/dev/md0"][..], &words, store].concat()).ok();
    speed(2000);
    let begun = position();
    until("it goes on", || {
        let at = position();
        at != begun && at != 0
    });
    assert_ne!(attr("reshape_position"), "none", "it was over too soon");
    let told = ours(&[&["--grow", "/dev/md0", "--revert"][..], store].concat()).ok();
    let (level, others) = (&before[0], &before[1..]);
    // A read that is under way when the kernel makes a RAID0 of a RAID4 or RAID5 may be answered wrongly, whoever has it do so (6.12).
    if level != "raid0" {
        array.is_sound();
    }
    let layout = if level == "raid0" { "0" } else { &others[1] };
    array.ends(&[
        ("level", level),
        ("raid_disks", &others[0]),
        ("layout", layout),
        ("chunk_size", &others[2]),
    ]);
    // And it is one that anybody assembles.
    ours(&["--stop", "/dev/md0"]).ok();
    let words = [&["--assemble", "/dev/md0"][..], &all[..road.members]].concat();
    reference(&words).ok();
    settle();
    assert_eq!(attr("level"), *level, "{told}");
    array.is_sound();
}

fn not_while_in_use() {
    let array = Array::of(&["-l5", "-n3", "-x1", "-z30720"], 4, 4);
    ours(&["--grow", "/dev/md0", "-n4"]).ok();
    let refused = sh("exec 9< /dev/md0; mdadm --grow /dev/md0 --revert");
    assert_eq!(refused.status, 1, "{refused}");
    assert!(refused.stderr.contains("/dev/md0"), "{refused}");
    array.ends(&[("level", "raid5"), ("raid_disks", "4")]);
    let nothing = ours(&["--grow", "/dev/md0", "--revert"]);
    assert_eq!(nothing.status, 1, "{nothing}");
    assert!(nothing.stderr.contains("is not being reshaped"), "{nothing}");
}
