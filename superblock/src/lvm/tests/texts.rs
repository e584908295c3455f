//! Texts: each rejection, what is strange, what contradicts itself, there and back.

use super::*;

fn sample() -> String {
    let mut group = group(&[10, 10]);
    add(&mut group, "data", 10, 4);
    add(&mut group, "cow", 11, 2);
    group.make_snapshot("data", "cow", Sectors(8), id(12)).unwrap();
    String::from_utf8(group.raw(&Stamp::default())).unwrap().trim_end_matches('\0').to_owned()
}

fn refused(from: &str, to: &str) -> String {
    let text = sample();
    assert!(text.contains(from), "{from}:\n{text}");
    text.replacen(from, to, 1).parse::<Group>().unwrap_err().to_string()
}

#[test]
fn each_rejection() {
    for (from, to, why) in [
        ("seqno = 0\n", "", "vg: seqno is missing"),
        ("seqno = 0", "seqno = -1", "vg/seqno: -1 is not between 0 and 4294967295"),
        ("seqno = 0", "seqno = \"a\"", "vg/seqno: not an integer"),
        ("seqno = 0", "seqno = 0 seqno = 1", "vg/seqno: stands there twice"),
        ("version = 1", "version = 2", "text: contents and version are not those of a volume group"),
        ("vg {", "v/g {", "v/g: not a name that LVM2 takes"),
        ("extent_size = 8192", "extent_size = 0", "vg: an extent size of 0"),
        ("physical_volumes {", "other {", "vg: physical_volumes is missing"),
        (
            "segment_count = 1",
            "segment_count = 2",
            "vg/logical_volumes/data: has 1 segments and says another number",
        ),
        (
            "segment1 {",
            "segment2 {",
            "vg/logical_volumes/data/segment2: segments are not numbered one after another from 1",
        ),
        ("stripe_count = 1", "stripe_count = 0", "stripe_size is missing"),
        ("\"pv0\", 0\n", "\"pv9\", 0\n", "vg/logical_volumes/data: there is no physical volume pv9"),
        ("\"pv0\", 0\n", "\"pv0\"\n", "not pairs of a physical volume and an extent"),
        ("origin = \"data\"\n", "", "vg/logical_volumes/snapshot0/segment1: origin is missing"),
        ("status = [\"RESIZEABLE\"", "status = [1", "vg/status: not a list of strings"),
        ("cow {", "data {", "vg/logical_volumes/data: stands there twice"),
        (
            "pe_start = 2048",
            "pe_start = 99999999999999999999",
            "vg/physical_volumes/pv0/pe_start: not an integer",
        ),
    ] {
        let said = refused(from, to);
        assert!(said.contains(why), "{from} -> {to}: {said}");
    }
    let two = sample().replace("contents =", "vg2 { }\ncontents =");
    assert_eq!(two.parse::<Group>().unwrap_err().to_string(), "vg2: a second group beside vg");
}

#[test]
fn what_is_strange_is_an_objection() {
    for (from, to, why) in [
        ("max_lv = 0", "max_lv = 0 new_key = 5", "vg/new_key is not known to this program"),
        (
            "\"ALLOCATABLE\"",
            "\"ALLOCATABLE\", \"NEW\"",
            "\"NEW\" in vg/physical_volumes/pv0/status is not known to this program",
        ),
        (
            "flags = []\ndev",
            "flags = [\"X\\n\"]\ndev",
            "\"X\\\\n\" in vg/physical_volumes/pv0/flags is not known to this program",
        ),
        (
            "stripe_count = 1",
            "stripe_count = 1 extra = 2",
            "vg/logical_volumes/data/segment1/extra is not known to this program",
        ),
        (
            "type = \"striped\"",
            "type = \"striped+NEW\"",
            "vg/logical_volumes/data/segment1 is of kind \"striped+NEW\"",
        ),
        ("format = \"lvm2\"", "format = \"lvm9\"", "the group is not of format \"lvm2\""),
        ("\"ALLOCATABLE\"", "\"MISSING\"", "pv0 (55555555-5555"),
        ("\"RESIZEABLE\", ", "\"EXPORTED\", ", "the group is exported"),
        ("\"RESIZEABLE\", ", "\"PVMOVE\", ", "extents are being moved"),
        ("max_lv = 0", "lock_type = \"sanlock\" max_lv = 0", "coordinated by \"sanlock\""),
        ("max_lv = 0", "system_id = \"x\" max_lv = 0", "the group belongs to the machine \"x\""),
        ("\"READ\", \"WRITE\"]", "\"READ\"]", "the group may only be read"),
    ] {
        let text = sample();
        assert!(text.contains(from), "{from}:\n{text}");
        let group: Group = text.replacen(from, to, 1).parse().unwrap();
        let all = group.objections(&[]).join("\n");
        let why = why.replace("55555555-5555", "");
        assert!(all.contains(&why), "{to}: {all}");
    }
    assert_eq!(sample().parse::<Group>().unwrap().objections(&[]), [""; 0]);
}

/// As lvm2 leaves it when its `pvmove` is killed.
#[test]
fn what_pvmove_is_moving_is_read() {
    let mut text = sample().replacen("\"pv0\", 0\n", "\"pvmove0\", 0\n", 1);
    let at = text.find("logical_volumes {\n").expect("the section") + "logical_volumes {\n".len();
    text.insert_str(
        at,
        "\npvmove0 {\nid = \"000000-0000-0000-0000-0000-0000-000007\"\nstatus = [\"READ\", \"WRITE\", \"PVMOVE\", \"LOCKED\"]\n\
         flags = []\nsegment_count = 1\nsegment1 {\nstart_extent = 0\nextent_count = 4\ntype = \"mirror\"\nmirror_count = 2\n\
         extents_moved = 0\nregion_size = 4096\nmirrors = [\n\"pv0\", 0,\n\"pv1\", 0\n]\n}\n}\n",
    );
    let read: Group = text.parse().unwrap_or_else(|bad| panic!("{bad}:\n{text}"));
    assert_eq!(read.on_move().collect::<Vec<_>>(), ["data"]);
    assert!(read.objections(&[])[0].starts_with("`pvmove` is moving extents of data"));
    // Both places are taken: four extents each, and the store's two.
    assert_eq!(read.free_extents(), 20 - 4 - 4 - 2, "{:?}", read.free());
    assert_eq!(read.problems(), [""; 0]);
    assert!(!read.strange_itself && read.strange_volumes.is_empty());
    assert!(read.checked(&Stamp::default()).is_err(), "it is never written");
    let other = text.replace("\"PVMOVE\", ", "");
    assert!(other.parse::<Group>().unwrap_err().to_string().contains("there is no physical volume pvmove0"));
}

#[test]
fn where_something_is_strange() {
    let of = |from: &str, to: &str| {
        let group: Group = sample().replacen(from, to, 1).parse().unwrap();
        (group.strange_itself, group.strange_volumes.into_iter().collect::<Vec<_>>().join(" "))
    };
    assert_eq!(of("max_lv = 0", "max_lv = 0 new_key = 5"), (true, String::new()));
    assert_eq!(of("\"ALLOCATABLE\"", "\"ALLOCATABLE\", \"NEW\""), (true, String::new()));
    assert_eq!(of("\"RESIZEABLE\", ", "\"RESIZEABLE\", \"PARTIAL\", "), (true, String::new()));
    assert_eq!(of("version = 1\n", "version = 1\nnews = 2\n"), (true, String::new()));
    assert_eq!(of("stripe_count = 1", "stripe_count = 1 extra = 2"), (false, "data".to_owned()));
    assert_eq!(of("\"VISIBLE\"", "\"VISIBLE\", \"ODD\""), (false, "data".to_owned()));
}

#[test]
fn what_contradicts_itself_is_told() {
    let problem = |change: &dyn Fn(&mut Group)| {
        let mut group: Group = sample().parse().unwrap();
        change(&mut group);
        assert!(group.checked(&Stamp::default()).is_err());
        group.problems().join("; ")
    };
    let leg = |group: &mut Group, extent| {
        let Kind::Striped { legs, .. } = &mut group.volumes[1].segments[0].kind else { panic!() };
        legs[0].extent = extent;
    };
    assert_eq!(problem(&|group| leg(group, 3)), "extents 3 to 3 of pv0 belong to data and to cow");
    assert_eq!(
        problem(&|group| leg(group, 9)),
        "volume cow, segment 1: needs extents up to 11 of pv0, which has 10"
    );
    assert!(problem(&|group| group.volumes[0].segments[0].start = 1).contains("does not begin where"));
    assert!(problem(&|group| group.pvs[1].id = group.pvs[0].id).contains("is in the group twice"));
    assert!(problem(&|group| group.volumes[1].name = "data".into()).contains("two volumes are called data"));
    assert!(
        problem(&|group| group.volumes[1].id = group.volumes[0].id).contains("has the UUID of another one")
    );
    assert!(problem(&|group| group.volumes[2].segments[0].len = 3).contains("not as long as the volume"));
    assert!(
        problem(&|group| group.pvs[0].pe_count = 11)
            .contains("has extents up to sector 92160 and 83968 sectors")
    );
    assert!(problem(&|group| drop(group.volumes.remove(0))).contains("a snapshot of does not exist"));
    assert!(problem(&|group| drop(group.volumes.remove(1))).contains("with its store does not exist"));
    assert!(problem(&|group| group.volumes[1].segments.clear()).contains("has no segments"));
}

#[test]
fn ten_thousand_volumes() {
    let mut group = group(&[20_000]);
    for number in 0..10_000u64 {
        let kind = Kind::Striped { stripe_size: Sectors(0), legs: vec![Leg { pv: 0, extent: number }] };
        let mut volume =
            volume(&format!("lv{number}"), 0, vec![Segment { start: 0, len: 1, tags: vec![], kind }]);
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes().map(|byte| byte % 61));
        volume.id = LvmUuid::from_random(bytes);
        bytes[9] = u8::try_from(number / 61 % 61).unwrap();
        bytes[10] = u8::try_from(number / 3721).unwrap();
        volume.id = LvmUuid::from_random(bytes);
        volume.creation_time = Some(1_700_000_000);
        volume.creation_host = Some("host".into());
        group.volumes.push(volume);
    }
    let text = group.raw(&Stamp::default());
    #[expect(clippy::disallowed_methods, reason = "a test asks the clock")]
    let begun = std::time::Instant::now();
    let read = Group::parse(&text).unwrap();
    let parsed = begun.elapsed();
    assert_eq!(read.problems(), [""; 0]);
    let checked = begun.elapsed();
    assert_eq!(Group { written: group.written.clone(), ..read }, group);
    // Not a measure, a bound against what grows with the square: unoptimised this is about 0.2 s.
    assert!(checked.as_secs() < 20, "{parsed:?} to read, {checked:?} with the checks");
    println!("{} bytes: {parsed:?} to read, {checked:?} with the checks", text.len());
}

fn text() -> impl Strategy<Value = String> {
    prop::string::string_regex("[ -~éß\t]{0,12}").unwrap()
}

prop_compose! {
    fn any_group()(
        extents in prop::collection::vec(1u64..50, 1..4),
        sizes in prop::collection::vec((1u64..9, 1usize..4), 0..8),
        snapshots in prop::collection::vec(any::<bool>(), 8),
        tags in prop::collection::vec(text(), 0..3),
        words in (0u32..128, 0u32..4, 0u32..8, 0u32..512, 0u32..32),
        optional in prop::option::of(text()),
        numbers in (any::<u32>(), 0u64..1000, prop::option::of(-1i64..1 << 20)),
    ) -> Group {
        let mut group = group(&extents);
        group.seqno = numbers.0;
        group.max_lv = numbers.1.saturating_add(20);
        group.status = GroupStatus::from_bits_truncate(words.0);
        group.flags = GroupFlags::from_bits_truncate(words.1);
        group.tags = tags.clone();
        (group.system_id, group.profile) = (optional.clone(), optional.clone());
        (group.lock_type, group.lock_args, group.allocation) = (None, optional.clone(), optional.clone());
        for (nth, (size, stripes)) in sizes.iter().enumerate() {
            let wish = Wish { extents: *size, stripes: *stripes, stripe_size: Sectors(128), ..Wish::default() };
            let Ok(found) = group.allocate(&wish) else { continue };
            let seed = u8::try_from(nth).unwrap() + 20;
            let mut volume = volume(&format!("v{nth}"), seed, found.segments);
            volume.tags = tags.clone();
            volume.status = VolumeStatus::from_bits_truncate(words.3);
            volume.flags = VolumeFlags::from_bits_truncate(words.4);
            (volume.creation_time, volume.creation_host) = (Some(i64::from(numbers.0)), optional.clone());
            (volume.read_ahead, volume.minor) = (numbers.2, numbers.2);
            group.add(volume).unwrap();
            if snapshots[nth] && nth > 0 {
                let _ = group.make_snapshot("v0", &format!("v{nth}"), Sectors(8), id(seed + 40));
            }
        }
        group.pvs[0].status = PvStatus::from_bits_truncate(words.2);
        group.pvs[0].tags = tags;
        group
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(group in any_group()) {
        let stamp = Stamp::default();
        let raw = Group::parse(&group.raw(&stamp)).unwrap();
        prop_assert_eq!(&Group { written: group.written.clone(), ..raw }, &group);
        let file = Group::parse(&group.backup(&stamp)).unwrap();
        prop_assert_eq!(&Group { written: group.written.clone(), ..file }, &group);
        let kept = write::as_file(&group.raw(&stamp), &stamp).unwrap();
        let kept = Group::parse(&kept).unwrap();
        prop_assert_eq!(&Group { written: group.written.clone(), ..kept }, &group);
        prop_assert_eq!(group.problems(), Vec::<String>::new());
    }

    /// Every extent is free or belongs to one volume.
    #[test]
    fn nothing_is_lost_or_given_twice(group in any_group()) {
        let used: u64 = group.volumes.iter().filter(|volume| !volume.is_row()).map(LogicalVolume::extents).sum();
        let all: u64 = group.pvs.iter().map(|pv| pv.pe_count).sum();
        prop_assert_eq!(group.free_extents() + used, all);
    }

    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0usize..3000, len in 0usize..20) {
        crate::fuzz::lvm_text(&bytes);
        crate::fuzz::lvm_label(&bytes);
        crate::fuzz::lvm_area(&bytes);
        let mut text = sample().into_bytes();
        let from = at.min(text.len());
        let to = from.saturating_add(len).min(text.len());
        text.splice(from..to, bytes.iter().take(len).copied());
        crate::fuzz::lvm_text(&text);
    }
}

#[test]
fn volumes_that_are_alike_are_read_as_word_by_word() {
    let mut group = group(&[100]);
    for (number, name) in (20..).zip(["one", "two", "three"]) {
        add(&mut group, name, number, 2);
        let volume = group.volumes.last_mut().unwrap();
        (volume.creation_time, volume.creation_host) = (Some(1_790_000_000), Some("host".into()));
    }
    let text = String::from_utf8(group.raw(&Stamp::default())).unwrap();
    let text = text.trim_end_matches('\0');
    assert_eq!(text.parse::<Group>().unwrap().volumes, group.volumes);
    let from = text.find("three {").unwrap() + "three {".len();
    let to = text.rfind("}\n}").unwrap();
    for at in from..to {
        for new in
            ["", "0", "9", "}", "\"", "\n", " ", "x", "99999999999999999999", "tags = [\"t\"]\n", "# c\n"]
        {
            let changed = format!("{}{new}{}", &text[..at], &text[at + 1..]);
            // A blank where nobody puts one is nothing to a reader of words.
            let by_words = format!("{} {}", &changed[..from], &changed[from..]);
            assert_eq!(changed.parse::<Group>(), by_words.parse::<Group>(), "{at} {new:?}: {changed}");
        }
    }
}
