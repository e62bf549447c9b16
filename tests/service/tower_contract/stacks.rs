//! Beside other middleware: what one layer's services share (rule G4), and the usual neighbours.

use std::{
    convert::Infallible,
    fmt,
    future::{Ready, pending, ready},
    time::Duration,
};

use futures_util::FutureExt;
use http::{Response, StatusCode};
use tokio_test::{assert_pending, assert_ready_ok};
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt,
    buffer::Buffer,
    limit::ConcurrencyLimitLayer,
    service_fn,
    steer::Steer,
    util::{BoxCloneService, BoxCloneSyncService, BoxService, Either},
};
use tower_breaker::{
    Circuit, CircuitBreakerLayer, Rejected, State, classify::ErrorsOnly, clock::ManualClock,
};
use tower_test::mock::{self, Spawn};

use super::{BREAK, BoxError, circuit, layer, rejection};

fn closed() -> Circuit {
    circuit(&ManualClock::new(), |builder| builder)
}

fn forced_open() -> Circuit {
    let circuit = closed();
    circuit.force_open();
    circuit
}

type Answer = Ready<Result<Response<String>, Infallible>>;

/// Answers with the status it is asked for.
fn statuses()
-> impl Service<StatusCode, Response = Response<String>, Error = Infallible, Future = Answer>
+ Clone
+ Send
+ Sync
+ 'static {
    service_fn(|status| {
        let mut response = Response::new(String::new());
        *response.status_mut() = status;
        ready(Ok(response))
    })
}

const FAIL: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;

fn status_of<S, B>(service: &mut S, request: StatusCode) -> StatusCode
where
    S: Service<StatusCode, Response = Response<B>>,
    S::Error: std::fmt::Debug,
{
    let ready = service.ready().now_or_never().expect("ready at once");
    let answer = ready.unwrap().call(request).now_or_never();
    answer.expect("answered at once").unwrap().status()
}

const REJECTED: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

// ---- G4 ----------------------------------------------------------------------------------------

#[test]
fn all_services_of_one_layer_share_its_circuit() {
    let layer = CircuitBreakerLayer::new(closed());
    let mut first = layer.layer(statuses());
    let mut second = layer.clone().layer(statuses());

    assert_eq!(status_of(&mut first, FAIL), FAIL);

    assert_eq!(status_of(&mut second, StatusCode::OK), REJECTED);
    assert_eq!(layer.circuit().state(), State::Open);
}

#[test]
fn a_layer_of_its_own_gives_a_service_a_circuit_of_its_own() {
    let builder = Circuit::builder("route").consecutive_failures(1);
    let protect = || {
        builder
            .clone()
            .build_layer()
            .expect("valid")
            .layer(statuses())
    };
    let (mut first, mut second) = (protect(), protect());

    assert_eq!(status_of(&mut first, FAIL), FAIL);

    assert_eq!(status_of(&mut first.clone(), StatusCode::OK), REJECTED);
    assert_eq!(status_of(&mut second, StatusCode::OK), StatusCode::OK);
    assert_eq!(second.circuit().name(), "route");
}

// ---- neighbours --------------------------------------------------------------------------------

#[test]
fn a_boxed_breaker_works() {
    let layer = CircuitBreakerLayer::new(closed());
    let mut service = BoxService::new(layer.layer(statuses()));
    assert_eq!(status_of(&mut service, FAIL), FAIL);
    assert_eq!(status_of(&mut service, StatusCode::OK), REJECTED);
}

#[test]
fn a_boxed_and_cloned_breaker_works() {
    let layer = CircuitBreakerLayer::new(closed());
    let mut service = BoxCloneService::new(layer.layer(statuses()));
    let mut sync = BoxCloneSyncService::new(layer.layer(statuses()));
    assert_eq!(status_of(&mut service.clone(), FAIL), FAIL);
    assert_eq!(status_of(&mut service, StatusCode::OK), REJECTED);
    assert_eq!(status_of(&mut sync, StatusCode::OK), REJECTED);
}

#[test]
fn a_breaker_works_around_a_boxed_service() {
    let layer = CircuitBreakerLayer::new(closed());
    let mut service = layer.layer(BoxCloneService::new(statuses()));
    assert_eq!(status_of(&mut service, FAIL), FAIL);
    assert_eq!(status_of(&mut service.clone(), StatusCode::OK), REJECTED);
}

#[test]
fn a_breaker_may_be_an_option() {
    for (breaker, expected) in [(Some(forced_open()), REJECTED), (None, StatusCode::OK)] {
        let breaker = breaker.map(CircuitBreakerLayer::new);
        let mut service = ServiceBuilder::new()
            .option_layer(breaker)
            .service(statuses());
        assert_eq!(status_of(&mut service, StatusCode::OK), expected);
    }
}

#[test]
fn a_breaker_may_be_one_side_of_an_either() {
    let layer = CircuitBreakerLayer::new(forced_open());
    let guarded = Either::Left(layer.layer(statuses()));
    let bare = Either::Right(statuses());
    for (mut service, expected) in [(guarded, REJECTED), (bare, StatusCode::OK)] {
        assert_eq!(status_of(&mut service, StatusCode::OK), expected);
        assert_eq!(status_of(&mut service.clone(), StatusCode::OK), expected);
    }
}

// H3: what is mapped is still known for a rejection, and an inner error for what it is.
#[test]
fn a_rejection_is_known_behind_mapped_errors_and_responses() {
    let circuit = closed();
    let fails = service_fn(|ok: bool| ready(ok.then_some(1).ok_or(fmt::Error)));
    let mut service = layer(&circuit)
        .layer(fails)
        .map_err(|error| -> BoxError { error.into() })
        .map_response(|answer: u32| answer + 1);
    let mut ask = |ok| {
        let ready = service.ready().now_or_never().expect("ready at once");
        let answer = ready.unwrap().call(ok).now_or_never();
        answer.expect("answered at once")
    };

    assert_eq!(ask(true).unwrap(), 2);
    let failed = ask(false).unwrap_err();
    assert!(Rejected::find(&*failed).is_none());
    assert!(failed.source().unwrap().is::<fmt::Error>());
    let rejected = ask(true).unwrap_err();
    assert_eq!(Rejected::find(&*rejected).unwrap().circuit(), "inventory");
}

#[test]
fn a_breaker_works_in_the_middle_of_a_service_builder() {
    let mut service = ServiceBuilder::new()
        .map_response(|response: Response<String>| response.map(|_| ()))
        .layer(CircuitBreakerLayer::new(closed()))
        .map_request(|retried: StatusCode| retried)
        .service(statuses());
    assert_eq!(status_of(&mut service, FAIL), FAIL);
    assert_eq!(status_of(&mut service, StatusCode::OK), REJECTED);
}

#[tokio::test(start_paused = true)]
async fn behind_a_buffer_a_rejection_is_the_callers_own() {
    let circuit = closed();
    let mut service = Buffer::new(CircuitBreakerLayer::new(circuit).layer(statuses()), 4);
    let mut status = async |status| {
        let ready = service.ready().await.expect("the worker lives");
        ready.call(status).await.expect("answered").status()
    };

    assert_eq!(status(FAIL).await, FAIL);
    assert_eq!(status(StatusCode::OK).await, REJECTED);
}

// A buffer whose service fails to become ready is closed for good. A rejection is not that.
#[tokio::test(start_paused = true)]
async fn behind_a_buffer_a_rejection_that_is_an_error_does_not_close_it() {
    let circuit = forced_open();
    let inner = service_fn(|(): ()| ready(Ok::<_, Infallible>("fine")));
    let mut service = Buffer::new(layer(&circuit).layer(inner), 4);
    for _ in 0..3 {
        let ready = service.ready().await.expect("the worker lives");
        let error = ready.call(()).await.unwrap_err();
        assert!(Rejected::find(&*error).is_some());
    }

    circuit.release();

    let ready = service.ready().await.expect("the worker lives");
    assert_eq!(ready.call(()).await.unwrap(), "fine");
}

#[tokio::test(start_paused = true)]
async fn around_a_buffer_that_is_stuck_an_open_circuit_answers_at_once() {
    let circuit = closed();
    let stuck = service_fn(|_: StatusCode| pending::<Result<Response<String>, BoxError>>());
    let stuck = ServiceBuilder::new().concurrency_limit(1).service(stuck);
    let mut service = CircuitBreakerLayer::new(circuit.clone()).layer(Buffer::new(stuck, 1));
    let mut calls = Vec::new();
    while let Some(ready) = service.ready().now_or_never() {
        calls.push(ready.expect("the worker lives").call(StatusCode::OK));
        tokio::task::yield_now().await;
    }
    assert!(!calls.is_empty());

    circuit.force_open();

    assert_eq!(status_of(&mut service, StatusCode::OK), REJECTED);
}

#[test]
fn around_a_limit_a_rejection_takes_no_place() {
    let circuit = closed();
    let (mock, mut inner) = mock::pair::<u32, u32>();
    let service = ServiceBuilder::new()
        .layer(layer(&circuit))
        .concurrency_limit(1)
        .service(mock);
    let mut first = Spawn::new(service.clone());
    let mut second = Spawn::new(service);

    assert_ready_ok!(first.poll_ready());
    let in_flight = first.call(1);
    assert_pending!(second.poll_ready());
    circuit.force_open();
    assert_ready_ok!(second.poll_ready());
    rejection(second.call(2));
    circuit.release();

    assert_pending!(second.poll_ready());
    drop(in_flight);
    assert_ready_ok!(second.poll_ready());
    let _second = second.call(3);
    assert!(inner.poll_request().is_ready());
}

#[test]
fn a_place_that_was_readied_before_a_trip_is_given_back_with_its_instance() {
    let circuit = closed();
    let (mock, _inner) = mock::pair::<u32, u32>();
    let service = ServiceBuilder::new()
        .layer(layer(&circuit))
        .concurrency_limit(1)
        .service(mock);
    let mut first = Spawn::new(service.clone());
    let mut second = Spawn::new(service);
    assert_ready_ok!(first.poll_ready());
    circuit.force_open();
    rejection(first.call(1));
    circuit.release();

    assert_pending!(second.poll_ready::<u32>());
    drop(first);

    assert_ready_ok!(second.poll_ready::<u32>());
}

#[test]
fn inside_a_limit_a_rejection_leaves_its_place_at_once() {
    let (mock, _inner) = mock::pair::<u32, u32>();
    let limited = ConcurrencyLimitLayer::new(1).layer(layer(&forced_open()).layer(mock));
    let mut service = Spawn::new(limited);
    for request in 0..3 {
        assert_ready_ok!(service.poll_ready());
        rejection(service.call(request));
    }
}

#[test]
fn load_shed_outside_sheds_what_the_inner_service_cannot_take_and_nothing_else() {
    let circuit = closed();
    let (mock, mut inner) = mock::pair::<u32, u32>();
    let mut service = ServiceBuilder::new()
        .load_shed()
        .layer(layer(&circuit))
        .map_err(std::io::Error::other::<BoxError>)
        .service(mock);
    let mut error = |request| {
        let ready = service.ready().now_or_never().expect("always ready");
        let answer = ready.unwrap().call(request).now_or_never();
        answer.expect("answered at once").unwrap_err()
    };
    inner.allow(0);

    assert!(error(1).is::<tower::load_shed::error::Overloaded>());
    circuit.force_open();
    assert!(Rejected::find(&*error(2)).is_some());
}

#[test]
fn one_route_of_a_steer_that_is_open_holds_up_no_other() {
    let (mock, mut stuck) = mock::pair::<u32, u32>();
    let (other, mut healthy) = mock::pair::<u32, u32>();
    stuck.allow(0);
    let routes = [
        layer(&forced_open()).layer(mock),
        layer(&closed()).layer(other),
    ];
    let pick = |request: &u32, _: &[_]| *request as usize;
    let mut steer = Spawn::new(Steer::new(routes, pick));

    assert_ready_ok!(steer.poll_ready());
    let answer = steer.call(1);
    let (request, reply) = assert_ready_some(healthy.poll_request());
    reply.send_response(request);
    assert_eq!(answer.now_or_never().expect("answered").unwrap(), 1);

    assert_ready_ok!(steer.poll_ready());
    rejection(steer.call(0));
}

/// Two routes in a steer, each with a circuit of its own, and a clock for both.
struct Junction<S> {
    clock: ManualClock,
    circuits: [Circuit; 2],
    steer: S,
}

/// Asks the route of that number to answer with that status.
type Routed = (usize, StatusCode);

fn junction()
-> Junction<impl Service<Routed, Response = Response<String>, Error = Infallible> + Clone> {
    let clock = ManualClock::new();
    let circuits = [(); 2].map(|()| circuit(&clock, |builder| builder));
    let routes = circuits.clone().map(|circuit| {
        let route = CircuitBreakerLayer::new(circuit).layer(statuses());
        route.map_request(|(_, status): Routed| status)
    });
    Junction {
        clock,
        circuits,
        steer: Steer::new(routes, |(route, _): &Routed, _: &[_]| *route),
    }
}

fn status_at<S>(steer: &mut S, route: usize, request: StatusCode) -> StatusCode
where
    S: Service<Routed, Response = Response<String>, Error = Infallible>,
{
    let ready = steer.ready().now_or_never().expect("ready at once");
    let answer = ready.unwrap().call((route, request)).now_or_never();
    answer.expect("answered at once").unwrap().status()
}

// G1, G4
#[test]
fn routes_of_a_steer_trip_on_their_own() {
    let Junction {
        circuits,
        mut steer,
        ..
    } = junction();
    assert_eq!(status_at(&mut steer, 0, FAIL), FAIL);
    assert_eq!(status_at(&mut steer, 0, StatusCode::OK), REJECTED);
    assert_eq!(status_at(&mut steer, 1, StatusCode::OK), StatusCode::OK);
    assert_eq!(
        circuits.map(|circuit| circuit.state()),
        [State::Open, State::Closed]
    );
}

// G2: a steer asks a route again only once it has called it. So a route that was found open is called
// once more to be told so, however long ago that was.
#[test]
fn a_steer_that_lives_long_rejects_once_more_after_the_break() {
    let Junction {
        clock, mut steer, ..
    } = junction();
    assert_eq!(status_at(&mut steer, 0, FAIL), FAIL);
    assert_eq!(status_at(&mut steer, 1, StatusCode::OK), StatusCode::OK);

    clock.advance(10 * BREAK);

    assert_eq!(status_at(&mut steer, 0, StatusCode::OK), REJECTED);
    assert_eq!(status_at(&mut steer, 0, StatusCode::OK), StatusCode::OK);
}

// G7: a steer waits for all its services, so one that is pending while it is open holds up the others.
// They belong behind a balancer.
#[tokio::test(start_paused = true)]
async fn a_steer_waits_for_routes_that_are_pending_while_open() {
    let circuits = [closed(), closed()];
    let routes = circuits.clone().map(|circuit| {
        let layer = CircuitBreakerLayer::new(circuit).pending_while_open();
        layer.layer(statuses())
    });
    let pick = |_: &StatusCode, _: &[_]| 1;
    let mut steer = Steer::new(routes, pick);
    circuits[0].force_open();
    assert!(steer.ready().now_or_never().is_none());
    circuits[0].release();
    assert_eq!(status_of(&mut steer, StatusCode::OK), StatusCode::OK);
}

// G2, G4: a steer's clone believes what the services of the original said. They were not asked.
#[test]
#[should_panic(expected = "a clone carries no readiness")]
fn a_clone_of_a_steer_that_is_ready_has_asked_nobody() {
    let mut steer = junction().steer;
    let _ready = steer.ready().now_or_never().expect("ready at once");
    status_at(&mut steer.clone(), 0, StatusCode::OK);
}

fn assert_ready_some<T>(poll: std::task::Poll<Option<T>>) -> T {
    tokio_test::assert_ready!(poll).expect("something")
}

#[tokio::test(start_paused = true)]
async fn a_timeout_outside_of_it_is_seen_as_a_slow_failure() {
    let circuit = Circuit::builder("inventory")
        .consecutive_failures(1)
        .slow_call_duration(Duration::from_millis(500))
        .open_for(BREAK)
        .build()
        .expect("valid");
    let mut service = ServiceBuilder::new()
        .timeout(Duration::from_secs(1))
        .layer(
            CircuitBreakerLayer::new(circuit.clone())
                .classifier(ErrorsOnly)
                .reject_as_box_error(),
        )
        .service(service_fn(|(): ()| pending::<Result<(), BoxError>>()));

    let error = service.ready().await.unwrap().call(()).await.unwrap_err();
    assert!(error.is::<tower::timeout::error::Elapsed>());
    assert_eq!(circuit.state(), State::Open);

    let error = service.ready().await.unwrap().call(()).await.unwrap_err();
    assert!(error.is::<Rejected>());
}

#[tokio::test(start_paused = true)]
async fn a_timeout_inside_of_it_is_an_error_like_any_other() {
    let circuit = closed();
    let mut service = ServiceBuilder::new()
        .layer(layer(&circuit))
        .timeout(Duration::from_secs(1))
        .service(service_fn(|(): ()| pending::<Result<(), BoxError>>()));

    let answer = service.ready().await.unwrap().call(()).await;

    assert!(answer.is_err());
    assert_eq!(circuit.state(), State::Open);
}
