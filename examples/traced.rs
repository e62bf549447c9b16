//! Three axum services in a row, over real sockets, and one trace through all of them: each call has a span that
//! says what its circuit breaker did. What the last of them asks is down. The trace of one request shows at which hop
//! it was short-circuited, and why. Spans go through `tracing` to OpenTelemetry, and are kept in memory.
//!
//! Run with: `cargo run --example traced --features tracing`
//!
//! It binds free ports, ends by itself, and prints this; or it fails, if anything is not as it should be.
//!
//! ```text
//! the bank answers: 200
//! request service=shop
//!   circuit_breaker name=orders outcome=success probe=false state=closed
//!     request service=orders
//!       circuit_breaker name=payments outcome=success probe=false state=closed
//!         request service=payments
//!           circuit_breaker name=bank outcome=success probe=false state=closed
//!
//! the bank is down: 500
//! request service=shop
//!   circuit_breaker name=orders outcome=failure probe=false state=closed
//!     request service=orders
//!       circuit_breaker name=payments outcome=failure probe=false state=closed
//!         request service=payments
//!           circuit_breaker name=bank outcome=failure probe=false state=closed
//!             circuit `bank` opened: 1 failure, next probe in 5 s
//!
//! the next request: 503
//! request service=shop
//!   circuit_breaker name=orders outcome=failure probe=false state=closed
//!     request service=orders
//!       circuit_breaker name=payments outcome=failure probe=false state=closed
//!         request service=payments
//!           circuit_breaker cause=consecutive_failures name=bank outcome=rejected rejected_reason=open state=open
//! ```

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    BoxError, Router,
    extract::Request,
    http::{HeaderMap, Response, StatusCode},
    routing::get,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use opentelemetry::{
    Context,
    trace::{
        Event, SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState,
        TracerProvider,
    },
};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tower::{Service, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};
use tower_breaker::{
    Circuit, CircuitBreakerLayer,
    clock::ManualClock,
    telemetry::{SpanLayer, attributes},
};
use tower_http::trace::TraceLayer;
use tracing::{Level, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{filter::LevelFilter, layer::SubscriberExt, util::SubscriberInitExt};

/// What a service asks: another one, or the bank. It is told nothing but that it is asked.
type Asked = BoxCloneSyncService<(), Response<String>, BoxError>;

/// The span of this request goes on over there, under this header (W3C Trace Context).
fn traceparent() -> String {
    let context = Span::current().context();
    let span = context.span().span_context().clone();
    let (trace, id, flags) = (span.trace_id(), span.span_id(), span.trace_flags());
    format!("00-{trace}-{id}-{:02x}", flags.to_u8())
}

/// The span over there that a request comes from.
fn parent(headers: &HeaderMap) -> Option<Context> {
    let header = headers.get("traceparent")?.to_str().ok()?;
    let [_, trace, id, flags] = header.split('-').collect::<Vec<_>>()[..] else {
        return None;
    };
    let span = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(id).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::default(),
    );
    span.is_valid()
        .then(|| Context::new().with_remote_span_context(span))
}

/// The breaker around what is asked, and a span around each call of it. At `info`, to be seen in production.
fn guarded<S>(circuit: Circuit, asked: S) -> Asked
where
    S: Service<(), Response = Response<String>, Error = BoxError> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let guarded = ServiceBuilder::new()
        .layer(SpanLayer::new(&circuit).level(Level::INFO))
        .layer(CircuitBreakerLayer::new(circuit))
        .service(asked);
    BoxCloneSyncService::new(guarded)
}

/// A service that answers what `asked` answers. Its requests have a span each, under that of whoever sends them.
async fn serve(name: &'static str, asked: Asked) -> Result<String, BoxError> {
    let traced = TraceLayer::new_for_http().make_span_with(move |request: &Request| {
        let span = info_span!("request", service = name);
        if let Some(parent) = parent(request.headers()) {
            span.set_parent(parent).expect("it has not begun");
        }
        span
    });
    let handler = || async move {
        let answer = asked.oneshot(()).await;
        answer.map_err(|_| StatusCode::BAD_GATEWAY)
    };
    let router = Router::new().route("/pay", get(handler)).layer(traced);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}/pay", listener.local_addr()?);
    tokio::spawn(async { axum::serve(listener, router).await });
    Ok(address)
}

/// Asks a service at this address, within the trace.
async fn get_from(address: String) -> Result<Response<String>, BoxError> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let request = Request::get(address).header("traceparent", traceparent());
    let response = client.request(request.body(Empty::new())?).await?;
    let (head, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Response::from_parts(head, String::from_utf8(body.into())?))
}

/// The shop asks for orders, those for payments, and those ask the bank. Returns the address of the shop.
async fn in_a_row(clock: &ManualClock, bank_is_down: Arc<AtomicBool>) -> Result<String, BoxError> {
    let circuit = |name: &'static str, failures| {
        Circuit::builder(name)
            .consecutive_failures(failures)
            .open_for(Duration::from_secs(5))
            .clock(clock.clone())
            .log_transitions()
            .build()
    };
    let bank = tower::service_fn(move |()| {
        let mut answer = Response::new("paid".to_owned());
        if bank_is_down.load(SeqCst) {
            *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
        async { Ok(answer) }
    });
    let asks = |address: String| tower::service_fn(move |()| get_from(address.clone()));
    let payments = serve("payments", guarded(circuit("bank", 1)?, bank)).await?;
    let payments = guarded(circuit("payments", 10)?, asks(payments));
    let orders = serve("orders", payments).await?;
    let orders = guarded(circuit("orders", 10)?, asks(orders));
    serve("shop", orders).await
}

/// What has been traced, once all six spans have ended: a server's ends a moment after its client has the answer.
async fn trace(exporter: &InMemorySpanExporter) -> Result<Vec<SpanData>, BoxError> {
    for _ in 0..1_000 {
        let spans = exporter.get_finished_spans()?;
        if spans.len() == 6 {
            exporter.reset();
            return Ok(spans);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Err(format!("not six spans, but {:?}", exporter.get_finished_spans()?).into())
}

/// The attributes of a span that are about a service or its circuits, by name, without what all begin with.
fn shown(span: &SpanData) -> String {
    let attributes = span.attributes.iter().filter_map(|attribute| {
        let name = attribute.key.as_str();
        let short = name.strip_prefix("circuit_breaker.");
        // Its era says nothing here.
        let shown = short.filter(|name| *name != "era");
        let shown = shown.or((name == "service").then_some(name))?;
        Some(format!("{shown}={}", attribute.value))
    });
    let mut attributes: Vec<_> = attributes.collect();
    attributes.sort();
    attributes.join(" ")
}

/// Whether it was told by a circuit. (A server tells of each failure, too.)
fn is_of_a_circuit(event: &Event) -> bool {
    let mut attributes = event.attributes.iter();
    attributes.any(|attribute| attribute.key.as_str() == attributes::NAME)
}

/// The spans under one, each as a line, deeper and deeper; and what happened in each.
fn lines(spans: &[SpanData], under: SpanId, depth: usize) -> Vec<String> {
    let children = spans.iter().filter(|span| span.parent_span_id == under);
    let indent = "  ".repeat(depth);
    let lines = children.flat_map(|span| {
        let line = format!("{indent}{} {}", span.name, shown(span));
        let events = span.events.iter().filter(|event| is_of_a_circuit(event));
        let events = events.map(|event| format!("{indent}  {}", event.name));
        let below = lines(spans, span.span_context.span_id(), depth + 1);
        [line].into_iter().chain(events).chain(below)
    });
    lines.collect()
}

fn check(holds: bool, what: &str) -> Result<(), BoxError> {
    match holds {
        true => Ok(()),
        false => Err(format!("it should be {what}").into()),
    }
}

/// One trace through three services, whose last hop tells the same as `last`.
fn check_trace(spans: &[SpanData], lines: &[String], last: &str) -> Result<(), BoxError> {
    let trace = spans[0].span_context.trace_id();
    let is_one = spans
        .iter()
        .all(|span| span.span_context.trace_id() == trace);
    check(is_one, "one trace")?;
    check(
        lines[0].starts_with("request service=shop"),
        "from the shop",
    )?;
    let mut hops = lines
        .iter()
        .filter(|line| line.contains("circuit_breaker "));
    check(hops.clone().count() == 3, "three hops")?;
    check(hops.next_back().is_some_and(|hop| hop.contains(last)), last)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("traced")))
        .init();

    let bank_is_down = Arc::new(AtomicBool::new(false));
    let shop = in_a_row(&ManualClock::new(), bank_is_down.clone()).await?;
    for (what, down, status, last) in [
        ("the bank answers", false, 200, "name=bank outcome=success"),
        ("the bank is down", true, 500, "name=bank outcome=failure"),
        (
            "the next request",
            true,
            503,
            "cause=consecutive_failures name=bank outcome=rejected rejected_reason=open state=open",
        ),
    ] {
        bank_is_down.store(down, SeqCst);
        let answer = get_from(shop.clone()).await?.status().as_u16();
        let spans = trace(&exporter).await?;
        let lines = lines(&spans, SpanId::INVALID, 0);
        println!("{what}: {answer}\n{}\n", lines.join("\n"));
        check(answer == status, &status.to_string())?;
        check_trace(&spans, &lines, last)?;
    }
    Ok(())
}
