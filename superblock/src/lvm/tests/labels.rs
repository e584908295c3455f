//! Labels and headers of physical volumes: there and back, and each rejection.

use super::*;

fn device() -> Vec<u8> {
    let mut device = vec![0xa5; 1 << 20];
    let label = Label::new(id(1), Bytes(1 << 20), PLACE, Bytes(1 << 20));
    put(&mut device, &label.encode().unwrap());
    device
}

fn patched(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut device = device();
    device[512 + at..][..bytes.len()].copy_from_slice(bytes);
    let crc = lvm_crc(&device[512 + 20..1024]);
    device[512 + 16..][..4].copy_from_slice(&crc.to_le_bytes());
    device
}

fn field(device: &[u8]) -> &'static str {
    match label::read(&device.to_vec()) {
        Err(Damage::Corrupt { what: What::Field { field, .. }, .. }) => field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn into_bytes_and_back() {
    let mut label = label::read(&device()).unwrap().unwrap();
    assert_eq!((label.sector, label.in_use()), (1, Some(false)));
    label.set_in_use(true);
    label.bootloader.push(Extent { start: Bytes(4096), size: Bytes(512) });
    let mut device = device();
    put(&mut device, &label.encode().unwrap());
    assert_eq!(label::read(&device).unwrap(), Some(label.clone()));
    put(&mut device, &label.wipe());
    assert_eq!(label::read(&device).unwrap(), None);
    label.bootloader = vec![Extent { start: Bytes(1), size: Bytes(1) }; 40];
    assert_eq!(label.encode(), None, "no more than a sector");
}

#[test]
fn each_rejection() {
    let mut other = device();
    other[512 + 100] ^= 1;
    assert!(matches!(label::read(&other), Err(Damage::Corrupt { what: What::Checksum { .. }, .. })));
    assert!(matches!(label::read(&patched(24, b"LVM1 001")), Err(Damage::Unsupported { .. })));
    assert_eq!(field(&patched(20, &600u32.to_le_bytes())), "offset_xl");
    assert_eq!(field(&patched(20, &8u32.to_le_bytes())), "offset_xl");
    assert_eq!(field(&patched(32, b"/")), "pv_uuid");
    assert_eq!(field(&patched(72, &[1; 440])), "disk_areas");
    assert_eq!(field(&patched(104, &[1; 408])), "metadata_areas");
    // As `wipefs` leaves it, checksum and all.
    let mut wiped = device();
    wiped[512 + 24..][..8].fill(0);
    assert_eq!(label::read(&wiped).unwrap(), None);
    // A copy that somebody made: it names another sector.
    let mut copy = device();
    copy.copy_within(512..1024, 1024);
    copy[512..1024].fill(0);
    assert_eq!(label::read(&copy).unwrap(), None);
    assert_eq!(label::read(&vec![0u8; 300]).unwrap(), None);
    assert!(matches!(label::read(&vec![0u8; 0]), Ok(None)));
}
