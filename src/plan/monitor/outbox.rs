//! Letters to receivers that may not answer. Each is a file until it is delivered, and is tried again after ever longer pauses. A
//! process of its own delivers it, removes the file or says in another file why not: the monitor looks at files and never waits
//! for a receiver.
//!
//! Whoever is killed between a delivery and the removal of the file delivers once more: the letter's identity stays, and
//! receivers know it by that (`Message-ID`, `Idempotency-Key`).

use super::step::AlertStep;
use crate::model::order::InOrder as _;
use crate::{
    config::alerts::{Alerts, SmtpServer, WebHook},
    model::monitor::{Letter, Spool},
    plan::{Plan, Step, SystemStep, course::Said},
};

/// The longest pause between two attempts, in seconds.
const LONGEST_PAUSE: u64 = 3600;
/// A letter that nobody takes for so long is given up, in seconds: five days, as mailers do.
const TOO_OLD: u64 = 5 * 86_400;
/// But not before so many attempts, an hour of them: a clock may jump when it is set at boot.
const FEWEST_TRIES: u32 = 12;
/// After so many failures a letter lets others go first: it may be the letter itself that is refused.
const PATIENCE: u32 = 4;
/// A process that delivers has an end of its own before this; one that says nothing until then was killed. In seconds.
const SILENCE: u64 = 90;
/// At most so many letters are kept for one receiver.
const MOST_LETTERS: usize = 500;

/// Who takes letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mailbox {
    /// A server that takes mail; whom it is from, and to.
    Smtp(SmtpServer),
    /// A web address.
    Hook(WebHook),
}

impl Mailbox {
    /// Those of a configuration.
    #[must_use]
    pub fn all(alerts: Alerts) -> Vec<Self> {
        alerts.smtp.into_iter().map(Self::Smtp).chain(alerts.hooks.into_iter().map(Self::Hook)).collect()
    }

    /// By what letters name it. There is one server: letters go to the one that is configured when they are delivered.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Smtp(_) => "smtp".to_owned(),
            Self::Hook(hook) => hook.url.clone(),
        }
    }

    /// For people: what follows a host in a web address is often a secret.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Smtp(server) => server.server.clone(),
            Self::Hook(hook) => {
                let (scheme, rest) = hook.url.split_once("://").unwrap_or(("", &hook.url));
                let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
                let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
                format!("{scheme}://{host}")
            }
        }
    }
}

/// A letter that is not delivered.
#[derive(Clone, Debug)]
struct Pending {
    file: String,
    to: String,
    written: u64,
    tries: u32,
}

/// A receiver, and how it answers.
#[derive(Clone, Debug)]
struct Post {
    to: Mailbox,
    /// Attempts that failed since the last one that did not.
    failures: u32,
    /// When the next one is due.
    due: u64,
    /// The file of the letter that is being delivered, and since when.
    under_way: Option<(String, u64)>,
}

/// All letters that are under way.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    /// The directories of their files: the second one is for when the first cannot be written.
    dirs: Vec<String>,
    posts: Vec<Post>,
    pending: Vec<Pending>,
    /// Files of those that are given up.
    given_up: Vec<String>,
    /// What tells this process's letters from all others, and the host.
    process: String,
    host: String,
    count: u64,
    /// That letters are dropped was said, and that some are for nobody.
    said_full: bool,
    said_stray: bool,
}

impl Outbox {
    /// Empty. `process` is what no other process is called, now or later, here or elsewhere.
    #[must_use]
    pub fn new(dirs: Vec<String>, boxes: Vec<Mailbox>, process: String, host: &str) -> Self {
        let post = |to| Post { to, failures: 0, due: 0, under_way: None };
        let is_plain = |c: &char| c.is_ascii_alphanumeric() || ['.', '-'].contains(c);
        let host: String = host.chars().filter(is_plain).collect();
        let host = if host.is_empty() { "localhost".to_owned() } else { host };
        Self { dirs, posts: boxes.into_iter().map(post).collect(), process, host, ..Self::default() }
    }

    /// The directories, where there is anybody to write to.
    #[must_use]
    pub fn dirs(&self) -> Option<&[String]> {
        (!self.posts.is_empty()).then_some(&self.dirs)
    }

    /// Those who take letters.
    pub fn boxes(&self) -> impl Iterator<Item = &Mailbox> {
        self.posts.iter().map(|post| &post.to)
    }

    /// Receivers are these from now on; letters stay, whoever they are for. One that stays as it was goes on with what is under
    /// way; one that has changed is worth an attempt.
    pub fn readdress(&mut self, boxes: Vec<Mailbox>) {
        let before = std::mem::take(&mut self.posts);
        let post = |to: Mailbox| {
            let same = before.iter().find(|post| post.to.name() == to.name());
            let under_way = same.and_then(|post| post.under_way.clone());
            let (failures, due) =
                same.filter(|post| post.to == to).map_or((0, 0), |post| (post.failures, post.due));
            Post { to, failures, due, under_way }
        };
        self.posts = boxes.into_iter().map(post).collect();
        self.said_stray = false;
    }

    /// A new letter: the steps that keep it, and what is to be said about room.
    pub fn write(&mut self, to: &Mailbox, text: String, now: u64) -> (Vec<Step>, Option<Said>) {
        self.count = self.count.saturating_add(1);
        // In the order of time by their names, whoever wrote them.
        let name = format!("{now:012}.{:06}.{}", self.count, self.process);
        let dir = self.dirs.first().cloned().unwrap_or_default();
        let file = format!("{dir}/{name}.letter");
        let letter = Letter { id: format!("{name}@{}", self.host), written: now, to: to.name(), text };
        let text = letter.to_file();
        self.pending.push(Pending { file: file.clone(), to: to.name(), written: now, tries: 0 });
        // What has just happened is worth an attempt.
        for post in self.posts.iter_mut().filter(|post| post.to == *to) {
            post.due = post.due.min(now);
        }
        let mut steps = vec![Step::Alert(AlertStep::Keep { file, text })];
        let dropped = self.surplus(&to.name());
        steps.extend(dropped.iter().map(|file| remove(file)));
        let says = !dropped.is_empty() && !std::mem::replace(&mut self.said_full, true);
        let said = || {
            let shown = to.shown();
            Said::warn(format!(
                "{shown}: {MOST_LETTERS} alerts wait for it; for each new one the oldest is dropped"
            ))
        };
        (steps, says.then(said))
    }

    /// The oldest letters to a receiver that has too many.
    fn surplus(&mut self, to: &str) -> Vec<String> {
        let is_in_hand = |file: &String| {
            self.posts.iter().any(|post| post.under_way.as_ref().is_some_and(|(of, _)| of == file))
        };
        let files: Vec<String> =
            self.pending.iter().filter(|letter| letter.to == to).map(|letter| letter.file.clone()).collect();
        let many = files.len().saturating_sub(MOST_LETTERS);
        let dropped: Vec<String> = files.into_iter().filter(|file| !is_in_hand(file)).take(many).collect();
        self.pending.retain(|letter| !dropped.contains(&letter.file));
        dropped
    }

    /// A letter's file could not be written: the step that keeps it elsewhere. `None` where there is no place left.
    pub fn not_kept(&mut self, file: &str, text: &str) -> Option<Step> {
        let (dir, name) = file.rsplit_once('/')?;
        let next = self.dirs.iter().skip_while(|other| *other != dir).nth(1).cloned();
        let Some(next) = next else {
            self.pending.retain(|letter| letter.file != file);
            return None;
        };
        let elsewhere = format!("{next}/{name}");
        for letter in self.pending.iter_mut().filter(|letter| letter.file == file) {
            letter.file.clone_from(&elsewhere);
        }
        Some(Step::Alert(AlertStep::Keep { file: elsewhere, text: text.to_owned() }))
    }

    /// Takes in what the files say: what was delivered, what was not and why, what other processes left.
    pub fn seen(&mut self, spool: &Spool) -> Vec<Said> {
        let mut said = Vec::new();
        for index in 0..self.posts.len() {
            said.extend(self.became(index, spool));
        }
        let is_kept = |file: &String| spool.letters.iter().any(|kept| kept.file == *file);
        self.pending.retain(|letter| is_kept(&letter.file));
        for kept in &spool.letters {
            let is_known = self.pending.iter().any(|letter| letter.file == kept.file)
                || self.given_up.contains(&kept.file);
            if !is_known {
                let (to, written) = (kept.letter.to.clone(), kept.letter.written);
                self.pending.push(Pending { file: kept.file.clone(), to, written, tries: 0 });
            }
        }
        said.extend(self.strays(spool.now));
        said
    }

    /// What became of the letter that this receiver is being sent.
    fn became(&mut self, index: usize, spool: &Spool) -> Option<Said> {
        let post = self.posts.get_mut(index)?;
        let (file, since) = post.under_way.clone()?;
        let kept = spool.letters.iter().find(|kept| kept.file == file);
        let Some(kept) = kept else {
            let failed = std::mem::take(&mut post.failures) > 0;
            post.under_way = None;
            post.due = spool.now;
            self.pending.retain(|letter| letter.file != file);
            return failed.then(|| Said::note(format!("{}: it takes alerts again", post.to.shown())));
        };
        match &kept.refused {
            _ if kept.in_hand => None,
            Some(why) => self.refused(&file, why, spool.now),
            None if spool.now.abs_diff(since) > SILENCE => self.refused(
                &file,
                "the process that was to deliver the alert ended without a word",
                spool.now,
            ),
            None => None,
        }
    }

    /// Letters for receivers that are not configured any more: they may be again, so they are kept for their time.
    fn strays(&mut self, now: u64) -> Option<Said> {
        let names: Vec<String> = self.boxes().map(Mailbox::name).collect();
        let (stray, known): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending).into_iter().partition(|letter| !names.contains(&letter.to));
        let count = stray.len();
        let (old, stray): (Vec<_>, Vec<_>) =
            stray.into_iter().partition(|letter| now.saturating_sub(letter.written) > TOO_OLD);
        self.given_up.extend(old.into_iter().map(|letter| letter.file));
        self.pending = known.into_iter().chain(stray).collect();
        self.pending.order_by(|a, b| name_of(&a.file).cmp(name_of(&b.file)));
        let says = count > 0 && !std::mem::replace(&mut self.said_stray, true);
        says.then(|| {
            Said::warn(format!("{count} alerts are kept for receivers that are not configured any more"))
        })
    }

    /// The next thing to do: the plan, and the letter that it has delivered.
    ///
    /// `once`: a receiver that has failed is not tried again.
    pub fn due(&mut self, now: u64, once: bool) -> Option<(String, Plan)> {
        if let Some(file) = self.given_up.pop() {
            let steps = vec![Step::Commit, remove(&file), remove(&Letter::why_file(&file))];
            return Some((
                file.clone(),
                Plan { summary: format!("forget {file}"), steps, warnings: Vec::new() },
            ));
        }
        for post in self.posts.iter_mut().filter(|post| post.under_way.is_none()) {
            // A pause that is too long comes of a clock that was set back.
            let is_due = post.due <= now || post.due > now.saturating_add(LONGEST_PAUSE);
            let letters = self.pending.iter().filter(|letter| letter.to == post.to.name());
            let next = letters.min_by_key(|letter| letter.tries / PATIENCE);
            let Some(next) = next.filter(|_| is_due && !(once && post.failures > 0)) else { continue };
            post.under_way = Some((next.file.clone(), now));
            let (file, to) = (next.file.clone(), post.to.shown());
            let summary = format!("deliver {file} to {to}");
            // The last word on it goes first: one that is there later is of this attempt.
            let forget = remove(&Letter::why_file(&file));
            let deliver = Step::Alert(AlertStep::Deliver { file: file.clone(), to });
            return Some((file, Plan { summary, steps: vec![forget, deliver], warnings: Vec::new() }));
        }
        None
    }

    /// It was not delivered; what there is to say about that: once until the receiver answers, and at the letter's end.
    pub fn refused(&mut self, file: &str, why: &str, now: u64) -> Option<Said> {
        let is_at_it = |post: &&mut Post| post.under_way.as_ref().is_some_and(|(of, _)| of == file);
        let post = self.posts.iter_mut().find(is_at_it)?;
        let (shown, to) = (post.to.shown(), post.to.name());
        post.under_way = None;
        // The receiver is there, and it is this letter that it does not want: others go at once.
        let is_of_letter = refuses_letter(why);
        let is_next = |letter: &Pending| letter.to == to && letter.file != file && letter.tries < PATIENCE;
        let goes_on = is_of_letter && self.pending.iter().any(is_next);
        if !goes_on {
            post.failures = post.failures.saturating_add(1);
            post.due = now.saturating_add(2_u64.saturating_pow(post.failures).min(LONGEST_PAUSE));
        }
        let is_first = post.failures == 1 || goes_on;
        let letter = self.pending.iter_mut().find(|letter| letter.file == file)?;
        letter.tries = letter.tries.saturating_add(if is_of_letter { PATIENCE } else { 1 });
        if now.saturating_sub(letter.written) > TOO_OLD && letter.tries >= FEWEST_TRIES {
            self.pending.retain(|letter| letter.file != file);
            self.given_up.push(file.to_owned());
            return Some(Said::warn(format!("{shown}: {why}; an alert to it is given up after five days")));
        }
        is_first
            .then(|| Said::warn(format!("{shown}: {why}; the alert is kept in {file} and sent again later")))
    }

    /// Whether a receiver is being sent something.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.posts.iter().any(|post| post.under_way.is_some())
    }

    /// How many letters are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.pending.len()
    }

    /// How long until there is something to do or to look at.
    #[must_use]
    pub fn until(&self, now: u64) -> Option<u64> {
        let has_letters = |post: &&Post| self.pending.iter().any(|letter| letter.to == post.to.name());
        let waits = self.posts.iter().filter(has_letters).map(|post| match &post.under_way {
            Some(_) => 1,
            None => post.due.saturating_sub(now).min(LONGEST_PAUSE),
        });
        waits.min()
    }
}

/// Whether this answer is about the letter, and not about the receiver being away or busy.
fn refuses_letter(why: &str) -> bool {
    let status = why.split_once("http status: ").and_then(|(_, status)| status.trim().parse().ok());
    let by_web =
        status.is_some_and(|status: u16| (400..500).contains(&status) && ![408, 429].contains(&status));
    by_web || why.contains("permanent error")
}

fn remove(file: &str) -> Step {
    Step::System(SystemStep::RemoveFile { file: file.to_owned() })
}

fn name_of(file: &str) -> &str {
    file.rsplit_once('/').map_or(file, |(_, name)| name)
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
