//! [`RetryLimits`]: how often calls may be repeated.

use std::{fmt, time::Duration};

/// How often calls of a circuit may be repeated (rule M8). It does nothing by itself: the policy
/// `degrade::retries::Retries` keeps to it (feature `retries`).
///
/// ```
/// use std::time::Duration;
/// use tower_breaker::{Circuit, RetryLimits};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let circuit = Circuit::builder("reviews")
///     .retries(RetryLimits::new(2).share(0.1).max_wait(Duration::from_secs(1)))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
#[doc(alias = "max_retries")]
pub struct RetryLimits {
    /// How often one call is repeated, at most: 1 to 100. The first try does not count.
    pub at_most: u32,
    /// At most this share of the successful calls is repeated, in `0..=1`. Default: 0.1.
    pub share: f64,
    /// This many more may be repeated each second, so that some can be while there are few calls. Default: 1.
    pub per_second: u32,
    /// How long a call may wait in all before it is repeated. If it would have to wait for longer, it is not repeated.
    /// Default: 1 second.
    pub max_wait: Duration,
}

impl RetryLimits {
    /// At most this many repeats of a call, and the defaults for the rest.
    #[must_use]
    pub const fn new(at_most: u32) -> Self {
        Self {
            at_most,
            share: 0.1,
            per_second: 1,
            max_wait: Duration::from_secs(1),
        }
    }

    /// Sets [the share](Self::share).
    #[must_use]
    #[doc(alias = "retry_budget")]
    pub const fn share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// Sets [how many more each second](Self::per_second).
    #[must_use]
    pub const fn per_second(mut self, per_second: u32) -> Self {
        self.per_second = per_second;
        self
    }

    /// Sets [the longest wait](Self::max_wait).
    #[must_use]
    pub const fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = max_wait;
        self
    }
}

/// In few words, for a log.
impl fmt::Display for RetryLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at_most,
            share,
            per_second,
            max_wait,
        } = self;
        write!(
            f,
            "at most {at_most}, {share:?} of the calls and {per_second} a second, wait {max_wait:?}"
        )
    }
}
