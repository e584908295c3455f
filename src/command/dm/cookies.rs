//! Verbs about the semaphores by which udev tells that it is done.

use anyhow::{Result, anyhow, bail};

use super::{DONE, Session, print};
use crate::{
    cli::dm::cookie,
    command::refuse,
    inventory,
    model::{
        clock::ctime,
        dm::{UdevCookie, UdevFlags},
    },
    plan::cookies,
    report::dm::json,
    request::DmVerb,
};

impl Session<'_> {
    pub(super) fn cookies(&self) -> Result<u8> {
        match self.request.verb {
            DmVerb::UdevCreateCookie => self.create_cookie(),
            DmVerb::UdevReleaseCookie => self.release(),
            DmVerb::UdevFlags => self.flags(),
            DmVerb::UdevComplete => self.complete(),
            DmVerb::UdevCompleteAll => self.complete_all(),
            _ => self.list_cookies(),
        }
    }

    /// An answer in words; a document and a dry run are of the plan alone.
    fn tell(&self, text: &str) -> u8 {
        if self.common.json || self.common.dry_run { DONE } else { print(text) }
    }

    fn create_cookie(&self) -> Result<u8> {
        match cookies::make(&inventory::dm::cookies(self.machine)?) {
            Ok((plan, value)) => {
                let status = self.run(&plan)?;
                Ok(if status == DONE { self.tell(&format!("0x{value:08X}\n")) } else { status })
            }
            Err(refusal) => Ok(refuse(&refusal, self.common, self.ui)),
        }
    }

    /// The cookie of the first word.
    fn value(&self) -> Result<Option<u32>> {
        self.request.words.first().map(|word| cookie(word).map_err(|why| anyhow!(why))).transpose()
    }

    fn release(&self) -> Result<u8> {
        let Some(value) = self.value()?.or(self.options().udev_cookie) else {
            bail!("the cookie is needed, as a word or as --udevcookie")
        };
        self.run(&cookies::release(value))
    }

    /// For udev's rules: what the upper half of a cookie asks for.
    fn flags(&self) -> Result<u8> {
        let value = self.value()?.unwrap_or(0);
        let flags = UdevFlags::from_bits_retain(u16::try_from(value >> 16).unwrap_or(0));
        let names = json::flag_names(flags);
        Ok(print(&match self.common.json {
            true => json::flags(&names),
            false => names.iter().map(|name| format!("{name}='1'\n")).collect(),
        }))
    }

    fn complete(&self) -> Result<u8> {
        let value = self.value()?.unwrap_or(0);
        self.tell(&format!("DM_COOKIE_COMPLETED=0x{value:x}    \n"));
        self.run(&cookies::complete(value))
    }

    fn complete_all(&self) -> Result<u8> {
        let minutes: u64 = match self.request.words.first() {
            Some(word) => word.parse().map_err(|_| anyhow!("`{word}` is no number of minutes"))?,
            None => 0,
        };
        let question = "All cookies of all programs, in use or not, are removed. Go on?";
        if !self.common.yes && !self.ui.ask(question) {
            self.ui.plain("no cookie is removed");
            return Ok(DONE);
        }
        let (plan, removed, kept) = cookies::forget(&inventory::dm::cookies(self.machine)?, minutes);
        let status = self.run(&plan)?;
        if status != DONE {
            return Ok(status);
        }
        Ok(self.tell(&format!(
            "{removed} semaphores with keys prefixed by 3405 (0xd4d) destroyed. {kept} skipped.\n"
        )))
    }

    fn list_cookies(&self) -> Result<u8> {
        let found: Vec<UdevCookie> = inventory::dm::cookies(self.machine)?.all;
        if self.common.json {
            return Ok(print(&json::cookies(&found)));
        }
        let zone = inventory::local_zone();
        let mut text =
            "Cookie       Semid      Value      Last semop time           Last change time\n".to_owned();
        for one in found {
            let times = (ctime(one.operated, &zone), ctime(one.changed, &zone));
            let cookie = format!("0x{:x}", one.value);
            text.push_str(&format!(
                "{cookie:<12} {:<10} {:<10} {}  {}\n",
                one.semid,
                one.count,
                times.0.trim_end(),
                times.1.trim_end()
            ));
        }
        Ok(print(&text))
    }
}
