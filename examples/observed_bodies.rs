//! A server whose bodies break in the middle, seen by two clients: one with a circuit breaker that looks at
//! heads only, and one whose breaker observes bodies.
//!
//! Run with: `cargo run --example observed_bodies --features body`
//!
//! It binds a free port, ends by itself, and prints this; or it fails, if anything is not as it should be.
//!
//! ```text
//! the server breaks off    heads only: 200 OK, broken body      observing: 200 OK, broken body
//! the server breaks off    heads only: 200 OK, broken body      observing: 200 OK, broken body
//! circuit `observing`: closed -> open: 3 consecutive failures, open for 1s
//! the server breaks off    heads only: 200 OK, broken body      observing: 200 OK, broken body
//! the server breaks off    heads only: 200 OK, broken body      observing: rejected
//! the server is well       heads only: 200 OK, 16 bytes         observing: rejected
//! the break passes
//! circuit `observing`: open -> half-open: the wait is over, the next call is a probe
//! circuit `observing`: half-open -> closed: the probes succeeded
//! the server is well       heads only: 200 OK, 16 bytes         observing: 200 OK, 16 bytes
//! heads only: 6 successful, 0 failed, 0 rejected
//! observing: 1 successful, 3 failed, 2 rejected
//! ```

use std::{
    io,
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use axum::{Router, body::Body, routing::get};
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{net::TcpListener, time::sleep};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
use tower_breaker::{Circuit, CircuitBreakerLayer, Rejected};

const BREAK: Duration = Duration::from_secs(1);

/// Whether bodies break in the middle.
static BREAKS: AtomicBool = AtomicBool::new(true);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let router = Router::new().route("/", get(export));
    tokio::spawn(async { axum::serve(listener, router).await });

    let (plain, observing) = (circuit("heads only")?, circuit("observing")?);
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut heads_only = ServiceBuilder::new()
        .layer(CircuitBreakerLayer::new(plain.clone()).reject_as_box_error())
        .service(client.clone());
    let mut bodies = ServiceBuilder::new()
        .layer(
            CircuitBreakerLayer::new(observing.clone())
                .observe_bodies()
                .reject_as_box_error(),
        )
        .service(client);

    let (mut seen_by_one, mut seen_by_other) = (Vec::new(), Vec::new());
    for round in 1..=6 {
        BREAKS.store(round <= 4, Ordering::Relaxed);
        if round == 6 {
            println!("the break passes");
            sleep(BREAK).await;
        }
        let (one, other) = (
            ask(&mut heads_only, &url).await?,
            ask(&mut bodies, &url).await?,
        );
        let mood = if round <= 4 { "breaks off" } else { "is well" };
        println!("the server {mood:<14}heads only: {one:<25}observing: {other}");
        seen_by_one.push(one);
        seen_by_other.push(other);
    }

    let (broken, whole) = ("200 OK, broken body", "200 OK, 16 bytes");
    assert_eq!(seen_by_one, [broken, broken, broken, broken, whole, whole]);
    assert_eq!(
        seen_by_other,
        [broken, broken, broken, "rejected", "rejected", whole]
    );
    assert_eq!(tell(&plain), (6, 0, 0));
    assert_eq!(tell(&observing), (1, 3, 2));
    Ok(())
}

/// A handler whose head is always good.
async fn export() -> Body {
    let rest = match BREAKS.load(Ordering::Relaxed) {
        true => Err(io::Error::other("the database has gone away")),
        false => Ok("rt, whole"),
    };
    let pieces = stream::iter([Ok("an expo"), rest]);
    // One piece at a time, or the head of a body that breaks so early would not be sent either.
    Body::from_stream(pieces.then(async |piece| {
        tokio::task::yield_now().await;
        piece
    }))
}

fn circuit(name: &'static str) -> Result<Circuit, tower_breaker::ConfigError> {
    Circuit::builder(name)
        .consecutive_failures(3)
        .open_for(BREAK)
        .on_transition(|circuit, transition| {
            println!("circuit `{}`: {transition}", circuit.name());
        })
        .build()
}

/// One `GET`, read to its end.
async fn ask<S, B>(client: &mut S, url: &str) -> Result<String, BoxError>
where
    S: Service<Request<Empty<&'static [u8]>>, Response = Response<B>, Error = BoxError>,
    B: http_body::Body,
{
    let request = Request::get(url).body(Empty::new())?;
    let response = match client.ready().await?.call(request).await {
        Err(error) if Rejected::find(&*error).is_some() => return Ok("rejected".into()),
        answered => answered?,
    };
    let status = response.status();
    Ok(match response.into_body().collect().await {
        Ok(body) => format!("{status}, {} bytes", body.to_bytes().len()),
        Err(_) => format!("{status}, broken body"),
    })
}

/// Successful, failed, rejected.
fn tell(circuit: &Circuit) -> (u64, u64, u64) {
    let totals = circuit.snapshot().totals.expect("totals are on");
    let (successful, failed) = (totals.successful, totals.failed);
    let (name, rejected) = (circuit.name(), totals.rejected);
    println!("{name}: {successful} successful, {failed} failed, {rejected} rejected");
    (successful, failed, rejected)
}
