//! What a rejection becomes: a response of reqwest's like any other, an error, or a fallback's answer.

use bytes::Bytes;
use reqwest::{Method, Request, Response, ResponseBuilderExt, StatusCode};
use tower::{BoxError, Layer, Service, ServiceBuilder, timeout::error::Elapsed};
use tower_breaker::{
    CircuitError, Reason, Rejected, State,
    classify::{ErrorsOnly, HttpClassifier, IgnoreRejections},
};

use super::{
    ask, built, client, ended, failed, get, guard, join, layer, observe, patiently, send, settings,
    start, status, url,
};
use crate::{
    misbehaving::{Misbehaving, Port, Turn},
    support::{Fixture, fragile, secs},
};

/// Nobody is asked there.
const WHERE: &str = "http://payments.invalid/pay?amount=5";

/// A circuit that has just opened for 5 seconds.
fn open() -> Fixture {
    let circuit = fragile(|c| c);
    circuit.play("f");
    circuit
}

async fn rejection<S>(service: &S) -> Response
where
    S: Service<Request, Response = Response, Error = reqwest::Error> + Clone,
{
    ask(service, WHERE).await.expect("a response")
}

fn mark(response: &Response) -> &Rejected {
    let mark = response.extensions().get::<Rejected>();
    mark.expect("a response made of a rejection")
}

// ---- a response --------------------------------------------------------------------------------

/// H1, H3: all that there is to see of a rejection.
async fn is_an_empty_503(response: Response) {
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.url().as_str(), WHERE);
    assert_eq!(response.headers()["retry-after"], "5");
    assert_eq!(response.headers().len(), 1);
    assert_eq!(response.remote_addr(), None);
    assert_eq!(response.content_length(), Some(0));
    assert_eq!(mark(&response).circuit(), "payments");
    assert_eq!(mark(&response).reason(), Reason::Open);
    assert_eq!(response.extensions().len(), 1);
    assert!(response.error_for_status_ref().is_err());
    let bytes = patiently(response.bytes()).await;
    assert!(bytes.expect("a body").is_empty());
}

// H1
#[tokio::test]
async fn by_default_it_is_an_empty_503_that_says_when_to_come_back() {
    is_an_empty_503(rejection(&guard(&open(), client())).await).await;
    is_an_empty_503(rejection(&observe(&open(), client())).await).await;
}

// H1
#[tokio::test]
async fn forced_open_it_does_not_say_when() {
    let circuit = fragile(|c| c);
    circuit.circuit.force_open();
    let response = rejection(&guard(&circuit, client())).await;
    assert_eq!(response.status(), 503);
    assert!(response.headers().is_empty());
    assert_eq!(mark(&response).reason(), Reason::ForcedOpen);
}

// H1: an error made of it names the place, as it would of any other 503.
#[tokio::test]
async fn error_for_status_makes_an_error_of_it() {
    let response = rejection(&guard(&open(), client())).await;
    let error = response.error_for_status().expect_err("a 503");
    assert_eq!(error.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(error.url(), Some(&url(WHERE)));
}

// G1
#[tokio::test]
async fn whoever_is_rejected_has_not_been_built() {
    // Not even a request that could not be sent.
    let response = ask(&guard(&open(), client()), "ftp://localhost/").await;
    assert_eq!(response.expect("a rejection").status(), 503);
}

// H2, H3
#[tokio::test]
async fn status_headers_and_body_are_the_users_to_replace() {
    let circuit = open();
    let own = layer(&circuit).reject_with(|rejected| {
        http::Response::builder()
            .status(599)
            .header("x-why", rejected.reason().to_string())
            .body(format!("{} is down", rejected.circuit()))
            .expect("a response")
    });
    let response = rejection(&own.layer(client())).await;
    assert_eq!(response.status(), 599);
    assert_eq!(response.headers()["x-why"], "open");
    // H1
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(response.url().as_str(), WHERE);
    assert_eq!(mark(&response).circuit(), "payments");
    let text = patiently(response.text()).await;
    assert_eq!(text.expect("a body"), "payments is down");
}

// H2
#[tokio::test]
async fn the_body_of_a_rejection_may_be_all_that_reqwest_makes_one_of() {
    let circuit = open();
    let text = layer(&circuit).reject_with(|_| http::Response::new("down"));
    let bytes = layer(&circuit).reject_with(|_| http::Response::new(Bytes::from("down")));
    let vec = layer(&circuit).reject_with(|_| http::Response::new(b"down".to_vec()));
    let body = layer(&circuit).reject_with(|_| http::Response::new(reqwest::Body::from("down")));
    for response in [
        rejection(&text.layer(client())).await,
        rejection(&bytes.layer(client())).await,
        rejection(&vec.observe_bodies().layer(client())).await,
        rejection(&body.observe_bodies().layer(client())).await,
    ] {
        assert_eq!(response.content_length(), Some(4));
        let text = patiently(response.text()).await;
        assert_eq!(text.expect("a body"), "down");
    }
}

// H2: who names another place has named it.
#[tokio::test]
async fn the_url_of_a_rejection_is_the_users_to_replace() {
    let circuit = open();
    let elsewhere = "http://status.invalid/";
    let own = layer(&circuit).reject_with(|_| {
        let response = http::Response::builder().url(url(elsewhere));
        response.body("down").expect("a response")
    });
    let response = rejection(&own.layer(client())).await;
    assert_eq!(response.url().as_str(), elsewhere);
    assert_eq!(response.extensions().len(), 1);
}

// H3
#[tokio::test]
async fn a_breaker_around_ignores_a_rejection() {
    for moved in [
        HttpClassifier::new(),
        HttpClassifier::new().failures([StatusCode::OK]),
    ] {
        let (inner, outer) = (open(), fragile(|c| c));
        let service = ServiceBuilder::new()
            .layer(layer(&outer).classifier(moved).observe_bodies())
            .layer(layer(&inner))
            .service(client());
        assert_eq!(rejection(&service).await.status(), 503);
        ended(&outer, |t| t.ignored = 1);
    }
}

// ---- an error ----------------------------------------------------------------------------------

// H2
#[tokio::test]
async fn a_rejection_as_an_error_is_told_from_those_of_the_client() {
    let circuit = fragile(|c| c);
    let service = layer(&circuit).reject_as_error().layer(client());
    let error = ask(&service, Port::reserve().uri()).await;
    match error.expect_err("an error") {
        CircuitError::Inner(error) => assert!(error.is_connect()),
        another => panic!("{another}"),
    }
    let error = ask(&service, WHERE).await.expect_err("a rejection");
    assert_eq!(error.rejected().map(Rejected::reason), Some(Reason::Open));
}

// H3
#[tokio::test]
async fn a_breaker_around_can_ignore_a_rejection_that_is_an_error_too() {
    let (inner, outer) = (open(), fragile(|c| c));
    let service = ServiceBuilder::new()
        .layer(
            layer(&outer)
                .classifier(IgnoreRejections(HttpClassifier::new()))
                .reject_as_error(),
        )
        .layer(layer(&inner).reject_as_error())
        .service(client());
    ask(&service, WHERE).await.expect_err("a rejection");
    ended(&outer, |t| t.ignored = 1);

    // And knows the caller's errors from the dependency's.
    inner.wait_out();
    ask(&service, "ftp://localhost/")
        .await
        .expect_err("an error");
    ended(&outer, |t| t.ignored = 2);
    ask(&service, Port::reserve().uri())
        .await
        .expect_err("an error");
    ended(&outer, |t| (t.ignored, t.failed) = (2, 1));
}

/// A breaker around a timeout around the client.
fn with_timeout(
    circuit: &Fixture,
) -> impl Service<Request, Response = Response, Error = BoxError, Future: Send> + Clone + Send + use<>
{
    ServiceBuilder::new()
        .layer(layer(circuit).reject_as_box_error())
        .timeout(secs(5))
        .service(client())
}

// A1, H3: where a timeout boxes the errors.
#[tokio::test]
async fn boxed_errors_count_as_what_is_in_the_box() {
    let circuit = fragile(|c| c);
    let service = with_timeout(&circuit);
    ask(&service, "ftp://localhost/")
        .await
        .expect_err("an error");
    ended(&circuit, |t| t.ignored = 1);
    let server = Misbehaving::start(vec![Turn::respond::<&str>(404, &[], ""), Turn::ok()]);
    assert_eq!(status(&service, &server.uri()).await, 404);
    assert_eq!(status(&service, &server.uri()).await, 200);
    ended(&circuit, |t| (t.ignored, t.successful) = (2, 1));

    let error = ask(&service, Port::reserve().uri()).await;
    let error = error.expect_err("an error");
    let error = error.downcast_ref::<reqwest::Error>();
    assert!(error.expect("the client's error").is_connect());
    circuit.is(State::Open);
    let error = ask(&service, WHERE).await.expect_err("a rejection");
    let rejected = Rejected::find(&*error).expect("a rejection");
    assert_eq!(rejected.circuit(), "payments");
}

// A1
#[tokio::test]
async fn a_timeout_inside_is_a_failure() {
    let circuit = fragile(|c| c);
    let server = Misbehaving::start(vec![Turn::slow_head()]);
    let call = start(&with_timeout(&circuit), &server.uri());
    server.until(|seen| seen.held == 1).await;
    tokio::time::pause();
    let error = join(call).await.expect_err("a timeout");
    assert!(error.is::<Elapsed>(), "{error:?}");
    failed(&circuit);
}

// H1: boxed errors or not, a rejection is a response.
#[tokio::test]
async fn with_a_timeout_inside_a_rejection_is_a_503_all_the_same() {
    let circuit = open();
    let service = ServiceBuilder::new()
        .layer(layer(&circuit))
        .timeout(secs(5))
        .service(client());
    is_an_empty_503(ask(&service, WHERE).await.expect("a response")).await;
}

// H3: as the default classifier sees it; there is no need of another.
#[tokio::test]
async fn a_boxed_rejection_is_ignored_further_out() {
    let (inner, outer) = (open(), fragile(|c| c));
    let service = ServiceBuilder::new()
        .layer(layer(&outer).reject_as_box_error())
        .layer(layer(&inner).reject_as_box_error())
        .service(client());
    let error = ask(&service, WHERE).await.expect_err("a rejection");
    assert!(Rejected::find(&*error).is_some());
    ended(&outer, |t| t.ignored = 1);
}

// A1, H3: in a box there may be another one.
#[tokio::test]
async fn an_error_in_an_error_counts_as_what_it_is() {
    let (inner, outer) = (
        Fixture::new(|c| c.consecutive_failures(100)),
        fragile(|c| c),
    );
    let service = ServiceBuilder::new()
        .layer(layer(&outer).reject_as_box_error())
        .timeout(secs(60))
        .layer(layer(&inner).reject_as_error())
        .service(client());
    ask(&service, "ftp://localhost/")
        .await
        .expect_err("an error");
    ended(&inner, |t| t.ignored = 1);
    ended(&outer, |t| t.ignored = 1);
    inner.circuit.force_open();
    ask(&service, WHERE).await.expect_err("a rejection");
    ended(&outer, |t| t.ignored = 2);
    inner.circuit.release();
    ask(&service, Port::reserve().uri())
        .await
        .expect_err("an error");
    ended(&outer, |t| (t.ignored, t.failed) = (2, 1));
}

// H3: a circuit in the client, around its connections, is a circuit further in.
#[tokio::test]
async fn a_connection_that_was_rejected_is_ignored_further_out() {
    let (inner, outer) = (open(), fragile(|c| c));
    let around_connections = layer(&inner).classifier(ErrorsOnly).reject_as_box_error();
    let client = built(settings().connector_layer(around_connections));
    let error = ask(&guard(&outer, client), "http://127.0.0.1:1/").await;
    let error = error.expect_err("an error");
    assert!(error.is_connect(), "{error:?}");
    assert!(Rejected::find(&error).is_some(), "{error:?}");
    ended(&outer, |t| t.ignored = 1);
}

// ---- a fallback --------------------------------------------------------------------------------

// H2
#[tokio::test]
async fn a_fallback_answers_the_untouched_request() {
    let circuit = open();
    let service = layer(&circuit)
        .fallback(|rejected: Rejected, request: Request| async move {
            let answer = format!(
                "{} {} {}",
                rejected.circuit(),
                request.method(),
                request.url()
            );
            Ok(Response::from(http::Response::new(answer)))
        })
        .layer(client());
    let response = send(&service, Request::new(Method::PUT, url(WHERE))).await;
    let response = response.expect("an answer");
    assert_eq!(response.extensions().get::<Rejected>(), None);
    let text = patiently(response.text()).await.expect("a body");
    assert_eq!(text, format!("payments PUT {WHERE}"));
}

// H2: such as the client of another place.
#[tokio::test]
async fn a_fallback_may_ask_somebody_else() {
    let circuit = open();
    let spare = Misbehaving::start(vec![Turn::ok()]);
    let spare_uri = spare.uri();
    let service = layer(&circuit)
        .fallback(move |_: Rejected, _: Request| client().execute(get(&spare_uri)))
        .layer(client());
    let response = ask(&service, WHERE).await.expect("an answer");
    assert_eq!(response.url(), &url(spare.uri()));
    ended(&circuit, |t| {
        (t.failed, t.rejected, t.rejected_by.open) = (1, 1, 1);
    });
}
