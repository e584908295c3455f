//! Each finding from a scene made by hand: superblocks as they would be on devices, arrays as the kernel tells them.

use superblock::{
    Bytes, Events, Level, MdUuid, Media, Role, Sectors, Write, bitmap, foreign, probe, v1,
    window::{Width, Window},
};

use super::*;
use crate::{
    config::{Config, conf},
    model::{
        DevId, Device, World, samples,
        status::{Activity, MemberStatus, Stage},
        volume::FormerLabel,
        world::Timestamp,
    },
    plan::assemble::{CandidatePath, Home, Options},
    words::SyncKind,
};

mod data;
mod stopped;

const UUID: MdUuid = MdUuid([0x11; 16]);
const NOW: u64 = 1_700_000_100;

/// A device that is zero but for what was written.
#[derive(Clone)]
struct Disk {
    len: u64,
    writes: Vec<Write>,
}

impl Media for Disk {
    fn len(&self) -> Bytes {
        Bytes(self.len)
    }

    fn read_at(&self, offset: Bytes, buf: &mut [u8]) -> std::io::Result<()> {
        buf.fill(0);
        let start = usize::try_from(offset.0).unwrap();
        for write in &self.writes {
            let at = usize::try_from(write.at.0).unwrap();
            for (n, byte) in write.data.iter().enumerate() {
                if let Some(to) = (at + n).checked_sub(start).and_then(|to| buf.get_mut(to)) {
                    *to = *byte;
                }
            }
        }
        Ok(())
    }
}

fn array(level: Level, disks: u32) -> v1::NewArray {
    v1::NewArray {
        uuid: UUID,
        name: v1::set_name(Some(b"guest"), b"home"),
        created: NOW - 100,
        ..samples::array(level, disks)
    }
}

fn with_bitmap(array: &v1::NewArray) -> v1::NewArray {
    let new = bitmap::NewSuperblock {
        version: bitmap::Version::Plain,
        uuid: UUID.0,
        sync_size: Sectors(40960),
        chunk: 1 << 20,
        daemon_sleep: 5,
        write_behind: 0,
        sectors_reserved: 0,
        nodes: 0,
        cluster_name: vec![],
        assume_clean: false,
    };
    v1::NewArray { bitmap: Some(v1::NewBitmap { offset: 8, superblock: new.build() }), ..array.clone() }
}

fn superblock(array: &v1::NewArray, number: u32, events: u64, edits: &[v1::Edit]) -> v1::Superblock {
    let uuid = MdUuid([u8::try_from(number).unwrap() + 1; 16]);
    let mut superblock = samples::member(array, number, uuid, events);
    for edit in edits {
        superblock.edit(*edit).unwrap();
    }
    superblock
}

fn disk(array: &v1::NewArray, number: u32, events: u64, edits: &[v1::Edit]) -> Disk {
    let superblock = superblock(array, number, events, edits);
    let mut writes = vec![superblock.encode()];
    let bitmap = array.bitmap.as_ref().zip(superblock.bitmap_at());
    writes.extend(bitmap.map(|(bitmap, at)| bitmap.superblock.encode(at)));
    Disk { len: 65536 * 512, writes }
}

fn device(disk: &Disk, number: u32) -> Device {
    let name = format!("sd{}", char::from(b'a' + u8::try_from(number).unwrap()));
    let window = Window::new(disk, Width::Wide);
    Device {
        probe: probe::probe(&window),
        foreign: foreign::scan(&window).unwrap_or_default(),
        ..samples::device(&format!("/dev/{name}"), id(number), Bytes(disk.len))
    }
}

fn id(number: u32) -> DevId {
    DevId { major: 8, minor: number * 16 }
}

fn faulty(number: u32) -> v1::Edit {
    v1::Edit::Role { number, role: Role::Faulty }
}

/// A scene, to be changed before it is looked at.
#[derive(Default)]
struct Stand {
    arrays: Vec<ArrayStatus>,
    disks: Vec<Disk>,
    devices: Vec<Device>,
    config: Config,
    host: Option<&'static str>,
    log: Vec<LogLine>,
    labels: Vec<FormerLabel>,
    overwritten: Vec<crate::archive::Overwritten>,
    former: Vec<crate::archive::Former>,
}

impl Stand {
    fn of(disks: &[Disk]) -> Self {
        let devices = disks.iter().zip(0..).map(|(disk, number)| device(disk, number)).collect();
        Self { disks: disks.to_vec(), devices, host: Some("guest"), ..Self::default() }
    }

    /// An array with these events on its devices.
    fn stopped(array: &v1::NewArray, events: &[u64]) -> Self {
        let disks: Vec<Disk> =
            events.iter().zip(0..).map(|(events, number)| disk(array, number, *events, &[])).collect();
        Self::of(&disks)
    }

    /// The same, in the kernel with these of its devices.
    fn running(mut self, level: Level, disks: u32, inside: &[u32]) -> Self {
        let members = inside.iter().map(|number| MemberStatus {
            kernel_name: self.devices[usize::try_from(*number).unwrap()].kernel_name.clone(),
            id: Some(id(*number)),
            path: Some(self.devices[usize::try_from(*number).unwrap()].path.clone()),
            disk: Some(self.devices[usize::try_from(*number).unwrap()].kernel_name.clone()),
            slot: Some(*number),
            state: vec!["in_sync".into()],
            ..MemberStatus::default()
        });
        self.arrays.push(ArrayStatus {
            kernel_name: "md127".to_owned(),
            id: DevId { major: 9, minor: 127 },
            path: Some("/dev/md/home".to_owned()),
            uuid: Some(UUID),
            state: "clean".into(),
            level: Some(level),
            raid_disks: disks,
            metadata: "1.2".to_owned(),
            members: members.collect(),
            ..ArrayStatus::default()
        });
        for number in inside {
            self.devices[usize::try_from(*number).unwrap()].busy = true;
        }
        self
    }

    fn array(&mut self) -> &mut ArrayStatus {
        &mut self.arrays[0]
    }

    fn says(mut self, text: &str) -> Self {
        self.log.push(LogLine { at: NOW - 10, text: text.to_owned() });
        self
    }

    /// What is found; the word is asked with a device's number where it is a path to one.
    fn ask(self, word: &str) -> Explanation {
        let (former, overwritten, labels) =
            (self.former.clone(), self.overwritten.clone(), self.labels.clone());
        let nth = self.devices.iter().position(|device| device.path == word);
        let asked = nth.map(|nth| self.devices[nth].id);
        self.scene(word, |scene| {
            let FoundWord::Subjects(subjects) = scene.understand(word, asked) else {
                panic!("{word} means nothing")
            };
            assert_eq!(subjects.len(), 1, "{word}");
            let explanation = scene.with_former(explain(scene, &subjects[0]), &former);
            let explanation = scene.with_overwritten(explanation, &overwritten);
            if scene.is_blank() { scene.with_labels(explanation, &labels) } else { explanation }
        })
    }

    /// The scene, where a word is asked about.
    fn scene<T>(self, word: &str, look: impl FnOnce(&ExplainScene<'_>) -> T) -> T {
        let nth = self.devices.iter().position(|device| device.path == word);
        let looked = nth.map(|nth| {
            let known = &self.devices[nth];
            let (busy, holders) = (known.busy, known.holders.clone());
            let found = Device { busy, holders, ..device(&self.disks[nth], u32::try_from(nth).unwrap()) };
            Looked { path: word.to_owned(), found: Ok(found) }
        });
        let sights: Vec<Sight> = self
            .devices
            .into_iter()
            .map(|device| Sight {
                path: device.path.clone(),
                found: Ok(device),
                magic: [None; 3],
                bare: false,
            })
            .collect();
        let session = Session {
            candidates: sights.iter().map(|sight| CandidatePath::new(sight, None)).collect(),
            world: World { udev: true, now: Timestamp { seconds: NOW, micros: 0 }, ..World::default() },
            options: Options { partial: true, ..Options::default() },
            ..Session::new(&self.config, Home { host: self.host.map(str::to_owned), required: true })
        };
        let zone = TimeZone::UTC;
        let scene = ExplainScene {
            arrays: &self.arrays,
            sights: &sights,
            session: &session,
            device: looked.as_ref(),
            log: &self.log,
            zone: &zone,
        };
        look(&scene)
    }
}

fn kinds(explanation: &Explanation) -> Vec<Kind> {
    explanation.findings.iter().map(|finding| finding.kind).collect()
}

#[track_caller]
fn check(explanation: &Explanation, expected: &[Kind], next: Option<&str>) {
    assert_eq!(kinds(explanation), expected, "{explanation:#?}");
    assert_eq!(explanation.next().map(NextCommand::line).as_deref(), next, "{explanation:#?}");
}

fn finding(explanation: &Explanation, kind: Kind) -> &Finding {
    explanation.findings.iter().find(|finding| finding.kind == kind).unwrap()
}

const ASSEMBLE: &str = "mdctl assemble /dev/md/home --uuid=11111111:11111111:11111111:11111111";

#[test]
fn running_arrays() {
    let raid1 = array(Level::Raid1, 2);
    let whole = || Stand::stopped(&raid1, &[9, 9]).running(Level::Raid1, 2, &[0, 1]);
    check(&whole().ask("md127"), &[Kind::Fine, Kind::Name], None);
    check(&whole().ask("/dev/sda"), &[Kind::Member], None);
    type Change = fn(&mut ArrayStatus);
    let activity = |stage| Some(Activity { kind: SyncKind::Resync, stage, speed: Some(100) });
    let cases: [(Change, Kind, Option<&str>); 9] = [
        (|array| array.state = "readonly".into(), Kind::ReadOnly, Some("mdctl readwrite /dev/md/home")),
        (|array| array.state = "read-auto".into(), Kind::ReadAuto, Some("mdctl readwrite /dev/md/home")),
        (
            |array| array.action = Some("frozen".into()),
            Kind::SyncFrozen,
            Some("mdctl --misc --action=idle /dev/md/home"),
        ),
        (|array| array.members[1].errors = 3, Kind::Worn, None),
        (
            |array| {
                array.members[1] =
                    MemberStatus { slot: None, state: vec!["faulty".into()], ..array.members[1].clone() }
            },
            Kind::Failed,
            Some("mdctl manage /dev/md/home --remove /dev/sdb"),
        ),
        (
            |array| {
                array.members[1] =
                    MemberStatus { slot: None, state: vec!["spare".into()], ..array.members[1].clone() }
            },
            Kind::SpareIdle,
            None,
        ),
        (
            |array| (array.last_action, array.mismatches) = (Some("check".into()), Some(Sectors(128))),
            Kind::Mismatches,
            Some("mdctl scrub locate /dev/md/home"),
        ),
        (
            |array| array.reshape_position = Some(Sectors(4096)),
            Kind::Reshape,
            Some("mdctl grow --continue /dev/md/home"),
        ),
        (|array| array.state = "broken".into(), Kind::NotEnough, Some("mdctl stop /dev/md/home")),
    ];
    for (change, kind, next) in cases {
        let mut stand = whole();
        change(stand.array());
        let explanation = stand.ask("md127");
        assert!(kinds(&explanation).contains(&kind), "{kind:?}: {explanation:#?}");
        assert_eq!(explanation.next().map(NextCommand::line).as_deref(), next, "{kind:?}: {explanation:#?}");
    }
    for (stage, kind) in [
        (Stage::Pending, Kind::SyncPending),
        (Stage::Delayed, Kind::SyncDelayed),
        (Stage::Running { done: Sectors(1), total: Sectors(400) }, Kind::SyncRunning),
    ] {
        let mut stand = whole();
        stand.array().activity = activity(stage);
        let explanation = stand.ask("md127");
        assert!(kinds(&explanation).contains(&kind), "{kind:?}: {explanation:#?}");
    }
}

#[test]
fn member_that_is_left_out_of_a_running_array() {
    let plain = array(Level::Raid1, 2);
    for (array, next) in [
        (with_bitmap(&plain), "mdctl manage /dev/md/home --re-add /dev/sdb"),
        (plain.clone(), "mdctl manage /dev/md/home --add /dev/sdb"),
    ] {
        let disks = [disk(&array, 0, 9, &[faulty(1)]), disk(&array, 1, 5, &[])];
        let explanation = Stand::of(&disks)
            .running(Level::Raid1, 2, &[0])
            .says("md: kicking non-fresh sdb from array!")
            .says("md: kicking non-fresh sdz from array!")
            .ask("/dev/md/home");
        check(&explanation, &[Kind::Stale, Kind::MemberMissing, Kind::Name], Some(next));
        let evidence = &finding(&explanation, Kind::Stale).evidence;
        assert_eq!(evidence[2..], ["kernel, 10 s ago: md: kicking non-fresh sdb from array!"]);
    }
}

#[test]
fn devices() {
    let raid5 = array(Level::Raid5, 3);
    let explanation = Stand::stopped(&raid5, &[9, 4, 9]).ask("/dev/sdb");
    assert_eq!(explanation.summary, "belongs to /dev/md/home, which does not run: slot 1, 5 events behind");
    check(&explanation, &[Kind::NotAssembled, Kind::Stale], Some(&format!("{ASSEMBLE} --readonly")));
    let empty = Disk { len: 1 << 20, writes: vec![] };
    let explanation = Stand::of(std::slice::from_ref(&empty)).ask("/dev/sda");
    check(&explanation, &[Kind::NotMember], None);
    assert_eq!(explanation.findings[0].evidence, ["nothing that is known is on it"]);
    let mut swap = Disk { len: 1 << 20, ..empty.clone() };
    swap.writes.push(Write { at: Bytes(4086), data: b"SWAPSPACE2".to_vec() });
    let explanation = Stand::of(&[swap]).ask("/dev/sda");
    assert!(explanation.findings[0].evidence[0].starts_with("it holds swap"), "{explanation:#?}");
    let mut damaged = disk(&raid5, 0, 9, &[]);
    damaged.writes[0].data[4] = 9;
    let explanation = Stand::of(&[damaged]).ask("/dev/sda");
    assert!(!explanation.is_fine(), "{explanation:#?}");
}

#[test]
fn blank_device_that_a_group_of_volumes_counts_on() {
    let empty = Disk { len: 1 << 20, writes: vec![] };
    let label = |size| FormerLabel {
        group: "vg".into(),
        pv: superblock::lvm::LvmUuid::from_random([b'a'; 32]),
        path: "/dev/sda".into(),
        size: Some(Bytes(size)),
        backup: None,
        doubt: None,
    };
    let ask = |disk: &Disk, size| {
        let labels = vec![label(size)];
        Stand { labels, ..Stand::of(std::slice::from_ref(disk)) }.ask("/dev/sda")
    };
    let explanation = ask(&empty, 1 << 20);
    check(&explanation, &[Kind::FormerLabel, Kind::NotMember], Some("mdctl volume restore --dry-run vg"));
    let text = &finding(&explanation, Kind::FormerLabel).text;
    assert!(text.contains("of group vg; its label is gone"), "{text}");
    // Another device under that name is given nothing.
    check(&ask(&empty, 1 << 21), &[Kind::FormerLabel, Kind::NotMember], None);
    // Nor one of which nothing tells that it is the one.
    let doubted = FormerLabel { doubt: Some("it was attached since".into()), ..label(1 << 20) };
    let stand = Stand { labels: vec![doubted], ..Stand::of(std::slice::from_ref(&empty)) };
    let explanation = stand.ask("/dev/sda");
    check(&explanation, &[Kind::FormerLabel, Kind::NotMember], None);
    assert!(finding(&explanation, Kind::FormerLabel).text.contains("may be another disk"));
    let mut swap = empty.clone();
    swap.writes.push(Write { at: Bytes(4086), data: b"SWAPSPACE2".to_vec() });
    check(&ask(&swap, 1 << 20), &[Kind::NotMember], None);
}

#[test]
fn log_of_an_earlier_array_is_not_shown() {
    let mut stand =
        Stand::stopped(&array(Level::Raid1, 2), &[9, 4]).says("md: kicking non-fresh sdb from array!");
    stand.log[0].at = NOW - 500;
    let explanation = stand.ask("home");
    let all: Vec<&String> = explanation.findings.iter().flat_map(|finding| &finding.evidence).collect();
    assert!(!all.iter().any(|line| line.contains("kicking")), "{all:#?}");
    let said =
        Stand::stopped(&array(Level::Raid1, 2), &[9, 9]).says("md: invalid superblock checksum on sdb");
    assert!(kinds(&said.ask("home")).contains(&Kind::KernelRefused));
}

#[test]
fn names_from_disks_stay_words() {
    let evil = v1::NewArray { name: v1::set_name(None, b"$(reboot)\n\x1b[2J;"), ..array(Level::Raid1, 2) };
    let explanation = Stand::stopped(&evil, &[9, 9]).ask("11111111111111111111111111111111");
    let line = explanation.next().unwrap().line();
    assert!(!line.contains(['$', '(', '\n', '\x1b', ';']), "{line}");
}

#[test]
fn every_kind_is_documented() {
    let page = include_str!("../../../../docs/json.md");
    for kind in Kind::ALL {
        assert!(page.contains(&format!("`{}`", kind.code())), "docs/json.md does not name {}", kind.code());
    }
}
