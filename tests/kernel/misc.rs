//! What looks at members and arrays beyond `--detail` and `--examine`, beside the reference.

use crate::{
    detail::{answers, same_all},
    guest::{Case, Disks, Output, mdctl, ours, reference, settle, sh, until},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("bitmaps", bitmaps),
        Case::new("bitmaps_with_any_bytes", bitmaps_with_any_bytes),
        Case::new("bad_blocks", bad_blocks),
        Case::new("sync_actions", sync_actions),
        Case::new("platform_rules_and_subarrays", platform_rules_and_subarrays),
        Case::new("configured_attributes", configured_attributes),
        Case::new("auto_and_policy", auto_and_policy),
        Case::new("names_of_the_kernel", names_of_the_kernel),
    ]
}

#[track_caller]
fn same(lines: &[&str]) {
    same_all(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>());
}

/// Where the bitmap of a 1.2 member of these tests is, and its superblock.
const BITMAP: u64 = 8192;
const SUPERBLOCK: u64 = 4096;

fn bitmaps() {
    let disks = Disks::new(4, 16384);
    for (words, count) in [
        ("-l1 -n2 -b internal --assume-clean", 2),
        ("-e 1.0 -l1 -n2 -b internal --bitmap-chunk=4K --assume-clean", 2),
        ("-e 1.1 -l5 -n3 -b internal --bitmap-chunk=64K --assume-clean -d 30", 3),
        ("-e 0.90 -l1 -n2 -b internal --assume-clean", 2),
        ("-l1 -n2 -b internal --write-behind=300 --assume-clean --write-mostly", 2),
        ("-l1 -n2 --assume-clean", 2),
    ] {
        let disks = disks.all()[..count].join(" ");
        sh(&format!("/usr/sbin/mdadm -C /dev/md0 {words} -R {disks}")).ok();
        settle();
        let all = format!("-X {disks}");
        same(&[all.as_str(), "-Xb /dev/ram0", "-X /dev/ram1 -b"]);
        // Set bits, and then some that are cleared.
        sh("dd if=/dev/urandom of=/dev/md0 bs=64k count=9 oflag=direct status=none; /usr/sbin/mdadm -S /dev/md0")
            .ok();
        same(&[all.as_str(), "-Xv /dev/ram0"]);
    }
    same(&[
        "-X /nowhere",
        "-X /nowhere /dev/ram0",
        "-X /etc/passwd",
        "-X",
        "-X --scan",
        "-X -e ddf /dev/ram0",
        "-X -e 1.0 /dev/ram2",
        "-X /dev/ram0 --examine-badblocks /dev/ram1 -Q /dev/ram1",
        "-X /dev/ram0 -E /dev/ram1",
    ]);
    // The reference dies of these.
    let blank = Disks::new(2, 16384);
    let told = ours(&["-X", blank.path(0), blank.path(1)]).fails(1);
    assert_eq!(
        told.stderr,
        "mdadm: No md superblock detected on /dev/ram0\nmdadm: No md superblock detected on /dev/ram1\n"
    );
    sh("/usr/sbin/mdadm -C /dev/md0 -l1 -n2 -R -b internal --assume-clean /dev/ram0 /dev/ram1").ok();
    let plain = reference(&["-X", "/dev/ram0"]).ok().stdout;
    assert_eq!(ours(&["-X", "-e", "1.2", "/dev/ram0"]).ok().stdout, plain);
    // A bitmap that was there before this array is not this array's; the reference shows it.
    sh("/usr/sbin/mdadm -S /dev/md0; /usr/sbin/mdadm -C /dev/md0 -e 0.90 -l1 -n2 -R --assume-clean /dev/ram0 /dev/ram1").ok();
    assert_eq!(ours(&["-X", "/dev/ram0"]).fails(1).stderr, "mdadm: /dev/ram0 doesn't have bitmap\n");
    sh("/usr/sbin/mdadm -S /dev/md0; /usr/sbin/mdadm -C /dev/md0 -l1 -n2 -R -b internal /dev/ram0 /dev/ram1")
        .ok();
    let value: serde_json::Value =
        serde_json::from_str(&mdctl(&["--misc", "-X", "--json", "/dev/ram0", "/nowhere"]).fails(1).stdout)
            .expect("JSON");
    assert_eq!(value["schema"], "mdctl.bitmap.1");
    assert_eq!(value["devices"][0]["nodes"][0]["chunks"]["total"], 1);
    assert_eq!(value["devices"][0]["chunk_bytes"], 64 << 20);
    assert!(value["devices"][1]["error"].as_str().is_some_and(|text| text.contains("No such file")));
}

fn put(disks: &Disks, offset: u64, bytes: &[u8]) {
    let mut sector = disks.read(0, offset & !511, 512);
    let at = usize::try_from(offset & 511).expect("small");
    sector[at..at + bytes.len()].copy_from_slice(bytes);
    disks.write(0, offset & !511, &sector);
}

/// Every field with values that nobody wrote: the same text where the reference has one, a named refusal where it dies.
fn bitmaps_with_any_bytes() {
    let disks = Disks::new(2, 16384);
    sh("/usr/sbin/mdadm -C /dev/md0 -l1 -n2 -R -b internal --assume-clean /dev/ram0 /dev/ram1; \
        /usr/sbin/mdadm -S /dev/md0")
    .ok();
    let saved = disks.read(0, 0, 65536);
    let version = |number: u8| (BITMAP + 4, vec![number]);
    let nodes = |number: u8| (BITMAP + 68, vec![number, 0, 0, 0]);
    let chunk = |bytes: u32| (BITMAP + 52, bytes.to_le_bytes().to_vec());
    let changes: &[&[(u64, Vec<u8>)]] = &[
        &[version(3)],
        &[version(9)],
        &[(BITMAP, vec![9])],
        &[(BITMAP + 48, vec![2])],
        &[(BITMAP + 48, vec![6, 1])],
        &[chunk(4096)],
        &[chunk(512)],
        &[chunk(3000)],
        &[chunk(1 << 30)],
        &[chunk(4096), (BITMAP + 40, 4_000_000_000u64.to_le_bytes().to_vec())],
        &[(BITMAP + 40, vec![0; 8])],
        &[(BITMAP + 56, vec![0xff; 8])],
        &[(SUPERBLOCK + 216, vec![0; 4])],
        &[(SUPERBLOCK + 96, vec![0; 4])],
        &[version(5), nodes(3), (BITMAP + 72, b"clu".to_vec())],
    ];
    for change in changes {
        disks.write(0, 0, &saved);
        change.iter().for_each(|(offset, bytes)| put(&disks, *offset, bytes));
        if change.len() == 3 {
            // A copy of the superblock for each node.
            let node = disks.read(0, BITMAP, 4096);
            disks.write(0, BITMAP + 4096, &node);
            disks.write(0, BITMAP + 8192, &node);
        }
        let all = ["-X /dev/ram0".to_owned(), "-Xb /dev/ram0".to_owned()];
        let lines = if change.len() == 3 { &all[..] } else { &all[..1] };
        let [theirs, mine] =
            ["/usr/sbin/mdadm", "/usr/local/sbin/mdadm"].map(|program| answers(program, lines));
        // Ours adds why it takes the bitmap for none.
        let added = |text: &str| {
            let kept = text.lines().filter(|line| !line.contains("/dev/ram0: its superblock names"));
            kept.collect::<Vec<_>>().join("\n")
        };
        let [theirs, mine] = [theirs, mine].map(|texts| added(&texts.concat()));
        assert_eq!(theirs, mine, "{change:?}");
    }
    damaged_bitmaps(&disks, &saved);
}

/// What kills the reference, or makes no sense to it.
fn damaged_bitmaps(disks: &Disks, saved: &[u8]) {
    let version = |number: u8| (BITMAP + 4, vec![number]);
    let nodes = |number: u8| (BITMAP + 68, vec![number, 0, 0, 0]);
    let chunk = |bytes: u32| (BITMAP + 52, bytes.to_le_bytes().to_vec());
    for (change, status, said) in [
        (vec![chunk(0)], 1, "has a chunk size of 0"),
        (vec![(SUPERBLOCK + 96, 1_000_000i32.to_le_bytes().to_vec())], 1, "where the device has ended"),
        (vec![(SUPERBLOCK + 96, (-64i32).to_le_bytes().to_vec())], 1, "doesn't have bitmap"),
        (vec![(SUPERBLOCK + 220, vec![0xff; 4])], 1, "max_dev"),
        (vec![version(5), nodes(200)], 0, "invalid bitmap magic"),
        (vec![(BITMAP + 8, vec![1])], 1, "another array's"),
    ] {
        disks.write(0, 0, saved);
        change.iter().for_each(|(offset, bytes)| put(disks, *offset, bytes));
        let told = ours(&["-X", "/dev/ram0"]).fails(status);
        assert!(told.stderr.contains(said), "{change:?}: {told}");
    }
    disks.write(0, 0, saved);
    put(disks, BITMAP + 4, &[6]);
    put(disks, BITMAP + 48, &[8]);
    let told = ours(&["-X", "/dev/ram0"]).ok().stdout;
    assert!(told.contains("Version : 6") && told.contains("State : Not used yet"), "{told}");
    put(disks, BITMAP + 48, &[0]);
    put(disks, BITMAP + 1024, &[2]);
    let told = ours(&["-X", "/dev/ram0"]).ok().stdout;
    assert!(told.contains("1 chunks, 0 unwritten, 0 clean, 1 dirty, 0 to be synchronised"), "{told}");
}

fn bad_blocks() {
    let disks = Disks::new(3, 16384);
    for metadata in ["1.0", "1.1", "1.2"] {
        sh(&format!(
            "/usr/sbin/mdadm -C /dev/md0 -e {metadata} -l1 -n2 -R --assume-clean /dev/ram0 /dev/ram1; udevadm settle; \
             for at in '1000 8' '3000 16' '9000 1'; do echo \"$at\" >/sys/block/md0/md/dev-ram0/bad_blocks; done; \
             dd if=/dev/zero of=/dev/md0 bs=4k count=1 oflag=direct status=none; /usr/sbin/mdadm -S /dev/md0"
        ))
        .ok();
        same(&[
            "--examine-badblocks /dev/ram0",
            "--examine-badblocks -b /dev/ram0 /dev/ram1",
            "--examine-badblocks -v /dev/ram2 /dev/ram0",
        ]);
    }
    let told = ours(&["--examine-badblocks", "-e", "1.2", "/dev/ram0"]).ok().stdout;
    assert!(told.contains("                1000 for 8 sectors\n"), "{told}");
    let value: serde_json::Value =
        serde_json::from_str(&ours(&["--examine-badblocks", "--json", "/dev/ram0", "/dev/ram1"]).ok().stdout)
            .expect("JSON");
    assert_eq!(value["schema"], "mdctl.bad-blocks.1");
    assert_eq!(value["devices"][0]["ranges"][1]["start_sector"], 3000);
    assert_eq!(value["devices"][1]["configured"], true);
    let saved = disks.read(0, 0, 8192);
    // Another unit; no log; a log that is too large to be one; nothing at its place.
    for (offset, bytes) in [(185, vec![3]), (186, vec![0; 2]), (186, vec![200, 0]), (188, vec![0; 4])] {
        disks.write(0, 0, &saved);
        put(&disks, SUPERBLOCK + offset, &bytes);
        same(&["--examine-badblocks /dev/ram0"]);
    }
    disks.write(0, 0, &saved);
    put(&disks, SUPERBLOCK + 188, &[0xff, 0xff, 0xff, 0x7f]);
    ours(&["--examine-badblocks", "/dev/ram0"]).fails(1);
    sh("/usr/sbin/mdadm --zero-superblock /dev/ram0 /dev/ram1; \
        /usr/sbin/mdadm -C /dev/md0 -e 0.90 -l1 -n2 -R --assume-clean /dev/ram0 /dev/ram1")
    .ok();
    same(&["--examine-badblocks /dev/ram0", "--examine-badblocks /nowhere /dev/ram0", "--examine-badblocks"]);
    let told = ours(&["--examine-badblocks", "-e", "0.90", "/dev/ram0"]).fails(1).stderr;
    assert_eq!(told, "mdadm: 0.90 metadata does not support badblocks\n");
}

fn sync_actions() {
    let _disks = Disks::new(4, 16384);
    sh("/usr/sbin/mdadm -C /dev/md0 -l1 -n2 -R --assume-clean /dev/ram0 /dev/ram1; \
        /usr/sbin/mdadm -C /dev/md1 -l0 -n2 -R /dev/ram2 /dev/ram3; udevadm settle; \
        echo 1 >/proc/sys/dev/raid/speed_limit_max; echo 1 >/proc/sys/dev/raid/speed_limit_min")
    .ok();
    let doing = || sh("cat /sys/block/md0/md/sync_action").ok().stdout.trim().to_owned();
    for action in ["check", "idle", "frozen", "idle", "repair"] {
        let option = format!("--action={action}");
        let mine = ours(&[&option, "/dev/md0"]).ok();
        assert_eq!((mine.stdout.as_str(), mine.stderr.as_str()), ("", ""));
        until(action, || doing() == action);
        if action != "repair" {
            reference(&["--action=idle", "/dev/md0"]).ok();
            until("it stopped", || doing() == "idle");
        }
    }
    // 7.2 goes on as a resync where a repair was stopped, so this one has to come to its end.
    let speed = |kib: u32| sh(&format!("echo {kib} >/proc/sys/dev/raid/speed_limit_max")).ok();
    speed(200_000);
    until("the repair is over", || doing() == "idle");
    speed(1);
    let planned = ours(&["--dry-run", "--action=check", "/dev/md0"]).ok().stdout;
    assert!(planned.contains("set sync_action of md0 to check"), "{planned}");
    until("it is still idle", || doing() == "idle");
    // Refused by the kernel: the reference's words, and then the operation.
    ours(&["--action=check", "/dev/md0"]).ok();
    let words = ["--action=repair", "/dev/md0", "/dev/md1"];
    let (theirs, mine) = (reference(&words).fails(1).stderr, ours(&words).fails(1).stderr);
    for (line, reason) in [
        ("mdadm: Count not set action for /dev/md0 to repair: ", "Device or resource busy"),
        ("mdadm: Count not set action for /dev/md1 to repair: ", "No such file or directory"),
    ] {
        for text in [&theirs, &mine] {
            let found = text.lines().find(|found| found.starts_with(line));
            assert!(found.is_some_and(|found| found.contains(reason)), "{text}");
        }
    }
    reference(&["--action=idle", "/dev/md0"]).ok();
    sh("echo 200000 >/proc/sys/dev/raid/speed_limit_max; echo 1000 >/proc/sys/dev/raid/speed_limit_min").ok();
    same(&[
        "--action=foo /dev/md0",
        "--action=check /dev/ram0",
        "--action=check /nowhere",
        "--action=check",
        "--action=check --scan",
        "--action=check --action=idle /dev/md0",
        "--action=idle /dev/ram2 /nowhere /dev/md0",
        "--action=check -Q /dev/md0",
        "--wait-clean /dev/md0 /dev/md1",
        "--wait-clean /nowhere /dev/md0",
        "--wait-clean /dev/ram0",
        "--wait-clean /dev/null",
        "--wait-clean --scan",
        "--wait-clean",
        "--auto-detect",
        "--auto-detect --scan",
    ]);
}

fn platform_rules_and_subarrays() {
    let disks = Disks::new(2, 16384);
    for words in
        ["", "-Y", "-s", "-e imsm", "-e 1.2", "-e ddf -Y", "-e 0.90", "/dev/ram0", "-e 1.0 -t /dev/ram0"]
    {
        let words: Vec<&str> = ["--detail-platform"].into_iter().chain(words.split_whitespace()).collect();
        let (theirs, mine) = (reference(&words), ours(&words));
        assert_eq!((theirs.status, theirs.stdout), (mine.status, mine.stdout), "{words:?}");
    }
    same(&["--detail-platform -e 1.2 -v", "--detail-platform -e ddf -v", "--detail-platform -e 0.90 -v"]);
    let lines = "POLICY path=pci-0000:00:1f.2-* action=spare-same-slot domain=a\n\
        POLICY path=pci-x* type=disk action=force-spare metadata=1.2\n\
        POLICY path=pci-y* type=part action=spare-same-slot\n\
        POLICY path=pci-z* action=spare\nPOLICY action=force-spare\n\
        PART-POLICY path=pci-q action=force-spare domain=b\n\
        POLICY path=pci-a path=pci-b action=include action=spare-same-slot\n\
        POLICY path=pci-b type=disk action=force-spare\nPOLICY domain=none\n";
    sh(&format!("cat >/etc/mdadm.conf <<'END'\n{lines}END")).ok();
    same(&[
        "--udev-rules",
        "--udev-rules -v",
        "--udev-rules -c /etc/mdadm.conf",
        "--udev-rules /dev/ram0",
        "--detail --udev-rules /dev/ram0",
        "--udev-rules --detail /dev/ram0",
        "--udev-rules=/tmp/a --udev-rules=/tmp/b",
    ]);
    reference(&["--udev-rules=/tmp/theirs.rules"]).ok();
    ours(&["--udev-rules=/tmp/mine.rules"]).ok();
    sh("cmp /tmp/theirs.rules /tmp/mine.rules && [ $(stat -c %a /tmp/theirs.rules) = $(stat -c %a /tmp/mine.rules) ] && rm /tmp/theirs.rules /tmp/mine.rules").ok();
    reference(&["--udev-rules=/nowhere/rules"]).fails(1);
    ours(&["--udev-rules=/nowhere/rules"]).fails(1);
    sh("/usr/sbin/mdadm -C /dev/md0 -l1 -n2 -R --assume-clean /dev/ram0 /dev/ram1").ok();
    settle();
    let _ = disks;
    same(&[
        "--kill-subarray=0 /dev/ram0",
        "--kill-subarray=0 /dev/md0",
        "--kill-subarray=0 /nowhere",
        "--kill-subarray=0",
        "--update-subarray=0 /dev/md0",
        "--update-subarray=0 --update=ppl /dev/ram0 /dev/ram1",
        "--update-subarray=0 --update=name --name=foo /dev/md0",
        "--update-subarray=0",
    ]);
}

/// SYSFS lines set attributes of arrays that are assembled, the same ones by both programs.
fn configured_attributes() {
    let _disks = Disks::new(2, 16384);
    let create = "/usr/sbin/mdadm -C /dev/md0 -l1 -n2 -R -u 01234567:89abcdef:00112233:44556677 --assume-clean /dev/ram0 /dev/ram1";
    sh(&format!("{create}; udevadm settle; /usr/sbin/mdadm -S /dev/md0")).ok();
    let conf = "SYSFS uuid=01234567:89abcdef:00112233:44556677 sync_speed_max=5001 no/such=1 sync_speed_min=2001\n\
        SYSFS name=/dev/md/home safe_mode_delay=0.5\nSYSFS uuid=11234567:89abcdef:00112233:44556677 sync_speed_max=7\n\
        SYSFS uuid=01234567:89abcdef:00112233:44556677 ../../../../kernel/mm/ksm/run=0\n";
    sh(&format!("cat >/etc/mdadm.conf <<'END'\n{conf}END")).ok();
    let values = |program: &str, words: &str| {
        let said = sh(&format!(
            "{program} -A {words} >/dev/null 2>&1; echo $?; udevadm settle; cd /sys/block/md*/md && \
             cat sync_speed_max sync_speed_min safe_mode_delay; {program} -S --scan 2>/dev/null"
        ));
        said.stdout
    };
    for words in [
        "/dev/md0 /dev/ram0 /dev/ram1",
        "/dev/md/home /dev/ram0 /dev/ram1",
        "-o /dev/md0 /dev/ram0 /dev/ram1",
    ] {
        let (theirs, mine) = (values("/usr/sbin/mdadm", words), values("/usr/local/sbin/mdadm", words));
        assert!(theirs.contains("5001 (local)"), "{theirs}");
        assert_eq!(theirs, mine, "{words}");
    }
    let told = ours(&["-A", "/dev/md0", "/dev/ram0", "/dev/ram1"]).ok();
    assert!(told.stderr.contains("no/such"), "what could not be set is said: {told}");
    ours(&["-S", "/dev/md0"]).ok();
    let planned = ours(&["-A", "--dry-run", "/dev/md/home", "/dev/ram0", "/dev/ram1"]).ok().stdout;
    assert!(planned.contains("set safe_mode_delay of md0 to 0.5") && !planned.contains(".."), "{planned}");
}

/// What may come up that no ARRAY line names.
fn auto_and_policy() {
    let _disks = Disks::new(2, 16384);
    sh("/usr/sbin/mdadm -C /dev/md0 -l1 -n2 -R --assume-clean /dev/ram0 /dev/ram1; udevadm settle; \
        /usr/sbin/mdadm -S /dev/md0; mkdir -p /dev/disk/by-path; \
        ln -sf /dev/ram0 /dev/disk/by-path/pci-1; ln -sf /dev/ram1 /dev/disk/by-path/pci-2")
    .ok();
    let run = |program: &str, conf: &str, auto: &str| {
        let script = format!(
            "printf '{conf}' >/etc/mdadm.conf; {auto} {program} -A --scan 2>&1; echo \"[$?]\"; {program} -S --scan >/dev/null 2>&1"
        );
        sh(&script).stdout
    };
    for (conf, auto, starts) in [
        ("AUTO -1.x\\n", "", false),
        ("AUTO +all\\n", "MDADM_CONF_AUTO=-1.x", false),
        ("AUTO -all\\n", "MDADM_CONF_AUTO=+1.x", true),
        ("", "MDADM_CONF_AUTO='homehost -all'", true),
        ("POLICY auto=yes\\nAUTO -all\\n", "", true),
        ("POLICY path=pci-* auto=yes\\nAUTO -all\\n", "", true),
        ("POLICY path=usb-* auto=yes\\nAUTO -all\\n", "", false),
        ("POLICY metadata=0.90 auto=yes\\nAUTO -all\\n", "", false),
        ("POLICY type=part auto=yes\\nAUTO -all\\n", "", false),
    ] {
        let (theirs, mine) = (run("/usr/sbin/mdadm", conf, auto), run("/usr/local/sbin/mdadm", conf, auto));
        assert_eq!(theirs, mine, "{conf} {auto}");
        assert_eq!(mine.ends_with("[0]\n"), starts, "{conf} {auto}: {mine}");
    }
    // The reference does nothing with these.
    for conf in ["POLICY auto=no\\n", "POLICY auto=homehost\\nHOMEHOST other\\n"] {
        assert!(run("/usr/local/sbin/mdadm", conf, "").ends_with("[1]\n"), "{conf}");
    }
    sh("rm -r /dev/disk/by-path/pci-1 /dev/disk/by-path/pci-2").ok();
}

/// Switches take an array by the kernel's name for it, without a directory; reports and the manage mode do not.
fn names_of_the_kernel() {
    let disks = Disks::new(2, 8192);
    let [a, b] = [0, 1].map(|n| disks.path(n).to_owned());
    let outputs = |mdadm: fn(&[&str]) -> Output| {
        let mut said = Vec::new();
        for (name, words) in [("md0", "/dev/md0"), ("md_joe", "/dev/md/joe --config=/tmp/names.conf")] {
            sh("echo CREATE names=yes >/tmp/names.conf");
            let line = format!("/usr/sbin/mdadm -C {words} -R -l1 -n2 --assume-clean -b none {a} {b}");
            sh(&line).ok();
            settle();
            for action in ["-D", "-Q", "-o", "-w", "-R", "-S"] {
                said.push(mdadm(&[action, name]));
            }
            said.push(mdadm(&[name, "--fail", &a]));
            sh(&format!("[ ! -e /sys/block/{name} ]")).ok();
        }
        said.extend(["-S", "-o", "-R"].map(|action| mdadm(&[action, "md999"])));
        said.iter().map(|it| format!("{} {}{}", it.status, it.stdout, it.stderr)).collect::<Vec<_>>()
    };
    assert_eq!(outputs(ours), outputs(reference));
    sh("rm /tmp/names.conf");
}
