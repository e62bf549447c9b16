//! Circuits that begin in a state.

use std::time::Duration;

use http::{Request, Response};
use tower::{Layer, service_fn};
use tower_breaker::{
    AbandonedPolicy, By, Circuit, Jitter, Mode, OpenFor, Reason, State,
    classify::is_rejection,
    observe::{ShortLivedCircuits, short_lived_circuits},
};
use tower_breaker_test::{TestCircuit, circuits};

use crate::support::{fail, panic_of, reviews, secs};

#[test]
fn a_closed_circuit_is_moved_by_its_clock_alone() {
    let test = circuits::closed(reviews());
    fail(&test.circuit, 3);
    assert_eq!(test.circuit.state(), State::Open);
    test.advance(Duration::from_nanos(4_999_999_999));
    assert!(test.circuit.try_acquire().is_err());
    test.advance(Duration::from_nanos(1));
    test.circuit.try_acquire().expect("a probe").success();
    assert_eq!(test.circuit.state(), State::Closed);
}

#[test]
fn an_open_circuit_has_all_of_its_first_break_before_it() {
    let jittered = OpenFor::exponential(secs(7), 2.0, secs(60)).jitter(Jitter::Full);
    let test = circuits::open(reviews().open_for(jittered));
    let seen = test.circuit.snapshot();
    assert_eq!(
        (seen.state, seen.remaining, seen.attempt),
        (State::Open, Some(secs(7)), 1)
    );
    assert_eq!(
        test.circuit.try_acquire().expect_err("open").reason(),
        Reason::Open
    );
}

#[test]
fn of_a_function_an_open_circuit_has_the_break_of_the_first_attempt() {
    let by_attempt = OpenFor::from_fn(|attempt| secs(7) * attempt).jitter(Jitter::Full);
    let nothing = OpenFor::from_fn(|_| Duration::ZERO);
    let panics = OpenFor::from_fn(|_| panic!("no time"));
    for (open_for, first) in [(by_attempt, 7), (nothing, 0), (panics, 30)] {
        let test = circuits::open(reviews().open_for(open_for));
        assert_eq!(test.circuit.state(), State::Open);
        assert_eq!(test.end_break(), secs(first));
        test.circuit.try_acquire().expect("a probe").success();
    }
}

#[test]
fn listeners_hear_who_opened_it() {
    let test = circuits::open(reviews().event_log(4));
    let events = test.circuit.recent_events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].by.get_who(), Some(circuits::WHO));
}

#[test]
fn a_circuit_that_was_restored_open_opens_for_the_first_time() {
    let growing = OpenFor::exponential(secs(7), 2.0, secs(60));
    for (saved, mode) in [
        (
            "v1 open normal remaining=3s open_for=28s attempt=3",
            Mode::Normal,
        ),
        (
            "v1 open normal remaining=0s open_for=28s attempt=3",
            Mode::Normal,
        ),
        (
            "v1 open shadow remaining=3s open_for=28s attempt=3",
            Mode::Shadow,
        ),
        ("v1 closed normal", Mode::Normal),
    ] {
        let saved = saved.parse().expect("a saved state");
        let test = circuits::open(
            reviews()
                .open_for(growing.clone())
                .mode(mode)
                .restore(saved),
        );
        let seen = test.circuit.snapshot();
        assert_eq!(
            (seen.state, seen.mode, seen.attempt),
            (State::Open, mode, 1)
        );
        assert_eq!(test.end_break(), secs(7));
        test.circuit.try_acquire().expect("a probe").failure();
        assert_eq!(test.end_break(), secs(14), "the second");
    }
    let saved = "v1 open forced-open before=normal remaining=3s attempt=3";
    let forced = reviews()
        .mode(Mode::ForcedOpen)
        .restore(saved.parse().expect("one"));
    let told = panic_of(|| circuits::open(forced));
    assert!(
        told.starts_with("the circuit cannot begin open: "),
        "{told}"
    );
}

#[test]
fn the_end_of_a_forced_time_closes_it() {
    let test = circuits::closed(reviews());
    let forced = test.circuit.force_open_for(By::unknown(), secs(7));
    assert!(forced.expect("a time"));
    assert_eq!(test.end_break(), secs(7));
    assert_eq!(test.circuit.state(), State::Open, "nobody has called yet");
    test.circuit
        .try_acquire()
        .expect("an ordinary call")
        .failure();
    assert_eq!(test.circuit.state(), State::Closed);
}

#[test]
fn the_end_of_a_break_lets_a_probe_through() {
    let test = circuits::open(reviews());
    assert_eq!(test.end_break(), secs(5));
    assert_eq!(test.circuit.state(), State::Open, "nobody has called yet");
    test.circuit.try_acquire().expect("a probe").success();
    assert_eq!(test.circuit.state(), State::Closed);
    assert_eq!(test.end_break(), Duration::ZERO, "there is no break to end");
}

#[test]
fn no_break_of_a_circuit_that_is_forced_open_for_ever_ends() {
    let test = circuits::closed(reviews());
    test.circuit.force_open();
    assert_eq!(test.end_break(), Duration::ZERO);
    assert!(test.circuit.try_acquire().is_err());
}

#[test]
fn a_half_open_circuit_has_all_permits_and_no_result_yet() {
    for abandoned in [AbandonedPolicy::Ignore, AbandonedPolicy::Failure] {
        let test = circuits::half_open(reviews().permits(2).probes(2, 2).abandoned(abandoned));
        assert_eq!(test.circuit.state(), State::HalfOpen);
        let first = test.circuit.try_acquire().expect("the first permit");
        let second = test.circuit.try_acquire().expect("the second");
        let third = test.circuit.try_acquire().expect_err("there are two");
        assert_eq!(third.reason(), Reason::HalfOpenFull);
        first.success();
        assert_eq!(
            test.circuit.state(),
            State::HalfOpen,
            "two successes are needed"
        );
        second.success();
        assert_eq!(test.circuit.state(), State::Closed);
    }
}

#[test]
fn breaks_with_jitter_are_the_same_in_each_run() {
    let breaks = || {
        let open_for = OpenFor::constant(secs(60)).jitter(Jitter::Full);
        let test = circuits::half_open(reviews().open_for(open_for));
        [(); 5].map(|()| {
            test.circuit.try_acquire().expect("a probe").failure();
            test.end_break()
        })
    };
    assert_eq!(breaks(), breaks());
}

#[test]
fn settings_that_make_no_sense_are_told_with_the_line_of_the_test() {
    let wrong = || Circuit::builder("reviews").consecutive_failures(0);
    let told = panic_of(|| circuits::open(wrong()));
    assert!(
        told.starts_with("no circuit can be built: circuit `reviews`: `consecutive_failures` is 0"),
        "{told}"
    );
    let error = TestCircuit::try_from(wrong()).expect_err("refused");
    assert_eq!(error.field(), "consecutive_failures");
}

#[test]
fn a_circuit_is_built_at_the_line_of_the_test() {
    let first = line!();
    let builds: [&dyn Fn() -> TestCircuit; 4] = [
        &|| circuits::closed(reviews()),
        &|| circuits::open(reviews()),
        // It has had its call already.
        &|| circuits::half_open(reviews()),
        &|| TestCircuit::try_from(reviews()).expect("valid"),
    ];
    let lines = first..line!();
    for build in builds {
        let test = build();
        if test.circuit.state() != State::HalfOpen {
            drop(test.circuit.try_acquire());
        }
    }
    let places = short_lived_circuits();
    let here = |place: &&ShortLivedCircuits| {
        place.built_at.file() == file!() && lines.contains(&place.built_at.line())
    };
    assert_eq!(places.iter().filter(here).count(), 4, "{places:?}");
    let kit = |place: &ShortLivedCircuits| place.built_at.file().ends_with("src/circuits.rs");
    assert!(!places.iter().any(kit), "{places:?}");
}

#[test]
fn a_circuit_that_is_disabled_cannot_begin_open() {
    let told = panic_of(|| circuits::open(reviews().mode(Mode::Disabled)));
    assert!(
        told.starts_with("the circuit cannot begin open: "),
        "{told}"
    );
}

#[tokio::test]
async fn its_layer_has_this_circuit() {
    let test = circuits::open(reviews());
    let service = test.layer().layer(service_fn(async |_: Request<()>| {
        Ok::<_, std::convert::Infallible>(Response::new(String::new()))
    }));
    let Ok(response) = service.oneshot(Request::new(())).await;
    assert!(is_rejection(&response));
}
