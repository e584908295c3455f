//! UUIDs by which programs know their own devices: `LVM-`, the group, the volume, and for a hidden layer its name.

/// What LVM2's begin with.
pub const LVM: &str = "LVM-";
/// What our own private devices begin with (overlays, trials): no rule of udev takes them for a volume.
pub const PRIVATE: &str = "MDOV-";
/// The most that the driver keeps.
pub const LONGEST: usize = 128;
/// Characters of a group's or a volume's own UUID, without hyphens.
const HALF: usize = 32;

/// The UUID of a volume, or of one of its layers. `group` and `volume`: 32 characters without hyphens, or with.
#[must_use]
pub fn lvm(group: &str, volume: &str, layer: Option<&str>) -> String {
    let plain = |id: &str| id.chars().filter(|c| *c != '-').collect::<String>();
    let uuid = format!("{LVM}{}{}", plain(group), plain(volume));
    match layer {
        Some(layer) => format!("{uuid}-{layer}"),
        None => uuid,
    }
}

/// What all devices of a group begin with: the filter of one list call.
#[must_use]
pub fn group_prefix(group: &str) -> String {
    lvm(group, "", None)
}

/// The parts of an LVM2 volume's UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lvm<'a> {
    /// The group, 32 characters.
    pub group: &'a str,
    /// The volume, 32 characters.
    pub volume: &'a str,
    /// The layer.
    pub layer: Option<&'a str>,
}

/// Reads one; `None` for what belongs to somebody else.
#[must_use]
pub fn parse(uuid: &str) -> Option<Lvm<'_>> {
    let rest = uuid.strip_prefix(LVM)?;
    let (group, rest) = rest.split_at_checked(HALF)?;
    let (volume, rest) = rest.split_at_checked(HALF)?;
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'!' || b == b'#');
    let layer = match rest {
        "" => None,
        rest => Some(rest.strip_prefix('-').filter(|layer| !layer.is_empty())?),
    };
    (plain(group) && plain(volume)).then_some(Lvm { group, volume, layer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let (group, volume) = ("a".repeat(32), "B1".repeat(16));
        let uuid = lvm(&group, &volume, Some("real"));
        let expected = Lvm { group: &group, volume: &volume, layer: Some("real") };
        assert_eq!(parse(&uuid), Some(expected));
        assert!(uuid.starts_with(&group_prefix(&group)));
        let hyphens = "abcdef-abcd-abcd-abcd-abcd-abcd-abcdef";
        assert_eq!(lvm(hyphens, &volume, None).len(), 4 + 64);
        for bad in ["LVM-", "CRYPT-x", "LVM-é", &uuid[..60], &format!("{}x", lvm(&group, &volume, None))] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
