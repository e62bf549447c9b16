//! The recommended order of layers around a flaky service, and what each of them does when it fails.
//!
//! Run with: `cargo run --example onion`
//!
//! The clock is tokio's, paused, so waiting takes no time. It checks every step, and prints (beside the
//! message of a panic, on standard error):
//!
//! ```text
//! all is well:          200, closed, asked 1
//! it fails once:        200, closed, asked 2
//! it fails for good:    500, open, asked 3
//! the circuit is open:  rejected, open, asked 0
//! the probe hangs:      rejected, open, asked 1
//! the next does not:    200, closed, asked 1
//! it panics:            500, closed, asked 1
//! one call too many:    service overloaded, closed, asked 0
//! retries paid for:     4
//! ```

use std::{
    collections::VecDeque,
    future::{Ready, pending, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use Mood::{Fails, Hangs, Panics};
use http::{Request, Response};
use tokio::time::advance;
use tower::{
    BoxError, Service, ServiceBuilder, ServiceExt,
    retry::{
        Policy,
        budget::{Budget, TpsBudget},
    },
    service_fn,
};
use tower_breaker::{Circuit, CircuitBreakerLayer, classify::is_rejection};
use tower_http::{catch_panic::CatchPanicLayer, trace::TraceLayer};

type Ask = Request<String>;
type Answer = Response<String>;

/// After how many seconds, what is next, the moods the service will be in, and what must come of it.
const WALK: [(u64, &str, &[Mood], &str); 7] = [
    (0, "all is well", &[], "200, closed, asked 1"),
    (0, "it fails once", &[Fails], "200, closed, asked 2"),
    (0, "it fails for good", &[Fails; 3], "500, open, asked 3"),
    (0, "the circuit is open", &[], "rejected, open, asked 0"),
    (5, "the probe hangs", &[Hangs], "rejected, open, asked 1"),
    (5, "the next does not", &[], "200, closed, asked 1"),
    (0, "it panics", &[Panics], "500, closed, asked 1"),
];

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), BoxError> {
    let circuit = Circuit::builder("flaky")
        .consecutive_failures(3)
        .open_for(Duration::from_secs(5))
        .build()?;
    let (flaky, retries) = (Arc::<Flaky>::default(), Retries::default());
    let mut onion = onion(&circuit, &retries, &flaky);

    let outcome = |result: Result<Response<_>, BoxError>| {
        let answer = match result {
            Ok(answer) if is_rejection(&answer) => "rejected".to_owned(),
            Ok(answer) => answer.status().as_str().to_owned(),
            Err(error) => error.to_string(),
        };
        let asked = flaky.asked.swap(0, Relaxed);
        format!("{answer}, {}, asked {asked}", circuit.state())
    };
    for (wait, what, moods, expected) in WALK {
        advance(Duration::from_secs(wait)).await;
        flaky.moods.lock().expect("no panic in there").extend(moods);
        let result = onion.ready().await?.call(Ask::default()).await;
        check(what, &outcome(result), expected)?;
    }

    let mut another = onion.clone();
    let in_flight = onion.ready().await?.call(Ask::default());
    let result = another.ready().await?.call(Ask::default()).await;
    check(
        "one call too many",
        &outcome(result),
        "service overloaded, closed, asked 0",
    )?;
    drop(in_flight);

    check(
        "retries paid for",
        &retries.paid.load(Relaxed).to_string(),
        "4",
    )
}

fn onion(
    circuit: &Circuit,
    retries: &Retries,
    flaky: &Arc<Flaky>,
) -> impl Service<Ask, Response = Response<()>, Error = BoxError> + Clone + use<> {
    let flaky = flaky.clone();
    ServiceBuilder::new()
        .map_response(|answer: Response<_>| answer.map(drop))
        // Sees every answer, rejections too.
        .layer(TraceLayer::new_for_http())
        // Makes a 500 of a panic, once all the others have seen it pass.
        .layer(CatchPanicLayer::new())
        // Turns away what finds no place. The circuit never hears of it.
        .load_shed()
        // A place for a call with all its retries. A rejection gives it back at once.
        .concurrency_limit(1)
        // Asks again while the budget lasts, but not after a rejection.
        .retry(retries.clone())
        // Hears of every attempt.
        .layer(CircuitBreakerLayer::new(circuit.clone()))
        // Makes an error, and so a failure, of what takes too long.
        .timeout(Duration::from_secs(1))
        .service(service_fn(move |_: Ask| answer(flaky.clone())))
}

fn check(what: &str, seen: &str, expected: &str) -> Result<(), BoxError> {
    println!("{:21} {seen}", format!("{what}:"));
    match seen == expected {
        true => Ok(()),
        false => Err(format!("expected: {expected}").into()),
    }
}

/// A service that is well, but for the moods it is in first.
#[derive(Default)]
struct Flaky {
    moods: Mutex<VecDeque<Mood>>,
    asked: AtomicU32,
}

#[derive(Clone, Copy)]
enum Mood {
    Fails,
    Hangs,
    Panics,
}

async fn answer(flaky: Arc<Flaky>) -> Result<Answer, BoxError> {
    flaky.asked.fetch_add(1, Relaxed);
    let mood = flaky.moods.lock().expect("no panic in there").pop_front();
    match mood {
        None => Ok(Response::default()),
        Some(Fails) => Ok(Response::builder().status(500).body(String::new())?),
        Some(Hangs) => pending().await,
        Some(Panics) => panic!("a bug in the service"),
    }
}

/// At most two retries for one call, from a budget that all calls share.
#[derive(Clone, Default)]
struct Retries {
    made: u32,
    budget: Arc<TpsBudget>,
    paid: Arc<AtomicU32>,
}

impl Policy<Ask, Answer, BoxError> for Retries {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Ask, result: &mut Result<Answer, BoxError>) -> Option<Ready<()>> {
        match result {
            // Asking again would not help, and must not cost what would.
            Ok(answer) if is_rejection(answer) => return None,
            Ok(answer) if !answer.status().is_server_error() => {
                self.budget.deposit();
                return None;
            }
            _ => self.made += 1,
        }
        let pays = self.made <= 2 && self.budget.withdraw();
        self.paid.fetch_add(pays.into(), Relaxed);
        pays.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Ask) -> Option<Ask> {
        Some(request.clone())
    }
}
