//! A call that takes too long is cut off (rule M5), and its caller may only shorten that. The time is tokio's, and
//! paused.

mod deadlines;
#[cfg(feature = "body")]
mod uploads;
mod wrapped;

use std::{
    cell::Cell,
    future::{Future, pending},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Waker},
    time::Duration,
};

use super::support::{millis, secs};
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, ServiceExt, service_fn, util::BoxCloneService};
use tower_breaker::{
    AbandonedPolicy, Cause, Circuit, CircuitBreakerLayer, CircuitBuilder, CircuitError, LimitOf,
    Mode, Outcome, State, TimedOut, Totals,
    clock::ManualClock,
    deadline::{self, Deadline, Extension, TimeLeft},
    observe::CallEvent,
};

const BREAK: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_millis(800);
const MOMENT: Duration = Duration::from_millis(1);

fn build(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Circuit {
    let builder = Circuit::builder("payments")
        .consecutive_failures(3)
        .open_for(BREAK)
        .call_timeout(LIMIT);
    configure(builder).build().expect("valid")
}

/// The next call is a probe.
async fn break_over(circuit: &Circuit) {
    circuit.trip(BREAK).expect("normal mode");
    advance(BREAK).await;
}

#[track_caller]
fn totals(circuit: &Circuit) -> Totals {
    circuit.snapshot().totals.expect("counted")
}

/// Failed, abandoned, successful.
#[track_caller]
fn counted(circuit: &Circuit) -> (u64, u64, u64) {
    let totals = totals(circuit);
    (totals.failed, totals.abandoned, totals.successful)
}

/// How many ran into the limit of calls, of probes, of their callers.
#[track_caller]
fn timed_out(circuit: &Circuit) -> (u64, u64, u64) {
    let parts = circuit.snapshot().parts.unwrap_or_default();
    let totals = parts.timed_out;
    (totals.call, totals.probe, totals.caller)
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

async fn takes(time: Duration) -> Result<u32, io::Error> {
    sleep(time).await;
    Ok(42)
}

type Asked = Request<()>;
type Answer = Response<String>;

fn respond(status: u16) -> Answer {
    let response = Response::builder().status(status);
    response.body("of one's own".to_owned()).expect("valid")
}

/// Hangs, as long as it is alive; or for a time.
fn hanging(alive: &Alive, time: Option<Duration>) -> BoxCloneService<Asked, Answer, io::Error> {
    let alive = alive.clone();
    BoxCloneService::new(service_fn(move |_| {
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

/// Tokio's timer counts in milliseconds, rounded up.
#[track_caller]
fn is_limit(took: Duration, limit: Duration) {
    assert!((limit..=limit + MOMENT).contains(&took), "{took:?}");
}

#[track_caller]
fn cut_off<T>(answer: Result<T, CircuitError<io::Error>>) -> TimedOut {
    match answer {
        Err(CircuitError::TimedOut(timed_out)) => timed_out,
        _ => panic!("not cut off"),
    }
}

#[track_caller]
fn is_told(timed_out: &TimedOut, whose: LimitOf, limit: Duration) {
    let told = (timed_out.circuit(), timed_out.whose(), timed_out.limit());
    assert_eq!(told, ("payments", whose, limit));
}

fn layer(circuit: &Circuit) -> CircuitBreakerLayer {
    CircuitBreakerLayer::new(circuit.clone())
}

fn with_time_left(left: Duration) -> Asked {
    let mut request = Asked::default();
    request.extensions_mut().insert(TimeLeft(left));
    request
}

// ---- Circuit::call -----------------------------------------------------------------------------

// M5
#[tokio::test(start_paused = true)]
async fn a_call_is_cut_off_at_its_limit_and_has_failed() {
    let (circuit, alive) = (build(|c| c), Alive::default());
    let mut call = pin!(circuit.call(alive.clone().hang::<(), io::Error>()));
    let (answer, took) = timed(call.as_mut()).await;
    is_limit(took, LIMIT);
    let timed_out_by = cut_off(answer);
    is_told(&timed_out_by, LimitOf::Call, LIMIT);
    assert_eq!(
        timed_out_by.to_string(),
        "a call of circuit `payments` took longer than 800ms"
    );
    // At once, and not when the call is dropped.
    assert_eq!(alive.count(), 0);
    assert_eq!(counted(&circuit), (1, 0, 0));
    assert_eq!(timed_out(&circuit), (1, 0, 0));
    for _ in 0..2 {
        let call = circuit.clone().call_owned(alive.clone().hang());
        cut_off::<()>(tokio::spawn(call).await.expect("no panic"));
    }
    assert_eq!(circuit.state(), State::Open);
    assert_eq!((alive.count(), totals(&circuit).failed), (0, 3));
}

// M5
#[tokio::test(start_paused = true)]
async fn one_that_answers_in_time_is_left_alone() {
    let circuit = build(|c| c);
    assert_eq!(circuit.call(takes(LIMIT - MOMENT)).await.expect("ok"), 42);
    sleep(10 * LIMIT).await;
    assert_eq!(counted(&circuit), (0, 0, 1));
    assert_eq!(circuit.snapshot().parts, None);
}

// M5
#[tokio::test(start_paused = true)]
async fn without_the_setting_it_takes_as_long_as_it_takes() {
    let circuit = Circuit::builder("payments").build().expect("valid");
    assert_eq!(circuit.call(takes(secs(20))).await.expect("no limit"), 42);
}

// M5: of a future that is ready and late, the answer is what there is.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_there_wins() {
    let circuit = build(|c| c);
    let mut call = pin!(circuit.call(takes(2 * LIMIT)));
    assert!(call.as_mut().now_or_never().is_none());
    advance(3 * LIMIT).await;
    assert_eq!(call.await.expect("its own"), 42);
    assert_eq!(counted(&circuit), (0, 0, 1));
}

// M5: no timer is made where nothing has to wait, or this would panic: there is no runtime.
#[test]
fn what_need_not_wait_needs_no_runtime() {
    let circuit = build(|c| c.clock(ManualClock::new()));
    let ready = || async { Ok::<_, io::Error>(42) };
    let answer = circuit.call(ready()).now_or_never();
    assert_eq!(answer.expect("at once").expect("admitted"), 42);
    let limited = layer(&circuit).limit_calls().layer(service_fn(|_: Asked| {
        std::future::ready(Ok::<_, io::Error>(respond(200)))
    }));
    assert!(limited.oneshot(Asked::default()).now_or_never().is_some());

    // One that waits does, as its docs say.
    let waits = || {
        let never = pending::<Result<(), io::Error>>();
        circuit.call(never).now_or_never()
    };
    assert!(catch_unwind(AssertUnwindSafe(waits)).is_err());
}

// M5: as D9 has it: the wait is what is limited.
#[tokio::test(start_paused = true)]
async fn the_limit_begins_when_the_call_first_has_to_wait() {
    let (circuit, alive) = (build(|c| c), Alive::default());
    let mut service = layer(&circuit).layer(hanging(&alive, None));
    let service = service.ready().await.expect("ready");
    let call = tower::Service::call(service, Asked::default());
    advance(secs(3_600)).await;
    let (answer, took) = timed(call).await;
    is_limit(took, LIMIT);
    assert_eq!(answer.expect("an answer").status(), 504);
}

// M5, E5
#[tokio::test(start_paused = true)]
async fn it_can_be_changed_and_a_call_that_waits_keeps_its_own() {
    let circuit = build(|c| c);
    let call = || circuit.call(hang::<Result<(), io::Error>>());
    let mut first = pin!(call());
    assert!(first.as_mut().now_or_never().is_none());
    let set = |limit| {
        let change = circuit.reconfigure(|c| c.set_call_timeout(limit));
        change.expect("valid");
    };
    set(Some(2 * LIMIT));
    let mut second = pin!(call());
    assert!(second.as_mut().now_or_never().is_none());
    set(None);
    let mut third = pin!(call());
    assert!(third.as_mut().now_or_never().is_none());
    let began = Instant::now();
    is_told(&cut_off(first.await), LimitOf::Call, LIMIT);
    is_told(&cut_off(second.await), LimitOf::Call, 2 * LIMIT);
    is_limit(began.elapsed(), 2 * LIMIT);
    sleep(5 * LIMIT).await;
    assert!(third.as_mut().now_or_never().is_none(), "it has no limit");
    // It gets one by which it is polled next.
    set(Some(LIMIT));
    let (answer, took) = timed(third).await;
    is_limit(took, LIMIT);
    is_told(&cut_off(answer), LimitOf::Call, LIMIT);
}

// M5, D8: the inner call is part of the outer one, which has the limit.
#[tokio::test(start_paused = true)]
async fn a_call_within_a_call_has_no_limit_of_its_own() {
    let (circuit, alive) = (build(|c| c), Alive::default());
    let inner = circuit.clone();
    let hang = alive.clone().hang::<(), io::Error>();
    let answer = circuit.call(async move {
        sleep(LIMIT / 2).await;
        inner.call(hang).await.map_err(io::Error::other)
    });
    let (answer, took) = timed(answer).await;
    is_limit(took, LIMIT);
    cut_off(answer);
    assert_eq!((alive.count(), counted(&circuit)), (0, (1, 0, 0)));
    assert_eq!(timed_out(&circuit), (1, 0, 0));

    // Nor by what its caller has left.
    let layer = layer(&circuit).shortened_by(Extension);
    let inner = layer.clone().layer(hanging(&alive, Some(2 * LIMIT)));
    let outer = circuit.call(async {
        let mut request = Asked::default();
        request.extensions_mut().insert(TimeLeft(LIMIT / 4));
        inner.oneshot(request).await
    });
    let (answer, took) = timed(outer).await;
    is_limit(took, LIMIT);
    cut_off(answer);
}

// M5, A5
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
    let circuit = build(|c| c);
    let mut call = Box::pin(circuit.call(async {
        let _panics = Panics;
        hang::<Result<(), io::Error>>().await
    }));
    assert!(call.as_mut().now_or_never().is_none());
    advance(LIMIT + MOMENT).await;
    let mut context = Context::from_waker(Waker::noop());
    let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut context)));
    let panic = polled.expect_err("a panic");
    assert_eq!(panic.downcast_ref(), Some(&"in drop"));
    drop(call);
    assert_eq!(counted(&circuit), (1, 0, 0));
}

// M5: what is dropped is no part of the call any more (D8).
#[tokio::test(start_paused = true)]
async fn what_is_dropped_may_call_the_circuit() {
    struct Asks(Circuit, Rc<Cell<Option<bool>>>);
    impl Drop for Asks {
        fn drop(&mut self) {
            self.1.set(Some(self.0.try_acquire().is_err()));
        }
    }
    let (circuit, rejected) = (build(|c| c.consecutive_failures(1)), Rc::default());
    let asks = Asks(circuit.clone(), Rc::clone(&rejected));
    let answer = circuit.call(async move {
        let _asks = asks;
        hang::<Result<(), io::Error>>().await
    });
    cut_off(answer.await);
    assert_eq!(rejected.get(), Some(true));
}

// M5: tokio's timers are pending in a task that has done all that it may do at a time.
#[tokio::test(start_paused = true)]
async fn what_never_stops_is_cut_off_as_well() {
    async fn busy<T>() -> T {
        loop {
            tokio::task::consume_budget().await;
        }
    }
    let circuit = build(|c| c);
    let call = tokio::spawn(circuit.clone().call_owned(busy::<Result<(), io::Error>>()));
    tokio::task::yield_now().await;
    advance(LIMIT).await;
    tokio::task::yield_now().await;
    assert!(call.is_finished());
    cut_off(call.await.expect("no panic"));
}

// M5
#[tokio::test(start_paused = true)]
async fn a_guard_is_not_cut_off() {
    let circuit = build(|c| c);
    let guard = circuit.try_acquire().expect("admitted");
    sleep(10 * LIMIT).await;
    guard.success();
    assert_eq!(counted(&circuit), (0, 0, 1));
}

// M5, L2: the limit is told, and then the end, which says how long it took.
#[tokio::test(start_paused = true)]
async fn it_is_told_before_the_end() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = told.clone();
    let circuit = build(|c| {
        c.slow_call_duration(LIMIT / 2).on_call(move |_, call| {
            let line = match call {
                CallEvent::TimedOut(timed_out) => timed_out.whose().label().to_owned(),
                CallEvent::Ended(end) => {
                    let took = end.took.expect("heard");
                    assert!(took >= LIMIT && end.slow, "{end:?}");
                    end.end.label().to_owned()
                }
                _ => return,
            };
            log.lock().expect("a log").push(line);
        })
    });
    cut_off(circuit.call(hang::<Result<(), io::Error>>()).await);
    assert_eq!(*told.lock().expect("a log"), ["call", "failure"]);
}

// ---- probes, modes, drivers --------------------------------------------------------------------

// M5, D9: of a probe, the shorter of both holds.
#[tokio::test(start_paused = true)]
async fn a_probe_has_the_shorter_limit() {
    let limits = [
        (LIMIT / 4, LimitOf::Probe, LIMIT / 4),
        (4 * LIMIT, LimitOf::Call, LIMIT),
        // A tie is the call's: there it is the limit of all.
        (LIMIT, LimitOf::Call, LIMIT),
    ];
    for (probe, whose, limit) in limits {
        let circuit = build(|c| c.probe_timeout(probe).half_open_timeout(secs(60)));
        let answer = |circuit: &Circuit| timed(circuit.clone().call_owned(hang()));
        // A call that is no probe has the one of calls.
        let (told, took) = answer(&circuit).await;
        is_told(&cut_off::<()>(told), LimitOf::Call, LIMIT);
        is_limit(took, LIMIT);
        break_over(&circuit).await;
        let (told, took) = answer(&circuit).await;
        is_told(&cut_off::<()>(told), whose, limit);
        is_limit(took, limit);
        assert_eq!(
            (circuit.state(), counted(&circuit)),
            (State::Open, (2, 0, 0))
        );
        let trip = circuit.snapshot().last_trip.map(|trip| trip.cause);
        assert_eq!(trip, Some(Cause::ProbeFailed));
    }
}

// M5, E1: limits are the user's, in every mode.
#[tokio::test(start_paused = true)]
async fn it_holds_in_every_mode() {
    for mode in [Mode::Normal, Mode::Shadow, Mode::Disabled] {
        let circuit = build(|c| c.mode(mode).consecutive_failures(1));
        // The second finds a circuit in shadow open, and passes all the same.
        for failed in 1..=2 {
            if (mode, failed) == (Mode::Normal, 2) {
                circuit.reset();
            }
            let (answer, took) = timed(circuit.call(hang::<Result<(), io::Error>>())).await;
            is_limit(took, LIMIT);
            is_told(&cut_off(answer), LimitOf::Call, LIMIT);
            assert_eq!((counted(&circuit), mode), ((failed, 0, 0), mode));
        }
    }
}

// M5, D9, E1: where a probe is not cut off by its own limit, it is by that of all calls, and has failed once.
#[tokio::test(start_paused = true)]
async fn a_probe_in_shadow_goes_on_to_the_limit_of_calls() {
    for mode in [Mode::Shadow, Mode::Disabled] {
        let circuit = build(|c| c.probe_timeout(LIMIT / 4));
        break_over(&circuit).await;
        let mut call = pin!(timed(circuit.call(hang::<Result<(), io::Error>>())));
        assert!(call.as_mut().now_or_never().is_none());
        circuit.set_mode(mode);
        let early = tokio::time::timeout(LIMIT / 2, call.as_mut()).await;
        assert!(early.is_err(), "cut off by the limit of a probe");
        assert_eq!(counted(&circuit), (1, 0, 0));
        let (answer, took) = call.await;
        is_limit(took, LIMIT);
        is_told(&cut_off(answer), LimitOf::Call, LIMIT);
        assert_eq!(
            (counted(&circuit), timed_out(&circuit)),
            ((1, 0, 0), (0, 1, 0))
        );
    }
}

// M5, D7: a check has the limit of a call, too, and the shorter one.
#[tokio::test(start_paused = true)]
async fn so_has_a_check() {
    let limits = [
        (None, LIMIT, (1, 0, 0)),
        (Some(LIMIT / 2), LIMIT / 2, (0, 1, 0)),
        (Some(2 * LIMIT), LIMIT, (1, 0, 0)),
    ];
    for (probe, limit, by) in limits {
        let alive = Alive::default();
        let circuit = build(|c| c.half_open_timeout(secs(60)));
        circuit
            .reconfigure(|c| c.set_probe_timeout(probe))
            .expect("valid");
        let checks = alive.clone();
        tokio::spawn(
            circuit.probe_with(async move || checks.clone().hang::<(), io::Error>().await),
        );
        circuit.trip(BREAK).expect("normal mode");
        sleep(BREAK + limit - 2 * MOMENT).await;
        assert_eq!((circuit.state(), alive.count()), (State::HalfOpen, 1));
        sleep(4 * MOMENT).await;
        assert_eq!((circuit.state(), alive.count()), (State::Open, 0));
        assert_eq!((counted(&circuit), timed_out(&circuit)), ((1, 0, 0), by));
    }
}

// ---- services ----------------------------------------------------------------------------------

// M5, H1
#[tokio::test(start_paused = true)]
async fn a_service_answers_with_a_504() {
    let (circuit, alive) = (build(|c| c), Alive::default());
    let plain = layer(&circuit).layer(hanging(&alive, None));
    let limited = layer(&circuit).limit_calls().layer(hanging(&alive, None));
    let calls = [BoxCloneService::new(plain), BoxCloneService::new(limited)];
    for service in calls {
        let (answer, took) = timed(service.oneshot(Asked::default())).await;
        is_limit(took, LIMIT);
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
        let told = answer.extensions().get().expect("told");
        is_told(told, LimitOf::Call, LIMIT);
        assert_eq!(alive.count(), 0);
    }
    assert_eq!(
        (counted(&circuit), timed_out(&circuit)),
        ((2, 0, 0), (2, 0, 0))
    );
}

// M5, H2: nobody waits for ever because it was forgotten to say what to answer.
#[tokio::test(start_paused = true)]
async fn with_a_response_of_ones_own_or_a_fallback_it_is_a_504_as_usual() {
    let (circuit, alive) = (build(|c| c.consecutive_failures(1)), Alive::default());
    let inner = || hanging(&alive, None);
    let own = layer(&circuit).reject_with(|_| "sorry");
    let (answer, took) = timed(own.layer(inner()).oneshot(Asked::default())).await;
    is_limit(took, LIMIT);
    let answer = answer.expect("a 504");
    assert_eq!((answer.status().as_u16(), &**answer.body()), (504, ""));
    is_told(
        answer.extensions().get().expect("told"),
        LimitOf::Call,
        LIMIT,
    );

    circuit.reset();
    let fallback = layer(&circuit).fallback(async |_, _: Asked| Ok(respond(203)));
    let (answer, took) = timed(fallback.layer(inner()).oneshot(Asked::default())).await;
    is_limit(took, LIMIT);
    assert_eq!(answer.expect("a 504").status(), 504);
}

// M5, H2: to answer rejections otherwise says nothing about calls that take too long.
#[tokio::test(start_paused = true)]
async fn what_is_said_about_time_outs_holds_whatever_rejections_become_after_it() {
    let circuit = build(|c| c.consecutive_failures(9));
    let told = || layer(&circuit).time_out_with(|_| (StatusCode::BAD_GATEWAY, "late"));
    let inner = || hanging(&Alive::default(), None);
    let fallback = async |_, _: Asked| Ok(respond(203));
    let ask = || Asked::default();
    let answers = [
        told()
            .reject_with(|_| "sorry")
            .layer(inner())
            .oneshot(ask())
            .await,
        told()
            .fallback(fallback)
            .layer(inner())
            .oneshot(ask())
            .await,
        // Twice, and by a response.
        layer(&circuit)
            .reject_with(|_| "sorry")
            .time_out_with(|_| (StatusCode::BAD_GATEWAY, "late"))
            .reject_with(|_| "very sorry")
            .layer(inner())
            .oneshot(ask())
            .await,
        layer(&circuit)
            .fallback(fallback)
            .time_out_with(|_| {
                Response::builder()
                    .status(502)
                    .body("late".to_owned())
                    .expect("valid")
            })
            .fallback(fallback)
            .layer(inner())
            .oneshot(ask())
            .await,
    ];
    for answer in answers {
        let answer = answer.expect("told");
        assert_eq!((answer.status().as_u16(), &**answer.body()), (502, "late"));
    }
    // Nor does it begin to answer what was left to go on.
    let goes_on = layer(&circuit)
        .without_time_out_answer()
        .reject_with(|_| "sorry");
    let slow = hanging(&Alive::default(), Some(3 * LIMIT));
    let (answer, took) = timed(goes_on.layer(slow).oneshot(ask())).await;
    is_limit(took, 3 * LIMIT);
    assert_eq!(answer.expect("its own").status(), 200);
}

// M5, H2
#[tokio::test(start_paused = true)]
async fn of_what_time_out_with_returns_a_response_is_made() {
    let (circuit, alive) = (build(|c| c), Alive::default());
    let own = layer(&circuit).reject_with(|_| "sorry");
    let text = own.clone().time_out_with(|timed_out| {
        is_told(timed_out, LimitOf::Call, LIMIT);
        "late"
    });
    let status = layer(&circuit).time_out_with(|_| (StatusCode::BAD_GATEWAY, "late"));
    // What is said last holds.
    let again = text.clone().time_out_with(|_| StatusCode::ACCEPTED);
    let ask = || Asked::default();
    let answers = [
        text.layer(hanging(&alive, None)).oneshot(ask()).await,
        status.layer(hanging(&alive, None)).oneshot(ask()).await,
        again.layer(hanging(&alive, None)).oneshot(ask()).await,
    ];
    let answers = answers.map(|answer| answer.expect("told"));
    let seen = answers
        .each_ref()
        .map(|answer| (answer.status().as_u16(), &**answer.body()));
    assert_eq!(seen, [(504, "late"), (502, "late"), (202, "")]);
}

// M5, H2, H3: a fallback and retries further out tell it from a failure; a good answer is a good answer.
#[tokio::test(start_paused = true)]
async fn what_time_out_with_answers_is_marked_if_it_says_no() {
    // It stays closed: a rejection would have no mark either.
    let circuit = build(|c| c.consecutive_failures(100));
    let own = layer(&circuit).reject_with(|_| "sorry");
    let mark = async |status: u16, grpc: Option<&'static str>| {
        let layer = own.clone().time_out_with(move |_| {
            let mut answer = respond(status);
            let code = grpc.map(|code| ("grpc-status", code));
            let code = code.map(|(name, code)| (name, HeaderValue::from_static(code)));
            let headers = answer.headers_mut();
            headers.extend(code.map(|(name, code)| (HeaderName::from_static(name), code)));
            answer
        });
        let inner = hanging(&Alive::default(), None);
        let answer = layer.layer(inner).oneshot(Asked::default()).await;
        answer
            .expect("told")
            .extensions()
            .get::<TimedOut>()
            .cloned()
    };
    for (status, code) in [(504, None), (429, None), (200, Some("4"))] {
        let mark = mark(status, code).await.expect("marked");
        is_told(&mark, LimitOf::Call, LIMIT);
    }
    for (status, code) in [(200, None), (302, None), (200, Some("0"))] {
        assert_eq!(mark(status, code).await, None, "{status} {code:?}");
    }
}

// M5, H2
#[tokio::test(start_paused = true)]
async fn without_an_answer_the_call_fails_at_its_limit_and_goes_on() {
    let (circuit, alive) = (build(|c| c.consecutive_failures(1)), Alive::default());
    let layer = layer(&circuit)
        .reject_with(|_| respond(503))
        .without_time_out_answer();
    let inner = || hanging(&alive, Some(3 * LIMIT));
    let mut call = pin!(timed(
        layer.clone().layer(inner()).oneshot(Asked::default())
    ));
    let paused = tokio::time::timeout(LIMIT + MOMENT, call.as_mut()).await;
    assert!(paused.is_err(), "answered");
    assert_eq!(circuit.state(), State::Open);
    let (answer, took) = call.await;
    is_limit(took, 3 * LIMIT);
    assert_eq!(answer.expect("its own").status(), 200);
    assert_eq!(
        (counted(&circuit), timed_out(&circuit)),
        ((1, 0, 0), (1, 0, 0))
    );

    circuit.reset();
    let layer = layer.time_out_with(|timed_out| {
        is_told(timed_out, LimitOf::Call, LIMIT);
        respond(598)
    });
    let (answer, took) = timed(layer.layer(inner()).oneshot(Asked::default())).await;
    is_limit(took, LIMIT);
    assert_eq!(answer.expect("told").status(), 598);
}

// ---- keyed -------------------------------------------------------------------------------------

// M5, J1: the limit is that of the circuit that the key finds.
#[cfg(feature = "registry")]
#[tokio::test(start_paused = true)]
async fn by_key_it_is_the_limit_of_that_circuit() {
    use tower_breaker::{keyed::by, registry::Registry};

    let registry = Registry::builder()
        .circuit("slow", |c| c.call_timeout(2 * LIMIT))
        .circuit("fast", |c| c.call_timeout(LIMIT))
        .build()
        .expect("valid");
    let own = build(|c| c.call_timeout(4 * LIMIT));
    let alive = Alive::default();
    let keyed = layer(&own)
        .shortened_by(Extension)
        .keyed_by(&registry, by::authority());
    let service = keyed.layer(hanging(&alive, None));
    let of = |uri: &'static str, left: Option<Duration>| {
        let mut request = left.map_or_else(Asked::default, with_time_left);
        *request.uri_mut() = uri.parse().expect("a URI");
        timed(service.clone().oneshot(request))
    };
    let calls = [
        ("http://slow/", None, 2 * LIMIT),
        ("http://fast/", None, LIMIT),
        ("http://slow/", Some(LIMIT), LIMIT),
        ("http://fast/", Some(2 * LIMIT), LIMIT),
        ("/", None, 4 * LIMIT),
    ];
    for (uri, left, limit) in calls {
        let (answer, took) = of(uri, left).await;
        assert_eq!(answer.expect("an answer").status(), 504, "{uri}");
        is_limit(took, limit);
    }
    assert_eq!(counted(&registry.get("slow").expect("there")), (1, 1, 0));
    assert_eq!(counted(&registry.get("fast").expect("there")), (2, 0, 0));
    assert_eq!((counted(&own), alive.count()), ((1, 0, 0), 0));
}

/// H1, M5: of reqwest's requests, the timeout that they carry may be the deadline.
#[cfg(feature = "reqwest")]
#[tokio::test(start_paused = true)]
async fn around_reqwest_a_closure_says_what_is_left() {
    let circuit = build(|c| c);
    let left = |request: &reqwest::Request| request.timeout().copied();
    let hangs =
        service_fn(|_: reqwest::Request| hang::<Result<reqwest::Response, reqwest::Error>>());
    let service = layer(&circuit)
        .observe_bodies()
        .shortened_by(left)
        .layer(hangs);
    let url = "http://localhost/".parse().expect("a URL");
    let mut request = reqwest::Request::new(reqwest::Method::GET, url);
    *request.timeout_mut() = Some(LIMIT / 2);
    let (answer, took) = timed(service.oneshot(request)).await;
    is_limit(took, LIMIT / 2);
    let answer = answer.expect("an answer");
    is_told(
        answer.extensions().get().expect("told"),
        LimitOf::Caller,
        LIMIT / 2,
    );
    assert_eq!(counted(&circuit), (0, 1, 0));
}

// H2, M5: who answers rejections by a response of reqwest's own has said nothing about calls that take too long.
#[cfg(feature = "reqwest")]
#[tokio::test(start_paused = true)]
async fn around_reqwest_a_rejection_of_ones_own_leaves_the_504() {
    let circuit = build(|c| c);
    let hangs =
        service_fn(|_: reqwest::Request| hang::<Result<reqwest::Response, reqwest::Error>>());
    let layer = layer(&circuit).reject_with(|_| http::Response::new("sorry"));
    let url = "http://localhost/".parse().expect("a URL");
    let request = reqwest::Request::new(reqwest::Method::GET, url);
    let (answer, took) = timed(layer.layer(hangs).oneshot(request)).await;
    is_limit(took, LIMIT);
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    is_told(
        answer.extensions().get().expect("told"),
        LimitOf::Call,
        LIMIT,
    );
    assert_eq!(counted(&circuit), (1, 0, 0));
}
