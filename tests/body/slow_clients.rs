//! A slow client is not a slow dependency (rules A3 and A4): uploads to axum and to hyper, over HTTP/1 and
//! HTTP/2, whose bytes come when the test sends them. The clock is the test's; no time that passes on the
//! wire decides anything.

use std::{
    convert::Infallible,
    fmt::Debug,
    future::{Future, ready},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::{
    Router,
    body::Body as AxumBody,
    middleware::{Next, from_fn},
    response::IntoResponse,
};
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full, channel};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    task::JoinHandle,
};
use tower::{Layer, Service, ServiceBuilder, service_fn};
use tower_breaker::{
    AbandonedPolicy, CircuitBreakerLayer, CircuitBuilder, State,
    body::{ClientBody, ObserveBodies},
    classify::HttpClassifier,
};
use tower_http::timeout::RequestBodyTimeoutLayer;

use crate::{
    sockets::{BOTH, Browser, Dependency, Server, Version, patiently, until},
    support::{Fixture, NANO, SLOW, fragile, fragile_after_break, secs},
    visitors::Visitor,
};

/// Counts how often whoever reads a body has found nothing.
struct Told<B>(B, Arc<AtomicU64>);

impl<B: Body + Unpin> Body for Told<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.0).poll_frame(context);
        if polled.is_pending() {
            self.1.fetch_add(1, Ordering::SeqCst);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// What a handler does by its path.
async fn handle<B>(path: String, body: B, dependency: Dependency) -> StatusCode
where
    B: Body<Error: Debug>,
{
    if path == "/early" {
        return dependency.call().await;
    }
    let whole = body.collect().await;
    assert_ne!(path, "/panic", "on purpose");
    match whole {
        Ok(_) => dependency.call().await,
        Err(_) => StatusCode::BAD_REQUEST,
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Axum,
    AxumExtractor,
    Hyper,
    /// axum, with the bodies of responses observed, too.
    Observed,
    /// The same, and slow is measured to their end.
    ObservedToEnd,
}

const KINDS: [Kind; 5] = [
    Kind::Axum,
    Kind::AxumExtractor,
    Kind::Hyper,
    Kind::Observed,
    Kind::ObservedToEnd,
];

async fn serve(
    kind: Kind,
    layer: CircuitBreakerLayer,
    dependency: Dependency,
    pending: Arc<AtomicU64>,
    time_out: Arc<Notify>,
) -> Server {
    if kind == Kind::Hyper {
        let told = move |body: ClientBody<Incoming>| Told(body, pending.clone());
        let handler = move |request: Request<Told<ClientBody<Incoming>>>| {
            let dependency = dependency.clone();
            async move {
                let (head, body) = request.into_parts();
                let status = handle(head.uri.path().to_owned(), body, dependency).await;
                let mut response = Response::new(Full::<Bytes>::default());
                *response.status_mut() = status;
                Ok::<_, Infallible>(response)
            }
        };
        let layer = layer.observe_request_bodies(told);
        return Server::hyper(move || layer.layer(service_fn(handler.clone()))).await;
    }
    let told = move |body: ClientBody<AxumBody>| AxumBody::new(Told(body, pending.clone()));
    let router = Router::new();
    let router = match kind {
        Kind::AxumExtractor => router.fallback(move |uri: Uri, body: Bytes| {
            handle(uri.path().to_owned(), Full::new(body), dependency)
        }),
        _ => router.fallback(move |uri: Uri, body: AxumBody| {
            handle(uri.path().to_owned(), body, dependency)
        }),
    };
    let to_end = ObserveBodies::new().measure_to_end_of_body();
    let router = match kind {
        Kind::Observed => router.layer(layer.observe_bodies().observe_request_bodies(told)),
        Kind::ObservedToEnd => router.layer(
            layer
                .observe_bodies_with(to_end)
                .observe_request_bodies(told),
        ),
        _ => router.layer(layer.observe_request_bodies(told)),
    };
    Server::axum(router.layer(from_fn(move |request, next: Next| {
        let time_out = time_out.clone();
        async move {
            tokio::select! {
                response = next.run(request) => response,
                () = time_out.notified() => StatusCode::REQUEST_TIMEOUT.into_response(),
            }
        }
    })))
    .await
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Framing {
    Length,
    Chunked,
}

struct Stage {
    fixture: Fixture,
    dependency: Dependency,
    pending: Arc<AtomicU64>,
    /// A time-out around it all, which comes when it is told to; under axum.
    time_out: Arc<Notify>,
    server: Server,
    version: Version,
    client: Client<HttpConnector, channel::Channel<Bytes, Infallible>>,
}

impl Stage {
    async fn new(kind: Kind, version: Version, fixture: Fixture) -> Self {
        let dependency = Dependency::new();
        let pending = Arc::new(AtomicU64::new(0));
        let layer = CircuitBreakerLayer::new(fixture.circuit.clone());
        let time_out = Arc::new(Notify::new());
        let (asked, told, ends) = (dependency.clone(), pending.clone(), time_out.clone());
        Self {
            server: serve(kind, layer, asked, told, ends).await,
            fixture,
            dependency,
            pending,
            time_out,
            version,
            client: Client::builder(TokioExecutor::new())
                .http2_only(version == Version::Http2)
                .build_http(),
        }
    }

    fn pending(&self) -> u64 {
        self.pending.load(Ordering::SeqCst)
    }

    /// Waits until a body has been found empty once more than `before`.
    async fn waits_for_client(&self, before: u64) {
        until(|| self.pending() > before).await;
    }

    /// An upload that has begun. It has ten bytes.
    fn upload(&self, path: &str, framing: Framing) -> Upload {
        let (sender, body) = channel::Channel::new(1);
        let mut request = Request::post(format!("http://{}{path}", self.server.address()));
        if framing == Framing::Length {
            request = request.header("content-length", "10");
        }
        let response = self.client.request(request.body(body).unwrap());
        let response = tokio::spawn(async {
            let response = response.await.ok()?;
            let status = response.status().as_u16();
            response.into_body().collect().await.ok()?;
            Some(status)
        });
        Upload { sender, response }
    }

    /// One whole upload, for whose bytes the server waits twice so long; then for its dependency.
    async fn upload_slowly(&self, framing: Framing, wait: Duration, dependency: Duration) {
        let before = self.pending();
        let mut upload = self.upload("/", framing);
        self.waits_for_client(before).await;
        self.fixture.wait(wait);
        let before = self.pending();
        upload.send("01234").await;
        self.waits_for_client(before).await;
        self.fixture.wait(wait);
        let entered = self.dependency.entered();
        self.dependency.hold();
        upload.send("56789").await;
        let response = upload.end();
        until(|| self.dependency.entered() > entered).await;
        self.fixture.wait(dependency);
        self.dependency.let_go();
        assert_eq!(patiently(response).await.unwrap(), Some(200));
    }

    /// What the calls have come to: successful, failed, abandoned, slow.
    async fn ends(&self, successful: u64, failed: u64, abandoned: u64, slow: u64) {
        let expected = successful + failed + abandoned;
        until(|| self.fixture.totals().ended() >= expected).await;
        let totals = self.fixture.totals();
        assert_eq!(
            (
                totals.successful,
                totals.failed,
                totals.abandoned,
                totals.slow
            ),
            (successful, failed, abandoned, slow)
        );
    }
}

struct Upload {
    sender: channel::Sender<Bytes, Infallible>,
    response: JoinHandle<Option<u16>>,
}

impl Upload {
    async fn send(&mut self, bytes: &'static str) {
        let sent = self.sender.send_data(Bytes::from_static(bytes.as_bytes()));
        patiently(sent).await.expect("a server that reads");
    }

    fn end(self) -> JoinHandle<Option<u16>> {
        self.response
    }
}

fn watchful() -> Fixture {
    Fixture::new(|c| {
        c.slow_call_duration(SLOW)
            .slow_call_rate(0.5)
            .minimum_calls(6)
    })
}

// A3
#[tokio::test]
async fn slow_uploads_to_an_instant_handler_open_nothing() {
    for (kind, version) in kinds_and_versions() {
        for framing in [Framing::Length, Framing::Chunked] {
            let stage = Stage::new(kind, version, watchful()).await;
            for _ in 0..6 {
                stage.upload_slowly(framing, secs(3600), secs(0)).await;
            }
            stage.ends(6, 0, 0, 0).await;
            stage.fixture.is(State::Closed);
        }
    }
}

fn kinds_and_versions() -> impl Iterator<Item = (Kind, Version)> {
    KINDS
        .into_iter()
        .flat_map(|kind| BOTH.map(|version| (kind, version)))
}

// A3: at once, too.
#[tokio::test]
async fn many_slow_uploads_at_once_open_nothing() {
    for (kind, version) in kinds_and_versions() {
        let stage = Stage::new(kind, version, watchful()).await;
        let mut uploads = Vec::new();
        for _ in 0..6 {
            let before = stage.pending();
            uploads.push(stage.upload("/", Framing::Chunked));
            stage.waits_for_client(before).await;
        }
        stage.fixture.wait(secs(3600));
        for mut upload in uploads {
            upload.send("all of it!").await;
            assert_eq!(patiently(upload.end()).await.unwrap(), Some(200));
        }
        stage.ends(6, 0, 0, 0).await;
        stage.fixture.is(State::Closed);
    }
}

// A3: to the nanosecond, what is left when the client's time is taken off.
#[tokio::test]
async fn what_the_dependency_takes_after_the_upload_is_its_own() {
    for (kind, version) in kinds_and_versions() {
        let stage = Stage::new(kind, version, watchful()).await;
        for wait in [secs(0), secs(3600)] {
            stage.upload_slowly(Framing::Length, wait, SLOW).await;
        }
        stage.ends(2, 0, 0, 0).await;
        for (calls, wait) in [(1, secs(0)), (2, secs(3600)), (3, NANO)] {
            let slow = SLOW + NANO;
            stage.upload_slowly(Framing::Chunked, wait, slow).await;
            stage.ends(2 + calls, 0, 0, calls).await;
        }
    }
}

// A3: six slow handlers do open it, however quick the client.
#[tokio::test]
async fn slow_handlers_open_the_circuit() {
    for (kind, version) in kinds_and_versions() {
        let stage = Stage::new(kind, version, watchful()).await;
        for _ in 0..6 {
            stage
                .upload_slowly(Framing::Length, secs(0), SLOW + NANO)
                .await;
        }
        stage
            .fixture
            .tells(&["closed -> open: 6 of 6 calls were slow, open for 30s"]);
    }
}

// A3: who does not read does not wait for the client.
#[tokio::test]
async fn a_handler_that_answers_before_it_reads_has_all_its_time_for_its_own() {
    for (kind, version) in [Kind::Axum, Kind::Hyper, Kind::Observed]
        .into_iter()
        .flat_map(|kind| BOTH.map(|version| (kind, version)))
    {
        let stage = Stage::new(kind, version, watchful()).await;
        for (calls, time, slow) in [(1, SLOW, 0), (2, SLOW + NANO, 1)] {
            stage.dependency.hold();
            let upload = stage.upload("/early", Framing::Chunked);
            until(|| stage.dependency.entered() == calls).await;
            stage.fixture.wait(time);
            stage.dependency.let_go();
            stage.ends(calls, 0, 0, slow).await;
            drop(upload);
        }
    }
}

// A3: the client waits to be asked for its body.
#[tokio::test]
async fn a_client_that_expects_100_is_waited_for_like_any_other() {
    for kind in KINDS {
        let stage = Stage::new(kind, Version::Http1, watchful()).await;
        let mut client = TcpStream::connect(stage.server.address()).await.unwrap();
        let head = "POST / HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n\
                    content-length: 3\r\nconnection: close\r\n\r\n";
        client.write_all(head.as_bytes()).await.unwrap();
        let mut continues = [0; 25];
        patiently(client.read_exact(&mut continues)).await.unwrap();
        assert_eq!(&continues, b"HTTP/1.1 100 Continue\r\n\r\n");

        stage.waits_for_client(0).await;
        stage.fixture.wait(secs(3600));
        client.write_all(b"abc").await.unwrap();
        let mut answer = String::new();
        patiently(client.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        stage.ends(1, 0, 0, 0).await;
    }
}

// A5: a panic after a slow upload is a failure, and not a slow one.
#[tokio::test]
async fn a_panic_after_a_slow_upload_is_not_slow() {
    for (kind, version) in kinds_and_versions() {
        let stage = Stage::new(kind, version, watchful()).await;
        let mut upload = stage.upload("/panic", Framing::Chunked);
        stage.waits_for_client(0).await;
        stage.fixture.wait(secs(3600));
        upload.send("all of it!").await;
        drop(upload.end());
        stage.ends(0, 1, 0, 0).await;
    }
}

/// A client that stalls in its body for so long and is gone then.
async fn stalls_and_vanishes(stage: &Stage, stalls: Duration) {
    let mut visitor = Visitor::come(stage.version, &stage.server).await;
    let before = stage.pending();
    let open = visitor.ask_half("/").await;
    stage.waits_for_client(before).await;
    stage.fixture.wait(stalls);
    let ended = stage.fixture.totals().ended();
    visitor.vanish();
    drop(open);
    until(|| stage.fixture.totals().ended() > ended).await;
}

/// The settings by which a call that is abandoned late has failed.
const LATE: [fn(CircuitBuilder) -> CircuitBuilder; 3] = [
    |c| c.slow_call_duration(SLOW).slow_call_rate(1.0),
    |c| c.abandoned(AbandonedPolicy::FailureAfter(SLOW)),
    |c| c,
];

// A4: neither hyper nor an extractor has anything to blame its dependency for.
#[tokio::test]
async fn a_client_that_stalls_and_vanishes_is_no_failure() {
    for (kind, version) in kinds_and_versions() {
        for late in LATE {
            let fixture = Fixture::new(|c| late(c.consecutive_failures(1)));
            let stage = Stage::new(kind, version, fixture).await;
            stalls_and_vanishes(&stage, secs(3600)).await;
            let totals = stage.fixture.totals();
            assert_eq!((totals.failed, totals.slow), (0, 0), "{kind:?} {version:?}");
            stage.fixture.tells(&[]);
        }
    }
}

const UNDER_AXUM: [Kind; 4] = [
    Kind::Axum,
    Kind::AxumExtractor,
    Kind::Observed,
    Kind::ObservedToEnd,
];

/// An upload that stalls for so long, until the time-out outside gives up on it.
async fn times_out(stage: &Stage, stalls: Duration) {
    let before = stage.pending();
    let mut upload = stage.upload("/", Framing::Chunked);
    stage.waits_for_client(before).await;
    let before = stage.pending();
    upload.send("01234").await;
    stage.waits_for_client(before).await;
    stage.fixture.wait(stalls);
    stage.time_out.notify_one();
    assert_eq!(patiently(upload.end()).await.unwrap(), Some(408));
}

// A4: a time-out outside gives up on the client, and not on the dependency.
#[tokio::test]
async fn a_time_out_outside_of_a_stalled_upload_is_no_failure() {
    for (kind, version) in UNDER_AXUM
        .into_iter()
        .flat_map(|kind| BOTH.map(|version| (kind, version)))
    {
        for late in LATE {
            let fixture = Fixture::new(|c| late(c.consecutive_failures(1)));
            let stage = Stage::new(kind, version, fixture).await;
            times_out(&stage, secs(3600)).await;
            stage.ends(0, 0, 1, 0).await;
            stage.fixture.tells_nothing();
        }
    }
}

// A4, D4: nor of a probe, which says nothing and makes room for the next. For as long as its client was waited
// for, half-open has not waited for an answer.
#[tokio::test]
async fn a_time_out_outside_of_a_stalled_probe_is_no_failure() {
    for (kind, version) in UNDER_AXUM
        .into_iter()
        .flat_map(|kind| BOTH.map(|version| (kind, version)))
    {
        for late in LATE {
            let stage = Stage::new(kind, version, fragile_after_break(late)).await;
            times_out(&stage, secs(3600)).await;
            stage.ends(0, 1, 1, 0).await;
            stage
                .fixture
                .tells(&["open -> half-open: the wait is over, the next call is a probe"]);
            let status = Browser::new(version, &stage.server).status("/").await;
            assert_eq!(status, 200);
            stage.fixture.is(State::Closed);
        }
    }
}

// A4: it has sent all, so it was the dependency that was waited for.
#[tokio::test]
async fn a_client_that_gives_up_on_a_slow_dependency_tells_of_a_failure() {
    for (kind, version) in kinds_and_versions() {
        for late in &LATE[..2] {
            let fixture = Fixture::new(|c| late(c.consecutive_failures(1)));
            let stage = Stage::new(kind, version, fixture).await;
            stage.dependency.hold();
            let mut visitor = Visitor::come(stage.version, &stage.server).await;
            let asked = visitor.ask("/");
            until(|| stage.dependency.entered() == 1).await;
            stage.fixture.wait(SLOW + NANO);
            visitor.vanish();
            drop(asked);
            until(|| stage.fixture.totals().failed == 1).await;
        }
    }
}

// D3: a slow client's probe is as good as any.
#[tokio::test]
async fn a_slow_upload_that_is_the_probe_closes_the_circuit() {
    for (kind, version) in kinds_and_versions() {
        let fixture = fragile_after_break(|c| c.slow_call_duration(SLOW).slow_call_rate(1.0));
        let stage = Stage::new(kind, version, fixture).await;
        stage
            .upload_slowly(Framing::Chunked, secs(3600), secs(0))
            .await;
        stage.fixture.tells(&[
            "open -> half-open: the wait is over, the next call is a probe",
            "half-open -> closed: the probes succeeded",
        ]);
    }
}

// A4, D4: a stalled upload that is the probe gives its permit back when its client is gone, and not for a
// failure.
#[tokio::test]
async fn a_stalled_upload_that_is_the_probe_has_not_failed() {
    for (kind, version) in [Kind::Hyper, Kind::Axum]
        .into_iter()
        .flat_map(|kind| BOTH.map(|version| (kind, version)))
    {
        for late in LATE {
            let stage = Stage::new(kind, version, fragile_after_break(late)).await;
            stalls_and_vanishes(&stage, secs(3600)).await;
            let totals = stage.fixture.totals();
            // The first tripped it. What the handler answers to a body that breaks is an answer.
            assert_eq!((totals.failed, totals.slow), (1, 0), "{kind:?} {version:?}");
            let status = Browser::new(version, &stage.server).status("/").await;
            assert_eq!(status, 200);
            stage.fixture.is(State::Closed);
        }
    }
}

// D4: it is timed out by the next call as any other probe, so that it does not hold half-open for ever.
#[tokio::test]
async fn a_stalled_upload_that_is_the_probe_is_timed_out() {
    for version in BOTH {
        let fixture = fragile_after_break(|c| c.half_open_timeout(secs(7)));
        let stage = Stage::new(Kind::Axum, version, fixture).await;
        let _upload = stage.upload("/", Framing::Chunked);
        stage.waits_for_client(0).await;
        let browser = Browser::new(version, &stage.server);
        assert_eq!(browser.status("/").await, 503);
        stage.fixture.wait(secs(7));
        assert_eq!(browser.status("/").await, 503);
        stage.fixture.wait_out();
        assert_eq!(browser.status("/").await, 200);
        stage.fixture.is(State::Closed);
    }
}

/// A router that reads bodies, behind a breaker and a time-out of a request's body.
async fn with_body_time_out(fixture: &Fixture, classifier: HttpClassifier) -> Server {
    let layer = CircuitBreakerLayer::new(fixture.circuit.clone()).classifier(classifier);
    let stack = ServiceBuilder::new()
        .layer(RequestBodyTimeoutLayer::new(Duration::from_millis(1)))
        .layer(layer.observe_request_bodies(AxumBody::new));
    let router = Router::new().fallback(|_: Bytes| async { StatusCode::OK });
    Server::axum(router.layer(stack)).await
}

// A2, D4: it neither holds half-open nor fails. What is sent in time is not touched.
#[tokio::test]
async fn a_stalled_probe_ends_with_the_time_out_of_its_body() {
    for version in BOTH {
        let left_out = HttpClassifier::new().ignored([StatusCode::BAD_REQUEST]);
        for (classifier, state) in [
            (HttpClassifier::new(), State::Closed),
            (left_out, State::HalfOpen),
        ] {
            let fixture = fragile_after_break(|c| c);
            let server = with_body_time_out(&fixture, classifier).await;
            let mut visitor = Visitor::come(version, &server).await;
            let (_rest, asked) = visitor.ask_half("/").await;
            let response = patiently(asked).await.unwrap().unwrap();
            assert_eq!(response.status(), 400);
            fixture.is(state);
            let browser = Browser::new(version, &server);
            assert_eq!(browser.status("/").await, 200);
            fixture.is(State::Closed);
        }
    }
}

// H2: a fallback gets the very body that came.
#[tokio::test]
async fn a_rejection_gets_the_request_as_it_came() {
    let fixture = fragile(|c| c);
    fixture.play("f");
    let layer = CircuitBreakerLayer::new(fixture.circuit.clone())
        .fallback(|_, request: Request<Full<Bytes>>| async {
            Ok::<_, Infallible>(Response::new(request.into_body()))
        })
        .observe_request_bodies(std::convert::identity);
    let inner = service_fn(|_: Request<ClientBody<Full<Bytes>>>| {
        ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
    });
    let request = Request::new(Full::from("as it came"));
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    let whole = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(whole, "as it came");
}

// F3: once, and only if there is a body.
#[test]
fn a_call_shares_one_allocation_with_its_body() {
    let fixture = watchful();
    let layer = CircuitBreakerLayer::new(fixture.circuit.clone())
        .reject_as_error()
        .observe_request_bodies(std::convert::identity);
    let mut service = layer.layer(service_fn(|_: Request<ClientBody<Full<Bytes>>>| {
        ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
    }));
    let mut allocations = |body: &'static str| {
        let request = Request::new(Full::from(body));
        allocation_counter::measure(|| {
            let mut context = Context::from_waker(Waker::noop());
            assert!(service.poll_ready(&mut context).is_ready());
            let answer = Pin::new(&mut service.call(request)).poll(&mut context);
            assert!(answer.is_ready());
        })
        .count_total
    };
    allocations("warm");
    assert_eq!(allocations(""), 0);
    assert_eq!(allocations("some"), 1);
    fixture.circuit.force_open();
    assert_eq!(allocations("some"), 0);
}
