//! Sixty-four clones of a service race through ten thousand recoveries, and everything that can go
//! wrong with a call goes wrong with some of theirs.

use std::{
    collections::BTreeSet,
    future::Future,
    mem::forget,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    thread::{self, ThreadId},
    time::Duration,
};

use crate::collisions::Dice;
use tower::{Layer, Service};
use tower_breaker::{
    Cause, Circuit, CircuitBreakerLayer, CircuitError, State, Transition, classify::ErrorsOnly,
    clock::ManualClock,
};

const CLONES: usize = 64;
const RECOVERIES: u64 = 10_000;
const BREAK: Duration = Duration::from_millis(1);
const PERMITS: u32 = 2;

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Succeeds,
    Fails,
    PanicsInCall,
    PanicsInPoll,
    DroppedUnpolled,
    DroppedInFlight,
    Forgotten,
    /// Ready, and then nobody calls.
    NotCalled,
}

impl Fate {
    fn by(dice: &mut Dice) -> Self {
        match dice.below(128) {
            0 => Fate::Forgotten,
            1..=3 => Fate::PanicsInCall,
            4..=6 => Fate::PanicsInPoll,
            7..=10 => Fate::DroppedUnpolled,
            11..=14 => Fate::DroppedInFlight,
            15..=16 => Fate::NotCalled,
            17..=50 => Fate::Fails,
            _ => Fate::Succeeds,
        }
    }
}

/// Counts the calls that were let through to it.
#[derive(Clone)]
struct Inner(Arc<AtomicU64>);

impl Service<Fate> for Inner {
    type Response = ();
    type Error = &'static str;
    type Future = Fated;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, fate: Fate) -> Fated {
        self.0.fetch_add(1, SeqCst);
        if fate == Fate::PanicsInCall {
            resume_unwind(Box::new("in call"));
        }
        Fated(fate)
    }
}

struct Fated(Fate);

impl Future for Fated {
    type Output = Result<(), &'static str>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0 {
            Fate::DroppedInFlight | Fate::Forgotten => Poll::Pending,
            Fate::PanicsInPoll => resume_unwind(Box::new("in poll")),
            Fate::Fails => Poll::Ready(Err("failed")),
            _ => Poll::Ready(Ok(())),
        }
    }
}

// ---- what is known of it all -------------------------------------------------------------------

#[derive(Default)]
struct Ledger {
    told: Mutex<Vec<(Transition, ThreadId)>>,
    recoveries: AtomicU64,
    forgotten: AtomicU64,
    called: AtomicU64,
    inside: AtomicU64,
    met: AtomicU64,
}

impl Ledger {
    fn hear(&self, transition: &Transition) {
        let recovered = transition.cause == Cause::Recovered;
        self.recoveries.fetch_add(recovered.into(), SeqCst);
        let told = (*transition, thread::current().id());
        self.told.lock().unwrap().push(told);
    }

    fn enter(&self) {
        let inside = self.inside.fetch_add(1, SeqCst) + 1;
        self.met.fetch_add(u64::from(inside > 1), SeqCst);
    }

    fn leave(&self) {
        self.inside.fetch_sub(1, SeqCst);
    }

    /// E4, F1: one event for each era, and each begins where the one before it ended.
    fn assert_contiguous(&self, eras: u64) {
        let mut told: Vec<_> = self.told.lock().unwrap().iter().map(|t| t.0).collect();
        told.sort_by_key(|transition| transition.era);
        let seen: Vec<u64> = told.iter().map(|transition| transition.era).collect();
        assert_eq!(seen, (1..=eras).collect::<Vec<_>>());
        for pair in told.windows(2) {
            assert_eq!(pair[0].to, pair[1].from, "{pair:?}");
        }
    }

    /// It was a race: calls met in the circuit, and many threads won one transition or another.
    fn assert_collided(&self) {
        assert!(self.met.load(SeqCst) > 1_000, "the clones hardly ever met");
        let told = self.told.lock().unwrap();
        for wanted in [
            Cause::Recovered,
            Cause::WaitOver,
            Cause::ProbeFailed,
            Cause::ProbesTimedOut,
        ] {
            let winners: BTreeSet<_> = told
                .iter()
                .filter(|told| told.0.cause == wanted)
                .map(|told| format!("{:?}", told.1))
                .collect();
            assert!(winners.len() > CLONES / 2, "{wanted:?}: {}", winners.len());
        }
    }
}

/// One call, whatever becomes of it. Time passes for whoever is rejected.
fn call<S>(service: &mut S, fate: Fate, ledger: &Ledger, clock: &ManualClock)
where
    S: Service<Fate, Response = (), Error = CircuitError<&'static str>>,
{
    let context = &mut Context::from_waker(Waker::noop());
    assert!(matches!(service.poll_ready(context), Poll::Ready(Ok(()))));
    if fate == Fate::NotCalled {
        return;
    }
    let number = ledger.called.fetch_add(1, SeqCst);
    let mut future = Box::pin(service.call(fate));
    if number % 8 == 0 {
        // Or hardly any call would be overtaken.
        thread::yield_now();
    }
    if fate == Fate::DroppedUnpolled {
        return;
    }
    match future.as_mut().poll(context) {
        Poll::Ready(Err(CircuitError::Rejected(_))) => clock.advance(BREAK / 3),
        Poll::Pending if fate == Fate::Forgotten => {
            ledger.forgotten.fetch_add(1, SeqCst);
            forget(future);
        }
        _ => {}
    }
}

/// No seat is lost: a fresh half-open era has all of them, and closes.
fn assert_goes_on(circuit: &Circuit, clock: &ManualClock) {
    circuit.reset();
    circuit.trip(BREAK).unwrap();
    clock.advance(BREAK);
    let probes: Vec<_> = (0..PERMITS).map(|_| circuit.try_acquire()).collect();
    assert!(probes.iter().all(Result::is_ok), "a seat is lost");
    assert!(circuit.try_acquire().is_err(), "a seat too many");
    probes
        .into_iter()
        .flatten()
        .for_each(|probe| probe.success());
    assert_eq!(circuit.state(), State::Closed);
}

/// Calls until there have been enough recoveries, or so often that the circuit must be wedged.
fn call_on<S>(number: usize, mut service: S, ledger: &Ledger, clock: &ManualClock)
where
    S: Service<Fate, Response = (), Error = CircuitError<&'static str>>,
{
    let mut dice = Dice::new(number);
    for turn in 0..2_000_000 {
        if ledger.recoveries.load(SeqCst) >= RECOVERIES {
            return;
        }
        let fate = Fate::by(&mut dice);
        ledger.enter();
        let call = || call(&mut service, fate, ledger, clock);
        let panic = catch_unwind(AssertUnwindSafe(call)).err();
        ledger.leave();
        assert!(panic.is_none_or(|panic| panic.is::<&str>()));
        if turn % 16 == 0 {
            thread::yield_now();
        }
    }
}

fn circuit(clock: &ManualClock, ledger: &Arc<Ledger>) -> Circuit {
    let listener = ledger.clone();
    let builder = Circuit::builder("raced")
        .consecutive_failures(2)
        .open_for(BREAK)
        .half_open_timeout(BREAK)
        .probes(2, 3)
        .permits(PERMITS)
        .clock(clock.clone())
        .on_transition(move |_, transition| listener.hear(transition));
    builder.build().unwrap()
}

// A4, A5, C4, D2, D4, E4, F1, F4, G4
#[test]
fn sixty_four_clones_race_through_ten_thousand_recoveries_and_nothing_is_wedged() {
    let (clock, ledger) = (ManualClock::new(), Arc::new(Ledger::default()));
    let circuit = circuit(&clock, &ledger);
    let entered = Arc::<AtomicU64>::default();
    let inner = Inner(entered.clone());
    let layer = CircuitBreakerLayer::new(circuit.clone()).classifier(ErrorsOnly);
    let service = layer.reject_as_error().layer(inner);

    let start = Barrier::new(CLONES);
    thread::scope(|scope| {
        for number in 0..CLONES {
            let service = service.clone();
            let (start, ledger, clock) = (&start, &ledger, &clock);
            scope.spawn(move || {
                start.wait();
                call_on(number, service, ledger, clock);
            });
        }
    });

    let (recoveries, era) = (ledger.recoveries.load(SeqCst), circuit.snapshot().era);
    println!("{recoveries} recoveries in {era} eras");
    assert!(recoveries >= RECOVERIES, "wedged: {circuit:?}");
    let (totals, entered) = (circuit.snapshot().totals.unwrap(), entered.load(SeqCst));
    assert_eq!(totals.ended(), entered - ledger.forgotten.load(SeqCst));
    assert_eq!(totals.rejected, ledger.called.load(SeqCst) - entered);
    assert!(totals.stale > 0, "no call was ever overtaken");
    ledger.assert_contiguous(era);
    ledger.assert_collided();
    assert_goes_on(&circuit, &clock);
}
