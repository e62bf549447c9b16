//! What a scrape shows, and a registry to be scraped.

use std::{collections::BTreeMap, time::Duration};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tower_breaker::{
    Circuit, CircuitBuilder,
    clock::ManualClock,
    registry::{Registry, RegistryBuilder},
    telemetry::{Metrics, MetricsBuilder},
};

/// Samples by how they are written in the text, labels in alphabetical order.
#[derive(Clone, Debug)]
pub(crate) struct Scrape(pub(crate) BTreeMap<String, f64>);

impl Scrape {
    pub(crate) fn read(text: &str) -> Self {
        let lines = text.lines();
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            (in_order(series), value.parse().expect("a number"))
        };
        let samples: Vec<_> = lines.map(sample).collect();
        let (count, scrape) = (samples.len(), Self(samples.into_iter().collect()));
        assert_eq!(scrape.0.len(), count, "a series is there twice:\n{text}");
        scrape
    }

    pub(crate) fn get(&self, series: &str) -> Option<f64> {
        self.0.get(&format!("circuit_breaker_{series}")).copied()
    }

    #[track_caller]
    pub(crate) fn value(&self, series: &str) -> f64 {
        let value = self.get(series);
        value.unwrap_or_else(|| panic!("no {series} in {self:#?}"))
    }

    /// Of one circuit, by the rest of the metric's name.
    #[track_caller]
    pub(crate) fn of(&self, circuit: &str, metric: &str) -> f64 {
        self.value(&format!("{metric}{{circuit=\"{circuit}\"}}"))
    }

    #[track_caller]
    pub(crate) fn calls(&self, circuit: &str, result: &str) -> f64 {
        self.value(&format!(
            "calls_total{{circuit=\"{circuit}\",result=\"{result}\"}}"
        ))
    }

    /// All values of a label of this metric.
    pub(crate) fn circuits(&self, metric: &str) -> Vec<String> {
        let begin = format!("circuit_breaker_{metric}{{circuit=\"");
        let names = self
            .0
            .keys()
            .filter_map(|series| series.strip_prefix(&begin));
        let mut names: Vec<_> = names
            .map(|rest| rest.split('"').next().expect("a name").to_owned())
            .collect();
        names.dedup();
        names
    }
}

fn in_order(series: &str) -> String {
    let Some((name, labels)) = series.strip_suffix('}').and_then(|it| it.split_once('{')) else {
        return series.to_owned();
    };
    // None of the tests that compare have a comma in a value.
    let mut labels: Vec<_> = labels.split(',').collect();
    labels.sort_unstable();
    format!("{name}{{{}}}", labels.join(","))
}

/// An exporter of its own for a registry.
pub(crate) struct Exported {
    pub(crate) published: Metrics,
    pub(crate) handle: PrometheusHandle,
}

impl Exported {
    pub(crate) fn of(registry: &Registry) -> Self {
        Self::with(registry, |builder| builder)
    }

    pub(crate) fn with(
        registry: &Registry,
        change: impl FnOnce(MetricsBuilder) -> MetricsBuilder,
    ) -> Self {
        Self::through(registry, PrometheusBuilder::new().build_recorder(), change)
    }

    pub(crate) fn to(registry: &Registry, recorder: PrometheusRecorder) -> Self {
        Self::through(registry, recorder, |builder| builder)
    }

    fn through(
        registry: &Registry,
        recorder: PrometheusRecorder,
        change: impl FnOnce(MetricsBuilder) -> MetricsBuilder,
    ) -> Self {
        let handle = recorder.handle();
        let builder = Metrics::builder(registry).recorder(recorder);
        let published = change(builder).install();
        Self { published, handle }
    }

    pub(crate) fn text(&self) -> String {
        self.handle.render()
    }

    /// What is there without being published first.
    pub(crate) fn as_it_is(&self) -> Scrape {
        Scrape::read(&self.text())
    }

    pub(crate) fn scrape(&self) -> Scrape {
        self.published.publish();
        self.as_it_is()
    }
}

/// Circuits of these names, which open at the first failure, for ten seconds.
pub(crate) fn registry(names: &[&str]) -> (Registry, ManualClock) {
    let clock = ManualClock::new();
    let builder = brittle(Registry::builder(), &clock);
    let add = |builder: RegistryBuilder, name: &&str| builder.circuit(name, |circuit| circuit);
    let builder = names.iter().fold(builder, add);
    (builder.build().expect("valid"), clock)
}

pub(crate) fn brittle(builder: RegistryBuilder, clock: &ManualClock) -> RegistryBuilder {
    let time = clock.clone();
    let change = move |circuit: CircuitBuilder| {
        let circuit = circuit
            .consecutive_failures(1)
            .time_window(Duration::from_secs(10));
        let circuit = circuit.failure_rate(0.5).minimum_calls(100);
        circuit
            .open_for(Duration::from_secs(10))
            .clock(time.clone())
    };
    builder.defaults(change)
}

pub(crate) fn succeed(circuit: &Circuit) {
    circuit.try_acquire().expect("admitted").success();
}

pub(crate) fn fail(circuit: &Circuit) {
    circuit.try_acquire().expect("admitted").failure();
}
