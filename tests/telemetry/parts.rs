//! What is around a breaker is seen (rule M9): the bulkhead, calls that are cut off, fallbacks, retries.

use std::{
    convert::Infallible,
    future::{pending, ready},
    time::Duration,
};

use http::{Request, Response, StatusCode};
use tower::{ServiceBuilder, service_fn};
use tower_breaker::{
    Circuit, CircuitBreakerLayer, RetryLimits,
    degrade::{
        fallback::{self, FallbackLayer},
        retries::Retries,
    },
    registry::Registry,
    telemetry::Exposition,
};

use super::scrape::{Exported, Scrape, succeed};

const SECOND: Duration = Duration::from_secs(1);

/// A circuit with everything around it.
fn registry() -> (Registry, Circuit) {
    let registry = Registry::builder().defaults(|circuit| {
        let circuit = circuit.consecutive_failures(100).call_timeout(SECOND);
        let circuit = circuit.bulkhead(2, Duration::ZERO);
        circuit.retries(RetryLimits::new(1).share(1.0).per_second(100))
    });
    let registry = registry.circuit("a", |circuit| circuit).build();
    let registry = registry.expect("valid");
    let circuit = registry.try_get("a").expect("named");
    (registry, circuit)
}

/// Calls something that always fails, through a fallback and retries.
async fn fail_twice_and_fall_back(circuit: &Circuit) {
    let failing = service_fn(|_: Request<String>| {
        let response = Response::builder().status(StatusCode::BAD_GATEWAY);
        ready(Ok::<_, Infallible>(
            response.body(String::new()).expect("valid"),
        ))
    });
    let answer = fallback::response(|_| Response::new("default".to_owned()));
    let service = ServiceBuilder::new()
        .layer(FallbackLayer::on_failure(circuit, answer))
        .retry(Retries::new(circuit))
        .layer(CircuitBreakerLayer::new(circuit.clone()))
        .service(failing);
    let answer = service
        .oneshot(Request::default())
        .await
        .expect("an answer");
    assert_eq!(answer.into_body(), "default");
}

fn bulkhead(seen: &Scrape) -> [f64; 3] {
    ["places", "taken", "waiting"]
        .map(|what| seen.value(&format!("bulkhead_calls{{circuit=\"a\",what=\"{what}\"}}")))
}

fn decided(seen: &Scrape, decision: &str) -> f64 {
    seen.value(&format!(
        "retries_total{{circuit=\"a\",decision=\"{decision}\"}}"
    ))
}

fn cut_off(seen: &Scrape, limit: &str) -> f64 {
    seen.value(&format!(
        "timed_out_calls_total{{circuit=\"a\",limit=\"{limit}\"}}"
    ))
}

fn answered(seen: &Scrape) -> Option<f64> {
    seen.get("fallbacks_total{cause=\"failed\",circuit=\"a\",kind=\"value\",result=\"answered\"}")
}

// M9, L4: there before it happens, where it may.
#[test]
fn what_may_be_cut_off_or_repeated_is_there_at_zero() {
    let (registry, _) = registry();
    let exported = Exported::of(&registry);
    let exposition = Exposition::new(&registry);
    for seen in [exported.scrape(), Scrape::read(&exposition.render())] {
        assert_eq!(
            ["call", "probe", "caller"].map(|it| cut_off(&seen, it)),
            [0.0; 3]
        );
        for decision in ["retried", "no_budget", "not_closed", "exhausted", "off"] {
            assert_eq!(decided(&seen, decision), 0.0);
        }
        assert_eq!(answered(&seen), None);
        assert!(seen.circuits("bulkhead_calls").is_empty(), "no layer yet");
        assert!(seen.circuits("queue_entries").is_empty(), "no queue");
    }
    // Of a circuit that is just a breaker, there is nothing.
    let plain = Registry::builder().circuit("a", |circuit| circuit).build();
    let plain = plain.expect("valid");
    succeed(&plain.try_get("a").expect("named"));
    let seen = Scrape::read(&Exposition::new(&plain).render());
    for metric in [
        "timed_out_calls_total",
        "retries_total",
        "fallbacks_total",
        "queue_total",
    ] {
        assert!(seen.circuits(metric).is_empty(), "{metric}");
    }
}

// M9, L6: whose numbers they are nobody could tell.
#[test]
fn what_is_now_is_not_shown_of_circuits_that_share_a_label() {
    let (registry, a) = registry();
    let exported = Exported::with(&registry, |builder| builder.max_labels(0));
    let exposition = Exposition::new(&registry).max_labels(0);
    let _place = a.try_enter().expect("free");
    succeed(&a);
    for seen in [exported.scrape(), Scrape::read(&exposition.render())] {
        assert_eq!(seen.calls("other", "success"), 1.0);
        assert_eq!(seen.circuits("bulkhead_calls"), [""; 0]);
    }
}

// M9, L4, L5
#[tokio::test(start_paused = true)]
async fn each_part_is_counted() {
    let (registry, a) = registry();
    let exported = Exported::of(&registry);
    let exposition = Exposition::new(&registry);
    let _places = [a.try_enter(), a.try_enter()].map(|place| place.expect("free"));
    a.try_enter().expect_err("full");
    let never = a.call(pending::<Result<(), Infallible>>());
    never.await.expect_err("cut off");
    fail_twice_and_fall_back(&a).await;
    for seen in [exported.scrape(), Scrape::read(&exposition.render())] {
        assert_eq!(bulkhead(&seen), [2.0, 2.0, 0.0]);
        let full = "rejections_total{circuit=\"a\",reason=\"bulkhead_full\"}";
        assert_eq!((seen.value(full), seen.calls("a", "rejected")), (1.0, 1.0));
        assert_eq!(
            (cut_off(&seen, "call"), cut_off(&seen, "probe")),
            (1.0, 0.0)
        );
        assert_eq!(
            (decided(&seen, "retried"), decided(&seen, "exhausted")),
            (1.0, 1.0)
        );
        assert_eq!(answered(&seen), Some(1.0));
        assert_eq!(seen.of("a", "hidden_failures_total"), 0.0);
        assert_eq!(seen.of("a", "misplaced_calls_total"), 0.0);
    }
}

// M9, L4: what an exporter has cannot be made less, and what is now is not what was.
#[tokio::test(start_paused = true)]
async fn counters_of_parts_go_on_and_what_is_now_is_set_back() {
    let (registry, _) = registry();
    let exported = Exported::of(&registry);
    let exposition = Exposition::new(&registry);
    for round in 1..=3 {
        let a = registry.get_or_create("a").expect("made");
        let place = a.try_enter().expect("free");
        let both = || [exported.scrape(), Scrape::read(&exposition.render())];
        for seen in both() {
            assert_eq!(bulkhead(&seen), [2.0, 1.0, 0.0], "{round}");
        }
        fail_twice_and_fall_back(&a).await;
        let never = a.call(pending::<Result<(), Infallible>>());
        never.await.expect_err("cut off");
        registry.remove("a").expect("there");
        // Whoever makes it anew has not used a bulkhead yet; the old one's place is still held.
        let seen = exported.scrape();
        assert!(bulkhead(&seen)[0].is_nan());
        assert_eq!(bulkhead(&seen)[1..], [0.0; 2], "{round}");
        registry.get_or_create("a").expect("made");
        for seen in both() {
            assert_eq!(bulkhead(&seen)[1..], [0.0; 2], "{round}");
            assert_eq!(answered(&seen), Some(f64::from(round)));
            assert_eq!(decided(&seen, "retried"), f64::from(round));
            assert_eq!(cut_off(&seen, "call"), f64::from(round));
        }
        drop(place);
        registry.remove("a").expect("there");
    }
}

// M9: nothing fails in silence.
#[tokio::test(start_paused = true)]
async fn a_setting_that_nothing_keeps_to_is_seen() {
    let (registry, a) = registry();
    let exported = Exported::of(&registry);
    let unused = || exported.scrape().of("a", "unused_settings");
    assert_eq!(unused(), 0.0, "there are no calls yet");
    succeed(&a);
    assert_eq!(
        unused(),
        2.0,
        "no layer of a bulkhead, no policy for retries"
    );
    drop(a.try_enter().expect("free"));
    assert_eq!(unused(), 1.0);
    // Whether or not it ever has something to do.
    let policy: Retries = Retries::new(&a);
    drop(policy);
    assert_eq!(unused(), 0.0);
    let off = a.reconfigure(|settings| settings.set_bulkhead(None));
    off.expect("valid");
    assert_eq!(unused(), 0.0);
}

// M9: a fallback inside the breaker hides failures from it.
#[tokio::test(start_paused = true)]
async fn failures_that_a_fallback_hides_are_counted() {
    let (registry, a) = registry();
    let exported = Exported::of(&registry);
    let failing = service_fn(|_: Request<String>| {
        let response = Response::builder().status(StatusCode::BAD_GATEWAY);
        ready(Ok::<_, Infallible>(
            response.body(String::new()).expect("valid"),
        ))
    });
    let answer = fallback::response(|_| Response::new("default".to_owned()));
    let service = ServiceBuilder::new()
        .layer(CircuitBreakerLayer::new(a.clone()))
        .layer(FallbackLayer::on_failure(&a, answer))
        .service(failing);
    service
        .oneshot(Request::default())
        .await
        .expect("an answer");
    let seen = exported.scrape();
    assert_eq!(seen.of("a", "hidden_failures_total"), 1.0);
    assert_eq!(seen.calls("a", "success"), 1.0);
}

// M9, L1: also of a queue.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_kept_is_counted_and_told() {
    use bytes::Bytes;
    use http::Method;
    use http_body_util::Full;
    use tower::Layer;
    use tower_breaker::{
        degrade::queue::{DeferLayer, Memory},
        observe::{PartNews, What},
    };

    let registry = Registry::builder().circuit("a", |circuit| circuit).build();
    let registry = registry.expect("valid");
    let circuit = registry.try_get("a").expect("named");
    let exported = Exported::of(&registry);
    let nobody = service_fn(async |_: Request<Full<Bytes>>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let service = CircuitBreakerLayer::new(circuit.clone()).layer(nobody);
    let service = DeferLayer::new(&circuit, Memory::bounded(1, 1 << 20)).layer(service);
    circuit.force_open();
    let order = || {
        let request = Request::builder().method(Method::POST);
        let request = request.body(Full::from("an order")).expect("valid");
        service.clone().oneshot(request)
    };
    let statuses = [order().await, order().await, order().await];
    let statuses = statuses.map(|answer| answer.expect("an answer").status().as_u16());
    assert_eq!(statuses, [202, 503, 503]);
    let seen = exported.scrape();
    assert_eq!(seen.of("a", "queue_entries"), 1.0);
    let of = |result| seen.value(&format!("queue_total{{circuit=\"a\",result=\"{result}\"}}"));
    assert_eq!(
        ["kept", "refused", "delivered", "dead"].map(of),
        [1.0, 2.0, 0.0, 0.0]
    );
    let told = circuit.recent_events();
    let told: Vec<_> = told
        .iter()
        .filter(|it| it.label() == "queue_refused")
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].what, What::Part(PartNews::QueueRefused));
    let line = circuit.snapshot().to_string();
    assert!(line.contains("; 1 call kept for later"), "{line}");
    // What it had is its own, and what it did stays.
    registry.remove("a").expect("there");
    let seen = exported.scrape();
    assert_eq!(seen.of("a", "queue_entries"), 0.0);
    assert_eq!(
        seen.value("queue_total{circuit=\"a\",result=\"kept\"}"),
        1.0
    );
}
