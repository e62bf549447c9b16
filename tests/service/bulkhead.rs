//! At most so many calls at once, and a wait for a place (rule M2). The time is tokio's, and paused.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

mod live;
mod panics;
mod storm;
mod waiting;

use std::{
    future::{Future, pending},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::FutureExt;
use http::Response;
use tokio::{sync::Semaphore, time::advance};
use tokio_test::task::{Spawn, spawn};
use tower::{Layer, Service, ServiceExt, service_fn, util::BoxCloneService};
use tower_breaker::{
    Bulkhead, BulkheadLayer, Circuit, CircuitBreaker, CircuitBreakerLayer, CircuitBuilder,
    CircuitError, Mode, Reason, Rejected, Snapshot, State,
    classify::HttpClassifier,
    observe::{BulkheadNow, CallEvent},
    reject::RejectAsError,
};

use super::support::{millis, secs};

const WAIT: Duration = Duration::from_millis(100);
const BREAK: Duration = Duration::from_secs(5);
const NOW: Duration = Duration::ZERO;

type Answer = Result<Response<String>, io::Error>;

fn circuit(
    places: u32,
    wait: Duration,
    configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder,
) -> Circuit {
    let builder = Circuit::builder("reviews")
        .consecutive_failures(1)
        .open_for(BREAK)
        .bulkhead(places, wait);
    configure(builder).build().unwrap()
}

/// The dependency. It counts who is inside, from `call` to the drop of what that has made.
#[derive(Clone)]
struct Upstream {
    now: Arc<AtomicU64>,
    most: Arc<AtomicU64>,
    calls: Arc<AtomicU64>,
    /// Who answers by it waits for a permit of it.
    gate: Arc<Semaphore>,
}

struct Inside(Upstream);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, SeqCst);
    }
}

impl Upstream {
    fn new() -> Self {
        Self {
            now: Arc::default(),
            most: Arc::default(),
            calls: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
        }
    }

    fn enter(&self) -> Inside {
        self.calls.fetch_add(1, SeqCst);
        let now = self.now.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(now, SeqCst);
        Inside(self.clone())
    }

    fn inside(&self) -> u64 {
        self.now.load(SeqCst)
    }

    fn calls(&self) -> u64 {
        self.calls.load(SeqCst)
    }

    /// Answers by the gate, or as it is told.
    fn service(&self) -> BoxCloneService<&'static str, Response<String>, io::Error> {
        let upstream = self.clone();
        BoxCloneService::new(service_fn(move |order| {
            let inside = upstream.enter();
            assert_ne!(order, "panics in call");
            async move {
                match order {
                    "answers" => {}
                    "fails" => return Ok(status(500)),
                    "hangs" => pending().await,
                    "panics" => panic!("as told"),
                    _ => inside.0.gate.acquire().await.unwrap().forget(),
                }
                drop(inside);
                Ok(status(200))
            }
        }))
    }

    fn behind<R>(&self, layer: CircuitBreakerLayer<HttpClassifier, R>) -> Guarded<R> {
        BulkheadLayer::new().layer(layer.layer(self.service()))
    }

    /// With the rejection that there is by default.
    fn of(&self, circuit: &Circuit) -> Guarded {
        self.behind(CircuitBreakerLayer::new(circuit.clone()))
    }
}

type Guarded<R = tower_breaker::reject::ServiceUnavailable> = Bulkhead<
    CircuitBreaker<BoxCloneService<&'static str, Response<String>, io::Error>, HttpClassifier, R>,
>;

fn status(status: u16) -> Response<String> {
    let response = Response::builder().status(status);
    response.body(String::new()).unwrap()
}

/// A call that has begun, and was polled once unless it is done.
fn begin<S>(service: &mut S, order: &'static str) -> Spawn<S::Future>
where
    S: Service<&'static str>,
    S::Error: std::fmt::Debug,
{
    let ready = service.ready().now_or_never().unwrap();
    spawn(ready.unwrap().call(order))
}

/// One that has to wait.
#[track_caller]
fn pends<S>(service: &mut S, order: &'static str) -> Spawn<S::Future>
where
    S: Service<&'static str>,
    S::Error: std::fmt::Debug,
{
    let mut call = begin(service, order);
    assert!(call.poll().is_pending(), "{order}");
    call
}

#[track_caller]
fn answer(answer: impl Future<Output = Answer>) -> Response<String> {
    let mut answer = pin!(answer);
    let answer = answer.as_mut().now_or_never();
    answer.expect("it is there").unwrap()
}

#[track_caller]
fn reason(response: &Response<String>) -> Option<Reason> {
    let rejected: Option<&Rejected> = response.extensions().get();
    rejected.map(Rejected::reason)
}

/// Called once, answered at once.
#[track_caller]
fn once(service: &mut Guarded, order: &'static str) -> Response<String> {
    answer(begin(service, order).into_inner())
}

#[track_caller]
fn rejected_at_once(service: &mut Guarded) -> Option<Reason> {
    reason(&once(service, "answers"))
}

fn seen(circuit: &Circuit) -> BulkheadNow {
    circuit.snapshot().parts.unwrap().bulkhead.unwrap()
}

#[track_caller]
fn taken(circuit: &Circuit, taken: u64, waiting: u64) {
    let seen = seen(circuit);
    assert_eq!((seen.taken, seen.waiting), (taken, waiting));
}

/// The head may come a little later.
trait Done: Future<Output = Answer> {
    #[track_caller]
    fn done(&mut self) -> Response<String>;
}

impl<F: Future<Output = Answer>> Done for Spawn<F> {
    fn done(&mut self) -> Response<String> {
        match self.poll() {
            std::task::Poll::Ready(answer) => answer.unwrap(),
            std::task::Poll::Pending => panic!("it still waits"),
        }
    }
}

// M2
#[tokio::test(start_paused = true)]
async fn who_comes_when_all_places_are_taken_is_rejected_at_once_without_a_wait() {
    let (circuit, upstream) = (circuit(2, NOW, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    let _first = pends(&mut service, "hangs");
    let second = pends(&mut service, "hangs");
    let full = once(&mut service, "answers");
    assert_eq!(full.status(), 503);
    assert_eq!(full.headers()["retry-after"], "1");
    assert_eq!(reason(&full), Some(Reason::BulkheadFull));
    assert_eq!(upstream.calls(), 2, "it has asked nobody");
    drop(second);
    assert_eq!(once(&mut service, "answers").status(), 200);
    taken(&circuit, 1, 0);
}

/// All that a call could change but totals.
fn but_totals(circuit: &Circuit) -> Snapshot {
    let mut snapshot = circuit.snapshot();
    (snapshot.totals, snapshot.parts) = (None, None);
    snapshot
}

// M2, C3, F4: a rejection of its own, and no outcome.
#[tokio::test(start_paused = true)]
async fn a_full_bulkhead_is_counted_as_a_rejection_and_decides_nothing() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = heard.clone();
    let circuit = circuit(1, NOW, |c| {
        c.on_call(move |_, event| {
            hears.lock().unwrap().push(match event {
                CallEvent::Rejected(rejected) => rejected.to_string(),
                other => format!("{:?}", std::mem::discriminant(&other)),
            });
        })
    });
    let upstream = Upstream::new();
    let mut service = upstream.of(&circuit);
    let _hangs = pends(&mut service, "hangs");
    heard.lock().unwrap().clear();
    let before = but_totals(&circuit);
    for _ in 0..10 {
        rejected_at_once(&mut service);
    }
    assert_eq!(but_totals(&circuit), before);
    let totals = circuit.snapshot().totals.unwrap();
    assert_eq!(totals.rejected, 10);
    assert_eq!(totals.rejected_by.bulkhead_full, 10);
    assert_eq!(seen(&circuit).rejected, 10);
    let message = "circuit `reviews` is full";
    assert_eq!(*heard.lock().unwrap(), vec![message; 10]);
}

// M2, H3
#[tokio::test(start_paused = true)]
async fn a_breaker_further_out_does_not_take_a_full_bulkhead_for_a_failure() {
    let (inner, upstream) = (circuit(1, NOW, |c| c), Upstream::new());
    let outer = circuit(9, NOW, |c| c);
    let layer = CircuitBreakerLayer::new(outer.clone());
    let mut service = layer.layer(upstream.of(&inner));
    let _hangs = pends(&mut service, "hangs");
    for _ in 0..10 {
        assert_eq!(begin(&mut service, "answers").done().status(), 503);
    }
    assert_eq!(outer.state(), State::Closed);
    assert_eq!(outer.snapshot().totals.unwrap().ignored, 10);
}

// M2, H2: it is what the breaker's layer makes of any rejection.
#[tokio::test(start_paused = true)]
async fn a_full_bulkhead_is_answered_as_the_layer_of_the_breaker_says() {
    let (circuit, upstream) = (circuit(1, NOW, |c| c), Upstream::new());
    let layer = || CircuitBreakerLayer::new(circuit.clone());
    let _hangs = pends(&mut upstream.of(&circuit), "hangs");

    let mut as_error: Guarded<RejectAsError> = upstream.behind(layer().reject_as_error());
    let error = begin(&mut as_error, "answers").await.unwrap_err();
    let CircuitError::Rejected(rejected) = error else {
        panic!("{error}")
    };
    assert_eq!(rejected.reason(), Reason::BulkheadFull);
    assert_eq!(rejected.remaining(), Some(secs(1)));

    let mut boxed = upstream.behind(layer().reject_as_box_error());
    let error = begin(&mut boxed, "answers").await.unwrap_err();
    assert!(Rejected::find(&*error).is_some());

    let own = |rejected: &Rejected| match rejected.reason() {
        Reason::BulkheadFull => status(429),
        _ => status(503),
    };
    let mut own = upstream.behind(layer().reject_with(own));
    let answer = begin(&mut own, "answers").await.unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(reason(&answer), Some(Reason::BulkheadFull));

    let mut fallback = upstream.behind(layer().fallback(async |_, order| {
        assert_eq!(order, "answers", "it is untouched");
        Ok(status(200))
    }));
    let answer = begin(&mut fallback, "answers").await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(upstream.calls(), 1);
}

// M2: the head is there, and that is all that is waited for.
#[tokio::test(start_paused = true)]
async fn a_place_is_given_back_with_the_head() {
    let (circuit, upstream) = (circuit(1, NOW, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    let mut call = pends(&mut service, "gate");
    taken(&circuit, 1, 0);
    upstream.gate.add_permits(1);
    assert_eq!(call.done().status(), 200);
    taken(&circuit, 0, 0);
    drop(call);
    taken(&circuit, 0, 0);
}

// M2: nobody asks the dependency, for as long as the answer takes.
#[tokio::test(start_paused = true)]
async fn an_answer_to_a_rejection_holds_no_place() {
    let (circuit, upstream) = (circuit(1, WAIT, |c| c), Upstream::new());
    let layer = CircuitBreakerLayer::new(circuit.clone());
    let mut service = upstream.behind(layer.fallback(async |_, _: &str| pending().await));
    // It is ready, and the circuit opens just then.
    let ready = service.ready().await.unwrap();
    circuit.trip(BREAK).unwrap();
    let mut late = spawn(ready.call("answers"));
    assert!(late.poll().is_pending());
    taken(&circuit, 0, 0);
    circuit.reset();
    // It waits, and the circuit opens just before its place comes.
    let hangs = pends(&mut service, "hangs");
    let mut waits = pends(&mut service, "answers");
    circuit.trip(BREAK).unwrap();
    drop(hangs);
    assert!(waits.poll().is_pending());
    taken(&circuit, 0, 0);
    circuit.reset();
    assert_eq!(begin(&mut service, "answers").done().status(), 200);
    assert_eq!(upstream.calls(), 2);
}

// M2, D8
#[tokio::test(start_paused = true)]
async fn a_call_within_a_call_takes_no_second_place() {
    let (circuit, upstream) = (circuit(1, NOW, |c| c), Upstream::new());
    let layers = || {
        (
            BulkheadLayer::new(),
            CircuitBreakerLayer::new(circuit.clone()),
        )
    };
    let route = layers().layer(upstream.service());
    let router = service_fn(move |order| route.clone().oneshot(order));
    let mut service = layers().layer(router);
    let mut call = spawn(service.ready().await.unwrap().call("gate"));
    assert!(call.poll().is_pending());
    taken(&circuit, 1, 0);
    upstream.gate.add_permits(1);
    assert_eq!(call.done().status(), 200);
    assert_eq!(circuit.snapshot().totals.unwrap().rejected, 0);
    taken(&circuit, 0, 0);
}

// M2, E1
#[tokio::test(start_paused = true)]
async fn a_bulkhead_holds_in_every_mode_that_admits() {
    for mode in [Mode::Normal, Mode::Shadow, Mode::Disabled] {
        let (circuit, upstream) = (circuit(1, NOW, |c| c.mode(mode)), Upstream::new());
        let mut service = upstream.of(&circuit);
        let hangs = pends(&mut service, "hangs");
        let full = rejected_at_once(&mut service);
        assert_eq!(full, Some(Reason::BulkheadFull), "{mode}");
        drop(hangs);
        assert_eq!(once(&mut service, "answers").status(), 200, "{mode}");
    }
}

// M2: in shadow a probe needs a place as any call.
#[tokio::test(start_paused = true)]
async fn a_probe_in_shadow_needs_a_place() {
    let circuit = circuit(1, NOW, |c| c.mode(Mode::Shadow));
    let upstream = Upstream::new();
    let mut service = upstream.of(&circuit);
    let _hangs = pends(&mut service, "hangs");
    circuit.trip(BREAK).unwrap();
    advance(BREAK).await;
    assert_eq!(rejected_at_once(&mut service), Some(Reason::BulkheadFull));
    assert_eq!(circuit.state(), State::Open);
}

// M2, C3: who is told why: the circuit comes first.
#[tokio::test(start_paused = true)]
async fn a_call_that_the_circuit_rejects_hears_of_that_and_takes_no_place() {
    let (circuit, upstream) = (circuit(1, NOW, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    let mut other = upstream.of(&circuit);
    let _hangs = pends(&mut service, "hangs");
    // Found out in `call`.
    let ready = service.ready().await.unwrap();
    circuit.trip(BREAK).unwrap();
    let answer = ready.call("answers").await.unwrap();
    assert_eq!(reason(&answer), Some(Reason::Open));
    assert_eq!(answer.headers()["retry-after"], "5");
    // Found out by readiness.
    assert_eq!(rejected_at_once(&mut other), Some(Reason::Open));
    circuit.force_open();
    assert_eq!(rejected_at_once(&mut other), Some(Reason::ForcedOpen));
    let totals = circuit.snapshot().totals.unwrap();
    assert_eq!((totals.rejected, totals.rejected_by.open), (3, 2));
    assert_eq!(totals.rejected_by.bulkhead_full, 0);
}

// M2: readiness granted for a rejection reaches nobody (G2), whatever there is by then.
#[tokio::test(start_paused = true)]
async fn readiness_for_a_rejection_needs_no_place() {
    let (circuit, upstream) = (circuit(1, NOW, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    circuit.force_open();
    let ready = service.ready().await.unwrap();
    circuit.release();
    let answer = ready.call("answers").await.unwrap();
    assert!(reason(&answer).is_some_and(|reason| reason != Reason::BulkheadFull));
    assert_eq!(upstream.calls(), 0);
}

// M2, D1: the trap that a bulkhead inside of a breaker falls into.
#[tokio::test(start_paused = true)]
async fn with_all_places_held_by_hanging_calls_no_probe_goes_out_and_none_is_lost() {
    for wait in [NOW, WAIT] {
        let (circuit, upstream) = (circuit(2, wait, |c| c), Upstream::new());
        let mut service = upstream.of(&circuit);
        let hanging = [(); 2].map(|()| pends(&mut service, "hangs"));
        circuit.trip(BREAK).unwrap();
        advance(BREAK).await;
        for _ in 0..5 {
            let answer = begin(&mut service, "answers").await.unwrap();
            assert_eq!(reason(&answer), Some(Reason::BulkheadFull));
        }
        assert_eq!(circuit.state(), State::Open, "nobody has taken the probe");
        assert_eq!(upstream.calls(), 2);
        taken(&circuit, 2, 0);
        drop(hanging);
        assert_eq!(once(&mut service, "answers").status(), 200);
        assert_eq!(circuit.state(), State::Closed);
    }
}

// M2, G3: a place is for a call. Who was ready and leaves holds none, and a clone carries no readiness.
#[tokio::test(start_paused = true)]
async fn readiness_takes_no_place_and_a_clone_carries_none() {
    let (circuit, upstream) = (circuit(1, NOW, |c| c), Upstream::new());
    let mut service = upstream.of(&circuit);
    service.ready().await.unwrap();
    service.ready().await.unwrap();
    let mut clone = service.clone();
    drop(service);
    let called = catch_unwind(AssertUnwindSafe(|| drop(clone.call("answers"))));
    assert!(called.is_err(), "it was not ready");
    assert_eq!(once(&mut clone, "answers").status(), 200);
    taken(&circuit, 0, 0);
}

// M2, G3: as any rejection does.
#[tokio::test(start_paused = true)]
async fn a_rejection_gives_back_what_the_inner_service_has_reserved() {
    let (circuit, upstream) = (circuit(1, NOW, |c| c), Upstream::new());
    let limited = tower::limit::ConcurrencyLimitLayer::new(2).layer(upstream.service());
    let breaker = CircuitBreakerLayer::new(circuit).fresh_clone_on_rejection();
    let mut service = BulkheadLayer::new().layer(breaker.layer(limited));
    let _hangs = pends(&mut service, "hangs");
    for _ in 0..5 {
        assert_eq!(begin(&mut service, "answers").done().status(), 503);
        let mut other = service.clone();
        let other = other.ready().now_or_never();
        assert!(other.is_some(), "nobody holds the second permit");
    }
}

// M2, G7
#[tokio::test(start_paused = true)]
async fn it_goes_around_a_breaker_that_is_not_ready_while_open() {
    let (circuit, upstream) = (circuit(1, WAIT, |c| c), Upstream::new());
    let layer = CircuitBreakerLayer::new(circuit.clone()).pending_while_open();
    let mut service = BulkheadLayer::new().layer(layer.layer(upstream.service()));
    let mut gate = pends(&mut service, "gate");
    let mut waits = pends(&mut service, "answers");
    upstream.gate.add_permits(1);
    assert_eq!(gate.done().status(), 200);
    assert_eq!(waits.done().status(), 200);
    circuit.trip(BREAK).unwrap();
    assert!(service.ready().now_or_never().is_none());
    advance(BREAK).await;
    assert_eq!(begin(&mut service, "answers").done().status(), 200);
}

// M2, F3
#[tokio::test(start_paused = true)]
async fn a_place_allocates_nothing_and_a_wait_allocates_once() {
    let circuit = circuit(1, WAIT, |c| c);
    let inner = service_fn(|_: ()| std::future::ready(Ok::<_, io::Error>(status(200))));
    let mut service = BulkheadLayer::new().layer(CircuitBreaker::new(inner, circuit.clone()));
    let mut call = move || {
        let mut call = pin!(service.ready().now_or_never().unwrap().unwrap().call(()));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let _: std::task::Poll<_> = call.as_mut().poll(&mut context);
    };
    // The semaphore is made, and the wakers of those who wait for the circuit.
    call();
    let place = circuit.try_enter().unwrap();
    call();
    let waits = allocation_counter::measure(&mut call).count_total;
    assert_eq!(waits, 1);
    drop(place);
    assert_eq!(allocation_counter::measure(&mut call).count_total, 0);
}
