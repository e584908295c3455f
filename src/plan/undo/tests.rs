use crate::plan::{DiskStep, SystemStep};
use superblock::{Level, Media, Native, sectors::SectorMap};

use super::*;
use crate::{
    archive::{Attributes, Identity, Print, Sighted, tests::about},
    model::{Candidate, Device},
    plan::run::tests::every_failure_leaves_no_trace,
    plan::{
        create::{
            self,
            tests::{context, device, request, world},
        },
        keep,
    },
};

pub(super) const SIZE: u64 = 16 << 20;
pub(super) const PATHS: [&str; 2] = ["/dev/a", "/dev/b"];

/// Two disks as bytes.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Disks(pub(in crate::plan) Vec<SectorMap>);

impl Disks {
    pub(super) fn new() -> Self {
        Self(PATHS.iter().map(|_| SectorMap::zeros(Bytes(SIZE))).collect())
    }

    pub(super) fn device(&self, n: usize) -> Device {
        let found = device(PATHS[n], SIZE).found.expect("a device");
        Device { probe: probe::probe(&self.0[n]), ..found }
    }

    pub(super) fn read(&self, n: usize, at: Bytes, length: usize) -> Write {
        let mut data = vec![0; length];
        self.0[n].read_at(at, &mut data).expect("inside");
        Write { at, data }
    }

    /// Carries the writes of a plan out.
    fn apply(&mut self, plan: &Plan) {
        for step in &plan.steps {
            if let Step::Disk(DiskStep::Write { device, writes, .. }) = step {
                let n = PATHS.iter().position(|path| path == device).expect("a disk");
                writes.iter().for_each(|write| self.0[n].write(write));
            }
        }
    }

    /// Creates an array and answers with what the archive got.
    pub(super) fn create(&mut self, level: Level, nth: usize) -> Entry {
        let devices = (0..2).map(|n| Candidate { path: PATHS[n].into(), found: Ok(self.device(n)) });
        let mut world = world(devices.collect());
        world.fresh.rotate_left(nth * 4);
        world.now.seconds += u64::try_from(nth).unwrap();
        let plan = create::plan(&request(level, &PATHS), &context(), &world).expect("a plan");
        self.keep(&plan)
    }

    fn keep(&mut self, plan: &Plan) -> Entry {
        let (plan, record) = self.kept(plan);
        let devices = record.devices.into_iter().map(|wanted| {
            let n = PATHS.iter().position(|path| *path == wanted.device.path).expect("a disk");
            let read = |(at, length): &(Bytes, Bytes)| self.read(n, *at, usize::try_from(length.0).unwrap());
            KeptDevice {
                before: wanted.ranges.iter().map(read).collect(),
                device: wanted.device,
                written: wanted.written,
            }
        });
        let entry = Entry { about: record.about, devices: devices.collect() };
        self.apply(&plan);
        entry
    }

    fn kept(&self, plan: &Plan) -> (Plan, crate::archive::Record) {
        let sighted: Vec<Sighted> =
            (0..2).map(|n| Sighted::new(self.device(n), Attributes::default())).collect();
        let (plan, at) = keep::keep(plan, &sighted, about(1_800_000_000));
        let Step::System(SystemStep::Archive { record }) = plan.steps[at.expect("it writes")].clone() else {
            panic!("{plan}")
        };
        (plan, *record)
    }

    fn present(&self, entry: &Entry) -> Vec<Present> {
        let one = |(n, kept): (usize, &KeptDevice)| Present {
            device: self.device(n),
            group: None,
            ends: Vec::new(),
            inside: Vec::new(),
            changed: false,
            unchanged: Vec::new(),
            now: kept.before.iter().map(|piece| self.read(n, piece.at, piece.data.len())).collect(),
        };
        entry.devices.iter().enumerate().map(one).collect()
    }

    fn undo(&self, entry: &Entry) -> Result<Plan, Refusal> {
        plan(entry, &self.present(entry), &[], (DeviceTrust::Proof, &Around::new()))
    }
}

/// An array, and another one over it.
pub(super) fn overwritten() -> (Disks, Vec<SectorMap>, Entry) {
    let mut disks = Disks::new();
    disks.create(Level::Raid1, 0);
    let old = disks.0.clone();
    let entry = disks.create(Level::Raid0, 1);
    assert_ne!(disks.0, old);
    (disks, old, entry)
}

#[test]
fn what_was_overwritten_comes_back_to_the_byte_and_can_go_again() {
    let (mut disks, old, entry) = overwritten();
    let new = disks.0.clone();
    let undo = disks.undo(&entry).expect("nothing has changed");
    assert_eq!(every_failure_leaves_no_trace(&disks.kept(&undo).0), 10);
    let back = disks.keep(&undo);
    assert_eq!(disks.0, old);
    let refusal = disks.undo(&entry).expect_err("it is undone");
    assert!(refusal.text.starts_with("there is nothing to put back"), "{refusal}");
    let again = disks.undo(&back).expect("nothing has changed");
    disks.apply(&again);
    assert_eq!(disks.0, new);
}

#[test]
fn after_a_killed_command_what_is_as_it_was_is_called_so() {
    let (mut disks, _, entry) = overwritten();
    let take_back = |present: &[Present]| {
        plan(&entry, present, &[], (DeviceTrust::Unbroken, &Around::new())).expect("not an error")
    };
    let written = take_back(&disks.present(&entry));
    assert!(written.steps.iter().any(|step| matches!(step, Step::Disk(DiskStep::Write { .. }))), "{written}");
    disks.apply(&written);
    let again = take_back(&disks.present(&entry));
    assert!(again.steps.is_empty(), "{again}");
    assert_eq!(again.summary, "what it was to overwrite on /dev/a, /dev/b is as it was before");
    // Of disks that are not here nobody can say how they are.
    let gone = take_back(&[]);
    assert!(gone.steps.is_empty(), "{gone}");
    assert_eq!(gone.summary, "nothing was put back: none of its devices is known to be here as it was");
}

/// Nobody asked for that: a device that has joined the array that it was given to is not to be taken from it.
#[test]
fn what_has_joined_its_array_by_now_stays() {
    let mut disks = Disks::new();
    let entry = disks.create(Level::Raid1, 0);
    let mut present = disks.present(&entry);
    for one in &mut present {
        one.device.busy = true;
        one.device.holders = vec!["array md1".into()];
    }
    let left =
        plan(&entry, &present, &[], (DeviceTrust::Unbroken, &Around::new())).expect("nothing to be done");
    assert!(left.steps.is_empty());
    let told: Vec<&str> = left.warnings.iter().map(|warning| warning.text.as_str()).collect();
    assert_eq!(
        told,
        [
            "/dev/a is a member of md1 by now (in slot 0), and stays",
            "/dev/b is a member of md1 by now (in slot 1), and stays"
        ]
    );
    // Held by another array it is in somebody's use.
    disks.create(Level::Raid1, 2);
    let mut others = disks.present(&entry);
    others[0].device.busy = true;
    others[0].device.holders = vec!["array md7".into()];
    assert!(plan(&entry, &others, &[], (DeviceTrust::Unbroken, &Around::new())).is_err());
}

#[test]
fn all_metadata_of_a_member_is_kept_wherever_it_lies() {
    let mut disks = Disks::new();
    let devices = (0..2).map(|n| Candidate { path: PATHS[n].into(), found: Ok(disks.device(n)) });
    let mut with_bitmap = request(Level::Raid1, &PATHS);
    with_bitmap.bitmap = Some(crate::request::BitmapKind::Internal);
    let created = create::plan(&with_bitmap, &context(), &world(devices.collect())).expect("a plan");
    disks.apply(&created);
    let old = disks.0.clone();
    let superblock = disks.device(0).probe.found.remove(0).superblock;
    let Native::V1(sb) = superblock.fields() else { panic!("a 1.2 superblock") };
    let bitmap = sb.bitmap_at().expect("a bitmap").bytes();
    let log = sb.bad_block_log_at().expect("a log").bytes();
    // A write far from all of it, and a device that is only handed over.
    let writes = vec![Write { at: Bytes(8 << 20), data: vec![1; 512] }];
    let steps = vec![
        Step::Disk(DiskStep::Claim { device: PATHS[1].into() }),
        Step::Disk(DiskStep::Write { device: PATHS[0].into(), what: "something".into(), writes }),
    ];
    let entry = disks.keep(&Plan { steps, ..Plan::default() });
    assert_eq!(entry.devices.len(), 2);
    for kept in &entry.devices {
        for at in [Bytes(4096), bitmap, log] {
            let end = |piece: &Write| Bytes(piece.at.0 + u64::try_from(piece.data.len()).unwrap());
            assert!(kept.before.iter().any(|piece| piece.at <= at && at < end(piece)), "{at}");
        }
    }
    // Everything that is kept is gone, and comes back.
    for (n, kept) in entry.devices.iter().enumerate() {
        for piece in &kept.before {
            disks.0[n].write(&Write { at: piece.at, data: vec![0; piece.data.len()] });
        }
    }
    let back =
        plan(&entry, &disks.present(&entry), &[], (DeviceTrust::Path, &Around::new())).expect("forced");
    disks.apply(&back);
    assert_eq!(disks.0, old);
}

#[test]
fn what_the_kernel_changes_in_its_superblocks_is_no_change() {
    let (mut disks, old, entry) = overwritten();
    for n in 0..2 {
        // utime, events and resync_offset of a 1.2 superblock.
        let mut page = disks.read(n, Bytes(4096), 512);
        page.data[192..216].fill(9);
        disks.0[n].write(&page);
    }
    // What nobody asked for is not done to an array that somebody ran since.
    let refusal = plan(&entry, &disks.present(&entry), &[], (DeviceTrust::Unbroken, &Around::new()))
        .expect_err("it ran");
    assert!(refusal.text.ends_with("its array has been used"), "{refusal}");
    let undo = disks.undo(&entry).expect("it is still the array that was made");
    disks.apply(&undo);
    assert_eq!(disks.0, old);
}

#[test]
fn what_others_did_since_is_refused_unless_forced() {
    let (mut disks, _, entry) = overwritten();
    disks.create(Level::Raid1, 2);
    let later = about(1_900_000_000);
    let refusal = plan(&entry, &disks.present(&entry), &[], (DeviceTrust::Proof, &Around::new()))
        .expect_err("another array");
    assert!(refusal.text.contains("it carries a superblock of array"), "{refusal}");
    assert!(refusal.hint.unwrap().starts_with("`mdctl explain /dev/"), "no word of force");
    let refusal = plan(&entry, &disks.present(&entry), &[&later], (DeviceTrust::Proof, &Around::new()))
        .expect_err("another array");
    assert!(refusal.text.contains("came later and is about the same"), "{refusal}");
    assert_eq!(refusal.hint, Some(format!("take that back first: mdctl undo {}", later.id)));
    let forced =
        plan(&entry, &disks.present(&entry), &[], (DeviceTrust::Path, &Around::new())).expect("forced");
    assert_eq!(forced.warnings.len(), 2, "{forced}");

    let (mut disks, _, entry) = overwritten();
    disks.0[1].write(&Write { at: Bytes(4096), data: vec![7; 4096] });
    let refusal = disks.undo(&entry).expect_err("something else");
    assert!(refusal.text.starts_with("/dev/b has been changed since"), "{refusal}");

    let (disks, _, entry) = overwritten();
    let mut present = disks.present(&entry);
    present[0].device.busy = true;
    present[0].device.holders = vec!["array md5".into()];
    let refusal = plan(&entry, &present, &[], (DeviceTrust::Path, &Around::new())).expect_err("in use");
    assert_eq!(refusal.hint.as_deref(), Some("stop it first: mdctl stop /dev/md5"));
}

#[test]
fn a_command_that_was_killed_half_way_is_undone() {
    let (mut disks, old, entry) = overwritten();
    disks.0[1] = old[1].clone();
    let undo = disks.undo(&entry).expect("half written");
    assert_eq!(
        undo.steps.iter().filter(|step| matches!(step, Step::Disk(DiskStep::Write { .. }))).count(),
        1
    );
    disks.apply(&undo);
    assert_eq!(disks.0, old);
}

#[test]
fn the_newest_is_meant_by_its_number_and_never_one_before_an_undo() {
    let entry = |seq: u64, undoes: Option<&About>| About {
        seq,
        undoes: undoes.map(|about| about.id.clone()),
        // The clock goes backwards.
        ..about(1_800_000_000 - seq)
    };
    let first = entry(1, None);
    let second = entry(2, None);
    let third = entry(3, Some(&second));
    let abouts = [&third, &first, &second];
    let chosen = |word: Option<&str>, abouts: &[&About]| {
        choose(word, abouts).map(|about| about.seq).map_err(|refusal| refusal.text)
    };
    assert_eq!(chosen(None, &abouts[1..]), Ok(2));
    let twice = choose(None, &abouts).expect_err("no walk into the past");
    assert!(twice.text.contains("is an undo itself"), "{twice}");
    assert!(twice.hint.unwrap().starts_with(&format!("`mdctl undo {}` does it again", third.id)));
    assert_eq!(chosen(Some(third.id.as_str()), &abouts), Ok(3));
    assert_eq!(chosen(Some(second.id.as_str()), &abouts), Ok(2));
    assert!(chosen(Some(""), &abouts[..1]).is_err(), "an empty word means nothing");
    assert!(chosen(Some("2027"), &abouts).unwrap_err().contains("fits several"));
    assert!(chosen(Some("x\n"), &abouts).unwrap_err().starts_with("x\\n: no such"));
    // An undo that was killed and cleaned up: what it was to undo is meant, not the part of it that the clean-up kept.
    let cleaned = |seq: u64, killed: &About| About {
        seq,
        undoes: Some(killed.id.clone()),
        cleans_up: true,
        ..about(1_800_000_000 + seq)
    };
    let zeroed = About { seq: 10, ..about(1_800_000_010) };
    let killed = About { seq: 11, undoes: Some(zeroed.id.clone()), ..about(1_800_000_011) };
    let mended = cleaned(12, &killed);
    assert_eq!(choose(None, &[&zeroed, &killed, &mended]).map(|about| about.seq).ok(), Some(10));
    // Any other command that was killed: nothing of it is left, and nobody is led into the past.
    let mended = cleaned(11, &zeroed);
    let refusal = choose(None, &[&zeroed, &mended]).expect_err("taken back already");
    assert!(refusal.text.contains("was killed, and is taken back already"), "{refusal}");
    // Nor is anybody given the half of it that the clean-up took away.
    let half = choose(Some(mended.id.as_str()), &[&zeroed, &mended]).expect_err("half made");
    assert!(half.text.contains("a killed command had left half made") && half.hint.is_some(), "{half}");
    assert!(choose(None, &[]).is_err());
    // Entries of older programs have no number; they come before those that have one.
    let old = About { seq: 0, ..about(1_900_000_000) };
    assert_eq!(chosen(None, &[&old, &first]), Ok(1));
}

#[test]
fn what_came_later_and_still_counts() {
    let disk = |serial: &str, path: &str| Identity {
        path: path.into(),
        serial: Some(serial.into()),
        ..Identity::default()
    };
    let [a, b] = [vec![disk("A", "/dev/a")], vec![disk("B", "/dev/a")]];
    let renamed = vec![disk("A", "/dev/z")];
    let entry = |seq: u64, undoes: Option<&About>| About {
        seq,
        undoes: undoes.map(|about| about.id.clone()),
        ..about(1_800_000_000 + seq)
    };
    let group = |seq: u64| About {
        group: Some(GroupChange {
            group: "vg".into(),
            id: "id".into(),
            before: Some(1),
            after: Some(2),
            back: Some("mdctl volume restore vg --at 1".into()),
            no_way: None,
        }),
        ..entry(seq, None)
    };
    let (first, second) = (entry(1, None), entry(2, None));
    let undo = entry(3, Some(&second));
    let numbers = |about: &About, devices: &[Identity], all: &[(&About, &[Identity])]| {
        later(about, devices, all).iter().map(|about| about.seq).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&first, &a, &[(&first, &a), (&second, &renamed)]), [2], "one disk under another name");
    assert_eq!(numbers(&first, &a, &[(&first, &a), (&second, &b)]), [0; 0], "another disk under its name");
    assert_eq!(numbers(&first, &a, &[(&first, &a), (&second, &a), (&undo, &a)]), [0; 0], "it is undone");
    let of_first = entry(3, Some(&first));
    assert_eq!(numbers(&first, &a, &[(&first, &a), (&second, &a), (&of_first, &a)]), [3, 2]);
    let (made, changed) = (group(1), group(2));
    assert_eq!(numbers(&made, &a, &[(&made, &a), (&changed, &[])]), [2], "a change of the same group");
    let refusal = plan(
        &Entry { about: first, devices: Vec::new() },
        &[],
        &[&changed],
        (DeviceTrust::Proof, &Around::new()),
    );
    let hint = refusal.expect_err("later").hint;
    assert_eq!(hint.as_deref(), Some("take that back first: mdctl volume restore vg --at 1"));
    let refusal =
        plan(&Entry { about: changed, devices: Vec::new() }, &[], &[], (DeviceTrust::Path, &Around::new()));
    let hint = refusal.expect_err("not by bytes, whatever the force").hint;
    assert_eq!(hint.as_deref(), Some("this takes it back: mdctl volume restore vg --at 1"));
}

/// A group was made, and is as it was made, or was changed since.
#[test]
fn what_the_command_itself_left_is_its_own() {
    let mut entry = crate::archive::tests::entry();
    entry.about.group = Some(GroupChange {
        group: "vg".into(),
        id: "id".into(),
        before: None,
        after: Some(1),
        back: None,
        no_way: None,
    });
    let present = |id: &str, seqno| {
        let mut device = device("/dev/a", 1 << 20).found.expect("a device");
        device.foreign = foreign::scan(&label()).expect("it can be read");
        assert_eq!(device.foreign[0].kind, foreign::Kind::Lvm2);
        let now = entry.devices[0].before.iter().map(|w| Write { at: w.at, data: vec![9; w.data.len()] });
        let group = Some(("vg".to_owned(), id.to_owned(), seqno));
        [Present {
            device,
            now: now.collect(),
            group,
            ends: Vec::new(),
            inside: Vec::new(),
            changed: false,
            unchanged: Vec::new(),
        }]
    };
    let mut ours = entry.clone();
    ours.devices[0].before.push(Write { at: Bytes(0), data: vec![0; 1024] });
    ours.devices[0].before.rotate_right(1);
    ours.devices[0].written.push(Write { at: Bytes(0), data: read(&label(), Bytes(0), 1024) });
    let decide =
        |entry: &Entry, present: &[Present], trust| plan(entry, present, &[], (trust, &Around::new()));
    assert_eq!(
        decide(&ours, &present("id", 1), DeviceTrust::Proof).map(|plan| plan.steps.len()).ok(),
        Some(6)
    );
    let since = decide(&ours, &present("id", 3), DeviceTrust::Proof).expect_err("changed since");
    assert!(since.text.contains("2 times") && since.hint.unwrap().contains("mdctl volume group remove vg"));
    let others = decide(&entry, &present("other", 1), DeviceTrust::Proof).expect_err("somebody else's");
    assert!(others.text.contains("it now holds LVM2 physical volume"), "{others}");
    assert!(others.hint.unwrap().contains("mdctl volume group remove vg"), "no word of force");
}

fn read(media: &dyn Media, at: Bytes, length: usize) -> Vec<u8> {
    let mut data = vec![0; length];
    media.read_at(at, &mut data).expect("inside");
    data
}

/// A device with nothing but a label of LVM2.
fn label() -> SectorMap {
    let mut map = SectorMap::zeros(Bytes(1 << 20));
    let mut data = vec![0; 512];
    data[..8].copy_from_slice(b"LABELONE");
    data[24..32].copy_from_slice(b"LVM2 001");
    map.write(&Write { at: Bytes(512), data });
    map
}

#[test]
fn what_is_on_an_array_that_goes_is_asked_about() {
    let mut disks = Disks::new();
    let entry = disks.create(Level::Raid1, 0);
    let mut present = disks.present(&entry);
    assert!(
        !plan(&entry, &present, &[], (DeviceTrust::Proof, &Around::new())).expect("a plan").needs_consent()
    );
    let array = membership(&present[0].device.probe.found[0]).array;
    present[0].inside = vec![(array, "ext4 \"home\"".into())];
    let asked = plan(&entry, &present, &[], (DeviceTrust::Proof, &Around::new())).expect("a plan");
    let text = &asked.warnings.last().expect("a question").text;
    assert!(asked.needs_consent() && text.contains("with it what is on it: ext4 \"home\""), "{text}");
}

#[test]
fn devices_are_found_under_other_names_and_never_guessed() {
    let (disks, _, mut entry) = overwritten();
    entry.devices.truncate(1);
    let at = |entry: &Entry, here: &[Identity], trust: DeviceTrust| {
        find(entry, (here, &[]), trust)
            .map(|found| found.places.into_iter().map(|(_, at)| at).collect::<Vec<_>>())
    };
    let proof = |entry: &Entry, here: &[Identity]| at(entry, here, DeviceTrust::Proof);
    let here = |path: &str, n: usize| Identity {
        path: path.into(),
        ..Sighted::new(disks.device(n), Attributes::default()).identity
    };
    assert_eq!(proof(&entry, &[here("/dev/x", 1), here("/dev/y", 0)]), Ok(vec![1]), "by the member's UUID");
    let twins = [here("/dev/a", 0), here("/dev/y", 0)];
    let unsure = proof(&entry, &twins).unwrap_err();
    assert!(unsure.text.contains("may be any of /dev/a, /dev/y"), "{unsure}");
    assert!(unsure.hint.unwrap().ends_with("--force takes /dev/a"));
    assert_eq!(at(&entry, &twins, DeviceTrust::Path), Ok(vec![0]), "mirrors look the same");
    let elsewhere = [here("/dev/x", 0), here("/dev/y", 0)];
    assert!(find(&entry, (&elsewhere, &[]), DeviceTrust::Path).expect("left out").places.is_empty());
    let blank = |path: &str| Identity { path: path.into(), size: SIZE, ..Identity::default() };
    let unsure = proof(&entry, &[blank("/dev/b"), blank("/dev/a")]).unwrap_err();
    assert!(unsure.text.contains("/dev/a: nothing tells that this is the disk of then"), "{unsure}");
    assert!(unsure.hint.unwrap().contains("--force writes to /dev/a"));
    assert_eq!(
        at(&entry, &[blank("/dev/b"), blank("/dev/a")], DeviceTrust::Path),
        Ok(vec![1]),
        "by its path"
    );
    assert!(proof(&entry, &[blank("/dev/b")]).unwrap_err().text.contains("is not here"));
    let forced = find(&entry, (&[blank("/dev/b")], &[]), DeviceTrust::Path).expect("forced");
    assert_eq!((forced.places.len(), forced.left_out.len()), (0, 1));
    let other_size = Identity { size: 4096, ..blank("/dev/a") };
    let forced = find(&entry, (&[other_size], &[]), DeviceTrust::Path).expect("forced");
    assert!(forced.places.is_empty(), "never another device, whatever the force");
    entry.devices[0].device.serial = Some("S1".into());
    let serial = |path: &str, serial: &str| Identity { serial: Some(serial.into()), ..blank(path) };
    assert_eq!(proof(&entry, &[blank("/dev/a"), serial("/dev/z", "S1")]), Ok(vec![1]));
    assert!(proof(&entry, &[serial("/dev/a", "S2")]).unwrap_err().text.contains("another disk is there now"));
    let twins = [serial("/dev/a", "S1"), serial("/dev/z", "S1")];
    assert!(
        proof(&entry, &twins).unwrap_err().text.contains("may be any of"),
        "a number that two disks have"
    );
}

/// Two disks of one size without numbers change places over a boot.
#[test]
fn a_disk_in_anothers_place_is_not_written_to() {
    let mut entry = crate::archive::tests::entry();
    let print = |at, crc32| Print { at, crc32 };
    let then = &mut entry.devices[0].device;
    then.boot = Some("one".into());
    then.diskseq = Some(3);
    then.prints = vec![print(8192, 1), print(12288, 2), print(20480, 3)];
    let disk = |path: &str, boot: &str, diskseq, prints: Vec<Print>| Identity {
        path: path.into(),
        size: 1 << 20,
        boot: Some(boot.into()),
        diskseq: Some(diskseq),
        prints,
        ..Identity::default()
    };
    let ours = vec![print(8192, 1), print(12288, 2)];
    let theirs = vec![print(8192, 8), print(12288, 9)];
    let found = |here: &[Identity], trust| {
        find(&entry, (here, &[]), trust).map(|found| found.places[..].iter().map(|p| p.1).collect())
    };
    let swapped = [disk("/dev/a", "two", 3, theirs.clone()), disk("/dev/b", "two", 4, ours.clone())];
    assert_eq!(found(&swapped, DeviceTrust::Proof), Ok(vec![1]));
    let away = found(&swapped[..1], DeviceTrust::Proof).unwrap_err();
    assert!(away.text.contains("what was on it is not there"), "{away}");

    // In one boot: the loop was detached, another file attached. Nobody asked for what comes now.
    let swapped = [disk("/dev/a", "one", 9, theirs)];
    let left = find(&entry, (&swapped, &[]), DeviceTrust::Unbroken).expect("left out");
    assert!(left.places.is_empty() && left.left_out[0].contains("another disk is there now"), "{left:?}");
    let again = [disk("/dev/a", "one", 9, ours.clone())];
    assert_eq!(found(&again, DeviceTrust::Proof), Ok(vec![0]), "asked for, its content is enough");
    assert_eq!(found(&again, DeviceTrust::Unbroken), Ok(vec![]), "unasked, it is not");
    let same = [disk("/dev/c", "one", 3, Vec::new())];
    assert_eq!(found(&same, DeviceTrust::Unbroken), Ok(vec![0]), "the kernel's number, whatever its name");
}

#[test]
fn two_devices_of_then_are_never_one_now() {
    let mut entry = crate::archive::tests::entry();
    entry.devices[0].device.serial = Some("same".into());
    entry.devices.push(KeptDevice {
        device: Identity { path: "/dev/b".into(), ..entry.devices[0].device.clone() },
        ..entry.devices[0].clone()
    });
    let here = [entry.devices[0].device.clone()];
    assert!(
        find(&entry, (&here, &[]), DeviceTrust::Proof)
            .unwrap_err()
            .text
            .contains("seem to be one device now")
    );
}
