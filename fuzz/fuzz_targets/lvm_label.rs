//! No bytes make `superblock::fuzz::lvm_label` panic, hang or run out of memory.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| superblock::fuzz::lvm_label(data));
