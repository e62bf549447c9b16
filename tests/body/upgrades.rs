//! Connections that become something else, such as a WebSocket: what follows the head is nobody's body (H5).

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use hyper::{body::Incoming, client::conn::http1, upgrade};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::Mutex,
};
use tower::{Layer, Service, service_fn};
use tower_breaker::CircuitBreakerLayer;

use crate::{
    sockets::patiently,
    support::{Fixture, fragile},
};

/// Agrees, and says after the other side whatever that says.
async fn echo(mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let upgraded = upgrade::on(&mut request);
    tokio::spawn(async move {
        let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded.await.unwrap()));
        tokio::io::copy(&mut from, &mut to).await.unwrap();
        to.shutdown().await.unwrap();
    });
    let response = match request.method().as_str() {
        "CONNECT" => Response::builder(),
        _ => Response::builder()
            .status(101)
            .header("connection", "upgrade")
            .header("upgrade", "echo"),
    };
    Ok(response.body(Full::default()).unwrap())
}

fn observed(
    fixture: &Fixture,
) -> CircuitBreakerLayer<
    tower_breaker::classify::HttpClassifier,
    tower_breaker::reject::RejectAsError,
    tower_breaker::body::ObserveBodies,
> {
    let layer = CircuitBreakerLayer::new(fixture.circuit.clone());
    layer.observe_bodies().reject_as_error()
}

async fn serve(stream: DuplexStream, fixture: &Fixture) {
    let service = TowerToHyperService::new(observed(fixture).layer(service_fn(echo)));
    tokio::spawn(async move {
        let server = auto::Builder::new(TokioExecutor::new());
        let stream = TokioIo::new(stream);
        server.serve_connection_with_upgrades(stream, service).await
    });
}

/// What the other side of an upgraded connection says to this.
async fn say(response: Response<impl Send + 'static>, words: &[u8]) -> Vec<u8> {
    let mut upgraded = TokioIo::new(upgrade::on(response).await.unwrap());
    upgraded.write_all(words).await.unwrap();
    upgraded.shutdown().await.unwrap();
    let mut heard = Vec::new();
    upgraded.read_to_end(&mut heard).await.unwrap();
    heard
}

// H5
#[tokio::test]
async fn an_upgrade_goes_through_observed_layers_and_ends_with_its_head() {
    for (method, uri) in [("GET", "/"), ("CONNECT", "example.com:80")] {
        let [server, client] = [fragile(|c| c), fragile(|c| c)];
        let (near, far) = duplex(1024);
        serve(far, &server).await;
        let (sender, connection) = http1::handshake(TokioIo::new(near)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        let sender = Arc::new(Mutex::new(sender));
        let mut guarded = observed(&client).layer(service_fn(|request| {
            let sender = sender.clone();
            async move { sender.lock().await.send_request(request).await }
        }));

        let request = Request::builder().method(method).uri(uri);
        let request = request
            .header("connection", "upgrade")
            .header("upgrade", "echo")
            .body(Empty::<Bytes>::new());
        let called = guarded.ready().await.unwrap().call(request.unwrap());
        let response = patiently(called).await.unwrap();

        for fixture in [&server, &client] {
            assert_eq!(fixture.totals().successful, 1, "{method}");
        }
        assert_eq!(patiently(say(response, b"ping")).await, b"ping");
    }
}
