//! Any configuration, as a file that may be right and as any text.

#![no_main]

#[path = "../../model/fuzz_smoke/bytes.rs"]
#[allow(dead_code, reason = "some of it is for the machine")]
mod bytes;
#[path = "../../config/fuzzed/drive.rs"]
mod drive;
#[path = "../../config/fuzzed/files.rs"]
mod files;
#[path = "../../config/validator.rs"]
mod validator;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    drive::drive(data);
});
