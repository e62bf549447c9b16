//! Which key a request has (rule J1).

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

mod authority;
#[cfg(feature = "axum")]
mod routes;

use std::fmt::Display;

use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Request, Response};
use tower::{Layer, service_fn};
use tower_breaker::{
    Circuit, CircuitBreakerLayer,
    keyed::{Key, Scratch, by},
    registry::Registry,
};

use crate::calling::{self, by_key, call, obey, own_circuit};

/// The key of a request, by itself.
fn key<R>(key: &impl Key<R>, request: &R) -> Option<String> {
    let mut scratch = Scratch::default();
    key.of(request, &mut scratch).map(str::to_owned)
}

fn with_headers(name: &'static str, values: &[&[u8]]) -> Request<()> {
    let mut request = Request::new(());
    for value in values {
        let value = HeaderValue::from_bytes(value).unwrap();
        request
            .headers_mut()
            .append(HeaderName::from_static(name), value);
    }
    request
}

fn with_path(path: impl Display) -> Request<()> {
    Request::get(path.to_string()).body(()).unwrap()
}

// ---- a header ----------------------------------------------------------------------------------

// J1
#[test]
fn a_header_is_the_key_as_it_is_or_there_is_none() {
    let table: [(&[&[u8]], Option<&str>); 11] = [
        (&[b"acme"], Some("acme")),
        // Nothing is made of it: whoever calls names its tenants as it likes.
        (&[b"ACME"], Some("ACME")),
        (&[b"a b:c/d,e"], Some("a b:c/d,e")),
        (&[b"acme."], Some("acme.")),
        (&[], None),
        // Of two, either could be meant.
        (&[b"acme", b"globex"], None),
        (&[b"acme", b"acme"], None),
        (&[b""], Some("")),
        (&["caf\u{e9}".as_bytes()], None),
        (b"\xff\xfe".chunks(2).collect::<Vec<_>>().leak(), None),
        (&[b"\x80"], None),
    ];
    let tenant = by::header(HeaderName::from_static("x-tenant"));
    for (values, expected) in table {
        let request = with_headers("x-tenant", values);
        assert_eq!(key(&tenant, &request).as_deref(), expected, "{values:?}");
        let other = with_headers("x-other", values);
        assert_eq!(key(&tenant, &other), None, "{values:?}");
    }
}

// J1
#[cfg(feature = "reqwest")]
#[test]
fn a_header_is_the_key_of_a_request_of_reqwest_as_well() {
    let url: reqwest::Url = "http://localhost/".parse().unwrap();
    let mut request = reqwest::Request::new(reqwest::Method::GET, url);
    let tenant = by::header(HeaderName::from_static("x-tenant"));
    assert_eq!(key(&tenant, &request), None);
    let headers = request.headers_mut();
    headers.append("x-tenant", HeaderValue::from_static("acme"));
    assert_eq!(key(&tenant, &request).as_deref(), Some("acme"));
    let headers = request.headers_mut();
    headers.append("x-tenant", HeaderValue::from_static("globex"));
    assert_eq!(key(&tenant, &request), None);
}

// ---- gRPC --------------------------------------------------------------------------------------

// J1
#[test]
fn the_service_and_the_method_of_a_grpc_call_are_its_path() {
    let table = [
        ("/a.B/C", Some(("a.B", "a.B/C"))),
        (
            "/helloworld.Greeter/SayHello",
            Some(("helloworld.Greeter", "helloworld.Greeter/SayHello")),
        ),
        ("http://localhost:50051/a.B/C", Some(("a.B", "a.B/C"))),
        // What is no part of the path is no part of the key.
        ("/a.B/C?d=/E", Some(("a.B", "a.B/C"))),
        // Names are different where their letters are.
        ("/A.b/c", Some(("A.b", "A.b/c"))),
        ("/", None),
        ("/a.B", None),
        ("/a.B/", None),
        ("//C", None),
        ("//", None),
        ("/a.B/C/", None),
        ("/a.B/C/D", None),
        ("/a.B//C", None),
        ("*", None),
        ("http://localhost:50051", None),
        // As CONNECT has it.
        ("localhost:50051", None),
    ];
    for (path, expected) in table {
        let request = with_path(path);
        let service = key(&by::grpc_service(), &request);
        let method = key(&by::grpc_method(), &request);
        let found = service.as_deref().zip(method.as_deref());
        assert_eq!(found, expected, "{path}");
    }
}

// ---- a closure ---------------------------------------------------------------------------------

fn first_segment(request: &Request<()>) -> Option<&str> {
    let segment = request.uri().path().split('/').nth(1)?;
    (!segment.is_empty()).then_some(segment)
}

// J1
#[test]
fn the_key_of_a_closure_is_what_it_finds() {
    let found = by::closure(first_segment);
    assert_eq!(key(&found, &with_path("/a/b")).as_deref(), Some("a"));
    assert_eq!(key(&found, &with_path("/")), None);
}

// J1: of any request, whatever it is.
#[test]
fn a_closure_takes_requests_that_are_not_of_http() {
    let shard = by::closure(|shard: &&'static str| Some(*shard));
    assert_eq!(key(&shard, &"7").as_deref(), Some("7"));
    let number = by::composed(|number: &u64, name| name.write(number % 4));
    assert_eq!(key(&number, &11).as_deref(), Some("3"));
}

// J1
#[test]
fn the_key_of_a_closure_that_composes_is_what_it_writes_last() {
    let composed = by::composed(|request: &Request<()>, name| {
        let first = name.write(format_args!("{} and more", request.method()))?;
        assert_eq!(first, "GET and more");
        name.write(format_args!(
            "{} {}",
            request.method(),
            request.uri().path()
        ))
    });
    assert_eq!(key(&composed, &with_path("/a")).as_deref(), Some("GET /a"));
    let none = by::composed(|_: &Request<()>, name| {
        name.write("written, and not meant");
        None
    });
    assert_eq!(key(&none, &with_path("/a")), None);
    // What is found may go together with what is written.
    let either = by::composed(|request: &'_ Request<()>, name: &mut Scratch| {
        first_segment(request).or(name.write("root"))
    });
    assert_eq!(key(&either, &with_path("/a/b")).as_deref(), Some("a"));
    assert_eq!(key(&either, &with_path("/")).as_deref(), Some("root"));
}

/// It fails to say what it is.
struct Unsayable;

impl Display for Unsayable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("half a na")?;
        Err(std::fmt::Error)
    }
}

// J1
#[test]
fn what_is_written_has_256_bytes_at_most() {
    let mut scratch = Scratch::default();
    let longest = "x".repeat(256);
    assert_eq!(scratch.write(&longest), Some(&*longest));
    assert_eq!(scratch.write(""), Some(""), "not what was there before");
    assert_eq!(scratch.write(&longest[1..]), Some(&longest[1..]));
    assert_eq!(scratch.write(format_args!("{longest}y")), None);
    assert_eq!(scratch.write(format_args!("y{longest}")), None);
    // Bytes, not characters: and never half of one.
    let wide = "\u{20ac}".repeat(85);
    assert_eq!(
        scratch.write(format_args!("{wide}z")),
        Some(&*format!("{wide}z"))
    );
    assert_eq!(scratch.write(format_args!("{wide}\u{20ac}")), None);
    assert_eq!(scratch.write(Unsayable), None);
    assert_eq!(scratch.write("a"), Some("a"), "after what did not fit");
}

// ---- how long a key may be ---------------------------------------------------------------------

/// How many circuits there are after a call with this request.
fn circuits_made<R>(key: impl Key<R>, request: R) -> usize {
    let registry = Registry::builder().build().unwrap();
    let answer = async |_: R| Ok::<_, std::convert::Infallible>(Response::new(()));
    let service = registry.layer_by(key).layer(service_fn(answer));
    service.oneshot(request).now_or_never().unwrap().unwrap();
    registry.len()
}

// J1: whatever the key is, it has 256 bytes at most, or whoever sends it chooses how much is kept.
#[test]
fn a_request_with_a_longer_key_has_none() {
    for (length, made) in [(256, 1), (257, 0), (60_000, 0)] {
        let name = "x".repeat(length);
        let tenant = by::header(HeaderName::from_static("x-tenant"));
        let of_header = circuits_made(tenant, with_headers("x-tenant", &[name.as_bytes()]));
        assert_eq!(of_header, made, "a header of {length} bytes");

        let path = format!("/{}/C", &name[2..]);
        let of_method = circuits_made(by::grpc_method(), with_path(&path));
        assert_eq!(of_method, made, "a method of {length} bytes");
        let of_service = circuits_made(by::grpc_service(), with_path(format!("/{name}/C")));
        assert_eq!(of_service, made, "a service of {length} bytes");

        let of_closure = circuits_made(by::closure(|name: &String| Some(name)), name.clone());
        assert_eq!(of_closure, made, "a closure's key of {length} bytes");

        let host = with_headers("host", &[name.as_bytes()]);
        assert_eq!(
            circuits_made(by::authority(), host),
            made,
            "a host of {length} bytes"
        );
    }
}

// J1: it is no key without room, for which the layer may have another circuit.
#[test]
fn a_request_with_a_longer_key_goes_through_the_layers_own_circuit() {
    let overflow = Circuit::builder("overflow").build().unwrap();
    let layer = calling::registry(1).layer_by(calling::by_key());
    let layer = layer.overflow_to(overflow.clone());
    let mut service = layer.layer(service_fn(calling::obey));
    assert_eq!(calling::call(&mut service, &"x".repeat(257), 200), 200);
    assert_eq!(layer.circuit().snapshot().totals.unwrap().successful, 1);
    assert_eq!(overflow.snapshot().totals.unwrap().successful, 0);
}

// J5, J6: nor does it get one in another way.
#[test]
fn a_longer_name_gets_no_circuit_by_a_failure_or_from_a_response() {
    for (length, made) in [(256, 1), (257, 0)] {
        let name = "x".repeat(length);
        let registry = calling::registry(1);
        let layer = registry.layer_by(by_key()).create_on_first_failure();
        let mut service = layer.layer(service_fn(obey));
        assert_eq!(call(&mut service, &name, 500), 500);
        assert_eq!(registry.len(), made, "a failure of {length} bytes");

        let registry = calling::registry(1);
        let named: &str = name.clone().leak();
        let layer = CircuitBreakerLayer::new(own_circuit())
            .key_from_response(&registry, move |_: &Response<()>| Some(named));
        let mut service = layer.layer(service_fn(obey));
        assert_eq!(call(&mut service, "", 500), 500);
        assert_eq!(registry.len(), made, "a response of {length} bytes");
    }
}
