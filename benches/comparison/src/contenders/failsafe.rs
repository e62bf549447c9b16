//! failsafe: a mutex around a policy, either failures in a row or a success rate over time.

use std::time::Duration;

use failsafe::{
    Config, Error, FailurePolicy, StateMachine,
    backoff::{Constant, constant},
    failure_policy::{
        ConsecutiveFailures, SuccessRateOverTimeWindow, consecutive_failures,
        success_rate_over_time_window,
    },
};

use super::{Contender, LONG, Plan};
use crate::{
    forms::{Row, closure, future},
    scenarios::{CoreSubject, Ended, Scripted, Subject},
    work::{Path, work},
};

const NAME: &str = "failsafe";
const RATED: &str = "failsafe, success rate";
const SPAN: Duration = Duration::from_secs(30);
/// The shortest that it allows.
const SHORT_SPAN: Duration = Duration::from_secs(1);

/// For the scenarios.
#[must_use]
pub fn contender() -> Contender {
    Contender {
        name: NAME,
        set_to: "5 failures in a row. *Success rate* is below 50 % over 30 s, at least 100 calls, as it \
                 has no count window; over 1 s where it has to trip, because it waits for a whole window \
                 first, and in the scenario of the window",
        permits: |_| None,
        span: Some(SHORT_SPAN),
        subject,
    }
}

fn in_a_row(break_for: Duration) -> StateMachine<ConsecutiveFailures<Constant>, ()> {
    let policy = consecutive_failures(5, constant(break_for));
    Config::new().failure_policy(policy).build()
}

fn rated(
    break_for: Duration,
    span: Duration,
) -> StateMachine<SuccessRateOverTimeWindow<Constant>, ()> {
    let policy = success_rate_over_time_window(0.5, 100, span, constant(break_for));
    Config::new().failure_policy(policy).build()
}

fn rated_for(path: Path) -> StateMachine<SuccessRateOverTimeWindow<Constant>, ()> {
    rated(LONG, if path == Path::Open { SHORT_SPAN } else { SPAN })
}

fn subject(plan: Plan, scripted: Scripted) -> Box<dyn Subject> {
    if plan.rated {
        scripted_by(rated(plan.break_for, SHORT_SPAN), scripted)
    } else {
        scripted_by(in_a_row(plan.break_for), scripted)
    }
}

fn scripted_by<P>(machine: StateMachine<P, ()>, scripted: Scripted) -> Box<dyn Subject>
where
    P: FailurePolicy + Send + Sync + 'static,
{
    Box::new(CoreSubject(move |job| {
        let called = scripted.clone().later(job);
        let protected = failsafe::futures::CircuitBreaker::call(&machine, called);
        async move {
            match protected.await {
                Ok(()) => Ended::Answered,
                Err(Error::Rejected) => Ended::Refused,
                Err(Error::Inner(_)) => Ended::Failed,
            }
        }
    }))
}

/// For the figures.
#[must_use]
pub fn rows() -> Vec<Row> {
    let mut rows = variant(NAME, |_| in_a_row(LONG));
    rows.extend(variant(RATED, rated_for));
    rows
}

fn variant<P>(name: &'static str, machine: fn(Path) -> StateMachine<P, ()>) -> Vec<Row>
where
    P: FailurePolicy + Send + Sync + 'static,
{
    vec![
        future(name, move |path| {
            let machine = machine(path);
            async move |request| {
                let protected =
                    failsafe::futures::CircuitBreaker::call(&machine, async { work(request) });
                protected.await.is_ok()
            }
        }),
        closure(name, move |path| {
            let machine = machine(path);
            move |request| failsafe::CircuitBreaker::call(&machine, || work(request)).is_ok()
        }),
    ]
}
