//! What a rejection looks like to a generated client (H4, H3), and that nothing is sent.

use std::time::Duration;

use futures_util::stream;
use tonic::{Code, Status, transport::Server};
use tonic_health::pb::health_client::HealthClient;
use tower::{Layer, ServiceBuilder};
use tower_breaker::{
    BulkheadLayer, By, CircuitBreakerLayer, Reason, Rejected,
    body::ObserveBodies,
    classify::IgnoreRejections,
    grpc::{GrpcClassifier, GrpcUnavailable},
};

use crate::{
    health::{Running, Told, grpc, guarded, patient, told},
    sockets::{patiently, until},
    support::{Fixture, NANO, fragile, fragile_after_break, millis, secs},
    text::{TextClient, TextServer},
};

fn pushback(status: &Status) -> Option<&str> {
    let value = status.metadata().get("grpc-retry-pushback-ms")?;
    Some(value.to_str().expect("a number"))
}

#[track_caller]
fn is_rejection(status: &Status, message: &str, millis: Option<&str>) {
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.message(), message);
    assert_eq!(pushback(status), millis);
}

/// The status of a rejected call of each kind there is.
async fn rejections(fixture: &Fixture) -> [Status; 2] {
    let health = Told::new(fixture);
    let server = Running::plain(&health);
    let mut client = server.guarded_client(fixture);
    let unary = patiently(client.check(told("message"))).await;
    let stream = patiently(client.watch(told("message"))).await;
    assert_eq!(health.entered(), 0);
    let is_open = stream.map(|_| ()).expect_err("a rejection");
    [unary.map(|_| ()).expect_err("a rejection"), is_open]
}

// H4
#[tokio::test]
async fn a_rejection_is_unavailable_and_says_when_to_come_back() {
    let fixture = fragile(|circuit| circuit);
    fixture.play("f");
    fixture.wait(millis(1_499));
    for status in rejections(&fixture).await {
        is_rejection(&status, "the circuit is open", Some("3501"));
    }
    // Rounded up.
    fixture.wait(millis(1) - NANO);
    for status in rejections(&fixture).await {
        is_rejection(&status, "the circuit is open", Some("3501"));
    }
    fixture.wait(fixture.remaining() - NANO);
    for status in rejections(&fixture).await {
        is_rejection(&status, "the circuit is open", Some("1"));
    }
}

// H4, M2: a bulkhead around the breaker answers as that does.
#[tokio::test]
async fn a_full_bulkhead_is_unavailable_and_says_to_come_back_in_a_second() {
    let fixture = fragile(|circuit| circuit.bulkhead(1, Duration::ZERO));
    let health = Told::new(&fixture);
    let server = Running::plain(&health);
    let layers = (BulkheadLayer::new(), grpc(&fixture));
    let mut client = HealthClient::new(layers.layer(server.endpoint().connect_lazy()));
    let place = fixture.circuit.try_enter().expect("it is free");
    let unary = patiently(client.check(told("message"))).await;
    let full = unary.map(|_| ()).expect_err("a rejection");
    is_rejection(&full, "too many calls are under way", Some("1000"));
    assert_eq!(health.entered(), 0);
    drop(place);
    patiently(client.check(told("message")))
        .await
        .expect("let in");
}

// H4, C3
#[tokio::test]
async fn each_reason_has_its_message() {
    let fixture = fragile_after_break(|circuit| circuit);
    let probe = fixture.admit();
    for status in rejections(&fixture).await {
        is_rejection(&status, "the circuit is half-open and full", Some("1000"));
    }
    drop(probe);
    // Only a person knows when that ends.
    fixture.circuit.force_open();
    for status in rejections(&fixture).await {
        is_rejection(&status, "the circuit is forced open", None);
    }
    // Or it was said.
    let forced = fixture.circuit.force_open_for(By::default(), secs(60));
    assert!(forced.expect("it ends"));
    for status in rejections(&fixture).await {
        is_rejection(&status, "the circuit is forced open", Some("60000"));
    }
}

// H4: at most a day.
#[tokio::test]
async fn nobody_is_sent_away_for_more_than_a_day() {
    let fixture = Fixture::new(|circuit| circuit.consecutive_failures(1).open_for(secs(90_000)));
    fixture.play("f");
    for status in rejections(&fixture).await {
        is_rejection(&status, "the circuit is open", Some("86400000"));
    }
}

// H4: streams of requests, of which nothing is read.
#[tokio::test]
async fn streams_of_requests_are_rejected_too() {
    let fixture = fragile(|circuit| circuit);
    fixture.circuit.force_open();
    let server = Running::start(|incoming| {
        let server = Server::builder().add_service(TextServer::default());
        server.serve_with_incoming(incoming)
    });
    let mut client = TextClient::new(grpc(&fixture).layer(server.endpoint().connect_lazy()));
    let unread = || Box::pin(stream::poll_fn(|_| panic!("read")));
    let status = patiently(client.collect(unread())).await;
    is_rejection(
        &status.expect_err("rejected"),
        "the circuit is forced open",
        None,
    );
    let status = patiently(client.chat(unread())).await;
    is_rejection(
        &status.expect_err("rejected"),
        "the circuit is forced open",
        None,
    );
}

// G1: a rejection waits for no connection.
#[tokio::test]
async fn a_rejection_does_not_connect() {
    let fixture = fragile(|circuit| circuit);
    fixture.circuit.force_open();
    let nowhere = tonic::transport::Endpoint::from_static("http://nowhere.invalid:1");
    let mut client = guarded(nowhere, grpc(&fixture));
    let status = patiently(client.check(told("message"))).await;
    is_rejection(
        &status.expect_err("rejected"),
        "the circuit is forced open",
        None,
    );
}

// H2: as an error, in which the rejection is found.
#[tokio::test]
async fn a_rejection_can_be_an_error() {
    let fixture = fragile(|circuit| circuit);
    let health = Told::new(&fixture);
    let server = Running::plain(&health);
    let service = ServiceBuilder::new()
        .layer(grpc(&fixture).reject_as_error())
        .service(server.endpoint().connect_lazy());
    let mut client = HealthClient::new(service);
    patiently(client.check(told("14")))
        .await
        .expect_err("unavailable");
    let status = patiently(client.check(told("message")))
        .await
        .expect_err("rejected");
    // tonic does not know it.
    assert_eq!(status.code(), Code::Unknown);
    let rejected = Rejected::find(&status).expect("a rejection");
    assert_eq!(
        (rejected.circuit(), rejected.reason()),
        ("payments", Reason::Open)
    );
    assert_eq!(rejected.remaining(), Some(secs(5)));
    assert_eq!(health.entered(), 1);
}

// H3: two around one channel; the outer one leaves the inner one's rejections alone.
#[tokio::test]
async fn an_outer_breaker_ignores_the_rejections_of_an_inner_one() {
    let (outer, inner) = (patient(), fragile(|circuit| circuit));
    inner.circuit.force_open();
    let server = Running::plain(&Told::new(&inner));
    let channel = || server.endpoint().connect_lazy();

    let both = ServiceBuilder::new()
        .layer(grpc(&outer))
        .layer(grpc(&inner));
    let mut client = HealthClient::new(both.service(channel()));
    let status = patiently(client.check(told("message"))).await;
    is_rejection(
        &status.expect_err("rejected"),
        "the circuit is forced open",
        None,
    );
    assert_eq!((outer.totals().ignored, outer.totals().failed), (1, 0));

    // As errors, with the wrapper for them.
    let layer = CircuitBreakerLayer::new(outer.circuit.clone())
        .classifier(IgnoreRejections(GrpcClassifier::new()))
        .observe_bodies_with(ObserveBodies::new().eos_classifier(GrpcClassifier::new()))
        .rejection(GrpcUnavailable);
    let both = ServiceBuilder::new()
        .layer(layer)
        .layer(grpc(&inner).reject_as_error());
    let mut client = HealthClient::new(both.service(channel()));
    patiently(client.check(told("message")))
        .await
        .expect_err("rejected");
    assert_eq!((outer.totals().ignored, outer.totals().failed), (2, 0));
    inner.circuit.release();
    patiently(client.check(told("14")))
        .await
        .expect_err("unavailable");
    assert_eq!((outer.totals().ignored, outer.totals().failed), (2, 1));
}

// D1: many at once, over one connection, while a probe is on its way.
#[tokio::test]
async fn one_probe_goes_out_and_the_rest_is_rejected() {
    let fixture = fragile_after_break(|circuit| circuit);
    let health = Told::new(&fixture);
    let server = Running::plain(&health);
    let client = server.guarded_client(&fixture);
    let call = || {
        let mut client = client.clone();
        tokio::spawn(async move { client.check(told("wait message")).await })
    };
    let calls: Vec<_> = (0..20).map(|_| call()).collect();
    until(|| fixture.totals().rejected == 19).await;
    until(|| health.entered() == 1).await;
    health.go_on();
    let mut answered = 0;
    for call in calls {
        match patiently(call).await.expect("no panic") {
            Ok(_) => answered += 1,
            Err(status) => {
                is_rejection(&status, "the circuit is half-open and full", Some("1000"));
            }
        }
    }
    assert_eq!((answered, health.entered()), (1, 1));
    fixture.tells(&[
        "open -> half-open: the wait is over, the next call is a probe",
        "half-open -> closed: the probes succeeded",
    ]);
}
