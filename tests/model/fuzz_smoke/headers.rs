//! Any header of a peer, from bytes: what is read of it is within its limits, and nothing panics (rules A7,
//! H4).

use std::{convert::Infallible, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use tower_breaker::{
    Outcome,
    body::{BodyEnd, ClassifyEos},
    classify::{Classify, HttpClassifier},
    grpc::GrpcClassifier,
    retry_after::RetryAfter,
};

use super::bytes::Bytes;

const MINIMUM: Duration = Duration::from_secs(2);
const MAXIMUM: Duration = Duration::from_secs(600);

/// What is put together of these is more often almost right than what is put together of anything.
const PIECES: [&str; 27] = [
    "application/grpc",
    "+proto",
    "text/html",
    "0",
    "1",
    "2",
    "5",
    "13",
    "14",
    "16",
    "17",
    "120",
    "86400",
    "86401",
    "99999999999999999999",
    "-",
    "+",
    " ",
    ",",
    ".",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:50:37 1994",
    "Sun, 06 Nov 1994 08:51:37 GMT",
    "Mon, 31 Dec 9999 23:59:60 GMT",
    "é",
    "GMT",
];

/// Names what was read.
pub(crate) fn drive(data: &[u8]) -> Vec<&'static str> {
    let mut bytes = Bytes::new(data);
    // One byte, so that the usual ones are usual.
    let status = 100 + 50 * u16::from(bytes.byte() % 10);
    let status = StatusCode::from_u16(status).expect("of three digits");
    let headers = headers(&mut bytes);
    let honoured = RetryAfter::between(MINIMUM, MAXIMUM).expect("valid");
    let asked = check_wait(honoured.read(&headers));
    let pushed = check_wait(honoured.read_pushback(&headers));
    check_http(status, &headers, honoured, asked);
    check_grpc(status, &headers, honoured, pushed.or(asked));
    let mut told = vec!["read"];
    told.extend(asked.map(|_| "honoured"));
    told.extend(pushed.map(|_| "pushed back"));
    told.extend(headers.get("grpc-status").map(|_| "a code"));
    told
}

fn headers(bytes: &mut Bytes<'_>) -> HeaderMap {
    const NAMES: [&str; 6] = [
        "content-type",
        "retry-after",
        "date",
        "grpc-status",
        "grpc-retry-pushback-ms",
        "content-length",
    ];
    let mut headers = HeaderMap::new();
    while bytes.are_left() {
        let name = HeaderName::from_static(bytes.pick(&NAMES));
        if let Ok(value) = HeaderValue::from_bytes(&value(bytes)) {
            headers.append(name, value);
        }
    }
    headers
}

fn value(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let pieces = bytes.between(1, 3);
    let mut value = Vec::new();
    for _ in 0..pieces {
        match bytes.flag() {
            false => value.extend(bytes.pick(&PIECES).as_bytes()),
            true => value.push(bytes.byte()),
        }
    }
    value
}

fn check_wait(wait: Option<Duration>) -> Option<Duration> {
    assert!(
        wait.is_none_or(|wait| (MINIMUM..=MAXIMUM).contains(&wait)),
        "{wait:?}"
    );
    wait
}

fn response(status: StatusCode, headers: &HeaderMap) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = headers.clone();
    response
}

fn check_http(
    status: StatusCode,
    headers: &HeaderMap,
    honoured: RetryAfter,
    asked: Option<Duration>,
) {
    let classifier = HttpClassifier::new().retry_after(honoured);
    let outcome = classifier.classify(Ok::<_, &Infallible>(&response(status, headers)));
    let expected = match status.as_u16() {
        500.. => asked.map_or(Outcome::Failure, Outcome::FailureRetryAfter),
        408 | 425 | 429 => Outcome::Ignored,
        400..500 => Outcome::Answered,
        // A code in the head: as over gRPC, which has a check of its own.
        _ if cfg!(feature = "grpc") && headers.contains_key("grpc-status") => return,
        _ => Outcome::Success,
    };
    assert_eq!(outcome, expected, "{status} {headers:?}");
}

/// What says nothing of its type may be gRPC, too.
fn may_be_grpc(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get("content-type") else {
        return true;
    };
    let value = value.as_bytes().to_ascii_lowercase();
    value.starts_with(b"application/grpc")
}

fn check_grpc(
    status: StatusCode,
    headers: &HeaderMap,
    honoured: RetryAfter,
    asked: Option<Duration>,
) {
    let classifier = GrpcClassifier::new().retry_after(honoured);
    let failure = asked.map_or(Outcome::Failure, Outcome::FailureRetryAfter);
    let of_code = |code: &HeaderValue| match code.as_bytes() {
        b"0" => Outcome::Success,
        b"8" | b"10" => Outcome::Ignored,
        b"3" | b"5" | b"6" | b"7" | b"9" | b"11" | b"12" | b"16" => Outcome::Answered,
        _ => failure,
    };
    let of_status = || match status.as_u16() {
        200 if may_be_grpc(headers) => Outcome::RequiresEos,
        401 | 403 | 404 => Outcome::Answered,
        _ => failure,
    };
    let code = headers.get("grpc-status");
    let head = classifier.classify(Ok::<_, &Infallible>(&response(status, headers)));
    assert_eq!(
        head,
        code.map_or_else(of_status, of_code),
        "{status} {headers:?}"
    );
    let end = classifier.classify_eos(BodyEnd::<'_, Infallible>::Trailers(headers));
    assert_eq!(end, code.map_or(failure, of_code), "{headers:?}");
}
