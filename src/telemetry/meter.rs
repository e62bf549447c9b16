//! [`Metrics`]: numbers through the `metrics` facade.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use metrics::{Key, KeyName, Label, Level, Metadata, Recorder, SharedString};

use super::{
    labels::MAX_LABELS,
    names::{Kind, METRICS, Metric, Unit},
    one_at_a_time::OneAtATime,
    recorded::Calls,
    series::{Reading, Series},
    tracked::{Labelled, Tracked},
};
use crate::{
    circuit::handle::Circuit,
    registry::{Event, Registry, Subscription},
    util::panic::catch_panic,
};

/// Publishes the numbers of all circuits of a registry through the facade [`metrics`], to the exporter that is
/// installed there.
///
/// A call pays nothing for it. Numbers are read where they are kept anyway: at each transition, when
/// [`publish`](Self::publish) is called, and [at an interval](Self::every), if you like. `guide::telemetry` says which
/// metrics there are.
///
/// ```
/// use metrics_exporter_prometheus::PrometheusBuilder;
/// use tower_breaker::{registry::Registry, telemetry::Metrics};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let recorder = PrometheusBuilder::new().build_recorder();
/// let scrape = recorder.handle();
/// metrics::set_global_recorder(recorder)?;
///
/// let registry = Registry::builder().circuit("payments", |circuit| circuit).build()?;
/// let published = Metrics::install(&registry);
///
/// // In the handler for scrapes:
/// published.publish();
/// let text = scrape.render();
/// assert!(text.contains("circuit_breaker_state{circuit=\"payments\"} 0\n"));
/// # Ok(())
/// # }
/// ```
///
/// A clone is another handle to the same, and so is what [`every`](Self::every) returns.
///
/// **Watch out:** when the last handle is dropped, nothing more is published, and the exporter goes on showing the last
/// numbers.
///
/// The recorder is looked up each time, so it may be installed later than this. What was counted before is in the next
/// numbers, except durations that were published before. If a recorder panics, nothing else happens.
#[derive(Clone)]
#[must_use = "nothing is published any more once this is dropped"]
pub struct Metrics {
    shared: Arc<Shared>,
    _subscription: Arc<Subscription>,
}

struct Shared {
    tracked: Tracked,
    recorder: Option<Box<DynRecorder>>,
    circuits: OneAtATime,
}

type DynRecorder = dyn Recorder + Send + Sync;

impl Metrics {
    /// Publishes from now on with the defaults. The same as [`builder`](Self::builder) and
    /// [`install`](MetricsBuilder::install).
    #[must_use = "nothing is published any more once this is dropped"]
    pub fn install(registry: &Registry) -> Self {
        Self::builder(registry).install()
    }

    /// Begins to build the publishing of this registry's circuits. It does not keep the registry alive.
    pub fn builder(registry: &Registry) -> MetricsBuilder {
        MetricsBuilder {
            registry: registry.clone(),
            max_labels: MAX_LABELS,
            recorder: None,
        }
    }

    /// Sets every series to its value now. Call it in a handler of scrapes, before it renders.
    ///
    /// This does not wait. If another thread is just setting the same series, that thread sets the value of now.
    pub fn publish(&self) {
        self.shared.publish();
    }

    /// Publishes at this interval, at most once a millisecond. For exporters that push, and for quiet circuits. Spawn
    /// it:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_breaker::{registry::Registry, telemetry::Metrics};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let registry = Registry::builder().build().unwrap();
    /// # let published = Metrics::install(&registry);
    /// tokio::spawn(published.every(Duration::from_secs(10)));
    /// # }
    /// ```
    ///
    /// The future is a handle, too: `published` may be dropped after this. It does not keep the registry alive. When
    /// the registry is gone, the future ends after an interval at most. To end it before, drop it, or abort its task.
    ///
    /// # Panics
    ///
    /// When the future is polled, if there is no runtime of tokio with time enabled.
    #[must_use = "nothing is published at this interval until it is spawned or awaited"]
    pub fn every(&self, interval: Duration) -> impl Future<Output = ()> + Send + use<> {
        publish_every(self.clone(), interval.max(Duration::from_millis(1)))
    }
}

/// Takes the handle as a whole: an `async move` block would hold only what it names of it, and not the subscription.
async fn publish_every(published: Metrics, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        if !published.shared.publish() {
            break;
        }
    }
}

/// Builds [`Metrics`]. Made by [`Metrics::builder`].
#[must_use = "nothing is published until it is installed"]
pub struct MetricsBuilder {
    registry: Registry,
    max_labels: u32,
    recorder: Option<Box<DynRecorder>>,
}

impl MetricsBuilder {
    /// Sets how many names become labels. All others are `other` (rule L6).
    ///
    /// Default: 200. Circuits that are named come first, if they are there by now. Exporters do not forget names. So a
    /// name keeps its label when its circuits have left.
    pub fn max_labels(mut self, names: u32) -> Self {
        self.max_labels = names;
        self
    }

    /// Sets the recorder to publish to, in place of the one that is installed globally. (One that is set for a thread
    /// only hears what happens on that thread.)
    ///
    /// The recorder may call back, but not for ever. One that [publishes](Metrics::publish) whenever it is told
    /// something never ends.
    pub fn recorder(mut self, recorder: impl Recorder + Send + Sync + 'static) -> Self {
        self.recorder = Some(Box::new(recorder));
        self
    }

    /// Publishes from now on: at once, and at every transition.
    #[must_use = "nothing is published any more once this is dropped"]
    pub fn install(self) -> Metrics {
        let Self {
            registry,
            max_labels,
            recorder,
        } = self;
        let shared = Arc::new(Shared {
            tracked: Tracked::new(&registry, max_labels, Labelled::ForEver),
            recorder,
            circuits: OneAtATime::default(),
        });
        let heard = shared.clone();
        let subscription = registry.subscribe(move |circuit, event| heard.hear(circuit, event));
        shared.tracked.begin(&registry);
        shared.set_all();
        Metrics {
            shared,
            _subscription: Arc::new(subscription),
        }
    }
}

impl Shared {
    fn hear(&self, circuit: &Circuit, event: Event<'_>) {
        let series = self.tracked.hear(circuit, event);
        // The sums of all those that share a label are not made in the middle of a call.
        let series = series.filter(|series| **series.label() == *circuit.name());
        series.iter().for_each(|series| self.set(series));
    }

    /// Whether the registry is still there.
    fn publish(&self) -> bool {
        self.set_all();
        let all = self.tracked.all();
        all.iter().for_each(|series| self.record(series));
        self.tracked.registry().is_some()
    }

    /// All but durations: those can be told only once, and there may be no recorder yet.
    fn set_all(&self) {
        self.with_recorder(describe);
        let all = self.tracked.all();
        all.iter().for_each(|series| self.set(series));
        self.circuits.run(|| {
            let by_state = self.tracked.by_state();
            self.with_recorder(|recorder| set_circuits(recorder, &by_state));
        });
    }

    /// It is read where nobody else can set it before this has set it.
    fn set(&self, series: &Series) {
        series.setting.run(|| {
            if let Some(reading) = self.tracked.read(series) {
                self.with_recorder(|recorder| set(recorder, &reading));
            }
        });
    }

    /// A recorder takes these one by one, so that is nothing to be done in the middle of a call.
    fn record(&self, series: &Series) {
        let new = self.tracked.unrecorded(series);
        self.with_recorder(|recorder| record(recorder, series, &new));
    }

    /// Asked for anew each time: one that is kept from a time before there was a recorder is mute for ever.
    fn with_recorder(&self, tell: impl FnOnce(&dyn Recorder)) {
        match &self.recorder {
            Some(recorder) => tell(recorder),
            None => metrics::with_recorder(tell),
        }
    }
}

static METADATA: Metadata<'static> = Metadata::new(
    "tower_breaker",
    Level::INFO,
    Some("tower_breaker::telemetry"),
);

fn describe(recorder: &dyn Recorder) {
    for metric in &METRICS {
        let name = || KeyName::from_const_str(metric.name);
        let about = || SharedString::const_str(metric.about);
        let unit = Some(unit_of(metric));
        catch_panic(|| match metric.kind {
            Kind::Counter(_) => recorder.describe_counter(name(), unit, about()),
            Kind::Gauge { .. } | Kind::Gauges(_) | Kind::Circuits => {
                recorder.describe_gauge(name(), unit, about());
            }
            Kind::Histogram => recorder.describe_histogram(name(), unit, about()),
        });
    }
}

fn unit_of(metric: &Metric) -> metrics::Unit {
    match metric.unit {
        Unit::Seconds => metrics::Unit::Seconds,
        _ => metrics::Unit::Count,
    }
}

fn set(recorder: &dyn Recorder, reading: &Reading) {
    let circuit = shared(&reading.label);
    for metric in &METRICS {
        match &metric.kind {
            Kind::Counter(read) => read(reading, &mut |values, count| {
                set_counter(recorder, &key(metric, Some(&circuit), values), count);
            }),
            Kind::Gauge { read, gone } => {
                let value = reading.seen.as_ref().map(read);
                let value = value.or(reading.was_seen.then_some(*gone));
                if let Some(value) = value {
                    set_gauge(recorder, &key(metric, Some(&circuit), &[]), value);
                }
            }
            Kind::Gauges(read) if reading.seen.is_some() || reading.was_seen => {
                read(reading, &mut |values, value| {
                    set_gauge(recorder, &key(metric, Some(&circuit), values), value);
                });
            }
            Kind::Histogram if reading.counted.durations.is_some() => {
                let key = key(metric, Some(&circuit), &[]);
                catch_panic(|| drop(recorder.register_histogram(&key, &METADATA)));
            }
            Kind::Gauges(_) | Kind::Histogram | Kind::Circuits => {}
        }
    }
}

fn record(recorder: &dyn Recorder, series: &Series, new: &[Calls]) {
    let is_of_durations = |metric: &&Metric| matches!(metric.kind, Kind::Histogram);
    for metric in METRICS.iter().filter(is_of_durations) {
        let key = key(metric, Some(&shared(series.label())), &[]);
        for Calls { calls, nanos } in new {
            let seconds = Duration::from_nanos(*nanos).as_secs_f64();
            let calls = usize::try_from(*calls).unwrap_or(usize::MAX);
            catch_panic(|| {
                let histogram = recorder.register_histogram(&key, &METADATA);
                histogram.record_many(seconds, calls);
            });
        }
    }
}

fn shared(label: &str) -> SharedString {
    SharedString::from_shared(Arc::from(label))
}

fn set_circuits(recorder: &dyn Recorder, by_state: &[(&'static str, u64)]) {
    for metric in METRICS
        .iter()
        .filter(|metric| matches!(metric.kind, Kind::Circuits))
    {
        for (state, circuits) in by_state {
            #[expect(clippy::cast_precision_loss, reason = "not so many")]
            set_gauge(recorder, &key(metric, None, &[state]), *circuits as f64);
        }
    }
}

/// At least: a number that is told late makes none that is newer fall.
fn set_counter(recorder: &dyn Recorder, key: &Key, count: u64) {
    catch_panic(|| recorder.register_counter(key, &METADATA).absolute(count));
}

fn set_gauge(recorder: &dyn Recorder, key: &Key, value: f64) {
    catch_panic(|| recorder.register_gauge(key, &METADATA).set(value));
}

fn key(metric: &Metric, circuit: Option<&SharedString>, values: &[&'static str]) -> Key {
    let values = values.iter().map(|value| SharedString::const_str(value));
    let values = circuit.cloned().into_iter().chain(values);
    let labels = metric.labels.iter().zip(values);
    let labels: Vec<_> = labels
        .map(|(label, value)| Label::new(*label, value))
        .collect();
    Key::from_parts(metric.name, labels)
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl fmt::Debug for MetricsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsBuilder")
            .field("max_labels", &self.max_labels)
            .finish_non_exhaustive()
    }
}
