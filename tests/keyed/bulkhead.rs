//! Places by key (rule M2). The time is tokio's, and paused.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use http::{Request, Response};
use tokio::time::advance;
use tokio_test::task::{Spawn, spawn};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_breaker::{
    BulkheadLayer, Circuit, CircuitBuilder, Reason, Rejected, State, keyed::by,
    observe::BulkheadNow, registry::Registry,
};

use crate::calling::{Answer, by_key, call, obey, request};

const WAIT: Duration = Duration::from_millis(100);
const BREAK: Duration = Duration::from_secs(5);

fn registry(
    wait: Duration,
    change: impl Fn(CircuitBuilder) -> CircuitBuilder + Send + Sync + 'static,
) -> Registry {
    let builder = Registry::builder()
        .max_circuits(2)
        .defaults(move |circuit| {
            let circuit = circuit.consecutive_failures(1).open_for(BREAK);
            change(circuit.bulkhead(1, wait))
        });
    builder.build().unwrap()
}

/// A request for 0 hangs.
async fn hang_or_obey(request: Request<u16>) -> Answer {
    match request.body() {
        0 => pending().await,
        _ => obey(request).await,
    }
}

fn begin<S>(service: &mut S, key: &str, answer: u16) -> Spawn<S::Future>
where
    S: Service<Request<u16>, Response = Response<()>, Error = Infallible>,
{
    let ready = service.ready().now_or_never().unwrap();
    spawn(ready.unwrap().call(request(key, answer)))
}

#[track_caller]
fn pends<S>(service: &mut S, key: &str, answer: u16) -> Spawn<S::Future>
where
    S: Service<Request<u16>, Response = Response<()>, Error = Infallible>,
{
    let mut call = begin(service, key, answer);
    assert!(call.poll().is_pending());
    call
}

fn seen(circuit: &Circuit) -> BulkheadNow {
    circuit.snapshot().parts.unwrap().bulkhead.unwrap()
}

fn reason(response: &Response<()>) -> Option<Reason> {
    response.extensions().get().map(Rejected::reason)
}

// M2
#[tokio::test(start_paused = true)]
async fn each_key_has_places_of_its_own() {
    let registry = registry(Duration::ZERO, |c| c);
    let keyed = registry.layer_by(by_key()).layer(service_fn(hang_or_obey));
    let mut service = BulkheadLayer::new().layer(keyed);
    let hangs = pends(&mut service, "a", 0);
    let full = begin(&mut service, "a", 200).await.unwrap();
    assert_eq!(
        (full.status().as_u16(), reason(&full)),
        (503, Some(Reason::BulkheadFull))
    );
    assert_eq!(call(&mut service, "b", 200), 200);
    // A request without a key goes through the layer's own circuit, which has no bulkhead.
    let _unguarded = [(); 3].map(|()| pends(&mut service, "", 0));
    let a = registry.try_get("a").unwrap();
    assert_eq!(a.snapshot().totals.unwrap().rejected_by.bulkhead_full, 1);
    assert_eq!(a.state(), State::Closed);
    drop(hangs);
    assert_eq!(call(&mut service, "a", 200), 200);
}

// M2, J1: as that may be somebody else's code.
#[tokio::test(start_paused = true)]
async fn a_request_is_asked_for_its_key_once_whatever_becomes_of_it() {
    let asked = Arc::new(AtomicU64::new(0));
    let counts = asked.clone();
    let key = by::composed(move |_: &Request<u16>, name| {
        counts.fetch_add(1, Ordering::Relaxed);
        name.write("a")
    });
    let registry = registry(WAIT, |c| c);
    let keyed = registry.layer_by(key).layer(service_fn(hang_or_obey));
    let mut service = BulkheadLayer::new().layer(keyed);
    let hangs = pends(&mut service, "", 0);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let mut waits = pends(&mut service, "", 200);
    let late = pends(&mut service, "", 200);
    drop(hangs);
    assert!(waits.poll().is_ready());
    drop(waits);
    advance(WAIT).await;
    assert_eq!(late.await.unwrap().status(), 200);
    let a = registry.try_get("a").unwrap();
    a.trip(BREAK).unwrap();
    assert_eq!(call(&mut service, "", 200), 503);
    assert_eq!(asked.load(Ordering::Relaxed), 4);
    assert_eq!(a.snapshot().totals.unwrap().rejected_by.open, 1);
}

// M2: of a keyed layer, whose readiness has no key, calls meet an open circuit only in `call`.
#[tokio::test(start_paused = true)]
async fn a_key_whose_circuit_is_open_says_so_and_takes_no_place() {
    let registry = registry(WAIT, |c| c);
    let keyed = registry.layer_by(by_key()).layer(service_fn(hang_or_obey));
    let mut service = BulkheadLayer::new().layer(keyed);
    let _hangs = pends(&mut service, "a", 0);
    let waits = pends(&mut service, "a", 200);
    let a = registry.try_get("a").unwrap();
    a.trip(BREAK).unwrap();
    assert!(waits.is_woken());
    assert_eq!(reason(&waits.await.unwrap()), Some(Reason::Open));
    let open = begin(&mut service, "a", 200).await.unwrap();
    assert_eq!(reason(&open), Some(Reason::Open));
    assert_eq!((seen(&a).taken, seen(&a).waiting), (1, 0));
    assert_eq!(a.snapshot().totals.unwrap().rejected, 2);
}

// M2, I5: one whose circuit left would come back with all its places free.
#[tokio::test(start_paused = true)]
async fn a_circuit_stays_while_a_place_of_it_is_taken_or_waited_for() {
    let registry = registry(WAIT, |c| c);
    let keyed = registry.layer_by(by_key()).layer(service_fn(hang_or_obey));
    let mut service = BulkheadLayer::new().layer(keyed);
    let hold = |key| registry.get_or_create(key).unwrap().try_enter().unwrap();
    let places = [hold("a"), hold("b")];
    registry.get_or_create("c").unwrap_err();
    let waits = pends(&mut service, "a", 200);
    drop(places);
    let _c = registry.get_or_create("c").unwrap();
    registry.get_or_create("d").unwrap_err();
    assert!(registry.get("a").is_some(), "it is waited for");
    assert_eq!(waits.await.unwrap().status(), 200);
    registry.get_or_create("d").unwrap();
}

// M2, J2: what it waits for is a place of the circuit that it was of when it came.
#[tokio::test(start_paused = true)]
async fn who_waits_for_a_circuit_that_was_removed_waits_for_that() {
    let registry = registry(WAIT, |c| c);
    let keyed = registry.layer_by(by_key()).layer(service_fn(hang_or_obey));
    let mut service = BulkheadLayer::new().layer(keyed);
    let hangs = pends(&mut service, "a", 0);
    let mut waits = pends(&mut service, "a", 200);
    let old = registry.try_get("a").unwrap();
    registry.remove("a");
    let _new = pends(&mut service, "a", 0);
    assert_eq!(seen(&old).waiting, 1);
    assert!(waits.poll().is_pending());
    drop(hangs);
    assert_eq!(waits.await.unwrap().status(), 200);
    assert_eq!(old.snapshot().totals.unwrap().successful, 1);
}

// M2, E5: as a configuration does.
#[tokio::test(start_paused = true)]
async fn the_places_of_a_registrys_circuit_are_live() {
    let registry = registry(WAIT, |c| c);
    let keyed = registry.layer_by(by_key()).layer(service_fn(hang_or_obey));
    let mut service = BulkheadLayer::new().layer(keyed);
    let _hangs = pends(&mut service, "a", 0);
    let mut waits = pends(&mut service, "a", 200);
    let a = registry.try_get("a").unwrap();
    a.reconfigure(|settings| settings.set_bulkhead((2, WAIT)))
        .unwrap();
    assert!(waits.is_woken());
    assert!(waits.poll().is_ready());
    assert_eq!(registry.try_get("b").ok().map(|b| seen(&b)), None);
}

// M2, G3
#[tokio::test(start_paused = true)]
async fn a_full_key_gives_back_what_was_reserved_for_the_call() {
    let registry = registry(Duration::ZERO, |c| c);
    let limited = tower::limit::ConcurrencyLimitLayer::new(2).layer(service_fn(hang_or_obey));
    let keyed = registry.layer_by(by_key()).layer(limited);
    let mut service = BulkheadLayer::new().layer(keyed);
    let _hangs = pends(&mut service, "a", 0);
    for _ in 0..5 {
        assert_eq!(call(&mut service, "a", 200), 503);
        assert!(service.clone().ready().now_or_never().is_some());
    }
}
