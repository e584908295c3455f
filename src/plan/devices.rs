//! Plans of `mdctl dm`: one verb, some devices.

use superblock::Sectors;

use super::{
    Plan, Refusal, Step,
    dm::{Before, DmStep, Quiesce, Udev},
};
use crate::model::{
    DevId,
    dm::{BadDmName, DeviceInfo, Mangling, Overview, ReadAhead, Table, Target, UdevFlags},
};

/// A device to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDevice {
    /// Its name, as the driver gets it.
    pub name: String,
    /// Its UUID.
    pub uuid: Option<String>,
    /// The minor number it is to have.
    pub minor: Option<u32>,
    /// It takes no writes.
    pub read_only: bool,
    /// Its table; `None` to leave it without.
    pub table: Option<Table>,
}

/// What goes with every verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceManner {
    /// How events and nodes are treated.
    pub udev: Udev,
    /// What suspending does beside.
    pub quiesce: Quiesce,
    /// How far devices read ahead.
    pub read_ahead: Option<ReadAhead>,
}

impl DeviceManner {
    /// A plan of these steps; what is waited for comes after the commit, as nothing of it can be taken back.
    fn plan(self, summary: String, steps: Vec<DmStep>) -> Plan {
        let mut all = Vec::new();
        if self.udev != Udev::default() {
            all.push(DmStep::Udev(self.udev));
        }
        let told = steps.iter().any(tells_udev);
        all.extend(steps);
        let mut steps: Vec<Step> = all.into_iter().map(Step::Dm).collect();
        steps.push(Step::Commit);
        if told {
            steps.push(Step::Dm(DmStep::WaitForUdev));
        }
        Plan { summary, steps, warnings: Vec::new() }
    }
}

/// Whether udev hears of the step.
fn tells_udev(step: &DmStep) -> bool {
    matches!(
        step,
        DmStep::Resume { .. }
            | DmStep::Replace { .. }
            | DmStep::Remove { .. }
            | DmStep::Rename { .. }
            | DmStep::SetUuid { .. }
    )
}

fn list(names: &[String]) -> String {
    names.join(", ")
}

/// The minor number that somebody chose with a whole number; `driver` is device-mapper's major number, where it is there.
///
/// # Errors
/// Another driver's major number.
pub fn chosen_minor(name: &str, number: DevId, driver: Option<u32>) -> Result<u32, Refusal> {
    match driver {
        Some(major) if major != number.major => {
            let text =
                format!("{name}: device-mapper's major number is {major} here, and not {}", number.major);
            Err(Refusal::new(text).hint(format!("--major {major} --minor {}, or neither", number.minor)))
        }
        _ => Ok(number.minor),
    }
}

/// Makes devices; each that cannot be made takes the others with it.
///
/// # Errors
/// A table that no driver takes.
pub fn create(devices: &[NewDevice], manner: DeviceManner) -> Result<Plan, Refusal> {
    let mut steps = Vec::new();
    for device in devices {
        let name = device.name.clone();
        steps.push(DmStep::Create { name: name.clone(), uuid: device.uuid.clone(), minor: device.minor });
        let Some(table) = &device.table else { continue };
        check(&name, table)?;
        steps.push(DmStep::Load { name: name.clone(), table: table.clone(), read_only: device.read_only });
        steps.push(DmStep::Resume {
            name: name.clone(),
            flags: UdevFlags::VISIBLE,
            quiesce: manner.quiesce,
            before: None,
        });
        steps.extend(manner.read_ahead.map(|sectors| DmStep::ReadAhead { name, sectors }));
    }
    let names: Vec<String> = devices.iter().map(|device| device.name.clone()).collect();
    Ok(manner.plan(format!("make {}", list(&names)), steps))
}

fn check(name: &str, table: &Table) -> Result<(), Refusal> {
    table.check().map_err(|bad| Refusal::new(format!("{name}: {bad}")))
}

/// Removes devices, in this order. `force`: what is in use fails all its I/O from now on and can then be let go.
#[must_use]
pub fn remove(devices: &[(String, Sectors)], force: bool, deferred: bool, manner: DeviceManner) -> Plan {
    let mut steps = Vec::new();
    for (name, size) in devices {
        if force && size.0 > 0 {
            let table = Table::of(*size, Target::Error);
            steps.push(DmStep::Load { name: name.clone(), table, read_only: false });
            steps.push(DmStep::Resume {
                name: name.clone(),
                flags: UdevFlags::VISIBLE,
                quiesce: Quiesce::NONE,
                before: None,
            });
        }
        steps.push(DmStep::Remove { name: name.clone(), flags: UdevFlags::VISIBLE, deferred });
    }
    let names: Vec<String> = devices.iter().map(|(name, _)| name.clone()).collect();
    manner.plan(format!("remove {}", list(&names)), steps)
}

/// What `remove_all` takes: every device that nobody has open, those that stand on others first.
#[must_use]
pub fn unused(all: &Overview) -> Vec<DeviceInfo> {
    let mut left: Vec<_> = all.devices.iter().collect();
    let mut taken = Vec::new();
    loop {
        // Whoever stands on a device has it open; once they are gone it is closed.
        let is_free = |dev: DevId, open: u32, left: &[&crate::model::dm::DmSeen]| {
            let users = all.users(dev).count();
            let still = left.iter().filter(|seen| seen.deps.contains(&dev)).count();
            still == 0 && usize::try_from(open).unwrap_or(usize::MAX) <= users
        };
        let next: Vec<_> =
            left.iter().filter(|seen| is_free(seen.info.dev, seen.info.open, &left)).copied().collect();
        if next.is_empty() {
            return taken;
        }
        left.retain(|seen| !next.iter().any(|one| one.info.dev == seen.info.dev));
        taken.extend(next.iter().map(|seen| seen.info.clone()));
    }
}

/// Holds I/O back, or lets it go on.
#[must_use]
pub fn suspend(names: &[String], manner: DeviceManner) -> Plan {
    let step = |name: &String| DmStep::Suspend {
        name: name.clone(),
        quiesce: manner.quiesce,
        flags: UdevFlags::VISIBLE,
    };
    manner.plan(format!("suspend {}", list(names)), names.iter().map(step).collect())
}

/// Makes waiting tables live, and lets I/O go on.
#[must_use]
pub fn resume(names: &[String], manner: DeviceManner) -> Plan {
    let step = |name: &String| {
        let resume = DmStep::Resume {
            name: name.clone(),
            flags: UdevFlags::VISIBLE,
            quiesce: manner.quiesce,
            before: None,
        };
        let ahead = manner.read_ahead.map(|sectors| DmStep::ReadAhead { name: name.clone(), sectors });
        std::iter::once(resume).chain(ahead).collect::<Vec<_>>()
    };
    manner.plan(format!("resume {}", list(names)), names.iter().flat_map(step).collect())
}

/// Puts a table where it waits.
///
/// # Errors
/// A table that no driver takes.
pub fn load(name: &str, table: Table, read_only: bool, manner: DeviceManner) -> Result<Plan, Refusal> {
    check(name, &table)?;
    let step = DmStep::Load { name: name.to_owned(), table, read_only };
    Ok(manner.plan(format!("load a table into {name}"), vec![step]))
}

/// Drops waiting tables.
#[must_use]
pub fn clear(names: &[String], manner: DeviceManner) -> Plan {
    let step = |name: &String| DmStep::Clear { name: name.clone() };
    manner.plan(format!("drop the waiting table of {}", list(names)), names.iter().map(step).collect())
}

/// From now on all I/O fails. The tables as they are, for the undo.
#[must_use]
pub fn wipe(devices: &[(String, Before)], manner: DeviceManner) -> Plan {
    let steps = devices.iter().flat_map(|(name, before)| {
        let table = Table::of(before.table.size(), Target::Error);
        [
            DmStep::Load { name: name.clone(), table, read_only: before.read_only },
            DmStep::Resume {
                name: name.clone(),
                flags: UdevFlags::VISIBLE,
                quiesce: manner.quiesce,
                before: Some(Box::new(before.clone())),
            },
        ]
    });
    let names: Vec<String> = devices.iter().map(|(name, _)| name.clone()).collect();
    manner.plan(format!("let all I/O of {} fail", list(&names)), steps.collect())
}

/// Another name.
#[must_use]
pub fn rename(names: &[(String, String)], manner: DeviceManner) -> Plan {
    let step = |(name, to): &(String, String)| DmStep::Rename {
        name: name.clone(),
        to: to.clone(),
        flags: UdevFlags::VISIBLE,
    };
    let said: Vec<String> = names.iter().map(|(name, to)| format!("{name} to {to}")).collect();
    manner.plan(format!("rename {}", list(&said)), names.iter().map(step).collect())
}

/// A UUID.
#[must_use]
pub fn set_uuid(name: &str, uuid: &str, manner: DeviceManner) -> Plan {
    let step = DmStep::SetUuid { name: name.to_owned(), uuid: uuid.to_owned() };
    manner.plan(format!("give {name} the UUID {uuid}"), vec![step])
}

/// What `HDIO_GETGEO` answers.
#[must_use]
pub fn set_geometry(name: &str, numbers: [u64; 4], manner: DeviceManner) -> Plan {
    let step = DmStep::SetGeometry { name: name.to_owned(), numbers };
    manner.plan(format!("set the geometry of {name}"), vec![step])
}

/// What `mangle` would do to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mangle {
    /// It is as it should be.
    Right,
    /// It needs this one.
    To(String),
    /// It has a part that cannot be both.
    Not(BadDmName),
}

/// Decides.
#[must_use]
pub fn mangle(name: &str, mangling: Mangling) -> Mangle {
    match mangling.mangle(name) {
        Ok(right) if right == name => Mangle::Right,
        Ok(right) => Mangle::To(right),
        Err(bad) => Mangle::Not(bad),
    }
}

/// Devices as the kernel's command line has them: `NAME,UUID,MINOR,ro|rw,ROW[,ROW…][;…]`, a backslash before what is
/// meant as it is.
///
/// # Errors
/// What is missing or not understood, with the device.
pub fn concise(text: &str, mangling: Mangling) -> Result<Vec<NewDevice>, Refusal> {
    let devices = fields(text.trim());
    let wanted = devices.into_iter().filter(|fields| !(fields.len() == 1 && fields[0].trim().is_empty()));
    wanted.map(|fields| one_concise(&fields, mangling)).collect()
}

fn one_concise(fields: &[String], mangling: Mangling) -> Result<NewDevice, Refusal> {
    let [name, uuid, minor, mode, rows @ ..] = fields else {
        let name = fields.first().cloned().unwrap_or_default();
        return Err(Refusal::new(format!("{name}: a device is written NAME,UUID,MINOR,ro|rw,TABLE")));
    };
    let refuse = |why: &str| Refusal::new(format!("{name}: {why}"));
    let minor = match minor.trim() {
        "" => None,
        number => Some(number.parse().map_err(|_| refuse("the minor number is no number"))?),
    };
    let read_only = match mode.trim() {
        "ro" => true,
        "rw" | "" => false,
        _ => return Err(refuse("the mode is ro or rw")),
    };
    let table =
        Table::lenient(&rows.join("\n")).map_err(|row| refuse(&format!("row {row} of its table is none")))?;
    Ok(NewDevice {
        name: mangling.mangle(name.trim()).map_err(|bad| Refusal::new(bad.to_string()))?,
        uuid: Some(uuid.trim().to_owned()).filter(|uuid| !uuid.is_empty()),
        minor,
        read_only,
        table: Some(table).filter(|table| !table.rows.is_empty()),
    })
}

/// Devices, each in its fields.
fn fields(text: &str) -> Vec<Vec<String>> {
    let mut devices = vec![vec![String::new()]];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let Some(device) = devices.last_mut() else { continue };
        match c {
            ';' => devices.push(vec![String::new()]),
            ',' => device.push(String::new()),
            c => {
                let c = if c == '\\' { chars.next().unwrap_or(c) } else { c };
                if let Some(field) = device.last_mut() {
                    field.push(c);
                }
            }
        }
    }
    devices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::dm::DmSeen, plan::run::tests::every_failure_leaves_no_trace};

    const MANNER: DeviceManner = DeviceManner {
        udev: Udev {
            cookie: None,
            no_rules: false,
            no_sync: false,
            owner: crate::model::dm::Owner { uid: None, gid: None, mode: None },
        },
        quiesce: Quiesce::FULL,
        read_ahead: None,
    };

    #[test]
    fn another_drivers_number_is_refused() {
        let number = DevId { major: 253, minor: 9 };
        assert_eq!(chosen_minor("a", number, Some(253)), Ok(9));
        assert_eq!(chosen_minor("a", number, None), Ok(9));
        let refusal = chosen_minor("a", number, Some(252)).unwrap_err();
        assert_eq!(refusal.text, "a: device-mapper's major number is 252 here, and not 253");
        assert_eq!(refusal.hint.as_deref(), Some("--major 252 --minor 9, or neither"));
    }

    #[test]
    fn devices_of_a_line() {
        let text = "k1,,,rw,0 8 zero;k2,UU-2,7,ro,0 8 zero,8 8 error;a\\,b,,,,0 8 linear /dev/x\\;y 0";
        let devices = concise(text, Mangling::Auto).unwrap();
        assert_eq!(devices.len(), 3);
        assert_eq!(devices[2].name, "a\\x2cb");
        assert_eq!((devices[1].minor, devices[1].read_only), (Some(7), true));
        assert_eq!(devices[1].table.as_ref().unwrap().rows.len(), 2);
        let plan = create(&devices, MANNER).unwrap();
        assert_eq!(every_failure_leaves_no_trace(&plan), 10);
        for bad in ["x", "x,,y,,0 8 zero", "x,,,wo,0 8 zero", "x,,,,0 zero", "a/b,,,,0 8 zero"] {
            assert!(concise(bad, Mangling::Auto).is_err(), "{bad}");
        }
        let gap = concise("x,,,,0 8 zero,9 1 zero", Mangling::Auto).unwrap();
        let error = create(&gap, MANNER).unwrap_err();
        assert_eq!(error.text, "x: a row begins at sector 9 where 8 was to be next");
    }

    #[test]
    fn what_stands_on_others_goes_first() {
        let dev = |minor| DevId { major: 253, minor };
        let seen = |minor, open, deps: &[u32]| DmSeen {
            info: DeviceInfo { dev: dev(minor), name: minor.to_string(), open, ..DeviceInfo::default() },
            deps: deps.iter().map(|minor| dev(*minor)).collect(),
            ..DmSeen::default()
        };
        let all = Overview {
            devices: vec![seen(0, 1, &[]), seen(1, 0, &[0]), seen(2, 1, &[3]), seen(3, 1, &[])],
            ..Overview::default()
        };
        let names: Vec<String> = unused(&all).into_iter().map(|info| info.name).collect();
        assert_eq!(names, ["1", "0"], "2 is open, and 3 is used by it");
    }
}
