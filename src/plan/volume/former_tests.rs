//! Which device is taken for a physical volume whose label is gone.

use superblock::{
    Sectors,
    lvm::{Area, PhysicalVolume},
};

use super::*;
use crate::model::samples;

const SIZE: Bytes = Bytes(64 << 20);

fn id(seed: u8) -> LvmUuid {
    LvmUuid::from_random([seed; 32])
}

/// Two physical volumes as large; a third is smaller.
fn group() -> Group {
    let mut group = Group::empty("vg".into());
    (group.id, group.seqno) = (id(9), 4);
    for (seed, size) in [(1u8, 131_072), (2, 131_072), (3, 65_536)] {
        let device = format!("/dev/d{seed}");
        let pv = PhysicalVolume::new(id(seed), device, Sectors(size), Sectors(2048), Sectors(8192));
        group.add_pv(pv.unwrap()).unwrap();
    }
    group
}

fn bare(path: &str, head: Vec<u8>) -> Bare {
    let minor = path.bytes().last().unwrap_or(0).into();
    let device = samples::device(path, DevId { major: 8, minor }, SIZE);
    Bare {
        candidate: Candidate { path: path.into(), found: Ok(device) },
        identity: Some(identity(path, 1)),
        listed: Some(("devname".into(), path.into())),
        head,
    }
}

fn identity(path: &str, diskseq: u64) -> crate::archive::Identity {
    crate::archive::Identity {
        path: path.into(),
        size: SIZE.0,
        boot: Some("b".into()),
        diskseq: Some(diskseq),
        ..Default::default()
    }
}

fn noise() -> Vec<u8> {
    (0..1u32 << 20).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect()
}

/// A label is gone and the group's text is there: in its ring at this sector.
fn with_text(sector: usize) -> Vec<u8> {
    let text = group().raw(&Default::default());
    let mut head = vec![0; 1 << 20];
    head[sector * 512..][..text.len()].copy_from_slice(&text);
    head
}

/// The one whose label is here.
fn groups(there: &[u8]) -> Groups {
    let refused = |seed: &u8| crate::model::volume::RefusedDevice {
        path: format!("/dev/d{seed}"),
        dev: None,
        pv: Some(id(*seed)),
        group: None,
        cause: crate::model::volume::LeftOutCause::Filtered,
    };
    Groups { refused: there.iter().map(refused).collect(), ..Groups::default() }
}

fn found(there: &[u8], traces: &Traces, force: bool) -> Result<Vec<String>, String> {
    let found = find(&groups(there), &group(), traces, force);
    found
        .map(|all| all.iter().map(|(_, one)| one.path.clone()).collect())
        .map_err(|refusal| format!("{} ({})", refusal.text, refusal.hint.unwrap_or_default()))
}

fn of(devices: Vec<Bare>) -> Traces {
    Traces { devices, ..Traces::default() }
}

#[test]
fn a_path_alone_proves_nothing() {
    for head in [noise(), vec![0; 1 << 20], Vec::new()] {
        let traces = of(vec![bare("/dev/d2", head)]);
        let why = found(&[1, 3], &traces, false).expect_err("a path");
        assert!(
            why.contains("nothing tells that it is that disk") && why.contains("--force writes"),
            "{why}"
        );
        assert_eq!(found(&[1, 3], &traces, true), Ok(vec!["/dev/d2".to_owned()]));
    }
    // Nor is anything written where nobody has seen it.
    assert!(found(&[1, 3], &of(Vec::new()), true).is_err());
}

#[test]
fn the_groups_text_proves_it_wherever_it_is() {
    for sector in [9, 16, 40, 1000] {
        let traces = of(vec![bare("/dev/d2", noise()), bare("/dev/l7", with_text(sector))]);
        assert_eq!(found(&[1, 3], &traces, false), Ok(vec!["/dev/l7".to_owned()]), "{sector}");
    }
    // Of another group, or with something else over its start: no.
    let mut other = with_text(40);
    other[..4096].copy_from_slice(&noise()[..4096]);
    assert!(found(&[1, 3], &of(vec![bare("/dev/d2", other)]), false).is_err());
    let copies = of(vec![bare("/dev/d2", with_text(40)), bare("/dev/l7", with_text(40))]);
    assert!(found(&[1, 3], &copies, false).expect_err("two").contains("may be any of /dev/d2, /dev/l7"));
    // Two that are missing have the same text.
    let traces = of(vec![bare("/dev/d1", with_text(40)), bare("/dev/d2", with_text(40))]);
    assert!(found(&[3], &traces, false).expect_err("which").contains("may as well be that of"));
    assert_eq!(found(&[3], &traces, true).map(|all| all.len()), Ok(2));
    // The kernel's number tells them apart.
    let kept = vec![(id(1), identity("/dev/d1", 7)), (id(2), identity("/dev/d2", 8))];
    let mut traces = Traces { kept, ..traces };
    for (bare, diskseq) in traces.devices.iter_mut().zip([8, 7]) {
        bare.identity = Some(identity(&bare.candidate.path, diskseq));
    }
    assert_eq!(found(&[3], &traces, false), Ok(vec!["/dev/d2".to_owned(), "/dev/d1".to_owned()]));
}

#[test]
fn a_committed_text_in_its_area_proves_it() {
    // The second one ends behind what is looked at.
    for size in [1_044_480, 8_384_512] {
        let mut head = with_text(9);
        let place = Extent { start: AREA, size: Bytes(size) };
        let text = group().raw(&Default::default());
        let area = Area::new(place);
        let placed = area.place(&text).unwrap();
        let header = area.with_committed(placed.slot).encode();
        head[4096..][..header.data.len()].copy_from_slice(&header.data);
        // Whatever took the label's place.
        head[..512].fill(0x5a);
        head[511] = 1;
        assert_eq!(found(&[1, 3], &of(vec![bare("/dev/d2", head)]), false), Ok(vec!["/dev/d2".to_owned()]));
    }
}

#[test]
fn a_device_of_then_has_to_be_blank_where_its_label_was() {
    let ask = |head: Vec<u8>, diskseq| {
        let mut bare = bare("/dev/d2", head);
        bare.identity = Some(identity("/dev/d2", diskseq));
        found(&[1, 3], &Traces { kept: vec![(id(2), identity("/dev/d2", 7))], ..of(vec![bare]) }, false)
    };
    assert_eq!(ask(vec![0; 1 << 20], 7), Ok(vec!["/dev/d2".to_owned()]));
    assert!(ask(noise(), 7).expect_err("data").contains("something else was written to its start"));
    assert!(ask(vec![0; 1 << 20], 8).expect_err("another").contains("it was attached since"));
    // A name that lasts is as good, and another one speaks against it even with the text.
    let named = |now: &str, head: Vec<u8>| {
        let bare = Bare { listed: Some(("sys_wwid".into(), now.into())), ..bare("/dev/d2", head) };
        let names = vec![(id(2), ("sys_wwid".to_owned(), "eui.1".to_owned()))];
        found(&[1, 3], &Traces { names, ..of(vec![bare]) }, false)
    };
    assert!(named("eui.1", vec![0; 1 << 20]).is_ok());
    assert!(named("eui.2", with_text(40)).expect_err("another").contains("its sys_wwid is eui.2, not eui.1"));
}

#[test]
fn somebodys_device_is_never_taken_for_one() {
    for force in [false, true] {
        let mut used = bare("/dev/d2", with_text(40));
        used.candidate.found.as_mut().unwrap().busy = true;
        assert!(found(&[1, 3], &of(vec![used]), force).expect_err("used").contains("is in use"));
    }
}
