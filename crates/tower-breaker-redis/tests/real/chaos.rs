//! N7: whatever happens, in whatever order: once it is over, the instances are one fleet, closed, and of one mind.
//!
//! The order is by chance. A failure tells the seed; `TOWER_BREAKER_SEED` has it once more, as far as processes and
//! servers do the same again.

use std::{
    env,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use tokio::time::sleep;

use crate::support::{
    handle::Instance,
    instances::{SOON, all, is_attached, is_closed, is_forced, start_all, within},
    proxy::{Link, Proxy},
    server::{Server, signal},
    upstream::{Answers, Upstream},
};

const INSTANCES: u8 = 5;
const STEPS: u32 = 25;
/// A connection that went silent is left after three time-outs, and by then an instance may ask only once in five
/// seconds; and who has refused to write is believed again when something was written, or after six seconds, or twelve.
const UNTIL_WELL: Duration = Duration::from_secs(30);

struct Scene {
    server: Server,
    proxy: Proxy,
    upstream: Upstream,
    instances: Vec<Instance>,
    chance: u64,
    told: Vec<String>,
}

impl Scene {
    /// Below that.
    fn below(&mut self, end: u64) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance % end
    }

    fn one(&mut self) -> &Instance {
        let number = self.below(INSTANCES.into());
        let number = usize::try_from(number).expect("a few");
        &self.instances[number]
    }

    /// Something happens.
    fn step(&mut self) {
        let what = match self.below(15) {
            0 => {
                self.server.restart();
                "the server is killed, and comes back empty"
            }
            1 => {
                self.server.stop();
                "the server freezes"
            }
            2 => {
                self.server.go_on();
                drop(self.server.ask(&["FLUSHALL"]));
                "the server is emptied"
            }
            3 => {
                self.server.go_on();
                self.server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
                "the server is full"
            }
            4 => {
                self.server.go_on();
                self.server.tell(&["REPLICAOF", "127.0.0.1", "1"]);
                "the server only reads"
            }
            5 | 6 => {
                self.heal_server();
                "the server is well"
            }
            7 => {
                self.proxy.silence_those_there_are();
                "connections go silent"
            }
            8 => {
                self.proxy.set(Link::Cuts);
                "the link is cut"
            }
            9 => {
                self.proxy.set(Link::Passes);
                "the link is well"
            }
            10 => {
                self.upstream.set(Answers::Fails);
                "the upstream fails"
            }
            11 => {
                self.upstream.set(Answers::Ok);
                "the upstream is well"
            }
            12 => {
                let order =
                    ["force", "release", "reset"][usize::try_from(self.below(3)).expect("3")];
                self.one().tell(order);
                order
            }
            13 => {
                let pid = self.one().pid().expect("a process");
                signal(pid, "CONT");
                "an instance goes on"
            }
            _ => {
                let pid = self.one().pid().expect("a process");
                signal(pid, "STOP");
                "an instance freezes"
            }
        };
        self.told.push(what.into());
    }

    fn heal_server(&self) {
        self.server.go_on();
        self.server.tell(&["CONFIG", "SET", "maxmemory", "0"]);
        self.server.tell(&["REPLICAOF", "NO", "ONE"]);
    }

    /// All of it is over.
    fn heal(&self) {
        self.heal_server();
        self.proxy.set(Link::Passes);
        self.upstream.set(Answers::Ok);
        for instance in &self.instances {
            signal(instance.pid().expect("a process"), "CONT");
        }
    }
}

/// Of another one each time, unless it is given.
fn seed() -> u64 {
    let given = env::var("TOWER_BREAKER_SEED")
        .ok()
        .and_then(|seed| seed.parse::<u64>().ok());
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    given.unwrap_or(since.subsec_nanos().into()) | 1
}

#[tokio::test(flavor = "multi_thread")]
async fn after_whatever_happens_all_are_one_fleet_again() {
    let server = Server::start();
    let proxy = Proxy::to(server.port()).await;
    let upstream = Upstream::start().await.expect("a port");
    let instances = start_all(INSTANCES, &upstream, &proxy.url(), 5.0);
    all(&instances, "attached", is_attached).await;
    let seed = seed();
    let mut scene = Scene {
        server,
        proxy,
        upstream,
        instances,
        chance: seed,
        told: Vec::new(),
    };
    for _ in 0..STEPS {
        scene.step();
        let pause = 100 + scene.below(900);
        sleep(Duration::from_millis(pause)).await;
    }
    println!("seed {seed}: {:#?}", scene.told);
    scene.heal();

    let instances = &scene.instances;
    let since = Instant::now();
    within(UNTIL_WELL, "attached", async || {
        let other = instances
            .iter()
            .find(|instance| !is_attached(&instance.state()));
        other.map_or(Ok(()), |instance| {
            Err(format!("{} is {}", instance.name, instance.state()))
        })
    })
    .await;
    println!("all are attached after {:?}", since.elapsed());
    // What was said while the store was away holds on that instance alone, until it is released there.
    for instance in instances {
        let answers = || {
            instance
                .lines()
                .iter()
                .filter(|line| line.get("heard").is_some())
                .count()
        };
        let before = answers();
        instance.tell("release");
        within(SOON, "that is answered", async || {
            let is_answered = answers() > before && !is_forced(&instance.state());
            if is_answered {
                Ok(())
            } else {
                Err(format!("{:?}", instance.lines()))
            }
        })
        .await;
    }
    all(instances, "closed", is_closed).await;
    within(SOON, "of one mind", async || {
        let states: Vec<Value> = instances.iter().map(Instance::state).collect();
        let first = &states[0]["fleet"];
        let other = states.iter().find(|state| {
            let fleet = &state["fleet"];
            fleet["stamp"] != first["stamp"] || fleet["attached"] != true || !is_closed(state)
        });
        other.map_or(Ok(()), |state| Err(format!("{first}, and {state}")))
    })
    .await;
}
