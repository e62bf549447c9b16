//! How circuits stand to a fleet is published.

use std::{
    future::{self, Future},
    pin::Pin,
    sync::{Arc, Mutex},
};

use super::*;
use crate::{
    circuit::{
        by::By,
        followed::{Act, FleetNews, Follows, Heard, Joins},
        settings::Agreement,
    },
    telemetry::Exposition,
};

/// A fleet that stands as it is told.
#[derive(Clone)]
struct Fake(Arc<Mutex<FleetNow>>);

impl Joins for Fake {
    fn member(&self, _: &Name) -> Arc<dyn Follows> {
        Arc::new(self.clone())
    }
}

impl Follows for Fake {
    fn began(&self, _: WeakCircuit) {}

    fn stir(&self) {}

    fn act(&self, _: Act, _: &By) {}

    fn now(&self) -> FleetNow {
        self.0.lock().expect("nobody panics").clone()
    }

    fn heard(&self) -> Pin<Box<dyn Future<Output = Heard> + Send + '_>> {
        Box::pin(future::ready(Heard::NotShared))
    }
}

/// `reviews` is of the fleet, and `payments` is not.
fn registry(fleet: &Fake) -> Registry {
    let fleet = Arc::new(fleet.clone());
    let registry = Registry::builder()
        .defaults(move |it| it.joining(fleet.clone()))
        .circuit("reviews", |it| it.shared(Agreement::default()))
        .circuit("payments", |it| it)
        .build();
    registry.expect("valid")
}

fn lines(text: &str) -> Vec<&str> {
    let of_fleet = |line: &&str| line.starts_with("circuit_breaker_fleet_");
    let lines = text.lines().filter(of_fleet);
    lines
        .map(|line| &line["circuit_breaker_fleet_".len()..])
        .collect()
}

fn detached(why: Why) -> FleetNow {
    let since = std::time::Duration::from_secs(1);
    FleetNow {
        sharing: Sharing::Detached { since, why },
        contributors: 48,
        ..FleetNow::attached()
    }
}

// N7: old series are reset, and what is not shared has none.
#[test]
fn the_fleet_of_a_circuit_has_numbers() {
    let fleet = Fake(Arc::new(Mutex::new(FleetNow {
        contributors: 48,
        agreeing: 3,
        mismatch: true,
        ..FleetNow::attached()
    })));
    let registry = registry(&fleet);
    let exposition = Exposition::new(&registry);
    let gauges = |numbers: [&str; 4]| {
        [
            format!("attached{{circuit=\"reviews\"}} {}", numbers[0]),
            format!(
                "instances{{circuit=\"reviews\",what=\"contributing\"}} {}",
                numbers[1]
            ),
            format!(
                "instances{{circuit=\"reviews\",what=\"agreeing\"}} {}",
                numbers[2]
            ),
            format!("mismatch{{circuit=\"reviews\"}} {}", numbers[3]),
        ]
    };
    let text = exposition.render();
    // Each reason is there, at zero, before it happens.
    let all = lines(&text);
    let (counters, rest) = all.split_at(Why::ALL.len());
    for (line, why) in counters.iter().zip(Why::ALL) {
        let why = why.label();
        assert_eq!(
            *line,
            format!("detached_total{{circuit=\"reviews\",why=\"{why}\"}} 0")
        );
    }
    assert_eq!(rest, gauges(["1", "48", "3", "1"]));
    for (now, expected) in [
        (detached(Why::TimedOut), ["0", "0", "0", "0"]),
        (detached(Why::Off), ["NaN", "0", "0", "0"]),
    ] {
        *fleet.0.lock().expect("nobody panics") = now;
        assert_eq!(
            lines(&exposition.render())[Why::ALL.len()..],
            gauges(expected)
        );
    }
}

// L4, N7: a counter does not fall when a circuit leaves.
#[test]
fn each_time_that_a_circuit_has_lost_its_fleet_is_counted() {
    let fleet = Fake(Arc::new(Mutex::new(FleetNow::attached())));
    let registry = registry(&fleet);
    let exposition = Exposition::new(&registry);
    let counted = |text: &str| {
        let is_counted = |line: &&&str| line.contains("detached_total") && !line.ends_with(" 0");
        lines(text)
            .iter()
            .filter(is_counted)
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let tell = |news: &[FleetNews]| {
        let circuit = registry.try_get("reviews").expect("named");
        for news in news {
            circuit.observers().tell_fleet(&circuit, *news);
        }
    };
    tell(&[
        FleetNews::Detached(Why::Full),
        FleetNews::Attached,
        FleetNews::Detached(Why::Full),
        FleetNews::Detached(Why::Off),
        FleetNews::Mismatch,
        FleetNews::Refused,
    ]);
    assert_eq!(
        counted(&exposition.render()),
        [
            "detached_total{circuit=\"reviews\",why=\"full\"} 2",
            "detached_total{circuit=\"reviews\",why=\"off\"} 1",
        ],
    );
    registry.remove("reviews");
    registry.get_or_create("reviews").expect("made");
    tell(&[FleetNews::Detached(Why::Off)]);
    assert_eq!(
        counted(&exposition.render()),
        [
            "detached_total{circuit=\"reviews\",why=\"full\"} 2",
            "detached_total{circuit=\"reviews\",why=\"off\"} 2",
        ],
    );
    assert!(
        !exposition
            .render()
            .contains("fleet_attached{circuit=\"payments\"}")
    );
}

// M9: shared with nobody.
#[test]
fn a_circuit_that_is_shared_and_of_no_fleet_has_a_setting_that_nothing_keeps_to() {
    let registry = Registry::builder().circuit("a", |it| it.shared(Agreement::default()));
    let registry = registry.build().expect("valid");
    let exposition = Exposition::new(&registry);
    let unused = |number| {
        exposition
            .render()
            .contains(&format!("unused_settings{{circuit=\"a\"}} {number}\n"))
    };
    assert!(unused(0), "it had no calls");
    registry
        .try_get("a")
        .expect("named")
        .try_acquire()
        .expect("closed")
        .success();
    assert!(unused(1));
}
