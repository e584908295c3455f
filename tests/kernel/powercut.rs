//! The power fails at every write of every kind of change of a group's metadata, on two devices whose writes are one order.

#![expect(clippy::disallowed_methods, reason = "a test reads the log of dm-log-writes")]

use std::{collections::HashMap, fs};

use superblock::lvm::{Group, area, label};

use crate::{
    guest::{Case, Disks, mdctl, settle, sh},
    metadata::fresh,
};

pub(crate) fn cases() -> Vec<Case> {
    vec![Case::new("power_cut_at_every_write", power_cut_at_every_write).needs("dm-log-writes")]
}

/// A device in sectors, and the part of it where labels and metadata are.
const DEVICE: u64 = 16384;
const HEAD: usize = 1 << 20;

/// What each command makes of the group, and how many of the devices have the group before it.
const COMMANDS: [(&str, usize); 7] = [
    ("group create vg /dev/mapper/pv0 --metadata-size 1M --extent 64k", 0),
    ("group extend vg /dev/mapper/pv1 --metadata-size 1M", 1),
    ("create --from /tmp/list --inactive", 2),
    ("rename vg/v7 seven", 2),
    ("resize vg/v8 +1extents", 2),
    ("remove -y vg/v9", 2),
    ("restore vg --at 3 -y", 2),
];

pub(crate) struct Logged {
    pub(crate) sector: u64,
    pub(crate) data: Vec<u8>,
    pub(crate) flush: bool,
    pub(crate) mark: Option<String>,
}

/// The log of dm-log-writes: a superblock, then an entry's sector and its data, one behind the other.
pub(crate) fn read_log(path: &str) -> Vec<Logged> {
    let bytes = fs::read(path).expect("the log");
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    assert_eq!(number(0), 0x006a_7366_7773_6872, "the magic of the log");
    let entries = number(16);
    let mut at = 512;
    let mut log = Vec::new();
    for _ in 0..entries {
        let (sector, sectors, flags, len) = (number(at), number(at + 8), number(at + 16), number(at + 24));
        let [sectors, len] = [sectors, len].map(|n| usize::try_from(n).expect("a size"));
        let mark =
            (flags & 8 != 0).then(|| String::from_utf8_lossy(&bytes[at + 32..at + 32 + len]).into_owned());
        let data = if flags & 12 == 0 { bytes[at + 512..][..sectors * 512].to_vec() } else { Vec::new() };
        at += 512 + data.len();
        log.push(Logged { sector, data, flush: flags & 3 != 0, mark });
    }
    log
}

/// The beginnings of both devices, and texts that were understood.
struct Heads {
    devices: [Vec<u8>; 2],
    known: HashMap<(u32, u64), (u32, usize)>,
}

impl Heads {
    fn put(&mut self, sector: u64, data: &[u8]) {
        let device = &mut self.devices[usize::from(sector >= DEVICE)];
        let at = usize::try_from(sector % DEVICE * 512).expect("an offset");
        if at + data.len() <= device.len() {
            device[at..][..data.len()].copy_from_slice(data);
        }
    }

    /// The group on a device as anybody reads it: its number, and how many devices it has.
    fn on(&mut self, nth: usize) -> Option<(u32, usize)> {
        let device = &self.devices[nth];
        let label = label::read(device).ok()??;
        let area = area::read(device, label.metadata[0]).ok()?;
        let slot = area.committed?;
        let text = area::text(device, &area, slot).ok()?;
        let parse = || Group::parse(&text).map(|group| (group.seqno, group.pvs.len())).expect("a sound text");
        Some(*self.known.entry((slot.crc, slot.size)).or_insert_with(parse))
    }

    /// Old or new: on every device that had the group, and for who takes the newest of all.
    fn check(&mut self, old: u32, had: usize, what: &str) {
        let seen = [self.on(0), self.on(1)];
        for (nth, one) in seen.iter().enumerate().take(had) {
            let number = one.unwrap_or_else(|| panic!("{what}: device {nth} has no group")).0;
            assert!(number == old || number == old + 1, "{what}: change {number} after {old} on {nth}");
        }
        let newest = seen.iter().flatten().max();
        assert!(newest.map_or(0, |newest| newest.0) >= old, "{what}: {seen:?}");
        // Nobody finds a group whose devices have no labels.
        if let Some((_, devices)) = newest {
            for nth in 0..*devices {
                assert!(label::read(&self.devices[nth]).is_ok_and(|label| label.is_some()), "{what}: {nth}");
            }
        }
    }

    /// The same with some more writes on the disks.
    fn check_with(&mut self, more: &[(u64, &[u8])], old: u32, had: usize, what: &str) {
        let before = self.devices.clone();
        more.iter().for_each(|(sector, data)| self.put(*sector, data));
        self.check(old, had, what);
        self.devices = before;
    }
}

/// All commands, on two devices on one whose writes are logged.
fn run_all(disks: &Disks) -> Vec<Logged> {
    let list: Vec<String> = (0..60).map(|n| format!("vg/v{n} 1extents\n")).collect();
    fs::write("/tmp/list", list.concat()).expect("/tmp takes a file");
    sh(&format!(
        "set -e; modprobe dm_log_writes; dmsetup create lw --table '0 {} log-writes {} {}'
         dmsetup create pv0 --table '0 {DEVICE} linear /dev/mapper/lw 0'
         dmsetup create pv1 --table '0 {DEVICE} linear /dev/mapper/lw {DEVICE}'",
        2 * DEVICE,
        disks.path(0),
        disks.path(1)
    ))
    .ok();
    for (nth, (words, _)) in COMMANDS.into_iter().enumerate() {
        settle();
        sh(&format!("dmsetup message lw 0 mark {nth}")).ok();
        mdctl(&[&["volume"], &words.split(' ').collect::<Vec<_>>()[..]].concat()).ok();
    }
    settle();
    sh("set -e; dmsetup message lw 0 mark end; dmsetup remove pv0 pv1; dmsetup remove lw").ok();
    read_log(disks.path(1))
}

fn power_cut_at_every_write() {
    fresh();
    let disks = Disks::new(2, DEVICE);
    let log = run_all(&disks);
    let mut heads = Heads { devices: [vec![0; HEAD], vec![0; HEAD]], known: HashMap::new() };
    let (mut old, mut had, mut what) = (0, 0, String::new());
    let mut since_flush: Vec<&Logged> = Vec::new();
    let mut cuts = 0;
    for entry in &log {
        if let Some(mark) = &entry.mark {
            since_flush.drain(..).for_each(|entry| heads.put(entry.sector, &entry.data));
            old = heads.on(0).map_or(0, |(number, _)| number);
            let command = mark.parse::<usize>().ok().and_then(|nth| COMMANDS.get(nth));
            let (words, before) = command.copied().unwrap_or(("the end", 2));
            (had, what) = (before, words.to_owned());
            heads.check(old, had, &what);
            continue;
        }
        // Of one write, only the first sectors.
        let sectors = entry.data.len() / 512;
        for torn in
            [1, sectors / 2, sectors.saturating_sub(1)].into_iter().filter(|torn| (1..sectors).contains(torn))
        {
            heads.check_with(
                &[(entry.sector, &entry.data[..torn * 512])],
                old,
                had,
                &format!("{what}, torn"),
            );
            cuts += 1;
        }
        // Before a flush, any of the writes since the last one may be on the disk, and any may not.
        if !entry.data.is_empty() {
            since_flush.push(entry);
        }
        assert!(since_flush.len() <= 6, "{what}: more than a few writes without a flush");
        for some in 0u32..1 << since_flush.len() {
            let on_disk = since_flush.iter().enumerate().filter(|(nth, _)| some >> nth & 1 == 1);
            let on_disk: Vec<(u64, &[u8])> =
                on_disk.map(|(_, entry)| (entry.sector, &entry.data[..])).collect();
            heads.check_with(&on_disk, old, had, &what);
            cuts += 1;
        }
        if entry.flush {
            since_flush.drain(..).for_each(|entry| heads.put(entry.sector, &entry.data));
        }
    }
    assert_eq!([heads.on(0), heads.on(1)].map(|seen| seen.map(|(number, _)| number)), [Some(7); 2]);
    assert!(cuts > 100, "only {cuts} cuts");
    disks.wipe();
}
