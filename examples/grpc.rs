//! A gRPC client with a circuit breaker around its channel, against a health service that fails as told:
//! in the head of its answer, or in the middle of a stream.
//!
//! Run with: `cargo run --example grpc --features tonic`
//!
//! It binds a free port, ends by itself, and prints this; or it fails, if anything is not as it should be.
//!
//! ```text
//! well             2 messages
//! not there        2 messages, then NotFound: not there
//! broken           no stream, Internal: broken
//! circuit `health`: closed -> open: 2 consecutive failures, open for 1s
//! breaks off       2 messages, then Unavailable: breaks off
//! well             no stream, Unavailable: the circuit is open
//! well             no stream, Unavailable: the circuit is open
//! the break passes
//! circuit `health`: open -> half-open: the wait is over, the next call is a probe
//! circuit `health`: half-open -> closed: the probes succeeded
//! well             2 messages
//! the server was asked 5 times, the circuit rejected 2
//! ```

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures_util::stream::{BoxStream, StreamExt, iter};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Endpoint, Server, server::TcpIncoming},
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_client::HealthClient,
    health_server::{Health, HealthServer},
};
use tower::{BoxError, ServiceBuilder};
use tower_breaker::{Circuit, CircuitBreakerLayer, State};

const BREAK: Duration = Duration::from_secs(1);

/// How often the server was asked.
static ASKED: AtomicU64 = AtomicU64::new(0);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let incoming = TcpIncoming::bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let server = Endpoint::from_shared(format!("http://{}", incoming.local_addr()?))?
        .timeout(Duration::from_secs(2))
        // What waits for a connection is timed by nothing else, and what has died is found out by nothing else.
        .connect_timeout(Duration::from_secs(1))
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true);
    let service = Server::builder().add_service(HealthServer::new(Moody));
    tokio::spawn(service.serve_with_incoming(incoming));

    let circuit = Circuit::builder("health")
        .consecutive_failures(2)
        .open_for(BREAK)
        .on_transition(|circuit, transition| {
            println!("circuit `{}`: {transition}", circuit.name());
        })
        .build()?;
    let mut client = HealthClient::new(
        ServiceBuilder::new()
            .layer(CircuitBreakerLayer::new(circuit.clone()).grpc())
            .service(server.connect_lazy()),
    );

    let mut watch = async |mood: &str, expected: &str| {
        let service = mood.to_owned();
        let came = match client.watch(HealthCheckRequest { service }).await {
            Ok(stream) => read(stream.into_inner()).await,
            Err(status) => format!("no stream, {:?}: {}", status.code(), status.message()),
        };
        println!("{mood:<17}{came}");
        check(came == expected, format!("not `{expected}`: `{came}`"))
    };
    watch("well", "2 messages").await?;
    // The caller's mistake says nothing of the server, and ends no streak.
    watch("not there", "2 messages, then NotFound: not there").await?;
    watch("broken", "no stream, Internal: broken").await?;
    watch("breaks off", "2 messages, then Unavailable: breaks off").await?;
    let rejected = "no stream, Unavailable: the circuit is open";
    watch("well", rejected).await?;
    watch("well", rejected).await?;
    println!("the break passes");
    tokio::time::sleep(BREAK + Duration::from_millis(20)).await;
    watch("well", "2 messages").await?;

    let totals = circuit.snapshot().totals.ok_or("totals are on")?;
    let (asked, rejected) = (ASKED.load(Ordering::SeqCst), totals.rejected);
    println!("the server was asked {asked} times, the circuit rejected {rejected}");
    check((asked, rejected) == (5, 2), "not 5 and 2")?;
    check(circuit.state() == State::Closed, "not closed")
}

/// A stream to its end, and what came of it.
async fn read(mut stream: Streaming<HealthCheckResponse>) -> String {
    let mut messages = 0;
    loop {
        match stream.message().await {
            Ok(Some(_)) => messages += 1,
            Ok(None) => return format!("{messages} messages"),
            Err(status) => {
                let (code, why) = (status.code(), status.message());
                return format!("{messages} messages, then {code:?}: {why}");
            }
        }
    }
}

fn check(holds: bool, otherwise: impl Into<BoxError>) -> Result<(), BoxError> {
    holds.then_some(()).ok_or_else(|| otherwise.into())
}

/// A health service that is as the name of the service it is asked for says.
struct Moody;

#[tonic::async_trait]
impl Health for Moody {
    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        ASKED.fetch_add(1, Ordering::SeqCst);
        let mood = request.into_inner().service;
        let end = match mood.as_str() {
            "broken" => return Err(Status::internal(mood)),
            "breaks off" => Some(Err(Status::unavailable(mood))),
            "not there" => Some(Err(Status::not_found(mood))),
            _ => None,
        };
        let messages = [
            Ok(HealthCheckResponse::default()),
            Ok(HealthCheckResponse::default()),
        ];
        Ok(Response::new(iter(messages.into_iter().chain(end)).boxed()))
    }

    async fn check(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        Err(Status::unimplemented("ask by `watch`"))
    }
}
