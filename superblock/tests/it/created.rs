//! What we make of the words of a command line is, byte for byte, what mdadm wrote for them.
//!
//! Only what nobody can compute is taken from the fixture: member UUIDs, the creation time and the journal's
//! random start. All else follows from the recipe's command line and the rules in `placement`.

use crate::support::fixture;
use superblock::{
    Bytes, Events, Level, MdUuid, Media, Role, Sectors, bitmap, journal, placement, ppl, sectors::SectorMap,
    v1,
};

const UUID: &str = "00112233:44556677:8899aabb:ccddeeff";

/// The parts of a command line that matter here.
#[derive(Clone, Copy)]
struct Words {
    name: &'static str,
    level: i32,
    slots: u32,
    layout: u32,
    chunk: Sectors,
    bitmap: Bitmap,
    ppl: bool,
    assume_clean: bool,
    data_offset: Option<Sectors>,
    flags: v1::DevFlags,
    /// Members by device number: a slot, `.` nobody, `s` a spare, `J` the journal, `R` the spare that is rebuilt to.
    /// With the journal first mdadm leaves out slot 2, not the last.
    members: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum Bitmap {
    None,
    Internal,
    Chunk(u64),
    WriteBehind(u32),
    Lockless,
}

const PLAIN: Words = Words {
    name: "",
    level: 1,
    slots: 2,
    layout: 0,
    chunk: Sectors(0),
    bitmap: Bitmap::None,
    ppl: false,
    assume_clean: false,
    data_offset: None,
    flags: v1::DevFlags::empty(),
    members: "01",
};

const K64: Sectors = Sectors(128);
const LEFT_SYMMETRIC: u32 = 2;

const PER_VERSION: [Words; 8] = [
    Words { name: "linear", level: -1, ..PLAIN },
    Words { name: "raid0", level: 0, layout: 1, chunk: K64, ..PLAIN },
    Words { name: "raid1", ..PLAIN },
    Words { name: "raid1b", bitmap: Bitmap::Internal, ..PLAIN },
    Words {
        name: "raid5",
        level: 5,
        slots: 4,
        layout: LEFT_SYMMETRIC,
        chunk: K64,
        members: "012.R",
        ..PLAIN
    },
    Words {
        name: "raid6b",
        level: 6,
        slots: 4,
        layout: LEFT_SYMMETRIC,
        chunk: K64,
        bitmap: Bitmap::Chunk(4096),
        members: "0123",
        ..PLAIN
    },
    Words {
        name: "raid10b",
        level: 10,
        slots: 4,
        layout: 0x1_0201,
        chunk: K64,
        bitmap: Bitmap::Internal,
        members: "0123",
        ..PLAIN
    },
    Words {
        name: "raid5ppl",
        level: 5,
        slots: 4,
        layout: LEFT_SYMMETRIC,
        chunk: K64,
        ppl: true,
        members: "012.R",
        ..PLAIN
    },
];

const ONCE: [Words; 9] = [
    Words { name: "lockless", bitmap: Bitmap::Lockless, ..PLAIN },
    Words { name: "locklessc", bitmap: Bitmap::Lockless, assume_clean: true, ..PLAIN },
    Words { name: "offset", bitmap: Bitmap::Internal, data_offset: Some(Sectors(64)), ..PLAIN },
    Words {
        name: "wm",
        bitmap: Bitmap::WriteBehind(128),
        assume_clean: true,
        flags: v1::DevFlags::FAIL_FAST,
        ..PLAIN
    },
    Words { name: "raid4", level: 4, slots: 3, chunk: K64, members: "01.sR", ..PLAIN },
    Words { name: "faulty", level: -5, slots: 1, layout: 0x1f, members: "0", ..PLAIN },
    Words { name: "miss", level: 6, slots: 4, layout: LEFT_SYMMETRIC, chunk: K64, members: ".12.R", ..PLAIN },
    Words {
        name: "journal",
        level: 5,
        slots: 4,
        layout: LEFT_SYMMETRIC,
        chunk: K64,
        members: "J01.3R",
        ..PLAIN
    },
    Words { name: "many", slots: 200, members: "", ..PLAIN },
];

#[test]
fn version_1_arrays() {
    for minor in v1::Minor::ALL {
        for words in PER_VERSION {
            compare(minor, &words, &format!("{}-{minor}", words.name));
        }
    }
    for words in ONCE {
        compare(v1::Minor::V1_2, &words, &format!("{}-1.2", words.name));
    }
}

/// Roles by device number, and which device numbers have a device.
fn roles(words: &Words) -> Vec<Role> {
    let role = |member: char| match member {
        'J' => Role::Journal,
        '0'..='9' => Role::Slot { slot: member.to_digit(10).unwrap(), replacement: false },
        _ => Role::Spare,
    };
    if words.name == "many" {
        return (0..200)
            .map(|slot| Role::Slot { slot, replacement: false })
            .map(|slot| match slot {
                Role::Slot { slot: 198.., .. } => slot,
                _ => Role::Spare,
            })
            .collect();
    }
    words.members.chars().map(role).collect()
}

fn usable(minor: v1::Minor, words: &Words, sizes: &[Sectors], data_offset: Sectors) -> Sectors {
    if words.level == 0 || words.level == -1 {
        return Sectors(0);
    }
    let free = |size: &Sectors| {
        let free = placement::usable_size(minor, *size, data_offset, words.ppl).unwrap().kib().sectors();
        free.round_down(words.chunk)
    };
    let least = sizes.iter().map(free).min().unwrap();
    if words.level == 1 { least.round_down(Sectors(128)) } else { least }
}

fn new_bitmap(minor: v1::Minor, words: &Words, size: Sectors, uuid: MdUuid) -> Option<v1::NewBitmap> {
    let wanted = match words.bitmap {
        Bitmap::None => return None,
        Bitmap::Chunk(bytes) => Some(Bytes(bytes)),
        Bitmap::Internal | Bitmap::WriteBehind(_) | Bitmap::Lockless => None,
    };
    let lockless = words.bitmap == Bitmap::Lockless;
    let sync_size =
        if words.level == 10 { Sectors(size.0.saturating_mul(words.slots.into()) / 2) } else { size };
    let placed = placement::internal_bitmap(minor, size, sync_size, wanted).unwrap();
    let superblock = bitmap::NewSuperblock {
        version: if lockless { bitmap::Version::Lockless } else { bitmap::Version::Plain },
        uuid: uuid.0,
        sync_size,
        chunk: placed.chunk,
        daemon_sleep: 5,
        write_behind: if let Bitmap::WriteBehind(most) = words.bitmap { most } else { 0 },
        sectors_reserved: if lockless { 256 } else { 0 },
        nodes: 0,
        cluster_name: Vec::new(),
        assume_clean: words.assume_clean,
    }
    .build();
    Some(v1::NewBitmap { offset: placed.offset, superblock })
}

/// The array that these words make of devices of these sizes, and where its data begins.
fn new_array(
    minor: v1::Minor,
    words: &Words,
    name: &str,
    sizes: &[Sectors],
    created: u64,
) -> (v1::NewArray, Sectors) {
    let default = placement::default_data_offset(minor, sizes[0], words.chunk, words.ppl);
    let data_offset = words.data_offset.unwrap_or(default);
    let size = usable(minor, words, sizes, data_offset);
    let uuid: MdUuid = UUID.parse().unwrap();
    let new = v1::NewArray {
        minor,
        uuid,
        name: v1::set_name(Some(b"box"), name.as_bytes()),
        created,
        level: Level::from_number(words.level),
        layout: words.layout,
        size,
        chunk: words.chunk,
        raid_disks: words.slots,
        spares: u32::try_from(words.members.chars().filter(|c| "sRJ".contains(*c)).count()).unwrap(),
        clean: words.level <= 0 || words.members.contains('R') || words.assume_clean,
        raid0_layout: words.level == 0,
        journal: words.members.contains('J'),
        ppl: words.ppl,
        bitmap: new_bitmap(minor, words, size, uuid),
        bad_block_log: true,
        roles: roles(words),
    };
    (new, data_offset)
}

fn compare(minor: v1::Minor, words: &Words, name: &str) {
    let devices = fixture(name);
    let sizes: Vec<Sectors> = devices.iter().map(|(_, device)| device.len().sectors()).collect();
    let found: Vec<v1::Superblock> = devices
        .iter()
        .map(|(_, device)| v1::read(device, minor).unwrap().unwrap().verify().unwrap())
        .collect();
    let (new, data_offset) = new_array(minor, words, name, &sizes, found[0].ctime().seconds);
    for ((nth, device), theirs) in devices.iter().zip(&found) {
        let member = v1::NewMember {
            number: theirs.dev_number(),
            uuid: theirs.device_uuid(),
            // The journal is written first here, before anyone set the count to 0.
            events: Events(u64::from(theirs.role() == Role::Journal)),
            device: device.len().sectors(),
            data_offset,
            flags: words.flags,
        };
        let ours = new.member(&member).unwrap_or_else(|e| panic!("{name} device {nth}: {e}"));
        let mut made = SectorMap::zeros(device.len());
        made.write(&ours.encode());
        if let Some(bitmap) = &new.bitmap {
            made.write(&bitmap.superblock.initial(ours.bitmap_at().unwrap()).unwrap());
        }
        // mdadm 4.6 fails before it writes a PPL with 1.0, see `ppl`.
        if words.ppl && minor != v1::Minor::V1_0 {
            made.write(&ppl::Header::new(new.uuid).initial(ours.ppl_at().unwrap(), placement::PPL_AREA));
        }
        if ours.role() == Role::Journal {
            let at = ours.data_offset();
            let seq = journal::read(device, at, new.uuid).unwrap().unwrap().seq();
            made.write(&journal::MetaBlock::new(new.uuid, seq).encode(at, new.uuid));
        }
        assert_eq!(made.to_string(), device.to_string(), "{name} device {nth}");
    }
}

/// Superblock and bitmap superblock of the first member, from 3 MiB to 3 TiB.
#[test]
fn version_1_arrays_of_all_sizes() {
    let raid5k = Words { name: "raid5k", chunk: Sectors(1024), bitmap: Bitmap::Internal, ..PER_VERSION[4] };
    let mut cases = 0u32;
    for block in include_str!("../fixtures/sizes.txt").split("case ").skip(1) {
        let (head, text) = block.split_once('\n').unwrap();
        let (name, version) = head.split_once(' ').unwrap();
        let minor = v1::Minor::ALL.into_iter().find(|minor| minor.name() == version).unwrap();
        let words = PER_VERSION.iter().chain([&raid5k]).find(|words| words.name == name).unwrap();
        let device: SectorMap = text.parse().unwrap();
        let what = format!("{name} {version} on {}", device.len());
        let theirs = v1::read(&device, minor).unwrap().unwrap().verify().unwrap();
        let len = device.len().sectors();
        let full = format!("{name}-{version}");
        let (new, data_offset) = new_array(minor, words, &full, &[len], theirs.ctime().seconds);
        let member = v1::NewMember {
            number: 0,
            uuid: theirs.device_uuid(),
            events: Events(0),
            device: len,
            data_offset,
            flags: v1::DevFlags::empty(),
        };
        let ours = new.member(&member).unwrap();
        assert_eq!(ours.membership().data_offset, theirs.data_offset(), "{what}");
        assert_eq!(ours.bad_block_log(), theirs.bad_block_log(), "{what}");
        assert_eq!(ours.encode(), theirs.encode(), "{what}");
        if let Some(at) = theirs.bitmap_at() {
            let bitmap = bitmap::load(&device, at).unwrap();
            assert_eq!(new.bitmap.unwrap().superblock.as_bytes(), bitmap.as_bytes(), "{what}");
        }
        cases = cases.saturating_add(1);
    }
    assert!(cases > 200, "{cases}");
}
