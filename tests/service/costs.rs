//! What a call costs beside time: no allocation on any path (F3), and the clock read only where it
//! matters (F4).

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use tower::{BoxError, Layer, Service};
use tower_breaker::{
    Circuit, CircuitBreaker, CircuitBreakerLayer, CircuitBuilder, Mode, State,
    classify::{ErrorsOnly, HttpClassifier},
    clock::{Clock, ManualClock},
    reject::{ServiceUnavailable, WithoutRetryAfter},
    types,
};

const OPEN_FOR: Duration = Duration::from_secs(5);

/// A clock that counts how often it is read.
#[derive(Clone, Default)]
struct CountingClock {
    time: ManualClock,
    reads: Arc<AtomicU64>,
}

impl Clock for CountingClock {
    fn now(&self) -> Duration {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.time.now()
    }
}

impl CountingClock {
    /// How often `path` reads the clock.
    fn reads(&self, path: impl FnOnce()) -> u64 {
        let before = self.reads.load(Ordering::Relaxed);
        path();
        self.reads.load(Ordering::Relaxed) - before
    }
}

type Configure = fn(CircuitBuilder) -> CircuitBuilder;

fn build(configure: Configure, clock: impl Clock) -> Circuit {
    let builder = Circuit::builder("costs").open_for(OPEN_FOR).clock(clock);
    configure(builder).build().expect("valid")
}

const POLICIES: [(&str, Configure); 6] = [
    ("consecutive failures", |c| c.consecutive_failures(3)),
    ("no totals", |c| c.consecutive_failures(3).totals(false)),
    ("count window", |c| c.count_window(10).minimum_calls(5)),
    ("time window", |c| c.time_window(OPEN_FOR).minimum_calls(5)),
    ("slow calls", |c| {
        let slow = Duration::from_millis(1);
        c.slow_call_duration(slow)
            .slow_call_rate(0.9)
            .failure_rate(0.9)
            .minimum_calls(5)
    }),
    ("everything", |c| {
        c.consecutive_failures(5)
            .trip_when(|counts| counts.failed > 5)
            .probes(2, 3)
            .permits(2)
            .ramp(OPEN_FOR, 0.5)
            .on_transition(|_, _| {})
    }),
];

fn acquire(circuit: &Circuit) -> tower_breaker::Guard<'_> {
    circuit.try_acquire().expect("admitted")
}

/// Through every state, with every kind of end.
fn live_a_whole_life(circuit: &Circuit, clock: &ManualClock) {
    for _ in 0..20 {
        acquire(circuit).success();
        acquire(circuit).ignore();
        drop(acquire(circuit));
    }
    while let Ok(call) = circuit.try_acquire() {
        call.failure();
    }
    assert_eq!(circuit.state(), State::Open);
    clock.advance(OPEN_FOR);
    acquire(circuit).failure();
    for _ in 0..10 {
        clock.advance(OPEN_FOR);
        if let Ok(probe) = circuit.try_acquire() {
            probe.success();
        }
    }
    assert_eq!(circuit.state(), State::Closed);
}

fn allocations(path: impl FnOnce()) -> u64 {
    allocation_counter::measure(path).count_total
}

// F3
#[test]
fn no_path_of_a_circuit_allocates() {
    for (policy, configure) in POLICIES {
        let clock = ManualClock::new();
        let circuit = build(configure, clock.clone());
        let allocated = allocations(|| live_a_whole_life(&circuit, &clock));
        assert_eq!(allocated, 0, "{policy}");
    }
}

// The test above can fail.
#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 1);
}

/// A service that allocates nothing of its own.
#[derive(Clone)]
struct Echo;

impl Service<bool> for Echo {
    type Response = ();
    type Error = ();
    type Future = Ready<Result<(), ()>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, succeed: bool) -> Self::Future {
        ready(if succeed { Ok(()) } else { Err(()) })
    }
}

fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn call<Req, S: Service<Req>>(service: &mut S, request: Req) -> Result<S::Response, S::Error> {
    let ready = service.poll_ready(&mut Context::from_waker(Waker::noop()));
    assert!(ready.is_ready());
    match poll_once(service.call(request)) {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("the service answers at once"),
    }
}

// F3, D8
#[test]
fn a_call_within_a_call_allocates_nothing_either() {
    let circuit = build(|c| c.consecutive_failures(3), ManualClock::new());
    let other = build(|c| c.consecutive_failures(3), ManualClock::new());
    let layer = CircuitBreakerLayer::new(circuit.clone())
        .classifier(ErrorsOnly)
        .reject_as_error();
    let mut service = layer.layer(layer.layer(Echo));
    let allocated = allocations(|| {
        call(&mut service, true).expect("admitted");
        let inner = circuit.call(ready(Ok::<_, ()>(())));
        let call = circuit.call(other.call(inner));
        assert!(poll_once(call).is_ready());
    });
    assert_eq!(allocated, 0);
    let totals = circuit.snapshot().totals.expect("totals");
    assert_eq!(totals.successful, 2);
}

// F3, G6
#[test]
fn the_service_adds_no_allocation_to_a_call_or_a_rejection() {
    let circuit = build(|c| c.consecutive_failures(3), ManualClock::new());
    let layer = CircuitBreakerLayer::new(circuit.clone())
        .classifier(ErrorsOnly)
        .reject_as_error();
    let mut service = layer.layer(Echo);
    let allocated = allocations(|| {
        for _ in 0..10 {
            call(&mut service.clone(), true).expect("admitted");
        }
        for _ in 0..10 {
            call(&mut service, false).expect_err("failed, then rejected");
        }
    });
    assert_eq!((allocated, circuit.state()), (0, State::Open));
}

// F3, G7: nor does readiness mode, as long as there is nothing to wait for.
#[test]
fn a_service_that_may_wait_allocates_nothing_while_it_need_not() {
    for mode in [Mode::Normal, Mode::Shadow, Mode::Disabled] {
        let circuit = build(|c| c, ManualClock::new());
        circuit.set_mode(mode);
        let layer = CircuitBreakerLayer::new(circuit)
            .classifier(ErrorsOnly)
            .reject_as_error();
        let mut service = layer.pending_while_open().layer(Echo);
        let allocated = allocations(|| {
            call(&mut service, true).expect("admitted");
            call(&mut service, false).expect_err("failed");
        });
        assert_eq!(allocated, 0, "{mode:?}");
    }
}

// A router without its state applies its layers for each request.
#[test]
fn a_layer_is_cloned_and_applied_without_an_allocation() {
    let layer = CircuitBreakerLayer::new(build(|c| c, ManualClock::new()))
        .classifier(ErrorsOnly)
        .reject_as_error();
    let allocated = allocations(|| {
        let mut service = layer.clone().layer(Echo);
        call(&mut service, true).expect("admitted");
    });
    assert_eq!(allocated, 0);
}

// H1: what a 503 costs is its header map and its mark: less than one made by hand, which allocates
// the digits of its header too.
#[test]
fn a_503_allocates_its_header_map_and_its_mark() {
    for seconds in [1, 9, 10, 99] {
        a_503_costs_no_more_than_one_made_by_hand(Duration::from_secs(seconds));
    }
}

fn a_503_costs_no_more_than_one_made_by_hand(open_for: Duration) {
    let circuit = build(|c| c.consecutive_failures(1), ManualClock::new());
    circuit.trip(open_for).expect("normal mode");
    let rejected = circuit.try_acquire().expect_err("open");
    let by_hand = allocations(|| {
        let mut response = http::Response::new(());
        *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
        response
            .headers_mut()
            .insert("retry-after", http::HeaderValue::from_static("5"));
        response.extensions_mut().insert(rejected.clone());
        drop(response);
    });
    let inner = tower::service_fn(|()| async { Ok::<_, Infallible>(http::Response::new(())) });
    let mut service = CircuitBreakerLayer::new(circuit).layer(inner);
    let allocated = allocations(|| drop(call(&mut service, ())));
    assert_eq!(allocated, by_hand, "{open_for:?}");
}

// H2: beside what the user makes, which is here nothing.
#[test]
fn an_answer_of_ones_own_costs_its_mark_and_its_retry_after() {
    let inner = || tower::service_fn(|()| async { Ok::<_, Infallible>(http::Response::new("")) });
    let circuit = build(|c| c.consecutive_failures(1), ManualClock::new());
    circuit.trip(OPEN_FOR).expect("normal mode");
    let layer = || CircuitBreakerLayer::new(circuit.clone());
    let mut with = layer().reject_with(|_| "sorry").layer(inner());
    let mut without = layer()
        .reject_with(|_| WithoutRetryAfter("sorry"))
        .layer(inner());
    let mut status = layer()
        .reject_with(|_| http::StatusCode::BAD_GATEWAY)
        .layer(inner());
    let mut neither = layer()
        .reject_with(|_| WithoutRetryAfter(http::StatusCode::BAD_GATEWAY))
        .layer(inner());
    let mut good = layer()
        .reject_with(|_| http::Response::new("sorry"))
        .layer(inner());
    let allocated = [
        allocations(|| drop(call(&mut with, ()))),
        allocations(|| drop(call(&mut status, ()))),
        allocations(|| drop(call(&mut without, ()))),
        allocations(|| drop(call(&mut neither, ()))),
        allocations(|| drop(call(&mut good, ()))),
    ];
    // A text has its header map for its `Content-Type`, in which there is room for the `Retry-After`.
    assert_eq!(allocated, [5, 5, 5, 3, 3]);
}

// F3: a box where one is asked for, and the source of an error where that is; once.
#[test]
fn an_error_allocates_its_box_and_its_source_once_each() {
    let circuit = build(|c| c.consecutive_failures(1), ManualClock::new());
    circuit.trip(OPEN_FOR).expect("normal mode");
    let mut service = CircuitBreakerLayer::new(circuit)
        .classifier(ErrorsOnly)
        .reject_as_box_error()
        .layer(tower::service_fn(|()| async { Ok::<_, BoxError>(()) }));
    let mut boxed = None;
    let allocated = allocations(|| boxed = call(&mut service, ()).err());
    let error = boxed.expect("open");
    let asked = [(); 2].map(|()| allocations(|| assert!(error.source().is_some())));
    assert_eq!((allocated, asked), (1, [1, 0]));
}

// F4
#[test]
fn a_closed_circuit_reads_the_clock_only_where_time_matters() {
    let expected = [
        ("consecutive failures", 0),
        ("no totals", 0),
        ("count window", 0),
        // When it was recorded.
        ("time window", 1),
        // Beginning and end.
        ("slow calls", 2),
        ("everything", 0),
    ];
    for ((policy, configure), (name, reads)) in POLICIES.into_iter().zip(expected) {
        assert_eq!(policy, name);
        let clock = CountingClock::default();
        let circuit = build(configure, clock.clone());
        assert_eq!(
            clock.reads(|| acquire(&circuit).success()),
            reads,
            "{policy}"
        );
    }
}

// F4: also after a recovery, where there is no ramp.
#[test]
fn a_circuit_that_has_recovered_reads_the_clock_no_more() {
    let clock = CountingClock::default();
    let circuit = build(|c| c.consecutive_failures(1), clock.clone());
    acquire(&circuit).failure();
    clock.time.advance(OPEN_FOR);
    acquire(&circuit).success();
    assert_eq!(circuit.state(), State::Closed);
    assert_eq!(clock.reads(|| acquire(&circuit).success()), 0);
}

#[test]
fn a_rejection_reads_the_clock_once() {
    let clock = CountingClock::default();
    let circuit = build(|c| c.consecutive_failures(1), clock.clone());
    circuit.trip(OPEN_FOR).expect("normal mode");
    assert_eq!(clock.reads(|| drop(circuit.try_acquire())), 1);

    let layer = CircuitBreakerLayer::new(circuit)
        .classifier(ErrorsOnly)
        .reject_as_error();
    let mut service = layer.layer(Echo);
    assert_eq!(clock.reads(|| drop(call(&mut service, true))), 1);
}

// E1: a disabled circuit costs no more than a closed one.
#[test]
fn a_disabled_circuit_reads_no_clock() {
    let clock = CountingClock::default();
    let circuit = build(|c| c.mode(Mode::Disabled), clock.clone());
    let reads = clock.reads(|| {
        acquire(&circuit).success();
        acquire(&circuit).failure();
        drop(acquire(&circuit));
    });
    assert_eq!(
        (reads, circuit.snapshot().totals.expect("counted").failed),
        (0, 1)
    );
}

#[test]
fn a_rejection_by_force_reads_no_clock() {
    let clock = CountingClock::default();
    let circuit = build(|c| c, clock.clone());
    circuit.force_open();
    assert_eq!(clock.reads(|| drop(circuit.try_acquire())), 0);
    assert_eq!(circuit.snapshot().totals.expect("counted").rejected, 1);
}

// F3: nor does the short call of HTTP, which makes its classifier anew each time.
#[test]
fn calling_http_allocates_nothing() {
    let circuit = Circuit::builder("payments").build().expect("valid");
    let mut context = Context::from_waker(Waker::noop());
    let allocated = allocation_counter::measure(|| {
        for status in [200, 404, 500] {
            let mut response = http::Response::new(());
            *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
            let call = circuit.call_http(ready(Ok::<_, Infallible>(response)));
            let polled = std::future::Future::poll(std::pin::pin!(call), &mut context);
            assert!(polled.is_ready());
        }
    });
    assert_eq!(allocated.count_total, 0);
}

/// Is never answered, and allocates nothing of its own.
#[derive(Clone)]
struct Never;

impl Service<http::Request<()>> for Never {
    type Response = http::Response<()>;
    type Error = Infallible;
    type Future = Waits;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<()>) -> Self::Future {
        Waits([0; 16])
    }
}

/// Larger than an answer to a rejection, so that what a call adds is what its future is larger by.
struct Waits([u64; 16]);

impl Future for Waits {
    type Output = Result<http::Response<()>, Infallible>;

    fn poll(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        black_box(self.0);
        Poll::Pending
    }
}

const LIMIT: Duration = Duration::from_millis(800);

/// Counts how often a task is woken.
#[derive(Default)]
struct Wakes(AtomicU64);

impl std::task::Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// How much memory is taken by a call that waits for ever, until it has been polled a few times.
fn waiting<S>(service: &mut S, request: http::Request<()>) -> u64
where
    S: Service<http::Request<()>>,
{
    let ready = service.poll_ready(&mut Context::from_waker(Waker::noop()));
    assert!(ready.is_ready());
    allocations(|| {
        let mut call = std::pin::pin!(service.call(request));
        for _ in 0..3 {
            let mut context = Context::from_waker(Waker::noop());
            assert!(call.as_mut().poll(&mut context).is_pending());
        }
    })
}

/// What is left of a request's time.
fn with_time_left(left: Duration) -> http::Request<()> {
    let mut request = http::Request::default();
    let left = tower_breaker::deadline::TimeLeft(left);
    request.extensions_mut().insert(left);
    request
}

// F3, M5: a call that waits takes memory for its limit only if there is one, and none where it keeps the timer itself.
#[tokio::test(start_paused = true)]
async fn a_limited_call_that_waits_allocates_its_timer_or_nothing() {
    use tower_breaker::deadline::Extension;

    let circuit = |configure: Configure| {
        let builder = Circuit::builder("costs");
        configure(builder).build().expect("valid")
    };
    let (off, on) = (circuit(|c| c), circuit(|c| c.call_timeout(LIMIT)));
    for (circuit, usual) in [(off, 0), (on, 2)] {
        let layer = CircuitBreakerLayer::new(circuit);
        let request = || with_time_left(LIMIT / 2);
        assert_eq!(waiting(&mut layer.layer(Never), request()), usual);
        let limited = layer.clone().limit_calls();
        assert_eq!(waiting(&mut limited.layer(Never), request()), 0);
        let shortened = layer.shortened_by(Extension);
        assert_eq!(waiting(&mut shortened.layer(Never), request()), 0);
    }
    // One that is answered at once has no timer.
    let layer = CircuitBreakerLayer::new(circuit(|c| c.call_timeout(LIMIT)))
        .classifier(ErrorsOnly)
        .reject_as_error();
    let mut service = layer.layer(Echo);
    let allocated = allocations(|| call(&mut service, true).expect("admitted"));
    assert_eq!(allocated, 0);
}

// M5: all limits of a call have one timer, which wakes it once.
#[tokio::test(start_paused = true)]
async fn a_limited_call_has_one_timer() {
    use tower_breaker::deadline::Extension;

    async fn wakes<S: Service<http::Request<()>>>(circuit: &Circuit, service: &mut S) -> u64 {
        circuit.trip(OPEN_FOR).expect("normal mode");
        tokio::time::advance(OPEN_FOR).await;
        let wakes = Arc::<Wakes>::default();
        let waker = Waker::from(wakes.clone());
        let mut context = Context::from_waker(&waker);
        assert!(service.poll_ready(&mut context).is_ready());
        let mut call = std::pin::pin!(service.call(with_time_left(2 * LIMIT)));
        for _ in 0..3 {
            assert!(call.as_mut().poll(&mut context).is_pending());
        }
        for _ in 0..6 {
            tokio::time::advance(LIMIT).await;
        }
        assert!(call.as_mut().poll(&mut context).is_ready());
        wakes.0.load(Ordering::Relaxed)
    }
    let circuit = Circuit::builder("costs")
        .open_for(OPEN_FOR)
        .call_timeout(3 * LIMIT)
        .probe_timeout(LIMIT)
        .build()
        .expect("valid");
    let layer = CircuitBreakerLayer::new(circuit.clone());
    assert_eq!(wakes(&circuit, &mut layer.layer(Never)).await, 1);
    let shortened = layer.shortened_by(Extension);
    assert_eq!(wakes(&circuit, &mut shortened.layer(Never)).await, 1);
}

// F4: nor is a future larger for limits that its layer does not keep in it. The documentation says how much it is
// where it does.
#[test]
fn the_timer_is_in_the_future_only_where_the_layer_says_so() {
    type FutureOf<S> = <S as Service<http::Request<()>>>::Future;
    type Plain = CircuitBreaker<Never>;
    type Limited = CircuitBreaker<Never, HttpClassifier, ServiceUnavailable, types::Limited>;
    let (plain, limited) = (
        std::mem::size_of::<FutureOf<Plain>>(),
        std::mem::size_of::<FutureOf<Limited>>(),
    );
    // The circuit, the ticket, and a word for a timer.
    let word = std::mem::size_of::<u64>();
    assert_eq!(plain, std::mem::size_of::<Waits>() + 4 * word);
    let more = limited - plain;
    assert!((200..=320).contains(&more), "{more}");
}
