//! N4: how long it takes until all have heard of a decision: by a push, and by looking once a second.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tower_breaker_redis::Redis;

use crate::{
    TURN,
    support::{
        instances::{SOON, within},
        members::{Member, is_attached},
        server::Server,
    },
};

/// Who has heard of it, when.
type Heard = Arc<Mutex<Vec<Instant>>>;

/// So many instances, of which the first decides; when it did, and when each has heard.
async fn decide(instances: usize, change: impl Fn(Redis) -> Redis) -> Vec<Duration> {
    let server = Server::start();
    let heard = Heard::default();
    let member = |_| {
        let redis = change(Redis::new(&server.url()).expect("a URL"));
        let heard = heard.clone();
        Member::with(redis, |builder| {
            builder.on_transition(move |_, _| heard.lock().expect("times").push(Instant::now()))
        })
    };
    let members: Vec<Member> = (0..instances).map(member).collect();
    within(Duration::from_secs(30), "attached", async || {
        let mut snapshots = members.iter().map(|member| member.circuit.snapshot());
        match snapshots.find(|snapshot| !is_attached(snapshot)) {
            None => Ok(()),
            Some(snapshot) => Err(snapshot.to_string()),
        }
    })
    .await;

    let began = Instant::now();
    members[0].circuit.force_open();
    within(SOON, "all have heard", async || {
        let heard = heard.lock().expect("times").len();
        if heard == instances {
            Ok(())
        } else {
            Err(format!("{heard} have heard"))
        }
    })
    .await;
    let mut took: Vec<Duration> = heard
        .lock()
        .expect("times")
        .iter()
        .map(|at| *at - began)
        .collect();
    took.sort();
    took
}

fn print(how: &str, took: &[Duration]) {
    let (half, last) = (took[took.len() / 2], took[took.len() - 1]);
    println!("| {} | {how} | {half:.1?} | {last:.1?} |", took.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_reaches_all_by_a_push_or_by_the_next_look() {
    let _turn = TURN.lock().await;
    println!("| instances | | half of them have heard after | the last |\n|--:|---|--:|--:|");
    for instances in [2, 50, 200] {
        let pushed = decide(instances, |redis| redis).await;
        print("pushed", &pushed);
        let looked = decide(instances, Redis::without_hints).await;
        print("looked", &looked);
        // A push is a hint to look, which waits for an interval at most, and for 5 µs an instance. A look comes once a
        // second. Beyond that there is what the machine takes for all tasks of this process, which is why the two are
        // compared with each other and not with a clock, and why with 200 instances they are only told.
        let half = instances / 2;
        assert!(
            instances == 200 || pushed[half] < looked[half],
            "pushed {pushed:?}, looked {looked:?}"
        );
    }
}
