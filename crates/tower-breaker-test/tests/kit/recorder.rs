//! What is recorded, and how it reads.

use std::{
    cell::RefCell,
    panic,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::time::Instant;
use tower_breaker::{
    AbandonedPolicy, By, Circuit, EjectionCap, Mode, OwnedGuard, State, clock::ManualClock,
};
use tower_breaker_test::{Call, Recorded, Recorder, circuits};

use crate::support::{fail, reviews, secs};

/// Open after 1.5 seconds, half-open after 6.5, closed.
fn story(test: &circuits::TestCircuit) {
    test.advance(Duration::from_millis(1_500));
    fail(&test.circuit, 3);
    test.end_break();
    test.circuit.try_acquire().expect("a probe").success();
}

fn lines(test: &circuits::TestCircuit) -> Vec<String> {
    let transcript = test.recorder.transcript();
    transcript
        .entries()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn transitions_read_as_a_story() {
    let test = circuits::closed(reviews());
    story(&test);
    assert_eq!(
        test.recorder.transcript().to_string(),
        "+0.000s begins closed\n\
         +1.500s closed → open (3 consecutive failures)\n\
         +6.500s open → half-open (the wait is over, the next call is a probe)\n\
         +6.500s half-open → closed (the probes succeeded)",
    );
}

#[test]
fn what_the_kit_does_first_is_not_in_the_transcript() {
    let test = circuits::half_open(reviews());
    assert_eq!(
        test.recorder.transcript().to_string(),
        "+5.000s begins half-open"
    );
    assert_eq!((test.recorder.admitted(), test.recorder.rejected()), (0, 0));
}

#[test]
fn who_has_done_it_and_why_is_told() {
    let test = circuits::closed(reviews());
    test.circuit.force_open_as(By::who("ops").because("INC-1"));
    test.circuit
        .reconfigure(|settings| settings.set_consecutive_failures(4))
        .expect("allowed");
    let lines = lines(&test);
    assert_eq!(
        lines[0],
        "+0.000s closed → open (by hand; mode normal → forced open; by ops: INC-1)"
    );
    assert_eq!(
        lines[1],
        "+0.000s circuit `reviews`: `consecutive_failures` 3 -> 4"
    );
}

#[test]
fn calls_are_recorded_if_asked() {
    let test = circuits::closed(reviews().consecutive_failures(1)).recording_calls();
    let slow = test.circuit.try_acquire().expect("closed");
    test.advance(Duration::from_millis(20));
    test.circuit.try_acquire().expect("closed").failure();
    slow.success();
    assert!(test.circuit.try_acquire().is_err());
    test.end_break();
    test.circuit.try_acquire().expect("a probe").success();
    assert_eq!(
        test.recorder.transcript().to_string(),
        "+0.000s begins closed\n\
         +0.000s     call admitted\n\
         +0.020s     call admitted\n\
         +0.020s closed → open (1 failure)\n\
         +0.020s     call ended: failure after 0ns\n\
         +0.020s     call ended: success after 20ms, stale: it counts no more\n\
         +0.020s     call rejected (open)\n\
         +5.020s open → half-open (the wait is over, the next call is a probe)\n\
         +5.020s     probe admitted\n\
         +5.020s half-open → closed (the probes succeeded)\n\
         +5.020s     probe ended: success after 0ns",
    );
    let calls = test.recorder.transcript();
    let mut calls = calls
        .entries()
        .iter()
        .filter(|entry| matches!(entry.what, Recorded::Call(_)));
    assert!(
        matches!(&calls.next().expect("one").what, Recorded::Call(Call::Admitted(call)) if !call.probe)
    );
}

#[test]
fn a_mode_that_changes_what_a_state_means_is_told() {
    let test = circuits::open(reviews().mode(Mode::Shadow)).recording_calls();
    test.circuit.try_acquire().expect("shadow").failure();
    test.circuit.reset();
    assert_eq!(
        test.recorder.transcript().to_string(),
        "+0.000s begins open (mode shadow)\n\
         +0.000s     call admitted in shadow: it would be rejected\n\
         +0.000s     call ended: failure after 0ns\n\
         +0.000s open → closed (by hand; mode shadow)",
    );
    test.circuit.set_mode(Mode::ForcedOpen);
    test.recorder.clear();
    test.circuit.set_mode(Mode::Disabled);
    assert_eq!(
        test.recorder.transcript().to_string(),
        "+0.000s begins open (mode forced open)\n\
         +0.000s open → closed (by hand; mode forced open → disabled)",
    );
}

#[test]
fn what_leaves_a_circuit_closed_tells_what_it_was() {
    let shedding = Circuit::builder("reviews").failure_rate(None);
    let shedding = shedding.minimum_calls(2).shed(2.0, 0.5);
    let test = circuits::closed(shedding);
    fail(&test.circuit, 2);
    assert_eq!(
        lines(&test),
        ["+0.000s closed → closed (calls are shed: 2 of 2 calls failed)"]
    );

    let cap = EjectionCap::new(0.5).expect("a share");
    let only_one = circuits::closed(reviews().ejection_cap(&cap));
    fail(&only_one.circuit, 3);
    assert_eq!(
        lines(&only_one),
        [
            "+0.000s closed → closed (a trip was vetoed: too many circuits are open; it was: 3 consecutive failures)"
        ]
    );
}

#[test]
fn calls_are_counted_though_they_are_not_recorded() {
    let test = circuits::open(reviews());
    for _ in 0..4 {
        assert!(test.circuit.try_acquire().is_err());
    }
    test.end_break();
    test.circuit.try_acquire().expect("a probe").success();
    assert_eq!((test.recorder.admitted(), test.recorder.rejected()), (1, 4));
    assert_eq!(test.recorder.transcript().entries().len(), 2);
}

#[test]
fn what_is_cut_off_is_counted_and_said() {
    let clock = ManualClock::new();
    let circuit = reviews().clock(clock.clone()).build().expect("valid");
    let recorder = Recorder::builder()
        .clock(clock.clone())
        .keep(2)
        .record(&circuit);
    for _ in 0..3 {
        circuit.trip(secs(1)).expect("normal");
    }
    let transcript = recorder.transcript();
    assert_eq!((transcript.entries().len(), transcript.cut_off()), (2, 1));
    assert_eq!(
        transcript.to_string().lines().nth(1),
        Some("… entries cut off here: 1")
    );

    let nothing = Recorder::builder().calls().keep(0).record(&circuit);
    circuit.reset();
    circuit.try_acquire().expect("closed").success();
    assert_eq!(
        (
            nothing.transcript().entries().len(),
            nothing.transcript().cut_off()
        ),
        (0, 3)
    );
    assert_eq!(nothing.admitted(), 1, "counted all the same");
}

#[test]
fn a_recorder_that_is_cleared_begins_with_the_state_of_now() {
    let test = circuits::closed(reviews());
    story(&test);
    test.circuit.trip(secs(1)).expect("normal");
    test.recorder.clear();
    let transcript = test.recorder.transcript();
    assert_eq!(transcript.began(), State::Open);
    assert_eq!(
        (transcript.transitions(), test.recorder.admitted()),
        (vec![], 0)
    );
    assert_eq!(transcript.to_string(), "+6.500s begins open");
}

#[test]
fn a_transition_that_is_being_told_as_a_recorder_begins_came_before_it() {
    let recorder = Arc::new(OnceLock::<Recorder>::new());
    let made = Arc::clone(&recorder);
    let circuit = reviews().on_transition(move |circuit, _| {
        made.get_or_init(|| Recorder::of(circuit));
    });
    let circuit = circuit.build().expect("valid");
    fail(&circuit, 3);
    let recorder = recorder.get().expect("made while it opened");
    let transcript = recorder.transcript();
    assert_eq!(
        (transcript.began(), transcript.entries()),
        (State::Open, &[][..])
    );
    circuit.reset();
    assert_eq!(recorder.transitions(), [State::Closed]);
}

#[test]
fn a_break_that_begins_anew_is_no_other_state() {
    let test = circuits::open(reviews());
    test.circuit.trip(secs(9)).expect("normal");
    assert_eq!(test.recorder.transcript().entries().len(), 1);
    assert_eq!(test.recorder.transitions(), []);
}

#[tokio::test(start_paused = true)]
async fn without_a_clock_of_its_own_times_are_tokios() {
    let circuit = reviews().build().expect("valid");
    let recorder = Recorder::of(&circuit);
    tokio::time::advance(secs(2)).await;
    fail(&circuit, 3);
    assert_eq!(recorder.transcript().entries()[0].at, secs(2));
}

// Where any time is paused, tokio's clock cannot be read when a thread destroys its thread-locals.
#[tokio::test(start_paused = true)]
async fn what_happens_at_the_end_of_a_thread_is_recorded() {
    thread_local! {
        static HELD: RefCell<Option<(AtTheEnd, OwnedGuard)>> = const { RefCell::new(None) };
    }
    let circuit = reviews().consecutive_failures(1);
    let circuit = circuit.abandoned(AbandonedPolicy::Failure);
    let circuit = circuit.build().expect("valid");
    let recorder = Recorder::of(&circuit);
    let guard = circuit.clone().try_acquire_owned().expect("closed");
    let unreadable = Arc::new(AtomicBool::new(false));
    let end = AtTheEnd(Arc::clone(&unreadable));
    let hold = move || {
        HELD.set(Some((end, guard)));
        // From here on this thread has a clock, which is gone before the guard is.
        Instant::now();
    };
    thread::spawn(hold).join().expect("no panic");
    assert!(
        unreadable.load(Ordering::Relaxed),
        "else this shows nothing"
    );
    assert_eq!(circuit.state(), State::Open);
    assert_eq!(recorder.transitions(), [State::Open]);
}

/// Notes whether tokio's clock cannot be read when this is dropped.
struct AtTheEnd(Arc<AtomicBool>);

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        let read = panic::catch_unwind(Instant::now);
        self.0.store(read.is_err(), Ordering::Relaxed);
    }
}

#[test]
fn a_recorder_that_is_gone_hears_nothing_and_keeps_nothing_alive() {
    let circuit = Circuit::builder("reviews").build().expect("valid");
    let weak = circuit.downgrade();
    let recorder = Recorder::of(&circuit);
    drop(circuit);
    assert!(weak.upgrade().is_some(), "the recorder holds it");
    drop(recorder);
    assert!(weak.upgrade().is_none());
}
