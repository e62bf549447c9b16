//! The system's coarse clock.

use std::time::Duration;

use crate::circuit::clock::Clock;

/// The system's coarse clock: it goes in steps, its *grain*, and costs a fifth of the usual one to read. No thread
/// keeps it going.
///
/// ```
/// use std::time::Duration;
/// use tower_breaker::{Circuit, State, clock::Coarse};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let circuit = Circuit::builder("payments")
///     .time_window(Duration::from_secs(30))
///     .failure_rate(0.5)
///     .minimum_calls(10)
///     .clock(Coarse)
///     .build()?;
///
/// for _ in 0..10 {
///     circuit.try_acquire().expect("closed").failure();
/// }
/// assert_eq!(circuit.state(), State::Open);
/// # Ok(())
/// # }
/// ```
///
/// # When to choose it
///
/// For a busy circuit with a time window: there the clock is more than half of what a success costs; see [the
/// guide](crate::guide::speed). Rejections are cheaper, too, and so are calls that are timed.
///
/// Not for these:
///
/// * A count window, or consecutive failures, without slow calls. There a success does not read the clock, and nothing
///   is saved.
/// * Where a few milliseconds matter, as in a `slow_call_duration` of ten.
/// * Tests. It is the system's clock, which nobody can pause. Use [`ManualClock`](super::ManualClock), or tokio's
///   clock, which is the default.
///
/// # How coarse it is
///
/// | system | what is read | grain | while the machine sleeps |
/// |---|---|---|---|
/// | Linux, Android | `CLOCK_MONOTONIC_COARSE` | a tick of the kernel's: 1 to 10 ms by its `CONFIG_HZ`, often 4; `clock_getres` tells | stands still |
/// | macOS | `CLOCK_MONOTONIC_RAW_APPROX` | "may return values that are milliseconds old" (its manual) | goes on |
/// | FreeBSD | `CLOCK_MONOTONIC_FAST` | a tick of the kernel's: 1 ms, if `kern.hz` is as usual | stands still |
/// | Windows | `GetTickCount64` | "typically in the range of 10 milliseconds to 16 milliseconds" (its manual) | goes on |
/// | any other | [`Instant`](std::time::Instant) | none: nothing is saved | as `Instant` does |
///
/// (The 4 ms of Linux and its cost are measured. The rest is as its makers say.)
///
/// # What that means
///
/// Every time that the circuit measures is right to one grain, either way.
///
/// * **Breaks**, `half_open_timeout`, ramps and `consecutive_failures_span` may be one grain shorter or longer than
///   set. The seconds that a `Retry-After` names are not changed by that.
/// * **Time windows**: a call may be put into the bucket before its own, if it ends within a grain of the border. In
///   buckets of seconds that is nothing. Let a bucket be at least ten grains long.
/// * **Slow calls**: a call that is shorter than a grain has taken no time at all, or a whole grain if the clock went
///   on meanwhile. Let these be at least ten grains long:
///   [`slow_call_duration`](crate::CircuitBuilder::slow_call_duration), and the time of
///   [`AbandonedPolicy::FailureAfter`](crate::AbandonedPolicy::FailureAfter). If one is shorter than a grain, fast
///   calls count as slow now and then.
/// * **Not changed** are times that tokio's timer keeps, such as [`call_timeout`](crate::CircuitBuilder::call_timeout)
///   and [`probe_timeout`](crate::CircuitBuilder::probe_timeout). A waiter for the end of a break, such as a
///   [driver](crate::Circuit::probe_with), may be woken up to one grain too early. Then it waits again.
///
/// It never goes back, on whatever threads it is read, although some kernels' coarse clocks do. All `Coarse` are one
/// clock, so the members of an [`EjectionCap`](crate::EjectionCap) may each have one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coarse;

impl Clock for Coarse {
    #[inline]
    fn now(&self) -> Duration {
        system::now()
    }
}

#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "macos",
    target_os = "freebsd",
    windows
))]
mod system {
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        time::Duration,
    };

    use coarsetime::Instant;

    static LATEST: Latest = Latest::new();

    #[inline]
    pub(super) fn now() -> Duration {
        // Without the cache of the crate's own: that is a store to a line that all threads share.
        let ticks = Instant::now_without_cache_update().as_ticks();
        let now = coarsetime::Duration::from_ticks(ticks).as_nanos();
        Duration::from_nanos(LATEST.or(now))
    }

    /// The latest time that any thread has read.
    ///
    /// Some kernels let their coarse clock go back a little when its rate is adjusted. A circuit would bear that,
    /// but [`Clock`](crate::clock::Clock) says that a clock never does.
    ///
    /// On cache lines of its own: it is written once in a grain, and so all threads have it at hand.
    #[repr(align(128))]
    struct Latest(AtomicU64);

    impl Latest {
        const fn new() -> Self {
            Self(AtomicU64::new(0))
        }

        /// `now`, or the latest time if that is later.
        #[inline]
        fn or(&self, now: u64) -> u64 {
            // Relaxed: of one cell, no thread ever sees less than what it knows to have happened before.
            let latest = self.0.load(Ordering::Relaxed);
            if now <= latest {
                return latest;
            }
            self.0.fetch_max(now, Ordering::Relaxed).max(now)
        }
    }

    #[cfg(test)]
    mod tests {
        use std::{sync::Barrier, thread};

        use super::*;

        #[test]
        fn a_time_that_goes_back_is_not_told() {
            let latest = Latest::new();
            let told = [5, 3, 5, 9, 8].map(|now| latest.or(now));
            assert_eq!(told, [5, 5, 5, 9, 9]);
        }

        #[test]
        fn no_thread_is_told_less_than_another_was_before() {
            const THREADS: u64 = 4;
            let (latest, told) = (Latest::new(), AtomicU64::new(0));
            let start = Barrier::new(4);
            let read = |offset: u64| {
                start.wait();
                for step in 0..2_000_000 {
                    let before = told.load(Ordering::SeqCst);
                    // Goes back every other time.
                    let now = latest.or((step ^ 1) * THREADS + offset);
                    assert!(now >= before, "{before} was told, and then {now}");
                    told.fetch_max(now, Ordering::SeqCst);
                }
            };
            thread::scope(|scope| {
                for offset in 0..THREADS {
                    let read = &read;
                    scope.spawn(move || read(offset));
                }
            });
        }
    }
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "macos",
    target_os = "freebsd",
    windows
)))]
use self::usual as system;

/// The usual clock, where there is no coarse one, or none that is monotonic.
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "macos",
    target_os = "freebsd",
    windows
)))]
mod usual {
    use std::{
        sync::LazyLock,
        time::{Duration, Instant},
    };

    static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

    pub(super) fn now() -> Duration {
        BEGINNING.elapsed()
    }
}
