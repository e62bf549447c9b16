//! How long half-open waits for its probes: what it learns from late ones, and when it gives up on those that
//! are all abandoned (rule D4).

use std::{collections::VecDeque, mem::forget, time::Duration};

use tower_breaker::{Guard, Mode, Outcome, Reason, State};

use crate::support::{Fixture, NANO, SLOW, fragile_after_break, secs};

// ---- D4: dependencies slower than half-open waits ------------------------------------------------

/// A dependency that answers after so long, and one caller a second, with nobody giving up: how often the
/// circuit opened until it was closed again, if it was within a day.
fn opens_until_recovered(circuit: &Fixture, latency: Duration) -> Option<usize> {
    let mut calls = VecDeque::new();
    for second in 0..24 * 60 * 60u64 {
        while calls.front().is_some_and(|(due, _)| *due <= second) {
            let (_, call): (u64, Guard<'_>) = calls.pop_front().expect("one");
            call.success();
        }
        if circuit.circuit.state() == State::Closed {
            calls.into_iter().for_each(|(_, call)| forget(call));
            return Some(
                circuit
                    .told()
                    .iter()
                    .filter(|it| it.to == State::Open)
                    .count(),
            );
        }
        if let Ok(call) = circuit.circuit.try_acquire() {
            calls.push_back((second + latency.as_secs(), call));
        }
        circuit.wait(secs(1));
    }
    calls.into_iter().for_each(|(_, call)| forget(call));
    None
}

// D4: what a late probe took, half-open waits for the next time.
#[test]
fn a_dependency_slower_than_half_open_waits_recovers() {
    let circuit = fragile_after_break(|c| c.open_for(secs(30)));
    assert_eq!(opens_until_recovered(&circuit, secs(45)), Some(1));
    for (timeout, latency, most) in [(30, 31, 1), (1, 45, 8), (10, 600, 41), (60, 3_000, 47)] {
        let circuit = fragile_after_break(|c| c.half_open_timeout(secs(timeout)));
        let opens = opens_until_recovered(&circuit, secs(latency)).expect("recovered");
        assert!(opens <= most, "{opens} for {latency} s after {timeout} s");
    }
}

// D4: a late answer is no decision, and one that is slow where slow calls are watched is no answer to wait for.
#[test]
fn a_late_probe_teaches_patience_and_decides_nothing() {
    for (letter, patience) in [('s', 40), ('a', 40), ('f', 8), ('i', 8), ('t', 8), ('d', 8)] {
        let circuit = fragile_after_break(|c| c.half_open_timeout(secs(8)));
        let probe = circuit.admit();
        circuit.wait(secs(8));
        circuit.play("x");
        circuit.wait(secs(12));
        circuit.end(probe, letter);
        circuit.is(State::Open);
        waits_for(&circuit, secs(patience));
    }
    let circuit = fragile_after_break(|c| {
        c.half_open_timeout(secs(8))
            .slow_call_duration(SLOW)
            .slow_call_rate(1.0)
    });
    let probe = circuit.admit();
    circuit.wait(secs(8));
    circuit.play("x");
    circuit.wait(secs(12));
    probe.success();
    waits_for(&circuit, secs(8));
}

/// The next half-open era times out after exactly so long.
#[track_caller]
fn waits_for(circuit: &Fixture, patience: Duration) {
    circuit.wait_out();
    forget(circuit.admit());
    circuit.wait(patience - NANO);
    assert_eq!(circuit.reject().reason(), Reason::HalfOpenFull);
    circuit.wait(NANO);
    assert_eq!(circuit.reject().reason(), Reason::Open);
}

// D4: twice as long as the newest late probe took, at most an hour, and never less than is said.
#[test]
fn what_half_open_learns_from_late_probes_is_bounded() {
    for (late_by, patience) in [(1, secs(18)), (12, secs(40)), (10_000, secs(3_600))] {
        let circuit = fragile_after_break(|c| c.half_open_timeout(secs(8)));
        let probe = circuit.admit();
        circuit.wait(secs(8));
        circuit.play("x");
        circuit.wait(secs(late_by));
        probe.success();
        waits_for(&circuit, patience);
        // Also the next time, as long as the outage lasts.
        waits_for(&circuit, patience);
    }
    let circuit = fragile_after_break(|c| c.half_open_timeout(secs(80)));
    let probe = circuit.admit();
    circuit.circuit.trip(secs(5)).expect("normal mode");
    circuit.wait(secs(2));
    probe.success();
    waits_for(&circuit, secs(80));
}

// D4, D5
#[test]
fn closing_forgets_what_late_probes_have_taught() {
    let controls: [fn(&Fixture); 2] = [
        |circuit| {
            circuit.wait_out();
            circuit.play("s");
        },
        |circuit| circuit.circuit.reset(),
    ];
    for close in controls {
        let circuit = fragile_after_break(|c| c.half_open_timeout(secs(8)));
        let (probe, later) = (circuit.admit(), secs(12));
        circuit.wait(secs(8));
        circuit.play("x");
        circuit.wait(later);
        probe.success();
        close(&circuit);
        circuit.is(State::Closed);
        circuit.play("f");
        waits_for(&circuit, secs(8));
    }
}

// ---- D4: probes that are abandoned ---------------------------------------------------------------

/// Callers in turn, each of which gives up after so long.
fn give_up(circuit: &Fixture, callers: usize, after: Duration) {
    for _ in 0..callers {
        let probe = circuit.admit();
        circuit.wait(after);
        drop(probe);
    }
}

const ABANDONED: &str =
    "half-open -> open: the probes were abandoned without an answer, open for 5s";

// D4: or each caller in turn would wait on a dead dependency, for ever.
#[test]
fn half_open_without_an_answer_reopens() {
    let circuit = fragile_after_break(|c| c);
    give_up(&circuit, 14, secs(2));
    circuit.tells(&["open -> half-open: the wait is over, the next call is a probe"]);
    give_up(&circuit, 1, secs(2) - NANO);
    circuit.is(State::HalfOpen);
    give_up(&circuit, 1, NANO);
    circuit.tells(&[ABANDONED]);
    assert_eq!(circuit.look().attempt, 2);
    assert_eq!(
        (circuit.totals().abandoned, circuit.totals().failed),
        (16, 1)
    );
    circuit.wait_out();
    circuit.play("s");
    circuit.is(State::Closed);
}

// D4: any answer shows that there is somebody.
#[test]
fn half_open_with_an_answer_now_and_then_does_not_reopen() {
    for answer in ["s", "f", "i"] {
        let circuit = fragile_after_break(|c| c.probes(10, 20).half_open_timeout(secs(8)));
        for _ in 0..5 {
            give_up(&circuit, 3, secs(2));
            circuit.play(answer);
        }
        circuit.tells(&["open -> half-open: the wait is over, the next call is a probe"]);
        give_up(&circuit, 4, secs(2));
        circuit.tells(&[ABANDONED]);
    }
}

// D4: half-open may wait for traffic as long as it must, and who leaves at once has waited for nothing.
#[test]
fn a_quiet_hour_is_no_want_of_answers() {
    let circuit = fragile_after_break(|c| c.probes(2, 2).half_open_timeout(secs(8)));
    for _ in 0..100 {
        circuit.play("d");
        circuit.wait(secs(3_600));
        give_up(&circuit, 1, NANO);
    }
    circuit.tells(&["open -> half-open: the wait is over, the next call is a probe"]);
    circuit.play("s s");
    circuit.is(State::Closed);
}

// D4: what was waited for before an answer is answered.
#[test]
fn an_answer_makes_up_for_those_who_gave_up_before_it() {
    let circuit = fragile_after_break(|c| c.probes(2, 2).half_open_timeout(secs(8)));
    give_up(&circuit, 3, secs(2));
    circuit.play("s");
    circuit.wait(secs(3_600));
    give_up(&circuit, 1, secs(2));
    circuit.is(State::HalfOpen);
    give_up(&circuit, 3, secs(2));
    circuit.is(State::Open);
}

// D4: nor do several at once make up for time that has not passed.
#[test]
fn many_callers_at_once_do_not_make_half_open_reopen_early() {
    let circuit = fragile_after_break(|c| c.probes(9, 9).permits(9).half_open_timeout(secs(8)));
    let crowd: Vec<_> = (0..9).map(|_| circuit.admit()).collect();
    circuit.wait(secs(4));
    drop(crowd);
    circuit.is(State::HalfOpen);
    give_up(&circuit, 1, secs(4));
    circuit.is(State::Open);
}

// D4, H3: a circuit further in that rejects is no answer.
#[test]
fn a_rejection_further_in_is_no_answer() {
    let circuit = fragile_after_break(|c| c.half_open_timeout(secs(8)));
    for _ in 0..3 {
        give_up(&circuit, 1, secs(2));
        circuit.admit().finish(Outcome::InnerRejection);
    }
    circuit.is(State::HalfOpen);
    give_up(&circuit, 1, secs(2));
    circuit.tells(&[
        "open -> half-open: the wait is over, the next call is a probe",
        ABANDONED,
    ]);
}

// D4, D1: also where other probes are under way; theirs are stale.
#[test]
fn half_open_without_an_answer_reopens_under_its_other_probes() {
    let circuit = fragile_after_break(|c| c.probes(2, 3).permits(3).half_open_timeout(secs(8)));
    let (one, other, third) = (circuit.admit(), circuit.admit(), circuit.admit());
    circuit.wait(secs(8));
    drop(third);
    circuit.is(State::Open);
    one.success();
    other.success();
    circuit.is(State::Open);
    assert_eq!(circuit.totals().stale, 2);
}

// D4, E1: what would happen in shadow.
#[test]
fn half_open_in_shadow_reopens_without_an_answer_too() {
    let circuit = fragile_after_break(|c| c.mode(Mode::Shadow).half_open_timeout(secs(8)));
    give_up(&circuit, 4, secs(2));
    circuit.is(State::Open);
}
