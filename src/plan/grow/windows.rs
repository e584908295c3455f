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
    Window { note, sight, backup, array, ends: false }.next()
}

/// The same where nothing more is to be set aside, so that the kernel comes to stand still behind what is.
pub(super) fn ending(note: &WindowNote, sight: &WindowSight, backup: &Backup, array: &ArrayName) -> Next {
    Window { note, sight, backup, array, ends: true }.next()
}

/// What comes next where data moves, and nothing is set aside.
///
/// The kernel that begins such a reshape does not count with the distance by which data moves (`raid5_start_reshape` leaves
/// `min_offset_diff` as it was; seen with 6.12 by power cuts, whoever begins it). Where it takes what it writes for what only a backup
/// can save, it writes down how far it is every ten seconds, and by then it has written over what it would need to begin there again.
/// So it goes no farther than that distance allows from where it is by the superblocks. One that is started from the superblocks
/// counts right, and is let go.
pub(super) fn step(note: &WindowNote, sight: &WindowSight, array: &ArrayName) -> Next {
    let (Some(at), Some(max)) = (sight.position, sight.sync_max) else { return Next::Over };
    let value = match reach(note, at) {
        None => "max".to_owned(),
        Some(to) if max >= stop_at(note, to) => return Next::Wait,
        Some(to) => stop_at(note, to).0.to_string(),
    };
    let (array, attr) = (array.clone(), ArrayAttr::SyncMax);
    let allow = Step::Md(MdStep::SetAttr { array, attr, value, optional: false });
    Next::Do("let the kernel go on", vec![allow])
}

/// How far the kernel may write where data moves, so that it can begin at `at` again; `None`: to the end.
pub(super) fn reach(note: &WindowNote, at: Sectors) -> Option<Sectors> {
    let unit = note.length.max(1);
    let on_member = |at: u64| at.checked_div(note.before).unwrap_or(0);
    if note.backwards {
        let to = on_member(at.0.min(note.size)).saturating_sub(note.shift).saturating_mul(note.width);
        return Some(Sectors(to.div_ceil(unit).saturating_mul(unit))).filter(|to| to.0 > 0);
    }
    if at.0 >= note.until {
        return None;
    }
    let to = on_member(at.0).saturating_add(note.shift).saturating_mul(note.width);
    Some(Sectors(to / unit * unit)).filter(|to| to.0 < note.size)
}

struct Window<'a> {
    note: &'a WindowNote,
    sight: &'a WindowSight,
    backup: &'a Backup,
    array: &'a ArrayName,
    /// Nothing more is set aside.
    ends: bool,
}

impl Window<'_> {
    fn next(&self) -> Next {
        match self.sight.position {
            None => self.end(),
            Some(at) if self.note.backwards => self.backwards(at),
            Some(at) => self.forwards(at),
        }
    }

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
            Some(part) if left > Sectors(0) && !self.ends => {
                self.save(part, saved, left.min(Sectors(self.note.length)))
            }
            _ => Next::Wait,
        }
    }

    /// From the end. Where fewer members hold it, only the beginning is written where it has not been read, and that is one part.
    fn backwards(&self, at: Sectors) -> Next {
        let passed = |part: &Part| !part.is_empty() && part.start >= at;
        if self.backup.parts.iter().any(passed) {
            let kept = self.backup.parts.map(|part| if passed(&part) { Part::default() } else { part });
            return self.give_up(kept, at);
        }
        let until = Sectors(self.note.until.min(self.note.size));
        let mut saved = at.min(until);
        for _ in self.backup.parts {
            let covers = |part: &&Part| !part.is_empty() && part.start < saved && saved <= part.end();
            saved = self.backup.parts.iter().find(covers).map_or(saved, |part| part.start);
        }
        let way = self.note.size.saturating_sub(saved.0).checked_div(self.note.width).unwrap_or(0);
        if self.sight.sync_max.is_some_and(|max| max.0 < way) {
            return Next::Do("let the kernel go on", vec![self.allow((saved > Sectors(0)).then_some(saved))]);
        }
        let free = self.backup.parts.iter().position(Part::is_empty);
        match free {
            Some(part) if at <= until && saved > Sectors(0) && !self.ends => {
                let length = saved.min(Sectors(self.note.length));
                // All of what is not passed, where it is to be one part.
                let end = if self.note.length >= until.0 { until } else { saved };
                self.save(
                    part,
                    saved.saturating_sub(length),
                    end.saturating_sub(saved.saturating_sub(length)),
                )
            }
            _ => Next::Wait,
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
        let left = kept.iter().filter(|part| !part.is_empty());
        let say = WindowStep::Say { store: self.note.store.clone(), at: Sectors(self.note.at), backup };
        let range = match self.note.backwards {
            true => left.map(|part| part.start).min().map(|start| (start, at)),
            false => left.map(Part::end).max().map(|end| (at, end)),
        };
        let range = range.unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_data_moves_nothing_is_written_over_that_a_new_begin_needs() {
        // Widths before and after, distance and unit in chunks: what mdadm moves data by at least, and more.
        for (before, width, shift) in
            [(2, 3, 3), (3, 2, 2), (2, 2, 1), (2, 2, 7), (3, 4, 4), (4, 3, 3), (5, 2, 2)]
        {
            for backwards in [false, true] {
                // More members are filled from the beginning, fewer from the end.
                if backwards && width > before || !backwards && width < before {
                    continue;
                }
                let size = 60 * width;
                let note = WindowNote {
                    store: String::new(),
                    at: 0,
                    length: width,
                    until: size,
                    width,
                    size,
                    backwards,
                    before,
                    shift,
                };
                let mut at = if backwards { size } else { 0 };
                let mut steps = 0;
                while let Some(Sectors(to)) = reach(&note, Sectors(at)) {
                    assert!(if backwards { to < at } else { to > at }, "{note:?}: stands still at {at}");
                    // What is written lies where no data lies that was not laid out at `at`.
                    if backwards {
                        assert!(to / width + shift >= at / before, "{note:?} {at} {to}");
                    } else {
                        assert!(to / width <= at / before + shift, "{note:?} {at} {to}");
                    }
                    at = to;
                    steps += 1;
                    assert!(steps < 1000);
                }
            }
        }
    }
}
