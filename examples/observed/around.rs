//! Calls with everything around the breaker: a call timeout, a bulkhead, retries, an answer from elsewhere, and orders
//! that are kept for later.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use reqwest::Client;
use tokio::time::interval;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_breaker::{
    Agreement, BulkheadLayer, CircuitBreakerLayer, CircuitBuilder, RetryLimits,
    degrade::{
        fallback::{self, FallbackLayer},
        queue::{DeferLayer, Drainer, Memory},
        retries::Retries,
    },
    registry::Registry,
};

type Answer = Response<Full<Bytes>>;

/// Reviews come from a dependency that may hang: two calls at once, a tenth of a second for each. Instances share what
/// they see of it.
pub(crate) fn reviews(circuit: CircuitBuilder) -> CircuitBuilder {
    circuit
        .tag("tier", "extras")
        .shared(Agreement::default())
        .call_timeout(Duration::from_millis(100))
        .bulkhead(2, Duration::from_millis(10))
        .retries(RetryLimits::new(1).share(0.2))
}

/// Begins to ask for reviews and to order, for ever.
pub(crate) fn begin(registry: &Registry, outside: &str) -> Result<(), BoxError> {
    let client = Client::builder().no_proxy().build()?;
    let ask = move |path: &'static str| {
        let (client, url) = (client.clone(), format!("{outside}/{path}"));
        service_fn(move |request: Request<Full<Bytes>>| {
            let asked = client.request(request.method().clone(), &url).send();
            async move {
                let status = asked.await?.status();
                let mut answer = Answer::default();
                *answer.status_mut() = StatusCode::from_u16(status.as_u16())?;
                Ok::<_, BoxError>(answer)
            }
        })
    };

    let circuit = registry.try_get("reviews")?;
    let none = fallback::response(|_| Response::new(Full::from("no reviews right now")));
    let reviews = ServiceBuilder::new()
        .layer(FallbackLayer::on_failure(&circuit, none).boxed_errors())
        .retry(Retries::new(&circuit))
        .layer(BulkheadLayer::new())
        .layer(CircuitBreakerLayer::new(circuit))
        .service(ask("reviews"));
    tokio::spawn(call(reviews, Method::GET, 40));

    let circuit = registry.try_get("orders")?;
    let kept = Memory::bounded(100, 1 << 20);
    let orders = ServiceBuilder::new()
        .layer(DeferLayer::new(&circuit, kept.clone()).boxed_errors())
        .layer(CircuitBreakerLayer::new(circuit.clone()))
        .service(ask("orders"));
    tokio::spawn(call(orders, Method::POST, 5));
    let drainer = Drainer::new(&circuit, kept, ask("orders"));
    tokio::spawn(async { drop(drainer.run(std::future::pending()).await) });
    Ok(())
}

async fn call<S>(service: S, method: Method, a_second: u32)
where
    S: Service<Request<Full<Bytes>>> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: Send,
    S::Error: Send,
{
    let mut ticks = interval(Duration::from_secs(1) / a_second);
    loop {
        ticks.tick().await;
        let mut request = Request::new(Full::default());
        *request.method_mut() = method.clone();
        let called = service.clone().oneshot(request);
        tokio::spawn(async { drop(called.await) });
    }
}
