//! Readiness mode (rule G7): a service is pending while its circuit would reject, and woken when that
//! changes, exactly then and not once before. Wakes and polls are counted, and the time is tokio's,
//! paused. What threads do is in `races`, what a balancer makes of it in `balancing`.

mod balancing;
mod races;
mod waking;

use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake},
    time::Duration,
};

use crate::support::secs;
use tokio::time::advance;
use tower::{Layer, Service, service_fn};
use tower_breaker::{
    Circuit, CircuitBreaker, CircuitBreakerLayer, CircuitBuilder, CircuitError, EjectionCap, Mode,
    Reason, State, classify::ErrorsOnly, clock::ManualClock, readiness::PendingWhileOpen,
    reject::RejectAsError,
};

/// Answers with what it is asked for. It can be made to be not ready, and counts how often it is asked.
#[derive(Clone, Default)]
struct Echo {
    readiness: Arc<Mutex<Option<Poll<Answer>>>>,
    asked: Arc<AtomicU64>,
    called: Arc<AtomicU64>,
}

type Answer = Result<(), Down>;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Down;

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("down")
    }
}

impl std::error::Error for Down {}

impl Service<Answer> for Echo {
    type Response = ();
    type Error = Down;
    type Future = Ready<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Answer> {
        self.asked.fetch_add(1, SeqCst);
        let readiness = *self.readiness.lock().expect("not poisoned");
        readiness.unwrap_or(Poll::Ready(Ok(())))
    }

    fn call(&mut self, answer: Answer) -> Self::Future {
        self.called.fetch_add(1, SeqCst);
        ready(answer)
    }
}

type Breaker = CircuitBreaker<Echo, ErrorsOnly, RejectAsError>;

/// How often a task was woken.
#[derive(Default)]
struct Wakes(AtomicU64);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Wakes {
    /// Since somebody last asked.
    fn take(&self) -> u64 {
        self.0.swap(0, SeqCst)
    }
}

/// A service in readiness mode, asked by a task that counts its wakes.
struct Waiter<S = PendingWhileOpen<Breaker>> {
    service: S,
    wakes: Arc<Wakes>,
}

impl Waiter {
    fn on(circuit: &Circuit) -> Self {
        Self::around(Echo::default(), circuit)
    }

    fn around(inner: Echo, circuit: &Circuit) -> Self {
        Self::of(layer(circuit).pending_while_open().layer(inner))
    }
}

impl<S: Service<Answer>> Waiter<S> {
    fn of(service: S) -> Self {
        Self {
            service,
            wakes: Arc::default(),
        }
    }

    fn poll(&mut self) -> Poll<Result<(), S::Error>> {
        let waker = self.wakes.clone().into();
        self.service.poll_ready(&mut Context::from_waker(&waker))
    }

    #[track_caller]
    fn is_pending(&mut self) {
        assert!(self.poll().is_pending());
    }

    #[track_caller]
    fn is_ready(&mut self) {
        assert!(matches!(self.poll(), Poll::Ready(Ok(()))));
    }

    #[track_caller]
    fn woken(&self, times: u64) {
        assert_eq!(self.wakes.take(), times);
    }
}

fn layer(circuit: &Circuit) -> CircuitBreakerLayer<ErrorsOnly, RejectAsError> {
    CircuitBreakerLayer::new(circuit.clone())
        .classifier(ErrorsOnly)
        .reject_as_error()
}

/// Opens for 5 seconds at the first failure, on tokio's clock.
fn fragile(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Circuit {
    let builder = Circuit::builder("endpoint").consecutive_failures(1);
    let circuit = configure(builder.open_for(secs(5))).build();
    circuit.expect("settings that make sense")
}

fn open() -> Circuit {
    let circuit = fragile(|builder| builder);
    circuit.try_acquire().expect("closed").failure();
    circuit
}

/// Half-open, and its only permit is taken by the guard that comes with it. Its probes time out after 7
/// seconds.
async fn full(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Circuit {
    let circuit = fragile(|builder| configure(builder.half_open_timeout(secs(7))));
    circuit.try_acquire().expect("closed").failure();
    advance(secs(5)).await;
    circuit
}

/// What a circuit tells.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn listen(&self, builder: CircuitBuilder) -> CircuitBuilder {
        let log = self.0.clone();
        builder.on_transition(move |_, told| log.lock().expect("a log").push(told.to_string()))
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("a log"))
    }
}

// ---- who waits, and for what -------------------------------------------------------------------

// G7, G1: and meanwhile the inner service is left alone.
#[tokio::test(start_paused = true)]
async fn a_service_is_pending_while_its_circuit_is_open() {
    let (circuit, inner) = (open(), Echo::default());
    let mut waiter = Waiter::around(inner.clone(), &circuit);
    for _ in 0..3 {
        waiter.is_pending();
    }
    assert_eq!(inner.asked.load(SeqCst), 0);
    circuit.reset();
    waiter.is_ready();
    assert_eq!(inner.asked.load(SeqCst), 1);
}

// G7
#[tokio::test(start_paused = true)]
async fn a_closed_circuit_holds_nobody_up() {
    let mut waiter = Waiter::on(&fragile(|builder| builder));
    waiter.is_ready();
    assert_eq!(waiter.service.call(Ok(())).await, Ok(()));
    waiter.woken(0);
}

// G7, E1: what admits every call has no reason to wait.
#[tokio::test(start_paused = true)]
async fn shadow_and_disabled_are_never_pending() {
    for mode in [Mode::Shadow, Mode::Disabled] {
        let circuit = fragile(|builder| builder.mode(mode));
        let mut waiter = Waiter::on(&circuit);
        for _ in 0..3 {
            waiter.is_ready();
            let answer = waiter.service.call(Err(Down)).await;
            assert!(matches!(answer, Err(CircuitError::Inner(Down))));
        }
        let open = circuit.state() == State::Open;
        assert_eq!(open, mode == Mode::Shadow);
    }
}

// G7, E1: half-open and full, but in shadow.
#[tokio::test(start_paused = true)]
async fn a_full_shadow_is_not_waited_for() {
    let circuit = full(|builder| builder.mode(Mode::Shadow)).await;
    let _probe = circuit.try_acquire().expect("the probe");
    assert_eq!(circuit.state(), State::HalfOpen);
    Waiter::on(&circuit).is_ready();
}

// G7, D6: a ramp chooses among calls, so each has to come.
#[tokio::test(start_paused = true)]
async fn a_ramp_is_not_waited_for() {
    let circuit = full(|builder| builder.ramp(secs(10), 0.000_001)).await;
    circuit.try_acquire().expect("the probe").success();
    let mut waiter = Waiter::on(&circuit);
    let mut ramped = 0;
    for _ in 0..20 {
        waiter.is_ready();
        ramped += u64::from(waiter.service.call(Ok(())).await.is_err());
    }
    assert!(ramped >= 19, "{ramped}");
}

// D6, E1, G1: in shadow nobody is turned away by a ramp, and the call that readiness has let pass asks anew.
#[tokio::test(start_paused = true)]
async fn a_turn_from_before_shadow_is_taken_anew() {
    let circuit = full(|builder| builder.ramp(secs(10), 0.000_001)).await;
    circuit.try_acquire().expect("the probe").success();
    let mut waiter = Waiter::of(layer(&circuit).layer(Echo::default()));
    waiter.is_ready();
    assert!(circuit.set_mode(Mode::Shadow));
    assert_eq!(waiter.service.call(Ok(())).await, Ok(()));
    // The turn of before was the only one of many.
    let totals = circuit.snapshot().totals.expect("totals");
    assert_eq!((totals.shadowed, totals.rejected), (1, 0));
}

// D6, E5, G1: also if it is readiness that finds it over.
#[tokio::test(start_paused = true)]
async fn a_ramp_that_is_over_stays_over() {
    let circuit = full(|builder| builder.ramp(secs(10), 0.5)).await;
    circuit.try_acquire().expect("the probe").success();
    advance(secs(10)).await;
    let mut waiter = Waiter::of(layer(&circuit).layer(Echo::default()));
    waiter.is_ready();
    assert_eq!(waiter.service.call(Ok(())).await, Ok(()));
    let longer = circuit.reconfigure(|settings| settings.set_ramp((secs(1_000), 0.1)));
    longer.expect("valid");
    assert!((0..100).all(|_| circuit.try_acquire().is_ok()));
}

// G7, G2: ready is not a promise; and the next one waits.
#[tokio::test(start_paused = true)]
async fn what_was_ready_before_the_trip_is_rejected_after_it() {
    let (circuit, inner) = (fragile(|builder| builder), Echo::default());
    let mut waiter = Waiter::around(inner.clone(), &circuit);
    waiter.is_ready();
    circuit.trip(secs(5)).expect("normal mode");
    let answer = waiter.service.call(Ok(())).await;
    let Err(CircuitError::Rejected(rejected)) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(rejected.reason(), Reason::Open);
    assert_eq!(inner.called.load(SeqCst), 0);
    waiter.is_pending();
}

// G3, G7: nothing is reserved. Of two that are ready for the one probe, one is rejected.
#[tokio::test(start_paused = true)]
async fn of_two_that_are_ready_for_one_probe_one_is_rejected() {
    let circuit = full(|builder| builder).await;
    let mut waiters = [Waiter::on(&circuit), Waiter::on(&circuit)];
    waiters.iter_mut().for_each(Waiter::is_ready);
    let probe = waiters[0].service.call(Ok(()));
    let other = waiters[1].service.call(Ok(())).await;
    assert!(matches!(other, Err(CircuitError::Rejected(_))));
    assert_eq!(probe.await, Ok(()));
    assert_eq!(circuit.state(), State::Closed);
}

// ---- the inner service -------------------------------------------------------------------------

// G1, G7
#[tokio::test(start_paused = true)]
async fn an_inner_service_that_is_not_ready_is_waited_for_too() {
    let (circuit, inner) = (fragile(|builder| builder), Echo::default());
    *inner.readiness.lock().expect("not poisoned") = Some(Poll::Pending);
    let mut waiter = Waiter::around(inner.clone(), &circuit);
    waiter.is_pending();
    assert_eq!(inner.asked.load(SeqCst), 1);
    // It has tripped meanwhile, which wakes who waits: now it is the circuit that is waited for.
    circuit.trip(secs(5)).expect("normal mode");
    waiter.woken(1);
    waiter.is_pending();
    assert_eq!(inner.asked.load(SeqCst), 1);
    *inner.readiness.lock().expect("not poisoned") = None;
    advance(secs(5)).await;
    waiter.woken(1);
    waiter.is_ready();
}

// A6, G7
#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_passes_through_and_counts() {
    let (circuit, inner) = (fragile(|builder| builder), Echo::default());
    *inner.readiness.lock().expect("not poisoned") = Some(Poll::Ready(Err(Down)));
    let mut waiter = Waiter::around(inner, &circuit);
    assert!(matches!(
        waiter.poll(),
        Poll::Ready(Err(CircuitError::Inner(Down)))
    ));
    assert_eq!(circuit.state(), State::Open);
    waiter.is_pending();
}

// G6
#[tokio::test(start_paused = true)]
async fn a_service_that_is_neither_send_nor_clone_can_wait() {
    let circuit = open();
    let calls = Rc::new(std::cell::Cell::new(0));
    let counted = calls.clone();
    let local = service_fn(move |_: Answer| {
        counted.set(counted.get() + 1);
        ready(Ok::<_, Down>(Rc::new(())))
    });
    let mut waiter = Waiter::of(layer(&circuit).pending_while_open().layer(local));
    waiter.is_pending();
    advance(secs(5)).await;
    waiter.woken(1);
    waiter.is_ready();
    waiter.service.call(Ok(())).await.expect("an answer");
    assert_eq!((calls.get(), circuit.state()), (1, State::Closed));
}

// ---- clones, layers, drops ---------------------------------------------------------------------

// G4, G7
#[tokio::test(start_paused = true)]
async fn a_clone_waits_for_itself() {
    let circuit = open();
    let mut waiter = Waiter::on(&circuit);
    waiter.is_pending();
    let mut twin = Waiter::of(waiter.service.clone());
    drop(waiter);
    twin.is_pending();
    advance(secs(5)).await;
    twin.woken(1);
    twin.is_ready();
}

// G7: each endpoint waits for its own circuit.
#[tokio::test(start_paused = true)]
async fn endpoints_with_a_layer_for_each_wait_for_their_own_circuits() {
    let builder = Circuit::builder("endpoint").consecutive_failures(1);
    let mut waiters = [(); 2].map(|()| {
        let layer = builder.clone().build_layer().expect("valid");
        let layer = layer.classifier(ErrorsOnly).reject_as_error();
        Waiter::of(layer.pending_while_open().layer(Echo::default()))
    });
    waiters.iter_mut().for_each(Waiter::is_ready);
    let failed = waiters[0].service.call(Err(Down)).await;
    assert!(failed.is_err());
    waiters[0].is_pending();
    waiters[1].is_ready();
}

// G3, G7: whoever gives up waiting leaves nothing behind, not even the circuit.
#[tokio::test(start_paused = true)]
async fn a_service_dropped_while_it_waits_leaks_nothing() {
    let cap = EjectionCap::new(1.0).expect("a share");
    let circuit = fragile(|builder| builder.ejection_cap(&cap));
    circuit.trip(secs(5)).expect("normal mode");
    let mut waiter = Waiter::on(&circuit);
    waiter.is_pending();
    drop(circuit);
    assert_eq!((cap.members(), cap.ejected()), (1, 1));
    let wakes = waiter.wakes.clone();
    drop(waiter);
    assert_eq!((cap.members(), cap.ejected()), (0, 0));
    advance(secs(5)).await;
    assert_eq!((wakes.take(), Arc::strong_count(&wakes)), (0, 1));
}

// G7: as documented, an instant cannot be waited for without a timer.
#[test]
fn outside_of_a_runtime_only_an_instant_cannot_be_waited_for() {
    let clock = ManualClock::new();
    let circuit = fragile(|builder| builder.clock(clock.clone()));
    let mut waiter = Waiter::on(&circuit);
    waiter.is_ready();
    circuit.force_open();
    waiter.is_pending();
    circuit.release();
    waiter.woken(1);
    waiter.is_ready();
    circuit.trip(secs(5)).expect("normal mode");
    let waits = std::panic::AssertUnwindSafe(|| waiter.poll().is_ready());
    assert!(std::panic::catch_unwind(waits).is_err());
}

// G7: what went wrong in one poll is not held against the next.
#[test]
fn a_wait_that_panicked_is_begun_anew() {
    let circuit = open();
    let mut waiter = Waiter::on(&circuit);
    let panics = |waiter: &mut Waiter| {
        let waits = std::panic::AssertUnwindSafe(|| waiter.poll().is_ready());
        std::panic::catch_unwind(waits).is_err()
    };
    assert!(panics(&mut waiter), "there is no timer");
    let first = timer();
    let within = first.enter();
    waiter.is_pending();
    drop(within);
    drop(first);
    let second = timer();
    let _within = second.enter();
    assert!(panics(&mut waiter), "that timer is gone");
    waiter.is_pending();
    waiter.wakes.take();
    circuit.reset();
    waiter.woken(1);
    waiter.is_ready();
}

fn timer() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().expect("a runtime")
}

// G7: Debug says who waits.
#[tokio::test(start_paused = true)]
async fn debug_says_whether_it_waits() {
    let circuit = open();
    let layer = CircuitBreakerLayer::new(circuit.clone()).pending_while_open();
    let mut service = layer.layer(service_fn(|request: http::Request<()>| async {
        let _ = request;
        Ok::<_, Infallible>(http::Response::new(String::new()))
    }));
    assert!(format!("{:?}", service).contains("waiting: false"));
    let waker = Arc::new(Wakes::default()).into();
    assert!(
        Service::<http::Request<()>>::poll_ready(&mut service, &mut Context::from_waker(&waker))
            .is_pending()
    );
    assert!(format!("{:?}", service).contains("waiting: true"));
}
