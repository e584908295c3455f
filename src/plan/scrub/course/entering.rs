//! What becomes of each array at the first look: a check is begun, taken over, stopped, or left alone with a word why.

use superblock::Sectors;

use super::{Act, FAILED, Scrub, ScrubAct, Work, ready, steps, told};
use crate::{
    model::scrub::{OpenScrub, ScrubArray, ScrubPart, ScrubSight, Settled},
    plan::{
        Plan,
        course::{Said, Turn},
        scrub::{ready::Left, watched::Watched},
    },
    request::ScrubChoice,
    words::SyncAction,
};

impl Scrub {
    pub(super) fn renew(&mut self, sight: &ScrubSight) -> Turn {
        let named = |uuid: &_| sight.arrays.iter().any(|array| array.status.uuid == Some(*uuid));
        let all = self.job.words.is_empty();
        let uuids: Vec<_> = sight.checked.iter().copied().filter(|uuid| all || named(uuid)).collect();
        let plans = if uuids.is_empty() {
            vec![]
        } else {
            vec![(Act::Renew(uuids.len()), steps::renew(sight, &uuids))]
        };
        self.carry_out(plans)
    }

    fn is_named(&self) -> bool {
        !self.job.words.is_empty()
    }

    /// Whether this array is meant; why not.
    fn is_due(&self, array: &ScrubArray, settled: &Settled) -> Result<(), &'static str> {
        let checked = array.kept.checked.is_some() || settled.finished;
        match self.job.which {
            ScrubChoice::CutOff if settled.cut_off.is_none() => Err("no check of it was cut off"),
            ScrubChoice::Due if settled.cut_off.is_none() && checked => {
                Err("it was checked since all arrays became due")
            }
            ScrubChoice::All | ScrubChoice::Due | ScrubChoice::CutOff => Ok(()),
        }
    }

    pub(super) fn entering(
        &mut self,
        sight: &ScrubSight,
        array: &ScrubArray,
        settled: Settled,
        plans: &mut Vec<Work>,
    ) {
        let shown = array.status.shown();
        let ours = settled.running.is_some_and(|running| running.ours);
        if ours && matches!(self.job.act, ScrubAct::Run { .. }) {
            self.say.push(Said::note(format!("{shown}: a check that was begun before is watched")));
            let watched = self.watched(sight, array, settled.record.open.unwrap_or_default());
            return self.watched.push(watched);
        }
        if settled.finished {
            self.say.extend(told(array, &settled));
        }
        let due = self.is_due(array, &settled);
        match (ready::ready(array), due) {
            (Ok(()), Ok(())) => {
                let (watched, plan) = self.begin(sight, array, settled);
                let from = steps::place(array, watched.done);
                let said = Said::out(format!("{shown}: a check begins at {from}"));
                return plans.push((Act::Begin(Box::new(watched), said), plan));
            }
            (Err(left), _) => self.leave(array, &left),
            (Ok(()), Err(why)) => self.say.push(Said::note(format!("{shown}: left out: {why}"))),
        }
        plans.extend(unnoted(sight, array, &settled));
    }

    /// Said of an array that is left out. It is no failure where a check runs, or where nobody named it.
    fn leave(&mut self, array: &ScrubArray, left: &Left) {
        let text = format!("{}: left out: {}", array.status.shown(), left.why);
        let failed = self.is_named() && array.status.action != Some(SyncAction::Check);
        self.say.push(if failed { Said::error(text) } else { Said::note(text) });
        self.say.extend(left.hint.iter().map(|hint| Said::note(format!("  next: {hint}"))));
        self.status |= if failed { FAILED } else { 0 };
    }

    fn begin(&self, sight: &ScrubSight, array: &ScrubArray, settled: Settled) -> (Watched, Plan) {
        let mut record = settled.record;
        let open = record.open.take().filter(|_| !self.job.from_start);
        let fresh = OpenScrub { begun: sight.now, seconds: Some(0), ..OpenScrub::default() };
        let mut open = open.unwrap_or(fresh);
        // The kernel takes it in steps of a page.
        open.position -= open.position % 8;
        open.part = Some(ScrubPart {
            since: sight.now,
            from: open.position,
            boot: sight.boot.clone(),
            diskseq: array.diskseq,
        });
        record.open = Some(open.clone());
        let plan = steps::begin(sight, array, Sectors(open.position), &record, settled.finished);
        (self.watched(sight, array, open), plan)
    }

    fn watched(&self, sight: &ScrubSight, array: &ScrubArray, open: OpenScrub) -> Watched {
        let at = Sectors(open.position);
        let since = open.part.as_ref().map_or(sight.now, |part| part.since);
        let age = sight.now.saturating_sub(since);
        Watched {
            kernel: array.status.kernel_name.clone(),
            diskseq: array.diskseq,
            shown: array.status.shown(),
            named: self.is_named(),
            done: at,
            total: array.total(),
            saved: (sight.clock, at),
            begun: sight.clock.saturating_sub(age),
            stops: 0,
            open,
        }
    }

    pub(super) fn stopping(
        &mut self,
        sight: &ScrubSight,
        array: &ScrubArray,
        settled: Settled,
    ) -> Option<Work> {
        if settled.running.is_some() {
            let unknown = OpenScrub { begun: sight.now, partly: true, ..OpenScrub::default() };
            let watched = self.watched(sight, array, settled.record.open.unwrap_or(unknown));
            self.watched.push(watched);
            return None;
        }
        if self.is_named() {
            self.say.push(Said::note(format!("{}: no check runs", array.status.shown())));
        }
        unnoted(sight, array, &settled)
    }
}

/// Notes what became of a check that nobody watched.
fn unnoted(sight: &ScrubSight, array: &ScrubArray, settled: &Settled) -> Option<Work> {
    let plan = match (settled.finished, settled.running) {
        (true, _) => steps::whole(sight, array, &settled.record),
        (false, None) => steps::cut_off(sight, array, &settled.record, settled.cut_off),
        (false, Some(_)) => None,
    };
    plan.map(|plan| (Act::Note, plan))
}
