//! What a device carries: every native superblock on it, and what is damaged, from two reads.
//!
//! A device may well carry several (a member of an old array made into one of a new; a disk and its last partition).
//! Which counts is the caller's decision; mdadm takes the latest creation time ([`Found::created`]).

use crate::{
    Damage, Media, Membership, Native, Unverified, What, bitmap,
    units::{Bytes, Sectors},
    v0, v1,
};

/// What was found on a device.
#[derive(Debug, Default)]
pub struct Probe {
    /// Superblocks in their places, in probe order: 0.90, 1.0, 1.1, 1.2.
    pub found: Vec<Found>,
    /// What is there and cannot be used, and what could not be read.
    pub damaged: Vec<Damage>,
}

/// A superblock and the bitmap that it names.
#[derive(Debug)]
pub struct Found {
    /// The superblock.
    pub superblock: Unverified<Native>,
    /// The bitmap's superblock, where the superblock names one and it is sound and this array's. mdadm drops
    /// the mention of any other.
    pub bitmap: Option<bitmap::Superblock>,
}

impl Found {
    /// What it says of its array, right or wrong. Decide nothing by it.
    #[must_use]
    pub fn fields(&self) -> &Native {
        self.superblock.fields()
    }

    /// When the array was created, seconds since 1970.
    #[must_use]
    pub fn created(&self) -> u64 {
        self.fields().created()
    }

    /// The format as the user writes it: "0.90", "1.2".
    #[must_use]
    pub fn format(&self) -> &'static str {
        self.fields().format().name()
    }

    /// Where the superblock is.
    #[must_use]
    pub fn at(&self) -> Sectors {
        self.fields().at()
    }

    /// What it says, if its checksum is right and its numbers are within bounds.
    ///
    /// # Errors
    /// [`Damage::Corrupt`] or [`Damage::Unsupported`] with what is wrong.
    pub fn verify(&self) -> Result<Membership, Damage> {
        self.superblock.check().map(|()| self.fields().membership())
    }
}

/// Looks for every native superblock. Through a [`Window`](crate::window::Window) that is at most two reads, more only
/// where one fails or a bitmap is out of reach.
#[must_use]
pub fn probe(media: &dyn Media) -> Probe {
    let mut probe = Probe::default();
    probe.note(v0::read(media).map(|sb| sb.map(|sb| sb.map(Native::V0))), media);
    for minor in v1::Minor::ALL {
        probe.note(v1::read(media, minor).map(|sb| sb.map(|sb| sb.map(Native::V1))), media);
    }
    probe
}

impl Probe {
    fn note(&mut self, outcome: Result<Option<Unverified<Native>>, Damage>, media: &dyn Media) {
        match outcome {
            Ok(None) => {}
            Ok(Some(superblock)) => {
                let mut found = Found { superblock, bitmap: None };
                if let Some(at) = found.fields().bitmap_at() {
                    match bitmap_of(media, at, found.fields().bitmap_uuid()) {
                        Ok(bitmap) => found.bitmap = Some(bitmap),
                        Err(damage) => self.damaged.push(damage),
                    }
                }
                self.found.push(found);
            }
            Err(damage) => self.damaged.push(damage),
        }
    }
}

fn bitmap_of(media: &dyn Media, at: Sectors, uuid: [u8; 16]) -> Result<bitmap::Superblock, Damage> {
    let wrong = |field, value, rule| Damage::Corrupt {
        format: "bitmap",
        at,
        what: What::Field { field, value, rule },
    };
    if at.bytes().saturating_add(Bytes(512)) > media.len() {
        return Err(wrong("bitmap_offset", at.0.into(), "on the device"));
    }
    let bitmap = bitmap::load(media, at)?;
    if bitmap.magic() != bitmap::MAGIC {
        return Err(wrong("magic", bitmap.magic().into(), "0x6d746962 where the superblock names a bitmap"));
    }
    if bitmap.uuid() != uuid {
        let [a, b, c, d, ..] = bitmap.uuid();
        let value = u32::from_be_bytes([a, b, c, d]);
        return Err(wrong("uuid", value.into(), "that of the array"));
    }
    bitmap.check(at)?;
    Ok(bitmap)
}
