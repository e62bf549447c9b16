//! A plain hyper server behind a circuit breaker. It speaks HTTP/1 and HTTP/2, makes its service anew
//! for each connection, and has one circuit for all of them. Clients of both kinds ask it, over real
//! sockets. The clock is moved by hand, so nobody waits for the break.
//!
//! Run with: `cargo run --example hyper_server`
//!
//! ```text
//! HTTP/1.1: 200 OK, Retry-After: None
//! HTTP/2.0: 200 OK, Retry-After: None
//!
//! the dependency goes down
//! HTTP/1.1: 502 Bad Gateway, Retry-After: None
//! HTTP/2.0: 502 Bad Gateway, Retry-After: None
//! circuit `greeter`: closed -> open: 3 consecutive failures, open for 5s
//! HTTP/1.1: 502 Bad Gateway, Retry-After: None
//! HTTP/1.1: 503 Service Unavailable, Retry-After: Some("5")
//! HTTP/2.0: 503 Service Unavailable, Retry-After: Some("5")
//!
//! the dependency is back, and 5s pass
//! circuit `greeter`: open -> half-open: the wait is over, the next call is a probe
//! circuit `greeter`: half-open -> closed: the probes succeeded
//! HTTP/2.0: 200 OK, Retry-After: None
//! HTTP/1.1: 200 OK, Retry-After: None
//! ```

use std::{
    convert::Infallible,
    error::Error,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{Empty, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tower::{Layer, service_fn};
use tower_breaker::{Circuit, CircuitBreakerLayer, clock::ManualClock};

type BoxError = Box<dyn Error + Send + Sync>;

const BREAK: Duration = Duration::from_secs(5);

/// Answers as the dependency is.
async fn answer(down: bool) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::from("hello\n"));
    if down {
        *response.status_mut() = StatusCode::BAD_GATEWAY;
    }
    Ok(response)
}

/// Takes connections for ever. The layer is applied for each, and all share its circuit.
async fn serve(listener: TcpListener, layer: CircuitBreakerLayer, down: Arc<AtomicBool>) {
    while let Ok((stream, _)) = listener.accept().await {
        let down = down.clone();
        let handler = service_fn(move |_: Request<Incoming>| answer(down.load(SeqCst)));
        let service = TowerToHyperService::new(layer.layer(handler));
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // An error is a client that has gone.
            drop(server.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

/// A client with connections of its own, of one protocol.
struct Asking {
    client: Client<HttpConnector, Empty<Bytes>>,
    address: SocketAddr,
}

impl Asking {
    fn new(address: SocketAddr, http2: bool) -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        let client = builder.http2_only(http2).build_http();
        Self { client, address }
    }

    /// Asks once, and checks the answer.
    async fn expect(&self, expected: u16) -> Result<(), BoxError> {
        let uri = format!("http://{}/", self.address).parse()?;
        let response = self.client.get(uri).await?;
        let retry_after = response.headers().get("retry-after");
        let (version, status) = (response.version(), response.status());
        println!("{version:?}: {status}, Retry-After: {retry_after:?}");
        let rejected = status == StatusCode::SERVICE_UNAVAILABLE;
        if status != expected || rejected != retry_after.is_some_and(|seconds| seconds == "5") {
            return Err(format!("expected {expected}").into());
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let clock = ManualClock::new();
    let circuit = Circuit::builder("greeter")
        .consecutive_failures(3)
        .open_for(BREAK)
        .clock(clock.clone())
        .on_transition(|circuit, transition| println!("circuit `{}`: {transition}", circuit.name()))
        .build()?;
    let down = Arc::new(AtomicBool::new(false));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(
        listener,
        CircuitBreakerLayer::new(circuit),
        down.clone(),
    ));
    let (http1, http2) = (Asking::new(address, false), Asking::new(address, true));

    http1.expect(200).await?;
    http2.expect(200).await?;
    println!("\nthe dependency goes down");
    down.store(true, SeqCst);
    http1.expect(502).await?;
    http2.expect(502).await?;
    http1.expect(502).await?;
    http1.expect(503).await?;
    http2.expect(503).await?;
    println!("\nthe dependency is back, and {BREAK:?} pass");
    down.store(false, SeqCst);
    clock.advance(BREAK);
    http2.expect(200).await?;
    http1.expect(200).await
}
