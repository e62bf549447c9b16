//! Under tower-http's `TraceLayer`, on a server of axum's.

use axum::{Router, extract::Request, routing::get};

use tower_breaker::{Circuit, CircuitBreakerLayer, circuit_breaker_span, telemetry::SpanLayer};
use tower_http::trace::TraceLayer;
use tracing::{Level, Span};

use super::brittle;
use crate::{
    collector::Collector,
    sockets::{BOTH, Browser, Connection, Dependency, Server, Version, until},
};

/// As the docs of `record_on_current_span` show it.
fn span_of(request: &Request) -> Span {
    circuit_breaker_span!(
        Level::INFO,
        "request",
        method = %request.method(),
        path = request.uri().path(),
    )
}

fn router(circuit: &Circuit, dependency: &Dependency) -> Router {
    let dependency = dependency.clone();
    let handler = move || async move { dependency.call().await };
    let breaker = CircuitBreakerLayer::new(circuit.clone());
    Router::new().route("/", get(handler)).layer(breaker)
}

// L7
#[tokio::test]
async fn the_span_of_a_request_tells_what_became_of_its_call() {
    for version in BOTH {
        let traces = Collector::new();
        let _listening = traces.listen_to(Level::INFO);
        let circuit = brittle(|builder| builder.record_on_current_span());
        let dependency = Dependency::new();
        let traced = TraceLayer::new_for_http().make_span_with(span_of);
        let server = Server::axum(router(&circuit, &dependency).layer(traced)).await;
        let browser = Browser::new(version, &server);
        assert_eq!(browser.status("/").await, 200);
        dependency.fail();
        assert_eq!(browser.status("/").await, 500);
        assert_eq!(browser.status("/").await, 503);
        let spans = traces.spans_of("request");
        let texts: Vec<_> = spans.iter().map(|span| span.fields.to_string()).collect();
        assert_eq!(
            texts,
            [
                "era=0 name=payments outcome=success probe=false state=closed method=GET path=/",
                "era=0 name=payments outcome=failure probe=false state=closed method=GET path=/",
                "cause=consecutive_failures name=payments outcome=rejected rejected_reason=open state=open \
                 method=GET path=/",
            ],
        );
    }
}

/// What the span of a request has whose client goes away while the handler hangs.
async fn outcome_of_a_vanished_client(with_span_layer: bool) -> Option<String> {
    let traces = Collector::new();
    let _listening = traces.listen_to(Level::INFO);
    let circuit = brittle(|builder| builder.record_on_current_span());
    let dependency = Dependency::new();
    let mut router = router(&circuit, &dependency);
    if with_span_layer {
        router = router.layer(SpanLayer::new(&circuit));
    }
    let traced = TraceLayer::new_for_http().make_span_with(span_of);
    let server = Server::axum(router.layer(traced)).await;
    dependency.hold();
    let mut connection = Connection::open(Version::Http1, &server).await;
    let request = tokio::spawn(async move { connection.get("/").await });
    until(|| dependency.entered() == 1).await;
    request.abort();
    until(|| traces.span("request").closed).await;
    let totals = circuit.snapshot().totals.expect("counted");
    assert_eq!(totals.abandoned, 1);
    let span = traces.span("request");
    assert_eq!(span.fields.get("circuit_breaker.name"), Some("payments"));
    span.fields
        .get("circuit_breaker.outcome")
        .map(str::to_owned)
}

// L7, A4: it is dropped outside of its span, as the docs say.
#[tokio::test]
async fn a_request_whose_client_goes_away_has_no_outcome_under_a_trace_layer() {
    assert_eq!(outcome_of_a_vanished_client(false).await, None);
}

// L7, A4: even where a level is on at which our span is not.
#[tokio::test]
async fn with_a_span_layer_it_is_abandoned() {
    let outcome = outcome_of_a_vanished_client(true).await;
    assert_eq!(outcome.as_deref(), Some("abandoned"));
}

#[cfg(feature = "body")]
mod with_bodies {
    use axum::body::Body;
    use bytes::Bytes;
    use http_body_util::{BodyExt, Channel};
    use tower::{Service, ServiceBuilder, service_fn};
    use tracing::Instrument;

    use super::*;

    // L7, H5
    #[tokio::test]
    async fn an_outcome_that_comes_with_the_body_is_on_the_span_of_the_request() {
        let traces = Collector::new();
        let _listening = traces.listen_to(Level::INFO);
        let circuit = brittle(|builder| builder.record_on_current_span());
        let breaker = CircuitBreakerLayer::new(circuit.clone()).observe_bodies();
        let streams = || async {
            let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(1);
            tokio::spawn(async move {
                sender
                    .send_data(Bytes::from_static(b"half"))
                    .await
                    .expect("read");
                sender.abort(std::io::Error::other("torn"));
            });
            Body::new(body)
        };
        let router = Router::new().route("/", get(streams)).layer(breaker);
        let traced = TraceLayer::new_for_http().make_span_with(span_of);
        let server = Server::axum(router.layer(traced)).await;
        let browser = Browser::new(Version::Http1, &server);
        let reading = tokio::spawn(async move { browser.get("/").await });
        until(|| traces.spans_of("request").iter().any(|span| span.closed)).await;
        reading.await.expect_err("the body is torn");
        let span = traces.span("request");
        assert_eq!(span.fields.get("circuit_breaker.outcome"), Some("failure"));
    }

    /// What the span of a request gets whose body is read in another task.
    async fn outcome_of_a_body_read_elsewhere(in_its_span: bool) -> Option<String> {
        let traces = Collector::new();
        let _listening = traces.listen_to(Level::INFO);
        let circuit = brittle(|builder| builder.record_on_current_span());
        let breaker = CircuitBreakerLayer::new(circuit.clone()).observe_bodies();
        let answer = || async {
            Ok::<_, std::convert::Infallible>(http::Response::new(Body::from("whole")))
        };
        let mut service = ServiceBuilder::new()
            .layer(breaker)
            .service(service_fn(move |_: Request| answer()));
        let span = super::super::request();
        let call = service
            .ready()
            .await
            .expect("ready")
            .call(Request::new(Body::empty()));
        let response = call.instrument(span.clone()).await.expect("an answer");
        let read = response.into_body().collect();
        let read = if in_its_span {
            tokio::spawn(read.instrument(span))
        } else {
            tokio::spawn(read.instrument(Span::none()))
        };
        read.await.expect("no panic").expect("a body");
        assert_eq!(circuit.snapshot().totals.expect("counted").successful, 1);
        let outcome = traces.span("request").fields;
        outcome.get("circuit_breaker.outcome").map(str::to_owned)
    }

    // L7, H5
    #[tokio::test]
    async fn a_body_that_another_task_reads_needs_the_span_there() {
        assert_eq!(outcome_of_a_body_read_elsewhere(false).await, None);
        let outcome = outcome_of_a_body_read_elsewhere(true).await;
        assert_eq!(outcome.as_deref(), Some("success"));
    }
}
