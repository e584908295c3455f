//! Verbs about the semaphores by which udev tells that it is done.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};

use super::{DONE, FAILED, Session, print};
use crate::{
    cli::dm::cookie,
    kernel::{
        Deadline,
        cookie::{self as semaphores, Cookie, Waited},
        host,
    },
    model::{clock::ctime, dm::UdevFlags},
    report::dm::json,
    request::DmVerb,
};

/// How long `udevreleasecookie` waits.
const WAIT: Duration = Duration::from_secs(120);

impl Session<'_> {
    pub(super) fn cookies(&self) -> Result<u8> {
        match self.request.verb {
            DmVerb::UdevCreateCookie => {
                let value = Cookie::create()?.leave();
                Ok(print(&format!("0x{value:08X}\n")))
            }
            DmVerb::UdevReleaseCookie => self.release(),
            DmVerb::UdevFlags => self.flags(),
            DmVerb::UdevComplete => self.complete(),
            DmVerb::UdevCompleteAll => self.complete_all(),
            _ => self.list_cookies(),
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
        match Cookie::join(value)?.take_over().wait(Deadline::after(WAIT))? {
            Waited::Done | Waited::Removed => Ok(DONE),
            Waited::Late(left) => {
                self.ui.error(&format!(
                    "cookie 0x{value:x}: udev did not answer {left} events within {} s; the cookie is removed",
                    WAIT.as_secs()
                ));
                Ok(FAILED)
            }
        }
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
        print(&format!("DM_COOKIE_COMPLETED=0x{value:x}    \n"));
        if semaphores::complete(value)? {
            return Ok(DONE);
        }
        self.ui.error(&format!("cookie 0x{value:x}: nobody waits for it any more"));
        Ok(FAILED)
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
        let now = host::now().0;
        let (mut removed, mut skipped) = (0, 0);
        for one in semaphores::all(&self.machine.procfs)? {
            let age = now.saturating_sub(one.operated.max(one.changed));
            if age < minutes.saturating_mul(60) {
                skipped += 1;
            } else if semaphores::remove(one.cookie)? {
                removed += 1;
            }
        }
        Ok(print(&format!(
            "{removed} semaphores with keys prefixed by 3405 (0xd4d) destroyed. {skipped} skipped.\n"
        )))
    }

    fn list_cookies(&self) -> Result<u8> {
        let found = semaphores::all(&self.machine.procfs)?;
        let one = |one: semaphores::CookieStanding| json::CookieRow {
            value: one.cookie,
            semid: one.semid,
            count: one.value,
            operated: one.operated,
            changed: one.changed,
        };
        let found: Vec<json::CookieRow> = found.into_iter().map(one).collect();
        if self.common.json {
            return Ok(print(&json::cookies(&found)));
        }
        let zone = crate::inventory::local_zone();
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
