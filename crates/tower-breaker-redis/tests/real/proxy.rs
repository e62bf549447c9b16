//! N7, N9: links that are slow, silent, cut, or lead to somebody else. (The library's own connection manager never
//! leaves a connection that has gone silent.)

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;

use crate::support::{
    handle::Instance,
    instances::{SOON, all, is_alone, is_attached, is_closed, is_open, start_all, within},
    proxy::{Link, Proxy},
    server::Server,
    upstream::{Answers, Upstream},
};

/// A server, a proxy before it, and two instances that know the proxy only.
struct Scene {
    server: Server,
    proxy: Proxy,
    upstream: Upstream,
    instances: Vec<Instance>,
}

impl Scene {
    async fn begin() -> Self {
        let scene = Self::begin_with(Link::Passes).await;
        all(&scene.instances, "attached", is_attached).await;
        scene
    }

    async fn begin_with(link: Link) -> Self {
        let server = Server::start();
        let proxy = Proxy::to(server.port()).await;
        proxy.set(link);
        let upstream = Upstream::start().await.expect("a port");
        let instances = start_all(2, &upstream, &proxy.url(), 5.0);
        Self {
            server,
            proxy,
            upstream,
            instances,
        }
    }

    /// Each goes alone, for this reason; calls go on, and none is lost; and it comes back by itself.
    async fn alone_and_back(&self, link: Link, why: &str) {
        self.proxy.set(link);
        all(&self.instances, "alone", is_alone).await;
        all(&self.instances, why, |state| state["fleet"]["why"] == why).await;
        self.calls_go_on().await;
        self.proxy.set(Link::Passes);
        all(&self.instances, "attached again", is_attached).await;
    }

    async fn calls_go_on(&self) {
        let before: Vec<Value> = self.instances.iter().map(Instance::state).collect();
        let more = |state: &Value, before: &Value| {
            state["ok"].as_u64() >= before["ok"].as_u64().map(|ok| ok + 5)
        };
        within(SOON, "calls go on", async || {
            let each = self.instances.iter().zip(&before);
            for (instance, before) in each {
                let state = instance.state();
                if !more(&state, before) {
                    return Err(format!("{} is {state}", instance.name));
                }
                assert_eq!(
                    (&state["failed"], &state["rejected"]),
                    (&before["failed"], &before["rejected"])
                );
            }
            Ok(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_went_silent_is_left_for_a_new_one() {
    let scene = Scene::begin().await;
    let before = scene.proxy.accepted();
    scene.proxy.silence_those_there_are();
    within(SOON, "each connects anew", async || {
        let accepted = scene.proxy.accepted();
        if accepted >= before + 2 {
            Ok(())
        } else {
            Err(format!("{accepted} connections"))
        }
    })
    .await;
    all(&scene.instances, "attached", is_attached).await;
    // And it is a fleet: what one decides, the other hears.
    scene.instances[0].tell("force");
    all(&scene.instances, "forced", |state| {
        state["mode"] == "forced_open"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_link_leaves_each_alone() {
    let scene = Scene::begin().await;
    scene.alone_and_back(Link::Silent, "timed_out").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_too_slow_leaves_each_alone() {
    let scene = Scene::begin().await;
    scene
        .alone_and_back(Link::Delays(Duration::from_secs(2)), "timed_out")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_slow_carries_a_fleet_all_the_same() {
    let scene = Scene::begin().await;
    scene.proxy.set(Link::Delays(Duration::from_millis(50)));
    scene.upstream.set(Answers::Fails);
    all(&scene.instances, "open", is_open).await;
    scene.upstream.set(Answers::Ok);
    all(&scene.instances, "closed", is_closed).await;
    all(&scene.instances, "attached", is_attached).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_cut_leaves_each_alone() {
    let scene = Scene::begin().await;
    scene.alone_and_back(Link::Cuts, "not_reached").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_speaks_http_is_no_store() {
    let http = Link::Answers("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
    let scene = Scene::begin_with(http).await;
    all(&scene.instances, "alone", is_alone).await;
    scene.calls_go_on().await;
    scene.proxy.set(Link::Passes);
    all(&scene.instances, "attached", is_attached).await;
}

// N7: not more than the back-off allows, and circuits are none the worse.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_flaps_costs_few_connections_and_no_call() {
    let scene = Scene::begin().await;
    let (before, began) = (scene.proxy.accepted(), Instant::now());
    for _ in 0..10 {
        scene.proxy.set(Link::Cuts);
        sleep(Duration::from_millis(150)).await;
        scene.proxy.set(Link::Passes);
        sleep(Duration::from_millis(150)).await;
    }
    let connects = scene.proxy.accepted() - before;
    // Ten a second for each would be a storm.
    let most = 2 * 10 * (began.elapsed().as_secs() + 1);
    assert!(connects < most, "{connects} connections, {most} at most");
    scene.calls_go_on().await;
    all(&scene.instances, "attached", is_attached).await;
    assert!(!scene.server.keys().is_empty());
}
