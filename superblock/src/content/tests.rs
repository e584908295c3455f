use proptest::prelude::*;

use super::*;
use crate::checksum::{crc32c, gpt_crc};

fn put(device: &mut [u8], at: usize, bytes: &[u8]) {
    device[at..][..bytes.len()].copy_from_slice(bytes);
}

#[test]
fn nothing_is_found_in_nothing() {
    assert!(find(&vec![0u8; 1 << 20], 16).is_empty());
    assert!(find(&Vec::<u8>::new(), 16).is_empty());
    assert!(find(&vec![0xffu8; 300 << 10], 16).is_empty());
}

/// Both headers, and a btrfs in the one partition.
#[test]
fn a_table_and_what_is_in_its_partition() {
    let sectors = 300u64 << 11;
    let mut device = vec![0u8; usize::try_from(sectors * 512).unwrap()];
    let mut entry = [0u8; 128];
    entry[..16].fill(7);
    entry[32..40].copy_from_slice(&2048u64.to_le_bytes());
    entry[40..48].copy_from_slice(&(sectors - 2049).to_le_bytes());
    let mut table = vec![0u8; 128 * 128];
    table[..128].copy_from_slice(&entry);
    put(&mut device, 1024, &table);
    for (own, other) in [(1, sectors - 1), (sectors - 1, 1)] {
        let mut header = [0u8; 92];
        header[..8].copy_from_slice(b"EFI PART");
        header[12..16].copy_from_slice(&92u32.to_le_bytes());
        header[24..32].copy_from_slice(&own.to_le_bytes());
        header[32..40].copy_from_slice(&other.to_le_bytes());
        header[72..80].copy_from_slice(&2u64.to_le_bytes());
        header[80..84].copy_from_slice(&128u32.to_le_bytes());
        header[84..88].copy_from_slice(&128u32.to_le_bytes());
        header[88..92].copy_from_slice(&crc32fast::hash(&table).to_le_bytes());
        let crc = gpt_crc(&header);
        header[16..20].copy_from_slice(&crc.to_le_bytes());
        put(&mut device, usize::try_from(own * 512).unwrap(), &header);
    }
    for place in [64u64 << 10, 64 << 20] {
        let mut sb = [0u8; 4096];
        sb[48..56].copy_from_slice(&place.to_le_bytes());
        sb[64..72].copy_from_slice(b"_BHRfS_M");
        sb[112..120].copy_from_slice(&(100u64 << 20).to_le_bytes());
        let crc = crc32c(&sb[32..]);
        sb[..4].copy_from_slice(&crc.to_le_bytes());
        put(&mut device, usize::try_from((1 << 20) + place).unwrap(), &sb);
    }
    let found = find(&device, 16);
    let [gpt] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((gpt.checks.len(), gpt.tally().1), (3, 0), "{gpt:#?}");
    let [inner] = gpt.inside.as_slice() else { panic!("{gpt:#?}") };
    assert_eq!((inner.kind.as_str(), inner.tally()), ("btrfs", (3, 0)), "{inner:#?}");
    device[usize::try_from(sectors * 512 - 492).unwrap()] ^= 1;
    assert_eq!(find(&device, 16)[0].tally(), (5, 1));
}

#[test]
fn luks_by_the_checksums_of_its_headers() {
    let mut device = vec![0u8; 1 << 20];
    let size = 16384u64;
    for (at, magic) in [(0, &b"LUKS\xba\xbe"[..]), (size, b"SKUL\xba\xbe")] {
        let mut area = vec![0u8; usize::try_from(size).unwrap()];
        put(&mut area, 0, magic);
        put(&mut area, 6, &2u16.to_be_bytes());
        put(&mut area, 8, &size.to_be_bytes());
        put(&mut area, 72, b"sha256");
        put(&mut area, 256, &at.to_be_bytes());
        let sum = super::sha256::sha256(&area);
        put(&mut area, 448, &sum);
        put(&mut device, usize::try_from(at).unwrap(), &area);
    }
    assert_eq!(find(&device, 16)[0].tally(), (2, 0));
    device[20000] ^= 1;
    assert_eq!(find(&device, 16)[0].tally(), (1, 1));
}

proptest! {
    #[test]
    fn any_bytes(data in proptest::collection::vec(any::<u8>(), 0..3000), fill in any::<u8>()) {
        crate::fuzz::content(&data);
        let mut more = data.clone();
        more.resize(4096, fill);
        crate::fuzz::content(&more);
    }
}
