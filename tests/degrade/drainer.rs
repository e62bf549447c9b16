//! What is kept is delivered: when, how often, in which order, and what becomes of the rest.

use std::{
    collections::HashMap,
    future::{Future, pending, poll_fn},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tower::{Service, ServiceBuilder, service_fn};
use tower_breaker::{
    Circuit, CircuitBreakerLayer, Outcome, State,
    degrade::queue::{
        Dead, DeadLetter, Drained, Drainer, Entry, IDEMPOTENCY_KEY, Memory, Outbox, Take,
    },
};

use crate::support::{millis, secs};

/// What the dependency does about a call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Do {
    #[default]
    Answer,
    Status(u16),
    /// 429, to be asked again after so many seconds.
    Later(u64),
    Fail,
    Hang,
    Panic,
    /// Answers after so many milliseconds.
    Take(u64),
    /// Another circuit further in rejects it.
    Reject,
    /// The same, as an error.
    RejectAsError,
}

/// A call that has reached the dependency.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) order_key: String,
    pub(crate) body: String,
    pub(crate) idempotency_key: Option<HeaderValue>,
    pub(crate) headers: HeaderMap,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A dependency that does as it is told, call by call, and then answers.
#[derive(Clone, Default)]
pub(crate) struct Dependency(Arc<Mutex<World>>);

#[derive(Default)]
struct World {
    script: Vec<Do>,
    seen: Vec<Seen>,
    /// Those that were answered with a 200.
    answered: Vec<String>,
    in_flight: HashMap<String, usize>,
    overlapped: bool,
}

impl Dependency {
    pub(crate) fn doing(script: impl IntoIterator<Item = Do>) -> Self {
        let dependency = Self::default();
        dependency.then(script);
        dependency
    }

    pub(crate) fn then(&self, script: impl IntoIterator<Item = Do>) {
        self.world(|world| world.script.extend(script));
    }

    fn then_first(&self, next: Do) {
        self.world(|world| world.script.insert(0, next));
    }

    fn world<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut self.0.lock().expect("no panic under it"))
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.world(|world| world.seen.clone())
    }

    pub(crate) fn bodies(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.body).collect()
    }

    pub(crate) fn answered(&self) -> Vec<String> {
        self.world(|world| world.answered.clone())
    }

    /// Whether two of one key were ever there at once.
    pub(crate) fn overlapped(&self) -> bool {
        self.world(|world| world.overlapped)
    }

    fn begin(&self, request: &Request<Bytes>) -> (Do, InFlight) {
        let order_key = request.uri().path().to_owned();
        let next = self.world(|world| {
            world.seen.push(Seen {
                at: Instant::now(),
                order_key: order_key.clone(),
                body: String::from_utf8_lossy(request.body()).into_owned(),
                idempotency_key: request.headers().get(IDEMPOTENCY_KEY).cloned(),
                headers: request.headers().clone(),
            });
            let in_flight = world.in_flight.entry(order_key.clone()).or_default();
            *in_flight += 1;
            world.overlapped |= *in_flight > 1;
            match world.script.is_empty() {
                true => Do::Answer,
                false => world.script.remove(0),
            }
        });
        (next, InFlight(self.clone(), order_key))
    }

    pub(crate) async fn answer(self, request: Request<Bytes>) -> Result<Response<Bytes>, BoxError> {
        let (next, _in_flight) = self.begin(&request);
        let body = String::from_utf8_lossy(request.body()).into_owned();
        let status = |status| {
            if status == 200 {
                self.world(|world| world.answered.push(body));
            }
            Ok(answer(status))
        };
        match next {
            Do::Answer => status(200),
            Do::Status(code) => status(code),
            Do::Later(seconds) => {
                let mut response = answer(429);
                response.headers_mut().insert("retry-after", seconds.into());
                Ok(response)
            }
            Do::Fail => Err("refused".into()),
            Do::Hang => pending().await,
            Do::Panic => panic!("as told"),
            Do::Take(time) => {
                sleep(millis(time)).await;
                status(200)
            }
            Do::Reject => {
                let rejected = elsewhere().try_acquire().expect_err("it is open");
                Ok(rejected.mark_response(answer(503)))
            }
            Do::RejectAsError => Err(elsewhere().try_acquire().expect_err("it is open").into()),
        }
    }

    pub(crate) fn service(
        &self,
    ) -> impl Service<Request<Bytes>, Response = Response<Bytes>, Error = BoxError, Future: Send>
    + Clone
    + Send
    + use<> {
        let dependency = self.clone();
        service_fn(move |request| dependency.clone().answer(request))
    }
}

struct InFlight(Dependency, String);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.world(|world| {
            *world.in_flight.get_mut(&self.1).expect("it has begun") -= 1;
        });
    }
}

fn answer(status: u16) -> Response<Bytes> {
    let response = Response::builder().status(status);
    response.body(Bytes::new()).expect("a status")
}

/// A circuit that is open.
fn elsewhere() -> Circuit {
    let circuit = Circuit::builder("elsewhere").build().expect("valid");
    circuit.trip(secs(600)).expect("normal mode");
    circuit
}

pub(crate) fn circuit() -> Circuit {
    let circuit = Circuit::builder("orders").consecutive_failures(3);
    circuit.open_for(secs(10)).build().expect("valid")
}

/// An entry to this path.
pub(crate) fn entry(path: &str, body: &str) -> Entry {
    let key = HeaderValue::from_str(&format!("\"{path} {body}\"")).expect("no odd letters");
    let headers = HeaderMap::from_iter([(IDEMPOTENCY_KEY, key)]);
    let uri: Uri = path.parse().expect("a path");
    let body = Bytes::copy_from_slice(body.as_bytes());
    Entry::new(Method::POST, uri, headers, body, path)
}

pub(crate) async fn put(outbox: &Memory, path: &str, body: &str) {
    let entry = entry(path, body);
    let room = outbox.ledger().reserve(entry.bytes()).expect("room");
    outbox.put(entry, room).await.expect("infallible");
}

async fn put_all(outbox: &Memory, bodies: &[&str]) {
    for body in bodies {
        put(outbox, "/orders", body).await;
    }
}

/// Told of dead letters.
#[derive(Clone, Default)]
struct Dying(Arc<Mutex<Vec<DeadLetter>>>);

impl Dying {
    fn hook(&self) -> impl Fn(DeadLetter) -> std::future::Ready<()> + Send + Sync + use<> {
        let letters = self.0.clone();
        move |letter| {
            letters.lock().expect("no panic").push(letter);
            std::future::ready(())
        }
    }

    fn told(&self) -> Vec<(String, Dead)> {
        let letters = self.0.lock().expect("no panic");
        let body = |letter: &DeadLetter| String::from_utf8_lossy(letter.entry.body()).into_owned();
        letters
            .iter()
            .map(|letter| (body(letter), letter.why))
            .collect()
    }
}

pub(crate) fn days(days: u64) -> Duration {
    secs(days * 24 * 60 * 60)
}

/// Runs it for so long, and then ends it.
async fn run_for<S>(drainer: Drainer<Memory, S>, time: Duration) -> Drained
where
    S: Service<Request<Bytes>, Response = Response<Bytes>, Error = BoxError>,
{
    drainer.run(sleep(time)).await
}

fn spawn<S>(drainer: Drainer<Memory, S>) -> JoinHandle<Drained>
where
    S: Service<Request<Bytes>, Response = Response<Bytes>, Error = BoxError, Future: Send>
        + Send
        + 'static,
{
    tokio::spawn(drainer.run(pending()))
}

// M7
#[tokio::test(start_paused = true)]
async fn what_is_kept_is_delivered_in_order_with_its_key() {
    let (dependency, outbox, circuit) = (Dependency::default(), Memory::new(), circuit());
    put_all(&outbox, &["one", "two", "three"]).await;
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let drained = run_for(drainer, secs(5)).await;
    assert_eq!(dependency.bodies(), ["one", "two", "three"]);
    for seen in dependency.seen() {
        let sent = seen.idempotency_key.expect("it is sent");
        assert_eq!(sent, format!("\"/orders {}\"", seen.body));
    }
    assert_eq!((drained.delivered, drained.dead), (3, 0));
    assert!(drained.left.is_empty());
    assert_eq!(circuit.snapshot().totals.expect("on").successful, 3);
}

// M7
#[tokio::test(start_paused = true)]
async fn what_is_put_later_is_delivered_at_once() {
    let (dependency, outbox, circuit) = (Dependency::default(), Memory::new(), circuit());
    let _drainer = spawn(Drainer::new(&circuit, outbox.clone(), dependency.service()));
    sleep(secs(100)).await;
    let put_at = Instant::now();
    put_all(&outbox, &["one"]).await;
    sleep(millis(1)).await;
    assert_eq!(dependency.seen()[0].at, put_at);
}

// M7: nobody else calls, so nobody else would make the probe (C5).
#[tokio::test(start_paused = true)]
async fn the_drainer_makes_the_probe() {
    let (dependency, outbox, circuit) = (Dependency::default(), Memory::new(), circuit());
    circuit.trip(secs(10)).expect("normal mode");
    put_all(&outbox, &["one", "two"]).await;
    let begun = Instant::now();
    let _drainer = spawn(Drainer::new(&circuit, outbox.clone(), dependency.service()));
    sleep(secs(9)).await;
    assert_eq!(circuit.state(), State::Open);
    assert!(dependency.seen().is_empty());
    sleep(secs(2)).await;
    assert_eq!(circuit.state(), State::Closed);
    assert_eq!(dependency.seen()[0].at - begun, secs(10));
    assert_eq!(dependency.bodies(), ["one", "two"]);
}

// M7
#[tokio::test(start_paused = true)]
async fn a_rejection_is_no_attempt() {
    for rejected in [Do::Reject, Do::RejectAsError] {
        let (outbox, circuit, dying) = (Memory::new(), circuit(), Dying::default());
        let dependency = Dependency::doing([rejected; 2]);
        put_all(&outbox, &["one", "two"]).await;
        let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
        let drainer = drainer.max_attempts(1).dead_letter(dying.hook());
        let drained = run_for(drainer, secs(10)).await;
        assert_eq!(
            dependency.bodies(),
            ["one", "one", "one", "two"],
            "{rejected:?}"
        );
        assert_eq!((drained.delivered, dying.told()), (2, vec![]));
    }
}

// M7: another circuit further in is not asked again and again.
#[tokio::test(start_paused = true)]
async fn after_a_rejection_it_waits() {
    let (outbox, circuit) = (Memory::new(), circuit());
    let dependency = Dependency::doing([Do::Reject, Do::RejectAsError]);
    put_all(&outbox, &["one"]).await;
    let begun = Instant::now();
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let _drained = run_for(drainer, secs(10)).await;
    let seen = dependency.seen();
    let at: Vec<_> = seen
        .iter()
        .map(|seen| (seen.at - begun).as_secs())
        .collect();
    assert_eq!(at, [0, 1, 2]);
}

// M7: the circuit opens under it, and half-open is taken by others.
#[tokio::test(start_paused = true)]
async fn nor_is_one_by_its_own_circuit() {
    let (dependency, outbox, dying) = (Dependency::default(), Memory::new(), Dying::default());
    let circuit = Circuit::builder("orders")
        .consecutive_failures(1)
        .open_for(secs(10));
    let circuit = circuit.ramp(secs(30), 0.1).build().expect("valid");
    circuit.trip(secs(10)).expect("normal mode");
    for number in 0..30 {
        put(&outbox, "/orders", &number.to_string()).await;
    }
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    // More of them than a ramp lets pass in any case (D6).
    let drainer = drainer
        .max_attempts(1)
        .dead_letter(dying.hook())
        .interval(millis(10));
    let drained = run_for(drainer, secs(120)).await;
    let rejected = circuit.snapshot().totals.expect("on").rejected_by;
    assert!(rejected.ramping > 0, "the ramp is asked: {rejected:?}");
    assert_eq!(drained.delivered, 30, "{:?}", dying.told());
    // A ramp lets ten pass in each second in any case (D6), and it does not wait for longer than that takes.
    let took = dependency.seen()[29].at - dependency.seen()[0].at;
    assert!(took < secs(4), "{took:?}");
    // Nor does it ask at each interval what it has asked just now.
    let tenths = u64::try_from(took.as_millis() / 100).expect("a short time");
    assert!(rejected.ramping <= tenths + 1, "{rejected:?} in {took:?}");
    let numbers: Vec<_> = (0..30).map(|number| number.to_string()).collect();
    assert_eq!(dependency.bodies(), numbers);
}

/// Runs it beside, counting how often it is polled.
pub(crate) async fn polls(work: impl Future, time: Duration) -> usize {
    let (polls, mut work) = (AtomicUsize::new(0), pin!(work));
    let counted = poll_fn(|context| {
        polls.fetch_add(1, Ordering::Relaxed);
        work.as_mut().poll(context)
    });
    let ended = timeout(time, counted).await;
    assert!(ended.is_err(), "it goes on");
    polls.into_inner()
}

// M7
#[tokio::test(start_paused = true)]
async fn who_waits_is_not_polled() {
    let open = |circuit: &Circuit| circuit.trip(secs(3_600)).expect("normal mode");
    let forced = |circuit: &Circuit| assert!(circuit.force_open());
    let closed_and_empty = |_: &Circuit| ();
    type Begin<'a> = &'a dyn Fn(&Circuit);
    let cases: [(&str, bool, Begin<'_>); 4] = [
        ("open", true, &open),
        ("forced open", true, &forced),
        ("open and empty", false, &open),
        ("closed and empty", false, &closed_and_empty),
    ];
    for (case, is_full, begin) in cases {
        let (dependency, outbox, circuit) = (Dependency::default(), Memory::new(), circuit());
        begin(&circuit);
        if is_full {
            put_all(&outbox, &["one", "two"]).await;
        }
        let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
        let polls = polls(drainer.run(pending()), secs(600)).await;
        assert!(polls <= 4, "{case}: {polls}");
        assert!(dependency.seen().is_empty());
    }
}

/// A circuit with one place in its bulkhead.
fn one_at_a_time() -> Circuit {
    let circuit = Circuit::builder("orders").open_for(secs(10));
    circuit.bulkhead(1, Duration::ZERO).build().expect("valid")
}

/// How many places are taken, how many wait for one, and how many were rejected.
fn places(circuit: &Circuit) -> (u64, u64, u64) {
    let parts = circuit.snapshot().parts.unwrap_or_default();
    let bulkhead = parts.bulkhead.unwrap_or_default();
    (bulkhead.taken, bulkhead.waiting, bulkhead.rejected)
}

// M2, M7: full is no attempt, and its call has the place while it is under way.
#[tokio::test(start_paused = true)]
async fn it_waits_for_a_place_and_takes_it() {
    let (outbox, circuit, dying) = (Memory::new(), one_at_a_time(), Dying::default());
    let dependency = Dependency::doing([Do::Take(5_000)]);
    let place = circuit.try_enter().expect("free");
    put_all(&outbox, &["one"]).await;
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let drainer = drainer.max_attempts(1).dead_letter(dying.hook());
    let mut run = pin!(drainer.run(pending()));
    let polls = polls(run.as_mut(), secs(600)).await;
    assert!(polls <= 4, "{polls}");
    assert!(dependency.seen().is_empty());
    assert_eq!(places(&circuit), (1, 1, 0));

    drop(place);
    let _: Result<_, _> = timeout(secs(4), run.as_mut()).await;
    assert_eq!(dependency.bodies(), ["one"]);
    circuit.try_enter().expect_err("the drainer has it");
    let _: Result<_, _> = timeout(secs(4), run.as_mut()).await;
    assert_eq!(
        (dependency.answered(), dying.told()),
        (vec!["one".to_owned()], vec![])
    );
    assert_eq!(places(&circuit), (0, 0, 1), "given back");
}

// M2, M7
#[tokio::test(start_paused = true)]
async fn it_may_be_ended_while_it_waits_for_a_place() {
    let (dependency, outbox, circuit) = (Dependency::default(), Memory::new(), one_at_a_time());
    let place = circuit.try_enter().expect("free");
    put_all(&outbox, &["one"]).await;
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let begun = Instant::now();
    let drained = run_for(drainer, secs(3)).await;
    assert_eq!((begun.elapsed(), drained.left.len()), (secs(3), 1));
    drop(place);
    assert_eq!(places(&circuit), (0, 0, 0));
    assert!(dependency.seen().is_empty());
}

// M2, M7: a circuit that rejects keeps nobody in line, and whatever is old is buried all the same.
#[tokio::test(start_paused = true)]
async fn it_waits_for_its_circuit_again_if_that_opens_meanwhile() {
    let (outbox, circuit, dying) = (Memory::new(), one_at_a_time(), Dying::default());
    let (dependency, place) = (Dependency::default(), circuit.try_enter().expect("free"));
    put_all(&outbox, &["one"]).await;
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let drainer = drainer.max_age(secs(30)).dead_letter(dying.hook());
    let mut run = pin!(drainer.run(pending()));
    let _: Result<_, _> = timeout(secs(1), run.as_mut()).await;
    circuit.trip(secs(10)).expect("normal mode");
    let _: Result<_, _> = timeout(secs(5), run.as_mut()).await;
    assert_eq!(places(&circuit), (1, 0, 0));
    let _: Result<_, _> = timeout(secs(10), run.as_mut()).await;
    assert_eq!(places(&circuit), (1, 1, 0), "in line to be the probe");
    let _: Result<_, _> = timeout(secs(20), run.as_mut()).await;
    assert_eq!(dying.told(), [("one".to_owned(), Dead::TooOld)]);
    drop(place);
    put_all(&outbox, &["two"]).await;
    let _: Result<_, _> = timeout(secs(1), run.as_mut()).await;
    assert_eq!(
        (dependency.bodies(), circuit.state()),
        (vec!["two".to_owned()], State::Closed)
    );
}

// M2, M7: who opens the circuit gives its place back right after that.
#[tokio::test(start_paused = true)]
async fn a_place_that_comes_too_late_is_given_back() {
    let (dependency, outbox) = (Dependency::default(), Memory::new());
    let circuit = one_at_a_time();
    let place = circuit.try_enter().expect("free");
    put_all(&outbox, &["one"]).await;
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let mut run = pin!(drainer.run(pending()));
    let _: Result<_, _> = timeout(secs(1), run.as_mut()).await;
    circuit.trip(secs(10)).expect("normal mode");
    drop(place);
    let _: Result<_, _> = timeout(secs(5), run.as_mut()).await;
    assert_eq!(places(&circuit), (0, 0, 0));
    let totals = circuit.snapshot().totals.expect("counted");
    assert_eq!(totals.rejected, 0, "nothing was taken");
    let _: Result<_, _> = timeout(secs(6), run.as_mut()).await;
    assert_eq!(dependency.bodies(), ["one"]);
}

// M7: half-open is full with the probe of somebody else.
#[tokio::test(start_paused = true)]
async fn it_waits_for_the_probe_of_another() {
    let (dependency, outbox) = (Dependency::default(), Memory::new());
    let circuit = Circuit::builder("orders").half_open_timeout(secs(1_000));
    let circuit = circuit.build().expect("valid");
    circuit.trip(secs(10)).expect("normal mode");
    sleep(secs(10)).await;
    let probe = circuit.try_acquire().expect("a probe");
    put_all(&outbox, &["one"]).await;
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let mut run = pin!(drainer.run(pending()));
    let polls = polls(run.as_mut(), secs(600)).await;
    assert!(polls <= 4, "{polls}");
    probe.success();
    let _: Result<_, _> = timeout(secs(1), run).await;
    assert_eq!(dependency.bodies(), ["one"]);
}

// M7
#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_later_each_time_and_holds_up_its_key() {
    let (outbox, circuit) = (
        Memory::new(),
        Circuit::builder("orders").consecutive_failures(100),
    );
    let circuit = circuit.build().expect("valid");
    let dependency = Dependency::doing([Do::Status(500), Do::Answer, Do::Fail, Do::Status(503)]);
    put(&outbox, "/a", "a1").await;
    put(&outbox, "/b", "b1").await;
    put(&outbox, "/a", "a2").await;
    let begun = Instant::now();
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let drainer = drainer.interval(Duration::ZERO).backoff(secs(1), secs(3));
    let drained = run_for(drainer, secs(60)).await;
    assert_eq!(dependency.bodies(), ["a1", "b1", "a1", "a1", "a1", "a2"]);
    let at: Vec<_> = dependency
        .seen()
        .iter()
        .map(|seen| (seen.at - begun).as_secs())
        .collect();
    assert_eq!(at, [0, 0, 1, 3, 6, 6]);
    assert_eq!(drained.delivered, 3);
    let keys: Vec<_> = dependency
        .seen()
        .into_iter()
        .map(|seen| seen.idempotency_key)
        .collect();
    assert!(
        keys[0].is_some() && keys[0] == keys[4],
        "each try has the same"
    );
}

// M7: whoever counted them would give up everything in a long outage.
#[tokio::test(start_paused = true)]
async fn an_outage_uses_up_no_attempts() {
    let (outbox, circuit, dying) = (Memory::new(), circuit(), Dying::default());
    let outage = [Do::Status(500), Do::Hang, Do::Panic, Do::Fail]
        .into_iter()
        .cycle();
    let dependency = Dependency::doing(outage.take(60));
    circuit.trip(secs(10)).expect("normal mode");
    put(&outbox, "/a", "a1").await;
    put(&outbox, "/a", "a2").await;
    put(&outbox, "/b", "b1").await;
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let drainer = drainer
        .max_attempts(2)
        .attempt_timeout(secs(5))
        .dead_letter(dying.hook());
    let drained = run_for(drainer, secs(1_800)).await;
    assert_eq!((drained.delivered, dying.told()), (3, vec![]));
    assert_eq!(dependency.seen().len(), 63);
}

// M7: or what fails by itself would keep the circuit open for all.
#[tokio::test(start_paused = true)]
async fn the_next_probe_is_made_with_another() {
    let (outbox, dying) = (Memory::new(), Dying::default());
    let circuit = Circuit::builder("orders").consecutive_failures(100);
    let circuit = circuit.open_for(secs(10)).build().expect("valid");
    let dependency = Dependency::default();
    let poisonous = dependency.clone();
    let client = service_fn(move |request: Request<Bytes>| {
        if request.body().starts_with(b"poison") {
            poisonous.then_first(Do::Status(500));
        }
        poisonous.clone().answer(request)
    });
    circuit.trip(secs(10)).expect("normal mode");
    put(&outbox, "/a", "poison 1").await;
    put(&outbox, "/b", "poison 2").await;
    put(&outbox, "/c", "good").await;
    let begun = Instant::now();
    let drainer = Drainer::new(&circuit, outbox.clone(), client).max_attempts(2);
    let drained = run_for(drainer.dead_letter(dying.hook()), secs(600)).await;
    let good = dependency
        .seen()
        .into_iter()
        .find(|seen| seen.body == "good");
    assert_eq!((good.expect("made").at - begun).as_secs(), 32);
    assert_eq!(
        (drained.delivered, drained.dead),
        (1, 2),
        "{:?}",
        dying.told()
    );
}

// M7
#[tokio::test(start_paused = true)]
async fn a_limit_may_be_as_far_away_as_there_is() {
    let (outbox, circuit) = (Memory::new(), circuit());
    let dependency = Dependency::doing([Do::Status(500)]);
    put_all(&outbox, &["one"]).await;
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let drainer = drainer
        .max_age(Duration::MAX)
        .attempt_timeout(Duration::MAX)
        .grace(Duration::MAX);
    let drained = run_for(drainer, secs(5)).await;
    assert_eq!(drained.delivered, 1);
    let never = Drainer::new(&circuit, Memory::new(), dependency.service());
    let _drained = run_for(
        never
            .interval(Duration::MAX)
            .backoff(Duration::MAX, Duration::MAX),
        secs(5),
    )
    .await;
}

// M7
#[tokio::test(start_paused = true)]
async fn poison_does_not_block_its_key_for_ever() {
    let (outbox, dying) = (Memory::new(), Dying::default());
    let circuit = Circuit::builder("orders").consecutive_failures(100);
    let circuit = circuit.build().expect("valid");
    let dependency = Dependency::doing([Do::Status(500); 3]);
    put_all(&outbox, &["poison", "next"]).await;
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let drainer = drainer.max_attempts(3).dead_letter(dying.hook());
    let drained = run_for(drainer, secs(60)).await;
    assert_eq!(dependency.bodies(), ["poison", "poison", "poison", "next"]);
    assert_eq!(dying.told(), [("poison".to_owned(), Dead::TooManyAttempts)]);
    assert_eq!(dying.0.lock().expect("no panic")[0].attempts, 3);
    assert_eq!((drained.delivered, drained.dead), (1, 1));
}

// M7
#[tokio::test(start_paused = true)]
async fn what_the_dependency_will_never_want_is_dead() {
    let (outbox, circuit, dying) = (Memory::new(), circuit(), Dying::default());
    let dependency =
        Dependency::doing([Do::Status(404), Do::Later(30), Do::Answer, Do::Status(409)]);
    put_all(&outbox, &["gone", "early", "conflict", "last"]).await;
    let begun = Instant::now();
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let drainer = drainer.dead_letter(dying.hook()).interval(Duration::ZERO);
    let _drained = run_for(drainer, secs(60)).await;
    let [not_found, conflict] =
        [404, 409].map(|code| http::StatusCode::from_u16(code).expect("a status"));
    let expected = [
        ("gone".to_owned(), Dead::Answered(not_found)),
        ("conflict".to_owned(), Dead::Answered(conflict)),
    ];
    assert_eq!(dying.told(), expected);
    assert_eq!(
        dependency.bodies(),
        ["gone", "early", "early", "conflict", "last"]
    );
    assert_eq!(dependency.seen()[2].at - begun, secs(30), "429 said so");
}

// M7
#[tokio::test(start_paused = true)]
async fn a_classifier_says_what_is_delivered() {
    let (outbox, circuit, dying) = (Memory::new(), circuit(), Dying::default());
    let dependency = Dependency::doing([Do::Status(409)]);
    put_all(&outbox, &["had already"]).await;
    let classifier = tower_breaker::classify::HttpClassifier::new();
    let classifier = classifier.successes([http::StatusCode::CONFLICT]);
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let drainer = drainer.classify_with(classifier).dead_letter(dying.hook());
    let drained = drainer.run(sleep(secs(1))).await;
    assert_eq!((drained.delivered, dying.told()), (1, vec![]));
}

// M7: also one that comes as an error, and has no time.
#[tokio::test(start_paused = true)]
async fn a_classifier_says_what_is_a_rejection() {
    let (outbox, circuit, dying) = (Memory::new(), circuit(), Dying::default());
    let dependency = Dependency::doing([Do::Fail; 2]);
    put_all(&outbox, &["one"]).await;
    let begun = Instant::now();
    let classifier = |result: Result<&Response<Bytes>, &BoxError>| match result {
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::InnerRejection,
    };
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let drainer = drainer.classify_with(classifier).max_attempts(1);
    let drained = drainer.dead_letter(dying.hook()).run(sleep(secs(5))).await;
    assert_eq!((drained.delivered, dying.told()), (1, vec![]));
    let at: Vec<_> = dependency
        .seen()
        .iter()
        .map(|seen| (seen.at - begun).as_secs())
        .collect();
    assert_eq!(at, [0, 1, 2]);
}

// M6, M7: also where the circuit is open all the time.
#[tokio::test(start_paused = true)]
async fn what_is_too_old_is_dead() {
    let (dependency, outbox, circuit) = (Dependency::default(), Memory::new(), circuit());
    let dying = Dying::default();
    circuit.force_open();
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let _drainer = spawn(drainer.max_age(secs(60)).dead_letter(dying.hook()));
    sleep(secs(30)).await;
    put_all(&outbox, &["one"]).await;
    sleep(secs(30)).await;
    put_all(&outbox, &["two"]).await;
    sleep(secs(30)).await;
    assert_eq!(dying.told(), []);
    sleep(millis(2)).await;
    assert_eq!(dying.told(), [("one".to_owned(), Dead::TooOld)]);
    sleep(secs(30)).await;
    assert_eq!(dying.told().len(), 2);
    assert_eq!(outbox.ledger().entries(), 0);
    assert!(dependency.seen().is_empty());
}

// M7: another drainer had it when this one looked for what is old.
#[tokio::test(start_paused = true)]
async fn what_comes_back_when_it_is_too_old_is_dead() {
    let (dependency, outbox, circuit) = (Dependency::default(), Memory::new(), circuit());
    let dying = Dying::default();
    put_all(&outbox, &["one"]).await;
    let Ok(Take::One(taken)) = outbox.take(secs(600)).await else {
        panic!("it is there");
    };
    sleep(secs(40)).await;
    circuit.trip(secs(40)).expect("normal mode");
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let _drainer = spawn(drainer.max_age(secs(60)).dead_letter(dying.hook()));
    sleep(secs(10)).await;
    outbox.abandon(taken.lease);
    sleep(secs(31)).await;
    assert_eq!(dying.told(), [("one".to_owned(), Dead::TooOld)]);
    assert!(dependency.seen().is_empty());
}

// M7: a lease is twice the limit of a try, and ten seconds.
#[tokio::test(start_paused = true)]
async fn whoever_is_told_of_a_dead_letter_has_the_time_of_a_lease() {
    for (takes, expected) in [(11_990, (1, 0)), (12_010, (0, 1))] {
        let (outbox, circuit) = (Memory::new(), circuit());
        let dependency = Dependency::doing([Do::Status(404)]);
        put_all(&outbox, &["one"]).await;
        let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
        let drainer = drainer
            .attempt_timeout(secs(1))
            .dead_letter(move |_| sleep(millis(takes)));
        let drained = run_for(drainer, millis(12_100)).await;
        assert_eq!((drained.dead, drained.delivered), expected, "{takes} ms");
    }
}

// M7
#[tokio::test(start_paused = true)]
async fn a_hook_that_panics_was_told() {
    let (outbox, circuit) = (Memory::new(), circuit());
    let dependency = Dependency::doing([Do::Status(404); 2]);
    put_all(&outbox, &["one", "two", "three"]).await;
    let told = Arc::new(AtomicUsize::new(0));
    let counted = told.clone();
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let drainer = drainer.dead_letter(move |letter| {
        counted.fetch_add(1, Ordering::Relaxed);
        assert_ne!(letter.entry.body(), "one", "before it is a future");
        async { panic!("and as one") }
    });
    let drained = run_for(drainer, secs(10)).await;
    assert_eq!((drained.delivered, drained.dead), (1, 2));
    assert_eq!(told.load(Ordering::Relaxed), 2);
}

// M7, A5
#[tokio::test(start_paused = true)]
async fn a_call_that_panics_has_failed() {
    let (outbox, circuit) = (Memory::new(), circuit());
    let dependency = Dependency::doing([Do::Panic]);
    put_all(&outbox, &["one"]).await;
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let drained = run_for(drainer, secs(10)).await;
    assert_eq!(drained.delivered, 1);
    assert_eq!(circuit.snapshot().totals.expect("on").failed, 1);
}

// M7
#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_has_failed_for_the_circuit_as_well() {
    let (outbox, circuit) = (Memory::new(), circuit());
    let dependency = Dependency::doing([Do::Hang; 3]);
    put_all(&outbox, &["one"]).await;
    let begun = Instant::now();
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let drainer = drainer.attempt_timeout(secs(2)).backoff(secs(1), secs(1));
    let drained = run_for(drainer, secs(60)).await;
    let at: Vec<_> = dependency
        .seen()
        .iter()
        .map(|seen| (seen.at - begun).as_secs())
        .collect();
    // Three failures open it for ten seconds.
    assert_eq!(at, [0, 3, 6, 18]);
    assert_eq!(circuit.snapshot().totals.expect("on").failed, 3);
    assert_eq!(drained.delivered, 1);
}

// M7
#[tokio::test(start_paused = true)]
async fn no_two_tries_in_less_than_an_interval() {
    let (dependency, outbox, circuit) = (Dependency::default(), Memory::new(), circuit());
    for number in 0..10 {
        put(&outbox, &format!("/{number}"), "x").await;
    }
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let _drained = run_for(drainer.interval(millis(250)), secs(5)).await;
    let seen = dependency.seen();
    assert_eq!(seen.len(), 10);
    assert!(
        seen.windows(2)
            .all(|two| two[1].at - two[0].at == millis(250))
    );
}

// M7
#[tokio::test(start_paused = true)]
async fn an_interval_may_be_of_months() {
    let (dependency, outbox, circuit) = (Dependency::default(), Memory::new(), circuit());
    put_all(&outbox, &["one", "two"]).await;
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let drainer = drainer.interval(days(100)).max_age(days(200));
    let _drained = run_for(drainer, days(101)).await;
    let [one, two] = &dependency.seen()[..] else {
        panic!("both are made");
    };
    assert_eq!(two.at - one.at, days(100));
}

// M7
#[tokio::test(start_paused = true)]
async fn others_run_while_there_is_much_to_do() {
    let (dependency, outbox, circuit) = (Dependency::default(), Memory::new(), circuit());
    for number in 0..500 {
        put(&outbox, "/orders", &number.to_string()).await;
    }
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let _drainer = spawn(drainer.interval(Duration::ZERO));
    let mut polls = 0;
    // As busy as the drainer: tokio's own way to yield waits until nobody is.
    let other = poll_fn(move |context| {
        polls += 1;
        context.waker().wake_by_ref();
        match polls {
            100 => Poll::Ready(dependency.seen().len()),
            _ => Poll::Pending,
        }
    });
    let made = tokio::spawn(other).await.expect("no panic");
    assert!((50..=150).contains(&made), "{made}");
}

// M7
#[tokio::test(start_paused = true)]
async fn each_try_has_fresh_credentials() {
    let (outbox, circuit) = (Memory::new(), circuit());
    let dependency = Dependency::doing([Do::Status(500)]);
    put_all(&outbox, &["one"]).await;
    let made = AtomicUsize::new(0);
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let drainer = drainer.before_each_try(move |headers| {
        let number = made.fetch_add(1, Ordering::Relaxed);
        headers.insert("authorization", number.into());
    });
    let _drained = run_for(drainer, secs(5)).await;
    let sent = dependency
        .seen()
        .into_iter()
        .map(|seen| seen.headers["authorization"].clone());
    assert_eq!(sent.collect::<Vec<_>>(), ["0", "1"]);
}

// M7
#[tokio::test(start_paused = true)]
async fn what_is_left_is_handed_back() {
    let (outbox, circuit) = (Memory::new(), circuit());
    let dependency = Dependency::doing([Do::Take(2_000), Do::Hang]);
    put_all(&outbox, &["one", "two", "three"]).await;
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let drained = run_for(drainer.grace(secs(1)), secs(3)).await;
    assert_eq!(drained.delivered, 1);
    let left: Vec<_> = drained.left.iter().map(Entry::body).collect();
    assert_eq!(left, ["two", "three"], "also what was under way");
    assert_eq!(outbox.ledger().entries(), 0);
}

// M7
#[tokio::test(start_paused = true)]
async fn a_call_under_way_has_its_grace() {
    let (outbox, circuit) = (Memory::new(), circuit());
    let dependency = Dependency::doing([Do::Take(2_000)]);
    put_all(&outbox, &["one", "two"]).await;
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let drained = run_for(drainer, secs(1)).await;
    assert_eq!((drained.delivered, drained.left.len()), (1, 1));
    assert_eq!(dependency.bodies(), ["one"], "and nothing after it");
}

// M7
#[tokio::test(start_paused = true)]
async fn a_drainer_that_is_dropped_loses_nothing() {
    let (outbox, circuit) = (Memory::new(), circuit());
    let dependency = Dependency::doing([Do::Hang]);
    put_all(&outbox, &["one", "two"]).await;
    let first = spawn(Drainer::new(&circuit, outbox.clone(), dependency.service()));
    sleep(secs(1)).await;
    first.abort();
    assert!(first.await.is_err());
    let second = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let drained = run_for(second, secs(1)).await;
    assert_eq!(drained.delivered, 2, "at once, and not when the lease ends");
    assert_eq!(dependency.bodies(), ["one", "one", "two"]);
}

// M7
#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_told_again_if_nobody_has_heard_it_to_its_end() {
    let (outbox, circuit, dying) = (Memory::new(), circuit(), Dying::default());
    let dependency = Dependency::doing([Do::Status(404), Do::Status(404)]);
    put_all(&outbox, &["one"]).await;
    let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let first = spawn(drainer.dead_letter(|_| pending()));
    sleep(secs(1)).await;
    first.abort();
    assert!(first.await.is_err());
    let second = Drainer::new(&circuit, outbox.clone(), dependency.service());
    let drained = run_for(second.dead_letter(dying.hook()), secs(1)).await;
    assert_eq!((drained.dead, dying.told().len()), (1, 1));
}

// M7
#[tokio::test(start_paused = true)]
async fn two_drainers_of_one_outbox_share_the_work() {
    let (outbox, circuit) = (Memory::new(), circuit());
    let dependency = Dependency::doing([Do::Take(50); 40]);
    for number in 0..40 {
        put(&outbox, &format!("/{}", number % 4), &number.to_string()).await;
    }
    let drainers = [(), ()].map(|()| {
        let drainer = Drainer::new(&circuit, outbox.clone(), dependency.service());
        spawn(drainer.interval(Duration::ZERO))
    });
    let begun = Instant::now();
    while outbox.ledger().entries() > 0 {
        sleep(millis(10)).await;
    }
    assert!(
        begun.elapsed() <= millis(40 / 2 * 50 + 20),
        "{:?}",
        begun.elapsed()
    );
    drainers.iter().for_each(JoinHandle::abort);
    assert!(!dependency.overlapped(), "never two of one key");
    for key in 0..4 {
        let of_key = dependency.seen().into_iter();
        let of_key = of_key.filter(|seen| seen.order_key == format!("/{key}"));
        let bodies: Vec<usize> = of_key
            .map(|seen| seen.body.parse().expect("a number"))
            .collect();
        let expected: Vec<_> = (0..40).filter(|number| number % 4 == key).collect();
        assert_eq!(bodies, expected, "each once, in order");
    }
}

// M7, D8: the client may be protected already.
#[tokio::test(start_paused = true)]
async fn a_protected_client_is_the_same_call() {
    let (outbox, circuit) = (Memory::new(), circuit());
    let dependency = Dependency::default();
    circuit.trip(secs(10)).expect("normal mode");
    put_all(&outbox, &["one", "two"]).await;
    let client = ServiceBuilder::new()
        .layer(CircuitBreakerLayer::new(circuit.clone()).reject_as_box_error())
        .service(dependency.service());
    let drained = run_for(Drainer::new(&circuit, outbox.clone(), client), secs(20)).await;
    assert_eq!(drained.delivered, 2);
    assert_eq!(circuit.snapshot().totals.expect("on").successful, 2);
}

// M7, M9
#[tokio::test(start_paused = true)]
async fn the_circuit_shows_its_queue() {
    let (outbox, circuit) = (Memory::new(), circuit());
    let dependency = Dependency::doing([Do::Answer, Do::Status(404), Do::Hang]);
    put_all(&outbox, &["one", "two", "three", "four"]).await;
    let _drainer = spawn(Drainer::new(&circuit, outbox.clone(), dependency.service()));
    sleep(secs(1)).await;
    let queue = circuit.snapshot().parts.and_then(|parts| parts.queue);
    let queue = queue.expect("it has one");
    assert_eq!((queue.entries, queue.delivered, queue.dead), (2, 1, 1));
    assert_eq!(queue.bytes, outbox.ledger().bytes());
    assert_eq!(queue.oldest, Some(secs(1)));
}

// M7
#[test]
fn what_a_drainer_is_made_of_can_be_seen() {
    let drainer = Drainer::new(&circuit(), Memory::new(), ());
    let printed = format!("{:?}", drainer.max_attempts(7));
    assert!(
        printed.contains("orders") && printed.contains("max_attempts: 7"),
        "{printed}"
    );
}

// M7
#[test]
fn why_an_entry_is_dead_can_be_read() {
    let gone = Dead::Answered(http::StatusCode::GONE);
    let read = [Dead::TooManyAttempts, Dead::TooOld, gone].map(|why| why.to_string());
    let words = [
        "it was tried too often",
        "it was kept for too long",
        "the answer was 410 Gone",
    ];
    assert_eq!(read, words);
}
