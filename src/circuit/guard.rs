//! One admitted call: recorded once, or abandoned when dropped.
//!
//! What finishes a guard is always inlined, down to the few loads of the usual success. A guard that is passed on
//! through memory costs more than all of them: its words are stored one by one and loaded two at a time, and such a
//! load has to wait for the stores (it defeats store-to-load forwarding).

use std::{fmt, marker::PhantomData, ops::Deref};

use super::{
    classify::{Classify, ErrorsOnly},
    handle::Circuit,
    nesting::Inside,
};
use crate::machine::{Answer, Nanos, Outcome, Refusal, Ticket};

/// One admitted call of a circuit, made by [`Circuit::try_acquire`]. An [`OwnedGuard`] has a handle to the circuit of
/// its own, for [`tokio::spawn`](https://docs.rs/tokio/latest/tokio/fn.spawn.html).
///
/// Finish it with a result ([`record`](Self::record), [`finish_with`](Self::finish_with)) or an outcome.
///
/// * If the guard is dropped without either, the call is abandoned: neutral, or a slow failure if it has run too long
///   (rule A4).
/// * If it is dropped while its thread unwinds from a panic, the call has failed (rule A5). So has a call that panics
///   inside of [`Circuit::call`].
/// * If it is forgotten with [`std::mem::forget`], a probe holds its permit until half-open times out (D4). In all
///   other cases the permit is given back.
///
/// # Watch out
///
/// Between a guard and its outcome there must be no `?`. It drops the guard. So **failures are abandoned, and the
/// circuit never opens**:
///
/// ```
/// # use tower_breaker::Circuit;
/// # async fn query() -> Result<u32, std::io::Error> { Err(std::io::ErrorKind::TimedOut.into()) }
/// # async fn wrong(circuit: &Circuit) -> Result<u32, Box<dyn std::error::Error>> {
/// let guard = circuit.try_acquire()?;
/// let row = query().await?; // Wrong: an error leaves here, and nobody has told the guard.
/// guard.success();
/// # Ok(row)
/// # }
/// # async fn right(circuit: &Circuit) -> Result<u32, Box<dyn std::error::Error>> {
///
/// let guard = circuit.try_acquire()?;
/// let row = guard.finish_with(query().await)?; // Right: success or failure, and then `?`.
/// # Ok(row)
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_breaker::ConfigError> {
/// # let circuit = Circuit::builder("database").consecutive_failures(1).build()?;
/// # assert!(wrong(&circuit).await.is_err());
/// # assert_eq!(circuit.snapshot().totals.map(|totals| totals.abandoned), Some(1));
/// # assert!(right(&circuit).await.is_err());
/// # assert_eq!(circuit.state(), tower_breaker::State::Open);
/// # Ok(())
/// # }
/// ```
///
/// Abandoned calls are counted in `circuit.snapshot().totals`. If [`abandoned`](crate::Totals::abandoned) keeps growing
/// and there is hardly any `failed`, look for this mistake.
///
/// A call that is made while a guard is held is not part of the guard's call. A [`Circuit::call`] of the same circuit
/// is another call, and half-open may reject it. The other way round, a guard that is taken within a [`Circuit::call`]
/// of the same circuit is part of that call. Then the guard's outcome counts for nothing (rule D8).
///
/// A guard cannot know whose panic it is. So its call also fails if another future in the same task panics. It fails,
/// too, if a destructor makes the guard while the thread unwinds, and drops it unfinished. In such a destructor, finish
/// it.
#[must_use = "a guard that is dropped abandons its call, which then counts as neither success nor failure; \
              finish it, best with `finish_with(result)`"]
pub struct Guard<'a, H: Deref<Target = Circuit> = &'a Circuit> {
    admitted: Admitted<H, true>,
    lifetime: PhantomData<&'a Circuit>,
}

/// A [`Guard`] with a handle to the circuit of its own, made by [`Circuit::try_acquire_owned`]. It can go to another
/// task or thread.
pub type OwnedGuard = Guard<'static, Owned>;

/// The handle to a circuit that an [`OwnedGuard`] or an [`OwnedCall`](crate::OwnedCall) holds.
#[derive(Clone, Debug)]
pub struct Owned(Circuit);

impl Owned {
    pub(crate) fn new(circuit: Circuit) -> Self {
        Self(circuit)
    }
}

impl Deref for Owned {
    type Target = Circuit;

    #[inline]
    fn deref(&self) -> &Circuit {
        &self.0
    }
}

impl<H: Deref<Target = Circuit>> Guard<'_, H> {
    #[inline]
    pub(crate) fn new(circuit: H, ticket: Ticket) -> Self {
        Self {
            admitted: Admitted::new(circuit, ticket),
            lifetime: PhantomData,
        }
    }

    /// Finishes the call: it succeeded.
    #[inline(always)]
    pub fn success(self) {
        self.finish(Outcome::Success);
    }

    /// Finishes the call: it failed.
    #[inline(always)]
    pub fn failure(self) {
        self.finish(Outcome::Failure);
    }

    /// Finishes the call: it says nothing about the dependency (rule A2).
    pub fn ignore(self) {
        self.finish(Outcome::Ignored);
    }

    /// Finishes the call with `outcome`.
    #[inline(always)]
    pub fn finish(mut self, outcome: Outcome) {
        self.admitted.finish(outcome, Answer::Response);
    }

    /// Finishes the call with `result`: `Ok` is a success, `Err` a failure.
    ///
    /// ```
    /// # use tower_breaker::{Circuit, Rejected};
    /// # fn read() -> Result<u32, std::io::Error> { Ok(1) }
    /// # fn example(circuit: &Circuit) -> Result<(), Rejected> {
    /// let guard = circuit.try_acquire()?;
    /// let result = read();
    /// guard.record(&result);
    /// # Ok(())
    /// # }
    /// ```
    pub fn record<T, E>(self, result: &Result<T, E>) {
        self.record_with_classifier(&ErrorsOnly, result);
    }

    /// Finishes the call with `result`. A closure says what that means.
    ///
    /// ```
    /// # use tower_breaker::{Circuit, Outcome, Rejected};
    /// # fn read() -> Result<u32, std::io::Error> { Ok(1) }
    /// # fn example(circuit: &Circuit) -> Result<(), Rejected> {
    /// let guard = circuit.try_acquire()?;
    /// let result = read();
    /// guard.record_with(
    ///     |result| match result {
    ///         Ok(_) => Outcome::Success,
    ///         Err(error) if error.kind() == std::io::ErrorKind::NotFound => Outcome::Ignored,
    ///         Err(_) => Outcome::Failure,
    ///     },
    ///     &result,
    /// );
    /// # Ok(())
    /// # }
    /// ```
    pub fn record_with<T, E>(
        self,
        classify: impl Fn(Result<&T, &E>) -> Outcome,
        result: &Result<T, E>,
    ) {
        self.record_with_classifier(&classify, result);
    }

    /// Finishes the call with `result`. A [`Classify`] says what that means; if it panics, the call has failed (rule
    /// A5).
    pub fn record_with_classifier<T, E>(
        mut self,
        classifier: &impl Classify<T, E>,
        result: &Result<T, E>,
    ) {
        let outcome = classifier.classify(result.as_ref());
        self.admitted.finish(outcome, Answer::of(result));
    }

    /// Finishes the call with `result`, as [`record`](Self::record) does, and hands `result` back: for
    /// `guard.finish_with(query().await)?`.
    ///
    /// # Errors
    ///
    /// The error of `result`, if it is one.
    pub fn finish_with<T, E>(self, result: Result<T, E>) -> Result<T, E> {
        self.record(&result);
        result
    }
}

impl<H: Deref<Target = Circuit>> fmt::Debug for Guard<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("circuit", &self.admitted.circuit.name())
            .finish_non_exhaustive()
    }
}

/// A ticket and the circuit it belongs to.
///
/// What is called on its behalf is usually [guarded](Self::panic_guard). With `FAILS_IF_UNWINDING` it is not: it is
/// somebody else's code, of which nothing is seen but that this is dropped. While the thread unwinds, the call has
/// failed.
///
/// One destructor for both: a guard with one of its own would be stored, and loaded, to be finished.
pub struct Admitted<
    H: Deref<Target = Circuit>,
    const FAILS_IF_UNWINDING: bool = false,
    M: Meter = (),
> {
    circuit: H,
    ticket: Ticket,
    meter: M,
}

/// Knows how long a call has waited for its client, which is not its dependency's time (rule A3). Usually
/// nothing does, and costs nothing.
pub trait Meter: Default + Send + Sync + 'static {
    /// A look at it: nothing at all, where there is nothing to see.
    #[doc(hidden)]
    type Look<'a>: Copy;

    #[doc(hidden)]
    fn look(&self) -> Self::Look<'_>;

    /// For how many nanoseconds, up to `now`; `None` where that is not measured.
    #[doc(hidden)]
    fn waited(look: Self::Look<'_>, now: impl FnOnce() -> u64) -> Option<u64>;
}

impl Meter for () {
    type Look<'a> = ();

    #[inline(always)]
    fn look(&self) {}

    #[inline(always)]
    fn waited((): (), _: impl FnOnce() -> u64) -> Option<u64> {
        None
    }
}

impl<H: Deref<Target = Circuit>, const FAILS_IF_UNWINDING: bool, M: Meter>
    Admitted<H, FAILS_IF_UNWINDING, M>
{
    #[inline]
    pub(crate) fn new(circuit: H, ticket: Ticket) -> Self {
        Self::metered(circuit, ticket, M::default())
    }

    #[inline]
    pub(crate) fn metered(circuit: H, ticket: Ticket, meter: M) -> Self {
        Self {
            circuit,
            ticket,
            meter,
        }
    }

    /// A call that is not admitted yet.
    pub(crate) fn not_yet(circuit: H) -> Self {
        Self::new(circuit, Ticket::default())
    }

    /// Asks the circuit to admit the call.
    #[inline]
    pub(crate) fn admit(&mut self) -> Result<(), Refusal> {
        self.ticket = self.circuit.admit()?;
        Ok(())
    }

    pub(crate) fn handle(&self) -> &H {
        &self.circuit
    }

    /// Whether this is a probe whose outcome is not known yet.
    #[inline(always)]
    pub(crate) fn is_probe(&self) -> bool {
        self.ticket.is_probe()
    }

    pub(crate) fn meter(&self) -> M::Look<'_> {
        self.meter.look()
    }

    /// Somebody else has recorded its outcome.
    pub(crate) fn forget_ticket(&mut self) {
        self.ticket = Ticket::default();
    }

    /// The same call, to be followed by somebody else from here on.
    #[cfg(feature = "body")]
    pub(crate) fn hand_over(&mut self) -> Self
    where
        H: Clone,
    {
        let ticket = std::mem::take(&mut self.ticket);
        Self::metered(
            self.circuit.clone(),
            ticket,
            std::mem::take(&mut self.meter),
        )
    }

    /// How long the call has run but for its client, if that is measured.
    #[cfg(feature = "body")]
    pub(crate) fn elapsed(&self) -> Option<Nanos> {
        let took = took::<M>(&self.circuit, self.ticket, self.meter.look());
        took.or_else(|| self.ticket.elapsed(|| self.circuit.now()))
    }

    pub(crate) fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// Records `outcome`, unless one is recorded already. `answer` tells a response from an error.
    #[inline(always)]
    pub(crate) fn finish(&mut self, outcome: Outcome, answer: Answer) {
        if let Some(ticket) = self.ticket.take() {
            finish::<M>(&self.circuit, ticket, self.meter.look(), outcome, answer);
        }
    }

    /// Records a response that `took` so long and whose outcome is known only now.
    #[cfg(feature = "body")]
    pub(crate) fn finish_that_took(&mut self, outcome: Outcome, answer: Answer, took: Nanos) {
        if let Some(ticket) = self.ticket.take() {
            self.circuit.record_that_took(ticket, outcome, answer, took);
        }
    }

    /// Abandons the call, unless its outcome is recorded already. `answer` says whether the head
    /// of its response has come.
    #[inline]
    pub(crate) fn abandon(&mut self, answer: Answer) {
        if let Some(ticket) = self.ticket.take() {
            abandon::<M>(&self.circuit, ticket, self.meter.look(), answer);
        }
    }

    /// The call ends without an outcome: abandoned, or failed if that is because of a panic.
    #[inline]
    fn give_up(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.circuit.give_up(ticket);
        }
    }

    /// Stands guard while somebody else's code runs on behalf of this call.
    #[inline]
    pub(crate) fn panic_guard(&mut self) -> PanicGuard<'_, H, M> {
        PanicGuard {
            circuit: &self.circuit,
            ticket: &mut self.ticket,
            inside: Inside::enter(self.circuit.identity()),
            meter: self.meter.look(),
        }
    }
}

/// Records `outcome` of a call. `answer` tells a response from an error.
#[inline(always)]
fn finish<M: Meter>(
    circuit: &Circuit,
    ticket: Ticket,
    meter: M::Look<'_>,
    outcome: Outcome,
    answer: Answer,
) {
    match took::<M>(circuit, ticket, meter) {
        None => circuit.record(ticket, outcome, answer),
        Some(took) => circuit.record_that_took(ticket, outcome, answer, took),
    }
}

/// Records that a call has failed, and had no answer.
#[inline(always)]
pub(crate) fn fail<M: Meter>(circuit: &Circuit, ticket: Ticket, meter: M::Look<'_>) {
    finish::<M>(circuit, ticket, meter, Outcome::Failure, Answer::None);
}

/// Abandons a call. `answer` says whether the head of its response has come.
#[inline(always)]
pub(crate) fn abandon<M: Meter>(
    circuit: &Circuit,
    ticket: Ticket,
    meter: M::Look<'_>,
    answer: Answer,
) {
    match took::<M>(circuit, ticket, meter) {
        None => circuit.abandon(ticket, answer),
        Some(took) => circuit.abandon_that_took(ticket, answer, took),
    }
}

/// How long a call has run but for its client, where that is measured.
#[inline(always)]
fn took<M: Meter>(circuit: &Circuit, ticket: Ticket, meter: M::Look<'_>) -> Option<Nanos> {
    let mut now = 0;
    let waited = M::waited(meter, || {
        now = circuit.now();
        now
    })?;
    let ran = ticket.elapsed(|| now)?;
    Some(Nanos::new(ran.get().saturating_sub(waited)))
}

impl<H: Deref<Target = Circuit>, const FAILS_IF_UNWINDING: bool, M: Meter> Drop
    for Admitted<H, FAILS_IF_UNWINDING, M>
{
    #[inline]
    fn drop(&mut self) {
        if FAILS_IF_UNWINDING {
            self.give_up();
        } else {
            self.abandon(Answer::None);
        }
    }
}

/// Lives while somebody else's code runs, which is part of this call (D8). Dropped without
/// [`PanicGuard::disarm`], that code has panicked, and the call has failed (rule A5).
///
/// So a panic is noticed around our own calls, and not by asking whether the thread is panicking: a
/// destructor that runs in somebody else's panic may make calls too.
pub(crate) struct PanicGuard<'a, H: Deref<Target = Circuit>, M: Meter = ()> {
    circuit: &'a H,
    ticket: &'a mut Ticket,
    inside: Inside,
    meter: M::Look<'a>,
}

impl<'a, H: Deref<Target = Circuit>> PanicGuard<'a, H> {
    #[inline]
    pub(crate) fn new(circuit: &'a H, ticket: &'a mut Ticket) -> Self {
        Self {
            circuit,
            ticket,
            inside: Inside::enter(circuit.identity()),
            meter: (),
        }
    }
}

impl<'a, H: Deref<Target = Circuit>, M: Meter> PanicGuard<'a, H, M> {
    pub(crate) fn handle(&self) -> &'a H {
        self.circuit
    }

    #[inline]
    pub(crate) fn disarm(self) {
        self.inside.leave();
        std::mem::forget(self);
    }
}

impl<H: Deref<Target = Circuit>, M: Meter> Drop for PanicGuard<'_, H, M> {
    #[cold]
    fn drop(&mut self) {
        self.inside.leave();
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        fail::<M>(self.circuit, ticket, self.meter);
    }
}

impl<H: Deref<Target = Circuit>, const FAILS_IF_UNWINDING: bool, M: Meter> fmt::Debug
    for Admitted<H, FAILS_IF_UNWINDING, M>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted")
            .field("circuit", &self.circuit.name())
            .finish_non_exhaustive()
    }
}
