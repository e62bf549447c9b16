//! Control of circuits that leave their registry (rules I5, L9).

use super::*;

fn full(of: u32) -> Registry {
    let registry = Registry::builder()
        .max_circuits(of)
        .defaults(|it| it.consecutive_failures(3));
    let registry = registry.build().expect("valid");
    for number in 0..of {
        registry.get_or_create(&format!("c{number}")).expect("room");
    }
    registry
}

// L9
#[tokio::test]
async fn a_circuit_that_was_evicted_stays_away() {
    let registry = full(2);
    let router = control(&registry);
    registry.get_or_create("newer").expect("room is made");
    let gone = ["c0", "c1"]
        .into_iter()
        .find(|name| registry.get(name).is_none());
    let gone = gone.expect("one has left");
    for action in &ACTIONS[..6] {
        let order = with(order(action), json!({ "name": gone }));
        assert_eq!(
            post(&router, action, order).await.status,
            StatusCode::NOT_FOUND,
            "{action}"
        );
        assert!(registry.get(gone).is_none());
    }
    assert_eq!((registry.len(), registry.totals().refused), (2, 0));
}

// I5: what a person has done to it is noticed.
#[tokio::test]
async fn a_circuit_that_is_forced_open_does_not_leave() {
    let registry = full(2);
    let router = control(&registry);
    for name in ["c0", "c1"] {
        let order = with(order("force-open"), json!({ "name": name }));
        assert_eq!(
            post(&router, "force-open", order).await.status,
            StatusCode::OK
        );
    }
    assert!(registry.get_or_create("newer").is_err());
    assert_eq!(circuit(&registry, "c0").mode(), Mode::ForcedOpen);
}

// L9: nobody is told that what nobody will call any more is forced open now.
#[tokio::test]
async fn a_circuit_that_leaves_meanwhile_is_not_found() {
    let (registry, _) = registry(&["db"]);
    let router = control(&registry);
    let db = circuit(&registry, "db");
    let removing = registry.clone();
    let _listening = db.subscribe(move |circuit, _| drop(removing.remove(circuit.name())));
    let answer = post(&router, "force-open", order("force-open")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let told = json!({ "error": "the circuit `db` has left the registry" });
    assert_eq!(answer.json(), told);

    // Another in its place is not the one that was forced open.
    let replacing = registry.clone();
    let db = registry.get_or_create("db").expect("made anew");
    let _listening = db.subscribe(move |circuit, _| {
        replacing.remove(circuit.name());
        replacing.get_or_create("db").expect("made anew");
    });
    let answer = post(&router, "force-open", order("force-open")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(circuit(&registry, "db").mode(), Mode::Normal);
}
