//! Starting an array that has no metadata: what it is stands in the command alone, so it must be said anew each time.

mod building;

use superblock::{Kib, Level, MdUuid, Sectors};

use super::{
    ArrayName, DiskInfo, DiskStep, LegacyShape, MdStep, Plan, Refusal, Step, SystemStep, Warning, disk_state,
};
use crate::{
    model::{Candidate, DevId, Device, Unusable, World, world::MapEntry},
    request::{BuildRequest, MemberSource, MemberWord, SizeOrMax},
};

pub use building::{BuildJob, Building};

/// Chunk of RAID0 and linear where nothing was said.
const CHUNK: Sectors = Sectors(128);
/// Layout of RAID0 where nothing was said: that of kernels before 3.14.
const RAID0_ORIGINAL: u32 = 1;
/// Layout of RAID10 where nothing was said: two near copies.
const NEAR_2: u32 = 0x102;

/// Decides everything. The order of the checks is the original's.
///
/// # Errors
/// A [`Refusal`] in the original's words.
pub fn plan(
    request: &BuildRequest,
    array: &ArrayName,
    id: Option<DevId>,
    world: &World,
) -> Result<Plan, Refusal> {
    let shape = shape(request)?;
    let mut devices = world.devices.iter();
    let mut members = Vec::new();
    let users = |device: &Device| device.used().map(|used| format!("{} {used}", device.path));
    let found = world.devices.iter().filter_map(|candidate| candidate.found.as_ref().ok());
    let used: Vec<String> = found.filter_map(users).collect();
    // The kernel gives away what is only used and not claimed.
    if let Some(text) = used.first().filter(|_| !request.force) {
        return Err(Refusal::new(text.clone())
            .hint("--force builds over it all the same; what they have there is overwritten"));
    }
    let warnings = used.into_iter().map(Warning::note).collect();
    for (slot, word) in (0..).zip(&request.members) {
        if let MemberSource::Missing = word.source {
            continue;
        }
        let device = usable(devices.next())?;
        if members.iter().any(|(path, _)| *path == device) {
            return Err(Refusal::new(format!("Cannot open {device}: Device or resource busy")));
        }
        members.push((device, info(slot, word)));
    }
    let level = shape.level.name().unwrap_or("array");
    Ok(Plan {
        summary: format!("build {}: {level} of {} slots, without metadata", array.path, shape.raid_disks),
        steps: steps(array, id, shape, members),
        warnings,
    })
}

fn shape(request: &BuildRequest) -> Result<LegacyShape, Refusal> {
    let raid_disks =
        request.raid_devices.filter(|n| *n > 0).ok_or_else(|| Refusal::new("no raid-devices specified."))?;
    let level = request.level.ok_or_else(|| Refusal::new("a RAID level is needed to Build an array."))?;
    if request.write_behind.is_some() {
        return Err(Refusal::new("write-behind mode requires a bitmap."));
    }
    let listed = request.members.len();
    if u32::try_from(listed) != Ok(raid_disks) {
        return Err(Refusal::new(format!("requested {raid_disks} devices in array but listed {listed}")));
    }
    let chunk = match (request.chunk, level) {
        (Some(chunk), _) => chunk,
        (None, Level::Raid0 | Level::Linear) => CHUNK,
        (None, Level::Raid10) => {
            return Err(Refusal::new("RAID10 without metadata needs its chunk size")
                .hint("say it with --chunk: with another one than before the data is not what it was"));
        }
        (None, _) => Sectors(0),
    };
    let layout = request.layout.unwrap_or(match level {
        Level::Raid0 => RAID0_ORIGINAL,
        Level::Raid10 => NEAR_2,
        _ => 0,
    });
    let size = match request.size {
        Some(SizeOrMax::Size(size)) => size.kib(),
        Some(SizeOrMax::Max) | None => Kib(0),
    };
    Ok(LegacyShape { level, layout, chunk: chunk.bytes(), size, raid_disks, clean: request.assume_clean })
}

fn usable(candidate: Option<&Candidate>) -> Result<String, Refusal> {
    let candidate = candidate.ok_or_else(|| Refusal::new("a device was not looked at"))?;
    let path = &candidate.path;
    match &candidate.found {
        Ok(device) if device.busy => {
            let refusal = Refusal::new(format!("Cannot open {path}: Device or resource busy"));
            Err(match device.holders.as_slice() {
                [] => refusal,
                holders => refusal.hint(format!("{path} is held by {}", holders.join(", "))),
            })
        }
        Ok(_) => Ok(path.clone()),
        Err(Unusable::Open(why)) => Err(Refusal::new(format!("stat failed for {path}: {why}"))),
        Err(Unusable::NotBlock) => Err(Refusal::new(format!("{path} is not a block device."))),
        Err(Unusable::Broken(why) | Unusable::Silent(why)) => {
            Err(Refusal::new(format!("Cannot open {path}: {why}")))
        }
    }
}

fn info(slot: i32, word: &MemberWord) -> DiskInfo {
    let mut state = disk_state::ACTIVE | disk_state::SYNC;
    if word.write_mostly {
        state |= disk_state::WRITE_MOSTLY;
    }
    if word.failfast {
        state |= disk_state::FAIL_FAST;
    }
    DiskInfo { number: slot, raid_disk: slot, state }
}

fn steps(
    array: &ArrayName,
    id: Option<DevId>,
    shape: LegacyShape,
    members: Vec<(String, DiskInfo)>,
) -> Vec<Step> {
    let name = || array.clone();
    let claims = members.iter().map(|(device, _)| Step::Disk(DiskStep::Claim { device: device.clone() }));
    let mut steps: Vec<Step> = claims.collect();
    steps.extend([
        Step::System(SystemStep::LockMap),
        Step::Md(MdStep::Expect { array: name(), uuid: None, members: None }),
        Step::System(SystemStep::HideFromUdev { array: name() }),
        Step::Md(MdStep::NewArray { array: name(), id }),
        Step::Md(MdStep::SetShape { array: name(), shape }),
    ]);
    steps.extend(
        members.into_iter().map(|(device, info)| Step::Md(MdStep::AddDisk { array: name(), device, info })),
    );
    let entry = MapEntry {
        devnm: array.kernel.clone(),
        metadata: "none".to_owned(),
        uuid: MdUuid([0; 16]),
        path: array.path.clone(),
    };
    steps.extend([
        Step::System(SystemStep::MapAdd { entry }),
        Step::Md(MdStep::Run { array: name() }),
        Step::Commit,
        Step::System(SystemStep::UnlockMap),
        Step::System(SystemStep::ShowToUdev { array: name() }),
        Step::System(SystemStep::Uevent { array: name() }),
        Step::System(SystemStep::Node { array: name() }),
    ]);
    steps
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use superblock::{Bytes, probe::Probe};

    use super::*;
    use crate::plan::run::tests::every_failure_leaves_no_trace;

    pub(super) fn request(level: Level, members: &[&str]) -> BuildRequest {
        let word = |path: &&str| MemberWord {
            source: match *path {
                "missing" => MemberSource::Missing,
                path => MemberSource::Path(PathBuf::from(path)),
            },
            write_mostly: false,
            failfast: false,
            data_offset: None,
        };
        BuildRequest {
            device: "/dev/md0".into(),
            level: Some(level),
            raid_devices: u32::try_from(members.len()).ok(),
            layout: None,
            chunk: None,
            size: None,
            bitmap: None,
            bitmap_chunk: None,
            write_behind: None,
            delay: None,
            members: members.iter().map(word).collect(),
            assume_clean: false,
            run: false,
            force: false,
        }
    }

    pub(super) fn world(paths: &[&str]) -> World {
        let device = |path: &&str| Device {
            path: (*path).to_owned(),
            kernel_name: path.trim_start_matches("/dev/").to_owned(),
            id: DevId { major: 1, minor: 0 },
            size: Bytes(1 << 20),
            logical_block: 512,
            read_only: false,
            whole: None,
            busy: *path == "/dev/busy",
            holders: match *path {
                "/dev/busy" => vec!["array md7".to_owned()],
                "/dev/used" => vec!["loop device loop5".to_owned()],
                _ => Vec::new(),
            },
            unsearched: *path == "/dev/unsearched",
            aside: None,
            probe: Probe::default(),
            foreign: Vec::new(),
            seen: [].into(),
        };
        let candidate = |path: &&str| Candidate {
            path: (*path).to_owned(),
            found: match *path {
                "/dev/none" => Err(Unusable::Open("No such file or directory".to_owned())),
                "/etc/passwd" => Err(Unusable::NotBlock),
                _ => Ok(device(path)),
            },
        };
        let there = paths.iter().filter(|path| **path != "missing");
        World { devices: there.map(candidate).collect(), ..World::default() }
    }

    fn decide(request: &BuildRequest, paths: &[&str]) -> Result<Plan, String> {
        let array = ArrayName { kernel: "md0".into(), path: "/dev/md0".into() };
        plan(request, &array, None, &world(paths)).map_err(|refusal| refusal.text)
    }

    #[test]
    fn a_failed_build_leaves_no_trace() {
        let paths = ["/dev/a", "missing", "/dev/b"];
        let plan = decide(&request(Level::Raid1, &paths), &paths).unwrap();
        assert_eq!(every_failure_leaves_no_trace(&plan), 12);
        let added: Vec<i32> = plan
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Md(MdStep::AddDisk { info, .. }) => Some(info.raid_disk),
                _ => None,
            })
            .collect();
        assert_eq!(added, [0, 2], "a missing device keeps its slot");
    }

    #[test]
    fn what_is_in_use_is_built_over_by_force_alone() {
        let paths = ["/dev/used", "/dev/b"];
        let refused = decide(&request(Level::Raid1, &paths), &paths).unwrap_err();
        assert_eq!(refused, "/dev/used is in use by loop device loop5");
        let forced = BuildRequest { force: true, ..request(Level::Raid1, &paths) };
        assert_eq!(decide(&forced, &paths).unwrap().warnings.len(), 1);
        let paths = ["/dev/unsearched", "/dev/b"];
        let refused = decide(&request(Level::Raid1, &paths), &paths).unwrap_err();
        let expected = "/dev/unsearched may be in use: there was no time to look through all processes";
        assert_eq!(refused, expected, "who was not looked for counts as a user");
    }

    #[test]
    fn what_cannot_be_built_is_refused() {
        let two = ["/dev/a", "/dev/b"];
        let ready = request(Level::Raid1, &two);
        let busy = ["/dev/a", "/dev/busy"];
        let refusals = [
            (BuildRequest { raid_devices: None, ..ready.clone() }, two, "no raid-devices specified."),
            (BuildRequest { level: None, ..ready.clone() }, two, "a RAID level is needed to Build an array."),
            (
                BuildRequest { write_behind: Some(256), ..ready.clone() },
                two,
                "write-behind mode requires a bitmap.",
            ),
            (
                BuildRequest { raid_devices: Some(3), ..ready.clone() },
                two,
                "requested 3 devices in array but listed 2",
            ),
            (request(Level::Raid10, &two), two, "RAID10 without metadata needs its chunk size"),
            (request(Level::Raid1, &busy), busy, "Cannot open /dev/busy: Device or resource busy"),
            (ready.clone(), ["/dev/a", "/dev/none"], "stat failed for /dev/none: No such file or directory"),
            (ready.clone(), ["/dev/a", "/etc/passwd"], "/etc/passwd is not a block device."),
            (ready, ["/dev/a", "/dev/a"], "Cannot open /dev/a: Device or resource busy"),
        ];
        for (request, paths, text) in refusals {
            assert_eq!(decide(&request, &paths), Err(text.to_owned()));
        }
    }
}
