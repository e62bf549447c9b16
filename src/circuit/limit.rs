//! The limits of a call: that of every call (rule M5), that of a probe (D9), and what its caller has left (M5). One
//! timer for all of them, and only while a call has to wait.
//!
//! It is made when the future of a call that is limited is pending. So a call that is not pays a look at a word that
//! it has read already, and that only when it is pending; and one that is answered at once needs no timer either.

use std::{
    fmt,
    future::{Future, poll_fn},
    ops::Deref,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};

use super::{
    error::{LimitOf, TimedOut},
    guard::{Admitted, Meter, abandon, fail},
    handle::Circuit,
};
use crate::machine::{Answer, Mode, Ticket};

/// Until when the caller of a call waits.
#[derive(Clone, Copy, Debug)]
pub struct CallerLimit {
    left: Duration,
    at: Instant,
}

impl CallerLimit {
    /// Of a caller that has so much time left. `None` if that is no limit at all.
    pub(crate) fn of(left: Duration) -> Option<Self> {
        let at = Instant::now().checked_add(left)?;
        Some(Self { left, at })
    }

    /// The earlier of two.
    pub(crate) fn earlier(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        one.into_iter().chain(other).min_by_key(|caller| caller.at)
    }

    /// How much time it still has.
    pub(crate) fn left(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }
}

/// A limit that a call has reached.
#[derive(Clone, Copy, Debug)]
pub struct Reached {
    whose: LimitOf,
    limit: Duration,
}

/// A call whose future is pending.
pub struct Waiting<'a, M: Meter> {
    circuit: &'a Circuit,
    ticket: Ticket,
    meter: M::Look<'a>,
}

impl<M: Meter> Waiting<'_, M> {
    /// In nanoseconds: for how long it has waited for its client.
    fn for_client(&self) -> u64 {
        M::waited(self.meter, || self.circuit.now()).unwrap_or(0)
    }
}

/// Where a call keeps its timer.
pub trait Timer {
    /// That of a call that is made now.
    #[doc(hidden)]
    fn new(caller: Option<CallerLimit>) -> Self;

    /// The call was made before it was admitted: by then, its caller had said so already.
    #[doc(hidden)]
    fn shorten(&mut self, _: CallerLimit) {}

    /// Whether the call is limited, whatever its circuit says by now.
    #[doc(hidden)]
    fn is_set(&self) -> bool;

    /// Ready when the call has reached a limit. Asked again, it goes on to the next.
    #[doc(hidden)]
    fn poll_limit<M: Meter>(
        self: Pin<&mut Self>,
        call: Waiting<'_, M>,
        context: &mut Context<'_>,
    ) -> Poll<Reached>;
}

/// Far away, for calls that seldom need one: none, unless the call is limited and has had to wait.
///
/// Nobody shares it. But of an `Arc`, all but the look whether there is one is out of line when it is dropped, and
/// that look is all that other calls should pay.
#[derive(Debug)]
pub struct Boxed(Option<Arc<Running>>);

/// Limits, and the timer of the first of them.
#[derive(Debug)]
struct Running {
    limits: Limits,
    timer: Pin<Box<Sleep>>,
}

impl Timer for Boxed {
    #[inline(always)]
    fn new(_: Option<CallerLimit>) -> Self {
        Self(None)
    }

    #[inline(always)]
    fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// What is far away gets nothing of the call's by reference, so that a call that is not limited need not lie in
    /// memory.
    #[inline(always)]
    fn poll_limit<M: Meter>(
        self: Pin<&mut Self>,
        call: Waiting<'_, M>,
        context: &mut Context<'_>,
    ) -> Poll<Reached> {
        let this = self.get_mut();
        let (running, polled) = wait(call, this.0.take(), context);
        this.0 = running;
        polled
    }
}

#[cold]
#[inline(never)]
fn wait<M: Meter>(
    call: Waiting<'_, M>,
    running: Option<Arc<Running>>,
    context: &mut Context<'_>,
) -> (Option<Arc<Running>>, Poll<Reached>) {
    let new = |limits: Limits| {
        let timer = Box::pin(limits.timer());
        Arc::new(Running { limits, timer })
    };
    let begin = || Limits::of(&call, None).map(new);
    let Some(mut running) = running.or_else(begin) else {
        return (None, Poll::Pending);
    };
    let Running { limits, timer } = Arc::get_mut(&mut running).expect("nobody shares it");
    let polled = limits.poll(&call, timer.as_mut(), context);
    (Some(running), polled)
}

pin_project! {
    /// In the future of the call itself: no allocation, and a larger future.
    #[derive(Debug)]
    pub struct Inline {
        caller: Option<CallerLimit>,
        limits: Option<Limits>,
        #[pin]
        timer: Option<Sleep>,
    }
}

impl Timer for Inline {
    fn new(caller: Option<CallerLimit>) -> Self {
        Self {
            caller,
            limits: None,
            timer: None,
        }
    }

    fn shorten(&mut self, caller: CallerLimit) {
        self.caller = CallerLimit::earlier(self.caller, Some(caller));
    }

    fn is_set(&self) -> bool {
        self.caller.is_some() || self.limits.is_some()
    }

    #[cold]
    #[inline(never)]
    fn poll_limit<M: Meter>(
        self: Pin<&mut Self>,
        call: Waiting<'_, M>,
        context: &mut Context<'_>,
    ) -> Poll<Reached> {
        let mut this = self.project();
        if this.limits.is_none() {
            let caller = this.caller.take();
            *this.limits = Limits::of(&call, caller);
            this.timer.set(this.limits.as_ref().map(Limits::timer));
        }
        match (this.limits, this.timer.as_pin_mut()) {
            (Some(limits), Some(timer)) => limits.poll(&call, timer, context),
            _ => Poll::Pending,
        }
    }
}

/// What a call may take, from when it first has to wait.
#[derive(Debug)]
struct Limits {
    began: Instant,
    /// In nanoseconds: for how long the call had waited for its client by then.
    excused: u64,
    call: Option<Duration>,
    probe: Option<Duration>,
    caller: Option<CallerLimit>,
}

impl Limits {
    /// Those that a call has which begins to wait now; `None` if it has none. One that is part of another call has none
    /// of its own (D8): its ticket is spent.
    fn of<M: Meter>(waiting: &Waiting<'_, M>, caller: Option<CallerLimit>) -> Option<Self> {
        if waiting.ticket.is_spent() {
            return None;
        }
        let (call, probe) = waiting.circuit.timeouts();
        let probe = probe.filter(|_| waiting.ticket.is_probe());
        (call.is_some() || probe.is_some() || caller.is_some()).then(|| Self {
            began: Instant::now(),
            excused: waiting.for_client(),
            call,
            probe,
            caller,
        })
    }

    /// The limit that is reached first, and when. The circuit's own begin later by the time for which the call has
    /// waited for its client (A3); its caller waits no longer because of that. Of two at the same instant it is the
    /// circuit's own, so that no failure is hidden.
    fn first(&self, waited: u64) -> Option<(Instant, Reached)> {
        let more = Duration::from_nanos(waited.saturating_sub(self.excused));
        let own = |limit: Option<Duration>, whose| {
            let limit = limit?;
            let at = self.began.checked_add(limit)?.checked_add(more)?;
            Some((at, Reached { whose, limit }))
        };
        let caller = self.caller.map(|CallerLimit { left: limit, at }| {
            let whose = LimitOf::Caller;
            (at, Reached { whose, limit })
        });
        let limits = [
            own(self.call, LimitOf::Call),
            own(self.probe, LimitOf::Probe),
            caller,
        ];
        limits.into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    fn timer(&self) -> Sleep {
        match self.first(self.excused) {
            Some((at, _)) => tokio::time::sleep_until(at),
            None => tokio::time::sleep(Duration::MAX),
        }
    }

    /// Ready when the call has had its time, not counting that in which it has waited for its client (A3).
    fn poll<M: Meter>(
        &mut self,
        call: &Waiting<'_, M>,
        mut timer: Pin<&mut Sleep>,
        context: &mut Context<'_>,
    ) -> Poll<Reached> {
        loop {
            ready!(poll_timer(timer.as_mut(), context));
            let Some((at, reached)) = self.first(call.for_client()) else {
                return Poll::Pending;
            };
            if at <= Instant::now() {
                self.forget(reached.whose);
                return Poll::Ready(reached);
            }
            timer.as_mut().reset(at);
        }
    }

    /// A limit was reached, and does not end the call: the others hold. That of every call is the last word.
    fn forget(&mut self, reached: LimitOf) {
        match reached {
            LimitOf::Call => (self.call, self.probe, self.caller) = (None, None, None),
            LimitOf::Probe => self.probe = None,
            LimitOf::Caller => self.caller = None,
        }
    }
}

impl<H: Deref<Target = Circuit>, M: Meter> Admitted<H, false, M> {
    #[inline(always)]
    fn waiting(&self) -> Waiting<'_, M> {
        Waiting {
            circuit: self.handle(),
            ticket: *self.ticket(),
            meter: self.meter(),
        }
    }

    /// Whether a call whose future is pending may have a limit.
    #[inline(always)]
    pub(crate) fn is_limited(&self, timer: &impl Timer) -> bool {
        self.is_probe() || self.handle().limits_calls() || timer.is_set()
    }

    /// What a call does whose future is pending: ready with what its caller is told, once a limit has cut it off.
    /// Where nobody is cut off, or there is no `answer` to it, the call goes on.
    ///
    /// It is inlined, and what is far away gets nothing of the call's by reference, so that a call that is not limited
    /// need not lie in memory.
    #[inline(always)]
    pub(crate) fn poll_limit<T: Timer, A>(
        &mut self,
        mut timer: Pin<&mut T>,
        context: &mut Context<'_>,
        answer: impl Fn(&H, TimedOut) -> Option<A>,
    ) -> Poll<A> {
        loop {
            let reached = ready!(timer.as_mut().poll_limit(self.waiting(), context));
            let timed_out = reached.told_of(self.handle());
            // A caller that cannot be answered waits, and then the call is not over for the circuit either. Else a
            // stranger whose limit is short would make it blind.
            let is_callers = reached.whose == LimitOf::Caller;
            let early = is_callers.then(|| answer(self.handle(), timed_out.clone()));
            if let Some(None) = early {
                continue;
            }
            let cuts = self.waiting().end(&timed_out);
            self.forget_ticket();
            let answer = early.unwrap_or_else(|| answer(self.handle(), timed_out));
            if let (Some(answer), true) = (answer, cuts) {
                return Poll::Ready(answer);
            }
        }
    }
}

impl Reached {
    #[cold]
    fn told_of(self, circuit: &Circuit) -> TimedOut {
        TimedOut::new(circuit.shared_name(), self.limit, self.whose)
    }
}

impl<M: Meter> fmt::Debug for Waiting<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("circuit", self.circuit)
            .finish_non_exhaustive()
    }
}

impl<M: Meter> Waiting<'_, M> {
    /// The call has reached a limit: for the circuit, it ends. Whether it does for its caller, too.
    #[cold]
    #[inline(never)]
    fn end(self, timed_out: &TimedOut) -> bool {
        let Self {
            circuit,
            ticket,
            meter,
        } = self;
        // E1: a probe's own limit cuts nobody off where everything is admitted. Asked before listeners hear of the
        // failure: they may change it.
        let admits_all = matches!(circuit.mode(), Mode::Shadow | Mode::Disabled);
        let cuts = timed_out.whose() != LimitOf::Probe || !admits_all;
        // Spent if it has reached another limit before.
        if !ticket.is_spent() {
            circuit.note_timed_out(timed_out);
            match timed_out.whose() {
                LimitOf::Caller => abandon::<M>(circuit, ticket, meter, Answer::None),
                LimitOf::Call | LimitOf::Probe => fail::<M>(circuit, ticket, meter),
            }
        }
        cuts
    }
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
