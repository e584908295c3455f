//! What a word of manage names, and what it stands for.

use super::{Letter as _, Todo};
use crate::{
    model::{
        DevId,
        manage::{Link, Managed},
    },
    plan::Refusal,
    request::{ManageOp, ManageWord},
    words::MemberState,
};

/// What a word names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedMember {
    /// `failed` or `faulty`: every failed member.
    Failed,
    /// Every member whose device is gone.
    Detached,
    /// Every known device that was a member.
    Missing,
    /// A set of copies of a RAID10, by its letter.
    Set(u8),
    /// A member by the kernel's name.
    Kernel(String),
    /// A member by its number.
    Number(DevId),
    /// A file.
    Path(String),
    /// A slot that another node of a cluster asks about, and the device that is to fill it, or `missing`.
    Slot(u32, String),
}

/// What a word stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Several words, in its place.
    Several(Vec<Todo>),
    /// Every known device: who they are is found out first.
    EveryDevice,
    /// Just this.
    One(NamedMember),
}

/// Understands a word. The order of the questions is the original's. `first` is the array as it was before the command:
/// a set of copies is made of the members that it had then, for a failed one loses its slot.
///
/// # Errors
/// A word that means nothing with this operation or this array.
pub fn meaning(todo: &Todo, array: &Managed, first: &Managed, shown: &str) -> Result<Meaning, Refusal> {
    let word = todo.word.as_str();
    let (op, letter) = (todo.op, todo.op.letter());
    let picks = matches!(op, ManageOp::Remove | ManageOp::Fail);
    if op == ManageOp::ClusterConfirm {
        return slot(word).map(Meaning::One);
    }
    let refuse = |text: String| Err(Refusal::new(text));
    match word {
        "failed" | "faulty" => match op {
            ManageOp::ReAdd | ManageOp::Remove => Ok(Meaning::Several(failed(todo, array))),
            _ => refuse(format!("{word} only meaningful with -r or --re-add, not -{letter}")),
        },
        "detached" if picks => Ok(Meaning::Several(detached(todo, array))),
        "detached" => refuse(format!("{word} only meaningful with -r of -f, not -{letter}")),
        "missing" if op == ManageOp::ReAdd => Ok(Meaning::EveryDevice),
        "missing" => refuse("'missing' only meaningful with --re-add".to_owned()),
        _ => match word.strip_prefix("set-").map(str::as_bytes) {
            Some([set]) => set_of_copies(todo, *set, first).map(Meaning::Several),
            _ => device(todo, array, shown).map(Meaning::One),
        },
    }
}

fn device(todo: &Todo, array: &Managed, shown: &str) -> Result<NamedMember, Refusal> {
    let word = todo.word.as_str();
    let picks = matches!(todo.op, ManageOp::Remove | ManageOp::Fail);
    if !word.contains(['/', ':']) && word.len() < 50 {
        if !picks {
            return Err(Refusal::new(format!(
                "{word} only meaningful with -r, -f, not -{}",
                todo.op.letter()
            )));
        }
        if !array.links.iter().any(|link| link.name == word) {
            return Err(Refusal::new(format!("{word} does not appear to be a component of {shown}")));
        }
        return Ok(NamedMember::Kernel(word.to_owned()));
    }
    match number(word).filter(|_| picks || todo.found) {
        Some(dev) => Ok(NamedMember::Number(dev)),
        None => Ok(NamedMember::Path(word.to_owned())),
    }
}

/// `MAJ:MIN`.
fn number(word: &str) -> Option<DevId> {
    let (major, minor) = word.split_once(':')?;
    Some(DevId { major: major.parse().ok()?, minor: minor.parse().ok()? })
}

/// `SLOT:PATH` or `SLOT:missing`.
fn slot(word: &str) -> Result<NamedMember, Refusal> {
    let parsed = word.split_once(':').and_then(|(slot, path)| Some((slot.parse::<u32>().ok()?, path)));
    match parsed {
        Some((slot, path)) => Ok(NamedMember::Slot(slot, path.to_owned())),
        None => Err(Refusal::new("Could not get the devname of cluster")),
    }
}

/// One word for a member that was found by a property: it needs no node.
fn word_for(todo: &Todo, dev: Option<DevId>, link: Option<&Link>) -> Option<Todo> {
    let word = match (dev, link) {
        (Some(dev), _) => dev.to_string(),
        (None, Some(link)) => link.name.clone(),
        (None, None) => return None,
    };
    Some(Todo { word, found: true, ..todo.clone() })
}

fn failed(todo: &Todo, array: &Managed) -> Vec<Todo> {
    let faulty = array.detail.members.iter().filter(|member| member.state.faulty);
    let mut todos: Vec<Todo> = faulty.filter_map(|member| word_for(todo, Some(member.dev), None)).collect();
    // A failed device that is gone from the machine has no number any more.
    let gone = array.links.iter().filter(|link| link.dev.is_none() && link.is(&MemberState::Faulty));
    todos.extend(gone.filter_map(|link| word_for(todo, None, Some(link))));
    todos
}

fn detached(todo: &Todo, array: &Managed) -> Vec<Todo> {
    let links = array.links.iter().filter(|link| link.dev.is_none());
    let mut todos: Vec<Todo> = links.filter_map(|link| word_for(todo, None, Some(link))).collect();
    let gone = array.detail.members.iter().filter(|member| !member.alive);
    let unseen = gone.filter(|member| array.links.iter().any(|link| link.dev == Some(member.dev)));
    todos.extend(unseen.filter_map(|member| word_for(todo, Some(member.dev), None)));
    todos
}

/// The members whose slot, counted round the copies, is this one.
fn set_of_copies(todo: &Todo, set: u8, array: &Managed) -> Result<Vec<Todo>, Refusal> {
    let word = &todo.word;
    if !matches!(todo.op, ManageOp::Remove | ManageOp::Fail) {
        return Err(Refusal::new(format!("'{word}' only meaningful with -r or -f")));
    }
    if array.detail.level != superblock::Level::Raid10 {
        return Err(Refusal::new(format!("'{word}' only meaningful with RAID10 arrays")));
    }
    let copies = crate::model::geometry::Copies::from_layout(array.detail.layout).total();
    let slots = array.detail.counts.raid_disks;
    let set = u32::from(set).checked_sub(u32::from(b'A'));
    let Some(set) = set.filter(|set| *set < copies && copies <= 26 && slots % copies == 0) else {
        return Err(Refusal::new(format!("'{word}' not meaningful with this array")));
    };
    let in_set = array.detail.members.iter().filter(|member| {
        u32::try_from(member.raid_disk).is_ok_and(|slot| slot < slots && slot % copies == set)
    });
    Ok(in_set.filter_map(|member| word_for(todo, Some(member.dev), None)).collect())
}

impl Todo {
    /// An operation on a device, without any wishes.
    #[must_use]
    pub fn of(op: ManageOp, word: &str) -> Self {
        Self {
            op,
            word: word.to_owned(),
            write_mostly: None,
            failfast: None,
            found: false,
            quiet: false,
            slot: None,
        }
    }

    /// From a word of the command line.
    #[must_use]
    pub fn new(word: &ManageWord) -> Self {
        Self {
            write_mostly: word.write_mostly,
            failfast: word.failfast,
            ..Self::of(word.op, &word.device.to_string_lossy())
        }
    }
}
