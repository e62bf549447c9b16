//! Configurations that are planned and applied over HTTP (rules I9, L9).

use tower_breaker::config::Config;

use super::*;

fn of(configuration: Value) -> Registry {
    let config = Config::read(configuration).expect("valid");
    config.registry().build().expect("valid")
}

async fn plan(router: &Router, configuration: &Value, more: Value) -> Answer {
    let order = json!({ "configuration": configuration });
    post(router, "plan", with(order, more)).await
}

async fn apply(router: &Router, configuration: &Value, more: Value) -> Answer {
    let order = json!({ "configuration": configuration, "reason": "INC-2", "by": "ops" });
    post(router, "apply", with(order, more)).await
}

// I9, L9
#[tokio::test]
async fn what_was_planned_is_applied_once() {
    let registry = of(json!({ "circuits": { "db": { "minimum_calls": 20 } } }));
    let (router, db) = (control(&registry), circuit(&registry, "db"));
    let (told, _listening) = listen(&db);
    let newer = json!({ "circuits": { "db": { "minimum_calls": 40 }, "search": {} } });
    let planned = plan(&router, &newer, json!({})).await.json();
    let diff = json!(["db: `minimum_calls` 20 -> 40", "search: is made"]);
    assert_eq!(
        planned,
        json!({ "diff": diff, "version": 0, "refused": false })
    );
    assert_eq!((registry.len(), registry.version()), (1, 0));

    let version = json!({ "version": planned["version"] });
    let applied = apply(&router, &newer, version.clone()).await;
    assert_eq!(
        applied.json(),
        json!({ "diff": diff, "version": 1, "refused": false })
    );
    assert_eq!(
        (registry.len(), db.settings().minimum_calls()),
        (2, Some(40))
    );
    let line = "circuit `db`: `minimum_calls` 20 -> 40 (configuration 1, by ops: INC-2)";
    assert_eq!(lines(&told), [line]);

    for late in [
        apply(&router, &newer, version.clone()).await,
        plan(&router, &newer, version).await,
    ] {
        assert_eq!(late.status, StatusCode::CONFLICT);
        let error = "version 0 of the configuration was expected, but there is version 1";
        assert_eq!(late.json(), json!({ "error": error, "version": 1 }));
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_told_and_changes_nothing() {
    let registry = of(json!({ "circuits": { "db": {} } }));
    let router = control(&registry);
    for (configuration, field) in [
        (
            json!({ "defaults": { "failure_rte": 0.5 } }),
            "defaults.failure_rte",
        ),
        (
            json!({ "circuits": { "db": { "permits": 3 } } }),
            "circuits.db.permits",
        ),
        (json!([]), ""),
        (json!("x"), ""),
    ] {
        for action in ["plan", "apply"] {
            let order = json!({ "reason": "x", "configuration": configuration });
            let answer = post(&router, action, order).await;
            assert_eq!(
                answer.status,
                StatusCode::UNPROCESSABLE_ENTITY,
                "{configuration}"
            );
            assert_eq!(answer.json()["field"], field);
        }
    }
    assert_eq!(registry.version(), 0);
}

// I9: what cannot change while a circuit lives, unless it is made anew.
#[tokio::test]
async fn what_cannot_change_is_refused_or_made_anew() {
    let registry = of(json!({ "circuits": { "db": { "count_window": 100 } } }));
    let router = control(&registry);
    let newer = json!({ "circuits": { "db": { "count_window": 50 } } });
    let planned = plan(&router, &newer, json!({})).await.json();
    assert_eq!(planned["refused"], true, "{planned}");

    let refused = apply(&router, &newer, json!({})).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let told = refused.json();
    assert_eq!(told["field"], "count_window", "{told}");
    assert_eq!(
        (
            registry.version(),
            circuit(&registry, "db").settings().count_window()
        ),
        (0, Some(100))
    );

    let replaced = apply(&router, &newer, json!({ "replacing": true })).await;
    assert_eq!(replaced.status, StatusCode::OK);
    assert_eq!(
        (
            registry.version(),
            circuit(&registry, "db").settings().count_window()
        ),
        (1, Some(50))
    );
}

// I7: a base from code is there again only if somebody says so.
#[tokio::test]
async fn a_configuration_is_read_as_the_first_one_was() {
    let first = json!({ "circuits": { "db": { "extends": "two" } } });
    let reader = || Config::reader().base("two", |it| it.consecutive_failures(2));
    let registry = reader()
        .read(first.clone())
        .expect("valid")
        .registry()
        .build();
    let registry = registry.expect("valid");
    let without = plan(&control(&registry), &first, json!({})).await;
    assert_eq!(without.status, StatusCode::UNPROCESSABLE_ENTITY);
    let router: Router = Control::new(&registry).reader(reader()).router();
    assert_eq!(
        plan(&router, &first, json!({})).await.json()["diff"],
        json!([])
    );
}

#[tokio::test]
async fn a_plan_asks_for_no_reason() {
    let registry = of(json!({}));
    let router = control(&registry);
    assert_eq!(
        plan(&router, &json!({}), json!({})).await.status,
        StatusCode::OK
    );
    let blank = plan(&router, &json!({}), json!({ "reason": " " })).await;
    assert_eq!(blank.status, StatusCode::BAD_REQUEST);
}
