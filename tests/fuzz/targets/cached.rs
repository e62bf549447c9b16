//! Nobody gets another's answer, whatever peers write into their headers.

#![no_main]

#[path = "../../model/fuzz_smoke/bytes.rs"]
#[allow(dead_code, reason = "some of it is for the machine")]
mod bytes;
#[path = "../../degrade/cached/hostile/drive.rs"]
#[allow(
    dead_code,
    reason = "what came of it is counted where there is no fuzzer"
)]
mod drive;
#[path = "../../degrade/cached/stage.rs"]
#[allow(dead_code, reason = "some of it is for other tests")]
mod stage;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    drive::drive(data);
});
