//! Clients that vanish, at every stage of a call, while theirs is the only probe: no permit is
//! leaked, nobody is blamed, and the circuit recovers (rules A4, D1 and G5).

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::visitors::{Visitor, vanish_in_the_head};
use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request, rejection::BytesRejection},
};
use futures_util::{StreamExt, stream};
use tower_breaker::AbandonedPolicy;

use super::*;
use crate::support::{NANO, SLOW};

/// Reads the body as an extractor does, and refuses as it does.
async fn upload(
    State(dependency): State<Dependency>,
    request: Request,
) -> Result<StatusCode, BytesRejection> {
    let status = dependency.call().await;
    Bytes::from_request(request, &()).await.map(|_| status)
}

/// Takes all that goes wrong for a fault of the server.
async fn blame(
    State(dependency): State<Dependency>,
    request: Request,
) -> Result<StatusCode, StatusCode> {
    let status = dependency.call().await;
    let body = Bytes::from_request(request, &()).await;
    body.map_or(Err(StatusCode::INTERNAL_SERVER_ERROR), |_| Ok(status))
}

/// How many bodies the server has let go of.
#[derive(Clone, Default)]
struct Bodies(Arc<AtomicU64>);

impl Drop for Bodies {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Stage {
    version: Version,
    circuit: Fixture,
    dependency: Dependency,
    bodies_dropped: Arc<AtomicU64>,
    server: Server,
    browser: Browser,
}

impl Stage {
    /// One probe at a time may come.
    async fn half_open(version: Version, circuit: Fixture) -> Self {
        let stage = Self::closed(version, circuit).await;
        stage.circuit.play("f f f");
        stage.circuit.wait_out();
        stage.circuit.told();
        stage
    }

    async fn closed(version: Version, circuit: Fixture) -> Self {
        let dependency = Dependency::new();
        let bodies_dropped = Arc::new(AtomicU64::new(0));
        let count = bodies_dropped.clone();
        let endless = move || async move { endless(Bodies(count)) };
        let router = routes(&dependency)
            .merge(uploads(&dependency))
            .route("/endless", get(endless))
            .layer(layer(&circuit));
        let server = Server::axum(router).await;
        Self {
            version,
            circuit,
            dependency,
            bodies_dropped,
            browser: Browser::new(version, &server),
            server,
        }
    }

    async fn visitor(&self) -> Visitor {
        Visitor::come(self.version, &self.server).await
    }

    /// Somebody is inside and holds the only permit.
    async fn is_full(&self) {
        until(|| self.dependency.entered() == 1).await;
        assert_eq!(self.browser.get("/ok").await.retry_after, Some(1));
        self.circuit.is(CircuitState::HalfOpen);
    }

    /// The next one in is a probe, and closes the circuit.
    async fn recovers(&self) {
        assert_eq!(self.browser.status("/ok").await, 200);
        self.circuit.tells(&[
            "open -> half-open: the wait is over, the next call is a probe",
            "half-open -> closed: the probes succeeded",
        ]);
    }

    /// Calls that ended without a word about the dependency.
    fn neutral(&self) -> u64 {
        let totals = self.circuit.totals();
        totals.ignored + totals.abandoned
    }

    /// Calls that were dropped, or answered all the same, which a probe takes for a sign of life.
    fn unblamed(&self) -> u64 {
        self.neutral() + self.circuit.totals().successful
    }
}

fn uploads(dependency: &Dependency) -> Router {
    Router::new()
        .route("/upload", post(upload))
        .route("/blame", post(blame))
        .with_state(dependency.clone())
}

/// A body with a beginning and no end.
fn endless(counted: Bodies) -> Body {
    let chunks =
        stream::once(async { Ok::<_, Infallible>("a beginning") }).chain(stream::pending());
    Body::from_stream(chunks.inspect(move |_| _ = &counted))
}

// A4, G3: there is no call yet, and no permit to give back.
#[tokio::test]
async fn before_the_request_is_whole_there_is_no_call() {
    for version in BOTH {
        let stage = Stage::half_open(version, three_failures()).await;
        for _ in 0..3 {
            vanish_in_the_head(version, &stage.server).await;
        }
        assert_eq!(stage.server.connections(), 3);
        assert_eq!((stage.dependency.entered(), stage.neutral()), (0, 0));
        stage.circuit.is(CircuitState::Open);
        stage.recovers().await;
    }
}

// A2, A4: what an extractor makes of it is a 400, if hyper lets it speak at all.
#[tokio::test]
async fn in_the_middle_of_its_body_a_client_holds_no_probe() {
    for version in BOTH {
        let stage = Stage::half_open(version, three_failures()).await;
        let mut visitor = stage.visitor().await;
        let _open = visitor.ask_half("/upload").await;
        stage.is_full().await;
        visitor.vanish();
        until(|| stage.unblamed() == 1).await;
        assert_eq!(stage.circuit.totals().failed, 3);
        stage.recovers().await;
    }
}

// A2, A4: a body that is given up, over HTTP/2 on a connection that stays.
#[tokio::test]
async fn a_body_that_is_given_up_holds_no_probe() {
    for version in BOTH {
        let stage = Stage::half_open(version, three_failures()).await;
        let mut visitor = stage.visitor().await;
        let (rest, asked) = visitor.ask_half("/upload").await;
        stage.is_full().await;
        rest.abort(std::io::Error::other("changed my mind"));
        until(|| stage.unblamed() == 1).await;
        drop(asked);
        assert_eq!(stage.circuit.totals().failed, 3);
        stage.recovers().await;
    }
}

// A4, D1: hyper drops the call with the connection.
#[tokio::test]
async fn before_the_response_a_client_gives_its_probe_back() {
    for version in BOTH {
        let stage = Stage::half_open(version, three_failures()).await;
        stage.dependency.hold();
        let mut visitor = stage.visitor().await;
        let _asked = visitor.ask("/ok");
        stage.is_full().await;
        visitor.vanish();
        until(|| stage.circuit.totals().abandoned == 1).await;
        assert_eq!(stage.circuit.totals().failed, 3);
        stage.dependency.let_go();
        stage.recovers().await;
    }
}

// A3, A4: the head has decided, and who leaves after it decides nothing.
#[tokio::test]
async fn in_the_middle_of_the_response_the_probe_has_succeeded() {
    for version in BOTH {
        let stage = Stage::half_open(version, three_failures()).await;
        let mut visitor = stage.visitor().await;
        let (status, _body) = visitor.taste("/endless").await;
        assert_eq!(status, 200);
        stage.circuit.is(CircuitState::Closed);
        assert_eq!(stage.bodies_dropped.load(Ordering::SeqCst), 0);

        visitor.vanish();
        until(|| stage.bodies_dropped.load(Ordering::SeqCst) == 1).await;
        assert_eq!(stage.circuit.totals().successful, 1);
        assert_eq!(stage.neutral(), 0);
        stage.recovers().await;
    }
}

// A4: one who had waited too long was an outer timeout giving up.
#[tokio::test]
async fn a_client_that_waited_too_long_was_right_to_go() {
    for version in BOTH {
        let stage =
            Stage::half_open(version, watching_slow_calls(AbandonedPolicy::default())).await;
        give_up_after_a_slow_call(&stage).await;
        until(|| stage.circuit.totals().failed == 4).await;
        stage.circuit.tells(&[
            "open -> half-open: the wait is over, the next call is a probe",
            "half-open -> open: a probe failed, open for 5s",
        ]);
        stage.dependency.let_go();
    }
}

// A4: unless those who go are not to be listened to.
#[tokio::test]
async fn a_client_that_waited_too_long_may_be_ignored() {
    for version in BOTH {
        let stage = Stage::half_open(version, watching_slow_calls(AbandonedPolicy::Ignore)).await;
        give_up_after_a_slow_call(&stage).await;
        until(|| stage.circuit.totals().abandoned == 1).await;
        stage.dependency.let_go();
        stage.recovers().await;
    }
}

fn watching_slow_calls(abandoned: AbandonedPolicy) -> Fixture {
    let circuit = |c: tower_breaker::CircuitBuilder| c.consecutive_failures(3).open_for(secs(5));
    Fixture::new(|c| circuit(c).slow_call_duration(SLOW).abandoned(abandoned))
}

async fn give_up_after_a_slow_call(stage: &Stage) {
    stage.dependency.hold();
    let mut visitor = stage.visitor().await;
    let _asked = visitor.ask("/ok");
    until(|| stage.dependency.entered() == 1).await;
    stage.circuit.wait(SLOW + NANO);
    visitor.vanish();
}

// A1: the one way to be blamed for a client: an answer of one's own that says so.
#[tokio::test]
async fn a_handler_that_answers_500_to_a_broken_body_blames_the_dependency() {
    for version in BOTH {
        let stage = Stage::closed(version, three_failures()).await;
        for failed in 1..=3 {
            let mut visitor = stage.visitor().await;
            let _open = visitor.ask_half("/blame").await;
            until(|| stage.dependency.entered() == failed).await;
            visitor.vanish();
            until(|| stage.circuit.totals().failed == failed).await;
        }
        stage
            .circuit
            .tells(&["closed -> open: 3 consecutive failures, open for 5s"]);
    }
}
