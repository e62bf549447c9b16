//! What a person does to a circuit that is shared with a fleet (rules L9 and N6).

use std::time::Duration;

use axum::Router;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::sleep;
use tower_breaker::{
    Agreement, Circuit, Mode,
    admin::{Control, View},
    fleet::{Fleet, Memory},
    registry::Registry,
};

use super::{order, post, with};
use crate::{SECOND, get};

/// An instance with `db`, which is shared, and `own`, which is not.
struct Instance {
    registry: Registry,
    fleet: Fleet,
    router: Router,
}

impl Instance {
    fn new() -> Self {
        let fleet = Fleet::builder("shop").build().expect("a fleet");
        let registry = Registry::builder()
            .fleet(&fleet)
            .circuit("db", |it| it.shared(Agreement::default()))
            .circuit("own", |it| it)
            .build()
            .expect("valid");
        let router = View::new(&registry).router();
        let router = router.merge(Control::new(&registry).router());
        Self {
            registry,
            fleet,
            router,
        }
    }

    fn of(store: &Memory) -> Self {
        let instance = Self::new();
        tokio::spawn(instance.fleet.run(store.clone()));
        instance
    }

    fn db(&self) -> Circuit {
        self.registry.try_get("db").expect("named")
    }

    async fn post(&self, action: &str, more: Value) -> Value {
        let answer = post(&self.router, action, with(order(action), more)).await;
        assert_eq!(answer.status, StatusCode::OK, "{action}");
        answer.json()
    }
}

async fn two() -> [Instance; 2] {
    let store = Memory::new();
    let both = [Instance::of(&store), Instance::of(&store)];
    sleep(SECOND).await;
    both
}

fn told(answer: &Value) -> (&Value, &Value) {
    (&answer["heard"], &answer["only_here"])
}

fn modes(both: &[Instance; 2]) -> [Mode; 2] {
    both.each_ref().map(|instance| instance.db().mode())
}

// N6
#[tokio::test(start_paused = true)]
async fn what_a_person_does_once_is_done_everywhere_and_says_who_has_heard_it() {
    let both = two().await;
    for (action, mode) in [
        ("force-open", Mode::ForcedOpen),
        ("release", Mode::Normal),
        ("force-open", Mode::ForcedOpen),
        ("reset", Mode::Normal),
    ] {
        let answer = both[0].post(action, json!({})).await;
        assert_eq!(told(&answer), (&json!(2), &Value::Null), "{action}");
        sleep(SECOND).await;
        assert_eq!(modes(&both), [mode; 2], "{action}");
    }
    // A mode is this instance's, but for one.
    let answer = both[0].post("mode", json!({ "mode": "forced_open" })).await;
    assert_eq!(told(&answer).0, &json!(2));
    sleep(SECOND).await;
    assert_eq!(modes(&both), [Mode::ForcedOpen; 2]);

    let seen = get(&both[1].router, "/circuit?name=db").await.json();
    let fleet = &seen["fleet"];
    assert_eq!(
        (&fleet["attached"], &fleet["forced"], &fleet["who"]),
        (&json!(true), &json!(true), &json!("ops")),
    );
}

// N6
#[tokio::test(start_paused = true)]
async fn on_this_instance_alone_if_it_is_said_so() {
    let both = two().await;
    let here = || json!({ "here": true });
    for (action, mode) in [
        ("force-open", Mode::ForcedOpen),
        ("release", Mode::Normal),
        ("force-open", Mode::ForcedOpen),
        ("reset", Mode::Normal),
    ] {
        let answer = both[0].post(action, here()).await;
        assert_eq!(told(&answer), (&Value::Null, &Value::Null), "{action}");
        sleep(SECOND).await;
        assert_eq!(modes(&both), [mode, Mode::Normal], "{action}");
    }
    let for_a_while = with(here(), json!({ "for": "10m" }));
    both[0].post("force-open", for_a_while).await;
    sleep(SECOND).await;
    assert_eq!(modes(&both), [Mode::ForcedOpen, Mode::Normal]);
    // To `false` it is as if it were left out.
    both[0].post("release", json!({ "here": false })).await;
    both[0].post("force-open", json!({ "here": false })).await;
    sleep(SECOND).await;
    assert_eq!(modes(&both), [Mode::ForcedOpen; 2]);
}

// N6: while its fleet is forced open.
#[tokio::test(start_paused = true)]
async fn a_circuit_can_be_released_and_reset_on_this_instance_alone() {
    for action in ["release", "reset"] {
        let both = two().await;
        both[0].post("force-open", json!({})).await;
        sleep(SECOND).await;
        assert_eq!(modes(&both), [Mode::ForcedOpen; 2]);
        both[0].post(action, json!({ "here": true })).await;
        sleep(SECOND).await;
        assert_eq!(modes(&both), [Mode::Normal, Mode::ForcedOpen], "{action}");
    }
}

// N6: what was heard is what was done before.
#[tokio::test(start_paused = true)]
async fn what_is_always_done_here_was_heard_by_nobody() {
    let both = two().await;
    let answer = both[0].post("reset", json!({})).await;
    assert_eq!(told(&answer).0, &json!(2));
    for action in ["trip", "mode", "settings"] {
        let answer = both[0].post(action, json!({})).await;
        assert_eq!(told(&answer), (&Value::Null, &Value::Null), "{action}");
    }
    for action in ["force-open", "release", "reset"] {
        let answer = both[0].post(action, json!({ "here": true })).await;
        assert_eq!(told(&answer), (&Value::Null, &Value::Null), "{action}");
    }
}

// N6: nobody is told of the whole fleet that only this instance has done it.
#[tokio::test(start_paused = true)]
async fn what_could_not_be_told_says_so() {
    let alone = Instance::new();
    let answer = alone.post("force-open", json!({})).await;
    assert_eq!(told(&answer), (&Value::Null, &json!("not_running")));
    assert_eq!(alone.db().mode(), Mode::ForcedOpen);
}

// N6
#[tokio::test(start_paused = true)]
async fn a_circuit_that_is_not_shared_is_heard_by_nobody() {
    let both = two().await;
    for action in ["force-open", "release", "reset", "trip", "mode"] {
        let answer = both[0].post(action, json!({ "name": "own" })).await;
        assert_eq!(told(&answer), (&Value::Null, &Value::Null), "{action}");
    }
    // A trip is always here, and is no act of the fleet's.
    let answer = both[0].post("trip", json!({})).await;
    assert_eq!(told(&answer), (&Value::Null, &Value::Null));
    sleep(Duration::from_millis(500)).await;
    assert_eq!(both[1].db().state(), tower_breaker::State::Closed);
}

// L9
#[tokio::test(start_paused = true)]
async fn here_is_a_switch_of_what_would_be_everywhere() {
    let alone = Instance::new();
    for (action, here) in [
        ("force-open", json!("yes")),
        ("trip", json!(true)),
        ("mode", json!(true)),
        ("settings", json!(true)),
    ] {
        let body = with(order(action), json!({ "here": here }));
        let answer = post(&alone.router, action, body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{action}");
        assert_eq!(answer.json()["field"], "here", "{action}");
    }
}
