//! Instances in processes of their own: this very test binary, started once more.

use std::{
    env,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::time::sleep;
use tower_breaker_redis::Redis;

use super::{
    handle::{self, Instance},
    instance::Plan,
    upstream::Upstream,
};

/// What is awaited comes by then, on a machine that has other things to do as well. A store that has failed for a
/// while is asked once in five seconds, and believed after another six, if nothing was written by then.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// No test: a process that one of the tests here has started. Of its own accord it is nothing.
#[tokio::test]
async fn an_instance() {
    if let Some(plan) = handle::its_plan() {
        let url = plan.redis.clone().expect("a process needs a server");
        let store = Redis::new(&url).expect("a URL");
        handle::be(plan, store).await;
    }
}

/// Starts one.
pub(crate) fn start(plan: &Plan) -> Instance {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command.args(["--exact", "support::instances::an_instance", "--nocapture"]);
    Instance::process(command.into(), plan).expect("this program starts once more")
}

/// Starts so many, `a`, `b` and so on, on this server, with so many calls a second each.
pub(crate) fn start_all(many: u8, upstream: &Upstream, url: &str, rate: f64) -> Vec<Instance> {
    let change = |plan: &mut Plan| plan.rate = rate;
    start_with(many, upstream, url, change)
}

/// … with a plan of their own.
pub(crate) fn start_with(
    many: u8,
    upstream: &Upstream,
    url: &str,
    change: impl Fn(&mut Plan),
) -> Vec<Instance> {
    let plans = (0..many).map(|number| {
        let mut plan = Plan::new(name(number), upstream.address());
        plan.redis = Some(url.into());
        change(&mut plan);
        plan
    });
    plans.map(|plan| start(&plan)).collect()
}

/// `a` to `z`, `a1` to `z1` and so on.
fn name(number: u8) -> String {
    let letter = char::from(b'a' + number % 26);
    match number / 26 {
        0 => letter.into(),
        round => format!("{letter}{round}"),
    }
}

/// Looks until it is so; fails if it is not within that time, and tells what was there instead.
pub(crate) async fn within(
    limit: Duration,
    what: &str,
    mut is_so: impl AsyncFnMut() -> Result<(), String>,
) {
    let until = Instant::now() + limit;
    loop {
        match is_so().await {
            Ok(()) => return,
            Err(seen) if Instant::now() > until => panic!("not within {limit:?}: {what}: {seen}"),
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Until each of them is so.
pub(crate) async fn all(instances: &[Instance], what: &str, is_so: impl Fn(&Value) -> bool) {
    within(SOON, what, async || {
        let other = instances.iter().find(|instance| !is_so(&instance.state()));
        other.map_or(Ok(()), |instance| {
            Err(format!("{} is {}", instance.name, instance.state()))
        })
    })
    .await;
}

pub(crate) fn is_attached(state: &Value) -> bool {
    state["fleet"]["attached"] == true
}

pub(crate) fn is_alone(state: &Value) -> bool {
    state["fleet"]["attached"] == false
}

pub(crate) fn is_open(state: &Value) -> bool {
    state["state"] == "open"
}

pub(crate) fn is_closed(state: &Value) -> bool {
    state["state"] == "closed" && state["mode"] == "normal"
}

pub(crate) fn is_forced(state: &Value) -> bool {
    state["mode"] == "forced_open"
}
