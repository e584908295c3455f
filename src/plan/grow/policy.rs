//! What keeps an array consistent over a crash: PPL, or a resync.

use superblock::{Level, Native, Sectors, ppl};

use super::{Act, GrowJob, members, name, set};
use crate::{
    model::{detail::MetadataVersion, grow::Growing},
    plan::{DiskStep, MdStep, Refusal, Step},
    request::ConsistencyPolicy,
    words::{self, ArrayAttr, MemberAttr},
};

/// The original's status where a log has no room.
const NO_ROOM: u8 = 254;

/// Decides.
///
/// # Errors
/// In the original's words.
pub(super) fn policy(job: &GrowJob, array: &Growing, to: ConsistencyPolicy) -> Result<Act, Refusal> {
    let shown = &job.array.path;
    let refuse = |text: String| Err(Refusal::new(text));
    if !matches!(to, ConsistencyPolicy::Ppl | ConsistencyPolicy::Resync) {
        return refuse(format!("Operation not supported for consistency policy {}", to.name()));
    }
    if array.managed.detail.level != Level::Raid5 {
        let level = array.managed.detail.level.number();
        return refuse(format!("Operation not supported for array level {level}"));
    }
    let now = array.managed.detail.consistency_policy.clone();
    let word = now.as_ref().map_or("unknown", words::ConsistencyPolicy::word).to_owned();
    if word == to.name() {
        return refuse(format!("Consistency policy is already {word}"));
    }
    if !matches!(now, Some(words::ConsistencyPolicy::Resync | words::ConsistencyPolicy::Ppl)) {
        return refuse(format!("Current consistency policy is {word}, cannot change to {}", to.name()));
    }
    if array.reshape_at.is_some() {
        return refuse("PPL cannot be enabled when reshape is in progress".to_owned());
    }
    let array_name = name(job, array);
    let mut act = Act::new(format!("set the consistency policy of {shown} to {}", to.name()));
    if to == ConsistencyPolicy::Ppl {
        if !matches!(array.managed.detail.metadata, MetadataVersion::Native(1, _)) {
            return refuse("a partial parity log needs metadata of version 1".to_owned());
        }
        logs(array, &mut act, &array_name)?;
    }
    act.then(
        [set(&array_name, ArrayAttr::ConsistencyPolicy, Some(word), to.name()), Step::Commit],
        format!("Failed to change array consistency policy of {shown}: "),
    );
    Ok(act)
}

/// An empty log on each member, and where it is.
fn logs(array: &Growing, act: &mut Act, array_name: &crate::plan::ArrayName) -> Result<(), Refusal> {
    for member in array.members.iter().filter(|member| members::counts(member)) {
        let shown = members::shown(member);
        let Some(Native::V1(superblock)) = &member.superblock else {
            return Err(Refusal::new(format!("{shown}: its superblock cannot be read")));
        };
        let no_room = |why: String| {
            Refusal::new("Not enough space to add ppl").status(NO_ROOM).hint(format!("{shown}: {why}"))
        };
        let place = superblock.room_for_ppl().map_err(|why| no_room(why.to_string()))?;
        let at = superblock.at().0.checked_add_signed(place.offset.into()).map(Sectors);
        let Some(at) = at else { return Err(no_room("no place".to_owned())) };
        let writes = vec![ppl::Header::new(superblock.set_uuid()).initial(at, Sectors(place.size.into()))];
        let device = shown.clone();
        act.then(
            [
                Step::Disk(DiskStep::Share { device: device.clone() }),
                Step::Disk(DiskStep::Write {
                    device: device.clone(),
                    what: format!("an empty partial parity log at sector {}", at.0),
                    writes,
                }),
                Step::Disk(DiskStep::Release { device }),
            ],
            "",
        );
        let tell = |attr, value: String| {
            let (array, member) = (array_name.clone(), members::named(member));
            Step::Md(MdStep::SetMember { array, member, attr, value })
        };
        act.then(
            [
                tell(MemberAttr::PplSector, at.0.to_string()),
                tell(MemberAttr::PplSize, place.size.to_string()),
            ],
            format!("Failed to set the partial parity log of {shown}: "),
        );
    }
    Ok(())
}
