//! Circuits whose numbers are published.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
};

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

/// Whether somebody should scrape now, and whether somebody does.
static WANTED: AtomicBool = AtomicBool::new(false);
static SCRAPES: AtomicBool = AtomicBool::new(false);

/// Calls of one circuit of many, while nobody scrapes; or while another thread does nothing else.
pub(crate) fn calls(scraped: bool) -> Maker {
    maker(move || {
        let registry = circuits_in_use();
        let circuit = registry.try_get("circuit-0").expect("there");
        let scraper = scraped.then(|| Arc::new(()));
        if let Some(scraper) = &scraper {
            let (weak, exposition) = (Arc::downgrade(scraper), Exposition::new(&registry));
            thread::spawn(move || {
                while weak.strong_count() > 0 {
                    SCRAPES.store(WANTED.load(SeqCst), SeqCst);
                    match SCRAPES.load(SeqCst) {
                        true => drop(black_box(exposition.render())),
                        false => thread::yield_now(),
                    }
                }
                SCRAPES.store(false, SeqCst);
            });
        }
        Box::new(move |times| {
            black_box((&registry, &scraper));
            WANTED.store(scraped, SeqCst);
            // The other one of the two has just been measured.
            while SCRAPES.load(SeqCst) != scraped {
                thread::yield_now();
            }
            (0..times).for_each(|_| circuit.try_acquire().expect("closed").success());
        })
    })
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
