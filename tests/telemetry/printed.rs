//! What `{:?}` shows of types that are no data, as it comes to a log: their name, and what tells one from another. No
//! closure, and no secret.

use std::{
    convert::Infallible,
    fmt::Debug,
    future::{Ready, ready},
    task::{Context, Waker},
    time::Duration,
};

use http::{Request, Response};
use tower::{Layer, Service, ServiceBuilder, service_fn};
use tower_breaker::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, OpenFor,
    admin::{Control, View},
    body::{ClientBody, PlacedBody},
    config::Config,
    keyed::{Scratch, by},
    registry::Registry,
    telemetry::{Exposition, Metrics, SpanLayer},
};
use tracing::Level;

/// What is printed, its name, and what is in it.
type Printed<'a> = (&'a dyn Debug, &'a str, &'a [&'a str]);

#[track_caller]
fn all_print(cases: &[Printed<'_>]) {
    for (it, name, parts) in cases {
        let printed = format!("{it:?}");
        let (before, _) = printed.split_once([' ', '(']).expect("more than a name");
        assert_eq!(before, *name, "{printed}");
        for part in *parts {
            assert!(printed.contains(part), "no `{part}` in {printed}");
        }
    }
}

fn registry() -> Registry {
    let registry = Registry::builder().circuit("payments", |circuit| circuit);
    registry.build().expect("valid")
}

fn circuit() -> Circuit {
    Circuit::builder("payments").build().expect("valid")
}

type Asked = Request<String>;

fn answer<B>(_: Request<B>) -> Ready<Result<Response<String>, Infallible>> {
    ready(Ok(Response::new(String::new())))
}

fn asked() -> Asked {
    Request::new("an upload".to_owned())
}

/// The response of a service that is ready at once.
fn called<S: Service<Req>, Req>(service: &mut S, request: Req) -> S::Future {
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());
    service.call(request)
}

#[test]
fn a_registry_and_who_looks_at_it_say_what_they_are() {
    let registry = registry();
    all_print(&[
        (&registry, "Registry", &["circuits: [", "\"payments\""]),
        (&registry.downgrade(), "WeakRegistry", &[]),
        (
            &Registry::builder()
                .circuit("search", |circuit| circuit)
                .max_circuits(7),
            "RegistryBuilder",
            &["names: [\"search\"]", "max_circuits: 7"],
        ),
        (&registry.subscribe(|_, _| {}), "Subscription", &[]),
        (&Exposition::new(&registry), "Exposition", &[]),
        (&Metrics::install(&registry), "Metrics", &[]),
        (
            &Metrics::builder(&registry).max_labels(7),
            "MetricsBuilder",
            &["max_labels: 7"],
        ),
        (
            &View::new(&registry).max_streams(7),
            "View",
            &["max_streams: 7"],
        ),
    ]);
}

#[test]
fn a_configuration_says_its_keys_and_its_reader_no_secret() {
    let reader = Config::reader()
        .base("ten-failures", |circuit| circuit)
        .env([("TOWER_BREAKER__DEFAULTS__PERMITS", "a secret")]);
    let control = Control::new(&registry()).reader(reader.clone());
    let control = control
        .origin("https://ops.example.org")
        .expect("an origin");
    all_print(&[
        (&reader, "ConfigReader", &["bases: [\"ten-failures\"]"]),
        (
            &control,
            "Control",
            &[
                "registry: Registry",
                "reader: ConfigReader",
                "ops.example.org",
            ],
        ),
    ]);
    assert!(!format!("{control:?}").contains("secret"));
    let config = Config::read(&mut serde_json::Deserializer::from_str(
        r#"{ "defaults": { "permits": 1 } }"#,
    ));
    all_print(&[(&config.expect("valid"), "Config", &["defaults.permits"])]);
}

#[test]
fn an_open_time_says_its_numbers_or_that_it_is_a_function() {
    let [short, long] = [2, 60].map(Duration::from_secs);
    let growing = OpenFor::exponential(short, 1.5, long);
    let function = OpenFor::from_fn(move |_| short);
    all_print(&[
        (
            &growing,
            "OpenFor",
            &["first: 2s", "factor: 1.5", "max: 60s"],
        ),
        (&function, "OpenFor", &["function: _", "jitter: None"]),
    ]);
    let constant = format!("{:?}", OpenFor::from(short));
    assert_eq!(constant, "OpenFor { first: 2s, factor: 1.0, jitter: None }");
}

#[test]
fn a_bulkhead_and_its_calls_say_what_they_are() {
    let layer = BulkheadLayer::new();
    let service = ServiceBuilder::new()
        .layer(layer.clone())
        .layer(CircuitBreakerLayer::new(circuit()))
        .service(service_fn(answer::<String>));
    let breaker = "breaker: CircuitBreaker";
    all_print(&[
        (&layer, "BulkheadLayer", &[]),
        (&service, "Bulkhead", &[breaker, "payments"]),
        (&service.clone().ready::<Asked>(), "Ready", &[breaker]),
        (&service.clone().oneshot(asked()), "Oneshot", &[]),
        (
            &called(&mut service.clone(), asked()),
            "BulkheadFuture",
            &[],
        ),
        (
            &PlacedBody::<String>::default(),
            "PlacedBody",
            &["inner: \"\"", "place: false"],
        ),
    ]);
}

#[test]
fn a_span_layer_and_its_calls_say_what_they_are() {
    let layer = SpanLayer::new(&circuit()).level(Level::TRACE);
    let mut service = layer.layer(service_fn(answer::<String>));
    all_print(&[
        (&layer, "SpanLayer", &["level: Level(Trace)"]),
        (&service.call(asked()), "SpannedFuture", &[]),
    ]);
}

#[test]
fn a_keyed_layer_says_its_registry_and_its_circuit() {
    let own = CircuitBreakerLayer::new(Circuit::builder("others").build().expect("valid"));
    let find = by::closure(|_: &Asked| Some("payments"));
    let write = by::composed(|_: &Asked, name| name.write("payments"));
    let layer = own.keyed_by(&registry(), find);
    let both = ["registry: Registry", "circuit: Circuit", "\"others\""];
    let service = layer.layer(service_fn(answer::<String>));
    all_print(&[
        (&find, "Closure", &[]),
        (&write, "Composed", &[]),
        (&Scratch::default(), "Scratch", &[]),
        (&layer, "KeyedLayer", &both),
        (&service, "Keyed", &both),
        (&service, "Keyed", &["inner: ServiceFn"]),
    ]);
}

#[test]
fn who_observes_uploads_says_what_is_inside() {
    let layer =
        CircuitBreakerLayer::new(circuit()).observe_request_bodies(|body: ClientBody<String>| body);
    let inner = |asked: Request<ClientBody<String>>| {
        let parts = ["inner: \"an upload\"", "measured: true"];
        all_print(&[(asked.body(), "ClientBody", &parts)]);
        answer(asked)
    };
    let mut service = layer.layer(service_fn(inner));
    all_print(&[
        (
            &layer,
            "RequestBodiesLayer",
            &["layer: CircuitBreakerLayer"],
        ),
        (&service, "RequestBodies", &["IntoBody { inner: ServiceFn"]),
    ]);
    drop(called(&mut service, asked()));
}
