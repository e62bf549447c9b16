//! What is kept for later, by whom, and what its callers are told.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::CONTENT_TYPE,
};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tokio::time::{sleep, timeout};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_breaker::{
    BulkheadLayer, Circuit, CircuitBreakerLayer, Rejected, State,
    degrade::{
        Because, Degraded, FallbackCause, FallbackKind,
        fallback::{FallbackLayer, response},
        queue::{
            Accepted, DeferLayer, Drainer, Entry, IDEMPOTENCY_KEY, Lease, Ledger, Memory, Outbox,
            OutboxLayer, Put, Room, Take, contract,
        },
    },
    observe::QueueNow,
};

use crate::{
    drainer::{Dependency, Do, days},
    said::said_by,
    support::{millis, secs},
};

// M6
#[tokio::test(start_paused = true)]
async fn memory_is_an_outbox() {
    contract::check(async || Memory::bounded(10, 10 << 10)).await;
}

/// A body of pieces, of which nobody knows how many there are. Counts how often it is read.
#[derive(Clone, Default)]
struct Pieces {
    left: Vec<Result<Bytes, &'static str>>,
    length: Option<u64>,
    reads: Arc<AtomicUsize>,
}

impl Pieces {
    fn of(pieces: &[&str]) -> Self {
        let pieces = pieces
            .iter()
            .map(|piece| Ok(Bytes::copy_from_slice(piece.as_bytes())));
        Self {
            left: pieces.collect(),
            ..Self::default()
        }
    }

    /// Says how long it is.
    fn known(mut self) -> Self {
        let lengths = self
            .left
            .iter()
            .map(|piece| piece.as_ref().map_or(0, Bytes::len));
        self.length = Some(lengths.sum::<usize>() as u64);
        self
    }

    fn then_break(mut self) -> Self {
        self.left.push(Err("gone"));
        self
    }
}

impl From<Bytes> for Pieces {
    fn from(bytes: Bytes) -> Self {
        Self {
            left: vec![Ok(bytes)],
            ..Self::default()
        }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let piece = self.left.remove(0).map(Frame::data);
        Poll::Ready(Some(piece.map_err(io::Error::other)))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self.length {
            Some(length) => http_body::SizeHint::with_exact(length),
            None => http_body::SizeHint::default(),
        }
    }
}

/// What is tested, around a breaker around a dependency.
struct Fixture {
    circuit: Circuit,
    memory: Memory,
    dependency: Dependency,
}

impl Fixture {
    fn new() -> Self {
        Self::with(Memory::new())
    }

    fn with(memory: Memory) -> Self {
        Self {
            circuit: crate::drainer::circuit(),
            memory,
            dependency: Dependency::default(),
        }
    }

    fn open(self) -> Self {
        self.circuit.trip(secs(10)).expect("normal mode");
        self
    }

    fn layer(&self) -> DeferLayer {
        DeferLayer::new(&self.circuit, self.memory.clone())
    }

    /// The dependency, which reads bodies.
    fn reading<B>(
        &self,
    ) -> impl Service<Request<B>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + use<B>
    where
        B: Body<Data = Bytes, Error: std::fmt::Debug> + Send + 'static,
    {
        let dependency = self.dependency.clone();
        let read = move |request: Request<B>| {
            let dependency = dependency.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.expect("a body").to_bytes();
                let answer = dependency.answer(Request::from_parts(head, body)).await;
                Ok(answer.expect("no errors here").map(Full::new))
            }
        };
        service_fn(read)
    }

    /// The breaker, and the dependency, which reads bodies.
    fn protected<B>(
        &self,
    ) -> impl Service<Request<B>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + use<B>
    where
        B: Body<Data = Bytes, Error: std::fmt::Debug> + Send + 'static,
    {
        let layer = CircuitBreakerLayer::new(self.circuit.clone());
        layer.layer(self.reading())
    }

    async fn call<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes, Error: std::fmt::Debug> + From<Bytes> + Send + 'static,
    {
        self.call_by(&self.layer(), request).await
    }

    async fn call_by<B>(&self, layer: &DeferLayer, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes, Error: std::fmt::Debug> + From<Bytes> + Send + 'static,
    {
        let service = layer.layer(self.protected());
        service.oneshot(request).await.expect("infallible")
    }

    fn queue(&self) -> QueueNow {
        let parts = self.circuit.snapshot().parts.expect("it has a queue");
        parts.queue.expect("it has a queue")
    }

    /// What is left in it.
    fn kept(&self) -> Vec<Entry> {
        self.memory.close()
    }

    async fn drain(&self) {
        let client = self.dependency.service();
        let drained = Drainer::new(&self.circuit, self.memory.clone(), client);
        assert!(drained.run(sleep(secs(60))).await.left.is_empty());
    }
}

fn post(body: &str) -> Request<Full<Bytes>> {
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
    Request::post("http://shop/orders")
        .body(body)
        .expect("valid")
}

fn is_rejection(response: &Response<Full<Bytes>>) -> bool {
    let is_marked = response.extensions().get::<Rejected>().is_some();
    let status = response.status();
    is_marked && status == 503 && response.headers().contains_key("retry-after")
}

// M6
#[tokio::test(start_paused = true)]
async fn what_is_rejected_is_kept_and_made_later() {
    let fixture = Fixture::new().open();
    let answer = fixture.call(post("one")).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert_eq!(answer.headers()["x-kept"], "in-memory");
    assert!(answer.extensions().get::<Rejected>().is_none());
    let degraded = answer.extensions().get::<Degraded>().expect("marked");
    assert_eq!(degraded.kind, FallbackKind::Defer);
    assert_eq!(degraded.cause.label(), "open");
    let accepted = answer.extensions().get::<Accepted>().expect("there");
    assert!(!accepted.durable);
    let key = &answer.headers()[IDEMPOTENCY_KEY];
    assert_eq!(*key, accepted.idempotency_key);
    assert_eq!((fixture.queue().entries, fixture.queue().kept), (1, 1));
    fixture.drain().await;
    assert_eq!(fixture.dependency.bodies(), ["one"]);
    let seen = fixture.dependency.seen().remove(0);
    assert_eq!(
        seen.idempotency_key.as_ref(),
        Some(key),
        "the same that the caller knows"
    );
    assert_eq!(fixture.circuit.state(), State::Closed);
    let queue = fixture.queue();
    assert_eq!((queue.entries, queue.bytes, queue.delivered), (0, 0, 1));
    let parts = fixture.circuit.snapshot().parts.expect("there");
    let [total] = &parts.fallbacks[..] else {
        panic!("{:?}", parts.fallbacks);
    };
    assert_eq!((total.kind.label(), total.cause.label()), ("defer", "open"));
    assert_eq!((total.answered, total.failed), (1, 0));
}

// M6, M9: the circuit rejects before that layer is asked, so nobody else would say why nothing is kept.
#[tokio::test(start_paused = true)]
async fn a_queue_inside_the_breaker_is_found_out() {
    let circuit = Circuit::builder("orders").build().expect("valid");
    let misplaced = |circuit: &Circuit| circuit.snapshot().parts.map(|it| it.misplaced_calls);
    let answer =
        async |_: Request<Full<Bytes>>| Ok::<_, Infallible>(Response::<Full<Bytes>>::default());
    let layer = DeferLayer::new(&circuit, Memory::new());
    let breaker = CircuitBreakerLayer::new(circuit.clone());
    let right = layer.layer(breaker.layer(service_fn(answer)));
    right.oneshot(post("right")).await.expect("an answer");
    assert_eq!(misplaced(&circuit), Some(0));
    let wrong = breaker.layer(layer.layer(service_fn(answer)));
    wrong
        .clone()
        .oneshot(post("wrong"))
        .await
        .expect("an answer");
    assert_eq!(misplaced(&circuit), Some(1));
    circuit.force_open();
    assert_eq!(
        wrong
            .oneshot(post("rejected"))
            .await
            .expect("an answer")
            .status(),
        503
    );
    assert_eq!(misplaced(&circuit), Some(1));

    // That of another circuit may be inside.
    let other = Circuit::builder("other").build().expect("valid");
    let layer = DeferLayer::new(&other, Memory::new());
    circuit.reset();
    breaker
        .layer(layer.layer(service_fn(answer)))
        .oneshot(post("other"))
        .await
        .expect("an answer");
    assert_eq!((misplaced(&circuit), misplaced(&other)), (Some(1), Some(0)));
}

// M6, M9: whoever develops with it reads so, and once.
#[tokio::test(start_paused = true)]
async fn a_queue_inside_the_breaker_says_so_once() {
    if let Some(said) = said_by("queue::a_queue_inside_the_breaker_says_so_once") {
        let lines = said.matches("a queue's layer is inside the breaker of circuit `orders`");
        assert_eq!(lines.count(), usize::from(cfg!(debug_assertions)), "{said}");
        return;
    }
    let circuit = Circuit::builder("orders").build().expect("valid");
    let answer =
        async |_: Request<Full<Bytes>>| Ok::<_, Infallible>(Response::<Full<Bytes>>::default());
    let inside = DeferLayer::new(&circuit, Memory::new()).layer(service_fn(answer));
    let wrong = CircuitBreakerLayer::new(circuit).layer(inside);
    for _ in 0..3 {
        let answer = wrong.clone().oneshot(post("wrong")).await;
        answer.expect("an answer");
    }
}

// M6: or the dependency would not know a later try for the same.
#[tokio::test(start_paused = true)]
async fn the_first_try_has_the_key() {
    let fixture = Fixture::new();
    assert_eq!(fixture.call(post("ours")).await.status(), 200);
    let mut own = post("theirs");
    own.headers_mut()
        .insert(IDEMPOTENCY_KEY, "mine".parse().expect("valid"));
    assert_eq!(fixture.call(own).await.status(), 200);
    let get = Request::get("/")
        .body(Full::<Bytes>::default())
        .expect("valid");
    assert_eq!(fixture.call(get).await.status(), 200);
    let keys: Vec<_> = fixture
        .dependency
        .seen()
        .into_iter()
        .map(|seen| seen.idempotency_key)
        .collect();
    let [Some(ours), Some(theirs), None] = &keys[..] else {
        panic!("{keys:?}");
    };
    assert!(ours.len() == 34 && theirs == "mine");
    assert_eq!(
        fixture
            .memory
            .ledger()
            .reserve(16 << 20)
            .map(|room| room.bytes()),
        Some(16 << 20),
        "all room is free"
    );
}

// M6
#[tokio::test(start_paused = true)]
async fn only_what_is_of_a_method_that_is_kept() {
    let fixture = Fixture::new().open();
    let get = || {
        Request::get("/")
            .body(Full::<Bytes>::default())
            .expect("valid")
    };
    assert!(is_rejection(&fixture.call(get()).await));
    assert_eq!(fixture.queue().refused, 0, "it was not to be kept");
    let layer = fixture.layer().methods([http::Method::GET]);
    assert_eq!(fixture.call_by(&layer, get()).await.status(), 202);
    assert!(is_rejection(&fixture.call_by(&layer, post("one")).await));
}

// M6: its callers do not know a 202.
#[tokio::test(start_paused = true)]
async fn a_call_of_grpc_is_not_kept() {
    let fixture = Fixture::new().open();
    for content_type in ["application/grpc", "Application/GRPC+proto"] {
        let mut request = post("one");
        let content_type = content_type.parse().expect("valid");
        request.headers_mut().insert("content-type", content_type);
        assert!(is_rejection(&fixture.call(request).await));
    }
    assert_eq!(fixture.queue().refused, 0);
}

// M6
#[tokio::test(start_paused = true)]
async fn no_credentials_are_kept() {
    let fixture = Fixture::new().open();
    let layer = fixture.layer();
    for name in [
        "authorization",
        "cookie",
        "proxy-authorization",
        "set-cookie",
    ] {
        let refused = layer.clone().allow_header(HeaderName::from_static(name));
        let refused = refused.expect_err("refused");
        assert_eq!(refused.name(), name);
        let read = format!("`{name}` has credentials, which are not kept");
        assert_eq!(refused.to_string(), read);
    }
    let layer = layer
        .allow_header(HeaderName::from_static("x-shop"))
        .expect("none of them");
    let mut request = post("one");
    *request.uri_mut() = "http://ann:secret@shop/orders?a=b".parse().expect("valid");
    for name in [
        "authorization",
        "cookie",
        "proxy-authorization",
        "x-other",
        "x-shop",
        "content-type",
        "traceparent",
    ] {
        request
            .headers_mut()
            .append(name, "a secret".parse().expect("valid"));
    }
    request.extensions_mut().insert("a secret");
    fixture.call_by(&layer, request).await;
    let [entry] = &fixture.kept()[..] else {
        panic!("one is kept");
    };
    let mut names: Vec<_> = entry.headers().keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["content-type", "idempotency-key", "traceparent", "x-shop"]
    );
    assert_eq!(entry.uri(), "http://shop/orders?a=b");
    assert_eq!(entry.order_key(), "shop/orders");
    let printed = format!("{entry:?}");
    assert!(
        printed.contains("/orders") && !printed.contains("secret"),
        "{printed}"
    );
}

// M6
#[tokio::test(start_paused = true)]
async fn full_is_the_rejection() {
    let by_entries = Memory::bounded(2, 1 << 20);
    let by_bytes = Memory::bounded(1_000, 800);
    for memory in [by_entries, by_bytes] {
        let fixture = Fixture::with(memory).open();
        for _ in 0..2 {
            assert_eq!(fixture.call(post("one")).await.status(), 202);
        }
        assert!(is_rejection(&fixture.call(post("one")).await));
        let queue = fixture.queue();
        assert_eq!((queue.entries, queue.kept, queue.refused), (2, 2, 1));
        let parts = fixture.circuit.snapshot().parts.expect("there");
        assert_eq!(
            (parts.fallbacks[0].answered, parts.fallbacks[0].failed),
            (2, 1)
        );
        sleep(secs(10)).await;
        fixture.drain().await;
        fixture.circuit.trip(secs(10)).expect("normal mode");
        assert_eq!(fixture.queue().entries, 0);
    }
}

// M6
#[test]
fn an_entry_takes_what_is_in_it_and_256_bytes() {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/plain"))]);
    let uri = Uri::from_static("http://shop/orders?a=bc");
    let entry = Entry::new(Method::POST, uri, headers, "a book".into(), "ann");
    let uri = "shop".len() + "/orders".len() + "a=bc".len();
    let header = "content-type".len() + "text/plain".len();
    let bytes = uri + header + "a book".len() + "ann".len() + 256;
    assert_eq!(entry.bytes(), bytes as u64);
}

// M6: for an outbox that finds them when it is opened.
#[test]
fn what_was_kept_before_has_room_whether_there_is_any() {
    let ledger = Ledger::new(2, 100);
    assert_eq!(ledger.bounds(), (2, 100));
    let found = [60, 70].map(|bytes| ledger.found(bytes));
    assert_eq!((ledger.entries(), ledger.bytes()), (2, 130));
    assert!(ledger.reserve(0).is_none(), "no more");
    drop(found);
    assert_eq!((ledger.entries(), ledger.bytes()), (0, 0));
    assert!(ledger.reserve(100).is_some(), "all room is free");
}

// M7: of one that has ended in this very instant, nothing is heard any more.
#[tokio::test(start_paused = true)]
async fn a_lease_ends_when_its_time_is_over() {
    for (later, is_held) in [(99, true), (100, false)] {
        let memory = Memory::new();
        crate::drainer::put(&memory, "/orders", "one").await;
        let Ok(Take::One(taken)) = memory.take(millis(100)).await else {
            panic!("it is there");
        };
        sleep(millis(later)).await;
        assert_eq!(memory.done(taken.lease).await, Ok(is_held), "{later} ms");
    }
}

// M6
#[tokio::test(start_paused = true)]
async fn waits_and_leases_may_be_of_months() {
    let memory = Memory::new();
    crate::drainer::put(&memory, "/orders", "one").await;
    let Ok(Take::One(taken)) = memory.take(days(100)).await else {
        panic!("it is there");
    };
    sleep(days(99)).await;
    let back = memory.give_back(taken.lease, 1, days(100)).await;
    assert_eq!(back, Ok(true), "it was leased");
    sleep(days(99)).await;
    assert!(matches!(memory.take(secs(1)).await, Ok(Take::Nothing(_))));
    sleep(days(1)).await;
    assert!(matches!(memory.take(secs(1)).await, Ok(Take::One(_))));
}

// M6: room is taken before the body is read.
#[tokio::test(start_paused = true)]
async fn without_room_no_body_is_read() {
    for body in [Pieces::of(&["a", "b"]), Pieces::of(&["a", "b"]).known()] {
        let fixture = Fixture::with(Memory::bounded(1, 1 << 20)).open();
        assert_eq!(fixture.call(post("one")).await.status(), 202);
        let reads = body.reads.clone();
        let request = Request::post("/orders").body(body).expect("valid");
        assert!(is_rejection(&fixture.call(request).await));
        assert_eq!(reads.load(Ordering::Relaxed), 0);
    }
}

// M6
#[tokio::test(start_paused = true)]
async fn a_body_of_any_kind_is_kept_up_to_the_limit() {
    let fixture = Fixture::new().open();
    let layer = fixture.layer().body_limit(4);
    let call = async |body| {
        let request = Request::post("/orders").body(body).expect("valid");
        fixture.call_by(&layer, request).await
    };
    assert_eq!(call(Pieces::of(&[])).await.status(), 202);
    assert_eq!(call(Pieces::of(&["ab", "", "cd"])).await.status(), 202);
    assert_eq!(call(Pieces::of(&["abcd"]).known()).await.status(), 202);
    assert!(is_rejection(&call(Pieces::of(&["ab", "cde"])).await));
    assert!(is_rejection(&call(Pieces::of(&["abcde"]).known()).await));
    assert_eq!(fixture.queue().refused, 2);
    let bytes = fixture.memory.ledger().bytes();
    let kept = fixture.kept();
    assert_eq!(
        bytes,
        kept.iter().map(Entry::bytes).sum::<u64>(),
        "and no more"
    );
    let bodies: Vec<_> = kept.iter().map(Entry::body).collect();
    assert_eq!(bodies, ["", "abcd", "abcd"]);
    let room = fixture.memory.ledger().reserve(16 << 20);
    assert!(room.is_some(), "all room is free");
}

// M6: what cannot be kept is sent as it comes.
#[tokio::test(start_paused = true)]
async fn while_closed_only_bodies_of_known_length_are_read_before() {
    let fixture = Fixture::new();
    let seen_reads = Arc::new(Mutex::new(Vec::new()));
    for body in [Pieces::of(&["ab"]), Pieces::of(&["ab"]).known()] {
        let (reads, seen) = (body.reads.clone(), seen_reads.clone());
        let look = move |_: Request<Pieces>| {
            seen.lock()
                .expect("no panic")
                .push(reads.load(Ordering::Relaxed));
            async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
        };
        let request = Request::post("/orders").body(body).expect("valid");
        let answer = fixture
            .layer()
            .layer(service_fn(look))
            .oneshot(request)
            .await;
        assert_eq!(answer.expect("infallible").status(), 200);
    }
    assert_eq!(*seen_reads.lock().expect("no panic"), [0, 2]);
}

// M6
#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_leaves_nothing() {
    for fixture in [Fixture::new(), Fixture::new().open()] {
        let body = Pieces::of(&["a"]).known().then_break();
        let request = Request::post("/orders").body(body).expect("valid");
        assert_eq!(fixture.call(request).await.status(), 400);
        assert!(fixture.dependency.seen().is_empty());
        let room = fixture.memory.ledger().reserve(16 << 20);
        assert!(room.is_some(), "all room is free");
    }
}

// M6
#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_leaves_nothing() {
    let fixture = Fixture::new().open();
    let (sender, body) = http_body_util::channel::Channel::<Bytes, Infallible>::new(1);
    // A body that never comes.
    let body = ChannelBody(body);
    let request = Request::post("/orders").body(body).expect("valid");
    let service = fixture.layer().layer(fixture.protected());
    assert!(timeout(secs(5), service.oneshot(request)).await.is_err());
    drop(sender);
    assert!(fixture.memory.ledger().reserve(16 << 20).is_some());
    assert_eq!(fixture.queue().entries, 0);
}

// M6, G2: what was found out before its body was there holds no more.
#[tokio::test(start_paused = true)]
async fn whoever_takes_long_to_send_is_not_kept_for_what_was_then() {
    let fixture = Fixture::new().open();
    let (mut sender, body) = http_body_util::channel::Channel::<Bytes, Infallible>::new(1);
    let request = Request::post("/orders")
        .body(ChannelBody(body))
        .expect("valid");
    let service = fixture.layer().layer(fixture.protected());
    let answer = tokio::spawn(service.oneshot(request));
    sleep(secs(11)).await;
    sender
        .send_data(Bytes::from("one"))
        .await
        .expect("it is read");
    drop(sender);
    let answer = answer.await.expect("no panic").expect("infallible");
    assert_eq!(answer.status(), 200);
    assert_eq!(fixture.dependency.bodies(), ["one"]);
}

struct ChannelBody(http_body_util::channel::Channel<Bytes, Infallible>);

impl From<Bytes> for ChannelBody {
    fn from(bytes: Bytes) -> Self {
        let (mut sender, body) = http_body_util::channel::Channel::new(1);
        sender
            .try_send(Frame::data(bytes))
            .expect("there is room for one");
        Self(body)
    }
}

impl Body for ChannelBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }
}

// M6
#[tokio::test(start_paused = true)]
async fn a_failure_is_kept_only_where_that_is_said() {
    let fixture = Fixture::new();
    fixture
        .dependency
        .then([Do::Status(500), Do::Status(500), Do::Status(404)]);
    assert_eq!(fixture.call(post("one")).await.status(), 500);
    assert_eq!(fixture.queue().entries, 0);
    let layer = fixture.layer().also_on_failure();
    let answer = fixture.call_by(&layer, post("two")).await;
    assert_eq!(answer.status(), 202);
    let degraded = answer.extensions().get::<Degraded>().expect("marked");
    assert_eq!(degraded.cause, FallbackCause::Failed);
    assert_eq!(
        fixture.call_by(&layer, post("no failure")).await.status(),
        404
    );
    fixture.drain().await;
    let seen = fixture.dependency.seen();
    assert_eq!(
        fixture.dependency.bodies(),
        ["one", "two", "no failure", "two"]
    );
    assert_eq!(seen[1].idempotency_key, seen[3].idempotency_key);
}

// M6, M1: one answer each.
#[tokio::test(start_paused = true)]
async fn what_is_another_answer_already_is_passed_on() {
    let fixture = Fixture::new().open();
    let sorry = |_: &Because<Infallible>| {
        let sorry = Response::builder()
            .status(500)
            .body(Full::<Bytes>::default());
        sorry.expect("valid")
    };
    let service = ServiceBuilder::new()
        .layer(fixture.layer().also_on_failure())
        .layer(FallbackLayer::on_rejection(
            &fixture.circuit,
            response(sorry),
        ))
        .service(fixture.protected());
    let answer = service.oneshot(post("one")).await.expect("infallible");
    assert_eq!(answer.status(), 500);
    assert_eq!(fixture.queue().entries, 0);
}

// M6, M5
#[tokio::test(start_paused = true)]
async fn a_call_that_was_cut_off_has_failed() {
    let circuit = Circuit::builder("orders")
        .consecutive_failures(9)
        .call_timeout(secs(1));
    let fixture = Fixture {
        circuit: circuit.build().expect("valid"),
        ..Fixture::new()
    };
    fixture.dependency.then([Do::Hang, Do::Hang]);
    assert_eq!(fixture.call(post("one")).await.status(), 504);
    let layer = fixture.layer().also_on_failure();
    let answer = fixture.call_by(&layer, post("two")).await;
    let degraded = answer.extensions().get::<Degraded>().expect("marked");
    assert_eq!(degraded.cause, FallbackCause::TimedOut);
}

// M6: errors are looked into.
#[tokio::test(start_paused = true)]
async fn rejections_that_are_errors_are_kept() {
    type BoxError = Box<dyn std::error::Error + Send + Sync>;
    let fixture = Fixture::new().open();
    let client = service_fn(|_: Request<Full<Bytes>>| async {
        Ok::<_, BoxError>(Response::new(Full::<Bytes>::default()))
    });
    let breaker = CircuitBreakerLayer::new(fixture.circuit.clone());
    let boxed = ServiceBuilder::new()
        .layer(fixture.layer().boxed_errors())
        .layer(breaker.clone().reject_as_box_error())
        .service(client);
    assert_eq!(
        boxed.oneshot(post("one")).await.expect("kept").status(),
        202
    );
    let client = client.map_err(|_| io::Error::other("failed"));
    let plain = ServiceBuilder::new()
        .layer(fixture.layer())
        .layer(breaker.reject_as_error())
        .service(client);
    assert_eq!(
        plain.oneshot(post("two")).await.expect("kept").status(),
        202
    );
}

// M6, M2
#[tokio::test(start_paused = true)]
async fn what_a_bulkhead_rejects_is_kept() {
    let circuit = Circuit::builder("orders").bulkhead(1, Duration::ZERO);
    let fixture = Fixture {
        circuit: circuit.build().expect("valid"),
        ..Fixture::new()
    };
    let dependency = fixture.dependency.clone();
    dependency.then([Do::Take(1_000)]);
    let service = ServiceBuilder::new()
        .layer(fixture.layer())
        .layer(BulkheadLayer::new())
        .layer(CircuitBreakerLayer::new(fixture.circuit.clone()))
        .service(fixture.reading());
    let first = tokio::spawn(service.clone().oneshot(post("one")));
    sleep(millis(1)).await;
    let second = service.oneshot(post("two")).await.expect("infallible");
    let degraded = second.extensions().get::<Degraded>().expect("marked");
    assert_eq!(degraded.cause.label(), "bulkhead_full");
    assert_eq!(
        first.await.expect("no panic").expect("infallible").status(),
        200
    );
}

// M6, D6: the ramp chooses in `poll_ready`, after which the request is not there yet.
#[tokio::test(start_paused = true)]
async fn what_a_ramp_turns_away_is_kept() {
    let circuit = Circuit::builder("orders")
        .consecutive_failures(9)
        .ramp(secs(100), 0.1);
    let fixture = Fixture {
        circuit: circuit.build().expect("valid"),
        ..Fixture::new()
    };
    let fixture = fixture.open();
    sleep(secs(10)).await;
    fixture.circuit.try_acquire().expect("a probe").success();
    let mut statuses = Vec::new();
    for number in 0..100 {
        statuses.push(
            fixture
                .call(post(&number.to_string()))
                .await
                .status()
                .as_u16(),
        );
    }
    let accepted = statuses.iter().filter(|status| **status == 202).count();
    assert!(accepted > 50, "{statuses:?}");
    assert_eq!(accepted + fixture.dependency.seen().len(), 100);
    assert_eq!(fixture.queue().kept, accepted as u64);
}

// M6
#[tokio::test(start_paused = true)]
async fn it_is_said_what_is_in_order() {
    let fixture = Fixture::new().open();
    let layer = fixture.layer().order_by(|head| {
        let customer = head.headers().get("x-customer");
        let customer = customer.and_then(|customer| customer.to_str().ok());
        customer.unwrap_or("nobody").to_owned()
    });
    let layer = layer.answer_headers(|accepted, headers| {
        let location = format!("/queued/{}", accepted.id.0);
        headers.insert("location", location.parse().expect("valid"));
    });
    let mut request = post("one");
    request.headers_mut().insert("x-customer", 7.into());
    let answer = fixture.call_by(&layer, request).await;
    assert_eq!(answer.headers()["location"], "/queued/1");
    let kept = fixture.kept();
    assert_eq!(kept[0].order_key(), "7");
    assert!(!kept[0].headers().contains_key("x-customer"));
}

// M6: after a shutdown, nobody would make it.
#[tokio::test(start_paused = true)]
async fn a_closed_outbox_keeps_nothing() {
    let fixture = Fixture::new().open();
    assert!(fixture.memory.close().is_empty());
    assert!(is_rejection(&fixture.call(post("one")).await));
    assert_eq!(fixture.queue().refused, 1);
    assert!(fixture.memory.ledger().reserve(16 << 20).is_some());
}

/// An outbox that says that it is durable, and can be broken.
#[derive(Clone, Default)]
struct Durable {
    memory: Memory,
    is_broken: Arc<AtomicBool>,
}

impl Durable {
    fn works(&self) -> Result<(), io::Error> {
        match self.is_broken.load(Ordering::Relaxed) {
            true => Err(io::Error::other("the disk is full")),
            false => Ok(()),
        }
    }
}

impl Outbox for Durable {
    type Error = io::Error;

    const DURABLE: bool = true;

    fn ledger(&self) -> &Arc<Ledger> {
        self.memory.ledger()
    }

    async fn put(&self, entry: Entry, room: Room) -> Result<Put, io::Error> {
        self.works()?;
        self.memory
            .put(entry, room)
            .await
            .map_err(|error| match error {})
    }

    async fn take(&self, lease: Duration) -> Result<Take, io::Error> {
        self.works()?;
        self.memory
            .take(lease)
            .await
            .map_err(|error| match error {})
    }

    async fn take_older_than(&self, age: Duration, lease: Duration) -> Result<Take, io::Error> {
        self.works()?;
        let taken = self.memory.take_older_than(age, lease).await;
        taken.map_err(|error| match error {})
    }

    async fn done(&self, lease: Lease) -> Result<bool, io::Error> {
        self.works()?;
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
    ) -> Result<bool, io::Error> {
        self.works()?;
        let back = self.memory.give_back(lease, attempts, wait).await;
        back.map_err(|error| match error {})
    }
}

// M6: what an outbox does unless it says otherwise.
#[tokio::test(start_paused = true)]
async fn an_outbox_of_ones_own_is_an_outbox() {
    contract::check(async || Durable::default()).await;
}

// M6
#[tokio::test(start_paused = true)]
async fn a_durable_one_says_so_and_tells_its_errors() {
    let (fixture, outbox) = (Fixture::new().open(), Durable::default());
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    let layer = OutboxLayer::new(&fixture.circuit, outbox.clone())
        .on_outbox_error(move |error| heard.lock().expect("no panic").push(error.to_string()));
    let call = async |body| {
        let service = layer.layer(fixture.protected());
        service.oneshot(post(body)).await.expect("infallible")
    };
    let answer = call("one").await;
    assert_eq!(answer.headers()["x-kept"], "durably");
    assert!(
        answer
            .extensions()
            .get::<Accepted>()
            .expect("there")
            .durable
    );
    let degraded = answer.extensions().get::<Degraded>().expect("marked");
    assert_eq!(degraded.kind, FallbackKind::Outbox);
    outbox.is_broken.store(true, Ordering::Relaxed);
    assert!(is_rejection(&call("two").await));
    assert_eq!(*told.lock().expect("no panic"), ["the disk is full"]);
    assert_eq!((fixture.queue().entries, fixture.queue().refused), (1, 1));
    assert_eq!(fixture.queue().oldest, None, "this one does not know");
}

// M7: a store that fails is asked again, and nothing is lost.
#[tokio::test(start_paused = true)]
async fn a_drainer_outlives_the_errors_of_its_outbox() {
    let (fixture, outbox) = (Fixture::new().open(), Durable::default());
    let service = OutboxLayer::new(&fixture.circuit, outbox.clone()).layer(fixture.protected());
    assert_eq!(
        service
            .oneshot(post("one"))
            .await
            .expect("infallible")
            .status(),
        202
    );
    outbox.is_broken.store(true, Ordering::Relaxed);
    let errors = Arc::new(AtomicUsize::new(0));
    let counted = errors.clone();
    let drainer = Drainer::new(
        &fixture.circuit,
        outbox.clone(),
        fixture.dependency.service(),
    )
    .on_outbox_error(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let running = tokio::spawn(drainer.run(sleep(secs(120))));
    sleep(secs(30)).await;
    assert!(
        (25..=31).contains(&errors.load(Ordering::Relaxed)),
        "one in each second"
    );
    outbox.is_broken.store(false, Ordering::Relaxed);
    let drained = running.await.expect("no panic");
    assert_eq!((drained.delivered, drained.left.len()), (1, 0));
}

// M6: as a router has it.
#[tokio::test(start_paused = true)]
async fn a_router_can_have_it() {
    let fixture = Fixture::new().open();
    let layers = ServiceBuilder::new()
        .layer(fixture.layer())
        .layer(CircuitBreakerLayer::new(fixture.circuit.clone()));
    let orders = axum::routing::post(async || "done");
    let router: axum::Router = axum::Router::new().route("/orders", orders).layer(layers);
    let request = Request::post("/orders").body(axum::body::Body::from("one"));
    let answer = router
        .oneshot(request.expect("valid"))
        .await
        .expect("infallible");
    assert_eq!(answer.status(), 202);
    assert_eq!(fixture.kept()[0].body(), "one");
}

// M6, G4
#[tokio::test(start_paused = true)]
async fn what_it_is_made_of_can_be_seen() {
    let fixture = Fixture::new();
    let mut service = fixture.layer().layer(7_u32);
    *service.get_mut() += 1;
    assert_eq!((*service.get_ref(), service.clone().into_inner()), (8, 8));
    let printed = format!("{service:?} {:?}", fixture.layer());
    assert!(
        printed.contains("orders") && printed.contains("DeferLayer"),
        "{printed}"
    );
    assert!(printed.contains("body_limit: 65536"), "{printed}");
    let mut service = fixture.layer().layer(fixture.protected());
    let call = service.call(post("one"));
    assert_eq!(format!("{call:?}"), "QueueFuture { .. }");
    let outbox = OutboxLayer::new(&fixture.circuit, Durable::default()).boxed_errors();
    assert!(format!("{:?}", outbox.clone()).contains("OutboxLayer"));
}
