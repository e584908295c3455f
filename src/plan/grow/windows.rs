//! A reshape whose data is written where it was read: what comes next, by what is seen.
//!
//! The kernel may go as far as data is set aside, and no farther. A part is set aside while writes to it wait; it is given up, and
//! writes go on, when the superblocks of all members say that the kernel is beyond it. So whatever ends, and whenever, what the
//! kernel may have written over is in the store, as it was.

use superblock::{
    Sectors,
    backup::{Backup, Part},
};

use crate::{
    model::grow::{WindowNote, WindowSight},
    plan::{ArrayName, MdStep, Step, window::WindowStep},
    words::ArrayAttr,
};

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// These steps, and another look.
    Do(&'static str, Vec<Step>),
    /// Nothing until the kernel is farther.
    Wait,
    /// What is left the kernel does alone, or nothing is.
    Over,
}

/// Decides. What was written before the parts is where the kernel is by the superblocks: only that counts.
pub(super) fn next(note: &WindowNote, sight: &WindowSight, backup: &Backup, array: &ArrayName) -> Next {
    let window = Window { note, sight, backup, array };
    match sight.position {
        None => window.end(),
        Some(at) if note.backwards => window.backwards(at),
        Some(at) => window.forwards(at),
    }
}

struct Window<'a> {
    note: &'a WindowNote,
    sight: &'a WindowSight,
    backup: &'a Backup,
    array: &'a ArrayName,
}

impl Window<'_> {
    /// From the beginning: two parts, of which the kernel works on one while the other is set aside.
    fn forwards(&self, at: Sectors) -> Next {
        let until = Sectors(self.note.until);
        let passed = |part: &Part| !part.is_empty() && part.end() <= at;
        if self.backup.parts.iter().any(passed) {
            let kept = self.backup.parts.map(|part| if passed(&part) { Part::default() } else { part });
            return self.give_up(kept, at);
        }
        let mut saved = at;
        for _ in self.backup.parts {
            let covers = |part: &&Part| !part.is_empty() && part.start <= saved && saved < part.end();
            saved = self.backup.parts.iter().find(covers).map_or(saved, Part::end);
        }
        let may = self.sight.sync_max.map(|max| Sectors(max.0.saturating_mul(self.note.width)));
        if at >= until && until.0 < self.note.size {
            // The kernel is where it helps itself.
            return match (may, self.is_held()) {
                (Some(_), _) => Next::Do("let the reshape go on alone", vec![self.allow(None)]),
                (None, true) => Next::Do("hold no writes back", vec![self.hold((Sectors(0), Sectors(0)))]),
                (None, false) => Next::Over,
            };
        }
        if may.is_some_and(|may| may < saved) {
            let whole = saved.0 >= self.note.size;
            return Next::Do("let the kernel go on", vec![self.allow((!whole).then_some(saved))]);
        }
        let free = self.backup.parts.iter().position(Part::is_empty);
        let left = Sectors(until.0.min(self.note.size)).saturating_sub(saved);
        match free {
            Some(part) if left > Sectors(0) => self.save(part, saved, left.min(Sectors(self.note.length))),
            _ => Next::Wait,
        }
    }

    /// From the end: only the beginning is written where it has not been read.
    fn backwards(&self, at: Sectors) -> Next {
        let until = Sectors(self.note.until);
        let saved = self.backup.parts.iter().any(|part| !part.is_empty());
        match (saved, self.sight.sync_max) {
            (true, Some(_)) => Next::Do("let the kernel go on", vec![self.allow(None)]),
            (true, None) => Next::Wait,
            (false, _) if at <= until && at > Sectors(0) => self.save(0, Sectors(0), until),
            (false, _) => Next::Wait,
        }
    }

    /// It is over: nothing is needed any more.
    fn end(&self) -> Next {
        if self.backup.parts.iter().any(|part| !part.is_empty()) {
            return self.give_up([Part::default(); 2], Sectors(self.note.size));
        }
        if self.is_held() {
            return Next::Do("hold no writes back", vec![self.hold((Sectors(0), Sectors(0)))]);
        }
        Next::Over
    }

    fn is_held(&self) -> bool {
        self.sight.held != (Sectors(0), Sectors(0))
    }

    /// First nothing is said to be set aside any more, then writes go on: what they bring must not be written over by it.
    fn give_up(&self, kept: [Part; 2], at: Sectors) -> Next {
        let backup = Backup { parts: kept, written: self.sight.now, ..*self.backup };
        let end = kept.iter().filter(|part| !part.is_empty()).map(Part::end).max();
        let say = WindowStep::Say { store: self.note.store.clone(), at: Sectors(self.note.at), backup };
        let range = end.map_or((Sectors(0), Sectors(0)), |end| (at, end));
        Next::Do("give up what is passed", vec![Step::Window(Box::new(say)), self.hold(range)])
    }

    fn save(&self, part: usize, start: Sectors, length: Sectors) -> Next {
        let mut backup = Backup { written: self.sight.now, ..*self.backup };
        if let Some(part) = backup.parts.get_mut(part) {
            *part = Part { start, length, sum: None };
        }
        Next::Do(
            "set a part aside",
            vec![Step::Window(Box::new(WindowStep::Save {
                array: self.array.clone(),
                store: self.note.store.clone(),
                at: Sectors(self.note.at),
                part,
                backup,
                held: self.sight.held,
            }))],
        )
    }

    fn hold(&self, range: (Sectors, Sectors)) -> Step {
        Step::Window(Box::new(WindowStep::Hold { array: self.array.clone(), range, held: self.sight.held }))
    }

    /// The kernel counts by members.
    fn allow(&self, up_to: Option<Sectors>) -> Step {
        let value = up_to.map_or_else(|| "max".to_owned(), |up_to| stop_at(self.note, up_to).0.to_string());
        let (array, attr) = (self.array.clone(), ArrayAttr::SyncMax);
        Step::Md(MdStep::SetAttr { array, attr, value, optional: false })
    }
}

/// Where the kernel is to stand still so that it is at this place of the array.
pub(super) fn stop_at(note: &WindowNote, at: Sectors) -> Sectors {
    let way = if note.backwards { note.size.saturating_sub(at.0) } else { at.0 };
    Sectors(way.checked_div(note.width).unwrap_or(0))
}
