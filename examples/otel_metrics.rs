//! Numbers of circuits for OpenTelemetry: instruments that are observed when they are collected, so that a call pays
//! nothing for them. Two of five circuits fail, of which one is back by the second collection.
//!
//! Run with: `cargo run --example otel_metrics --features registry`
//!
//! It ends by itself, and prints this; or it fails, if anything is not as it should be.
//!
//! ```text
//! after the first calls
//! mail: closed, 9 success, 0 failure, 0 rejected
//! maps: closed, 9 success, 0 failure, 0 rejected
//! other: 9 success, 0 failure, 0 rejected
//! payments: open, 0 success, 3 failure, 6 rejected
//! search: open, 0 success, 3 failure, 6 rejected
//!
//! payments is back
//! mail: closed, 9 success, 0 failure, 0 rejected
//! maps: closed, 9 success, 0 failure, 0 rejected
//! other: 9 success, 0 failure, 0 rejected
//! payments: closed, 1 success, 3 failure, 6 rejected
//! search: open, 0 success, 3 failure, 6 rejected
//! ```

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use opentelemetry::{
    KeyValue,
    metrics::{Meter, MeterProvider},
};
use opentelemetry_sdk::metrics::{
    InMemoryMetricExporter, PeriodicReader, SdkMeterProvider,
    data::{AggregatedMetrics, MetricData, ResourceMetrics},
};
use tower_breaker::{
    Circuit, State, Totals,
    clock::ManualClock,
    registry::{Registry, WeakRegistry},
    telemetry::{Labels, attributes},
};

const RESULTS: [&str; 5] = ["success", "failure", "ignored", "rejected", "abandoned"];

/// Observes the circuits of a registry.
///
/// Of those that leave it, the calls leave the sums, too, and a counter that falls begins anew for whoever looks at it.
/// That is as it should be for a name of its own, and wrong for `other`. So where circuits come and go, count them by
/// `Metrics` or `Exposition`, which keep those sums.
fn observe(registry: &Registry, meter: &Meter) {
    // The SDK drops what is over its limit of attribute sets, by default 2,000 an instrument.
    let labels = Arc::new(Labels::with_max(registry, 4));

    let (circuits, of) = (registry.downgrade(), labels.clone());
    meter
        .u64_observable_counter("circuit_breaker.calls")
        .with_description("Calls that have ended or were rejected, by result.")
        .with_unit("{call}")
        .with_callback(move |calls| {
            for (label, totals) in sums(&circuits, &of) {
                for (result, count) in RESULTS.iter().zip(totals) {
                    let attributes = [name(&label), KeyValue::new(attributes::OUTCOME, *result)];
                    calls.observe(count, &attributes);
                }
            }
        })
        .build();

    let (circuits, of) = (registry.downgrade(), labels);
    meter
        .u64_observable_gauge("circuit_breaker.state")
        .with_description("The state: 0 closed, 1 open, 2 half-open.")
        .with_callback(move |states| {
            for snapshot in snapshots(&circuits) {
                // The state of one of many says nothing about the others.
                if of.label(&snapshot.name) == &*snapshot.name {
                    states.observe(number(snapshot.state), &[name(&snapshot.name)]);
                }
            }
        })
        .build();
}

fn name(label: &str) -> KeyValue {
    KeyValue::new(attributes::NAME, label.to_owned())
}

fn snapshots(registry: &WeakRegistry) -> Vec<tower_breaker::Snapshot> {
    let registry = registry.upgrade();
    registry
        .map(|registry| registry.snapshots())
        .unwrap_or_default()
}

/// Each of the results, by label. Two observations with the same attributes would not be added up.
fn sums(registry: &WeakRegistry, labels: &Labels) -> BTreeMap<String, [u64; 5]> {
    let mut sums = BTreeMap::<_, [u64; 5]>::new();
    for snapshot in snapshots(registry) {
        let label = labels.label(&snapshot.name).to_owned();
        let totals = snapshot.totals.map(results).unwrap_or_default();
        let sum = sums.entry(label).or_default();
        sum.iter_mut()
            .zip(totals)
            .for_each(|(sum, count)| *sum += count);
    }
    sums
}

fn results(totals: Totals) -> [u64; 5] {
    let Totals {
        successful,
        failed,
        ignored,
        rejected,
        abandoned,
        ..
    } = totals;
    [successful, failed, ignored, rejected, abandoned]
}

fn number(state: State) -> u64 {
    match state {
        State::Closed => 0,
        State::Open => 1,
        State::HalfOpen => 2,
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clock = ManualClock::new();
    let time = clock.clone();
    let builder = Registry::builder().defaults(move |circuit| {
        let circuit = circuit.consecutive_failures(3).clock(time.clone());
        circuit.open_for(Duration::from_secs(5))
    });
    let named = ["mail", "maps", "payments", "search"];
    let builder = named
        .iter()
        .fold(builder, |builder, name| builder.circuit(name, |it| it));
    let registry = builder.build()?;

    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    observe(&registry, &provider.meter("tower-breaker"));

    for circuit in ["mail", "maps", "payments", "search", "somebody"] {
        let circuit = registry.get_or_create(circuit)?;
        (0..9).for_each(|_| call(&circuit, !["payments", "search"].contains(&circuit.name())));
    }
    println!("after the first calls");
    let first = collect(&provider, &exporter)?;
    assert_eq!(first.len(), 5, "four names, and `other`");
    assert_eq!(first["payments"], "open, 0 success, 3 failure, 6 rejected");
    assert_eq!(first["other"], "9 success, 0 failure, 0 rejected");

    println!("\npayments is back");
    clock.advance(Duration::from_secs(6));
    call(&registry.try_get("payments")?, true);
    let second = collect(&provider, &exporter)?;
    assert_eq!(
        second["payments"],
        "closed, 1 success, 3 failure, 6 rejected"
    );
    assert_eq!(second["search"], "open, 0 success, 3 failure, 6 rejected");
    provider.shutdown()?;
    Ok(())
}

fn call(circuit: &Circuit, well: bool) {
    match circuit.try_acquire() {
        Ok(call) if well => call.success(),
        Ok(call) => call.failure(),
        Err(_) => {}
    }
}

/// Has everything observed and exported, prints it, and gives it by label.
fn collect(
    provider: &SdkMeterProvider,
    exporter: &InMemoryMetricExporter,
) -> Result<BTreeMap<String, String>, Box<dyn std::error::Error>> {
    exporter.reset();
    provider.force_flush()?;
    let exported = exporter.get_finished_metrics()?;
    let points: Vec<_> = exported.iter().flat_map(points).collect();
    let value = |instrument: &str, circuit: &str, result: Option<&str>| {
        let of = |attribute: &str, value: &str, attributes: &BTreeMap<String, String>| {
            attributes
                .get(attribute)
                .is_some_and(|there| there == value)
        };
        let found = points.iter().find(|(of_instrument, attributes, _)| {
            of_instrument == instrument
                && of(attributes::NAME, circuit, attributes)
                && result.is_none_or(|result| of(attributes::OUTCOME, result, attributes))
        });
        found.map(|(_, _, value)| *value)
    };
    let mut lines = BTreeMap::new();
    for circuit in points
        .iter()
        .filter_map(|(_, attributes, _)| attributes.get(attributes::NAME))
    {
        let calls = ["success", "failure", "rejected"].map(|result| {
            let count = value("circuit_breaker.calls", circuit, Some(result));
            format!("{} {result}", count.unwrap_or_default())
        });
        let state = value("circuit_breaker.state", circuit, None);
        let state = state.map(|state| match state {
            0 => "closed, ",
            1 => "open, ",
            _ => "half-open, ",
        });
        lines.insert(
            circuit.clone(),
            format!("{}{}", state.unwrap_or_default(), calls.join(", ")),
        );
    }
    lines
        .iter()
        .for_each(|(circuit, line)| println!("{circuit}: {line}"));
    Ok(lines)
}

type Point = (String, BTreeMap<String, String>, u64);

fn points(exported: &ResourceMetrics) -> Vec<Point> {
    let metrics = exported.scope_metrics().flat_map(|scope| scope.metrics());
    let mut points = Vec::new();
    for metric in metrics {
        let mut add = |attributes: &mut dyn Iterator<Item = &KeyValue>, value| {
            let attributes = attributes.map(|it| (it.key.to_string(), it.value.to_string()));
            points.push((metric.name().to_owned(), attributes.collect(), value));
        };
        match metric.data() {
            AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                assert!(sum.is_monotonic(), "a counter");
                sum.data_points()
                    .for_each(|point| add(&mut point.attributes(), point.value()));
            }
            AggregatedMetrics::U64(MetricData::Gauge(gauge)) => {
                gauge
                    .data_points()
                    .for_each(|point| add(&mut point.attributes(), point.value()));
            }
            other => panic!("not asked for: {other:?}"),
        }
    }
    points
}
