//! The map file, `/run/mdadm/map`: which array has which kernel name and which path.
//!
//! One line an array: kernel name, metadata, UUID, path. Written anew as a whole and renamed into place.
//! mdadm keeps a UUID as four numbers of the machine: that of a 1.x array stands in the map with the bytes of each
//! group the other way round than everywhere else (observed with mdadm 4.6).

use superblock::MdUuid;

use crate::model::world::MapEntry;

/// Where it is.
pub const PATH: &str = "/run/mdadm/map";
/// What is written before it is renamed to [`PATH`].
pub const NEW: &str = "/run/mdadm/map.new";
const LONGEST_PATH: usize = 200;

/// Reads a map; lines that make no sense are left out.
pub fn parse(text: &str) -> Vec<MapEntry> {
    text.lines().filter_map(line).collect()
}

fn line(text: &str) -> Option<MapEntry> {
    let mut fields = text.split_ascii_whitespace();
    let devnm = fields.next().filter(|name| name.starts_with("md") && !name.contains('/'))?;
    let metadata = fields.next()?;
    let uuid: MdUuid = fields.next()?.parse().ok()?;
    let path = fields.next().unwrap_or_default();
    Some(MapEntry {
        devnm: devnm.to_owned(),
        metadata: metadata.to_owned(),
        uuid: turned(metadata, uuid),
        path: if path.len() > LONGEST_PATH { String::new() } else { path.to_owned() },
    })
}

/// Writes a map. A path that could not be read back is left out.
pub fn format(entries: &[MapEntry]) -> String {
    entries.iter().map(entry).collect()
}

fn entry(entry: &MapEntry) -> String {
    let readable =
        |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    let metadata = if readable(&entry.metadata) { &entry.metadata } else { "none" };
    let path = if readable(&entry.path) { &entry.path } else { "" };
    format!("{} {metadata} {} {path}\n", entry.devnm, turned(metadata, entry.uuid))
}

/// From the map's spelling to the usual one, and back.
fn turned(metadata: &str, uuid: MdUuid) -> MdUuid {
    if metadata.starts_with("1.") && cfg!(target_endian = "little") {
        MdUuid::from_words(uuid.words().map(u32::swap_bytes))
    } else {
        uuid
    }
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
    fn a_map_comes_back_as_it_was_written() {
        let text = "md127 1.2 00112233:44556677:8899aabb:ccddeeff /dev/md/home\n\
                    md126 /md125/0 00112233:44556677:8899aabb:ccddeef0 /dev/md/vol\n\
                    md_data none 00000000:00000000:00000000:00000000 \n";
        let entries = parse(text);
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[0].path, "/dev/md/home");
        assert_eq!(entries[0].uuid.to_string(), "33221100:77665544:bbaa9988:ffeeddcc");
        assert_eq!(entries[1].metadata, "/md125/0");
        assert_eq!(format(&entries), text);
    }

    #[test]
    fn nonsense_is_left_out_and_not_written() {
        assert!(parse("\nmd1\nmd1 1.2\nmd1 1.2 xyz /dev/x\nsda 1.2 0 0\n\0\n").is_empty());
        let odd = MapEntry {
            devnm: "md1".into(),
            metadata: String::new(),
            uuid: MdUuid([7; 16]),
            path: "/dev/md/a b\nmd2".into(),
        };
        let text = format(&[odd]);
        assert_eq!(text.lines().count(), 1);
        assert_eq!(parse(&text).len(), 1);
    }

    #[test]
    fn the_newest_entry_goes_first_and_replaces_its_like() {
        let entries = parse("md0 1.2 00112233:44556677:8899aabb:ccddeeff /dev/md0\nmd1 imsm 0:0:0:0\n");
        assert_eq!(entries.len(), 1);
        let moved = MapEntry { path: "/dev/md/a b".into(), ..entries[0].clone() };
        let entries = with(entries, &moved);
        assert_eq!((entries.len(), entries[0].path.as_str()), (1, "/dev/md/a b"));
        assert_eq!(parse(&format(&entries))[0].path, "");
        assert!(without(entries, "md0").is_empty());
    }
}
