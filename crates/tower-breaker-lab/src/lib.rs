//! What the settings of a circuit breaker do in an outage, before there is one.
//!
//! Thresholds are copied from examples, and what they do is learned in an outage. Here the circuit of
//! [`tower_breaker`] runs on simulated time against a dependency that fails as you say:
//!
//! ```
//! use tower_breaker::Settings;
//! use tower_breaker_lab::{Ours, Scenario, run};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scenario = Scenario::from_toml(r#"
//!     [callers]
//!     rate = 100
//!
//!     [dependency]
//!     latency = { mean = "50ms" }
//!
//!     [[phases]]
//!     for = "1m"
//!
//!     [[phases]]
//!     for = "1m"
//!     errors = "100%"
//! "#)?;
//! let run = run(&scenario, &mut Ours::new("the defaults", Settings::default())?);
//! let outage = run.between(std::time::Duration::from_secs(60), std::time::Duration::MAX);
//! assert!(outage.failed < 100, "it has opened");
//! # Ok(())
//! # }
//! ```

mod breaker;
mod chance;
pub mod cli;
pub mod formulas;
mod measure;
mod report;
mod scenario;
mod settings;
mod summary;
mod world;

pub use self::{
    breaker::{
        Breaker, Contender, End, NoBreaker, Ours, Semian, SemianAdaptive, Throttle, Ticket, peers,
    },
    measure::{Change, MOST_CHANGES, Run, Step},
    report::{Entry, Report},
    scenario::{
        Callers, Dependency, Latency, Phase, Retries, Scenario, ScenarioError, Share, Spread,
    },
    settings::{Axis, BUILT_IN, BuiltIn, Candidate, MOST_COMBINATIONS, SettingsError},
    summary::{Summary, Times},
    world::{run, run_with_progress},
};
