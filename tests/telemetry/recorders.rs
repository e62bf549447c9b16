//! Recorders that come late, panic, or call back.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use metrics::{
    Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use metrics_util::debugging::DebuggingRecorder;
use tower_breaker::{Circuit, State, registry::Registry, telemetry::Metrics};

use super::scrape::{Exported, Scrape, fail, registry, succeed};

/// One that may be installed later, as the global one is.
#[derive(Clone, Default)]
struct Late(Arc<OnceLock<PrometheusRecorder>>);

impl Late {
    fn install(&self) -> metrics_exporter_prometheus::PrometheusHandle {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        assert!(self.0.set(recorder).is_ok());
        handle
    }
}

impl Recorder for Late {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, about: SharedString) {
        if let Some(recorder) = self.0.get() {
            recorder.describe_counter(key, unit, about);
        }
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, about: SharedString) {
        if let Some(recorder) = self.0.get() {
            recorder.describe_gauge(key, unit, about);
        }
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, about: SharedString) {
        if let Some(recorder) = self.0.get() {
            recorder.describe_histogram(key, unit, about);
        }
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        let recorder = self.0.get();
        recorder.map_or(Counter::noop(), |recorder| {
            recorder.register_counter(key, metadata)
        })
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        let recorder = self.0.get();
        recorder.map_or(Gauge::noop(), |recorder| {
            recorder.register_gauge(key, metadata)
        })
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        let recorder = self.0.get();
        recorder.map_or(Histogram::noop(), |recorder| {
            recorder.register_histogram(key, metadata)
        })
    }
}

// L4: a handle from before would be mute for ever.
#[test]
fn what_was_counted_before_there_was_a_recorder_is_in_its_first_scrape() {
    let (registry, _clock) = registry(&["a"]);
    let late = Late::default();
    let published = Metrics::builder(&registry).recorder(late.clone()).install();
    let a = registry.try_get("a").expect("named");
    succeed(&a);
    fail(&a);
    let handle = late.install();
    published.publish();
    let text = handle.render();
    let seen = Scrape::read(&text);
    assert_eq!(
        [seen.calls("a", "success"), seen.calls("a", "failure")],
        [1.0; 2]
    );
    assert_eq!(seen.of("a", "state"), 1.0);
    assert!(
        text.contains("# HELP circuit_breaker_state The state: 0 closed"),
        "{text}"
    );
}

// L5: the recorder that is installed globally, or for this thread, is asked for each time.
#[test]
fn without_a_recorder_of_its_own_it_takes_the_one_that_is_there() {
    let (registry, _clock) = registry(&["a"]);
    let published = Metrics::install(&registry);
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        fail(&registry.try_get("a").expect("named"));
    });
    assert_eq!(Scrape::read(&handle.render()).of("a", "state"), 1.0);
    drop(published);
}

/// Hears what is set of one metric of the circuit `a`, and does something about it.
#[derive(Clone)]
pub(crate) struct Hears {
    pub(crate) metric: &'static str,
    pub(crate) react: Arc<dyn Fn(f64) + Send + Sync>,
}

impl Recorder for Hears {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let of_a = key.labels().any(|label| label.value() == "a");
        match of_a && key.name() == self.metric {
            true => Gauge::from_arc(Arc::new(self.clone())),
            false => Gauge::noop(),
        }
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

impl GaugeFn for Hears {
    fn increment(&self, _: f64) {}

    fn decrement(&self, _: f64) {}

    fn set(&self, value: f64) {
        (self.react)(value);
    }
}

fn hears(registry: &Registry, react: impl Fn(f64) + Send + Sync + 'static) -> Metrics {
    let recorder = Hears {
        metric: "circuit_breaker_state",
        react: Arc::new(react),
    };
    Metrics::builder(registry).recorder(recorder).install()
}

// L5
#[test]
fn a_recorder_that_panics_disturbs_nobody_and_is_told_the_next_time() {
    let (registry, _clock) = registry(&["a"]);
    let panics = Arc::new(AtomicBool::new(true));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (log, is_bad) = (heard.clone(), panics.clone());
    let published = hears(&registry, move |value| {
        if is_bad.load(SeqCst) {
            panic!("a recorder");
        }
        log.lock().expect("no panic").push(value);
    });
    let a = registry.try_get("a").expect("named");
    fail(&a);
    assert_eq!(a.state(), State::Open);
    panics.store(false, SeqCst);
    published.publish();
    assert_eq!(*heard.lock().expect("no panic"), [1.0]);
}

// L5: on the same stack, and of what it has made itself it is told.
#[test]
fn a_recorder_may_call_back() {
    let (registry, _clock) = registry(&["a"]);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let published = Arc::new(OnceLock::<Metrics>::new());
    let a = registry.try_get("a").expect("named");
    let (log, again, called): (_, _, Circuit) = (heard.clone(), published.clone(), a.clone());
    let weak = registry.downgrade();
    let metrics = hears(&registry, move |value| {
        log.lock().expect("no panic").push(value);
        if value == 1.0 {
            called.reset();
            again.get().expect("installed").publish();
            let registry = weak.upgrade().expect("there");
            registry.get_or_create("b").expect("made");
            registry.remove("b");
        }
    });
    let metrics = published.get_or_init(|| metrics);
    fail(&a);
    assert_eq!(a.state(), State::Closed);
    let heard = heard.lock().expect("no panic").clone();
    assert_eq!(heard.last(), Some(&0.0), "{heard:?}");
    drop(metrics.clone());
}

// L4: a scrape of its own for each, of the same registry.
#[test]
fn two_recorders_are_told_the_same() {
    let (registry, _clock) = registry(&["a"]);
    let [one, other] = [Exported::of(&registry), Exported::of(&registry)];
    fail(&registry.try_get("a").expect("named"));
    for exported in [one, other] {
        assert_eq!(exported.as_it_is().of("a", "state"), 1.0);
        assert_eq!(exported.as_it_is().calls("a", "failure"), 1.0);
    }
}

// L4
#[test]
fn a_recorder_is_told_what_each_metric_is_measured_in() {
    let (registry, _clock) = registry(&["a"]);
    let recorder = DebuggingRecorder::new();
    let told = recorder.snapshotter();
    let _published = Metrics::builder(&registry).recorder(recorder).install();
    let told = told.snapshot().into_vec();
    let units = told.iter().map(|(key, unit, ..)| (key.key().name(), *unit));
    let units: BTreeMap<_, _> = units.collect();
    assert!(units.contains_key("circuit_breaker_open_seconds"));
    for (name, unit) in units {
        let is_of_time = name.ends_with("_seconds");
        let expected = if is_of_time {
            Unit::Seconds
        } else {
            Unit::Count
        };
        assert_eq!(unit, Some(expected), "{name}");
    }
}
