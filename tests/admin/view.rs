//! `GET circuits` and `circuit?name=`.

use axum::Router;
use http::StatusCode;
use serde_json::{Value, json};
use tower_breaker::{
    CircuitBuilder, OpenFor,
    admin::{Health, View},
    config::Config,
    registry::Registry,
};

use crate::{SECOND, ask, fail, get, registry};

async fn circuit(router: &Router, query: &str) -> Value {
    let answer = get(router, &format!("/circuit?name={query}")).await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.json()
}

#[tokio::test]
async fn a_circuit_is_shown_with_what_it_does_and_why() {
    let registry = Registry::builder()
        .matching("*", |it| {
            it.failure_rate(0.5).minimum_calls(4).open_for(SECOND * 5)
        })
        .matching("*", |it| it.tag("tier", "critical"))
        .circuit("payments", |it| it)
        .build()
        .expect("valid");
    registry.get_or_create("aside").expect("room");
    for _ in 0..4 {
        fail(&registry, "payments");
    }
    let open = registry.get("payments").expect("there");
    open.try_acquire().expect_err("open");

    let router: Router = View::new(&registry).router();
    let all = get(&router, "/circuits").await.json();
    assert!(all["now"].as_str().is_some_and(|now| now.ends_with('Z')));
    assert!(all["boot"].as_str().is_some_and(|boot| !boot.contains('.')));
    let names: Vec<_> = all["circuits"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["aside", "payments"]);

    let mut shown = all["circuits"][1].clone();
    let fields = shown.as_object_mut().expect("an object");
    for (field, most) in [("in_state_seconds", 5.0), ("remaining_seconds", 5.0)] {
        let seconds = fields.remove(field).expect("there");
        assert!(
            seconds.as_f64().is_some_and(|it| it <= most),
            "{field}: {seconds}"
        );
    }
    fields.remove("outage_seconds");
    let line = fields.remove("line").expect("there");
    assert!(
        line.as_str()
            .is_some_and(|line| line.starts_with("payments: open for"))
    );
    assert_eq!(
        shown,
        json!({
            "name": "payments",
            "tags": { "tier": "critical" },
            "named": true,
            "state": "open",
            "mode": "normal",
            "era": 1,
            "attempt": 1,
            "by": null,
            "cause": {
                "label": "failure_rate",
                "text": "4 of 4 calls failed (100 %, threshold 50 %)",
            },
            "again": null,
            "failure_rate": 1.0,
            "failure_rate_threshold": 0.5,
            "slow_call_rate": null,
            "slow_call_rate_threshold": null,
            "rates_of": "trip",
            "window": { "calls": 4, "failures": 4, "slow": 0 },
            "minimum_calls": 4,
            "consecutive_failures": 0,
            "consecutive_failures_threshold": null,
            "ramp_share": 1.0,
            "shed_share": 0.0,
            "probes": null,
            "totals": {
                "success": 0, "failure": 4, "ignored": 0, "abandoned": 0, "rejected": 1,
                "slow": 0, "stale": 0, "shadowed": 0, "trips": 1, "vetoed": 0,
                "rejected_by": {
                    "open": 1, "half_open_full": 0, "forced_open": 0, "ramping": 0, "shedding": 0, "bulkhead_full": 0,
                },
            },
            "settings_version": 0,
            "parts": null,
            "fleet": null,
        })
    );
    assert_eq!(all["circuits"][0]["named"], false);
}

// L8, B9: it is closed, and so healthy; what it refuses is told beside that.
#[tokio::test]
async fn a_circuit_that_sheds_says_how_much() {
    let shedding = |it: CircuitBuilder| it.minimum_calls(4).shed(2.0, 0.1).failure_rate(None);
    let registry = Registry::builder().circuit("db", shedding).build();
    let registry = registry.expect("valid");
    for _ in 0..4 {
        fail(&registry, "db");
    }
    let db = registry.get("db").expect("there");
    (0..2).for_each(|_| drop(db.try_acquire()));
    let view: Router = View::new(&registry).router();
    let shown = circuit(&view, "db").await;
    assert_eq!(
        (&shown["state"], &shown["cause"]),
        (&json!("closed"), &Value::Null)
    );
    assert_eq!(
        (
            &shown["shed_share"],
            &shown["totals"]["rejected_by"]["shedding"]
        ),
        (&json!(0.8), &json!(1))
    );
    let line = shown["line"].as_str().expect("a line");
    assert!(line.ends_with("; shedding: 80 % are refused"), "{line}");
    let event = &shown["events"][0];
    assert_eq!(
        (&event["kind"], &event["cause"]),
        (&json!("sheds"), &json!("shed_began"))
    );
    assert_eq!(
        (&event["calls"], &event["failures"]),
        (&json!(4), &json!(4))
    );
    let health: Router = Health::new(&registry).require("db").router();
    let answer = get(&health, "/health/circuits").await;
    assert_eq!(answer.json()["status"], "healthy");
    assert_eq!(get(&health, "/readyz").await.json()["ready"], true);
}

// L8: also what the outage began with, however often it has opened since.
#[tokio::test]
async fn after_a_failed_probe_the_cause_is_still_that_of_the_outage() {
    let registry = Registry::builder()
        .circuit("db", |it| it.consecutive_failures(3).open_for(SECOND))
        .build();
    let registry = registry.expect("valid");
    let view: Router = View::new(&registry).router();
    let health: Router = Health::new(&registry).require("db").router();
    let db = registry.get("db").expect("there");
    for _ in 0..3 {
        fail(&registry, "db");
    }
    let three = json!({ "label": "consecutive_failures", "text": "3 consecutive failures" });
    let shown = circuit(&view, "db").await;
    assert_eq!((&shown["cause"], &shown["again"]), (&three, &Value::Null));

    db.trip(SECOND).expect("normal mode");
    let shown = circuit(&view, "db").await;
    let again = json!({ "label": "manual", "text": "by hand" });
    assert_eq!((&shown["cause"], &shown["again"]), (&three, &again));
    let answer = get(&health, "/health/circuits").await.json();
    let told = &answer["circuits"]["db"];
    assert_eq!(told["cause"], "3 consecutive failures");
    assert_eq!(told["again"], "by hand");
    let ready = get(&health, "/readyz").await.json();
    let why = ready["rules"][0]["why"].as_str().expect("text");
    assert!(
        why.contains("opened again: by hand; the outage began"),
        "{why}"
    );
    assert!(why.contains("ago: 3 consecutive failures"), "{why}");
}

#[tokio::test]
async fn probes_are_shown_while_there_are_some() {
    let (registry, clock) = registry(&["db"]);
    fail(&registry, "db");
    clock.advance(SECOND * 10);
    let circuit_handle = registry.get("db").expect("there");
    let _probe = circuit_handle.try_acquire().expect("a probe");
    let router: Router = View::new(&registry).router();
    let shown = circuit(&router, "db").await;
    assert_eq!(shown["state"], "half_open");
    assert_eq!(
        shown["probes"],
        json!({ "in_flight": 1, "permits": 1, "successes_needed": 1, "failures_allowed": 0 })
    );
    assert_eq!(shown["remaining_seconds"], Value::Null);
}

#[tokio::test]
async fn the_settings_that_are_shown_make_the_same_circuit() {
    let open_for = OpenFor::exponential(SECOND, 2.0, SECOND * 60);
    let registry = Registry::builder()
        .circuit("db", move |it| {
            it.failure_rate(0.25)
                .probes(2, 3)
                .permits(2)
                .open_for(open_for.clone())
        })
        .build()
        .expect("valid");
    let router: Router = View::new(&registry).router();
    let settings = circuit(&router, "db").await["settings"].clone();
    assert_eq!(settings["probes"], "2 of 3");
    assert_eq!(settings["open_for"]["first"], "1s");
    let config = Config::read(json!({ "circuits": { "db": settings } })).expect("valid");
    let again = config.registry().build().expect("valid");
    let of = |registry: &Registry| registry.get("db").expect("there").settings();
    assert_eq!(of(&again), of(&registry));
}

// Whatever a name is, it can be asked for, and comes back as it is.
#[tokio::test]
async fn names_are_found_and_told_as_they_are() {
    let long = "n".repeat(256);
    let names = [
        ("\u{2028}\"\\</script>", "%E2%80%A8%22%5C%3C%2Fscript%3E"),
        ("a/../b", "a/../b"),
        ("__proto__", "__proto__"),
        ("x y&z=1\n", "x+y%26z%3D1%0A"),
        (&long, &long),
    ];
    let registry = Registry::builder().build().expect("valid");
    let router: Router = View::new(&registry).router();
    for (name, query) in names {
        registry.get_or_create(name).expect("room");
        let shown = circuit(&router, query).await;
        assert_eq!(shown["name"], name);
    }
}

#[tokio::test]
async fn who_asks_for_a_circuit_makes_none() {
    let (registry, _) = registry(&["payments"]);
    let router: Router = View::new(&registry).router();
    let unknown = get(&router, "/circuit?name=paymets").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(
        unknown.json()["error"]
            .as_str()
            .is_some_and(|it| it.contains("paymets"))
    );
    for query in ["", "?", "?nam=payments", "?name=%ff"] {
        let answer = get(&router, &format!("/circuit{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(answer.json()["error"].is_string());
    }
    assert_eq!(registry.len(), 1);
}

#[tokio::test]
async fn a_look_takes_no_post_and_nobody_keeps_it() {
    let (registry, _) = registry(&["db"]);
    let router: Router = View::new(&registry).router();
    for path in ["/circuits", "/circuit?name=db"] {
        let answer = get(&router, path).await;
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
        let head = ask(&router, "HEAD", path).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
        let post = ask(&router, "POST", path).await;
        assert_eq!(post.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    for path in ["/control", "/control/force-open"] {
        assert_eq!(
            ask(&router, "POST", path).await.status,
            StatusCode::NOT_FOUND
        );
        assert_eq!(get(&router, path).await.status, StatusCode::NOT_FOUND);
    }
}

// L3, L8: whoever lists all circuits does so on a thread of a runtime, which has calls to make.
#[tokio::test]
async fn a_list_of_a_thousand_circuits_lets_others_have_their_turn() {
    let (registry, _) = registry(&[]);
    for number in 0..1_000 {
        registry.get_or_create(&number.to_string()).expect("room");
    }
    let view: Router = View::new(&registry).router();
    let router = view.merge(Health::new(&registry).router());
    for path in ["/circuits", "/health/circuits", "/health/circuits/always"] {
        let mut asked = tokio_test::task::spawn(get(&router, path));
        let mut turns = 0;
        while asked.poll().is_pending() {
            assert!(asked.is_woken());
            turns += 1;
        }
        assert!((10..=100).contains(&turns), "{path}: {turns}");
    }
}
