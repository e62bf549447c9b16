//! A storm of retries against a dependency that is down, and what ends it, with the numbers before and after. On
//! tokio's paused clock, so that they are the same each time.
//!
//! `BLESS=1` writes them into the guide.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

use std::{
    convert::Infallible,
    env, fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{Request, Response, StatusCode};
use tokio::time::{Instant, sleep_until};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_breaker::{
    Circuit, CircuitBreakerLayer, CircuitBuilder, Mode, RetryLimits, degrade::retries::Retries,
};

const CALLERS: u32 = 20;
const EACH: Duration = Duration::from_millis(100);
const MINUTE: Duration = Duration::from_secs(60);
/// 20 callers × 10 calls a second × 60 seconds.
const CALLS: u64 = 12_000;
const EACH_SECOND: u64 = CALLS / 60;
/// For how many seconds the dependency hangs.
const HANGS: u64 = 10;

/// What stands between the callers and the dependency.
struct Case {
    name: &'static str,
    build: fn(CircuitBuilder) -> CircuitBuilder,
    gate_only: bool,
}

const CASES: [Case; 6] = [
    Case {
        name: "no retries",
        build: |circuit| never_opens(circuit),
        gate_only: false,
    },
    Case {
        name: "retries alone",
        build: |circuit| never_opens(circuit).retries(endless()),
        gate_only: false,
    },
    Case {
        name: "… with a budget",
        build: |circuit| never_opens(circuit).retries(limits()),
        gate_only: false,
    },
    Case {
        name: "… with a breaker",
        build: |circuit| opens(circuit).retries(endless()),
        gate_only: false,
    },
    Case {
        name: "… with both",
        build: |circuit| opens(circuit).retries(limits()),
        gate_only: false,
    },
    Case {
        name: "… with a breaker for retries only",
        build: |circuit| opens(circuit).mode(Mode::Shadow).retries(endless()),
        gate_only: true,
    },
];

fn limits() -> RetryLimits {
    RetryLimits::new(3)
}

/// No budget to speak of.
fn endless() -> RetryLimits {
    limits().share(1.0).per_second(1_000_000)
}

fn never_opens(circuit: CircuitBuilder) -> CircuitBuilder {
    circuit.consecutive_failures(4_000_000)
}

fn opens(circuit: CircuitBuilder) -> CircuitBuilder {
    circuit.failure_rate(0.5).open_for(Duration::from_secs(5))
}

/// A dependency that answers one request after another, 250 a second. What it has begun it ends, also if nobody
/// waits for that any more.
struct Upstream {
    asked: AtomicU64,
    /// Whether it refuses whatever comes.
    is_dead: bool,
    /// When it will have nothing more to do.
    free: Mutex<Instant>,
}

const TAKES: Duration = Duration::from_millis(4);

impl Upstream {
    fn dead() -> Self {
        Self {
            asked: AtomicU64::new(0),
            is_dead: true,
            free: Mutex::new(Instant::now()),
        }
    }

    /// One that does nothing for so long, and then goes on with what has come in the meantime.
    fn hung_for(time: Duration) -> Self {
        Self {
            asked: AtomicU64::new(0),
            is_dead: false,
            free: Mutex::new(Instant::now() + time),
        }
    }

    async fn answer(&self) -> StatusCode {
        self.asked.fetch_add(1, Relaxed);
        if self.is_dead {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        let done = {
            let mut free = self.free.lock().unwrap();
            *free = (*free).max(Instant::now()) + TAKES;
            *free
        };
        sleep_until(done).await;
        StatusCode::OK
    }
}

/// What came of a minute.
struct Seen {
    /// How many requests have reached the dependency.
    requests: u64,
    /// How many calls that were begun in each second have succeeded.
    good: Vec<u64>,
}

impl Seen {
    fn failed(&self) -> u64 {
        CALLS - self.good.iter().sum::<u64>()
    }

    /// From which second on 99 % of the calls of each second have succeeded, if that was within the minute.
    fn good_from(&self) -> Option<usize> {
        let is_bad = |good: &u64| good * 100 < EACH_SECOND * 99;
        let from = self
            .good
            .iter()
            .rposition(is_bad)
            .map_or(0, |last| last + 1);
        (from < self.good.len()).then_some(from)
    }
}

/// 20 callers, each of whom makes a call every tenth of a second, whatever became of the one before.
async fn storm(case: &Case, upstream: Upstream) -> Seen {
    let circuit = Circuit::builder("reviews").call_timeout(Duration::from_secs(1));
    let circuit = (case.build)(circuit).build().unwrap();
    let retries = Retries::new(&circuit).jitter_seed(7);
    let retries = if case.gate_only {
        retries.gate_only()
    } else {
        retries
    };
    let upstream = Arc::new(upstream);
    let asked = upstream.clone();
    let service = ServiceBuilder::new()
        .retry::<Retries>(retries)
        .layer(CircuitBreakerLayer::new(circuit).limit_calls())
        .service(service_fn(move |_: Request<()>| {
            let upstream = asked.clone();
            async move {
                let mut response = Response::new(());
                *response.status_mut() = upstream.answer().await;
                Ok::<_, Infallible>(response)
            }
        }));
    let good = Arc::new(Mutex::new(vec![0; 60]));
    let began = Instant::now();
    let callers = (0..CALLERS).map(|caller| {
        let (service, good) = (service.clone(), good.clone());
        async move {
            let mut at = began + EACH / CALLERS * caller;
            while at < began + MINUTE {
                sleep_until(at).await;
                let (call, good) = (service.clone().oneshot(Request::new(())), good.clone());
                let second = usize::try_from((at - began).as_secs()).unwrap();
                tokio::spawn(async move {
                    let response = call.await.unwrap();
                    good.lock().unwrap()[second] += u64::from(response.status().is_success());
                });
                at += EACH;
            }
        }
    });
    futures_util::future::join_all(callers).await;
    sleep_until(began + MINUTE * 2).await;
    let good = good.lock().unwrap().clone();
    Seen {
        requests: upstream.asked.load(Relaxed),
        good,
    }
}

/// What came of a minute with a dependency that is dead, and of one in which it has hung at first.
struct Row {
    case: &'static Case,
    dead: Seen,
    hung: Seen,
}

impl Row {
    /// One of the guide's table.
    fn written(&self) -> String {
        let Self { case, dead, hung } = self;
        let name = case.name;
        let (requests, failed) = (grouped(dead.requests), grouped(hung.failed()));
        let hundredths = dead.requests * 100 / CALLS;
        let per_call = format!("{}.{:02}", hundredths / 100, hundredths % 100);
        let good_from = match hung.good_from() {
            Some(second) => format!("{} s later", second as u64 - HANGS),
            None => "never".to_owned(),
        };
        format!("| {name} | {requests} | {per_call} | {good_from} | {failed} |\n")
    }
}

/// As people read it.
fn grouped(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    }
}

async fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for case in &CASES {
        let dead = storm(case, Upstream::dead()).await;
        let hung = storm(case, Upstream::hung_for(Duration::from_secs(HANGS))).await;
        rows.push(Row { case, dead, hung });
    }
    rows
}

const BEGIN: &str = "<!-- storm: written by tests/degrade/storm.rs -->\n";
const END: &str = "<!-- end of storm -->";
const HEAD: &str = "\
| callers and dependency | dead for a minute: requests | for one call | hung for 10 s: all is well | calls that failed |
|---|--:|--:|---|--:|
";

/// The page of the guide on which the table is, whichever it is, and what stands before and after it.
fn page() -> (PathBuf, String, String) {
    let guides = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide");
    let pages = fs::read_dir(guides)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut with_table = pages.filter_map(|path| {
        let text = fs::read_to_string(&path).ok()?;
        let (before, rest) = text.split_once(BEGIN)?;
        let (_, after) = rest.split_once(END)?;
        Some((path, format!("{before}{BEGIN}"), format!("{END}{after}")))
    });
    with_table.next().expect("the table is in the guide")
}

fn compare_with_guide(rows: &[Row]) {
    let written: String = rows.iter().map(Row::written).collect();
    let (path, before, after) = page();
    let page = format!("{before}\n{HEAD}{written}\n{after}");
    if env::var_os("BLESS").is_some() {
        fs::write(&path, page).unwrap();
        return;
    }
    let there = fs::read_to_string(&path).unwrap();
    assert!(
        there == page,
        "{} has other numbers; with BLESS=1 these:\n{HEAD}{written}",
        path.display()
    );
}

// M8
#[tokio::test(start_paused = true)]
async fn retries_make_a_storm_and_the_breaker_ends_it() {
    let rows = rows().await;
    let [none, alone, budget, breaker, both, gate] = &rows[..] else {
        panic!("six cases");
    };

    // A dependency that is dead: four requests for each call. A budget takes nearly all of that away, and so does a
    // gate. A breaker takes away the first tries as well: what is left is what opens it, and a probe for each break.
    assert_eq!(
        (none.dead.requests, alone.dead.requests),
        (CALLS, 4 * CALLS)
    );
    assert!((CALLS..=CALLS + 100).contains(&budget.dead.requests));
    assert!((CALLS..=CALLS + 100).contains(&gate.dead.requests));
    for row in [breaker, both] {
        assert!(row.dead.requests <= 20 + 12, "{}", row.dead.requests);
    }

    // One that has hung and could answer all calls again, if they were not made four times: it never comes back.
    // Without retries it has to catch up with what nobody waits for any more.
    assert_eq!(alone.hung.good_from(), None);
    for row in [none, budget, gate] {
        let from = row.hung.good_from().expect("comes back");
        assert!((40..=50).contains(&from), "{}: {from}", row.case.name);
    }
    for row in [breaker, both] {
        let from = row.hung.good_from().expect("comes back");
        assert!((10..=15).contains(&from), "{}: {from}", row.case.name);
        assert!(row.hung.failed() * 3 < none.hung.failed());
    }
    compare_with_guide(&rows);
}
