//! Where data is set aside that is laid out anew where it lies, and how much of it at once.

use raid::{Reshape, reshape::Way};
use superblock::{
    Level, Native, Sectors,
    backup::{self, Backup, Part},
};

use super::{Act, offsets::Shift, set, windows};
use crate::{
    model::grow::{Growing, WindowNote},
    plan::{ArrayName, Refusal, Step, SystemStep, course::Said, window::WindowStep},
    words::ArrayAttr,
};

/// At least so many parts, so that writes wait for no large part of a small array.
const PARTS: u64 = 8;
/// Parts of about this length: 32 MiB. Shorter ones wait longer for stable storage than it takes to write them, and writes to the
/// array wait as long as a part is laid out.
const LENGTH: u64 = 65_536;

/// Plans it.
///
/// # Errors
/// There is no place for it, or the kernel would not do it.
pub(super) fn window(
    shown: &str,
    named: bool,
    array: &Growing,
    reshape: &Reshape,
) -> Result<WindowNote, Refusal> {
    let least = reshape.least_shift().unwrap_or_default().0 / 2;
    if reshape.before.level == Level::Raid10 {
        return Err(Refusal::new(format!(
            "{shown}: Cannot grow - the kernel lays a RAID10 out anew only where the data of each member can move, here by {least} KiB"
        )));
    }
    let place = &array.store;
    if place.on_the_array {
        let text = "backup file must NOT be on the array being reshaped.";
        return Err(Refusal::new(text).hint(format!("{} is on {shown}", place.file)));
    }
    let why = format!(
        "no member has room for its data to move by {least} KiB, so data must be set aside in a file: --backup-file=FILE, on a disk that is not in {shown}"
    );
    if place.in_memory && !named {
        let critical = match reshape.course() {
            Some(Way::Spreads) => "need a spare or backup-file to backup critical section",
            _ => "need backup-file",
        };
        let why = format!("{why} (what is in {} does not outlive a start of the machine)", place.file);
        return Err(Refusal::new(format!("{shown}: Cannot grow - {critical}")).hint(why));
    }
    if named && place.exists {
        return Err(Refusal::new(format!("cannot create backup file {}: File exists", place.file)));
    }
    let parts = (|| {
        let (_, width) = reshape.widths()?;
        let (unit, until, size) = (reshape.window_unit()?.0, reshape.critical()?, reshape.size()?);
        let course = reshape.course()?;
        let length = match course {
            // Only the beginning, and that at once.
            Way::Gathers => until.0,
            Way::Spreads | Way::InPlace => {
                let length = LENGTH.min(until.0 / PARTS);
                (length / unit).max(1).checked_mul(unit)?.min(until.0)
            }
        };
        Some(WindowNote {
            store: place.file.clone(),
            at: 0,
            length,
            until: until.0,
            width,
            size: size.0,
            backwards: course == Way::Gathers,
            before: 0,
            shift: 0,
        })
    })();
    parts.ok_or_else(|| Refusal::new(format!("{shown}: its shape is none that can be laid out anew")))
}

/// Makes the store.
pub(super) fn make(shown: &str, now: u64, array: &Growing, window: &WindowNote, act: &mut Act) {
    if window.store.is_empty() {
        return;
    }
    if array.store.exists {
        // An earlier one of ours, of which nothing goes on.
        act.then([Step::System(SystemStep::RemoveFile { file: window.store.clone() })], "");
    }
    let native = array.managed.detail.superblock.as_ref().map(|found| &found.native);
    let backup = Backup {
        uuid: native.map(Native::bitmap_uuid).unwrap_or_default(),
        written: now,
        at: backup::DATA_AT,
        second: Sectors(window.length),
        parts: [Part::default(); 2],
    };
    let (store, size) = (window.store.clone(), backup::store_size(Sectors(window.length)));
    let make = WindowStep::Make { store, size, backup };
    act.then(
        [Step::Window(Box::new(make))],
        format!("{shown}: Cannot grow - cannot create backup file {}: ", window.store),
    );
    if window.until < window.size {
        act.said.push(Said::note(format!("Need to backup {}K of critical section..", window.until / 2)));
    }
}

/// Keeps the kernel where it would begin, or where it would come to what must be set aside.
pub(super) fn stand(array_name: &ArrayName, window: &WindowNote, act: &mut Act, shown: &str) {
    let start = match (window.store.is_empty(), window.backwards) {
        (false, true) => Sectors(window.until),
        (true, backwards) => {
            let at = if backwards { Sectors(window.size) } else { Sectors(0) };
            let end = if backwards { Sectors(0) } else { Sectors(window.size) };
            windows::reach(window, at).unwrap_or(end)
        }
        (false, false) => Sectors(0),
    };
    let still = windows::stop_at(window, start).0.to_string();
    act.then(
        [set(array_name, ArrayAttr::SyncMax, Some("max".to_owned()), still)],
        format!("{shown}: the kernel cannot be kept from going on: "),
    );
}

/// How the kernel is kept where data moves; `None` where it counts right by itself (RAID10), and where there is so much room that
/// nothing is ever written over.
pub(super) fn steps(reshape: &Reshape, shifts: &[Shift]) -> Option<WindowNote> {
    if reshape.before.level == Level::Raid10 {
        return None;
    }
    let (before, width) = reshape.widths()?;
    let shift = shifts.iter().map(|shift| shift.to.0.abs_diff(shift.from.0)).min()?;
    let chunks = Reshape::common_multiple(reshape.before.chunk, reshape.after.chunk)?;
    let window = WindowNote {
        store: String::new(),
        at: 0,
        length: chunks.0.checked_mul(width)?,
        until: reshape.critical()?.0,
        width,
        size: reshape.size()?.0,
        backwards: shifts.iter().any(|shift| shift.to > shift.from),
        before,
        shift,
    };
    let start = if window.backwards { Sectors(window.size) } else { Sectors(0) };
    windows::reach(&window, start).is_some().then_some(window)
}
