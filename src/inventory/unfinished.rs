//! What commands left behind that were killed.

use crate::{
    kernel::{KernelError, Machine, files, notes::Notes},
    model::unfinished::Unfinished,
};

/// The notes of one killed command, each file with what it says. They are gone when the handles are dropped, unless left.
type KilledNotes = Vec<(Notes, Unfinished)>;

/// The notes of commands that are not running any more, by the command: it may have had several at once, and processes of its own that
/// went with it.
///
/// # Errors
/// What could not be read.
pub fn unfinished(machine: &Machine) -> Result<Vec<KilledNotes>, KernelError> {
    let mut commands: Vec<KilledNotes> = Vec::new();
    for (notes, text) in Notes::abandoned(&machine.places.unfinished())? {
        let left = Unfinished::parse(&text);
        let is_of =
            |command: &&mut KilledNotes| command.iter().any(|(_, other)| other.command == left.command);
        match commands.iter_mut().find(is_of) {
            Some(command) => command.push((notes, left)),
            None => commands.push(vec![(notes, left)]),
        }
    }
    Ok(commands)
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
