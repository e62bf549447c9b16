//! Readiness, clones and admission of the Tower face: rules A6 and G1 to G4. What may be wrapped, and
//! how it stacks with other middleware (G4, G6), is in the two modules beside this file.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

mod bounds;
mod giving_back;
mod readiness_errors;
mod ready_and_oneshot;
mod sharing;
mod stacks;
mod waiting;

use std::{
    cell::Cell,
    error::Error,
    future::Future,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::FutureExt;
use tokio_test::{assert_pending, assert_ready, assert_ready_ok};
use tower::{Layer, Service};
use tower_breaker::{
    Circuit, CircuitBreaker, CircuitBreakerLayer, CircuitBuilder, CircuitError, Guard, Mode,
    Reason, Rejected, State, Totals, classify::ErrorsOnly, clock::ManualClock,
    reject::RejectAsError,
};
use tower_test::mock::{self, Handle, Mock, Spawn};

type BoxError = Box<dyn Error + Send + Sync>;
type Breaker = CircuitBreaker<CountPolls<Mock<u32, u32>>, ErrorsOnly, RejectAsError>;

const BREAK: Duration = Duration::from_secs(10);

/// A circuit around a mock service, and everything there is to see and to move.
struct Stage {
    clock: ManualClock,
    circuit: Circuit,
    service: Spawn<Breaker>,
    inner: Handle<u32, u32>,
    inner_polls: Rc<Cell<usize>>,
}

impl Stage {
    /// Closed, and one failure opens it.
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    fn with(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Self {
        let clock = ManualClock::new();
        let circuit = circuit(&clock, configure);
        let inner_polls = Rc::new(Cell::new(0));
        let (mock, inner) = mock::pair();
        let counting = CountPolls {
            inner: mock,
            polls: inner_polls.clone(),
        };
        let service = Spawn::new(layer(&circuit).layer(counting));
        Self {
            clock,
            circuit,
            service,
            inner,
            inner_polls,
        }
    }

    fn open(&self) {
        self.circuit.trip(BREAK).expect("in normal mode");
    }

    fn end_break(&self) {
        self.clock.advance(BREAK);
    }

    fn totals(&self) -> Totals {
        self.circuit.snapshot().totals.expect("on by default")
    }

    fn probes_in_flight(&self) -> Option<u64> {
        let probes = self.circuit.snapshot().probes;
        probes.map(|probes| probes.in_flight)
    }

    fn assert_inner_untouched(&mut self) {
        assert_pending!(self.inner.poll_request());
    }

    /// Answers the one request that has reached the inner service.
    fn answer(&mut self) {
        let (request, reply) = assert_ready!(self.inner.poll_request()).expect("a request");
        reply.send_response(request);
    }
}

fn circuit(
    clock: &ManualClock,
    configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder,
) -> Circuit {
    let builder = Circuit::builder("inventory")
        .consecutive_failures(1)
        .open_for(BREAK)
        .clock(clock.clone());
    configure(builder).build().expect("valid")
}

fn layer(circuit: &Circuit) -> CircuitBreakerLayer<ErrorsOnly, RejectAsError> {
    CircuitBreakerLayer::new(circuit.clone())
        .classifier(ErrorsOnly)
        .reject_as_error()
}

/// Ends the break and takes the only probe there is.
fn half_open_and_full<'a>(circuit: &'a Circuit, clock: &ManualClock) -> Guard<'a> {
    circuit.trip(BREAK).expect("in normal mode");
    clock.advance(BREAK);
    circuit.try_acquire().expect("the probe")
}

/// The rejection that `answer` is, at once.
fn rejection<T: std::fmt::Debug>(
    answer: impl Future<Output = Result<T, CircuitError<BoxError>>>,
) -> Rejected {
    match answer.now_or_never() {
        Some(Err(CircuitError::Rejected(rejected))) => rejected,
        other => panic!("not rejected at once but {other:?}"),
    }
}

/// Counts how often readiness is asked for.
#[derive(Clone)]
struct CountPolls<S> {
    inner: S,
    polls: Rc<Cell<usize>>,
}

impl<S: Service<Req>, Req> Service<Req> for CountPolls<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.polls.set(self.polls.get() + 1);
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Req) -> S::Future {
        self.inner.call(request)
    }
}

// ---- G1: the gate comes before readiness -------------------------------------------------------

#[test]
fn an_inner_service_that_is_never_ready_does_not_delay_the_rejection_of_an_open_circuit() {
    let mut stage = Stage::new();
    stage.inner.allow(0);
    stage.open();

    assert_ready_ok!(stage.service.poll_ready());
    let rejected = rejection(stage.service.call(1));

    assert_eq!(rejected.reason(), Reason::Open);
    assert_eq!(stage.inner_polls.get(), 0);
}

#[test]
fn an_inner_service_that_is_never_ready_does_not_delay_the_rejection_of_a_circuit_forced_open() {
    let mut stage = Stage::new();
    stage.inner.allow(0);
    stage.circuit.force_open();

    assert_ready_ok!(stage.service.poll_ready());
    let rejected = rejection(stage.service.call(1));

    assert_eq!(rejected.reason(), Reason::ForcedOpen);
    assert_eq!(stage.inner_polls.get(), 0);
}

#[test]
fn an_inner_service_that_is_never_ready_does_not_delay_the_rejection_of_a_half_open_and_full_circuit()
 {
    let mut stage = Stage::new();
    let circuit = stage.circuit.clone();
    stage.inner.allow(0);
    let probe = half_open_and_full(&circuit, &stage.clock);

    assert_ready_ok!(stage.service.poll_ready());
    let rejected = rejection(stage.service.call(1));

    assert_eq!(rejected.reason(), Reason::HalfOpenFull);
    assert_eq!(stage.inner_polls.get(), 0);
    probe.success();
}

#[test]
fn a_caller_that_waits_for_the_inner_service_is_rejected_as_soon_as_it_asks_again() {
    let mut stage = Stage::new();
    stage.inner.allow(0);
    assert_pending!(stage.service.poll_ready());
    stage.open();

    assert_ready_ok!(stage.service.poll_ready());

    assert_eq!(rejection(stage.service.call(1)).reason(), Reason::Open);
    assert_eq!(stage.inner_polls.get(), 1);
}

#[test]
fn while_closed_readiness_is_the_inner_services() {
    let mut stage = Stage::new();
    stage.inner.allow(0);
    assert_pending!(stage.service.poll_ready());
    assert!(!stage.service.is_woken());

    stage.inner.allow(1);

    assert!(stage.service.is_woken());
    assert_ready_ok!(stage.service.poll_ready());
}

#[test]
fn modes_that_admit_everything_leave_readiness_to_the_inner_service() {
    for mode in [Mode::Disabled, Mode::Shadow] {
        let mut stage = Stage::with(|builder| builder.mode(mode));
        // Shadow can be open; disabled refuses to be.
        let _ = stage.circuit.trip(BREAK);
        stage.inner.allow(0);

        assert_pending!(stage.service.poll_ready(), "{mode}");
    }
}

#[test]
fn with_a_probe_to_spare_readiness_is_the_inner_services() {
    let mut stage = Stage::with(|builder| builder.probes(2, 2).permits(2));
    let circuit = stage.circuit.clone();
    let probe = half_open_and_full(&circuit, &stage.clock);
    stage.inner.allow(0);

    assert_pending!(stage.service.poll_ready());
    stage.inner.allow(1);
    assert_ready_ok!(stage.service.poll_ready());
    drop(probe);
}

// ---- G2: whom a readiness is good for ----------------------------------------------------------

#[test]
fn a_readiness_held_across_a_trip_is_answered_with_a_rejection() {
    let mut stage = Stage::new();
    assert_ready_ok!(stage.service.poll_ready());
    stage.open();

    assert_eq!(rejection(stage.service.call(1)).reason(), Reason::Open);
    stage.assert_inner_untouched();
}

#[test]
fn an_inner_readiness_held_across_a_trip_is_still_there_after_the_break() {
    let mut stage = Stage::new();
    stage.inner.allow(1);
    assert_ready_ok!(stage.service.poll_ready());
    stage.open();
    rejection(stage.service.call(1));
    stage.inner.allow(0);
    stage.end_break();

    // A mock that was ready once stays ready until it is called.
    assert_ready_ok!(stage.service.poll_ready());
    let answer = stage.service.call(2);
    stage.answer();

    assert_eq!(answer.now_or_never().expect("answered").unwrap(), 2);
    assert_pending!(stage.service.poll_ready());
}

#[test]
fn a_readiness_granted_for_a_rejection_is_good_for_a_rejection_only() {
    let mut stage = Stage::new();
    stage.inner.allow(0);
    stage.open();
    assert_ready_ok!(stage.service.poll_ready());

    // By the time of the call the circuit would admit, but nobody has asked the inner service.
    stage.circuit.reset();
    let rejected = rejection(stage.service.call(1));

    assert_eq!(rejected.reason(), Reason::Open);
    assert_eq!(stage.inner_polls.get(), 0);
    stage.assert_inner_untouched();
}

#[test]
fn whichever_way_the_circuit_has_come_to_admit() {
    let admit: [fn(&Stage); 4] = [
        |stage| stage.end_break(),
        |stage| stage.circuit.reset(),
        |stage| assert!(stage.circuit.set_mode(Mode::Disabled)),
        |stage| assert!(stage.circuit.set_mode(Mode::Shadow)),
    ];
    for admit in admit {
        let mut stage = Stage::new();
        stage.open();
        assert_ready_ok!(stage.service.poll_ready());
        admit(&stage);

        rejection(stage.service.call(1));
        stage.assert_inner_untouched();
    }
}

#[test]
fn what_a_rejection_says_is_read_again_if_the_circuit_has_changed() {
    let mut stage = Stage::new();
    stage.open();
    assert_ready_ok!(stage.service.poll_ready());
    assert!(stage.circuit.force_open());

    let rejected = rejection(stage.service.call(1));

    assert_eq!(rejected.reason(), Reason::ForcedOpen);
}

#[test]
fn a_rejection_does_not_stick_to_the_instance() {
    let mut stage = Stage::new();
    stage.inner.allow(0);
    stage.open();
    assert_ready_ok!(stage.service.poll_ready());
    stage.circuit.reset();
    rejection(stage.service.call(1));

    assert_pending!(stage.service.poll_ready());
    stage.inner.allow(1);
    assert_ready_ok!(stage.service.poll_ready());
    let answer = stage.service.call(2);
    stage.answer();

    assert_eq!(answer.now_or_never().expect("answered").unwrap(), 2);
}

#[test]
fn a_readiness_for_a_rejection_does_not_outlive_the_next_question() {
    let mut stage = Stage::new();
    stage.inner.allow(0);
    stage.open();
    assert_ready_ok!(stage.service.poll_ready());
    stage.circuit.reset();

    assert_pending!(stage.service.poll_ready());

    assert_eq!(stage.inner_polls.get(), 1);
    assert_panics_without_readiness(|| drop(stage.service.call(1)));
}

#[test]
fn a_break_that_ends_between_readiness_and_call_ends_for_the_call_after() {
    let mut stage = Stage::new();
    stage.open();
    assert_ready_ok!(stage.service.poll_ready());
    stage.end_break();

    rejection(stage.service.call(1));
    assert_eq!(stage.circuit.state(), State::Open);

    assert_ready_ok!(stage.service.poll_ready());
    let probe = stage.service.call(2);
    assert_eq!(stage.circuit.state(), State::HalfOpen);
    stage.answer();
    assert_eq!(probe.now_or_never().expect("answered").unwrap(), 2);
    assert_eq!(stage.circuit.state(), State::Closed);
}

#[test]
fn once_the_break_is_over_the_inner_service_is_asked_again() {
    let mut stage = Stage::new();
    stage.inner.allow(0);
    stage.open();
    stage.clock.advance(BREAK - Duration::from_nanos(1));
    assert_ready_ok!(stage.service.poll_ready());
    assert_eq!(stage.inner_polls.get(), 0);

    stage.clock.advance(Duration::from_nanos(1));

    assert_pending!(stage.service.poll_ready());
    assert_eq!(stage.inner_polls.get(), 1);
    assert_eq!(stage.circuit.state(), State::Open);
}

#[test]
fn probes_that_have_timed_out_are_found_by_the_call_not_by_readiness() {
    let mut stage = Stage::with(|builder| builder.half_open_timeout(BREAK));
    let circuit = stage.circuit.clone();
    let hung = half_open_and_full(&circuit, &stage.clock);
    stage.clock.advance(BREAK);

    assert_ready_ok!(stage.service.poll_ready());
    assert_eq!(circuit.state(), State::HalfOpen);
    let rejected = rejection(stage.service.call(1));

    assert_eq!(rejected.reason(), Reason::Open);
    assert_eq!(rejected.remaining(), Some(BREAK));
    assert_eq!(stage.inner_polls.get(), 0);
    hung.success();
    assert_eq!(circuit.state(), State::Open);
}

// ---- G2: no call without readiness -------------------------------------------------------------

fn assert_panics_without_readiness(call: impl FnOnce()) {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call))
        .expect_err("a call without readiness must panic");
    let message = panic.downcast_ref::<String>().expect("a message");
    assert_eq!(
        message,
        "tower-breaker: `poll_ready` must have returned ready on this instance before `call`; \
         a clone carries no readiness"
    );
}

#[test]
#[should_panic(expected = "a clone carries no readiness")]
fn a_call_that_never_asked_for_readiness_panics() {
    drop(Stage::new().service.call(1));
}

#[test]
fn a_call_without_readiness_panics_while_the_circuit_is_open() {
    let mut stage = Stage::new();
    stage.open();
    assert_panics_without_readiness(|| drop(stage.service.call(1)));
}

#[test]
fn a_call_whose_readiness_is_pending_panics() {
    let mut stage = Stage::new();
    stage.inner.allow(0);
    assert_pending!(stage.service.poll_ready());
    assert_panics_without_readiness(|| drop(stage.service.call(1)));
}

#[test]
fn a_second_call_on_one_readiness_panics() {
    let mut stage = Stage::new();
    assert_ready_ok!(stage.service.poll_ready());
    let first = stage.service.call(1);
    assert_panics_without_readiness(|| drop(stage.service.call(2)));
    drop(first);
}

#[test]
fn a_second_rejection_on_one_readiness_panics() {
    let mut stage = Stage::new();
    stage.open();
    assert_ready_ok!(stage.service.poll_ready());
    rejection(stage.service.call(1));
    assert_panics_without_readiness(|| drop(stage.service.call(2)));
}

#[test]
fn a_call_after_readiness_failed_panics() {
    let mut stage = Stage::new();
    stage.inner.send_error("down");
    assert!(assert_ready!(stage.service.poll_ready::<u32>()).is_err());
    assert_panics_without_readiness(|| drop(stage.service.call(1)));
}

#[test]
fn the_panic_of_a_call_without_readiness_is_nobodys_failure() {
    let mut stage = Stage::new();
    assert_panics_without_readiness(|| drop(stage.service.call(1)));
    assert_eq!(stage.circuit.state(), State::Closed);
    assert_eq!(stage.totals(), Totals::default());
}

// ---- G3: admission happens in `call` -----------------------------------------------------------

#[test]
fn a_service_that_is_ready_and_dropped_leaks_nothing() {
    let mut stage = Stage::new();
    let mut other = stage.service.clone();
    assert_ready_ok!(other.poll_ready());
    drop(other);

    assert_eq!(stage.totals(), Totals::default());
    stage.assert_inner_untouched();
}

#[test]
fn not_even_the_only_probe() {
    let mut stage = Stage::new();
    stage.open();
    stage.end_break();
    let mut other = stage.service.clone();
    assert_ready_ok!(other.poll_ready());
    drop(other);
    assert_eq!(stage.circuit.state(), State::Open);

    assert_ready_ok!(stage.service.poll_ready());
    let _probe = stage.service.call(1);

    assert_eq!(stage.probes_in_flight(), Some(1));
}

#[test]
fn readiness_asked_for_twice_takes_one_probe() {
    let mut stage = Stage::with(|builder| builder.probes(2, 2).permits(2));
    stage.open();
    stage.end_break();
    for _ in 0..3 {
        assert_ready_ok!(stage.service.poll_ready());
    }
    assert_eq!(stage.probes_in_flight(), None);

    let _probe = stage.service.call(1);

    assert_eq!(stage.probes_in_flight(), Some(1));
}

#[test]
fn of_many_that_are_ready_only_as_many_are_admitted_as_there_are_probes() {
    let mut stage = Stage::new();
    stage.open();
    stage.end_break();
    let mut others = vec![stage.service.clone(); 3];
    for other in &mut others {
        assert_ready_ok!(other.poll_ready());
    }
    assert_ready_ok!(stage.service.poll_ready());

    let _probe = stage.service.call(1);

    for other in &mut others {
        assert_eq!(rejection(other.call(2)).reason(), Reason::HalfOpenFull);
    }
    assert_eq!(stage.probes_in_flight(), Some(1));
    assert_eq!(stage.totals().rejected, 3);
}

#[test]
fn a_rejection_that_was_readied_and_dropped_is_none() {
    let mut stage = Stage::new();
    stage.open();
    for _ in 0..3 {
        assert_ready_ok!(stage.service.poll_ready::<u32>());
    }
    let Stage {
        circuit, service, ..
    } = stage;
    drop(service);

    let totals = circuit.snapshot().totals.expect("on by default");
    assert_eq!(totals.rejected, 0);
}

// ---- G4: what is shared ------------------------------------------------------------------------

#[test]
fn clones_share_the_circuit() {
    let mut stage = Stage::new();
    let mut other = stage.service.clone();
    assert_ready_ok!(other.poll_ready());
    let failing = other.call(1);
    let (_, reply) = assert_ready!(stage.inner.poll_request()).expect("a request");
    reply.send_error("down");
    assert!(failing.now_or_never().expect("answered").is_err());

    assert_ready_ok!(stage.service.poll_ready());

    assert_eq!(rejection(stage.service.call(2)).reason(), Reason::Open);
}

#[test]
fn a_clone_carries_no_readiness() {
    let mut stage = Stage::new();
    assert_ready_ok!(stage.service.poll_ready::<u32>());
    let mut other = stage.service.clone();
    assert_panics_without_readiness(|| drop(other.call(1)));
}

#[test]
fn a_clone_carries_no_readiness_for_a_rejection() {
    let mut stage = Stage::new();
    stage.open();
    assert_ready_ok!(stage.service.poll_ready::<u32>());
    let mut other = stage.service.clone();
    assert_panics_without_readiness(|| drop(other.call(1)));
}

#[test]
fn a_clone_takes_no_readiness_away() {
    let mut stage = Stage::new();
    assert_ready_ok!(stage.service.poll_ready());
    drop(stage.service.clone());
    let answer = stage.service.call(1);
    stage.answer();
    assert_eq!(answer.now_or_never().expect("answered").unwrap(), 1);
}
