//! The same scripts of a dependency and its callers, through both.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::{task::JoinSet, time::sleep};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_breaker::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, RetryLimits,
    degrade::{
        Because, Degraded, StackLayer,
        fallback::{FallbackLayer, response},
    },
};

const SCRIPTS: u64 = 300;

/// All ask for one thing: a cache may take a write to one target for a write to another, by hashes that are drawn for
/// each cache, and then two caches would differ by chance.
const ASKED_FOR: &str = "http://reviews.test/one";

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Numbers that are the same in each run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        let at = usize::try_from(self.below(all.len() as u64)).unwrap();
        all[at]
    }
}

/// What the dependency does with one try.
#[derive(Clone, Copy, Debug)]
struct Step {
    after: Duration,
    does: Does,
}

#[derive(Clone, Copy, Debug)]
enum Does {
    Status(u16),
    Err,
    Hang,
}

/// What one caller does.
#[derive(Clone, Copy, Debug)]
struct Caller {
    after: Duration,
    method: &'static str,
    /// Then it goes.
    patience: Duration,
}

#[derive(Clone, Debug)]
struct Script {
    call_timeout: Option<u64>,
    bulkhead: Option<(u32, u64)>,
    retries: Option<u32>,
    steps: Vec<Step>,
    callers: Vec<Caller>,
}

impl Script {
    fn new(number: u64) -> Self {
        let mut draw = Draw(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let step = |draw: &mut Draw| Step {
            after: millis(draw.of(&[0, 0, 5, 20, 45])),
            does: match draw.below(8) {
                0 => Does::Err,
                1 => Does::Hang,
                2 | 3 => Does::Status(500),
                4 => Does::Status(404),
                _ => Does::Status(200),
            },
        };
        let mut now = 0;
        let caller = |draw: &mut Draw| {
            now += draw.of(&[0, 0, 1, 10, 60]);
            Caller {
                after: millis(now),
                method: draw.of(&["GET", "GET", "GET", "HEAD", "POST"]),
                patience: millis(draw.of(&[3, 30, 400, 400, 400])),
            }
        };
        Self {
            call_timeout: draw.of(&[None, Some(30)]),
            bulkhead: draw.of(&[None, Some((1, 0)), Some((2, 15))]),
            retries: draw.of(&[None, Some(2)]),
            callers: std::iter::repeat_with({
                let mut draw = Draw(number ^ 0xABCD_EF01);
                let mut caller = caller;
                move || caller(&mut draw)
            })
            .take(30)
            .collect(),
            steps: std::iter::repeat_with(move || step(&mut draw))
                .take(90)
                .collect(),
        }
    }

    fn circuit(&self, log: &Log) -> Circuit {
        let builder = Circuit::builder("reviews")
            .consecutive_failures(3)
            .open_for(millis(40))
            .half_open_timeout(millis(200));
        let builder = match self.call_timeout {
            Some(limit) => builder.call_timeout(millis(limit)),
            None => builder,
        };
        let builder = match self.bulkhead {
            Some((places, wait)) => builder.bulkhead(places, millis(wait)),
            None => builder,
        };
        let builder = match self.retries {
            Some(at_most) => builder.retries(RetryLimits::new(at_most).max_wait(millis(50))),
            None => builder,
        };
        let (calls, events) = (log.clone(), log.clone());
        builder
            .on_call(move |_, call| calls.say(format!("{call:?}")))
            .on_event(move |_, event| events.say(event.to_string()))
            .build()
            .unwrap()
    }
}

/// All that happens, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn say(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

/// Says when a try begins and when it ends or is dropped.
struct Try(Log, String);

impl Drop for Try {
    fn drop(&mut self) {
        self.0.say(format!("end of {}", self.1));
    }
}

type Dependency = tower::util::BoxCloneSyncService<Request<String>, Response<String>, Broken>;

fn dependency(script: &Script, log: &Log) -> Dependency {
    let steps: Arc<Mutex<VecDeque<Step>>> =
        Arc::new(Mutex::new(script.steps.iter().copied().collect()));
    let log = log.clone();
    Dependency::new(tower::service_fn(move |request: Request<String>| {
        let step = steps.lock().unwrap().pop_front();
        let told = format!("{} {} {step:?}", request.method(), request.uri());
        log.say(told.clone());
        let this_try = Try(log.clone(), told);
        async move {
            let _this_try = this_try;
            let Some(step) = step else { return Err(Broken) };
            sleep(step.after).await;
            match step.does {
                Does::Err => Err(Broken),
                Does::Hang => std::future::pending().await,
                Does::Status(status) => {
                    let response = Response::builder()
                        .status(status)
                        .header("cache-control", "max-age=0, stale-if-error=60");
                    Ok(response.body(format!("live {status}")).unwrap())
                }
            }
        }
    }))
}

/// What becomes of all callers, and all that happens meanwhile.
async fn run<S, B>(script: &Script, circuit: &Circuit, log: &Log, service: S) -> Vec<String>
where
    S: Service<Request<String>, Response = Response<B>, Error = Broken> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: fmt::Debug> + Send,
{
    let mut tasks = JoinSet::new();
    for (number, caller) in script.callers.iter().copied().enumerate() {
        let (service, log) = (service.clone(), log.clone());
        tasks.spawn(async move {
            sleep(caller.after).await;
            let request = Request::builder()
                .method(Method::from_bytes(caller.method.as_bytes()).unwrap())
                .uri(ASKED_FOR)
                .body(String::new())
                .unwrap();
            let answer = tokio::time::timeout(caller.patience, async {
                let (head, body) = service.oneshot(request).await?.into_parts();
                let mark = head.extensions.get::<Degraded>().copied();
                let body = body.collect().await.unwrap().to_bytes();
                Ok::<_, Broken>((head.status, mark, body))
            });
            log.say(format!("{number}: {:?}", answer.await));
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    drop(service);
    let snapshot = circuit.snapshot();
    log.say(format!("{:?} {:?}", snapshot.totals, snapshot.parts));
    std::mem::take(&mut *log.0.lock().unwrap())
}

/// Runs a script with what `make` makes of circuit and dependency.
fn play<S, B>(script: &Script, make: impl FnOnce(&Circuit, Dependency) -> S) -> Vec<String>
where
    S: Service<Request<String>, Response = Response<B>, Error = Broken> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: fmt::Debug> + Send,
{
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let log = Log::default();
        let circuit = script.circuit(&log);
        let service = make(&circuit, dependency(script, &log));
        run(script, &circuit, &log, service).await
    })
}

/// Which things have to happen in some script, or this says nothing.
#[track_caller]
fn assert_said(all: &[Vec<String>], words: &[&str]) {
    for word in words {
        let said = all.iter().flatten().filter(|line| line.contains(word));
        assert!(
            said.count() > 20,
            "hardly a script in which there is `{word}`"
        );
    }
}

fn stand_in<B>(made_of: impl Fn(String) -> B) -> impl Fn(&Because<Broken>) -> Response<B> {
    move |because| Response::new(made_of(format!("instead: {because}")))
}

// M9: with the parts that are always there.
#[test]
fn a_stack_is_its_parts_by_hand() {
    let mut all = Vec::new();
    for number in 0..SCRIPTS {
        let script = Script::new(number);
        let stacked = play(&script, |circuit, dependency| {
            let stack = StackLayer::of(circuit).on_failure(response(stand_in(|body| body)));
            stack.layer(dependency)
        });
        let by_hand = play(&script, |circuit, dependency| {
            ServiceBuilder::new()
                .layer(FallbackLayer::on_failure(
                    circuit,
                    response(stand_in(|body| body)),
                ))
                .layer(BulkheadLayer::new())
                .layer(CircuitBreakerLayer::new(circuit.clone()).limit_calls())
                .service(dependency)
        });
        assert_eq!(stacked, by_hand, "script {number}: {script:?}");
        all.push(stacked);
    }
    assert_said(
        &all,
        &[
            "BulkheadFull",
            "TimedOut(",
            "is open",
            "Elapsed",
            "instead: the",
            "live 200",
        ],
    );
}

// M9: and with all that there is.
#[cfg(all(feature = "cached", feature = "retries"))]
#[test]
fn a_whole_stack_is_its_parts_by_hand() {
    use tower::retry::RetryLayer;
    use tower_breaker::degrade::{
        cached::{Cached, CachedBody},
        retries::Retries,
    };
    let stand_in = || response(stand_in(CachedBody::from));
    let retries = |circuit: &Circuit| -> Retries { Retries::new(circuit).jitter_seed(7) };
    let mut all = Vec::new();
    for number in 0..SCRIPTS {
        let script = Script::new(number);
        let stacked = play(&script, |circuit, dependency| {
            let cached = Cached::builder().build().unwrap();
            // In the order in which nobody would put them around each other.
            let stack = StackLayer::of(circuit)
                .retries_by(retries(circuit))
                .on_failure(stand_in())
                .cached(&cached);
            stack.layer(dependency)
        });
        let by_hand = play(&script, |circuit, dependency| {
            let cached = Cached::builder().build().unwrap();
            ServiceBuilder::new()
                .layer(FallbackLayer::on_failure(circuit, stand_in()))
                .layer(cached.layer(circuit))
                .layer(RetryLayer::new(retries(circuit)))
                .layer(BulkheadLayer::new())
                .layer(CircuitBreakerLayer::new(circuit.clone()).limit_calls())
                .service(dependency)
        });
        assert_eq!(stacked, by_hand, "script {number}: {script:?}");
        all.push(stacked);
    }
    let said = [
        "BulkheadFull",
        "TimedOut(",
        "is open",
        "Elapsed",
        "instead: the",
        "live 200",
    ];
    assert_said(&all, &said);
    assert_said(
        &all,
        &[
            "kind: Cached",
            "kind: Value",
            "Retried(Retried)",
            "NotClosed",
            "end of",
        ],
    );
}
