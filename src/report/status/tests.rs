use superblock::{Bytes, Kib, Level, MdUuid, Sectors};

use super::*;
use crate::model::{
    DevId,
    status::{BitmapPlace, Stage},
};

fn member(name: &str, slot: Option<u32>, state: &str) -> MemberStatus {
    MemberStatus {
        kernel_name: name.to_owned(),
        id: Some(DevId { major: 8, minor: 0 }),
        path: Some(format!("/dev/{name}")),
        slot,
        state: state.split(',').filter(|word| !word.is_empty()).map(Into::into).collect(),
        model: Some("WDC WD40EFRX-68N32N0".to_owned()),
        serial: Some("WD-WCC7K0ABCDEF".to_owned()),
        size: Some(Bytes(4_000_787_030_016)),
        ..MemberStatus::default()
    }
}

fn rebuilding() -> ArrayStatus {
    let stage = Stage::Running { done: Sectors(2_930_000_000), total: Sectors(7_813_770_240) };
    ArrayStatus {
        kernel_name: "md127".to_owned(),
        path: Some("/dev/md/home".to_owned()),
        uuid: Some(MdUuid([0xab; 16])),
        name: Some("nas:home".to_owned()),
        state: "active".into(),
        level: Some(Level::Raid6),
        metadata: "1.2".to_owned(),
        layout: 2,
        chunk: Bytes(512 << 10),
        raid_disks: 4,
        size: Bytes(8_001_300_725_760),
        component_size: Some(Kib(3_906_885_120)),
        consistency_policy: Some("bitmap".into()),
        bitmap: Some(BitmapPlace { location: "+8".to_owned(), chunk: Bytes(64 << 20) }),
        degraded: Some(2),
        action: Some("recover".into()),
        activity: Some(Activity { kind: SyncKind::Recovery, stage, speed: Some(114_688) }),
        members: vec![
            member("sda", Some(0), "in_sync"),
            MemberStatus { errors: 12, ..member("sdb", Some(1), "in_sync,write_mostly") },
            member("sdc", Some(2), "spare"),
            member("sdd", None, "faulty"),
        ],
        ..ArrayStatus::default()
    }
}

const NARROW: TextView = TextView { width: Some(80), colour: false };

#[test]
fn fits_eighty_columns() {
    let text = StatusReport::new(0, &[rebuilding()], None).text(NARROW);
    let expected = "\
/dev/md/home (md127): raid6, active, degraded, recovering
    7.3 TiB, 4 devices of 3.6 TiB, chunk 512 KiB, left-symmetric, metadata 1.2
    bitmap of 64 MiB a bit, name nas:home
    UUID abababab:abababab:abababab:abababab
    recovery [=======.............] 37.4%  112 MiB/s  5 h 54 min left
";
    assert!(text.starts_with(expected), "{text}");
    assert!(
        text.contains("rebuilding 37.4%") && text.contains("faulty") && text.contains("missing"),
        "{text}"
    );
    assert!(text.contains("1 of 4 devices missing: slot 3: mdctl explain /dev/md/home"), "{text}");
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}\n{text}");
    }
    assert!(!text.contains('\x1b'));
    let wide = StatusReport::new(0, &[rebuilding()], None).text(TextView { width: Some(120), colour: true });
    assert!(wide.contains("WDC WD40EFRX-68N32N0") && wide.contains("\x1b[33m"), "{wide}");
}

#[test]
fn any_width_is_survived() {
    for width in [0, 1, 5, 20, 40, 300] {
        let view = TextView { width: Some(width), colour: width % 2 == 0 };
        assert!(StatusReport::new(0, &[rebuilding()], None).text(view).contains("raid6"));
    }
}

#[test]
fn text_from_disks_is_escaped() {
    let mut array = rebuilding();
    array.name = Some("nas:\x1b[2J\nhome".to_owned());
    array.members[0].model = Some("evil\x07\u{202e}disk".to_owned());
    array.members[1].serial = Some("\r\n".to_owned());
    let text = StatusReport::new(0, &[array], None).text(TextView { width: None, colour: false });
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    assert!(text.contains("nas:\\u{1b}[2J\\nhome") && text.contains("evil\\u{7}\\u{202e}disk"), "{text}");
}

#[test]
fn json_has_its_schema_and_units() {
    let json = serde_json::to_value(StatusReport::new(7, &[rebuilding()], None)).unwrap();
    assert_eq!(json["schema"], "mdctl.status.1");
    let array = &json["arrays"][0];
    assert_eq!(array["health"], "degraded");
    assert_eq!(array["missing_slots"], serde_json::json!([3]));
    assert_eq!(array["sync"]["done_percent"], 37.4);
    assert_eq!(array["sync"]["remaining_seconds"], 21_291);
    assert_eq!(array["members"][1]["corrected_read_errors"], 12);
    assert_eq!(array["members"][2]["role"], "rebuilding");
    assert_eq!(array["members"][3]["role"], "faulty");
    assert_eq!(json["not_running"], serde_json::Value::Null);
}

#[test]
fn every_key_is_documented() {
    fn keys(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(map) => {
                for (key, value) in map {
                    found.push(key.clone());
                    keys(value, found);
                }
            }
            serde_json::Value::Array(values) => values.iter().for_each(|value| keys(value, found)),
            _ => {}
        }
    }
    let other = NotRunning {
        uuid: String::new(),
        name: None,
        level: None,
        raid_devices: 2,
        present_devices: 1,
        startable: true,
        kernel_refused: false,
        devices: vec![],
    };
    let problem = Problem { device: String::new(), error: String::new() };
    let report =
        StatusReport { problems: vec![problem], ..StatusReport::new(7, &[rebuilding()], Some(vec![other])) };
    let mut found = vec![];
    keys(&serde_json::to_value(report).unwrap(), &mut found);
    let page = include_str!("../../../docs/json.md");
    for key in found {
        assert!(page.contains(&format!("`{key}`")), "docs/json.md does not name {key}");
    }
}
