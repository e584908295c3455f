//! No answer of the driver and no text of a table makes us panic, hang or run out of memory.
#![no_main]

use mdctl::model::dm::{Mangling, Status, Table, Target, name, uuid};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    mdctl::kernel::dm::fuzz::answer(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = (text.parse::<Table>(), Table::lenient(text), uuid::parse(text), name::split(text));
    let _ = (Mangling::Auto.mangle(text), Mangling::Auto.unmangle(text));
    if let Ok(target) = text.parse::<Target>() {
        assert_eq!(target.to_string().parse::<Target>().as_ref(), Ok(&target));
        let _ = Status::parse(target.kind(), text);
    }
});
