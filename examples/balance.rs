//! Three endpoints behind tower's balancer, with a breaker in readiness mode around each: the balancer steers
//! around the one that fails, and comes back when it is well. At most half of them are ejected at once.
//!
//! Run with: `cargo run --example balance`
//!
//! It prints, with other numbers each time, and ends by itself, in error if a share is not as it should be:
//!
//! ```text
//! before:        0 of 600 requests failed (0.0 %), answered 202 + 203 + 195
//! 127.0.0.1:45535: closed -> open: 3 consecutive failures, open for 500ms
//! while 0 fails: 4 of 600 requests failed (0.7 %), answered 4 + 299 + 297
//! 127.0.0.1:45535: open -> half-open: the wait is over, the next call is a probe
//! 127.0.0.1:45535: half-open -> closed: the probes succeeded
//! after:         0 of 600 requests failed (0.0 %), answered 201 + 200 + 199
//! ```
//!
//! Without the layer, a third of the requests would fail for as long as the endpoint does, or more: one that
//! fails is often faster than the others, and looks less loaded.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};
use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::{client::legacy, rt::TokioExecutor};
use tokio::net::TcpListener;
use tower::{
    BoxError, Layer, Service, ServiceBuilder, ServiceExt,
    balance::p2c::Balance,
    discover::ServiceList,
    load::{CompleteOnResponse, PendingRequests},
    util::BoxCloneSyncService,
};
use tower_breaker::{Circuit, ConfigError, EjectionCap};

type Get = Request<Empty<Bytes>>;
type Balanced = BoxCloneSyncService<Get, Response<Incoming>, BoxError>;

const CLIENTS: usize = 6;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let servers = [
        Server::start().await?,
        Server::start().await?,
        Server::start().await?,
    ];
    // A circuit for each endpoint; of three, one may be ejected.
    let cap = EjectionCap::new(0.5)?;
    let protect = |server: &Server| {
        let layer = Circuit::builder(server.address.to_string())
            .consecutive_failures(3)
            .open_for(Duration::from_millis(500))
            .ejection_cap(&cap)
            .on_transition(|circuit, transition| println!("{}: {transition}", circuit.name()))
            .build_layer()?
            .reject_as_error()
            .pending_while_open();
        let endpoint = layer.layer(client(server.address));
        // The load is measured outside of the breaker.
        Ok(PendingRequests::new(
            endpoint,
            CompleteOnResponse::default(),
        ))
    };
    let endpoints: Result<Vec<_>, ConfigError> = servers.iter().map(protect).collect();
    let list = ServiceList::new::<Get>(endpoints?);
    // The balancer is one and its callers are many: a buffer stands between them. The timeout is outside of
    // it, so that it holds for the wait for an endpoint, too.
    let balance = ServiceBuilder::new()
        .timeout(Duration::from_secs(10))
        .buffer(32)
        .service(Balance::new(list));
    let balance = BoxCloneSyncService::new(balance);

    let before = load("before:       ", &balance, &servers).await;
    servers[0].failing.store(true, SeqCst);
    let during = load("while 0 fails:", &balance, &servers).await;
    servers[0].failing.store(false, SeqCst);
    while cap.ejected() > 0 {
        ask(&balance).await;
    }
    for server in &servers {
        server.take_answered();
    }
    let after = load("after:        ", &balance, &servers).await;

    // A third would be 200; each break that passes costs one more.
    match (before, during, after) {
        ((0, 1..), (3..=60, 3..=60), (0, 1..)) => Ok(()),
        shares => Err(format!("not as it should be: {shares:?}").into()),
    }
}

/// So many clients ask at once, a hundred times each; gives how many requests fail, and how many the first
/// server has answered.
async fn load(when: &str, balance: &Balanced, servers: &[Server; 3]) -> (u32, u64) {
    let clients = (0..CLIENTS).map(|_| async {
        let mut failed = 0;
        for _ in 0..100 {
            failed += u32::from(!ask(balance).await);
        }
        failed
    });
    let failed = join_all(clients).await.into_iter().sum();
    let share = f64::from(failed) / 6.0;
    let [a, b, c] = servers.each_ref().map(Server::take_answered);
    println!("{when} {failed} of 600 requests failed ({share:.1} %), answered {a} + {b} + {c}");
    (failed, a)
}

/// Whether it succeeds.
async fn ask(balance: &Balanced) -> bool {
    match balance.clone().oneshot(Request::new(Empty::new())).await {
        Ok(answer) => answer.status().is_success() && answer.into_body().collect().await.is_ok(),
        Err(_) => false,
    }
}

/// A client of one endpoint.
fn client(
    address: SocketAddr,
) -> impl Service<Get, Response = Response<Incoming>, Error = legacy::Error, Future: Send> + Send {
    let client = legacy::Client::builder(TokioExecutor::new()).build_http();
    ServiceBuilder::new()
        .map_request(move |mut request: Get| {
            let uri = format!("http://{address}{}", request.uri());
            *request.uri_mut() = uri.parse().expect("an address makes a URI");
            request
        })
        .service(client)
}

/// An endpoint that fails while it is told to.
struct Server {
    address: SocketAddr,
    failing: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
}

impl Server {
    async fn start() -> Result<Self, BoxError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let server = Self {
            address: listener.local_addr()?,
            failing: Arc::default(),
            answered: Arc::default(),
        };
        let (failing, answered) = (server.failing.clone(), server.answered.clone());
        let answer = move || async move {
            answered.fetch_add(1, SeqCst);
            match failing.load(SeqCst) {
                true => StatusCode::INTERNAL_SERVER_ERROR,
                false => StatusCode::OK,
            }
        };
        let routes = Router::new().route("/", get(answer));
        tokio::spawn(async { axum::serve(listener, routes).await });
        Ok(server)
    }

    /// Since somebody last asked.
    fn take_answered(&self) -> u64 {
        self.answered.swap(0, SeqCst)
    }
}
