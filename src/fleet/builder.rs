//! [`FleetBuilder`]: what a fleet is made by.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    fleet::{Common, Fleet},
    pace::Pace,
};
use crate::circuit::{
    clock::{CircuitClock, Clock},
    name::Name,
    settings::ConfigError,
};

/// How long a namespace and a scope may be.
const LONGEST_PART: usize = 64;

const MOST_SHARDS: u32 = 256;

/// A day is no time in which a circuit is shared.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

const SHORTEST_WAIT: Duration = Duration::from_millis(10);

/// Builds a [`Fleet`]. All instances that share circuits need the same namespace, scope and number of shards.
#[derive(Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct FleetBuilder {
    namespace: Name,
    scope: Name,
    shards: u32,
    pace: Pace,
    label: Option<Name>,
    clock: Option<Arc<dyn Clock>>,
    seed: Option<u64>,
}

impl FleetBuilder {
    pub(super) fn new(namespace: Name) -> Self {
        Self {
            namespace,
            scope: "".into(),
            shards: 1,
            pace: Pace::default(),
            label: None,
            clock: None,
            seed: None,
        }
    }

    /// Sets what fails together, such as a zone. Instances of different scopes share nothing. Letters, digits, `_`, `.`
    /// and `-`, at most 64.
    ///
    /// Default: none, so that all instances of the namespace share their circuits.
    pub fn scope(mut self, scope: impl Into<Name>) -> Self {
        self.scope = scope.into();
        self
    }

    /// Sets over how many parts of the store the circuits are spread: 1 to 256. It is worth it beyond some thousands of
    /// circuits, or with a cluster.
    ///
    /// Default: 1.
    pub fn shards(mut self, shards: u32) -> Self {
        self.shards = shards;
        self
    }

    /// Sets how soon news is told to the store, give or take a fifth. What is no news is told less often.
    ///
    /// Default: 100 ms.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.pace.interval = interval;
        self
    }

    /// Sets how soon a decision of others is seen, if the store gives no hint.
    ///
    /// Default: a second.
    pub fn poll(mut self, poll: Duration) -> Self {
        self.pace.poll = poll;
        self
    }

    /// Sets how long after the store was last heard each circuit goes on alone (rule N7). It must be at least twice the
    /// [`poll`](Self::poll) and four [intervals](Self::interval). Otherwise one lost answer would be an outage.
    ///
    /// Default: 3 seconds.
    pub fn detach_after(mut self, time: Duration) -> Self {
        self.pace.detach_after = time;
        self
    }

    /// Sets about how many reports a second a shard of the store is to get from all instances together. If there are
    /// many instances, each reports less often.
    ///
    /// Default: 10,000.
    pub fn budget(mut self, reports: u32) -> Self {
        self.pace.budget = reports;
        self
    }

    /// Sets what this instance is called, for people, such as the name of its host. It is shown if somebody does
    /// something to the fleet and does not say who that is. At most 64 bytes of it are kept.
    ///
    /// Default: it has no name.
    pub fn label(mut self, label: impl Into<Name>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Takes the time from this clock. Give the circuits the same one.
    ///
    /// The future of [`run`](Fleet::run) still wakes by tokio's clock.
    ///
    /// Default: tokio's clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Sets the seed of the random numbers by which instances spread what they do over time. For tests.
    ///
    /// Default: another seed each time.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Builds the fleet. It does nothing until you spawn [its future](Fleet::run).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for the first setting that makes no sense, and for a [clock](Self::clock) that panics.
    pub fn build(self) -> Result<Fleet, ConfigError> {
        check_part("namespace", &self.namespace, 1)?;
        check_part("scope", &self.scope, 0)?;
        let some = (1..=MOST_SHARDS).contains(&self.shards);
        ConfigError::unless(some, "shards", &self.shards, "1 to 256")?;
        check_pace(&self.pace)?;
        let clock = match self.clock {
            None => CircuitClock::tokio(),
            Some(clock) => CircuitClock::custom(clock).ok_or_else(|| {
                let panics = format_args!("one that panics");
                ConfigError::new("clock", panics, "one that does not panic")
            })?,
        };
        let place = format!("tb1:{}:{}", self.namespace, self.scope);
        let parts = (place.into(), self.shards);
        let common = Common::new(parts, self.pace, self.label, clock, self.seed);
        Ok(Fleet::new(common))
    }
}

fn check_part(field: &'static str, part: &Name, least: usize) -> Result<(), ConfigError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let valid = (least..=LONGEST_PART).contains(&part.len()) && part.bytes().all(is_plain);
    let allowed = format!(
        "{least} to {LONGEST_PART} of the letters a to z and A to Z, digits, `_`, `.` and `-`"
    );
    ConfigError::unless(valid, field, &part.as_str(), &allowed)
}

fn check_pace(pace: &Pace) -> Result<(), ConfigError> {
    for (field, time) in [
        ("interval", pace.interval),
        ("poll", pace.poll),
        ("detach_after", pace.detach_after),
    ] {
        let valid = (SHORTEST_WAIT..=LONGEST_WAIT).contains(&time);
        ConfigError::unless(valid, field, &time, "10 ms to an hour")?;
    }
    for (least, allowed, because) in [
        (pace.poll * 2, "at least twice `poll`", "poll"),
        (
            pace.interval * 4,
            "at least four times `interval`",
            "interval",
        ),
    ] {
        if pace.detach_after < least {
            let error = ConfigError::new("detach_after", pace.detach_after, allowed);
            return Err(error.blaming(because));
        }
    }
    ConfigError::unless(pace.budget > 0, "budget", &pace.budget, "at least 1")
}

impl fmt::Debug for FleetBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FleetBuilder")
            .field("namespace", &self.namespace)
            .field("scope", &self.scope)
            .field("shards", &self.shards)
            .field("pace", &self.pace)
            .finish_non_exhaustive()
    }
}
