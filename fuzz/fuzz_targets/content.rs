//! No bytes make `superblock::fuzz::content` panic, hang or run out of memory.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| superblock::fuzz::content(data));
