//! One check that is watched, and what is said of one that came to its end.

use superblock::Sectors;

use crate::{
    model::{
        human,
        scrub::{OpenScrub, ScrubArray, Settled, percent, places, sentence},
        status::Stage,
    },
    plan::course::Said,
};

/// How far a check is is saved at least this often, in seconds; more often while it is young.
pub(super) const LONGEST_UNSAVED: u64 = 180;
/// The same, of one that has just begun.
const SHORTEST_UNSAVED: u64 = 5;

/// A check that is watched.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub(super) kernel: String,
    pub(super) diskseq: Option<u64>,
    pub(super) shown: String,
    pub(super) named: bool,
    /// What was noted of it.
    pub(super) open: OpenScrub,
    /// It came this far.
    pub(super) done: Sectors,
    pub(super) total: Sectors,
    /// When and where it was saved last.
    pub(super) saved: (u64, Sectors),
    /// When it was begun, by the same clock.
    pub(super) begun: u64,
    pub(super) stops: u32,
}

impl Watched {
    pub(super) fn come_to(&mut self, array: &ScrubArray) {
        if let Some(Stage::Running { done, total }) = array.status.activity.as_ref().map(|now| now.stage) {
            self.done = self.done.max(done);
            self.total = total;
        }
    }

    /// A check that is young is saved often: what is short would never be otherwise.
    pub(super) fn interval(&self) -> u64 {
        let age = self.saved.0.saturating_sub(self.begun);
        age.clamp(SHORTEST_UNSAVED, LONGEST_UNSAVED)
    }

    /// What is to be noted of it now, where anything is.
    pub(super) fn due(&mut self, clock: u64) -> Option<OpenScrub> {
        let (then, at) = self.saved;
        if clock.saturating_sub(then) < self.interval() {
            return None;
        }
        self.saved = (clock, self.done);
        self.open.position = self.done.0;
        (self.done > at).then(|| self.open.clone())
    }
}

pub(super) fn at_percent(at: Sectors, total: Sectors) -> String {
    format!("{} %", percent(at, total))
}

/// What is said of a check that came to its end.
pub(super) fn told(array: &ScrubArray, settled: &Settled) -> Vec<Said> {
    let Some(whole) = settled.record.whole.first() else { return Vec::new() };
    let shown = array.status.shown();
    let took =
        whole.seconds.map(|seconds| format!(", after {}", human::duration(seconds))).unwrap_or_default();
    if whole.mismatches == 0 {
        return vec![Said::out(format!("{shown}: checked as a whole{took}; nothing differs"))];
    }
    let count = Sectors(whole.mismatches);
    let size = human::size(count.bytes().0);
    let mut said = vec![
        Said::warn(format!(
            "{shown}: checked as a whole{took}; {size} differ between members (mismatch_cnt {})",
            count.0
        )),
        Said::note(format!("  {}", sentence(array.status.level, count))),
    ];
    said.extend(places(&whole.ranges).map(|places| Said::note(format!("  {places}"))));
    said
}
