//! The map file `/run/mdadm/map`: which array has which kernel name and which path. One line per array:
//! `devnm metadata uuid path`, separated by blanks (observed with mdadm 4.6).

use crate::model::world::MapEntry;

/// Reads the lines that can be read; others are left out, as the original does.
#[must_use]
pub fn parse(text: &str) -> Vec<MapEntry> {
    text.lines().filter_map(line).collect()
}

fn line(text: &str) -> Option<MapEntry> {
    let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
    let devnm = words.next()?.to_owned();
    let metadata = words.next()?.to_owned();
    let uuid = words.next()?.parse().ok()?;
    let path = words.next().unwrap_or_default().to_owned();
    Some(MapEntry { devnm, metadata, uuid, path })
}

/// The file's text. Entries whose words would not survive (blanks, control characters) lose their path.
#[must_use]
pub fn format(entries: &[MapEntry]) -> String {
    entries
        .iter()
        .map(|entry| {
            let fits = !entry.path.contains(|c: char| c.is_whitespace() || c.is_control());
            let path = if fits { entry.path.as_str() } else { "" };
            format!("{} {} {} {path}\n", entry.devnm, entry.metadata, entry.uuid)
        })
        .collect()
}

/// The entries with this one in place of any with the same kernel name.
#[must_use]
pub fn with(entries: Vec<MapEntry>, new: &MapEntry) -> Vec<MapEntry> {
    let mut entries = without(entries, &new.devnm);
    // The newest goes first, where a search by UUID finds it.
    entries.insert(0, new.clone());
    entries
}

/// The entries without this kernel name.
#[must_use]
pub fn without(entries: Vec<MapEntry>, devnm: &str) -> Vec<MapEntry> {
    entries.into_iter().filter(|entry| entry.devnm != devnm).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_odd_lines() {
        let text = "md0 1.2 c739cb09:dbcb8a25:cc23bd72:d8dbec0b /dev/md0\n\nbad line\nmd1 0.90 x /dev/md1\n\
                    md127 imsm 00000000:00000000:00000000:00000001 \n";
        let entries = parse(text);
        assert_eq!(entries.iter().map(|e| e.devnm.as_str()).collect::<Vec<_>>(), ["md0", "md127"]);
        assert_eq!(parse(&format(&entries)), entries);
        let moved = MapEntry { path: "/dev/md/a b".into(), ..entries[0].clone() };
        assert_eq!(parse(&format(&with(entries, &moved)))[0].path, "");
    }
}
