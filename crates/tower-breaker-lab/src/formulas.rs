//! What can be worked out without a run. Each formula says where it comes from; runs are held against them in tests.

use std::time::Duration;

use crate::chance::{seconds, whole};

/// The calls until `n` failures in a row, on average, if a call fails with the chance `p`: (1 − pⁿ) / (pⁿ (1 − p)).
/// It is infinite for a `p` of 0 or less, and `n` for one of 1 or more.
///
/// It is the mean waiting time for a run of successes of a coin; see Feller, *An Introduction to Probability Theory and
/// Its Applications*, volume 1, chapter XIII.7.
#[must_use]
pub fn calls_until_in_a_row(n: u32, p: f64) -> f64 {
    if p >= 1.0 {
        return f64::from(n);
    }
    let all = p.max(0.0).powf(f64::from(n));
    (1.0 - all) / (all * (1.0 - p))
}

/// How long it takes for a window of this time to show the `threshold`, if the share of failures goes from `before` to
/// `after`: window · (threshold − before) / (after − before). None if it never does.
#[must_use]
pub fn detection_time(
    window: Duration,
    threshold: f64,
    before: f64,
    after: f64,
) -> Option<Duration> {
    if before >= threshold {
        return Some(Duration::ZERO);
    }
    let share = (threshold - before) / (after - before);
    (after >= threshold).then(|| seconds(window.as_secs_f64() * share))
}

/// The chance that a look at `calls` shows the `threshold` or more, if each fails with the chance `p`. It is the upper
/// tail of the binomial distribution.
#[must_use]
pub fn false_trip(calls: u32, threshold: f64, p: f64) -> f64 {
    // What is a whole number but for rounding is that number.
    let first = whole((f64::from(calls) * threshold - 1e-9).ceil());
    if p <= 0.0 || p >= 1.0 {
        return if first == 0 || p >= 1.0 { 1.0 } else { 0.0 };
    }
    if first > calls {
        return 0.0;
    }
    // From the most likely count on, each chance is smaller than the one before: the rest soon adds nothing.
    let (calls, odds) = (f64::from(calls), p / (1.0 - p));
    let begins = f64::from(first).max(((calls + 1.0) * p).floor().min(calls));
    let most = exactly(calls, begins, p);
    let up = |failures: f64| (calls - failures) / (failures + 1.0) * odds;
    let down = |failures: f64| failures / (calls - failures + 1.0) / odds;
    let (mut sum, mut failures, mut chance) = (most, begins, most);
    while failures < calls && chance > sum * 1e-17 {
        chance *= up(failures);
        sum += chance;
        failures += 1.0;
    }
    (failures, chance) = (begins, most);
    while failures > f64::from(first) && chance > sum * 1e-17 {
        chance *= down(failures);
        sum += chance;
        failures -= 1.0;
    }
    sum.min(1.0)
}

/// The chance of exactly so many failures. Logarithms, so that nothing overflows.
fn exactly(calls: f64, failures: f64, p: f64) -> f64 {
    let others = calls - failures;
    let ways = ln_factorial(calls) - ln_factorial(failures) - ln_factorial(others);
    (ways + failures * p.ln() + others * (1.0 - p).ln()).exp()
}

/// Of a whole number. Large ones by Stirling's series.
fn ln_factorial(n: f64) -> f64 {
    if n < 20.0 {
        let factors = (2..20_u8).map(f64::from).take_while(|factor| *factor <= n);
        return factors.product::<f64>().ln();
    }
    let rest = 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3)) + 1.0 / (1260.0 * n.powi(5));
    n * n.ln() - n + (std::f64::consts::TAU * n).ln() / 2.0 + rest
}

/// The share of a resource's time that is lost to probes, while it is dead: a probe takes `probe`, and the break
/// `open_for`. From Semian's issue 244.
#[must_use]
pub fn lost_to_probes(probe: Duration, open_for: Duration) -> f64 {
    let (probe, open_for) = (probe.as_secs_f64(), open_for.as_secs_f64());
    probe / (probe + open_for)
}

/// The utilisation that dead services cost on top, as a share of a worker: services · probe / (threads · `open_for`).
///
/// The form reproduces both figures of Shopify's article *Your Circuit Breaker is Misconfigured*: 263 % and 4 %.
#[must_use]
pub fn added_utilisation(services: u32, probe: Duration, threads: u32, open_for: Duration) -> f64 {
    f64::from(services) * probe.as_secs_f64() / (f64::from(threads) * open_for.as_secs_f64())
}

/// The share of calls that a breaker leaves of a partial failure: (1 − q) · T / (T + open / (1 − q)ˢ), where `q` fails,
/// the breaker opens `trips_after` T, stays open for `open_for`, and wants `s` successes in a row to close.
#[must_use]
pub fn left_of_partial_failure(
    q: f64,
    trips_after: Duration,
    open_for: Duration,
    successes: u32,
) -> f64 {
    let (closed, open) = (trips_after.as_secs_f64(), open_for.as_secs_f64());
    (1.0 - q) * closed / (closed + open / (1.0 - q).powf(f64::from(successes)))
}

/// The chance with which Google's client-side throttle refuses a call:
/// max(0, (requests − K · accepts) / (requests + 1)). From the book *Site Reliability Engineering*, chapter *Handling
/// Overload*.
#[must_use]
pub fn throttled(requests: f64, accepts: f64, k: f64) -> f64 {
    ((requests - k * accepts) / (requests + 1.0)).max(0.0)
}

/// The share of its calls that a circuit refuses which [sheds](tower_breaker::CircuitBuilder::shed), if its window is
/// full and shows so many failures: 1 − K · (1 − failures), from 0 to 1 − floor.
#[must_use]
pub fn shed(failures: f64, k: f64, floor: f64) -> f64 {
    (1.0 - k * (1.0 - failures)).min(1.0 - floor).max(0.0)
}

/// How many times what it can do a server gets, if `offered` times as much is asked of it and a circuit that
/// [sheds](tower_breaker::CircuitBuilder::shed) is in front: √(K · offered), or `offered` up to K. A server that does
/// all that it can, and refuses the rest, is meant.
///
/// Of x times what it can do, 1/x goes well, so that K/x of what is offered is let through: x = offered · K/x. With
/// [`Throttle`](crate::Throttle) it is K, whatever is offered.
#[must_use]
pub fn overload_left_by_shedding(offered: f64, k: f64) -> f64 {
    offered.min((k * offered).sqrt())
}

/// How long a circuit that [sheds](tower_breaker::CircuitBuilder::shed) goes on refusing after a total outage, with a
/// window of so many calls that come so often a second: window / (K · rate) · (1 + ln(1 / floor)).
///
/// First the floor goes through, until floor/K of the window is well. From then on what is let through grows with what
/// is well, until that is 1/K of the window and nothing is refused.
#[must_use]
pub fn shedding_ends_after(window: u32, per_second: f64, k: f64, floor: f64) -> Duration {
    seconds(f64::from(window) / (k * per_second) * (1.0 - floor.ln()))
}

/// The calls that are under way on average, if so many come a second and each takes so long (Little's law).
#[must_use]
pub fn under_way(per_second: f64, takes: Duration) -> f64 {
    per_second * takes.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64, share: f64) {
        assert!(
            (found / expected - 1.0).abs() < share,
            "{found} for {expected}"
        );
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn three_in_a_row() {
        near(calls_until_in_a_row(3, 0.01), 1_010_100.0, 1e-6);
        near(calls_until_in_a_row(3, 0.05), 8_420.0, 1e-6);
        near(calls_until_in_a_row(3, 0.1), 1_110.0, 1e-6);
        near(calls_until_in_a_row(5, 0.05), 3_368_420.0, 1e-6);
        near(calls_until_in_a_row(4, 1.0), 4.0, 1e-6);
        assert!(calls_until_in_a_row(3, 0.0).is_infinite());
    }

    #[test]
    fn the_time_until_a_window_shows_it() {
        let time =
            |after| detection_time(ms(10_000), 0.5, 0.01, after).map(|time| time.as_secs_f64());
        near(time(1.0).expect("it shows"), 4.95, 0.001);
        near(time(0.6).expect("it shows"), 8.31, 0.001);
        assert_eq!(time(0.3), None);
        assert_eq!(
            detection_time(ms(10_000), 0.5, 0.6, 0.6),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn chances_of_a_false_trip() {
        near(false_trip(20, 0.2, 0.05), 0.0159, 0.01);
        near(false_trip(100, 0.5, 0.1), 6e-24, 0.2);
        assert_eq!(false_trip(10, 0.5, 0.0), 0.0);
        assert_eq!(false_trip(10, 0.5, 1.0), 1.0);
        near(false_trip(10, 0.0, 0.3), 1.0, 1e-9);
    }

    /// A window of a busy service holds millions of calls.
    #[test]
    fn chances_of_a_false_trip_of_large_windows() {
        for many in [1_000_000, 4_000_000_000] {
            // The median of a binomial distribution is its mean.
            near(false_trip(many, 0.05, 0.05), 0.5, 0.01);
            near(false_trip(many, 0.5, 0.5), 0.5, 0.01);
            near(false_trip(many, 0.01, 0.05), 1.0, 1e-4);
            assert_eq!(false_trip(many, 0.5, 0.05), 0.0);
        }
        // Three deviations above the mean of a normal distribution.
        near(false_trip(1_000_000, 0.5015, 0.5), 0.001_35, 0.01);
    }

    /// Each chance for itself, by its definition.
    #[test]
    fn chances_of_a_false_trip_add_up() {
        for (calls, p) in [(1, 0.5_f64), (19, 0.1), (20, 0.9), (41, 0.3), (60, 0.02)] {
            let exactly = |failures: u32| {
                let ways = (0..failures).map(|i| f64::from(calls - i) / f64::from(i + 1));
                let others = f64::from(calls - failures);
                ways.product::<f64>() * p.powf(f64::from(failures)) * (1.0 - p).powf(others)
            };
            for first in 0..=calls {
                let expected: f64 = (first..=calls).map(exactly).sum();
                let threshold = f64::from(first) / f64::from(calls);
                near(false_trip(calls, threshold, p), expected, 1e-9);
            }
        }
    }

    /// Shopify: 42 Redis instances, two threads a worker, with the settings before and after.
    #[test]
    fn what_dead_services_cost() {
        near(added_utilisation(42, ms(250), 2, ms(2_000)), 2.63, 0.005);
        near(added_utilisation(42, ms(50), 2, ms(30_000)), 0.035, 0.005);
    }

    #[test]
    fn time_lost_to_probes() {
        near(lost_to_probes(ms(1_000), ms(5_000)), 0.1667, 0.001);
    }

    #[test]
    fn what_is_left_of_a_partial_failure() {
        near(
            left_of_partial_failure(0.2, ms(7_100), ms(15_000), 2),
            0.19,
            0.03,
        );
    }

    #[test]
    fn the_throttle_lets_twice_the_accepted_through() {
        assert_eq!(throttled(100.0, 60.0, 2.0), 0.0);
        near(throttled(1_000.0, 100.0, 2.0), 0.8, 0.002);
        near(throttled(1_000.0, 0.0, 2.0), 1.0, 0.002);
    }

    #[test]
    fn what_is_shed_begins_above_one_minus_one_by_k_and_leaves_the_floor() {
        assert_eq!(shed(0.5, 2.0, 0.1), 0.0);
        near(shed(0.8, 2.0, 0.1), 0.6, 1e-9);
        near(shed(0.6, 1.25, 0.1), 0.5, 1e-9);
        near(shed(1.0, 2.0, 0.1), 0.9, 1e-9);
    }

    #[test]
    fn a_hanging_dependency_takes_workers() {
        near(
            under_way(10.0, ms(5_000)) / under_way(10.0, ms(100)),
            50.0,
            1e-9,
        );
    }
}
