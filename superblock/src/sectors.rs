//! A device as a short text: its size and the sectors that are not zero. Fixtures and recorded machines are kept so.
//!
//! ```text
//! size 67108864
//! 8: fc4e2ba901000000
//! 17+7: *ff
//! ```
//! The size is in bytes. A line has a sector's number and its bytes in hex, zeros to its end left out; with `+N` it
//! stands for N further sectors like it, with `*` the one byte fills the sector. Lines ascend. `#` begins a comment.

use std::{collections::BTreeMap, fmt, io, str::FromStr};

use crate::{
    Media, Write,
    units::{Bytes, Sectors},
};

const SECTOR: usize = 512;

/// A device of which only the sectors that are not zero are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SectorMap {
    len: Bytes,
    runs: BTreeMap<u64, Run>,
}

/// Equal sectors in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    further: u64,
    bytes: Vec<u8>,
}

/// A line that is not of this format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {0} is not `size BYTES` or `SECTOR[+N]: [*]HEX` in ascending order")]
pub struct BadLine(pub usize);

impl SectorMap {
    /// A device of zeros.
    #[must_use]
    pub fn zeros(len: Bytes) -> Self {
        Self { len, runs: BTreeMap::new() }
    }

    /// Keeps what is not zero of a device, reading all of it.
    ///
    /// # Errors
    /// The device's.
    pub fn of(media: &dyn Media) -> io::Result<Self> {
        let mut map = Self::zeros(media.len());
        let mut buf = vec![0; 1 << 20];
        let mut at = Bytes(0);
        while at < map.len {
            let here = usize::try_from(map.len.saturating_sub(at).0).unwrap_or(usize::MAX).min(buf.len());
            let part = buf.get_mut(..here).unwrap_or_default();
            media.read_at(at, part)?;
            for (nth, sector) in part.chunks(SECTOR).enumerate() {
                let number = at.sectors().0.saturating_add(u64::try_from(nth).unwrap_or(0));
                map.append(number, 0, sector);
            }
            at = at.saturating_add(Bytes(u64::try_from(here).unwrap_or(u64::MAX)));
        }
        Ok(map)
    }

    /// Adds sectors behind all others, joining them to an equal run.
    fn append(&mut self, number: u64, further: u64, sector: &[u8]) {
        if sector.iter().all(|&byte| byte == 0) {
            return;
        }
        let mut bytes = sector.to_vec();
        bytes.resize(SECTOR, 0);
        let last = self.runs.iter_mut().next_back();
        let equal = last.filter(|(start, run)| {
            start.saturating_add(run.further).saturating_add(1) == number && run.bytes == bytes
        });
        if let Some((_, run)) = equal {
            run.further = run.further.saturating_add(further).saturating_add(1);
            return;
        }
        self.runs.insert(number, Run { further, bytes });
    }

    /// The sectors that are not zero, each with its bytes.
    pub fn sectors(&self) -> impl Iterator<Item = (Sectors, &[u8])> {
        self.runs.iter().flat_map(|(&start, run)| {
            (0..=run.further).map(move |nth| (Sectors(start.saturating_add(nth)), run.bytes.as_slice()))
        })
    }

    /// Overwrites a range, in whole sectors; what lies beyond the end is dropped.
    pub fn write(&mut self, write: &Write) {
        let mut all: BTreeMap<u64, Vec<u8>> =
            self.sectors().map(|(number, bytes)| (number.0, bytes.to_vec())).collect();
        for (nth, sector) in write.data.chunks(SECTOR).enumerate() {
            let number = write.at.sectors().0.saturating_add(u64::try_from(nth).unwrap_or(u64::MAX));
            if Sectors(number) < self.len.sectors() {
                all.insert(number, sector.to_vec());
            }
        }
        self.runs.clear();
        for (number, bytes) in all {
            self.append(number, 0, &bytes);
        }
    }

    fn sector(&self, number: u64) -> Option<&[u8]> {
        let (start, run) = self.runs.range(..=number).next_back()?;
        (number.checked_sub(*start)? <= run.further).then_some(&run.bytes)
    }
}

impl Media for SectorMap {
    fn len(&self) -> Bytes {
        self.len
    }

    fn read_at(&self, offset: Bytes, buf: &mut [u8]) -> io::Result<()> {
        let len = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        if offset.checked_add(Bytes(len)).is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut number = offset.sectors().0;
        let mut skip = usize::try_from(offset.0 % 512).unwrap_or(0);
        let mut rest = buf;
        while !rest.is_empty() {
            let here = SECTOR.saturating_sub(skip).min(rest.len());
            let (part, next) = rest.split_at_mut(here);
            let bytes =
                self.sector(number).and_then(|bytes| bytes.get(skip..)).and_then(|bytes| bytes.get(..here));
            match bytes {
                Some(bytes) => part.copy_from_slice(bytes),
                None => part.fill(0),
            }
            (rest, skip, number) = (next, 0, number.saturating_add(1));
        }
        Ok(())
    }
}

impl fmt::Display for SectorMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "size {}", self.len.0)?;
        for (start, run) in &self.runs {
            write!(f, "{start}")?;
            if run.further > 0 {
                write!(f, "+{}", run.further)?;
            }
            f.write_str(": ")?;
            let used = run.bytes.iter().rposition(|&byte| byte != 0).unwrap_or(0).saturating_add(1);
            match run.bytes.as_slice() {
                [first, rest @ ..] if rest.iter().all(|byte| byte == first) => write!(f, "*{first:02x}")?,
                bytes => bytes.iter().take(used).try_for_each(|byte| write!(f, "{byte:02x}"))?,
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl FromStr for SectorMap {
    type Err = BadLine;

    fn from_str(text: &str) -> Result<Self, BadLine> {
        let mut map = Self::default();
        let lines = text.lines().enumerate().map(|(nth, line)| (nth.saturating_add(1), line.trim()));
        for (nth, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            map.line(line).ok_or(BadLine(nth))?;
        }
        Ok(map)
    }
}

impl SectorMap {
    fn line(&mut self, line: &str) -> Option<()> {
        if let Some(size) = line.strip_prefix("size ") {
            self.len = Bytes(size.parse().ok()?);
            return Some(());
        }
        let (place, hex) = line.split_once(": ")?;
        let (number, further) = place.split_once('+').unwrap_or((place, "0"));
        let (number, further): (u64, u64) = (number.parse().ok()?, further.parse().ok()?);
        let free = self
            .runs
            .iter()
            .next_back()
            .map_or(0, |(at, run)| at.saturating_add(run.further).saturating_add(1));
        let last = number.checked_add(further)?;
        if number < free || Sectors(last) >= self.len.sectors() {
            return None;
        }
        let bytes = match hex.strip_prefix('*') {
            Some(byte) => vec![*parse_hex(byte)?.first()?; SECTOR],
            None => parse_hex(hex)?,
        };
        self.append(number, further, &bytes);
        Some(())
    }
}

fn parse_hex(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0 && digits.len() <= 2 * SECTOR)?;
    Some(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trip() {
        let mut device = vec![0; 20 * 512];
        device[8 * 512..][..4].copy_from_slice(&[1, 2, 0, 3]);
        device[10 * 512..13 * 512].fill(0xff);
        device[19 * 512 + 511] = 7;
        let map = SectorMap::of(&device).unwrap();
        let text = map.to_string();
        assert!(text.starts_with("size 10240\n8: 01020003\n10+2: *ff\n19: 00"), "{text}");
        assert_eq!(text.parse(), Ok(map.clone()));
        let mut back = vec![0xa5; device.len()];
        map.read_at(Bytes(0), &mut back).unwrap();
        assert!(back == device);
        let mut part = [0xa5; 700];
        map.read_at(Bytes(10 * 512 - 100), &mut part).unwrap();
        assert!(part[..100].iter().all(|&b| b == 0) && part[100..].iter().all(|&b| b == 0xff));
        assert!(map.read_at(Bytes(10240 - 699), &mut part).is_err());
        assert!(map.read_at(Bytes(u64::MAX), &mut part).is_err());
    }

    #[test]
    fn writing_splits_and_joins_runs() {
        let mut map: SectorMap = "size 5120\n1+3: *ff".parse().unwrap();
        map.write(&Write { at: Bytes(1024), data: vec![0; 512] });
        assert_eq!(map.to_string(), "size 5120\n1: *ff\n3+1: *ff\n");
        map.write(&Write { at: Bytes(1024), data: vec![0xff; 512] });
        assert_eq!(map.to_string(), "size 5120\n1+3: *ff\n");
        map.write(&Write { at: Bytes(9 * 512), data: vec![1; 1024] });
        assert_eq!(map.to_string(), "size 5120\n1+3: *ff\n9: *01\n");
    }

    #[test]
    fn bad_lines_are_named() {
        for (text, line) in [
            ("size x", 1),
            ("size 1024\n2: 00", 2),
            ("size 1024\n# fine\n0: 0", 3),
            ("size 1024\n1: 01\n0: 01", 3),
            ("size 1024\n0+2: 01", 2),
            ("size 1024\n0: *", 2),
            ("size 1024\n0: \u{e9}1", 2),
            ("size 1024\n0+18446744073709551615: 01", 2),
            ("hello", 1),
        ] {
            assert_eq!(text.parse::<SectorMap>(), Err(BadLine(line)), "{text}");
        }
    }
}
