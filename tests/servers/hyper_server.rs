//! Under hyper, over real sockets: a Tower stack with a circuit serves HTTP/1 and HTTP/2, and an
//! inner service that fails, hangs or is never ready reaches no further than its own calls (rules
//! A1, A6, G1, G4 and H1). What it may be stacked with there, and clients that vanish, have a module
//! each, beside this file.

mod stacks;
#[cfg(feature = "body")]
mod uploads;
mod vanishing;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    io,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use crate::sockets::{BOTH, Browser, Connection, Dependency, Server, Version};
use crate::storm::Storm;
use crate::support::{Fixture, three_failures};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tower::{Layer, Service, ServiceBuilder, service_fn};
use tower_breaker::{CircuitBreakerLayer, State};

type Answer = Response<Full<Bytes>>;

/// The dependency, as a service of hyper's requests: behind `layer`, once for each connection.
async fn serve(fixture: &Fixture, dependency: &Dependency) -> Server {
    let layer = CircuitBreakerLayer::new(fixture.circuit.clone());
    let dependency = dependency.clone();
    let handler = move |_: Request<Incoming>| {
        let dependency = dependency.clone();
        async move { Ok::<_, Infallible>(answer(dependency.call().await)) }
    };
    let make = move || {
        ServiceBuilder::new()
            .layer(layer.clone())
            .service(service_fn(handler.clone()))
    };
    Server::hyper(make).await
}

fn answer(status: StatusCode) -> Answer {
    let mut response = Response::new(Full::from(status.as_str().to_owned()));
    *response.status_mut() = status;
    response
}

// C1, G4, H1
#[tokio::test]
async fn one_circuit_for_all_connections() {
    for version in BOTH {
        let (circuit, dependency) = (three_failures(), Dependency::new());
        let server = serve(&circuit, &dependency).await;
        let browsers: Vec<Browser> = (0..3).map(|_| Browser::new(version, &server)).collect();

        dependency.fail();
        for browser in &browsers {
            let failure = browser.get("/").await;
            assert_eq!((failure.status, &*failure.body), (500, &b"500"[..]));
        }
        circuit.tells(&["closed -> open: 3 consecutive failures, open for 5s"]);
        dependency.heal();
        for browser in &browsers {
            let rejection = browser.get("/").await;
            assert_eq!((rejection.status, rejection.retry_after), (503, Some(5)));
            assert!(rejection.body.is_empty());
        }
        assert_eq!(dependency.entered(), 3);

        circuit.wait_out();
        assert_eq!(browsers[0].status("/").await, 200);
        circuit.is(State::Closed);
        assert!(server.connections() >= 3);
    }
}

// H1
#[tokio::test]
async fn a_rejection_leaves_the_connection_open() {
    for version in BOTH {
        let (circuit, dependency) = (three_failures(), Dependency::new());
        let server = serve(&circuit, &dependency).await;
        let mut connection = Connection::open(version, &server).await;

        circuit.play("f f f");
        assert_eq!(connection.get("/").await.status, 503);
        assert_eq!(connection.get("/").await.status, 503);
        circuit.wait_out();
        assert_eq!(connection.get("/").await.status, 200);
        assert_eq!(server.connections(), 1);
    }
}

// A1: hyper closes the connection of a service that errs (or, over HTTP/2, resets the stream). The
// circuit counts a failure, and when it is open there is an answer again.
#[tokio::test]
async fn errors_of_the_service_count_until_rejections_answer_in_their_place() {
    for version in BOTH {
        let circuit = three_failures();
        let layer = CircuitBreakerLayer::new(circuit.circuit.clone());
        let handler = |_: Request<Incoming>| async { Err::<Answer, _>(io::Error::other("broken")) };
        let server = Server::hyper(move || layer.layer(service_fn(handler))).await;
        let browser = Browser::new(version, &server);

        for _ in 0..3 {
            assert_eq!(browser.try_get("/").await, None);
        }
        assert_eq!(circuit.totals().failed, 3);
        assert_eq!(browser.status("/").await, 503);
    }
}

/// A service whose readiness is as told.
#[derive(Clone)]
struct Moody(Arc<Mutex<Poll<io::Result<()>>>>);

impl Moody {
    fn new(readiness: Poll<io::Result<()>>) -> Self {
        Self(Arc::new(Mutex::new(readiness)))
    }

    fn becomes(&self, readiness: Poll<io::Result<()>>) {
        *self.0.lock().expect("a mood") = readiness;
    }
}

impl Service<Request<Incoming>> for Moody {
    type Response = Answer;
    type Error = io::Error;
    type Future = Ready<io::Result<Answer>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &*self.0.lock().expect("a mood") {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.kind().into())),
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        }
    }

    fn call(&mut self, _: Request<Incoming>) -> Self::Future {
        ready(Ok(answer(StatusCode::OK)))
    }
}

async fn serve_moody(fixture: &Fixture, moody: &Moody) -> Server {
    let layer = CircuitBreakerLayer::new(fixture.circuit.clone());
    let moody = moody.clone();
    Server::hyper(move || layer.layer(moody.clone())).await
}

// G1: hyper waits for readiness before each call, but not while the circuit rejects.
#[tokio::test]
async fn a_service_that_is_never_ready_does_not_delay_a_rejection() {
    for version in BOTH {
        let circuit = three_failures();
        let moody = Moody::new(Poll::Pending);
        let server = serve_moody(&circuit, &moody).await;
        let browser = Browser::new(version, &server);

        circuit.play("f f f");
        assert_eq!(browser.get("/").await.retry_after, Some(5));
        moody.becomes(Poll::Ready(Ok(())));
        circuit.wait_out();
        assert_eq!(browser.status("/").await, 200);
    }
}

// A6
#[tokio::test]
async fn a_service_that_fails_to_become_ready_trips_the_circuit() {
    for version in BOTH {
        let circuit = three_failures();
        let moody = Moody::new(Poll::Ready(Err(io::ErrorKind::NotConnected.into())));
        let server = serve_moody(&circuit, &moody).await;
        let browser = Browser::new(version, &server);

        for _ in 0..3 {
            assert_eq!(browser.try_get("/").await, None);
        }
        circuit.tells(&["closed -> open: 3 consecutive failures, open for 5s"]);
        assert_eq!(browser.status("/").await, 503);
    }
}

// ---- hundreds of clients -----------------------------------------------------------------------

async fn storm(version: Version) -> Storm {
    let (circuit, dependency) = (three_failures(), Dependency::new());
    let server = serve(&circuit, &dependency).await;
    Storm::new(version, circuit, dependency, server).await
}

// C1, C3, D1, G4: known to the call.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hundreds_of_clients_act_by_act() {
    for version in BOTH {
        storm(version).await.in_acts().await;
    }
}

// C4, E4, F1, F2, F4: whatever the interleaving.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hundreds_of_clients_at_once() {
    for version in BOTH {
        storm(version).await.at_once().await;
    }
}
