//! Transitions as events.

use std::{sync::Arc, time::Duration};

use tower_breaker::{
    By, Circuit, CircuitBuilder, EjectionCap, Guard, Mode, Outcome, clock::ManualClock,
};
use tracing::{Level, info_span};

use crate::collector::Collector;

const BREAK: Duration = Duration::from_secs(5);

fn logged(configure: impl FnOnce(CircuitBuilder) -> CircuitBuilder) -> (Circuit, ManualClock) {
    let clock = ManualClock::new();
    let builder = Circuit::builder("payments")
        .clock(clock.clone())
        .failure_rate(0.5)
        .count_window(10)
        .minimum_calls(4)
        .open_for(BREAK);
    let circuit = configure(builder).log_transitions().build();
    (circuit.expect("valid"), clock)
}

fn call(circuit: &Circuit, outcome: Outcome) {
    circuit.try_acquire().expect("admitted").finish(outcome);
}

fn fail(circuit: &Circuit, times: usize) {
    (0..times).for_each(|_| call(circuit, Outcome::Failure));
}

// L7
#[test]
fn each_transition_is_one_event_with_the_line_as_its_message() {
    let (circuit, clock) = logged(|builder| builder);
    let log = Collector::new();
    let _listening = log.listen();
    fail(&circuit, 4);
    clock.advance(BREAK);
    fail(&circuit, 1);
    clock.advance(BREAK);
    call(&circuit, Outcome::Success);
    assert_eq!(
        log.lines(),
        [
            "WARN circuit `payments` opened: 4 of 4 calls failed (100 %, threshold 50 %), next probe in 5 s",
            "INFO circuit `payments` is half-open: the wait is over, the next call is a probe",
            "INFO circuit `payments` opened again: a probe failed, next probe in 5 s",
            "INFO circuit `payments` is half-open: the wait is over, the next call is a probe",
            "INFO circuit `payments` closed: the probes succeeded",
        ],
    );
}

// L7
#[test]
fn an_event_has_all_that_is_known_in_its_fields_and_needs_no_span() {
    let (circuit, clock) = logged(|builder| builder);
    let log = Collector::new();
    let _listening = log.listen();
    call(&circuit, Outcome::Success);
    fail(&circuit, 3);
    clock.advance(BREAK);
    call(&circuit, Outcome::Success);
    let events = log.events();
    let fields: Vec<_> = events
        .iter()
        .map(|told| told.fields.without("circuit_breaker.event_id").to_string())
        .collect();
    let ids = events
        .iter()
        .map(|told| told.fields.get("circuit_breaker.event_id"));
    let ids: Vec<u64> = ids
        .map(|id| id.expect("set").parse().expect("a number"))
        .collect();
    assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
    assert_eq!(
        fields,
        [
            "attempt=1 calls=4 cause=failure_rate era=1 event=opened failures=3 mode=normal mode_before=normal \
             name=payments open_for_seconds=5.0 slow=0 state=open state_before=closed threshold=0.5",
            "attempt=1 cause=wait_over era=2 event=half_open mode=normal mode_before=normal name=payments \
             state=half_open state_before=open",
            "attempt=0 cause=recovered era=3 event=closed mode=normal mode_before=normal name=payments state=closed \
             state_before=half_open",
        ],
    );
    assert!(events.iter().all(|told| told.target == "tower_breaker"));
    assert!(events.iter().all(|told| told.span.is_none()));
}

// L7
#[test]
fn a_warning_is_a_circuit_that_begins_to_reject() {
    let log = Collector::new();
    let _listening = log.listen();
    let (circuit, _) = logged(|builder| builder);
    circuit.force_open();
    circuit.release();
    circuit.set_mode(Mode::Disabled);
    circuit.set_mode(Mode::Normal);
    circuit.trip(BREAK).expect("not forced");
    circuit.reset();
    assert_eq!(
        log.lines(),
        [
            "WARN circuit `payments` is forced open: by hand",
            "INFO circuit `payments` is back to normal: by hand",
            "INFO circuit `payments` is disabled: by hand",
            "INFO circuit `payments` is back to normal: by hand",
            "WARN circuit `payments` opened: by hand, next probe in 5 s",
            "INFO circuit `payments` closed: by hand",
        ],
    );
}

// L7
#[test]
fn in_shadow_nothing_is_a_warning() {
    let log = Collector::new();
    let _listening = log.listen();
    let (circuit, _) = logged(|builder| builder);
    circuit.set_mode(Mode::Shadow);
    fail(&circuit, 4);
    circuit.set_mode(Mode::Normal);
    assert_eq!(
        log.lines(),
        [
            "DEBUG circuit `payments` is in shadow: by hand (shadow: nothing is rejected)",
            "INFO circuit `payments` opened: 4 of 4 calls failed (100 %, threshold 50 %), next probe in 5 s \
             (shadow: nothing is rejected)",
            // It was open already, but from now on it rejects.
            "WARN circuit `payments` is back to normal: by hand",
        ],
    );
}

// L7, B9: calls are refused from now on, so somebody should look.
#[test]
fn a_circuit_that_begins_to_shed_is_a_warning_and_that_it_ends_is_none() {
    for (mode, levels, suffix) in [
        (Mode::Normal, ["WARN", "INFO"], ""),
        (
            Mode::Shadow,
            ["INFO", "INFO"],
            " (shadow: nothing is rejected)",
        ),
    ] {
        let (circuit, clock) = logged(|it| it.shed(2.0, 0.1).failure_rate(None).mode(mode));
        let log = Collector::new();
        let _listening = log.listen();
        fail(&circuit, 4);
        let successes = (0..100).filter_map(|_| circuit.try_acquire().ok());
        successes.for_each(Guard::success);
        clock.advance(Duration::from_secs(1));
        call(&circuit, Outcome::Success);
        let sheds = "circuit `payments` sheds calls (80 % at first): 4 of 4 calls failed";
        let no_more = "circuit `payments` sheds no more calls: there is nothing to shed any more";
        let [begins, ends] = levels;
        assert_eq!(
            log.lines(),
            [
                format!("{begins} {sheds}{suffix}"),
                format!("{ends} {no_more}{suffix}"),
            ]
        );
    }
}

// L7, B9
#[test]
fn what_it_sheds_by_is_in_fields() {
    let (circuit, _) = logged(|it| it.shed(2.0, 0.1).failure_rate(None));
    let log = Collector::new();
    let _listening = log.listen();
    call(&circuit, Outcome::Success);
    fail(&circuit, 3);
    let [told] = &log.events()[..] else {
        panic!("one event");
    };
    assert_eq!(
        told.fields.without("circuit_breaker.event_id").to_string(),
        "attempt=0 calls=4 cause=shed_began era=0 event=sheds failures=3 mode=normal mode_before=normal \
         name=payments shed_share=0.4 slow=0 state=closed state_before=closed"
    );
}

// L7
#[test]
fn a_trip_that_was_vetoed_is_a_warning_with_what_would_have_opened_the_circuit() {
    let log = Collector::new();
    let _listening = log.listen();
    let cap = EjectionCap::new(0.5).expect("a share");
    let (circuit, _) = logged(|builder| builder.ejection_cap(&cap));
    fail(&circuit, 4);
    let told = log.events().remove(0);
    assert_eq!(told.level, Level::WARN);
    assert_eq!(
        told.fields.get("circuit_breaker.cause"),
        Some("trip_vetoed")
    );
    assert_eq!(
        told.fields.get("circuit_breaker.vetoed"),
        Some("failure_rate")
    );
}

// L7
#[test]
fn a_change_of_settings_is_told_with_who_and_why() {
    let log = Collector::new();
    let _listening = log.listen();
    let (circuit, _) = logged(|builder| builder);
    let by = By::who("ops").because("INC-1");
    circuit
        .reconfigure_as(by, |settings| settings.set_failure_rate(0.25))
        .expect("valid");
    let told = log.events().remove(0);
    assert_eq!(told.level, Level::DEBUG);
    assert_eq!(
        told.message,
        "circuit `payments`: `failure_rate` 0.5 -> 0.25 (by ops: INC-1)"
    );
    assert_eq!(
        told.fields.without("circuit_breaker.event_id").to_string(),
        "era=0 event=settings name=payments settings_version=1 who=ops why=INC-1"
    );
}

// L7
#[test]
fn what_a_person_did_is_told_with_who_and_why() {
    let log = Collector::new();
    let _listening = log.listen();
    let (circuit, _) = logged(|builder| builder.tag("tier", "critical").tag("zone", "eu"));
    circuit.force_open_as(By::who("ops").because("INC-1"));
    let told = log.events().remove(0);
    assert_eq!(
        told.message,
        "circuit `payments` is forced open: by hand (by ops: INC-1)"
    );
    assert_eq!(
        told.fields.without("circuit_breaker.event_id").to_string(),
        "attempt=1 calls=0 cause=manual era=1 event=mode failures=0 mode=forced_open mode_before=normal \
         name=payments slow=0 state=open state_before=closed tags=tier=critical, zone=eu who=ops why=INC-1"
    );
}

// L7, C5
#[test]
fn forced_open_that_ends_by_itself_is_told_with_who_had_forced_it() {
    let log = Collector::new();
    let _listening = log.listen();
    let (circuit, clock) = logged(|builder| builder);
    let by = By::who("ops").because("INC-1");
    circuit.force_open_for(by, BREAK).expect("a time");
    clock.advance(BREAK);
    log.events();
    call(&circuit, Outcome::Success);
    let told = log.events().remove(0);
    assert_eq!(told.level, Level::INFO);
    let get = |name| told.fields.get(name);
    assert_eq!(get("circuit_breaker.cause"), Some("force_expired"));
    assert_eq!(get("circuit_breaker.who"), Some("ops"));
    assert_eq!(get("circuit_breaker.why"), Some("INC-1"));
}

// L7
#[test]
fn a_filter_by_level_keeps_what_it_is_to_keep() {
    let (circuit, clock) = logged(|builder| builder);
    let log = Collector::new();
    let _listening = log.listen_to(Level::WARN);
    fail(&circuit, 4);
    clock.advance(BREAK);
    call(&circuit, Outcome::Success);
    assert_eq!(log.lines().len(), 1);
}

// L7
#[test]
fn an_event_belongs_to_the_span_of_the_request_that_made_it_happen() {
    let (circuit, _) = logged(|builder| builder);
    let log = Collector::new();
    let _listening = log.listen();
    fail(&circuit, 3);
    info_span!("request").in_scope(|| fail(&circuit, 1));
    assert_eq!(log.events().remove(0).span.as_deref(), Some("request"));
}

// L7, E4
#[test]
fn a_subscriber_that_panics_harms_nobody() {
    let told = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let count = told.clone();
    let circuit = Circuit::builder("payments")
        .consecutive_failures(1)
        .log_transitions()
        .on_transition(move |_, _| {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        })
        .build()
        .expect("valid");
    let log = Collector::new().on_event(|| panic!("a subscriber"));
    let _listening = log.listen();
    fail(&circuit, 1);
    assert!(circuit.try_acquire().is_err());
    assert_eq!(told.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert_eq!(log.lines().len(), 1);
    // And it is told of the next.
    circuit.reset();
    assert_eq!(log.lines().len(), 1);
}

#[cfg(feature = "registry")]
mod of_a_registry {
    use tower_breaker::{registry::Registry, telemetry::log_transitions};

    use super::*;

    // L7
    #[test]
    fn all_its_circuits_are_logged_until_that_is_dropped() {
        let registry = Registry::builder().circuit("a", |circuit| circuit);
        let registry = registry.build().expect("valid");
        let log = Collector::new();
        let _listening = log.listen();
        registry.try_get("a").expect("named").force_open();
        let logging = log_transitions(&registry);
        registry.try_get("a").expect("named").release();
        let later = registry.get_or_create("b").expect("made");
        later.force_open();
        later
            .reconfigure(|settings| settings.set_minimum_calls(5))
            .expect("valid");
        assert_eq!(
            log.lines(),
            [
                "INFO circuit `a` is back to normal: by hand",
                "WARN circuit `b` is forced open: by hand",
                "DEBUG circuit `b`: `minimum_calls` 20 -> 5",
            ],
        );
        drop(logging);
        later.release();
        assert_eq!(log.lines(), Vec::<String>::new());
    }

    // I6
    #[test]
    fn a_log_does_not_keep_the_registry_alive() {
        let registry = Registry::builder().build().expect("valid");
        let logging = log_transitions(&registry);
        let weak = registry.downgrade();
        drop(registry);
        assert!(weak.upgrade().is_none());
        drop(logging);
    }
}

// L7, M9
#[test]
fn a_full_bulkhead_is_a_warning_and_one() {
    let (circuit, _clock) = logged(|builder| builder.bulkhead(1, Duration::ZERO));
    let log = Collector::new();
    let _listening = log.listen();
    let _place = circuit.try_enter().expect("free");
    (0..3).for_each(|_| drop(circuit.try_enter().expect_err("full")));
    let line = "WARN circuit `payments` rejects calls: its bulkhead is full";
    assert_eq!(log.lines(), [line]);
}
