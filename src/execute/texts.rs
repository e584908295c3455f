//! Files of text that somebody else may write, too.

use std::path::Path;

use anyhow::{Result, bail};

use crate::{
    kernel::files,
    plan::{TextChange, run::Outdated},
};

/// The most that such a file is believed to be.
const LONGEST: u64 = 8 << 20;

/// The file has to be as it was when the change was decided.
pub(super) fn expect(change: &TextChange) -> Result<()> {
    let now = files::read(Path::new(&change.path), LONGEST)?;
    if now.as_deref() != change.from.as_deref().map(str::as_bytes) {
        bail!(Outdated(format!("{} is another by now", change.path)));
    }
    Ok(())
}

/// Changes it.
pub(super) fn edit(change: &TextChange, mode: u32) -> Result<()> {
    expect(change)?;
    let path = Path::new(&change.path);
    match &change.to {
        Some(text) => files::edit(path, text.as_bytes(), mode)?,
        None => drop(files::remove(path)?),
    }
    Ok(())
}
