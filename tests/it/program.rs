//! The program as it is called, where no array is touched.
#![expect(clippy::disallowed_methods, reason = "a test starts the program")]

use std::{os::unix::process::CommandExt as _, process::Command};

struct Said {
    out: String,
    err: String,
    status: i32,
}

/// Runs the program under this name.
fn run(name: &str, arguments: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_mdctl"))
        .arg0(name)
        .args(arguments)
        .output()
        .expect("the program starts");
    Said {
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        status: output.status.code().unwrap_or(-1),
    }
}

#[test]
fn the_name_chooses_the_grammar() {
    let version = run("mdadm", &["--version"]);
    assert_eq!((version.status, version.out.as_str()), (0, ""));
    assert!(version.err.starts_with("mdadm - v4."), "{}", version.err);
    let verb = run("mdctl", &["--help"]);
    assert_eq!(verb.status, 0);
    assert!(verb.out.contains("create") && verb.out.contains("assemble"), "{}", verb.out);
    let unknown = run("/usr/sbin/mdctl", &["dance"]);
    assert_eq!(unknown.status, 2);
    assert!(unknown.err.starts_with("mdctl: "), "{}", unknown.err);
}

#[test]
fn a_line_that_is_not_understood_is_status_2_on_standard_error() {
    for arguments in [&["--create"][..], &["-A", "-C"], &["-l1"], &["/dev/a", "/dev/b"], &[]] {
        let said = run("mdadm", arguments);
        assert_eq!((said.status, said.out.as_str()), (2, ""), "{arguments:?}: {}", said.err);
        assert!(!said.err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn every_mode_has_help_on_standard_output() {
    for mode in
        ["--create", "--assemble", "--misc", "--grow", "--build", "--manage", "--monitor", "--incremental"]
    {
        let said = run("mdadm", &[mode, "--help"]);
        assert_eq!((said.status, said.err.as_str()), (0, ""), "{mode}");
        assert!(said.out.lines().count() > 5, "{mode}: {}", said.out);
    }
}
