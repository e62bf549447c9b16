//! Observed bodies of a real server: axum on hyper, HTTP/1 and HTTP/2, over real sockets (rule H5).

use std::{io, sync::Arc};

use axum::{Router, body::Body, extract::State, routing::get};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody, channel::Channel};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{net::TcpListener, sync::Semaphore};
use tower::Layer;
use tower_breaker::{
    CircuitBreakerLayer, Outcome, State as CircuitState,
    body::{BodyEnd, ObserveBodies},
    classify::HttpClassifier,
};

use crate::{
    sockets::{BOTH, Version, patiently, until},
    stage::{AT_END, trailers},
    support::{Fixture, fragile_after_break},
};

/// What a handler does.
type Answer = Arc<dyn Fn() -> Response<Body> + Send + Sync>;

struct Server {
    fixture: Fixture,
    uri: Uri,
    client: Client<HttpConnector, Empty<Bytes>>,
}

fn judge(end: BodyEnd<'_, axum::Error>) -> Outcome {
    match end {
        BodyEnd::Complete => Outcome::Success,
        BodyEnd::Trailers(trailers) if trailers["x-status"] == "fine" => Outcome::Success,
        _ => Outcome::Failure,
    }
}

impl Server {
    /// A router behind a breaker that observes; `/hang` answers never, everything else as told.
    async fn start(
        version: Version,
        fixture: Fixture,
        answer: impl Fn() -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        let layer = CircuitBreakerLayer::new(fixture.circuit.clone())
            .classifier(HttpClassifier::new().classify_as(Outcome::RequiresEos, [AT_END]))
            .observe_bodies_with(ObserveBodies::new().classify_eos(judge));
        let router = Router::new()
            .route(
                "/",
                get(|State(answer): State<Answer>| async move { answer() }),
            )
            .route("/hang", get(std::future::pending::<()>))
            .with_state(Arc::new(answer))
            .layer(layer);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, router).await });
        Self {
            fixture,
            uri: uri.parse().unwrap(),
            client: Client::builder(TokioExecutor::new())
                .http2_only(version == Version::Http2)
                .build_http(),
        }
    }

    async fn ask(&self, method: Method) -> Response<Incoming> {
        self.try_ask(method).await.expect("a head")
    }

    /// `None` if the body breaks so early that its head is not sent either.
    async fn try_ask(&self, method: Method) -> Option<Response<Incoming>> {
        let request = Request::builder().method(method).uri(self.uri.clone());
        // Or HTTP/1 brings no trailers.
        let request = request.header("te", "trailers").body(Empty::new()).unwrap();
        patiently(self.client.request(request)).await.ok()
    }

    /// The whole body of a `GET`, if it comes to an end.
    async fn read(&self) -> Option<Bytes> {
        let body = self.try_ask(Method::GET).await?.into_body();
        let collected = patiently(body.collect()).await;
        collected.ok().map(|whole| whole.to_bytes())
    }

    /// Waits until the calls have ended: so many successfully, failed and abandoned.
    async fn ends(&self, successful: u64, failed: u64, abandoned: u64) {
        let expected = successful + failed + abandoned;
        until(|| self.fixture.totals().ended() == expected).await;
        let totals = self.fixture.totals();
        assert_eq!(
            (totals.successful, totals.failed, totals.abandoned),
            (successful, failed, abandoned)
        );
    }
}

type Pieces = Vec<Result<Frame<Bytes>, io::Error>>;

fn data(text: &'static str) -> Result<Frame<Bytes>, io::Error> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

/// A body of these pieces, which never says that it is over.
fn pieces(pieces: Pieces) -> Response<Body> {
    Response::new(Body::new(StreamBody::new(stream::iter(pieces))))
}

fn announcing(length: u64, mut response: Response<Body>) -> Response<Body> {
    response
        .headers_mut()
        .insert("content-length", length.into());
    response
}

fn patient() -> Fixture {
    Fixture::new(|c| c.consecutive_failures(1_000))
}

// H5
#[tokio::test]
async fn a_body_whose_length_hyper_knows_is_complete_although_nobody_polls_its_end() {
    for version in BOTH {
        let answer = || announcing(8, pieces(vec![data("half"), data("half")]));
        let server = Server::start(version, patient(), answer).await;
        assert_eq!(server.read().await.unwrap(), "halfhalf");
        server.ends(1, 0, 0).await;
    }
}

// H5, A1: the same where the end has to be judged: hyper drops it there, over HTTP/1.
#[tokio::test]
async fn a_body_whose_length_hyper_knows_is_judged_although_nobody_polls_its_end() {
    for version in BOTH {
        let answer = || {
            let mut response = announcing(8, pieces(vec![data("half"), data("half")]));
            *response.status_mut() = AT_END;
            response
        };
        let server = Server::start(version, patient(), answer).await;
        assert_eq!(server.read().await.unwrap(), "halfhalf");
        server.ends(1, 0, 0).await;
    }
}

// H5: handlers that answer with a text, with nothing, or with an unknown length.
#[tokio::test]
async fn complete_bodies_of_every_kind_are_successes() {
    let answers: [fn() -> Response<Body>; 4] = [
        || Response::new(Body::from("whole")),
        || Response::new(Body::empty()),
        || pieces(vec![data("half"), data("half")]),
        || {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = http::StatusCode::NO_CONTENT;
            response
        },
    ];
    for version in BOTH {
        for answer in answers {
            let server = Server::start(version, patient(), answer).await;
            assert!(server.read().await.is_some());
            server.ends(1, 0, 0).await;
        }
    }
}

// H5
#[tokio::test]
async fn a_body_that_breaks_in_the_middle_is_a_failure() {
    for version in BOTH {
        let broken = || pieces(vec![data("half"), Err(io::Error::other("the disk"))]);
        let server = Server::start(version, patient(), broken).await;
        assert_eq!(server.read().await, None);
        server.ends(0, 1, 0).await;
    }
}

// H5
#[tokio::test]
async fn a_handler_that_announces_more_than_it_brings_has_failed() {
    for version in BOTH {
        let short = || announcing(8, pieces(vec![data("half")]));
        let server = Server::start(version, patient(), short).await;
        assert_eq!(server.read().await, None);
        server.ends(0, 1, 0).await;
    }
}

// H5: a body is not asked for, and its length is that of a `GET`.
#[tokio::test]
async fn a_head_request_ends_with_its_head() {
    for version in BOTH {
        let answer = || announcing(8, pieces(vec![data("half"), data("half")]));
        let server = Server::start(version, patient(), answer).await;
        let response = server.ask(Method::HEAD).await;
        assert_eq!(response.headers()["content-length"], "8");
        server.ends(1, 0, 0).await;
    }
}

// A1, H5
#[tokio::test]
async fn trailers_are_judged_and_reach_the_client() {
    let with_trailers = |status: &'static str| {
        move || {
            let trailers: HeaderMap = trailers(status);
            let mut response = pieces(vec![data("half"), Ok(Frame::trailers(trailers))]);
            *response.status_mut() = AT_END;
            let announced = http::HeaderValue::from_static("x-status");
            response.headers_mut().insert("trailer", announced);
            response
        }
    };
    for version in BOTH {
        for (status, successful, failed) in [("fine", 1, 0), ("failed", 0, 1)] {
            let server = Server::start(version, patient(), with_trailers(status)).await;
            let body = server.ask(Method::GET).await.into_body();
            let collected = patiently(body.collect()).await.unwrap();
            assert_eq!(collected.trailers().unwrap()["x-status"], status);
            server.ends(successful, failed, 0).await;
        }
    }
}

// H5
#[tokio::test]
async fn a_client_that_vanishes_in_the_middle_of_a_body_has_had_a_success() {
    for version in BOTH {
        let (server, senders) = streaming(version, patient()).await;
        let mut body = server.ask(Method::GET).await.into_body();
        let mut sender = senders.lock().unwrap().pop().unwrap();
        sender.send_data(Bytes::from("half")).await.unwrap();
        let frame = patiently(body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "half");
        assert_eq!(server.fixture.totals().ended(), 0);
        drop(body);
        server.ends(1, 0, 0).await;
    }
}

// H5, A4
#[tokio::test]
async fn a_client_that_vanishes_before_any_of_the_body_abandons_it() {
    for version in BOTH {
        let (server, senders) = streaming(version, patient()).await;
        let body = server.ask(Method::GET).await.into_body();
        assert_eq!(senders.lock().unwrap().len(), 1);
        drop(body);
        server.ends(0, 0, 1).await;
    }
}

// H5: server-sent events, of which a client reads so many and leaves at its end mark.
#[tokio::test]
async fn events_that_are_left_at_their_end_mark_are_successes() {
    use axum::response::{
        IntoResponse,
        sse::{Event, Sse},
    };
    const MARK: &str = "data: done\n\n";
    for version in BOTH {
        for events in [1, 3] {
            let answer = move || {
                let texts = (1..events).map(|_| "more").chain(["done"]);
                let told = stream::iter(texts).map(|text| Event::default().data(text));
                // The server has nothing more to say, and does not end.
                let told = told.map(Ok::<_, io::Error>).chain(stream::pending());
                Sse::new(told).into_response()
            };
            let server = Server::start(version, patient(), answer).await;
            let client = patient();
            let layer = CircuitBreakerLayer::new(client.circuit.clone()).observe_bodies();
            let guarded = layer.reject_as_error().layer(server.client.clone());
            for calls in 1..=3 {
                let request = Request::get(server.uri.clone()).body(Empty::new()).unwrap();
                let asked = guarded.clone().oneshot(request);
                let mut body = patiently(asked).await.unwrap().into_body();
                let mut heard = Vec::new();
                while !heard.ends_with(MARK.as_bytes()) {
                    let frame = patiently(body.frame()).await.unwrap().unwrap();
                    heard.extend(frame.into_data().unwrap());
                }
                drop(body);
                server.ends(calls, 0, 0).await;
                let seen = client.totals();
                assert_eq!((seen.successful, seen.ended()), (calls, calls));
            }
        }
    }
}

// A4: before the head, as ever.
#[tokio::test]
async fn a_client_that_vanishes_before_the_head_abandons_the_call() {
    for version in BOTH {
        let fixture = fragile_after_break(|c| c);
        let server = Server::start(version, fixture, || Response::new(Body::empty())).await;
        let before = server.fixture.totals();
        let uri = format!("{}hang", server.uri).parse().unwrap();
        let asking = tokio::spawn(server.client.get(uri));
        // The probe is in flight.
        until(|| server.fixture.circuit.state() == CircuitState::HalfOpen).await;
        asking.abort();
        until(|| server.fixture.totals().abandoned == before.abandoned + 1).await;
        // And its permit is free again.
        assert!(server.read().await.is_some());
        until(|| server.fixture.circuit.state() == CircuitState::Closed).await;
    }
}

// H5: a stream that goes on for ever does not hold up recovery.
#[tokio::test]
async fn a_probe_has_succeeded_while_its_stream_goes_on() {
    for version in BOTH {
        let (server, senders) = streaming(version, fragile_after_break(|c| c)).await;
        let mut body = server.ask(Method::GET).await.into_body();
        server.fixture.is(CircuitState::HalfOpen);
        let mut sender = senders.lock().unwrap().pop().unwrap();
        sender.send_data(Bytes::from("first")).await.unwrap();
        patiently(body.frame()).await.unwrap().unwrap();
        server.fixture.is(CircuitState::Closed);
        let totals = server.fixture.totals();
        sender.send_data(Bytes::from("more")).await.unwrap();
        sender.abort(io::Error::other("the disk"));
        assert!(patiently(body.collect()).await.is_err());
        assert_eq!(server.fixture.totals(), totals);
        server.fixture.is(CircuitState::Closed);
    }
}

// H5: a breaker at each end hears of the same end.
#[tokio::test]
async fn the_client_observes_what_the_server_observes() {
    type Ending = (u64, u64, u64);
    let steps: [(&str, &[&str], Ending); 5] = [
        ("whole", &["half"], (1, 0, 0)),
        ("breaks", &["half", "break"], (0, 1, 0)),
        ("breaks before any data", &["break"], (0, 1, 0)),
        ("client drops", &["half", "drop"], (1, 0, 0)),
        ("client drops before any data", &["drop"], (0, 0, 1)),
    ];
    for version in BOTH {
        for (what, steps, ending) in steps {
            let (server, senders) = streaming(version, patient()).await;
            let fixture = patient();
            let layer = CircuitBreakerLayer::new(fixture.circuit.clone()).observe_bodies();
            let asked = layer
                .reject_as_error()
                .layer(server.client.clone())
                .oneshot(Request::get(server.uri.clone()).body(Empty::new()).unwrap());
            let mut body = Some(patiently(asked).await.unwrap().into_body());
            let mut sender = senders.lock().unwrap().pop();
            for step in steps {
                match *step {
                    "break" => sender.take().unwrap().abort(io::Error::other("the disk")),
                    "drop" => body = None,
                    text => {
                        let sender = sender.as_mut().unwrap();
                        sender.send_data(Bytes::from(text)).await.unwrap();
                        let frame = patiently(body.as_mut().unwrap().frame()).await;
                        assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), text);
                    }
                }
            }
            if let Some(body) = body {
                drop(sender);
                let whole = patiently(body.collect()).await.is_ok();
                assert_eq!(whole, ending.0 == 1, "{what}");
            }
            let (successful, failed, abandoned) = ending;
            server.ends(successful, failed, abandoned).await;
            let totals = fixture.totals();
            let seen = (totals.successful, totals.failed, totals.abandoned);
            assert_eq!(seen, ending, "{version:?}: {what}");
        }
    }
}

type Sender = http_body_util::channel::Sender<Bytes, io::Error>;

/// A server whose bodies are what is sent to them.
async fn streaming(
    version: Version,
    fixture: Fixture,
) -> (Server, Arc<std::sync::Mutex<Vec<Sender>>>) {
    let senders = Arc::new(std::sync::Mutex::new(Vec::new()));
    let given = senders.clone();
    let answer = move || {
        let (sender, body) = Channel::new(1);
        given.lock().unwrap().push(sender);
        Response::new(Body::new(body))
    };
    (Server::start(version, fixture, answer).await, senders)
}

// F4: hundreds at once, and each ends once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_call_of_many_ends_once() {
    const CALLS: usize = 200;
    for version in BOTH {
        let turn = std::sync::atomic::AtomicUsize::new(0);
        let answer = move || match turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 4 {
            0 => announcing(8, pieces(vec![data("half"), data("half")])),
            1 => pieces(vec![data("half"), Err(io::Error::other("the disk"))]),
            2 => Response::new(Body::from("whole")),
            _ => pieces(vec![data("half"), data("half")]),
        };
        let server = Arc::new(Server::start(version, patient(), answer).await);
        let limit = Arc::new(Semaphore::new(20));
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..CALLS {
            let (server, limit) = (server.clone(), limit.clone());
            asking.spawn(async move {
                let _permit = limit.acquire_owned().await;
                server.read().await.is_some()
            });
        }
        let read = patiently(asking.join_all()).await;
        assert_eq!(read.iter().filter(|whole| **whole).count(), CALLS * 3 / 4);
        let (whole, broken) = (CALLS as u64 * 3 / 4, CALLS as u64 / 4);
        server.ends(whole, broken, 0).await;
    }
}
