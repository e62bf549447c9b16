//! No wake is missed, whoever looks while something changes (G7). A waiter that is forgotten here is
//! forgotten for an hour, so a test that misses a wake runs into its guard.

use std::{
    collections::BTreeSet,
    sync::Barrier,
    thread::{self, Thread, park_timeout},
    time::Instant,
};

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tower_breaker::{Guard, Outcome};

use super::*;

const HOUR: Duration = Duration::from_secs(60 * 60);
/// Only a wake that was missed takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Asks until the service is ready; gives how often it was pending.
fn wait<S: Service<Answer>>(service: &mut S) -> u64 {
    let waker = Arc::new(Unpark(thread::current())).into();
    let (began, mut pending) = (Instant::now(), 0);
    while service
        .poll_ready(&mut Context::from_waker(&waker))
        .is_pending()
    {
        pending += 1;
        park_timeout(PATIENCE);
        assert!(began.elapsed() < PATIENCE, "a wake was missed");
    }
    pending
}

fn service(circuit: &Circuit) -> PendingWhileOpen<Breaker> {
    layer(circuit).pending_while_open().layer(Echo::default())
}

/// A circuit that only an event can open up: its probes time out after an hour.
fn half_open(clock: &ManualClock) -> Circuit {
    let circuit = fragile(|builder| {
        builder
            .clock(clock.clone())
            .open_for(HOUR)
            .half_open_timeout(HOUR)
    });
    circuit.trip(HOUR).expect("normal mode");
    clock.advance(HOUR);
    circuit
}

/// What a round of waiters against an event came to: all had to wait, none, or some.
fn round(runtime: &Handle, event: fn(&Circuit, Guard<'_>)) -> &'static str {
    let circuit = half_open(&ManualClock::new());
    let probe = circuit.try_acquire().expect("the probe");
    let start = Barrier::new(4);
    let pending: Vec<u64> = thread::scope(|scope| {
        let waiting = || {
            let _runtime = runtime.enter();
            let mut service = service(&circuit);
            start.wait();
            wait(&mut service)
        };
        let waiters = [(); 3].map(|()| scope.spawn(waiting));
        start.wait();
        event(&circuit, probe);
        let joined = waiters.map(|waiter| waiter.join().expect("no wake was missed"));
        joined.into()
    });
    match pending.iter().filter(|times| **times > 0).count() {
        0 => "all came late",
        3 => "all waited",
        _ => "it came in between",
    }
}

// G7, E3
#[test]
fn no_waiter_misses_what_makes_room() {
    let runtime = timers();
    let events: [fn(&Circuit, Guard<'_>); 5] = [
        |_, probe| probe.ignore(),
        |_, probe| drop(probe),
        |_, probe| probe.success(),
        |circuit, _probe| circuit.reset(),
        |circuit, _probe| assert!(circuit.set_mode(Mode::Shadow)),
    ];
    for event in events {
        let mut missing = BTreeSet::from(["all waited", "it came in between"]);
        for played in 1.. {
            missing.remove(round(runtime.handle(), event));
            if missing.is_empty() && played >= 100 {
                break;
            }
            assert!(played < 20_000, "never provoked: {missing:?}");
        }
    }
}

fn timers() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let builder = builder.worker_threads(1).enable_time();
    builder.build().expect("a runtime")
}

/// Calls that decide nothing, one after the other through the one permit; gives how often it had to wait
/// and how often somebody else was faster.
fn pass_through(circuit: &Circuit, calls: u64) -> (u64, u64) {
    let ignoring = layer(circuit).classify(|_: Result<&(), &Down>| Outcome::Ignored);
    let mut service = ignoring.pending_while_open().layer(Echo::default());
    let (mut waited, mut rejected) = (0, 0);
    for _ in 0..calls {
        waited += wait(&mut service);
        while !call(&mut service) {
            rejected += 1;
            waited += wait(&mut service);
        }
    }
    (waited, rejected)
}

/// Whether it was admitted. Others look while it has its permit.
fn call<S: Service<Answer>>(service: &mut S) -> bool {
    let answer = service.call(Ok(()));
    thread::yield_now();
    answer.now_or_never().expect("an answer at once").is_ok()
}

// G7, D1, F2: everybody gets through the one permit in the end, and nobody is woken by a timer.
#[test]
fn many_threads_share_the_one_permit_and_all_get_through() {
    let runtime = timers();
    let circuit = half_open(&ManualClock::new());
    let results: Vec<(u64, u64)> = thread::scope(|scope| {
        let run = || {
            let _runtime = runtime.enter();
            pass_through(&circuit, 500)
        };
        let threads = [(); 4].map(|()| scope.spawn(run));
        threads
            .map(|thread| thread.join().expect("no wake was missed"))
            .into()
    });
    let waited: u64 = results.iter().map(|result| result.0).sum();
    assert!(waited > 0, "nobody ever had to wait");
    let probes = circuit.snapshot().probes.expect("half-open");
    assert_eq!(probes.in_flight, 0);
}
