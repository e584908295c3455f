//! Copies of members, made byte by byte: they have the other's identity, and its data of some time ago.

use superblock::{MdUuid, Native, v1};

use crate::model::manage::{ManageSubject, Managed};

/// The path of the member that a device may be a copy of: the one that has its number.
#[must_use]
pub fn suspect(array: &Managed, subject: &ManageSubject) -> Option<String> {
    let (_, number) = identity(subject)?;
    let holds = |number_of: i32| u32::try_from(number_of) == Ok(number);
    let mut members = array.detail.members.iter();
    members.find(|member| holds(member.number) && Some(member.dev) != subject.dev)?.path.clone()
}

/// Whether two devices have one identity.
#[must_use]
pub fn are_twins(one: &ManageSubject, other: &ManageSubject) -> bool {
    let uuid = |subject| identity(subject).map(|(uuid, _)| uuid);
    one.dev != other.dev && uuid(one).is_some() && uuid(one) == uuid(other)
}

/// Device UUID and number, which 1.x metadata alone has.
fn identity(subject: &ManageSubject) -> Option<(MdUuid, u32)> {
    let device = subject.seen.as_ref()?.found.as_ref().ok()?;
    let of = |sb: &v1::Superblock| (sb.device_uuid(), sb.dev_number());
    device.probe.found.iter().find_map(|found| match found.fields() {
        Native::V1(sb) => Some(of(sb)),
        Native::V0(_) => None,
    })
}
