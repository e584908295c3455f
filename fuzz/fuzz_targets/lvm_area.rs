//! No bytes make `superblock::fuzz::lvm_area` panic, hang or run out of memory.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| superblock::fuzz::lvm_area(data));
