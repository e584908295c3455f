//! Where this machine keeps what we look at: one value, so that a recorded machine can stand in for it.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::sys::signal::{SigSet, SigmaskHow};

use super::{Places, Procfs, Sysfs, lock::Patience, notes::Lasting, recorded, wait::LONG};

/// How long another program may keep the map's lock.
pub(super) const MAP_LOCK_WAIT: Duration = Duration::from_secs(30);

/// The roots of a machine, and whether udev serves it.
#[derive(Clone, Debug)]
pub struct Machine {
    /// `/sys`.
    pub sysfs: Sysfs,
    /// `/proc`.
    pub procfs: Procfs,
    /// `/dev` and `/run`.
    pub places: Places,
    /// `/var/lib`.
    pub state: PathBuf,
    /// LVM2's own directory.
    pub lvm: PathBuf,
    /// udev runs and is relied on for nodes and links.
    pub udev: bool,
    /// udev started this process for an event: its worker has locked the device and waits for us.
    pub event: bool,
    /// Who hears of waits that take long.
    pub meanwhile: Meanwhile,
    /// What waits for the lock of the map file have come to: one command has this value and all its clones.
    pub map_lock: Patience,
    /// Notes of arrays whose recovery one command keeps from starting over several plans.
    pub frozen: Lasting,
}

/// Takes a sentence.
type Hears = dyn Fn(&str) + Send + Sync;

/// Says what is waited for while it is waited. Nobody hears it unless somebody wants to.
#[derive(Clone, Default)]
pub struct Meanwhile(Option<Arc<Hears>>);

/// An open device does not know its machine.
static EVERYWHERE: OnceLock<Meanwhile> = OnceLock::new();

impl Meanwhile {
    /// Those who know no machine say it to the same.
    pub fn serve_everywhere(&self) {
        // A process has one.
        let _ = EVERYWHERE.set(self.clone());
    }

    /// Who hears of waits for devices that are open.
    pub fn everywhere() -> Self {
        EVERYWHERE.get().cloned().unwrap_or_default()
    }

    /// Sentences go there.
    pub fn to(hears: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hears)))
    }

    /// One sentence.
    pub fn say(&self, text: &str) {
        if let Some(hears) = &self.0 {
            hears(text);
        }
    }
}

impl Meanwhile {
    /// The sentence is said where the answer is kept for long: for waits that nothing can be done in.
    pub fn while_kept(&self, text: impl Fn() -> String + Send + 'static) -> StillWaiting {
        self.kept(LONG, None, move |_| text())
    }

    /// Sentences are said at once, and then in these intervals, as long as the answer is kept: with the time that has passed.
    pub fn again_and_again(
        &self,
        every: Duration,
        text: impl Fn(Duration) -> String + Send + 'static,
    ) -> StillWaiting {
        self.say(&text(Duration::ZERO));
        self.kept(every, Some(every), text)
    }

    fn kept(
        &self,
        first: Duration,
        every: Option<Duration>,
        text: impl Fn(Duration) -> String + Send + 'static,
    ) -> StillWaiting {
        let (sender, ended) = mpsc::channel::<()>();
        let (hears, begun) = (self.clone(), Instant::now());
        let watch = move || {
            let mut next = Some(first);
            while let Some(time) = next {
                if ended.recv_timeout(time) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
                hears.say(&text(begun.elapsed()));
                next = every;
            }
        };
        // Signals go to those who work.
        let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK);
        // Without a thread to be had, nothing is said.
        let thread = self.0.as_ref().and_then(|_| thread::Builder::new().spawn(watch).ok());
        if let Ok(before) = before {
            let _ = before.thread_set_mask();
        }
        StillWaiting { ended: Some(sender), thread }
    }
}

/// Somebody hears of a wait until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct StillWaiting {
    ended: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for StillWaiting {
    fn drop(&mut self) {
        drop(self.ended.take());
        // So that nothing is said after the end.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Meanwhile(heard)" } else { "Meanwhile(unheard)" })
    }
}

impl Machine {
    /// This machine, or the recorded one that the process has entered. `without_udev`: make nodes and links ourselves even where udev runs.
    #[must_use]
    pub fn live(without_udev: bool) -> Self {
        if let Some(recorded) = recorded::entered() {
            return recorded.machine();
        }
        let places = Places::default();
        let udev = !without_udev && places.has_udev();
        Self {
            sysfs: Sysfs::new("/sys"),
            procfs: Procfs::new("/proc"),
            places,
            state: "/var/lib".into(),
            lvm: "/etc/lvm".into(),
            udev,
            event: false,
            meanwhile: Meanwhile::default(),
            map_lock: Patience::of(MAP_LOCK_WAIT),
            frozen: Lasting::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn long_waits_are_heard_of_and_short_ones_not() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        let meanwhile = Meanwhile::to(move |text| heard.lock().unwrap().push(text.to_owned()));
        drop(meanwhile.while_kept(|| unreachable!("it was short")));
        let every = Duration::from_millis(1);
        let kept = meanwhile.again_and_again(every, |passed| format!("{}", passed.is_zero()));
        while said.lock().unwrap().len() < 3 {
            thread::sleep(every);
        }
        drop(kept);
        let all = said.lock().unwrap().clone();
        assert_eq!(all[..3], ["true", "false", "false"]);
        drop(Meanwhile::default().while_kept(|| unreachable!("nobody hears")));
    }
}
