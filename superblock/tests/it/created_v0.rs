//! The same as `created`, for 0.90.

use crate::support::fixture;
use superblock::{Bytes, Endian, Level, Media, Sectors, bitmap, placement, sectors::SectorMap, v0};

struct Words {
    name: &'static str,
    level: i32,
    slots: u32,
    layout: u32,
    chunk: Bytes,
    bitmap: bool,
    /// As in `created`.
    members: &'static str,
}

const K64: Bytes = Bytes(65536);

const ALL: [Words; 6] = [
    Words { name: "linear", level: -1, slots: 2, layout: 0, chunk: Bytes(0), bitmap: false, members: "01" },
    Words { name: "raid0", level: 0, slots: 2, layout: 0, chunk: K64, bitmap: false, members: "01" },
    Words { name: "raid1", level: 1, slots: 2, layout: 0, chunk: Bytes(0), bitmap: false, members: "01" },
    Words { name: "raid1b", level: 1, slots: 2, layout: 0, chunk: Bytes(0), bitmap: true, members: "01" },
    Words { name: "raid5", level: 5, slots: 3, layout: 2, chunk: K64, bitmap: false, members: "01.sR" },
    Words { name: "raid10b", level: 10, slots: 4, layout: 0x102, chunk: K64, bitmap: true, members: "0123" },
];

#[test]
fn version_0_arrays() {
    for words in ALL {
        compare(&words, &format!("{}-0.90", words.name));
    }
}

fn disks(words: &Words, theirs: &v0::Superblock) -> Vec<v0::Disk> {
    let mut disks = Vec::new();
    for (number, member) in (0..).zip(words.members.chars()) {
        // The device numbers of the machine that made the fixture.
        let there = theirs.disks().nth(usize::try_from(number).unwrap()).unwrap();
        let state = match member {
            '.' => continue,
            '0'..='9' => v0::DiskState::ACTIVE | v0::DiskState::SYNC,
            _ => v0::DiskState::empty(),
        };
        disks.push(v0::Disk { number, raid_disk: there.raid_disk, state, ..there });
    }
    disks
}

fn compare(words: &Words, name: &str) {
    let devices = fixture(name);
    for (nth, device) in &devices {
        let theirs = v0::read(device).unwrap().unwrap().verify().unwrap();
        let at = v0::place(device.len()).unwrap();
        let free = at.kib();
        let size = match words.level {
            ..=0 => superblock::Kib(0),
            1 => free.round_down(superblock::Kib(64)),
            _ => free.round_down(Bytes(words.chunk.0).sectors().kib()),
        };
        let count = |wanted: &str| {
            u32::try_from(words.members.chars().filter(|c| wanted.contains(*c)).count()).unwrap()
        };
        let clean = words.level <= 0 || words.members.contains('R');
        let mut state = v0::ArrayState::empty();
        state.set(v0::ArrayState::CLEAN, clean);
        state.set(v0::ArrayState::BITMAP_PRESENT, words.bitmap);
        let new = v0::NewArray {
            uuid: "00112233:44556677:8899aabb:ccddeeff".parse().unwrap(),
            created: theirs.ctime(),
            level: Level::from_number(words.level),
            layout: words.layout,
            size,
            chunk: words.chunk,
            raid_disks: words.slots,
            md_minor: 77,
            state,
            nr_disks: count("0123.sR"),
            active_disks: count("0123"),
            working_disks: count("0123sR"),
            failed_disks: count("."),
            spare_disks: count("sR"),
            disks: disks(words, &theirs),
        };
        let ours = new.member(theirs.this_disk().number, at, Endian::Little).unwrap();
        let mut made = SectorMap::zeros(device.len());
        made.write(&ours.encode());
        if words.bitmap {
            let size = size.sectors();
            let sync_size =
                if words.level == 10 { Sectors(size.0.saturating_mul(words.slots.into()) / 2) } else { size };
            let bitmap = bitmap::NewSuperblock {
                version: bitmap::Version::Plain,
                uuid: ours.uuid_bytes(),
                sync_size,
                chunk: placement::bitmap_chunk_v0(sync_size, None).unwrap(),
                daemon_sleep: 5,
                write_behind: 0,
                sectors_reserved: 0,
                nodes: 0,
                cluster_name: Vec::new(),
                assume_clean: false,
            };
            made.write(&bitmap.build().initial_v0(ours.bitmap_at().unwrap()));
        }
        assert_eq!(made.to_string(), device.to_string(), "{name} device {nth}");
    }
}

#[test]
fn the_host_is_in_the_uuid() {
    for (_, device) in fixture("home-0.90") {
        let sb = v0::read(&device).unwrap().unwrap().verify().unwrap();
        assert!(sb.is_local_to(b"box") && !sb.is_local_to(b"ox"));
    }
}
