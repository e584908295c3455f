//! The shells' completion, by the shells themselves. Where a shell is not at hand its test is not run:
//! `cargo test --test it -- --ignored` runs those of zsh and fish, and `make test` has it done.
#![expect(clippy::disallowed_methods, reason = "a test starts shells")]

use std::{path::Path, process::Command};

/// What a shell's script prints, with the program in its path and the scripts in `$scripts`.
fn shell(shell: &[&str], script: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_mdctl")).parent().expect("the program is in a directory");
    let path = format!("{}:{}", program.display(), std::env::var("PATH").expect("there is a path"));
    let output = Command::new(shell[0])
        .args(&shell[1..])
        .arg(script)
        .env("PATH", path)
        .env("scripts", Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/completions"))
        .output()
        .expect("the shell starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Lines, and the words that they are completed to, in order of the table.
const CASES: &[(&str, &str)] = &[
    ("mdadm --create /dev/md0 --le", "--level="),
    ("mdadm -C /dev/md0 --level=raid1", "--level=raid1 --level=raid10"),
    ("mdadm -C /dev/md0 -l10 -p n", "n2 n3"),
    ("mdadm /dev/md0 --fail d", "detached"),
    ("mdctl exam", "examine"),
    ("mdctl create /dev/md0 --bitmap=l", "--bitmap=lockless"),
    ("mdadm -A --update=force", "--update=force-no-bbl"),
];

#[test]
fn bash_completes() {
    for (line, expected) in CASES {
        // bash has what stands after `=` alone.
        let expected: Vec<&str> = expected
            .split(' ')
            .map(|word| {
                word.rsplit_once(['='])
                    .map_or(word, |(name, value)| if value.is_empty() { name } else { value })
            })
            .collect();
        let script = format!(
            "compopt() {{ :; }}; . $scripts/mdctl.bash; COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; _mdctl; echo \"${{COMPREPLY[*]%=}}\""
        );
        assert_eq!(shell(&["bash", "-c"], &script).trim_end(), expected.join(" "), "{line}");
    }
}

#[test]
#[ignore = "needs zsh"]
fn zsh_completes() {
    let take = "compadd() { local name=$@[-1]; print -r -- ${(P)name} }; _files() { }; _mdctl() { source $scripts/_mdctl }";
    for (line, expected) in CASES {
        let words: Vec<String> = line.split(' ').map(|word| format!("'{word}'")).collect();
        let script = format!("{take}; words=({}); CURRENT={}; _mdctl", words.join(" "), words.len());
        assert_eq!(shell(&["zsh", "-fc"], &script).trim_end(), *expected, "{line}");
    }
}

#[test]
#[ignore = "needs fish"]
fn fish_completes() {
    for (line, expected) in CASES {
        let script =
            format!("source $scripts/mdctl.fish; complete -C '{line}' | string replace -r '\\t.*' ''; true");
        let found = shell(&["fish", "--no-config", "-c"], &script);
        // fish adds files, and what it knows of mdadm itself.
        for word in expected.split(' ') {
            assert!(found.lines().any(|found| found == word), "{line}: {found}");
        }
    }
}
