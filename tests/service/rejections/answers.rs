//! What `reject_with` takes, and what it makes of it: rules H1 and H2.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use tower_breaker::reject::{IntoAnswer, WithoutRetryAfter};

use super::*;

/// What becomes of what `respond` returns, in a circuit that is open for ten seconds.
fn answered<A>(respond: impl Fn(&Rejected) -> A) -> Response<Full<Bytes>>
where
    A: IntoAnswer<Response<Full<Bytes>>>,
{
    let inner = service_fn(|(): ()| ready(Ok::<_, Infallible>(Response::new(Full::default()))));
    let layer = CircuitBreakerLayer::new(open()).reject_with(respond);
    let Ok(response) = answer(layer.layer(inner), ());
    assert!(is_rejection(&response));
    response
}

fn seen(response: Response<Full<Bytes>>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = response.into_body().collect().now_or_never();
    let Ok(body) = body.expect("at once");
    let text = String::from_utf8(body.to_bytes().into());
    (status, text.expect("text"))
}

// H2
#[test]
fn of_a_text_a_status_or_both_it_makes_a_response() {
    let says = |status, text: &str| (status, text.to_owned());
    assert_eq!(seen(answered(|_| "down")), says(503, "down"));
    let string = answered(|rejected| rejected.circuit().to_owned());
    assert_eq!(seen(string), says(503, "inventory"));
    let status = answered(|_| StatusCode::BAD_GATEWAY);
    assert_eq!(seen(status), says(502, ""));
    let both = answered(|_| (StatusCode::TOO_MANY_REQUESTS, "later".to_owned()));
    assert_eq!(seen(both), says(429, "later"));
    let bytes = answered(|_| (StatusCode::OK, Bytes::from("old")));
    assert_eq!(seen(bytes), says(200, "old"));
    let whole = answered(|_| Response::new(Full::from("whole")));
    assert_eq!(seen(whole), says(200, "whole"));
}

// H2: as axum has it. Without one a browser guesses, and takes what a user typed for HTML.
#[test]
fn a_text_is_plain_text_and_nothing_else_is() {
    fn of(response: &Response<Full<Bytes>>) -> Option<&str> {
        let kind = response.headers().get("content-type")?;
        Some(kind.to_str().expect("text"))
    }
    let later = StatusCode::TOO_MANY_REQUESTS;
    let texts = [
        answered(|_| "down"),
        answered(|_| "down".to_owned()),
        answered(move |_| (later, "later")),
        answered(move |_| (later, "later".to_owned())),
        answered(|_| WithoutRetryAfter("down")),
    ];
    for text in texts {
        assert_eq!(of(&text), Some("text/plain; charset=utf-8"));
    }
    let others = [
        answered(move |_| later),
        answered(move |_| (later, Bytes::from("later"))),
        answered(|_| Response::new(Full::from("whole"))),
    ];
    for other in others {
        assert_eq!(of(&other), None);
    }
}

// H2: as axum's handlers have it, and nothing has to be said about types.
#[test]
fn a_body_is_inferred_from_the_service() {
    let inner = service_fn(|(): ()| ready(Ok::<_, Infallible>(Response::new(String::new()))));
    let layer = CircuitBreakerLayer::new(open()).reject_with(|_| Response::new("sorry".into()));
    let Ok(response) = answer(layer.layer(inner), ());
    assert_eq!(response.body(), "sorry");
}

// H1, H2: of any answer that says that something is wrong.
#[test]
fn it_keeps_retry_after_unless_told_otherwise() {
    let of = |response: &Response<Full<Bytes>>| retry_after(response).map(str::to_owned);
    let ten = Some("10".to_owned());
    assert_eq!(of(&answered(|_| "down")), ten);
    assert_eq!(of(&answered(|_| StatusCode::TOO_MANY_REQUESTS)), ten);
    // A redirect with it would say how long to wait before following it.
    assert_eq!(of(&answered(|_| StatusCode::SEE_OTHER)), None);
    assert_eq!(of(&answered(|_| StatusCode::OK)), None);

    let own = answered(|_| {
        let response = Response::builder().status(503).header("retry-after", "7");
        response.body(Full::default()).expect("a response")
    });
    assert_eq!(own.headers().get_all("retry-after").iter().count(), 1);
    assert_eq!(of(&own), Some("7".to_owned()));

    assert_eq!(of(&answered(|_| WithoutRetryAfter("down"))), None);
}
