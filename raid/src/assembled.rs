//! An array read in user space, straight from its members: no driver, nothing written. What a missing member had is
//! brought back from the others.

use std::{cell::RefCell, io};

use superblock::{Bytes, Media, Sectors, badblocks};

use crate::{
    parity,
    stripes::{Part, Place, Row, Stripes},
};

/// What is brought back at once, so that all that is needed for it stays in the processor's cache.
const PIECE: usize = 64 << 10;

/// A member's bytes, and where its data begins.
#[derive(Clone, Copy)]
pub struct Member<'a> {
    /// The device.
    pub media: &'a dyn Media,
    /// Where its data begins.
    pub data_offset: Sectors,
    /// It was being rebuilt, and has its data up to here, counted from where that begins.
    pub rebuilt: Option<Sectors>,
    /// What its bad-block log names, in sectors of the device: to be brought back from the others.
    pub bad: &'a [badblocks::Range],
}

impl<'a> Member<'a> {
    /// One that has all of its data.
    #[must_use]
    pub fn new(media: &'a dyn Media, data_offset: Sectors) -> Self {
        Self { media, data_offset, rebuilt: None, bad: &[] }
    }

    /// Reads from a sector of its data on.
    fn read(&self, sector: u64, skip: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let start = self.data_offset.checked_add(Sectors(sector)).ok_or_else(end)?;
        let at = start.bytes().checked_add(Bytes(skip)).ok_or_else(end)?;
        let behind = at.checked_add(Bytes(length(buf.len()))).ok_or_else(end)?;
        let rebuilt = self.rebuilt.map(|rebuilt| self.data_offset.saturating_add(rebuilt).bytes());
        let in_it = |range: &badblocks::Range| {
            at < range.start.saturating_add(range.length).bytes() && range.start.bytes() < behind
        };
        if rebuilt.is_some_and(|rebuilt| behind > rebuilt) || self.bad.iter().any(in_it) {
            return Err(lost());
        }
        self.media.read_at(at, buf)
    }
}

/// An array on paper with its members.
pub struct Assembled<'a> {
    stripes: Stripes,
    members: Vec<Option<Member<'a>>>,
    work: RefCell<Work>,
}

/// Room for what is worked on; kept, so that reading allocates once.
#[derive(Default)]
struct Work {
    block: Vec<u8>,
    p: Vec<u8>,
    q: Vec<u8>,
    /// All that was met, one upon the other: whether there is anything at all.
    any: Vec<u8>,
}

impl Work {
    fn clear(&mut self, len: usize) {
        for room in [&mut self.block, &mut self.p, &mut self.q, &mut self.any] {
            room.clear();
            room.resize(len, 0);
        }
    }

    /// Takes what was read in at the next place, from the last to the first.
    fn add(&mut self, second: bool) {
        parity::add(&mut self.p, &self.block);
        if second {
            parity::next_place(&mut self.q, Some(&self.block));
        }
    }

    fn skip(&mut self, second: bool) {
        if second {
            parity::next_place(&mut self.q, None);
        }
    }

    fn met(&mut self) {
        self.any.iter_mut().zip(&self.block).for_each(|(any, byte)| *any |= byte);
    }
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
        self.checked = self.checked.saturating_add(other.checked);
        self.agree = self.agree.saturating_add(other.agree);
    }

    fn count(&mut self, agrees: bool) {
        self.add(Self { checked: 1, agree: u64::from(agrees) });
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
            let end = io::ErrorKind::UnexpectedEof;
            let (sector, skip) = (at >> 9, at & 511);
            let run =
                self.stripes.at(sector).and_then(|extent| extent.run.checked_mul(512)?.checked_sub(skip));
            let here = rest.len().min(usize::try_from(run.ok_or(end)?).unwrap_or(usize::MAX));
            let (part, next) = rest.split_at_mut(here);
            self.read_copies(sector, skip, part)?;
            at = at.checked_add(length(here)).ok_or(end)?;
            rest = next;
        }
        Ok(())
    }
}

impl<'a> Assembled<'a> {
    /// `members` by slot; `None` where one is missing.
    #[must_use]
    pub fn new(stripes: Stripes, members: Vec<Option<Member<'a>>>) -> Self {
        Self { stripes, members, work: RefCell::default() }
    }

    /// Which sector is where.
    #[must_use]
    pub fn stripes(&self) -> &Stripes {
        &self.stripes
    }

    /// The first copy that can be read.
    fn read_copies(&self, sector: u64, skip: u64, part: &mut [u8]) -> io::Result<()> {
        if self.stripes.copies(sector).any(|place| self.read_member(place, skip, part).is_ok()) {
            return Ok(());
        }
        let place = self.stripes.copies(sector).next().ok_or_else(lost)?;
        let row = self.stripes.row(place.sector).ok_or_else(lost)?;
        let mut skip = skip;
        for piece in part.chunks_mut(PIECE) {
            self.rebuild(&row, place, skip, piece)?;
            skip = skip.saturating_add(length(piece.len()));
        }
        Ok(())
    }

    fn member(&self, slot: usize) -> Option<&Member<'a>> {
        self.members.get(slot)?.as_ref()
    }

    fn read_member(&self, place: Place, skip: u64, part: &mut [u8]) -> io::Result<()> {
        self.member(place.slot).ok_or_else(lost)?.read(place.sector, skip, part)
    }

    /// What the stripe has at this place, from the other members.
    fn rebuild(&self, row: &Row, place: Place, skip: u64, part: &mut [u8]) -> io::Result<()> {
        let work = &mut *self.work.borrow_mut();
        work.clear(part.len());
        let second = row.q().is_some();
        let mut other = None;
        let read = |slot, block: &mut [u8]| self.read_member(Place { slot, ..place }, skip, block).is_ok();
        for slot in row.places().rev() {
            match slot.filter(|slot| *slot != place.slot) {
                Some(slot) if read(slot, &mut work.block) => work.add(second),
                Some(slot) if other.replace(slot).is_some() => return Err(lost()),
                Some(_) | None => work.skip(second),
            }
        }
        let has_p = read(row.p(), &mut work.block);
        if has_p {
            parity::add(&mut work.p, &work.block);
        }
        let has_q = (other.is_some() || !has_p) && row.q().is_some_and(|q| read(q, &mut work.block));
        if has_q {
            parity::add(&mut work.q, &work.block);
        }
        let times = |slot: usize| parity::coefficient(row.place(slot));
        match (other, has_p, has_q) {
            (None, true, _) => part.copy_from_slice(&work.p),
            (None, false, true) => {
                parity::scale(&mut work.q, parity::divide(1, times(place.slot)));
                part.copy_from_slice(&work.q);
            }
            (Some(other), true, true) => {
                parity::first_of_two(&work.p, &mut work.q, times(place.slot), times(other));
                part.copy_from_slice(&work.q);
            }
            (Some(_), _, _) | (None, false, false) => return Err(lost()),
        }
        Ok(())
    }

    /// Whether redundancy agrees in a range of the members, block by block of this size. `None` where this level, or
    /// what is missing, leaves nothing to compare.
    #[must_use]
    pub fn consistency(&self, sector: u64, len: usize, block: usize) -> Option<Consistency> {
        let missing = self.members.iter().filter(|member| member.is_none()).count();
        match self.stripes.row(sector) {
            // The second syndrome is there to be compared with what the first brings back.
            Some(row) if missing <= usize::from(row.q().is_some()) => {
                Some(self.parity_agrees(&row, sector, len, block.max(1)))
            }
            Some(_) => None,
            None => self.copies_agree(sector, len, block.max(1)),
        }
    }

    fn parity_agrees(&self, row: &Row, sector: u64, len: usize, block: usize) -> Consistency {
        let work = &mut *self.work.borrow_mut();
        work.clear(len);
        let second = row.q().is_some();
        let mut missing = None;
        // One that cannot be read is not one that was known to be missing.
        let mut unreadable = false;
        let mut read = |slot: usize, work: &mut Work| match self.member(slot) {
            None => {
                missing = Some(slot);
                false
            }
            Some(member) => {
                let read = member.read(sector, 0, &mut work.block).is_ok();
                unreadable |= !read;
                if read {
                    work.met();
                }
                read
            }
        };
        for slot in row.places().rev() {
            match slot {
                Some(slot) if read(slot, work) => work.add(second),
                Some(_) | None => work.skip(second),
            }
        }
        if read(row.p(), work) {
            parity::add(&mut work.p, &work.block);
        }
        if row.q().is_some_and(|q| read(q, work)) {
            parity::add(&mut work.q, &work.block);
        }
        let mut count = Consistency::default();
        if unreadable {
            return count;
        }
        match missing.map(|slot| (slot, row.part(slot))) {
            None => {}
            Some((_, Part::P)) => work.p.fill(0),
            Some((_, Part::Q)) => work.q.fill(0),
            // The first sum is the lost block, whatever it was; it has to satisfy the second.
            Some((slot, Part::Data(_))) => {
                parity::add_times(&mut work.q, &work.p, parity::coefficient(row.place(slot)));
                work.p.fill(0);
            }
        }
        let sums = work.p.chunks(block).zip(work.q.chunks(block));
        for (any, (p, q)) in work.any.chunks(block).zip(sums) {
            if !parity::is_zero(any) {
                count.count(parity::is_zero(p) && parity::is_zero(q));
            }
        }
        count
    }

    /// RAID1 and RAID10: here the sector is one of the array.
    fn copies_agree(&self, sector: u64, len: usize, block: usize) -> Option<Consistency> {
        let work = &mut *self.work.borrow_mut();
        let mut count = Consistency::default();
        let (mut at, mut left) = (sector, len);
        let mut compared = false;
        while let Some(extent) = self.stripes.at(at).filter(|_| left > 0) {
            let here = left.min(usize::try_from(extent.run.saturating_mul(512)).unwrap_or(left));
            work.clear(here);
            let mut copies = self.stripes.copies(at);
            let mut several = false;
            // The first that can be read, and by where it differs from any of the others.
            if copies.any(|place| self.read_member(place, 0, &mut work.p).is_ok()) {
                for place in copies {
                    if self.read_member(place, 0, &mut work.block).is_ok() {
                        several = true;
                        parity::add(&mut work.block, &work.p);
                        work.met();
                    }
                }
            }
            if several {
                compared = true;
                for (piece, differs) in work.p.chunks(block).zip(work.any.chunks(block)) {
                    let same = parity::is_zero(differs);
                    if !same || !parity::is_zero(piece) {
                        count.count(same);
                    }
                }
            }
            at = at.saturating_add(length(here).div_ceil(512));
            left = left.saturating_sub(here);
        }
        compared.then_some(count)
    }
}
