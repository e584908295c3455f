//! What lies where on an array: partitions, volumes, file systems.

use superblock::{Bytes, Level, Sectors};

/// A part of an array, and what it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins on the array.
    pub start: Bytes,
    /// How long it is.
    pub length: Bytes,
    /// The device that has it: the array, a partition of it, a volume.
    pub device: String,
    /// Where it begins there.
    pub at: Bytes,
    /// Of a striped volume: how many bytes of the device lie here side by side, and after how many stripes the next of
    /// them follow.
    pub stripe: Option<(Bytes, u64)>,
    /// What is on the device.
    pub content: OnDevice,
}

/// What is on a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnDevice {
    /// Its kind, and its label where it has one; none where nothing is known.
    pub what: Option<String>,
    /// Where it is mounted.
    pub mounted: Option<String>,
    /// What it is for.
    pub purpose: Purpose,
}

/// What it matters whether its bytes are right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// Data, as far as anybody can tell.
    #[default]
    Data,
    /// Swap: what is read was written before, or is not used.
    Swap,
    /// No volume has it.
    Free,
    /// What a group of volumes says of itself.
    Metadata,
}

/// A place of an array, and what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArraySpot {
    /// Where it begins on the array.
    pub start: Sectors,
    /// How long it is.
    pub length: Sectors,
    /// The device that has it, where it begins there, and what is on that device. None: nothing is known.
    pub on: Option<(String, Bytes, OnDevice)>,
}

impl ArraySpot {
    /// Whether nobody has anything there that would be read wrongly.
    #[must_use]
    pub fn is_harmless(&self, level: Option<Level>) -> bool {
        let mirrors = matches!(level, Some(Level::Raid1 | Level::Raid10));
        match self.on.as_ref().map(|(.., content)| content.purpose) {
            Some(Purpose::Free) => true,
            Some(Purpose::Swap) => mirrors,
            Some(Purpose::Data | Purpose::Metadata) | None => false,
        }
    }
}

/// What lies in a range of an array. `pieces` in the order of the array.
#[must_use]
pub fn spots(pieces: &[Piece], (start, length): (Sectors, Sectors)) -> Vec<ArraySpot> {
    let (mut at, end) = (start.bytes().0, start.saturating_add(length).bytes().0);
    let mut spots = Vec::new();
    while at < end {
        let covers =
            |piece: &&Piece| piece.start.0 <= at && at < piece.start.0.saturating_add(piece.length.0);
        let (until, on) = match pieces.iter().find(covers) {
            Some(piece) => {
                let (inside, run) = piece.at(at - piece.start.0);
                let until = piece.start.0.saturating_add(piece.length.0).min(at.saturating_add(run));
                (until, Some((piece.device.clone(), Bytes(inside), piece.content.clone())))
            }
            None => {
                let next = pieces.iter().map(|piece| piece.start.0).find(|start| *start > at);
                (next.unwrap_or(end), None)
            }
        };
        let until = until.clamp(at.saturating_add(1), end.max(at.saturating_add(1)));
        let length = Bytes(until - at).sectors();
        spots.push(ArraySpot { start: Bytes(at).sectors(), length, on });
        at = until;
    }
    spots
}

impl Piece {
    /// Where a byte of it is on its device, and how many follow there.
    fn at(&self, inside: u64) -> (u64, u64) {
        let start = self.at.0;
        match self.stripe.filter(|(size, _)| size.0 > 0) {
            Some((size, count)) => {
                let (row, rest) = (inside / size.0, inside % size.0);
                let at = row.saturating_mul(size.0).saturating_mul(count).saturating_add(rest);
                (start.saturating_add(at), size.0 - rest)
            }
            None => (start.saturating_add(inside), u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_range_has_its_device() {
        let piece = |start: u64, length: u64, device: &str, at: u64, stripe| Piece {
            start: Bytes(start << 10),
            length: Bytes(length << 10),
            device: device.into(),
            at: Bytes(at << 10),
            stripe,
            content: OnDevice::default(),
        };
        let pieces = [
            piece(8, 8, "/dev/vg/a", 4, None),
            // The second of three stripes of 2 KiB.
            piece(32, 8, "/dev/vg/b", 2, Some((Bytes(2048), 3))),
        ];
        let found = |start: u64, length: u64| {
            let all = spots(&pieces, (Sectors(start * 2), Sectors(length * 2))).into_iter();
            let shown = |spot: ArraySpot| {
                let on = spot.on.map(|(device, at, _)| format!("{device} {}", at.0 >> 10));
                (spot.start.0 / 2, spot.length.0 / 2, on.unwrap_or_default())
            };
            all.map(shown).collect::<Vec<_>>()
        };
        let on = |start, length, on: &str| (start, length, on.to_owned());
        assert_eq!(
            found(4, 16),
            [on(4, 4, ""), on(8, 8, "/dev/vg/a 4"), on(16, 4, "")],
            "before, on and behind"
        );
        assert_eq!(found(10, 2), [on(10, 2, "/dev/vg/a 6")]);
        assert_eq!(found(33, 3), [on(33, 1, "/dev/vg/b 3"), on(34, 2, "/dev/vg/b 8")]);
        assert_eq!(found(50, 1), [on(50, 1, "")]);
        assert_eq!(found(50, 0), []);
    }

    #[test]
    fn swap_is_harmless_on_mirrors_and_free_space_everywhere() {
        let spot = |purpose| ArraySpot {
            start: Sectors(0),
            length: Sectors(8),
            on: Some(("/dev/x".into(), Bytes(0), OnDevice { purpose, ..OnDevice::default() })),
        };
        for (purpose, on_mirror, on_parity) in [
            (Purpose::Data, false, false),
            (Purpose::Swap, true, false),
            (Purpose::Free, true, true),
            (Purpose::Metadata, false, false),
        ] {
            assert_eq!(spot(purpose).is_harmless(Some(Level::Raid1)), on_mirror, "{purpose:?}");
            assert_eq!(spot(purpose).is_harmless(Some(Level::Raid5)), on_parity, "{purpose:?}");
        }
    }
}
