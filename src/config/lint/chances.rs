//! How often healthy calls trip a circuit, and what its probes cost.
//!
//! Calls are taken to fail independently of one another, each with the same chance `p`. Failures that come in groups
//! make trips more frequent than this.

/// How many calls it takes on average until `k` in a row have failed: `(1 − pᵏ) / (pᵏ (1 − p))`.
///
/// *Why:* let `E(k)` be that number. After `k − 1` failures in a row, which take `E(k − 1)`, there is one more call. It
/// fails with the chance `p`, and that is it; or it does not, and all begins anew. So
/// `E(k) = E(k − 1) + 1 + (1 − p) E(k)`, which is `E(k) = (E(k − 1) + 1) / p`. With `E(0) = 0` that is
/// `1/p + 1/p² + … + 1/pᵏ`, a geometric sum.
///
/// Infinite where that is beyond what there are numbers for, and where no call fails.
pub(super) fn calls_until_in_a_row(k: f64, p: f64) -> f64 {
    if p >= 1.0 {
        return k;
    }
    let ln_all_fail = k * p.ln();
    -ln_all_fail.exp_m1() / (ln_all_fail.exp() * (1.0 - p))
}

/// How many calls it takes on average until the last `window` calls hold so many `failures`, and did not before:
/// `1 / (p (1 − p) P[Bin(window − 1, p) = failures − 1])`.
///
/// *Why:* the window comes to hold so many with a call exactly if three things hold. That call fails, the call that
/// leaves the window for it had not failed, and of the calls between those two `failures − 1` have. These three are
/// independent.
///
/// That counts each time that the number is crossed upwards. So it is a little less than the time to the first of
/// several that follow on each other: by up to 1.4 times in simulations. The tail of one full window, `P[Bin(window, p)
/// ≥ failures]`, would give several times more, because a window that slides is looked at with each failure.
///
/// Infinite as above, and where a window cannot hold so many.
pub(super) fn calls_until_in_window(window: u64, failures: u64, p: f64) -> f64 {
    if failures == 0 || failures > window || p <= 0.0 {
        return f64::INFINITY;
    }
    if p >= 1.0 {
        return float(failures);
    }
    let (others, failed) = (window - 1, failures - 1);
    let ln_between =
        ln_choose(others, failed) + float(failed) * p.ln() + float(others - failed) * (-p).ln_1p();
    let ln_crossing = p.ln() + (-p).ln_1p() + ln_between;
    (-ln_crossing).exp()
}

/// How many failures in a window reach a threshold (rule B4).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share above 1 is refused, and a cast saturates"
)]
pub(super) fn failures_that_reach(threshold: f64, window: u64) -> u64 {
    let millionths = (threshold * 1e6).round() as u64;
    let failures = (u128::from(millionths) * u128::from(window)).div_ceil(1_000_000);
    u64::try_from(failures).unwrap_or(u64::MAX).max(1)
}

/// Of how many calls it takes two failures to reach a rate. `None` for a rate of nothing.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share above 1 is refused, and a cast saturates"
)]
pub(super) fn calls_for_two_failures(threshold: f64) -> Option<u64> {
    let millionths = (threshold * 1e6).round() as u64;
    Some(1_000_000_u64.checked_div(millionths)? + 1)
}

/// The probes of a dependency that is down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Probing {
    pub(super) permits: u32,
    /// So many successes of so many probes close.
    pub(super) probes: (u32, u32),
    /// How long a probe takes to fail, in seconds.
    pub(super) probe: f64,
    /// The break, in seconds.
    pub(super) open_for: f64,
}

impl Probing {
    /// How many calls are probes at any time, on average: `probes · t / (open_for + rounds · t)`.
    ///
    /// *Why:* half-open ends when so many have failed that the others cannot close it. They go out in rounds of
    /// `permits`, each of which takes the time `t` of one probe; then there is a break. With one probe, that is
    /// Semian's `T_ho / (T_ho + T_open)`. Shopify's published utilisation, `T_ho / T_open`, leaves out that there is no
    /// break during half-open. It comes out higher where probes take long: 263 % for what is 233 % here.
    pub(super) fn in_flight(self) -> f64 {
        let (successes, of) = self.probes;
        let permits = self.permits.clamp(1, of.max(1));
        let until_hopeless = of.saturating_sub(successes) + 1;
        let rounds = until_hopeless.div_ceil(permits);
        let probes = rounds.saturating_mul(permits).min(of);
        let busy = float(probes) * self.probe;
        let cycle = self.open_for + float(rounds) * self.probe;
        if cycle > 0.0 { busy / cycle } else { 0.0 }
    }
}

/// `ln(n! / (k! (n − k)!))`.
fn ln_choose(n: u64, k: u64) -> f64 {
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

/// Stirling's series, and the product itself where that is not exact.
fn ln_factorial(n: u64) -> f64 {
    if n < 20 {
        return (2..=n).map(|factor| float(factor).ln()).sum();
    }
    let n = float(n);
    let tau = std::f64::consts::TAU;
    let series = 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3));
    n * n.ln() - n + 0.5 * (tau * n).ln() + series
}

#[expect(
    clippy::cast_precision_loss,
    reason = "nobody counts calls beyond 2^53 to the last one"
)]
pub(super) fn float(number: impl Into<u64>) -> f64 {
    number.into() as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        circuit::{builder::CircuitBuilder, handle::Circuit},
        machine::State,
    };

    #[track_caller]
    fn assert_close(found: f64, expected: f64, share: f64) {
        let off = (found - expected).abs();
        assert!(off <= share * expected.abs(), "{found}, not {expected}");
    }

    #[test]
    fn calls_until_so_many_in_a_row_are_those_that_are_published() {
        for (k, p, calls) in [
            (3.0, 0.05, 8_420.0),
            (3.0, 0.1, 1_110.0),
            (3.0, 0.01, 1_010_100.0),
            (5.0, 0.05, 3_368_420.0),
            (1.0, 0.25, 4.0),
            (2.0, 0.5, 6.0),
            (7.0, 1.0, 7.0),
        ] {
            assert_close(calls_until_in_a_row(k, p), calls, 1e-9);
        }
        // Where 1 − p is hardly anything, the sum by hand.
        let by_hand: f64 = (1..=5).map(|i| (1.0_f64 - 1e-9).powi(-i)).sum();
        assert_close(calls_until_in_a_row(5.0, 1.0 - 1e-9), by_hand, 1e-6);
        assert!(calls_until_in_a_row(3.0, 0.0).is_infinite());
        assert!(calls_until_in_a_row(1e6, 0.5).is_infinite());
    }

    /// The chance that a window comes to hold so many, over all windows there can be with one call more.
    fn crossing_by_hand(window: u32, failures: u32, p: f64) -> f64 {
        let chance = |all: u32| -> f64 {
            let one_call = |at| if all >> at & 1 == 1 { p } else { 1.0 - p };
            (0..=window).map(one_call).product()
        };
        let mask = (1 << window) - 1;
        let crosses = |all: &u32| {
            let (before, after) = (all & mask, all >> 1);
            before.count_ones() < failures && after.count_ones() >= failures
        };
        (0..1_u32 << (window + 1)).filter(crosses).map(chance).sum()
    }

    #[test]
    fn calls_until_a_window_holds_so_many_are_those_of_all_windows_there_can_be() {
        for (window, failures, p) in [(1, 1, 0.3), (4, 2, 0.1), (10, 1, 0.2), (15, 6, 0.05)] {
            let expected = 1.0 / crossing_by_hand(window, failures, p);
            let found = calls_until_in_window(window.into(), failures.into(), p);
            assert_close(found, expected, 1e-9);
        }
        assert!(calls_until_in_window(10, 11, 0.5).is_infinite());
        assert!(calls_until_in_window(10, 5, 0.0).is_infinite());
        assert_close(calls_until_in_window(10, 5, 1.0), 5.0, 0.0);
    }

    #[test]
    fn factorials_are_those_of_the_product() {
        for n in [0, 1, 19, 20, 21, 100, 1_000] {
            let by_hand: f64 = (1..=n).map(|factor| float(factor).ln()).sum();
            assert!((ln_factorial(n) - by_hand).abs() <= 1e-9, "{n}");
        }
    }

    #[test]
    fn a_threshold_is_reached_by_whole_failures() {
        for (threshold, window, failures) in [
            (0.5, 100, 50),
            (0.5, 99, 50),
            (0.07, 100, 7),
            (1e-6, 10, 1),
            (1.0, u64::MAX, u64::MAX),
        ] {
            assert_eq!(failures_that_reach(threshold, window), failures);
        }
    }

    // Semian's own numbers, and those that Shopify has published without the time in half-open.
    #[test]
    fn what_probes_hold_is_what_is_published() {
        let probing = |probe, open_for| Probing {
            permits: 1,
            probes: (1, 1),
            probe,
            open_for,
        };
        assert_close(probing(1.0, 5.0).in_flight(), 1.0 / 6.0, 1e-9);
        let of_42_redis_and_2_threads = |one: Probing| 42.0 / 2.0 * one.in_flight();
        assert_close(of_42_redis_and_2_threads(probing(0.05, 30.0)), 0.035, 0.002);
        assert_close(of_42_redis_and_2_threads(probing(0.25, 2.0)), 2.333, 1e-3);
    }

    #[test]
    fn probes_go_out_in_rounds_until_too_many_have_failed() {
        let in_flight = |permits, probes| {
            let probing = Probing {
                permits,
                probes,
                probe: 1.0,
                open_for: 9.0,
            };
            probing.in_flight()
        };
        for (permits, probes, busy) in [
            (1, (3, 3), 1.0 / 10.0), // the first failure reopens
            (3, (3, 3), 3.0 / 10.0), // with three in flight
            (1, (1, 3), 3.0 / 12.0), // three one after the other
            (2, (1, 3), 3.0 / 11.0), // two, and the third
            (3, (2, 3), 3.0 / 10.0),
        ] {
            assert_close(in_flight(permits, probes), busy, 1e-9);
        }
    }

    /// Numbers in 0..1 that look random, and are the same in each run.
    fn random(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed;
        move || {
            // SplitMix64.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = state;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            float((word ^ (word >> 31)) >> 11) / float(1_u64 << 53)
        }
    }

    /// How many calls a circuit sees on average until it trips, if the share `p` fails.
    fn calls_until_it_trips(change: fn(CircuitBuilder) -> CircuitBuilder, p: f64) -> f64 {
        let builder = change(Circuit::builder("simulated")).open_for(Duration::from_secs(1));
        let circuit = builder.build().expect("valid");
        let (mut random, mut calls, trips) = (random(7), 0_u64, 1_000_u32);
        for _ in 0..trips {
            while circuit.state() == State::Closed {
                let guard = circuit.try_acquire().expect("closed");
                if random() < p {
                    guard.failure();
                } else {
                    guard.success();
                }
                calls += 1;
            }
            circuit.reset();
        }
        float(calls) / float(trips)
    }

    #[test]
    fn real_circuits_trip_as_often_as_the_formulas_say() {
        let found = calls_until_it_trips(|it| it.consecutive_failures(3), 0.2);
        assert_close(found, calls_until_in_a_row(3.0, 0.2), 0.1);
        let found = calls_until_it_trips(|it| it.count_window(20).failure_rate(0.2), 0.05);
        let formula = calls_until_in_window(20, 4, 0.05);
        assert!((1.0..1.5).contains(&(found / formula)), "{found} {formula}");
    }
}
