//! reqwest's client with a circuit breaker around it: whose fault is whose, bodies that break off, a
//! `Retry-After` that is honoured, and a rejection that is a `reqwest::Response` like any other.
//!
//! Run with: `cargo run --example reqwest_client --features reqwest,retry-after`
//!
//! It binds a free port, ends by itself, and prints this; or it fails, if anything is not as it should be.
//!
//! ```text
//! answers                 200 OK: fine
//! is misspelt             error: builder error
//! has no such page        404 Not Found: no such page
//! breaks off              200 OK, then: error decoding response body
//! hangs                   error: timed out
//! circuit `payments`: closed -> open: 3 consecutive failures, open for 20s
//! is busy                 503 Service Unavailable: not now
//! is left alone           rejected: circuit `payments` is open: 3 consecutive failures, come back in 20 s
//! 20 seconds pass
//! circuit `payments`: open -> half-open: the wait is over, the next call is a probe
//! circuit `payments`: half-open -> closed: the probes succeeded
//! answers again           200 OK: fine
//! ended well 2, failed 3, ignored 2, rejected 1
//! ```

use std::{future::pending, io, net::Ipv4Addr, time::Duration};

use axum::{Router, body::Body, http::StatusCode, routing::get};
use futures_util::{StreamExt, stream};
use http_body_util::StreamBody;
use hyper::body::Frame;
use reqwest::{Client, Error, Method, Request, Response};
use tokio::{net::TcpListener, task::yield_now};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
use tower_breaker::{
    Circuit, CircuitBreakerLayer, Rejected, State, classify::HttpClassifier, clock::ManualClock,
    retry_after::RetryAfter,
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let server = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async { axum::serve(listener, routes()).await });

    // A clock that is set by hand, so that nobody has to wait.
    let clock = ManualClock::new();
    let circuit = Circuit::builder("payments")
        .consecutive_failures(3)
        .open_for(Duration::from_secs(5))
        .clock(clock.clone())
        .on_transition(|circuit, transition| {
            println!("circuit `{}`: {transition}", circuit.name());
        })
        .build()?;
    let honoured = RetryAfter::between(Duration::from_secs(1), Duration::from_secs(120))?;
    let layer = CircuitBreakerLayer::new(circuit.clone())
        .classifier(HttpClassifier::new().retry_after(honoured))
        .observe_bodies();
    let timeout = Duration::from_secs(2);
    let client = ServiceBuilder::new().layer(layer).service(
        Client::builder()
            .no_proxy()
            .timeout(timeout)
            .connect_timeout(timeout / 2)
            .build()?,
    );

    let call = async |what: &str, url: &str, expected: &str| {
        let came = ask(client.clone(), url).await?;
        println!("{what:<24}{came}");
        check(came == expected, format!("not {expected}"))
    };
    let at = |path: &str| format!("{server}{path}");
    call("answers", &at("/"), "200 OK: fine").await?;
    let misspelt = at("/").replace("http", "htpt");
    call("is misspelt", &misspelt, "error: builder error").await?;
    let nowhere = "404 Not Found: no such page";
    call("has no such page", &at("/nowhere"), nowhere).await?;
    let broken = "200 OK, then: error decoding response body";
    call("breaks off", &at("/breaks"), broken).await?;
    call("hangs", &at("/hangs"), "error: timed out").await?;
    let busy = "503 Service Unavailable: not now";
    call("is busy", &at("/busy"), busy).await?;
    let rejected =
        "rejected: circuit `payments` is open: 3 consecutive failures, come back in 20 s";
    call("is left alone", &at("/"), rejected).await?;
    println!("20 seconds pass");
    clock.advance(Duration::from_secs(20));
    call("answers again", &at("/"), "200 OK: fine").await?;

    let ended = circuit.snapshot().totals.ok_or("totals are on")?;
    let ended = (
        ended.successful,
        ended.failed,
        ended.ignored,
        ended.rejected,
    );
    let (well, failed, ignored, rejected) = ended;
    println!("ended well {well}, failed {failed}, ignored {ignored}, rejected {rejected}");
    check(ended == (2, 3, 2, 1), "not 2, 3, 2 and 1")?;
    check(circuit.state() == State::Closed, "not closed")
}

/// One call with whatever is a client, and what came of it. The breaker leaves no trace in its types.
async fn ask<S>(client: S, url: &str) -> Result<String, BoxError>
where
    S: Service<Request, Response = Response, Error = Error>,
{
    let request = Request::new(Method::GET, url.parse()?);
    let response = match client.oneshot(request).await {
        Ok(response) => response,
        Err(error) if error.is_timeout() => return Ok("error: timed out".to_owned()),
        Err(error) => return Ok(format!("error: {}", error.without_url())),
    };
    if let Some(rejected) = response.extensions().get::<Rejected>() {
        let seconds = response.headers()["retry-after"].to_str()?;
        return Ok(format!("rejected: {rejected}, come back in {seconds} s"));
    }
    let status = response.status();
    Ok(match response.text().await {
        Ok(text) => format!("{status}: {text}"),
        Err(error) => format!("{status}, then: {}", error.without_url()),
    })
}

fn check(holds: bool, otherwise: impl Into<BoxError>) -> Result<(), BoxError> {
    holds.then_some(()).ok_or_else(|| otherwise.into())
}

fn routes() -> Router {
    let busy = (
        StatusCode::SERVICE_UNAVAILABLE,
        [("retry-after", "20")],
        "not now",
    );
    Router::new()
        .route("/", get("fine"))
        .route("/breaks", get(|| async { half_a_body() }))
        .route("/hangs", get(pending::<()>))
        .route("/busy", get(busy))
        .fallback((StatusCode::NOT_FOUND, "no such page"))
}

fn half_a_body() -> Body {
    let half = stream::iter([Ok(Frame::data("half".into()))]);
    let break_off = stream::once(async {
        // So that the half is sent before.
        yield_now().await;
        Err(io::Error::other("the disk is full"))
    });
    Body::new(StreamBody::new(half.chain(break_off)))
}
