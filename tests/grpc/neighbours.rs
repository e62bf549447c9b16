//! What tonic itself puts around a breaker, or inside of it: interceptors, load shedding (H4).

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use http::Response;
use tonic::{Code, Request, Status, body::Body, service::InterceptorLayer, transport::Server};
use tonic_health::pb::health_client::HealthClient;
use tower::{Layer, ServiceBuilder};

use crate::{
    health::{Ledger, Running, Told, grpc, patient, told},
    sockets::{patiently, until},
};

/// An interceptor that refuses every call with `code`, and counts them.
fn refusing(
    code: Code,
    asked: &Arc<AtomicU64>,
) -> InterceptorLayer<impl Fn(Request<()>) -> Result<Request<()>, Status> + Clone + use<>> {
    let asked = asked.clone();
    InterceptorLayer::new(move |_| {
        asked.fetch_add(1, Ordering::SeqCst);
        Err(Status::new(code, "refused"))
    })
}

// H4: its body has no default, so it becomes tonic's own.
#[tokio::test]
async fn what_an_interceptor_inside_refuses_counts_by_its_code() {
    let fixture = patient();
    let health = Told::new(&fixture);
    let server = Running::plain(&health);
    let mut ledger = Ledger::of(&fixture);
    for (code, letter) in [(Code::Unauthenticated, "i"), (Code::Unavailable, "f")] {
        let asked = Arc::new(AtomicU64::new(0));
        let service = ServiceBuilder::new()
            .layer(grpc(&fixture))
            .map_response(|response: Response<_>| response.map(Body::new))
            .layer(refusing(code, &asked))
            .service(server.endpoint().connect_lazy());
        let mut client = HealthClient::new(service);
        let status = patiently(client.check(told("message"))).await;
        assert_eq!(status.expect_err("refused").code(), code);
        assert_eq!(ledger.since(&fixture), letter);

        // A rejected call does not come so far.
        fixture.circuit.force_open();
        patiently(client.check(told("message")))
            .await
            .expect_err("rejected");
        assert_eq!(ledger.since(&fixture), "x");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        fixture.circuit.release();
    }
    assert_eq!(health.entered(), 0);
}

// H4: on a client, and around one service of a server, which keeps its name.
#[tokio::test]
async fn what_an_interceptor_outside_refuses_is_not_seen() {
    let fixture = patient();
    let server = Running::plain(&Told::new(&fixture));
    let service = ServiceBuilder::new()
        .layer(refusing(Code::Unavailable, &Arc::default()))
        .layer(grpc(&fixture))
        .service(server.endpoint().connect_lazy());
    let mut ledger = Ledger::of(&fixture);
    let refused = patiently(HealthClient::new(service).check(told("message"))).await;
    refused.expect_err("refused");
    assert_eq!(ledger.since(&fixture), "");

    let health = grpc(&fixture).layer(Told::new(&fixture).server());
    let health = refusing(Code::Unavailable, &Arc::default()).layer(health);
    let server = Running::start(|incoming| {
        let server = Server::builder().add_service(health);
        server.serve_with_incoming(incoming)
    });
    let refused = patiently(server.client().check(told("message"))).await;
    assert_eq!(refused.expect_err("refused").message(), "refused");
    assert_eq!(ledger.since(&fixture), "");
}

// H4: a call that a server has no room for says nothing of what is behind its breaker.
#[tokio::test]
async fn what_a_server_sheds_is_not_seen() {
    let fixture = patient();
    let health = Told::new(&fixture);
    let (service, layer) = (health.server(), grpc(&fixture));
    let server = Running::start(|incoming| {
        let limited = Server::builder().concurrency_limit_per_connection(1);
        let mut server = limited.load_shed(true).layer(layer);
        server.add_service(service).serve_with_incoming(incoming)
    });
    let mut ledger = Ledger::of(&fixture);
    let client = server.client();
    let waiting = tokio::spawn({
        let mut client = client.clone();
        async move { client.check(told("wait message")).await.map(|_| ()) }
    });
    until(|| health.entered() == 1).await;

    let shed = patiently(client.clone().check(told("message"))).await;
    assert_eq!(shed.expect_err("shed").code(), Code::ResourceExhausted);
    assert_eq!(ledger.since(&fixture), "");
    health.go_on();
    patiently(waiting)
        .await
        .expect("no panic")
        .expect("an answer");
    assert_eq!(ledger.since(&fixture), "s");
}
