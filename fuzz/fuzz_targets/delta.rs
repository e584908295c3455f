//! No bytes make `superblock::fuzz::delta` panic, hang or run out of memory.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| superblock::fuzz::delta(data));
