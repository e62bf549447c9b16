//! What others do by default, as settings of this crate's circuit.

use std::time::Duration;

use tower_breaker::{Circuit, CircuitBuilder};

use super::Ours;

/// The defaults of circuit breakers for other languages, as settings of this crate's circuit.
///
/// So they show what their *numbers* do, and not their code. Where the code of one does something else, it is said
/// here. Under `workers = 1`, where an instance has one call at a time, most of this makes no difference. Limits of
/// calls are left out, also those of Hystrix (1 s) and opossum (10 s): they are the scenario's.
///
/// | name | of | opens | stays open for | closes |
/// |---|---|---|---|---|
/// | `resilience4j` | 2.4.0, Java | at 50 % of 100 calls, or all over 60 s | 60 s | after 10 probes, at most 4 failed |
/// | `Polly` | 8.7.0, .NET | at 10 % of the calls in 30 s, from 100 on | 5 s | after 1 success |
/// | `gobreaker` | v2.4.0, Go | after 6 failures in a row | 60 s | after 1 success |
/// | `Hystrix` | 1.5.18, Java | at 50 % of the calls in 10 s, from 20 on | 5 s | after 1 success |
/// | `opossum` | 10.0.0, JavaScript | above 50 % of the calls in 10 s, from 1 on | 30 s | after 1 success |
/// | `failsafe-go` | 0.9.7, Go | after 1 failure | 60 s | after 1 success |
///
/// What is not the same:
///
/// * Of all but `gobreaker`: a call that began before the trip, and ends in half-open, counts there. Here it changes
///   nothing.
/// * Of all: half-open can wait for a probe for ever there (`Hystrix` lets one more through after each 5 s). Here it
///   ends.
/// * `resilience4j`: half-open admits 10 calls in all there, and 10 at once here. It decides at the 10th there, and as
///   soon as 6 have succeeded or 5 have failed here. A success that is the 100th call can open there. Slow probes have
///   a rate of their own there.
/// * `Polly`: what is not handled counts as a success there, so that a call that was given up closes half-open.
/// * `Hystrix`: it looks every 500 ms there, and with each failure here. The share is cut to whole percents there.
/// * `opossum`: rejected calls and those in flight count as calls there, so that the share is smaller than here while
///   several calls are made at once.
#[must_use]
pub fn peers() -> Vec<Ours> {
    let second = Duration::from_secs(1);
    vec![
        peer("resilience4j", |circuit| {
            circuit
                .failure_rate(0.5)
                .slow_call_rate(1.0)
                .slow_call_duration(60 * second)
                .count_window(100)
                .minimum_calls(100)
                .open_for(60 * second)
                .probes(6, 10)
                .permits(10)
        }),
        peer("Polly", |circuit| {
            circuit
                .failure_rate(0.1)
                .time_window(30 * second)
                .minimum_calls(100)
                .open_for(5 * second)
        }),
        peer("gobreaker", |circuit| {
            circuit.consecutive_failures(6).open_for(60 * second)
        }),
        peer("Hystrix", |circuit| {
            circuit
                .failure_rate(0.5)
                .time_window(10 * second)
                .minimum_calls(20)
                .open_for(5 * second)
        }),
        peer("opossum", |circuit| {
            circuit
                .trip_when(|counts| 2 * counts.failed > counts.calls)
                .time_window(10 * second)
                .minimum_calls(1)
                .open_for(30 * second)
        }),
        peer("failsafe-go", |circuit| {
            circuit.consecutive_failures(1).open_for(60 * second)
        }),
    ]
}

fn peer(name: &str, say: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Ours {
    // Constants, which the tests build.
    let circuit = say(Circuit::builder("peer"))
        .build()
        .expect("valid settings");
    Ours::new(name, circuit.settings()).expect("valid settings")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breaker::{Breaker, Contender, End};

    /// How many failures there must be in a row, the first of all calls.
    fn failures_until_open(breaker: &mut dyn Breaker) -> u32 {
        let mut failures = 0;
        while let Some(ticket) = breaker.ask(Duration::ZERO) {
            breaker.ended(ticket, End::Failure, Duration::ZERO);
            failures += 1;
            assert!(failures < 1_000, "it never opens");
        }
        failures
    }

    #[test]
    fn each_opens_after_as_many_failures_as_it_should() {
        let found: Vec<(String, u32)> = peers()
            .iter()
            .map(|peer| {
                let mut breaker = peer.breaker(0, 1);
                (peer.name().to_owned(), failures_until_open(&mut *breaker))
            })
            .collect();
        let expected = [
            ("resilience4j", 100),
            ("Polly", 100),
            ("gobreaker", 6),
            ("Hystrix", 20),
            ("opossum", 1),
            ("failsafe-go", 1),
        ];
        let expected = expected.map(|(name, failures)| (name.to_owned(), failures));
        assert_eq!(found, expected);
    }

    /// One failure of two is half, which is not above half.
    #[test]
    fn half_is_not_enough_for_opossum() {
        let peers = peers();
        let opossum = peers
            .iter()
            .find(|peer| peer.name() == "opossum")
            .expect("a peer");
        let mut breaker = opossum.breaker(0, 1);
        for (end, closed) in [
            (End::Success, true),
            (End::Failure, true),
            (End::Failure, false),
        ] {
            let ticket = breaker.ask(Duration::ZERO).expect("closed");
            breaker.ended(ticket, end, Duration::ZERO);
            assert_eq!(breaker.state() == tower_breaker::State::Closed, closed);
        }
    }

    #[test]
    fn each_stays_open_for_its_time() {
        for (peer, secs) in peers().iter().zip([60, 5, 60, 5, 30, 60]) {
            let mut breaker = peer.breaker(0, 1);
            failures_until_open(&mut *breaker);
            let open_for = Duration::from_secs(secs);
            peer.time_is(open_for - Duration::from_millis(1));
            assert!(breaker.ask(Duration::ZERO).is_none(), "{}", peer.name());
            peer.time_is(open_for);
            assert!(breaker.ask(open_for).is_some(), "{}", peer.name());
        }
    }
}
