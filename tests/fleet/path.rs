//! N1: the request path is local, and what comes of a fleet in the end.

use std::convert::Infallible;

use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, Service, service_fn};
use tower_breaker::{
    Cause, CircuitBreakerLayer, CircuitError, State, classify::ErrorsOnly, fleet::Memory,
    reject::RejectAsError,
};

use crate::fleet_support::{Fault, Faulty, Instance, calls_for, millis, quiet, secs};

fn two() -> (Instance, Instance) {
    let store = Memory::new();
    (
        Instance::new(store.clone(), quiet),
        Instance::new(store, quiet),
    )
}

// N1, N3, N5: at a call a second neither would ever open by itself.
#[tokio::test(start_paused = true)]
async fn an_outage_opens_all_and_one_probe_closes_all() {
    let (one, other) = two();
    calls_for(&[&one, &other], secs(3), || true).await;
    calls_for(&[&one, &other], secs(7), || false).await;
    for instance in [&one, &other] {
        assert_eq!(instance.state(), State::Open);
        let trip = instance.circuit.snapshot().last_trip.expect("a trip");
        assert_eq!(trip.cause, Cause::Shared);
    }

    // The break is over: somebody makes one probe.
    sleep(secs(5)).await;
    let made = calls_for(&[&one, &other], secs(3), || true).await;
    assert!(made > 1, "{made} calls");
    assert_eq!((one.state(), other.state()), (State::Closed, State::Closed));
    sleep(millis(1)).await;
}

/// Both are open, the break is over, and nobody has called since.
async fn held() -> (Instance, Instance) {
    let (one, other) = two();
    calls_for(&[&one, &other], secs(3), || true).await;
    calls_for(&[&one, &other], secs(7), || false).await;
    sleep(secs(7)).await;
    assert_eq!((one.state(), other.state()), (State::Open, State::Open));
    (one, other)
}

fn are_closed(one: &Instance, other: &Instance) -> bool {
    [one, other].iter().all(|it| it.state() == State::Closed)
}

fn layer(instance: &Instance) -> CircuitBreakerLayer<ErrorsOnly, RejectAsError> {
    CircuitBreakerLayer::new(instance.circuit.clone())
        .classifier(ErrorsOnly)
        .reject_as_error()
}

// N5, G2: the calls of a service are turned away by its readiness, and ask for a seat all the same.
#[tokio::test(start_paused = true)]
async fn a_service_as_axum_calls_it_recovers() {
    let (one, other) = held().await;
    let inner = service_fn(|()| async { Ok::<_, Infallible>(()) });
    let service = layer(&one).layer(inner);
    let mut rejected = 0;
    while let Err(error) = service.clone().oneshot(()).await {
        let CircuitError::Rejected(error) = error else {
            panic!("{error}");
        };
        assert_eq!(error.remaining(), Some(secs(1)));
        rejected += 1;
        assert!(rejected < 50, "nobody asks for a seat");
        sleep(millis(20)).await;
    }
    assert!(rejected > 0);
    sleep(secs(2)).await;
    assert!(are_closed(&one, &other));
}

// N5, G7: nobody is rejected, and the first call that waits becomes the probe.
#[tokio::test(start_paused = true)]
async fn a_service_that_waits_recovers() {
    let (one, other) = held().await;
    let inner = service_fn(|()| async { Ok::<_, Infallible>(()) });
    let mut service = layer(&one).pending_while_open().layer(inner);
    let ready = timeout(secs(1), service.ready()).await;
    let ready = ready.expect("a seat is asked for").expect("ready");
    ready.call(()).await.expect("a probe");
    sleep(secs(2)).await;
    assert!(are_closed(&one, &other));
}

// N5, D7: nobody calls at all.
#[tokio::test(start_paused = true)]
async fn a_driver_recovers_for_all() {
    let (one, other) = held().await;
    let check = async || Ok::<_, Infallible>(());
    let driver = tokio::spawn(one.circuit.probe_with(check));
    sleep(secs(2)).await;
    assert!(are_closed(&one, &other));
    driver.abort();
}

// N5, M7: what is kept for later is all that there is to send.
#[cfg(feature = "degrade")]
#[tokio::test(start_paused = true)]
async fn a_drainer_recovers_for_all() {
    use bytes::Bytes;
    use tower_breaker::degrade::queue::{Drainer, Entry, Memory, Outbox};

    let (one, other) = held().await;
    let kept = Memory::new();
    let (method, uri) = (http::Method::POST, http::Uri::from_static("/a"));
    let entry = Entry::new(method, uri, http::HeaderMap::new(), Bytes::new(), "a");
    let room = kept.ledger().reserve(entry.bytes()).expect("room");
    kept.put(entry, room).await.expect("infallible");
    let client = service_fn(|_: http::Request<Bytes>| async {
        Ok::<_, Infallible>(http::Response::new(Bytes::new()))
    });
    let drained = Drainer::new(&one.circuit, kept, client)
        .run(sleep(secs(5)))
        .await;
    assert_eq!(drained.delivered, 1);
    assert!(are_closed(&one, &other));
}

// N1: whatever the store does, no call waits for it: by a clock that only waiting moves.
#[tokio::test(start_paused = true)]
async fn no_call_waits_for_a_store() {
    let store = Faulty::new();
    let one = Instance::new(store.clone(), quiet);
    sleep(secs(1)).await;
    for fault in [
        Fault::None,
        Fault::Silent,
        Fault::Late(secs(60)),
        Fault::Panics,
    ] {
        store.is(fault);
        for succeeds in [true, false] {
            let began = Instant::now();
            for _ in 0..100 {
                one.call(succeeds);
            }
            one.circuit.force_open();
            assert!(!one.call(true));
            one.circuit.reset();
            let _ = one.circuit.snapshot();
            assert_eq!(began.elapsed(), secs(0), "{fault:?}");
            sleep(secs(1)).await;
        }
    }
}
