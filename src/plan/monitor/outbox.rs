//! Letters to receivers that may not answer: each is kept in a file until it was delivered, and tried again after ever longer
//! pauses. One file a letter and receiver, so that a killed process leaves just what was not delivered.
//!
//! Whoever is killed between a delivery and the removal of the file delivers once more: the letter's identity stays, and
//! receivers know it by that (`Message-ID`, `Idempotency-Key`).

use super::step::AlertStep;
use crate::{
    config::alerts::{SmtpServer, WebHook},
    plan::{Plan, Step, SystemStep},
};

/// The longest pause between two attempts, in seconds.
const LONGEST_PAUSE: u64 = 3600;
/// A letter that nobody takes for so long is given up, in seconds: five days, as mailers do.
const TOO_OLD: u64 = 5 * 86_400;

/// Who takes letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mailbox {
    /// A server that takes mail; whom it is from, and to.
    Smtp(SmtpServer),
    /// A web address.
    Hook(WebHook),
}

impl Mailbox {
    /// By what letters name it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Smtp(server) => format!("smtp:{}", server.server),
            Self::Hook(hook) => hook.url.clone(),
        }
    }
}

/// One letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its identity.
    pub id: String,
    /// When it was written, in seconds since 1970.
    pub written: u64,
    /// Whom it is for.
    pub to: String,
    /// What it says.
    pub text: String,
}

impl Letter {
    /// As its file has it.
    #[must_use]
    pub fn to_file(&self) -> String {
        format!("{}\n{}\n{}\n{}", self.id, self.written, self.to, self.text)
    }

    /// From its file; `None` for what is not one.
    #[must_use]
    pub fn from_file(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '\n');
        let (id, written, to) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
        let is_whole = !id.is_empty() && !to.is_empty();
        is_whole.then_some(())?;
        Some(Self { id: id.to_owned(), written, to: to.to_owned(), text: parts.next()?.to_owned() })
    }
}

/// A letter that is under way.
#[derive(Clone, Debug)]
struct Pending {
    letter: Letter,
    file: String,
    tries: u32,
    due: u64,
}

/// All letters that are under way.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    /// The directory of their files.
    dir: String,
    boxes: Vec<Mailbox>,
    pending: Vec<Pending>,
    /// The process, and how many letters it wrote: no two letters have one name.
    process: String,
    count: u64,
}

impl Outbox {
    /// Empty. `process` is what no other process is called, now or later.
    #[must_use]
    pub fn new(dir: String, boxes: Vec<Mailbox>, process: String) -> Self {
        Self { dir, boxes, pending: Vec::new(), process, count: 0 }
    }

    /// The directory, where there is anybody to write to.
    #[must_use]
    pub fn dir(&self) -> Option<&str> {
        (!self.boxes.is_empty()).then_some(self.dir.as_str())
    }

    /// Those who take letters.
    #[must_use]
    pub fn boxes(&self) -> &[Mailbox] {
        &self.boxes
    }

    /// Takes in what a process left that is no more.
    pub fn adopt(&mut self, files: Vec<(String, String)>) {
        let known = |file: &String, pending: &[Pending]| pending.iter().any(|letter| letter.file == *file);
        for (file, text) in files {
            let letter = Letter::from_file(&text).filter(|_| !known(&file, &self.pending));
            self.pending.extend(letter.map(|letter| Pending { letter, file, tries: 0, due: 0 }));
        }
    }

    /// A new letter; the act that keeps it.
    pub fn write(&mut self, to: &Mailbox, text: String, now: u64) -> AlertStep {
        self.count = self.count.saturating_add(1);
        let id = format!("{}.{}", self.process, self.count);
        let file = format!("{}/{id}.letter", self.dir);
        let letter = Letter { id, written: now, to: to.name(), text };
        let text = letter.to_file();
        self.pending.push(Pending { letter, file: file.clone(), tries: 0, due: now });
        AlertStep::Keep { file, text }
    }

    /// The next letter that is due: its place, and the plan that delivers it and forgets it.
    #[must_use]
    pub fn due(&self, now: u64) -> Option<(String, Plan)> {
        let next = self.pending.iter().find(|letter| letter.due <= now)?;
        let forget = Step::System(SystemStep::RemoveFile { file: next.file.clone() });
        let to = self.boxes.iter().find(|to| to.name() == next.letter.to);
        let mut steps = vec![Step::Commit, forget];
        // Nobody of that name is configured any more: it is only forgotten.
        if let Some(to) = to {
            let deliver = AlertStep::Deliver { to: to.clone(), letter: next.letter.clone() };
            steps.insert(0, Step::Alert(deliver));
        }
        let summary = format!("deliver {} to {}", next.letter.id, next.letter.to);
        Some((next.file.clone(), Plan { summary, steps, warnings: Vec::new() }))
    }

    /// It was delivered.
    pub fn delivered(&mut self, file: &str) {
        self.pending.retain(|letter| letter.file != file);
    }

    /// It was not; what there is to say about that, once a letter and at its end.
    pub fn refused(&mut self, file: &str, why: &str, now: u64) -> Option<String> {
        let letter = self.pending.iter_mut().find(|letter| letter.file == file)?;
        let to = letter.letter.to.clone();
        if now.saturating_sub(letter.letter.written) > TOO_OLD {
            self.delivered(file);
            return Some(format!("{why}; an alert to {to} is given up after five days"));
        }
        let pause = 2_u64.saturating_pow(letter.tries.saturating_add(1)).min(LONGEST_PAUSE);
        letter.tries = letter.tries.saturating_add(1);
        letter.due = now.saturating_add(pause);
        (letter.tries == 1).then(|| format!("{why}; the alert is kept in {file} and sent again later"))
    }

    /// How long until one is due.
    #[must_use]
    pub fn until(&self, now: u64) -> Option<u64> {
        self.pending.iter().map(|letter| letter.due.saturating_sub(now)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook() -> Mailbox {
        Mailbox::Hook(WebHook { url: "http://a".to_owned(), token_file: None })
    }

    fn outbox(process: &str) -> Outbox {
        Outbox::new("/spool".to_owned(), vec![hook()], process.to_owned())
    }

    /// What a machine keeps: files, and what the receiver took.
    #[derive(Clone, Default)]
    struct World {
        files: Vec<(String, String)>,
        taken: Vec<String>,
        /// The receiver refuses each third.
        asked: usize,
    }

    impl World {
        /// So many acts, then it is killed; whether all was done.
        fn live(&mut self, process: &str, letters: usize, mut acts: usize) -> bool {
            let mut outbox = outbox(process);
            outbox.adopt(self.files.clone());
            for number in 0..letters {
                if acts == 0 {
                    return false;
                }
                acts -= 1;
                let AlertStep::Keep { file, text } = outbox.write(&hook(), format!("{number}"), 0) else {
                    panic!()
                };
                self.files.push((file, text));
            }
            let mut now = 0;
            while let Some(left) = outbox.until(now) {
                now += left;
                let (file, plan) = outbox.due(now).unwrap();
                let mut fine = true;
                for step in &plan.steps {
                    if acts == 0 {
                        return false;
                    }
                    acts -= 1;
                    match step {
                        Step::Alert(AlertStep::Deliver { letter, .. }) => {
                            self.asked += 1;
                            fine = self.asked % 3 != 0;
                            if fine {
                                self.taken.push(letter.id.clone());
                            }
                        }
                        Step::System(SystemStep::RemoveFile { file }) => {
                            self.files.retain(|(kept, _)| kept != file)
                        }
                        _ => {}
                    }
                    if !fine {
                        break;
                    }
                }
                if fine { outbox.delivered(&file) } else { drop(outbox.refused(&file, "no", now)) }
            }
            true
        }
    }

    #[test]
    fn each_letter_arrives_once_whenever_the_process_is_killed() {
        let mut deaths = 0;
        for acts in 0..60 {
            let mut world = World::default();
            let whole = world.live("1", 6, acts);
            deaths += usize::from(!whole);
            let written = world.files.len()
                + world
                    .taken
                    .iter()
                    .filter(|id| !world.files.iter().any(|(file, _)| file.contains(&format!("/{id}."))))
                    .count();
            let (taken_before, kept) = (world.taken.clone(), world.files.clone());
            assert!(world.live("2", 0, usize::MAX));
            assert!(world.files.is_empty(), "killed after {acts}");
            let mut all = world.taken.clone();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), written, "killed after {acts}: none is lost");
            // Twice comes only what was delivered and not yet forgotten, under the same identity.
            let twice = world.taken.len() - all.len();
            let between = kept
                .iter()
                .filter(|(file, _)| taken_before.iter().any(|id| file.contains(&format!("/{id}."))))
                .count();
            assert_eq!(twice, between, "killed after {acts}");
            assert!(twice <= 1);
        }
        assert!(deaths > 20, "{deaths}");
    }

    #[test]
    fn pauses_grow_and_end() {
        let mut outbox = outbox("1");
        outbox.write(&hook(), "x".to_owned(), 1000);
        let file = "/spool/1.1.letter";
        let mut now = 1000;
        let mut pauses = Vec::new();
        for _ in 0..14 {
            let said = outbox.refused(file, "no", now);
            assert_eq!(said.is_some(), now == 1000);
            assert!(outbox.due(now).is_none());
            let pause = outbox.until(now).unwrap();
            pauses.push(pause);
            now += pause;
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600, 3600]);
        assert!(outbox.refused(file, "no", 1000 + TOO_OLD + 1).unwrap().contains("given up"));
        assert_eq!(outbox.until(now), None);
    }

    #[test]
    fn a_letters_file() {
        let letter =
            Letter { id: "a.1".into(), written: 7, to: "smtp:x".into(), text: "From: x\n\ny\n".into() };
        assert_eq!(Letter::from_file(&letter.to_file()), Some(letter.clone()));
        for text in ["", "a", "a\n7\nb", "a\nx\nb\nc", "\n7\nb\nc"] {
            assert_eq!(Letter::from_file(text), None, "{text:?}");
        }
        // Nobody is configured for it any more.
        let mut outbox = outbox("1");
        outbox.adopt(vec![("/spool/f".to_owned(), letter.to_file())]);
        assert_eq!(outbox.due(0).unwrap().1.steps.len(), 2);
    }
}
