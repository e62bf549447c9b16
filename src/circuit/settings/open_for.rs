//! [`OpenFor`] and [`Jitter`]: how long a circuit stays open, as people say it (rule C2).

use std::{
    fmt::{self, Display},
    sync::Arc,
    time::Duration,
};

use super::{
    error::ConfigError,
    values::{Code, duration, millionths, share},
};
use crate::machine::{DEFAULT_OPEN_FOR, JitterKind, Numbers, OfAttempt, nanos};

/// The wait duration, here called a *break*: how long a circuit stays open before it admits a probe (rule C2).
///
/// The *attempt* counts opens in a row, from 1, until the circuit has stayed closed for as long as its last break. The
/// time is computed once, when the circuit opens, and kept for that break. Up to six decimal digits it is exact. Longer
/// numbers are rounded up by at most 10 parts per million.
///
/// ```
/// use std::time::Duration;
/// use tower_breaker::{Jitter, OpenFor};
///
/// // Always 5 seconds. A plain `Duration` is the same.
/// let constant = OpenFor::constant(Duration::from_secs(5));
///
/// // 1 s, 2 s, 4 s … at most a minute, each somewhere between half of it and all of it.
/// let growing = OpenFor::exponential(Duration::from_secs(1), 2.0, Duration::from_secs(60))
///     .jitter(Jitter::Equal);
///
/// // Whatever you say.
/// let own = OpenFor::from_fn(|attempt| Duration::from_secs(u64::from(attempt) * 10));
/// ```
#[derive(Clone)]
#[doc(alias = "waitIntervalFunctionInOpenState")]
pub struct OpenFor {
    first: Duration,
    factor: f64,
    max: Duration,
    jitter: Jitter,
    function: Option<OfAttempt>,
}

/// How open times are spread, so that many instances do not probe at the same instant.
///
/// Jitter is a pure function of the builder's `jitter_seed` and the era: the same history gives the same
/// times.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
#[doc(alias = "max_ejection_time_jitter")]
pub enum Jitter {
    /// The time as it is.
    #[default]
    None,
    /// Anything from nothing to the whole time.
    #[doc(alias = "full_jittered")]
    Full,
    /// Anything from half the time to the whole.
    #[doc(alias = "equal_jittered")]
    Equal,
    /// The time plus or minus up to this share of it, above 0 and at most 1. Never beyond the maximum of an exponential
    /// time.
    Fraction(f64),
}

impl OpenFor {
    /// Always the same time.
    #[must_use]
    pub fn constant(time: Duration) -> Self {
        Self {
            first: time,
            factor: 1.0,
            max: Duration::MAX,
            jitter: Jitter::None,
            function: None,
        }
    }

    /// `first`, then `factor` times longer with each attempt, but never longer than `max`, jitter included.
    ///
    /// `factor` must be at least 1 and `max` at least `first`. That is checked when the circuit is built.
    #[must_use]
    #[doc(alias = "max_ejection_time")]
    #[doc(alias = "exponential_backoff_error_timeout")]
    #[doc(alias = "exponential_backoff_initial_timeout")]
    #[doc(alias = "exponential_backoff_multiplier")]
    pub fn exponential(first: Duration, factor: f64, max: Duration) -> Self {
        Self {
            first,
            factor,
            max,
            jitter: Jitter::None,
            function: None,
        }
    }

    /// A time that depends on the attempt, which counts from 1.
    ///
    /// The call that opens the circuit calls the function, perhaps more than once. It should be quick: under an
    /// [`EjectionCap`](crate::EjectionCap) other calls leave the opening to that one. If it panics, the circuit opens
    /// for 30 seconds.
    #[must_use]
    #[doc(alias = "BreakDurationGenerator")]
    #[doc(alias = "open_wait_strategy")]
    pub fn from_fn(function: impl Fn(u32) -> Duration + Send + Sync + 'static) -> Self {
        Self {
            function: Some(Arc::new(function)),
            ..Self::constant(DEFAULT_OPEN_FOR)
        }
    }

    /// Spreads the times. Default: [`Jitter::None`].
    #[must_use]
    pub fn jitter(self, jitter: Jitter) -> Self {
        Self { jitter, ..self }
    }

    /// The open time of the first attempt, without jitter. If it [is a function](Self::is_function), 30 seconds: what
    /// holds if that panics.
    ///
    /// With this, [`factor`](Self::factor), [`max`](Self::max) and [`get_jitter`](Self::get_jitter), a change of a live
    /// circuit can be relative:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_breaker::{Circuit, ConfigError, Jitter, OpenFor};
    /// # fn main() -> Result<(), ConfigError> {
    /// # let growing = OpenFor::exponential(Duration::from_secs(8), 2.0, Duration::from_secs(60));
    /// # let circuit = Circuit::builder("payments").open_for(growing.jitter(Jitter::Equal)).build()?;
    /// // Half of each break; it grows as before, and is spread as before.
    /// circuit.reconfigure(|settings| {
    ///     let old = settings.open_for();
    ///     let half = OpenFor::exponential(old.first() / 2, old.factor(), old.max() / 2);
    ///     let half = half.jitter(old.get_jitter());
    ///     settings.set_open_for(half)
    /// })?;
    /// # let half = OpenFor::exponential(Duration::from_secs(4), 2.0, Duration::from_secs(30));
    /// # assert_eq!(circuit.settings().open_for(), &half.jitter(Jitter::Equal));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn first(&self) -> Duration {
        self.first
    }

    /// By how much the open time grows with each attempt. 1 if it is constant, or [a function](Self::is_function).
    #[must_use]
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// What no open time is longer than, jitter included. [`Duration::MAX`] if it is constant, or [a
    /// function](Self::is_function).
    #[must_use]
    pub fn max(&self) -> Duration {
        self.max
    }

    /// How the open times are spread. ([`jitter`](Self::jitter) sets it.)
    #[must_use]
    pub fn get_jitter(&self) -> Jitter {
        self.jitter
    }

    /// Whether it is a [function](Self::from_fn) of the attempt. That cannot be changed while the circuit lives, but
    /// its jitter can.
    #[must_use]
    pub fn is_function(&self) -> bool {
        self.function.is_some()
    }

    pub(crate) fn function(&self) -> Option<OfAttempt> {
        self.function.clone()
    }

    /// B8, and the numbers it stands for.
    pub(crate) fn write_to(&self, numbers: &mut Numbers) -> Result<(), ConfigError> {
        let positive = "a time above zero";
        ConfigError::unless(!self.first.is_zero(), "open_for", &self.first, positive)?;
        let growing = self.factor.is_finite() && self.factor >= 1.0;
        let allowed = "a finite number of at least 1";
        ConfigError::unless(growing, "open_for.factor", &self.factor, allowed)?;
        let ordered = self.max >= self.first;
        let allowed = "at least the first open time";
        ConfigError::unless(ordered, "open_for.max", &self.max, allowed)?;
        numbers.open_first = nanos(self.first);
        numbers.open_factor = self.factor;
        numbers.open_max = nanos(self.max);
        numbers.jitter = match self.jitter {
            Jitter::None => JitterKind::None,
            Jitter::Full => JitterKind::Full,
            Jitter::Equal => JitterKind::Equal,
            Jitter::Fraction(share) => JitterKind::Fraction(millionths("open_for.jitter", share)?),
        };
        Ok(())
    }

    /// What stands for these numbers, with the function of the circuit they are of.
    pub(crate) fn read_from(numbers: &Numbers, function: Option<OfAttempt>) -> Self {
        Self {
            first: duration(numbers.open_first),
            factor: numbers.open_factor,
            max: duration(numbers.open_max),
            jitter: match numbers.jitter {
                JitterKind::None => Jitter::None,
                JitterKind::Full => Jitter::Full,
                JitterKind::Equal => Jitter::Equal,
                JitterKind::Fraction(millionths) => Jitter::Fraction(share(millionths)),
            },
            function,
        }
    }

    /// Whether both are the same function of the attempt, or none is any.
    pub(crate) fn has_function_of(&self, other: &Self) -> bool {
        match (&self.function, &other.function) {
            (None, None) => true,
            (Some(this), Some(that)) => Arc::ptr_eq(this, that),
            _ => false,
        }
    }

    /// Puts the function of `live` in the place of its own, where both have one.
    #[cfg(feature = "config")]
    pub(super) fn take_function_of(&mut self, live: &Self) {
        if self.function.is_some() && live.function.is_some() {
            self.function.clone_from(&live.function);
        }
    }

    /// As one would write it.
    pub(super) fn write_code(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (
            &self.function,
            self.factor > 1.0 || self.max < Duration::MAX,
        ) {
            (Some(_), _) => f.write_str("OpenFor::from_fn(|attempt| …)")?,
            (None, true) => {
                let (first, max) = (Code(self.first), Code(self.max));
                write!(f, "OpenFor::exponential({first}, {:?}, {max})", self.factor)?;
            }
            (None, false) if self.jitter == Jitter::None => return Code(self.first).fmt(f),
            (None, false) => write!(f, "OpenFor::constant({})", Code(self.first))?,
        }
        match self.jitter {
            Jitter::None => Ok(()),
            jitter => write!(f, ".jitter(Jitter::{jitter:?})"),
        }
    }

    /// In few words, for a log.
    pub(super) fn write_words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.function, self.factor > 1.0) {
            (Some(_), _) => f.write_str("a function of the attempt")?,
            (None, false) => write!(f, "{:?}", self.first)?,
            (None, true) => write!(f, "{:?} times {:?}", self.first, self.factor)?,
        }
        if self.max < Duration::MAX {
            write!(f, " up to {:?}", self.max)?;
        }
        match self.jitter {
            Jitter::None => Ok(()),
            Jitter::Full => f.write_str(" with full jitter"),
            Jitter::Equal => f.write_str(" with equal jitter"),
            Jitter::Fraction(share) => write!(f, " with a jitter of {share:?}"),
        }
    }
}

/// 30 seconds.
impl Default for OpenFor {
    fn default() -> Self {
        Self::constant(DEFAULT_OPEN_FOR)
    }
}

/// Two functions of the attempt are the same if one is a clone of the other.
impl PartialEq for OpenFor {
    fn eq(&self, other: &Self) -> bool {
        self.has_function_of(other)
            && (self.first, self.max, self.jitter) == (other.first, other.max, other.jitter)
            && self.factor == other.factor
    }
}

impl From<Duration> for OpenFor {
    fn from(time: Duration) -> Self {
        Self::constant(time)
    }
}

impl fmt::Debug for OpenFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("OpenFor");
        if self.function.is_some() {
            out.field("function", &format_args!("_"));
        } else {
            out.field("first", &self.first);
            out.field("factor", &self.factor);
            if self.max < Duration::MAX {
                out.field("max", &self.max);
            }
        }
        out.field("jitter", &self.jitter).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Said = (Duration, f64, Duration, Jitter, bool);

    fn said(open_for: &OpenFor) -> Said {
        (
            open_for.first(),
            open_for.factor(),
            open_for.max(),
            open_for.get_jitter(),
            open_for.is_function(),
        )
    }

    // C2, E5
    #[test]
    fn an_open_time_tells_what_it_was_made_of() {
        let [short, long] = [2, 50].map(Duration::from_secs);
        let growing = OpenFor::exponential(short, 1.5, long).jitter(Jitter::Full);
        assert_eq!(said(&growing), (short, 1.5, long, Jitter::Full, false));
        let constant = (short, 1.0, Duration::MAX, Jitter::None, false);
        assert_eq!(said(&short.into()), constant);
        let function = OpenFor::from_fn(|_| Duration::ZERO).jitter(Jitter::Equal);
        let (first, max) = (DEFAULT_OPEN_FOR, Duration::MAX);
        assert_eq!(said(&function), (first, 1.0, max, Jitter::Equal, true));
    }
}
