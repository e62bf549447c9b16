//! Lints: settings that are valid, but do something else than was meant.
//!
//! A configuration that is [read](Config::read) makes sense. It may still never trip, or trip every few minutes while
//! nothing is wrong. [`Config::lints`] says so, with numbers: from the file alone, or with what is known of the calls
//! ([`Traffic`]). Lints are warnings. Nothing is refused for them.
//!
//! ```
//! use std::time::Duration;
//! use tower_breaker::config::{Config, lint::{Calls, Traffic}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let file = r#"{
//!     "circuits": {
//!         "payments": { "consecutive_failures": 3 },
//!         "search": { "time_window": "10s", "allow": ["window-never-fills"] },
//!         "refunds": { "probe_timeout": "1m" }
//!     }
//! }"#;
//! let config = Config::read(&mut serde_json::Deserializer::from_str(file))?;
//!
//! // From the file alone …
//! let lints = config.lints(&Traffic::unknown());
//! assert_eq!(
//!     lints[0].to_string(),
//!     "circuits.refunds.probe_timeout: probes are cut off after 1m, and half-open gives up on them after 30s; \
//!      take at most 30s [probe-timeout-never-reached]",
//! );
//!
//! // … and with what is known of the calls. What `search` allows is not reported.
//! let traffic = Traffic::unknown()
//!     .circuit("payments", Calls::unknown().with_background_errors(0.05).with_per_second(2.0))
//!     .circuit("search", Calls::unknown().with_per_second(0.1));
//! let lints = config.lints(&traffic);
//! assert_eq!(
//!     lints[0].message(),
//!     "3 failures in a row trip it every 8,420 calls, 20.4 times a day at 2 calls a second, \
//!      if 5 % of calls fail while all is well",
//! );
//! assert_eq!(lints[0].hint(), "take at least 5, or a `failure_rate` in their place");
//! assert_eq!(lints.len(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! What circuits have counted is traffic, too: [`Traffic::of`] a registry, or [`between`](Traffic::between) two looks
//! at it. If there is no file, ask the settings of a circuit: [`Settings::lints`]. [`Lint::locate`] gives the line and
//! the column.
//!
//! # What is reported
//!
//! | name | of | is reported if | and what is known is |
//! |---|---|---|---|
//! | `window-never-fills` | `time_window` | it holds fewer calls than `minimum_calls`, on average | calls a second |
//! | `trips-on-background-errors` | `consecutive_failures` | so many in a row come about by chance more than once a day; or within a million calls, where calls a second are not known | background errors |
//! | `failure-rate-near-background-errors` | `failure_rate` | it is not above the background errors; or the window reaches it by chance more than once a day, or within a million calls | background errors; calls a second, for a time window |
//! | `one-failure-trips` | `failure_rate` | one failure of `minimum_calls` reaches it, and background errors are not known | nothing |
//! | `opens-soon-after-shedding` | `shed` | the `failure_rate` opens the circuit before it has shed half of its calls | nothing |
//! | `open-for-below-timeout` | `open_for` | breaks are shorter than calls can hang, so that probes go out while calls from before the trip still do | caller's time-out, or there is a `call_timeout` |
//! | `slow-calls-never-seen` | `slow_call_duration` | callers give up before it, or calls are cut off by then | caller's time-out, or there is a `call_timeout` |
//! | `slow-calls-never-trip` | `slow_call_duration` | there is no `slow_call_rate`, and nobody is known to give slow calls up, which would be failures | nothing |
//! | `timeouts-not-counted` | `abandoned` | callers give up before their calls count as failures (rule [A4](crate::guide::contract)) | caller's time-out |
//! | `calls-always-slow` | `slow_call_duration` | most calls take longer, and there is a `slow_call_rate` | duration |
//! | `calls-always-time-out` | `call_timeout` | most calls take longer | duration |
//! | `probes-always-time-out` | `probe_timeout` | most calls take longer | duration |
//! | `probe-timeout-never-reached` | `probe_timeout` | half-open, or the caller, gives up before it, or the `call_timeout` is shorter | nothing; caller's time-out |
//! | `probes-cost-capacity` | `open_for` | probes of a dependency that hangs hold more than 10 % of what the caller can have in flight; or those of all circuits together more than 50 % | capacity; caller's time-out, or there is a `probe_timeout` or `call_timeout` |
//! | `bulkhead-without-limit` | `bulkhead` | there is no `call_timeout`, and callers are not known to give up: calls that hang keep their places, and when they have all, not even a probe gets one | nothing |
//! | `bulkhead-always-full` | `bulkhead` | it has no more places than there are calls at once, on average | calls a second, and duration |
//! | `retries-wait-too-long` | `retries` | callers give up before a call has waited for `max_wait` | caller's time-out |
//! | `one-opens-all` | `shared` | `instances` is 1, so that a single bad instance opens the circuit of all | nothing |
//! | `no-fleet` | `shared` | it is on, and the file has no `fleet`; allow it where code has made one | nothing |
//! | `strangers-shared` | `shared` in `defaults` or in a pattern | circuits that are made by use are shared, and their names become keys of the store | nothing |
//! | `pattern-matches-nothing` | `matching.….names` | no circuit of the file and none that is known is called so, and there are some | names |
//! | `cap-matches-nothing` | `caps.…` | no circuit of the file and none that is known is called so, or has such tags by the file | names |
//! | `star-in-name` | `circuits.…` | there is a `*` in the name, as if it were a pattern | nothing |
//! | `never-called` | `circuits.…` | it never had a call, and others had | [totals](crate::CircuitBuilder::totals) of a registry |
//! | `max-circuits-nearly-reached` | `max_circuits` | less than a tenth of it is free, beside the circuits of the file and those that are known | nothing; names |
//!
//! If breaks (wait durations) [grow](crate::OpenFor::exponential), the longest are meant.
//!
//! # To silence one
//!
//! `allow = ["trips-on-background-errors"]` in a block silences that lint for the circuits that the block is for. At
//! the top level of the file, it does so for all that is in it. What several blocks allow adds up. A name that is not
//! known is an error, like any other word that is not known.
//!
//! # Where the numbers are from
//!
//! Calls are taken to fail independently of one another, with the same chance p.
//!
//! *k failures in a row* come about every (1 − pᵏ) / (pᵏ (1 − p)) calls on average. Let E(k) be that number. After
//! k − 1 in a row there is one more call: it fails, or all begins anew. So E(k) = E(k − 1) + 1 + (1 − p) E(k), and with
//! E(0) = 0 that is the sum 1/p + 1/p² + … + 1/pᵏ. For three at 5 %, it is 8,420. Where they have to
//! [span a time](crate::CircuitBuilder::consecutive_failures_span), k is as many as come in that time, if that is more.
//!
//! *m failures in a window of n calls* come about every 1 / (p (1 − p) P\[Bin(n − 1, p) = m − 1\]) calls. For that,
//! this call fails, the one that leaves the window for it had not, and of the n − 1 in between m − 1 have. In
//! simulations it takes up to 1.4 times as many. To look at full windows one by one, P\[Bin(n, p) ≥ m\], would be wrong
//! by a factor of up to ten, because a window slides.
//!
//! *How often a day* counts the first break after each trip.
//!
//! *What probes hold* of a capacity of w calls is probes · t / (w · (`open_for` + rounds · t)). Here t is how long a
//! probe takes that has no answer. Probes go out in rounds of `permits` until too many have failed to close. For one
//! probe and one thread that is Semian's utilisation, T<sub>half-open</sub> / (T<sub>half-open</sub> +
//! T<sub>open</sub>). Of all circuits together, it is the sum.
//!
//! # Watch out
//!
//! * Real failures come in groups. So a circuit may trip more often than is reported here, and also where nothing is
//!   reported.
//! * The caller's time-out is the one *around* the breaker. One that is inside brings an error in time, which is a
//!   failure like any other: leave it out here.
//! * Failures of an outage are not background errors. `Traffic` takes no share of failures from a circuit that has
//!   opened. If you take yours from a dashboard, take it from a quiet day, and as a share:
//!
//! ```
//! # use tower_breaker::config::lint::Calls;
//! // Wrong: panics, because this is 500 %.
//! # std::panic::catch_unwind(|| {
//! let calls = Calls::unknown().with_background_errors(5.0);
//! # }).unwrap_err();
//!
//! // Right: 5 %.
//! let calls = Calls::unknown().with_background_errors(0.05);
//! ```
//!
//! * The file is looked at, not what [code](Config::registry) adds to it. The settings of a live circuit have both.

mod allow;
mod chances;
mod checks;
mod linter;
mod name;
mod traffic;
mod words;

use std::fmt;

pub(super) use self::allow::Allowed;
#[cfg(test)]
pub(super) use self::name::LINTS;
use self::{checks::Finding, linter::Linter};
pub use self::{
    name::LintName,
    traffic::{Calls, Traffic},
};
use super::{Config, read::join};
use crate::circuit::settings::Settings;

/// A setting that is valid, but does something else than was meant. A warning, never an error.
///
/// It prints as one line: where, what, what to do, and the name by which it can be silenced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lint {
    name: LintName,
    subject: Subject,
    path: String,
    message: String,
    hint: String,
}

/// What a [`Lint`] is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subject {
    /// Circuits that have only the defaults.
    Defaults,
    /// Circuits whose name matches this pattern, and that have no block of their own.
    Pattern(String),
    /// The circuit of this name: one of the file, or one that the [`Traffic`] knows.
    Circuit(String),
    /// All circuits together.
    Registry,
    /// The settings that were asked.
    Settings,
}

impl Lint {
    /// The lint's name, by which it can be silenced.
    #[must_use]
    pub fn name(&self) -> LintName {
        self.name
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Where the setting is: the keys that lead there, with dots between. A setting that is nowhere would be in
    /// `defaults`. For [`Settings`], it is the key alone.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is the matter, as one sentence with the numbers.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.hint
    }

    fn of(finding: Finding, subject: Subject, path: String) -> Self {
        Self {
            name: finding.name,
            subject,
            path,
            message: finding.message,
            hint: finding.hint,
        }
    }

    /// The block that its subject has in the file, where its path does not say whom it is about.
    fn is_elsewhere(&self) -> bool {
        let Subject::Circuit(name) = &self.subject else {
            return false;
        };
        let block = join("circuits", name);
        let within = self.path.strip_prefix(&block);
        !within.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            subject,
            path,
            message,
            hint,
        } = self;
        write!(f, "{path}: ")?;
        if let (Subject::Circuit(circuit), true) = (subject, self.is_elsewhere()) {
            write!(f, "circuit `{}`: ", circuit.escape_debug())?;
        }
        write!(f, "{message}; {hint} [{name}]")
    }
}

impl Settings {
    /// Reports what these settings do that was hardly meant, with what is known of the calls. See [the module](self).
    ///
    /// Lints about files and registries are not reported: those of [`Config::lints`] are. None is silenced.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_breaker::{Circuit, config::lint::{Calls, LintName}};
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let circuit = Circuit::builder("payments").slow_call_duration(Duration::from_secs(5)).build()?;
    /// let calls = Calls::unknown().with_caller_timeout(Duration::from_secs(2));
    /// let lints = circuit.settings().lints(&calls);
    /// assert_eq!(lints[0].name(), LintName::SlowCallsNeverSeen);
    /// assert_eq!(
    ///     lints[0].message(),
    ///     "callers give up after 2s, and calls are slow after 5s: none is ever slow, \
    ///      and what they give up counts for nothing",
    /// );
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn lints(&self, calls: &Calls) -> Vec<Lint> {
        let found = checks::check(self, calls).into_iter();
        let lint = |found: Finding| {
            let path = found.key.to_owned();
            Lint::of(found, Subject::Settings, path)
        };
        found.map(lint).collect()
    }
}

impl Config {
    /// Reports what is valid in this configuration, but does something else than was meant. See [the module](self).
    ///
    /// The order is: the defaults, patterns, circuits as in the file, other circuits that the `traffic` knows, and all
    /// together. What is the same for several circuits is reported once. What is set [in code](Self::registry) is not
    /// looked at.
    #[must_use]
    pub fn lints(&self, traffic: &Traffic) -> Vec<Lint> {
        Linter::new(self, traffic).lints()
    }
}
