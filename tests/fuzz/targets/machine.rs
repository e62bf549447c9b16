//! Any history of a circuit, beside its reference.

#![no_main]

#[path = "../../model/fuzz_smoke/bytes.rs"]
#[allow(dead_code, reason = "some of it is for the builder")]
mod bytes;
#[path = "../../model/config.rs"]
#[allow(dead_code, reason = "its strategies are for the model")]
mod config;
#[path = "../../model/history.rs"]
#[allow(dead_code, reason = "its strategies are for the model")]
mod history;
#[path = "../../model/fuzz_smoke/machine.rs"]
mod machine;
#[path = "../../model/pair.rs"]
mod pair;
#[path = "../../model/reference.rs"]
mod reference;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    machine::drive(data);
});
