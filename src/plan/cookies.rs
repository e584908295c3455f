//! Verbs about the semaphores by which udev tells that it is done.

use std::{fmt, time::Duration};

use super::{Plan, Refusal, Step, dm::DmStep};
use crate::model::dm::UdevCookies;

/// How long udev is waited for.
const WAIT: Duration = Duration::from_secs(120);

/// An act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieStep {
    /// Make one with this value, for other commands.
    Make(u32),
    /// Count an event as handled: whoever waits has one less to wait for.
    Lower(u32),
    /// Wait until udev is done with all events, and remove it, also where that takes too long.
    Release {
        /// Its value.
        value: u32,
        /// At most so long.
        most: Duration,
    },
    /// Remove one for which nobody waits any more.
    Forget(u32),
}

impl CookieStep {
    /// The step that takes this one back.
    ///
    /// `None`: the event was handled; what was waited for has served; nobody misses what nobody waits for.
    #[must_use]
    pub fn undo(&self) -> Option<Self> {
        match self {
            Self::Make(value) => Some(Self::Forget(*value)),
            Self::Lower(_) | Self::Release { .. } | Self::Forget(_) => None,
        }
    }
}

impl fmt::Display for CookieStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Make(value) => write!(f, "make the cookie 0x{value:x}"),
            Self::Lower(value) => write!(f, "count an event of the cookie 0x{value:x} as handled"),
            Self::Release { value, .. } => write!(f, "wait for udev and remove the cookie 0x{value:x}"),
            Self::Forget(value) => write!(f, "remove the cookie 0x{value:x}"),
        }
    }
}

fn plan(summary: String, steps: Vec<CookieStep>) -> Plan {
    let steps = steps.into_iter().map(|step| Step::Dm(DmStep::Cookie(step))).chain([Step::Commit]).collect();
    Plan { summary, steps, warnings: Vec::new() }
}

/// Makes one, which nobody has; also its value.
///
/// # Errors
/// All values that were tried are taken.
pub fn make(seen: &UdevCookies) -> Result<(Plan, u32), Refusal> {
    let is_taken = |value: &&u32| seen.all.iter().any(|cookie| cookie.value == **value);
    let free = seen.random.iter().find(|value| !is_taken(value));
    let value = *free.ok_or_else(|| Refusal::new("udev cookie: all values that were tried are taken"))?;
    Ok((plan(format!("make the cookie 0x{value:x}"), vec![CookieStep::Make(value)]), value))
}

/// Waits until udev is done with everything of this one, and removes it.
#[must_use]
pub fn release(value: u32) -> Plan {
    plan(format!("wait for the cookie 0x{value:x}"), vec![CookieStep::Release { value, most: WAIT }])
}

/// What udev's last rule says: one event less to wait for.
#[must_use]
pub fn complete(value: u32) -> Plan {
    plan(format!("count an event of the cookie 0x{value:x} as handled"), vec![CookieStep::Lower(value)])
}

/// Removes all that nobody touched for so long; also how many these are and how many there are beside them.
#[must_use]
pub fn forget(seen: &UdevCookies, minutes: u64) -> (Plan, usize, usize) {
    let least = minutes.saturating_mul(60);
    let old: Vec<CookieStep> = seen
        .all
        .iter()
        .filter(|cookie| seen.now.saturating_sub(cookie.operated.max(cookie.changed)) >= least)
        .map(|cookie| CookieStep::Forget(cookie.value))
        .collect();
    let (removed, kept) = (old.len(), seen.all.len().saturating_sub(old.len()));
    (plan(format!("remove {removed} cookies"), old), removed, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dm::UdevCookie;

    fn seen() -> UdevCookies {
        let one = |value, operated, changed| UdevCookie { value, semid: 0, count: 1, operated, changed };
        UdevCookies {
            all: vec![one(0x0d4d_0001, 0, 1000), one(0x0d4d_0002, 1590, 1000), one(0x0d4d_0003, 1300, 1200)],
            random: vec![0x0d4d_0002, 0x0d4d_0003, 0x0d4d_0009],
            now: 1600,
        }
    }

    #[test]
    fn a_new_cookie_is_nobody_elses() {
        let (plan, value) = make(&seen()).unwrap();
        assert_eq!(value, 0x0d4d_0009);
        assert_eq!(plan.steps, [Step::Dm(DmStep::Cookie(CookieStep::Make(value))), Step::Commit]);
        assert_eq!(CookieStep::Make(value).undo(), Some(CookieStep::Forget(value)));
        let random = vec![0x0d4d_0002];
        assert!(make(&UdevCookies { random, ..seen() }).is_err());
    }

    #[test]
    fn only_what_nobody_touched_for_so_long_is_removed() {
        for (minutes, removed) in
            [(0, &[1, 2, 3][..]), (5, &[1, 3]), (6, &[1]), (10, &[1]), (11, &[]), (u64::MAX, &[])]
        {
            let (plan, count, kept) = forget(&seen(), minutes);
            let steps =
                removed.iter().map(|low| Step::Dm(DmStep::Cookie(CookieStep::Forget(0x0d4d_0000 | low))));
            assert_eq!(plan.steps, steps.chain([Step::Commit]).collect::<Vec<_>>(), "{minutes}");
            assert_eq!((count, kept), (removed.len(), 3 - removed.len()), "{minutes}");
        }
    }
}
