//! Around hyper-util's client, over real sockets, against a server that misbehaves in every way a server
//! can: what each of them counts as, and that the circuit opens, leaves the server alone, probes and
//! closes again (rules A1, A4, C1, C4, D1, H3).

mod http2;

use std::{error::Error, future::Future, io, time::Duration};

use crate::misbehaving::{Misbehaving, Port, Turn};
use crate::support::{
    Fixture, NANO, SLOW, fragile, fragile_after_break, secs, three_failures, totals,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Empty, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper_util::{
    client::legacy::{self, Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{net::TcpStream, sync::mpsc, task::JoinHandle, time};
use tower::{
    BoxError, Service, ServiceBuilder, ServiceExt, service_fn, timeout::Timeout,
    timeout::error::Elapsed,
};
use tower_breaker::{
    CircuitBreaker, CircuitBreakerLayer, CircuitError, Outcome, Rejected, State, Totals,
    classify::HttpClassifier, reject::RejectAsError,
};

type Body = BoxBody<Bytes, io::Error>;
type Wire<C = HttpConnector> = Client<C, Body>;
type Guarded<C = HttpConnector> = CircuitBreaker<Wire<C>, HttpClassifier, RejectAsError>;
type Failed = CircuitError<legacy::Error>;

const CLOSED_TO_OPEN: &str = "closed -> open: 3 consecutive failures, open for 5s";
const PROBING: &str = "open -> half-open: the wait is over, the next call is a probe";
const PROBE_FAILED: &str = "half-open -> open: a probe failed, open for 5s";
const RECOVERED: &str = "half-open -> closed: the probes succeeded";

fn wire() -> Wire {
    Client::builder(TokioExecutor::new()).build_http()
}

/// The client, and a breaker directly around it.
fn guard<C: Clone>(fixture: &Fixture, client: Wire<C>) -> Guarded<C> {
    ServiceBuilder::new()
        .layer(CircuitBreakerLayer::new(fixture.circuit.clone()).reject_as_error())
        .service(client)
}

fn get(uri: Uri) -> Request<Body> {
    let nothing = Empty::new().map_err(|never| match never {});
    let request = Request::get(uri).body(nothing.boxed());
    request.expect("a request")
}

/// With a body of these frames, and then no end.
fn post(uri: Uri, frames: Vec<io::Result<&'static str>>) -> Request<Body> {
    let frames = frames
        .into_iter()
        .map(|frame| frame.map(|data| Frame::data(Bytes::from(data))));
    let body = StreamBody::new(stream::iter(frames).chain(stream::pending()));
    let request = Request::post(uri).body(BodyExt::boxed(body));
    request.expect("a request")
}

/// Waits for `future`, but not for ever.
async fn patiently<F: Future>(future: F) -> F::Output {
    let done = time::timeout(secs(60), future).await;
    done.expect("something hangs")
}

/// One call, from readiness to the head of its response.
async fn ask<S>(service: &S, uri: Uri) -> Result<Response<Incoming>, S::Error>
where
    S: Service<Request<Body>, Response = Response<Incoming>> + Clone,
{
    patiently(service.clone().oneshot(get(uri))).await
}

async fn ask_status<S>(service: &S, uri: Uri) -> Result<u16, S::Error>
where
    S: Service<Request<Body>, Response = Response<Incoming>> + Clone,
{
    let response = ask(service, uri).await?;
    let status = response.status().as_u16();
    // To the end, so that the connection can be used again.
    drop(read(response).await);
    Ok(status)
}

async fn read(response: Response<Incoming>) -> Result<Bytes, hyper::Error> {
    let body = patiently(response.into_body().collect()).await?;
    Ok(body.to_bytes())
}

/// One call that goes on by itself.
fn start<S>(service: &S, uri: Uri) -> JoinHandle<Result<Response<Incoming>, S::Error>>
where
    S: Service<Request<Body>, Response = Response<Incoming>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
{
    tokio::spawn(service.clone().oneshot(get(uri)))
}

async fn join<T>(task: JoinHandle<T>) -> T {
    patiently(task).await.expect("no panic")
}

async fn cancel<T>(task: JoinHandle<T>) {
    task.abort();
    let ended = patiently(task).await;
    assert!(ended.is_err_and(|error| error.is_cancelled()));
}

/// What is left when a server or a client has let a call down: who is to blame for it.
fn inner(result: Result<Response<Incoming>, Failed>) -> legacy::Error {
    let error = result.expect_err("an error");
    let error = error.into_inner();
    error.expect("an error of the client, not a rejection")
}

#[track_caller]
fn assert_rejected(result: Result<u16, Failed>) {
    let error = result.expect_err("a rejection");
    assert!(error.rejected().is_some(), "{error:?}");
}

/// So many of these, and none of any other kind.
#[track_caller]
fn ended(circuit: &Fixture, expected: Totals) {
    assert_eq!(circuit.totals_of_calls(), expected);
}

// ---- no head: a failure ------------------------------------------------------------------------

// A1, C1, D1, D2: the whole story, for each of them.
#[tokio::test]
async fn a_server_that_sends_no_head_opens_the_circuit_and_is_left_alone() {
    for (way, turn) in Turn::without_head() {
        println!("{way}");
        let circuit = three_failures();
        let server = Misbehaving::start(vec![turn]);
        // None of these holds is for the test.
        (0..4).for_each(|_| server.let_go());
        fails_opens_probes_and_recovers(&circuit, &server).await;
    }
}

async fn fails_opens_probes_and_recovers(circuit: &Fixture, server: &Misbehaving) {
    let client = guard(circuit, wire());
    let uri = server.uri();
    for _ in 0..3 {
        let error = inner(ask(&client, uri.clone()).await);
        assert!(!error.is_connect(), "{error:?}");
    }
    circuit.tells(&[CLOSED_TO_OPEN]);

    let asked = server.seen().connections;
    for _ in 0..3 {
        assert_rejected(ask_status(&client, uri.clone()).await);
    }
    assert_eq!(server.seen().connections, asked);

    circuit.wait_out();
    inner(ask(&client, uri.clone()).await);
    circuit.tells(&[PROBING, PROBE_FAILED]);
    assert_eq!(server.seen().connections, asked + 1);

    server.play(vec![Turn::ok()]);
    assert_rejected(ask_status(&client, uri.clone()).await);
    circuit.wait_out();
    assert_eq!(
        ask_status(&client, uri.clone()).await.expect("a probe"),
        200
    );
    circuit.tells(&[PROBING, RECOVERED]);
    assert_eq!(server.seen().connections, asked + 2);
    let expected =
        totals(|t| (t.successful, t.failed, t.rejected, t.rejected_by.open) = (1, 4, 4, 4));
    ended(circuit, expected);
}

// A1, C1: nobody listens, and while the circuit is open nobody tries.
#[tokio::test]
async fn refused_connections_open_the_circuit_and_are_not_tried_again() {
    let circuit = three_failures();
    let client = guard(&circuit, wire());
    let port = Port::reserve();
    let uri = port.uri();
    for _ in 0..3 {
        let error = inner(ask(&client, uri.clone()).await);
        assert!(error.is_connect(), "{error:?}");
    }
    circuit.tells(&[CLOSED_TO_OPEN]);

    let server = port.open(vec![Turn::ok()]);
    for _ in 0..3 {
        assert_rejected(ask_status(&client, uri.clone()).await);
    }
    assert_eq!(server.seen().connections, 0);

    circuit.wait_out();
    assert_eq!(ask_status(&client, uri).await.expect("a probe"), 200);
    circuit.tells(&[PROBING, RECOVERED]);
    assert_eq!(server.seen().connections, 1);
}

// A1: the break is the circuit's own, whatever the header says; it is not read by default (A7).
#[tokio::test]
async fn a_503_is_a_failure_whatever_its_retry_after_says() {
    let enormous = format!("retry-after: {}", "9".repeat(100_000));
    let lines: Vec<Vec<&[u8]>> = vec![
        vec![],
        vec![b"retry-after: 120"],
        vec![b"retry-after:"],
        vec![b"retry-after: soon"],
        vec![b"retry-after: -1"],
        vec![b"retry-after: 1.5"],
        vec![b"retry-after: \xff\xfe"],
        vec![b"retry-after: 18446744073709551616"],
        vec![enormous.as_bytes()],
        vec![b"retry-after: 1", b"retry-after: 1000000"],
        vec![b"retry-after: Fri, 31 Dec 1999 23:59:59 GMT"],
        vec![b"retry-after: Fri, 31 Dec 9999 23:59:59 GMT"],
    ];
    for lines in lines {
        let circuit = fragile(|c| c);
        let server = Misbehaving::start(vec![Turn::unavailable(&lines)]);
        let client = guard(&circuit, wire());
        let status = ask_status(&client, server.uri()).await.expect("an answer");
        assert_eq!(status, 503);
        circuit.tells(&["closed -> open: 1 failure, open for 5s"]);
        assert_rejected(ask_status(&client, server.uri()).await);
        assert_eq!(server.seen().requests, 1);
    }
}

/// A request that fails by the caller's own doing, before it is sent or while it is.
fn own_faults(server: &Misbehaving) -> [Request<Body>; 2] {
    let broken = vec![Ok("first"), Err(io::Error::other("the caller's own"))];
    [
        get(Uri::from_static("/no-host")),
        post(server.uri(), broken),
    ]
}

// A1: an error is an error, whoever is to blame.
#[tokio::test]
async fn a_request_that_could_not_be_sent_is_a_failure_too() {
    let server = Misbehaving::start(vec![Turn::slow_head()]);
    for request in own_faults(&server) {
        let circuit = fragile(|c| c);
        let client = guard(&circuit, wire());
        inner(patiently(client.oneshot(request)).await);
        circuit.is(State::Open);
    }
}

/// As the guide has it.
fn is_own_fault(error: &legacy::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    match cause {
        Some(cause) => hyper::Error::is_user(cause),
        None => !error.is_connect(),
    }
}

fn blame(result: Result<&Response<Incoming>, &legacy::Error>) -> Outcome {
    match result {
        Err(error) if is_own_fault(error) => Outcome::Ignored,
        Err(_) => Outcome::Failure,
        Ok(_) => Outcome::Success,
    }
}

// A1: a classifier can tell them apart.
#[tokio::test]
async fn a_classifier_can_tell_whose_fault_it_is() {
    let circuit = Fixture::new(|c| c.consecutive_failures(1_000));
    let layer = CircuitBreakerLayer::new(circuit.circuit.clone());
    let client = ServiceBuilder::new()
        .layer(layer.classify(blame).reject_as_error())
        .service(wire());

    let server = Misbehaving::start(vec![Turn::slow_head()]);
    for request in own_faults(&server) {
        inner(patiently(client.clone().oneshot(request)).await);
    }
    ended(&circuit, totals(|t| t.ignored = 2));

    inner(ask(&client, Port::reserve().uri()).await);
    for (_, turn) in Turn::without_head() {
        let server = Misbehaving::start(vec![turn]);
        server.let_go();
        inner(ask(&client, server.uri()).await);
    }
    let failed = 1 + Turn::without_head().len() as u64;
    ended(&circuit, totals(|t| (t.ignored, t.failed) = (2, failed)));
}

// ---- a head, and then trouble: a success -------------------------------------------------------

// A1: the outcome is known at the head. A body that fails later is seen by whoever reads it, not by the
// circuit: observing bodies is another matter, to be asked for.
#[tokio::test]
async fn what_goes_wrong_after_the_head_is_not_seen() {
    let ways = [
        ("half of the announced body", Turn::short_body()),
        ("a reset in the body", Turn::reset_mid_body()),
        ("no last chunk", Turn::cut_chunked()),
        ("a malformed chunk", Turn::malformed_chunk()),
    ];
    for (way, turn) in ways {
        let circuit = fragile(|c| c);
        let server = Misbehaving::start(vec![turn]);
        let client = guard(&circuit, wire());
        for calls in 1..=3 {
            let response = ask(&client, server.uri()).await.expect("a head");
            assert_eq!(response.status(), 200, "{way}");
            ended(&circuit, totals(|t| t.successful = calls));

            server.let_go();
            let error = read(response).await.expect_err(way);
            println!("{way}: {error:?}");
            ended(&circuit, totals(|t| t.successful = calls));
        }
        circuit.tells_nothing();
    }
}

// A1: what is too much is not read, and the connection is not used again.
#[tokio::test]
async fn more_than_the_announced_body_is_a_success_and_does_not_spoil_the_next_call() {
    let circuit = fragile(|c| c);
    let server = Misbehaving::start(vec![Turn::long_body()]);
    let client = guard(&circuit, wire());
    for connections in 1..=3 {
        let response = ask(&client, server.uri()).await.expect("a head");
        assert_eq!(read(response).await.expect("a body"), "ok");
        settle().await;
        assert_eq!(server.seen().connections, connections);
    }
    ended(&circuit, totals(|t| t.successful = 3));
}

// A1, A4: a body that nobody reads on is no longer a call.
#[tokio::test]
async fn a_body_dropped_in_the_middle_was_a_success() {
    let circuit = fragile_after_break(|c| c);
    let server = Misbehaving::start(vec![Turn::hold_mid_body(), Turn::ok()]);
    let client = guard(&circuit, wire());
    let response = ask(&client, server.uri()).await.expect("a head");
    circuit.tells(&[PROBING, RECOVERED]);

    server.until(|seen| seen.held == 1).await;
    drop(response);
    server.until(|seen| seen.vanished == 1).await;
    assert_eq!(ask_status(&client, server.uri()).await.expect("ok"), 200);
    // The failure is the one that tripped.
    ended(&circuit, totals(|t| (t.successful, t.failed) = (2, 1)));
}

// ---- slow heads and timeouts -------------------------------------------------------------------

/// Far more than anything here takes, so that a timeout strikes when the test says so.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Lets tokio's time pass, but not the circuit's.
async fn let_limit_pass() {
    time::pause();
    time::advance(LIMIT + secs(1)).await;
    time::resume();
}

/// Lets everything happen that can happen now.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// The breaker outside of the timeout.
fn timeout_inside(
    fixture: &Fixture,
) -> CircuitBreaker<Timeout<Wire>, HttpClassifier, tower_breaker::reject::RejectAsBoxError> {
    ServiceBuilder::new()
        .layer(CircuitBreakerLayer::new(fixture.circuit.clone()).reject_as_box_error())
        .timeout(LIMIT)
        .service(wire())
}

/// The breaker inside of the timeout.
fn timeout_outside(fixture: &Fixture) -> Timeout<Guarded> {
    ServiceBuilder::new()
        .timeout(LIMIT)
        .service(guard(fixture, wire()))
}

/// One call whose head does not come, on the circuit's clock for `time`.
async fn time_out<S>(circuit: &Fixture, server: &Misbehaving, client: &S, time: Duration)
where
    S: Service<Request<Body>, Response = Response<Incoming>, Error = BoxError>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    let held = server.seen().held;
    let call = start(client, server.uri());
    server.until(|seen| seen.held == held + 1).await;
    circuit.wait(time);
    let_limit_pass().await;
    let error = join(call).await.expect_err("a timeout");
    assert!(error.is::<Elapsed>(), "{error:?}");
    server.until(|seen| seen.vanished == held + 1).await;
}

// A1
#[tokio::test]
async fn a_slow_head_given_up_by_a_timeout_inside_is_a_failure() {
    for turn in [
        Turn::slow_head(),
        Turn::reset_mid_head(),
        Turn::continue_then_nothing(),
    ] {
        let circuit = three_failures();
        let server = Misbehaving::start(vec![turn]);
        let client = timeout_inside(&circuit);
        for _ in 0..3 {
            time_out(&circuit, &server, &client, Duration::ZERO).await;
        }
        circuit.tells(&[CLOSED_TO_OPEN]);

        let error = ask(&client, server.uri()).await.expect_err("a rejection");
        let rejected = Rejected::find(&*error).expect("a rejection");
        assert_eq!(rejected.remaining(), Some(secs(5)));
        assert_eq!(server.seen().connections, 3);

        circuit.wait_out();
        time_out(&circuit, &server, &client, Duration::ZERO).await;
        circuit.tells(&[PROBING, PROBE_FAILED]);
        server.play(vec![Turn::ok()]);
        circuit.wait_out();
        assert_eq!(ask_status(&client, server.uri()).await.expect("ok"), 200);
        circuit.tells(&[PROBING, RECOVERED]);
    }
}

// A4: to the breaker it is a call that was dropped.
#[tokio::test]
async fn a_call_given_up_by_a_timeout_outside_is_abandoned() {
    let circuit = fragile(|c| c.slow_call_duration(SLOW));
    let server = Misbehaving::start(vec![Turn::slow_head()]);
    let client = timeout_outside(&circuit);
    for _ in 0..3 {
        time_out(&circuit, &server, &client, SLOW).await;
    }
    ended(&circuit, totals(|t| t.abandoned = 3));
    circuit.tells_nothing();
}

// A4: unless it had been slow already.
#[tokio::test]
async fn a_slow_call_given_up_by_a_timeout_outside_is_a_slow_failure() {
    let circuit = fragile(|c| c.slow_call_duration(SLOW));
    let server = Misbehaving::start(vec![Turn::slow_head()]);
    let client = timeout_outside(&circuit);
    time_out(&circuit, &server, &client, SLOW + NANO).await;
    ended(&circuit, totals(|t| (t.failed, t.slow) = (1, 1)));
    circuit.is(State::Open);

    let error = ask(&client, server.uri()).await.expect_err("a rejection");
    assert!(Rejected::find(&*error).is_some(), "{error:?}");
    assert_eq!(server.seen().connections, 1);
}

// A4: where nothing is slow, a probe has the half-open time-out for its limit.
#[tokio::test]
async fn a_probe_given_up_by_a_timeout_outside_has_failed_once_half_open_times_out() {
    let limit = secs(20);
    let circuit = fragile_after_break(|c| c.half_open_timeout(limit));
    let server = Misbehaving::start(vec![Turn::slow_head()]);
    let client = timeout_outside(&circuit);

    time_out(&circuit, &server, &client, limit / 2).await;
    circuit.tells(&[PROBING]);
    circuit.is(State::HalfOpen);
    time_out(&circuit, &server, &client, limit + NANO).await;
    circuit.tells(&[PROBE_FAILED]);
}

// A3: a head that comes in the end is a success, though a slow one.
#[tokio::test]
async fn a_slow_head_that_comes_is_a_slow_success() {
    let circuit = fragile(|c| c.slow_call_duration(SLOW));
    let server = Misbehaving::start(vec![Turn::slow_head()]);
    let client = guard(&circuit, wire());
    let call = start(&client, server.uri());
    server.until(|seen| seen.held == 1).await;
    circuit.wait(SLOW + NANO);
    server.let_go();
    assert_eq!(join(call).await.expect("a head").status(), 200);
    ended(&circuit, totals(|t| (t.successful, t.slow) = (1, 1)));
}

// C4: the head was asked for before the trip, and comes when a probe is out.
#[tokio::test]
async fn a_head_that_comes_an_era_too_late_decides_nothing() {
    let circuit = fragile(|c| c);
    let server = Misbehaving::start(vec![Turn::slow_head()]);
    let client = guard(&circuit, wire());
    let late = start(&client, server.uri());
    server.until(|seen| seen.held == 1).await;
    circuit.play("f");
    circuit.wait_out();
    let probe = circuit.admit();

    server.let_go();
    assert_eq!(join(late).await.expect("a head").status(), 200);
    circuit.is(State::HalfOpen);
    assert_eq!(circuit.totals().stale, 1);
    probe.failure();
    circuit.is(State::Open);
}

// ---- connections that are used again -----------------------------------------------------------

// A1: the server answers, and drops the connection on the next request. The client has sent it, and
// cannot know whether it was heard: it does not try again.
#[tokio::test]
async fn a_kept_connection_that_is_closed_on_the_next_request_is_one_failure() {
    for turn in [Turn::close_before_head(), Turn::reset_before_head()] {
        let circuit = three_failures();
        let server = Misbehaving::start(vec![Turn::ok(), turn, Turn::ok()]);
        let client = guard(&circuit, wire());
        assert_eq!(ask_status(&client, server.uri()).await.expect("ok"), 200);
        settle().await;
        inner(ask(&client, server.uri()).await);
        assert_eq!((server.seen().connections, server.seen().requests), (1, 2));
        ended(&circuit, totals(|t| (t.successful, t.failed) = (1, 1)));

        assert_eq!(ask_status(&client, server.uri()).await.expect("ok"), 200);
        assert_eq!((server.seen().connections, server.seen().requests), (2, 3));
    }
}

/// A call, the connection closed behind its back, and another call: when that has yielded so often, and
/// from a client that tries again what it had not begun to send, or does not.
async fn race(yields: usize, tries_again: bool) -> (Result<u16, Failed>, Totals) {
    let circuit = three_failures();
    let closing = Turn::ok().hold().close();
    let server = Misbehaving::start(vec![closing, Turn::ok()]);
    let client = Client::builder(TokioExecutor::new())
        .retry_canceled_requests(tries_again)
        .build_http();
    let client = guard(&circuit, client);
    assert_eq!(ask_status(&client, server.uri()).await.expect("ok"), 200);
    settle().await;
    server.let_go();
    server.until(|seen| seen.closed == 1).await;
    for _ in 0..yields {
        tokio::task::yield_now().await;
    }
    let second = ask_status(&client, server.uri()).await;
    (second, circuit.totals())
}

fn was_canceled(error: &Failed) -> bool {
    let CircuitError::Inner(error) = error else {
        return false;
    };
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    cause.is_some_and(hyper::Error::is_canceled)
}

// A1: hyper-util tries again by itself what it had not begun to send when the connection went. The
// circuit sees one call. That there was something to try again is seen from a client that does not.
#[tokio::test]
async fn a_call_that_the_client_tries_again_by_itself_counts_once() {
    let mut lost = 0;
    for yields in 0..4 {
        let (once, counted) = race(yields, false).await;
        let Err(error) = once else { continue };
        assert_eq!((counted.successful, counted.failed), (1, 1));
        if was_canceled(&error) {
            println!("lost after {yields} yields");
            lost += 1;
            let (again, counted) = race(yields, true).await;
            assert_eq!(again.expect("tried again"), 200);
            assert_eq!(counted, totals(|t| t.successful = 2));
        }
    }
    assert!(lost > 0, "no call lost the race");
}

// ---- clients that go away ----------------------------------------------------------------------

/// The circuit, closed and about to probe.
fn both() -> [Fixture; 2] {
    [fragile(|c| c), fragile_after_break(|c| c)]
}

/// A call that goes away is neutral, and if it was a probe, its permit comes back.
async fn goes_away<T>(circuit: &Fixture, call: JoinHandle<T>) {
    let (state, mut expected) = (circuit.circuit.state(), circuit.totals_of_calls());
    if state == State::HalfOpen {
        circuit.reject();
        expected.rejected += 1;
        expected.rejected_by.half_open_full += 1;
    }
    cancel(call).await;
    expected.abandoned += 1;
    ended(circuit, expected);
    circuit.is(state);
    // For the only permit there is.
    circuit.admit().success();
    circuit.is(State::Closed);
}

// A4, D1
#[tokio::test]
async fn a_call_dropped_before_its_first_poll_is_neutral() {
    for circuit in both() {
        let server = Misbehaving::start(vec![Turn::ok()]);
        let mut client = guard(&circuit, wire());
        let ready = client.ready().await.expect("ready");
        let call = ready.call(get(server.uri()));
        let polled_never = tokio::spawn(async {
            let _call = call;
            std::future::pending::<()>().await;
        });
        goes_away(&circuit, polled_never).await;
        assert_eq!(server.seen().connections, 0);
    }
}

// A4, D1
#[tokio::test]
async fn a_call_dropped_while_it_connects_is_neutral() {
    for circuit in both() {
        let (asked, mut connecting) = mpsc::unbounded_channel();
        let connector = service_fn(move |uri: Uri| {
            asked.send(uri).expect("a test");
            std::future::pending::<io::Result<TokioIo<TcpStream>>>()
        });
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let client = guard(&circuit, client);
        let call = start(&client, Port::reserve().uri());
        patiently(connecting.recv()).await.expect("a connection");
        goes_away(&circuit, call).await;
    }
}

// A4, D1: the server has the request, or half of it, and the client has no head, or half of one.
#[tokio::test]
async fn a_call_dropped_before_its_head_is_neutral() {
    for turn in [
        Turn::slow_head(),
        Turn::reset_mid_head(),
        Turn::continue_then_nothing(),
    ] {
        for circuit in both() {
            let server = Misbehaving::start(vec![turn.clone()]);
            let client = guard(&circuit, wire());
            let call = start(&client, server.uri());
            server.until(|seen| seen.held == 1).await;
            goes_away(&circuit, call).await;
            server.until(|seen| seen.vanished == 1).await;
        }
    }
}

// A4, D1
#[tokio::test]
async fn a_call_dropped_while_it_sends_its_body_is_neutral() {
    for circuit in both() {
        let server = Misbehaving::start(vec![Turn::slow_head()]);
        let client = guard(&circuit, wire());
        let call = tokio::spawn(client.oneshot(post(server.uri(), vec![Ok("first")])));
        server.until(|seen| seen.held == 1).await;
        goes_away(&circuit, call).await;
        server.until(|seen| seen.vanished == 1).await;
    }
}

// A1: a server may answer before it has heard everything.
#[tokio::test]
async fn a_head_that_comes_before_the_request_is_sent_counts() {
    let circuit = fragile(|c| c);
    let server = Misbehaving::start(vec![Turn::unavailable::<&str>(&[])]);
    let client = guard(&circuit, wire());
    let response = patiently(client.oneshot(post(server.uri(), vec![]))).await;
    assert_eq!(response.expect("a head").status(), 503);
    circuit.is(State::Open);
}

// D1, D2, F1: many at once, each with a mishap of its own, and each counted once.
#[tokio::test]
async fn many_calls_at_once_are_each_counted_once() {
    const EACH: u64 = 20;
    let circuit = Fixture::new(|c| c.consecutive_failures(1_000));
    let client = guard(&circuit, wire());
    let turns = [
        Turn::ok(),
        Turn::garbage(),
        Turn::reset_before_head(),
        Turn::respond::<&str>(404, &[], ""),
        Turn::short_body(),
        Turn::slow_head(),
    ];
    let servers = turns.map(|turn| Misbehaving::start(vec![turn]));
    let calls = servers.iter().map(|server| {
        let call = |_| start(&client, server.uri());
        (0..EACH).map(call).collect::<Vec<_>>()
    });
    let mut calls: Vec<_> = calls.collect();
    servers[5].until(|seen| seen.held == EACH).await;
    for hanging in calls.pop().expect("the last server's") {
        cancel(hanging).await;
    }
    for call in calls.into_iter().flatten() {
        drop(join(call).await);
    }
    let expected = totals(|t| {
        (t.successful, t.failed) = (2 * EACH, 2 * EACH);
        (t.ignored, t.abandoned) = (EACH, EACH);
    });
    ended(&circuit, expected);
}
