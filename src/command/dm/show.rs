//! Verbs that report.

use anyhow::Result;

use super::{DONE, FAILED, Session, print};
use crate::{
    inventory::{
        self,
        dm::{Driver, Rows, WantedOfDm},
    },
    kernel::dm::Who,
    model::dm::{DmSeen, Overview, name},
    report::dm::{
        columns::{self, ColumnLayout},
        json, text,
        tree::{self, TreeLook},
    },
    request::{DmVerb, Headings},
};

/// What is shown, and how far it came: a device that is not there ends a list, after those before it.
struct Shown {
    all: Overview,
    /// The devices that were named, or all.
    chosen: Vec<DmSeen>,
    missing: Option<String>,
    /// Several may come: each line begins with its device.
    several: bool,
}

impl Session<'_> {
    pub(super) fn show(&self) -> Result<u8> {
        let verb = self.request.verb;
        if verb == DmVerb::Splitname {
            return Ok(self.split_name());
        }
        let driver = Driver::open(self.machine)?;
        match verb {
            DmVerb::Ls => self.list(&driver),
            DmVerb::Info => self.info(&driver),
            DmVerb::Deps => self.deps(&driver),
            DmVerb::Status => self.rows(&driver, Rows::Status { flush: !self.options().no_flush }),
            DmVerb::Table => self.rows(&driver, Rows::Table),
            DmVerb::Wait => self.wait(&driver),
            DmVerb::Targets => {
                let targets = driver.targets()?;
                Ok(self.targets(&targets))
            }
            DmVerb::TargetVersion => self.target_version(&driver),
            DmVerb::Measure => self.measure(&driver),
            _ => self.version(&driver),
        }
    }

    fn layout(&self) -> ColumnLayout {
        let options = self.options();
        ColumnLayout {
            fields: options.fields.clone(),
            sort: options.sort.clone(),
            no_headings: options.no_headings,
            headings: options.headings.and_then(|headings| match headings {
                Headings::None => Some(false),
                Headings::Abbreviated => None,
                Headings::Full => Some(true),
            }),
            separator: options.separator.clone(),
            rows: options.rows,
            prefixes: options.name_prefixes,
            unquoted: options.unquoted,
            mangling: options.mangling,
        }
    }

    /// Looks: at all devices, or at those that are named.
    fn look(&self, driver: &Driver, wanted: WantedOfDm, everything: bool) -> Result<Shown> {
        let wanted = WantedOfDm { inactive: self.options().inactive, ..wanted };
        let Some(names) = self.names(driver)? else {
            let all = driver.overview(self.machine, wanted)?;
            return Ok(Shown { chosen: all.devices.clone(), all, missing: None, several: true });
        };
        let mut chosen = Vec::new();
        let mut missing = None;
        for name in &names {
            match driver.seen(self.machine, Who::Name(name), wanted)? {
                Some(seen) => chosen.push(seen),
                None => {
                    missing = Some(name.clone());
                    break;
                }
            }
        }
        let all = match everything {
            true => driver.overview(self.machine, wanted)?,
            false => driver.with_blocks(self.machine, chosen.clone()),
        };
        Ok(Shown { all, chosen, missing, several: names.len() > 1 })
    }

    /// The answer, and whether a device was missing.
    fn told(&self, shown: &Shown, text: &str, with_deps: bool) -> u8 {
        let chosen: Vec<&DmSeen> = shown.chosen.iter().collect();
        match self.common.json {
            true => {
                let missing = shown.missing.as_deref();
                print(&json::devices(&shown.all, &chosen, missing, with_deps, self.options().mangling))
            }
            false => print(text),
        };
        shown.missing.as_ref().map_or(DONE, |name| self.absent(name))
    }

    fn list(&self, driver: &Driver) -> Result<u8> {
        let options = self.options();
        let mangling = options.mangling;
        let by_target = options.target.as_deref();
        let rows = by_target.map(|_| Rows::Table);
        // As dmsetup has it: those of a target come as a list.
        let tree = options.tree && by_target.is_none();
        let wanted = WantedOfDm { deps: tree, rows, states: self.common.json || tree, inactive: false };
        let mut all = driver.overview(self.machine, wanted)?;
        if let Some(target) = by_target {
            let has = |seen: &DmSeen| seen.rows.iter().flatten().any(|row| row.kind == target);
            all.devices.retain(has);
        }
        let text = if tree {
            let look = TreeLook::parse(options.fields.as_deref(), inventory::shows_utf8(), mangling);
            let look = look.map_err(anyhow::Error::msg)?;
            if all.devices.is_empty() { text::NONE.to_owned() } else { tree::tree(&all, &look) }
        } else {
            let naming = text::Naming::parse(options.fields.as_deref()).map_err(anyhow::Error::msg)?;
            text::list(&all, naming, by_target.is_some(), mangling)
        };
        let chosen = all.devices.clone();
        Ok(self.told(&Shown { all, chosen, missing: None, several: true }, &text, tree))
    }

    fn info(&self, driver: &Driver) -> Result<u8> {
        let options = self.options();
        let fields = options.fields.as_deref();
        let deps = self.common.json || (options.columns && columns::needs_deps(fields));
        let wanted = WantedOfDm { deps, states: true, ..WantedOfDm::default() };
        let shown = self.look(driver, wanted, deps)?;
        if shown.several && shown.all.devices.is_empty() && !self.common.json && shown.missing.is_none() {
            return Ok(print(text::NONE));
        }
        let mangling = options.mangling;
        let text = if options.columns {
            let chosen: Vec<&DmSeen> = shown.chosen.iter().collect();
            match chosen.is_empty() {
                true => String::new(),
                false => columns::info(&shown.all, &chosen, &self.layout()).map_err(anyhow::Error::msg)?,
            }
        } else {
            let one = |seen: &DmSeen| text::info(seen, mangling);
            shown.chosen.iter().map(one).collect()
        };
        Ok(self.told(&shown, &text, true))
    }

    fn deps(&self, driver: &Driver) -> Result<u8> {
        let naming = text::Naming::parse(self.options().fields.as_deref()).map_err(anyhow::Error::msg)?;
        let shown =
            self.look(driver, WantedOfDm { deps: true, states: true, ..WantedOfDm::default() }, false)?;
        let text = self.each(&shown, |seen, name| text::deps(&shown.all, seen, naming, name));
        Ok(self.told(&shown, &text, true))
    }

    fn rows(&self, driver: &Driver, rows: Rows) -> Result<u8> {
        let mut shown = self.look(driver, WantedOfDm { rows: Some(rows), ..WantedOfDm::default() }, false)?;
        if rows == Rows::Table && !self.options().show_keys {
            for row in shown.chosen.iter_mut().flat_map(|seen| seen.rows.iter_mut().flatten()) {
                row.text = text::without_key(&row.kind, &row.text);
            }
        }
        let target = self.options().target.as_deref();
        if self.options().concise && rows == Rows::Table {
            let of_target =
                |seen: &&DmSeen| target.is_none_or(|t| seen.rows.iter().flatten().any(|row| row.kind == t));
            let chosen: Vec<&DmSeen> = shown.chosen.iter().filter(of_target).collect();
            let text = match (shown.several && shown.all.devices.is_empty(), shown.chosen.is_empty()) {
                (_, true) if shown.missing.is_some() => String::new(),
                (true, _) => text::NONE.to_owned(),
                (false, _) => text::concise(&chosen, target, self.options().mangling),
            };
            return Ok(self.told(&shown, &text, false));
        }
        let text = self.each(&shown, |seen, name| text::rows(seen, target, name));
        Ok(self.told(&shown, &text, false))
    }

    /// A text for each device, with its name before it where there may be several.
    fn each(&self, shown: &Shown, text: impl Fn(&DmSeen, Option<&str>) -> String) -> String {
        if shown.several && shown.chosen.is_empty() && shown.missing.is_none() {
            return text::NONE.to_owned();
        }
        let options = self.options();
        let one = |seen: &DmSeen| {
            let name = options.mangling.unmangle(&seen.info.name);
            let long = match options.verbose {
                true => text::info(seen, options.mangling),
                false => String::new(),
            };
            // What is said at length names the device already.
            let prefix = (shown.several && !options.verbose).then_some(name.as_str());
            let after = if options.verbose && shown.several { "\n" } else { "" };
            format!("{long}{}{after}", text(seen, prefix))
        };
        shown.chosen.iter().map(one).collect()
    }

    /// Until the event counter differs from the one given, or from what it is.
    fn wait(&self, driver: &Driver) -> Result<u8> {
        let (name, rest) = self.first_name(driver)?;
        let event = match rest.first() {
            Some(word) => word.parse().map_err(|_| anyhow::anyhow!("`{word}` is no event number"))?,
            None => match driver.info(&name)? {
                Some(info) => info.event,
                None => return Ok(self.absent(&name)),
            },
        };
        let (info, rows) = driver.wait(&name, event, !self.options().no_flush)?;
        if self.common.json || self.options().verbose {
            let seen = DmSeen { info, rows: Some(rows), ..DmSeen::default() };
            let all = driver.with_blocks(self.machine, vec![seen.clone()]);
            let text = text::info(&seen, self.options().mangling);
            let shown = Shown { all, chosen: vec![seen], missing: None, several: false };
            return Ok(self.told(&shown, &text, false));
        }
        Ok(DONE)
    }

    fn targets(&self, targets: &[(String, [u32; 3])]) -> u8 {
        if self.common.json {
            return print(&json::targets(targets));
        }
        print(&targets.iter().map(|(name, version)| text::target(name, *version)).collect::<String>())
    }

    fn target_version(&self, driver: &Driver) -> Result<u8> {
        let mut found = Vec::new();
        for name in &self.request.words {
            match driver.target(name)? {
                Some(version) => found.push((name.clone(), version)),
                None => {
                    self.targets(&found);
                    self.ui.error(&format!(
                        "{name}: this kernel has no such target, nor a module dm-{name} to be loaded"
                    ));
                    return Ok(FAILED);
                }
            }
        }
        Ok(self.targets(&found))
    }

    fn measure(&self, driver: &Driver) -> Result<u8> {
        let names = match self.names(driver)? {
            Some(names) => names,
            None => driver.list("")?.into_iter().map(|one| one.name).collect(),
        };
        let mut chosen = Vec::new();
        for name in names {
            let Some(info) = driver.info(&name)? else { return Ok(self.absent(&name)) };
            let rows = driver.measured(&name)?;
            chosen.push(DmSeen { info, rows, ..DmSeen::default() });
        }
        let all = driver.with_blocks(self.machine, chosen.clone());
        let several = chosen.len() != 1;
        let shown = Shown { all, chosen, missing: None, several };
        let text = self.each(&shown, |seen, name| text::rows(seen, None, name));
        Ok(self.told(&shown, &text, false))
    }

    fn version(&self, driver: &Driver) -> Result<u8> {
        let (program, kernel) = (env!("CARGO_PKG_VERSION"), driver.version()?);
        Ok(print(&match self.common.json {
            true => json::version(program, &kernel),
            false => format!("Library version:   {program} (mdctl)\nDriver version:    {kernel}\n"),
        }))
    }

    fn split_name(&self) -> u8 {
        let mangling = self.options().mangling;
        let Some(word) = self.request.words.first() else { return FAILED };
        let is_lvm = self.request.words.get(1).is_none_or(|subsystem| subsystem == "LVM");
        let parts = match is_lvm {
            true => name::split(&mangling.unmangle(word)),
            false => (String::new(), String::new(), String::new()),
        };
        print(&match self.common.json {
            true => json::split_name(word, parts),
            false => columns::split_name(parts, &self.layout()),
        })
    }
}
