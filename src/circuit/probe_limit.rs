//! The limit of a probe (rule D9): a timer that only a probe has, and only while it has to wait.
//!
//! It is made when the future of a probe is pending, so a call that is no probe pays one word, and a look at it
//! when it is dropped; a probe that is answered at once needs no timer either. It is in a box, because a timer is
//! larger than many a future that it would be a part of.

use std::{
    future::Future,
    ops::Deref,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

use super::{
    error::ProbeTimedOut,
    guard::{Admitted, Meter},
    handle::Circuit,
};
use crate::machine::{Mode, Outcome};

/// The limit of one call: none, unless it is a probe that has had to wait.
pub(crate) type ProbeLimit = Option<Pin<Box<Limit>>>;

pin_project! {
    /// A limit, and what is left of it.
    pub(crate) struct Limit {
        allowed: Duration,
        // In nanoseconds: for how long the call had waited for its client when the timer was set.
        excused: u64,
        #[pin]
        timer: Sleep,
    }
}

impl Limit {
    fn new(allowed: Duration, excused: u64) -> Self {
        Self {
            allowed,
            excused,
            timer: sleep(allowed),
        }
    }

    /// Ready when the call has had its time, not counting that in which it has waited for its client (A3).
    fn poll_over(
        self: Pin<&mut Self>,
        waited: impl Fn() -> u64,
        context: &mut Context<'_>,
    ) -> Poll<Duration> {
        let mut this = self.project();
        loop {
            ready!(this.timer.as_mut().poll(context));
            let waited = waited();
            let more = waited.saturating_sub(*this.excused);
            if more == 0 {
                return Poll::Ready(*this.allowed);
            }
            *this.excused = waited;
            this.timer
                .as_mut()
                .reset(Instant::now() + Duration::from_nanos(more));
        }
    }
}

impl<H: Deref<Target = Circuit>, M: Meter> Admitted<H, false, M> {
    /// What a probe does whose inner future is pending: when its limit has passed, it has failed. Ready if its
    /// caller is to be told so; where nobody is cut off, it goes on as a call that has ended for the circuit.
    #[cold]
    pub(crate) fn poll_limit(
        &mut self,
        limit: &mut ProbeLimit,
        context: &mut Context<'_>,
    ) -> Poll<ProbeTimedOut> {
        if limit.is_none() {
            let allowed = self.holder().probe_timeout();
            *limit = allowed.map(|allowed| Box::pin(Limit::new(allowed, self.waited())));
        }
        let Some(running) = limit else {
            return Poll::Pending;
        };
        let allowed = ready!(running.as_mut().poll_over(|| self.waited(), context));
        *limit = None;
        // Looked at before listeners are told that the probe has failed: they may change it.
        let cuts = self.holder().cuts_off();
        self.finish(Outcome::Failure, false);
        if !cuts {
            return Poll::Pending;
        }
        let name = self.holder().shared_name();
        Poll::Ready(ProbeTimedOut::new(name, allowed))
    }
}

impl Circuit {
    /// E1: who admits everything cuts nobody off.
    fn cuts_off(&self) -> bool {
        !matches!(self.mode(), Mode::Shadow | Mode::Disabled)
    }
}
