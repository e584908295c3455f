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

/// Whole stripes of an array with parity: what each slot has of them when these bytes are the array's from `sector` on, and where on
/// the members that is. `None` where they are not whole stripes of it.
#[must_use]
pub fn stripes(stripes: &Stripes, sector: Sectors, data: &[u8]) -> Option<(Sectors, Vec<Vec<u8>>)> {
    let geometry = stripes.geometry();
    let (width, _) = geometry.data_disks()?;
    let stripe = geometry.chunk.0.checked_mul(width)?;
    let length = u64::try_from(data.len()).ok()? / 512;
    if sector.0.checked_rem(stripe)? != 0 || length.checked_rem(stripe)? != 0 {
        return None;
    }
    let first = sector.0.checked_div(width)?;
    let mut members = vec![vec![0u8; bytes(length.checked_div(width)?)?]; stripes.slots()];
    let mut at = 0u64;
    while at < length {
        let extent = stripes.at(sector.0.checked_add(at)?)?;
        let end = at.checked_add(extent.run)?.min(length);
        let piece = data.get(bytes(at)?..bytes(end)?)?;
        let to = bytes(extent.place.sector.checked_sub(first)?)?;
        let member = members.get_mut(extent.place.slot)?;
        member.get_mut(to..to.checked_add(piece.len())?)?.copy_from_slice(piece);
        at = end;
    }
    let mut row = first;
    let mut from = 0usize;
    let chunk = bytes(geometry.chunk.0)?;
    while from < members.first()?.len() {
        let next = from.checked_add(chunk)?;
        protect(&stripes.row(row)?, &mut members, from..next)?;
        from = next;
        row = row.checked_add(geometry.chunk.0)?;
    }
    Some((Sectors(first), members))
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

#[cfg(test)]
mod tests {
    use superblock::Level;

    use super::*;
    use crate::Geometry;

    #[test]
    fn stripes_of_the_middle_are_those_of_the_whole() {
        for (level, layout, slots) in [
            (Level::Raid4, 0, 3),
            (Level::Raid5, 2, 4),
            (Level::Raid5, 5, 3),
            (Level::Raid6, 2, 5),
            (Level::Raid6, 18, 4),
        ] {
            let geometry =
                Geometry { level, layout, chunk: Sectors(8), raid_disks: slots, component_size: Sectors(64) };
            let of = Stripes::new(geometry, &[]).unwrap();
            let size = bytes(of.size().0).unwrap();
            let data: Vec<u8> = (0..size).map(|n| u8::try_from(n * 31 % 251).unwrap()).collect();
            let whole = members(&of, &data, 64 * 512, 0).unwrap();
            let stripe = of.size().0 / 8;
            let (from, to) = (stripe * 2, stripe * 5);
            let part = &data[bytes(from).unwrap()..bytes(to).unwrap()];
            let (at, found) = stripes(&of, Sectors(from), part).unwrap();
            assert_eq!(at, Sectors(16));
            for (whole, found) in whole.iter().zip(&found) {
                assert_eq!(whole[16 * 512..40 * 512], found[..], "{level:?} {layout}");
            }
            assert_eq!(stripes(&of, Sectors(from + 8), part), None);
        }
    }
}
