//! With what else is around clients: retries, and a circuit for each host.

use std::{
    collections::HashMap,
    future::{Ready, ready},
    sync::Arc,
};

use http_body_util::Full;
use reqwest::{Body, Client, Error, Method, Request, Response};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, retry, steer::Steer};
use tower_breaker::{CircuitBreaker, Rejected, State};

use super::{
    ask, built, client, ended, get, guard, layer, patiently, send, serve, settings, status, url,
};
use crate::{
    misbehaving::{Misbehaving, Port, Turn},
    support::{Fixture, fragile, secs, three_failures},
};

/// Tries so many times more, if a call fails; but not what a circuit has rejected.
#[derive(Clone)]
struct Again(u8);

impl retry::Policy<Request, Response, Error> for Again {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request,
        result: &mut Result<Response, Error>,
    ) -> Option<Self::Future> {
        let failed = match result {
            Ok(response) => {
                let rejected = response.extensions().get::<Rejected>().is_some();
                response.status().is_server_error() && !rejected
            }
            Err(error) => !error.is_builder(),
        };
        self.0 = self.0.checked_sub(1).filter(|_| failed)?;
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &Request) -> Option<Request> {
        request.try_clone()
    }
}

fn five_times() -> retry::RetryLayer<Again> {
    retry::RetryLayer::new(Again(5))
}

fn broken() -> Misbehaving {
    Misbehaving::start(vec![Turn::respond::<&str>(500, &[], "")])
}

/// With a body that can be sent again.
fn post(server: &Misbehaving) -> Request {
    let mut request = Request::new(Method::POST, url(server.uri()));
    *request.body_mut() = Some(Body::from("a body"));
    request
}

// H3: each attempt is a call, and the one that is rejected is the last.
#[tokio::test]
async fn a_retry_outside_leaves_rejections_alone() {
    let (circuit, server) = (three_failures(), broken());
    let service = ServiceBuilder::new()
        .layer(five_times())
        .layer(layer(&circuit))
        .service(client());
    let response = send(&service, post(&server)).await.expect("a rejection");
    assert_eq!(response.status(), 503);
    assert!(response.extensions().get::<Rejected>().is_some());
    assert_eq!(server.seen().requests, 3);
    ended(&circuit, |t| {
        (t.failed, t.rejected, t.rejected_by.open) = (3, 1, 1);
    });
}

// A1: all attempts are one call.
#[tokio::test]
async fn a_retry_inside_is_one_call() {
    let (circuit, server) = (three_failures(), broken());
    let service = ServiceBuilder::new()
        .layer(layer(&circuit))
        .layer(five_times())
        .service(client());
    let response = send(&service, post(&server)).await.expect("an answer");
    assert_eq!(response.status(), 500);
    assert_eq!(server.seen().requests, 6);
    ended(&circuit, |t| t.failed = 1);

    server.play(vec![Turn::respond::<&str>(500, &[], ""), Turn::ok()]);
    assert_eq!(
        send(&service, post(&server))
            .await
            .expect("an answer")
            .status(),
        200
    );
    ended(&circuit, |t| (t.failed, t.successful) = (1, 1));
}

#[tokio::test]
async fn a_stream_is_not_sent_twice() {
    let (circuit, server) = (three_failures(), broken());
    let service = ServiceBuilder::new()
        .layer(five_times())
        .layer(layer(&circuit).observe_bodies())
        .service(client());
    let mut request = post(&server);
    *request.body_mut() = Some(Body::wrap(Full::new("a stream".as_bytes())));
    let response = send(&service, request).await.expect("an answer");
    assert_eq!(response.status(), 500);
    assert_eq!(server.seen().requests, 1);
    ended(&circuit, |t| t.failed = 1);
}

// ---- a circuit for each host -------------------------------------------------------------------

/// One client, and around it a circuit for each host that it is known to ask.
#[derive(Clone)]
struct PerHost {
    known: Arc<HashMap<String, CircuitBreaker<Client>>>,
    other: Client,
}

impl PerHost {
    fn new<'a>(known: impl IntoIterator<Item = (String, &'a Fixture)>) -> Self {
        let other = client();
        let known = known
            .into_iter()
            .map(|(host, circuit)| (host, guard(circuit, other.clone())));
        Self {
            known: Arc::new(known.collect()),
            other,
        }
    }

    async fn send(&self, request: Request) -> Result<Response, Error> {
        match self.known.get(request.url().authority()) {
            Some(guarded) => send(guarded, request).await,
            None => send(&self.other, request).await,
        }
    }
}

// G4
#[tokio::test]
async fn a_map_of_circuits_guards_each_host_on_its_own() {
    let (good, bad, unknown) = (Misbehaving::start(vec![Turn::ok()]), broken(), broken());
    let (of_good, of_bad) = (fragile(|c| c), fragile(|c| c));
    let clients = PerHost::new([
        (good.address().to_string(), &of_good),
        (bad.address().to_string(), &of_bad),
    ]);
    for expected in [500, 503] {
        let response = clients.send(post(&bad)).await.expect("an answer");
        assert_eq!(response.status(), expected);
        assert_eq!(
            clients.send(post(&good)).await.expect("an answer").status(),
            200
        );
        assert_eq!(
            clients
                .send(post(&unknown))
                .await
                .expect("an answer")
                .status(),
            500
        );
    }
    ended(&of_bad, |t| {
        (t.failed, t.rejected, t.rejected_by.open) = (1, 1, 1);
    });
    ended(&of_good, |t| t.successful = 2);
    assert_eq!((bad.seen().requests, unknown.seen().requests), (1, 2));
}

// G1, G4: a service that rejects is ready, so it holds up none of the others.
#[tokio::test]
async fn steer_can_choose_the_circuit_by_the_host() {
    let (good, bad) = (Misbehaving::start(vec![Turn::ok()]), broken());
    let (of_good, of_bad) = (fragile(|c| c), fragile(|c| c));
    let guarded = [guard(&of_good, client()), guard(&of_bad, client())];
    let good_host = good.address().to_string();
    let choose =
        move |request: &Request, _: &[_]| usize::from(request.url().authority() != good_host);
    let steer = Steer::new(guarded, choose);
    for expected in [500, 503] {
        let response = ask(&steer, bad.uri()).await.expect("an answer");
        assert_eq!(response.status(), expected);
        assert_eq!(status(&steer, &good.uri()).await, 200);
    }
    of_good.is(State::Closed);
    of_bad.is(State::Open);
}

// A1: of a host that cannot be reached.
#[tokio::test]
async fn a_host_that_is_gone_is_left_alone() {
    let circuit = fragile(|c| c);
    let gone = Port::reserve().uri();
    let host = gone.authority().expect("a host").to_string();
    let clients = PerHost::new([(host, &circuit)]);
    let call = || clients.send(super::get(&gone));
    assert!(call().await.expect_err("an error").is_connect());
    assert_eq!(call().await.expect("a rejection").status(), 503);
}

/// Two places, both taken by clients that are ready when the circuit opens; then others ask, at `uri`.
async fn rejections_keep_no_place<S>(guarded: S, circuit: &Fixture, uri: &http::Uri)
where
    S: Service<Request, Response = Response, Error: std::fmt::Debug> + Clone,
{
    for asked_again in [false, true] {
        let mut ready = [guarded.clone(), guarded.clone()];
        for client in &mut ready {
            patiently(client.ready()).await.expect("ready");
        }
        circuit.circuit.trip(secs(5)).expect("in normal mode");
        for client in &mut ready {
            if asked_again {
                patiently(client.ready()).await.expect("ready");
            }
            let answer = patiently(client.call(get(uri))).await;
            assert_eq!(answer.expect("a rejection").status(), 503);
        }
        circuit.circuit.reset();
        let answer = ask(&guarded, uri).await.expect("a response");
        assert_eq!(patiently(answer.text()).await.expect("a body"), "fine");
        drop(ready);
    }
}

// G3: of a limit or a buffer around the client, whichever way it speaks, and whether bodies are observed.
#[tokio::test]
async fn a_rejection_keeps_no_place_of_what_is_between_breaker_and_client() {
    let router = axum::Router::new().route("/", axum::routing::get(|| async { "fine" }));
    let server = serve(router).await;
    for client in [client(), built(settings().http2_prior_knowledge())] {
        let circuit = fragile(|c| c);
        let limited = ServiceBuilder::new()
            .concurrency_limit(2)
            .service(client.clone());
        let giving_back = layer(&circuit).fresh_clone_on_rejection();
        let guarded = giving_back.clone().layer(limited.clone());
        rejections_keep_no_place(guarded, &circuit, &server).await;
        let observed = giving_back.clone().observe_bodies().layer(limited);
        rejections_keep_no_place(observed, &circuit, &server).await;

        let buffered = ServiceBuilder::new().buffer(2).service(client);
        let guarded = giving_back.clone().layer(buffered.clone());
        rejections_keep_no_place(guarded, &circuit, &server).await;
        let observed = giving_back.observe_bodies().layer(buffered);
        rejections_keep_no_place(observed, &circuit, &server).await;
    }
}
