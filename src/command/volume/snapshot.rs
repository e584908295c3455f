//! `snapshot`, `snapshot diff` and `snapshot apply`.

use std::path::Path;

use anyhow::{Context as _, Result};
use superblock::{
    Bytes, Media,
    cow::{self, Scan, Store},
    delta::Header,
};

use super::{Work, one};
use crate::{
    command::{DONE, print, refuse},
    execute::delta::{self, StreamSources},
    inventory::{self, Extents},
    kernel::{Access, BlockDevice, Machine, files, host},
    model::volume::{FoundGroup, GroupSeen},
    plan::{
        Refusal,
        volume::{
            apply::{Apply, StreamCame},
            delta::{Sides, later, no_one_moment, sides, store},
            shift::GroupScene,
            snapshot,
        },
    },
    report::delta::{self as words, SnapshotDiff},
    request::volume::{DiffRequest, NewSnapshot, VolumeName},
};

/// Makes a snapshot.
pub(super) fn run(work: &Work<'_>, new: &NewSnapshot) -> Result<u8> {
    work.change(snapshot::look(new, &work.words()), |seen: &GroupSeen| snapshot::decide(seen, new))
}

/// A snapshot and its store, as they are on the devices.
struct Opened<'a> {
    found: &'a FoundGroup,
    sides: Sides<'a>,
    media: Extents<'a>,
    store: Store,
    scan: Scan,
}

fn opened<'a>(found: &'a FoundGroup, name: &VolumeName) -> Result<Opened<'a>> {
    let sides = sides(found, name)?;
    let media = Extents::open(found, sides.snapshot)?;
    let start = cow::start(&media).with_context(|| format!("{name}: its store"))?;
    let store = store(start, name)?;
    let scan = cow::scan(&media, &store, Some(sides.size)).with_context(|| format!("{name}: its store"))?;
    Ok(Opened { found, sides, media, store, scan })
}

/// Shows what changed, or writes it to a stream.
pub(super) fn diff(work: &Work<'_>, request: &DiffRequest) -> Result<u8> {
    let groups = inventory::volumes::groups(work.machine)?;
    let told = || -> Result<u8> {
        let found = one(&groups, &request.name.group)?;
        let opened = opened(found, &request.name)?;
        let diff = SnapshotDiff {
            name: request.name.to_string(),
            origin: format!("{}/{}", request.name.group, opened.sides.origin.name),
            valid: opened.store.is_valid(),
            chunk: opened.store.chunk(),
            size: opened.sides.size,
            usage: opened.scan.usage,
            changed: opened.scan.changed(),
            findings: opened.scan.findings.clone(),
        };
        for line in words::remarks(&diff) {
            work.ui.warn(&line);
        }
        let Some(path) = &request.stream else {
            print(&if work.common.json { words::json(&diff) } else { words::text(&diff) });
            return Ok(DONE);
        };
        let active = work.active(&groups, found)?;
        let stamp = work.stamp();
        let scene = GroupScene { found, active: &active, stamp: &stamp };
        if let Some(line) = no_one_moment(&scene, request, &opened.sides) {
            work.ui.warn(&line);
        }
        stream(work, request, &opened, path)
    };
    match told() {
        Err(error) => match error.downcast::<Refusal>() {
            Ok(refusal) => Ok(refuse(&refusal, work.common, work.ui)),
            Err(error) => Err(error),
        },
        done => done,
    }
}

fn stream(work: &Work<'_>, request: &DiffRequest, opened: &Opened<'_>, path: &Path) -> Result<u8> {
    let group = &opened.found.group;
    let now: Box<dyn Media> = match &request.to {
        None => Box::new(Extents::open(opened.found, opened.sides.origin)?),
        Some(later) => Box::new(later_snapshot(work.machine, opened, later)?),
    };
    let bytes = opened.scan.chunks().saturating_mul(opened.store.chunk().bytes().0);
    let header = Header {
        size: opened.sides.size,
        time: host::now().0,
        group: *group.id.stored(),
        volume: *opened.sides.origin.id.stored(),
        snapshot: *opened.sides.snapshot.id.stored(),
        reverse: request.reverse,
        records: opened.scan.chunks(),
        bytes: Bytes(bytes),
    };
    let from = StreamSources {
        store: &opened.media,
        layout: opened.store,
        runs: &opened.scan.runs,
        now: now.as_ref(),
    };
    let mut file = files::create_new(path)?;
    let bars = work.ui.bars();
    let shown = path.display().to_string();
    let written = delta::write(&header, &from, &mut file, &|done, total| bars.show(&shown, done.0, total.0))
        .and_then(|summary| Ok(file.sync_all().map(|()| summary)?));
    drop(bars);
    match written {
        Ok(summary) => {
            print(&words::written(&shown, summary.records, summary.bytes, work.common.json));
            Ok(DONE)
        }
        Err(error) => {
            // Half a stream is of no use.
            files::remove(path)?;
            Err(error.context(shown))
        }
    }
}

/// Another snapshot of the same volume, through the kernel: only that knows what it has at one moment.
fn later_snapshot(machine: &Machine, opened: &Opened<'_>, name: &VolumeName) -> Result<BlockDevice> {
    later(opened.found, &opened.sides, name)?;
    let path =
        machine.places.dev.join("mapper").join(crate::model::dm::name::join(&name.group, &name.volume, None));
    BlockDevice::open(&path, Access::Read).with_context(|| format!("{name} has to be active"))
}

/// Puts a stream on a copy.
pub(super) fn apply(work: &Work<'_>, stream: &Path, target: &Path) -> Result<u8> {
    let (from, to) = (stream.display().to_string(), target.display().to_string());
    let mut course = Apply::new(&from, &to);
    let status = work.drive_alone(&mut course)?;
    let json = work.common.json;
    match course.came() {
        Some((StreamCame::AllThere, size)) => print(&words::compared(&to, true, size, json)),
        Some((StreamCame::Fits, size)) => print(&words::compared(&to, false, size, json)),
        Some((StreamCame::Applied, size)) => print(&words::applied(&to, size, json)),
        None => status,
    };
    Ok(status)
}
