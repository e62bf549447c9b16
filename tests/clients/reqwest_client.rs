//! Around reqwest's client, over real sockets, against servers that work and servers that do not: nothing
//! about its types changes, the dependency's failures count and the caller's do not, and bodies may be
//! followed to their end (rules A1, A2, A7, H1 to H3, H5).

mod bodies;
mod calls;
mod errors;
mod faces;
mod rejections;
mod stacks;

use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
};

use crate::support::{Fixture, secs, totals};
use axum::Router;
use http::Uri;
use reqwest::{Client, ClientBuilder, Error, Method, Request, Response, Url};
use tokio::{net::TcpListener, task::JoinHandle, time};
use tower::{Layer, Service, ServiceExt};
use tower_breaker::{
    CircuitBreaker, CircuitBreakerLayer, State, Totals, body::ObserveBodies,
    classify::HttpClassifier, reject::ServiceUnavailable,
};

type Guarded = CircuitBreaker<Client>;
type Observed = CircuitBreaker<Client, HttpClassifier, ServiceUnavailable, ObserveBodies>;

/// A client that asks nobody what its proxy is.
fn settings() -> ClientBuilder {
    Client::builder().no_proxy()
}

fn client() -> Client {
    built(settings())
}

fn built(settings: ClientBuilder) -> Client {
    settings.build().expect("a client")
}

fn layer(circuit: &Fixture) -> CircuitBreakerLayer {
    CircuitBreakerLayer::new(circuit.circuit.clone())
}

/// The client, and a breaker directly around it.
fn guard(circuit: &Fixture, client: Client) -> Guarded {
    layer(circuit).layer(client)
}

/// The same, and calls are followed to the end of their bodies.
fn observe(circuit: &Fixture, client: Client) -> Observed {
    layer(circuit).observe_bodies().layer(client)
}

fn url(uri: impl ToString) -> Url {
    uri.to_string().parse().expect("a URL")
}

fn get(uri: impl ToString) -> Request {
    Request::new(Method::GET, url(uri))
}

/// Waits for `future`, but not for ever.
async fn patiently<F: Future>(future: F) -> F::Output {
    let done = time::timeout(secs(60), future).await;
    done.expect("something hangs")
}

/// One call, from readiness to the head of its response.
async fn send<S>(service: &S, request: Request) -> Result<Response, S::Error>
where
    S: Service<Request, Response = Response> + Clone,
{
    patiently(service.clone().oneshot(request)).await
}

async fn ask<S>(service: &S, uri: impl ToString) -> Result<Response, S::Error>
where
    S: Service<Request, Response = Response> + Clone,
{
    send(service, get(uri)).await
}

/// One call to the end of its body, that is answered.
async fn status<S>(service: &S, uri: &Uri) -> u16
where
    S: Service<Request, Response = Response, Error: std::fmt::Debug> + Clone,
{
    let response = ask(service, uri).await.expect("an answer");
    let status = response.status().as_u16();
    patiently(response.bytes()).await.expect("a body");
    status
}

/// One call that is not answered.
async fn error<S>(service: &S, uri: impl ToString) -> Error
where
    S: Service<Request, Response = Response, Error = Error> + Clone,
{
    ask(service, uri).await.expect_err("an error")
}

/// One call that goes on by itself.
fn start<S>(service: &S, uri: &Uri) -> JoinHandle<Result<Response, S::Error>>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
{
    tokio::spawn(service.clone().oneshot(get(uri)))
}

async fn join<T>(task: JoinHandle<T>) -> T {
    patiently(task).await.expect("no panic")
}

/// A router as axum serves it, until the test is over.
async fn serve(router: Router) -> Uri {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async { axum::serve(listener, router).await });
    uri(address, "/")
}

fn uri(address: SocketAddr, path: &str) -> Uri {
    let uri = format!("http://{address}{path}");
    uri.parse().expect("a URI")
}

/// So many of these, and none of any other kind.
#[track_caller]
fn ended(circuit: &Fixture, change: impl FnOnce(&mut Totals)) {
    assert_eq!(circuit.totals_of_calls(), totals(change));
}

/// The one call there was failed, and has opened a fragile circuit.
#[track_caller]
fn failed(circuit: &Fixture) {
    ended(circuit, |t| t.failed = 1);
    circuit.is(State::Open);
}
