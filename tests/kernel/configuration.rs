//! mdadm.conf is looked at, and gets the lines that it lacks: the reference finds the arrays by them.

use crate::guest::{self, Case, Disks, mdctl, ours, reference, sh};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("lines_are_added_once", lines_are_added_once),
        Case::new("what_is_wrong_in_it_is_said_by_all", what_is_wrong_in_it_is_said_by_all),
    ]
}

fn what_is_wrong_in_it_is_said_by_all() {
    let disks = Disks::new(2, 8192);
    sh("printf 'FOO bar\nCREATE mode=zz\n' >/tmp/odd.conf").ok();
    let config = "--config=/tmp/odd.conf";
    let create = ["--create", "/dev/md7", "--run", "-q", "-l1", "-n2", "--assume-clean", config];
    let detail = ["--detail", "/dev/md7", config];
    let mut said: Vec<[String; 2]> = Vec::new();
    for run in [reference, ours] {
        let created = run(&[&create[..], &disks.all()].concat()).ok().stderr;
        guest::settle();
        said.push([created, run(&detail).ok().stderr]);
        reference(&["--stop", "-q", "/dev/md7"]).ok();
    }
    assert_eq!(said[0], said[1]);
    let created = mdctl(
        &[&["create", "/dev/md7", "--run", "-l1", "-n2", "--assume-clean", config], &disks.all()[..]]
            .concat(),
    );
    assert!(created.ok().stderr.contains("Unknown keyword FOO (/tmp/odd.conf, line 1)"));
    reference(&["--stop", "-q", "/dev/md7"]).ok();
}

fn lines_are_added_once() {
    let disks = Disks::new(4, 8192);
    let create = |name: &str, members: [&str; 2]| {
        let words = ["--create", name, "--run", "-l1", "-n2", "--assume-clean", "--bitmap=none"];
        reference(&[&words[..], &members].concat()).ok();
    };
    create("/dev/md/home", [disks.path(0), disks.path(1)]);
    create("/dev/md/srv", [disks.path(2), disks.path(3)]);
    guest::settle();
    let uuid =
        sh("mdadm --detail --export /dev/md/home | sed -n s/MD_UUID=//p").ok().stdout.trim().to_owned();
    // A link, as some have it, and words of the admin's own.
    sh(&format!(
        "rm -rf /tmp/conf; mkdir /tmp/conf; cd /tmp/conf; ln -s real link; \
        printf '# mine\\nMAILADDR root\\nARRAY /dev/md/home UUID={uuid}' >real; chmod 640 real"
    ))
    .ok();
    let check = ["config", "check", "--config=/tmp/conf/link"];
    let checked = mdctl(&check).ok().stdout;
    assert!(checked.contains("/dev/md/srv runs, and no ARRAY line names it"), "{checked}");
    assert!(!checked.contains("/dev/md/home"), "{checked}");
    let before = sh("cat /tmp/conf/real").ok().stdout;
    let planned = mdctl(&["config", "write", "--dry-run", "/tmp/conf/link"]).ok().stdout;
    assert!(planned.contains("ARRAY /dev/md/srv metadata=1.2 UUID="), "{planned}");
    assert_eq!(sh("cat /tmp/conf/real").ok().stdout, before);
    mdctl(&["config", "write", "/tmp/conf/link"]).ok();
    let after = sh("cat /tmp/conf/real").ok().stdout;
    let added = after.strip_prefix(&format!("{before}\n")).expect("what was there stays");
    assert!(
        added.starts_with("ARRAY /dev/md/srv metadata=1.2 UUID=") && added.lines().count() == 1,
        "{after}"
    );
    assert_eq!(sh("stat -c %a /tmp/conf/real; readlink /tmp/conf/link").ok().stdout, "640\nreal\n");
    mdctl(&["config", "write", "/tmp/conf/link"]).ok();
    assert_eq!(sh("cat /tmp/conf/real").ok().stdout, after, "once is enough");
    assert!(mdctl(&check).ok().stdout.contains("nothing is wrong"));
    for array in ["/dev/md/home", "/dev/md/srv"] {
        reference(&["--stop", array]).ok();
    }
    guest::settle();
    reference(&["--assemble", "--scan", "--config=/tmp/conf/link"]).ok();
    sh("test -b /dev/md/home && test -b /dev/md/srv").ok();
    sh("echo ARAY x >>/tmp/conf/real").ok();
    let wrong = mdctl(&check).fails(1);
    assert!(wrong.stdout.contains("Unknown keyword ARAY"), "{wrong}");
    for array in ["/dev/md/home", "/dev/md/srv"] {
        reference(&["--stop", array]).ok();
    }
}
