//! [`Exposition`]: numbers as text, for Prometheus to scrape.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use super::{
    labels::MAX_LABELS,
    names::{CIRCUIT, Kind, METRICS, Metric},
    series::Reading,
    tracked::{Labelled, Tracked},
};
use crate::{
    machine::{CALL_DURATION_BUCKETS, Durations},
    registry::{Registry, Subscription},
};

/// Renders the numbers of all circuits as text for Prometheus. It shows exactly the circuits that exist.
///
/// It needs no recorder and no package. `guide::telemetry` has a table of the metrics.
///
/// ```
/// use tower_breaker::{registry::Registry, telemetry::Exposition};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::builder().circuit("payments", |circuit| circuit).build()?;
/// let exposition = Exposition::new(&registry);
///
/// registry.try_get("payments")?.force_open();
/// let text = exposition.render();
/// assert!(text.contains("circuit_breaker_state{circuit=\"payments\"} 1\n"));
/// # Ok(())
/// # }
/// ```
///
/// Make one when the registry is built, and keep it: a scrape only renders. Transitions are counted from then on, all
/// else from when a circuit was built. A clone is another handle to the same.
///
/// If no label is left for a new name ([`max_labels`](Self::max_labels)), it gets a label that no circuit has any more.
#[derive(Clone)]
pub struct Exposition {
    tracked: Arc<Tracked>,
    _subscription: Arc<Subscription>,
}

impl Exposition {
    /// The type of the text, for the header `Content-Type`.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Begins to count for this registry. It does not keep the registry alive.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        Self::begin(registry, MAX_LABELS)
    }

    /// Sets how many names become labels. All others are `other` (rule L6).
    ///
    /// Default: 200. Circuits that are named come first, if they are there by now.
    #[must_use]
    pub fn max_labels(self, names: u32) -> Self {
        match self.tracked.registry() {
            Some(registry) => Self::begin(&registry, names),
            None => self,
        }
    }

    fn begin(registry: &Registry, max_labels: u32) -> Self {
        let tracked = Arc::new(Tracked::new(registry, max_labels, Labelled::UntilNeeded));
        let heard = tracked.clone();
        let subscription = registry.subscribe(move |circuit, event| {
            heard.hear(circuit, event);
        });
        tracked.begin(registry);
        Self {
            tracked,
            _subscription: Arc::new(subscription),
        }
    }

    /// Renders the text. It is empty once the registry is gone.
    #[must_use]
    pub fn render(&self) -> String {
        let Some(_registry) = self.tracked.registry() else {
            return String::new();
        };
        let series = self.tracked.all();
        let series = series.iter().filter(|series| series.is_shown());
        let readings: Vec<_> = series
            .filter_map(|series| self.tracked.read(series))
            .collect();
        let mut text = Text(String::new());
        for metric in &METRICS {
            text.begin(metric);
            match metric.kind {
                Kind::Circuits => text.circuits(metric, &self.tracked.by_state()),
                _ => readings
                    .iter()
                    .for_each(|reading| text.reading(metric, reading)),
            }
        }
        text.0
    }
}

impl fmt::Debug for Exposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exposition").finish_non_exhaustive()
    }
}

struct Text(String);

impl Text {
    fn begin(&mut self, metric: &Metric) {
        let Metric { name, about, .. } = metric;
        let kind = metric.kind.label();
        self.line(format_args!("# HELP {name} {about}."));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn reading(&mut self, metric: &Metric, reading: &Reading) {
        let circuit = &*reading.label;
        match &metric.kind {
            Kind::Counter(read) => read(reading, &mut |values, count| {
                self.labelled(metric, circuit, values, count);
            }),
            Kind::Gauges(read) if reading.seen.is_some() => read(reading, &mut |values, value| {
                self.labelled(metric, circuit, values, value);
            }),
            Kind::Gauge { read, .. } => {
                let seen = reading.seen.iter();
                seen.for_each(|seen| self.sample(metric.name, [(CIRCUIT, circuit)], read(seen)));
            }
            Kind::Histogram => {
                let durations = reading.counted.durations.iter();
                durations.for_each(|durations| self.histogram(metric.name, circuit, durations));
            }
            Kind::Gauges(_) | Kind::Circuits => {}
        }
    }

    fn labelled(
        &mut self,
        metric: &Metric,
        circuit: &str,
        values: &[&'static str],
        number: impl fmt::Display,
    ) {
        let values = [circuit].into_iter().chain(values.iter().copied());
        let labels = metric.labels.iter().copied().zip(values);
        self.sample(metric.name, labels, number);
    }

    fn circuits(&mut self, metric: &Metric, by_state: &[(&'static str, u64)]) {
        for (state, circuits) in by_state {
            self.sample(metric.name, [("state", *state)], circuits);
        }
    }

    fn histogram(&mut self, name: &str, circuit: &str, durations: &Durations) {
        let bucket = format!("{name}_bucket");
        let bounds = CALL_DURATION_BUCKETS.map(|bound| bound.to_string());
        let bounds = bounds.into_iter().chain(["+Inf".to_owned()]);
        let mut up_to_here = 0;
        for (bound, bucket_totals) in bounds.zip(durations.buckets) {
            up_to_here += bucket_totals.calls;
            self.sample(&bucket, [(CIRCUIT, circuit), ("le", &bound)], up_to_here);
        }
        let total = durations.total().as_secs_f64();
        self.sample(&format!("{name}_sum"), [(CIRCUIT, circuit)], total);
        self.sample(&format!("{name}_count"), [(CIRCUIT, circuit)], up_to_here);
    }

    fn sample<'a>(
        &mut self,
        name: &str,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
        number: impl fmt::Display,
    ) {
        self.0.push_str(name);
        for (at, (label, value)) in labels.into_iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            self.write(format_args!("{before}{label}=\""));
            self.escaped(value);
            self.0.push('"');
        }
        self.line(format_args!("}} {number}"));
    }

    /// Names of circuits may come from anywhere.
    fn escaped(&mut self, value: &str) {
        for c in value.chars() {
            match c {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                c => self.0.push(c),
            }
        }
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        self.write(line);
        self.0.push('\n');
    }

    fn write(&mut self, text: fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("a String takes all");
    }
}
