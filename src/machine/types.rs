//! The words of the contract as types: states, modes, causes and counts.

use std::{fmt, time::Duration};

use super::era::Era;

/// What a circuit does with the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Calls are admitted, and their outcomes watched.
    Closed,
    /// Calls are rejected until the wait is over. The next call after that is a probe.
    Open,
    /// A few probes are admitted. Their outcomes decide whether to close or to open again.
    HalfOpen,
}

impl State {
    /// One word for machines, such as the label of a metric. It stays the same in every later release. For people there
    /// is [`Display`](fmt::Display). [All labels](crate::observe#labels).
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        })
    }
}

/// Who decides: the circuit or a person. A mode stays until a person changes it, or for as long as a person has said
/// (rule E1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The circuit decides.
    #[default]
    Normal,
    /// Every call is rejected. That ends when the circuit is released, or when the time is over for which it was forced
    /// open.
    ForcedOpen,
    /// Every call is admitted, and nothing is decided. Only the totals go on.
    #[doc(alias = "circuitBreaker.enabled")]
    #[doc(alias = "SEMIAN_DISABLED")]
    Disabled,
    /// Every call is admitted. The circuit decides, and reports what it would have done.
    #[doc(alias = "METRICS_ONLY")]
    #[doc(alias = "circuitBreaker.forceClosed")]
    #[doc(alias = "enforcing_consecutive_5xx")]
    Shadow,
}

impl Mode {
    /// One word for machines, such as the label of a metric. It stays the same in every later release. For people there
    /// is [`Display`](fmt::Display). [All labels](crate::observe#labels).
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::ForcedOpen => "forced_open",
            Self::Disabled => "disabled",
            Self::Shadow => "shadow",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Normal => "normal",
            Self::ForcedOpen => "forced open",
            Self::Disabled => "disabled",
            Self::Shadow => "shadow",
        })
    }
}

/// Why a transition happened (rule B6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// This many failures came in a row (B1).
    ConsecutiveFailures(u64),
    /// The share of failures in the window reached the threshold (B4).
    FailureRate {
        /// Failures in the window.
        failed: u64,
        /// All calls in the window.
        calls: u64,
    },
    /// The share of slow calls in the window reached the threshold (B4).
    SlowCallRate {
        /// Slow calls in the window.
        slow: u64,
        /// All calls in the window.
        calls: u64,
    },
    /// A custom policy returned `true` (B7).
    CustomPolicy(WindowCounts),
    /// The outcome of a call was to trip now (A7).
    TripNow,
    /// A person or a program tripped or changed the circuit, through the handle (E2).
    Manual,
    /// Too many probes failed (D2).
    ProbeFailed,
    /// The probes did not come back in time (D4).
    ProbesTimedOut,
    /// All probes were abandoned: none was answered for as long as half-open waits (D4).
    ProbesAbandoned,
    /// The circuit should have opened, but too many of its set are open already. It is closed and cleared instead (G7).
    /// Told once for each outage; [`Totals::vetoed`](crate::Totals::vetoed) counts them all.
    TripVetoed,
    /// The wait is over and a call came, which is a probe: open to half-open (C1). It says nothing about the dependency
    /// yet.
    WaitOver,
    /// Enough probes succeeded: half-open to closed (D2).
    Recovered,
    /// The time is over for which a person forced the circuit open. It is closed and cleared, in the mode before (E2).
    ForceExpired,
    /// The fleet that shares the circuit decided so (N3, N4, N6). The fleet opened it, closed it, or a person did
    /// something to the circuit on another instance.
    Shared,
    /// The circuit begins to refuse a share of its calls, by what its window holds (B9). It stays closed.
    ShedBegan(WindowCounts),
    /// Everything is admitted again: there has been nothing to shed for a second or more, or the window holds no older
    /// call (B9).
    ShedEnded,
}

impl Cause {
    /// One word for machines, such as the label of a metric, without the numbers. It stays the same in every later
    /// release. For people there is [`Display`](fmt::Display). [All labels](crate::observe#labels).
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::ConsecutiveFailures(_) => "consecutive_failures",
            Self::FailureRate { .. } => "failure_rate",
            Self::SlowCallRate { .. } => "slow_call_rate",
            Self::CustomPolicy(_) => "custom_policy",
            Self::TripNow => "trip_now",
            Self::Manual => "manual",
            Self::ProbeFailed => "probe_failed",
            Self::ProbesTimedOut => "probes_timed_out",
            Self::ProbesAbandoned => "probes_abandoned",
            Self::TripVetoed => "trip_vetoed",
            Self::WaitOver => "wait_over",
            Self::Recovered => "recovered",
            Self::ForceExpired => "force_expired",
            Self::Shared => "shared",
            Self::ShedBegan(_) => "shed_began",
            Self::ShedEnded => "shed_ended",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConsecutiveFailures(1) => f.write_str("1 failure"),
            Self::ConsecutiveFailures(n) => write!(f, "{n} consecutive failures"),
            Self::FailureRate { failed, calls } => write!(f, "{failed} of {calls} calls failed"),
            Self::SlowCallRate { slow, calls } => write!(f, "{slow} of {calls} calls were slow"),
            Self::CustomPolicy(_) => f.write_str("a custom policy"),
            Self::TripNow => f.write_str("a result that trips at once"),
            Self::Manual => f.write_str("by hand"),
            Self::ProbeFailed => f.write_str("a probe failed"),
            Self::ProbesTimedOut => f.write_str("the probes timed out"),
            Self::ProbesAbandoned => f.write_str("the probes were abandoned without an answer"),
            Self::TripVetoed => f.write_str("a trip was vetoed: too many circuits are open"),
            Self::WaitOver => f.write_str("the wait is over, the next call is a probe"),
            Self::Recovered => f.write_str("the probes succeeded"),
            Self::ForceExpired => f.write_str("the time is over for which it was forced open"),
            Self::Shared => f.write_str("the fleet has decided"),
            Self::ShedBegan(counts) => {
                write!(f, "{} of {} calls failed", counts.failed, counts.calls)?;
                match counts.slow {
                    0 => Ok(()),
                    slow => write!(f, ", {slow} were slow"),
                }
            }
            Self::ShedEnded => f.write_str("there is nothing to shed any more"),
        }
    }
}

/// One transition of one circuit, or one change of its mode.
///
/// `from` and `to` are the same state in four cases: only the mode changes, an open circuit is tripped again, a closed
/// one is reset, or a closed one begins to shed calls or stops.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// The state now.
    pub to: State,
    /// The mode before.
    pub mode_before: Mode,
    /// The mode now.
    pub mode: Mode,
    /// The number of the era that began (elsewhere: generation). It grows by one with every transition. A change
    /// between normal and shadow leaves it as it is, and so does shedding.
    pub era: u64,
    /// Why it happened.
    pub cause: Cause,
    /// What would have opened the circuit, if that was vetoed ([`Cause::TripVetoed`]). Otherwise `None`.
    pub vetoed: Option<Cause>,
    /// What the window held when the circuit left closed, would have left it but for a veto, or began to shed calls.
    /// For a rate, exactly the calls that decided. `None` for every other transition, and without a window.
    pub counts: Option<WindowCounts>,
    /// The setting that the cause reached, or the vetoed cause, as it was at that moment. `None` if the cause has no
    /// such setting.
    pub threshold: Option<Threshold>,
    /// The share of calls that the circuit refuses at first, from 0 to 1, if it begins to
    /// [shed](crate::CircuitBuilder::shed) calls (rule B9). It follows the window from then on. Otherwise 0.
    pub shed_share: f64,
    /// How many times in a row the circuit has opened, this time included; 0 in closed. The count ends once closed has
    /// lasted as long as the last break.
    pub attempt: u32,
    /// How long the circuit stays open, if it opened and a break ends it. In forced open: at most for how long, if that
    /// was said. Otherwise `None`.
    pub open_for: Option<Duration>,
}

impl Transition {
    /// Whether it began its era; a change between normal and shadow came into one, and so does shedding.
    pub(crate) fn begins_era(&self) -> bool {
        if self.is_of_shedding() {
            return false;
        }
        let decided = |mode| matches!(mode, Mode::Normal | Mode::Shadow);
        self.mode == self.mode_before || !decided(self.mode) || !decided(self.mode_before)
    }

    /// B9: whether a closed circuit begins to shed calls, or stops.
    pub(crate) fn is_of_shedding(&self) -> bool {
        matches!(self.cause, Cause::ShedBegan(_) | Cause::ShedEnded)
    }

    /// Whether its era is later than that one.
    pub(crate) fn is_later(&self, era: u64) -> bool {
        Era::new(self.era).is_later(Era::new(era))
    }

    /// Whether it is newer than `old`, in whatever order they are told.
    pub(crate) fn supersedes(&self, old: &Self) -> bool {
        self.is_later(old.era) || self.era == old.era && !self.begins_era()
    }
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.from, self.to)?;
        if self.mode != self.mode_before {
            write!(f, " ({} -> {})", self.mode_before, self.mode)?;
        }
        write!(f, ": {}", self.cause)?;
        match self.open_for {
            Some(open_for) => write!(f, ", open for {open_for:?}"),
            None => Ok(()),
        }
    }
}

/// The setting that the cause of a trip reached, as it was at that moment (rules B1, B4).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Threshold {
    /// So many failures in a row: [`consecutive_failures`](crate::CircuitBuilder::consecutive_failures).
    Failures(u64),
    /// A share in `0..=1`. For [`Cause::FailureRate`] it is [`failure_rate`](crate::CircuitBuilder::failure_rate), for
    /// [`Cause::SlowCallRate`] it is [`slow_call_rate`](crate::CircuitBuilder::slow_call_rate).
    Rate(f64),
}

impl Threshold {
    pub(super) fn rate(millionths: u64) -> Self {
        Self::Rate(of_millionths(millionths))
    }
}

/// What the window holds (rules B2 and B3).
///
/// Exact when no call is being recorded. Otherwise off by at most the number that is (F5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WindowCounts {
    /// All recorded calls in the window.
    pub calls: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Calls that were slow, whether they failed or not.
    pub slow: u64,
}

impl WindowCounts {
    /// The share of failures, in `0..=1`. `0` if the window is empty.
    #[must_use]
    pub fn failure_rate(&self) -> f64 {
        share(self.failed, self.calls)
    }

    /// The share of slow calls, in `0..=1`. `0` if the window is empty.
    #[must_use]
    pub fn slow_call_rate(&self) -> f64 {
        share(self.slow, self.calls)
    }
}

pub(super) fn of_millionths(millionths: u64) -> f64 {
    share(millionths, 1_000_000)
}

#[expect(clippy::cast_precision_loss, reason = "a window is far below 2^52")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}

/// What one call came to, as the classifier sees it (rule A1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The dependency did its work.
    Success,
    /// The dependency failed.
    Failure,
    /// The dependency failed, and asked to be left alone for so long. It never trips by itself. If it trips or reopens
    /// the circuit, the break is at least that long (A7).
    FailureRetryAfter(Duration),
    /// The dependency answered, but the answer says nothing about failures, such as a 404 (A2). While closed it is
    /// neutral, like [`Ignored`](Self::Ignored). For a probe it is proof of life: the probe has succeeded.
    Answered,
    /// Neutral: says nothing about the dependency (A2). A probe gives its permit back, and decides nothing.
    #[doc(alias = "ignoreException")]
    #[doc(alias = "ignoreExceptions")]
    #[doc(alias = "HystrixBadRequestException")]
    #[doc(alias = "IsExcluded")]
    Ignored,
    /// The dependency was not asked, because a circuit further in rejected the call (H3). It counts like
    /// [`Ignored`](Self::Ignored), and is never taken for an answer.
    InnerRejection,
    /// Opens the circuit at once, whatever the policy says (A7).
    TripNow,
    /// Opens the circuit at once, for so long (A7).
    #[doc(alias = "transitionOnResult")]
    TripFor(Duration),
    /// Not known before the end of the body (end of stream, *EOS*): its trailers say it (rules A1, H5). If bodies are
    /// not observed, it is a success. For an error, which has no body, it is a failure.
    RequiresEos,
}

#[cfg(feature = "registry")]
impl Outcome {
    /// Whether it says that the dependency has failed, with whatever else.
    pub(crate) fn is_failure(self) -> bool {
        matches!(
            self,
            Self::Failure | Self::FailureRetryAfter(_) | Self::TripNow | Self::TripFor(_)
        )
    }
}

/// Whether a response has come of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Its head, at least.
    Response,
    /// None: an error in its place, or nothing yet.
    None,
}

impl Answer {
    pub(crate) fn of<T, E>(result: &Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::Response,
            Err(_) => Self::None,
        }
    }

    /// What an outcome means where nobody observes a body (A1): an error has no end to wait for, and of a response
    /// nobody hears the end.
    pub(crate) fn settle(self, outcome: Outcome) -> Outcome {
        match (outcome, self) {
            (Outcome::RequiresEos, Self::Response) => Outcome::Success,
            (Outcome::RequiresEos, Self::None) => Outcome::Failure,
            (settled, _) => settled,
        }
    }
}

/// What a call counts as whose future was dropped before an outcome was known (rule A4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AbandonedPolicy {
    /// Always neutral. But half-open reopens if all its probes are abandoned for long enough (rule D4).
    Ignore,
    /// Always a failure.
    Failure,
    /// A slow failure if it had already run longer than `slow_call_duration`, else neutral. For a probe,
    /// `half_open_timeout` takes its place if no `slow_call_duration` is set.
    #[default]
    FailureIfSlow,
    /// A failure if it had already run for at least this time without an answer, else neutral. Above zero. For a
    /// timeout *around* the breaker: calls are timed, and none is called slow because of it.
    ///
    /// Set it shorter than the timeout: the circuit's time begins a little later, when the call is admitted.
    FailureAfter(Duration),
}

/// The probes of a half-open circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbeCounts {
    /// Probes that are admitted and not finished.
    pub in_flight: u64,
    /// How many may be in flight at once (permitted calls in half-open).
    pub permits: u64,
    /// Successes still needed to close.
    pub successes_needed: u64,
    /// Failures that are still allowed before the circuit reopens.
    pub failures_allowed: u64,
}
