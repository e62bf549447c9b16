//! Which requests are made twice.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use bytes::Bytes;
use http_body_util::Full;
use tower::Layer;
use tower_breaker::degrade::{
    StackLayer,
    queue::{DeferLayer, Memory},
};

use super::*;

/// How often a GET, or whatever else, reaches the dependency when all it has is this answer.
async fn sent(request: Ask, line: Line) -> usize {
    let circuit = circuit(plenty(3));
    let upstream = Upstream::new([line]);
    ask(&stacked(at_once(&circuit), &circuit, &upstream), request).await;
    upstream.asked()
}

fn with_key(method: Method, key: &'static str) -> Ask {
    let mut request = by(method);
    request
        .headers_mut()
        .insert("idempotency-key", key.parse().unwrap());
    request
}

// M8: RFC 9110, 9.2.2
#[tokio::test(start_paused = true)]
async fn only_what_means_the_same_twice_is_repeated() {
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
        let request = by(method.parse().unwrap());
        assert_eq!(sent(request, 500.into()).await, 4, "{method}");
    }
    for method in ["POST", "PATCH", "CONNECT", "get", "PURGE"] {
        let request = by(method.parse().unwrap());
        assert_eq!(sent(request, 500.into()).await, 1, "{method}");
    }
}

// M8
#[tokio::test(start_paused = true)]
async fn a_post_is_sent_once_whatever_comes_of_it() {
    for status in 500..=599 {
        assert_eq!(sent(by(Method::POST), status.into()).await, 1, "{status}");
    }
    assert_eq!(sent(by(Method::POST), retry_after(503, 1)).await, 1);
    assert_eq!(sent(by(Method::POST), retry_after(429, 1)).await, 1);
    assert_eq!(sent(by(Method::POST), Line::Broken).await, 1);
}

// M8
#[tokio::test(start_paused = true)]
async fn a_key_makes_it_the_same_request() {
    for method in [Method::POST, Method::PATCH] {
        assert_eq!(sent(with_key(method.clone(), "7"), 500.into()).await, 4);
        assert_eq!(sent(with_key(method.clone(), "7"), Line::Broken).await, 4);
        assert_eq!(sent(with_key(method, ""), 500.into()).await, 1);
    }
}

// M8
#[tokio::test(start_paused = true)]
async fn a_closure_says_which_requests_are_repeated() {
    let circuit = circuit(plenty(3));
    let upstream = Upstream::new([500]);
    let policy = at_once(&circuit).repeat(|request: &Ask| request.method() == Method::POST);
    let client = stacked(policy, &circuit, &upstream);
    ask(&client, by(Method::POST)).await;
    assert_eq!(upstream.asked(), 4);
    ask(&client, get()).await;
    assert_eq!(upstream.asked(), 5);
}

static COPIES: AtomicU64 = AtomicU64::new(0);

/// A body that counts its copies.
#[derive(Default)]
struct Body;

impl Clone for Body {
    fn clone(&self) -> Self {
        COPIES.fetch_add(1, SeqCst);
        Self
    }
}

// M8
#[tokio::test(start_paused = true)]
async fn no_copy_is_kept_of_what_is_not_repeated() {
    let circuit = circuit(plenty(3));
    let dependency = service_fn(async |request: Request<Body>| {
        let status = if request.method() == Method::PUT {
            500
        } else {
            200
        };
        Ok::<_, BoxError>(Response::builder().status(status).body(String::new())?)
    });
    let service = ServiceBuilder::new()
        .retry(at_once(&circuit))
        .layer(CircuitBreakerLayer::new(circuit))
        .service(dependency);
    let mut copies = Vec::new();
    for method in [Method::POST, Method::GET, Method::PUT] {
        let request = Request::builder().method(method).body(Body).unwrap();
        service.clone().oneshot(request).await.unwrap();
        copies.push(COPIES.swap(0, SeqCst));
    }
    // One for each try that might have been followed by another.
    assert_eq!(copies, [0, 1, 4]);
}

// M8, M6: to be kept when it is rejected is no reason to be made twice when it fails.
#[tokio::test(start_paused = true)]
async fn a_key_that_a_queue_has_made_does_not_count() {
    for (on_failure, sent, tries) in [(false, false, 1), (false, true, 3), (true, false, 3)] {
        let circuit = Circuit::builder("orders").consecutive_failures(100);
        let circuit = circuit.retries(RetryLimits::new(2)).build().unwrap();
        let layer = DeferLayer::new(&circuit, Memory::new());
        let layer = if on_failure {
            layer.also_on_failure()
        } else {
            layer
        };
        let upstream = Upstream::new([500]);
        let service = StackLayer::of(&circuit)
            .fallback(layer.boxed_errors())
            .retries_by::<Retries<_, _, Boxed>>(Retries::new(&circuit))
            .layer(service_fn({
                let upstream = upstream.clone();
                move |request: Request<Full<Bytes>>| {
                    let request = request.map(|_| String::new());
                    let answer = upstream.answer(request);
                    async move { answer.map(|answer| answer.map(|_| Full::<Bytes>::default())) }
                }
            }));
        let mut request = Request::post("/orders")
            .body(Full::<Bytes>::default())
            .unwrap();
        if sent {
            let key = http::HeaderValue::from_static("\"client\"");
            request.headers_mut().insert("idempotency-key", key);
        }
        let answer = service.oneshot(request).await.unwrap();
        assert_eq!(answer.status(), if on_failure { 202 } else { 500 });
        assert_eq!(upstream.asked(), tries, "{on_failure} {sent}");
    }
}
