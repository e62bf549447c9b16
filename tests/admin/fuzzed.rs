//! What nobody wrote by hand, with no fuzzer. `tests/fuzz` drives the same, and looks deeper. So does
//! `TOWER_BREAKER_CASES=100000 cargo test --release --all-features --test admin fuzzed::`.

#[path = "../model/fuzz_smoke/bytes.rs"]
#[allow(dead_code, reason = "some of it is for the machine")]
mod bytes;
mod drive;
#[path = "../config/fuzzed/files.rs"]
mod files;

use proptest::prelude::*;

use crate::explore::explore;

// L9
#[test]
fn whatever_is_asked_is_done_or_told_why_not() {
    let bytes = prop::collection::vec(any::<u8>(), 0..150);
    explore(3_000, bytes, &drive::OUTCOMES, |bytes| {
        vec![(drive::drive(&bytes), 1)]
    });
}
