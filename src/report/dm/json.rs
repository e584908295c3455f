//! The same as JSON. See docs/json.md.

use serde::Serialize;

use crate::{
    model::{
        DevId,
        dm::{DmSeen, Mangling, Overview, UdevCookie, UdevFlags},
    },
    report::status::Problem,
};

/// What is said of a device that is not there.
pub const ABSENT: &str = "there is no such device-mapper device";

/// What reports say of devices.
#[derive(Debug, Serialize)]
pub struct Devices {
    schema: &'static str,
    devices: Vec<Device>,
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
struct Device {
    name: String,
    driver_name: String,
    uuid: Option<String>,
    major: u32,
    minor: u32,
    kernel_name: Option<String>,
    suspended: bool,
    read_only: bool,
    open_count: u32,
    event: u32,
    live_table: bool,
    inactive_table: bool,
    deferred_remove: bool,
    read_ahead_sectors: Option<u32>,
    uses: Option<Vec<Used>>,
    rows: Option<Vec<Row>>,
}

#[derive(Debug, Serialize)]
struct Used {
    major: u32,
    minor: u32,
    kernel_name: Option<String>,
    name: Option<String>,
}

#[derive(Debug, Serialize)]
struct Row {
    start_sectors: u64,
    length_sectors: u64,
    target: String,
    text: String,
}

/// The document of these devices. `with_deps`: what they stand on was looked for. `missing`: what was named and is not there.
#[must_use]
pub fn devices(
    all: &Overview,
    devices: &[&DmSeen],
    missing: Option<&str>,
    with_deps: bool,
    mangling: Mangling,
) -> String {
    let missing = missing.map(|name| Problem { device: mangling.unmangle(name), error: ABSENT.to_owned() });
    let used = |dev: &DevId| Used {
        major: dev.major,
        minor: dev.minor,
        kernel_name: all.blocks.get(dev).cloned(),
        name: all.by_number(*dev).map(|seen| mangling.unmangle(&seen.info.name)),
    };
    let row = |row: &crate::model::dm::ToldRow| Row {
        start_sectors: row.start.0,
        length_sectors: row.length.0,
        target: row.kind.clone(),
        text: row.text.clone(),
    };
    let device = |seen: &&DmSeen| {
        let info = &seen.info;
        Device {
            name: mangling.unmangle(&info.name),
            driver_name: info.name.clone(),
            uuid: info.uuid.clone(),
            major: info.dev.major,
            minor: info.dev.minor,
            kernel_name: all.blocks.get(&info.dev).cloned(),
            suspended: info.suspended,
            read_only: info.read_only,
            open_count: info.open,
            event: info.event,
            live_table: info.live,
            inactive_table: info.inactive,
            deferred_remove: info.deferred_remove,
            read_ahead_sectors: seen.read_ahead,
            uses: with_deps.then(|| seen.deps.iter().map(used).collect()),
            rows: seen.rows.as_ref().map(|rows| rows.iter().map(row).collect()),
        }
    };
    text(&Devices {
        schema: "mdctl.dm.1",
        devices: devices.iter().map(device).collect(),
        problems: missing.into_iter().collect(),
    })
}

/// Target types.
#[must_use]
pub fn targets(targets: &[(String, [u32; 3])]) -> String {
    #[derive(Serialize)]
    struct Target<'a> {
        target: &'a str,
        version: String,
    }
    #[derive(Serialize)]
    struct Targets<'a> {
        schema: &'static str,
        targets: Vec<Target<'a>>,
    }
    let target = |(name, [a, b, c]): &'_ (String, [u32; 3])| (name.clone(), format!("{a}.{b}.{c}"));
    let told: Vec<_> = targets.iter().map(target).collect();
    let targets = told.iter().map(|(target, version)| Target { target, version: version.clone() }).collect();
    text(&Targets { schema: "mdctl.dm-targets.1", targets })
}

/// The versions of the driver and of this program.
#[must_use]
pub fn version(program: &str, driver: &str) -> String {
    #[derive(Serialize)]
    struct Version<'a> {
        schema: &'static str,
        program: &'a str,
        driver: &'a str,
    }
    text(&Version { schema: "mdctl.dm-version.1", program, driver })
}

/// The parts of a name.
#[must_use]
pub fn split_name(name: &str, (group, volume, layer): (String, String, String)) -> String {
    #[derive(Serialize)]
    struct Parts<'a> {
        schema: &'static str,
        name: &'a str,
        group: String,
        volume: String,
        layer: String,
    }
    text(&Parts { schema: "mdctl.dm-name.1", name, group, volume, layer })
}

/// All cookies.
#[must_use]
pub fn cookies(cookies: &[UdevCookie]) -> String {
    #[derive(Serialize)]
    struct One {
        cookie: String,
        semaphore: u32,
        value: i32,
        operated_unix_seconds: Option<u64>,
        changed_unix_seconds: u64,
    }
    #[derive(Serialize)]
    struct Cookies {
        schema: &'static str,
        cookies: Vec<One>,
    }
    let one = |cookie: &UdevCookie| One {
        cookie: format!("0x{:x}", cookie.value),
        semaphore: cookie.semid,
        value: cookie.count,
        operated_unix_seconds: Some(cookie.operated).filter(|time| *time > 0),
        changed_unix_seconds: cookie.changed,
    };
    text(&Cookies { schema: "mdctl.dm-cookies.1", cookies: cookies.iter().map(one).collect() })
}

/// What a cookie asks udev for: names as udev's rules know them.
#[must_use]
pub fn flag_names(flags: UdevFlags) -> Vec<String> {
    let named = [
        (UdevFlags::DISABLE_DM_RULES, "DM_UDEV_DISABLE_DM_RULES_FLAG"),
        (UdevFlags::DISABLE_SUBSYSTEM_RULES, "DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG"),
        (UdevFlags::DISABLE_DISK_RULES, "DM_UDEV_DISABLE_DISK_RULES_FLAG"),
        (UdevFlags::DISABLE_OTHER_RULES, "DM_UDEV_DISABLE_OTHER_RULES_FLAG"),
        (UdevFlags::LOW_PRIORITY, "DM_UDEV_LOW_PRIORITY_FLAG"),
        (UdevFlags::DISABLE_LIBRARY_FALLBACK, "DM_UDEV_DISABLE_LIBRARY_FALLBACK_FLAG"),
        (UdevFlags::PRIMARY_SOURCE, "DM_UDEV_PRIMARY_SOURCE_FLAG"),
    ];
    let known = named.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| (*name).to_owned());
    let own = (0..8_u16).filter(|bit| flags.bits() & (0x100 << bit) != 0);
    known.chain(own.map(|bit| format!("DM_SUBSYSTEM_UDEV_FLAG{bit}"))).collect()
}

/// The names of a cookie's flags.
#[must_use]
pub fn flags(names: &[String]) -> String {
    #[derive(Serialize)]
    struct Flags<'a> {
        schema: &'static str,
        flags: &'a [String],
    }
    text(&Flags { schema: "mdctl.dm-udev-flags.1", flags: names })
}

fn text<T: Serialize>(document: &T) -> String {
    serde_json::to_string_pretty(document).map(|text| text + "\n").unwrap_or_default()
}
