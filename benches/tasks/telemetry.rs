//! Circuits whose numbers are published.

use std::hint::black_box;

use metrics_exporter_prometheus::PrometheusBuilder;
use tower_breaker::{
    registry::Registry,
    telemetry::{Exposition, Metrics},
};

use super::{Maker, Work, maker, repeat};

/// As many as have labels of their own, unless told otherwise.
pub(crate) const CIRCUITS: usize = 200;

/// Forced open and released, with whatever `publish` makes of the registry.
fn transitions<T: Send + Sync + 'static>(publish: fn(&Registry) -> T) -> Maker {
    maker(move || {
        let registry = Registry::builder().build().expect("valid");
        let circuit = registry.get_or_create("payments").expect("made");
        let published = publish(&registry);
        repeat(move || {
            black_box((&registry, &published));
            circuit.force_open();
            circuit.release();
        })
    })
}

pub(crate) fn transitions_unpublished() -> Maker {
    transitions(|_| ())
}

pub(crate) fn transitions_as_text() -> Maker {
    transitions(Exposition::new)
}

pub(crate) fn transitions_to_a_recorder() -> Maker {
    transitions(to_a_recorder)
}

fn to_a_recorder(registry: &Registry) -> Metrics {
    let recorder = PrometheusBuilder::new().build_recorder();
    Metrics::builder(registry).recorder(recorder).install()
}

/// Circuits that have all been called.
fn circuits_in_use() -> Registry {
    let registry = Registry::builder().build().expect("valid");
    for number in 0..CIRCUITS {
        let circuit = registry.get_or_create(&format!("circuit-{number}"));
        let circuit = circuit.expect("there is room");
        circuit.try_acquire().expect("closed").success();
        circuit.try_acquire().expect("closed").failure();
    }
    registry
}

/// How long the text of a scrape is, in bytes.
pub(crate) fn length_of_scrape() -> usize {
    Exposition::new(&circuits_in_use()).render().len()
}

/// What a scrape does: as text, and through the facade.
pub(crate) fn scrapes() -> [(&'static str, Work); 3] {
    let registry = circuits_in_use();
    let text = Exposition::new(&registry);
    let recorder = PrometheusBuilder::new().build_recorder();
    let exporter = recorder.handle();
    let published = Metrics::builder(&registry).recorder(recorder).install();
    let by_facade = registry.clone();
    [
        (
            "as text",
            repeat(move || drop(black_box((&registry, text.render())))),
        ),
        (
            "published to the exporter for Prometheus",
            repeat(move || {
                black_box(&by_facade);
                published.publish();
            }),
        ),
        (
            "written by that exporter",
            repeat(move || drop(black_box(exporter.render()))),
        ),
    ]
}
