//! axum with thirty routes, of which one fails.

use std::time::{Duration, Instant};

use axum::{Router, routing::get};
use tokio::task::JoinSet;
use tower_breaker::keyed::by;

use super::{BREAK, OPENED, PROBING, RECOVERED, Told};
use crate::sockets::{Answer, BOTH, Browser, Dependency, Server};

const ROUTES: usize = 30;
const BROKEN: usize = 7;
const CLIENTS: usize = 12;
const ROUNDS: usize = 10;
/// How many calls each route gets from all clients together.
const CALLS: u64 = (CLIENTS * ROUNDS) as u64;

/// The routes, what each of them asks, and clients that ask for all of them.
struct Thirty {
    told: Told,
    behind: Vec<Dependency>,
    clients: Vec<Browser>,
    _server: Server,
}

fn route(number: usize) -> String {
    format!("/route-{number}/{{id}}")
}

impl Thirty {
    async fn new() -> Self {
        let told = Told::new();
        let behind: Vec<_> = (0..ROUTES).map(|_| Dependency::new()).collect();
        let routes = behind.iter().zip(0..);
        let router = routes.fold(Router::new(), |router, (dependency, number)| {
            let dependency = dependency.clone();
            let handler = async move || dependency.call().await;
            router.route(&route(number), get(handler))
        });
        let layer = told.registry.layer_by(by::route());
        let server = Server::axum(router.layer(layer)).await;
        let versions = BOTH.iter().cycle().take(CLIENTS);
        Self {
            clients: versions
                .map(|version| Browser::new(*version, &server))
                .collect(),
            told,
            behind,
            _server: server,
        }
    }

    /// Each client asks for each route, so many times, in an order of its own. The answers by route, and how long
    /// those of routes that are well took.
    async fn ask(&self) -> (Vec<Vec<Answer>>, Duration) {
        let mut clients = JoinSet::new();
        for (client, first) in self.clients.iter().cloned().zip(0..) {
            clients.spawn(async move { ask_for_all(&client, first).await });
        }
        let mut all = vec![Vec::new(); ROUTES];
        let mut took = Duration::ZERO;
        for (number, answer, time) in clients.join_all().await.into_iter().flatten() {
            all[number].push(answer);
            took += if number == BROKEN {
                Duration::ZERO
            } else {
                time
            };
        }
        (all, took)
    }

    fn entered(&self) -> Vec<u64> {
        self.behind.iter().map(Dependency::entered).collect()
    }

    /// All calls of these routes were answered by their handlers, and counted so.
    fn are_well(&self, rounds: u64, routes: impl Iterator<Item = usize>) {
        for number in routes {
            let totals = self.told.totals(&route(number));
            assert_eq!(self.behind[number].entered(), rounds * CALLS, "{number}");
            assert_eq!(totals.successful, rounds * CALLS, "{number}");
            assert_eq!((totals.failed, totals.rejected), (0, 0), "{number}");
        }
    }
}

async fn ask_for_all(client: &Browser, first: usize) -> Vec<(usize, Answer, Duration)> {
    let mut answers = Vec::new();
    for turn in 0..ROUNDS * ROUTES {
        let number = (first + turn) % ROUTES;
        let begun = Instant::now();
        let answer = client.get(&format!("/route-{number}/{turn}")).await;
        answers.push((number, answer, begun.elapsed()));
    }
    answers
}

fn all_are(status: u16, answers: &[Answer]) -> bool {
    answers.iter().all(|answer| answer.status == status)
}

// J1, H1
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_thirty_routes_the_one_that_fails_costs_the_others_nothing() {
    let thirty = Thirty::new().await;
    let others = || (0..ROUTES).filter(|number| *number != BROKEN);
    let (answers, while_well) = thirty.ask().await;
    assert!(answers.iter().all(|answers| all_are(200, answers)));
    thirty.are_well(1, 0..ROUTES);
    assert_eq!(thirty.told.registry.len(), ROUTES);

    thirty.behind[BROKEN].fail();
    let (answers, while_broken) = thirty.ask().await;
    assert!(others().all(|number| all_are(200, &answers[number])));
    thirty.are_well(2, others());
    thirty.told.tells(&route(BROKEN), &[OPENED]);
    println!(
        "answers of the others took {:.2} times as long",
        while_broken.as_secs_f64() / while_well.as_secs_f64()
    );

    // Of the broken one, as many reached the handler as were under way until it opened; all others were told when to
    // come back.
    let (failed, rejected): (Vec<_>, Vec<_>) =
        (answers[BROKEN].iter()).partition(|answer| answer.status == 500);
    assert!(
        rejected
            .iter()
            .all(|answer| (answer.status, answer.retry_after) == (503, Some(5)))
    );
    let (failed, rejected) = (failed.len() as u64, rejected.len() as u64);
    assert!((3..=3 + CLIENTS as u64).contains(&failed), "{failed}");
    assert_eq!(failed + rejected, CALLS);
    let totals = thirty.told.totals(&route(BROKEN));
    assert_eq!((totals.successful, totals.failed), (CALLS, failed));
    assert_eq!(totals.rejected, rejected);
    assert_eq!(thirty.behind[BROKEN].entered(), CALLS + failed);

    thirty.behind[BROKEN].heal();
    thirty.told.clock.advance(BREAK);
    let entered = thirty.entered();
    let client = &thirty.clients[0];
    assert_eq!(client.status(&format!("/route-{BROKEN}/1")).await, 200);
    thirty.told.tells(&route(BROKEN), &[PROBING, RECOVERED]);
    let (answers, _) = thirty.ask().await;
    assert!(answers.iter().all(|answers| all_are(200, answers)));
    thirty.are_well(3, others());
    assert_eq!(thirty.behind[BROKEN].entered(), entered[BROKEN] + 1 + CALLS);
    thirty.told.tells("", &[]);
}
