//! What is around the client of each dependency, so that the page has something to show.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper_util::{client::legacy, rt::TokioExecutor};
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};
use tower_breaker::{
    Circuit, CircuitBuilder, Mode, RetryLimits,
    degrade::{
        StackLayer,
        cached::Cached,
        fallback::{FallbackLayer, value},
        queue::{DeferLayer, Drainer, IDEMPOTENCY_KEY, Memory},
    },
};

/// Whatever is around a client, the page sees this of it.
pub(crate) type Client = BoxCloneSyncService<Request<Full<Bytes>>, Response<Full<Bytes>>, BoxError>;

/// So long may a call take, and so long a probe.
const AT_MOST: Duration = Duration::from_millis(300);
const PROBE_AT_MOST: Duration = Duration::from_millis(150);
/// Half a minute in earnest.
const BREAK: Duration = Duration::from_millis(500);

/// What all three have in common.
fn circuit(name: &'static str) -> CircuitBuilder {
    Circuit::builder(name)
        .consecutive_failures(3)
        .open_for(BREAK)
        .call_timeout(AT_MOST)
        .probe_timeout(PROBE_AT_MOST)
        .bulkhead(20, Duration::ZERO)
}

/// A price must be of this moment. Without one, there is something to say that is true.
pub(crate) fn price() -> Result<Client, BoxError> {
    let circuit = circuit("price").retries(RetryLimits::new(1)).build()?;
    let on_request = value(Response::new(Full::from("price on request")));
    let stack = StackLayer::of(&circuit)
        .fallback(FallbackLayer::on_failure(&circuit, on_request).boxed_errors())
        .retries();
    Ok(BoxCloneSyncService::new(stack.layer(http_client())))
}

/// Reviews may be old, if it is said how old.
pub(crate) fn reviews() -> Result<Client, BoxError> {
    let circuit = circuit("reviews").retries(RetryLimits::new(1)).build()?;
    let cached = Cached::builder().entries(100).build()?;
    let stack = StackLayer::of(&circuit)
        .cached_by(cached.layer(&circuit).boxed_errors())
        .retries();
    // Until there has been a good answer.
    let none = value(Response::new(Full::from("no reviews yet")));
    let reviews = ServiceBuilder::new()
        .layer(FallbackLayer::on_failure(&circuit, none).boxed_errors())
        .and_then(whole)
        .layer(stack)
        .service(http_client());
    Ok(BoxCloneSyncService::new(reviews))
}

/// How often each queued order was sent, by its key.
pub(crate) type Tries = Arc<Mutex<BTreeMap<String, u32>>>;

/// Sends what is queued.
pub(crate) type Sender = Drainer<Memory, Client>;

/// An order that cannot be placed now is placed later, as soon as there is somebody to take it.
pub(crate) fn orders(tries: Tries) -> Result<(Client, Sender), BoxError> {
    let circuit = circuit("orders").build()?;
    let queue = Memory::bounded(200, 1 << 20);
    let later = DeferLayer::new(&circuit, queue.clone())
        // Also if it may have been placed: it has an `Idempotency-Key`, and the server knows those.
        .also_on_failure()
        // All of them are of one customer.
        .order_by(|_| "customer 1".to_owned())
        .boxed_errors();
    let sender = Drainer::new(&circuit, queue, http_client())
        .attempt_timeout(AT_MOST)
        .interval(Duration::from_millis(5))
        // Less than a break, so that there is something to send as soon as it is over.
        .backoff(BREAK / 8, BREAK / 2)
        .max_attempts(100)
        // Here one would add credentials, which are not kept.
        .before_each_try(move |headers| {
            let key = headers[IDEMPOTENCY_KEY].to_str().unwrap_or_default();
            let mut tries = tries.lock().unwrap_or_else(PoisonError::into_inner);
            *tries.entry(key.to_owned()).or_default() += 1;
        });
    // Only if even the queue is full.
    let full = value(Response::new(Full::from("please come back later")));
    let orders = ServiceBuilder::new()
        .layer(FallbackLayer::on_failure(&circuit, full).boxed_errors())
        .layer(later)
        .layer(StackLayer::of(&circuit))
        .service(http_client());
    Ok((BoxCloneSyncService::new(orders), sender))
}

/// For the load of `--isolation`: a dependency that is kept apart. The circuit never opens, so that it is the bulkhead
/// and the timeout that show.
pub(crate) fn isolated(name: &'static str) -> Result<Client, BoxError> {
    let circuit = circuit(name).mode(Mode::Shadow).build()?;
    let stack = StackLayer::of(&circuit);
    Ok(BoxCloneSyncService::new(stack.layer(http_client())))
}

/// For the same load: nothing but the client.
pub(crate) fn bare(_: &'static str) -> Result<Client, BoxError> {
    Ok(http_client())
}

/// hyper's client, which reads the whole of an answer: so the limit of a call is of all of it.
fn http_client() -> Client {
    let client = legacy::Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    BoxCloneSyncService::new(client.map_err(BoxError::from).and_then(whole))
}

async fn whole<B>(response: Response<B>) -> Result<Response<Full<Bytes>>, BoxError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(Into::into)?.to_bytes();
    Ok(Response::from_parts(head, Full::from(body)))
}
