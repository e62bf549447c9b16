//! All parts at once, over random failures, cancellations and a shutdown: each request gets one answer, none is sent
//! more often than its promise allows, and memory stays within its bounds.
//!
//! Around one dependency there is one circuit with a bulkhead, a call timeout, retries, a cache and a queue. Callers
//! read, and order things. Some go away while they wait. At some time, the drainer is told to end.

mod world;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use proptest::{collection::vec, prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_breaker::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, RetryLimits,
    degrade::{
        Degraded, FallbackKind,
        cached::Cached,
        fallback::{FallbackLayer, value},
        queue::{Accepted, DeferLayer, Drained, Drainer, Id, Memory, Outbox},
        retries::Retries,
    },
};

use self::world::{Arrival, By, Dependency, Does};
use crate::support::millis;

const PLACES: u32 = 3;
const PLACE_WAIT: u64 = 30;
const CALL_TIMEOUT: u64 = 80;
const REPEATS: u32 = 2;
const MAX_WAIT: u64 = 100;
const ENTRIES: u32 = 4;
const QUEUE_BYTES: u64 = 1_600;
const CACHED: u32 = 8;
const CACHE_BYTES: u64 = 16 << 10;
const ATTEMPTS: u32 = 2;

#[derive(Clone, Debug)]
struct Planned {
    /// After so many milliseconds.
    at: u64,
    what: What,
    /// Its caller goes away after so many.
    patience: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// One of so many pages. It may be repeated, and an old answer will do.
    Read(u8),
    /// It may not be made twice.
    Pay,
    /// Of one of so many customers. It may be queued.
    Order(u8),
}

#[derive(Clone, Debug)]
struct Plan {
    calls: Vec<Planned>,
    dependency: Vec<Does>,
    /// When the drainer is told to end.
    shutdown: u64,
}

fn does() -> impl Strategy<Value = Does> {
    prop_oneof![
        4 => (0..40_u64).prop_map(Does::Answer),
        // Around the limit of a call.
        1 => (70..90_u64).prop_map(Does::Answer),
        4 => (0..40_u64).prop_map(Does::Fail),
        2 => (0..40_u64).prop_map(Does::Break),
        2 => Just(Does::Hang),
        1 => Just(Does::Panic),
        1 => Just(Does::Reject),
    ]
}

fn planned() -> impl Strategy<Value = Planned> {
    let what = prop_oneof![
        2 => (0..20_u8).prop_map(What::Read),
        1 => Just(What::Pay),
        2 => (0..3_u8).prop_map(What::Order),
    ];
    let patience = prop_oneof![3 => Just(None), 1 => (0..150_u64).prop_map(Some)];
    (0..1_500_u64, what, patience).prop_map(|(at, what, patience)| Planned { at, what, patience })
}

fn plan() -> impl Strategy<Value = Plan> {
    (vec(planned(), 1..80), vec(does(), 0..80), 0..3_000_u64).prop_map(
        |(calls, dependency, shutdown)| Plan {
            calls,
            dependency,
            shutdown,
        },
    )
}

type Client = BoxCloneSyncService<Request<Full<Bytes>>, Response<Full<Bytes>>, BoxError>;

/// What a caller got.
#[derive(Clone, Debug, PartialEq)]
enum Got {
    /// What the dependency says.
    Live(String),
    /// From the cache, the queue, or a fallback.
    Other(FallbackKind, String),
    /// A failure of the dependency, a rejection, or a panic: as it is.
    Failed,
    /// It has gone away.
    Nothing,
}

/// A call that is over.
#[derive(Debug)]
struct Ended {
    id: String,
    what: What,
    got: Got,
    at: Instant,
    /// Its place in the queue.
    accepted: Option<Id>,
}

fn client(dependency: &Dependency, by: By) -> Client {
    let dependency = dependency.clone();
    BoxCloneSyncService::new(service_fn(move |request| {
        dependency.clone().call(request, by)
    }))
}

/// All there is around the dependency.
struct Around {
    circuit: Circuit,
    cached: Cached,
    queue: Memory,
    reads: Client,
    orders: Client,
}

fn around(dependency: &Dependency) -> Result<Around, BoxError> {
    let circuit = Circuit::builder("shop")
        .consecutive_failures(4)
        .open_for(millis(120))
        .call_timeout(millis(CALL_TIMEOUT))
        .probe_timeout(millis(CALL_TIMEOUT / 2))
        .bulkhead(PLACES, millis(PLACE_WAIT))
        .retries(RetryLimits::new(REPEATS).max_wait(millis(MAX_WAIT)))
        .build()?;
    let cached = Cached::builder()
        .entries(CACHED)
        .bytes(CACHE_BYTES)
        .body_limit(CACHE_BYTES / 8)
        .stale_if_error(Duration::from_secs(60))
        .build()?;
    let queue = Memory::bounded(ENTRIES, QUEUE_BYTES);
    let service = || {
        ServiceBuilder::new()
            .layer(BulkheadLayer::new())
            .layer(CircuitBreakerLayer::new(circuit.clone()).limit_calls())
            .service(client(dependency, By::Callers))
    };
    let nothing = Response::new(Full::from("nothing"));
    let reads = ServiceBuilder::new()
        .layer(FallbackLayer::on_failure(&circuit, value(nothing)).boxed_errors())
        .and_then(whole)
        .layer(cached.layer(&circuit).boxed_errors())
        .retry(Retries::new(&circuit))
        .service(service());
    let orders = ServiceBuilder::new()
        .layer(
            DeferLayer::new(&circuit, queue.clone())
                .order_by(|head| head.uri().path().to_owned())
                .boxed_errors(),
        )
        .service(service());
    Ok(Around {
        reads: BoxCloneSyncService::new(reads),
        orders: BoxCloneSyncService::new(orders),
        circuit,
        cached,
        queue,
    })
}

async fn whole<B>(response: Response<B>) -> Result<Response<Full<Bytes>>, BoxError>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(Into::into)?.to_bytes();
    Ok(Response::from_parts(head, Full::from(body)))
}

impl Around {
    fn call(&self, what: What, id: &str) -> impl Future<Output = (Got, Option<Id>)> + use<> {
        let (method, path, client) = match what {
            What::Read(page) => (Method::GET, format!("/pages/{page}"), &self.reads),
            What::Pay => (Method::POST, "/payments".to_owned(), &self.reads),
            What::Order(customer) => (Method::POST, format!("/orders/{customer}"), &self.orders),
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("http://shop{path}"));
        // The answer to a GET with a body is not kept.
        let request = match what {
            What::Read(_) => request.header("x-id", id).body(Full::default()),
            _ => request.body(Full::from(id.to_owned())),
        };
        let request = request.expect("a request");
        let called = client.clone().oneshot(request);
        async move {
            match called.await {
                Ok(answer) => got(answer).await,
                Err(_) => (Got::Failed, None),
            }
        }
    }

    fn stays_within_its_bounds(&self) {
        let ledger = self.queue.ledger();
        let (entries, bytes) = (ledger.entries(), ledger.bytes());
        assert!(entries <= ENTRIES.into(), "{entries} entries in the queue");
        assert!(bytes <= QUEUE_BYTES, "{bytes} bytes in the queue");
        let cached = self.cached.usage();
        let within = cached.answers <= CACHED.into() && cached.bytes <= CACHE_BYTES;
        assert!(within && cached.recording <= PLACES.into(), "{cached:?}");
    }
}

async fn got(answer: Response<Full<Bytes>>) -> (Got, Option<Id>) {
    let (head, body) = answer.into_parts();
    let Ok(body) = body.collect().await;
    let text = String::from_utf8(body.to_bytes().to_vec()).expect("text");
    let accepted = head
        .extensions
        .get::<Accepted>()
        .map(|accepted| accepted.id);
    let got = match head.extensions.get::<Degraded>() {
        Some(degraded) => Got::Other(degraded.kind, text),
        None if head.status.is_success() => Got::Live(text),
        None => Got::Failed,
    };
    (got, accepted)
}

/// Longer than any part may take: so many tries, each with a place to wait for, and all waits between them.
const AT_MOST: Duration =
    millis((PLACE_WAIT + CALL_TIMEOUT) * (1 + REPEATS as u64) + MAX_WAIT + 20);

/// One caller, from its time on.
async fn caller(around: Arc<Around>, planned: Planned, id: String) -> Ended {
    sleep(millis(planned.at)).await;
    let mut call = tokio::spawn(around.call(planned.what, &id));
    let patience = planned.patience.map_or(AT_MOST, millis);
    let result = match timeout(patience, &mut call).await {
        Ok(result) => result,
        Err(_) => {
            assert!(planned.patience.is_some(), "call {id} got no answer");
            call.abort();
            call.await
        }
    };
    around.stays_within_its_bounds();
    let (got, accepted) = match result {
        Ok(answer) => answer,
        Err(ended) if ended.is_panic() => (Got::Failed, None),
        Err(_) => (Got::Nothing, None),
    };
    let (what, at) = (planned.what, Instant::now());
    Ended {
        id,
        what,
        got,
        at,
        accepted,
    }
}

/// What is known when everything is over.
struct Over {
    around: Arc<Around>,
    ended: Vec<Ended>,
    arrivals: HashMap<String, Vec<Arrival>>,
    most_in_flight: [u64; 2],
    drained: Drained,
    /// The orders that were given up.
    dead: BTreeSet<String>,
}

async fn play(plan: Plan) -> Over {
    let dependency = Dependency::doing(plan.dependency);
    let around = Arc::new(around(&dependency).expect("settings that make sense"));
    dependency.seen().circuit = Some(around.circuit.clone());
    let dead = Arc::new(Mutex::new(BTreeSet::new()));
    let told = dead.clone();
    let drainer = Drainer::new(
        &around.circuit,
        around.queue.clone(),
        client(&dependency, By::Drainer),
    )
    .attempt_timeout(millis(CALL_TIMEOUT))
    .interval(millis(5))
    .backoff(millis(20), millis(80))
    .max_attempts(ATTEMPTS)
    .grace(millis(CALL_TIMEOUT / 2))
    .dead_letter(move |letter| {
        told.lock()
            .expect("no panic")
            .insert(id_of(letter.entry.body()));
        async {}
    });
    let drained = tokio::spawn(drainer.run(sleep(millis(plan.shutdown))));
    let mut callers = JoinSet::new();
    for (number, planned) in plan.calls.into_iter().enumerate() {
        callers.spawn(caller(around.clone(), planned, number.to_string()));
    }
    let ended = callers.join_all().await;
    let drained = drained.await.expect("it does not panic");
    let dead = dead.lock().expect("no panic").clone();
    let seen = dependency.seen();
    Over {
        ended,
        arrivals: seen.arrivals.clone(),
        most_in_flight: seen.most_in_flight,
        drained,
        dead,
        around,
    }
}

fn id_of(body: &[u8]) -> String {
    String::from_utf8(body.to_vec()).expect("text")
}

impl Over {
    fn arrivals(&self, id: &str) -> &[Arrival] {
        self.arrivals.get(id).map_or(&[], Vec::as_slice)
    }

    fn is_left(&self, id: &str) -> bool {
        self.drained.left.iter().any(|entry| entry.body() == id)
    }

    fn check(&self) {
        for ended in &self.ended {
            match ended.what {
                What::Read(page) => self.check_read(ended, &format!("/pages/{page}")),
                What::Pay => self.check_payment(ended),
                What::Order(_) => self.check_order(ended),
            }
        }
        self.check_keys();
        self.check_order_of_orders();
        self.check_bounds();
        self.check_counters();
    }

    /// One answer, its own or one that is marked; and only the last try may have been answered well.
    fn check_read(&self, ended: &Ended, path: &str) {
        let arrivals = self.arrivals(&ended.id);
        let (last, earlier) = arrivals
            .split_last()
            .map_or((None, arrivals), |(last, earlier)| (Some(last), earlier));
        assert!(
            arrivals.len() as u64 <= 1 + u64::from(REPEATS),
            "{ended:?}: {arrivals:?}"
        );
        assert!(
            earlier.iter().all(|it| it.answered.is_none()),
            "{ended:?}: {arrivals:?}"
        );
        assert!(
            arrivals.iter().all(|it| it.at <= ended.at),
            "{ended:?}: {arrivals:?}"
        );
        let answered = last.is_some_and(|it| it.answered.is_some());
        match &ended.got {
            Got::Live(text) => {
                assert_eq!(*text, format!("{path} {}", ended.id));
                assert!(answered, "{ended:?}: {arrivals:?}");
            }
            Got::Other(FallbackKind::Cached, text) => {
                assert!(text.starts_with(&format!("{path} ")), "{ended:?}");
                assert!(!answered, "{ended:?}: {arrivals:?}");
            }
            Got::Other(kind, text) => {
                assert_eq!((kind, text.as_str()), (&FallbackKind::Value, "nothing"));
                assert!(!answered, "{ended:?}: {arrivals:?}");
            }
            // The client has panicked.
            Got::Failed => assert!(!answered && last.is_some(), "{ended:?}: {arrivals:?}"),
            Got::Nothing => (),
        }
    }

    /// The same, and never twice, and never from the cache.
    fn check_payment(&self, ended: &Ended) {
        self.check_read(ended, "/payments");
        assert!(self.arrivals(&ended.id).len() <= 1, "{ended:?}");
        assert!(
            !matches!(ended.got, Got::Other(FallbackKind::Cached, _)),
            "{ended:?}"
        );
    }

    fn check_order(&self, ended: &Ended) {
        let arrivals = self.arrivals(&ended.id);
        let answered = arrivals.iter().filter(|it| it.answered.is_some()).count();
        let (is_dead, is_left) = (self.dead.contains(&ended.id), self.is_left(&ended.id));
        let said = format!("{ended:?}, dead: {is_dead}, left: {is_left}: {arrivals:?}");
        if matches!(ended.got, Got::Other(..)) {
            assert!(
                matches!(ended.got, Got::Other(FallbackKind::Defer, _)),
                "{said}"
            );
            // Nobody had seen it before.
            assert!(arrivals.iter().all(|it| it.at >= ended.at), "{said}");
            let no_probe = arrivals.iter().filter(|it| !it.was_probe).count();
            assert!(no_probe <= ATTEMPTS as usize, "{said}");
            let ends = [answered == 1, is_dead, is_left];
            assert_eq!(ends.into_iter().filter(|it| *it).count(), 1, "{said}");
            // A rejection is no try, and an outage uses none up.
            assert!(!is_dead || no_probe == ATTEMPTS as usize, "{said}");
            return;
        }
        assert!(!is_dead && !is_left && ended.accepted.is_none(), "{said}");
        assert!(arrivals.len() <= 1, "{said}");
        match ended.got {
            Got::Live(_) => assert_eq!(answered, 1, "{said}"),
            Got::Failed => assert_eq!(answered, 0, "{said}"),
            _ => (),
        }
    }

    /// Each order has one key, and no other has that.
    fn check_keys(&self) {
        let mut keys = BTreeMap::new();
        for ended in self
            .ended
            .iter()
            .filter(|it| matches!(it.what, What::Order(_)))
        {
            for arrival in self.arrivals(&ended.id) {
                let key = arrival.key.clone().expect("orders have keys");
                let first = keys.entry(key).or_insert(&ended.id);
                assert_eq!(*first, &ended.id, "two orders with one key");
            }
        }
        let of_orders = self
            .ended
            .iter()
            .filter(|it| matches!(it.what, What::Order(_)));
        let arrived = of_orders
            .filter(|it| !self.arrivals(&it.id).is_empty())
            .count();
        assert_eq!(keys.len(), arrived, "an order with two keys");
    }

    /// Of one customer, none is tried before those that were queued earlier are delivered or dead.
    fn check_order_of_orders(&self) {
        let mut queued = BTreeMap::<u8, BTreeMap<Id, &str>>::new();
        for ended in &self.ended {
            if let (What::Order(customer), Some(id)) = (ended.what, ended.accepted) {
                queued.entry(customer).or_default().insert(id, &ended.id);
            }
        }
        for of_one in queued.values() {
            let tried = of_one.values().flat_map(|id| self.arrivals(id));
            assert!(tried.is_sorted_by_key(|arrival| arrival.at), "{of_one:?}");
        }
    }

    fn check_bounds(&self) {
        let [callers, drainer] = self.most_in_flight;
        assert!(callers <= PLACES.into(), "{callers} calls at once");
        assert!(drainer <= 1, "{drainer} calls of the drainer at once");
        assert_eq!(self.around.queue.ledger().entries(), 0);
        assert_eq!(self.around.cached.usage().recording, 0);
    }

    /// What is counted is what there was.
    fn check_counters(&self) {
        let parts = self
            .around
            .circuit
            .snapshot()
            .parts
            .expect("there are parts");
        let bulkhead = parts.bulkhead.expect("there is one");
        assert_eq!((bulkhead.taken, bulkhead.waiting), (0, 0));
        let got = |kind| {
            let such = |it: &&Ended| matches!(it.got, Got::Other(it, _) if it == kind);
            self.ended.iter().filter(such).count() as u64
        };
        for kind in [
            FallbackKind::Value,
            FallbackKind::Cached,
            FallbackKind::Defer,
        ] {
            let counted = parts.fallbacks.iter().filter(|total| total.kind == kind);
            assert_eq!(
                counted.map(|total| total.answered).sum::<u64>(),
                got(kind),
                "{kind:?}"
            );
        }
        let queue = parts.queue.expect("there is one");
        assert_eq!(queue.kept, got(FallbackKind::Defer));
        let ends = (queue.delivered, queue.dead, self.drained.left.len() as u64);
        assert_eq!(ends.0 + ends.1 + ends.2, queue.kept, "{ends:?}");
        assert_eq!(
            (queue.delivered, queue.dead),
            (self.drained.delivered, self.drained.dead)
        );
    }
}

fn run(plan: Plan) -> Over {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(play(plan))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    // M1, M2, M4, M6, M7, M8
    #[test]
    fn each_request_gets_one_answer_and_is_sent_no_more_often_than_promised(plan in plan()) {
        run(plan).check();
    }
}

/// Or the test above says little: every end that there is has to come about.
#[test]
fn the_plans_bring_about_every_end() {
    let mut ends = BTreeMap::<&str, u64>::new();
    let mut runner = TestRunner::deterministic();
    for _ in 0..100 {
        let plan = plan().new_tree(&mut runner).expect("a plan").current();
        let over = run(plan);
        for ended in &over.ended {
            *ends.entry(ended.end()).or_default() += 1;
        }
        let repeated = over.arrivals.values().filter(|arrivals| arrivals.len() > 1);
        let queue = over
            .around
            .circuit
            .snapshot()
            .parts
            .and_then(|parts| parts.queue);
        for (end, more) in [
            ("a repeated call", repeated.count() as u64),
            ("an order that is delivered later", over.drained.delivered),
            ("an order that is given up", over.drained.dead),
            (
                "an order that is handed back",
                over.drained.left.len() as u64,
            ),
            (
                "an order that has no room",
                queue.map_or(0, |queue| queue.refused),
            ),
            (
                "all places taken",
                u64::from(over.most_in_flight[0] == u64::from(PLACES)),
            ),
        ] {
            *ends.entry(end).or_default() += more;
        }
    }
    assert_eq!(ends.len(), 12, "{ends:?}");
    assert!(ends.values().all(|times| *times >= 10), "{ends:?}");
}

impl Ended {
    fn end(&self) -> &'static str {
        match self.got {
            Got::Live(_) => "live",
            Got::Other(FallbackKind::Cached, _) => "stale",
            Got::Other(FallbackKind::Defer, _) => "queued",
            Got::Other(..) => "default",
            Got::Failed => "failed",
            Got::Nothing => "gone",
        }
    }
}
