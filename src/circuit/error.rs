//! Rejections, calls that took too long, and the error a protected call ends in.

use std::{error::Error, fmt, time::Duration};

use super::{
    name::Name,
    when_to_retry::{LazySource, WhenToRetry},
};
use crate::machine::{Cause, Mode, Nanos, PackedCause, Refusal};

/// In nanoseconds: when to come back where nobody knows better.
pub(super) const SECOND: Nanos = Nanos::new(1_000_000_000);

/// Why a call was rejected (rule C3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The circuit is open.
    Open,
    /// The circuit is half-open, and every probe that it may admit is in flight.
    #[doc(alias = "ErrTooManyRequests")]
    HalfOpenFull,
    /// A person forced the circuit open.
    #[doc(alias = "IsolatedCircuitException")]
    ForcedOpen,
    /// The circuit has just closed and admits a growing share of calls (a ramp, or slow start). This call is not among
    /// them.
    Ramping,
    /// The circuit is closed, and refuses a share of its calls because so many fail
    /// ([shedding](crate::CircuitBuilder::shed), rule B9). This call is one of those that it refuses.
    #[doc(alias = "ErrExceeded")]
    Shedding,
    /// All places of the [bulkhead](crate::CircuitBuilder::bulkhead) were taken, and none came free in time (rule M2).
    /// The circuit itself would have admitted the call.
    BulkheadFull,
}

impl Reason {
    /// With the time that remains; for ever where a person has to end it.
    pub(crate) fn of(refusal: Refusal) -> (Self, Nanos) {
        match refusal {
            Refusal::Open(left) => (Self::Open, left),
            // A seat may come at any moment.
            Refusal::Held(_) => (Self::Open, SECOND),
            // Not until the probes time out: they may be back at any moment.
            Refusal::HalfOpenFull(_) => (Self::HalfOpenFull, SECOND),
            Refusal::ForcedOpen(left) => (Self::ForcedOpen, left),
            Refusal::Ramping => (Self::Ramping, SECOND),
            Refusal::Shedding => (Self::Shedding, SECOND),
        }
    }
}

impl Reason {
    /// One word for machines, such as the label of a metric. It stays the same in every later release. For people there
    /// is [`Display`](fmt::Display). [All labels](crate::observe#labels).
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::HalfOpenFull => "half_open_full",
            Self::ForcedOpen => "forced_open",
            Self::Ramping => "ramping",
            Self::Shedding => "shedding",
            Self::BulkheadFull => "bulkhead_full",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Open => "open",
            Self::HalfOpenFull => "half-open and full",
            Self::ForcedOpen => "forced open",
            Self::Ramping => "ramping up",
            Self::Shedding => "shedding",
            Self::BulkheadFull => "full",
        })
    }
}

/// A call that was not made: the circuit rejected it, and the dependency was not touched (rule C3).
///
/// The response of a rejection carries one in its extensions: `response.extensions().get::<Rejected>()`. By that, outer
/// layers know that a breaker made the response (rule H3). A fallback's answer carries none, unless the fallback
/// [marks](Self::mark_response) it.
#[derive(Clone, PartialEq, Eq)]
#[doc(alias = "CallNotPermittedException")]
#[doc(alias = "BrokenCircuitException")]
#[doc(alias = "ErrOpenState")]
#[doc(alias = "CircuitBreakerError")]
#[doc(alias = "OpenCircuitError")]
pub struct Rejected {
    circuit: Name,
    remaining: Nanos,
    why: Why,
    source: LazySource,
}

/// The reason and the cause, in one word: a rejection makes the future of a call no larger.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Why(u64);

impl Why {
    /// The two bits for reasons are full. A full bulkhead and shedding have no cause: so each is a kind of cause that
    /// there is not.
    const BULKHEAD_FULL: Self = Self(PackedCause::RESERVED.bits());
    const SHEDDING: Self = Self(PackedCause::ALSO_RESERVED.bits());

    fn new(reason: Reason, cause: PackedCause) -> Self {
        match reason {
            Reason::BulkheadFull => Self::BULKHEAD_FULL,
            Reason::Shedding => Self::SHEDDING,
            reason => Self(cause.bits() | (reason as u64) << PackedCause::BITS),
        }
    }

    fn reason(self) -> Reason {
        match self {
            Self::BULKHEAD_FULL => return Reason::BulkheadFull,
            Self::SHEDDING => return Reason::Shedding,
            _ => {}
        }
        const REASONS: [Reason; 4] = [
            Reason::Open,
            Reason::HalfOpenFull,
            Reason::ForcedOpen,
            Reason::Ramping,
        ];
        REASONS[(self.0 >> PackedCause::BITS & 3) as usize]
    }

    fn cause(self) -> Option<Cause> {
        const MASK: u64 = (1 << PackedCause::BITS) - 1;
        PackedCause::from_bits(self.0 & MASK).cause()
    }
}

impl Rejected {
    #[inline]
    pub(crate) fn new(circuit: Name, reason: Reason, remaining: Nanos, cause: PackedCause) -> Self {
        Self {
            circuit,
            remaining,
            why: Why::new(reason, cause),
            source: LazySource::default(),
        }
    }

    /// The name of the circuit.
    #[must_use]
    pub fn circuit(&self) -> &str {
        &self.circuit
    }

    /// Why the call was rejected.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.why.reason()
    }

    /// Why the circuit opened: the cause of its newest trip, also while it is half-open and while it is ramping up
    /// (rule C3). For all numbers of that trip, see [`Snapshot::last_trip`](crate::Snapshot::last_trip).
    ///
    /// `None` if the circuit is forced open, or the cause is not known. The cause is not known
    ///
    /// * of a circuit that was [restored](crate::CircuitBuilder::restore);
    /// * if it ramps up after a veto ([`Cause::TripVetoed`]);
    /// * if the circuit is changing at this very moment.
    ///
    /// Larger numbers than 536,870,911 are told as that one. In the counts of a custom policy, the limit is 524,287.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.why.cause()
    }

    /// How long until it is worth trying again. That is the time until the wait is over, or until the circuit is no
    /// longer [forced open](crate::Circuit::force_open_for). It is a second while ramping, half-open, or if the
    /// bulkhead is full: those calls may be back at any moment. `None` if only a person can release the circuit.
    ///
    /// If the circuit [spreads](crate::CircuitBuilder::spread_retry_after) it, the time is longer, and differs from
    /// rejection to rejection.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        let is_endless = self.reason() == Reason::ForcedOpen && self.remaining == Nanos::FOREVER;
        (!is_endless).then(|| self.remaining.duration())
    }

    /// The rejection in `error`, or in what caused it, if there is one.
    ///
    /// It looks through boxes and wrappers, as far as they tell their source. A transparent wrapper tells the source of
    /// what it wraps as its own: `#[error(transparent)]` of thiserror, `reqwest_middleware::Error`, `io::Error::other`.
    /// This looks through those, too: what is found there is a copy.
    ///
    /// ```
    /// use tower_breaker::{Circuit, CircuitError, Rejected};
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let circuit = Circuit::builder("payments").build()?;
    /// circuit.force_open();
    /// let rejected = circuit.try_acquire().unwrap_err();
    /// let error: CircuitError<std::io::Error> = rejected.into();
    /// let error: Box<dyn std::error::Error + Send + Sync> = error.into();
    /// assert!(Rejected::find(&*error).is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(rejected) = error.downcast_ref::<Self>() {
                return Some(rejected);
            }
            if let Some(source) = error.downcast_ref::<WhenToRetry>() {
                return Some(source.rejected());
            }
            next = error.source();
        }
        None
    }
}

impl fmt::Debug for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected")
            .field("circuit", &self.circuit)
            .field("reason", &self.reason())
            .field("cause", &self.cause())
            .field("remaining", &self.remaining())
            .finish()
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "circuit `{}` is {}", self.circuit, self.reason())?;
        match self.cause() {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

/// Its source says when to come back, so a chain of errors tells it. By that source, [`find`](Rejected::find) also
/// finds the rejection behind transparent wrappers.
impl Error for Rejected {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.of(self))
    }
}

/// Whose limit a call ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitOf {
    /// The limit of every call: [`call_timeout`](crate::CircuitBuilder::call_timeout) (rule M5). The call has failed.
    Call,
    /// The limit of probes: [`probe_timeout`](crate::CircuitBuilder::probe_timeout) (rule D9). The probe has failed.
    Probe,
    /// The caller's own limit, which is shorter (rule M5). That says nothing about the dependency: the call was
    /// abandoned.
    Caller,
}

impl LimitOf {
    pub(crate) const ALL: [Self; 3] = [Self::Call, Self::Probe, Self::Caller];

    /// One word for machines, such as the label of a metric. It stays the same in every later release.
    /// [All labels](crate::observe#labels).
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Probe => "probe",
            Self::Caller => "caller",
        }
    }
}

/// A call took longer than it may, and was cut off (rules D9, M5). The limit was
/// [`call_timeout`](crate::CircuitBuilder::call_timeout), for a probe
/// [`probe_timeout`](crate::CircuitBuilder::probe_timeout), or how long its caller would wait. [`whose`](Self::whose)
/// says which.
///
/// **Watch out:** this is no [`Rejected`]. The dependency was called, and may have done what it was asked for. So it is
/// as safe to repeat the call as after any other timeout, and no safer.
///
/// ```
/// use tower_breaker::{CircuitError, Rejected};
///
/// # fn repeat() {}
/// fn retry(error: &CircuitError<std::io::Error>) {
///     // Wrong: a payment may be made twice.
///     if !matches!(error, CircuitError::Inner(_)) { repeat() }
///
///     // Right: only what was rejected was never asked for.
///     if error.rejected().is_some() { repeat() }
/// }
/// ```
///
/// A response that is made from it, such as the default 504, carries it in its extensions:
/// `response.extensions().get::<TimedOut>()`. To a circuit further out it is a failure, as any 504 is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(alias = "TimeoutRejectedException")]
pub struct TimedOut {
    circuit: Name,
    limit: Duration,
    whose: LimitOf,
}

impl TimedOut {
    pub(crate) fn new(circuit: Name, limit: Duration, whose: LimitOf) -> Self {
        Self {
            circuit,
            limit,
            whose,
        }
    }

    /// The name of the circuit.
    #[must_use]
    pub fn circuit(&self) -> &str {
        &self.circuit
    }

    /// How long the call was allowed to take.
    #[must_use]
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Whose limit that was.
    #[must_use]
    pub fn whose(&self) -> LimitOf {
        self.whose
    }
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            circuit,
            limit,
            whose,
        } = self;
        match whose {
            LimitOf::Call => write!(
                f,
                "a call of circuit `{circuit}` took longer than {limit:?}"
            ),
            LimitOf::Probe => write!(
                f,
                "circuit `{circuit}` was half-open, and its probe took longer than {limit:?}"
            ),
            LimitOf::Caller => write!(
                f,
                "a call of circuit `{circuit}` took longer than the {limit:?} its caller had left"
            ),
        }
    }
}

impl Error for TimedOut {}

/// What a protected call ends in if rejections are errors: a rejection, a time-out, or the inner service's own error.
///
/// `?` and `into()` make a boxed error of it, if the inner error is an [`Error`]. If the inner error is boxed already,
/// use [`into_boxed`](Self::into_boxed).
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(alias = "throw_new_error_on_trip")]
pub enum CircuitError<E> {
    /// The circuit rejected the call; the inner service was not called.
    Rejected(Rejected),
    /// The inner service was called, and did not answer in time. See [`TimedOut`].
    TimedOut(TimedOut),
    /// The inner service was called, and failed.
    Inner(E),
}

impl<E> CircuitError<E> {
    /// The rejection, if it was one.
    pub fn rejected(&self) -> Option<&Rejected> {
        match self {
            Self::Rejected(rejected) => Some(rejected),
            Self::TimedOut(_) | Self::Inner(_) => None,
        }
    }

    /// Makes a boxed error of it. For inner errors that are boxed already, and thus are not errors themselves.
    pub fn into_boxed(self) -> Box<dyn Error + Send + Sync>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        match self {
            Self::Rejected(rejected) => rejected.into(),
            Self::TimedOut(timed_out) => timed_out.into(),
            Self::Inner(error) => error.into(),
        }
    }

    /// The inner error, if it was one.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::Rejected(_) | Self::TimedOut(_) => None,
            Self::Inner(error) => Some(error),
        }
    }
}

impl<E> From<Rejected> for CircuitError<E> {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl<E> From<TimedOut> for CircuitError<E> {
    fn from(timed_out: TimedOut) -> Self {
        Self::TimedOut(timed_out)
    }
}

/// A rejection reads here as it reads by itself. So a log line that has only the message names the circuit and the
/// reason.
impl<E> fmt::Display for CircuitError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejected) => rejected.fmt(f),
            Self::TimedOut(timed_out) => {
                write!(f, "circuit `{}` cut the call off", timed_out.circuit)
            }
            Self::Inner(_) => f.write_str("the call failed"),
        }
    }
}

/// The source of a rejection is the source of the [`Rejected`] in it: its message is told already. To find the
/// rejection behind an error, ask [`Rejected::find`].
impl<E: Error + 'static> Error for CircuitError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Rejected(rejected) => rejected.source(),
            Self::TimedOut(timed_out) => Some(timed_out),
            Self::Inner(error) => Some(error),
        }
    }
}

/// A control operation that the circuit's mode does not allow (rule E2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlError {
    pub(crate) mode: Mode,
}

impl ControlError {
    /// The mode that does not allow it.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a circuit that is {} cannot be tripped", self.mode)
    }
}

impl Error for ControlError {}
