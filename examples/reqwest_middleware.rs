//! A circuit breaker as a middleware of `reqwest-middleware`, and a rejection that is recognised.
//!
//! Run with: `cargo run --example reqwest_middleware --features reqwest`
//!
//! It binds a free port, ends by itself, and prints this; or it fails, if anything is not as it should be.
//!
//! ```text
//! rejected: circuit `payments` is open: 3 consecutive failures
//! ```
//!
//! The guide `around` shows the same.

use async_trait::async_trait;
use axum::{Router, routing::get};
use http::{Extensions, StatusCode};
use reqwest::{Client, Request, Response};
use reqwest_middleware::{ClientBuilder, Error, Middleware, Next, Result};
use tower_breaker::{
    Circuit, CircuitError, Outcome, Rejected, State,
    classify::{Classify, HttpClassifier},
};

/// Guards whatever is further in.
struct Breaker(Circuit);

#[async_trait]
impl Middleware for Breaker {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let call = self.0.call_with(outcome, next.run(request, extensions));
        call.await.map_err(|error| match error {
            CircuitError::Inner(error) => error,
            // Rejections and time-outs.
            other => Error::Middleware(other.into()),
        })
    }
}

fn outcome(result: std::result::Result<&Response, &Error>) -> Outcome {
    match result {
        Ok(response) => HttpClassifier::new().classify(Ok::<_, &reqwest::Error>(response)),
        Err(Error::Reqwest(error)) => HttpClassifier::new().classify(Err::<&Response, _>(error)),
        // A middleware further in has failed: that says nothing about the server. Is it one of yours that speaks for
        // it? Then say `Outcome::Failure`.
        Err(Error::Middleware(_)) => Outcome::Ignored,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    // A server that is out of order.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let app = Router::new().route("/", get(async || StatusCode::INTERNAL_SERVER_ERROR));
    tokio::spawn(async { axum::serve(listener, app).await });

    let circuit = Circuit::builder("payments")
        .consecutive_failures(3)
        .build()?;
    let client = ClientBuilder::new(Client::builder().no_proxy().build()?)
        // Retries go here: the first that is named is the outermost.
        .with(Breaker(circuit.clone()))
        .build();

    for _ in 0..3 {
        assert_eq!(client.get(&url).send().await?.status(), 500);
    }
    assert_eq!(circuit.state(), State::Open);
    let error = client.get(&url).send().await.expect_err("a rejection");
    let rejected = Rejected::find(&error).expect("recognised");
    assert_eq!(rejected.circuit(), "payments");
    println!("rejected: {rejected}");
    Ok(())
}
