//! `--examine` of what is odd: no superblock, damaged ones, images, other people's devices; and how much is read.

use crate::guest::{Case, Disks, Images, ours, reference, settle, sh, traced};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("nothing_there", nothing_there),
        Case::new("images_and_truncated_images", images),
        Case::new("wrong_checksum_is_said", wrong_checksum),
        Case::new("partition_table", partition_table),
        Case::new("formats_asked_for", formats_asked_for),
        Case::new("two_superblocks_latest_wins", two_superblocks),
        Case::new("two_arrays_of_one_uuid", two_arrays_of_one_uuid),
        Case::new("device_words_of_the_configuration", configuration),
        Case::new("without_root", without_root),
        Case::new("any_bytes_are_named", any_bytes_are_named),
        Case::new("names_cannot_act", names_cannot_act),
        Case::new("a_bad_device_stops_no_other", a_bad_device_stops_no_other),
        Case::new("three_reads_a_device", three_reads_a_device),
        Case::new("nobody_waits_for_what_is_given_back", nobody_waits_for_what_is_given_back),
        Case::new("json", json),
    ]
}

/// Where the first byte of a 1.2 superblock is.
const V1_2: u64 = 4096;

#[track_caller]
fn same(words: &str) {
    let words: Vec<&str> = words.split(' ').collect();
    let (theirs, mine) = (reference(&words), ours(&words));
    crate::guest::same_text(&theirs.stdout, &mine.stdout);
    crate::guest::same_text(&theirs.stderr, &mine.stderr);
    assert_eq!(theirs.status, mine.status, "{mine}");
}

fn member(words: &str, disks: &[&str]) {
    let disks = disks.join(" ");
    sh(&format!("/usr/sbin/mdadm -C /dev/md0 {words} -R {disks}; /usr/sbin/mdadm -S /dev/md0")).ok();
    settle();
}

fn nothing_there() {
    let _images = Images::new();
    let disks = Disks::new(2, 16384);
    let _ = disks;
    sh("echo text >/tmp/images/text; truncate -s 1000 /tmp/images/small.img; : >/tmp/images/empty.img").ok();
    for words in [
        "-E /dev/ram0",
        "-E /dev/ram0 /dev/ram1",
        "-Eb /dev/ram0",
        "-EY /dev/ram0",
        "-E /nowhere",
        "-E /nowhere /dev/ram0",
        "-Eb /nowhere",
        "-Es /nowhere",
        "-E /tmp/images/text",
        "-E /tmp/images/small.img",
        "-E /tmp/images/empty.img",
        "-E",
        "-Es",
        "-Es -vv",
    ] {
        same(words);
    }
    // The reference waits at a FIFO for ever.
    sh("mkfifo /tmp/fifo.img").ok();
    assert!(ours(&["-E", "/tmp/fifo.img"]).fails(1).stderr.contains("cannot open /tmp/fifo.img"));
}

fn images() {
    let _images = Images::new();
    let disks = Disks::new(2, 16384);
    for metadata in ["0.90", "1.0", "1.1", "1.2"] {
        member(&format!("-e {metadata} -l1 -n2 -b internal --assume-clean"), &disks.all());
        sh("dd if=/dev/ram0 of=/tmp/images/whole.img bs=1M status=none; \
            dd if=/dev/ram0 of=/tmp/images/cut.img bs=1M count=8 status=none; \
            cp /tmp/images/whole.img /tmp/images/grown.img; truncate -s +1M /tmp/images/grown.img")
        .ok();
        for words in [
            "-E /tmp/images/whole.img",
            "-E /tmp/images/cut.img",
            "-E /tmp/images/grown.img",
            "-EY /tmp/images/whole.img",
            "-Ebv /tmp/images/whole.img /tmp/images/cut.img",
            "-Q /tmp/images/whole.img",
        ] {
            // Of 0.90 the reference exports another time.
            if !(metadata == "0.90" && words.starts_with("-EY")) {
                same(words);
            }
        }
        disks.wipe();
    }
}

fn wrong_checksum() {
    let disks = Disks::new(2, 16384);
    for (metadata, at) in [("0.90", None), ("1.1", Some(0)), ("1.2", Some(V1_2))] {
        member(&format!("-e {metadata} -l1 -n2 --assume-clean"), &disks.all());
        // 0.90: the last aligned 64 KiB; the update time in both.
        let at = at.map_or((16384 - 64) * 1024 + 128, |at| at + 192);
        let mut byte = disks.read(0, at, 512 - 192);
        byte[0] ^= 1;
        sh(&format!(
            "printf '\\x{:02x}' | dd of=/dev/ram0 bs=1 seek={at} conv=notrunc,fsync status=none",
            byte[0]
        ))
        .ok();
        same("-E /dev/ram0");
        assert!(ours(&["-E", "/dev/ram0"]).stdout.contains(" - expected "));
        // Lists do not show that it is wrong, so it is said beside them.
        let brief = ["-Ebv", "/dev/ram0", "/dev/ram1"];
        let (listed, theirs) = (ours(&brief), reference(&brief));
        assert_eq!((listed.status, &listed.stdout), (theirs.status, &theirs.stdout), "{listed}");
        assert!(listed.stderr.contains("/dev/ram0: ") && listed.stderr.contains("checksum is"), "{listed}");
        disks.wipe();
    }
}

fn partition_table() {
    sh("modprobe brd rd_nr=1 rd_size=16384 max_part=4; printf '2048,8192,83\\n10240,,8e\\n' | sfdisk -q /dev/ram0").ok();
    settle();
    for words in ["-E /dev/ram0", "-EY /dev/ram0", "-Eb /dev/ram0", "-Es", "-E /dev/ram0p1"] {
        same(words);
    }
    sh("printf 'label: gpt\\n2048,8192\\n' | sfdisk -q /dev/ram0").ok();
    same("-E /dev/ram0");
}

fn formats_asked_for() {
    let disks = Disks::new(3, 16384);
    member("-e 1.2 -l1 -n2 --assume-clean", &disks.all()[..2]);
    for metadata in ["0.90", "1", "1.0", "1.1", "1.2", "default"] {
        // The reference tells of 1.0 and 1.1 also where it then finds 1.2.
        if metadata != "1" {
            same(&format!("-E -e {metadata} /dev/ram0"));
        }
        same(&format!("-E -e {metadata} /dev/ram2"));
        same(&format!("-Eb -e {metadata} /dev/ram0 /dev/ram2"));
    }
}

fn two_superblocks() {
    let disks = Disks::new(2, 16384);
    for (first, second) in [("0.90", "1.2"), ("1.2", "0.90"), ("1.0", "1.2"), ("1.2", "1.0"), ("1.1", "0.90")]
    {
        member(&format!("-e {first} -l1 -n2 --assume-clean"), &disks.all());
        sh("dd if=/dev/ram0 of=/tmp/first.img bs=64k status=none; sleep 1.1").ok();
        // Create takes the old superblock away: it comes back from the copy, where the new one is not.
        sh("for d in /dev/ram0 /dev/ram1; do /usr/sbin/mdadm --zero-superblock $d; done").ok();
        member(&format!("-e {second} -l1 -n2 --assume-clean"), &disks.all());
        let (at, count) = if first == "1.2" || first == "1.1" { (0, 2) } else { (252, 4) };
        sh(&format!("dd if=/tmp/first.img of=/dev/ram0 bs=64k skip={at} seek={at} count={count} conv=notrunc status=none")).ok();
        same("-E /dev/ram0");
        same("-Ebv /dev/ram0 /dev/ram1");
        disks.wipe();
    }
}

/// The lists show both, the last one first.
fn two_arrays_of_one_uuid() {
    let disks = Disks::new(4, 16384);
    let uuid = "--uuid=01234567:89abcdef:01234567:89abcdef";
    member(&format!("-l1 -n2 --assume-clean {uuid}"), &disks.all()[..2]);
    member(&format!("-l0 -n2 {uuid}"), &disks.all()[2..]);
    for words in ["-Es", "-Esv", "-Eb /dev/ram0 /dev/ram2 /dev/ram1 /dev/ram3", "-Ebv /dev/ram3 /dev/ram1"] {
        same(words);
    }
}

fn configuration() {
    let disks = Disks::new(4, 16384);
    member("-l1 -n2 --assume-clean", &disks.all()[..2]);
    member("-l0 -n2", &disks.all()[2..]);
    for devices in
        ["/dev/ram[012]", "/dev/ram0 /dev/ram3", "partitions", "/dev/ram* partitions", "/dev/nothing*"]
    {
        sh(&format!("echo 'DEVICE {devices}' >/tmp/test.conf")).ok();
        for words in
            ["-Esv -c /tmp/test.conf", "-Es --config=/tmp/test.conf", "-Es -c none", "-Esv -c partitions"]
        {
            // Nothing to look at is said in other words.
            if devices != "/dev/nothing*" || !words.contains("/tmp/") {
                same(words);
            }
        }
    }
    sh("echo 'HOMEHOST else' >/tmp/test.conf").ok();
    same("-E -c /tmp/test.conf /dev/ram0");
    sh("rm /tmp/test.conf").ok();
}

fn without_root() {
    let _images = Images::new();
    let disks = Disks::new(2, 16384);
    member("-l1 -n2 --assume-clean", &disks.all());
    sh("dd if=/dev/ram0 of=/tmp/images/mine.img bs=1M status=none; chmod 644 /tmp/images/mine.img").ok();
    let nobody = |program: &str, words: &str| {
        sh(&format!("setpriv --reuid 65534 --regid 65534 --clear-groups {program} {words}"))
    };
    for words in [
        "-E /tmp/images/mine.img",
        "-E /dev/ram0",
        "-Es /tmp/images/mine.img /dev/ram0",
        "-D /dev/ram0",
        "-Q /tmp/images/mine.img",
    ] {
        let (theirs, mine) = (nobody("/usr/sbin/mdadm", words), nobody("/usr/local/sbin/mdadm", words));
        assert_eq!(
            (theirs.stdout, theirs.stderr, theirs.status),
            (mine.stdout, mine.stderr, mine.status),
            "{words}"
        );
    }
}

/// What kills the reference, or keeps it busy for ever, is named here, and the other devices are served.
fn any_bytes_are_named() {
    let disks = Disks::new(2, 16384);
    for (what, words, at, bytes, named) in [
        ("max_dev", "-l1 -n2", V1_2 + 220, &[0xff, 0xff, 0xff, 0x7f][..], "max_dev"),
        ("bitmap chunk", "-l1 -n2 -b internal", V1_2 + 4096 + 52, &[0, 0, 0, 0], "chunksize"),
        ("raid10 layout", "-l10 -n2", V1_2 + 76, &[0, 0, 0, 0], "layout"),
        ("raid_disks", "-l1 -n2", V1_2 + 92, &[0xff, 0xff, 0xff, 0x7f], "2147483647"),
        ("level", "-l1 -n2", V1_2 + 72, &[77, 0, 0, 0], "77"),
    ] {
        member(&format!("{words} --assume-clean"), &disks.all());
        let mut sector = disks.read(0, at / 512 * 512, 512);
        let from = usize::try_from(at % 512).expect("below a sector");
        sector[from..from + bytes.len()].copy_from_slice(bytes);
        disks.write(0, at / 512 * 512, &sector);
        for form in ["-E", "-EY", "-Eb", "-Q"] {
            let output = ours(&[form, "/dev/ram0", "/dev/ram1"]);
            assert!(output.status <= 1, "{what}: {output}");
            assert!(output.stdout.len() < 20_000, "{what}");
        }
        let both = ours(&["-EY", "/dev/ram0", "/dev/ram1"]).fails(1);
        assert!(both.stderr.contains(named), "{what}: {both}");
        assert!(both.stdout.contains("MD_DEV_UUID="), "{what}: the other device is shown: {both}");
        disks.wipe();
    }
}

fn names_cannot_act() {
    let disks = Disks::new(2, 16384);
    member("-l1 -n2 --assume-clean", &disks.all());
    for (name, shown, word) in [
        (&b"x\nARRAY y"[..], "x\\nARRAY y", "ARRAY \"/dev/md/x\\nARRAY y\""),
        (b"\x1b[31mred", "\\u{1b}[31mred", "ARRAY /dev/md/\\u{1b}[31mred "),
        (b"two words", "two words", "ARRAY \"/dev/md/two words\" "),
        (b"caf\xe9", "caf\\xe9", "ARRAY /dev/md/caf\\xe9 "),
        ("gr\u{f6}\u{df}e".as_bytes(), "größe", "ARRAY /dev/md/größe "),
    ] {
        let mut sector = disks.read(0, V1_2, 512);
        sector[32..64].fill(0);
        sector[32..32 + name.len()].copy_from_slice(name);
        disks.write(0, V1_2, &sector);
        let text = ours(&["-E", "/dev/ram0"]).ok().stdout;
        assert!(text.contains(&format!("           Name : {shown}\n")), "{text}");
        let line = ours(&["-Eb", "/dev/ram0"]).ok().stdout;
        assert!(line.starts_with(word) && line.lines().count() == 1, "{line}");
    }
}

fn a_bad_device_stops_no_other() {
    let disks = Disks::new(3, 16384);
    member("-l1 -n2 --assume-clean", &disks.all()[..2]);
    // Every sector of it fails.
    sh("dmsetup create bad --table '0 32768 error'").ok();
    settle();
    let output = ours(&["-E", "/dev/ram0", "/dev/mapper/bad", "/nowhere", "/dev/ram1"]).fails(1);
    assert_eq!(output.stdout.matches("Array UUID").count(), 2, "{output}");
    assert!(output.stderr.contains("/dev/mapper/bad: ") && output.stderr.contains("error"), "{output}");
    // A member that is only partly bad is shown by its other end.
    sh("dmsetup create half --table '0 32000 linear /dev/ram0 0\n32000 768 error'").ok();
    settle();
    let output = ours(&["-Eb", "/dev/mapper/half", "/dev/ram1"]);
    assert_eq!(output.stdout.lines().count(), 1, "{output}");
    let scan = ours(&["-Es"]);
    assert!(scan.stdout.starts_with("ARRAY /dev/md/0  metadata=1.2 UUID="), "{scan}");
    sh("dmsetup remove_all").ok();
}

/// Linear devices over the disks, which count what they are asked for.
fn counting(disks: &Disks) -> Vec<String> {
    for (n, disk) in disks.all().iter().enumerate() {
        sh(&format!("dmsetup create count{n} --table \"0 $(blockdev --getsz {disk}) linear {disk} 0\"")).ok();
    }
    settle();
    (0..disks.all().len()).map(|n| format!("/dev/mapper/count{n}")).collect()
}

/// Reads that a device has answered so far.
fn answered(device: &str) -> usize {
    let stat = format!("awk '{{ print $1 }}' /sys/block/$(basename $(readlink -f {device}))/stat");
    sh(&stat).ok().stdout.trim().parse().expect("a count")
}

fn three_reads_a_device() {
    let disks = Disks::new(4, 16384);
    member("-e 1.2 -l1 -n2 -b internal --assume-clean", &disks.all()[..2]);
    let devices = counting(&disks);
    sh("mkdir -p /etc/mdadm; echo 'DEVICE /dev/mapper/count*' >/etc/mdadm/mdadm.conf").ok();
    for words in [
        &["-E", "/dev/mapper/count0"][..],
        &["-E", "/dev/mapper/count3"],
        &["-Es"],
        &["-EY", "/dev/mapper/count1"],
    ] {
        let before: Vec<usize> = devices.iter().map(|device| answered(device)).collect();
        let (_, calls) = traced("openat", &[&["/usr/local/sbin/mdadm"], words].concat());
        for (device, before) in devices.iter().zip(before) {
            let reads = answered(device) - before;
            let opens = calls.iter().filter(|call| call.contains(&format!("\"{device}\""))).count();
            assert!(
                (opens..=3).contains(&reads) && opens <= 1,
                "{words:?}: {device} opened {opens} times, read {reads} times: {calls:#?}"
            );
        }
    }
    sh("rm /etc/mdadm/mdadm.conf; dmsetup remove_all").ok();
}

/// Where the kernel reads by itself there is no other process and no thread. Where it would have to wait before it has asked
/// for anything there is one, with an asynchronous context: its end takes a grace period, for which nobody waits.
fn nobody_waits_for_what_is_given_back() {
    let disks = Disks::new(10, 16384);
    member("-e 1.2 -l1 -n2 --assume-clean", &disks.all()[..2]);
    let calls = |disks: &[&str]| {
        let names = "io_uring_setup,io_setup,io_destroy,clone,clone3,fork,vfork";
        let mut calls =
            traced(names, &[&["/usr/local/sbin/mdadm", "--examine", "--brief"], disks].concat()).1;
        // Signals, where the other one has ended before this one.
        calls.retain(|call| call.contains('('));
        calls
    };
    let by_ring = calls(&disks.all()[..3]);
    let [setup] = by_ring.as_slice() else { panic!("{by_ring:#?}") };
    assert!(setup.contains("io_uring_setup("), "{by_ring:#?}");

    sh("modprobe dm-delay; dmsetup create late --table '0 32768 delay /dev/ram0 0 1'").ok();
    settle();
    let otherwise = calls(&["/dev/mapper/late", "/dev/ram1"]);
    let made = |name: &str| otherwise.iter().filter(|call| call.contains(&format!(" {name}("))).count();
    assert_eq!((made("io_setup"), made("io_destroy")), (1, 0), "{otherwise:#?}");
    sh("dmsetup remove_all").ok();
}

fn json() {
    let disks = Disks::new(3, 16384);
    sh("/usr/sbin/mdadm -C /dev/md0 -l5 -n3 --assume-clean -R /dev/ram0 /dev/ram1 /dev/ram2").ok();
    settle();
    let value = |words: &[&str]| -> serde_json::Value {
        serde_json::from_str(&ours(words).stdout).expect("one JSON document")
    };
    let examined = value(&["-E", "--json", disks.path(0), "/nowhere"]);
    assert_eq!(examined["schema"], "mdctl.examine.1");
    assert_eq!(examined["devices"][0]["metadata"], "1.2");
    assert_eq!(examined["devices"][0]["checksum"]["correct"], true);
    assert!(examined["devices"][1]["error"].is_string());
    let detail = value(&["-D", "--json", "/dev/md0"]);
    assert_eq!(detail["schema"], "mdctl.detail.1");
    assert_eq!(detail["arrays"][0]["health"], "complete");
    assert_eq!(detail["arrays"][0]["devices"][2]["path"], disks.path(2));
    let query = value(&["-Q", "--json", "/dev/md0", disks.path(1)]);
    assert_eq!(query["devices"][0]["array"]["level"], "raid5");
    assert_eq!(query["devices"][1]["member"]["activity"], "active");
}
