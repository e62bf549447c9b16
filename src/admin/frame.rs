//! What a stream of server-sent events is made of.

use bytes::Bytes;
use serde::ser::Serialize;

/// An event of a stream. JSON has no line breaks in it.
pub(super) fn frame(event: &str, data: &impl Serialize) -> Bytes {
    // Nothing that is written here has keys that are no texts.
    framed(event, &serde_json::to_string(data).unwrap_or_default())
}

pub(super) fn framed(event: &str, data: &str) -> Bytes {
    format!("event: {event}\ndata: {data}\n\n").into()
}
