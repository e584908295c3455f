//! Where this machine keeps what we look at: one value, so that a recorded machine can stand in for it.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use super::{Places, Procfs, Sysfs, lock::Patience, notes::Lasting, recorded};

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

impl Meanwhile {
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
            meanwhile: Meanwhile::default(),
            map_lock: Patience::of(MAP_LOCK_WAIT),
            frozen: Lasting::default(),
        }
    }
}
