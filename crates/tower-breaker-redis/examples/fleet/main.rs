//! One circuit for five instances, on Redis.
//!
//! ```text
//! cargo run -p tower-breaker-redis --example fleet             # the story, in less than a minute
//! cargo run -p tower-breaker-redis --example fleet -- --check  # … and it fails if one of the last lines is a `no`
//! ```
//!
//! It starts a `redis-server` if there is one (in `PATH`, or where `.ci/redis --tools` puts it), an upstream, and five
//! instances: processes that call it once a second each. That is too few calls for any of them to see an outage alone:
//!
//! 1. The upstream dies. All open together.
//! 2. While it is dead, one probe goes to it for each break, not five.
//! 3. It recovers. All close.
//! 4. One instance has a bad link and most of the traffic. It opens alone, and harms nobody.
//! 5. A person forces the circuit open, once, on one instance; all five hear it. Then it is released.
//! 6. Redis is killed. Nobody notices but the status line: each is alone.
//! 7. Redis is back, empty. All are one fleet again.
//!
//! Without a `redis-server` it takes the one that `REDIS_URL` names, and else memory, with all instances in one
//! process. Then nothing is killed.

mod check;
mod handle;
mod instance;
mod redis;
mod status;
mod upstream;

use std::{
    env,
    error::Error,
    io,
    process::{ExitCode, id},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::process::Command;
use tower_breaker::fleet::Memory;
use tower_breaker_redis::Redis;

use crate::{
    check::Check,
    handle::Instance,
    instance::Plan,
    redis::RedisServer,
    status::{Scene, Store},
    upstream::{Answers, Upstream},
};

type BoxError = Box<dyn Error + Send + Sync>;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
/// Whatever has not happened by then does not.
const SOON: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    if let Some(plan) = handle::its_plan() {
        let store = Redis::new(plan.redis.as_deref().ok_or("no URL")?)?;
        handle::be(plan, store).await;
        return Ok(ExitCode::SUCCESS);
    }
    let checked = env::args().any(|argument| argument == "--check");
    let mut scene = Scene::new(store(), Upstream::start().await?);
    scene.instances = start(&scene)?;
    let mut check = Check::default();
    story(&mut scene, &mut check).await?;
    println!("\n{check}");
    let failed = checked && !check.passed();
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// A server of its own, or another one, or none.
fn store() -> Store {
    match RedisServer::start(&[]) {
        Ok(server) => Store::Own(server),
        Err(why) => {
            println!("{why}");
            env::var("REDIS_URL").map_or_else(|_| Store::Memory(Memory::new()), Store::Other)
        }
    }
}

/// Five instances: processes, if their store is one.
fn start(scene: &Scene) -> io::Result<Vec<Instance>> {
    let plans = NAMES.map(|name| {
        let mut plan = Plan::new(name, scene.upstream.address());
        plan.redis = scene.store.url();
        // On a server that others use, too, nobody else's circuit is disturbed.
        plan.namespace = format!("example-{}", id());
        plan
    });
    let start = |plan: Plan| match &scene.store {
        Store::Memory(memory) => Ok(Instance::task(plan, memory.clone())),
        _ => Instance::process(Command::new(env::current_exe()?), &plan),
    };
    plans.into_iter().map(start).collect()
}

async fn story(scene: &mut Scene, check: &mut Check) -> io::Result<()> {
    all_is_well(scene, check).await;
    the_upstream_dies(scene, check).await;
    one_has_a_bad_link(scene, check).await;
    a_person_says_it_once(scene, check).await;
    redis_is_away(scene, check).await
}

async fn all_is_well(scene: &mut Scene, check: &mut Check) {
    scene.tell("five instances, a call a second each");
    let attached = scene.until(SOON, |scene| scene.all(is_attached)).await;
    check.that("all instances are one fleet", attached);
    scene.watch(Duration::from_secs(3)).await;
}

async fn the_upstream_dies(scene: &mut Scene, check: &mut Check) {
    scene.tell("the upstream dies: alone, nobody has enough calls to see it");
    scene.upstream.set(Answers::Fails);
    let opened = scene.until(SOON, |scene| scene.all(is_not_closed)).await;
    check.that("all open together", opened);

    scene.tell("one probe for each break, for all of them");
    let began = Instant::now();
    // A call that was let in before may still be under way.
    scene.watch(Duration::from_millis(200)).await;
    scene.probes_since = Some(Instant::now());
    scene.until(SOON, |scene| scene.probes() >= 2).await;
    // Each break lasts 1.5 s, and nobody probes before it is over.
    let breaks = began.elapsed().as_millis() / 1_500 + 1;
    let probes = scene.probes();
    let bounded = probes >= 1 && probes as u128 <= breaks;
    let what = format!("one probe a break at most: {probes} where {breaks} could have been");
    check.that(&what, bounded);

    scene.tell("the upstream is well again");
    scene.upstream.set(Answers::Ok);
    let closed = scene.until(SOON, |scene| scene.all(is_closed)).await;
    check.that("all close together", closed);
    scene.probes_since = None;
}

async fn one_has_a_bad_link(scene: &mut Scene, check: &mut Check) {
    scene.tell("b has more calls than all others, and a bad link");
    scene.instances[1].tell("bad on");
    scene.instances[1].tell("rate 6");
    let others_opened = |scene: &Scene| {
        let mut instances = scene.instances.iter();
        instances.any(|instance| instance.name != "b" && is_not_closed(&instance.state()))
    };
    let mut harmed = false;
    let opened = scene
        .until(SOON, |scene| {
            harmed |= others_opened(scene);
            is_not_closed(&scene.instances[1].state())
        })
        .await;
    check.that("b opens", opened);
    let since = Instant::now();
    scene
        .until(SOON, |scene| {
            harmed |= others_opened(scene);
            since.elapsed() > Duration::from_secs(2)
        })
        .await;
    check.that("no other one opens", !harmed);
    scene.instances[1].tell("bad off");
    scene.instances[1].tell("rate 1");
    let closed = scene.until(SOON, |scene| scene.all(is_closed)).await;
    check.that("b closes by a probe of its own", closed);
}

async fn a_person_says_it_once(scene: &mut Scene, check: &mut Check) {
    scene.tell("somebody forces it open, on c");
    scene.instances[2].tell("force");
    let forced = scene.until(SOON, |scene| scene.all(is_forced)).await;
    check.that("all are forced open", forced);
    let heard = scene
        .until(SOON, |scene| heard(&scene.instances[2]) >= 1)
        .await;
    check.that(
        "c knows by how many it was heard",
        heard || scene.is_memory(),
    );
    scene.watch(Duration::from_secs(1)).await;
    scene.tell("… and releases it, on d");
    scene.instances[3].tell("release");
    let released = scene.until(SOON, |scene| scene.all(is_closed)).await;
    check.that("all are released", released);
}

async fn redis_is_away(scene: &mut Scene, check: &mut Check) -> io::Result<()> {
    let Store::Own(server) = &mut scene.store else {
        println!("(this store is not this example's to kill)");
        return Ok(());
    };
    server.kill();
    scene.tell("Redis is killed");
    let before = (scene.sum("failed"), scene.sum("rejected"), scene.sum("ok"));
    let alone = scene.until(SOON, |scene| scene.all(is_alone)).await;
    check.that("each says that it is alone", alone);
    scene.watch(Duration::from_secs(2)).await;
    let after = (scene.sum("failed"), scene.sum("rejected"), scene.sum("ok"));
    check.that(
        "no call was lost",
        (before.0, before.1) == (after.0, after.1),
    );
    check.that("calls went on", after.2 > before.2 + 5);

    scene.tell("Redis is back, empty");
    if let Store::Own(server) = &mut scene.store {
        server.restart().map_err(io::Error::other)?;
    }
    let attached = scene.until(SOON, |scene| scene.all(is_attached)).await;
    check.that("all are one fleet again", attached);
    scene.watch(Duration::from_secs(1)).await;
    Ok(())
}

// ---- what an instance says of itself ----------------------------------------------------------------

fn is_attached(state: &Value) -> bool {
    state["fleet"]["attached"] == true
}

fn is_alone(state: &Value) -> bool {
    state["fleet"]["attached"] == false
}

fn is_not_closed(state: &Value) -> bool {
    matches!(state["state"].as_str(), Some("open" | "half_open"))
}

fn is_closed(state: &Value) -> bool {
    state["state"] == "closed" && state["mode"] == "normal"
}

fn is_forced(state: &Value) -> bool {
    state["mode"] == "forced_open"
}

/// By how many instances its last act was heard, if the store has counted.
fn heard(instance: &Instance) -> u64 {
    let lines = instance.lines();
    let mut heard = lines.iter().rev().filter_map(|line| line["heard"].as_u64());
    heard.next().unwrap_or(0)
}
