//! What became of a call, on the span of whoever made it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tower_breaker::{Mode, Outcome, clock::ManualClock};
use tracing::{Level, field::Empty, info_span};

use super::{brittle, call, named, request};
use crate::collector::Collector;

// L7
#[test]
fn a_span_gets_each_outcome() {
    for (outcome, fields) in [
        (Outcome::Success, "outcome=success"),
        (Outcome::Failure, "outcome=failure"),
        (Outcome::Ignored, "outcome=ignored"),
    ] {
        let traces = Collector::new();
        let _listening = traces.listen();
        let circuit = brittle(|builder| builder.record_on_current_span());
        request().in_scope(|| call(&circuit, outcome));
        assert_eq!(
            traces.span("request").fields.to_string(),
            format!("era=0 name=payments {fields} probe=false state=closed")
        );
    }
}

// L7, A4
#[test]
fn a_span_gets_that_a_call_was_abandoned() {
    let traces = Collector::new();
    let _listening = traces.listen();
    let circuit = brittle(|builder| builder.record_on_current_span());
    request().in_scope(|| drop(circuit.try_acquire().expect("admitted")));
    let span = traces.span("request");
    assert_eq!(
        span.fields.get("circuit_breaker.outcome"),
        Some("abandoned")
    );
}

// L7
#[test]
fn each_field_of_a_call_is_set_once() {
    let traces = Collector::new();
    let _listening = traces.listen();
    let circuit = brittle(|builder| builder.record_on_current_span());
    request().in_scope(|| call(&circuit, Outcome::Success));
    // The name is not set again at the end: a log that appends what is set would have it twice.
    assert_eq!(traces.span("request").records, 5);
}

// L7
#[test]
fn a_span_gets_why_a_call_was_rejected_and_why_the_circuit_had_opened() {
    let traces = Collector::new();
    let _listening = traces.listen();
    let circuit = brittle(|builder| builder.record_on_current_span());
    call(&circuit, Outcome::Failure);
    request().in_scope(|| circuit.try_acquire().expect_err("open"));
    assert_eq!(
        traces.span("request").fields.to_string(),
        "cause=consecutive_failures name=payments outcome=rejected rejected_reason=open state=open"
    );
}

// L7
#[test]
fn a_span_gets_the_state_in_which_a_call_was_rejected() {
    let traces = Collector::new();
    let _listening = traces.listen();
    let clock = ManualClock::new();
    let circuit = brittle(|builder| {
        let builder = builder
            .clock(clock.clone())
            .ramp(Duration::from_secs(3_600), 0.1);
        builder.record_on_current_span()
    });
    let rejected = || {
        let span = request();
        while span.in_scope(|| circuit.try_acquire()).is_ok_and(|guard| {
            guard.success();
            true
        }) {}
        drop(span);
        let fields = traces.spans().pop().expect("the last").fields;
        let get = |name| fields.get(name).expect("set").to_owned();
        [
            get("circuit_breaker.state"),
            get("circuit_breaker.rejected_reason"),
        ]
    };
    circuit.force_open();
    assert_eq!(rejected(), ["open", "forced_open"]);
    circuit.release();
    circuit.trip(Duration::from_secs(1)).expect("normal");
    clock.advance(Duration::from_secs(1));
    let probe = circuit.try_acquire().expect("a probe");
    assert_eq!(rejected(), ["half_open", "half_open_full"]);
    probe.success();
    assert_eq!(rejected(), ["closed", "ramping"]);
}

// L7, B9: it has not opened, so there is no cause.
#[test]
fn a_span_gets_that_a_call_was_shed() {
    let traces = Collector::new();
    let _listening = traces.listen();
    let circuit = tower_breaker::Circuit::builder("payments")
        .minimum_calls(4)
        .shed(2.0, 0.1)
        .failure_rate(None)
        .record_on_current_span();
    let circuit = circuit.build().expect("valid");
    (0..4).for_each(|_| call(&circuit, Outcome::Failure));
    let rejected = || request().in_scope(|| circuit.try_acquire()).is_err();
    assert!((0..2).any(|_| rejected()), "four of five are refused");
    assert_eq!(
        traces.spans().pop().expect("the last").fields.to_string(),
        "name=payments outcome=rejected rejected_reason=shedding state=closed"
    );
}

// L7
#[test]
fn a_span_gets_that_a_call_was_a_probe() {
    let traces = Collector::new();
    let _listening = traces.listen();
    let clock = ManualClock::new();
    let circuit = brittle(|builder| builder.clock(clock.clone()).record_on_current_span());
    call(&circuit, Outcome::Failure);
    clock.advance(Duration::from_secs(30));
    request().in_scope(|| call(&circuit, Outcome::Success));
    assert_eq!(
        traces.span("request").fields.to_string(),
        "era=2 name=payments outcome=success probe=true state=half_open"
    );
}

// L7, E1
#[test]
fn a_span_gets_what_became_of_a_call_that_shadow_let_pass() {
    let traces = Collector::new();
    let _listening = traces.listen();
    let circuit = brittle(|builder| builder.mode(Mode::Shadow).record_on_current_span());
    call(&circuit, Outcome::Failure);
    request().in_scope(|| call(&circuit, Outcome::Success));
    let span = traces.span("request");
    assert_eq!(span.fields.get("circuit_breaker.state"), Some("open"));
    assert_eq!(span.fields.get("circuit_breaker.outcome"), Some("success"));
}

// L7
#[test]
fn what_a_span_does_not_declare_is_dropped_and_the_rest_is_kept() {
    let traces = Collector::new();
    let _listening = traces.listen();
    let circuit = brittle(|builder| builder.record_on_current_span());
    info_span!("nothing", outcome = Empty).in_scope(|| call(&circuit, Outcome::Success));
    info_span!("one", circuit_breaker.outcome = Empty)
        .in_scope(|| call(&circuit, Outcome::Success));
    assert_eq!(traces.span("nothing").fields.to_string(), "");
    assert_eq!(traces.span("one").fields.to_string(), "outcome=success");
}

// L7
#[test]
fn without_a_span_or_a_subscriber_nothing_happens() {
    let circuit = brittle(|builder| builder.record_on_current_span());
    call(&circuit, Outcome::Success);
    let traces = Collector::new();
    let _listening = traces.listen();
    call(&circuit, Outcome::Success);
    assert!(traces.spans().is_empty());
}

// L7
#[test]
fn of_two_circuits_on_one_span_the_end_that_comes_last_has_its_own_name() {
    let traces = Collector::new();
    let _listening = traces.listen();
    let outer = brittle(|builder| builder.record_on_current_span());
    let inner = named("bank", |builder| builder.record_on_current_span());
    request().in_scope(|| {
        let guard = outer.try_acquire().expect("admitted");
        call(&inner, Outcome::Failure);
        guard.success();
    });
    let span = traces.span("request");
    assert_eq!(span.fields.get("circuit_breaker.name"), Some("payments"));
    assert_eq!(span.fields.get("circuit_breaker.outcome"), Some("success"));
}

// L7, D8
#[tokio::test]
async fn a_call_within_a_call_of_the_same_circuit_is_told_once() {
    let traces = Collector::new();
    let _listening = traces.listen();
    let circuit = brittle(|builder| builder.record_on_current_span());
    let span = request();
    let answer = circuit.call(async {
        let inner = circuit.call(async { Err::<(), _>(std::io::Error::other("down")) });
        Ok::<_, std::io::Error>(inner.await.is_err())
    });
    assert!(
        tracing::Instrument::instrument(answer, span)
            .await
            .expect("admitted")
    );
    let span = traces.span("request");
    assert_eq!(span.records, 5);
    assert_eq!(span.fields.get("circuit_breaker.outcome"), Some("success"));
}

// L7
#[test]
fn a_subscriber_that_panics_harms_no_call() {
    let circuit = brittle(|builder| builder.record_on_current_span());
    let traces = Collector::new().on_record(|| panic!("a subscriber"));
    let _listening = traces.listen();
    request().in_scope(|| {
        call(&circuit, Outcome::Success);
        call(&circuit, Outcome::Failure);
        circuit.try_acquire().expect_err("open");
    });
    // It panicked at the first field of each.
    assert_eq!(traces.span("request").records, 5);
    let totals = circuit.snapshot().totals.expect("counted");
    assert_eq!(
        (totals.successful, totals.failed, totals.rejected),
        (1, 1, 1)
    );
}

// L7
#[test]
fn a_subscriber_that_calls_the_circuit_is_not_told_of_its_own_calls() {
    let circuit = brittle(|builder| builder.log_transitions().record_on_current_span());
    let (again, calls) = (circuit.clone(), Arc::new(AtomicU64::new(0)));
    let count = calls.clone();
    let traces = Collector::new().on_record(move || {
        // A model of one that exports what it is told through the circuit. It would go on for ever.
        assert!(count.fetch_add(1, Ordering::Relaxed) < 10, "told again");
        call(&again, Outcome::Success);
        again.force_open();
        again.release();
    });
    let _listening = traces.listen();
    request().in_scope(|| call(&circuit, Outcome::Success));
    assert_eq!(calls.load(Ordering::Relaxed), 5);
    assert!(traces.events().is_empty());
}

// L7
#[test]
fn a_level_that_is_off_costs_no_more_than_a_look() {
    let circuit = brittle(|builder| builder.record_on_current_span());
    let touched = Arc::new(AtomicBool::new(false));
    let touch = touched.clone();
    let traces = Collector::new().on_record(move || touch.store(true, Ordering::Relaxed));
    let _listening = traces.listen_to(Level::WARN);
    let allocated = allocation_counter::measure(|| {
        request().in_scope(|| call(&circuit, Outcome::Success));
    });
    assert!(!touched.load(Ordering::Relaxed));
    assert_eq!(allocated.count_total, 0);
}

#[cfg(feature = "registry")]
mod of_a_registry {
    use tower_breaker::{registry::Registry, telemetry::record_on_current_span};

    use super::*;

    // L7
    #[test]
    fn calls_of_all_its_circuits_are_recorded_until_that_is_dropped() {
        let traces = Collector::new();
        let _listening = traces.listen();
        let registry = Registry::builder().circuit("a", |circuit| circuit);
        let registry = registry.build().expect("valid");
        let recording = record_on_current_span(&registry);
        let name = |name| {
            let circuit = registry.get_or_create(name).expect("made");
            request().in_scope(|| call(&circuit, Outcome::Success));
            let fields = traces.spans().pop().expect("the last").fields;
            fields.get("circuit_breaker.name").map(str::to_owned)
        };
        assert_eq!(name("a").as_deref(), Some("a"));
        assert_eq!(name("b").as_deref(), Some("b"));
        drop(recording);
        assert_eq!(name("a"), None);
        assert_eq!(name("c"), None);
    }
}

// L7, M9
#[cfg(feature = "retries")]
#[tokio::test(start_paused = true)]
async fn a_span_gets_what_came_of_what_is_around_the_breaker() {
    use std::{convert::Infallible, future::pending};

    use http::{Request, Response, StatusCode};
    use tower::{ServiceBuilder, ServiceExt, service_fn};
    use tower_breaker::{
        CircuitBreakerLayer, RetryLimits,
        degrade::{
            fallback::{self, FallbackLayer},
            retries::Retries,
        },
    };
    use tracing::Instrument;

    let traces = Collector::new();
    let _listening = traces.listen();
    let circuit = named("reviews", |builder| {
        let builder = builder.consecutive_failures(9).record_on_current_span();
        let builder = builder.call_timeout(Duration::from_secs(1));
        builder.retries(RetryLimits::new(1).share(1.0))
    });
    // Fails first, and hangs when it is asked again.
    let mut asked = 0;
    let flaky = service_fn(move |_: Request<String>| {
        asked += 1;
        let hangs = asked > 1;
        async move {
            if hangs {
                pending::<()>().await;
            }
            let response = Response::builder().status(StatusCode::BAD_GATEWAY);
            Ok::<_, Infallible>(response.body(String::new()).expect("valid"))
        }
    });
    let flaky = tower::buffer::Buffer::new(flaky, 1);
    let flaky = flaky.map_err(|error| -> Infallible { panic!("{error}") });
    let answer = fallback::response(|_| Response::new("default".to_owned()));
    let service = ServiceBuilder::new()
        .layer(FallbackLayer::on_failure(&circuit, answer))
        .retry(Retries::new(&circuit))
        .layer(CircuitBreakerLayer::new(circuit.clone()))
        .service(flaky);
    let answer = service.oneshot(Request::default()).instrument(request());
    assert_eq!(answer.await.expect("an answer").into_body(), "default");
    assert_eq!(
        traces.span("request").fields.to_string(),
        "era=0 fallback=value fallback_failed=false name=reviews outcome=failure probe=false \
         retry=exhausted state=closed timed_out=call"
    );
}

// L7, M9: the name and the outcome on a span belong together, whoever has fallen back between them.
#[cfg(feature = "degrade")]
#[tokio::test]
async fn a_fallback_of_another_circuit_does_not_take_the_name_of_a_call() {
    use std::convert::Infallible;

    use http::Response;
    use tower::{Layer, service_fn};
    use tower_breaker::{CircuitError, degrade::fallback};

    let traces = Collector::new();
    let _listening = traces.listen();
    let outer = brittle(|builder| builder.record_on_current_span());
    let inner = named("bank", |builder| builder.record_on_current_span());
    let _in_request = request().entered();
    let guard = outer.try_acquire().expect("admitted");
    let told = inner.try_acquire().expect("admitted");
    // Of the outer one, while the inner one's call goes on.
    let answer = fallback::response(|_| Response::new("default"));
    let rejecting = service_fn(
        async |(): ()| -> Result<Response<&str>, CircuitError<Infallible>> {
            let failing = Response::builder().status(500);
            Ok(failing.body("").expect("valid"))
        },
    );
    let fallback = fallback::FallbackLayer::on_failure(&outer, answer).layer(rejecting);
    fallback.oneshot(()).await.expect("an answer");
    guard.success();
    std::mem::forget(told);
    let span = traces.span("request");
    assert_eq!(span.fields.get("circuit_breaker.name"), Some("payments"));
    assert_eq!(span.fields.get("circuit_breaker.fallback"), Some("value"));
}
