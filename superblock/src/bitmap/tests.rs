//! Tests of the bitmap on bytes made here; `tests/it` has those that mdadm made.

use super::*;

const AT: Sectors = Sectors(16);

fn new() -> NewSuperblock {
    NewSuperblock {
        version: Version::Plain,
        uuid: [1; 16],
        sync_size: Sectors(1 << 21),
        chunk: 1 << 16,
        daemon_sleep: 5,
        write_behind: 0,
        sectors_reserved: 0,
        nodes: 0,
        cluster_name: Vec::new(),
        assume_clean: false,
    }
}

fn with(change: impl Fn(&mut Raw)) -> Result<Option<Superblock>, Damage> {
    let mut superblock = new().build();
    change(&mut superblock.sector.head);
    let mut device = vec![0; 8192];
    device.extend(superblock.encode(AT).data);
    read(&device, AT)
}

#[test]
fn each_rejection_by_one_field() {
    let good = with(|_| ()).unwrap().unwrap();
    assert_eq!((good, good.version()), (new().build(), Some(Version::Plain)));
    assert!(with(|raw| raw.magic.set(1)).unwrap().is_none());
    for version in [0, 2, 7, u32::MAX] {
        assert!(matches!(with(|raw| raw.version.set(version)), Err(Damage::Unsupported { at: AT, .. })));
    }
    let field = |outcome, name| match outcome {
        Err(Damage::Corrupt { what: What::Field { field, .. }, at: AT, .. }) => assert_eq!(field, name),
        other => panic!("{name}: {other:?}"),
    };
    for chunk in [0, 1, 256, 511, 513, 65_535, u32::MAX] {
        field(with(|raw| raw.chunksize.set(chunk)), "chunksize");
    }
    field(with(|raw| raw.daemon_sleep.set(0)), "daemon_sleep");
    field(with(|raw| raw.write_behind.set(16_384)), "write_behind");
    for version in 3..=6 {
        assert!(with(|raw| raw.version.set(version)).unwrap().is_some());
    }
    assert!(matches!(read(&vec![0; 8192 + 511], AT), Err(Damage::Io { .. })));
}

#[test]
fn bits_and_areas() {
    for (sync_size, chunk, bits, area) in [
        (0, 4096, Some(0), 4096),
        (1, 4096, Some(1), 4096),
        (8, 4096, Some(1), 4096),
        (9, 4096, Some(2), 4096),
        // 3840 bytes of bits fill the first block, one more bit begins another
        (30_720 * 8, 4096, Some(30_720), 4096),
        (30_720 * 8 + 1, 4096, Some(30_721), 8192),
        (1, 0, None, 4096),
        (u64::MAX, 1, Some(u64::MAX), (u64::MAX / 8 + 257).next_multiple_of(4096)),
    ] {
        let superblock = NewSuperblock { sync_size: Sectors(sync_size), chunk, ..new() }.build();
        assert_eq!(superblock.bits(), bits, "{sync_size} {chunk}");
        assert_eq!(superblock.node_area(), Bytes(area), "{sync_size} {chunk}");
    }
    let hostile = NewSuperblock { sync_size: Sectors(u64::MAX), chunk: 512, ..new() }.build();
    assert_eq!(hostile.initial(AT), None, "no allocation by an unchecked count");
    let hostile = NewSuperblock { nodes: u32::MAX, ..new() }.build();
    assert_eq!(hostile.initial(AT), None);
}

#[test]
fn each_node_of_a_cluster_has_an_area_and_only_the_first_is_dirty() {
    let clustered = NewSuperblock {
        version: Version::Clustered,
        nodes: 3,
        cluster_name: b"a name that is much longer than the sixty-three bytes that a cluster's may have"
            .to_vec(),
        ..new()
    }
    .build();
    assert_eq!(clustered.cluster_name().len(), 63);
    let write = clustered.initial(AT).unwrap();
    assert_eq!(write.data.len(), 3 * 4096);
    for (nth, area) in write.data.chunks(4096).enumerate() {
        assert_eq!(&area[..256], clustered.as_bytes());
        let fill = if nth == 0 { 0xff } else { 0 };
        assert!(area[256..].iter().all(|&byte| byte == fill), "node {nth}");
    }
}

#[test]
fn off_a_4_kib_boundary_it_is_rounded_to_sectors() {
    assert_eq!(new().build().initial(Sectors(18)).unwrap().data.len(), 256 + 16_384 / 8 + 256);
    assert_eq!(new().build().initial(AT).unwrap().data.len(), 4096);
    assert_eq!(new().build().initial_v0(AT).data.len(), 60 * 1024);
}

#[test]
fn a_lockless_bitmap_is_the_kernels_to_fill() {
    let state =
        |assume_clean| NewSuperblock { version: Version::Lockless, assume_clean, ..new() }.build().state();
    assert_eq!(state(false), State::FIRST_USE);
    assert_eq!(state(true), State::FIRST_USE | State::CLEAN);
}
