//! The limit of a probe (rule D9): a timer that only a probe has, and only while it has to wait.
//!
//! It is made when the future of a probe is pending, so a call that is no probe pays one word, and a look at it
//! when it is dropped; a probe that is answered at once needs no timer either.

use std::{
    future::{Future, poll_fn},
    ops::Deref,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

use super::{
    error::{LimitOf, TimedOut},
    guard::{Admitted, Meter, fail},
    handle::Circuit,
};
use crate::machine::{Mode, Ticket};

/// The limit of one call: none, unless it is a probe that has had to wait.
///
/// Nobody shares it. But of an `Arc`, all but the look whether there is one is out of line when it is dropped, and
/// that look is all that other calls should pay.
pub(crate) type CallLimit = Option<Arc<Limit>>;

/// A limit, and what is left of it.
pub(crate) struct Limit {
    allowed: Duration,
    /// In nanoseconds: for how long the call had waited for its client when the timer was set.
    excused: u64,
    timer: Pin<Box<Sleep>>,
}

impl Limit {
    fn new(allowed: Duration, excused: u64) -> Self {
        Self {
            allowed,
            excused,
            timer: Box::pin(tokio::time::sleep(allowed)),
        }
    }

    /// Ready when the call has had its time, not counting that in which it has waited for its client (A3).
    fn poll_over(&mut self, waited: impl Fn() -> u64, context: &mut Context<'_>) -> Poll<Duration> {
        loop {
            ready!(poll_timer(self.timer.as_mut(), context));
            let waited = waited();
            let more = waited.saturating_sub(self.excused);
            if more == 0 {
                return Poll::Ready(self.allowed);
            }
            self.excused = waited;
            let later = Instant::now() + Duration::from_nanos(more);
            self.timer.as_mut().reset(later);
        }
    }
}

/// What has become of a probe whose future is pending.
enum Waiting {
    /// It goes on waiting, under its limit if it has one.
    GoesOn(CallLimit),
    /// It has failed, and its caller is told so, unless nobody is cut off.
    Failed(Option<TimedOut>),
}

impl<H: Deref<Target = Circuit>, M: Meter> Admitted<H, false, M> {
    /// What a probe does whose inner future is pending: when its limit has passed, it has failed. Ready if its
    /// caller is to be told so; where nobody is cut off, it goes on as a call that has ended for the circuit.
    ///
    /// It is inlined, and what is far away gets nothing of the call's by reference, so that a call that is no
    /// probe need not lie in memory.
    #[inline(always)]
    pub(crate) fn poll_limit(
        &mut self,
        limit: &mut CallLimit,
        context: &mut Context<'_>,
    ) -> Poll<TimedOut> {
        let meter = self.meter();
        match wait::<M>(self.handle(), *self.ticket(), meter, limit.take(), context) {
            Waiting::GoesOn(running) => {
                *limit = running;
                Poll::Pending
            }
            Waiting::Failed(timed_out) => {
                self.forget_ticket();
                timed_out.map_or(Poll::Pending, Poll::Ready)
            }
        }
    }
}

#[cold]
#[inline(never)]
fn wait<M: Meter>(
    circuit: &Circuit,
    ticket: Ticket,
    meter: M::Look<'_>,
    limit: CallLimit,
    context: &mut Context<'_>,
) -> Waiting {
    let waited = || M::waited(meter, || circuit.now()).unwrap_or(0);
    let new = |allowed| Arc::new(Limit::new(allowed, waited()));
    let Some(mut running) = limit.or_else(|| circuit.probe_timeout().map(new)) else {
        return Waiting::GoesOn(None);
    };
    let limit = Arc::get_mut(&mut running).expect("nobody shares it");
    let Poll::Ready(allowed) = limit.poll_over(waited, context) else {
        return Waiting::GoesOn(Some(running));
    };
    // E1: who admits everything cuts nobody off. Asked before listeners hear of the failure: they may change it.
    let cuts = !matches!(circuit.mode(), Mode::Shadow | Mode::Disabled);
    fail::<M>(circuit, ticket, meter);
    Waiting::Failed(cuts.then(|| TimedOut::new(circuit.shared_name(), allowed, LimitOf::Probe)))
}

/// Tokio's sleep, for the limit of a check.
pub(super) async fn sleep(duration: Duration) {
    let mut timer = pin!(tokio::time::sleep(duration));
    poll_fn(|context| poll_timer(timer.as_mut(), context)).await;
}

/// Polls a timer whose time may be over although it is pending: it is so, too, where others have used up what tokio
/// lets a task do at a time, and what it limits may do that each time.
fn poll_timer(timer: Pin<&mut Sleep>, context: &mut Context<'_>) -> Poll<()> {
    if Instant::now() < timer.deadline() {
        ready!(timer.poll(context));
    }
    Poll::Ready(())
}
