//! What of a volume moves: runs of extents with their old places and their new ones; the segments that come of them, and the
//! tables while the kernel copies.
//!
//! ```text
//! vg-data             linear or striped → vg-data-moving, and what stays
//! vg-data-moving      mirror            → old extents, vg-data_moves_here
//! vg-data_moves_here  linear            → new extents
//! ```
//!
//! The new extents are written through the room's own device, so that whoever wants them for something else (lvm2's
//! `lvremove`, `lvchange -an`, `vgchange -an`) finds the room in use, and whoever makes it smaller all the same ends the copy with
//! an error instead of having it written over theirs. The volume's own device keeps targets of its segments' kinds: lvm2
//! compares them.

use std::collections::{BTreeSet, VecDeque};

use superblock::{
    Sectors,
    lvm::{Group, Kind, Leg, LogicalVolume, LvmUuid, Segment},
};

use super::tree::{self, Find, Wanted};
use crate::model::dm::{self, Dev, MirrorLog, Row, Table, Target, UdevFlags, name, uuid};

/// The layer of a volume that has what moves.
const LAYER: &str = "moving";
/// What is copied at a time: 512 KiB.
const REGION: &str = "1024";

/// Part of one leg of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    /// The segment's number.
    segment: usize,
    /// The leg's number.
    leg: usize,
    /// Its first extent in the leg.
    at: u64,
    len: u64,
    old: Leg,
    new: Leg,
}

/// What moves of one volume.
#[derive(Clone, Debug)]
pub(super) struct Pieces<'a> {
    group: &'a Group,
    volume: &'a LogicalVolume,
    room: &'a LogicalVolume,
    all: Vec<Piece>,
}

/// Tables while the kernel copies.
pub(super) struct Copying {
    /// Of the device that has the volume's extents.
    pub(super) holder: Table,
    /// Of the layer below it, which copies.
    pub(super) layer: Table,
    /// Of the room's own device.
    pub(super) room: Table,
}

/// The legs of a segment; none of what is no extents.
pub(super) fn legs(segment: &Segment) -> &[Leg] {
    match &segment.kind {
        Kind::Striped { legs, .. } => legs,
        _ => &[],
    }
}

/// Extents that each leg of a segment has.
fn depth(segment: &Segment) -> u64 {
    u64::try_from(legs(segment).len()).ok().and_then(|legs| segment.len.checked_div(legs)).unwrap_or(0)
}

/// How many extents a volume has on a device.
pub(super) fn extents(volume: &LogicalVolume, from: usize) -> u64 {
    let there = |segment: &Segment| legs(segment).iter().filter(|leg| leg.pv == from).count();
    let one =
        |segment: &Segment| depth(segment).saturating_mul(there(segment).try_into().unwrap_or(u64::MAX));
    volume.segments.iter().map(one).fold(0, u64::saturating_add)
}

/// The devices on which the other legs of what moves are: two legs on one device wait for each other.
pub(super) fn beside(volume: &LogicalVolume, from: usize) -> BTreeSet<usize> {
    let moves = |segment: &&Segment| legs(segment).iter().any(|leg| leg.pv == from);
    volume.segments.iter().filter(moves).flat_map(legs).map(|leg| leg.pv).collect()
}

impl<'a> Pieces<'a> {
    /// What moves off a device into the segments of a room; `None` where one does not fit the other.
    pub(super) fn of(
        group: &'a Group,
        volume: &'a LogicalVolume,
        from: usize,
        room: &'a LogicalVolume,
    ) -> Option<Self> {
        let run = |segment: &Segment| match legs(segment) {
            [leg] => Some((*leg, segment.len)),
            _ => None,
        };
        let mut runs: VecDeque<(Leg, u64)> = room.segments.iter().map(run).collect::<Option<_>>()?;
        let mut all = Vec::new();
        for (segment, there) in volume.segments.iter().enumerate() {
            for (leg, old) in legs(there).iter().enumerate().filter(|(_, leg)| leg.pv == from) {
                let mut at = 0;
                while at < depth(there) {
                    let (new, free) = runs.pop_front()?;
                    let len = free.min(depth(there).saturating_sub(at));
                    let old = Leg { pv: old.pv, extent: old.extent.checked_add(at)? };
                    all.push(Piece { segment, leg, at, len, old, new });
                    if free > len {
                        runs.push_front((
                            Leg { pv: new.pv, extent: new.extent.checked_add(len)? },
                            free - len,
                        ));
                    }
                    at += len;
                }
            }
        }
        runs.is_empty().then_some(Self { group, volume, room, all })
    }

    fn in_segment(&self, number: usize) -> impl Iterator<Item = &Piece> {
        self.all.iter().filter(move |piece| piece.segment == number)
    }

    /// The volume's segments when it is over.
    pub(super) fn moved(&self) -> Vec<Segment> {
        let mut all = Vec::new();
        for (number, segment) in self.volume.segments.iter().enumerate() {
            let ends = self.in_segment(number).map(|piece| piece.at + piece.len);
            let ends: BTreeSet<u64> = ends.chain(std::iter::once(depth(segment))).collect();
            let mut at = 0;
            for end in ends {
                all.push(self.part(number, segment, at, end - at));
                at = end;
            }
        }
        all
    }

    /// Some extents of each leg of a segment, where they will be.
    fn part(&self, number: usize, segment: &Segment, at: u64, len: u64) -> Segment {
        let Kind::Striped { stripe_size, legs } = &segment.kind else { return segment.clone() };
        let width = u64::try_from(legs.len()).unwrap_or(1);
        let placed = legs.iter().enumerate().map(|(nth, leg)| {
            let piece = self
                .in_segment(number)
                .find(|piece| piece.leg == nth && (piece.at..piece.at + piece.len).contains(&at));
            match piece {
                Some(piece) => Leg { pv: piece.new.pv, extent: piece.new.extent + (at - piece.at) },
                None => Leg { pv: leg.pv, extent: leg.extent + at },
            }
        });
        let kind = Kind::Striped { stripe_size: *stripe_size, legs: placed.collect() };
        let (start, len) = (segment.start + at * width, len * width);
        Segment { start, len, tags: segment.tags.clone(), kind }
    }

    /// The tables; `None` where a device is missing. `room`: the name of the room's device.
    ///
    /// All that moves is on the layer, one piece behind the other as in the room, and legs lead there: a stripe cannot
    /// stand on a part of a table.
    pub(super) fn copying(&self, room: &str, find: Find<'_>) -> Option<Copying> {
        let mut holder = tree::extents(self.group, self.volume, find).ok()?;
        let layer = Dev::Dm(name::join(&self.group.name, &self.volume.name, Some(LAYER)));
        let (mut start, mut mirrors) = (Sectors(0), Vec::new());
        for piece in &self.all {
            let row: &mut Row = holder.rows.get_mut(piece.segment)?;
            if let Some(leg) = legs_of(&mut row.target).get_mut(piece.leg).filter(|_| piece.at == 0) {
                *leg = dm::Leg { dev: layer.clone(), start };
            }
            mirrors.push(self.mirror(piece, dm::Leg { dev: Dev::Dm(room.to_owned()), start }, find)?);
            start = start.saturating_add(self.group.sectors(piece.len));
        }
        let room = tree::extents(self.group, self.room, find).ok()?;
        Some(Copying { holder, layer: Table::concat(mirrors), room })
    }

    fn mirror(&self, piece: &Piece, new: dm::Leg, find: Find<'_>) -> Option<(Sectors, Target)> {
        let pv = self.group.pvs.get(piece.old.pv)?;
        let start = pv.pe_start.saturating_add(self.group.sectors(piece.old.extent));
        let old = dm::Leg { dev: find(piece.old.pv)?, start };
        let target = Target::Mirror {
            log: MirrorLog { kind: "core".to_owned(), args: vec![REGION.to_owned()] },
            legs: vec![old, new],
            // Nothing else keeps the old extents whole: see `failing`.
            features: vec!["handle_errors".to_owned()],
        };
        Some((self.group.sectors(piece.len), target))
    }
}

fn legs_of(target: &mut Target) -> &mut [dm::Leg] {
    match target {
        Target::Linear(leg) => std::slice::from_mut(leg),
        Target::Striped { legs, .. } => legs,
        _ => &mut [],
    }
}

/// The layer of a volume as it should be.
pub(super) fn layer(group: &Group, volume: &LogicalVolume, table: Table) -> Wanted {
    Wanted {
        name: name::join(&group.name, &volume.name, Some(LAYER)),
        uuid: layer_uuid(group, volume.id),
        table,
        flags: UdevFlags::HIDDEN,
        read_only: false,
    }
}

/// The device of a room as it should be while something is copied there. Nobody looks for anything on it.
pub(super) fn room(group: &Group, room: &LogicalVolume, name: String, table: Table) -> Wanted {
    let uuid = uuid::lvm(group.id.plain(), room.id.plain(), None);
    Wanted { name, uuid, table, flags: UdevFlags::HIDDEN, read_only: false }
}

/// The UUID of a volume's layer.
pub(super) fn layer_uuid(group: &Group, volume: LvmUuid) -> String {
    uuid::lvm(group.id.plain(), volume.plain(), Some(LAYER))
}

/// Whether a device is such a layer, by its UUID.
pub(super) fn is_layer(uuid: &str) -> bool {
    uuid::parse(uuid).is_some_and(|parsed| parsed.layer == Some(LAYER))
}

/// The same table with what copies leading to the old extents alone.
pub(super) fn without_copies(table: &Table) -> Table {
    let mut table = table.clone();
    for row in &mut table.rows {
        let Target::Mirror { legs, .. } = &row.target else { continue };
        if let Some(old) = legs.first() {
            row.target = Target::Linear(old.clone());
        }
    }
    table
}

/// Whether a table copies.
pub(super) fn is_mirror(table: &Table) -> bool {
    table.rows.iter().any(|row| matches!(row.target, Target::Mirror { .. }))
}

/// Whether a table copies, or leads to one that does. Devices in it have their names.
pub(super) fn is_moving(table: &Table) -> bool {
    let is_layer = |dev: &Dev| matches!(dev, Dev::Dm(name) if name::split(name).2 == LAYER);
    is_mirror(table) || table.devices().any(is_layer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DevId, volume::fixture};

    const VOLUMES: &str = r#"
line { id = "llllll-llll-llll-llll-llll-llll-llllll" status = ["READ", "WRITE", "VISIBLE"] flags = [] segment_count = 2
segment1 { start_extent = 0 extent_count = 10 type = "striped" stripe_count = 1 stripes = ["pv0", 0] }
segment2 { start_extent = 10 extent_count = 5 type = "striped" stripe_count = 1 stripes = ["pv1", 0] } }
data { id = "dddddd-dddd-dddd-dddd-dddd-dddd-dddddd" status = ["READ", "WRITE", "VISIBLE"] flags = [] segment_count = 2
segment1 { start_extent = 0 extent_count = 10 type = "striped" stripe_count = 1 stripes = ["pv0", 20] }
segment2 { start_extent = 10 extent_count = 8 type = "striped" stripe_count = 2 stripe_size = 16 stripes = ["pv1", 30, "pv0", 40] } }
to { id = "tttttt-tttt-tttt-tttt-tttt-tttt-tttttt" status = ["READ", "WRITE", "VISIBLE"] flags = [] segment_count = 2
segment1 { start_extent = 0 extent_count = 4 type = "striped" stripe_count = 1 stripes = ["pv2", 0] }
segment2 { start_extent = 4 extent_count = 6 type = "striped" stripe_count = 1 stripes = ["pv2", 50] } }
room { id = "rrrrrr-rrrr-rrrr-rrrr-rrrr-rrrr-rrrrrr" status = ["READ", "WRITE", "VISIBLE"] flags = [] segment_count = 2
segment1 { start_extent = 0 extent_count = 11 type = "striped" stripe_count = 1 stripes = ["pv2", 10] }
segment2 { start_extent = 11 extent_count = 3 type = "striped" stripe_count = 1 stripes = ["pv2", 30] } }
"#;

    fn find(pv: usize) -> Option<Dev> {
        Some(Dev::Number(DevId { major: 9, minor: u32::try_from(pv).ok()? }))
    }

    fn check(volume: &str, room: &str, then: impl FnOnce(&Pieces<'_>)) {
        let group: Group = fixture::group("vg", VOLUMES);
        let [volume, room] = [volume, room].map(|name| group.volume(name).unwrap());
        then(&Pieces::of(&group, volume, 0, room).unwrap());
        // Every extent is where its old one's copy is, and none is lost.
        let pieces = Pieces::of(&group, volume, 0, room).unwrap();
        let moved = pieces.moved();
        assert_eq!(moved.iter().map(|segment| segment.len).sum::<u64>(), volume.extents());
        let placed = |segments: &[Segment]| {
            let mut all = Vec::new();
            for segment in segments {
                for at in 0..depth(segment) {
                    all.extend(legs(segment).iter().map(|leg| (leg.pv, leg.extent + at)));
                }
            }
            all
        };
        let copies = |(pv, extent): (usize, u64)| {
            let of = pieces
                .all
                .iter()
                .find(|it| it.old.pv == pv && (it.old.extent..it.old.extent + it.len).contains(&extent));
            of.map_or((pv, extent), |it| (it.new.pv, it.new.extent + (extent - it.old.extent)))
        };
        let expected: Vec<_> = placed(&volume.segments).into_iter().map(copies).collect();
        assert_eq!(placed(&moved), expected);
        assert!(expected.iter().all(|(pv, _)| *pv != 0), "{expected:?}");
    }

    #[test]
    fn a_linear_volume_stays_linear_and_its_room_is_in_use() {
        check("line", "to", |pieces| {
            let tables = pieces.copying("vg-to", &find).unwrap();
            assert!(is_moving(&tables.holder) && !is_mirror(&tables.holder));
            assert_eq!(tables.holder.to_string(), "0 80 linear vg-line-moving 0\n80 40 linear 9:1 2048");
            assert_eq!(
                tables.layer.to_string(),
                "0 32 mirror core 1 1024 2 9:0 2048 vg-to 0 1 handle_errors\n\
                 32 48 mirror core 1 1024 2 9:0 2080 vg-to 32 1 handle_errors"
            );
            assert_eq!(tables.room.to_string(), "0 32 linear 9:2 2048\n32 48 linear 9:2 2448");
        });
    }

    #[test]
    fn a_striped_volume_has_them_in_a_layer_below() {
        check("data", "room", |pieces| {
            let tables = pieces.copying("vg-room", &find).unwrap();
            assert!(is_moving(&tables.holder) && !is_mirror(&tables.holder));
            assert_eq!(
                tables.holder.to_string(),
                "0 80 linear vg-data-moving 0\n80 64 striped 2 16 9:1 2288 vg-data-moving 80"
            );
            assert_eq!(
                tables.layer.to_string(),
                "0 80 mirror core 1 1024 2 9:0 2208 vg-room 0 1 handle_errors\n\
                 80 8 mirror core 1 1024 2 9:0 2368 vg-room 80 1 handle_errors\n\
                 88 24 mirror core 1 1024 2 9:0 2376 vg-room 88 1 handle_errors"
            );
            // The second leg of the stripes has its first extent in one run and three in another.
            let moved = pieces.moved();
            assert_eq!(
                moved.iter().map(|it| (it.start, it.len)).collect::<Vec<_>>(),
                [(0, 10), (10, 2), (12, 6)]
            );
        });
    }

    #[test]
    fn what_does_not_fit_is_none() {
        let group: Group = fixture::group("vg", VOLUMES);
        let volume = |name: &str| group.volume(name).unwrap();
        assert!(Pieces::of(&group, volume("line"), 0, volume("room")).is_none(), "too much room");
        assert!(Pieces::of(&group, volume("data"), 0, volume("to")).is_none(), "too little");
        assert_eq!(extents(volume("data"), 0), 14);
        assert_eq!(beside(volume("data"), 0), BTreeSet::from([0, 1]));
    }
}
