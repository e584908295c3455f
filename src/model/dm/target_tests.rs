//! Tables as the driver prints them, and texts that are none.

use proptest::prelude::*;
use superblock::Sectors;

use super::{super::Table, *};

#[test]
fn tables_of_the_driver_come_back() {
    for text in [
        "0 2048 linear 8:0 0",
        "0 2048 linear 8:0 0\n2048 8 error",
        "0 4096 striped 2 128 8:0 0 8:16 2048",
        "0 2048 snapshot 252:0 252:1 P 8",
        "0 2048 snapshot 252:0 252:1 PO 8 2 discard_zeroes_cow discard_passdown_origin",
        "0 2048 snapshot-origin 252:0",
        "0 2048 snapshot-merge vg-data-real vg-snap-cow P 8",
        "0 2048 zero",
        "0 2048 mirror core 1 1024 2 8:0 0 8:16 0",
        "0 2048 mirror disk 2 8:32 1024 2 8:0 0 8:16 0 1 handle_errors",
        "0 2048 delay 8:0 0 100",
        "0 2048 delay 8:0 0 100 8:0 0 5 8:0 0 0",
        "0 2048 flakey 8:0 0 5 1",
        "0 2048 flakey 8:0 0 5 1 1 drop_writes",
        "0 1000 integrity 8:0 0 - J 2 internal_hash:crc32c block_size:512",
        "0 2048 linear /dev/a\\ b 7",
        "0 8 thin 252:3 1",
    ] {
        let table: Table = text.parse().unwrap();
        assert_eq!(table.to_string(), text);
    }
}

#[test]
fn what_is_no_table() {
    for (text, why) in [
        ("", "a table needs a row"),
        ("0 8", "\"0 8\" is no row of a table: START LENGTH TARGET PARAMETERS"),
        ("x 8 zero", "\"x 8 zero\" is no row of a table: START LENGTH TARGET PARAMETERS"),
        ("0 8 linear 8:0", "the target linear does not take \"8:0\""),
        ("0 8 striped 3 8 8:0 0 8:1 0", "the target striped does not take \"3 8 8:0 0 8:1 0\""),
        ("0 8 zero\n16 8 zero", "a row begins at sector 16 where 8 was to be next"),
        ("0 0 zero", "the row at sector 0 has no possible length"),
        ("0 18446744073709551615 zero", "the row at sector 0 has no possible length"),
    ] {
        assert_eq!(text.parse::<Table>().unwrap_err().to_string(), why);
    }
    let kept = Target::lenient("linear", "8:0");
    assert_eq!(kept, Target::Other { kind: "linear".into(), params: "8:0".into() });
}

#[test]
fn names_become_numbers() {
    let target: Target = "snapshot vg-data-real vg-snap-cow P 8".parse().unwrap();
    let mut minor = 0;
    let numbered = target.with_devices(&mut |_| {
        minor += 1;
        Ok::<_, ()>(Dev::Number(DevId { major: 252, minor }))
    });
    assert_eq!(numbered.unwrap().to_string(), "snapshot 252:1 252:2 P 8");
    let table = Table::concat([(Sectors(8), Target::Zero), (Sectors(16), Target::Error)]);
    assert_eq!((table.to_string().as_str(), table.size()), ("0 8 zero\n8 16 error", Sectors(24)));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[0-9]{0,3} ?(linear|striped|mirror|delay|integrity|x)? ?[ -~]{0,30}") {
        if let Ok(target) = text.parse::<Target>() {
            prop_assert_eq!(target.to_string().parse::<Target>(), Ok(target));
        }
        let _ = text.parse::<Table>();
        let kept = Target::lenient("mirror", &text);
        prop_assert_eq!(kept.params(), text);
    }
}

#[test]
fn a_snapshot_and_its_origin_are_told_apart() {
    let table = |text: &str| text.parse::<super::super::Table>().unwrap();
    let dev = |minor| crate::model::DevId { major: 1, minor };
    let snapshot = table("0 131072 snapshot 1:0 1:3 P 8");
    let origin = table("0 131072 snapshot-origin 1:0");
    assert_eq!(snapshot.is_snapshot_of(), Some(dev(0)));
    assert!(origin.is_origin(dev(0)) && !origin.is_origin(dev(3)) && !snapshot.is_origin(dev(0)));
    // While a snapshot is merged the origin shows what it will be.
    assert!(table("0 131072 snapshot-merge 1:0 1:3 P 8").is_origin(dev(0)));
    assert_eq!((origin.is_snapshot_of(), table("0 8 linear 1:0 0").is_snapshot_of()), (None, None));
}
