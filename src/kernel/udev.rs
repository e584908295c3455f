//! udev's database: what its rules and libblkid found out about a device.

use std::collections::BTreeMap;

use super::{DevId, KernelError, Places, files};

/// One device's record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UdevRecord {
    /// `ID_FS_TYPE`, `ID_SERIAL`, `ID_PART_TABLE_TYPE`, …: text from the disk may be in the values.
    pub properties: BTreeMap<String, String>,
    /// Links to it, below /dev.
    pub links: Vec<String>,
}

/// The longest record that is believed.
const LONGEST: u64 = 1 << 20;

/// The record of a block device; `None` where udev has none, or is not there.
pub fn record(places: &Places, dev: DevId) -> Result<Option<UdevRecord>, KernelError> {
    let path = places.run.join("udev/data").join(format!("b{dev}"));
    let Some(bytes) = files::read(&path, LONGEST)? else { return Ok(None) };
    Ok(Some(parse(&String::from_utf8_lossy(&bytes))))
}

/// `E:KEY=VALUE` and `S:LINK` lines; other letters are udev's own affairs.
fn parse(text: &str) -> UdevRecord {
    let mut record = UdevRecord::default();
    for line in text.lines() {
        if let Some((key, value)) = line.strip_prefix("E:").and_then(|rest| rest.split_once('=')) {
            record.properties.insert(key.to_owned(), value.to_owned());
        } else if let Some(link) = line.strip_prefix("S:") {
            record.links.push(link.to_owned());
        }
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places { dev: "/dev".into(), run: dir.path().to_owned() };
        let dev = DevId { major: 8, minor: 1 };
        assert_eq!(record(&places, dev).unwrap(), None);
        files::make_dirs(&dir.path().join("udev/data"), 0o755).unwrap();
        let text = "S:disk/by-id/x\nI:12\nE:ID_FS_TYPE=ext4\nE:ID_FS_LABEL=a=b\nE:broken\nG:systemd\n\n";
        std::fs::write(dir.path().join("udev/data/b8:1"), text).unwrap();
        let found = record(&places, dev).unwrap().unwrap();
        assert_eq!(found.links, ["disk/by-id/x"]);
        assert_eq!(found.properties["ID_FS_TYPE"], "ext4");
        assert_eq!(found.properties["ID_FS_LABEL"], "a=b");
        assert_eq!(found.properties.len(), 2);
    }
}
