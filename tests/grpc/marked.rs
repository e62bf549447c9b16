//! A rejection is *unavailable* and known for ours, to who sees nothing but a `Status` (H2, H3, H4).

use tonic::{
    Code, Request, Status,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::health_client::HealthClient;
use tower::{Layer, ServiceBuilder, buffer::BufferLayer};
use tower_breaker::{
    CircuitBreakerLayer, CircuitError, Reason, Rejected, TimedOut,
    body::ObserveBodies,
    classify::IgnoreRejections,
    grpc::{GrpcCircuitBreaker, GrpcClassifier, RejectAsStatus},
};

use crate::{
    health::{Running, Told, grpc, patient, told},
    sockets::patiently,
    support::{Fixture, fragile, millis, secs},
};

type Marked = GrpcCircuitBreaker<Channel, RejectAsStatus>;

fn around(fixture: &Fixture, endpoint: Endpoint) -> Marked {
    let layer = grpc(fixture).reject_as_status();
    layer.layer(endpoint.connect_lazy())
}

#[track_caller]
fn is_ours(status: &Status) {
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.message(), "the circuit is open");
    assert_eq!(
        status
            .metadata()
            .get("grpc-retry-pushback-ms")
            .expect("told"),
        "5000"
    );
    let rejected = Rejected::find(status).expect("known for ours");
    assert_eq!(
        (rejected.circuit(), rejected.reason()),
        ("payments", Reason::Open)
    );
    assert_eq!(rejected.remaining(), Some(secs(5)));
}

#[track_caller]
fn is_the_servers(status: &Status) {
    assert_eq!(status.code(), Code::Unavailable);
    assert!(Rejected::find(status).is_none());
}

fn authorised(mut request: Request<()>) -> Result<Request<()>, Status> {
    let token = "secret".parse().expect("a token");
    request.metadata_mut().insert("authorization", token);
    Ok(request)
}

#[tokio::test]
async fn the_same_code_from_the_server_is_told_from_a_rejection() {
    let fixture = fragile(|circuit| circuit);
    let health = Told::new(&fixture);
    let server = Running::plain(&health);
    let mut client = HealthClient::new(around(&fixture, server.endpoint()));
    let status = patiently(client.check(told("14"))).await;
    is_the_servers(&status.expect_err("unavailable"));
    is_ours(
        &patiently(client.check(told("message")))
            .await
            .expect_err("open"),
    );
    // A stream, too.
    is_ours(
        &patiently(client.watch(told("message")))
            .await
            .expect_err("open"),
    );
    assert_eq!(health.entered(), 1);
}

#[tokio::test]
async fn whatever_lies_around_the_breaker_leaves_the_mark() {
    let fixture = fragile(|circuit| circuit);
    let server = Running::plain(&Told::new(&fixture));
    let channel = around(&fixture, server.endpoint());
    let mut intercepted = HealthClient::with_interceptor(channel.clone(), authorised);
    let status = patiently(intercepted.check(told("14"))).await;
    is_the_servers(&status.expect_err("unavailable"));
    is_ours(
        &patiently(intercepted.check(told("message")))
            .await
            .expect_err("open"),
    );

    // What boxes the error.
    let timed = ServiceBuilder::new()
        .timeout(secs(60))
        .service(channel.clone());
    let status = patiently(HealthClient::new(timed).check(told("message"))).await;
    is_ours(&status.expect_err("open"));
    let buffered = ServiceBuilder::new()
        .layer(BufferLayer::new(1))
        .service(channel);
    let status = patiently(HealthClient::new(buffered).check(told("message"))).await;
    is_ours(&status.expect_err("open"));
}

// A1: what tonic makes of the errors of a channel stays what it was.
#[tokio::test]
async fn an_error_of_the_channel_becomes_the_status_that_it_always_did() {
    let nowhere = || Endpoint::from_static("http://127.0.0.1:1");
    let mut plain = HealthClient::new(nowhere().connect_lazy());
    let fixture = fragile(|circuit| circuit);
    let mut client = HealthClient::new(around(&fixture, nowhere()));
    let usual = patiently(plain.check(told("message")))
        .await
        .expect_err("refused");
    let status = patiently(client.check(told("message")))
        .await
        .expect_err("refused");
    assert_eq!(
        (status.code(), status.message()),
        (usual.code(), usual.message())
    );
    is_the_servers(&status);
    assert_eq!(fixture.totals().failed, 1);
}

// H3: as an error, with the wrapper for those.
#[tokio::test]
async fn an_outer_breaker_can_ignore_it() {
    let (outer, inner) = (patient(), fragile(|circuit| circuit));
    inner.circuit.trip(secs(5)).expect("in normal mode");
    let server = Running::plain(&Told::new(&inner));
    let layer = CircuitBreakerLayer::new(outer.circuit.clone())
        .classifier(IgnoreRejections(GrpcClassifier::new()))
        .observe_bodies_with(ObserveBodies::new().eos_classifier(GrpcClassifier::new()))
        .reject_as_status();
    let mut client = HealthClient::new(layer.layer(around(&inner, server.endpoint())));
    is_ours(
        &patiently(client.check(told("message")))
            .await
            .expect_err("open"),
    );
    assert_eq!((outer.totals().ignored, outer.totals().failed), (1, 0));
}

// M5
#[tokio::test]
async fn a_call_that_takes_too_long_says_so() {
    let fixture = fragile(|circuit| circuit.call_timeout(millis(20)));
    let server = Running::plain(&Told::new(&fixture));
    let mut client = HealthClient::new(around(&fixture, server.endpoint()));
    let status = patiently(client.check(told("hang"))).await;
    let status = status.expect_err("too long");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let source = std::error::Error::source(&status).expect("told");
    assert!(source.is::<TimedOut>());
}

// H4: without a layer, `?` makes the same of it.
#[tokio::test]
async fn a_call_through_the_circuit_becomes_the_same_status() {
    let fixture = fragile(|circuit| circuit);
    let server = Running::plain(&Told::new(&fixture));
    let client = HealthClient::new(server.endpoint().connect_lazy());
    let ask = async |script: &str| -> Result<(), Status> {
        let mut client = client.clone();
        let call = client.check(told(script));
        let classifier = GrpcClassifier::new();
        fixture
            .circuit
            .call_with_classifier(classifier, call)
            .await?;
        Ok(())
    };
    is_the_servers(&patiently(ask("14")).await.expect_err("unavailable"));
    is_ours(&patiently(ask("message")).await.expect_err("open"));
    let inner = CircuitError::Inner(Status::not_found("no such row"));
    assert_eq!(Status::from(inner).code(), Code::NotFound);
}
