//! Whether a device is the one that it was.
//!
//! A path proves nothing: disks change places between boots, and within one when they are unplugged. What proves it, the
//! strongest first: the kernel's own number in the same boot; a serial number, a world-wide name, a UUID of the device
//! itself; what is on it and was not to be written.

use super::{Carried, Identity, KeptDevice, Pieces, prints};

/// By what a device is known to be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// The kernel never let go of it.
    Kernel,
    /// A number or a name that belongs to it.
    Own,
    /// What is on it.
    Content,
}

/// A judgement about a device then and one now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sameness {
    /// The same.
    Same(By),
    /// Another one; why.
    Another(String),
    /// Nothing tells; why not.
    CannotTell(String),
}

/// Why a serial number was not enough.
const TWIN: &str = "it was attached since, it has the same serial number, and what was on it is not there";

/// How names begin that come from what is on a device, so that they change with it.
const OF_CONTENT: &str = "lvm-pv-uuid-";

impl Identity {
    /// Judges whether `now` is this device.
    #[must_use]
    pub fn same(&self, now: &Self) -> Sameness {
        if let Some(why) = self.differs(now) {
            return Sameness::Another(why);
        }
        if self.is_of_one_boot(now) && equal(&self.diskseq, &now.diskseq) {
            return Sameness::Same(By::Kernel);
        }
        let own = [(&self.wwn, &now.wwn), (&self.serial, &now.serial), (&self.uuid, &now.uuid)];
        if own.iter().any(|(then, now)| equal(then, now)) || self.shares_a_name(now) {
            return match self.may_be_a_twin(now) {
                true => Sameness::CannotTell(TWIN.to_owned()),
                false => Sameness::Same(By::Own),
            };
        }
        if self.carries_anothers(now) {
            return Sameness::CannotTell("it carries the superblock of another member".to_owned());
        }
        if self.shares_a_member(now) || prints::agree(&self.prints, &now.prints) {
            return Sameness::Same(By::Content);
        }
        Sameness::CannotTell(self.why_not(now))
    }

    /// What cannot be with the same device.
    fn differs(&self, now: &Self) -> Option<String> {
        if self.size != now.size {
            return Some(format!("it has {} bytes, not {}", now.size, self.size));
        }
        // Numbers only go up: it was here already, as another device.
        if self.is_of_one_boot(now) && now.diskseq.zip(self.diskseq).is_some_and(|(now, then)| now < then) {
            return Some("it was attached before that one".to_owned());
        }
        let own = [
            ("serial number", &self.serial, &now.serial),
            ("world-wide name", &self.wwn, &now.wwn),
            ("UUID", &self.uuid, &now.uuid),
        ];
        for (what, then, now) in own {
            match (then, now) {
                (Some(then), Some(now)) if then != now => {
                    return Some(format!("its {what} is {now}, not {then}"));
                }
                _ => {}
            }
        }
        let differ = match (&self.partition, &now.partition) {
            (Some(then), Some(now)) => then.start != now.start || apart(&then.uuid, &now.uuid),
            // Nothing was noted of partitions once.
            (None, Some(_)) => self.boot.is_some(),
            (Some(_), None) => true,
            (None, None) => false,
        };
        if differ {
            return Some("it is another partition".to_owned());
        }
        let known = equal(&self.serial, &now.serial) || equal(&self.wwn, &now.wwn);
        let (then, is) = (self.names(), now.names());
        let unlike = !then.is_empty() && !is.is_empty() && !self.shares_a_name(now);
        (unlike && !known).then(|| format!("its name is {}", is.join(", ")))
    }

    /// Whether it came later in the same boot, known by its serial number alone, with something else on it: cheap disks, and
    /// virtual ones that were copied, have the same number, or none that means anything.
    fn may_be_a_twin(&self, now: &Self) -> bool {
        let came_later = self.is_of_one_boot(now) && apart(&self.diskseq, &now.diskseq);
        let unique = equal(&self.wwn, &now.wwn) || equal(&self.uuid, &now.uuid);
        came_later && !unique && !self.shares_a_member(now) && prints::contradict(&self.prints, &now.prints)
    }

    fn is_of_one_boot(&self, now: &Self) -> bool {
        equal(&self.boot, &now.boot)
    }

    /// Whether `now` is this device by its content alone, while this one is known to be elsewhere: mirrors have the same content.
    /// `before`: devices as they were at this time or earlier; `here`: all that are here now.
    #[must_use]
    pub fn is_only_like<'a>(
        &self,
        now: &Self,
        before: impl IntoIterator<Item = &'a Self>,
        here: &[Self],
    ) -> bool {
        let proven = |other: &Self| matches!(self.same(other), Sameness::Same(By::Kernel | By::Own));
        let was_there = |other: &Self| {
            other.is_of_one_boot(now)
                && equal(&other.diskseq, &now.diskseq)
                && !equal(&self.diskseq, &now.diskseq)
        };
        self.same(now) == Sameness::Same(By::Content)
            && (here.iter().any(proven) || self.is_of_one_boot(now) && before.into_iter().any(was_there))
    }

    fn names(&self) -> Vec<&str> {
        let lasting = |name: &&str| {
            let last = name.rsplit('/').next().unwrap_or(name);
            !last.starts_with(OF_CONTENT)
        };
        self.by_id.iter().map(String::as_str).filter(lasting).collect()
    }

    fn shares_a_name(&self, now: &Self) -> bool {
        let then = self.names();
        now.names().iter().any(|name| then.contains(name))
    }

    /// Whether one of its superblocks is that of the same member.
    fn shares_a_member(&self, now: &Self) -> bool {
        now.md.iter().any(|sb| self.md.iter().any(|known| known.is_member(sb)))
    }

    /// Whether all of its superblocks are those of other members.
    fn carries_anothers(&self, now: &Self) -> bool {
        !now.md.is_empty() && !self.shares_a_member(now)
    }

    fn why_not(&self, now: &Self) -> String {
        let again = self.is_of_one_boot(now) && self.diskseq.is_some() && self.diskseq != now.diskseq;
        let first = if again { "it was attached since, " } else { "" };
        let second = "it has no serial number or name of its own";
        let third = match self.prints.as_slice() {
            [] => "nothing was on it by which to know it",
            _ => "what was on it is not there",
        };
        format!("{first}{second}, and {third}")
    }
}

impl Carried {
    /// Whether it is the same member of the same array.
    pub(super) fn is_member(&self, now: &Self) -> bool {
        match (&self.member, &now.member) {
            (Some(then), Some(now)) => then == now,
            // 0.90 has no UUID of members.
            (None, None) => self.is_same_as(now) && equal(&self.number, &now.number),
            _ => false,
        }
    }
}

impl KeptDevice {
    /// The same for a device that the command may have written to or not: it may be the member that it was, or the one that it became.
    #[must_use]
    pub fn same(&self, now: &Identity) -> Sameness {
        self.known().same(now)
    }

    /// The device, with the superblocks that the command was to leave on it.
    fn known(&self) -> Identity {
        let after = self.after();
        let size = superblock::Bytes(self.device.size);
        let became = superblock::probe::probe(&Pieces { size, pieces: &after }).found;
        let mut known = self.device.clone();
        known.md.extend(became.iter().map(Carried::of));
        known
    }
}

fn equal<T: PartialEq>(then: &Option<T>, now: &Option<T>) -> bool {
    then.is_some() && then == now
}

fn apart<T: PartialEq>(then: &Option<T>, now: &Option<T>) -> bool {
    then.is_some() && now.is_some() && then != now
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{Partition, Print};

    fn blank() -> Identity {
        Identity {
            path: "/dev/vdd".into(),
            size: 1 << 20,
            boot: Some("b1".into()),
            diskseq: Some(7),
            prints: vec![
                Print { at: 0, crc32: 1 },
                Print { at: 4096, crc32: 2 },
                Print { at: 8192, crc32: 3 },
            ],
            ..Identity::default()
        }
    }

    fn later(change: impl FnOnce(&mut Identity)) -> Sameness {
        let mut now = Identity { boot: Some("b2".into()), prints: Vec::new(), ..blank() };
        change(&mut now);
        blank().same(&now)
    }

    fn member(uuid: Option<&str>, number: u32) -> Carried {
        Carried {
            format: "1.2".into(),
            sector: 8,
            array: "a".into(),
            member: uuid.map(Into::into),
            name: None,
            events: 3,
            created: 5,
            number: Some(number),
        }
    }

    #[test]
    fn a_path_and_a_size_prove_nothing_over_a_boot() {
        let Sameness::CannotTell(why) = later(|_| {}) else { panic!("it has only its path") };
        assert_eq!(why, "it has no serial number or name of its own, and what was on it is not there");
        assert_eq!(later(|now| now.prints = blank().prints[1..].to_vec()), Sameness::Same(By::Content));
        assert!(matches!(later(|now| now.prints = blank().prints[2..].to_vec()), Sameness::CannotTell(_)));
        assert!(matches!(later(|now| now.size += 512), Sameness::Another(_)));
        assert!(matches!(later(|now| now.diskseq = Some(8)), Sameness::CannotTell(_)));
    }

    #[test]
    fn in_one_boot_the_kernels_number_proves_it_and_another_number_proves_nothing() {
        let seen = |boot: &str, diskseq| {
            let now = Identity { boot: Some(boot.into()), diskseq, prints: Vec::new(), ..blank() };
            blank().same(&now)
        };
        assert_eq!(seen("b1", Some(7)), Sameness::Same(By::Kernel));
        let Sameness::CannotTell(why) = seen("b1", Some(8)) else { panic!("attached again") };
        assert!(why.starts_with("it was attached since, "), "{why}");
        assert!(matches!(seen("b1", None), Sameness::CannotTell(_)));
        let older = Identity { diskseq: Some(6), ..blank() };
        assert!(matches!(blank().same(&older), Sameness::Another(_)), "numbers only go up");
        assert!(matches!(seen("b2", Some(7)), Sameness::CannotTell(_)), "numbers begin again with each boot");
    }

    #[test]
    fn numbers_and_names_of_the_device_itself() {
        type Edit = fn(&mut Identity, &str);
        let with = |edit: Edit, then: &str, is: &str| {
            let (mut a, mut b) = (blank(), Identity { boot: None, prints: Vec::new(), ..blank() });
            edit(&mut a, then);
            edit(&mut b, is);
            a.same(&b)
        };
        let edits: [Edit; 4] = [
            |it, value| it.serial = Some(value.into()),
            |it, value| it.wwn = Some(value.into()),
            |it, value| it.uuid = Some(value.into()),
            |it, value| it.by_id = vec![format!("/dev/disk/by-id/{value}")],
        ];
        for edit in edits {
            assert_eq!(with(edit, "x", "x"), Sameness::Same(By::Own));
            assert!(matches!(with(edit, "x", "y"), Sameness::Another(_)));
        }
        // A physical volume that was made since has another name by what is on it.
        assert!(matches!(with(edits[3], "lvm-pv-uuid-x", "lvm-pv-uuid-y"), Sameness::CannotTell(_)));
        // The same disk behind another bus.
        let disk = |name: &str| Identity {
            serial: Some("s".into()),
            by_id: vec![name.into()],
            boot: None,
            ..blank()
        };
        assert_eq!(disk("ata-s").same(&disk("usb-s")), Sameness::Same(By::Own));
    }

    #[test]
    fn a_serial_number_is_not_enough_for_what_came_later_in_one_boot_with_something_else_on_it() {
        let then = Identity { serial: Some("0000".into()), ..blank() };
        let seen = |change: fn(&mut Identity)| {
            let mut now = Identity { diskseq: Some(8), prints: Vec::new(), ..then.clone() };
            change(&mut now);
            then.same(&now)
        };
        assert_eq!(seen(|_| {}), Sameness::CannotTell(TWIN.into()));
        assert_eq!(seen(|now| now.prints = blank().prints[..1].to_vec()), Sameness::CannotTell(TWIN.into()));
        assert_eq!(seen(|now| now.prints = blank().prints[1..].to_vec()), Sameness::Same(By::Own));
        assert_eq!(seen(|now| now.boot = Some("b2".into())), Sameness::Same(By::Own), "not comparable");
        assert_eq!(seen(|now| now.diskseq = None), Sameness::Same(By::Own), "an older kernel");
        let unwritten = Identity { prints: Vec::new(), ..then.clone() };
        let now = Identity { diskseq: Some(8), ..unwritten.clone() };
        assert_eq!(unwritten.same(&now), Sameness::Same(By::Own), "nothing speaks against it");
        let named = |it: Identity| Identity { wwn: Some("w".into()), ..it };
        let now = Identity { diskseq: Some(8), prints: Vec::new(), ..then.clone() };
        assert_eq!(named(then.clone()).same(&named(now)), Sameness::Same(By::Own), "one in the world");
    }

    /// The other half of a mirror, whose superblock is gone as well.
    #[test]
    fn what_looks_the_same_is_not_taken_for_a_disk_that_is_known_to_be_elsewhere() {
        let half = Identity { path: "/dev/vde".into(), diskseq: Some(9), ..blank() };
        assert_eq!(blank().same(&half), Sameness::Same(By::Content));
        let only_like = |before: &[Identity], here: &[Identity]| blank().is_only_like(&half, before, here);
        assert!(!only_like(&[], std::slice::from_ref(&half)), "it may have been attached again");
        assert!(only_like(&[], &[half.clone(), blank()]), "the disk itself is here");
        assert!(
            only_like(std::slice::from_ref(&half), std::slice::from_ref(&half)),
            "both were here at one time"
        );
        let of_other_boot = Identity { boot: Some("b0".into()), ..half.clone() };
        assert!(!only_like(&[of_other_boot], std::slice::from_ref(&half)));
        assert!(!blank().is_only_like(&blank(), [&half], &[blank()]), "the kernel knows it");
    }

    #[test]
    fn a_partition_is_its_disk_and_its_place() {
        let at = |start, uuid: &str| Identity {
            serial: Some("s".into()),
            partition: Some(Partition { start, uuid: Some(uuid.into()) }),
            ..blank()
        };
        assert_eq!(at(2048, "p").same(&at(2048, "p")), Sameness::Same(By::Kernel));
        for other in [at(4096, "p"), at(2048, "q"), Identity { partition: None, ..at(2048, "p") }] {
            assert!(matches!(at(2048, "p").same(&other), Sameness::Another(_)));
        }
    }

    #[test]
    fn a_member_is_known_by_its_superblock_and_never_taken_for_another() {
        let mut then = Identity { boot: None, ..blank() };
        then.md = vec![member(Some("m1"), 0)];
        let now = |sb: Carried| Identity { md: vec![sb], ..then.clone() };
        assert_eq!(then.same(&now(member(Some("m1"), 0))), Sameness::Same(By::Content));
        // The other half of a mirror has the same blocks.
        assert!(matches!(then.same(&now(member(Some("m2"), 1))), Sameness::CannotTell(_)));
        then.md = vec![member(None, 0)];
        let now = |sb: Carried| Identity { md: vec![sb], ..then.clone() };
        assert_eq!(then.same(&now(member(None, 0))), Sameness::Same(By::Content));
        assert!(matches!(then.same(&now(member(None, 1))), Sameness::CannotTell(_)));
    }

    #[test]
    fn what_an_older_program_noted_is_its_path_alone() {
        let then: Identity = serde_json::from_str(
            r#"{"path":"/dev/a","kernel_name":"a","by_id":[],"size":1048576,"serial":null,"wwn":null,"md":[],"foreign":[]}"#,
        )
        .expect("the fields of then");
        assert!(matches!(then.same(&blank()), Sameness::CannotTell(_)));
    }
}
