//! `--zero-superblock`: which bytes are set to zero, and what is said of devices that have none to set.

use std::collections::BTreeSet;

use superblock::{Damage, Native, Role, Sectors, Write, foreign::Kind, probe::Found, v0, v1::Minor};

use super::{
    DiskStep, Plan, Step, create,
    only_copy::{failed_in_resync, left_behind},
};
use crate::{
    model::{
        Candidate, Device, Unusable, overlay,
        status::{ArrayStatus, Health},
        world::LogLine,
    },
    request::Metadata,
    words::MemberState,
};

/// What the original sets to zero of a 0.90 superblock.
const V0_LENGTH: usize = 4096;
/// And of any other.
const V1_LENGTH: usize = 512;

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub struct ZeroWish {
    /// `-e`.
    pub metadata: Option<Metadata>,
    /// Also what cannot be read as a superblock, and on devices in use.
    pub force: bool,
}

/// A device to erase from.
#[derive(Debug)]
pub struct ZeroTarget {
    /// The device.
    pub candidate: Candidate,
    /// With `-e`: why the places that have no superblock have none.
    pub reasons: Vec<String>,
}

/// What is done, and what is said.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ZeroDecision {
    /// The plan, where there is something to do.
    pub plan: Option<Plan>,
    /// Remarks, and whether `--quiet` silences them.
    pub said: Vec<(String, bool)>,
    /// Who holds the devices that could not be opened, and what lets them go: the original does not say that.
    pub held: Vec<String>,
    /// The exit status so far: the worst of all devices.
    pub status: u8,
}

/// One device decided: what is written, or what to say and how to end.
enum Verdict {
    Erase(Vec<Write>),
    Not(String, bool, u8),
}

/// What is known of the arrays that the devices may belong to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Around<'a> {
    /// Arrays in the kernel.
    pub arrays: &'a [ArrayStatus],
    /// The kernel's log lines about md, oldest first.
    pub log: &'a [LogLine],
}

/// Decides about all devices.
#[must_use]
pub fn plan(wish: ZeroWish, targets: &[ZeroTarget], around: Around<'_>) -> ZeroDecision {
    let mut decision = ZeroDecision::default();
    let mut seen = BTreeSet::new();
    let mut writes = Vec::new();
    for target in targets {
        decision.said.extend(target.reasons.iter().map(|reason| (reason.clone(), false)));
        let path = &target.candidate.path;
        let again = target.candidate.found.as_ref().is_ok_and(|device| !seen.insert(device.id));
        let verdict = match &target.candidate.found {
            Ok(_) if again => unrecognised(path, wish),
            Ok(device) if device.busy && !wish.force => {
                decision.held.push(around.holder(device));
                not_opened(path)
            }
            Ok(device) if !wish.force && device.used().is_some() => used(path, device),
            Ok(device) => match around.needs(device).filter(|_| !wish.force) {
                Some(why) => Verdict::Not(why, false, 1),
                None => one(device, target, wish, &mut decision.said),
            },
            Err(Unusable::NotBlock) => unrecognised(path, wish),
            Err(Unusable::Broken(text) | Unusable::Silent(text)) => Verdict::Not(text.clone(), false, 2),
            Err(_) => not_opened(path),
        };
        match verdict {
            Verdict::Erase(erased) => {
                let seen = target.candidate.found.as_ref().ok().filter(|_| !wish.force);
                writes.push((path.clone(), erased, seen.and_then(create::unchanged)));
            }
            Verdict::Not(text, quiet, status) => {
                if !text.is_empty() {
                    decision.said.push((text, quiet));
                }
                decision.status |= status;
            }
        }
    }
    decision.plan = (!writes.is_empty()).then(|| steps(writes, wish.force));
    decision
}

impl Around<'_> {
    /// Who holds a device, and which command lets it go.
    fn holder(&self, device: &Device) -> String {
        let path = &device.path;
        let member = |array: &ArrayStatus| {
            array
                .members
                .iter()
                .find(|member| member.id == Some(device.id))
                .map(|member| member.state.clone())
        };
        let Some((array, state)) = self.arrays.iter().find_map(|array| Some((array, member(array)?))) else {
            let by =
                if device.holders.is_empty() { "somebody".to_owned() } else { device.holders.join(", ") };
            let name = by.strip_prefix("device-mapper device ").unwrap_or_default();
            return match overlay::parts(name) {
                Some((set, _)) => {
                    format!("{path} is under the overlay set {set}: `mdctl overlay discard {set}` first")
                }
                None => format!("{path} is in use by {by}"),
            };
        };
        let shown = array.shown();
        let serves = state.contains(&MemberState::InSync);
        let out = match (array.is_running(), serves) {
            (false, _) => String::new(),
            (true, true) => format!(", or `mdctl manage {shown} --fail {path} --remove {path}`"),
            (true, false) => format!(", or `mdctl manage {shown} --remove {path}`"),
        };
        format!("{path} is in use by {shown}: `mdctl stop {shown}`{out} first")
    }

    /// Why an array that runs without this device needs it nevertheless.
    fn needs(&self, device: &Device) -> Option<String> {
        let path = &device.path;
        device.probe.found.iter().find_map(|found| {
            let metadata = found.fields();
            let facts = metadata.membership();
            let inside = |array: &ArrayStatus| array.members.iter().any(|member| member.id == Some(device.id));
            let array = self.arrays.iter().find(|array| array.uuid == Some(facts.array) && array.is_running())?;
            if inside(array) {
                return None;
            }
            let shown = array.shown();
            let held = matches!(facts.role, Role::Slot { replacement: false, .. });
            if array.health() == Health::Failed && held {
                return Some(format!("{path}: {shown} has failed, and {path} may be needed to bring it back: not zeroing; --force erases it all the same"));
            }
            let in_resync = failed_in_resync(self.log, &array.kernel_name, &device.kernel_name);
            let serves = |slot| {
                array
                    .members
                    .iter()
                    .any(|member| member.slot == Some(slot) && member.is(&MemberState::InSync))
            };
            left_behind(metadata, in_resync, serves).map(|_| {
                format!("{path}: failed in {shown} before a resync was finished: what was not resynced yet is only on it: not zeroing; --force erases it all the same")
            })
        })
    }
}

fn not_opened(path: &str) -> Verdict {
    Verdict::Not(format!("Couldn't open {path} for write - not zeroing"), true, 2)
}

fn used(path: &str, device: &Device) -> Verdict {
    let used = device.used().unwrap_or_default();
    Verdict::Not(format!("{path} {used} - not zeroing; --force does it all the same"), false, 2)
}

/// Without `-e` the original does not count this as a failure.
fn unrecognised(path: &str, wish: ZeroWish) -> Verdict {
    let status = if wish.metadata.is_some() { 4 } else { 0 };
    Verdict::Not(format!("Unrecognised md component device - {path}"), true, status)
}

fn one(device: &Device, target: &ZeroTarget, wish: ZeroWish, said: &mut Vec<(String, bool)>) -> Verdict {
    let found: Vec<&Found> =
        device.probe.found.iter().filter(|found| is_asked(found, wish.metadata)).collect();
    let writes: Vec<Write> = match wish.metadata {
        None => {
            let native = found.iter().map(|found| zeroes(found.at(), found.fields()));
            native.chain(anchors(device, None)).collect()
        }
        Some(Metadata::Ddf | Metadata::Imsm) => anchors(device, wish.metadata).collect(),
        Some(_) => latest(&found).map(|found| zeroes(found.at(), found.fields())).into_iter().collect(),
    };
    let anyway = writes.is_empty();
    let writes = if anyway { forced(device, wish) } else { Ok(writes) };
    match writes {
        Ok(_) if device.read_only => could_not(&device.path),
        Ok(writes) => {
            if anyway {
                said.push(("superblock zeroed anyway".to_owned(), true));
            }
            Verdict::Erase(writes)
        }
        Err(Some(verdict)) => verdict,
        Err(None) if target.reasons.is_empty() => unrecognised(&device.path, wish),
        Err(None) => Verdict::Not(String::new(), true, 2),
    }
}

/// By what RAID of firmware is known; with `-e` of that format.
fn anchors(device: &Device, asked: Option<Metadata>) -> impl Iterator<Item = Write> {
    let is_asked = move |kind| match kind {
        Kind::Ddf => matches!(asked, None | Some(Metadata::Ddf)),
        Kind::Imsm => matches!(asked, None | Some(Metadata::Imsm)),
        _ => false,
    };
    let asked = device.foreign.iter().filter(move |foreign| is_asked(foreign.kind));
    asked.filter_map(|foreign| foreign.anchor(device.size))
}

/// Of several the one that was created last.
fn latest<'a>(found: &[&'a Found]) -> Option<&'a Found> {
    found.iter().copied().reduce(|best, next| if next.created() > best.created() { next } else { best })
}

fn could_not(path: &str) -> Verdict {
    Verdict::Not(format!("Could not zero superblock on {path}"), false, 1)
}

/// What is erased although no superblock can be read there; else how it ends, if not as unrecognised.
fn forced(device: &Device, wish: ZeroWish) -> Result<Vec<Write>, Option<Verdict>> {
    let at = |at: Option<Sectors>, length| {
        at.map(|at| vec![Write { at: at.bytes(), data: vec![0; length] }]).ok_or(None)
    };
    match wish.metadata {
        Some(Metadata::V0) if wish.force => at(v0::place(device.size), V0_LENGTH),
        Some(Metadata::V1(Some(minor))) if wish.force => {
            let minor = Minor::ALL.into_iter().find(|candidate| candidate.number() == i32::from(minor));
            at(minor.and_then(|minor| minor.place(device.size)), V1_LENGTH)
        }
        Some(Metadata::Default) if wish.force => at(Minor::V1_2.place(device.size), V1_LENGTH),
        // The original does not know where, and fails.
        Some(Metadata::V1(None)) if wish.force => Err(Some(could_not(&device.path))),
        None => damaged(device, wish.force),
        Some(_) => Err(None),
    }
}

/// Superblocks that are there and cannot be read as such: erased with `--force`, named without.
fn damaged(device: &Device, force: bool) -> Result<Vec<Write>, Option<Verdict>> {
    let place = |damage: &Damage| match damage {
        Damage::Corrupt { format, at, .. } | Damage::Unsupported { format, at, .. } => {
            let length = if *format == "0.90" { V0_LENGTH } else { V1_LENGTH };
            (*format != "bitmap").then(|| Write { at: at.bytes(), data: vec![0; length] })
        }
        Damage::Io { .. } => None,
    };
    let found: Vec<(&Damage, Write)> =
        device.probe.damaged.iter().filter_map(|damage| Some((damage, place(damage)?))).collect();
    let unread = device.probe.damaged.iter().find(|damage| matches!(damage, Damage::Io { .. }));
    match found.first() {
        None => match unread {
            None => Err(None),
            // Where nothing could be read a superblock may still be; the original calls that success.
            Some(damage) => {
                let text = format!("{}: {damage}: a superblock may be there - not zeroed", device.path);
                Err(Some(Verdict::Not(text, false, 1)))
            }
        },
        Some(_) if force => Ok(found.into_iter().map(|(_, write)| write).collect()),
        Some((damage, _)) => {
            let text = format!("{}: {damage}; --force erases it all the same", device.path);
            Err(Some(Verdict::Not(text, false, 1)))
        }
    }
}

pub(super) fn zeroes(at: Sectors, superblock: &Native) -> Write {
    let length = match superblock {
        Native::V0(_) => V0_LENGTH,
        Native::V1(_) => V1_LENGTH,
    };
    Write { at: at.bytes(), data: vec![0; length] }
}

/// Whether `-e` means this superblock. A 0.90 one in the other byte order is none of this machine's.
#[must_use]
pub fn is_asked(found: &Found, asked: Option<Metadata>) -> bool {
    let fields = found.fields();
    fields.is_of_this_machine() && asked.is_none_or(|asked| asked.takes(fields.format()))
}

/// All devices in one plan, so that one undo brings all back. Where a superblock was seen may be another's data by the time
/// that the device is claimed, so each is looked at again first.
fn steps(writes: Vec<(String, Vec<Write>, Option<Step>)>, shared: bool) -> Plan {
    let open = |device: &String| match shared {
        true => Step::Disk(DiskStep::Share { device: device.clone() }),
        false => Step::Disk(DiskStep::Claim { device: device.clone() }),
    };
    let paths: Vec<String> = writes.iter().map(|(path, ..)| path.clone()).collect();
    let mut steps: Vec<Step> = paths.iter().map(open).collect();
    steps.extend(writes.iter().filter_map(|(.., again)| again.clone()));
    let what = "zeroes over the superblock".to_owned();
    steps.extend(
        writes
            .into_iter()
            .map(|(device, writes, _)| Step::Disk(DiskStep::Write { device, what: what.clone(), writes })),
    );
    steps.push(Step::Commit);
    let summary = format!("erase the superblocks of {}", paths.join(" "));
    steps.extend(paths.into_iter().map(|device| Step::Disk(DiskStep::Release { device })));
    Plan { summary, steps, warnings: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::samples;

    #[test]
    fn what_was_seen_is_compared_once_all_are_claimed() {
        let target = |path: &str| {
            let id = crate::model::DevId { major: 8, minor: u32::from(path.as_bytes()[5]) };
            let seen = [Write { at: superblock::Bytes(0), data: vec![7; 512] }.into()];
            let device = samples::device(path, id, superblock::Bytes(1 << 26));
            let damaged = Damage::Corrupt {
                format: "1.2",
                at: Sectors(8),
                what: superblock::What::Field { field: "magic", value: 0, rule: "another" },
            };
            let probe = superblock::probe::Probe { damaged: vec![damaged], ..Default::default() };
            ZeroTarget {
                candidate: Candidate {
                    path: path.into(),
                    found: Ok(Device { seen: seen.into(), probe, ..device }),
                },
                reasons: Vec::new(),
            }
        };
        let targets = [target("/dev/a"), target("/dev/b")];
        let erased = |path: &str| {
            let writes = vec![Write { at: superblock::Bytes(4096), data: vec![0; V1_LENGTH] }];
            let device = targets.iter().find_map(|target| target.candidate.found.as_ref().ok());
            (path.to_owned(), writes, device.and_then(create::unchanged))
        };
        let plan = steps(vec![erased("/dev/a"), erased("/dev/b")], false);
        let first_write =
            plan.steps.iter().position(|step| matches!(step, Step::Disk(DiskStep::Write { .. })));
        let compared = |step: &Step| matches!(step, Step::Disk(DiskStep::Unchanged { .. }));
        let places: Vec<usize> =
            (0..).zip(&plan.steps).filter(|(_, step)| compared(step)).map(|(nth, _)| nth).collect();
        assert_eq!((places, first_write), (vec![2, 3], Some(4)));
        // Who insists gets what is there by then.
        let wish = ZeroWish { metadata: None, force: true };
        let forced = super::plan(wish, &targets, Around::default()).plan.unwrap();
        assert!(!forced.steps.iter().any(compared), "{forced}");
    }

    #[test]
    fn a_device_that_cannot_be_opened_is_named_and_the_worst_status_counts() {
        let gone = |path: &str| ZeroTarget {
            candidate: Candidate {
                path: path.into(),
                found: Err(Unusable::Open("No such file or directory".into())),
            },
            reasons: Vec::new(),
        };
        let wish = ZeroWish { metadata: None, force: false };
        let decision = plan(wish, &[gone("/dev/a"), gone("/dev/b")], Around::default());
        assert_eq!((decision.plan, decision.status), (None, 2));
        assert_eq!(decision.said.len(), 2);
        assert_eq!(decision.said[0], ("Couldn't open /dev/a for write - not zeroing".to_owned(), true));
    }

    #[test]
    fn firmware_raid_is_forgotten_too() {
        use crate::plan::manage::tests::disk;
        let mut image = vec![0; 1 << 24];
        let (ddf, imsm) = (image.len() - 512, image.len() - 1024);
        image[ddf..ddf + 4].copy_from_slice(&[0xde, 0x11, 0xde, 0x11]);
        image[imsm..imsm + 24].copy_from_slice(b"Intel Raid ISM Cfg Sig. ");
        let target = || {
            let mut candidate = disk(0, None).seen.unwrap();
            candidate.found.as_mut().unwrap().foreign = superblock::foreign::scan(&image).unwrap();
            ZeroTarget { candidate, reasons: Vec::new() }
        };
        let (ddf, imsm) = (u64::try_from(ddf).unwrap(), u64::try_from(imsm).unwrap());
        for (metadata, expected, status) in [
            (None, vec![ddf, imsm], 0),
            (Some(Metadata::Ddf), vec![ddf], 0),
            (Some(Metadata::Imsm), vec![imsm], 0),
            (Some(Metadata::V1(None)), vec![], 4),
        ] {
            let decision = plan(ZeroWish { metadata, force: false }, &[target()], Around::default());
            let steps = decision.plan.iter().flat_map(|plan| &plan.steps);
            let writes = steps.filter_map(|step| match step {
                Step::Disk(DiskStep::Write { writes, .. }) => Some(writes),
                _ => None,
            });
            let zeroed: Vec<u64> = writes.flatten().map(|write| write.at.0).collect();
            assert_eq!((zeroed, decision.status), (expected, status), "{metadata:?}");
        }
    }

    #[test]
    fn who_holds_a_device_is_named_with_what_lets_it_go() {
        use crate::{
            model::{DevId, status::MemberStatus},
            plan::manage::tests::{UUID, disk, superblock},
        };
        let target = |holders: &[&str]| {
            let mut candidate = disk(0, Some(superblock(0, 20, superblock::Level::Raid1, 2))).seen.unwrap();
            let device = candidate.found.as_mut().unwrap();
            device.busy = true;
            device.holders = holders.iter().map(|holder| (*holder).to_owned()).collect();
            ZeroTarget { candidate, reasons: Vec::new() }
        };
        let path = target(&[]).candidate.path;
        let id = target(&[]).candidate.found.unwrap().id;
        let array = |state: &str, member: &str| ArrayStatus {
            kernel_name: "md0".into(),
            uuid: Some(UUID),
            state: state.into(),
            level: Some(superblock::Level::Raid1),
            raid_disks: 2,
            members: vec![
                MemberStatus { id: Some(id), state: vec![member.into()], ..MemberStatus::default() },
                MemberStatus { id: Some(DevId { major: 9, minor: 9 }), ..MemberStatus::default() },
            ],
            ..ArrayStatus::default()
        };
        let held = |arrays: &[ArrayStatus], holders: &[&str], force| {
            let around = Around { arrays, log: &[] };
            let decision = plan(ZeroWish { metadata: None, force }, &[target(holders)], around);
            assert_eq!((decision.plan.is_some(), decision.status), (force, if force { 0 } else { 2 }));
            decision.held.join("\n")
        };
        assert_eq!(
            held(&[array("clean", "in_sync")], &[], false),
            format!(
                "{path} is in use by /dev/md0: `mdctl stop /dev/md0`, or `mdctl manage /dev/md0 --fail {path} --remove {path}` first"
            )
        );
        for member in ["faulty", "spare"] {
            assert_eq!(
                held(&[array("clean", member)], &[], false),
                format!(
                    "{path} is in use by /dev/md0: `mdctl stop /dev/md0`, or `mdctl manage /dev/md0 --remove {path}` first"
                )
            );
        }
        assert_eq!(
            held(&[array("inactive", "in_sync")], &[], false),
            format!("{path} is in use by /dev/md0: `mdctl stop /dev/md0` first")
        );
        assert_eq!(
            held(&[], &["the file system mounted at /srv"], false),
            format!("{path} is in use by the file system mounted at /srv")
        );
        assert_eq!(held(&[array("clean", "in_sync")], &[], true), "");
    }

    #[test]
    fn what_a_running_array_may_need_is_kept() {
        use crate::{
            model::{DevId, status::MemberStatus},
            plan::manage::tests::{UUID, disk, superblock},
        };
        let target = || ZeroTarget {
            candidate: disk(0, Some(superblock(0, 20, superblock::Level::Raid5, 3))).seen.unwrap(),
            reasons: Vec::new(),
        };
        let member = |slot, state: &str| MemberStatus {
            id: Some(DevId { major: 1, minor: slot }),
            slot: Some(slot),
            state: vec![state.into()],
            ..MemberStatus::default()
        };
        let array = |second: &str| ArrayStatus {
            kernel_name: "md0".into(),
            uuid: Some(UUID),
            state: "clean".into(),
            level: Some(superblock::Level::Raid5),
            raid_disks: 3,
            members: vec![member(1, "in_sync"), member(2, second)],
            ..ArrayStatus::default()
        };
        for (second, force, kept) in
            [("faulty", false, true), ("faulty", true, false), ("in_sync", false, false)]
        {
            let arrays = [array(second)];
            let around = Around { arrays: &arrays, log: &[] };
            let decision = plan(ZeroWish { metadata: None, force }, &[target()], around);
            assert_eq!(decision.plan.is_none(), kept, "{second} {force}: {decision:?}");
            assert_eq!(decision.status, u8::from(kept));
        }
        assert!(
            plan(ZeroWish { metadata: None, force: false }, &[target()], Around::default()).plan.is_some()
        );
    }
}
