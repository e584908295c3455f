//! What a web hook is sent: one JSON document an event.

use serde::Serialize;

use super::event::ArrayEvent;

/// The document. Names are never taken away; what is not known is `null`.
#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    time_unix_seconds: u64,
    host: &'a str,
    event: String,
    severity: u8,
    message: String,
    array: &'a str,
    kernel_name: Option<&'a str>,
    component: Option<&'a str>,
    model: Option<&'a str>,
    serial: Option<&'a str>,
    cause: Option<&'a str>,
    next: Option<&'a str>,
}

/// Its text.
#[must_use]
pub(super) fn document(event: &ArrayEvent, host: &str, now: u64) -> String {
    let disk = event.disk.as_ref();
    let document = Document {
        schema: "mdctl.event.1",
        time_unix_seconds: now,
        host,
        event: event.kind.to_string(),
        severity: event.kind.gravity().number(),
        message: event.to_string(),
        array: &event.array,
        kernel_name: event.kernel.as_deref(),
        component: event.component.as_deref(),
        model: disk.and_then(|disk| disk.model.as_deref()),
        serial: disk.and_then(|disk| disk.serial.as_deref()),
        cause: event.cause.as_deref(),
        next: Some(event.next.as_str()).filter(|next| !next.is_empty()),
    };
    serde_json::to_string(&document).expect("text and numbers are JSON")
}
