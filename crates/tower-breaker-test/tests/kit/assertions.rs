//! Assertions: when they pass, and what they say when they do not.

use std::{convert::Infallible, error::Error, io};

use http::Response;
use tower_breaker::{Circuit, CircuitError, Rejected, State};
use tower_breaker_test::{
    Recorder, assert_called, assert_closed, assert_half_open, assert_not_called,
    assert_not_rejected, assert_open, assert_rejected, assert_transitions, circuits,
};

use crate::support::{fail, panic_of, reviews, secs};

#[test]
fn each_state_is_asserted_by_its_name() {
    let (closed, open, half_open) = (
        circuits::closed(reviews()),
        circuits::open(reviews()),
        circuits::half_open(reviews()),
    );
    assert_closed(&closed);
    assert_open(&open);
    assert_half_open(&half_open);
    for wrong in [&open, &half_open] {
        panic_of(|| assert_closed(wrong));
    }
    for wrong in [&closed, &half_open] {
        panic_of(|| assert_open(wrong));
    }
    for wrong in [&closed, &open] {
        panic_of(|| assert_half_open(wrong));
    }
}

#[test]
fn a_failed_assertion_says_what_was_expected_what_is_and_what_happened() {
    let test = circuits::closed(reviews());
    test.advance(secs(2));
    fail(&test.circuit, 3);
    assert_eq!(
        panic_of(|| assert_closed(&test)),
        "circuit `reviews`\n\
         expected: closed\n\
         found:    open\n\
         now:      reviews: open for 0 ms, next probe in 5 s; opened: 3 consecutive failures\n\
         what happened:\n    \
         +0.000s begins closed\n    \
         +2.000s closed → open (3 consecutive failures)",
    );
}

#[test]
fn transitions_are_those_since_the_beginning() {
    let test = circuits::open(reviews());
    assert_transitions(&test, &[]);
    test.end_break();
    test.circuit.try_acquire().expect("a probe").success();
    assert_transitions(&test, &[State::HalfOpen, State::Closed]);

    let told = panic_of(|| assert_transitions(&test, &[State::HalfOpen, State::Open]));
    assert!(
        told.contains("expected: open → half-open → open\nfound:    open → half-open → closed\n"),
        "{told}"
    );
    let told = panic_of(|| assert_transitions(&test, &[]));
    assert!(
        told.contains("expected: open, and no transition\n"),
        "{told}"
    );
}

#[test]
fn transitions_are_known_where_only_calls_are_cut_off() {
    let circuit = reviews().build().expect("valid");
    let recorder = Recorder::builder().calls().keep(8).record(&circuit);
    for _ in 0..100 {
        circuit.try_acquire().expect("closed").success();
    }
    assert_transitions(&recorder, &[]);
    fail(&circuit, 3);
    assert_transitions(&recorder, &[State::Open]);
    let transcript = recorder.transcript();
    assert_eq!(
        (transcript.cut_off(), transcript.transitions_cut_off()),
        (199, 0)
    );
    for _ in 0..8 {
        assert!(circuit.try_acquire().is_err());
    }
    assert_eq!(recorder.transcript().transitions_cut_off(), 1);
    panic_of(|| assert_transitions(&recorder, &[State::Open]));
}

#[test]
fn transitions_are_not_known_where_one_is_cut_off() {
    let circuit = reviews().build().expect("valid");
    let recorder = Recorder::builder().keep(1).record(&circuit);
    circuit.trip(secs(1)).expect("normal");
    assert_transitions(&recorder, &[State::Open]);
    circuit.reset();
    let told = panic_of(|| assert_transitions(&recorder, &[State::Closed]));
    assert!(
        told.contains("found:    not known: transitions are cut off"),
        "{told}"
    );
}

#[test]
fn a_rejection_is_found_in_whatever_a_call_ends_with() {
    let test = circuits::open(reviews());
    let rejected = || test.circuit.try_acquire().expect_err("open");
    let boxed = || -> Box<dyn Error + Send + Sync> { rejected().into() };
    let marked = || rejected().mark_response(Response::new(()));

    assert_rejected(&test, &test.circuit.try_acquire());
    assert_rejected(&test, &rejected());
    assert_rejected(&test, &CircuitError::<io::Error>::from(rejected()));
    assert_rejected(
        &test,
        &Err::<(), _>(CircuitError::<io::Error>::from(rejected())),
    );
    assert_rejected(&test, &boxed());
    assert_rejected(&test, &marked());
    assert_rejected(&test, &marked().extensions().get::<Rejected>());
    assert_rejected(&test, &Ok::<_, Infallible>(marked()));
    assert_rejected(&test, &Ok::<_, Box<dyn Error + Send + Sync>>(marked()));
    assert_rejected(&test, &Err::<Response<()>, _>(boxed()));
    let told = panic_of(|| assert_not_rejected(&test, &boxed()));
    assert!(
        told.contains("expected: no rejection\nfound:    one: circuit `reviews` is open"),
        "{told}"
    );
}

#[test]
fn an_answer_that_is_none_is_not_taken_for_a_rejection() {
    let test = circuits::closed(reviews());
    let failed: Box<dyn Error + Send + Sync> = "no route".into();
    assert_not_rejected(&test, &Response::new(()));
    assert_not_rejected(&test, &Ok::<(), Rejected>(()));
    assert_not_rejected(&test, &Err::<(), _>(CircuitError::Inner("no route")));
    assert_not_rejected(&test, &failed);
    let told = panic_of(|| assert_rejected(&test, &failed));
    assert!(
        told.contains("expected: a rejection\nfound:    an answer that is none\n"),
        "{told}"
    );
}

#[test]
fn a_rejection_of_another_circuit_is_none_of_this_one() {
    let outer = circuits::closed(reviews());
    let inner = circuits::open(Circuit::builder("books"));
    let rejected = inner.circuit.try_acquire().expect_err("open");
    let response = rejected.clone().mark_response(Response::new(()));

    let told = panic_of(|| assert_rejected(&outer, &rejected));
    assert!(
        told.contains("found:    one of another circuit: circuit `books` is open: by hand\n"),
        "{told}"
    );
    panic_of(|| assert_rejected(&outer, &response));
    assert_not_rejected(&outer, &response);
    assert_rejected(&inner, &response);
    panic_of(|| assert_not_rejected(&inner, &response));
}

// Such as that of a fallback, or one that came over a network.
#[test]
fn of_an_answer_without_a_mark_it_is_told_that_calls_were_rejected() {
    let test = circuits::open(reviews());
    for told_so in ["1 call\n", "2 calls\n"] {
        assert!(test.circuit.try_acquire().is_err());
        let told = panic_of(|| assert_rejected(&test, &Response::new(())));
        let told_so = format!("an answer that is none, though the circuit rejected {told_so}");
        assert!(told.contains(&told_so), "{told}");
    }
}

#[test]
fn calls_are_those_that_were_admitted() {
    let test = circuits::open(reviews());
    assert!(test.circuit.try_acquire().is_err());
    assert_not_called(&test);
    test.end_break();
    test.circuit.try_acquire().expect("a probe").success();
    assert_called(&test, 1);
    let told = panic_of(|| assert_not_called(&test));
    assert!(
        told.contains("expected: 0 calls admitted\nfound:    1 admitted, 1 rejected\n"),
        "{told}"
    );
    test.circuit.try_acquire().expect("closed").success();
    let told = panic_of(|| assert_called(&test, 1));
    assert!(told.contains("expected: 1 call admitted\n"), "{told}");
}

// README and the front page show this text.
#[test]
fn the_text_of_the_front_page_is_what_a_failed_assertion_says() {
    let test = circuits::open(Circuit::builder("books").open_for(secs(30)));
    test.end_break();
    fail(&test.circuit, 1);
    let told = panic_of(|| assert_transitions(&test, &[State::HalfOpen, State::Closed]));
    let page = include_str!("../../README.md").split("```text\n").nth(1);
    let page = page.and_then(|rest| rest.split("\n```").next());
    assert_eq!(Some(told.as_str()), page);
    let front = include_str!("../../src/lib.rs");
    for line in told.lines() {
        assert!(front.contains(&format!("\n//! {line}\n")), "{line}");
    }
}
