//! What is kept, among clients, dependencies, hooks and outboxes that mean no good.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use tokio::time::{Instant, sleep};
use tower::{Layer, service_fn};
use tower_breaker::{
    CircuitBreakerLayer, State,
    degrade::queue::{
        Dead, DeferLayer, Drainer, Entry, IDEMPOTENCY_KEY, Lease, Ledger, Memory, Outbox,
        OutboxLayer, Put, Room, Take,
    },
};

use crate::{
    drainer::{Dependency, Do, circuit, polls, put},
    support::{millis, secs},
};

// M7: callers are there who would make the probe, and the dependency is well but for these.
#[tokio::test(start_paused = true)]
async fn poison_alone_does_not_keep_the_circuit_open() {
    for poisoned in [1, 3] {
        let (memory, circuit, dependency) = (Memory::new(), circuit(), Dependency::default());
        for at in 0..poisoned {
            put(&memory, &format!("/{at}"), "poison").await;
        }
        let client = service_fn(move |request: Request<Bytes>| {
            let status = if request.body() == "poison" { 500 } else { 200 };
            let answer = Response::builder().status(status).body(Bytes::new());
            async move { answer.map_err(tower::BoxError::from) }
        });
        circuit.trip(secs(10)).expect("normal mode");
        let drainer = Drainer::new(&circuit, memory, client);
        let drainer = tokio::spawn(drainer.max_attempts(3).run(sleep(secs(100))));
        let service = CircuitBreakerLayer::new(circuit.clone()).layer(dependency.service());
        let mut answered_since = None;
        for _ in 0..650 {
            // Never in the very instant in which a break is over.
            sleep(millis(137)).await;
            let answer = service.clone().oneshot(Request::new(Bytes::new())).await;
            let is_good = answer.is_ok_and(|answer| answer.status() == 200);
            answered_since = is_good.then(|| answered_since.unwrap_or_else(Instant::now));
        }
        assert!(answered_since.is_some(), "of {poisoned}");
        let drained = drainer.await.expect("no panic");
        assert_eq!(drained.dead, poisoned);
    }
}

// M7: what waits for another circuit holds up its own key, and nobody else's.
#[tokio::test(start_paused = true)]
async fn what_another_circuit_rejects_holds_up_nobody_else() {
    for rejected in [Do::Reject, Do::RejectAsError] {
        let (memory, circuit, dependency) = (Memory::new(), circuit(), Dependency::default());
        put(&memory, "/a", "a").await;
        put(&memory, "/b", "b").await;
        let (to_b, a) = (dependency.clone(), Dependency::doing([rejected; 100]));
        let client = service_fn(move |request: Request<Bytes>| match request.uri().path() {
            "/a" => a.clone().answer(request),
            _ => to_b.clone().answer(request),
        });
        let drainer = Drainer::new(&circuit, memory.clone(), client);
        let drained = drainer.run(sleep(secs(5))).await;
        assert_eq!(dependency.bodies(), ["b"], "{rejected:?}");
        assert_eq!(drained.left.len(), 1);
    }
}

// M7
#[tokio::test(start_paused = true)]
async fn a_hook_that_panics_does_not_end_the_drainer() {
    let (memory, circuit, dependency) = (Memory::new(), circuit(), Dependency::default());
    put(&memory, "/a", "a").await;
    let calls = AtomicUsize::new(0);
    let drainer = Drainer::new(&circuit, memory, dependency.service()).before_each_try(move |_| {
        assert!(calls.fetch_add(1, Ordering::Relaxed) > 0, "as told");
    });
    let running = tokio::spawn(drainer.run(sleep(secs(10))));
    assert_eq!(running.await.expect("no panic").delivered, 1);
    assert_eq!(dependency.seen().len(), 1);

    let odd = Odd {
        fails: true,
        ..Odd::default()
    };
    let drainer = Drainer::new(&circuit, odd, dependency.service());
    let drainer = drainer.on_outbox_error(|_| panic!("as told"));
    let running = tokio::spawn(drainer.run(sleep(secs(10))));
    assert!(running.await.is_ok());
}

// M6, M9: what is kept is counted as kept, also if nobody waits for the answer. A drainer delivers it all the same.
#[tokio::test(start_paused = true)]
async fn what_is_kept_counts_although_its_caller_has_gone() {
    let (circuit, odd) = (circuit(), Odd::default());
    circuit.trip(secs(10)).expect("normal mode");
    let slow = Odd {
        is_slow: true,
        ..odd.clone()
    };
    let service = CircuitBreakerLayer::new(circuit.clone()).layer(service_fn(
        async |_: Request<Full<Bytes>>| {
            Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default()))
        },
    ));
    let service = OutboxLayer::new(&circuit, slow).layer(service);
    let request = Request::post("/orders").body(Full::<Bytes>::default());
    let answer = service.oneshot(request.expect("valid"));
    assert!(tokio::time::timeout(secs(1), answer).await.is_err());
    let queue = circuit.snapshot().parts.and_then(|parts| parts.queue);
    let queue = queue.expect("it has a queue");
    assert_eq!((queue.entries, queue.kept, queue.refused), (1, 1, 0));
}

/// An outbox that always says that something has changed, or always fails.
#[derive(Clone, Default)]
struct Odd {
    memory: Memory,
    fails: bool,
    /// What it has put, it never says.
    is_slow: bool,
    taken: Arc<AtomicUsize>,
    max_wait: Arc<std::sync::Mutex<Duration>>,
}

impl Odd {
    fn works(&self) -> Result<(), std::io::Error> {
        match self.fails {
            true => Err(std::io::Error::other("as told")),
            false => Ok(()),
        }
    }
}

impl Outbox for Odd {
    type Error = std::io::Error;

    const DURABLE: bool = true;

    fn ledger(&self) -> &Arc<Ledger> {
        self.memory.ledger()
    }

    async fn put(&self, entry: Entry, room: Room) -> Result<Put, Self::Error> {
        if self.is_slow {
            let _put = self.memory.put(entry, room).await;
            return std::future::pending().await;
        }
        self.memory
            .put(entry, room)
            .await
            .map_err(|error| match error {})
    }

    async fn take(&self, lease: Duration) -> Result<Take, Self::Error> {
        self.works()?;
        self.taken.fetch_add(1, Ordering::Relaxed);
        self.memory
            .take(lease)
            .await
            .map_err(|error| match error {})
    }

    async fn take_older_than(&self, age: Duration, lease: Duration) -> Result<Take, Self::Error> {
        self.works()?;
        let taken = self.memory.take_older_than(age, lease).await;
        taken.map_err(|error| match error {})
    }

    async fn done(&self, lease: Lease) -> Result<bool, Self::Error> {
        self.memory
            .done(lease)
            .await
            .map_err(|error| match error {})
    }

    async fn give_back(
        &self,
        lease: Lease,
        attempts: u32,
        wait: Duration,
    ) -> Result<bool, Self::Error> {
        *self.max_wait.lock().expect("no panic") = wait;
        let back = self.memory.give_back(lease, attempts, wait).await;
        back.map_err(|error| match error {})
    }

    async fn changed(&self) {}
}

// M7
#[tokio::test(start_paused = true)]
async fn no_outbox_makes_it_spin() {
    let (odd, circuit, dependency) = (Odd::default(), circuit(), Dependency::default());
    let drainer = Drainer::new(&circuit, odd.clone(), dependency.service());
    let _drained = tokio::time::timeout(secs(1), drainer.run(std::future::pending())).await;
    let taken = odd.taken.load(Ordering::Relaxed);
    assert!(taken <= 1_000, "{taken} in a second");
}

// M7
#[tokio::test(start_paused = true)]
async fn no_age_makes_it_spin() {
    let (circuit, dependency) = (circuit(), Dependency::default());
    circuit.trip(secs(10)).expect("normal mode");
    let drainer = Drainer::new(&circuit, Memory::new(), dependency.service());
    let drainer = drainer.max_age(Duration::ZERO);
    let polled = polls(drainer.run(std::future::pending()), secs(1)).await;
    assert!(polled < 5_000, "{polled} in a second");
}

// M7: whatever it waits for.
#[tokio::test(start_paused = true)]
async fn what_is_too_old_is_not_delivered_after_a_long_interval() {
    let (memory, circuit, dependency) = (Memory::new(), circuit(), Dependency::default());
    let begun = Instant::now();
    let died = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = died.clone();
    for body in ["one", "two"] {
        put(&memory, "/a", body).await;
    }
    let drainer = Drainer::new(&circuit, memory, dependency.service());
    let drainer = drainer
        .interval(secs(60))
        .max_age(secs(10))
        .dead_letter(move |letter| {
            told.lock()
                .expect("no panic")
                .push((letter.why, begun.elapsed().as_secs()));
            async {}
        });
    let drained = drainer.run(sleep(secs(100))).await;
    assert_eq!(dependency.bodies(), ["one"]);
    assert_eq!((drained.delivered, drained.dead), (1, 1));
    assert_eq!(*died.lock().expect("no panic"), [(Dead::TooOld, 10)]);
}

// M7: what is as old as it may be is not too old.
#[tokio::test(start_paused = true)]
async fn at_the_last_instant_it_is_delivered() {
    let (memory, circuit, dependency) = (Memory::new(), circuit(), Dependency::default());
    circuit.trip(secs(30)).expect("normal mode");
    put(&memory, "/a", "one").await;
    let drainer = Drainer::new(&circuit, memory, dependency.service()).max_age(secs(30));
    let drained = drainer.run(sleep(secs(40))).await;
    assert_eq!((drained.delivered, drained.dead), (1, 0));
}

// M7: while the circuit rejects, it has taken nothing.
#[tokio::test(start_paused = true)]
async fn a_circuit_that_opens_during_the_interval_is_not_asked() {
    let (memory, circuit, dependency) = (Memory::new(), circuit(), Dependency::default());
    for body in ["one", "two"] {
        put(&memory, "/a", body).await;
    }
    let drainer = Drainer::new(&circuit, memory, dependency.service()).interval(secs(10));
    let running = tokio::spawn(drainer.run(sleep(secs(15))));
    sleep(secs(5)).await;
    circuit.trip(secs(100)).expect("normal mode");
    assert_eq!(running.await.expect("no panic").left.len(), 1);
    assert_eq!(circuit.snapshot().totals.expect("on").rejected, 0);
}

// M7: no outbox has to reckon with times that nobody comes to.
#[tokio::test(start_paused = true)]
async fn no_retry_after_is_longer_than_a_year() {
    let (odd, circuit) = (Odd::default(), circuit());
    let dependency = Dependency::doing([Do::Later(u64::MAX)]);
    put(&odd.memory, "/a", "a").await;
    let drainer = Drainer::new(&circuit, odd.clone(), dependency.service());
    let _drained = drainer.run(sleep(secs(1))).await;
    let wait = *odd.max_wait.lock().expect("no panic");
    assert_eq!(wait, secs(365 * 24 * 60 * 60));
}

// M7: the dependency has not done it, and says where it should have been sent.
#[tokio::test(start_paused = true)]
async fn what_is_to_be_sent_elsewhere_is_not_delivered() {
    for status in [307, 308] {
        let (memory, circuit) = (Memory::new(), circuit());
        let dependency = Dependency::doing([Do::Status(status)]);
        put(&memory, "/a", "a").await;
        let drainer = Drainer::new(&circuit, memory, dependency.service());
        let drained = drainer.run(sleep(secs(1))).await;
        assert_eq!((drained.delivered, drained.dead), (0, 1), "{status}");
    }
}

/// A buffer that says when it is gone.
struct Buffer {
    bytes: Vec<u8>,
    _alive: Arc<()>,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

// M6: an entry takes no more than it says, or the bound says nothing.
#[tokio::test(start_paused = true)]
async fn what_is_kept_is_no_part_of_a_greater_buffer() {
    let (circuit, memory) = (circuit(), Memory::new());
    circuit.trip(secs(10)).expect("normal mode");
    let alive = Arc::new(());
    let buffer = |bytes: &[u8]| {
        let whole: Vec<u8> = [bytes, &[0; 1_000]].concat();
        let (len, _alive) = (bytes.len(), alive.clone());
        Bytes::from_owner(Buffer {
            bytes: whole,
            _alive,
        })
        .slice(..len)
    };
    let mut request =
        Request::post(Uri::from_maybe_shared(buffer(b"http://shop/orders?a=b")).expect("valid"))
            .body(Full::new(buffer(b"a book")))
            .expect("valid");
    let value = HeaderValue::from_maybe_shared(buffer(b"text/plain")).expect("valid");
    request.headers_mut().insert("content-type", value);
    let service = CircuitBreakerLayer::new(circuit.clone()).layer(service_fn(
        async |_: Request<Full<Bytes>>| {
            Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default()))
        },
    ));
    let service = DeferLayer::new(&circuit, memory.clone()).layer(service);
    let answer = service.oneshot(request).await.expect("infallible");
    assert_eq!(answer.status(), 202);
    assert_eq!(Arc::strong_count(&alive), 1);
    let kept = memory.close();
    assert_eq!(kept[0].uri(), "http://shop/orders?a=b");
    assert_eq!(kept[0].body(), "a book");
    assert_eq!(kept[0].headers()["content-type"], "text/plain");
    assert_eq!(circuit.state(), State::Open);
}

// M6: whatever a client sends as a key. One that says nothing is none.
#[tokio::test(start_paused = true)]
async fn every_call_has_a_key_that_says_something() {
    for (sent, is_left) in [(&b""[..], false), (b"\xff", true), (&[b'x'; 60_000], true)] {
        let (circuit, memory) = (circuit(), Memory::new());
        circuit.trip(secs(10)).expect("normal mode");
        let sent = HeaderValue::from_bytes(sent).expect("valid");
        let request = Request::post("/orders").header(IDEMPOTENCY_KEY, sent.clone());
        let request = request.body(Full::<Bytes>::default()).expect("valid");
        let service = CircuitBreakerLayer::new(circuit.clone()).layer(service_fn(
            async |_: Request<Full<Bytes>>| {
                Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default()))
            },
        ));
        let service = DeferLayer::new(&circuit, memory.clone()).layer(service);
        let answer = service.oneshot(request).await.expect("infallible");
        assert_eq!(answer.status(), 202);
        let bytes = memory.ledger().bytes();
        let kept = memory.close();
        let key = kept[0].idempotency_key().expect("there is one");
        assert!(!key.is_empty());
        assert_eq!(key == sent, is_left);
        assert_eq!(key, answer.headers()[IDEMPOTENCY_KEY]);
        assert!(bytes > key.len() as u64);
    }
}

/// A client that is never ready.
struct NeverReady;

impl tower::Service<Request<Bytes>> for NeverReady {
    type Response = Response<Bytes>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Response<Bytes>, std::convert::Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), std::convert::Infallible>> {
        std::task::Poll::Pending
    }

    fn call(&mut self, _: Request<Bytes>) -> Self::Future {
        unreachable!("it is never ready")
    }
}

// M7, A6: a try that cannot begin has taken too long as well, also as a probe.
#[tokio::test(start_paused = true)]
async fn a_client_that_is_never_ready_has_failed_for_the_circuit_as_well() {
    let (memory, circuit) = (Memory::new(), circuit());
    put(&memory, "/a", "a").await;
    let drainer = Drainer::new(&circuit, memory, NeverReady).attempt_timeout(secs(5));
    let running = tokio::spawn(drainer.run(sleep(secs(60))));
    sleep(secs(20)).await;
    assert_eq!(circuit.state(), State::Open, "after three tries");
    let trip = |circuit: &tower_breaker::Circuit| circuit.snapshot().totals.expect("on").trips;
    assert_eq!(trip(&circuit), 1);
    let drained = running.await.expect("no panic");
    assert!(trip(&circuit) > 1, "the probe has failed");
    assert_eq!((drained.dead, drained.left.len()), (0, 1));
}

// M7: that is a try, or a probe.
#[tokio::test(start_paused = true)]
async fn a_client_that_is_never_ready_uses_up_no_attempt_as_a_probe() {
    for (is_open, dead) in [(false, 1), (true, 0)] {
        let (memory, circuit) = (Memory::new(), circuit());
        put(&memory, "/a", "a").await;
        if is_open {
            circuit.trip(secs(10)).expect("normal mode");
        }
        let drainer = Drainer::new(&circuit, memory, NeverReady).attempt_timeout(secs(5));
        let drained = drainer.max_attempts(1).run(sleep(secs(60))).await;
        assert_eq!(drained.dead, dead, "{is_open}");
    }
}
