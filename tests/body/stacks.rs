//! What observed bodies can be put together with: bodies that are `!Send`, another breaker,
//! a circuit per service, errors and fallbacks for rejections.

use std::{convert::Infallible, future::ready, rc::Rc};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_breaker::{CircuitBreakerLayer, CircuitError, State, body::BodyEnd};

use crate::{
    stage::{Broken, NOW, Scripted, answer, body, read_to_end},
    support::{Fixture, fragile},
};

/// A service that answers with this body.
fn with_body<B: Clone>(
    body: B,
) -> impl Service<
    Request<()>,
    Response = Response<B>,
    Error = Infallible,
    Future = std::future::Ready<Result<Response<B>, Infallible>>,
> + Clone {
    service_fn(move |_: Request<()>| ready(Ok(answer(NOW, body.clone()))))
}

fn get<S: Service<Request<()>>>(service: S) -> Result<S::Response, S::Error> {
    let asked = service.oneshot(Request::new(()));
    asked.now_or_never().expect("an answer")
}

/// A body that stays on its thread.
#[derive(Clone, Default)]
struct Local {
    scripted: Scripted,
    _not_send: Rc<()>,
}

impl http_body::Body for Local {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Broken>>> {
        std::pin::Pin::new(&mut self.scripted).poll_frame(context)
    }
}

// G6
#[test]
fn bodies_and_judges_need_not_be_send() {
    let fixture = Fixture::new(|c| c);
    let asked = Rc::new(std::cell::Cell::new(0));
    let count = asked.clone();
    let layer = CircuitBreakerLayer::new(fixture.circuit.clone()).observe_bodies_with(
        tower_breaker::body::ObserveBodies::new().classify_eos(move |_: BodyEnd<'_, Broken>| {
            count.set(count.get() + 1);
            tower_breaker::Outcome::Failure
        }),
    );
    let local = Local {
        scripted: body("3e"),
        ..Local::default()
    };
    let mut observed = get(layer.layer(with_body(local))).unwrap().into_body();
    read_to_end(&mut observed);
    assert_eq!((fixture.totals().failed, asked.get()), (1, 1));
}

// G6: and what can be sent can be sent.
#[test]
fn observed_bodies_are_what_their_bodies_are() {
    fn is_body<B: http_body::Body + Send + Sync + Unpin + 'static>(_: &B) {}
    let layer = CircuitBreakerLayer::new(Fixture::new(|c| c).circuit).observe_bodies();
    is_body(get(layer.layer(with_body(body("3")))).unwrap().body());
}

// H3: each of two breakers observes; what the inner one rejects, the outer one ignores.
#[test]
fn two_breakers_observe_the_same_body() {
    let (inner, outer) = (fragile(|c| c), fragile(|c| c.consecutive_failures(2)));
    let stack = |script| {
        ServiceBuilder::new()
            .layer(CircuitBreakerLayer::new(outer.circuit.clone()).observe_bodies())
            .layer(CircuitBreakerLayer::new(inner.circuit.clone()).observe_bodies())
            .service(with_body(body(script)))
    };
    read_to_end(get(stack("33")).unwrap().body_mut());
    drop(get(stack("3")));
    read_to_end(get(stack("3e")).unwrap().body_mut());
    for fixture in [&inner, &outer] {
        let totals = fixture.totals();
        let ended = (totals.successful, totals.failed, totals.abandoned);
        assert_eq!(ended, (1, 1, 1));
    }
    inner.is(State::Open);
    outer.is(State::Closed);

    let refused = get(stack("3")).unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((inner.totals().rejected, outer.totals().ignored), (1, 1));
    outer.circuit.force_open();
    assert_eq!(
        get(stack("3")).unwrap().status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!((inner.totals().rejected, outer.totals().rejected), (1, 1));
}

// H5: one observes, the other does not.
#[test]
fn an_observed_body_passes_through_a_breaker_that_does_not_observe() {
    let (inner, outer) = (fragile(|c| c), fragile(|c| c));
    let service = ServiceBuilder::new()
        .layer(CircuitBreakerLayer::new(outer.circuit.clone()))
        .layer(CircuitBreakerLayer::new(inner.circuit.clone()).observe_bodies())
        .service(with_body(body("3e")));
    read_to_end(get(service).unwrap().body_mut());
    assert_eq!((inner.totals().failed, outer.totals().successful), (1, 1));
}

// H2: whichever way rejections are answered.
#[test]
fn every_kind_of_rejection_goes_with_observed_bodies() {
    let fixture = fragile(|c| c);
    fixture.play("f");
    let layer = || CircuitBreakerLayer::new(fixture.circuit.clone()).observe_bodies();
    let service = with_body(Full::new(Bytes::from("whole")));

    let own = layer().reject_with(|_| Response::new(Full::new(Bytes::from("own"))));
    let answered = get(own.layer(service.clone())).unwrap().into_body();
    assert_eq!(text(answered), "own");

    let fallback = layer().fallback(|_, _: Request<()>| {
        ready(Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(
            "fallback",
        )))))
    });
    let answered = get(fallback.layer(service.clone())).unwrap().into_body();
    assert_eq!(text(answered), "fallback");

    let as_error = layer().reject_as_error();
    let error = get(as_error.layer(service.clone())).unwrap_err();
    assert!(matches!(error, CircuitError::Rejected(_)));
    let boxed = layer().reject_as_box_error();
    assert!(get(boxed.layer(service)).is_err());
    assert_eq!(fixture.totals().rejected, 4);
}

fn text(observed: impl http_body::Body<Data = Bytes, Error = Infallible>) -> String {
    let collected = observed.collect().now_or_never().expect("all of it");
    String::from_utf8(collected.unwrap().to_bytes().to_vec()).unwrap()
}

// A1: an error instead of a head is recorded at once.
#[test]
fn an_error_instead_of_a_head_is_a_failure() {
    let fixture = fragile(|c| c);
    let layer = CircuitBreakerLayer::new(fixture.circuit.clone()).observe_bodies();
    let failing = service_fn(|_: Request<()>| ready(Err::<Response<Scripted>, _>(Broken)));
    assert_eq!(get(layer.layer(failing)).unwrap_err(), Broken);
    assert_eq!(fixture.totals().failed, 1);
}

// A4: before its head, a call is abandoned as ever, slow if it was.
#[test]
fn a_call_dropped_before_its_head_is_abandoned_as_without() {
    use crate::support::{NANO, SLOW};
    for (time, totals) in [(SLOW, (1, 0, 0)), (SLOW + NANO, (0, 1, 1))] {
        let fixture = Fixture::new(|c| c.slow_call_duration(SLOW));
        let layer = CircuitBreakerLayer::new(fixture.circuit.clone()).observe_bodies();
        let never = service_fn(|_: Request<()>| {
            std::future::pending::<Result<Response<Scripted>, Broken>>()
        });
        let mut asked = Box::pin(layer.layer(never).oneshot(Request::new(())));
        assert!((&mut asked).now_or_never().is_none());
        fixture.wait(time);
        drop(asked);
        let ended = fixture.totals();
        assert_eq!((ended.abandoned, ended.failed, ended.slow), totals);
    }
}

// A judge may look at an end more than once.
#[test]
fn a_body_end_can_be_copied_whatever_its_error() {
    let end: BodyEnd<'_, Broken> = BodyEnd::Error(&Broken);
    let (one, other) = (end, end);
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
}
