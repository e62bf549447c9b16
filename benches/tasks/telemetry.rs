//! Circuits whose numbers are published.

use std::hint::black_box;

use metrics_exporter_prometheus::PrometheusBuilder;
use tower_breaker::{
    registry::Registry,
    telemetry::{Exposition, Metrics},
};

use super::{Maker, maker, repeat};

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
