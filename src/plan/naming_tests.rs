//! Names given and found, over empty and crowded machines.

use superblock::MdUuid;

use super::*;
use crate::{
    config::conf,
    model::{RunningArray, world::MapEntry},
};

fn world(arrays: &[&str], map: &[(&str, &str)]) -> World {
    let array =
        |name: &&str| RunningArray { name: (*name).into(), state: "clean".into(), ..RunningArray::default() };
    let entry = |(devnm, path): &(&str, &str)| MapEntry {
        devnm: (*devnm).into(),
        metadata: "1.2".into(),
        uuid: MdUuid::default(),
        path: (*path).into(),
    };
    World {
        udev: true,
        arrays: arrays.iter().map(array).collect(),
        map: map.iter().map(entry).collect(),
        ..World::default()
    }
}

fn config(text: &str) -> Config {
    conf::parse([("f", text)]).0
}

fn shown(chosen: Result<Chosen, Refusal>) -> String {
    match chosen {
        Ok(chosen) => {
            let number = chosen.id.map(|id| format!("md{}", id.minor));
            assert!(number.is_none_or(|number| number == chosen.array.kernel));
            format!("{} {}", chosen.array.kernel, chosen.array.path)
        }
        Err(refusal) => refusal.text,
    }
}

#[test]
fn a_word_gives_device_and_path() {
    for (word, expected) in [
        ("home", "md127 /dev/md/home"),
        ("/dev/md/home", "md127 /dev/md/home"),
        ("/dev/md5", "md5 /dev/md5"),
        ("/dev/md/5", "md5 /dev/md/5"),
        ("5", "md5 /dev/md/5"),
        ("md5", "md127 /dev/md/md5"),
        ("/dev/md/md7", "md127 /dev/md/md7"),
        ("/dev/md/d4", "md4 /dev/md/d4"),
        ("d4", "md4 /dev/md/d4"),
        ("05", "md5 /dev/md/05"),
        ("/dev/md1048575", "md1048575 /dev/md1048575"),
        (".x", "md127 /dev/md/.x"),
        // The original waits five seconds for a link with a blank and writes a map that loses it.
        ("a b", "md127 /dev/md/a_b"),
        // The original makes a link that takes the place of the directory /dev/md.
        ("/dev/md/.", "md127 /dev/md/_"),
        ("/dev/md/a:b", "md127 /dev/md/a:b"),
        ("/dev/md_foo", "/dev/md_foo is an invalid name for an md device.  Try /dev/md/md_foo"),
        ("/dev/mdx", "/dev/mdx is an invalid name for an md device.  Try /dev/md/mdx"),
        ("/dev/md", "/dev/md is an invalid name for an md device.  Try /dev/md/md"),
        ("/dev/foo", "/dev/foo is an invalid name for an md device.  Try /dev/md/foo"),
        ("a/b", "a/b is an invalid name for an md device."),
        ("/dev/md/a/b", "/dev/md/a/b is an invalid name for an md device."),
        ("/dev/md/", "Value \"/dev/md/\" cannot be set as devname. Reason: Too long or empty."),
        // The original waits five seconds for these two nodes, which never come.
        ("/dev/md05", "md5 /dev/md5"),
        ("/dev/md_d4", "md_d4 /dev/md_d4"),
        // The original tries, and the kernel refuses.
        ("/dev/md1048576", "/dev/md1048576 is an invalid name for an md device.  Try /dev/md/md1048576"),
    ] {
        assert_eq!(shown(given(word, None, &world(&[], &[]), &Config::default())), expected, "{word}");
    }
}

#[test]
fn names_that_are_taken() {
    let crowded = world(&["md5", "md127"], &[("md127", "/dev/md/home"), ("md99", "/dev/md/gone")]);
    let config = config("ARRAY /dev/md126 super-minor=125\nARRAY md124 super-minor=123\n");
    for (word, expected) in [
        ("/dev/md5", "/dev/md5 is already in use."),
        ("5", "5 is already in use."),
        ("home", "Array name /dev/md/home is in use already."),
        ("gone", "md122 /dev/md/gone"),
    ] {
        assert_eq!(shown(given(word, None, &crowded, &config)), expected, "{word}");
    }
    let mut empty_shell = world(&["md5"], &[]);
    empty_shell.arrays[0].state = "clear".into();
    assert_eq!(shown(given("/dev/md5", None, &empty_shell, &config)), "md5 /dev/md5");
    let all: Vec<String> = (0..512).map(|n| format!("md{n}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    assert_eq!(shown(given("x", None, &world(&all, &[]), &config)), "No avail md devices - aborting");
    let mut without_udev = world(&all[1..], &[]);
    without_udev.udev = false;
    assert_eq!(shown(given("x", None, &without_udev, &Config::default())), "md0 /dev/md/x");
    without_udev.nodes = vec!["md0".into()];
    assert_eq!(shown(given("x", None, &without_udev, &Config::default())), "No avail md devices - aborting");
}

#[test]
fn kernel_names_where_the_configuration_wants_them() {
    let config = config("CREATE names=yes");
    for (word, expected) in [
        ("home", "md_home /dev/md/home"),
        ("/dev/md/md7", "md_md7 /dev/md/md7"),
        ("5", "md5 /dev/md/5"),
        ("a:b", "md_a:b /dev/md/a:b"),
        // The original overruns a buffer.
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "md127 /dev/md/aaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
    ] {
        assert_eq!(shown(given(word, None, &world(&[], &[]), &config)), expected, "{word}");
    }
}

#[test]
fn a_number_in_the_metadata_is_honoured() {
    let empty = world(&[], &[]);
    for (stored, expected) in
        [("5", "md5"), ("md5", "md5"), ("/dev/md6", "md6"), ("d7", "md127"), ("05", "md5"), ("home", "md127")]
    {
        let chosen = given("/dev/md/given", Some(stored), &empty, &Config::default());
        assert_eq!(shown(chosen), format!("{expected} /dev/md/given"), "{stored}");
    }
    let busy = world(&["md5"], &[]);
    assert_eq!(shown(given("x", Some("5"), &busy, &Config::default())), "md127 /dev/md/x");
}

#[test]
fn found_names_depend_on_trust() {
    use NameTrust::{Foreign, Local, Metadata};
    let empty = world(&[], &[]);
    for (stored, trust, expected) in [
        ("guest:home", Local, "md127 /dev/md/home"),
        ("guest:home", Foreign, "md127 /dev/md/guest:home"),
        ("guest:5", Local, "md5 /dev/md/5"),
        ("guest:5", Foreign, "md127 /dev/md/guest:5"),
        ("guest:md5", Local, "md5 /dev/md/md5"),
        ("guest:/dev/md6", Local, "md6 /dev/md/-dev-md6"),
        ("guest:/dev/md6", Foreign, "md127 /dev/md/guest:-dev-md6"),
        ("guest:d7", Local, "md127 /dev/md/d7"),
        ("a:b", Local, "md127 /dev/md/b"),
        ("guest:a b", Local, "md127 /dev/md/a_b"),
        ("any:x", Local, "md127 /dev/md/x"),
        ("x", Foreign, "md127 /dev/md/x_0"),
        ("imsm", Metadata, "md127 /dev/md/imsm0"),
        // Not to be had from the original's own create.
        ("guest:", Local, "md127 /dev/md127"),
        ("guest:..", Local, "md127 /dev/md/__"),
        ("a\n\u{1b}[m", Foreign, "md127 /dev/md/a___m_0"),
    ] {
        assert_eq!(shown(found(stored, trust, &empty, &Config::default())), expected, "{stored:?} {trust:?}");
    }
    let crowded = world(&["md127", "md126"], &[("md127", "/dev/md/x"), ("md126", "/dev/md/x_0")]);
    assert_eq!(shown(found("x", Foreign, &crowded, &Config::default())), "md125 /dev/md/x_1");
    assert_eq!(shown(found("h:x", Local, &crowded, &Config::default())), "md125 /dev/md/x_1");
    assert_eq!(shown(found("h:x", Foreign, &crowded, &Config::default())), "md125 /dev/md/h:x");
}

#[test]
fn who_is_trusted() {
    let none = Config::default();
    let line = config("ARRAY /dev/md/x super-minor=1");
    let claim = |stored| NameClaim { stored, ..NameClaim::default() };
    assert_eq!(trust(claim("h:x"), &none), NameTrust::Foreign);
    assert_eq!(trust(claim("any:x"), &none), NameTrust::Local);
    assert_eq!(trust(NameClaim { of_this_host: true, ..claim("h:x") }, &none), NameTrust::Local);
    assert_eq!(trust(NameClaim { listed: true, ..claim("h:x") }, &none), NameTrust::Local);
    assert_eq!(trust(NameClaim { any_host: true, ..claim("h:x") }, &none), NameTrust::Local);
    assert_eq!(trust(NameClaim { any_host: true, ..claim("h:x") }, &line), NameTrust::Foreign);
}

#[test]
fn what_create_stores() {
    for (word, name, expected) in [
        ("/dev/md5", None, "5"),
        ("/dev/md05", None, "05"),
        ("/dev/md/home", None, "home"),
        ("/dev/md_d4", None, "d4"),
        ("d4", None, "d4"),
        ("md5", None, "md5"),
        ("/dev/md5", Some("a:b"), "a:b"),
    ] {
        assert_eq!(to_store(word, name), expected, "{word}");
    }
}

proptest::proptest! {
    /// Whatever metadata says, the path is one word below /dev/md.
    #[test]
    fn a_stored_name_never_leads_elsewhere(stored in "(.|\n|/|\\.\\.|:){0,300}", local: bool) {
        let trust = if local { NameTrust::Local } else { NameTrust::Foreign };
        let chosen = found(&stored, trust, &world(&["md127"], &[("md127", "/dev/md/x")]), &Config::default()).unwrap();
        let path = chosen.array.path;
        let name = path.strip_prefix("/dev/md/").or_else(|| path.strip_prefix("/dev/")).unwrap();
        proptest::prop_assert!(!name.is_empty() && !name.contains('/') && name != "." && name != "..", "{path:?}");
        proptest::prop_assert!(!name.contains(|c: char| c.is_whitespace() || c.is_control()), "{path:?}");
        let _ = given(&stored, Some(&stored), &world(&[], &[]), &Config::default());
    }
}

#[test]
fn where_something_else_stands_no_array_is_made() {
    let mut crowded = world(&[], &[]);
    crowded.others = ["/dev/md/home", "/dev/md5", "/dev/md_d4"].map(str::to_owned).into();
    for word in ["/dev/md/home", "home", "/dev/md5", "/dev/md_d4"] {
        let expected = format!("device {word} exists but is not an md array.");
        assert_eq!(shown(given(word, None, &crowded, &config(""))), expected);
    }
    assert_eq!(shown(given("/dev/md/work", None, &crowded, &config(""))), "md127 /dev/md/work");
}
