//! A circuit for each method, of a client and of a server: one method fails, and two do not notice (J1, H4).

#![cfg(feature = "registry")]

use futures_util::{StreamExt, stream};
use http::uri::PathAndQuery;
use tonic::{
    Code, Request, Status,
    body::Body,
    transport::{Channel, Server},
};
use tonic_health::pb::health_client::HealthClient;
use tower::{Layer, ServiceExt};
use tower_breaker::{
    Circuit, CircuitBreakerLayer, State,
    clock::ManualClock,
    keyed::by,
    registry::{Registry, RegistryBuilder},
};

use crate::{
    health::{Running, Told, patient, told},
    sockets::patiently,
    support::secs,
    text::{TextClient, TextServer},
};

const CHECK: &str = "grpc.health.v1.Health/Check";
const WATCH: &str = "grpc.health.v1.Health/Watch";
const COLLECT: &str = "test.Text/Collect";

/// Both services, and what stands behind them.
struct Both {
    health: Told,
    text: TextServer,
}

impl Both {
    fn new() -> Self {
        Self {
            health: Told::new(&patient()),
            text: TextServer::default(),
        }
    }
}

/// Three failures open each circuit for five seconds.
fn methods() -> (RegistryBuilder, ManualClock) {
    let clock = ManualClock::new();
    let time = clock.clone();
    let builder = Registry::builder().defaults(move |circuit| {
        let circuit = circuit.consecutive_failures(3).open_for(secs(5));
        circuit.clock(time.clone())
    });
    (builder, clock)
}

fn others() -> CircuitBreakerLayer {
    let circuit = Circuit::builder("others").consecutive_failures(1);
    CircuitBreakerLayer::new(circuit.build().expect("valid"))
}

/// So many ended well, failed and were rejected.
#[track_caller]
fn counted(circuit: &Circuit, expected: (u64, u64, u64)) {
    let totals = circuit.snapshot().totals.expect("totals");
    let counted = (totals.successful, totals.failed, totals.rejected);
    assert_eq!(counted, expected, "{}", circuit.name());
}

type Check = Result<(), Status>;

/// Calls of three methods, by whichever way they go.
struct Calls<S> {
    health: HealthClient<S>,
    text: TextClient<S>,
}

macro_rules! calls {
    ($service:expr) => {{
        let service = $service;
        Calls {
            health: HealthClient::new(service.clone()),
            text: TextClient::new(service),
        }
    }};
}

/// `watch` and `collect` go well; `check` does what it is told, and comes to this.
macro_rules! each {
    ($calls:expr, $script:expr) => {{
        let checked: Check = patiently($calls.health.check(told($script)))
            .await
            .map(drop);
        let stream = patiently($calls.health.watch(told("message message"))).await;
        let messages = stream.expect("a stream").into_inner();
        assert_eq!(patiently(messages.count()).await, 2);
        let lines = stream::iter(["a".to_owned(), "b".to_owned()]);
        let all = patiently($calls.text.collect(Box::pin(lines))).await;
        assert_eq!(all.expect("text"), "ab");
        checked
    }};
}

/// Says that the circuit is open, and when to come back.
#[track_caller]
fn is_rejection(checked: Check) {
    let status = checked.expect_err("a rejection");
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "the circuit is open")
    );
    let pushback = status.metadata().get("grpc-retry-pushback-ms");
    assert_eq!(pushback.expect("a time"), "5000");
}

// J1, H4
#[tokio::test]
async fn a_method_that_fails_is_left_alone_by_a_client_and_the_others_are_called() {
    let both = Both::new();
    let (health, text) = (both.health.server(), both.text.clone());
    let server = Running::start(|incoming| {
        let server = Server::builder().add_service(health).add_service(text);
        server.serve_with_incoming(incoming)
    });
    let (builder, clock) = methods();
    let registry = builder.build().expect("valid");
    let layer = others().grpc().keyed_by(&registry, by::grpc_method());
    let mut calls = calls!(layer.layer(server.endpoint().connect_lazy()));

    assert!(each!(calls, "message").is_ok());
    for _ in 0..3 {
        assert_eq!(
            each!(calls, "14").expect_err("as told").message(),
            "as told"
        );
    }
    for _ in 0..4 {
        is_rejection(each!(calls, "message"));
    }
    assert_eq!(both.health.entered(), 4 + 8, "checks and watches");
    clock.advance(secs(5));
    assert!(each!(calls, "message").is_ok());

    let circuits = registry.circuits();
    let names = circuits.iter().map(Circuit::name);
    assert!(names.eq([CHECK, WATCH, COLLECT]));
    counted(&registry.try_get(CHECK).expect("made"), (2, 3, 4));
    counted(&registry.try_get(WATCH).expect("made"), (9, 0, 0));
    counted(&registry.try_get(COLLECT).expect("made"), (9, 0, 0));
    assert_eq!(both.text.read(), 18);
}

/// Asks for a method that nobody has.
async fn call_made_up(channel: &Channel, path: String) {
    let path: PathAndQuery = path.parse().expect("a path");
    let mut request = http::Request::new(Body::empty());
    *request.uri_mut() = path.into();
    *request.method_mut() = http::Method::POST;
    request.headers_mut().insert(
        "content-type",
        http::HeaderValue::from_static("application/grpc"),
    );
    let response = patiently(channel.clone().oneshot(request))
        .await
        .expect("an answer");
    assert_eq!(response.headers()["grpc-status"], "12", "unimplemented");
}

// J1, H4: and strangers make no circuits.
#[tokio::test]
async fn a_server_rejects_the_method_that_fails_and_knows_no_others_than_its_own() {
    let both = Both::new();
    let (builder, clock) = methods();
    let named = [CHECK, WATCH, COLLECT].into_iter();
    let registry = named.fold(builder, |builder, name| {
        builder.circuit(name, |circuit| circuit)
    });
    let registry = registry.build().expect("valid");
    let layer = others().grpc().keyed_by(&registry, by::grpc_method());
    let layer = layer.known_keys_only();
    let own = layer.circuit().clone();
    let (health, text) = (both.health.server(), both.text.clone());
    let server = Running::start(|incoming| {
        let server = Server::builder().layer(layer).add_service(health);
        server.add_service(text).serve_with_incoming(incoming)
    });
    let channel = server.endpoint().connect_lazy();
    let mut calls = calls!(channel.clone());

    for _ in 0..3 {
        assert_eq!(
            each!(calls, "14").expect_err("as told").message(),
            "as told"
        );
    }
    for number in 0..100 {
        is_rejection(each!(calls, "message"));
        call_made_up(&channel, format!("/made.Up{number}/Method")).await;
        call_made_up(&channel, format!("/grpc.health.v1.Health/Check{number}")).await;
    }
    assert_eq!(both.health.entered(), 3 + 103, "checks and watches");
    assert_eq!(registry.len(), 3);
    assert_eq!(
        (registry.totals().created, registry.totals().refused),
        (3, 0)
    );
    counted(&registry.try_get(CHECK).expect("named"), (0, 3, 100));
    counted(&registry.try_get(WATCH).expect("named"), (103, 0, 0));
    counted(&registry.try_get(COLLECT).expect("named"), (103, 0, 0));
    // What does not exist is no failure, so nobody can open that circuit from outside.
    assert_eq!(own.state(), State::Closed);
    let totals = own.snapshot().totals.expect("totals");
    assert_eq!((totals.failed, totals.ignored), (0, 200));

    clock.advance(secs(5));
    assert!(each!(calls, "message").is_ok());
}

// J1: a client that asks for a service, and not for a method, has one circuit for both.
#[tokio::test]
async fn methods_of_a_service_share_its_circuit_if_that_is_the_key() {
    let health = Told::new(&patient());
    let server = Running::plain(&health);
    let registry = methods().0.build().expect("valid");
    let layer = others().grpc().keyed_by(&registry, by::grpc_service());
    let mut client = HealthClient::new(layer.layer(server.endpoint().connect_lazy()));
    for _ in 0..3 {
        patiently(client.check(told("14")))
            .await
            .expect_err("as told");
    }
    let watched = patiently(client.watch(Request::new(told("message")))).await;
    is_rejection(watched.map(drop));
    assert_eq!(health.entered(), 3);
    counted(
        &registry.try_get("grpc.health.v1.Health").expect("made"),
        (0, 3, 1),
    );
}
