//! N5: however circuits and futures come and go, no probe too many is made.

use std::time::Duration;

use tokio::time::{Instant as When, sleep};
use tower_breaker::{
    Agreement, Circuit, OwnedGuard, State,
    fleet::{Fleet, Memory},
};

use crate::{
    chaos::Chance,
    fleet_support::{Fault, Faulty, Instance, millis, quiet, secs},
};

const PERMITS: usize = 2;
/// As long as a seat is kept.
const LIFE: Duration = Duration::from_secs(2);

struct Probe {
    began: When,
    guard: Option<OwnedGuard>,
}

fn circuit(fleet: &Fleet) -> Circuit {
    let builder = quiet(Circuit::builder("payments")).probes(12, 15);
    let builder = builder.permits(2).shared(Agreement::default());
    builder.fleet(fleet).build().expect("settings")
}

fn instance(memory: &Memory) -> (Instance, Faulty) {
    let store = Faulty::of(memory.clone());
    let fleet = Fleet::builder("shop").build().expect("a fleet");
    let circuit = circuit(&fleet);
    let task = tokio::spawn(fleet.run(store.clone()));
    (
        Instance {
            circuit,
            fleet,
            task,
        },
        store,
    )
}

async fn history(seed: u64) -> usize {
    let chance = &mut Chance(seed);
    let memory = Memory::new();
    let mut all: Vec<_> = (0..3).map(|_| instance(&memory)).collect();
    while all[0].0.state() == State::Closed {
        for (it, _) in &all {
            it.call(false);
        }
        sleep(millis(500)).await;
    }
    sleep(secs(7)).await;
    // Those that have ended free a seat.
    let (mut probes, mut ended): (Vec<Probe>, Vec<When>) = (Vec::new(), Vec::new());
    let mut made = 0;
    for _ in 0..3_000 {
        let at = usize::try_from(chance.below(3)).expect("small");
        let what = chance.below(400);
        match what {
            0 => all[at].0.circuit = circuit(&all[at].0.fleet),
            1 => {
                let (it, store) = &mut all[at];
                it.task.abort();
                let (fleet, store) = (it.fleet.clone(), store.clone());
                it.task = tokio::spawn(async move {
                    sleep(millis(20)).await;
                    fleet.run(store).await;
                });
            }
            2 => all[at].1.is(Fault::Late(millis(chance.below(300)))),
            3 => all[at].1.is(Fault::None),
            4 => {
                all[at].1.is(Fault::Silent);
                sleep(millis(300)).await;
                all[at].1.is(Fault::None);
            }
            // None that is later than its seat.
            5..=30 => {
                let in_time =
                    |probe: &&mut Probe| probe.guard.is_some() && probe.began.elapsed() < secs(1);
                let live = probes.iter_mut().filter(in_time);
                if let Some(guard) = live.last().and_then(|probe| probe.guard.take()) {
                    ended.push(When::now());
                    guard.success();
                }
            }
            _ => {}
        }
        for (it, _) in &all {
            let Ok(guard) = it.circuit.clone().try_acquire_owned() else {
                continue;
            };
            if it.state() != State::HalfOpen {
                continue;
            }
            made += 1;
            let guard = Some(guard);
            let now = When::now();
            probes.push(Probe { began: now, guard });
            let lately = |at: &When| now.duration_since(*at) < LIFE - millis(400);
            let began = probes.iter().filter(|probe| lately(&probe.began)).count();
            let ended = ended.iter().filter(|at| lately(at)).count();
            let snapshot = it.circuit.snapshot();
            assert!(
                began <= PERMITS + ended,
                "{seed}: {began} probes, {ended} ended: {snapshot:?}"
            );
        }
        sleep(millis(10)).await;
    }
    made
}

#[tokio::test(start_paused = true)]
async fn no_probe_too_many() {
    let seeds = std::env::var("TOWER_BREAKER_CASES")
        .ok()
        .and_then(|it| it.parse().ok());
    let mut made = 0;
    for seed in 0..seeds.unwrap_or(10) {
        made += history(seed).await;
    }
    assert!(made > 100, "{made}");
}
