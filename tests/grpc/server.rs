//! The breaker in a tonic server: around all services, one of them, or one method; what is on the wire;
//! and clients that go away (H3, H4, H5, A4).

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Body as _, Frame, Incoming},
    client::conn::http2,
    rt::Executor,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::AbortHandle};
use tonic::{
    Code, Status,
    service::Routes,
    transport::{Channel, Server},
};
use tonic_health::pb::health_client::HealthClient;
use tower::{Layer, ServiceBuilder};
use tower_breaker::{CircuitError, State};

use crate::{
    health::{Ledger, Running, Told, grpc, patient, told},
    sockets::{patiently, until},
    support::{Fixture, fragile, fragile_after_break},
    text::{TextClient, TextServer},
};

/// Both services behind one breaker.
fn behind(fixture: &Fixture, health: &Told) -> Running {
    both_behind(fixture, health, &TextServer::default())
}

fn both_behind(fixture: &Fixture, health: &Told, text: &TextServer) -> Running {
    let (health, text, layer) = (health.server(), text.clone(), grpc(fixture));
    Running::start(|incoming| {
        let server = Server::builder().layer(layer).add_service(health);
        server.add_service(text).serve_with_incoming(incoming)
    })
}

fn text(server: &Running) -> TextClient<Channel> {
    TextClient::new(server.endpoint().connect_lazy())
}

fn lines(lines: &[&str]) -> crate::text::Requests {
    let lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
    Box::pin(stream::iter(lines))
}

// ---- where it goes -----------------------------------------------------------------------------

// H4: all kinds of calls, by head and by trailers.
#[tokio::test]
async fn around_all_services_it_sees_every_call() {
    let fixture = patient();
    let server = behind(&fixture, &Told::new(&fixture));
    let (mut health, mut text) = (server.client(), text(&server));
    let mut ledger = Ledger::of(&fixture);

    for (code, letter) in (0..).zip("sffifiiiiiiiifffi".chars()).skip(1) {
        let status = patiently(health.check(told(&code.to_string()))).await;
        assert_eq!(status.expect_err("as told").code(), Code::from_i32(code));
        assert_eq!(ledger.since(&fixture), letter.to_string(), "code {code}");
    }
    patiently(health.check(told("message")))
        .await
        .expect("an answer");
    assert_eq!(ledger.since(&fixture), "s");

    for (script, letter) in [
        ("message message", "s"),
        ("message 14", "f"),
        ("message 5", "i"),
    ] {
        let stream = patiently(health.watch(told(script))).await;
        let stream = stream.expect("a stream").into_inner();
        patiently(stream.collect::<Vec<_>>()).await;
        assert_eq!(ledger.since(&fixture), letter, "{script}");
    }

    let all = patiently(text.collect(lines(&["a", "b"]))).await;
    assert_eq!(all.expect("text"), "ab");
    assert_eq!(ledger.since(&fixture), "s");
    patiently(text.collect(lines(&["a", "13"])))
        .await
        .expect_err("as told");
    assert_eq!(ledger.since(&fixture), "f");
    for (said, letter) in [(["a", "b"], "s"), (["a", "13"], "f"), (["a", "5"], "i")] {
        let answers = patiently(text.chat(lines(&said))).await.expect("a chat");
        patiently(answers.collect::<Vec<_>>()).await;
        assert_eq!(ledger.since(&fixture), letter, "{said:?}");
    }
}

// H4, G4: one circuit for all services and connections, through a trip and a recovery.
#[tokio::test]
async fn around_all_services_it_rejects_every_call() {
    let fixture = fragile(|circuit| circuit);
    let health = Told::new(&fixture);
    let server = behind(&fixture, &health);
    patiently(server.client().check(told("14")))
        .await
        .expect_err("unavailable");
    let rejected = patiently(text(&server).collect(lines(&["a"]))).await;
    let status = rejected.expect_err("a rejection");
    assert_eq!(status.message(), "the circuit is open");
    let pushback = status.metadata().get("grpc-retry-pushback-ms");
    assert_eq!(pushback.expect("a time"), "5000");

    fixture.wait_out();
    patiently(text(&server).collect(lines(&["a"])))
        .await
        .expect("a probe");
    patiently(server.client().check(told("message")))
        .await
        .expect("an answer");
    assert_eq!(health.entered(), 2);
    fixture.tells(&[
        "closed -> open: 1 failure, open for 5s",
        "open -> half-open: the wait is over, the next call is a probe",
        "half-open -> closed: the probes succeeded",
    ]);
}

// H4
#[tokio::test]
async fn around_one_service_it_leaves_the_others_alone() {
    let fixture = fragile(|circuit| circuit);
    let health = grpc(&fixture).layer(Told::new(&fixture).server());
    let server = Running::start(|incoming| {
        let server = Server::builder().add_service(health);
        let server = server.add_service(TextServer::default());
        server.serve_with_incoming(incoming)
    });
    patiently(server.client().check(told("14")))
        .await
        .expect_err("unavailable");
    patiently(server.client().check(told("message")))
        .await
        .expect_err("a rejection");
    patiently(text(&server).collect(lines(&["13"])))
        .await
        .expect_err("as told");
    patiently(text(&server).collect(lines(&["a"])))
        .await
        .expect("text");
    let totals = fixture.totals();
    assert_eq!((totals.failed, totals.rejected, totals.ended()), (1, 1, 1));
}

// H4: a route for the method goes before that of its service.
#[tokio::test]
async fn around_one_method_it_leaves_the_others_alone() {
    let fixture = fragile(|circuit| circuit);
    let health = Told::new(&fixture).server();
    let check = grpc(&fixture).layer(health.clone());
    let router = Routes::new(health).into_axum_router();
    let router = router.route_service("/grpc.health.v1.Health/Check", check);
    let server = Running::start(|incoming| {
        let server = Server::builder().add_routes(Routes::from(router));
        server.serve_with_incoming(incoming)
    });
    let mut client = server.client();
    patiently(client.watch(told("head 14")))
        .await
        .expect_err("unavailable");
    fixture.is(State::Closed);
    patiently(client.check(told("14")))
        .await
        .expect_err("unavailable");
    fixture.is(State::Open);
    patiently(client.check(told("message")))
        .await
        .expect_err("a rejection");
    patiently(client.watch(told("message")))
        .await
        .expect("a stream");
    assert_eq!(fixture.totals().ended(), 1);
}

// ---- on the wire -------------------------------------------------------------------------------

/// A client that knows of no gRPC.
struct Raw {
    sender: http2::SendRequest<Requests>,
    tasks: Tasks,
}

type Requests = BoxBody<Bytes, Infallible>;

/// All tasks of a client, to be ended without a word to its server.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<Vec<AbortHandle>>>);

impl<F> Executor<F> for Tasks
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        let handle = tokio::spawn(task).abort_handle();
        self.0.lock().expect("a list").push(handle);
    }
}

impl Tasks {
    fn vanish(&self) {
        let tasks = self.0.lock().expect("a list");
        tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Raw {
    async fn connect(server: &Running) -> Self {
        let stream = TcpStream::connect(server.address)
            .await
            .expect("a connection");
        let tasks = Tasks::default();
        let handshake = http2::handshake(tasks.clone(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.expect("HTTP/2");
        tasks.execute(connection);
        Self { sender, tasks }
    }

    /// Without a word to the server.
    fn vanish(self) {
        self.tasks.vanish();
    }

    /// `script` goes into field 1 of the message, which is text.
    async fn call(&mut self, server: &Running, method: &str, script: &str) -> Response<Incoming> {
        let length = u8::try_from(script.len()).expect("a short script");
        let mut message = vec![0, 0, 0, 0, length + 2, 0x0a, length];
        message.extend(script.as_bytes());
        let method = format!("grpc.health.v1.Health/{method}");
        let response = self.send(server, &method, Full::from(message).boxed());
        patiently(response).await.expect("a response")
    }

    async fn send(
        &mut self,
        server: &Running,
        method: &str,
        body: Requests,
    ) -> Result<Response<Incoming>, hyper::Error> {
        let request = Request::post(format!("http://{}/{method}", server.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(body)
            .expect("a request");
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }
}

// H4: "a trailers-only response with `grpc-status: 14`".
#[tokio::test]
async fn a_rejection_is_one_head_that_ends_the_stream() {
    let fixture = fragile(|circuit| circuit);
    fixture.play("f");
    let server = behind(&fixture, &Told::new(&fixture));
    let mut raw = Raw::connect(&server).await;
    for method in ["Check", "Watch"] {
        let response = raw.call(&server, method, "message").await;
        assert!(response.body().is_end_stream());
        assert_eq!(response.status(), StatusCode::OK);
        let mut headers = response.headers().clone();
        assert!(headers.remove("date").is_some());
        let mut lines: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
            .collect();
        lines.sort();
        assert_eq!(
            lines,
            [
                "content-type: application/grpc",
                "grpc-message: the circuit is open",
                "grpc-retry-pushback-ms: 5000",
                "grpc-status: 14",
            ]
        );
    }
    fixture.circuit.force_open();
    let response = raw.call(&server, "Check", "message").await;
    assert!(!response.headers().contains_key("grpc-retry-pushback-ms"));
}

// H5: trailers pass untouched.
#[tokio::test]
async fn messages_and_trailers_pass_as_they_are() {
    let fixture = patient();
    let server = behind(&fixture, &Told::new(&fixture));
    let mut raw = Raw::connect(&server).await;
    let response = raw
        .call(&server, "Watch", "message message pushback=7 14")
        .await;
    assert!(!response.headers().contains_key("grpc-status"));
    let body = patiently(response.into_body().collect())
        .await
        .expect("a body");
    let trailers = body.trailers().expect("trailers").clone();
    assert_eq!(trailers["grpc-status"], "14");
    assert_eq!(trailers["grpc-message"], "as%20told");
    assert_eq!(trailers["grpc-retry-pushback-ms"], "7");
    assert_eq!(body.to_bytes(), [[0, 0, 0, 0, 2, 8, 1]; 2].concat());
}

// ---- clients that go away ----------------------------------------------------------------------

// A4, H5
#[tokio::test]
async fn a_client_that_cancels_fails_nothing() {
    let fixture = patient();
    let health = Told::new(&fixture);
    let server = behind(&fixture, &health);
    let mut client = server.client();
    let mut ledger = Ledger::of(&fixture);

    // Before the head.
    let call = tokio::spawn({
        let mut client = client.clone();
        async move { client.check(told("hang")).await.map(|_| ()) }
    });
    until(|| health.entered() == 1).await;
    call.abort();
    until(|| fixture.totals().ended() == 1).await;
    assert_eq!(ledger.since(&fixture), "d");

    // In the middle of a stream.
    let stream = patiently(client.watch(told("message hang"))).await;
    let mut stream = stream.expect("a stream").into_inner();
    patiently(stream.message())
        .await
        .expect("alive")
        .expect("a message");
    drop(stream);
    until(|| fixture.totals().ended() == 2).await;
    assert_eq!(ledger.since(&fixture), "s");
    until(|| health.left() == 2).await;
}

// A4, H5: with its connection.
#[tokio::test]
async fn a_client_that_vanishes_fails_nothing() {
    let fixture = patient();
    let health = Told::new(&fixture);
    let server = behind(&fixture, &health);
    let mut ledger = Ledger::of(&fixture);
    for calls in 1..=3 {
        let mut raw = Raw::connect(&server).await;
        let response = raw.call(&server, "Watch", "message hang").await;
        let mut body = response.into_body();
        patiently(body.frame())
            .await
            .expect("a message")
            .expect("alive");
        raw.vanish();
        drop(body);
        until(|| fixture.totals().ended() == calls).await;
        assert_eq!(ledger.since(&fixture), "s");
    }
}

// A4: and before there is a head.
#[tokio::test]
async fn a_client_that_vanishes_before_the_head_says_nothing_of_the_server() {
    let fixture = patient();
    let health = Told::new(&fixture);
    let server = behind(&fixture, &health);
    let mut ledger = Ledger::of(&fixture);
    for calls in 1..=3 {
        let mut raw = Raw::connect(&server).await;
        let tasks = raw.tasks.clone();
        patiently(async {
            tokio::select! {
                answer = raw.call(&server, "Check", "hang") => panic!("answered: {answer:?}"),
                () = until(|| health.entered() == calls) => tasks.vanish(),
            }
        })
        .await;
        until(|| fixture.totals().ended() == calls).await;
        assert_eq!(ledger.since(&fixture), "d");
    }
}

// A4, D1
#[tokio::test]
async fn a_probe_whose_client_goes_away_gives_its_permit_back() {
    let fixture = fragile_after_break(|circuit| circuit);
    let health = Told::new(&fixture);
    let server = behind(&fixture, &health);
    for calls in 1..=3 {
        let mut raw = Raw::connect(&server).await;
        // The head has come, and no message.
        let response = raw.call(&server, "Watch", "hang").await;
        raw.vanish();
        drop(response);
        until(|| fixture.totals().abandoned == calls).await;
    }
    fixture.is(State::HalfOpen);
    patiently(server.client().check(told("message")))
        .await
        .expect("a probe");
    fixture.is(State::Closed);
    assert_eq!(fixture.totals().rejected, 0);
}

/// A stream of requests that goes on for ever, after one line of text.
fn endless() -> Requests {
    let line = Frame::data(Bytes::from_static(b"\0\0\0\0\x01a"));
    let lines = stream::iter([Ok(line)]).chain(stream::pending());
    BoxBody::new(StreamBody::new(lines))
}

/// A client that goes away while the handler waits for more of what it sends.
async fn goes_away_while_it_sends(with_its_connection: bool) -> String {
    let (fixture, text) = (patient(), TextServer::default());
    let server = both_behind(&fixture, &Told::new(&fixture), &text);
    let mut ledger = Ledger::of(&fixture);
    let mut raw = Raw::connect(&server).await;
    let tasks = raw.tasks.clone();
    let call = raw.send(&server, "test.Text/Collect", endless());
    patiently(async {
        tokio::select! {
            answer = call => panic!("answered: {answer:?}"),
            () = until(|| text.read() == 1) => {}
        }
    })
    .await;
    if with_its_connection {
        tasks.vanish();
    }
    until(|| fixture.totals().ended() == 1).await;
    ledger.since(&fixture)
}

// A4
#[tokio::test]
async fn a_client_that_cancels_while_it_sends_says_nothing_of_the_server() {
    assert_eq!(goes_away_while_it_sends(false).await, "d");
}

// H4: a handler that reads from a broken connection is told so, and may answer before it is dropped. What it
// says is what counts, and tonic's error for that is unknown.
#[tokio::test]
async fn what_counts_of_a_connection_that_breaks_while_it_sends_is_what_the_handler_says() {
    assert_eq!(goes_away_while_it_sends(true).await, "f");
}

// ---- the mark ----------------------------------------------------------------------------------

// H3: around all services, and around one of them.
#[tokio::test]
async fn an_outer_breaker_ignores_the_rejections_of_an_inner_one() {
    let (outer, inner) = (patient(), fragile(|circuit| circuit));
    inner.circuit.force_open();
    let health = Told::new(&inner);
    let (service, layer) = (grpc(&inner).layer(health.server()), grpc(&outer));
    let server = Running::start(|incoming| {
        let server = Server::builder().layer(layer).add_service(service);
        server.serve_with_incoming(incoming)
    });
    let mut ledger = Ledger::of(&outer);
    patiently(server.client().check(told("message")))
        .await
        .expect_err("a rejection");
    assert_eq!(ledger.since(&outer), "i");
    // Over the wire there is no mark: to a client, the server is not available.
    let mut client = server.guarded_client(&outer);
    patiently(client.check(told("message")))
        .await
        .expect_err("a rejection");
    assert_eq!(ledger.since(&outer), "fi");
    inner.circuit.release();
    patiently(client.check(told("14")))
        .await
        .expect_err("unavailable");
    assert_eq!(ledger.since(&outer), "ff");
}

// A3: with the bodies of requests observed, around all services; the bodies of responses are, too.
#[tokio::test]
async fn a_server_observes_the_bodies_of_requests_if_asked_to() {
    let fixture = patient();
    let health = Told::new(&fixture);
    let layer = grpc(&fixture).observe_request_bodies(tonic::body::Body::new);
    let server = Running::start(|incoming| {
        let server = Server::builder().layer(layer).add_service(health.server());
        server.serve_with_incoming(incoming)
    });
    let mut ledger = Ledger::of(&fixture);
    let mut client = server.client();
    patiently(client.check(told("message")))
        .await
        .expect("fine");
    assert_eq!(ledger.since(&fixture), "s");
    patiently(client.check(told("14")))
        .await
        .expect_err("unavailable");
    assert_eq!(ledger.since(&fixture), "f");
}

/// A health service that asks a dependency, through a circuit.
#[derive(Clone)]
struct Asking {
    circuit: tower_breaker::Circuit,
}

#[tonic::async_trait]
impl tonic_health::pb::health_server::Health for Asking {
    type WatchStream = stream::Empty<Result<tonic_health::pb::HealthCheckResponse, Status>>;

    async fn check(
        &self,
        _: tonic::Request<tonic_health::pb::HealthCheckRequest>,
    ) -> Result<tonic::Response<tonic_health::pb::HealthCheckResponse>, Status> {
        let asked = async { Ok::<_, Status>(crate::health::serving()) };
        let answer = self.circuit.call(asked).await;
        answer
            .map(tonic::Response::new)
            .map_err(|error| match error {
                CircuitError::Rejected(rejected) => rejected.into(),
                CircuitError::TimedOut(timed_out) => timed_out.into(),
                CircuitError::Inner(status) => status,
            })
    }

    async fn watch(
        &self,
        _: tonic::Request<tonic_health::pb::HealthCheckRequest>,
    ) -> Result<tonic::Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("nobody watches"))
    }
}

// H3: a handler that passes a rejection on.
#[tokio::test]
async fn a_rejection_that_a_handler_passes_on_is_ignored() {
    let (outer, inner) = (patient(), fragile(|circuit| circuit));
    let asking = Asking {
        circuit: inner.circuit.clone(),
    };
    let layers = ServiceBuilder::new().layer(grpc(&outer));
    let server = Running::start(|incoming| {
        let health = tonic_health::pb::health_server::HealthServer::new(asking);
        let server = Server::builder().layer(layers).add_service(health);
        server.serve_with_incoming(incoming)
    });
    let mut ledger = Ledger::of(&outer);
    let mut client: HealthClient<Channel> = server.client();
    patiently(client.check(told(""))).await.expect("an answer");
    assert_eq!(ledger.since(&outer), "s");
    inner.circuit.force_open();
    let status = patiently(client.check(told("")))
        .await
        .expect_err("a rejection");
    assert_eq!(status.message(), "the circuit is forced open");
    assert_eq!(ledger.since(&outer), "i");
}
