//! Superblocks with a right checksum and one wrong number, in one member and in all: whatever is allowed, the kernel
//! is never given one that it would stumble over. The judge here is a small model of the driver, not our own bounds.

use crate::plan::{DiskStep, MdStep};
use superblock::{
    Endian, Level, Media, Sectors, Write, checksum,
    probe::probe,
    v0::{self, ArrayState, Disk, DiskState},
};

use super::*;

const DEVICE: u64 = 65_536;

/// A device that is empty but for one piece.
struct Image(Write);

impl Media for Image {
    fn len(&self) -> superblock::Bytes {
        Sectors(DEVICE).bytes()
    }

    fn read_at(&self, offset: superblock::Bytes, buf: &mut [u8]) -> std::io::Result<()> {
        buf.fill(0);
        let (start, end) = (self.0.at.0, self.0.at.0 + u64::try_from(self.0.data.len()).unwrap());
        let (from, to) = (start.max(offset.0), end.min(offset.0 + u64::try_from(buf.len()).unwrap()));
        if from < to {
            let at = |place: u64, base: u64| usize::try_from(place - base).unwrap();
            let piece = &self.0.data[at(from, start)..at(to, start)];
            buf[at(from, offset.0)..at(to, offset.0)].copy_from_slice(piece);
        }
        Ok(())
    }
}

fn word(data: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(data[at..at + 4].try_into().unwrap())
}

fn long(data: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(data[at..at + 8].try_into().unwrap())
}

pub(super) fn patch(data: &mut [u8], at: usize, value: u32) {
    data[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// What the driver computes with when it has read a superblock. `None` where it refuses by itself without harm.
fn stumbles(data: &[u8]) -> Option<String> {
    let (v1, field) = (word(data, 4) == 1, |at| word(data, at));
    let signed = |at| i64::from(i32::from_ne_bytes(field(at).to_ne_bytes()));
    let (level, layout, chunk, disks, most, number) = if v1 {
        (signed(72), field(76), u64::from(field(88)) * 512, i64::from(field(92)), 1920, field(160))
    } else {
        (signed(28), field(256), u64::from(field(260)), i64::from(field(40)), 27, field(3968))
    };
    let reshape = if v1 { field(8) & 4 != 0 } else { field(8) == 91 && long(data, 176) != u64::MAX };
    let mut shapes = vec![(level, layout, chunk, disks)];
    if reshape && v1 {
        shapes = vec![
            (level, layout, chunk, disks - signed(112)),
            (signed(100), field(116), u64::from(field(120)) * 512, disks),
        ];
    } else if reshape {
        shapes = vec![
            (level, layout, chunk, disks - signed(188)),
            (signed(184), field(192), u64::from(field(196)), disks),
        ];
    }
    let mut wrong = Vec::new();
    for (level, layout, chunk, disks) in shapes {
        if !(1..=most).contains(&disks) {
            wrong.push(format!("allocates for {disks} devices"));
        }
        let parity = match level {
            4 | 5 => 1,
            6 => 2,
            _ => 0,
        };
        if disks <= parity {
            wrong.push("divides by no data disks".to_owned());
        }
        if matches!(level, 0 | 4 | 5 | 6 | 10) && !(512..1 << 31).contains(&chunk) {
            wrong.push(format!("divides by a chunk of {chunk}"));
        }
        let (near, far) = (i64::from(layout & 255), i64::from(layout >> 8 & 255));
        if level == 10 && (near == 0 || far == 0 || near * far > disks) {
            wrong.push(format!("divides by {near} and {far} copies on {disks}"));
        }
    }
    if i64::from(number) >= most {
        wrong.push(format!("looks up device {number}"));
    }
    if v1 {
        let end = long(data, 128).checked_add(long(data, 80));
        if end.is_none_or(|end| end > DEVICE) {
            wrong.push("has data beyond the device".to_owned());
        }
        let bitmap = i64::try_from(long(data, 144)).unwrap() + signed(96);
        if field(8) & 1 != 0 && !(0..i64::try_from(DEVICE).unwrap()).contains(&bitmap) {
            wrong.push("has a bitmap beyond the device".to_owned());
        }
    } else if level >= 1 && u64::from(field(32)) * 2 > DEVICE {
        wrong.push("has data beyond the device".to_owned());
    }
    (!wrong.is_empty()).then(|| wrong.join(", "))
}

pub(in crate::plan::assemble) fn device(number: u32, write: Write) -> Device {
    let path = format!("/dev/{}", char::from(b'a' + u8::try_from(number).unwrap()));
    let id = DevId { major: 1, minor: number };
    Device {
        kernel_name: String::new(),
        probe: probe(&Image(write)),
        ..samples::device(&path, id, Sectors(DEVICE).bytes())
    }
}

fn v1_members(level: Level, layout: u32, disks: u32, bitmap: bool) -> Vec<Write> {
    let array = array(level, layout, disks);
    let member = |number| {
        let member = v1::NewMember {
            number,
            uuid: MdUuid([u8::try_from(number).unwrap() + 1; 16]),
            events: Events(7),
            device: Sectors(DEVICE),
            data_offset: Sectors(2048),
            flags: v1::DevFlags::empty(),
        };
        let mut write = array.member(&member).unwrap().encode();
        if bitmap {
            patch(&mut write.data, 8, 1);
            patch(&mut write.data, 96, 8);
            fix(&mut write);
        }
        write
    };
    (0..disks).map(member).collect()
}

pub(in crate::plan::assemble) fn v0_members(level: Level, layout: u32, disks: u32) -> Vec<Write> {
    let state = DiskState::ACTIVE | DiskState::SYNC;
    let disk = |number| Disk { number, major: 1, minor: number, raid_disk: number, state };
    let array = v0::NewArray {
        uuid: UUID,
        created: 1_700_000_000,
        level,
        layout,
        size: Sectors(40960).kib(),
        chunk: Sectors(1024).bytes(),
        raid_disks: disks,
        md_minor: 0,
        state: ArrayState::CLEAN,
        nr_disks: disks,
        active_disks: disks,
        working_disks: disks,
        failed_disks: 0,
        spare_disks: 0,
        disks: (0..disks).map(disk).collect(),
    };
    let at = v0::place(Sectors(DEVICE).bytes()).unwrap();
    (0..disks).map(|number| array.member(number, at, Endian::Little).unwrap().encode()).collect()
}

pub(super) fn fix(write: &mut Write) {
    let data = &mut write.data;
    if word(data, 4) == 1 {
        let used = 256 + 2 * usize::try_from(word(data, 220)).unwrap();
        if let Some(bytes) = data.get(..used) {
            let sum = checksum::md1_sum(bytes);
            patch(data, 216, sum);
        }
    } else {
        let sum = checksum::md0_sum(data, Endian::Little);
        patch(data, 152, sum);
    }
}

/// Plans with everything allowed, and looks at what the kernel would then read of the members that it is given.
fn try_all(members: &[Write], what: &str) -> bool {
    let mut on_disk = Vec::new();
    let mut claims = Vec::new();
    for (number, write) in (0..).zip(members) {
        let device = device(number, write.clone());
        on_disk.push((device.path.clone(), write.data.clone()));
        claims.extend(Claim::of(&device, None));
    }
    let options = Options { force: true, run: true, ..Options::default() };
    let Ok(outcome) = plan(claims, name(), None, &options) else { return false };
    let mut given = false;
    for step in &outcome.plan.steps {
        match step {
            Step::Disk(DiskStep::Write { device, writes, .. }) => {
                for (_, data) in on_disk.iter_mut().filter(|(path, _)| path == device) {
                    data.clone_from(&writes[0].data);
                }
            }
            Step::Md(MdStep::AddDisk { device, info, .. }) => {
                given = true;
                assert!((-1..1920).contains(&info.raid_disk) && (0..1920).contains(&info.number), "{what}");
                let (_, data) = on_disk.iter().find(|(path, _)| path == device).unwrap();
                assert_eq!(stumbles(data), None, "{what}: {device}");
            }
            _ => {}
        }
    }
    given
}

#[test]
fn the_kernel_never_reads_a_number_that_it_would_stumble_over() {
    let arrays = [
        (v1_members(Level::Raid5, 2, 3, true), 256),
        (v1_members(Level::Raid6, 2, 4, false), 256),
        (v1_members(Level::Raid10, 0x102, 4, true), 256),
        (v1_members(Level::Raid0, 0, 2, false), 256),
        (v1_members(Level::Raid1, 0, 2, false), 256),
        (v0_members(Level::Raid5, 2, 3), 272),
        (v0_members(Level::Raid10, 0x102, 3), 272),
        (v0_members(Level::Raid1, 0, 2), 272),
    ];
    let values = [0, 1, 2, 4, 5, 6, 10, 27, 255, 1919, 0xffff, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    let mut taken = 0;
    for (members, used) in &arrays {
        assert!(try_all(members, "as they are"));
        let words = (0..*used).step_by(4).chain((*used > 256).then_some(3968));
        for (at, value) in words.flat_map(|at| values.map(|value| (at, value))) {
            for all in [true, false] {
                let mut bad = members.clone();
                for write in bad.iter_mut().take(if all { usize::MAX } else { 1 }) {
                    patch(&mut write.data, at, value);
                    fix(write);
                }
                taken += u32::from(try_all(&bad, &format!("{value:#x} at {at} of {:#x?}", members[0].at)));
            }
        }
    }
    assert!(taken > 1000, "most numbers are harmless: {taken}");
}

#[test]
fn force_takes_a_wrong_checksum_and_no_wrong_number() {
    let options = Options { force: true, run: true, ..Options::default() };
    let mut members = v1_members(Level::Raid5, 2, 3, false);
    for write in &mut members {
        patch(&mut write.data, 92, 0x7fff_ffff);
        fix(write);
    }
    let claims = |members: &[Write]| {
        let devices = (0..).zip(members).map(|(number, write)| device(number, write.clone()));
        devices.filter_map(|device| Claim::of(&device, None)).collect::<Vec<_>>()
    };
    let refusal = plan(claims(&members), name(), None, &options).unwrap_err();
    assert!(refusal.text.contains("raid_disks is 2147483647, at most"), "{}", refusal.text);
    assert!(!refusal.text.contains("--force"), "{}", refusal.text);
    let mut members = v1_members(Level::Raid5, 2, 3, false);
    members[0].data[216] ^= 1;
    let outcome = plan(claims(&members), name(), None, &options).unwrap();
    assert!(notes(&outcome).iter().any(|note| note.starts_with("taking /dev/a although its checksum is")));
}
