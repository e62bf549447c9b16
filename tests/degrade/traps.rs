//! The lines that the guide *Degrading* shows under *Watch out* compile, the wrong ones, too. They are here as they are
//! there.

use std::{convert::Infallible, error::Error, fs, future::ready, time::Duration};

use bytes::Bytes;
use http::{
    HeaderName, Request, Response, Uri,
    header::{COOKIE, HOST},
};
use http_body_util::Full;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_breaker::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, RetryLimits,
    degrade::{
        StackLayer,
        cached::Cached,
        fallback::{FallbackLayer, value},
        queue::{DeferLayer, Drainer, Memory},
        retries::Retries,
    },
};

type Body = Full<Bytes>;

async fn client(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::default())
}

fn circuit() -> Circuit {
    let circuit = Circuit::builder("price").retries(RetryLimits::new(1));
    circuit.build().expect("valid")
}

fn is_service(_: impl Service<Request<Body>>) {}

#[test]
fn the_order_of_layers() {
    let circuit = circuit();
    let breaker = &CircuitBreakerLayer::new(circuit.clone());
    let client = service_fn(client);

    let fallback = &FallbackLayer::on_failure(&circuit, value(Response::<Body>::default()));
    let wrong = ServiceBuilder::new().layer(breaker).layer(fallback);
    let right = ServiceBuilder::new().layer(fallback).layer(breaker);
    is_service(wrong.service(client));
    is_service(right.service(client));

    let queue = Memory::new();
    let wrong = ServiceBuilder::new()
        .layer(breaker)
        .layer(DeferLayer::new(&circuit, queue));
    let queue = Memory::new();
    let right = ServiceBuilder::new()
        .layer(DeferLayer::new(&circuit, queue))
        .layer(breaker);
    is_service(wrong.service(client));
    is_service(right.service(client));

    // The wrong one is `tests/misuse/bulkhead_inside.rs`.
    let right = ServiceBuilder::new()
        .layer(BulkheadLayer::new())
        .layer(breaker);
    is_service(right.service(client));
}

async fn whole(response: Response<Body>) -> Result<Response<Body>, Infallible> {
    Ok(response)
}

#[tokio::test]
async fn timeouts() {
    let circuit = circuit();
    let breaker = CircuitBreakerLayer::new(circuit.clone());
    let client = service_fn(client);

    let limit = Duration::from_secs(1);
    let fallback = FallbackLayer::on_failure(&circuit, value(Response::<Body>::default()));
    let (fallback, breaker) = (&fallback, &breaker);
    let wrong = ServiceBuilder::new()
        .timeout(limit)
        .layer(fallback)
        .layer(breaker);
    let breaker = breaker.clone();
    let right = ServiceBuilder::new()
        .layer(fallback)
        .layer(breaker.limit_calls());
    is_service(wrong.service(client));
    is_service(right.service(client));

    let (price, reviews) = (ready(1), ready(2));
    let (price, reviews) = (price.await, reviews.await);
    let (price, reviews) = (ready(price), ready(reviews));
    let (price, reviews) = tokio::join!(price, reviews);
    assert_eq!((price, reviews), (1, 2));

    is_service(StackLayer::of(&circuit).layer(client));
    is_service(StackLayer::of(&circuit).layer(client.and_then(whole)));
}

#[test]
fn fallbacks_and_retries() {
    let circuit = circuit();
    let breaker = &CircuitBreakerLayer::new(circuit.clone());
    let client = service_fn(client);

    let on_request = Response::<Body>::default();
    let wrong = FallbackLayer::on_rejection(&circuit, value(on_request));
    let on_request = Response::<Body>::default();
    let right = FallbackLayer::on_failure(&circuit, value(on_request));
    is_service(wrong.layer(breaker.layer(client)));
    is_service(right.layer(breaker.layer(client)));

    let wrong = ServiceBuilder::new().retry(Retries::new(&circuit).repeat(|_: &Request<_>| true));
    let right = ServiceBuilder::new().retry(Retries::new(&circuit));
    is_service(wrong.layer(breaker).service(client));
    is_service(right.layer(breaker).service(client));

    let queue = Memory::new();
    let queue = DeferLayer::new(&circuit, queue);
    let queue = &queue;
    let wrong = ServiceBuilder::new()
        .layer(queue)
        .layer(StackLayer::of(&circuit).retries());
    let right = ServiceBuilder::new()
        .layer(queue)
        .layer(StackLayer::of(&circuit));
    is_service(wrong.service(client));
    is_service(right.service(client));
}

#[test]
fn caches() -> Result<(), Box<dyn Error>> {
    let caches = [
        Cached::builder().build()?,
        Cached::builder()
            .also_key_by(HeaderName::from_static("x-tenant"))
            .build()?,
        Cached::builder()
            .stale_if_error(Duration::from_secs(600))
            .build()?,
    ];
    assert!(caches.iter().all(|cached| cached.usage().answers == 0));

    let upstream = || Uri::from_static("http://reviews.internal/");
    let mut request = Request::new(());
    *request.uri_mut() = upstream();
    request.headers_mut().remove(HOST);
    request.headers_mut().remove(COOKIE);
    Ok(())
}

fn customer_of(head: &Request<()>) -> String {
    head.uri().path().to_owned()
}

#[tokio::test]
async fn queues() -> Result<(), BoxError> {
    let circuit = circuit();
    let breaker = CircuitBreakerLayer::new(circuit.clone());
    let client = service_fn(client);

    let (queue, shutdown) = (Memory::new(), ready(()));
    let layer = DeferLayer::new(&circuit, queue.clone());
    tokio::spawn(Drainer::new(&circuit, queue, client).run(shutdown));
    is_service(layer.layer(breaker.layer(client)));

    let queue = Memory::new();
    is_service(
        DeferLayer::new(&circuit, queue)
            .also_on_failure()
            .layer(client),
    );
    let queue = Memory::new();
    is_service(
        DeferLayer::new(&circuit, queue)
            .order_by(customer_of)
            .layer(client),
    );
    Ok(())
}

fn without_spaces(text: &str) -> String {
    text.split_whitespace().collect()
}

/// The lines of code under *Watch out*, but for the one that does not compile.
fn lines_of_the_guide() -> Vec<String> {
    let guide = fs::read_to_string("src/guide/degrading.md").expect("a page");
    let (_, traps) = guide.split_once("\n# Watch out\n").expect("there");
    let (traps, _) = traps.split_once("\n# See it\n").expect("there");
    let blocks = traps.split("\n```text\n").skip(1);
    let blocks = blocks.map(|block| block.split("\n```\n").next().expect("one"));
    let lines = blocks.flat_map(str::lines);
    let lines = lines.filter(|line| !line.contains("error["));
    let code = lines.map(|line| without_spaces(line.split("//").next().expect("one")));
    code.filter(|code| !code.is_empty()).collect()
}

#[test]
fn each_line_of_the_guide_is_here() {
    let here = without_spaces(include_str!("traps.rs"));
    let lines = lines_of_the_guide();
    assert!(lines.len() > 30, "{}", lines.len());
    for line in lines {
        assert!(here.contains(&line), "{line}");
    }
}
