//! What a policy for retries repeats, when, and what it counts, on tokio's paused clock.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

mod budget;
mod circuit;
mod over_sockets;
mod requests;
mod waits;

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Method, Request, Response};
use tokio::time::Instant;
use tower::{
    BoxError, ServiceBuilder, ServiceExt, service_fn,
    util::{BoxCloneService, BoxCloneSyncService},
};
use tower_breaker::{
    Circuit, CircuitBreakerLayer, CircuitBuilder, Outcome, RetryLimits,
    classify::{Classify, HttpClassifier},
    degrade::retries::{Boxed, Idempotent, Repeat, Retries},
    observe::RetryTotals,
    retry_after::RetryAfter,
};

type Ask = Request<String>;
type Answer = Response<String>;
type Policy = Retries<HttpClassifier, Idempotent, Boxed>;

/// A dependency that answers by a script, the last line again and again, and knows when it was asked for what.
#[derive(Clone)]
struct Upstream {
    script: Arc<Mutex<VecDeque<Line>>>,
    asked: Arc<Mutex<Vec<(Duration, Ask)>>>,
    born: Instant,
}

/// One answer.
#[derive(Clone)]
enum Line {
    Status(u16),
    /// With a header.
    Header(u16, &'static str, String),
    /// The connection broke before the head of the response.
    Broken,
}

impl From<u16> for Line {
    fn from(status: u16) -> Self {
        Self::Status(status)
    }
}

fn retry_after(status: u16, value: impl fmt::Display) -> Line {
    Line::Header(status, "retry-after", value.to_string())
}

impl Upstream {
    fn new<L: Into<Line>>(script: impl IntoIterator<Item = L>) -> Self {
        let script = script.into_iter().map(Into::into).collect();
        Self {
            script: Arc::new(Mutex::new(script)),
            asked: Arc::default(),
            born: Instant::now(),
        }
    }

    fn says<L: Into<Line>>(&self, script: impl IntoIterator<Item = L>) {
        *self.script.lock().unwrap() = script.into_iter().map(Into::into).collect();
    }

    fn answer(&self, request: Ask) -> Result<Answer, BoxError> {
        let asked = (self.born.elapsed(), request);
        self.asked.lock().unwrap().push(asked);
        let mut script = self.script.lock().unwrap();
        let line = match script.len() {
            1 => script[0].clone(),
            _ => script.pop_front().unwrap(),
        };
        let (status, header) = match line {
            Line::Status(status) => (status, None),
            Line::Header(status, name, value) => (status, Some((name, value))),
            Line::Broken => return Err("connection reset".into()),
        };
        let mut response = Response::builder().status(status);
        if let Some((name, value)) = header {
            response = response.header(name, value);
        }
        Ok(response.body(String::new())?)
    }

    fn service(&self) -> BoxCloneSyncService<Ask, Answer, BoxError> {
        let upstream = self.clone();
        BoxCloneSyncService::new(service_fn(move |request| {
            std::future::ready(upstream.answer(request))
        }))
    }

    /// How often it was asked.
    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// When it was asked, in milliseconds.
    fn times(&self) -> Vec<u128> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|(at, _)| at.as_millis()).collect()
    }
}

/// A circuit that never opens by itself, unless it is told to.
fn circuit(limits: RetryLimits) -> Circuit {
    built(limits, |builder| builder)
}

fn built(limits: RetryLimits, more: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> Circuit {
    let builder = Circuit::builder("reviews").retries(limits);
    more(builder.consecutive_failures(1_000_000))
        .build()
        .unwrap()
}

/// As many repeats as a test makes.
fn plenty(at_most: u32) -> RetryLimits {
    RetryLimits::new(at_most)
        .per_second(1_000)
        .max_wait(Duration::from_secs(60))
}

/// No wait, so that a test is about something else.
fn at_once(circuit: &Circuit) -> Policy {
    Retries::new(circuit).backoff(Duration::ZERO, Duration::ZERO)
}

fn stacked<C, R>(policy: Retries<C, R, Boxed>, circuit: &Circuit, upstream: &Upstream) -> Client
where
    C: Classify<Answer, BoxError> + Send + Sync + 'static,
    R: Repeat<String> + Send + Sync + 'static,
{
    BoxCloneService::new(
        ServiceBuilder::new()
            .retry(policy)
            .layer(CircuitBreakerLayer::new(circuit.clone()))
            .service(upstream.service()),
    )
}

type Client = BoxCloneService<Ask, Answer, BoxError>;

fn get() -> Ask {
    by(Method::GET)
}

fn by(method: Method) -> Ask {
    Request::builder()
        .method(method)
        .body("a review".to_owned())
        .unwrap()
}

/// The status of one call, or 0 for an error.
async fn ask(client: &Client, request: Ask) -> u16 {
    let answer = client.clone().oneshot(request).await;
    answer.map_or(0, |response| response.status().as_u16())
}

fn counted(circuit: &Circuit) -> RetryTotals {
    let parts = circuit.snapshot().parts.unwrap_or_default();
    parts.retries.unwrap_or_default()
}

/// What was counted, where there is only one.
fn totals(set: impl FnOnce(&mut RetryTotals)) -> RetryTotals {
    let mut totals = RetryTotals::default();
    set(&mut totals);
    totals
}

// M8
#[tokio::test(start_paused = true)]
async fn a_failed_call_is_repeated_so_many_times() {
    let circuit = circuit(plenty(2));
    let upstream = Upstream::new([500]);
    let client = stacked(at_once(&circuit), &circuit, &upstream);

    assert_eq!(ask(&client, get()).await, 500);
    assert_eq!(upstream.asked(), 3);
    let expected = totals(|totals| (totals.retried, totals.exhausted) = (2, 1));
    assert_eq!(counted(&circuit), expected);

    // Each call has its own.
    assert_eq!(ask(&client, get()).await, 500);
    assert_eq!(upstream.asked(), 6);
}

// M8
#[tokio::test(start_paused = true)]
async fn the_first_good_answer_ends_it() {
    let circuit = circuit(plenty(5));
    let upstream = Upstream::new([Line::Broken, 503.into(), 200.into()]);
    let client = stacked(at_once(&circuit), &circuit, &upstream);
    assert_eq!(ask(&client, get()).await, 200);
    assert_eq!(upstream.asked(), 3);
    assert_eq!(counted(&circuit), totals(|totals| totals.retried = 2));
}

// M8: a copy is the same request.
#[tokio::test(start_paused = true)]
async fn the_same_request_is_sent_again() {
    let circuit = circuit(plenty(1));
    let upstream = Upstream::new([500, 200]);
    let client = stacked(at_once(&circuit), &circuit, &upstream);
    let mut request = Request::put("/reviews/7").header("x-from", "a page");
    request.extensions_mut().unwrap().insert(7_u8);
    assert_eq!(
        ask(&client, request.body("good".to_owned()).unwrap()).await,
        200
    );

    for (_, request) in upstream.asked.lock().unwrap().iter() {
        assert_eq!(
            (request.method(), request.uri().path()),
            (&Method::PUT, "/reviews/7")
        );
        assert_eq!(
            (&request.headers()["x-from"], request.body().as_str()),
            (&"a page".parse().unwrap(), "good")
        );
        assert_eq!(request.extensions().get(), Some(&7_u8));
    }
    assert_eq!(upstream.asked(), 2);
}

// M8: what is no failure by the classifier is none here.
#[tokio::test(start_paused = true)]
async fn what_is_no_failure_is_not_repeated() {
    for status in [200, 304, 400, 404, 408, 425, 429] {
        let circuit = circuit(plenty(3));
        let upstream = Upstream::new([status]);
        let client = stacked(at_once(&circuit), &circuit, &upstream);
        assert_eq!(ask(&client, get()).await, status);
        assert_eq!(upstream.asked(), 1, "{status}");
        assert_eq!(counted(&circuit), totals(|_| ()));
    }
}

// M8
#[tokio::test(start_paused = true)]
async fn a_classifier_of_ones_own_says_what_a_failure_is() {
    let circuit = circuit(plenty(3));
    let upstream = Upstream::new([404]);
    let classifier = HttpClassifier::new().failures([http::StatusCode::NOT_FOUND]);
    let policy = at_once(&circuit).classifier(classifier);
    let client = stacked(policy, &circuit, &upstream);
    assert_eq!(ask(&client, get()).await, 404);
    assert_eq!(upstream.asked(), 4);
}

// M8: each outcome that a classifier may give, how often the call is made, and how long that takes.
#[tokio::test(start_paused = true)]
async fn every_outcome_has_its_answer() {
    let second = Duration::from_secs(1);
    let outcomes = [
        (Outcome::Success, 1, 0),
        (Outcome::Failure, 3, 0),
        (Outcome::FailureRetryAfter(second), 3, 2),
        (Outcome::Answered, 1, 0),
        (Outcome::Ignored, 1, 0),
        (Outcome::InnerRejection, 1, 0),
        (Outcome::TripNow, 3, 0),
        (Outcome::TripFor(second), 3, 2),
        // Nobody waits for the end of a body.
        (Outcome::RequiresEos, 1, 0),
    ];
    for (outcome, asked, seconds) in outcomes {
        let circuit = circuit(plenty(2));
        let upstream = Upstream::new([200]);
        let policy = at_once(&circuit).classifier(move |_: Result<&Answer, &BoxError>| outcome);
        let began = Instant::now();
        ask(&stacked(policy, &circuit, &upstream), get()).await;
        assert_eq!(upstream.asked(), asked, "{outcome:?}");
        assert_eq!(began.elapsed().as_secs(), seconds, "{outcome:?}");
    }
}

// M8: of what the classifier and the response say, the longer.
#[tokio::test(start_paused = true)]
async fn a_classifier_may_ask_for_a_longer_wait() {
    let honoured = RetryAfter::between(Duration::from_secs(5), Duration::from_secs(7)).unwrap();
    for (said, waited) in [(1, 5_000), (6, 6_000), (9, 9_000)] {
        let circuit = circuit(plenty(1));
        let upstream = Upstream::new([retry_after(503, said), 200.into()]);
        let classifier = HttpClassifier::new().retry_after(honoured);
        let policy = at_once(&circuit).classifier(classifier);
        ask(&stacked(policy, &circuit, &upstream), get()).await;
        assert_eq!(upstream.times(), [0, waited]);
    }
}
