//! An array whose data was being laid out anew where it lies: what was set aside goes back before anybody reads, in the new shape,
//! and the kernel stands still where nothing more is set aside until somebody sets aside more.

use raid::{Reshape, reshape::Way};
use superblock::{
    Membership, Native, Sectors,
    backup::{self, Backup, Part},
};

use super::{Options, claim::Claim, lineup::Lineup};
use crate::{
    model::{
        Geometry,
        grow::{ReshapeNote, SetAside, WindowNote, note_file},
    },
    plan::{Refusal, Step, SystemStep, Warning, window::WindowStep},
};

/// mdadm's own backups prove nothing but their time: so long before and after the last update of the array.
const BEFORE: u64 = 600;
const AFTER: u64 = 7200;
/// Permissions of notes.
const MODE: u32 = 0o600;

/// What is done before and after the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoingOn {
    /// What goes back to the members, or is made ready for what is set aside from now on.
    pub restore: Vec<Step>,
    /// The members' superblocks say so then.
    pub edit: Option<Reshaped>,
    /// `sync_max`, before anything is laid out anew.
    pub still: Option<Sectors>,
    /// It is started, but for whoever wants it read-only.
    pub writable: bool,
    /// What is noted for those who go on.
    pub note: Vec<Step>,
    /// Somebody has to set more aside, or to take away what was.
    pub follow: bool,
}

/// A change of all superblocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reshaped {
    /// It is so far.
    At(Sectors),
    /// It is over.
    Over,
    /// Nothing was laid out anew: the array has the shape that it had.
    Never,
}

impl Reshaped {
    /// In words.
    #[must_use]
    pub fn what(self) -> &'static str {
        match self {
            Self::At(_) => "what was set aside is written",
            Self::Over => "the reshape is over",
            Self::Never => "the reshape had not begun",
        }
    }

    /// Makes it.
    pub fn make(self, superblock: &mut Native) {
        match self {
            Self::At(position) => superblock.set_reshape_position(position),
            Self::Over => superblock.end_reshape(),
            Self::Never => drop(superblock.forget_reshape()),
        }
    }
}

/// Decides; `None` where the kernel needs no help.
///
/// # Errors
/// What is needed is not there.
pub(super) fn resume(
    model: &Claim,
    claims: &[Claim],
    lineup: &Lineup,
    path: &str,
    options: &Options,
) -> Result<Option<GoingOn>, Refusal> {
    let noted = claims.iter().find_map(|claim| claim.aside.as_deref());
    let turned = turned(model, noted);
    let alone = || Ok(alone(model, noted, turned.as_ref()));
    let Some(standing) = Standing::of(model) else { return alone() };
    let lies = model.metadata.is_laid_where_it_lies();
    if options.stands && (!lies || standing.is_passed()) {
        return standing.led(path).map(Some);
    }
    if !lies || standing.is_passed() && turned.is_some() {
        return alone();
    }
    let aside = noted.filter(|noted| !noted.store.is_empty());
    if standing.is_passed() {
        return Ok(aside.map(|_| GoingOn { follow: true, ..GoingOn::default() }));
    }
    let Some(aside) = aside else { return Err(nothing_there(path, standing.course)) };
    let backup = believed(aside, model, path, standing.course, options)?;
    match turned {
        Some(note) => standing.turn_round(aside, &note, &backup, path).map(Some),
        None => standing.goes_on(aside, &backup, (claims, lineup), options).map(Some),
    }
}

/// What is noted where the reshape goes another way than when it was noted.
fn turned(model: &Claim, noted: Option<&SetAside>) -> Option<ReshapeNote> {
    let (level, layout, chunk, raid_disks) = model.metadata.goal()?;
    let goal = Geometry { level, layout, chunk, raid_disks, component_size: Sectors(0) };
    let note = noted?.note.as_ref().filter(|note| !note.is_reached(&goal))?;
    Some(note.turned(&goal))
}

/// The kernel needs no help with it.
fn alone(model: &Claim, noted: Option<&SetAside>, turned: Option<&ReshapeNote>) -> Option<GoingOn> {
    let noted = noted?;
    if let Some(note) = turned {
        let follow = note.is_needed();
        return Some(GoingOn { note: noting(noted, &model.facts, note), follow, ..GoingOn::default() });
    }
    noted.needs_somebody().then(|| GoingOn { follow: true, ..GoingOn::default() })
}

/// Where both shapes begin a stripe, next on the way; `None` where that is the end.
fn turning_place(reshape: &Reshape, at: Sectors, backwards: bool) -> Option<Sectors> {
    let unit = reshape.window_unit()?.0;
    let size = reshape.size()?.0.min(reshape.before.array_size()?.0);
    let place = match backwards {
        true => at.0.min(size).checked_div(unit)?.checked_mul(unit)?,
        false => at.0.div_ceil(unit).checked_mul(unit)?,
    };
    (place > 0 && place < size).then_some(Sectors(place))
}

/// What is noted of the array from now on. A store that is needed no more goes first: the note is what names it.
fn noting(aside: &SetAside, model: &Membership, note: &ReshapeNote) -> Vec<Step> {
    let path = note_file(&aside.notes, model.array);
    let store = aside.store.clone();
    let goes = !store.is_empty() && note.window.is_none();
    let store = goes.then(|| Step::System(SystemStep::RemoveFile { file: store }));
    let note = Step::System(match note.is_needed() {
        true => SystemStep::WriteFile { path, text: note.text(), mode: MODE },
        false => SystemStep::RemoveFile { file: path },
    });
    store.into_iter().chain([note]).collect()
}

/// What a store says, where it is this array's.
fn believed(
    aside: &SetAside,
    model: &Claim,
    path: &str,
    course: Way,
    options: &Options,
) -> Result<Backup, Refusal> {
    match &aside.backup {
        Ok(backup) if backup.uuid == model.metadata.bitmap_uuid() => Ok(*backup),
        Ok(_) => Err(failed(format!("Wrong uuid on backup-metadata on {}", aside.store))),
        Err(_) if options.invalid_backup => Err(nothing_there(path, course)),
        Err(why) => Err(failed(why.clone())),
    }
}

/// A reshape that stands: all that its superblocks say of it.
#[derive(Clone, Copy)]
struct Standing<'a> {
    reshape: Reshape,
    course: Way,
    at: Sectors,
    backwards: bool,
    critical: Sectors,
    /// The array's size afterwards.
    size: Sectors,
    width: u64,
    facts: &'a Membership,
}

impl<'a> Standing<'a> {
    fn of(model: &'a Claim) -> Option<Self> {
        let facts = &model.facts;
        let ((at, backwards), (_, layout, chunk, raid_disks)) =
            (model.metadata.reshape_at()?, model.metadata.goal()?);
        let before = Geometry {
            level: facts.level,
            layout: facts.layout,
            chunk: facts.chunk,
            raid_disks: model.metadata.slots_before(),
            component_size: facts.component_size,
        };
        let reshape = Reshape { before, after: Geometry { layout, chunk, raid_disks, ..before } };
        Some(Self {
            course: reshape.course()?,
            critical: reshape.critical()?,
            size: reshape.size()?,
            width: reshape.widths()?.1,
            reshape,
            at,
            backwards,
            facts,
        })
    }

    /// The kernel writes where it has read long ago.
    fn is_passed(&self) -> bool {
        self.course == Way::Spreads && self.at >= self.critical
    }

    /// To where it can be turned round, and no farther.
    fn led(&self, path: &str) -> Result<GoingOn, Refusal> {
        let all_but_over =
            || Refusal::new(format!("the reshape of {path} is all but over and ends the way it goes"));
        let at = turning_place(&self.reshape, self.at, self.backwards).ok_or_else(all_but_over)?;
        let way = if self.backwards { self.size.saturating_sub(at) } else { at };
        let still = Some(Sectors(way.0.checked_div(self.width).unwrap_or(0)));
        Ok(GoingOn { still, writable: true, ..GoingOn::default() })
    }

    /// What was set aside goes back.
    fn goes_on(
        &self,
        aside: &SetAside,
        backup: &Backup,
        (claims, lineup): (&[Claim], &Lineup),
        options: &Options,
    ) -> Result<GoingOn, Refusal> {
        let Self { course, critical, backwards, facts, .. } = *self;
        let (parts, to) = covering(&backup.parts, self.at, backwards);
        if parts.iter().any(|(_, part)| part.sum.is_none()) && !options.invalid_backup {
            is_of_its_time(backup.written, facts.updated, &aside.store).map_err(failed)?;
        }
        let shape = self.reshape.after;
        let restore = (!parts.is_empty()).then(|| {
            let parts = parts.iter().map(|(nth, part)| (backup.place(*nth), *part)).collect();
            let members = members(claims, lineup, shape.raid_disks);
            Step::Window(Box::new(WindowStep::Restore { store: aside.store.clone(), parts, shape, members }))
        });
        let restore: Vec<Step> = restore.into_iter().collect();
        let fresh =
            |edit| GoingOn { restore: restore.clone(), edit: Some(edit), follow: true, ..GoingOn::default() };
        Ok(match course {
            _ if backwards && to == Sectors(0) => fresh(Reshaped::Over),
            // The kernel is not let go before a part is set aside, so it has rewritten nothing.
            Way::Spreads if to == Sectors(0) => fresh(Reshaped::Never),
            Way::Spreads if to >= critical => fresh(Reshaped::At(to)),
            _ => self.stands(aside, restore, to, backup),
        })
    }

    /// Back to where it came from. Nothing may be set aside any more: what is, belongs to the other way.
    fn turn_round(
        &self,
        aside: &SetAside,
        note: &ReshapeNote,
        backup: &Backup,
        path: &str,
    ) -> Result<GoingOn, Refusal> {
        let Self { course, critical, facts, backwards, .. } = *self;
        if backup.parts.iter().any(|part| !part.is_empty()) {
            let text = format!("{path}: part of it is set aside in {}, and is written first", aside.store);
            let hint = format!("assemble it without --update, then `mdctl grow {path} --revert`");
            return Err(Refusal::new(text).hint(hint));
        }
        if self.at == Sectors(0) && backwards {
            let (note, edit) = (noting(aside, facts, note), Some(Reshaped::Over));
            return Ok(GoingOn { edit, note, follow: true, ..GoingOn::default() });
        }
        let unit = self.reshape.window_unit().unwrap_or_default().0.max(1);
        let length = match course {
            Way::Gathers => critical.0,
            Way::Spreads | Way::InPlace => (backup.second.0 / unit).max(1).saturating_mul(unit),
        };
        let mut restore = Vec::new();
        if backup.second.0 < length {
            // The store has no room for so much at once.
            let (store, size) = (aside.store.clone(), backup::store_size(Sectors(length)));
            let backup = Backup { second: Sectors(length), at: backup::DATA_AT, ..*backup };
            restore.push(Step::System(SystemStep::RemoveFile { file: store.clone() }));
            restore.push(Step::Window(Box::new(WindowStep::Make { store, size, backup })));
        }
        let window = self.window(aside, length);
        let note = noting(aside, facts, &note.clone().with_window(Some(window.clone())));
        Ok(GoingOn { note, ..self.held(&window, restore, self.at) })
    }

    /// The kernel stands still where nothing more is set aside.
    fn stands(&self, aside: &SetAside, restore: Vec<Step>, to: Sectors, backup: &Backup) -> GoingOn {
        let unit = self.reshape.window_unit().unwrap_or_default().0;
        let window = aside.window().cloned().unwrap_or_else(|| self.window(aside, backup.second.0.max(unit)));
        let note = aside.note.is_none().then(|| {
            let note = ReshapeNote::new(backup.written, &self.reshape.after, Vec::new(), false);
            noting(aside, self.facts, &note.with_window(Some(window.clone())))
        });
        let edit = (!restore.is_empty()).then_some(Reshaped::At(to));
        GoingOn { edit, note: note.unwrap_or_default(), ..self.held(&window, restore, to) }
    }

    fn window(&self, aside: &SetAside, length: u64) -> WindowNote {
        WindowNote {
            store: aside.store.clone(),
            at: 0,
            length,
            until: self.critical.0,
            width: self.width,
            size: self.size.0,
            backwards: self.backwards,
            before: 0,
            shift: 0,
        }
    }

    fn held(&self, window: &WindowNote, restore: Vec<Step>, at: Sectors) -> GoingOn {
        let (until, size) = (Sectors(window.until), Sectors(window.size));
        let way = match (self.backwards, self.course) {
            (true, Way::Gathers) => size.saturating_sub(at.min(size).max(until)),
            (true, _) => size.saturating_sub(at.min(size)),
            (false, _) => at,
        };
        let still = Some(Sectors(way.0.checked_div(self.width).unwrap_or(0)));
        GoingOn { restore, still, writable: true, follow: true, ..GoingOn::default() }
    }
}

/// The parts that the kernel may have been at, by what is recorded, and where it stands when they are written.
pub(in crate::plan) fn covering(
    parts: &[Part; 2],
    at: Sectors,
    backwards: bool,
) -> (Vec<(usize, Part)>, Sectors) {
    let mut all: Vec<(usize, Part)> =
        parts.iter().copied().enumerate().filter(|(_, part)| !part.is_empty()).collect();
    all.sort_unstable_by_key(|(_, part)| part.start.0);
    if backwards {
        all.reverse();
    }
    let mut stands = at;
    all.retain(|(_, part)| {
        let covers = match backwards {
            true => part.start < stands && stands <= part.end(),
            false => part.start <= stands && stands < part.end(),
        };
        if covers {
            stands = if backwards { part.start } else { part.end() };
        }
        covers
    });
    (all, stands)
}

fn members(claims: &[Claim], lineup: &Lineup, slots: u32) -> Vec<Option<(String, Sectors)>> {
    let slots = usize::try_from(slots).unwrap_or(0);
    let holder = |slot: usize| {
        let place = lineup.holders.get(slot)?.as_ref().filter(|place| place.is_whole())?;
        let claim = claims.get(place.claim)?;
        let offset = match &claim.metadata {
            Native::V0(_) => Sectors(0),
            Native::V1(superblock) => superblock.data_offset(),
        };
        Some((claim.path.clone(), offset))
    };
    (0..slots).map(holder).collect()
}

fn is_of_its_time(written: u64, updated: u64, store: &str) -> Result<(), String> {
    if updated.saturating_add(BEFORE) >= written && updated <= written.saturating_add(AFTER) {
        return Ok(());
    }
    Err(format!("too-old timestamp on backup-metadata on {store}"))
}

fn nothing_there(path: &str, course: Way) -> Refusal {
    match course {
        Way::Spreads => failed(format!("{path}: Failed to find backup of critical section")),
        Way::Gathers | Way::InPlace => Refusal::new("Please provided one with \"--backup-file=...\"").after(
            vec![Warning::note(format!("{path}: Need a backup file to complete reshape of this array."))],
        ),
    }
}

fn failed(why: String) -> Refusal {
    Refusal::new("      Possibly you needed to specify the --backup-file").after(vec![
        Warning::note(why),
        Warning::note("Failed to restore critical section for reshape, sorry."),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_kernel_may_have_been_at_goes_back() {
        let part = |start, length| Part { start: Sectors(start), length: Sectors(length), sum: Some(1) };
        let none = Part::default();
        for (parts, at, backwards, used, stands) in [
            ([part(0, 100), part(100, 100)], 0, false, vec![0, 1], 200),
            ([part(200, 100), part(100, 100)], 150, false, vec![1, 0], 300),
            ([part(200, 100), part(100, 100)], 200, false, vec![0], 300),
            // Both are passed.
            ([part(200, 100), part(100, 100)], 300, false, vec![], 300),
            // The kernel stood at the end of the one part that is given up already.
            ([none, part(100, 100)], 100, false, vec![1], 200),
            ([none, none], 100, false, vec![], 100),
            // What is set aside farther ahead was not let go yet.
            ([none, part(200, 100)], 100, false, vec![], 100),
            ([part(0, 100), none], 100, true, vec![0], 0),
            ([part(0, 100), none], 300, true, vec![], 300),
            ([part(0, 100), none], 0, true, vec![], 0),
        ] {
            let (found, to) = covering(&parts, Sectors(at), backwards);
            let found: Vec<usize> = found.into_iter().map(|(nth, _)| nth).collect();
            assert_eq!((found, to), (used, Sectors(stands)), "{parts:?} {at}");
        }
    }
}
