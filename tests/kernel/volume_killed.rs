//! Commands on volumes that are killed at their work. Whoever is killed while devices are suspended has a second process that lets
//! them go on at once; where that is killed as well, and for everything else, the next command finishes or undoes.

use std::{
    collections::BTreeMap,
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    guest::{Case, run, sh, traced, until},
    snapshot::{CHANGE, FILL, SUM, done, group, nothing_suspended, script, volume},
};

/// In each run a command is killed at so many of its calls.
const SOME: usize = 2;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("watched_at_some_requests", || watched(false)),
        Case::new("watched_at_every_request", || watched(true)).extra(),
        Case::new("a_watch_that_cannot_be", a_watch_that_cannot_be),
    ];
    for verb in VERBS {
        cases.push(Case::new(verb.name, move || killed(verb, SOME)));
        cases.push(
            Case::new(format!("{}_at_every_step", verb.name), move || killed(verb, usize::MAX)).extra(),
        );
    }
    cases
}

/// How long strace holds a thread at no call but the one that was asked for.
const LONG: Duration = Duration::from_millis(500);

/// Calls that change something: the driver's requests, metadata, locks, files.
const CALLS: &str = "ioctl,pwrite64,fdatasync,flock,rename,unlink";

/// A command, what is there before it, and what has to be there after it was killed and another one has run.
#[derive(Clone, Copy)]
struct Verb {
    name: &'static str,
    words: &'static str,
    before: &'static str,
    after: fn(&str),
}

const VERBS: [Verb; 8] = [
    Verb {
        name: "create",
        words: "create vg/new 8M",
        before: "lvremove -qq -y vg/new 2>/dev/null || true",
        after: |what| {
            if !there("new") {
                volume("create vg/new 8M").ok();
            }
            volume("activate vg/new").ok();
            let size = sh("blockdev --getsize64 /dev/vg/new").stdout;
            assert_eq!(size.trim(), "8388608", "{what}");
        },
    },
    Verb {
        name: "resize",
        words: "resize vg/new 16M",
        before: "lvremove -qq -y vg/new 2>/dev/null || true; lvcreate -qq -y -L8M -n new vg",
        after: |what| {
            volume("activate vg").ok();
            let size = sh("blockdev --getsize64 /dev/vg/new").stdout;
            let known = script("lvs --noheadings --nosuffix --units b -o lv_size vg/new");
            assert_eq!(size.trim(), known.trim(), "{what}");
        },
    },
    Verb {
        name: "activate",
        words: "activate vg",
        before: "vgchange -qq -ay vg; lvs vg/snap >/dev/null 2>&1 || lvcreate -qq -y -s -L4M -n snap vg/data; vgchange -qq -an vg",
        after: |what| {
            volume("activate vg").ok();
            assert_eq!(script("dmsetup ls | wc -l").trim(), "4", "{what}");
            script("dmsetup table vg-data | grep -q snapshot-origin; dmsetup status vg-snap | grep -q /");
        },
    },
    Verb {
        name: "snapshot",
        words: "snapshot vg/data snap --size 4M",
        before: "lvremove -qq -y vg/snap 2>/dev/null || true; [ $(dmsetup ls | wc -l) = 1 ]; SUM >/tmp/sum.img",
        after: |what| {
            let exists = there("snap");
            assert_eq!(script("dmsetup ls | wc -l").trim(), if exists { "4" } else { "1" }, "{what}");
            if !exists {
                volume("snapshot vg/data snap --size 4M").ok();
            }
            script(CHANGE);
            assert_eq!(script(&SUM.replace("data", "snap")), script("cat /tmp/sum.img"), "{what}");
        },
    },
    Verb {
        name: "extend_a_store",
        words: "resize vg/snap 8M",
        before: "lvremove -qq -y vg/snap 2>/dev/null || true; lvcreate -qq -y -s -L4M -n snap vg/data; SUM >/tmp/sum.img; CHANGE",
        after: |what| {
            let known = script("lvs --noheadings --nosuffix --units s -o lv_size vg/snap");
            let told = script("dmsetup table vg-snap-cow | cut -d' ' -f2");
            assert_eq!(known.trim(), told.trim(), "{what}");
            assert_eq!(script(&SUM.replace("data", "snap")), script("cat /tmp/sum.img"), "{what}");
        },
    },
    Verb {
        name: "rollback",
        words: "rollback vg/snap --wait",
        before: "lvs vg/snap >/dev/null 2>&1 || { SUM >/tmp/sum.img; lvcreate -qq -y -s -L4M -n snap vg/data; }; CHANGE",
        after: |what| {
            if there("snap") {
                volume("rollback vg/snap --wait").ok();
            }
            assert_eq!(script(SUM), script("cat /tmp/sum.img"), "{what}");
            assert_eq!(script("dmsetup ls | wc -l").trim(), "1", "{what}");
        },
    },
    Verb {
        name: "remove_a_snapshot",
        words: "remove -y vg/snap",
        before: "dmsetup info vg-snap >/dev/null 2>&1 || lvcreate -qq -y -s -L 4M -n snap vg/data; CHANGE",
        after: |what| {
            let expected = if there("snap") { "4" } else { "1" };
            assert_eq!(script("dmsetup ls | wc -l").trim(), expected, "{what}");
        },
    },
    Verb {
        name: "move_to_another_device",
        words: "move vg/data /dev/ram0 --wait",
        before: "lvs --noheadings -o devices vg/data | grep -q ram0 || pvmove -qq -i 1 /dev/ram1; SUM >/tmp/sum.img",
        after: |what| {
            if there("data_moves_here") {
                volume("move vg --wait").ok();
            }
            assert_eq!(script(SUM), script("cat /tmp/sum.img"), "{what}");
            script("dmsetup table vg-data | grep -q linear; [ $(lvs --noheadings vg | wc -l) = 1 ]");
        },
    },
];

fn there(name: &str) -> bool {
    sh(&format!("lvs vg/{name}")).status == 0
}

fn command(words: &str) -> Vec<&str> {
    ["/usr/local/sbin/mdctl", "volume"].into_iter().chain(words.split_whitespace()).collect()
}

/// The calls of a command, one a line, in the thread that does the work.
fn calls(names: &str, words: &str) -> Vec<String> {
    traced(names, &command(words)).0.ok();
    told()
}

/// Each call by its name and its number among those of that name.
fn numbered(trace: &[String]) -> Vec<(String, usize, &str)> {
    let mut points: Vec<(String, usize, &str)> = Vec::new();
    for line in trace {
        let Some((name, _)) = line.split_once('(') else { continue };
        if name.starts_with("<...") {
            continue;
        }
        let nth = points.iter().filter(|(known, ..)| known == name).count() + 1;
        points.push((name.to_owned(), nth, line));
    }
    points
}

/// Runs a command and kills it when it is about to make this call; its calls of these kinds, where it was killed. Each process
/// counts its own calls, and the one that watches it makes fewer. `alone`: nobody watches it.
///
/// Stopping only at the calls in question is much faster than at all of them, but then strace delivers no signal: it holds the
/// command for two seconds instead, which it needs to see that it is gone.
#[expect(clippy::disallowed_methods, reason = "a test runs strace and looks at its child")]
fn killed_at(call: &str, nth: usize, words: &str, alone: bool) -> Option<Vec<String>> {
    let trace = format!("trace=write,{call}");
    let inject = format!("inject={call}:delay_enter=2s:when={nth}");
    let strace = ["-f", "--seccomp-bpf", "-qq", "-o", "/tmp/trace", "-e", &trace, "-e", &inject];
    let mut strace = Command::new("strace")
        .args(strace)
        .args(command(words))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("strace starts");
    let children = format!("/proc/{0}/task/{0}/children", strace.id());
    let (mut held, mut killed) = (BTreeMap::new(), false);
    let until = Instant::now() + Duration::from_secs(60);
    let status = loop {
        if let Some(status) = strace.try_wait().expect("strace is a child") {
            break status;
        }
        assert!(Instant::now() < until, "{words}: neither ended nor held at {call} {nth}");
        let children = fs::read_to_string(&children).unwrap_or_default();
        let pids: Vec<&str> = children.split_whitespace().collect();
        // The command is the first; the others are where it is not. It does its work in a thread that is not its first.
        let threads = pids.first().map(|pid| held_threads(pid)).unwrap_or_default();
        held.retain(|thread, _| threads.contains(thread));
        for thread in threads {
            held.entry(thread).or_insert_with(Instant::now);
        }
        // Any call that is watched stops its thread, for a moment.
        if held.values().any(|since| since.elapsed() > LONG) && !killed {
            if alone {
                run(&["pkill", "-KILL", "-x", "mdctl-watch"]);
            }
            run(&["kill", "-KILL", pids[0]]).ok();
            killed = true;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    (!status.success()).then(told)
}

/// The threads of a process that strace holds.
#[expect(clippy::disallowed_methods, reason = "a test looks at a process")]
fn held_threads(pid: &str) -> Vec<std::ffi::OsString> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let is_held = |thread: &fs::DirEntry| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit(')').next().unwrap_or_default().trim().starts_with('t')
    };
    threads.filter(is_held).map(|thread| thread.file_name()).collect()
}

/// What strace wrote of the thread that does the work: the one with the most calls.
#[expect(clippy::disallowed_methods, reason = "a test reads what strace wrote")]
fn told() -> Vec<String> {
    let trace = fs::read_to_string("/tmp/trace").expect("strace wrote its file");
    let mut threads: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for line in trace.lines() {
        if let Some((pid, call)) = line.split_once(' ') {
            threads.entry(pid).or_default().push(call.trim_start().to_owned());
        }
    }
    let made = |lines: &Vec<String>| lines.iter().filter(|line| line.contains('(')).count();
    threads.into_values().max_by_key(made).expect("a call")
}

/// At most so many, spread; the first and the last third are for others.
fn spread<T>(points: Vec<T>, most: usize) -> Vec<T> {
    let step = points.len().div_ceil(most.min(points.len()).max(1)).max(1);
    points.into_iter().skip(step / 2).step_by(step).collect()
}

/// Nothing is suspended, and whoever saw to that has gone.
fn let_go(what: &str) {
    until(&format!("all goes on: {what}"), || {
        sh("! pgrep -x mdctl-watch && ! dmsetup info -c --noheadings -o suspended | grep -i suspended").status
            == 0
    });
}

/// Killed in the critical section of a first snapshot of a mounted volume: without another command everything goes on, with
/// the old tables or the new ones.
fn watched(everywhere: bool) {
    let disks = group();
    script("mkfs.ext4 -q /dev/vg/data; mount /dev/vg/data /mnt; echo old >/mnt/file; sync");
    let words = "snapshot vg/data snap --size 4M";
    let trace = calls("ioctl,pwrite64,fdatasync,write", words);
    script("lvremove -qq -y vg/snap");
    let all = numbered(&trace);
    let said = |byte: char| {
        all.iter().position(|(.., line)| line.contains(&format!("\"{byte}\", 1)"))).expect("a phase")
    };
    let section = &all[said('b') + 1..=said('d')];
    let mut points: Vec<(String, usize)> =
        section.iter().map(|(call, nth, _)| (call.clone(), *nth)).collect();
    assert!(points.len() >= 12, "{section:#?}");
    if everywhere {
        // Of the requests to other devices now one thread makes more and now another.
        let nth =
            all.iter().filter(|(call, ..)| call == "ioctl").map(|(_, nth, _)| *nth).max().expect("a request");
        points.extend((nth.saturating_sub(20)..nth + 10).map(|nth| ("ioctl".to_owned(), nth)));
    } else {
        // Before the commit, in it, behind it, when all has been resumed; and at a request.
        let mut requests = 0;
        points.retain(|(call, _)| {
            requests += usize::from(call == "ioctl");
            call == "write" || call == "ioctl" && requests == 4
        });
    }
    let (mut old, mut new, mut seen) = (0, 0, Vec::new());
    for (call, nth) in points {
        let Some(trace) = killed_at(&call, nth, words, false) else {
            script("lvremove -qq -y vg/snap");
            continue;
        };
        let last = trace.iter().rev().find(|line| line.contains('(')).expect("a call");
        let what = format!("killed at {call} {nth}: {last}");
        let_go(&what);
        let exists = there("snap");
        if trace.iter().any(|line| line.contains("\"b\", 1)") && line.ends_with("= 1")) {
            seen.push(last.split("event_nr").next().unwrap_or_default().to_owned());
            *(if exists { &mut new } else { &mut old }) += 1;
            // What is mounted there can be written to.
            script("timeout 10 sh -c 'echo new >/mnt/probe; sync -f /mnt; rm /mnt/probe'");
            let waiting = sh("dmsetup info -c --noheadings -o tables_loaded,name | grep -v '^Live:'").stdout;
            assert_eq!(waiting, "", "{what}");
            let kind = if exists { "snapshot-origin" } else { "linear" };
            script(&format!("dmsetup table vg-data | grep -q {kind}"));
        }
        let next = volume("create vg/other 4M").ok();
        assert_eq!(sh("ls /run/mdctl/unfinished 2>/dev/null").stdout, "", "{what}: {next}");
        assert_eq!(script("dmsetup ls | wc -l").trim(), if exists { "5" } else { "2" }, "{what}: {next}");
        script(if exists {
            "e2fsck -fn /dev/vg/snap >/dev/null; vgck vg; lvremove -qq -y vg/snap vg/other"
        } else {
            "vgck vg; lvremove -qq -y vg/other"
        });
    }
    assert!(old > 0 && new > 0, "{old} times the old state, {new} times the new one");
    seen.sort();
    seen.dedup();
    assert!(!everywhere || seen.len() >= 12, "{} calls: {seen:#?}", seen.len());
    script("umount /mnt");
    done(disks);
}

/// The second process dies at once, or cannot be started: everything is done without it.
fn a_watch_that_cannot_be() {
    let disks = group();
    let words = command("snapshot vg/data snap --size 4M");
    for inject in ["inject=setsid:signal=KILL", "inject=mlockall:error=ENOMEM"] {
        let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", inject];
        run(&[&strace[..], &words].concat()).ok();
        nothing_suspended();
        script("[ $(dmsetup ls | wc -l) = 4 ]; lvremove -qq -y vg/snap; ! pgrep -x mdctl-watch");
    }
    let (output, trace) = traced("execve,setsid,mlockall", &words);
    output.ok();
    let locked = trace.iter().filter(|line| line.contains("mlockall(")).count();
    assert_eq!(locked, 2, "both lock their memory: {trace:#?}");
    script("lvremove -qq -y vg/snap; ! pgrep -x mdctl-watch");
    done(disks);
}

/// Kills the command at spread calls; the next command finishes or undoes.
fn killed(verb: Verb, most: usize) {
    let disks = group();
    script(FILL);
    let before = || {
        let text = verb.before.replace("SUM", SUM).replace("CHANGE", CHANGE);
        script(&text);
    };
    before();
    let trace = calls(CALLS, verb.words);
    let asks = ["DM_LIST", "DM_TABLE_STATUS", "DM_TABLE_DEPS", "DM_DEV_STATUS", "DM_VERSION"];
    let points: Vec<(String, usize, &str)> = numbered(&trace)
        .into_iter()
        .filter(|(call, _, line)| {
            call != "ioctl" || line.contains("DM_") && !asks.iter().any(|ask| line.contains(ask))
        })
        .collect();
    let (tried, mut killed) = (spread(points, most), 0);
    for (at, (call, nth, line)) in tried.iter().enumerate() {
        before();
        // Every other time nobody watches.
        if killed_at(call, *nth, verb.words, at % 2 == 1).is_none() {
            continue;
        }
        killed += 1;
        if at % 2 == 0 {
            let_go(line);
        }
        let next = volume("create vg/other 4M").ok();
        let what = format!("{} killed at {call} {nth}, {line}; then: {next}", verb.words);
        let left = sh("ls /run/mdctl/unfinished 2>/dev/null").stdout;
        assert!(left.is_empty(), "{what}: {left}");
        nothing_suspended();
        script("lvremove -qq -y vg/other; vgck vg");
        (verb.after)(&what);
    }
    if most > SOME {
        println!("{}: killed at {killed} of {} calls", verb.words, tried.len());
    }
    assert!(killed * 2 >= tried.len(), "killed only {killed} times of {}", tried.len());
    done(disks);
}
