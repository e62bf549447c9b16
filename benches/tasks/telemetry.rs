//! Circuits whose numbers are published, and what a scrape of them is.

use std::hint::black_box;

use metrics_exporter_prometheus::PrometheusBuilder;
use tower_breaker::{
    registry::Registry,
    telemetry::{Exposition, Metrics},
};

use super::{Maker, maker, repeat};

fn registry(circuits: usize) -> Registry {
    let registry = Registry::builder().build().expect("valid");
    for number in 0..circuits {
        let name = format!("host-{number:05}.internal");
        registry.get_or_create(&name).expect("made");
    }
    registry
}

/// Forced open and released, with whatever `publish` makes of the registry.
fn transitions<T: Send + Sync + 'static>(publish: fn(&Registry) -> T) -> Maker {
    maker(move || {
        let registry = registry(1);
        let circuit = registry.circuits().remove(0);
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

/// The text of so many circuits.
pub(crate) fn renders(circuits: usize) -> Maker {
    maker(move || {
        let registry = registry(circuits);
        let exposition = Exposition::new(&registry);
        repeat(move || {
            black_box((&registry, exposition.render()));
        })
    })
}

/// So many circuits published, and the text that the exporter makes of that.
pub(crate) fn exports(circuits: usize) -> Maker {
    maker(move || {
        let registry = registry(circuits);
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let published = Metrics::builder(&registry).recorder(recorder).install();
        repeat(move || {
            published.publish();
            black_box((&registry, handle.render()));
        })
    })
}
