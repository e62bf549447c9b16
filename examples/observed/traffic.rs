//! Calls to each dependency, through one layer that gives each its own circuit.

use std::time::Duration;

use reqwest::{Client, Error, Method, Request, Response};
use tokio::time::interval;
use tower::{Layer, Service, ServiceExt};
use tower_breaker::{circuit_breaker_span, keyed::by, registry::Registry};
use tracing::{Instrument, Level};

/// What is called, and how often a second.
const CALLED: [(&str, u32); 9] = [
    ("database", 30),
    ("eu", 20),
    ("us", 15),
    ("search", 10),
    ("prices", 20),
    ("mail", 5),
    ("tenant-acme", 4),
    ("tenant-umbrella", 4),
    ("tenant-initech", 2),
];

/// Begins to call what is there, for ever.
pub(crate) fn begin(registry: &Registry, outside: &str) -> Result<(), Error> {
    let by_path = by::closure(|request: &Request| request.url().path().strip_prefix('/'));
    let client = registry
        .layer_by(by_path)
        .layer(Client::builder().no_proxy().build()?);
    for (name, a_second) in CALLED {
        let url = format!("{outside}/{name}");
        tokio::spawn(call(client.clone(), url, Duration::from_secs(1) / a_second));
    }
    Ok(())
}

async fn call<S>(client: S, url: String, every: Duration)
where
    S: Service<Request, Response = Response, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    let url: reqwest::Url = url.parse().expect("an address and a name");
    let mut ticks = interval(every);
    loop {
        ticks.tick().await;
        let request = Request::new(Method::GET, url.clone());
        // As a request of your own has one. The circuit tells it what became of the call.
        let span = circuit_breaker_span!(Level::INFO, "call", path = url.path());
        let called = client.clone().oneshot(request).instrument(span);
        tokio::spawn(async { drop(called.await) });
    }
}
