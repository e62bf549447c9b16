//! N8: whatever happens, the store holds two keys a circuit and one log, and each of them has an end.

use std::time::Duration;

use tower_breaker::fleet::wire::{Key, Stamp};
use tower_breaker_redis::Redis;

use crate::{
    TURN,
    support::{
        asked::{decide, outage, report},
        instances::{SOON, within},
        server::{Reply, Server},
    },
};

const CIRCUITS: usize = 20;
/// Each is three decisions: it opens, probes, and closes.
const ROUNDS: u64 = 167;
/// A day, and thirty for what a person has forced.
const LONGEST: i64 = 31 * 24 * 3_600 * 1_000;

/// An outage, from beginning to end, as one instance has it.
async fn has_an_outage(redis: &Redis, instance: u64, name: &Key, from: Stamp) -> Stamp {
    let window = Duration::from_secs(10);
    report(redis, instance, name, from, window)
        .await
        .expect("an answer");
    let mut stamp = from;
    for what in outage() {
        stamp = decide(redis, instance, name, stamp, what)
            .await
            .standing
            .stamp;
    }
    stamp
}

/// Each key there is, with what is left of its time.
fn times_to_live(server: &Server) -> Vec<(String, i64)> {
    let keys = server.keys().into_iter();
    keys.map(|key| {
        let left = server.tell(&["PTTL", &key]).number();
        (key, left)
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_decisions_leave_two_keys_a_circuit_and_a_log() {
    let _turn = TURN.lock().await;
    let server = Server::start();
    let redis = Redis::new(&server.url()).expect("a URL");
    let mut instance = 0;
    let mut stamps = vec![Stamp::default(); CIRCUITS];
    for _ in 0..ROUNDS {
        for (number, stamp) in stamps.iter_mut().enumerate() {
            instance += 1;
            *stamp = has_an_outage(
                &redis,
                instance,
                &Key::of(&format!("circuit {number}")),
                *stamp,
            )
            .await;
        }
    }
    assert!(
        stamps.iter().all(|stamp| stamp.era == 3 * ROUNDS),
        "{stamps:?}"
    );

    let keys = times_to_live(&server);
    assert!(
        keys.len() <= 2 * CIRCUITS + 1,
        "{} keys: {keys:?}",
        keys.len()
    );
    for (key, left) in &keys {
        assert!((1..=LONGEST).contains(left), "{key} stays for {left} ms");
    }
    let log = server.tell(&["ZCARD", "{tb1:shop::0}:log"]).number();
    assert!(log <= 4_097, "{log} entries");
    println!(
        "{} decisions: {} keys, {log} entries in the log",
        3 * ROUNDS * CIRCUITS as u64,
        keys.len(),
    );
}

// N2, N8: instances that come and go leave registers behind. They are swept by those that come after.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_instances_that_are_gone_leave_nothing() {
    let _turn = TURN.lock().await;
    let server = Server::start();
    let redis = Redis::new(&server.url()).expect("a URL");
    let mut instance = 0;
    let (name, window) = (Key::of("payments"), Duration::from_millis(200));
    for _ in 0..1_000 {
        instance += 1;
        report(&redis, instance, &name, Stamp::default(), window)
            .await
            .expect("an answer");
    }
    within(SOON, "few registers stay", async || {
        instance += 1;
        report(&redis, instance, &name, Stamp::default(), window)
            .await
            .expect("an answer");
        // Those of this window and the one before count, and as many again may stay, and a few.
        match server.ask(&["HLEN", "{tb1:shop::0}:r:payments"]) {
            Reply::Number(left) if left <= 120 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(times_to_live(&server).iter().all(|(_, left)| *left > 0));
}
