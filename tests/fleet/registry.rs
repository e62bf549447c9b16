//! N7, I5, E5, I9: circuits of a registry.

use tokio::time::sleep;
use tower_breaker::{
    Agreement, Circuit,
    config::Config,
    fleet::{Fleet, Memory},
    observe::{Sharing, Why},
    registry::Registry,
};

use crate::fleet_support::{quiet, secs};

fn why(circuit: &Circuit) -> Option<Why> {
    match circuit.snapshot().fleet.expect("a fleet").sharing {
        Sharing::Detached { why, .. } => Some(why),
        _ => None,
    }
}

// I5: whoever follows a circuit does not hold it.
#[tokio::test(start_paused = true)]
async fn a_stranger_leaves_although_a_fleet_follows_it() {
    let fleet = Fleet::builder("shop").build().expect("a fleet");
    tokio::spawn(fleet.run(Memory::new()));
    let registry = Registry::builder()
        .defaults(|builder| quiet(builder).shared(Agreement::default()))
        .fleet(&fleet)
        .max_circuits(3)
        .build()
        .expect("a registry");
    let known = registry.get_or_create("known").expect("made");
    for n in 0..20 {
        let stranger = registry
            .get_or_create(&format!("stranger-{n}"))
            .expect("made");
        sleep(secs(1)).await;
        assert_eq!(why(&stranger), None);
    }
    assert_eq!(why(&known), None);
    assert!(fleet.status().circuits <= 3);
    drop((known, registry));
    sleep(secs(1)).await;
    assert_eq!(fleet.status().circuits, 0);
}

fn config(circuits: &str) -> Config {
    let file = format!(
        r#"{{ "fleet": {{ "namespace": "shop", "scope": "a" }}, "circuits": {{ {circuits} }} }}"#
    );
    let mut file = serde_json::Deserializer::from_str(&file);
    Config::read(&mut file).expect("makes sense")
}

// I9, E5: what a file says of sharing is planned, applied and taken back; what was not built to be shared cannot be.
#[tokio::test(start_paused = true)]
async fn a_file_turns_sharing_off_and_on_again() {
    let first = config(r#""a": { "shared": true }, "b": {}"#);
    let fleet = Fleet::of(first.fleet().expect("a fleet"))
        .build()
        .expect("a fleet");
    tokio::spawn(fleet.run(Memory::new()));
    let registry = first.registry().fleet(&fleet).build().expect("a registry");
    let [a, b] = ["a", "b"].map(|name| registry.get(name).expect("named"));
    sleep(secs(1)).await;
    assert_eq!((why(&a), b.snapshot().fleet), (None, None));

    let off = config(r#""a": {}, "b": {}"#);
    let planned = registry.plan(&off).expect("it can").to_string();
    assert!(planned.starts_with("a: `shared`"), "{planned}");
    registry.apply(&off).expect("it can");
    sleep(secs(1)).await;
    assert_eq!(why(&a), Some(Why::Off));
    registry.apply(&first).expect("it can");
    sleep(secs(1)).await;
    assert_eq!(why(&a), None);

    let both = config(r#""a": { "shared": true }, "b": { "shared": true }"#);
    let error = registry
        .apply(&both)
        .expect_err("not while it lives")
        .to_string();
    assert!(error.contains("`shared`"), "{error}");
    assert_eq!(b.snapshot().fleet, None);
}
