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

const ROUNDS: usize = 5;
/// Of each in each round: 3,000 calls in a second and a half.
const CALLS: usize = 3_000;
const BETWEEN: Duration = Duration::from_micros(500);
/// Of one that lasts as long as an allocation, a tenth is less than a clock tells.
const ENOUGH: Duration = Duration::from_micros(2);

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

    /// How long each call took. It is made by a thread that does nothing else.
    async fn calls(&self) -> Vec<Duration> {
        let circuit = self.circuit.clone();
        tokio::task::spawn_blocking(move || {
            let call = || {
                thread::sleep(BETWEEN);
                let began = Instant::now();
                circuit.try_acquire().expect("it is closed").success();
                began.elapsed()
            };
            let mut took: Vec<Duration> = (0..CALLS).map(|_| call()).collect();
            took.sort();
            took
        })
        .await
        .expect("a thread")
    }
}

/// Of one round: half of the calls took no longer, and all but one in a thousand.
fn percentiles(took: &[Duration]) -> [Duration; 2] {
    [took[took.len() / 2], took[took.len() * 999 / 1_000]]
}

/// Of all rounds.
fn median(rounds: &[[Duration; 2]], which: usize) -> Duration {
    let mut sorted: Vec<Duration> = rounds.iter().map(|round| round[which]).collect();
    sorted.sort();
    sorted[sorted.len() / 2]
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
    for _ in 0..ROUNDS {
        for ((_, case), seen) in cases.iter().zip(&mut seen) {
            seen.push(percentiles(&case.calls().await));
        }
    }
    flaps.store(false, Relaxed);
    drop(flapping.await);
    stopped.go_on();

    println!("| | p50 | p99.9 |\n|---|--:|--:|");
    let figures: Vec<[Duration; 2]> = seen
        .iter()
        .map(|rounds| [0, 1].map(|which| median(rounds, which)))
        .collect();
    for ((name, _), [half, most]) in cases.iter().zip(&figures) {
        println!("| {name} | {half:?} | {most:?} |");
    }
    for ((name, _), figures_of) in cases.iter().zip(&figures) {
        for which in [0, 1] {
            let (without, with) = (figures[0][which], figures_of[which]);
            let most = without + (without / 10).max(ENOUGH);
            assert!(
                with <= most,
                "{name}: {with:?}, and {without:?} without a fleet"
            );
        }
    }
}
