//! One dependency hangs, and the others do not notice (rule M2): with and without, in numbers. The time is tokio's, and
//! paused, so each run is exact.
//!
//! A server has so many tasks for all its requests, whichever of three dependencies they need. Requests come at a
//! constant rate, whatever becomes of those before them.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

use std::{
    convert::Infallible,
    fmt,
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::Response;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, sleep_until},
};
use tower::{ServiceBuilder, ServiceExt, service_fn, util::BoxCloneService};
use tower_breaker::{BulkheadLayer, Circuit, CircuitBreakerLayer, CircuitBuilder, Mode};

const TASKS: usize = 64;
const EVERY: Duration = Duration::from_millis(20);
const FOR: Duration = Duration::from_secs(60);
/// Whoever has no answer by then gets none.
const PATIENCE: Duration = Duration::from_secs(10);
const PLACES: u32 = 16;
const LIMIT: Duration = Duration::from_secs(2);

type Dependency = BoxCloneService<u32, Response<()>, Infallible>;

/// From 10 to 30 ms, as if by chance.
fn takes(request: u32) -> Duration {
    let spread = u64::from(request.wrapping_mul(2_654_435_761) >> 16);
    Duration::from_micros(10_000 + spread % 20_001)
}

fn well() -> Dependency {
    BoxCloneService::new(service_fn(|request| async move {
        sleep(takes(request)).await;
        Ok(Response::new(()))
    }))
}

fn hanging() -> Dependency {
    BoxCloneService::new(service_fn(|_: u32| pending()))
}

fn protected(
    inner: Dependency,
    configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder,
) -> Dependency {
    let builder = Circuit::builder("dependency")
        .count_window(100)
        .failure_rate(0.5);
    let breaker = CircuitBreakerLayer::new(configure(builder).build().unwrap());
    let layers = ServiceBuilder::new()
        .layer(BulkheadLayer::new())
        .layer(breaker);
    BoxCloneService::new(layers.service(inner))
}

/// How long each answer took, or that there was none.
#[derive(Clone, Default)]
struct Answers(Arc<Mutex<Vec<Option<Duration>>>>);

impl Answers {
    /// Requests at a constant rate, each for one of the tasks and then for the dependency.
    fn ask(&self, tasks: &Arc<Semaphore>, dependency: &Dependency, after: Duration) {
        let began = Instant::now() + after;
        let requests = FOR.as_millis() / EVERY.as_millis();
        for number in 0..u32::try_from(requests).unwrap() {
            let (answers, tasks, dependency) = (self.clone(), tasks.clone(), dependency.clone());
            tokio::spawn(async move {
                let came = began + EVERY * number;
                sleep_until(came).await;
                let at = answers.asked();
                let _task = tasks.acquire().await.unwrap();
                let answer = dependency.oneshot(number).await.unwrap();
                if answer.status().is_success() {
                    answers.0.lock().unwrap()[at] = Some(came.elapsed());
                }
            });
        }
    }

    fn asked(&self) -> usize {
        let mut all = self.0.lock().unwrap();
        all.push(None);
        all.len() - 1
    }
}

#[derive(Debug)]
struct Figures {
    asked: usize,
    lost: usize,
    p50: Duration,
    p99: Duration,
}

impl Figures {
    fn of(answers: &Answers) -> Self {
        let all = answers.0.lock().unwrap();
        let mut took: Vec<_> = all.iter().flatten().copied().collect();
        took.sort();
        let share = |percent| took.get(took.len() * percent / 100).copied();
        Self {
            asked: all.len(),
            lost: all.len() - took.len(),
            p50: share(50).unwrap_or_default(),
            p99: share(99).unwrap_or_default(),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
        let (p50, p99) = (millis(self.p50), millis(self.p99));
        write!(
            f,
            "p50 {p50:>8.1} ms, p99 {p99:>8.1} ms, lost {:>4} of {}",
            self.lost, self.asked
        )
    }
}

/// What becomes of the two that are well, beside a third.
async fn beside(what: &str, third: Option<Dependency>) -> Figures {
    let (tasks, two) = (Arc::new(Semaphore::new(TASKS)), Answers::default());
    for (number, dependency) in [well(), well()].into_iter().enumerate() {
        let guarded = protected(dependency, |c| {
            c.bulkhead(32, Duration::ZERO).call_timeout(LIMIT)
        });
        two.ask(&tasks, &guarded, Duration::from_millis(7 * number as u64));
    }
    if let Some(third) = third {
        Answers::default().ask(&tasks, &third, Duration::from_millis(3));
    }
    sleep(FOR + PATIENCE).await;
    let figures = Figures::of(&two);
    println!("{what:<44} {figures}");
    figures
}

// M2: a bulkhead for the one that hangs is what the others live on.
#[tokio::test(start_paused = true)]
async fn with_a_bulkhead_the_others_keep_their_latency_and_lose_no_call() {
    println!("two dependencies that are well:");
    let alone = beside("alone", None).await;
    let without = beside("beside one that hangs", Some(hanging())).await;
    // Disabled: the circuit decides nothing, and its limits hold.
    let limits = |c: CircuitBuilder| c.mode(Mode::Disabled).call_timeout(LIMIT);
    let timed = protected(hanging(), limits);
    let timed = beside("… with a call timeout of 2 s", Some(timed)).await;
    let placed = protected(hanging(), |c| limits(c).bulkhead(PLACES, Duration::ZERO));
    let placed = beside("… and a bulkhead of 16", Some(placed)).await;
    let all = |c: CircuitBuilder| c.call_timeout(LIMIT).bulkhead(PLACES, Duration::ZERO);
    let all = beside("… and a breaker", Some(protected(hanging(), all))).await;

    assert_eq!((alone.asked, alone.lost), (6_000, 0));
    assert!(without.lost > alone.asked * 9 / 10, "{without}");
    assert!(
        timed.p99 > 10 * alone.p99,
        "a timeout alone is no isolation: {timed}"
    );
    for isolated in [placed, all] {
        assert_eq!(isolated.lost, 0);
        assert!(isolated.p99 <= alone.p99.mul_f64(1.1), "{isolated}");
    }
}
