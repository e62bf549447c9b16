//! With a breaker around it, a client looks like a client: the same requests and responses, to the
//! compiler and to whoever reads them, bodies observed or not.

use bytes::Bytes;
use hyper::ext::ReasonPhrase;
use reqwest::{Client, Error, Method, Request, Response, Version};
use tower::{Layer, Service, ServiceBuilder};
use tower_breaker::State;

use super::{
    Observed, ask, built, client, ended, get, guard, layer, observe, patiently, send, serve,
    settings,
};
use crate::{
    misbehaving::{Misbehaving, Turn},
    support::{Fixture, fragile},
};

/// Takes a client, and whatever looks like one.
fn client_like<S>(_: S)
where
    S: Service<Request, Response = Response, Error = Error, Future: Send> + Clone + Send,
{
}

// H1
#[tokio::test]
async fn to_the_compiler_a_guarded_client_is_a_client() {
    let circuit = fragile(|c| c);
    client_like(client());
    client_like(
        ServiceBuilder::new()
            .layer(layer(&circuit))
            .service(client()),
    );
    client_like(
        ServiceBuilder::new()
            .layer(layer(&circuit).observe_bodies())
            .service(client()),
    );
    client_like(
        layer(&circuit)
            .reject_with(|_| http::Response::new("no"))
            .layer(client()),
    );
    let fallback = layer(&circuit).fallback(|_, _: Request| async {
        Ok(Response::from(http::Response::new("yesterday's answer")))
    });
    client_like(fallback.observe_bodies().layer(client()));
    // What is around it may be in a box.
    let boxed = tower::util::BoxCloneSyncService::new(observe(&circuit, client()));
    client_like(boxed);
}

/// All that a response tells without its body.
#[derive(Debug, PartialEq)]
struct Face {
    url: String,
    has_remote_address: bool,
    version: Version,
    status: u16,
    headers: http::HeaderMap,
    content_length: Option<u64>,
    reason: Option<Bytes>,
    extensions: usize,
    error: Option<String>,
}

fn face(response: &Response) -> Face {
    let extensions = response.extensions();
    let reason = extensions.get::<ReasonPhrase>();
    let mut headers = response.headers().clone();
    // Of a server that says it: the responses are not of the same second.
    headers.remove("date");
    Face {
        url: response.url().to_string(),
        has_remote_address: response.remote_addr().is_some(),
        version: response.version(),
        status: response.status().as_u16(),
        headers,
        content_length: response.content_length(),
        reason: reason.map(|reason| Bytes::copy_from_slice(reason.as_bytes())),
        extensions: extensions.len(),
        error: response
            .error_for_status_ref()
            .err()
            .map(|error| error.to_string()),
    }
}

/// The response to this request, as it is, guarded, and observed.
async fn three_faces(client: &Client, request: Request) -> [Face; 3] {
    let circuit = Fixture::new(|c| c.consecutive_failures(100));
    let another = || request.try_clone().expect("a request without a stream");
    let plain = send(client, another()).await.expect("a response");
    let guarded = send(&guard(&circuit, client.clone()), another()).await;
    let observed = send(&observe(&circuit, client.clone()), another()).await;
    [
        plain,
        guarded.expect("a response"),
        observed.expect("a response"),
    ]
    .map(|response| face(&response))
}

// H5
#[tokio::test]
async fn a_response_tells_the_same_observed_or_not() {
    for (turn, length) in [
        (Turn::ok(), Some(2)),
        (
            Turn::respond(200, &["x-a: 1", "x-a: 2", "set-cookie: a=b"], ""),
            Some(0),
        ),
        (
            Turn::on_request().send("HTTP/1.1 200 Splendid\r\ncontent-length: 0\r\n\r\n"),
            Some(0),
        ),
        (
            Turn::on_request().send("HTTP/1.1 503 Gone Fishing\r\ncontent-length: 0\r\n\r\n"),
            Some(0),
        ),
        (Turn::respond::<&str>(404, &[], "nothing here"), Some(12)),
        (
            Turn::on_request()
                .send("HTTP/1.0 200 OK\r\n\r\nto the end")
                .close(),
            None,
        ),
        (Turn::cut_chunked(), None),
    ] {
        let server = Misbehaving::start(vec![turn]);
        let [plain, guarded, observed] = three_faces(&client(), get(server.uri())).await;
        assert!(plain.has_remote_address);
        assert_eq!(plain.content_length, length);
        assert_eq!(plain, guarded);
        assert_eq!(plain, observed);
    }
}

// H5
#[tokio::test]
async fn the_url_is_that_of_the_last_redirect() {
    let elsewhere = Turn::respond(302, &["location: /there?q=1#here"], "");
    let turns = || vec![elsewhere.clone(), Turn::ok()];
    let server = Misbehaving::start(turns());
    let circuit = fragile(|c| c);
    let plain = ask(&client(), server.uri()).await.expect("a response");
    server.play(turns());
    let observed = ask(&observe(&circuit, client()), server.uri()).await;
    let observed = observed.expect("a response");
    assert_eq!(observed.url().query(), Some("q=1"));
    assert_eq!(face(&plain), face(&observed));
}

// H5
#[tokio::test]
async fn a_head_without_a_body_tells_the_same() {
    let server = Misbehaving::start(vec![Turn::on_request().head(200, &["content-length: 7"])]);
    let request = Request::new(Method::HEAD, super::url(server.uri()));
    let [plain, guarded, observed] = three_faces(&client(), request).await;
    assert_eq!(plain.headers["content-length"], "7");
    assert_eq!(plain, guarded);
    assert_eq!(plain, observed);
}

// H5
#[tokio::test]
async fn a_response_over_http_2_tells_the_same() {
    let router = axum::Router::new().route("/", axum::routing::get(|| async { "fine" }));
    let server = serve(router).await;
    let client = built(settings().http2_prior_knowledge());
    let [plain, guarded, observed] = three_faces(&client, get(&server)).await;
    assert_eq!(plain.version, Version::HTTP_2);
    assert_eq!(plain.content_length, Some(4));
    assert_eq!(plain, guarded);
    assert_eq!(plain, observed);

    let circuit = fragile(|c| c);
    let response = ask(&observe(&circuit, client), &server).await;
    let text = patiently(response.expect("a response").text()).await;
    assert_eq!(text.expect("a body"), "fine");
    ended(&circuit, |t| t.successful = 1);
}

/// What reading this response to its end comes to.
async fn read(response: Response) -> (bool, bool, bool, String) {
    let error = patiently(response.bytes()).await.expect_err("an error");
    let said = error.to_string();
    (error.is_decode(), error.is_body(), error.is_timeout(), said)
}

// H5: an error in a body is the same to whoever reads it, but for what lies below it.
#[tokio::test]
async fn an_error_in_a_body_looks_the_same() {
    for turn in [
        Turn::short_body(),
        Turn::cut_chunked(),
        Turn::malformed_chunk(),
    ] {
        let circuit = fragile(|c| c);
        let server = Misbehaving::start(vec![turn]);
        let plain = ask(&client(), server.uri()).await.expect("a response");
        let service: Observed = observe(&circuit, client());
        let observed = ask(&service, server.uri()).await.expect("a response");
        assert_eq!(read(plain).await, read(observed).await);
        circuit.is(State::Open);
    }
}
