//! The text for Prometheus.

use std::time::Duration;

use tower_breaker::{Mode, registry::Registry, telemetry::Exposition};

use super::scrape::{Exported, Scrape, fail, registry, succeed};

fn scrape(exposition: &Exposition) -> Scrape {
    Scrape::read(&exposition.render())
}

// L4, L5: whatever an exporter shows, it shows.
#[test]
fn the_text_has_the_series_that_an_exporter_has() {
    let (registry, clock) = registry(&["closed", "open", "half-open", "forced", "shadow"]);
    let exposition = Exposition::new(&registry);
    let exported = Exported::of(&registry);
    let get = |name| registry.try_get(name).expect("named");
    succeed(&get("closed"));
    fail(&get("half-open"));
    clock.advance(Duration::from_secs(11));
    let _probe = get("half-open")
        .try_acquire_owned()
        .expect("the wait is over");
    get("half-open").try_acquire().expect_err("one probe");
    fail(&get("open"));
    get("open").try_acquire().expect_err("open");
    get("forced").force_open();
    get("shadow").set_mode(Mode::Shadow);
    let (text, exporter) = (scrape(&exposition).0, exported.scrape().0);
    let written = |(series, value): (&String, &f64)| format!("{series} {value}");
    let text: Vec<_> = text.iter().map(written).collect();
    let exporter: Vec<_> = exporter.iter().map(written).collect();
    assert_eq!(text, exporter);
    let seen = scrape(&exposition);
    let states =
        ["closed", "open", "half-open", "forced", "shadow"].map(|name| seen.of(name, "state"));
    assert_eq!(states, [0.0, 1.0, 2.0, 1.0, 0.0]);
    let modes = ["closed", "forced", "shadow"].map(|name| seen.of(name, "mode"));
    assert_eq!(modes, [0.0, 1.0, 3.0]);
}

// L4: who asks by how much it has grown needs a value before.
#[test]
fn what_is_likely_to_happen_is_there_before_it_happens() {
    let (registry, _clock) = registry(&["a"]);
    let seen = scrape(&Exposition::new(&registry));
    for (from, to, cause) in [
        ("closed", "open", "consecutive_failures"),
        ("closed", "open", "failure_rate"),
        ("open", "half_open", "wait_over"),
        ("half_open", "open", "probe_failed"),
        ("half_open", "closed", "recovered"),
    ] {
        let step = format!(
            "transitions_total{{cause=\"{cause}\",circuit=\"a\",from=\"{from}\",to=\"{to}\"}}"
        );
        assert_eq!(seen.value(&step), 0.0);
    }
    let slow = r#"transitions_total{cause="slow_call_rate",circuit="a",from="closed",to="open"}"#;
    assert_eq!(seen.get(slow), None, "no such threshold");
}

// L4
#[test]
fn every_metric_has_its_help_and_type_before_it_and_lies_together() {
    let (registry, _clock) = registry(&["a", "b"]);
    let text = Exposition::new(&registry).render();
    let mut metrics: Vec<&str> = Vec::new();
    for line in text.lines() {
        let rest = line
            .strip_prefix("# HELP ")
            .or(line.strip_prefix("# TYPE "))
            .unwrap_or(line);
        let name = rest.split([' ', '{']).next().expect("a name");
        if metrics.last() != Some(&name) {
            assert!(line.starts_with("# HELP "), "{line}");
            assert!(!metrics.contains(&name), "{name} is in two places");
            metrics.push(name);
        }
    }
    assert!(metrics.len() > 10);
    assert!(text.ends_with('\n'));
}

// L6
#[test]
fn names_of_circuits_are_escaped() {
    let hostile = "a\"b\\c\nd}\u{2028}{x=\"1\"} 5\\";
    let registry = Registry::builder()
        .circuit(hostile, |circuit| circuit)
        .build();
    let registry = registry.expect("valid");
    let text = Exposition::new(&registry).render();
    let line = "circuit_breaker_state{circuit=\"a\\\"b\\\\c\\nd}\u{2028}{x=\\\"1\\\"} 5\\\\\"} 0\n";
    assert!(text.contains(line), "{text}");
    let is_fine = |line: &str| line.starts_with("# ") || line.starts_with("circuit_breaker_");
    assert!(
        text.split('\n')
            .all(|line| line.is_empty() || is_fine(line)),
        "{text}"
    );
}

// L4, L5
#[test]
fn a_circuit_that_has_left_is_not_shown_any_more() {
    let (registry, _clock) = registry(&["a", "b"]);
    let exposition = Exposition::new(&registry);
    registry.remove("a").expect("there");
    assert_eq!(scrape(&exposition).circuits("state"), ["b"]);
    assert_eq!(scrape(&exposition).circuits("calls_total"), ["b"]);
    registry.get_or_create("c").expect("made");
    assert_eq!(scrape(&exposition).circuits("state"), ["b", "c"]);
}

// L6: unlike an exporter, it forgets.
#[test]
fn a_label_that_nobody_has_goes_to_another_name_when_there_is_none_left() {
    let (registry, _clock) = registry(&["a"]);
    let exposition = Exposition::new(&registry).max_labels(2);
    for name in ["b", "c", "d"] {
        registry.get_or_create(name).expect("made");
    }
    assert_eq!(
        scrape(&exposition).circuits("calls_total"),
        ["a", "b", "other"]
    );
    registry.remove("b").expect("there");
    registry.get_or_create("e").expect("made");
    // And no circuit goes from `other` to a label of its own, which would make that fall.
    assert_eq!(
        scrape(&exposition).circuits("calls_total"),
        ["a", "e", "other"]
    );
}

// L4: it is held by those who scrape.
#[test]
fn the_text_of_a_registry_that_is_gone_is_empty() {
    let (registry, _clock) = registry(&["a"]);
    let exposition = Exposition::new(&registry);
    drop(registry);
    assert_eq!(exposition.render(), "");
}
