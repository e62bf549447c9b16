//! Which requests are made twice.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

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
