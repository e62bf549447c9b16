//! A status of tonic 0.13.

use tonic013::Status;
use tower_breaker::{Circuit, ConfigError};

fn main() -> Result<(), ConfigError> {
    let circuit = Circuit::builder("greeter").build()?;
    circuit.force_open();
    if let Err(rejected) = circuit.try_acquire() {
        let status: Status = rejected.into();
        drop(status);
    }
    Ok(())
}
