//! `mdctl dm` beside dmsetup: the same words, the same output, the same devices afterwards; and what is ours alone:
//! refusals that say why, one wait for everything, nothing left behind.

use mdctl::kernel::{
    Deadline, Machine,
    cookie::{self, Cookie, Waited},
    dm::{Control, DmCallManner, DmFlags, NewRow, Who},
};

use crate::guest::{Case, Disks, Output, mdctl, run, settle, sh, traced};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("reports_are_dmsetups", reports_are_dmsetups),
        Case::new("acts_leave_what_dmsetup_leaves", acts_leave_what_dmsetup_leaves),
        Case::new("two_hundred_devices_with_600_requests_and_one_wait", two_hundred_devices),
        Case::new("refusals_say_why", refusals_say_why),
        Case::new("what_is_busy_is_tried_again_and_then_named", what_is_busy),
        Case::new("nodes_with_and_without_udev", nodes_with_and_without_udev),
        Case::new("cookies_of_both_programs", cookies_of_both_programs),
        Case::new("requests_one_by_one", requests_one_by_one),
        Case::new("a_killed_command_is_cleaned_up_after", a_killed_command),
    ]
}

fn dm(words: &[&str]) -> Output {
    mdctl(&[&["dm"], words].concat())
}

fn dmsetup(words: &[&str]) -> Output {
    run(&[&["dmsetup"], words].concat())
}

/// The same words by both: output and status are equal.
#[track_caller]
fn both(words: &[&str]) {
    let (reference, ours) = (dmsetup(words), dm(words));
    assert_eq!(ours.stdout, reference.stdout, "{ours}\n{reference}");
    assert_eq!(ours.status, reference.status, "{ours}\n{reference}");
    assert!(ours.status == 0 || !ours.stderr.is_empty(), "{ours}");
}

const VG: &str = "LVM-abcdefabcdefabcdefabcdefabcdefabABCDEFABCDEFABCDEFABCDEFABCDEFAB";

/// Devices of many kinds, in many states.
fn a_stack(disks: &Disks) {
    let [zero, one, two, three] = [0, 1, 2, 3].map(|n| disks.path(n).to_owned());
    run(&["modprobe", "-a", "dm_snapshot", "dm_mirror"]).ok();
    let real = format!("{VG}-real");
    let tables: &[(&str, &[&str], String)] = &[
        ("a", &[], format!("0 2048 linear {zero} 0")),
        ("c d", &[], format!("0 1024 linear {zero} 2048\n1024 1024 linear {zero} 4096")),
        ("snapo", &[], format!("0 2048 snapshot-origin {one}")),
        ("snap", &[], format!("0 2048 snapshot {one} {two} P 8")),
        ("str", &[], format!("0 2048 striped 2 8 {zero} 8192 {one} 8192")),
        ("vg-lv-real", &["-u", &real], format!("0 1000 linear {three} 0")),
        ("vg-lv", &["-u", VG, "--readonly"], "0 1000 snapshot-origin /dev/mapper/vg-lv-real".to_owned()),
        ("top", &[], "0 8 linear /dev/mapper/vg-lv 0\n8 8 linear /dev/mapper/a 8\n16 8 error".to_owned()),
    ];
    for (name, options, table) in tables {
        dm(&[&["create", name, "--table", table], *options].concat()).ok();
    }
    dm(&["create", "b", "-u", "LVM-x", "--notable"]).ok();
    dm(&["load", "a", "--table", "0 4096 zero"]).ok();
    dm(&["suspend", "str"]).ok();
    settle();
}

const REPORTS: &[&str] = &[
    "ls",
    "ls -o blkdevname",
    "ls -o devname",
    "ls --target linear",
    "ls --target linear --tree",
    "ls --manglename none",
    "ls --tree",
    "ls --tree -o inverted",
    "ls --tree -o ascii,inverted",
    "ls --tree -o nodevice",
    "ls --tree -o uuid,open,rw,active,blkdevname",
    "ls --tree -o uuid,notrunc",
    "info",
    "info a",
    "info str",
    "info vg-lv",
    "info nope",
    "info a snap nope b",
    "info c\\x20d",
    "info -u LVM-x",
    "info -v a",
    "info --noopencount a",
    "info -c",
    "info -c a",
    "info -c nope",
    "info -c -u LVM-x",
    "info -c --noheadings -o name,uuid,attr,tables_loaded",
    "info -c --nameprefixes",
    "info -c --nameprefixes --rows -o name,open",
    "info -c --rows -o name,open",
    "info -c --separator , -o +devno -O name",
    "info -c -o name,attr,tables_loaded,suspended,readonly,devno,open,segments,events",
    "info -c -o name,device_count,devs_used,devnos_used,blkdevs_used",
    "info -c -o name,device_ref_count,names_using_dev,devnos_using_dev",
    "info -c -o name,subsystem,vg_name,lv_name,lv_layer",
    "info -c -o name,mangled_name,unmangled_name,mangled_uuid,unmangled_uuid",
    "info -c -o name,read_ahead a",
    "info -c -o name,open --sort -name",
    "info -c -o name,events --sort open,-name",
    "info -c --headings full -o name,open,attr",
    "info -c --headings none",
    "info -c --unquoted --nameprefixes --noheadings -o name,uuid",
    "info -c --manglename none",
    "deps",
    "deps top",
    "deps b",
    "deps nope",
    "deps -v",
    "deps -o blkdevname",
    "deps -o devname",
    "status",
    "status snap",
    "status a snap",
    "status b",
    "status nope",
    "status --noflush",
    "status --target linear",
    "status -v",
    "table",
    "table b",
    "table /dev/dm-0",
    "table a nope b",
    "table a --inactive",
    "table --concise",
    "table --concise a",
    "table --concise nope",
    "table --target striped",
    "targets",
    "target-version linear striped",
    "target-version nosuch",
    "splitname vg-lv-real",
    "splitname vg--x-lv LVM",
    "splitname a-b XYZ",
    "splitname --noheadings vg-lv-real",
    "udevflags 0xd4d1234",
    "udevflags 6364212",
    "udevcookies",
    "udevcomplete 6364212",
    "mangle",
    "measure a",
    "message a 0 @stats_list",
    "message a 0 @stats_create -",
    "message a 0 @stats_print 0",
    "message a 0 nonsense",
    "setgeometry a 1 2 3 4",
    "wait a 7",
];

fn reports_are_dmsetups() {
    let nothing = ["ls", "ls --tree", "info", "info -c", "deps", "status", "table"];
    for line in nothing {
        both(&line.split(' ').collect::<Vec<_>>());
    }
    let disks = Disks::new(4, 16384);
    a_stack(&disks);
    for line in REPORTS {
        both(&line.split(' ').collect::<Vec<_>>());
    }
    both(&["table", "c d"]);
    // Nothing of ours is older or newer than what is there.
    let json: serde_json::Value = serde_json::from_str(&dm(&["table", "--json"]).ok().stdout).expect("JSON");
    assert_eq!(json["schema"], "mdctl.dm.1");
    let names: Vec<_> =
        json["devices"].as_array().expect("a list").iter().map(|d| d["name"].clone()).collect();
    assert_eq!(names, ["a", "b", "c d", "snap", "snapo", "str", "top", "vg-lv", "vg-lv-real"]);
    assert_eq!(json["devices"][3]["rows"][0]["text"], "1:1 1:2 P 8");
    for line in ["ls", "info", "deps", "status", "targets", "version", "udevcookies", "splitname a-b"] {
        let words: Vec<&str> = line.split(' ').chain(["--json"]).collect();
        let answer = dm(&words).ok();
        let told: serde_json::Value = serde_json::from_str(&answer.stdout).expect("JSON");
        assert!(told["schema"].as_str().is_some_and(|name| name.starts_with("mdctl.dm")), "{answer}");
    }
}

/// All that can be seen of devices and links, and what udev keeps of them.
fn state() -> String {
    let shown = sh(
        "udevadm settle; dmsetup info -c -o name,attr,tables_loaded,open,segments,events,uuid; dmsetup table; \
        dmsetup table --inactive; ls -l /dev/mapper | sed 's/.* [0-9:]* //'; \
        for d in $(ls /dev/dm-* 2>/dev/null); do cat /run/udev/data/b$(cat /sys/block/${d#/dev/}/dev); done | \
        grep -vE '^I:|DISKSEQ|diskseq|USEC' | sort",
    );
    shown.stdout
}

/// Words, and after the bar one word more.
const ACTS: &[&str] = &[
    "create a --table|0 2048 linear /dev/ram0 0",
    "create b -u UB --readonly --table|0 2048 linear /dev/ram1 0\n2048 8 error",
    "create x -n",
    "create a --table|0 8 zero",
    "create bad --table|0 999999 linear /dev/ram0 0",
    "create bad --table|garbage",
    "create x|y z --table|0 8 zero",
    "create --concise|k1,,,rw,0 8 zero;k2,UK,,ro,0 8 zero,8 8 error",
    "suspend a",
    "suspend a",
    "load a --table|0 4096 linear /dev/ram0 8",
    "resume a",
    "resume a",
    "resume x",
    "reload b --table|0 8 zero",
    "clear b",
    "clear b",
    "rename a aa",
    "rename aa b",
    "rename nope n",
    "rename aa --setuuid UAA",
    "rename aa --setuuid UBB",
    "wipe_table aa",
    "wipe_table nope",
    "load nope --table|0 8 zero",
    "remove --deferred k1",
    "remove -f b",
    "remove nope",
    "remove -u UK",
    "remove x",
    "mknodes",
    "create r --readahead 64 --table|0 8 linear /dev/ram1 0",
    "create w --major 252 --minor 98 --table|0 8 zero",
    "create v --major 253 --minor 99 --table|0 8 zero",
];

/// Each act by one program, then by the other, from the same beginning: what is there after each is the same.
fn acts_leave_what_dmsetup_leaves() {
    let disks = Disks::new(2, 16384);
    let acts: Vec<Vec<&str>> = ACTS
        .iter()
        .map(|line| {
            let (words, rest) = line.split_once('|').unwrap_or((line, ""));
            words.split(' ').chain(Some(rest).filter(|rest| !rest.is_empty())).collect()
        })
        .collect();
    let after = |program: &dyn Fn(&[&str]) -> Output| -> Vec<(i32, String, String)> {
        let _ = dmsetup(&["remove_all"]);
        disks.wipe();
        settle();
        let one = |(nth, act): (usize, &Vec<&str>)| {
            let output = program(act);
            // The emulated machine is slow: not after each.
            let state = if nth % 5 == 0 { state() } else { String::new() };
            (output.status, output.stdout, state)
        };
        acts.iter().enumerate().map(one).collect()
    };
    let (reference, ours) = (after(&dmsetup), after(&dm));
    for ((act, reference), ours) in acts.iter().zip(&reference).zip(&ours) {
        assert_eq!(ours, reference, "{act:?}");
    }
    // The words that udev gets are the same too.
    for (act, request) in [
        (&["create", "e", "--table", "0 8 zero"][..], "DM_DEV_SUSPEND"),
        (&["rename", "e", "f"], "DM_DEV_RENAME"),
        (&["remove", "f"], "DM_DEV_REMOVE"),
    ] {
        let (output, calls) = traced("ioctl", &[&["/usr/local/sbin/mdctl", "dm"], act].concat());
        output.ok();
        let call = calls.iter().find(|call| call.contains(request)).expect("the request is made");
        let event = call.split("event_nr=").nth(1).and_then(|rest| rest.split([',', '}']).next());
        let word: u32 = event.and_then(|word| word.parse().ok()).expect("a word for udev");
        assert_eq!(word >> 16, 0x60, "{call}");
    }
}

/// What a case left that failed.
fn no_cookies() {
    dmsetup(&["udevcomplete_all", "-y"]).ok();
}

fn two_hundred_devices() {
    no_cookies();
    let _disks = Disks::new(1, 65536);
    let name = |nth: usize| format!("volume{nth}-{}", "n".repeat(100));
    let devices: Vec<String> =
        (0..200).map(|nth| format!("{},LVM-{nth},,rw,0 8 linear 1:0 {}", name(nth), nth * 8)).collect();
    let line = devices.join(";");
    let command = ["/usr/local/sbin/mdctl", "dm", "create", "--concise", &line];
    let (output, calls) = traced("ioctl,semtimedop,semget", &command);
    output.ok();
    let count = |what: &str| calls.iter().filter(|call| call.contains(what)).count();
    assert_eq!(count("DM_"), 600, "three requests for each device");
    assert_eq!(count("semget("), 1, "one semaphore");
    let waits = calls.iter().filter(|call| call.contains("semtimedop") && call.contains("sem_op=0")).count();
    assert_eq!(waits, 1, "one wait");
    assert!(sh("ls /dev/mapper | wc -l").ok().stdout.trim() == "201", "udev is done when it returns");

    // 200 long names do not fit the first buffer: the list is asked for again with more room.
    let control = Control::open(&Machine::live(false).places).expect("the driver answers");
    assert_eq!(control.list("", "").expect("a list").len(), 200);
    let some = control.list("", "LVM-19").expect("a list");
    assert_eq!(some.len(), 11, "LVM-19 and LVM-190 to LVM-199");
    assert_eq!(control.list("volume7", "").expect("a list").len(), 11);
    let names: Vec<String> = (0..200).map(name).collect();
    let words: Vec<&str> = ["/usr/local/sbin/mdctl", "dm", "remove"]
        .into_iter()
        .chain(names.iter().map(String::as_str))
        .collect();
    let (output, calls) = traced("ioctl,semtimedop", &words);
    output.ok();
    let removes = calls.iter().filter(|call| call.contains("DM_DEV_REMOVE")).count();
    assert!(removes >= 200, "{removes}");
    let waits = calls.iter().filter(|call| call.contains("sem_op=0")).count();
    assert_eq!(waits, 1, "one wait");
    dm(&["ls"]).ok();
    assert!(cookie::all(&Machine::live(false).procfs).expect("a list").is_empty());
}

#[track_caller]
fn says(output: Output, words: &[&str]) {
    let output = output.fails(1);
    for word in words {
        assert!(output.stderr.contains(word), "{word}: {output}");
    }
}

fn refusals_say_why() {
    let _disks = Disks::new(2, 16384);
    says(
        dm(&["create", "a", "--table", "0 999999 linear /dev/ram0 0"]),
        &["DM_TABLE_LOAD", "EINVAL", "kernel:", "too small"],
    );
    says(dm(&["create", "a", "--table", "0 8 nosuch"]), &["unknown target type"]);
    says(dm(&["create", "a", "--table", "0 8 linear /dev/nosuch 0"]), &["/dev/nosuch", "ENOENT"]);
    says(dm(&["create", "a", "--table", "0 8 zero\n9 8 zero"]), &["a row begins at sector 9 where 8"]);
    says(dm(&["create", "a/b", "--table", "0 8 zero"]), &["a character that no device name may have"]);
    assert_eq!(dmsetup(&["ls"]).stdout, "No devices found\n", "what could not be made is not there");
    dm(&["create", "a", "-u", "U", "--table", "0 8 linear /dev/ram0 0"]).ok();
    says(dm(&["create", "a", "--table", "0 8 zero"]), &["DM_DEV_CREATE", "EBUSY"]);
    says(dm(&["create", "b", "-u", "U", "--table", "0 8 zero"]), &["DM_DEV_CREATE", "EBUSY"]);
    says(dm(&["remove", "nope"]), &["nope: DM_DEV_REMOVE: ENXIO"]);
    says(dm(&["status", "nope"]), &["nope: there is no such device-mapper device"]);
    let unprivileged =
        run(&["setpriv", "--reuid=65534", "--clear-groups", "/usr/local/sbin/mdctl", "dm", "ls"]);
    says(unprivileged, &["must be super-user"]);
    let without = "capsh --drop=cap_sys_admin -- -c 'mdctl dm ls' 2>&1 || setpriv --bounding-set=-sys_admin \
        --inh-caps=-sys_admin mdctl dm ls 2>&1; true";
    let told = sh(without).stdout;
    assert!(told.contains("CAP_SYS_ADMIN"), "{told}");
    if run(&["modprobe", "dm_multipath"]).status == 0 {
        dm(&["create", "m", "--table", "0 8 multipath 2 queue_mode bio 0 1 1 round-robin 0 1 0 /dev/ram1"])
            .ok();
        says(dm(&["load", "m", "--table", "0 8 linear /dev/ram1 0"]), &["kernel:"]);
    }
    // A suspend that fails in the middle is taken back.
    says(dm(&["suspend", "a", "nope"]), &["ENXIO"]);
    assert!(dmsetup(&["info", "-c", "--noheadings", "-o", "attr", "a"]).ok().stdout.starts_with("L--w"));
    assert_eq!(dm(&["stats", "list"]).fails(2).stderr.lines().count(), 1);
    // Nothing of a dry run happens.
    let plan = dm(&["create", "dry", "--dry-run", "--table", "0 8 zero"]).ok().stdout;
    assert!(plan.contains("make device dry") && plan.contains("undo: remove device dry"), "{plan}");
    assert!(!dmsetup(&["ls"]).stdout.contains("dry"));
}

fn what_is_busy() {
    let _disks = Disks::new(1, 16384);
    dm(&["create", "a", "--table", "0 8192 linear /dev/ram0 0"]).ok();
    // Open for a moment.
    sh("(exec 3</dev/mapper/a; sleep 1) & sleep 0.1; mdctl dm remove a").ok();
    dm(&["create", "a", "--table", "0 8192 linear /dev/ram0 0"]).ok();
    sh("mkfs.ext2 -q /dev/mapper/a && mkdir -p /tmp/busy && mount /dev/mapper/a /tmp/busy").ok();
    let begun = std::time::Instant::now();
    says(dm(&["remove", "a"]), &["EBUSY", "the file system mounted at /tmp/busy"]);
    assert!(begun.elapsed().as_secs() < 4, "a mount is not waited for");
    dm(&["remove", "--deferred", "a"]).ok();
    assert!(dm(&["info", "a"]).ok().stdout.contains("DEFERRED REMOVE"));
    both(&["info", "a"]);
    dm(&["message", "a", "0", "@cancel_deferred_remove"]).ok();
    assert!(!dm(&["info", "a"]).ok().stdout.contains("DEFERRED"));
    dm(&["remove", "--deferred", "a"]).ok();
    sh("umount /tmp/busy; rmdir /tmp/busy").ok();
    settle();
    assert_eq!(dmsetup(&["ls"]).stdout, "No devices found\n");
    // What others stand on goes after them, and nobody is asked only with -y.
    dm(&["create", "low", "-u", "CRYPT-x", "--table", "0 8 linear /dev/ram0 0"]).ok();
    dm(&["create", "high", "--table", "0 8 linear /dev/mapper/low 0"]).ok();
    says(sh("mdctl dm remove_all </dev/null"), &["of cryptsetup", "nothing is removed"]);
    dm(&["remove_all", "-y"]).ok();
    assert_eq!(dmsetup(&["ls"]).stdout, "No devices found\n");
}

fn nodes_with_and_without_udev() {
    let _disks = Disks::new(1, 16384);
    let node = |name: &str| sh(&format!("stat -c '%F %a %u:%g' /dev/mapper/{name}")).stdout;
    dm(&["create", "by-udev", "--table", "0 8 linear /dev/ram0 0"]).ok();
    assert_eq!(node("by-udev"), "symbolic link 777 0:0\n");
    sh("MDADM_NO_UDEV=1 mdctl dm create ours --table '0 8 linear /dev/ram0 0'").ok();
    settle();
    assert_eq!(node("ours"), "block special file 660 0:6\n", "and udev left it alone");
    sh("MDADM_NO_UDEV=1 mdctl dm create mine --uid 1 --gid 2 --mode 0640 --table '0 8 zero'").ok();
    assert_eq!(node("mine"), "block special file 640 1:2\n");
    sh("MDADM_NO_UDEV=1 mdctl dm rename ours theirs; MDADM_NO_UDEV=1 mdctl dm remove mine").ok();
    assert_eq!((node("ours"), node("mine")), (String::new(), String::new()));
    assert_eq!(node("theirs"), "block special file 660 0:6\n");
    let create = format!("MDADM_NO_UDEV=1 mdctl dm create g--1-v -u {VG} --table '0 8 zero'");
    sh(&create).ok();
    settle();
    assert_eq!(sh("readlink /dev/g-1/v").stdout, "../mapper/g--1-v\n", "a volume has its link");
    sh("MDADM_NO_UDEV=1 mdctl dm remove g--1-v && ! test -e /dev/g-1").ok();
    // Wrong ones are put right, stale ones go.
    sh("rm /dev/mapper/theirs && mknod /dev/mapper/theirs b 7 0 && mknod /dev/mapper/stale b 7 1").ok();
    dm(&["mknodes"]).ok();
    assert_eq!(node("stale"), "");
    let number = sh("stat -L -c %t:%T /dev/mapper/theirs").ok().stdout;
    assert_eq!(
        number,
        sh("stat -L -c %t:%T /dev/$(dmsetup info -c --noheadings -o blkdevname theirs)").ok().stdout
    );
    // udev's rules do nothing: it is done here, and told.
    sh("rm /dev/mapper/by-udev; udevadm control --stop-exec-queue; \
        (sleep 1; udevadm control --start-exec-queue) & mdctl dm create late --table '0 8 zero'; \
        test -b /dev/mapper/late")
    .ok();
    both(&["ls"]);
}

fn cookies_of_both_programs() {
    no_cookies();
    let _disks = Disks::new(1, 16384);
    let procfs = Machine::live(false).procfs;
    for (make, release) in [("dmsetup", "mdctl dm"), ("mdctl dm", "dmsetup"), ("mdctl dm", "mdctl dm")] {
        let value = sh(&format!("{make} udevcreatecookie")).ok().stdout.trim().to_owned();
        assert!(value.starts_with("0x0D4D") && value.len() == 10, "{value}");
        for name in ["a", "b", "c"] {
            dm(&["create", name, "--udevcookie", &value, "--table", "0 8 zero"]).ok();
        }
        settle();
        both(&["udevcookies"]);
        sh(&format!("{release} udevreleasecookie {value}")).ok();
        assert!(cookie::all(&procfs).expect("a list").is_empty());
        sh("test -b /dev/mapper/a -a -b /dev/mapper/b -a -b /dev/mapper/c").ok();
        dm(&["remove", "a", "b", "c"]).ok();
    }
    // A device without a table sends no event: nobody waits for one.
    let begun = std::time::Instant::now();
    dm(&["create", "n", "-n"]).ok();
    dm(&["resume", "n"]).ok();
    dm(&["remove", "n"]).ok();
    assert!(begun.elapsed().as_secs() < 10);
    let left = Cookie::create().expect("a semaphore").leave();
    both(&["udevcookies"]);
    assert!(dm(&["udevcomplete_all", "5", "-y"]).ok().stdout.contains("0 semaphores"));
    dm(&["udevcomplete_all", "-y"]).ok();
    assert!(!cookie::remove(left).expect("an answer"));
}

/// What the verbs do not reach: requests as a program makes them.
fn requests_one_by_one() {
    no_cookies();
    let _disks = Disks::new(1, 16384);
    let machine = Machine::live(false);
    let control = Control::open(&machine.places).expect("the driver answers");
    let version = control.version().expect("a version");
    assert!(version.0[0] == 4 && version.0[1] >= 40, "{version}");
    assert_eq!(control.target_version("nosuch").expect("an answer"), None);
    assert!(control.versions().expect("a list").iter().any(|target| target.name == "linear"));
    let who = Who::Name("a");
    assert_eq!(control.info(who, DmFlags::empty()).expect("an answer"), None, "absent is no error");
    let info = control.create("a", Some("U"), None).expect("made");
    assert_eq!((info.segments, info.flags.contains(DmFlags::ACTIVE_PRESENT)), (0, false));
    let row = |kind: &str| NewRow { start: 0, length: 8, kind: kind.into(), params: String::new() };
    control.load(who, &[row("zero")], DmFlags::READONLY).expect("loaded");
    let info = control.resume(who, DmCallManner::default()).expect("resumed");
    assert!(info.flags.contains(DmFlags::ACTIVE_PRESENT | DmFlags::UEVENT_GENERATED | DmFlags::READONLY));
    assert!(control.info(Who::Uuid("U"), DmFlags::empty()).expect("an answer").is_some());
    let number = info.dev.expect("a number");
    assert!(control.info(Who::Dev(number), DmFlags::empty()).expect("an answer").is_some());
    assert!(control.load(who, &[], DmFlags::empty()).is_err(), "no rows");

    // Ready before, sent without another thought.
    let mut suspend =
        control.prepare(who, mdctl::kernel::dm::PreparedRequest::Suspend(DmFlags::empty())).expect("ready");
    let mut resume =
        control.prepare(who, mdctl::kernel::dm::PreparedRequest::Resume(DmFlags::empty(), 0)).expect("ready");
    for _ in 0..2 {
        assert!(suspend.fire().expect("suspended").contains(DmFlags::SUSPEND));
        assert!(!resume.fire().expect("resumed").contains(DmFlags::SUSPEND));
    }
    let gone = control.rename(Who::Name("nope"), "x", DmCallManner::default()).expect_err("absent");
    assert!(gone.is(nix::errno::Errno::ENXIO));
    let event = control.rename(who, "b", DmCallManner::default()).expect("renamed").event;
    assert!(event > 0);
    let (info, rows) =
        control.wait(Who::Name("b"), event - 1, DmFlags::empty()).expect("an event was before");
    assert_eq!((info.event, rows.len()), (event, 1));
    control.arm_poll().expect("armed");
    control.remove(Who::Name("b"), DmCallManner::default()).expect("removed");
    settle();
    // A semaphore that nobody lowers is not waited for for ever.
    let mut cookie = Cookie::create().expect("a semaphore");
    cookie.raise().expect("raised");
    let soon = Deadline::after(std::time::Duration::from_millis(100));
    assert_eq!(cookie.wait(soon), Ok(Waited::Late(1)));
    assert!(cookie::all(&machine.procfs).expect("a list").is_empty(), "and it is gone");
}

/// Killed while udev stands still: its semaphore and its half-made device are found by the next command.
fn a_killed_command() {
    no_cookies();
    let _disks = Disks::new(1, 16384);
    sh("udevadm control --stop-exec-queue; mdctl dm create a --table '0 8 zero' & sleep 1; kill -9 $!; wait; \
        udevadm control --start-exec-queue; dmsetup create half -n; \
        sed -i '$ a device half' /run/mdctl/unfinished/*")
    .ok();
    assert_eq!(cookie::all(&Machine::live(false).procfs).expect("a list").len(), 1);
    let told = dm(&["create", "b", "--table", "0 8 zero"]).ok();
    assert!(told.stderr.contains("was killed at its work"), "{told}");
    assert!(told.stderr.contains("device half, which never had a table, is removed"), "{told}");
    assert!(cookie::all(&Machine::live(false).procfs).expect("a list").is_empty(), "{told}");
    let names = dmsetup(&["info", "-c", "--noheadings", "-o", "name"]).ok().stdout;
    assert_eq!(names, "a\nb\n");
}
