//! What holds of every store (rule N9).

use std::time::Duration;

use tower_breaker::{
    clock::ManualClock,
    fleet::{Memory, contract},
};

// N9
#[tokio::test(start_paused = true)]
async fn a_store_in_memory_does_what_fleets_rely_on() {
    contract::check(async || Memory::new(), tokio::time::sleep).await;
}

// N9: tokio's clock stands still.
#[tokio::test(start_paused = true)]
async fn it_goes_by_the_clock_that_it_was_given() {
    let clock = ManualClock::new();
    let make = async || Memory::with_clock(clock.clone());
    let pass = async |time: Duration| clock.advance(time);
    contract::check(make, pass).await;
}
