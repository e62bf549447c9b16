//! The paths that are measured, and the floors beside them.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    hint::black_box,
    mem::size_of_val,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use http::{HeaderValue, Response, StatusCode, header::RETRY_AFTER};
use tower::{Layer, Service};
use tower_breaker::{
    Circuit, CircuitBreakerLayer, CircuitBuilder, classify::ErrorsOnly, clock::Clock,
};

use crate::measure::{Maker, Row, Work};

const LONG: Duration = Duration::from_secs(3_600);

/// Does `operation` so many times.
fn repeat(mut operation: impl FnMut() + Send + 'static) -> Work {
    Box::new(move |times| (0..times).for_each(|_| operation()))
}

fn maker(make: impl Fn() -> Work + Send + Sync + 'static) -> Maker {
    Arc::new(make)
}

// ---- floors ----------------------------------------------------------------------------------

#[repr(align(128))]
struct OwnLine(AtomicU64);

fn two_loads() -> Maker {
    let shared = Arc::new(OwnLine(AtomicU64::new(8)));
    maker(move || {
        let shared = shared.clone();
        repeat(move || {
            let seen = black_box(&shared).0.load(Ordering::Acquire);
            black_box(black_box(&shared).0.load(Ordering::Acquire) == seen);
        })
    })
}

fn own_line_swap() -> Maker {
    maker(|| {
        let own = Arc::new(OwnLine(AtomicU64::new(0)));
        repeat(move || {
            let seen = own.0.load(Ordering::Relaxed);
            let order = Ordering::AcqRel;
            let _ = black_box(
                own.0
                    .compare_exchange(seen, seen + 1, order, Ordering::Relaxed),
            );
        })
    })
}

fn clock() -> Maker {
    maker(|| {
        repeat(|| {
            black_box(Instant::now());
        })
    })
}

fn arc_clone() -> Maker {
    let shared = Arc::new(0u64);
    maker(move || {
        let shared = shared.clone();
        repeat(move || drop(black_box(shared.clone())))
    })
}

fn unavailable_by_hand() -> Maker {
    maker(|| {
        repeat(|| {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(black_box(5)));
            black_box(response);
        })
    })
}

// ---- circuits --------------------------------------------------------------------------------

/// A clock that costs nothing, to see what a window costs without it.
struct NoClock;

impl Clock for NoClock {
    fn now(&self) -> Duration {
        Duration::from_secs(1)
    }
}

/// The system's clock, read directly. The default, tokio's, is the same thing, but not in this build:
/// the tests' feature `test-util` makes it look for a runtime first.
struct SystemClock(Instant);

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

fn circuit(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Circuit {
    let clock = SystemClock(Instant::now());
    let builder = Circuit::builder("bench")
        .open_for(LONG)
        .totals(false)
        .clock(clock);
    configure(builder).build().expect("valid")
}

/// Every call succeeds.
fn successes(circuit: Circuit) -> Maker {
    maker(move || {
        let circuit = circuit.clone();
        repeat(move || circuit.try_acquire().expect("closed").success())
    })
}

/// One call in so many fails.
fn one_fails_in(calls: u64, circuit: Circuit) -> Maker {
    maker(move || {
        let circuit = circuit.clone();
        let mut call = 0;
        repeat(move || {
            call += 1;
            let guard = circuit.try_acquire().expect("closed");
            if call % calls == 0 {
                guard.failure();
            } else {
                guard.success();
            }
        })
    })
}

fn consecutive() -> Circuit {
    circuit(|c| c.consecutive_failures(5))
}

fn count(size: u32) -> Circuit {
    circuit(|c| c.count_window(size).failure_rate(0.5))
}

/// A count window that has just failed once, and is so large that it never comes clean.
fn with_a_failure() -> Circuit {
    let circuit = circuit(|c| {
        c.count_window(65_536)
            .failure_rate(1.0)
            .minimum_calls(65_536)
    });
    circuit.try_acquire().expect("closed").failure();
    circuit
}

fn time_window(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Circuit {
    circuit(|c| configure(c.time_window(Duration::from_secs(60)).failure_rate(0.5)))
}

fn open() -> Circuit {
    let circuit = consecutive();
    // Long enough for the bench, and as short as breaks are.
    circuit.trip(Duration::from_secs(90)).expect("normal mode");
    circuit
}

fn rejections(circuit: Circuit) -> Maker {
    maker(move || {
        let circuit = circuit.clone();
        repeat(move || {
            black_box(circuit.try_acquire().is_err());
        })
    })
}

// ---- services --------------------------------------------------------------------------------

/// Ready at once, with nothing to do.
#[derive(Clone)]
struct Bare;

impl Service<()> for Bare {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(Response::new(())))
    }
}

fn call<S: Service<()>>(service: &mut S) {
    let mut context = Context::from_waker(Waker::noop());
    let _ = black_box(service.poll_ready(&mut context).is_ready());
    let _ = black_box(pin!(service.call(())).poll(&mut context).is_ready());
}

fn calls<S>(service: S) -> Maker
where
    S: Service<()> + Clone + Send + Sync + 'static,
{
    maker(move || {
        let mut service = service.clone();
        repeat(move || call(&mut service))
    })
}

/// A bare call and the one `Arc` clone that a protected call may cost.
fn bare_call_and_arc() -> Maker {
    let shared = Arc::new(0u64);
    maker(move || {
        let shared = shared.clone();
        repeat(move || {
            let held = black_box(shared.clone());
            call(&mut Bare);
            drop(held);
        })
    })
}

fn protected(circuit: Circuit) -> Maker {
    calls(
        CircuitBreakerLayer::new(circuit)
            .classifier(ErrorsOnly)
            .layer(Bare),
    )
}

// ---- rows ------------------------------------------------------------------------------------

fn row(name: &'static str, floor: Maker, path: Maker, target: f64, excellent: f64) -> Row {
    Row {
        name,
        floor: (floor, 1),
        path: (path, 1),
        target,
        excellent,
    }
}

/// Two threads that share a circuit, over one.
fn scaling(name: &'static str, path: &Maker, target: f64, excellent: f64) -> Row {
    Row {
        name,
        floor: (path.clone(), 1),
        path: (path.clone(), 2),
        target,
        excellent,
    }
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = clean();
    rows.extend(writing());
    rows.extend(others());
    rows
}

fn clean() -> Vec<Row> {
    let (streak, window) = (successes(consecutive()), successes(count(100)));
    vec![
        row(
            "consecutive: success, over two loads",
            two_loads(),
            streak.clone(),
            2.5,
            1.4,
        ),
        row(
            "clean count window: success, over two loads",
            two_loads(),
            window.clone(),
            2.5,
            1.4,
        ),
        scaling("consecutive: success, 2 threads over 1", &streak, 1.1, 1.02),
        scaling(
            "clean count window: success, 2 threads over 1",
            &window,
            1.1,
            1.02,
        ),
    ]
}

fn writing() -> Vec<Row> {
    // Now and then a failure, so that successes always have to be written down.
    let window = one_fails_in(10_000, with_a_failure());
    let time = successes(time_window(|c| c.clock(NoClock)));
    let totals = successes(circuit(|c| c.consecutive_failures(5).totals(true)));
    let swap = own_line_swap;
    vec![
        row(
            "count window with failures: success, over a swap",
            swap(),
            window.clone(),
            1.6,
            1.25,
        ),
        row(
            "time window, no clock: success, over a swap",
            swap(),
            time.clone(),
            1.6,
            1.25,
        ),
        row(
            "totals: success, over a swap",
            swap(),
            totals.clone(),
            1.6,
            1.25,
        ),
        scaling(
            "count window with failures: 2 threads over 1",
            &window,
            1.2,
            1.05,
        ),
        scaling("time window, no clock: 2 threads over 1", &time, 1.2, 1.05),
        scaling("totals: 2 threads over 1", &totals, 1.2, 1.05),
        Row {
            name: "count window, 1 % failures, 2 threads, over a swap",
            floor: (swap(), 2),
            path: (one_fails_in(100, count(100)), 2),
            target: 4.0,
            excellent: 2.5,
        },
        Row {
            name: "count window of 65,536 over one of 100, 1 % failures",
            floor: (one_fails_in(100, count(100)), 1),
            path: (one_fails_in(100, count(65_536)), 1),
            target: 1.3,
            excellent: 1.1,
        },
    ]
}

fn others() -> Vec<Row> {
    let unavailable = calls(CircuitBreakerLayer::new(open()).layer(Bare));
    vec![
        row(
            "time window: success, over the clock",
            clock(),
            successes(time_window(|c| c)),
            1.6,
            1.4,
        ),
        row(
            "rejection as an error, over the clock",
            clock(),
            rejections(open()),
            1.3,
            1.2,
        ),
        row(
            "rejection as a 503, over one made by hand",
            unavailable_by_hand(),
            unavailable,
            1.3,
            1.1,
        ),
        row(
            "Arc clone and drop, over itself",
            arc_clone(),
            arc_clone(),
            1.05,
            1.02,
        ),
        row(
            "service: success, over a bare call and an Arc clone",
            bare_call_and_arc(),
            protected(consecutive()),
            1.5,
            1.05,
        ),
    ]
}

/// The future's size over the inner one's.
pub(crate) fn print_sizes() {
    let mut service = CircuitBreakerLayer::new(consecutive()).layer(Bare);
    let mut context = Context::from_waker(Waker::noop());
    let _ = service.poll_ready(&mut context);
    let (inner, outer) = (size_of_val(&Bare.call(())), size_of_val(&service.call(())));
    println!(
        "future: {outer} bytes over an inner {inner}, {} more (target 24)",
        outer - inner
    );
}
