//! No bytes make `superblock::fuzz::device_of` panic, hang or run out of memory.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| superblock::fuzz::device_of(data));
