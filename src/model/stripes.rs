//! Which sector of an array is which sector of which member, and where parity and copies lie: the arithmetic of the
//! kernel's personalities (`raid5_compute_sector`, `__raid10_find_phys`, raid0's `map_sector`, linear's `which_dev`).

use superblock::{Level, Sectors};

use super::{Geometry, geometry::Copies};

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where it is: the first copy, and the others.
    pub copies: Vec<Place>,
    /// Sectors to the end of the piece.
    pub run: u64,
}

/// What a slot has in a stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// This chunk of the stripe's data.
    Data(usize),
    /// The sum.
    P,
    /// The second syndrome.
    Q,
}

/// One stripe of a level with parity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// By slot.
    pub parts: Vec<Part>,
    /// By slot: the place of its data in the second syndrome.
    pub order: Vec<usize>,
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
                parts(geometry.level, geometry.layout, usize::try_from(disks).ok()?, 0)?;
                let rows = geometry.component_size.round_down(geometry.chunk).0;
                rows.checked_mul(u64::from(stripes.data_disks()))?
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

    fn disks(&self) -> u64 {
        u64::from(self.geometry.raid_disks)
    }

    fn slots(&self) -> usize {
        index(self.disks())
    }

    fn data_disks(&self) -> u32 {
        match self.geometry.level {
            Level::Raid6 => self.geometry.raid_disks - 2,
            _ => self.geometry.raid_disks - 1,
        }
    }

    /// Where this sector is; `None` beyond the end.
    #[must_use]
    pub fn at(&self, sector: u64) -> Option<Extent> {
        if sector >= self.size {
            return None;
        }
        let mut extent = match self.geometry.level {
            Level::Raid1 => {
                let copies = (0..self.slots()).map(|slot| Place { slot, sector }).collect();
                Extent { copies, run: self.size - sector }
            }
            Level::Raid10 => self.raid10(sector),
            Level::Raid0 => self.raid0(sector)?,
            Level::Linear => self.linear(sector)?,
            _ => self.striped(sector)?,
        };
        extent.run = extent.run.min(self.size - sector);
        Some(extent)
    }

    /// What the slots have in the stripe of this sector of the members; `None` for levels without parity.
    #[must_use]
    pub fn row(&self, member_sector: u64) -> Option<Row> {
        let stripe = member_sector / self.geometry.chunk.0.max(1);
        parts(self.geometry.level, self.geometry.layout, self.slots(), stripe)
    }

    fn striped(&self, sector: u64) -> Option<Extent> {
        let chunk = self.geometry.chunk.0;
        let (number, within) = (sector / chunk, sector % chunk);
        let data = u64::from(self.data_disks());
        let (stripe, nth) = (number / data, index(number % data));
        let row = parts(self.geometry.level, self.geometry.layout, self.slots(), stripe)?;
        let slot = row.parts.iter().position(|part| *part == Part::Data(nth))?;
        let place = Place { slot, sector: stripe * chunk + within };
        Some(Extent { copies: vec![place], run: chunk - within })
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
            let slots: Vec<usize> = (0..room.len()).filter(|&slot| room[slot] > on_member).collect();
            let Some(smallest) = slots.iter().map(|&slot| room[slot]).min() else { break };
            let width = u64::try_from(slots.len()).ok()?;
            let end = (smallest - on_member).checked_mul(width)?.checked_add(start)?;
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
    fn raid0(&self, sector: u64) -> Option<Extent> {
        let chunk = self.geometry.chunk.0;
        let zone = self.zone(sector)?;
        let width = u64::try_from(zone.slots.len()).ok()?;
        let within = sector - zone.start;
        let counted = if self.geometry.layout == 2 { within } else { sector };
        let slot = *zone.slots.get(index((counted / chunk) % width))?;
        let on_member = zone.on_member + within / (chunk * width) * chunk + sector % chunk;
        Some(Extent { copies: vec![Place { slot, sector: on_member }], run: chunk - sector % chunk })
    }

    fn linear(&self, sector: u64) -> Option<Extent> {
        let zone = self.zone(sector)?;
        let place = Place { slot: *zone.slots.first()?, sector: sector - zone.start };
        Some(Extent { copies: vec![place], run: zone.end - sector })
    }

    fn raid10_size(&self) -> Option<u64> {
        let (copies, chunk) = (Copies::from_layout(self.geometry.layout), self.geometry.chunk.0);
        if copies.total() == 0 || copies.total() > self.geometry.raid_disks || self.far_set()?.0 == 0 {
            return None;
        }
        let chunks = self.geometry.component_size.0 / chunk / u64::from(copies.far);
        (chunks.checked_mul(self.disks())? / u64::from(copies.near)).checked_mul(chunk)
    }

    /// How far apart far copies are.
    fn stride(&self) -> u64 {
        let (copies, chunk) = (Copies::from_layout(self.geometry.layout), self.geometry.chunk.0);
        if copies.offset {
            return chunk;
        }
        let chunks = self.size / chunk * u64::from(copies.total());
        chunks.div_ceil(self.disks()) / u64::from(copies.far) * chunk
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
        if size == 0 {
            return None;
        }
        let last = (disks / size - 1) * size;
        Some((size, last, disks - last))
    }

    fn raid10(&self, sector: u64) -> Extent {
        let (copies, chunk, disks) =
            (Copies::from_layout(self.geometry.layout), self.geometry.chunk.0, self.disks());
        let first = sector / chunk * u64::from(copies.near);
        let (mut stripe, mut slot) = (first / disks, first % disks);
        if copies.offset {
            stripe *= u64::from(copies.far);
        }
        let mut on_member = stripe * chunk + sector % chunk;
        let mut places = Vec::new();
        for _ in 0..copies.near {
            let (mut far_slot, mut far_sector) = (slot, on_member);
            places.push(Place { slot: index(far_slot), sector: far_sector });
            for _ in 1..copies.far {
                far_slot = self.next_far(far_slot, u64::from(copies.near));
                far_sector += self.stride();
                places.push(Place { slot: index(far_slot), sector: far_sector });
            }
            slot += 1;
            if slot >= disks {
                (slot, on_member) = (0, on_member + chunk);
            }
        }
        Extent { copies: places, run: chunk - sector % chunk }
    }

    /// The slot of the next far copy: within its set, the last of which may be larger.
    fn next_far(&self, slot: u64, near: u64) -> u64 {
        let Some((size, last, last_size)) = self.far_set() else { return slot };
        let set = slot / size;
        let slot = slot + near;
        if self.disks() % size != 0 && slot > last {
            (slot - last) % last_size + last
        } else {
            slot % size + size * set
        }
    }
}

/// The parts of a stripe (`ALGORITHM_*` in `raid5.h`); `None` for a level without parity or an unknown layout.
fn parts(level: Level, layout: u32, disks: usize, stripe: u64) -> Option<Row> {
    let rotating = |width: usize| stripe.checked_rem(u64::try_from(width).ok()?).map(index);
    let row = match level {
        Level::Raid4 => one_parity(disks, disks - 1, false),
        Level::Raid5 => {
            let turn = rotating(disks)?;
            match layout {
                0 => one_parity(disks, disks - 1 - turn, false),
                1 => one_parity(disks, turn, false),
                2 => one_parity(disks, disks - 1 - turn, true),
                3 => one_parity(disks, turn, true),
                4 => one_parity(disks, 0, false),
                5 => one_parity(disks, disks - 1, false),
                _ => return None,
            }
        }
        Level::Raid6 => two_syndromes(layout, disks, stripe)?,
        _ => return None,
    };
    Some(row)
}

/// Data from left to right around the parity, or from behind it on.
fn one_parity(disks: usize, parity: usize, continues: bool) -> Row {
    let mut parts = vec![Part::P; disks];
    for nth in 0..disks - 1 {
        let slot = match continues {
            true => (parity + 1 + nth) % disks,
            false => nth + usize::from(nth >= parity),
        };
        parts[slot] = Part::Data(nth);
    }
    Row { order: vec![0; disks], parts }
}

fn two_syndromes(layout: u32, disks: usize, stripe: u64) -> Option<Row> {
    let rotating = |stripe: u64, width: usize| stripe.checked_rem(u64::try_from(width).ok()?).map(index);
    let turn = rotating(stripe, disks)?;
    let last = disks - 1;
    let after = |p: usize| (p + 1) % disks;
    let (p, q, continues) = match layout {
        0 => (last - turn, after(last - turn), false),
        1 | 8 => (turn, after(turn), false),
        2 => (last - turn, after(last - turn), true),
        3 => (turn, after(turn), true),
        4 => (0, 1, false),
        5 => (disks - 2, last, false),
        9 => {
            let turn = rotating(stripe.checked_add(1)?, disks)?;
            (last - turn, after(last - turn), false)
        }
        // The second syndrome is before the first, data goes on behind that.
        10 => (last - turn, (last - turn + disks - 1) % disks, true),
        // RAID5 over all but the last, which has the second syndrome.
        16..=20 => {
            let turn = rotating(stripe, last)?;
            let p = match layout {
                16 | 18 => last - 1 - turn,
                17 | 19 => turn,
                _ => 0,
            };
            let mut row = one_parity(last, p, matches!(layout, 18 | 19));
            row.parts.push(Part::Q);
            row.order = order(&row.parts, last, false);
            return Some(row);
        }
        _ => return None,
    };
    let mut parts = vec![Part::P; disks];
    parts[q] = Part::Q;
    let begin = match (continues, layout) {
        (true, 10) => p,
        (true, _) => q,
        (false, _) => last,
    };
    let slots = (1..=disks).map(|step| (begin + step) % disks).filter(|&slot| slot != p && slot != q);
    for (nth, slot) in slots.enumerate() {
        parts[slot] = Part::Data(nth);
    }
    let order = order(&parts, q, matches!(layout, 8..=10));
    Some(Row { parts, order })
}

/// The place of each slot's data in the second syndrome: from the slot behind Q on; DDF's layouts count all slots from
/// the first, the syndromes' too.
fn order(parts: &[Part], q: usize, ddf: bool) -> Vec<usize> {
    if ddf {
        return (0..parts.len()).collect();
    }
    let mut order = vec![0; parts.len()];
    let around = (1..=parts.len()).map(|step| (q + step) % parts.len());
    let data = around.filter(|&slot| matches!(parts[slot], Part::Data(_)));
    for (nth, slot) in data.enumerate() {
        order[slot] = nth;
    }
    order
}

#[cfg(test)]
pub(crate) mod tests;
