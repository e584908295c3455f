//! Which sector of an array is which sector of which member, and where copies lie: the arithmetic of the kernel's
//! personalities (`raid5_compute_sector`, `__raid10_find_phys`, raid0's `map_sector`, linear's `which_dev`).

mod row;

use superblock::{Level, Sectors};

use crate::geometry::{Copies, Geometry};

pub use row::{Part, Row};

/// More slots than any metadata has.
const MOST_SLOTS: u32 = 1920;

/// An array on paper: its geometry, and how much data each slot has room for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stripes {
    geometry: Geometry,
    zones: Vec<Zone>,
    size: u64,
}

/// RAID0 and linear: a range of the array, and the slots that it lies on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Zone {
    /// First sector of the array.
    start: u64,
    /// First sector behind it.
    end: u64,
    /// Where it begins on its members.
    on_member: u64,
    slots: Vec<usize>,
}

/// A sector of a member, counted from where its data begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The slot.
    pub slot: usize,
    /// The sector.
    pub sector: u64,
}

/// A piece of the array that is in one piece on the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where the first copy is.
    pub place: Place,
    /// Sectors to the end of the piece.
    pub run: u64,
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl Stripes {
    /// `None` where there can be no such array. `room`: sectors for data by slot, used by RAID0 and linear, whose members
    /// differ.
    #[must_use]
    pub fn new(geometry: Geometry, room: &[Sectors]) -> Option<Self> {
        let disks = geometry.raid_disks;
        let least = match geometry.level {
            Level::Raid6 => 4,
            Level::Raid4 | Level::Raid5 | Level::Raid10 => 2,
            Level::Raid0 | Level::Raid1 | Level::Linear => 1,
            _ => return None,
        };
        let chunked = !matches!(geometry.level, Level::Raid1 | Level::Linear);
        if !(least..=MOST_SLOTS).contains(&disks) || chunked && geometry.chunk.0 == 0 {
            return None;
        }
        let mut stripes = Self { geometry, zones: Vec::new(), size: 0 };
        stripes.size = match geometry.level {
            Level::Raid0 => stripes.raid0_zones(room)?,
            Level::Linear => stripes.linear_zones(room)?,
            Level::Raid1 => geometry.component_size.0,
            Level::Raid10 => stripes.raid10_size()?,
            _ => {
                stripes.row(0)?;
                let rows = geometry.component_size.round_down(geometry.chunk).0;
                rows.checked_mul(stripes.data_disks())?
            }
        };
        Some(stripes)
    }

    /// The shape.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The array's size.
    #[must_use]
    pub fn size(&self) -> Sectors {
        Sectors(self.size)
    }

    /// The number of slots.
    #[must_use]
    pub fn slots(&self) -> usize {
        index(self.disks())
    }

    fn disks(&self) -> u64 {
        u64::from(self.geometry.raid_disks)
    }

    /// Of levels with parity.
    fn data_disks(&self) -> u64 {
        self.disks().saturating_sub(if self.geometry.level == Level::Raid6 { 2 } else { 1 })
    }

    /// Where this sector is; `None` beyond the end.
    #[must_use]
    pub fn at(&self, sector: u64) -> Option<Extent> {
        let left = self.size.checked_sub(sector).filter(|left| *left > 0)?;
        let place = self.copy(sector, 0)?;
        let run = match self.geometry.level {
            Level::Raid1 => left,
            Level::Linear => self.zone(sector)?.end.checked_sub(sector)?,
            _ => self.geometry.chunk.0.checked_sub(sector.checked_rem(self.geometry.chunk.0)?)?,
        };
        Some(Extent { place, run: run.min(left) })
    }

    /// All copies of this sector, the first first; none beyond the end.
    pub fn copies(&self, sector: u64) -> impl Iterator<Item = Place> + '_ {
        let copies = match self.geometry.level {
            Level::Raid1 => self.geometry.raid_disks,
            Level::Raid10 => Copies::from_layout(self.geometry.layout).total(),
            _ => 1,
        };
        (0..copies).map_while(move |nth| self.copy(sector, nth))
    }

    fn copy(&self, sector: u64, nth: u32) -> Option<Place> {
        if sector >= self.size {
            return None;
        }
        match self.geometry.level {
            Level::Raid1 => Some(Place { slot: usize::try_from(nth).ok()?, sector }),
            Level::Raid10 => self.raid10(sector, nth),
            Level::Raid0 => self.raid0(sector),
            Level::Linear => {
                let zone = self.zone(sector)?;
                Some(Place { slot: *zone.slots.first()?, sector: sector.checked_sub(zone.start)? })
            }
            _ => self.striped(sector),
        }
    }

    /// What the slots have in the stripe of this sector of the members; `None` for levels without parity.
    #[must_use]
    pub fn row(&self, member_sector: u64) -> Option<Row> {
        let stripe = member_sector.checked_div(self.geometry.chunk.0)?;
        Row::new(self.geometry.level, self.geometry.layout, self.slots(), stripe)
    }

    fn striped(&self, sector: u64) -> Option<Place> {
        let (chunk, data) = (self.geometry.chunk.0, self.data_disks());
        let number = sector.checked_div(chunk)?;
        let start = number.checked_div(data)?.checked_mul(chunk)?;
        let slot = self.row(start)?.slot_of(index(number.checked_rem(data)?))?;
        Some(Place { slot, sector: start.checked_add(sector.checked_rem(chunk)?)? })
    }

    /// Members end at different places, so there may be several zones: the further, the fewer members.
    fn raid0_zones(&mut self, room: &[Sectors]) -> Option<u64> {
        let chunk = self.geometry.chunk;
        let room: Vec<u64> = room.iter().map(|room| room.round_down(chunk).0).collect();
        if room.len() != self.slots() {
            return None;
        }
        let (mut start, mut on_member) = (0u64, 0u64);
        loop {
            let longer = || room.iter().enumerate().filter(|(_, room)| **room > on_member);
            let Some(smallest) = longer().map(|(_, room)| *room).min() else { break };
            let slots: Vec<usize> = longer().map(|(slot, _)| slot).collect();
            let width = u64::try_from(slots.len()).ok()?;
            let end = smallest.checked_sub(on_member)?.checked_mul(width)?.checked_add(start)?;
            self.zones.push(Zone { start, end, on_member, slots });
            (start, on_member) = (end, smallest);
        }
        Some(start)
    }

    fn linear_zones(&mut self, room: &[Sectors]) -> Option<u64> {
        let mut start = 0u64;
        if room.len() != self.slots() {
            return None;
        }
        for (slot, room) in room.iter().enumerate() {
            let room = if self.geometry.chunk.0 > 0 { room.round_down(self.geometry.chunk) } else { *room };
            let end = start.checked_add(room.0)?;
            self.zones.push(Zone { start, end, on_member: 0, slots: vec![slot] });
            start = end;
        }
        Some(start)
    }

    fn zone(&self, sector: u64) -> Option<&Zone> {
        self.zones.iter().find(|zone| sector < zone.end)
    }

    /// The original layout (1) counts chunks from the array's start to choose the member, the alternate one (2) from
    /// the zone's; they differ from the second zone on.
    fn raid0(&self, sector: u64) -> Option<Place> {
        let chunk = self.geometry.chunk.0;
        let zone = self.zone(sector)?;
        let width = u64::try_from(zone.slots.len()).ok()?;
        let within = sector.checked_sub(zone.start)?;
        let counted = if self.geometry.layout == 2 { within } else { sector };
        let nth = counted.checked_div(chunk)?.checked_rem(width)?;
        let start = within.checked_div(chunk.checked_mul(width)?)?.checked_mul(chunk)?;
        let sector = zone.on_member.checked_add(start)?.checked_add(sector.checked_rem(chunk)?)?;
        Some(Place { slot: *zone.slots.get(index(nth))?, sector })
    }

    fn raid10_size(&self) -> Option<u64> {
        let (copies, chunk) = (Copies::from_layout(self.geometry.layout), self.geometry.chunk.0);
        if copies.total() == 0 || copies.total() > self.geometry.raid_disks || self.far_set()?.0 == 0 {
            return None;
        }
        let chunks = self.geometry.component_size.0.checked_div(chunk)?.checked_div(u64::from(copies.far))?;
        chunks.checked_mul(self.disks())?.checked_div(u64::from(copies.near))?.checked_mul(chunk)
    }

    /// How far apart far copies are.
    fn stride(&self) -> Option<u64> {
        let (copies, chunk) = (Copies::from_layout(self.geometry.layout), self.geometry.chunk.0);
        if copies.offset {
            return Some(chunk);
        }
        let chunks = self.size.checked_div(chunk)?.checked_mul(u64::from(copies.total()))?;
        let rows = chunks.checked_next_multiple_of(self.disks())?.checked_div(self.disks())?;
        rows.checked_div(u64::from(copies.far))?.checked_mul(chunk)
    }

    /// Members of one set of far copies, where the last set begins and how many it has (layout bits 17 and 18).
    fn far_set(&self) -> Option<(u64, u64, u64)> {
        let copies = Copies::from_layout(self.geometry.layout);
        let disks = self.disks();
        let size = match self.geometry.layout >> 17 {
            0 => disks,
            1 => disks.checked_div(u64::from(copies.far))?,
            2 => u64::from(copies.total()),
            _ => return None,
        };
        let last = disks.checked_div(size)?.checked_sub(1)?.checked_mul(size)?;
        Some((size, last, disks.checked_sub(last)?))
    }

    /// Copies in the order of the driver: of each near copy all far ones.
    fn raid10(&self, sector: u64, nth: u32) -> Option<Place> {
        let (copies, chunk, disks) =
            (Copies::from_layout(self.geometry.layout), self.geometry.chunk.0, self.disks());
        let (near, far) = (u64::from(nth.checked_div(copies.far)?), nth.checked_rem(copies.far)?);
        let first = sector.checked_div(chunk)?.checked_mul(u64::from(copies.near))?;
        let mut stripe = first.checked_div(disks)?;
        if copies.offset {
            stripe = stripe.checked_mul(u64::from(copies.far))?;
        }
        let mut slot = first.checked_rem(disks)?.checked_add(near)?;
        if slot >= disks {
            // There are no more copies than members, so one turn is enough.
            (slot, stripe) = (slot.checked_sub(disks)?, stripe.checked_add(1)?);
        }
        let mut on_member = stripe.checked_mul(chunk)?.checked_add(sector.checked_rem(chunk)?)?;
        for _ in 0..far {
            slot = self.next_far(slot, u64::from(copies.near))?;
            on_member = on_member.checked_add(self.stride()?)?;
        }
        Some(Place { slot: index(slot), sector: on_member })
    }

    /// The slot of the next far copy: within its set, the last of which may be larger.
    fn next_far(&self, slot: u64, near: u64) -> Option<u64> {
        let (size, last, last_size) = self.far_set()?;
        let set = slot.checked_div(size)?;
        let slot = slot.checked_add(near)?;
        if self.disks().checked_rem(size)? != 0 && slot > last {
            slot.checked_sub(last)?.checked_rem(last_size)?.checked_add(last)
        } else {
            slot.checked_rem(size)?.checked_add(size.checked_mul(set)?)
        }
    }
}

#[cfg(test)]
mod tests;
