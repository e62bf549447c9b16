//! What nobody wrote by hand, with no fuzzer. `tests/fuzz` drives the same, and looks deeper. So does
//! `TOWER_BREAKER_CASES=100000 cargo test --release --all-features --test config fuzzed::`.

#[path = "../model/fuzz_smoke/bytes.rs"]
#[allow(dead_code, reason = "some of it is for the machine")]
mod bytes;
mod drive;
mod files;

use proptest::prelude::*;

use super::validator;
use crate::explore::explore;

// I7, I8
#[test]
fn whatever_is_read_builds_or_is_told_why_not() {
    let all = [
        "built",
        "refused",
        "overlaid",
        "refused with variables",
        "no file",
    ];
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    explore(4_000, bytes, &all, |bytes| vec![(drive::drive(&bytes), 1)]);
}
