//! Answers of any bytes, and requests to the byte.

use proptest::prelude::*;

use super::{
    calls::{request, table},
    *,
};

#[test]
fn a_request_to_the_byte() {
    let rows = [
        NewRow { start: 0, length: 8, kind: "zero".into(), params: String::new() },
        NewRow { start: 8, length: 16, kind: "linear".into(), params: "8:0 0".into() },
    ];
    let payload = table(&rows);
    assert_eq!(payload.len(), 48 + 48);
    assert_eq!(buffer::number(&payload, 20), 48, "on load each leads to the next");
    assert_eq!(buffer::number(&payload, 48 + 20), 48);
    assert_eq!(&payload[48 + 24..48 + 31], b"linear\0");
    assert_eq!(&payload[48 + 40..48 + 46], b"8:0 0\0");
    let buffer = request(Who::Name("vg-lv"), Command::Load, &payload).unwrap();
    let bytes = buffer.bytes();
    assert_eq!(&bytes[..12], [4, 0, 0].map(u32::to_ne_bytes).as_flattened());
    assert_eq!(buffer::number(bytes, 12), 312 + 96);
    assert_eq!(buffer::number(bytes, 16), 312);
    assert_eq!(&bytes[48..54], b"vg-lv\0");
    assert_eq!(&bytes[312..], payload);
    let error = request(Who::Name(&"x".repeat(128)), Command::Info, &[]).unwrap_err();
    assert!(error.to_string().contains("at most 127 bytes"), "{error}");
}

#[test]
fn three_refusals_that_are_not_about_the_device() {
    let said = |command, errno, version| explain("x", command, errno, DmDriverVersion(version)).to_string();
    let root = said(Command::Create, Errno::EACCES, [4, 48, 0]);
    assert!(root.contains("serves root"), "{root}");
    let missing = said(Command::TargetVersion, Errno::ENOTTY, [4, 48, 0]);
    assert!(missing.contains("no such request"), "{missing}");
    let older = said(Command::TargetVersion, Errno::ENOTTY, [4, 39, 0]);
    assert!(older.contains("is version 4.39.0, this needs 4.41.0"), "{older}");
    let other = said(Command::Load, Errno::EINVAL, [4, 48, 0]);
    assert_eq!(other, "x: DM_TABLE_LOAD: EINVAL: Invalid argument");
}

#[test]
fn rows_count_from_the_first() {
    let mut bytes = vec![0; 0x60];
    bytes[8] = 8;
    bytes[20..24].copy_from_slice(&0x30_u32.to_ne_bytes());
    bytes[24..28].copy_from_slice(b"zero");
    bytes[0x30..0x38].copy_from_slice(&8_u64.to_ne_bytes());
    bytes[0x30 + 20..0x30 + 24].copy_from_slice(&0x60_u32.to_ne_bytes());
    bytes[0x30 + 24..0x30 + 29].copy_from_slice(b"error");
    let rows = reply::rows(&bytes, 2);
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].kind.as_str(), rows[0].length, rows[1].kind.as_str()), ("zero", 8, "error"));
    assert_eq!((rows[1].start, rows[1].text.as_str()), (8, ""));
}

#[test]
fn lists_with_and_without_uuids() {
    let mut bytes = Vec::new();
    for (minor, name, uuid, next) in [(1_u8, "a", Some("LVM-x"), 40_u32), (2, "long-name", None, 0)] {
        let start = bytes.len();
        bytes.extend(u64::from(DevId { major: 252, minor: minor.into() }.encoded().unwrap()).to_ne_bytes());
        bytes.extend(next.to_ne_bytes());
        bytes.extend(name.as_bytes());
        bytes.push(0);
        bytes.resize((bytes.len() - start).next_multiple_of(8) + start, 0);
        bytes.extend(7_u32.to_ne_bytes());
        bytes.extend(if uuid.is_some() { 1_u32 } else { 2 }.to_ne_bytes());
        bytes.extend(uuid.unwrap_or_default().as_bytes());
        bytes.push(0);
        bytes.resize((bytes.len() - start).next_multiple_of(8) + start, 0);
    }
    assert_eq!(buffer::number(&bytes, 8), 40, "where the second begins");
    bytes[8..12].copy_from_slice(&32_u32.to_ne_bytes());
    let found = reply::names(&bytes, true);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!((found[0].uuid.as_deref(), found[0].event), (Some("LVM-x"), Some(7)));
    assert_eq!((found[1].name.as_str(), found[1].uuid.as_deref()), ("long-name", None));
    assert_eq!(reply::names(&bytes, false)[0].event, None);
    assert!(reply::names(&[0; 16], true).is_empty() && reply::names(&[], true).is_empty());
}

proptest! {
    #[test]
    fn any_answer_is_read_or_not(bytes in prop::collection::vec(prop_oneof![3 => 0_u8..9, 1 => any::<u8>()], 0..600)) {
        fuzz::answer(&bytes);
    }
}
