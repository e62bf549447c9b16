//! N7: what can happen to a server, one test each. Whatever it is: calls go on as if nothing was shared, and once it is
//! over, the instances are one fleet again, by themselves.

use serde_json::Value;

use crate::support::{
    handle::Instance,
    instances::{
        SOON, all, is_alone, is_attached, is_closed, is_forced, is_open, start_all, within,
    },
    proxy::Proxy,
    server::{Reply, Server},
    upstream::{Answers, Upstream},
};

/// The record of the circuit.
const RECORD: &str = "{tb1:shop::0}:s:payments";

/// A server, and instances with five calls a second each, which are attached.
struct Scene {
    server: Server,
    upstream: Upstream,
    instances: Vec<Instance>,
}

impl Scene {
    async fn of(many: u8) -> Self {
        let server = Server::start();
        let upstream = Upstream::start().await.expect("a port");
        let instances = start_all(many, &upstream, &server.url(), 5.0);
        let scene = Self {
            server,
            upstream,
            instances,
        };
        scene.all("attached", is_attached).await;
        scene
    }

    async fn all(&self, what: &str, is_so: impl Fn(&Value) -> bool) {
        all(&self.instances, what, is_so).await;
    }

    /// Each is alone, for this reason, and its calls go on, and none is lost.
    async fn alone_for(&self, why: &str) {
        self.all("alone", is_alone).await;
        self.all(why, |state| state["fleet"]["why"] == why).await;
        calls_go_on(&self.instances).await;
    }

    /// One decides, the others hear.
    async fn is_one_fleet(&self) {
        self.all("attached", is_attached).await;
        self.instances[0].tell("force");
        self.all("forced open", is_forced).await;
        self.instances[1].tell("release");
        self.all("released", is_closed).await;
    }
}

async fn calls_go_on(instances: &[Instance]) {
    for instance in instances {
        let before = instance.state();
        within(SOON, "calls go on", async || {
            let state = instance.state();
            assert_eq!(
                (&state["failed"], &state["rejected"]),
                (&before["failed"], &before["rejected"])
            );
            let more = before["ok"].as_u64().map(|ok| ok + 5);
            if state["ok"].as_u64() >= more {
                Ok(())
            } else {
                Err(state.to_string())
            }
        })
        .await;
    }
}

fn stamp(state: &Value) -> (u64, u64) {
    let stamp = &state["fleet"]["stamp"];
    (
        stamp[0].as_u64().unwrap_or(0),
        stamp[1].as_u64().unwrap_or(0),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_comes_back_empty_knows_again_what_was_decided() {
    let mut scene = Scene::of(3).await;
    scene.instances[0].tell("force");
    scene.all("forced open", is_forced).await;
    let known = stamp(&scene.instances[0].state());
    scene.server.kill();
    scene.all("alone", is_alone).await;
    // Who was told that it is forced open keeps to it, also alone.
    scene.all("still forced open", is_forced).await;
    scene.server.restart();
    scene.all("attached", is_attached).await;
    within(SOON, "the record is restored", async || {
        match scene.server.ask(&["EXISTS", RECORD]) {
            Reply::Number(1) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    scene
        .all("still forced open", |state| {
            is_forced(state) && stamp(state) >= known
        })
        .await;
    scene.instances[2].tell("release");
    scene.all("released", is_closed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_yet_is_found_when_it_is() {
    let mut server = Server::start();
    server.kill();
    let upstream = Upstream::start().await.expect("a port");
    let instances = start_all(2, &upstream, &server.url(), 5.0);
    all(&instances, "alone", |state| {
        state["fleet"]["why"] == "not_reached"
    })
    .await;
    calls_go_on(&instances).await;
    server.restart();
    all(&instances, "attached", is_attached).await;
}

// N7: what opens alone while the server is away, and what closes, is as if nothing was shared.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_an_outage_opens_and_closes_each_alone() {
    let mut scene = Scene::of(3).await;
    scene.server.kill();
    scene.all("alone", is_alone).await;
    scene.upstream.set(Answers::Fails);
    scene.all("open", is_open).await;
    scene.upstream.set(Answers::Ok);
    scene.all("closed", is_closed).await;
    scene.server.restart();
    scene.is_one_fleet().await;
}

// N2: nothing is queued and nothing is lost: a register is all that an instance has to say.
#[tokio::test(flavor = "multi_thread")]
async fn sums_that_were_wiped_are_there_again_with_the_next_reports() {
    let scene = Scene::of(3).await;
    let is_whole = |state: &Value| {
        let fleet = &state["fleet"];
        fleet["contributors"] == 3 && fleet["calls"].as_u64() >= Some(30)
    };
    scene.all("the sums are those of all", is_whole).await;
    scene.server.tell(&["FLUSHALL"]);
    within(SOON, "the sums are in the store", async || {
        let sums = scene.server.ask(&["HGET", RECORD, "W"]);
        let calls = |text: &str| {
            text.split(' ')
                .nth(2)
                .and_then(|calls| calls.parse::<u64>().ok())
        };
        match &sums {
            Reply::Text(text) if calls(text) >= Some(30) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    scene.all("the sums are those of all", is_whole).await;
}

// N7, N5: the store is lost in the middle of a break. The hold lapses, and each probes for itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_during_a_break_leaves_nobody_open_for_ever() {
    let mut scene = Scene::of(3).await;
    scene.upstream.set(Answers::Fails);
    scene.all("open", is_open).await;
    scene.server.kill();
    scene.upstream.set(Answers::Ok);
    scene.all("closed", is_closed).await;
    scene.all("alone", is_alone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_stopped_leaves_each_alone() {
    let scene = Scene::of(2).await;
    scene.server.stop();
    scene.alone_for("timed_out").await;
    scene.server.go_on();
    scene.is_one_fleet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_only_reads_leaves_each_alone() {
    let scene = Scene::of(2).await;
    // Of a primary that is nowhere.
    scene.server.tell(&["REPLICAOF", "127.0.0.1", "1"]);
    scene.alone_for("read_only").await;
    scene.server.tell(&["REPLICAOF", "NO", "ONE"]);
    scene.is_one_fleet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_full_leaves_each_alone() {
    let scene = Scene::of(2).await;
    scene.server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
    scene.alone_for("full").await;
    scene.server.tell(&["CONFIG", "SET", "maxmemory", "0"]);
    scene.is_one_fleet().await;
}

// N7: it answers whoever looks, so a break that the fleet has decided could be held for ever, and no seat be had.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_only_reads_holds_no_break_for_ever() {
    let scene = Scene::of(3).await;
    scene.upstream.set(Answers::Fails);
    scene.all("open", is_open).await;
    scene.server.tell(&["REPLICAOF", "127.0.0.1", "1"]);
    scene.upstream.set(Answers::Ok);
    scene.all("closed", is_closed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_full_holds_no_break_for_ever() {
    let scene = Scene::of(3).await;
    scene.upstream.set(Answers::Fails);
    scene.all("open", is_open).await;
    scene.server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
    scene.upstream.set(Answers::Ok);
    scene.all("closed", is_closed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_are_forgotten_and_clients_that_are_killed_are_not_noticed() {
    let scene = Scene::of(2).await;
    scene.server.tell(&["SCRIPT", "FLUSH"]);
    scene.is_one_fleet().await;
    scene.server.tell(&["CLIENT", "KILL", "TYPE", "normal"]);
    scene.server.tell(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    scene.is_one_fleet().await;
    scene.server.tell(&["FLUSHALL"]);
    scene.is_one_fleet().await;
}

// N8: whatever is in the record, it is refused and told, and nothing else happens.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_full_of_garbage_is_refused_and_told() {
    let scene = Scene::of(2).await;
    for garbage in [
        &["HSET", RECORD, "S", "garbage"][..],
        &[
            "HSET",
            RECORD,
            "S",
            "99999999999999999999 0 c n 0 0 0 0 0 0 0 0 0 0",
        ],
        &["SET", RECORD, "no hash at all"],
    ] {
        let before: Vec<u64> = refused(&scene.instances);
        scene.server.tell(&["DEL", RECORD]);
        scene.server.tell(garbage);
        within(SOON, &format!("{garbage:?} is refused"), async || {
            let now = refused(&scene.instances);
            let each = now.iter().zip(&before);
            let states = || {
                scene
                    .instances
                    .iter()
                    .map(Instance::state)
                    .collect::<Vec<_>>()
            };
            if each.clone().all(|(now, before)| now > before) {
                Ok(())
            } else {
                Err(format!("{:?}", states()))
            }
        })
        .await;
        calls_go_on(&scene.instances).await;
    }
    scene.server.tell(&["DEL", RECORD]);
    scene.is_one_fleet().await;
}

fn refused(instances: &[Instance]) -> Vec<u64> {
    let states = instances.iter().map(Instance::state);
    states
        .map(|state| state["fleet"]["refused"].as_u64().unwrap_or(0))
        .collect()
}

/// A primary and its replica, which has all that the primary has.
async fn replicated() -> (Server, Server) {
    let (primary, replica) = (Server::start(), Server::start());
    replica.tell(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    within(SOON, "the replica follows", async || {
        let link = replica.info("replication").remove("master_link_status");
        if link.as_deref() == Some("up") {
            Ok(())
        } else {
            Err(format!("{link:?}"))
        }
    })
    .await;
    (primary, replica)
}

// N4, N7: the replica is promoted, and has never heard of the last decision, which all instances know.
#[tokio::test(flavor = "multi_thread")]
async fn a_failover_that_forgets_the_last_decision_is_told_it_again() {
    let (mut primary, replica) = replicated().await;
    let proxy = Proxy::to(primary.port()).await;
    let upstream = Upstream::start().await.expect("a port");
    let instances = start_all(3, &upstream, &proxy.url(), 5.0);
    all(&instances, "attached", is_attached).await;
    instances[0].tell("force");
    all(&instances, "forced open", is_forced).await;
    instances[0].tell("release");
    all(&instances, "released", is_closed).await;
    within(SOON, "the replica has it", async || {
        match replica.ask(&["EXISTS", RECORD]) {
            Reply::Number(1) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;

    // What is written from now on is lost.
    replica.stop();
    instances[1].tell("force");
    all(&instances, "forced open", is_forced).await;
    let known = stamp(&instances[0].state());
    primary.kill();
    replica.go_on();
    replica.tell(&["REPLICAOF", "NO", "ONE"]);
    proxy.turn_to(replica.port());
    within(SOON, "the new primary knows what was decided", async || {
        let record = replica.ask(&["HGET", RECORD, "S"]);
        let told = matches!(&record, Reply::Text(text) if text.starts_with(&format!("{} {} ", known.0, known.1)));
        if told { Ok(()) } else { Err(format!("{record:?}, not {known:?}")) }
    })
    .await;
    all(&instances, "attached, and as they were", |state| {
        is_attached(state) && is_forced(state) && stamp(state) == known
    })
    .await;
}

// N7: two primaries. Each side is a fleet of its own; after it is healed, the higher stamp holds for all.
#[tokio::test(flavor = "multi_thread")]
async fn a_split_is_two_fleets_and_then_one() {
    let (here, there) = (Server::start(), Server::start());
    let upstream = Upstream::start().await.expect("a port");
    let proxies = [Proxy::to(here.port()).await, Proxy::to(here.port()).await];
    let mut sides = Vec::new();
    for (proxy, names) in proxies.iter().zip([["a", "b"], ["c", "d"]]) {
        let mut names = names.into_iter();
        sides.push(start_all(2, &upstream, &proxy.url(), 5.0));
        for instance in sides.last_mut().expect("a side") {
            instance.name = names.next().expect("a name").into();
        }
    }
    for side in &sides {
        all(side, "attached", is_attached).await;
    }
    proxies[1].turn_to(there.port());
    within(SOON, "the other server has them", async || {
        let clients = there.info("clients")["connected_clients"]
            .parse::<u64>()
            .expect("a number");
        if clients > 2 {
            Ok(())
        } else {
            Err(format!("{clients} clients"))
        }
    })
    .await;
    all(&sides[1], "attached", is_attached).await;
    sides[1][0].tell("force");
    all(&sides[1], "forced open", is_forced).await;
    calls_go_on(&sides[0]).await;
    assert!(
        sides[0].iter().all(|instance| is_closed(&instance.state())),
        "a fleet of its own"
    );

    proxies[1].turn_to(here.port());
    for side in &sides {
        all(side, "attached and forced open", |state| {
            is_attached(state) && is_forced(state)
        })
        .await;
    }
}
