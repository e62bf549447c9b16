//! Clients that vanish, before a service of hyper's own requests and bodies (rules A1, A4 and D1).
//! All stages of a call are gone through under axum, which is served by hyper too; here is what a
//! service without extractors makes of them.

use crate::sockets::{Version, until};
use crate::visitors::{Visitor, vanish_in_the_head};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use tower::{BoxError, buffer::Buffer};

use super::*;

/// What a service makes of a body that ends too early.
#[derive(Clone, Copy)]
enum Manner {
    /// `?`: its own error.
    Errs,
    /// A 400: the client's.
    Answers,
}

/// Reads the request to its end, then asks the dependency.
#[derive(Clone)]
struct Reader(Dependency, Manner);

impl Service<Request<Incoming>> for Reader {
    type Response = Answer;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Answer, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let Self(dependency, manner) = self.clone();
        Box::pin(async move {
            let status = dependency.call().await;
            match (request.into_body().collect().await, manner) {
                (Ok(_), _) => Ok(answer(status)),
                (Err(error), Manner::Errs) => Err(error.into()),
                (Err(_), Manner::Answers) => Ok(answer(StatusCode::BAD_REQUEST)),
            }
        })
    }
}

struct Stage {
    version: Version,
    circuit: Fixture,
    dependency: Dependency,
    server: Server,
}

impl Stage {
    /// Half-open, with one place for a probe.
    async fn new(version: Version, manner: Manner, buffered: bool) -> Self {
        let (circuit, dependency) = (three_failures(), Dependency::new());
        circuit.play("f f f");
        circuit.wait_out();
        circuit.told();
        let reader = Reader(dependency.clone(), manner);
        let breaker = CircuitBreakerLayer::new(circuit.circuit.clone()).layer(reader);
        let server = match buffered {
            true => {
                let buffer = Buffer::new(breaker, 8);
                Server::hyper(move || buffer.clone()).await
            }
            false => Server::hyper(move || breaker.clone()).await,
        };
        Self {
            version,
            circuit,
            dependency,
            server,
        }
    }

    /// A client is gone in the middle of its own body.
    async fn one_vanishes_in_its_body(&self) {
        let mut visitor = Visitor::come(self.version, &self.server).await;
        let _open = visitor.ask_half("/").await;
        until(|| self.dependency.entered() == 1).await;
        visitor.vanish();
    }

    /// A client is gone while it waits for its answer.
    async fn one_vanishes_before_its_answer(&self) {
        self.dependency.hold();
        let mut visitor = Visitor::come(self.version, &self.server).await;
        let _asked = visitor.ask("/");
        until(|| self.dependency.entered() == 1).await;
        self.circuit.is(State::HalfOpen);
        visitor.vanish();
        until(|| self.circuit.totals().abandoned == 1).await;
        self.dependency.let_go();
    }

    async fn recovers(&self) {
        let browser = Browser::new(self.version, &self.server);
        assert_eq!(browser.status("/").await, 200);
        self.circuit.tells(&[
            "open -> half-open: the wait is over, the next call is a probe",
            "half-open -> closed: the probes succeeded",
        ]);
        assert_eq!(self.circuit.totals().failed, 3);
    }
}

// G3
#[tokio::test]
async fn before_the_request_is_whole_there_is_no_call() {
    for version in BOTH {
        let stage = Stage::new(version, Manner::Errs, false).await;
        vanish_in_the_head(version, &stage.server).await;
        stage.circuit.is(State::Open);
        assert_eq!(stage.dependency.entered(), 0);
        stage.recovers().await;
    }
}

// A4, D1: with and without a buffer that carries the call.
#[tokio::test]
async fn before_the_response_a_client_gives_its_probe_back() {
    for version in BOTH {
        for buffered in [false, true] {
            let stage = Stage::new(version, Manner::Errs, buffered).await;
            stage.one_vanishes_before_its_answer().await;
            stage.recovers().await;
        }
    }
}

// A2: a client that left in the middle of its request is answered with a 400, though nobody hears it.
#[tokio::test]
async fn a_service_that_answers_400_to_a_broken_body_blames_nobody() {
    for version in BOTH {
        let stage = Stage::new(version, Manner::Answers, false).await;
        stage.one_vanishes_in_its_body().await;
        let totals = || stage.circuit.totals();
        until(|| totals().successful + totals().abandoned == 1).await;
        stage.recovers().await;
    }
}

// A1: to the default classifier an error is an error, whoever caused it.
#[tokio::test]
async fn a_service_that_errs_with_the_broken_body_blames_itself() {
    for version in BOTH {
        let stage = Stage::new(version, Manner::Errs, false).await;
        stage.one_vanishes_in_its_body().await;
        until(|| stage.circuit.totals().failed == 4).await;
        stage.circuit.tells(&[
            "open -> half-open: the wait is over, the next call is a probe",
            "half-open -> open: a probe failed, open for 5s",
        ]);
    }
}

/// A response that has begun and does not end.
type Endless = http_body_util::channel::Channel<Bytes, Infallible>;

// A3, A4: the head has decided, and who leaves after it decides nothing.
#[tokio::test]
async fn in_the_middle_of_the_response_the_call_has_succeeded() {
    for version in BOTH {
        let circuit = three_failures();
        let (told, mut bodies) = tokio::sync::mpsc::unbounded_channel();
        let layer = CircuitBreakerLayer::new(circuit.circuit.clone())
            .reject_with(|_| Response::new(Endless::new(1).1))
            .without_time_out_answer();
        let handler = move |_: Request<Incoming>| {
            let (body, endless) = Endless::new(1);
            told.send(body).expect("a listener");
            async { Ok::<_, Infallible>(Response::new(endless)) }
        };
        let server = Server::hyper(move || layer.layer(service_fn(handler.clone()))).await;

        let mut visitor = Visitor::come(version, &server).await;
        let tasting = visitor.taste("/");
        let serving = async {
            let mut body = bodies.recv().await.expect("a body");
            let first = body.send_data(Bytes::from_static(b"a beginning"));
            first.await.expect("a reader");
            body
        };
        let ((status, _body), mut body) = tokio::join!(tasting, serving);
        assert_eq!((status, circuit.totals().successful), (200, 1));
        visitor.vanish();
        // What is sent is dropped with the body that would have carried it.
        crate::sockets::patiently(async {
            while body.send_data(Bytes::from_static(b"more")).await.is_ok() {}
        })
        .await;
        let totals = circuit.totals();
        assert_eq!(
            (totals.successful, totals.failed, totals.abandoned),
            (1, 0, 0)
        );
    }
}
