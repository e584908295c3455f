//! `mdctl dm VERB …`.

mod act;
mod cookies;
mod show;

use anyhow::{Result, bail};

use super::{DONE, FAILED, print};
use crate::{
    inventory::dm::{Driver, NamedDevice},
    kernel::Machine,
    report::dm::json,
    request::{Common, DmOptions, DmRequest, DmVerb},
    ui::Ui,
};

/// Carries one verb out.
pub(super) fn run(request: &DmRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let session = Session { request, common, machine, ui };
    match request.verb {
        DmVerb::Create
        | DmVerb::Remove
        | DmVerb::RemoveAll
        | DmVerb::Suspend
        | DmVerb::Resume
        | DmVerb::Load
        | DmVerb::Clear
        | DmVerb::WipeTable
        | DmVerb::Rename
        | DmVerb::Message
        | DmVerb::Mknodes
        | DmVerb::Mangle
        | DmVerb::Setgeometry => session.act(),
        DmVerb::Ls
        | DmVerb::Info
        | DmVerb::Deps
        | DmVerb::Status
        | DmVerb::Table
        | DmVerb::Wait
        | DmVerb::Splitname
        | DmVerb::Targets
        | DmVerb::TargetVersion
        | DmVerb::Version
        | DmVerb::Measure => session.show(),
        DmVerb::UdevCreateCookie
        | DmVerb::UdevReleaseCookie
        | DmVerb::UdevFlags
        | DmVerb::UdevComplete
        | DmVerb::UdevCompleteAll
        | DmVerb::UdevCookies => session.cookies(),
        DmVerb::Stats | DmVerb::VdoStats => {
            ui.error(
                "statistics are not shown here; `mdctl dm message DEVICE 0 @stats_list` and the driver's other \
                 @stats_ messages reach them, and dmsetup has verbs for them",
            );
            Ok(2)
        }
    }
}

/// One verb at its work.
struct Session<'a> {
    request: &'a DmRequest,
    common: &'a Common,
    machine: &'a Machine,
    ui: &'a Ui,
}

impl Session<'_> {
    fn options(&self) -> &DmOptions {
        &self.request.options
    }

    /// The driver's name of a word: a name, a path in /dev/mapper, or the path of any block device.
    fn name(&self, driver: &Driver, word: &str) -> Result<String> {
        if let Some(name) = word.strip_prefix("/dev/mapper/") {
            return Ok(self.options().mangling.mangle(name)?);
        }
        if word.starts_with('/') {
            return match driver.name_of(&NamedDevice::Path(word))? {
                Some(name) => Ok(name),
                None => bail!("{word}: this is no device of device-mapper"),
            };
        }
        Ok(self.options().mangling.mangle(word)?)
    }

    /// The devices that were named: by words, by a UUID, by a number. `None` where none was.
    fn names(&self, driver: &Driver) -> Result<Option<Vec<String>>> {
        let one = match (&self.options().uuid, self.options().number) {
            (Some(uuid), _) => Some((NamedDevice::Uuid(uuid), uuid.clone())),
            (None, Some(number)) => Some((NamedDevice::Number(number), number.to_string())),
            (None, None) => None,
        };
        if let Some((named, shown)) = one {
            return match driver.name_of(&named)? {
                Some(name) => Ok(Some(vec![name])),
                None => bail!("{shown}: {}", json::ABSENT),
            };
        }
        if self.request.words.is_empty() {
            return Ok(None);
        }
        let names: Result<Vec<String>> =
            self.request.words.iter().map(|word| self.name(driver, word)).collect();
        names.map(Some)
    }

    /// The devices that were named; a verb that changes something needs one.
    fn some_names(&self, driver: &Driver) -> Result<Vec<String>> {
        match self.names(driver)? {
            Some(names) => Ok(names),
            None => bail!("no device is named"),
        }
    }

    /// The first word's device, or the one of a UUID or number, and the words after it.
    fn first_name(&self, driver: &Driver) -> Result<(String, Vec<String>)> {
        let words = &self.request.words;
        if self.options().uuid.is_some() || self.options().number.is_some() {
            let only = DmRequest { words: Vec::new(), ..self.request.clone() };
            let alone = Session { request: &only, ..*self };
            let names = alone.some_names(driver)?;
            return Ok((names.into_iter().next().unwrap_or_default(), words.clone()));
        }
        match words.split_first() {
            Some((first, rest)) => Ok((self.name(driver, first)?, rest.to_vec())),
            None => bail!("no device is named"),
        }
    }

    fn absent(&self, name: &str) -> u8 {
        let shown = self.options().mangling.unmangle(name);
        self.ui.error(&format!("{shown}: {}", json::ABSENT));
        FAILED
    }
}
