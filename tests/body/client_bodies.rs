//! The bodies that an inner service gets where a slow client is not to be a slow dependency (rule A3). No socket is
//! needed for that.

use std::{
    convert::Infallible,
    future::{Ready, pending, ready},
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Empty;
use tower::{Layer, Service, limit::ConcurrencyLimitLayer, service_fn};
use tower_breaker::{CircuitBreakerLayer, body::ClientBody};

use crate::{
    stage::{Says, Scripted, body, poll, read_to_end, watchful},
    support::{Fixture, NANO, SLOW},
};

type Upload = Request<ClientBody<Scripted>>;
type Answer = Result<Response<Empty<Bytes>>, Infallible>;

/// One upload to a handler that does this with its body.
fn upload(fixture: &Fixture, upload: Scripted, handle: impl Fn(ClientBody<Scripted>)) {
    let layer = CircuitBreakerLayer::new(fixture.circuit.clone());
    let layer = layer.observe_request_bodies(|body| body);
    let handler = service_fn(|request: Upload| -> Ready<Answer> {
        handle(request.into_body());
        ready(Ok(Response::default()))
    });
    let answered = layer.layer(handler).oneshot(Request::new(upload));
    answered.now_or_never().expect("an answer").unwrap();
}

// A3
#[test]
fn a_clients_body_tells_what_the_body_that_came_does() {
    for script in ["", "3", "33p3", "3pt", "3e"] {
        for says in [Says::Nothing, Says::Truth] {
            let came = || body(script).says(says).hint(7);
            upload(&watchful(), came(), |mut told| {
                let mut came = came();
                for _ in 0..=script.len() {
                    assert_eq!(told.is_end_stream(), came.is_end_stream(), "{script}");
                    assert_eq!(told.size_hint().exact(), Some(7), "{script}");
                    assert_eq!(poll(&mut told), poll(&mut came), "{script}");
                }
            });
        }
    }
}

// A3: to the nanosecond.
#[test]
fn who_has_dropped_a_body_waits_for_its_client_no_longer() {
    let slow = |handle: &dyn Fn(&Fixture, ClientBody<Scripted>)| {
        let fixture = watchful();
        upload(&fixture, body("pp3"), |body| handle(&fixture, body));
        fixture.totals().slow
    };
    let waits = |fixture: &Fixture, body: &mut ClientBody<Scripted>| {
        assert_eq!(poll(body), 'p');
        fixture.wait(SLOW + NANO);
    };
    let keeps = slow(&|fixture, mut body| waits(fixture, &mut body));
    assert_eq!(keeps, 0, "all of that was the client's");
    let drops = slow(&|fixture, mut body| {
        waits(fixture, &mut body);
        drop(body);
        fixture.wait(SLOW + NANO);
    });
    assert_eq!(drops, 1);
    let reads = slow(&|fixture, mut body| {
        waits(fixture, &mut body);
        read_to_end(&mut body);
        fixture.wait(SLOW);
    });
    assert_eq!(reads, 0);
}

// G1
#[test]
fn a_service_with_request_bodies_is_ready_when_its_inner_service_is() {
    let layer = CircuitBreakerLayer::new(watchful().circuit);
    let layer = layer.observe_request_bodies(|body| body);
    let hangs = service_fn(|_: Upload| pending::<Answer>());
    let mut service = layer.layer(ConcurrencyLimitLayer::new(1).layer(hangs));
    let ready = service.ready().now_or_never().expect("ready").unwrap();
    let call = ready.call(Request::new(body("")));
    assert!(service.ready().now_or_never().is_none());
    drop(call);
    assert!(service.ready().now_or_never().is_some());
}
