//! Streams of `mdctl volume snapshot diff`, read from their beginning, and how a target stands to one.

use std::{
    collections::BTreeMap,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow, bail};
use superblock::{
    Bytes, Media, Sectors,
    checksum::{crc32c, crc32c_raw},
    delta::{Found, HEAD, HEADER, Header, Judge, Next, Record},
    lvm::Group,
};

use super::volume::StoreSeen;

/// A stream, and the device that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeltaHead {
    /// What the stream says of itself.
    pub header: Header,
    /// The device's size.
    pub size: Bytes,
    /// Identities of the group and of the volume, as device names have them, where it is a volume.
    pub volume: Option<(String, String)>,
    /// What the target is known by.
    pub identity: String,
}

/// What is noted, before anything is written, of a stream that is put on a target: where the target was found neither base nor
/// result, this tells a write that was cut off from another copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The file's name.
    pub name: String,
    /// What it has.
    pub text: String,
}

impl Begun {
    /// `digest`: of the stream, see [`Compared`].
    #[must_use]
    pub fn new(digest: u32, target: &str) -> Self {
        let text = format!("stream {digest:08x}\ntarget {target}\n");
        Self { name: format!("{:08x}.begun", crc32c(text.as_bytes())), text }
    }

    /// Where notes are: in the first; what cannot be written there is in the second.
    #[must_use]
    pub fn dirs(state: &Path, run: &Path) -> [PathBuf; 2] {
        [state, run].map(|place| place.join("mdctl/begun"))
    }
}

/// A volume, and the snapshots that keep what is overwritten in it.
#[derive(Clone, Debug)]
pub struct KeptBy {
    /// Its group.
    pub group: Group,
    /// Its name.
    pub volume: String,
    /// The stores by the snapshots' names; why one cannot be read.
    pub stores: BTreeMap<String, Result<StoreSeen, String>>,
}

/// Reads a stream from its beginning, calling for each record with its data.
///
/// # Errors
/// It is damaged or was cut off.
pub fn replay(input: &mut dyn Read, each: &mut dyn FnMut(&Record, &[u8]) -> Result<()>) -> Result<Header> {
    let mut input = BufReader::with_capacity(1 << 18, input);
    let header = header(&mut input)?;
    let mut head = [0; HEAD];
    let mut data = Vec::new();
    let (mut records, mut end) = (0_u64, Sectors(0));
    loop {
        input.read_exact(&mut head).context("the stream has no end: it was cut off")?;
        let record = match Next::decode(&head, header.size)? {
            Next::End(count) if count == records => return Ok(header),
            Next::End(count) => bail!("the stream says that it has {count} records, and has {records}"),
            Next::Record(record) => record,
        };
        if record.start < end {
            bail!("the stream goes back to sector {}", record.start.0);
        }
        data.resize(usize::try_from(record.length)?, 0);
        input.read_exact(&mut data).context("the stream was cut off in a record")?;
        if !record.is_data(&data) {
            bail!("the data for sector {} is damaged: its checksum is wrong", record.start.0);
        }
        each(&record, &data)?;
        records = records.saturating_add(1);
        end = record.start.saturating_add(Bytes(record.length.into()).sectors());
    }
}

/// What a stream says of itself.
///
/// # Errors
/// It is none, or damaged.
pub fn header(input: &mut dyn Read) -> Result<Header> {
    let mut bytes = [0; HEADER];
    input
        .read_exact(&mut bytes)
        .map_err(|_| anyhow!("this is not a stream of a snapshot: it is too short"))?;
    Header::decode(&bytes)?.context("this is not a stream of `mdctl volume snapshot diff`")
}

/// How a target stands to a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Records.
    pub records: u64,
    /// Bytes of their data.
    pub bytes: Bytes,
    /// Of the header and of the heads of all records, which have the checksums of all data.
    pub digest: u32,
    /// All of it is there already.
    pub done: bool,
    /// The first sector at which the target is neither the base nor the result.
    pub wrong: Option<Sectors>,
}

/// Reads the whole stream, verifies it and compares it with the target. Nothing is written. `begun`: whether it is noted that the
/// stream of this digest was begun on the target.
///
/// # Errors
/// The stream is damaged or was cut off, or the target cannot be read.
pub fn compare(
    input: &mut dyn Read,
    target: &dyn Media,
    begun: &dyn Fn(u32) -> Result<bool>,
) -> Result<Compared> {
    let mut judge = Judge::default();
    let mut seen = Compared::default();
    let (mut there, mut digest) = (Vec::new(), 0);
    let header = replay(input, &mut |record, _| {
        there.resize(usize::try_from(record.length)?, 0);
        target.read_at(record.start.bytes(), &mut there).context("reading the target")?;
        // Data first: what is the same in both is there already.
        let found = if record.is_data(&there) {
            Found::Data
        } else if record.is_base(&there) {
            Found::Base
        } else {
            Found::Neither
        };
        judge.see(record.start, found);
        digest = crc32c_raw(digest, &Next::Record(*record).encode());
        seen.records = seen.records.saturating_add(1);
        seen.bytes = seen.bytes.saturating_add(Bytes(record.length.into()));
        Ok(())
    })?;
    seen.digest = crc32c_raw(digest, &header.encode());
    Ok(Compared { done: judge.is_done(), wrong: judge.wrong(begun(seen.digest)?), ..seen })
}
