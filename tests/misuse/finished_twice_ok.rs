//! And then there is another call.

use tower_breaker::Circuit;

fn main() {
    let circuit = Circuit::builder("pages").build().unwrap();
    circuit.try_acquire().unwrap().success();
    circuit.try_acquire().unwrap().failure();
}
