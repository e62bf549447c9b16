//! A cache in front of the dependency.

use std::time::Duration;

use serde::Deserialize;

use super::value::{count, exponent, maybe_count, maybe_time};

/// A look-aside cache in front of the dependency.
///
/// Callers look there first. What it has, it answers at once, and neither the breaker nor the dependency hears of the
/// call. For what it has not, the dependency is called. If that succeeds while its caller waits, the answer is kept. An
/// answer that comes too late is not: its caller would have had to put it there.
///
/// It is shared by all instances, and for all targets. It begins full, with what is asked for most. Calls for the same
/// entry that is missing do not wait for one another: each of them calls the dependency.
///
/// ```
/// use tower_breaker_lab::{NoBreaker, Scenario, run};
///
/// let scenario = Scenario::from_toml(r#"
///     callers = { rate = 100 }
///     phases = [{ for = "10s" }, { for = "10s", emptied = "100%" }]
///
///     [dependency]
///     latency = { mean = "20ms" }
///     cache = { entries = 1_000, alpha = 1.3 }
/// "#)?;
/// let run = run(&scenario, &mut NoBreaker::new());
/// assert_eq!(run.steps[9].admitted, 0, "all of it is cached");
/// assert!(run.steps[10].admitted > 20, "it has to be fetched again");
/// # Ok::<(), tower_breaker_lab::ScenarioError>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Cache {
    /// How many different things are asked for. From 1 to 1,000,000.
    #[serde(deserialize_with = "count")]
    pub entries: u32,
    /// How much more the most popular are asked for than others, as the exponent of a Zipf distribution: the n-th most
    /// popular one comes up n^`alpha` times less than the first. From 0 (all alike) to 10. Default: 1.
    #[serde(default = "by_rank", deserialize_with = "exponent")]
    pub alpha: f64,
    /// How many entries it has room for. What was asked for least recently goes first (*LRU*). Default: all.
    #[serde(default, deserialize_with = "maybe_count")]
    pub capacity: Option<u32>,
    /// How long an entry is kept, from when it was fetched (*time to live*). Default: for ever.
    #[serde(default, deserialize_with = "maybe_time")]
    pub lifetime: Option<Duration>,
}

fn by_rank() -> f64 {
    1.0
}
