//! A probe that takes too long is cut off (rule D9). The time is tokio's, and paused, over sockets, too.

use std::{
    cell::Cell,
    future::{Future, pending},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Waker},
    time::Duration,
};

use super::support::{millis, secs};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Response, StatusCode};
use http_body_util::Empty;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    net::TcpListener,
    time::{Instant, advance, sleep},
};
use tower::{Layer, Service, ServiceExt, service_fn, util::BoxCloneService};
use tower_breaker::{
    Cause, Circuit, CircuitBreakerLayer, CircuitBuilder, CircuitError, Mode, Outcome, Rejected,
    State, TimedOut, Totals,
    classify::{Classify, ErrorsOnly, HttpClassifier, IgnoreRejections},
    clock::ManualClock,
};

const BREAK: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_millis(250);
const MOMENT: Duration = Duration::from_millis(1);
const MESSAGE: &str = "circuit `payments` was half-open, and its probe took longer than 250ms";

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn build(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Circuit {
    let builder = Circuit::builder("payments")
        .consecutive_failures(1)
        .open_for(BREAK)
        .probe_timeout(LIMIT);
    configure(builder).build().expect("valid")
}

/// A circuit whose next call is a probe.
async fn probing(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Circuit {
    let circuit = build(configure);
    break_over(&circuit).await;
    circuit
}

async fn break_over(circuit: &Circuit) {
    circuit.trip(BREAK).expect("normal mode");
    advance(BREAK).await;
}

#[track_caller]
fn totals(circuit: &Circuit) -> Totals {
    circuit.snapshot().totals.expect("counted")
}

#[track_caller]
fn reopened(circuit: &Circuit) {
    assert_eq!(circuit.state(), State::Open);
    assert_eq!(
        circuit.snapshot().last_trip.map(|trip| trip.cause),
        Some(Cause::ProbeFailed)
    );
    assert_eq!(totals(circuit).failed, 1);
}

/// Counts the futures that are there.
#[derive(Clone, Default)]
struct Alive(Arc<AtomicU64>);

struct One(Alive);

impl Drop for One {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, SeqCst);
    }
}

impl Alive {
    fn one(&self) -> One {
        self.0.fetch_add(1, SeqCst);
        One(self.clone())
    }

    fn count(&self) -> u64 {
        self.0.load(SeqCst)
    }

    async fn hang<T, E>(self) -> Result<T, E> {
        let _one = self.one();
        hang().await
    }
}

/// So long that only a test that fails waits for it.
async fn hang<T>() -> T {
    sleep(secs(86_400)).await;
    panic!("nobody has cut it off")
}

type Answer = Response<String>;

fn respond(status: u16) -> Answer {
    let response = Response::builder().status(status);
    response.body("of one's own".to_owned()).expect("valid")
}

/// Hangs, as long as it is alive; or for a time.
fn hanging(alive: &Alive, time: Option<Duration>) -> BoxCloneService<(), Answer, io::Error> {
    let alive = alive.clone();
    BoxCloneService::new(service_fn(move |()| {
        let one = alive.one();
        async move {
            let _one = one;
            match time {
                Some(time) => sleep(time).await,
                None => hang().await,
            }
            Ok(respond(200))
        }
    }))
}

/// The answer, and how long it took.
async fn timed<T>(answer: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    let answer = answer.await;
    (answer, began.elapsed())
}

#[track_caller]
fn is_about<R>(answer: Result<R, CircuitError<io::Error>>) {
    let Err(CircuitError::TimedOut(timed_out)) = answer else {
        panic!("not cut off")
    };
    is_it(&timed_out);
}

#[track_caller]
fn is_it(timed_out: &TimedOut) {
    assert_eq!(timed_out.to_string(), MESSAGE);
    assert_eq!(
        (timed_out.circuit(), timed_out.limit()),
        ("payments", LIMIT)
    );
}

/// Tokio's timer counts in milliseconds, rounded up.
#[track_caller]
fn is_limit(took: Duration) {
    assert!((LIMIT..=LIMIT + MOMENT).contains(&took), "{took:?}");
}

// ---- Circuit::call -----------------------------------------------------------------------------

// D9
#[tokio::test(start_paused = true)]
async fn a_probe_is_cut_off_at_its_limit() {
    let (circuit, alive) = (probing(|c| c).await, Alive::default());
    let mut call = pin!(circuit.call(alive.clone().hang::<(), io::Error>()));
    let (answer, took) = timed(call.as_mut()).await;
    is_limit(took);
    is_about(answer);
    reopened(&circuit);
    // At once, and not when the call is dropped.
    assert_eq!(alive.count(), 0);
    assert!(format!("{call:?}").contains("admitted: true"));
    let again = catch_unwind(AssertUnwindSafe(|| call.now_or_never()));
    assert!(again.is_err(), "polled after completion");
    assert_eq!(totals(&circuit).abandoned, 0);
}

// D9
#[tokio::test(start_paused = true)]
async fn so_is_one_that_was_spawned() {
    let (circuit, alive) = (probing(|c| c).await, Alive::default());
    let call = circuit.clone().call_owned(alive.clone().hang());
    is_about::<()>(tokio::spawn(call).await.expect("no panic"));
    reopened(&circuit);
    assert_eq!(alive.count(), 0);
}

// D9
#[tokio::test(start_paused = true)]
async fn one_that_answers_in_time_closes() {
    let circuit = probing(|c| c).await;
    let answer = circuit.call(async {
        sleep(LIMIT - MOMENT).await;
        Ok::<_, io::Error>(42)
    });
    assert_eq!(answer.await.expect("in time"), 42);
    assert_eq!(circuit.state(), State::Closed);
    // The timer is gone with the call.
    sleep(10 * LIMIT).await;
    assert_eq!(circuit.state(), State::Closed);
}

// D9
#[tokio::test(start_paused = true)]
async fn without_the_setting_it_takes_as_long_as_it_takes() {
    let circuit = Circuit::builder("payments")
        .open_for(BREAK)
        .build()
        .expect("valid");
    break_over(&circuit).await;
    let answer = circuit.call(async {
        sleep(secs(20)).await;
        Ok::<_, io::Error>(42)
    });
    assert_eq!(answer.await.expect("no limit"), 42);
}

// D9: no timer is made, or this would panic: there is no runtime.
#[test]
fn closed_calls_and_probes_that_do_not_wait_need_no_runtime() {
    let clock = ManualClock::new();
    let circuit = build(|c| c.clock(clock.clone()));
    let mut waits = Box::pin(circuit.call(pending::<Result<(), io::Error>>()));
    assert!(waits.as_mut().now_or_never().is_none());
    drop(waits);
    circuit.trip(BREAK).expect("normal mode");
    clock.advance(BREAK);
    let answer = circuit
        .call(async { Ok::<_, io::Error>(42) })
        .now_or_never();
    assert_eq!(answer.expect("at once").expect("admitted"), 42);
    assert_eq!(circuit.state(), State::Closed);

    // One that waits does, as its docs say.
    circuit.trip(BREAK).expect("normal mode");
    clock.advance(BREAK);
    let waits = || {
        circuit
            .call(pending::<Result<(), io::Error>>())
            .now_or_never()
    };
    assert!(catch_unwind(AssertUnwindSafe(waits)).is_err());
}

// D9
#[tokio::test(start_paused = true)]
async fn it_is_by_tokios_clock_whatever_the_circuit_has() {
    let clock = ManualClock::new();
    let circuit = build(|c| c.clock(clock.clone()));
    circuit.trip(BREAK).expect("normal mode");
    clock.advance(BREAK);
    let (answer, took) = timed(circuit.call(Alive::default().hang::<(), io::Error>())).await;
    is_limit(took);
    is_about(answer);
    reopened(&circuit);
}

// D8, D9: the inner call is part of the outer one, which has the limit.
#[tokio::test(start_paused = true)]
async fn a_call_within_a_call_has_no_limit_of_its_own() {
    let (circuit, alive) = (probing(|c| c).await, Alive::default());
    let inner = circuit.clone();
    let hang = alive.clone().hang::<(), io::Error>();
    let answer = circuit.call(async move {
        sleep(LIMIT / 2).await;
        inner.call(hang).await.map_err(io::Error::other)
    });
    let (answer, took) = timed(answer).await;
    is_limit(took);
    is_about(answer);
    reopened(&circuit);
    assert_eq!(alive.count(), 0);
}

// D9, C4
#[tokio::test(start_paused = true)]
async fn the_limit_holds_whatever_becomes_of_the_circuit() {
    let (circuit, alive) = (probing(|c| c).await, Alive::default());
    let mut call = pin!(circuit.call(alive.clone().hang::<(), io::Error>()));
    assert!(call.as_mut().now_or_never().is_none());
    circuit.reset();
    let (answer, took) = timed(call).await;
    is_limit(took);
    is_about(answer);
    assert_eq!(alive.count(), 0);
    // And says nothing any more.
    assert_eq!(circuit.state(), State::Closed);
    assert_eq!(totals(&circuit).stale, 1);
}

// D9, E5
#[tokio::test(start_paused = true)]
async fn it_can_be_changed_and_a_probe_that_waits_keeps_its_own() {
    let circuit = probing(|c| c.probes(1, 2).permits(2)).await;
    let hang = || circuit.call(hang::<Result<(), io::Error>>());
    let mut first = pin!(hang());
    assert!(first.as_mut().now_or_never().is_none());
    circuit
        .reconfigure(|c| c.set_probe_timeout(2 * LIMIT))
        .expect("valid");
    let mut second = pin!(hang());
    assert!(second.as_mut().now_or_never().is_none());
    let began = Instant::now();
    is_about(first.await);
    is_limit(began.elapsed());
    let Err(CircuitError::TimedOut(timed_out)) = second.await else {
        panic!("not cut off")
    };
    assert_eq!(timed_out.limit(), 2 * LIMIT);
    assert!(began.elapsed() >= 2 * LIMIT);
    assert_eq!(circuit.state(), State::Open);
}

// D9, A5
#[tokio::test(start_paused = true)]
async fn a_panic_in_the_drop_of_what_is_cut_off_goes_on_and_counts_once() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                std::panic::resume_unwind(Box::new("in drop"));
            }
        }
    }
    let circuit = probing(|c| c).await;
    let mut call = Box::pin(circuit.call(async {
        let _panics = Panics;
        hang::<Result<(), io::Error>>().await
    }));
    assert!(call.as_mut().now_or_never().is_none());
    advance(LIMIT + MOMENT).await;
    let mut context = Context::from_waker(Waker::noop());
    let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut context)));
    assert_eq!(
        polled.expect_err("a panic").downcast_ref(),
        Some(&"in drop")
    );
    drop(call);
    reopened(&circuit);
    let totals = totals(&circuit);
    assert_eq!((totals.abandoned, totals.successful), (0, 0));
}

// D9: what is dropped is no part of a call any more (D8), so it is rejected, not waved through.
#[tokio::test(start_paused = true)]
async fn what_is_dropped_finds_the_circuit_open() {
    struct Asks(Circuit, Rc<Cell<Option<bool>>>);
    impl Drop for Asks {
        fn drop(&mut self) {
            self.1.set(Some(self.0.try_acquire().is_err()));
        }
    }
    let (circuit, rejected) = (probing(|c| c).await, Rc::default());
    let asks = Asks(circuit.clone(), Rc::clone(&rejected));
    let answer = circuit.call(async move {
        let _asks = asks;
        hang::<Result<(), io::Error>>().await
    });
    is_about(answer.await);
    assert_eq!(rejected.get(), Some(true));
}

// D9: the timer wakes whoever polls the call by now.
#[tokio::test(start_paused = true)]
async fn one_that_goes_to_another_task_keeps_its_limit() {
    let circuit = probing(|c| c).await;
    let mut call = Box::pin(circuit.clone().call_owned(hang::<Result<(), io::Error>>()));
    assert!(call.as_mut().now_or_never().is_none());
    let began = Instant::now();
    sleep(LIMIT / 2).await;
    is_about(tokio::spawn(call).await.expect("no panic"));
    is_limit(began.elapsed());
}

// C4, D9
#[tokio::test(start_paused = true)]
async fn a_straggler_decides_nothing_in_the_next_half_open() {
    let circuit = probing(|c| c).await;
    let mut straggler = pin!(circuit.call(hang::<Result<(), io::Error>>()));
    assert!(straggler.as_mut().now_or_never().is_none());
    circuit.reset();
    circuit.trip(LIMIT / 2).expect("normal mode");
    advance(LIMIT / 2).await;
    let probe = circuit.try_acquire().expect("a probe of the next era");
    is_about(straggler.await);
    assert_eq!(circuit.state(), State::HalfOpen);
    probe.success();
    assert_eq!(circuit.state(), State::Closed);
    let totals = totals(&circuit);
    assert_eq!((totals.failed, totals.successful, totals.stale), (1, 1, 1));
}

// D9, E1: the mode at the limit says, not that in which the probe was admitted.
#[tokio::test(start_paused = true)]
async fn the_mode_may_change_while_a_probe_waits() {
    let changes = [
        (Mode::Shadow, Mode::Normal, true),
        (Mode::Shadow, Mode::ForcedOpen, true),
        (Mode::Normal, Mode::ForcedOpen, true),
        (Mode::Normal, Mode::Shadow, false),
        (Mode::Normal, Mode::Disabled, false),
    ];
    for (from, to, cuts) in changes {
        let circuit = build(|c| c.mode(from));
        break_over(&circuit).await;
        let mut call = pin!(circuit.call(async {
            sleep(2 * LIMIT).await;
            Ok::<_, io::Error>(42)
        }));
        assert!(call.as_mut().now_or_never().is_none());
        circuit.set_mode(to);
        assert_eq!(call.await.is_err(), cuts, "{from} to {to}");
        let totals = totals(&circuit);
        assert_eq!((totals.failed, totals.successful), (1, 0), "{from} to {to}");
    }
}

/// Never waits for anything, but lets other tasks run when tokio wants it to.
async fn busy<T>() -> T {
    loop {
        tokio::task::consume_budget().await;
    }
}

// D7, D9: tokio's timers are pending in a task that has done all that it may do at a time.
#[tokio::test(start_paused = true)]
async fn what_never_stops_is_cut_off_as_well() {
    let circuit = probing(|c| c).await;
    let call = tokio::spawn(circuit.clone().call_owned(busy::<Result<(), io::Error>>()));
    tokio::task::yield_now().await;
    advance(LIMIT).await;
    tokio::task::yield_now().await;
    assert!(call.is_finished());
    is_about(call.await.expect("no panic"));
    reopened(&circuit);

    let check = async || busy::<Result<(), io::Error>>().await;
    let limits = [
        (secs(60), Cause::ProbeFailed),
        (LIMIT / 2, Cause::ProbesTimedOut),
    ];
    for (half_open, cause) in limits {
        let circuit = probing(|c| c.half_open_timeout(half_open)).await;
        let driver = tokio::spawn(circuit.probe_with(check));
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        advance(half_open.min(LIMIT) + MOMENT).await;
        tokio::task::yield_now().await;
        let trip = circuit.snapshot().last_trip.map(|trip| trip.cause);
        driver.abort();
        assert_eq!(trip, Some(cause));
    }
}

// D9
#[tokio::test(start_paused = true)]
async fn a_guard_is_not_cut_off() {
    let circuit = probing(|c| c.half_open_timeout(secs(60))).await;
    let guard = circuit.try_acquire().expect("a probe");
    sleep(10 * LIMIT).await;
    guard.success();
    assert_eq!(circuit.state(), State::Closed);
}

// ---- services ----------------------------------------------------------------------------------

fn layer(circuit: &Circuit) -> CircuitBreakerLayer {
    CircuitBreakerLayer::new(circuit.clone())
}

// D9
#[tokio::test(start_paused = true)]
async fn the_default_answer_is_a_504_that_is_no_rejection() {
    let (circuit, alive) = (probing(|c| c).await, Alive::default());
    let service = layer(&circuit).layer(hanging(&alive, None));
    let (answer, took) = timed(service.oneshot(())).await;
    is_limit(took);
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    assert!(answer.body().is_empty() && answer.headers().is_empty());
    is_it(answer.extensions().get().expect("told"));
    assert!(answer.extensions().get::<Rejected>().is_none());
    let outer = HttpClassifier::new().classify(Ok::<_, &io::Error>(&answer));
    assert_eq!(outer, Outcome::Failure);
    reopened(&circuit);
    assert_eq!(alive.count(), 0);
}

// D9
#[tokio::test(start_paused = true)]
async fn the_inner_future_is_dropped_before_its_caller_drops_the_call() {
    let (circuit, alive) = (probing(|c| c).await, Alive::default());
    let mut service = layer(&circuit).layer(hanging(&alive, None));
    let mut call = pin!(service.ready().await.expect("ready").call(()));
    assert!(call.as_mut().await.is_ok());
    assert_eq!(alive.count(), 0);
    let again = catch_unwind(AssertUnwindSafe(|| call.now_or_never()));
    assert!(again.is_err(), "polled after completion");
}

// D9
#[tokio::test(start_paused = true)]
async fn where_rejections_are_errors_so_is_this() {
    let (circuit, alive) = (probing(|c| c).await, Alive::default());
    let service = layer(&circuit).reject_as_error();
    let answer = service.layer(hanging(&alive, None)).oneshot(()).await;
    let error = answer.expect_err("an error");
    assert_eq!(error.to_string(), "circuit `payments` cut the call off");
    let source = std::error::Error::source(&error).expect("a source");
    is_it(source.downcast_ref().expect("told"));
    assert!(Rejected::find(&error).is_none() && error.rejected().is_none());
    let outer = IgnoreRejections(ErrorsOnly).classify(Err::<&Answer, _>(&error));
    assert_eq!(outer, Outcome::Failure);
    let boxed = error.clone_kind().into_boxed();
    is_it(boxed.downcast_ref().expect("told"));
    assert!(error.into_inner().is_none());
    reopened(&circuit);

    let (circuit, alive) = (probing(|c| c).await, Alive::default());
    let service = layer(&circuit).reject_as_box_error();
    let answer = service.layer(hanging(&alive, None)).oneshot(()).await;
    let error: BoxError = answer.expect_err("an error");
    is_it(error.downcast_ref().expect("told"));
    let outer = HttpClassifier::new().classify(Err::<&Answer, _>(&error));
    assert_eq!(outer, Outcome::Failure);
    reopened(&circuit);
    assert_eq!(alive.count(), 0);
}

/// An error of one's own is not `Clone`; a cut call is.
trait CloneKind {
    fn clone_kind(&self) -> Self;
}

impl CloneKind for CircuitError<io::Error> {
    fn clone_kind(&self) -> Self {
        match self {
            Self::TimedOut(timed_out) => timed_out.clone().into(),
            _ => panic!("not cut off"),
        }
    }
}

// D9
#[tokio::test(start_paused = true)]
async fn without_an_answer_the_probe_fails_at_its_limit_and_the_call_goes_on() {
    let (circuit, alive) = (probing(|c| c).await, Alive::default());
    let rejecting = layer(&circuit)
        .reject_with(|_| respond(503))
        .without_time_out_answer();
    let falling_back = layer(&circuit)
        .fallback(|_, ()| async { Ok(respond(203)) })
        .without_time_out_answer();
    let inner = || hanging(&alive, Some(secs(2)));
    goes_on(&circuit, rejecting.layer(inner())).await;
    circuit.reset();
    break_over(&circuit).await;
    goes_on(&circuit, falling_back.layer(inner())).await;
    let totals = totals(&circuit);
    assert_eq!(
        (totals.failed, totals.successful, totals.abandoned),
        (2, 0, 0)
    );
}

async fn goes_on<S>(circuit: &Circuit, service: S)
where
    S: Service<(), Response = Answer, Error = io::Error>,
{
    let mut call = pin!(timed(service.oneshot(())));
    assert!(call.as_mut().now_or_never().is_none());
    let paused = tokio::time::timeout(LIMIT + MOMENT, call.as_mut()).await;
    assert!(paused.is_err(), "answered");
    assert_eq!(circuit.state(), State::Open);
    let (answer, took) = call.await;
    assert_eq!(answer.expect("its own").status(), StatusCode::OK);
    assert!(took >= secs(2));
    assert_eq!(circuit.state(), State::Open);
}

// D9
#[tokio::test(start_paused = true)]
async fn time_out_with_gives_any_of_them_an_answer() {
    let (circuit, alive) = (probing(|c| c).await, Alive::default());
    let inner = || hanging(&alive, None);
    let layer = || layer(&circuit);
    let status = |timed_out: &TimedOut| {
        is_it(timed_out);
        respond(598)
    };
    let answer = layer().reject_with(|_| respond(503)).time_out_with(status);
    let service = answer.layer(inner());
    let answer = service.clone().oneshot(()).await.expect("an answer");
    assert_eq!(answer.status(), 598);
    // And rejections are what they were.
    let rejected = service.oneshot(()).await.expect("an answer");
    assert_eq!(rejected.status(), 503);
    assert!(rejected.extensions().get::<Rejected>().is_some());

    break_over(&circuit).await;
    let answer = layer()
        .fallback(|_, ()| async { Ok::<_, io::Error>(respond(203)) })
        .time_out_with(status);
    let service = answer.layer(inner());
    let answer = service.clone().oneshot(()).await.expect("an answer");
    assert_eq!(answer.status(), 598);
    assert_eq!(service.oneshot(()).await.expect("an answer").status(), 203);

    break_over(&circuit).await;
    let service = layer()
        .reject_as_error()
        .time_out_with(status)
        .layer(inner());
    let answer = service.oneshot(()).await.expect("an answer");
    assert_eq!(answer.status(), 598);
    assert_eq!(alive.count(), 0);
}

// D9: the probe has failed before its answer is made.
#[tokio::test(start_paused = true)]
async fn a_panic_in_the_answer_goes_on_and_counts_once() {
    let (circuit, alive) = (probing(|c| c).await, Alive::default());
    let layer = layer(&circuit)
        .time_out_with(|_| -> Answer { std::panic::resume_unwind(Box::new("no answer")) });
    let mut call = Box::pin(layer.layer(hanging(&alive, None)).oneshot(()));
    let panicked = AssertUnwindSafe(call.as_mut()).catch_unwind().await;
    assert!(panicked.is_err());
    drop(call);
    reopened(&circuit);
    assert_eq!((alive.count(), totals(&circuit).abandoned), (0, 0));
}

// E1, D9
#[tokio::test(start_paused = true)]
async fn in_shadow_nobody_is_cut_off() {
    let (circuit, alive) = (probing(|c| c.mode(Mode::Shadow)).await, Alive::default());
    goes_on(
        &circuit,
        layer(&circuit).layer(hanging(&alive, Some(secs(2)))),
    )
    .await;
    reopened(&circuit);
    advance(BREAK).await;
    let answer = circuit.call(async {
        sleep(secs(2)).await;
        Ok::<_, io::Error>(42)
    });
    assert_eq!(answer.await.expect("its own"), 42);
    assert_eq!(circuit.state(), State::Open);
    // Nor where the circuit was disabled meanwhile.
    circuit.set_mode(Mode::Normal);
    advance(BREAK).await;
    let mut answer = pin!(circuit.call(async {
        sleep(secs(2)).await;
        Ok::<_, io::Error>(42)
    }));
    assert!(answer.as_mut().now_or_never().is_none());
    circuit.set_mode(Mode::Disabled);
    assert_eq!(answer.await.expect("its own"), 42);
}

// D9
#[tokio::test(start_paused = true)]
async fn to_a_circuit_further_out_it_is_a_failure() {
    let (inner, alive) = (probing(|c| c).await, Alive::default());
    let outer = build(|c| c);
    let service = layer(&outer).layer(layer(&inner).layer(hanging(&alive, None)));
    let answer = service.oneshot(()).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(outer.state(), State::Open);
    assert_eq!(totals(&outer).failed, 1);
}

// D9: an inner future that is woken again and again is polled under one and the same timer.
#[tokio::test(start_paused = true)]
async fn one_that_is_polled_again_and_again_gets_no_longer_for_it() {
    let circuit = probing(|c| c).await;
    let busy = async {
        for _ in 0..1_000 {
            sleep(millis(10)).await;
        }
        Ok::<(), io::Error>(())
    };
    let (answer, took) = timed(circuit.call(busy)).await;
    is_limit(took);
    is_about(answer);
}

// ---- the driver --------------------------------------------------------------------------------

// D7, D9
#[tokio::test(start_paused = true)]
async fn a_check_has_the_limit_of_a_probe() {
    let (circuit, alive) = (build(|c| c.half_open_timeout(secs(60))), Alive::default());
    let checks = alive.clone();
    tokio::spawn(circuit.probe_with(async move || checks.clone().hang::<(), io::Error>().await));
    circuit.trip(BREAK).expect("normal mode");
    sleep(BREAK + LIMIT / 2).await;
    assert_eq!((circuit.state(), alive.count()), (State::HalfOpen, 1));
    sleep(LIMIT / 2 + 2 * MOMENT).await;
    reopened(&circuit);
    assert_eq!(alive.count(), 0);
    // Live, for the next check.
    circuit
        .reconfigure(|c| c.set_probe_timeout(4 * LIMIT))
        .expect("valid");
    sleep(BREAK + 3 * LIMIT).await;
    assert_eq!((circuit.state(), alive.count()), (State::HalfOpen, 1));
    sleep(LIMIT).await;
    assert_eq!((circuit.state(), alive.count()), (State::Open, 0));
}

// ---- bodies of requests ------------------------------------------------------------------------

/// A3, D9: the client's time is not the dependency's.
#[cfg(feature = "body")]
mod uploads {
    use http::Request;
    use http_body_util::{BodyExt, channel::Channel};

    use super::*;

    /// Sends a body in two parts, so long after each other, to a handler that hangs when it has all of it.
    async fn upload(circuit: &Circuit, pause: Duration) -> (Answer, Duration) {
        let (mut sender, body) = Channel::<Bytes, io::Error>::new(1);
        tokio::spawn(async move {
            for part in ["first", "second"] {
                sleep(pause).await;
                sender.send_data(part.into()).await.expect("read");
            }
        });
        let handler = service_fn(|request: Request<_>| async {
            let read = request.into_body();
            let all = pin!(BodyExt::collect(read)).await;
            drop(all);
            hang::<Result<Answer, io::Error>>().await
        });
        let layer = layer(circuit).observe_request_bodies(|body| body);
        let (answer, took) = timed(layer.layer(handler).oneshot(Request::new(body))).await;
        (answer.expect("an answer"), took)
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_is_extended_by_what_the_client_took() {
        for pause in [LIMIT / 5, LIMIT, 7 * LIMIT] {
            let circuit = probing(|c| c.half_open_timeout(secs(60))).await;
            let (answer, took) = upload(&circuit, pause).await;
            assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
            let expected = 2 * pause + LIMIT;
            let late = took.checked_sub(expected);
            assert!(late.is_some_and(|late| late <= 4 * MOMENT), "{took:?}");
            reopened(&circuit);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_dependency_that_hangs_is_not_excused_for_a_body_that_is_there() {
        let circuit = probing(|c| c).await;
        let handler = service_fn(|_: Request<_>| hang::<Result<Answer, io::Error>>());
        let layer = layer(&circuit).observe_request_bodies(|body| body);
        let request = Request::new("a body".to_owned());
        let (answer, took) = timed(layer.layer(handler).oneshot(request)).await;
        assert_eq!(
            answer.expect("an answer").status(),
            StatusCode::GATEWAY_TIMEOUT
        );
        is_limit(took);
    }
}

// ---- observed bodies ---------------------------------------------------------------------------

/// D9: the limit is to the head.
#[cfg(feature = "body")]
#[tokio::test(start_paused = true)]
async fn a_body_may_take_longer_than_a_probe() {
    use http_body_util::BodyExt;
    let circuit = probing(|c| c.half_open_timeout(secs(60))).await;
    let service =
        layer(&circuit)
            .observe_bodies()
            .layer(service_fn(|_: http::Request<()>| async {
                Ok::<_, io::Error>(respond(200))
            }));
    let answer = service
        .oneshot(http::Request::new(()))
        .await
        .expect("a head");
    sleep(4 * LIMIT).await;
    assert_eq!(circuit.state(), State::HalfOpen);
    answer.into_body().collect().await.expect("a body");
    assert_eq!(circuit.state(), State::Closed);
}

// ---- over sockets ------------------------------------------------------------------------------

// The limit is the only timer there is, so time stands still until a handler hangs.

/// D9: an axum handler that hangs.
#[tokio::test(start_paused = true)]
async fn a_client_of_a_server_whose_handler_hangs_gets_a_504() {
    let (circuit, alive) = (probing(|c| c).await, Alive::default());
    let hangs = alive.clone();
    let app = axum::Router::new()
        .route(
            "/",
            axum::routing::get(async move || {
                hangs.hang::<(), ()>().await.expect("it hangs");
            }),
        )
        .layer(layer(&circuit));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let uri = format!("http://{}/", listener.local_addr().expect("bound"));
    tokio::spawn(async { axum::serve(listener, app).await });
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let answer = client.get(uri.parse().expect("a URI")).await;
    assert_eq!(
        answer.expect("an answer").status(),
        StatusCode::GATEWAY_TIMEOUT
    );
    reopened(&circuit);
    assert_eq!(alive.count(), 0);
}

/// H4, D9: the same over gRPC, around its client and around its server.
#[cfg(feature = "tonic")]
mod grpc {
    use tonic::{
        Code, Request, Response, Status,
        transport::{Endpoint, Server},
    };
    use tonic_health::pb::{
        HealthCheckRequest, HealthCheckResponse,
        health_client::HealthClient,
        health_server::{Health, HealthServer},
    };

    use super::*;

    struct Hangs(Alive);

    #[tonic::async_trait]
    impl Health for Hangs {
        type WatchStream = tokio_stream::Empty<Result<HealthCheckResponse, Status>>;

        async fn check(
            &self,
            _: Request<HealthCheckRequest>,
        ) -> Result<Response<HealthCheckResponse>, Status> {
            self.0.clone().hang().await
        }

        async fn watch(
            &self,
            _: Request<HealthCheckRequest>,
        ) -> Result<Response<Self::WatchStream>, Status> {
            Err(Status::unimplemented(""))
        }
    }

    /// A server that hangs, and where it is.
    async fn start(alive: &Alive, around: Option<Circuit>) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let uri = format!("http://{}", listener.local_addr().expect("bound"));
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let health = HealthServer::new(Hangs(alive.clone()));
        match around {
            None => {
                let server = Server::builder().add_service(health);
                tokio::spawn(server.serve_with_incoming(incoming));
            }
            Some(circuit) => {
                let breaker = layer(&circuit).grpc().keep_on_rejection();
                let server = Server::builder().layer(breaker).add_service(health);
                tokio::spawn(server.serve_with_incoming(incoming));
            }
        }
        Endpoint::from_shared(uri).expect("a URI")
    }

    fn is_timed_out(status: &Status) {
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(
            status.message(),
            "the circuit was half-open, and its probe took too long"
        );
        assert!(status.metadata().get("grpc-retry-pushback-ms").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn around_a_client_it_is_deadline_exceeded() {
        let (circuit, alive) = (probing(|c| c).await, Alive::default());
        let channel = start(&alive, None).await.connect_lazy();
        let mut client = HealthClient::new(layer(&circuit).grpc().layer(channel));
        let answer = client.check(HealthCheckRequest::default()).await;
        is_timed_out(&answer.expect_err("cut off"));
        reopened(&circuit);
    }

    #[tokio::test(start_paused = true)]
    async fn and_for_the_call_of_a_client_a_status_is_made_of_it() {
        let (circuit, alive) = (probing(|c| c).await, Alive::default());
        let mut client = HealthClient::new(start(&alive, None).await.connect_lazy());
        let answer = circuit
            .call(client.check(HealthCheckRequest::default()))
            .await;
        let Err(CircuitError::TimedOut(timed_out)) = answer else {
            panic!("not cut off")
        };
        let status = Status::from(timed_out);
        is_timed_out(&status);
        let source = std::error::Error::source(&status).expect("a source");
        is_it(source.downcast_ref().expect("told"));
        let outer = tower_breaker::grpc::GrpcClassifier::new();
        let outer = outer.classify(Err::<&Response<()>, _>(&status));
        assert_eq!(outer, Outcome::Failure);
    }

    #[tokio::test(start_paused = true)]
    async fn around_a_server_it_is_a_head_with_that_status() {
        let (circuit, alive) = (probing(|c| c).await, Alive::default());
        let channel = start(&alive, Some(circuit.clone())).await.connect_lazy();
        let mut client = HealthClient::new(channel);
        let answer = client.check(HealthCheckRequest::default()).await;
        is_timed_out(&answer.expect_err("cut off"));
        reopened(&circuit);
        assert_eq!(alive.count(), 0);
    }
}

/// H1, D9: reqwest's responses have a URL; the request's is gone.
#[cfg(feature = "reqwest")]
#[tokio::test(start_paused = true)]
async fn a_504_of_reqwests_says_that_it_has_no_url() {
    let circuit = probing(|c| c).await;
    let hangs =
        service_fn(|_: reqwest::Request| hang::<Result<reqwest::Response, reqwest::Error>>());
    let url = "http://localhost/".parse().expect("a URL");
    let request = reqwest::Request::new(reqwest::Method::GET, url);
    let answer = layer(&circuit).layer(hangs).oneshot(request).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(answer.url().as_str(), "http://no.url.provided.local/");
    is_it(answer.extensions().get().expect("told"));
    assert_eq!(answer.bytes().await.expect("a body"), "");
    reopened(&circuit);
}
