//! What targets report while they run.

use superblock::Sectors;

use super::words;

/// The state of a snapshot, or of a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotStatus {
    /// How much of the store is used.
    Usage {
        /// In use, the store's own records included.
        allocated: Sectors,
        /// The store's size.
        total: Sectors,
        /// The store's own records.
        metadata: Sectors,
    },
    /// The store does not hold what it should: the snapshot is lost.
    Invalid,
    /// The store is full (only with [`super::Store::PersistentOverflow`]).
    Overflow,
    /// The merge met an error and stands still.
    MergeFailed,
    /// The store has not been read yet.
    Unknown,
}

impl SnapshotStatus {
    /// Whether a merge has nothing left to copy.
    #[must_use]
    pub fn is_merged(self) -> bool {
        matches!(self, Self::Usage { allocated, metadata, .. } if allocated == metadata)
    }
}

/// What one row reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing: linear, error, zero, an origin.
    Nothing,
    /// Each leg with `A` (alive) or `D`.
    Striped(Vec<(String, char)>),
    /// A snapshot or a merge.
    Snapshot(SnapshotStatus),
    /// A mirror.
    Mirror {
        /// Each leg with its health: `A`, `D`, `S`, `R`, `F` or `U`.
        legs: Vec<(String, char)>,
        /// Regions in sync.
        in_sync: u64,
        /// All regions.
        regions: u64,
    },
    /// Checksums.
    Integrity {
        /// Sectors whose checksum was wrong.
        mismatches: u64,
        /// Sectors that it offers.
        provided: Sectors,
        /// How far checksums have been computed; `None` where that is over or was never asked for.
        computed: Option<Sectors>,
    },
    /// What is only shown.
    Other(String),
}

impl Status {
    /// Reads what a target of this kind reports; what is not understood stays text.
    #[must_use]
    pub fn parse(kind: &str, text: &str) -> Self {
        let words = words::split(text);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let read = match kind {
            "striped" => striped(&words),
            "snapshot" | "snapshot-merge" => snapshot(text.trim()).map(Self::Snapshot),
            "mirror" => mirror(&words),
            "integrity" => integrity(&words),
            _ => None,
        };
        read.unwrap_or_else(|| match words.is_empty() {
            true => Self::Nothing,
            false => Self::Other(text.to_owned()),
        })
    }
}

fn snapshot(text: &str) -> Option<SnapshotStatus> {
    Some(match text {
        "Invalid" => SnapshotStatus::Invalid,
        "Overflow" => SnapshotStatus::Overflow,
        "Merge failed" => SnapshotStatus::MergeFailed,
        "Unknown" => SnapshotStatus::Unknown,
        usage => {
            let (used, metadata) = usage.split_once(' ')?;
            let (allocated, total) = used.split_once('/')?;
            let sectors = |text: &str| text.parse().ok().map(Sectors);
            SnapshotStatus::Usage {
                allocated: sectors(allocated)?,
                total: sectors(total)?,
                metadata: sectors(metadata)?,
            }
        }
    })
}

/// Legs, each with its letter.
type Health = Vec<(String, char)>;

/// The legs and their health, and the words between and after.
fn legs<'a>(words: &[&'a str], between: usize) -> Option<(Health, Vec<&'a str>)> {
    let (count, rest) = words.split_first()?;
    let count = count.parse().ok().filter(|count| *count <= rest.len())?;
    let (names, rest) = rest.split_at(count);
    let middle = rest.get(..between)?.to_vec();
    let health = rest.get(between + 1)?;
    (health.len() == count && rest.get(between) == Some(&"1")).then(|| {
        let legs = names.iter().zip(health.chars()).map(|(name, health)| ((*name).to_owned(), health));
        (legs.collect(), middle)
    })
}

fn striped(words: &[&str]) -> Option<Status> {
    legs(words, 0).map(|(legs, _)| Status::Striped(legs))
}

fn mirror(words: &[&str]) -> Option<Status> {
    let (legs, middle) = legs(words, 1)?;
    let (in_sync, regions) = middle.first()?.split_once('/')?;
    Some(Status::Mirror { legs, in_sync: in_sync.parse().ok()?, regions: regions.parse().ok()? })
}

fn integrity(words: &[&str]) -> Option<Status> {
    let [mismatches, provided, computed] = words else { return None };
    let computed = match *computed {
        "-" => None,
        at => Some(Sectors(at.parse().ok()?)),
    };
    Some(Status::Integrity {
        mismatches: mismatches.parse().ok()?,
        provided: Sectors(provided.parse().ok()?),
        computed,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reports_of_the_driver() {
        let usage = |a, t, m| SnapshotStatus::Usage {
            allocated: Sectors(a),
            total: Sectors(t),
            metadata: Sectors(m),
        };
        for (kind, text, status) in [
            ("linear", "", Status::Nothing),
            ("snapshot", "16/2048 16", Status::Snapshot(usage(16, 2048, 16))),
            ("snapshot", "Invalid", Status::Snapshot(SnapshotStatus::Invalid)),
            ("snapshot-merge", "Merge failed", Status::Snapshot(SnapshotStatus::MergeFailed)),
            ("striped", "2 8:0 8:16 1 AD", Status::Striped(vec![("8:0".into(), 'A'), ("8:16".into(), 'D')])),
            (
                "mirror",
                "2 8:0 8:16 14/64 1 AA 1 core",
                Status::Mirror {
                    legs: vec![("8:0".into(), 'A'), ("8:16".into(), 'A')],
                    in_sync: 14,
                    regions: 64,
                },
            ),
            (
                "integrity",
                "0 1000 -",
                Status::Integrity { mismatches: 0, provided: Sectors(1000), computed: None },
            ),
            ("striped", "9 8:0", Status::Other("9 8:0".into())),
            ("snapshot", "1/x 2", Status::Other("1/x 2".into())),
        ] {
            assert_eq!(Status::parse(kind, text), status, "{kind} {text}");
        }
        assert!(usage(16, 2048, 16).is_merged() && !usage(24, 2048, 16).is_merged());
    }

    proptest! {
        #[test]
        fn any_text(kind in "striped|snapshot|mirror|integrity", text in "[0-9/ :A-]{0,30}") {
            let _ = Status::parse(&kind, &text);
        }
    }
}
