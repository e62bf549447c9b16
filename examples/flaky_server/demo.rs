//! The whole story over a real socket: three failures, a break in which no handler runs, a probe
//! that fails, a second break, a probe that succeeds.
//!
//! It prints this, with other times, and ends with exit code 0; or with 1 if a status, a header, a
//! transition, a handler that ran or a total is not as it should be.
//!
//! ```text
//! listening on http://127.0.0.1:8082
//!
//!      request                   status  retry-after      took  state
//!   1  GET /                     200               -   1.30 ms  closed
//!   2  GET /test_cb?fail=true    500               -   0.34 ms  closed
//!   3  GET /flaky                500               -   0.27 ms  closed
//!   4  GET /test_cb?fail=false   200               -   0.26 ms  closed
//!   5  GET /flaky                500               -   0.24 ms  closed
//!   6  GET /nowhere              404               -   0.20 ms  closed
//!   7  GET /flaky                500               -   0.28 ms  closed
//! circuit `flaky_server` opened: 3 consecutive failures, next probe in 5 s
//!   8  GET /flaky                500               -   0.27 ms  closed > open
//!   9  GET /                     503             5 s   0.26 ms  open
//!  10  GET /recover              503             5 s   0.25 ms  open
//!  11  GET /flaky                503             5 s   0.49 ms  open
//!  12  GET /test_cb?fail=false   503             5 s   0.28 ms  open
//!  13  GET /nowhere              503             5 s   0.24 ms  open
//!      ... 5s pass ...
//! circuit `flaky_server` is half-open: the wait is over, the next call is a probe
//! circuit `flaky_server` opened again: a probe failed, next probe in 5 s
//!  14  GET /flaky                500               -   0.84 ms  open > half-open > open
//!  15  GET /recover              503             5 s   0.30 ms  open
//!      ... 5s pass ...
//! circuit `flaky_server` is half-open: the wait is over, the next call is a probe
//! circuit `flaky_server` closed: the probes succeeded
//!  16  GET /recover              200               -   0.97 ms  open > half-open > closed
//!  17  GET /                     200               -   0.42 ms  closed
//!
//! 17 requests: 4 succeeded, 6 failed, 1 ignored, 6 rejected; 10 handlers entered
//! all of it as it should be
//! ```

use std::{
    error::Error,
    fmt::Debug,
    iter,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    body::Bytes,
    http::{HeaderMap, Uri, header::RETRY_AFTER},
};
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};
use tower_breaker::{
    Circuit,
    State::{self, Closed, HalfOpen, Open},
    Transition,
};

use crate::{Entries, options::Options};

/// What happens next, and what must come of it.
enum Act {
    /// Ask for a path: the status to expect, and the states the circuit goes through meanwhile.
    Ask(&'static str, u16, &'static [State]),
    /// The break passes.
    Wait,
}

use Act::{Ask, Wait};

const STORY: &[Act] = &[
    // A success starts the count of failures over.
    Ask("/", 200, &[Closed]),
    Ask("/test_cb?fail=true", 500, &[Closed]),
    Ask("/flaky", 500, &[Closed]),
    Ask("/test_cb?fail=false", 200, &[Closed]),
    // A 4xx says nothing about the server, so three failures in a row they still are.
    Ask("/flaky", 500, &[Closed]),
    Ask("/nowhere", 404, &[Closed]),
    Ask("/flaky", 500, &[Closed]),
    Ask("/flaky", 500, &[Closed, Open]),
    // Every route, even those that would work.
    Ask("/", 503, &[Open]),
    Ask("/recover", 503, &[Open]),
    Ask("/flaky", 503, &[Open]),
    Ask("/test_cb?fail=false", 503, &[Open]),
    Ask("/nowhere", 503, &[Open]),
    Wait,
    // A probe that fails begins another break, one that succeeds ends it.
    Ask("/flaky", 500, &[Open, HalfOpen, Open]),
    Ask("/recover", 503, &[Open]),
    Wait,
    Ask("/recover", 200, &[Open, HalfOpen, Closed]),
    Ask("/", 200, &[Closed]),
];

/// Shorter breaks might be over before the demo has asked for every route.
const SHORTEST: Duration = Duration::from_millis(200);
/// Nothing here takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let open_for = options.open_for;
    if open_for < SHORTEST {
        let shortest = SHORTEST.as_millis();
        return Err(format!("the demo needs an OPEN_FOR_MS of {shortest} or more").into());
    }
    let passed = Passed::default();
    let log = passed.clone();
    let circuit = crate::circuit(open_for)
        .on_transition(move |_, transition| log.push(transition))
        .build()?;
    let entries = Entries::default();
    let listener = options.listen().await?;
    let url = crate::url(&listener)?;
    println!("listening on {url}");

    let router = crate::router(&circuit, entries.clone());
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { drop(stopped.await) };
    let server = tokio::spawn(crate::serve(listener, router, stopped));
    let mut demo = Demo {
        url,
        client: Client::builder(TokioExecutor::new()).build_http(),
        circuit,
        entries,
        passed,
        open_for,
        opened: Instant::now(),
        asked: 0,
        wrong: Vec::new(),
    };
    demo.play().await?;
    let verdict = demo.verdict();
    drop(stop);
    timeout(PATIENCE, server).await???;
    verdict
}

struct Demo {
    url: String,
    client: Client<HttpConnector, Empty<Bytes>>,
    circuit: Circuit,
    entries: Entries,
    passed: Passed,
    open_for: Duration,
    /// When the request that opened the circuit was sent.
    opened: Instant,
    asked: usize,
    wrong: Vec<String>,
}

/// What came of one request.
struct Answer {
    status: u16,
    retry_after: Option<u64>,
    sent: Instant,
    took: Duration,
    handlers: u64,
    states: Vec<State>,
}

impl Demo {
    async fn play(&mut self) -> Result<(), Box<dyn Error>> {
        println!("\n     request                   status  retry-after      took  state");
        for act in STORY {
            match act {
                Ask(path, status, states) => self.step(path, *status, states).await?,
                Wait => self.wait().await,
            }
        }
        Ok(())
    }

    async fn step(
        &mut self,
        path: &str,
        status: u16,
        states: &[State],
    ) -> Result<(), Box<dyn Error>> {
        let answer = self.ask(path).await?;
        self.asked += 1;
        self.show(path, &answer);
        let probed = answer.states.contains(&HalfOpen);
        if status == 503 && probed && self.opened.elapsed() >= self.open_for {
            return Err("this machine is too slow for so short a break; raise OPEN_FOR_MS".into());
        }
        self.check(&answer, status, states);
        if answer.states.len() > 1 {
            self.opened = answer.sent;
        }
        Ok(())
    }

    async fn ask(&self, path: &str) -> Result<Answer, Box<dyn Error>> {
        let uri: Uri = format!("{}{path}", self.url).parse()?;
        let (state, entered) = (self.circuit.state(), self.entries.count());
        let sent = Instant::now();
        let response = timeout(PATIENCE, self.client.get(uri)).await??;
        let took = sent.elapsed();
        let (head, body) = response.into_parts();
        timeout(PATIENCE, body.collect()).await??;
        Ok(Answer {
            status: head.status.as_u16(),
            retry_after: retry_after(&head.headers)?,
            sent,
            took,
            handlers: self.entries.count() - entered,
            states: self.passed.take(state),
        })
    }

    fn show(&self, path: &str, answer: &Answer) {
        let request = format!("GET {path}");
        let retry_after = answer
            .retry_after
            .map_or("-".into(), |seconds| format!("{seconds} s"));
        let took = format!("{:.2} ms", answer.took.as_secs_f64() * 1e3);
        let states: Vec<String> = answer.states.iter().map(State::to_string).collect();
        println!(
            "{:>3}  {request:<24}  {:<6}  {retry_after:>11}  {took:>8}  {}",
            self.asked,
            answer.status,
            states.join(" > "),
        );
    }

    fn check(&mut self, answer: &Answer, status: u16, states: &[State]) {
        self.expect("the status", &answer.status, &status);
        self.expect("the state", &&*answer.states, &states);
        // The point of it all: what is rejected reaches no handler.
        let handlers = u64::from(status == 200 || status == 500);
        self.expect(
            "the number of handlers entered",
            &answer.handlers,
            &handlers,
        );
        let longest = self.longest_retry_after();
        let retry_after = match answer.retry_after {
            _ if status != 503 => None,
            Some(seconds) if (1..=longest).contains(&seconds) => Some(seconds),
            _ => Some(longest),
        };
        self.expect("retry-after", &answer.retry_after, &retry_after);
    }

    /// The break in whole seconds, rounded up; at most a day, as the circuit has it.
    fn longest_retry_after(&self) -> u64 {
        let seconds = self.open_for.as_millis().div_ceil(1000);
        seconds.clamp(1, 86_400) as u64
    }

    fn expect<T: Debug + PartialEq>(&mut self, what: &str, found: &T, expected: &T) {
        if found != expected {
            let wrong = format!("{what} is {found:?}, not {expected:?}");
            println!("     WRONG: {wrong}");
            self.wrong
                .push(format!("after request {}: {wrong}", self.asked));
        }
    }

    async fn wait(&self) {
        println!("     ... {:?} pass ...", self.open_for);
        // A timer may be early by a millisecond; the break, to the nanosecond, is not.
        sleep(self.open_for.saturating_sub(self.opened.elapsed()) + Duration::from_millis(20))
            .await;
    }

    /// The circuit has counted what the client has seen.
    fn check_totals(&mut self) {
        let totals = self.circuit.snapshot().totals.unwrap_or_default();
        let asked = |status| STORY.iter().filter(|act| act.expects(status)).count() as u64;
        self.expect("total successful", &totals.successful, &asked(200));
        self.expect("total failed", &totals.failed, &asked(500));
        self.expect("total ignored", &totals.ignored, &asked(404));
        self.expect("total rejected", &totals.rejected, &asked(503));
        println!(
            "\n{} requests: {} succeeded, {} failed, {} ignored, {} rejected; {} handlers entered",
            self.asked,
            totals.successful,
            totals.failed,
            totals.ignored,
            totals.rejected,
            self.entries.count(),
        );
    }

    fn verdict(mut self) -> Result<(), Box<dyn Error>> {
        self.check_totals();
        if self.wrong.is_empty() {
            println!("all of it as it should be");
            return Ok(());
        }
        Err(format!("not as it should be:\n  {}", self.wrong.join("\n  ")).into())
    }
}

impl Act {
    fn expects(&self, expected: u16) -> bool {
        matches!(self, Ask(_, status, _) if *status == expected)
    }
}

fn retry_after(headers: &HeaderMap) -> Result<Option<u64>, Box<dyn Error>> {
    match headers.get(RETRY_AFTER) {
        Some(seconds) => Ok(Some(seconds.to_str()?.parse()?)),
        None => Ok(None),
    }
}

/// The states that the circuit has passed to since somebody looked.
#[derive(Clone, Default)]
struct Passed(Arc<Mutex<Vec<State>>>);

impl Passed {
    fn push(&self, transition: &Transition) {
        self.lock().push(transition.to);
    }

    fn take(&self, first: State) -> Vec<State> {
        iter::once(first).chain(self.lock().drain(..)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
