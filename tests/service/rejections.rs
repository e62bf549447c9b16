//! What a rejection becomes: rules H1 to H3.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

use std::{
    convert::Infallible,
    error::Error,
    fmt,
    future::{Ready, ready},
    time::Duration,
};

use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_breaker::{
    By, Circuit, CircuitBreakerLayer, CircuitBuilder, CircuitError, Classify, ControlError, Mode,
    Outcome, Reason, Rejected, State,
    classify::{ErrorsOnly, HttpClassifier, IgnoreRejections, is_rejection},
    clock::ManualClock,
};

mod answers;
mod counted;
mod transparent;

type BoxError = Box<dyn Error + Send + Sync>;

const BREAK: Duration = Duration::from_secs(10);
const NANOSECOND: Duration = Duration::from_nanos(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn circuit(clock: &ManualClock) -> CircuitBuilder {
    Circuit::builder("inventory")
        .consecutive_failures(1)
        .open_for(BREAK)
        .clock(clock.clone())
}

fn closed() -> Circuit {
    circuit(&ManualClock::new()).build().expect("valid")
}

fn open() -> Circuit {
    let circuit = closed();
    circuit.trip(BREAK).expect("in normal mode");
    circuit
}

/// The inner service of most tests: an HTTP service that cannot fail.
type Route = fn(Request<&'static str>) -> Ready<Result<Response<String>, Infallible>>;

fn route(request: Request<&'static str>) -> Ready<Result<Response<String>, Infallible>> {
    ready(Ok(Response::new(format!("served {}", request.body()))))
}

/// The answer that `service` gives at once.
fn answer<S, Req>(mut service: S, request: Req) -> Result<S::Response, S::Error>
where
    S: Service<Req>,
{
    let ready = service.ready().now_or_never().expect("ready at once");
    ready?
        .call(request)
        .now_or_never()
        .expect("answered at once")
}

/// The default rejection of `circuit`.
fn rejection(circuit: &Circuit) -> Response<String> {
    let layer = CircuitBreakerLayer::new(circuit.clone());
    let service = layer.layer(service_fn(route as Route));
    let Ok(response) = answer(service, Request::new("nothing"));
    assert!(is_rejection(&response));
    response
}

fn retry_after<B>(response: &Response<B>) -> Option<&str> {
    let value = response.headers().get("retry-after")?;
    Some(value.to_str().expect("a number"))
}

// ---- H1: by default ----------------------------------------------------------------------------

#[test]
fn a_rejection_is_an_empty_503() {
    let response = rejection(&open());
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.body(), "");
    assert_eq!(retry_after(&response), Some("10"));
    assert_eq!(response.headers().len(), 1);
}

#[test]
fn retry_after_is_rounded_up_and_at_least_one() {
    for (left, seconds) in [
        (BREAK, "10"),
        (BREAK - NANOSECOND, "10"),
        (Duration::from_secs(9) + NANOSECOND, "10"),
        (Duration::from_secs(9), "9"),
        (Duration::from_secs(1) + NANOSECOND, "2"),
        (Duration::from_secs(1), "1"),
        (NANOSECOND, "1"),
    ] {
        let clock = ManualClock::new();
        let circuit = circuit(&clock).build().expect("valid");
        circuit.trip(BREAK).expect("in normal mode");
        clock.advance(BREAK - left);
        assert_eq!(retry_after(&rejection(&circuit)), Some(seconds), "{left:?}");
    }
}

#[test]
fn retry_after_is_at_most_a_day() {
    for open_for in [DAY, DAY + NANOSECOND, 30 * DAY, Duration::MAX] {
        let circuit = closed();
        circuit.trip(open_for).expect("in normal mode");
        assert_eq!(retry_after(&rejection(&circuit)), Some("86400"));
    }
}

/// The rejection of a call whose readiness was granted before `meanwhile`.
fn rejection_after(circuit: &Circuit, meanwhile: impl FnOnce()) -> Rejected {
    let layer = CircuitBreakerLayer::new(circuit.clone());
    let mut service = layer.layer(service_fn(route as Route));
    let ready = service.ready().now_or_never().expect("ready at once");
    let Ok(service) = ready;
    meanwhile();
    let answer = service.call(Request::new("nothing"));
    let Ok(response) = answer.now_or_never().expect("answered at once");
    let rejected = response.extensions().get::<Rejected>();
    rejected.expect("a rejection").clone()
}

// C3, G2: what readiness has found is told only as long as the circuit is as it was.
#[test]
fn a_call_is_rejected_with_what_holds_when_it_is_made() {
    type Meanwhile = fn(&Circuit);
    let longer: Meanwhile = |circuit| circuit.trip(3 * BREAK).expect("in normal mode");
    let unchanged: Meanwhile = |_| {};
    for (meanwhile, reason, remaining) in [
        (unchanged, Reason::Open, Some(BREAK)),
        (longer, Reason::Open, Some(3 * BREAK)),
        (
            |circuit| circuit.reset(),
            Reason::Open,
            Some(Duration::ZERO),
        ),
        (
            |circuit| assert!(circuit.force_open()),
            Reason::ForcedOpen,
            None,
        ),
    ] {
        let circuit = open();
        let rejected = rejection_after(&circuit, || meanwhile(&circuit));
        assert_eq!(
            (rejected.reason(), rejected.remaining()),
            (reason, remaining)
        );
    }
}

#[test]
fn probes_that_have_timed_out_leave_a_fresh_break() {
    let clock = ManualClock::new();
    let circuit = circuit(&clock).build().expect("valid");
    circuit.trip(BREAK).expect("in normal mode");
    clock.advance(BREAK);
    let probe = circuit.try_acquire().expect("the probe");

    // They may be back at any moment, and time out after 30 seconds, longer than the break.
    assert_eq!(retry_after(&rejection(&circuit)), Some("1"));
    clock.advance(Duration::from_secs(20));
    assert_eq!(retry_after(&rejection(&circuit)), Some("1"));
    clock.advance(BREAK);
    assert_eq!(retry_after(&rejection(&circuit)), Some("10"));
    assert_eq!(circuit.state(), State::Open);
    drop(probe);
}

#[test]
fn nothing_left_to_wait_for_is_still_a_second() {
    let clock = ManualClock::new();
    let circuit = circuit(&clock).build().expect("valid");
    circuit.trip(BREAK).expect("in normal mode");
    clock.advance(BREAK);
    let probe = circuit.try_acquire().expect("the probe");
    clock.advance(Duration::from_secs(30));
    let mut service = CircuitBreakerLayer::new(circuit.clone()).layer(service_fn(route as Route));
    let ready = service.ready().now_or_never().expect("ready at once");

    // Readiness found the probe timed out; by the time of the call it has succeeded after all.
    probe.success();
    let Ok(ready) = ready;
    let answer = ready.call(Request::new("a call")).now_or_never();

    let Ok(response) = answer.expect("answered at once");
    assert_eq!(mark(&response).remaining(), Some(Duration::ZERO));
    assert_eq!(retry_after(&response), Some("1"));
}

#[test]
fn forced_open_does_not_say_when_to_retry() {
    let circuit = closed();
    circuit.force_open();
    let response = rejection(&circuit);
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(retry_after(&response), None);
}

#[test]
fn forced_open_for_a_time_says_when_that_is_over() {
    let clock = ManualClock::new();
    let circuit = circuit(&clock).build().expect("valid");
    let force = |time| {
        circuit
            .force_open_for(By::default(), time)
            .expect("it ends")
    };
    force(Duration::from_secs(600));
    assert_eq!(retry_after(&rejection(&circuit)), Some("600"));
    clock.advance(Duration::from_secs(10) - NANOSECOND);
    let response = rejection(&circuit);
    assert_eq!(mark(&response).reason(), Reason::ForcedOpen);
    assert_eq!(retry_after(&response), Some("591"));
    force(2 * DAY);
    assert_eq!(retry_after(&rejection(&circuit)), Some("86400"));
}

#[test]
fn while_ramping_it_is_a_second() {
    let clock = ManualClock::new();
    let ramping = circuit(&clock)
        .ramp(60 * BREAK, 0.01)
        .build()
        .expect("valid");
    ramping.trip(BREAK).expect("in normal mode");
    clock.advance(BREAK);
    ramping.try_acquire().expect("the probe").success();

    // One of a hundred is admitted; the first two cannot both be.
    let layer = CircuitBreakerLayer::new(ramping.clone());
    let mut service = layer.layer(service_fn(route as Route));
    let mut call = || answer(&mut service, Request::new("a call")).expect("infallible");
    let rejected = [call(), call()].into_iter().find(is_rejection);

    let rejected = rejected.expect("one of two");
    assert_eq!(retry_after(&rejected), Some("1"));
    assert_eq!(mark(&rejected).reason(), Reason::Ramping);
    assert_eq!(ramping.state(), State::Closed);
}

// B9
#[test]
fn while_shedding_it_is_a_second() {
    let shedding = circuit(&ManualClock::new())
        .consecutive_failures(100)
        .count_window(10)
        .minimum_calls(10)
        .shed(2.0, 0.000_001)
        .failure_rate(None)
        .build()
        .expect("valid");
    for _ in 0..10 {
        shedding.try_acquire().expect("admitted").failure();
    }
    let layer = CircuitBreakerLayer::new(shedding.clone());
    let mut service = layer.layer(service_fn(route as Route));
    let mut call = || answer(&mut service, Request::new("a call")).expect("infallible");
    // The first turn of all passes.
    assert!(!is_rejection(&call()));
    let rejected = call();
    assert_eq!(rejected.status(), 503);
    assert_eq!(retry_after(&rejected), Some("1"));
    assert_eq!(mark(&rejected).reason(), Reason::Shedding);
    assert_eq!(
        mark(&rejected).to_string(),
        format!("circuit `{}` is shedding", shedding.name())
    );
    assert_eq!(shedding.state(), State::Closed);
}

#[test]
fn an_infallible_service_stays_infallible() {
    fn infallible<S: Service<Request<&'static str>, Error = Infallible>>(_: &S) {}
    let layer = CircuitBreakerLayer::new(open());
    let inner = || service_fn(route as Route);
    infallible(&layer.layer(inner()));
    infallible(
        &layer
            .clone()
            .reject_with(|_| Response::new(String::new()))
            .layer(inner()),
    );
    let fallback = |_, request: Request<_>| route(request);
    infallible(&layer.fallback(fallback).layer(inner()));
}

// ---- H2: the user's own ------------------------------------------------------------------------

#[test]
fn status_headers_and_body_are_the_users_to_replace() {
    let layer = CircuitBreakerLayer::new(open()).reject_with(|rejected| {
        Response::builder()
            .status(StatusCode::BAD_GATEWAY)
            .header("x-circuit", rejected.circuit())
            .body(format!(
                "{} for {:?}",
                rejected.reason(),
                rejected.remaining()
            ))
            .expect("a response")
    });
    let Ok(response) = answer(
        layer.layer(service_fn(route as Route)),
        Request::new("a call"),
    );

    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(response.headers()["x-circuit"], "inventory");
    assert_eq!(response.body(), "open for Some(10s)");
    // H1
    assert_eq!(retry_after(&response), Some("10"));
}

#[test]
fn a_body_that_has_no_default_can_be_rejected_too() {
    #[derive(Debug, PartialEq)]
    struct Page(&'static str);
    let inner = service_fn(|(): ()| ready(Ok::<_, Infallible>(Response::new(Page("the page")))));
    let layer = CircuitBreakerLayer::new(open())
        .reject_with(|_| Response::new(Page("sorry")))
        .time_out_with(|_| Response::new(Page("late")));
    let Ok(response) = answer(layer.layer(inner), ());
    assert_eq!(response.body(), &Page("sorry"));
}

/// A service that is not HTTP: it echoes even numbers.
fn even(number: u32) -> Ready<Result<u32, Odd>> {
    ready(if number % 2 == 0 {
        Ok(number)
    } else {
        Err(Odd)
    })
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Odd;

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an odd number")
    }
}

impl Error for Odd {}

#[test]
fn a_rejection_as_an_error_is_told_from_the_inner_services_errors() {
    let layer = CircuitBreakerLayer::new(closed())
        .classifier(ErrorsOnly)
        .reject_as_error();
    let mut service = layer.layer(service_fn(even));

    assert_eq!(answer(&mut service, 2), Ok(2));
    assert_eq!(answer(&mut service, 1), Err(CircuitError::Inner(Odd)));
    let error = answer(&mut service, 2).unwrap_err();

    assert_eq!(error.rejected().map(Rejected::reason), Some(Reason::Open));
    assert_eq!(error.into_inner(), None);
}

#[test]
fn a_rejection_as_a_boxed_error_is_found_by_its_type_and_so_are_the_inner_ones() {
    let layer = CircuitBreakerLayer::new(closed())
        .classifier(ErrorsOnly)
        .reject_as_box_error();
    let mut service = layer.layer(service_fn(even));

    assert_eq!(answer(&mut service, 2).unwrap(), 2);
    assert!(answer(&mut service, 1).unwrap_err().is::<Odd>());
    assert!(answer(&mut service, 2).unwrap_err().is::<Rejected>());
}

#[test]
fn a_boxed_inner_error_is_not_boxed_again() {
    let layer = CircuitBreakerLayer::new(closed())
        .classifier(ErrorsOnly)
        .reject_as_box_error();
    let inner = service_fn(|number| even(number).map(|answer| answer.map_err(BoxError::from)));
    assert!(answer(layer.layer(inner), 1).unwrap_err().is::<Odd>());
}

#[test]
fn a_fallback_gets_the_rejection_and_the_untouched_request() {
    let layer = CircuitBreakerLayer::new(open()).fallback(
        async |rejected: Rejected, request: Request<&'static str>| {
            let header = request.headers()["x-request"].to_str().expect("text");
            let body = format!("{} {header}: {rejected}", request.body());
            Ok::<_, Infallible>(Response::new(body))
        },
    );
    let request = Request::builder().header("x-request", "7").body("get");
    let Ok(response) = answer(
        layer.layer(service_fn(route as Route)),
        request.expect("a request"),
    );

    assert_eq!(
        response.body(),
        "get 7: circuit `inventory` is open: by hand"
    );
}

/// Not even `Clone` is asked of it.
#[test]
fn the_request_may_be_anything() {
    struct Once(String);
    let inner = service_fn(|request: Once| ready(Ok::<String, Odd>(request.0)));
    let layer = CircuitBreakerLayer::new(open())
        .classifier(ErrorsOnly)
        .fallback(|_, request: Once| ready(Ok::<String, Odd>(request.0)))
        .without_time_out_answer();
    assert_eq!(
        answer(layer.layer(inner), Once("as it was".into())),
        Ok("as it was".into())
    );
}

#[test]
fn a_fallback_may_take_its_time_and_may_fail() {
    let layer = CircuitBreakerLayer::new(open())
        .classifier(ErrorsOnly)
        .fallback(async |_, _: u32| {
            tokio::task::yield_now().await;
            Err(Odd)
        })
        .without_time_out_answer();
    let mut service = layer.layer(service_fn(even));
    let ready = service.ready().now_or_never().expect("ready at once");
    let mut answer = tokio_test::task::spawn(ready.unwrap().call(2));

    tokio_test::assert_pending!(answer.poll());
    assert_eq!(tokio_test::assert_ready!(answer.poll()), Err(Odd));
}

#[test]
fn whatever_it_becomes_the_inner_service_is_not_called_and_a_rejection_is_counted() {
    let circuit = open();
    let layer = CircuitBreakerLayer::new(circuit.clone()).classifier(ErrorsOnly);
    let untouched = || {
        service_fn(|_: u32| -> Ready<Result<Response<()>, Odd>> {
            panic!("the inner service was called")
        })
    };
    let response = || Response::new(());

    assert!(answer(layer.layer(untouched()), 2).is_ok());
    let own = layer.clone().reject_with(move |_| response());
    assert!(answer(own.layer(untouched()), 2).is_ok());
    let error = layer.clone().reject_as_error();
    assert!(answer(error.layer(untouched()), 2).is_err());
    let boxed = layer.clone().reject_as_box_error();
    assert!(answer(boxed.layer(untouched()), 2).is_err());
    let fallback = layer.fallback(move |_, _| ready(Ok(response())));
    assert!(answer(fallback.layer(untouched()), 2).is_ok());

    let totals = circuit.snapshot().totals.expect("on by default");
    assert_eq!((totals.rejected, totals.ended()), (5, 0));
}

// ---- H3: recognisable --------------------------------------------------------------------------

fn mark<B>(response: &Response<B>) -> &Rejected {
    response.extensions().get().expect("marked as a rejection")
}

#[test]
fn the_mark_says_which_circuit_and_why() {
    let response = rejection(&open());
    assert_eq!(mark(&response).circuit(), "inventory");
    assert_eq!(mark(&response).reason(), Reason::Open);
    assert_eq!(mark(&response).remaining(), Some(BREAK));
}

#[test]
fn rejections_of_two_circuits_differ() {
    let of = |name: String| {
        let circuit = Circuit::builder(name).mode(Mode::ForcedOpen).build();
        circuit.expect("valid").try_acquire().unwrap_err()
    };
    assert_eq!(of("orders".to_owned()), of("orders".to_owned()));
    assert_ne!(of("orders".to_owned()), of("payments".to_owned()));
}

#[test]
fn a_response_of_ones_own_is_marked_too() {
    let layer = CircuitBreakerLayer::new(open()).reject_with(|_| Response::new(String::new()));
    let service = layer.layer(service_fn(route as Route));
    let Ok(response) = answer(service, Request::new("a call"));
    assert!(is_rejection(&response));
}

#[test]
fn an_answer_of_the_inner_service_or_of_a_fallback_is_no_rejection() {
    let inner = || service_fn(route as Route);
    let service = CircuitBreakerLayer::new(closed()).layer(inner());
    let Ok(response) = answer(service, Request::new("a call"));
    assert!(!is_rejection(&response));

    let layer = CircuitBreakerLayer::new(open());
    let service = layer.fallback(|_, request| route(request)).layer(inner());
    let Ok(response) = answer(service, Request::new("a call"));
    assert!(!is_rejection(&response));
}

#[test]
fn a_second_breaker_around_ignores_a_rejection() {
    let outer = closed();
    let service = CircuitBreakerLayer::new(outer.clone())
        .layer(CircuitBreakerLayer::new(open()).layer(service_fn(route as Route)));

    let Ok(response) = answer(service, Request::new("a call"));

    assert_eq!(mark(&response).circuit(), "inventory");
    assert_ignored(&outer);
}

#[test]
fn a_second_breaker_ignores_a_rejection_even_if_its_status_counts_or_looks_well() {
    for status in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::OK] {
        let outer = closed();
        let inner = CircuitBreakerLayer::new(open())
            .reject_with(move |_| {
                let mut response = Response::new(String::new());
                *response.status_mut() = status;
                response
            })
            .layer(service_fn(route as Route));
        let all = HttpClassifier::new().failures([status]);
        let layer = CircuitBreakerLayer::new(outer.clone()).classifier(all);
        let Ok(_) = answer(layer.layer(inner), Request::new("a call"));
        assert_ignored(&outer);
    }
}

fn assert_ignored(circuit: &Circuit) {
    let totals = circuit.snapshot().totals.expect("on by default");
    assert_eq!((totals.ignored, totals.ended()), (1, 1));
    assert_eq!(circuit.state(), State::Closed);
}

// A2, H3: a rejection is no sign of life. Nobody was asked.
#[test]
fn a_probe_of_the_outer_breaker_is_not_decided_by_it() {
    let clock = ManualClock::new();
    let outer = circuit(&clock).build().expect("valid");
    outer.trip(BREAK).expect("in normal mode");
    clock.advance(BREAK);
    let service = CircuitBreakerLayer::new(outer.clone())
        .layer(CircuitBreakerLayer::new(open()).layer(service_fn(route as Route)));

    let Ok(_) = answer(service, Request::new("a probe"));

    let probes = outer.snapshot().probes.expect("still half-open");
    assert_eq!((probes.in_flight, probes.successes_needed), (0, 1));
}

#[test]
fn rejections_as_errors_are_ignored_by_a_wrapped_classifier() {
    let outer = closed();
    let inner = CircuitBreakerLayer::new(open())
        .classifier(ErrorsOnly)
        .reject_as_error()
        .layer(service_fn(even));
    let layer = CircuitBreakerLayer::new(outer.clone())
        .classifier(IgnoreRejections(ErrorsOnly))
        .reject_as_error();

    let error = answer(layer.layer(inner), 2).unwrap_err();

    let inner_error = error.into_inner().expect("the inner circuit's");
    assert!(inner_error.rejected().is_some());
    assert_ignored(&outer);
}

#[test]
fn rejections_as_boxed_errors_are_ignored_by_a_wrapped_classifier() {
    let outer = closed();
    let inner = CircuitBreakerLayer::new(open())
        .classifier(ErrorsOnly)
        .reject_as_box_error()
        .layer(service_fn(even));
    let layer = CircuitBreakerLayer::new(outer.clone())
        .classifier(IgnoreRejections(ErrorsOnly))
        .reject_as_box_error();

    let error = answer(layer.layer(inner), 2).unwrap_err();

    assert!(error.is::<Rejected>());
    assert_ignored(&outer);
}

#[test]
fn a_wrapped_classifier_is_asked_about_errors_but_not_about_rejections() {
    let classifier = IgnoreRejections(ErrorsOnly);
    let rejected = open().try_acquire().unwrap_err();
    let circuit_error = |error: CircuitError<Odd>| classifier.classify(Err::<&u32, _>(&error));
    let box_error = |error: BoxError| classifier.classify(Err::<&u32, _>(&error));

    assert_eq!(
        circuit_error(rejected.clone().into()),
        Outcome::InnerRejection
    );
    assert_eq!(circuit_error(CircuitError::Inner(Odd)), Outcome::Failure);
    assert_eq!(box_error(rejected.clone().into()), Outcome::InnerRejection);
    assert_eq!(
        box_error(Box::new(Wrapped(rejected.into()))),
        Outcome::InnerRejection
    );
    assert_eq!(box_error(Odd.into()), Outcome::Failure);
}

// ---- finding it in errors ----------------------------------------------------------------------

/// Somebody's error that says what caused it.
#[derive(Debug)]
struct Wrapped(BoxError);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapped")
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

#[test]
fn a_rejection_is_found_through_boxes_and_sources() {
    let rejected = open().try_acquire().unwrap_err();
    let plain: BoxError = rejected.clone().into();
    let circuit_error: BoxError = CircuitError::<Odd>::from(rejected.clone()).into();
    let nested = CircuitError::Inner(CircuitError::<Odd>::from(rejected.clone()));
    let of_another = CircuitError::Inner(rejected.clone());
    let twice_wrapped = Wrapped(Box::new(Wrapped(rejected.clone().into())));
    let io = std::io::Error::other(Wrapped(rejected.clone().into()));

    for error in [
        plain,
        circuit_error,
        nested.into(),
        of_another.into(),
        twice_wrapped.into(),
        io.into(),
    ] {
        assert_eq!(Rejected::find(&*error), Some(&rejected), "{error:?}");
    }
}

#[test]
fn no_rejection_is_found_where_there_is_none() {
    let inner = CircuitError::Inner(Odd);
    let errors: [BoxError; 3] = [Odd.into(), Box::new(Wrapped(Odd.into())), inner.into()];
    for error in errors {
        assert_eq!(Rejected::find(&*error), None, "{error:?}");
    }
}

#[test]
fn every_reason_reads_well() {
    let clock = ManualClock::new();
    let circuit = circuit(&clock).build().expect("valid");
    let message = || circuit.try_acquire().unwrap_err().to_string();

    circuit.trip(BREAK).expect("in normal mode");
    assert_eq!(message(), "circuit `inventory` is open: by hand");
    clock.advance(BREAK);
    let probe = circuit.try_acquire().expect("the probe");
    assert_eq!(
        message(),
        "circuit `inventory` is half-open and full: by hand"
    );
    circuit.force_open();
    assert_eq!(message(), "circuit `inventory` is forced open");
    assert_eq!(Reason::Ramping.to_string(), "ramping up");
    assert_eq!(Reason::Shedding.to_string(), "shedding");
    drop(probe);
}

/// Each error of a chain says its own part once: `Display` or `source`, not both.
fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect()
}

#[test]
fn a_chain_of_errors_says_nothing_twice() {
    let rejected = open().try_acquire().unwrap_err();
    assert_eq!(
        chain(&CircuitError::<Odd>::from(rejected)),
        [
            "circuit `inventory` is open: by hand",
            "worth trying again in 10 s"
        ]
    );
    let inner = chain(&CircuitError::Inner(Odd));
    assert_eq!(inner, ["the call failed", "an odd number"]);
    let wrapped = chain(&CircuitError::Inner(Wrapped(Odd.into())));
    assert_eq!(wrapped, ["the call failed", "wrapped", "an odd number"]);
}

#[test]
fn an_inner_error_is_found_by_its_type_along_the_sources() {
    let error: BoxError = CircuitError::Inner(Odd).into();
    assert!(
        error
            .source()
            .is_some_and(<dyn std::error::Error>::is::<Odd>)
    );
}

#[test]
fn a_circuit_error_of_a_boxed_error_can_be_boxed() {
    let rejected = open().try_acquire().unwrap_err();
    let ours = CircuitError::<BoxError>::from(rejected.clone()).into_boxed();
    assert_eq!(Rejected::find(&*ours), Some(&rejected));
    assert!(
        CircuitError::Inner(BoxError::from(Odd))
            .into_boxed()
            .is::<Odd>()
    );
}

// C3: whatever a rejection is wrapped in, a log line names the circuit and says why.
#[test]
fn a_rejection_reads_the_same_in_every_error() {
    let rejected = open().try_acquire().unwrap_err();
    let said = "circuit `inventory` is open: by hand";
    assert_eq!(rejected.to_string(), said);
    let error = CircuitError::<Odd>::from(rejected.clone());
    assert_eq!(error.to_string(), said);
    let boxed: BoxError = error.into();
    assert_eq!(boxed.to_string(), said);
    let error = CircuitError::<BoxError>::from(rejected).into_boxed();
    assert_eq!(error.to_string(), said);
}

// H3
#[test]
fn a_fallback_can_mark_its_refusal() {
    let rejected = open().try_acquire().unwrap_err();
    let refusal = rejected.clone().mark_response(http::Response::new(()));
    assert_eq!(refusal.extensions().get(), Some(&rejected));
}

#[test]
fn a_refused_trip_says_why() {
    let circuit = closed();
    circuit.force_open();
    let error: ControlError = circuit.trip(BREAK).unwrap_err();
    assert_eq!(error.mode(), Mode::ForcedOpen);
    assert_eq!(
        chain(&error),
        ["a circuit that is forced open cannot be tripped"]
    );
}
