//! Differences between a snapshot and its origin: written as a stream, and put on a copy.

use std::{
    io::{BufWriter, Read, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use superblock::{
    Bytes, Media,
    cow::{Run, Store},
    delta::{Header, MAX_DATA, Next, Record, WINDOW},
};

use crate::{
    kernel::{Access, BlockDevice, files},
    model::delta::{Begun, header, replay},
    plan::run::Outdated,
};

/// What a stream is made of.
pub struct StreamSources<'a> {
    /// The snapshot's store.
    pub store: &'a dyn Media,
    /// How it is laid out.
    pub layout: Store,
    /// What has changed, from its list.
    pub runs: &'a [Run],
    /// What is there now: the origin, or a later snapshot.
    pub now: &'a dyn Media,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records.
    pub records: u64,
    /// Bytes of their data.
    pub bytes: Bytes,
}

/// Is told how much is done of how much.
pub type TellProgress<'a> = &'a dyn Fn(Bytes, Bytes);

/// Writes a stream. Chunks that are equal on both sides are left out.
pub fn write(
    header: &Header,
    from: &StreamSources<'_>,
    out: &mut dyn std::io::Write,
    told: TellProgress<'_>,
) -> Result<Summary> {
    let mut out = BufWriter::with_capacity(1 << 18, out);
    out.write_all(&header.encode())?;
    let mut summary = Summary::default();
    let chunk = from.layout.chunk().bytes().0;
    let size = header.size.bytes().0;
    let total = from.runs.iter().fold(0, |sum: u64, run| sum.saturating_add(run.len.saturating_mul(chunk)));
    let mut done = Bytes(0);
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for run in from.runs {
        let (mut at, mut place) = (run.old.saturating_mul(chunk), run.new.saturating_mul(chunk));
        let end = at.saturating_add(run.len.saturating_mul(chunk)).min(size);
        while at < end {
            let length = end.saturating_sub(at).min(MAX_DATA.into());
            old.resize(usize::try_from(length)?, 0);
            new.resize(usize::try_from(length)?, 0);
            from.store.read_at(Bytes(place), &mut old).context("reading the snapshot's store")?;
            from.now.read_at(Bytes(at), &mut new).context("reading the volume")?;
            let (base, data) = if header.reverse { (&new, &old) } else { (&old, &new) };
            for (from, to) in differing(base, data, usize::try_from(chunk)?.min(base.len())) {
                let start = Bytes(at.saturating_add(u64::try_from(from)?)).sectors();
                let (base, data) = (base.get(from..to), data.get(from..to));
                let (base, data) = base.zip(data).context("a piece of a chunk")?;
                let record = Record::new(start, base, data).context("a piece of a chunk")?;
                out.write_all(&Next::Record(record).encode())?;
                out.write_all(data)?;
                summary.records = summary.records.saturating_add(1);
                summary.bytes = summary.bytes.saturating_add(Bytes(record.length.into()));
            }
            (at, place) = (at.saturating_add(length), place.saturating_add(length));
            done = done.saturating_add(Bytes(length));
            told(done, Bytes(total));
        }
    }
    out.write_all(&Next::End(summary.records).encode())?;
    out.flush()?;
    Ok(summary)
}

/// Where two pieces differ, in whole chunks; neighbours joined.
fn differing(base: &[u8], data: &[u8], chunk: usize) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    for (left, right) in base.chunks(chunk.max(512)).zip(data.chunks(chunk.max(512))) {
        let end = at + left.len();
        if left != right {
            match found.last_mut() {
                Some((_, last)) if *last == at => *last = end,
                _ => found.push((at, end)),
            }
        }
        at = end;
    }
    found
}

/// The note that a stream was begun on a target, and the directories that it may be in.
#[derive(Clone, Copy)]
pub(super) struct Note<'a> {
    pub(super) begun: &'a Begun,
    pub(super) dirs: &'a [PathBuf],
}

impl Note<'_> {
    /// It is on stable storage, in the first directory that takes it.
    fn write(&self) -> Result<()> {
        let write = |dir: &PathBuf| {
            files::make_dirs(dir, 0o700)?;
            files::replace(&dir.join(&self.begun.name), self.begun.text.as_bytes(), 0o600)?;
            files::sync_dir(dir)
        };
        let mut last = None;
        for dir in self.dirs {
            match write(dir) {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        last.map_or(Ok(()), |error| Err(error.into()))
    }

    fn remove(&self) {
        for dir in self.dirs {
            // What stays allows no more than what was begun.
            let _ = files::remove(&dir.join(&self.begun.name));
        }
    }
}

/// Puts the stream of this header on a target that is kept for it.
pub(super) fn put(
    stream: &str,
    target: &str,
    (known, note): (&Header, Note<'_>),
    total: Bytes,
    told: TellProgress<'_>,
) -> Result<()> {
    let input = || files::open(Path::new(stream));
    let is_same = header(&mut input()?).is_ok_and(|now| now == *known);
    ensure!(is_same, Outdated(format!("somebody else changed {stream} meanwhile")));
    let device = BlockDevice::open(Path::new(target), Access::Write)?;
    note.write().context("noting that it is begun")?;
    apply(&mut input()?, &device, total, told)?;
    note.remove();
    Ok(())
}

/// Puts a stream on a target, in order, synced so that an interruption can be told from a wrong base.
fn apply(input: &mut dyn Read, target: &BlockDevice, total: Bytes, told: TellProgress<'_>) -> Result<()> {
    let (mut count, mut done) = (0_u64, Bytes(0));
    replay(input, &mut |record, data| {
        target.write_at(record.start.bytes(), data)?;
        if count % (WINDOW / 2) == 0 {
            target.sync()?;
        }
        count = count.saturating_add(1);
        done = done.saturating_add(Bytes(record.length.into()));
        told(done, total);
        Ok(())
    })?;
    Ok(target.sync()?)
}

#[cfg(test)]
mod tests {
    use anyhow::bail;
    use superblock::{Sectors, Write, cow};

    use super::*;
    use crate::model::delta::compare;

    const CHUNK: usize = 4096;

    /// A store with these chunks of a base of zeros, and what the volume has now.
    fn scene() -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let base: Vec<u8> = (0..40 * CHUNK).map(|at| u8::try_from(at / CHUNK).unwrap()).collect();
        let mut now = base.clone();
        let mut store = vec![0; 64 * CHUNK];
        let put =
            |bytes: &mut Vec<u8>, at: usize, from: &[u8]| bytes[at..at + from.len()].copy_from_slice(from);
        let Write { data, .. } = cow::Store::header(Sectors(8)).unwrap();
        put(&mut store, 0, &data);
        // Chunk 7 was copied and written with what was there before.
        for (nth, old) in [3, 4, 5, 20, 7, 39].into_iter().enumerate() {
            let entry =
                [u64::try_from(old).unwrap().to_le_bytes(), u64::try_from(nth + 2).unwrap().to_le_bytes()];
            put(&mut store, CHUNK + nth * 16, &entry.concat());
            put(&mut store, (nth + 2) * CHUNK, &base[old * CHUNK..][..CHUNK]);
            if old != 7 {
                put(&mut now, old * CHUNK, &[0xee; CHUNK]);
            }
        }
        (base, now, store)
    }

    fn stream(reverse: bool) -> (Vec<u8>, Summary) {
        let (_, now, store) = scene();
        let layout = cow::read(&store).unwrap().unwrap();
        let size = Media::len(&now).sectors();
        let scan = cow::scan(&store, &layout, Some(size)).unwrap();
        let header = Header {
            size,
            time: 1,
            group: [b'g'; 32],
            volume: [b'v'; 32],
            snapshot: [b's'; 32],
            reverse,
            records: scan.chunks(),
            bytes: Bytes(0),
        };
        let sources = StreamSources { store: &store, layout, runs: &scan.runs, now: &now };
        let mut out = Vec::new();
        let summary = write(&header, &sources, &mut out, &|_, _| ()).unwrap();
        (out, summary)
    }

    #[expect(clippy::disallowed_methods, reason = "a file of the test's own")]
    fn applied(stream: &[u8], to: &[u8], begun: bool) -> Result<Vec<u8>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("copy");
        std::fs::write(&path, to).unwrap();
        let device = BlockDevice::open(&path, Access::Write).unwrap();
        let compared = compare(&mut &*stream, &device, &|_| Ok(begun))?;
        if let Some(at) = compared.wrong {
            bail!("wrong at {}", at.0);
        }
        apply(&mut &*stream, &device, compared.bytes, &|_, _| ())?;
        Ok(std::fs::read(&path).unwrap())
    }

    #[test]
    fn a_copy_of_the_base_becomes_what_is_now_and_back() {
        let (base, now, _) = scene();
        let (forward, summary) = stream(false);
        assert_eq!(summary, Summary { records: 3, bytes: Bytes(5 * 4096) }, "equal chunks are left out");
        assert!(applied(&forward, &base, false).unwrap() == now);
        assert!(applied(&stream(true).0, &now, false).unwrap() == base);
        assert!(applied(&forward, &now, false).unwrap() == now, "once more does no harm");
    }

    #[test]
    fn cut_off_anywhere_it_is_repeated() {
        let (base, now, _) = scene();
        let forward = stream(false).0;
        for (done, torn) in [(3, 1000), (3 * CHUNK, 0), (6 * CHUNK, 100), (20 * CHUNK, 2048), (39 * CHUNK, 1)]
        {
            let mut half = base.clone();
            half[..done + torn].copy_from_slice(&now[..done + torn]);
            assert!(applied(&forward, &half, true).unwrap() == now, "{done}+{torn}");
            // A write that was cut off looks like another copy.
            let is_torn = [20, 39].contains(&(done / CHUNK));
            let whole = applied(&forward, &half, false);
            assert_eq!(whole.is_err(), is_torn, "{done}+{torn}");
        }
    }

    #[test]
    fn another_base_is_refused_and_so_is_a_damaged_stream() {
        let (base, _, _) = scene();
        let forward = stream(false).0;
        let mut other = base.clone();
        other[20 * CHUNK + 5] ^= 1;
        assert!(applied(&forward, &other, false).unwrap_err().to_string().contains("wrong at 160"));
        assert!(applied(&forward, &base[..30 * CHUNK], false).is_err(), "too small");
        for at in (0..forward.len()).step_by(97) {
            let mut damaged = forward.clone();
            damaged[at] ^= 0x10;
            assert!(applied(&damaged, &base, false).is_err(), "byte {at}");
        }
        for cut in [0, 100, 256, 300, forward.len() - 1] {
            assert!(applied(&forward[..cut], &base, false).is_err(), "cut at {cut}");
        }
    }
}
