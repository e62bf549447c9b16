//! Who waits for an inner service that is not ready is woken by the circuit, once it rejects (rules G1, G3). No
//! runtime is needed for that, and none is there.

use std::{
    cell::Cell,
    future::{Future, Pending, Ready, pending, ready},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::FutureExt;
use tower::{BoxError, Layer, Service, buffer::Buffer, limit::ConcurrencyLimit, service_fn};
use tower_breaker::{
    Circuit, CircuitBreaker, CircuitBuilder, CircuitError, Mode, Reason, State,
    classify::ErrorsOnly, clock::ManualClock, reject::RejectAsError,
};

use super::{BREAK, circuit, half_open_and_full, layer};

type Answer = Ready<Result<u32, BoxError>>;

/// Never ready.
#[derive(Clone)]
struct Dead;

impl Service<u32> for Dead {
    type Response = u32;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Pending
    }

    fn call(&mut self, request: u32) -> Answer {
        ready(Ok(request))
    }
}

/// Ready, and never answers.
#[derive(Clone)]
struct Asleep;

impl Service<u32> for Asleep {
    type Response = u32;
    type Error = BoxError;
    type Future = Pending<Result<u32, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: u32) -> Self::Future {
        pending()
    }
}

/// A task that counts how often it is woken.
#[derive(Default)]
struct Task(Arc<Wakes>);

#[derive(Default)]
struct Wakes(AtomicU64);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Task {
    fn poll<S: Service<u32>>(&self, service: &mut S) -> Poll<Result<(), S::Error>> {
        let waker = Waker::from(self.0.clone());
        service.poll_ready(&mut Context::from_waker(&waker))
    }

    #[track_caller]
    fn waits_for<S: Service<u32>>(&self, service: &mut S) {
        assert!(self.poll(service).is_pending());
    }

    /// How often, since this was last asked.
    #[track_caller]
    fn is_woken(&self, times: u64) {
        assert_eq!(self.0.0.swap(0, SeqCst), times);
    }

    #[track_caller]
    fn is_rejected<S>(&self, service: &mut S, reason: Reason)
    where
        S: Service<u32, Error = CircuitError<BoxError>>,
    {
        assert!(matches!(self.poll(service), Poll::Ready(Ok(()))));
        match service.call(1).now_or_never() {
            Some(Err(CircuitError::Rejected(rejected))) => assert_eq!(rejected.reason(), reason),
            _ => panic!("not rejected at once"),
        }
    }

    /// How many wait to wake it.
    fn wakers(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

type Event = fn(&Circuit);

fn with(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> (Circuit, ManualClock) {
    let clock = ManualClock::new();
    (circuit(&clock, configure), clock)
}

fn dead(circuit: &Circuit) -> CircuitBreaker<Dead, ErrorsOnly, RejectAsError> {
    layer(circuit).layer(Dead)
}

// G1
#[test]
fn who_waits_is_woken_when_the_circuit_is_forced_open_or_tripped() {
    let events: [(Event, Reason); 3] = [
        (|circuit| assert!(circuit.force_open()), Reason::ForcedOpen),
        (
            |circuit| circuit.trip(BREAK).expect("normal mode"),
            Reason::Open,
        ),
        (
            |circuit| circuit.try_acquire().expect("closed").failure(),
            Reason::Open,
        ),
    ];
    for (happens, reason) in events {
        let (circuit, _) = with(|builder| builder);
        let (task, mut service) = (Task::default(), dead(&circuit));
        task.waits_for(&mut service);
        happens(&circuit);
        task.is_woken(1);
        task.is_rejected(&mut service, reason);
    }
}

// G1
#[test]
fn nobody_is_woken_when_nothing_begins_to_reject() {
    let (circuit, clock) = with(|builder| builder);
    let (task, mut service) = (Task::default(), dead(&circuit));
    task.waits_for(&mut service);
    circuit.try_acquire().expect("closed").success();
    circuit.reset();
    circuit.set_mode(Mode::Shadow);
    circuit.trip(BREAK).expect("in shadow");
    task.is_woken(0);
    // What shadow would have rejected is rejected from here.
    circuit.set_mode(Mode::Normal);
    task.is_woken(1);
    clock.advance(BREAK);
    task.waits_for(&mut service);
    circuit.reset();
    circuit.set_mode(Mode::Disabled);
    task.is_woken(0);
}

// G1: what was missed while it was awake is no reason to wake it again, and the next time is.
#[test]
fn who_asks_late_waits_again_and_is_woken_again() {
    let (circuit, _) = with(|builder| builder);
    let (task, mut service) = (Task::default(), dead(&circuit));
    task.waits_for(&mut service);
    for _ in 0..3 {
        circuit.force_open();
        circuit.release();
        task.is_woken(1);
        task.waits_for(&mut service);
        task.waits_for(&mut service);
        task.is_woken(0);
    }
    circuit.force_open();
    task.is_woken(1);
    task.is_rejected(&mut service, Reason::ForcedOpen);
}

// G1
#[test]
fn who_waits_is_woken_when_half_open_fills_up() {
    for permits in [1, 2] {
        let (circuit, clock) = with(|builder| builder.probes(permits, permits).permits(permits));
        let (task, mut service) = (Task::default(), dead(&circuit));
        circuit.trip(BREAK).expect("normal mode");
        clock.advance(BREAK);
        task.waits_for(&mut service);
        let mut probes = Vec::new();
        for _ in 0..permits {
            task.is_woken(0);
            probes.push(circuit.try_acquire().expect("a probe"));
        }
        task.is_woken(1);
        task.is_rejected(&mut service, Reason::HalfOpenFull);
    }
}

// G1, D7: so are those of a driver.
#[test]
fn who_waits_is_woken_when_a_driver_fills_half_open() {
    let (circuit, clock) = with(|builder| builder.probes(2, 2).permits(1));
    let (task, mut service) = (Task::default(), dead(&circuit));
    circuit.trip(BREAK).expect("normal mode");
    clock.advance(BREAK);
    circuit.try_acquire().expect("a probe").success();
    task.waits_for(&mut service);
    let mut driver = pin!(circuit.probe_with(async || Ok::<_, ()>(())));
    let mut context = Context::from_waker(Waker::noop());
    // Before it checks, it lets others run.
    assert!(driver.as_mut().poll(&mut context).is_pending());
    task.is_woken(1);
    task.is_rejected(&mut service, Reason::HalfOpenFull);
    assert!(driver.as_mut().poll(&mut context).is_pending());
    assert_eq!(circuit.state(), State::Closed);
}

// A6, G1: a probe that has failed without a call may be the last that is admitted, too.
#[test]
fn who_waits_is_woken_when_a_failed_readiness_was_the_last_probe() {
    let (circuit, clock) = with(|builder| builder.probes(1, 2).permits(2));
    let (task, mut service) = (Task::default(), dead(&circuit));
    circuit.trip(BREAK).expect("normal mode");
    clock.advance(BREAK);
    let probe = circuit.try_acquire().expect("a probe");
    task.waits_for(&mut service);
    let mut fails = layer(&circuit).layer(Script(|| Poll::Ready(Err("down".into()))));
    let asked = Task::default().poll(&mut fails);
    assert!(matches!(asked, Poll::Ready(Err(_))));
    task.is_woken(1);
    task.is_rejected(&mut service, Reason::HalfOpenFull);
    drop(probe);
}

// G1, G4
#[test]
fn clones_wait_for_themselves_and_the_task_that_asked_last_is_woken() {
    let (circuit, _) = with(|builder| builder);
    let (former, task, other) = (Task::default(), Task::default(), Task::default());
    let mut service = dead(&circuit);
    former.waits_for(&mut service);
    task.waits_for(&mut service);
    let mut clone = service.clone();
    assert_eq!((former.wakers(), task.wakers()), (0, 1));
    other.waits_for(&mut clone);
    drop(service);
    assert_eq!((task.wakers(), other.wakers()), (0, 1));
    circuit.force_open();
    task.is_woken(0);
    other.is_woken(1);
}

// G7
#[test]
fn in_readiness_mode_a_service_whose_circuit_opens_as_it_asks_is_not_ready() {
    let (circuit, _) = with(|builder| builder);
    let opened = circuit.clone();
    let opens = Script(move || {
        opened.force_open();
        Poll::Pending
    });
    let task = Task::default();
    let mut service = layer(&circuit).pending_while_open().layer(opens);
    assert!(task.poll(&mut service).is_pending());
    assert_eq!(
        circuit.snapshot().totals.map(|totals| totals.rejected),
        Some(0)
    );
    task.is_woken(0);
    circuit.reset();
    task.is_woken(1);
}

/// What becomes of each poll.
struct Script<F>(F);

impl<F: FnMut() -> Poll<Result<(), BoxError>>> Service<u32> for Script<F> {
    type Response = u32;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        (self.0)()
    }

    fn call(&mut self, request: u32) -> Answer {
        ready(Ok(request))
    }
}

// G1: between the gate and the wait.
#[test]
fn what_happens_while_the_inner_service_is_asked_is_not_missed() {
    let (circuit, _) = with(|builder| builder);
    let inner = Script(|| {
        circuit.force_open();
        Poll::Pending
    });
    let (task, mut service) = (Task::default(), layer(&circuit).layer(inner));
    task.is_rejected(&mut service, Reason::ForcedOpen);
    task.is_woken(0);
    // It waited already, and its wait is over.
    circuit.release();
    let asked = Cell::new(0);
    let inner = Script(|| {
        asked.set(asked.get() + 1);
        if asked.get() == 2 {
            circuit.force_open();
        }
        Poll::Pending
    });
    let mut service = layer(&circuit).layer(inner);
    task.waits_for(&mut service);
    task.is_rejected(&mut service, Reason::ForcedOpen);
}

// G1: a wait ends with what it was for.
#[test]
fn nothing_is_left_of_a_wait_that_is_over() {
    for ready in [true, false] {
        let (circuit, _) = with(|builder| builder.consecutive_failures(9));
        let asked = Cell::new(0);
        let inner = Script(|| {
            asked.set(asked.get() + 1);
            match (asked.get(), ready) {
                (1, _) => Poll::Pending,
                (_, true) => Poll::Ready(Ok(())),
                (_, false) => Poll::Ready(Err("down".into())),
            }
        });
        let (task, mut service) = (Task::default(), layer(&circuit).layer(inner));
        task.waits_for(&mut service);
        assert_eq!(task.wakers(), 1);
        assert!(task.poll(&mut service).is_ready());
        assert_eq!(task.wakers(), 0);
        circuit.force_open();
        task.is_woken(0);
    }
}

// D8: who is part of a call is not rejected, and not woken to be told so.
#[test]
fn a_service_within_a_call_of_its_circuit_does_not_wait_for_it() {
    let (circuit, _) = with(|builder| builder);
    let (task, mut service) = (Task::default(), dead(&circuit));
    let call = circuit.call(async {
        task.waits_for(&mut service);
        Ok::<_, ()>(())
    });
    call.now_or_never().expect("at once").expect("admitted");
    circuit.force_open();
    task.is_woken(0);
    // Behind another of the same circuit, the outer one waits.
    circuit.release();
    let mut twice = layer(&circuit).layer(layer(&circuit).layer(Dead));
    task.waits_for(&mut twice);
    assert_eq!(task.wakers(), 1);
    circuit.force_open();
    task.is_woken(1);
}

fn echo() -> impl Service<u32, Response = u32, Error = BoxError, Future = Answer> + Send + 'static {
    service_fn(|request: u32| ready(Ok::<_, BoxError>(request)))
}

// G1, G3: a buffer whose worker never runs.
#[test]
fn who_waits_for_a_stuck_buffer_is_woken_and_gives_its_place_back() {
    let (circuit, _) = with(|builder| builder);
    let (buffer, _worker) = Buffer::<u32, _>::pair(echo(), 1);
    let layer = layer(&circuit).fresh_clone_on_rejection();
    let mut holder = layer.layer(buffer.clone());
    let mut service = layer.layer(buffer);
    let (task, of_holder) = (Task::default(), Task::default());
    assert!(of_holder.poll(&mut holder).is_ready());
    task.waits_for(&mut service);
    circuit.force_open();
    task.is_woken(1);
    of_holder.is_woken(0);
    task.is_rejected(&mut service, Reason::ForcedOpen);
    of_holder.is_rejected(&mut holder, Reason::ForcedOpen);
    assert_eq!(task.wakers(), 0, "nor does it queue");
    circuit.release();
    assert!(task.poll(&mut service).is_ready());
}

// G1: a limit that is full.
#[test]
fn who_waits_for_a_full_limit_is_woken() {
    let (circuit, clock) = with(|builder| builder);
    let limit = ConcurrencyLimit::new(Asleep, 1);
    let mut first = layer(&circuit).layer(limit);
    let mut second = first.clone();
    let task = Task::default();
    assert!(task.poll(&mut first).is_ready());
    let hangs = first.call(1);
    task.waits_for(&mut second);
    let probe = half_open_and_full(&circuit, &clock);
    // By the trip, after which it has not asked.
    task.is_woken(1);
    task.is_rejected(&mut second, Reason::HalfOpenFull);
    drop((hangs, probe));
}

// G1, F3: a wait is one wait, however often it is looked at.
#[test]
fn who_asks_again_takes_no_more_memory() {
    let (circuit, _) = with(|builder| builder);
    let (task, mut service) = (Task::default(), dead(&circuit));
    let mut took = || allocation_counter::measure(|| task.waits_for(&mut service)).count_total;
    assert_ne!(took(), 0);
    assert_eq!([(); 3].map(|()| took()), [0; 3]);
}
