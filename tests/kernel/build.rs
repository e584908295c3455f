//! Arrays without metadata are built as the reference builds them.

use std::fmt::Write as _;

use crate::guest::{self, Case, Disks, Output, ours, reference, sh};

pub(crate) fn cases() -> Vec<Case> {
    let linear = || same(&["-l linear -n2 D0 D1", "-l linear -n2 -c 32 D0 D1"]);
    let faulty = || same(&["-l faulty -n1 D0", "-l faulty -n1 -p wt100 D0"]);
    let multipath = || same(&["-l multipath -n2 D0 D1"]);
    vec![
        Case::new("same_arrays", || same(ARRAYS)),
        Case::new("same_refusals", || same(REFUSALS)),
        Case::new("linear", linear).needs("linear"),
        Case::new("faulty", faulty).needs("faulty"),
        Case::new("multipath", multipath).needs("multipath"),
        Case::new("what_cannot_run_is_not_left", what_cannot_run_is_not_left),
    ]
}

const ARRAYS: &[&str] = &[
    "-l1 -n2 --assume-clean D0 D1",
    "-l1 -n2 D0 missing",
    "-l1 -n1 --force D0",
    "-l0 -n2 D0 D1",
    "-l0 -n2 -c 32 -p alternate D0 D1",
    "-l10 -n4 -c 64 D0 D1 D2 D3",
    "-l10 -n3 -p f2 -c 64 --assume-clean D0 D1 D2",
    "-l1 -n2 --size=8M -b none --assume-clean D0 --write-mostly D1",
    "-l1 -n2 --size=1000001 --assume-clean D0 D1",
    "-q -l1 -n2 --size=max --assume-clean D0 D1",
];

const REFUSALS: &[&str] = &[
    "-l1 -n2 D0",
    "-l1 -n2 D0 D1 D2",
    "-l1 -n1 D0",
    "-l5 -n3 D0 D1 D2",
    "-l4 -n3 D0 D1 D2",
    "-l6 -n4 D0 D1 D2 D3",
    "-l1 -n2 -p n2 D0 D1",
    "-l1 -n2 -b internal D0 D1",
    "-l1 -n2 --write-behind D0 D1",
    "-l1 -n2 D0 /dev/nonexist",
    "-l1 -n2 D0 /etc/passwd",
    "-l1 -n2 D0 D0",
    "-n2 D0 D1",
    "-l1 D0 D1",
    "-l1 -n2 -x1 D0 D1 D2",
    "-l1 -n2 -e1.2 D0 D1",
];

/// Whether a resync is over when it is looked at, and how far it is, is chance.
fn without_resync(detail: &str) -> String {
    let Some((before, rest)) = detail.split_once("     Resync Status : ") else { return detail.to_owned() };
    let rest = rest.split_once("\n\n").map_or("", |(_, rest)| rest);
    before.replace("State : clean, resyncing ", "State : clean ") + rest
}

fn same(lines: &[&str]) {
    let _disks = Disks::new(4, 8 << 10);
    let tell = |program: fn(&[&str]) -> Output| {
        let mut told = String::new();
        for line in lines {
            let words: Vec<String> = line
                .split(' ')
                .map(|word| match word.strip_prefix('D') {
                    Some(number) => format!("/dev/ram{number}"),
                    None => word.to_owned(),
                })
                .collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let output = program(&[&["--build", "/dev/md0"], &words[..]].concat());
            write!(told, "$ {line}\n{}{}[{}]\n", output.stdout, output.stderr, output.status)
                .expect("a string takes all");
            if output.status == 0 {
                let detail = reference(&["--detail", "/dev/md0"]).ok().stdout;
                told.push_str(&without_resync(&guest::redact(&detail)));
                told.push_str(&sh("cat /run/mdadm/map; blockdev --getsize64 /dev/md0").ok().stdout);
                reference(&["--stop", "/dev/md0"]).ok();
                // udev may have opened it once more, and then it goes when that is over.
                guest::settle();
            }
            assert!(guest::arrays().is_empty(), "{line}: {}", guest::mdstat());
        }
        told
    };
    guest::same_text(&tell(reference), &tell(ours));
}

fn what_cannot_run_is_not_left() {
    let _disks = Disks::new(2, 8 << 10);
    for (words, said) in [
        (&["-l1", "-n2", "missing", "missing"][..], "RUN_ARRAY"),
        (&["-l0", "-n2", "/dev/ram0", "missing"], "too few disks"),
        (&["-l10", "-n2", "/dev/ram0", "/dev/ram1"], "needs its chunk size"),
    ] {
        let refused = ours(&[&["--build", "/dev/md0"], words].concat()).fails(1);
        assert!(refused.stderr.contains(said), "{refused}");
        assert!(guest::arrays().is_empty(), "{}", guest::mdstat());
        assert_eq!(sh("cat /run/mdadm/map 2>/dev/null").stdout, "", "no line of it is left in the map");
    }
    ours(&["--build", "/dev/md/named", "-l1", "-n2", "--assume-clean", "/dev/ram0", "/dev/ram1"]).ok();
    let map = sh("cat /run/mdadm/map; readlink -f /dev/md/named").ok().stdout;
    assert_eq!(map, "md127 none 00000000:00000000:00000000:00000000 /dev/md/named\n/dev/md127\n");
    ours(&["/dev/md/named", "--fail", "/dev/ram1", "--remove", "/dev/ram1"]).ok();
    let refused = ours(&["/dev/md/named", "--re-add", "/dev/ram1"]).fails(1).stderr;
    assert_eq!(
        refused,
        "mdadm: Cannot re-add member device /dev/ram1 to md127, array is not persistent, aborting.\n"
    );
    ours(&["/dev/md/named", "--add", "/dev/ram1"]).ok();
    guest::wait_for("the copy is whole", |text| text.contains("[UU]"));
    ours(&["--stop", "/dev/md/named"]).ok();
    assert_eq!(sh("cat /run/mdadm/map").ok().stdout, "");
}
