//! A device that is a member already: in which role, and what becomes of it.

use crate::{
    model::manage::{Link, Managed},
    plan::Refusal,
    words::{DevId, MemberState},
};

/// Refuses a device that serves in the array, or is being filled for it. A spare is none: it can be given a slot.
///
/// # Errors
/// Its role, and how what was begun with it ends.
pub fn not_yet(word: &str, dev: Option<DevId>, array: &Managed, shown: &str) -> Result<(), Refusal> {
    match dev.and_then(|dev| array.link_of(dev)).filter(|link| !link.is(&MemberState::Faulty)) {
        Some(link) if link.slot.is_some() => {
            let refusal = Refusal::new(format!("{word} is a member of {shown} already: {}", role(link)));
            Err(refusal.hint(next(link, array, shown)))
        }
        Some(_) | None => Ok(()),
    }
}

/// Refuses a member that is being replaced already: the kernel has one replacement a slot, and to try it interrupts the copy.
///
/// # Errors
/// By whom.
pub fn not_replaced(word: &str, slot: u32, array: &Managed, shown: &str) -> Result<(), Refusal> {
    let seated = |link: &&Link| link.slot == Some(slot) && link.is(&MemberState::Replacement);
    match array.links.iter().find(seated) {
        Some(link) => {
            let text = format!("{word} of {shown} is being replaced by {} already", path(link, array));
            Err(Refusal::new(text).hint(format!("what was begun goes on: mdctl wait {shown}")))
        }
        None => Ok(()),
    }
}

fn path(link: &Link, array: &Managed) -> String {
    let member = array.detail.members.iter().find(|member| Some(member.dev) == link.dev);
    member.and_then(|member| member.path.clone()).unwrap_or_else(|| link.name.clone())
}

/// What a member is, in words.
#[must_use]
pub fn role(link: &Link) -> String {
    let Some(slot) = link.slot else {
        return if link.is(&MemberState::Journal) { "its journal" } else { "a spare" }.to_owned();
    };
    match (link.is(&MemberState::Replacement), link.is(&MemberState::InSync)) {
        (true, true) => format!("the whole copy of slot {slot}, which is about to take it over"),
        (true, false) => {
            format!("the member in slot {slot} is being copied onto it, and serves until that is done")
        }
        (false, true) => format!("it serves in slot {slot}"),
        (false, false) => format!("it is being filled for slot {slot}"),
    }
}

fn next(link: &Link, array: &Managed, shown: &str) -> String {
    let is_done = link.is(&MemberState::InSync) && !link.is(&MemberState::Replacement);
    let failed = array.links.iter().find(|link| link.is(&MemberState::Faulty));
    match (is_done, failed) {
        (false, _) => format!("what was begun goes on: mdctl wait {shown}"),
        (true, Some(old)) => format!(
            "nothing is left to be copied; the failed member is taken out with: mdctl manage {shown} --remove {}",
            old.name
        ),
        (true, None) => format!("nothing is left to be done; mdctl status {shown} shows it"),
    }
}

#[cfg(test)]
mod tests {
    use superblock::Level;

    use super::{super::tests::array, *};

    #[test]
    fn the_role_and_what_goes_on_are_said() {
        let said = |edit: &dyn Fn(&mut Link)| {
            let mut array = array(Level::Raid1, "UU");
            let link = array.links.iter_mut().find(|link| link.slot == Some(1)).expect("a member");
            edit(link);
            let dev = link.dev;
            not_yet("/dev/x", dev, &array, "/dev/md0")
                .map_err(|refusal| (refusal.text, refusal.hint.unwrap_or_default()))
        };
        let (text, hint) = said(&|_| {}).expect_err("it serves");
        assert_eq!(text, "/dev/x is a member of /dev/md0 already: it serves in slot 1");
        assert!(hint.starts_with("nothing is left to be done"), "{hint}");
        let (text, hint) = said(&|link| link.states = vec![MemberState::Replacement]).expect_err("a copy");
        assert!(
            text.ends_with("the member in slot 1 is being copied onto it, and serves until that is done"),
            "{text}"
        );
        assert_eq!(hint, "what was begun goes on: mdctl wait /dev/md0");
        assert!(
            said(&|link| link.states.clear())
                .expect_err("a copy")
                .0
                .ends_with("it is being filled for slot 1")
        );
        assert_eq!(said(&|link| link.slot = None), Ok(()), "a spare can be given a slot");
        assert_eq!(said(&|link| link.states = vec![MemberState::Faulty]), Ok(()));
        assert!(not_yet("/dev/x", None, &array(Level::Raid1, "UU"), "/dev/md0").is_ok());
    }
}
