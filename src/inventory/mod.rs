//! Looking at the machine. Everything here reads; nothing changes anything.

mod active;
mod archive;
mod arrays;
mod below;
mod bitmaps;
mod boot;
mod completion;
mod configuration;
mod content;
mod contents;
mod delta;
mod detail;
mod devices;
mod differences;
pub mod dm;
mod endangered;
mod explain;
mod extents;
mod grow;
mod inside;
pub mod inspect;
pub mod kept;
pub mod labels;
mod manage;
mod members;
mod monitor;
mod names;
mod nodes;
mod origins;
mod overlays;
mod query;
mod schedule;
mod scrub;
mod status;
mod stores;
mod stripes;
mod superblocks;
mod trial;
mod unfinished;
mod view;
pub mod volumes;

pub use crate::model::manage::{Absent, Depth};
pub use active::{active, all_volumes, snapshots};
pub use archive::{Image, archive, bytes_at, entry, here, image, known_members, present, ranges_of};
pub use below::{below, below_of};
pub use bitmaps::{NoBitmap, NoLog, SeenBitmap, SeenLog, bad_blocks, bitmaps};
pub use boot::boot;
pub use completion::{array_names, device_names, member_names};
pub use configuration::{
    all_by_path, awaited, by_path, by_path_of_event, candidates, candidates_afresh, configuration,
    configuration_to_show, failed_in, homehost, is_executable, is_permitted, kept_away,
    passed_over as passed_over_configuration, texts as configuration_texts, to_write as configuration_file,
    usual_file as usual_configuration, waits, writable_by_all,
};
pub use content::{content, in_place_of};
pub use contents::contents;
pub use delta::{delta_fit, delta_head, kept_by};
pub use detail::DetailLook;
pub use devices::{look, look_to_write};
pub use endangered::{endangered, like, names_by_id};
pub use explain::{find_holders, kernel_log};
pub use extents::Extents;
pub use grow::{can_turn, growing, named_store, window};
pub use inside::inside;
pub use manage::{managed, subject};
pub use members::members;
pub use monitor::{alerts, letter, sharing_file, sharing_process, texts as monitor_texts};
pub use names::arrays_in_order;
pub use nodes::Nodes;
pub use origins::origin_of_path;
pub use overlays::{all_overlays, noted_now, overlay_store, overlays, pending, store_for_set, underlays};
pub use query::query;
pub use schedule::schedule;
pub use scrub::scrub;
pub use status::StatusLook;
pub use stores::{group, store, stores};
pub use superblocks::{Format, Shown, SuperblockMissing, SuperblockSeen, missing, superblocks};
pub use trial::{checked, kept_entries, with_members};
pub use unfinished::{creating, unfinished};
pub use view::see;

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use superblock::MdUuid;

use crate::{
    config::map,
    kernel::{KernelError, Machine, files, host, node},
    model::{
        World, clock,
        world::{MapEntry, MdSupport, Timestamp},
    },
    words::MD_MAJOR,
};

/// The most that a map file is believed to be.
const MAP_LIMIT: u64 = 1 << 20;

/// This machine, as the environment lets us see it: `MDADM_NO_UDEV=1` means to do without udev, `LVM_SYSTEM_DIR` is where
/// LVM2 has its own files.
#[must_use]
pub fn machine() -> Machine {
    let mut machine = Machine::live(std::env::var_os("MDADM_NO_UDEV").is_some_and(|value| value == "1"));
    // What udev tells a program of its event; a unit that it wants is not told the number.
    machine.event = ["SEQNUM", "DEVPATH", "ACTION"].iter().all(|name| std::env::var_os(name).is_some());
    match std::env::var_os("LVM_SYSTEM_DIR").filter(|dir| !dir.is_empty()) {
        Some(dir) => Machine { lvm: dir.into(), ..machine },
        None => machine,
    }
}

/// Whether the terminal's locale is UTF-8.
#[must_use]
pub fn shows_utf8() -> bool {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")).unwrap_or_default();
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// The zone in which dates are printed: `TZ`, else the system's, else UTC.
#[must_use]
pub fn local_zone() -> TimeZone {
    // Without `TZ` it is one file. Looked up by its name it is the whole database's directories.
    if std::env::var_os("TZ").is_none() {
        let file = files::read(Path::new("/etc/localtime"), 1 << 20).ok().flatten();
        if let Some(zone) = file.and_then(|file| TimeZone::tzif("local", &file).ok()) {
            return zone;
        }
    }
    TimeZone::try_system().unwrap_or_else(|_| {
        let rule = std::env::var("TZ").ok();
        rule.and_then(|rule| clock::undated_zone(&rule)).unwrap_or(TimeZone::UTC)
    })
}

/// Text from standard input, at most so much.
pub fn standard_input(most: u64) -> Result<String, KernelError> {
    files::standard_input(most)
}

/// So many identities that nobody has.
///
/// # Errors
/// There is no randomness.
pub fn fresh(count: usize) -> Result<Vec<MdUuid>, KernelError> {
    (0..count).map(|_| host::random_bytes().map(MdUuid)).collect()
}

/// The world without devices: host, time, fresh identities, md, arrays, map.
///
/// # Errors
/// What could not be read.
pub fn world(machine: &Machine, identities: usize) -> Result<World, KernelError> {
    let (seconds, micros) = host::now();
    let fresh = fresh(identities)?;
    Ok(World {
        hostname: host::hostname(),
        now: Timestamp { seconds, micros },
        fresh,
        md: md_support(machine)?,
        arrays: arrays::running(machine)?,
        nodes: files::names(&machine.places.dev)?
            .into_iter()
            .filter_map(|name| name.into_string().ok())
            .filter(|name| name.starts_with("md"))
            .collect(),
        others: others(machine)?,
        map: map_entries(machine)?,
        udev: machine.udev,
        devices: Vec::new(),
    })
}

/// The lines of the map file.
///
/// # Errors
/// What could not be read; a missing file is no lines.
pub fn map_entries(machine: &Machine) -> Result<Vec<MapEntry>, KernelError> {
    Ok(map_entries_if_any(machine)?.unwrap_or_default())
}

/// The lines of the map file; `None` where there is no such file.
///
/// # Errors
/// What could not be read.
pub fn map_entries_if_any(machine: &Machine) -> Result<Option<Vec<MapEntry>>, KernelError> {
    let text = files::read(&machine.places.run.join("mdadm/map"), MAP_LIMIT)?;
    Ok(text.map(|text| map::parse(&String::from_utf8_lossy(&text))))
}

/// Where an array could have its node or link and something else is: `/dev/md*` and all of `/dev/md`.
fn others(machine: &Machine) -> Result<Vec<String>, KernelError> {
    let dev = &machine.places.dev;
    let below = |dir: &Path| -> Result<Vec<PathBuf>, KernelError> {
        Ok(files::names(dir)?.into_iter().map(|name| dir.join(name)).collect())
    };
    let named = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("md") && name != "md"
    };
    let mut paths: Vec<PathBuf> = below(dev)?.into_iter().filter(named).collect();
    paths.extend(below(&dev.join("md"))?);
    let is_other = |path: &PathBuf| match node::number_of(path) {
        // A link that leads nowhere is made new.
        Err(_) => false,
        Ok(None) => true,
        // Without a question to sysfs.
        Ok(Some(id)) if id.major == MD_MAJOR => false,
        // A node may outlive its array; what the kernel has no name for is nobody else's.
        Ok(Some(id)) => machine.sysfs.name_of(id).is_some_and(|name| !name.starts_with("md")),
    };
    Ok(paths.iter().filter(|path| is_other(path)).map(|path| path.display().to_string()).collect())
}

fn md_support(machine: &Machine) -> Result<MdSupport, KernelError> {
    let sysfs = &machine.sysfs;
    Ok(MdSupport {
        present: sysfs.has_module("md_mod"),
        new_array: sysfs.exists("module/md_mod/parameters/new_array"),
        create_on_open: node::creates_on_open(sysfs)?,
        lockless_bitmap: None,
    })
}
