//! Settings of a live circuit, changed over HTTP (rules E5, L9).

use std::sync::Barrier;

use tower_breaker::CircuitBuilder;

use super::*;

async fn change(router: &Router, settings: Value, version: Option<u64>) -> Answer {
    let order = with(
        order("settings"),
        json!({ "settings": settings, "version": version }),
    );
    post(router, "settings", order).await
}

#[tokio::test]
async fn settings_are_said_as_a_configuration_says_them() {
    let registry = Registry::builder().circuit("db", |it| it.slow_call_duration(SECOND));
    let registry = registry.build().expect("valid");
    let (router, db) = (control(&registry), circuit(&registry, "db"));
    let said = json!({
        "failure_rate": "25%",
        "slow_call_rate": 0.5,
        "minimum_calls": 7,
        "probes": "2 of 3",
        "open_for": { "first": "1s", "factor": 2, "max": "1m" },
        "half_open_timeout": "off",
    });
    let answer = change(&router, said, Some(0)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
    assert_eq!(answer.json()["settings_version"], 1);
    let settings = db.settings();
    assert_eq!(
        (settings.failure_rate(), settings.slow_call_rate()),
        (Some(0.25), Some(0.5))
    );
    assert_eq!(
        (settings.minimum_calls(), settings.probes()),
        (Some(7), (2, 3))
    );
    assert_eq!(
        (settings.open_for().first(), settings.open_for().max()),
        (SECOND, SECOND * 60)
    );
    // What was not said stays.
    assert_eq!(
        (settings.slow_call_duration(), settings.count_window()),
        (Some(SECOND), Some(100))
    );
}

// L9, B9: as the guide `operating` has it, for whoever is on duty.
#[tokio::test]
async fn shedding_is_turned_off_and_on_while_it_sheds() {
    let shedding = |it: CircuitBuilder| it.minimum_calls(4).shed(2.0, 0.1).failure_rate(None);
    let registry = Registry::builder().circuit("db", shedding).build();
    let registry = registry.expect("valid");
    let (router, db) = (control(&registry), circuit(&registry, "db"));
    for _ in 0..4 {
        db.try_acquire().expect("admitted").failure();
    }
    let alone = change(&router, json!({ "shed": "off" }), None).await;
    assert_eq!(alone.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(alone.json()["field"], "settings.shed");
    let with_a_rate = json!({ "shed": "off", "failure_rate": "95%" });
    assert_eq!(
        change(&router, with_a_rate, None).await.status,
        StatusCode::OK
    );
    assert_eq!(db.snapshot().shed_share, 0.0);
    let on = json!({ "shed": { "multiplier": 2, "floor": "10%" } });
    assert_eq!(change(&router, on, None).await.status, StatusCode::OK);
    assert_eq!(db.settings().shed(), Some((2.0, 0.1)));
}

// L9: what the page was shown can be sent back.
#[tokio::test]
async fn what_is_shown_can_be_sent_back() {
    let (registry, _) = registry(&["db"]);
    let router = control(&registry).merge(View::new(&registry).router());
    let shown = get(&router, "/circuit?name=db").await.json();
    let answer = change(
        &router,
        shown["settings"].clone(),
        shown["settings_version"].as_u64(),
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
    assert_eq!(
        circuit(&registry, "db").settings_version(),
        0,
        "nothing has changed"
    );
}

#[tokio::test]
async fn what_makes_no_sense_is_told_with_its_field_and_what_is_allowed() {
    let (registry, _) = registry(&["db"]);
    let (router, db) = (control(&registry), circuit(&registry, "db"));
    for (settings, field, allowed) in [
        (
            json!({ "failure_rate": 50 }),
            "settings.failure_rate",
            "a share above 0 and at most 1",
        ),
        (
            json!({ "open_for": 5 }),
            "settings.open_for",
            "a time such as",
        ),
        (
            json!({ "open_for": { "first": "0s" } }),
            "settings.open_for",
            "above zero",
        ),
        (
            json!({ "permits": 3 }),
            "settings.permits",
            "1 to 1, the number of `probes`",
        ),
        (
            json!({ "consecutive_failures": "off" }),
            "settings.consecutive_failures",
            "set where there is neither",
        ),
        (
            json!({ "opne_for": "5s" }),
            "settings.opne_for",
            "one of these keys: `failure_rate`",
        ),
        (
            json!({ "mode": "shadow" }),
            "settings.mode",
            "left out: it is no setting",
        ),
        (
            json!({ "tags": {} }),
            "settings.tags",
            "left out: it is no setting",
        ),
        (
            json!({ "extends": "x" }),
            "settings.extends",
            "one of these keys",
        ),
        (
            json!({ "count_window": 50 }),
            "settings.count_window",
            "left as the circuit was built",
        ),
        (
            json!({ "time_window": "1m" }),
            "settings.time_window",
            "left as the circuit was built",
        ),
        (
            json!({ "totals": false }),
            "settings.totals",
            "left as the circuit was built",
        ),
        (
            json!({ "jitter_seed": 1 }),
            "settings.jitter_seed",
            "left as the circuit was built",
        ),
        (json!([]), "settings", "a table"),
        (json!("off"), "settings", "a table"),
    ] {
        let answer = change(&router, settings.clone(), None).await;
        let told = answer.json();
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{told}");
        assert_eq!(told["field"], field, "{settings}: {told}");
        let said = told["allowed"].as_str().expect("text");
        assert!(said.contains(allowed), "{settings}: {told}");
    }
    assert_eq!(db.settings_version(), 0);
}

#[tokio::test]
async fn all_that_cannot_be_read_is_told_at_once() {
    let (registry, _) = registry(&["db"]);
    let router = control(&registry);
    let settings = json!({ "permits": 0, "open_for": "soon", "ramp": { "over": "1s" } });
    let told = change(&router, settings, None).await.json();
    let lines: Vec<_> = told["error"].as_str().expect("text").lines().collect();
    assert_eq!(
        lines,
        [
            "settings.open_for: \"soon\", but must be a time such as \"30s\", \"250ms\" or \"1m 30s\"",
            "settings.ramp.from: not there, but must be a share such as 0.5 or \"50%\"",
        ]
    );
}

// E5, L9
#[tokio::test]
async fn who_comes_too_late_is_told_what_is_there() {
    let (registry, _) = registry(&["db"]);
    let (router, db) = (control(&registry), circuit(&registry, "db"));
    let first = change(&router, json!({ "open_for": "1s" }), Some(0)).await;
    assert_eq!(first.status, StatusCode::OK);
    // Also if what they say makes no sense, or is so already.
    for settings in [
        json!({ "open_for": "2s" }),
        json!({ "permits": 3 }),
        json!({}),
    ] {
        let late = change(&router, settings, Some(0)).await;
        assert_eq!(late.status, StatusCode::CONFLICT);
        let told = late.json();
        assert_eq!(
            told["error"],
            "version 0 of the settings was expected, but there is version 1"
        );
        assert_eq!(
            (&told["version"], &told["circuit"]["settings_version"]),
            (&json!(1), &json!(1))
        );
        assert_eq!(told["circuit"]["name"], "db");
    }
    assert_eq!(
        (db.settings_version(), db.settings().open_for().first()),
        (1, SECOND)
    );
}

// L9
#[test]
fn of_twenty_operators_with_one_version_one_gets_through() {
    const OPERATORS: u64 = 20;
    let (registry, _) = registry(&["db"]);
    let router = control(&registry);
    for version in 0..20 {
        let together = Barrier::new(20);
        let answers = std::thread::scope(|scope| {
            let operators = (0..OPERATORS).map(|number| {
                let (router, together) = (&router, &together);
                scope.spawn(move || {
                    let failures = 2 + version * OPERATORS + number;
                    together.wait();
                    let settings = json!({ "consecutive_failures": failures });
                    tokio_test::block_on(change(router, settings, Some(version))).status
                })
            });
            let operators: Vec<_> = operators.collect();
            operators
                .into_iter()
                .map(|it| it.join().expect("no panic"))
                .collect::<Vec<_>>()
        });
        let came_to = |status| answers.iter().filter(|it| **it == status).count();
        assert_eq!(
            (came_to(StatusCode::OK), came_to(StatusCode::CONFLICT)),
            (1, 19)
        );
    }
    assert_eq!(circuit(&registry, "db").settings_version(), 20);
}

// E5: without a version, each change is laid over what the one before it has made.
#[test]
fn changes_without_a_version_all_hold() {
    let (registry, _) = registry(&["db"]);
    let router = control(&registry);
    let changes = [
        json!({ "consecutive_failures": 4 }),
        json!({ "open_for": "9s" }),
        json!({ "probes": "2 of 3" }),
        json!({ "probe_timeout": "3s" }),
    ];
    std::thread::scope(|scope| {
        for settings in changes {
            let router = &router;
            scope.spawn(move || {
                let answer = tokio_test::block_on(change(router, settings, None));
                assert_eq!(answer.status, StatusCode::OK);
            });
        }
    });
    let settings = circuit(&registry, "db").settings();
    assert_eq!(
        (settings.consecutive_failures(), settings.open_for().first()),
        (Some(4), SECOND * 9)
    );
    assert_eq!(
        (settings.probes(), settings.probe_timeout()),
        ((2, 3), Some(SECOND * 3))
    );
}
