//! tower-breaker.

use std::time::Duration;

use tower::Layer;
use tower_breaker::{
    Circuit, CircuitBreaker, CircuitBreakerLayer, CircuitBuilder, CircuitError,
    classify::ErrorsOnly, clock::Coarse, reject::RejectAsError,
};

use super::{Contender, LONG, Plan, WINDOW};
use crate::{
    forms::{Row, closure, future, tower},
    scenarios::{Ended, Scripted, Subject, TowerSubject},
    work::work,
};

/// Its name.
pub const NAME: &str = "tower-breaker";
const NO_TOTALS: &str = "tower-breaker, no totals";
const TIME_WINDOW: &str = "tower-breaker, time window";
const COARSE: &str = "tower-breaker, coarse clock";

/// For the scenarios.
#[must_use]
pub fn contender() -> Contender {
    Contender {
        name: NAME,
        set_to: "50 % of a count window of 100, at least 100 calls; rejections as errors. *Time window* \
                 is 50 % of 30 s, at least 100 calls, and *coarse clock* the same with `clock::Coarse`. \
                 *No totals* leaves out the statistics that are kept by default. In the scenarios probes \
                 have as long as the break (`half_open_timeout`)",
        permits: Some,
        span: None,
        subject,
    }
}

fn builder() -> CircuitBuilder {
    Circuit::builder(NAME)
        .failure_rate(0.5)
        .minimum_calls(WINDOW)
        .open_for(LONG)
}

fn counting() -> CircuitBuilder {
    builder().count_window(WINDOW)
}

fn timing() -> CircuitBuilder {
    builder().time_window(Duration::from_secs(30))
}

fn build(builder: CircuitBuilder) -> Circuit {
    builder.build().expect("valid")
}

fn protect<S>(inner: S, circuit: Circuit) -> CircuitBreaker<S, ErrorsOnly, RejectAsError> {
    CircuitBreakerLayer::new(circuit)
        .classifier(ErrorsOnly)
        .reject_as_error()
        .layer(inner)
}

fn subject(plan: Plan, scripted: Scripted) -> Box<dyn Subject> {
    let circuit = build(
        counting()
            .open_for(plan.break_for)
            .permits(plan.permits)
            .success_threshold(plan.permits)
            .half_open_timeout(plan.break_for),
    );
    Box::new(TowerSubject::new(protect(scripted, circuit), ended))
}

fn ended<T, E>(result: Result<T, CircuitError<E>>) -> Ended {
    match result {
        Ok(_) => Ended::Answered,
        Err(CircuitError::Rejected(_)) => Ended::Refused,
        Err(_) => Ended::Failed,
    }
}

/// For the figures.
#[must_use]
pub fn rows() -> Vec<Row> {
    let mut rows = variant(NAME, counting);
    rows.extend(variant(NO_TOTALS, || counting().totals(false)));
    rows.extend(variant(TIME_WINDOW, timing));
    rows.extend(variant(COARSE, || timing().clock(Coarse)));
    rows
}

fn variant(name: &'static str, builder: fn() -> CircuitBuilder) -> Vec<Row> {
    let mut rows = tower(name, move |bare, _| protect(bare, build(builder())));
    rows.push(future(name, move |_| {
        let circuit = build(builder());
        async move |request| circuit.call(async { work(request) }).await.is_ok()
    }));
    rows.push(closure(name, move |_| {
        let circuit = build(builder());
        move |request| {
            let Ok(guard) = circuit.try_acquire() else {
                return false;
            };
            let answered = work(request).is_ok();
            if answered {
                guard.success();
            } else {
                guard.failure();
            }
            answered
        }
    }));
    rows
}
