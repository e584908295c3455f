//! Which byte of a volume is where on its group's devices.

use superblock::{
    Bytes, Write,
    lvm::{Group, Kind, LogicalVolume, Segment},
};

/// What was found in the place of a new volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OldContent {
    /// Names of what was recognised, and where.
    pub signatures: Vec<(String, Bytes)>,
    /// Its first bytes are not all zero.
    pub dirty: bool,
}

/// A run of bytes that lies on one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Index of the physical volume.
    pub pv: usize,
    /// Where it begins there.
    pub at: Bytes,
    /// How long it goes on.
    pub length: Bytes,
}

/// Where a byte of a volume is; `None` behind its end, and in what we cannot place.
#[must_use]
pub fn locate(group: &Group, volume: &LogicalVolume, at: Bytes) -> Option<Run> {
    let extent = group.extent_size.bytes().0;
    let index = at.0.checked_div(extent)?;
    let segment = volume.segments.iter().find(|segment| (segment.start..segment.end()).contains(&index))?;
    let inside = at.0 - segment.start * extent;
    let Kind::Striped { stripe_size, legs } = &segment.kind else { return None };
    let (leg, offset, run) = match legs.as_slice() {
        [only] => (only, inside, segment.len * extent - inside),
        legs => {
            let stripe = Some(stripe_size.bytes().0).filter(|size| *size > 0)?;
            let count = u64::try_from(legs.len()).ok()?;
            let (nth, rest) = (inside / stripe, inside % stripe);
            let leg = legs.get(usize::try_from(nth % count).ok()?)?;
            (leg, nth / count * stripe + rest, stripe - rest)
        }
    };
    let start = group.pvs.get(leg.pv)?.pe_start.bytes();
    let first = leg.extent.checked_mul(extent)?;
    let at = start.checked_add(Bytes(first.checked_add(offset)?))?;
    Some(Run { pv: leg.pv, at, length: Bytes(run) })
}

/// Zeroes over a range of a volume, as writes to its devices; what lies behind its end is left out.
#[must_use]
pub fn zeroes(group: &Group, volume: &LogicalVolume, at: Bytes, length: Bytes) -> Vec<(usize, Write)> {
    let end = at.saturating_add(length).min(group.sectors(volume.extents()).bytes());
    let (mut writes, mut next) = (Vec::new(), at);
    while next < end {
        let Some(run) = locate(group, volume, next) else { break };
        let length = run.length.min(end.saturating_sub(next));
        let Some(bytes) = usize::try_from(length.0).ok().filter(|bytes| *bytes > 0) else { break };
        writes.push((run.pv, Write { at: run.at, data: vec![0; bytes] }));
        next = next.saturating_add(length);
    }
    writes
}

/// A segment's extents on each of its devices: index of the physical volume, first and last.
#[must_use]
pub fn on_devices(segment: &Segment) -> Vec<(usize, u64, u64)> {
    let last = |first: u64| first.saturating_add(segment.leg_len().saturating_sub(1));
    segment.legs().iter().map(|leg| (leg.pv, leg.extent, last(leg.extent))).collect()
}

#[cfg(test)]
mod tests {
    use superblock::{
        Sectors,
        lvm::{Leg, LvmUuid, PhysicalVolume},
    };

    use super::*;

    #[test]
    fn linear_and_striped() {
        let mut group = Group::empty("vg".into());
        for n in 0..2 {
            let id = LvmUuid::from_random([n; 32]);
            let pv = PhysicalVolume::new(id, "/dev/x".into(), Sectors(1 << 20), Sectors(2048), Sectors(8192));
            group.add_pv(pv.unwrap()).unwrap();
        }
        let segment = |start, len, stripe: u64, legs: &[(usize, u64)]| {
            let legs = legs.iter().map(|&(pv, extent)| Leg { pv, extent }).collect();
            Segment {
                start,
                len,
                tags: Vec::new(),
                kind: Kind::Striped { stripe_size: Sectors(stripe), legs },
            }
        };
        let mut volume = LogicalVolume::empty("v".into());
        volume.segments = vec![segment(0, 2, 0, &[(1, 3)]), segment(2, 4, 128, &[(0, 0), (1, 10)])];
        let (mib, kib) = (1 << 20, 1 << 10);
        let at = |at: u64| locate(&group, &volume, Bytes(at)).map(|run| (run.pv, run.at.0, run.length.0));
        assert_eq!(at(0), Some((1, 13 * mib, 8 * mib)));
        assert_eq!(at(5 * mib), Some((1, 18 * mib, 3 * mib)));
        assert_eq!(at(8 * mib), Some((0, mib, 64 * kib)));
        assert_eq!(at(8 * mib + 65 * kib), Some((1, 41 * mib + kib, 63 * kib)));
        assert_eq!(at(8 * mib + 128 * kib), Some((0, mib + 64 * kib, 64 * kib)));
        assert_eq!(at(24 * mib), None);
        let writes = zeroes(&group, &volume, Bytes(8 * mib - 4 * kib), Bytes(8 * kib));
        let shown: Vec<_> = writes.iter().map(|(pv, write)| (*pv, write.at.0, write.data.len())).collect();
        assert_eq!(shown, [(1, 21 * mib - 4 * kib, 4096), (0, mib, 4096)]);
        assert_eq!(zeroes(&group, &volume, Bytes(24 * mib), Bytes(4096)), Vec::new());
        assert_eq!(on_devices(&volume.segments[1]), [(0, 0, 1), (1, 10, 11)]);
    }
}
