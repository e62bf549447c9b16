//! [`ChaosBuilder`]: what a layer is to do.

use std::{ops::RangeInclusive, time::Duration};

use http::StatusCode;

use super::{
    error::ChaosError,
    layer::ChaosLayer,
    outcome::{FaultyCall, Status},
    plan::{Disturbance, Plan},
    when::When,
};

/// Makes a [`ChaosLayer`]. Without anything said, all calls pass.
#[derive(Clone, Debug)]
#[must_use = "it does nothing before `build`"]
pub struct ChaosBuilder<F = Status> {
    pub(super) plan: Plan,
    pub(super) outcome: F,
}

impl<F> ChaosBuilder<F> {
    /// Lets these calls fail, with the [outcome](Self::outcome) that was said. The inner service is not asked.
    pub fn fail(self, when: When) -> Self {
        self.rule(when, Disturbance::Fail)
    }

    /// Lets these calls hang: they never end, until the caller drops them. The inner service is not asked. A call that
    /// is to hang and to fail hangs.
    pub fn hang(self, when: When) -> Self {
        self.rule(when, Disturbance::Hang)
    }

    /// Lets these calls take longer, by a time of this range, at least its start and at most its end. For always the
    /// same: `time..=time`. Several delays of one call add up.
    ///
    /// The delay begins when the call is made. When it is over, the inner service's future is polled for the first
    /// time, or the fault comes. What the inner service has begun in its `call` already, as a
    /// [buffer](https://docs.rs/tower/latest/tower/buffer/) has, goes on meanwhile.
    ///
    /// Tokio's timers go by whole milliseconds, and end late rather than early. So the caller may wait for a
    /// millisecond more than this says, and never for less.
    pub fn delay(self, when: When, latency: RangeInclusive<Duration>) -> Self {
        let (least, most) = latency.into_inner();
        self.rule(when, Disturbance::Delay(least, most))
    }

    /// What a call ends with that is to fail: whatever this closure returns, `Ok` or `Err`. Said twice, the last holds,
    /// also of [`status`](Self::status).
    ///
    /// Default: a response with status 500, for services whose response is an [`http::Response`].
    pub fn outcome<G, Response, Error>(self, outcome: G) -> ChaosBuilder<G>
    where
        G: Fn(FaultyCall) -> Result<Response, Error>,
    {
        self.with_outcome(outcome)
    }

    /// A call that is to fail ends with a response of this status, without headers and with an empty body.
    ///
    /// Default: 500.
    pub fn status(self, status: StatusCode) -> ChaosBuilder<Status> {
        self.with_outcome(Status(status))
    }

    fn with_outcome<G>(self, outcome: G) -> ChaosBuilder<G> {
        ChaosBuilder {
            plan: self.plan,
            outcome,
        }
    }

    /// Builds the layer. The time of its schedule begins now.
    ///
    /// # Errors
    ///
    /// [`ChaosError`] for the first setting that makes no sense.
    pub fn build(self) -> Result<ChaosLayer<F>, ChaosError> {
        self.plan.check()?;
        Ok(ChaosLayer::new(self.plan, self.outcome))
    }

    fn rule(mut self, when: When, disturbance: Disturbance) -> Self {
        self.plan.rules.push((when, disturbance));
        self
    }
}
