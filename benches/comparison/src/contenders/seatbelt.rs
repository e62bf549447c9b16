//! seatbelt, in its Tower form: a mutex around a window of time.

use std::time::Duration;

use seatbelt::{
    RecoveryInfo, ResilienceContext,
    breaker::{Breaker, HalfOpenMode},
};
use tick::Clock;
use tokio::runtime::Builder;
use tower::{Layer, Service};

use super::{Contender, LONG, Plan};
use crate::{
    forms::{Row, tower},
    scenarios::{Ended, Scripted, Subject, TowerSubject},
    work::Broken,
};

const NAME: &str = "seatbelt";
const SPAN: Duration = Duration::from_secs(30);
/// The shortest that it allows.
const SHORT_SPAN: Duration = Duration::from_secs(1);

/// For the scenarios.
#[must_use]
pub fn contender() -> Contender {
    Contender {
        name: NAME,
        set_to: "50 % of a time window of 30 s, at least 100 calls, as it has no count window (1 s in the \
                 scenarios); half-open mode *quick*, a single probe",
        permits: |_| Some(1),
        span: Some(SHORT_SPAN),
        subject,
    }
}

fn protect<S, Req, Res>(
    inner: S,
    break_for: Duration,
    span: Duration,
) -> Breaker<Req, Result<Res, Broken>, S>
where
    S: Service<Req, Response = Res, Error = Broken>,
    Req: 'static,
    Res: 'static,
{
    let context = ResilienceContext::new(Clock::new_tokio());
    Breaker::layer("comparison", &context)
        .recovery_with(|result: &Result<Res, Broken>, _| match result {
            Ok(_) => RecoveryInfo::never(),
            Err(_) => RecoveryInfo::retry(),
        })
        .rejected_input_error(|_, _| Broken::Refused)
        .failure_threshold(0.5)
        .min_throughput(100)
        .sampling_duration(span)
        .break_duration(break_for)
        .half_open_mode(HalfOpenMode::quick())
        .layer(inner)
}

fn subject(plan: Plan, scripted: Scripted) -> Box<dyn Subject> {
    // Its clock wants a runtime to live in, if only to be made.
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let _entered = runtime.enter();
    let service = protect(scripted, plan.break_for, SHORT_SPAN);
    Box::new(TowerSubject::new(service, |result| match result {
        Ok(()) => Ended::Answered,
        Err(Broken::Refused) => Ended::Refused,
        Err(Broken::Work) => Ended::Failed,
    }))
}

/// For the figures.
#[must_use]
pub fn rows() -> Vec<Row> {
    tower(NAME, |bare, _| protect(bare, LONG, SPAN))
}
