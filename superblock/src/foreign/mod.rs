//! What else is on a device: what would be destroyed by writing here.
//!
//! A table of magics, each with the place that its owner's documentation gives, and where it is cheap the label,
//! the UUID and the size. All of it is in the first 144 KiB or the last sectors, so [`crate::window::Window`] serves
//! it. Nothing is verified beyond the magic: too many warnings are better than one too few.

mod details;
mod partitions;

use std::fmt;

use crate::{Damage, Media, Write, units::Bytes};

pub use partitions::Table;

/// The kinds that are known, named as their owners name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Ext2,
    Ext3,
    Ext4,
    Reiserfs,
    Xfs,
    Btrfs,
    F2fs,
    Jfs,
    Erofs,
    Squashfs,
    Iso9660,
    Vfat,
    Exfat,
    Ntfs,
    Bitlocker,
    Swap,
    Luks1,
    Luks2,
    Integrity,
    Verity,
    Lvm2,
    Bcache,
    Bcachefs,
    Zfs,
    Stratis,
    Vdo,
    Ddf,
    Imsm,
    Gpt,
    Mbr,
}

impl Kind {
    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext2 => "ext2",
            Self::Ext3 => "ext3",
            Self::Ext4 => "ext4",
            Self::Reiserfs => "reiserfs",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::F2fs => "f2fs",
            Self::Jfs => "jfs",
            Self::Erofs => "erofs",
            Self::Squashfs => "squashfs",
            Self::Iso9660 => "iso9660",
            Self::Vfat => "vfat",
            Self::Exfat => "exfat",
            Self::Ntfs => "ntfs",
            Self::Bitlocker => "BitLocker",
            Self::Swap => "swap",
            Self::Luks1 => "LUKS1",
            Self::Luks2 => "LUKS2",
            Self::Integrity => "dm-integrity",
            Self::Verity => "dm-verity",
            Self::Lvm2 => "LVM2 physical volume",
            Self::Bcache => "bcache",
            Self::Bcachefs => "bcachefs",
            Self::Zfs => "ZFS",
            Self::Stratis => "Stratis",
            Self::Vdo => "VDO",
            Self::Ddf => "DDF",
            Self::Imsm => "Intel Matrix RAID",
            Self::Gpt => "GPT partition table",
            Self::Mbr => "MBR partition table",
        }
    }

    /// One of ext2, ext3 and ext4, which mdadm does not tell apart.
    #[must_use]
    pub fn is_ext(self) -> bool {
        matches!(self, Self::Ext2 | Self::Ext3 | Self::Ext4)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something foreign that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// What it is.
    pub kind: Kind,
    /// Where its magic is.
    pub at: Bytes,
    /// How large it says that it is.
    pub size: Option<Bytes>,
    /// Its label. Not trusted: any bytes.
    pub label: Option<Vec<u8>>,
    /// Its UUID in its owner's spelling.
    pub uuid: Option<String>,
    /// When it was last mounted or written, seconds since 1970; ext only.
    pub mtime: Option<u32>,
    /// What a partition table says.
    pub table: Option<Table>,
}

impl Foreign {
    /// Where zeroes make firmware and scans forget it: the sector by which RAID of firmware is known, of 512 bytes or of
    /// 4 KiB as its place says. `None` for everything else.
    #[must_use]
    pub fn anchor(&self, device: Bytes) -> Option<Write> {
        let from_end = device.checked_sub(self.at)?.0;
        let sector = if self.kind == Kind::Ddf {
            from_end
        } else if self.kind == Kind::Imsm {
            from_end.checked_div(2)?
        } else {
            return None;
        };
        let length = usize::try_from(sector).ok().filter(|length| matches!(length, 512 | 4096))?;
        Some(Write { at: self.at, data: vec![0; length] })
    }

    fn new(kind: Kind, at: Bytes) -> Self {
        Self { kind, at, size: None, label: None, uuid: None, mtime: None, table: None }
    }
}

/// From which end a place is counted.
#[derive(Clone, Copy)]
enum Place {
    Start(u64),
    End(u64),
}

struct Entry {
    kind: Kind,
    place: Place,
    magic: &'static [u8],
    details: fn(&Reader<'_>, Foreign) -> Foreign,
}

const fn entry(kind: Kind, place: Place, magic: &'static [u8]) -> Entry {
    Entry { kind, place, magic, details: |_, found| found }
}

impl Entry {
    const fn with(mut self, details: fn(&Reader<'_>, Foreign) -> Foreign) -> Self {
        self.details = details;
        self
    }
}

const DDF: &[u8] = &[0xde, 0x11, 0xde, 0x11];
const IMSM: &[u8] = b"Intel Raid ISM Cfg Sig. ";
const BCACHE: &[u8] =
    &[0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81];
const BCACHEFS: &[u8] =
    &[0xc6, 0x85, 0x73, 0xf6, 0x66, 0xce, 0x90, 0xa9, 0xd9, 0x6a, 0x60, 0xcf, 0x80, 0x3d, 0xf7, 0xef];
const STRATIS: &[u8] = b"!Stra0tis\x86\xff\x02^\x41rh";
const ZFS_LITTLE: &[u8] = &[0x0c, 0xb1, 0xba, 0, 0, 0, 0, 0];
const ZFS_BIG: &[u8] = &[0, 0, 0, 0, 0, 0xba, 0xb1, 0x0c];

use self::Place::{End, Start};

/// Every place and magic. A kind may stand several times; the first place that matches counts.
const TABLE: &[Entry] = &[
    // File systems. ext's superblock is at 1 KiB, its magic 56 bytes in.
    entry(Kind::Ext2, Start(1024 + 56), &[0x53, 0xef]).with(details::ext),
    entry(Kind::Reiserfs, Start((64 << 10) + 52), b"ReIsErFs").with(details::reiserfs),
    entry(Kind::Reiserfs, Start((64 << 10) + 52), b"ReIsEr2Fs").with(details::reiserfs),
    entry(Kind::Reiserfs, Start((64 << 10) + 52), b"ReIsEr3Fs").with(details::reiserfs),
    entry(Kind::Xfs, Start(0), b"XFSB").with(details::xfs),
    entry(Kind::Btrfs, Start((64 << 10) + 64), b"_BHRfS_M").with(details::btrfs),
    entry(Kind::F2fs, Start(1024), &[0x10, 0x20, 0xf5, 0xf2]).with(details::f2fs),
    entry(Kind::Jfs, Start(32 << 10), b"JFS1"),
    entry(Kind::Erofs, Start(1024), &[0xe2, 0xe1, 0xf5, 0xe0]),
    entry(Kind::Squashfs, Start(0), b"hsqs"),
    entry(Kind::Iso9660, Start((32 << 10) + 1), b"CD001").with(details::iso9660),
    entry(Kind::Vfat, Start(0x52), b"FAT32   ").with(details::fat32),
    entry(Kind::Vfat, Start(0x36), b"FAT16   ").with(details::fat16),
    entry(Kind::Vfat, Start(0x36), b"FAT12   ").with(details::fat16),
    entry(Kind::Exfat, Start(3), b"EXFAT   "),
    entry(Kind::Ntfs, Start(3), b"NTFS    ").with(details::ntfs),
    entry(Kind::Bitlocker, Start(3), b"-FVE-FS-"),
    // Swap's magic ends its first page, whatever size pages had on the machine that made it.
    entry(Kind::Swap, Start(4096 - 10), b"SWAPSPACE2").with(details::swap),
    entry(Kind::Swap, Start(8192 - 10), b"SWAPSPACE2").with(details::swap),
    entry(Kind::Swap, Start((16 << 10) - 10), b"SWAPSPACE2").with(details::swap),
    entry(Kind::Swap, Start((64 << 10) - 10), b"SWAPSPACE2").with(details::swap),
    entry(Kind::Swap, Start(4096 - 10), b"SWAP-SPACE"),
    // Layers below file systems.
    entry(Kind::Luks1, Start(0), b"LUKS\xba\xbe\x00\x01").with(details::luks),
    entry(Kind::Luks2, Start(0), b"LUKS\xba\xbe\x00\x02").with(details::luks),
    entry(Kind::Integrity, Start(0), b"integrt\0"),
    entry(Kind::Verity, Start(0), b"verity\0\0"),
    // LVM2's label is in one of the first four sectors.
    entry(Kind::Lvm2, Start(0), b"LABELONE").with(details::lvm),
    entry(Kind::Lvm2, Start(512), b"LABELONE").with(details::lvm),
    entry(Kind::Lvm2, Start(1024), b"LABELONE").with(details::lvm),
    entry(Kind::Lvm2, Start(1536), b"LABELONE").with(details::lvm),
    entry(Kind::Bcache, Start(4096 + 24), BCACHE).with(details::bcache),
    entry(Kind::Bcachefs, Start(4096 + 24), BCACHEFS),
    // The first uberblocks of ZFS's first label; which of them is in use turns with every write.
    entry(Kind::Zfs, Start(128 << 10), ZFS_LITTLE),
    entry(Kind::Zfs, Start(129 << 10), ZFS_LITTLE),
    entry(Kind::Zfs, Start(130 << 10), ZFS_LITTLE),
    entry(Kind::Zfs, Start(132 << 10), ZFS_LITTLE),
    entry(Kind::Zfs, Start(136 << 10), ZFS_LITTLE),
    entry(Kind::Zfs, Start(128 << 10), ZFS_BIG),
    entry(Kind::Zfs, Start(132 << 10), ZFS_BIG),
    entry(Kind::Stratis, Start(512 + 4), STRATIS),
    entry(Kind::Stratis, Start(9 * 512 + 4), STRATIS),
    entry(Kind::Vdo, Start(0), b"dmvdo001"),
    // Firmware RAID: DDF in the last sector, Intel in the one before it; sectors may be of 4 KiB.
    entry(Kind::Ddf, End(512), DDF),
    entry(Kind::Ddf, End(4096), DDF),
    entry(Kind::Imsm, End(1024), IMSM),
    entry(Kind::Imsm, End(8192), IMSM),
    // Partition tables.
    entry(Kind::Gpt, Start(512), b"EFI PART").with(partitions::gpt),
    entry(Kind::Gpt, Start(4096), b"EFI PART").with(partitions::gpt),
    entry(Kind::Mbr, Start(510), &[0x55, 0xaa]).with(partitions::mbr),
];

/// Everything foreign that can be recognised, in the order of the table.
///
/// # Errors
/// [`Damage::Io`] where a place could not be read: then nothing is known, and not that nothing is there.
pub fn scan(media: &dyn Media) -> Result<Vec<Foreign>, Damage> {
    let reader = Reader { media };
    let mut found: Vec<Foreign> = Vec::new();
    for entry in TABLE {
        let at = match entry.place {
            Start(offset) => Some(Bytes(offset)),
            End(offset) => media.len().checked_sub(Bytes(offset)),
        };
        let Some(at) = at else { continue };
        let seen = |found: &Foreign| found.kind == entry.kind || found.kind.is_ext() && entry.kind.is_ext();
        if found.iter().any(seen) || !reader.matches(at, entry.magic)? {
            continue;
        }
        found.push((entry.details)(&reader, Foreign::new(entry.kind, at)));
    }
    Ok(found)
}

/// Reads small pieces wherever they lie; the device is read in whole sectors.
struct Reader<'a> {
    media: &'a dyn Media,
}

impl Reader<'_> {
    /// The bytes, or `None` where the device is too small.
    fn bytes(&self, at: Bytes, len: usize) -> Result<Option<Vec<u8>>, Damage> {
        let start = at.round_down(Bytes(512));
        let skip = usize::try_from(at.saturating_sub(start).0).unwrap_or(0);
        let whole = skip.saturating_add(len).next_multiple_of(512);
        let end = start.saturating_add(Bytes(u64::try_from(whole).unwrap_or(u64::MAX)));
        if end > self.media.len() {
            return Ok(None);
        }
        let mut sectors = vec![0; whole];
        let io = |source| Damage::Io { format: "foreign", at: start.sectors(), source };
        self.media.read_at(start, &mut sectors).map_err(io)?;
        Ok(sectors.get(skip..).and_then(|rest| rest.get(..len)).map(<[u8]>::to_vec))
    }

    fn matches(&self, at: Bytes, magic: &[u8]) -> Result<bool, Damage> {
        Ok(self.bytes(at, magic.len())?.is_some_and(|bytes| bytes == magic))
    }

    /// The bytes of a detail: what cannot be read is left out.
    fn detail(&self, at: u64, len: usize) -> Option<Vec<u8>> {
        self.bytes(Bytes(at), len).ok().flatten()
    }

    fn array<const N: usize>(&self, at: u64) -> Option<[u8; N]> {
        self.detail(at, N)?.try_into().ok()
    }

    fn le32(&self, at: u64) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    fn le64(&self, at: u64) -> Option<u64> {
        self.array(at).map(u64::from_le_bytes)
    }

    fn be32(&self, at: u64) -> Option<u32> {
        self.array(at).map(u32::from_be_bytes)
    }

    fn be64(&self, at: u64) -> Option<u64> {
        self.array(at).map(u64::from_be_bytes)
    }

    /// A field of text up to its first NUL, blanks at its end left out; `None` where that is empty.
    fn text(&self, at: u64, len: usize) -> Option<Vec<u8>> {
        let field = self.detail(at, len)?;
        let text = field.split(|&byte| byte == 0).next()?.trim_ascii_end();
        (!text.is_empty()).then(|| text.to_vec())
    }

    /// Sixteen bytes spelled 8-4-4-4-12; `None` where all are zero.
    fn uuid(&self, at: u64) -> Option<String> {
        let bytes: [u8; 16] = self.array(at)?;
        (bytes != [0; 16]).then(|| dashed(bytes, &[4, 6, 8, 10]))
    }
}

/// Hex digits with a dash before the bytes named.
fn dashed(bytes: impl IntoIterator<Item = u8>, before: &[usize]) -> String {
    let mut text = String::new();
    for (nth, byte) in bytes.into_iter().enumerate() {
        if before.contains(&nth) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// A device with one of the magics planted into a pattern of the given bytes.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn planted(pick: usize, around: &[u8]) -> Vec<u8> {
    let len = 256usize << 10;
    let piece = [around, &[0]].concat();
    let mut device = piece.repeat(len.div_ceil(piece.len()));
    device.truncate(len);
    let Some(entry) = TABLE.get(pick.checked_rem(TABLE.len()).unwrap_or(0)) else { return device };
    let at = match entry.place {
        Start(at) => usize::try_from(at).unwrap_or(0),
        End(at) => len.saturating_sub(usize::try_from(at).unwrap_or(0)),
    };
    for (to, from) in device.iter_mut().skip(at).zip(entry.magic) {
        *to = *from;
    }
    device
}

#[cfg(test)]
mod tests;
