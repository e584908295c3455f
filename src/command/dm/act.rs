//! Verbs that change something: a plan each.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use superblock::Sectors;

use super::{DONE, FAILED, Session, print};
use crate::{
    command::{Ended, carry_out, preview, refuse},
    execute,
    inventory::{
        self,
        dm::{Driver, WantedOfDm},
    },
    kernel::files,
    model::dm::{DeviceInfo, Table},
    plan::{
        Plan,
        devices::{self, DeviceManner, Mangle, NewDevice},
        dm::{Before, Quiesce, Udev},
    },
    request::DmVerb,
};

/// The most that a table in a file may be.
const LONGEST: u64 = 64 << 20;

impl Session<'_> {
    pub(super) fn act(&self) -> Result<u8> {
        let driver = Driver::open(self.machine)?;
        match self.request.verb {
            DmVerb::Create => self.create(),
            DmVerb::Remove => self.remove(&driver),
            DmVerb::RemoveAll => self.remove_all(&driver),
            DmVerb::Suspend => self.run(&devices::suspend(&self.some_names(&driver)?, self.manner())),
            DmVerb::Resume => self.run(&devices::resume(&self.some_names(&driver)?, self.manner())),
            DmVerb::Clear => self.run(&devices::clear(&self.some_names(&driver)?, self.manner())),
            DmVerb::Load => self.load(&driver),
            DmVerb::WipeTable => self.wipe(&driver),
            DmVerb::Rename => self.rename(&driver),
            DmVerb::Message => self.message(&driver),
            DmVerb::Mknodes => {
                let names = self.names(&driver)?.unwrap_or_default();
                execute::dm::make_nodes(self.machine, &names)?;
                Ok(DONE)
            }
            DmVerb::Mangle => self.mangle(&driver),
            _ => self.set_geometry(&driver),
        }
    }

    pub(super) fn run(&self, plan: &Plan) -> Result<u8> {
        if self.common.dry_run {
            return preview(plan, self.machine, self.common);
        }
        carry_out(plan, self.machine, self.common, self.ui, Ended::default())
    }

    fn manner(&self) -> DeviceManner {
        let options = self.options();
        DeviceManner {
            udev: Udev {
                cookie: options.udev_cookie,
                no_rules: options.no_udev_rules,
                no_sync: options.no_udev_sync,
                owner: options.owner,
            },
            quiesce: Quiesce { freeze: !options.no_lockfs, flush: !options.no_flush },
            read_ahead: options.read_ahead,
        }
    }

    /// The table of `--table`, of a file, or of standard input.
    fn table(&self, file: Option<&String>) -> Result<Table> {
        let options = self.options();
        let (text, of) = match (&options.table, file) {
            (Some(text), _) if Path::new(text).is_absolute() && !text.contains(char::is_whitespace) => {
                (read(text)?, text.as_str())
            }
            (Some(text), _) => (text.clone(), "--table"),
            (None, Some(file)) => (read(file)?, file.as_str()),
            (None, None) => (inventory::standard_input(LONGEST)?, "standard input"),
        };
        Table::lenient(&text).map_err(|line| {
            anyhow!("line {line} of {of} is no row of a table: START LENGTH TARGET PARAMETERS")
        })
    }

    fn create(&self) -> Result<u8> {
        let options = self.options();
        if options.concise {
            let text = match self.request.words.first() {
                Some(text) => text.clone(),
                None => inventory::standard_input(LONGEST)?,
            };
            return match devices::concise(&text, options.mangling)
                .and_then(|devices| devices::create(&devices, self.manner()))
            {
                Ok(plan) => self.run(&plan),
                Err(refusal) => Ok(refuse(&refusal, self.common, self.ui)),
            };
        }
        let Some(name) = self.request.words.first() else { bail!("a name for the new device is needed") };
        let minor = match options.number {
            None => None,
            Some(number) => match devices::chosen_minor(name, number, inventory::dm::major(self.machine)?) {
                Ok(minor) => Some(minor),
                Err(refusal) => return Ok(refuse(&refusal, self.common, self.ui)),
            },
        };
        let table = if options.no_table { None } else { Some(self.table(self.request.words.get(1))?) };
        let device = NewDevice {
            name: options.mangling.mangle(name)?,
            uuid: options.uuid.as_deref().map(|uuid| options.mangling.mangle(uuid)).transpose()?,
            minor,
            read_only: options.readonly,
            table,
        };
        match devices::create(&[device], self.manner()) {
            Ok(plan) => self.run(&plan),
            Err(refusal) => Ok(refuse(&refusal, self.common, self.ui)),
        }
    }

    fn remove(&self, driver: &Driver) -> Result<u8> {
        let options = self.options();
        let mut sizes = Vec::new();
        for name in self.some_names(driver)? {
            let size = match options.force {
                true => driver.table(&name)?.map(|(_, table)| table.size()),
                false => None,
            };
            sizes.push((name, size.unwrap_or(Sectors(0))));
        }
        self.run(&devices::remove(&sizes, options.force, options.deferred, self.manner()))
    }

    /// Shows what would go, and asks: other programs' devices are among them.
    fn remove_all(&self, driver: &Driver) -> Result<u8> {
        let options = self.options();
        if options.force {
            bail!(
                "remove_all never lets I/O of devices fail that are in use; name them: mdctl dm remove --force DEVICE…"
            );
        }
        let all = driver
            .overview(self.machine, WantedOfDm { deps: true, states: true, ..WantedOfDm::default() })?;
        let unused = devices::unused(&all);
        if unused.is_empty() {
            return Ok(DONE);
        }
        let sizes: Vec<_> = unused.iter().map(|info| (info.name.clone(), Sectors(0))).collect();
        let plan = devices::remove(&sizes, false, options.deferred, self.manner());
        if self.common.dry_run {
            return preview(&plan, self.machine, self.common);
        }
        if !self.common.yes {
            for info in &unused {
                self.ui.plain(&format!("{} ({})", options.mangling.unmangle(&info.name), owner(info)));
            }
            if !self.ui.ask(&format!("Remove these {} devices?", unused.len())) {
                self.ui.error("nothing is removed; -y removes them without a question");
                return Ok(FAILED);
            }
        }
        self.run(&plan)
    }

    fn load(&self, driver: &Driver) -> Result<u8> {
        let (name, rest) = self.first_name(driver)?;
        let table = self.table(rest.first())?;
        match devices::load(&name, table, self.options().readonly, self.manner()) {
            Ok(plan) => self.run(&plan),
            Err(refusal) => Ok(refuse(&refusal, self.common, self.ui)),
        }
    }

    fn wipe(&self, driver: &Driver) -> Result<u8> {
        let mut tables = Vec::new();
        for name in self.some_names(driver)? {
            let Some((info, table)) = driver.table(&name)? else { return Ok(self.absent(&name)) };
            if table.rows.is_empty() {
                bail!("{name}: it has no table");
            }
            tables.push((name, Before { table, read_only: info.read_only }));
        }
        self.run(&devices::wipe(&tables, self.manner()))
    }

    fn rename(&self, driver: &Driver) -> Result<u8> {
        let (name, rest) = self.first_name(driver)?;
        let Some(to) = rest.first() else { bail!("the new name or UUID is needed") };
        let to = self.options().mangling.mangle(to)?;
        self.run(&match self.options().set_uuid {
            true => devices::set_uuid(&name, &to, self.manner()),
            false => devices::rename(&[(name, to)], self.manner()),
        })
    }

    fn message(&self, driver: &Driver) -> Result<u8> {
        let (name, rest) = self.first_name(driver)?;
        let Some((sector, words)) = rest.split_first() else { bail!("a sector and a message are needed") };
        let sector = sector.parse().map_err(|_| anyhow!("`{sector}` is no sector"))?;
        match execute::dm::message(self.machine, &name, sector, &words.join(" "))? {
            Some(answer) if answer.ends_with('\n') || answer.is_empty() => Ok(print(&answer)),
            Some(answer) => Ok(print(&format!("{answer}\n"))),
            None => Ok(DONE),
        }
    }

    fn mangle(&self, driver: &Driver) -> Result<u8> {
        let names = match self.names(driver)? {
            Some(names) => names,
            None => driver.list("")?.into_iter().map(|one| one.name).collect(),
        };
        let mut wrong = Vec::new();
        for name in names {
            let Some(info) = driver.info(&name)? else { return Ok(self.absent(&name)) };
            match devices::mangle(&info.name, self.options().mangling) {
                Mangle::Right => {
                    let (uuid, what) = match &info.uuid {
                        Some(uuid) => (uuid.as_str(), "name and UUID"),
                        None => ("[no UUID]", "name"),
                    };
                    print(&format!("{}: {uuid}: {what} already in correct form\n", info.name));
                }
                Mangle::To(right) => wrong.push((info.name, right)),
                Mangle::Not(bad) => bail!("{bad}"),
            }
        }
        if wrong.is_empty() {
            return Ok(DONE);
        }
        for (name, right) in &wrong {
            print(&format!("{name}: renaming to {right}\n"));
        }
        self.run(&devices::rename(&wrong, self.manner()))
    }

    fn set_geometry(&self, driver: &Driver) -> Result<u8> {
        let (name, rest) = self.first_name(driver)?;
        let numbers: Vec<u64> = rest.iter().map_while(|word| word.parse().ok()).collect();
        let Ok(numbers) = <[u64; 4]>::try_from(numbers) else {
            bail!("a geometry is four numbers: cylinders, heads, sectors, start")
        };
        self.run(&devices::set_geometry(&name, numbers, self.manner()))
    }
}

fn read(file: &str) -> Result<String> {
    match files::read(Path::new(file), LONGEST)? {
        Some(bytes) => Ok(String::from_utf8(bytes).map_err(|_| anyhow!("{file} is no text"))?),
        None => bail!("{file}: there is no such file"),
    }
}

/// Whose a device is, as far as its UUID tells.
fn owner(info: &DeviceInfo) -> String {
    let uuid = info.uuid.as_deref().unwrap_or_default();
    let known = [
        ("LVM-", "a volume of LVM2"),
        ("CRYPT-", "of cryptsetup"),
        ("mpath-", "of multipath"),
        ("DMRAID-", "of dmraid"),
        ("stratis-", "of stratis"),
        ("MDOV-", "an overlay of mdctl"),
        ("part", "a partition"),
    ];
    let whose =
        known.iter().find(|(prefix, _)| uuid.starts_with(prefix)).map(|(_, whose)| (*whose).to_owned());
    whose.unwrap_or_else(|| match uuid {
        "" => "without a UUID".to_owned(),
        uuid => format!("UUID {uuid}"),
    })
}
