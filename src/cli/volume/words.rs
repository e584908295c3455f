//! Sizes, names and device words of `volume`.

use superblock::Bytes;

use crate::request::volume::{Amount, Named, PercentOf, PvWord, Sign, SizeChange, VolumeName, Wipe};

/// A size: `10G`, `1.5t`, `25extents`, `50%FREE`. All units are powers of 1024, in either case.
pub(super) fn amount(text: &str) -> Result<Amount, String> {
    if let Some((number, of)) = text.split_once('%') {
        let percent = whole(number).ok_or_else(|| format!("`{number}` is no percentage"))?;
        let of = match of.to_ascii_uppercase().as_str() {
            "FREE" => PercentOf::Free,
            "VG" | "GROUP" => PercentOf::Group,
            "PVS" => PercentOf::Pvs,
            "ORIGIN" => PercentOf::Origin,
            "LV" | "VOLUME" => PercentOf::Volume,
            _ => return Err(format!("`%{of}` is none of %FREE, %VG, %PVS, %LV and %ORIGIN")),
        };
        return Ok(Amount::Percent(percent, of));
    }
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    if matches!(unit, "extents" | "extent") {
        return whole(number)
            .filter(|count| *count > 0)
            .map(Amount::Extents)
            .ok_or_else(|| format!("`{number}` is no number of extents"));
    }
    bytes(text).map(Amount::Bytes)
}

/// A size in bytes.
pub(super) fn bytes(text: &str) -> Result<Bytes, String> {
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let unit = unit.to_ascii_lowercase();
    let letter = unit.strip_suffix("ib").unwrap_or(&unit);
    let shift = match letter {
        "b" if unit == letter => 0,
        "s" if unit == letter => 9,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        "" => {
            return Err(format!(
                "which unit? {text}M and {text}G are sizes, {text}extents is a number of extents"
            ));
        }
        _ => return Err(format!("`{unit}` is no unit: b, s (sectors), K, M, G, T, P")),
    };
    let size = scaled(number, shift).ok_or_else(|| format!("`{text}` is no size"))?;
    if size == 0 { Err("a size of nothing".to_owned()) } else { Ok(Bytes(size)) }
}

/// A decimal fraction times a power of two, rounded up.
fn scaled(number: &str, shift: u32) -> Option<u64> {
    let (integer, fraction) = number.split_once('.').unwrap_or((number, ""));
    if integer.is_empty() || fraction.len() > 9 || fraction.contains('.') {
        return None;
    }
    let scale = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits: u128 = format!("{integer}{fraction}").parse().ok()?;
    let size = digits.checked_mul(1 << shift)?.div_ceil(scale);
    u64::try_from(size).ok().filter(|size| i64::try_from(*size).is_ok())
}

fn whole(text: &str) -> Option<u64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// A size, or how much more or less.
pub(super) fn change(text: &str) -> Result<SizeChange, String> {
    let (sign, rest) = match text.as_bytes().first() {
        Some(b'+') => (Some(Sign::Plus), &text[1..]),
        Some(b'-') => (Some(Sign::Minus), &text[1..]),
        _ => (None, text),
    };
    Ok(SizeChange { sign, amount: amount(rest)? })
}

/// A device, and which of its extents: `/dev/md0`, `/dev/md0:0-99:200-`, `/dev/md0:50+10`.
pub(super) fn pv(text: &str) -> Result<PvWord, String> {
    let (path, ranges) = match text.split_once(':') {
        Some((path, ranges)) => (path, Some(ranges)),
        None => (text, None),
    };
    if path.is_empty() {
        return Err(format!("`{text}` names no device"));
    }
    let ranges =
        ranges.into_iter().flat_map(|ranges| ranges.split(':')).map(range).collect::<Result<_, _>>()?;
    Ok(PvWord { path: path.to_owned(), ranges })
}

fn range(text: &str) -> Result<(u64, Option<u64>), String> {
    let wrong = || format!("`{text}` is no range of extents: 0-99, 200-, 50+10, 7");
    if let Some((first, count)) = text.split_once('+') {
        let (first, count) = (whole(first).ok_or_else(wrong)?, whole(count).ok_or_else(wrong)?);
        let last = count.checked_sub(1).and_then(|more| first.checked_add(more)).ok_or_else(wrong)?;
        return Ok((first, Some(last)));
    }
    let Some((first, last)) = text.split_once('-') else {
        let only = whole(text).filter(|_| !text.is_empty()).ok_or_else(wrong)?;
        return Ok((only, Some(only)));
    };
    let first = if first.is_empty() { 0 } else { whole(first).ok_or_else(wrong)? };
    let last = if last.is_empty() { None } else { Some(whole(last).ok_or_else(wrong)?) };
    if last.is_some_and(|last| last < first) { Err(wrong()) } else { Ok((first, last)) }
}

/// A group or a volume: `GROUP`, `GROUP/VOLUME`, the same below `/dev`, `/dev/mapper/GROUP-VOLUME`.
pub(super) fn named(text: &str) -> Result<Named, String> {
    if let Some(name) = text.strip_prefix("/dev/mapper/") {
        let parts = parts(name);
        return match &parts[..] {
            [group, volume] => Ok(Named { group: group.clone(), volume: Some(volume.clone()) }),
            _ => Err(format!(
                "`{text}` is no volume's name: there it is GROUP-VOLUME, with each hyphen in a part doubled"
            )),
        };
    }
    let name = text.strip_prefix("/dev/").unwrap_or(text);
    let name = name.strip_suffix('/').unwrap_or(name);
    let (group, volume) = match name.split_once('/') {
        Some((group, volume)) => (group, Some(volume)),
        None => (name, None),
    };
    if group.is_empty() || volume.is_some_and(|volume| volume.is_empty() || volume.contains('/')) {
        return Err(format!("`{text}` names no group and no volume: GROUP or GROUP/VOLUME"));
    }
    Ok(Named { group: group.to_owned(), volume: volume.map(str::to_owned) })
}

/// A volume.
pub(super) fn volume(text: &str) -> Result<VolumeName, String> {
    match named(text)? {
        Named { group, volume: Some(volume) } => Ok(VolumeName { group, volume }),
        Named { group, volume: None } => Err(format!("which volume of the group? {group}/VOLUME")),
    }
}

/// A group.
pub(super) fn group(text: &str) -> Result<String, String> {
    match named(text)? {
        Named { group, volume: None } => Ok(group),
        Named { .. } => Err(format!("`{text}` is a volume, not a group")),
    }
}

/// What `--wipe` says.
pub(super) fn wipe(text: &str) -> Result<Wipe, String> {
    match text {
        "ask" => Ok(Wipe::Ask),
        "yes" => Ok(Wipe::Yes),
        "no" => Ok(Wipe::No),
        _ => Err("ask, yes or no".to_owned()),
    }
}

/// The parts of a device-mapper name: between single hyphens; a doubled one is a hyphen.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut rest = name.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '-' && rest.next_if_eq(&'-').is_none() {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, size) in [
            ("10G", 10 << 30),
            ("10g", 10 << 30),
            ("10GiB", 10 << 30),
            ("1.5t", 3 << 39),
            ("512b", 512),
            ("3s", 1536),
            ("0.1k", 103),
            ("4m", 4 << 20),
        ] {
            assert_eq!(amount(text), Ok(Amount::Bytes(Bytes(size))), "{text}");
        }
        assert_eq!(amount("25extents"), Ok(Amount::Extents(25)));
        assert_eq!(amount("100%free"), Ok(Amount::Percent(100, PercentOf::Free)));
        assert_eq!(amount("30%PVS"), Ok(Amount::Percent(30, PercentOf::Pvs)));
        for wrong in [
            "",
            "10",
            "G",
            "1..5G",
            "1.5.2G",
            "-1G",
            "0G",
            "10X",
            "10%",
            "x%FREE",
            "9E",
            "99999999P",
            "0extents",
        ] {
            assert!(amount(wrong).is_err(), "{wrong}: {:?}", amount(wrong));
        }
        assert!(amount("10").unwrap_err().contains("which unit"));
        assert_eq!(change("+1G").unwrap().sign, Some(Sign::Plus));
        assert_eq!(
            change("-10%LV").unwrap(),
            SizeChange { sign: Some(Sign::Minus), amount: Amount::Percent(10, PercentOf::Volume) }
        );
        assert_eq!(change("7M").unwrap().sign, None);
    }

    #[test]
    fn names_in_all_forms() {
        for text in ["vg/data", "/dev/vg/data", "/dev/mapper/vg-data"] {
            assert_eq!(volume(text).unwrap().to_string(), "vg/data", "{text}");
        }
        assert_eq!(volume("/dev/mapper/my--vg-a--b").unwrap().to_string(), "my-vg/a-b");
        assert_eq!(group("/dev/vg").unwrap(), "vg");
        assert_eq!(named("vg").unwrap().volume, None);
        for wrong in ["", "/", "vg/", "vg/a/b", "/dev/mapper/vg", "/dev/mapper/vg-data-real"] {
            assert!(volume(wrong).is_err(), "{wrong}");
        }
        assert!(group("vg/data").is_err());
    }

    #[test]
    fn ranges_of_extents() {
        let word = |text: &str| pv(text).map(|word| word.ranges);
        assert_eq!(word("/dev/md0"), Ok(Vec::new()));
        assert_eq!(word("/dev/md0:0-99:200-:7"), Ok(vec![(0, Some(99)), (200, None), (7, Some(7))]));
        assert_eq!(word("/dev/md0:50+10"), Ok(vec![(50, Some(59))]));
        assert_eq!(word("/dev/md0:-9"), Ok(vec![(0, Some(9))]));
        for wrong in ["", ":0-1", "/dev/md0:", "/dev/md0:x", "/dev/md0:9-1", "/dev/md0:1+0", "/dev/md0:1-2-3"]
        {
            assert!(pv(wrong).is_err(), "{wrong}");
        }
    }
}
