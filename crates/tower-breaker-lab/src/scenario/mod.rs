//! What happens, and when: who calls, what they call, and the phases of an outage. It is read from TOML.

mod cache;
mod error;
mod latency;
mod value;

use std::time::Duration;

use serde::Deserialize;

use self::value::{count, factor, maybe_count, maybe_rate, maybe_time, some_time, time};
pub use self::{
    cache::Cache,
    error::ScenarioError,
    latency::{Latency, Spread},
    value::Share,
};

/// What happens, and when.
///
/// ```
/// use tower_breaker_lab::Scenario;
///
/// let scenario = Scenario::from_toml(r#"
///     instances = 10
///
///     [callers]
///     rate = 500
///     timeout = "2s"
///
///     [dependency]
///     latency = { mean = "80ms", spread = "log-normal" }
///     errors = "0.5%"
///
///     [[phases]]
///     for = "1m"
///
///     [[phases]]
///     for = "2m"
///     errors = "100%"
///
///     [[phases]]
///     for = "2m"
/// "#)?;
/// assert_eq!(scenario.length().as_secs(), 300);
/// # Ok::<(), tower_breaker_lab::ScenarioError>(())
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Scenario {
    /// What it is called in reports. Default: `scenario`.
    #[serde(default = "unnamed")]
    pub name: String,
    /// The same seed gives the same run. Default: 1.
    #[serde(default = "one")]
    pub seed: u64,
    /// Instances of the calling service. Each has circuits of its own. From 1 to 1,000,000. Default: 1.
    #[serde(default = "single", deserialize_with = "count")]
    pub instances: u32,
    /// What is counted together in reports. At most 1,000,000 of them, and steps and phases times circuits are at most
    /// 100,000,000,000. Default: a second.
    #[serde(default = "second", deserialize_with = "some_time")]
    pub step: Duration,
    /// Who calls.
    pub callers: Callers,
    /// What is called.
    pub dependency: Dependency,
    /// What happens, one after the other. At least one.
    pub phases: Vec<Phase>,
}

/// Who calls.
///
/// With a `rate` the loop is open: calls come whatever becomes of those before. With `clients` it is closed: each waits
/// for its answer before it calls again, so that a slow dependency is called less often. Real outages are mostly open.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Callers {
    /// Calls a second, of all instances together.
    #[serde(default, deserialize_with = "maybe_rate")]
    pub rate: Option<f64>,
    /// Callers that wait for their answer, of all instances together.
    #[serde(default, deserialize_with = "maybe_count")]
    pub clients: Option<u32>,
    /// How long a client pauses between two calls. Default, and at least: a millisecond.
    #[serde(default, deserialize_with = "maybe_time")]
    pub pause: Option<Duration>,
    /// Whether calls come at even times. Default: at random ones.
    #[serde(default)]
    pub even: bool,
    /// How many calls an instance makes at once. Others wait until one is free. Default: no limit.
    #[serde(default, deserialize_with = "maybe_count")]
    pub workers: Option<u32>,
    /// A call that has waited this long for a free worker is not made any more. Default: never.
    #[serde(default, deserialize_with = "maybe_time")]
    pub patience: Option<Duration>,
    /// The client's timeout within the breaker: a failure. Default: none.
    #[serde(default, deserialize_with = "maybe_time")]
    pub timeout: Option<Duration>,
    /// A timeout around the breaker: the call is dropped, and counts for nothing (rule A4). Default: none.
    #[serde(default, deserialize_with = "maybe_time")]
    pub gives_up: Option<Duration>,
    /// What takes longer is a slow success, retries and waits included. Default: nothing is slow.
    #[serde(default, deserialize_with = "maybe_time")]
    pub slow_after: Option<Duration>,
    /// Whether and how failed calls are repeated. Default: they are not.
    #[serde(default)]
    pub retries: Option<Retries>,
}

/// How failed calls are repeated, around the breaker: it is asked for each try.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Retries {
    /// Tries of a call in all, the first one too. At most 65,535.
    #[serde(deserialize_with = "count")]
    pub tries: u32,
    /// How long to wait before the second try. Default: not at all.
    #[serde(default, deserialize_with = "time")]
    pub wait: Duration,
    /// By how much the wait grows with each try. Default: 1.
    #[serde(default = "unchanged", deserialize_with = "factor")]
    pub factor: f64,
    /// Whether the wait is a random part of itself (*full jitter*). Default: no.
    #[serde(default)]
    pub jitter: bool,
    /// How many retries a call earns, as a share: `0.1` allows one retry in ten calls. Default: no limit.
    #[serde(default)]
    pub budget: Option<Share>,
    /// How many retries a budget holds at most, for each instance. Default: 10.
    #[serde(default = "ten", deserialize_with = "count")]
    pub burst: u32,
    /// A breaker of retries alone: an instance makes none while more tries of it have failed than this share of its
    /// calls, since the run began. Default: no limit.
    #[serde(default)]
    pub most_failed: Option<Share>,
    /// Whether a rejection of the breaker is repeated, too. Default: no.
    #[serde(default)]
    pub rejected: bool,
}

/// What is called.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Dependency {
    /// How many of them there are. Calls are spread over them, and each instance has one circuit for each. Default: 1.
    #[serde(default = "single", deserialize_with = "count")]
    pub targets: u32,
    /// How long an answer takes.
    pub latency: Latency,
    /// How many endpoints a target has. Then an endpoint always takes the same time, drawn once. Default: each call's
    /// time is drawn.
    #[serde(default, deserialize_with = "maybe_count")]
    pub endpoints: Option<u32>,
    /// The share that fails. Default: none.
    #[serde(default)]
    pub errors: Share,
    /// After which part of its time a call fails that does. Default: all of it.
    #[serde(default = "all")]
    pub errors_after: Share,
    /// How many calls a target works on at once. Others wait in its queue. Default: no limit.
    #[serde(default, deserialize_with = "maybe_count")]
    pub slots: Option<u32>,
    /// How many calls may wait. Others fail at once. Default: no limit but [`MOST_UNDER_WAY`](crate::MOST_UNDER_WAY).
    #[serde(default, deserialize_with = "maybe_count")]
    pub queue: Option<u32>,
    /// A call that has waited this long in the queue fails. Default: never.
    #[serde(default, deserialize_with = "maybe_time")]
    pub queue_timeout: Option<Duration>,
    /// How much longer an answer takes for each other call that is worked on. Default: no longer.
    #[serde(default, deserialize_with = "time")]
    pub per_call: Duration,
    /// How much longer an answer takes for each call in the queue: what waits fills the memory, too, and a garbage
    /// collector has more to do. Default: no longer.
    #[serde(default, deserialize_with = "time")]
    pub per_waiting: Duration,
    /// Whether a target stops working on a call whose caller is gone. Default: it does not know.
    #[serde(default)]
    pub cancels: bool,
    /// What callers look into first. Default: there is none.
    #[serde(default)]
    pub cache: Option<Cache>,
}

/// A part of the scenario. What it does not say is as in [`Callers`] and [`Dependency`].
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Phase {
    /// How long it lasts.
    #[serde(rename = "for", deserialize_with = "some_time")]
    pub lasts: Duration,
    /// The share that fails.
    #[serde(default)]
    pub errors: Option<Share>,
    /// Added to the time of each answer.
    #[serde(default, deserialize_with = "maybe_time")]
    pub slower_by: Option<Duration>,
    /// Whether nothing is answered at all. A call that hangs holds its slot until its caller gives it up, even if the
    /// dependency does not `cancel`: so it is if a server or a network is gone.
    #[serde(default)]
    pub hangs: bool,
    /// Calls a second.
    #[serde(default, deserialize_with = "maybe_rate")]
    pub rate: Option<f64>,
    /// How many calls a target works on at once.
    #[serde(default, deserialize_with = "maybe_count")]
    pub slots: Option<u32>,
    /// How much of the cache is gone when it begins, for one that has a [`cache`](Dependency::cache). An entry that
    /// goes with a share goes with each larger one, too, as if it were on a machine of its own.
    #[serde(default)]
    pub emptied: Option<Share>,
    /// Only the first so many targets are affected by `errors`, `slower_by`, `hangs`, `slots`. Default: all.
    #[serde(default, deserialize_with = "maybe_count")]
    pub targets: Option<u32>,
    /// Only this part of the calls (or endpoints) is affected by `errors`, `slower_by`, `hangs`. Default: all.
    #[serde(default = "all")]
    pub part: Share,
    /// Whether a trip in it is a false one. Default: if the phase changes nothing. Say `false` where the dependency may
    /// still be overloaded by what went before.
    #[serde(default)]
    pub healthy: Option<bool>,
}

impl Callers {
    /// How often a call is tried at most.
    pub(crate) fn most_tries(&self) -> u32 {
        self.retries.as_ref().map_or(1, |retries| retries.tries)
    }
}

impl Phase {
    /// Whether a trip in it is a false one.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        let changes = self.errors.is_some()
            || self.slower_by.is_some()
            || self.hangs
            || self.rate.is_some()
            || self.slots.is_some()
            || self.emptied.is_some();
        self.healthy.unwrap_or(!changes)
    }
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    ///
    /// If it is no TOML, has a key that there is not or a value out of its range: the error names the line. If it makes
    /// no sense as a whole: the error names the keys.
    pub fn from_toml(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text).map_err(ScenarioError::format)?;
        scenario.check()?;
        Ok(scenario)
    }

    /// How long it lasts.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.phases
            .iter()
            .fold(Duration::ZERO, |sum, phase| sum.saturating_add(phase.lasts))
    }

    /// How many steps end within it.
    fn steps(&self) -> u128 {
        self.length().as_nanos() / self.step.as_nanos().max(1)
    }

    /// How many circuits there are: one for each instance and target.
    pub(crate) fn circuits(&self) -> u64 {
        u64::from(self.instances) * u64::from(self.dependency.targets)
    }

    /// How many calls are to be expected, without repeated tries. In a closed loop it is how many come at most, as if
    /// all were answered at once. If these, times `tries`, are more than a billion, a scenario is refused.
    #[must_use]
    pub fn expected_calls(&self) -> f64 {
        if let Some(clients) = self.callers.clients {
            let pause = self.callers.pause.unwrap_or_default().max(SHORTEST_PAUSE);
            let each = self.length().as_secs_f64() / pause.as_secs_f64();
            return f64::from(clients) * (each + 1.0);
        }
        let of_phase = |phase: &Phase| {
            let rate = phase.rate.or(self.callers.rate).unwrap_or(0.0);
            rate * phase.lasts.as_secs_f64()
        };
        self.phases.iter().map(of_phase).sum()
    }

    /// When the first phase begins that is not healthy, and when the last one ends.
    #[must_use]
    pub fn outage(&self) -> Option<(Duration, Duration)> {
        let (mut begins, mut outage) = (Duration::ZERO, None);
        for phase in &self.phases {
            let ends = begins + phase.lasts;
            if !phase.is_healthy() {
                let (first, _) = outage.unwrap_or((begins, ends));
                outage = Some((first, ends));
            }
            begins = ends;
        }
        outage
    }
}

/// Between two calls of one client. A client that is rejected without a pause would call for ever in one instant.
pub(crate) const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

fn unnamed() -> String {
    "scenario".to_owned()
}

fn one() -> u64 {
    1
}

fn single() -> u32 {
    1
}

fn ten() -> u32 {
    10
}

fn unchanged() -> f64 {
    1.0
}

fn all() -> Share {
    Share::ALL
}

fn second() -> Duration {
    Duration::from_secs(1)
}
