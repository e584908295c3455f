//! What shares a group, an origin or a name with what is changed: nothing of it is lost, and nobody is left without a word.

use crate::{
    guest::{Case, sh, until},
    snapshot::{done, group, script, volume},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("the_room_of_a_move_is_in_use", the_room_of_a_move_is_in_use),
        Case::new("a_move_whose_volume_goes", a_move_whose_volume_goes),
        Case::new("a_rollback_that_cannot_happen", a_rollback_that_cannot_happen),
        Case::new("other_snapshots_are_kept", other_snapshots_are_kept),
        Case::new("other_snapshots_are_kept_at_the_activation", other_snapshots_are_kept_at_the_activation),
        Case::new("a_restore_names_what_becomes_old", a_restore_names_what_becomes_old),
        Case::new("a_restore_knows_who_had_extents_since", a_restore_knows_who_had_extents_since),
        Case::new("no_device_becomes_a_file", no_device_becomes_a_file),
    ]
}

fn speed(percent: &str) {
    script(&format!(
        "modprobe dm_mirror; echo {percent} >/sys/module/dm_mirror/parameters/raid1_resync_throttle"
    ));
}

fn nobody_follows() {
    until("nobody follows any more", || sh("pgrep -x mdctl-follow").status != 0);
}

fn the_room_of_a_move_is_in_use() {
    let disks = group();
    script(
        "head -c 16M /dev/urandom >/tmp/data.img; dd if=/tmp/data.img of=/dev/vg/data bs=1M oflag=direct status=none",
    );
    let from = script("lvs --noheadings -o devices vg/data").trim().replace("(0)", "");
    speed("1");
    volume(&format!("move vg/data {from}")).ok();
    // lvm2 shows the group without a warning, and keeps off the room.
    script("[ -z \"$(lvs -a vg 2>&1 >/dev/null)\" ]; vgck vg");
    for refused in [
        "lvremove -y vg/data_moves_here",
        "lvremove -ff -y vg/data_moves_here",
        "lvchange -an vg/data_moves_here",
        "vgchange -an vg",
    ] {
        let refused = sh(refused);
        assert_eq!(refused.status, 5, "{refused}");
    }
    // Somebody takes a part of it by force, and uses that: the copy ends, and nothing of it is there.
    script(
        "lvreduce -qq -y -f --fs ignore -L 4M vg/data_moves_here; lvcreate -qq -y -Wn -Zn -L 12M -n other vg; \
         dd if=/dev/zero of=/dev/vg/other bs=1M count=12 oflag=direct status=none",
    );
    speed("100");
    nobody_follows();
    script(
        "cmp -n 12582912 /dev/vg/other /dev/zero; cmp /dev/vg/data /tmp/data.img; ! dmsetup table | grep mirror",
    );
    let status = volume("move vg --status").ok().stdout;
    assert!(status.contains("vg/data: it, or the room that it moves to, has changed"), "{status}");
    let up = volume("activate vg").ok();
    assert!(
        up.stderr.contains("mdctl volume move vg/data --abort") && !up.stderr.contains("goes on"),
        "{up}"
    );
    let refused = volume("move vg").fails(1);
    assert!(refused.stderr.contains("nothing is copied"), "{refused}");
    assert!(volume("check vg").ok().stdout.contains("has changed since its move began"));
    volume("move vg --abort").ok();
    script(
        "vgck vg; [ $(dmsetup ls | grep -c vg-) = 2 ]; lvs vg/data_moves_here 2>/dev/null && exit 1; true",
    );
    done(disks);
}

fn a_move_whose_volume_goes() {
    let disks = group();
    script(
        "head -c 16M /dev/urandom >/tmp/data.img; dd if=/tmp/data.img of=/dev/vg/data bs=1M oflag=direct status=none",
    );
    let from = script("lvs --noheadings -o devices vg/data").trim().replace("(0)", "");
    speed("1");
    volume(&format!("move vg/data {from}")).ok();
    // Another name: it goes on under that, or stays where it was; the room is not left in any case.
    script("lvrename -qq vg/data vg/other");
    speed("100");
    nobody_follows();
    script("cmp /dev/vg/other /tmp/data.img; ! dmsetup table | grep mirror; vgck vg");
    script("lvs vg/data_moves_here 2>/dev/null && exit 1; [ $(dmsetup ls | grep -c vg-) = 1 ]");
    let from = script("lvs --noheadings -o devices vg/other").trim().replace("(0)", "");
    speed("1");
    volume(&format!("move vg/other {from}")).ok();
    script("lvremove -qq -y vg/other");
    speed("100");
    nobody_follows();
    script("lvs vg/other_moves_here 2>/dev/null && exit 1; ! dmsetup ls | grep vg-; vgck vg");
    done(disks);
}

fn a_rollback_that_cannot_happen() {
    let disks = group();
    script("head -c 16M /dev/urandom | dd of=/dev/vg/data bs=1M iflag=fullblock oflag=direct status=none");
    volume("snapshot vg/data s --size 4M").ok();
    // Asked for while it is open, and then it overflows.
    script("exec 3</dev/vg/data; mdctl volume rollback vg/s --on-next-activation -y");
    script(
        "head -c 16M /dev/urandom >/tmp/new.img; dd if=/tmp/new.img of=/dev/vg/data bs=1M oflag=direct status=none",
    );
    script("vgchange -qq -an vg");
    let up = volume("activate vg").fails(1);
    assert!(up.stderr.contains("vg/s overflowed: vg/data is not rolled back"), "{up}");
    assert!(up.stderr.contains("mdctl volume remove vg/s"), "{up}");
    let list = volume("list vg").ok().stdout;
    assert!(list.contains("invalid") && !list.contains("merging"), "{list}");
    for words in ["rollback vg/s --now -y", "rollback vg/s --wait -y"] {
        let refused = volume(words).fails(1);
        assert!(refused.stderr.contains("overflowed: vg/data is not rolled back"), "{refused}");
    }
    volume("remove -y vg/s").ok();
    script("cmp /dev/vg/data /tmp/new.img; [ $(dmsetup ls | wc -l) = 1 ]; vgck vg");
    // More room does not help one that is lost.
    volume("snapshot vg/data t --size 4M").ok();
    script("dd if=/dev/urandom of=/dev/vg/data bs=1M count=16 oflag=direct status=none");
    let refused = volume("resize vg/t +4M").fails(1);
    assert!(refused.stderr.contains("mdctl volume remove vg/t"), "{refused}");
    done(disks);
}

fn other_snapshots_are_kept() {
    let disks = group();
    script("head -c 16M /dev/urandom | dd of=/dev/vg/data bs=1M iflag=fullblock oflag=direct status=none");
    volume("snapshot vg/data s1 --size 16M").ok();
    script("dd if=/dev/urandom of=/dev/vg/data bs=1M count=12 oflag=direct status=none");
    volume("snapshot vg/data s2 --size 4M").ok();
    script("md5sum </dev/vg/s1 >/tmp/one.img; md5sum </dev/vg/s2 >/tmp/two.img");
    for words in ["rollback vg/s1 --now --wait --dry-run", "rollback vg/s1 --now --wait -y"] {
        let refused = volume(words).fails(1);
        assert!(refused.stderr.contains("snapshot vg/s2 would overflow and be lost"), "{refused}");
        assert!(refused.stderr.contains("mdctl volume resize vg/s2 +9M"), "{refused}");
    }
    volume("resize vg/s2 +12M").ok();
    volume("rollback vg/s1 --now --wait -y").ok();
    script(
        "[ \"$(md5sum </dev/vg/data)\" = \"$(cat /tmp/one.img)\" ]; [ \"$(md5sum </dev/vg/s2)\" = \"$(cat /tmp/two.img)\" ]",
    );
    done(disks);
}

fn other_snapshots_are_kept_at_the_activation() {
    let disks = group();
    script("head -c 16M /dev/urandom | dd of=/dev/vg/data bs=1M iflag=fullblock oflag=direct status=none");
    volume("create vg/other 4M").ok();
    for begin in ["mdctl volume rollback vg/s1 --on-next-activation -y", "lvconvert --merge vg/s1"] {
        volume("snapshot vg/data s1 --size 16M").ok();
        script("dd if=/dev/urandom of=/dev/vg/data bs=1M count=2 oflag=direct status=none");
        volume("snapshot vg/data s2 --size 4M").ok();
        script("md5sum </dev/vg/s1 >/tmp/one.img; md5sum </dev/vg/s2 >/tmp/two.img");
        // There is room when it is asked for, and none any more when it would begin.
        // The shell stays: lvm2 closes what it inherits.
        script(&format!("exec 3</dev/vg/data; {begin}; exec 3<&-"));
        script("dd if=/dev/urandom of=/dev/vg/data bs=1M seek=8 count=3 oflag=direct status=none");
        volume("deactivate vg").ok();
        let up = volume("activate vg").fails(1);
        assert!(
            up.stderr.contains("vg/data is not activated, because its rollback to s1 would begin"),
            "{up}"
        );
        assert!(up.stderr.contains("snapshot vg/s2 would overflow and be lost"), "{up}");
        assert!(!up.stderr.contains("goes on"), "{up}");
        script("[ \"$(dmsetup ls)\" = \"$(dmsetup ls | grep vg-other)\" ]");
        volume("resize vg/s2 +8M").ok();
        volume("activate vg/data").ok();
        sh("mdctl volume rollback vg/s1 --wait");
        until("it is put back", || sh("lvs vg/s1").status != 0);
        script(
            "[ \"$(md5sum </dev/vg/data)\" = \"$(cat /tmp/one.img)\" ]; [ \"$(md5sum </dev/vg/s2)\" = \"$(cat /tmp/two.img)\" ]",
        );
        volume("remove -y vg/s2").ok();
    }
    volume("remove -y vg/other").ok();
    done(disks);
}

fn a_restore_names_what_becomes_old() {
    let disks = group();
    script(
        "lvcreate -qq -y -L 4M -n x vg /dev/ram0; dd if=/dev/urandom of=/dev/vg/data bs=1M count=16 oflag=direct status=none",
    );
    let change = script("vgs --noheadings -o seqno vg").trim().to_owned();
    let from = script("lvs --noheadings -o devices vg/data").trim().replace("(0)", "");
    volume("remove -y vg/x").ok();
    volume(&format!("move vg/data {from} --wait")).ok();
    script(
        "dd if=/dev/urandom of=/dev/vg/data bs=1M count=16 oflag=direct status=none; md5sum </dev/vg/data >/tmp/new.img; vgchange -qq -an vg",
    );
    let refused = volume(&format!("restore vg --at {change} -y")).fails(1);
    assert!(refused.stderr.contains("vg/data is at other extents now"), "{refused}");
    assert!(refused.stderr.contains("--force"), "{refused}");
    let dry = volume(&format!("restore vg --at {change} --force --dry-run")).ok();
    assert!(dry.stdout.contains("vg/data is at other extents now"), "{dry}");
    script(
        "vgchange -qq -ay vg; [ \"$(md5sum </dev/vg/data)\" = \"$(cat /tmp/new.img)\" ]; vgchange -qq -an vg",
    );
    // And back: the newer state was kept.
    let newest = script("vgs --noheadings -o seqno vg").trim().to_owned();
    volume(&format!("restore vg --at {change} --force -y")).ok();
    script("lvs vg/x");
    volume(&format!("restore vg --at {newest} --force -y")).ok();
    script("vgchange -qq -ay vg; [ \"$(md5sum </dev/vg/data)\" = \"$(cat /tmp/new.img)\" ]; vgck vg");
    done(disks);
}

fn a_restore_knows_who_had_extents_since() {
    let disks = group();
    let number = || script("vgs --noheadings -o seqno vg").trim().to_owned();
    let restore = format!("restore vg --at {}", number());
    // Another volume was where it was, and is gone as well.
    volume("remove -y vg/data").ok();
    volume("create vg/other 16M").ok();
    volume("remove -y vg/other").ok();
    let refused = volume(&format!("{restore} -y")).fails(1);
    let given = "vg/data would come back, and what it had has been given to other volumes since: other had some of it";
    assert!(refused.stderr.contains(given) && refused.stderr.contains("--force"), "{refused}");
    volume(&format!("{restore} --force -y")).ok();
    // It was made smaller, and its end was another one's.
    let restore = format!("restore vg --at {}", number());
    script("lvreduce -qq -y -f --fs ignore -L 4M vg/data");
    volume(&format!("{restore} -y --dry-run")).ok();
    script("lvcreate -qq -y -Wn -Zn -L 12M -n other vg; lvremove -qq -y vg/other");
    let refused = volume(&format!("{restore} -y")).fails(1);
    assert!(
        refused.stderr.contains("vg/data would have extents back that have been given to other"),
        "{refused}"
    );
    // What nothing is known of is not taken for unused.
    let restore = format!("restore vg --at {}", number());
    volume("remove -y vg/data").ok();
    volume("create vg/x 4M").ok();
    let gap = number();
    volume("remove -y vg/x").ok();
    script(&format!("grep -lx \"[[:space:]]*seqno = {gap}\" /etc/lvm/archive/* | xargs rm"));
    let refused = volume(&format!("{restore} -y")).fails(1);
    assert!(
        refused.stderr.contains(&format!("nobody can tell: no state after change {gap} is kept")),
        "{refused}"
    );
    volume(&format!("{restore} -y --force")).ok();
    script("vgchange -qq -ay vg; vgck vg");
    done(disks);
}

fn no_device_becomes_a_file() {
    let disks = group();
    script(
        "rm -rf /tmp/nodes; mkdir /tmp/nodes; cd /tmp/nodes; mknod blk b 1 0; mknod null c 1 3; mkdir dir; ln -s null link",
    );
    for (name, what) in [
        ("blk", "a block device"),
        ("null", "a character device"),
        ("dir", "a directory"),
        ("link", "a character device"),
    ] {
        let refused = volume(&format!("backup vg -f /tmp/nodes/{name}")).fails(1);
        assert!(refused.stderr.contains(&format!("/tmp/nodes/{name} is {what}")), "{refused}");
    }
    script(
        "cd /tmp/nodes; [ -b blk -a -c null -a -d dir -a -L link ]; mdctl volume backup vg -f new; [ -f new ]; rm -r /tmp/nodes",
    );
    done(disks);
}
