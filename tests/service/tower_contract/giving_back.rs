//! What an inner service has reserved in `poll_ready` is not held by a rejection (rules B9, D6, G1 to G3, G7).

use std::{
    cell::Cell,
    future::{Ready, ready},
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::FutureExt;
use tower::{Layer, Service};
use tower_breaker::{
    Circuit, CircuitBreaker, CircuitBreakerLayer, CircuitBuilder, CircuitError, Mode, Reason,
    State,
    classify::ErrorsOnly,
    clock::ManualClock,
    reject::RejectAsError,
    types::{FreshClone, Keep},
};

use super::{BREAK, circuit, half_open_and_full, layer};

const RAMP: Duration = Duration::from_secs(10);

/// What all clones of a [`Reserving`] have seen.
#[derive(Default)]
struct Seen {
    free: Cell<usize>,
    polls: Cell<usize>,
    clones: Cell<usize>,
    calls: Cell<usize>,
    /// What becomes of a poll once the place is taken, or of a clone.
    mishap: Cell<Option<Mishap>>,
}

#[derive(Clone, Copy)]
enum Mishap {
    Error,
    Panic,
    PanicOfClone,
}

fn add(count: &Cell<usize>) {
    count.set(count.get() + 1);
}

/// Takes a place in `poll_ready`, and gives it back with its call or when it is dropped, as limits and
/// buffers do.
struct Reserving {
    seen: Rc<Seen>,
    holds: bool,
}

impl Reserving {
    fn give_back(&mut self) {
        if std::mem::take(&mut self.holds) {
            add(&self.seen.free);
        }
    }
}

impl Clone for Reserving {
    fn clone(&self) -> Self {
        add(&self.seen.clones);
        let panics = matches!(self.seen.mishap.get(), Some(Mishap::PanicOfClone));
        assert!(!panics, "not cloned");
        Self {
            seen: self.seen.clone(),
            holds: false,
        }
    }
}

impl Drop for Reserving {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Service<u32> for Reserving {
    type Response = u32;
    type Error = &'static str;
    type Future = Ready<Result<u32, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        add(&self.seen.polls);
        let free = self.seen.free.get();
        if !self.holds && free == 0 {
            return Poll::Pending;
        }
        if !std::mem::replace(&mut self.holds, true) {
            self.seen.free.set(free - 1);
        }
        match self.seen.mishap.get() {
            Some(Mishap::Error) => Poll::Ready(Err("not ready")),
            Some(Mishap::Panic) => panic!("not ready"),
            Some(Mishap::PanicOfClone) | None => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, request: u32) -> Self::Future {
        assert!(self.holds, "asked before");
        add(&self.seen.calls);
        self.give_back();
        ready(Ok(request))
    }
}

type Breaker = CircuitBreaker<Reserving, ErrorsOnly, RejectAsError>;
type Layered<G> = CircuitBreakerLayer<ErrorsOnly, RejectAsError, tower_breaker::types::HeadOnly, G>;

/// A circuit around a service that has so many places.
struct Stage {
    clock: ManualClock,
    circuit: Circuit,
    seen: Rc<Seen>,
}

impl Stage {
    fn with(places: usize, configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Self {
        let clock = ManualClock::new();
        let seen = Rc::new(Seen::default());
        seen.free.set(places);
        Self {
            circuit: circuit(&clock, configure),
            clock,
            seen,
        }
    }

    fn new(places: usize) -> Self {
        Self::with(places, |builder| builder)
    }

    /// In its ramp.
    fn ramping(share: f64) -> Self {
        let stage = Self::with(1_000, |builder| builder.ramp(RAMP, share));
        stage.recover();
        stage
    }

    fn recover(&self) {
        self.open();
        self.clock.advance(BREAK);
        self.circuit.try_acquire().expect("the probe").success();
        assert_eq!(self.circuit.state(), State::Closed);
    }

    fn open(&self) {
        self.circuit.trip(BREAK).expect("in normal mode");
    }

    fn layer(&self) -> Layered<FreshClone> {
        layer(&self.circuit).fresh_clone_on_rejection()
    }

    fn inner(&self) -> Reserving {
        Reserving {
            seen: self.seen.clone(),
            holds: false,
        }
    }

    fn service(&self) -> Breaker {
        self.layer().layer(self.inner())
    }

    /// Polls, clones and calls of the inner service, and its free places.
    fn has_seen(&self, polls: usize, clones: usize, calls: usize, free: usize) {
        let seen = &self.seen;
        let counts = [&seen.polls, &seen.clones, &seen.calls, &seen.free].map(Cell::get);
        assert_eq!(counts, [polls, clones, calls, free]);
    }
}

fn poll<S: Service<u32>>(service: &mut S) -> Poll<Result<(), S::Error>> {
    service.poll_ready(&mut Context::from_waker(Waker::noop()))
}

fn is_ready<S: Service<u32, Error: std::fmt::Debug>>(service: &mut S) -> bool {
    match poll(service) {
        Poll::Ready(ready) => {
            ready.expect("ready");
            true
        }
        Poll::Pending => false,
    }
}

type Answer = Result<u32, CircuitError<&'static str>>;

fn call(
    service: &mut impl Service<u32, Response = u32, Error = CircuitError<&'static str>>,
) -> Answer {
    service.call(7).now_or_never().expect("at once")
}

fn is_rejected(answer: Answer) -> Reason {
    match answer {
        Err(CircuitError::Rejected(rejected)) => rejected.reason(),
        other => panic!("not rejected but {other:?}"),
    }
}

// G3
#[test]
fn a_call_that_is_admitted_makes_no_clone() {
    let stage = Stage::new(1);
    let mut service = stage.service();
    for calls in 1..=10 {
        assert!(is_ready(&mut service));
        assert_eq!(call(&mut service).unwrap(), 7);
        stage.has_seen(calls, 0, calls, 1);
    }
}

// G3
#[test]
fn a_rejection_for_which_nobody_was_asked_makes_no_clone() {
    let stage = Stage::new(1);
    let mut service = stage.service();
    stage.open();
    for _ in 0..10 {
        assert!(is_ready(&mut service));
        assert_eq!(is_rejected(call(&mut service)), Reason::Open);
    }
    stage.has_seen(0, 0, 0, 1);
}

// G3
#[test]
fn what_was_ready_when_the_circuit_opened_is_given_back_by_the_call() {
    let stage = Stage::new(1);
    let mut service = stage.service();
    assert!(is_ready(&mut service));
    stage.open();
    stage.has_seen(1, 0, 0, 0);
    assert_eq!(is_rejected(call(&mut service)), Reason::Open);
    stage.has_seen(1, 1, 0, 1);

    // The clone is as good as what it was made of.
    stage.circuit.reset();
    assert!(is_ready(&mut service));
    assert!(call(&mut service).is_ok());
    stage.has_seen(2, 1, 1, 1);
}

// F4: what is given back is somebody else's code.
#[test]
fn a_call_whose_giving_back_panics_has_been_rejected() {
    let stage = Stage::new(1);
    let mut service = stage.service();
    assert!(is_ready(&mut service));
    stage.open();
    stage.seen.mishap.set(Some(Mishap::PanicOfClone));
    let called = catch_unwind(AssertUnwindSafe(|| call(&mut service)));
    assert!(called.is_err());
    let totals = stage.circuit.snapshot().totals.expect("on by default");
    assert_eq!((totals.rejected_by.open, totals.ended()), (1, 0));
}

// G1, G3
#[test]
fn what_was_ready_when_the_circuit_opened_is_given_back_by_the_next_question() {
    let stage = Stage::new(1);
    let mut service = stage.service();
    assert!(is_ready(&mut service));
    stage.open();
    assert!(is_ready(&mut service));
    stage.has_seen(1, 1, 0, 1);
    assert!(is_ready(&mut service));
    assert_eq!(is_rejected(call(&mut service)), Reason::Open);
    stage.has_seen(1, 1, 0, 1);
}

// G3: it may stand in a queue.
#[test]
fn what_was_asked_and_not_ready_gives_back_its_place_in_the_queue() {
    let stage = Stage::new(0);
    let mut service = stage.service();
    assert!(!is_ready(&mut service));
    assert!(!is_ready(&mut service));
    stage.open();
    assert!(is_ready(&mut service));
    stage.has_seen(2, 1, 0, 0);
    assert_eq!(is_rejected(call(&mut service)), Reason::Open);
    stage.has_seen(2, 1, 0, 0);
}

// G2, G3: also where the circuit has closed again before the call.
#[test]
fn a_readiness_for_a_rejection_holds_nothing_whatever_comes_before_the_call() {
    let stage = Stage::new(1);
    let mut service = stage.service();
    assert!(is_ready(&mut service));
    stage.open();
    assert!(is_ready(&mut service));
    stage.circuit.reset();
    stage.has_seen(1, 1, 0, 1);
    is_rejected(call(&mut service));
    stage.has_seen(1, 1, 0, 1);
}

// D1, G3
#[test]
fn of_many_that_are_ready_for_one_probe_the_others_hold_nothing() {
    let stage = Stage::new(10);
    let mut services = [(); 10].map(|()| stage.service());
    stage.open();
    stage.clock.advance(BREAK);
    for service in &mut services {
        assert!(is_ready(service));
    }
    stage.has_seen(10, 0, 0, 0);
    let answer = services[0].call(7);
    for service in &mut services[1..] {
        assert_eq!(is_rejected(call(service)), Reason::HalfOpenFull);
    }
    stage.has_seen(10, 9, 1, 10);
    drop(answer);
}

// G1, G3
#[test]
fn a_call_that_finds_half_open_full_gives_back_what_was_ready() {
    let stage = Stage::new(1);
    let mut service = stage.service();
    assert!(is_ready(&mut service));
    let _probe = half_open_and_full(&stage.circuit, &stage.clock);
    assert!(is_ready(&mut service));
    assert_eq!(is_rejected(call(&mut service)), Reason::HalfOpenFull);
    stage.has_seen(1, 1, 0, 1);
}

// G3
#[test]
fn what_was_ready_when_the_circuit_was_forced_open_is_given_back() {
    for asked_again in [false, true] {
        let stage = Stage::new(1);
        let mut service = stage.service();
        assert!(is_ready(&mut service));
        stage.circuit.force_open();
        assert!(!asked_again || is_ready(&mut service));
        assert_eq!(is_rejected(call(&mut service)), Reason::ForcedOpen);
        stage.has_seen(1, 1, 0, 1);
    }
}

// E1, G3: where nobody is rejected, nothing is given back.
#[test]
fn modes_that_admit_everything_make_no_clone() {
    for mode in [Mode::Shadow, Mode::Disabled] {
        let stage = Stage::new(1);
        let mut service = stage.service();
        assert!(is_ready(&mut service));
        stage.open();
        stage.circuit.set_mode(mode);
        assert!(is_ready(&mut service));
        assert!(call(&mut service).is_ok());
        stage.has_seen(2, 0, 1, 1);
    }
}

// A6, G3: what has failed or panicked may have reserved something before.
#[test]
fn a_mishap_on_the_way_to_readiness_holds_nothing_either() {
    for mishap in [Mishap::Error, Mishap::Panic] {
        let stage = Stage::new(1);
        let mut service = stage.service();
        stage.seen.mishap.set(Some(mishap));
        let polled = catch_unwind(AssertUnwindSafe(|| poll(&mut service)));
        assert!(!matches!(polled, Ok(Poll::Ready(Ok(())))));
        stage.circuit.force_open();
        stage.has_seen(1, 0, 0, 0);
        assert!(is_ready(&mut service));
        stage.has_seen(1, 1, 0, 1);
    }
}

// G7, G3
#[tokio::test(start_paused = true)]
async fn who_waits_for_the_circuit_holds_nothing() {
    for places in [0, 1] {
        let stage = Stage::new(places);
        let mut service = stage.layer().pending_while_open().layer(stage.inner());
        assert_eq!(is_ready(&mut service), places == 1);
        stage.open();
        for _ in 0..3 {
            assert!(!is_ready(&mut service));
            stage.has_seen(1, 1, 0, places);
        }
        stage.circuit.reset();
        assert_eq!(is_ready(&mut service), places == 1);
        stage.has_seen(2, 1, 0, 0);
    }
}

// G7, G3
#[tokio::test(start_paused = true)]
async fn who_did_not_wait_and_is_rejected_holds_nothing() {
    let stage = Stage::new(1);
    let mut service = stage.layer().pending_while_open().layer(stage.inner());
    assert!(is_ready(&mut service));
    stage.open();
    assert_eq!(is_rejected(call(&mut service)), Reason::Open);
    stage.has_seen(1, 1, 0, 1);
}

// G3: the default, and what a layer can be told to do.
#[test]
fn a_layer_that_keeps_on_rejection_gives_nothing_back() {
    let stage = Stage::new(1);
    let kept: [Breaker; 2] = [
        layer(&stage.circuit).layer(stage.inner()),
        stage.layer().keep_on_rejection().layer(stage.inner()),
    ];
    for mut service in kept {
        stage.circuit.reset();
        assert!(is_ready(&mut service));
        stage.open();
        assert_eq!(is_rejected(call(&mut service)), Reason::Open);
        assert_eq!((stage.seen.clones.get(), stage.seen.free.get()), (0, 0));
        drop(service);
        assert_eq!(stage.seen.free.get(), 1);
    }
}

// G4: clones do as their original.
#[test]
fn a_clone_gives_back_what_was_ready_too() {
    let stage = Stage::new(1);
    let mut service = stage.service().clone();
    assert!(is_ready(&mut service));
    stage.open();
    is_rejected(call(&mut service));
    stage.has_seen(1, 2, 0, 1);
}

/// Not `Clone`.
struct Single;

impl Service<u32> for Single {
    type Response = u32;
    type Error = &'static str;
    type Future = Ready<Result<u32, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u32) -> Self::Future {
        ready(Ok(request))
    }
}

// G6
#[test]
fn what_is_not_clone_can_be_kept() {
    let stage = Stage::new(1);
    let layer: Layered<Keep> = stage.layer().keep_on_rejection();
    let mut service = layer.layer(Single);
    assert!(is_ready(&mut service));
    assert!(call(&mut service).is_ok());
}

// ---- D6: the ramp --------------------------------------------------------------------------------

/// How many of `calls` pass, each ready and then called.
fn passed(stage: &Stage, service: &mut Breaker, calls: Range<usize>) -> usize {
    let passes = |_: &usize| {
        let held = stage.seen.free.get();
        assert!(is_ready(service));
        let passed = call(service).is_ok();
        assert_eq!(stage.seen.free.get(), held);
        passed
    };
    calls.filter(passes).count()
}

/// Calls until the next one is turned away, and has been told so.
fn be_turned_away(stage: &Stage, service: &mut Breaker) {
    loop {
        let polls = stage.seen.polls.get();
        assert!(is_ready(service));
        if stage.seen.polls.get() == polls {
            return;
        }
        call(service).unwrap();
    }
}

// D6, G1: whom the ramp turns away, the inner service is not asked for.
#[test]
fn the_ramp_decides_before_the_inner_service_is_asked() {
    for percent in [1_u8, 25, 50, 90] {
        let stage = Stage::ramping(f64::from(percent) / 100.0);
        let calls = passed(&stage, &mut stage.service(), 0..1_000);
        assert!(
            calls.abs_diff(usize::from(percent) * 10) <= 3,
            "{calls} of 1000"
        );
        stage.has_seen(calls, 0, calls, 1_000);
        let rejected = stage.circuit.snapshot().totals.expect("on").rejected;
        assert_eq!(rejected, 1_000 - calls as u64);
    }
}

// D6
#[test]
fn a_ramp_is_asked_once_for_each_call_however_often_readiness_is() {
    let (stage, twin) = (Stage::ramping(0.5), Stage::ramping(0.5));
    let (mut service, mut once) = (stage.service(), twin.service());
    for _ in 0..200 {
        for _ in 0..7 {
            assert!(is_ready(&mut service));
        }
        assert!(is_ready(&mut once));
        let [one, other] = [call(&mut service), call(&mut once)].map(|answer| answer.is_ok());
        assert_eq!(one, other);
    }
}

// D6: nor is what it has said forgotten while the inner service is not ready.
#[test]
fn a_call_that_has_passed_waits_as_long_as_it_must() {
    let stage = Stage::ramping(0.5);
    let mut service = stage.service();
    // The first turn passes.
    stage.seen.free.set(0);
    for _ in 0..10 {
        assert!(!is_ready(&mut service));
    }
    stage.seen.free.set(1);
    assert!(is_ready(&mut service));
    assert!(call(&mut service).is_ok());
}

// D6: one that is turned away is so until its call, or until the ramp is over.
#[test]
fn a_call_that_is_turned_away_passes_once_the_ramp_is_over() {
    let stage = Stage::ramping(0.000_001);
    let mut service = stage.service();
    be_turned_away(&stage, &mut service);
    let polls = stage.seen.polls.get();
    for _ in 0..10 {
        assert!(is_ready(&mut service));
    }
    assert_eq!(stage.seen.polls.get(), polls);
    stage.clock.advance(RAMP);
    assert!(is_ready(&mut service));
    assert!(call(&mut service).is_ok());
}

// D6, C3
#[test]
fn a_call_that_was_turned_away_says_so_whatever_others_did_since() {
    let stage = Stage::with(1, |builder| {
        builder.ramp(RAMP, 0.000_001).consecutive_failures(5)
    });
    stage.recover();
    let mut service = stage.service();
    // In shadow everybody is admitted, if only to fail.
    stage.circuit.set_mode(Mode::Shadow);
    let guard = stage.circuit.try_acquire().expect("in shadow");
    stage.circuit.set_mode(Mode::Normal);
    be_turned_away(&stage, &mut service);
    guard.failure();
    assert_eq!(is_rejected(call(&mut service)), Reason::Ramping);
}

// D6, C4: a turn is of its era.
#[test]
fn what_one_ramp_has_said_does_not_hold_in_the_next() {
    let stage = Stage::ramping(0.000_001);
    // The first call of a ramp passes.
    let mut service = stage.service();
    assert!(is_ready(&mut service));
    stage.has_seen(1, 0, 0, 999);
    stage.recover();
    let mut others = stage.service();
    be_turned_away(&stage, &mut others);
    assert_eq!(is_rejected(call(&mut service)), Reason::Ramping);
    // And what it was ready with is free.
    assert_eq!((stage.seen.clones.get(), stage.seen.free.get()), (1, 1_000));
}

// ---- B9: shedding ---------------------------------------------------------------------------------

impl Stage {
    /// Refuses all but this share.
    fn shedding(floor: f64) -> Self {
        let stage = Self::with(1_000, |builder| {
            let builder = builder.consecutive_failures(1_000_000).count_window(1_000);
            let builder = builder.minimum_calls(1_000).failure_rate(None);
            builder.shed(100.0, floor)
        });
        stage.fail(1_000);
        stage
    }

    fn fail(&self, calls: usize) {
        for _ in 0..calls {
            self.circuit.try_acquire().expect("admitted").failure();
        }
    }
}

/// How many of `calls` pass. None of them ends, so that the share stays what it is.
fn passed_unended(stage: &Stage, service: &mut Breaker, calls: usize) -> usize {
    let before = stage.seen.calls.get();
    for _ in 0..calls {
        assert!(is_ready(service));
        drop(service.call(7));
    }
    stage.seen.calls.get() - before
}

// B9, G1: whom shedding turns away, the inner service is not asked for.
#[test]
fn shedding_decides_before_the_inner_service_is_asked() {
    for percent in [1_u8, 25, 50, 90] {
        let stage = Stage::shedding(f64::from(percent) / 100.0);
        let calls = passed_unended(&stage, &mut stage.service(), 1_000);
        assert!(
            calls.abs_diff(usize::from(percent) * 10) <= 3,
            "{calls} of 1000"
        );
        stage.has_seen(calls, 0, calls, 1_000);
        let rejected = stage.circuit.snapshot().totals.expect("on").rejected_by;
        assert_eq!(rejected.shedding, 1_000 - calls as u64);
    }
}

// B9, G1
#[test]
fn shedding_is_asked_once_for_each_call_however_often_readiness_is() {
    let (stage, twin) = (Stage::shedding(0.5), Stage::shedding(0.5));
    let (mut service, mut once) = (stage.service(), twin.service());
    for _ in 0..200 {
        for _ in 0..6 {
            assert!(is_ready(&mut service));
        }
        let passed = passed_unended(&stage, &mut service, 1);
        assert_eq!(passed, passed_unended(&twin, &mut once, 1));
    }
}

// B9, G1: what was said is kept for the call, whoever else is asked meanwhile.
#[test]
fn a_call_that_shedding_lets_pass_waits_as_long_as_it_must() {
    let stage = Stage::shedding(0.000_001);
    let mut service = stage.service();
    // The first turn passes.
    stage.seen.free.set(0);
    for _ in 0..10 {
        assert!(!is_ready(&mut service));
    }
    assert!(stage.circuit.try_acquire().is_err());
    stage.seen.free.set(1);
    assert!(is_ready(&mut service));
    assert!(call(&mut service).is_ok());
}

// B9, C3: also where a failure in a row has changed the circuit since.
#[test]
fn a_call_that_was_shed_says_so_whatever_others_did_since() {
    let stage = Stage::shedding(0.000_001);
    let mut service = stage.service();
    let guard = stage.circuit.try_acquire().expect("the first turn passes");
    be_turned_away(&stage, &mut service);
    guard.failure();
    assert_eq!(is_rejected(call(&mut service)), Reason::Shedding);
}

// B9, E1: and the call counts itself.
#[test]
fn in_shadow_shedding_turns_nobody_away() {
    let stage = Stage::shedding(0.000_001);
    stage.circuit.set_mode(Mode::Shadow);
    let calls = passed_unended(&stage, &mut stage.service(), 100);
    assert_eq!(calls, 100);
    let totals = stage.circuit.snapshot().totals.expect("on");
    assert_eq!((totals.rejected, totals.shadowed), (0, 99));
}

// B9, D6, G1: while anything is held back, a call is asked about once, also where shedding begins in a ramp.
#[test]
fn what_a_ramp_has_said_of_a_call_holds_when_shedding_begins() {
    let stage = Stage::with(1_000, |builder| {
        let builder = builder.consecutive_failures(1_000_000).count_window(10);
        let builder = builder.minimum_calls(10).failure_rate(None);
        builder.shed(100.0, 0.000_001).ramp(RAMP, 0.5)
    });
    stage.recover();
    let under_way: Vec<_> = std::iter::repeat_with(|| stage.circuit.try_acquire())
        .flatten()
        .take(10)
        .collect();
    let mut service = stage.service();
    while stage.seen.polls.get() == 0 {
        assert!(is_ready(&mut service));
        if stage.seen.polls.get() == 0 {
            is_rejected(call(&mut service));
        }
    }
    under_way
        .into_iter()
        .for_each(tower_breaker::Guard::failure);
    assert!(stage.circuit.snapshot().shed_share > 0.9);
    assert_eq!(passed_unended(&stage, &mut service, 1), 1);
    // And the next one is asked about anew.
    assert!(is_ready(&mut service));
    assert_eq!(is_rejected(call(&mut service)), Reason::Shedding);
}

// B9, G1: shedding comes and goes within an era, and each call is asked about, whatever was said of the one before.
#[test]
fn what_shedding_has_said_of_one_call_does_not_hold_for_the_next() {
    let stage = Stage::with(1_000, |builder| {
        let builder = builder.consecutive_failures(1_000_000).count_window(10);
        let builder = builder.minimum_calls(10).failure_rate(None);
        builder.shed(100.0, 0.000_001)
    });
    let under_way = [(); 11].map(|()| stage.circuit.try_acquire().expect("admitted"));
    stage.fail(10);
    // The first turn passes.
    let mut service = stage.service();
    assert!(is_ready(&mut service));
    let [last, others @ ..] = under_way;
    others.into_iter().for_each(tower_breaker::Guard::success);
    stage.clock.advance(Duration::from_secs(2));
    last.success();
    assert!(call(&mut service).is_ok());
    stage.fail(10);
    let polls = stage.seen.polls.get();
    assert!(is_ready(&mut service));
    assert_eq!(
        stage.seen.polls.get(),
        polls,
        "it is asked, and turned away"
    );
    assert_eq!(is_rejected(call(&mut service)), Reason::Shedding);
}
