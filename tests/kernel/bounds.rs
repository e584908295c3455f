//! What superblocks say is not believed further than the kernel can bear, and running arrays are who they are.

use superblock::checksum::md1_sum;

use crate::guest::{self, Case, Disks, mdctl, ours, reference, sh};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "numbers_out_of_bounds_never_reach_the_kernel",
            numbers_out_of_bounds_never_reach_the_kernel,
        ),
        Case::new("wrong_checksums_are_told_in_lists", wrong_checksums_are_told_in_lists),
        Case::new("running_arrays_of_0_90_have_their_uuid", running_arrays_of_0_90_have_their_uuid),
        Case::new("raid0_of_unequal_members_in_0_90", raid0_of_unequal_members_in_0_90),
        Case::new("a_layout_that_nobody_recorded", a_layout_that_nobody_recorded),
        Case::new("the_verb_create_makes_a_bitmap", the_verb_create_makes_a_bitmap),
    ]
}

/// Changes a word of a 1.2 superblock and makes its checksum right.
fn patch(disks: &Disks, n: usize, at: usize, value: u32) {
    let mut page = disks.read(n, 4096, 512);
    page[at..at + 4].copy_from_slice(&value.to_le_bytes());
    let max_dev = u32::from_le_bytes(page[220..224].try_into().expect("four bytes"));
    let sum = md1_sum(&page[..256 + 2 * usize::try_from(max_dev).expect("a count")]);
    page[216..220].copy_from_slice(&sum.to_le_bytes());
    disks.write(n, 4096, &page);
}

fn numbers_out_of_bounds_never_reach_the_kernel() {
    let disks = Disks::new(3, 16 << 10);
    let create = ["--create", "/dev/md7", "--run", "--quiet", "-l5", "-n3", "--assume-clean"];
    // raid_disks, a chunk that is no power of two, a layout, dev_number, an offset behind the end.
    for (at, value, field) in [
        (92, 0x7fff_ffff, "raid_disks is 2147483647"),
        (88, 3, "chunksize is 1536"),
        (76, 77, "layout is 77"),
        (160, 5000, "dev_number is 5000"),
        (128, 0x7fff_ffff, "data_offset is 2147483647"),
    ] {
        reference(&[&create[..], &disks.all()].concat()).ok();
        reference(&["--stop", "--quiet", "/dev/md7"]).ok();
        (0..3).for_each(|n| patch(&disks, n, at, value));
        let before: Vec<_> = (0..3).map(|n| disks.read(n, 0, 8192)).collect();
        for words in [&["--assemble", "/dev/md7", "--force", "--run"][..], &["--assemble", "/dev/md7"]] {
            let output = ours(&[words, &disks.all()].concat()).fails(1);
            assert!(output.stderr.contains(field), "{field}:\n{output}");
        }
        for (n, before) in before.iter().enumerate() {
            guest::same_bytes(field, before, &disks.read(n, 0, 8192));
        }
        assert!(guest::arrays().is_empty(), "{}", guest::mdstat());
        mdctl(&["explain"]).ok();
    }
    // The kernel is as well as before.
    reference(&[&create[..], &disks.all()].concat()).ok();
    let oops = sh("dmesg | grep -E 'BUG:|Oops|RIP:' || true").ok();
    assert_eq!(oops.stdout, "");
}

fn wrong_checksums_are_told_in_lists() {
    let disks = Disks::new(2, 16 << 10);
    let create =
        ["--create", "/dev/md7", "--run", "--quiet", "-l1", "-n2", "--assume-clean", "--bitmap=none"];
    // An older array at the end, of which the sound superblock stays.
    reference(&[&create[..], &["-e1.0"], &disks.all()].concat()).ok();
    reference(&["--stop", "--quiet", "/dev/md7"]).ok();
    let end = (16 << 20) - 8192;
    let old = disks.read(0, end, 4096);
    sh("sleep 1").ok();
    reference(&[&create[..], &["-e1.2"], &disks.all()].concat()).ok();
    reference(&["--stop", "--quiet", "/dev/md7"]).ok();
    let mut page = disks.read(0, 4096, 512);
    page[216] ^= 1;
    disks.write(0, 4096, &page);
    for words in [&["--examine", "--brief"][..], &["--examine", "--export"], &["--query"]] {
        let output = ours(&[words, &["/dev/ram0"]].concat());
        assert!(output.stderr.contains("/dev/ram0: 1.2 metadata at sector 8: checksum is "), "{output}");
    }
    disks.write(0, end, &old);
    let output = ours(&["--examine", "/dev/ram0"]);
    assert!(output.stdout.contains("Version : 1.0"), "the sound one counts:\n{output}");

    // Of a running array too.
    reference(&[&create[..], &["-e1.2"], &disks.all()].concat()).ok();
    let before = ours(&["--detail", "--brief", "/dev/md7"]).ok();
    for index in [0, 1] {
        let mut page = disks.read(index, 4096, 512);
        page[216] ^= 1;
        disks.write(index, 4096, &page);
        let after = ours(&["--detail", "--brief", "/dev/md7"]).ok();
        assert_eq!(after.stdout, before.stdout);
        assert_eq!(
            after.stderr.contains("no member has a superblock with a right checksum"),
            index == 1,
            "{after}"
        );
    }
    reference(&["--stop", "--quiet", "/dev/md7"]).ok();
}

fn running_arrays_of_0_90_have_their_uuid() {
    let disks = Disks::new(2, 16 << 10);
    let create = ["--create", "/dev/md8", "--run", "--quiet", "-l1", "-n2", "-e0.90", "--assume-clean"];
    reference(&[&create[..], &disks.all()].concat()).ok();
    guest::settle();
    let brief = reference(&["--detail", "--brief", "/dev/md8"]).ok().stdout;
    let uuid = brief.trim().rsplit_once("UUID=").expect("a UUID").1.to_owned();
    let status = mdctl(&["status", "--json"]).ok().stdout;
    assert_eq!(status.matches(&uuid).count(), 1, "{uuid}: {status}");
    assert!(status.contains("\"not_running\": []"), "{status}");
    let explained = mdctl(&["explain"]).ok().stdout;
    assert!(!explained.contains("not running"), "{explained}");
    ours(&["--manage", "--quiet", "/dev/md8", "--fail", "/dev/ram1", "--remove", "/dev/ram1"]);
    let explained = mdctl(&["explain", "/dev/ram1"]).stdout;
    assert!(explained.contains("--add") || explained.contains("--re-add"), "{explained}");
}

/// Two of one size and a smaller one: two zones, so two layouts.
fn unequal() -> (Disks, String) {
    let disks = Disks::new(2, 16 << 10);
    (disks, guest::loop_disk("small", 8 << 20))
}

fn raid0_of_unequal_members_in_0_90() {
    let (_disks, small) = unequal();
    let create =
        ["--create", "/dev/md9", "--run", "-l0", "-n3", "-c64", "-e0.90", "/dev/ram0", "/dev/ram1", &small];
    let said = ours(&create).fails(1);
    assert!(guest::arrays().is_empty(), "{}", guest::mdstat());
    // The original leaves an array without members behind.
    let theirs = reference(&create).fails(1);
    assert!(said.stderr.starts_with(theirs.stderr.trim_end()), "{said}\n{theirs}");
    sh("echo 2 > /sys/module/raid0/parameters/default_layout").ok();
    ours(&[&create[..], &["--layout=dangerous"]].concat()).ok();
    sh("echo 0 > /sys/module/raid0/parameters/default_layout").ok();
}

fn a_layout_that_nobody_recorded() {
    let (_disks, small) = unequal();
    let members = ["/dev/ram0", "/dev/ram1", small.as_str()];
    let default = |number: u32| {
        sh(&format!("echo {number} > /sys/module/raid0/parameters/default_layout")).ok();
    };
    default(2);
    let create = ["--create", "/dev/md9", "--run", "--quiet", "-l0", "-n3", "-c64", "--layout=dangerous"];
    reference(&[&create[..], &members].concat()).ok();
    reference(&["--stop", "--quiet", "/dev/md9"]).ok();
    default(0);
    ours(&[&["--assemble", "/dev/md9"][..], &members].concat()).fails(1);
    let explained = mdctl(&["explain"]).ok().stdout;
    assert!(explained.contains("not recorded which of two layouts"), "{explained}");
    assert!(explained.contains("default_layout"), "{explained}");
    assert!(!explained.contains("nothing stands in the way"), "{explained}");
    // What it says helps.
    ours(&[&["--assemble", "/dev/md9", "--update=layout-alternate"][..], &members].concat()).ok();
}

fn the_verb_create_makes_a_bitmap() {
    let disks = Disks::new(2, 16 << 10);
    let verb = ["create", "/dev/md7", "--run", "-l1", "-n2", "--assume-clean"];
    let output = mdctl(&[&verb[..], &disks.all()].concat()).ok();
    assert!(output.stderr.contains("write-intent bitmap"), "{output}");
    assert!(guest::mdstat().contains("bitmap:"), "{}", guest::mdstat());
    mdctl(&["stop", "/dev/md7"]).ok();
    let option = ["--create", "/dev/md7", "--run", "--quiet", "-l1", "-n2", "--assume-clean"];
    mdctl(&[&option[..], &disks.all()].concat()).ok();
    assert!(!guest::mdstat().contains("bitmap:"), "{}", guest::mdstat());
}
