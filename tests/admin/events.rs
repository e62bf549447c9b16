//! `GET events`: what has happened, and in which run of the process.

use axum::Router;
use serde_json::{Value, json};
use tower_breaker::{admin::View, config::Config, registry::Registry};

use crate::{SECOND, get, happen, registry, said::said_by};

fn router(registry: &Registry) -> Router {
    View::new(registry).router()
}

async fn events(router: &Router, query: &str) -> Vec<Value> {
    let told = get(router, &format!("/events{query}")).await.json();
    assert!(told["now"].is_string() && told["boot"].is_string());
    told["events"].as_array().expect("a list").clone()
}

/// Whose they are, and the era that each has begun.
fn eras(events: &[Value]) -> Vec<(&str, u64)> {
    let era = |it: &Value| it["era"].as_u64().expect("a number");
    let events = events.iter();
    events
        .map(|it| (it["circuit"].as_str().expect("text"), era(it)))
        .collect()
}

// L3: as the guide `operating` has it.
#[tokio::test]
async fn the_last_512_events_of_all_circuits_are_told_oldest_first() {
    let (registry, _) = registry(&["db", "mail"]);
    let router = router(&registry);
    assert_eq!(events(&router, "").await, <[Value; 0]>::default());
    for _ in 0..300 {
        happen(&registry, "db");
        happen(&registry, "mail");
    }
    let told = events(&router, "").await;
    let last = 300 - 512 / 2 + 1..=300;
    let expected = last.flat_map(|era| ["db", "mail"].map(|name| (name, era)));
    assert_eq!(eras(&told), expected.collect::<Vec<_>>());
}

// L1: and those that the circuit has kept from before.
#[tokio::test]
async fn of_one_circuit_its_own_events_are_told() {
    let (registry, _) = registry(&["db", "mail"]);
    let happen = |times| {
        for _ in 0..times {
            happen(&registry, "db");
            happen(&registry, "mail");
        }
    };
    happen(3);
    let router = router(&registry);
    let db = |eras: std::ops::RangeInclusive<u64>| eras.map(|era| ("db", era)).collect::<Vec<_>>();
    assert_eq!(eras(&events(&router, "?name=db").await), db(1..=3));
    happen(10);
    assert_eq!(eras(&events(&router, "?name=db").await), db(1..=13));
    // By now it has none of the first ones itself.
    happen(20);
    assert_eq!(eras(&events(&router, "?name=db").await), db(4..=33));
    let shown = get(&router, "/circuit?name=db").await.json();
    let shown = shown["events"].as_array().expect("a list");
    assert_eq!(eras(shown), db(4..=33));
}

// E5, I9
#[tokio::test]
async fn a_change_of_settings_is_told_with_what_has_changed() {
    let (registry, _) = registry(&["db"]);
    let router = router(&registry);
    let db = registry.get("db").expect("there");
    db.reconfigure(|it| it.set_open_for(SECOND * 7).set_consecutive_failures(4))
        .expect("valid");
    let config = json!({ "circuits": { "db": { "consecutive_failures": 9 } } });
    let config = Config::read(config).expect("valid");
    // What was changed by hand is as the rules have it again.
    registry.apply(&config).expect("it can");
    let told = events(&router, "").await;
    let changes = told.iter().map(|it| {
        let fields = ["kind", "changes", "version", "configuration"];
        fields.map(|field| it[field].clone())
    });
    let change = |name, before, after| json!({ "setting": name, "before": before, "after": after });
    let by_hand = [
        change("consecutive_failures", "1", "4"),
        change("open_for", "10s", "7s"),
    ];
    let by_configuration = [
        change("consecutive_failures", "4", "9"),
        change("open_for", "7s", "10s"),
    ];
    let kind = || json!("settings");
    assert_eq!(
        changes.collect::<Vec<_>>(),
        [
            [kind(), json!(by_hand), json!(1), Value::Null],
            [kind(), json!(by_configuration), json!(2), json!(1)],
        ]
    );
}

// L3: as the guide `operating` has it. It runs again in a process of its own, which says what it has.
#[tokio::test]
async fn another_run_of_the_process_has_another_boot() {
    let (registry, _) = registry(&["db"]);
    let shown = get(&router(&registry), "/events").await.json();
    let boot = shown["boot"].as_str().expect("text");
    let Some(other) = said_by("events::another_run_of_the_process_has_another_boot") else {
        eprint!("{boot}");
        return;
    };
    assert_ne!(boot, other);
    let is_alike = |it: &str| it.len() == 16 && it.chars().all(|it| it.is_ascii_hexdigit());
    assert!(is_alike(boot) && is_alike(&other), "{boot}, {other}");
}
