//! Any input of the builder, and what comes of a circuit that it accepts.

#![no_main]

#[path = "../../model/fuzz_smoke/builder.rs"]
mod builder;
#[path = "../../model/fuzz_smoke/bytes.rs"]
#[allow(dead_code, reason = "some of it is for the machine")]
mod bytes;
#[path = "../../model/fuzz_smoke/laws.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    builder::drive(data);
});
