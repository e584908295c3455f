//! An array read in user space, straight from its members: no driver, nothing written. What a missing member had is
//! brought back from the others.

use std::io;

use superblock::{Bytes, Media, Sectors};

use super::{
    parity,
    stripes::{Part, Place, Row, Stripes},
};

/// A member's bytes, and where its data begins.
#[derive(Clone, Copy)]
pub struct Member<'a> {
    /// The device.
    pub media: &'a dyn Media,
    /// Where its data begins.
    pub data_offset: Sectors,
}

/// An array on paper with its members, by slot; `None` where one is missing.
pub struct Assembled<'a> {
    /// Which sector is where.
    pub stripes: Stripes,
    /// The members.
    pub members: Vec<Option<Member<'a>>>,
}

/// How the redundancy of a sample came out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consistency {
    /// Blocks whose redundancy could be looked at and that are not all zero.
    pub checked: u64,
    /// Those of them that agree.
    pub agree: u64,
}

impl Consistency {
    /// Adds another count.
    pub fn add(&mut self, other: Self) {
        self.checked += other.checked;
        self.agree += other.agree;
    }
}

fn lost() -> io::Error {
    io::Error::other("what is there of the array does not give this block")
}

fn length(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

impl Media for Assembled<'_> {
    fn len(&self) -> Bytes {
        self.stripes.size().bytes()
    }

    fn read_at(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<()> {
        let (mut at, mut rest) = (offset.0, buf);
        while !rest.is_empty() {
            let extent = self.stripes.at(at >> 9).ok_or(io::ErrorKind::UnexpectedEof)?;
            let skip = at & 511;
            let run = extent.run.checked_mul(512).ok_or(io::ErrorKind::UnexpectedEof)? - skip;
            let here = rest.len().min(usize::try_from(run).unwrap_or(usize::MAX));
            let (part, next) = rest.split_at_mut(here);
            self.read_copies(&extent.copies, skip, part)?;
            at = at.checked_add(length(here)).ok_or(io::ErrorKind::UnexpectedEof)?;
            rest = next;
        }
        Ok(())
    }
}

impl Assembled<'_> {
    fn read_copies(&self, copies: &[Place], skip: u64, part: &mut [u8]) -> io::Result<()> {
        for place in copies {
            if self.read_member(*place, skip, part).is_ok() {
                return Ok(());
            }
        }
        let place = copies.first().ok_or_else(lost)?;
        let row = self.stripes.row(place.sector).ok_or_else(lost)?;
        self.rebuild(&row, *place, skip, part)
    }

    fn read_member(&self, place: Place, skip: u64, part: &mut [u8]) -> io::Result<()> {
        let member = self.members.get(place.slot).copied().flatten().ok_or_else(lost)?;
        let at = member.data_offset.checked_add(Sectors(place.sector)).ok_or(io::ErrorKind::UnexpectedEof)?;
        member.media.read_at(at.bytes().saturating_add(Bytes(skip)), part)
    }

    /// All that the stripe has of this range, by slot.
    fn row_of(&self, sector: u64, skip: u64, len: usize) -> Vec<Option<Vec<u8>>> {
        let read = |slot| {
            let mut block = vec![0; len];
            self.read_member(Place { slot, sector }, skip, &mut block).ok().map(|()| block)
        };
        (0..self.members.len()).map(read).collect()
    }

    fn rebuild(&self, row: &Row, place: Place, skip: u64, part: &mut [u8]) -> io::Result<()> {
        let blocks = self.row_of(place.sector, skip, part.len());
        let block_of = |wanted: Part| {
            let slot = row.parts.iter().position(|part| *part == wanted)?;
            blocks.get(slot)?.clone()
        };
        let missing: Vec<usize> = (0..row.parts.len())
            .filter(|&slot| matches!(row.parts[slot], Part::Data(_)) && blocks[slot].is_none())
            .collect();
        let times = |slot: usize| parity::coefficient(row.order[slot]);
        let (mut p, mut q) = (block_of(Part::P), block_of(Part::Q));
        for (slot, block) in blocks.iter().enumerate() {
            let (Part::Data(_), Some(block)) = (row.parts[slot], block) else { continue };
            if let Some(p) = &mut p {
                parity::add(p, block);
            }
            if let Some(q) = &mut q {
                parity::add_times(q, block, times(slot));
            }
        }
        let found = match (missing.as_slice(), p, q) {
            ([_], Some(p), _) => p,
            ([slot], None, Some(q)) => q.iter().map(|&byte| parity::divide(byte, times(*slot))).collect(),
            ([one, other], Some(p), Some(q)) => {
                let other = if *one == place.slot { *other } else { *one };
                parity::first_of_two(&p, &q, times(place.slot), times(other))
            }
            _ => return Err(lost()),
        };
        part.copy_from_slice(&found);
        Ok(())
    }

    /// Whether redundancy agrees in a range of the members, block by block of this size. `None` where this level, or
    /// what is missing, leaves nothing to compare.
    #[must_use]
    pub fn consistency(&self, sector: u64, len: usize, block: usize) -> Option<Consistency> {
        let missing = self.members.iter().filter(|member| member.is_none()).count();
        match self.stripes.row(sector) {
            // The second syndrome is there to be compared with what the first brings back.
            Some(row) if missing <= usize::from(row.parts.contains(&Part::Q)) => {
                Some(self.parity_agrees(&row, sector, len, block))
            }
            Some(_) => None,
            None => self.copies_agree(sector, len, block),
        }
    }

    fn parity_agrees(&self, row: &Row, sector: u64, len: usize, block: usize) -> Consistency {
        let blocks = self.row_of(sector, 0, len);
        let (mut p, mut q) = (vec![0; len], vec![0; len]);
        let mut any = vec![false; len.div_ceil(block)];
        let mut count = Consistency::default();
        let mut missing = None;
        for (slot, bytes) in blocks.iter().enumerate() {
            let Some(bytes) = bytes else {
                // One that cannot be read is none that was known to be missing.
                if self.members[slot].is_some() || missing.replace(slot).is_some() {
                    return count;
                }
                continue;
            };
            any.iter_mut().zip(bytes.chunks(block)).for_each(|(any, piece)| *any |= !parity::is_zero(piece));
            match row.parts[slot] {
                Part::P => parity::add(&mut p, bytes),
                Part::Q => parity::add(&mut q, bytes),
                Part::Data(_) => {
                    parity::add(&mut p, bytes);
                    if row.parts.contains(&Part::Q) {
                        parity::add_times(&mut q, bytes, parity::coefficient(row.order[slot]));
                    }
                }
            }
        }
        match missing.map(|slot| (slot, row.parts[slot])) {
            None => {}
            Some((_, Part::P)) => p.fill(0),
            Some((_, Part::Q)) => q.fill(0),
            // The first sum is the lost block, whatever it was; it has to satisfy the second.
            Some((slot, Part::Data(_))) => {
                parity::add_times(&mut q, &p, parity::coefficient(row.order[slot]));
                p.fill(0);
            }
        }
        for ((any, p), q) in any.into_iter().zip(p.chunks(block)).zip(q.chunks(block)) {
            if any {
                count.checked += 1;
                count.agree += u64::from(parity::is_zero(p) && parity::is_zero(q));
            }
        }
        count
    }

    /// RAID1 and RAID10: here the sector is one of the array.
    fn copies_agree(&self, sector: u64, len: usize, block: usize) -> Option<Consistency> {
        let mut count = Consistency::default();
        let mut done = 0;
        let mut compared = false;
        while done < len {
            let Some(extent) = self.stripes.at(sector + length(done) / 512) else { break };
            let here = (len - done).min(usize::try_from(extent.run.saturating_mul(512)).unwrap_or(len));
            let copies: Vec<Vec<u8>> = extent
                .copies
                .iter()
                .filter_map(|place| {
                    let mut bytes = vec![0; here];
                    self.read_member(*place, 0, &mut bytes).ok().map(|()| bytes)
                })
                .collect();
            let several = Some(copies.as_slice()).filter(|copies| copies.len() > 1);
            if let Some([first, others @ ..]) = several {
                compared = true;
                for (nth, piece) in first.chunks(block).enumerate() {
                    let same = others.iter().all(|other| other.chunks(block).nth(nth) == Some(piece));
                    if !same || !parity::is_zero(piece) {
                        count.checked += 1;
                        count.agree += u64::from(same);
                    }
                }
            }
            done += here.max(512);
        }
        compared.then_some(count)
    }
}
