//! Overlays as plans: made, taken away, written down to the members.

mod beneath;
mod clean_up;
mod commit;
mod discard;
mod make;

use std::fmt;

use superblock::{Bytes, Write};

use super::{
    Plan, Refusal, Step, SystemStep,
    dm::{DmStep, Quiesce},
};
use crate::model::{
    dm::{Dev, Snapshot, Store, Table, Target, UdevFlags},
    overlay::{self, CHUNK, ChunkPrint, Overlay},
};

pub(super) use beneath::unusable;
pub use beneath::{free, wanted};
pub use clean_up::{clean_up, standing};
pub use commit::{CommitSet, changes, commit, is_used};
pub use discard::Discard;
pub use make::MakeSet;

/// One act on an overlay's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OverlayStep {
    /// Make the sparse file for what is written.
    Store {
        /// The set that it is of.
        set: String,
        /// The directory.
        store: String,
        /// The file.
        file: String,
        /// Its size.
        size: Bytes,
    },
    /// Remove files of a set; those that are not there are no error.
    Forget {
        /// The set.
        set: String,
        /// The directory.
        store: String,
        /// The files.
        files: Vec<String>,
    },
    /// See that nobody wrote through an overlay since its file was looked at.
    Settled {
        /// The file.
        file: String,
        /// What was found in it.
        prints: Vec<ChunkPrint>,
    },
    /// Make a sparse file appear as a loop device, for as long as somebody has that open.
    Attach {
        /// The file.
        file: String,
        /// The loop device.
        device: String,
    },
    /// Let go of the loop device: it goes, if nothing stands on it.
    Detach {
        /// The file.
        file: String,
        /// The loop device.
        device: String,
    },
}

impl OverlayStep {
    /// The step that takes this one back. `None`: `Detach` and `Forget` are undos; else the one comes when another
    /// holds the device, the other when nothing in the files counts any more; `Settled` only looks.
    #[must_use]
    pub fn undo(&self) -> Option<Self> {
        match self {
            Self::Attach { file, device } => {
                Some(Self::Detach { file: file.clone(), device: device.clone() })
            }
            Self::Store { set, store, file, .. } => {
                Some(Self::Forget { set: set.clone(), store: store.clone(), files: vec![file.clone()] })
            }
            Self::Settled { .. } | Self::Detach { .. } | Self::Forget { .. } => None,
        }
    }
}

impl fmt::Display for OverlayStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attach { file, device } => write!(f, "make {file} appear as {device}"),
            Self::Detach { device, .. } => write!(f, "let go of {device}"),
            Self::Store { file, size, .. } => write!(f, "make {file}, {} MiB, sparse", size.0 >> 20),
            Self::Settled { file, .. } => write!(f, "see that nobody wrote to {file} meanwhile"),
            Self::Forget { files, .. } => write!(f, "remove {}", files.join(" ")),
        }
    }
}

/// A member that is to get an overlay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedOverlay {
    /// Its path.
    pub path: String,
    /// The kernel's name of it.
    pub kernel_name: String,
    /// Its size.
    pub size: Bytes,
    /// The loop device for it.
    pub loop_device: String,
    /// What is noted of it, so that a member that was used since is known.
    pub prints: Vec<ChunkPrint>,
}

/// A set that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSet {
    /// Its name.
    pub set: String,
    /// The directory for the files.
    pub store: String,
    /// The size of each file; 0 for what the member may need.
    pub size: Bytes,
}

/// The path of an overlay.
#[must_use]
pub fn path_of(name: &str) -> String {
    format!("/dev/mapper/{name}")
}

/// The file that describes a set.
#[must_use]
pub fn description(store: &str, set: &str) -> String {
    format!("{store}/{set}.set")
}

/// Makes a set: every member below, writable above.
///
/// # Errors
/// A name that cannot be, or two members that would have the same.
pub fn create(new: &NewSet, members: &[WantedOverlay]) -> Result<Plan, Refusal> {
    let set = &new.set;
    if !overlay::is_set(set) {
        let text = format!("\"{}\" is no name for a set of overlays", set.escape_debug());
        return Err(Refusal::new(text).hint("letters, digits, '_' and '.', at most 32"));
    }
    let mut steps = Vec::new();
    let mut described = Vec::new();
    for member in members {
        let name = overlay::name_of(set, &member.kernel_name);
        let file = format!("{}/{name}.cow", new.store);
        if described.iter().any(|(_, _, other)| *other == file) {
            return Err(Refusal::new(format!("{} is given twice", member.path)));
        }
        steps.extend(one(&name, &file, member, new));
        described.push((member.path.clone(), member.size, file));
    }
    steps.push(Step::Dm(DmStep::WaitForUdev));
    let description = description(&new.store, set);
    let mut text = overlay::describe(&described);
    for ((_, _, file), member) in described.iter().zip(members) {
        text.push_str(&overlay::describe_prints(file, &member.prints));
    }
    steps.push(Step::System(SystemStep::SaveFile {
        file: description,
        size: Bytes(u64::try_from(text.len()).unwrap_or(0)),
        pieces: vec![Write { at: Bytes(0), data: text.into_bytes() }],
    }));
    steps.push(Step::Commit);
    let devices: Vec<String> = described.iter().zip(members).map(|(_, member)| member.path.clone()).collect();
    let attached = steps.iter().filter_map(|step| match step {
        Step::Overlay(OverlayStep::Attach { file, device }) => Some((file.clone(), device.clone())),
        _ => None,
    });
    let detach: Vec<Step> =
        attached.map(|(file, device)| Step::Overlay(OverlayStep::Detach { file, device })).collect();
    steps.extend(detach);
    let summary = format!("overlays {set} over {}", devices.join(" "));
    Ok(Plan { summary, steps, warnings: Vec::new() })
}

fn one(name: &str, file: &str, member: &WantedOverlay, new: &NewSet) -> Vec<Step> {
    let store = superblock::cow::max_size(member.size.sectors(), CHUNK).bytes();
    let size = if new.size.0 == 0 { store } else { new.size.min(store).round_down(Bytes(4096)) };
    let target = Target::Snapshot(Snapshot {
        origin: Dev::Path(member.path.clone()),
        cow: Dev::Path(member.loop_device.clone()),
        store: Store::PersistentOverflow,
        chunk: CHUNK,
        features: Vec::new(),
    });
    let name = name.to_owned();
    let (file, device) = (file.to_owned(), member.loop_device.clone());
    let (set, store) = (new.set.clone(), new.store.clone());
    vec![
        Step::Overlay(OverlayStep::Store { set, store, file: file.clone(), size }),
        Step::Overlay(OverlayStep::Attach { file, device }),
        Step::Dm(DmStep::Create { name: name.clone(), uuid: Some(name.clone()), minor: None }),
        Step::Dm(DmStep::Load {
            name: name.clone(),
            table: Table::of(member.size.sectors(), target),
            read_only: false,
        }),
        Step::Dm(DmStep::Resume {
            name,
            flags: UdevFlags::PRIVATE,
            quiesce: Quiesce::NO_FREEZE,
            before: None,
        }),
    ]
}

/// The overlays of a set, and the directory of its files. `store`: the directory that was named.
///
/// # Errors
/// There is no such set.
pub fn set_of(
    seen: &overlay::Overlays,
    set: &str,
    store: Option<&str>,
) -> Result<(Vec<Overlay>, String), Refusal> {
    let overlays = seen.of(set);
    if overlays.is_empty() {
        let sets = seen.sets();
        let known = if sets.is_empty() {
            "there is none".to_owned()
        } else {
            format!("there are {}", sets.join(" "))
        };
        return Err(Refusal::new(format!("no set of overlays \"{}\"", set.escape_debug())).hint(known));
    }
    let dir = overlays.iter().find_map(|overlay| overlay.file.rsplit_once('/')).map(|(dir, _)| dir);
    let dir = dir.filter(|dir| !dir.is_empty()).or(store).unwrap_or(&seen.store).to_owned();
    Ok((overlays, dir))
}

/// Takes sets away, with all that was written through them.
///
/// # Errors
/// Somebody stands on one of them.
pub fn discard(set: &str, overlays: &[Overlay], store: &str) -> Result<Plan, Refusal> {
    not_in_use(overlays)?;
    let mut steps = vec![Step::Commit];
    steps.extend(removal(overlays));
    steps.push(forget(set, overlays, store));
    Ok(Plan { summary: format!("discard overlays {set}"), steps, warnings: Vec::new() })
}

fn removal(overlays: &[Overlay]) -> Vec<Step> {
    let remove = |name: &String| {
        Step::Dm(DmStep::Remove { name: name.clone(), flags: UdevFlags::PRIVATE, deferred: false })
    };
    let mut steps: Vec<Step> =
        overlays.iter().filter_map(|overlay| overlay.device.as_ref()).map(remove).collect();
    if !steps.is_empty() {
        steps.push(Step::Dm(DmStep::WaitForUdev));
    }
    steps
}

/// One step, so that a process that is killed in it leaves a note by which it is ended.
fn forget(set: &str, overlays: &[Overlay], store: &str) -> Step {
    let cow = overlays.iter().map(|overlay| overlay.file.clone());
    let files = cow.chain(std::iter::once(description(store, set))).collect();
    Step::Overlay(OverlayStep::Forget { set: set.to_owned(), store: store.to_owned(), files })
}

fn not_in_use(overlays: &[Overlay]) -> Result<(), Refusal> {
    for overlay in overlays {
        let name = overlay.device.as_deref().unwrap_or(&overlay.file);
        if let Some(holder) = overlay.holders.first() {
            let text = format!("{} of set {} is in use by {holder}", path_of(name), overlay.set);
            return Err(Refusal::new(text).hint(format!("stop it first: mdctl stop /dev/{holder}")));
        }
        if overlay.open > 0 {
            return Err(Refusal::new(format!("{} is open", path_of(name))));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::run::tests::every_failure_leaves_no_trace;

    fn wanted(name: &str, nth: u32) -> WantedOverlay {
        WantedOverlay {
            path: format!("/dev/{name}"),
            kernel_name: name.into(),
            size: Bytes(64 << 20),
            loop_device: format!("/dev/loop{nth}"),
            prints: Vec::new(),
        }
    }

    fn new(set: &str) -> NewSet {
        NewSet { set: set.into(), store: "/run/mdctl/overlays".into(), size: Bytes(0) }
    }

    #[test]
    fn a_set_that_cannot_be_made_leaves_nothing() {
        let plan = create(&new("try"), &[wanted("sda", 0), wanted("sdb", 1)]).unwrap();
        assert_eq!(every_failure_leaves_no_trace(&plan), 13);
        let text = plan.to_string();
        assert!(text.contains("0 131072 snapshot /dev/sda /dev/loop0 PO 8"), "{text}");
        assert!(create(&new("a-b"), &[]).is_err());
        assert!(create(&new("x"), &[wanted("sda", 0), wanted("sda", 1)]).is_err());
    }
}
