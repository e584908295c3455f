//! The file: a magic, a JSON header, the bytes, a checksum over all of it. Everything read is hostile.

use serde::{Deserialize, Serialize};
use superblock::{Bytes, Write};

use super::{About, Entry, Identity, KeptDevice};

/// First in the file. Its number grows when older programs could misread the rest.
const MAGIC: &[u8; 16] = b"mdctl-archive-1\n";
/// The schema of the header.
const SCHEMA: &str = "mdctl.archive.1";
/// The largest file that is written or believed.
pub const LARGEST: Bytes = Bytes(128 << 20);
/// The largest header that is believed.
const LARGEST_HEADER: usize = 8 << 20;
/// Most devices of an entry.
const MOST_DEVICES: usize = 4096;

#[derive(Serialize, Deserialize)]
struct Header {
    schema: String,
    #[serde(flatten)]
    about: About,
    devices: Vec<DeviceHeader>,
}

#[derive(Serialize, Deserialize)]
struct DeviceHeader {
    #[serde(flatten)]
    device: Identity,
    before: Vec<Piece>,
    written: Vec<Piece>,
}

/// A range; its bytes follow those of the piece before it.
#[derive(Serialize, Deserialize)]
struct Piece {
    offset: u64,
    length: u64,
    crc32: u32,
}

/// Why a file is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    /// Not one of ours.
    #[error("it is no archive entry, or of a later version")]
    Magic,
    /// Shorter than it says.
    #[error("it is cut off")]
    Short,
    /// The checksum of the whole file.
    #[error("its checksum is wrong")]
    Checksum,
    /// The header.
    #[error("its header says nonsense: {0}")]
    Header(String),
}

/// The file of an entry.
///
/// # Errors
/// An entry larger than [`LARGEST`].
pub fn encode(entry: &Entry) -> Result<Vec<u8>, TooLarge> {
    let piece = |write: &Write| Piece {
        offset: write.at.0,
        length: u64::try_from(write.data.len()).unwrap_or(u64::MAX),
        crc32: crc32fast::hash(&write.data),
    };
    let devices = entry.devices.iter().map(|kept| DeviceHeader {
        device: kept.device.clone(),
        before: kept.before.iter().map(piece).collect(),
        written: kept.written.iter().map(piece).collect(),
    });
    let header = Header { schema: SCHEMA.to_owned(), about: entry.about.clone(), devices: devices.collect() };
    // Strings and numbers only: there is nothing that cannot be written.
    let header = serde_json::to_vec(&header).map_err(|_| TooLarge)?;
    let length = u32::try_from(header.len()).ok().filter(|_| header.len() <= LARGEST_HEADER);
    let mut file = MAGIC.to_vec();
    file.extend(length.ok_or(TooLarge)?.to_le_bytes());
    file.extend(header);
    for kept in &entry.devices {
        for write in kept.before.iter().chain(&kept.written) {
            file.extend_from_slice(&write.data);
            if u64::try_from(file.len()).unwrap_or(u64::MAX) > LARGEST.0 {
                return Err(TooLarge);
            }
        }
    }
    let sum = crc32fast::hash(&file);
    file.extend(sum.to_le_bytes());
    Ok(file)
}

/// More than an entry may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {} MiB would have to be kept", LARGEST.0 >> 20)]
pub struct TooLarge;

/// Reads a file.
///
/// # Errors
/// Why it is not believed.
pub fn decode(file: &[u8]) -> Result<Entry, Damaged> {
    let rest = file.strip_prefix(MAGIC).ok_or(Damaged::Magic)?;
    let (_, sum) = file.split_last_chunk::<4>().ok_or(Damaged::Short)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(Damaged::Short)?;
    let body = rest.get(..rest.len().saturating_sub(4)).unwrap_or_default();
    let covered = file.get(..file.len().saturating_sub(4)).unwrap_or_default();
    if crc32fast::hash(covered) != u32::from_le_bytes(*sum) {
        return Err(Damaged::Checksum);
    }
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length > LARGEST_HEADER {
        return Err(Damaged::Header("it is too long".into()));
    }
    let (header, payload) = body.split_at_checked(length).ok_or(Damaged::Short)?;
    let header: Header =
        serde_json::from_slice(header).map_err(|error| Damaged::Header(error.to_string()))?;
    if header.schema != SCHEMA {
        return Err(Damaged::Magic);
    }
    if header.devices.len() > MOST_DEVICES {
        return Err(Damaged::Header("too many devices".into()));
    }
    let mut payload = payload;
    let mut devices = Vec::new();
    for device in header.devices {
        let before = pieces(&device.before, device.device.size, &mut payload)?;
        let written = pieces(&device.written, device.device.size, &mut payload)?;
        apart(&before)?;
        devices.push(KeptDevice { device: device.device, before, written });
    }
    if !payload.is_empty() {
        return Err(Damaged::Header("there are bytes that belong to no range".into()));
    }
    Ok(Entry { about: header.about, devices })
}

fn pieces(pieces: &[Piece], size: u64, payload: &mut &[u8]) -> Result<Vec<Write>, Damaged> {
    let take = |piece: &Piece| {
        let (at, length) = (piece.offset, piece.length);
        let end = at.checked_add(length).filter(|end| *end <= size);
        if end.is_none() || length == 0 || at % 512 != 0 || length % 512 != 0 {
            return Err(Damaged::Header(format!("no range is {length} bytes at {at}")));
        }
        let length = usize::try_from(length).map_err(|_| Damaged::Short)?;
        let (data, rest) = payload.split_at_checked(length).ok_or(Damaged::Short)?;
        *payload = rest;
        if crc32fast::hash(data) != piece.crc32 {
            return Err(Damaged::Checksum);
        }
        Ok(Write { at: Bytes(at), data: data.to_vec() })
    };
    pieces.iter().map(take).collect()
}

/// Ranges that are put back lie in order and apart.
fn apart(before: &[Write]) -> Result<(), Damaged> {
    let end = |write: &Write| write.at.0.saturating_add(u64::try_from(write.data.len()).unwrap_or(u64::MAX));
    let ordered = before.iter().zip(before.iter().skip(1)).all(|(a, b)| end(a) <= b.at.0);
    if ordered { Ok(()) } else { Err(Damaged::Header("its ranges overlap".into())) }
}
