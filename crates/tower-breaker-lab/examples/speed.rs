//! How many calls a second a run simulates, on one thread:
//!
//! ```text
//! cargo run --release -p tower-breaker-lab --example speed
//! ```

use std::time::Instant;

use tower_breaker::Settings;
use tower_breaker_lab::{Contender, NoBreaker, Ours, Scenario, run};

const SCENARIO: &str = r#"
    step = "1s"

    [callers]
    rate = 1000
    timeout = "1s"

    [dependency]
    latency = { mean = "50ms", spread = "log-normal" }
    errors = "1%"

    [[phases]]
    for = "20m"

    [[phases]]
    for = "5m"
    errors = "100%"

    [[phases]]
    for = "10m"
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scenario = Scenario::from_toml(SCENARIO)?;
    let ours = Ours::new("ours", Settings::default())?;
    let breakers: [Box<dyn Contender>; 2] = [Box::new(NoBreaker::new()), Box::new(ours)];
    for mut breaker in breakers {
        // The best of three: what else the machine does only makes it slower.
        let mut best = 0.0_f64;
        for _ in 0..3 {
            let begins = Instant::now();
            let calls = run(&scenario, &mut *breaker).total().offered;
            best = best.max(calls as f64 / begins.elapsed().as_secs_f64());
        }
        println!(
            "{:>5}: {:.2} million calls a second",
            breaker.name(),
            best / 1e6
        );
    }
    Ok(())
}
