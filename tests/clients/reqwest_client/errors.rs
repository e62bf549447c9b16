//! What counts as what, as far as the head tells.

use std::{
    future::pending,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use reqwest::{
    Method, Request, StatusCode,
    dns::{Name, Resolve, Resolving},
    redirect::Policy,
};
use tokio::{sync::oneshot, time};
use tower::ServiceBuilder;
use tower_breaker::{Outcome, State};

use super::{
    ask, built, client, ended, error, failed, get, guard, join, layer, send, serve, settings,
    start, status, url,
};
use crate::{
    misbehaving::{Misbehaving, Port, Turn},
    support::{Fixture, NANO, fragile, fragile_after_break, secs},
};

const PROBING: &str = "open -> half-open: the wait is over, the next call is a probe";
const RECOVERED: &str = "half-open -> closed: the probes succeeded";

// ---- failures ----------------------------------------------------------------------------------

// A1, C1
#[tokio::test]
async fn connections_that_are_refused_open_the_circuit_and_are_not_tried_again() {
    let circuit = Fixture::new(|c| c.consecutive_failures(3).open_for(secs(5)));
    let client = guard(&circuit, client());
    let port = Port::reserve();
    let uri = port.uri();
    for _ in 0..3 {
        assert!(error(&client, &uri).await.is_connect());
    }
    circuit.tells(&["closed -> open: 3 consecutive failures, open for 5s"]);

    let server = port.open(vec![Turn::ok()]);
    for _ in 0..3 {
        assert_eq!(status(&client, &uri).await, 503);
    }
    assert_eq!(server.seen().connections, 0);

    circuit.wait_out();
    assert_eq!(status(&client, &uri).await, 200);
    circuit.tells(&[PROBING, RECOVERED]);
    assert_eq!(server.seen().connections, 1);
    ended(&circuit, |t| {
        (t.successful, t.failed, t.rejected, t.rejected_by.open) = (1, 3, 3, 3);
    });
}

// A1
#[tokio::test]
async fn a_server_that_sends_no_head_has_failed() {
    for (way, turn) in Turn::without_head() {
        println!("{way}");
        let circuit = fragile(|c| c);
        let server = Misbehaving::start(vec![turn]);
        // No hold is for this test.
        server.let_go();
        let error = error(&guard(&circuit, client()), server.uri()).await;
        assert!(error.is_request(), "{error:?}");
        failed(&circuit);
    }
}

/// From now on time passes by itself, whenever there is nothing to do: to the next timeout.
fn let_time_pass() {
    time::pause();
}

// A1: of the client's own timeout, whatever it is for.
#[tokio::test]
async fn a_head_that_takes_too_long_is_a_failure() {
    let timeout = secs(5);
    for settings in [
        settings().timeout(timeout),
        settings().read_timeout(timeout),
    ] {
        let circuit = fragile(|c| c);
        let server = Misbehaving::start(vec![Turn::slow_head()]);
        let call = start(&guard(&circuit, built(settings)), &server.uri());
        server.until(|seen| seen.held == 1).await;
        circuit.is(State::Closed);
        let_time_pass();
        let error = join(call).await.expect_err("a timeout");
        assert!(error.is_timeout(), "{error:?}");
        failed(&circuit);
        time::resume();
    }
}

/// A name that nobody resolves. It tells when it was asked.
struct Unresolvable(Mutex<Option<oneshot::Sender<()>>>);

impl Resolve for Unresolvable {
    fn resolve(&self, _: Name) -> Resolving {
        let asked = self.0.lock().expect("a sender").take();
        asked.expect("asked once").send(()).expect("a test");
        Box::pin(pending())
    }
}

// A1
#[tokio::test]
async fn a_connection_that_takes_too_long_is_a_failure() {
    let circuit = fragile(|c| c);
    let (sender, asked) = oneshot::channel();
    let resolver = Unresolvable(Mutex::new(Some(sender)));
    let client = built(
        settings()
            .dns_resolver(Arc::new(resolver))
            .connect_timeout(secs(5)),
    );
    let nowhere = http::Uri::from_static("http://nowhere.invalid/");
    let call = start(&guard(&circuit, client), &nowhere);
    asked.await.expect("a client that asks");
    let_time_pass();
    let error = join(call).await.expect_err("a timeout");
    assert!(error.is_timeout() && error.is_connect(), "{error:?}");
    failed(&circuit);
}

// A1
#[tokio::test]
async fn a_status_of_5xx_is_a_failure() {
    for code in [500, 502, 503, 504] {
        let circuit = fragile(|c| c);
        let server = Misbehaving::start(vec![Turn::respond::<&str>(code, &[], "")]);
        let client = guard(&circuit, client());
        assert_eq!(status(&client, &server.uri()).await, code);
        failed(&circuit);
    }
}

// A7
#[tokio::test]
async fn a_503_can_say_for_how_long() {
    use tower_breaker::{classify::HttpClassifier, retry_after::RetryAfter};
    let circuit = fragile(|c| c);
    let honoured = RetryAfter::between(secs(1), secs(60)).expect("bounds that make sense");
    let service = ServiceBuilder::new()
        .layer(layer(&circuit).classifier(HttpClassifier::new().retry_after(honoured)))
        .service(client());
    let server = Misbehaving::start(vec![Turn::unavailable(&["retry-after: 20"])]);
    assert_eq!(status(&service, &server.uri()).await, 503);
    assert_eq!(circuit.remaining(), secs(20));
}

// ---- what says nothing about the dependency ----------------------------------------------------

// A2
#[tokio::test]
async fn a_status_of_4xx_is_neutral() {
    for code in [400, 401, 404, 429] {
        let circuit = fragile(|c| c);
        let server = Misbehaving::start(vec![Turn::respond::<&str>(code, &[], "")]);
        let client = guard(&circuit, client());
        assert_eq!(status(&client, &server.uri()).await, code);
        ended(&circuit, |t| t.ignored = 1);
    }
}

// A2: an answer is proof of life, unless it speaks of time or overload; as a response or as an error of it.
#[tokio::test]
async fn an_answer_of_4xx_closes_a_half_open_circuit() {
    for code in [400, 401, 403, 404, 408, 409, 410, 422, 425, 429, 451] {
        for as_error in [false, true] {
            let circuit = fragile_after_break(|c| c);
            let server = Misbehaving::start(vec![Turn::respond::<&str>(code, &[], "")]);
            let service = ServiceBuilder::new()
                .layer(layer(&circuit))
                .map_result(
                    move |result: Result<reqwest::Response, reqwest::Error>| match as_error {
                        true => result?.error_for_status(),
                        false => result,
                    },
                )
                .service(client());
            drop(ask(&service, server.uri()).await);
            match code {
                408 | 425 | 429 => circuit.tells(&[PROBING]),
                _ => circuit.tells(&[PROBING, RECOVERED]),
            }
        }
    }
    // A redirect that is not followed is an answer, too.
    let circuit = fragile_after_break(|c| c);
    let server = Misbehaving::start(vec![redirect_to("/")]);
    let client = built(settings().redirect(Policy::limited(0)));
    let error = ask(&guard(&circuit, client), server.uri()).await;
    assert!(error.expect_err("an error").is_redirect());
    circuit.tells(&[PROBING, RECOVERED]);
}

/// URLs that no request can be made of.
fn no_urls() -> [String; 3] {
    let too_long = format!("http://localhost/{}", "x".repeat(70_000));
    [
        "ftp://localhost/".to_owned(),
        "data:,x".to_owned(),
        too_long,
    ]
}

// A2
#[tokio::test]
async fn a_request_that_cannot_be_built_is_ignored() {
    for url in no_urls() {
        let circuit = fragile(|c| c);
        let error = error(&guard(&circuit, client()), &url).await;
        assert!(error.is_builder(), "{error:?}");
        ended(&circuit, |t| t.ignored = 1);
    }
    let circuit = fragile(|c| c);
    let https_only = built(settings().https_only(true));
    let error = error(&guard(&circuit, https_only), "http://localhost/").await;
    assert!(error.is_builder(), "{error:?}");
    ended(&circuit, |t| t.ignored = 1);
}

// A2, D1
#[tokio::test]
async fn a_probe_that_cannot_be_built_gives_its_seat_back() {
    let circuit = fragile_after_break(|c| c);
    let client = guard(&circuit, client());
    for url in no_urls() {
        assert!(error(&client, &url).await.is_builder());
        circuit.is(State::HalfOpen);
    }
    let server = Misbehaving::start(vec![Turn::ok()]);
    assert_eq!(status(&client, &server.uri()).await, 200);
    circuit.tells(&[PROBING, RECOVERED]);
}

fn redirect_to(location: &str) -> Turn {
    Turn::respond(302, &[format!("location: {location}")], "")
}

/// Follows this redirect as this policy has it, through a fragile circuit.
async fn follow(policy: Policy, location: &str) -> (Fixture, Result<u16, reqwest::Error>) {
    let circuit = fragile(|c| c);
    let server = Misbehaving::start(vec![redirect_to(location)]);
    let client = built(settings().redirect(policy));
    let result = ask(&guard(&circuit, client), server.uri()).await;
    let status = result.map(|response| response.status().as_u16());
    (circuit, status)
}

// A2: the dependency has answered; it is the caller who does not go on.
#[tokio::test]
async fn a_redirect_that_is_not_followed_is_neutral() {
    let refusing = || Policy::custom(|attempt| attempt.error("not in this house"));
    for (policy, location) in [
        (Policy::limited(0), "/"),
        (Policy::limited(3), "/"),
        (Policy::default(), "/again"),
        (refusing(), "/"),
    ] {
        let (circuit, result) = follow(policy, location).await;
        let error = result.expect_err("an error");
        assert!(error.is_redirect(), "{error:?}");
        ended(&circuit, |t| t.ignored = 1);
    }
}

// A2: to reqwest that is a request that could not be built.
#[tokio::test]
async fn a_redirect_to_what_is_no_http_is_ignored() {
    let (circuit, result) = follow(Policy::default(), "ftp://localhost/").await;
    let error = result.expect_err("an error");
    assert!(error.is_builder(), "{error:?}");
    ended(&circuit, |t| t.ignored = 1);
}

// A1
#[tokio::test]
async fn a_redirect_that_is_handed_on_is_a_success() {
    let stopping = Policy::custom(|attempt| attempt.stop());
    for policy in [Policy::none(), stopping] {
        let (circuit, result) = follow(policy, "/").await;
        assert_eq!(result.expect("a redirect"), 302);
        ended(&circuit, |t| t.successful = 1);
    }
}

// A1: it is where a redirect leads to that counts.
#[tokio::test]
async fn a_redirect_that_is_followed_counts_as_what_it_comes_to() {
    let to_nobody = Port::reserve().uri().to_string();
    let (circuit, result) = follow(Policy::default(), &to_nobody).await;
    assert!(result.expect_err("an error").is_connect());
    failed(&circuit);

    for (code, outcome) in [(200, 's'), (404, 'i'), (500, 'f')] {
        let circuit = fragile(|c| c);
        let there = Turn::respond::<&str>(code, &[], "");
        let server = Misbehaving::start(vec![redirect_to("/there"), there]);
        let client = guard(&circuit, client());
        assert_eq!(status(&client, &server.uri()).await, code);
        ended(&circuit, |t| match outcome {
            's' => t.successful = 1,
            'i' => t.ignored = 1,
            _ => t.failed = 1,
        });
    }
}

// A1, A2: where the client is made to answer with errors, their status counts.
#[tokio::test]
async fn an_error_for_a_status_counts_as_that_status() {
    use tower_breaker::classify::HttpClassifier;
    let found = HttpClassifier::new().failures([StatusCode::GONE]);
    for (code, outcome) in [(404, 'i'), (429, 'i'), (410, 'f'), (500, 'f'), (503, 'f')] {
        let circuit = fragile(|c| c);
        let server = Misbehaving::start(vec![Turn::respond::<&str>(code, &[], "")]);
        let service = ServiceBuilder::new()
            .layer(layer(&circuit).classifier(found.clone()))
            .map_result(|result: Result<reqwest::Response, reqwest::Error>| {
                result?.error_for_status()
            })
            .service(client());
        let error = ask(&service, server.uri()).await.expect_err("an error");
        assert_eq!(error.status().map(|status| status.as_u16()), Some(code));
        ended(&circuit, |t| match outcome {
            'i' => t.ignored = 1,
            _ => t.failed = 1,
        });
    }
}

// ---- and what is none of these -----------------------------------------------------------------

// A4: who gives up early says nothing; with a slow call, that the dependency was slow.
#[tokio::test]
async fn a_caller_that_gives_up_has_abandoned_its_call() {
    for (waits, slow) in [(secs(1), false), (secs(1) + NANO, true)] {
        let circuit = fragile(|c| c.slow_call_duration(secs(1)));
        let server = Misbehaving::start(vec![Turn::slow_head()]);
        let call = start(&guard(&circuit, client()), &server.uri());
        server.until(|seen| seen.held == 1).await;
        circuit.wait(waits);
        call.abort();
        assert!(call.await.is_err_and(|error| error.is_cancelled()));
        ended(&circuit, |t| match slow {
            true => (t.failed, t.slow) = (1, 1),
            false => t.abandoned = 1,
        });
    }
}

// A1
#[tokio::test]
async fn a_closure_can_tell_errors_apart() {
    let circuit = Fixture::new(|c| c.consecutive_failures(100));
    let connecting = |result: Result<&reqwest::Response, &reqwest::Error>| match result {
        Err(error) if error.is_connect() => Outcome::TripFor(Duration::from_secs(20)),
        Err(_) => Outcome::Ignored,
        Ok(_) => Outcome::Success,
    };
    let service = ServiceBuilder::new()
        .layer(layer(&circuit).classify(connecting))
        .service(client());
    assert!(error(&service, "ftp://localhost/").await.is_builder());
    circuit.is(State::Closed);
    assert!(error(&service, Port::reserve().uri()).await.is_connect());
    assert_eq!(circuit.remaining(), secs(20));
}

// G1: a reference is a service, too.
#[tokio::test]
async fn a_reference_to_a_client_can_be_guarded() {
    use tower::Layer;
    let (circuit, client) = (fragile(|c| c), client());
    let service = layer(&circuit).layer(&client);
    let server = Misbehaving::start(vec![Turn::ok()]);
    let response = service.oneshot(get(server.uri())).await.expect("an answer");
    assert_eq!(response.text().await.expect("a body"), "ok");
    ended(&circuit, |t| t.successful = 1);
}

// A1: a body of the caller's that breaks is an error of the call like any other.
#[tokio::test]
async fn a_request_body_that_breaks_is_a_failure() {
    let reading = axum::routing::post(|body: axum::body::Bytes| async move { body });
    let server = serve(axum::Router::new().route("/", reading)).await;
    for settings in [settings(), settings().http2_prior_knowledge()] {
        let circuit = fragile(|c| c);
        let mut request = Request::new(Method::POST, url(&server));
        *request.body_mut() = Some(breaking());
        let result = send(&guard(&circuit, built(settings)), request).await;
        let error = result.expect_err("an error");
        assert!(error.is_request() && !error.is_body(), "{error:?}");
        failed(&circuit);
    }
}

fn breaking() -> reqwest::Body {
    let frames = stream::iter([
        Ok(Frame::data(Bytes::from("half"))),
        Err(io::Error::other("broken here")),
    ]);
    reqwest::Body::wrap(StreamBody::new(frames))
}
