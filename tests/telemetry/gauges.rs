//! State, mode, rates: there from the start, and right after every transition.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use tower_breaker::{
    By, CircuitBuilder, Mode, State,
    clock::ManualClock,
    registry::{Event, Registry},
    telemetry::{Exposition, Metrics},
};

use super::{
    collisions::race,
    recorders::Hears,
    scrape::{Exported, Scrape, brittle, fail, registry, succeed},
};

// L5
#[test]
fn the_series_of_a_circuit_are_there_before_its_first_call() {
    let (registry, _clock) = registry(&["a"]);
    let exported = Exported::of(&registry);
    registry.get_or_create("b").expect("made");
    let seen = exported.as_it_is();
    for circuit in ["a", "b"] {
        assert_eq!(seen.of(circuit, "state"), 0.0);
        assert_eq!(seen.of(circuit, "mode"), 0.0);
        assert_eq!(seen.calls(circuit, "success"), 0.0);
        assert!(seen.of(circuit, "failure_rate").is_nan());
        assert_eq!(seen.of(circuit, "failure_rate_threshold"), 0.5);
        assert!(seen.of(circuit, "slow_call_rate_threshold").is_nan());
        assert_eq!(seen.of(circuit, "open_seconds"), 0.0);
        assert_eq!(seen.of(circuit, "shed_share"), 0.0);
    }
}

// L5, B9
#[test]
fn the_share_that_is_shed_is_that_of_the_snapshot() {
    let clock = ManualClock::new();
    let shedding = |mode| {
        move |it: CircuitBuilder| {
            let it = it.minimum_calls(4).shed(2.0, 0.1).mode(mode);
            it.failure_rate(None)
        }
    };
    let registry = Registry::builder()
        .defaults({
            let clock = clock.clone();
            move |it| it.clock(clock.clone())
        })
        .circuit("a", shedding(Mode::Normal))
        .circuit("b", shedding(Mode::Shadow))
        .build()
        .expect("valid");
    let exported = Exported::of(&registry);
    for circuit in ["a", "b"] {
        let it = registry.try_get(circuit).expect("named");
        (0..4).for_each(|_| fail(&it));
        let shed = exported.as_it_is().of(circuit, "shed_share");
        assert_eq!(shed, it.snapshot().shed_share);
        assert!((shed - 0.8).abs() < 1e-6, "{shed}");
    }
    let a = registry.try_get("a").expect("named");
    while a.try_acquire().is_ok_and(|guard| {
        guard.ignore();
        true
    }) {}
    let seen = exported.scrape();
    assert_eq!(
        seen.value("rejections_total{circuit=\"a\",reason=\"shedding\"}"),
        1.0
    );
    assert_eq!(seen.of("a", "state"), 0.0);
    a.reset();
    assert_eq!(exported.as_it_is().of("a", "shed_share"), 0.0);
}

// L5
#[test]
fn state_and_mode_are_right_after_every_transition_and_change_of_mode() {
    let (registry, clock) = registry(&["a"]);
    let exported = Exported::of(&registry);
    let a = registry.try_get("a").expect("named");
    let seen = || {
        let seen = exported.as_it_is();
        (seen.of("a", "state"), seen.of("a", "mode"))
    };
    fail(&a);
    assert_eq!(seen(), (1.0, 0.0));
    clock.advance(Duration::from_secs(11));
    let probe = a.try_acquire().expect("the wait is over");
    assert_eq!(seen(), (2.0, 0.0));
    probe.success();
    assert_eq!(seen(), (0.0, 0.0));
    a.force_open();
    assert_eq!(seen(), (1.0, 1.0));
    a.release();
    assert_eq!(seen(), (0.0, 0.0));
    a.set_mode(Mode::Disabled);
    assert_eq!(seen(), (0.0, 2.0));
    a.set_mode(Mode::Shadow);
    assert_eq!(seen(), (0.0, 3.0));
    // That begins no era.
    a.set_mode(Mode::Normal);
    assert_eq!(seen(), (0.0, 0.0));
}

// L5: also those that a person has changed.
#[test]
fn rates_and_thresholds_are_those_that_hold() {
    let (registry, clock) = registry(&["a"]);
    let exported = Exported::of(&registry);
    let a = registry.try_get("a").expect("named");
    let change = a.reconfigure(|settings| {
        let settings = settings.set_consecutive_failures(None).set_minimum_calls(4);
        settings.set_failure_rate(0.75)
    });
    change.expect("valid");
    assert_eq!(exported.as_it_is().of("a", "failure_rate_threshold"), 0.75);
    succeed(&a);
    fail(&a);
    fail(&a);
    let too_few = exported.scrape().of("a", "failure_rate");
    assert!(too_few.is_nan());
    fail(&a);
    assert_eq!(a.state(), State::Open);
    let seen = exported.scrape();
    assert_eq!(seen.of("a", "failure_rate"), 0.75, "of the trip");
    clock.advance(Duration::from_secs(11));
    fail(&a);
    clock.advance(Duration::from_secs(7));
    assert_eq!(
        exported.scrape().of("a", "open_seconds"),
        18.0,
        "two breaks"
    );
}

// L5
#[test]
fn what_has_left_is_set_back() {
    let (registry, _clock) = registry(&["a"]);
    let exported = Exported::of(&registry);
    let a = registry.try_get("a").expect("named");
    fail(&a);
    a.set_mode(Mode::Shadow);
    registry.remove("a").expect("there");
    for seen in [exported.as_it_is(), exported.scrape()] {
        let gauges = ["state", "mode", "open_seconds"].map(|gauge| seen.of("a", gauge));
        assert_eq!(gauges, [0.0; 3]);
        assert!(seen.of("a", "failure_rate").is_nan());
        assert!(seen.of("a", "failure_rate_threshold").is_nan());
        assert_eq!(seen.calls("a", "failure"), 1.0, "counters stay");
    }
    // Nothing of it is told any more.
    a.force_open();
    assert_eq!(exported.scrape().of("a", "state"), 0.0);
}

// L5: one that was removed before it was told as added is told as both after the one that has its name by then.
#[test]
fn the_state_that_is_shown_is_that_of_the_circuit_that_is_there_whoever_is_told_last() {
    let clock = ManualClock::new();
    let registry = brittle(Registry::builder(), &clock).build().expect("valid");
    let (weak, seen) = (registry.downgrade(), Arc::new(AtomicU64::new(0)));
    let made = seen.clone();
    let _first = registry.subscribe(move |circuit, event| {
        if circuit.name() == "a" && matches!(event, Event::Added) && made.fetch_add(1, SeqCst) == 0
        {
            let registry = weak.upgrade().expect("there");
            registry.remove("a").expect("it is there");
            registry.get_or_create("a").expect("made anew").force_open();
        }
    });
    let exported = Exported::of(&registry);
    let exposition = Exposition::new(&registry);
    let old = registry.get_or_create("a").expect("made");
    assert_eq!(seen.load(SeqCst), 2);
    for circuit in [old, registry.try_get("a").expect("there")] {
        for scrape in [
            exported.as_it_is(),
            exported.scrape(),
            Scrape::read(&exposition.render()),
        ] {
            let shown = ["state", "mode"].map(|gauge| scrape.of("a", gauge));
            assert_eq!(shown, [1.0; 2]);
        }
        // Whatever becomes of the old one.
        circuit.set_mode(Mode::ForcedOpen);
    }
}

// L5: nobody may call it for a long time.
#[test]
fn forced_open_whose_time_is_over_is_published_as_the_next_call_finds_it() {
    let (registry, clock) = registry(&["a"]);
    let exported = Exported::of(&registry);
    let text = Exposition::new(&registry);
    let a = registry.try_get("a").expect("named");
    let seen = || {
        let of = |seen: Scrape| {
            let circuits = |state| seen.value(&format!("circuits{{state=\"{state}\"}}"));
            let gauges = ["state", "mode", "open_seconds"].map(|gauge| seen.of("a", gauge));
            (gauges, circuits("closed"), circuits("open"))
        };
        let (text, exported) = (of(Scrape::read(&text.render())), of(exported.scrape()));
        assert_eq!(text, exported);
        text
    };
    for (mode, word) in [
        (Mode::Normal, 0.0),
        (Mode::Disabled, 2.0),
        (Mode::Shadow, 3.0),
    ] {
        a.set_mode(mode);
        fail(&a);
        let forced = a.force_open_for(By::default(), Duration::from_secs(3));
        assert_eq!(forced, Ok(true));
        clock.advance(Duration::from_secs(2));
        let ([state, mode_is, _], closed, open) = seen();
        assert_eq!(
            [state, mode_is, closed, open],
            [1.0, 1.0, 0.0, 1.0],
            "{mode}"
        );
        clock.advance(Duration::from_secs(1));
        assert_eq!(seen(), ([0.0, word, 0.0], 1.0, 0.0), "{mode}");
        assert!(exported.scrape().of("a", "failure_rate").is_nan());
        // C5: to publish it has changed nothing.
        assert_eq!((a.state(), a.mode()), (State::Open, Mode::ForcedOpen));
        drop(a.try_acquire());
        assert_eq!((a.state(), a.mode()), (State::Closed, mode));
        assert_eq!(seen(), ([0.0, word, 0.0], 1.0, 0.0), "{mode}");
    }
}

// L5: whichever of the two is told last, and modes have no era to go by.
#[test]
fn the_gauge_ends_right_whoever_tells_last() {
    let (registry, _clock) = registry(&["a"]);
    let last = Arc::new(AtomicU64::new(0));
    let heard = last.clone();
    let recorder = Hears {
        metric: "circuit_breaker_mode",
        react: Arc::new(move |value| heard.store(value.to_bits(), SeqCst)),
    };
    let _published = Metrics::builder(&registry).recorder(recorder).install();
    let a = registry.try_get("a").expect("named");
    let mut ends = BTreeSet::new();
    for round in 0..3_000 {
        race(2, |thread| {
            if thread == 0 {
                a.set_mode(Mode::Shadow);
                a.force_open();
            } else {
                a.set_mode(Mode::Disabled);
                a.set_mode(Mode::Normal);
            }
        });
        let mode = match a.mode() {
            Mode::Normal => 0.0,
            Mode::ForcedOpen => 1.0,
            Mode::Disabled => 2.0,
            Mode::Shadow => 3.0,
        };
        let told = f64::from_bits(last.load(SeqCst));
        assert_eq!(told, mode, "in round {round}");
        ends.insert(a.mode().label());
        a.set_mode(Mode::Normal);
    }
    assert!(ends.len() > 1, "the threads never collided: {ends:?}");
}

// L5
#[test]
fn how_many_circuits_are_in_each_state_is_a_series_of_all_of_them() {
    let (registry, clock) = registry(&["a", "b", "c", "d"]);
    let exported = Exported::with(&registry, |builder| builder.max_labels(1));
    let get = |name| registry.try_get(name).expect("named");
    fail(&get("b"));
    clock.advance(Duration::from_secs(11));
    let _probe = get("b").try_acquire_owned().expect("the wait is over");
    fail(&get("c"));
    let seen = exported.scrape();
    let states = ["closed", "open", "half_open"];
    let of = |state| seen.value(&format!("circuits{{state=\"{state}\"}}"));
    assert_eq!(states.map(of), [2.0, 1.0, 1.0]);
}

// L5
#[test]
fn nothing_is_published_once_it_is_dropped() {
    let (registry, _clock) = registry(&["a"]);
    let exported = Exported::of(&registry);
    let Exported { published, handle } = exported;
    drop(published);
    registry.try_get("a").expect("named").force_open();
    let text = handle.render();
    assert!(
        text.contains("circuit_breaker_state{circuit=\"a\"} 0\n"),
        "{text}"
    );
}

// L5: the future is a handle by itself, and ends when there is nothing left to publish.
#[tokio::test(start_paused = true)]
async fn numbers_are_published_at_an_interval_until_the_registry_is_gone() {
    let (registry, _clock) = registry(&["a"]);
    let Exported { published, handle } = Exported::of(&registry);
    let publishing = tokio::spawn(published.every(Duration::from_secs(10)));
    drop(published);
    tokio::time::sleep(Duration::from_secs(1)).await;
    succeed(&registry.try_get("a").expect("named"));
    assert_eq!(Scrape::read(&handle.render()).calls("a", "success"), 0.0);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(Scrape::read(&handle.render()).calls("a", "success"), 1.0);
    succeed(&registry.try_get("a").expect("named"));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(Scrape::read(&handle.render()).calls("a", "success"), 2.0);
    let weak = registry.downgrade();
    drop(registry);
    assert!(weak.upgrade().is_none(), "kept alive by the task");
    let ended = tokio::time::timeout(Duration::from_secs(11), publishing).await;
    ended.expect("in time").expect("no panic");
}

// L5
#[test]
fn neither_of_the_two_keeps_the_registry_alive() {
    let registry = Registry::builder().circuit("a", |circuit| circuit).build();
    let registry = registry.expect("valid");
    let exported = Exported::of(&registry);
    let weak = registry.downgrade();
    drop(registry);
    assert!(weak.upgrade().is_none());
    exported.scrape();
}

// L5: transitions, too, and not a moment longer than the task.
#[tokio::test(start_paused = true)]
async fn a_task_that_publishes_tells_transitions_until_it_is_aborted() {
    let (registry, _clock) = registry(&["a"]);
    let Exported { published, handle } = Exported::of(&registry);
    let publishing = tokio::spawn(published.every(Duration::from_secs(10)));
    drop(published);
    let circuit = registry.try_get("a").expect("named");
    circuit.force_open();
    assert_eq!(Scrape::read(&handle.render()).of("a", "state"), 1.0);
    publishing.abort();
    assert!(publishing.await.expect_err("aborted").is_cancelled());
    circuit.release();
    assert_eq!(Scrape::read(&handle.render()).of("a", "state"), 1.0);
}
