//! A circuit's state, saved and restored (rule E6).

use std::time::Duration;

use crate::support::{millis, secs};
use proptest::prelude::*;
use tower_breaker::{
    By, Circuit, CircuitBuilder, EjectionCap, Mode, OpenFor, SavedState, State, clock::ManualClock,
};

/// Breaks of 10, 20, 40 … seconds, at most 80.
fn builder(clock: &ManualClock) -> CircuitBuilder {
    Circuit::builder("payments")
        .consecutive_failures(1)
        .open_for(OpenFor::exponential(secs(10), 2.0, secs(80)))
        .clock(clock.clone())
}

/// A circuit in the next process, whose clock begins anew.
fn restored(line: &str) -> (Circuit, ManualClock) {
    let clock = ManualClock::new();
    let saved = line.parse().expect("a saved state");
    let circuit = builder(&clock).restore(saved).build().expect("valid");
    (circuit, clock)
}

fn fails(circuit: &Circuit) {
    circuit.try_acquire().expect("admitted").failure();
}

fn remaining(circuit: &Circuit) -> Option<Duration> {
    circuit.snapshot().remaining
}

// ---- what comes back ---------------------------------------------------------------------------

// E6
#[test]
fn an_open_circuit_goes_on_with_its_break_and_its_attempt() {
    let clock = ManualClock::new();
    let circuit = builder(&clock).build().expect("valid");
    fails(&circuit);
    clock.advance(secs(10));
    fails(&circuit);
    clock.advance(millis(5_500));
    let line = circuit.save().to_string();
    assert_eq!(
        line,
        "v1 open normal remaining=14.5s open_for=20s attempt=2"
    );

    let (circuit, clock) = restored(&line);
    assert_eq!(circuit.state(), State::Open);
    assert_eq!(circuit.snapshot().attempt, 2);
    assert_eq!(circuit.snapshot().last_trip.map(|trip| trip.cause), None);
    let rejected = circuit.try_acquire().expect_err("open");
    assert_eq!(rejected.remaining(), Some(millis(14_500)));
    clock.advance(millis(14_499));
    assert!(circuit.try_acquire().is_err());
    clock.advance(millis(1));
    fails(&circuit);
    assert_eq!(remaining(&circuit), Some(secs(40)), "the third attempt");
    assert_eq!(circuit.snapshot().attempt, 3);
}

// E6: so that whoever restores it need not know what the break was.
#[test]
fn a_half_open_circuit_comes_back_open_with_nothing_remaining() {
    let clock = ManualClock::new();
    let circuit = builder(&clock).build().expect("valid");
    fails(&circuit);
    clock.advance(secs(10));
    let probe = circuit.try_acquire().expect("a probe");
    let line = circuit.save().to_string();
    assert_eq!(line, "v1 open normal remaining=0s open_for=10s attempt=1");
    drop(probe);

    let (circuit, _clock) = restored(&line);
    assert_eq!(
        (circuit.state(), remaining(&circuit)),
        (State::Open, Some(Duration::ZERO))
    );
    let probe = circuit.try_acquire().expect("the first probe");
    assert_eq!(circuit.state(), State::HalfOpen);
    assert!(circuit.try_acquire().is_err());
    probe.success();
    assert_eq!(circuit.state(), State::Closed);
}

// E6, C2: though less than the break remained.
#[test]
fn attempts_are_forgotten_once_closed_has_lasted_as_long_as_the_whole_break() {
    let line = "v1 open normal remaining=1s open_for=20s attempt=2";
    for (closed_for, attempt) in [(secs(20) - Duration::from_nanos(1), 3), (secs(20), 1)] {
        let (circuit, clock) = restored(line);
        clock.advance(secs(1));
        circuit.try_acquire().expect("a probe").success();
        clock.advance(closed_for);
        fails(&circuit);
        assert_eq!(
            circuit.snapshot().attempt,
            attempt,
            "closed for {closed_for:?}"
        );
    }
}

// E6, D4: the longer of the whole break and 30 s.
#[test]
fn half_open_waits_as_long_as_it_would_have() {
    let (circuit, clock) = restored("v1 open normal remaining=0s open_for=80s attempt=4");
    let _probe = circuit.try_acquire().expect("a probe");
    clock.advance(secs(79));
    assert!(circuit.try_acquire().is_err());
    assert_eq!(circuit.state(), State::HalfOpen);
    clock.advance(secs(1));
    assert!(circuit.try_acquire().is_err());
    assert_eq!(circuit.state(), State::Open);
}

// E6: what is not known of the whole break is taken for what remained.
#[test]
fn a_state_from_parts_is_restored_without_the_whole_break() {
    let clock = ManualClock::new();
    let saved = SavedState::open(secs(3), 7);
    let circuit = builder(&clock).restore(saved).build().expect("valid");
    assert_eq!(remaining(&circuit), Some(secs(3)));
    assert_eq!(circuit.save().open_for, Some(secs(3)));
    assert_eq!(circuit.save().attempt, 7);
}

// E6, E2
#[test]
fn forced_open_comes_back_with_the_mode_before_it() {
    for mode in [Mode::Normal, Mode::Shadow, Mode::Disabled] {
        let clock = ManualClock::new();
        let circuit = builder(&clock).mode(mode).build().expect("valid");
        circuit.force_open();
        let (circuit, clock) = restored(&circuit.save().to_string());
        assert_eq!(circuit.mode(), Mode::ForcedOpen);
        clock.advance(secs(1_000_000));
        assert!(circuit.try_acquire().is_err());
        assert!(circuit.release());
        assert_eq!((circuit.state(), circuit.mode()), (State::Closed, mode));
    }
}

// E6, E1: a break in shadow is none that counts, in the next process, too.
#[test]
fn a_break_in_shadow_is_saved_as_one() {
    let clock = ManualClock::new();
    let circuit = builder(&clock).mode(Mode::Shadow).build().expect("valid");
    fails(&circuit);
    clock.advance(secs(3));
    let line = circuit.save().to_string();
    assert_eq!(line, "v1 open shadow remaining=7s open_for=10s attempt=1");
    clock.advance(secs(7));
    let _probe = circuit.try_acquire().expect("a probe");
    let line = circuit.save().to_string();
    assert_eq!(line, "v1 open shadow remaining=0s open_for=10s attempt=1");
}

// E6: though a release forgets it.
#[test]
fn a_circuit_that_is_forced_open_while_open_keeps_its_attempt() {
    let clock = ManualClock::new();
    let circuit = builder(&clock).build().expect("valid");
    fails(&circuit);
    clock.advance(secs(10));
    fails(&circuit);
    circuit.force_open();
    let line = circuit.save().to_string();
    assert_eq!(line, "v1 open forced-open before=normal attempt=2");
}

// E6
#[test]
fn a_closed_circuit_comes_back_in_its_mode() {
    for (mode, line) in [
        (Mode::Normal, "v1 closed normal"),
        (Mode::Shadow, "v1 closed shadow"),
        (Mode::Disabled, "v1 closed disabled"),
    ] {
        let circuit = builder(&ManualClock::new()).mode(mode).build();
        assert_eq!(circuit.expect("valid").save().to_string(), line);
        let (circuit, _clock) = restored(line);
        assert_eq!((circuit.state(), circuit.mode()), (State::Closed, mode));
    }
}

// E6
#[test]
fn a_mode_that_is_said_too_must_be_the_saved_one() {
    let build = |mode| {
        let saved = SavedState::forced_open(Mode::Shadow);
        builder(&ManualClock::new())
            .mode(mode)
            .restore(saved)
            .build()
    };
    assert!(build(Mode::ForcedOpen).is_ok());
    let error = build(Mode::Shadow).expect_err("another mode");
    assert_eq!((error.field(), error.value()), ("mode", "Shadow"));
}

// E6: the time in between counts if its end is told.
#[test]
fn the_time_in_between_is_subtracted_by_whoever_knows_it() {
    let saved = SavedState::open(secs(20), 2);
    assert_eq!(saved.after(secs(7)).remaining, Some(secs(13)));
    assert_eq!(saved.after(secs(21)).remaining, Some(Duration::ZERO));
    assert_eq!(saved.after(secs(7)).attempt, 2);
    assert_eq!(SavedState::closed().after(secs(7)), SavedState::closed());
}

// ---- what is refused ---------------------------------------------------------------------------

// B8, E6
#[test]
fn nonsense_is_refused_when_it_is_read_by_what_is_wrong() {
    let cases = [
        ("", "begins with `v1`"),
        ("v2 closed normal", "begins with `v1`"),
        ("v1", "state is closed or open"),
        ("v1 ajar normal", "state is closed or open"),
        ("v1 closed", "mode is normal"),
        ("v1 closed forced", "mode is normal"),
        (
            "v1 closed normal 5s",
            "before, remaining, open_for and attempt",
        ),
        (
            "v1 closed normal colour=red",
            "before, remaining, open_for and attempt",
        ),
        (
            "v1 open normal remaining=5s attempt=1 attempt=2",
            "nothing twice",
        ),
        ("v1 open normal remaining=5 attempt=1", "times are seconds"),
        (
            "v1 open normal remaining=-5s attempt=1",
            "times are seconds",
        ),
        (
            "v1 open normal remaining=5s open_for=long attempt=1",
            "times are seconds",
        ),
        ("v1 open normal remaining=5s attempt=0", "attempt is 1 to"),
        ("v1 open normal remaining=5s attempt=-1", "attempt is 1 to"),
        (
            "v1 open normal remaining=5s attempt=many",
            "attempt is 1 to",
        ),
        (
            "v1 open normal remaining=5s attempt=99999999999",
            "attempt is 1 to",
        ),
        (
            "v1 open normal remaining=5s attempt=134217728",
            "attempt of 1 to 134217727",
        ),
        ("v1 open normal remaining=5s", "attempt of 1 to 134217727"),
        ("v1 open normal attempt=1", "what remains of the break"),
        (
            "v1 open normal remaining=6s open_for=5s attempt=1",
            "no more remaining than",
        ),
        (
            "v1 open normal remaining=18446744073.709551616s attempt=1",
            "at most 584 years",
        ),
        (
            "v1 open normal before=shadow remaining=5s attempt=1",
            "without a mode before",
        ),
        (
            "v1 open disabled remaining=5s attempt=1",
            "closed where it is disabled",
        ),
        ("v1 half-open normal", "open with nothing remaining"),
        (
            "v1 closed normal remaining=0s",
            "without a break where it is closed",
        ),
        (
            "v1 closed normal open_for=5s",
            "without a break where it is closed",
        ),
        (
            "v1 closed normal attempt=1",
            "without an attempt where it is closed",
        ),
        ("v1 closed normal before=normal", "without a mode before"),
        (
            "v1 closed forced-open before=normal attempt=1",
            "open where it is forced open",
        ),
        ("v1 open forced-open attempt=1", "with the mode before"),
        (
            "v1 open forced-open before=forced-open attempt=1",
            "another mode before",
        ),
        (
            "v1 open forced-open before=normal",
            "attempt of 1 to 134217727",
        ),
        (
            "v1 open forced-open before=normal open_for=5s attempt=1",
            "without a whole break",
        ),
    ];
    for (line, wrong) in cases {
        let error = line.parse::<SavedState>().expect_err(line);
        assert_eq!(error.field(), "restore");
        assert!(error.to_string().contains(wrong), "{line}: {error}");
    }
}

// B8, E6: and what it is about is quoted, on one line.
#[test]
fn the_word_that_is_refused_is_told() {
    for (line, word) in [
        ("", r#""""#),
        ("v2 closed normal", r#""v2""#),
        ("v1 ajar normal", r#""ajar""#),
        ("v1 a\u{1b}jar normal", r#""a\u{1b}jar""#),
        ("v1 closed forced", r#""forced""#),
        ("v1 closed normal colour=red", r#""colour=red""#),
        ("v1 open normal remaining=5", r#""remaining=5""#),
        ("v1 open normal attempt=0", r#""attempt=0""#),
        ("v1 open normal attempt=1 attempt=2", r#""attempt=2""#),
    ] {
        let error = line.parse::<SavedState>().expect_err(line);
        assert_eq!(error.value(), word);
    }
}

// B8, E6: however it came about.
#[test]
fn nonsense_is_refused_when_a_circuit_is_built() {
    let mut half_open = SavedState::open(secs(1), 1);
    half_open.state = State::HalfOpen;
    let mut disabled = SavedState::open(secs(1), 1);
    disabled.mode = Mode::Disabled;
    let mut closed = SavedState::closed();
    closed.remaining = Some(secs(1));
    let nonsense = [
        half_open,
        disabled,
        closed,
        SavedState::open(secs(1), 0),
        SavedState::open(Duration::MAX, 1),
        SavedState::forced_open(Mode::ForcedOpen),
    ];
    for saved in nonsense {
        let built = builder(&ManualClock::new()).restore(saved).build();
        assert_eq!(built.expect_err("nonsense").field(), "restore", "{saved}");
    }
}

// E6: the longest there is, and the most.
#[test]
fn the_extremes_of_a_saved_state_are_restored() {
    let (circuit, _) =
        restored("v1 open normal remaining=18446744073.709551615s attempt=134217727");
    assert_eq!(circuit.snapshot().attempt, 134_217_727);
    assert_eq!(remaining(&circuit), Some(Duration::from_nanos(u64::MAX)));
}

// ---- under a cap -------------------------------------------------------------------------------

/// The second of two circuits of which one may be open, after a failure.
fn second_under_a_cap(first: SavedState, after: Duration) -> State {
    let clock = ManualClock::new();
    let cap = EjectionCap::new(0.5).expect("valid");
    let member = || builder(&clock).ejection_cap(&cap);
    let _first = member().restore(first).build().expect("valid");
    let second = member().build().expect("valid");
    clock.advance(after);
    fails(&second);
    second.state()
}

// E6, G7
#[test]
fn an_open_circuit_takes_its_place_for_as_long_as_its_break_is() {
    let open = SavedState::open(secs(5), 1);
    let just_before = secs(5) - Duration::from_nanos(1);
    assert_eq!(second_under_a_cap(open, just_before), State::Closed);
    assert_eq!(second_under_a_cap(open, secs(5)), State::Open);
    assert_eq!(
        second_under_a_cap(SavedState::closed(), secs(0)),
        State::Open
    );
    let forced = SavedState::forced_open(Mode::Normal);
    assert_eq!(second_under_a_cap(forced, secs(1_000_000)), State::Closed);
    let mut shadow = open;
    shadow.mode = Mode::Shadow;
    assert_eq!(second_under_a_cap(shadow, secs(0)), State::Open);
}

// ---- any history -------------------------------------------------------------------------------

#[derive(Clone, Copy, Debug)]
enum Step {
    Advance(u64),
    Call { fails: bool },
    Abandon,
    Trip(u64),
    ForceOpen,
    ForceOpenFor(u64),
    Release,
    Reset,
    Mode(Mode),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let modes = [Mode::Normal, Mode::Shadow, Mode::Disabled].as_slice();
    let step = prop_oneof![
        3 => (0..30_000_000_000u64).prop_map(Step::Advance),
        1 => (0..30u64).prop_map(|secs| Step::Advance(secs * 1_000_000_000)),
        5 => any::<bool>().prop_map(|fails| Step::Call { fails }),
        1 => Just(Step::Abandon),
        1 => (0..100_000_000_000u64).prop_map(Step::Trip),
        1 => Just(Step::ForceOpen),
        1 => (1..100_000_000_000u64).prop_map(Step::ForceOpenFor),
        1 => Just(Step::Release),
        1 => Just(Step::Reset),
        1 => prop::sample::select(modes).prop_map(Step::Mode),
    ];
    prop::collection::vec(step, 0..40)
}

/// What came of it.
fn take(step: Step, circuit: &Circuit, clock: &ManualClock) -> bool {
    match step {
        Step::Advance(nanos) => {
            clock.advance(Duration::from_nanos(nanos));
            true
        }
        Step::Call { fails } => match circuit.try_acquire() {
            Ok(guard) if fails => {
                guard.failure();
                true
            }
            Ok(guard) => {
                guard.success();
                true
            }
            Err(_) => false,
        },
        Step::Abandon => circuit.try_acquire().is_ok(),
        Step::Trip(nanos) => circuit.trip(Duration::from_nanos(nanos)).is_ok(),
        Step::ForceOpen => circuit.force_open(),
        Step::ForceOpenFor(nanos) => circuit
            .force_open_for(By::default(), Duration::from_nanos(nanos))
            .expect("a time that ends"),
        Step::Release => circuit.release(),
        Step::Reset => {
            circuit.reset();
            true
        }
        Step::Mode(mode) => circuit.set_mode(mode),
    }
}

/// Five digits are exact, and the rest is rounded up.
fn is_rounded_up(restored: Option<Duration>, saved: Option<Duration>) -> bool {
    match (restored, saved) {
        (Some(restored), Some(saved)) => restored >= saved && restored - saved <= saved / 25_000,
        (restored, saved) => restored == saved,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    // E6
    #[test]
    fn whatever_has_happened_is_restored(before in steps(), after in steps()) {
        let clock = ManualClock::new();
        let circuit = builder(&clock).build().expect("valid");
        for step in before {
            take(step, &circuit, &clock);
        }
        let saved = circuit.save();
        let line = saved.to_string();
        prop_assert_eq!(line.parse::<SavedState>(), Ok(saved));
        let (second, time) = restored(&line);
        let (old, new) = (circuit.snapshot(), second.snapshot());
        prop_assert_eq!((old.mode, old.attempt), (new.mode, new.attempt));
        match old.state {
            State::HalfOpen => prop_assert_eq!((new.state, new.remaining), (State::Open, Some(Duration::ZERO))),
            state => {
                prop_assert_eq!(new.state, state);
                prop_assert!(is_rounded_up(new.remaining, old.remaining));
            }
        }
        let again = second.save();
        prop_assert!(is_rounded_up(again.remaining, saved.remaining));
        prop_assert!(again.open_for >= saved.open_for);

        // What is not saved, and what is rounded: the instants at which breaks end.
        match old.state {
            State::Closed => circuit.reset(),
            State::Open if new.remaining != old.remaining => return Ok(()),
            State::Open => {}
            // Whether it was half-open or is about to be is told by a trip from outside, until it is decided.
            State::HalfOpen => {
                for circuit in [&circuit, &second] {
                    fails(circuit);
                }
            }
        }
        for step in after {
            prop_assert_eq!(take(step, &circuit, &clock), take(step, &second, &time), "{:?}", step);
            let (old, new) = (circuit.snapshot(), second.snapshot());
            prop_assert_eq!((old.mode, old.state, old.attempt), (new.mode, new.state, new.attempt), "{:?}", step);
            prop_assert_eq!(old.remaining, new.remaining, "{:?}", step);
        }
    }
}
