use superblock::{Level, Media, sectors::SectorMap};

use super::*;
use crate::{
    archive::{Identity, Sighted, tests::about},
    model::Candidate,
    plan::run::tests::every_failure_leaves_no_trace,
    plan::{
        create::{
            self,
            tests::{context, device, request, world},
        },
        keep,
    },
};

const SIZE: u64 = 16 << 20;
const PATHS: [&str; 2] = ["/dev/a", "/dev/b"];

/// Two disks as bytes.
struct Disks(Vec<SectorMap>);

impl Disks {
    fn new() -> Self {
        Self(PATHS.iter().map(|_| SectorMap::zeros(Bytes(SIZE))).collect())
    }

    fn device(&self, n: usize) -> Device {
        let found = device(PATHS[n], SIZE).found.expect("a device");
        Device { probe: probe::probe(&self.0[n]), ..found }
    }

    fn read(&self, n: usize, at: Bytes, length: usize) -> Write {
        let mut data = vec![0; length];
        self.0[n].read_at(at, &mut data).expect("inside");
        Write { at, data }
    }

    /// Carries the writes of a plan out.
    fn apply(&mut self, plan: &Plan) {
        for step in &plan.steps {
            if let Step::Write { device, writes, .. } = step {
                let n = PATHS.iter().position(|path| path == device).expect("a disk");
                writes.iter().for_each(|write| self.0[n].write(write));
            }
        }
    }

    /// Creates an array and answers with what the archive got.
    fn create(&mut self, level: Level, nth: usize) -> Entry {
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
            Kept {
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
            (0..2).map(|n| Sighted::new(self.device(n), Vec::new(), None, None)).collect();
        let (plan, at) = keep::keep(plan, &sighted, about(1_800_000_000));
        let Step::Archive { record } = plan.steps[at.expect("it writes")].clone() else { panic!("{plan}") };
        (plan, *record)
    }

    fn present(&self, entry: &Entry) -> Vec<Present> {
        let one = |(n, kept): (usize, &Kept)| Present {
            device: self.device(n),
            now: kept.before.iter().map(|piece| self.read(n, piece.at, piece.data.len())).collect(),
        };
        entry.devices.iter().enumerate().map(one).collect()
    }

    fn undo(&self, entry: &Entry) -> Result<Plan, Refusal> {
        plan(entry, &self.present(entry), &[], false)
    }
}

/// An array, and another one over it.
fn overwritten() -> (Disks, Vec<SectorMap>, Entry) {
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
    assert_eq!(every_failure_leaves_no_trace(&disks.kept(&undo).0), 8);
    let back = disks.keep(&undo);
    assert_eq!(disks.0, old);
    let refusal = disks.undo(&entry).expect_err("it is undone");
    assert!(refusal.text.starts_with("there is nothing to put back"), "{refusal}");
    let again = disks.undo(&back).expect("nothing has changed");
    disks.apply(&again);
    assert_eq!(disks.0, new);
}

#[test]
fn all_metadata_of_a_member_is_kept_wherever_it_lies() {
    let mut disks = Disks::new();
    let devices = (0..2).map(|n| Candidate { path: PATHS[n].into(), found: Ok(disks.device(n)) });
    let mut with_bitmap = request(Level::Raid1, &PATHS);
    with_bitmap.bitmap = Some(crate::plan::request::BitmapKind::Internal);
    let created = create::plan(&with_bitmap, &context(), &world(devices.collect())).expect("a plan");
    disks.apply(&created);
    let old = disks.0.clone();
    let Native::V1(sb) = disks.device(0).probe.found.remove(0).superblock else { panic!("a 1.2 superblock") };
    let bitmap = sb.fields().bitmap_at().expect("a bitmap").bytes();
    let log = sb.fields().bad_block_log_at().expect("a log").bytes();
    // A write far from all of it, and a device that is only handed over.
    let writes = vec![Write { at: Bytes(8 << 20), data: vec![1; 512] }];
    let steps = vec![
        Step::Claim { device: PATHS[1].into() },
        Step::Write { device: PATHS[0].into(), what: "something".into(), writes },
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
    let back = plan(&entry, &disks.present(&entry), &[], true).expect("forced");
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
    let undo = disks.undo(&entry).expect("it is still the array that was made");
    disks.apply(&undo);
    assert_eq!(disks.0, old);
}

#[test]
fn what_others_did_since_is_refused_unless_forced() {
    let (mut disks, _, entry) = overwritten();
    disks.create(Level::Raid1, 2);
    let later = about(1_900_000_000);
    let refusal = plan(&entry, &disks.present(&entry), &[&later], false).expect_err("another array");
    assert!(refusal.text.contains("there is a superblock of array"), "{refusal}");
    assert!(refusal.hint.unwrap().contains(later.id.as_str()));
    let forced = plan(&entry, &disks.present(&entry), &[], true).expect("forced");
    assert_eq!(forced.warnings.len(), 2);

    let (mut disks, _, entry) = overwritten();
    disks.0[1].write(&Write { at: Bytes(4096), data: vec![7; 4096] });
    let refusal = disks.undo(&entry).expect_err("something else");
    assert!(refusal.text.starts_with("/dev/b has been changed since"), "{refusal}");

    let (disks, _, entry) = overwritten();
    let mut present = disks.present(&entry);
    present[0].device.busy = true;
    present[0].device.holders = vec!["array md5".into()];
    let refusal = plan(&entry, &present, &[], true).expect_err("in use");
    assert_eq!(refusal.hint.as_deref(), Some("stop it first: mdctl stop /dev/md5"));
}

#[test]
fn a_command_that_was_killed_half_way_is_undone() {
    let (mut disks, old, entry) = overwritten();
    disks.0[1] = old[1].clone();
    let undo = disks.undo(&entry).expect("half written");
    assert_eq!(undo.steps.iter().filter(|step| matches!(step, Step::Write { .. })).count(), 1);
    disks.apply(&undo);
    assert_eq!(disks.0, old);
}

#[test]
fn the_newest_that_is_in_force_is_meant() {
    let mut abouts: Vec<About> = (1..=4).map(|n| about(1_800_000_000 + n)).collect();
    abouts[2].undoes = Some(abouts[1].id.clone());
    let chosen = |abouts: &[About], word: Option<&str>| {
        let abouts: Vec<&About> = abouts.iter().collect();
        choose(word, &abouts).map(|about| about.id.clone()).map_err(|refusal| refusal.text)
    };
    assert_eq!(chosen(&abouts[..3], None), Ok(abouts[0].id.clone()), "the second is undone");
    abouts[3].undoes = Some(abouts[2].id.clone());
    assert_eq!(chosen(&abouts, None), Ok(abouts[1].id.clone()), "and here that undo is undone");
    assert_eq!(chosen(&abouts, Some(abouts[2].id.as_str())), Ok(abouts[2].id.clone()));
    assert!(chosen(&abouts, Some("2027")).unwrap_err().contains("fits several"));
    assert!(chosen(&abouts, Some("x\n")).unwrap_err().starts_with("x\\n: no such"));
    assert!(chosen(&[], None).is_err());
}

#[test]
fn devices_are_found_under_other_names_and_never_guessed() {
    let (disks, _, mut entry) = overwritten();
    entry.devices.truncate(1);
    let at = |entry: &Entry, here: &[Identity]| {
        find(entry, here, false).map(|found| found.places.into_iter().map(|(_, at)| at).collect::<Vec<_>>())
    };
    let here = |path: &str, n: usize| Identity {
        path: path.into(),
        ..Sighted::new(disks.device(n), Vec::new(), None, None).identity
    };
    assert_eq!(at(&entry, &[here("/dev/x", 1), here("/dev/y", 0)]), Ok(vec![1]), "by the member's UUID");
    let twins = [here("/dev/x", 0), here("/dev/y", 0)];
    assert!(at(&entry, &twins).unwrap_err().text.contains("may be any of /dev/x, /dev/y"));
    let blank = |path: &str| Identity { path: path.into(), size: SIZE, ..Identity::default() };
    assert_eq!(at(&entry, &[blank("/dev/b"), blank("/dev/a")]), Ok(vec![1]), "by its path");
    assert!(at(&entry, &[blank("/dev/b")]).unwrap_err().text.contains("is not here"));
    let forced = find(&entry, &[blank("/dev/b")], true).expect("forced");
    assert_eq!((forced.places.len(), forced.left_out.len()), (0, 1));
    let other_size = Identity { size: 4096, ..blank("/dev/a") };
    assert!(at(&entry, &[other_size]).is_err());
    entry.devices[0].device.by_id = vec!["/dev/disk/by-id/one".into()];
    entry.devices[0].device.serial = Some("S1".into());
    let named = Identity { by_id: vec!["/dev/disk/by-id/one".into()], ..blank("/dev/z") };
    assert_eq!(at(&entry, &[blank("/dev/a"), named]), Ok(vec![1]), "by its name by-id");
    let another = Identity { serial: Some("S2".into()), ..blank("/dev/a") };
    assert!(at(&entry, &[another]).is_err(), "another serial number");
}
