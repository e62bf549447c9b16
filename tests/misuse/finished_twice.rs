//! A call ends once.

use tower_breaker::Circuit;

fn main() {
    let circuit = Circuit::builder("pages").build().unwrap();
    let guard = circuit.try_acquire().unwrap();
    guard.success();
    guard.failure();
}
