//! Changes of a group, as values: nothing is written here, and a refused change changes nothing.

use std::{collections::HashSet, sync::Arc};

use super::{
    LvmUuid,
    group::{
        Common, Group, GroupFlags, GroupStatus, Kind, LogicalVolume, PhysicalVolume, PvStatus, Segment,
        VolumeStatus, Written,
    },
    names::{self, BadName},
};
use crate::units::Sectors;

/// Why a change cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEdit {
    /// The name is not to be had.
    #[error(transparent)]
    Name(#[from] BadName),
    /// There is one already.
    #[error("there is a volume {0} already")]
    Exists(String),
    /// There is none.
    #[error("there is no volume {0}")]
    NoVolume(String),
    /// There is no such snapshot.
    #[error("{0} is no snapshot")]
    NoSnapshot(String),
    /// Others depend on it.
    #[error("{volume} has {count} snapshots; remove them first")]
    HasSnapshots {
        /// The volume.
        volume: String,
        /// How many.
        count: usize,
    },
    /// A snapshot of a snapshot.
    #[error("{0} is a snapshot itself")]
    IsSnapshot(String),
    /// A merge is under way.
    #[error("{0} is being rolled back")]
    Merging(String),
    /// It would have no extents.
    #[error("{0} would have no extents left")]
    Empty(String),
    /// Striped volumes shrink by whole stripes.
    #[error("{volume} can be cut at multiples of {stripes} extents only")]
    Stripes {
        /// The volume.
        volume: String,
        /// Legs of the segment that would be cut.
        stripes: usize,
    },
    /// Its limit is reached.
    #[error("the group takes at most {0} of them")]
    Limit(u64),
    /// The device has it already.
    #[error("the group has this physical volume already")]
    PvExists,
    /// It is not part of the group.
    #[error("the group has no such physical volume")]
    NoPv,
    /// Extents are used.
    #[error("volume {0} is on it")]
    PvUsed(String),
    /// A group has at least one.
    #[error("it is the last physical volume of the group")]
    LastPv,
}

impl Group {
    /// Adds a volume, before the rows that make snapshots.
    ///
    /// # Errors
    /// A bad or used name, the group's limit.
    pub fn add(&mut self, volume: LogicalVolume) -> Result<(), BadEdit> {
        names::volume(&self.name, &volume.name)?;
        self.insert(volume)
    }

    /// Adds many, all or none: names are looked up once for all of them.
    ///
    /// # Errors
    /// As of [`add`](Self::add).
    pub fn add_all(&mut self, volumes: Vec<LogicalVolume>) -> Result<(), BadEdit> {
        let mut known: HashSet<&str> = self.volumes.iter().map(|volume| volume.name.as_str()).collect();
        for volume in &volumes {
            names::volume(&self.name, &volume.name)?;
            if !known.insert(&volume.name) {
                return Err(BadEdit::Exists(volume.name.clone()));
            }
        }
        let visible = self.volumes.iter().filter(|volume| !volume.is_row()).count();
        let count = u64::try_from(visible.saturating_add(volumes.len())).unwrap_or(u64::MAX);
        if self.max_lv > 0 && count > self.max_lv {
            return Err(BadEdit::Limit(self.max_lv));
        }
        let rows = self.volumes.iter().position(LogicalVolume::is_row).unwrap_or(self.volumes.len());
        self.volumes.splice(rows..rows, volumes);
        Ok(())
    }

    fn insert(&mut self, volume: LogicalVolume) -> Result<(), BadEdit> {
        if self.volumes.iter().any(|known| known.name == volume.name) {
            return Err(BadEdit::Exists(volume.name));
        }
        let visible = self.volumes.iter().filter(|volume| !volume.is_row()).count();
        if self.max_lv > 0
            && u64::try_from(visible).is_ok_and(|count| count >= self.max_lv)
            && !volume.is_row()
        {
            return Err(BadEdit::Limit(self.max_lv));
        }
        let at = if volume.is_row() { None } else { self.volumes.iter().position(LogicalVolume::is_row) };
        self.volumes.insert(at.unwrap_or(self.volumes.len()), volume);
        Ok(())
    }

    fn existing(&self, name: &str) -> Result<usize, BadEdit> {
        let found = self.volumes.iter().position(|volume| volume.name == name && !volume.is_row());
        found.ok_or_else(|| BadEdit::NoVolume(name.into()))
    }

    /// Removes a volume that has no snapshots. A snapshot is removed with its row.
    ///
    /// # Errors
    /// It does not exist, it has snapshots, it is being rolled back.
    pub fn remove(&mut self, name: &str) -> Result<LogicalVolume, BadEdit> {
        let index = self.existing(name)?;
        let count = self.snapshots_of(name).count();
        if count > 0 {
            return Err(BadEdit::HasSnapshots { volume: name.into(), count });
        }
        let volume = self.volumes.remove(index);
        if let Some(row) = self.snapshot_in(name).map(|snapshot| snapshot.row.name.clone()) {
            self.volumes.retain(|volume| volume.name != row);
        }
        Ok(volume)
    }

    /// Renames a volume wherever it is named.
    ///
    /// # Errors
    /// It does not exist, the new name is bad or used.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), BadEdit> {
        names::volume(&self.name, to)?;
        let index = self.existing(from)?;
        if self.volumes.iter().any(|known| known.name == to) {
            return Err(BadEdit::Exists(to.into()));
        }
        if let Some(volume) = self.volumes.get_mut(index) {
            to.clone_into(&mut volume.name);
        }
        for segment in self.volumes.iter_mut().flat_map(|volume| &mut volume.segments) {
            if let Kind::Snapshot { origin, cow, .. } = &mut segment.kind {
                for name in [origin, cow].into_iter().filter(|name| *name == from) {
                    to.clone_into(name);
                }
            }
        }
        Ok(())
    }

    /// Renames the group itself.
    ///
    /// # Errors
    /// The name is bad, or with it a volume's would be too long.
    pub fn rename_group(&mut self, to: &str) -> Result<(), BadEdit> {
        names::group(to)?;
        for volume in self.volumes.iter().filter(|volume| volume.status.contains(VolumeStatus::VISIBLE)) {
            if !volume.is_row() {
                names::volume(to, &volume.name)?;
            }
        }
        to.clone_into(&mut self.name);
        Ok(())
    }

    /// Appends segments that begin at extent 0, joining what continues. The rows of its snapshots grow with it.
    ///
    /// # Errors
    /// It does not exist.
    pub fn extend(&mut self, name: &str, segments: Vec<Segment>) -> Result<(), BadEdit> {
        let index = self.existing(name)?;
        let Some(volume) = self.volumes.get_mut(index) else { return Ok(()) };
        let end = volume.extents();
        for mut segment in segments {
            segment.start = segment.start.saturating_add(end);
            match volume.segments.last_mut().filter(|last| continues(last, &segment)) {
                Some(last) => last.len = last.len.saturating_add(segment.len),
                None => volume.segments.push(segment),
            }
        }
        self.fit_rows(name);
        Ok(())
    }

    /// Cuts a volume to so many extents. The rows of its snapshots shrink with it.
    ///
    /// # Errors
    /// It does not exist, nothing would be left, the cut is inside a stripe.
    pub fn reduce(&mut self, name: &str, extents: u64) -> Result<(), BadEdit> {
        let index = self.existing(name)?;
        if extents == 0 {
            return Err(BadEdit::Empty(name.into()));
        }
        let Some(volume) = self.volumes.get_mut(index) else { return Ok(()) };
        let mut kept = Vec::new();
        for segment in volume.segments.iter().filter(|segment| segment.start < extents) {
            let len = segment.len.min(extents.saturating_sub(segment.start));
            if let Kind::Striped { legs, .. } = &segment.kind {
                let stripes = u64::try_from(legs.len()).unwrap_or(u64::MAX);
                if len.checked_rem(stripes) != Some(0) {
                    return Err(BadEdit::Stripes { volume: name.into(), stripes: legs.len() });
                }
            }
            kept.push(Segment { len, ..segment.clone() });
        }
        volume.segments = kept;
        self.fit_rows(name);
        Ok(())
    }

    /// A snapshot's row is as long as its origin.
    fn fit_rows(&mut self, origin: &str) {
        let Some(len) = self.volume(origin).map(LogicalVolume::extents) else { return };
        for segment in self.volumes.iter_mut().flat_map(|volume| &mut volume.segments) {
            if matches!(&segment.kind, Kind::Snapshot { origin: of, .. } if of == origin) {
                segment.len = len;
            }
        }
    }

    /// Makes a volume the store of a snapshot of another one: it is hidden, and a row `snapshotN` says what it is.
    ///
    /// # Errors
    /// One of them does not exist, is a snapshot, or is being rolled back.
    pub fn make_snapshot(
        &mut self,
        origin: &str,
        cow: &str,
        chunk: Sectors,
        row: LvmUuid,
    ) -> Result<(), BadEdit> {
        let (base, store) = (self.existing(origin)?, self.existing(cow)?);
        for name in [origin, cow] {
            if self.snapshot_in(name).is_some() {
                return Err(BadEdit::IsSnapshot(name.into()));
            }
        }
        if self.snapshots_of(origin).any(|snapshot| snapshot.merging) {
            return Err(BadEdit::Merging(origin.into()));
        }
        let count = self.snapshots_of(cow).count();
        if count > 0 || base == store {
            return Err(BadEdit::HasSnapshots { volume: cow.into(), count });
        }
        let mut numbers = 0u32..;
        let free = numbers.find(|number| {
            let name = format!("snapshot{number}");
            !self.volumes.iter().any(|volume| volume.name == name)
        });
        let len = self.volumes.get(base).map_or(0, LogicalVolume::extents);
        let mut hidden = LogicalVolume::empty(format!("snapshot{}", free.unwrap_or_default()));
        hidden.id = row;
        let kind = Kind::Snapshot { origin: origin.into(), cow: cow.into(), chunk, merging: false };
        hidden.segments = vec![Segment { start: 0, len, tags: Vec::new(), kind }];
        if let Some(store) = self.volumes.get_mut(store) {
            store.status.remove(VolumeStatus::VISIBLE);
            hidden.creation_time = store.creation_time;
            hidden.creation_host.clone_from(&store.creation_host);
        }
        self.volumes.push(hidden);
        Ok(())
    }

    /// Takes a snapshot's row away: its store is an ordinary volume again.
    ///
    /// # Errors
    /// It is no snapshot.
    pub fn split_snapshot(&mut self, cow: &str) -> Result<(), BadEdit> {
        let row = self.snapshot_in(cow).map(|snapshot| snapshot.row.name.clone());
        let row = row.ok_or_else(|| BadEdit::NoSnapshot(cow.into()))?;
        self.volumes.retain(|volume| volume.name != row);
        if let Some(volume) = self.volume_mut(cow) {
            volume.status.insert(VolumeStatus::VISIBLE);
        }
        Ok(())
    }

    /// Says that a snapshot is going back into its origin (or, again, that it is not).
    ///
    /// # Errors
    /// It is no snapshot, or another one is going back already.
    pub fn set_merging(&mut self, cow: &str, on: bool) -> Result<(), BadEdit> {
        let snapshot = self.snapshot_in(cow).ok_or_else(|| BadEdit::NoSnapshot(cow.into()))?;
        let origin = snapshot.origin.to_owned();
        if on && self.snapshots_of(&origin).any(|other| other.merging && other.cow != cow) {
            return Err(BadEdit::Merging(origin));
        }
        for volume in &mut self.volumes {
            let mut is_row = false;
            for segment in &mut volume.segments {
                match &mut segment.kind {
                    Kind::Snapshot { cow: store, merging, .. } if store == cow => {
                        (*merging, is_row) = (on, true);
                    }
                    _ => {}
                }
            }
            if is_row {
                volume.status.set(VolumeStatus::VISIBLE, !on);
            }
        }
        Ok(())
    }

    /// Takes a physical volume in.
    ///
    /// # Errors
    /// It is there already, the group's limit.
    pub fn add_pv(&mut self, pv: PhysicalVolume) -> Result<(), BadEdit> {
        if self.pv(pv.id).is_some() {
            return Err(BadEdit::PvExists);
        }
        if self.max_pv > 0 && u64::try_from(self.pvs.len()).is_ok_and(|count| count >= self.max_pv) {
            return Err(BadEdit::Limit(self.max_pv));
        }
        self.pvs.push(pv);
        Ok(())
    }

    /// Gives a physical volume up on which nothing is.
    ///
    /// # Errors
    /// It is not part of the group, it is the last, a volume is on it.
    pub fn remove_pv(&mut self, id: LvmUuid) -> Result<PhysicalVolume, BadEdit> {
        let (index, _) = self.pv(id).ok_or(BadEdit::NoPv)?;
        if self.pvs.len() == 1 {
            return Err(BadEdit::LastPv);
        }
        let on = |segment: &Segment| matches!(&segment.kind, Kind::Striped { legs, .. } if legs.iter().any(|leg| leg.pv == index));
        if let Some(volume) = self.volumes.iter().find(|volume| volume.segments.iter().any(on)) {
            return Err(BadEdit::PvUsed(volume.name.clone()));
        }
        let removed = self.pvs.remove(index);
        for segment in self.volumes.iter_mut().flat_map(|volume| &mut volume.segments) {
            if let Kind::Striped { legs, .. } = &mut segment.kind {
                for leg in legs.iter_mut().filter(|leg| leg.pv > index) {
                    leg.pv = leg.pv.saturating_sub(1);
                }
            }
        }
        Ok(removed)
    }
}

impl Group {
    /// With this name and nothing in it.
    #[must_use]
    pub fn empty(name: String) -> Self {
        Self {
            name,
            id: LvmUuid::from_random([0; 32]),
            seqno: 0,
            status: GroupStatus::RESIZEABLE | GroupStatus::READ | GroupStatus::WRITE,
            flags: GroupFlags::empty(),
            tags: Vec::new(),
            system_id: None,
            lock_type: None,
            lock_args: None,
            extent_size: Sectors(8192),
            max_lv: 0,
            max_pv: 0,
            allocation: None,
            profile: None,
            metadata_copies: 0,
            pvs: Vec::new(),
            volumes: Vec::new(),
            strange: Vec::new(),
            strange_itself: false,
            strange_volumes: Default::default(),
            written: Written::default(),
        }
    }
}

impl LogicalVolume {
    /// With this name and nothing in it.
    #[must_use]
    pub fn empty(name: String) -> Self {
        Self {
            name,
            id: LvmUuid::from_random([0; 32]),
            creation_time: None,
            segments: Vec::new(),
            common: Arc::new(Common {
                status: VolumeStatus::READ | VolumeStatus::WRITE | VolumeStatus::VISIBLE,
                ..Common::default()
            }),
        }
    }
}

impl PhysicalVolume {
    /// As a new member of a group with this extent size; `None` where not one extent fits.
    #[must_use]
    pub fn new(
        id: LvmUuid,
        device: String,
        size: Sectors,
        pe_start: Sectors,
        extent: Sectors,
    ) -> Option<Self> {
        let pe_count = size.checked_sub(pe_start)?.0.checked_div(extent.0)?.min(u64::from(u32::MAX));
        (pe_count > 0).then_some(Self {
            id,
            device,
            device_id: None,
            status: PvStatus::ALLOCATABLE,
            tags: Vec::new(),
            dev_size: size,
            pe_start,
            pe_count,
            bootloader: None,
        })
    }
}

fn continues(last: &Segment, next: &Segment) -> bool {
    let (Kind::Striped { stripe_size, legs }, Kind::Striped { stripe_size: size, legs: following }) =
        (&last.kind, &next.kind)
    else {
        return false;
    };
    let len = last.leg_len();
    stripe_size == size
        && last.tags == next.tags
        && legs.len() == following.len()
        && legs.iter().zip(following).all(|(a, b)| a.pv == b.pv && a.extent.saturating_add(len) == b.extent)
}
