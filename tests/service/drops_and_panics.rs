//! However a call ends, it is accounted for once: dropped at any point (rules A4, G5), or by a panic
//! of its own and nobody else's (rule A5). And what that costs in the size of a future.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

use std::{
    future::{Future, Ready, pending, ready},
    mem::{size_of, size_of_val},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::{FutureExt, future::join};
use tokio_test::{assert_pending, task};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_breaker::{
    AbandonedPolicy, Cause, Circuit, CircuitBreakerLayer, CircuitBuilder, CircuitError, Outcome,
    State,
    classify::{ErrorsOnly, HttpClassifier},
    clock::{Clock, ManualClock},
};

const BREAK: Duration = Duration::from_secs(10);
const SLOW: Duration = Duration::from_secs(2);
const NANOSECOND: Duration = Duration::from_nanos(1);

/// A circuit that one failure opens, and its clock.
struct Stage {
    clock: ManualClock,
    circuit: Circuit,
}

impl Stage {
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    fn with(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Self {
        let clock = ManualClock::new();
        let builder = Circuit::builder("inventory")
            .consecutive_failures(1)
            .open_for(BREAK)
            .clock(clock.clone());
        let circuit = configure(builder).build().expect("valid");
        Self { clock, circuit }
    }

    /// The next call is a probe.
    fn probing(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Self {
        let stage = Self::with(configure);
        stage.circuit.trip(BREAK).expect("in normal mode");
        stage.clock.advance(BREAK);
        stage
    }

    fn state(&self) -> State {
        self.circuit.state()
    }

    fn last_trip(&self) -> Option<Cause> {
        self.circuit.snapshot().last_trip.map(|trip| trip.cause)
    }

    fn probes_in_flight(&self) -> Option<u64> {
        let probes = self.circuit.snapshot().probes;
        probes.map(|probes| probes.in_flight)
    }

    /// What has become of all calls, in words.
    fn ends(&self) -> String {
        let totals = self.circuit.snapshot().totals.expect("on by default");
        let ends = [
            (totals.successful, "successful"),
            (totals.failed, "failed"),
            (totals.ignored, "ignored"),
            (totals.abandoned, "abandoned"),
            (totals.slow, "slow"),
            (totals.stale, "stale"),
            (totals.rejected, "rejected"),
        ];
        let happened = ends.into_iter().filter(|(number, _)| *number > 0);
        let happened: Vec<_> = happened.map(|(n, end)| format!("{n} {end}")).collect();
        happened.join(", ")
    }

    fn call(&self, act: Act) -> impl Future<Output = Answer> + use<> {
        let layer = CircuitBreakerLayer::new(self.circuit.clone()).classifier(ErrorsOnly);
        call(layer.reject_as_error().layer(service_fn(perform)), act)
    }
}

type Answer = Result<(), CircuitError<&'static str>>;

/// What the inner service does.
#[derive(Clone, Copy)]
enum Act {
    Answer,
    Fail,
    Hang,
    PanicInCall,
    PanicInPoll,
    PanicInSecondPoll,
}

fn perform(act: Act) -> impl Future<Output = Result<(), &'static str>> {
    if let Act::PanicInCall = act {
        quiet_panic("in call");
    }
    act_out(act)
}

async fn act_out(act: Act) -> Result<(), &'static str> {
    match act {
        Act::Answer | Act::PanicInCall => Ok(()),
        Act::Fail => Err("failed"),
        Act::Hang => pending().await,
        Act::PanicInPoll => quiet_panic("in poll"),
        Act::PanicInSecondPoll => {
            tokio::task::yield_now().await;
            quiet_panic("in second poll")
        }
    }
}

fn call<S: Service<Req>, Req>(mut service: S, request: Req) -> S::Future {
    let ready = service.ready().now_or_never().expect("ready at once");
    let Ok(ready) = ready else {
        panic!("readiness failed");
    };
    ready.call(request)
}

/// A panic that prints nothing.
fn quiet_panic(message: &'static str) -> ! {
    resume_unwind(Box::new(message))
}

/// The message that `action` panics with.
fn panic_of<T>(action: impl FnOnce() -> T) -> &'static str {
    let Err(panic) = catch_unwind(AssertUnwindSafe(action)) else {
        panic!("it should have panicked");
    };
    panic.downcast_ref::<&'static str>().expect("a message")
}

// ---- dropped -----------------------------------------------------------------------------------

#[test]
fn dropped_before_its_first_poll_a_call_is_abandoned() {
    let stage = Stage::new();
    drop(stage.call(Act::Fail));
    assert_eq!(stage.ends(), "1 abandoned");
    assert_eq!(stage.state(), State::Closed);
}

#[test]
fn the_call_is_under_guard_before_the_inner_service_is_called() {
    let stage = Stage::probing(|builder| builder);
    let in_flight = |(): ()| ready(Ok::<_, &str>(stage.probes_in_flight()));
    let layer = CircuitBreakerLayer::new(stage.circuit.clone()).classifier(ErrorsOnly);
    let answer = call(layer.reject_as_error().layer(service_fn(in_flight)), ());
    assert_eq!(answer.now_or_never(), Some(Ok(Some(1))));
}

#[test]
fn dropped_in_flight_it_is_abandoned() {
    let stage = Stage::new();
    let mut answer = task::spawn(stage.call(Act::Hang));
    assert_pending!(answer.poll());
    drop(answer);
    assert_eq!(stage.ends(), "1 abandoned");
}

#[test]
fn dropped_after_completion_it_ends_as_it_did() {
    let stage = Stage::new();
    let mut answer = task::spawn(stage.call(Act::Answer));
    assert!(answer.poll().is_ready());
    assert_eq!(stage.ends(), "1 successful");
    drop(answer);
    assert_eq!(stage.ends(), "1 successful");

    let mut answer = task::spawn(stage.call(Act::Fail));
    assert!(answer.poll().is_ready());
    drop(answer);
    assert_eq!(stage.ends(), "1 successful, 1 failed");
}

#[test]
fn a_rejection_dropped_before_its_first_poll_is_a_rejection_and_nothing_else() {
    let stage = Stage::new();
    stage.circuit.force_open();
    drop(stage.call(Act::Answer));
    assert_eq!(stage.ends(), "1 rejected");
}

#[test]
fn an_abandoned_probe_gives_its_permit_back() {
    let stage = Stage::probing(|builder| builder);
    for _ in 0..3 {
        drop(stage.call(Act::Answer));
        assert_eq!(stage.probes_in_flight(), Some(0));
        let mut answer = task::spawn(stage.call(Act::Hang));
        assert_pending!(answer.poll());
        assert_eq!(stage.probes_in_flight(), Some(1));
    }
    assert_eq!(stage.probes_in_flight(), Some(0));
    assert_eq!(stage.ends(), "6 abandoned");
}

#[test]
fn an_outer_timeout_that_gives_up_on_a_slow_call_is_a_slow_failure() {
    let stage = Stage::with(|builder| builder.slow_call_duration(SLOW));
    let mut answer = task::spawn(stage.call(Act::Hang));
    assert_pending!(answer.poll());
    stage.clock.advance(SLOW + NANOSECOND);
    drop(answer);
    assert_eq!(stage.ends(), "1 failed, 1 slow");
    assert_eq!(stage.state(), State::Open);
}

#[test]
fn an_outer_timeout_that_gives_up_no_later_than_slow_is_neutral() {
    let stage = Stage::with(|builder| builder.slow_call_duration(SLOW));
    let mut answer = task::spawn(stage.call(Act::Hang));
    assert_pending!(answer.poll());
    stage.clock.advance(SLOW);
    drop(answer);
    assert_eq!(stage.ends(), "1 abandoned");
    assert_eq!(stage.state(), State::Closed);
}

#[test]
fn a_call_that_was_answered_was_not_given_up_on() {
    let stage = Stage::with(|builder| builder.slow_call_duration(SLOW));
    let mut answer = task::spawn(stage.call(Act::Answer));
    assert!(answer.poll().is_ready());
    stage.clock.advance(SLOW + NANOSECOND);
    drop(answer);
    assert_eq!(stage.ends(), "1 successful");
}

#[test]
fn a_probe_given_up_on_after_half_open_timeout_has_failed() {
    let patience = BREAK / 2;
    for (waited, state) in [
        (patience - NANOSECOND, State::HalfOpen),
        (patience + NANOSECOND, State::Open),
    ] {
        let stage = Stage::probing(|builder| builder.half_open_timeout(patience));
        let probe = stage.call(Act::Hang);
        stage.clock.advance(waited);
        drop(probe);
        assert_eq!(stage.state(), state, "after {waited:?}");
    }
}

// A4, C4: the probe of an era that is over was in time by that era's patience, whatever the newest has.
#[test]
fn a_stale_probe_given_up_on_is_not_judged_by_the_patience_of_a_later_era() {
    let stage = Stage::probing(|builder| builder.half_open_timeout(BREAK));
    let stale = stage.call(Act::Hang);
    stage.circuit.trip(BREAK).expect("normal mode");
    let hasty = stage
        .circuit
        .reconfigure(|builder| builder.set_half_open_timeout(NANOSECOND));
    hasty.expect("valid");
    stage.clock.advance(BREAK);
    let probe = stage.call(Act::Hang);
    drop(stale);
    assert_eq!(stage.ends(), "1 abandoned, 1 stale");
    drop(probe);
}

#[test]
fn whether_giving_up_is_a_failure_can_be_chosen() {
    for (policy, ends) in [
        (AbandonedPolicy::Ignore, "1 abandoned"),
        (AbandonedPolicy::Failure, "1 failed"),
    ] {
        let stage = Stage::with(|builder| builder.abandoned(policy));
        drop(stage.call(Act::Hang));
        assert_eq!(stage.ends(), ends);
    }

    let slow = Stage::with(|builder| {
        builder
            .slow_call_duration(SLOW)
            .abandoned(AbandonedPolicy::Ignore)
    });
    let answer = slow.call(Act::Hang);
    slow.clock.advance(SLOW + NANOSECOND);
    drop(answer);
    assert_eq!(slow.ends(), "1 abandoned");
}

#[test]
fn a_forgotten_probe_delays_recovery_and_does_not_prevent_it() {
    let stage = Stage::probing(|builder| builder.half_open_timeout(BREAK));
    std::mem::forget(stage.call(Act::Answer));
    assert_eq!(
        stage.call(Act::Answer).now_or_never().map(was_rejected),
        Some(true)
    );

    stage.clock.advance(BREAK);
    assert_eq!(
        stage.call(Act::Answer).now_or_never().map(was_rejected),
        Some(true)
    );
    assert_eq!(stage.last_trip(), Some(Cause::ProbesTimedOut));

    stage.clock.advance(BREAK);
    assert_eq!(stage.call(Act::Answer).now_or_never(), Some(Ok(())));
    assert_eq!(stage.state(), State::Closed);
}

fn was_rejected(answer: Answer) -> bool {
    matches!(answer, Err(CircuitError::Rejected(_)))
}

#[test]
fn a_straggler_of_an_earlier_era_is_counted_and_changes_nothing() {
    let stage = Stage::with(|builder| builder.abandoned(AbandonedPolicy::Failure));
    let straggler = stage.call(Act::Hang);
    stage.circuit.reset();
    drop(straggler);
    assert_eq!(stage.ends(), "1 failed, 1 stale");
    assert_eq!(stage.state(), State::Closed);
}

#[test]
fn circuit_call_admits_when_it_is_first_polled() {
    let stage = Stage::new();
    drop(stage.circuit.call(act_out(Act::Answer)));
    assert_eq!(stage.ends(), "");

    let mut answer = task::spawn(stage.circuit.call(act_out(Act::Hang)));
    assert_pending!(answer.poll());
    drop(answer);
    assert_eq!(stage.ends(), "1 abandoned");

    let answer = stage.circuit.call(act_out(Act::Answer)).now_or_never();
    assert_eq!(answer, Some(Ok(())));
    assert_eq!(stage.ends(), "1 successful, 1 abandoned");
}

#[test]
fn a_guard_that_is_dropped_is_abandoned_and_one_that_is_finished_is_not() {
    let stage = Stage::probing(|builder| builder);
    drop(stage.circuit.try_acquire().expect("the probe"));
    assert_eq!(stage.probes_in_flight(), Some(0));
    stage.circuit.try_acquire().expect("it again").ignore();
    stage.circuit.try_acquire().expect("and again").success();
    assert_eq!(stage.ends(), "1 successful, 1 ignored, 1 abandoned");
    assert_eq!(stage.state(), State::Closed);
}

// ---- guards and results ------------------------------------------------------------------------

/// The trap, and what to write in its place.
#[test]
fn a_question_mark_under_a_guard_abandons_what_a_result_would_have_told() {
    let (wrong, right) = (Stage::new(), Stage::new());
    let fails = || Err::<u32, _>("failed");
    let under_a_guard = || -> Result<u32, &str> {
        let guard = wrong.circuit.try_acquire().expect("closed");
        let row = fails()?;
        guard.success();
        Ok(row)
    };
    let with_the_result = || -> Result<u32, &str> {
        let guard = right.circuit.try_acquire().expect("closed");
        let row = guard.finish_with(fails())?;
        Ok(row)
    };
    assert_eq!((under_a_guard(), with_the_result()), (fails(), fails()));
    assert_eq!(wrong.ends(), "1 abandoned");
    assert_eq!(wrong.state(), State::Closed);
    assert_eq!(right.ends(), "1 failed");
    assert_eq!(right.state(), State::Open);
}

#[test]
fn a_guard_records_a_result() {
    let stage = Stage::with(|builder| builder.consecutive_failures(3));
    let guard = || stage.circuit.try_acquire().expect("closed");
    guard().record(&Ok::<_, ()>(1));
    guard().record(&Err::<(), _>("failed"));
    assert_eq!(guard().finish_with(Ok::<_, ()>(1)), Ok(1));
    assert_eq!(guard().finish_with(Err::<(), _>("failed")), Err("failed"));
    assert_eq!(stage.ends(), "2 successful, 2 failed");
}

#[test]
fn a_guard_records_what_a_classifier_makes_of_a_result() {
    let stage = Stage::with(|builder| builder.consecutive_failures(3));
    let guard = || stage.circuit.try_acquire().expect("closed");
    let classify = |result: Result<&u32, &&str>| match result {
        Ok(0) => Outcome::Failure,
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Ignored,
    };
    for result in [Ok(0), Ok(1), Err("failed")] {
        guard().record_with(classify, &result);
    }
    assert_eq!(stage.ends(), "1 successful, 1 failed, 1 ignored");
    guard().record_with_classifier(&classify, &Ok(0));
    guard().record_with_classifier(&ErrorsOnly, &Err::<(), _>("failed"));
    assert_eq!(stage.ends(), "1 successful, 3 failed, 1 ignored");
    assert_eq!(stage.state(), State::Closed);
    let response = http::Response::builder().status(503).body(()).unwrap();
    guard().record_with_classifier(&HttpClassifier::new(), &Ok::<_, ()>(response));
    assert_eq!(stage.state(), State::Open);
}

// A1: an error has no end to wait for, whoever classifies it.
#[test]
fn a_guard_tells_an_answer_from_an_error() {
    let stage = Stage::new();
    let at_the_end = |_: Result<&(), &()>| Outcome::RequiresEos;
    let guard = || stage.circuit.try_acquire().expect("closed");
    guard().record_with(at_the_end, &Ok(()));
    assert_eq!(stage.ends(), "1 successful");
    guard().record_with(at_the_end, &Err(()));
    assert_eq!(stage.ends(), "1 successful, 1 failed");
}

// A5
#[test]
fn a_classifier_that_panics_under_a_guard_has_failed_the_call() {
    let stage = Stage::new();
    let guard = stage.circuit.try_acquire().expect("closed");
    let panics = |_: Result<&(), &()>| quiet_panic("in the classifier");
    let message = panic_of(|| guard.record_with(panics, &Ok(())));
    assert_eq!(message, "in the classifier");
    assert_eq!(stage.ends(), "1 failed");
}

// A5
#[test]
fn a_panic_under_a_guard_is_a_failure() {
    let stage = Stage::new();
    let message = panic_of(|| {
        let _guard = stage.circuit.try_acquire().expect("closed");
        quiet_panic("under a guard")
    });
    assert_eq!(message, "under a guard");
    assert_eq!(stage.ends(), "1 failed");
    assert_eq!(stage.state(), State::Open);
}

// A5, D1
#[test]
fn a_panic_under_a_probes_guard_is_a_failure_and_gives_its_permit_back() {
    let stage = Stage::probing(|builder| builder.probes(1, 2).permits(2));
    for in_flight in [Some(0), None] {
        panic_of(|| {
            let _guard = stage.circuit.try_acquire().expect("a probe");
            quiet_panic("under a guard")
        });
        assert_eq!(stage.probes_in_flight(), in_flight);
    }
    assert_eq!(stage.last_trip(), Some(Cause::ProbeFailed));
}

// A5: an async block that holds a guard when it panics drops it in its unwinding.
#[test]
fn a_panic_in_a_future_that_holds_a_guard_is_a_failure() {
    let stage = Stage::new();
    let answer = async {
        let guard = stage.circuit.try_acquire().expect("closed");
        guard.finish_with(act_out(Act::PanicInSecondPoll).await)
    };
    assert_eq!(panic_of_answer(answer), "in second poll");
    assert_eq!(stage.ends(), "1 failed");
}

// A5: what is over when the panic comes is over.
#[test]
fn a_guard_that_was_finished_or_dropped_before_a_panic_is_not_in_it() {
    let stage = Stage::new();
    panic_of(|| {
        let [finished, dropped] = [(); 2].map(|()| stage.circuit.try_acquire().expect("closed"));
        finished.success();
        drop(dropped);
        quiet_panic("later")
    });
    assert_eq!(stage.ends(), "1 successful, 1 abandoned");
}

// ---- owned -------------------------------------------------------------------------------------

#[tokio::test]
async fn an_owned_guard_and_an_owned_call_can_be_spawned() {
    let circuit = Stage::with(|builder| builder.consecutive_failures(9)).circuit;
    let guard = circuit.clone().try_acquire_owned().expect("closed");
    let guarded = tokio::spawn(async move { guard.finish_with(Ok::<_, ()>(1)) });
    assert_eq!(guarded.await.unwrap(), Ok(1));
    let calls =
        [Act::Answer, Act::Fail].map(|act| tokio::spawn(circuit.clone().call_owned(act_out(act))));
    let [answered, failed] = calls;
    assert_eq!(answered.await.unwrap(), Ok(()));
    assert_eq!(failed.await.unwrap(), Err(CircuitError::Inner("failed")));
    let ignore = |_: Result<&(), &&str>| Outcome::Ignored;
    let ignored = circuit.clone().call_owned_with(ignore, act_out(Act::Fail));
    assert!(tokio::spawn(ignored).await.unwrap().is_err());
    let classified = circuit
        .clone()
        .call_owned_with_classifier(ErrorsOnly, act_out(Act::Fail));
    assert!(tokio::spawn(classified).await.unwrap().is_err());
    let totals = circuit.snapshot().totals.unwrap();
    let ends = (totals.successful, totals.failed, totals.ignored);
    assert_eq!(ends, (2, 2, 1));
}

// G5: the circuit lives as long as what is owned, and no longer.
#[test]
fn what_is_owned_holds_the_circuit_until_it_ends() {
    let circuit = Stage::new().circuit;
    let kept = circuit.downgrade();
    let guard = circuit.clone().try_acquire_owned().expect("closed");
    let mut call = Box::pin(circuit.call_owned(act_out(Act::Hang)));
    assert!(call.as_mut().now_or_never().is_none());
    drop(guard);
    let totals = kept.upgrade().expect("held").snapshot().totals.unwrap();
    assert_eq!(totals.abandoned, 1);
    drop(call);
    assert!(kept.upgrade().is_none());
}

#[test]
fn what_is_owned_is_admitted_rejected_and_ended_like_any_other() {
    let stage = Stage::new();
    let owned = || stage.circuit.clone();
    drop(owned().call_owned(act_out(Act::Fail)));
    assert_eq!(stage.ends(), "", "not polled");
    panic_of(|| {
        let _guard = owned().try_acquire_owned().expect("closed");
        quiet_panic("under a guard")
    });
    assert_eq!(stage.ends(), "1 failed");
    assert!(owned().try_acquire_owned().is_err());
    let polled = std::cell::Cell::new(false);
    let call = owned().call_owned(async {
        polled.set(true);
        Ok::<_, ()>(())
    });
    let answer = call.now_or_never().expect("at once");
    assert!(matches!(answer, Err(CircuitError::Rejected(_))));
    assert!(!polled.get());
    stage.circuit.reset();
    let call = owned().call_owned(act_out(Act::PanicInPoll));
    assert_eq!(panic_of_answer(call), "in poll");
    assert_eq!(stage.ends(), "2 failed, 2 rejected");
}

// ---- panicking ---------------------------------------------------------------------------------

/// Polls until it panics, drops what is left, and tells the message.
fn panic_of_answer<T>(answer: impl Future<Output = T>) -> &'static str {
    let mut answer = task::spawn(answer);
    panic_of(|| while answer.poll().is_pending() {})
}

/// The same for a call that may panic before there is a future.
fn panic_of_act(stage: &Stage, act: Act) {
    panic_of(|| {
        let mut answer = task::spawn(stage.call(act));
        while answer.poll().is_pending() {}
    });
}

#[test]
fn a_panic_in_the_inner_call_is_a_failure() {
    let stage = Stage::new();
    assert_eq!(panic_of(|| drop(stage.call(Act::PanicInCall))), "in call");
    assert_eq!(stage.ends(), "1 failed");
    assert_eq!(stage.state(), State::Open);
}

#[test]
fn a_panic_in_the_inner_poll_is_a_failure() {
    for (act, message) in [
        (Act::PanicInPoll, "in poll"),
        (Act::PanicInSecondPoll, "in second poll"),
    ] {
        let stage = Stage::new();
        assert_eq!(panic_of_answer(stage.call(act)), message);
        assert_eq!(stage.ends(), "1 failed");
        assert_eq!(stage.state(), State::Open);
    }
}

#[test]
fn a_panic_in_the_classifier_is_a_failure() {
    let stage = Stage::new();
    let layer = CircuitBreakerLayer::new(stage.circuit.clone())
        .classify(|_: Result<&(), &&str>| quiet_panic("in the classifier"))
        .reject_as_error();
    let answer = call(layer.layer(service_fn(perform)), Act::Answer);
    assert_eq!(panic_of_answer(answer), "in the classifier");
    assert_eq!(stage.ends(), "1 failed");
    assert_eq!(stage.state(), State::Open);
}

#[test]
fn a_panic_is_a_failure_whatever_the_classifier_thinks_of_failures() {
    let stage = Stage::new();
    let layer = CircuitBreakerLayer::new(stage.circuit.clone())
        .classify(|_: Result<&(), &&str>| Outcome::Ignored)
        .reject_as_error();
    let answer = call(layer.layer(service_fn(perform)), Act::PanicInPoll);
    panic_of_answer(answer);
    assert_eq!(stage.ends(), "1 failed");
}

#[test]
fn a_panic_in_a_circuit_call_is_a_failure() {
    let stage = Stage::new();
    let answer = stage.circuit.call(act_out(Act::PanicInSecondPoll));
    assert_eq!(panic_of_answer(answer), "in second poll");
    assert_eq!(stage.ends(), "1 failed");
    assert_eq!(stage.state(), State::Open);
}

#[test]
fn a_panic_in_the_classifier_of_call_with_is_a_failure() {
    let stage = Stage::new();
    let classifier = |_: Result<&(), &&str>| quiet_panic("in the classifier");
    let answer = stage.circuit.call_with(classifier, act_out(Act::Answer));
    assert_eq!(panic_of_answer(answer), "in the classifier");
    assert_eq!(stage.ends(), "1 failed");
}

#[test]
fn a_probe_that_panics_has_failed_and_holds_no_permit() {
    for act in [Act::PanicInCall, Act::PanicInPoll, Act::PanicInSecondPoll] {
        let stage = Stage::probing(|builder| builder.probes(1, 2).permits(2));
        panic_of_act(&stage, act);
        assert_eq!(stage.probes_in_flight(), Some(0));

        panic_of_act(&stage, act);
        assert_eq!(stage.last_trip(), Some(Cause::ProbeFailed));
    }
}

#[test]
fn a_panicking_readiness_is_nobodys_call() {
    let stage = Stage::new();
    let layer = CircuitBreakerLayer::new(stage.circuit.clone()).classifier(ErrorsOnly);
    let inner = tower::util::MapErr::new(PanickingReadiness, |error| error);
    let mut service = layer.reject_as_error().layer(inner);
    let message = panic_of(|| service.ready().now_or_never());
    assert_eq!(message, "in readiness");
    assert_eq!(stage.ends(), "");
}

#[derive(Clone)]
struct PanickingReadiness;

impl Service<()> for PanickingReadiness {
    type Response = ();
    type Error = &'static str;
    type Future = Ready<Result<(), &'static str>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), &'static str>> {
        quiet_panic("in readiness")
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

#[test]
fn a_panic_while_answering_a_rejection_changes_nothing() {
    let stage = Stage::new();
    stage.circuit.trip(BREAK).expect("in normal mode");
    let era = stage.circuit.snapshot().era;
    let layer = CircuitBreakerLayer::new(stage.circuit.clone());
    let inner = || service_fn(|(): ()| ready(Ok::<_, &str>(http::Response::new(()))));

    let respond = layer
        .clone()
        .reject_with(|_| -> http::Response<()> { quiet_panic("in the answer") });
    let message = panic_of(|| drop(call(respond.layer(inner()), ())));
    assert_eq!(message, "in the answer");

    let fallback = layer.fallback(async |_, ()| quiet_panic("in the fallback"));
    let answer = call(fallback.layer(inner()), ());
    assert_eq!(panic_of_answer(answer), "in the fallback");

    assert_eq!(stage.ends(), "2 rejected");
    assert_eq!(stage.circuit.snapshot().era, era);
}

#[test]
fn a_panic_while_answering_a_rejection_leaves_the_service_usable() {
    let stage = Stage::new();
    stage.circuit.force_open();
    let mut service = CircuitBreakerLayer::new(stage.circuit.clone())
        .reject_with(|_| -> http::Response<()> { quiet_panic("in the answer") })
        .layer(service_fn(|(): ()| {
            ready(Ok::<_, &str>(http::Response::new(())))
        }));
    panic_of(|| drop(call(&mut service, ())));

    stage.circuit.release();

    let answer = call(&mut service, ()).now_or_never();
    assert_eq!(answer.expect("answered").unwrap().status(), 200);
}

// ---- somebody else's panic ---------------------------------------------------------------------

/// Does something while a panic unwinds, that is not its own.
struct OnUnwind<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnUnwind<F> {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "or the test tests nothing");
        (self.0)();
    }
}

fn during_a_panic(action: impl FnMut()) {
    let message = panic_of(|| {
        let _on_unwind = OnUnwind(action);
        quiet_panic("somebody else's");
    });
    assert_eq!(message, "somebody else's");
}

#[test]
fn a_call_dropped_by_a_siblings_panic_is_abandoned() {
    let stage = Stage::new();
    let answer = stage.call(Act::Hang);
    let sibling = async { quiet_panic("the sibling's") };
    // Whatever this block holds when it panics, unwinding drops.
    let both = async move {
        let _on_unwind = OnUnwind(|| ());
        join(answer, sibling).await
    };

    assert_eq!(panic_of_answer(both), "the sibling's");

    assert_eq!(stage.ends(), "1 abandoned");
    assert_eq!(stage.state(), State::Closed);
}

#[test]
fn a_circuit_call_dropped_during_a_panic_is_abandoned() {
    let stage = Stage::new();
    let mut answer = Some(task::spawn(Box::pin(
        stage.circuit.call(act_out(Act::Hang)),
    )));
    assert_pending!(answer.as_mut().expect("not dropped yet").poll());

    during_a_panic(|| drop(answer.take()));

    assert_eq!(stage.ends(), "1 abandoned");
}

// A5: a guard sees nothing of its call, so any panic that drops it is taken for its own.
#[test]
fn a_guard_dropped_by_a_panic_has_failed_whoever_panicked() {
    let stage = Stage::new();
    let mut guard = Some(stage.circuit.try_acquire().expect("closed"));
    during_a_panic(|| drop(guard.take()));
    assert_eq!(stage.ends(), "1 failed");
    assert_eq!(stage.state(), State::Open);
}

// A5: and so does one that was made meanwhile, unless it is finished.
#[test]
fn a_guard_made_during_a_panic_ends_as_it_is_finished_and_fails_otherwise() {
    let stage = Stage::new();
    during_a_panic(|| {
        let guard = stage.circuit.try_acquire().expect("closed");
        guard.success();
        let guard = stage.circuit.try_acquire().expect("closed");
        guard.ignore();
    });
    assert_eq!(stage.ends(), "1 successful, 1 ignored");
    during_a_panic(|| drop(stage.circuit.try_acquire()));
    assert_eq!(stage.ends(), "1 successful, 1 failed, 1 ignored");
}

#[test]
fn a_call_made_and_answered_during_somebody_elses_panic_succeeds() {
    let stage = Stage::probing(|builder| builder.probes(2, 2));

    during_a_panic(|| assert_eq!(stage.call(Act::Answer).now_or_never(), Some(Ok(()))));
    assert_eq!(stage.ends(), "1 successful");

    during_a_panic(|| {
        let answer = stage.circuit.call(act_out(Act::Answer)).now_or_never();
        assert_eq!(answer, Some(Ok(())));
    });
    assert_eq!(stage.ends(), "2 successful");
    assert_eq!(stage.state(), State::Closed);
}

#[test]
fn a_call_made_and_dropped_during_somebody_elses_panic_is_abandoned() {
    let stage = Stage::probing(|builder| builder);
    during_a_panic(|| drop(stage.call(Act::Hang)));
    assert_eq!(stage.ends(), "1 abandoned");
    assert_eq!(stage.probes_in_flight(), Some(0));
}

#[test]
fn a_call_that_panics_during_somebody_elses_panic_has_failed() {
    let stage = Stage::new();
    during_a_panic(|| assert_eq!(panic_of_answer(stage.call(Act::PanicInPoll)), "in poll"));
    assert_eq!(stage.ends(), "1 failed");
}

#[test]
fn a_panic_that_the_inner_service_catches_itself_is_its_own_affair() {
    let stage = Stage::new();
    let inner = service_fn(async |(): ()| {
        assert_eq!(panic_of_answer(act_out(Act::PanicInPoll)), "in poll");
        Ok::<_, &str>(())
    });
    let layer = CircuitBreakerLayer::new(stage.circuit.clone()).classifier(ErrorsOnly);
    let answer = call(layer.reject_as_error().layer(inner), ()).now_or_never();
    assert_eq!(answer, Some(Ok(())));
    assert_eq!(stage.ends(), "1 successful");
}

#[test]
fn a_panic_out_of_the_inner_futures_own_drop_ends_the_call_once() {
    struct PanicsOnDrop;
    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            quiet_panic("in drop");
        }
    }
    let stage = Stage::new();
    let inner = service_fn(|(): ()| async {
        let _panics = PanicsOnDrop;
        pending::<Result<(), &str>>().await
    });
    let layer = CircuitBreakerLayer::new(stage.circuit.clone()).classifier(ErrorsOnly);
    let mut answer = Box::pin(call(layer.reject_as_error().layer(inner), ()));
    assert!(answer.as_mut().now_or_never().is_none());

    assert_eq!(panic_of(|| drop(answer)), "in drop");

    assert_eq!(stage.ends(), "1 abandoned");
}

// ---- sizes -------------------------------------------------------------------------------------

/// What an admitted call holds: a share in the circuit, the era, and the time.
const HELD: usize = 24;

/// What a protected call adds to its inner future: that, and where the limit of a probe is, if it has one (D9).
const ADDED: usize = HELD + 8;

/// A future of `N` bytes.
struct Sized<const N: usize>([u8; N]);

impl<const N: usize> Future for Sized<N> {
    type Output = Result<http::Response<()>, std::io::Error>;

    fn poll(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        assert!(self.0.iter().all(|byte| *byte == 0));
        std::task::Poll::Pending
    }
}

fn protected_size<const N: usize>() -> usize {
    let layer = CircuitBreakerLayer::new(Stage::new().circuit);
    let inner = service_fn(|(): ()| Sized([0; N]));
    size_of_val(&call(layer.layer(inner), ()))
}

#[test]
fn a_protected_future_is_32_bytes_larger_than_its_inner_one() {
    assert!(protected_size::<64>() <= 64 + ADDED);
    assert!(protected_size::<1024>() <= 1024 + ADDED);
}

/// Below that, the default rejection is the larger of the two.
#[test]
fn a_protected_future_is_at_least_as_large_as_a_rejection() {
    assert!(protected_size::<0>() <= 64);
    assert!(protected_size::<16>() <= 64);
}

#[test]
fn a_protected_service_is_56_bytes_larger_and_a_guard_has_24() {
    let stage = Stage::new();
    let layer = CircuitBreakerLayer::new(stage.circuit.clone());
    assert!(size_of_val(&layer.layer([0_u64; 4])) <= size_of::<[u64; 4]>() + 56);
    assert!(size_of_val(&stage.circuit.try_acquire()) <= 56);
    assert!(size_of_val(&stage.circuit.try_acquire().expect("closed")) <= HELD);
}

/// Panics from the moment it is told to.
#[derive(Clone, Default)]
struct PanickingClock(Arc<AtomicBool>);

impl Clock for PanickingClock {
    fn now(&self) -> Duration {
        assert!(!self.0.load(SeqCst), "the clock");
        Duration::ZERO
    }
}

// A5: a second panic while the first unwinds would abort the process.
#[test]
fn a_clock_that_panics_while_a_panic_unwinds_harms_nobody() {
    let clock = PanickingClock::default();
    let circuit = Circuit::builder("test")
        .clock(clock.clone())
        .build()
        .expect("valid");
    let call = circuit.call(async {
        clock.0.store(true, SeqCst);
        panic!("the call");
        #[expect(unreachable_code, reason = "for its type")]
        Ok::<(), ()>(())
    });
    catch_unwind(AssertUnwindSafe(|| call.now_or_never())).expect_err("a panic");
    assert_eq!(circuit.snapshot().totals.expect("counted").failed, 1);
}
