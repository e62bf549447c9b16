//! Which circuit a call goes through, and which it counts for, and what that costs (rules J1 to J4).

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::FutureExt;
use http::{Request, Response};
use tokio::sync::oneshot;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_breaker::{
    Circuit, CircuitBreakerLayer, Mode, State,
    clock::ManualClock,
    keyed::{Keyed, KeyedLayer},
    registry::{Event, Registry, WeakRegistry},
};

use crate::calling::{Answer, begin, by_key, call, obey, own_circuit, registry, request};

fn bounded(max_circuits: u32) -> Registry {
    let builder = Registry::builder().defaults(|circuit| circuit.consecutive_failures(1));
    builder.max_circuits(max_circuits).build().unwrap()
}

#[test]
fn a_key_whose_calls_fail_opens_its_own_circuit_and_no_other() {
    let registry = registry(1);
    let mut service = registry.layer_by(by_key()).layer(service_fn(obey));
    assert_eq!(call(&mut service, "a", 200), 200);
    assert_eq!(call(&mut service, "b", 500), 500);
    assert_eq!(call(&mut service, "b", 200), 503);
    assert_eq!(call(&mut service, "a", 200), 200);
    assert_eq!(registry.try_get("b").unwrap().state(), State::Open);
    let a = registry.try_get("a").unwrap();
    assert_eq!(a.state(), State::Closed);
    assert_eq!(a.snapshot().totals.unwrap().successful, 2);
}

#[test]
fn a_request_without_a_key_is_unguarded_and_counted() {
    let registry = registry(1);
    let layer = registry.layer_by(by_key());
    let mut service = layer.layer(service_fn(obey));
    for _ in 0..100 {
        assert_eq!(call(&mut service, "", 500), 500);
    }
    assert!(registry.is_empty());
    assert_eq!(layer.circuit().mode(), Mode::Disabled);
    assert_eq!(layer.circuit().snapshot().totals.unwrap().failed, 100);
}

#[test]
fn requests_without_a_key_share_the_circuit_of_the_layer() {
    let registry = registry(1);
    let layer = CircuitBreakerLayer::new(own_circuit()).keyed_by(&registry, by_key());
    let mut service = layer.layer(service_fn(obey));
    assert_eq!(call(&mut service, "", 500), 500);
    assert_eq!(call(&mut service, "", 200), 503);
    assert_eq!(call(&mut service, "a", 200), 200);
}

#[test]
fn a_key_without_room_goes_to_the_circuit_of_the_layer_or_to_that_for_the_overflow() {
    let registry = bounded(1);
    let held = registry.get_or_create("held").unwrap();
    let layer = CircuitBreakerLayer::new(own_circuit()).keyed_by(&registry, by_key());
    let mut service = layer.layer(service_fn(obey));
    assert_eq!(call(&mut service, "a", 200), 200);
    assert_eq!(layer.circuit().snapshot().totals.unwrap().successful, 1);

    let overflow = Circuit::builder("overflow").build().unwrap();
    let mut service = layer.overflow_to(overflow.clone()).layer(service_fn(obey));
    assert_eq!(call(&mut service, "a", 200), 200);
    assert_eq!(call(&mut service, "", 200), 200);
    assert_eq!(overflow.snapshot().totals.unwrap().successful, 1);
    assert_eq!(service.circuit().snapshot().totals.unwrap().successful, 2);
    assert_eq!(held.snapshot().totals.unwrap().successful, 0);
    assert_eq!(registry.totals().refused, 2);
}

#[test]
fn only_known_keys_have_a_circuit_if_the_layer_is_told_so() {
    let registry = registry(1);
    let layer = CircuitBreakerLayer::new(own_circuit()).keyed_by(&registry, by_key());
    let mut service = layer.known_keys_only().layer(service_fn(obey));
    let known = registry.get_or_create("known").unwrap();
    assert_eq!(call(&mut service, "known", 200), 200);
    assert_eq!(call(&mut service, "unknown", 200), 200);
    assert_eq!(known.snapshot().totals.unwrap().successful, 1);
    assert_eq!(service.circuit().snapshot().totals.unwrap().successful, 1);
    assert_eq!(registry.len(), 1);
}

// ---- circuits that leave -----------------------------------------------------------------------

/// Answers when told, with the status that is sent.
fn waits(
    answer: oneshot::Receiver<u16>,
) -> impl Service<Request<u16>, Response = Response<()>, Error = Infallible> {
    let answer = Arc::new(Mutex::new(Some(answer)));
    service_fn(move |request: Request<u16>| {
        let answer = answer.lock().unwrap().take();
        async move {
            let Some(answer) = answer else {
                return obey(request).await;
            };
            obey(self::request("", answer.await.unwrap())).await
        }
    })
}

#[test]
fn a_late_result_counts_for_the_circuit_that_has_admitted_it() {
    let registry = registry(1);
    let (answer, answered) = oneshot::channel();
    let layer = registry.layer_by(by_key()).keep_on_rejection();
    let mut service = layer.layer(waits(answered));
    let late = begin(&mut service, "a", 200);
    let old = registry.remove("a").unwrap();
    assert_eq!(call(&mut service, "a", 200), 200);
    let new = registry.try_get("a").unwrap();

    answer.send(500).unwrap();
    assert_eq!(late.now_or_never().unwrap().unwrap().status(), 500);
    assert_eq!(old.state(), State::Open);
    assert_eq!(new.state(), State::Closed);
    assert_eq!(new.snapshot().totals.unwrap().successful, 1);
}

#[test]
fn a_layer_keeps_no_circuit_in_the_registry_but_a_call_does() {
    let registry = bounded(1);
    let (answer, answered) = oneshot::channel();
    let layer = registry.layer_by(by_key()).keep_on_rejection();
    let mut service = layer.layer(waits(answered));
    let late = begin(&mut service, "a", 200);
    // Nothing has failed, but a call is under way.
    assert!(registry.get_or_create("b").is_err());

    answer.send(200).unwrap();
    assert_eq!(late.now_or_never().unwrap().unwrap().status(), 200);
    assert_eq!(registry.get_or_create("b").unwrap().name(), "b");
    assert!(registry.get("a").is_none());
    assert_eq!(registry.totals().evicted, 1);
}

// J4: for a thread that has called it before.
#[test]
fn whoever_asks_in_vain_for_the_room_of_a_circuit_makes_its_calls_no_dearer() {
    let registry = bounded(1);
    let (_answer, answered) = oneshot::channel();
    let layer = registry.layer_by(by_key()).keep_on_rejection();
    let mut service = layer.layer(waits(answered));
    let _late = begin(&mut service, "a", 200);
    let mut allocated = || {
        let request = request("a", 200);
        let call = || {
            let ready = service.ready().now_or_never().unwrap().unwrap();
            drop(ready.call(request));
        };
        allocation_counter::measure(call).count_total
    };
    let before = allocated();
    assert!(registry.get_or_create("b").is_err());
    assert_eq!(allocated(), before);
}

#[test]
fn a_circuit_that_comes_again_has_its_own_state() {
    let clock = ManualClock::new();
    let time = clock.clone();
    let registry = Registry::builder()
        .defaults(move |circuit| circuit.consecutive_failures(1).clock(time.clone()))
        .max_circuits(1)
        .build()
        .unwrap();
    let mut service = registry.layer_by(by_key()).layer(service_fn(obey));
    assert_eq!(call(&mut service, "a", 500), 500);
    assert_eq!(call(&mut service, "a", 200), 503);
    // Open and forgotten, so it may leave.
    clock.advance(Duration::from_secs(3_600));
    assert_eq!(call(&mut service, "b", 200), 200);
    assert_eq!(call(&mut service, "a", 200), 200);
    let a = registry.try_get("a").unwrap();
    assert_eq!(a.snapshot().totals.unwrap().successful, 1);
}

// ---- readiness ---------------------------------------------------------------------------------

/// Reserves a place when it is ready, and gives it back when it is called or dropped.
struct Reserving {
    reserved: Arc<AtomicUsize>,
    own: usize,
}

impl Reserving {
    fn give_back(&mut self) {
        self.reserved.fetch_sub(self.own, Ordering::Relaxed);
        self.own = 0;
    }
}

impl Clone for Reserving {
    fn clone(&self) -> Self {
        Self {
            reserved: self.reserved.clone(),
            own: 0,
        }
    }
}

impl Drop for Reserving {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Service<Request<u16>> for Reserving {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.own == 0 {
            self.own = 1;
            self.reserved.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<u16>) -> Self::Future {
        self.give_back();
        std::future::ready(obey(request).now_or_never().unwrap())
    }
}

#[test]
fn a_rejected_call_leaves_nothing_reserved_unless_told_so() {
    let reserved = Arc::new(AtomicUsize::new(0));
    let reserving = || Reserving {
        reserved: reserved.clone(),
        own: 0,
    };
    let registry = registry(1);
    let layer = registry.layer_by(by_key());
    let mut service = layer.layer(reserving());
    assert_eq!(call(&mut service, "a", 500), 500);
    assert_eq!(call(&mut service, "a", 200), 503);
    assert_eq!(reserved.load(Ordering::Relaxed), 0);

    let mut service = layer.keep_on_rejection().layer(reserving());
    assert_eq!(call(&mut service, "a", 200), 503);
    assert_eq!(reserved.load(Ordering::Relaxed), 1);
}

/// It fails to be ready.
#[derive(Clone)]
struct Broken;

impl Service<Request<u16>> for Broken {
    type Response = Response<()>;
    type Error = &'static str;
    type Future = Ready<Result<Response<()>, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        Poll::Ready(Err("broken"))
    }

    fn call(&mut self, _: Request<u16>) -> Self::Future {
        unreachable!("it is never ready")
    }
}

#[test]
fn a_failure_to_be_ready_counts_for_the_circuit_of_the_layer() {
    let registry = registry(1);
    let layer = registry.layer_by(by_key());
    let mut service = layer.layer(Broken);
    assert_eq!(
        service.ready().now_or_never().unwrap().err(),
        Some("broken")
    );
    assert_eq!(layer.circuit().snapshot().totals.unwrap().failed, 1);
}

#[test]
#[should_panic = "poll_ready"]
fn a_clone_carries_no_readiness() {
    let layer = registry(1).layer_by(by_key());
    let mut service: Keyed<_, _> = layer.layer(AlwaysReady);
    let _ = service.ready().now_or_never().unwrap().unwrap();
    drop(service.clone().call(request("a", 200)));
}

/// Always ready.
#[derive(Clone)]
struct AlwaysReady;

impl Service<Request<u16>> for AlwaysReady {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<u16>) -> Self::Future {
        std::future::ready(obey(request).now_or_never().unwrap())
    }
}

// ---- what layers hold --------------------------------------------------------------------------

/// Asks the registry when it is dropped.
struct Asks(Registry);

impl Drop for Asks {
    fn drop(&mut self) {
        assert!(self.0.len() < 100);
    }
}

#[test]
fn what_a_layer_holds_may_ask_the_registry_when_it_is_dropped() {
    let registry = registry(1);
    let asks = Asks(registry.clone());
    let layer: KeyedLayer<_, _> = CircuitBreakerLayer::new(own_circuit())
        .classify(move |result: Result<&Response<()>, &Infallible>| {
            assert!(!asks.0.is_empty());
            tower_breaker::Classify::classify(
                &tower_breaker::classify::HttpClassifier::new(),
                result,
            )
        })
        .keyed_by(&registry, by_key());
    let mut service = layer.layer(service_fn(obey));
    assert_eq!(call(&mut service, "a", 200), 200);
    drop((service, layer));
    assert!(registry.remove("a").is_some());
}

#[test]
fn a_known_key_costs_no_allocation_in_the_layer() {
    let registry = registry(1);
    let layer = registry.layer_by(by_key());
    let mut service = layer.layer(AlwaysReady);
    assert_eq!(call(&mut service, "a", 200), 200);
    let request = request("a", 200);
    let plain = &mut AlwaysReady;
    let mut of_service = 0;
    let mut keyed = 0;
    for (count, through_layer) in [(&mut of_service, false), (&mut keyed, true)] {
        let request = request.clone();
        let measured = allocation_counter::measure(|| {
            if through_layer {
                drop(
                    service
                        .ready()
                        .now_or_never()
                        .unwrap()
                        .unwrap()
                        .call(request)
                        .now_or_never(),
                );
            } else {
                drop(
                    plain
                        .ready()
                        .now_or_never()
                        .unwrap()
                        .unwrap()
                        .call(request)
                        .now_or_never(),
                );
            }
        });
        *count = measured.count_total;
    }
    assert_eq!(keyed, of_service);
}

/// Answers so, when it is asked whether it is ready, one after the other.
#[derive(Clone)]
struct Moody(Vec<Poll<Result<(), &'static str>>>);

impl Service<Request<u16>> for Moody {
    type Response = Response<()>;
    type Error = &'static str;
    type Future = Ready<Result<Response<()>, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        self.0.remove(0)
    }

    fn call(&mut self, _: Request<u16>) -> Self::Future {
        ready(Ok(Response::new(())))
    }
}

// J3, G2
#[test]
fn what_was_ready_and_is_not_any_more_is_not_called() {
    let registry = registry(1);
    for later in [Poll::Pending, Poll::Ready(Err("down"))] {
        let inner = Moody(vec![Poll::Ready(Ok(())), later]);
        let layer = CircuitBreakerLayer::new(own_circuit());
        let mut service = layer.keyed_by(&registry, by_key()).layer(inner);
        let mut context = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut context).is_ready());
        let _ = service.poll_ready(&mut context);
        let call = catch_unwind(AssertUnwindSafe(|| drop(service.call(request("a", 200)))));
        assert!(call.is_err(), "{later:?}");
    }
}

// J3, D8
#[test]
fn a_failure_to_be_ready_counts_once_for_a_layer_that_is_there_twice() {
    let registry = registry(1);
    let own = Circuit::builder("others").consecutive_failures(9);
    let layer = CircuitBreakerLayer::new(own.build().unwrap());
    let layer = layer.keyed_by(&registry, by_key());
    let mut service = layer.layer(layer.layer(Moody(vec![Poll::Ready(Err("down"))])));
    let asked = service.poll_ready(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(asked, Poll::Ready(Err("down"))));
    assert_eq!(layer.circuit().snapshot().totals.unwrap().failed, 1);
}

// I4: a listener harms nobody, or a call of such a key would never end.
#[test]
fn a_call_whose_circuit_is_removed_as_soon_as_it_is_added_goes_through_it() {
    let itself = Arc::new(OnceLock::<WeakRegistry>::new());
    let (of_listener, kept) = (itself.clone(), Arc::new(Mutex::new(None)));
    let last = kept.clone();
    let builder = Registry::builder().defaults(|circuit| circuit.consecutive_failures(1));
    let builder = builder.on_event(move |circuit, event| {
        let registry = of_listener.get().and_then(WeakRegistry::upgrade);
        if let (Event::Added, Some(registry)) = (event, registry) {
            *last.lock().unwrap() = registry.remove(circuit.name());
        }
    });
    let registry = builder.build().unwrap();
    itself.set(registry.downgrade()).unwrap();
    let mut service = registry.layer_by(by_key()).layer(service_fn(obey));
    assert_eq!(call(&mut service, "a", 500), 500);
    let removed = kept.lock().unwrap().take().unwrap();
    assert_eq!(removed.state(), State::Open);
    assert!(registry.is_empty());
}
