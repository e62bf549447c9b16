//! A span of our own around each call.

use std::{
    convert::Infallible,
    future::{Future, Ready, pending, ready},
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use http::{Request, Response, StatusCode};
use tower::{Layer, Service, ServiceBuilder, retry::Policy, service_fn};
use tower_breaker::{Circuit, CircuitBreakerLayer, circuit_breaker_span, telemetry::SpanLayer};
use tracing::{Instrument, Level, debug_span};

use super::{brittle, named, request};
use crate::collector::{Collector, Traced};

type Asked = Request<String>;

fn answer(status: StatusCode) -> Response<String> {
    let mut response = Response::new("an answer".to_owned());
    *response.status_mut() = status;
    response
}

/// Answers with the status that the request's path is.
async fn dependency(request: Asked) -> Result<Response<String>, Infallible> {
    let status = request.uri().path().trim_start_matches('/');
    Ok(answer(status.parse().expect("a status")))
}

fn to(path: &str) -> Asked {
    Request::get(path).body(String::new()).expect("a request")
}

fn around(
    circuit: &Circuit,
) -> ServiceBuilder<
    tower::layer::util::Stack<
        CircuitBreakerLayer,
        tower::layer::util::Stack<SpanLayer, tower::layer::util::Identity>,
    >,
> {
    ServiceBuilder::new()
        .layer(SpanLayer::new(circuit))
        .layer(CircuitBreakerLayer::new(circuit.clone()))
}

/// All there have been.
fn own(traces: &Collector) -> Vec<Traced> {
    traces.spans_of("circuit_breaker")
}

fn texts(spans: &[Traced]) -> Vec<String> {
    spans.iter().map(|span| span.fields.to_string()).collect()
}

fn poll_once(future: impl Future) {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_pending());
}

// L7
#[tokio::test]
async fn each_call_has_a_span_that_tells_what_became_of_it() {
    let traces = Collector::new();
    let _listening = traces.listen();
    let circuit = brittle(|builder| builder);
    let mut service = around(&circuit).service(service_fn(dependency));
    for path in ["/200", "/404", "/500", "/200"] {
        service
            .ready()
            .await
            .expect("ready")
            .call(to(path))
            .await
            .expect("an answer");
    }
    assert_eq!(
        texts(&own(&traces)),
        [
            "era=0 name=payments outcome=success probe=false state=closed",
            "era=0 name=payments outcome=ignored probe=false state=closed",
            "era=0 name=payments outcome=failure probe=false state=closed",
            "cause=consecutive_failures name=payments outcome=rejected rejected_reason=open state=open",
        ],
    );
    for span in own(&traces) {
        assert_eq!(
            (span.level, span.target.as_str()),
            (Level::DEBUG, "tower_breaker")
        );
        assert!(span.closed);
    }
}

// L7
#[tokio::test]
async fn a_span_lies_in_the_callers_and_around_what_is_inside() {
    let traces = Collector::new();
    let _listening = traces.listen();
    let circuit = brittle(|builder| builder.record_on_current_span());
    let inner = service_fn(|asked: Asked| async {
        let _inside = debug_span!("inside").entered();
        dependency(asked).await
    });
    let service = around(&circuit).service(inner);
    let span = request();
    service
        .oneshot(to("/200"))
        .instrument(span)
        .await
        .expect("an answer");
    assert_eq!(own(&traces)[0].parent, Some("request"));
    assert_eq!(traces.span("inside").parent, Some("circuit_breaker"));
    // Who asked for it has it on the caller's span, and ours has it once.
    assert_eq!(traces.span("request").fields, own(&traces)[0].fields);
    assert_eq!(
        (traces.span("request").records, own(&traces)[0].records),
        (5, 5)
    );
}

// L7: the one that is current where the breaker is called.
#[tokio::test]
async fn a_span_between_ours_and_the_breaker_is_told_of_the_call() {
    let traces = Collector::new();
    let _listening = traces.listen();
    let circuit = brittle(|builder| builder.record_on_current_span());
    let breaker = CircuitBreakerLayer::new(circuit.clone()).layer(service_fn(dependency));
    let service = SpanLayer::new(&circuit).layer(service_fn(move |asked: Asked| {
        let between = circuit_breaker_span!(Level::INFO, "between");
        breaker.clone().oneshot(asked).instrument(between)
    }));
    let asked = service.oneshot(to("/200")).instrument(request());
    asked.await.expect("an answer");
    assert_eq!(traces.span("between").fields, own(&traces)[0].fields);
    assert_eq!(traces.span("between").records, 5);
    assert_eq!(traces.span("request").records, 0);
}

// L7, A4
#[tokio::test]
async fn a_call_that_is_dropped_is_abandoned_on_our_span_and_on_the_callers() {
    for level in [Level::TRACE, Level::INFO] {
        let traces = Collector::new();
        let _listening = traces.listen_to(level);
        let circuit = brittle(|builder| builder.record_on_current_span());
        let hangs = service_fn(|_: Asked| pending::<Result<Response<String>, Infallible>>());
        let mut service = around(&circuit).service(hangs);
        service.ready().await.expect("ready");
        let call = request().in_scope(|| service.call(to("/")));
        // Nothing is current when it is dropped, as with tower-http's `TraceLayer`.
        poll_once(call);
        let expected = "era=0 name=payments outcome=abandoned probe=false state=closed";
        assert_eq!(traces.span("request").fields.to_string(), expected);
        let ours = if level == Level::TRACE {
            vec![expected.to_owned()]
        } else {
            vec![]
        };
        assert_eq!(texts(&own(&traces)), ours);
        assert!(traces.span("request").closed);
    }
}

// L7, A4
#[tokio::test(start_paused = true)]
async fn a_call_that_a_timeout_gives_up_is_abandoned() {
    let traces = Collector::new();
    let _listening = traces.listen();
    let circuit = brittle(|builder| builder);
    let service = ServiceBuilder::new()
        .layer(SpanLayer::new(&circuit))
        .timeout(Duration::from_secs(1))
        .layer(CircuitBreakerLayer::new(circuit))
        .service(service_fn(|_: Asked| {
            pending::<Result<Response<String>, Infallible>>()
        }));
    let mut call = pin!(service.oneshot(to("/")));
    call.as_mut().await.expect_err("too late");
    // Before its future is dropped.
    assert_eq!(
        own(&traces)[0].fields.get("circuit_breaker.outcome"),
        Some("abandoned")
    );
    assert!(own(&traces)[0].closed);
}

// L7
#[tokio::test]
async fn two_circuits_in_one_request_have_a_span_each() {
    let traces = Collector::new();
    let _listening = traces.listen();
    let outer = brittle(|builder| builder);
    let inner = named("bank", |builder| builder);
    inner.force_open();
    let service = around(&outer).service(around(&inner).service(service_fn(dependency)));
    service.oneshot(to("/200")).await.expect("an answer");
    let spans = own(&traces);
    assert_eq!(
        spans[0].fields.get("circuit_breaker.name"),
        Some("payments")
    );
    assert_eq!(spans[0].fields.get("circuit_breaker.rejected_reason"), None);
    assert_eq!(spans[1].fields.get("circuit_breaker.name"), Some("bank"));
    assert_eq!(
        spans[1].fields.get("circuit_breaker.rejected_reason"),
        Some("forced_open")
    );
    assert_eq!(spans[1].parent, Some("circuit_breaker"));
}

// L7
#[tokio::test]
async fn two_layers_of_one_circuit_tell_each_their_own_calls_once() {
    let traces = Collector::new();
    let _listening = traces.listen();
    let circuit = brittle(|builder| builder);
    let first = around(&circuit).service(service_fn(dependency));
    let second = around(&circuit).service(service_fn(dependency));
    first.oneshot(to("/200")).await.expect("an answer");
    second.oneshot(to("/200")).await.expect("an answer");
    let records: Vec<_> = own(&traces).iter().map(|span| span.records).collect();
    assert_eq!(records, [5, 5]);
}

// L7
#[tokio::test]
async fn a_level_can_be_chosen() {
    for level in [
        Level::ERROR,
        Level::WARN,
        Level::INFO,
        Level::DEBUG,
        Level::TRACE,
    ] {
        let traces = Collector::new();
        let _listening = traces.listen();
        let circuit = brittle(|builder| builder);
        let service = SpanLayer::new(&circuit)
            .level(level)
            .layer(service_fn(dependency));
        service.oneshot(to("/200")).await.expect("an answer");
        assert_eq!(own(&traces)[0].level, level);
    }
}

// L7
#[test]
fn where_nobody_looks_a_layer_allocates_nothing() {
    let circuit = brittle(|builder| builder);
    let inner = service_fn(|_: ()| ready(Ok::<_, Infallible>(())));
    let mut service = SpanLayer::new(&circuit).layer(inner);
    let traces = Collector::new();
    let _listening = traces.listen_to(Level::INFO);
    let allocated = allocation_counter::measure(|| {
        let mut call = pin!(service.call(()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(call.as_mut().poll(&mut context).is_ready());
    });
    assert_eq!(allocated.count_total, 0);
}

// L7, A5
#[tokio::test]
async fn a_call_that_panics_has_failed_and_leaves_no_span_behind() {
    let traces = Collector::new();
    let _listening = traces.listen();
    let circuit = brittle(|builder| builder);
    let mut service = around(&circuit).service(service_fn(|_: Asked| async move {
        panic!("a handler") as Result<Response<String>, Infallible>
    }));
    let call = service.ready().await.expect("ready").call(to("/"));
    let panicked = tokio::spawn(call).await.expect_err("it panics");
    assert!(panicked.is_panic());
    let span = own(&traces).remove(0);
    assert_eq!(span.fields.get("circuit_breaker.outcome"), Some("failure"));
    assert!(span.closed);
    assert!(tracing::Span::current().is_none());
}

// L7
#[tokio::test]
async fn a_layer_that_is_gone_listens_no_more() {
    let traces = Collector::new();
    let _listening = traces.listen();
    let circuit = brittle(|builder| builder);
    let layer = SpanLayer::new(&circuit);
    let service =
        layer.layer(CircuitBreakerLayer::new(circuit.clone()).layer(service_fn(dependency)));
    drop(layer);
    let weak = circuit.downgrade();
    drop(circuit);
    // The service is enough, and it is all that holds the circuit.
    service.oneshot(to("/200")).await.expect("an answer");
    assert_eq!(own(&traces)[0].records, 5);
    assert!(weak.upgrade().is_none());
}

#[cfg(feature = "registry")]
mod of_a_registry {
    use tower_breaker::{keyed::by, registry::Registry};

    use super::*;

    // L7
    #[tokio::test]
    async fn one_layer_is_around_all_keys() {
        let traces = Collector::new();
        let _listening = traces.listen();
        let registry = Registry::builder().defaults(|circuit| circuit.consecutive_failures(1));
        let registry = registry.build().expect("valid");
        let breaker = registry.layer_by(by::header(http::HeaderName::from_static("tenant")));
        let mut service = ServiceBuilder::new()
            .layer(SpanLayer::for_registry(&registry))
            .layer(breaker)
            .service(service_fn(dependency));
        for (tenant, path) in [("a", "/500"), ("b", "/200"), ("a", "/200")] {
            let mut request = to(path);
            let tenant = http::HeaderValue::from_static(tenant);
            request.headers_mut().insert("tenant", tenant);
            service
                .ready()
                .await
                .expect("ready")
                .call(request)
                .await
                .expect("an answer");
        }
        assert_eq!(
            texts(&own(&traces)),
            [
                "era=0 name=a outcome=failure probe=false state=closed",
                "era=0 name=b outcome=success probe=false state=closed",
                "cause=consecutive_failures name=a outcome=rejected rejected_reason=open state=open",
            ],
        );
    }

    // L7
    #[tokio::test]
    async fn what_another_circuit_does_inside_is_not_told_of_this_call() {
        let traces = Collector::new();
        let _listening = traces.listen();
        let registry = Registry::builder().build().expect("valid");
        let bank = registry.get_or_create("bank").expect("made");
        let payments = registry.get_or_create("payments").expect("made");
        bank.force_open();
        let service = ServiceBuilder::new()
            .layer(SpanLayer::for_registry(&registry))
            .layer(CircuitBreakerLayer::new(payments))
            .service(service_fn(move |_: Asked| {
                bank.try_acquire().expect_err("forced open");
                ready(Ok::<_, Infallible>(answer(StatusCode::OK)))
            }));
        service.oneshot(to("/")).await.expect("an answer");
        assert_eq!(
            texts(&own(&traces)),
            ["era=0 name=payments outcome=success probe=false state=closed"],
        );
    }
}

// L7, H5: as its docs say.
#[cfg(feature = "body")]
#[tokio::test]
async fn a_span_ends_with_the_head_and_does_not_wait_for_the_body() {
    use http_body_util::BodyExt;

    let traces = Collector::new();
    let _listening = traces.listen();
    let circuit = brittle(|builder| builder.record_on_current_span());
    let service = ServiceBuilder::new()
        .layer(SpanLayer::new(&circuit))
        .layer(CircuitBreakerLayer::new(circuit.clone()).observe_bodies())
        .service(service_fn(dependency));
    let span = request();
    let asked = async {
        let response = service.oneshot(to("/200")).await.expect("an answer");
        response.into_body().collect().await.expect("a body");
    };
    asked.instrument(span).await;
    assert_eq!(own(&traces)[0].fields.get("circuit_breaker.outcome"), None);
    let request = traces.span("request");
    assert_eq!(
        request.fields.get("circuit_breaker.outcome"),
        Some("success")
    );
}

/// Tries again once, after a failure.
#[derive(Clone)]
struct Once(bool);

impl Policy<Asked, Response<String>, Infallible> for Once {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Asked,
        result: &mut Result<Response<String>, Infallible>,
    ) -> Option<Self::Future> {
        let failed = result
            .as_ref()
            .is_ok_and(|response| response.status().is_server_error());
        (failed && std::mem::take(&mut self.0)).then(|| ready(()))
    }

    fn clone_request(&mut self, _: &Asked) -> Option<Asked> {
        Some(to("/200"))
    }
}

// L7
#[tokio::test]
async fn around_a_retry_a_span_has_the_outcome_of_the_last_attempt() {
    let traces = Collector::new();
    let _listening = traces.listen();
    let circuit = named("payments", |builder| builder.consecutive_failures(5));
    let service = ServiceBuilder::new()
        .layer(SpanLayer::new(&circuit))
        .retry(Once(true))
        .layer(CircuitBreakerLayer::new(circuit))
        .service(service_fn(dependency));
    service.oneshot(to("/500")).await.expect("an answer");
    let span = own(&traces).remove(0);
    assert_eq!(span.records, 10);
    let outcome = span.fields.get("circuit_breaker.outcome");
    assert_eq!(outcome, Some("success"));
}
