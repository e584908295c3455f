//! Members as steps name them.

use crate::{model::grow::GrowingMember, plan::MemberName, words::MemberState};

/// As it is shown.
pub(super) fn shown(member: &GrowingMember) -> String {
    member.path.clone().unwrap_or_else(|| member.name.clone())
}

/// As steps name it.
pub(super) fn named(member: &GrowingMember) -> MemberName {
    MemberName { shown: shown(member), dev: member.dev, link: Some(member.name.clone()) }
}

/// Whether it has a part in what the array is: it is in a slot and has not failed.
pub(super) fn counts(member: &GrowingMember) -> bool {
    member.slot.is_some() && !member.is(&MemberState::Faulty) && !member.is(&MemberState::Journal)
}

/// Whether what is said of all members' data holds for it: all but failed ones and journals.
pub(super) fn is_told(member: &GrowingMember) -> bool {
    !member.is(&MemberState::Faulty) && !member.is(&MemberState::Journal)
}
