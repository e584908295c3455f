//! Everything that reads an answer of the driver, on any bytes.

use super::{
    buffer::{Header, payload},
    reply,
};

/// Reads the bytes as every kind of answer. It returns, whatever they are.
pub fn answer(bytes: &[u8]) {
    let _ = Header::parse(bytes);
    for data in [payload(bytes), bytes] {
        let _ = (reply::names(data, true), reply::names(data, false), reply::deps(data));
        let _ = (reply::versions(data), reply::rows(data, u32::MAX));
    }
}
