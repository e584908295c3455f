//! Which array a device with nothing on it is meant for.

use superblock::{Level, MdUuid, Sectors, v1};

use super::{
    bare::Bare,
    bench::{Lab, session},
};
use crate::{
    config::conf,
    model::DevId,
    plan::{
        assemble::{
            CandidatePath,
            tests::{UUID, array},
        },
        course::{Look, UsedBy, View, twin::Scene},
    },
};

const OTHER: MdUuid = MdUuid([0xaa; 16]);

/// The array that a bare device gets by these lines: md5 has two of three members, md6 one.
fn host(lines: &str, heir_of: Option<MdUuid>, is_empty: bool, size: u64) -> Option<String> {
    let mut lab = Lab::default();
    lab.put(&array(Level::Raid5, 2, 3), b'a', &[7, 7, 7]);
    lab.put(&v1::NewArray { uuid: OTHER, ..array(Level::Raid1, 0, 3) }, b'e', &[7, 7, 7]);
    lab.has("md5", &["/dev/a", "/dev/b"], true, Some(UUID));
    lab.has("md6", &["/dev/e"], true, Some(OTHER));
    let config = conf::parse([("test", lines)]).0;
    let mut session = session(&config);
    let View::World(world) = lab.see(&Look::World { fresh: 0 }).unwrap() else { panic!() };
    session.world = *world;
    let paths = lab.disks.keys().cloned().collect();
    let View::Members(sights) = lab.see(&Look::Members { paths, used_by: UsedBy::Unasked }).unwrap() else {
        panic!()
    };
    session.candidates = sights.iter().map(|sight| CandidatePath::new(sight, None)).collect();
    let id = DevId { major: 1, minor: 25 };
    session.by_path.insert(id, vec!["pci-1".to_owned()]);
    session.by_path.insert(DevId { major: 1, minor: 0 }, vec!["pci-0".to_owned()]);
    let bare = Bare { id, size: Sectors(size), is_partition: false, is_empty };
    if !bare.may_serve(&session, heir_of) {
        return None;
    }
    bare.host(&session, heir_of).map(|array| array.name.clone())
}

#[test]
fn policy_domains_and_size_decide() {
    const BIG: u64 = 65536;
    let case = |lines: &str| host(lines, None, true, BIG);
    assert_eq!(case(""), None);
    assert_eq!(case("POLICY domain=x action=re-add"), None);
    // Without a domain it is nobody's.
    assert_eq!(case("POLICY action=spare"), None);
    // Who misses most gets it.
    assert_eq!(case("POLICY domain=x action=spare"), Some("md6".into()));
    // Its domains have to be the array's.
    let lines = "POLICY path=pci-1 domain=x action=spare\nPOLICY path=pci-0 domain=x";
    assert_eq!(case(lines), Some("md5".into()));
    assert_eq!(case(&format!("{lines}\nPOLICY path=pci-1 domain=y")), None);
    assert_eq!(case("POLICY domain=x action=spare metadata=0.90"), None);
    let lines = "POLICY domain=x action=spare";
    assert_eq!(host(lines, None, true, 40960), None);
    assert_eq!(host(lines, None, false, BIG), None);
}

#[test]
fn the_heir_of_a_failed_disk_goes_where_that_was() {
    let lines = "POLICY domain=x action=spare-same-slot";
    assert_eq!(host(lines, Some(UUID), true, 65536), Some("md5".into()));
    // Whatever is on it.
    assert_eq!(host(lines, Some(UUID), false, 65536), Some("md5".into()));
    assert_eq!(host(lines, None, false, 65536), None);
    assert_eq!(host("POLICY domain=x action=spare", Some(UUID), false, 65536), None);
}
