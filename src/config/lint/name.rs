//! [`LintName`]: what each lint is called.

use std::fmt;

/// Defines the names from one list.
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $label:literal,)+) => {
        /// The name of a [`Lint`](super::Lint), by which it can be silenced.
        ///
        /// Its `Display` is its [`label`](Self::label).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum LintName {
            $($(#[$doc])* #[doc = concat!("\n\nIts label is `", $label, "`.")] $name,)+
        }

        impl LintName {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The name as it is written in a file.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)+
                }
            }
        }
    };
}

names! {
    /// A time window holds fewer calls than `minimum_calls`, so its rates never count.
    WindowNeverFills = "window-never-fills",
    /// So many failures in a row come about by chance.
    TripsOnBackgroundErrors = "trips-on-background-errors",
    /// So high a share of failures in the window comes about by chance, or always.
    FailureRateNearBackgroundErrors = "failure-rate-near-background-errors",
    /// A single failure is a share that trips.
    OneFailureTrips = "one-failure-trips",
    /// The circuit opens before it has shed half of its calls.
    OpensSoonAfterShedding = "opens-soon-after-shedding",
    /// The circuit probes while calls from before the trip still wait.
    OpenForBelowTimeout = "open-for-below-timeout",
    /// Callers give up, or calls are cut off, before a call is slow.
    SlowCallsNeverSeen = "slow-calls-never-seen",
    /// Calls may be slow, and none of them trips the circuit.
    SlowCallsNeverTrip = "slow-calls-never-trip",
    /// Calls that callers give up count for nothing. So a dependency that hangs never trips the circuit.
    TimeoutsNotCounted = "timeouts-not-counted",
    /// Most calls are slow.
    CallsAlwaysSlow = "calls-always-slow",
    /// Calls are cut off before they can succeed.
    CallsAlwaysTimeOut = "calls-always-time-out",
    /// Probes are cut off before they can succeed.
    ProbesAlwaysTimeOut = "probes-always-time-out",
    /// Probes are given up before they are cut off.
    ProbeTimeoutNeverReached = "probe-timeout-never-reached",
    /// While a dependency is down, its probes hold much of what the caller can have in flight.
    ProbesCostCapacity = "probes-cost-capacity",
    /// Calls that hang hold the places of the bulkhead for as long as their callers wait.
    BulkheadWithoutLimit = "bulkhead-without-limit",
    /// There are more calls at once than the bulkhead has places, while all is well.
    BulkheadAlwaysFull = "bulkhead-always-full",
    /// Callers give up before a call is repeated.
    RetriesWaitTooLong = "retries-wait-too-long",
    /// A single instance can open the circuit of all.
    OneOpensAll = "one-opens-all",
    /// A circuit is shared, and the file has no fleet.
    NoFleet = "no-fleet",
    /// Circuits are shared whose names nobody has chosen.
    StrangersShared = "strangers-shared",
    /// A pattern matches the name of no circuit.
    PatternMatchesNothing = "pattern-matches-nothing",
    /// A cap is for no circuit.
    CapMatchesNothing = "cap-matches-nothing",
    /// The name of a circuit looks like a pattern, and is none.
    StarInName = "star-in-name",
    /// A circuit that is named never had a call, and others had.
    NeverCalled = "never-called",
    /// There is hardly room for more circuits.
    MaxCircuitsNearlyReached = "max-circuits-nearly-reached",
}

/// The labels of all.
pub(in crate::config) const LINTS: [&str; LintName::ALL.len()] = {
    let mut labels = [""; LintName::ALL.len()];
    let mut at = 0;
    while at < labels.len() {
        labels[at] = LintName::ALL[at].label();
        at += 1;
    }
    labels
};

impl LintName {
    pub(super) fn from_label(label: &str) -> Option<Self> {
        let mut all = Self::ALL.iter();
        all.find(|name| name.label() == label).copied()
    }
}

impl fmt::Display for LintName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}
