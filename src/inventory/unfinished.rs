//! What commands left behind that were killed.

use crate::{
    kernel::{KernelError, Machine, files, notes::Notes},
    model::unfinished::Unfinished,
};

/// The notes of commands that are not running any more. They are gone when the handle is dropped, unless left.
///
/// # Errors
/// What could not be read.
pub fn unfinished(machine: &Machine) -> Result<Vec<(Notes, Unfinished)>, KernelError> {
    let found = Notes::abandoned(&machine.places.unfinished())?;
    Ok(found.into_iter().map(|(notes, text)| (notes, Unfinished::parse(&text))).collect())
}

/// The arrays that are marked as being created.
///
/// # Errors
/// What could not be read.
pub fn creating(machine: &Machine) -> Result<Vec<String>, KernelError> {
    let names = files::names(&machine.places.run.join("mdadm"))?;
    let array = |name: std::ffi::OsString| Some(name.to_str()?.strip_prefix("creating-")?.to_owned());
    Ok(names.into_iter().filter_map(array).collect())
}
