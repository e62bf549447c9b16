//! Forced open for a time (rules E1, E2, C5, E6): how it ends by itself, and what a person does meanwhile.

use std::time::Duration;

use crate::support::{Fixture, NANO, fragile, secs};
use tower_breaker::{
    By, Cause, Circuit, EjectionCap, Mode, Outcome, Reason, SavedState, State, clock::ManualClock,
};

const MINUTE: Duration = Duration::from_secs(60);

/// Whether that was a change.
fn force(circuit: &Circuit, at_most: Duration) -> bool {
    circuit
        .force_open_for(By::default(), at_most)
        .expect("a time that ends")
}

fn forced(fixture: &Fixture, at_most: Duration) {
    assert!(force(&fixture.circuit, at_most));
    fixture.told();
}

// ---- how it ends -------------------------------------------------------------------------------

// E2, C5: at exactly its end the next call finds the circuit closed. Until then it reads as it was.
#[test]
fn the_next_call_after_its_time_finds_the_circuit_closed() {
    let circuit = fragile(|c| c);
    assert!(force(&circuit.circuit, MINUTE));
    circuit.tells(&["closed -> open (normal -> forced open): by hand, open for 60s"]);
    for remaining in [MINUTE, secs(59), NANO] {
        circuit.wait(circuit.remaining() - remaining);
        let rejected = circuit.reject();
        assert_eq!(rejected.reason(), Reason::ForcedOpen);
        assert_eq!(
            (rejected.remaining(), rejected.cause()),
            (Some(remaining), None)
        );
        assert_eq!(circuit.remaining(), remaining);
    }
    circuit.wait(NANO);
    for wait in [Duration::ZERO, 60 * MINUTE] {
        circuit.wait(wait);
        circuit.is(State::Open);
        assert_eq!(circuit.circuit.mode(), Mode::ForcedOpen);
        assert_eq!(circuit.remaining(), Duration::ZERO);
    }
    circuit.tells_nothing();
    circuit.play("s");
    circuit.tells(&[
        "open -> closed (forced open -> normal): the time is over for which it was forced open",
    ]);
    circuit.is(State::Closed);
    let totals = circuit.totals();
    assert_eq!((totals.successful, totals.rejected), (1, 3));
    assert_eq!((totals.rejected_by.forced_open, totals.trips), (3, 1));
}

// E2, E1: closed and cleared, in the mode before; and that call is the first of it.
#[test]
fn it_ends_in_the_mode_before() {
    for mode in [Mode::Normal, Mode::Shadow, Mode::Disabled] {
        let circuit = Fixture::new(|c| c.consecutive_failures(2).count_window(10).mode(mode));
        circuit.play("f");
        forced(&circuit, MINUTE);
        circuit.wait(MINUTE);
        circuit.play("f");
        let told = circuit.told();
        let told: Vec<_> = told
            .iter()
            .map(|it| (it.mode_before, it.mode, it.cause))
            .collect();
        assert_eq!(told, [(Mode::ForcedOpen, mode, Cause::ForceExpired)]);
        let decides = mode != Mode::Disabled;
        assert_eq!(circuit.look().consecutive_failures, u64::from(decides));
        assert_eq!(circuit.window().0, u64::from(decides));
        circuit.play("f");
        let (state, shadowed) = (circuit.circuit.state(), mode == Mode::Shadow);
        assert_eq!(state, if decides { State::Open } else { State::Closed });
        assert_eq!(circuit.circuit.try_acquire().is_ok(), !decides || shadowed);
    }
}

// E2, A1: a success of the call that ends it is no success of a circuit that decides nothing.
#[test]
fn what_disabled_admits_then_enters_no_window() {
    let circuit = fragile(|c| {
        let timed = c.time_window(secs(10)).slow_call_duration(secs(1));
        timed.mode(Mode::Disabled)
    });
    forced(&circuit, MINUTE);
    circuit.wait(MINUTE);
    circuit.play("s");
    assert_eq!(circuit.circuit.mode(), Mode::Disabled);
    assert_eq!(circuit.window(), (0, 0, 0));
}

// C4: a call from before is stale, and no result of it disturbs what came after.
#[test]
fn a_call_from_before_changes_nothing() {
    let circuit = fragile(|c| c);
    let old = circuit.admit();
    forced(&circuit, MINUTE);
    circuit.wait(MINUTE);
    circuit.play("s");
    circuit.told();
    old.finish(Outcome::TripNow);
    circuit.tells_nothing();
    assert_eq!(circuit.totals().stale, 1);
}

// C2: by then the attempts before do not count.
#[test]
fn it_forgets_the_attempts() {
    let circuit = fragile(|c| c);
    circuit.play("f");
    circuit.wait_out();
    circuit.play("f");
    assert_eq!(circuit.look().attempt, 2);
    forced(&circuit, MINUTE);
    assert_eq!(circuit.look().attempt, 2);
    circuit.wait(MINUTE);
    circuit.play("f");
    assert_eq!(circuit.look().attempt, 1);
}

// E2: five digits are exact, and what has more is never shorter.
#[test]
fn its_time_is_kept() {
    let circuit = fragile(|c| c);
    for millis in [1, 26_214, 99_999, 26_214_300, 99_999_000] {
        let time = Duration::from_millis(millis);
        assert!(force(&circuit.circuit, time));
        assert_eq!(circuit.remaining(), time);
        circuit.circuit.release();
    }
    let odd = Duration::from_nanos(86_399_999_999_999);
    assert!(force(&circuit.circuit, odd));
    let longer = circuit.remaining() - odd;
    assert!(longer <= odd / 25_000, "{longer:?}");
}

// C3: it is spread as a break is.
#[test]
fn what_a_rejection_tells_of_it_can_be_spread() {
    let circuit = fragile(|c| c.spread_retry_after(0.5));
    forced(&circuit, MINUTE);
    let told = [(); 100].map(|()| circuit.reject().remaining().expect("it ends"));
    assert!(
        told.iter()
            .all(|time| (MINUTE..=MINUTE + MINUTE / 2).contains(time))
    );
    assert!(told.iter().any(|time| *time > MINUTE + MINUTE / 4));
    circuit.circuit.force_open();
    assert_eq!(circuit.reject().remaining(), None);
}

// ---- what a person does meanwhile --------------------------------------------------------------

// E2
#[test]
fn a_person_ends_it_before_its_time() {
    let ends: [fn(&Circuit); 4] = [
        |circuit| assert!(circuit.release()),
        |circuit| circuit.reset(),
        |circuit| assert!(circuit.set_mode(Mode::Shadow)),
        |circuit| assert!(circuit.set_mode(Mode::Disabled)),
    ];
    for end in ends {
        let circuit = fragile(|c| c);
        forced(&circuit, MINUTE);
        end(&circuit.circuit);
        let told = circuit.told();
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].cause, told[0].open_for), (Cause::Manual, None));
        circuit.wait(MINUTE);
        circuit.play("s");
        circuit.tells_nothing();
        assert_eq!(circuit.look().remaining, None);
    }
}

// E2: also once its time is over, and nobody has noticed.
#[test]
fn a_release_after_its_time_is_a_release() {
    let circuit = fragile(|c| c.mode(Mode::Shadow));
    forced(&circuit, MINUTE);
    circuit.wait(2 * MINUTE);
    assert!(circuit.circuit.release());
    circuit.tells(&["open -> closed (forced open -> shadow): by hand"]);
    assert!(!circuit.circuit.release());
}

// E2: each begins its time anew, from then on, whatever was said before, and the mode before stays.
#[test]
fn it_can_be_forced_again() {
    for (first, second) in [
        (Some(MINUTE), Some(3 * MINUTE)),
        (Some(3 * MINUTE), Some(MINUTE)),
        (Some(MINUTE), Some(MINUTE)),
        (Some(MINUTE), None),
        (None, Some(MINUTE)),
    ] {
        let circuit = fragile(|c| c.mode(Mode::Shadow));
        let force = |at_most| match at_most {
            Some(at_most) => force(&circuit.circuit, at_most),
            None => circuit.circuit.force_open(),
        };
        assert!(force(first));
        circuit.wait(secs(30));
        let era = circuit.look().era;
        assert!(force(second), "{first:?}, then {second:?}");
        assert_eq!(
            (circuit.look().era, circuit.look().remaining),
            (era + 1, second)
        );
        // Nothing has passed since: that is what holds already.
        assert!(!force(second));
        let told = circuit.told();
        assert_eq!(told.len(), 2);
        assert_eq!((told[1].from, told[1].to), (State::Open, State::Open));
        assert_eq!(
            (told[1].mode_before, told[1].mode),
            (Mode::ForcedOpen, Mode::ForcedOpen)
        );
        assert_eq!(told[1].open_for, second);
        circuit.wait(secs(1_000_000));
        assert_eq!(circuit.circuit.try_acquire().is_ok(), second.is_some());
        circuit.circuit.release();
        assert_eq!(circuit.circuit.mode(), Mode::Shadow);
    }
}

// E2: and the mode of a circuit that is forced open is forced open.
#[test]
fn to_set_the_mode_makes_it_last() {
    let circuit = fragile(|c| c);
    forced(&circuit, MINUTE);
    assert!(circuit.circuit.set_mode(Mode::ForcedOpen));
    assert!(!circuit.circuit.set_mode(Mode::ForcedOpen));
    circuit.wait(MINUTE);
    circuit.play("x");
}

// E2
#[test]
fn a_trip_is_refused_until_it_has_ended() {
    let circuit = fragile(|c| c);
    forced(&circuit, MINUTE);
    circuit.wait(MINUTE);
    let refused = circuit.circuit.trip(secs(1)).expect_err("forced open");
    assert_eq!(refused.mode(), Mode::ForcedOpen);
    circuit.play("s");
    circuit.circuit.trip(secs(1)).expect("normal mode");
}

// B8: nothing is clamped, and nothing changed.
#[test]
fn a_time_that_makes_no_sense_is_refused() {
    let circuit = fragile(|c| c);
    for nonsense in [
        Duration::ZERO,
        Duration::from_nanos(u64::MAX) + NANO,
        Duration::MAX,
    ] {
        let refused = circuit.circuit.force_open_for(By::default(), nonsense);
        let error = refused.expect_err("nonsense");
        assert_eq!(
            (error.circuit(), error.field()),
            (Some("payments"), "force_open_for")
        );
        assert_eq!(error.value(), format!("{nonsense:?}"));
        assert_eq!(error.allowed(), "a time above zero, of at most 584 years");
    }
    circuit.tells_nothing();
    assert_eq!(circuit.circuit.mode(), Mode::Normal);
    assert!(force(&circuit.circuit, Duration::from_nanos(u64::MAX)));
    circuit.wait(secs(1_000_000_000));
    circuit.play("x");
    assert!(force(&circuit.circuit, NANO));
    circuit.wait(NANO);
    circuit.play("s");
}

// ---- what is told of it ------------------------------------------------------------------------

// C5, E4
#[test]
fn a_line_tells_for_how_long() {
    let circuit = fragile(|c| c);
    let lines = || -> Vec<String> {
        let told = circuit.told();
        told.iter()
            .map(|it| it.describe("payments").to_string())
            .collect()
    };
    force(&circuit.circuit, MINUTE);
    circuit.wait(secs(15));
    let looked = circuit.look().to_string();
    assert_eq!(looked, "payments: forced open for 15 s, 45 s remaining");
    force(&circuit.circuit, MINUTE);
    circuit.wait(MINUTE);
    let looked = circuit.look().to_string();
    assert_eq!(
        looked,
        "payments: forced open for 60 s, the next call closes it; the outage began 75 s ago: by hand"
    );
    circuit.play("s");
    assert_eq!(
        lines(),
        [
            "circuit `payments` is forced open: by hand, for 60 s",
            "circuit `payments` is forced open: by hand, for 60 s",
            "circuit `payments` is back to normal: the time is over for which it was forced open",
        ]
    );
}

// ---- saved and restored ------------------------------------------------------------------------

fn restored(line: &str) -> (Circuit, ManualClock) {
    let clock = ManualClock::new();
    let builder = Circuit::builder("payments").clock(clock.clone());
    let saved = line.parse().expect("a saved state");
    (builder.restore(saved).build().expect("valid"), clock)
}

// E6, E2
#[test]
fn what_remains_of_it_is_saved() {
    for mode in [Mode::Normal, Mode::Shadow, Mode::Disabled] {
        let circuit = fragile(|c| c.mode(mode));
        forced(&circuit, MINUTE);
        circuit.wait(secs(15));
        let saved = circuit.circuit.save();
        let line = saved.to_string();
        let before = format!("before={mode} remaining=45s attempt=1");
        assert_eq!(line, format!("v1 open forced-open {before}"));
        assert_eq!(line.parse(), Ok(saved));
        let later = saved.after(secs(40)).to_string();
        for (line, remaining) in [(line, secs(45)), (later, secs(5))] {
            let (circuit, clock) = restored(&line);
            assert_eq!(circuit.mode(), Mode::ForcedOpen);
            clock.advance(remaining - NANO);
            assert!(circuit.try_acquire().is_err());
            clock.advance(NANO);
            circuit.try_acquire().expect("over").success();
            assert_eq!((circuit.state(), circuit.mode()), (State::Closed, mode));
        }
    }
}

// E6: what is over by then, is; and a line of an older release says nothing of an end.
#[test]
fn what_was_over_ends_with_the_next_call_after_it_is_restored() {
    for after in [MINUTE, 60 * MINUTE] {
        let circuit = fragile(|c| c);
        forced(&circuit, MINUTE);
        let line = circuit.circuit.save().after(after).to_string();
        let (circuit, _) = restored(&line);
        assert_eq!(circuit.mode(), Mode::ForcedOpen);
        assert!(circuit.try_acquire().is_ok());
        assert_eq!(circuit.mode(), Mode::Normal);
    }
    let (circuit, clock) = restored("v1 open forced-open before=normal attempt=1");
    clock.advance(secs(1_000_000));
    assert!(circuit.try_acquire().is_err());
    assert_eq!(circuit.save().remaining, None);
}

// E6, B8
#[test]
fn a_saved_time_that_makes_no_sense_is_refused() {
    let longest = "v1 open forced-open before=normal remaining=18446744073.709551615s attempt=1";
    assert!(longest.parse::<SavedState>().is_ok());
    let mut saved = SavedState::forced_open(Mode::Normal);
    saved.remaining = Some(Duration::MAX);
    let refused = Circuit::builder("payments").restore(saved).build();
    let error = refused.expect_err("too long");
    assert!(error.to_string().contains("at most 584 years"), "{error}");
    saved.remaining = Some(secs(5));
    saved.open_for = Some(secs(5));
    let refused = Circuit::builder("payments").restore(saved).build();
    let error = refused.expect_err("no break");
    assert!(
        error.to_string().contains("without a whole break"),
        "{error}"
    );
}

// ---- under a cap -------------------------------------------------------------------------------

// G7, E2: held until it ends; from then on, whoever needs it takes it over, or gets it back.
#[test]
fn its_place_is_held_until_its_end() {
    let clock = ManualClock::new();
    let cap = EjectionCap::new(0.5).expect("valid");
    let member = || {
        let builder = Circuit::builder("member")
            .consecutive_failures(1)
            .open_for(secs(5));
        let member = builder.clock(clock.clone()).ejection_cap(&cap).build();
        member.expect("valid")
    };
    let (one, other) = (member(), member());
    let fails = |circuit: &Circuit| circuit.try_acquire().expect("admitted").failure();
    for noticed in [true, false] {
        assert!(force(&one, MINUTE));
        clock.advance(MINUTE - NANO);
        fails(&other);
        assert_eq!(other.state(), State::Closed, "vetoed");
        clock.advance(NANO);
        if noticed {
            one.try_acquire().expect("over").success();
        }
        fails(&other);
        assert_eq!(other.state(), State::Open);
        other.reset();
        one.reset();
        // Nothing is left of it.
        fails(&one);
        assert_eq!(one.state(), State::Open);
        one.reset();
    }
}
