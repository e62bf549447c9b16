//! [`CircuitBuilder`]: what a circuit is built from.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    panic::Location,
    sync::Arc,
    time::Duration,
};

#[cfg(feature = "registry")]
use super::events::Above;
use super::{
    call_event::CallEvent,
    clock::{CircuitClock, Clock},
    ejection::EjectionCap,
    event::Event,
    followed::{Follower, Joins},
    handle::{Circuit, Label},
    name::Name,
    observe::{Listeners, Observers},
    settings::{
        Agreement, ConfigError, CustomPolicy, FailureRate, MAX_PROBES, OpenFor, RetryLimits,
        Settings, SettingsChange,
    },
    tags::Tags,
};
use crate::machine::{
    AbandonedPolicy, Core, CoreParts, Mode, Plan, SavedState, Transition, WindowCounts,
};

/// Builds a [`Circuit`]. Every setting has a default. [`build`](Self::build) refuses values that make no sense (rule
/// B8).
///
/// By default, the circuit trips when half of the last 100 calls have failed, once there have been 20. If you set a
/// policy of your own for failures, the default does not apply. You can combine policies: the first that holds trips
/// the circuit (B5).
///
/// How to choose the numbers: [which settings?](crate::guide::settings). What other circuit breakers call them:
/// [coming from …](crate::guide::coming_from).
///
/// ```
/// use std::time::Duration;
/// use tower_breaker::{Circuit, Jitter, OpenFor};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let circuit = Circuit::builder("payments")
///     // 5 failures in a row, or 30 % of the last minute …
///     .consecutive_failures(5)
///     .time_window(Duration::from_secs(60))
///     .failure_rate(0.3)
///     .minimum_calls(50)
///     // … or half of it slower than 800 ms.
///     .slow_call_duration(Duration::from_millis(800))
///     .slow_call_rate(0.5)
///     // Breaks of 1, 2, 4 … at most 60 s, spread a little.
///     .open_for(
///         OpenFor::exponential(Duration::from_secs(1), 2.0, Duration::from_secs(60))
///             .jitter(Jitter::Fraction(0.2)),
///     )
///     // 2 of 3 probes must succeed, at most 3 at a time; then grow back over 10 s.
///     .probes(2, 3)
///     .permits(3)
///     .ramp(Duration::from_secs(10), 0.1)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until it is built"]
#[doc(alias = "or_else")]
pub struct CircuitBuilder {
    name: Name,
    settings: Settings,
    rate: FailureRate,
    /// Unless [`probes`](Self::probes) was said last.
    success_threshold: Option<u32>,
    mode: Option<Mode>,
    restored: Option<SavedState>,
    clock: Option<Arc<dyn Clock>>,
    listeners: Listeners,
    cap: Option<EjectionCap>,
    tags: Tags,
    fleet: Option<Arc<dyn Joins>>,
}

impl CircuitBuilder {
    pub(crate) fn new(name: Name) -> Self {
        Self {
            name,
            settings: Settings::unsaid(),
            rate: FailureRate::Unsaid,
            success_threshold: None,
            mode: None,
            restored: None,
            clock: None,
            listeners: Listeners::default(),
            cap: None,
            tags: Tags::default(),
            fleet: None,
        }
    }

    /// Takes over all `settings`, in place of those set so far. A setting that you set afterwards replaces that one
    /// setting, and no other. These are not settings, and stay as they are: the name, the tags, the clock, the mode, a
    /// restored state, listeners and an ejection cap.
    ///
    /// ```
    /// # use tower_breaker::Circuit;
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// # let payments = Circuit::builder("payments").build()?;
    /// let refunds = Circuit::builder("refunds").settings(&payments.settings()).minimum_calls(5).build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// **Watch out:** the settings of a circuit have every default filled in, and all of these come along. If they do
    /// not go with what you change, change the settings first:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_breaker::Circuit;
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// # let payments = Circuit::builder("payments").build()?;
    /// # let minute = Duration::from_secs(60);
    /// let refunds = || Circuit::builder("refunds").settings(&payments.settings());
    ///
    /// // Wrong: two windows, which is refused.
    /// assert_eq!(refunds().time_window(minute).build().unwrap_err().field(), "time_window");
    /// // Wrong: the minimum of 20 calls came along, and is more than the window holds. Refused.
    /// assert_eq!(refunds().count_window(10).build().unwrap_err().field(), "minimum_calls");
    /// // Wrong: the rate came along, and goes on to trip.
    /// assert_eq!(refunds().consecutive_failures(5).build()?.settings().failure_rate(), Some(0.5));
    ///
    /// // Right.
    /// let mut settings = payments.settings();
    /// settings.set_count_window(None).set_minimum_calls(None).set_time_window(minute);
    /// Circuit::builder("refunds").settings(&settings).build()?;
    ///
    /// let mut settings = payments.settings();
    /// settings.set_minimum_calls(None).set_count_window(10);
    /// Circuit::builder("refunds").settings(&settings).build()?;
    ///
    /// let mut settings = payments.settings();
    /// settings.set_count_window(None).set_minimum_calls(None).set_failure_rate(None).set_consecutive_failures(5);
    /// Circuit::builder("refunds").settings(&settings).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn settings(mut self, settings: &Settings) -> Self {
        self.settings = settings.clone();
        self.rate = FailureRate::Said;
        self.success_threshold = None;
        self
    }

    /// Trips when this many calls in a row have failed (rule B1). A success starts the count again. 1 to 4,194,303.
    ///
    /// Default: not watched.
    #[doc(alias = "failure_threshold")]
    #[doc(alias = "max_failures")]
    #[doc(alias = "ConsecutiveFailures")]
    #[doc(alias = "consecutive_5xx")]
    #[doc(alias = "fail_max")]
    pub fn consecutive_failures(mut self, n: u32) -> Self {
        self.settings.set_consecutive_failures(n);
        self
    }

    /// The [`consecutive_failures`](Self::consecutive_failures) must also span at least this time, from the first to
    /// the last. The circuit trips at the first failure for which both hold (rule B1). Above zero.
    ///
    /// For connections that carry many calls: when one connection drops, fifty calls may fail at the same instant. That
    /// is no outage yet.
    ///
    /// Default: they may all come at once.
    #[doc(alias = "lumping_interval")]
    pub fn consecutive_failures_span(mut self, span: Duration) -> Self {
        self.settings.set_consecutive_failures_span(span);
        self
    }

    /// Trips when at least this share of the calls in the window failed (rule B4). A share above 0 and at most 1,
    /// rounded to millionths. `None` turns the rate off, also where it is on by default.
    ///
    /// With [`shed`](Self::shed), `build` refuses a rate at or below 1 − 1/`multiplier`: the circuit would open before
    /// it sheds. With a multiplier of 2 that includes the default.
    ///
    /// Default: 0.5, if neither [`consecutive_failures`] nor [`trip_when`] is set. Also 0.5 if a window is set beside
    /// [`consecutive_failures`]. Otherwise not watched.
    ///
    /// [`consecutive_failures`]: Self::consecutive_failures
    /// [`trip_when`]: Self::trip_when
    #[doc(alias = "failure_rate_threshold")]
    #[doc(alias = "failure_ratio")]
    #[doc(alias = "error_threshold_percentage")]
    #[doc(alias = "failureRateThreshold")]
    #[doc(alias = "FailureRatio")]
    #[doc(alias = "circuitBreaker.errorThresholdPercentage")]
    #[doc(alias = "failure_percentage_threshold")]
    #[doc(alias = "success_rate_over_time_window")]
    #[doc(alias = "error_rate")]
    pub fn failure_rate(mut self, share: impl Into<Option<f64>>) -> Self {
        self.settings.set_failure_rate(share);
        self.rate = FailureRate::Said;
        self
    }

    /// Trips when at least this share of the calls in the window was slow (rule B4). A share above
    /// 0 and at most 1, rounded to millionths. Needs [`slow_call_duration`](Self::slow_call_duration).
    ///
    /// Default: not watched.
    #[doc(alias = "slow_call_rate_threshold")]
    #[doc(alias = "slowCallRateThreshold")]
    pub fn slow_call_rate(mut self, share: f64) -> Self {
        self.settings.set_slow_call_rate(share);
        self
    }

    /// A call is slow when it takes strictly longer than this, from admission to the head of the
    /// response (rule A3). Above zero.
    ///
    /// By itself it has two effects. It marks calls as slow in the totals and in the window, and an abandoned call that
    /// ran longer is a slow failure (A4). With a [`slow_call_rate`](Self::slow_call_rate), a slow probe has failed
    /// (D3).
    ///
    /// Default: no call is slow, and the calls of a closed circuit are not timed.
    #[doc(alias = "slow_call_duration_threshold")]
    #[doc(alias = "slowCallDurationThreshold")]
    pub fn slow_call_duration(mut self, duration: Duration) -> Self {
        self.settings.set_slow_call_duration(duration);
        self
    }

    /// Rates and a custom policy can trip only once the window holds this many calls (rule B4). At least 1, and at most
    /// the size of a count window.
    ///
    /// Default: 20, or the size of a smaller count window.
    #[doc(alias = "minimum_number_of_calls")]
    #[doc(alias = "minimum_throughput")]
    #[doc(alias = "request_volume_threshold")]
    #[doc(alias = "minimumNumberOfCalls")]
    #[doc(alias = "MinimumThroughput")]
    #[doc(alias = "circuitBreaker.requestVolumeThreshold")]
    #[doc(alias = "failure_percentage_request_volume")]
    #[doc(alias = "success_rate_request_volume")]
    #[doc(alias = "min_request_threshold")]
    #[doc(alias = "executionThreshold")]
    #[doc(alias = "rps_threshold")]
    pub fn minimum_calls(mut self, calls: u32) -> Self {
        self.settings.set_minimum_calls(calls);
        self
    }

    /// The window is the last `calls` recorded calls (rule B2). 1 to 65,536.
    ///
    /// Takes 8 bytes a call, rounded up to a power of two. It takes twice that if slow calls are watched.
    ///
    /// Default: 100, if a policy needs a window and none is named.
    #[doc(alias = "sliding_window_size")]
    #[doc(alias = "sliding_window_type")]
    #[doc(alias = "slidingWindowType")]
    #[doc(alias = "slidingWindowSize")]
    #[doc(alias = "closed_len")]
    #[doc(alias = "window_size")]
    pub fn count_window(mut self, calls: u32) -> Self {
        self.settings.set_count_window(calls);
        self
    }

    /// The window is the calls that were recorded within the last `span` (rule B3). A millisecond to a day.
    ///
    /// A bucket of w nanoseconds counts up to w / 4 calls of each thread. More can only come if the clock stands still,
    /// and are then not counted.
    ///
    /// Default: a count window instead.
    #[doc(alias = "sliding_window_size")]
    #[doc(alias = "sliding_window_type")]
    #[doc(alias = "sampling_duration")]
    #[doc(alias = "SamplingDuration")]
    #[doc(alias = "metrics.rollingStats.timeInMilliseconds")]
    #[doc(alias = "Interval")]
    #[doc(alias = "error_threshold_timeout")]
    #[doc(alias = "sliding_window_duration")]
    #[doc(alias = "window_size")]
    #[doc(alias = "slidingWindowType")]
    #[doc(alias = "slidingWindowSize")]
    #[doc(alias = "thresholdingPeriod")]
    #[doc(alias = "sampling_window")]
    pub fn time_window(mut self, span: Duration) -> Self {
        self.settings.set_time_window(span);
        self
    }

    /// In how many steps (buckets) a time window rolls. 1 to 100.
    ///
    /// Default: 10.
    #[doc(alias = "metrics.rollingStats.numBuckets")]
    #[doc(alias = "BucketPeriod")]
    pub fn time_window_buckets(mut self, buckets: u32) -> Self {
        self.settings.set_time_window_buckets(buckets);
        self
    }

    /// Trips when `policy` returns `true` for the calls in the window (rule B7).
    ///
    /// It is asked when a rate would be: when a failure or a slow call is recorded, and the window holds
    /// [`minimum_calls`](Self::minimum_calls). A policy that panics does not trip.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let circuit = tower_breaker::Circuit::builder("payments")
    ///     .count_window(50)
    ///     .minimum_calls(1)
    ///     .trip_when(|counts| counts.failed >= 10 && counts.failure_rate() > 0.1)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A circuit that no failure can open is refused: it would look on in silence. To open for slow calls alone, or
    /// only [by hand](Circuit::trip) or for [`Outcome::TripNow`](crate::Outcome::TripNow), set a policy that never
    /// trips:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_breaker::{Circuit, State, clock::ManualClock};
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// # let clock = ManualClock::new();
    /// let circuit = Circuit::builder("payments")
    ///     .slow_call_duration(Duration::from_millis(800))
    ///     .slow_call_rate(0.5)
    ///     .trip_when(|_| false)
    /// #   .clock(clock.clone())
    ///     .build()?;
    /// # for _ in 0..30 {
    /// #     circuit.try_acquire().expect("closed").failure();
    /// # }
    /// # assert_eq!(circuit.state(), State::Closed);
    /// # while let Ok(guard) = circuit.try_acquire() {
    /// #     clock.advance(Duration::from_secs(1));
    /// #     guard.success();
    /// # }
    /// # let trip = circuit.snapshot().last_trip.expect("it has opened");
    /// # assert_eq!(trip.cause.label(), "slow_call_rate");
    /// # assert!(Circuit::builder("payments").trip_when(|_| false).build().is_ok());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "ready_to_trip")]
    #[doc(alias = "ReadyToTrip")]
    #[doc(alias = "error_threshold")]
    #[doc(alias = "manual_mode")]
    pub fn trip_when(
        mut self,
        policy: impl Fn(&WindowCounts) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.settings.set_trip_when(CustomPolicy(Arc::new(policy)));
        self
    }

    /// The wait duration: how long the circuit stays open before it admits a probe (rules C1, C2). Such a time is
    /// called a *break* here. A `Duration` above zero, or anything that [`OpenFor`] can say.
    ///
    /// Default: 30 seconds.
    #[doc(alias = "wait_duration_in_open_state")]
    #[doc(alias = "break_duration")]
    #[doc(alias = "sleep_window")]
    #[doc(alias = "base_ejection_time")]
    #[doc(alias = "reset_timeout")]
    #[doc(alias = "waitDurationInOpenState")]
    #[doc(alias = "BreakDuration")]
    #[doc(alias = "circuitBreaker.sleepWindowInMilliseconds")]
    #[doc(alias = "Timeout")]
    #[doc(alias = "error_timeout")]
    #[doc(alias = "wait_duration_in_open")]
    #[doc(alias = "open_wait")]
    #[doc(alias = "wait_duration")]
    pub fn open_for(mut self, open_for: impl Into<OpenFor>) -> Self {
        self.settings.set_open_for(open_for);
        self
    }

    /// The seed of the jitter: the same seed gives the same breaks (rule C2).
    ///
    /// Default: random, so that instances differ.
    #[doc(alias = "seed")]
    pub fn jitter_seed(mut self, seed: u64) -> Self {
        self.settings.set_jitter_seed(seed);
        self
    }

    /// Permitted calls in half-open: how many probes may be in flight at once (rule D1). 1 to the number of probes.
    ///
    /// Default: 1.
    #[doc(alias = "permitted_number_of_calls_in_half_open_state")]
    #[doc(alias = "max_requests")]
    #[doc(alias = "half_open_max_calls")]
    #[doc(alias = "permittedNumberOfCallsInHalfOpenState")]
    #[doc(alias = "MaxRequests")]
    #[doc(alias = "permitted_calls_in_half_open")]
    pub fn permits(mut self, permits: u32) -> Self {
        self.settings.set_permits(permits);
        self
    }

    /// Closes when this many probes in a row have succeeded, and reopens at the first failure (rule D2). 1 to 63. The
    /// same as [`probes(successes, successes)`](Self::probes).
    ///
    /// Default: 1.
    #[doc(alias = "half_open_target")]
    pub fn success_threshold(mut self, successes: u32) -> Self {
        self.settings.set_probes((successes, successes));
        self.success_threshold = Some(successes);
        self
    }

    /// Closes when `successes` of at most `of` probes have succeeded (rule D2). Reopens as soon as that cannot be
    /// reached any more. `of` is 1 to 63, `successes` 1 to `of`.
    ///
    /// Default: 1 of 1.
    #[doc(alias = "half_open_len")]
    pub fn probes(mut self, successes: u32, of: u32) -> Self {
        self.settings.set_probes((successes, of));
        self.success_threshold = None;
        self
    }

    /// How long half-open waits for its probes before it reopens (rule D4). Above zero. The time runs out in two ways:
    ///
    /// * No more probes may be admitted, and the last one was admitted so long ago.
    /// * Probes are abandoned, and there has been no answer for so long.
    ///
    /// The circuit learns. If a probe succeeds too late, half-open waits at least twice as long as that probe took, at
    /// most an hour. That holds until the circuit closes.
    ///
    /// Default: the longer of the break before it and 30 seconds.
    #[doc(alias = "max_wait_duration_in_half_open_state")]
    #[doc(alias = "maxWaitDurationInHalfOpenState")]
    pub fn half_open_timeout(mut self, timeout: Duration) -> Self {
        self.settings.set_half_open_timeout(timeout);
        self
    }

    /// How long a probe may take to answer, from when it first has to wait to the head of the response (rule D9). Above
    /// zero. Only probes have this limit; other calls pay nothing for it.
    ///
    /// Choose it shorter than the timeout that all calls have, such as [`call_timeout`](Self::call_timeout): while
    /// nobody knows whether the dependency is back, few callers should wait long to find out.
    ///
    /// A probe that takes longer has failed. Its inner future is dropped at once. Its caller is answered with a
    /// [`TimedOut`](crate::TimedOut), in the form that rejections have: an error, a 504, or `grpc-status: 4`. That is
    /// no rejection, since the dependency *was* called. Only the caller can know whether it is safe to try again
    /// elsewhere.
    ///
    /// ```
    /// # use std::{future::pending, time::Duration};
    /// # use tower_breaker::{Circuit, CircuitError, State};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let circuit = Circuit::builder("payments")
    ///     .open_for(Duration::from_secs(5))
    ///     .probe_timeout(Duration::from_millis(250))
    ///     .build()?;
    /// circuit.trip(Duration::from_secs(5))?;
    /// tokio::time::advance(Duration::from_secs(5)).await;
    ///
    /// // The dependency is not back yet: it hangs.
    /// let answer = circuit.call(pending::<Result<u32, std::io::Error>>()).await;
    /// let Err(CircuitError::TimedOut(timed_out)) = answer else { panic!("cut off") };
    /// assert_eq!(
    ///     timed_out.to_string(),
    ///     "circuit `payments` was half-open, and its probe took longer than 250ms",
    /// );
    /// assert_eq!(circuit.state(), State::Open);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// **Watch out:** if a healthy dependency answers later than this, the circuit **never closes**. Choose a limit
    /// that nearly all calls keep while the dependency is well.
    ///
    /// A layer that says [`without_time_out_answer`](crate::CircuitBreakerLayer::without_time_out_answer) has no answer
    /// for this. There the probe has failed at its limit all the same, the circuit reopens on time, and the caller goes
    /// on waiting.
    ///
    /// * In shadow and disabled, no caller is cut off. The probe has failed at its limit, and the call goes on, to its
    ///   [`call_timeout`](Self::call_timeout) if there is one. The mode at the limit decides. (A driver's check is
    ///   dropped in shadow, too: it has no caller.)
    /// * The limit begins when the probe first has to wait, and holds to its end, whatever becomes of the circuit
    ///   meanwhile. If it is [set live](crate::Circuit::reconfigure) while a probe waits, it begins at that call's next
    ///   poll.
    /// * A [`Guard`](crate::Guard) has no such limit and cannot be cut off: what it does belongs to its holder.
    /// * The time in which a call waits for its client is not counted, if the layer [observes the bodies of
    ///   requests](crate::CircuitBreakerLayer#method.observe_request_bodies).
    /// * A [driver's](crate::Circuit::probe_with) check is a probe, and has this limit.
    /// * It is measured by tokio's clock, even if the circuit has [another](Self::clock). Only the time that a call has
    ///   waited for its client is measured by the circuit's own.
    ///
    /// # Panics
    ///
    /// A probe panics when it is polled and has to wait, if this is set and there is no tokio runtime with time
    /// enabled. A probe that does not have to wait needs no runtime.
    ///
    /// Default: none. Probes have the time that other calls have; see also
    /// [`half_open_timeout`](Self::half_open_timeout), which cuts nobody off.
    #[doc(alias = "half_open_resource_timeout")]
    pub fn probe_timeout(mut self, limit: Duration) -> Self {
        self.settings.set_probe_timeout(limit);
        self
    }

    /// How long a call may take to answer, from when it first has to wait to the head of the response (rule M5). Above
    /// zero.
    ///
    /// A call that takes longer **has failed**. Its inner future is dropped at once. Its caller is answered with a
    /// [`TimedOut`](crate::TimedOut), in the form that rejections have: an error, a 504, or `grpc-status: 4`. That is
    /// no rejection, since the dependency *was* called, and may have done what it was asked for.
    ///
    /// It takes the place of a timeout inside of the breaker, and cannot be put on the wrong side of it. It limits
    /// calls through services, [`Circuit::call`](crate::Circuit::call), and the checks of a
    /// [driver](crate::Circuit::probe_with).
    ///
    /// ```
    /// # use std::{future::pending, time::Duration};
    /// # use tower_breaker::{Circuit, CircuitError, State};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let circuit = Circuit::builder("reviews")
    ///     .consecutive_failures(1)
    ///     .call_timeout(Duration::from_millis(800))
    ///     .build()?;
    ///
    /// let answer = circuit.call(pending::<Result<u32, std::io::Error>>()).await;
    /// let Err(CircuitError::TimedOut(timed_out)) = answer else { panic!("cut off") };
    /// assert_eq!(timed_out.to_string(), "a call of circuit `reviews` took longer than 800ms");
    /// assert_eq!(circuit.state(), State::Open);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A caller may [shorten](crate::CircuitBreakerLayer::shortened_by) it, and a probe may have
    /// [less](Self::probe_timeout). The shortest limit holds.
    ///
    /// **Watch out:** the inner future is dropped wherever it stands. If it has begun something that must not be left
    /// half-way, it has to spawn that.
    ///
    /// A layer that says [`without_time_out_answer`](crate::CircuitBreakerLayer::without_time_out_answer) has no answer
    /// for this. There the call has failed at its limit all the same, and its caller goes on waiting.
    ///
    /// **Watch out:** the limit ends with the head of the response, also where [bodies are
    /// observed](crate::CircuitBreakerLayer#method.observe_bodies). To limit the time of a whole body, use
    /// `TimeoutBody` of `tower-http`.
    ///
    /// **Watch out:** if this is at or below [`slow_call_duration`](Self::slow_call_duration), a call that is cut off
    /// is never slow. Set the slow call duration below this.
    ///
    /// * It holds in every mode, in shadow and disabled, too: it is a limit of yours, and no decision of the circuit's.
    /// * The limit begins when the call first has to wait, and holds to its end, whatever becomes of the circuit
    ///   meanwhile. If it is [changed live](crate::Circuit::reconfigure), calls that already wait under a limit keep
    ///   theirs. Others get the new one at their next poll.
    /// * If the inner future is ready when the call is polled after its limit, its answer counts.
    /// * A call within a call of the same circuit (rule D8) has no limit of its own. A [`Guard`](crate::Guard) has none
    ///   and cannot be cut off: what it does belongs to its holder.
    /// * The time in which a call waits for its client is not counted, if the layer [observes the bodies of
    ///   requests](crate::CircuitBreakerLayer#method.observe_request_bodies).
    /// * It is measured by tokio's clock, even if the circuit has [another](Self::clock). Only the time that a call has
    ///   waited for its client is measured by the circuit's own.
    /// * A call that is answered at once pays nothing for it. One that has to wait has one timer, and two allocations
    ///   for it; with [`limit_calls`](crate::CircuitBreakerLayer::limit_calls) it needs no allocation.
    ///
    /// # Panics
    ///
    /// A call panics when it is polled and has to wait, if this is set and there is no tokio runtime with time enabled.
    /// A call that does not have to wait needs no runtime.
    ///
    /// Default: no limit. A call takes as long as it takes.
    #[doc(alias = "timeout")]
    #[doc(alias = "time_limiter")]
    #[doc(alias = "TimeLimiter")]
    #[doc(alias = "timeoutDuration")]
    #[doc(alias = "execution.isolation.thread.timeoutInMilliseconds")]
    pub fn call_timeout(mut self, limit: Duration) -> Self {
        self.settings.set_call_timeout(limit);
        self
    }

    /// How many calls may be in flight at once, and how long one more may `wait` for a place (rule M2). `places`: 1 to
    /// 1,000,000. With a `wait` of zero, one more call is rejected at once.
    ///
    /// A dependency that hangs then holds this many of your tasks and connections, and not all of them. If the bulkhead
    /// is full, the call is rejected, with a [reason](crate::Reason::BulkheadFull) and a counter of its own. That is no
    /// failure: the circuit learns nothing from it.
    ///
    /// The setting needs a [`BulkheadLayer`](crate::BulkheadLayer) around the breaker:
    ///
    /// ```
    /// use std::{convert::Infallible, time::Duration};
    /// use http::{Request, Response};
    /// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
    /// use tower_breaker::{BulkheadLayer, Circuit, CircuitBreakerLayer};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let circuit = Circuit::builder("reviews").bulkhead(2, Duration::from_millis(50)).build()?;
    /// let reviews = ServiceBuilder::new()
    ///     .layer(BulkheadLayer::new())
    ///     .layer(CircuitBreakerLayer::new(circuit))
    ///     .service(service_fn(async |_: Request<()>| {
    ///         // It hangs.
    ///         tokio::time::sleep(Duration::from_secs(60)).await;
    ///         Ok::<_, Infallible>(Response::new(()))
    ///     }));
    ///
    /// let hang = [(); 2].map(|()| tokio::spawn(reviews.clone().oneshot(Request::new(()))));
    /// tokio::task::yield_now().await;
    /// // The third waits for 50 ms, and is sent away.
    /// let answer = reviews.oneshot(Request::new(())).await?;
    /// assert_eq!(answer.status(), 503);
    /// # drop(hang);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Without Tower, use [`Circuit::enter`](crate::Circuit::enter) or
    /// [`Circuit::try_enter`](crate::Circuit::try_enter).
    ///
    /// How many: at least calls per second, times the seconds that a usual call takes, times two. At most what you can
    /// spare for a dependency that hangs. A wait helps against bursts. It should be shorter than a usual call.
    ///
    /// * It holds in every mode, also in shadow and disabled: it is a limit of yours, and no decision of the circuit's.
    /// * It is per circuit: with a keyed layer, per key.
    /// * It can be changed live. If there are more places, calls that wait are let in at once. If there are fewer,
    ///   nobody is cut off, and nobody is let in until enough have left.
    /// * A call takes its place before the circuit admits it, so a call that waits for a place holds no probe. But if a
    ///   dependency hangs for ever and all places are taken, it is not probed, either. Bound its calls by
    ///   [`call_timeout`](Self::call_timeout).
    ///
    /// **Watch out:** this setting alone does nothing.
    ///
    /// Default: none.
    #[doc(alias = "max_concurrent_calls")]
    #[doc(alias = "max_connections")]
    #[doc(alias = "max_wait_duration")]
    #[doc(alias = "tickets")]
    #[doc(alias = "maxConcurrentCalls")]
    #[doc(alias = "maxWaitDuration")]
    #[doc(alias = "PermitLimit")]
    #[doc(alias = "QueueLimit")]
    #[doc(alias = "execution.isolation.semaphore.maxConcurrentRequests")]
    #[doc(alias = "coreSize")]
    #[doc(alias = "maxQueueSize")]
    #[doc(alias = "max_requests")]
    #[doc(alias = "max_pending_requests")]
    #[doc(alias = "quota")]
    #[doc(alias = "timeout")]
    pub fn bulkhead(mut self, places: u32, wait: Duration) -> Self {
        self.settings.set_bulkhead((places, wait));
        self
    }

    /// Limits how often calls may be repeated (rule M8).
    ///
    /// **Watch out:** this setting alone does nothing. The policy of `degrade::retries` keeps to it (feature
    /// `retries`).
    ///
    /// Default: no limits.
    #[doc(alias = "max_attempts")]
    #[doc(alias = "max_retries")]
    pub fn retries(mut self, limits: RetryLimits) -> Self {
        self.settings.set_retries(limits);
        self
    }

    /// Slow start, here called a *ramp*: once half-open has closed, the admitted share of calls grows from `from` to
    /// all over `duration` (rule D6). `duration` above zero; `from` a share above 0 and at most 1. Calls that come a
    /// tenth of a second apart, or more, are always admitted.
    ///
    /// After a reset or a release there is no ramp: everything is admitted at once.
    ///
    /// Default: no ramp.
    #[doc(alias = "slow_start")]
    #[doc(alias = "slow_start_window")]
    pub fn ramp(mut self, duration: Duration, from: f64) -> Self {
        self.settings.set_ramp((duration, from));
        self
    }

    /// Refuses a *share* of the calls while the dependency fails in part (rule B9). The circuit stays closed. The more
    /// of the calls in the window have failed, the larger the share. Elsewhere: adaptive throttling, or the
    /// *client-side throttling* of Google's SRE book.
    ///
    /// `calls` is how many calls the window holds, and `accepted` is how many of them did not fail. While `calls` is at
    /// most `multiplier` × `accepted`, nothing is refused. Otherwise it is this share, but never more than 1 − `floor`:
    ///
    /// ```text
    /// (calls − multiplier × accepted) / (calls + 1)
    /// ```
    ///
    /// The caller of a refused call gets [`Rejected`](crate::Rejected) with
    /// [`Reason::Shedding`](crate::Reason::Shedding), which says to come back in one second.
    ///
    /// | `multiplier` | sheds if more than this share fails | refuses at 60 % | at 80 % | at 100 % |
    /// |--:|--:|--:|--:|--:|
    /// | 1.1 | 9 % | 56 % | 78 % | all but `floor` |
    /// | 1.25 | 20 % | 50 % | 75 % | all but `floor` |
    /// | 1.5 | 33 % | 40 % | 70 % | all but `floor` |
    /// | 2 | 50 % | 20 % | 60 % | all but `floor` |
    ///
    /// * `multiplier`: 1 to 100.
    /// * `floor`: the share that is let through whatever fails, above 0 and below 1. By these calls the circuit learns
    ///   that the dependency is back. Begin with 0.1. It is a share of the calls: with one call a minute and 0.1, one
    ///   in ten minutes goes through.
    ///
    /// Begin with a multiplier of 2. A smaller one refuses more calls that would have succeeded. Users gain from that
    /// only if the calls fail because of too much load. The guide says more about
    /// [multiplier, floor and window](crate::guide::settings#when-only-a-part-fails).
    ///
    /// Slow calls count as not accepted where [`slow_call_rate`](Self::slow_call_rate) is set. Shedding does not begin
    /// with fewer calls than [`minimum_calls`](Self::minimum_calls). Refused calls enter no window.
    ///
    /// A `failure_rate` near 1 beside it opens the circuit on a total failure. Then take a short
    /// [`open_for`](Self::open_for): while the circuit is open, nothing is let through.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_breaker::Circuit;
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let circuit = Circuit::builder("search")
    ///     .shed(2.0, 0.1)
    ///     .failure_rate(0.95)
    ///     .open_for(Duration::from_secs(5))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// **Watch out:** a circuit that opens before it would shed never sheds. So `build` refuses a
    /// [`failure_rate`](Self::failure_rate) at or below the share in the second column. With a multiplier of 2 that
    /// includes the default rate, 0.5. A rate just above that share is not refused, but then the circuit hardly ever
    /// sheds before it opens:
    ///
    /// ```
    /// # use tower_breaker::Circuit;
    /// let refused = Circuit::builder("search").shed(2.0, 0.1).build();
    /// let never_opens = Circuit::builder("search").shed(2.0, 0.1).failure_rate(None).build();
    /// assert!(refused.is_err() && never_opens.is_ok());
    /// ```
    ///
    /// A live circuit is changed by [`Circuit::reconfigure`](crate::Circuit::reconfigure): `set_shed((2.0, 0.1))`, or
    /// `set_shed(None)` to turn it off.
    ///
    /// Default: nothing is shed.
    #[doc(alias = "throttle")]
    #[doc(alias = "adaptive_throttling")]
    #[doc(alias = "client_side_throttling")]
    #[doc(alias = "AdaptiveThrottler")]
    #[doc(alias = "WithFailureRateThreshold")]
    #[doc(alias = "WithMaxRejectionRate")]
    #[doc(alias = "sr_threshold")]
    #[doc(alias = "max_rejection_probability")]
    pub fn shed(mut self, multiplier: f64, floor: f64) -> Self {
        self.settings.set_shed((multiplier, floor));
        self
    }

    /// Tells each rejection to come back up to this share later than it could (rule C3). So callers that were rejected
    /// together do not come back at the same instant. A share above 0 and at most 1, rounded to millionths.
    ///
    /// It only lengthens what rejections *tell*: [`Rejected::remaining`](crate::Rejected::remaining), `Retry-After`,
    /// the push-back of gRPC. The break itself is not longer, and a call that comes as soon as it is over can be
    /// admitted. To spread the breaks of many instances, see [`Jitter`](crate::Jitter).
    ///
    /// `Retry-After` has whole seconds, so a spread of less than a few of them hardly shows there.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_breaker::Circuit;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // Callers of a circuit that has just opened are told 30 to 36 seconds.
    /// let circuit = Circuit::builder("payments")
    ///     .open_for(Duration::from_secs(30))
    ///     .spread_retry_after(0.2)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Default: none. All rejections tell the end of the break.
    pub fn spread_retry_after(mut self, share: f64) -> Self {
        self.settings.set_spread_retry_after(share);
        self
    }

    /// Shares the circuit with the other instances of a fleet (rules N1 to N9). They open together, when all their
    /// calls reach the thresholds and enough instances agree. Then they send a few probes for all, and close together.
    ///
    /// Take [`Agreement::default`] to begin with: at least 2 instances, and 10 % of those with calls.
    ///
    /// The circuit also has to join a fleet: `.fleet(&fleet)`, with the feature `fleet`. Instances share the circuits
    /// that have the same name.
    ///
    /// **Watch out:** it does nothing without a fleet, or if the fleet's task does not run. The printed
    /// [snapshot](crate::Snapshot::fleet) then says `belongs to no fleet`, or `nobody runs the fleet`.
    ///
    /// It needs [totals](Self::totals), and at most 31 [probes](Self::probes).
    ///
    /// Default: not shared.
    #[doc(alias = "quorum")]
    #[doc(alias = "distributed")]
    #[doc(alias = "redis")]
    #[doc(alias = "DistributedCircuitBreaker")]
    #[doc(alias = "state_storage")]
    pub fn shared(mut self, agreement: impl Into<Option<Agreement>>) -> Self {
        self.settings.set_shared(agreement);
        self
    }

    /// What a call counts as that is dropped before its outcome is known (rule A4).
    ///
    /// **Watch out:** a timeout *around* the breaker drops calls. They are abandoned, which is neutral, so a dependency
    /// that hangs goes unnoticed. Put the timeout inside, or say after which time an abandoned call is a failure:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_breaker::{AbandonedPolicy, Circuit};
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// // There is a timeout of two seconds around the calls.
    /// let circuit = Circuit::builder("payments")
    ///     .abandoned(AbandonedPolicy::FailureAfter(Duration::from_millis(1_900)))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Default: [`AbandonedPolicy::FailureIfSlow`].
    pub fn abandoned(mut self, policy: AbandonedPolicy) -> Self {
        self.settings.set_abandoned(policy);
        self
    }

    /// The mode in which the circuit is built (rule E1).
    ///
    /// Default: [`Mode::Normal`].
    #[doc(alias = "initialState")]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Begins where another circuit was [saved](crate::Circuit::save), instead of closed (rule E6): open for what
    /// remained of its break, with its attempt, in its mode. For processes that end and begin again, as in a rolling
    /// deploy or where there is no server.
    ///
    /// The break goes on from now on. The time in between is not counted; if you know it, subtract it with
    /// [`SavedState::after`].
    ///
    /// Not saved are windows, failures in a row, a ramp and what late probes have taught. So a circuit that was saved
    /// while closed begins anew. Listeners are told of no transition, and the snapshot shows no trip.
    ///
    /// If you also set a [`mode`](Self::mode), it must be the saved one. A restored circuit that is open takes its
    /// place under an [`ejection_cap`](Self::ejection_cap), whatever the cap says, until its wait is over.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_breaker::{Circuit, SavedState, State};
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let saved = SavedState::open(Duration::from_secs(20), 3);
    /// let circuit = Circuit::builder("payments").restore(saved).build()?;
    /// assert_eq!((circuit.state(), circuit.snapshot().attempt), (State::Open, 3));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Default: closed, or the state that [`mode`](Self::mode) asks for.
    pub fn restore(mut self, saved: SavedState) -> Self {
        self.restored = Some(saved);
        self
    }

    /// Whether to count [`Totals`](crate::Totals). For each call they cost one write to a cache line of the thread's
    /// own (rule F4).
    ///
    /// Default: on.
    pub fn totals(mut self, totals: bool) -> Self {
        self.settings.set_totals(totals);
        self
    }

    /// Whether to count how long calls take, in [buckets](crate::observe::CALL_DURATION_BUCKETS). They are shown by
    /// [`Snapshot::durations`](crate::Snapshot::durations) and by the histogram of metrics. Each call then reads the
    /// clock twice, and writes two numbers more to cache lines of the thread's own (rule F4).
    ///
    /// ```
    /// # use tower_breaker::Circuit;
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let circuit = Circuit::builder("payments").durations(true).build()?;
    /// circuit.try_acquire().expect("closed").success();
    /// let durations = circuit.snapshot().durations.expect("on");
    /// assert_eq!(durations.calls(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Default: off.
    pub fn durations(mut self, durations: bool) -> Self {
        self.settings.set_durations(durations);
        self
    }

    /// Where the circuit gets the time; see [`clock`](crate::clock).
    ///
    /// Default: tokio's clock.
    #[doc(alias = "currentTimestampFunction")]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Calls `listener` for every transition; see [`observe`](crate::observe). Can be given several times.
    ///
    /// It runs on the thread that made the transition, often in the middle of a call, so it should be quick. It may
    /// call back into the circuit that it is given. Do not let it hold a clone of its own: that would keep the circuit
    /// alive for ever. If it panics, nothing else happens.
    #[doc(alias = "on_state_change")]
    #[doc(alias = "onStateTransition")]
    #[doc(alias = "OnOpened")]
    #[doc(alias = "OnClosed")]
    #[doc(alias = "OnHalfOpened")]
    #[doc(alias = "OnStateChange")]
    #[doc(alias = "listeners")]
    #[doc(alias = "instrument")]
    pub fn on_transition(
        mut self,
        listener: impl Fn(&Circuit, &Transition) + Send + Sync + 'static,
    ) -> Self {
        self.listeners.transition.push(Arc::new(listener));
        self
    }

    /// Calls `listener` whenever the settings of the live circuit are [changed](Circuit::reconfigure) (rule E5). It is
    /// told the settings before and after. Can be given several times.
    ///
    /// It runs on the thread that made the change. As with [`on_transition`](Self::on_transition), it may call back
    /// into the circuit, and if it panics, nothing else happens. Changes may be told out of order; see
    /// [`SettingsChange::version`].
    ///
    /// ```
    /// # use tower_breaker::Circuit;
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let circuit = Circuit::builder("payments")
    ///     // circuit `payments`: `failure_rate` 0.5 -> 0.25
    ///     .on_settings_change(|_, change| println!("{change}"))
    ///     .build()?;
    /// circuit.reconfigure(|settings| settings.set_failure_rate(0.25))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_settings_change(
        mut self,
        listener: impl Fn(&Circuit, &SettingsChange) + Send + Sync + 'static,
    ) -> Self {
        self.listeners.settings.push(Arc::new(listener));
        self
    }

    /// Calls `listener` for every [event](crate::observe::Event) of the circuit, with who did it and why: each
    /// transition, each change of its mode, each change of its settings. Can be given several times. To subscribe to a
    /// live circuit, see [`Circuit::subscribe`].
    ///
    /// It runs on the thread that made it happen, often in the middle of a call, so it should be quick. The listeners
    /// of [`on_transition`](Self::on_transition) and [`on_settings_change`](Self::on_settings_change) run before it. As
    /// with those, it may call back into the circuit, and if it panics, nothing else happens. No lock is held
    /// meanwhile.
    pub fn on_event(
        mut self,
        listener: impl Fn(&Circuit, &Arc<Event>) + Send + Sync + 'static,
    ) -> Self {
        self.listeners.events.push(Arc::new(listener));
        self
    }

    /// Calls `listener` for what becomes of each call: see [`CallEvent`](crate::observe::CallEvent). Can be given
    /// several times. To subscribe to a live circuit, see [`Circuit::subscribe_calls`].
    ///
    /// It runs on the thread of the call, so it should be quick. It may call back into the circuit that it is given. Do
    /// not let it hold a clone of its own: that would keep the circuit alive for ever. It is told nothing of what it
    /// does with circuits itself. If it panics, nothing else happens.
    ///
    /// **Watch out:** with such a listener, each call is timed, which reads the clock twice, and none takes the short
    /// path. See [what that costs](crate::guide::speed).
    pub fn on_call(
        mut self,
        listener: impl Fn(&Circuit, CallEvent<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.listeners.calls.push(Arc::new(listener));
        self
    }

    /// How many of its last [events](crate::observe::Event) the circuit keeps, for [`Circuit::recent_events`]. Each
    /// takes about 300 bytes, and the text of who did it and why. Nothing is allocated before the first event.
    ///
    /// **Watch out:** a break that ends with a failed probe takes two events, so 16 events hold eight breaks. In a
    /// longer outage, the event with which it began is gone. Its cause stays in
    /// [`Trip::began`](crate::observe::Trip::began) until the circuit opens anew. If you need the event itself, keep
    /// more, or [log](Self::on_event) them.
    ///
    /// Default: 0, which is none. For a circuit of a registry: 16.
    pub fn event_log(mut self, events: u32) -> Self {
        self.settings.set_event_log(events);
        self
    }

    /// Makes the circuit a member of a set, of which only a share may be open at once (rule G7). All members need the
    /// same [clock](Self::clock).
    ///
    /// Default: it belongs to none.
    pub fn ejection_cap(mut self, cap: &EjectionCap) -> Self {
        self.cap = Some(cap.clone());
        self
    }

    /// Gives the circuit a tag: a key by which people sort circuits, and its value. See [`Tags`]. If the key is there
    /// already, it gets the new value.
    ///
    /// Default: no tags.
    pub fn tag(mut self, key: impl Into<Name>, value: impl Into<Name>) -> Self {
        self.tags.set(key.into(), value.into());
        self
    }

    /// Builds the circuit.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for the first setting that makes no sense (rule B8). Also for a name that is empty, blank or too
    /// long, and for a [clock](Self::clock) that panics.
    #[track_caller]
    pub fn build(self) -> Result<Circuit, ConfigError> {
        let built_at = Location::caller();
        Ok(self.check()?.circuit(Some(built_at)))
    }

    /// What a registry chooses a cap by, unless one was said.
    #[cfg(feature = "registry")]
    pub(crate) fn tags_unless_capped(&self) -> Option<&Tags> {
        self.cap.is_none().then_some(&self.tags)
    }

    #[cfg(feature = "registry")]
    pub(crate) fn named(self, name: Name) -> Self {
        Self { name, ..self }
    }

    /// It joins this fleet when it is built, if it is [shared](Self::shared).
    #[cfg(feature = "fleet")]
    pub(crate) fn joining(mut self, fleet: Arc<dyn Joins>) -> Self {
        self.fleet = Some(fleet);
        self
    }

    /// The registry that it will be a circuit of.
    #[cfg(feature = "registry")]
    pub(crate) fn below(mut self, above: Arc<dyn Above>) -> Self {
        self.listeners.above = Some(above);
        self
    }

    /// To take back what was said before, too.
    #[cfg(feature = "config")]
    pub(crate) fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// All that can go wrong.
    pub(crate) fn check(self) -> Result<Checked, ConfigError> {
        check_name(&self.name)?;
        let name = self.name.clone();
        self.checked().map_err(|error| error.of(&name))
    }

    fn checked(self) -> Result<Checked, ConfigError> {
        if let Some(successes) = self.success_threshold {
            let allowed = format!("1 to {MAX_PROBES}");
            let valid = (1..=MAX_PROBES).contains(&successes);
            ConfigError::unless(valid, "success_threshold", &successes, &allowed)?;
        }
        let said = self.settings.clone().with_defaults(self.rate);
        let plan = Plan {
            window: said.window()?,
            numbers: said.numbers(None)?,
            open_for: said.open_for().function(),
        };
        self.check_restored()?;
        Ok(Checked {
            // With everything filled in and as exact as it holds.
            settings: said.with_numbers(&plan.numbers),
            plan,
            clock: self.running_clock()?,
            builder: self,
        })
    }

    /// The clock, which begins now.
    fn running_clock(&self) -> Result<CircuitClock, ConfigError> {
        let Some(clock) = &self.clock else {
            return Ok(CircuitClock::tokio());
        };
        CircuitClock::custom(clock.clone()).ok_or_else(|| {
            let panics = format_args!("one that panics");
            ConfigError::new("clock", panics, "one that does not panic")
        })
    }

    fn check_restored(&self) -> Result<(), ConfigError> {
        let Some(saved) = &self.restored else {
            return Ok(());
        };
        saved.check()?;
        let said = self.mode.unwrap_or(saved.mode);
        if said == saved.mode {
            return Ok(());
        }
        let allowed = "left out, or the mode of the state that `restore` is given";
        Err(ConfigError::new("mode", said, allowed).blaming("restore"))
    }
}

impl CircuitBuilder {
    fn first(&self) -> SavedState {
        let mode = self.mode.unwrap_or_default();
        self.restored.unwrap_or_else(|| SavedState::in_mode(mode))
    }
}

/// A builder that has been checked. Nothing is made yet.
pub(crate) struct Checked {
    builder: CircuitBuilder,
    plan: Plan,
    settings: Settings,
    clock: CircuitClock,
}

impl Checked {
    /// With everything filled in.
    #[cfg(feature = "config")]
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    #[cfg(feature = "config")]
    pub(crate) fn tags(&self) -> &Tags {
        &self.builder.tags
    }

    /// What was said of it, whatever is restored.
    #[cfg(feature = "config")]
    pub(crate) fn mode(&self) -> Mode {
        self.builder.mode.unwrap_or_default()
    }

    /// The set that it is to be a member of.
    #[cfg(feature = "config")]
    pub(crate) fn cap(&self) -> Option<&EjectionCap> {
        self.builder.cap.as_ref()
    }

    /// It begins where another of the same name was saved, in its mode.
    #[cfg(feature = "config")]
    pub(crate) fn restoring(mut self, saved: SavedState) -> Self {
        self.builder.restored = Some(saved);
        self
    }

    pub(crate) fn circuit(self, built_at: Option<&'static Location<'static>>) -> Circuit {
        let Self {
            builder,
            plan,
            settings,
            clock,
        } = self;
        let parts = CoreParts {
            first: builder.first(),
            totals: settings.totals(),
            durations: settings.durations(),
            seed: settings.jitter_seed().unwrap_or_else(random_seed),
            policy: settings.trip_when().map(|policy| policy.0.clone()),
            cap: builder.cap.as_ref().map(|cap| cap.joined_by(&clock)),
            shared: settings.shared().is_some(),
        };
        let event_log = settings.event_log();
        let observers = Observers::new(builder.listeners, event_log, parts.first.state);
        let core = |now| Core::new(plan, parts, now);
        let joins = builder.fleet.filter(|_| settings.shared().is_some());
        let label = Label {
            follower: joins.map(|fleet| Follower::new(fleet.member(&builder.name))),
            name: builder.name,
            tags: builder.tags,
            #[cfg(feature = "config")]
            mode: builder.mode.unwrap_or_default(),
            settings,
            built_at,
        };
        let circuit = Circuit::new(label, core, clock, observers);
        if circuit.observers().hears_calls() {
            circuit.hear_calls_anew();
        }
        if let Some(follower) = circuit.follower() {
            circuit.observers().follow();
            follower.began(circuit.downgrade());
        }
        circuit
    }
}

impl fmt::Debug for CircuitBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBuilder")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

/// In bytes: more than the name of any host, and few enough for so many circuits as a registry may have.
pub(crate) const LONGEST_NAME: usize = 256;

/// Before anything is done with it: whoever asks a registry may have made it up.
pub(crate) fn check_name(name: &str) -> Result<(), ConfigError> {
    // A byte order mark is not to be seen, either, and is a space to JSON Schema.
    let is_blank = |c: char| c.is_whitespace() || c == '\u{feff}';
    let blank = name.chars().all(is_blank);
    ConfigError::unless(!blank, "name", &name, "a name that can be read")?;
    if name.len() <= LONGEST_NAME {
        return Ok(());
    }
    let long = name.len();
    let allowed = format!("at most {LONGEST_NAME} bytes long");
    Err(ConfigError::new(
        "name",
        format_args!("one of {long} bytes"),
        allowed,
    ))
}

/// The standard library's hasher is the one source of randomness there is without a dependency.
pub(crate) fn random_seed() -> u64 {
    RandomState::new().hash_one(())
}
