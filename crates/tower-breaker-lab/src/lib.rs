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
//!
//! The command `breaker-lab` does the same without a line of code. The README of the package goes through it: describe
//! an outage, run it, try settings, search for better ones, and keep what was found as a check.
//!
//! # Compare breakers
//!
//! A [`Report`] runs one scenario with several [`Candidate`]s: the blocks of a configuration of `tower-breaker`, a grid
//! of settings, and what others do. All of them get the same calls with the same luck, so that what differs is the
//! breaker alone. A report is a table, pictures, a page of HTML, JSON, and advice in sentences.
//!
//! ```
//! use tower_breaker_lab::{Candidate, Report, Scenario};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let text = r#"
//!     callers = { rate = 100 }
//!     dependency = { latency = { mean = "50ms" }, errors = "5%" }
//!     phases = [{ for = "1m" }, { for = "1m", errors = "100%" }, { for = "1m" }]
//! "#;
//! let mut candidates = Candidate::from_toml("
//!     [circuits.three-in-a-row]
//!     consecutive_failures = 3
//! ")?;
//! candidates.push(Candidate::built_in("defaults")?);
//!
//! let report = Report::new(&Scenario::from_toml(text)?, text, &mut candidates, &mut |_, _| {});
//! let advice = report.advice();
//! let sentence = "three-in-a-row: at 5 % background errors, 3 in a row trips every 84.2 s at 100 calls/s.";
//! assert!(advice.contains(&sentence.to_owned()));
//! # Ok(())
//! # }
//! ```
//!
//! A [`Recording`] of real calls may take the place of the scenario: see [`Report::of_recording`] and [`replay`].
//!
//! # A breaker of your own
//!
//! Implement [`Breaker`] for what stands between caller and dependency, and [`Contender`] for what makes one for each
//! instance and target.
//!
//! ```
//! use std::time::Duration;
//!
//! use tower_breaker::State;
//! use tower_breaker_lab::{Breaker, Candidate, Contender, End, Report, Scenario, Ticket};
//!
//! /// Lets every second call through.
//! #[derive(Debug)]
//! struct Half(u64);
//!
//! impl Breaker for Half {
//!     fn ask(&mut self, _now: Duration) -> Option<Ticket> {
//!         self.0 += 1;
//!         (self.0 % 2 == 0).then_some(Ticket::Number(self.0))
//!     }
//!
//!     fn ended(&mut self, _ticket: Ticket, _end: End, _now: Duration) {}
//!
//!     fn state(&self) -> State {
//!         State::Closed
//!     }
//! }
//!
//! #[derive(Debug)]
//! struct Halves;
//!
//! impl Contender for Halves {
//!     fn name(&self) -> &str {
//!         "half"
//!     }
//!
//!     fn breaker(&self, _number: u64, _seed: u64) -> Box<dyn Breaker> {
//!         Box::new(Half(0))
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let text = r#"
//!     callers = { rate = 100 }
//!     dependency = { latency = { mean = "50ms" } }
//!     phases = [{ for = "1m" }]
//! "#;
//! let mut candidates = [Candidate::new(Halves, "Every second call.")];
//! let report = Report::new(&Scenario::from_toml(text)?, text, &mut candidates, &mut |_, _| {});
//! assert!((report.entries()[0].summary.lost() - 0.5).abs() < 0.01);
//! # Ok(())
//! # }
//! ```
//!
//! # Without a run
//!
//! [`formulas`] has what can be worked out: how long a window takes to show an outage, how often failures in a row come
//! about by chance, what a breaker leaves of a partial outage.

mod breaker;
mod chance;
mod circuits;
pub mod cli;
pub mod formulas;
mod map;
mod measure;
mod recording;
mod report;
mod scenario;
mod settings;
mod summary;
mod world;

pub use self::{
    breaker::{
        Breaker, Contender, End, NoBreaker, Ours, Semian, SemianAdaptive, Target, Throttle, Ticket,
        peers,
    },
    map::{Map, Row, Trigger, recovers},
    measure::{Change, MOST_CHANGES, MOST_UNDER_WAY, Run, Step},
    recording::{
        AccessLog, Call, CallWriter, Calls, Fate, Format, JsonLines, Notes, Outage, Prometheus,
        Reading, Recording, RecordingError, ReplayError, ReplayOptions, Replayed, StampOf, Unit,
        replay,
    },
    report::{Entry, Report},
    scenario::{
        Cache, Callers, Dependency, Latency, Phase, Retries, Scenario, ScenarioError, Share, Spread,
    },
    settings::{Axis, BUILT_IN, BuiltIn, Candidate, MOST_COMBINATIONS, SettingsError},
    summary::{Frame, Summary, Times},
    world::{run, run_with_progress},
};
