//! Configuration texts and what they come to; the complaints are those that mdadm 4.6 makes.

use super::*;

const UUID: &str = "00112233:44556677:8899aabb:ccddeeff";

fn complaints(text: &str) -> Vec<String> {
    parse([("f", text)]).1.into_iter().map(|d| d.text).collect()
}

fn config(text: &str) -> Config {
    let (config, diagnostics) = parse([("f", text)]);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    config
}

#[test]
fn keywords_by_table_order() {
    for (word, expected) in [
        ("DEVICE", Some(Keyword::Devices)),
        ("devices", Some(Keyword::Devices)),
        ("devicesx", None),
        ("dev", Some(Keyword::Devices)),
        ("de", None),
        ("arr", Some(Keyword::Array)),
        ("mai", Some(Keyword::MailAddr)),
        ("MailF", Some(Keyword::MailFrom)),
        ("pro", Some(Keyword::Program)),
        ("prob", Some(Keyword::Probing)),
        ("hom", Some(Keyword::HomeHost)),
        ("homec", Some(Keyword::HomeCluster)),
        ("part-", Some(Keyword::PartPolicy)),
        ("partpol", None),
        ("INACTIVE-ARRAY", None),
        ("ims", Some(Keyword::ImsmDisableOrom)),
    ] {
        assert_eq!(keyword(word), expected, "{word}");
    }
}

#[test]
fn a_whole_file() {
    let text = format!(
        "# comment\nDEVICE /dev/sd* partitions\n  containers\n\
         ARRAY /dev/md/home metadata=1.2 UUID={UUID}\n   spare-group=a devices=/dev/a,/dev/b name=x:home\n\
         array <ignore> super-minor=3\nARR container={UUID} member=0 level=raid5 num-devices=3 spares=1\n\
         MAILADDR root\nMAILADDR other\nMAILFROM a b\nMAILFROM c\nPROGRAM /bin/x\n\
         CREATE owner=root mode=0660 auto=yes names=YES bbl=no metadata=1.0\nCREATE owner=0\n\
         HOMEHOST <ignore> me\nHOMEHOST you\nAUTO +1.x -all\nAUTO yes\nPOLICY action=include\n\
         SYSFS name=/dev/md/home group_thread_cnt=4 sync_max=\"5 6\"\nMONITORDELAY 0\nMONITORDELAY 30\n\
         PROBING ddf_extended\nENCRYPTION_NO_VERIFY sata_opal\n"
    );
    let config = config(&text);
    assert_eq!(config.devices.as_ref().map(Vec::len), Some(3));
    assert_eq!(config.arrays.len(), 3);
    let home = &config.arrays[0];
    assert_eq!(home.name, ArrayLineName::Word("/dev/md/home".into()));
    assert_eq!(home.uuid, Some(UUID.parse().unwrap()));
    assert_eq!(home.devices, ["/dev/a", "/dev/b"]);
    assert_eq!(home.metadata, Some(Metadata::V1(Some(2))));
    assert_eq!(config.arrays[1].name, ArrayLineName::Ignore);
    assert_eq!(config.arrays[2].container, Some(ContainerName::Uuid(UUID.parse().unwrap())));
    assert_eq!(config.arrays[2].level, Some(Level::Raid5));
    assert_eq!(config.mail_to.as_deref(), Some("root"));
    assert_eq!(config.mail_from.as_deref(), Some("a b c"));
    assert_eq!(config.create.owner.as_deref(), Some("0"));
    assert_eq!(
        (config.create.mode, config.create.names, config.create.bbl),
        (Some(0o660), Some(true), Some(false))
    );
    assert_eq!(config.home_host, HomeHost { name: Some(HostName::Named("me".into())), ignore: true });
    assert_eq!(config.auto.as_ref().map(Vec::len), Some(2));
    assert_eq!(config.sysfs[0].attributes[1], ("sync_max".into(), "5 6".into()));
    assert_eq!(config.monitor_delay, Some(30));
    assert!(config.ddf_extended && config.sata_opal_unverified);
}

#[test]
fn of_a_repeated_word_the_first_counts() {
    let (config, _) = parse([(
        "f",
        "CREATE metadata=1.0\nCREATE metadata=0.90\n\
         ARRAY /dev/md2 metadata=1.2 super-minor=2 spare-group=a\n  metadata=0.90 spare-group=b\n\
         ARRAY /dev/md3 super-minor=3 metadata=foo metadata=1.1 metadata=foo\n",
    )]);
    assert_eq!(config.create.metadata, Some(Metadata::V1(Some(0))));
    assert_eq!(config.arrays[0].metadata, Some(Metadata::V1(Some(2))));
    assert_eq!(config.arrays[0].spare_group.as_deref(), Some("a"));
    assert_eq!(config.arrays[1].metadata, Some(Metadata::V1(Some(1))));
}

#[test]
fn complaints_name_the_word_and_reading_goes_on() {
    for (text, expected) in [
        ("foo bar", &["Unknown keyword foo"][..]),
        ("DEVICE foo", &["unrecognised word on DEVICE line: foo"]),
        ("ARRAY foo name=bar", &["ARRAY line foo has no identity information."]),
        ("ARRAY a uuid=1", &["bad uuid: uuid=1", "ARRAY line a has no identity information."]),
        ("ARRAY a container=/dev/md0", &["ARRAY line a has no identity information."]),
        ("ARRAY a super-minor=1 junk=1", &["unrecognised word on ARRAY line: junk=1"]),
        (
            "ARRAY a b super-minor=1",
            &["Value \"b\" cannot be set as devname. Reason: Already defined. Value ignored."],
        ),
        ("ARRAY super-minor=1 super-minor=2", &["only specify super-minor once, super-minor=2 ignored."]),
        ("ARRAY super-minor=1 metadata=1.2 metadata=foo metadata=0.90", &[]),
        (
            "ARRAY super-minor=1 spare-group=a spare-group=b",
            &["only specify one spare group per array. spare-group=b ignored."],
        ),
        ("CREATE mode=9", &["unrecognised CREATE mode 9"]),
        ("CREATE names=maybe", &["unrecognised word on CREATE line: names=maybe"]),
        ("POLICY foo=1", &["policy rule foo=1 unrecognised and ignored"]),
        ("SYSFS a=b", &["Device name not found in sysfs config entry - ignoring."]),
        ("PROBING foo", &["unrecognised word on PROBING line: foo"]),
        ("HOMEHOST\nMAILADDR\nPROGRAM\nAUTO bar\nMONITORDELAY x\nPOLICY action=bar", &[]),
    ] {
        assert_eq!(complaints(text), expected, "{text}");
    }
    let (_, diagnostics) = parse([("a", "\n\nfoo"), ("b", "\nbar")]);
    let shown: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["Unknown keyword foo (a, line 3)", "Unknown keyword bar (b, line 2)"]);
}
