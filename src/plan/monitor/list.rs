//! The arrays that are watched, and what one look at all of them brings.

use superblock::Level;

use super::{
    changes::{Watching, changes, settled},
    event::{ArrayEvent, EventKind},
};
use crate::model::{
    monitor::{ArraySeen, Monitored, NamedArray},
    status::ArrayStatus,
};

/// An array that was found and is gone is forgotten after so many looks.
const LOOKS_AFTER_THE_END: u32 = 5;

/// Where a watched array comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From the command line.
    Named,
    /// From an ARRAY line.
    Configured,
    /// It was in the kernel.
    Found,
}

/// One array that is watched.
#[derive(Clone, Debug)]
pub struct WatchedArray {
    /// Its name, and what is expected of it.
    pub watching: Watching,
    /// `spare-group=` of its ARRAY line.
    pub spare_group: Option<String>,
    /// Its kernel name as it was seen last.
    pub kernel: Option<String>,
    origin: Origin,
    before: Option<ArraySeen>,
    /// It cannot be watched now.
    pub is_lost: bool,
    looks_lost: u32,
}

impl WatchedArray {
    /// Not looked at yet. One that was found begins as one that was not there.
    #[must_use]
    pub fn new(watching: Watching, origin: Origin) -> Self {
        let is_lost = origin == Origin::Found;
        Self { watching, spare_group: None, kernel: None, origin, before: None, is_lost, looks_lost: 0 }
    }

    fn event(&self, kind: EventKind) -> ArrayEvent {
        ArrayEvent { kernel: self.kernel.clone(), ..ArrayEvent::new(kind, &self.watching.path) }
    }

    /// It is not there, or not as an array that can be watched.
    fn lose(&mut self, why: Option<&str>) -> Option<ArrayEvent> {
        self.looks_lost = self.looks_lost.saturating_add(1);
        self.before = None;
        if std::mem::replace(&mut self.is_lost, true) {
            return None;
        }
        let event = self.event(EventKind::DeviceDisappeared);
        let next = format!("mdctl explain {}", self.watching.path);
        Some(ArrayEvent { description: why.map(str::to_owned), next, ..event })
    }

    fn look(&mut self, seen: &Monitored) -> Vec<ArrayEvent> {
        let kernel = match self.origin {
            Origin::Found => self.kernel.clone(),
            Origin::Named | Origin::Configured => match seen.named.get(&self.watching.path) {
                Some(NamedArray::Array(kernel)) => Some(kernel.clone()),
                Some(NamedArray::NoArray | NamedArray::Absent(_)) | None => None,
            },
        };
        let Some(array) = kernel.as_deref().and_then(|kernel| find(seen, kernel)) else {
            return self.lose(None).into_iter().collect();
        };
        self.kernel = kernel;
        if !has_redundancy(&array.status) {
            // Who configured it knows.
            let why = (self.origin == Origin::Named).then_some("Wrong-Level");
            if why.is_none() {
                self.is_lost = true;
            }
            return self.lose(why).into_iter().collect();
        }
        let mut events = Vec::new();
        if std::mem::replace(&mut self.is_lost, false) {
            events.push(self.event(EventKind::NewArray));
        }
        self.looks_lost = 0;
        let array = settled(self.before.as_ref(), array);
        events.extend(changes(self.before.as_ref(), &array, &self.watching));
        self.before = Some(array);
        events
    }
}

pub(super) fn find<'a>(seen: &'a Monitored, kernel: &str) -> Option<&'a ArraySeen> {
    let here = |array: &&ArraySeen| array.status.is_running() || array.status.is_container();
    seen.arrays.iter().find(|array| array.status.kernel_name == kernel).filter(here)
}

/// Whether there is anything to watch: striping and concatenation lose nothing that they could report.
fn has_redundancy(array: &ArrayStatus) -> bool {
    !matches!(array.level, Some(Level::Raid0 | Level::Linear))
}

/// All arrays that are watched.
#[derive(Clone, Debug, Default)]
pub struct List {
    arrays: Vec<WatchedArray>,
    /// Whatever redundant array is in the kernel is taken in.
    scan: bool,
    /// Percents from one event of progress to the next.
    increment: u8,
    /// Each array is told of when it is looked at first.
    test: bool,
    looked: bool,
}

impl List {
    /// Before the first look.
    #[must_use]
    pub fn new(arrays: Vec<WatchedArray>, scan: bool, increment: u8, test: bool) -> Self {
        Self { arrays, scan, increment, test, looked: false }
    }

    /// The paths that have to be looked at.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let named = self.arrays.iter().filter(|array| array.origin != Origin::Found);
        named.map(|array| array.watching.path.clone()).collect()
    }

    /// What cannot be watched from the start is said once, and left out.
    pub fn begin(&mut self, seen: &Monitored) -> Vec<String> {
        let mut said = Vec::new();
        self.arrays.retain(|array| {
            let path = &array.watching.path;
            match seen.named.get(path) {
                Some(NamedArray::Absent(why)) => said.push(format!("error opening {path}: {why}")),
                Some(NamedArray::NoArray) => said.push(format!("{path} does not appear to be an md device")),
                Some(NamedArray::Array(_)) | None => return true,
            }
            false
        });
        said
    }

    /// The arrays.
    #[must_use]
    pub fn arrays(&self) -> &[WatchedArray] {
        &self.arrays
    }

    /// What one look brings: what became of those that are known, then those that are new.
    pub fn look(&mut self, seen: &Monitored) -> Vec<ArrayEvent> {
        let mut events = Vec::new();
        let first = !std::mem::replace(&mut self.looked, true);
        for array in &mut self.arrays {
            if first && self.test {
                events.push(array.event(EventKind::TestMessage));
            }
            events.extend(array.look(seen));
        }
        self.arrays.retain(|array| array.origin != Origin::Found || array.looks_lost < LOOKS_AFTER_THE_END);
        if self.scan {
            let mut new = self.found(seen);
            if first && self.test {
                events.extend(new.iter().map(|array| array.event(EventKind::TestMessage)));
            }
            events.extend(new.iter_mut().flat_map(|array| array.look(seen)));
            self.arrays.append(&mut new);
        }
        events
    }

    /// Arrays in the kernel that nobody named.
    fn found(&self, seen: &Monitored) -> Vec<WatchedArray> {
        let is_known = |name: &str| self.arrays.iter().any(|array| array.kernel.as_deref() == Some(name));
        let new = seen.arrays.iter().map(|array| &array.status).filter(|array| {
            let here = array.is_running() || array.is_container();
            here && has_redundancy(array) && !is_known(&array.kernel_name)
        });
        let watched = |array: &ArrayStatus| {
            let path = format!("/dev/{}", array.kernel_name);
            let watching = Watching { path, expected_spares: None, increment: self.increment };
            WatchedArray {
                kernel: Some(array.kernel_name.clone()),
                ..WatchedArray::new(watching, Origin::Found)
            }
        };
        new.map(watched).collect()
    }

    /// Whether any array that is watched can lose a member and live.
    #[must_use]
    pub fn has_redundancy(&self) -> bool {
        self.arrays.iter().any(|array| array.before.is_some())
    }
}
