//! Spares that move: from an array that is whole to one that needs a member, where both share a group or a domain.

use std::{collections::BTreeSet, ffi::OsString};

use jiff::tz::TimeZone;

use super::{
    changes::spares,
    list::{List, WatchedArray, find},
};
use crate::{
    config::policy::{FormatFamily, PolicyRule, PolicySubject, policy},
    model::{
        monitor::{ArraySeen, Monitored},
        status::{Health, MemberStatus},
    },
    plan::{
        ArrayName,
        manage::{
            ManageContext,
            session::{Manage, ManageJob},
        },
    },
    request::{ManageOp, ManageWord},
    words::MemberState,
};

/// What moves depend on besides the arrays.
#[derive(Clone, Debug)]
pub struct Sharing {
    /// POLICY lines.
    pub rules: Vec<PolicyRule>,
    /// Whether a new member gets a bad-block log.
    pub bad_block_log: bool,
    /// The zone for dates.
    pub zone: TimeZone,
    /// Nothing is carried out.
    pub dry_run: bool,
}

/// One move.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Move {
    /// The array that has a spare, as it is watched.
    pub(super) from: String,
    /// The array that needs one.
    pub(super) to: String,
    /// The spare.
    pub(super) disk: String,
}

impl Sharing {
    /// The first move that is possible and was not tried in vain.
    pub(super) fn find(&self, list: &List, seen: &Monitored, tried: &BTreeSet<Move>) -> Option<Move> {
        let known = || list.arrays().iter().filter(|array| !array.is_lost);
        let seen_of = |array: &WatchedArray| find(seen, array.kernel.as_deref()?).cloned();
        for needy in known() {
            let Some(to) = seen_of(needy).filter(is_needy) else { continue };
            let domains = self.array_domains(needy, &to, seen);
            if domains.is_empty() {
                continue;
            }
            for donor in known().filter(|donor| donor.kernel != needy.kernel) {
                let Some(from) = seen_of(donor).filter(is_donor) else { continue };
                let spare = from.status.members.iter().find_map(|member| {
                    let disk = member.path.clone()?;
                    let found =
                        Move { from: donor.watching.path.clone(), to: needy.watching.path.clone(), disk };
                    let mut of_disk = self.disk_domains(member, &from, seen);
                    of_disk.extend(donor.spare_group.clone());
                    let fits = !of_disk.is_empty() && of_disk.is_subset(&domains);
                    let good = is_idle_spare(member) && is_large_enough(member, &to);
                    (fits && good && !tried.contains(&found)).then_some(found)
                });
                if spare.is_some() {
                    return spare;
                }
            }
        }
        None
    }

    fn array_domains(&self, array: &WatchedArray, now: &ArraySeen, seen: &Monitored) -> BTreeSet<String> {
        let of_members = now.status.members.iter().flat_map(|member| self.disk_domains(member, now, seen));
        of_members.chain(array.spare_group.clone()).collect()
    }

    fn disk_domains(&self, member: &MemberStatus, of: &ArraySeen, seen: &Monitored) -> BTreeSet<String> {
        let paths = seen.by_path.get(&member.kernel_name).map(Vec::as_slice).unwrap_or_default();
        let is_partition = member.disk.as_ref().is_some_and(|disk| *disk != member.kernel_name);
        let family = match of.status.metadata.as_str() {
            "0.90" => Some(FormatFamily::V0),
            word if word.starts_with("1.") => Some(FormatFamily::V1),
            _ => None,
        };
        policy(&self.rules, &PolicySubject { paths, is_partition, family }).domains.into_iter().collect()
    }

    /// What takes a device out of an array, or puts it in.
    pub(super) fn command(&self, op: ManageOp, array: &str, disk: &str) -> Manage {
        let word = ManageWord { op, device: OsString::from(disk), write_mostly: None, failfast: None };
        Manage::new(ManageJob {
            members: vec![word],
            readonly: false,
            run: false,
            stop: false,
            dry_run: self.dry_run,
            test: false,
            outspoken: false,
            context: ManageContext {
                array: ArrayName { kernel: String::new(), path: array.to_owned() },
                force: false,
                update: None,
                bad_block_log: self.bad_block_log,
                fresh: Vec::new(),
                zone: self.zone.clone(),
            },
        })
    }
}

/// A slot is empty and nothing waits to fill it.
fn is_needy(array: &ArraySeen) -> bool {
    !array.status.is_container() && array.status.health() == Health::Degraded && spares(array) == 0
}

/// Whole, with a spare to give. Members of a container have none of their own.
fn is_donor(array: &ArraySeen) -> bool {
    let own = !array.status.metadata.starts_with("external:");
    own && array.status.health() == Health::Complete && spares(array) > 0
}

fn is_idle_spare(member: &MemberStatus) -> bool {
    let busy = [
        MemberState::Faulty,
        MemberState::InSync,
        MemberState::Journal,
        MemberState::Replacement,
        MemberState::Blocked,
    ];
    member.slot.is_none() && !busy.iter().any(|state| member.is(state))
}

/// The data fits; whether the metadata does is found out when it is added.
fn is_large_enough(member: &MemberStatus, array: &ArraySeen) -> bool {
    let wanted = array.status.component_size.unwrap_or_default().sectors().bytes();
    member.size.is_some_and(|size| size > wanted)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use superblock::{Bytes, Kib};

    use super::*;
    use crate::plan::monitor::{
        Origin, Watching,
        changes::tests::{array, member},
    };

    fn sized(name: &str, slot: Option<u32>, state: &str, mib: u64) -> MemberStatus {
        MemberStatus { size: Some(Bytes(mib << 20)), ..member(name, slot, state) }
    }

    fn needy() -> ArraySeen {
        let mut needy = array("md0", "U_", vec![sized("sda", Some(0), "in_sync", 64)]);
        needy.status.component_size = Some(Kib(63 << 10));
        needy
    }

    fn donor() -> ArraySeen {
        let two = vec![sized("sdc", Some(0), "in_sync", 64), sized("sdd", Some(1), "in_sync", 64)];
        array("md1", "UU", two.into_iter().chain([sized("sde", None, "spare", 64)]).collect())
    }

    fn found(arrays: [ArraySeen; 2], groups: [Option<&str>; 2], rules: &[&str]) -> Option<String> {
        let watched = ["/dev/md0", "/dev/md1"].iter().zip(groups).map(|(path, group)| {
            let watching = Watching { path: (*path).to_owned(), expected_spares: None, increment: 20 };
            let mut watched = WatchedArray::new(watching, Origin::Configured);
            watched.spare_group = group.map(str::to_owned);
            watched.kernel = Some(path.trim_start_matches("/dev/").to_owned());
            watched
        });
        let list = List::new(watched.collect(), false, 20, false);
        let rules = rules.iter().map(|words| {
            let mut rule = PolicyRule::default();
            assert!(words.split(' ').all(|word| rule.add(word)));
            rule
        });
        let places = ["sda", "sdc", "sdd", "sde"].map(|name| (name.to_owned(), vec![format!("pci-{name}")]));
        let seen =
            Monitored { arrays: arrays.into(), by_path: BTreeMap::from(places), ..Monitored::default() };
        let sharing =
            Sharing { rules: rules.collect(), bad_block_log: true, zone: TimeZone::UTC, dry_run: false };
        let first = sharing.find(&list, &seen, &BTreeSet::new())?;
        // What was tried in vain is not tried again.
        assert_eq!(sharing.find(&list, &seen, &BTreeSet::from([first.clone()])), None);
        Some(format!("{} from {} to {}", first.disk, first.from, first.to))
    }

    #[test]
    fn a_spare_moves_within_a_group_or_domain() {
        let moved = Some("/dev/sde from /dev/md1 to /dev/md0".to_owned());
        let both = || [needy(), donor()];
        for (what, groups, rules, expected) in [
            ("one group", [Some("g"), Some("g")], &[][..], &moved),
            ("two groups", [Some("g"), Some("h")], &[], &None),
            ("no group", [None, None], &[], &None),
            ("the needy one has a group", [Some("g"), None], &[], &None),
            ("one domain", [None, None], &["path=pci-sd* domain=all"], &moved),
            ("another domain", [None, None], &["path=pci-sda domain=a", "path=pci-sd[c-e] domain=b"], &None),
            // All domains of the disk must be the array's.
            ("one more", [None, None], &["path=pci-sd* domain=all", "path=pci-sde domain=b"], &None),
            ("of another format", [None, None], &["path=pci-sd* metadata=0.90 domain=all"], &None),
        ] {
            assert_eq!(found(both(), groups, rules), *expected, "{what}");
        }
    }

    #[test]
    fn only_what_is_idle_is_given_and_only_to_who_needs_it() {
        let group = [Some("g"), Some("g")];
        let mut has_its_own = needy();
        has_its_own.status.members.push(sized("sdz", None, "spare", 64));
        let mut degraded = donor();
        degraded.status.members.remove(1);
        let changed = |state: &str, mib| {
            let mut donor = donor();
            donor.status.members[2] = sized("sde", None, state, mib);
            donor
        };
        for (what, arrays) in [
            ("it has a spare", [has_its_own, donor()]),
            ("the donor needs it", [needy(), degraded]),
            ("it failed", [needy(), changed("faulty", 64)]),
            ("it is a journal", [needy(), changed("journal", 64)]),
            ("it is too small", [needy(), changed("spare", 63)]),
        ] {
            assert_eq!(found(arrays, group, &[]), None, "{what}");
        }
    }
}
