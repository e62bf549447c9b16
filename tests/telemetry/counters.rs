//! Counters: they never fall, and they never stall.

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use tower_breaker::{
    Circuit, Mode,
    clock::ManualClock,
    registry::{Event, Registry},
    telemetry::Exposition,
};

use super::{
    collisions::race,
    scrape::{Exported, Scrape, brittle, fail, registry, succeed},
};

const STEPS: &str = "transitions_total{cause=";

fn transitions(scrape: &Scrape) -> f64 {
    let is_step = |series: &str| series.starts_with(&format!("circuit_breaker_{STEPS}"));
    let steps = scrape.0.iter().filter(|(series, _)| is_step(series));
    steps.map(|(_, value)| value).sum()
}

// L4
#[test]
fn each_result_of_a_call_is_counted_under_its_word() {
    let (registry, _clock) = registry(&["a"]);
    let exported = Exported::of(&registry);
    let a = registry.try_get("a").expect("named");
    (0..5).for_each(|_| succeed(&a));
    a.try_acquire().expect("admitted").ignore();
    drop(a.try_acquire().expect("admitted"));
    fail(&a);
    (0..3).for_each(|_| drop(a.try_acquire().expect_err("open")));
    a.force_open();
    a.try_acquire().expect_err("forced open");
    let seen = exported.scrape();
    let results = ["success", "failure", "ignored", "rejected", "abandoned"];
    assert_eq!(
        results.map(|result| seen.calls("a", result)),
        [5.0, 1.0, 1.0, 4.0, 1.0]
    );
    let reason = |reason| {
        seen.value(&format!(
            "rejections_total{{circuit=\"a\",reason=\"{reason}\"}}"
        ))
    };
    let reasons = [
        "open",
        "half_open_full",
        "forced_open",
        "ramping",
        "shedding",
        "bulkhead_full",
    ];
    assert_eq!(reasons.map(reason), [3.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
}

// L4
#[test]
fn slow_stale_shadowed_and_vetoed_have_counters_of_their_own() {
    let clock = ManualClock::new();
    let builder = brittle(Registry::builder(), &clock);
    let registry = builder.defaults(|circuit| circuit.slow_call_duration(Duration::from_secs(1)));
    let registry = registry
        .circuit("a", |circuit| circuit)
        .build()
        .expect("valid");
    let a = registry.try_get("a").expect("named");
    let exported = Exported::of(&registry);
    let slow = a.try_acquire().expect("admitted");
    clock.advance(Duration::from_secs(2));
    slow.success();
    let stale = a.try_acquire().expect("admitted");
    fail(&a);
    stale.success();
    a.set_mode(Mode::Shadow);
    succeed(&a);
    let seen = exported.scrape();
    assert_eq!(seen.of("a", "slow_calls_total"), 1.0);
    assert_eq!(seen.of("a", "stale_calls_total"), 1.0);
    assert_eq!(seen.of("a", "shadowed_calls_total"), 1.0);
    assert_eq!(seen.of("a", "vetoed_trips_total"), 0.0);
}

// L4: and one that has begun an era is counted once.
#[test]
fn each_transition_is_counted_with_its_cause() {
    let (registry, clock) = registry(&["a"]);
    let exported = Exported::of(&registry);
    let a = registry.try_get("a").expect("named");
    for _ in 0..3 {
        fail(&a);
        clock.advance(Duration::from_secs(11));
        succeed(&a);
    }
    a.set_mode(Mode::Shadow);
    a.set_mode(Mode::Normal);
    a.force_open();
    // At once, and not only when published.
    let seen = exported.as_it_is();
    for (from, to, cause, count) in [
        ("closed", "open", "consecutive_failures", 3.0),
        ("open", "half_open", "wait_over", 3.0),
        ("half_open", "closed", "recovered", 3.0),
        ("half_open", "open", "probe_failed", 0.0),
        ("closed", "open", "manual", 1.0),
    ] {
        let step = format!("{STEPS}\"{cause}\",circuit=\"a\",from=\"{from}\",to=\"{to}\"}}");
        assert_eq!(seen.value(&step), count, "{step}");
    }
    assert_eq!(transitions(&seen), a.snapshot().era as f64);
}

// L4: what an exporter has cannot be made less, so it would stand still.
#[test]
fn the_counters_of_a_name_that_comes_back_go_on() {
    let (registry, _clock) = registry(&["a"]);
    let exported = Exported::of(&registry);
    let exposition = Exposition::new(&registry);
    for round in 1..=3 {
        let a = registry.get_or_create("a").expect("made");
        (0..5).for_each(|_| succeed(&a));
        for scrape in [exported.scrape(), Scrape::read(&exposition.render())] {
            assert_eq!(scrape.calls("a", "success"), f64::from(5 * round));
        }
        registry.remove("a").expect("there");
        // Also without a scrape in between.
        let a = registry.get_or_create("a").expect("made");
        fail(&a);
        registry.remove("a").expect("there");
        let step = "\"consecutive_failures\",circuit=\"a\",from=\"closed\",to=\"open\"}";
        let opened = exported.as_it_is().value(&format!("{STEPS}{step}"));
        assert_eq!(opened, f64::from(round));
    }
}

// L4: the registry moves a circuit that it takes out, and no handle survives that.
#[test]
fn the_counters_of_a_name_that_was_evicted_go_on() {
    let clock = ManualClock::new();
    let registry = brittle(Registry::builder(), &clock)
        .max_circuits(1)
        .build()
        .expect("valid");
    let exported = Exported::of(&registry);
    let exposition = Exposition::new(&registry);
    for round in 1..=3 {
        for name in ["a", "b"] {
            succeed(&registry.get_or_create(name).expect("made"));
            clock.advance(Duration::from_secs(1_000));
        }
        let seen = exported.scrape();
        let of = |scrape: &Scrape, name| scrape.calls(name, "success");
        assert_eq!([of(&seen, "a"), of(&seen, "b")], [f64::from(round); 2]);
        let text = Scrape::read(&exposition.render());
        assert_eq!(text.circuits("state"), ["b"]);
        assert_eq!(of(&text, "b"), f64::from(round));
    }
    assert_eq!(registry.totals().evicted, 5);
}

// L4: for a moment, no handle can be had.
#[test]
fn what_is_just_taken_out_is_shown_as_it_was_last() {
    let clock = ManualClock::new();
    let registry = brittle(Registry::builder(), &clock).max_circuits(1);
    let registry = registry.build().expect("valid");
    let exposition = Arc::new(OnceLock::<Exposition>::new());
    let seen = Arc::new(Mutex::new(None));
    let (scraped, seen_then) = (exposition.clone(), seen.clone());
    // Told before the text is.
    let _first = registry.subscribe(move |_, event| {
        if let (Event::Evicted, Some(exposition)) = (event, scraped.get()) {
            let text = Scrape::read(&exposition.render());
            *seen_then.lock().expect("no panic") = Some(text.calls("a", "success"));
        }
    });
    let exposition = exposition.get_or_init(|| Exposition::new(&registry));
    succeed(&registry.get_or_create("a").expect("made"));
    clock.advance(Duration::from_secs(1_000));
    assert_eq!(
        Scrape::read(&exposition.render()).calls("a", "success"),
        1.0
    );
    registry.get_or_create("b").expect("made");
    assert_eq!(*seen.lock().expect("no panic"), Some(1.0));
}

// L4
#[test]
fn what_shares_a_label_is_summed_and_the_sum_never_falls() {
    let (registry, _clock) = registry(&["a", "b"]);
    let exported = Exported::with(&registry, |builder| builder.max_labels(0));
    let exposition = Exposition::new(&registry).max_labels(0);
    let both = || [exported.scrape(), Scrape::read(&exposition.render())];
    succeed(&registry.try_get("a").expect("named"));
    succeed(&registry.try_get("b").expect("named"));
    assert_eq!(
        both().map(|scrape| scrape.calls("other", "success")),
        [2.0; 2]
    );
    registry.remove("a").expect("there");
    assert_eq!(
        both().map(|scrape| scrape.calls("other", "success")),
        [2.0; 2]
    );
    succeed(&registry.get_or_create("a").expect("made"));
    assert_eq!(
        both().map(|scrape| scrape.calls("other", "success")),
        [3.0; 2]
    );
    registry.remove("a").expect("there");
    registry.remove("b").expect("there");
    assert_eq!(
        both().map(|scrape| scrape.calls("other", "success")),
        [3.0; 2]
    );
}

// L4: whoever hears of it before this, and makes another of its name, has that told first.
#[test]
fn a_circuit_whose_name_was_taken_before_it_is_told_gone_takes_nothing_along() {
    let clock = ManualClock::new();
    let builder = brittle(Registry::builder(), &clock);
    let again = |circuit: &Circuit, event: Event<'_>, registry: &Registry| {
        if circuit.name() == "a" && matches!(event, Event::Removed) {
            succeed(&registry.get_or_create("a").expect("made"));
        }
    };
    let registry = builder
        .circuit("a", |circuit| circuit)
        .build()
        .expect("valid");
    let weak = registry.downgrade();
    let _first = registry.subscribe(move |circuit, event| {
        again(circuit, event, &weak.upgrade().expect("there"));
    });
    let exported = Exported::of(&registry);
    let exposition = Exposition::new(&registry);
    let old = registry.try_get("a").expect("named");
    (0..5).for_each(|_| succeed(&old));
    registry.remove("a").expect("there");
    fail(&registry.try_get("a").expect("made anew"));
    // The old one is out, whatever becomes of it.
    old.force_open();
    for scrape in [exported.scrape(), Scrape::read(&exposition.render())] {
        assert_eq!(scrape.calls("a", "success"), 6.0);
        assert_eq!(scrape.calls("a", "failure"), 1.0);
        assert_eq!(scrape.of("a", "mode"), 0.0);
        assert_eq!(scrape.of("a", "state"), 1.0);
    }
}

// L4
#[test]
fn counters_never_fall_while_circuits_come_and_go() {
    let clock = ManualClock::new();
    let builder = brittle(Registry::builder(), &clock).max_circuits(3);
    let registry = builder.build().expect("valid");
    let apart = Exposition::new(&registry);
    let together = apart.clone().max_labels(0);
    let calls = 2_000;
    race(4, |thread| {
        if let Some(exposition) = [&apart, &together].get(thread) {
            let mut before = Scrape::read("");
            for _ in 0..500 {
                let now = Scrape::read(&exposition.render());
                for (series, value) in &before.0 {
                    let is_counter = series.contains("_total{");
                    let now = now.0.get(series).unwrap_or(value);
                    assert!(
                        !is_counter || now >= value,
                        "{series} fell from {value} to {now}"
                    );
                }
                before = now;
            }
            return;
        }
        for call in 0..calls {
            let name = ["a", "b", "c", "d", "e"][(call * thread + call / 7) % 5];
            if let Ok(circuit) = registry.get_or_create(name) {
                if let Ok(guard) = circuit.try_acquire() {
                    guard.success();
                }
            }
            if call % 5 == 0 {
                registry.remove(name);
            }
            clock.advance(Duration::from_secs(100));
        }
    });
    assert!(registry.totals().evicted > 0, "none was evicted");
}

// L4: also while it is scraped.
#[test]
fn calls_pay_nothing_for_being_counted() {
    let (registry, _clock) = registry(&["a", "b"]);
    let (exported, exposition) = (Exported::of(&registry), Exposition::new(&registry));
    let [a, b] = ["a", "b"].map(|name| registry.try_get(name).expect("named"));
    fail(&b);
    let calls = || {
        (0..100).for_each(|_| succeed(&a));
        (0..100).for_each(|_| drop(b.try_acquire().expect_err("open")));
    };
    calls();
    let scraping = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            while scraping.load(SeqCst) {
                exported.scrape();
                let _ = exposition.render();
            }
        });
        let allocated = allocation_counter::measure(calls);
        scraping.store(false, SeqCst);
        assert_eq!(allocated.count_total, 0);
    });
}

// L4
#[test]
fn without_totals_there_are_no_counters_but_transitions() {
    let clock = ManualClock::new();
    let builder = brittle(Registry::builder(), &clock).defaults(|circuit| circuit.totals(false));
    let registry = builder
        .circuit("a", |circuit| circuit)
        .build()
        .expect("valid");
    let exported = Exported::of(&registry);
    fail(&registry.try_get("a").expect("named"));
    let seen = exported.scrape();
    assert_eq!(seen.of("a", "state"), 1.0);
    assert_eq!(transitions(&seen), 1.0);
    assert!(seen.circuits("calls_total").is_empty());
    assert!(seen.circuits("rejections_total").is_empty());
}
