//! breaker: a read-write lock around a ring of outcomes, with a Tower layer.

use std::time::Duration;

use breaker::{
    BreakerLayer, BreakerService, CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError,
};
use tower::Layer;

use super::{Contender, LONG, Plan, WINDOW};
use crate::{
    forms::{Row, future, tower},
    scenarios::{Ended, Scripted, Subject, TowerSubject},
    work::work,
};

const NAME: &str = "breaker";

/// For the scenarios.
#[must_use]
pub fn contender() -> Contender {
    Contender {
        name: NAME,
        set_to: "50 % of a window of 100, which must be full; its other rule, failures in a row, off",
        permits: Some,
        span: None,
        subject,
    }
}

fn circuit(break_for: Duration, permits: u32) -> CircuitBreaker {
    CircuitBreaker::new(
        CircuitBreakerConfig::builder()
            .failure_rate_threshold(0.5)
            .sliding_window_size(WINDOW)
            .consecutive_failures(u32::MAX)
            .wait_duration(break_for)
            .half_open_max_calls(permits)
            .build(),
    )
}

fn protect<S>(inner: S, break_for: Duration, permits: u32) -> BreakerService<S> {
    BreakerLayer::new(circuit(break_for, permits)).layer(inner)
}

fn subject(plan: Plan, scripted: Scripted) -> Box<dyn Subject> {
    let service = protect(scripted, plan.break_for, plan.permits);
    Box::new(TowerSubject::new(service, |result| match result {
        Ok(()) => Ended::Answered,
        Err(CircuitBreakerError::Failure(_)) => Ended::Failed,
        Err(_) => Ended::Refused,
    }))
}

/// For the figures.
#[must_use]
pub fn rows() -> Vec<Row> {
    let mut rows = tower(NAME, |bare, _| protect(bare, LONG, 1));
    rows.push(future(NAME, |_| {
        let circuit = circuit(LONG, 1);
        async move |request| circuit.call(|| async { work(request) }).await.is_ok()
    }));
    rows
}
