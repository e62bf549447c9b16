//! Nobody gets another's answer, whatever peers write into their headers (rules M3, M4). `tests/fuzz` drives the same,
//! and looks deeper. So does
//! `TOWER_BREAKER_CASES=1000000 cargo test --release --all-features --test degrade cached::hostile::`.

#[path = "../../model/fuzz_smoke/bytes.rs"]
#[allow(dead_code, reason = "some of it is for the machine")]
mod bytes;
mod drive;

use proptest::prelude::*;

use super::stage;
use crate::explore::explore;

// M3, M4
#[test]
fn nobody_gets_anothers_answer() {
    let bytes = prop::collection::vec(any::<u8>(), 0..250);
    explore(4_000, bytes, &drive::OUTCOMES, |bytes| {
        let told = drive::drive(&bytes).into_iter();
        told.map(|what| (what, 1)).collect()
    });
}
