//! Changes of a group's metadata as steps, and the order in which they are safe.
//!
//! Lock → look again → archive → text and pre-commit → (what is done while nothing is decided) → commit → **[`Step::Commit`]** →
//! backup → unlock. Everything before the commit can be taken back; a reader sees the old group or the new one at every moment.

use std::fmt;

use superblock::{
    Write,
    lvm::{Area, Full, Group, LvmUuid, Stamp},
};

use crate::{
    model::volume::{AreaTarget, FoundGroup, Groups},
    plan::{Refusal, Step},
};

/// Above this part of what an area takes, a person should know: percent.
const WARN_AT: u64 = 70;

/// One act on LVM2's metadata. Devices are named by their paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LvmStep {
    /// Take LVM2's locks, in its order, in bounded time.
    Lock {
        /// Physical volumes change hands, or groups are made or renamed: nobody else may look for them meanwhile.
        global: bool,
        /// Groups that will be changed.
        groups: Vec<String>,
    },
    /// Let them go.
    Unlock,
    /// Under the locks: every area is as the plan found it.
    Check {
        /// The group; for messages.
        group: String,
        /// Devices and their areas' headers.
        areas: Vec<(String, Area)>,
    },
    /// Under the locks: nobody else took a name or a device meanwhile.
    Free {
        /// A group's name that none may have.
        name: Option<String>,
        /// Devices that belong to no group.
        take: Vec<String>,
        /// All devices that there are.
        among: Vec<String>,
        /// Groups that the plan knew: an old text of one of them may have the name.
        known: Vec<LvmUuid>,
    },
    /// Keep the old state in LVM2's own archive.
    Archive {
        /// The group.
        group: String,
        /// A file in the form of backups.
        text: Vec<u8>,
    },
    /// Write the new text into free room of every area, read it back, and name it in every header as pre-committed.
    PreCommit {
        /// The group.
        group: String,
        /// The new text's number.
        seqno: u32,
        /// Where.
        targets: Vec<AreaTarget>,
        /// The text.
        text: Vec<u8>,
    },
    /// Make it the one that counts.
    Commit {
        /// The group.
        group: String,
        /// The new text's number.
        seqno: u32,
        /// Where.
        targets: Vec<AreaTarget>,
    },
    /// The headers as they were: of a pre-commit, and of a commit that came through in some areas only.
    Revert {
        /// The group.
        group: String,
        /// Where.
        targets: Vec<AreaTarget>,
    },
    /// Read the committed text of every area and see that it is this one.
    Verify {
        /// The group.
        group: String,
        /// Its identity.
        id: LvmUuid,
        /// The number that it has to have.
        seqno: u32,
        /// Devices and areas.
        areas: Vec<(String, Area)>,
    },
    /// LVM2's own list of devices to look at is no longer right.
    ForgetHints,
    /// The new state as LVM2's backup file.
    Backup {
        /// The group.
        group: String,
        /// The file's text.
        text: Vec<u8>,
    },
    /// The group is gone, or called otherwise: so is its backup file.
    RemoveBackup {
        /// The group.
        group: String,
    },
    /// Put devices into the devices file, or take them out, where there is one.
    Devices {
        /// To be added.
        add: Vec<ListedDevice>,
        /// Identities of physical volumes to be taken out.
        remove: Vec<LvmUuid>,
    },
}

/// An entry of the devices file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedDevice {
    /// `md_uuid`, `devname`, …
    pub kind: String,
    /// The name of that kind.
    pub name: String,
    /// Its path now.
    pub path: String,
    /// The physical volume on it.
    pub pv: LvmUuid,
}

impl LvmStep {
    /// The step that takes this one back.
    ///
    /// `None`: `Unlock`, `Revert` and `RemoveBackup` come last; `Check`, `Free` and `Verify` change
    /// nothing; an archive's file does no
    /// harm; hints are made anew by whoever needs them; a backup follows the commit.
    #[must_use]
    pub fn undo(&self) -> Option<Self> {
        Some(match self {
            Self::Lock { .. } => Self::Unlock,
            Self::PreCommit { group, targets, .. } | Self::Commit { group, targets, .. } => {
                Self::Revert { group: group.clone(), targets: targets.clone() }
            }
            Self::Devices { add, .. } if !add.is_empty() => {
                Self::Devices { add: Vec::new(), remove: add.iter().map(|device| device.pv).collect() }
            }
            Self::Unlock
            | Self::Check { .. }
            | Self::Free { .. }
            | Self::Archive { .. }
            | Self::Revert { .. }
            | Self::Verify { .. }
            | Self::ForgetHints
            | Self::Backup { .. }
            | Self::RemoveBackup { .. }
            | Self::Devices { .. } => return None,
        })
    }
}

impl fmt::Display for LvmStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lock { global, groups } => {
                let global = if *global { "all groups" } else { "" };
                let names: Vec<&str> = [global]
                    .into_iter()
                    .filter(|name| !name.is_empty())
                    .chain(groups.iter().map(String::as_str))
                    .collect();
                write!(f, "lock {}", names.join(", "))
            }
            Self::Unlock => write!(f, "unlock the groups"),
            Self::Check { group, .. } => write!(f, "see that nobody else changed {group}"),
            Self::Free { name: Some(name), .. } => write!(f, "see that nobody else made a group {name}"),
            Self::Free { name: None, .. } => write!(f, "see that nobody else took the devices"),
            Self::Archive { group, .. } => write!(f, "archive the metadata of {group}"),
            Self::PreCommit { group, seqno, targets, .. } => {
                write!(
                    f,
                    "write change {seqno} of {group} to {} metadata areas, not yet valid",
                    targets.len()
                )
            }
            Self::Commit { group, seqno, .. } => write!(f, "make change {seqno} of {group} valid"),
            Self::Revert { group, .. } => write!(f, "take the change of {group} back"),
            Self::Verify { group, seqno, .. } => write!(f, "read change {seqno} of {group} back"),
            Self::ForgetHints => write!(f, "have lvm look for physical volumes again"),
            Self::Backup { group, .. } => write!(f, "write the backup file of {group}"),
            Self::RemoveBackup { group } => write!(f, "remove the backup file of {group}"),
            Self::Devices { add, remove } => {
                write!(f, "note {} devices in the devices file, take {} out", add.len(), remove.len())
            }
        }
    }
}

/// A change of one group, in the pieces that a plan puts together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeOfGroup {
    /// Lock, look again, archive, write as pre-committed. Goes first; then whatever is to be made ready.
    pub before: Vec<Step>,
    /// Makes it count. [`Step::Commit`] follows at once.
    pub commit: Step,
    /// The same as bare writes, for a commit while devices are suspended: each device's path and what goes there.
    pub commit_writes: Vec<(String, Vec<Write>)>,
    /// Read back, backup file, unlock. Goes last.
    pub after: Vec<Step>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// The group as it will be.
    pub group: Group,
}

/// The steps that make a found group into another one. The number of changes is counted here. `global`: physical volumes come or
/// go, or the group gets another name.
///
/// # Errors
/// Why the group may only be read, that the text does not fit, that the new group would not be sound.
pub fn change(
    found: &FoundGroup,
    new: &Group,
    stamp: &Stamp,
    global: bool,
) -> Result<ChangeOfGroup, Refusal> {
    change_after(found, new, stamp, global, found.group.seqno)
}

/// The same where the number of changes is above the group's own: `last` is the highest that was given.
///
/// # Errors
/// As [`change`].
pub fn change_after(
    found: &FoundGroup,
    new: &Group,
    stamp: &Stamp,
    global: bool,
    last: u32,
) -> Result<ChangeOfGroup, Refusal> {
    refuse_read_only(found)?;
    let areas: Vec<(String, Area)> =
        found.areas().map(|(path, area)| (path.to_owned(), area.clone())).collect();
    let old = found.group.name.clone();
    let mut change = written(new, stamp, &areas, last)?;
    let mut before = vec![
        Step::Lvm(LvmStep::Lock { global, groups: names(&old, &new.name) }),
        Step::Lvm(LvmStep::Check { group: old.clone(), areas }),
        Step::Lvm(LvmStep::Archive { group: old.clone(), text: found.group.backup(&archived(stamp)) }),
    ];
    before.append(&mut change.before);
    change.before = before;
    if old != new.name {
        change.after.insert(1, Step::Lvm(LvmStep::RemoveBackup { group: old }));
    }
    Ok(change)
}

/// The steps that write a group which is not there, into areas that belong to none. `last`: the highest number that a change of
/// it has had, 0 for a new one.
///
/// # Errors
/// That the text does not fit, that the group would not be sound.
pub fn create(
    new: &Group,
    stamp: &Stamp,
    areas: &[(String, Area)],
    last: u32,
) -> Result<ChangeOfGroup, Refusal> {
    let mut change = written(new, stamp, areas, last)?;
    let lock = Step::Lvm(LvmStep::Lock { global: true, groups: vec![new.name.clone()] });
    let check = Step::Lvm(LvmStep::Check { group: new.name.clone(), areas: areas.to_vec() });
    change.before.splice(0..0, [lock, check]);
    Ok(change)
}

/// A second look under the locks, at a name and at devices.
#[must_use]
pub fn free(name: Option<&str>, take: Vec<String>, groups: &Groups) -> Step {
    // What did not answer before would not answer now.
    let answered = |path: &&String| !groups.unopened.iter().any(|unread| unread.path == **path);
    Step::Lvm(LvmStep::Free {
        name: name.map(str::to_owned),
        take,
        among: groups.looked_at.iter().filter(answered).cloned().collect(),
        known: groups.groups.iter().map(|found| found.group.id).collect(),
    })
}

fn names(old: &str, new: &str) -> Vec<String> {
    let mut names = vec![old.to_owned()];
    if new != old {
        names.push(new.to_owned());
    }
    names.sort();
    names
}

/// LVM2's words, by which `vgcfgrestore --list` shows them.
fn archived(stamp: &Stamp) -> Stamp {
    Stamp { description: format!("Created *before* executing '{}'", stamp.description), ..stamp.clone() }
}

fn backed_up(stamp: &Stamp) -> Stamp {
    Stamp { description: format!("Created *after* executing '{}'", stamp.description), ..stamp.clone() }
}

fn refuse_read_only(found: &FoundGroup) -> Result<(), Refusal> {
    let Some(first) = found.objections.first() else { return Ok(()) };
    let name = &found.group.name;
    let more = match found.objections.len() {
        1 => String::new(),
        count => format!(" (and {} more reasons)", count.saturating_sub(1)),
    };
    Err(Refusal::new(format!("group {name} can only be read: {first}{more}"))
        .hint(format!("`mdctl volume check {name}` tells all reasons")))
}

fn written(
    new: &Group,
    stamp: &Stamp,
    areas: &[(String, Area)],
    before: u32,
) -> Result<ChangeOfGroup, Refusal> {
    let mut group = new.clone();
    let Some(seqno) = before.checked_add(1) else {
        return Err(Refusal::new(format!("group {}: its changes cannot be counted any further", group.name)));
    };
    group.seqno = seqno;
    let text = group.checked(stamp).map_err(|why| Refusal::new(format!("group {}: {why}", group.name)))?;
    if areas.is_empty() {
        return Err(Refusal::new(format!("group {} has no metadata area that could be written", group.name)));
    }
    let place = |(device, area): &(String, Area)| match area.place(&text) {
        Ok(placed) => Ok(AreaTarget { device: device.clone(), area: area.clone(), placed }),
        Err(full) => Err(no_room(&group.name, device, full)),
    };
    let targets = areas.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    let committed: Vec<(String, Area)> = targets
        .iter()
        .map(|target| (target.device.clone(), target.area.with_committed(target.placed.slot)))
        .collect();
    let name = group.name.clone();
    let backup = group.backup(&backed_up(stamp));
    let id = group.id;
    Ok(ChangeOfGroup {
        warnings: nearly_full(&name, &targets).into_iter().collect(),
        commit_writes: commit_writes(&targets),
        before: vec![Step::Lvm(LvmStep::PreCommit {
            group: name.clone(),
            seqno,
            targets: targets.clone(),
            text,
        })],
        commit: Step::Lvm(LvmStep::Commit { group: name.clone(), seqno, targets }),
        after: vec![
            Step::Lvm(LvmStep::Verify { group: name.clone(), id, seqno, areas: committed }),
            Step::Lvm(LvmStep::Backup { group: name, text: backup }),
            Step::Lvm(LvmStep::Unlock),
        ],
        group,
    })
}

fn commit_writes(targets: &[AreaTarget]) -> Vec<(String, Vec<Write>)> {
    targets
        .iter()
        .map(|target| (target.device.clone(), vec![target.area.commit(target.placed.slot)]))
        .collect()
}

fn no_room(group: &str, device: &str, full: Full) -> Refusal {
    Refusal::new(format!("group {group}, metadata on {device}: {full}"))
}

fn nearly_full(group: &str, targets: &[AreaTarget]) -> Option<String> {
    let part = |target: &AreaTarget| {
        let used = target.placed.slot.size.saturating_mul(100);
        used.checked_div(target.area.limit()).unwrap_or(100)
    };
    let (percent, target) =
        targets.iter().map(|target| (part(target), target)).max_by_key(|(percent, _)| *percent)?;
    (percent >= WARN_AT).then(|| {
        format!(
            "the metadata of group {group} takes {percent} % of what the area on {} takes; it cannot be enlarged later",
            target.device
        )
    })
}
