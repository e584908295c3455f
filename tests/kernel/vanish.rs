//! A disk is pulled out in the middle of a command, at each kind of call it makes: the command ends with a word about
//! that disk or does without it, nothing half-made is left, and the next command works.

use crate::guest::{Case, Output, mdstat, ours, reference, run, settle, sh, traced, tried};

pub(crate) fn cases() -> Vec<Case> {
    let case = |name: &str, body: fn()| Case::new(name, body).needs("scsi_debug");
    vec![
        case("create", create),
        case("assemble", assemble),
        case("forced_assembly", forced_assembly).extra(),
        case("assemble_with_update", assemble_with_update).extra(),
        case("add", add),
        case("re_add", re_add).extra(),
        case("replace", replace),
        case("zero_superblock", zero_superblock),
        case("undo", undo).extra(),
        case("trial", trial).extra(),
    ]
}

/// The calls at which a disk is pulled, and at how many of each.
const CALLS: [(&str, usize); 4] = [("pwrite64", 2), ("ioctl", 2), ("io_uring_enter", 1), ("flock", 1)];

/// Four hosts with a disk each, sda to sdd, in the order of their hosts; new ones, all zero.
const PLUG_IN: &str = "\
    for try in $(seq 50); do [ ! -e /sys/module/scsi_debug ] || rmmod scsi_debug 2>/dev/null || { sleep 0.1; continue; }; break; done
    rm -rf /run/mdadm/map /var/lib/mdctl /run/mdctl
    modprobe scsi_debug add_host=4 per_host_store=1 dev_size_mb=12 num_tgts=1 max_luns=1 delay=0 && udevadm settle
    n=0
    for host in /sys/bus/pseudo/drivers/scsi_debug/adapter?; do
        ln -sfn /dev/$(basename $host/host*/target*/*/block/*) /tmp/disk$n; n=$((n + 1))
    done
    [ $n = 4 ]";

/// Runs a program under strace until it enters the given call, pulls a disk out, and lets it go on.
const PULL: &str = r#"
    call=$1 nth=$2 disk=$(basename $(readlink /tmp/disk1)); shift 2
    rm -f /tmp/events; mkfifo /tmp/events
    strace -f -qq -o /tmp/events -e trace=$call -e inject=$call:signal=STOP:when=$nth "$@" &
    pulled=
    while read -r pid line; do
        case $line in *"stopped by SIGSTOP"*)
            if [ -z "$pulled" ]; then pulled=1; echo 1 >/sys/block/$disk/device/delete; fi
            kill -CONT $pid ;;
        esac
    done </tmp/events
    wait $!
    status=$?
    [ -n "$pulled" ] || exit 99
    exit $status"#;

fn clean() {
    sh("/usr/sbin/mdadm -S --scan; rm -rf /run/mdadm/map");
    settle();
}

/// The disks' names in this moment.
fn disks() -> [String; 4] {
    [0, 1, 2, 3].map(|n| run(&["readlink", &format!("/tmp/disk{n}")]).ok().stdout.trim().to_owned())
}

fn plug_in(prepare: &dyn Fn(&[String; 4])) -> [String; 4] {
    clean();
    sh(PLUG_IN).ok();
    let disks = disks();
    prepare(&disks);
    settle();
    disks
}

/// Pulls the second disk at each point of a command in turn, each time from the same state.
fn at_each_point(
    words: impl Fn(&[String; 4]) -> Vec<String>,
    prepare: impl Fn(&[String; 4]),
    check: impl Fn(&Output, &[String; 4]),
) {
    // Under its own name the program takes mdadm's words too.
    let command = |disks: &[String; 4]| [vec!["/usr/local/sbin/mdctl".to_owned()], words(disks)].concat();
    let disks = plug_in(&prepare);
    let line = command(&disks);
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let (output, trace) = traced(&CALLS.map(|(call, _)| call).join(","), &line);
    output.ok();
    let made = |call: &str| trace.iter().filter(|line| line.contains(&format!(" {call}("))).count();
    let points = CALLS.into_iter().flat_map(|(call, most)| {
        let made = made(call);
        (1..=made).step_by(made.div_ceil(tried(most)).max(1)).map(move |nth| (call, nth))
    });
    let mut pulled = 0;
    for (call, nth) in points {
        let disks = plug_in(&prepare);
        let line = command(&disks);
        let mut script = vec!["bash".to_owned(), "-c".to_owned(), PULL.to_owned(), "pull".to_owned()];
        script.extend([call.to_owned(), nth.to_string()]);
        script.extend(line.clone());
        let mut output = run(&script.iter().map(String::as_str).collect::<Vec<_>>());
        if output.status == 99 {
            continue;
        }
        pulled += 1;
        output.command = format!("{} [{} pulled at {call} {nth}]", line.join(" "), disks[1]);
        settle();
        assert!(output.status < 100, "a crash or an endless wait: {output}");
        assert!(
            output.status == 0 || output.stderr.lines().any(|line| !line.is_empty()),
            "no word: {output}"
        );
        let left =
            sh("ls /run/mdctl/unfinished /run/mdadm 2>/dev/null | grep -E -- '^[0-9]|creating'").stdout;
        assert!(left.is_empty(), "{left} is left: {output}");
        check(&output, &disks);
    }
    assert!(pulled >= 2, "a disk was pulled {pulled} times");
    clean();
    sh("rmmod scsi_debug; rm -f /tmp/disk? /tmp/events");
}

fn words(fixed: &[&str], disks: &[String]) -> Vec<String> {
    fixed.iter().map(|word| (*word).to_owned()).chain(disks.iter().cloned()).collect()
}

fn make(fixed: &[&str], disks: &[String]) {
    let line = words(fixed, disks);
    reference(&line.iter().map(String::as_str).collect::<Vec<_>>()).ok();
    settle();
}

fn is_up() -> bool {
    mdstat().contains("md0 : active")
}

/// Not there at all, not even an empty shell.
fn is_away() -> bool {
    !mdstat().contains("md0") && run(&["test", "-e", "/sys/block/md0"]).status != 0
}

#[track_caller]
fn works(line: &[&str], after: &Output) {
    let output = ours(line);
    assert!(output.status == 0, "{output}\nafter\n{after}");
}

const CREATE: [&str; 7] = ["-C", "/dev/md0", "--run", "-l5", "-n3", "--assume-clean", "-c64"];

fn create() {
    at_each_point(
        |disks| words(&CREATE, &disks[..3]),
        |_| (),
        |output, disks| {
            if output.status == 0 {
                assert!(is_up(), "{output}{}", mdstat());
                return;
            }
            assert!(is_away(), "{output}{}", mdstat());
            assert!(output.stderr.contains(&disks[1]), "the disk is not named: {output}");
            for disk in [&disks[0], &disks[2]] {
                assert!(ours(&["-E", disk]).status != 0, "{disk} keeps a superblock: {output}");
            }
            works(&[&CREATE[..], &[&disks[0], &disks[2], &disks[3]]].concat(), output);
        },
    );
}

fn assemble() {
    at_each_point(
        |disks| words(&["-A", "/dev/md0"], &disks[..3]),
        |disks| {
            make(&CREATE, &disks[..3]);
            clean();
        },
        |output, disks| {
            if !is_up() {
                assert!(is_away(), "{output}{}", mdstat());
                works(&["-A", "--run", "/dev/md0", &disks[0], &disks[2]], output);
            }
            assert!(is_up(), "{output}{}", mdstat());
        },
    );
}

fn forced_assembly() {
    at_each_point(
        |disks| words(&["-A", "--force", "/dev/md0"], &disks[..3]),
        |disks| {
            make(&[&CREATE[..], &["-b", "none"]].concat(), &disks[..3]);
            let second = disks[1].trim_start_matches("/dev/");
            sh(&format!(
                "/usr/sbin/mdadm /dev/md0 -f {}; dd if=/dev/zero of=/dev/md0 bs=64k count=1 oflag=direct; \
                 echo faulty >/sys/block/md0/md/dev-{second}/state",
                disks[2]
            ));
            clean();
        },
        |output, disks| {
            if is_up() {
                return;
            }
            assert!(is_away(), "{output}{}", mdstat());
            works(&["-A", "--force", "--run", "/dev/md0", &disks[0], &disks[2]], output);
            assert!(is_up(), "{output}{}", mdstat());
        },
    );
}

fn assemble_with_update() {
    at_each_point(
        |disks| words(&["-A", "/dev/md0", "--update=name", "--name=new"], &disks[..3]),
        |disks| {
            make(&CREATE, &disks[..3]);
            clean();
        },
        |output, disks| {
            if !is_up() {
                assert!(is_away(), "{output}{}", mdstat());
                works(
                    &["-A", "--run", "/dev/md0", "--update=name", "--name=new", &disks[0], &disks[2]],
                    output,
                );
            }
            assert!(is_up(), "{output}{}", mdstat());
        },
    );
}

const MIRROR: [&str; 6] = ["-C", "/dev/md0", "--run", "-l1", "-n2", "--assume-clean"];

fn add() {
    at_each_point(
        |disks| words(&["/dev/md0", "--add"], &disks[1..2]),
        |disks| make(&MIRROR, &[disks[0].clone(), "missing".to_owned()]),
        |output, disks| {
            assert!(is_up(), "{output}{}", mdstat());
            sh("/usr/sbin/mdadm /dev/md0 -f detached; /usr/sbin/mdadm /dev/md0 -r detached");
            works(&["/dev/md0", "--add", &disks[3]], output);
        },
    );
}

fn re_add() {
    at_each_point(
        |disks| words(&["/dev/md0", "--re-add"], &disks[1..2]),
        |disks| {
            make(&[&MIRROR[..], &["-b", "internal"]].concat(), &disks[..2]);
            reference(&["/dev/md0", "-f", &disks[1], "-r", &disks[1]]).ok();
        },
        |output, disks| {
            assert!(is_up(), "{output}{}", mdstat());
            sh("/usr/sbin/mdadm /dev/md0 -f detached; /usr/sbin/mdadm /dev/md0 -r detached");
            works(&["/dev/md0", "--add", &disks[3]], output);
        },
    );
}

fn replace() {
    at_each_point(
        |disks| words(&["/dev/md0", "--replace", &disks[0], "--with"], &disks[1..2]),
        |disks| {
            make(&[&MIRROR[..], &["-x1"]].concat(), &[disks[0].clone(), disks[2].clone(), disks[1].clone()]);
        },
        |output, _| {
            assert!(is_up(), "{output}{}", mdstat());
            assert_ne!(sh("cat /sys/block/md0/md/sync_action").ok().stdout.trim(), "frozen", "{output}");
        },
    );
}

fn zero_superblock() {
    at_each_point(
        |disks| words(&["--zero-superblock"], &disks[..2]),
        |disks| {
            make(&MIRROR, &disks[..2]);
            clean();
        },
        |output, disks| {
            if ours(&["-E", &disks[0]]).status == 0 {
                works(&["--zero-superblock", &disks[0]], output);
            }
            assert!(ours(&["-E", &disks[0]]).status != 0, "{output}");
        },
    );
}

/// A trial ends without one of its members, and leaves no overlay of the others.
fn trial() {
    let prepare = |disks: &[String; 4]| {
        make(&CREATE, &disks[..3]);
        sh("mkfs.ext4 -q /dev/md0; /usr/sbin/mdadm -S /dev/md0").ok();
    };
    at_each_point(
        |disks| words(&["trial", "--assemble=1"], &disks[..3]),
        prepare,
        |output, _| {
            let left = sh(
                "dmsetup ls | grep MDOV; losetup -a | grep MDOV; find /run/mdctl/overlays -type f 2>/dev/null",
            );
            assert!(left.stdout.is_empty() && is_away(), "{left}{output}");
        },
    );
}

/// Bytes go back on all disks or on none; those of a disk that is gone stay in the archive.
fn undo() {
    at_each_point(
        |_| words(&["undo", "-y"], &[]),
        |disks| {
            make(&MIRROR, &disks[..2]);
            clean();
            ours(&["--zero-superblock", &disks[0], &disks[1]]).ok();
        },
        |output, disks| {
            if output.status != 0 {
                assert!(output.stderr.contains(&disks[1]), "the disk is not named: {output}");
                assert!(ours(&["-E", &disks[0]]).status != 0, "half of it was put back: {output}");
            }
        },
    );
}
