use std::collections::BTreeMap;

use super::*;
use crate::model::monitor::Spooled;

fn hook() -> Mailbox {
    Mailbox::Hook(WebHook { url: "http://a/secret".to_owned(), token_file: None })
}

fn outbox(process: &str) -> Outbox {
    let dirs = vec!["/spool".to_owned(), "/run".to_owned()];
    Outbox::new(dirs, vec![hook()], process.to_owned(), "box.test")
}

/// What a machine keeps: files, and what the receiver took.
#[derive(Clone, Default)]
struct World {
    files: BTreeMap<String, String>,
    taken: Vec<String>,
    /// The receiver refuses each third.
    asked: usize,
    now: u64,
    /// So many acts, then the process is killed.
    acts: usize,
}

impl World {
    fn act(&mut self) -> Option<()> {
        self.acts = self.acts.checked_sub(1)?;
        Some(())
    }

    fn spool(&self) -> Spool {
        let letters =
            self.files.iter().filter(|(file, _)| file.ends_with(".letter")).map(|(file, text)| Spooled {
                file: file.clone(),
                letter: Letter::from_file(text).unwrap(),
                in_hand: false,
                refused: self.files.get(&Letter::why_file(file)).cloned(),
            });
        Spool { now: self.now, letters: letters.collect() }
    }

    fn carry_out(&mut self, steps: &[Step]) -> Option<()> {
        for step in steps {
            self.act()?;
            match step {
                Step::Alert(AlertStep::Keep { file, text }) => {
                    drop(self.files.insert(file.clone(), text.clone()))
                }
                Step::System(SystemStep::RemoveFile { file }) => drop(self.files.remove(file)),
                Step::Alert(AlertStep::Deliver { file, .. }) => {
                    self.asked += 1;
                    if self.asked % 3 == 0 {
                        self.files.insert(Letter::why_file(file), "no".to_owned());
                    } else {
                        self.taken.push(Letter::from_file(&self.files[file]).unwrap().id);
                        // Killed here it is delivered once more.
                        self.act()?;
                        self.files.remove(file);
                    }
                }
                _ => {}
            }
        }
        Some(())
    }

    /// So many letters; `None`: it was killed.
    fn live(&mut self, process: &str, letters: usize) -> Option<()> {
        let mut outbox = outbox(process);
        outbox.seen(&self.spool());
        for number in 0..letters {
            let (steps, _) = outbox.write(&hook(), format!("{number}"), self.now);
            self.carry_out(&steps)?;
        }
        while let Some(left) = outbox.until(self.now) {
            self.now += left;
            while let Some((_, plan)) = outbox.due(self.now, false) {
                self.carry_out(&plan.steps)?;
            }
            outbox.seen(&self.spool());
        }
        Some(())
    }
}

#[test]
fn each_letter_arrives_in_order_whenever_the_process_is_killed() {
    let mut deaths = 0;
    for acts in 0..60 {
        let mut world = World { acts, ..World::default() };
        deaths += usize::from(world.live("1", 6).is_none());
        let mut all: Vec<String> = world.spool().letters.into_iter().map(|kept| kept.letter.id).collect();
        let between = all.iter().filter(|id| world.taken.contains(id)).count();
        all.extend(world.taken.iter().filter(|id| !all.contains(id)).cloned().collect::<Vec<_>>());
        all.sort();
        world.acts = usize::MAX;
        assert!(world.live("2", 0).is_some());
        assert!(world.spool().letters.is_empty(), "killed after {acts}");
        let mut taken = world.taken.clone();
        taken.dedup();
        assert_eq!(taken, all, "killed after {acts}: none is lost, and they come in their order");
        // Twice comes only what was delivered and not yet forgotten, under the same identity.
        assert_eq!(world.taken.len() - taken.len(), between, "killed after {acts}");
        assert!(between <= 1);
    }
    assert!(deaths > 20, "{deaths}");
}

/// One letter that is due is refused.
fn refuse(outbox: &mut Outbox, now: u64) -> (String, Option<String>) {
    let (file, _) = outbox.due(now, false).unwrap();
    let said = outbox.refused(&file, "no", now);
    (file, said.map(|said| said.text))
}

#[test]
fn pauses_grow_and_end() {
    let mut outbox = outbox("1");
    outbox.write(&hook(), "x".to_owned(), 1000);
    let mut now = 1000;
    let mut pauses = Vec::new();
    for _ in 0..14 {
        let (_, said) = refuse(&mut outbox, now);
        assert_eq!(said.is_some(), now == 1000);
        assert!(!said.is_some_and(|said| said.contains("secret")));
        assert!(outbox.due(now, false).is_none());
        let pause = outbox.until(now).unwrap();
        pauses.push(pause);
        now += pause;
    }
    assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600, 3600]);
    let (file, said) = refuse(&mut outbox, 1000 + TOO_OLD + 1);
    assert!(said.unwrap().contains("given up"));
    assert_eq!((outbox.until(now), outbox.left()), (None, 0));
    assert_eq!(outbox.due(now, false).unwrap().1.steps[1], remove(&file));
}

#[test]
fn a_clock_that_is_set_loses_nothing_and_makes_nobody_wait() {
    let mut outbox = outbox("1");
    outbox.write(&hook(), "x".to_owned(), 5);
    // It was 1970.
    let (_, said) = refuse(&mut outbox, 1_800_000_000);
    assert!(said.unwrap().contains("sent again"));
    // And is set back.
    assert!(outbox.due(6, false).is_some());
    let mut kept = World { now: 6, ..World::default() };
    let (steps, _) = self::outbox("2").write(&hook(), String::new(), 6);
    kept.acts = 9;
    kept.carry_out(&steps);
    let mut later = self::outbox("3");
    later.seen(&kept.spool());
    assert_eq!(later.left(), 1);
}

#[test]
fn a_letter_that_is_always_refused_does_not_hold_up_the_others() {
    let mut outbox = outbox("1");
    for text in ["a", "b"] {
        outbox.write(&hook(), text.to_owned(), 0);
    }
    let mut now = 0;
    let mut order = Vec::new();
    for _ in 0..8 {
        let (file, _) = refuse(&mut outbox, now);
        order.push(file.contains(".000001."));
        now += 3600;
    }
    assert_eq!(order, [true, true, true, true, false, false, false, false]);
    // A new one is tried at once, and first.
    outbox.write(&hook(), "c".to_owned(), now - 3600 + 1);
    assert!(outbox.due(now - 3600 + 1, false).unwrap().0.contains(".000003."));
}

#[test]
fn a_process_that_says_nothing_is_not_waited_for_for_ever() {
    let mut world = World { acts: 9, now: 100, ..World::default() };
    let mut outbox = outbox("1");
    let (steps, _) = outbox.write(&hook(), String::new(), 100);
    world.carry_out(&steps);
    assert!(outbox.due(100, true).is_some());
    for (now, is_busy) in [(101, true), (190, true), (191, false)] {
        world.now = now;
        let said = outbox.seen(&world.spool());
        assert_eq!((outbox.is_busy(), said.is_empty()), (is_busy, is_busy), "{now}");
    }
    // Whoever has it in hand is waited for, and whoever ends only once does not try it again.
    assert!(outbox.due(500, true).is_none());
    assert!(outbox.due(500, false).is_some());
    let mut spool = world.spool();
    spool.now = 5000;
    spool.letters[0].in_hand = true;
    outbox.seen(&spool);
    assert!(outbox.is_busy());
    // Somebody else delivered it.
    assert!(outbox.seen(&Spool { now: 5001, letters: vec![] })[0].text.contains("again"));
    assert_eq!((outbox.is_busy(), outbox.left()), (false, 0));
}

#[test]
fn there_is_an_end_to_keeping() {
    let mut outbox = outbox("1");
    let mut said = 0;
    let mut removed = 0;
    for number in 0..MOST_LETTERS + 3 {
        let (steps, about) = outbox.write(&hook(), String::new(), 7);
        said += usize::from(about.is_some());
        removed += steps.len() - 1;
        // The one that is being delivered stays.
        if number == 0 {
            outbox.due(7, false).unwrap();
        }
    }
    assert_eq!((outbox.left(), said, removed), (MOST_LETTERS, 1, 3));
    assert!(outbox.pending[0].file.contains(".000001."));
    assert!(outbox.pending[1].file.contains(".000005."));
}

#[test]
fn a_directory_that_cannot_be_written_has_a_second() {
    let mut outbox = outbox("1");
    outbox.write(&hook(), String::new(), 7);
    let file = outbox.pending[0].file.clone();
    let Some(Step::Alert(AlertStep::Keep { file, text })) = outbox.not_kept(&file, "text") else { panic!() };
    assert!(file.starts_with("/run/") && text == "text");
    assert_eq!(outbox.due(7, false).unwrap().0, file);
    assert!(outbox.not_kept(&file, "text").is_none());
    assert_eq!(outbox.left(), 0);
}

#[test]
fn letters_for_a_receiver_that_is_not_configured_are_kept_for_their_time() {
    let letter = Letter { id: "a@b".into(), written: 7, to: "http://gone/x".into(), text: String::new() };
    let kept = Spooled { file: "/spool/a.letter".into(), letter, in_hand: false, refused: None };
    let mut spool = Spool { now: 8, letters: vec![kept] };
    let mut outbox = outbox("1");
    assert_eq!(outbox.seen(&spool).len(), 1);
    assert!(outbox.seen(&spool).is_empty());
    assert!(outbox.due(8, false).is_none());
    spool.now = 7 + TOO_OLD + 1;
    outbox.seen(&spool);
    assert_eq!(outbox.due(spool.now, false).unwrap().1.steps.len(), 3);
}

#[test]
fn what_people_are_shown_of_an_address() {
    for (url, shown) in [
        ("https://hooks.example.org/services/T0/B0/secret", "https://hooks.example.org"),
        ("http://me:word@a:80?x=y", "http://a:80"),
    ] {
        let hook = WebHook { url: url.to_owned(), token_file: None };
        assert_eq!(Mailbox::Hook(hook).shown(), shown);
    }
}
