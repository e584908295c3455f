//! Making an array, as a course: what there is to ask, and a second look at the devices after each yes, for whoever thinks about
//! an answer gives others time.

use super::{
    CreateContext, CreateSettings, asks_for_bitmap, plan, waits_for_writes, with_boot_remark,
    without_boot_note,
};
use crate::{
    model::World,
    plan::{
        Plan, Refusal, Say,
        consent::Consent,
        course::{Answer, Course, Deed, Event, Look, Said, Then, Turn},
    },
    request::{BitmapKind, CreateRequest},
};

/// So often it is looked again, because somebody else changed what had been seen.
const MOST_AGAIN: u32 = 3;
/// The original's question.
const WANT_BITMAP: &str = "To optimize recovery speed, it is recommended to enable write-intent bitmap, do you want to enable it now?";

/// What is asked for.
#[derive(Clone, Debug)]
pub struct MakeJob {
    /// The array.
    pub request: CreateRequest,
    /// Names, and the manner of the program's name.
    pub settings: CreateSettings,
    /// It is only shown.
    pub dry_run: bool,
    /// The answer is a document: nothing is asked that has a good answer of its own.
    pub document: bool,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Bitmap,
    World,
    Devices,
    Asked,
    Making,
}

/// One array that is made.
#[derive(Debug)]
pub struct Making {
    job: MakeJob,
    /// Whether there is a bitmap is still to be asked.
    asks: bool,
    stage: Stage,
    world: World,
    plan: Plan,
    context: Option<CreateContext>,
    consent: Consent,
    again: u32,
}

impl Course for Making {
    fn next(&mut self, event: Event) -> Turn {
        self.turn(event).unwrap_or_else(|refusal| {
            Turn::refuse(if self.job.settings.native { without_boot_note(refusal) } else { refusal })
        })
    }
}

impl Making {
    /// Begins.
    #[must_use]
    pub fn new(mut job: MakeJob) -> Self {
        let mut asks = asks_for_bitmap(&job.request);
        if asks && (job.dry_run || job.document) {
            asks = false;
            job.request.bitmap = Some(BitmapKind::None);
        }
        Self {
            asks,
            job,
            stage: Stage::World,
            world: World::default(),
            plan: Plan::default(),
            context: None,
            consent: Consent::default(),
            again: 0,
        }
    }

    fn turn(&mut self, event: Event) -> Result<Turn, Refusal> {
        match (self.stage, event) {
            // The original asks before it looks.
            (_, Event::Begin) if self.asks && !self.job.settings.native => Ok(self.ask_for_bitmap()),
            (Stage::Bitmap, Event::Answered(answer)) => Ok(self.chosen(answer)),
            (Stage::World, Event::Seen(view)) => {
                self.world = *view.world()?;
                self.stage = Stage::Devices;
                Ok(Turn::look(Look::ToWrite { paths: self.job.request.paths() }))
            }
            (Stage::Devices, Event::Seen(view)) => {
                self.world.devices = view.to_write()?;
                self.decide()
            }
            (Stage::Asked, Event::Answered(Answer::Yes)) => {
                self.consent.give(&self.plan);
                Ok(self.look())
            }
            (Stage::Asked, Event::Answered(Answer::Nobody)) if self.job.settings.native => {
                let why = Refusal::new("nothing was written: nobody can be asked here");
                Ok(Turn::refuse(why.hint("--run goes on without a question")))
            }
            (Stage::Asked, Event::Answered(Answer::No | Answer::Nobody)) => {
                Ok(Turn::refuse(Refusal::new("create aborted.")))
            }
            (Stage::Making, Event::Done(deeds)) => Ok(self.ended(deeds)),
            (_, Event::Unseen(unseen)) => Err(unseen.into()),
            (_, Event::Begin | Event::Seen(_) | Event::Done(_) | Event::Answered(_) | Event::Woke(_)) => {
                Ok(self.look())
            }
        }
    }

    fn look(&mut self) -> Turn {
        self.stage = Stage::World;
        Turn::look(Look::World { fresh: self.job.request.identities() })
    }

    fn ask_for_bitmap(&mut self) -> Turn {
        self.asks = false;
        self.stage = Stage::Bitmap;
        Then::AskPlainly(WANT_BITMAP.to_owned()).into()
    }

    fn chosen(&mut self, answer: Answer) -> Turn {
        let wanted = answer == Answer::Yes;
        self.job.request.bitmap = Some(if wanted { BitmapKind::Internal } else { BitmapKind::None });
        self.look()
    }

    fn decide(&mut self) -> Result<Turn, Refusal> {
        let context = self.job.settings.context(&self.job.request, &self.world)?;
        let plan = plan(&self.job.request, &context, &self.world)?;
        self.plan = if self.job.settings.native { with_boot_remark(plan) } else { plan };
        self.context = Some(context);
        if self.asks {
            return Ok(self.ask_for_bitmap());
        }
        if self.job.dry_run {
            return Ok(self.make());
        }
        let covered = self.consent.covers(&self.plan);
        if covered && self.consent.was_asked() {
            return Ok(self.make());
        }
        let mut said: Vec<Said> = self.warnings(|kind| kind != Say::Out).collect();
        if !covered && self.job.request.run {
            said.push(Said::detail("creation continuing despite oddities due to --run"));
        } else if !covered {
            if self.consent.was_asked() {
                said.insert(0, Said::warn("what is on the devices has changed meanwhile"));
            }
            self.stage = Stage::Asked;
            return Ok(Turn::from(Then::AskPlainly("Continue creating array".to_owned())).after(said));
        }
        Ok(self.make().after(said))
    }

    fn warnings(&self, of: impl Fn(Say) -> bool) -> impl Iterator<Item = Said> {
        self.plan.warnings.iter().filter(move |warning| of(warning.kind)).map(Said::from)
    }

    fn make(&mut self) -> Turn {
        self.stage = Stage::Making;
        let said =
            if self.job.dry_run { Vec::new() } else { self.warnings(|kind| kind == Say::Out).collect() };
        Turn::carry_out(self.plan.clone()).after(said)
    }

    fn ended(&mut self, deeds: Vec<Deed>) -> Turn {
        match deeds.into_iter().next() {
            Some(Deed::Shown) | None => Turn::end(0),
            Some(Deed::Done) => Turn::end(0).after(self.started()),
            Some(Deed::Failed(failure)) if failure.stale && !failure.committed && self.again < MOST_AGAIN => {
                self.again += 1;
                self.look()
            }
            Some(Deed::Failed(failure)) => {
                let (mut said, status) = Said::ended(&failure, &self.plan.summary);
                if status == 0 {
                    said.extend(self.started());
                }
                Turn::end(status).after(said)
            }
        }
    }

    fn started(&self) -> Vec<Said> {
        let Some(context) = &self.context else { return Vec::new() };
        let started = Said::out(format!("array {} started.", context.array.path));
        let waits = waits_for_writes(&self.plan, &context.array).map(Said::note);
        std::iter::once(started).chain(waits).collect()
    }
}

#[cfg(test)]
#[path = "making_tests.rs"]
mod twin_tests;

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use superblock::{Bytes, Level, foreign};

    use super::{
        super::tests::{device, request, world},
        *,
    };
    use crate::{
        config::Config,
        model::{Candidate, view::View},
        plan::run::Failure,
    };

    pub(super) fn job(change: impl Fn(&mut CreateRequest)) -> MakeJob {
        let mut request = request(Level::Raid0, &["/dev/a", "/dev/b"]);
        change(&mut request);
        let settings = CreateSettings {
            config: Config::default(),
            homehost: None,
            verbose: 0,
            zone: TimeZone::UTC,
            native: false,
        };
        MakeJob { request, settings, dry_run: false, document: false }
    }

    /// Two disks; the first of them has this on it.
    pub(super) fn disks(on: Option<foreign::Kind>) -> Vec<Candidate> {
        let mut disks = vec![device("/dev/a", 64 << 20), device("/dev/b", 64 << 20)];
        if let (Some(kind), Ok(found)) = (on, &mut disks[0].found) {
            found.foreign = vec![foreign::Foreign {
                kind,
                at: Bytes(0),
                size: None,
                label: None,
                uuid: None,
                mtime: None,
                table: None,
            }];
        }
        disks
    }

    /// Both looks.
    fn seen(making: &mut Making, disks: Vec<Candidate>) -> Turn {
        let turn = making.next(Event::Seen(View::World(Box::new(world(Vec::new())))));
        assert!(matches!(turn.then, Then::Look(Look::ToWrite { .. })), "{turn:?}");
        making.next(Event::Seen(View::ToWrite(disks)))
    }

    fn asks(turn: &Turn) -> bool {
        matches!(turn.then, Then::AskPlainly(_))
    }

    fn looks(turn: &Turn) -> bool {
        matches!(turn.then, Then::Look(Look::World { .. }))
    }

    fn makes(turn: &Turn) -> bool {
        matches!(turn.then, Then::Do(_))
    }

    #[test]
    fn what_was_agreed_to_is_looked_at_again() {
        let ext = Some(foreign::Kind::Ext4);
        let mut making = Making::new(job(|_| {}));
        assert!(looks(&making.next(Event::Begin)));
        assert!(asks(&seen(&mut making, disks(ext))));
        assert!(looks(&making.next(Event::Answered(Answer::Yes))));
        assert!(makes(&seen(&mut making, disks(ext))), "nothing has changed");
    }

    #[test]
    fn what_came_while_somebody_thought_is_asked_about() {
        let ext = Some(foreign::Kind::Ext4);
        for then in [Some(foreign::Kind::Xfs), Some(foreign::Kind::Gpt)] {
            let mut making = Making::new(job(|_| {}));
            making.next(Event::Begin);
            assert!(asks(&seen(&mut making, disks(ext))));
            making.next(Event::Answered(Answer::Yes));
            let turn = seen(&mut making, disks(then));
            assert!(asks(&turn) && turn.say[0].text.contains("changed meanwhile"), "{turn:?}");
            let turn = making.next(Event::Answered(Answer::No));
            assert!(matches!(turn.then, Then::End(_)), "{turn:?}");
        }
        // Less than was agreed to needs no yes; what is in use is refused.
        let mut making = Making::new(job(|_| {}));
        making.next(Event::Begin);
        seen(&mut making, disks(ext));
        making.next(Event::Answered(Answer::Yes));
        assert!(makes(&seen(&mut making, disks(None))));
        let mut making = Making::new(job(|_| {}));
        making.next(Event::Begin);
        seen(&mut making, disks(ext));
        making.next(Event::Answered(Answer::Yes));
        let mut busy = disks(ext);
        busy[0].found.as_mut().unwrap().busy = true;
        assert!(matches!(seen(&mut making, busy).then, Then::End(_)));
    }

    #[test]
    fn run_asks_nothing_and_what_is_stale_is_decided_again() {
        let mut making = Making::new(job(|request| request.run = true));
        making.next(Event::Begin);
        assert!(makes(&seen(&mut making, disks(Some(foreign::Kind::Ext4)))));
        let stale = || {
            Event::Done(vec![Deed::Failed(Failure {
                stale: true,
                committed: false,
                ..Failure::alone("check".to_owned(), anyhow::anyhow!("it is not").into())
            })])
        };
        for _ in 0..MOST_AGAIN {
            assert!(looks(&making.next(stale())));
            assert!(makes(&seen(&mut making, disks(None))));
        }
        assert!(matches!(making.next(stale()).then, Then::End(_)), "not for ever");
    }

    #[test]
    fn the_original_asks_for_a_bitmap_before_it_looks() {
        let large = |request: &mut CreateRequest| request.level = Some(Level::Raid1);
        let mut making = Making::new(job(large));
        let turn = making.next(Event::Begin);
        assert_eq!(asks(&turn), asks_for_bitmap(&job(large).request), "{turn:?}");
        assert!(looks(&making.next(Event::Answered(Answer::Nobody))));
        assert_eq!(making.job.request.bitmap, Some(BitmapKind::None));
        let mut shown = Making::new(MakeJob { dry_run: true, ..job(large) });
        assert!(looks(&shown.next(Event::Begin)));
    }
}
