//! Small arrays as images: what a driver would have written to the members. For tests of all that reads arrays, and of what
//! redundancy says about them.

use superblock::Sectors;

use crate::{
    parity,
    stripes::{Part, Row, Stripes},
};

/// The members of an array that holds these bytes: `room` bytes each, behind `offset` bytes of nothing. `None` where it does
/// not fit.
#[must_use]
pub fn members(stripes: &Stripes, data: &[u8], room: usize, offset: usize) -> Option<Vec<Vec<u8>>> {
    let mut members = vec![vec![0u8; offset.checked_add(room)?]; stripes.slots()];
    let mut sector = 0u64;
    while let Some(extent) = stripes.at(sector) {
        let end = sector.checked_add(extent.run)?;
        let piece = data.get(bytes(sector)?..bytes(end)?)?;
        for place in stripes.copies(sector) {
            let at = offset.checked_add(bytes(place.sector)?)?;
            members.get_mut(place.slot)?.get_mut(at..at.checked_add(piece.len())?)?.copy_from_slice(piece);
        }
        sector = end;
    }
    let chunk = stripes.geometry().chunk;
    let mut stripe = Sectors(0);
    while let Some(row) = stripes.row(stripe.0) {
        let (start, next) = (bytes(stripe.0)?, stripe.checked_add(chunk)?);
        if bytes(next.0)? > room {
            break;
        }
        let at = offset.checked_add(start)?..offset.checked_add(bytes(next.0)?)?;
        protect(&row, &mut members, at)?;
        stripe = next;
    }
    Some(members)
}

fn bytes(sectors: u64) -> Option<usize> {
    usize::try_from(sectors.checked_mul(512)?).ok()
}

/// Gives one stripe its redundancy.
fn protect(row: &Row, members: &mut [Vec<u8>], at: std::ops::Range<usize>) -> Option<()> {
    let len = at.len();
    let blocks: Vec<Option<&[u8]>> = row.places().map(|slot| members.get(slot?)?.get(at.clone())).collect();
    let (mut p, mut q) = (vec![0; len], vec![0; len]);
    parity::syndromes(&mut p, &mut q, &blocks);
    for (slot, member) in members.iter_mut().enumerate() {
        match row.part(slot) {
            Part::P => member.get_mut(at.clone())?.copy_from_slice(&p),
            Part::Q => member.get_mut(at.clone())?.copy_from_slice(&q),
            Part::Data(_) => {}
        }
    }
    Some(())
}
