//! Receivers that refuse three of ten connections: each event arrives once, whenever the monitor is killed. One that does not answer
//! holds nothing up.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use super::{BOTH, Running};
use crate::guest::{self, Disks, ours, reference, sh};

/// What a receiver took, by identity: how often.
type Taken = Arc<Mutex<BTreeMap<String, usize>>>;

/// Answers each connection on a thread; of ten it refuses three.
fn serve(talk: impl Fn(TcpStream, bool, &Taken) + Send + Sync + 'static) -> (u16, Taken) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("a port").port();
    let taken = Taken::default();
    let notes = Arc::clone(&taken);
    thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            talk(stream, number % 10 < 3, &notes);
        }
    });
    (port, taken)
}

fn note(taken: &Taken, id: &str) {
    *taken.lock().expect("nobody panics").entry(id.to_owned()).or_default() += 1;
}

fn web(mut stream: TcpStream, refuses: bool, taken: &Taken) {
    let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
    let (mut length, mut id) = (0, String::new());
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        let (name, value) = line.trim_end().split_once(": ").unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().expect("a number"),
            "idempotency-key" => id = value.to_owned(),
            _ => {}
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let document: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(document["schema"], "mdctl.event.1");
    let status = if refuses { "503 No" } else { "204 Fine" };
    if !refuses {
        note(taken, &format!("{id} {}", document["event"].as_str().expect("a name")));
    }
    let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

fn mail(mut stream: TcpStream, refuses: bool, taken: &Taken) {
    let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
    let mut say = |text: &str| stream.write_all(format!("{text}\r\n").as_bytes()).is_ok();
    say("220 test");
    let (mut line, mut inside, mut id) = (String::new(), false, String::new());
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
        let words = line.trim_end().to_owned();
        line.clear();
        if inside {
            assert!(words.is_ascii() && words.len() <= 998, "{words}");
            if let Some(found) = words.strip_prefix("Message-ID: ") {
                id = found.to_owned();
            } else if words == "." {
                inside = false;
                note(taken, &id);
                say("250 taken");
            }
            continue;
        }
        match words.get(..4).unwrap_or_default() {
            "DATA" => {
                inside = true;
                say("354 go on")
            }
            "RCPT" if refuses => say("451 later"),
            "QUIT" => say("221 bye"),
            _ => say("250 yes"),
        };
    }
}

pub(super) fn refuse() {
    let disks = Disks::new(3, 16 << 10);
    let [a, b, c] = [0, 1, 2].map(|n| disks.path(n));
    reference(&["-q", "-C", "/dev/md0", "--run", "-l1", "-n2", "-x1", "--assume-clean", a, b, c]).ok();
    guest::settle();
    let ((hook, hooked), (smtp, mailed)) = (serve(web), serve(mail));
    let lines = format!(
        "HOOK url=http://127.0.0.1:{hook}/\nSMTP server=127.0.0.1 port={smtp} tls=no from=md@box.test to=root@box.test\n"
    );
    fs::write("/etc/mdctl.conf", lines).expect("/etc takes a file");
    let words = ["-F", "-s", "-d", "1", "-t", "-c", "none"];
    let events = |taken: &Taken| taken.lock().expect("nobody panics").clone();
    let is_told = |taken: &Taken, what: &str| events(taken).keys().any(|id| id.ends_with(what));
    let running = Running::start(BOTH[1].0, "/tmp/told.our", &words);
    guest::until("it looks", || is_told(&hooked, "NewArray"));
    reference(&["-q", "/dev/md0", "--fail", b]).ok();
    // Whatever it is at.
    guest::until("it tells", || is_told(&hooked, " Fail") || Path::new("/var/lib/mdctl/spool").exists());
    running.kill();
    let running = Running::start(BOTH[1].0, "/tmp/told.our", &words);
    let spooled = || sh("ls /var/lib/mdctl/spool").stdout.lines().count();
    guest::until("all is delivered", || {
        is_told(&hooked, "NewArray") && events(&mailed).len() >= 2 && spooled() == 0
    });
    drop(running);
    sh("rm -f /etc/mdctl.conf").ok();
    for (id, count) in events(&hooked).iter().chain(&events(&mailed)) {
        assert_eq!(*count, 1, "{id}");
    }
}

pub(super) fn hangs() {
    super::notes_arguments();
    let disks = Disks::new(2, 16 << 10);
    let [a, b] = [0, 1].map(|n| disks.path(n));
    reference(&["-q", "-C", "/dev/md0", "--run", "-l1", "-n2", "--assume-clean", a, b]).ok();
    guest::settle();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("a port").port();
    fs::write("/etc/mdctl.conf", format!("HOOK url=http://127.0.0.1:{port}/secret\n"))
        .expect("/etc takes a file");
    let words = ["-F", "-s", "-d", "1", "-t", "-c", "none", "-p", "/tmp/tell"];
    let running = Running::start(BOTH[1].0, BOTH[1].1, &words);
    let is_told = |what: &str| super::told(BOTH[1].1).iter().any(|line| line.contains(what));
    guest::until("it looks", || is_told("TestMessage"));
    let begun = Instant::now();
    reference(&["-q", "/dev/md0", "--fail", b]).ok();
    guest::until("the failure is told", || is_told("Fail"));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    drop(running);
    // Now it refuses, and whoever asks for one look learns of it.
    drop(listener);
    let letters = || sh("ls /var/lib/mdctl/spool | grep -c 'letter$'").stdout.trim().parse().unwrap_or(0);
    guest::until("the last attempt is over", || sh("pgrep -x mdctl-deliver").stdout.is_empty());
    let before: usize = letters();
    assert!(before >= 2, "{before}");
    let once = ours(&["-F", "-s", "-1", "-t", "-c", "none"]).fails(1);
    let said = "could not be delivered; the next monitor sends them again";
    assert!(once.stderr.contains(said) && once.stderr.contains("refused"), "{once}");
    assert!(!once.stderr.contains("secret"), "{once}");
    assert!(letters() > before);
    // It takes all of them, and the next one ends well.
    let (port, taken) = serve(|stream, _, taken| web(stream, false, taken));
    let stale = fs::read_to_string("/etc/mdctl.conf").expect("it is there");
    let url = stale.trim().trim_start_matches("HOOK url=").to_owned();
    sh(&format!("sed -i 's|^{url}$|http://127.0.0.1:{port}/|' /var/lib/mdctl/spool/*.letter")).ok();
    fs::write("/etc/mdctl.conf", format!("HOOK url=http://127.0.0.1:{port}/\n")).expect("/etc takes a file");
    guest::until("one look delivers all", || ours(&["-F", "-s", "-1", "-c", "none"]).status == 0);
    assert_eq!(letters(), 0);
    assert!(taken.lock().expect("nobody panics").values().all(|count| *count == 1));
    sh("rm -f /etc/mdctl.conf").ok();
}

pub(super) fn called() {
    super::notes_arguments();
    sh("sed 's/TOLD/TOLD.2/' /tmp/tell | sed 's/\\$TOLD.2/${TOLD}.2/' >/tmp/tell.2; chmod +x /tmp/tell.2; rm -rf /var/lib/mdctl/spool").ok();
    let disks = Disks::new(2, 16 << 10);
    let [a, b] = [0, 1].map(|n| disks.path(n));
    reference(&["-q", "-C", "/dev/md0", "--run", "-l1", "-n2", "--assume-clean", a, b]).ok();
    guest::settle();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("a port").port();
    let hook = |port: u16| fs::write("/etc/mdctl.conf", format!("HOOK url=http://127.0.0.1:{port}/\n"));
    hook(port).expect("/etc takes a file");
    fs::write("/tmp/monitor.conf", "PROGRAM /tmp/tell\n").expect("/tmp takes a file");
    let running =
        Running::start(BOTH[1].0, BOTH[1].1, &["-F", "-s", "-d", "1", "-t", "-c", "/tmp/monitor.conf"]);
    let is_told = |path: &str, what: &str| super::told(path).iter().any(|line| line.contains(what));
    guest::until("it looks", || is_told(BOTH[1].1, "TestMessage"));
    // Its process dies while the receiver keeps it waiting.
    guest::until("one delivers", || sh("pgrep -x mdctl-deliver").status == 0);
    let begun = Instant::now();
    sh("pkill -9 -x mdctl-deliver").ok();
    guest::until("its death is noted", || sh("grep -l killed /var/lib/mdctl/spool/*.refused").status == 0);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let letters = || sh("ls /var/lib/mdctl/spool | grep -c 'letter$'").stdout.trim().parse().unwrap_or(0);
    let before: usize = letters();
    assert!(before > 0);
    let (port, taken) = serve(web);
    hook(port).expect("/etc takes a file");
    fs::write("/tmp/monitor.conf", "PROGRAM /tmp/tell.2\n").expect("/tmp takes a file");
    running.signal("HUP");
    thread::sleep(Duration::from_secs(2));
    reference(&["-q", "/dev/md0", "--fail", b]).ok();
    let second = format!("{}.2", BOTH[1].1);
    guest::until("both new ones are told", || {
        let taken = taken.lock().expect("nobody panics").keys().any(|id| id.ends_with(" Fail"));
        taken && is_told(&second, "Fail")
    });
    assert!(!is_told(BOTH[1].1, "Fail"), "the old one is not told any more");
    assert_eq!(letters(), before, "what nobody took is kept");
    running.signal("TERM");
    drop(running);
    sh("rm -rf /etc/mdctl.conf /tmp/monitor.conf /var/lib/mdctl/spool").ok();
}
