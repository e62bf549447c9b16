//! What each breaker did to its users in Semian's nine experiments, while a dependency was slow, and in eleven outages,
//! as tables in Markdown:
//!
//! ```text
//! cargo run --release -p tower-breaker-lab --example table             # with three seeds
//! cargo run --release -p tower-breaker-lab --example table -- 1 2 3 4  # with these
//! cargo run --release -p tower-breaker-lab --example table -- --shared # one process, so that threads share circuits
//! cargo run --release -p tower-breaker-lab --example table -- --users  # the tables of the README of the repository
//! cargo run -p tower-breaker-lab --example table -- --check            # only what must come out, in seconds
//! ```

mod experiments;
pub(crate) mod outages;
pub(crate) mod users;

use std::{env, error::Error, time::Duration};

use tower_breaker::{Circuit, CircuitBuilder, ConfigError, Settings};
use tower_breaker_lab::{Contender, NoBreaker, Ours, Semian, SemianAdaptive, Throttle, peers};

type Breakers = Vec<Box<dyn Contender>>;

/// Their endpoints answer about 330 calls a second at rest, as Semian's did in the middle of its runs.
const SEEDS: [u64; 3] = [13, 58, 85];

#[allow(dead_code, reason = "a test takes a part of it")]
fn main() -> Result<(), Box<dyn Error>> {
    let (options, seeds): (Vec<_>, Vec<_>) = env::args()
        .skip(1)
        .partition(|argument| argument.starts_with("--"));
    let given: Result<Vec<u64>, _> = seeds.iter().map(|seed| seed.parse()).collect();
    let given = given?;
    let seeds = if given.is_empty() { &SEEDS } else { &*given };
    match options.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => experiments::print(seeds, false)?,
        ["--shared"] => return experiments::print(seeds, true),
        ["--users"] => return users::hold(),
        ["--check"] => return outages::check(),
        _ => return Err(format!("not known: {}", options.join(" ")).into()),
    }
    outages::print(seeds)
}

/// With Semian's classic opening after so many errors.
fn breakers(errors: u32, slow_after: Duration) -> Result<Breakers, Box<dyn Error>> {
    let slow = Circuit::builder("slow")
        .failure_rate(0.5)
        .slow_call_rate(0.5)
        .slow_call_duration(slow_after)
        .build()?;
    let mut all: Breakers = vec![
        Box::new(NoBreaker::new()),
        Box::new(Semian::of_experiments(errors)),
        Box::new(SemianAdaptive::new("semian adaptive")),
    ];
    for peer in peers() {
        all.push(Box::new(peer));
    }
    all.push(Box::new(Ours::new("ours", Settings::default())?));
    all.push(Box::new(Ours::new("ours, slow calls", slow.settings())?));
    let two_minutes = Duration::from_secs(120);
    all.push(Box::new(Throttle::new("throttle K=2", 2.0, two_minutes)));
    Ok(all)
}

/// A circuit that sheds with this K, lets 10 % through whatever fails, and does not open by its failure rate.
fn shedding(
    name: &str,
    k: f64,
    say: impl FnOnce(CircuitBuilder) -> CircuitBuilder,
) -> Result<Ours, ConfigError> {
    let circuit = Circuit::builder("shed").shed(k, 0.1).failure_rate(None);
    Ours::new(name, say(circuit).build()?.settings())
}

fn shed(k: f64) -> Result<Ours, ConfigError> {
    shedding(&format!("shed K={k}"), k, |circuit| circuit)
}

/// A partial failure is shed, and on a total one it opens.
fn shed_and_breaker() -> Result<Ours, ConfigError> {
    shedding("shed K=2, opens at 95 %", 2.0, |circuit| {
        circuit.failure_rate(0.95).open_for(Duration::from_secs(5))
    })
}
