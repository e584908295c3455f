//! The guest as the cases see it: commands, disks that are new for each case, waiting, comparing.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives the machine from outside, with programs and files"
)]

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Where this program runs.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Guest,
    /// Any machine, with loop devices that tests/metadata made and with nothing else in /dev.
    Loops,
    Elsewhere(&'static str),
}

/// The cases of one guest where several share the work: every n-th.
#[derive(Clone, Copy)]
pub(crate) struct Share {
    nth: usize,
    of: usize,
}

impl Share {
    pub(crate) fn takes(self, case: usize) -> bool {
        case % self.of == self.nth
    }
}

/// `MDCTL_SHARE=2/3`: the second of three guests.
pub(crate) fn share() -> Share {
    let Ok(text) = std::env::var("MDCTL_SHARE") else { return Share { nth: 0, of: 1 } };
    let parts = text.split_once('/').and_then(|(nth, of)| Some((nth.parse().ok()?, of.parse().ok()?)));
    let Some((nth, of)) = parts.filter(|(nth, of): &(usize, usize)| (1..=*of).contains(nth)) else {
        panic!("MDCTL_SHARE is like 1/2, and not {text}");
    };
    Share { nth: nth - 1, of }
}

/// The runner in tests/vm says that this is a guest; there, a kernel without md is a failure of the cases.
pub(crate) fn place() -> Place {
    if std::env::var_os("MDCTL_LOOPS").is_some() {
        Place::Loops
    } else if std::env::var_os("MDCTL_GUEST").is_some() {
        Place::Guest
    } else if Path::new("/proc/mdstat").exists() {
        Place::Elsewhere("only in the guest, for it stops every array: tests/vm/test")
    } else {
        Place::Elsewhere("no md in this kernel; in the guest: tests/vm/test")
    }
}

/// One test.
pub(crate) struct Case {
    pub(crate) name: String,
    body: Box<dyn FnOnce() + Send>,
    module: Option<&'static str>,
    extra: bool,
    /// Needs neither md nor device-mapper.
    pub(crate) on_loops: bool,
}

impl Case {
    pub(crate) fn new(name: impl Into<String>, body: impl FnOnce() + Send + 'static) -> Self {
        Self { name: name.into(), body: Box::new(body), module: None, extra: false, on_loops: false }
    }

    /// Not every kernel has every personality: the case is reported as not run where this module is missing.
    pub(crate) fn needs(mut self, module: &'static str) -> Self {
        self.module = Some(module);
        self
    }

    /// Not part of every run: reported as not run unless all cases are asked for.
    pub(crate) fn extra(mut self) -> Self {
        self.extra = true;
        self
    }

    /// It also runs on loop devices, without device-mapper: tests/metadata.
    pub(crate) fn on_loops(mut self) -> Self {
        self.on_loops = true;
        self
    }

    /// Why the case cannot or need not run here.
    pub(crate) fn obstacle(&self) -> Option<String> {
        if self.extra && !asks_for_all() {
            return Some("only with CASES=all".to_owned());
        }
        self.missing_module()
    }

    fn missing_module(&self) -> Option<String> {
        let module = self.module?;
        let there = run(&["modprobe", "-n", "-q", module]).status == 0;
        (!there).then(|| format!("no module {module} in this kernel"))
    }
}

/// Whether all cases are asked for, and all that each can do.
fn asks_for_all() -> bool {
    std::env::var("MDCTL_CASES").is_ok_and(|cases| cases == "all")
}

/// Of so many points at most, at how many a case tries something: half of them unless all are asked for. That a command may end
/// anywhere is shown at every step by the tests of its plans and courses.
pub(crate) fn tried(most: usize) -> usize {
    if asks_for_all() { most } else { most.div_ceil(2) }
}

/// Notes how long a case took where `tests/vm/test` finds it.
pub(crate) fn timed(name: &str, case: impl FnOnce()) {
    let begun = Instant::now();
    case();
    let line = format!("{:.1} {name}\n", begun.elapsed().as_secs_f64());
    let file = fs::OpenOptions::new().create(true).append(true).open("/tmp/case-times");
    file.and_then(|mut file| file.write_all(line.as_bytes())).expect("/tmp takes a file");
}

/// Runs a case on a clean machine and leaves a clean machine. A kernel that complains fails the case.
pub(crate) fn run_case(case: Case) {
    if !in_guest() {
        (case.body)();
        return Disks::none();
    }
    // The case before left a clean machine, unless it failed.
    if !CLEAN.swap(false, Ordering::Relaxed) {
        run(&["rm", "-f", "/etc/modprobe.d/none.conf"]).ok();
        run(&["modprobe", "-a", "md_mod", "raid0", "raid1", "raid10", "raid456", "loop"]).ok();
        clean();
    }
    let _ = run(&["dmesg", "-C"]);
    (case.body)();
    let complaints: Vec<String> =
        run(&["dmesg"]).stdout.lines().filter(|line| is_complaint(line)).map(str::to_owned).collect();
    assert!(complaints.is_empty(), "the kernel complained: {complaints:#?}");
    clean();
    CLEAN.store(true, Ordering::Relaxed);
}

/// Not on a machine that is used for other things, too.
pub(crate) fn in_guest() -> bool {
    matches!(place(), Place::Guest)
}

/// LVM2's own directory.
pub(crate) fn lvm_dir() -> String {
    std::env::var("LVM_SYSTEM_DIR").unwrap_or_else(|_| "/etc/lvm".to_owned())
}

static CLEAN: AtomicBool = AtomicBool::new(false);

fn is_complaint(line: &str) -> bool {
    ["BUG:", "Oops", "WARNING: CPU", "general protection", "blocked for more than"]
        .iter()
        .any(|sign| line.contains(sign))
}

/// What a command did.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) command: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) status: i32,
}

impl Output {
    /// The output, if the command succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.fails(0)
    }

    /// The output, if the command ended with this status.
    #[track_caller]
    pub(crate) fn fails(self, status: i32) -> Self {
        assert!(self.status == status, "status {} and not {status}:\n{self}", self.status);
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "$ {}\n{}{}[status {}]", self.command, self.stdout, self.stderr, self.status)
    }
}

/// Runs a program without input, for longer than ours waits for anybody (then the status is 124, or 137 if it had to be killed).
pub(crate) fn run(command: &[&str]) -> Output {
    run_for(120, command)
}

/// The same for so many seconds: what reckons much is slow in a debug build on an emulated machine.
pub(crate) fn run_for(seconds: u32, command: &[&str]) -> Output {
    let (program, arguments) = command.split_first().expect("a program");
    // In a group of its own, so that what it started ends with it.
    let child = Command::new(program)
        .args(arguments)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let (result, late) = ended_within(seconds, child);
    let status = match (result.status.code(), result.status.signal()) {
        (_, Some(signal)) if !late || Signal::try_from(signal) == Ok(Signal::SIGKILL) => 128 + signal,
        _ if late => 124,
        (code, _) => code.expect("a status where there was no signal"),
    };
    Output {
        command: command.join(" "),
        stdout: String::from_utf8_lossy(&result.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&result.stderr).into_owned(),
        status,
    }
}

/// What a process said and how it ended, and whether it had to be ended: five seconds after a first request it is killed.
fn ended_within(seconds: u32, child: Child) -> (std::process::Output, bool) {
    let group = Pid::from_raw(i32::try_from(child.id()).expect("a process's number"));
    let (ended, end) = mpsc::channel::<()>();
    let watch = thread::spawn(move || {
        let goes_on =
            |seconds| end.recv_timeout(Duration::from_secs(seconds)) == Err(RecvTimeoutError::Timeout);
        let late = goes_on(seconds.into());
        if late {
            let _ = killpg(group, Signal::SIGTERM);
            if goes_on(5) {
                let _ = killpg(group, Signal::SIGKILL);
            }
        }
        late
    });
    let result = child.wait_with_output().expect("what was started ends");
    drop(ended);
    (result, watch.join().expect("the watch ends"))
}

/// Runs a shell's script.
pub(crate) fn sh(script: &str) -> Output {
    run(&["bash", "-c", script])
}

/// Runs the reference mdadm.
pub(crate) fn reference(arguments: &[&str]) -> Output {
    run(&[&["/usr/sbin/mdadm"], arguments].concat())
}

/// Runs ours, under mdadm's name and with its grammar.
pub(crate) fn ours(arguments: &[&str]) -> Output {
    run(&[&["/usr/local/sbin/mdadm"], arguments].concat())
}

/// Runs ours under its own name.
pub(crate) fn mdctl(arguments: &[&str]) -> Output {
    let program = std::env::var("MDCTL_PROGRAM").unwrap_or_else(|_| "/usr/local/sbin/mdctl".to_owned());
    run(&[&[program.as_str()], arguments].concat())
}

/// Runs a command under strace; gives its output and the system calls, one a line.
/// `calls` as strace's `-e trace=` has them: `ioctl`, `openat,read,pread64`, …
pub(crate) fn traced(calls: &str, command: &[&str]) -> (Output, Vec<String>) {
    let filter = format!("trace={calls}");
    let output = run(&[
        &["strace", "-f", "--seccomp-bpf", "-qq", "-y", "-v", "-o", "/tmp/trace", "-e", &filter],
        command,
    ]
    .concat());
    let trace = fs::read_to_string("/tmp/trace").expect("strace wrote its file");
    (output, trace.lines().map(str::to_owned).collect())
}

/// How many reads a trace handed to rings: `io_uring_enter` gives their number, not their devices.
pub(crate) fn read_by_a_ring(trace: &[String]) -> usize {
    let taken = |line: &String| line.rsplit_once(" = ").and_then(|(_, count)| count.parse::<usize>().ok());
    trace.iter().filter(|line| line.contains("io_uring_enter")).filter_map(taken).sum()
}

/// A directory for images, `/tmp/images`, on a file system that knows direct I/O: on tmpfs, where the guest lives, kernels
/// before 6.6 refuse it to the reference.
pub(crate) struct Images;

impl Images {
    pub(crate) fn new() -> Self {
        sh("mkdir -p /tmp/images && truncate -s 256M /tmp/images.ext4 && mkfs.ext4 -q -F /tmp/images.ext4 && \
            mount -o loop /tmp/images.ext4 /tmp/images")
        .ok();
        Self
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        sh("umount /tmp/images; rm -f /tmp/images.ext4");
    }
}

/// RAM disks, all zero, gone with the case.
pub(crate) struct Disks {
    paths: Vec<String>,
    kib: u64,
}

impl Disks {
    /// As many disks of that size. One set at a time: the driver has one size for all, and these replace any others.
    pub(crate) fn new(count: usize, kib: u64) -> Self {
        if !in_guest() {
            return Self::loops(count, kib);
        }
        sh("! [ -e /sys/module/brd ] || rmmod brd").ok();
        run(&["modprobe", "brd", &format!("rd_nr={count}"), &format!("rd_size={kib}")]).ok();
        settle();
        Self { paths: (0..count).map(|n| format!("/dev/ram{n}")).collect(), kib }
    }

    /// The loop devices that there are, as many of them as are wanted with a size and zero, all others without.
    fn loops(count: usize, kib: u64) -> Self {
        let all = std::env::var("MDCTL_LOOPS").unwrap_or_default();
        let all: Vec<String> = all.split_whitespace().map(str::to_owned).collect();
        assert!(count <= all.len(), "{count} loop devices are wanted");
        for (nth, path) in all.iter().enumerate() {
            let size = if nth < count { kib << 10 } else { 0 };
            empty_loop(path, size);
        }
        Self { paths: all.into_iter().take(count).collect(), kib }
    }

    /// None is left with a size.
    fn none() {
        drop(Self::loops(0, 0));
        if let Ok(large) = std::env::var("MDCTL_LOOP_4K") {
            empty_loop(&large, 0);
        }
    }

    /// All paths.
    pub(crate) fn all(&self) -> Vec<&str> {
        self.paths.iter().map(String::as_str).collect()
    }

    /// One path.
    pub(crate) fn path(&self, n: usize) -> &str {
        &self.paths[n]
    }

    /// The bytes of a disk, past the page cache's idea of them.
    pub(crate) fn read(&self, n: usize, offset: u64, length: usize) -> Vec<u8> {
        use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
        let mut bytes = vec![0; length];
        let disk = fs::File::open(self.path(n)).expect("a disk of ours opens");
        posix_fadvise(&disk, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)
            .expect("the cache of a disk is dropped");
        disk.read_exact_at(&mut bytes, offset).expect("a disk of ours reads");
        bytes
    }

    /// Overwrites bytes of a disk.
    pub(crate) fn write(&self, n: usize, offset: u64, bytes: &[u8]) {
        let disk = fs::OpenOptions::new().write(true).open(self.path(n)).expect("a disk of ours opens");
        disk.write_all_at(bytes, offset).expect("a disk of ours writes");
        disk.sync_all().expect("a disk of ours syncs");
    }

    /// Makes all of them zero again.
    pub(crate) fn wipe(&self) {
        if !in_guest() {
            return drop(Self::loops(self.paths.len(), self.kib));
        }
        // Cheaper than writing zeroes: the driver starts anew.
        let (count, kib) = (self.paths.len(), self.kib);
        sh(&format!("rmmod brd && modprobe brd rd_nr={count} rd_size={kib}")).ok();
        settle();
    }
}

/// Another size, and nothing but zeroes.
fn empty_loop(path: &str, size: u64) {
    sh(&format!(
        "set -e; f=$(cat /sys/block/{}/loop/backing_file); truncate -s 0 \"$f\"; losetup -c {path}; \
         blockdev --flushbufs {path}; truncate -s {size} \"$f\"; losetup -c {path}",
        path.trim_start_matches("/dev/")
    ))
    .ok();
}

/// A disk whose blocks have 4096 bytes.
pub(crate) fn disk_4k(mib: u64) -> String {
    if let Ok(path) = std::env::var("MDCTL_LOOP_4K") {
        empty_loop(&path, mib << 20);
        return path;
    }
    sh(&format!("truncate -s {mib}M /tmp/4k.img; losetup --sector-size 4096 /dev/loop7 /tmp/4k.img")).ok();
    "/dev/loop7".to_owned()
}

/// A loop device of any size on a file in memory. Unlike RAM disks, udev probes it.
pub(crate) fn loop_disk(name: &str, bytes: u64) -> String {
    let file = format!("/tmp/{name}.img");
    let _ = fs::remove_file(&file);
    run(&["truncate", "-s", &bytes.to_string(), &file]).ok();
    let node = run(&["losetup", "--find", "--show", &file]).ok().stdout.trim_end().to_owned();
    settle();
    node
}

/// Stops every array and takes away what cases leave behind.
pub(crate) fn clean() {
    // An array may stand on another one: each round stops those that nothing stands on.
    for _ in 0..4 {
        for array in arrays() {
            let _ = reference(&["--stop", &format!("/dev/{array}")]);
        }
        if arrays().is_empty() {
            break;
        }
    }
    assert!(arrays().is_empty(), "cannot stop {:?}\n{}", arrays(), mdstat());
    sh("udevadm settle; for at in /mnt /var/lib/mdctl /run/mdctl; do ! mountpoint -q $at || umount -R $at; done; losetup -D; dmsetup remove_all; rm -rf /tmp/*.img /run/mdadm/* /run/mdctl /var/lib/mdctl \
        /etc/mdadm.conf /etc/mdadm/* /etc/mdadm.conf.d; \
        echo 200000 >/proc/sys/dev/raid/speed_limit_max; echo 1000 >/proc/sys/dev/raid/speed_limit_min; ! [ -e /sys/module/brd ] || rmmod brd")
    .ok();
    settle();
}

/// The md devices there are, active or not: `md0`, `md_d1`, …
pub(crate) fn arrays() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir("/sys/block")
        .expect("/sys/block is there")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("md") && Path::new(&format!("/sys/block/{name}/md")).exists())
        .collect();
    names.sort();
    names
}

/// /proc/mdstat.
pub(crate) fn mdstat() -> String {
    fs::read_to_string("/proc/mdstat").expect("/proc/mdstat is there")
}

/// Waits until udev has handled what happened so far.
pub(crate) fn settle() {
    if !in_guest() {
        return;
    }
    let settled = run(&["udevadm", "settle", "--timeout=30"]);
    if settled.status != 0 {
        let busy = sh("ls -l /run/udev/queue; ps axo pid,ppid,stat,wchan:24,etimes,args | grep -v '\\]$'; \
            grep -h . /proc/locks; udevadm control --start-exec-queue; udevadm settle --timeout=10 && echo it stood still");
        panic!("udev is busy: {settled}\n{}", busy.stdout);
    }
}

/// Waits for md to reach a state, told by the kernel at each change, for at most half a minute.
#[track_caller]
pub(crate) fn wait_for(what: &str, reached: impl Fn(&str) -> bool) {
    use std::os::fd::AsFd as _;
    let mut file = fs::File::open("/proc/mdstat").expect("/proc/mdstat is there");
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let mut text = String::new();
        // A read from the start is what arms the next poll.
        std::io::Seek::rewind(&mut file).expect("/proc/mdstat rewinds");
        file.read_to_string(&mut text).expect("/proc/mdstat reads");
        if reached(&text) {
            return;
        }
        assert!(Instant::now() < until, "waited in vain until {what}:\n{text}");
        // Progress of a resync is no event, so a second at most.
        let mut descriptors = [nix::poll::PollFd::new(file.as_fd(), nix::poll::PollFlags::POLLPRI)];
        nix::poll::poll(&mut descriptors, 1000_u16).expect("poll works");
    }
}

/// Asks again and again, for at most half a minute, about what the kernel does not tell of.
#[track_caller]
pub(crate) fn until(what: &str, reached: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !reached() {
        assert!(Instant::now() < until, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until no array is resyncing, recovering or reshaping, or about to.
#[track_caller]
pub(crate) fn wait_idle() {
    wait_for("nothing is being synced", |text| {
        !["resync", "recovery", "reshape", "check"].iter().any(|word| text.contains(word))
    });
}

/// Text with what differs between two runs replaced: UUIDs (the same one by the same number), times, checksums.
pub(crate) fn redact(text: &str) -> String {
    let mut uuids: Vec<String> = Vec::new();
    let mut result = String::new();
    for line in text.lines() {
        let mut line = line.to_owned();
        while let Some(at) = find_uuid(&line) {
            let uuid = line[at..at + 35].to_owned();
            let number = uuids.iter().position(|known| *known == uuid).unwrap_or_else(|| {
                uuids.push(uuid);
                uuids.len() - 1
            });
            line.replace_range(at..at + 35, &format!("<UUID{number}>"));
        }
        let label = line.split(" : ").next().unwrap_or_default().trim();
        let value = match label {
            "Creation Time" | "Update Time" => Some("<TIME>"),
            "Checksum" => Some("<SUM>"),
            _ => None,
        };
        if let (Some(value), Some((label, rest))) = (value, line.split_once(" : ")) {
            let verdict = if rest.ends_with("- correct") { " - correct" } else { "" };
            line = format!("{label} : {value}{verdict}");
        }
        writeln!(result, "{line}").expect("a string takes all");
    }
    result
}

/// Where four groups of eight hexadecimal digits joined by colons begin.
fn find_uuid(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    (0..bytes.len().saturating_sub(34)).find(|&at| {
        bytes[at..at + 35]
            .iter()
            .enumerate()
            .all(|(n, byte)| if n % 9 == 8 { *byte == b':' } else { byte.is_ascii_hexdigit() })
    })
}

/// Compares two texts line by line and shows where they part.
#[track_caller]
pub(crate) fn same_text(reference: &str, ours: &str) {
    if reference == ours {
        return;
    }
    let mut report = String::new();
    let (mut left, mut right) = (reference.lines(), ours.lines());
    loop {
        match (left.next(), right.next()) {
            (None, None) => break,
            (a, b) if a == b => writeln!(report, "  {}", a.unwrap_or_default()),
            (a, b) => writeln!(report, "- {}\n+ {}", a.unwrap_or("(nothing)"), b.unwrap_or("(nothing)")),
        }
        .expect("a string takes all");
    }
    panic!("texts differ (- reference, + ours):\n{report}");
}

/// Compares bytes and shows the first differences as offsets.
#[track_caller]
pub(crate) fn same_bytes(what: &str, reference: &[u8], ours: &[u8]) {
    // Byte by byte only where it matters: this is a debug build in an emulated machine.
    if reference == ours {
        return;
    }
    assert!(reference.len() == ours.len(), "{what}: {} bytes and not {}", ours.len(), reference.len());
    let differences: Vec<String> = (0..reference.len())
        .filter(|&at| reference[at] != ours[at])
        .take(32)
        .map(|at| format!("{at:#x}: {:02x} and not {:02x}", ours[at], reference[at]))
        .collect();
    assert!(differences.is_empty(), "{what}: ours differs from the reference's at {differences:#?}");
}
