//! Calls that outlive their thread: dropped while its thread-locals are destroyed, when tokio's clock cannot
//! be read any more. (With tokio's `test-util`, that is: only then its clock lives in a thread-local.)

use std::{
    cell::RefCell,
    future::{pending, ready},
    pin::Pin,
    task::{Context, Waker},
    time::Duration,
};

use futures_util::FutureExt;
use tower::{Layer, Service, service_fn};
use tower_breaker::{
    AbandonedPolicy, Circuit, CircuitBreakerLayer, CircuitBuilder, State, classify::ErrorsOnly,
};

const BREAK: Duration = Duration::from_secs(5);

thread_local! {
    static KEPT: RefCell<Vec<Box<dyn std::any::Any>>> = const { RefCell::new(Vec::new()) };
}

/// A circuit on tokio's clock, which lives for ever, so that anything may hold on to it.
fn on_tokio(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> &'static Circuit {
    let builder = Circuit::builder("outlived").consecutive_failures(1);
    let circuit = configure(builder.open_for(BREAK)).build();
    Box::leak(Box::new(circuit.unwrap()))
}

/// What `begin` makes is dropped at the end of a thread, after tokio's own thread-locals are gone.
fn dropped_at_the_end_of_a_thread<T: 'static>(begin: impl FnOnce() -> T + Send + 'static) {
    let thread = std::thread::spawn(|| {
        // Before tokio's are first used: the last that is registered is destroyed first.
        KEPT.with_borrow_mut(Vec::clear);
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        let kept = runtime.block_on(async { begin() });
        KEPT.with_borrow_mut(|all| all.push(Box::new(kept)));
    });
    // Joined, and not scoped: a scope does not wait for thread-locals.
    thread.join().unwrap();
}

fn ends(circuit: &Circuit) -> (u64, u64, u64) {
    let totals = circuit.snapshot().totals.unwrap();
    (totals.successful, totals.failed, totals.abandoned)
}

// A5
#[test]
fn a_guard_dropped_at_the_end_of_its_thread_is_abandoned() {
    let circuit = on_tokio(|builder| builder);
    dropped_at_the_end_of_a_thread(move || circuit.try_acquire().unwrap());
    assert_eq!(ends(circuit), (0, 0, 1));
    assert_eq!(circuit.state(), State::Closed);
}

// A5, A4: and its permit is free again.
#[test]
fn a_probe_dropped_at_the_end_of_its_thread_is_abandoned() {
    let circuit = on_tokio(|builder| builder.half_open_timeout(BREAK));
    circuit.trip(Duration::ZERO).unwrap();
    dropped_at_the_end_of_a_thread(move || circuit.try_acquire().unwrap());
    assert_eq!(ends(circuit), (0, 0, 1));
    let probes = circuit.snapshot().probes.unwrap();
    assert_eq!(probes.in_flight, 0);
}

// A5, A4: as slow as it may have been, nobody can tell.
#[test]
fn a_call_of_a_service_and_one_of_the_circuit_are_never_slow_then() {
    let circuit = on_tokio(|builder| builder.slow_call_duration(Duration::from_nanos(1)));
    dropped_at_the_end_of_a_thread(move || {
        let mut call = Box::pin(circuit.call(pending::<Result<(), ()>>()));
        assert!(poll(call.as_mut()).is_none());
        let layer = CircuitBreakerLayer::new(circuit.clone()).classifier(ErrorsOnly);
        let inner = service_fn(|(): ()| pending::<Result<(), ()>>());
        let mut service = layer.reject_as_error().layer(inner);
        let ready = std::future::poll_fn(|context| service.poll_ready(context));
        ready.now_or_never().unwrap().unwrap();
        (call, service.call(()))
    });
    assert_eq!(ends(circuit), (0, 0, 2));
}

// A5, A4
#[test]
fn where_giving_up_is_a_failure_it_is_one_at_the_end_of_a_thread_too() {
    let circuit = on_tokio(|builder| builder.abandoned(AbandonedPolicy::Failure));
    dropped_at_the_end_of_a_thread(move || circuit.try_acquire().unwrap());
    assert_eq!(ends(circuit), (0, 1, 0));
    assert_eq!(circuit.state(), State::Open);
}

// A5: the same for what is dropped there because it panics.
#[test]
fn a_call_that_panics_at_the_end_of_its_thread_has_failed() {
    struct CallsWhenDropped(&'static Circuit);
    impl Drop for CallsWhenDropped {
        fn drop(&mut self) {
            let panics = self.0.call(async {
                std::panic::resume_unwind(Box::new("in poll"));
                #[expect(unreachable_code, reason = "for its type")]
                Ok::<(), ()>(())
            });
            let poll = std::panic::AssertUnwindSafe(|| panics.now_or_never());
            assert!(std::panic::catch_unwind(poll).is_err());
            let answered = self.0.call(ready(Ok::<(), ()>(())));
            assert!(answered.now_or_never().unwrap().is_ok());
        }
    }
    let circuit = on_tokio(|builder| builder.consecutive_failures(2));
    dropped_at_the_end_of_a_thread(move || CallsWhenDropped(circuit));
    assert_eq!(ends(circuit), (1, 1, 0));
}

fn poll<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    let mut context = Context::from_waker(Waker::noop());
    match future.poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}
