//! Any header of a peer.

#![no_main]

#[path = "../../model/fuzz_smoke/bytes.rs"]
#[allow(dead_code, reason = "some of it is for the builder")]
mod bytes;
#[path = "../../model/fuzz_smoke/headers.rs"]
mod headers;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    headers::drive(data);
});
