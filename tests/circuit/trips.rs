//! The numbers of a trip: in its transition, and in the snapshots that follow (rules B6, C5, E4).

use crate::support::{Fixture, NANO, SLOW, fragile, millis, secs};
use tower_breaker::{
    By, Cause, CircuitBuilder, EjectionCap, Mode, SavedState, Snapshot, State, Transition,
    WindowCounts,
    observe::{RatesOf, Threshold},
};

/// Half of the last ten calls, at least four.
fn half(builder: CircuitBuilder) -> CircuitBuilder {
    let window = builder.count_window(10).minimum_calls(4).failure_rate(0.5);
    window.open_for(secs(5))
}

/// The same, and half of them slow.
fn half_slow(builder: CircuitBuilder) -> CircuitBuilder {
    half(builder).slow_call_duration(SLOW).slow_call_rate(0.5)
}

fn numbers(counts: Option<WindowCounts>) -> Option<(u64, u64, u64)> {
    counts.map(|counts| (counts.calls, counts.failed, counts.slow))
}

/// The only transition told since the last look: calls, failed and slow, and what they were held against.
#[track_caller]
fn behind(circuit: &Fixture) -> (Option<(u64, u64, u64)>, Option<Threshold>) {
    let told = circuit.told();
    let [told] = &*told else {
        panic!("not one transition: {told:?}");
    };
    (numbers(told.counts), told.threshold)
}

/// Both rates, and of when they are.
fn rates(circuit: &Fixture) -> (Option<f64>, Option<f64>, RatesOf) {
    let look: Snapshot = circuit.look();
    (look.failure_rate(), look.slow_call_rate(), look.rates_of())
}

#[track_caller]
fn reads(circuit: &Fixture, line: &str) {
    assert_eq!(circuit.look().to_string(), line);
}

// ---- the transition ----------------------------------------------------------------------------

// B6
#[test]
fn a_rate_is_told_with_its_window_and_its_threshold() {
    let circuit = Fixture::new(half_slow);
    circuit.play("ss fF");
    assert_eq!(
        behind(&circuit),
        (Some((4, 2, 1)), Some(Threshold::Rate(0.5)))
    );

    let circuit = Fixture::new(|c| half_slow(c).slow_call_rate(0.25));
    circuit.play("sss S");
    assert_eq!(
        behind(&circuit),
        (Some((4, 0, 1)), Some(Threshold::Rate(0.25)))
    );
}

// B6, E4
#[test]
fn a_rate_reads_with_its_percentage_and_its_threshold() {
    for (script, told) in [
        ("ss ff", "2 of 4 calls failed (50 %, threshold 50 %)"),
        ("s SSS", "3 of 4 calls were slow (75 %, threshold 50 %)"),
    ] {
        let circuit = Fixture::new(half_slow);
        circuit.play(script);
        let line = circuit.told()[0].describe("x").to_string();
        let expected = format!("circuit `x` opened: {told}, next probe in 5 s");
        assert_eq!(line, expected);
    }
}

// B6
#[test]
fn whatever_opens_tells_what_the_window_holds() {
    let circuit = Fixture::new(|c| half_slow(c).consecutive_failures(2));
    circuit.play("S ff");
    assert_eq!(
        behind(&circuit),
        (Some((3, 2, 1)), Some(Threshold::Failures(2)))
    );

    let circuit = Fixture::new(half_slow);
    circuit.play("sf t");
    assert_eq!(behind(&circuit), (Some((2, 1, 0)), None));

    let circuit = Fixture::new(half_slow);
    circuit.play("sSf");
    circuit.circuit.trip(secs(1)).expect("normal mode");
    assert_eq!(behind(&circuit), (Some((3, 1, 1)), None));

    let circuit = Fixture::new(half_slow);
    circuit.play("ssf");
    circuit.circuit.force_open();
    assert_eq!(behind(&circuit), (Some((3, 1, 0)), None));

    let circuit = Fixture::new(|c| half(c).trip_when(|counts| counts.failed == 1));
    circuit.play("sssf");
    assert_eq!(behind(&circuit), (Some((4, 1, 0)), None));
}

// B3, B6: what has left the window by then is not told.
#[test]
fn a_time_window_is_told_as_of_the_trip() {
    let circuit = Fixture::new(|c| c.time_window(secs(10)).failure_rate(1.0));
    circuit.play("ff");
    circuit.wait(secs(11));
    circuit.play("f");
    circuit.circuit.trip(secs(1)).expect("normal mode");
    assert_eq!(behind(&circuit), (Some((1, 1, 0)), None));
}

// B6
#[test]
fn without_a_window_there_is_nothing_to_count() {
    let circuit = fragile(|c| c);
    circuit.play("f");
    assert_eq!(behind(&circuit), (None, Some(Threshold::Failures(1))));
    assert_eq!(rates(&circuit), (None, None, RatesOf::Trip));
}

// B6
#[test]
fn what_does_not_open_out_of_closed_tells_no_counts() {
    let circuit = Fixture::new(half);
    circuit.play("ff ff");
    circuit.wait(secs(5));
    circuit.play("f");
    circuit.circuit.trip(secs(5)).expect("normal mode");
    circuit.circuit.set_mode(Mode::Shadow);
    circuit.circuit.reset();
    circuit.play("fff");
    circuit.circuit.reset();
    let told = circuit.told();
    let counts: Vec<_> = told.iter().map(|told| numbers(told.counts)).collect();
    let trip = Some((4, 4, 0));
    assert_eq!(counts, [trip, None, None, None, None, None, None]);
}

// B6, E5
#[test]
fn a_threshold_is_that_of_the_trip() {
    let circuit = Fixture::new(|c| half(c).consecutive_failures(9));
    circuit.play("sss");
    let lower = circuit.circuit.reconfigure(|c| c.set_failure_rate(0.25));
    lower.expect("numbers that make sense");
    circuit.play("f");
    circuit
        .circuit
        .reconfigure(|c| c.set_failure_rate(0.9))
        .expect("the same");
    assert_eq!(
        circuit.look().last_trip.and_then(|trip| trip.threshold),
        Some(Threshold::Rate(0.25))
    );
    assert_eq!(
        behind(&circuit),
        (Some((4, 1, 0)), Some(Threshold::Rate(0.25)))
    );
}

// B1, B6
#[test]
fn failures_that_had_to_span_a_time_may_be_more_than_their_threshold() {
    let circuit = Fixture::new(|c| {
        c.consecutive_failures(2)
            .consecutive_failures_span(secs(1))
            .open_for(secs(5))
    });
    circuit.play("fff");
    circuit.wait(secs(1));
    circuit.play("f");
    let told = circuit.told();
    let lines: Vec<String> = told.iter().map(|t| t.describe("x").to_string()).collect();
    assert_eq!(
        lines,
        ["circuit `x` opened: 4 consecutive failures (threshold 2), next probe in 5 s"]
    );
}

// B6, G7
#[test]
fn a_veto_tells_the_numbers_of_what_was_vetoed() {
    let none = EjectionCap::new(0.5).expect("a share");
    let circuit = Fixture::new(|c| half(c).ejection_cap(&none));
    circuit.play("s fff");
    let told: Vec<Transition> = circuit.told();
    assert_eq!(
        told[0].describe("payments").to_string(),
        "circuit `payments` stays closed: a trip was vetoed: too many circuits are open; \
         3 of 4 calls failed (75 %, threshold 50 %)"
    );
    assert_eq!(numbers(told[0].counts), Some((4, 3, 0)));
    // It has not opened, and its window is empty.
    assert_eq!(circuit.look().last_trip, None);
    assert_eq!(rates(&circuit), (None, None, RatesOf::Now));

    let none = EjectionCap::new(0.5).expect("a share");
    let circuit = Fixture::new(|c| half(c).consecutive_failures(2).ejection_cap(&none));
    circuit.play("ff");
    circuit.is(State::Closed);
    assert_eq!(
        behind(&circuit),
        (Some((2, 2, 0)), Some(Threshold::Failures(2)))
    );
}

// ---- the snapshot ------------------------------------------------------------------------------

// C5
#[test]
fn rates_are_those_of_the_trip_until_the_circuit_closes() {
    let circuit = Fixture::new(half_slow);
    circuit.play("sss F");
    assert_eq!(rates(&circuit), (Some(0.25), Some(0.25), RatesOf::Now));
    circuit.play("ff");
    let trip = (Some(0.5), Some(1.0 / 6.0), RatesOf::Trip);
    assert_eq!((circuit.look().state, rates(&circuit)), (State::Open, trip));
    assert_eq!(circuit.window(), (0, 0, 0));
    circuit.wait(secs(5));
    assert_eq!(rates(&circuit), trip);
    let probe = circuit.admit();
    assert_eq!(rates(&circuit), trip);
    circuit.is(State::HalfOpen);
    // Nothing is in the windows of a circuit that is not closed, so it is still that trip.
    probe.failure();
    let reopened = circuit.look().last_trip.expect("a trip");
    assert_eq!((reopened.cause, reopened.era), (Cause::ProbeFailed, 3));
    assert_eq!(
        (numbers(reopened.counts), reopened.threshold),
        (Some((6, 3, 1)), None)
    );
    assert_eq!(rates(&circuit), trip);
    circuit.circuit.trip(secs(5)).expect("normal mode");
    assert_eq!(rates(&circuit), trip);
    circuit.wait(secs(5));
    circuit.play("s");
    assert_eq!(rates(&circuit), (None, None, RatesOf::Now));
    circuit.play("ssss");
    assert_eq!(rates(&circuit), (Some(0.0), Some(0.0), RatesOf::Now));
    // The next outage has nothing of the last.
    circuit.circuit.trip(secs(5)).expect("normal mode");
    assert_eq!(rates(&circuit), (Some(0.0), Some(0.0), RatesOf::Trip));
}

// B4, C5
#[test]
fn fewer_calls_than_the_minimum_make_no_rate() {
    let circuit = Fixture::new(|c| half(c).consecutive_failures(3));
    circuit.play("fff");
    circuit.is(State::Open);
    assert_eq!(rates(&circuit), (None, None, RatesOf::Trip));
    let trip = circuit.look().last_trip.expect("a trip");
    assert_eq!(numbers(trip.counts), Some((3, 3, 0)));
    // The minimum is that of now.
    circuit
        .circuit
        .reconfigure(|c| c.set_minimum_calls(3))
        .expect("the same");
    assert_eq!(rates(&circuit), (Some(1.0), None, RatesOf::Trip));
    circuit.circuit.reset();
    circuit.play("ss");
    assert_eq!(rates(&circuit), (None, None, RatesOf::Now));
    circuit.play("s");
    assert_eq!(rates(&circuit), (Some(0.0), None, RatesOf::Now));
}

// C5
#[test]
fn where_no_call_is_slow_there_is_no_rate_of_slow_calls() {
    let circuit = Fixture::new(half);
    circuit.play("ssss");
    assert_eq!(rates(&circuit), (Some(0.0), None, RatesOf::Now));
    // Slow calls are watched, though no rate of them trips.
    let circuit = Fixture::new(|c| half(c).slow_call_duration(SLOW));
    circuit.play("sssS");
    assert_eq!(rates(&circuit), (Some(0.0), Some(0.25), RatesOf::Now));
}

// C5, E1, E2
#[test]
fn what_a_person_does_keeps_the_rates_of_an_outage_and_ends_them_with_it() {
    let circuit = Fixture::new(half);
    circuit.play("sfff");
    let trip = (Some(0.75), None, RatesOf::Trip);
    circuit.circuit.set_mode(Mode::Shadow);
    assert_eq!(rates(&circuit), trip);
    circuit.circuit.set_mode(Mode::Normal);
    circuit.circuit.force_open();
    assert_eq!(rates(&circuit), trip);
    circuit.circuit.release();
    assert_eq!(rates(&circuit), (None, None, RatesOf::Now));
    // Forced open out of closed: as it was then.
    circuit.play("sssf");
    circuit.circuit.force_open();
    assert_eq!(rates(&circuit), (Some(0.25), None, RatesOf::Trip));
    circuit.circuit.set_mode(Mode::Disabled);
    circuit.play("ffff");
    assert_eq!(rates(&circuit), (None, None, RatesOf::Now));
}

// C5, E1
#[test]
fn shadow_shows_what_it_watches() {
    let circuit = Fixture::new(|c| half(c).mode(Mode::Shadow));
    circuit.play("sssf");
    assert_eq!(rates(&circuit), (Some(0.25), None, RatesOf::Now));
    circuit.play("ff");
    circuit.is(State::Open);
    circuit.play("ssssssss");
    assert_eq!(rates(&circuit), (Some(0.5), None, RatesOf::Trip));
}

// C5, E6
#[test]
fn a_restored_circuit_has_no_rates_before_it_has_closed() {
    let circuit = Fixture::new(|c| half(c).restore(SavedState::open(secs(10), 1)));
    assert_eq!(rates(&circuit), (None, None, RatesOf::Trip));
    circuit.wait(secs(10));
    circuit.play("f");
    let trip = circuit.look().last_trip.expect("a trip");
    assert_eq!((trip.cause, trip.counts), (Cause::ProbeFailed, None));
    assert_eq!(trip.began, None);
    assert_eq!(rates(&circuit), (None, None, RatesOf::Trip));
}

// ---- as a line ---------------------------------------------------------------------------------

// C5
#[test]
fn a_snapshot_reads_as_one_line() {
    let circuit = Fixture::new(|c| half_slow(c).consecutive_failures(9));
    reads(
        &circuit,
        "payments: closed for 7 s; 0 of 0 calls failed and 0 slow",
    );
    circuit.play("sss");
    reads(
        &circuit,
        "payments: closed for 7 s; 0 of 3 calls failed and 0 slow",
    );
    circuit.play("fF");
    reads(
        &circuit,
        "payments: closed for 8 s; 2 of 5 calls failed (40 %) and 1 slow (20 %); 2 consecutive failures",
    );
    circuit.play("f");
    circuit.wait(millis(3_290));
    let opened = "opened: 3 of 6 calls failed (50 %, threshold 50 %)";
    reads(
        &circuit,
        &format!("payments: open for 3.2 s, next probe in 1.8 s; {opened}"),
    );
    circuit.wait(millis(1_000));
    reads(
        &circuit,
        &format!("payments: open for 4.2 s, next probe in 710 ms; {opened}"),
    );
    circuit.wait(secs(200));
    reads(
        &circuit,
        &format!("payments: open for 3 min, the next call is a probe; {opened}"),
    );
    let probe = circuit.admit();
    circuit.wait(millis(250));
    reads(
        &circuit,
        &format!("payments: half-open for 250 ms, 1 of 1 probes in flight; {opened}"),
    );
    probe.failure();
    reads(
        &circuit,
        "payments: open for 0 ms, next probe in 5 s; opened again: a probe failed; the outage began 3 min ago: \
         3 of 6 calls failed (50 %, threshold 50 %)",
    );
}

// B6, C5
#[test]
fn what_an_outage_began_with_stays_until_it_is_over() {
    let circuit = Fixture::new(|c| half(c).consecutive_failures(3));
    let began = || {
        let trip = circuit.look().last_trip.expect("a trip");
        trip.began.map(|it| (it.cause, it.era, it.threshold))
    };
    circuit.play("ssssssssfff");
    let three = Cause::ConsecutiveFailures(3);
    let first = Some((three, 1, Some(Threshold::Failures(3))));
    assert_eq!(began(), first);
    let left = "3 consecutive failures; as it left closed: 3 of 10 calls failed (30 %)";
    reads(
        &circuit,
        &format!("payments: open for 0 ms, next probe in 5 s; opened: {left}"),
    );
    for _ in 0..2 {
        circuit.wait(secs(5));
        circuit.play("f");
        assert_eq!(began(), first);
    }
    let began_then = format!("the outage began 10 s ago: {left}");
    reads(
        &circuit,
        &format!(
            "payments: open for 0 ms, next probe in 5 s; opened again: a probe failed; {began_then}"
        ),
    );
    circuit.circuit.trip(secs(5)).expect("normal mode");
    assert_eq!(began(), first);
    reads(
        &circuit,
        &format!("payments: open for 0 ms, next probe in 5 s; opened again: by hand; {began_then}"),
    );
    let by = By::who("ops").because("INC-123");
    let forced = circuit.circuit.force_open_for(by, secs(3));
    forced.expect("a time");
    assert_eq!(began(), first);
    reads(
        &circuit,
        &format!("payments: forced open for 0 ms, 3 s remaining (by ops: INC-123); {began_then}"),
    );
    circuit.circuit.release();
    assert_eq!(began(), first, "the last trip outlives its outage");
    circuit.circuit.trip(secs(5)).expect("normal mode");
    assert_eq!(began().map(|(cause, ..)| cause), Some(Cause::Manual));
}

// C5
#[test]
fn the_line_of_a_snapshot_says_who_decides() {
    let circuit = Fixture::new(|c| half(c).mode(Mode::Shadow));
    circuit.play("ffff");
    circuit.wait(secs(1));
    let shadow = "(shadow: nothing is rejected)";
    reads(
        &circuit,
        &format!(
            "payments: open for 1 s, next probe in 4 s; opened: 4 of 4 calls failed (100 %, threshold 50 %) {shadow}"
        ),
    );
    circuit.circuit.reset();
    circuit.circuit.force_open();
    circuit.wait(secs(3 * 60 * 60));
    reads(&circuit, "payments: forced open for 3 h");
    circuit.circuit.set_mode(Mode::Disabled);
    circuit.wait(secs(3 * 24 * 60 * 60));
    reads(&circuit, "payments: disabled for 3 days");

    let circuit = fragile(|c| c.ramp(secs(10), 0.5));
    circuit.play("f");
    circuit.wait(secs(5));
    circuit.play("s");
    circuit.wait(secs(1) + NANO);
    reads(
        &circuit,
        "payments: closed for 1 s; ramping up: 55 % are admitted",
    );

    // As binary fractions, 29 hundredths are a little less than 29 percent.
    let circuit = fragile(|c| c.ramp(secs(10), 0.29));
    circuit.play("f");
    circuit.wait(secs(5));
    circuit.play("s");
    reads(
        &circuit,
        "payments: closed for 0 ms; ramping up: 29 % are admitted",
    );

    let circuit = fragile(|c| c.restore(SavedState::open(secs(10), 1)));
    reads(&circuit, "payments: open for 7 s, next probe in 3 s");
}

// E4: what has not reached its threshold does not read as if it had.
#[test]
fn a_percentage_is_never_rounded_up_to_its_threshold() {
    let settings = |c: CircuitBuilder| c.count_window(10_000).minimum_calls(10_000);
    let circuit = Fixture::new(|c| settings(c).failure_rate(0.7).open_for(secs(5)));
    circuit.play_times(3_004, "s");
    circuit.play_times(6_996, "f");
    reads(
        &circuit,
        "payments: closed for 7 s; 6996 of 10000 calls failed (69.9 %)",
    );
    // Out goes a success for each.
    circuit.play_times(4, "f");
    let told = circuit.told();
    assert_eq!(
        told[0].describe("x").to_string(),
        "circuit `x` opened: 7000 of 10000 calls failed (70 %, threshold 70 %), next probe in 5 s"
    );

    let circuit = Fixture::new(|c| {
        let window = c.count_window(3).minimum_calls(3);
        window.failure_rate(0.333_333).open_for(secs(5))
    });
    circuit.play("ssf");
    assert_eq!(
        circuit.told()[0].describe("x").to_string(),
        "circuit `x` opened: 1 of 3 calls failed (33.3333 %, threshold 33.3333 %), next probe in 5 s"
    );
}
