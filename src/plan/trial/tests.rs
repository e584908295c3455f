use superblock::{
    Bytes, Events, Level, MdUuid, Media, Membership, Role, Sectors, sectors::SectorMap, v1::Minor,
};

use super::*;
use crate::model::{
    Geometry,
    layout::default_layout,
    stripes::Stripes,
    trial,
    trial::{
        Cached, Differs, Evidence, Grounds, GuessClass, Hypothesis, Scored, Searched, Stopped, anchored,
        assembled, search,
    },
};

const EXT4: &str = include_str!("../../../superblock/tests/fixtures/content-ext4.sectors");
const OFFSET: u64 = 2048;

/// The file system, and data in the blocks that it has free (`dumpe2fs` names them).
fn contents() -> Vec<u8> {
    let fs: SectorMap = EXT4.parse().unwrap();
    let mut data = vec![0; 32 << 20];
    fs.read_at(Bytes(0), &mut data).unwrap();
    let mut state = 1u64;
    for blocks in [2344..8193, 8450..16385, 16385..24577, 24834..32768] {
        for word in data[blocks.start << 10..blocks.end << 10].chunks_exact_mut(8) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            word.copy_from_slice(&state.to_le_bytes());
        }
    }
    data
}

/// An array that holds the file system, and its members.
struct Broken {
    geometry: Geometry,
    members: Vec<Vec<u8>>,
    offset: u64,
}

impl Broken {
    fn new(level: Level, layout: u32, chunk: u64, disks: u32, offset: u64) -> Self {
        let sectors = (32u64 << 11) + 2048;
        let mut geometry =
            Geometry { level, layout, chunk: Sectors(chunk), raid_disks: disks, component_size: Sectors(0) };
        let unit = if chunk == 0 { 128 } else { chunk };
        let (above, below) = geometry.data_disks().unwrap_or((disks.into(), 1));
        let size = (sectors * below).div_ceil(above).next_multiple_of(unit) + unit;
        geometry.component_size = Sectors(size);
        let room = vec![Sectors(size); disks.try_into().unwrap()];
        let stripes = Stripes::new(geometry, &room).unwrap();
        let mut data = vec![0; usize::try_from(stripes.size().bytes().0).unwrap()];
        data[..32 << 20].copy_from_slice(&contents());
        let bytes = |sectors: u64| usize::try_from(sectors * 512).unwrap();
        let members = raid::image::members(&stripes, &data, bytes(size), bytes(offset)).unwrap();
        Self { geometry, members, offset }
    }

    /// What the superblock of a slot says, if it says this of the array.
    fn word(&self, slot: u32, geometry: Geometry, events: u64) -> SuperblockWord {
        let membership = Membership {
            array: MdUuid([7; 16]),
            member: None,
            name: Some(b"host:data".to_vec()),
            minor: None,
            level: geometry.level,
            raid_disks: geometry.raid_disks,
            layout: geometry.layout,
            chunk: geometry.chunk,
            component_size: geometry.component_size,
            data_offset: Sectors(self.offset),
            data_size: self.geometry.component_size,
            events: Events(events),
            role: Role::Slot { slot, replacement: false },
            dev_number: slot,
            created: 1,
            updated: 1,
            clean: true,
            recovery_offset: None,
            reshape_position: None,
        };
        SuperblockWord {
            grounds: Grounds::Superblocks,
            format: Format::V1(Minor::V1_2),
            membership,
            bitmap: false,
        }
    }

    fn seen(&self, word: impl Fn(usize) -> Vec<SuperblockWord>) -> Vec<TrialSeen> {
        let one = |(nth, member): (usize, &Vec<u8>)| TrialSeen {
            path: format!("/dev/{nth}"),
            size: Media::len(member).sectors(),
            words: word(nth),
        };
        self.members.iter().enumerate().map(one).collect()
    }

    fn search(&self, seen: &[TrialSeen], asked: &Asked) -> Searched {
        let cached: Vec<Cached<'_>> = self.members.iter().map(|member| Cached::new(member, 1)).collect();
        let devices: Vec<&dyn Media> = cached.iter().map(|member| -> &dyn Media { member }).collect();
        let families = families(seen, asked);
        let mut known = std::collections::BTreeMap::new();
        let mut anchors = |(device, sector, at): Anchor| {
            *known.entry((device, sector, at)).or_insert_with(|| anchored(devices[device], sector, at))
        };
        let mut guesses = guesses(&families, seen, asked, &mut anchors);
        let nearby = Nearby::new(&families, seen, asked);
        search(&mut |take| guesses.each(take), &|scored| nearby.of(scored), &devices, 3000, &mut |_| true)
    }
}

impl Broken {
    /// Whether the best guess gives the array that was, or one that is as good: where a chunk beside another is zero,
    /// parity is equal to it, and nothing in a small file system tells them apart.
    fn is_restored(&self, searched: &Searched) -> bool {
        let best = first(searched);
        let equal = searched.best.iter().filter(|one| one.points() == best.points());
        equal.map(|one| &one.hypothesis).any(|guess| self.is_restored_by(guess))
    }

    fn is_restored_by(&self, guess: &Hypothesis) -> bool {
        let devices: Vec<&dyn Media> = self.members.iter().map(|member| -> &dyn Media { member }).collect();
        let Some(array) = assembled(guess, &devices) else { return false };
        let mut is = vec![0; 32 << 20];
        array.read_at(Bytes(0), &mut is).is_ok() && contents() == is
    }
}

fn order(guess: &Hypothesis) -> Vec<Option<usize>> {
    guess.seats.iter().map(|seat| seat.map(|seat| seat.device)).collect()
}

fn first(searched: &Searched) -> &Scored {
    let Some(first) = searched.best.first() else { panic!("nothing of {}", searched.tried) };
    first
}

fn shapes() -> Vec<(Level, u32, u64, u32)> {
    vec![
        (Level::Raid5, 2, 128, 3),
        (Level::Raid5, 0, 256, 4),
        (Level::Raid6, 2, 128, 5),
        (Level::Raid6, 10, 128, 4),
        (Level::Raid10, 0x102, 128, 4),
        (Level::Raid10, 0x201, 128, 4),
        (Level::Raid0, 1, 128, 3),
        (Level::Raid4, 0, 64, 3),
        (Level::Raid1, 0, 0, 2),
    ]
}

/// What the superblocks say is true: it is the first, and nothing else is looked at.
#[test]
fn sound_superblocks_are_believed() {
    for (level, layout, chunk, disks) in shapes().into_iter().step_by(2) {
        let broken = Broken::new(level, layout, chunk, disks, OFFSET);
        let seen = broken.seen(|nth| vec![broken.word(u32::try_from(nth).unwrap(), broken.geometry, 10)]);
        let searched = broken.search(&seen, &Asked::default());
        let best = first(&searched);
        assert!(best.hypothesis.differs.is_empty(), "{level:?} {layout:#x}: {best:#?}");
        assert!(best.is_conclusive() && searched.settled && searched.tried < 8, "{level:?}: {best:#?}");
    }
}

/// Made anew in a wrong order: the superblocks are sound and lie about the slots.
#[test]
fn a_wrong_order_is_put_right() {
    for (level, layout, chunk, disks) in shapes() {
        if !matches!(layout, 10 | 0x201) {
            continue;
        }
        let broken = Broken::new(level, layout, chunk, disks, OFFSET);
        let wrong = |nth: usize| u32::try_from((nth + 1) % usize::try_from(disks).unwrap()).unwrap();
        let seen = broken.seen(|nth| vec![broken.word(wrong(nth), broken.geometry, 10)]);
        let searched = broken.search(&seen, &Asked::default());
        let best = first(&searched);
        assert!(broken.is_restored(&searched), "{level:?} {layout:#x}: {best:#?}");
        assert_eq!(best.hypothesis.differs, [Differs::Order]);
    }
}

/// Made anew with another chunk, layout or level, or by a version that puts data elsewhere.
#[test]
fn a_wrong_shape_is_put_right() {
    let broken = Broken::new(Level::Raid5, 2, 128, 4, OFFSET);
    let right = broken.geometry;
    for (wrong, differs) in [
        (Geometry { chunk: Sectors(1024), ..right }, Differs::Chunk),
        (Geometry { layout: 0, ..right }, Differs::Layout),
        (Geometry { level: Level::Raid6, ..right }, Differs::Level),
    ] {
        let seen = broken.seen(|nth| vec![broken.word(u32::try_from(nth).unwrap(), wrong, 10)]);
        let searched = broken.search(&seen, &Asked::default());
        let best = first(&searched);
        let got = best.hypothesis.geometry;
        assert_eq!((got.level, got.layout, got.chunk), (right.level, right.layout, right.chunk), "{best:#?}");
        assert_eq!(best.hypothesis.differs, [differs]);
    }
    let old = Broken::new(Level::Raid5, 2, 128, 4, 272);
    let believed = Broken { offset: OFFSET, ..Broken::new(Level::Raid5, 2, 128, 4, 272) };
    let seen = old.seen(|nth| vec![believed.word(u32::try_from(nth).unwrap(), old.geometry, 10)]);
    let best = old.search(&seen, &Asked::default());
    assert_eq!(first(&best).hypothesis.seats[0].unwrap().data_offset, Sectors(272));
}

/// No superblock at all: the devices as given, and what is usual.
#[test]
fn without_any_superblock() {
    let mut broken = Broken::new(Level::Raid5, default_layout(Level::Raid5), 1024, 3, OFFSET);
    broken.members.rotate_left(1);
    let searched = broken.search(&broken.seen(|_| Vec::new()), &Asked::default());
    let best = first(&searched);
    assert!(broken.is_restored(&searched), "{best:#?}");
    assert_eq!(best.hypothesis.geometry.level, Level::Raid5, "{best:#?}");
}

/// One member was left behind: without it the array is whole, with it parity does not agree.
#[test]
fn a_stale_member_stays_out() {
    let mut broken = Broken::new(Level::Raid5, 2, 128, 3, OFFSET);
    broken.members[1][(2048 + 64) * 512..][..4 << 20].fill(0x5a);
    let events = |nth: usize| if nth == 1 { 5 } else { 20 };
    let seen =
        broken.seen(|nth| vec![broken.word(u32::try_from(nth).unwrap(), broken.geometry, events(nth))]);
    let searched = broken.search(&seen, &Asked::default());
    let best = first(&searched);
    assert_eq!(order(&best.hypothesis), [Some(0), None, Some(2)], "{best:#?}");
    let stale = searched.best.iter().find(|one| one.hypothesis.differs == [Differs::StaleIn]).unwrap();
    assert!(stale.evidence.parity.unwrap().agree < stale.evidence.parity.unwrap().checked);
}

/// Two copies that parted: that each begins with the file system makes no linear array of them.
#[test]
fn halves_of_a_mirror_are_not_another_level() {
    let mut broken = Broken::new(Level::Raid1, 0, 0, 2, OFFSET);
    broken.members[1][(2048 + (20 << 11)) * 512..][..2 << 20].fill(0x5a);
    let seen = broken.seen(|nth| vec![broken.word(u32::try_from(nth).unwrap(), broken.geometry, 20)]);
    let searched = broken.search(&seen, &Asked::default());
    let best = first(&searched);
    assert_eq!(best.hypothesis.geometry.level, Level::Raid1, "{:#?}", searched.best);
    for other in searched.best.iter().filter(|one| one.hypothesis.differs.contains(&Differs::Level)) {
        assert!(!other.is_conclusive() && other.points() < best.points(), "{other:#?}");
    }
}

/// A guess that begins at a member's first sector has the member's own superblock inside: that says nothing.
#[test]
fn a_members_own_superblock_is_no_evidence() {
    let mut broken = Broken::new(Level::Raid10, 0x102, 128, 4, 0);
    broken.members.iter_mut().for_each(|member| member.fill(0));
    let (_, superblock) = crate::archive::tests::superblock();
    broken.members[0][4096..][..superblock.data.len()].copy_from_slice(&superblock.data);
    let geometry = broken.geometry;
    let seat = |device| Some(trial::Seat { device, data_offset: Sectors(0), room: geometry.component_size });
    let guess = |array| Hypothesis {
        grounds: Grounds::Superblocks,
        differs: vec![Differs::Level],
        format: Format::V1(Minor::V1_0),
        geometry,
        seats: (0..4).map(seat).collect(),
        array,
        name: None,
        bitmap: false,
    };
    let devices: Vec<&dyn Media> = broken.members.iter().map(|member| -> &dyn Media { member }).collect();
    let looked = |array| {
        trial::examine(&guess(array), &devices, trial::Effort::QUICK, &mut trial::Sums::default()).unwrap()
    };
    assert!(looked(Some(MdUuid([0x33; 16]))).contents.is_empty() && looked(None).contents.is_empty());
    assert_eq!(looked(Some(MdUuid([8; 16]))).contents.len(), 1, "an array of another name on this one");
}

/// The superblock of one member is gone: its slot is known, and parity says that it belongs there.
#[test]
fn a_member_without_superblock_finds_its_slot() {
    let broken = Broken::new(Level::Raid6, 2, 128, 5, OFFSET);
    let word = |nth: usize| broken.word(u32::try_from(nth).unwrap(), broken.geometry, 10);
    let seen = broken.seen(|nth| if nth == 3 || nth == 1 { Vec::new() } else { vec![word(nth)] });
    let searched = broken.search(&seen, &Asked::default());
    assert_eq!(order(&first(&searched).hypothesis), [0, 1, 2, 3, 4].map(Some));
}

/// Members that came later begin elsewhere: one whose superblock is gone or lies, and one of all where none is left.
#[test]
fn members_that_begin_elsewhere_are_found() {
    let mut broken = Broken::new(Level::Raid5, 2, 128, 4, OFFSET);
    broken.members[2] = [vec![0; 2048 * 512], broken.members[2].clone()].concat();
    let word = |nth: usize| broken.word(u32::try_from(nth).unwrap(), broken.geometry, 10);
    for gone in [true, false] {
        // Its superblock is gone; or it was made anew and says what the others say.
        let seen = broken.seen(|nth| if gone && nth == 2 { Vec::new() } else { vec![word(nth)] });
        let searched = broken.search(&seen, &Asked::default());
        let best = &first(&searched).hypothesis;
        let offsets: Vec<u64> = best.seats.iter().flatten().map(|seat| seat.data_offset.0).collect();
        assert_eq!(
            (offsets.as_slice(), order(best)),
            (&[2048, 2048, 4096, 2048][..], [0, 1, 2, 3].map(Some).to_vec())
        );
        assert_eq!(best.differs, [Differs::DataOffset]);
    }
    let asked = Asked { level: Some(Level::Raid5), chunk: Some(Sectors(128)), ..Asked::default() };
    let searched = broken.search(&broken.seen(|_| Vec::new()), &asked);
    let best = &first(&searched).hypothesis;
    let offsets: Vec<u64> = best.seats.iter().flatten().map(|seat| seat.data_offset.0).collect();
    assert_eq!(offsets, [2048, 2048, 4096, 2048], "{:#?}", searched.best);
}

/// Made anew by a version that knows 0.90 alone.
#[test]
fn superblocks_at_the_end_may_lie_about_the_start() {
    let broken = Broken::new(Level::Raid5, 2, 128, 3, OFFSET);
    let lie = |nth| {
        let mut word = broken.word(u32::try_from(nth).unwrap_or(0), broken.geometry, 10);
        word.format = Format::V0;
        word.membership.data_offset = Sectors(0);
        vec![word]
    };
    let searched = broken.search(&broken.seen(lie), &Asked::default());
    let best = &first(&searched).hypothesis;
    assert_eq!(best.seats[0].unwrap().data_offset, Sectors(OFFSET), "{:#?}", searched.best);
    assert_eq!(best.format, Format::V1(Minor::V1_2));
}

/// One member dead and the superblock of another gone: what is left of redundancy says where it belongs.
#[test]
fn the_second_syndrome_speaks_without_a_member() {
    for dead in [0, 3] {
        let mut broken = Broken::new(Level::Raid6, 2, 128, 4, OFFSET);
        broken.members.remove(dead);
        let slots: Vec<u32> = (0..4).filter(|slot| usize::try_from(*slot) != Ok(dead)).collect();
        let word = |nth: usize| vec![broken.word(slots[nth], broken.geometry, 10)];
        let searched = broken
            .search(&broken.seen(|nth| if nth == 1 { Vec::new() } else { word(nth) }), &Asked::default());
        let mut expected = [0, 1, 2].map(Some).to_vec();
        expected.insert(dead, None);
        let best = first(&searched);
        assert_eq!(order(&best.hypothesis), expected, "{:#?}", searched.best);
        assert!(best.evidence.parity.is_some_and(|count| count.checked > 0 && count.agree == count.checked));
        assert!(searched.best.iter().skip(1).all(|other| other.points() < best.points()));
    }
}

/// A search of devices of which nothing is known, with a limit and for as long as this answers yes.
fn bounded(seen: &[TrialSeen], asked: &Asked, limit: usize, told: &mut dyn FnMut(usize) -> bool) -> Searched {
    let families = families(seen, asked);
    let zeros = vec![0; 1 << 20];
    let devices: Vec<&dyn Media> = seen.iter().map(|_| -> &dyn Media { &zeros }).collect();
    let mut anchors = |_| false;
    let mut guesses = guesses(&families, seen, asked, &mut anchors);
    let nearby = Nearby::new(&families, seen, asked);
    search(&mut |take| guesses.each(take), &|scored| nearby.of(scored), &devices, limit, told)
}

fn blank(devices: u32, size: Sectors) -> Vec<TrialSeen> {
    (0..devices).map(|nth| TrialSeen { path: format!("/dev/sd{nth}"), size, words: Vec::new() }).collect()
}

#[test]
fn guesses_are_bounded_and_that_is_said() {
    let seen = blank(4, Sectors(2048));
    let searched = bounded(&seen, &Asked::default(), 100, &mut |_| true);
    // What is near to the best is looked at beside.
    assert!((100..200).contains(&searched.tried), "{}", searched.tried);
    assert!(
        matches!(searched.stopped, Some(Stopped::Count(GuessClass { distance: 1.., .. }))),
        "{:?}",
        searched.stopped
    );
    let mut asked = 0;
    let searched = bounded(&seen, &Asked::default(), 4000, &mut |_| {
        asked += 1;
        asked < 50
    });
    assert!(searched.tried < 50 && matches!(searched.stopped, Some(Stopped::Time(_))), "{searched:?}");
    let given = Asked {
        level: Some(Level::Raid5),
        chunk: Some(Sectors(128)),
        layout: Some(2),
        data_offsets: vec![Sectors(16)],
        in_order: true,
        ..Asked::default()
    };
    let searched = bounded(&seen, &given, 4000, &mut |_| true);
    assert_eq!((searched.tried, searched.stopped), (1, None));
    let best = first(&searched);
    assert_eq!(best.hypothesis.geometry.chunk, Sectors(128));
}

/// Guesses about many large members are many; time is asked for between any two that are made, also those that are thrown away.
#[test]
fn many_large_members_take_no_longer_than_they_may() {
    let seen = blank(24, Sectors(10 << 31));
    let asked = Asked { level: Some(Level::Raid6), ..Asked::default() };
    let mut calls = 0;
    let searched = bounded(&seen, &asked, 4000, &mut |_| {
        calls += 1;
        calls < 3000
    });
    assert!(matches!(searched.stopped, Some(Stopped::Time(_))), "{:?}", searched.stopped);
    assert!(calls <= 3001 && searched.tried <= 3000, "{calls} {}", searched.tried);
}

/// Two blank disks are no mirror; two with the same bytes are, and so is what the superblocks say.
#[test]
fn what_nothing_speaks_for_is_not_supported() {
    let scored = |level, grounds, parity, differs: &[Differs]| Scored {
        hypothesis: Hypothesis {
            grounds,
            differs: differs.to_vec(),
            format: Format::V1(Minor::V1_2),
            geometry: Geometry {
                level,
                layout: 0,
                chunk: Sectors(128),
                raid_disks: 2,
                component_size: Sectors(1024),
            },
            seats: vec![None, None],
            array: None,
            name: None,
            bitmap: false,
        },
        evidence: Evidence { parity, contents: Vec::new() },
    };
    let count = |checked, agree| Some(raid::Consistency { checked, agree });
    for (level, grounds, parity, differs, expected) in [
        (Level::Raid1, Grounds::Usual, None, &[][..], false),
        (Level::Raid1, Grounds::Usual, count(0, 0), &[], false),
        (Level::Raid1, Grounds::Usual, count(100, 99), &[], true),
        (Level::Raid1, Grounds::Usual, count(100, 50), &[], false),
        (Level::Raid5, Grounds::Usual, count(100, 100), &[], false),
        (Level::Raid6, Grounds::Usual, count(100, 100), &[], true),
        (Level::Raid5, Grounds::Superblocks, None, &[], true),
        (Level::Raid5, Grounds::Superblocks, None, &[Differs::FreshOut], true),
        (Level::Raid5, Grounds::Superblocks, None, &[Differs::Order], false),
        (Level::Raid0, Grounds::Usual, None, &[], false),
    ] {
        let scored = scored(level, grounds, parity, differs);
        assert_eq!(scored.is_supported(), expected, "{scored:?}");
        assert_eq!(supported(&scored, 1, "mdctl create").is_ok(), expected);
    }
}

/// Superblocks that are all there and agree are said first, and nothing else is looked at: also where nothing is inside.
#[test]
fn superblocks_that_agree_are_enough() {
    for level in [Level::Raid1, Level::Raid5, Level::Raid6] {
        let chunk = if level == Level::Raid1 { 0 } else { 128 };
        let mut broken = Broken::new(level, default_layout(level), chunk, 4, OFFSET);
        broken.members.iter_mut().for_each(|member| member.fill(0));
        let seen = broken.seen(|nth| vec![broken.word(u32::try_from(nth).unwrap(), broken.geometry, 10)]);
        let searched = broken.search(&seen, &Asked::default());
        assert!(searched.settled && searched.tried < 8, "{level:?}: {}", searched.tried);
        assert!(first(&searched).bears_superblocks_out(), "{level:?}: {:#?}", first(&searched));
    }
}

#[test]
fn the_next_command_is_this_one() {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    for (now, again) in [
        ("mdctl trial /dev/a /dev/b", "/dev/a /dev/b"),
        ("./mdctl trial --keep --level=5 /dev/a --json", "--level=5 /dev/a"),
        ("mdctl trial --apply 2 /dev/a -y", "/dev/a"),
        ("mdctl trial --apply=2 --keep=3 --dry-run /dev/a", "/dev/a"),
    ] {
        assert_eq!(words_again(&words(now)).join(" "), again);
    }
}
