//! A response that is none of `http`, as reqwest's is none.

use tower_breaker::Circuit;
use tower_breaker_test::{assert_rejected, circuits};

struct Strange;

fn main() {
    let test = circuits::open(Circuit::builder("strange"));
    assert_rejected(&test, &Strange);
}
