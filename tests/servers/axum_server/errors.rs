//! Behind axum's `HandleErrorLayer`: a timeout inside of the breaker, rejections as errors, and who
//! sees what (rules A1, H1, H2 and H3).
//!
//! The time limit is the shortest there is. It is no race: a handler that answers at once is heard
//! before the limit is looked at, and one that hangs, hangs for ever.

use axum::{
    BoxError,
    error_handling::HandleErrorLayer,
    http::header::RETRY_AFTER,
    response::{IntoResponse, Response},
};
use tower::timeout::{TimeoutLayer, error::Elapsed};
use tower_breaker::{CircuitError, Rejected, reject::RejectAsBoxError};

use super::*;

fn time_limit() -> TimeoutLayer {
    TimeoutLayer::new(millis(1))
}

fn boxing(
    circuit: &Fixture,
) -> CircuitBreakerLayer<tower_breaker::classify::HttpClassifier, RejectAsBoxError> {
    layer(circuit).reject_as_box_error()
}

/// Says what went wrong, and marks a rejection as one.
async fn explain(error: BoxError) -> Response {
    match Rejected::find(&*error) {
        Some(rejected) => rejected.clone().mark_response(refusal(rejected)),
        None if error.is::<Elapsed>() => StatusCode::GATEWAY_TIMEOUT.into_response(),
        None => StatusCode::IM_A_TEAPOT.into_response(),
    }
}

fn refusal(rejected: &Rejected) -> Response {
    let seconds = rejected.retry_after_secs().expect("a break that ends");
    let headers = [(RETRY_AFTER, seconds.to_string())];
    (
        StatusCode::SERVICE_UNAVAILABLE,
        headers,
        rejected.to_string(),
    )
        .into_response()
}

/// A route that answers at once and one that never does, behind `stack`.
async fn behind<L>(stack: L) -> (Server, Browser)
where
    L: Layer<axum::routing::Route> + Clone + Send + Sync + 'static,
    L::Service: tower::Service<
            axum::extract::Request,
            Response: IntoResponse,
            Error = Infallible,
            Future: Send,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    let router = Router::new()
        .route("/ok", get(|| async { "fine" }))
        .route("/hang", get(std::future::pending::<()>))
        .layer(stack);
    let server = Server::axum(router).await;
    let browser = Browser::new(Version::Http1, &server);
    (server, browser)
}

/// Trips it with three answers of `status` to calls that hang, and sees it recover.
async fn trips_and_recovers(browser: &Browser, circuit: &Fixture, explanation: &str) {
    for _ in 0..3 {
        assert_eq!(browser.status("/hang").await, 504);
    }
    circuit.tells(&["closed -> open: 3 consecutive failures, open for 5s"]);
    let rejection = browser.get("/ok").await;
    assert_eq!((rejection.status, rejection.retry_after), (503, Some(5)));
    assert_eq!(rejection.body, explanation);
    circuit.wait_out();
    let answer = browser.get("/ok").await;
    assert_eq!((answer.status, &*answer.body), (200, &b"fine"[..]));
    circuit.is(CircuitState::Closed);
}

const EXPLANATION: &str = "circuit `payments` is open: 3 consecutive failures";

// A1, H2: one boxed error for everything that can go wrong, handled in one place.
#[tokio::test]
async fn rejections_and_timeouts_are_handled_as_boxed_errors() {
    let circuit = three_failures();
    let stack = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(explain))
        .layer(boxing(&circuit))
        .layer(time_limit());
    let (_server, browser) = behind(stack).await;
    trips_and_recovers(&browser, &circuit, EXPLANATION).await;
}

// A1, H2: the same, with the two kept apart by their type.
#[tokio::test]
async fn rejections_and_timeouts_are_handled_as_circuit_errors() {
    async fn explain_either(error: CircuitError<BoxError>) -> Response {
        match error {
            CircuitError::Rejected(rejected) => refusal(&rejected),
            CircuitError::TimedOut(_) => panic!("no probe is limited"),
            CircuitError::Inner(error) => explain(error).await,
        }
    }
    let circuit = three_failures();
    let stack = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(explain_either))
        .layer(layer(&circuit).reject_as_error())
        .layer(time_limit());
    let (_server, browser) = behind(stack).await;
    trips_and_recovers(&browser, &circuit, EXPLANATION).await;
}

// A1, H1: the default rejection is a response, so the handler never hears of it.
#[tokio::test]
async fn a_rejection_that_is_a_response_passes_the_error_handler_by() {
    async fn only_timeouts(error: BoxError) -> StatusCode {
        assert!(error.is::<Elapsed>(), "{error}");
        StatusCode::GATEWAY_TIMEOUT
    }
    let circuit = three_failures();
    let stack = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(only_timeouts))
        .layer(layer(&circuit))
        .layer(time_limit());
    let (_server, browser) = behind(stack).await;
    trips_and_recovers(&browser, &circuit, "").await;
}

// H1: nothing else in the stack can fail, and a rejection as an error still needs its handler.
#[tokio::test]
async fn a_rejection_as_an_error_is_handled_where_nothing_else_can_fail() {
    async fn handle(error: CircuitError<Infallible>) -> Response {
        refusal(error.rejected().expect("nothing else can go wrong"))
    }
    let circuit = three_failures();
    let stack = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(handle))
        .layer(layer(&circuit).reject_as_error());
    let (_server, browser) = behind(stack).await;

    assert_eq!(browser.status("/ok").await, 200);
    circuit.play("f f f");
    assert_eq!(browser.get("/ok").await.body, EXPLANATION);
}

// A1: around the handler, the breaker knows nothing but the status that the handler chose.
#[tokio::test]
async fn around_the_error_handler_its_status_decides() {
    for (status, outcome) in [
        (StatusCode::GATEWAY_TIMEOUT, "fails"),
        (StatusCode::REQUEST_TIMEOUT, "is ignored"),
    ] {
        let circuit = three_failures();
        let stack = ServiceBuilder::new()
            .layer(layer(&circuit))
            .layer(HandleErrorLayer::new(
                move |_: BoxError| async move { status },
            ))
            .layer(time_limit());
        let (_server, browser) = behind(stack).await;

        for _ in 0..3 {
            assert_eq!(browser.status("/hang").await, status);
        }
        let totals = circuit.totals();
        match outcome {
            "fails" => assert_eq!((totals.failed, totals.ignored), (3, 0)),
            _ => assert_eq!((totals.failed, totals.ignored), (0, 3)),
        }
    }
}

// H3: a handler that marks its answer keeps an outer circuit out of it; one that does not blames it.
#[tokio::test]
async fn a_rejection_that_was_handled_stays_recognisable_if_marked() {
    async fn without_a_mark(error: BoxError) -> Response {
        refusal(Rejected::find(&*error).expect("a rejection"))
    }
    let (inner, outer) = (three_failures(), three_failures());
    inner.play("f f f");
    let marked = ServiceBuilder::new()
        .layer(layer(&outer))
        .layer(HandleErrorLayer::new(explain))
        .layer(boxing(&inner));
    let (_server, browser) = behind(marked).await;
    assert_eq!(browser.get("/ok").await.body, EXPLANATION);
    assert_eq!((outer.totals().failed, outer.totals().ignored), (0, 1));

    let unmarked = ServiceBuilder::new()
        .layer(layer(&outer))
        .layer(HandleErrorLayer::new(without_a_mark))
        .layer(boxing(&inner));
    let (_server, browser) = behind(unmarked).await;
    assert_eq!(browser.get("/ok").await.body, EXPLANATION);
    assert_eq!((outer.totals().failed, outer.totals().ignored), (1, 1));
}
