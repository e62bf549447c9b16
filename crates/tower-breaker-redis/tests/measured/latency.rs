//! N1: what a call takes is the same whatever the server does, and the same as without any.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;
use tower_breaker::{Agreement, Circuit, fleet::Fleet, observe::Sharing};
use tower_breaker_redis::Redis;

use crate::{
    TURN,
    support::{
        instances::{SOON, within},
        proxy::{Link, Proxy},
        server::Server,
    },
};

const LEAST_ROUNDS: usize = 3;
/// As many as it takes until all are alike. What a machine does beside makes a round slower, and never faster; a call
/// that waited for anything of the fleet would be slower in each.
const MOST_ROUNDS: usize = 20;
/// Of each in each round: 3,000 calls in a second and a half.
const CALLS: usize = 3_000;
const BETWEEN: Duration = Duration::from_micros(500);
/// How much longer half of the calls may take. Of one that lasts as long as an allocation, a tenth is less than a clock
/// tells.
const ENOUGH: Duration = Duration::from_micros(2);
/// How much longer one in a thousand may take. The machine may put a thread off for that long. Who waited for a server
/// that stands still would wait for a quarter of a second at least.
const PUT_OFF: Duration = Duration::from_millis(1);

/// One that is led by a task of the runtime, or by none.
struct Shared {
    circuit: Circuit,
    task: Option<JoinHandle<()>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

fn builder() -> tower_breaker::CircuitBuilder {
    Circuit::builder("payments")
        .time_window(Duration::from_secs(10))
        .failure_rate(0.5)
}

impl Shared {
    fn with_nobody() -> Self {
        Self {
            circuit: builder().build().expect("a circuit"),
            task: None,
        }
    }

    async fn by(url: &str) -> Self {
        let fleet = Fleet::builder("shop").build().expect("a fleet");
        let shared = builder().shared(Agreement::default()).fleet(&fleet);
        let circuit = shared.build().expect("a circuit");
        let task = tokio::spawn(fleet.run(Redis::new(url).expect("a URL")));
        within(SOON, "attached", async || match fleet.status().sharing {
            Sharing::Attached { .. } => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
        Self {
            circuit,
            task: Some(task),
        }
    }
}

/// How long each call took, by circuit. All are made by a thread that does nothing else. The circuits have their calls
/// in turn, so what the machine does beside is as bad for each.
async fn calls(circuits: Vec<Circuit>) -> Vec<Vec<Duration>> {
    tokio::task::spawn_blocking(move || {
        let call = |circuit: &Circuit| {
            thread::sleep(BETWEEN);
            let began = Instant::now();
            circuit.try_acquire().expect("it is closed").success();
            began.elapsed()
        };
        let mut took = vec![Vec::new(); circuits.len()];
        for _ in 0..CALLS {
            for (took, circuit) in took.iter_mut().zip(&circuits) {
                took.push(call(circuit));
            }
        }
        took
    })
    .await
    .expect("a thread")
}

/// Of one round: half of the calls took no longer, and all but one in a thousand.
fn percentiles(mut took: Vec<Duration>) -> [Duration; 2] {
    took.sort();
    [took[took.len() / 2], took[took.len() * 999 / 1_000]]
}

/// Of the best round.
fn best(rounds: &[[Duration; 2]], which: usize) -> Duration {
    let figures = rounds.iter().map(|round| round[which]);
    figures.min().expect("a round")
}

/// Which of them is slower than the first one, in what, if any is.
fn slower(figures: &[[Duration; 2]]) -> Option<usize> {
    let [half, most] = figures[0];
    figures
        .iter()
        .position(|with| with[0] > half + (half / 10).max(ENOUGH) || with[1] > most + PUT_OFF)
}

// N1
#[tokio::test(flavor = "multi_thread")]
async fn calls_take_as_long_as_without_a_server_whatever_it_does() {
    let _turn = TURN.lock().await;
    let (well, stopped) = (Server::start(), Server::start());
    let proxy = Proxy::to(well.port()).await;
    let cases = [
        ("no fleet", Shared::with_nobody()),
        ("attached", Shared::by(&well.url()).await),
        ("server stopped", Shared::by(&stopped.url()).await),
        ("link flaps", Shared::by(&proxy.url()).await),
    ];
    stopped.stop();
    let flaps = Arc::new(AtomicBool::new(true));
    let flapping = tokio::spawn({
        let flaps = flaps.clone();
        async move {
            for link in [Link::Cuts, Link::Passes].into_iter().cycle() {
                if !flaps.load(Relaxed) {
                    return;
                }
                proxy.set(link);
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    });

    let mut seen = [const { Vec::new() }; 4];
    let mut figures = Vec::new();
    for round in 1..=MOST_ROUNDS {
        let circuits = cases.iter().map(|(_, case)| case.circuit.clone());
        for (seen, took) in seen.iter_mut().zip(calls(circuits.collect()).await) {
            seen.push(percentiles(took));
        }
        figures = seen
            .iter()
            .map(|rounds| [0, 1].map(|which| best(rounds, which)))
            .collect();
        if round >= LEAST_ROUNDS && slower(&figures).is_none() {
            break;
        }
    }
    flaps.store(false, Relaxed);
    drop(flapping.await);
    stopped.go_on();

    println!(
        "| best of {} rounds | p50 | p99.9 |\n|---|--:|--:|",
        seen[0].len()
    );
    for ((name, _), [half, most]) in cases.iter().zip(&figures) {
        println!("| {name} | {half:?} | {most:?} |");
    }
    let slower = slower(&figures).map(|slower| (cases[slower].0, figures[slower], figures[0]));
    assert_eq!(slower, None, "slower than without a fleet");
}
