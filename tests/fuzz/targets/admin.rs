//! Anything that may be asked over HTTP: orders, headers, and what comes after the `?`.

#![no_main]

#[path = "../../model/fuzz_smoke/bytes.rs"]
#[allow(dead_code, reason = "some of it is for the machine")]
mod bytes;
#[path = "../../admin/fuzzed/drive.rs"]
#[allow(dead_code, reason = "what came of it is counted where there is no fuzzer")]
mod drive;
#[path = "../../config/fuzzed/files.rs"]
mod files;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    drive::drive(data);
});
