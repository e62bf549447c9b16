//! hyper-util's client with a circuit breaker and a timeout around it, against a server that breaks down
//! and recovers.
//!
//! Run with: `cargo run --example hyper_client`
//!
//! It binds a free port, ends by itself, and prints this; or it fails, if anything is not as it should be.
//!
//! ```text
//! answers                 200 OK
//! fails                   503 Service Unavailable
//! hangs up                error: client error (SendRequest)
//! circuit `flaky`: closed -> open: 3 consecutive failures, open for 2s
//! hangs                   error: request timed out
//! is left alone           rejected: circuit `flaky` is open: 3 consecutive failures
//! is left alone           rejected: circuit `flaky` is open: 3 consecutive failures
//! the break passes
//! circuit `flaky`: open -> half-open: the wait is over, the next call is a probe
//! circuit `flaky`: half-open -> closed: the probes succeeded
//! answers again           200 OK
//! the server was asked 5 times, the circuit rejected 2
//! ```

use std::{
    future::pending,
    io,
    net::Ipv4Addr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::{body::Incoming, server::conn::http1, service};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{net::TcpListener, sync::watch, time::sleep};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
use tower_breaker::{Circuit, CircuitBreakerLayer, Rejected, State};

type Body = Empty<&'static [u8]>;

const BREAK: Duration = Duration::from_secs(2);

/// How often the server was asked.
static ASKED: AtomicU64 = AtomicU64::new(0);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (mood, server) = watch::channel(Mood::Answers);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(serve(listener, server));

    let circuit = Circuit::builder("flaky")
        .consecutive_failures(3)
        .open_for(BREAK)
        .on_transition(|circuit, transition| {
            println!("circuit `{}`: {transition}", circuit.name());
        })
        .build()?;
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(Duration::from_millis(500)));
    // The breaker outside of the timeout: a call that takes too long is a failure.
    let mut client = ServiceBuilder::new()
        .layer(CircuitBreakerLayer::new(circuit.clone()).reject_as_box_error())
        .timeout(Duration::from_secs(1))
        .service(Client::builder(TokioExecutor::new()).build(connector));

    let mut call = async |what: &str, now: Mood, expected: &str| {
        mood.send_replace(now);
        let came = ask(&mut client, &url).await?;
        println!("{what:<24}{came}");
        check(
            came.starts_with(expected),
            format!("not {expected}: {came}"),
        )
    };
    call("answers", Mood::Answers, "200").await?;
    call("fails", Mood::Fails, "503").await?;
    call("hangs up", Mood::HangsUp, "error: client error").await?;
    call("hangs", Mood::Hangs, "error: request timed out").await?;
    call("is left alone", Mood::Answers, "rejected").await?;
    call("is left alone", Mood::Answers, "rejected").await?;
    println!("the break passes");
    sleep(BREAK + Duration::from_millis(20)).await;
    call("answers again", Mood::Answers, "200").await?;

    let totals = circuit.snapshot().totals.ok_or("totals are on")?;
    let (asked, rejected) = (ASKED.load(Ordering::SeqCst), totals.rejected);
    println!("the server was asked {asked} times, the circuit rejected {rejected}");
    check((asked, rejected) == (5, 2), "not 5 and 2")?;
    check(circuit.state() == State::Closed, "not closed")
}

/// One call, and what came of it.
async fn ask<S>(client: &mut S, url: &str) -> Result<String, BoxError>
where
    S: Service<Request<Body>, Response = Response<Incoming>, Error = BoxError>,
{
    let request = Request::get(url).body(Body::new())?;
    Ok(match client.ready().await?.call(request).await {
        Ok(response) => response.status().to_string(),
        Err(error) => match Rejected::find(&*error) {
            Some(rejected) => format!("rejected: {rejected}"),
            None => format!("error: {error}"),
        },
    })
}

fn check(holds: bool, otherwise: impl Into<BoxError>) -> Result<(), BoxError> {
    holds.then_some(()).ok_or_else(|| otherwise.into())
}

#[derive(Clone, Copy)]
enum Mood {
    Answers,
    Fails,
    HangsUp,
    Hangs,
}

/// The flaky server, one task for each connection.
async fn serve(listener: TcpListener, mood: watch::Receiver<Mood>) {
    while let Ok((stream, _)) = listener.accept().await {
        let mood = mood.clone();
        let answer = service::service_fn(move |_| answer(*mood.borrow()));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

async fn answer(mood: Mood) -> io::Result<Response<Body>> {
    ASKED.fetch_add(1, Ordering::SeqCst);
    let mut response = Response::new(Body::new());
    match mood {
        Mood::Answers => {}
        Mood::Fails => *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE,
        Mood::HangsUp => return Err(io::Error::other("hung up")),
        Mood::Hangs => pending().await,
    }
    Ok(response)
}
