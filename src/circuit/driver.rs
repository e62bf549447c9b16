//! A driver makes probes of its own, where there is no traffic to make them (rule D7).
//!
//! An open circuit waits for a call to find out whether its dependency is back (rule C5). That costs somebody a
//! request, and where nobody asks, because the circuit is quiet or a balancer steers around it, it never
//! happens. A driver asks by itself.
//!
//! It waits as readiness mode does, without polling: for the end of the break or of a probe's patience by
//! tokio's timer, and for everything else by being told. What it waits with is held weakly, so that it ends
//! with its circuit.

use std::{
    future::{Future, pending, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use super::{
    classify::{Classify, ErrorsOnly},
    error::{LimitOf, TimedOut},
    handle::{Circuit, WeakCircuit},
    limit, nesting,
};
use crate::{
    machine::{Answer, Nanos, Outcome, Ticket},
    util::future::{either, yield_now},
};

impl Circuit {
    /// A future to spawn: it runs `check` whenever the circuit could be probed, and tells the circuit the result. So no
    /// user's request has to be the probe (rule D7).
    ///
    /// Once the wait of an open circuit is over, it runs `check` as a probe. The check takes a permit like any other
    /// probe. `Ok` is a success, `Err` a failure. If more than one probe is needed, it runs them one after another,
    /// never two at once. While the circuit is closed, forced open or disabled, it does nothing. In shadow mode it
    /// checks, too.
    ///
    /// It ends when the circuit is gone, and does not keep the circuit alive. If it is dropped, a check in flight is
    /// abandoned.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_breaker::{Circuit, State};
    ///
    /// # async fn ping() -> Result<(), std::io::Error> { Ok(()) }
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), tower_breaker::ConfigError> {
    /// let circuit = Circuit::builder("database")
    ///     .consecutive_failures(3)
    ///     .open_for(Duration::from_secs(5))
    ///     .build()?;
    /// tokio::spawn(circuit.probe_with(async || ping().await));
    ///
    /// circuit.trip(Duration::from_secs(5)).expect("normal mode");
    /// // Nobody makes a call, and yet:
    /// assert!(circuit.watch().wait_for(State::Closed).await);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// * A check that **fails** reopens the circuit, as a failed probe does. The driver then waits for the next break.
    /// * A check that **hangs** is dropped after [`half_open_timeout`], like any probe, and has failed. A shorter
    ///   [`probe_timeout`](crate::CircuitBuilder::probe_timeout) or
    ///   [`call_timeout`](crate::CircuitBuilder::call_timeout) holds before that.
    /// * A check that is **no longer needed** is dropped at once: somebody has reset the circuit, or other probes have
    ///   decided.
    /// * A check that **panics** has failed (A5). The panic goes on unwinding and ends the driver. To keep the driver,
    ///   catch panics inside of the check.
    /// * A check counts in the [totals](crate::Totals) like any call. A driver that waits counts nothing as rejected.
    ///
    /// **Watch out**: if a check takes longer than half-open waits, a driver never closes the circuit. Raise
    /// [`half_open_timeout`] above what a check may take, and give the check a timeout of its own below it.
    ///
    /// A check may go through the same circuit, by a client that is protected: that is part of the check (rule
    /// D8).
    ///
    /// **Watch out**: it must not do so from another task. The check has the only permit already, so the circuit
    /// rejects the call there. The check fails, and the circuit never closes.
    ///
    /// ```text
    /// circuit.probe_with(async || spawn(circuit.clone().call_owned(ping())).await?)  // wrong
    /// circuit.probe_with(async || spawn(ping()).await?)                              // right
    /// circuit.probe_with(async || circuit.call(ping()).await)                        // right
    /// ```
    ///
    /// # Panics
    ///
    /// The future panics if it has to wait for an instant and there is no tokio runtime with time enabled. It waits by
    /// tokio's timer. With a [clock](crate::clock) of another kind, a driver that is woken too early waits again.
    ///
    /// [`half_open_timeout`]: crate::CircuitBuilder::half_open_timeout
    #[doc(alias = "automatic_transition_from_open_to_half_open")]
    #[doc(alias = "automaticTransitionFromOpenToHalfOpenEnabled")]
    pub fn probe_with<F, T, E>(&self, check: F) -> impl Future<Output = ()> + use<F, T, E>
    where
        F: AsyncFnMut() -> Result<T, E>,
    {
        drive(self.downgrade(), ErrorsOnly, check)
    }

    /// Like [`probe_with`](Self::probe_with), with a [`Classify`] to say what a check came to.
    ///
    /// If the outcome is neither success nor failure, nothing is decided. The next check then waits as long as
    /// half-open waits for a probe.
    pub fn probe_with_classifier<C, F, T, E>(
        &self,
        classifier: C,
        check: F,
    ) -> impl Future<Output = ()> + use<C, F, T, E>
    where
        C: Classify<T, E>,
        F: AsyncFnMut() -> Result<T, E>,
    {
        drive(self.downgrade(), classifier, check)
    }
}

async fn drive<C, F, T, E>(circuit: WeakCircuit, classifier: C, mut check: F)
where
    C: Classify<T, E>,
    F: AsyncFnMut() -> Result<T, E>,
{
    while let Some(mut probe) = admission(&circuit).await {
        // A check that is always ready must not keep others from running.
        yield_now().await;
        let ticket = probe.ticket;
        let limit = circuit.upgrade().and_then(|held| limit_of_check(&held));
        let check = nesting::within(circuit.identity(), || check());
        let ended = until_over(check, &circuit, ticket, limit).await;
        match ended {
            CheckEnd::Answered(result) => {
                let classify = || classifier.classify(result.as_ref());
                let outcome = nesting::within(circuit.identity(), classify);
                probe.finish(outcome, Answer::of(&result));
                if matches!(outcome, Outcome::Ignored | Outcome::InnerRejection) {
                    over(&circuit, ticket).await;
                }
            }
            CheckEnd::Late(limit) => {
                probe.note_limit(limit);
                probe.finish(Outcome::Failure, Answer::None);
            }
            CheckEnd::Stale => {}
        }
    }
}

/// How a check ended.
enum CheckEnd<R> {
    Answered(R),
    /// Half-open has waited long enough, or the check has reached its limit.
    Late(Option<CheckLimit>),
    /// Its half-open era is over, or its circuit gone.
    Stale,
}

/// How long a check may take (D9, M5), and whose limit that is.
type CheckLimit = (Duration, LimitOf);

/// A check is a probe, and a call as any: the shorter limit counts.
fn limit_of_check(circuit: &Circuit) -> Option<CheckLimit> {
    let (call, probe) = circuit.timeouts();
    let limits = [
        call.zip(Some(LimitOf::Call)),
        probe.zip(Some(LimitOf::Probe)),
    ];
    limits.into_iter().flatten().min_by_key(|(limit, _)| *limit)
}

/// A check in flight. Like a guard (rules A4, A5), but it holds its circuit weakly.
struct Probe<'a> {
    circuit: &'a WeakCircuit,
    ticket: Ticket,
}

impl Probe<'_> {
    /// It has reached its limit, if that is why it is late.
    fn note_limit(&self, limit: Option<CheckLimit>) {
        if let (Some((limit, whose)), Some(circuit)) = (limit, self.circuit.upgrade()) {
            circuit.note_timed_out(&TimedOut::new(circuit.shared_name(), limit, whose));
        }
    }

    fn finish(&mut self, outcome: Outcome, answer: Answer) {
        if let (Some(ticket), Some(circuit)) = (self.ticket.take(), self.circuit.upgrade()) {
            circuit.record(ticket, outcome, answer);
        }
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        if let (Some(ticket), Some(circuit)) = (self.ticket.take(), self.circuit.upgrade()) {
            circuit.give_up(ticket);
        }
    }
}

/// Waits until the circuit admits a probe; `None` if it is gone.
async fn admission(circuit: &WeakCircuit) -> Option<Probe<'_>> {
    loop {
        let held = circuit.upgrade()?;
        // Before the look at the circuit, so that nothing that happens after it is missed.
        let waiting = held.observers().waiting();
        let changed = waiting.notified();
        let remaining = match held.admit_driven() {
            Ok(ticket) => return Some(Probe { circuit, ticket }),
            Err(remaining) => remaining,
        };
        drop(held);
        match remaining {
            Some(remaining) => either(changed, sleep(remaining)).await,
            None => changed.await,
        }
    }
}

/// Runs a check for as long as its result can matter.
async fn until_over<R>(
    check: impl Future<Output = R>,
    circuit: &WeakCircuit,
    ticket: Ticket,
    limit: Option<CheckLimit>,
) -> CheckEnd<R> {
    let (mut check, mut over) = (pin!(check), pin!(over(circuit, ticket)));
    let mut limited = pin!(limited(limit));
    poll_fn(
        |context| match nesting::within(circuit.identity(), || check.as_mut().poll(context)) {
            Poll::Ready(result) => Poll::Ready(CheckEnd::Answered(result)),
            Poll::Pending => match over.as_mut().poll(context) {
                Poll::Ready(true) => Poll::Ready(CheckEnd::Late(None)),
                Poll::Ready(false) => Poll::Ready(CheckEnd::Stale),
                Poll::Pending => {
                    let late = limited.as_mut().poll(context);
                    late.map(|()| CheckEnd::Late(limit))
                }
            },
        },
    )
    .await
}

/// Waits until a probe has had its time, and returns `true`; `false` if its era is over before.
async fn over(circuit: &WeakCircuit, ticket: Ticket) -> bool {
    loop {
        let Some(held) = circuit.upgrade() else {
            return false;
        };
        let waiting = held.observers().waiting();
        let changed = waiting.notified();
        let remaining = held.driven_remaining(ticket);
        drop(held);
        match remaining {
            None => return false,
            Some(Nanos::ZERO) => return true,
            Some(remaining) => either(changed, sleep(remaining)).await,
        }
    }
}

/// Waits until a check has reached its limit, if it has one.
async fn limited(limit: Option<CheckLimit>) {
    match limit {
        Some((limit, _)) => limit::sleep(limit).await,
        None => pending().await,
    }
}

async fn sleep(time: Nanos) {
    limit::sleep(time.duration()).await;
}
