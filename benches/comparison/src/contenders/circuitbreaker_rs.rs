//! circuitbreaker-rs: counters beside a state, and two mutexes for times.

use std::time::Duration;

use circuitbreaker_rs::{BreakerError, CircuitBreaker, DefaultPolicy};

use super::{Contender, LONG, Plan, WINDOW};
use crate::{
    forms::{Row, closure, future},
    scenarios::{CoreSubject, Ended, Scripted, Subject},
    work::{Broken, work},
};

const NAME: &str = "circuitbreaker-rs";

/// For the scenarios.
#[must_use]
pub fn contender() -> Contender {
    Contender {
        name: NAME,
        set_to: "50 % of all calls since it last closed, at least 100, as it has no window; its other \
                 rule, failures in a row, off",
        permits: Some,
        span: None,
        subject,
    }
}

fn circuit(break_for: Duration, permits: u32) -> CircuitBreaker<DefaultPolicy, Broken> {
    CircuitBreaker::<DefaultPolicy, Broken>::builder()
        .failure_threshold(0.5)
        .min_throughput(u64::from(WINDOW))
        .consecutive_failures(u64::MAX)
        .cooldown(break_for)
        .probe_interval(permits)
        .consecutive_successes(u64::from(permits))
        .build()
}

fn subject(plan: Plan, scripted: Scripted) -> Box<dyn Subject> {
    let circuit = circuit(plan.break_for, plan.permits);
    Box::new(CoreSubject(move |job| {
        let (circuit, scripted) = (circuit.clone(), scripted.clone());
        async move {
            match circuit.call_async(|| scripted.later(job)).await {
                Ok(()) => Ended::Answered,
                Err(BreakerError::Open) => Ended::Refused,
                Err(_) => Ended::Failed,
            }
        }
    }))
}

/// For the figures.
#[must_use]
pub fn rows() -> Vec<Row> {
    vec![
        future(NAME, |_| {
            let circuit = circuit(LONG, 1);
            async move |request| circuit.call_async(|| async { work(request) }).await.is_ok()
        }),
        closure(NAME, |_| {
            let circuit = circuit(LONG, 1);
            move |request| circuit.call(|| work(request)).is_ok()
        }),
    ]
}
