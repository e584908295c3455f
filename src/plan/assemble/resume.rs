//! An array whose data was being laid out anew where it lies: what was set aside goes back before anybody reads, in the new shape,
//! and the kernel stands still where nothing more is set aside until somebody sets aside more.

use raid::{Reshape, reshape::Way};
use superblock::{
    Membership, Native, Sectors,
    backup::{Backup, Part},
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
    /// What goes back to the members.
    pub restore: Option<Step>,
    /// The members' superblocks say so then.
    pub edit: Option<Reshaped>,
    /// `sync_max`, before anything is laid out anew.
    pub still: Option<Sectors>,
    /// It is started, but for whoever wants it read-only.
    pub writable: bool,
    /// What is noted for those who go on.
    pub note: Option<Step>,
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
    let metadata = &model.metadata;
    let noted = || claims.iter().find_map(|claim| claim.aside.as_deref());
    let follow = noted().is_some_and(|noted| noted.levels);
    let alone = || Ok(follow.then(|| GoingOn { follow, ..GoingOn::default() }));
    let (true, Some((at, backwards)), Some((_, layout, chunk, raid_disks))) =
        (metadata.is_laid_where_it_lies(), metadata.reshape_at(), metadata.goal())
    else {
        return alone();
    };
    let facts = &model.facts;
    let before = Geometry {
        level: facts.level,
        layout: facts.layout,
        chunk: facts.chunk,
        raid_disks: metadata.slots_before(),
        component_size: facts.component_size,
    };
    let reshape = Reshape { before, after: Geometry { layout, chunk, raid_disks, ..before } };
    let numbers = || Some((reshape.course()?, reshape.critical()?, reshape.size()?, reshape.widths()?.1));
    let Some((course, critical, size, width)) = numbers() else { return alone() };
    let aside = noted().filter(|noted| !noted.store.is_empty());
    if course == Way::Spreads && at >= critical {
        let follow = aside.is_some();
        return Ok(follow.then(|| GoingOn { follow, ..GoingOn::default() }));
    }
    let Some(aside) = aside else { return Err(nothing_there(path, course)) };
    let backup = believed(aside, model, path, course, options)?;
    let (parts, to) = covering(&backup.parts, at, backwards);
    if parts.iter().any(|(_, part)| part.sum.is_none()) && !options.invalid_backup {
        is_of_its_time(backup.written, facts.updated, &aside.store).map_err(failed)?;
    }
    let restore = (!parts.is_empty()).then(|| {
        let parts = parts.iter().map(|(nth, part)| (backup.place(*nth), *part)).collect();
        let members = members(claims, lineup, raid_disks);
        let (store, shape) = (aside.store.clone(), reshape.after);
        Step::Window(Box::new(WindowStep::Restore { store, parts, shape, members }))
    });
    let fresh =
        |edit| GoingOn { restore: restore.clone(), edit: Some(edit), follow: true, ..GoingOn::default() };
    if backwards && to == Sectors(0) {
        return Ok(Some(fresh(Reshaped::Over)));
    }
    if course == Way::Spreads && to == Sectors(0) {
        // Nothing was let go before a part was set aside, so nothing was laid out anew.
        return Ok(Some(fresh(Reshaped::Never)));
    }
    if course == Way::Spreads && to >= critical {
        return Ok(Some(fresh(Reshaped::At(to))));
    }
    Ok(Some(stands(
        &Standing { aside, reshape: &reshape, backwards, critical, size, width, facts },
        restore,
        to,
        backup,
    )))
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

/// What there is to know of one that goes on.
struct Standing<'a> {
    aside: &'a SetAside,
    reshape: &'a Reshape,
    backwards: bool,
    critical: Sectors,
    size: Sectors,
    width: u64,
    facts: &'a Membership,
}

/// The kernel stands still where nothing more is set aside.
fn stands(of: &Standing<'_>, restore: Option<Step>, to: Sectors, backup: Backup) -> GoingOn {
    let Standing { aside, reshape, backwards, critical, size, width, facts } = *of;
    let window = aside.window.clone().unwrap_or_else(|| WindowNote {
        store: aside.store.clone(),
        at: 0,
        length: backup.second.0.max(reshape.window_unit().unwrap_or_default().0),
        until: critical.0,
        width,
        size: size.0,
        backwards,
        before: 0,
        shift: 0,
    });
    let until = Sectors(window.until);
    let stands = if backwards { to.min(Sectors(window.size)).max(until) } else { to };
    let way = if backwards { Sectors(window.size).saturating_sub(until) } else { stands };
    let note = aside.window.is_none().then(|| {
        let note = ReshapeNote::new(backup.written, &reshape.after, Vec::new(), false)
            .with_window(Some(window.clone()));
        let path = note_file(&aside.notes, facts.array);
        Step::System(SystemStep::WriteFile { path, text: note.text(), mode: MODE })
    });
    GoingOn {
        edit: restore.is_some().then_some(Reshaped::At(to)),
        restore,
        still: Some(Sectors(way.0.checked_div(width).unwrap_or(0))),
        writable: true,
        note,
        follow: true,
    }
}

/// The parts that the kernel may have been at, by what is recorded, and where it stands when they are written.
fn covering(parts: &[Part; 2], at: Sectors, backwards: bool) -> (Vec<(usize, Part)>, Sectors) {
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
