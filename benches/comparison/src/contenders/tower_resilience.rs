//! tower-resilience-circuitbreaker: a Tower layer around a tokio mutex.

use std::time::Duration;

use tower::Layer;
use tower_resilience_circuitbreaker::{
    CircuitBreaker, CircuitBreakerError, CircuitBreakerLayer, DefaultClassifier,
};

use super::{Contender, LONG, Plan, WINDOW};
use crate::{
    forms::{Row, tower},
    scenarios::{Ended, Scripted, Subject, TowerSubject},
};

const NAME: &str = "tower-resilience-circuitbreaker";

/// For the scenarios.
#[must_use]
pub fn contender() -> Contender {
    Contender {
        name: NAME,
        set_to: "50 % of its count window of 100, which is its default",
        permits: Some,
        span: None,
        subject,
    }
}

fn protect<S>(inner: S, break_for: Duration, permits: u32) -> CircuitBreaker<S, DefaultClassifier> {
    CircuitBreakerLayer::builder()
        .failure_rate_threshold(0.5)
        .sliding_window_size(WINDOW as usize)
        .wait_duration_in_open(break_for)
        .permitted_calls_in_half_open(permits as usize)
        .build()
        .expect("valid")
        .layer(inner)
}

fn subject(plan: Plan, scripted: Scripted) -> Box<dyn Subject> {
    let service = protect(scripted, plan.break_for, plan.permits);
    Box::new(TowerSubject::new(service, |result| match result {
        Ok(()) => Ended::Answered,
        Err(CircuitBreakerError::OpenCircuit) => Ended::Refused,
        Err(_) => Ended::Failed,
    }))
}

/// For the figures.
#[must_use]
pub fn rows() -> Vec<Row> {
    tower(NAME, |bare, _| protect(bare, LONG, 1))
}
