//! N3 to N6: instances in processes of their own, that agree, probe for each other, die and freeze. How many probes
//! there were is what the upstream has seen, and not what anybody believes.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{
    handle::Instance,
    instance::Plan,
    instances::{SOON, all, is_attached, is_closed, is_forced, is_open, start_with, within},
    server::{Server, is_stopped, signal},
    upstream::{Answers, Arrival, Upstream},
};

struct Scene {
    server: Server,
    upstream: Upstream,
    instances: Vec<Instance>,
}

impl Scene {
    /// So many, with a call a second each. Alone none has ten in five seconds.
    async fn of(many: u8) -> Self {
        Self::with(many, |_| {}).await
    }

    /// So many, with five calls a second each. Alone none has forty in five seconds. Who has a seat uses it soon.
    async fn busy(many: u8) -> Self {
        let busy = |plan: &mut Plan| (plan.rate, plan.minimum_calls) = (5.0, 40);
        Self::with(many, busy).await
    }

    async fn with(many: u8, change: impl Fn(&mut Plan)) -> Self {
        let server = Server::start();
        let upstream = Upstream::start().await.expect("a port");
        let instances = start_with(many, &upstream, &server.url(), change);
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

    fn named(&self, name: &str) -> &Instance {
        let mut instances = self.instances.iter();
        instances
            .find(|instance| instance.name == name)
            .expect("one of them")
    }

    /// All open, and nobody's call is under way any more: whoever comes from now on is a probe.
    async fn open(&self, answers: Answers) -> Instant {
        self.upstream.set(Answers::Fails);
        self.all("open", is_not_closed).await;
        quiet(&self.upstream).await;
        self.upstream.set(answers);
        Instant::now()
    }

    /// Waits for so many probes.
    async fn probes(&self, since: Instant, many: usize) -> Vec<Arrival> {
        let what = format!("{many} probes");
        within(SOON, &what, async || {
            let seen = self.upstream.since(since).len();
            if seen >= many {
                Ok(())
            } else {
                Err(format!("{seen} came"))
            }
        })
        .await;
        self.upstream.since(since)
    }
}

/// Until nobody has called for a while: whoever is still under way has arrived by then.
async fn quiet(upstream: &Upstream) {
    let silence = Duration::from_millis(300);
    within(SOON, "no call is under way", async || {
        let since = Instant::now()
            .checked_sub(silence)
            .expect("later than boot");
        let seen = upstream.since(since).len();
        if seen == 0 {
            Ok(())
        } else {
            Err(format!("{seen} calls in {silence:?}"))
        }
    })
    .await;
}

fn is_not_closed(state: &Value) -> bool {
    matches!(state["state"].as_str(), Some("open" | "half_open"))
}

// N3: at a call a second, no instance has ten calls in its window of five seconds. Together they have.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_that_nobody_sees_alone_opens_all() {
    let scene = Scene::of(5).await;
    scene.upstream.set(Answers::Fails);
    scene.all("open", is_not_closed).await;
    for instance in &scene.instances {
        let lines = instance.lines();
        let opened = lines
            .iter()
            .find(|line| line["to"] == "open")
            .expect("a transition");
        assert_eq!(
            opened["cause"], "shared",
            "{} has not opened alone",
            instance.name
        );
    }
    scene.upstream.set(Answers::Ok);
    scene.all("closed", is_closed).await;
}

// N5: with one permit, one probe a break goes to the upstream, from whomever.
#[tokio::test(flavor = "multi_thread")]
async fn one_probe_a_break_is_sent_for_all() {
    let scene = Scene::of(5).await;
    let since = scene.open(Answers::Fails).await;
    let probes = scene.probes(since, 3).await;
    for pair in probes.windows(2) {
        let apart = pair[1].at - pair[0].at;
        assert!(
            apart >= Duration::from_millis(1_450),
            "two probes in one break: {apart:?} apart"
        );
    }
    scene.upstream.set(Answers::Ok);
    let since = Instant::now();
    scene.probes(since, 1).await;
    scene.all("closed", is_closed).await;
}

// N5: whoever has the only seat is killed between the grant and the result. Its lease ends, and somebody else probes.
#[tokio::test(flavor = "multi_thread")]
async fn a_prober_that_is_killed_costs_one_lease() {
    let mut scene = Scene::busy(4).await;
    let since = scene.open(Answers::Hangs).await;
    let probe = scene.probes(since, 1).await.remove(0);
    let prober = scene.named(&probe.from).pid().expect("a process");
    signal(prober, "KILL");
    scene.upstream.set(Answers::Ok);
    scene
        .instances
        .retain(|instance| instance.name != probe.from);
    scene.all("closed", is_closed).await;

    let after = scene.upstream.since(since);
    assert_ne!(after[1].from, probe.from);
    // A probe may take a second, and a lease is a second longer, from when it was asked for: then a call had to come.
    let apart = after[1].at - probe.at;
    assert!(
        apart >= Duration::from_millis(1_500),
        "before the lease was over: {apart:?}"
    );
    assert!(
        apart <= Duration::from_secs(6),
        "long after the lease was over: {apart:?}"
    );
}

// N5: whoever has the only seat freezes until long after its lease. What it believes when it goes on is worth nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_prober_that_froze_past_its_lease_disturbs_nobody() {
    let scene = Scene::busy(4).await;
    let since = scene.open(Answers::Hangs).await;
    let probe = scene.probes(since, 1).await.remove(0);
    let frozen = scene.named(&probe.from);
    let pid = frozen.pid().expect("a process");
    signal(pid, "STOP");
    is_stopped(pid);
    scene.upstream.set(Answers::Ok);
    within(SOON, "the others close", async || {
        let mut others = scene
            .instances
            .iter()
            .filter(|instance| instance.name != probe.from);
        let other = others.find(|instance| !is_closed(&instance.state()));
        other.map_or(Ok(()), |instance| {
            Err(format!("{} is {}", instance.name, instance.state()))
        })
    })
    .await;
    signal(pid, "CONT");
    scene.all("closed", is_closed).await;
    scene.all("attached", is_attached).await;
    let reopened = scene.instances.iter().any(|instance| {
        let lines = instance.lines();
        let transitions = lines.iter().filter(|line| line.get("to").is_some());
        let closed = transitions.skip_while(|line| line["to"] != "closed");
        closed.into_iter().any(|line| line["to"] == "open")
    });
    assert!(!reopened, "it has opened once more");
}

// N3: one instance with a bad link, and with more calls than all others together.
#[tokio::test(flavor = "multi_thread")]
async fn one_bad_instance_harms_nobody() {
    let scene = Scene::of(5).await;
    let bad = &scene.instances[1];
    bad.tell("bad on");
    bad.tell("rate 8");
    within(SOON, "it opens", async || {
        let state = bad.state();
        if is_open(&state) {
            Ok(())
        } else {
            Err(state.to_string())
        }
    })
    .await;
    // For as long as two more of its breaks.
    let opened = |instance: &Instance| {
        instance
            .lines()
            .iter()
            .filter(|line| line["to"] == "open")
            .count()
    };
    within(SOON, "it opens again and again", async || {
        let opened = opened(bad);
        if opened >= 3 {
            Ok(())
        } else {
            Err(format!("{opened} times"))
        }
    })
    .await;
    for other in scene
        .instances
        .iter()
        .filter(|instance| instance.name != bad.name)
    {
        assert_eq!(opened(other), 0, "{} has opened", other.name);
    }
    bad.tell("bad off");
    scene.all("closed", is_closed).await;
}

// N6: once, on one of them.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_does_is_heard_by_all_and_counted() {
    let scene = Scene::of(5).await;
    let heard = async |instance: &Instance, answers: usize| {
        within(SOON, "it is known who heard it", async || {
            let lines = instance.lines();
            let heard: Vec<&Value> = lines.iter().filter_map(|line| line.get("heard")).collect();
            let is_so = heard.len() == answers && *heard[answers - 1] == 5;
            if is_so {
                Ok(())
            } else {
                Err(format!("{lines:?}"))
            }
        })
        .await;
    };
    scene.instances[2].tell("force");
    scene.all("forced open", is_forced).await;
    heard(&scene.instances[2], 1).await;
    scene.instances[2].tell("release");
    scene.all("released", is_closed).await;
    heard(&scene.instances[2], 2).await;

    scene.instances[3].tell("here force");
    within(SOON, "one is forced open", async || {
        let state = scene.instances[3].state();
        if is_forced(&state) {
            Ok(())
        } else {
            Err(state.to_string())
        }
    })
    .await;
    // Whatever is decided after it comes after it: the others would have heard it by then.
    scene.instances[0].tell("reset");
    heard(&scene.instances[0], 1).await;
    let forced = scene
        .instances
        .iter()
        .filter(|instance| is_forced(&instance.state()))
        .count();
    assert_eq!(forced, 1, "here is here only");
    assert!(!scene.server.keys().is_empty());
}

// N8: a deploy is half done, and the new version has other settings.
#[tokio::test(flavor = "multi_thread")]
async fn instances_with_other_settings_are_told_so() {
    let scene = Scene::of(2).await;
    let newer = |plan: &mut Plan| (plan.rate, plan.minimum_calls) = (1.0, 11);
    let newer = start_with(2, &scene.upstream, &scene.server.url(), newer);
    // Whose settings are the fleet's depends on who was the first to say something.
    within(
        SOON,
        "those are told whose settings are not the fleet's",
        async || {
            let told = [&scene.instances, &newer].map(|version| {
                let states = version.iter().map(Instance::state);
                states
                    .filter(|state| state["fleet"]["mismatch"] == true)
                    .count()
            });
            match told {
                [2, 0] | [0, 2] => Ok(()),
                other => Err(format!("{other:?}")),
            }
        },
    )
    .await;
    // They are one fleet all the same.
    scene.upstream.set(Answers::Fails);
    scene.all("open", is_not_closed).await;
    all(&newer, "open", is_not_closed).await;
    scene.upstream.set(Answers::Ok);
    scene.all("closed", is_closed).await;
    all(&newer, "closed", is_closed).await;
}

// N3, N4: fifty processes with a call in five seconds each. Alone none would ever see it.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_instances_with_hardly_a_call_open_at_once_and_send_one_probe() {
    let server = Server::start();
    let upstream = Upstream::start().await.expect("a port");
    let instances = start_with(50, &upstream, &server.url(), |plan| {
        plan.rate = 0.2;
        plan.time_window = Duration::from_secs(10);
        plan.minimum_calls = 20;
        plan.open_for = Duration::from_secs(3);
    });
    let (long, began) = (Duration::from_secs(60), Instant::now());
    within(long, "attached", async || {
        let attached = instances
            .iter()
            .filter(|instance| is_attached(&instance.state()))
            .count();
        if attached == 50 {
            Ok(())
        } else {
            Err(format!("{attached} of 50"))
        }
    })
    .await;
    println!("fifty processes attached after {:?}", began.elapsed());

    let began = Instant::now();
    upstream.set(Answers::Fails);
    let opened = |instance: &Instance| {
        let lines = instance.lines();
        let line = lines.iter().find(|line| line["to"] == "open")?;
        line["at"].as_f64()
    };
    within(long, "open", async || {
        let open = instances.iter().filter_map(opened).count();
        if open == 50 {
            Ok(())
        } else {
            Err(format!("{open} of 50"))
        }
    })
    .await;
    let mut at: Vec<f64> = instances.iter().filter_map(opened).collect();
    at.sort_by(f64::total_cmp);
    println!(
        "all open {:?} after the fault; from the first of 50 to the 25th {:.1} ms, to the last {:.1} ms",
        began.elapsed(),
        at[24] - at[0],
        at[49] - at[0],
    );
    // By push it is milliseconds; by the next poll a second. Fifty processes may wait longer for a processor than for
    // that.
    assert!(
        at[49] - at[0] < 5_000.0,
        "the last was late by {} ms",
        at[49] - at[0]
    );

    // One of fifty probes, in each of two breaks; then all are closed by one more.
    quiet(&upstream).await;
    let since = Instant::now();
    within(long, "two probes", async || {
        let probes = upstream.since(since).len();
        if probes >= 2 {
            Ok(())
        } else {
            Err(format!("{probes} came"))
        }
    })
    .await;
    let probes = upstream.since(since);
    let apart = probes[1].at - probes[0].at;
    println!(
        "the first probes: {:?} and {apart:?} later",
        probes[0].at - since
    );
    assert!(
        apart >= Duration::from_millis(2_900),
        "two probes in one break: {apart:?} apart"
    );
    upstream.set(Answers::Ok);
    let since = Instant::now();
    within(long, "closed", async || {
        let closed = instances
            .iter()
            .filter(|instance| is_closed(&instance.state()))
            .count();
        if closed == 50 {
            Ok(())
        } else {
            Err(format!("{closed} of 50"))
        }
    })
    .await;
    println!("all closed {:?} after the recovery", since.elapsed());
}
