//! Where a system recovers by itself, and where it is stuck, with and without the circuit:
//!
//! ```text
//! cargo run --release -p tower-breaker-lab --example boundary
//! ```

use std::time::Duration;

use tower_breaker::Settings;
use tower_breaker_lab::{Contender, Map, NoBreaker, Ours, Scenario, Share};

const SCENARIOS: [&str; 2] = [
    include_str!("../scenarios/metastable/retry.toml"),
    include_str!("../scenarios/metastable/gc.toml"),
];

/// The defaults, but for the length of a break.
fn circuit(name: &str, open_for: Duration) -> Result<Ours, Box<dyn std::error::Error>> {
    let mut settings = Settings::default();
    settings.set_open_for(open_for);
    Ok(Ours::new(name, settings)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let depths: Vec<_> = [0.60, 0.65, 0.70, 0.74, 0.76, 0.78, 0.80, 0.85, 0.90, 0.95]
        .into_iter()
        .filter_map(Share::new)
        .collect();
    let durations: Vec<_> = [5, 7, 8, 9, 10, 12, 15, 20, 30]
        .map(Duration::from_secs)
        .to_vec();
    for text in SCENARIOS {
        let scenario = Scenario::from_toml(text)?;
        for load in [1.0, 0.7] {
            println!("{}, {:.0} % of the load\n", scenario.name, load * 100.0);
            let breakers: [Box<dyn Contender>; 4] = [
                Box::new(NoBreaker::new()),
                Box::new(circuit("100 ms breaks", Duration::from_millis(100))?),
                Box::new(circuit("1 s breaks", Duration::from_secs(1))?),
                Box::new(circuit("30 s breaks", Duration::from_secs(30))?),
            ];
            for mut breaker in breakers {
                let map = Map::new(&scenario, (&depths, &durations, load), &mut *breaker);
                println!("{}", map.ok_or("the scenario can have no trigger")?);
            }
        }
    }
    Ok(())
}
